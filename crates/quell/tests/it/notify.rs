//! Mail to a real mail server, a signed call, and what the case says of both.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing::post};
use hmac::{Hmac, Mac};
use quell_lab::mail::Mail;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{cli_run::Desk, http_contained::Plane};

const KEY: &str = "a-key-of-the-receiver-0123456789";
/// A part of the address that nobody else may learn.
const HIDDEN: &str = "T0PSECRETPATH";

type Calls = Arc<Mutex<Vec<(HeaderMap, Vec<u8>)>>>;

/// A program that is called: answers its address and what came.
async fn receiver() -> (String, Calls) {
    let calls = Calls::default();
    let take = async |State(calls): State<Calls>, headers: HeaderMap, body: Bytes| {
        calls.lock().expect("no panic holds it").push((headers, body.to_vec()));
    };
    let app = Router::new().route(&format!("/{HIDDEN}"), post(take)).with_state(calls.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    (format!("http://{address}/{HIDDEN}"), calls)
}

fn is_signed(headers: &HeaderMap, body: &[u8]) -> bool {
    let Some(signature) = headers.get("quell-signature").and_then(|h| h.to_str().ok()) else { return false };
    let part = |name: &str| signature.split(',').find_map(|p| p.strip_prefix(name)).unwrap_or_default().to_owned();
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(KEY.as_bytes()).expect("a key");
    mac.update(format!("{}.{}.", part("t="), part("n=")).as_bytes());
    mac.update(body);
    quell_core::secret::unhex(&part("v1=")).is_some_and(|v1| mac.verify_slice(&v1).is_ok())
}

#[tokio::test]
async fn whoever_is_asked_is_told_over_every_channel_also_where_one_was_down() {
    let mut mail = Mail::start(false).expect("a real mail server is installed");
    let (hook, calls) = receiver().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
        path.display().to_string()
    };
    let (ca, url, key) = (file("ca.pem", mail.ca_pem()), file("url", &hook), file("key", KEY));
    let config = format!(
        "public_url = \"https://quell.corp.example/\"\n[[notify]]\nname = \"mail\"\nkind = \"smtp\"\nurl = \"{}\"\nca_file = \"{ca}\"\nfrom = \"Quell <quell@corp.example>\"\n\
         [[notify]]\nname = \"hook\"\nkind = \"webhook\"\nurl_file = \"{url}\"\nsecret_file = \"{key}\"\n",
        mail.url()
    );
    let plane = Plane::start_beside("critical", &config).await;
    let server = &plane.server;
    let bea = server.person(&plane.admin, "bea", &["business_owner"]).await;
    mail.kill().expect("ended");
    plane.arm().await;
    let (_, answer) = plane.leak().await;
    let id = answer["cases"][0]["id"].as_str().expect("a case").to_owned();
    let path = format!("/cases/{id}");
    let all = |case: &Value, what: &str| {
        let notices = case["notices"].as_array().cloned().unwrap_or_default();
        !notices.is_empty() && notices.iter().all(|n| n["standing"] == what)
    };

    // One channel is down, and the case says so; the other took it.
    let case = server.until(&path, &plane.admin, |case| all(case, "told_in_part")).await;
    for notice in case["notices"].as_array().expect("notices") {
        assert_eq!((&notice["over"], &notice["failed"][0]["channel"]), (&json!(["hook", "inbox"]), &json!("mail")), "{notice}");
        assert_eq!(notice["failed"][0]["why"], "the mail server cannot be reached");
    }
    let desk = Desk::at(&server.url, &plane.admin);
    let shown = desk.run(&["case", "show", &id]).ended(0).out.clone();
    assert!(shown.contains("TOLD") && shown.contains("paged over hook, inbox; mail did not take it"), "{shown}");
    let listed = desk.run(&["notify", "list"]).ended(0).out.clone();
    assert!(listed.contains("the mail server cannot be reached") && !listed.contains(HIDDEN), "{listed}");
    assert_eq!(desk.run(&["notify", "test", "mail"]).exit, 1);

    mail.start_again().expect("started again");
    server.until(&path, &plane.admin, |case| all(case, "told")).await;
    let letters = mail.letters().expect("a mailbox");
    let theirs: Vec<&String> = letters.iter().filter(|l| l.contains("To: bea@corp.example")).collect();
    assert_eq!((theirs.len(), letters.len()), (1, 1), "{letters:?}");
    let (headers, body) = theirs[0].split_once("\n\n").expect("a letter");
    assert!(headers.contains("[Quell PAGE]") && headers.contains("Auto-Submitted: auto-generated"), "{headers}");
    assert!(body.contains("You are told because a plan of this case waits for your yes or no."), "{body}");
    assert!(body.replace("=\n", "").contains(&format!("https://quell.corp.example/cases/{id}")), "{body}");

    // Each call is signed by whoever has the key, and says whom it is for.
    let taken = calls.lock().expect("no panic holds it").clone();
    assert_eq!(taken.len(), letters.len(), "once each: what took it is not asked again");
    for (headers, body) in &taken {
        assert!(is_signed(headers, body));
        assert!(!is_signed(headers, &[body.as_slice(), b" "].concat()));
        let call: Value = serde_json::from_slice(body).expect("JSON");
        assert_eq!((&call["case"], &call["pages"], &call["to"][0]["interrupts"]), (&json!(id), &json!(true), &json!(true)), "{call}");
    }

    // Her inbox has it, and nobody else's.
    let inbox = server.get("/inbox", &bea).await;
    let notices = inbox["notices"].as_array().expect("notices");
    assert_eq!((notices.len(), &notices[0]["case"], &notices[0]["pages"]), (1, &json!(id), &json!(true)), "{inbox}");
    assert_eq!(server.get("/inbox", &plane.admin).await["notices"], json!([]));
    assert_eq!(desk.run(&["notify", "test", "mail"]).ended(0).out.trim(), "mail took it; look whether it arrived");
    assert_eq!(mail.letters().expect("a mailbox").len(), letters.len() + 1);
    assert_eq!(desk.run(&["notify", "test", "pigeon"]).exit, 1);
    assert_eq!(desk.run_as(&bea, &["notify", "test", "mail"]).exit, 1, "an owner tries no channels");

    // It is part of the evidence, and no secret went anywhere.
    let bundle = folder.path().join("bundle.zip");
    let bundle = bundle.display().to_string();
    let aud = server.person(&plane.admin, "aud", &["auditor"]).await;
    desk.run_as(&aud, &["evidence", "export", &id, "-o", &bundle]).ended(0);
    let verified = desk.run(&["evidence", "verify", &bundle]).out.clone();
    assert!(verified.contains("the bytes are whole"), "{verified}");
    let events = server.get(&format!("{path}/events"), &plane.admin).await;
    let of_notices = events["events"].as_array().expect("events").iter().filter(|e| e["type"] == "notice_handed").count();
    assert!(of_notices >= 2, "the notice was tried twice: {events}");
    let leaked = plane.estate.app.password.reveal();
    let everything = letters.iter().map(|l| l.as_bytes().to_vec()).chain(taken.into_iter().map(|(_, body)| body));
    for (place, bytes) in
        everything.map(|b| ("what was told".to_owned(), b)).chain(server.files().into_iter().map(|(p, b)| (p.display().to_string(), b)))
    {
        for secret in [leaked.as_bytes(), HIDDEN.as_bytes(), KEY.as_bytes()] {
            assert!(!bytes.windows(secret.len()).any(|w| w == secret), "a secret is in {place}");
        }
    }
}

#[tokio::test]
async fn mail_goes_to_a_server_that_speaks_tls_from_the_first_byte_and_to_no_other_authority() {
    let (mail, other) = (Mail::start(true).expect("a mail server"), Mail::start(true).expect("another"));
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let (right, wrong) = (file("right.pem", mail.ca_pem()), file("wrong.pem", other.ca_pem()));
    let channel = |name: &str, ca: &str| {
        format!(
            "[[notify]]\nname = \"{name}\"\nkind = \"smtp\"\nurl = \"{}\"\nca_file = \"{ca}\"\nfrom = \"quell@corp.example\"\n",
            mail.url()
        )
    };
    let server = crate::server::Server::start_with(&format!("{}{}", channel("right", &right), channel("wrong", &wrong)));
    let _admin = server.set_up().await;
    let ada = server.person(&_admin, "ada2", &["admin"]).await;
    let desk = Desk::at(&server.url, &ada);
    desk.run(&["notify", "test", "right"]).ended(0);
    let refused = desk.run(&["notify", "test", "wrong", "--json"]);
    assert_eq!(refused.exit, 1);
    assert!(refused.json()["why"].as_str().is_some_and(|w| w.contains("TLS") || w.contains("reached")), "{}", refused.out);
    assert_eq!(mail.letters().expect("a mailbox").len(), 1);
}
