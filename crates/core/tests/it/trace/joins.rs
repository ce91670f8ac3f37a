//! Which credential came from which, and how surely.

use quell_core::{
    inventory::Basis,
    proof::Liveness,
    trace::{Alerted, Bearer, Deed, Fact, LinkKind, Minted, Nature, Place, Trace},
};

use super::*;

#[test]
fn sessions_that_were_minted_and_never_used_are_alive_and_are_cut() {
    let answer = tell(&[
        assume("03:00:00", KEY, "ASIAUSED", "job"),
        assume("03:00:00", KEY, "ASIAIDLE", "job"),
        in_session("03:00:05", "ASIAUSED", "job", "GetObject"),
    ]);
    let case = case(&answer);
    assert_eq!(ids(case), BTreeSet::from([KEY, "ASIAIDLE", "ASIAUSED"]));
    for (id, uses) in [("ASIAUSED", 1), ("ASIAIDLE", 0)] {
        let link = link(case, id);
        assert_eq!((link.uses, link.liveness, link.minted_from.as_deref()), (uses, Liveness::Live, Some(KEY)), "{id}");
        assert_eq!((link.basis, link.expires_at), (Basis::Observed, Some(at("03:15:00"))), "{id}");
        assert!(case.plan.iter().any(|s| s.target == id), "no step ends `{id}`");
    }
}

#[test]
fn an_issuer_is_cut_before_what_it_issued_and_secrets_come_last() {
    let answer = tell(&[
        assume("03:00:00", KEY, "ASIAONE", "job"),
        call("03:00:01", KEY, "GetSecretValue").did(Deed::Read("prod/db".into())),
        call("03:00:02", KEY, "CreateAccessKey").did(minted("AKIANEW", LinkKind::AccessKey, "arn:aws:iam::111111111111:user/other")),
    ]);
    let case = case(&answer);
    let step = |target: &str| case.plan.iter().find(|s| s.target == target).unwrap_or_else(|| panic!("no step for `{target}`"));
    assert_eq!((step(KEY).n, step(KEY).after.len()), (1, 0));
    for later in ["AKIANEW", ROLE, "ASIAONE", "prod/db"] {
        assert!(step(later).after.contains(&1), "`{later}` does not wait for its issuer");
    }
    assert!(step("ASIAONE").after.contains(&step(ROLE).n), "sessions are ended behind the fence");
    assert_eq!(step("prod/db").action.name(), "mark_for_rotation");
    for step in &case.plan {
        assert!(step.after.iter().all(|n| *n < step.n), "step {} waits for a later one", step.n);
    }
}

#[test]
fn every_secret_that_was_read_is_a_candidate_for_rotation_once() {
    let mut facts: Vec<Fact> = (0..30).map(|n| call("03:00:00", KEY, "GetSecretValue").did(Deed::Read(format!("secret-{n}")))).collect();
    facts.extend(facts.clone());
    let answer = tell(&facts);
    let case = case(&answer);
    assert_eq!(case.secrets_read.len(), 30);
    assert!(case.secrets_read.iter().all(|s| s.reads == 2 && s.by == KEY && s.at == Some(at("03:00:00"))));
    let marked: BTreeSet<&str> = case.plan.iter().filter(|s| s.action.name() == "mark_for_rotation").map(|s| s.target.as_str()).collect();
    assert_eq!(marked.len(), 30);
}

#[test]
fn what_was_refused_reads_nothing() {
    let answer = tell(&[assume("03:00:00", KEY, "ASIAONE", "job"), in_session("03:00:01", "ASIAONE", "job", "GetPasswordData").refused()]);
    let case = case(&answer);
    assert!(case.secrets_read.is_empty());
    assert_eq!(link(case, "ASIAONE").uses, 1, "a use that was refused was one: the credential was good");
}

#[test]
fn an_orphan_waits_and_is_attached_when_its_issue_arrives() {
    let known = [assume("03:00:00", KEY, "ASIAONE", "job"), in_session("03:10:00", "ASIALATE", "other", "RunInstances").refused()];
    let answer = tell(&known);
    assert!(!ids(case(&answer)).contains("ASIALATE"));
    let waiting = answer.unattached.iter().find(|a| a.id == "ASIALATE").expect("the orphan is told");
    assert!(waiting.reason.contains("its issue is not in these records"), "{}", waiting.reason);
    assert!(waiting.reason.contains(OFFICE) && waiting.reason.contains("alone decides nothing"), "{}", waiting.reason);

    let late = [known.to_vec(), vec![assume("03:09:59", KEY, "ASIALATE", "other")]].concat();
    let answer = tell(&late);
    assert_eq!(link(case(&answer), "ASIALATE").minted_from.as_deref(), Some(KEY));
    assert!(answer.unattached.is_empty(), "{:?}", answer.unattached);
}

#[test]
fn replaced_ids_are_joined_by_role_and_session_name_with_less_confidence() {
    let direct = tell(&[assume("03:00:00", KEY, "ASIAONE", "job"), in_session("03:00:05", "ASIAONE", "job", "GetObject")]);
    let replaced = [assume("03:00:00", KEY, "ASIAONE", "job"), in_session("03:00:05", "ASIATWO", "job", "GetObject")];
    let answer = tell(&replaced);
    let case_ = case(&answer);
    let joined = link(case_, "ASIATWO");
    assert_eq!(joined.minted_from.as_deref(), Some(KEY));
    assert!(joined.confidence < link(case(&direct), "ASIAONE").confidence, "{}", joined.confidence);
    assert!(joined.reasons[0].contains("role and session name"), "{:?}", joined.reasons);
    // The id that was issued may be the same session or not: it stays.
    assert_eq!(link(case_, "ASIAONE").uses, 0);

    // Two askers for one role and name: neither is accused.
    let contested = [replaced.to_vec(), vec![assume("03:00:00", "AKIAOTHER", "ASIATHREE", "job")]].concat();
    let answer = tell(&contested);
    assert!(answer.cases.iter().all(|c| !ids(c).contains("ASIATWO")));
    assert!(answer.unattached.iter().any(|a| a.id == "ASIATWO" && a.reason.contains("more than one")), "{:?}", answer.unattached);
    // Another session name is another session.
    let answer = tell(&[assume("03:00:00", KEY, "ASIAONE", "job"), in_session("03:00:05", "ASIATWO", "jab", "GetObject")]);
    assert!(!ids(case(&answer)).contains("ASIATWO"));
}

#[test]
fn one_human_on_two_channels_is_one_identity_and_two_sessions() {
    let console = |clock: &str| {
        call(clock, "ASIACONSOLE", "ListBuckets").bearer(|b| {
            (b.address, b.began) = (Some("198.51.100.7".into()), Some(at("02:00:00")));
        })
    };
    let answer = tell(&[assume("03:00:00", KEY, "ASIAONE", "job"), console("03:00:01"), console("03:20:00")]);
    let case = case(&answer);
    assert_eq!(case.root.identity.as_deref(), Some(USER));
    assert!(!ids(case).contains("ASIACONSOLE"));
    assert!(aside(case, "ASIACONSOLE").contains("the same identity on another channel"), "{}", aside(case, "ASIACONSOLE"));
}

#[test]
fn nobody_innocent_stands_inside() {
    let other = |credential: &str, address: &str| {
        call("03:01:00", credential, "DescribeInstances").bearer(|b| {
            (b.identity, b.address) = (Some("arn:aws:iam::111111111111:user/ada".into()), Some(address.into()));
        })
    };
    let service = call("03:01:00", "ASIASERVICE", "Decrypt").bearer(|b| b.service = Some("secretsmanager.amazonaws.com".into()));
    let answer = tell(&[assume("03:00:00", KEY, "ASIAONE", "job"), other("AKIAADA", "198.51.100.7"), other("AKIASAME", OFFICE), service]);
    let case = case(&answer);
    assert_eq!(ids(case), BTreeSet::from([KEY, "ASIAONE"]));
    assert!(aside(case, "AKIAADA").starts_with("another identity"));
    assert!(aside(case, "AKIASAME").contains("an address alone decides nothing"));
    assert!(aside(case, "ASIASERVICE").contains("held by the service"));
}

#[test]
fn who_only_looked_makes_no_case() {
    let answer = tell(&[call("03:00:00", KEY, "DescribeInstances"), call("03:00:01", "ASIACONSOLE", "ListUsers")]);
    assert!(answer.cases.is_empty() && answer.unattached.is_empty());
}

fn alerted(credential: Option<&str>, identity: Option<&str>) -> Alerted {
    Alerted {
        key: "detector:1".into(),
        title: "anomalous use".into(),
        at: Some(at("03:30:00")),
        system: Some("aws:111111111111".into()),
        identity: identity.map(str::to_owned),
        credential: credential.map(str::to_owned),
        kind: LinkKind::AccessKey,
        place: Place { file: 0, record: 99 },
    }
}

#[test]
fn an_alert_makes_its_subject_the_root_and_never_the_one_who_minted_it() {
    let facts = [
        call("02:00:00", "AKIAADMIN", "CreateAccessKey").did(minted("AKIALEAKED", LinkKind::AccessKey, USER)),
        assume("03:00:00", "AKIALEAKED", "ASIAONE", "job"),
    ];
    let mut trace = Trace::new(None);
    feed(&mut trace, &facts);
    trace.alert(alerted(Some("AKIALEAKED"), Some(USER)));
    let answer = trace.tell(&["records".to_owned()]);
    let case = case(&answer);
    assert_eq!(ids(case), BTreeSet::from(["AKIALEAKED", "ASIAONE"]));
    assert_eq!(case.root.credential.as_deref(), Some("AKIALEAKED"));
    assert_eq!(case.untrusted, ["anomalous use"]);
}

#[test]
fn an_alert_that_names_an_identity_is_about_what_it_did_here() {
    let mut trace = Trace::new(None);
    feed(&mut trace, &[assume("03:00:00", KEY, "ASIAONE", "job")]);
    trace.alert(alerted(None, Some(USER)));
    let answer = trace.tell(&["records".to_owned()]);
    let case = case(&answer);
    assert_eq!(ids(case), BTreeSet::from([KEY, "ASIAONE"]));
    assert_eq!(case.untrusted.len(), 1);
}

#[test]
fn what_the_plane_itself_says_of_an_identity_is_an_alert_about_it() {
    let accused = call("03:30:00", "AKIAVENDOR", "AttachUserPolicy")
        .bearer(|b| b.identity = Some("vendor".into()))
        .did(Deed::Accuse { identity: USER.into(), why: "its key leaked" });
    let answer = tell(&[call("03:00:00", KEY, "ListUsers"), accused]);
    let case = case(&answer);
    assert_eq!(ids(case), BTreeSet::from([KEY]), "not whoever wrote it down");
    assert_eq!(case.untrusted, ["its key leaked"]);
}

#[test]
fn an_alert_that_names_nobody_is_unattached_with_a_reason() {
    let mut trace = Trace::new(None);
    trace.alert(alerted(None, None));
    let answer = trace.tell(&[]);
    assert!(answer.cases.is_empty());
    assert!(answer.unattached[0].id == "detector:1" && answer.unattached[0].reason.contains("names no identity"));
}

#[test]
fn a_stranger_comes_through_a_trust_that_the_chain_opened() {
    let trust = Deed::Mint(Minted { id: ROLE.into(), kind: LinkKind::Entitlement, identity: Some(ROLE.into()), ..Minted::default() });
    let stranger = |clock: &str| {
        let mut fact = assume(clock, KEY, "ASIASTRANGER", "guest");
        fact.by = None;
        fact
    };
    let opened =
        call("03:00:00", KEY, "UpdateAssumeRolePolicy").did(trust).did(Deed::Change { nature: Nature::Trust, target: ROLE.into() });
    let answer = tell(&[opened.clone(), stranger("03:05:00")]);
    let case_ = case(&answer);
    assert_eq!(link(case_, ROLE).minted_from.as_deref(), Some(KEY));
    assert_eq!(link(case_, "ASIASTRANGER").minted_from.as_deref(), Some(ROLE));
    // Who came before it was opened did not come through it.
    let answer = tell(&[opened, stranger("02:55:00")]);
    assert!(answer.cases.iter().all(|c| !ids(c).contains("ASIASTRANGER")));
}

#[test]
fn a_console_session_is_joined_to_the_sign_in_it_began_with() {
    let login = call("03:00:00", "ci#password", "ConsoleLogin").did(Deed::Mint(Minted {
        id: "ci#console".into(),
        kind: LinkKind::Session,
        identity: Some(USER.into()),
        login: true,
        ..Minted::default()
    }));
    let drawn = |began: &str| {
        call("03:01:00", "ASIACONSOLE", "CreateUser")
            .bearer(|b| b.began = Some(at(began)))
            .did(Deed::Make("arn:aws:iam::111111111111:user/new".into()))
    };
    let answer = tell(&[login.clone(), drawn("03:00:01")]);
    let case_ = case(&answer);
    assert_eq!(link(case_, "ASIACONSOLE").minted_from.as_deref(), Some("ci#console"));
    assert_eq!(link(case_, "ci#console").minted_from.as_deref(), Some("ci#password"));
    let answer = tell(&[login, drawn("02:00:00")]);
    assert_eq!(ids(case(&answer)), BTreeSet::from(["ASIACONSOLE"]), "an older session is another one");
}

/// A token for `who`, in which these act, the nearest first.
fn token(clock: &str, id: &str, who: &str, act: &[&str]) -> Fact {
    Fact {
        at: Some(at(clock)),
        system: "issuer:idp".into(),
        event: "token issued".into(),
        deeds: vec![Deed::Mint(Minted {
            id: id.into(),
            kind: LinkKind::Token,
            identity: Some(who.into()),
            login: act.is_empty(),
            act: act.iter().map(|a| (*a).to_owned()).collect(),
            expires_at: Some(quell_core::time::after(at(clock), 3600)),
            ..Minted::default()
        })],
        ..Fact::default()
    }
}

#[test]
fn tokens_follow_each_other_along_their_actors() {
    let used = Fact {
        at: Some(at("03:05:00")),
        system: "issuer:idp".into(),
        event: "token used".into(),
        by: Some(Bearer {
            credential: Some("t3".into()),
            kind: LinkKind::Token,
            identity: Some("ada@corp.example".into()),
            ..Bearer::default()
        }),
        deeds: vec![Deed::Read("vault/prod".into())],
        ..Fact::default()
    };
    let answer = tell(&[
        token("03:02:00", "t3", "ada@corp.example", &["agent-tools", "agent-chat"]),
        token("03:01:00", "t2", "ada@corp.example", &["agent-chat"]),
        token("03:00:00", "t1", "ada@corp.example", &[]),
        token("03:00:30", "other", "bob@corp.example", &[]),
        used,
    ]);
    let case = case(&answer);
    assert_eq!(ids(case), BTreeSet::from(["t1", "t2", "t3"]));
    for (id, from) in [("t1", None), ("t2", Some("t1")), ("t3", Some("t2"))] {
        assert_eq!(link(case, id).minted_from.as_deref(), from, "{id}");
    }
    assert_eq!(link(case, "t3").basis, Basis::Possible, "nobody recorded the exchange itself");
}

#[test]
fn an_inventory_adds_what_no_log_shows_and_moves_nobody_who_was_seen() {
    let facts = [
        assume("03:00:00", KEY, "ASIAONE", "job"),
        call("03:00:00", "AKIASEEN", "ListBuckets").bearer(|b| b.identity = Some("ada".into())),
    ];
    let mut trace = Trace::new(None);
    trace.derivation("ASIAONE", "billing#password", "reads", Basis::Possible);
    trace.derivation(KEY, "AKIASEEN", "holds", Basis::Possible);
    feed(&mut trace, &facts);
    let answer = trace.tell(&[]);
    let case = case(&answer);
    let added = link(case, "billing#password");
    assert_eq!((added.basis, added.minted_from.as_deref(), added.liveness), (Basis::Possible, Some("ASIAONE"), Liveness::Unknown));
    assert!(!ids(case).contains("AKIASEEN"));
}

#[test]
fn records_that_claim_a_ring_are_told_and_end() {
    let ring = |by: &str, id: &str| call("03:00:00", by, "AssumeRole").did(minted(id, LinkKind::Session, USER));
    let answer = tell(&[ring("ASIAB", "ASIAA"), ring("ASIAA", "ASIAB"), ring("ASIASELF", "ASIASELF")]);
    let all: BTreeSet<&str> = answer.cases.iter().flat_map(ids).collect();
    assert!(all.contains("ASIAA") && all.contains("ASIAB"), "{all:?}");
}
