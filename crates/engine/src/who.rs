//! Who could decide what at one moment.

use quell_core::{
    decision::{Principal, Role, Verb, VerbQuestion},
    event::Event,
    id::{PersonId, StreamId},
    people::{self, Person},
    time::Timestamp,
};

use crate::{Engine, Failure, lookup, streams::decode_all};

/// Everybody who could sign in at `at`, and the policy they stood under.
#[derive(Clone, Debug)]
pub struct Who {
    pub at: Timestamp,
    /// The digest of the policy set in force then; none before the first.
    pub policy: Option<String>,
    pub loaded_at: Option<Timestamp>,
    /// It is the set that is loaded now, so what each could do is known.
    pub is_loaded: bool,
    pub people: Vec<Holder>,
}

/// A person and what they could do.
#[derive(Clone, Debug)]
pub struct Holder {
    pub person: Person,
    /// Roles in which their yes could count.
    pub approves_as: Vec<Role>,
    /// Verbs that policy permitted them, signed in and joined to no subject; unknown
    /// where another policy set is loaded now.
    pub may: Option<Vec<Verb>>,
}

impl Engine {
    /// Lists who could approve what at a moment.
    pub async fn who(&self, at: Timestamp) -> Result<Who, Failure> {
        let store = &*self.ports.store;
        let (mut policy, mut loaded_at) = (None, None);
        for recorded in decode_all(store, &store.read(&StreamId::policy(), 1).await?).await?.into_iter().filter(|r| r.at <= at) {
            if let Event::PolicyLoaded(loaded) = recorded.event {
                (policy, loaded_at) = (Some(loaded.digest), Some(recorded.at));
            }
        }
        let is_loaded = policy.as_deref() == Some(&*self.ports.policy.digest());
        let mut people = Vec::new();
        for (id, _) in store.lookup_range(lookup::PERSON, "", None, 100_000).await? {
            let stored = store.read(&StreamId::person(&PersonId::new(id)), 1).await?;
            let Some(person) = people::standing(&decode_all(store, &stored).await?, at) else { continue };
            let approves_as = person.approves_as().collect();
            let may = is_loaded.then(|| Verb::ALL.into_iter().filter(|verb| self.could(&person, *verb)).collect());
            people.push(Holder { person, approves_as, may });
        }
        Ok(Who { at, policy, loaded_at, is_loaded, people })
    }

    fn could(&self, person: &Person, verb: Verb) -> bool {
        let (id, roles) = (person.id.clone(), person.roles.iter().copied().collect());
        let principal = if person.human { Principal::Person { id, roles } } else { Principal::Agent { id, roles } };
        let question = VerbQuestion {
            principal,
            verb,
            signed_in: person.human,
            entangled: false,
            contested: false,
            scopes: Vec::new(),
            gives_roles: Vec::new(),
        };
        self.ports.policy.permits(&question).allowed
    }
}
