//! What the next move rests on: a case with its plans, targets and approvals,
//! loaded together; and what is found out about a subject before planning.

use std::collections::{BTreeMap, BTreeSet};

use quell_core::{
    approval::Approval,
    case::Case,
    course::PlanState,
    decision::{IdentityFacts, Role},
    event::{CaseEnriched, Consumer, OwnerEntry},
    hold::TargetState,
    id::{CaseId, PersonId, PlanId, StreamId, TargetId},
    inventory::{self, Object, OwnerRole},
    people::{self, Installation, Limits, Person},
    personal::Salter,
    respond::Situation,
    signal::IdentityKind,
    target::{Enumeration, Found, Target, TargetKind},
};

use crate::{Engine, Failure, intake::credential_kind, lookup, record::Desk, streams::Folded};

/// A case and everything linked to it.
#[derive(Clone, Debug)]
pub struct Ground {
    pub case: Case,
    pub plans: BTreeMap<PlanId, PlanState>,
    pub targets: BTreeMap<TargetId, TargetState>,
    pub approvals: BTreeMap<PlanId, Vec<Approval>>,
    pub installation: Installation,
    pub limits: Limits,
    pub planes: BTreeSet<String>,
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
        }
    }

    /// The state of a target; the empty one where nothing happened to it yet.
    pub fn target(&self, id: &TargetId) -> TargetState {
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
                plans.insert(plan.clone(), *state);
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
                targets.insert(target, *state);
            }
        }
        let installation = match self.known(desk, &StreamId::policy()).await? {
            Some(Folded::Installation(installation)) => *installation,
            _ => Installation::default(),
        };
        Ok(Some(Ground {
            case: *case,
            plans,
            targets,
            approvals,
            installation,
            limits: self.settings.limits.clone(),
            planes: self.ports.connectors.iter().map(|c| c.name().to_owned()).collect(),
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

    async fn account(&self, email: Option<&str>) -> Result<Option<PersonId>, Failure> {
        match email {
            Some(email) => self.person_by_email(email).await,
            None => Ok(None),
        }
    }

    /// Everything that inventory and plane say about one identity, now.
    pub(crate) async fn enrich(&self, identity: &Target, case: &Case, again: bool) -> Result<(CaseEnriched, Option<Enumeration>), Failure> {
        let salter = Salter::new(self.ports.chance.seed());
        let inventory = self.inventory();
        let native = identity.native.shown().to_owned();
        let reference = identity.reference();
        let known = inventory.identity(&reference).cloned();
        let system = inventory.system(&identity.plane).cloned();
        let mut not_looked_at = Vec::new();

        // The plane, within the enrichment deadline.
        let connector = self.ports.connectors.get(&identity.plane);
        let deadline = std::time::Duration::from_secs(u64::try_from(self.settings.limits.enrich_seconds).unwrap_or(10));
        let (enumeration, unseen) = match connector {
            None => (None, Some("no connector".to_owned())),
            Some(connector) => match tokio::time::timeout(deadline, connector.enumerate(&native)).await {
                Ok(Ok(enumeration)) => (Some(enumeration), None),
                Ok(Err(error)) => (None, Some(error.to_string())),
                Err(_) => (None, Some(format!("`{}` did not answer in {} s", identity.plane, self.settings.limits.enrich_seconds))),
            },
        };
        not_looked_at.extend(unseen.iter().map(|why| match connector {
            None => format!("`{}`: {why}", identity.plane),
            Some(_) => format!("sessions and delegations: {why}"),
        }));
        if let Some(enumeration) = &enumeration {
            not_looked_at.extend(enumeration.not_looked_at.iter().cloned());
            if enumeration.truncated {
                not_looked_at.push(format!("`{}` reported more than one call returns", identity.plane));
            }
        }

        // Credentials: what the plane reports, what the inventory lists, what the alert named.
        let mut credentials: Vec<(Target, Option<quell_core::signal::CredentialKind>)> = Vec::new();
        let mut add = |target: Target, kind| {
            if !credentials.iter().any(|(t, _): &(Target, _)| t.id == target.id) {
                credentials.push((target, kind));
            }
        };
        for resolved in case.findings.iter().filter_map(|f| f.resolved.as_ref()).filter(|r| r.identity.id == identity.id) {
            if let Some(credential) = &resolved.credential {
                add(credential.clone(), credential_kind(credential.native.shown()));
            }
        }
        for found in enumeration.iter().flat_map(|e| e.of(TargetKind::Credential)) {
            add(self.target_of(&identity.plane, found, &salter), found.credential_kind);
        }
        for c in inventory.credentials(&reference) {
            if let Some((plane, id)) = inventory::split(&c.id) {
                add(self.naming(&salter).target(plane, TargetKind::Credential, id, &native), Some(c.kind));
            }
        }

        // Owners, with their accounts and deputies.
        let mut owners = Vec::new();
        let mut entangled: Vec<PersonId> = Vec::new();
        for owner in inventory.owners(&reference) {
            owners.push(OwnerEntry {
                role: owner.role,
                person: self.account(owner.person.as_deref()).await?,
                name: owner.person.as_ref().or(owner.team.as_ref()).map(|n| salter.commit(n.clone())),
                deputy: self.account(owner.deputy.as_deref()).await?,
                deputy_name: owner.deputy.as_ref().map(|n| salter.commit(n.clone())),
                confirmed_at: owner.confirmed_at.clone(),
            });
        }
        // A person's own identity: that person does not decide about it.
        if known.as_ref().is_some_and(|i| i.kind == IdentityKind::Human) {
            let mut names = vec![native.clone()];
            names.extend(known.iter().flat_map(|i| i.aliases.iter().chain(&i.name).cloned()));
            for name in names {
                entangled.extend(self.person_by_email(&name).await?);
            }
        }

        let consumers: Vec<Consumer> = inventory
            .consumers(&reference)
            .into_iter()
            .map(|d| Consumer { name: salter.commit(d.consumer.clone()), criticality: d.criticality, reads_from: d.reads_from.clone() })
            .collect();
        let planes: Vec<String> = self.ports.connectors.iter().map(|c| c.name().to_owned()).collect();
        let reach = quell_core::reach::reach(&inventory, &planes, &reference, 6, 10_000);
        not_looked_at.extend(reach.not_looked_at.iter().cloned());
        if known.is_none() {
            not_looked_at.push(format!("the inventory does not list this identity of `{}`", identity.plane));
        }

        let routed = match owners.iter().find(|o| o.role == OwnerRole::Business).or(owners.first()) {
            Some(owner) => format!(
                "the {} owner of this identity, confirmed {}",
                match owner.role {
                    OwnerRole::Iam => "identity",
                    OwnerRole::Security => "security",
                    OwnerRole::Business => "business",
                    OwnerRole::Vendor => "vendor",
                },
                owner.confirmed_at.as_deref().unwrap_or("never")
            ),
            None => "nobody owns this identity in the inventory, so the response owner has it".to_owned(),
        };
        let protected = connector
            .and_then(|c| c.protected(&native))
            .or_else(|| known.as_ref().and_then(|i| i.protected).filter(|p| *p).map(|_| "the inventory says it is protected".to_owned()));
        let protected = match protected {
            None if !entangled.is_empty() => people::last_approver(&self.people().await?, &entangled)
                .map(|role| format!("nobody else who may approve as {} is left", role.in_words())),
            other => other,
        };
        let facts = IdentityFacts {
            id: identity.id.to_string(),
            plane: identity.plane.clone(),
            kind: known.as_ref().map_or(IdentityKind::Unknown, |i| i.kind),
            environment: known.as_ref().and_then(|i| i.environment.clone()).or_else(|| system.as_ref().and_then(|s| s.environment.clone())),
            criticality: known.as_ref().and_then(|i| i.criticality).or_else(|| system.as_ref().and_then(|s| s.criticality)),
            shared: known.as_ref().and_then(|i| i.shared),
            third_party: known.as_ref().and_then(|i| i.third_party),
            protected,
            has_business_owner: owners.iter().any(|o| o.role == OwnerRole::Business),
        };
        let of = |kind: TargetKind| -> Vec<Target> {
            enumeration
                .iter()
                .flat_map(|e| e.of(kind))
                .filter(|f| f.is_to_be_cut())
                .map(|f| self.target_of(&identity.plane, f, &salter))
                .collect()
        };
        let enriched = CaseEnriched {
            identity: identity.clone(),
            facts,
            name: known.as_ref().and_then(|i| i.name.clone()).map(|n| salter.commit(n)),
            owners,
            routed,
            dependents: known.is_some().then(|| u32::try_from(consumers.len()).unwrap_or(u32::MAX)),
            consumers,
            rotation: known.as_ref().and_then(|i| i.rotation.clone()),
            credentials,
            sessions: of(TargetKind::Session),
            delegations: of(TargetKind::Entitlement),
            reach: known.is_some().then_some(u32::try_from(reach.observed.len()).unwrap_or(u32::MAX)),
            not_looked_at,
            entangled,
            again,
            unseen,
        };
        Ok((enriched, enumeration))
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
