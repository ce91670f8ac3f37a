//! Alerts in: durable before anybody is told 202, filed at once when the node
//! has room, and, where the sender wants to wait, answered with the proven cases.

use std::{collections::BTreeSet, time::Duration};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, Request, State as Shared},
    http::{HeaderMap, StatusCode, request::Parts},
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use quell_core::{
    decision::Verb,
    event::SourceCreated,
    id::{AlertId, StreamId},
    time::{Timestamp, after},
    view,
};
use quell_engine::{Failure, Told};
use serde_json::{Value, json};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State, cases,
    input::{self, Account, Caller},
    problem::{Answer, Problem},
    shown,
};
use crate::access::{
    Denied,
    caller::{Sender, Who},
    signature::{self, Signature},
};

pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(show))
}

/// May read more and wait longer than other requests.
pub fn patient() -> OpenApiRouter<State> {
    OpenApiRouter::new().routes(routes!(send)).routes(routes!(fold))
}

/// The longest that `Prefer: wait` waits (RFC 7240).
const WAIT_SECONDS_MAX: u64 = 60;
/// How long a body may take to arrive.
const BODY_SECONDS_MAX: u64 = 30;
/// How long the scheduler leaves an alert to whoever files it at once; a crash
/// in between costs this much.
const FILING_SECONDS: i64 = 5;

/// Sends one message of a detector, whatever is in it.
#[utoipa::path(post, path = "/alerts/{name}", tag = "alerts", params(("name" = String, Path), ("Prefer" = Option<String>, Header, description = "`wait=SECONDS`, at most 60; needs the scope `cases:read`"), ("Quell-Signature" = Option<String>, Header, description = "`t=UNIX,n=NONCE,v1=HEX` instead of a token")),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "the message as the detector made it"),
    responses((status = 202, description = "`{alert_id}`: durable", body = Object), (status = 200, description = "waited: `{alert_id, id, state, findings, cases}`", body = Object),
        (status = 401), (status = 403, description = "the token of another source"), (status = 404, description = "no such source"), (status = 409, description = "a replay"), (status = 413), (status = 429), (status = 503, description = "nothing was stored")))]
async fn send(Shared(app): Shared<State>, Path(name): Path<String>, request: Request) -> Answer<Response> {
    let (parts, body) = request.into_parts();
    let now = app.engine.ports.clock.now();
    let (sender, signature) = who_sends(&app, &parts, &name, now).await?;
    app.buckets.take(&name, now).map_err(Problem::too_fast)?;
    let bytes = whole(body, app.max_body).await?;
    let alert = match &signature {
        Some(signature) => {
            let key = app.engine.source_key(&sender.source).await?.ok_or(Denied::BadSignature("this source does not sign"))?;
            signature.check(&key, &bytes).map_err(|why| refuse(&app, &name, "wrongly signed", why))?;
            signature.alert(&app.engine.settings.key, sender.source.source.as_str())
        }
        None => AlertId::from_chance(app.engine.ports.chance.id()),
    };
    let wait = wanted_wait(&parts.headers).filter(|_| sender.scopes.iter().any(|s| s == "cases:read"));

    // Before the alert is stored, so that nothing that follows from it is missed.
    let told = app.engine.watch();
    let stored = store(&app, &sender.source, bytes, &alert).await;
    let filing = match stored {
        Ok(filing) => filing,
        Err(Failure::Stale) if signature.is_some() => {
            return Err(refuse(&app, &name, "replayed", "this message came before; sign each with a nonce of its own"));
        }
        Err(failure) => return Err(failure.into()),
    };
    metrics::counter!("quell_alerts_received_total", "source" => name).increment(1);
    if let Some(seconds) = wait
        && app.engine.may(&sender.caller(), Verb::Read, None, &[]).await.is_ok()
    {
        let mut stop = app.stop.clone();
        let waited = tokio::select! {
            waited = settled(&app, &alert, filing, told) => waited?,
            () = tokio::time::sleep(Duration::from_secs(seconds)) => None,
            _ = stop.wait_for(|stop| *stop) => None,
        };
        if let Some(answer) = waited {
            return Ok(Json(answer).into_response());
        }
    }
    Ok((StatusCode::ACCEPTED, Json(json!({ "alert_id": alert }))).into_response())
}

/// What a message of this source would fold into, by which rule and key. Nothing is
/// written, and no plane is asked.
#[utoipa::path(post, path = "/alerts/{name}/fold", tag = "alerts", params(("name" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "the message as the detector made it"),
    responses((status = 200, description = "`{signals: [{n, kind, subject, rule, key, because, fold, case, opens_case, finding, joins, counts, asks_again, timing, recurs}], unreadable}`; `finding` is what it joins, or what it would stand apart from", body = Object),
        (status = 403), (status = 404, description = "no such source"), (status = 413)))]
async fn fold(Shared(app): Shared<State>, Account(person): Account, Path(name): Path<String>, body: Body) -> Answer<Json<Value>> {
    app.engine.may(&person.caller, Verb::Read, None, &[]).await?;
    let Some(source) = app.engine.source(&name).await? else {
        return Err(Problem::unknown(format!("source `{}`", name.escape_default())));
    };
    let bytes = whole(body, app.max_body).await?;
    let previewed = app.engine.preview(&source, &bytes).await;
    input::wipe(bytes);
    let (placed, unreadable) = previewed?;
    let signals: Vec<Value> = placed
        .iter()
        .enumerate()
        .map(|(n, p)| {
            let joins = p.beside.as_ref() == Some(&p.finding);
            json!({ "n": n, "kind": p.kind, "subject": p.subject, "rule": p.rule, "key": p.rule.key(), "because": p.rule.in_words(), "fold": p.fold,
                "case": Some(&p.case).filter(|_| !p.opens_case), "opens_case": p.opens_case, "finding": p.beside, "joins": joins, "counts": p.counts,
                "asks_again": p.asks_again, "timing": p.timing, "recurs": p.recurs })
        })
        .collect();
    Ok(Json(json!({ "signals": signals, "unreadable": unreadable })))
}

/// The source and, where the message is signed, its signature; a token speaks for itself.
async fn who_sends(app: &State, parts: &Parts, name: &str, now: Timestamp) -> Answer<(Sender, Option<Signature>)> {
    if let Some(token) = input::bearer(parts) {
        let who = app.accounts.authenticate(token).await?;
        let Some(source) = app.engine.source(name).await? else {
            return Err(Problem::unknown(format!("source `{}`", name.escape_default())));
        };
        return match who {
            Who::Sender(sender) if sender.source.source == source.source && sender.scopes.iter().any(|s| s == "alerts:write") => {
                Ok((sender, None))
            }
            Who::Sender(_) => Err(Problem::forbidden("the token is not one that may send alerts of this source")),
            Who::Person(_) => Err(Problem::forbidden("alerts are sent with the token of their source; `quell source create` makes one")),
        };
    }
    let header = parts.headers.get(signature::HEADER).ok_or(Denied::NoToken)?;
    let signature = header.to_str().map_err(|_| Denied::NoToken).and_then(|text| Signature::parse(text).map_err(Denied::BadSignature))?;
    // To somebody who has shown nothing yet, all of these look alike.
    let source = app.engine.source(name).await?.filter(|s| s.hmac_key.is_some());
    let source = source.ok_or(Denied::BadSignature("the signature is not one of this source over this body"))?;
    signature.check_time(now).map_err(|why| refuse(app, name, "wrong time", why))?;
    let scopes = vec!["alerts:write".to_owned()];
    Ok((Sender { source: std::sync::Arc::new(source), scopes }, Some(signature)))
}

/// Counts a refused message.
fn refuse(app: &State, name: &str, counted: &'static str, why: &'static str) -> Problem {
    app.refusals.count(name, counted);
    match counted {
        "replayed" => Failure::Refused(why.to_owned()).into(),
        _ => Denied::BadSignature(why).into(),
    }
}

/// The whole body, or why not. What is too large is read to its end, up to four
/// times the limit, and thrown away: a sender that still writes would otherwise
/// see a broken connection and not the answer.
async fn whole(body: Body, most: usize) -> Answer<Bytes> {
    let reading = async {
        let mut stream = body.into_data_stream();
        let mut first: Option<Bytes> = None;
        let mut rest = zeroize::Zeroizing::new(Vec::new());
        let mut seen = 0_usize;
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| Problem::malformed("", "the body was cut short"))?;
            seen += chunk.len();
            if seen > most.saturating_mul(4) {
                break;
            }
            if seen > most {
                continue;
            }
            // Most alerts come in one piece, which is then not copied.
            match first.take() {
                None if rest.is_empty() => first = Some(chunk),
                None => rest.extend_from_slice(&chunk),
                Some(start) => {
                    rest.reserve(start.len() + chunk.len());
                    rest.extend_from_slice(&start);
                    rest.extend_from_slice(&chunk);
                    input::wipe(start);
                }
            }
        }
        if seen > most {
            return Err(Problem::too_large(most));
        }
        Ok(match first {
            Some(bytes) => bytes,
            None => Bytes::from(std::mem::take(&mut *rest)),
        })
    };
    match tokio::time::timeout(Duration::from_secs(BODY_SECONDS_MAX), reading).await {
        Ok(read) => read,
        Err(_) => Err(Problem::malformed("", format!("the body did not arrive within {BODY_SECONDS_MAX} s"))),
    }
}

/// The filing that goes on at once, if the node has room for it.
type Filing = Option<tokio::task::JoinHandle<()>>;

/// Stores durably, and begins filing: a task of its own, so that a sender who
/// hangs up changes nothing.
async fn store(app: &State, source: &SourceCreated, bytes: Bytes, alert: &AlertId) -> Result<Filing, Failure> {
    let now = app.engine.ports.clock.now();
    let place = app.filing.clone().try_acquire_owned().ok();
    let due = if place.is_some() { after(now, FILING_SECONDS) } else { now };
    let stored = app.engine.receive_as(source, &bytes, alert, due).await;
    input::wipe(bytes);
    stored?;
    let Some(place) = place else {
        app.engine.wake();
        return Ok(None);
    };
    let (engine, alert) = (app.engine.clone(), alert.clone());
    Ok(Some(tokio::spawn(async move {
        if let Err(failure) = engine.file(&alert).await {
            // The job is still there; the scheduler tries again.
            tracing::warn!(%alert, error = %failure, "an alert was not filed at once");
        }
        drop(place);
    })))
}

/// `Prefer: wait=SECONDS`, bounded.
fn wanted_wait(headers: &HeaderMap) -> Option<u64> {
    let preferences = headers.get_all("prefer").iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split([',', ';']));
    let wait = preferences.filter_map(|p| p.trim().strip_prefix("wait=")).find_map(|n| n.trim_matches('"').parse::<u64>().ok())?;
    Some(wait.min(WAIT_SECONDS_MAX))
}

/// The alert with its cases in full, once every subject of them is proved or
/// waits for a person. Looks again only when something of them was recorded. Nobody waits
/// for the cases of a message that was filed in parts.
async fn settled(app: &State, alert: &AlertId, filing: Filing, mut told: Receiver<Told>) -> Result<Option<Value>, Failure> {
    if let Some(filing) = filing {
        // A filing that failed is told to the log and tried again.
        let _ = filing.await;
    }
    let mut watched = BTreeSet::from([StreamId::alert(alert)]);
    loop {
        if let Some(filed) = app.engine.alert(alert).await?.and_then(|a| a.filed) {
            if filed.parts.is_some() {
                return Ok(None);
            }
            let mut grounds = Vec::new();
            for case in &filed.cases {
                grounds.extend(app.engine.ground(case).await?);
            }
            let now = app.engine.ports.clock.now();
            if grounds.iter().all(|g| view::is_settled(&g.situation(), now)) {
                let mut cases = Vec::new();
                for ground in &grounds {
                    cases.push(shown::of_ground(app, ground).await?);
                }
                let findings = &filed.findings;
                return Ok(Some(json!({ "alert_id": alert, "id": alert, "state": filed.state(), "findings": findings, "cases": cases })));
            }
            watched.extend(grounds.iter().flat_map(cases::linked));
            // Arming or pausing decides a waiting plan anew.
            watched.insert(StreamId::policy());
        }
        something_of(&watched, &mut told).await;
    }
}

/// Returns once one of the streams moved, having read everything told so far.
async fn something_of(watched: &BTreeSet<StreamId>, told: &mut Receiver<Told>) {
    loop {
        match told.recv().await {
            Ok(event) if watched.contains(&event.stream) => break,
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => break,
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
    // One look answers for all that came together.
    while told.try_recv().is_ok() {}
}

/// Where an alert went.
#[utoipa::path(get, path = "/alerts/{name}", tag = "alerts", params(("name" = String, Path)),
    responses((status = 200, description = "`{id, state: stored|filed|unreadable, findings, cases}`", body = Object), (status = 403), (status = 404)))]
async fn show(Shared(app): Shared<State>, Caller(who): Caller, Path(id): Path<String>) -> Answer<Json<Value>> {
    let (caller, own) = match &who {
        Who::Person(person) => (person.caller.clone(), None),
        Who::Sender(sender) => (sender.caller(), Some(&sender.source.source)),
    };
    app.engine.may(&caller, Verb::Read, None, &[]).await?;
    let unknown = || Problem::unknown(format!("alert `{}`", id.escape_default()));
    let state = app.engine.alert(&AlertId::new(id.clone())).await?.ok_or_else(unknown)?;
    // Another sender's alerts do not exist for a sender.
    if own.is_some_and(|own| *own != state.received.source) {
        return Err(unknown());
    }
    // Of one moment: what is filed while this is asked has its state and its cases, or neither.
    Ok(Json(match state.filed {
        Some(filed) => {
            let went = app.engine.filed_as(&filed).await?;
            json!({ "id": id, "state": filed.state(), "findings": went.findings, "cases": went.cases })
        }
        None => json!({ "id": id, "state": "stored", "findings": [], "cases": [] }),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preference_to_wait_is_read_and_bounded() {
        for (text, wanted) in [
            ("wait=10", Some(10)),
            ("respond-async, wait=5", Some(5)),
            ("wait=999", Some(60)),
            ("wait=\"7\"", Some(7)),
            ("wait", None),
            ("wait=soon", None),
            ("return=minimal", None),
        ] {
            let headers = HeaderMap::from_iter([(axum::http::HeaderName::from_static("prefer"), text.parse().expect("a value"))]);
            assert_eq!(wanted_wait(&headers), wanted, "{text}");
        }
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_whole_and_one_too_large_is_refused() {
        let pieces = |sizes: &[usize]| {
            let chunks: Vec<Result<Bytes, std::io::Error>> = sizes.iter().map(|n| Ok(Bytes::from(vec![7; *n]))).collect();
            Body::from_stream(futures::stream::iter(chunks))
        };
        for (sizes, length) in [
            (&[][..], Some(0)),
            (&[5], Some(5)),
            (&[5, 5], Some(10)),
            (&[3, 3, 4], Some(10)),
            (&[11], None),
            (&[6, 6, 6], None),
            (&[100, 1], None),
        ] {
            assert_eq!(whole(pieces(sizes), 10).await.ok().map(|b| b.len()), length, "{sizes:?}");
        }
    }
}
