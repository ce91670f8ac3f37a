//! Durable appends of events with their projections, through Quell's store,
//! beside a bare file and a plain SQLite that hold the same.
//!
//! A batch is what one `fdatasync` makes durable: the raw side writes the leaves
//! of a batch and syncs, the plain side inserts them with their projection rows
//! in one transaction, Quell's side is one append. Plain means: no expected
//! versions, no tree, no check of hashes. Events are encoded before the
//! stopwatch runs on every side.

use std::{fs::File, io::Write, path::Path};

use anyhow::{Context, Result};
use quell_core::{
    event::{self, AlertReceived, By, Recorded},
    id::{AlertId, SourceId, StreamId},
    time::Timestamp,
};
use quell_engine::{
    lookup,
    port::{Append, Leaf, Store},
};
use quell_store::{OpenMode, SqliteStore};
use rusqlite::{Connection, TransactionBehavior, params};

use super::{
    measure::{Stopwatch, load, median},
    report::{Better, Pair, Row},
};

/// Rounds of raw, plain, store, plain, raw.
const ROUNDS: usize = 5;
/// Callers at once in the row that only informs.
const CALLERS: usize = 16;

/// Leaves in a batch, batches in a round, and the parts of raw and of plain that are the goals.
const SIZES: [(usize, usize, Option<f64>, Option<f64>); 3] =
    [(1, 400, Some(0.60), None), (16, 200, Some(0.35), Some(0.70)), (256, 30, None, Some(0.70))];

const PLAIN: &str = "
    PRAGMA journal_mode=WAL;
    PRAGMA synchronous=FULL;
    CREATE TABLE stream (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE leaf (idx INTEGER PRIMARY KEY, stream INTEGER NOT NULL, version INTEGER NOT NULL, hash BLOB NOT NULL, bytes BLOB NOT NULL, UNIQUE (stream, version));
    CREATE TABLE lookup (name TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (name, key)) WITHOUT ROWID;
";

/// Measures all rows under `dir`, which lies on the disk that is meant.
///
/// # Errors
///
/// When one of the three cannot write.
pub async fn run(dir: &Path) -> Result<Vec<Row>> {
    let mut sides = Sides::open(dir)?;
    let mut rows = Vec::new();
    // Files grow and caches fill in the first second of each.
    sides.round(16, 20).await?;
    for (leaves, batches, of_raw, of_plain) in SIZES {
        let load_before = load();
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(sides.round(leaves, batches).await?);
        }
        let load = (load_before, load());
        let pair = |before: fn(&Round) -> f64, after: fn(&Round) -> f64| Pair {
            value: median(&rounds.iter().map(|r| r.store).collect::<Vec<_>>()),
            samples: rounds.len() * batches,
            before: rounds.iter().map(before).collect(),
            after: rounds.iter().map(after).collect(),
            load,
        };
        let raw = pair(|r| r.raw.0, |r| r.raw.1);
        let plain = pair(|r| r.plain.0, |r| r.plain.1);
        let name = format!("ledger.append.{leaves}");
        rows.push(Row::of(&name, "leaves/s", "append + fdatasync", of_raw, Better::Higher, &raw));
        rows.push(Row::of(&name, "leaves/s", "plain SQLite, same rows", of_plain, Better::Higher, &plain));
    }
    rows.push(sides.callers().await?);
    Ok(rows)
}

/// Leaves a second of each side in one round, the yardsticks before and after.
struct Round {
    raw: (f64, f64),
    plain: (f64, f64),
    store: f64,
}

struct Sides {
    raw: File,
    plain: Connection,
    plain_next: i64,
    store: SqliteStore,
    next: u64,
}

impl Sides {
    fn open(dir: &Path) -> Result<Self> {
        let raw = File::create(dir.join("raw.log")).context("make the bare file")?;
        let plain = Connection::open(dir.join("plain.db")).context("open the plain SQLite")?;
        plain.execute_batch(PLAIN)?;
        let store = SqliteStore::open(&dir.join("store"), OpenMode::Create).context("open the store")?;
        Ok(Self { raw, plain, plain_next: 0, store, next: 0 })
    }

    async fn round(&mut self, leaves: usize, batches: usize) -> Result<Round> {
        // Prepared apart: the same bytes for whoever goes first or last.
        let raw_before = self.batches(leaves, batches)?;
        let plain_before = self.batches(leaves, batches)?;
        let own = self.batches(leaves, batches)?;
        let plain_after = self.batches(leaves, batches)?;
        let raw_after = self.batches(leaves, batches)?;
        let rate = |watch: Stopwatch| (leaves * batches) as f64 / watch.elapsed().as_secs_f64();

        let watch = Stopwatch::start();
        self.append_raw(&raw_before)?;
        let raw = rate(watch);
        let watch = Stopwatch::start();
        self.append_plain(&plain_before)?;
        let plain = rate(watch);
        let watch = Stopwatch::start();
        for append in own {
            self.store.append(append).await?;
        }
        let store = rate(watch);
        let watch = Stopwatch::start();
        self.append_plain(&plain_after)?;
        let plain = (plain, rate(watch));
        let watch = Stopwatch::start();
        self.append_raw(&raw_after)?;
        Ok(Round { raw: (raw, rate(watch)), plain, store })
    }

    fn append_raw(&mut self, batches: &[Append]) -> Result<()> {
        let mut buffer = Vec::new();
        for batch in batches {
            buffer.clear();
            for leaf in &batch.leaves {
                buffer.extend_from_slice(&leaf.bytes);
            }
            self.raw.write_all(&buffer)?;
            self.raw.sync_data()?;
        }
        Ok(())
    }

    fn append_plain(&mut self, batches: &[Append]) -> Result<()> {
        for batch in batches {
            let transaction = self.plain.transaction_with_behavior(TransactionBehavior::Immediate)?;
            {
                let mut stream = transaction.prepare_cached("INSERT INTO stream (id, name) VALUES (?1, ?2)")?;
                let mut leaf =
                    transaction.prepare_cached("INSERT INTO leaf (idx, stream, version, hash, bytes) VALUES (?1, ?1, ?2, ?3, ?4)")?;
                let mut row = transaction.prepare_cached("INSERT INTO lookup (name, key, value) VALUES (?1, ?2, ?3)")?;
                for one in &batch.leaves {
                    self.plain_next += 1;
                    stream.execute(params![self.plain_next, one.stream.as_str()])?;
                    leaf.execute(params![self.plain_next, i64::try_from(one.version)?, &one.hash[..], one.bytes])?;
                }
                for one in &batch.lookups {
                    row.execute(params![one.table, one.key, one.value.as_ref().map(ToString::to_string)])?;
                }
            }
            transaction.commit()?;
        }
        Ok(())
    }

    /// Sixteen callers who each append one event and wait for it; the writer
    /// gathers what it finds waiting.
    async fn callers(&mut self) -> Result<Row> {
        let each = 200;
        let load_before = load();
        let mut raw = (Vec::new(), Vec::new());
        let mut rates = Vec::new();
        for _ in 0..ROUNDS {
            raw.0.push(self.raw_rate(CALLERS, each)?);
            let mut queues = Vec::new();
            for _ in 0..CALLERS {
                queues.push(self.batches(1, each)?);
            }
            let watch = Stopwatch::start();
            let store = &self.store;
            futures::future::try_join_all(queues.into_iter().map(|queue| async move {
                for append in queue {
                    store.append(append).await?;
                }
                anyhow::Ok(())
            }))
            .await?;
            rates.push((CALLERS * each) as f64 / watch.elapsed().as_secs_f64());
            raw.1.push(self.raw_rate(CALLERS, each)?);
        }
        let pair =
            Pair { value: median(&rates), samples: ROUNDS * CALLERS * each, before: raw.0, after: raw.1, load: (load_before, load()) };
        Ok(Row::of("ledger.callers.16", "leaves/s", "append + fdatasync, batch 16", None, Better::Higher, &pair))
    }

    fn raw_rate(&mut self, leaves: usize, batches: usize) -> Result<f64> {
        let prepared = self.batches(leaves, batches)?;
        let watch = Stopwatch::start();
        self.append_raw(&prepared)?;
        Ok((leaves * batches) as f64 / watch.elapsed().as_secs_f64())
    }

    fn batches(&mut self, leaves: usize, batches: usize) -> Result<Vec<Append>> {
        (0..batches).map(|_| self.batch(leaves)).collect()
    }

    /// Received alerts, each on a stream of its own: what intake appends.
    fn batch(&mut self, leaves: usize) -> Result<Append> {
        let mut append = Append { urgent: true, ..Append::default() };
        for _ in 0..leaves {
            self.next += 1;
            let mut chance = [0_u8; 10];
            chance[..8].copy_from_slice(&self.next.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
            let alert = AlertId::from_chance(chance);
            let source = SourceId::from_chance([7; 10]);
            let stream = StreamId::alert(&alert);
            let received = AlertReceived {
                alert: alert.clone(),
                source: source.clone(),
                detector: "gitleaks".to_owned(),
                bytes: 1_949,
                sealed: quell_core::secret::sha256(&self.next.to_le_bytes()),
            };
            let at = Timestamp::UNIX_EPOCH;
            let cause = Some(alert.to_string());
            let recorded =
                Recorded { stream: stream.clone(), version: 1, prev: None, at, by: By::Source(source), cause, event: received.into() };
            let (bytes, _) = event::encode(&recorded)?;
            let hash = quell_ledger::leaf::hash(&bytes).0;
            append.lookups.extend(lookup::changes(&recorded));
            append.expects.push((stream.clone(), 0));
            append.leaves.push(Leaf { stream, version: 1, bytes, hash });
        }
        Ok(append)
    }
}
