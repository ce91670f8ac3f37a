//! The cleared attempts. Each is a few modifies, every one a transaction of its
//! own, in an order that a crash between any two leaves safe: cut, lock, read back.
//!
//! ```text
//! rotate     new password, lock kept in the same change   witness bound, served
//! suspend    cut everything, then lock                    both read back
//! terminate  cut each open connection by its peer         until two listings agree
//! ```
//!
//! A password that anybody writes takes the lock away (measured), so the lock is
//! written again in the very change that writes the password. Codes that say "it is
//! so already" (16, 20) prove nothing: what is there is read.

use quell_core::{action::Action, clear::Clearance, secret::Secret, time::SignedDuration};
use quell_engine::port::{Attempt, Outcome, PlaneError};

use super::{
    OpenLdap,
    dn::Dn,
    look::{EntryNow, Look},
    native::{self, Connection, Member, Native},
    policy::{LOCKED_FOR_GOOD, Usability},
    stored,
    wire::{Change, Failure},
};
use crate::attempt::{self, Changed, Failed, Stop, change, change_if, new_secret, refused, unknown};

/// How often a change is computed again after somebody else changed the entry.
const TRIES_MAX: u32 = 4;
/// How many rounds of cutting until two listings apart in time hold nothing new.
const ROUNDS_MAX: u32 = 20;

pub(super) const LOCK: &str = "pwdAccountLockedTime";
pub(super) const RESET: &str = "pwdReset";
pub(super) const PASSWORD: &str = "userPassword";

/// A failure of a call that needs a privilege.
struct Lacking {
    failure: Failure,
    privilege: &'static str,
}

impl Failed for Lacking {
    fn outcome(self: Box<Self>) -> Outcome {
        self.failure.outcome(self.privilege)
    }

    fn plane_error(self: Box<Self>, plane: &str) -> PlaneError {
        self.failure.plane_error(plane)
    }
}

/// What `privilege` is needed for had no result.
pub(super) fn lacking(failure: Failure, privilege: &'static str) -> Stop {
    Lacking { failure, privilege }.into()
}

/// Reading needs this.
pub(super) fn reading(failure: Failure) -> Stop {
    lacking(failure, "`read` on the entry and on `cn=Connections,cn=Monitor`")
}

impl OpenLdap {
    pub(super) async fn act_on(&self, clearance: Clearance, attempt: &Attempt) -> Outcome {
        if let Err(outcome) = attempt.is_cleared(&clearance, &self.config.name) {
            return outcome;
        }
        attempt::came_to(self.enforce(attempt).await)
    }

    async fn enforce(&self, attempt: &Attempt) -> Result<Changed, Stop> {
        match (attempt.action, native::of(&attempt.target).map_err(refused)?) {
            (Action::SuspendIdentity, Native::Entry(entry)) => self.suspend(&entry, attempt).await,
            (Action::TerminateSessions, Native::Connection(one)) => self.end_connection(&one, attempt).await,
            (Action::TerminateSessions, Native::Entry(entry)) => self.end_all(&entry, attempt).await,
            (Action::RotateCredential, Native::Password { entry, .. }) => self.rotate(&entry, attempt).await,
            (Action::RemoveEntitlement, Native::Member(membership)) => self.remove_member(&membership).await,
            (Action::RequireStepUp, Native::Entry(entry)) => self.require_step_up(&entry, attempt).await,
            (Action::Reinstate, Native::Entry(entry)) => self.reinstate(&entry, attempt).await,
            (Action::Restore, native) => self.restore(&native, attempt).await,
            (action, _) => Err(refused(format!("`{}` is not something OpenLDAP does to a {}", action.name(), attempt.target.kind.name()))),
        }
    }

    /// The entry as it stands, if it is one that may be acted on, and still the one
    /// that was read before.
    pub(super) async fn subject(&self, entry: &Dn, attempt: &Attempt) -> Result<(Look, EntryNow), Stop> {
        let look = self.look(entry).await.map_err(reading)?;
        // What only the server knows, such as its roots, is known by now.
        if let Some(why) = self.protects(entry) {
            return Err(refused(format!("the entry is protected: {why}")));
        }
        if !look.authoritative {
            return Err(refused("this server is a consumer, or cannot say that it is not; name the provider in `url`"));
        }
        let Some(now) = look.entry.clone() else { return Err(refused("there is no such entry (`32`), or Quell may not see it")) };
        if !look.in_scope {
            return Err(refused("the entry is not in the scope of Quell; run `quell connector bootstrap` with a `--scope` that holds it"));
        }
        let known = attempt.before.as_ref().and_then(|b| b.facts.get("entry_uuid").cloned().flatten());
        if known.is_some() && known != now.uuid {
            return Err(refused("another entry bears the name than the one that was read before; look again"));
        }
        Ok((look, now))
    }

    async fn suspend(&self, entry: &Dn, attempt: &Attempt) -> Result<Changed, Stop> {
        let (look, now) = self.subject(entry, attempt).await?;
        if !look.policy.is_some_and(|p| p.lockout) {
            return Err(refused(
                "no password policy with `pwdLockout: TRUE` is over the entry, so a lock would keep nobody out; set `pwdPolicySubentry` or the overlay's default",
            ));
        }
        let mut changed = Changed::new();
        // The cut first: whoever is bound already could unlock again by writing a
        // password, and where a company lets people write their entry, by its name.
        if self.cut_wide(entry).await? {
            changed.insert("access".to_owned(), (look.cuts.in_words(), Some("nothing".to_owned())));
        }
        if !now.is_locked_for_good() {
            self.write_lock(entry).await?;
            changed.insert(LOCK.to_owned(), (now.locked_at, Some(LOCKED_FOR_GOOD.to_owned())));
        }
        let (after, now) = self.subject(entry, attempt).await?;
        if !now.is_locked_for_good() || !after.cuts.wide {
            return Err(unknown("somebody took the lock or the cut away again at the same moment"));
        }
        if now.usability == Some(Usability::Usable) {
            changed.insert("enforced".to_owned(), (None, Some("no: the policy lets the entry in although it is locked".to_owned())));
        }
        Ok(changed)
    }

    async fn write_lock(&self, entry: &Dn) -> Result<(), Stop> {
        let changes = [Change::Replace(LOCK, Some(LOCKED_FOR_GOOD.into()))];
        self.wire.tell(entry.text(), &changes).await.map_err(|f| lacking(f, "`write` on `pwdAccountLockedTime`"))
    }

    async fn rotate(&self, entry: &Dn, attempt: &Attempt) -> Result<Changed, Stop> {
        let secret = new_secret(attempt)?;
        let (look, now) = self.subject(entry, attempt).await?;
        if now.passwords.is_empty() {
            return Err(refused("no password is stored there, so there is none to replace"));
        }
        if self.holds(&now, entry, secret).await {
            return Ok(Changed::new());
        }
        let value = self.write_password(entry, attempt, secret, false).await?;
        let (_, after) = self.subject(entry, attempt).await?;
        if after.passwords != [value.expose().as_bytes().to_vec()] {
            return Err(unknown("somebody stored another password at the same moment"));
        }
        let mut changed =
            change("password", Some(format!("{} values, sealed", now.passwords.len())), Some("one that Quell made".to_owned()));
        if !after.is_locked_for_good() && look.cuts.in_words().is_none() {
            let witness = match self.call_witness(entry, secret).await {
                Ok(()) => "open".to_owned(),
                Err(why) => format!("none: {why}"),
            };
            changed.insert("witness".to_owned(), (None, Some(witness)));
        }
        Ok(changed)
    }

    /// Stores one password in the place of all, in one change with the lock that is
    /// there or is to be there, and without the demand to change it. Answers what
    /// was stored.
    pub(super) async fn write_password(&self, entry: &Dn, attempt: &Attempt, secret: &Secret, locked: bool) -> Result<Secret, Stop> {
        let value = stored::make(secret, entry, &self.config.secret);
        for _ in 0..TRIES_MAX {
            let (_, now) = self.subject(entry, attempt).await?;
            let keep = locked || now.is_locked_for_good();
            let mut changes = lock_away(&now);
            changes.push(Change::Replace(PASSWORD, Some(value.expose().into())));
            changes.push(Change::Replace(RESET, None));
            if keep {
                changes.push(Change::Add(LOCK, LOCKED_FOR_GOOD.into()));
            }
            match self.wire.tell(entry.text(), &changes).await {
                Ok(()) => {}
                // The lock came or went between the look and the change.
                Err(Failure::Answered { code: 16 | 20, .. }) => continue,
                Err(failure) => {
                    return Err(lacking(failure, "`manage` on `userPassword` and `write` on `pwdReset` and `pwdAccountLockedTime`"));
                }
            }
            let (_, after) = self.subject(entry, attempt).await?;
            if !keep || after.is_locked_for_good() {
                return Ok(value);
            }
        }
        Err(unknown("somebody keeps changing the entry's lock; the password may have been replaced"))
    }

    /// The one stored password is this secret's, as Quell stores it.
    pub(super) async fn holds(&self, now: &EntryNow, entry: &Dn, secret: &Secret) -> bool {
        let [one] = now.passwords.as_slice() else { return false };
        stored::is_ours(one, entry, &self.config.secret) && compare(one.clone(), secret).await == Some(true)
    }

    async fn end_connection(&self, one: &Connection, attempt: &Attempt) -> Result<Changed, Stop> {
        let (look, _) = self.subject(&one.of, attempt).await?;
        let Some(open) = look.connections.iter().find(|c| c.number == one.number && c.started == one.started) else {
            return Ok(Changed::new());
        };
        if look.cuts.covers(&open.peer) {
            return Ok(Changed::new());
        }
        let peers = self.peers(&Look { connections: vec![open.clone()], ..look })?;
        self.cut_narrow(&one.of, &self.with_witness(&one.of, peers)).await?;
        let (after, _) = self.subject(&one.of, attempt).await?;
        if !after.cuts.covers(&open.peer) {
            return Err(unknown("somebody took the cut away again at the same moment"));
        }
        Ok(change("access", Some("as before".to_owned()), Some("nothing over this connection".to_owned())))
    }

    /// A witness tells only of what is cut for it, too.
    fn with_witness(&self, entry: &Dn, mut peers: Vec<String>) -> Vec<String> {
        peers.extend(self.witnesses.of(entry).map(|w| w.peer).filter(|peer| super::rules::is_nameable(peer)));
        peers.sort();
        peers.dedup();
        peers
    }

    /// Cuts every open connection until two listings apart in time hold none that
    /// is not cut. Who can still log in comes back, and then this says so.
    pub(super) async fn end_all(&self, entry: &Dn, attempt: &Attempt) -> Result<Changed, Stop> {
        let apart = SignedDuration::from_millis((self.config.settle_ms / 2).clamp(20, 200));
        let (mut cut, mut clean) = (0, 0);
        for _ in 0..ROUNDS_MAX {
            let (look, _) = self.subject(entry, attempt).await?;
            let open = look.connections.iter().filter(|c| !look.cuts.covers(&c.peer)).count();
            clean = if open == 0 { clean + 1 } else { 0 };
            cut += open;
            if clean == 2 {
                return Ok(change_if(cut > 0, "connections", Some(format!("{cut} open")), Some(format!("{cut} cut"))));
            }
            if open > 0 {
                let peers = self.peers(&look)?;
                self.cut_narrow(entry, &self.with_witness(entry, peers)).await?;
            }
            self.clock.sleep(apart).await;
        }
        Err(unknown(format!("connections of the entry keep coming: is it locked? {cut} were cut")))
    }

    async fn remove_member(&self, one: &Member) -> Result<Changed, Stop> {
        match self.membership(one).await.map_err(reading)? {
            None => return Err(refused("there is no such group, or Quell may not search its members")),
            Some(false) => return Ok(Changed::new()),
            Some(true) => {}
        }
        let changes = [Change::Delete(one.attribute, Some(one.member.text().into()))];
        match self.wire.tell(one.group.text(), &changes).await {
            // 16: somebody was faster. The code proves nothing; the group does.
            Ok(()) | Err(Failure::Answered { code: 16, .. }) => {}
            Err(Failure::Answered { code: 65, text }) => {
                return Err(refused(format!(
                    "it is the only member, and such a group needs one (`65` {text}); put another in first, or delete the group"
                )));
            }
            Err(failure) => return Err(lacking(failure, "`write` on the members of the group")),
        }
        match self.membership(one).await.map_err(reading)? {
            Some(false) => Ok(change("membership", Some("written".to_owned()), None)),
            _ => Err(unknown("somebody wrote the membership again at the same moment")),
        }
    }

    async fn require_step_up(&self, entry: &Dn, attempt: &Attempt) -> Result<Changed, Stop> {
        let (look, now) = self.subject(entry, attempt).await?;
        if !look.policy.is_some_and(|p| p.must_change) {
            return Err(refused(
                "no password policy with `pwdMustChange: TRUE` is over the entry, so `pwdReset` would demand nothing; set it in the policy",
            ));
        }
        if now.reset {
            return Ok(Changed::new());
        }
        let changes = [Change::Replace(RESET, Some("TRUE".into()))];
        self.wire.tell(entry.text(), &changes).await.map_err(|f| lacking(f, "`write` on `pwdReset`"))?;
        let (_, after) = self.subject(entry, attempt).await?;
        if !after.reset {
            return Err(unknown("somebody took `pwdReset` away again at the same moment"));
        }
        Ok(change(RESET, None, Some("TRUE".to_owned())))
    }
}

/// What takes the lock away in a change: nothing where none is there, for the whole
/// change would be refused.
pub(super) fn lock_away(now: &EntryNow) -> Vec<Change> {
    now.locked_at.iter().map(|_| Change::Delete(LOCK, None)).collect()
}

/// Off the threads that keep deadlines: an Argon2 takes its time.
pub(super) async fn compare(stored: Vec<u8>, secret: &Secret) -> Option<bool> {
    let secret = secret.clone();
    tokio::task::spawn_blocking(move || stored::matches(&stored, &secret)).await.ok().flatten()
}
