//! An inventory file (`quell-inventory/1`): JSON Lines, or one JSON or YAML
//! document with lists. Secrets in it become fingerprints while it is read.

use quell_core::{
    inventory::{Object, Remark, read_object},
    secret::FingerprintKey,
};
use serde_json::Value;

/// What a file holds.
#[derive(Default)]
pub struct Read {
    /// With the line, or in a document the place in its list, from 1.
    pub objects: Vec<(u64, Object)>,
    pub errors: Vec<Remark>,
    pub warnings: Vec<Remark>,
}

/// Names of lists in a document, and the type of what is in them.
const LISTS: [(&str, &str); 8] = [
    ("systems", "system"),
    ("identities", "identity"),
    ("credentials", "credential"),
    ("sessions", "session"),
    ("entitlements", "entitlement"),
    ("owners", "owner"),
    ("derivations", "derivation"),
    ("dependencies", "dependency"),
];

/// Reads a file whole; what is wrong with it is in `errors`, each with its place.
pub fn read(bytes: &[u8], key: Option<&FingerprintKey>) -> Read {
    let mut out = Read::default();
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.trim_start_matches('\u{feff}'),
        Err(e) => {
            out.error(0, "", format!("the file is not UTF-8 at byte {}", e.valid_up_to()));
            return out;
        }
    };
    // One object a line is tried first: a JSON document over several lines has a
    // first line that is not a value, and one on a single line is no typed object.
    let first = text.lines().find(|l| !l.trim().is_empty()).unwrap_or_default();
    let lines = serde_json::from_str::<Value>(first).is_ok_and(|v| v.get("type").is_some_and(Value::is_string));
    if lines {
        out.read_lines(text, key);
        return out;
    }
    let document: Result<Value, String> = match first.trim_start().starts_with(['{', '[']) {
        true => serde_json::from_str(text).map_err(|e| at(e.line(), e.column(), "JSON")),
        false => serde_norway::from_str(text)
            .map_err(|e| e.location().map_or_else(|| "the file is not YAML".to_owned(), |l| at(l.line(), l.column(), "YAML"))),
    };
    match document {
        Ok(document) => out.read_document(document, key),
        Err(message) => out.error(0, "", message),
    }
    out
}

/// The parsers' own messages may quote what they read, a secret for instance.
fn at(line: usize, column: usize, form: &str) -> String {
    format!("the file is not {form} at line {line}, column {column}")
}

impl Read {
    fn error(&mut self, line: u64, path: &str, message: String) {
        self.errors.push(Remark { line, path: path.to_owned(), message });
    }

    fn read_lines(&mut self, text: &str, key: Option<&FingerprintKey>) {
        for (n, line) in (1_u64..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            match serde_json::from_str(line) {
                Ok(value) => self.take(n, value, key),
                Err(e) => self.error(n, "", format!("the line is not JSON at column {}", e.column())),
            }
        }
    }

    fn read_document(&mut self, document: Value, key: Option<&FingerprintKey>) {
        let mut n = 0;
        match document {
            Value::Array(objects) => {
                for object in objects {
                    n += 1;
                    self.take(n, object, key);
                }
            }
            Value::Object(lists) => {
                for (name, list) in lists {
                    let kind = LISTS.iter().find(|(list, _)| *list == name).map(|(_, kind)| *kind);
                    let objects = match (list, kind, name.as_str()) {
                        (Value::Array(objects), Some(_), _) | (Value::Array(objects), None, "objects") => objects,
                        (Value::String(format), None, "format") if format == "quell-inventory/1" => continue,
                        (Value::Null, Some(_), _) => continue,
                        _ => {
                            let known: Vec<&str> = LISTS.iter().map(|(list, _)| *list).collect();
                            self.error(0, &format!("/{name}"), format!("expected lists named {} or `objects`", known.join(", ")));
                            continue;
                        }
                    };
                    for mut object in objects {
                        n += 1;
                        if let (Some(kind), Some(map)) = (kind, object.as_object_mut()) {
                            map.entry("type").or_insert_with(|| Value::String(kind.to_owned()));
                        }
                        self.take(n, object, key);
                    }
                }
            }
            Value::Null => {}
            _ => self.error(0, "", "expected objects with a `type`, or lists of them".to_owned()),
        }
    }

    fn take(&mut self, line: u64, value: Value, key: Option<&FingerprintKey>) {
        let (object, warnings) = read_object(line, value, &|secret| key.map(|key| key.fingerprint(secret).to_string()));
        self.warnings.extend(warnings);
        match object {
            Ok(object) => self.objects.push((line, object)),
            Err(remark) => self.errors.push(remark),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(text: &str) -> (usize, usize, usize) {
        let read = read(text.as_bytes(), Some(&FingerprintKey::new([7; 32])));
        (read.objects.len(), read.errors.len(), read.warnings.len())
    }

    #[test]
    fn lines_documents_and_yaml_hold_the_same() {
        let line = r#"{"type":"system","id":"pg-main","kind":"postgresql"}"#;
        for (text, wanted) in [
            ("".to_owned(), (0, 0, 0)),
            (format!("{line}\n\n{line}\n"), (2, 0, 0)),
            (format!("{line}\nnot json\n"), (1, 1, 0)),
            (format!("[{line}]"), (1, 0, 0)),
            (r#"{"systems":[{"id":"pg-main","kind":"postgresql"}],"identities":[]}"#.to_owned(), (1, 0, 0)),
            (format!("{{\n\"objects\": [{line}]\n}}"), (1, 0, 0)),
            ("systems:\n  - id: pg-main\n    kind: postgresql\n".to_owned(), (1, 0, 0)),
            ("- type: system\n  id: pg-main\n  kind: postgresql\n".to_owned(), (1, 0, 0)),
            ("things:\n  - id: x\n".to_owned(), (0, 1, 0)),
            (r#"{"type":"system","id":"pg-main","kind":"postgresql","colour":"red"}"#.to_owned(), (1, 0, 1)),
            (r#"{"type":"planet","id":"x"}"#.to_owned(), (0, 1, 0)),
            ("just text".to_owned(), (0, 1, 0)),
            ("{\"systems\": [".to_owned(), (0, 1, 0)),
        ] {
            assert_eq!(counts(&text), wanted, "{text}");
        }
    }

    #[test]
    fn a_secret_becomes_a_fingerprint_and_is_never_repeated() {
        let line = r#"{"type":"credential","id":"pg/a#password","identity":"pg/a","kind":"password","secret":"hunter2hunter2"}"#;
        let key = FingerprintKey::new([7; 32]);
        let good = read(line.as_bytes(), Some(&key));
        assert!(matches!(&good.objects[0].1, Object::Credential(c) if c.fingerprints[0].starts_with("hmac-sha256:")));
        let without = read(line.as_bytes(), None);
        let broken = read(&line.as_bytes()[..line.len() - 3], Some(&key));
        for errors in [without.errors, broken.errors] {
            assert!(!errors.is_empty() && !format!("{errors:?}").contains("hunter2"));
        }
    }
}
