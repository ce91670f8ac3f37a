//! What comes in: who calls, and a JSON body that is wiped after it was read.

use axum::{
    Json,
    body::Bytes,
    extract::{
        FromRequest, FromRequestParts, Request,
        rejection::{BytesRejection, JsonRejection},
    },
    http::{StatusCode, header, request::Parts},
};
use quell_core::secret::Secret;
use serde::{Deserialize, de::DeserializeOwned};
use zeroize::Zeroize;

use super::{State, problem::Problem};
use crate::access::{
    Denied,
    caller::{Person, Who},
    cookie,
};

/// Whoever a bearer token stands for.
pub struct Caller(pub Who);

/// An account: a signed-in person or a machine token, and not a source.
pub struct Account(pub Person);

/// The token of `Authorization: Bearer`.
pub fn bearer(parts: &Parts) -> Option<&str> {
    let value = parts.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && token.len() <= 256).then(|| token.trim())
}

/// Whose sign-in session the request's cookie is, and its token. An
/// `Authorization` header that was not understood is not replaced by a cookie.
pub async fn visitor(parts: &Parts, app: &State) -> Result<(Person, String), Problem> {
    if parts.headers.contains_key(header::AUTHORIZATION) {
        return Err(Denied::NoToken.into());
    }
    let token = cookie::token(&parts.headers, app.secure()).ok_or(Denied::NoToken)?;
    match app.accounts.authenticate(token).await? {
        // A machine token in a cookie is nobody who signed in.
        Who::Person(person) if person.caller.signed_in => Ok((person, token.to_owned())),
        _ => Err(Denied::BadToken.into()),
    }
}

impl FromRequestParts<State> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &State) -> Result<Self, Problem> {
        if let Some(token) = bearer(parts) {
            return Ok(Self(app.accounts.authenticate(token).await?));
        }
        let (person, token) = visitor(parts, app).await?;
        if cookie::changes(&parts.method) {
            let given = parts.headers.get(cookie::CSRF_HEADER).and_then(|v| v.to_str().ok()).unwrap_or_default();
            if cookie::is_from_elsewhere(&parts.headers, app.public_url.as_deref()) || !cookie::csrf_is_right(&token, given) {
                return Err(Denied::NotFromOurPage.into());
            }
        }
        Ok(Self(Who::Person(person)))
    }
}

impl FromRequestParts<State> for Account {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &State) -> Result<Self, Problem> {
        match Caller::from_request_parts(parts, app).await?.0 {
            Who::Person(person) => Ok(Self(person)),
            Who::Sender(_) => Err(Problem::forbidden("the token of a source only sends alerts; sign in with `quell login`")),
        }
    }
}

/// A JSON body.
pub struct Input<T>(pub T);

impl<T: DeserializeOwned> FromRequest<State> for Input<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &State) -> Result<Self, Problem> {
        let bytes = Bytes::from_request(request, app).await.map_err(|e| unread(&e, super::JSON_BYTES_MAX))?;
        // An order without details may come without a body.
        let read = if bytes.trim_ascii().is_empty() { Json::from_bytes(b"{}") } else { Json::from_bytes(&bytes) };
        wipe(bytes);
        read.map(|Json(value)| Self(value)).map_err(|e| misread(&e))
    }
}

/// Takes the bytes out of memory, where nobody else holds them.
pub fn wipe(bytes: Bytes) {
    if let Ok(mut bytes) = bytes.try_into_mut() {
        bytes.zeroize();
    }
}

/// A body that could not be read.
pub fn unread(rejection: &BytesRejection, most: usize) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::too_large(most);
    }
    Problem::malformed("", "the body was cut short")
}

/// `Failed to ...: roles[0]: unknown variant` -> path and sentence. Quoted text
/// of the input is left out: it may be a secret in the wrong place.
fn misread(rejection: &JsonRejection) -> Problem {
    let text = rejection.body_text();
    let said = text.split_once(": ").map_or(text.as_str(), |(_, said)| said);
    match rejection {
        JsonRejection::JsonDataError(_) => {
            let (path, why) = match said.split_once(": ") {
                Some((path, why)) if !path.contains(' ') => (path, why),
                _ => ("", said),
            };
            Problem::invalid(path, format!("at `{}`: {}", if path.is_empty() { "." } else { path }, unquoted(why)))
        }
        _ => Problem::malformed("", format!("the body is not JSON: {}", unquoted(said))),
    }
}

fn unquoted(text: &str) -> String {
    text.split('"').enumerate().map(|(n, part)| if n % 2 == 0 { part } else { "\"..\"" }).collect()
}

/// A secret in a body: never shown, wiped when dropped.
pub struct Hidden(pub Secret);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize, Debug)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Shape {
        roles: Vec<u8>,
    }

    #[test]
    fn a_misread_body_names_the_path_and_repeats_no_text() {
        for (body, status, wanted) in
            [(r#"{"roles":[1,"hunter2"]}"#, 422, "roles[1]"), (r#""hunter2""#, 422, "`.`"), (r#"{"roles":[1,"hunter2]}"#, 400, "not JSON")]
        {
            let problem = format!("{:?}", misread(&Json::<Shape>::from_bytes(body.as_bytes()).expect_err(body)));
            assert!(problem.contains(wanted) && problem.contains(&status.to_string()) && !problem.contains("hunter2"), "{problem}");
        }
    }
}
