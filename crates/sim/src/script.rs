//! What people, senders and the weather do, and when.
//!
//! A deed is drawn with its moment; what it is done to is chosen when it is its
//! turn, out of what stands then. Refusals are part of the story: many deeds
//! are ones that must be refused.

use std::sync::Arc;

use quell_core::{
    case::Command,
    decision::{Role, Verb},
    event::{By, PersonChanged, Verdict},
    id::CaseId,
    personal::Salter,
    plan::{PlanKind, UndoMode},
    signal::SignalKind,
    time::{SignedDuration, after},
};
use quell_engine::{
    Engine, Failure,
    port::{Chance, Clock},
};

use crate::{
    cast::{Cast, Member},
    fault::Fault,
    world::{World, hold},
};

/// One thing that happens at a moment.
#[derive(Clone, Debug)]
pub enum Deed {
    /// A scanner reports a role; with its secret, or by name.
    Alert {
        role: usize,
        source: usize,
        with_secret: bool,
        sample: bool,
    },
    Unreadable,
    OpenByHand {
        role: usize,
    },
    Arm,
    Promote,
    /// Somebody looks at what is open and does something about it.
    Look,
    /// Somebody approves what waits.
    Approve,
    /// Whatever containment is open is denied.
    Deny,
    Undo,
    Reinstate,
    Close,
    Pause,
    Resume,
    Revert {
        role: usize,
    },
    Step {
        fault: Fault,
    },
    Crash {
        points: u64,
    },
    Checkpoint,
}

/// Everything that will happen, earliest first.
pub fn draw(world: &World, cast: &Cast, until_us: u64) -> Vec<(u64, Deed)> {
    let chance = &world.chance;
    let mut script: Vec<(u64, Deed)> = Vec::new();
    let usual: Vec<usize> = (0..cast.roles.len()).filter(|n| cast.roles[*n].1 != "root").collect();
    let role = || *chance.pick(&usual).unwrap_or(&0);
    let first = role();
    // Another one: about the same role, or one that is joined to it, the two would be one case.
    let named = |n: usize| (cast.roles[n].0.clone(), cast.roles[n].1.clone());
    let joined = hold(&world.guards).joined(named(first));
    let others: Vec<usize> = usual.iter().copied().filter(|n| !joined.contains(&named(*n))).collect();
    let second = *chance.pick(&others).unwrap_or(&first);
    let at = |limit: u64| chance.below(limit);

    script.push((at(3_000_000), Deed::Arm));
    // What lapsed is armed again.
    for _ in 0..2 {
        script.push((at(until_us), Deed::Arm));
    }
    script.push((until_us, Deed::Arm));
    // Two overlapping cases at least: two alerts, and one by hand about the first of them.
    for (n, role) in [first, second].into_iter().enumerate() {
        script.push((at(until_us / 3), Deed::Alert { role, source: n, with_secret: chance.percent(65), sample: chance.percent(5) }));
    }
    script.push((at(until_us / 2), Deed::OpenByHand { role: first }));
    for _ in 0..chance.below(4) {
        let role = if chance.percent(15) { 3 } else { *chance.pick(&[first, second, role()]).unwrap_or(&first) };
        let source = usize::try_from(chance.below(3)).unwrap_or(0);
        script.push((at(until_us), Deed::Alert { role, source, with_secret: chance.percent(50), sample: chance.percent(10) }));
    }
    if chance.percent(40) {
        script.push((at(until_us), Deed::Unreadable));
    }
    if chance.percent(30) {
        script.push((at(until_us / 3), Deed::Promote));
    }
    for _ in 0..chance.below(4) {
        script.push((at(until_us), Deed::Revert { role: *chance.pick(&[first, second]).unwrap_or(&first) }));
    }
    // Three in every world strike at the next point or soon after: a world of fewer
    // faults tells little.
    for _ in 0..3 {
        script.push((at(until_us), Deed::Crash { points: chance.between(1, 4) }));
    }
    for _ in 0..chance.between(1, 4) {
        script.push((at(until_us), Deed::Crash { points: chance.between(1, 120) }));
    }
    if chance.percent(40) {
        let fault = *chance.pick(&[Fault::ClockBack, Fault::ClockLeap]).unwrap_or(&Fault::ClockBack);
        script.push((at(until_us), Deed::Step { fault }));
    }
    if chance.percent(30) {
        let paused = at(until_us);
        script.push((paused, Deed::Pause));
        script.push((paused + at(until_us), Deed::Resume));
        script.push((paused + at(until_us), Deed::Resume));
    }
    for _ in 0..chance.between(6, 16) {
        script.push((at(until_us * 2), Deed::Look));
    }
    for _ in 0..chance.between(6, 30) {
        script.push((at(until_us), Deed::Approve));
    }
    for _ in 0..chance.between(1, 4) {
        script.push((until_us / 3 + at(until_us * 2), Deed::Undo));
    }
    script.push((at(until_us), Deed::Checkpoint));
    script.push((until_us * 3, Deed::Checkpoint));
    // Once it is quiet, those who are awaited answer, in most worlds.
    if chance.percent(80) {
        let mut at = until_us;
        while at < until_us * 5 {
            script.push((at, Deed::Approve));
            at += chance.between(1_000_000, 5_000_000);
        }
        script.push((until_us * 3, Deed::Undo));
        script.push((until_us * 5, Deed::Close));
        script.push((until_us * 5, Deed::Close));
    }
    script.sort_by_key(|(at, _)| *at);
    script
}

/// One case about the first role: reported with its secret, contained, undone.
/// Each deed comes several times, because a crash may take one with it.
pub fn one_case() -> Vec<(u64, Deed)> {
    let mut script =
        vec![(0, Deed::Arm), (500_000, Deed::Arm), (1_000_000, Deed::Alert { role: 0, source: 0, with_secret: true, sample: false })];
    for second in 2..14 {
        script.push((second * 1_000_000, Deed::Approve));
    }
    for second in [15, 30, 45] {
        script.push((second * 1_000_000, Deed::Reinstate));
        script.extend((second + 1..second + 14).map(|s| (s * 1_000_000, Deed::Approve)));
    }
    script
}

impl Deed {
    /// Whoever got no answer tries again: senders do, and people.
    pub fn is_tried_again(&self) -> bool {
        matches!(self, Self::Alert { .. } | Self::Unreadable | Self::OpenByHand { .. })
    }

    /// Does it; what it met is told and never matters to the world.
    pub async fn happen(self, world: Arc<World>, cast: Arc<Cast>, engine: Arc<Engine>) {
        let name = format!("{self:?}");
        match self.dare(&world, &cast, &engine).await {
            Ok(()) => world.tell(format!("deed {name}")),
            Err(failure) => world.tell(format!("deed {name}: {failure}")),
        }
    }

    async fn dare(self, world: &Arc<World>, cast: &Cast, engine: &Arc<Engine>) -> Result<(), Failure> {
        let chance = &world.chance;
        match self {
            Self::Alert { role, source, with_secret, sample } => {
                let (plane, name, secret) = &cast.roles[role];
                let kind = if with_secret {
                    "leaked_secret"
                } else {
                    *chance.pick(&["leaked_secret", "anomalous_use"]).unwrap_or(&"leaked_secret")
                };
                if with_secret
                    && !sample
                    && let Some(role) = hold(&world.truth).role_mut(plane, name)
                {
                    role.leaked = true;
                }
                let bytes = cast.alert(world, plane, name, kind, with_secret.then_some(secret.as_str()), sample);
                send(world, engine, &cast.sources[source], &bytes).await
            }
            Self::Unreadable => send(world, engine, &cast.sources[0], b"{ not what we agreed on").await,
            Self::OpenByHand { role } => {
                let (plane, name, _) = &cast.roles[role];
                let who = responder(world, cast);
                let kind = *chance.pick(&[SignalKind::AnomalousUse, SignalKind::LeakedSecret]).unwrap_or(&SignalKind::Other);
                engine.open_case(&who.caller(), &format!("{plane}/{name}"), kind, "it looks wrong").await.map(|_| ())
            }
            Self::Arm => {
                for plane in &cast.planes {
                    let actions = quell_core::action::CATALOGUE.iter().map(|e| e.action);
                    let offered =
                        engine.ports.connectors.get(plane).map(|c| c.manifest().actions.iter().map(|a| a.action).collect::<Vec<_>>());
                    let offered = offered.unwrap_or_default();
                    let actions = actions.filter(|a| offered.contains(a)).collect();
                    engine.arm(&cast.member("u-pat").caller(), plane, actions, after(world.clock.now(), 86_400)).await?;
                }
                Ok(())
            }
            Self::Promote => {
                let late = cast.member("u-late");
                let change = PersonChanged { roles: Some(vec![Role::PlatformOwner, Role::Iam]), password: None, disabled: None };
                engine.on_person(&By::Person(cast.member("u-adam").id.clone()), &late.id, change).await
            }
            Self::Look => look(world, cast, engine).await,
            Self::Approve => approve(world, cast, engine).await,
            Self::Deny => {
                let open = hold(&world.guards)
                    .plans
                    .values()
                    .find(|p| p.state.is_open() && p.state.plan.kind != PlanKind::Undo)
                    .map(|p| (p.case.clone(), p.state.digest.clone()));
                let Some((case, digest)) = open else { return Ok(()) };
                engine.deny(&cast.member("u-rita").caller(), &case, &digest, "not this".to_owned()).await
            }
            Self::Undo | Self::Reinstate => {
                let Some(case) = contained_case(world) else { return Ok(()) };
                let restores = matches!(self, Self::Undo) && chance.percent(25);
                let mode = if restores { UndoMode::Restore } else { UndoMode::Reinstate };
                engine.undo(&responder(world, cast).caller(), &case, mode, None).await.map(|_| ())
            }
            Self::Close => {
                let Some(case) = any_case(world) else { return Ok(()) };
                let lead = cast.member(if chance.percent(50) { "u-leo" } else { "u-rita" });
                engine.command(&lead.caller(), &case, Verb::Close, Command::Close { note: None }).await
            }
            Self::Pause => engine.pause(&cast.member("u-rita").caller(), after(world.clock.now(), 60), None).await,
            Self::Resume => {
                let who = if chance.percent(50) { "u-rita" } else { "u-adam" };
                engine.resume(&cast.member(who).caller()).await
            }
            Self::Revert { role } => {
                revert(world, &cast.roles[role]);
                Ok(())
            }
            Self::Step { fault } => {
                let hours = i64::try_from(chance.between(1, 48)).unwrap_or(1);
                let hours = if fault == Fault::ClockBack { -hours } else { hours };
                hold(&world.faults).count(fault);
                world.clock.step(SignedDuration::from_hours(hours));
                // A wall that was set back is only seen by a new process.
                world.crash_in(chance.between(1, 40));
                Ok(())
            }
            Self::Crash { points } => {
                world.crash_in(points);
                Ok(())
            }
            Self::Checkpoint => {
                engine.sign_checkpoint().await?;
                if let Ok((size, root)) = engine.ports.store.root(None).await {
                    hold(&world.guards).roots.push((size, root));
                }
                Ok(())
            }
        }
    }
}

/// A sender sends until it is told 202, as senders do.
async fn send(world: &World, engine: &Arc<Engine>, source: &quell_core::event::SourceCreated, bytes: &[u8]) -> Result<(), Failure> {
    for _ in 0..20 {
        match engine.receive(source, bytes).await {
            Ok(alert) => {
                hold(&world.guards).acknowledged.insert(alert);
                return Ok(());
            }
            Err(_) => world.clock.sleep(SignedDuration::from_millis(500)).await,
        }
    }
    Err(Failure::Unavailable("the sender gave up".to_owned()))
}

fn responder<'a>(world: &World, cast: &'a Cast) -> &'a Member {
    let all = ["u-rita", "u-leo", "u-ida", "u-ian", "u-sam", "u-sue"];
    cast.member(world.chance.pick(&all).unwrap_or(&"u-rita"))
}

fn any_case(world: &World) -> Option<CaseId> {
    let cases: Vec<CaseId> = hold(&world.guards).cases.iter().filter(|(_, c)| !c.closed).map(|(id, _)| id.clone()).collect();
    world.chance.pick(&cases).cloned()
}

fn contained_case(world: &World) -> Option<CaseId> {
    let guards = hold(&world.guards);
    let cases: Vec<CaseId> = guards
        .plans
        .values()
        .filter(|p| p.state.started.is_some() && p.state.stage.is_over() && p.state.plan.kind != PlanKind::Undo)
        .map(|p| p.case.clone())
        .collect();
    world.chance.pick(&cases).cloned()
}

/// A plan that waits: its case and digest.
fn waiting_plan(world: &World) -> Option<(CaseId, String, Vec<Role>)> {
    let guards = hold(&world.guards);
    let waiting: Vec<(CaseId, String, Vec<Role>)> = guards
        .plans
        .values()
        .filter(|p| p.state.started.is_none() && p.state.is_open())
        .map(|p| {
            let wanted = p.state.decided.as_ref().map(|d| d.wanted.keys().copied().collect()).unwrap_or_default();
            (p.case.clone(), p.state.digest.clone(), wanted)
        })
        .collect();
    world.chance.pick(&waiting).cloned()
}

async fn approve(world: &Arc<World>, cast: &Cast, engine: &Arc<Engine>) -> Result<(), Failure> {
    let Some((case, digest, wanted)) = waiting_plan(world) else { return Ok(()) };
    // Mostly one who is wanted; sometimes just anybody.
    let asked: Vec<&Member> = cast.members.iter().filter(|m| m.offices.iter().any(|o| wanted.contains(o))).collect();
    let who = if world.chance.percent(70) { world.chance.pick(&asked).copied() } else { world.chance.pick(&cast.members) };
    let Some(who) = who else { return Ok(()) };
    // Sometimes in a role they do not hold, or for a plan of yesterday.
    let as_role = if world.chance.percent(10) { world.chance.pick(&Role::APPROVERS).copied() } else { None };
    engine.approve(&who.caller(), &case, &digest, as_role, None).await?;
    if world.chance.percent(20) {
        engine.approve(&who.caller(), &case, &digest, None, Some("again".to_owned())).await?;
    }
    Ok(())
}

async fn look(world: &Arc<World>, cast: &Cast, engine: &Arc<Engine>) -> Result<(), Failure> {
    let chance = &world.chance;
    let Some(who) = chance.pick(&cast.members).map(Member::caller) else { return Ok(()) };
    let Some(case) = any_case(world) else { return Ok(()) };
    let plan = hold(&world.guards)
        .plans
        .values()
        .find(|p| p.case == case && p.state.is_open())
        .map(|p| (p.state.digest.clone(), p.state.plan.clone()));
    let salter = Salter::new(world.ids.seed());
    match chance.below(10) {
        0..=2 => {
            let role = *chance.pick(&[Role::Iam, Role::Secops, Role::BusinessOwner]).unwrap_or(&Role::Secops);
            let verdict = *chance
                .pick(&[Verdict::Malicious, Verdict::NotMalicious, Verdict::Expected, Verdict::DoNotKnow])
                .unwrap_or(&Verdict::Malicious);
            engine.command(&who, &case, Verb::GiveVerdict, Command::GiveVerdict { role, verdict, evidence: None }).await
        }
        3 => engine.command(&who, &case, Verb::TakeLead, Command::TakeLead { person: who.id.clone() }).await,
        4 => engine.command(&who, &case, Verb::Note, Command::Note { text: salter.commit("seen") }).await,
        5..=6 => match plan {
            Some((digest, _)) => engine.run_plan(&who, &case, &digest, chance.percent(50).then(|| "it must be".to_owned())).await,
            None => Ok(()),
        },
        7 => match plan.filter(|_| chance.percent(40)) {
            Some((digest, _)) => engine.deny(&who, &case, &digest, "not now".to_owned()).await,
            None => Ok(()),
        },
        8 => match plan {
            Some((digest, plan)) => {
                let step = chance.pick(&plan.steps);
                let target = step.and_then(|s| match &s.selector {
                    quell_core::plan::Selector::Exactly { target } => Some(target.id.clone()),
                    quell_core::plan::Selector::Every { .. } => None,
                });
                match target.filter(|_| chance.percent(20)) {
                    Some(target) => engine.exclude(&who, &case, &digest, vec![target]).await,
                    None => Ok(()),
                }
            }
            None => Ok(()),
        },
        _ => engine.plan_case(&who, &case).await,
    }
}

/// Somebody with another tool gives it all back.
fn revert(world: &World, (plane, name, secret): &(String, String, String)) {
    let now = world.now_us();
    let mut truth = hold(&world.truth);
    let Some(role) = truth.role_mut(plane, name).filter(|r| !r.told.can_login) else { return };
    let whole = world.chance.percent(50);
    role.change(now, 0, |door| {
        door.can_login = true;
        if whole {
            door.verifier = Some(crate::truth::verifier(secret));
        }
    });
    role.reverted_us = Some(now);
    drop(truth);
    hold(&world.faults).count(Fault::Revert);
    world.tell(format!("FAULT Revert: `{plane}/{name}` may log in again{}", if whole { " with the old secret" } else { "" }));
}
