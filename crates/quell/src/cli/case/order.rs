//! What people order in a case, one request each; the case is printed after it.

use std::path::Path;

use clap::Args;
use quell_core::time::Timestamp;
use serde_json::{Value, json};

use super::{path, print, show};
use crate::cli::{
    Context, access, alert,
    fault::{Done, Fault},
    moment,
    terminal::cell,
};

/// Open a case by hand, about an identity of a plane
#[derive(Args)]
#[command(after_help = "Example: quell case open pg-main/billing_app --kind leaked_secret --text 'found in a public gist'")]
pub struct Open {
    /// SYSTEM/NATIVE_ID
    subject: String,
    /// What happened
    #[arg(long, default_value = "leaked_secret", value_parser = KINDS)]
    kind: String,
    /// In your words
    #[arg(long)]
    text: String,
}

const KINDS: [&str; 13] = [
    "leaked_secret",
    "anomalous_use",
    "risky_sign_in",
    "credential_change",
    "privilege_change",
    "account_change",
    "delegation_change",
    "session_event",
    "agent_action",
    "policy_violation",
    "posture",
    "containment",
    "other",
];

/// Draft the plan anew from what is known now, or leave targets out of one
#[derive(Args)]
#[command(after_help = "Example: quell case plan C-8f3kq2m7xw")]
pub struct Plan {
    /// The case
    case: String,
    /// With --exclude: the plan that is narrowed
    #[arg(long, requires = "exclude")]
    digest: Option<String>,
    /// A target that the plan must not touch, by its id or reference; may be repeated
    #[arg(long, requires = "digest", value_name = "TARGET")]
    exclude: Vec<String>,
}

/// Say yes to exactly one plan, by its digest, as a signed-in person
#[derive(Args)]
#[command(after_help = "Example: quell case approve C-8f3kq2m7xw --digest 4be1.. --as business_owner")]
pub struct Approve {
    /// The case
    case: String,
    /// The plan's digest, as `quell case show` prints it
    #[arg(long)]
    digest: String,
    /// In which of your roles
    #[arg(long = "as", value_name = "ROLE", value_parser = access::roles())]
    role: Option<String>,
    /// For the record
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
}

/// Say no to one plan, which ends it
#[derive(Args)]
#[command(after_help = "Example: quell case deny C-8f3kq2m7xw --digest 4be1.. --reason 'month-end run until 06:00'")]
pub struct Deny {
    /// The case
    case: String,
    /// The plan's digest
    #[arg(long)]
    digest: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Give your function's answer: entitled (IAM), malicious (SecOps), expected (business)
#[derive(Args)]
#[command(after_help = "Example: quell case verdict C-8f3kq2m7xw malicious --as secops --evidence 'login from a hosting provider'")]
pub struct Verdict {
    /// The case
    case: String,
    /// The answer
    #[arg(value_parser = ["entitled", "not_entitled", "malicious", "not_malicious", "expected", "not_expected", "do_not_know"])]
    verdict: String,
    /// In which of your roles
    #[arg(long = "as", visible_alias = "role", value_name = "ROLE", value_parser = access::roles())]
    role: String,
    /// What it rests on
    #[arg(long, value_name = "TEXT")]
    evidence: Option<String>,
}

/// Add a note to a case
#[derive(Args)]
#[command(after_help = "Example: quell case note C-8f3kq2m7xw 'called the vendor at 02:40'")]
pub struct Note {
    /// The case
    case: String,
    /// The note; `-` reads stdin
    text: String,
}

/// List what people do by hand, give them something to do, or say that it is done
///
/// What a person says is done counts as UNKNOWN (attested) until a probe says
/// more. A step by hand wants to know what was seen.
#[derive(Args)]
#[command(
    after_help = "Example: quell case task C-8f3kq2m7xw 2 --done --saw 'login refused from the office' --file okta.json\n         quell case task C-8f3kq2m7xw 'rotate the copy in the vendor portal' --owner vendor_contact"
)]
pub struct Task {
    /// The case
    case: String,
    /// What is to be done; with --done the task, by its id or the number of its step. Without it the tasks are listed
    #[arg(value_name = "TEXT|TASK|STEP", required_if_eq("done", "true"))]
    text: Option<String>,
    /// Whose it is
    #[arg(long, value_name = "ROLE", requires = "text", value_parser = access::roles())]
    owner: Option<String>,
    /// This task is done
    #[arg(long, conflicts_with = "owner")]
    done: bool,
    /// What you did or saw yourself
    #[arg(long, visible_alias = "saw", value_name = "TEXT", requires = "done")]
    attested: Option<String>,
    /// When you saw it: a time
    #[arg(long, value_name = "TIME", requires = "done", value_parser = moment::moment)]
    at: Option<Timestamp>,
    /// A file that shows it: its SHA-256 is recorded, and the file stays here
    #[arg(long, value_name = "FILE", requires = "done")]
    file: Option<std::path::PathBuf>,
}

/// Take the lead of a case
#[derive(Args)]
#[command(after_help = "Example: quell case lead C-8f3kq2m7xw")]
pub struct Lead {
    /// The case
    case: String,
}

/// Accept that one target stays usable until a time; it is probed on and counts as open
#[derive(Args)]
#[command(after_help = "Example: quell case accept C-8f3kq2m7xw --target t-19.. --until +24h --reason 'vendor rotates tomorrow'")]
pub struct Accept {
    /// The case
    case: String,
    /// The target's id or reference
    #[arg(long)]
    target: String,
    /// Until when: a time, or `+` and a duration
    #[arg(long, value_name = "TIME", value_parser = moment::moment)]
    until: Timestamp,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Close a case; it closes only when every subject is proved or every finding has an outcome
#[derive(Args)]
#[command(after_help = "Example: quell case close C-8f3kq2m7xw --outcome expected --evidence 'red team exercise 114'")]
pub struct Close {
    /// The case
    case: String,
    /// For the record
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// End findings with this outcome first
    #[arg(long, value_parser = ["contained", "privilege_reduced", "retired", "expected", "false_positive", "duplicate", "re_use", "accepted_risk"])]
    outcome: Option<String>,
    /// Only this finding; every one without an outcome where none is given
    #[arg(long, requires = "outcome")]
    finding: Option<String>,
    /// The end of an accepted risk: a time, or `+` and a duration
    #[arg(long, value_name = "TIME", requires = "outcome", value_parser = moment::moment)]
    until: Option<Timestamp>,
    /// What the outcome rests on
    #[arg(long, value_name = "TEXT", requires = "outcome")]
    evidence: Option<String>,
}

/// Make a case part of another one: the same incident came in twice
///
/// Nobody's approval carries over: what the case needs is planned and asked for
/// in the other one. Not while a plan of it is executing, and not once it is closed.
#[derive(Args)]
#[command(after_help = "Example: quell case merge C-8f3kq2m7xw --into C-2b9wd4t6zr --reason 'the same leaked key'")]
pub struct Merge {
    /// The case that becomes part of the other one
    case: String,
    /// The case that goes on with both
    #[arg(long, value_name = "CASE")]
    into: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Take a merged case out again, with its findings as they are now
#[derive(Args)]
#[command(after_help = "Example: quell case unmerge C-8f3kq2m7xw --reason 'two keys, two people'")]
pub struct Unmerge {
    /// The case that was merged
    case: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

async fn order(context: &Context, at: &str, body: Value) -> Done {
    let case = context.client()?.post(at, &body).await?;
    print(context, &case)?;
    Ok(0)
}

impl Open {
    pub async fn run(self, context: &Context) -> Done {
        order(context, "cases", json!({ "subject": self.subject, "kind": self.kind, "text": self.text })).await
    }
}

impl Plan {
    pub async fn run(self, context: &Context) -> Done {
        match self.digest {
            None => order(context, &path(&self.case, "/plan"), json!({})).await,
            Some(digest) => order(context, &path(&self.case, "/exclude"), json!({ "digest": digest, "targets": self.exclude })).await,
        }
    }
}

impl Approve {
    pub async fn run(self, context: &Context) -> Done {
        order(context, &path(&self.case, "/approve"), json!({ "digest": self.digest, "as": self.role, "comment": self.comment })).await
    }
}

impl Deny {
    pub async fn run(self, context: &Context) -> Done {
        order(context, &path(&self.case, "/deny"), json!({ "digest": self.digest, "reason": self.reason })).await
    }
}

impl Verdict {
    pub async fn run(self, context: &Context) -> Done {
        order(context, &path(&self.case, "/verdict"), json!({ "role": self.role, "verdict": self.verdict, "evidence": self.evidence }))
            .await
    }
}

impl Note {
    pub async fn run(self, context: &Context) -> Done {
        let text = match self.text.as_str() {
            "-" => {
                let bytes = alert::read(Some(Path::new("-")))?;
                String::from_utf8(bytes.to_vec()).map_err(|_| Fault::refused("the note on stdin is not UTF-8"))?
            }
            text => text.to_owned(),
        };
        order(context, &path(&self.case, "/note"), json!({ "text": text.trim() })).await
    }
}

impl Task {
    pub async fn run(self, context: &Context) -> Done {
        let Some(text) = &self.text else { return self.list(context).await };
        if self.done {
            let task = self.task_of(context, text).await?;
            let rest = format!("/task/{}/done", crate::client::part(&task));
            let file = self.file.as_deref().map(digest).transpose()?;
            let body = json!({ "attested": self.attested, "seen_at": self.at.map(|at| at.to_string()), "file": file });
            return order(context, &path(&self.case, &rest), body).await;
        }
        let Some(owner) = &self.owner else {
            return Err(Fault::usage("whose task is it? `--owner ROLE` says so, or `--done` that it is done"));
        };
        order(context, &path(&self.case, "/task"), json!({ "owner": owner, "text": text })).await
    }

    /// What people do by hand, and what each step wants to see.
    async fn list(&self, context: &Context) -> Done {
        let case = context.client()?.get(&path(&self.case, "")).await?;
        context.print(&case["tasks"], show::tasks)?;
        Ok(0)
    }

    /// The open task of a step's number; or the id itself.
    async fn task_of(&self, context: &Context, text: &str) -> Result<String, Fault> {
        let Ok(n) = text.parse::<u16>() else { return Ok(text.to_owned()) };
        let case = context.client()?.get(&path(&self.case, "")).await?;
        let open = |t: &&Value| t["step"] == n && !t["wants"].is_null() && t["ended_at"].is_null();
        let tasks: Vec<&Value> = case["tasks"].as_array().into_iter().flatten().filter(open).collect();
        match tasks.as_slice() {
            [task] => Ok(cell(&task["id"])),
            [] => Err(Fault::refused(format!("no step {n} by hand is open in case `{0}`; `quell case task {0}` lists them", self.case))),
            _ => Err(Fault::refused(format!(
                "several plans have an open step {n} by hand; name the task, as `quell case task {}` lists it",
                self.case
            ))),
        }
    }
}

/// The SHA-256 of a file, in hex.
fn digest(file: &Path) -> Result<String, Fault> {
    Ok(quell_core::secret::sha256(&alert::read(Some(file))?))
}

impl Lead {
    pub async fn run(self, context: &Context) -> Done {
        order(context, &path(&self.case, "/lead"), json!({})).await
    }
}

impl Accept {
    pub async fn run(self, context: &Context) -> Done {
        let body = json!({ "target": self.target, "until": self.until.to_string(), "reason": self.reason });
        order(context, &path(&self.case, "/accept"), body).await
    }
}

impl Merge {
    pub async fn run(self, context: &Context) -> Done {
        order(context, &path(&self.case, "/merge"), json!({ "into": self.into, "reason": self.reason })).await
    }
}

impl Unmerge {
    pub async fn run(self, context: &Context) -> Done {
        order(context, &path(&self.case, "/unmerge"), json!({ "reason": self.reason })).await
    }
}

impl Close {
    pub async fn run(self, context: &Context) -> Done {
        let client = context.client()?;
        if let Some(outcome) = &self.outcome {
            let case = client.get(&path(&self.case, "")).await?;
            let open = case["findings"].as_array().into_iter().flatten().filter(|f| match &self.finding {
                Some(wanted) => f["id"] == **wanted,
                None => f["outcome"].is_null(),
            });
            let ids: Vec<String> = open.map(|f| cell(&f["id"])).collect();
            if let (Some(wanted), true) = (&self.finding, ids.is_empty()) {
                return Err(Fault::refused(format!("case `{0}` has no finding `{wanted}`; `quell case show {0}` lists them", self.case)));
            }
            for id in ids {
                let until = self.until.map(|u| u.to_string());
                let body = json!({ "finding": id, "outcome": outcome, "until": until, "evidence": self.evidence });
                client.post(&path(&self.case, "/outcome"), &body).await?;
            }
        }
        order(context, &path(&self.case, "/close"), json!({ "note": self.note })).await
    }
}
