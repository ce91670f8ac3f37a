//! Planes that are down, slow or cut, and answers that are not whole.

use std::time::Duration;

use quell_core::{
    action::Action,
    proof::{Answer, Liveness},
    secret::Secret,
};
use quell_engine::port::{Attempt, Connector, Outcome, PlaneError};
use quell_lab::openssh::KeyPair;

use super::plane::*;

fn everything(plane: &Plane) -> Asked {
    let made = plane.connector.shaped(new_secret());
    let of = |action, target: &_| Attempt { new_secret: Some(made.clone()), before: Some(Default::default()), ..attempt(action, target) };
    Asked {
        attempts: vec![
            of(Action::SuspendIdentity, &account("deploy")),
            of(Action::TerminateSessions, &account("deploy")),
            of(Action::RevokeCredential, &key("deploy", &plane.leaked)),
            of(Action::RevokeCredential, &plane.of_certificate("alice", 1001)),
            of(Action::RemoveEntitlement, &principal("alice", "alice")),
            of(Action::Reinstate, &account("deploy")),
            of(Action::Restore, &account("deploy")),
        ],
        rounds: vec![
            plane.about_leaked(),
            plane.about_alice(),
            about(account("deploy"), "deploy"),
            about(principal("alice", "alice"), "alice"),
        ],
        identity: "deploy".to_owned(),
        leaked: Secret::new(plane.leaked.private()),
        read: account("deploy"),
    }
}

#[tokio::test]
async fn a_host_that_is_down_frozen_or_cut_off_is_no_refusal() {
    let mut plane = Plane::start().await;
    let files = |plane: &Plane| ["etc/keys/deploy", "etc/principals/alice"].map(|f| plane.file(f));
    let before = files(&plane);
    let short = |config: &mut quell_connectors::openssh::OpenSshConfig| config.call_timeout = Duration::from_millis(700);
    plane.server.pause().expect("frozen");
    everything(&plane).meet_silence(&plane.connector(short)).await;
    plane.server.resume().expect("goes on");
    let (port, _swallows) = swallow().await;
    everything(&plane).meet_silence(&plane.connector(|c| (c.port, c.call_timeout) = (port, Duration::from_millis(500)))).await;
    plane.server.stop().expect("stopped");
    everything(&plane).meet_silence(&plane.connector).await;
    plane.server.start_again().expect("started");
    assert_eq!(files(&plane), before);
    plane.is_live(plane.about_leaked()).await;
}

/// A line that breaks while a key is asked about: the library calls that a refusal, and
/// it is none. Cut at the last bytes, where only the answer is missing, and before.
#[tokio::test]
async fn a_line_that_breaks_at_any_byte_is_neither_yes_nor_no() {
    let plane = Plane::start().await;
    done(plane.act(Action::RevokeCredential, &key("deploy", &plane.leaked)).await);
    let ask = async |after: u64, nth: u32| {
        let line = Line::breaking(plane.server.port(), after, nth).await;
        let connector = plane.connector(|c| (c.port, c.call_timeout) = (line.port, Duration::from_secs(3)));
        let (_, round) = judged(&connector, plane.about_leaked(), None).await;
        (round, line)
    };
    // The look and the two questions about the control come whole before the fourth.
    let (round, line) = ask(u64::MAX, 4).await;
    assert!(matches!(round[0].answer, Answer::Refused { .. }), "{round:#?}");
    let whole = line.passed().await;
    for missing in [1, 5, 20, 40, 60, 80, 100, 150, 300, 600, whole] {
        let (round, _line) = ask(whole - missing, 4).await;
        let [asked, files] = round.as_slice() else { panic!("{missing}: {round:#?}") };
        assert!(asked.control.as_ref().is_some_and(|c| c.alive), "{missing}: {asked:#?}");
        assert!(matches!(files.answer, Answer::Enforced { .. }), "{missing}: {files:#?}");
        assert!(matches!(asked.answer, Answer::Inconclusive { .. }), "{missing} bytes are missing: {asked:#?}");
        // The same for the look, of which nothing is believed then.
        let (round, _line) = ask(whole - missing, 1).await;
        let (proved, _) = quell_core::proof::judge_round(&round, None, 1);
        assert_eq!(proved.liveness, Liveness::Unknown, "{missing}: {round:#?}");
    }
}

/// Passes everything on; of the `nth` connection so many bytes of the server's, and then
/// it closes.
struct Line {
    port: u16,
    passed: tokio::sync::mpsc::Receiver<u64>,
    run: tokio::task::JoinHandle<()>,
}

impl Line {
    async fn breaking(to: u16, after: u64, nth: u32) -> Self {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let (told, passed) = tokio::sync::mpsc::channel(1);
        let run = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            let mut count = 0;
            while let Ok((near, _)) = listener.accept().await {
                count += 1;
                let (most, told) = if count == nth { (after, Some(told.clone())) } else { (u64::MAX, None) };
                open.spawn(async move {
                    let Ok(far) = tokio::net::TcpStream::connect(("127.0.0.1", to)).await else { return };
                    let ((mut near_in, mut near_out), (far_in, mut far_out)) = (near.into_split(), far.into_split());
                    let there = tokio::spawn(async move { tokio::io::copy(&mut near_in, &mut far_out).await });
                    let passed = tokio::io::copy(&mut far_in.take(most), &mut near_out).await;
                    let _ = near_out.shutdown().await;
                    there.abort();
                    if let (Some(told), Ok(passed)) = (told, passed) {
                        let _ = told.send(passed).await;
                    }
                });
            }
        });
        Self { port, passed, run }
    }

    /// How many bytes of the server's passed on the one connection.
    async fn passed(mut self) -> u64 {
        self.passed.recv().await.expect("it ended")
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.run.abort();
    }
}

/// The command's answer is cut short: what became of it is not known, and is read.
#[tokio::test]
async fn an_answer_that_is_cut_short_is_unknown_and_is_read() {
    let plane = Plane::start().await;
    let command = plane.file("etc/quell-plane");
    let cut = command.replace("answer() { say \"$*\"; say end; exit 0; }", "answer() { say \"$*\"; exit 0; }");
    assert_ne!(command, cut);
    plane.write("etc/quell-plane", &cut);
    let suspend = attempt(Action::SuspendIdentity, &account("deploy"));
    let outcome = act(&plane.connector, suspend.clone()).await;
    assert!(matches!(&outcome, Outcome::Unknown { reason } if reason.contains("cut short")), "{outcome:?}");
    read_and_done(&plane.connector, suspend).await;
    plane.is_dead(plane.about_leaked()).await;
    // And one that speaks another language.
    plane.write("etc/quell-plane", "#!/bin/sh\necho plane 2\necho end\n");
    assert!(matches!(plane.connector.enumerate("deploy").await, Err(PlaneError::Garbled { .. })));
    unknown(&plane.connector, plane.about_leaked(), "another version").await;
}

#[tokio::test]
async fn a_key_that_is_not_quells_is_said_to_be_not_let_in() {
    let plane = Plane::start().await;
    let stranger = KeyPair::generate("stranger").expect("made");
    let connector = plane.connector(|c| c.secret = Secret::new(stranger.private()));
    let check = connector.check().await;
    assert!(!check.reachable && check.why_not.is_some_and(|w| w.contains("does not let `quell` in")));
    let outcome = act(&connector, attempt(Action::SuspendIdentity, &account("deploy"))).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("secret_file")), "{outcome:?}");
    unknown(&connector, plane.about_leaked(), "does not let `quell` in").await;
}

#[tokio::test]
async fn what_changed_between_the_look_and_the_act_is_refused() {
    let plane = Plane::start().await;
    // The line is gone: somebody was faster.
    let (target, print) = (key("deploy", &plane.leaked), plane.leaked.fingerprint().expect("printed"));
    plane.write("etc/keys/deploy", &format!("{}\n", plane.rightful.public()));
    let outcome = plane.act(Action::RevokeCredential, &target).await;
    assert!(matches!(&outcome, Outcome::Refused { reason } if reason.contains("no line")), "{outcome:?}");
    // It is in the list already: somebody else put it there.
    plane.write("etc/keys/deploy", &format!("{}\n", plane.leaked.public()));
    let spec = plane.server.dir().join("spec");
    std::fs::write(&spec, format!("hash: {print}\n")).expect("written");
    let added = std::process::Command::new("ssh-keygen")
        .args(["-q", "-k", "-u", "-f"])
        .arg(plane.server.etc("krl"))
        .arg(&spec)
        .status()
        .expect("runs");
    assert!(added.success());
    let changed = done(plane.act(Action::RevokeCredential, &target).await);
    assert_eq!(changed.keys().map(String::as_str).collect::<Vec<_>>(), ["lines"], "the list had it");
    plane.is_dead(plane.about_leaked()).await;
}

#[tokio::test]
async fn two_at_once_take_turns() {
    let plane = Plane::start().await;
    let (one, other) = (
        attempt(Action::RevokeCredential, &key("deploy", &plane.leaked)),
        attempt(Action::RevokeCredential, &key("backup", &plane.bystander)),
    );
    let (a, b) = tokio::join!(act(&plane.connector, one), act(&plane.connector, other));
    done(a);
    done(b);
    plane.is_dead(plane.about_leaked()).await;
    plane.is_dead(about(key("backup", &plane.bystander), "backup")).await;
}
