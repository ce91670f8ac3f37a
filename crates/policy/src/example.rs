//! A question to start from: tests and `policy test` override what they are about.

use quell_core::{
    action::{Action, Reversible},
    decision::{Approvals, AttemptQuestion, Circumstances, Criticality, IdentityFacts, Principal, Role, Verb, VerbQuestion},
    id::PersonId,
    plan::Tier,
    signal::IdentityKind,
};

/// Automation would suspend a production service account of normal
/// criticality, unshared, whose leaked secret the alert carried; the plane is
/// armed and nobody has approved yet. The shipped set allows it.
pub fn example() -> AttemptQuestion {
    AttemptQuestion {
        principal: Principal::Automation,
        action: Action::SuspendIdentity,
        identity: IdentityFacts {
            id: String::from("identity-1"),
            plane: String::from("pg-main"),
            kind: IdentityKind::ServiceAccount,
            environment: Some(String::from("production")),
            criticality: Some(Criticality::Normal),
            shared: Some(false),
            third_party: Some(false),
            protected: None,
            has_business_owner: true,
        },
        circumstances: Circumstances {
            tier: Tier::Contain,
            confidence: 95,
            corroborated: true,
            possession: true,
            secret_exposed: true,
            not_malicious: false,
            approvals: Approvals::new(),
            break_glass: false,
            failover: false,
            reversible: Reversible::Exact,
            reach: Some(1),
            dependents: Some(0),
            sample: false,
            paused: false,
            armed: true,
            hour_utc: 3,
        },
    }
}

/// A signed-in lead of security operations reads; the shipped set allows it.
pub fn example_verb() -> VerbQuestion {
    VerbQuestion {
        principal: Principal::Person { id: PersonId::new("person-1"), roles: vec![Role::Lead, Role::Secops] },
        verb: Verb::Read,
        signed_in: true,
        entangled: false,
        contested: false,
        scopes: Vec::new(),
        gives_roles: Vec::new(),
    }
}
