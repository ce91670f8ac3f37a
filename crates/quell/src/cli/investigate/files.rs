//! The files that are read: directories opened, gzip undone.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use flate2::read::MultiGzDecoder;
use quell_core::time::Timestamp;

use crate::cli::{alert, fault::Fault};

/// What a file of a log is called, in a directory that is read whole.
const ENDINGS: &[&str] = &["json", "jsonl", "ndjson", "log", "txt", "csv", "gz", "sarif"];
/// Directories below each other; a deeper one is said, not read.
const DEPTH_MAX: usize = 16;

/// One file, or what came by stdin.
pub enum Source {
    File(PathBuf),
    /// Held, because it may have to be read twice.
    Stdin(alert::Message),
}

impl Source {
    /// As the answer calls it.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Stdin(_) => "-".to_owned(),
        }
    }

    /// When it was last written; the year of times that have none.
    pub fn written_at(&self) -> Option<Timestamp> {
        match self {
            Self::File(path) => {
                let since = fs::metadata(path).ok()?.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
                Timestamp::from_second(i64::try_from(since.as_secs()).ok()?).ok()
            }
            Self::Stdin(_) => None,
        }
    }

    /// Its bytes from the start, unpacked.
    pub fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        match self {
            Self::File(path) => {
                let mut file = File::open(path)?;
                let mut magic = [0; 2];
                let packed = read_up_to(&mut file, &mut magic)? == 2 && magic == GZIP;
                file.seek(SeekFrom::Start(0))?;
                Ok(if packed { Box::new(MultiGzDecoder::new(io::BufReader::new(file))) } else { Box::new(file) })
            }
            Self::Stdin(bytes) if bytes.starts_with(&GZIP) => Ok(Box::new(MultiGzDecoder::new(&bytes[..]))),
            Self::Stdin(bytes) => Ok(Box::new(&bytes[..])),
        }
    }
}

const GZIP: [u8; 2] = [0x1f, 0x8b];

fn read_up_to(file: &mut File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

/// Every file that is meant, by name, each once; and what was passed over.
pub fn find(named: &[PathBuf]) -> Result<(Vec<Source>, Vec<String>), Fault> {
    let mut found: BTreeSet<PathBuf> = BTreeSet::new();
    let mut skipped = Vec::new();
    let mut stdin = None;
    for path in named {
        if path == Path::new("-") {
            if stdin.is_none() {
                stdin = Some(alert::read(None)?);
            }
            continue;
        }
        let meta = fs::metadata(path).map_err(|e| Fault::file("read", path, &e))?;
        if meta.is_dir() {
            walk(path, 0, &mut found, &mut skipped).map_err(|e| Fault::file("read", path, &e))?;
        } else {
            found.insert(path.clone());
        }
    }
    // One file under two names is one file.
    let mut places = BTreeSet::new();
    let mut sources: Vec<Source> =
        found.into_iter().filter(|path| places.insert(fs::canonicalize(path).unwrap_or_else(|_| path.clone()))).map(Source::File).collect();
    sources.extend(stdin.map(Source::Stdin));
    skipped.sort();
    Ok((sources, skipped))
}

fn walk(dir: &Path, depth: usize, found: &mut BTreeSet<PathBuf>, skipped: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        // A link may lead out of the directory, or round in a ring.
        let kind = entry.file_type()?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if kind.is_dir() && depth < DEPTH_MAX {
            walk(&path, depth + 1, found, skipped)?;
        } else if kind.is_file()
            && path.extension().and_then(|e| e.to_str()).is_some_and(|e| ENDINGS.contains(&e.to_ascii_lowercase().as_str()))
        {
            found.insert(path);
        } else {
            skipped
                .push(format!("`{}`: neither a log by its name nor a directory that is followed; name it to have it read", path.display()));
        }
    }
    Ok(())
}
