//! What was reported and changes no state by itself is tried on the plane: evidence of
//! a containment, re-use of what is dead, what was observed before a re-issue.

use super::{Move, Next, Situation};
use crate::target::{Target, TargetKind};

/// Probes each credential that such a report is about, once for each report.
pub(super) fn moves(s: &Situation<'_>, next: &mut Next) {
    for (finding, asked) in &s.case.asks_for_a_probe {
        let Some(resolved) = s.case.findings.iter().find(|f| f.id == *finding).and_then(|f| f.resolved.as_ref()) else { continue };
        if !s.planes.contains(&resolved.identity.plane) {
            continue;
        }
        // A plan at work probes what it cuts.
        if s.plans.values().any(|p| p.is_open() && p.started.is_some() && p.plan.identities().contains(&resolved.identity.id)) {
            continue;
        }
        let meant = |t: &&Target| match &resolved.credential {
            Some(credential) => t.id == credential.id,
            None => t.identity == resolved.identity.id,
        };
        let credentials = s.case.linked.iter().map(|(t, _)| t).filter(|t| t.kind == TargetKind::Credential).filter(meant);
        for target in credentials {
            let probed = s.targets.get(&target.id).and_then(|t| t.rounds.last()).is_some_and(|r| r.at >= *asked);
            let already = next.moves.iter().any(|m| matches!(m, Move::Probe { target: t, .. } if t.id == target.id));
            if !probed && !already {
                next.moves.push(Move::Probe { plan: None, step: None, target: target.clone(), before_act: false });
            }
        }
    }
}
