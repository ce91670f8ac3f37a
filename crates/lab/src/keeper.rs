//! The process that ends what the owner left behind.
//!
//! A destructor does not run when its process is killed, and the kernel's
//! parent-death signal follows the *thread* that forked, which in a test is
//! gone long before the process. So between owner and server stands a shell that
//! reads commands from a pipe: the pipe closes when the owner drops it, panics or
//! is killed, and then the shell ends the server and removes its directory. The
//! ordinary end takes the same road, so the road is exercised by every test.
//!
//! ```text
//! owner --"start"--> keeper --fork--> server        keeper --pid--> owner
//! owner --"wait"---> keeper           (exits)       keeper --code-> owner
//! owner  x (pipe closes)  keeper: CONT children, end signal, wait, rm -rf dir
//! ```

use std::{
    ffi::OsString,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process},
};

/// How long a process that was told to stop may take until none of its threads runs.
const STOPPED_WITHIN: Duration = Duration::from_secs(10);

/// `$1` directory or empty, `$2` log, `$3` end signal, then the command. The
/// children of a stopped server are continued first: a stopped process does not
/// hear its parent's orders. What has not ended within 10 s is killed, so that no
/// owner waits for ever.
const SCRIPT: &str = r#"
dir=$1 log=$2 end=$3; shift 3
child=
while read -r word; do
  case $word in
    start) "$@" </dev/null >>"$log" 2>&1 & child=$!; echo "$child" ;;
    wait) wait "$child"; echo "$?"; child= ;;
  esac
done
if [ -n "$child" ]; then
  family="$(cat "/proc/$child/task/$child/children") $child"
  for pid in $family; do kill -CONT "$pid"; done
  kill -"$end" "$child"
  looks=0
  while read -r stat <"/proc/$child/stat" && [ "${stat#*) Z}" = "$stat" ] && [ $looks -lt 500 ]; do
    looks=$((looks + 1)); sleep 0.02
  done
  [ $looks -lt 500 ] || for pid in $family; do kill -KILL "$pid"; done
  wait "$child"
fi
[ -z "$dir" ] || rm -rf "$dir"
"#;

/// How a server is ended when its owner is gone.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// SIGQUIT: a server that then takes its own children down.
    Quit,
    /// SIGKILL: a process without children.
    Kill,
}

/// Holds one command that can be started, waited for and started again, and
/// that does not outlive this value.
#[derive(Debug)]
pub struct Keeper {
    shell: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    running: Option<Pid>,
}

impl Keeper {
    /// Stands ready to run `argv`, with output appended to `log`. `dir`, when
    /// given, is removed at the end. `cwd` is where relative paths of the command
    /// begin. The command sees no environment but `PATH`.
    ///
    /// # Errors
    ///
    /// When no shell can be started.
    pub fn new(dir: Option<&Path>, log: &Path, cwd: &Path, end: End, argv: &[OsString]) -> Result<Self> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "keeper"])
            .arg(dir.unwrap_or(Path::new("")))
            .arg(log)
            .arg(match end {
                End::Quit => "QUIT",
                End::Kill => "KILL",
            })
            .args(argv)
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .current_dir(cwd)
            // Its own group: a signal to the owner's group must not take away the
            // one process that cleans up after it.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("start `/bin/sh` as keeper of a lab server")?;
        let orders = shell.stdin.take();
        let answers = shell.stdout.take().context("a keeper without output")?;
        Ok(Self { shell, orders, answers: BufReader::new(answers), running: None })
    }

    /// Starts the command and answers its process id.
    ///
    /// # Errors
    ///
    /// When it runs already or the keeper is gone.
    pub fn start(&mut self) -> Result<Pid> {
        if let Some(pid) = self.running {
            bail!("process {pid} runs already; wait for its end first");
        }
        let pid = Pid::from_raw(self.ask("start")?).context("a process id of 0")?;
        self.running = Some(pid);
        Ok(pid)
    }

    /// Waits until the command has ended and answers its exit status as a shell
    /// tells it (128 + signal). Whoever calls it has sent the signal before.
    ///
    /// # Errors
    ///
    /// When nothing runs or the keeper is gone.
    pub fn wait(&mut self) -> Result<i32> {
        if self.running.is_none() {
            bail!("nothing runs; start it first");
        }
        let status = self.ask("wait")?;
        self.running = None;
        Ok(status)
    }

    /// Sends `signal` to the command, if it still runs.
    ///
    /// # Errors
    ///
    /// When the signal may not be sent.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let Some(pid) = self.running else { return Ok(()) };
        match kill_process(pid, signal) {
            // It ended by itself, and the shell may have reaped it already.
            Ok(()) | Err(Errno::SRCH) => {
                if signal == Signal::STOP && !crate::clock::until(STOPPED_WITHIN, || is_stopped(pid)) {
                    bail!("{pid} was told to stop and goes on");
                }
                Ok(())
            }
            Err(error) => Err(error).with_context(|| format!("send signal {} to {pid}", signal.as_raw())),
        }
    }

    /// The process id of the command, while it runs.
    #[must_use]
    pub fn pid(&self) -> Option<Pid> {
        self.running
    }

    /// The process id of the keeper itself.
    #[must_use]
    pub fn own_pid(&self) -> u32 {
        self.shell.id()
    }

    fn ask(&mut self, order: &str) -> Result<i32> {
        let orders = self.orders.as_mut().context("the keeper is gone")?;
        writeln!(orders, "{order}").context("the keeper is gone")?;
        let mut line = String::new();
        self.answers.read_line(&mut line).context("the keeper is gone")?;
        let line = line.trim();
        line.parse().with_context(|| format!("the keeper answered `{line}` to `{order}`"))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.shell.wait();
    }
}

/// Whether every thread of `pid` stands still: a signal reaches them one by one, and
/// until it does they answer.
fn is_stopped(pid: Pid) -> bool {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())) else { return true };
    tasks.flatten().all(|task| {
        // The state is what follows the name, which stands in brackets.
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        stat.rsplit(')').next().is_none_or(|rest| !rest.trim_start().starts_with(['R', 'S', 'D']))
    })
}
