//! What may be forgotten and who decides it: one record, one table of refusals.

use std::collections::BTreeSet;

use quell_core::{
    erasure::{Erasure, Found, LAPSES_SECONDS, Order, Refused, Search, Sought, decide, deny, names_a_person, withdraw},
    event::{
        AlertFiled, AlertPartFiled, AlertReceived, By, CaseClosed, CaseExported, CaseReopened, Event, HoldPlaced, HoldReleased, NoteAdded,
        Parts, PersonCreated, PlanDrafted, Recorded,
    },
    finding::FiledSignal,
    id::{AlertId, CaseId, ErasureId, SourceId, StreamId},
    personal::{Personal, Salter},
    signal::{IdentityKind, ObservedFrom, Resolvable, SignalKind},
    time::Timestamp,
};
use serde_json::json;

use crate::world::{at, case_id, finding, identity, opened, person, plan};

/// Salts differ from command to command.
fn text(salt: u8, value: &str) -> Personal {
    Salter::new([salt; 32]).commit(value)
}

fn by(who: &str) -> By {
    By::Person(person(who))
}

fn signal(name: &str, salt: u8) -> FiledSignal {
    FiledSignal {
        alert: AlertId::new("al-1"),
        source: SourceId::new("src-1"),
        detector: "quell".into(),
        detector_version: 1,
        kind: SignalKind::AnomalousUse,
        title: text(salt, "odd hours"),
        observed_at: at(0),
        observed_at_from: ObservedFrom::Event,
        severity: 1,
        severity_vendor: None,
        vendor_confidence: None,
        sample: false,
        containment_evidence: false,
        unsigned: false,
        resolvable: Resolvable::No,
        identity_kind: IdentityKind::Human,
        native_id: None,
        name: Some(text(salt, name)),
        system: None,
        credential_kind: None,
        credential_id: None,
        fingerprint: None,
        actor_id: None,
        actor_name: None,
        actor_ip: None,
        dedupe: "d".into(),
        reasons: vec![],
        uncompared: vec![],
    }
}

/// A record that grows event by event.
#[derive(Clone, Default)]
struct Ledger(Vec<Recorded>);

impl Ledger {
    fn add(&mut self, stream: StreamId, event: impl Into<Event>) -> &mut Self {
        let version = 1 + self.0.iter().filter(|r| r.stream == stream).count() as u64;
        let (by, event) = (By::Automation, event.into());
        self.0.push(Recorded { stream, version, prev: None, at: at(version as i64), by, cause: None, event });
        self
    }

    fn case(&mut self, event: impl Into<Event>) -> &mut Self {
        self.add(StreamId::case(&case_id()), event)
    }

    fn alert(&mut self, id: &str, signals: Vec<FiledSignal>) -> &mut Self {
        let alert = AlertId::new(id);
        let received = AlertReceived {
            alert: alert.clone(),
            source: SourceId::new("src-1"),
            detector: "quell".into(),
            bytes: 9,
            sealed: format!("sealed-{id}"),
        };
        let filed = AlertFiled { alert: alert.clone(), signals, unreadable: vec![], findings: vec![], cases: vec![case_id()], parts: None };
        self.add(StreamId::alert(&alert), received).add(StreamId::alert(&alert), filed)
    }

    fn search(&self, sought: Sought) -> Found {
        let mut search = Search::new(sought);
        self.0.iter().for_each(|recorded| search.read(recorded));
        search.finish()
    }
}

/// One closed case about Mara, who has an account, and an alert about two people.
fn ledger() -> Ledger {
    let mut ledger = Ledger::default();
    let account = PersonCreated {
        person: person("mara"),
        name: text(1, "Mara Lind"),
        email: Some(text(1, "mara.lind@corp.example")),
        roles: vec![],
        human: true,
        name_key: "k".into(),
        email_key: None,
        password: None,
    };
    ledger
        .add(StreamId::person(&person("mara")), account)
        .alert("al-1", vec![signal("Mara Lind", 2)])
        .alert("al-2", vec![signal("mara lind", 3), signal("Bo Ek", 3)])
        .alert("al-3", vec![signal("Bo Ek", 4)])
        .case(opened(finding("f-1", "src-1")))
        .case(NoteAdded { text: text(5, "called Mara Lind's manager") })
        .case(NoteAdded { text: text(5, "Tamara Lindqvist was on call") })
        .case(CaseExported { heads: vec![], case_json: "bb".into() })
        .case(CaseClosed { note: None });
    ledger
}

/// The sealed bytes of an alert that was filed in parts go only where every part is about the person.
#[test]
fn an_alert_in_parts_is_judged_by_all_of_them() {
    for (others, goes) in [("Mara Lind", true), ("Bo Ek", false)] {
        let mut ledger = ledger();
        let alert = AlertId::new("al-9");
        let received = AlertReceived {
            alert: alert.clone(),
            source: SourceId::new("src-1"),
            detector: "quell".into(),
            bytes: 9,
            sealed: "sealed-al-9".into(),
        };
        ledger.add(StreamId::alert(&alert), received);
        for (part, name) in [(1, others), (2, "Mara Lind")] {
            let signals = vec![signal(name, 7)];
            let filed =
                AlertPartFiled { alert: alert.clone(), part, of: 2, signals, unreadable: vec![], findings: vec![], cases: vec![case_id()] };
            ledger.add(StreamId::alert_part(&alert, part), filed);
        }
        let parts = Some(Parts { parts: 2, signals: 2, unreadable: 0 });
        let filed = AlertFiled { alert: alert.clone(), signals: vec![], unreadable: vec![], findings: vec![], cases: vec![], parts };
        ledger.add(StreamId::alert(&alert), filed);
        let found = ledger.search(person_named("Mara Lind"));
        assert_eq!(found.sealed.contains("sealed-al-9"), goes, "{others}");
        assert_eq!(found.kept.contains(&alert), !goes, "{others}");
    }
}

fn person_named(name: &str) -> Sought {
    Sought::Person { names: vec![name.into()], accounts: BTreeSet::new() }
}

fn commitments(of: &[&Personal], texts: &[&str]) -> Sought {
    Sought::Commitments {
        commitments: of.iter().map(|p| p.commitment().to_owned()).collect(),
        texts: texts.iter().map(|t| (*t).to_owned()).collect(),
    }
}

#[test]
fn a_search_finds_a_person_by_whole_words_and_where_the_values_stand() {
    let found = ledger().search(person_named("Mara Lind"));
    assert_eq!(found.commitments.len(), 4, "account, two alerts, one note; not Tamara Lindqvist");
    assert_eq!(found.subjects, BTreeSet::from([person("mara")]));
    assert_eq!(found.sealed, BTreeSet::from(["sealed-al-1".to_owned()]), "only what is about nobody else");
    assert_eq!(found.kept, vec![AlertId::new("al-2")]);
    let held = &found.cases[&case_id()];
    assert_eq!((held.open, held.holds, held.values, held.exported.len()), (false, false, 3, 1));

    let address = ledger().search(person_named("MARA.LIND@corp.example"));
    assert_eq!((address.commitments.len(), address.subjects.len(), address.cases.len()), (1, 1, 0));

    let note = text(5, "called Mara Lind's manager");
    let exact = ledger().search(commitments(&[&note], &["called Mara Lind's manager"]));
    assert_eq!((exact.commitments.len(), exact.known.len(), exact.elsewhere), (1, 1, 0));
    let name = text(2, "Mara Lind");
    let elsewhere = ledger().search(commitments(&[&name], &["Mara Lind"]));
    assert_eq!((elsewhere.commitments.len(), elsewhere.elsewhere, elsewhere.subjects.len()), (1, 1, 1), "the account has another salt");
}

#[test]
fn the_streams_of_a_case_belong_to_it() {
    let mut ledger = ledger();
    let target = identity();
    ledger
        .add(
            StreamId::plan(&plan().id),
            PlanDrafted { digest: plan().digest(), plan: plan(), preview: quell_core::event::Preview::default() },
        )
        .add(
            StreamId::target(&target.id),
            HoldPlaced {
                case: case_id(),
                target: target.clone(),
                credential_kind: None,
                before: None,
                leaked_was_right: false,
                seen_live_at: None,
            },
        );
    let sought = || person_named("billing_app");
    let held = ledger.search(sought()).cases[&case_id()].clone();
    assert!(held.holds && held.values >= 3, "opening, plan and target name it: {held:?}");
    ledger.add(StreamId::target(&target.id), HoldReleased { case: case_id(), last: true });
    assert!(!ledger.search(sought()).cases[&case_id()].holds);
}

/// What is ordered on the record, by whom, when, with what in the inventory.
struct Try {
    ledger: Ledger,
    sought: Sought,
    who: By,
    inventory: Vec<String>,
    now: Timestamp,
    /// Approve what ian requested, instead of requesting.
    approve: bool,
    erased: bool,
    subjects: Vec<&'static str>,
}

impl Try {
    fn decide(&self) -> Result<Vec<Event>, Refused> {
        let found = self.ledger.search(self.sought.clone());
        let request = Order::Request {
            erasure: ErasureId::new("er-1"),
            whom: vec![text(9, "Mara Lind")],
            reason: text(9, "asked by Mara Lind herself"),
        };
        if !self.approve {
            return decide(&request, &self.who, &found, &self.inventory, self.now);
        }
        let events = decide(&request, &by("ian"), &ledger().search(person_named("Mara Lind")), &[], at(0)).expect("a request");
        let Event::ErasureRequested(first) = &events[0] else { panic!("{events:?}") };
        let mut erasure = Erasure::requested(first, &by("ian"), at(0));
        erasure.subjects.extend(self.subjects.iter().map(|s| person(s)));
        erasure.erased_at = self.erased.then(|| at(1));
        decide(&Order::Approve(&erasure), &self.who, &found, &self.inventory, self.now)
    }
}

fn check(name: &str, approve: bool, change: impl Fn(&mut Try), expected: Result<usize, &str>) {
    let (ledger, sought, who) = (ledger(), person_named("Mara Lind"), if approve { by("rosa") } else { by("ian") });
    let mut order = Try { ledger, sought, who, inventory: vec![], now: at(60), approve, erased: false, subjects: vec![] };
    change(&mut order);
    match (order.decide(), expected) {
        (Ok(events), Ok(count)) => assert_eq!(events.len(), count, "{name}: {events:?}"),
        (Err(refused), Err(wanted)) => assert!(refused.to_string().contains(wanted), "{name}: {refused}"),
        (found, _) => panic!("{name}: {found:?}, wanted {expected:?}"),
    }
}

#[test]
fn two_people_who_are_not_the_subject_decide_about_closed_cases() {
    for approve in [false, true] {
        check("as it is", approve, |_| {}, Ok(if approve { 2 } else { 1 }));
        check("an agent", approve, |t| t.who = By::Agent(person("rosa")), Err("quell login"));
        check("automation", approve, |t| t.who = By::Automation, Err("quell login"));
        check("the subject", approve, |t| t.who = by("mara"), Err("two other people"));
        check(
            "an open case",
            approve,
            |t| {
                t.ledger.case(CaseReopened { because: "back".into() });
            },
            Err("case `C-0000000001` is open"),
        );
        let hold = |t: &mut Try| {
            let held = HoldPlaced {
                case: case_id(),
                target: identity(),
                credential_kind: None,
                before: None,
                leaked_was_right: false,
                seen_live_at: None,
            };
            t.ledger.add(StreamId::target(&identity().id), held);
        };
        check("on hold", approve, hold, Err("case `C-0000000001` is on hold"));
        let other = |t: &mut Try| {
            let (case, mut found) = (CaseId::new("C-2"), finding("f-2", "src-1"));
            found.title = text(7, "Mara Lind again");
            t.ledger.add(StreamId::case(&case), quell_core::event::CaseOpened { case: case.clone(), finding: found, because: "x".into() });
        };
        check("another case that is open", approve, other, Err("case `C-2` is open"));
        check("in the inventory", approve, |t| t.inventory = vec!["identity:x/mara".into()], Err("--replace"));
        check("nothing left", approve, |t| t.sought = person_named("Nobody Here"), Err("still disclosed"));
    }
    check("the same person", true, |t| t.who = by("ian"), Err("another person approves"));
    check("a subject that only the request knew", true, |t| t.subjects = vec!["rosa"], Err("two other people"));
    check("twice", true, |t| t.erased = true, Err("already"));
    check("at its last second", true, |t| t.now = at(LAPSES_SECONDS), Ok(2));
    check("too late", true, |t| t.now = at(LAPSES_SECONDS + 1), Err("30 days"));
    let unknown = || commitments(&[&text(5, "called Mara Lind's manager"), &text(8, "never said")], &[]);
    check("a commitment of nowhere", false, |t| t.sought = unknown(), Err("no event has the commitment"));
    check("given commitments", false, |t| t.sought = commitments(&[&text(5, "called Mara Lind's manager")], &[]), Ok(1));
}

/// What ian asked for, with what became of it since.
fn asked(events: &[(Event, By)]) -> Erasure {
    let order = Order::Request { erasure: ErasureId::new("er-1"), whom: vec![text(9, "Mara Lind")], reason: text(9, "she asked") };
    let made = decide(&order, &by("ian"), &ledger().search(person_named("Mara Lind")), &[], at(0)).expect("a request");
    let Event::ErasureRequested(first) = &made[0] else { panic!("{made:?}") };
    let mut erasure = Erasure::requested(first, &by("ian"), at(0));
    events.iter().for_each(|(event, by)| erasure.apply(event, by, at(1)));
    erasure
}

#[test]
fn a_second_person_denies_a_request_and_its_author_withdraws_it() {
    let reason = text(9, "a court asks for the record");
    let denied: (Event, By) = (quell_core::event::ErasureDenied { reason: reason.clone() }.into(), by("rosa"));
    let withdrawn: (Event, By) = (quell_core::event::ErasureWithdrawn {}.into(), by("ian"));
    let erased: (Event, By) = (quell_core::event::ValuesErased { commitments: vec![], sealed: vec![] }.into(), by("rosa"));
    let (lapsed, in_time) = (at(LAPSES_SECONDS + 1), at(LAPSES_SECONDS));
    type Row<'a> = (&'a str, By, &'a [(Event, By)], Timestamp, Option<&'a str>, Option<&'a str>);
    // Who, what became of it before, when; why the no is refused, why the withdrawal is.
    let table: &[Row] = &[
        ("another person", by("rosa"), &[], in_time, None, Some("another person requested")),
        ("the author", by("ian"), &[], in_time, Some("--withdraw er-1"), None),
        ("whose data they are", by("mara"), &[], in_time, Some("two other people"), Some("another person requested")),
        ("an agent", By::Agent(person("rosa")), &[], in_time, Some("quell login"), Some("quell login")),
        ("the author by a machine", By::Agent(person("ian")), &[], in_time, Some("quell login"), Some("quell login")),
        ("after 30 days", by("rosa"), &[], lapsed, Some("30 days"), Some("30 days")),
        ("what was denied", by("rosa"), std::slice::from_ref(&denied), in_time, Some("was denied"), Some("was denied")),
        ("what was withdrawn", by("rosa"), std::slice::from_ref(&withdrawn), in_time, Some("was withdrawn"), Some("was withdrawn")),
        ("what is gone", by("rosa"), std::slice::from_ref(&erased), in_time, Some("already"), Some("already")),
    ];
    for (name, who, before, now, no, back) in table {
        let erasure = asked(before);
        let check = |what: &str, got: Result<Event, Refused>, wanted: &Option<&str>| match (got, wanted) {
            (Ok(_), None) => {}
            (Err(refused), Some(wanted)) => assert!(refused.to_string().contains(wanted), "{name}, {what}: {refused}"),
            (got, wanted) => panic!("{name}, {what}: {got:?}, wanted {wanted:?}"),
        };
        check("deny", deny(&erasure, &reason, who, *now), no);
        check("withdraw", withdraw(&erasure, who, *now), back);
    }

    // It is over for whoever would approve it, and its state says so.
    let found = ledger().search(person_named("Mara Lind"));
    for (before, state, why) in [(&denied, "denied", "was denied"), (&withdrawn, "withdrawn", "was withdrawn")] {
        let erasure = asked(std::slice::from_ref(before));
        assert_eq!((erasure.state(at(2)), erasure.state(lapsed)), (state, state));
        let refused = decide(&Order::Approve(&erasure), &by("rosa"), &found, &[], at(2)).expect_err("it is over");
        assert!(refused.to_string().contains(why), "{refused}");
    }
    assert_eq!(asked(std::slice::from_ref(&denied)).denied, Some((by("rosa"), at(1), reason)));
}

#[test]
fn a_request_takes_its_own_words_along_and_the_approval_erases_the_whole_list() {
    let mut ledger = ledger();
    for n in 0..600 {
        ledger.case(NoteAdded { text: text(6, &format!("Mara Lind, note {n}")) });
    }
    let found = ledger.search(person_named("Mara Lind"));
    let (whom, reason) = (text(9, "Mara Lind"), text(9, "asked by Mara Lind herself"));
    let order = Order::Request { erasure: ErasureId::new("er-1"), whom: vec![whom.clone()], reason: reason.clone() };
    let events = decide(&order, &by("ian"), &found, &[], at(0)).expect("a request");
    assert_eq!(events.len(), 3, "what one event cannot list follows in the same append");
    let Event::ErasureRequested(first) = &events[0] else { panic!("{events:?}") };
    let mut erasure = Erasure::requested(first, &by("ian"), at(0));
    events[1..].iter().for_each(|e| erasure.apply(e, &by("ian"), at(0)));
    assert_eq!(erasure.commitments.len(), found.commitments.len() + 2, "whom and reason go, too");
    assert!(erasure.commitments.contains(whom.commitment()) && erasure.commitments.contains(reason.commitment()));
    assert_eq!(erasure.state(at(0)), "requested");

    let events = decide(&Order::Approve(&erasure), &by("rosa"), &found, &[], at(9)).expect("approved");
    let erased: BTreeSet<String> = events
        .iter()
        .flat_map(|e| match e {
            Event::ValuesErased(e) => e.commitments.clone(),
            _ => vec![],
        })
        .collect();
    assert_eq!(erased, erasure.commitments);
    events.iter().for_each(|e| erasure.apply(e, &by("rosa"), at(9)));
    assert_eq!((erasure.state(at(10)), erasure.approved.clone()), ("erased", Some((by("rosa"), at(9)))));
    for event in &events {
        let recorded = Recorded {
            stream: StreamId::new("erasure/er-1"),
            version: 1,
            prev: None,
            at: at(0),
            by: by("ian"),
            cause: None,
            event: event.clone(),
        };
        assert!(quell_core::event::encode(&recorded).is_ok(), "each fits into an event");
    }

    // A reason that names nobody stays readable.
    let plain = Order::Request { erasure: ErasureId::new("er-2"), whom: vec![whom], reason: text(9, "a letter of 20 November") };
    let Event::ErasureRequested(first) = &decide(&plain, &by("ian"), &found, &[], at(0)).expect("a request")[0] else { panic!() };
    assert!(!first.commitments.iter().any(|c| c == text(9, "a letter of 20 November").commitment()));
}

#[test]
fn a_pseudonym_and_a_word_tell_nobody() {
    for (name, wanted) in [
        ("u-0123456789", Some("pseudonymous id")),
        ("u-mara", None),
        ("Mara Lind", None),
        ("al", Some("too short")),
        ("  a ", Some("too short")),
        ("", Some("too short")),
        ("Ulf", None),
    ] {
        let found = names_a_person(name).err().map(|e| e.to_string());
        assert_eq!(found.is_some(), wanted.is_some(), "{name}: {found:?}");
        assert!(found.is_none_or(|f| f.contains(wanted.unwrap_or_default())), "{name}");
    }
}

#[test]
fn the_inventory_is_asked_for_whole_words_and_a_commitment_for_the_very_text() {
    let rows = [
        ("identity:pg-main/mara", json!({ "object": { "type": "identity", "id": "pg-main/mara", "environment": "dev" } })),
        ("owner:1", json!({ "object": { "person": "mara.lind@corp.example" } })),
        ("system:pg-main", json!({ "object": { "environment": "Dev team" } })),
    ];
    let named = |sought: Sought| sought.in_inventory(rows.iter().map(|(k, v)| (*k, v)));
    assert_eq!(named(person_named("mara")), vec!["identity:pg-main/mara", "owner:1"]);
    assert_eq!(named(person_named("mar")), Vec::<String>::new());
    let texts = |texts: &[&str]| commitments(&[], texts);
    assert_eq!(named(texts(&["mara"])), vec!["identity:pg-main/mara"]);
    assert_eq!(named(texts(&["Dev"])), Vec::<String>::new(), "not every word of a sentence");
    assert_eq!(named(texts(&["mara.lind@corp.example"])), vec!["owner:1"]);
}
