//! One small world that the tests share: a plane, an identity with a leaked
//! password, people, and moments counted in seconds from one morning.

use std::collections::BTreeSet;

use quell_core::{
    action::Action,
    approval::Approval,
    decision::{Criticality, Decision, IdentityFacts, Role},
    draft::{Ground, Naming, Subject},
    event::{CaseEnriched, CaseOpened},
    finding::{Finding, Resolved},
    id::{AlertId, ApprovalId, CaseId, FindingId, PersonId, PlanId, SourceId},
    inventory::{Rotation, RotationMethod},
    manifest::{ActionManifest, Manifest},
    personal::Salter,
    plan::{Parent, Pin, Plan, PlanKind, Tier},
    proof::ProbeClass,
    secret::FingerprintKey,
    signal::{CredentialKind, IdentityKind, ObservedFrom, SignalKind},
    target::{Target, TargetKind},
    time::{Timestamp, after, after_millis},
};

pub const PLANE: &str = "pg-main";

/// Seconds after eight o'clock of the day.
pub fn at(seconds: i64) -> Timestamp {
    after("2026-11-23T08:00:00Z".parse().expect("a moment"), seconds)
}

pub fn at_ms(millis: i64) -> Timestamp {
    after_millis(at(0), millis)
}

pub fn key() -> FingerprintKey {
    FingerprintKey::new([7; 32])
}

pub fn salter() -> Salter {
    Salter::new([9; 32])
}

pub fn target(kind: TargetKind, native: &str, identity: &str) -> Target {
    Naming { key: &key(), salter: &salter() }.target(PLANE, kind, native, identity)
}

pub fn identity() -> Target {
    target(TargetKind::Identity, "billing_app", "billing_app")
}

pub fn password() -> Target {
    target(TargetKind::Credential, "billing_app#password", "billing_app")
}

pub fn session(n: u32) -> Target {
    target(TargetKind::Session, &format!("pid:{n}@1"), "billing_app")
}

pub fn member() -> Target {
    target(TargetKind::Entitlement, "member:report_app", "billing_app")
}

pub fn case_id() -> CaseId {
    CaseId::new("C-0000000001")
}

pub fn plan_id() -> PlanId {
    PlanId::new("p-0000000001")
}

pub fn person(name: &str) -> PersonId {
    PersonId::new(format!("u-{name}"))
}

pub const EVERY_ACTION: [Action; 7] = [
    Action::TerminateSessions,
    Action::SuspendIdentity,
    Action::RotateCredential,
    Action::ReissueCredential,
    Action::RemoveEntitlement,
    Action::RetireIdentity,
    Action::Reinstate,
];

pub fn manifest(actions: &[Action]) -> Manifest {
    let one = |action: Action| ActionManifest {
        undo: "reinstate".into(),
        ..ActionManifest::converges(action, TargetKind::Identity, TargetKind::Credential, action.entry().reversible)
    };
    Manifest {
        kind: "postgresql".into(),
        actions: actions.iter().copied().chain([Action::Restore]).map(one).collect(),
        settle_ms: 250,
        probe_effects: vec!["log lines".into()],
        lockout_budget: 10,
        controls: vec![ProbeClass::Login, ProbeClass::Read],
        cannot_list: vec![],
        least_privilege: vec![],
        enumeration_max: 1000,
    }
}

pub fn facts() -> IdentityFacts {
    IdentityFacts {
        id: identity().id.to_string(),
        plane: PLANE.into(),
        kind: IdentityKind::ServiceAccount,
        environment: Some("production".into()),
        criticality: Some(Criticality::High),
        shared: Some(false),
        third_party: None,
        protected: None,
        has_business_owner: true,
    }
}

pub fn enriched() -> CaseEnriched {
    CaseEnriched {
        identity: identity(),
        facts: facts(),
        name: None,
        owners: vec![],
        routed: "the business owner of the identity".into(),
        consumers: vec![],
        dependents: None,
        rotation: None,
        credentials: vec![(password(), Some(CredentialKind::Password))],
        sessions: vec![session(1)],
        delegations: vec![],
        reach: Some(1),
        not_looked_at: vec![],
        entangled: vec![],
        again: false,
        unseen: None,
        derivations: vec![],
        outlive: vec![],
        irrevocable: vec![],
        no_login: None,
        route: None,
    }
}

pub fn failover() -> Option<Rotation> {
    Some(Rotation { method: RotationMethod::Failover, sink: Some("billing-file".into()), runbook: None })
}

pub fn pin() -> Pin {
    Pin { connector: PLANE.into(), endpoint: "db:5432".into(), config_digest: "c0".into(), settle_ms: 250 }
}

pub struct Drafting {
    pub kind: PlanKind,
    pub possession: bool,
    pub actions: Vec<Action>,
    pub subject: CaseEnriched,
    pub parent: Option<Parent>,
    pub id: PlanId,
    /// The plane proves the death of its sessions by a witness.
    pub by_witness: bool,
}

impl Default for Drafting {
    fn default() -> Self {
        Self {
            kind: PlanKind::Contain,
            possession: true,
            actions: EVERY_ACTION.to_vec(),
            subject: enriched(),
            parent: None,
            id: plan_id(),
            by_witness: false,
        }
    }
}

impl Drafting {
    pub fn with<T>(&self, make: impl FnOnce(&Ground<'_>) -> T) -> T {
        let mut manifest = manifest(&self.actions);
        if self.by_witness {
            manifest.controls.push(ProbeClass::Witness);
        }
        make(&Ground {
            id: self.id.clone(),
            case: case_id(),
            parent: self.parent.clone(),
            kind: self.kind,
            tier: Tier::Contain,
            subjects: vec![Subject {
                found: &self.subject,
                pin: pin(),
                manifest: &manifest,
                possession: self.possession,
                via: None,
                first: self.kind == PlanKind::Contain,
            }],
            naming: Naming { key: &key(), salter: &salter() },
            valid_seconds: 3600,
        })
    }

    pub fn contain(&self) -> Plan {
        self.with(quell_core::draft::contain)
    }
}

pub fn plan() -> Plan {
    Drafting::default().contain()
}

pub fn finding(id: &str, sender: &str) -> Finding {
    Finding {
        id: FindingId::new(id),
        fold: format!("fold-{id}"),
        kind: SignalKind::LeakedSecret,
        title: salter().commit("a key in a commit"),
        count: 1,
        first_at: at(-60),
        first_at_from: ObservedFrom::Event,
        last_at: at(-60),
        senders: BTreeSet::from([SourceId::new(sender)]),
        alerts: BTreeSet::from([AlertId::new("al-1")]),
        seen: BTreeSet::from(["d1".to_owned()]),
        resolved: Some(Resolved {
            identity: identity(),
            credential: Some(password()),
            credential_kind: None,
            mark: None,
            possession: true,
            is_right_now: false,
            because: "the secret matched".into(),
            otherwise: None,
            said: None,
        }),
        uncompared: vec![],
        fingerprint: None,
        sample: false,
        containment_evidence: false,
        unsigned: false,
        unreadable: false,
        outcome: None,
        folds: Default::default(),
    }
}

pub fn opened(finding: Finding) -> CaseOpened {
    CaseOpened { case: case_id(), finding, because: "no open case of this subject".into() }
}

pub fn approval(who: &str, role: Role, plan: &Plan) -> Approval {
    Approval {
        id: ApprovalId::new(format!("ap-{who}-{}", role.name())),
        plan: plan.id.clone(),
        digest: plan.digest(),
        by: person(who),
        role,
        at: at(0),
        until: at(3600),
        contested: false,
        used_by: None,
    }
}

pub fn decision(allowed: bool) -> Decision {
    Decision {
        allowed,
        errors: vec![],
        policy_digest: "policy-1".into(),
        request_digest: "question-1".into(),
        deciding: vec!["secops.leaked".into()],
    }
}
