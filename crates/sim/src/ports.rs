//! The doors that are no planes: store, notify, policy, detectors, keys.
//!
//! Each passes a point, may be struck by a fault, and otherwise keeps its
//! contract. What is appended is shown to the guards at once.

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock},
};

use quell_core::{
    decision::{AttemptQuestion, Decision, VerbQuestion, WhomToAsk},
    id::StreamId,
    personal::Disclosure,
    secret::Secret,
    signal::{
        Actor, CredentialKind, Detected, IdentityKind, ObservedFrom, Readout, Resolvable, Severity, Signal, SignalCredential, SignalKind,
        Subject, Unreadable,
    },
    time::Timestamp,
    untrusted::Untrusted,
};
use quell_engine::port::{
    Append, Appended, Chance, Clock, Detectors, Failed, Handed, Head, Job, Keyring, LookupChange, Message, Notify, Policy, SealError,
    Signer, Store, StoreError, StoredEvent,
};
use quell_policy::CedarPolicy;
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::{
    fault::Fault,
    world::{World, hold},
};

/// What a broken store does with an append: changes it, or answers "done" and
/// writes nothing (`false`).
pub type Twist = fn(&mut Append) -> bool;

/// The store as the engine sees it.
pub struct SimStore {
    pub world: Arc<World>,
    pub twist: Option<Twist>,
}

#[async_trait::async_trait]
impl Store for SimStore {
    async fn append(&self, mut append: Append) -> Result<Appended, StoreError> {
        self.world.point().await;
        if self.world.strikes(Fault::DiskFull, "store") {
            return Err(StoreError::Unavailable("the disk is full; free some space".to_owned()));
        }
        if self.twist.is_some_and(|twist| !twist(&mut append)) {
            return Ok(Appended { first_index: self.world.store.size().await? });
        }
        let shown = append.clone();
        let appended = self.world.store.append(append).await?;
        crate::guards::after_append(&self.world, &shown);
        // Committed, and the process may end before it knows.
        self.world.point().await;
        Ok(appended)
    }
    async fn head(&self, stream: &StreamId) -> Result<Option<Head>, StoreError> {
        self.world.store.head(stream).await
    }
    async fn read(&self, stream: &StreamId, from: u64) -> Result<Vec<StoredEvent>, StoreError> {
        self.world.point().await;
        self.world.store.read(stream, from).await
    }
    async fn streams(&self, prefix: &str) -> Result<Vec<StreamId>, StoreError> {
        self.world.store.streams(prefix).await
    }
    async fn disclosures(&self, commitments: &[String]) -> Result<BTreeMap<String, Disclosure>, StoreError> {
        self.world.store.disclosures(commitments).await
    }
    async fn erase(&self, commitments: &[String], blobs: &[String]) -> Result<u64, StoreError> {
        self.world.store.erase(commitments, blobs).await
    }
    async fn lookup(&self, table: &str, key: &str) -> Result<Option<Value>, StoreError> {
        self.world.point().await;
        self.world.store.lookup(table, key).await
    }
    async fn lookup_range(&self, table: &str, prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<(String, Value)>, StoreError> {
        self.world.point().await;
        self.world.store.lookup_range(table, prefix, after, limit).await
    }
    async fn rebuild(&self, rows: Vec<LookupChange>) -> Result<bool, StoreError> {
        self.world.store.rebuild(rows).await
    }
    async fn due(&self, now: Timestamp, limit: u32) -> Result<Vec<Job>, StoreError> {
        self.world.store.due(now, limit).await
    }
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.world.store.next_due().await
    }
    async fn blob(&self, id: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.world.point().await;
        self.world.store.blob(id).await
    }
    async fn size(&self) -> Result<u64, StoreError> {
        self.world.store.size().await
    }
    async fn leaves(&self, from: u64, limit: u32) -> Result<Vec<StoredEvent>, StoreError> {
        self.world.store.leaves(from, limit).await
    }
    async fn root(&self, size: Option<u64>) -> Result<(u64, [u8; 32]), StoreError> {
        self.world.store.root(size).await
    }
    async fn inclusion(&self, index: u64, size: u64) -> Result<Vec<[u8; 32]>, StoreError> {
        self.world.store.inclusion(index, size).await
    }
    async fn consistency(&self, old: u64, new: u64) -> Result<Vec<[u8; 32]>, StoreError> {
        self.world.store.consistency(old, new).await
    }
    async fn inventory(&self) -> Result<Vec<(String, Value)>, StoreError> {
        self.world.store.inventory().await
    }
    async fn put_inventory(&self, rows: Vec<(String, Option<Value>)>) -> Result<(), StoreError> {
        self.world.point().await;
        self.world.store.put_inventory(rows).await
    }
    async fn checkpoint(&self) -> Result<Option<String>, StoreError> {
        self.world.store.checkpoint().await
    }
    async fn keep_checkpoint(&self, note: &str, size: u64, root: [u8; 32]) -> Result<(), StoreError> {
        self.world.point().await;
        self.world.store.keep_checkpoint(note, size, root).await
    }
}

/// Messages go out, or do not.
pub struct SimNotify(pub Arc<World>);

#[async_trait::async_trait]
impl Notify for SimNotify {
    async fn tell(&self, message: &Message) -> Handed {
        self.0.point().await;
        if self.0.strikes(Fault::NotifyFails, "notify") {
            let why = "the mail server does not answer".to_owned();
            return Handed { over: Vec::new(), failed: vec![Failed { channel: "mail".to_owned(), why, may_pass: true }] };
        }
        self.0.tell(format!("told {} people: {}", message.to.len(), message.headline));
        hold(&self.0.guards).told(message);
        Handed { over: vec!["mail".to_owned()], failed: Vec::new() }
    }
}

static SHIPPED: LazyLock<CedarPolicy> = LazyLock::new(CedarPolicy::shipped);

/// The shipped policy, which may fail to be evaluated.
pub struct SimPolicy(pub Arc<World>);

impl SimPolicy {
    fn failing(&self, request_digest: String) -> Option<Decision> {
        self.0.strikes(Fault::PolicyErrs, "policy").then(|| Decision {
            allowed: false,
            errors: vec!["a policy could not be evaluated".to_owned()],
            policy_digest: SHIPPED.digest(),
            request_digest,
            deciding: Vec::new(),
        })
    }
}

impl Policy for SimPolicy {
    fn digest(&self) -> String {
        SHIPPED.digest()
    }
    fn decide(&self, question: &AttemptQuestion) -> Decision {
        self.failing(question.digest()).unwrap_or_else(|| SHIPPED.decide(question))
    }
    fn permits(&self, question: &VerbQuestion) -> Decision {
        self.failing(question.digest()).unwrap_or_else(|| SHIPPED.permits(question))
    }
    fn whom_to_ask(&self, question: &AttemptQuestion) -> WhomToAsk {
        SHIPPED.whom_to_ask(question)
    }
}

/// Chance for ids and salts.
pub struct SimChance(pub Arc<World>);

impl Chance for SimChance {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.ids.fill(bytes);
    }
}

/// The world's clock behind its port.
pub struct WorldClock(pub Arc<World>);

#[async_trait::async_trait]
impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        self.0.asked_for_time();
        self.0.clock.now()
    }
    async fn sleep(&self, duration: quell_core::time::SignedDuration) {
        self.0.clock.sleep(duration).await;
    }
}

/// One line of the simulator's own alert format.
#[derive(Deserialize)]
struct Line {
    kind: SignalKind,
    system: Option<String>,
    name: Option<String>,
    secret: Option<String>,
    at: Timestamp,
    #[serde(default)]
    sample: bool,
    key: String,
}

/// Reads a JSON list of lines; everything else is unreadable.
pub struct SimDetectors;

impl Detectors for SimDetectors {
    fn names(&self) -> Vec<&'static str> {
        vec!["sim"]
    }

    fn read(&self, _detector: &str, bytes: &[u8]) -> Readout {
        match serde_json::from_slice::<Vec<Line>>(bytes) {
            Ok(lines) => {
                Readout { records: lines.len() as u64, signals: lines.into_iter().map(detected).collect(), unreadable: Vec::new() }
            }
            Err(_) => Readout {
                signals: Vec::new(),
                unreadable: vec![Unreadable { record: 0, reason: "not a list of lines".to_owned() }],
                records: 1,
            },
        }
    }
}

fn detected(line: Line) -> Detected {
    let credential = line.secret.as_ref().map(|_| SignalCredential { kind: CredentialKind::Password, id: None, fingerprint: None });
    let resolvable = if line.name.is_some() { Resolvable::Yes } else { Resolvable::SecretOnly };
    Detected {
        signal: Signal {
            source: "sim".to_owned(),
            kind: line.kind,
            title: Untrusted::new("something was seen".to_owned()),
            observed_at: Some(line.at),
            observed_at_from: ObservedFrom::Event,
            severity: Severity { id: 4, vendor: None },
            vendor_confidence: None,
            sample: line.sample,
            containment_evidence: false,
            unsigned: false,
            subject: Subject { resolvable, kind: IdentityKind::Unknown, native_id: line.name, name: None, system: line.system },
            credential,
            actor: Actor::default(),
            dedupe_key: line.key,
            reasons: Vec::new(),
        },
        secret: line.secret.map(Secret::new),
    }
}

/// Seals so that no byte of the plain text is left, and opens only under the
/// same label. It keeps nothing from a cryptographer; the store crate's does.
pub struct SimKeyring;

const SEAL: u8 = 0xA5;

impl Keyring for SimKeyring {
    fn seal(&self, label: &str, plain: &[u8]) -> Result<Vec<u8>, SealError> {
        let mut sealed = quell_core::secret::sha256(label.as_bytes()).into_bytes();
        sealed.extend(plain.iter().map(|b| b ^ SEAL));
        Ok(sealed)
    }

    fn open(&self, label: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let wrong = || SealError { doing: "open", label: label.to_owned(), why: "it was sealed under another label".to_owned() };
        let (head, body) = sealed.split_at_checked(64).ok_or_else(wrong)?;
        if head != quell_core::secret::sha256(label.as_bytes()).as_bytes() {
            return Err(wrong());
        }
        Ok(Zeroizing::new(body.iter().map(|b| b ^ SEAL).collect()))
    }
}

/// Signs nothing: the simulator compares roots themselves.
pub struct SimSigner;

impl Signer for SimSigner {
    fn origin(&self) -> &str {
        "sim.example/log"
    }
    fn vkey(&self) -> String {
        "sim.example/log+00000000+AA==".to_owned()
    }
    fn sign(&self, body: &str) -> String {
        format!("{body}\n\u{2014} {} AA==\n", self.origin())
    }
}
