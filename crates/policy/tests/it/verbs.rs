//! Which role may use which verb: the whole matrix, so that no role gains a
//! verb unseen.

use quell_core::{
    decision::{
        Principal,
        Role::{
            self, Admin, Auditor, BusinessOwner, Iam, Lead, PlatformOwner, PolicyAuthor, ResponseOwner, Secops, TelemetryOwner,
            VendorContact,
        },
        Verb,
    },
    id::PersonId,
};
use quell_engine::port::Policy;
use quell_policy::{CedarPolicy, example_verb};

const RESPONDERS: &[Role] = &[Lead, Secops, Iam, ResponseOwner];
const ANSWERING: &[Role] = &[ResponseOwner, Lead, Iam, Secops, BusinessOwner, PlatformOwner, TelemetryOwner, VendorContact];

/// The roles of a verb, as the design gives them.
fn roles(verb: Verb) -> &'static [Role] {
    match verb {
        Verb::Read => &Role::ALL,
        Verb::OpenCase | Verb::PlanCase | Verb::RunPlan | Verb::Merge | Verb::Undo => RESPONDERS,
        Verb::Approve | Verb::Deny => &Role::APPROVERS,
        Verb::BreakGlass => &[ResponseOwner, Lead],
        Verb::GiveVerdict => &[Iam, Secops, BusinessOwner],
        Verb::Note | Verb::Task => ANSWERING,
        Verb::TakeLead => &[Secops, Lead, ResponseOwner],
        Verb::Accept => &[BusinessOwner, ResponseOwner],
        Verb::Close => &[Lead, ResponseOwner],
        Verb::ExportEvidence => &[Auditor, Lead, ResponseOwner, Secops, Iam],
        Verb::Arm | Verb::Disarm => &[PlatformOwner, Admin, ResponseOwner],
        Verb::PauseAutomation => &[Lead, Secops, Iam, PlatformOwner, ResponseOwner],
        Verb::ResumeAutomation => &[ResponseOwner, Admin],
        Verb::ImportInventory => &[Admin, Iam],
        Verb::CreateSource | Verb::CreateUser | Verb::CreateToken => &[Admin],
        Verb::ChangePolicyFiles => &[PolicyAuthor],
        Verb::OperateLedger => &[Admin, Auditor],
        Verb::RequestErasure => &[Admin, Iam, ResponseOwner],
        Verb::ApproveErasure => &[Iam, ResponseOwner],
        // Quell itself, and no person in any role.
        Verb::ProbeWithSecret => &[],
    }
}

#[test]
fn every_role_may_use_exactly_its_verbs() {
    let set = CedarPolicy::shipped();
    for verb in Verb::ALL {
        for role in Role::ALL {
            let mut question = example_verb();
            question.verb = verb;
            question.principal = Principal::Person { id: PersonId::new("person-1"), roles: vec![role] };
            let decision = set.permits(&question);
            assert_eq!(decision.allowed, roles(verb).contains(&role), "{} and `{}`: {:?}", role.name(), verb.name(), decision.deciding);
        }
    }
}

#[test]
fn whoever_is_entangled_judges_nothing_in_any_role() {
    let set = CedarPolicy::shipped();
    for role in Role::ALL {
        for verb in [
            Verb::Approve,
            Verb::BreakGlass,
            Verb::GiveVerdict,
            Verb::TakeLead,
            Verb::Accept,
            Verb::Undo,
            Verb::PauseAutomation,
            Verb::Close,
            Verb::RequestErasure,
            Verb::ApproveErasure,
        ] {
            let mut question = example_verb();
            question.verb = verb;
            question.entangled = true;
            question.principal = Principal::Person { id: PersonId::new("person-1"), roles: vec![role] };
            assert!(!set.permits(&question).allowed, "{} and `{}`", role.name(), verb.name());
        }
    }
}

#[test]
fn no_machine_does_more_than_read_and_propose() {
    let set = CedarPolicy::shipped();
    let id = || PersonId::new("client-1");
    let roles: Vec<Role> = Role::ALL.into_iter().filter(|r| *r != Auditor).collect();
    for principal in [Principal::Agent { id: id(), roles: roles.clone() }, Principal::Person { id: id(), roles }] {
        for verb in Verb::ALL {
            let mut question = example_verb();
            question.verb = verb;
            question.signed_in = false;
            question.scopes = vec![String::from("cases:read"), String::from("cases:write")];
            question.principal = principal.clone();
            let may = matches!(verb, Verb::Read | Verb::OpenCase | Verb::PlanCase | Verb::Note | Verb::Task);
            assert_eq!(set.permits(&question).allowed, may, "{principal:?} and `{}`", verb.name());
        }
    }
}
