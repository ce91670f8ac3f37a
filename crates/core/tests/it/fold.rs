//! What a signal does to what is known: one table for the rules of folding, one for
//! what is old and what is new.

use quell_core::{
    action::Action,
    case::{Case, ROOT_CAUSE},
    event::{By, Event, FindingAttached, FindingRepeated, TaskAdded},
    finding::{Corroboration, Finding, Outcome},
    fold::{APART_MAX, CONFLICTS_MAX, Folded, Folding, Heard, Past, Rule, Timing, fold, is_sample, recurs, timing},
    hold::{AttemptState, TargetState},
    id::{AlertId, FindingId, SourceId, TaskId},
    proof::Life,
    signal::SignalKind,
};

use crate::{
    drive::World,
    world::{at, finding, opened, password},
};

/// `id sender event body severity address flags`: `n` unsigned, `e` evidence, `c` conflict,
/// `h` opened by hand, so that nothing is to be compared.
fn said(text: &str) -> Finding {
    let w: Vec<&str> = text.split(' ').collect();
    let mut f = finding(w[0], w[1]);
    f.seen = [w[2].to_owned()].into();
    let flags = w.get(6).copied().unwrap_or_default();
    if !flags.contains('h') {
        f.folds.bodies = [(format!("{}/{}", w[1], w[2]), w[3].to_owned())].into();
        f.folds.severity = w[4].parse().expect("a number");
        f.folds.addresses = [w[5]].iter().filter(|a| **a != "-").map(ToString::to_string).collect();
    }
    f.unsigned = flags.contains('n');
    f.containment_evidence = flags.contains('e');
    f.folds.apart = flags.contains('c').then_some(Rule::Conflict);
    f
}

/// What one more signal, written the same way without an id, does; in one line.
fn answer(known: &[&str], text: &str) -> String {
    let known: Vec<Finding> = known.iter().map(|t| said(t)).collect();
    let known: Vec<&Finding> = known.iter().collect();
    let w: Vec<&str> = text.split(' ').collect();
    let (sender, delivery) = (SourceId::new(w[0]), format!("{}/{}", w[0], w[1]));
    let flags = w.get(5).copied().unwrap_or_default();
    let heard = Heard {
        sender: &sender,
        event: w[1],
        delivery: &delivery,
        body: w[2],
        severity: w[3].parse().expect("a number"),
        address: Some(w[4]).filter(|a| *a != "-"),
        containment_evidence: flags.contains('e'),
        unsigned: flags.contains('n'),
    };
    match fold(&known, &heard) {
        Folding::Into { finding, rule, counts, asks_again } => {
            format!("{rule:?} into {finding}{}{}", if counts { "" } else { " uncounted" }, if asks_again { " asks" } else { "" })
        }
        Folding::Apart { rule, from } => format!("{rule:?} apart{}", from.map(|f| format!(" from {f}")).unwrap_or_default()),
    }
}

#[test]
fn a_signal_folds_by_one_rule_and_one_key() {
    let table: &[(&[&str], &str, &str)] = &[
        (&[], "a e1 b1 3 -", "New apart"),
        // The key: sender, source, id, type, identity; its body decides.
        (&["f1 a e1 b1 3 -"], "a e1 b1 3 -", "Redelivered into f1 uncounted"),
        (&["f1 a e1 b1 3 -"], "a e1 b2 3 -", "Conflict apart from f1"),
        (&["f1 a e1 b1 3 -", "f2 a e1 b2 3 - c"], "a e1 b2 3 -", "Redelivered into f2 uncounted"),
        (&["f1 a e1 b1 3 -", "f2 a e1 b2 3 - c"], "a e1 b1 3 -", "Redelivered into f1 uncounted"),
        (&["f1 a e1 b1 3 -", "f2 a e1 b2 3 - c"], "a e1 b3 3 -", "Conflict apart from f1"),
        (&["f2 a e1 b2 3 - c", "f1 a e1 b1 3 -"], "a e9 b9 3 -", "SameSubject into f1"),
        // A vendor that makes the same event worse.
        (&["f1 a e1 b1 3 -"], "a e1 b1 5 -", "Redelivered into f1 uncounted asks"),
        // Across sources.
        (&["f1 a e1 b1 3 -"], "a e2 b2 3 -", "SameSubject into f1"),
        (&["f1 a e1 b1 3 -"], "b e2 b2 3 -", "CrossSource into f1"),
        (&["f1 a e1 b1 3 -"], "b e1 b1 3 -", "CrossSource into f1 uncounted"),
        (&["f1 a e1 b1 3 -"], "b e1 b2 3 -", "CrossSource into f1 uncounted"),
        // A fold only raises.
        (&["f1 a e1 b1 3 -"], "a e2 b2 4 -", "HigherSeverity apart from f1"),
        (&["f1 a e1 b1 3 -"], "a e2 b2 2 -", "SameSubject into f1"),
        (&["f1 a e1 b1 3 -"], "a e2 b2 99 -", "SameSubject into f1"),
        (&["f1 a e1 b1 99 -"], "a e2 b2 1 -", "HigherSeverity apart from f1"),
        (&["f1 a e1 b1 3 -"], "a e2 b2 3 ip1", "NewAddress apart from f1"),
        (&["f1 a e1 b1 3 ip1"], "a e2 b2 3 ip1", "SameSubject into f1"),
        (&["f1 a e1 b1 3 ip1"], "a e2 b2 3 -", "SameSubject into f1"),
        (&["f1 a e1 b1 3 ip1", "f2 a e2 b2 3 ip2"], "a e3 b3 3 ip2", "SameSubject into f2"),
        (&["f1 a e1 b1 3 ip1", "f2 a e2 b2 5 ip2"], "a e3 b3 4 ip1", "SameSubject into f1"),
        // An unsigned claim lowers nothing for whoever signs.
        (&["f1 a e1 b1 5 ip1 n"], "a e2 b2 3 ip1", "SameSubject into f1"),
        (&["f1 a e1 b1 2 -", "f2 a e2 b2 5 ip1 n"], "a e3 b3 4 -", "HigherSeverity apart from f1"),
        (&["f1 a e1 b1 3 -", "f2 a e2 b2 3 ip1 n"], "a e3 b3 3 ip1", "NewAddress apart from f1"),
        // Evidence of a containment hides no wrong, nor a wrong the evidence.
        (&["f1 a e1 b1 3 - e"], "a e2 b2 3 -", "New apart"),
        (&["f1 a e1 b1 3 -"], "a e2 b2 3 - e", "New apart"),
        // What a person opened by hand has nothing to compare.
        (&["f1 a e1 b1 0 - h"], "b e2 b2 5 ip1", "CrossSource into f1"),
    ];
    for (known, signal, wanted) in table {
        assert_eq!(answer(known, signal), *wanted, "{known:?} <- {signal}");
    }
}

#[test]
fn one_name_for_ever_more_events_is_shown_up_to_a_bound_and_asks_again_beyond_it() {
    let many: Vec<String> = (0..CONFLICTS_MAX).map(|n| format!("f{n} a e1 b{n} 3 -{}", if n > 0 { " c" } else { "" })).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(answer(&many[1..], "a e1 other 3 -"), "Conflict apart from f1");
    assert_eq!(answer(&many, "a e1 other 3 -"), "Crowded into f0 asks");
}

#[test]
fn what_stands_apart_is_bounded_and_a_conflict_never_folds() {
    let many: Vec<String> = (0..APART_MAX).map(|n| format!("f{n} a e{n} b{n} 3 ip{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(answer(&many, "a new new 3 elsewhere"), "Crowded into f0 asks");
    assert_eq!(answer(&many[1..], "a new new 3 elsewhere"), "NewAddress apart from f1");
    assert_eq!(answer(&many, "a e3 other 3 ip3"), "Conflict apart from f3");
}

fn again(first: &Finding, folded: Folded) -> FindingRepeated {
    FindingRepeated {
        finding: first.id.clone(),
        alert: AlertId::new("al-2"),
        sender: SourceId::new("b"),
        at: at(5),
        dedupe: "e2".into(),
        counts: true,
        unsigned: false,
        real: false,
        folded: Some(folded),
    }
}

fn folded(rule: Rule) -> Folded {
    Folded { rule, delivery: "b/e2".into(), body: "b2".into(), severity: 4, address: Some("ip2".into()), asks_again: false, probes: false }
}

#[test]
fn what_joins_is_explained_and_an_outcome_does_not_outlive_what_asks_again() {
    let mut f = said("f1 a e1 b1 5 ip1");
    f.outcome = Some(Outcome::Expected);
    f.repeated(&again(&f, folded(Rule::CrossSource)));
    assert_eq!((f.folds.severity, f.folds.addresses.len()), (5, 2), "severity is the highest that was said");
    assert_eq!(f.folds.joined[&Rule::CrossSource].times, 1);
    assert_eq!(f.folds.bodies["b/e2"], "b2", "a redelivery of what joined is known");
    assert_eq!(f.outcome, Some(Outcome::Expected), "what only repeats stays folded");
    f.repeated(&again(&f, Folded { asks_again: true, severity: 6, ..folded(Rule::Crowded) }));
    assert_eq!((f.outcome.clone(), f.folds.severity), (None, 6), "what says more asks again");
}

#[test]
fn a_sample_lowers_nothing_when_its_subject_is_real() {
    let real = finding("f", "a").resolved;
    assert!(!is_sample(true, real.as_ref()), "whatever its sender calls it");
    assert!(is_sample(true, None), "nobody of ours is named");
    assert!(!is_sample(false, None) && !is_sample(false, real.as_ref()));
}

/// A target that was acted on (`action`, when it ended) and died at.
fn cut(acts: &[(Action, i64, &str)], dead_since: Option<i64>, life: Option<Life>) -> TargetState {
    let attempt = |(action, ended, outcome): &(Action, i64, &str)| {
        let cleared = crate::hold::cleared("at-1", *action);
        AttemptState { cleared, at: at(*ended), ended_at: Some(at(*ended)), outcome: Some((*outcome).into()), note: None, new_secret: None }
    };
    TargetState { attempts: acts.iter().map(attempt).collect(), dead_since: dead_since.map(at), life, ..TargetState::default() }
}

#[test]
fn an_alert_about_what_is_dead_is_re_use_and_one_from_before_the_re_issue_touches_nothing_new() {
    let dead = cut(&[], Some(100), Some(Life::Dead));
    let unknown = cut(&[], Some(100), Some(Life::Unknown));
    let reissued = cut(&[(Action::ReissueCredential, 200, "done")], None, None);
    let back = cut(&[(Action::ReissueCredential, 200, "done"), (Action::Reinstate, 300, "done")], None, None);
    let failed = cut(&[(Action::ReissueCredential, 200, "refused"), (Action::SuspendIdentity, 250, "done")], None, None);
    type Row<'a> = (&'a str, i64, Option<&'a TargetState>, Option<&'a TargetState>, Option<Timing>);
    let table: &[Row<'_>] = &[
        ("observed after the death", 101, Some(&dead), None, Some(Timing::ReUse)),
        ("observed before the death: late, not new", 99, Some(&dead), None, None),
        ("nobody proved a death", 101, Some(&unknown), None, None),
        ("nothing is known of it", 101, None, None, None),
        ("before the re-issue", 199, None, Some(&reissued), Some(Timing::BeforeReissue)),
        ("after the re-issue", 201, None, Some(&reissued), None),
        ("the last re-issue counts", 299, None, Some(&back), Some(Timing::BeforeReissue)),
        ("after the last one", 301, None, Some(&back), None),
        ("what did not take, and what gives nothing, is no re-issue", 10, None, Some(&failed), None),
        ("dead, and another was issued since", 150, Some(&dead), Some(&reissued), Some(Timing::ReUse)),
    ];
    let mut resolved = finding("f", "a").resolved.expect("resolved");
    for (name, observed, credential, identity, wanted) in table {
        assert_eq!(timing(at(*observed), &resolved, *credential, *identity), *wanted, "{name}");
    }
    resolved.is_right_now = true;
    assert_eq!(timing(at(101), &resolved, Some(&dead), Some(&back)), None, "the plane has just found it right");
}

#[test]
fn recurrence_is_counted_against_the_identity_and_what_was_observed_before_the_containment_is_only_late() {
    let past = Past::default().with(None).with(Some(at(100))).with(Some(at(50)));
    assert_eq!(past, Past { findings: 3, contained_at: Some(at(100)) });
    assert!(recurs(at(101), &past));
    assert!(!recurs(at(99), &past) && !recurs(at(100), &past), "late");
    assert!(!recurs(at(101), &Past::default().with(None)), "it never was contained");
}

#[test]
fn the_root_cause_is_asked_for_once_until_somebody_answers() {
    let mut case = Case::opened(&opened(finding("f-1", "a")), at(0));
    assert!(!case.has_root_cause_task());
    let task = TaskAdded {
        task: TaskId::new("t-1"),
        plan: None,
        step: None,
        owner: quell_core::decision::Role::Lead,
        what: format!("{ROOT_CAUSE}: it came back"),
        text: None,
        reviews: None,
    };
    case.apply(&task.into(), &By::Automation, at(1));
    assert!(case.has_root_cause_task());
    let ended = quell_core::event::TaskEnded { task: TaskId::new("t-1"), attested: None, seen_at: None, file: None };
    case.apply(&ended.into(), &By::Person(crate::world::person("lea")), at(2));
    assert!(!case.has_root_cause_task(), "if it comes back again, it is asked again");
}

fn attach(world: &mut World, change: impl Fn(&mut Finding)) {
    let mut f = finding("f-2", "src-b");
    change(&mut f);
    let attached = FindingAttached { finding: f, because: "same subject".into(), received_at: None };
    world.case.apply(&Event::FindingAttached(attached), &By::Automation, world.now);
}

#[test]
fn evidence_of_containment_and_re_use_schedule_a_probe_and_change_nothing_by_themselves() {
    let changes: [fn(&mut Finding); 4] = [
        |f| f.containment_evidence = true,
        |f| f.folds.timing = Some(Timing::ReUse),
        |f| f.folds.timing = Some(Timing::BeforeReissue),
        |f| f.folds.recurs = true,
    ];
    for change in changes {
        // On what is contained.
        let mut world = World::new();
        world.run(60);
        assert_eq!(world.life(&password()), Life::Dead);
        let probes = world.says("probe billing_app#password");
        let told = world.told.len();
        attach(&mut world, change);
        assert_eq!(world.life(&password()), Life::Dead, "a report changes nothing");
        while world.step(world.now) {}
        assert_eq!(world.says("probe billing_app#password"), probes + 1, "it is tried, once: {:?}", &world.told[told..]);
        assert_eq!(world.says("draft"), 1, "and nothing is planned for it: {:?}", &world.told[told..]);
        // A repetition asks again.
        let first = world.case.findings.last().expect("attached").clone();
        let repeated = again(&first, Folded { probes: true, ..folded(Rule::SameSubject) });
        world.case.apply(&Event::FindingRepeated(repeated), &By::Automation, world.now);
        while world.step(world.now) {}
        assert_eq!(world.says("probe billing_app#password"), probes + 2);
    }
}

#[test]
fn a_re_use_alone_plans_nothing_unless_the_probe_finds_it_alive() {
    for timing in [Timing::ReUse, Timing::BeforeReissue] {
        let mut world = World::new();
        world.case.findings[0].folds.timing = Some(timing);
        let id = FindingId::new("f-1");
        world.case.asks_for_a_probe.insert(id, at(0));
        world.run(600);
        assert_eq!(world.says("draft"), 0, "{timing:?}: {:?}", world.told);
        assert!(world.says("probe billing_app#password") >= 1, "{:?}", world.told);
    }
    let mut back = World::new();
    back.run(60);
    back.plane.locked = false;
    attach(&mut back, |f| f.folds.timing = Some(Timing::ReUse));
    back.run(30);
    assert_eq!(back.says("draft Sweep"), 1, "it lives: {:?}", back.told);
}

#[test]
fn a_re_use_ends_as_one_and_posture_is_no_second_sender() {
    let mut f = finding("f", "a");
    assert_eq!(f.outcome_at_close(), Outcome::Contained);
    f.folds.timing = Some(Timing::ReUse);
    assert_eq!(f.outcome_at_close(), Outcome::ReUse);

    let mut named = finding("f", "a");
    named.resolved.as_mut().expect("resolved").possession = false;
    let mut posture = named.clone();
    posture.senders = [SourceId::new("b")].into();
    posture.kind = SignalKind::Posture;
    assert!(!Corroboration::of([&named, &posture]).is_corroborated(), "a dormant account proves no attack");
}

#[test]
fn the_past_of_a_subject_says_nothing_of_what_is_no_report_of_a_wrong() {
    use quell_core::{
        fold::{has_a_past, is_tried},
        signal::SignalKind as K,
    };
    for (what, kind, evidence, unsigned, wanted) in [
        ("a leak", K::LeakedSecret, false, false, true),
        ("how things merely stand", K::Posture, false, false, false),
        ("a report of a containment", K::AnomalousUse, true, false, false),
        ("a claim that nobody vouches for", K::AnomalousUse, false, true, false),
    ] {
        assert_eq!(has_a_past(kind, evidence, unsigned), wanted, "{what}");
    }
    for (what, evidence, timing, recurs, wanted) in [
        ("news", false, None, false, false),
        ("a report of a containment", true, None, false, true),
        ("re-use", false, Some(Timing::ReUse), false, true),
        ("what came back", false, None, true, true),
    ] {
        assert_eq!(is_tried(evidence, timing, recurs), wanted, "{what}");
    }
}
