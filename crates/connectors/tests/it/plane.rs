//! A real PostgreSQL with the billing estate, bootstrapped, and a connector to it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use quell_connectors::postgresql::{PostgreSql, PostgresConfig, Reach, bootstrap_sql};
use quell_core::{
    action::{Action, Reversible},
    clear::{Clearance, Grounds, clear},
    decision::{Decision, Role},
    hold::TargetState,
    id::{AttemptId, CaseId, PlanId, TargetId},
    manifest::Effective,
    personal::Salter,
    plan::{Bounds, Fallback, OnTimeout, Pin, Plan, PlanKind, Proves, Selector, Step, Tier},
    proof::{Liveness, Observation, Proved, judge_round},
    secret::Secret,
    target::{Reading, Target, TargetKind},
    time::{SignedDuration, Timestamp, after},
};
use quell_engine::port::{Attempt, Clock, Connector, Outcome, ProbeRequest};
use quell_lab::{
    estate::Estate,
    postgres::{Options, Postgres},
};
use tokio_postgres::Client;

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

/// A server with the billing estate under Quell.
pub struct Plane {
    pub server: Postgres,
    pub estate: Estate,
    pub config: PostgresConfig,
    pub connector: PostgreSql,
    /// A superuser in the billing database, over the private socket.
    pub admin: Client,
}

pub const APP: &str = "billing_app";

impl Plane {
    pub async fn start() -> Self {
        Self::with(Options::default(), |_| {}).await
    }

    pub async fn with(options: Options, change: impl FnOnce(&mut PostgresConfig)) -> Self {
        let server = Postgres::start(options).await.expect("a real PostgreSQL is installed");
        let estate = Estate::billing(&server).await.expect("the estate is made");
        let mut config = config(&server, server.port());
        change(&mut config);
        let admin = server.connect_unix_superuser("billing").await.expect("the lab is let in");
        let script = bootstrap_sql(&config, &[APP.to_owned()]).expect("the names are good");
        admin.batch_execute(&script).await.expect("the bootstrap runs");
        let connector = PostgreSql::new(config.clone(), Arc::new(RealClock)).expect("the configuration is good");
        Self { server, estate, config, connector, admin }
    }

    /// Another connector to the same server, with something changed.
    pub fn connector(&self, change: impl FnOnce(&mut PostgresConfig)) -> PostgreSql {
        let mut config = self.config.clone();
        change(&mut config);
        PostgreSql::new(config, Arc::new(RealClock)).expect("the configuration is good")
    }

    pub fn leaked(&self) -> Secret {
        Secret::new(self.estate.app.password.reveal())
    }

    /// A session of the intruder's: in with the leaked password.
    pub async fn intruder(&self) -> Client {
        self.server.connect(APP, self.estate.app.password.reveal(), "billing").await.expect("the leaked password works")
    }

    pub async fn sql(&self, text: &str) {
        self.admin.batch_execute(text).await.expect("the superuser may");
    }

    pub async fn act(&self, action: Action, target: &Target) -> Outcome {
        act(&self.connector, attempt(action, target)).await
    }

    /// Locked, committed, killed: the contained state.
    pub async fn contain(&self) -> (Reading, BTreeMap<String, Secret>) {
        let before = self.connector.read(&credential(APP)).await.expect("it is in scope");
        done(self.act(Action::SuspendIdentity, &identity(APP)).await);
        done(self.act(Action::TerminateSessions, &identity(APP)).await);
        before
    }

    /// One round about the credential of `APP`, judged with the given settle time.
    pub async fn judged(&self, request: ProbeRequest, acted_at: Option<Timestamp>) -> (Proved, Vec<Observation>) {
        judged(&self.connector, request, acted_at).await
    }
}

pub async fn judged(connector: &PostgreSql, request: ProbeRequest, acted_at: Option<Timestamp>) -> (Proved, Vec<Observation>) {
    let round = connector.probe(&request).await;
    let (proved, _) = judge_round(&round, acted_at, connector.manifest().settle_ms);
    (proved, round)
}

/// Settles, probes and answers the liveness of one round.
pub async fn liveness(connector: &PostgreSql, request: ProbeRequest) -> (Liveness, String) {
    let (proved, _) = judged(connector, request, None).await;
    (proved.liveness, proved.reason)
}

/// The usual configuration: TLS with the server's authority, name `localhost`.
pub fn config(server: &Postgres, port: u16) -> PostgresConfig {
    let reach = Reach::Tls {
        host: "localhost".to_owned(),
        port,
        address: Some(std::net::Ipv4Addr::LOCALHOST.into()),
        ca_pem: server.ca_pem().to_owned(),
    };
    PostgresConfig::new("pg-main", reach, "billing", new_secret(), new_secret())
}

/// A generated secret that carries the lab's mark.
pub fn new_secret() -> Secret {
    Secret::new(quell_lab::secret::Secret::generate().expect("the system has randomness").reveal())
}

pub fn target(kind: TargetKind, native: &str, identity: &str) -> Target {
    let id = |kind: TargetKind, native: &str| TargetId::new(format!("t-{}-{}", kind.name(), native.len()));
    Target {
        id: id(kind, native),
        plane: "pg-main".to_owned(),
        kind,
        native: Salter::new([7; 32]).commit(native),
        identity: id(TargetKind::Identity, identity),
    }
}

pub fn identity(role: &str) -> Target {
    target(TargetKind::Identity, role, role)
}

pub fn credential(role: &str) -> Target {
    target(TargetKind::Credential, &format!("{role}#password"), role)
}

pub fn session(native: &str) -> Target {
    target(TargetKind::Session, native, APP)
}

pub fn entitlement(native: &str) -> Target {
    target(TargetKind::Entitlement, native, APP)
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

/// What a round asks about the credential of a role, without any secret.
pub fn about(target: Target, role: &str) -> ProbeRequest {
    ProbeRequest {
        target,
        identity: role.to_owned(),
        may_login: true,
        leaked: None,
        leaked_was_right: false,
        throw_away: None,
        own: None,
        before: None,
        before_secrets: BTreeMap::new(),
    }
}

pub fn about_app() -> ProbeRequest {
    about(credential(APP), APP)
}

pub async fn act(connector: &PostgreSql, attempt: Attempt) -> Outcome {
    connector.act(cleared(&attempt), &attempt).await
}

pub fn done(outcome: Outcome) -> BTreeMap<String, (Option<String>, Option<String>)> {
    match outcome {
        Outcome::Done { changed } => changed,
        other => panic!("expected done, found {other:?}"),
    }
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
        bench: &quell_core::approval::Bench::default(),
        approvals: &[],
        budget: None,
        corroborated: true,
        secret_exposed: false,
        closes_at: after(now(), 60),
    };
    clear(grounds, AttemptId::new(attempt.marker.clone()), now()).expect("nothing speaks against it")
}
