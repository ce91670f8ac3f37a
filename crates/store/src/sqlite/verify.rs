//! Reading everything and trusting nothing: what `ledger verify` rests on.
//!
//! The tree is built again from the leaves' bytes and held against every
//! stored hash, subtree, version and root. What an event says is not read here.

use std::collections::BTreeMap;

use quell_engine::port::StoreError;
use quell_ledger::{Hash, leaf, tree::Frontier};
use rusqlite::{Connection, Row};

use super::{
    batch::{above, check_edge},
    read, unavailable,
};

/// What was found whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Leaves.
    pub size: u64,
    /// The root over them.
    pub root: [u8; 32],
}

pub(super) fn verify(conn: &Connection) -> Result<Verified, StoreError> {
    // One snapshot, so that appends meanwhile are not taken for contradictions.
    let snapshot = conn.unchecked_transaction().map_err(unavailable)?;
    let integrity: String = snapshot.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(unavailable)?;
    if integrity != "ok" {
        return Err(StoreError::Damaged(integrity));
    }
    let kept = read::checkpoint(&snapshot)?;
    let mut tree = Frontier::default();
    let mut versions: BTreeMap<i64, u64> = BTreeMap::new();
    let mut signed = kept.as_ref().map(|(_, size, _)| *size).filter(|size| *size == 0).map(|_| tree.root().0);

    let mut find = snapshot
        .prepare("SELECT leaf.idx, leaf.stream, leaf.version, leaf.hash, leaf.above, leaf.bytes, stream.name FROM leaf LEFT JOIN stream ON stream.id = leaf.stream ORDER BY leaf.idx")
        .map_err(unavailable)?;
    let mut rows = find.query([]).map_err(unavailable)?;
    while let Some(row) = rows.next().map_err(unavailable)? {
        let stored = Stored::take(row).map_err(unavailable)?;
        stored.check(&mut tree, &mut versions)?;
        if kept.as_ref().is_some_and(|(_, size, _)| *size == tree.size()) {
            signed = Some(tree.root().0);
        }
    }
    check_edge(&snapshot, &tree)?;
    if let Some((_, size, root)) = kept
        && signed != Some(root)
    {
        return Err(StoreError::Damaged(format!("the signed checkpoint of {size} leaves has another root than these leaves")));
    }
    verify_blobs(&snapshot)?;
    Ok(Verified { size: tree.size(), root: tree.root().0 })
}

fn verify_blobs(conn: &Connection) -> Result<(), StoreError> {
    let mut find = conn.prepare("SELECT id, bytes FROM blob").map_err(unavailable)?;
    let mut rows = find.query([]).map_err(unavailable)?;
    while let Some(row) = rows.next().map_err(unavailable)? {
        let id: String = row.get(0).map_err(unavailable)?;
        let bytes = row.get_ref(1).map_err(unavailable)?;
        let bytes = bytes.as_blob().map_err(|_| StoreError::Damaged(format!("blob `{id}` has no bytes")))?;
        if Hash::of(bytes).hex() != id {
            return Err(StoreError::Damaged(format!("blob `{id}` has other bytes than its name says")));
        }
    }
    Ok(())
}

struct Stored {
    index: u64,
    stream: i64,
    version: u64,
    hash: [u8; 32],
    above: Vec<u8>,
    bytes: Vec<u8>,
    name: Option<String>,
}

impl Stored {
    fn take(row: &Row<'_>) -> rusqlite::Result<Stored> {
        Ok(Stored {
            index: row.get(0)?,
            stream: row.get(1)?,
            version: row.get(2)?,
            hash: row.get(3)?,
            above: row.get(4)?,
            bytes: row.get(5)?,
            name: row.get(6)?,
        })
    }

    fn check(&self, tree: &mut Frontier, versions: &mut BTreeMap<i64, u64>) -> Result<(), StoreError> {
        let damaged = |what: String| Err(StoreError::Damaged(format!("leaf {}: {what}", self.index)));
        if self.index != tree.size() {
            return Err(StoreError::Damaged(format!("leaf {} is missing", tree.size())));
        }
        let Some(name) = &self.name else { return damaged("it belongs to no stream".to_owned()) };
        let version = versions.entry(self.stream).or_default();
        *version += 1;
        if self.version != *version {
            return damaged(format!("version {} of stream `{name}`, expected version {version}", self.version));
        }
        let hash = leaf::hash(&self.bytes);
        if hash.0 != self.hash {
            return damaged(format!("its bytes are not those that version {version} of stream `{name}` was hashed from"));
        }
        if above(&tree.push(hash)) != self.above {
            return damaged("the subtrees stored with it are not those of the leaves".to_owned());
        }
        Ok(())
    }
}
