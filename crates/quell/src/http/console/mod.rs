//! The web console: the built app out of the binary, and the pages that work
//! without script: signing in, what waits for one, approval, evidence.
//!
//! A page is made here of fixed HTML and of text that went through the escaper
//! ([`page::Html`]); it uses the same engine, the same policy and the same
//! refusals as the API. Every answer carries a content security policy without
//! inline script or style, and nothing is loaded from elsewhere.

mod approval;
mod assets;
mod evidence;
mod page;
mod sign_in;
mod visitor;
mod waiting;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderValue, header},
    middleware::Next,
    response::Response,
    routing::get,
};

use super::State;

/// A form has a few fields and one sentence.
const FORM_BYTES_MAX: usize = 64 * 1024;

pub fn routes() -> Router<State> {
    Router::new()
        .route("/", get(assets::app))
        .route("/inbox", get(assets::app))
        .route("/cases/{id}", get(assets::app))
        .route("/identities", get(assets::app))
        .route("/planes", get(assets::app))
        .route("/policy", get(assets::app))
        .route("/ledger", get(assets::app))
        .route("/audit", get(assets::app))
        .route("/measures", get(assets::app))
        .route("/start", get(assets::app))
        .route("/assets/{*name}", get(assets::one))
        .route("/sign-in", get(sign_in::show).post(sign_in::enter))
        .route("/sign-out", axum::routing::post(sign_in::leave))
        .route("/waiting", get(waiting::show))
        .route("/cases/{id}/approval/{plan}", get(approval::show).post(approval::answer))
        .route("/cases/{id}/evidence", get(evidence::show).post(evidence::download))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(axum::middleware::from_fn(guard))
}

/// Only our own files, no inline script or style, in no frame, no form to elsewhere.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

async fn guard(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: with it browsers hide the origin of our own forms, too.
        (header::REFERRER_POLICY, "same-origin"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
