//! Published threat context to entries: CISA's catalogue of known exploited
//! vulnerabilities (JSON), and bundles of STIX 2.1.
//!
//! Standard: STIX Version 2.1, OASIS Standard of 10 June 2021. Of a bundle are read
//! vulnerabilities, threat actors, intrusion sets, addresses, domains, files, and
//! indicators whose STIX pattern is one comparison or several joined by OR: an
//! indicator that needs two things at once is named by neither alone. What else there
//! is, is counted. Memory and time are bounded by [`BYTES_MAX`] and by
//! [`quell_core::context::ENTRIES_MAX`]; a refusal says where, and quotes nothing of the file.

use quell_core::{
    context::{ENTRIES_MAX, Entry, Form, Kind},
    time::Timestamp,
};
use serde::Deserialize;

/// The largest file, in bytes.
pub const BYTES_MAX: usize = 32 * 1024 * 1024;
/// Characters that are kept of a text.
const TEXT_CHARS: usize = 300;
/// Other names of an actor that are looked for.
const ALIASES_MAX: usize = 100;

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub struct Read {
    pub form: Form,
    pub entries: Vec<Entry>,
    /// Objects that are none of what is looked for, or were taken back.
    pub left_out: u64,
}

/// Why a file is no threat context.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unread {
    #[error("expected at most {BYTES_MAX} bytes, found {0}; bring it in as several files")]
    TooLarge(usize),
    #[error("the file is not JSON at line {line}, column {column}")]
    NotJson { line: usize, column: usize },
    #[error("expected a STIX 2.1 bundle (`type`: `bundle`, `objects`) or a KEV catalogue (`vulnerabilities`), found neither")]
    Neither,
    #[error("expected STIX 2.1, found a bundle of version 2.0; ask its publisher for 2.1")]
    Old,
    #[error("{at}: expected {wanted}")]
    Misshapen { at: String, wanted: &'static str },
    #[error("expected at most {ENTRIES_MAX} entries, found more; bring it in as several files")]
    TooMany,
}

/// The outside of either form.
#[derive(Deserialize)]
struct File {
    #[serde(rename = "type")]
    kind: Option<String>,
    spec_version: Option<String>,
    objects: Option<Vec<serde_json::Value>>,
    vulnerabilities: Option<Vec<serde_json::Value>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    #[serde(rename = "cveID")]
    cve: String,
    vendor_project: Option<String>,
    product: Option<String>,
    vulnerability_name: Option<String>,
    date_added: Option<String>,
    short_description: Option<String>,
    known_ransomware_campaign_use: Option<String>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(rename = "type")]
    kind: String,
    spec_version: Option<String>,
    name: Option<String>,
    description: Option<String>,
    value: Option<String>,
    pattern: Option<String>,
    pattern_type: Option<String>,
    valid_from: Option<String>,
    valid_until: Option<Timestamp>,
    created: Option<String>,
    #[serde(default)]
    revoked: bool,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    external_references: Vec<Reference>,
    #[serde(default)]
    hashes: std::collections::BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Reference {
    source_name: Option<String>,
    external_id: Option<String>,
}

/// Reads a file whole, or says where it is not what it should be.
pub fn read(bytes: &[u8]) -> Result<Read, Unread> {
    if bytes.len() > BYTES_MAX {
        return Err(Unread::TooLarge(bytes.len()));
    }
    let file: File = serde_json::from_slice(bytes).map_err(|e| match e.classify() {
        serde_json::error::Category::Data => Unread::Neither,
        _ => Unread::NotJson { line: e.line(), column: e.column() },
    })?;
    match (file.kind.as_deref(), file.objects, file.vulnerabilities) {
        (Some("bundle"), _, _) if file.spec_version.as_deref() == Some("2.0") => Err(Unread::Old),
        (Some("bundle"), objects, _) => read_all(Form::Stix, objects.unwrap_or_default(), "/objects", stix),
        (None, None, Some(list)) => read_all(Form::Kev, list, "/vulnerabilities", kev),
        _ => Err(Unread::Neither),
    }
}

fn read_all(
    form: Form,
    list: Vec<serde_json::Value>,
    path: &str,
    one: fn(serde_json::Value) -> Result<Vec<Entry>, &'static str>,
) -> Result<Read, Unread> {
    let mut read = Read { form, entries: Vec::new(), left_out: 0 };
    for (n, value) in list.into_iter().enumerate() {
        let entries = one(value).map_err(|wanted| Unread::Misshapen { at: format!("{path}/{n}"), wanted })?;
        read.left_out += u64::from(entries.is_empty());
        read.entries.extend(entries);
        if read.entries.len() > ENTRIES_MAX {
            return Err(Unread::TooMany);
        }
    }
    Ok(read)
}

fn kev(value: serde_json::Value) -> Result<Vec<Entry>, &'static str> {
    let known: Known = serde_json::from_value(value).map_err(|_| "an object with a `cveID`, its texts strings")?;
    let product = [known.vendor_project, known.product].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let title = known.vulnerability_name.unwrap_or(product);
    let entry = Entry::new(Kind::Vulnerability, &known.cve, &short(&title)).ok_or("a `cveID` such as `CVE-2031-12345`")?;
    let ransomware = known.known_ransomware_campaign_use.filter(|used| used == "Known").map(|_| "used in ransomware campaigns".to_owned());
    let says: Vec<String> = [ransomware, known.short_description].into_iter().flatten().collect();
    Ok(vec![Entry { says: some(&says.join("; ")), since: known.date_added.as_deref().map(short), ..entry }])
}

fn stix(value: serde_json::Value) -> Result<Vec<Entry>, &'static str> {
    let object: Object = serde_json::from_value(value).map_err(|_| "an object of STIX 2.1 with a `type`, its texts strings")?;
    if object.spec_version.as_deref().is_some_and(|v| v != "2.1") {
        return Err("`spec_version` `2.1`");
    }
    if object.revoked {
        return Ok(Vec::new());
    }
    let name = object.name.as_deref();
    let of = |kind: Kind, value: &str| Entry::new(kind, value, &short(name.unwrap_or(value)));
    let found: Vec<Entry> = match object.kind.as_str() {
        "vulnerability" => {
            let named = object.external_references.iter().filter(|r| r.source_name.as_deref() == Some("cve"));
            let ids = named.filter_map(|r| r.external_id.as_deref()).chain(name);
            ids.filter_map(|id| of(Kind::Vulnerability, id)).take(1).collect()
        }
        "threat-actor" | "intrusion-set" => {
            let names = name.into_iter().chain(object.aliases.iter().map(String::as_str)).take(ALIASES_MAX);
            names.filter_map(|alias| of(Kind::Actor, alias)).collect()
        }
        "ipv4-addr" | "ipv6-addr" => object.value.iter().filter_map(|v| of(Kind::Address, v)).collect(),
        "domain-name" => object.value.iter().filter_map(|v| of(Kind::Domain, v)).collect(),
        "file" => object.hashes.values().filter_map(|v| of(Kind::Hash, v)).collect(),
        "indicator" if object.pattern_type.as_deref().is_none_or(|t| t == "stix") => {
            let pattern = object.pattern.as_deref().ok_or("an indicator with a `pattern`")?;
            let named = compared(pattern).unwrap_or_default();
            named.into_iter().filter_map(|(kind, value)| of(kind, &value)).collect()
        }
        _ => Vec::new(),
    };
    let says = object.description.as_deref().map(short);
    let since = object.valid_from.or(object.created).as_deref().map(short);
    Ok(found.into_iter().map(|entry| Entry { says: says.clone(), since: since.clone(), until: object.valid_until, ..entry }).collect())
}

/// What a pattern compares for equality, where any one of it is enough; none where it
/// asks for more than one thing at once, or for something else than equality.
fn compared(pattern: &str) -> Option<Vec<(Kind, String)>> {
    let mut named = Vec::new();
    let mut rest = pattern.trim();
    loop {
        rest = rest.trim_start_matches(['[', '(', ' ', '\t', '\n', '\r']);
        let (path, after) = rest.split_once('=')?;
        let kind = kind_of(path.trim())?;
        let after = after.trim_start().strip_prefix('\'')?;
        let (value, after) = quoted(after)?;
        named.push((kind, value));
        rest = after.trim_start_matches([']', ')', ' ', '\t', '\n', '\r']);
        if rest.is_empty() {
            return Some(named);
        }
        rest = rest.strip_prefix("OR").filter(|r| r.starts_with(['[', '(', ' ', '\t', '\n', '\r']))?;
    }
}

fn kind_of(path: &str) -> Option<Kind> {
    match path {
        "ipv4-addr:value" | "ipv6-addr:value" => Some(Kind::Address),
        "domain-name:value" => Some(Kind::Domain),
        _ => path.strip_prefix("file:hashes.").filter(|h| !h.contains(['<', '>', '!', ' '])).map(|_| Kind::Hash),
    }
}

/// A text up to its closing quote, and what is after it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' => return Some((value, &text[at + 1..])),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

fn short(text: &str) -> String {
    text.chars().take(TEXT_CHARS).collect()
}

fn some(text: &str) -> Option<String> {
    Some(short(text)).filter(|t| !t.is_empty())
}
