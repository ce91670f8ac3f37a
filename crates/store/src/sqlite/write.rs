//! What the writer does between batches: erase, rebuild, inventory, checkpoints.

use std::collections::BTreeMap;

use quell_engine::port::{LookupChange, StoreError};
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde_json::Value;

use super::{batch::put_lookup, int, read, unavailable, writer::Writer};
use crate::guard::Log;

/// The leaves as the guard sees them.
pub(super) struct Leaves<'c> {
    pub(super) conn: &'c Connection,
    pub(super) size: u64,
}

impl Log for Leaves<'_> {
    fn size(&self) -> u64 {
        self.size
    }

    fn root(&self, size: u64) -> Result<[u8; 32], StoreError> {
        read::root(self.conn, size)
    }
}

impl Writer {
    /// Deletes, then empties the WAL: `secure_delete` overwrites what the
    /// database held, and the WAL is where the old pages would still lie.
    pub(super) fn erase(&mut self, commitments: &[String], blobs: &[String]) -> Result<u64, StoreError> {
        let gone = self.transaction(|transaction| {
            let mut gone = 0;
            let mut disclosure = transaction.prepare_cached("DELETE FROM disclosure WHERE commitment = ?1")?;
            for commitment in commitments {
                gone += disclosure.execute([commitment])?;
            }
            // A public blob is part of what replay reads; it holds nothing personal.
            let mut blob = transaction.prepare_cached("DELETE FROM blob WHERE id = ?1 AND sealed")?;
            for id in blobs {
                gone += blob.execute([id])?;
            }
            Ok(gone as u64)
        })?;
        // A crash before this line leaves old pages in the WAL; erasing again,
        // which then deletes nothing, empties it.
        let busy: i64 = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).map_err(unavailable)?;
        if busy != 0 {
            return Err(StoreError::Unavailable(
                "erased, but a reader still needs the old pages; erase again to remove them from the disk".to_owned(),
            ));
        }
        Ok(gone)
    }

    pub(super) fn rebuild(&mut self, rows: Vec<LookupChange>) -> Result<bool, StoreError> {
        let mut wanted = BTreeMap::new();
        for LookupChange { table, key, value } in rows {
            match value {
                Some(value) => wanted.insert((table.to_owned(), key), value),
                None => wanted.remove(&(table.to_owned(), key)),
            };
        }
        if read::lookups(&self.conn)? == wanted {
            return Ok(true);
        }
        self.transaction(|transaction| {
            transaction.execute("DELETE FROM lookup", [])?;
            wanted.iter().try_for_each(|((table, key), value)| put_lookup(transaction, table, key, Some(value)))
        })?;
        Ok(false)
    }

    pub(super) fn put_inventory(&mut self, rows: &[(String, Option<Value>)]) -> Result<(), StoreError> {
        self.transaction(|transaction| {
            let mut put = transaction.prepare_cached(
                "INSERT INTO inventory (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            )?;
            let mut remove = transaction.prepare_cached("DELETE FROM inventory WHERE key = ?1")?;
            for (key, value) in rows {
                match value {
                    Some(value) => put.execute(params![key, value.to_string()])?,
                    None => remove.execute([key])?,
                };
            }
            Ok(())
        })
    }

    /// First outside the database, then inside. A crash between the two leaves
    /// the outer memory ahead, which the leaves, durable already, agree with.
    pub(super) fn keep_checkpoint(&mut self, note: &str, size: u64, root: [u8; 32]) -> Result<(), StoreError> {
        let leaves = Leaves { conn: &self.conn, size: self.frontier().size() };
        self.guard.keep(&leaves, note, size, root)?;
        self.transaction(|transaction| {
            transaction
                .prepare_cached(
                    "INSERT INTO checkpoint (one, size, root, note) VALUES (1, ?1, ?2, ?3)
                     ON CONFLICT (one) DO UPDATE SET size = excluded.size, root = excluded.root, note = excluded.note",
                )?
                .execute(params![int(size), &root[..], note])?;
            Ok(())
        })
    }

    pub(super) fn accept_older(&mut self, reason: &str) -> Result<(), StoreError> {
        if reason.trim().is_empty() {
            return Err(StoreError::Refused("accepting an older store needs a reason".to_owned()));
        }
        let leaves = Leaves { conn: &self.conn, size: self.frontier().size() };
        self.guard.accept(&leaves, reason)?;
        tracing::warn!(reason, size = leaves.size, "a store older than its last signed checkpoint was accepted");
        Ok(())
    }

    fn transaction<T>(&self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let run = || {
            let transaction = Transaction::new_unchecked(&self.conn, TransactionBehavior::Immediate)?;
            let answer = work(&transaction)?;
            transaction.commit()?;
            Ok(answer)
        };
        run().map_err(unavailable)
    }
}
