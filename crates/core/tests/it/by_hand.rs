//! Steps by hand: what is asked for, in which order, and that what people say proves nothing.

use std::collections::BTreeSet;

use quell_core::{
    action::Action,
    by_hand::{self, Ground, Subject},
    case::{Brought, Command, Refused, decide},
    decision::{IdentityFacts, Role},
    event::{By, CaseEnriched},
    id::{PersonId, PlanId, TaskId},
    plan::{Plan, PlanKind, Proves, Tier},
    proof::Life,
    respond::next,
    signal::{CredentialKind, IdentityKind},
    target::{Target, TargetKind},
    time::after,
    view,
};

use crate::{
    drive::World,
    world::{at, case_id, enriched, facts, identity, key, password, salter},
};

const KINDS: [CredentialKind; 13] = [
    CredentialKind::Password,
    CredentialKind::AccessKey,
    CredentialKind::ApiKey,
    CredentialKind::Token,
    CredentialKind::RefreshToken,
    CredentialKind::Session,
    CredentialKind::Certificate,
    CredentialKind::SshKey,
    CredentialKind::SecretId,
    CredentialKind::ServiceAccountKey,
    CredentialKind::Ticket,
    CredentialKind::OauthClient,
    CredentialKind::Unknown,
];

const IDENTITIES: [IdentityKind; 6] = [
    IdentityKind::Human,
    IdentityKind::ServiceAccount,
    IdentityKind::Workload,
    IdentityKind::Device,
    IdentityKind::Agent,
    IdentityKind::Unknown,
];

const SYSTEMS: [&str; 28] = [
    "aws:111111111111",
    "arn:aws:eks:eu:1:cluster",
    "gcp:harbor",
    "github:corp",
    "okta",
    "entra:t-1",
    "google-workspace",
    "slack:T01",
    "kubernetes",
    "k8s:harbor",
    "npm",
    "vault:team",
    "keycloak:r",
    "auth0:corp",
    "duo",
    "onelogin:55",
    "teleport:tp",
    "ad:HARBOR",
    "ldap",
    "pg",
    "host:web-3",
    "spiffe:harbor",
    "openai",
    "anthropic",
    "crowdstrike:c0",
    "idp.corp.example",
    "acct-9",
    "",
];

fn actions(system: &str, identity: IdentityKind, credential: Option<CredentialKind>) -> Vec<Option<Action>> {
    by_hand::steps(system, None, identity, credential).into_iter().map(|step| step.instead_of).collect()
}

#[test]
fn every_kind_of_credential_of_every_kind_of_subject_has_worded_steps_and_is_cut_before_what_it_opened() {
    let place = |action: Option<Action>| match action {
        Some(Action::SuspendIdentity) => 0,
        Some(Action::RevokeCredential | Action::RotateCredential) => 1,
        Some(Action::TerminateSessions) => 2,
        Some(other) => panic!("nobody is asked to do {} by hand", other.name()),
        None => 3,
    };
    for system in SYSTEMS {
        for identity in IDENTITIES {
            for credential in KINDS.map(Some).into_iter().chain([None]) {
                let steps = by_hand::steps(system, None, identity, credential);
                let what = format!("{system} {identity:?} {credential:?}: {steps:#?}");
                assert!(steps.len() >= 2, "something is cut, and somebody looks: {what}");
                assert!(steps.is_sorted_by_key(|s| place(s.instead_of)), "{what}");
                let looks = steps.last().expect("one");
                assert!(looks.instead_of.is_none() && !looks.survives.is_empty(), "the last step looks: {what}");
                let cuts = |s: &by_hand::Asked| matches!(s.instead_of, Some(Action::RevokeCredential | Action::RotateCredential));
                assert_eq!(steps.iter().filter(|s| cuts(s)).count(), 1, "{what}");
                for step in &steps {
                    assert!(step.task.starts_with("By hand on `") && step.task.len() < 1_024, "{what}");
                    assert!(step.proof.len() > 10, "it says what to bring: {what}");
                    assert_eq!(step.of_credential, cuts(step) && credential.is_some(), "{what}");
                }
            }
        }
    }
}

#[test]
fn what_is_cut_fits_the_credential() {
    use Action::{RevokeCredential as Revoke, RotateCredential as Rotate, SuspendIdentity as Suspend, TerminateSessions as Sessions};
    use CredentialKind as C;
    use IdentityKind as I;
    let check = |system, identity, credential, wanted: &[Option<Action>]| {
        assert_eq!(actions(system, identity, credential), wanted, "{system} {credential:?}")
    };
    check("okta", I::Human, None, &[Some(Suspend), Some(Rotate), Some(Sessions), None]);
    check("okta", I::Human, Some(C::Session), &[Some(Rotate), Some(Sessions), None]);
    check("okta", I::Human, Some(C::Password), &[Some(Rotate), Some(Sessions), None]);
    // A token of GitHub opens nothing that outlives it; a key of AWS does.
    check("github:corp", I::Human, Some(C::Token), &[Some(Revoke), None]);
    check("aws:1", I::ServiceAccount, Some(C::AccessKey), &[Some(Revoke), Some(Sessions), None]);
    check("entra:t", I::ServiceAccount, None, &[Some(Suspend), Some(Revoke), Some(Sessions), None]);
    check("acct-9", I::Unknown, Some(C::Unknown), &[Some(Suspend), Some(Rotate), Some(Sessions), None]);
}

#[test]
fn a_system_is_named_by_its_prefix_by_its_kind_or_by_nobody() {
    let called = |system, kind| by_hand::family(system, kind).0;
    assert_eq!(called("okta:dev-1", None), "Okta");
    assert_eq!(called("OKTA", None), "Okta");
    assert_eq!(called("k8s.prod", Some("kubernetes")), "Kubernetes");
    assert_eq!(called("okta-of-old", None), "another system", "a name that only begins like one is none");
    assert_eq!(called("github", Some("external")), "GitHub", "a kind without words leaves the name");
    assert_eq!(called("okta", Some("github")), "GitHub", "the inventory knows better than a name");
    let terms = by_hand::steps("github:corp", None, IdentityKind::Human, Some(CredentialKind::Token));
    assert!(terms[0].task.contains("personal token") && terms[1].proof.contains("401"), "{terms:#?}");
    let any = by_hand::steps("acct-9", None, IdentityKind::Human, None);
    assert!(any.iter().all(|s| s.task.contains("`acct-9`")), "{any:#?}");

    let system = |said: &str| by_hand::system(said);
    assert_eq!(system(" https://idp.corp.example/realms/a/ ").as_deref(), Some("idp.corp.example.realms.a"), "no `/` in a reference");
    assert_eq!(system("aws:111").as_deref(), Some("aws:111"));
    for none in ["", "  ", "/", "a b", "<b>", "a\u{1b}[0m", "a`b", &"x".repeat(201)] {
        assert_eq!(system(none), None, "{none:?}");
    }
    for none in ["", "a\nb", &"x".repeat(257)] {
        assert!(!by_hand::is_name(none), "{none:?}");
    }
    assert!(by_hand::is_name("Ida Öst"));
}

#[test]
fn whoever_owns_the_platform_is_asked_or_the_identity_team_or_the_lead() {
    let check = |held: &[Role], wanted| assert_eq!(by_hand::addressee(|role| held.contains(&role)), wanted, "{held:?}");
    check(&[Role::Lead, Role::Iam, Role::PlatformOwner], Role::PlatformOwner);
    check(&[Role::Lead, Role::Iam], Role::Iam);
    check(&[Role::Lead, Role::Secops], Role::Lead);
    check(&[Role::Secops], Role::ResponseOwner);
}

fn elsewhere(credential: Option<(Target, Option<CredentialKind>)>) -> CaseEnriched {
    CaseEnriched {
        facts: IdentityFacts { kind: IdentityKind::Human, ..facts() },
        credentials: credential.into_iter().collect(),
        sessions: vec![],
        unseen: Some("no connector".into()),
        ..enriched()
    }
}

/// The plan by hand about one identity.
pub fn drafted(found: &CaseEnriched, kind: PlanKind, planes: &[&str]) -> Plan {
    let planes: BTreeSet<String> = planes.iter().map(|p| (*p).to_owned()).collect();
    by_hand::plan(&Ground {
        id: PlanId::new("p-0000000001"),
        case: case_id(),
        parent: None,
        kind,
        tier: Tier::Contain,
        subjects: vec![Subject { found, kind: found.facts.kind, system_kind: None }],
        planes: &planes,
        owner: Role::PlatformOwner,
        valid_seconds: 3600,
    })
}

#[test]
fn steps_by_hand_are_a_plan_whose_digest_covers_their_words_and_that_names_nobody() {
    let found = elsewhere(Some((password(), Some(CredentialKind::Password))));
    let plan = drafted(&found, PlanKind::Contain, &[]);
    assert!(plan.is_by_hand() && plan.is_well_formed() && plan.gaps.is_empty());
    assert!(!crate::world::plan().is_by_hand());
    assert_eq!(plan.identities(), BTreeSet::from([identity().id]));
    let text = serde_json::to_string(&{
        let mut value = serde_json::to_value(&plan).expect("plain data");
        quell_core::personal::conceal(&mut value);
        value
    })
    .expect("text");
    assert!(!text.contains("billing_app"), "whom it is about can be erased: {text}");
    for change in [
        |p: &mut Plan| p.steps[0].fallback.task.push('x'),
        |p: &mut Plan| p.steps[0].fallback.owner = Role::Iam,
        |p: &mut Plan| drop(p.steps[0].parameters.insert(by_hand::PROOF.to_owned(), "x".into())),
        |p: &mut Plan| drop(p.steps.pop()),
    ] {
        let mut other = plan.clone();
        change(&mut other);
        assert_ne!(other.digest(), plan.digest());
    }
}

#[test]
fn only_what_lies_on_a_plane_of_ours_is_probed_once_it_is_said_done() {
    let probed = |planes: &[&str]| {
        let plan = drafted(&elsewhere(Some((password(), Some(CredentialKind::Password)))), PlanKind::Contain, planes);
        plan.steps.iter().filter(|s| matches!(s.proves, Proves::Dead { .. })).map(by_hand::stands_for).collect::<Vec<_>>()
    };
    assert_eq!(probed(&[]), []);
    assert_eq!(probed(&[crate::world::PLANE]), [Some(Action::RotateCredential)]);
}

#[test]
fn two_credentials_are_cut_each_and_what_is_about_the_identity_is_asked_once() {
    let naming = quell_core::draft::Naming { key: &key(), salter: &salter() };
    let token = naming.target(crate::world::PLANE, TargetKind::Credential, "tok-1", "billing_app");
    let mut found = elsewhere(Some((password(), Some(CredentialKind::Password))));
    found.credentials.push((token, Some(CredentialKind::Token)));
    let plan = drafted(&found, PlanKind::Contain, &[]);
    let asked: Vec<_> = plan.steps.iter().map(by_hand::stands_for).collect();
    assert_eq!(asked.iter().filter(|a| **a == Some(Action::RevokeCredential)).count(), 1);
    assert_eq!(asked.iter().filter(|a| **a == Some(Action::RotateCredential)).count(), 1);
    assert_eq!(asked.iter().filter(|a| a.is_none()).count(), 1, "one look: {asked:?}");
    assert_eq!(asked.last(), Some(&None));
}

/// A case about somebody on a system that no connector serves, whose plan is drafted.
fn case_by_hand(credential: Option<(Target, Option<CredentialKind>)>) -> World {
    let mut drive = World::unserved(elsewhere(credential.clone()));
    drive.run(5);
    drive
}

#[test]
fn people_are_asked_at_once_and_nothing_they_say_proves_anything() {
    for credential in [None, Some((password(), Some(CredentialKind::Password)))] {
        let mut drive = case_by_hand(credential.clone());
        assert_eq!(drive.says("ask by hand"), 1, "{:#?}", drive.told);
        let state = drive.only_plan().clone();
        assert!(state.plan.is_by_hand());
        for step in &state.plan.steps {
            assert_eq!(view::step_state(&drive.situation(), &state, step), "handed_over");
        }
        let before = view::headline(&drive.situation(), drive.now);
        assert!(before.contains("STILL USABLE"), "{before}");

        for step in &state.plan.steps {
            drive.end_task(step.n);
        }
        drive.run(7_200);
        let shown = view::case(&drive.situation(), drive.now);
        assert!(shown["headline"].as_str().expect("text").contains("UNKNOWN"), "{shown:#}");
        assert_ne!(shown["state"], "proven", "said is not proved: {shown:#}");
        assert!(drive.says("Proven") == 0 && !view::is_proven(&drive.situation()), "{:#?}", drive.told);
        for step in &state.plan.steps {
            assert_eq!(view::step_state(&drive.situation(), &state, step), "done");
        }
        for step in shown["plans"][0]["steps"].as_array().expect("steps") {
            assert_eq!(step["by_hand"]["proved"], false, "{step:#}");
        }
        if credential.is_some() {
            assert_eq!(shown["credentials"][0]["state"], "UNKNOWN", "{shown:#}");
            assert_eq!(shown["exposure"]["running"], true, "{shown:#}");
        }
        assert_eq!(drive.says("probe"), 0, "there is nobody to ask");

        // Invariant 8: what people say closes nothing by itself.
        let order = decide(&drive.case, &drive.targets, &drive.plans, Command::Close { note: None }, drive.now);
        assert!(matches!(order, Err(Refused::StillOpen { .. })), "{order:?}");
        // It is asked for once.
        assert!(next(&drive.situation(), after(drive.now, 7_200)).moves.is_empty());
    }
}

#[test]
fn it_counts_as_usable_until_every_step_is_said_done_and_again_once_it_is_seen_used() {
    let mut drive = case_by_hand(Some((password(), Some(CredentialKind::Password))));
    let steps: Vec<u16> = drive.only_plan().plan.steps.iter().map(|s| s.n).collect();
    let life = |drive: &World| by_hand::life(&drive.case, &drive.plans, &password(), &drive.targets[&password().id]);
    let (last, others) = steps.split_last().expect("steps");
    for n in others {
        drive.end_task(*n);
        assert_eq!(life(&drive), Some(Life::Live), "step {n} is not all of them");
    }
    drive.end_task(*last);
    assert_eq!(life(&drive), Some(Life::Unknown));
    drive.seen_used(&password());
    assert_eq!(life(&drive), Some(Life::Live), "it was used after they said so");
}

#[test]
fn a_person_says_what_they_saw_and_nobody_else_does() {
    let drive = case_by_hand(None);
    let task: TaskId = drive.case.tasks.first().expect("a task").added.task.clone();
    let saw = || Brought { saw: Some(salter().commit("login refused at 03:10")), ..Brought::default() };
    let file = || Brought { file: Some("00".repeat(32)), ..Brought::default() };
    let order = |by: By, brought: Brought| {
        decide(&drive.case, &drive.targets, &drive.plans, Command::EndTask { task: task.clone(), by, brought }, drive.now).map(|_| ())
    };
    let ana = || By::Person(PersonId::new("ana"));
    assert_eq!(order(ana(), Brought::default()), Err(Refused::NothingSeen(task.clone())));
    assert_eq!(order(By::Agent(PersonId::new("bot")), saw()), Err(Refused::NoPerson(task.clone())));
    assert_eq!(order(By::Automation, saw()), Err(Refused::NoPerson(task.clone())));
    let later = Brought { seen_at: Some(after(drive.now, 60)), ..saw() };
    assert_eq!(order(ana(), later), Err(Refused::SeenInTheFuture(task.clone())));
    assert_eq!(order(ana(), saw()), Ok(()));
    assert_eq!(order(ana(), file()), Ok(()));
    assert_eq!(order(ana(), Brought { seen_at: Some(at(0)), ..saw() }), Ok(()));
}

#[test]
fn a_finding_about_nobody_says_what_to_find_out_until_it_has_an_outcome() {
    use quell_core::{finding::Outcome, signal::SignalKind};
    let of = |change: &dyn Fn(&mut quell_core::finding::Finding)| {
        let mut finding = crate::world::finding("f-1", "src-a");
        finding.resolved = None;
        change(&mut finding);
        by_hand::nobody(&finding).map(|asked| asked.task)
    };
    assert!(of(&|_| ()).is_some_and(|task| task.contains("fingerprint")));
    assert!(of(&|f| f.kind = SignalKind::AnomalousUse).is_some_and(|task| task.contains("whom it is about")));
    assert_eq!(of(&|f| f.resolved = crate::world::finding("f-2", "s").resolved), None);
    assert_eq!(of(&|f| f.outcome = Some(Outcome::FalsePositive)), None);
    assert_eq!(of(&|f| f.unreadable = true), None);
    assert_eq!(of(&|f| f.containment_evidence = true), None);
}

#[test]
fn what_people_did_by_hand_is_no_containment_that_quell_takes_back() {
    let drive = case_by_hand(None);
    assert_eq!(drive.plans.len(), 1);
    let undone = quell_core::respond::to_undo(&drive.situation(), None).map(|plans| plans.len());
    assert_eq!(undone, Err(quell_core::respond::NotUndone::NothingContained(case_id())));
}

#[test]
fn a_stranger_may_be_a_sample_and_somebody_on_our_planes_is_none() {
    let mut resolved = crate::world::finding("f-1", "src-a").resolved.expect("somebody");
    assert!(!quell_core::fold::is_sample(true, Some(&resolved)));
    resolved.said = Some(by_hand::Said { kind: IdentityKind::Human, name: None });
    assert!(quell_core::fold::is_sample(true, Some(&resolved)));
    assert!(!quell_core::fold::is_sample(false, Some(&resolved)));
}
