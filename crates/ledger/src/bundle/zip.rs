//! The container: a zip of stored entries with exactly one spelling.
//!
//! Made here so that the same entries always give the same bytes: no
//! compression, no time, no attributes, no extra fields, no comments. Reading
//! takes names and data out of the local headers and then demands the very
//! bytes that writing them would give, so there is no room for a second
//! directory, a gap, a prefix or a tail that some other reader would see.
//! PKWARE APPNOTE 6.3, without zip64.

use alloc::collections::BTreeSet;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

const LOCAL: [u8; 4] = *b"PK\x03\x04";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
const LOCAL_BYTES: usize = 30;
/// Version 1.0 is enough for stored entries.
const VERSION: u16 = 10;
/// 1 January 1980, the first day a zip can name.
const DATE: u16 = 0x0021;
const MAX_NAME_BYTES: usize = 128;
/// One below what would ask for zip64.
const MAX_ENTRIES: usize = 0xfffe;
const MAX_BYTES: usize = 0xffff_fffe;

/// One file of the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    pub name: &'a str,
    pub data: &'a [u8],
}

/// Entries that do not fit, or bytes that this crate would not have written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadContainer {
    #[error("a bundle has at most {MAX_ENTRIES} files and 4 GiB")]
    TooLarge,
    #[error("byte {0}: expected a zip entry or the directory")]
    NoEntry(usize),
    #[error("byte {0}: the entry is cut off")]
    Cut(usize),
    #[error("byte {0}: a name is 1 to {MAX_NAME_BYTES} of `a-z A-Z 0-9 . _ -`, with `/` between parts")]
    Name(usize),
    #[error("`{0}` is there twice")]
    Twice(String),
    #[error("`{0}` does not have its checksum; the bytes were changed")]
    Checksum(String),
    #[error("`{0}` is not stored plainly")]
    Header(String),
    #[error("the directory does not list exactly the entries")]
    Directory,
    #[error("{0} bytes follow the end")]
    Trailing(usize),
}

/// Writes the container, entries in the order given.
pub fn pack(entries: &[Entry<'_>]) -> Result<Vec<u8>, BadContainer> {
    let mut names = BTreeSet::new();
    let mut bytes = Vec::new();
    for entry in entries {
        if !is_name(entry.name) {
            return Err(BadContainer::Name(bytes.len()));
        }
        if !names.insert(entry.name) {
            return Err(BadContainer::Twice(entry.name.to_string()));
        }
        bytes.extend_from_slice(&local(entry)?);
        bytes.extend_from_slice(entry.data);
    }
    bytes.extend_from_slice(&directory(entries)?);
    if bytes.len() > MAX_BYTES { Err(BadContainer::TooLarge) } else { Ok(bytes) }
}

/// Reads a container that [`pack`] wrote, and no other.
pub fn unpack(bytes: &[u8]) -> Result<Vec<Entry<'_>>, BadContainer> {
    if bytes.len() > MAX_BYTES {
        return Err(BadContainer::TooLarge);
    }
    let mut names = BTreeSet::new();
    let mut entries = Vec::new();
    let mut at = 0;
    while bytes[at..].starts_with(&LOCAL) {
        let entry = entry(bytes, at)?;
        if !names.insert(entry.name) {
            return Err(BadContainer::Twice(entry.name.to_string()));
        }
        at += LOCAL_BYTES + entry.name.len() + entry.data.len();
        entries.push(entry);
    }

    let (found, wanted) = (&bytes[at..], directory(&entries)?);
    match found.strip_prefix(wanted.as_slice()) {
        Some([]) => Ok(entries),
        Some(tail) => Err(BadContainer::Trailing(tail.len())),
        None if found.starts_with(&CENTRAL) || found.starts_with(&END) => Err(BadContainer::Directory),
        None => Err(BadContainer::NoEntry(at)),
    }
}

/// The entry whose local header begins at `at`.
fn entry(bytes: &[u8], at: usize) -> Result<Entry<'_>, BadContainer> {
    let cut = BadContainer::Cut(at);
    let header = bytes.get(at..at + LOCAL_BYTES).ok_or(cut.clone())?;
    let size = u32::from_le_bytes([header[18], header[19], header[20], header[21]]);
    let name_bytes = usize::from(u16::from_le_bytes([header[26], header[27]]));
    let name_at = at + LOCAL_BYTES;
    let name = bytes.get(name_at..name_at + name_bytes).ok_or(cut.clone())?;
    let name = core::str::from_utf8(name).ok().filter(|name| is_name(name)).ok_or(BadContainer::Name(at))?;
    let data_at = name_at + name_bytes;
    let end = usize::try_from(size).ok().and_then(|size| data_at.checked_add(size)).ok_or(cut.clone())?;
    let entry = Entry { name, data: bytes.get(data_at..end).ok_or(cut)? };

    if header[14..18] != crc32fast::hash(entry.data).to_le_bytes() {
        return Err(BadContainer::Checksum(name.to_string()));
    }
    if bytes[at..data_at] != local(&entry)?[..] {
        return Err(BadContainer::Header(name.to_string()));
    }
    Ok(entry)
}

fn local(entry: &Entry<'_>) -> Result<Vec<u8>, BadContainer> {
    let mut bytes = LOCAL.to_vec();
    bytes.extend_from_slice(&shared(entry)?);
    bytes.extend_from_slice(entry.name.as_bytes());
    Ok(bytes)
}

/// What local header and directory say alike, from the needed version to the
/// length of the extra field.
fn shared(entry: &Entry<'_>) -> Result<Vec<u8>, BadContainer> {
    let size = u32::try_from(entry.data.len()).map_err(|_| BadContainer::TooLarge)?;
    let name = u16::try_from(entry.name.len()).map_err(|_| BadContainer::TooLarge)?;
    let mut bytes = Vec::with_capacity(26);
    let (flags, method, time, extra) = (0u16, 0u16, 0u16, 0u16);
    for word in [VERSION, flags, method, time, DATE] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    for long in [crc32fast::hash(entry.data), size, size] {
        bytes.extend_from_slice(&long.to_le_bytes());
    }
    for word in [name, extra] {
        bytes.extend_from_slice(&word.to_le_bytes());
    }
    Ok(bytes)
}

/// The central directory and the end record.
fn directory(entries: &[Entry<'_>]) -> Result<Vec<u8>, BadContainer> {
    if entries.len() > MAX_ENTRIES {
        return Err(BadContainer::TooLarge);
    }
    let long = |n: usize| u32::try_from(n).map(u32::to_le_bytes).map_err(|_| BadContainer::TooLarge);
    let mut bytes = Vec::new();
    let mut offset = 0;
    for entry in entries {
        bytes.extend_from_slice(&CENTRAL);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&shared(entry)?);
        // Comment length, disk, inner attributes, outer attributes: all 0.
        bytes.extend_from_slice(&[0; 10]);
        bytes.extend_from_slice(&long(offset)?);
        bytes.extend_from_slice(entry.name.as_bytes());
        offset += LOCAL_BYTES + entry.name.len() + entry.data.len();
    }
    let size = bytes.len();
    let count = (entries.len() as u16).to_le_bytes();
    bytes.extend_from_slice(&END);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&count);
    bytes.extend_from_slice(&count);
    bytes.extend_from_slice(&long(size)?);
    bytes.extend_from_slice(&long(offset)?);
    bytes.extend_from_slice(&[0; 2]);
    Ok(bytes)
}

/// Relative, and the same path on every system.
fn is_name(name: &str) -> bool {
    let part =
        |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    name.len() <= MAX_NAME_BYTES && name.split('/').all(part)
}
