//! Reading a policy set: files in, a set that may be asked out, or every
//! reason why not.
//!
//! A set is a directory of `*.cedar` files. All problems are collected, each
//! with file and line, so an author mends them in one go. The digest covers
//! the schema and the name and bytes of every file, in the order of names.

use std::{fmt, path::Path};

use cedar_policy::{Policy, PolicyId, PolicySet, ValidationMode, Validator, ffi::DetailedError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{
    decide::CedarPolicy,
    lint,
    request::Vocabulary,
    schema::{SCHEMA, SCHEMA_FILE, schema},
    show::Rule,
};

/// The largest policy file, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// The most policy files of a set.
const FILES_MAX: usize = 64;
/// The most policies of a set: asking takes about a microsecond for each.
const POLICIES_MAX: usize = 1_000;

/// One policy file: its name without a directory, and its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    pub name: String,
    pub text: String,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The file's name without its directory; `None` for the directory itself.
    pub file: Option<String>,
    /// From 1; `None` where it concerns the whole file.
    pub line: Option<u32>,
    pub message: String,
}

impl Problem {
    pub(crate) fn of_set(message: impl Into<String>) -> Self {
        Self { file: None, line: None, message: message.into() }
    }

    /// `line` 0 means the whole file.
    pub(crate) fn in_file(file: &str, line: u32, message: impl Into<String>) -> Self {
        Self { file: Some(file.to_string()), line: (line > 0).then_some(line), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => write!(f, "{file}:{line}: {}", self.message),
            (Some(file), None) => write!(f, "{file}: {}", self.message),
            _ => f.write_str(&self.message),
        }
    }
}

/// A set that may not be asked, with every reason.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the policy set is refused: {}", .problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("; "))]
pub struct Refused {
    pub problems: Vec<Problem>,
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

/// What `policy check` says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    pub ok: bool,
    /// `None` where the set is refused.
    pub digest: Option<String>,
    pub policies: usize,
    pub errors: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

/// Reads and validates a directory without putting it in force.
pub fn check(dir: &Path) -> Report {
    match CedarPolicy::load(dir) {
        Ok(set) => Report {
            ok: true,
            digest: Some(set.digest_text().to_string()),
            policies: set.rules().len(),
            errors: Vec::new(),
            warnings: set.warnings().to_vec(),
        },
        Err(refused) => Report { ok: false, digest: None, policies: 0, errors: refused.problems, warnings: Vec::new() },
    }
}

impl CedarPolicy {
    /// Reads every `*.cedar` of a directory and puts them in force together,
    /// or refuses them together.
    pub fn load(dir: &Path) -> Result<Self, Refused> {
        let (sources, warnings) = read_dir(dir)?;
        let mut set = Self::from_sources(&sources)?;
        set.add_warnings(warnings);
        Ok(set)
    }

    /// The set that Quell ships, for an installation without a `policy_dir`.
    pub fn shipped() -> Self {
        Self::from_sources(&shipped_sources()).expect("a test loads the shipped set, and it is compiled in")
    }

    /// Puts texts in force; [`CedarPolicy::load`] without the disk.
    pub fn from_sources(sources: &[Source]) -> Result<Self, Refused> {
        let schema = schema()?;
        let mut problems = Vec::new();
        let mut warnings = Vec::new();
        let mut set = PolicySet::new();
        let mut rules = Vec::new();
        for source in sources {
            for (policy, rule) in read_policies(source, &mut problems) {
                lint::policy(&policy, &rule, &mut problems, &mut warnings);
                match set.add(policy) {
                    Ok(()) => rules.push(rule),
                    Err(_) => problems.push(Problem::in_file(
                        &rule.file,
                        rule.line,
                        format!("the id `{}` is taken by another policy; give each its own", rule.id),
                    )),
                }
            }
        }
        if rules.len() > POLICIES_MAX {
            problems.push(Problem::of_set(format!("{} policies; a set holds at most {POLICIES_MAX}", rules.len())));
        }
        if rules.is_empty() && problems.is_empty() {
            problems.push(Problem::of_set("no policies, so nothing would be allowed; start from the shipped `*.cedar` files"));
        }

        let vocabulary = Vocabulary::of(&schema)?;
        let found = Validator::new(schema).validate(&set, ValidationMode::Strict);
        for error in found.validation_errors() {
            problems.push(validation_problem(sources, &rules, error.policy_id(), &DetailedError::from(error)));
        }
        for warning in found.validation_warnings() {
            warnings.push(validation_problem(sources, &rules, warning.policy_id(), &DetailedError::from(warning)));
        }
        if problems.is_empty() {
            Ok(Self::new(set, vocabulary, rules, digest(sources), warnings))
        } else {
            problems.sort();
            Err(Refused { problems })
        }
    }
}

/// The policy files of a directory, to be sent elsewhere.
///
/// # Errors
///
/// What cannot be read.
pub fn sources(dir: &Path) -> Result<Vec<Source>, Refused> {
    read_dir(dir).map(|(sources, _)| sources)
}

/// The three shipped files.
pub fn shipped_sources() -> Vec<Source> {
    [
        ("business.cedar", include_str!("../../../policies/business.cedar")),
        ("iam.cedar", include_str!("../../../policies/iam.cedar")),
        ("secops.cedar", include_str!("../../../policies/secops.cedar")),
    ]
    .into_iter()
    .map(|(name, text)| Source { name: name.to_string(), text: text.to_string() })
    .collect()
}

/// Reads the policy files of a directory, in the order of their names.
fn read_dir(dir: &Path) -> Result<(Vec<Source>, Vec<Problem>), Refused> {
    let entries = std::fs::read_dir(dir)
        .map_err(|e| Problem::of_set(format!("cannot read the policy directory `{}`: {e}; check `policy_dir`", dir.display())))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| Problem::of_set(format!("cannot list `{}`: {e}", dir.display())))?;
        match entry.file_name().into_string() {
            Ok(name) if name == SCHEMA_FILE || (name.ends_with(".cedar") && !name.starts_with('.')) => names.push(name),
            _ => {}
        }
    }
    names.sort();
    if names.len() > FILES_MAX {
        return Err(Problem::of_set(format!("{} policy files; a set holds at most {FILES_MAX}", names.len())).into());
    }

    let mut sources = Vec::new();
    let mut problems = Vec::new();
    let mut warnings = Vec::new();
    for name in names {
        match read_file(&dir.join(&name)) {
            Err(reason) => problems.push(Problem::in_file(&name, 0, reason)),
            Ok(text) if name != SCHEMA_FILE => sources.push(Source { name, text }),
            Ok(text) if text != SCHEMA => warnings.push(Problem::in_file(
                &name,
                0,
                "differs from the schema of this version of Quell, which alone is used; replace the copy",
            )),
            Ok(_) => {}
        }
    }
    if problems.is_empty() { Ok((sources, warnings)) } else { Err(Refused { problems }) }
}

/// One file's text, or why not.
fn read_file(path: &Path) -> Result<String, String> {
    use std::io::Read;

    let file = std::fs::File::open(path).map_err(|e| format!("cannot be read: {e}"))?;
    // Bounded while reading: a length asked beforehand may have grown since.
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|e| format!("cannot be read: {e}"))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("is larger than {FILE_BYTES_MAX} bytes; split it"));
    }
    String::from_utf8(bytes).map_err(|e| format!("is not UTF-8 at byte {}", e.utf8_error().valid_up_to()))
}

/// The policies of one file, named by their `@id`.
fn read_policies(source: &Source, problems: &mut Vec<Problem>) -> Vec<(Policy, Rule)> {
    let parsed: PolicySet = match source.text.parse() {
        Ok(set) => set,
        Err(errors) => {
            let detailed = DetailedError::from(&errors);
            for error in std::iter::once(&detailed).chain(&detailed.related) {
                problems.push(Problem::in_file(&source.name, line_of_error(&source.text, error), said(error)));
            }
            return Vec::new();
        }
    };
    for template in parsed.templates() {
        problems.push(Problem::in_file(
            &source.name,
            0,
            format!("`{}` is a template; write the policy out, nothing links templates", template.id()),
        ));
    }
    let mut policies: Vec<&Policy> = parsed.policies().collect();
    // Cedar numbers them in the order of the text: policy0, policy1, ..
    policies.sort_by_key(|p| (p.id().to_string().len(), p.id().to_string()));
    policies
        .into_iter()
        .filter_map(|policy| {
            let Some(id) = policy.annotation("id").filter(|id| !id.is_empty()) else {
                let head = policy.to_string();
                let head = head.lines().next().unwrap_or_default();
                problems.push(Problem::in_file(
                    &source.name,
                    0,
                    format!("the policy that begins `{head}` has no @id; begin it with `@id(\"owner.name\")`"),
                ));
                return None;
            };
            let line = line_of_id(&source.text, id);
            Some((policy.new_id(PolicyId::new(id)), Rule::of(policy, id, &source.name, line)))
        })
        .collect()
}

/// Where Cedar's error lies, turned into our words.
fn validation_problem(sources: &[Source], rules: &[Rule], id: &PolicyId, error: &DetailedError) -> Problem {
    let Some(rule) = rules.iter().find(|r| id.to_string() == r.id) else {
        return Problem::of_set(said(error));
    };
    let line = sources.iter().find(|s| s.name == rule.file).map_or(0, |s| line_of_error(&s.text, error));
    Problem::in_file(&rule.file, line.max(rule.line), said(error))
}

/// The message, and the help where there is one.
fn said(error: &DetailedError) -> String {
    match &error.help {
        Some(help) => format!("{}; {help}", error.message),
        None => error.message.clone(),
    }
}

/// The line of an error's first label, or 0.
fn line_of_error(text: &str, error: &DetailedError) -> u32 {
    error.source_locations.first().map_or(0, |label| line_at(text, label.loc.start))
}

/// The line of the policy with this id, or 0.
fn line_of_id(text: &str, id: &str) -> u32 {
    text.find(&format!("@id(\"{id}\")")).map_or(0, |at| line_at(text, at))
}

/// The line, from 1, of a byte offset.
fn line_at(text: &str, offset: usize) -> u32 {
    let lines = text.as_bytes().iter().take(offset).filter(|b| **b == b'\n').count();
    u32::try_from(lines + 1).unwrap_or(u32::MAX)
}

/// SHA-256 over the schema and every file: each name and text with its length
/// before it, so that moving a byte from one to the next shows.
fn digest(sources: &[Source]) -> String {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    add(SCHEMA.as_bytes());
    let mut sorted: Vec<&Source> = sources.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    for source in sorted {
        add(source.name.as_bytes());
        add(source.text.as_bytes());
    }
    hash.finalize().iter().map(|b| format!("{b:02x}")).collect()
}
