//! What is next: whole incidents in memory, from detected to proven, without a hot loop.

use quell_core::{
    action::Action,
    course::PlanStage,
    decision::{Approvals, Role},
    event::{AutomationPaused, By, Consumer, Event, FindingAttached, Stage, TargetsFound, Verdict, VerdictGiven},
    id::{CaseId, FindingId, TargetId},
    plan::{PlanKind, UndoMode},
    proof::Life,
    respond::{Uncompared, credentials_kept, is_exposed, may_restore},
    signal::SignalKind,
    target::{Target, TargetKind},
};

use crate::{
    drive::World,
    world::{PLANE, at, failover, finding, identity, member, password, person, salter, session, target},
};

/// Runs `seconds` of the world and compares the words of what was done.
fn check(name: &str, world: &mut World, seconds: i64, told: &[&str]) {
    let from = world.told.len();
    world.run(seconds);
    assert_eq!(world.told[from..], *told, "{name}");
}

#[test]
fn a_corroborated_leak_goes_from_detected_to_proven() {
    let mut world = World::new();
    check(
        "possession, and nobody is waited for",
        &mut world,
        30,
        &[
            "enrich",
            "draft Contain",
            "decide",
            "start",
            "probe billing_app#password before",
            "attempt 1 billing_app",
            "enumerate 2",
            "attempt 2 pid:1@1",
            "Triaged",
            "Decided",
            "Acted",
            "enumerate 2",
            "enumerate 2",
            "probe billing_app#password",
            "step 1 proved",
            "probe pid:1@1",
            "step 2 proved",
            "attempt 3 billing_app#password",
            "probe billing_app#password",
            "step 3 proved",
            "enrich",
            "plan proved",
            "Proven",
        ],
    );
    assert_eq!((world.life(&password()), world.life(&session(1))), (Life::Dead, Life::Dead));
    assert_eq!(world.only_plan().stage, PlanStage::Proved);
    let held = &world.targets[&password().id];
    assert!(held.was_ever_live, "it was seen alive before the act");
    let stages: Vec<Stage> = world.case.stages.iter().map(|(s, _)| *s).collect();
    assert_eq!(stages, [Stage::Detected, Stage::Triaged, Stage::Decided, Stage::Acted, Stage::Proven]);
}

#[test]
fn whoever_waits_is_answered_when_every_subject_is_proved_dead_and_not_before() {
    for sessions in [vec![1], vec![]] {
        let mut world = World::new();
        world.plane.sessions = sessions.clone();
        let mut settled: Vec<String> = vec![];
        while world.step(at(30)) {
            if !quell_core::view::is_settled(&world.situation(), world.now) {
                assert_eq!(settled, [""; 0], "once answered, it stays so");
                continue;
            }
            let held = [password(), session(1)].map(|t| world.targets.get(&t.id).map(|held| held.life));
            let wanted = [Some(Some(Life::Dead)), (!sessions.is_empty()).then_some(Some(Life::Dead))];
            assert_eq!(held, wanted, "{:?}", world.told);
            assert!(world.told.contains(&"step 2 proved".to_owned()), "no session is looked for any more: {:?}", world.told);
            settled.extend(world.told.last().cloned());
        }
        assert!(settled.contains(&"step 3 proved".to_owned()), "nobody waits for the proof of the rotation: {settled:?}");
        assert_eq!(settled.last().map(String::as_str), Some("Proven"));
    }
}

#[test]
fn nobody_is_told_of_a_death_while_something_may_still_live() {
    type Row = (&'static str, fn(&mut World));
    let table: &[Row] = &[
        ("it answers success and does nothing", |w| w.plane.lies = true),
        ("it cannot be probed", |w| w.plane.mute = true),
        ("it refuses", |w| w.plane.outcomes = vec!["refused"; 50]),
    ];
    for (name, change) in table {
        let mut world = World::new();
        change(&mut world);
        while world.step(at(400)) {
            let waits = quell_core::view::waiting_for(&world.situation(), world.now);
            let answered = quell_core::view::is_settled(&world.situation(), world.now);
            assert!(!answered || !waits.is_empty(), "{name}: answered before a person has it: {:?}", world.told);
        }
        assert!(quell_core::view::is_settled(&world.situation(), world.now), "{name}: a person has it");
    }
}

fn contained(change: impl FnOnce(&mut World)) -> World {
    let mut world = World::new();
    change(&mut world);
    world.run(400);
    world
}

#[test]
fn however_a_plane_behaves_a_plan_is_proved_or_in_a_persons_hands() {
    type Row = (&'static str, fn(&mut World), PlanStage, Life);
    let table: &[Row] = &[
        ("it obeys", |_| {}, PlanStage::Proved, Life::Dead),
        ("the process dies after the intent", |w| w.plane.outcomes = vec!["crash"], PlanStage::Proved, Life::Dead),
        ("nobody knows what an act did", |w| w.plane.outcomes = vec!["unknown"], PlanStage::Proved, Life::Dead),
        ("it asks to wait, twice", |w| w.plane.outcomes = vec!["throttled", "throttled"], PlanStage::Proved, Life::Dead),
        ("it asks to wait for ever", |w| w.plane.outcomes = vec!["throttled"; 50], PlanStage::HandedOver, Life::Live),
        ("it refuses", |w| w.plane.outcomes = vec!["refused"; 50], PlanStage::HandedOver, Life::Live),
        ("it answers success and does nothing", |w| w.plane.lies = true, PlanStage::HandedOver, Life::Live),
        ("it cannot be probed", |w| w.plane.mute = true, PlanStage::HandedOver, Life::Unknown),
        ("logins in flight become sessions", |w| w.plane.late = vec![4, 3, 2], PlanStage::Proved, Life::Dead),
        ("nobody is logged in", |w| w.plane.sessions.clear(), PlanStage::Proved, Life::Dead),
    ];
    for (name, change, stage, life) in table {
        let world = contained(change);
        let plan = world.plans.values().next().expect("a plan");
        assert_eq!(plan.stage, *stage, "{name}: {:#?}", world.told);
        assert!(plan.plan.id.as_str() == "p-0000000001" && !world.plans.values().any(|p| p.is_open()), "{name}: {:#?}", world.told);
        assert!(
            world.life(&password()) == *life || *life == Life::Live && world.life(&password()) != Life::Dead,
            "{name}: {:?}",
            world.life(&password())
        );
        if *stage == PlanStage::HandedOver {
            assert!(!world.case.tasks.is_empty(), "{name}: somebody has it");
            assert_ne!(world.case.stage(), Stage::Proven, "{name}");
        }
    }
}

#[test]
fn an_unknown_outcome_is_read_before_anything_is_repeated() {
    for outcome in ["crash", "unknown"] {
        let world = contained(|w| w.plane.outcomes = vec![outcome]);
        let first = world.told.iter().position(|t| t == "attempt 1 billing_app").expect("an attempt");
        let next = world.told[first + 1..].iter().find(|t| !matches!(t.as_str(), "Triaged" | "Decided" | "Acted"));
        assert_eq!(next.map(String::as_str), Some("read"), "{outcome}: {:?}", world.told);
        assert_eq!(world.says("attempt 1"), 1, "{outcome}: it took, so it is not repeated");
        assert_eq!(world.says("read"), 1);
    }
}

#[test]
fn a_plan_that_lies_is_tried_three_times_and_then_left_to_people() {
    let mut world = contained(|w| w.plane.lies = true);
    assert_eq!(world.says("attempt 1"), 6, "three times in the plan and three in its sweep");
    let (plans, pages) = (world.plans.len(), world.says("page"));
    world.run(7200);
    assert_eq!((world.plans.len(), world.says("page")), (plans, pages), "no plan after plan: {:#?}", world.told);
    assert!(plans <= 2, "the containment and its sweep");
    assert!(world.says("probe") > 20, "and it goes on being probed");
}

#[test]
fn people_are_awaited_heard_or_passed_by() {
    let asking = || {
        let mut world = World::new();
        world.wanted = Approvals::from([(Role::Iam, 1), (Role::Secops, 1)]);
        world
    };
    let mut world = asking();
    check("asked once", &mut world, 60, &["enrich", "draft Contain", "decide", "ask 0", "Triaged"]);
    world.approve("ada", Role::Iam);
    world.run(60);
    assert_eq!(world.says("start"), 0, "one of two");
    world.approve("bob", Role::Secops);
    world.run(60);
    assert_eq!((world.says("start"), world.life(&password())), (1, Life::Dead));
    let started = world.only_plan().started.clone().expect("it started");
    assert_eq!(started.approvals.len(), 2, "the start consumes both");

    let mut world = asking();
    world.run(60);
    world.deny();
    world.run(7200);
    assert_eq!((world.says("attempt"), world.says("draft"), world.only_plan().stage), (0, 1, PlanStage::Denied), "no is no");

    let mut world = asking();
    world.run(4 * 3600);
    assert_eq!([world.says("ask 0"), world.says("ask 1"), world.says("ask 2"), world.says("ask 3")], [1, 1, 1, 1]);
    assert_eq!((world.says("plan expired"), world.says("attempt")), (1, 0), "and then it is handed over");
}

#[test]
fn two_plans_that_wait_do_not_unask_each_other() {
    let mut world = World::new();
    world.wanted = Approvals::from([(Role::Iam, 1)]);
    world.run(10);
    let mut second = world.drafting.contain();
    second.id = quell_core::id::PlanId::new("p-second");
    world.link(second);
    world.run(300);
    assert_eq!(world.says("ask 0"), 2, "{:?}", world.told);
}

#[test]
fn nothing_runs_unarmed_or_while_automation_is_paused() {
    let mut world = World::new();
    world.installation = Default::default();
    world.run(600);
    assert_eq!((world.says("start"), world.says("attempt")), (0, 0), "it observes");
    world.arm();
    world.run(60);
    assert_eq!(world.says("start"), 1);

    let mut world = World::new();
    let paused = AutomationPaused { until: at(600), reason: None };
    world.installation.apply(&paused.into(), &By::Person(person("ada")), at(0));
    world.run(590);
    assert_eq!(world.says("start"), 0);
    world.run(60);
    assert_eq!((world.says("start"), world.life(&password())), (1, Life::Dead), "a pause ends by itself");
}

#[test]
fn the_consumer_moves_before_the_old_credential_is_cut() {
    let world = contained(|w| {
        w.drafting.subject.rotation = failover();
        w.drafting.subject.consumers = vec![Consumer { name: salter().commit("job"), criticality: None, reads_from: None }];
    });
    let position = |word: &str| world.told.iter().position(|t| t.starts_with(word)).unwrap_or_else(|| panic!("{word}: {:?}", world.told));
    assert!(position("attempt 1") < position("step 1 proved") && position("step 1 proved") < position("attempt 2"));
    assert_eq!(world.only_plan().stage, PlanStage::Proved);
}

#[test]
fn a_sweep_whose_plane_says_nothing_is_no_sweep() {
    let mut world = World::new();
    world.plane.unseen = 3;
    while world.says("step 3 proved") == 0 {
        assert!(world.step(at(60)), "{:?}", world.told);
    }
    // A session that was opened meanwhile; the plane does not answer three times.
    world.plane.sessions = vec![7];
    world.run(120);
    let position = |word: &str| world.told.iter().rposition(|t| t.starts_with(word)).unwrap_or_else(|| panic!("{word}: {:?}", world.told));
    assert!(position("draft Sweep") < position("Proven"), "{:?}", world.told);
    assert_eq!(world.life(&session(7)), Life::Dead, "{:?}", world.told);

    let mut world = World::new();
    world.plane.unseen = u32::MAX;
    world.run(2 * 3600);
    assert_eq!(
        (world.only_plan().stage, world.says("Proven")),
        (PlanStage::HandedOver, 0),
        "never looked at is never proven: {:?}",
        world.told
    );
}

#[test]
fn a_consumer_that_fails_after_an_act_is_told_of_once_and_stops_no_cut() {
    let moved = |fails: bool| {
        let mut world = World::new();
        world.drafting.subject.rotation = failover();
        world.drafting.subject.consumers = vec![Consumer { name: salter().commit("job"), criticality: None, reads_from: None }];
        world.plane.consumer_fails = fails;
        world.run(60);
        world
    };
    let fine = moved(false);
    assert_eq!((fine.says("pause"), fine.case.tasks.len()), (0, 0), "{:?}", fine.told);

    let world = moved(true);
    let told: Vec<_> = world.case.tasks.iter().map(|t| (t.added.what.as_str(), t.added.plan.clone())).collect();
    assert_eq!(told, [(quell_core::respond::CONSUMER_FAILS, Some(world.only_plan().plan.id.clone()))], "{:?}", world.told);
    let position = |word: &str| world.told.iter().position(|t| t.starts_with(word)).unwrap_or_else(|| panic!("{word}: {:?}", world.told));
    assert!(position("attempt 2") < position("pause"), "{:?}", world.told);
    assert_eq!((world.only_plan().paused.as_deref(), world.only_plan().stage), (None, PlanStage::Proved), "{:?}", world.told);
}

#[test]
fn a_plan_pauses_by_itself_below_the_contain_tier_alone() {
    use quell_core::plan::Tier;
    for (tier, pauses) in [(Tier::Observe, true), (Tier::StepUp, true), (Tier::Restrict, true), (Tier::Contain, false)] {
        let mut world = World::new();
        world.run(1);
        let mut state = world.only_plan().clone();
        state.plan.tier = tier;
        assert_eq!(quell_core::respond::pauses_by_itself(&state), pauses, "{tier:?}");
    }
}

#[test]
fn what_lives_again_is_paged_and_cut_again() {
    let mut world = contained(|_| {});
    world.plane.locked = false;
    world.run(300);
    assert_eq!((world.says("page"), world.says("draft Sweep")), (1, 1), "{:?}", world.told);
    assert_eq!(world.life(&password()), Life::Dead, "and proved dead again");
    let held = &world.targets[&password().id];
    assert!(held.dead_since > held.last_live_at, "the clock began anew");
}

#[test]
fn an_excluded_target_is_left_alone() {
    let mut world = World::new();
    while world.says("draft") == 0 {
        assert!(world.step(at(60)));
    }
    world.exclude(&identity());
    world.run(120);
    assert_eq!((world.says("step 1 skipped"), world.says("attempt 1")), (1, 0), "{:?}", world.told);
    assert!(!world.plans.values().any(|p| p.is_open()), "and nobody waits for its proof: {:?}", world.told);

    let mut world = World::new();
    while world.says("draft") == 0 {
        assert!(world.step(at(60)));
    }
    world.exclude(&session(1));
    world.run(120);
    assert_eq!(world.says("attempt 2"), 0);
    assert_eq!(world.life(&session(1)), Life::Live);
}

#[test]
fn what_lies_outside_the_bounds_becomes_a_plan_of_its_own() {
    let mut world = World::new();
    while world.says("start") == 0 {
        assert!(world.step(at(60)));
    }
    let plan = world.only_plan().plan.id.clone();
    let stranger = target(TargetKind::Session, "pid:9@1", "payroll");
    for _ in 0..2 {
        world.on_plan(&plan, TargetsFound { step: 2, new: vec![], listed: vec![], outside: vec![stranger.clone()] });
    }
    assert_eq!(world.plans[&plan].course(2).outside.len(), 1, "one thing found twice is one");
    world.run(120);
    assert_eq!(world.says("draft Amendment"), 1, "{:?}", world.told);
    assert_eq!(world.says("attempt 2 pid:9"), 0);
}

#[test]
fn after_the_way_back_only_news_contains_again() {
    let mut world = contained(|_| {});
    world.undo(UndoMode::Reinstate);
    world.run(120);
    assert!(world.plans.values().any(|p| p.plan.undo.is_some() && p.stage == PlanStage::Proved), "{:#?}", world.told);
    assert_eq!(world.life(&password()), Life::Dead, "undo never revives what was killed");
    assert_eq!(world.says("draft"), 1, "the old finding was answered");
    let mut news = finding("f-2", "src-b");
    news.id = FindingId::new("f-2");
    let attached = FindingAttached { finding: news, because: "same subject".into(), received_at: None };
    world.case.apply(&Event::FindingAttached(attached), &By::Automation, world.now);
    world.run(120);
    assert_eq!(world.says("draft Contain"), 2, "a finding that came in since is news");
}

#[test]
fn a_sample_and_evidence_of_containment_are_shown_and_not_acted_on() {
    let table: [fn(&mut quell_core::finding::Finding); 2] = [|f| f.sample = true, |f| f.containment_evidence = true];
    for change in table {
        let mut world = World::new();
        change(&mut world.case.findings[0]);
        world.run(600);
        assert_eq!(world.says("draft"), 0, "{:?}", world.told);
    }
    assert_ne!(member().id, TargetId::new(""));
}

#[test]
fn the_way_back_leaves_alone_what_people_took_out_and_nobody_suspects() {
    let second = target(TargetKind::Credential, "billing_app#second", "billing_app");
    let taken_out = |what: &[&Target]| {
        let mut world = World::new();
        world.also(&second);
        for one in what {
            world.run(0);
            world.exclude(one);
        }
        world.plane.reissued = true;
        world.run(600);
        world.undo(UndoMode::Reinstate);
        world.run(600);
        let undo = world.plans.values().find(|p| p.plan.kind == PlanKind::Undo).expect("a way back").clone();
        let reinstate = undo.plan.steps.iter().find(|s| s.action == Action::Reinstate).expect("a step").clone();
        (reinstate, undo.stage, world)
    };
    let (step, stage, world) = taken_out(&[&second]);
    assert_eq!(step.kept().collect::<Vec<_>>(), std::slice::from_ref(&second.id));
    assert!(quell_core::draft::sentence(&step).contains("stays usable (1)"), "{}", quell_core::draft::sentence(&step));
    assert_eq!(stage, PlanStage::Proved, "that it lives does not keep the way back from being proved: {:?}", world.told);

    let (step, stage, world) = taken_out(&[]);
    assert_eq!((step.kept().count(), stage), (0, PlanStage::HandedOver), "it is not dead: {:?}", world.told);

    // It was cut with its identity all the same.
    let (step, ..) = taken_out(&[&password()]);
    assert_eq!(step.kept().count(), 0);

    // The alert names it.
    let mut world = World::new();
    world.also(&second);
    world.run(0);
    world.exclude(&second);
    world.plane.reissued = true;
    world.run(600);
    let contained = world.only_plan().clone();
    assert_eq!(credentials_kept(&world.situation(), &contained).len(), 1);
    world.case.findings[0].resolved.as_mut().expect("it was resolved").credential = Some(second);
    assert_eq!(credentials_kept(&world.situation(), &contained), [], "who is let in again must not be the intruder");
}

#[test]
fn nothing_is_restored_whose_secret_is_out_or_may_be_or_that_nobody_judged() {
    for (name, out, judged, silent, refused) in [
        ("all is known, and judged", false, true, None, None),
        ("another plane did not answer", false, true, Some("elsewhere"), None),
        ("its plane did not answer", false, true, Some(PLANE), Some("may be one of it")),
        ("its secret is out", true, true, None, Some("reported exposed")),
        ("nobody judged", false, false, None, Some("not_malicious")),
    ] {
        let mut world = World::new();
        world.run(600);
        if !out {
            world.case.findings.iter_mut().for_each(|f| f.kind = SignalKind::AnomalousUse);
        }
        if judged {
            let given = VerdictGiven { role: Role::Secops, verdict: Verdict::NotMalicious, evidence: None };
            world.case.apply(&given.into(), &By::Person(person("sam")), world.now);
        }
        let leaks: Vec<_> = silent.iter().map(|plane| Uncompared { plane: (*plane).to_owned(), case: CaseId::new("C-9") }).collect();
        let told = may_restore(&world.case, &[world.only_plan()], &leaks).err().map(|why| why.to_string());
        assert!(told.as_deref().zip(refused).map_or(told.as_deref() == refused, |(why, part)| why.contains(part)), "{name}: {told:?}");
        // The attempt is held to the same; a permission has no secret.
        let corroboration = world.case.corroboration();
        assert_eq!(is_exposed(&identity(), corroboration, &leaks), out || silent == Some(PLANE), "{name}");
        assert!(!is_exposed(&member(), corroboration, &leaks), "{name}");
    }
}
