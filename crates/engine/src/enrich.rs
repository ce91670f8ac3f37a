//! Everything that inventory and planes say about one identity, before planning.

use std::{collections::BTreeSet, time::Duration};

use quell_core::{
    case::Case,
    event::{CaseEnriched, Consumer, Derivation, OwnerEntry},
    id::PersonId,
    inventory::{self, Inventory, OwnerRole, RotationMethod, facts},
    people,
    personal::Salter,
    reach::{self, Reach},
    route::{self, Route},
    signal::{CredentialKind, IdentityKind},
    target::{Enumeration, Found, Target, TargetKind},
    time::after,
};

use crate::{Engine, Failure};

/// How far a reach is followed, and how many nodes of it.
const DEPTH: u32 = 6;
const NODES: usize = 10_000;

impl Engine {
    /// Everything that inventory and plane say about one identity, now.
    pub(crate) async fn enrich(&self, identity: &Target, case: &Case, again: bool) -> Result<CaseEnriched, Failure> {
        let salter = Salter::new(self.ports.chance.seed());
        let inventory = self.inventory();
        let native = identity.native.shown().to_owned();
        let reference = identity.reference();
        let known = inventory.identity(&reference).cloned();
        let system = inventory.system(&identity.plane).cloned();
        let connector = self.ports.connectors.get(&identity.plane);
        let mut not_looked_at = Vec::new();

        let (enumeration, unseen) = self.ask_plane(identity).await;
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
        let found = || enumeration.iter().flat_map(|e| &e.found);
        let those = |wanted: fn(&Found) -> bool| {
            found()
                .filter(|f| f.kind == TargetKind::Credential && wanted(f))
                .map(|f| self.target_of(&identity.plane, f, &salter).id)
                .collect()
        };
        let of = |kind: TargetKind| -> Vec<Target> {
            found().filter(|f| f.kind == kind && f.is_to_be_cut()).map(|f| self.target_of(&identity.plane, f, &salter)).collect()
        };

        let planes: Vec<String> = self.ports.connectors.iter().map(|c| c.name().to_owned()).collect();
        let reach = reach::reach(&inventory, &planes, &reference, DEPTH, NODES);
        not_looked_at.extend(reach.not_looked_at.iter().cloned());
        let derivations = self.derivations(identity, enumeration.as_ref(), &reach, &inventory, &salter);
        let far = |d: &&Derivation| d.to.kind == TargetKind::Identity && !planes.contains(&d.to.plane);
        for led in derivations.iter().filter(far) {
            let gap = format!("`{}`: no connector, so nothing behind it was looked at", led.to.plane);
            if !not_looked_at.contains(&gap) {
                not_looked_at.push(gap);
            }
        }

        let own = self.people_of([reference.as_str()], &inventory).await?;
        let entangled = self.people_of(reach::joined(&inventory, &reference, DEPTH, NODES), &inventory).await?;
        // What came with a lease, or keeps a secret, belongs to whom it came from: that
        // subject was looked at before.
        let issuer = case.issuer_of(&identity.id);
        let owners = match issuer {
            Some((issuer, _)) if inventory.owners(&reference).is_empty() => issuer.owners.clone(),
            _ => self.owners_of(&reference, &inventory, &salter).await?,
        };
        let own_route = || self.route(&reference, &inventory, case.subjects.get(&identity.id), &salter);
        let (routed, route) = match issuer {
            Some((issuer, _)) if inventory.owners(&reference).is_empty() => (issuer.routed.clone(), issuer.route.clone()),
            _ => own_route().await.map(|(why, route)| (why, Some(route)))?,
        };
        let consumers: Vec<Consumer> = inventory
            .consumers(&reference)
            .into_iter()
            .map(|d| Consumer { name: salter.commit(d.consumer.clone()), criticality: d.criticality, reads_from: d.reads_from.clone() })
            .collect();
        if known.is_none() && issuer.is_none() {
            not_looked_at.push(format!("the inventory does not list this identity of `{}`", identity.plane));
        }

        let protected = connector
            .and_then(|c| c.protected(&native))
            .or_else(|| known.as_ref().and_then(|i| i.protected).filter(|p| *p).map(|_| "the inventory says it is protected".to_owned()));
        let protected = match protected {
            None if !own.is_empty() => people::last_approver(&self.people().await?, &own)
                .map(|role| format!("nobody else who may approve as {} is left", role.in_words())),
            other => other,
        };
        let has_business_owner = owners.iter().any(|o| o.role == OwnerRole::Business);
        let facts = facts::facts(identity, known.as_ref(), system.as_ref(), issuer.map(|(s, _)| &s.facts), protected, has_business_owner);
        let declared = u32::try_from(consumers.len()).unwrap_or(u32::MAX);
        let enriched = CaseEnriched {
            identity: identity.clone(),
            facts,
            name: known.as_ref().and_then(|i| i.name.clone()).map(|n| salter.commit(n)),
            routed,
            owners,
            dependents: facts::dependents(known.is_some(), declared, issuer),
            consumers,
            rotation: known.as_ref().and_then(|i| i.rotation.clone()),
            credentials: self.credentials_of(identity, case, enumeration.as_ref(), &inventory, &salter),
            sessions: of(TargetKind::Session),
            delegations: of(TargetKind::Entitlement),
            reach: match issuer {
                _ if known.is_some() => Some(u32::try_from(reach.observed.len()).unwrap_or(u32::MAX)),
                issuer => issuer.and_then(|(s, _)| s.reach),
            },
            not_looked_at,
            entangled,
            again,
            unseen,
            derivations,
            outlive: those(Found::outlives_suspension),
            irrevocable: those(Found::is_irrevocable),
            no_login: found().filter(|f| f.kind == TargetKind::Identity).find_map(|f| f.no_login().map(str::to_owned)),
            route,
        };
        Ok(enriched)
    }

    /// What the plane lists of it, within the enrichment deadline; or why it does not.
    async fn ask_plane(&self, identity: &Target) -> (Option<Enumeration>, Option<String>) {
        let Some(connector) = self.ports.connectors.get(&identity.plane) else { return (None, Some("no connector".to_owned())) };
        let seconds = self.settings.limits.enrich_seconds;
        let deadline = Duration::from_secs(u64::try_from(seconds).unwrap_or(10));
        match tokio::time::timeout(deadline, connector.enumerate(identity.native.shown())).await {
            Ok(Ok(enumeration)) => (Some(enumeration), None),
            Ok(Err(error)) => (None, Some(error.to_string())),
            Err(_) => (None, Some(format!("`{}` did not answer in {seconds} s", identity.plane))),
        }
    }

    /// Credentials: what the plane reports, what the alert named, what the inventory lists.
    fn credentials_of(
        &self,
        identity: &Target,
        case: &Case,
        enumeration: Option<&Enumeration>,
        inventory: &Inventory,
        salter: &Salter,
    ) -> Vec<(Target, Option<CredentialKind>)> {
        let mut credentials: Vec<(Target, Option<CredentialKind>)> = Vec::new();
        let mut add = |target: Target, kind| {
            if !credentials.iter().any(|(t, _): &(Target, _)| t.id == target.id) {
                credentials.push((target, kind));
            }
        };
        let reported = || enumeration.into_iter().flat_map(|e| e.of(TargetKind::Credential));
        for resolved in case.findings.iter().filter_map(|f| f.resolved.as_ref()).filter(|r| r.identity.id == identity.id) {
            if let Some(credential) = &resolved.credential {
                let native = credential.native.shown();
                let kind = reported().find(|f| f.native == native).and_then(|f| f.credential_kind);
                add(credential.clone(), kind.or(resolved.credential_kind));
            }
        }
        for found in reported() {
            add(self.target_of(&identity.plane, found, salter), found.credential_kind);
        }
        for c in inventory.credentials(&identity.reference()) {
            if let Some((plane, id)) = inventory::split(&c.id) {
                add(self.naming(salter).target(plane, TargetKind::Credential, id, identity.native.shown()), Some(c.kind));
            }
        }
        credentials
    }

    /// What came from what: on its own plane, on others, and as the inventory saw it.
    fn derivations(
        &self,
        identity: &Target,
        enumeration: Option<&Enumeration>,
        reach: &Reach,
        inventory: &Inventory,
        salter: &Salter,
    ) -> Vec<Derivation> {
        let naming = self.naming(salter);
        let own = identity.native.shown();
        let mut derivations: Vec<Derivation> = Vec::new();
        let mut add = |one: Derivation| {
            if one.to.id != identity.id && !derivations.iter().any(|d: &Derivation| d.to.id == one.to.id) {
                derivations.push(one);
            }
        };
        let found = || enumeration.into_iter().flat_map(|e| &e.found);
        let here = |native: &str| found().find(|f| f.native == native).map(|f| self.target_of(&identity.plane, f, salter));

        for child in found().filter(|f| !f.is_ours()) {
            if let Some(from) = child.minted_from.as_deref().or(child.opened_with.as_deref()) {
                add(Derivation { from: here(from), to: self.target_of(&identity.plane, child, salter), via: "minted".to_owned() });
            }
        }
        for led in enumeration.into_iter().flat_map(|e| &e.elsewhere) {
            let to = naming.target(&led.plane, led.kind, &led.native, &led.native);
            add(Derivation { from: here(&led.from), to, via: led.via.clone() });
        }
        // Secrets that it read, and whose they are.
        for read in found().filter_map(|f| f.facts.get("secret")) {
            for (plane, native) in self.kept_in(&identity.plane, read, inventory) {
                let to = naming.target(&plane, TargetKind::Identity, &native, &native);
                add(Derivation { from: None, to, via: Derivation::READS.to_owned() });
            }
        }
        // The store that keeps its own secret for the consumers.
        if let Some((plane, native)) = self.keeper_of(&identity.reference(), inventory) {
            let to = naming.target(&plane, TargetKind::Identity, &native, &native);
            add(Derivation { from: None, to, via: Derivation::KEEPS.to_owned() });
        }
        for reached in reach.observed.iter().filter(|r| !matches!(r.via.as_str(), "holds" | "authenticates_as")) {
            let Some((plane, native)) = owner_of(&reached.id, inventory) else { continue };
            let from = reached.path.iter().rev().skip(1).find_map(|id| {
                let credential = inventory.credential(id).filter(|c| c.identity == identity.reference())?;
                let (plane, native) = inventory::split(&credential.id)?;
                Some(naming.target(plane, TargetKind::Credential, native, own))
            });
            let to = naming.target(&plane, TargetKind::Identity, &native, &native);
            add(Derivation { from, to, via: reached.via.clone() });
        }
        derivations
    }

    /// The identities, as plane and native id, whose secret this store keeps.
    fn kept_in(&self, plane: &str, store: &str, inventory: &Inventory) -> Vec<(String, String)> {
        let kept =
            |sink: &str| self.ports.connectors.sink(sink).and_then(|s| s.keeps()).is_some_and(|(p, native)| p == plane && native == store);
        let identities = inventory.identities();
        let whose = identities.filter(|i| i.rotation.as_ref().and_then(|r| r.sink.as_deref()).is_some_and(kept));
        whose.filter_map(|i| inventory::split(&i.id)).map(|(p, n)| (p.to_owned(), n.to_owned())).collect()
    }

    /// Where the consumers of an identity that fails over read its secret, if that
    /// place keeps old versions on a plane of ours.
    fn keeper_of(&self, reference: &str, inventory: &Inventory) -> Option<(String, String)> {
        let rotation = inventory.identity(reference)?.rotation.as_ref().filter(|r| r.method == RotationMethod::Failover)?;
        let (plane, native) = self.ports.connectors.sink(rotation.sink.as_deref()?)?.keeps()?;
        self.ports.connectors.get(&plane)?;
        Some((plane, native))
    }

    /// The accounts of the people among these.
    async fn people_of<'a>(&self, ids: impl IntoIterator<Item = &'a str>, inventory: &Inventory) -> Result<Vec<PersonId>, Failure> {
        let mut people = Vec::new();
        for human in ids.into_iter().filter_map(|id| inventory.identity(id)).filter(|i| i.kind == IdentityKind::Human) {
            let native = inventory::split(&human.id).map(|(_, native)| native);
            for name in native.into_iter().chain(human.aliases.iter().chain(&human.name).map(String::as_str)) {
                let person = self.person_by_email(name).await?;
                people.extend(person.filter(|p| !people.contains(p)));
            }
        }
        Ok(people)
    }

    async fn owners_of(&self, reference: &str, inventory: &Inventory, salter: &Salter) -> Result<Vec<OwnerEntry>, Failure> {
        let mut owners = Vec::new();
        for owner in inventory.owners(reference) {
            owners.push(OwnerEntry {
                role: owner.role,
                person: self.account(owner.person.as_deref()).await?,
                name: owner.person.as_ref().or(owner.team.as_ref()).map(|n| salter.commit(n.clone())),
                deputy: self.account(owner.deputy.as_deref()).await?,
                deputy_name: owner.deputy.as_ref().map(|n| salter.commit(n.clone())),
                confirmed_at: owner.confirmed_at.clone(),
            });
        }
        Ok(owners)
    }

    /// Who answers for it, and why. Whom it was routed to before keeps their deadline.
    async fn route(
        &self,
        reference: &str,
        inventory: &Inventory,
        before: Option<&CaseEnriched>,
        salter: &Salter,
    ) -> Result<(String, Route), Failure> {
        let people = self.people().await?;
        let left: BTreeSet<String> =
            people.iter().filter(|p| p.disabled).filter_map(|p| Some(p.email.as_ref()?.value()?.to_lowercase())).collect();
        let now = self.ports.clock.now();
        let found = route::accountable(inventory, reference, now, &|who| left.contains(&who.to_lowercase()));
        let person = self.account(found.person).await?;
        let named = |text: Option<&str>| text.map(|text| salter.commit(text));
        let name = found.person.or(found.team);
        let kept = before.and_then(|b| b.route.as_ref());
        let kept = kept.filter(|r| r.rule == found.rule && r.name.as_ref().and_then(|n| n.value()) == name);
        let route = Route {
            rule: found.rule,
            person,
            name: named(name),
            deputy: named(found.deputy),
            record: named(found.record.as_deref()),
            confirmed_at: found.confirmed_at.map(str::to_owned),
            ownership: found.ownership,
            proposed: found.proposed.iter().map(|tag| salter.commit(tag.clone())).collect(),
            deadline: kept.map_or_else(|| after(now, self.settings.limits.ask_seconds), |r| r.deadline),
        };
        Ok((found.why(), route))
    }

    async fn account(&self, email: Option<&str>) -> Result<Option<PersonId>, Failure> {
        match email {
            Some(email) => self.person_by_email(email).await,
            None => Ok(None),
        }
    }
}

/// The identity that a reached id is, or belongs to.
fn owner_of(id: &str, inventory: &Inventory) -> Option<(String, String)> {
    let reference = match (inventory.identity(id), inventory.credential(id)) {
        (Some(identity), _) => &identity.id,
        (None, Some(credential)) => &credential.identity,
        (None, None) => return None,
    };
    inventory::split(reference).map(|(plane, native)| (plane.to_owned(), native.to_owned()))
}
