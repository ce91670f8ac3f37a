//! Computes plans; nobody writes them by hand.
//!
//! What is cut and in which order follows from what the plane declares and
//! what was found: fence first, what mints before what was minted, the login
//! before the sessions, the secret before anything is opened again. A leaked
//! secret that Quell holds is tried after the lock (28000 means locked); one it
//! does not hold is replaced first by a throw-away, which can then be tried.

use alloc::{
    borrow::ToOwned,
    collections::{BTreeMap, BTreeSet},
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use crate::{
    action::{Action, Reversible},
    decision::Role,
    event::CaseEnriched,
    id::{CaseId, PlanId, TargetId},
    inventory::RotationMethod,
    manifest::{ActionManifest, Manifest},
    personal::Salter,
    plan::{Bounds, Edge, Fallback, OnTimeout, Parent, Pin, Plan, PlanKind, Proves, Selector, Step, Tier, UndoMode, Until},
    proof::ProbeClass,
    secret::FingerprintKey,
    signal::CredentialKind,
    target::{Target, TargetKind},
};

/// Makes targets of native ids: opaque ids by the installation's key, personal
/// data by this command's salts.
pub struct Naming<'a> {
    pub key: &'a FingerprintKey,
    pub salter: &'a Salter,
}

impl Naming<'_> {
    /// The target of a thing on a plane.
    pub fn target(&self, plane: &str, kind: TargetKind, native: &str, identity: &str) -> Target {
        let id = |kind: TargetKind, native: &str| TargetId::new(format!("t-{}", self.key.opaque("target", &[plane, kind.name(), native])));
        Target {
            id: id(kind, native),
            plane: plane.to_owned(),
            kind,
            native: self.salter.commit(native),
            identity: id(TargetKind::Identity, identity),
        }
    }
}

/// What a plan is drafted from.
pub struct Ground<'a> {
    pub id: PlanId,
    pub case: CaseId,
    pub parent: Option<Parent>,
    pub kind: PlanKind,
    pub tier: Tier,
    pub subject: &'a CaseEnriched,
    pub pin: Pin,
    pub manifest: &'a Manifest,
    pub naming: Naming<'a>,
    /// Quell holds the leaked secret and it matched.
    pub possession: bool,
    /// How long an approval holds and the plan may run.
    pub valid_seconds: i64,
}

/// Most sessions one plan ends without asking again.
pub const SESSIONS_MAX: u32 = 500;

/// Drafts the containment of one subject. With a declared failover and a first
/// plan, its consumers move to a twin before the old credential is cut.
pub fn contain(ground: &Ground<'_>) -> Plan {
    let subject = ground.subject;
    let identity = &subject.identity;
    let sink = subject.rotation.as_ref().filter(|r| r.method == RotationMethod::Failover).and_then(|r| r.sink.clone());
    let failover = ground.kind == PlanKind::Contain && sink.is_some() && offers(ground, Action::ReissueCredential);

    let mut steps = Steps { ground, list: Vec::new(), gaps: Vec::new() };
    let mut gate: Option<Edge> = None;
    if failover {
        let n = steps.reissue(sink.as_deref().unwrap_or_default());
        gate = Some(Edge { step: n, until: Until::AfterProof, hard: true });
    }

    // Without the leaked value only a throw-away of ours can be tried and refused;
    // and where sessions cannot be ended, the witness of their death logs in with it.
    let by_witness = ground.manifest.controls.contains(&ProbeClass::Witness);
    let rotate_first = (!ground.possession || by_witness) && ground.kind == PlanKind::Contain;
    let mut before_lock: Vec<Edge> = gate.iter().cloned().collect();
    if rotate_first && let Some(n) = steps.rotate(&before_lock) {
        before_lock.push(Edge { step: n, until: Until::AfterAct, hard: false });
    }
    let lock = steps.push(
        Action::SuspendIdentity,
        Selector::Exactly { target: identity.clone() },
        Proves::Dead { selector: Selector::Every { kind: TargetKind::Credential, identity: identity.clone() } },
        before_lock,
        BTreeMap::new(),
        1,
    );
    let after_lock: Vec<Edge> = lock.iter().map(|n| Edge { step: *n, until: Until::AfterAct, hard: true }).collect();
    let sessions = Selector::Every { kind: TargetKind::Session, identity: identity.clone() };
    let kill = steps.push(
        Action::TerminateSessions,
        sessions.clone(),
        Proves::Dead { selector: sessions },
        after_lock.clone(),
        BTreeMap::new(),
        SESSIONS_MAX,
    );
    if !subject.delegations.is_empty() {
        let members = Selector::Every { kind: TargetKind::Entitlement, identity: identity.clone() };
        steps.push(Action::RemoveEntitlement, members.clone(), Proves::Dead { selector: members }, after_lock.clone(), BTreeMap::new(), 50);
    }
    if !rotate_first {
        let after_kill: Vec<Edge> = kill.iter().map(|n| Edge { step: *n, until: Until::AfterAct, hard: false }).collect();
        steps.rotate(&after_kill);
    }

    let Steps { list, mut gaps, .. } = steps;
    gaps.extend(left_out(&list, subject));
    finish(ground, list, gaps, failover, None)
}

/// Drafts the way back: sessions and tokens are purged first, the identity
/// works with a new credential, the old ones stay dead and are proved so after
/// it; or, restoring, the exact before-state comes back. `removed` are the
/// permissions that the containment took away.
pub fn undo(ground: &Ground<'_>, mode: UndoMode, contained: &Plan, removed: &[Target]) -> Plan {
    let identity = &ground.subject.identity;
    let mut steps = Steps { ground, list: Vec::new(), gaps: Vec::new() };
    match mode {
        UndoMode::Reinstate => {
            let sessions = Selector::Every { kind: TargetKind::Session, identity: identity.clone() };
            let purge = steps.push(
                Action::TerminateSessions,
                sessions.clone(),
                Proves::Dead { selector: sessions },
                vec![],
                BTreeMap::new(),
                SESSIONS_MAX,
            );
            let after_purge: Vec<Edge> = purge.iter().map(|n| Edge { step: *n, until: Until::AfterProof, hard: true }).collect();
            let sink = ground.subject.rotation.as_ref().and_then(|r| r.sink.clone());
            let mut parameters = BTreeMap::new();
            if let Some(sink) = &sink {
                parameters.insert("sink".to_owned(), sink.clone());
            }
            let credential = ground.next_credential(identity);
            let proves = Proves::Reinstated { credential, consumer_declared: sink.is_some() && !ground.subject.consumers.is_empty() };
            let back = steps.push(Action::Reinstate, Selector::Exactly { target: identity.clone() }, proves, after_purge, parameters, 1);
            let twins = contained.steps.iter().filter(|s| s.action == Action::ReissueCredential).filter_map(|s| s.parameters.get("twin"));
            for twin in twins {
                let twin = ground.naming.target(&identity.plane, TargetKind::Identity, twin, twin);
                let after_back: Vec<Edge> = back.iter().map(|n| Edge { step: *n, until: Until::AfterProof, hard: true }).collect();
                let proves = Proves::Dead { selector: Selector::Every { kind: TargetKind::Credential, identity: twin.clone() } };
                steps.push(Action::RetireIdentity, Selector::Exactly { target: twin }, proves, after_back, BTreeMap::new(), 1);
            }
        }
        UndoMode::Restore => {
            let proves = Proves::Restored { target: identity.clone() };
            steps.push(Action::Restore, Selector::Exactly { target: identity.clone() }, proves, vec![], BTreeMap::new(), 1);
        }
    }
    let last = steps.list.last().map(|s| Edge { step: s.n, until: Until::AfterProof, hard: true });
    for permission in removed {
        let proves = Proves::Restored { target: permission.clone() };
        let exactly = Selector::Exactly { target: permission.clone() };
        steps.push(Action::Restore, exactly, proves, last.iter().cloned().collect(), BTreeMap::new(), 1);
    }
    let Steps { list, gaps, .. } = steps;
    finish(ground, list, gaps, false, Some(mode))
}

impl Ground<'_> {
    /// The credential that takes the place of the old one: another generation,
    /// so that the old one's death and the new one's life are two facts.
    fn next_credential(&self, identity: &Target) -> Target {
        let native = format!("{}#password:{}", identity.native.shown(), generation(&self.id));
        self.naming.target(&identity.plane, TargetKind::Credential, &native, identity.native.shown())
    }
}

/// Five characters that tell generations of a credential apart.
fn generation(plan: &PlanId) -> String {
    plan.as_str().chars().rev().take(5).collect()
}

/// The name of a twin login: the plane's operators recognise whose it is.
fn twin_name(identity: &str, plan: &PlanId) -> String {
    // 63 bytes is the shortest limit among planes (PostgreSQL's NAMEDATALEN - 1).
    let mut base = identity;
    while base.len() > 50 {
        base = &base[..base.char_indices().next_back().map_or(0, |(i, _)| i)];
    }
    format!("{base}_q{}", generation(plan))
}

fn offers(ground: &Ground<'_>, action: Action) -> bool {
    ground.manifest.action(action).is_some()
}

struct Steps<'a, 'b> {
    ground: &'a Ground<'b>,
    list: Vec<Step>,
    gaps: Vec<String>,
}

impl Steps<'_, '_> {
    fn reissue(&mut self, sink: &str) -> u16 {
        let identity = &self.ground.subject.identity;
        let twin = twin_name(identity.native.shown(), &self.ground.id);
        let credential = self.ground.naming.target(&identity.plane, TargetKind::Credential, &format!("{twin}#password"), &twin);
        let parameters = BTreeMap::from([("twin".to_owned(), twin), ("sink".to_owned(), sink.to_owned())]);
        let proves = Proves::InUse { credential, consumer_declared: !self.ground.subject.consumers.is_empty() };
        self.push(Action::ReissueCredential, Selector::Exactly { target: identity.clone() }, proves, vec![], parameters, 1).unwrap_or(1)
    }

    fn rotate(&mut self, after: &[Edge]) -> Option<u16> {
        let passwords: Vec<Target> = self
            .ground
            .subject
            .credentials
            .iter()
            .filter(|(_, kind)| matches!(kind, Some(CredentialKind::Password) | None))
            .map(|(t, _)| t.clone())
            .collect();
        let mut last = None;
        for credential in passwords {
            let exactly = Selector::Exactly { target: credential };
            last = self
                .push(Action::RotateCredential, exactly.clone(), Proves::Dead { selector: exactly }, after.to_vec(), BTreeMap::new(), 1)
                .or(last);
        }
        last
    }

    fn push(
        &mut self,
        action: Action,
        selector: Selector,
        proves: Proves,
        after: Vec<Edge>,
        parameters: BTreeMap<String, String>,
        count_max: u32,
    ) -> Option<u16> {
        let Some(declared) = self.ground.manifest.action(action) else {
            self.gaps.push(format!("`{}` offers no `{}`", self.ground.pin.connector, action.name()));
            return None;
        };
        let n = u16::try_from(self.list.len() + 1).unwrap_or(u16::MAX);
        self.list.push(step(self.ground, n, declared, selector, proves, after, parameters, count_max));
        Some(n)
    }
}

#[expect(clippy::too_many_arguments, reason = "one step has this many independent parts, and only `Steps::push` calls it")]
fn step(
    ground: &Ground<'_>,
    n: u16,
    declared: &ActionManifest,
    selector: Selector,
    proves: Proves,
    after: Vec<Edge>,
    parameters: BTreeMap<String, String>,
    count_max: u32,
) -> Step {
    let kind = match &selector {
        Selector::Exactly { target } => target.kind,
        Selector::Every { kind, .. } => *kind,
    };
    Step {
        n,
        action: declared.action,
        plane: ground.pin.clone(),
        bounds: Bounds {
            kinds: BTreeSet::from([kind]),
            planes: BTreeSet::from([ground.pin.connector.clone()]),
            identities: BTreeSet::from([selector.identity().clone()]),
            count_max,
            reversible_min: declared.reversible,
            residual_seconds_max: 0,
        },
        fallback: Fallback {
            task: format!(
                "By hand on `{}`: {} for {}. Quell probes whether it worked.",
                ground.pin.connector,
                declared.action.entry().short,
                selector.in_words()
            ),
            owner: Role::PlatformOwner,
            exception_by: Role::ResponseOwner,
            attempts_max: 3,
        },
        selector,
        after,
        proves,
        reversible: declared.reversible,
        undo: declared.undo.clone(),
        effective: declared.effective,
        survives: declared.survives.clone(),
        attempt_seconds: 10,
        proof_seconds: 60,
        parameters,
    }
}

fn finish(ground: &Ground<'_>, steps: Vec<Step>, gaps: Vec<String>, failover: bool, undo: Option<UndoMode>) -> Plan {
    let mut roots = vec![ground.subject.identity.clone()];
    roots.extend(ground.subject.credentials.iter().map(|(t, _)| t.clone()));
    Plan {
        id: ground.id.clone(),
        case: ground.case.clone(),
        kind: ground.kind,
        parent: ground.parent.clone(),
        tier: ground.tier,
        roots,
        steps,
        gaps,
        failover,
        undo,
        on_timeout: OnTimeout::Escalate,
        valid_seconds: ground.valid_seconds,
    }
}

/// What a containment leaves out that it should treat (invariant 14).
pub fn left_out(steps: &[Step], subject: &CaseEnriched) -> Vec<String> {
    let has = |action: Action| steps.iter().any(|s| s.action == action);
    let suspends = has(Action::SuspendIdentity);
    let replaces = has(Action::RotateCredential) || has(Action::RevokeCredential);
    let who = subject.identity.reference();
    let mut gaps = Vec::new();
    if (suspends || replaces) && !has(Action::TerminateSessions) {
        gaps.push(format!("sessions that are open as `{who}` stay open"));
    }
    if suspends && !subject.delegations.is_empty() && !has(Action::RemoveEntitlement) {
        gaps.push(format!("{} other identities may still act as `{who}`", subject.delegations.len()));
    }
    let named = |credential: &Target| {
        steps.iter().any(|s| {
            matches!(s.action, Action::RotateCredential | Action::RevokeCredential)
                && matches!(&s.selector, Selector::Exactly { target } if target.id == credential.id)
        })
    };
    for (credential, kind) in &subject.credentials {
        let password = matches!(kind, Some(CredentialKind::Password) | None);
        if (suspends || replaces) && !password && !named(credential) {
            gaps.push(format!("`{}` is neither replaced nor revoked", credential.reference()));
        }
    }
    if suspends && subject.credentials.is_empty() {
        gaps.push(format!("no credential of `{who}` was found, so none is proved dead"));
    }
    gaps
}

/// Which tier the facts call for. A sample and an evidence of containment call
/// for nothing; what an automation may do of a plan is policy's question.
pub fn tier_for(corroboration: crate::finding::Corroboration) -> Tier {
    if corroboration.all_samples { Tier::Observe } else { Tier::Contain }
}

/// The weakest reversibility among steps, said before the plan runs.
pub fn weakest(plan: &Plan) -> Reversible {
    plan.steps.iter().map(|s| s.reversible).min().unwrap_or(Reversible::Exact)
}

/// A sentence about a step, in our words and inventory names.
pub fn sentence(step: &Step) -> String {
    let what = step.action.entry().short;
    match step.action {
        Action::ReissueCredential => {
            format!("{what}: {} gets the login `{}` through `{}`", step.selector.in_words(), value(step, "twin"), value(step, "sink"))
        }
        _ => format!("{what}: {}", step.selector.in_words()),
    }
}

fn value(step: &Step, name: &str) -> String {
    step.parameters.get(name).map_or_else(|| "?".to_string(), Clone::clone)
}
