//! The built app, out of the binary.

use axum::{
    extract::Path,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::page::Page;

include!(concat!(env!("OUT_DIR"), "/console_assets.rs"));

/// The stylesheet of the pages without script; the app builds on the same.
const STYLE: &[u8] = include_bytes!("../../../../../console/src/style/base.css");

fn find(name: &str) -> Option<&'static [u8]> {
    ASSETS.iter().find(|(n, _)| *n == name).map(|(_, bytes)| *bytes)
}

/// The app's page, or how to get it.
pub async fn app() -> Response {
    match find("index.html") {
        Some(bytes) => ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], bytes).into_response(),
        None => placeholder(),
    }
}

fn placeholder() -> Response {
    let mut page = Page::new("The console is not in this binary");
    page.body
        .raw("<p>This <code>quell</code> was built without Node, so it has no web console yet. Everything else works: the command line, the API, and these pages:</p><ul><li><a href=\"/waiting\">what waits for you</a></li><li><a href=\"/sign-in\">sign in</a></li></ul><h2>To get the console</h2><p>In the repository, with Node 20 or newer (<code>apt-get install nodejs npm</code> on Debian and Ubuntu):</p><pre>make console\ncargo build --release -p quell</pre>");
    page.into_response()
}

/// One file of it.
pub async fn one(Path(name): Path<String>, headers: HeaderMap) -> Response {
    if name == "base.css" {
        return ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")], STYLE).into_response();
    }
    let name = format!("assets/{name}");
    let kind = match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    // Names of built files carry a hash of their content, except the one that
    // the pages without the app name themselves.
    let cache = if name == PAGE_SCRIPT { "no-cache" } else { "public, max-age=31536000, immutable" };
    let packed = headers.get(header::ACCEPT_ENCODING).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains("gzip"));
    let common = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache), (header::VARY, "accept-encoding")];
    match (find(&format!("{name}.gz")).filter(|_| packed), find(&name)) {
        (Some(bytes), _) => (common, [(header::CONTENT_ENCODING, "gzip")], bytes).into_response(),
        (None, Some(bytes)) => (common, bytes).into_response(),
        (None, None) => StatusCode::NOT_FOUND.into_response(),
    }
}

const PAGE_SCRIPT: &str = "assets/page.js";

/// The script that makes a served page tick, where it was built.
pub fn page_script() -> Option<&'static str> {
    find(PAGE_SCRIPT).map(|_| "/assets/page.js")
}
