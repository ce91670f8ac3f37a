//! The long form: `make fuzz`. Each target in a process of its own, because a stack
//! that overflows ends one; says how far it is, writes an input for which something
//! does not hold to a file, and prints how to read it again.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    sync::Mutex,
    thread,
};

use quell_fuzz::{
    cost,
    round::{Found, Round},
    target::{self, Target},
};

const USAGE: &str = "usage: quell-fuzz [--time SECONDS] [--only TARGET] [--seed N] [--out FOLDER] | --only TARGET --replay FILE";
/// Between two lines that say how far a target is, in seconds.
const TELL_EVERY: u64 = 10;

#[derive(Default)]
struct Wanted {
    seconds: u64,
    only: Option<String>,
    seed: Option<u64>,
    out: PathBuf,
    replay: Option<PathBuf>,
    alone: bool,
}

fn main() -> ExitCode {
    let Some(wanted) = wanted() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let targets: Vec<Target> = target::all().into_iter().filter(|t| wanted.only.as_ref().is_none_or(|only| t.name == *only)).collect();
    let Some(first) = targets.first() else {
        let names: Vec<String> = target::all().into_iter().map(|t| t.name).collect();
        eprintln!("no target of this name; one of: {}", names.join(" "));
        return ExitCode::from(2);
    };
    let ok = match &wanted.replay {
        Some(file) => replay(first, file),
        None if wanted.alone => alone(first, &wanted),
        None => all(&targets, &wanted),
    };
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn wanted() -> Option<Wanted> {
    let mut wanted = Wanted { seconds: 600, out: "target/fuzz".into(), ..Wanted::default() };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--time" => wanted.seconds = words.next()?.parse().ok()?,
            "--only" => wanted.only = Some(words.next()?),
            "--seed" => wanted.seed = Some(words.next()?.parse().ok()?),
            "--out" => wanted.out = words.next()?.into(),
            "--replay" => wanted.replay = Some(words.next()?.into()),
            "--alone" => wanted.alone = true,
            _ => return None,
        }
    }
    (wanted.replay.is_none() || wanted.only.is_some()).then_some(wanted)
}

fn replay(target: &Target, file: &Path) -> bool {
    let input = fs::read(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    match target.once(&input) {
        Ok(held) => println!("{}: everything holds; {} us, {} bytes", target.name, held.cost.micros, held.cost.bytes),
        Err(because) => {
            println!("{}: {because}", target.name);
            return false;
        }
    }
    true
}

/// As many at once as there are processors.
fn all(targets: &[Target], wanted: &Wanted) -> bool {
    let workers = thread::available_parallelism().map_or(1, usize::from).min(targets.len());
    let seconds = (wanted.seconds * workers as u64 / targets.len() as u64).max(1);
    let seed = wanted.seed.unwrap_or_else(cost::unlike_before);
    println!("{} targets, {seconds} s each, {workers} at once, seed {seed}", targets.len());
    let (queue, broken) = (Mutex::new(targets.iter().map(|t| t.name.clone()).collect::<Vec<_>>().into_iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let Some(name) = queue.lock().expect("nobody panics with it").next() else { return };
                    if !apart(&name, wanted, seconds, seed) {
                        broken.lock().expect("nobody panics with it").push(name);
                    }
                }
            });
        }
    });
    let broken = broken.into_inner().expect("all have ended");
    println!("{} of {} targets hold{}", targets.len() - broken.len(), targets.len(), if broken.is_empty() { "" } else { ", not:" });
    broken.iter().for_each(|name| println!("  {name}"));
    broken.is_empty()
}

fn apart(name: &str, wanted: &Wanted, seconds: u64, seed: u64) -> bool {
    let me = std::env::current_exe().expect("the running program has a path");
    let mut command = Command::new(me);
    command.args(["--alone", "--only", name, "--time", &seconds.to_string(), "--seed", &seed.to_string(), "--out"]).arg(&wanted.out);
    match command.status().expect("it runs once more").code() {
        Some(0) => true,
        Some(1) => false,
        _ => {
            let at_hand = fs::read(wanted.out.join(format!("{name}.at-hand"))).unwrap_or_default();
            tell(name, &wanted.out, &Found { input: at_hand, because: "the process died".to_owned() });
            false
        }
    }
}

fn alone(target: &Target, wanted: &Wanted) -> bool {
    let began = cost::passed_seconds();
    let mut told = began;
    let mut run = || -> Result<(), Found> {
        let mut round = Round::begin(target, wanted.seed.unwrap_or(1), &wanted.out)?;
        loop {
            round.another()?;
            let now = cost::passed_seconds();
            let over = now - began >= wanted.seconds;
            if over || now - told >= TELL_EVERY {
                let (inputs, kinds, most) = round.so_far();
                println!("{}: {inputs} inputs, {kinds} kinds of answers, at most {} us and {} bytes", target.name, most.micros, most.bytes);
                told = now;
            }
            if over {
                return Ok(());
            }
        }
    };
    match run() {
        Ok(()) => true,
        Err(found) => {
            tell(&target.name, &wanted.out, &found);
            false
        }
    }
}

fn tell(target: &str, folder: &Path, found: &Found) {
    let digest = quell_core::secret::sha256(&found.input);
    let file = folder.join(format!("{target}-{}.input", &digest[..12]));
    fs::write(&file, &found.input).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    println!("{target}: {}\n  again: make fuzz ONLY={target} REPLAY={}", found.because, file.display());
}
