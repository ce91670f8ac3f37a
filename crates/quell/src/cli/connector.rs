//! `quell connector`: planes, what may be done on them, and their least privilege.

use clap::{Args, Subcommand};
use quell_core::{action::CATALOGUE, time::Timestamp};
use serde_json::{Value, json};

use super::{
    Context, asking,
    fault::{Done, REFUSED},
    moment,
    source::rows,
    terminal::{cell, safe, table},
};
use crate::client::part;

/// Planes that Quell speaks to
#[derive(Subcommand)]
pub enum Connector {
    List(List),
    Check(Check),
    Arm(Arm),
    Disarm(Disarm),
    Bootstrap(Bootstrap),
}

/// List the connectors, what they offer and until when they are armed
///
/// An action was proved by a case here, or by a drill in the lab: on a server of the
/// version that is named, which is not yours.
#[derive(Args)]
#[command(after_help = "Example: quell connector list")]
pub struct List {}

/// Ask every plane whether it answers and whether Quell's privileges fit; exit 1 where one does not
#[derive(Args)]
#[command(after_help = "Example: quell connector check")]
pub struct Check {}

/// Let actions of a plane run until a date; before that Quell only observes it
#[derive(Args)]
#[command(after_help = "Example: quell connector arm pg-main --action suspend_identity --action terminate_sessions --until +8h")]
pub struct Arm {
    /// The connector
    name: String,
    /// An action; may be repeated
    #[arg(long = "action", required = true, value_name = "ACTION", value_parser = actions())]
    actions: Vec<String>,
    /// Until when: a time, or `+` and a duration
    #[arg(long, value_name = "TIME", value_parser = moment::moment)]
    until: Timestamp,
}

/// Only observe a plane from now on
#[derive(Args)]
#[command(after_help = "Example: quell connector disarm pg-main")]
pub struct Disarm {
    /// The connector
    name: String,
}

/// Print the script that makes Quell's least privilege, scope and control identity
///
/// It reads quell.toml and the secrets it names, and asks no server. The script
/// holds no secret (for PostgreSQL verifiers of two, for OpenBao none); pipe it to
/// the plane's own tool and keep no copy.
#[derive(Args)]
#[command(
    after_help = "Example: quell connector bootstrap pg-main --scope billing_app | psql -d billing\n         quell connector bootstrap bao-main --scope approle:ci --scope kv:secret/billing | sh\n         quell connector bootstrap ldap-main --scope ou=people,dc=corp,dc=example | ldapmodify -c -Y EXTERNAL -H ldapi:///"
)]
pub struct Bootstrap {
    /// The connector, as in quell.toml
    name: String,
    /// An identity of the plane that Quell may contain; may be repeated
    #[arg(long = "scope", value_name = "NATIVE_ID")]
    scope: Vec<String>,
}

/// The action ids, for clap.
pub fn actions() -> clap::builder::PossibleValuesParser {
    CATALOGUE.iter().map(|entry| entry.name).collect::<Vec<_>>().into()
}

impl Connector {
    pub fn run(self, context: &Context) -> Done {
        match self {
            Self::Bootstrap(verb) => {
                let sql = context.local.bootstrap(&verb.name, &verb.scope)?;
                // The script goes to a program, and its bytes are its own.
                context.print(&json!({ "connector": verb.name, "script": sql }), |_| sql.trim_end().to_owned())?;
                Ok(0)
            }
            other => asking(other.ask(context)),
        }
    }

    async fn ask(self, context: &Context) -> Done {
        let client = context.client()?;
        match self {
            Self::List(_) => {
                let answer = rows(&client.get("connectors").await?, "connectors")?;
                context.print(&answer, |list| format!("{}\n\n{}", told(list), proven(list)))?;
                Ok(0)
            }
            Self::Check(_) => {
                let answer = rows(&client.get("connectors/check").await?, "connectors")?;
                context.print(&answer, told)?;
                Ok(if answer.as_array().into_iter().flatten().all(is_well) { 0 } else { REFUSED })
            }
            Self::Arm(verb) => {
                let until = verb.until.to_string();
                let body = json!({ "actions": verb.actions, "until": until });
                let answer = client.post(&format!("connectors/{}/arm", part(&verb.name)), &body).await?;
                context.print(&answer, |_| {
                    format!(
                        "`{}` is armed until {until} for {}. `quell connector disarm {0}` ends it.",
                        safe(&verb.name),
                        verb.actions.join(", ")
                    )
                })?;
                Ok(0)
            }
            Self::Disarm(verb) => {
                let answer = client.post(&format!("connectors/{}/disarm", part(&verb.name)), &json!({})).await?;
                context.print(&answer, |_| format!("`{}` only observes now.", safe(&verb.name)))?;
                Ok(0)
            }
            // Answered before anybody was asked.
            Self::Bootstrap(_) => Ok(0),
        }
    }
}

/// It answers, and holds exactly what it needs.
pub fn is_well(row: &Value) -> bool {
    let missing = row.pointer("/privileges/missing").and_then(Value::as_array);
    row["reachable"] == true && row["control_alive"] != false && missing.is_none_or(Vec::is_empty)
}

/// What is wrong with it and what to do, where something is.
pub fn ailing(row: &Value) -> Option<String> {
    let name = cell(&row["name"]);
    if row["reachable"] == false {
        let why = row["why_not"].as_str().map_or_else(String::new, |why| format!(" ({})", safe(why)));
        return Some(format!("`{name}` does not answer{why}; check its url, ca_file and secret_file"));
    }
    if let Some(missing) = row.pointer("/privileges/missing").filter(|m| m.as_array().is_some_and(|m| !m.is_empty())) {
        return Some(format!("`{name}` lacks {}; run the script of `quell connector bootstrap {name}`", cell(missing)));
    }
    (row["control_alive"] == false).then(|| {
        format!("the control identity of `{name}` is not alive, so nothing can be proved; check `[connector.control]` in quell.toml")
    })
}

fn told(list: &Value) -> String {
    let all = list.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut out = table(
        ["connector", "kind", "answers", "armed until", "actions"],
        all.iter().map(|r| {
            let answers = match r["reachable"].as_bool() {
                Some(true) => "yes",
                Some(false) => "NO",
                None => "not asked",
            };
            let actions: Vec<String> = r["actions"].as_array().into_iter().flatten().map(|a| cell(&a["action"])).collect();
            let armed = if r["armed_until"].is_null() { "observes".to_owned() } else { cell(&r["armed_until"]) };
            vec![cell(&r["name"]), cell(&r["kind"]), answers.to_owned(), armed, actions.join(", ")]
        }),
    );
    for line in all.iter().filter_map(ailing) {
        out.push('\n');
        out.push_str(&line);
    }
    out
}

/// Each action and when it was proved last: here, and in the lab.
fn proven(list: &Value) -> String {
    let mut lines = Vec::new();
    for plane in list.as_array().into_iter().flatten() {
        for action in plane["actions"].as_array().into_iter().flatten() {
            let drill = &action["lab_drill"];
            let day = drill["proven_at"].as_str().map(|at| safe(&at.chars().take(10).collect::<String>()));
            let lab =
                day.map_or_else(|| "never".to_owned(), |day| format!("{day}, {}, {}", cell(&drill["server"]), cell(&drill["strength"])));
            let here = if action["last_proven_at"].is_null() { "never".to_owned() } else { cell(&action["last_proven_at"]) };
            lines.push(vec![cell(&plane["name"]), cell(&action["action"]), cell(&action["reversible"]), here, lab]);
        }
    }
    table(["connector", "action", "taken back", "last proven here", "last proven in the lab's drill"], lines)
}
