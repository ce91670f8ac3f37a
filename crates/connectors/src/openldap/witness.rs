//! Sessions that Quell opened as somebody, before they are cut, to see the cut.
//!
//! The server cannot end a connection and shows no denial in a listing. What is
//! denied to an entry is denied to each of its connections alike, so one that is
//! ours tells for all: it was served before, and is not served after, while the
//! control is. A witness lives in memory alone and nothing rests on it but the
//! proof: after a restart the sessions are UNKNOWN, and the reason says so.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex as Short, PoisonError},
};

use quell_core::secret::Secret;
use tokio::sync::Mutex;

use super::{OpenLdap, dn::Dn, look::ConnectionNow, policy::BindPolicy, wire::Session};

/// Most witnesses at a time; the one that was opened first goes first.
const WITNESSES_MAX: usize = 64;

/// Who saw it, by entry.
#[derive(Default)]
pub(super) struct Witnesses(Short<BTreeMap<String, Kept>>);

#[derive(Clone)]
struct Kept {
    connection: ConnectionNow,
    /// The entry that it was shown before the cut.
    shown: String,
    session: Arc<Mutex<Session>>,
}

/// What a witness says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Testimony {
    /// It is shown what it was shown before.
    Served,
    Denied {
        code: u32,
    },
    /// There is none, or it cannot be asked; why.
    None {
        why: String,
    },
}

impl Witnesses {
    /// This connection is a witness of ours.
    pub(super) fn is_one(&self, number: u64, started: &str) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().any(|kept| kept.connection.number == number && kept.connection.started == started)
    }

    /// The connection of the witness of an entry.
    pub(super) fn of(&self, entry: &Dn) -> Option<ConnectionNow> {
        self.kept(entry).map(|kept| kept.connection)
    }

    fn kept(&self, entry: &Dn) -> Option<Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&entry.key()).cloned()
    }

    fn keep(&self, entry: &Dn, kept: Kept) -> Option<Kept> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let former = all.insert(entry.key(), kept);
        if former.is_none() && all.len() > WITNESSES_MAX {
            let oldest = all.iter().min_by_key(|(_, kept)| kept.connection.started.clone()).map(|(key, _)| key.clone());
            return oldest.and_then(|key| all.remove(&key));
        }
        former
    }

    /// Hangs up, where there is one.
    pub(super) async fn dismiss(&self, entry: &Dn) {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&entry.key());
        if let Some(kept) = kept {
            hang_up(kept).await;
        }
    }
}

async fn hang_up(kept: Kept) {
    if let Ok(session) = Arc::try_unwrap(kept.session) {
        session.into_inner().close().await;
    }
}

impl OpenLdap {
    /// Binds as the entry with a password that Quell stored a moment ago, sees that
    /// it is served, and keeps the connection.
    ///
    /// # Errors
    ///
    /// Why there is no witness; nothing else depends on it.
    pub(super) async fn call_witness(&self, entry: &Dn, secret: &Secret) -> Result<(), String> {
        let before = self.connections(entry).await.map_err(super::wire::Failure::in_words)?;
        let (bound, session) = self.wire.open(entry.text(), secret).await?;
        let mut session = session.ok_or_else(|| format!("its bind was refused with `{}`", bound.code))?;
        if bound.policy == BindPolicy::ChangeAfterReset {
            session.close().await;
            return Err("its bind may only change the password".to_owned());
        }
        // What it was not shown before, it can be denied without any cut.
        let mut shown = None;
        for dn in [entry.text(), self.names.base.text()] {
            if shown.is_none() && self.wire.look_over(&mut session, dn).await? == (0, true) {
                shown = Some(dn.to_owned());
            }
        }
        let Some(shown) = shown else {
            session.close().await;
            return Err("the entry is shown nothing even without a cut, so a denial would prove nothing".to_owned());
        };
        let listed = self.connections(entry).await.map_err(super::wire::Failure::in_words)?;
        let new = |c: &&ConnectionNow| !before.iter().any(|b| b.number == c.number && b.started == c.started);
        let mut candidates = listed.iter().filter(new);
        // Behind a translation of addresses our end has another name there.
        let connection = match (listed.iter().filter(new).find(|c| c.peer == session.peer), candidates.next(), candidates.next()) {
            (Some(ours), ..) | (None, Some(ours), None) => ours.clone(),
            _ => {
                session.close().await;
                return Err("its connection was not found in the listing".to_owned());
            }
        };
        let kept = Kept { connection, shown, session: Arc::new(Mutex::new(session)) };
        if let Some(former) = self.witnesses.keep(entry, kept) {
            hang_up(former).await;
        }
        Ok(())
    }

    /// Asks the witness of an entry again.
    pub(super) async fn hear_witness(&self, entry: &Dn) -> Testimony {
        let Some(kept) = self.witnesses.kept(entry) else {
            let why = "no witness was opened with a throw-away before the cut, or it went with a restart of this node";
            return Testimony::None { why: why.to_owned() };
        };
        let mut session = kept.session.lock().await;
        match self.wire.look_over(&mut session, &kept.shown).await {
            Ok((0, true)) => Testimony::Served,
            // 32: no such entry, as far as it is shown; 50: not permitted.
            Ok((code @ (32 | 50), false)) => Testimony::Denied { code },
            Ok((code, _)) => Testimony::None { why: format!("the witness met `{code}`, which is neither yes nor no") },
            Err(why) => Testimony::None { why: format!("the witness got no answer: {why}") },
        }
    }
}
