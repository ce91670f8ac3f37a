//! The values of a record, each with the words of its path.
//!
//! `userIdentity.principalId`, `user_identity.principal-id` and
//! `user.identity.principal.id` are the same words. At most [`LEAVES_MAX`] values
//! are looked at, and [`ITEMS_MAX`] of a list, which is more than any alert has.

use crate::{
    field::text,
    json::{self, Value},
    wording::words,
};

const LEAVES_MAX: usize = 4_000;
const ITEMS_MAX: usize = 20;
/// Texts that are JSON themselves: how many are unfolded, and up to which size.
const UNFOLDED_MAX: usize = 8;
const UNFOLDED_BYTES_MAX: usize = 64 * 1024;

/// One scalar of a record.
pub struct Leaf<'a> {
    /// Words of the whole path, the own ones last.
    pub words: Vec<String>,
    /// Words of the last key alone.
    pub own: Vec<String>,
    /// Which object it stands in; values of one object belong together.
    pub object: usize,
    pub depth: usize,
    /// Its object says of itself that it is an identity.
    pub typed: bool,
    pub value: &'a Value,
}

impl Leaf<'_> {
    /// Whether the path ends with these words.
    pub fn ends(&self, words: &[&str]) -> bool {
        self.words.len() >= words.len() && self.words[self.words.len() - words.len()..].iter().zip(words).all(|(a, b)| a == b)
    }

    /// Whether the last key is exactly these words.
    pub fn own_is(&self, words: &[&str]) -> bool {
        self.own.len() == words.len() && self.own.iter().zip(words).all(|(a, b)| a == b)
    }

    pub fn has(&self, word: &str) -> bool {
        self.words.iter().any(|w| w == word)
    }

    /// Whether it is about who works on the alert, or about a thing: nobody's identity.
    pub fn is_never(&self) -> bool {
        const NEVER: &[&str] = &[
            "assignee",
            "assignees",
            "assigned",
            "owner",
            "owners",
            "author",
            "authors",
            "reporter",
            "reporters",
            "reviewer",
            "analyst",
            "committer",
            "contact",
            "contacts",
            "recipient",
            "recipients",
            "approver",
            "approvers",
            "resolver",
            "watcher",
            "watchers",
            "maintainer",
            "maintainers",
            "creator",
            "editor",
            "sender",
            "manager",
            "vendor",
            "product",
            "rule",
            "rules",
            "policy",
            "tag",
            "tags",
            "group",
            "groups",
            "unmapped",
            "delegation",
            "relatives",
        ];
        let by = self.words.windows(2).any(|pair| pair[1] == "by" && !["initiated", "performed", "invoked"].contains(&pair[0].as_str()));
        by || self.words.iter().any(|w| NEVER.contains(&w.as_str()))
            || self.words.windows(2).any(|pair| pair[0] == "user" && pair[1] == "agent")
    }

    /// An address from which something was done.
    pub fn is_source_address(&self) -> bool {
        let is_ip = self.words.last().is_some_and(|w| ["ip", "ipaddress", "address", "srcip"].contains(&w.as_str()));
        let source = ["source", "src", "client", "caller", "remote", "actor"].iter().any(|w| self.has(w));
        is_ip && (source || self.depth == 0) && !self.has("destination") && !self.has("dst") && !self.has("dest")
    }

    /// An id of the event or the alert.
    pub fn is_event_id(&self) -> bool {
        let names: &[&[&str]] = &[&["event", "id"], &["alert", "id"], &["finding", "id"], &["uuid"], &["id"], &["uid"]];
        names.iter().any(|n| self.ends(n)) && self.depth <= 1 && !self.has("user") && !self.has("account")
    }
}

/// Every scalar of `record`, outside in.
pub fn leaves(record: &Value) -> Vec<Leaf<'_>> {
    let mut out = Vec::new();
    let mut objects = 0;
    walk(record, &Place { path: &[], own: &[], object: 0, depth: 0, typed: false }, &mut objects, &mut out);
    out
}

/// Where a value stands.
#[derive(Clone, Copy)]
struct Place<'p> {
    path: &'p [String],
    own: &'p [String],
    object: usize,
    depth: usize,
    typed: bool,
}

/// Whether an object calls itself a user, a service account and the like.
fn is_identity(value: &Value) -> bool {
    const TYPES: &[&str] =
        &["user", "useraccount", "serviceaccount", "identity", "principal", "iamuser", "awsiamuser", "serviceprincipal", "machineidentity"];
    ["type", "entityType", "kind", "nativeType"].iter().any(|name| {
        text(value, name).is_some_and(|t| {
            let plain: String = t.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
            TYPES.contains(&plain.as_str())
        })
    })
}

fn walk<'a>(value: &'a Value, at: &Place<'_>, objects: &mut usize, out: &mut Vec<Leaf<'a>>) {
    if out.len() >= LEAVES_MAX {
        return;
    }
    let below = |key: &str| {
        let own = words(key);
        let path: Vec<String> = at.path.iter().cloned().chain(own.iter().cloned()).collect();
        (own, path)
    };
    match value {
        Value::Object(_) if let Some((name, item)) = pair(value) => {
            let (own, path) = below(&name);
            walk(item, &Place { path: &path, own: &own, ..*at }, objects, out);
        }
        Value::Object(map) => {
            *objects += 1;
            let object = *objects;
            let depth = if at.path.is_empty() && object == 1 { 0 } else { at.depth + 1 };
            let typed = is_identity(value);
            for (key, item) in map {
                let (own, path) = below(key);
                walk(item, &Place { path: &path, own: &own, object, depth, typed }, objects, out);
            }
        }
        Value::Array(items) => items.iter().take(ITEMS_MAX).for_each(|item| walk(item, at, objects, out)),
        Value::Null => {}
        scalar => {
            let (words, own) = (at.path.to_vec(), at.own.to_vec());
            out.push(Leaf { words, own, object: at.object, depth: at.depth, typed: at.typed, value: scalar });
        }
    }
}

/// An entry of a list of names and values: `{"name":..,"value":..}`.
fn pair(value: &Value) -> Option<(String, &Value)> {
    let map = value.as_object().filter(|m| (2..=5).contains(&m.len()))?;
    const PAIRS: &[(&str, &str)] =
        &[("name", "value"), ("Name", "Value"), ("key", "value"), ("Key", "ValueString"), ("Key", "Value"), ("@Name", "#text")];
    PAIRS
        .iter()
        .find_map(|(name, item)| Some((text(value, name).filter(|_| map.contains_key(name))?, map.get(item).filter(|v| !v.is_object())?)))
}

/// `record` with its texts that are JSON unfolded, the outermost first.
pub fn unfolded(record: &Value) -> Value {
    let mut record = record.clone();
    unfold(&mut record, &mut UNFOLDED_MAX.clone());
    record
}

fn unfold(value: &mut Value, left: &mut usize) {
    match value {
        Value::String(text) if text.len() <= UNFOLDED_BYTES_MAX && *left > 0 && text.trim_start().starts_with(['{', '[']) => {
            if let Ok(inner) = json::document(text.as_bytes())
                && (inner.is_object() || inner.is_array())
            {
                *left -= 1;
                *value = inner;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| unfold(item, left)),
        Value::Object(map) => map.values_mut().for_each(|item| unfold(item, left)),
        _ => {}
    }
}
