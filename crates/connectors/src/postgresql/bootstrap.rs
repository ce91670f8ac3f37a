//! The script that makes the least-privilege functions, the scope and the
//! control identity, and the list of what the connector's role may execute.

use quell_engine::port::PlaneError;

use super::{config::PostgresConfig, native, verifier};

/// Every function that the connector's role may execute, by signature.
pub(super) const GRANTED: [&str; 20] = [
    "quell.lock(text)",
    "quell.unlock(text)",
    "quell.rotate(text, text)",
    "quell.put_back(text, text)",
    "quell.put_back_limits(text, integer, text)",
    "quell.kill(integer, bigint)",
    "quell.kill_all(text)",
    "quell.sessions(text, integer)",
    "quell.members(text, integer)",
    "quell.revoke_member(text, text)",
    "quell.grant_member(text, text)",
    "quell.verifier(text)",
    "quell.verifiers(integer)",
    "quell.scope_names(integer)",
    "quell.make_twin(text, text, text, text)",
    "quell.twin_of(text)",
    "quell.drop_twin(text)",
    "quell.look(text, text)",
    "quell.look_session(integer, bigint)",
    "quell.look_member(text, text, text)",
];

const SCRIPT: &str = include_str!("bootstrap.sql");
const FUNCTIONS: &str = concat!(include_str!("guard.sql"), include_str!("act.sql"), include_str!("look.sql"));

/// The script for `config`, which puts every role of `scope` under Quell.
///
/// It holds SCRAM verifiers of the two configured secrets, never the secrets;
/// pipe it to `psql` as superuser, in the configured database.
///
/// # Errors
///
/// When a name cannot be a role of PostgreSQL.
pub fn bootstrap_sql(config: &PostgresConfig, scope: &[String]) -> Result<String, PlaneError> {
    let bad = |why: &str| PlaneError::NotPermitted { plane: config.name.clone(), why: why.to_owned() };
    if let Some(complaint) = config.complaint() {
        return Err(bad(&complaint));
    }
    if native::role(&config.dbname).is_none() {
        return Err(bad("cannot be bootstrapped: `dbname` is not a name of PostgreSQL (1 to 63 bytes, no NUL)"));
    }
    let mut admitted = String::new();
    for name in scope {
        let name = native::role(name)
            .ok_or_else(|| bad("cannot be bootstrapped: a role in the scope is not a name of PostgreSQL (1 to 63 bytes, no NUL)"))?;
        admitted.push_str(&format!("SELECT quell.admit({});\n", text(name)));
    }
    let (connector, control) = (&config.username, &config.control.identity);
    let parts = [
        ("connector_verifier", text(verifier::make(&config.secret).expose())),
        ("control_verifier", text(verifier::make(&config.control.secret).expose())),
        ("connector_text", text(connector)),
        ("control_text", text(control)),
        ("connector", identifier(connector)),
        ("control", identifier(control)),
        ("database", identifier(&config.dbname)),
        ("functions", FUNCTIONS.to_owned()),
        ("granted", GRANTED.join(",\n  ")),
        ("scope", admitted),
    ];
    Ok(fill(SCRIPT, &parts))
}

/// Puts `parts` in place of `{name}`, in one pass: a value that looks like a
/// place is left as it is.
fn fill(script: &str, parts: &[(&str, String)]) -> String {
    let mut out = String::with_capacity(script.len() * 2);
    let mut rest = script;
    while let Some(start) = rest.find('{') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let part = parts.iter().find(|(name, _)| from[1..].starts_with(name) && from[1 + name.len()..].starts_with('}'));
        match part {
            Some((name, value)) => {
                out.push_str(value);
                rest = &from[name.len() + 2..];
            }
            None => {
                out.push('{');
                rest = &from[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// A quoted identifier.
fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A quoted text; the script turns `standard_conforming_strings` on first.
fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}
