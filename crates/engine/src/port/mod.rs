//! The doors to the outside, and nothing else: what the engine asks of others.
//!
//! Every door takes its question and gives its answer by value; none of them
//! decides anything. Time and chance are doors too, so that the simulator can
//! turn the one and replay the other.

mod chance;
mod clock;
mod connector;
mod detectors;
mod keyring;
mod notify;
mod policy;
mod store;

pub use chance::Chance;
pub use clock::Clock;
pub use connector::{Attempt, Card, Check, Connector, Connectors, Identified, Outcome, PlaneError, Privileges, ProbeRequest, Sink};
pub use detectors::Detectors;
pub use keyring::{Keyring, SealError, Signer};
pub use notify::{Addressee, Failed, Handed, Message, Notify};
pub use policy::Policy;
pub use store::{Append, Appended, Blob, Head, Job, JobChange, Leaf, LookupChange, Store, StoreError, StoredEvent};
