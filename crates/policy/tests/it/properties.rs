//! Sentences with `every` and `never`, over random questions.

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use quell_core::{
    action::{CATALOGUE, Reversible},
    decision::{Approvals, AttemptQuestion, Circumstances, Criticality, IdentityFacts, Principal, Role, WhomToAsk},
    id::PersonId,
    plan::Tier,
    signal::IdentityKind,
};
use quell_engine::port::Policy;
use quell_policy::{CedarPolicy, example};

fn principals() -> impl Strategy<Value = Principal> {
    let id = || PersonId::new("person-1");
    prop_oneof![
        4 => Just(Principal::Automation),
        2 => proptest::sample::subsequence(Role::ALL.to_vec(), 0..3).prop_map(move |roles| Principal::Person { id: id(), roles }),
        1 => Just(Principal::Agent { id: id(), roles: vec![Role::Secops] }),
    ]
}

fn identities() -> impl Strategy<Value = IdentityFacts> {
    use IdentityKind::{Agent, Device, Human, ServiceAccount, Unknown, Workload};
    let environments = ["production", "staging", "dev", "prod-eu"];
    let criticalities = [Criticality::Low, Criticality::Normal, Criticality::Normal, Criticality::High, Criticality::Critical];
    (
        proptest::sample::select(vec![Human, ServiceAccount, ServiceAccount, ServiceAccount, Workload, Device, Agent, Unknown]),
        proptest::option::of(proptest::sample::select(environments.map(String::from).to_vec())),
        proptest::option::of(proptest::sample::select(criticalities.to_vec())),
        proptest::option::of(proptest::bool::weighted(0.3)),
        proptest::option::of(any::<bool>()),
        proptest::option::weighted(0.1, Just(String::from("break-glass account"))),
        any::<bool>(),
    )
        .prop_map(|(kind, environment, criticality, shared, third_party, protected, has_business_owner)| IdentityFacts {
            id: String::from("identity-1"),
            plane: String::from("pg-main"),
            kind,
            environment,
            criticality,
            shared,
            third_party,
            protected,
            has_business_owner,
        })
}

fn approvals() -> impl Strategy<Value = Approvals> {
    proptest::collection::btree_map(proptest::sample::select(Role::APPROVERS.to_vec()), 0..3_u8, 0..4)
}

fn circumstances() -> impl Strategy<Value = Circumstances> {
    let often = || proptest::bool::weighted(0.9);
    let seldom = || proptest::bool::weighted(0.1);
    (
        (
            proptest::sample::select(vec![Tier::Observe, Tier::StepUp, Tier::Restrict, Tier::Contain, Tier::Contain, Tier::Contain]),
            proptest::sample::select(vec![0_u8, 19, 20, 40, 59, 60, 79, 79, 79, 80, 95, 100]),
            proptest::bool::weighted(0.7),
            any::<bool>(),
            proptest::bool::weighted(0.7),
            any::<bool>(),
        ),
        (approvals(), seldom(), any::<bool>(), proptest::sample::select(vec![Reversible::No, Reversible::Approximate, Reversible::Exact])),
        (proptest::option::of(0..500_u32), proptest::option::of(0..500_u32), seldom(), seldom(), often(), 0..24_u8),
    )
        .prop_map(
            |(
                (tier, confidence, corroborated, possession, secret_exposed, not_malicious),
                (approvals, break_glass, failover, reversible),
                (reach, dependents, sample, paused, armed, hour_utc),
            )| Circumstances {
                tier,
                confidence,
                corroborated,
                possession,
                secret_exposed,
                not_malicious,
                approvals,
                break_glass,
                failover,
                reversible,
                reach,
                dependents,
                sample,
                paused,
                armed,
                hour_utc,
            },
        )
}

fn questions() -> impl Strategy<Value = AttemptQuestion> {
    let actions: Vec<_> = CATALOGUE.iter().filter(|e| !e.targets.is_empty()).map(|e| e.action).collect();
    let anything = (principals(), proptest::sample::select(actions), identities(), circumstances())
        .prop_map(|(principal, action, identity, circumstances)| AttemptQuestion { principal, action, identity, circumstances });
    // Near the edge of what is allowed at once, where one fact decides.
    let near = (identities(), circumstances()).prop_map(|(identity, circumstances)| {
        let mut question = example();
        question.identity.environment = identity.environment;
        question.identity.criticality = identity.criticality;
        question.circumstances.confidence = circumstances.confidence;
        question.circumstances.failover = circumstances.failover;
        question
    });
    prop_oneof![3 => anything, 1 => near]
}

/// Runs one property over `cases` questions, the same in every run.
fn every<S: Strategy>(cases: u32, strategy: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    runner.run(&strategy, property).unwrap_or_else(|e| panic!("{e}"));
}

type Forget = fn(&mut AttemptQuestion);

/// The question with one thing less known, for every such thing.
fn with_less_known(question: &AttemptQuestion) -> Vec<(&'static str, AttemptQuestion)> {
    let forget: [(&str, Forget); 7] = [
        ("kind", |q| q.identity.kind = IdentityKind::Unknown),
        ("environment", |q| q.identity.environment = None),
        ("criticality", |q| q.identity.criticality = None),
        ("shared", |q| q.identity.shared = None),
        ("third_party", |q| q.identity.third_party = None),
        ("reach", |q| q.circumstances.reach = None),
        ("dependents", |q| q.circumstances.dependents = None),
    ];
    forget
        .into_iter()
        .map(|(what, forget)| {
            let mut less = question.clone();
            forget(&mut less);
            (what, less)
        })
        .collect()
}

#[test]
fn knowing_less_never_turns_deny_into_allow() {
    let set = CedarPolicy::shipped();
    every(600, questions(), |question| {
        let decision = set.decide(&question);
        prop_assert_eq!(&decision.errors, &Vec::<String>::new());
        if !decision.allowed {
            for (what, less) in with_less_known(&question) {
                prop_assert!(!set.decide(&less).allowed, "it is allowed once `{}` is unknown", what);
            }
        }
        Ok(())
    });
}

#[test]
fn one_more_approval_never_turns_allow_into_deny() {
    let set = CedarPolicy::shipped();
    every(1_000, questions(), |question| {
        if set.decide(&question).allowed {
            for role in Role::APPROVERS {
                let mut more = question.clone();
                *more.circumstances.approvals.entry(role).or_default() += 1;
                prop_assert!(set.decide(&more).allowed, "a yes of {} takes it away", role.name());
            }
        }
        Ok(())
    });
}

#[test]
fn whom_to_ask_is_enough_and_nobody_is_asked_for_nothing() {
    let set = CedarPolicy::shipped();
    every(300, questions(), |question| {
        let allowed = |approvals: &Approvals| {
            let mut asked = question.clone();
            asked.circumstances.approvals = approvals.clone();
            set.decide(&asked).allowed
        };
        match set.whom_to_ask(&question) {
            WhomToAsk::Nobody => prop_assert!(set.decide(&question).allowed),
            WhomToAsk::These { approvals } => {
                prop_assert!(!set.decide(&question).allowed && allowed(&approvals));
                for (role, count) in &approvals {
                    let mut fewer = approvals.clone();
                    fewer.insert(*role, count - 1);
                    prop_assert!(!allowed(&fewer), "{} is asked for nothing", role.name());
                }
            }
            WhomToAsk::NoOne => {
                // Beyond the largest number that the set speaks of, too.
                prop_assert!(!allowed(&Role::APPROVERS.into_iter().map(|r| (r, 9)).collect()));
            }
        }
        Ok(())
    });
}

#[test]
fn given_approvals_are_kept_before_anybody_new_is_asked() {
    let set = CedarPolicy::shipped();
    every(300, questions(), |question| {
        let WhomToAsk::These { approvals } = set.whom_to_ask(&question) else { return Ok(()) };
        let given = &question.circumstances.approvals;
        let new = quell_policy::still_missing(&approvals, given);
        prop_assert!(!new.is_empty());
        // Without any one of the new people it would not run, although
        // everybody who said yes still counts.
        for role in new.keys() {
            let mut without = question.clone();
            for (r, count) in &approvals {
                let more = without.circumstances.approvals.entry(*r).or_default();
                *more = (*more).max(*count);
            }
            *without.circumstances.approvals.entry(*role).or_default() -= 1;
            prop_assert!(!set.decide(&without).allowed, "{} is asked although others suffice", role.name());
        }
        Ok(())
    });
}

#[test]
fn automation_never_cuts_on_one_senders_word_alone() {
    let set = CedarPolicy::shipped();
    every(1_000, questions(), |mut question| {
        question.principal = Principal::Automation;
        question.circumstances.corroborated = false;
        question.circumstances.approvals.clear();
        if set.decide(&question).allowed {
            prop_assert!(
                ["restrict_access", "require_step_up", "mark_for_rotation", "notify_provider", "human_task"]
                    .contains(&question.action.name()),
                "{} is allowed",
                question.action.name()
            );
        }
        Ok(())
    });
}

#[test]
fn broken_glass_opens_nothing_but_a_persons_containment() {
    let set = CedarPolicy::shipped();
    every(1_000, questions(), |mut question| {
        question.circumstances.break_glass = false;
        let whole = set.decide(&question);
        question.circumstances.break_glass = true;
        let broken = set.decide(&question);
        prop_assert!(broken.allowed || !whole.allowed, "it takes nothing away: {:?}", broken.deciding);
        let never = question.identity.protected.is_some() || question.circumstances.sample || !question.circumstances.armed;
        let person = matches!(question.principal, Principal::Person { .. });
        if never || !person || question.action.gives_access() {
            prop_assert_eq!(broken.allowed, whole.allowed, "{:?}", broken.deciding);
        }
        Ok(())
    });
}

#[test]
fn nothing_changes_where_it_is_not_armed_and_no_agent_acts() {
    let set = CedarPolicy::shipped();
    every(1_000, questions(), |question| {
        let informs = ["mark_for_rotation", "notify_provider", "human_task"].contains(&question.action.name());
        if set.decide(&question).allowed {
            prop_assert!(question.circumstances.armed || informs);
            prop_assert!(!matches!(question.principal, Principal::Agent { .. }), "an agent acts");
            prop_assert!(!question.circumstances.sample);
        }
        Ok(())
    });
}
