//! What was proved, as the file that is built in and as a page for people.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use anyhow::{Context, Result};
use quell_core::{
    action::CATALOGUE,
    coverage::{Row, Undone, last_proven},
    proof::Strength,
};

/// One row a line, so that a change of one is a change of one line.
pub fn file(rows: &[Row]) -> Result<String> {
    let lines: Vec<String> = rows.iter().map(serde_json::to_string).collect::<Result<_, _>>().context("write the rows")?;
    Ok(format!("[\n{}\n]\n", lines.join(",\n")))
}

/// Actions down, planes across; then every row.
pub fn page(rows: &[Row]) -> String {
    let servers: BTreeMap<&str, &str> = rows.iter().map(|row| (row.kind.as_str(), row.server.as_str())).collect();
    let mut out = String::from(
        "# What was proved, and when last\n\n\
         Written by `make drill`; do not edit it by hand. Each action of each plane was done on a real server of the lab, proved\n\
         by the plane's own probes past the settle time, and taken back. This says what the connectors did to the servers\n\
         below, on the day below. It says nothing about your server: there, `quell connector list` shows what your own\n\
         cases proved, beside this. An action that is not here is not offered. Where a plane does an action to more than one\n\
         kind of thing, only what stands under *on* was tried.\n\n| action |",
    );
    for server in servers.values() {
        let _ = write!(out, " {server} |");
    }
    out.push_str("\n| --- |");
    out.push_str(&" --- |".repeat(servers.len()));
    out.push('\n');
    for entry in CATALOGUE.iter().filter(|entry| rows.iter().any(|row| row.action == entry.action)) {
        let _ = write!(out, "| `{}` |", entry.name);
        for kind in servers.keys() {
            match last_proven(rows, kind, entry.action) {
                Some(row) => {
                    let _ = write!(out, " {}; {} |", day(&row), back(row.undone));
                }
                None => out.push_str(" – |"),
            }
        }
        out.push('\n');
    }
    out.push_str(
        "\n*Taken back*: the way back was taken, and proved: the old secret stays dead where a new one lives, or lives again where\n\
         the exact former state was restored. *Irreversible*: the manifest says so before the step runs, the plane refused to\n\
         give it back, and it stayed dead. *Not proved, a residual*: the cut was made (the certificate\n\
         is revoked at its CA, the issuer of the tokens is cut), and what was handed out before works on until a date. The probe\n\
         says that date and never *dead*, and the row counts as no proof of the action.\n\n\
         | plane | action | on | strength | way back | last proven |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for row in rows {
        let (strength, back) = (strength(row.proved), back(row.undone));
        let _ = writeln!(out, "| {} | `{}` | {} | {strength} | {back} | {} |", row.kind, row.action.name(), row.subject, day(row));
    }
    out
}

fn day(row: &Row) -> String {
    row.proved_at.to_string().chars().take(10).collect()
}

pub fn strength(proved: Strength) -> &'static str {
    match proved {
        Strength::Exercised => "exercised",
        Strength::Enforced => "enforced",
        // No course rests on a word: what is not proved here stands until its time.
        Strength::Recorded => "not proved, a residual",
    }
}

pub fn back(undone: Undone) -> &'static str {
    match undone {
        Undone::Proved => "taken back",
        Undone::Irreversible => "irreversible",
    }
}

/// Writes a file whole, or leaves the former one.
pub fn write(to: &Path, text: &str) -> Result<()> {
    if let Some(dir) = to.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        std::fs::create_dir_all(dir).with_context(|| format!("make `{}`", dir.display()))?;
    }
    let half = to.with_extension("half");
    std::fs::write(&half, text).with_context(|| format!("write `{}`", half.display()))?;
    std::fs::rename(&half, to).with_context(|| format!("write `{}`", to.display()))
}
