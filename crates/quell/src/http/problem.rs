//! Every refusal as a problem document (RFC 9457), made in this one place.
//!
//! The detail is the sentence of whoever refused; it ends with the next move
//! and never repeats what the caller sent as a secret.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use quell_engine::Failure;
use serde_json::json;

use crate::access::Denied;

/// What goes back instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub status: StatusCode,
    code: &'static str,
    pub detail: String,
    /// Where in the input it lies.
    path: Option<String>,
    retry_after: Option<i64>,
}

/// What a handler answers.
pub type Answer<T> = Result<T, Problem>;

impl Problem {
    /// The input does not have the wanted form.
    pub fn malformed(path: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..Self::new(StatusCode::BAD_REQUEST, "malformed", detail) }
    }

    /// The input has the form and makes no sense.
    pub fn invalid(path: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { path: Some(path.into()), ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail) }
    }

    /// Known, and not for this.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    /// There is no such thing.
    pub fn unknown(what: impl std::fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "unknown", format!("there is no {what}"))
    }

    /// More bytes than are taken.
    pub fn too_large(most: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("the body has more than {most} bytes; send less at once"))
    }

    /// Faster than is taken.
    pub fn too_fast(seconds: i64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_fast", format!("too much at once; wait {seconds} s"))
        }
    }

    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), path: None, retry_after: None }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let detail = failure.to_string();
        match failure {
            Failure::Stale => Self::new(StatusCode::CONFLICT, "stale", detail),
            Failure::Unavailable(_) => Self { retry_after: Some(5), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail) },
            Failure::Unknown(_) => Self::new(StatusCode::NOT_FOUND, "unknown", detail),
            // What `may` refuses is about who asks; everything else about how things stand.
            Failure::Refused(_) if detail.contains("` is not permitted") => Self::new(StatusCode::FORBIDDEN, "not_permitted", detail),
            Failure::Refused(_) => Self::new(StatusCode::CONFLICT, "refused", detail),
            Failure::Damaged(_) | Failure::Sealed(_) => {
                tracing::error!(error = %detail, "a request met damage");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "damaged", "the record contradicts itself; the server's log says where")
            }
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let detail = denied.to_string();
        match denied {
            Denied::NoToken | Denied::BadToken | Denied::WrongLogin | Denied::BadSignature(_) => {
                Self::new(StatusCode::UNAUTHORIZED, "not_signed_in", detail)
            }
            Denied::TooManyTries(seconds) => {
                Self { retry_after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tries", detail) }
            }
            Denied::NotHere(_) | Denied::NotFromOurPage => Self::forbidden(detail),
            Denied::Invalid(_) => Self::invalid("", detail),
            Denied::Failure(failure) => failure.into(),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut body = json!({
            "type": format!("about:blank#{}", self.code),
            "title": self.status.canonical_reason().unwrap_or("Problem"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if let Some(path) = self.path.filter(|p| !p.is_empty()) {
            body["path"] = json!(path);
        }
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, header::HeaderValue::from(seconds.unsigned_abs()));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// No such path.
pub async fn nowhere() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "unknown", "there is no such path; `/api/v1/openapi.json` lists them")
}

/// The path, and not this method.
pub async fn not_so() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "this path does not take this method; `/api/v1/openapi.json` lists them")
}
