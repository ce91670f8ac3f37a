//! One line of an inventory file becomes an object, with what there is to say of it.

use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::object::Object;

const KNOWN: &[(&str, &[&str])] = &[
    ("system", &["id", "kind", "native", "environment", "criticality", "process"]),
    (
        "identity",
        &[
            "id",
            "kind",
            "name",
            "aliases",
            "environment",
            "criticality",
            "shared",
            "third_party",
            "protected",
            "status",
            "last_used_at",
            "rotation",
            "bounds",
            "tags",
            "repository",
            "pipeline",
            "workflow",
            "deployed_by",
        ],
    ),
    ("credential", &["id", "identity", "kind", "fingerprints", "secret", "issued_at", "expires_at", "last_used_at"]),
    ("session", &["id", "identity", "credential", "started_at", "expires_at"]),
    ("entitlement", &["id", "identity", "permission", "resource"]),
    ("owner", &["of", "role", "person", "team", "contact", "deputy", "contract", "confirmed_at", "line"]),
    ("derivation", &["from", "to", "via", "basis", "at", "until"]),
    ("dependency", &["consumer", "on", "criticality", "reads_from", "schedule"]),
];

/// Something to say about one line of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remark {
    pub line: u64,
    pub path: String,
    pub message: String,
}

/// Reads one object; a secret in it becomes a fingerprint at once. Unknown
/// fields are warned of, unknown types are errors.
pub fn read_object(
    line: u64,
    mut value: Value,
    fingerprint: &dyn Fn(&crate::secret::Secret) -> Option<String>,
) -> (Result<Object, Remark>, Vec<Remark>) {
    let remark = |path: &str, message: String| Remark { line, path: path.to_string(), message };
    let mut warnings = Vec::new();
    let Some(map) = value.as_object_mut() else { return (Err(remark("", "expected an object with a `type`".to_string())), warnings) };
    let kind = map.get("type").and_then(Value::as_str).unwrap_or_default().to_string();
    let Some((_, fields)) = KNOWN.iter().find(|(name, _)| *name == kind) else {
        let names: Vec<&str> = KNOWN.iter().map(|(name, _)| *name).collect();
        return (Err(remark("/type", format!("expected one of {}, found `{kind}`", names.join(", ")))), warnings);
    };
    let unknown: Vec<String> = map.keys().filter(|k| *k != "type" && !fields.contains(&k.as_str())).cloned().collect();
    for key in unknown {
        map.remove(&key);
        warnings.push(remark(&format!("/{key}"), format!("unknown field of a {kind}; it is left out")));
    }
    if let Some(secret) = map.remove("secret") {
        match secret.as_str().map(|s| fingerprint(&crate::secret::Secret::new(s))) {
            Some(Some(print)) => map.insert("fingerprints".to_string(), Value::Array(vec![Value::String(print)])),
            Some(None) => return (Err(remark("/secret", "a secret needs a fingerprint key file to be hashed with".to_string())), warnings),
            None => return (Err(remark("/secret", "expected a string".to_string())), warnings),
        };
    }
    match serde_json::from_value::<Object>(value) {
        Ok(object) => (Ok(object), warnings),
        Err(e) => (Err(remark("", e.to_string())), warnings),
    }
}
