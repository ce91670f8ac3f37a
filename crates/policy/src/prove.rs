//! What a set can never allow, shown over every situation there is.
//!
//! A policy sees finitely many things: truths, a few words, and numbers that it
//! compares with literals. So the situations that could differ for an action are
//! those of the facts that its policies mention, each number just below, at and just
//! above every literal that it is compared with, and unknown where a fact can be. Cedar is asked
//! about each policy alone, in every situation of the few facts that this policy
//! mentions; from these tables a search finds a situation in which one permits and
//! none forbids, and the whole set is asked about it before it is told. That more
//! approvals never take a permission away is a rule of form ([`crate::lint`]), so
//! where approvals may stand, all of them do. Who acts is automation, an API client, or
//! a person with every role but the auditor's.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Effect, Entities, PolicyId, PolicySet};
use quell_core::{
    action::{Action, CATALOGUE, Reversible},
    decision::{Approvals, AttemptQuestion, Criticality, Principal, Role, Verb, VerbQuestion},
    id::PersonId,
    plan::Tier,
    signal::IdentityKind,
};
use quell_engine::port::Policy as _;
use serde::Serialize;
use serde_json::Value;

use crate::{CedarPolicy, example, example_verb};

/// Situations in which one policy is asked, at most: one that mentions more is not searched.
const SITUATIONS_MAX: usize = 200_000;

/// Whether a set keeps what an installation relies on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proof {
    /// Every claim holds, and every one was searched to its end.
    pub ok: bool,
    pub digest: String,
    pub claims: Vec<Proved>,
    /// What holds whatever the files say, and by what.
    pub beside: Vec<(&'static str, &'static str)>,
}

/// One claim and what the search found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Proved {
    pub id: &'static str,
    pub says: &'static str,
    pub holds: bool,
    /// Situations that it is about, and that were all searched where it holds.
    pub situations: u64,
    /// The situation that contradicts it, as `quell policy explain` reads it.
    pub counterexample: Option<Value>,
    /// The rules that allow it there.
    pub by: Vec<String>,
    /// Why it was not searched to its end.
    pub because: Option<String>,
}

/// What must never be allowed: the facts that make the claim, and who asks.
struct Claim {
    id: &'static str,
    says: &'static str,
    group: &'static str,
    principals: Vec<Principal>,
    /// The facts that the claim is about, with the values that it is about.
    about: Vec<Axis>,
    approved: bool,
}

/// One fact and its values: how each is put into a question.
struct Axis {
    /// The names that policies know it by.
    names: &'static [&'static str],
    values: Vec<Put>,
}

type Put = Box<dyn Fn(&mut AttemptQuestion)>;

fn put(f: impl Fn(&mut AttemptQuestion) + 'static) -> Put {
    Box::new(f)
}

impl CedarPolicy {
    /// Searches every situation for one that contradicts what an installation relies on.
    pub fn prove(&self) -> Proof {
        let mut claims: Vec<Proved> = attempts().iter().map(|claim| self.searched(claim)).collect();
        claims.extend(self.verbs_searched());
        Proof {
            ok: claims.iter().all(|claim| claim.holds),
            digest: self.digest_text().to_owned(),
            claims,
            beside: vec![
                ("whoever asked for a plan does not approve it", "the core takes them out before policy sees the counts"),
                ("an approval never takes a permission away", "a set in which it could is refused when it is read"),
            ],
        }
    }

    fn searched(&self, claim: &Claim) -> Proved {
        let mut proved =
            Proved { id: claim.id, says: claim.says, holds: true, situations: 0, counterexample: None, by: Vec::new(), because: None };
        for action in self.actions_in(claim.group) {
            let free = self.free(action, &claim.about);
            let axes: Vec<&Axis> = claim.about.iter().chain(&free).collect();
            let size = axes.iter().fold(1_u64, |size, axis| size.saturating_mul(axis.values.len() as u64));
            for principal in &claim.principals {
                let mut question = AttemptQuestion { principal: principal.clone(), action, ..example() };
                // What the claim is about is so for every policy, also for one that looks at a part of it.
                claim.about.iter().for_each(|axis| (axis.values[0])(&mut question));
                question.circumstances.approvals =
                    if claim.approved { Role::APPROVERS.map(|role| (role, self.approvals_max())).into() } else { Approvals::new() };
                proved.situations = proved.situations.saturating_add(size);
                match self.tables(&question, &axes) {
                    Err(because) => {
                        proved.holds = false;
                        proved.because = Some(because);
                        return proved;
                    }
                    Ok(tables) => {
                        let Some(chosen) = allowed_somewhere(&tables, axes.len()) else { continue };
                        let found = situation(&question, &axes, &chosen);
                        let decision = self.decide(&found);
                        proved.holds = false;
                        if decision.allowed {
                            proved.by = decision.deciding;
                            proved.counterexample = serde_json::to_value(&found).ok();
                        } else {
                            proved.because =
                                Some(String::from("the policies one by one and the whole set disagree; this is a fault of Quell"));
                        }
                        return proved;
                    }
                }
            }
        }
        proved
    }

    /// What each policy of the question's action says, in every situation of its facts.
    fn tables(&self, question: &AttemptQuestion, axes: &[&Axis]) -> Result<Vec<Table>, String> {
        let anybody = "permit (principal, action, resource);";
        let alone = |policy: &cedar_policy::Policy| -> Result<PolicySet, String> {
            let mut set = PolicySet::from_policies([policy.clone()]).map_err(|e| e.to_string())?;
            if policy.effect() == Effect::Forbid {
                set.add(cedar_policy::Policy::parse(Some(PolicyId::new("anybody")), anybody).map_err(|e| e.to_string())?)
                    .map_err(|e| e.to_string())?;
            }
            Ok(set)
        };
        let mut tables = Vec::new();
        for policy in self.applicable(question.action.name()).policies() {
            let mut mentioned = Mentioned::default();
            mentioned.read(&policy.to_json().map_err(|e| e.to_string())?);
            if mentioned.has_pattern {
                return Err(format!("`{}` compares text with a pattern; name the words instead", policy.id()));
            }
            let own = |axis: &Axis| axis.names.iter().any(|name| mentioned.facts.contains(*name));
            let of: Vec<usize> = axes.iter().enumerate().filter(|(_, axis)| own(axis)).map(|(at, _)| at).collect();
            let sizes: Vec<usize> = of.iter().map(|at| axes[*at].values.len()).collect();
            let size = sizes.iter().fold(1_usize, |size, one| size.saturating_mul(*one));
            if size > SITUATIONS_MAX {
                return Err(format!("`{}` alone tells {size} situations apart; more than {SITUATIONS_MAX} are not searched", policy.id()));
            }
            let (set, forbids) = (alone(policy)?, policy.effect() == Effect::Forbid);
            let mut applies = Vec::with_capacity(size);
            for row in 0..size {
                let mut asked = question.clone();
                digits(row, &sizes).zip(&of).for_each(|(value, at)| (axes[*at].values[value])(&mut asked));
                applies.push(self.allows_by(&set, &asked)? != forbids);
            }
            // What never applies tells nothing.
            if applies.contains(&true) {
                tables.push(Table { forbids, of, sizes, applies });
            }
        }
        Ok(tables)
    }

    /// The facts that the policies of `action` mention and the claim leaves open.
    fn free(&self, action: Action, about: &[Axis]) -> Vec<Axis> {
        let mut mentioned = Mentioned::default();
        for policy in self.applicable(action.name()).policies() {
            mentioned.read(&policy.to_json().unwrap_or(Value::Null));
        }
        let named = |axis: &Axis| axis.names.iter().any(|name| mentioned.facts.contains(*name));
        let mut free = axes(&mentioned);
        free.retain(|axis| named(axis) && !about.iter().any(|fixed| fixed.names == axis.names));
        free
    }

    /// The names of a group and of all that is in it, as the schema says.
    fn members(&self, group: &str) -> BTreeSet<&str> {
        let actions = self.vocabulary().actions();
        let (Some(whole), Ok(groups)) = (actions.get(group), Entities::from_entities(actions.values().cloned(), None)) else {
            return BTreeSet::new();
        };
        let is_in = |one: &cedar_policy::Entity| one.uid() == whole.uid() || groups.is_ancestor_of(&whole.uid(), &one.uid());
        actions.iter().filter(|(_, one)| is_in(one)).map(|(name, _)| name.as_str()).collect()
    }

    fn actions_in(&self, group: &str) -> Vec<Action> {
        let members = self.members(group);
        CATALOGUE.iter().map(|entry| entry.action).filter(|action| members.contains(action.name())).collect()
    }

    /// The claims about verbs: the facts of a sitting are few enough to ask the whole set
    /// about all of them.
    fn verbs_searched(&self) -> Vec<Proved> {
        let (judging, looking) = (self.members("judge"), self.members("look"));
        let entangled = |verb: Verb, roles: &[Role], entangled: bool| judging.contains(verb.name()) && entangled && !roles.is_empty();
        let audits = |verb: Verb, roles: &[Role], _: bool| !looking.contains(verb.name()) && roles.contains(&Role::Auditor);
        type Of<'a> = &'a dyn Fn(Verb, &[Role], bool) -> bool;
        let claims: [(&'static str, &'static str, Of<'_>); 2] = [
            (
                "entangled.never-judges",
                "who is part of a case, or joined to it, does not approve, judge, lead, accept, undo or close in it, with up to three roles",
                &entangled,
            ),
            ("auditor.changes-nothing", "who audits reads and verifies, whatever two other roles they hold", &audits),
        ];
        claims
            .into_iter()
            .map(|(id, says, of)| {
                let mut proved = Proved { id, says, holds: true, situations: 0, counterexample: None, by: Vec::new(), because: None };
                let all = role_sets().into_iter().flat_map(|roles| {
                    Verb::ALL.into_iter().flat_map(move |verb| {
                        let roles = roles.clone();
                        (0..8_u8).map(move |bits| (verb, roles.clone(), bits & 1 == 1, bits & 2 == 2, bits & 4 == 4))
                    })
                });
                for (verb, roles, signed_in, is_entangled, contested) in all {
                    if !of(verb, &roles, is_entangled) {
                        continue;
                    }
                    proved.situations += 1;
                    let principal = Principal::Person { id: PersonId::new("person-1"), roles };
                    let question = VerbQuestion { principal, verb, signed_in, entangled: is_entangled, contested, ..example_verb() };
                    let decision = self.permits(&question);
                    if decision.allowed {
                        proved.holds = false;
                        proved.by = decision.deciding;
                        proved.counterexample = serde_json::to_value(&question).ok();
                        break;
                    }
                }
                proved
            })
            .collect()
    }
}

/// Up to three roles of one person, and all of them: a policy that needs four at once
/// has not been seen.
fn role_sets() -> Vec<Vec<Role>> {
    let chosen = (0..1_u32 << Role::ALL.len()).filter(|set| set.count_ones() <= 3 || set.count_ones() as usize == Role::ALL.len());
    chosen.map(|set| Role::ALL.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1).map(|(_, role)| *role).collect()).collect()
}

/// One policy: whether it applies in each situation of its facts.
struct Table {
    forbids: bool,
    /// Its facts, as positions of axes.
    of: Vec<usize>,
    sizes: Vec<usize>,
    /// One for each combination of their values, counted as [`digits`] reads it.
    applies: Vec<bool>,
}

impl Table {
    /// Whether it applies, where all its facts are chosen; else the first that is not.
    fn at(&self, chosen: &[Option<usize>]) -> Result<bool, usize> {
        let mut row = 0;
        for (at, size) in self.of.iter().zip(&self.sizes).rev() {
            row = row * size + chosen[*at].ok_or(*at)?;
        }
        Ok(self.applies[row])
    }

    fn size_of(&self, axis: usize) -> usize {
        self.of.iter().position(|at| *at == axis).map_or(1, |at| self.sizes[at])
    }
}

/// The digits of `row`, the first the least, where each place has its own size.
fn digits(row: usize, sizes: &[usize]) -> impl Iterator<Item = usize> {
    sizes.iter().scan(row, |rest, size| {
        let digit = *rest % size;
        *rest /= size;
        Some(digit)
    })
}

/// Values of the axes, as far as they matter, with which one policy permits and none forbids.
fn allowed_somewhere(tables: &[Table], axes: usize) -> Option<Vec<Option<usize>>> {
    let (forbids, permits): (Vec<&Table>, Vec<&Table>) = tables.iter().partition(|table| table.forbids);
    permits.into_iter().find_map(|permit| {
        let rows = permit.applies.iter().enumerate().filter(|(_, applies)| **applies);
        rows.into_iter().find_map(|(row, _)| {
            let mut chosen = vec![None; axes];
            digits(row, &permit.sizes).zip(&permit.of).for_each(|(value, at)| chosen[*at] = Some(value));
            not_forbidden(&forbids, chosen)
        })
    })
}

/// A choice of what is left open, with which no policy forbids.
fn not_forbidden(forbids: &[&Table], chosen: Vec<Option<usize>>) -> Option<Vec<Option<usize>>> {
    let mut open = None;
    for forbid in forbids {
        match forbid.at(&chosen) {
            Ok(true) => return None,
            Ok(false) => {}
            Err(axis) => open = open.or(Some((axis, forbid.size_of(axis)))),
        }
    }
    let Some((axis, size)) = open else { return Some(chosen) };
    (0..size).find_map(|value| {
        let mut chosen = chosen.clone();
        chosen[axis] = Some(value);
        not_forbidden(forbids, chosen)
    })
}

/// The question with the chosen values; what does not matter has its first.
fn situation(question: &AttemptQuestion, axes: &[&Axis], chosen: &[Option<usize>]) -> AttemptQuestion {
    let mut question = question.clone();
    axes.iter().zip(chosen).for_each(|(axis, value)| (axis.values[value.unwrap_or(0)])(&mut question));
    question
}

/// What may never be allowed of attempts, whoever wrote the set.
fn attempts() -> Vec<Claim> {
    let person =
        || Principal::Person { id: PersonId::new("person-1"), roles: Role::ALL.into_iter().filter(|r| *r != Role::Auditor).collect() };
    let agent = |roles: Vec<Role>| Principal::Agent { id: PersonId::new("agent-1"), roles };
    let truth = |name: &'static [&'static str], value: bool, set: fn(&mut AttemptQuestion, bool)| Axis {
        names: name,
        values: vec![put(move |q| set(q, value))],
    };
    let corroborated = || {
        let uncorroborated = put(|q| {
            q.circumstances.corroborated = false;
            q.circumstances.possession = false;
        });
        [
            Axis { names: &["context.corroborated"], values: vec![uncorroborated] },
            Axis { names: &["context.possession"], values: vec![put(|_| {})] },
        ]
    };
    let critical = Axis {
        names: CRITICAL,
        values: vec![put(|q| q.identity.criticality = Some(Criticality::Critical)), put(|q| q.identity.criticality = None)],
    };
    let protected = truth(&["resource.protected"], true, |q, _| q.identity.protected = Some(String::from("break-glass account")));
    vec![
        Claim {
            id: "automation.spares-critical",
            says: "automation alone never cuts a critical identity, or one of unknown criticality",
            group: "cut",
            principals: vec![Principal::Automation],
            about: vec![critical],
            approved: false,
        },
        Claim {
            id: "automation.spares-protected",
            says: "nothing is taken from or given to a protected identity without a person",
            group: "change",
            principals: vec![Principal::Automation],
            about: vec![protected],
            approved: false,
        },
        Claim {
            id: "one-sender.cuts-nothing",
            says: "on the word of one sender automation alone cuts nothing; it fences or asks",
            group: "cut",
            principals: vec![Principal::Automation],
            about: corroborated().into(),
            approved: false,
        },
        Claim {
            id: "agents.never-act",
            says: "an API client that is not a person never acts, whoever approved",
            group: "attempt",
            principals: vec![agent(Vec::new()), agent(Role::ALL.to_vec())],
            about: Vec::new(),
            approved: true,
        },
        Claim {
            id: "unarmed.stays-untouched",
            says: "nothing changes on a plane that is not armed, whoever approved",
            group: "change",
            principals: vec![Principal::Automation, person()],
            about: vec![truth(&["context.armed"], false, |q, value| q.circumstances.armed = value)],
            approved: true,
        },
        Claim {
            id: "exposed.never-restored",
            says: "a secret that was reported exposed never lives again, whoever approved",
            group: "restore",
            principals: vec![Principal::Automation, person()],
            about: vec![truth(&["context.secret_exposed"], true, |q, value| q.circumstances.secret_exposed = value)],
            approved: true,
        },
    ]
}

const CRITICAL: &[&str] = &["resource.critical", "resource.criticality", "resource.known_criticality"];

/// What the policies of one action look at.
#[derive(Default)]
struct Mentioned {
    /// `context.confidence`, `resource.shared`.
    facts: BTreeSet<String>,
    /// How often each fact stands anywhere, less how often it is compared with a literal.
    loose: BTreeMap<String, i64>,
    /// The literals that each fact is compared with, and all that there are.
    compared: BTreeMap<String, BTreeSet<i64>>,
    numbers: BTreeSet<i64>,
    words: BTreeSet<String>,
    /// A text is compared with a pattern: no list of words tells all that it could match.
    has_pattern: bool,
}

/// `context.reach` of Cedar's JSON form of an expression, where it is one.
fn fact(expression: &Value) -> Option<String> {
    let access = &expression["."];
    Some(format!("{}.{}", access["left"]["Var"].as_str()?, access["attr"].as_str()?))
}

impl Mentioned {
    /// Reads Cedar's JSON form of a policy (its documentation, "JSON policy format").
    fn read(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                for (operator, inner) in map {
                    self.has_pattern |= operator == "like";
                    let of = inner["left"]["Var"].as_str();
                    if matches!(operator.as_str(), "." | "has")
                        && let (Some(of), Some(attribute)) = (of, inner["attr"].as_str())
                    {
                        let fact = format!("{of}.{attribute}");
                        *self.loose.entry(fact.clone()).or_default() += 1;
                        self.facts.insert(fact);
                    }
                    let sides = [(&inner["left"], &inner["right"]), (&inner["right"], &inner["left"])];
                    for (one, other) in sides {
                        if matches!(operator.as_str(), "<" | "<=" | ">" | ">=" | "==" | "!=")
                            && let (Some(fact), Some(literal)) = (fact(one), other["Value"].as_i64())
                        {
                            *self.loose.entry(fact.clone()).or_default() -= 1;
                            self.compared.entry(fact).or_default().insert(literal);
                        }
                    }
                    self.read(inner);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.read(item)),
            Value::Number(number) => self.numbers.extend(number.as_i64()),
            Value::String(word) => {
                self.words.insert(word.clone());
            }
            Value::Bool(_) | Value::Null => {}
        }
    }

    /// Every place where the number of `fact` can fall: below, on and above the literals
    /// that it is compared with, or all of them where it is used in another way.
    fn places<N: TryFrom<i64> + Ord + Copy>(&self, fact: &str, most: i64) -> BTreeSet<N> {
        let direct = self.compared.get(fact).filter(|_| self.loose.get(fact) == Some(&0));
        let around = direct.unwrap_or(&self.numbers).iter().flat_map(|n| [n.saturating_sub(1), *n, n.saturating_add(1)]);
        around.chain([0, most]).filter(|n| (0..=most).contains(n)).filter_map(|n| N::try_from(n).ok()).collect()
    }
}

/// Every fact of a question, with every value that a policy could tell from another.
fn axes(mentioned: &Mentioned) -> Vec<Axis> {
    use IdentityKind::{Agent, Device, Human, ServiceAccount, Unknown, Workload};
    let truth = |names: &'static [&'static str], set: fn(&mut AttemptQuestion, bool)| Axis {
        names,
        values: [false, true].map(|value| put(move |q| set(q, value))).into(),
    };
    let known = |names: &'static [&'static str], set: fn(&mut AttemptQuestion, Option<bool>)| Axis {
        names,
        values: [Some(false), Some(true), None].map(|value| put(move |q| set(q, value))).into(),
    };
    let count = |names: &'static [&'static str], set: fn(&mut AttemptQuestion, Option<u32>)| {
        let places = mentioned.places::<u32>(names[0], i64::from(u32::MAX)).into_iter().map(Some).chain([None]);
        Axis { names, values: places.map(|value| put(move |q| set(q, value))).collect() }
    };
    let places = |names: &'static [&'static str], most: i64, set: fn(&mut AttemptQuestion, u8)| Axis {
        names,
        values: mentioned.places::<u8>(names[0], most).into_iter().map(|value| put(move |q| set(q, value))).collect(),
    };
    let kinds = [Human, ServiceAccount, Workload, Device, Agent, Unknown];
    let environments = mentioned.words.iter().cloned().chain(["production".to_owned(), "staging".to_owned()]).map(Some).chain([None]);
    let criticalities =
        [Criticality::Low, Criticality::Normal, Criticality::High, Criticality::Critical].map(Some).into_iter().chain([None]);
    // What tells only one truth of a fact needs one value for each.
    let only = |names: &[&str]| !names.iter().any(|name| mentioned.facts.contains(*name));
    let kinds: Vec<IdentityKind> = if only(&["resource.kind"]) { vec![Human, ServiceAccount] } else { kinds.to_vec() };
    let environments: Vec<Option<String>> = if only(&["resource.environment", "resource.known_environment"]) {
        vec![Some("production".to_owned()), Some("staging".to_owned())]
    } else {
        environments.collect()
    };
    let criticalities: Vec<Option<Criticality>> = if only(&["resource.criticality", "resource.known_criticality"]) {
        vec![Some(Criticality::Critical), Some(Criticality::Normal)]
    } else {
        criticalities.collect()
    };
    let planes = mentioned.words.iter().cloned().chain(["pg-main".to_owned()]);
    vec![
        Axis { names: &["resource.plane"], values: planes.map(|name| put(move |q| q.identity.plane.clone_from(&name))).collect() },
        Axis {
            names: &["resource.kind", "resource.human"],
            values: kinds.into_iter().map(|kind| put(move |q| q.identity.kind = kind)).collect(),
        },
        Axis {
            names: &["resource.environment", "resource.production", "resource.known_environment"],
            values: environments.into_iter().map(|name| put(move |q| q.identity.environment.clone_from(&name))).collect(),
        },
        Axis { names: CRITICAL, values: criticalities.into_iter().map(|value| put(move |q| q.identity.criticality = value)).collect() },
        known(&["resource.shared", "resource.known_shared"], |q, value| q.identity.shared = value),
        known(&["resource.third_party", "resource.known_third_party"], |q, value| q.identity.third_party = value),
        truth(&["resource.protected"], |q, value| q.identity.protected = value.then(|| String::from("break-glass account"))),
        truth(&["resource.has_business_owner"], |q, value| q.identity.has_business_owner = value),
        Axis {
            names: &["context.tier"],
            values: [Tier::Observe, Tier::StepUp, Tier::Restrict, Tier::Contain]
                .map(|tier| put(move |q| q.circumstances.tier = tier))
                .into(),
        },
        places(&["context.confidence"], 100, |q, value| q.circumstances.confidence = value),
        truth(&["context.corroborated"], |q, value| q.circumstances.corroborated = value),
        truth(&["context.possession"], |q, value| q.circumstances.possession = value),
        truth(&["context.secret_exposed"], |q, value| q.circumstances.secret_exposed = value),
        truth(&["context.not_malicious"], |q, value| q.circumstances.not_malicious = value),
        truth(&["context.break_glass"], |q, value| q.circumstances.break_glass = value),
        truth(&["context.failover"], |q, value| q.circumstances.failover = value),
        Axis {
            names: &["context.reversible"],
            values: [Reversible::No, Reversible::Approximate, Reversible::Exact]
                .map(|value| put(move |q| q.circumstances.reversible = value))
                .into(),
        },
        count(&["context.reach", "context.known_reach"], |q, value| q.circumstances.reach = value),
        count(&["context.dependents", "context.known_dependents"], |q, value| q.circumstances.dependents = value),
        truth(&["context.sample"], |q, value| q.circumstances.sample = value),
        truth(&["context.paused"], |q, value| q.circumstances.paused = value),
        truth(&["context.armed"], |q, value| q.circumstances.armed = value),
        places(&["context.hour_utc"], 23, |q, value| q.circumstances.hour_utc = value),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fact that no axis knows would be left at one value, and a search that passes
    /// it over would prove nothing: the schema names none that is missing here.
    #[test]
    fn every_fact_of_the_schema_is_an_axis() {
        let mentioned = Mentioned { words: BTreeSet::from(["other".to_owned()]), ..Mentioned::default() };
        let all: BTreeMap<&str, usize> =
            axes(&mentioned).iter().flat_map(|axis| axis.names.iter().map(|name| (*name, axis.values.len()))).collect();
        let record = |of: &str, from: &str| -> Vec<String> {
            let (_, body) = crate::SCHEMA.split_once(from).expect("the schema has it");
            let (body, _) = body.split_once('}').expect("it ends");
            let fields =
                body.lines().filter_map(|line| line.trim().split_once(':')).map(|(name, _)| name.trim().trim_end_matches('?').to_owned());
            fields.filter(|name| !name.starts_with("//")).map(|name| format!("{of}.{name}")).collect()
        };
        let facts = [record("context", "type Circumstances = {"), record("resource", "entity Identity")].concat();
        assert!(facts.len() > 25, "{facts:?}");
        for fact in facts.iter().filter(|fact| *fact != "context.approvals") {
            assert!(all.get(fact.as_str()).is_some_and(|values| *values > 1), "`{fact}` is no axis");
        }
    }
}
