//! What is not as it should be has a path of its own, and it is not the emergency's.

use quell_core::{case::Case, decision::Role, posture::Posture, signal::SignalKind, view};

use crate::{
    drive::World,
    world::{at, finding, opened},
};

#[test]
fn each_posture_finding_asks_one_function_for_one_thing() {
    let table = [
        ("IAM user without an owner", Posture::NoOwner, Role::Iam, "expected"),
        ("Orphaned account still enabled", Posture::Orphan, Role::Iam, "retired"),
        ("Dormant service principal, unused for 180 days", Posture::Dormant, Role::Iam, "retired"),
        ("Access keys should be ROTATED every 90 days", Posture::LongLivedSecret, Role::PlatformOwner, "retired"),
        ("Policy grants excessive permissions", Posture::OverPrivilege, Role::Iam, "privilege_reduced"),
        ("Orphaned and dormant", Posture::Orphan, Role::Iam, "retired"),
        ("MFA is not enforced", Posture::Other, Role::Secops, "expected"),
        ("", Posture::Other, Role::Secops, "expected"),
    ];
    for (title, posture, owner, ends_as) in table {
        let path = Posture::of(title).path();
        assert_eq!((Posture::of(title), path.owner, path.ends_as), (posture, owner, ends_as), "{title}");
    }
}

#[test]
fn a_posture_case_plans_nothing_runs_no_clock_and_says_that_it_is_no_emergency() {
    let mut first = finding("f-1", "src-a");
    first.kind = SignalKind::Posture;
    let mut world = World::new();
    world.case = Case::opened(&opened(first), at(0));
    assert!(world.case.is_posture());
    world.run(600);
    assert_eq!((world.says("draft"), world.says("probe"), world.says("ask")), (0, 0, 0), "{:?}", world.told);
    let headline = view::headline(&world.situation(), at(600));
    assert!(headline.contains("no sign of misuse") && !headline.contains("USABLE"), "{headline}");
    assert!(view::exposure(&world.situation(), at(600)).is_null(), "nobody is known to use it");

    world.case.findings.push(finding("f-2", "src-a"));
    assert!(!world.case.is_posture(), "one wrong is an emergency");
}
