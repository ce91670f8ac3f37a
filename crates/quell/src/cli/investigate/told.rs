//! The answer for a person: what happened in order, what came from what, what
//! to cut first, and what nobody could see.
//!
//! Every word that a log wrote passes the terminal's escaper. Long lists show
//! how long they are and end early; `--json` has all of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use quell_core::{
    inventory::Basis,
    proof::Liveness,
    time::Timestamp,
    trace::{Investigation, Link, LinkKind, Nature, Proposal, SecretRead, TracedCase},
};

use crate::cli::terminal::safe;

/// Cases that are told in full; the rest has one line each.
const FULL: usize = 8;
const LINES: usize = 40;
const ASIDE: usize = 8;

/// The whole answer.
pub fn told(answer: &Investigation) -> String {
    let mut out = String::new();
    let until = answer.as_of.map_or_else(String::new, |t| format!(", up to {}", day(t)));
    let _ = writeln!(
        out,
        "{} in {} records{until}. Nothing was changed, and nothing was tried.",
        count(answer.cases.len(), "case"),
        answer.records
    );
    let mut order: Vec<&TracedCase> = answer.cases.iter().collect();
    order.sort_by_key(|c| std::cmp::Reverse(c.weight));
    for case in order.iter().take(FULL) {
        out.push('\n');
        one(&mut out, case);
    }
    if order.len() > FULL {
        let _ = writeln!(out, "\nSmaller cases");
        for case in order.iter().skip(FULL).take(LINES) {
            let _ = writeln!(out, "  {}  {}", case.id, safe(&case.title));
        }
        more(&mut out, order.len().saturating_sub(FULL + LINES));
    }
    list(&mut out, "\nIn no case", answer.unattached.iter().map(|a| format!("{}: {}", safe(&a.id), safe(&a.reason))), ASIDE);
    list(
        &mut out,
        "\nNot readable",
        answer.unreadable.iter().map(|u| format!("{} record {}: {}", safe(&u.file), u.record, safe(&u.reason))),
        ASIDE,
    );
    list(&mut out, "\nNot looked at", answer.not_looked_at.iter().map(|g| safe(g)), LINES);
    if answer.cases.is_empty() {
        out.push_str("\nNo credential here minted, read, took or changed anything, and no alert names one that did.\n");
    }
    out.trim_end().to_owned()
}

fn one(out: &mut String, case: &TracedCase) {
    let _ = writeln!(out, "{}  {}", case.id, safe(&case.title));
    if let Some(identity) = &case.root.identity {
        let _ = writeln!(out, "  of    {}", safe(identity));
    }
    if let (Some(first), Some(last)) = (case.first_seen, case.last_seen) {
        let _ = writeln!(out, "  seen  {} to {}", day(first), day(last));
    }
    list(out, "\n  Alerts (in their senders' words)", case.untrusted.iter().map(|t| format!("  \"{}\"", safe(t))), ASIDE);
    out.push_str("\n  What happened\n");
    for line in timeline(case) {
        let _ = writeln!(out, "    {line}");
    }
    out.push_str("\n  What came from what\n");
    tree(out, case);
    out.push_str("\n  What to do, in this order\n");
    plan(out, &case.plan);
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for aside in &case.excluded {
        reasons.entry(&aside.reason).or_default().push(&aside.id);
    }
    let outside = reasons.iter().map(|(reason, ids)| match ids[..] {
        [id] => format!("  {}: {}", safe(id), safe(reason)),
        _ => format!("  {} and {} more: {}", safe(ids[0]), ids.len() - 1, safe(reason)),
    });
    list(out, "\n  Near it, and not in it", outside, ASIDE);
    list(out, "\n  Not seen", case.not_looked_at.iter().map(|g| format!("  {}", safe(g))), ASIDE);
}

/// What was minted, read, changed and ended, minute by minute.
fn timeline(case: &TracedCase) -> Vec<String> {
    let mut events: Vec<(Option<Timestamp>, String, String)> = Vec::new();
    let mut first = Vec::new();
    for link in &case.chain {
        let by = short(link.minted_from.as_deref().unwrap_or("somebody"));
        if let (Some(event), Some(at)) = (&link.mint_event, link.minted_at) {
            let of = link.identity.as_deref().filter(|i| *i != link.id).map_or_else(String::new, |i| format!(" for {}", short(i)));
            events.push((Some(at), by, format!("{}: {} {}{of}", safe(event), link.kind.words(), short(&link.id))));
        } else if let Some(at) = link.first_seen {
            // What somebody first did stands before what came of it in the same second.
            first.push((Some(at), short(&link.id), format!("first seen in use, {} in all", times(link.uses))));
        }
        if let Some(end) = &link.ended {
            let who = end.by.as_deref().map_or_else(|| "somebody".to_owned(), short);
            let hand = if end.by_intruder { ", by the chain's own hand" } else { "" };
            let again = if end.uses_after > 0 { format!("; used {} after it", times(end.uses_after)) } else { String::new() };
            events.push((end.at, who, format!("{}: {} is said to be gone{hand}{again}", safe(&end.event), short(&link.id))));
        }
    }
    // Reads of one minute stand together; they come in the order of their time.
    type Minute<'a> = (Option<String>, &'a str);
    let mut reads: BTreeMap<Minute<'_>, Vec<&SecretRead>> = BTreeMap::new();
    for read in &case.secrets_read {
        let minute = read.at.map(|t| t.to_string().get(..16).unwrap_or_default().to_owned());
        reads.entry((minute, &read.by)).or_default().push(read);
    }
    for ((_, by), list) in reads {
        let what = match list[..] {
            [one] => format!("reads the secret {}", short(&one.id)),
            [first, ..] => format!("reads {} secrets, {} among them", list.len(), short(&first.id)),
            [] => continue,
        };
        events.push((list[0].at, short(by), what));
    }
    for change in &case.changes {
        events.push((change.at, short(&change.by), format!("{} {}", nature(change.nature), short(&change.target))));
    }
    events.sort();
    first.extend(events);
    let mut events = first;
    events.sort_by_key(|(at, _, _)| (at.is_none(), *at));
    events.dedup();
    let total = events.len();
    let day_of = |t: &Timestamp| t.to_string().get(..10).unwrap_or_default().to_owned();
    let mut last_day = String::new();
    let mut lines = Vec::new();
    for (at, by, what) in events.into_iter().take(LINES) {
        let clock = match at {
            Some(t) => {
                let today = day_of(&t);
                if today != last_day {
                    lines.push(today.clone());
                    last_day = today;
                }
                t.to_string().get(11..19).unwrap_or_default().to_owned()
            }
            None => "--:--:--".to_owned(),
        };
        lines.push(format!("{clock}  {by}  {what}"));
    }
    if total > LINES {
        lines.push(format!("and {} more", total - LINES));
    }
    lines
}

fn tree(out: &mut String, case: &TracedCase) {
    let ids: BTreeSet<&str> = case.chain.iter().map(|l| l.id.as_str()).collect();
    let mut below: BTreeMap<Option<&str>, Vec<&Link>> = BTreeMap::new();
    for link in &case.chain {
        below.entry(link.minted_from.as_deref().filter(|f| ids.contains(f))).or_default().push(link);
    }
    let mut left = LINES * 2;
    branch(out, None, &below, "    ", &mut left);
    more(out, case.chain.len().saturating_sub(LINES * 2));
}

fn branch(out: &mut String, at: Option<&str>, below: &BTreeMap<Option<&str>, Vec<&Link>>, indent: &str, left: &mut usize) {
    let links = below.get(&at).map_or(&[][..], Vec::as_slice);
    for (n, link) in links.iter().enumerate() {
        if *left == 0 {
            return;
        }
        *left -= 1;
        let last = n + 1 == links.len();
        let (bough, next) = match (at.is_none(), last) {
            (true, _) => ("", String::new()),
            (false, true) => ("└─ ", "   ".to_owned()),
            (false, false) => ("├─ ", "│  ".to_owned()),
        };
        let _ = writeln!(out, "{indent}{bough}{}", state(link));
        let deeper = format!("{indent}{next}");
        if let Some(reason) =
            link.reasons.first().filter(|_| link.confidence < 90 || (link.kind == LinkKind::Entitlement && link.reasons.len() > 1))
        {
            let _ = writeln!(out, "{deeper}   {}", safe(reason));
        }
        branch(out, Some(&link.id), below, &deeper, left);
    }
}

/// `ASIA...  session  LIVE  never used, until 12:09:47  95 %`
fn state(link: &Link) -> String {
    let life = match link.liveness {
        Liveness::Live => "LIVE",
        Liveness::Dead => "DEAD",
        Liveness::Unknown => "UNKNOWN",
    };
    let uses = match (link.uses, link.last_used_at) {
        (0, _) => "never seen in use".to_owned(),
        (n, Some(last)) => format!("used {}, last {}", times(n), clock(last)),
        (n, None) => format!("used {}", times(n)),
    };
    let until = link.expires_at.map_or_else(String::new, |t| format!(", until {}", clock(t)));
    let from = match &link.addresses[..] {
        [] => String::new(),
        [one] => format!(", from {}", safe(one)),
        [one, rest @ ..] => format!(", from {} and {} more", safe(one), rest.len()),
    };
    let after = link.uses_after.filter(|n| *n > 0).map_or_else(String::new, |n| format!(", {n} AFTER CONTAINMENT"));
    let basis = if link.basis == Basis::Possible { "possible, " } else { "" };
    format!("{}  {}  {life}  {uses}{until}{from}{after}  ({basis}{} %)", safe(&link.id), link.kind.words(), link.confidence)
}

/// Steps of one action and one reason stand together, with the range of their numbers.
fn plan(out: &mut String, steps: &[Proposal]) {
    let mut at = 0;
    let mut shown = 0;
    while at < steps.len() {
        let first = &steps[at];
        let same = steps[at..].iter().take_while(|s| s.action == first.action && (s.reason == first.reason || steps.len() > LINES)).count();
        let numbers = if same == 1 { first.n.to_string() } else { format!("{}-{}", first.n, steps[at + same - 1].n) };
        let targets = match same {
            1 => safe(&first.target),
            2..=4 => steps[at..at + same].iter().map(|s| short(&s.target)).collect::<Vec<_>>().join(", "),
            n => format!("{} and {} more", short(&first.target), n - 1),
        };
        let after = match &first.after[..] {
            [] => String::new(),
            [one] => format!(", after {one}"),
            [one, .., last] => format!(", after {one} to {last}"),
        };
        let _ = writeln!(out, "    {numbers:>5}  {}: {targets}{after}", first.action.entry().short);
        let _ = writeln!(out, "           {}", safe(&first.reason));
        at += same;
        shown += 1;
        if shown >= LINES {
            more(out, steps.len() - at);
            break;
        }
    }
    if steps.is_empty() {
        out.push_str("    nothing: all of it has expired\n");
    }
}

fn list(out: &mut String, title: &str, lines: impl Iterator<Item = String>, most: usize) {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "{title}");
    for line in lines.iter().take(most) {
        let _ = writeln!(out, "  {line}");
    }
    more(out, lines.len().saturating_sub(most));
}

fn more(out: &mut String, n: usize) {
    if n > 0 {
        let _ = writeln!(out, "    and {n} more; `--json` has all");
    }
}

fn times(n: u64) -> String {
    if n == 1 { "once".to_owned() } else { format!("{n} times") }
}

fn nature(nature: Nature) -> &'static str {
    match nature {
        Nature::Permission => "changes the permissions of",
        Nature::Trust => "changes who may become",
        Nature::Identity => "makes or changes",
        Nature::Logging => "changes what is logged:",
        Nature::Sharing => "opens to others:",
        Nature::Code => "changes what runs in",
    }
}

fn count(n: usize, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}

/// The end of a long name says which it is.
fn short(name: &str) -> String {
    let name = name.rsplit_once(":role/").or_else(|| name.rsplit_once(":user/")).map_or(name, |(_, n)| n);
    let n = name.chars().count();
    if n <= 44 {
        return safe(name);
    }
    let tail: String = name.chars().skip(n - 42).collect();
    safe(&format!("..{tail}"))
}

fn day(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{} {}Z", text.get(..10).unwrap_or_default(), text.get(11..19).unwrap_or_default())
}

fn clock(at: Timestamp) -> String {
    at.to_string().get(11..19).unwrap_or_default().to_owned()
}
