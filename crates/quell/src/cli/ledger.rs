//! `quell ledger`: is the record whole, is it signed, do its tables say what it says.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Args, Subcommand};
use quell_core::{event::Recorded, id::StreamId};
use quell_engine::{
    lookup,
    port::{LookupChange, Store},
    streams::{Folded, decode_all},
};
use quell_ledger::Hash;
use quell_store::{OpenMode, SqliteStore};
use serde_json::{Value, json};

use super::{
    Context, asking,
    fault::{Done, Fault, REFUSED},
    terminal::{cell, progress},
};
use crate::config::Overrides;

/// The append-only record
#[derive(Subcommand)]
pub enum Ledger {
    Verify(Verify),
    Replay(Replay),
    Checkpoint(Checkpoint),
    Erase(super::erase::Erase),
}

/// Recompute every hash, version and root
///
/// Asks the server; with --data-dir it reads a stopped server's files.
#[derive(Args)]
#[command(after_help = "Example: quell ledger verify")]
pub struct Verify {
    /// Read this data directory instead of asking a server
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Fold every event again, rebuild the tables from them and compare, while no server runs
///
/// Exit 1 where the tables differed; they are rebuilt then.
#[derive(Args)]
#[command(after_help = "Example: quell ledger replay --data-dir /var/lib/quell")]
pub struct Replay {
    /// The data directory
    #[arg(long, value_name = "DIR", env = "QUELL_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

/// Sign the log's size and root now
#[derive(Args)]
#[command(after_help = "Example: quell ledger checkpoint")]
pub struct Checkpoint {}

/// Leaves that are read at once.
const BATCH: u32 = 1_000;

impl Ledger {
    pub fn run(self, context: &Context) -> Done {
        asking(async {
            let answer = match self {
                Self::Erase(verb) => return verb.run(context).await,
                Self::Verify(Verify { data_dir: None }) => context.client()?.get("ledger/verify").await?,
                Self::Verify(Verify { data_dir: Some(dir) }) => verify(&open(dir)?).await?,
                Self::Checkpoint(_) => context.client()?.post("ledger/checkpoint", &json!({})).await?,
                Self::Replay(verb) => {
                    let config = context.local.load(Overrides { data_dir: verb.data_dir, ..Overrides::default() })?;
                    replay(&open(config.data_dir)?).await?
                }
            };
            context.print(&answer, told)?;
            Ok(if answer["ok"] == true { 0 } else { REFUSED })
        })
    }
}

fn told(answer: &Value) -> String {
    let mut line = format!("{} leaves, root {}", cell(&answer["size"]), cell(&answer["root"]));
    if answer["ok"] == true {
        line.push_str(": whole.");
    } else {
        line.push_str(&format!(": NOT as it must be.\n{}", cell(&answer["error"])));
    }
    line
}

fn open(dir: PathBuf) -> Result<SqliteStore, Fault> {
    SqliteStore::open(&dir, OpenMode::Existing).map_err(|e| Fault::refused(e.to_string()))
}

async fn verify(store: &SqliteStore) -> Result<Value, Fault> {
    match store.verify().await {
        Ok(whole) => Ok(json!({ "ok": true, "size": whole.size, "root": Hash(whole.root).base64() })),
        Err(error) => broken(store, &error.to_string()).await,
    }
}

async fn broken(store: &SqliteStore, why: &str) -> Result<Value, Fault> {
    // What it says of itself, which is all there is to say.
    let said = store.root(None).await.ok();
    Ok(json!({ "ok": false, "size": said.map(|(size, _)| size), "root": said.map(|(_, root)| Hash(root).base64()), "error": why }))
}

/// Reads every event in order, folds every stream, and holds the projections
/// against what the events make of them.
async fn replay(store: &SqliteStore) -> Result<Value, Fault> {
    if let Err(error) = store.verify().await {
        return broken(store, &error.to_string()).await;
    }
    let failed = |e: &dyn std::fmt::Display| Fault::outside(format!("cannot read the ledger: {e}"));
    let size = store.size().await.map_err(|e| failed(&e))?;
    let mut folds: BTreeMap<StreamId, Folded> = BTreeMap::new();
    let mut rows: BTreeMap<(&'static str, String), Value> = BTreeMap::new();
    let mut next = 0;
    while next < size {
        let stored = store.leaves(next, BATCH).await.map_err(|e| failed(&e))?;
        let Some(last) = stored.last() else { return broken(store, &format!("leaf {next} is missing")).await };
        next = last.index + 1;
        let events = match decode_all(store, &stored).await {
            Ok(events) => events,
            Err(error) => return broken(store, &error.to_string()).await,
        };
        for recorded in events {
            project(&mut rows, &recorded);
            let before = folds.remove(&recorded.stream);
            match Folded::after(before, &recorded) {
                Ok(after) => folds.insert(recorded.stream.clone(), after),
                Err(why) => return broken(store, &why).await,
            };
        }
        if next % 100_000 < u64::from(BATCH) {
            progress(&format!("{next} of {size} events"));
        }
    }
    let streams = folds.len();
    let wanted = rows.into_iter().map(|((table, key), value)| LookupChange { table, key, value: Some(value) }).collect();
    let equal = store.rebuild(wanted).await.map_err(|e| failed(&e))?;
    let (size, root) = store.root(None).await.map_err(|e| failed(&e))?;
    let mut answer = json!({ "ok": equal, "size": size, "root": Hash(root).base64(), "streams": streams });
    if !equal {
        answer["error"] = json!("the tables were not what the events make of them; they were rebuilt");
    }
    Ok(answer)
}

fn project(rows: &mut BTreeMap<(&'static str, String), Value>, recorded: &Recorded) {
    for LookupChange { table, key, value } in lookup::changes(recorded) {
        match value {
            Some(value) => rows.insert((table, key), value),
            None => rows.remove(&(table, key)),
        };
    }
}
