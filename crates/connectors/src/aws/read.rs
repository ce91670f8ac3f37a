//! The state of one target now, by value: there is no secret in it. What is read at the
//! first hold is what `restore` is measured by.

use std::collections::BTreeMap;

use quell_core::{
    secret::Secret,
    target::{Reading, Target},
};
use quell_engine::port::PlaneError;

use super::{
    Aws,
    look::Look,
    native::{self, Native, Who},
    wire::Failure,
};

pub(super) const KEYS: &str = "keys";
pub(super) const CONSOLE: &str = "console";
pub(super) const BOUNDARY: &str = "boundary";
/// Of sessions: those that were issued before were denied already.
pub(super) const OLDER: &str = "denied_if_issued_before";
/// Of sessions: when that was read, by AWS's clock. What was issued until then is meant.
pub(super) const AS_OF: &str = "as_of";
const SUSPENDED: &str = "suspended";

impl Aws {
    pub(super) async fn read_target(&self, target: &Target) -> Result<(Reading, BTreeMap<String, Secret>), PlaneError> {
        let native = native::of(target).map_err(|why| self.not_permitted(why))?;
        let reading = self.reading(&native).await.map_err(|f| f.for_plane(&self.config.name))?;
        Ok((reading, BTreeMap::new()))
    }

    async fn reading(&self, native: &Native) -> Result<Reading, Failure> {
        let fact = |name: &str, value: Option<String>| (name.to_owned(), value);
        let none = Reading::default();
        Ok(match native {
            Native::Identity(who) => match self.look(who).await? {
                Some(look) => Reading { exists: true, facts: of_identity(&look), ..Reading::default() },
                None => none,
            },
            Native::Key { id } => match self.owner_of(id).await? {
                Some(user) => {
                    let active = self.keys_of(&user).await?.iter().any(|k| k.id == *id && k.active);
                    let facts = [fact("user", Some(user)), fact("active", Some(active.to_string()))].into();
                    Reading { exists: true, facts, ..Reading::default() }
                }
                None => none,
            },
            Native::Password { user } => match self.look(&Who::User(user.clone())).await? {
                Some(look) => Reading { exists: look.console, ..Reading::default() },
                None => none,
            },
            // Its own secret names it, which a reading does not have.
            Native::Made { .. } => none,
            Native::Permissions(who) => match self.look(who).await? {
                Some(look) => Reading { exists: true, facts: [fact(BOUNDARY, look.boundary)].into(), ..Reading::default() },
                None => none,
            },
            Native::Sessions(who) => match self.look(who).await? {
                Some(look) => {
                    let as_of = look.plane_clock.unwrap_or_else(|| self.clock.now());
                    let facts = [fact(OLDER, look.denials.older.map(|t| t.to_string())), fact(AS_OF, Some(as_of.to_string()))].into();
                    Reading { exists: true, facts, ..Reading::default() }
                }
                None => none,
            },
        })
    }
}

/// Keys with their states, whether there is a login profile, whether it is suspended.
pub(super) fn of_identity(look: &Look) -> BTreeMap<String, Option<String>> {
    let mut keys: Vec<String> = look.keys.iter().map(|k| format!("{} {}", k.id, if k.active { "Active" } else { "Inactive" })).collect();
    keys.sort();
    [
        (KEYS, Some(keys.join("\n"))),
        (CONSOLE, Some(look.console.to_string())),
        (BOUNDARY, look.boundary.clone()),
        (SUSPENDED, look.denials.everything.then(|| "true".to_owned())),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Keys of a before-state with whether each was active.
pub(super) fn keys_of(before: &Reading) -> BTreeMap<String, bool> {
    let text = before.facts.get(KEYS).cloned().flatten().unwrap_or_default();
    text.lines().filter_map(|line| line.split_once(' ')).map(|(id, state)| (id.to_owned(), state == "Active")).collect()
}
