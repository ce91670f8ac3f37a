//! `make drill`: every action of every lab plane is done, proved and undone on the real
//! server, and what was proved is written down.
//!
//! The set of actions comes from the manifests, so one without a course fails the
//! drill, which names it. The connectors are driven directly, with clearances that
//! only the core makes: a plan chooses few of the actions by itself, and none of the
//! ways back without a case around it. What the plans make of them is shown by the demo.
//!
//! | file | what |
//! | --- | --- |
//! | `attempt` | one attempt with its clearance, one question |
//! | `course` | what every action goes through, and what must be so after it |
//! | `postgres` `openbao` `openldap` `openssh` `oidc` `aws` | a real server, and what an action is tried on |
//! | `matrix` | what was proved, as a file and as a page |

pub mod attempt;
pub mod aws;
mod course;
mod matrix;
mod oidc;
mod openbao;
mod openldap;
mod openssh;
mod postgres;

use std::path::PathBuf;

use anyhow::{Context, Result};
use quell_core::{
    coverage::{Row, gaps},
    manifest::Manifest,
    proof::Strength,
};

use self::course::Ground;
pub use self::course::Sabotage;

/// What a drill does.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the rows go; nothing is written where anything was not proved.
    pub coverage: PathBuf,
    /// Where the page goes.
    pub page: PathBuf,
    /// One kind of plane alone; nothing is written then.
    pub only: Option<String>,
    /// What the lab does behind Quell's back on PostgreSQL, which must be found.
    pub sabotage: Option<Sabotage>,
}

/// Runs the drill; true when every action was proved.
///
/// # Errors
///
/// When a server does not start, or a file cannot be written.
pub async fn run(options: &Options) -> Result<bool> {
    let mut drill = Drill::default();
    for kind in ["postgresql", "openbao", "openldap", "openssh", "oidc", "aws"] {
        if options.only.as_deref().is_none_or(|only| only == kind) {
            let ground = ground(kind).await.with_context(|| format!("start {kind}"))?;
            println!("{kind} ({})", ground.version());
            drill.all(&*ground, options.sabotage).await;
        }
    }
    let manifests: Vec<&Manifest> = drill.manifests.iter().collect();
    drill.failures.extend(gaps(&manifests, &drill.rows).iter().map(ToString::to_string));
    for failure in &drill.failures {
        println!("NOT PROVED  {failure}");
    }
    if !drill.failures.is_empty() {
        return Ok(false);
    }
    let stand = drill.rows.iter().filter(|row| row.proved == Strength::Recorded).count();
    println!("{} courses proved, and {stand} that stand as residuals", drill.rows.len() - stand);
    if options.only.is_none() && options.sabotage.is_none() {
        matrix::write(&options.coverage, &matrix::file(&drill.rows)?)?;
        matrix::write(&options.page, &matrix::page(&drill.rows))?;
        println!("wrote {} and {}", options.coverage.display(), options.page.display());
    }
    Ok(true)
}

async fn ground(kind: &str) -> Result<Box<dyn Ground>> {
    Ok(match kind {
        "postgresql" => Box::new(postgres::Roles::start().await?),
        "openbao" => Box::new(openbao::Vault::start().await?),
        "openldap" => Box::new(openldap::Directory::start().await?),
        "openssh" => Box::new(openssh::Host::start().await?),
        "aws" => Box::new(aws::Users::start().await?),
        _ => Box::new(oidc::Logins::start().await?),
    })
}

#[derive(Default)]
struct Drill {
    manifests: Vec<Manifest>,
    rows: Vec<Row>,
    failures: Vec<String>,
}

impl Drill {
    /// Every action of one plane. One that fails keeps no other from being tried.
    async fn all(&mut self, ground: &dyn Ground, sabotage: Option<Sabotage>) {
        let manifest = ground.connector().manifest();
        for declared in &manifest.actions {
            for what in ground.subjects(declared.action) {
                let run = async {
                    let subject = ground.subject(declared.action, what).await.context("make a subject")?;
                    course::run(ground, declared, subject, sabotage).await
                };
                match run.await {
                    Ok(row) => {
                        let (proved, back) = (matrix::strength(row.proved), matrix::back(row.undone));
                        println!("  {:<20} {what:<14} {proved}, {back}", declared.action.name());
                        self.rows.push(row);
                    }
                    Err(error) => self.failures.push(format!("{} {} on {what}: {error:#}", manifest.kind, declared.action.name())),
                }
            }
        }
        self.manifests.push(manifest.clone());
    }
}
