//! What comes late: a plane that answers at last, and a dead credential that is tried again.

use quell_core::{
    course::PlanStage,
    decision::{Approvals, Role},
    hold::Used,
    plan::{PlanKind, UndoMode},
    proof::Life,
    time::{Timestamp, after, seconds_between},
};

use crate::{
    drive::World,
    world::{at, member, password, session},
};

/// A case whose plane is silent at first, for so many looks; the plan waits for people.
fn dark(looks: u32) -> World {
    let mut world = World::new();
    world.wanted = Approvals::from([(Role::Iam, 1)]);
    world.limits.ask_seconds = 40_000;
    (world.plane.dark, world.plane.unseen) = (true, looks);
    world
}

/// Seconds between the looks of the next `seconds`.
fn waits(world: &mut World, seconds: i64) -> Vec<i64> {
    let until = after(world.now, seconds);
    let mut looks: Vec<Timestamp> = Vec::new();
    loop {
        let (told, now) = (world.says("enrich"), world.now);
        if !world.step(until) {
            break;
        }
        if world.says("enrich") > told {
            looks.push(now);
        }
    }
    looks.windows(2).map(|w| seconds_between(w[0], w[1])).collect()
}

#[test]
fn a_plane_that_said_nothing_is_asked_again_at_growing_waits_until_it_answers() {
    let mut world = dark(11);
    let met = waits(&mut world, 1200);
    assert_eq!(met, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60, 60], "and no more once it answered: {:?}", world.told);
    assert!(world.case.unseen.is_empty() && world.case.heard_late.len() == 1);

    // Where nobody speaks to the plane, nobody is asked.
    let mut world = dark(u32::MAX);
    world.planes.clear();
    world.run(600);
    assert_eq!(world.says("enrich"), 1, "{:?}", world.told);
}

#[test]
fn what_a_plane_says_late_is_planned_anew_where_it_changes_a_plan_that_waits() {
    type Row = (&'static str, fn(&mut World), usize);
    let table: &[Row] = &[
        ("nothing that the plan lacks", |_| {}, 1),
        ("sessions, which the plan finds by itself", |w| w.plane.sessions = vec![4, 5], 1),
        ("somebody who may act as it", |w| w.plane.delegations = vec![member()], 2),
    ];
    for (name, change, drafts) in table {
        let mut world = dark(3);
        change(&mut world);
        world.run(300);
        assert_eq!(world.says("draft Contain"), *drafts, "{name}: {:?}", world.told);
        assert_eq!(world.says("ask 0"), *drafts, "{name}: who was asked is asked about what stands now");
        let stages: Vec<PlanStage> = world.plans.values().map(|p| p.stage).collect();
        assert_eq!(stages.iter().filter(|s| **s == PlanStage::Waiting).count(), 1, "{name}: {stages:?}");
        assert_eq!(stages.iter().filter(|s| **s == PlanStage::Superseded).count(), drafts - 1, "{name}: {stages:?}");
    }

    // What a person drafted stays theirs.
    let mut world = dark(5);
    world.plane.delegations = vec![member()];
    world.run(1);
    let plan = world.plans.values_mut().next().expect("a plan");
    std::sync::Arc::make_mut(plan).drafted_by = quell_core::event::By::Person(crate::world::person("lea"));
    world.run(300);
    assert_eq!((world.says("draft"), world.only_plan().stage), (1, PlanStage::Waiting), "{:?}", world.told);

    // What people refused is not planned again because a plane speaks up.
    let mut world = dark(5);
    world.plane.delegations = vec![member()];
    world.run(1);
    world.deny();
    world.run(300);
    assert_eq!((world.says("draft"), world.only_plan().stage), (1, PlanStage::Denied), "no is no: {:?}", world.told);
}

#[test]
fn a_plan_that_runs_asks_by_itself_and_one_that_was_handed_over_gets_its_sweep() {
    // Silent from the last step on until after the plan was given to people.
    let mut world = World::new();
    world.plane.unseen = 24;
    while world.says("step 3 proved") == 0 {
        assert!(world.step(at(60)), "{:?}", world.told);
    }
    assert_eq!(world.says("enrich"), 1, "while it ran");
    world.plane.sessions = vec![7];
    world.run(3600);
    let kinds: Vec<(PlanKind, PlanStage)> = world.plans.values().map(|p| (p.plan.kind, p.stage)).collect();
    assert_eq!(kinds, [(PlanKind::Contain, PlanStage::HandedOver), (PlanKind::Sweep, PlanStage::Proved)], "{:?}", world.told);
    assert_eq!(world.life(&session(7)), Life::Dead, "what it says at last is cut: {:?}", world.told);
}

fn used(refused: (u32, Option<Timestamp>), accepted: (u32, Option<Timestamp>)) -> Option<Used> {
    Some(Used { since: at(0), accepted: accepted.0, refused: refused.0, last_accepted_at: accepted.1, last_refused_at: refused.1 })
}

#[test]
fn a_dead_credential_that_is_tried_again_is_told_of_once_and_once_more_if_it_is_let_in() {
    let mut world = World::new();
    // The intruder never stops, so it tries between the cut and its proof, too.
    world.plane.used = used((3, Some(at(0))), (0, None));
    world.run(120);
    assert_eq!((world.life(&password()), world.says("tell of re-use")), (Life::Dead, 0), "before the proof is no news: {:?}", world.told);

    world.plane.used = used((4, Some(after(world.now, 1))), (0, None));
    world.run(3600);
    assert_eq!((world.life(&password()), world.says("tell of re-use")), (Life::Dead, 1), "once: {:?}", world.told);
    assert_eq!(world.says("tell of re-use, paging"), 1);
    world.plane.used = used((900, Some(after(world.now, 1))), (0, None));
    world.run(3600);
    assert_eq!(world.says("tell of re-use"), 1, "and not at every try");

    let let_in = after(world.now, 40_000);
    world.plane.used = used((900, Some(let_in)), (1, Some(let_in)));
    world.run(3600);
    assert_eq!(
        (world.life(&password()), world.says("tell of re-use")),
        (Life::Unknown, 2),
        "an accepted use is another thing: {:?}",
        world.told
    );
    assert_eq!(world.case.reused.get(&password().id), Some(&true));
    assert_eq!(world.says("draft Sweep"), 1, "what it may have made is looked for, once: {:?}", world.told);
}

#[test]
fn a_use_that_was_let_in_between_two_probes_is_swept_after_though_both_say_dead() {
    let mut world = World::new();
    world.run(120);
    assert_eq!((world.life(&password()), world.says("draft Sweep")), (Life::Dead, 0), "{:?}", world.told);
    // The log was late: that was before the death.
    world.plane.used = used((0, None), (1, Some(at(0))));
    world.run(600);
    assert_eq!(world.says("draft Sweep"), 0, "{:?}", world.told);

    let let_in = after(world.now, 1);
    world.plane.used = used((0, None), (1, Some(let_in)));
    world.plane.sessions = vec![9];
    world.run(7200);
    assert_eq!((world.life(&password()), world.life(&session(9))), (Life::Dead, Life::Dead), "{:?}", world.told);
    assert_eq!(world.says("draft Sweep"), 1, "once: {:?}", world.told);

    // After the case was closed it is opened again.
    let mut world = World::new();
    world.run(120);
    world.close();
    world.plane.used = used((0, None), (1, Some(after(world.now, 1))));
    while world.says("reopen") == 0 {
        assert!(world.step(at(20_000)), "{:?}", world.told);
    }
}

/// A plane that lies, so that its steps end with people.
fn with_people() -> World {
    let mut world = World::new();
    world.plane.lies = true;
    world.run(600);
    assert!(world.says("hand over 1") > 0 && world.life(&password()) == Life::Live, "{:?}", world.told);
    world
}

#[test]
fn who_tries_a_session_that_ended_is_recorded_and_pages_only_when_let_in() {
    let mut world = World::new();
    world.plane.used_of = session(1);
    world.plane.used = used((0, None), (0, None));
    world.run(120);
    assert_eq!(world.life(&session(1)), Life::Dead, "{:?}", world.told);
    world.plane.used = used((3, Some(after(world.now, 1))), (0, None));
    world.run(600);
    assert_eq!((world.says("tell of re-use"), world.says("tell of re-use, paging")), (1, 0), "{:?}", world.told);
    world.plane.used = used((3, None), (1, Some(after(world.now, 1))));
    world.run(600);
    assert_eq!((world.says("tell of re-use"), world.says("tell of re-use, paging")), (2, 1), "{:?}", world.told);

    // Where no log tells, a session that ended is not asked about again.
    let mut world = World::new();
    world.run(120);
    let looks = world.says("probe pid:1@1");
    world.run(3600);
    assert_eq!(world.says("probe pid:1@1"), looks, "{:?}", world.told);
}

#[test]
fn what_people_say_they_cut_is_probed_at_once_and_goes_on_being_probed() {
    let mut world = with_people();
    // The watch has just looked.
    let looks = world.says("probe billing_app#password");
    while world.says("probe billing_app#password") == looks {
        assert!(world.step(at(7200)), "{:?}", world.told);
    }
    let before = world.says("probe billing_app#password");
    world.run(20);
    assert_eq!(world.says("probe billing_app#password"), before, "nobody said anything");

    // They say so, and it is not so.
    world.end_task(1);
    world.run(20);
    assert_eq!((world.says("probe billing_app#password"), world.life(&password())), (before + 1, Life::Live), "{:?}", world.told);

    // It is done after all: the watch finds it.
    world.plane.locked = true;
    world.run(3600);
    assert_eq!(world.life(&password()), Life::Dead, "{:?}", world.told);

    let mut world = with_people();
    world.plane.locked = true;
    world.end_task(1);
    world.run(5);
    assert_eq!(world.life(&password()), Life::Dead, "as soon as they say so: {:?}", world.told);

    // What was to be given back has no death to look for.
    let mut world = World::new();
    world.run(600);
    world.plane.outcomes = vec!["refused"; 40];
    world.undo(UndoMode::Reinstate);
    world.run(600);
    assert_eq!(world.says("hand over 2"), 1, "{:?}", world.told);
    let told = world.told.len();
    world.end_task(2);
    world.run(600);
    assert!(world.told[told..].iter().all(|t| !t.starts_with("probe") || t == "probe billing_app#password"), "{:?}", world.told);

    // Where Quell was never let do anything, too: it comes back, and that is seen.
    let mut world = World::new();
    world.plane.outcomes = vec!["refused"; 40];
    world.run(600);
    assert!(world.says("hand over 1") > 0 && world.targets.values().all(|t| t.acted_at().is_none()), "{:?}", world.told);
    world.plane.locked = true;
    world.end_task(1);
    world.run(5);
    assert_eq!(world.life(&password()), Life::Dead, "{:?}", world.told);
    let sweeps = world.says("draft Sweep");
    world.plane.locked = false;
    world.run(3600);
    assert_eq!(world.life(&password()), Life::Live, "{:?}", world.told);
    // It came back: one more is tried, which the plane refuses, too. Then it is theirs.
    assert_eq!((world.says("draft Sweep"), world.says("page")), (sweeps + 1, 1), "{:?}", world.told);
}

#[test]
fn planes_that_did_not_compare_a_value_are_asked_again_at_growing_waits() {
    let (mut now, mut waits) = (at(0), Vec::new());
    for _ in 0..12 {
        let next = quell_core::respond::compared_again_at(at(0), now);
        waits.push(next.duration_since(now).as_secs());
        now = next;
    }
    assert_eq!(waits, [5, 5, 10, 20, 40, 80, 160, 320, 600, 600, 600, 600]);
    assert_eq!(quell_core::respond::compared_again_at(at(100), at(0)), at(5), "a clock set back asks no later");
}
