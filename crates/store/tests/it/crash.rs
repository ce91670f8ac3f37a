//! A process that is killed in the middle of its appends has lost none that it
//! acknowledged.

use std::{
    collections::BTreeMap,
    env,
    io::{BufRead, BufReader, Read, Write},
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use quell_core::id::StreamId;
use quell_engine::port::Store;

use crate::{append, directory, open};

/// Where the child appends until it is killed or cannot any more.
const PLACE: &str = "QUELL_STORE_TEST_PLACE";
const TASKS: u64 = 4;

/// Leaf index -> (stream, version).
type Acknowledged = BTreeMap<u64, (String, u64)>;

/// `launcher` runs this very test program as the child.
pub fn child(mut launcher: Command, place: &Path) -> Command {
    if launcher.get_program() == "sh" {
        launcher.arg(env::current_exe().expect("this program"));
    }
    launcher.args(["--exact", "crash::appends_are_acknowledged_one_by_one", "--nocapture"]).env(PLACE, place);
    launcher
}

/// What the child said before it ended, and why it stopped, if it did itself.
pub fn read(said: impl Read) -> (Acknowledged, Option<String>) {
    let mut acknowledged = Acknowledged::new();
    let mut ended = None;
    for line in BufReader::new(said).lines().map_while(Result::ok) {
        match line.split('\t').collect::<Vec<_>>()[..] {
            ["ack", index, stream, version, "."] => {
                acknowledged.insert(index.parse().expect("an index"), (stream.to_owned(), version.parse().expect("a version")));
            }
            ["ended", why] => ended = Some(why.to_owned()),
            _ => {}
        }
    }
    (acknowledged, ended)
}

pub async fn assert_all_there(place: &Path, acknowledged: &Acknowledged) {
    let store = open(place);
    let whole = store.verify().await.expect("a whole store");
    let log = store.leaves(0, u32::MAX).await.expect("leaves");
    assert_eq!(log.len() as u64, whole.size);
    for (index, (stream, version)) in acknowledged {
        let leaf = log.get(*index as usize).map(|event| &event.leaf);
        assert!(
            leaf.is_some_and(|leaf| leaf.stream.as_str() == stream && leaf.version == *version),
            "leaf {index} was acknowledged as version {version} of {stream}"
        );
    }
}

/// The child's side, and a test of it: each task appends to its own stream and
/// says so once it is durable.
#[tokio::test(flavor = "multi_thread")]
async fn appends_are_acknowledged_one_by_one() {
    let here = directory();
    let (place, limit) = env::var_os(PLACE).map_or((here.path().to_owned(), 5), |place| (place.into(), 20_000));
    let store = Arc::new(open(&place));
    let said = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, said) = (Arc::clone(&store), Arc::clone(&said));
            tokio::spawn(async move {
                let stream = format!("case/C-{task}");
                let mut version = store.head(&StreamId::new(stream.as_str())).await.expect("a head").map_or(0, |head| head.version);
                for n in 0..limit {
                    let texts = [format!("{n} a"), format!("{n} b")];
                    let appended = match store.append(append(&stream, version, &[&texts[0], &texts[1]])).await {
                        Ok(appended) => appended,
                        Err(why) => return say(&format!("\nended\t{why}\n")),
                    };
                    let (first, next) = (appended.first_index, version + 1);
                    say(&format!("\nack\t{first}\t{stream}\t{next}\t.\nack\t{}\t{stream}\t{}\t.\n", first + 1, next + 1));
                    said.fetch_add(2, Ordering::Relaxed);
                    version += 2;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("a task that does not panic");
    }
    if limit == 5 {
        assert_eq!(said.load(Ordering::Relaxed), TASKS * limit * 2);
        assert_eq!(store.size().await, Ok(TASKS * limit * 2));
    }
}

/// One write a line, so that a kill cuts between lines or inside the last one.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // The reader may be gone; then nobody counts on this line.
    let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
}

#[tokio::test]
async fn kill_9_loses_nothing_that_was_acknowledged() {
    let dir = directory();
    let mut all = Acknowledged::new();
    // Again and again in one place, so that recovery is recovered from, too.
    for lines in [1, 7, 40, 150, 400] {
        let mut child =
            child(Command::new(env::current_exe().expect("this program")), dir.path()).stdout(Stdio::piped()).spawn().expect("the child");
        let mut said = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut heard = String::new();
        while heard.matches("\nack").count() < lines {
            assert_ne!(said.read_line(&mut heard).expect("a line"), 0, "the child ended by itself: {heard}");
        }
        child.kill().expect("a kill");
        said.read_to_string(&mut heard).expect("the rest");
        child.wait().expect("an end");

        let (acknowledged, ended) = read(heard.as_bytes());
        assert_eq!(ended, None);
        assert!(acknowledged.len() >= lines);
        all.extend(acknowledged);
        assert_all_there(dir.path(), &all).await;
    }
}
