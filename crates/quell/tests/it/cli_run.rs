//! Runs the built binary as people do: a process, its output, its exit.

use std::{
    ffi::OsStr,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;

/// What a process left behind.
pub struct Ran {
    pub exit: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// The one JSON document on stdout.
    pub fn json(&self) -> Value {
        assert_eq!(self.out.trim_end().lines().count(), 1, "not one line: {}{}", self.out, self.err);
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}{}", self.out, self.err))
    }

    /// [`Ran::json`] of a command that ended as `exit`.
    pub fn ended(&self, exit: i32) -> &Self {
        assert_eq!(self.exit, exit, "stdout: {}\nstderr: {}", self.out, self.err);
        self
    }
}

/// A place of its own, in which nothing is configured.
pub struct Desk {
    pub dir: tempfile::TempDir,
    pub url: Option<String>,
    pub token: Option<String>,
}

impl Desk {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a directory"), url: None, token: None }
    }

    /// In front of a running server.
    pub fn at(url: &str, token: &str) -> Self {
        Self { url: Some(url.to_owned()), token: Some(token.to_owned()), ..Self::new() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file that only its owner may read.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.path(name);
        let _ = std::fs::remove_file(&path);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).expect("a new file");
        file.write_all(bytes.as_ref()).expect("a written file");
        path.display().to_string()
    }

    fn command<A: AsRef<OsStr>>(&self, args: &[A]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_quell"));
        command.args(args).current_dir(self.dir.path()).env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(url) = &self.url {
            command.env("QUELL_URL", url);
        }
        if let Some(token) = &self.token {
            command.env("QUELL_TOKEN", token);
        }
        command
    }

    pub fn run<A: AsRef<OsStr>>(&self, args: &[A]) -> Ran {
        self.feed(args, b"")
    }

    /// As another person or program.
    pub fn run_as<A: AsRef<OsStr>>(&self, token: &str, args: &[A]) -> Ran {
        finish(self.command(args).env("QUELL_TOKEN", token), b"")
    }

    /// With bytes on stdin.
    pub fn feed<A: AsRef<OsStr>>(&self, args: &[A], stdin: &[u8]) -> Ran {
        finish(&mut self.command(args), stdin)
    }

    /// With one more variable of the environment.
    pub fn with<A: AsRef<OsStr>>(&self, name: &str, value: &str, args: &[A]) -> Ran {
        finish(self.command(args).env(name, value), b"")
    }
}

fn finish(command: &mut Command, stdin: &[u8]) -> Ran {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the binary");
    let mut pipe = child.stdin.take().expect("a pipe");
    let bytes = stdin.to_vec();
    // A command that does not read its stdin closes it early.
    let writer = std::thread::spawn(move || drop(pipe.write_all(&bytes)));
    let output = child.wait_with_output().expect("an end");
    writer.join().expect("a writer");
    Ran {
        exit: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// What a terminal would obey, if any of it is there.
pub fn deceptive(text: &str) -> Option<char> {
    text.chars().find(|c| *c != '\n' && quell_core::untrusted::Untrusted::new(c.to_string()).terminal() != c.to_string())
}
