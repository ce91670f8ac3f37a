//! HTML that cannot be forgotten to be escaped: markup is fixed text of this
//! program, and everything else goes through the escaper of [`Untrusted`].

use axum::{
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use quell_core::untrusted::Untrusted;
use serde_json::Value;

use super::assets;
use crate::http::problem::Problem;

/// A piece of a page.
#[derive(Default)]
pub struct Html(String);

impl Html {
    /// Markup: only what stands in this program's source.
    pub fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Text, also inside of a quoted attribute.
    pub fn text(&mut self, text: impl AsRef<str>) -> &mut Self {
        self.0.push_str(&Untrusted::new(text.as_ref()).html());
        self
    }

    /// What an outsider wrote: quoted, and never long enough to push what counts away.
    pub fn quote(&mut self, text: &str) -> &mut Self {
        const CHARACTERS_MAX: usize = 400;
        self.raw("<q class=\"outside\">").text(Untrusted::new(text).shortened(CHARACTERS_MAX).raw()).raw("</q>")
    }

    /// A moment: shown in UTC, for a script to add the reader's own clock.
    pub fn moment(&mut self, at: &str) -> &mut Self {
        let short = at.get(..16).unwrap_or(at).replace('T', " ");
        self.raw("<time datetime=\"").text(at).raw("\">").text(short).raw(" UTC</time>")
    }

    /// One list entry a text.
    pub fn list<T: AsRef<str>>(&mut self, items: impl IntoIterator<Item = T>) -> &mut Self {
        self.raw("<ul>");
        for item in items {
            self.raw("<li>").text(item).raw("</li>");
        }
        self.raw("</ul>")
    }

    /// The hidden field that every form of ours carries.
    pub fn csrf(&mut self, value: &str) -> &mut Self {
        self.raw("<input type=\"hidden\" name=\"csrf\" value=\"").text(value).raw("\">")
    }
}

/// Observe, armed or paused, as the app's bar has it: a class of the stylesheet, a mark, the words.
pub struct Standing {
    class: &'static str,
    mark: &'static str,
    words: String,
}

impl Standing {
    /// Of what `GET /automation` answers.
    pub fn of(mode: &Value) -> Self {
        let armed = || {
            let planes = mode["planes"].as_array().into_iter().flatten().filter(|p| !p["armed_until"].is_null());
            planes.filter_map(|p| p["name"].as_str()).collect::<Vec<_>>().join(", ")
        };
        match mode["mode"].as_str() {
            Some("paused") => {
                let until = mode["until"].as_str().and_then(|at| at.get(..16)).unwrap_or("?").replace('T', " ");
                Self { class: "state amber", mark: "‖", words: format!("PAUSED until {until} UTC") }
            }
            Some("armed") => Self { class: "state busy", mark: "▲", words: format!("ARMED {}", armed()) },
            Some("observe") => Self { class: "state plain", mark: "○", words: "OBSERVES: nothing is changed".to_owned() },
            _ => Self { class: "state amber", mark: "?", words: "it is not known whether anything may be changed".to_owned() },
        }
    }
}

/// A page without script.
pub struct Page {
    status: StatusCode,
    title: String,
    /// Shown to somebody who is signed in: their name and their session's CSRF value.
    signed_in: Option<(String, String)>,
    standing: Option<Standing>,
    pub body: Html,
}

impl Page {
    pub fn new(title: impl Into<String>) -> Self {
        Self { status: StatusCode::OK, title: title.into(), signed_in: None, standing: None, body: Html::default() }
    }

    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// With the way out for somebody who is in.
    pub fn of(mut self, name: impl Into<String>, csrf: impl Into<String>) -> Self {
        self.signed_in = Some((name.into(), csrf.into()));
        self
    }

    /// With what this installation may do.
    pub fn standing(mut self, standing: Standing) -> Self {
        self.standing = Some(standing);
        self
    }

    /// A refusal as a page: the same sentence as the API's problem.
    pub fn refusal(problem: &Problem) -> Self {
        let mut page = Self::new("Not done").with_status(problem.status);
        page.body
            .raw("<p class=\"notice bad\" role=\"alert\">")
            .text(&problem.detail)
            .raw("</p><p><a href=\"/waiting\">What waits for you</a></p>");
        page
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut out = Html::default();
        out.raw("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"dark light\"><title>")
            .text(&self.title)
            .raw(" · Quell</title><link rel=\"stylesheet\" href=\"/assets/base.css\">");
        if let Some(script) = assets::page_script() {
            out.raw("<script type=\"module\" src=\"").text(script).raw("\"></script>");
        }
        out.raw("</head><body class=\"page\"><header class=\"bar\"><a class=\"brand\" href=\"/\">Quell</a>");
        if let Some(Standing { class, mark, words }) = &self.standing {
            out.raw("<span class=\"").raw(class).raw("\"><span aria-hidden=\"true\">").raw(mark).raw("</span> ").text(words).raw("</span>");
        }
        if let Some((name, csrf)) = &self.signed_in {
            out.raw("<nav aria-label=\"Pages\"><a href=\"/waiting\">Waiting</a></nav><form method=\"post\" action=\"/sign-out\" class=\"who\"><span>")
                .text(name)
                .raw("</span>")
                .csrf(csrf)
                .raw("<button class=\"quiet\">Sign out</button></form>");
        }
        out.raw("</header><main><h1>").text(&self.title).raw("</h1>");
        out.0.push_str(&self.body.0);
        out.raw("</main></body></html>");
        (self.status, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], out.0).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        for hostile in
            ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "' onfocus='x", "\u{202e}gnp.exe", "a\0b\u{1b}[2J", "&lt;"]
        {
            let mut html = Html::default();
            html.raw("<p title=\"")
                .text(hostile)
                .raw("\">")
                .text(hostile)
                .raw("</p>")
                .quote(hostile)
                .moment(hostile)
                .list([hostile])
                .csrf(hostile);
            let inside = html.0.replace("<p title=\"", "").replace("</p>", "").replace("<q class=\"outside\">", "").replace("</q>", "");
            assert!(!inside.contains("<script") && !inside.contains("<img") && !inside.contains('\''), "{inside}");
            assert!(!html.0.contains('\u{202e}') && !html.0.contains('\u{1b}') && !html.0.contains('\0'), "{}", html.0);
        }
    }

    #[test]
    fn the_mode_is_said_as_it_is_and_what_is_not_known_is_said() {
        let planes =
            serde_json::json!([{ "name": "pg-<b>", "armed_until": "2026-11-30T13:00:00Z" }, { "name": "bao", "armed_until": null }]);
        let shown = |mode: &str| {
            let value = serde_json::json!({ "mode": mode, "until": "2026-11-30T13:00:00Z", "planes": planes });
            let Standing { class, words, .. } = Standing::of(&value);
            (class, words)
        };
        assert_eq!(shown("paused"), ("state amber", "PAUSED until 2026-11-30 13:00 UTC".to_owned()));
        assert_eq!(shown("armed"), ("state busy", "ARMED pg-<b>".to_owned()));
        assert_eq!(shown("observe").0, "state plain");
        assert_eq!(Standing::of(&Value::Null).class, "state amber");
    }

    #[test]
    fn a_long_text_of_outsiders_ends() {
        let mut html = Html::default();
        html.quote(&"x".repeat(10_000));
        assert!(html.0.len() < 600 && html.0.contains('…'));
    }
}
