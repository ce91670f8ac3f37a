//! Giving access back, and telling what became of an attempt.
//!
//! Reinstate never revives what was killed. While nobody can log in and everything
//! is cut, the new password is stored; then the cut is narrowed, in one change, to
//! the connections that are still open; only then the lock goes. A connection that
//! an intruder kept stays cut for as long as it lives, and the new ones of the
//! rightful owner are not. Where the survivors cannot be told from new ones, it is
//! refused, locked and cut, and says what to wait for.

use base64::{Engine, engine::general_purpose::STANDARD};
use quell_core::{action::Action, target::Reading, time::SignedDuration};
use quell_engine::port::{Attempt, Outcome};

use super::{
    OpenLdap,
    act::{LOCK, PASSWORD, RESET, lacking, lock_away, reading},
    dn::Dn,
    look::Look,
    native::{self, Member, Native},
    read::{self, PASSWORDS},
    wire::{Change, Failure},
};
use crate::attempt::{self, Changed, Stop, change, change_if, new_secret, refused, unknown};

/// Times in the directory are of whole seconds. A connection of after the change
/// must not bear the second of the change.
const NEXT_SECOND: SignedDuration = SignedDuration::from_millis(1_050);
const WRITES: &str = "`manage` on `userPassword` and `write` on `pwdReset` and `pwdAccountLockedTime`";

impl OpenLdap {
    pub(super) async fn reinstate(&self, entry: &Dn, attempt: &Attempt) -> Result<Changed, Stop> {
        let secret = new_secret(attempt)?;
        let (look, now) = self.subject(entry, attempt).await?;
        // A second try after the entry is open must not throw its owner out. Rules for
        // connections that are gone since are taken away.
        if self.holds(&now, entry, secret).await && now.locked_at.is_none() && !now.reset && !look.cuts.wide {
            let open: Vec<String> = look.connections.iter().map(|c| c.peer.clone()).collect();
            let left: Vec<String> = look.cuts.peers.iter().filter(|peer| open.contains(peer)).cloned().collect();
            let gone = look.cuts.peers.len() - left.len();
            self.leave_narrow(entry, &left).await?;
            return Ok(change_if(gone > 0, "access", look.cuts.in_words(), Some(format!("{gone} cuts fewer"))));
        }

        self.cut_wide(entry).await?;
        let (look, _) = self.subject(entry, attempt).await?;
        // Asked before anything else is changed: whether they can be told apart.
        self.peers(&look)?;
        self.write_password(entry, attempt, secret, true).await?;
        self.clock.sleep(NEXT_SECOND).await;

        let (look, locked) = self.subject(entry, attempt).await?;
        let peers = self.survivors(entry, &look).await?;
        self.leave_narrow(entry, &peers).await?;
        match self.wire.tell(entry.text(), &[Change::Delete(LOCK, None)]).await {
            // 16: somebody was faster. What is there is read below.
            Ok(()) | Err(Failure::Answered { code: 16, .. }) => {}
            Err(failure) => return Err(lacking(failure, "`write` on `pwdAccountLockedTime`")),
        }
        let (after, now) = self.subject(entry, attempt).await?;
        if !self.holds(&now, entry, secret).await || now.locked_at.is_some() || after.cuts.wide {
            return Err(unknown("somebody changed the entry at the same moment"));
        }
        if after.connections.iter().any(|c| peers.contains(&c.peer) && !after.cuts.covers(&c.peer)) {
            return Err(unknown("somebody took the cut of a surviving connection away at the same moment"));
        }
        let mut changed = change("password", Some("sealed".to_owned()), Some("a new one".to_owned()));
        changed.insert(LOCK.to_owned(), (locked.locked_at, None));
        changed.insert("access".to_owned(), (look.cuts.in_words(), Some(in_words(&peers))));
        Ok(changed)
    }

    /// The connections that stay cut. A witness stays only to tell of others.
    async fn survivors(&self, entry: &Dn, look: &Look) -> Result<Vec<String>, Stop> {
        let witness = self.witnesses.of(entry);
        let is_witness = |number: u64| witness.as_ref().is_some_and(|w| w.number == number);
        if look.connections.iter().any(|c| !is_witness(c.number)) {
            return self.peers(look);
        }
        self.witnesses.dismiss(entry).await;
        Ok(Vec::new())
    }

    pub(super) async fn restore(&self, native: &Native, attempt: &Attempt) -> Result<Changed, Stop> {
        let before = attempt.before.as_ref().ok_or_else(|| refused("no before-state is recorded; use `reinstate`"))?;
        match native {
            Native::Member(one) if before.exists => self.write_member(one).await,
            Native::Entry(entry) => {
                self.put_back(entry, before, attempt, true).await?;
                // The former state had no cut of ours: those who are still connected are
                // whom the state belongs to.
                if before.facts.get("cut").cloned().flatten().is_none() {
                    self.witnesses.dismiss(entry).await;
                    self.leave_narrow(entry, &[]).await?;
                }
                Ok(change("entry", Some("contained".to_owned()), Some("as it was".to_owned())))
            }
            Native::Password { entry, .. } => {
                self.put_back(entry, before, attempt, false).await?;
                Ok(change("password", Some("replaced".to_owned()), Some("the former one".to_owned())))
            }
            Native::Member(_) | Native::Connection(_) => Err(refused("it was not there before, so nothing is restored")),
        }
    }

    /// Stores the former passwords byte for byte, with the lock and the demand to
    /// change of then (`whole`) or of now.
    async fn put_back(&self, entry: &Dn, before: &Reading, attempt: &Attempt, whole: bool) -> Result<(), Stop> {
        let passwords = self.former(before, attempt)?;
        let fact = |name: &str| before.facts.get(name).cloned().flatten();
        let (_, now) = self.subject(entry, attempt).await?;
        let reset = if whole { fact(RESET) } else { now.reset.then(|| "TRUE".to_owned()) };
        let lock = if whole { fact(LOCK) } else { now.locked_at.clone().filter(|_| now.is_locked_for_good()) };
        let tell = async |changes: Vec<Change>| self.wire.tell(entry.text(), &changes).await.map_err(|f| lacking(f, WRITES));

        // Each write of a password would demand to change it, and take the lock.
        let mut changes = lock_away(&now);
        changes.push(Change::Replace(PASSWORD, passwords.first().cloned()));
        changes.push(Change::Replace(RESET, reset.clone().map(Into::into)));
        if let Some(lock) = &lock {
            changes.push(Change::Add(LOCK, lock.clone().into()));
        }
        tell(changes).await?;
        // The policy takes one value at a time, and keeps more than one.
        for further in passwords.iter().skip(1) {
            let (_, now) = self.subject(entry, attempt).await?;
            let mut changes = lock_away(&now);
            changes.push(Change::Add(PASSWORD, further.clone()));
            changes.push(Change::Replace(RESET, reset.clone().map(Into::into)));
            if let Some(lock) = &lock {
                changes.push(Change::Add(LOCK, lock.clone().into()));
            }
            tell(changes).await?;
        }
        let (_, after) = self.subject(entry, attempt).await?;
        let same = |stored: &Vec<Vec<u8>>| stored.len() == passwords.len() && passwords.iter().all(|p| stored.contains(p));
        if !same(&after.passwords) || after.locked_at != lock {
            return Err(unknown("somebody changed the entry at the same moment"));
        }
        Ok(())
    }

    /// The sealed passwords of the before-state, opened.
    fn former(&self, before: &Reading, attempt: &Attempt) -> Result<Vec<Vec<u8>>, Stop> {
        let count = before.facts.get(PASSWORDS).cloned().flatten().and_then(|n| n.parse().ok());
        let count: usize = count.ok_or_else(|| refused("the before-state does not say how many passwords there were"))?;
        let all: Option<Vec<Vec<u8>>> =
            (0..count).map(|n| STANDARD.decode(attempt.before_secrets.get(&read::part(n))?.expose()).ok()).collect();
        all.ok_or_else(|| refused("the sealed passwords of the before-state were not opened"))
    }

    async fn write_member(&self, one: &Member) -> Result<Changed, Stop> {
        match self.membership(one).await.map_err(reading)? {
            None => return Err(refused("there is no such group, or Quell may not search its members")),
            Some(true) => return Ok(Changed::new()),
            Some(false) => {}
        }
        match self.wire.tell(one.group.text(), &[Change::Add(one.attribute, one.member.text().into())]).await {
            // 20: somebody was faster. The code proves nothing; the group does.
            Ok(()) | Err(Failure::Answered { code: 20, .. }) => {}
            Err(failure) => return Err(lacking(failure, "`write` on the members of the group, for members in scope")),
        }
        match self.membership(one).await.map_err(reading)? {
            Some(true) => Ok(change("membership", None, Some("written".to_owned()))),
            _ => Err(unknown("somebody took the membership away again at the same moment")),
        }
    }

    /// Reads what became of an attempt. Changes nothing.
    pub(super) async fn outcome_of(&self, attempt: &Attempt) -> Outcome {
        attempt::read_back(self.became(attempt).await, &self.config.name)
    }

    async fn became(&self, attempt: &Attempt) -> Result<bool, Stop> {
        let native = native::of(&attempt.target).map_err(refused)?;
        if let Native::Member(one) = &native {
            let stands = self.membership(one).await.map_err(reading)?;
            let stands = stands.ok_or_else(|| unknown("there is no such group, or Quell may not search its members"))?;
            return Ok(stands == (attempt.action == Action::Restore));
        }
        let (Native::Entry(entry) | Native::Password { entry, .. }) = &native else {
            let Native::Connection(one) = &native else { return Err(refused("it is not something OpenLDAP has")) };
            let (look, _) = self.subject(&one.of, attempt).await?;
            return Ok(!look.connections.iter().any(|c| c.number == one.number && c.started == one.started && !look.cuts.covers(&c.peer)));
        };
        let (look, now) = self.subject(entry, attempt).await?;
        let holds_new = match &attempt.new_secret {
            Some(secret) => self.holds(&now, entry, secret).await,
            None => false,
        };
        Ok(match attempt.action {
            Action::SuspendIdentity => now.is_locked_for_good() && look.cuts.wide,
            Action::TerminateSessions => look.connections.iter().all(|c| look.cuts.covers(&c.peer)),
            Action::RotateCredential => holds_new,
            Action::RequireStepUp => now.reset,
            Action::Reinstate => holds_new && now.locked_at.is_none() && !look.cuts.wide,
            Action::Restore => {
                let before = attempt.before.as_ref().ok_or_else(|| refused("no before-state is recorded"))?;
                let former = self.former(before, attempt)?;
                let same = now.passwords.len() == former.len() && former.iter().all(|p| now.passwords.contains(p));
                same && (matches!(native, Native::Password { .. }) || read::facts(&look, &now) == before.facts)
            }
            action => return Err(refused(format!("`{}` is not something OpenLDAP does", action.name()))),
        })
    }
}

fn in_words(peers: &[String]) -> String {
    match peers.len() {
        0 => "everything".to_owned(),
        n => format!("everything but over {n} connections that are still open"),
    }
}
