//! `quell policy`: is the set sound, does it pass its tests, what does it say.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use quell_core::{
    decision::{AttemptQuestion, Verb, VerbQuestion},
    time::after,
};
use quell_engine::port::Clock;
use quell_policy::{
    CedarPolicy, HEADINGS, Proof, Report, TestReport, check, example, example_verb, shipped_sources, shipped_tests, show, sources, test,
    test_set,
};
use quell_store::SystemClock;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    Context, alert, asking,
    connector::actions,
    fault::{Done, Fault, REFUSED},
    moment,
    terminal::{self, cell, progress, safe, table},
};

/// Who may do what, and who must be asked
#[derive(Subcommand)]
pub enum Policy {
    Check(Check),
    Test(Test),
    Show(Show),
    Explain(Explain),
    Replay(Replay),
    Prove(Prove),
}

/// Validate a policy set and name every problem with file and line, without a server
#[derive(Args)]
#[command(after_help = "Example: quell policy check policies/")]
pub struct Check {
    /// The set; policy_dir of quell.toml, else the set that Quell ships
    dir: Option<PathBuf>,
}

/// Run the tests that stand beside a policy set, without a server
#[derive(Args)]
#[command(after_help = "Example: quell policy test policies/")]
pub struct Test {
    /// The set; policy_dir of quell.toml, else the set that Quell ships
    dir: Option<PathBuf>,
}

/// Print a policy set as one table in English, without a server
#[derive(Args)]
#[command(after_help = "Example: quell policy show")]
pub struct Show {
    /// The set; policy_dir of quell.toml, else the set that Quell ships
    dir: Option<PathBuf>,
}

/// Ask the server's policy one question and print who decided it and who could change that
///
/// Starts from the example of `policy test` (automation suspends a production
/// service account whose leaked secret the alert carried) or, with --verb, from
/// a signed-in lead; --set changes one fact of it. Or give the whole question.
#[derive(Args)]
#[command(
    after_help = "Example: quell policy explain --action suspend_identity --set identity.kind=human --set circumstances.corroborated=false"
)]
pub struct Explain {
    /// An action on an identity
    #[arg(long, value_name = "ACTION", value_parser = actions())]
    action: Option<String>,
    /// A verb of a person
    #[arg(long, value_name = "VERB", value_parser = verbs(), conflicts_with = "action")]
    verb: Option<String>,
    /// One fact: a path and a JSON value, or a word
    #[arg(long = "set", value_name = "PATH=VALUE")]
    set: Vec<String>,
    /// A question as JSON; `-` reads stdin
    #[arg(value_name = "FILE", conflicts_with_all = ["action", "verb", "set"])]
    file: Option<PathBuf>,
}

/// Ask a policy set about past cases: which steps would run at once, after whose yes, or never
///
/// Each plan is asked about as it stood when it was decided, and compared with what was
/// decided then. Nothing is written, and the set is not put in force. With --strict exit
/// code 1 where a step is looser or asks others, and where cases were not looked at.
#[derive(Args)]
#[command(after_help = "Example: quell policy replay policies/ --last 90d")]
pub struct Replay {
    /// The set; policy_dir of quell.toml, else the set that Quell ships
    dir: Option<PathBuf>,
    /// Cases that were opened within this time
    #[arg(long, value_name = "TIME", default_value = "90d", value_parser = moment::duration)]
    last: Duration,
    /// End with 1 unless every step is the same or stricter, in every case of that time
    #[arg(long)]
    strict: bool,
}

/// Search every situation for one in which a policy set allows what nobody may rely on, without a server
///
/// Asks the set about every combination of the facts that its policies mention, each
/// number below, at and above every literal that it is compared with. Exit code 1 where a claim does not hold,
/// with the situation that shows it.
#[derive(Args)]
#[command(after_help = "Example: quell policy prove policies/")]
pub struct Prove {
    /// The set; policy_dir of quell.toml, else the set that Quell ships
    dir: Option<PathBuf>,
}

fn verbs() -> clap::builder::PossibleValuesParser {
    Verb::ALL.map(Verb::name).to_vec().into()
}

impl Policy {
    pub fn run(self, context: &Context) -> Done {
        match self {
            Self::Check(verb) => verb.run(context),
            Self::Test(verb) => verb.run(context),
            Self::Show(verb) => verb.run(context),
            Self::Explain(verb) => asking(verb.run(context)),
            Self::Replay(verb) => asking(verb.run(context)),
            Self::Prove(verb) => verb.run(context),
        }
    }
}

impl Check {
    fn run(self, context: &Context) -> Done {
        let report = report(context.local.policy_dir(self.dir)?);
        context.print(&json!(report), |_| told(&report))?;
        Ok(if report.ok { 0 } else { REFUSED })
    }
}

/// What `policy check` says of a directory, or of the shipped set.
pub fn report(dir: Option<PathBuf>) -> Report {
    match dir {
        Some(dir) => check(&dir),
        None => {
            let set = CedarPolicy::shipped();
            Report {
                ok: true,
                digest: Some(set.digest_text().to_owned()),
                policies: set.rules().len(),
                errors: Vec::new(),
                warnings: set.warnings().to_vec(),
            }
        }
    }
}

fn told(report: &Report) -> String {
    let mut lines: Vec<String> = report.errors.iter().map(|p| format!("error: {}", safe(&p.to_string()))).collect();
    lines.extend(report.warnings.iter().map(|p| format!("warning: {}", safe(&p.to_string()))));
    lines.push(match &report.digest {
        Some(digest) => format!("{} policies, digest {digest}. Next: `quell policy test`.", report.policies),
        None => "The set is refused. Mend the errors above and check again.".to_owned(),
    });
    lines.join("\n")
}

impl Test {
    fn run(self, context: &Context) -> Done {
        let report = match context.local.policy_dir(self.dir)? {
            Some(dir) => test(&dir).map_err(|e| Fault::refused(e.to_string()))?,
            None => test_set(&CedarPolicy::shipped(), &shipped_tests()),
        };
        context.print(&json!(report), |_| tested(&report))?;
        Ok(if report.ok { 0 } else { REFUSED })
    }
}

fn tested(report: &TestReport) -> String {
    let mut lines: Vec<String> =
        report.failures.iter().map(|f| format!("{}: {}: {}", safe(&f.file), safe(&f.case), safe(&f.message))).collect();
    if !report.never_decides.is_empty() {
        lines.push(format!("never seen to decide: {}", safe(&report.never_decides.join(", "))));
    }
    if !report.never_silent.is_empty() {
        lines.push(format!("never seen silent: {}", safe(&report.never_silent.join(", "))));
    }
    lines.push(format!("{} cases, {} failed.", report.cases, report.failures.len()));
    lines.join("\n")
}

/// The set of a directory, or the shipped one.
fn loaded(dir: Option<PathBuf>) -> Result<CedarPolicy, Fault> {
    match dir {
        Some(dir) => CedarPolicy::load(&dir).map_err(|e| Fault::refused(format!("{e}; run `quell policy check`"))),
        None => Ok(CedarPolicy::shipped()),
    }
}

impl Prove {
    fn run(self, context: &Context) -> Done {
        let set = loaded(context.local.policy_dir(self.dir)?)?;
        if !context.json {
            progress("asking about every situation; this takes some seconds");
        }
        let proof = set.prove();
        context.print(&json!(proof), |_| proved(&proof))?;
        Ok(if proof.ok { 0 } else { REFUSED })
    }
}

fn proved(proof: &Proof) -> String {
    let mut lines = Vec::new();
    for claim in &proof.claims {
        let verdict = match (claim.holds, &claim.because) {
            (true, _) => format!("holds in all {} situations", claim.situations),
            (false, Some(because)) => format!("NOT SEARCHED: {}", safe(because)),
            (false, None) => format!("DOES NOT HOLD: {} allows it", safe(&claim.by.join(", "))),
        };
        lines.push(format!("{}: {verdict}", claim.says));
        if let Some(situation) = &claim.counterexample {
            lines.push(format!("  there: {}", terminal::json(situation)));
        }
    }
    for (says, by) in &proof.beside {
        lines.push(format!("{says}: not searched, as {by}"));
    }
    lines.push(match proof.ok {
        true => format!("Every claim holds; digest {}.", proof.digest),
        false => "Put a situation into a file and ask `quell policy explain FILE` who decides there.".to_owned(),
    });
    lines.join("\n")
}

impl Show {
    fn run(self, context: &Context) -> Done {
        let set = loaded(context.local.policy_dir(self.dir)?)?;
        let rows = show(&set);
        context.print(&json!({ "digest": set.digest_text(), "rows": rows }), |_| {
            let part = |forbids: bool, title: &str| {
                let cells = rows.iter().filter(|r| r.forbids == forbids).map(|r| r.cells().iter().map(|c| safe(c)).collect());
                format!("{title}\n{}", table(HEADINGS, cells))
            };
            format!("{}\n\n{}", part(true, "FORBIDDEN"), part(false, "PERMITTED"))
        })?;
        Ok(0)
    }
}

impl Replay {
    async fn run(self, context: &Context) -> Done {
        let files = match context.local.policy_dir(self.dir)? {
            Some(dir) => sources(&dir).map_err(|e| Fault::refused(format!("{e}; run `quell policy check`")))?,
            None => shipped_sources(),
        };
        let seconds = i64::try_from(self.last.as_secs()).unwrap_or(i64::MAX / 2);
        let since = after(SystemClock::new().now(), -seconds);
        let answer = context.client()?.post("policy/replay", &json!({ "files": files, "since": since })).await?;
        context.print(&answer, replayed)?;
        let moved = ["looser", "other"].iter().any(|name| answer[*name].as_u64() > Some(0));
        let unlooked = answer["truncated"] == true || answer["unread"].as_array().is_some_and(|u| !u.is_empty());
        Ok(if self.strict && (moved || unlooked) { REFUSED } else { 0 })
    }
}

fn replayed(answer: &Value) -> String {
    let count = |name: &str| answer[name].as_u64().unwrap_or(0);
    let mut lines = Vec::new();
    let differ = answer["differ"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !differ.is_empty() {
        let rows = differ.iter().map(|d| {
            let by = |name: &str| d[name].as_array().into_iter().flatten().map(cell).collect::<Vec<_>>().join(", ");
            let what = format!("{} {}", cell(&d["action"]), cell(&d["identity"]));
            vec![cell(&d["case"]), cell(&d["step"]), what, cell(&d["shift"]), runs(&d["then"]), runs(&d["would"]), by("would_by")]
        });
        lines.push(table(["case", "step", "what", "it is", "was decided", "would be", "by"], rows));
        lines.push(String::new());
    }
    lines.push(format!(
        "{} steps of {} plans in {} cases since {}: {} the same, {} looser, {} stricter, {} other.",
        count("same") + count("looser") + count("stricter") + count("other"),
        count("plans"),
        count("cases"),
        cell(&answer["since"]),
        count("same"),
        count("looser"),
        count("stricter"),
        count("other")
    ));
    if answer["digest"] == answer["in_force"] {
        lines.push("This is the set in force.".to_owned());
    }
    if answer["cut"] == true {
        lines.push(format!("More differ than the {} that are told.", differ.len()));
    }
    if answer["truncated"] == true {
        lines.push(format!("The newest {} cases were looked at; older ones of that time were not.", count("cases_max")));
    }
    for unread in answer["unread"].as_array().into_iter().flatten() {
        lines.push(format!("{} cannot be asked about: {}", cell(&unread["case"]), cell(&unread["why"])));
    }
    lines.push("It says what would have been asked of people, not how they would have answered.".to_owned());
    lines.join("\n")
}

fn runs(leave: &Value) -> String {
    match leave["runs"].as_str() {
        Some("at_once") => "at once".to_owned(),
        Some("never") => "never".to_owned(),
        _ => {
            let wanted = leave["approvals"].as_object().into_iter().flatten();
            let each: Vec<String> = wanted.map(|(role, n)| format!("{n} {}", safe(&role.replace('_', " ")))).collect();
            format!("after {}", each.join(" and "))
        }
    }
}

impl Explain {
    async fn run(self, context: &Context) -> Done {
        let question = self.question()?;
        let answer = context.client()?.post("policy/explain", &json!({ "question": question })).await?;
        context.print(&answer, explained)?;
        Ok(0)
    }

    fn question(&self) -> Result<Value, Fault> {
        if let Some(file) = &self.file {
            let bytes = alert::read(Some(file))?;
            return serde_json::from_slice(&bytes).map_err(|e| Fault::refused(format!("`{}` is not JSON: {e}", file.display())));
        }
        match &self.verb {
            Some(verb) => {
                let mut question = plain(&example_verb())?;
                question["verb"] = json!(verb);
                self.changed::<VerbQuestion>(question)
            }
            None => {
                let mut question = plain(&example())?;
                if let Some(action) = &self.action {
                    question["action"] = json!(action);
                }
                self.changed::<AttemptQuestion>(question)
            }
        }
    }

    /// The question with every `--set`; a path that is not there would change nothing.
    fn changed<Q: DeserializeOwned + Serialize>(&self, mut question: Value) -> Result<Value, Fault> {
        for set in &self.set {
            let (path, text) = set.split_once('=').ok_or_else(|| Fault::usage(format!("expected PATH=VALUE, found `{set}`")))?;
            let value = serde_json::from_str(text).unwrap_or_else(|_| json!(text));
            let pointer = format!("/{}", path.replace('.', "/"));
            match question.pointer_mut(&pointer) {
                Some(old) => *old = value,
                None => return Err(Fault::usage(format!("a question has no `{path}`; try `identity.kind` or `circumstances.armed`"))),
            }
        }
        let question: Q = serde_json::from_value(question).map_err(|e| Fault::usage(format!("not a question: {e}")))?;
        plain(&question)
    }
}

fn plain<T: Serialize>(value: &T) -> Result<Value, Fault> {
    serde_json::to_value(value).map_err(|e| Fault::usage(e.to_string()))
}

fn explained(answer: &Value) -> String {
    let mut lines = vec![cell(&answer["next"])];
    for (title, list) in [("decided by", &answer["reasons"]), ("then permitted by", &answer["then"])] {
        for reason in list.as_array().into_iter().flatten() {
            lines.push(format!("{title} {}: {}", cell(&reason["id"]), cell(&reason["why"])));
        }
    }
    lines.join("\n")
}
