//! The tables, and the connections that reach them.
//!
//! A leaf's row carries the complete subtrees that end with it, so a proof
//! reads rows by number and an append inserts one row a leaf. Stream heads are
//! not stored at all: the unique index over (stream, version) is the head, and
//! so cannot contradict the leaves. The settings are the measured ones: WAL,
//! full sync, and checkpoints only when this crate says so.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, config::DbConfig};

use super::OpenError;

/// Raised with every change of the tables.
const FORMAT: i64 = 1;

/// Marks the file as ours: the letters `qell`.
const APPLICATION: i64 = 0x7165_6c6c;

const TABLES: &str = "
CREATE TABLE stream (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
-- above: the hashes of the complete subtrees of level 1 and up that end with this leaf, 32 bytes each.
CREATE TABLE leaf (
    idx INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    version INTEGER NOT NULL,
    hash BLOB NOT NULL,
    above BLOB NOT NULL,
    bytes BLOB NOT NULL,
    UNIQUE (stream, version)
);
-- The right edge of the tree: written with every batch, so that a lost leaf shows at open.
CREATE TABLE log (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    frontier BLOB NOT NULL
);
CREATE TABLE checkpoint (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    note TEXT NOT NULL
);
CREATE TABLE disclosure (
    commitment TEXT PRIMARY KEY,
    salt TEXT NOT NULL,
    value TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE lookup (
    name TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name, key)
) WITHOUT ROWID;
CREATE TABLE job (
    key TEXT PRIMARY KEY,
    due_second INTEGER NOT NULL,
    due_nanosecond INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX job_due ON job (due_second, due_nanosecond, key);
CREATE TABLE blob (
    id TEXT PRIMARY KEY,
    sealed INTEGER NOT NULL,
    bytes BLOB NOT NULL
);
CREATE TABLE inventory (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
";

/// Opens the connection that writes, and makes the tables in an empty file.
pub(super) fn open_writer(file: &Path, busy_timeout: Duration, page_count_max: Option<u32>) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(file, flags)?;
    conn.busy_timeout(busy_timeout)?;
    conn.set_prepared_statement_cache_capacity(64);
    keep_plans(&conn)?;

    let mode: String = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if mode != "wal" {
        return Err(OpenError::Unusable(format!(
            "the file system gives `journal_mode={mode}`, not `wal`; put the data directory on a local disk"
        )));
    }
    conn.execute_batch(
        "PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA wal_autocheckpoint=0;
         PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;",
    )?;
    if let Some(pages) = page_count_max {
        conn.execute_batch(&format!("PRAGMA max_page_count={pages}"))?;
    }
    make_tables(&conn)?;
    Ok(conn)
}

/// Opens one more connection, which can only read.
pub(super) fn open_reader(file: &Path, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(busy_timeout)?;
    conn.set_prepared_statement_cache_capacity(64);
    keep_plans(&conn)?;
    conn.execute_batch("PRAGMA query_only=ON; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;")?;
    Ok(conn)
}

/// A prepared statement keeps its plan whatever is bound to it (`SQLITE_DBCONFIG_ENABLE_QPSG`):
/// without it every range that is asked for is compiled anew.
fn keep_plans(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

/// Opens a connection that only moves committed pages from the WAL into the
/// database, beside the writer.
pub(super) fn open_mover(file: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.execute_batch("PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0;")?;
    Ok(conn)
}

/// One transaction, so a crash here leaves an empty file that the next start
/// takes up again.
fn make_tables(conn: &Connection) -> Result<(), OpenError> {
    let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match found {
        FORMAT => return Ok(()),
        0 => {}
        _ => {
            return Err(OpenError::Unusable(format!(
                "it has format {found}, this program knows {FORMAT}; use the program that wrote it, or a newer one"
            )));
        }
    }
    let transaction = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let tables: i64 = transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables != 0 {
        return Err(OpenError::Unusable("it holds tables of another program".to_owned()));
    }
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.execute("INSERT INTO log (one, frontier) VALUES (1, ?1)", [quell_ledger::tree::Frontier::default().encode()])?;
    Ok(transaction.commit()?)
}
