//! Computes plans; nobody writes them by hand.
//!
//! What is cut and in which order follows from what the planes declare and what
//! was found on them. A plan goes through its subjects, issuers before issued:
//!
//! 1. consumers move to a twin, where a failover is declared;
//! 2. the fence: every identity is locked, so that nothing new is minted;
//! 3. open sessions end, those of what was issued before those of the issuer,
//!    because the end of a parent often takes the handle to its children along;
//! 4. who may act as it loses that;
//! 5. what can be revoked one by one is: a lease only after the sessions that its
//!    login has open on the other plane;
//! 6. the secret is replaced before anything is opened again.
//!
//! A leaked secret that Quell holds is tried after the lock (28000 means locked);
//! one it does not hold is replaced first by a throw-away, which can then be tried.

mod gaps;
mod parts;
mod steps;
mod undo;

use alloc::{
    borrow::ToOwned,
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use self::steps::Steps;
pub use self::{
    gaps::left_out,
    parts::{Part, apart, parts, reached_and_protected},
    undo::undo,
};
use crate::{
    action::{Action, Reversible},
    event::{CaseEnriched, Derivation},
    id::{CaseId, PlanId, TargetId},
    inventory::RotationMethod,
    manifest::Manifest,
    personal::Salter,
    plan::{Edge, OnTimeout, Parent, Pin, Plan, PlanKind, Proves, Selector, Step, Tier, UndoMode, Until},
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

/// One identity that a plan treats, on the plane that can.
pub struct Subject<'a> {
    pub found: &'a CaseEnriched,
    pub pin: Pin,
    pub manifest: &'a Manifest,
    /// Quell holds a leaked secret of it and it matched.
    pub possession: bool,
    /// How it was reached from another subject; none where a finding names it.
    pub via: Option<String>,
    /// No plan has treated it yet: consumers move, and a throw-away may go in first.
    pub first: bool,
}

impl Subject<'_> {
    fn offers(&self, action: Action) -> bool {
        self.manifest.action(action).is_some()
    }

    /// It came with a lease and ends with it.
    pub fn is_leased(&self) -> bool {
        self.via.as_deref() == Some(Derivation::LEASE)
    }

    /// It is no login: it keeps another identity's secret for the consumers.
    pub fn is_store(&self) -> bool {
        self.via.as_deref() == Some(Derivation::KEEPS)
    }

    /// Where its consumers read the next credential, where they fail over.
    fn failover_sink(&self) -> Option<&str> {
        let rotation = self.found.rotation.as_ref().filter(|r| r.method == RotationMethod::Failover)?;
        rotation.sink.as_deref().filter(|_| self.offers(Action::ReissueCredential))
    }

    /// The credential that takes the place of the old one: another generation, so
    /// that the old one's death and the new one's life are two facts.
    fn next_credential(&self, naming: &Naming<'_>, plan: &PlanId) -> Target {
        let kinds = || self.found.credentials.iter().filter_map(|(_, kind)| *kind);
        let has = |kind: CredentialKind| kinds().any(|k| k == kind);
        let word = match has(CredentialKind::Password) {
            false if has(CredentialKind::SecretId) => "secret_id",
            false if has(CredentialKind::SshKey) => "ssh_key",
            // Where no secret is replaced, a key is what is given.
            _ if has(CredentialKind::AccessKey) && !self.offers(Action::RotateCredential) => "access_key",
            _ => "password",
        };
        let identity = &self.found.identity;
        let native = format!("{}#{word}:{}", identity.native.shown(), generation(plan));
        naming.target(&identity.plane, TargetKind::Credential, &native, identity.native.shown())
    }
}

/// What a plan is drafted from.
pub struct Ground<'a> {
    pub id: PlanId,
    pub case: CaseId,
    pub parent: Option<Parent>,
    pub kind: PlanKind,
    pub tier: Tier,
    /// Issuers before issued.
    pub subjects: Vec<Subject<'a>>,
    pub naming: Naming<'a>,
    /// How long an approval holds and the plan may run.
    pub valid_seconds: i64,
}

/// Most sessions one plan ends without asking again.
pub const SESSIONS_MAX: u32 = 500;

/// The numbers of the steps that later ones wait for, by subject.
#[derive(Clone, Copy, Default)]
struct Marks {
    moved: Option<u16>,
    lock: Option<u16>,
    kill: Option<u16>,
}

fn edge(step: u16, until: Until, hard: bool) -> Edge {
    Edge { step, until, hard }
}

/// Drafts the containment of its subjects. With a declared failover and a first
/// plan, consumers move to a twin before the old credential is cut.
pub fn contain(ground: &Ground<'_>) -> Plan {
    let mut steps = Steps::new(ground);
    let mut marks = vec![Marks::default(); ground.subjects.len()];
    let of = |id: &TargetId| ground.subjects.iter().position(|s| s.found.identity.id == *id);

    for (i, subject) in ground.subjects.iter().enumerate() {
        if subject.first
            && let Some(sink) = subject.failover_sink()
        {
            marks[i].moved = steps.reissue(subject, sink);
        }
    }

    for (i, subject) in ground.subjects.iter().enumerate().filter(|(_, s)| !s.is_store()) {
        let mut before: Vec<Edge> = marks[i].moved.map(|n| edge(n, Until::AfterProof, true)).into_iter().collect();
        // Without the leaked value only a throw-away of ours can be tried and refused;
        // and where sessions cannot be ended, the witness of their death logs in with it.
        if rotates_first(subject)
            && let Some(n) = steps.rotate(subject, &before)
        {
            before.push(edge(n, Until::AfterAct, false));
        }
        if subject.found.no_login.is_some() {
            continue;
        }
        // What mints is locked before what was minted.
        let issuers = ground.subjects[..i].iter().enumerate().filter(|(_, s)| leads_to(s, subject));
        before.extend(issuers.filter_map(|(n, _)| marks[n].lock).map(|n| edge(n, Until::AfterAct, false)));
        let identity = &subject.found.identity;
        marks[i].lock = steps.push(
            subject,
            Action::SuspendIdentity,
            Selector::Exactly { target: identity.clone() },
            Proves::Dead { selector: Selector::Every { kind: TargetKind::Credential, identity: identity.clone() } },
            before,
            BTreeMap::new(),
            1,
        );
    }

    for (i, subject) in ground.subjects.iter().enumerate().rev().filter(|(_, s)| !s.is_store()) {
        let mut after: Vec<Edge> = marks[i].lock.map(|n| edge(n, Until::AfterAct, true)).into_iter().collect();
        after.extend(leased_of(ground, subject).filter_map(|n| marks[n].kill).map(|n| edge(n, Until::AfterAct, false)));
        let every = Selector::Every { kind: TargetKind::Session, identity: subject.found.identity.clone() };
        let proves = Proves::Dead { selector: every.clone() };
        marks[i].kill = steps.push(subject, Action::TerminateSessions, every, proves, after, BTreeMap::new(), SESSIONS_MAX);
    }

    for (i, subject) in ground.subjects.iter().enumerate() {
        let after_lock: Vec<Edge> = marks[i].lock.map(|n| edge(n, Until::AfterAct, true)).into_iter().collect();
        if !subject.found.delegations.is_empty() {
            let members = Selector::Every { kind: TargetKind::Entitlement, identity: subject.found.identity.clone() };
            let proves = Proves::Dead { selector: members.clone() };
            steps.push(subject, Action::RemoveEntitlement, members, proves, after_lock, BTreeMap::new(), 50);
        }
    }

    for (i, subject) in ground.subjects.iter().enumerate() {
        let moved = |id: &TargetId| of(id).and_then(|n| marks[n].moved);
        let keeper = ground.subjects.iter().find(|s| subject.is_store() && leads_to(s, subject));
        let gate: Vec<Edge> = match keeper.map(|k| moved(&k.found.identity.id)) {
            // The store's old versions go once the consumer was seen with the new one.
            Some(Some(n)) => vec![edge(n, Until::AfterProof, true)],
            Some(None) => continue,
            None => marks[i].lock.map(|n| edge(n, Until::AfterAct, false)).into_iter().collect(),
        };
        for credential in steps::revocable(subject) {
            let behind = subject.found.derivations.iter().filter(|d| d.from.as_ref().is_some_and(|f| f.id == credential.id));
            let kills = behind.filter_map(|d| of(&d.to.id)).filter_map(|n| marks[n].kill);
            let after = gate.iter().cloned().chain(kills.map(|n| edge(n, Until::AfterAct, false))).collect();
            let exactly = Selector::Exactly { target: credential.clone() };
            let proves = Proves::Dead { selector: exactly.clone() };
            steps.push(subject, Action::RevokeCredential, exactly, proves, after, BTreeMap::new(), 1);
        }
    }

    for (i, subject) in ground.subjects.iter().enumerate() {
        if !rotates_first(subject) {
            // Another secret makes a death firmer that is proved without it: that proof
            // comes first.
            let after: Vec<Edge> = marks[i].kill.map(|n| edge(n, Until::AfterSettle, false)).into_iter().collect();
            steps.rotate(subject, &after);
        }
    }

    let failover = marks.iter().any(|m| m.moved.is_some());
    let (list, mut gaps) = steps.done();
    for subject in ground.subjects.iter().filter(|s| !s.is_store()) {
        gaps.extend(left_out(&list, subject.found));
    }
    finish(ground, list, gaps, failover, None)
}

/// A throw-away goes in before the lock.
fn rotates_first(subject: &Subject<'_>) -> bool {
    let by_witness = subject.manifest.controls.contains(&ProbeClass::Witness);
    (!subject.possession || by_witness) && subject.first && !subject.is_leased()
}

fn leads_to(from: &Subject<'_>, to: &Subject<'_>) -> bool {
    from.found.derivations.iter().any(|d| d.to.id == to.found.identity.id)
}

/// The places of the logins that came with leases of this subject.
fn leased_of<'a>(ground: &'a Ground<'_>, subject: &'a Subject<'_>) -> impl Iterator<Item = usize> + 'a {
    ground.subjects.iter().enumerate().filter(move |(_, s)| s.is_leased() && leads_to(subject, s)).map(|(n, _)| n)
}

/// The kind of a credential that a plan of ours issued, by the name it was given.
pub fn issued_kind(native: &str) -> Option<CredentialKind> {
    match native.rsplit_once('#')?.1.split(':').next()? {
        "password" => Some(CredentialKind::Password),
        "secret_id" => Some(CredentialKind::SecretId),
        "ssh_key" => Some(CredentialKind::SshKey),
        "access_key" => Some(CredentialKind::AccessKey),
        _ => None,
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

fn finish(ground: &Ground<'_>, steps: Vec<Step>, gaps: Vec<String>, failover: bool, undo: Option<UndoMode>) -> Plan {
    let mut roots = Vec::new();
    for subject in &ground.subjects {
        // What a store holds is the new credential soon: it is not swept.
        if !subject.is_store() {
            roots.push(subject.found.identity.clone());
        }
        roots.extend(subject.found.credentials.iter().map(|(t, _)| t.clone()));
    }
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
        Action::HumanTask => crate::by_hand::sentence(step),
        _ => match step.kept().count() {
            0 => format!("{what}: {}", step.selector.in_words()),
            n => format!("{what}: {}; what was taken out of the containment stays usable ({n})", step.selector.in_words()),
        },
    }
}

fn value(step: &Step, name: &str) -> String {
    step.parameters.get(name).map_or_else(|| "?".to_string(), Clone::clone)
}
