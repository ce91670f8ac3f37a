//! What is offered is what was proved.

use quell_core::{
    action::{Action, Reversible},
    coverage::{Gap, Row, Undone, gaps, last_proven},
    manifest::{ActionManifest, Manifest},
    proof::Strength,
    target::TargetKind,
    time::Timestamp,
};

fn manifest(actions: &[(Action, Reversible)]) -> Manifest {
    let one = |(action, reversible): &(Action, Reversible)| {
        ActionManifest::converges(*action, TargetKind::Credential, TargetKind::Credential, *reversible)
    };
    Manifest {
        kind: "vault".to_owned(),
        actions: actions.iter().map(one).collect(),
        settle_ms: 250,
        probe_effects: Vec::new(),
        lockout_budget: 0,
        controls: Vec::new(),
        cannot_list: Vec::new(),
        least_privilege: Vec::new(),
        enumeration_max: 1,
    }
}

fn row(kind: &str, action: Action, proved: Strength, undone: Undone, second: i64) -> Row {
    Row {
        kind: kind.to_owned(),
        action,
        subject: "a key".to_owned(),
        server: "1.0".to_owned(),
        proved,
        undone,
        proved_at: Timestamp::from_second(second).expect("this century"),
    }
}

#[test]
fn a_verb_is_offered_exactly_where_it_was_proved() {
    use Action::{RevokeCredential as Revoke, RotateCredential as Rotate};
    use Strength::{Enforced, Exercised, Recorded};
    use Undone::{Irreversible, Proved};
    let kind = || "vault".to_owned();
    let both = [(Revoke, Reversible::No), (Rotate, Reversible::Approximate)];
    let proofs = [row("vault", Revoke, Enforced, Irreversible, 1), row("vault", Rotate, Exercised, Proved, 1)];
    for (what, rows, wanted) in [
        ("both were proved", proofs.to_vec(), vec![]),
        ("none was", vec![], vec![Gap::Unproved { kind: kind(), action: Revoke }, Gap::Unproved { kind: kind(), action: Rotate }]),
        (
            "a word is no proof",
            vec![row("vault", Revoke, Recorded, Irreversible, 1), proofs[1].clone()],
            vec![Gap::Unproved { kind: kind(), action: Revoke }],
        ),
        (
            "the way back was never taken",
            vec![proofs[0].clone(), row("vault", Rotate, Exercised, Irreversible, 1)],
            vec![Gap::OtherWayBack { kind: kind(), action: Rotate, declared: Reversible::Approximate }],
        ),
        (
            "another plane proved it",
            vec![proofs[0].clone(), row("directory", Rotate, Exercised, Proved, 1)],
            vec![Gap::Unproved { kind: kind(), action: Rotate }, Gap::NotOffered { kind: "directory".to_owned(), action: Rotate }],
        ),
        (
            "nobody offers it any more",
            [proofs.to_vec(), vec![row("vault", Action::RequireStepUp, Enforced, Proved, 1); 2]].concat(),
            vec![Gap::NotOffered { kind: kind(), action: Action::RequireStepUp }],
        ),
    ] {
        assert_eq!(gaps(&[&manifest(&both)], &rows), wanted, "{what}");
    }
}

#[test]
fn of_several_proofs_the_oldest_and_the_weakest_are_told() {
    use Undone::Irreversible;
    let of = |strength, second| row("vault", Action::RevokeCredential, strength, Irreversible, second);
    let rows = [of(Strength::Enforced, 9), of(Strength::Exercised, 3), of(Strength::Recorded, 1)];
    let told = last_proven(&rows, "vault", Action::RevokeCredential).expect("it was proved");
    assert_eq!((told.proved, told.proved_at.as_second()), (Strength::Enforced, 3));
    assert_eq!(last_proven(&rows, "vault", Action::Restore), None);
}
