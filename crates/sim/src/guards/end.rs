//! Guards at the end of a world: invariants 1, 10, 16 and 18.

use std::sync::Arc;

use quell_core::{course::PlanStage, event, proof::Life};
use quell_engine::{Engine, lookup, port::Store};

use crate::world::{World, hold};

/// Everything that must hold once it is quiet.
pub async fn at_the_end(world: &World, engine: &Arc<Engine>) {
    alerts_are_kept(world);
    no_secret_is_read(world).await;
    // A world that a guard ended had no time to bring its plans to an end.
    if !world.is_lost() {
        every_plan_came_to_its_end(world);
        every_value_was_compared(world).await;
        everybody_was_told(world);
    }
    no_life_without_a_probe(world, engine).await;
    hold(&world.guards).exposures(world);
    checkpoints_are_consistent(world).await;
}

/// Invariant 1: what was answered 202 is filed, and its cases are there.
fn alerts_are_kept(world: &World) {
    let mut guards = hold(&world.guards);
    let lost: Vec<_> = guards
        .acknowledged
        .iter()
        .filter(|alert| {
            guards.filed.get(alert).is_none_or(|(findings, cases)| *findings == 0 || cases.iter().any(|c| !guards.cases.contains_key(c)))
        })
        .cloned()
        .collect();
    for alert in lost {
        guards.violated(1, format!("alert `{alert}` was taken and is in no case"));
    }
}

/// Invariant 6: messages go at least once.
fn everybody_was_told(world: &World) {
    let mut guards = hold(&world.guards);
    let untold: Vec<_> = guards.notices.iter().filter(|(_, over)| !**over).map(|(of, _)| of.clone()).collect();
    for (case, notice) in untold {
        guards.violated(6, format!("nobody took the notice `{notice}` of case `{case}`"));
    }
}

/// Invariant 10: no secret in the ledger, its projections or a message.
async fn no_secret_is_read(world: &World) {
    let secrets = hold(&world.truth).secrets.clone();
    let mut places: Vec<(String, Vec<u8>)> = Vec::new();
    for stored in world.store.leaves(0, u32::MAX).await.unwrap_or_default() {
        places.push((format!("leaf {}", stored.index), stored.leaf.bytes));
    }
    let mut guards = hold(&world.guards);
    places.extend(guards.messages.iter().map(|m| (format!("message {}", m.id), m.headline.clone().into_bytes())));
    places.extend(guards.known.values().map(|d| (format!("disclosure {}", d.commitment), d.value.clone().into_bytes())));
    let mut found = Vec::new();
    for (place, bytes) in places {
        let text = String::from_utf8_lossy(&bytes);
        if secrets.iter().any(|s| text.contains(s.as_str())) {
            found.push(place);
        }
    }
    for place in found {
        guards.violated(10, format!("a secret can be read in {place}"));
    }
}

/// Invariant 18: proved, or a named person has it.
fn every_plan_came_to_its_end(world: &World) {
    let mut guards = hold(&world.guards);
    let mut wrong = Vec::new();
    for (id, seen) in &guards.plans {
        let has_task = guards.cases.get(&seen.case).is_some_and(|c| c.tasks.iter().any(|(plan, _)| plan.as_ref() == Some(id)));
        match seen.state.stage {
            PlanStage::Proved | PlanStage::Denied | PlanStage::Superseded => {}
            PlanStage::HandedOver | PlanStage::Expired if has_task => {}
            _ if guards.cases.get(&seen.case).is_some_and(|c| c.closed) => {}
            stage => wrong
                .push(format!("plan `{id}` is {stage:?} at the end, {}", if has_task { "with a task" } else { "and nobody was asked" })),
        }
    }
    for why in wrong {
        guards.violated(18, why);
    }
}

/// Invariant 18: a leaked value that a plane did not compare waits for nobody, once it answers.
async fn every_value_was_compared(world: &World) {
    let rows = world.store.lookup_range(lookup::UNCOMPARED, "", None, 999).await.unwrap_or_default();
    let mut guards = hold(&world.guards);
    for (finding, row) in rows {
        let case = row["case"].as_str().unwrap_or_default();
        let is_open = guards.cases.iter().any(|(id, seen)| id.as_str() == case && !seen.closed);
        if is_open {
            guards.violated(18, format!("finding `{finding}` of case `{case}` was never compared on {}, which answers", row["planes"]));
        }
    }
}

/// Invariant 5: the engine's fold calls nothing dead that no probe found dead.
async fn no_life_without_a_probe(world: &World, engine: &Arc<Engine>) {
    let cases: Vec<_> = hold(&world.guards).cases.keys().cloned().collect();
    for case in cases {
        let Ok(Some(ground)) = engine.ground(&case).await else { continue };
        let mut guards = hold(&world.guards);
        for (id, state) in &ground.targets {
            let last = guards.targets.get(id).and_then(|t| t.last_liveness);
            if state.life == Some(Life::Dead) && last != Some(quell_core::proof::Liveness::Dead) {
                guards.violated(5, format!("`{id}` counts as dead, and the last probe said {last:?}"));
            }
        }
    }
}

/// Invariant 16: every root that was signed is the root of what is there now.
async fn checkpoints_are_consistent(world: &World) {
    let roots = hold(&world.guards).roots.clone();
    for (size, root) in roots {
        if world.store.root(Some(size)).await.map(|(_, r)| r) != Ok(root) {
            hold(&world.guards).violated(16, format!("the first {size} leaves are not what was signed"));
        }
    }
}

/// Invariant 16: another process folds the same states and rows out of the ledger.
pub async fn replay_is_equal(world: &World, before: &Arc<Engine>, after: &Arc<Engine>) {
    let cases: Vec<_> = hold(&world.guards).cases.keys().cloned().collect();
    for case in cases {
        let (Ok(Some(one)), Ok(Some(two))) = (before.ground(&case).await, after.ground(&case).await) else {
            hold(&world.guards).violated(16, format!("case `{case}` cannot be loaded"));
            continue;
        };
        let parts = [
            difference(&one.case, &two.case),
            difference(&one.plans, &two.plans),
            difference(&one.targets, &two.targets),
            difference(&one.approvals, &two.approvals),
        ];
        if let Some(difference) = parts.into_iter().flatten().next() {
            hold(&world.guards).violated(16, format!("case `{case}` is another one after a replay: {difference}"));
        }
    }
    let mut rows = Vec::new();
    let known = hold(&world.guards).known.clone();
    for stored in world.store.leaves(0, u32::MAX).await.unwrap_or_default() {
        match event::decode(&stored.leaf.bytes, &known) {
            Ok(recorded) => rows.extend(lookup::changes(&recorded)),
            Err(why) => hold(&world.guards).violated(16, format!("leaf {} cannot be read: {why}", stored.index)),
        }
    }
    if world.store.rebuild(rows).await != Ok(true) {
        hold(&world.guards).violated(16, "the projections are others after a replay");
    }
}

/// The first lines in which two folds of the same events differ.
fn difference<T: PartialEq + std::fmt::Debug>(before: &T, after: &T) -> Option<String> {
    if before == after {
        return None;
    }
    let (before, after) = (format!("{before:#?}"), format!("{after:#?}"));
    let pair = before.lines().zip(after.lines()).find(|(a, b)| a != b);
    Some(pair.map_or_else(|| "one is longer".to_owned(), |(a, b)| format!("`{}` became `{}`", a.trim(), b.trim())))
}
