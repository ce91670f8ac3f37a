//! A question in Cedar's words: one request and the few entities it speaks of.
//!
//! The slice is built anew for each question and dropped with the answer. What
//! is unknown becomes the value that grants least (invariant 15): whoever
//! writes `resource.shared` or `resource.criticality >= 3` in a guard has
//! thereby guarded the unknown, too.

use std::collections::BTreeMap;

use cedar_policy::{Context, Entities, Entity, EntityId, EntityTypeName, EntityUid, Request, RestrictedExpression as Value, Schema};
use quell_core::{
    action::{Action, Reversible},
    decision::{Approvals, AttemptQuestion, Circumstances, Criticality, IdentityFacts, Principal, Role, VerbQuestion},
    plan::Tier,
    signal::IdentityKind,
};

use crate::load::{Problem, Refused};

/// Greater than any count that can be known (those are `u32`).
const UNKNOWN_COUNT: i64 = 1 << 32;

/// A question in Cedar's words.
pub(crate) struct Asked {
    /// The action's name, by which the policies that may apply are found.
    pub(crate) action: &'static str,
    pub(crate) request: Request,
    pub(crate) entities: Entities,
}

/// Names and action entities that every question needs, built once.
#[derive(Clone)]
pub(crate) struct Vocabulary {
    actions: BTreeMap<String, Entity>,
    roles: BTreeMap<Role, EntityUid>,
    automation: EntityUid,
    installation: EntityUid,
    person: EntityTypeName,
    agent: EntityTypeName,
    identity: EntityTypeName,
    kind: EntityTypeName,
    tier: EntityTypeName,
    reversible: EntityTypeName,
}

impl Vocabulary {
    /// Takes the action groups from the schema.
    pub(crate) fn of(schema: &Schema) -> Result<Self, Refused> {
        let broken = |what: String| Refused::from(Problem::in_file(crate::schema::SCHEMA_FILE, 0, what));
        let actions = schema.action_entities().map_err(|e| broken(e.to_string()))?;
        let actions = actions.iter().map(|entity| (entity.uid().id().unescaped().to_string(), entity.clone())).collect();
        let role = type_name("Role");
        Ok(Self {
            actions,
            roles: Role::ALL.into_iter().map(|r| (r, uid(&role, r.name()))).collect(),
            automation: uid(&type_name("Automation"), "quell"),
            installation: uid(&type_name("Installation"), "quell"),
            person: type_name("Person"),
            agent: type_name("Agent"),
            identity: type_name("Identity"),
            kind: type_name("Kind"),
            tier: type_name("Tier"),
            reversible: type_name("Reversible"),
        })
    }

    /// Every action and group of actions, by name.
    pub(crate) fn actions(&self) -> &BTreeMap<String, Entity> {
        &self.actions
    }

    /// The request and slice of an attempt, or why there is none.
    pub(crate) fn attempt(&self, question: &AttemptQuestion) -> Result<Asked, String> {
        let action = question.action.name();
        // They act on a case, so they are asked as verbs.
        if matches!(question.action, Action::Accept | Action::Undo | Action::Close) {
            return Err(format!("`{action}` is a verb and never an attempt on an identity"));
        }
        let resource = uid(&self.identity, &question.identity.id);
        let identity = Entity::new_with_tags(resource.clone(), self.identity(&question.identity), [], []).map_err(|e| e.to_string())?;
        let context = self.circumstances(&question.circumstances)?;
        self.asked(&question.principal, action, resource, Some(identity), context)
    }

    /// The request and slice of a verb, or why there is none.
    pub(crate) fn verb(&self, question: &VerbQuestion) -> Result<Asked, String> {
        let context = Context::from_pairs([
            pair("signed_in", truth(question.signed_in)),
            pair("entangled", truth(question.entangled)),
            pair("contested", truth(question.contested)),
            pair("scopes", Value::new_set(question.scopes.iter().map(|s| text(s)))),
            pair("gives_roles", Value::new_set(question.gives_roles.iter().map(|r| Value::new_entity_uid(self.roles[r].clone())))),
        ])
        .map_err(|e| e.to_string())?;
        self.asked(&question.principal, question.verb.name(), self.installation.clone(), None, context)
    }

    fn asked(
        &self,
        principal: &Principal,
        action: &'static str,
        resource: EntityUid,
        identity: Option<Entity>,
        context: Context,
    ) -> Result<Asked, String> {
        let entity = self.actions.get(action).ok_or_else(|| format!("the schema has no action `{action}`"))?;
        let principal = self.principal(principal);
        let request = Request::new(principal.uid(), entity.uid(), resource, context, None).map_err(|e| e.to_string())?;
        let entities = [Some(principal), Some(entity.clone()), identity].into_iter().flatten();
        let entities = Entities::from_entities(entities, None).map_err(|e| e.to_string())?;
        Ok(Asked { action, request, entities })
    }

    fn principal(&self, principal: &Principal) -> Entity {
        let (kind, id, roles) = match principal {
            Principal::Automation => return Entity::with_uid(self.automation.clone()),
            Principal::Person { id, roles } => (&self.person, id, roles),
            Principal::Agent { id, roles } => (&self.agent, id, roles),
        };
        Entity::new_no_attrs(uid(kind, id.as_str()), roles.iter().map(|r| self.roles[r].clone()).collect())
    }

    fn identity(&self, facts: &IdentityFacts) -> [(String, Value); 15] {
        let environment = facts.environment.as_deref();
        let criticality = facts.criticality.unwrap_or(Criticality::Critical);
        [
            pair("plane", text(&facts.plane)),
            pair("kind", self.word(&self.kind, kind_name(facts.kind))),
            pair("human", truth(matches!(facts.kind, IdentityKind::Human | IdentityKind::Unknown))),
            pair("environment", text(environment.unwrap_or("unknown"))),
            pair("production", truth(environment.is_none_or(is_production))),
            pair("known_environment", truth(environment.is_some())),
            pair("criticality", number(criticality_number(criticality))),
            pair("critical", truth(criticality == Criticality::Critical)),
            pair("known_criticality", truth(facts.criticality.is_some())),
            pair("shared", truth(facts.shared.unwrap_or(true))),
            pair("known_shared", truth(facts.shared.is_some())),
            pair("third_party", truth(facts.third_party.unwrap_or(true))),
            pair("known_third_party", truth(facts.third_party.is_some())),
            pair("protected", truth(facts.protected.is_some())),
            pair("has_business_owner", truth(facts.has_business_owner)),
        ]
    }

    fn circumstances(&self, c: &Circumstances) -> Result<Context, String> {
        Context::from_pairs([
            pair("tier", self.word(&self.tier, tier_name(c.tier))),
            pair("confidence", number(i64::from(c.confidence))),
            pair("corroborated", truth(c.corroborated)),
            pair("possession", truth(c.possession)),
            pair("secret_exposed", truth(c.secret_exposed)),
            pair("not_malicious", truth(c.not_malicious)),
            pair("approvals", approvals(&c.approvals)?),
            pair("break_glass", truth(c.break_glass)),
            pair("failover", truth(c.failover)),
            pair("reversible", self.word(&self.reversible, reversible_name(c.reversible))),
            pair("reach", number(c.reach.map_or(UNKNOWN_COUNT, i64::from))),
            pair("known_reach", truth(c.reach.is_some())),
            pair("dependents", number(c.dependents.map_or(UNKNOWN_COUNT, i64::from))),
            pair("known_dependents", truth(c.dependents.is_some())),
            pair("sample", truth(c.sample)),
            pair("paused", truth(c.paused)),
            pair("armed", truth(c.armed)),
            pair("hour_utc", number(i64::from(c.hour_utc))),
        ])
        .map_err(|e| e.to_string())
    }

    fn word(&self, kind: &EntityTypeName, name: &str) -> Value {
        Value::new_entity_uid(uid(kind, name))
    }
}

/// The counts of every approver role; roles whose yes is never counted are left out.
fn approvals(counts: &Approvals) -> Result<Value, String> {
    Value::new_record(Role::APPROVERS.into_iter().map(|r| pair(r.name(), number(i64::from(counts.get(&r).copied().unwrap_or(0))))))
        .map_err(|e| e.to_string())
}

/// Anything that is not clearly something else counts as production: an
/// environment is free text, and `prod-eu` must not slip through a guard.
fn is_production(environment: &str) -> bool {
    !matches!(
        environment.to_ascii_lowercase().as_str(),
        "development" | "dev" | "test" | "testing" | "staging" | "stage" | "sandbox" | "qa" | "demo" | "lab"
    )
}

fn type_name(name: &'static str) -> EntityTypeName {
    name.parse().expect("the names of this file are Cedar identifiers")
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}

fn pair(name: &str, value: Value) -> (String, Value) {
    (name.to_string(), value)
}

fn truth(value: bool) -> Value {
    Value::new_bool(value)
}

fn number(value: i64) -> Value {
    Value::new_long(value)
}

fn text(value: &str) -> Value {
    Value::new_string(value.to_string())
}

fn kind_name(kind: IdentityKind) -> &'static str {
    match kind {
        IdentityKind::Human => "human",
        IdentityKind::ServiceAccount => "service_account",
        IdentityKind::Workload => "workload",
        IdentityKind::Device => "device",
        IdentityKind::Agent => "agent",
        IdentityKind::Unknown => "unknown",
    }
}

fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Observe => "observe",
        Tier::StepUp => "step_up",
        Tier::Restrict => "restrict",
        Tier::Contain => "contain",
    }
}

fn reversible_name(reversible: Reversible) -> &'static str {
    match reversible {
        Reversible::No => "no",
        Reversible::Approximate => "approximate",
        Reversible::Exact => "exact",
    }
}

fn criticality_number(criticality: Criticality) -> i64 {
    match criticality {
        Criticality::Low => 0,
        Criticality::Normal => 1,
        Criticality::High => 2,
        Criticality::Critical => 3,
    }
}
