//! Orders about a case: verdicts, notes, tasks, outcomes, closing, opening by hand.

use std::sync::Arc;

use quell_core::{
    case::{self, Command},
    decision::{Role, Verb},
    event::CaseOpened,
    finding::{Finding, Resolved, fold_key},
    id::{CaseId, FindingId, SourceId, StreamId},
    inventory::{self},
    personal::Salter,
    signal::{ObservedFrom, SignalKind},
    target::TargetKind,
};

use super::Caller;
use crate::{Engine, Failure, ground::Ground, record::Writing};
impl Engine {
    /// Records one function's verdict, by somebody who has that function.
    pub async fn give_verdict(
        self: &Arc<Self>,
        caller: &Caller,
        id: &CaseId,
        role: Role,
        verdict: quell_core::event::Verdict,
        evidence: Option<String>,
    ) -> Result<(), Failure> {
        if !caller.roles.contains(&role) {
            return Err(Failure::Refused(format!("you do not have the role `{}`, so you cannot judge in it", role.name())));
        }
        let salter = Salter::new(self.ports.chance.seed());
        let command = Command::GiveVerdict { role, verdict, evidence: evidence.map(|e| salter.commit(e)) };
        self.command(caller, id, Verb::GiveVerdict, command).await
    }

    /// A command on the case itself.
    pub async fn command(self: &Arc<Self>, caller: &Caller, id: &CaseId, verb: Verb, command: Command) -> Result<(), Failure> {
        self.may(caller, verb, Some(id), &[]).await?;
        self.retry(id, |engine: &Arc<Self>, ground: &Ground, writing: &mut Writing| {
            let events = case::decide(&ground.case, &ground.targets, &ground.plans, command.clone(), engine.ports.clock.now())
                .map_err(|e| Failure::Refused(e.to_string()))?;
            let closes = matches!(command, Command::Close { .. });
            for event in events {
                writing.event(StreamId::case(id), &caller.by(), event);
            }
            // What no other case holds is given back with the case's end.
            if closes {
                for target in ground.targets.values().filter(|t| t.holds.contains(id)) {
                    let Some(thing) = &target.target else { continue };
                    let released = quell_core::event::HoldReleased { case: id.clone(), last: target.holds.len() == 1 };
                    writing.event(StreamId::target(&thing.id), &caller.by(), released);
                }
                for finding in ground.case.findings.iter().filter(|f| f.outcome.is_none()) {
                    let ended = quell_core::event::FindingEnded {
                        finding: finding.id.clone(),
                        outcome: finding.outcome_at_close(),
                        evidence: None,
                    };
                    writing.event(StreamId::case(id), &caller.by(), ended);
                }
            }
            Ok(())
        })
        .await
    }

    /// Opens a case by hand about one identity.
    pub async fn open_case(self: &Arc<Self>, caller: &Caller, reference: &str, kind: SignalKind, text: &str) -> Result<CaseId, Failure> {
        self.may(caller, Verb::OpenCase, None, &[]).await?;
        let inventory = self.inventory();
        let known =
            inventory.identity(reference).map(|i| i.id.clone()).or_else(|| inventory.credential(reference).map(|c| c.identity.clone()));
        let identity = known.unwrap_or_else(|| reference.to_owned());
        let Some((plane, native)) = inventory::split(&identity) else {
            return Err(Failure::Refused(format!("expected SYSTEM/NATIVE_ID, found `{reference}`")));
        };
        if self.ports.connectors.get(plane).is_none() && inventory.identity(&identity).is_none() {
            return Err(Failure::Refused(format!(
                "`{plane}` is neither a connector nor in the inventory; `quell connector list` shows what is"
            )));
        }
        let salter = Salter::new(self.ports.chance.seed());
        let naming = self.naming(&salter);
        let now = self.ports.clock.now();
        let credential = inventory::split(reference)
            .filter(|_| inventory.credential(reference).is_some())
            .map(|(p, n)| naming.target(p, TargetKind::Credential, n, native));
        let credential_kind = inventory.credential(reference).map(|c| c.kind);
        let resolved = Resolved {
            identity: naming.target(plane, TargetKind::Identity, native, native),
            credential,
            credential_kind,
            mark: None,
            possession: false,
            is_right_now: false,
            because: "a person opened the case about it".to_owned(),
            otherwise: None,
            said: None,
        };
        let sender = SourceId::new(format!("person:{}", caller.id));
        let dedupe = self.settings.key.opaque("dedupe", &["by hand", &caller.id.to_string(), &now.to_string()]);
        let fold = fold_key(&self.settings.key, kind, Some(&resolved), None, &dedupe);
        let finding = Finding {
            id: FindingId::from_chance(self.ports.chance.id()),
            fold,
            kind,
            title: salter.commit(text),
            count: 1,
            first_at: now,
            first_at_from: ObservedFrom::Received,
            last_at: now,
            senders: [sender].into(),
            alerts: Default::default(),
            seen: [dedupe].into(),
            resolved: Some(resolved),
            uncompared: Vec::new(),
            fingerprint: None,
            sample: false,
            containment_evidence: false,
            unsigned: false,
            unreadable: false,
            outcome: None,
            folds: Default::default(),
        };
        let case = CaseId::from_chance(self.ports.chance.id());
        let mut writing = Writing::because("by hand");
        writing.event(
            StreamId::case(&case),
            &caller.by(),
            CaseOpened { case: case.clone(), finding, because: "a person opened it".to_owned() },
        );
        self.after_order(&mut writing, &case, now);
        self.append(writing, now).await?;
        self.wake();
        Ok(case)
    }
}
