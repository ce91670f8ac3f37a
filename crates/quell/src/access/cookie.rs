//! The sign-in session of a browser: the same token as `quell login` gives, in a
//! cookie that no script can read.
//!
//! A cookie is sent by the browser, whoever made it send. So a request that
//! changes something must also carry the session's CSRF value, which is derived
//! from the token and shown to pages of this origin alone, and it must not say
//! that it comes from elsewhere. `SameSite=Strict` is the third lock, not the only one.

use axum::http::{HeaderMap, Method, header};
use hmac::{Hmac, Mac};
use quell_core::secret::hex;
use sha2::Sha256;

/// The header of a script's request, and the field of a form.
pub const CSRF_HEADER: &str = "quell-csrf";

const PLAIN: &str = "quell_session";
/// The prefix binds it to this host and to TLS: a neighbour cannot set it.
const SECURE: &str = "__Host-quell_session";

/// The session token of the request, if its cookie has one.
pub fn token(headers: &HeaderMap, secure: bool) -> Option<&str> {
    let name = name(secure);
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(';'));
    let mut found = cookies.filter_map(|c| c.trim().split_once('=')).filter(|(n, _)| *n == name).map(|(_, value)| value);
    // Two of one name: somebody else set one of them, and which is first says nothing.
    found.next().filter(|token| !token.is_empty() && token.len() <= 256 && found.next().is_none())
}

fn name(secure: bool) -> &'static str {
    if secure { SECURE } else { PLAIN }
}

/// The `Set-Cookie` that begins a session.
pub fn begin(token: &str, seconds: i64, secure: bool) -> String {
    format!("{}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{}", name(secure), if secure { "; Secure" } else { "" })
}

/// The `Set-Cookie` that ends it.
pub fn end(secure: bool) -> String {
    begin("", 0, secure)
}

/// What a request that changes something must carry beside the cookie.
pub fn csrf(token: &str) -> String {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(token.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(b"quell csrf 1");
    hex(&mac.finalize().into_bytes())
}

/// Is `given` the session's? In constant time.
pub fn csrf_is_right(token: &str, given: &str) -> bool {
    let Some(given) = quell_core::secret::unhex(given) else { return false };
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(token.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(b"quell csrf 1");
    mac.verify_slice(&given).is_ok()
}

/// May it change something?
pub fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Does the browser say that another origin sent it? One that says nothing is no
/// browser of today, and has no cookie of ours to abuse.
pub fn is_from_elsewhere(headers: &HeaderMap, public_url: Option<&str>) -> bool {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    if text("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none") {
        return true;
    }
    let Some(origin) = text("origin") else { return false };
    let authority = |url: &str| url.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or_default().to_ascii_lowercase());
    let Some(from) = authority(origin) else { return true };
    let ours = text("host").map(str::to_ascii_lowercase);
    Some(&from) != ours.as_ref() && Some(from) != public_url.and_then(authority)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (header::HeaderName::from_static(n), HeaderValue::from_str(v).expect("a value"))).collect()
    }

    #[test]
    fn the_cookie_is_found_by_its_whole_name_and_only_once() {
        let found = |text: &str, secure| token(&headers(&[("cookie", text)]), secure).map(str::to_owned);
        assert_eq!(found("a=b; quell_session=quell_x; c=d", false).as_deref(), Some("quell_x"));
        assert_eq!(found("__Host-quell_session=quell_x", true).as_deref(), Some("quell_x"));
        for (text, secure) in [
            ("quell_session=quell_x", true),
            ("__Host-quell_session=quell_x", false),
            ("xquell_session=quell_x", false),
            ("quell_session=", false),
            ("quell_session=quell_x; quell_session=quell_y", false),
        ] {
            assert_eq!(found(text, secure), None, "{text}");
        }
    }

    #[test]
    fn no_script_reads_it_and_no_other_site_sends_it() {
        let set = begin("quell_x", 60, true);
        for wanted in ["__Host-quell_session=quell_x", "HttpOnly", "SameSite=Strict", "Secure", "Path=/", "Max-Age=60"] {
            assert!(set.contains(wanted), "{wanted} in {set}");
        }
        assert!(!begin("quell_x", 60, false).contains("Secure"));
    }

    #[test]
    fn the_csrf_value_is_of_one_session_and_does_not_show_it() {
        let value = csrf("quell_x");
        assert!(csrf_is_right("quell_x", &value));
        assert!(!csrf_is_right("quell_y", &value) && !csrf_is_right("quell_x", "") && !csrf_is_right("quell_x", "zz"));
        assert!(!value.contains("quell_x"));
    }

    #[test]
    fn another_origin_is_seen_by_what_the_browser_says() {
        for (pairs, elsewhere) in [
            (vec![("sec-fetch-site", "cross-site")], true),
            (vec![("sec-fetch-site", "same-site")], true),
            (vec![("sec-fetch-site", "same-origin"), ("origin", "http://h:1"), ("host", "h:1")], false),
            (vec![("origin", "http://evil.example"), ("host", "h:1")], true),
            (vec![("origin", "null"), ("host", "h:1")], true),
            (vec![("origin", "https://quell.corp.example"), ("host", "127.0.0.1:8080")], false),
            (vec![("host", "h:1")], false),
        ] {
            assert_eq!(is_from_elsewhere(&headers(&pairs), Some("https://quell.corp.example/")), elsewhere, "{pairs:?}");
        }
    }
}
