//! A case as a person on call reads it.
//!
//! The headline first, then what is usable and what is proved, then what is
//! planned and awaited, then what was not looked at; what outsiders wrote
//! stands last, quoted.

use quell_engine::notice::NOBODY;
use serde_json::Value;

use crate::cli::terminal::{cell, safe, table};
use crate::notify::INBOX;

/// The whole case.
pub fn case(case: &Value) -> String {
    let mut out = vec![cell(&case["headline"])];
    let mut facts = format!("{}  {}  opened {}", cell(&case["id"]), cell(&case["state"]), cell(&case["opened_at"]));
    if !case["closed_at"].is_null() {
        facts.push_str(&format!("  closed {}", cell(&case["closed_at"])));
    }
    facts.push_str(&format!("  confidence {}", cell(&case["confidence"])));
    out.push(facts);
    for part in items(&case["merged"]) {
        let ended = if part["ended_at"].is_null() { String::new() } else { format!(", taken out again at {}", cell(&part["ended_at"])) };
        out.push(format!("merged: {} at {}{ended}", cell(&part["case"]), cell(&part["at"])));
    }
    if !case["why_routed"].is_null() {
        out.push(format!("routed: {}", cell(&case["why_routed"])));
    }
    for route in items(&case["routes"]) {
        out.push(routed(route));
    }
    section(&mut out, "CREDENTIALS AND SESSIONS", holdings(case));
    for plan in items(&case["plans"]) {
        self::plan(&mut out, plan);
    }
    lines(&mut out, "WAITING FOR", items(&case["waiting_for"]).map(waiting));
    lines(&mut out, "TASKS", items(&case["tasks"]).map(task));
    lines(&mut out, "OWNERS", items(&case["owners"]).map(owner));
    lines(
        &mut out,
        "VERDICTS",
        items(&case["verdicts"]).map(|v| format!("{}: {} at {}", cell(&v["role"]), cell(&v["verdict"]), cell(&v["at"]))),
    );
    lines(&mut out, "NOT LOOKED AT", items(&case["not_looked_at"]).map(cell));
    lines(&mut out, "THREAT CONTEXT (of others; it decides nothing)", items(&case["threat_context"]).map(threat));
    lines(&mut out, "TOLD", items(&case["notices"]).map(told));
    lines(&mut out, "BLIND IN ITS WINDOW", items(&case["blind_sources"]).map(blind));
    lines(&mut out, "FINDINGS (titles are the senders' words)", items(&case["findings"]).map(finding));
    lines(&mut out, "NOTES", items(&case["notes"]).map(|n| format!("{} \"{}\"", cell(&n["at"]), cell(&n["untrusted"]))));
    out.push(format!("\nwhy: `quell case why {}`", cell(&case["id"])));
    out.join("\n")
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn section(out: &mut Vec<String>, title: &str, body: Option<String>) {
    if let Some(body) = body {
        out.push(format!("\n{title}"));
        out.push(body);
    }
}

fn lines(out: &mut Vec<String>, title: &str, lines: impl Iterator<Item = String>) {
    let lines: Vec<String> = lines.map(|l| format!(" {l}")).collect();
    section(out, title, (!lines.is_empty()).then(|| lines.join("\n")));
}

/// What is usable, and what a probe said of it.
fn holdings(case: &Value) -> Option<String> {
    let rows: Vec<Vec<String>> =
        ["credentials", "sessions", "entitlements"].into_iter().flat_map(|k| items(&case[k])).map(holding).collect();
    (!rows.is_empty()).then(|| table(["what", "state", "since", "proof", "exposed, at most until"], rows))
}

fn holding(row: &Value) -> Vec<String> {
    let state = match (cell(&row["state"]), &row["residual_until"]) {
        (state, Value::Null) => state,
        (state, until) => format!("{state} until {}", cell(until)),
    };
    let state = if row["never_seen_live"] == true { format!("{state} (never seen live)") } else { state };
    let proof = match &row["proof"] {
        Value::Null => "none".to_owned(),
        proof => {
            let control = if proof.pointer("/control/alive") == Some(&Value::Bool(true)) { "control alive" } else { "no live control" };
            format!("{} {} by {}, {control}", cell(&proof["liveness"]), cell(&proof["strength"]), cell(&proof["probe"]))
        }
    };
    let proof = match tried_again(&row["used_since_cut"]) {
        Some(tried) => format!("{proof}; {tried}"),
        None => proof,
    };
    let exposure = match &row["exposure"] {
        Value::Null => "-".to_owned(),
        exposure if exposure["running"] == true => format!("from {}, running", cell(&exposure["from"])),
        exposure => format!("{} to {}", cell(&exposure["from"]), cell(&exposure["at_most_until"])),
    };
    let mut what = cell(&row["id"]);
    if row["issued_by_quell"] == true {
        what.push_str(" (new, issued by Quell)");
    }
    vec![what, state, cell(&row["since"]), proof, exposure]
}

/// `tried again 12 times since the cut, never accepted, last at 03:12`; nothing where nobody
/// could look or nobody tried.
fn tried_again(used: &Value) -> Option<String> {
    let count = |name: &str| used[name].as_u64().unwrap_or(0);
    let (accepted, refused) = (count("accepted"), count("refused"));
    let (taken, last) = match accepted {
        0 => ("never accepted".to_owned(), &used["last_refused_at"]),
        _ => (format!("ACCEPTED {accepted} times"), &used["last_accepted_at"]),
    };
    Some(format!("tried again {} times since the cut, {taken}, last at {}", accepted + refused, safe(last.as_str()?)))
}

fn plan(out: &mut Vec<String>, plan: &Value) {
    out.push(format!("\nPLAN {}  {}  {}  tier {}", cell(&plan["id"]), cell(&plan["kind"]), cell(&plan["state"]), cell(&plan["tier"])));
    out.push(format!(" digest {}", cell(&plan["digest"])));
    for gap in items(&plan["incomplete"]) {
        out.push(format!(" INCOMPLETE: {}", sentence(gap)));
    }
    let glass = &plan["break_glass"];
    if !glass.is_null() {
        let skipped: Vec<String> = items(&glass["skipped"]).map(|s| format!("{} of {}", cell(&s["people"]), cell(&s["role"]))).collect();
        let open: Vec<String> = items(&glass["reviews"]).filter(|r| r["at"].is_null()).map(|r| cell(&r["role"])).collect();
        let reviewed = if open.is_empty() { "reviewed".to_owned() } else { format!("review open: {}", open.join(", ")) };
        out.push(format!(
            " BREAK-GLASS by {} as {} at {}, until {}; without {}; {reviewed}",
            cell(&glass["by"]),
            cell(&glass["role"]),
            cell(&glass["at"]),
            cell(&glass["until"]),
            skipped.join(" and ")
        ));
        out.push(format!("  \"{}\"", cell(&glass["untrusted"])));
    }
    if !plan["because"].is_null() {
        out.push(format!(" {}", cell(&plan["because"])));
    }
    out.push(table(
        ["step", "state", "reversible", "effect", "approved by", "policy"],
        items(&plan["steps"]).map(|s| {
            let policy = match s["allowed_now"].as_bool() {
                Some(true) => "permits".to_owned(),
                Some(false) => format!("asks ({})", cell(&s["policies"])),
                None => "-".to_owned(),
            };
            vec![
                format!("{} {}", cell(&s["n"]), cell(&s["sentence"])),
                state_of(s),
                cell(&s["reversible"]),
                cell(&s["effective"]),
                cell(&s["approved_by"]),
                policy,
            ]
        }),
    ));
    for step in items(&plan["steps"]) {
        for (title, list) in [("breaks", &step["dependents"]), ("survives it", &step["survives"])] {
            if items(list).next().is_some() {
                out.push(format!(" step {}: {title}: {}", cell(&step["n"]), cell(list)));
            }
        }
    }
}

/// The state of a step. What a person says is done is no proof, and it is said who says so.
fn state_of(step: &Value) -> String {
    let by_hand = &step["by_hand"];
    match (by_hand["said_by"].is_null(), by_hand["proved"].as_bool()) {
        (true, _) => cell(&step["state"]),
        (false, Some(true)) => format!("said done by {} at {}, and proved", cell(&by_hand["said_by"]), cell(&by_hand["said_at"])),
        (false, _) => format!("said done by {} at {}, not proved by Quell", cell(&by_hand["said_by"]), cell(&by_hand["said_at"])),
    }
}

/// A gap may be a sentence or an object that holds one.
fn sentence(value: &Value) -> String {
    ["sentence", "what", "why"].iter().find_map(|k| value[*k].as_str()).map_or_else(|| cell(value), safe)
}

/// `the identity team approves plan p-1 (iam: mara) by 03:10, else the plan ends undone`.
pub fn waiting(wait: &Value) -> String {
    let people = if items(&wait["people"]).next().is_some() { format!(": {}", cell(&wait["people"])) } else { String::new() };
    let until = if wait["deadline"].is_null() { String::new() } else { format!(" by {}", cell(&wait["deadline"])) };
    format!("{} ({}{people}){until}; then {}", cell(&wait["what"]), cell(&wait["role"]), cell(&wait["at_timeout"]))
}

/// What people are asked to do, one below the other.
pub fn tasks(tasks: &Value) -> String {
    items(tasks).map(task).collect::<Vec<_>>().join("\n")
}

fn task(task: &Value) -> String {
    let by = if task["by"].is_null() { String::new() } else { format!(" by {}", cell(&task["by"])) };
    let ended = if task["ended_at"].is_null() { "open".to_owned() } else { format!("ended {}{by}", cell(&task["ended_at"])) };
    let text = if task["untrusted"].is_null() { String::new() } else { format!(": \"{}\"", cell(&task["untrusted"])) };
    let step = if task["wants"].is_null() { String::new() } else { format!("step {}, ", cell(&task["step"])) };
    let mut line = format!("{} {step}{}: {}{text} ({ended})", cell(&task["id"]), cell(&task["owner"]), cell(&task["what"]));
    if task["ended_at"].is_null() && !task["wants"].is_null() {
        line.push_str(&format!("\n   bring: {}", cell(&task["wants"])));
    }
    let brought = &task["brought"];
    if !brought["untrusted"].is_null() {
        line.push_str(&format!("\n   saw: \"{}\"", cell(&brought["untrusted"])));
    }
    for (title, value) in [("seen at", &brought["seen_at"]), ("file, SHA-256", &brought["file"])] {
        if !value.is_null() {
            line.push_str(&format!("\n   {title}: {}", cell(value)));
        }
    }
    line
}

/// Who answers for a subject, by which record, until when, and who then.
fn routed(route: &Value) -> String {
    let record = if route["record"].is_null() { String::new() } else { format!(", by {}", cell(&route["record"])) };
    let doubt =
        if route["ownership"] == "confirmed" { String::new() } else { format!(" [{}]", cell(&route["ownership"]).replace('_', " ")) };
    let tags =
        if items(&route["proposed"]).next().is_some() { format!("; tags propose {}", cell(&route["proposed"])) } else { String::new() };
    format!(
        " {}: {} ({}{record}){doubt} until {}, then {}{tags}",
        cell(&route["of"]),
        cell(&route["to"]),
        cell(&route["rule"]).replace('_', " "),
        cell(&route["deadline"]),
        cell(&route["escalation"])
    )
}

/// What a feed says of what a signal names, in its own words.
fn threat(named: &Value) -> String {
    let (title, says) = (cell(&named["untrusted"]["title"]), &named["untrusted"]["says"]);
    let says = if says.is_null() { String::new() } else { format!(": {}", cell(says)) };
    format!("{} {} ({}): \"{title}{says}\"", cell(&named["kind"]), cell(&named["named"]), cell(&named["feed"]))
}

/// Taken by a channel is not read by a person.
fn told(notice: &Value) -> String {
    let over: Vec<String> = items(&notice["over"]).map(cell).collect();
    let failed = items(&notice["failed"]).map(|f| match f["channel"].as_str() {
        Some(NOBODY) => cell(&f["why"]),
        _ => format!("{} did not take it: {}", cell(&f["channel"]), cell(&f["why"])),
    });
    let how = match (notice["standing"].as_str(), over.as_slice()) {
        (Some("due"), _) => "not yet".to_owned(),
        (Some("dropped"), _) => "not any more".to_owned(),
        (Some("untold"), _) => "nobody, and it is given up".to_owned(),
        (_, []) => "nobody yet".to_owned(),
        (_, over) => {
            // An inbox interrupts nobody.
            let out = over.iter().any(|channel| channel != INBOX);
            let paged = if out && notice["paged"].as_u64() > Some(0) { "paged" } else { "told" };
            format!("{paged} over {}", over.join(", "))
        }
    };
    let all: Vec<String> = std::iter::once(how).chain(failed).collect();
    format!("{}  {}: {}", cell(&notice["due_at"]), cell(&notice["to"]), all.join("; "))
}

fn blind(source: &Value) -> String {
    let until = if source["until"].is_null() { "now".to_owned() } else { cell(&source["until"]) };
    let why = if source["why"] == "silent" { "silent" } else { "never heard" };
    format!("{}: {why} from {} until {until}", cell(&source["source"]), cell(&source["from"]))
}

fn owner(owner: &Value) -> String {
    format!("{} {}: {}, confirmed {}", cell(&owner["of"]), cell(&owner["role"]), cell(&owner["person"]), cell(&owner["confirmed_at"]))
}

fn finding(finding: &Value) -> String {
    let title = finding.pointer("/untrusted/title").unwrap_or(&Value::Null);
    let outcome = if finding["outcome"].is_null() { String::new() } else { format!(", ended as {}", cell(&finding["outcome"])) };
    let kind = cell(&finding["kind"]);
    let line = format!("{} {kind} x{}{outcome}: \"{}\"", cell(&finding["id"]), cell(&finding["count"]), cell(title));
    let line = match &finding["ambiguous"] {
        Value::Null => line,
        two => format!(
            "{line}\n   AMBIGUOUS: its id means {}, its name {}; nobody is cut for it without a person",
            cell(&two["id_means"]),
            cell(&two["name_means"])
        ),
    };
    let silent = items(&finding["uncompared"]).map(cell).collect::<Vec<_>>().join(", ");
    let line = match silent.as_str() {
        "" => line,
        silent => format!(
            "{line}\n   NOT COMPARED: {silent} did not answer whether the value is one of their own and will be asked again; nothing there is restored until they do, or this has an outcome"
        ),
    };
    let line = match &finding["accountable"] {
        Value::Null => line,
        who => format!("{line}\n   answers for it: {}", cell(who)),
    };
    let line = match &finding["find_out"] {
        Value::Null => line,
        what => format!("{line}\n   nobody on our planes is named: {}", cell(what)),
    };
    folding(&finding["folding"]).map_or(line.clone(), |told| format!("{line}\n   {told}"))
}

/// Why it is no part of another finding, and what is part of it.
fn folding(folding: &Value) -> Option<String> {
    let mut told = Vec::new();
    if !folding["apart_from"].is_null() {
        told.push(format!("apart from {}: {} ({})", cell(&folding["apart_from"]), cell(&folding["because"]), cell(&folding["compares"])));
    }
    if !folding["timing"].is_null() {
        told.push(cell(&folding["timing"]).replace('_', " "));
    }
    if folding["recurs"] == true {
        told.push(format!("back after the containment at {}", cell(&folding["contained_before"])));
    }
    told.extend(
        items(&folding["joined"])
            .map(|j| format!("x{} {}: {} ({})", cell(&j["times"]), cell(&j["rule"]), cell(&j["because"]), cell(&j["key"]))),
    );
    (!told.is_empty()).then(|| told.join("; "))
}

/// What was done, what was not and why, who is awaited, what then, what next.
pub fn why(why: &Value) -> String {
    let mut out = vec![cell(&why["headline"])];
    lines(&mut out, "DONE", items(&why["done"]).map(cell));
    lines(
        &mut out,
        "NOT DONE",
        items(&why["not_done"]).map(|n| {
            let policies = if items(&n["policies"]).next().is_some() { format!(" [{}]", cell(&n["policies"])) } else { String::new() };
            format!("{}: {}{policies}", cell(&n["what"]), cell(&n["because"]))
        }),
    );
    lines(
        &mut out,
        "AWAITED",
        items(&why["awaited"]).map(|a| {
            let until = if a["until"].is_null() { String::new() } else { format!(" until {}", cell(&a["until"])) };
            format!("{}{until}; then {}", cell(&a["who"]), cell(&a["then"]))
        }),
    );
    let told =
        items(&why["findings"]).filter_map(|f| Some(format!("{} {}: {}", cell(&f["id"]), cell(&f["kind"]), folding(&f["folding"])?)));
    lines(&mut out, "FOLDED", told);
    if !why["next"].is_null() {
        out.push(format!("\nnext: `{}`", cell(&why["next"])));
    }
    out.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const EVIL: &str = "\u{1b}]0;own\u{7}\u{1b}[2J\u{202e}\u{9b}31m\0x\r\n\u{200b}";

    /// Every string of the value becomes hostile, also those of our own words.
    fn poison(value: &mut Value) {
        match value {
            Value::String(text) => text.push_str(EVIL),
            Value::Array(items) => items.iter_mut().for_each(poison),
            Value::Object(map) => map.values_mut().for_each(poison),
            _ => {}
        }
    }

    fn full() -> Value {
        json!({
            "id": "C-1", "state": "acted", "headline": "pg-main/app: STILL USABLE. Next: the lead decides.", "opened_at": "2026-11-23T09:00:00Z",
            "closed_at": "2026-11-24T09:00:00Z", "confidence": 95, "why_routed": "owner of pg-main/app",
            "routes": [{"of": "pg-main/app", "to": "olga@corp.example", "account": null, "rule": "last_deployer", "why": "w", "record": "`deployed_by`", "confirmed_at": null,
                "ownership": "never_confirmed", "deadline": "2026-11-23T09:10:00Z", "escalation": "dora, then the response owner", "fallback": "the response owner", "proposed": ["team=x"]}],
            "findings": [{"id": "f-1", "kind": "leaked_secret", "count": 2, "untrusted": {"title": "key in repo"}, "outcome": "expected", "ambiguous": {"id_means": "pg-main/app", "name_means": "pg-main/payroll"}, "uncompared": ["bao-main"],
                "folding": {"key": "k", "rule": "new_address", "compares": "address", "because": "an address that was not named", "apart_from": "f-0", "conflict": false, "timing": "re_use",
                    "recurs": true, "contained_before": "2026-11-22T09:00:00Z", "joined": [{"rule": "cross_source", "key": "kind", "because": "said by another", "times": 3}]}}],
            "owners": [{"of": "pg-main/app", "role": "iam", "person": "mara", "confirmed_at": "2026-10-01"}],
            "credentials": [{"id": "pg-main/app#password", "state": "DYING", "since": "2026-11-23T09:00:00Z", "residual_until": "2026-11-23T10:00:00Z",
                "never_seen_live": true, "issued_by_quell": true, "exposure": {"from": "2026-11-23T08:00:00Z", "at_most_until": null, "running": true},
                "used_since_cut": {"since": "2026-11-23T09:00:00Z", "accepted": 1, "refused": 2, "last_accepted_at": "2026-11-23T09:00:01Z", "last_refused_at": "2026-11-23T09:00:02Z"},
                "proof": {"liveness": "dead", "strength": "enforced", "probe": "read", "control": {"what": "q", "alive": true}}}],
            "sessions": [], "entitlements": [], "not_looked_at": ["delegations"],
            "threat_context": [{"feed": "kev", "form": "kev", "kind": "vulnerability", "named": "CVE-2031-12345", "since": "2031-01-01", "until": null,
                "untrusted": {"title": "Sign-in Bypass", "says": "a made-up one"}}],
            "notices": [{"id": "ask/p/0/u-1", "to": "dora", "why": "a plan of this case waits for your yes or no", "pages": true, "due_at": "2026-11-23T09:02:00Z", "standing": "told_in_part", "people": 1, "paged": 1, "over": ["inbox", "mail"], "failed": [{"channel": "chat", "why": "it refuses for now (503)"}], "tried_at": "2026-11-23T09:02:01Z"}],
            "blind_sources": [{"source": "okta-log", "why": "silent", "from": "2026-11-23T08:00:00Z", "until": null}],
            "waiting_for": [{"role": "iam", "people": ["mara"], "deadline": "2026-11-23T10:00:00Z", "at_timeout": "the plan ends undone", "what": "approves"}],
            "plans": [{"id": "p-1", "kind": "contain", "state": "waiting", "digest": "ab", "tier": "contain", "incomplete": ["tokens"], "because": "x",
                "steps": [{"n": 1, "sentence": "suspend", "state": "waiting", "reversible": "exact", "effective": "now", "approved_by": ["u-1"],
                    "policies": ["iam.x"], "allowed_now": false, "dependents": ["job"], "survives": ["open sessions"]}]}],
            "tasks": [{"id": "task-1", "owner": "lead", "what": "call", "untrusted": "the vendor", "ended_at": null}],
            "verdicts": [{"role": "iam", "verdict": "entitled", "at": "2026-11-23T09:00:00Z"}],
            "notes": [{"untrusted": "hello", "at": "2026-11-23T09:00:00Z"}],
        })
    }

    fn full_why() -> Value {
        json!({ "headline": "h", "done": ["d"], "not_done": [{"what": "w", "because": "b", "policies": ["p"]}],
            "awaited": [{"who": "mara", "until": "2026-11-23T10:00:00Z", "then": "t"}], "next": "quell case approve C-1 --digest ab" })
    }

    #[test]
    fn no_text_of_a_case_reaches_the_terminal_unescaped() {
        for (mut value, render) in [(full(), case as fn(&Value) -> String), (full_why(), why)] {
            poison(&mut value);
            let out = render(&value);
            assert!(out.contains("\\u{202e}"), "the hostile text was not shown at all");
            let bad = out.chars().find(|c| *c != '\n' && safe(&c.to_string()) != c.to_string());
            assert_eq!(bad, None, "{out}");
        }
    }

    #[test]
    fn the_first_line_is_the_headline_and_every_part_is_there() {
        let out = case(&full());
        assert!(out.starts_with("pg-main/app: STILL USABLE. Next: the lead decides.\n"), "{out}");
        for wanted in [
            "DYING until 2026-11-23T10:00:00Z",
            "control alive",
            "INCOMPLETE",
            "asks (iam.x)",
            "then the plan ends undone",
            "delegations",
            "\"key in repo\"",
            "apart from f-0",
            "AMBIGUOUS: its id means pg-main/app",
            "pg-main/app: olga@corp.example (last deployer, by `deployed_by`) [never confirmed] until 2026-11-23T09:10:00Z, then dora, then the response owner; tags propose team=x",
            "vulnerability CVE-2031-12345 (kev): \"Sign-in Bypass: a made-up one\"",
            "okta-log: silent from 2026-11-23T08:00:00Z until now",
            "x3 cross_source",
        ] {
            // The table may wrap inside a cell; words are what counts.
            let flat = out.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(flat.contains(wanted) || wanted.split(' ').all(|w| flat.contains(w)), "{wanted}: {out}");
        }
        assert!(why(&full_why()).ends_with("next: `quell case approve C-1 --digest ab`"));
    }
}
