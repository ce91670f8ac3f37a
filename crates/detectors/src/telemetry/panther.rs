//! Sequences of rule hits: what a correlation rule saw, without the logs beneath.
//!
//! Each test is a world of its own, so ids carry its name. A hit is an alert: it
//! joins others about the same identity or key in that test, and where a match
//! names a bucket, a repository or an address, it names nobody.

use crate::json::Value;
use quell_core::trace::{Bearer, Deed, Fact, LinkKind, Outcome};

use super::{Given, Log, Reader, address, when};
use crate::field::{list, text};

pub const LOG: Log = Log {
    name: "rule-hits",
    reads: "sequences of rule hits as Panther's correlation tests hold them",
    recognises,
    recognises_line: None,
    reader: |_| Box::new(Hits),
    never_shows: "the log records that the rules matched",
};

fn recognises(record: &Value) -> bool {
    record.pointer("/test/RuleOutputs").is_some_and(Value::is_array)
}

struct Hits;

impl Reader for Hits {
    fn read(&mut self, bytes: &[u8], give: &mut dyn FnMut(Fact)) -> Given {
        let record: Value = match crate::json::document(bytes) {
            Ok(record) => record,
            Err(error) => return Given::broken(&error),
        };
        if !recognises(&record) {
            return Given::NotMine;
        }
        let world = text(&record, "name").unwrap_or_else(|| "test".into());
        for output in list(&record["test"], "RuleOutputs") {
            let rule = text(output, "ID").unwrap_or_else(|| "rule".into());
            for (name, matches) in output["Matches"].as_object().into_iter().flatten() {
                for (value, times) in matches.as_object().into_iter().flatten() {
                    let times = times.as_array().map_or(&[][..], Vec::as_slice);
                    for time in times {
                        give(hit(&world, &rule, name, value, time));
                    }
                }
            }
        }
        Given::Read
    }
}

fn hit(world: &str, rule: &str, name: &str, value: &str, time: &Value) -> Fact {
    let by = bearer(world, name, value);
    let title = if by.is_some() { rule.to_owned() } else { format!("{rule} ({name})") };
    Fact {
        // Minutes from the start of a test are no time of the world.
        at: time.as_str().and_then(when),
        record_id: None,
        system: format!("rule-hits:{world}"),
        event: rule.to_owned(),
        outcome: Outcome::Done,
        by,
        deeds: vec![Deed::Hit(title)],
        aliases: Vec::new(),
    }
}

fn bearer(world: &str, name: &str, value: &str) -> Option<Bearer> {
    let field = name.rsplit('.').next().unwrap_or(name).to_ascii_lowercase();
    let whole = name.to_ascii_lowercase();
    if field.contains("accesskeyid") {
        let (from, key) = value.split_once('-').filter(|(a, _)| address(a)).map_or((None, value), |(a, key)| (Some(a), key));
        let credential = Some(format!("{key} ({world})"));
        return Some(Bearer { credential, kind: LinkKind::AccessKey, address: from.map(str::to_owned), ..Bearer::default() });
    }
    let person = ["email", "emails", "user", "user_name", "username", "username_normalized", "ip_and_username", "p_any_emails"]
        .contains(&field.as_str())
        || whole.ends_with("actor.alternateid");
    if !person {
        return None;
    }
    let from: String =
        if field.starts_with("ip_") { value.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect() } else { String::new() };
    let who = &value[from.len()..];
    Some(Bearer {
        identity: Some(who.to_owned()),
        credential: Some(format!("{who} ({world})")),
        address: Some(from).filter(|a| address(a)),
        ..Bearer::default()
    })
}
