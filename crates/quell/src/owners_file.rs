//! Lists of owners that others keep: a CODEOWNERS file, a CSV file. Each line becomes an
//! owner of the inventory, with its place in the file; what is wrong with one is said.

use quell_core::inventory::{Object, Owner, OwnerRole, Remark, read_object};
use serde_json::{Map, Value, json};

use crate::inventory_file::Read;

/// Columns of a CSV file; `of` must be there.
const COLUMNS: [&str; 8] = ["of", "role", "person", "team", "contact", "deputy", "contract", "confirmed_at"];
/// The longest file of a list of owners, in lines.
const LINES_MAX: usize = 100_000;

/// Reads lines of a pattern and owners, the last of which that matches decides. With a
/// `repository` the patterns are its paths; without one they are references of the
/// inventory, and name declared owners.
pub fn codeowners(bytes: &[u8], repository: Option<&str>) -> Read {
    let mut out = Read::default();
    let Some(text) = text(bytes, &mut out) else { return out };
    for (n, line) in (1_u32..).zip(text.lines()) {
        if n as usize > LINES_MAX {
            out.errors.push(remark(n, format!("expected at most {LINES_MAX} lines")));
            break;
        }
        let line = line.split_once(" #").map_or(line, |(line, _)| line).trim();
        if line.is_empty() || line.starts_with(['#', '[']) {
            continue;
        }
        let mut words = line.split_whitespace();
        let Some(pattern) = words.next() else { continue };
        if pattern.starts_with('!') || pattern.contains(['?', '\\']) {
            out.errors.push(remark(n, format!("`{}` is no pattern that is understood here: use paths and `*`", shown(pattern))));
            continue;
        }
        match owner_of(pattern, &words.collect::<Vec<_>>(), repository, n) {
            Ok(owner) => out.objects.push((u64::from(n), Object::Owner(owner))),
            Err(message) => out.errors.push(remark(n, message)),
        }
    }
    out
}

fn owner_of(pattern: &str, owners: &[&str], repository: Option<&str>, line: u32) -> Result<Owner, String> {
    let of = match repository {
        Some(repository) => place(repository, pattern),
        None => pattern.replace("**", "*"),
    };
    let mut owner = Owner {
        of,
        role: OwnerRole::Business,
        person: None,
        team: None,
        contact: None,
        deputy: None,
        contract: None,
        confirmed_at: None,
        line: Some(line),
    };
    for word in owners {
        let bare = word.trim_start_matches('@');
        let is_team = word.starts_with('@') && bare.contains('/');
        if bare.is_empty() || bare.starts_with('/') || !(word.starts_with('@') || word.contains('@')) {
            return Err(format!("expected `@team`, `@org/team` or an address, found `{}`", shown(word)));
        }
        let place = match is_team {
            true => &mut owner.team,
            false if owner.person.is_none() => &mut owner.person,
            false => &mut owner.deputy,
        };
        // The first of several teams or deputies is asked.
        place.get_or_insert_with(|| bare.to_owned());
    }
    Ok(owner)
}

/// The glob of a path in a repository. `*` stands for any text here, also across folders.
fn place(repository: &str, pattern: &str) -> String {
    let repository = repository.trim_matches('/');
    let path = pattern.trim_start_matches('/').trim_end_matches("/**").trim_end_matches("/*").trim_end_matches('/').replace("**", "*");
    let is_anchored = pattern.trim_end_matches('/').contains('/');
    let prefix = Owner::REPOSITORY;
    match (path.as_str(), is_anchored) {
        ("" | "*", _) => format!("{prefix}{repository}/*"),
        (path, true) => format!("{prefix}{repository}/{path}/*"),
        (path, false) => format!("{prefix}{repository}/*{path}/*"),
    }
}

/// Reads a CSV file (RFC 4180) with a head: `of`, and what else an owner has.
pub fn csv(bytes: &[u8]) -> Read {
    let mut out = Read::default();
    let Some(text) = text(bytes, &mut out) else { return out };
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).comment(Some(b'#')).from_reader(text.as_bytes());
    let heads: Vec<String> = match reader.headers() {
        Ok(heads) => heads.iter().map(str::to_lowercase).collect(),
        Err(_) => Vec::new(),
    };
    let unknown = heads.iter().find(|head| !COLUMNS.contains(&head.as_str()));
    if !heads.iter().any(|head| head == "of") || unknown.is_some() {
        let found = unknown.map_or_else(|| heads.join(","), |head| head.clone());
        out.errors.push(remark(1, format!("expected a head of {} with `of` among them, found `{}`", COLUMNS.join(","), shown(&found))));
        return out;
    }
    for record in reader.records() {
        let Ok(record) = record else {
            out.errors.push(remark(0, "the file is not CSV".to_owned()));
            break;
        };
        let line = record.position().map_or(0, csv::Position::line);
        let at = u32::try_from(line).unwrap_or(u32::MAX);
        if line as usize > LINES_MAX {
            out.errors.push(remark(at, format!("expected at most {LINES_MAX} lines")));
            break;
        }
        if record.len() != heads.len() {
            out.errors.push(remark(at, format!("expected {} fields, found {}", heads.len(), record.len())));
            continue;
        }
        let fields = heads.iter().zip(record.iter()).filter(|(_, value)| !value.is_empty());
        let mut owner: Map<String, Value> = fields.map(|(head, value)| (head.clone(), json!(value))).collect();
        owner.insert("type".to_owned(), json!("owner"));
        owner.entry("role").or_insert_with(|| json!("business"));
        if !owner.contains_key("person") && !owner.contains_key("team") {
            out.errors.push(remark(at, "expected a `person` or a `team`, found neither".to_owned()));
            continue;
        }
        match read_object(line, Value::Object(owner), &|_| None) {
            (Ok(object), _) => out.objects.push((line, object)),
            (Err(error), _) => out.errors.push(error),
        }
    }
    out
}

fn text<'a>(bytes: &'a [u8], out: &mut Read) -> Option<&'a str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text.trim_start_matches('\u{feff}')),
        Err(e) => {
            out.errors.push(remark(0, format!("the file is not UTF-8 at byte {}", e.valid_up_to())));
            None
        }
    }
}

fn remark(line: u32, message: String) -> Remark {
    Remark { line: u64::from(line), path: String::new(), message }
}

/// What stands in a message, shortened: it may be anything.
fn shown(text: &str) -> String {
    text.chars().take(80).collect::<String>().escape_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(read: &Read) -> Vec<[Option<String>; 4]> {
        let of = |object: &Object| match object {
            Object::Owner(o) => [Some(o.of.clone()), o.person.clone(), o.team.clone(), o.deputy.clone()],
            other => panic!("no owner: {other:?}"),
        };
        read.objects.iter().map(|(_, object)| of(object)).collect()
    }

    #[test]
    fn a_codeowners_file_names_owners_of_paths() {
        let some = |text: &str| Some(text.to_owned());
        let table = [
            ("*  @acme/platform", "repository:acme/shop/*", None, some("acme/platform"), None),
            (
                "/services/billing/ olga@corp.example dora@corp.example",
                "repository:acme/shop/services/billing/*",
                some("olga@corp.example"),
                None,
                some("dora@corp.example"),
            ),
            ("services/** @olga # the old ones", "repository:acme/shop/services/*", some("olga"), None, None),
            ("docs/ @acme/docs @olga", "repository:acme/shop/*docs/*", some("olga"), some("acme/docs"), None),
            ("/vendor/", "repository:acme/shop/vendor/*", None, None, None),
        ];
        for (line, of, person, team, deputy) in table {
            let read = codeowners(line.as_bytes(), Some("acme/shop"));
            assert_eq!(owners(&read), [[some(of), person, team, deputy]], "{line}: {:?}", read.errors);
        }
        let read = codeowners(b"# nobody\n\n[Section]\npg-main/* @acme/db\n", None);
        assert_eq!(owners(&read)[0][0], some("pg-main/*"), "without a repository a pattern is a reference");
        assert!(matches!(&read.objects[0], (4, Object::Owner(o)) if o.line == Some(4)));
    }

    #[test]
    fn a_csv_file_names_owners() {
        let read =
            csv("of,role,person,confirmed_at\npg-main/app,iam,olga@corp.example,2026-10-01\n\"pg-main/a,b\",,\"o@corp.example\",\n"
                .as_bytes());
        assert_eq!(read.errors, []);
        assert_eq!(owners(&read).iter().map(|o| o[0].as_deref().unwrap_or_default()).collect::<Vec<_>>(), ["pg-main/app", "pg-main/a,b"]);
        assert!(
            matches!(&read.objects[0].1, Object::Owner(o) if o.role == OwnerRole::Iam && o.confirmed_at.as_deref() == Some("2026-10-01"))
        );
        assert!(matches!(&read.objects[1].1, Object::Owner(o) if o.role == OwnerRole::Business && o.confirmed_at.is_none()));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line_and_brings_nothing_in() {
        for (read, line, part) in [
            (codeowners(b"a b\n", None), 1, "found `b`"),
            (codeowners(b"* @a\n!x @b\n", None), 2, "is no pattern"),
            (codeowners(b"* @\n", None), 1, "found `@`"),
            (codeowners(&[0xff], None), 0, "not UTF-8"),
            (csv(b""), 1, "expected a head"),
            (csv(b"who,what\n"), 1, "found `who`"),
            (csv(b"of,person\npg/a\n"), 2, "expected 2 fields, found 1"),
            (csv(b"of,person\npg/a,\n"), 2, "found neither"),
            (csv(b"of,role,person\npg/a,king,x@y\n"), 2, "unknown variant"),
        ] {
            let [error] = read.errors.as_slice() else { panic!("{:?}", read.errors) };
            assert!(error.line == line && error.message.contains(part), "{error:?}, wanted {part}");
            assert!(read.objects.len() < 2);
        }
    }
}
