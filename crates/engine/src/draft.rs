//! Drafting: from what was found to plans, with whom they can start.

use quell_core::{
    by_hand,
    case::Case,
    course::PlanState,
    decision::{Principal, Role, WhomToAsk},
    draft::{self, Part},
    event::{By, PlanDrafted, Preview},
    id::{PlanId, TargetId},
    personal::Salter,
    plan::{Parent, Pin, PlanKind},
    respond,
    signal::IdentityKind,
    target::{Enumeration, Target, TargetKind},
};

use crate::{Engine, Failure, ground::Ground, record::Writing};

impl Engine {
    /// Drafts a containment of `roots` and of what came from them into `writing`. Those
    /// that no connector serves are people's: a plan of its own, for which nothing waits.
    #[expect(clippy::too_many_arguments, reason = "what a draft rests on are independent things")]
    pub(crate) fn draft_into(
        &self,
        writing: &mut Writing,
        ground: &Ground,
        roots: &[TargetId],
        kind: PlanKind,
        parent: Option<&PlanId>,
        by: &By,
        owner: Role,
    ) -> Result<(), Failure> {
        let is_served = |id: &&TargetId| {
            let plane = ground.case.subjects.get(*id).map(|s| s.identity.plane.as_str());
            plane.is_none_or(|plane| self.ports.connectors.get(plane).is_some())
        };
        let (ours, by_hand): (Vec<TargetId>, Vec<TargetId>) = roots.iter().cloned().partition(|id| is_served(&id));
        if !by_hand.is_empty() {
            let parent = parent.and_then(|p| ground.plans.get(p)).map(|p| Parent { plan: p.plan.id.clone(), digest: p.digest.clone() });
            let plan = by_hand::plan(&self.by_hand(ground, &by_hand, kind, parent, owner));
            self.link_plan(writing, ground, plan, by);
        }
        if ours.is_empty() && !by_hand.is_empty() { Ok(()) } else { self.draft_ours_into(writing, ground, &ours, kind, parent, by) }
    }

    /// What people do by hand about these subjects is drafted from.
    fn by_hand<'a>(
        &'a self,
        ground: &'a Ground,
        ids: &[TargetId],
        kind: PlanKind,
        parent: Option<Parent>,
        owner: Role,
    ) -> by_hand::Ground<'a> {
        let inventory = self.inventory();
        let said = |id: &TargetId| {
            let resolved = ground.case.findings.iter().filter_map(|f| f.resolved.as_ref());
            resolved.filter(|r| r.identity.id == *id).find_map(|r| r.said.as_ref()).map_or(IdentityKind::Unknown, |s| s.kind)
        };
        let subjects = ids.iter().filter_map(|id| ground.case.subjects.get(id));
        by_hand::Ground {
            id: PlanId::from_chance(self.ports.chance.id()),
            case: ground.case.id.clone(),
            parent,
            kind,
            tier: draft::tier_for(ground.case.corroboration()),
            subjects: subjects
                .map(|found| by_hand::Subject {
                    found,
                    kind: if found.facts.kind == IdentityKind::Unknown { said(&found.identity.id) } else { found.facts.kind },
                    system_kind: inventory.system(&found.identity.plane).map(|s| s.kind.clone()),
                })
                .collect(),
            planes: &ground.planes,
            owner,
            valid_seconds: self.settings.limits.plan_seconds,
        }
    }

    /// Whose the steps by hand are, as things stand.
    pub(crate) async fn addressee(&self) -> Result<Role, Failure> {
        let people = self.people().await?;
        Ok(by_hand::addressee(|role| people.iter().any(|p| p.human && !p.disabled && p.roles.contains(&role))))
    }

    /// What policy lets run at once does not wait for what people are asked about: then
    /// there are two plans.
    fn draft_ours_into(
        &self,
        writing: &mut Writing,
        ground: &Ground,
        roots: &[TargetId],
        kind: PlanKind,
        parent: Option<&PlanId>,
        by: &By,
    ) -> Result<(), Failure> {
        let situation = ground.situation();
        let fresh = kind == PlanKind::Contain && *by != By::Automation;
        let has_plan = |id: &TargetId| !fresh && respond::is_treated(&situation, id);
        let parts =
            draft::parts(&ground.case, roots, |s| has_plan(&s.identity.id) || self.ports.connectors.get(&s.identity.plane).is_none());
        if parts.is_empty() {
            return Err(Failure::Refused(format!("nothing of case `{}` was looked at yet, so there is nothing to plan", ground.case.id)));
        }
        let mut free = Vec::new();
        if kind == PlanKind::Contain && *by == By::Automation && parts.len() > 1 {
            for part in &parts {
                free.push(self.is_free(ground, part)?);
            }
        }
        let mut free = free.into_iter();
        let groups = draft::apart(parts, |_| free.next().unwrap_or(false));
        let salter = Salter::new(self.ports.chance.seed());
        let mut first = None;
        for group in groups {
            let subjects: Vec<_> = group.into_iter().flat_map(|p| p.subjects).collect();
            let plan = draft::contain(&self.drafting(ground, &subjects, kind, parent, &salter)?);
            let (id, _) = self.link_plan(writing, ground, plan, by);
            first.get_or_insert(id);
        }
        let told = |what: &String| ground.case.tasks.iter().any(|t| t.added.what == *what);
        for what in draft::reached_and_protected(&ground.case, roots).into_iter().filter(|what| !told(what)) {
            if let Some(plan) = &first {
                self.task_for(writing, ground, plan, None, Role::ResponseOwner, what);
            }
        }
        Ok(())
    }

    /// Policy lets automation run a containment of this part, once its planes are armed.
    fn is_free(&self, ground: &Ground, part: &Part) -> Result<bool, Failure> {
        let situation = ground.situation();
        let now = self.ports.clock.now();
        let salter = Salter::new(self.ports.chance.seed());
        let plan = draft::contain(&self.drafting(ground, &part.subjects, PlanKind::Contain, None, &salter)?);
        let digest = plan.digest();
        let state = PlanState::drafted(&PlanDrafted { plan, digest, preview: Preview::default() }, &By::Automation, now);
        let asks_nobody = |step| {
            let Some(mut question) = respond::question(&situation, &state, step, Principal::Automation, now) else { return false };
            (question.circumstances.armed, question.circumstances.paused) = (true, false);
            matches!(self.ports.policy.whom_to_ask(&question), WhomToAsk::Nobody)
        };
        Ok(state.plan.gaps.is_empty() && state.plan.steps.iter().all(asks_nobody))
    }

    /// What a plan about these subjects, each with how it was reached, is drafted from.
    pub(crate) fn drafting<'a>(
        &'a self,
        ground: &'a Ground,
        subjects: &[(TargetId, Option<String>)],
        kind: PlanKind,
        parent: Option<&PlanId>,
        salter: &'a Salter,
    ) -> Result<draft::Ground<'a>, Failure> {
        let subjects =
            subjects.iter().map(|(id, via)| self.drafted_subject(ground, id, via.clone(), kind)).collect::<Result<Vec<_>, _>>()?;
        Ok(draft::Ground {
            id: PlanId::from_chance(self.ports.chance.id()),
            case: ground.case.id.clone(),
            parent: parent.and_then(|p| ground.plans.get(p)).map(|p| Parent { plan: p.plan.id.clone(), digest: p.digest.clone() }),
            kind,
            tier: draft::tier_for(ground.case.corroboration()),
            subjects,
            naming: self.naming(salter),
            valid_seconds: self.settings.limits.plan_seconds,
        })
    }

    fn drafted_subject<'a>(
        &'a self,
        ground: &'a Ground,
        id: &TargetId,
        via: Option<String>,
        kind: PlanKind,
    ) -> Result<draft::Subject<'a>, Failure> {
        let unknown = || Failure::Unknown(format!("subject `{id}` in case `{}`", ground.case.id));
        let found = ground.case.subjects.get(id).ok_or_else(unknown)?;
        let plane = &found.identity.plane;
        let missing = || Failure::Refused(format!("`{plane}` has no connector; add it to quell.toml"));
        let connector = self.ports.connectors.get(plane).ok_or_else(missing)?;
        Ok(draft::Subject {
            found,
            pin: pin_of(&**connector),
            manifest: connector.manifest(),
            possession: via.is_none() && ground.case.corroboration_about(id).possession,
            via,
            first: kind == PlanKind::Contain || !respond::is_treated(&ground.situation(), id),
        })
    }

    /// Identities on other planes that an enumeration now names and nobody knew.
    pub(crate) fn led_on(&self, ground: &Ground, enumeration: &Enumeration, known: &[Target], salter: &Salter) -> Vec<Target> {
        let identities = enumeration.elsewhere.iter().filter(|e| e.kind == TargetKind::Identity);
        let targets = identities
            .filter(|e| self.ports.connectors.get(&e.plane).is_some_and(|c| c.protected(&e.native).is_none()))
            .map(|e| self.naming(salter).target(&e.plane, TargetKind::Identity, &e.native, &e.native));
        targets.filter(|t| !is_known(&ground.case, t) && !known.iter().any(|k| k.id == t.id)).collect()
    }
}

fn is_known(case: &Case, target: &Target) -> bool {
    case.subjects.contains_key(&target.id) || case.subjects.values().any(|s| s.derivations.iter().any(|d| d.to.id == target.id))
}

/// The connector instance that a step is pinned to.
fn pin_of(connector: &dyn crate::port::Connector) -> Pin {
    Pin {
        connector: connector.name().to_owned(),
        endpoint: connector.endpoint().to_owned(),
        config_digest: connector.config_digest().to_owned(),
        settle_ms: connector.manifest().settle_ms,
    }
}
