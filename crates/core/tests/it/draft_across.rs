//! One plan over several planes: issuers before issued, sessions before what made
//! them goes, a store's old versions after its consumer moved.

use quell_core::{
    action::Action,
    case::Case,
    draft::{self, Ground, Naming, Subject},
    event::{CaseEnriched, Derivation},
    id::TargetId,
    manifest::Manifest,
    plan::{Pin, Plan, PlanKind, Selector, Step, Tier, UndoMode},
    signal::CredentialKind,
    target::{Target, TargetKind},
};

use crate::draft::edges;
use crate::world::{
    Drafting, case_id, enriched, facts, failover, finding, identity, key, manifest, opened, password, plan_id, salter, session,
};

fn on(plane: &str, kind: TargetKind, native: &str, identity: &str) -> Target {
    Naming { key: &key(), salter: &salter() }.target(plane, kind, native, identity)
}

/// The AppRole whose secret-id leaked, on the vault.
fn ci() -> Target {
    on("bao-main", TargetKind::Identity, "approle:ci", "approle:ci")
}

fn at_ci(kind: TargetKind, native: &str) -> Target {
    on("bao-main", kind, native, "approle:ci")
}

fn lease() -> Target {
    at_ci(TargetKind::Credential, "lease:database/creds/ro/x")
}

/// The database login behind its lease.
fn leased() -> Target {
    on("pg-main", TargetKind::Identity, "v-approle-ro-x", "v-approle-ro-x")
}

/// The store in the vault that keeps the billing job's password.
fn store() -> Target {
    on("bao-main", TargetKind::Identity, "kv:secret/billing", "kv:secret/billing")
}

fn subject(identity: Target, credentials: Vec<(Target, Option<CredentialKind>)>) -> CaseEnriched {
    CaseEnriched { facts: facts(), credentials, sessions: vec![], identity, ..enriched() }
}

fn leak(derived: Vec<Derivation>) -> CaseEnriched {
    let batch = at_ci(TargetKind::Credential, "approle:ci#batch_tokens");
    CaseEnriched {
        derivations: derived,
        outlive: vec![lease().id],
        irrevocable: vec![batch.id.clone()],
        ..subject(
            ci(),
            vec![
                (at_ci(TargetKind::Credential, "approle:ci#secret_id:a1"), Some(CredentialKind::SecretId)),
                (lease(), Some(CredentialKind::AccessKey)),
                (batch, Some(CredentialKind::Token)),
            ],
        )
    }
}

fn leased_login() -> CaseEnriched {
    let password = on("pg-main", TargetKind::Credential, "v-approle-ro-x#password", "v-approle-ro-x");
    subject(leased(), vec![(password, Some(CredentialKind::Password))])
}

fn led(from: Option<Target>, to: Target, via: &str) -> Derivation {
    Derivation { from, to, via: via.into() }
}

fn vault() -> Manifest {
    manifest(&[Action::SuspendIdentity, Action::TerminateSessions, Action::RevokeCredential, Action::RotateCredential, Action::Reinstate])
}

fn database() -> Manifest {
    manifest(&crate::world::EVERY_ACTION)
}

type Entry<'a> = (&'a CaseEnriched, &'a Manifest, Option<&'a str>);

fn ground<'a>(entries: &[Entry<'a>], salter: &'a quell_core::personal::Salter, key: &'a quell_core::secret::FingerprintKey) -> Ground<'a> {
    let subjects = entries.iter().map(|(found, manifest, via)| Subject {
        found,
        pin: Pin { connector: found.identity.plane.clone(), endpoint: "there".into(), config_digest: "c0".into(), settle_ms: 250 },
        manifest,
        possession: via.is_none(),
        via: via.map(Into::into),
        first: true,
    });
    Ground {
        id: plan_id(),
        case: case_id(),
        parent: None,
        kind: PlanKind::Contain,
        tier: Tier::Contain,
        subjects: subjects.collect(),
        naming: Naming { key, salter },
        valid_seconds: 3600,
    }
}

fn contain(entries: &[Entry<'_>]) -> Plan {
    let (salter, key) = (salter(), key());
    draft::contain(&ground(entries, &salter, &key))
}

/// `2 suspend_identity pg-main/v-approle-ro-x <1a~`.
fn written(step: &Step) -> String {
    format!("{} {} {}{}", step.n, step.action.name(), step.selector.in_words(), edges(step))
}

fn check(name: &str, entries: &[Entry<'_>], steps: &[&str], gaps: &[&str]) {
    let plan = contain(entries);
    assert_eq!(plan.steps.iter().map(written).collect::<Vec<_>>(), steps, "{name}");
    assert_eq!(plan.gaps, gaps, "{name}");
    assert!(plan.is_well_formed(), "{name}");
}

#[test]
fn a_leaked_secret_id_is_followed_to_the_sessions_of_its_leases() {
    let (leak, login) = (leak(vec![led(Some(lease()), leased(), Derivation::LEASE)]), leased_login());
    check(
        "the sessions end before the lease, and before the tokens whose end would drop the login",
        &[(&leak, &vault(), None), (&login, &database(), Some(Derivation::LEASE))],
        &[
            "1 suspend_identity bao-main/approle:ci",
            "2 suspend_identity pg-main/v-approle-ro-x <1a~",
            "3 terminate_sessions every session of pg-main/v-approle-ro-x <2a!",
            "4 terminate_sessions every session of bao-main/approle:ci <1a! <3a~",
            "5 revoke_credential bao-main/approle:ci#secret_id:a1 <1a~",
            "6 revoke_credential bao-main/lease:database/creds/ro/x <1a~ <3a~",
        ],
        &[],
    );
}

#[test]
fn a_consumer_moves_first_and_the_store_forgets_the_old_secret_then() {
    let leak = leak(vec![led(None, identity(), Derivation::READS)]);
    let billing = CaseEnriched { rotation: failover(), derivations: vec![led(None, store(), Derivation::KEEPS)], ..enriched() };
    let version = on("bao-main", TargetKind::Credential, "kv:secret/billing#version:1", "kv:secret/billing");
    let kept = subject(store(), vec![(version, Some(CredentialKind::Unknown))]);
    let (vault, database) = (vault(), database());
    let entries: [Entry<'_>; 3] =
        [(&leak, &vault, None), (&billing, &database, Some(Derivation::READS)), (&kept, &vault, Some(Derivation::KEEPS))];
    check(
        "the leak is fenced at once; only the job's own cut waits for the job",
        &entries,
        &[
            "1 reissue_credential pg-main/billing_app",
            "2 suspend_identity bao-main/approle:ci",
            "3 rotate_credential pg-main/billing_app#password <1p!",
            "4 suspend_identity pg-main/billing_app <1p! <3a~ <2a~",
            "5 terminate_sessions every session of pg-main/billing_app <4a!",
            "6 terminate_sessions every session of bao-main/approle:ci <2a!",
            "7 revoke_credential bao-main/approle:ci#secret_id:a1 <2a~",
            "8 revoke_credential bao-main/lease:database/creds/ro/x <2a~",
            "9 revoke_credential bao-main/kv:secret/billing#version:1 <1p!",
        ],
        &[],
    );
    let plan = contain(&entries);
    let fails_over: Vec<u16> = plan.steps.iter().filter(|s| plan.fails_over(s)).map(|s| s.n).collect();
    assert_eq!(fails_over, [1, 3, 4, 5, 9], "that one subject fails over excuses no cut of another one");
    let roots: Vec<String> = plan.roots.iter().filter(|r| r.kind == TargetKind::Identity).map(Target::reference).collect();
    assert_eq!(roots, ["bao-main/approle:ci", "pg-main/billing_app"], "a store is not swept: it holds the new credential soon");
}

#[test]
fn what_nobody_logs_in_as_is_not_locked_and_that_is_no_gap() {
    let never = CaseEnriched { no_login: Some("no entity stands behind it yet".into()), ..leak(vec![]) };
    check(
        "a secret-id that nobody used yet",
        &[(&never, &vault(), None)],
        &[
            "1 terminate_sessions every session of bao-main/approle:ci",
            "2 revoke_credential bao-main/approle:ci#secret_id:a1",
            "3 revoke_credential bao-main/lease:database/creds/ro/x",
        ],
        &["`bao-main/approle:ci#batch_tokens` is neither replaced nor revoked"],
    );
}

#[test]
fn each_secret_id_is_a_step_of_its_own_and_a_name_for_all_of_them_is_none() {
    let secret_id = |native: &str| (at_ci(TargetKind::Credential, native), Some(CredentialKind::SecretId));
    // The leaked one comes first; the inventory knows them by one name.
    let several = || {
        vec![
            secret_id("approle:ci#secret_id:a2"),
            secret_id("approle:ci#secret_id"),
            secret_id("approle:ci#secret_id:a1"),
            secret_id("approle:ci#secret_id:a3"),
        ]
    };
    let several_ids = subject(ci(), several());
    let (vault, entries) = (vault(), ["a2", "a1", "a3"]);
    check(
        "the lock proves the name for all of them",
        &[(&several_ids, &vault, None)],
        &[
            "1 suspend_identity bao-main/approle:ci",
            "2 terminate_sessions every session of bao-main/approle:ci <1a!",
            "3 revoke_credential bao-main/approle:ci#secret_id:a2 <1a~",
            "4 revoke_credential bao-main/approle:ci#secret_id:a1 <1a~",
            "5 revoke_credential bao-main/approle:ci#secret_id:a3 <1a~",
        ],
        &[],
    );
    // Each is bounded to itself, proved by itself and taken out by itself.
    let plan = contain(&[(&several_ids, &vault, None)]);
    for (step, accessor) in plan.steps[2..].iter().zip(entries) {
        let (own, _) = secret_id(&format!("approle:ci#secret_id:{accessor}"));
        assert!(matches!(&step.selector, Selector::Exactly { target } if target.id == own.id));
        assert!(matches!(&step.proves, quell_core::plan::Proves::Dead { selector: Selector::Exactly { target } } if target.id == own.id));
        assert_eq!(step.bounds.count_max, 1);
    }

    let never = CaseEnriched { no_login: Some("no entity stands behind it yet".into()), ..subject(ci(), several()) };
    let last = contain(&[(&never, &vault, None)]);
    assert_eq!(
        last.steps.iter().skip(1).map(|s| s.selector.in_words()).collect::<Vec<_>>(),
        ["a2", "a1", "a3"]
            .map(|a| format!("bao-main/approle:ci#secret_id:{a}"))
            .into_iter()
            .chain(["bao-main/approle:ci#secret_id".to_owned()])
            .collect::<Vec<_>>(),
        "where nothing is locked, what bears the name of all comes after each of them"
    );
    let alone = subject(ci(), vec![secret_id("approle:ci#secret_id")]);
    let one = contain(&[(&alone, &vault, None)]);
    assert_eq!(one.steps.last().map(|s| s.selector.in_words()), Some("bao-main/approle:ci#secret_id".to_owned()), "nobody listed them");
}

#[test]
fn the_way_back_over_planes_leaves_leases_and_stores_as_they_are() {
    let (leak, login) = (leak(vec![led(Some(lease()), leased(), Derivation::LEASE)]), leased_login());
    let billing = CaseEnriched { rotation: failover(), ..enriched() };
    let kept = subject(store(), vec![]);
    let (vault, database) = (vault(), database());
    let entries: [Entry<'_>; 4] = [
        (&leak, &vault, None),
        (&login, &database, Some(Derivation::LEASE)),
        (&billing, &database, Some(Derivation::READS)),
        (&kept, &vault, Some(Derivation::KEEPS)),
    ];
    let (salter, key) = (salter(), key());
    let contained = contain(&entries);
    let back = draft::undo(&ground(&entries, &salter, &key), UndoMode::Reinstate, &contained, &[], &[]);
    assert_eq!(
        back.steps.iter().map(|s| format!("{} {}", s.action.name(), s.plane.connector)).collect::<Vec<_>>(),
        ["terminate_sessions bao-main", "reinstate bao-main", "terminate_sessions pg-main", "reinstate pg-main", "retire_identity pg-main"]
    );
    let next: Vec<&str> = back
        .steps
        .iter()
        .filter_map(|s| match &s.proves {
            quell_core::plan::Proves::Reinstated { credential, .. } => Some(credential.native.shown()),
            _ => None,
        })
        .collect();
    assert!(next[0].starts_with("approle:ci#secret_id:") && next[1].starts_with("billing_app#password:"), "{next:?}");
}

/// A user of a cloud with a key, a password that is taken away and never replaced, and a
/// role that was assumed with the key.
#[test]
fn where_no_secret_is_replaced_keys_and_passwords_go_and_a_role_loses_its_sessions_alone() {
    let cloud = manifest(&[Action::SuspendIdentity, Action::TerminateSessions, Action::RevokeCredential, Action::Reinstate]);
    let user = |kind, native| on("aws-main", kind, native, "user/ci");
    let key_of = user(TargetKind::Credential, "AKIA1");
    let role = on("aws-main", TargetKind::Identity, "role/deploy", "role/deploy");
    let ci = CaseEnriched {
        derivations: vec![led(Some(key_of.clone()), role.clone(), "assumes")],
        ..subject(
            user(TargetKind::Identity, "user/ci"),
            vec![
                (key_of, Some(CredentialKind::AccessKey)),
                (user(TargetKind::Credential, "user/ci#password"), Some(CredentialKind::Password)),
            ],
        )
    };
    let deploy = CaseEnriched { no_login: Some("a role has no credential".into()), ..subject(role, vec![]) };
    let entries: [Entry<'_>; 2] = [(&ci, &cloud, None), (&deploy, &cloud, Some("assumes"))];
    check(
        "the user is locked before the sessions of the role end",
        &entries,
        &[
            "1 suspend_identity aws-main/user/ci",
            "2 terminate_sessions every session of aws-main/role/deploy",
            "3 terminate_sessions every session of aws-main/user/ci <1a!",
            "4 revoke_credential aws-main/AKIA1 <1a~ <2a~",
            "5 revoke_credential aws-main/user/ci#password <1a~",
        ],
        &[],
    );
    let (salter, key) = (salter(), key());
    let back = draft::undo(&ground(&entries, &salter, &key), UndoMode::Reinstate, &contain(&entries), &[], &[]);
    let steps: Vec<String> = back.steps.iter().map(|s| format!("{} {}", s.action.name(), s.selector.in_words())).collect();
    assert_eq!(steps, ["terminate_sessions every session of aws-main/user/ci", "reinstate aws-main/user/ci"]);
    let next = back.steps.iter().find_map(|s| match &s.proves {
        quell_core::plan::Proves::Reinstated { credential, .. } => Some(credential.native.shown()),
        _ => None,
    });
    let next = next.expect("it is reinstated");
    assert!(next.starts_with("user/ci#access_key:"), "{next}");
    assert_eq!(draft::issued_kind(next), Some(CredentialKind::AccessKey));
}

#[test]
fn what_is_given_back_is_of_the_kind_that_was_taken() {
    use CredentialKind::{Certificate, Password, SecretId, SshKey};
    let vault = vault();
    for (kinds, word, issued) in [
        (vec![SshKey], "ssh_key", SshKey),
        (vec![Certificate, SshKey], "ssh_key", SshKey),
        (vec![SecretId], "secret_id", SecretId),
        (vec![SshKey, Password], "password", Password),
        (vec![], "password", Password),
    ] {
        let credentials = kinds.iter().enumerate().map(|(n, kind)| (at_ci(TargetKind::Credential, &format!("c{n}")), Some(*kind)));
        let found = subject(ci(), credentials.collect());
        let entries: [Entry<'_>; 1] = [(&found, &vault, None)];
        let (salter, key) = (salter(), key());
        let back = draft::undo(&ground(&entries, &salter, &key), UndoMode::Reinstate, &contain(&entries), &[], &[]);
        let next = back.steps.iter().find_map(|s| match &s.proves {
            quell_core::plan::Proves::Reinstated { credential, .. } => Some(credential.native.shown()),
            _ => None,
        });
        let next = next.expect("it is reinstated");
        assert!(next.starts_with(&format!("approle:ci#{word}:")), "{kinds:?}: {next}");
        assert_eq!(draft::issued_kind(next), Some(issued), "{kinds:?}");
    }
}

fn case(subjects: Vec<CaseEnriched>) -> Case {
    let mut leaked = finding("f-1", "src-1");
    leaked.resolved.as_mut().expect("it names somebody").identity = ci();
    let mut case = Case::opened(&opened(leaked), crate::world::at(0));
    for subject in subjects {
        case.apply(&subject.into(), &quell_core::event::By::Automation, crate::world::at(1));
    }
    case
}

#[test]
fn what_belongs_together_is_one_part_and_the_rest_are_parts_of_their_own() {
    let derived = vec![led(Some(lease()), leased(), Derivation::LEASE), led(None, identity(), Derivation::READS)];
    let billing = CaseEnriched { derivations: vec![led(None, store(), Derivation::KEEPS)], ..enriched() };
    let case = case(vec![leak(derived), leased_login(), billing, subject(store(), vec![])]);
    let named = |parts: Vec<draft::Part>| -> Vec<Vec<String>> {
        parts.iter().map(|p| p.subjects.iter().map(|(id, _)| case.subjects[id].identity.reference()).collect()).collect()
    };
    let roots = [ci().id];
    assert_eq!(
        named(draft::parts(&case, &roots, |_| false)),
        [vec!["bao-main/approle:ci", "pg-main/v-approle-ro-x"], vec!["pg-main/billing_app", "bao-main/kv:secret/billing"]]
    );
    let treated = |s: &CaseEnriched| s.identity.id == identity().id;
    assert_eq!(named(draft::parts(&case, &roots, treated))[0].len(), 2, "what another plan has is not drafted again");
    // The owner came into the case later, and what she used is cut after her.
    let owner = on("ldap-main", TargetKind::Identity, "uid=alice", "uid=alice");
    let mut with_owner = case.clone();
    let used = CaseEnriched { derivations: vec![led(None, ci(), "login")], ..subject(owner.clone(), vec![]) };
    with_owner.apply(&used.into(), &quell_core::event::By::Automation, crate::world::at(2));
    let parts = draft::parts(&with_owner, &[ci().id, owner.id.clone()], |_| false);
    assert_eq!(parts[0].subjects, [(owner.id, None)], "issuers before issued, whatever came in first");
}

#[test]
fn what_was_reached_and_is_protected_is_in_no_plan_and_in_a_persons_hands() {
    let guarded = CaseEnriched {
        facts: quell_core::decision::IdentityFacts { protected: Some("the inventory says it is protected".into()), ..facts() },
        ..enriched()
    };
    let case = case(vec![leak(vec![led(None, identity(), Derivation::READS)]), guarded]);
    let roots = [ci().id];
    assert_eq!(draft::parts(&case, &roots, |_| false).len(), 1);
    let told = draft::reached_and_protected(&case, &roots);
    assert_eq!(told, ["`pg-main/billing_app` was reached (reads) and is protected (the inventory says it is protected): decide by hand"]);
}

#[test]
fn what_came_from_what_is_remembered_when_the_plane_forgets_it() {
    let mut case = case(vec![leak(vec![led(Some(lease()), leased(), Derivation::LEASE)]), leased_login()]);
    case.apply(&leak(vec![]).into(), &quell_core::event::By::Automation, crate::world::at(9));
    let (from, how) = case.issuer_of(&leased().id).expect("the lease is revoked, and it still came from it");
    assert_eq!((from.identity.id.clone(), how.via.as_str()), (ci().id, Derivation::LEASE));
    let ring: Vec<TargetId> = case.subjects_of(&[ci()]).into_iter().map(|(t, _)| t.id).collect();
    assert_eq!(ring, [ci().id, leased().id]);
}

#[test]
fn a_single_subject_is_planned_as_before() {
    let alone = Drafting::default().contain();
    let billing = enriched();
    let again = contain(&[(&billing, &database(), None)]);
    let words = |p: &Plan| p.steps.iter().map(written).collect::<Vec<_>>();
    assert_eq!(words(&alone), words(&again));
    let about_password = |s: &&Step| matches!(&s.selector, Selector::Exactly { target } if target.id == password().id);
    assert!(again.steps.iter().any(|s| about_password(&s)) && session(1).plane == "pg-main");
}

#[test]
fn what_may_run_at_once_does_not_wait_for_what_people_are_asked_about() {
    let derived = vec![led(Some(lease()), leased(), Derivation::LEASE), led(None, identity(), Derivation::READS)];
    let case = case(vec![leak(derived), leased_login(), enriched()]);
    let parts = || draft::parts(&case, &[ci().id], |_| false);
    let is_leak = |p: &draft::Part| p.subjects[0].0 == ci().id;
    let groups = |free: fn(&draft::Part) -> bool| draft::apart(parts(), free).iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(draft::apart(parts(), is_leak).iter().map(|g| g[0].subjects[0].0.clone()).collect::<Vec<_>>(), [ci().id, identity().id]);
    assert_eq!((groups(|_| true), groups(|_| false)), (vec![2], vec![2]), "the same for all is one plan");
}

#[test]
fn a_login_belongs_to_whom_it_was_leased_to_and_one_that_was_read_does_not() {
    for (via, issuer) in [(Derivation::LEASE, true), (Derivation::KEEPS, true), (Derivation::READS, false), ("minted", false)] {
        let case = case(vec![leak(vec![led(None, leased(), via)])]);
        assert_eq!(case.issuer_of(&leased().id).is_some(), issuer, "{via}");
    }
    // Both ways at once: what it belongs to counts, in whatever order they are found.
    let both = case(vec![
        leak(vec![led(Some(lease()), leased(), Derivation::LEASE)]),
        CaseEnriched { derivations: vec![led(None, leased(), Derivation::READS)], ..enriched() },
    ]);
    assert_eq!(both.issuer_of(&leased().id).map(|(s, _)| s.identity.id.clone()), Some(ci().id));
}

#[test]
fn facts_are_asserted_of_it_or_of_whom_it_belongs_to_and_never_guessed() {
    use quell_core::{decision::Criticality, inventory::facts, signal::IdentityKind};
    let issuer = crate::world::facts();
    let of = |issuer| facts::facts(&leased(), None, None, issuer, None, false);
    let leased_facts = of(Some(&issuer));
    assert_eq!((leased_facts.criticality, leased_facts.shared, leased_facts.kind), (Some(Criticality::High), Some(false), issuer.kind));
    assert_eq!((leased_facts.id, leased_facts.plane), (leased().id.to_string(), "pg-main".to_owned()), "itself, and not its issuer");
    let unknown = of(None);
    assert_eq!((unknown.criticality, unknown.shared, unknown.kind), (None, None, IdentityKind::Unknown));
    let (subject, how) = (CaseEnriched { dependents: Some(3), ..leak(vec![]) }, |via: &str| led(None, leased(), via));
    let depends = |known, via: Option<&str>| {
        let how = via.map(how);
        facts::dependents(known, 7, how.as_ref().map(|how| (&subject, how)))
    };
    assert_eq!(depends(true, Some(Derivation::LEASE)), Some(7));
    assert_eq!(depends(false, Some(Derivation::LEASE)), Some(0), "nobody else has its password");
    assert_eq!(depends(false, Some(Derivation::KEEPS)), Some(3));
    assert_eq!(depends(false, None), None, "unknown is not 0");
}

#[test]
fn what_a_case_does_not_follow_any_more_is_said() {
    let many = |n: usize| {
        let to = (0..n).map(|i| on("pg-main", TargetKind::Identity, &format!("role{i}"), &format!("role{i}")));
        let case = case(vec![leak(to.map(|t| led(None, t, Derivation::READS)).collect())]);
        (case.subjects_of(&case.roots()).len(), case.not_looked_at().iter().any(|gap| gap.contains("more than 64 identities")))
    };
    assert_eq!(many(63), (64, false), "exactly as many as it follows");
    assert_eq!(many(64), (64, true));
}
