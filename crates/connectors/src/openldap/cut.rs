//! Putting the rules that cut in front of all others, and taking them away.
//!
//! Each change is one modify of the database's entry, so there is no moment between
//! the wide rule and the narrow ones. Rules are taken away by their text, never by
//! their number: others write there too.

use ldap3::Scope;

use super::{
    OpenLdap,
    act::lacking,
    dn::Dn,
    look::Look,
    rules::{self, Rules},
    wire::{Change, Failure, Question},
};
use crate::attempt::{Stop, refused};

/// What the change of a rule needs.
pub(super) const PRIVILEGE: &str = "`write` on denials in `olcAccess` of the database";
/// Most connections that are cut one by one.
pub(super) const NARROW_MAX: usize = 100;
/// How often a change is computed again after somebody else changed the rules.
const TRIES_MAX: u32 = 4;

impl OpenLdap {
    /// Denies everything to an entry. Answers whether that is new.
    pub(super) async fn cut_wide(&self, of: &Dn) -> Result<bool, Stop> {
        let rule = rules::wide(of);
        self.change_rules(|rules| {
            if rules.against(of).wide {
                return Ok(Vec::new());
            }
            self.would_not_lock_out(rules)?;
            // One that stands behind another rule counts for nothing and is moved.
            let mut changes = removals(&rules.texts(of, |peer| peer.is_none()));
            changes.push(Change::Add("olcAccess", rules::in_front(&rule)));
            Ok(changes)
        })
        .await
    }

    /// Denies everything to an entry over the connections with these peers.
    pub(super) async fn cut_narrow(&self, of: &Dn, peers: &[String]) -> Result<bool, Stop> {
        self.change_rules(|rules| {
            let standing = rules.against(of);
            let missing: Vec<&String> = peers.iter().filter(|peer| !standing.covers(peer)).collect();
            if missing.is_empty() {
                return Ok(Vec::new());
            }
            self.would_not_lock_out(rules)?;
            narrow_changes(of, &missing)
        })
        .await
    }

    /// Leaves, of all rules against an entry, those for the connections with these
    /// peers, and puts in place those that are missing: in one change.
    pub(super) async fn leave_narrow(&self, of: &Dn, peers: &[String]) -> Result<bool, Stop> {
        self.change_rules(|rules| {
            let kept = |peer: Option<&str>| peer.is_some_and(|peer| peers.iter().any(|p| p == peer));
            let standing = rules.against(of);
            let missing: Vec<&String> = peers.iter().filter(|peer| !standing.peers.contains(peer)).collect();
            let mut changes = removals(&rules.texts(of, |peer| !kept(peer)));
            if !missing.is_empty() {
                // One that stands behind another rule counts for nothing and is moved.
                changes.extend(removals(&rules.texts(of, |peer| peer.is_some_and(|peer| missing.iter().any(|m| *m == peer)))));
                changes.extend(narrow_changes(of, &missing)?);
            }
            Ok(changes)
        })
        .await
    }

    async fn change_rules(&self, wanted: impl Fn(&Rules) -> Result<Vec<Change>, Stop>) -> Result<bool, Stop> {
        for _ in 0..TRIES_MAX {
            let changes = wanted(&self.rules().await.map_err(|f| lacking(f, "`read` on `olcAccess` of the database"))?)?;
            if changes.is_empty() {
                return Ok(false);
            }
            match self.wire.tell(&self.config.database, &changes).await {
                Ok(()) => return Ok(true),
                // 16, 20: somebody was faster. The code proves nothing; the rules do.
                Err(Failure::Answered { code: 16 | 20, .. }) => {}
                Err(failure) => return Err(lacking(failure, PRIVILEGE)),
            }
        }
        Err(refused("the access rules of the database keep changing; try again when nobody else writes there"))
    }

    /// A first rule ends the default, by which everybody reads.
    fn would_not_lock_out(&self, rules: &Rules) -> Result<(), Stop> {
        if rules.others > 0 {
            return Ok(());
        }
        Err(refused(format!(
            "`{}` has no access rule; a first one would end the default and lock everybody out. Write down who may read, such as `to * by * read`",
            self.config.database
        )))
    }

    /// The peers by which open connections are told apart, the witness's among them.
    pub(super) fn peers(&self, look: &Look) -> Result<Vec<String>, Stop> {
        if let Some(alike) = look.connections.iter().find(|c| !rules::is_nameable(&c.peer)) {
            return Err(refused(format!(
                "connection {} is open over `{}`, where no access rule tells one from another; end its client, or wait until it is gone",
                alike.number, alike.peer
            )));
        }
        if look.connections.len() > NARROW_MAX {
            let open = look.connections.len();
            return Err(refused(format!(
                "{open} connections are open, and at most {NARROW_MAX} are cut one by one; wait until they are gone"
            )));
        }
        Ok(look.connections.iter().map(|c| c.peer.clone()).collect())
    }

    /// Quell may write denials and nothing else: tried with a value that is not
    /// there, so that nothing changes either way.
    pub(super) async fn may_cut(&self) -> Result<bool, Failure> {
        let nobody = Dn::parse(&format!("cn=nobody bears this name,{}", self.config.base))
            .map_err(|why| Failure::NotReached { why: why.to_owned() })?;
        self.may_delete(&self.config.database, "olcAccess", &rules::wide(&nobody)).await
    }

    /// Whether this value could be taken away, by trying it with one that nobody
    /// holds: 50 is no, and that it is not there is yes.
    pub(super) async fn may_delete(&self, dn: &str, attribute: &'static str, value: &str) -> Result<bool, Failure> {
        match self.wire.tell(dn, &[Change::Delete(attribute, Some(value.as_bytes().to_vec()))]).await {
            Err(Failure::Answered { code: 50, .. }) => Ok(false),
            // 10: a consumer does not ask itself whether it may; that it is one is said apart.
            Err(Failure::Answered { code: 10 | 16 | 19 | 53 | 65, .. }) | Ok(()) => Ok(true),
            Err(Failure::Answered { code: 32, .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Whether Quell may search for an attribute of an entry, whether it is there or not.
    pub(super) async fn may_search(&self, dn: &str, attribute: &str) -> Result<bool, Failure> {
        let filter = format!("(|({attribute}=*)(!({attribute}=*)))");
        let question = Question { base: dn, scope: Scope::Base, filter: &filter, attributes: &["1.1"], most: 0, usability: false };
        Ok(!self.wire.ask(&question).await?.entries.is_empty())
    }
}

fn removals(texts: &[String]) -> Vec<Change> {
    texts.iter().map(|text| Change::Delete("olcAccess", Some(text.as_bytes().to_vec()))).collect()
}

fn narrow_changes(of: &Dn, peers: &[&String]) -> Result<Vec<Change>, Stop> {
    let rule = |peer: &&String| rules::narrow(of, peer).ok_or_else(|| refused(format!("`{peer}` does not name one connection")));
    peers.iter().map(|peer| Ok(Change::Add("olcAccess", rules::in_front(&rule(peer)?)))).collect()
}
