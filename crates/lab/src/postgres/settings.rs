//! What a caller may choose about an instance, and the files that say it.

use std::{
    env,
    fmt::Write,
    path::{Path, PathBuf},
};

use rustix::fs::statvfs;

use crate::ca::Ca;

/// The file system in memory that Linux mounts for everybody.
const MEMORY: &str = "/dev/shm";
/// Room for some dozen instances at once.
const MEMORY_MIN_BYTES: u64 = 2 << 30;

/// The choices about one instance. `Options::default()` is a fast one for tests.
#[derive(Clone)]
pub struct Options {
    /// Where the private directory is made. If `None`: memory where commits need
    /// not reach the disk and there is enough of it, else the system's temporary
    /// directory. The server's account must be able to reach it.
    pub base: Option<PathBuf>,
    /// Whether a commit reaches the disk. Off in tests, on in benches.
    pub durable: bool,
    /// Whether the server's log names every connection.
    pub log_connections: bool,
    /// The lines of `pg_hba.conf` after the two that let the lab in over the
    /// private socket.
    pub hba_lines: Vec<String>,
    /// Further `postgresql.conf` settings; they win over the lab's own.
    pub settings: Vec<(String, String)>,
    /// The authority that signs the server's certificate; a new one if `None`.
    pub ca: Option<Ca>,
    /// The names in that certificate: DNS names or IP addresses.
    pub names: Vec<String>,
    /// Whether the instance gets a system identifier of its own, at the price of
    /// a whole `initdb`. Copies of the template share one.
    pub own_identity: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            base: None,
            durable: false,
            log_connections: false,
            hba_lines: scram_everywhere(),
            settings: Vec::new(),
            ca: None,
            names: crate::ca::LOOPBACK.map(str::to_owned).to_vec(),
            own_identity: false,
        }
    }
}

impl Options {
    /// With commits that reach the disk: what a bench measures.
    #[must_use]
    pub fn durable() -> Self {
        Self { durable: true, ..Self::default() }
    }

    /// A thousand small files take 0.1 s to make in memory and 0.3 to 2 s on an
    /// ext4 that a build is writing to (measured on 2 cores, November 2026). A
    /// container's `/dev/shm` may be 64 MiB, too small for two instances.
    pub(super) fn base(&self) -> PathBuf {
        if let Some(base) = &self.base {
            return base.clone();
        }
        let chosen = env::var_os("TMPDIR").is_some();
        let room = statvfs(MEMORY).map_or(0, |found| found.f_bavail * found.f_frsize);
        if self.durable || chosen || room < MEMORY_MIN_BYTES { env::temp_dir() } else { PathBuf::from(MEMORY) }
    }
}

/// SCRAM over TLS, clear TCP and the Unix socket: clear TCP is let in so that a
/// test can show that it counts for nothing.
#[must_use]
pub fn scram_everywhere() -> Vec<String> {
    [
        "hostssl   all all 127.0.0.1/32 scram-sha-256",
        "hostnossl all all 127.0.0.1/32 scram-sha-256",
        "local     all all              scram-sha-256",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// `pg_hba.conf`: the lab's own way in is never taken away by the caller's lines.
pub(super) fn hba(lines: &[String]) -> String {
    let mut text = String::from(
        "local all         postgres peer map=lab\n\
         local replication postgres peer map=lab\n",
    );
    for line in lines {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// `pg_ident.conf`: which accounts of the machine are the superuser.
pub(super) fn ident(accounts: &[String]) -> String {
    accounts.iter().fold(String::new(), |mut text, name| {
        let _ = writeln!(text, "lab {name} postgres");
        text
    })
}

/// Where an instance keeps its parts.
pub(super) struct Places<'a> {
    pub socket: &'a Path,
    pub tls: &'a Path,
    pub port: u16,
}

/// The included `lab.conf`.
pub(super) fn conf(options: &Options, places: &Places<'_>, further: &[(String, String)]) -> String {
    let on_off = |on: bool| if on { "on" } else { "off" }.to_owned();
    let path = |path: &Path| path.display().to_string();
    let fixed: [(&str, String); 24] = [
        ("listen_addresses", "127.0.0.1".into()),
        ("port", places.port.to_string()),
        ("unix_socket_directories", path(places.socket)),
        ("unix_socket_permissions", "0700".into()),
        ("ssl", "on".into()),
        ("ssl_cert_file", path(&places.tls.join("server.crt"))),
        ("ssl_key_file", path(&places.tls.join("server.key"))),
        ("password_encryption", "scram-sha-256".into()),
        ("fsync", on_off(options.durable)),
        ("synchronous_commit", on_off(options.durable)),
        ("full_page_writes", on_off(options.durable)),
        ("logging_collector", "off".into()),
        ("log_destination", "stderr".into()),
        ("log_line_prefix", "%m [%p] %q%u@%d ".into()),
        ("log_timezone", "UTC".into()),
        ("timezone", "UTC".into()),
        ("log_connections", on_off(options.log_connections)),
        ("log_disconnections", on_off(options.log_connections)),
        ("shared_buffers", "32MB".into()),
        // A segment in a file of the data directory goes with the directory.
        ("dynamic_shared_memory_type", "mmap".into()),
        ("min_wal_size", "4MB".into()),
        ("max_wal_size", "256MB".into()),
        ("max_wal_senders", "4".into()),
        ("hot_standby", "on".into()),
    ];
    let mut text = String::new();
    let fixed = fixed.iter().map(|(name, value)| (*name, value.as_str()));
    let chosen = options.settings.iter().chain(further).map(|(n, v)| (n.as_str(), v.as_str()));
    for (name, value) in fixed.chain(chosen) {
        let _ = writeln!(text, "{name} = '{}'", value.replace('\'', "''"));
    }
    text
}
