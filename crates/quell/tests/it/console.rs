//! The pages that work without script: who is let in, what a cookie may do, and
//! that nothing of outsiders becomes markup. A browser does the rest: `console/e2e`.

use reqwest::{
    Client, StatusCode,
    header::{CONTENT_SECURITY_POLICY, COOKIE, LOCATION, SET_COOKIE},
    redirect::Policy,
};
use serde_json::{Value, json};

use crate::{
    http_contained::Plane,
    server::{PASSWORD, Server},
};

/// A browser without script: it keeps a cookie and follows nothing by itself.
struct Browser {
    http: Client,
    url: String,
    cookie: String,
}

impl Browser {
    async fn sign_in(server: &Server, name: &str) -> Self {
        let http = Client::builder().redirect(Policy::none()).build().expect("a client");
        let form = [("user", name), ("password", PASSWORD), ("next", "/waiting")];
        let answer = http.post(format!("{}/sign-in", server.url)).form(&form).send().await.expect("an answer");
        assert_eq!((answer.status(), answer.headers()[LOCATION].to_str().ok()), (StatusCode::SEE_OTHER, Some("/waiting")));
        let set = answer.headers()[SET_COOKIE].to_str().expect("a cookie").to_owned();
        assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict") && !set.contains("Secure"), "no TLS here: {set}");
        Self { http, url: server.url.clone(), cookie: set.split(';').next().expect("a pair").to_owned() }
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let answer = self.http.get(format!("{}{path}", self.url)).header(COOKIE, &self.cookie).send().await.expect("an answer");
        let policy = answer.headers().get(CONTENT_SECURITY_POLICY).map(|p| p.to_str().expect("text").to_owned()).unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        (answer.status(), answer.text().await.expect("a page"))
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> StatusCode {
        self.http.post(format!("{}{path}", self.url)).header(COOKIE, &self.cookie).form(form).send().await.expect("an answer").status()
    }

    /// The value of the hidden field of a page's forms.
    async fn csrf(&self, path: &str) -> String {
        let (_, page) = self.get(path).await;
        page.split("name=\"csrf\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a form").to_owned()
    }
}

#[tokio::test]
async fn a_stranger_is_sent_to_sign_in_and_a_wrong_password_says_so() {
    let server = Server::start();
    server.set_up().await;
    let http = Client::builder().redirect(Policy::none()).build().expect("a client");
    let answer = http.get(format!("{}/cases/C-1/evidence", server.url)).send().await.expect("an answer");
    assert_eq!(answer.headers()[LOCATION].to_str().ok(), Some("/sign-in?next=%2Fcases%2FC%2D1%2Fevidence"));
    let wrong = [("user", "ada"), ("password", "wrong"), ("next", "/")];
    let answer = http.post(format!("{}/sign-in", server.url)).form(&wrong).send().await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    assert!(answer.headers().get(SET_COOKIE).is_none());
    assert!(answer.text().await.expect("a page").contains("name or password is wrong"));
    // The page of the app is there, built or not.
    let (status, page) = server.page("/").await;
    assert!(status == StatusCode::OK && page.contains("<html lang=\"en\">"), "{page}");
}

#[tokio::test]
async fn a_session_ends_with_signing_out_and_only_a_form_of_ours_ends_it() {
    let server = Server::start();
    server.set_up().await;
    let browser = Browser::sign_in(&server, "ada").await;
    let csrf = browser.csrf("/waiting").await;
    assert_eq!(browser.post("/sign-out", &[("csrf", "00")]).await, StatusCode::FORBIDDEN);
    assert_eq!(browser.get("/waiting").await.0, StatusCode::OK);
    assert_eq!(browser.post("/sign-out", &[("csrf", &csrf)]).await, StatusCode::SEE_OTHER);
    assert_eq!(browser.get("/waiting").await.0, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn an_approval_is_given_by_a_plain_form_under_the_same_rules() {
    let plane = Plane::start("critical").await;
    let server = &plane.server;
    for (name, role) in [("bea", "business_owner"), ("ian", "iam")] {
        server.person(&plane.admin, name, &[role]).await;
    }
    let (_, answer) = plane.leak().await;
    let case = &answer["cases"][0];
    let (id, plan, digest) = (text(&case["id"]), text(&case["plans"][0]["id"]), text(&case["plans"][0]["digest"]));
    let path = format!("/cases/{id}/approval/{plan}");

    let owner = Browser::sign_in(server, "bea").await;
    let (_, page) = owner.get(&path).await;
    for wanted in [
        "Someone may be using",
        "Billing&#39;s password on pg-main",
        "If you approve",
        "If you refuse",
        "If you do nothing",
        "How it is taken back",
        digest,
    ] {
        assert!(page.contains(wanted), "{wanted} in {page}");
    }
    let csrf = owner.csrf(&path).await;
    let yes = |digest| [("csrf", csrf.as_str()), ("digest", digest), ("role", "business_owner"), ("answer", "approve")];
    assert_eq!(owner.post(&path, &yes("00")).await, StatusCode::CONFLICT, "another digest");
    assert_eq!(owner.post(&path, &yes(digest)).await, StatusCode::SEE_OTHER);
    assert_eq!(owner.post(&path, &yes(digest)).await, StatusCode::CONFLICT, "a person counts once");
    assert!(owner.get(&path).await.1.contains("You approved this plan"));

    // Whom policy does not ask sees the question and no button.
    let other = Browser::sign_in(server, "ian").await;
    let (_, page) = other.get(&path).await;
    assert!(!page.contains("value=\"approve\""), "{page}");
    let no =
        [("csrf", &*other.csrf(&path).await), ("digest", digest), ("answer", "refuse"), ("reason", "")].map(|(n, v)| (n, v.to_owned()));
    let no: Vec<(&str, &str)> = no.iter().map(|(n, v)| (*n, v.as_str())).collect();
    assert_eq!(other.post(&path, &no).await, StatusCode::UNPROCESSABLE_ENTITY, "a refusal says why");
}

#[tokio::test]
async fn what_a_hostile_alert_wrote_never_becomes_markup() {
    let plane = Plane::start("critical").await;
    let password = plane.estate.app.password.reveal();
    let evil = format!("<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\u{202e}gnp.exe\u{200b}\u{7}{}", "A".repeat(10_000));
    let report = json!([{ "RuleID": evil, "Description": evil, "File": evil, "StartLine": 3, "Commit": "c1", "Secret": password,
        "Match": format!("PASSWORD={password}"), "Author": evil, "Email": "dev@corp.example", "Date": "2026-11-20T10:00:00Z" }]);
    let (status, answer) =
        plane.server.send("/alerts/ci", Some(&plane.sender), &[("Prefer", "wait=60")], report.to_string().into_bytes()).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let case = &answer["cases"][0];
    let shown = case["findings"][0]["untrusted"]["title"].as_str().unwrap_or_default();
    assert!(shown.contains("<script>"), "the fixture reaches the case: {}", shown.chars().take(80).collect::<String>());
    plane.server.person(&plane.admin, "bea", &["business_owner"]).await;
    let browser = Browser::sign_in(&plane.server, "bea").await;
    let (id, plan) = (text(&case["id"]), text(&case["plans"][0]["id"]));
    for path in [format!("/cases/{id}/approval/{plan}"), format!("/cases/{id}/evidence"), "/waiting".to_owned()] {
        let (status, page) = browser.get(&path).await;
        assert_eq!(status, StatusCode::OK);
        for bad in ["<script>alert", "<img", "\u{202e}", "\u{200b}", "\u{7}", password] {
            assert!(!page.contains(bad), "{bad:?} in {path}");
        }
        assert!(page.len() < 30_000, "{path} has {} bytes", page.len());
    }
    let (_, page) = browser.get(&format!("/cases/{id}/approval/{plan}")).await;
    assert!(page.contains("&lt;script&gt;"), "it is shown, quoted");
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}
