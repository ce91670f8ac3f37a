//! What every plane is tested with: the attempt and its clearance, the round and
//! its judgement, lines that break, and the promises that no plane is without.

use std::collections::BTreeMap;

use quell_core::{
    action::Action,
    clear::Clearance,
    proof::{Answer, Liveness, Observation, Proved, judge_round},
    secret::Secret,
    target::Target,
    time::Timestamp,
};
use quell_engine::port::{Attempt, Clock, Connector, Outcome, PlaneError, ProbeRequest};
use quell_lab::ca::{Ca, ServerCert};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

pub use quell_lab::drill::attempt::{RealClock, about, attempt, on};

pub fn now() -> Timestamp {
    RealClock.now()
}

/// A generated secret that carries the lab's mark.
pub fn new_secret() -> Secret {
    quell_lab::drill::attempt::new_secret().expect("the system has randomness")
}

pub fn with_secret(action: Action, target: &Target, secret: &Secret) -> Attempt {
    Attempt { new_secret: Some(secret.clone()), ..attempt(action, target) }
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
    quell_lab::drill::attempt::cleared(attempt).expect("nothing speaks against it")
}
