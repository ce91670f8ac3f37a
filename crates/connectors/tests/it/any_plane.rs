//! What every plane is tested with: the attempt and its clearance, the round and
//! its judgement, lines that break, and the promises that no plane is without.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use quell_core::{
    action::{Action, Reversible},
    clear::{Clearance, Grounds, clear},
    decision::{Decision, Role},
    hold::TargetState,
    id::{AttemptId, CaseId, PlanId, TargetId},
    manifest::Effective,
    personal::Salter,
    plan::{Bounds, Fallback, OnTimeout, Pin, Plan, PlanKind, Proves, Selector, Step, Tier},
    proof::{Answer, Liveness, Observation, Proved, judge_round},
    secret::{Secret, sha256},
    target::{Target, TargetKind},
    time::{SignedDuration, Timestamp, after},
};
use quell_engine::port::{Attempt, Clock, Connector, Outcome, PlaneError, ProbeRequest};
use quell_lab::ca::{Ca, ServerCert};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// The machine's clock: a real server knows no other.
pub struct RealClock;

#[async_trait::async_trait]
impl Clock for RealClock {
    fn now(&self) -> Timestamp {
        let since = quell_lab::clock::wall().duration_since(std::time::UNIX_EPOCH).expect("the clock is past 1970");
        Timestamp::from_microsecond(i64::try_from(since.as_micros()).expect("this century")).expect("this century")
    }

    async fn sleep(&self, duration: SignedDuration) {
        tokio::time::sleep(Duration::try_from(duration).unwrap_or_default()).await;
    }
}

pub fn now() -> Timestamp {
    RealClock.now()
}

/// A generated secret that carries the lab's mark.
pub fn new_secret() -> Secret {
    Secret::new(quell_lab::secret::Secret::generate().expect("the system has randomness").reveal())
}

/// A target of one plane.
pub fn on(plane: &str, kind: TargetKind, native: &str, identity: &str) -> Target {
    let id = |kind: TargetKind, native: &str| TargetId::new(format!("t-{}-{}", kind.name(), sha256(native.as_bytes())));
    Target {
        id: id(kind, native),
        plane: plane.to_owned(),
        kind,
        native: Salter::new([7; 32]).commit(native),
        identity: id(TargetKind::Identity, identity),
    }
}

pub fn attempt(action: Action, target: &Target) -> Attempt {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    Attempt {
        action,
        target: target.clone(),
        marker: format!("at-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
        before: None,
        before_secrets: BTreeMap::new(),
        new_secret: None,
        parameters: BTreeMap::new(),
    }
}

pub fn with_secret(action: Action, target: &Target, secret: &Secret) -> Attempt {
    Attempt { new_secret: Some(secret.clone()), ..attempt(action, target) }
}

/// What a round asks about a target of an identity, without any secret.
pub fn about(target: Target, identity: &str) -> ProbeRequest {
    ProbeRequest {
        target,
        identity: identity.to_owned(),
        may_login: true,
        leaked: None,
        leaked_was_right: false,
        throw_away: None,
        own: None,
        before: None,
        before_secrets: BTreeMap::new(),
    }
}

pub async fn act(connector: &dyn Connector, attempt: Attempt) -> Outcome {
    connector.act(cleared(&attempt), &attempt).await
}

pub async fn judged(connector: &dyn Connector, request: ProbeRequest, acted_at: Option<Timestamp>) -> (Proved, Vec<Observation>) {
    let round = connector.probe(&request).await;
    let (proved, _) = judge_round(&round, acted_at, connector.manifest().settle_ms);
    (proved, round)
}

/// The round is UNKNOWN, and its reason holds `word`.
pub async fn unknown(connector: &dyn Connector, request: ProbeRequest, word: &str) {
    let (proved, round) = judged(connector, request, None).await;
    assert_eq!(proved.liveness, Liveness::Unknown, "{round:#?}");
    assert!(proved.reason.contains(word), "wanted `{word}` in {}", proved.reason);
}

pub fn done(outcome: Outcome) -> BTreeMap<String, (Option<String>, Option<String>)> {
    match outcome {
        Outcome::Done { changed } => changed,
        other => panic!("expected done, found {other:?}"),
    }
}

/// Every action that is declared keeps to the catalogue.
pub fn keeps_to_the_catalogue(connector: &dyn Connector) {
    let manifest = connector.manifest();
    assert!(manifest.settle_ms > 0);
    for declared in &manifest.actions {
        let entry = declared.action.entry();
        assert!(entry.targets.contains(&declared.target), "{:?}", declared.action);
        assert!(declared.reversible <= entry.reversible, "{:?} promises more than the catalogue", declared.action);
        assert!(!declared.undo.is_empty());
        assert!(!declared.after.contains(&declared.action));
    }
}

/// An attempt on something that is not there changes nothing.
pub async fn changes_nothing(connector: &dyn Connector, attempt: Attempt) {
    let (kind, action) = (attempt.target.kind, attempt.action);
    let name: String = attempt.marker.chars().take(40).collect();
    let outcome = act(connector, attempt).await;
    let nothing = match &outcome {
        Outcome::Refused { .. } => true,
        Outcome::Done { changed } => changed.is_empty(),
        _ => false,
    };
    assert!(nothing, "{kind:?} {action:?} {name:?}: {outcome:?}");
}

/// A clearance for another attempt does nothing for this one.
pub async fn takes_no_other_clearance(connector: &dyn Connector, mine: &Attempt, others: &[Attempt]) {
    for other in others {
        assert!(matches!(connector.act(cleared(other), mine).await, Outcome::Refused { .. }));
    }
}

/// What became of an attempt is read before it is made, and after it.
pub async fn is_read_before_and_after(connector: &dyn Connector, attempt: Attempt) {
    let before = connector.read_outcome(&attempt).await;
    assert_eq!(before, Outcome::Throttled { retry_after_ms: 0 }, "{:?}: nothing happened, and doing it is safe", attempt.action);
    done(act(connector, attempt.clone()).await);
    done(connector.read_outcome(&attempt).await);
}

/// Everything that may be asked of a plane.
pub struct Asked {
    pub attempts: Vec<Attempt>,
    pub rounds: Vec<ProbeRequest>,
    pub identity: String,
    pub leaked: Secret,
    pub read: Target,
}

impl Asked {
    /// Asks it all: nothing is answered, and nobody calls that a refusal.
    pub async fn meet_silence(self, connector: &dyn Connector) {
        for attempt in self.attempts {
            let outcome = act(connector, attempt.clone()).await;
            assert!(matches!(outcome, Outcome::Unknown { .. } | Outcome::Throttled { .. }), "{:?}: {outcome:?}", attempt.action);
            let outcome = connector.read_outcome(&attempt).await;
            assert!(matches!(outcome, Outcome::Unknown { .. } | Outcome::Throttled { .. }), "{:?}: {outcome:?}", attempt.action);
        }
        for request in self.rounds {
            let (proved, round) = judged(connector, request, None).await;
            assert_eq!(proved.liveness, Liveness::Unknown);
            assert!(round.iter().all(|o| matches!(o.answer, Answer::Inconclusive { .. })), "{round:#?}");
        }
        let no_answer = |e: &PlaneError| matches!(e, PlaneError::Unreachable { .. } | PlaneError::Throttled { .. });
        assert!(connector.enumerate(&self.identity).await.is_err_and(|e| no_answer(&e)));
        assert!(connector.inventory().await.is_err_and(|e| no_answer(&e)));
        assert!(connector.identify(&self.leaked).await.is_err_and(|e| no_answer(&e)));
        assert!(connector.read(&self.read).await.is_err_and(|e| no_answer(&e)));
        assert!(!connector.check().await.reachable);
    }
}

/// What was sent may still take effect; reading tells, and doing it again converges.
pub async fn read_and_done(connector: &dyn Connector, attempt: Attempt) {
    match connector.read_outcome(&attempt).await {
        Outcome::Done { .. } => {}
        Outcome::Throttled { .. } => drop(done(act(connector, attempt).await)),
        other => panic!("{other:?}"),
    }
}

/// A line to the server that can be cut.
pub async fn line(to: u16) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let run = tokio::spawn(async move {
        let mut open = tokio::task::JoinSet::new();
        loop {
            let (mut near, _) = listener.accept().await.expect("accepts");
            open.spawn(async move {
                if let Ok(mut far) = TcpStream::connect(("127.0.0.1", to)).await {
                    let _ = copy_bidirectional(&mut near, &mut far).await;
                }
            });
        }
    });
    (port, run)
}

/// A line that takes everything and gives nothing back.
pub async fn swallow() -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let run = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    (port, run)
}

/// Certificates of others: of another authority, and of another name.
pub fn strangers(ca: &Ca) -> [ServerCert; 2] {
    [
        Ca::new("another authority").and_then(|ca| ca.server(&["localhost", "127.0.0.1"])).expect("made"),
        ca.server(&["elsewhere.example"]).expect("made"),
    ]
}

/// A clearance, by the only way there is.
pub fn cleared(attempt: &Attempt) -> Clearance {
    let target = &attempt.target;
    let selector = Selector::Exactly { target: target.clone() };
    let step = Step {
        n: 1,
        action: attempt.action,
        plane: Pin { connector: target.plane.clone(), endpoint: String::new(), config_digest: String::new(), settle_ms: 250 },
        selector: selector.clone(),
        bounds: Bounds {
            kinds: [target.kind].into(),
            planes: [target.plane.clone()].into(),
            identities: [target.identity.clone()].into(),
            count_max: 1,
            reversible_min: Reversible::No,
            residual_seconds_max: 0,
        },
        after: Vec::new(),
        proves: Proves::Dead { selector },
        reversible: Reversible::Exact,
        undo: String::new(),
        effective: Effective::Now,
        survives: Vec::new(),
        fallback: Fallback { task: String::new(), owner: Role::PlatformOwner, exception_by: Role::Lead, attempts_max: 1 },
        attempt_seconds: 30,
        proof_seconds: 60,
        parameters: attempt.parameters.clone(),
    };
    let plan = Plan {
        id: PlanId::new("p-1"),
        case: CaseId::new("C-1"),
        kind: PlanKind::Contain,
        parent: None,
        tier: Tier::Contain,
        roots: Vec::new(),
        steps: vec![step.clone()],
        gaps: Vec::new(),
        failover: false,
        undo: None,
        on_timeout: OnTimeout::Escalate,
        valid_seconds: 3600,
    };
    let decision =
        Decision { allowed: true, errors: Vec::new(), policy_digest: "p".to_owned(), request_digest: "q".to_owned(), deciding: Vec::new() };
    let (digest, state) = (plan.digest(), TargetState::default());
    let grounds = Grounds {
        plan: &plan,
        digest: &digest,
        step: &step,
        target,
        state: &state,
        touched: 0,
        excluded: &[],
        gaps_accepted: false,
        decision,
        question_digest: "q",
        approvals: &[],
        bench: &quell_core::approval::Bench::default(),
        budget: None,
        corroborated: true,
        secret_exposed: false,
        closes_at: after(now(), 60),
    };
    clear(grounds, AttemptId::new(attempt.marker.clone()), now()).expect("nothing speaks against it")
}
