//! What a finding says happened, and whether it is real.
//!
//! Vendors have no shared vocabulary for types, so the kind is read from words
//! in types, title and analytic, the most telling first. A kind decides no
//! action by itself; it orders and names.

use quell_core::signal::SignalKind;

use crate::{
    field::{as_said, at, field, integer, list, said},
    json::Value,
    wording,
};

/// What a finding says of itself; of an incident, its first finding.
pub fn info(finding: &Value) -> &Value {
    field(finding, "finding_info")
        .or_else(|| list(finding, "finding_info_list").first())
        // Version 1.0 called it so.
        .or_else(|| field(finding, "finding"))
        .unwrap_or(&Value::Null)
}

/// The kind of the finding, with the reason for it.
pub fn kind(finding: &Value, reasons: &mut Vec<String>) -> SignalKind {
    let info = info(finding);
    let mut types = String::new();
    for one in list(info, "types").iter().chain(at(info, &["analytic", "name"])).filter_map(as_said) {
        types.extend((!types.is_empty()).then_some(" "));
        types.push_str(&one);
    }
    // The type is the vendor's classification; a title merely mentions words.
    let title = || said(info, "title").unwrap_or_default();
    let from_title = || wording::kind(&title()).map(|told| (told, "title"));
    if let Some(((kind, word), from)) = wording::kind(&types).map(|told| (told, "types")).or_else(from_title) {
        reasons.push(format!("the kind is read from `{word}` in the finding's {from}"));
        return kind;
    }
    reasons.push("the finding's type and title tell no kind".into());
    SignalKind::Other
}

/// Whether this is a drill: the sender marks it so, or the names are those that
/// GuardDuty puts into generated findings.
pub fn sample(finding: &Value, names: [&Option<String>; 3], reasons: &mut Vec<String>) -> bool {
    let generated = names.into_iter().flatten().any(|n| n.starts_with("GeneratedFinding"));
    let titled =
        said(info(finding), "title").is_some_and(|t| t.as_bytes().get(..7).is_some_and(|first| first.eq_ignore_ascii_case(b"[sample")));
    let test = integer(finding, "verdict_id") == Some(6);
    let marked = field(finding, "unmapped").is_some_and(is_marked);
    let sample = generated || titled || test || marked;
    if sample {
        reasons.push("the sender marks the finding as a sample or test".into());
    }
    sample
}

/// Whether a key `sample`, alone or at the end of a flattened path, is true.
fn is_marked(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(key, item)| {
            let name = key.rsplit(['.', '/']).next().unwrap_or(key);
            let set = matches!(item, Value::Bool(true)) || item.as_str().is_some_and(|s| s.eq_ignore_ascii_case("true"));
            (name.eq_ignore_ascii_case("sample") && set) || is_marked(item)
        }),
        Value::Array(items) => items.iter().any(is_marked),
        _ => false,
    }
}

/// Says so where the sender holds the finding for done. That ends nothing here.
pub fn note_closed(finding: &Value, reasons: &mut Vec<String>) {
    if integer(finding, "activity_id") == Some(3) || matches!(integer(finding, "status_id"), Some(3..=6)) {
        reasons.push("the sender has closed or suppressed this finding on its side".into());
    }
}
