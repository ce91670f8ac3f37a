//! Signing in and out with a plain form: works without script.

use axum::{
    Form,
    extract::{Query, State as Shared},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{
    page::Page,
    visitor::{Guarded, Sent, refuse},
};
use crate::{
    access::{Denied, account::SESSION_SECONDS, cookie},
    http::{State, input::Hidden, problem::Problem},
};

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Next {
    next: Option<String>,
}

/// A path of ours; anything else could lead people away.
fn ours(next: Option<&str>) -> &str {
    let sound = |p: &&str| {
        p.starts_with('/')
            && !p.starts_with("//")
            && !p.starts_with("/sign-")
            && p.len() <= 500
            && p.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
    };
    next.filter(sound).unwrap_or("/")
}

pub async fn show(Query(query): Query<Next>) -> Page {
    form(ours(query.next.as_deref()), None, StatusCode::OK)
}

fn form(next: &str, wrong: Option<&str>, status: StatusCode) -> Page {
    let mut page = Page::new("Sign in").with_status(status);
    if let Some(wrong) = wrong {
        page.body.raw("<p class=\"notice bad\" role=\"alert\">").text(wrong).raw("</p>");
    }
    page.body
        .raw("<form method=\"post\" action=\"/sign-in\" class=\"card stack narrow\"><input type=\"hidden\" name=\"next\" value=\"")
        .text(next)
        .raw("\"><label for=\"user\">Name or e-mail address</label><input id=\"user\" name=\"user\" autocomplete=\"username\" required autocapitalize=\"none\" spellcheck=\"false\"><label for=\"password\">Password</label><input id=\"password\" name=\"password\" type=\"password\" autocomplete=\"current-password\" required><button class=\"primary\">Sign in</button></form><p class=\"faint\">A session lasts 12 hours. The first account of an installation is made with <code>quell setup</code>, further ones with <code>quell user create</code>.</p>");
    page
}

#[derive(Deserialize)]
pub struct Login {
    user: String,
    password: Hidden,
    #[serde(default)]
    next: Option<String>,
}

pub async fn enter(Shared(app): Shared<State>, headers: HeaderMap, Form(login): Form<Login>) -> Response {
    // There is no session to bind it to yet; what the browser says of the origin
    // keeps another site from signing somebody in as somebody else.
    if cookie::is_from_elsewhere(&headers, app.public_url.as_deref()) {
        return refuse(Denied::NotFromOurPage.into());
    }
    let next = ours(login.next.as_deref());
    match app.accounts.login(&login.user, &login.password.0).await {
        Ok((_, made)) => {
            let set = cookie::begin(made.token.expose(), SESSION_SECONDS, app.secure());
            ([(header::SET_COOKIE, set)], Redirect::to(next)).into_response()
        }
        Err(denied) => {
            let problem = Problem::from(denied);
            form(next, Some(&problem.detail), problem.status).into_response()
        }
    }
}

#[derive(Deserialize)]
pub struct Leave {
    csrf: String,
}

impl Guarded for Leave {
    fn csrf(&self) -> &str {
        &self.csrf
    }
}

pub async fn leave(Shared(app): Shared<State>, Sent { visitor, .. }: Sent<Leave>) -> Response {
    let person = visitor.person;
    if let Err(failure) = app.accounts.log_out(&person.caller.by(), &person.caller.id, person.token, person.hash).await {
        return refuse(failure.into());
    }
    ([(header::SET_COOKIE, cookie::end(app.secure()))], Redirect::to("/sign-in")).into_response()
}

#[cfg(test)]
mod tests {
    use super::ours;

    #[test]
    fn signing_in_leads_only_to_a_path_of_ours() {
        for (next, to) in [
            (Some("/cases/C-1/approval/p-1"), "/cases/C-1/approval/p-1"),
            (Some("/?view=mine"), "/?view=mine"),
            (Some("//evil.example"), "/"),
            (Some("/\\evil.example"), "/"),
            (Some("https://evil.example"), "/"),
            (Some("javascript:alert(1)"), "/"),
            (Some("/a\r\nset-cookie: x=y"), "/"),
            (Some("/sign-out"), "/"),
            (None, "/"),
        ] {
            assert_eq!(ours(next), to, "{next:?}");
        }
    }
}
