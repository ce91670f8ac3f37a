//! Every event type that was ever released decodes for ever.
//!
//! `QUELL_BLESS=1` writes the golden file of a type that has none yet; one that
//! exists is never written again. Every field of a shape is in its sample, so a
//! field that goes or changes shows.

use std::{collections::BTreeMap, fs, path::PathBuf};

use quell_core::{
    action::Action,
    canonical,
    clear::Cleared,
    decision::{Approvals, Role},
    event::{self, *},
    finding::{FiledSignal, Outcome},
    hold::Round,
    id::{AlertId, AttemptId, CaseId, ErasureId, FindingId, PersonId, SourceId, StreamId, TaskId, TokenId},
    notice::{Cause, To},
    personal::Personal,
    plan::{Plan, PlanKind, Tier, Until},
    proof::{Answer, Channel, Control, Liveness, Observation, ProbeClass, Proved, Strength},
    signal::{CredentialKind, IdentityKind, ObservedFrom, Resolvable, SignalKind, Unreadable},
    target::Reading,
};

use crate::world::{approval, at, case_id, decision, enriched, finding, identity, opened, password, person, plan_id, salter, session};

fn text(value: &str) -> Personal {
    salter().commit(value)
}

fn reading() -> Reading {
    Reading {
        exists: true,
        facts: BTreeMap::from([("rolcanlogin".to_owned(), Some("true".to_owned())), ("rolvaliduntil".to_owned(), None)]),
        sealed: BTreeMap::from([("verifier".to_owned(), "b0".to_owned())]),
    }
}

fn cleared() -> Cleared {
    Cleared {
        attempt: AttemptId::new("at-1"),
        plan: plan_id(),
        plan_digest: plan().digest(),
        step: 1,
        action: Action::SuspendIdentity,
        target: identity().id,
        decision: decision(true),
        approvals: vec![approval("bea", Role::BusinessOwner, &plan()).id],
        budget: Some(("automation".to_owned(), 3)),
    }
}

fn round() -> Round {
    let control = Control { class: ProbeClass::Login, alive: true, started_at: at(9), what: "a login of the control".to_owned() };
    let observation = Observation {
        class: ProbeClass::Login,
        started_at: at(10),
        ended_at: at(11),
        vantage: "this node".to_owned(),
        channel: Channel::TlsPinned,
        answer: Answer::Refused { code: "28000".to_owned() },
        control: Some(control),
        plane_clock: Some(at(10)),
        authoritative: true,
    };
    Round {
        case: case_id(),
        plan: Some(plan_id()),
        observations: vec![observation],
        proved: Proved {
            liveness: Liveness::Dead,
            strength: Some(Strength::Exercised),
            residual_until: None,
            reason: "refused".to_owned(),
        },
        decisive: Some(0),
        in_use: Some(true),
        used: None,
        at: at(11),
    }
}

/// As it was drafted when its shape was released: what is drafted today is another matter.
fn plan() -> Plan {
    let mut plan = crate::world::plan();
    plan.steps[2].after[0].until = Until::AfterAct;
    plan
}

fn filed() -> FiledSignal {
    FiledSignal {
        alert: AlertId::new("al-1"),
        source: SourceId::new("src-1"),
        detector: "gitleaks".to_owned(),
        detector_version: 1,
        kind: SignalKind::LeakedSecret,
        title: text("a title"),
        observed_at: at(1),
        observed_at_from: ObservedFrom::Event,
        severity: 0,
        severity_vendor: Some("high".to_owned()),
        vendor_confidence: Some("verified".to_owned()),
        sample: false,
        containment_evidence: false,
        unsigned: false,
        resolvable: Resolvable::SecretOnly,
        identity_kind: IdentityKind::Unknown,
        native_id: Some(text("billing_app")),
        name: Some(text("Billing")),
        system: Some(text("pg-main")),
        credential_kind: Some(CredentialKind::Password),
        credential_id: Some(text("billing_app#password")),
        fingerprint: Some(quell_core::secret::Fingerprint("hmac-sha256:00".to_owned())),
        actor_id: Some(text("x")),
        actor_name: Some(text("y")),
        actor_ip: Some(text("192.0.2.1")),
        dedupe: "d0".to_owned(),
        reasons: vec!["because".to_owned()],
        uncompared: vec![],
    }
}

/// One of each, with nothing left out.
fn samples() -> Vec<Event> {
    let approvals = Approvals::from([(Role::BusinessOwner, 1)]);
    let (case, who, token) = (case_id(), person("bea"), TokenId::new("tok-1"));
    vec![
        AlertReceived {
            alert: AlertId::new("al-1"),
            source: SourceId::new("src-1"),
            detector: "gitleaks".into(),
            bytes: 812,
            sealed: "b1".into(),
        }
        .into(),
        AlertFiled {
            alert: AlertId::new("al-1"),
            signals: vec![filed()],
            unreadable: vec![Unreadable { record: 2, reason: "not JSON".into() }],
            findings: vec![FindingId::new("f-1")],
            cases: vec![case.clone()],
            parts: None,
        }
        .into(),
        AlertPartFiled {
            alert: AlertId::new("al-1"),
            part: 2,
            of: 90,
            signals: vec![filed()],
            unreadable: vec![Unreadable { record: 2, reason: "not JSON".into() }],
            findings: vec![FindingId::new("f-1")],
            cases: vec![case.clone()],
        }
        .into(),
        AlertRefused { source: SourceId::new("src-1"), because: "a nonce came again".into(), count: 2 }.into(),
        opened(finding("f-1", "src-1")).into(),
        FindingAttached { finding: finding("f-2", "src-2"), because: "the same identity".into(), received_at: None }.into(),
        CaseMerged { from: CaseId::new("C-2"), opened_at: at(-60), reason: text("one incident") }.into(),
        CaseMergedAway { into: CaseId::new("C-2"), reason: text("one incident") }.into(),
        CaseUnmerged {
            from: CaseId::new("C-2"),
            findings: vec![FindingId::new("f-2")],
            subjects: vec![identity().id],
            plans: vec![plan_id()],
            reason: text("two incidents"),
        }
        .into(),
        CaseGivenBack { from: CaseId::new("C-2"), reason: text("two incidents") }.into(),
        FindingRepeated {
            finding: FindingId::new("f-1"),
            alert: AlertId::new("al-2"),
            sender: SourceId::new("src-1"),
            at: at(3),
            dedupe: "d1".into(),
            counts: true,
            unsigned: false,
            real: false,
            folded: None,
        }
        .into(),
        FindingEnded { finding: FindingId::new("f-1"), outcome: Outcome::AcceptedRisk { until: at(99) }, evidence: Some(text("why")) }
            .into(),
        enriched().into(),
        TargetLinked { target: session(1), credential_kind: None, because: "found by step 2".into() }.into(),
        PlanLinked { plan: plan_id(), kind: PlanKind::Contain }.into(),
        CaseAdvanced { stage: Stage::Acted }.into(),
        PeopleAsked {
            plan: plan_id(),
            wanted: approvals.clone(),
            roles: vec![Role::BusinessOwner],
            people: vec![who.clone()],
            deadline: at(600),
            at_timeout: "the response owner is asked, too".into(),
            passed_over: vec![(person("eve"), "joined to a subject".into())],
            escalation: 0,
        }
        .into(),
        VerdictGiven { role: Role::Secops, verdict: Verdict::Malicious, evidence: Some(text("seen")) }.into(),
        LeadTaken { lead: who.clone(), from: Some(person("lea")) }.into(),
        NoteAdded { text: text("a note") }.into(),
        TaskAdded {
            task: TaskId::new("task-1"),
            plan: Some(plan_id()),
            step: Some(2),
            owner: Role::PlatformOwner,
            what: "by hand".into(),
            text: Some(text("more")),
            reviews: None,
        }
        .into(),
        TaskEnded { task: TaskId::new("task-1"), attested: Some(text("done")), seen_at: None, file: None }.into(),
        SecretUsed { alert: AlertId::new("al-1"), target: password().id, purpose: "one probe round".into() }.into(),
        RestAccepted { target: password().id, until: at(99), reason: text("r") }.into(),
        CaseClosed { note: Some(text("over")) }.into(),
        CaseReopened { because: "usable again".into() }.into(),
        CaseExported { heads: vec![Head { stream: StreamId::plan(&plan_id()), version: 4, leaf: "aa".into() }], case_json: "bb".into() }
            .into(),
        PlanDrafted {
            digest: plan().digest(),
            plan: plan(),
            preview: Preview {
                targets: BTreeMap::from([(1, vec![identity()])]),
                dependents: BTreeMap::from([(1, vec![text("billing-job")])]),
                changed_since: vec!["x".into()],
            },
        }
        .into(),
        PlanDecided {
            steps: vec![StepDecision { step: 1, decision: decision(false), wanted: Some(approvals.clone()) }],
            wanted: approvals,
            never: vec![2],
            until: at(3600),
        }
        .into(),
        PlanDenied { reason: text("no") }.into(),
        GlassBroken {
            role: Role::Lead,
            reason: text("they are draining it"),
            until: at(900),
            skipped: Approvals::from([(Role::BusinessOwner, 1)]),
        }
        .into(),
        PlanExcluded { targets: vec![session(1).id], reason: Some(text("ours")) }.into(),
        PlanStarted {
            approvals: vec![approval("bea", Role::BusinessOwner, &plan()).id],
            ordered: true,
            gaps_accepted: Some(text("now")),
            closes_at: at(3600),
        }
        .into(),
        TargetsFound { step: 2, new: vec![session(1)], listed: vec![session(1).id], outside: vec![session(2)] }.into(),
        StepEnded { step: 2, ended: "proved".into(), because: "1 proved".into() }.into(),
        PlanPaused { because: "the control died".into() }.into(),
        PlanResumed {}.into(),
        PlanEnded { ended: "proved".into(), because: "every step is proved".into() }.into(),
        ApprovalGiven { approval: approval("bea", Role::BusinessOwner, &plan()), comment: Some(text("fine")) }.into(),
        ApprovalUsed { plan: plan_id() }.into(),
        HoldPlaced {
            case: case.clone(),
            target: password(),
            credential_kind: Some(CredentialKind::Password),
            before: Some(reading()),
            leaked_was_right: true,
            seen_live_at: Some(at(2)),
        }
        .into(),
        HoldReleased { case: case.clone(), last: true }.into(),
        AttemptIntended { cleared: cleared(), case: case.clone(), new_secret: Some("b2".into()), read: Some(reading()) }.into(),
        AttemptEnded {
            attempt: AttemptId::new("at-1"),
            case,
            outcome: "done".into(),
            reason: Some("r".into()),
            changed: BTreeMap::from([("rolcanlogin".to_owned(), (Some("true".to_owned()), Some("false".to_owned())))]),
            read_back: false,
            issued: None,
        }
        .into(),
        TargetProbed { round: round(), blobs: vec!["b3".into()] }.into(),
        BudgetSpent { scope: "automation".into(), hour: 490_000, attempt: AttemptId::new("at-1"), spent: 3 }.into(),
        PersonCreated {
            person: who,
            name: text("bea"),
            email: Some(text("bea@corp.example")),
            roles: vec![Role::BusinessOwner],
            human: true,
            name_key: "n0".into(),
            email_key: Some("e0".into()),
            password: Some("b4".into()),
        }
        .into(),
        PersonChanged { roles: Some(vec![Role::Iam]), password: Some("b5".into()), disabled: Some(false) }.into(),
        SignedIn { token: token.clone(), hash: "h0".into(), expires_at: at(43_200) }.into(),
        TokenCreated { token: token.clone(), hash: "h1".into(), name: text("ci"), scopes: vec!["cases:read".into()], expires_at: at(99) }
            .into(),
        TokenRevoked { token: token.clone(), hash: "h1".into() }.into(),
        SourceCreated {
            source: SourceId::new("src-1"),
            name: "gitleaks-ci".into(),
            detector: "gitleaks".into(),
            token,
            hash: "h2".into(),
            hmac_key: Some("b6".into()),
            systems: vec!["pg-*".into()],
            tier_max: Tier::Contain,
            expires_at: Some(at(99)),
        }
        .into(),
        SourceOwned { owner: person("tess") }.into(),
        InventoryImported { source: "cmdb".into(), read: 5, added: 2, changed: 1, unchanged: 1, gone: 1, digest: "dd".into() }.into(),
        ContextImported { name: "kev".into(), form: quell_core::context::Form::Kev, entries: 2, digest: "dd".into(), blob: "b7".into() }
            .into(),
        FactsAsserted { facts: vec![text("{}")], gone: vec![text("identity:x")] }.into(),
        PolicyLoaded { digest: "pp".into(), files: vec![("iam.cedar".into(), "ff".into())] }.into(),
        ConnectorArmed { connector: "pg-main".into(), actions: vec![Action::SuspendIdentity], until: at(3600) }.into(),
        ConnectorDisarmed { connector: "pg-main".into() }.into(),
        AutomationPaused { until: at(600), reason: Some(text("why")) }.into(),
        AutomationResumed {}.into(),
        ClockStepped { from: at(100), to: at(1) }.into(),
        ErasureRequested {
            erasure: ErasureId::new("er-1"),
            whom: vec![text("Mara Lind")],
            reason: text("she asked for it"),
            subjects: vec![person("bea")],
            cases: vec![case_id()],
            commitments: vec!["ab".repeat(32)],
            sealed: vec!["cd".repeat(32)],
        }
        .into(),
        ErasureExtended { cases: vec![case_id()], commitments: vec!["ef".repeat(32)], sealed: vec!["01".repeat(32)] }.into(),
        ErasureApproved {}.into(),
        ErasureDenied { reason: text("a court asks for it") }.into(),
        ErasureWithdrawn {}.into(),
        ReuseSeen { target: password().id, accepted: 1, refused: 7, last_at: at(90) }.into(),
        ValuesErased { commitments: vec!["ab".repeat(32)], sealed: vec!["cd".repeat(32)] }.into(),
        NoticeDue {
            notice: "asked/p-1/0/u-1".into(),
            case: case_id(),
            to: To::Named(text("night desk")),
            cause: Cause::Asked,
            pages: true,
        }
        .into(),
        NoticeHanded {
            notice: "asked/p-1/0/u-1".into(),
            case: case_id(),
            people: vec![person("bea"), person("dee")],
            interrupts: vec![person("bea")],
            counts: true,
            over: vec!["inbox".into()],
            failed: vec![FailedChannel { channel: "mail".into(), why: "the server cannot be reached".into(), again: true }],
        }
        .into(),
        NoticeDropped { notice: "asked/p-1/0/u-1".into(), case: case_id(), because: "the case is closed".into() }.into(),
        PopulationExported { from: 3, to: 9, cases: 2, bundle: "ab".repeat(32) }.into(),
    ]
}

fn recorded(event: Event) -> Recorded {
    Recorded {
        stream: StreamId::case(&CaseId::new("C-1")),
        version: 2,
        prev: Some("0a".repeat(32)),
        at: at(5),
        by: By::Person(PersonId::new("u-1")),
        cause: Some("al-1".into()),
        event,
    }
}

fn golden(name: &str, version: u16) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.v{version}.json"))
}

#[test]
fn every_released_event_decodes_for_ever_and_is_written_as_it_was() {
    let samples = samples();
    for (name, version) in event::TYPES {
        let sample = samples.iter().find(|e| e.name() == *name).unwrap_or_else(|| panic!("no sample of `{name}`"));
        let (bytes, disclosures) = event::encode(&recorded(sample.clone())).expect(name);
        let path = golden(name, *version);
        if !path.exists() && std::env::var_os("QUELL_BLESS").is_some() {
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(&path, &bytes).expect("written");
        }
        let stored =
            fs::read(&path).unwrap_or_else(|_| panic!("`{name}` version {version} has no golden file; QUELL_BLESS=1 writes it once"));
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            String::from_utf8_lossy(&stored),
            "`{name}` is written differently now; a released shape never changes"
        );
        assert!(canonical::read(&stored).is_ok(), "`{name}`");

        // Erased, it decodes to the same without the values; disclosed, to the sample.
        let known = disclosures.into_iter().map(|d| (d.commitment.clone(), d)).collect();
        assert_eq!(event::decode(&stored, &known).expect(name).event, *sample, "`{name}`");
        let erased = event::decode(&stored, &BTreeMap::new()).expect(name);
        assert_eq!(event::encode(&erased).expect(name).0, stored, "`{name}` changes with its erasure");
    }
    let files = fs::read_dir(golden("x", 1).parent().expect("a folder")).expect("the golden files").count();
    assert!(files >= event::TYPES.len(), "a golden file of every released version stays");
}

#[test]
fn what_is_not_known_stops_the_node() {
    let (bytes, _) = event::encode(&recorded(PlanResumed {}.into())).expect("encoded");
    let text = String::from_utf8(bytes).expect("UTF-8");
    let cases = [
        (text.replace("plan_resumed", "plan_dreamt"), "unknown event type `plan_dreamt`"),
        (text.replace("\"v\":1", "\"v\":2"), "version 2"),
        (text.replace("\"v\":1", "\"v\":0"), "version 0"),
        (text.replace("\"by\":\"person:u-1\"", "\"by\":\"nobody\""), "unknown author"),
        (text.replace(',', ", "), "not canonical"),
        (text[..text.len() - 1].to_owned(), "not canonical"),
    ];
    for (changed, why) in cases {
        let error = event::decode(changed.as_bytes(), &BTreeMap::new()).expect_err(&changed).to_string();
        assert!(error.contains(why), "{error}: wanted {why}");
    }
}

#[test]
fn an_event_over_64_kib_is_refused_and_the_linkage_names_what_a_verifier_needs() {
    let long = StepEnded { step: 1, ended: "proved".into(), because: "x".repeat(event::EVENT_BYTES_MAX) };
    assert!(matches!(event::encode(&recorded(long.into())), Err(Undecodable::TooLong(_))));

    let (bytes, disclosures) = event::encode(&recorded(NoteAdded { text: text("a note") }.into())).expect("encoded");
    let linkage = event::linkage(&bytes).expect("linked");
    assert_eq!((linkage.stream.as_str(), linkage.version), ("case/C-1", 2));
    assert_eq!(linkage.commitments, vec![disclosures[0].commitment.clone()]);
    assert!(linkage.heads.is_none());
    let exported = samples().into_iter().find(|e| e.name() == "case_exported").expect("a sample");
    let (bytes, _) = event::encode(&recorded(exported)).expect("encoded");
    let linkage = event::linkage(&bytes).expect("linked");
    assert_eq!(linkage.heads.map(|h| h.len()), Some(1));
    assert_eq!(linkage.case_json.as_deref(), Some("bb"));
    // The stage that an event puts its case into is the one that the fold has.
    let mut case = quell_core::case::Case::opened(&opened(finding("f-1", "src-1")), at(0));
    for sample in samples() {
        let before = case.stages.len();
        case.apply(&sample, &By::Automation, at(9));
        let stage = case.stages[before..].last().map(|(stage, _)| serde_json::to_value(stage).expect("a word"));
        let (bytes, _) = event::encode(&recorded(sample.clone())).expect("encoded");
        let linkage = event::linkage(&bytes).expect("linked");
        assert_eq!(linkage.opens, sample.name() == "case_opened", "{}", sample.name());
        assert_eq!(linkage.at, at(5).to_string());
        let found = linkage.stage.filter(|_| !linkage.opens).map(serde_json::Value::from);
        assert_eq!(found, stage, "{}", sample.name());
    }
    // Only what is carried out explains a missing value; what is asked for does not.
    for (name, erased) in [("values_erased", 1), ("erasure_requested", 0), ("note_added", 0)] {
        let event = samples().into_iter().find(|e| e.name() == name).expect("a sample");
        let (bytes, _) = event::encode(&recorded(event)).expect("encoded");
        assert_eq!(event::linkage(&bytes).expect("linked").erased.len(), erased, "{name}");
    }
}
