//! What one transaction does: check every expectation, then write.
//!
//! An [`Append`] is checked against the streams as the appends before it in the
//! same batch leave them, and writes nothing when it is stale, so a stale
//! neighbour disturbs nobody. Only a fault of the database ends the whole batch,
//! and then nothing of it is visible.

use std::collections::BTreeMap;

use quell_core::id::StreamId;
use quell_engine::port::{Append, Appended, JobChange, StoreError};
use quell_ledger::{
    Hash, leaf,
    tree::{Frontier, Node},
};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{int, unavailable};

/// Streams remembered between batches; a stream beyond them is looked up again.
const STREAMS_REMEMBERED_MAX: usize = 65_536;

/// A stream as the writer knows it; `id` is 0 while it has no row.
#[derive(Clone, Copy, Debug)]
struct Known {
    id: i64,
    version: u64,
}

/// What the writer knows of the database without asking it. Loaded at open and
/// after every failed commit, because only the database knows what a failed
/// commit left.
#[derive(Debug)]
pub(super) struct Heads {
    pub(super) frontier: Frontier,
    streams: BTreeMap<StreamId, Known>,
    next_id: i64,
}

impl Heads {
    /// Reads the right edge of the tree; streams are read when first asked for.
    pub(super) fn load(conn: &Connection) -> Result<Heads, StoreError> {
        let frontier = stored_edge(conn)?;
        let leaves: u64 = conn.query_row("SELECT coalesce(max(idx) + 1, 0) FROM leaf", [], |row| row.get(0)).map_err(unavailable)?;
        if leaves != frontier.size() {
            return Err(StoreError::Damaged(format!("it holds {leaves} leaves, its tree has {}", frontier.size())));
        }
        let next_id = conn.query_row("SELECT coalesce(max(id) + 1, 1) FROM stream", [], |row| row.get(0)).map_err(unavailable)?;
        Ok(Heads { frontier, streams: BTreeMap::new(), next_id })
    }
}

fn stored_edge(conn: &Connection) -> Result<Frontier, StoreError> {
    let bytes: Vec<u8> = conn.query_row("SELECT frontier FROM log WHERE one = 1", [], |row| row.get(0)).map_err(unavailable)?;
    Frontier::decode(&bytes).map_err(|bad| StoreError::Damaged(bad.to_string()))
}

/// Holds the stored right edge against a tree that was built again.
pub(super) fn check_edge(conn: &Connection, built: &Frontier) -> Result<(), StoreError> {
    let stored = stored_edge(conn)?;
    if stored == *built {
        return Ok(());
    }
    Err(StoreError::Damaged(format!("the leaves make a tree of {}, another one of {} is stored", built.size(), stored.size())))
}

/// Checks what can be known without the database: the contract of one append.
pub(super) fn check(append: &Append) -> Result<(), StoreError> {
    let refused = |why: String| Err(StoreError::Refused(why));

    let mut versions = BTreeMap::new();
    for (stream, expected) in &append.expects {
        if versions.insert(stream, *expected).is_some() {
            return refused(format!("stream `{stream}` is expected twice"));
        }
    }
    for leaf in &append.leaves {
        let Some(version) = versions.get_mut(&leaf.stream) else {
            return refused(format!("stream `{}` has a leaf and no expected version", leaf.stream));
        };
        *version = version.saturating_add(1);
        if leaf.version != *version {
            return refused(format!("stream `{}` goes on with version {version}, the leaf has {}", leaf.stream, leaf.version));
        }
        if leaf.bytes.len() > leaf::MAX_BYTES {
            return refused(format!(
                "a leaf of stream `{}` has {} bytes, at most {} fit; put the rest into a blob",
                leaf.stream,
                leaf.bytes.len(),
                leaf::MAX_BYTES
            ));
        }
        if leaf::hash(&leaf.bytes).0 != leaf.hash {
            return refused(format!("the hash of version {version} of stream `{}` is not that of its bytes", leaf.stream));
        }
    }
    for blob in &append.blobs {
        if Hash::of(&blob.bytes).hex() != blob.id {
            return refused(format!("blob `{}` is not named by the SHA-256 of its bytes", blob.id));
        }
    }
    Ok(())
}

/// Commits a batch and answers one result for each append, in order. `heads`
/// moves on only when the commit succeeded.
pub(super) fn commit(conn: &Connection, heads: &mut Heads, batch: &[&Append]) -> rusqlite::Result<Vec<Result<Appended, StoreError>>> {
    let transaction = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let mut writing = Writing::prepare(&transaction, heads)?;
    let mut answers = Vec::with_capacity(batch.len());
    for append in batch {
        answers.push(match writing.stale(append)? {
            Some(stale) => Err(stale),
            None => Ok(writing.write(append)?),
        });
    }
    let done = writing.finish()?;
    // A crash before this line leaves nothing of the batch, after it all of it.
    transaction.commit()?;
    heads.advance(done);
    Ok(answers)
}

/// What a committed batch changed of [`Heads`].
struct Done {
    frontier: Frontier,
    touched: BTreeMap<StreamId, Known>,
    next_id: i64,
}

impl Heads {
    fn advance(&mut self, done: Done) {
        self.frontier = done.frontier;
        self.next_id = done.next_id;
        if self.streams.len() + done.touched.len() > STREAMS_REMEMBERED_MAX {
            self.streams.clear();
        }
        self.streams.extend(done.touched);
    }
}

/// A batch on its way. What it changed is kept apart from [`Heads`] until the
/// commit.
struct Writing<'t, 'h> {
    conn: &'t Connection,
    heads: &'h mut Heads,
    find_stream: CachedStatement<'t>,
    insert_leaf: CachedStatement<'t>,
    frontier: Frontier,
    touched: BTreeMap<StreamId, Known>,
    next_id: i64,
}

impl<'t, 'h> Writing<'t, 'h> {
    fn prepare(conn: &'t Connection, heads: &'h mut Heads) -> rusqlite::Result<Self> {
        let find_stream = conn.prepare_cached(
            "SELECT id, (SELECT coalesce(max(version), 0) FROM leaf WHERE leaf.stream = s.id) FROM stream AS s WHERE s.name = ?1",
        )?;
        let insert_leaf =
            conn.prepare_cached("INSERT INTO leaf (idx, stream, version, hash, above, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        let (frontier, next_id) = (heads.frontier.clone(), heads.next_id);
        Ok(Writing { conn, heads, find_stream, insert_leaf, frontier, touched: BTreeMap::new(), next_id })
    }

    /// The first expectation that does not hold now, all of them checked before
    /// anything of this append is written.
    fn stale(&mut self, append: &Append) -> rusqlite::Result<Option<StoreError>> {
        for (stream, expected) in &append.expects {
            let found = self.known(stream)?.version;
            if found != *expected {
                return Ok(Some(StoreError::Stale { stream: stream.clone(), expected: *expected, found }));
            }
        }
        Ok(None)
    }

    fn known(&mut self, stream: &StreamId) -> rusqlite::Result<Known> {
        if let Some(known) = self.touched.get(stream).or_else(|| self.heads.streams.get(stream)) {
            return Ok(*known);
        }
        let row = self.find_stream.query_row([stream.as_str()], |row| Ok(Known { id: row.get(0)?, version: row.get(1)? }));
        let known = row.optional()?.unwrap_or(Known { id: 0, version: 0 });
        self.heads.streams.insert(stream.clone(), known);
        Ok(known)
    }

    fn write(&mut self, append: &Append) -> rusqlite::Result<Appended> {
        let first_index = self.frontier.size();
        for leaf in &append.leaves {
            let mut known = self.known(&leaf.stream)?;
            if known.id == 0 {
                known.id = self.next_id;
                self.next_id += 1;
                self.conn
                    .prepare_cached("INSERT INTO stream (id, name) VALUES (?1, ?2)")?
                    .execute(params![known.id, leaf.stream.as_str()])?;
            }
            known.version = leaf.version;
            self.touched.insert(leaf.stream.clone(), known);

            let index = self.frontier.size();
            let above = above(&self.frontier.push(Hash(leaf.hash)));
            self.insert_leaf.execute(params![int(index), known.id, int(leaf.version), &leaf.hash[..], above, leaf.bytes])?;
        }
        self.write_beside(append)?;
        Ok(Appended { first_index })
    }

    fn write_beside(&mut self, append: &Append) -> rusqlite::Result<()> {
        for blob in &append.blobs {
            self.conn
                .prepare_cached("INSERT INTO blob (id, sealed, bytes) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
                .execute(params![blob.id, blob.sealed, blob.bytes])?;
        }
        for known in &append.disclosures {
            self.conn
                .prepare_cached("INSERT INTO disclosure (commitment, salt, value) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
                .execute(params![known.commitment, known.salt, known.value])?;
        }
        for change in &append.lookups {
            put_lookup(self.conn, change.table, &change.key, change.value.as_ref())?;
        }
        for change in &append.jobs {
            match change {
                JobChange::Set(job) => self
                    .conn
                    .prepare_cached(
                        "INSERT INTO job (key, due_second, due_nanosecond) VALUES (?1, ?2, ?3)
                         ON CONFLICT (key) DO UPDATE SET due_second = excluded.due_second, due_nanosecond = excluded.due_nanosecond",
                    )?
                    .execute(params![job.key, job.due_at.as_second(), job.due_at.subsec_nanosecond()])?,
                JobChange::Done { key } => self.conn.prepare_cached("DELETE FROM job WHERE key = ?1")?.execute([key])?,
                JobChange::Rest { key, taken, next: Some(next) } => self
                    .conn
                    .prepare_cached(
                        "UPDATE job SET due_second = ?4, due_nanosecond = ?5 WHERE key = ?1 AND due_second = ?2 AND due_nanosecond = ?3",
                    )?
                    .execute(params![key, taken.as_second(), taken.subsec_nanosecond(), next.as_second(), next.subsec_nanosecond()])?,
                JobChange::Rest { key, taken, next: None } => self
                    .conn
                    .prepare_cached("DELETE FROM job WHERE key = ?1 AND due_second = ?2 AND due_nanosecond = ?3")?
                    .execute(params![key, taken.as_second(), taken.subsec_nanosecond()])?,
            };
        }
        Ok(())
    }

    fn finish(self) -> rusqlite::Result<Done> {
        if self.frontier != self.heads.frontier {
            self.conn.prepare_cached("UPDATE log SET frontier = ?1 WHERE one = 1")?.execute([self.frontier.encode()])?;
        }
        Ok(Done { frontier: self.frontier, touched: self.touched, next_id: self.next_id })
    }
}

/// The subtrees above a leaf that were completed by it, level 1 first.
pub(super) fn above(made: &[Node]) -> Vec<u8> {
    made.iter().skip(1).flat_map(|node| node.hash.0).collect()
}

/// Sets or removes one row of a projection.
pub(super) fn put_lookup(conn: &Connection, name: &str, key: &str, value: Option<&serde_json::Value>) -> rusqlite::Result<()> {
    match value {
        Some(value) => conn
            .prepare_cached(
                "INSERT INTO lookup (name, key, value) VALUES (?1, ?2, ?3) ON CONFLICT (name, key) DO UPDATE SET value = excluded.value",
            )?
            .execute(params![name, key, value.to_string()])?,
        None => conn.prepare_cached("DELETE FROM lookup WHERE name = ?1 AND key = ?2")?.execute([name, key])?,
    };
    Ok(())
}
