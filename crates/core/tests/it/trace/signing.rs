//! A signing key that was read, and sign-ins that nobody recorded.

use quell_core::{
    inventory::Basis,
    trace::{Bearer, Deed, Fact, LinkKind},
};

use super::*;

const CERTIFICATE: &str = "corp.example#token-signing-certificate";

fn take() -> Deed {
    Deed::Take { credential: CERTIFICATE.into(), kind: LinkKind::Certificate, identity: Some("corp.example".into()) }
}

/// An account at work on a named machine.
fn account(clock: &str, who: &str, device: &str) -> Fact {
    Fact {
        at: Some(at(clock)),
        system: "windows:corp.example".into(),
        event: "audit".into(),
        by: Some(Bearer {
            identity: Some(who.into()),
            credential: Some(format!("{who}#password")),
            kind: LinkKind::Password,
            device: Some(device.into()),
            ..Bearer::default()
        }),
        ..Fact::default()
    }
}

/// A cloud session of which no sign-in is recorded.
fn cloud(clock: &str, who: &str) -> Fact {
    Fact {
        at: Some(at(clock)),
        system: "entra:tenant".into(),
        event: "Update application".into(),
        by: Some(Bearer {
            identity: Some(who.into()),
            credential: Some(format!("{who}#session")),
            kind: LinkKind::Session,
            ..Bearer::default()
        }),
        deeds: vec![minted("app-key", LinkKind::OauthClient, "app")],
        ..Fact::default()
    }
}

fn world() -> Vec<Fact> {
    let mut replicates = account("02:30:00", "CORP\\grace", "fed01").did(Deed::Read("password hashes".into()));
    replicates.aliases.push(("CORP\\grace".into(), "grace@corp.example".into()));
    vec![account("03:00:00", "CORP\\op", "fed01").did(take()), replicates, cloud("03:20:00", "grace@corp.example")]
}

#[test]
fn one_case_spans_the_account_the_signing_key_the_cloud_user_and_the_application_key() {
    let answer = tell(&world());
    let case = case(&answer);
    let chain = [
        ("CORP\\op#password", None),
        (CERTIFICATE, Some("CORP\\op#password")),
        ("grace@corp.example#session", Some(CERTIFICATE)),
        ("app-key", Some("grace@corp.example#session")),
        ("CORP\\grace#password", None),
    ];
    for (id, from) in chain {
        assert_eq!(link(case, id).minted_from.as_deref(), from, "{id}");
    }
    assert_eq!(case.chain.len(), 5);
    assert_eq!(link(case, "grace@corp.example#session").basis, Basis::Possible);
    let rolls: Vec<_> = case.plan.iter().filter(|s| s.target == CERTIFICATE).collect();
    assert_eq!(rolls.len(), 2, "one roll leaves the old key trusted");
    assert_eq!(rolls[1].after, [rolls[0].n]);
    assert_eq!(case.root.credential.as_deref(), Some(CERTIFICATE));
    assert_eq!(link(case, "CORP\\grace#password").identity, link(case, "grace@corp.example#session").identity, "one human");
}

#[test]
fn other_accounts_of_the_domain_stay_out() {
    let mut facts = world();
    facts.push(cloud("03:25:00", "ada@corp.example"));
    facts.push(account("03:05:00", "CORP\\sensor", "fed01"));
    facts.push(account("03:05:00", "CORP\\far", "desk7").did(Deed::Read("something".into())));
    let answer = tell(&facts);
    let of_key = answer.cases.iter().find(|c| ids(c).contains(CERTIFICATE)).expect("the key's case");
    for innocent in ["ada@corp.example#session", "CORP\\sensor#password", "CORP\\far#password"] {
        assert!(!ids(of_key).contains(innocent), "{innocent}");
    }
}

#[test]
fn nobody_forges_before_the_key_was_read() {
    let mut facts = world();
    facts[2] = cloud("02:00:00", "grace@corp.example");
    let answer = tell(&facts);
    let of_key = answer.cases.iter().find(|c| ids(c).contains(CERTIFICATE)).expect("the key's case");
    assert!(!ids(of_key).contains("grace@corp.example#session"));
}

#[test]
fn names_are_one_person_only_where_a_record_says_so() {
    let mut facts = world();
    facts[1].aliases.clear();
    let answer = tell(&facts);
    let of_key = answer.cases.iter().find(|c| ids(c).contains(CERTIFICATE)).expect("the key's case");
    assert!(!ids(of_key).contains("grace@corp.example#session"), "the same word in two directories is not a person");
}
