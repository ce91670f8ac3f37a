//! Every question to the tables, as plain functions over a connection.
//!
//! A prefix is searched as a range and ends at the first key without it, so no
//! character of a key has a meaning of its own.

use std::collections::BTreeMap;

use quell_core::{id::StreamId, personal::Disclosure, time::Timestamp};
use quell_engine::port::{Head, Job, Leaf, StoreError, StoredEvent};
use quell_ledger::{
    Hash, proof,
    tree::{Frontier, NodeSource},
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use super::{int, unavailable};

type Read<T> = Result<T, StoreError>;

pub(super) fn head(conn: &Connection, stream: &StreamId) -> Read<Option<Head>> {
    conn.prepare_cached(
        "SELECT leaf.version, leaf.hash, leaf.idx FROM leaf
         WHERE leaf.stream = (SELECT id FROM stream WHERE name = ?1) ORDER BY leaf.version DESC LIMIT 1",
    )
    .and_then(|mut find| {
        find.query_row([stream.as_str()], |row| Ok(Head { version: row.get(0)?, hash: row.get(1)?, index: row.get(2)? })).optional()
    })
    .map_err(unavailable)
}

pub(super) fn stream(conn: &Connection, stream: &StreamId, from: u64) -> Read<Vec<StoredEvent>> {
    conn.prepare_cached(
        "SELECT leaf.idx, leaf.version, leaf.hash, leaf.bytes FROM leaf
         WHERE leaf.stream = (SELECT id FROM stream WHERE name = ?1) AND leaf.version >= ?2 ORDER BY leaf.version",
    )
    .and_then(|mut find| find.query_map(params![stream.as_str(), int(from)], |row| event(row, stream.clone()))?.collect())
    .map_err(unavailable)
}

fn event(row: &Row<'_>, stream: StreamId) -> rusqlite::Result<StoredEvent> {
    let leaf = Leaf { stream, version: row.get(1)?, hash: row.get(2)?, bytes: row.get(3)? };
    Ok(StoredEvent { index: row.get(0)?, leaf })
}

pub(super) fn leaves(conn: &Connection, from: u64, limit: u32) -> Read<Vec<StoredEvent>> {
    conn.prepare_cached(
        "SELECT leaf.idx, leaf.version, leaf.hash, leaf.bytes, stream.name FROM leaf
         JOIN stream ON stream.id = leaf.stream WHERE leaf.idx >= ?1 ORDER BY leaf.idx LIMIT ?2",
    )
    .and_then(|mut find| find.query_map(params![int(from), limit], |row| event(row, StreamId::new(row.get::<_, String>(4)?)))?.collect())
    .map_err(unavailable)
}

pub(super) fn streams(conn: &Connection, prefix: &str) -> Read<Vec<StreamId>> {
    let mut found = Vec::new();
    let mut read = || -> rusqlite::Result<()> {
        let mut find = conn.prepare_cached("SELECT name FROM stream WHERE name >= ?1 ORDER BY name")?;
        let mut rows = find.query([prefix])?;
        while let Some(row) = rows.next()? {
            let name: String = row.get(0)?;
            if !name.starts_with(prefix) {
                break;
            }
            found.push(StreamId::new(name));
        }
        Ok(())
    };
    read().map_err(unavailable)?;
    Ok(found)
}

pub(super) fn disclosures(conn: &Connection, commitments: &[String]) -> Read<BTreeMap<String, Disclosure>> {
    let read = || -> rusqlite::Result<BTreeMap<String, Disclosure>> {
        let mut find = conn.prepare_cached("SELECT salt, value FROM disclosure WHERE commitment = ?1")?;
        let mut found = BTreeMap::new();
        for commitment in commitments {
            let row = |row: &Row<'_>| Ok(Disclosure { commitment: commitment.clone(), salt: row.get(0)?, value: row.get(1)? });
            if let Some(disclosure) = find.query_row([commitment], row).optional()? {
                found.insert(commitment.clone(), disclosure);
            }
        }
        Ok(found)
    };
    read().map_err(unavailable)
}

pub(super) fn lookup(conn: &Connection, name: &str, key: &str) -> Read<Option<Value>> {
    let text: Option<String> = conn
        .prepare_cached("SELECT value FROM lookup WHERE name = ?1 AND key = ?2")
        .and_then(|mut find| find.query_row([name, key], |row| row.get(0)).optional())
        .map_err(unavailable)?;
    text.map(|text| value(name, key, &text)).transpose()
}

pub(super) fn lookup_range(conn: &Connection, name: &str, prefix: &str, after: Option<&str>, limit: u32) -> Read<Vec<(String, Value)>> {
    // The later of the two bounds, so that no row before it is read.
    let (sql, bound) = match after {
        Some(after) if after >= prefix => ("SELECT key, value FROM lookup WHERE name = ?1 AND key > ?2 ORDER BY key LIMIT ?3", after),
        _ => ("SELECT key, value FROM lookup WHERE name = ?1 AND key >= ?2 ORDER BY key LIMIT ?3", prefix),
    };
    let rows: Vec<(String, String)> = conn
        .prepare_cached(sql)
        .and_then(|mut find| find.query_map(params![name, bound, limit], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .map_err(unavailable)?;
    rows.into_iter()
        .take_while(|(key, _)| key.starts_with(prefix))
        .map(|(key, text)| value(name, &key, &text).map(|value| (key, value)))
        .collect()
}

pub(super) fn lookups(conn: &Connection) -> Read<BTreeMap<(String, String), Value>> {
    let rows: Vec<(String, String, String)> = conn
        .prepare_cached("SELECT name, key, value FROM lookup")
        .and_then(|mut find| find.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect())
        .map_err(unavailable)?;
    rows.into_iter()
        .map(|(name, key, text)| {
            let value = value(&name, &key, &text)?;
            Ok(((name, key), value))
        })
        .collect()
}

pub(super) fn inventory(conn: &Connection) -> Read<Vec<(String, Value)>> {
    let rows: Vec<(String, String)> = conn
        .prepare_cached("SELECT key, value FROM inventory ORDER BY key")
        .and_then(|mut find| find.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .map_err(unavailable)?;
    rows.into_iter().map(|(key, text)| value("inventory", &key, &text).map(|value| (key, value))).collect()
}

fn value(table: &str, key: &str, text: &str) -> Read<Value> {
    serde_json::from_str(text).map_err(|error| StoreError::Damaged(format!("row `{key}` of `{table}` is not JSON: {error}")))
}

pub(super) fn due(conn: &Connection, now: Timestamp, limit: u32) -> Read<Vec<Job>> {
    conn.prepare_cached(
        "SELECT key, due_second, due_nanosecond FROM job WHERE (due_second, due_nanosecond) <= (?1, ?2)
         ORDER BY due_second, due_nanosecond, key LIMIT ?3",
    )
    .and_then(|mut find| {
        let rows = find.query_map(params![now.as_second(), now.subsec_nanosecond(), limit], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i32>(2)?))
        })?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    })
    .map_err(unavailable)?
    .into_iter()
    .map(|(key, second, nanosecond)| Ok(Job { key, due_at: time(second, nanosecond)? }))
    .collect()
}

pub(super) fn next_due(conn: &Connection) -> Read<Option<Timestamp>> {
    conn.prepare_cached("SELECT due_second, due_nanosecond FROM job ORDER BY due_second, due_nanosecond LIMIT 1")
        .and_then(|mut find| find.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .map_err(unavailable)?
        .map(|(second, nanosecond)| time(second, nanosecond))
        .transpose()
}

fn time(second: i64, nanosecond: i32) -> Read<Timestamp> {
    Timestamp::new(second, nanosecond).map_err(|_| StoreError::Damaged(format!("a job is due at second {second}, which is no time")))
}

pub(super) fn blob(conn: &Connection, id: &str) -> Read<Option<Vec<u8>>> {
    conn.prepare_cached("SELECT bytes FROM blob WHERE id = ?1")
        .and_then(|mut find| find.query_row([id], |row| row.get(0)).optional())
        .map_err(unavailable)
}

pub(super) fn checkpoint(conn: &Connection) -> Read<Option<(String, u64, [u8; 32])>> {
    conn.prepare_cached("SELECT note, size, root FROM checkpoint WHERE one = 1")
        .and_then(|mut find| find.query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional())
        .map_err(unavailable)
}

/// The root over the first `size` leaves; the caller knows that there are that many.
pub(super) fn root(conn: &Connection, size: u64) -> Read<[u8; 32]> {
    let mut nodes = Nodes { conn, failed: None };
    let frontier = Frontier::at(size, &mut nodes);
    nodes.whole()?;
    let frontier = frontier.ok_or_else(|| StoreError::Damaged(format!("subtrees of the first {size} leaves are missing")))?;
    Ok(frontier.root().0)
}

pub(super) fn inclusion(conn: &Connection, index: u64, size: u64) -> Read<Vec<[u8; 32]>> {
    let mut nodes = Nodes { conn, failed: None };
    let path = proof::inclusion(index, size, &mut nodes);
    nodes.whole()?;
    proved(path)
}

pub(super) fn consistency(conn: &Connection, old: u64, new: u64) -> Read<Vec<[u8; 32]>> {
    let mut nodes = Nodes { conn, failed: None };
    let path = proof::consistency(old, new, &mut nodes);
    nodes.whole()?;
    proved(path)
}

fn proved(path: Result<Vec<Hash>, proof::Unprovable>) -> Read<Vec<[u8; 32]>> {
    match path {
        Ok(path) => Ok(path.into_iter().map(|hash| hash.0).collect()),
        Err(missing @ proof::Unprovable::MissingNode { .. }) => Err(StoreError::Damaged(missing.to_string())),
        Err(other) => Err(StoreError::Refused(other.to_string())),
    }
}

/// The stored subtrees: one of level 1 and up lies in the row of its last leaf.
struct Nodes<'c> {
    conn: &'c Connection,
    failed: Option<rusqlite::Error>,
}

impl Nodes<'_> {
    fn whole(self) -> Read<()> {
        self.failed.map_or(Ok(()), |error| Err(unavailable(error)))
    }

    fn find(&self, level: u8, index: u64) -> rusqlite::Result<Option<Hash>> {
        let last = index.checked_add(1).and_then(|next| next.checked_mul(1_u64.checked_shl(u32::from(level))?)).map(|end| end - 1);
        let Some(last) = last else { return Ok(None) };
        let mut find = self.conn.prepare_cached("SELECT hash, above FROM leaf WHERE idx = ?1")?;
        let read = |row: &Row<'_>| {
            if level == 0 {
                return Ok(Some(Hash(row.get(0)?)));
            }
            let above = row.get_ref(1)?.as_blob()?;
            Ok(above.as_chunks::<32>().0.get(usize::from(level) - 1).map(|hash| Hash(*hash)))
        };
        Ok(find.query_row([int(last)], read).optional()?.flatten())
    }
}

impl NodeSource for Nodes<'_> {
    fn node(&mut self, level: u8, index: u64) -> Option<Hash> {
        self.find(level, index).unwrap_or_else(|error| {
            self.failed = Some(error);
            None
        })
    }
}
