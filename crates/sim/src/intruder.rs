//! The intruder, and the consumers who have work to do.
//!
//! At every point the intruder tries each leaked secret and keeps a few sessions
//! with it; whatever is accepted is remembered with its time. A consumer logs in
//! with what its sink holds, and never with anything else.

use crate::{
    fault::Fault,
    truth::Who,
    world::{World, hold},
};

/// Most sessions the intruder keeps on one role.
const SESSIONS_MAX: usize = 3;

/// Everybody beside Quell does what they can right now.
pub fn act(world: &World) {
    let now = world.now_us();
    let mut truth = hold(&world.truth);
    let mut wants: Vec<(String, String, String)> = Vec::new();
    for (plane, roles) in &mut truth.planes {
        for (name, role) in roles.iter_mut().filter(|(_, r)| r.leaked) {
            if role.admits(&role.first_secret, now) {
                role.intruded_us = Some(now);
                let open = role.sessions.values().filter(|s| s.by == Who::Intruder).count();
                if open < SESSIONS_MAX {
                    wants.push((plane.clone(), name.clone(), role.first_secret.clone()));
                }
            }
        }
    }
    for (plane, role, secret) in wants {
        if world.chance.percent(25) {
            let late = listing_delay_us(world, &plane, now);
            truth.login(&plane, &role, &secret, Who::Intruder, now, late);
        }
    }
    if world.chance.percent(20) {
        let sinks: Vec<(String, String, String)> = truth.sinks.values().cloned().collect();
        for (plane, login, secret) in sinks {
            let idle = truth.role(&plane, &login).is_some_and(|r| !r.sessions.values().any(|s| s.by == Who::Consumer));
            if idle {
                truth.login(&plane, &login, &secret, Who::Consumer, now, 0);
            }
        }
    }
}

/// A login that passed its check is listed a moment later; within the settle time.
fn listing_delay_us(world: &World, plane: &str, now: u64) -> u64 {
    let lagging = hold(&world.faults).chance_of(Fault::Lag, plane, now) > 0;
    if lagging { world.chance.below(u64::try_from(world.settle_ms).unwrap_or(0) * 400) } else { 0 }
}
