//! What the next move rests on: a case with its plans, targets and approvals,
//! loaded together; and what is found out about a subject before planning.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use quell_core::{
    approval::Approval,
    case::Case,
    course::PlanState,
    decision::Role,
    hold::TargetState,
    id::{CaseId, PersonId, PlanId, StreamId, TargetId},
    inventory::{self, Object},
    people::{Installation, Limits, Person},
    personal::Salter,
    respond::Situation,
    target::{Found, Target},
};

use crate::{Engine, Failure, lookup, record::Desk, streams::Folded};

/// A case and everything linked to it.
#[derive(Clone, Debug)]
pub struct Ground {
    pub case: Arc<Case>,
    pub plans: BTreeMap<PlanId, Arc<PlanState>>,
    pub targets: BTreeMap<TargetId, Arc<TargetState>>,
    pub approvals: BTreeMap<PlanId, Vec<Approval>>,
    pub installation: Installation,
    pub limits: Limits,
    pub planes: BTreeSet<String>,
    /// Targets that this process acts on now.
    pub acting: BTreeSet<TargetId>,
}

impl Ground {
    /// As the core asks for it.
    pub fn situation(&self) -> Situation<'_> {
        Situation {
            case: &self.case,
            plans: &self.plans,
            targets: &self.targets,
            approvals: &self.approvals,
            installation: &self.installation,
            limits: &self.limits,
            planes: &self.planes,
            acting: &self.acting,
        }
    }

    /// The state of a target; the empty one where nothing happened to it yet.
    pub fn target(&self, id: &TargetId) -> Arc<TargetState> {
        self.targets.get(id).cloned().unwrap_or_default()
    }
}

impl Engine {
    /// Loads a case and everything linked to it.
    pub async fn ground(&self, id: &CaseId) -> Result<Option<Ground>, Failure> {
        self.ground_on(id, &mut Desk::default()).await
    }

    /// The same with what a desk has gathered.
    pub(crate) async fn ground_on(&self, id: &CaseId, desk: &mut Desk) -> Result<Option<Ground>, Failure> {
        let Some(Folded::Case(case)) = self.known(desk, &StreamId::case(id)).await? else { return Ok(None) };
        let mut plans = BTreeMap::new();
        let mut approvals = BTreeMap::new();
        for (plan, _) in &case.plans {
            if let Some(Folded::Plan(state)) = self.known(desk, &StreamId::plan(plan)).await? {
                plans.insert(plan.clone(), state);
            }
            let given = self.approvals(plan, desk).await?;
            if !given.is_empty() {
                approvals.insert(plan.clone(), given);
            }
        }
        let mut wanted: BTreeSet<TargetId> = case.linked.iter().map(|(t, _)| t.id.clone()).collect();
        wanted.extend(case.roots().into_iter().map(|t| t.id));
        for state in plans.values() {
            for step in &state.plan.steps {
                wanted.extend(quell_core::respond::act_targets(state, step).into_iter().map(|t| t.id));
                match &step.proves {
                    quell_core::plan::Proves::InUse { credential, .. } | quell_core::plan::Proves::Reinstated { credential, .. } => {
                        wanted.insert(credential.id.clone());
                    }
                    quell_core::plan::Proves::Restored { target } => {
                        wanted.insert(target.id.clone());
                    }
                    _ => {}
                }
            }
        }
        let mut targets = BTreeMap::new();
        for target in wanted {
            if let Some(Folded::Target(state)) = self.known(desk, &StreamId::target(&target)).await? {
                targets.insert(target, state);
            }
        }
        let installation = match self.known(desk, &StreamId::policy()).await? {
            Some(Folded::Installation(installation)) => *installation,
            _ => Installation::default(),
        };
        Ok(Some(Ground {
            case,
            plans,
            targets,
            approvals,
            installation,
            limits: self.settings.limits.clone(),
            planes: self.ports.connectors.iter().map(|c| c.name().to_owned()).collect(),
            acting: BTreeSet::new(),
        }))
    }

    /// The approvals given to a plan.
    async fn approvals(&self, plan: &PlanId, desk: &mut Desk) -> Result<Vec<Approval>, Failure> {
        let rows = self.ports.store.lookup_range(lookup::APPROVAL, &format!("{plan}/"), None, 1_000).await?;
        let mut given = Vec::with_capacity(rows.len());
        for (key, _) in rows {
            let Some((_, person)) = key.split_once('/') else { continue };
            let stream = StreamId::approval(plan, &PersonId::new(person));
            if let Some(Folded::Approval(approval)) = self.known(desk, &stream).await? {
                given.push(*approval);
            }
        }
        Ok(given)
    }

    /// Arming, pauses, the policy in force.
    pub async fn installation(&self) -> Result<Installation, Failure> {
        Ok(match self.streams.load(&*self.ports.store, &StreamId::policy()).await?.map(|k| k.folded) {
            Some(Folded::Installation(installation)) => *installation,
            _ => Installation::default(),
        })
    }

    /// One account.
    pub async fn person(&self, id: &PersonId) -> Result<Option<Person>, Failure> {
        Ok(match self.streams.load(&*self.ports.store, &StreamId::person(id)).await?.map(|k| k.folded) {
            Some(Folded::Person(person)) => Some(*person),
            _ => None,
        })
    }

    /// Every account.
    pub async fn people(&self) -> Result<Vec<Person>, Failure> {
        let mut people = Vec::new();
        for (id, _) in self.ports.store.lookup_range(lookup::PERSON, "", None, 100_000).await? {
            people.extend(self.person(&PersonId::new(id)).await?);
        }
        Ok(people)
    }

    /// The account with an address.
    pub async fn person_by_email(&self, email: &str) -> Result<Option<PersonId>, Failure> {
        let key = self.settings.key.opaque("email", &[&email.to_lowercase()]);
        Ok(self.ports.store.lookup(lookup::PERSON_EMAIL, &key).await?.and_then(|v| v.as_str().map(PersonId::new)))
    }

    /// The target of a thing a plane reported.
    pub(crate) fn target_of(&self, plane: &str, found: &Found, salter: &Salter) -> Target {
        self.naming(salter).target(plane, found.kind, &found.native, &found.identity)
    }

    /// The roles a person holds now.
    pub(crate) async fn roles_of(&self, id: &PersonId) -> Result<Vec<Role>, Failure> {
        Ok(self.person(id).await?.filter(|p| !p.disabled).map(|p| p.roles.into_iter().collect()).unwrap_or_default())
    }

    pub(crate) async fn load_inventory(&self) -> Result<(), Failure> {
        let rows = self.ports.store.inventory().await?;
        let objects = rows.into_iter().filter_map(|(_, value)| serde_json::from_value::<Object>(value["object"].clone()).ok());
        self.set_inventory(inventory::Inventory::of(objects));
        Ok(())
    }
}
