//! A case as people and programs see it: one pure function for CLI and API.
//!
//! Headlines and sentences consist of our words and inventory names. Text from
//! outside stands under `untrusted`. Nothing here claims more than a probe
//! proved: what is not known is `unknown`, never 0 and never "contained".

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use serde_json::{Value, json};

use crate::{
    action::Action,
    break_glass::Glass,
    by_hand,
    case::{Case, Task},
    course::{PlanStage, PlanState},
    decision::Role,
    event::{CaseEnriched, Stage},
    finding::Finding,
    fold::Rule,
    hold::TargetState,
    id::PlanId,
    plan::{Proves, Selector, Step},
    proof::{Life, Liveness},
    respond::{self, Situation, act_targets},
    route::Route,
    target::{Target, TargetKind},
    time::Timestamp,
};

/// The first line of a case, at most 100 characters.
pub fn headline(s: &Situation<'_>, now: Timestamp) -> String {
    let who = who(s.case);
    let state = standing(s, now);
    let next = whats_next(s, now);
    // A native id or a plane's own name may hold anything; what it would do to a
    // terminal is shown, not done.
    let line = crate::untrusted::Untrusted::new(format!("{who}: {state}. {next}")).terminal();
    shorten(&line, 100)
}

fn shorten(line: &str, characters: usize) -> String {
    if line.chars().count() <= characters {
        return line.to_string();
    }
    let mut short: String = line.chars().take(characters - 1).collect();
    short.push('…');
    short
}

/// Inventory name or native id of the first subject; never a sender's words.
fn who(case: &Case) -> String {
    let Some(root) = case.roots().into_iter().next() else {
        return if case.findings.iter().all(|f| f.unreadable) {
            "unreadable alert".to_string()
        } else {
            "nobody on our planes".to_string()
        };
    };
    let name = case.subjects.get(&root.id).and_then(|s| s.name.as_ref()).and_then(|n| n.value().map(ToString::to_string));
    let name = name.unwrap_or_else(|| root.reference());
    // Escapes are longer than what they stand for, so they are counted.
    shorten(&crate::untrusted::Untrusted::new(name).terminal(), 40)
}

/// `STILL USABLE, last seen used 02:58`.
fn standing(s: &Situation<'_>, now: Timestamp) -> String {
    if let Some(into) = &s.case.merged_into {
        return format!("merged into {into}");
    }
    if s.case.is_posture() && s.case.is_open() {
        return "not as it should be, no sign of misuse".to_string();
    }
    let empty = TargetState::default();
    let lives: Vec<(&Target, &TargetState)> = s
        .case
        .linked
        .iter()
        .filter(|(t, _)| t.kind == TargetKind::Credential)
        .map(|(t, _)| (t, s.targets.get(&t.id).map_or(&empty, |t| &**t)))
        .filter(|(t, _)| !is_new(s, t))
        .collect();
    if lives.is_empty() {
        let by_hand: Vec<by_hand::Standing> = s.case.roots().iter().filter_map(|r| by_hand::standing(s.case, s.plans, r)).collect();
        let (steps, said) = (by_hand.iter().map(|b| b.steps).sum::<usize>(), by_hand.iter().map(|b| b.said).sum::<usize>());
        return match steps {
            0 => "not looked at yet".to_string(),
            _ if s.case.stage() >= Stage::Closed => "closed".to_string(),
            _ if steps == said => "UNKNOWN, said done by hand".to_string(),
            _ => format!("STILL USABLE, {said} of {steps} by hand said done"),
        };
    }
    if s.case.stage() >= Stage::Closed {
        return "closed".to_string();
    }
    let any = |wanted: Life| lives.iter().any(|(t, held)| life(s, t, held) == Some(wanted));
    let last = lives
        .iter()
        .filter_map(|(_, t)| t.last_live_at)
        .max()
        .map_or_else(String::new, |at| format!(", last seen usable {}", clock(at, now)));
    if any(Life::Live) || lives.iter().any(|(t, held)| life(s, t, held).is_none()) {
        format!("STILL USABLE{last}")
    } else if any(Life::Containing) {
        format!("BEING CUT, not proved{last}")
    } else if any(Life::Unknown) || respond::knows_nothing_of(s, now) {
        format!("UNKNOWN{last}")
    } else if any(Life::Dying) {
        let until =
            lives.iter().filter_map(|(_, t)| t.residual_until).max().map_or_else(String::new, |at| format!(" until {}", clock(at, now)));
        format!("DYING{until}")
    } else if any(Life::Restored) {
        "RESTORED".to_string()
    } else {
        let since = lives.iter().filter_map(|(_, t)| t.dead_since).max().map_or_else(String::new, |at| format!(" at {}", clock(at, now)));
        format!("PROVED DEAD{since}")
    }
}

fn life(s: &Situation<'_>, target: &Target, held: &TargetState) -> Option<Life> {
    by_hand::life(s.case, s.plans, target, held)
}

fn whats_next(s: &Situation<'_>, now: Timestamp) -> String {
    if s.case.merged_into.is_some() {
        return "It goes on there.".to_string();
    }
    if !s.case.is_open() {
        return "Nothing to do.".to_string();
    }
    let acting = s.plans.values().any(|p| p.is_open() && p.started.is_some());
    let waiting = waiting_for(s, now);
    // Who reviews what was done is not who is waited for while it is done.
    let later = |w: &Value| acting && s.case.tasks.iter().any(|t| t.added.reviews.is_some() && w["task"] == t.added.task.as_str());
    if let Some(first) = waiting.iter().find(|w| !later(w)) {
        let until = first["deadline"]
            .as_str()
            .and_then(|d| d.parse::<Timestamp>().ok())
            .map_or_else(String::new, |d| format!(" by {}", clock(d, now)));
        // A task's text may quote a plane; the first line says only who has it.
        let what = match first.get("task") {
            Some(_) => format!("{} has a task", first["role"].as_str().unwrap_or("a person").replace('_', " ")),
            None => first["what"].as_str().unwrap_or("a person decides").to_string(),
        };
        return format!("Next: {what}{until}.");
    }
    if acting {
        return "Quell is acting and probing.".to_string();
    }
    match s.case.stage() {
        Stage::Proven | Stage::Restored | Stage::Reviewed => "Next: review and close.".to_string(),
        _ => "Next: the lead decides.".to_string(),
    }
}

/// `02:58`, and with its day where that is not today: 768 hours from now is the same
/// time of another month.
fn clock(at: Timestamp, now: Timestamp) -> String {
    let (at, now) = (at.to_string(), now.to_string());
    let time = at.get(11..16).unwrap_or("--:--");
    match (at.get(..10), now.get(..10)) {
        (Some(day), today) if Some(day) != today => format!("{day} {time}"),
        _ => time.to_string(),
    }
}

/// Issued by a plan of this case.
fn is_new(s: &Situation<'_>, target: &Target) -> bool {
    s.plans.values().any(|p| p.plan.issues(target))
}

/// The exposure clock of a whole case: from the earliest moment that anything of
/// it was known usable by others. It stops only when every credential and session
/// is proved dead as things stand; a rest that is unknown, dying or was never
/// looked at keeps it running, and so does somebody of whom nothing is known. Nothing is said where nothing is linked yet.
pub fn exposure(s: &Situation<'_>, now: Timestamp) -> Value {
    let empty = TargetState::default();
    let lives: Vec<&TargetState> = s
        .case
        .linked
        .iter()
        .filter(|(t, _)| matches!(t.kind, TargetKind::Credential | TargetKind::Session) && !is_new(s, t))
        .map(|(t, _)| s.targets.get(&t.id).map_or(&empty, |t| &**t))
        .collect();
    if lives.is_empty() || s.case.is_posture() {
        return Value::Null;
    }
    let clocks: Vec<_> = lives.iter().filter(|t| t.target.is_some()).map(|t| s.case.exposure(t)).collect();
    let first = clocks.iter().min_by_key(|e| e.from);
    let running = lives.iter().any(|t| !matches!(t.life, Some(Life::Dead | Life::Restored))) || respond::knows_nothing_of(s, now);
    let last = |of: fn(&crate::proof::Exposure) -> Option<Timestamp>| clocks.iter().filter_map(of).max();
    json!({
        "from": first.map_or(s.case.opened_at, |e| e.from), "from_basis": first.map_or("received", |e| e.from_basis.as_str()),
        "at_least_until": last(|e| e.at_least_until), "at_most_until": if running { None } else { last(|e| e.at_most_until) }, "running": running,
    })
}

/// How many credentials and sessions of the case are in each state.
pub fn states(s: &Situation<'_>) -> Value {
    let mut counts = alloc::collections::BTreeMap::<String, u32>::new();
    for (target, _) in s.case.linked.iter().filter(|(t, _)| matches!(t.kind, TargetKind::Credential | TargetKind::Session)) {
        if !is_new(s, target) {
            let life = s.targets.get(&target.id).and_then(|t| life(s, target, t)).unwrap_or(Life::Unknown);
            *counts.entry(json!(life).as_str().unwrap_or("UNKNOWN").to_string()).or_default() += 1;
        }
    }
    json!(counts)
}

/// Whom the case waits for, until when, and what happens then.
pub fn waiting_for(s: &Situation<'_>, now: Timestamp) -> Vec<Value> {
    let mut out = Vec::new();
    for state in s.plans.values().filter(|p| p.is_open() && p.started.is_none()) {
        let Some(decided) = &state.decided else { continue };
        let id = &state.plan.id;
        if !decided.never.is_empty() {
            out.push(json!({ "role": Role::PolicyAuthor.name(), "people": [], "deadline": decided.until, "at_timeout": "the plan ends undone", "plan": id,
                "what": format!("policy lets nobody run step {}", decided.never.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")) }));
            continue;
        }
        let counts =
            crate::approval::count(s.approvals.get(id).map(Vec::as_slice).unwrap_or_default(), id, &state.digest, &s.case.bench(), now);
        let asked = s.case.asked.get(id);
        let mut missing = false;
        for (role, n) in &decided.wanted {
            let have = counts.get(role).copied().unwrap_or(0);
            if have < *n {
                missing = true;
                out.push(json!({ "role": role.name(), "people": asked.map(|a| a.people.clone()).unwrap_or_default(), "deadline": asked.map_or(decided.until, |a| a.deadline),
                    "at_timeout": asked.map_or_else(|| "the plan ends undone".to_string(), |a| a.at_timeout.clone()), "plan": id,
                    "what": format!("{} approves plan {id}", role.in_words().trim_start_matches("the ")), "missing": n - have }));
            }
        }
        if missing {
            continue;
        }
        let unarmed: Vec<&str> = {
            let steps = state.plan.steps.iter().filter(|st| !s.installation.lets(st, now));
            let planes: alloc::collections::BTreeSet<&str> = steps.map(|st| st.plane.connector.as_str()).collect();
            planes.into_iter().collect()
        };
        if !unarmed.is_empty() {
            out.push(json!({ "role": Role::PlatformOwner.name(), "people": [], "deadline": decided.until, "at_timeout": "the plan ends undone", "plan": id,
                "what": format!("arm {} (it only observes)", unarmed.join(", ")) }));
        } else if !state.plan.gaps.is_empty() {
            out.push(json!({ "role": Role::Lead.name(), "people": [], "deadline": decided.until, "at_timeout": "the plan ends undone", "plan": id,
                "what": "the plan is INCOMPLETE; run it with a reason" }));
        } else if s.installation.is_paused(now) && !state.plan.is_by_hand() {
            out.push(json!({ "role": Role::ResponseOwner.name(), "people": [], "deadline": s.installation.paused.as_ref().map(|p| p.until), "at_timeout": "automation goes on by itself", "plan": id,
                "what": "automation is paused" }));
        }
    }
    for task in s.case.tasks.iter().filter(|t| t.ended.is_none()) {
        out.push(json!({ "role": task.added.owner.name(), "people": [], "deadline": null, "at_timeout": "stays open", "plan": task.added.plan, "task": task.added.task,
            "what": task.added.what }));
    }
    out
}

/// The case of design section 5.
pub fn case(s: &Situation<'_>, now: Timestamp) -> Value {
    let case = s.case;
    let findings: Vec<Value> = case
        .findings
        .iter()
        .map(|f| {
            json!({ "id": f.id, "title": f.kind, "untrusted": { "title": f.title.shown() }, "kind": f.kind, "count": f.count, "first_at": f.first_at, "last_at": f.last_at,
                "senders": f.senders.len(), "sample": f.sample, "unreadable": f.unreadable, "containment_evidence": f.containment_evidence, "unsigned": f.unsigned,
                "subject": f.resolved.as_ref().map(|r| r.identity.reference()), "possession": f.resolved.as_ref().is_some_and(|r| r.possession),
                "because": f.resolved.as_ref().map(|r| r.because.clone()), "ambiguous": ambiguous(f), "uncompared": f.uncompared, "fingerprint": f.fingerprint, "outcome": f.outcome, "severity": f.folds.severity, "folding": folding(f), "accountable": accountable(case, f), "find_out": by_hand::nobody(f).map(|asked| asked.task) })
        })
        .collect();
    let owners: Vec<Value> = case
        .subjects
        .values()
        .flat_map(|subject| {
            subject.owners.iter().map(|o| {
                json!({ "of": subject.identity.reference(), "role": o.role, "person": o.name.as_ref().map(|n| n.shown().to_string()), "account": o.person, "deputy": o.deputy_name.as_ref().map(|n| n.shown().to_string()),
                    "confirmed_at": o.confirmed_at })
            })
        })
        .collect();
    let routes: Vec<Value> = case.subjects.values().filter_map(route).collect();
    let why_routed: Vec<&str> = case.subjects.values().map(|x| x.routed.as_str()).collect();
    let of =
        |kind: TargetKind| -> Vec<Value> { case.linked.iter().filter(|(t, _)| t.kind == kind).map(|(t, k)| holding(s, t, *k)).collect() };
    let plans: Vec<Value> = case.plans.iter().filter_map(|(id, _)| s.plans.get(id)).map(|p| plan(s, p)).collect();
    let stages: Vec<Value> = case.stages.iter().map(|(stage, at)| json!({ "state": stage, "at": at })).collect();
    let corroboration = case.corroboration();
    json!({
        "id": case.id, "state": case.stage(), "headline": headline(s, now), "opened_at": case.opened_at, "closed_at": case.closed_at, "stages": stages,
        "exposure": exposure(s, now), "states": states(s), "subjects": subjects(case),
        "merged_into": case.merged_into, "merged": merged(case), "because": case.because, "confidence": corroboration.confidence(), "corroborated": corroboration.is_corroborated(),
        "findings": findings, "owners": owners, "why_routed": if why_routed.is_empty() { Value::Null } else { json!(why_routed.join("; ")) }, "routes": routes,
        "lead": case.lead, "verdicts": case.verdicts.iter().map(|(role, verdict, by, at)| json!({ "role": role.name(), "verdict": verdict, "by": by, "at": at })).collect::<Vec<_>>(),
        "credentials": of(TargetKind::Credential), "sessions": of(TargetKind::Session), "entitlements": of(TargetKind::Entitlement),
        "not_looked_at": case.not_looked_at(), "waiting_for": waiting_for(s, now), "plans": plans,
        "chain": chain(s), "notes": case.notes.iter().map(|(text, by, at)| json!({ "untrusted": text.shown(), "by": by, "at": at })).collect::<Vec<_>>(),
        "tasks": case.tasks.iter().map(|t| task(s, t)).collect::<Vec<_>>(),
        "passed_over": case.asked.values().flat_map(|a| &a.passed_over).map(|(p, why)| json!({ "person": p, "why": why })).collect::<Vec<_>>(),
    })
}

/// What somebody is asked to do, and what they said of it. Only a step by hand says what
/// it wants to see.
fn task(s: &Situation<'_>, task: &Task) -> Value {
    let step = task.added.plan.as_ref().and_then(|plan| s.plans.get(plan)).zip(task.added.step);
    let step = step.and_then(|(state, n)| state.plan.step(n));
    json!({ "id": task.added.task, "owner": task.added.owner.name(), "what": task.added.what, "untrusted": task.added.text.as_ref().map(|x| x.shown()), "plan": task.added.plan, "step": task.added.step,
        "reviews": task.added.reviews, "at": task.at, "ended_at": task.ended.as_ref().map(|(_, at)| at), "by": task.ended.as_ref().map(|(by, _)| by),
        "wants": step.and_then(|step| step.parameters.get(by_hand::PROOF)),
        "brought": task.ended.as_ref().map(|_| json!({ "untrusted": task.brought.saw.as_ref().map(|x| x.shown()), "seen_at": task.brought.seen_at, "file": task.brought.file })) })
}

/// What stands of a step that a person does: whose it is, what they must bring, and what
/// they said. `proved` is a probe's alone.
fn by_hand_of(s: &Situation<'_>, state: &PlanState, step: &Step) -> Value {
    if step.action != Action::HumanTask {
        return Value::Null;
    }
    let task = by_hand::said_of(s.case, state, step.n);
    let ended = task.and_then(|t| t.ended.as_ref());
    let Selector::Exactly { target } = &step.selector else { return Value::Null };
    let held = s.targets.get(&target.id).filter(|_| matches!(step.proves, Proves::Dead { .. }));
    json!({ "instead_of": by_hand::stands_for(step), "task": task.map(|t| &t.added.task), "what": step.fallback.task, "owner": step.fallback.owner.name(),
        "wants": step.parameters.get(by_hand::PROOF), "probed": matches!(step.proves, Proves::Dead { .. }),
        "said_by": ended.map(|(by, _)| by), "said_at": ended.map(|(_, at)| at), "proved": held.is_some_and(|h| h.life == Some(Life::Dead)) })
}

/// Who answers for the subject of a finding; the response owner where nobody is named.
fn accountable(case: &Case, finding: &Finding) -> Option<String> {
    let subject = case.subjects.get(&finding.resolved.as_ref()?.identity.id)?;
    Some(answers(subject.route.as_ref()?))
}

fn answers(route: &Route) -> String {
    route.name.as_ref().map_or_else(|| FALLBACK.to_string(), |n| n.shown().to_string())
}

/// Who has what nobody answers for.
const FALLBACK: &str = "the response owner";

/// Where a subject was routed, why, until when, and who has it then.
fn route(subject: &CaseEnriched) -> Option<Value> {
    let route = subject.route.as_ref()?;
    Some(
        json!({ "of": subject.identity.reference(), "to": answers(route), "account": route.person, "rule": route.rule, "why": subject.routed,
        "record": route.record.as_ref().map(|r| r.shown()), "confirmed_at": route.confirmed_at, "ownership": route.ownership, "deadline": route.deadline,
        "escalation": route.escalation(), "fallback": FALLBACK, "proposed": route.proposed.iter().map(|tag| tag.shown()).collect::<Vec<_>>() }),
    )
}

/// Cases that became part of it.
fn merged(case: &Case) -> Vec<Value> {
    case.merged.iter().map(|m| json!({ "case": m.from, "opened_at": m.opened_at, "at": m.at, "ended_at": m.ended_at })).collect()
}

/// Whom its sender's id and name mean, where that is not the same identity.
fn ambiguous(finding: &Finding) -> Option<Value> {
    let resolved = finding.resolved.as_ref()?;
    let other = resolved.otherwise.as_ref()?;
    Some(json!({ "id_means": resolved.identity.reference(), "name_means": other.reference() }))
}

/// Why a finding stands where it stands, and what joined it: by which rule and key.
pub fn folding(finding: &Finding) -> Value {
    let folds = &finding.folds;
    let rule = folds.apart.unwrap_or(Rule::New);
    let joined: Vec<Value> = folds
        .joined
        .iter()
        .map(|(rule, j)| {
            json!({ "rule": rule, "key": rule.key(), "because": rule.in_words(), "times": j.times, "last_alert": j.last_alert, "last_sender": j.last_sender, "last_at": j.last_at })
        })
        .collect();
    json!({ "key": finding.fold, "rule": rule, "compares": rule.key(), "because": rule.in_words(), "apart_from": folds.from, "conflict": folds.apart == Some(Rule::Conflict),
        "timing": folds.timing, "recurs": folds.recurs, "reported_before": folds.past.as_ref().map_or(0, |p| p.findings), "contained_before": folds.past.as_ref().and_then(|p| p.contained_at),
        "joined": joined })
}

/// Whom the case is about, by the names of the inventory.
fn subjects(case: &Case) -> Vec<Value> {
    case.subjects
        .values()
        .map(|x| {
            json!({ "identity": x.identity.reference(), "name": x.name.as_ref().and_then(|n| n.value()), "kind": x.facts.kind, "criticality": x.facts.criticality,
                "environment": x.facts.environment, "shared": x.facts.shared, "protected": x.facts.protected, "reach": x.reach, "dependents": x.dependents,
                "consumers": x.consumers.iter().map(|c| json!({ "name": c.name.shown(), "criticality": c.criticality, "reads_from": c.reads_from })).collect::<Vec<_>>() })
        })
        .collect()
}

fn holding(s: &Situation<'_>, target: &Target, kind: Option<crate::signal::CredentialKind>) -> Value {
    let empty = TargetState::default();
    let held = s.targets.get(&target.id).map_or(&empty, |t| &**t);
    let proof = held.rounds.last().map(|round| {
        let decisive = round.decisive.and_then(|d| round.observations.get(d as usize));
        json!({ "probe": decisive.map(|o| o.class), "liveness": round.proved.liveness, "strength": round.proved.strength, "vantage": decisive.map(|o| o.vantage.clone()),
            "control": decisive.and_then(|o| o.control.as_ref()).map(|c| json!({ "what": c.what, "alive": c.alive })), "reason": round.proved.reason,
            "at": decisive.map_or(round.at, |o| o.started_at), "event": format!("target/{}@{}", target.id, held.probed_at) })
    });
    let fingerprint = s
        .case
        .findings
        .iter()
        .find(|f| f.resolved.as_ref().is_some_and(|r| r.credential.as_ref().is_some_and(|c| c.id == target.id)))
        .and_then(|f| f.fingerprint.clone());
    let exposure = if is_new(s, target) { Value::Null } else { json!(s.case.exposure(held)) };
    json!({
        "id": target.reference(), "target": target.id, "identity": identity_reference(s, target), "kind": kind.or(held.credential_kind), "fingerprint": fingerprint,
        "state": life(s, target, held).unwrap_or(Life::Unknown), "since": held.since, "residual_until": held.residual_until, "exposure": exposure, "proof": proof,
        "used_since_cut": held.rounds.last().and_then(|r| r.used.as_ref()),
        "never_seen_live": held.life == Some(Life::Dead) && !held.was_ever_live, "issued_by_quell": is_new(s, target),
        "proven_dead_at": held.dead_since.filter(|_| held.life == Some(Life::Dead)),
        "accepted_until": s.case.accepted.get(&target.id).map(|(until, _)| until),
    })
}

/// What came from what, as planes and inventory showed it before anything was cut.
fn chain(s: &Situation<'_>) -> Vec<Value> {
    let mut seen: Vec<(Option<&Target>, &crate::event::Derivation)> = Vec::new();
    for subject in s.case.subjects.values() {
        for derived in &subject.derivations {
            if !seen.iter().any(|(_, d)| d.to.id == derived.to.id) {
                seen.push((derived.from.as_ref().or(Some(&subject.identity)), derived));
            }
        }
    }
    seen.into_iter()
        .map(|(from, derived)| {
            let held = s.targets.get(&derived.to.id);
            let liveness = match held.and_then(|h| h.life) {
                Some(Life::Dead) => "dead",
                Some(Life::Live) => "live",
                _ => "unknown",
            };
            json!({ "id": derived.to.reference(), "kind": derived.to.kind, "identity": identity_reference(s, &derived.to), "minted_from": from.map(Target::reference),
                "mint_event": derived.via, "minted_at": null, "expires_at": null, "uses": null, "last_used_at": held.and_then(|h| h.last_live_at), "basis": "observed",
                "liveness": liveness, "confidence": null, "evidence": [] })
        })
        .collect()
}

fn identity_reference(s: &Situation<'_>, target: &Target) -> String {
    match s.case.subjects.get(&target.identity) {
        Some(subject) => subject.identity.reference(),
        None => {
            let native = target.native.shown();
            format!("{}/{}", target.plane, native.split('#').next().unwrap_or(native))
        }
    }
}

fn plan(s: &Situation<'_>, state: &PlanState) -> Value {
    let steps: Vec<Value> = state.plan.steps.iter().map(|st| step(s, state, st)).collect();
    let given = s.approvals.get(&state.plan.id).map(Vec::as_slice).unwrap_or_default();
    json!({
        "id": state.plan.id, "kind": state.plan.kind, "parent": state.plan.parent.as_ref().map(|p| p.plan.clone()), "digest": state.digest, "state": state.stage,
        "tier": state.plan.tier, "incomplete": state.plan.gaps, "failover": state.plan.failover, "undo": state.plan.undo,
        "wanted": state.decided.as_ref().map(|d| d.wanted.iter().map(|(r, n)| json!({ "role": r.name(), "people": n })).collect::<Vec<_>>()),
        "approvals": given.iter().map(|a| json!({ "id": a.id, "by": a.by, "role": a.role.name(), "at": a.at, "until": a.until, "used": a.used_by.is_some() })).collect::<Vec<_>>(),
        "started_at": state.started.as_ref().map(|x| x.at), "ended_at": state.ended.as_ref().map(|(at, _)| at), "because": state.ended.as_ref().map(|(_, why)| why.clone()),
        "break_glass": state.glass.as_ref().map(|g| glass(s.case, &state.plan.id, g)), "paused": state.paused, "left_out": left_out(s, state), "steps": steps,
    })
}

/// Who ran a plan without which approvals, and who has not reviewed it yet.
fn glass(case: &Case, plan: &PlanId, glass: &Glass) -> Value {
    let reviews = case.tasks.iter().filter(|t| t.added.plan.as_ref() == Some(plan) && t.added.reviews.is_some());
    json!({ "by": glass.by, "role": glass.role.name(), "at": glass.at, "until": glass.until, "untrusted": glass.reason.shown(),
        "skipped": glass.skipped.iter().map(|(r, n)| json!({ "role": r.name(), "people": n })).collect::<Vec<_>>(),
        "reviews": reviews.map(|t| json!({ "task": t.added.task, "role": t.added.owner.name(), "by": t.ended.as_ref().map(|(by, _)| by), "at": t.ended.as_ref().map(|(_, at)| at) })).collect::<Vec<_>>() })
}

/// What an undo does not give back although the plan it reverses took it away:
/// permissions that came after the incident had begun (invariant 7).
fn left_out(s: &Situation<'_>, state: &PlanState) -> Vec<String> {
    let Some(parent) = state.plan.parent.as_ref().filter(|_| state.plan.undo.is_some()).and_then(|p| s.plans.get(&p.plan)) else {
        return Vec::new();
    };
    let given_back =
        |t: &Target| state.plan.steps.iter().any(|st| matches!(&st.selector, Selector::Exactly { target } if target.id == t.id));
    let taken = parent.plan.steps.iter().filter(|st| st.action == Action::RemoveEntitlement);
    taken.flat_map(|st| act_targets(parent, st)).filter(|t| !given_back(t)).map(|t| t.reference()).collect()
}

fn step(s: &Situation<'_>, state: &PlanState, step: &Step) -> Value {
    let decision = state.decided.as_ref().and_then(|d| d.steps.iter().find(|x| x.step == step.n));
    let targets = match (&step.selector, state.started.is_some()) {
        (Selector::Every { .. }, false) => state.preview.targets.get(&step.n).cloned().unwrap_or_default(),
        _ => act_targets(state, step),
    };
    let given = s.approvals.get(&state.plan.id).map(Vec::as_slice).unwrap_or_default();
    json!({
        "n": step.n, "action": step.action, "selector": step.selector.in_words(), "sentence": crate::draft::sentence(step),
        "targets": targets.iter().map(Target::reference).collect::<Vec<_>>(), "state": step_state(s, state, step), "reversible": step.reversible, "undo": step.undo,
        "effective": step.effective, "residual_until": Value::Null,
        "dependents": state.preview.dependents.get(&step.n).map(|d| d.iter().map(|p| p.shown().to_string()).collect::<Vec<_>>()).unwrap_or_default(),
        "survives": step.survives, "after": step.after.iter().map(|e| json!({ "step": e.step, "until": e.until, "hard": e.hard })).collect::<Vec<_>>(),
        "approved_by": given.iter().filter(|a| a.digest == state.digest).map(|a| a.by.clone()).collect::<Vec<_>>(),
        "policies": decision.map(|d| d.decision.deciding.clone()).unwrap_or_default(), "allowed_now": decision.map(|d| d.decision.allowed),
        "because": state.course(step.n).ended.map(|(_, why, _)| why), "by_hand": by_hand_of(s, state, step),
    })
}

/// One of the step states of design section 5.
pub fn step_state(s: &Situation<'_>, state: &PlanState, step: &Step) -> &'static str {
    let undone = s
        .plans
        .values()
        .any(|p| p.plan.undo.is_some() && p.stage == PlanStage::Proved && p.plan.parent.as_ref().is_some_and(|x| x.plan == state.plan.id));
    // Done, as whoever did it says: no more than that (invariant 5).
    let said = by_hand::said_of(s.case, state, step.n).is_some_and(|t| t.ended.is_some());
    if step.action == Action::HumanTask && said {
        return "done";
    }
    match state.course(step.n).ended.as_ref().map(|(how, ..)| how.as_str()) {
        Some("proved" | "done") if undone => return "undone",
        Some("proved" | "done") => return "done",
        Some("skipped") => return "skipped",
        Some("handed_over") => return "handed_over",
        Some(_) => return "failed",
        None => {}
    }
    if state.paused.is_some() {
        return "paused";
    }
    let last = act_targets(state, step)
        .iter()
        .filter_map(|t| s.targets.get(&t.id)?.last_attempt(&state.plan.id, step.n).cloned())
        .max_by_key(|a| a.at);
    match last.map(|a| a.outcome) {
        None if state.started.is_some() => "cleared",
        None => "waiting",
        Some(None) => "running",
        Some(Some(outcome)) => match outcome.as_str() {
            "done" => "running",
            "refused" => "refused",
            "throttled" => "throttled",
            _ => "unknown",
        },
    }
}

/// Every credential and session of the case is proved, or waits for a person. Its plan
/// may still be at work: on a password that nobody may log in with any more, say.
pub fn is_settled(s: &Situation<'_>, now: Timestamp) -> bool {
    if s.case.findings.iter().all(|f| f.resolved.is_none() || f.sample || !f.counts()) {
        return true;
    }
    let open = s.plans.values().any(|p| p.is_open() && p.started.is_some());
    let planned = s.plans.values().any(|p| p.started.is_some());
    if open {
        return respond::is_cut(s);
    }
    planned || !waiting_for(s, now).is_empty()
}

/// Every subject's credentials and sessions are dead, or dying with a date.
pub fn is_proven(s: &Situation<'_>) -> bool {
    let lives: Vec<&TargetState> = s
        .case
        .linked
        .iter()
        .filter(|(t, _)| matches!(t.kind, TargetKind::Credential | TargetKind::Session) && !is_new(s, t))
        .filter_map(|(t, _)| s.targets.get(&t.id).map(|t| &**t))
        .collect();
    !lives.is_empty() && lives.iter().all(|t| t.is_contained() || t.rounds.last().is_some_and(|r| r.proved.liveness == Liveness::Dead))
}
