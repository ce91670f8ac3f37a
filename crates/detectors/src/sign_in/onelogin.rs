//! OneLogin events: of the Events API, of webhooks.
//!
//! `user` is whom an event is about, `actor_user` who did it; when somebody
//! assumes another's account, the account is the assumed one's. `risk_score` is
//! OneLogin's confidence.

use std::ops::ControlFlow;

use crate::json::Value;
use quell_core::signal::{CredentialKind, IdentityKind, ObservedFrom, Readout, SignalKind};

use crate::{
    field::{field, integer, text},
    reading::Reading,
    record::Records,
    statement::{Named, Party, Statement},
};

/// The detector's name.
pub const NAME: &str = "onelogin";
/// What it reads.
pub const READS: &str = "OneLogin events: of the API, of webhooks";

const RECORDS: Records = Records {
    what: "event of OneLogin",
    is_one: |v| field(v, "event_type_id").is_some(),
    marks: "`event_type_id` is not given",
    inside: &[&["data"], &["detail"], &["events"]],
    empty_is_an_answer: false,
};

/// Reads events.
pub fn read(bytes: &[u8]) -> Readout {
    RECORDS.read(bytes, &mut event)
}

/// Whether `first` is an event of OneLogin.
pub fn recognises(first: &Value) -> bool {
    RECORDS.recognises(first)
}

fn event(event: &Value, reading: &mut Reading) -> ControlFlow<()> {
    let type_id = text(event, "event_type_id").unwrap_or_default();
    let name = ["event_type_name", "event_type", "name"].iter().find_map(|n| text(event, n)).unwrap_or_default();
    let (kind, words) = nature(&type_id, &name);
    let mut said = Statement::new(NAME, kind, format!("OneLogin event {type_id}: {words}"));
    let login = |who: &str| text(event, &format!("{who}_name")).or_else(|| text(event, &format!("{who}_email")));
    let party = |who: &str| Party::new(IdentityKind::Human, [text(event, &format!("{who}_id")), login(who)], [login(who)]);
    let (user, actor) = (party("user"), party("actor_user"));
    if user.is_named() {
        said.subject = user;
        if actor.is_other_than(&said.subject) {
            said.actor = actor;
        }
    } else {
        said.because("no affected user is named; the signal is about who acted");
        said.subject = actor;
    }
    if let Some(assumed_by) = Party::of(event, IdentityKind::Human, &["assuming_acting_user_id"], &[]).id
        && !said.actor.is_named()
    {
        said.actor = Party::new(IdentityKind::Human, [Some(assumed_by)], []);
        said.because("somebody else acted in this user's account");
    }
    said.system = Some(text(event, "account_id").map_or_else(|| "onelogin".into(), |id| format!("onelogin:{id}")));
    said.because("OneLogin gives no severity");
    if let Some(score) = integer(event, "risk_score") {
        said.confidence = Some(format!("risk_score: {score}"));
        // From here on OneLogin calls a sign-in one of medium risk.
        if score >= 50 && said.kind == SignalKind::SessionEvent {
            said.kind = SignalKind::RiskySignIn;
        }
    }
    if ["deactivat", "suspend", "locked"].iter().any(|w| words.contains(w)) && !words.contains("unlock") {
        said.because("the account may have been closed to its user; the event's type alone does not prove it");
    }
    said.credential = Named::with_id(CredentialKind::OauthClient, text(event, "client_id"));
    said.seen_from([text(event, "ipaddr"), text(event, "ip"), text(event, "proxy_ip")]);
    let id = text(event, "id").or_else(|| text(event, "uuid"));
    said.key = vec![id.unwrap_or_default(), type_id, text(event, "app_id").unwrap_or_default(), text(event, "role_id").unwrap_or_default()];
    reading.record(Ok(
        said.detected([(ObservedFrom::Event, field(event, "created_at")), (ObservedFrom::Event, field(event, "event_timestamp"))])
    ))
}

/// What happened, by OneLogin's number for it or, where the message spells it
/// out, by name. Numbers are OneLogin's own and most of its several hundred are
/// about applications and directories.
fn nature(id: &str, name: &str) -> (SignalKind, String) {
    let known = match id {
        "1" | "2" => Some((SignalKind::PrivilegeChange, "application added to or removed from role")),
        "3" => Some((SignalKind::SessionEvent, "user assumed another user")),
        "4" => Some((SignalKind::PrivilegeChange, "role assigned to user")),
        "5" => Some((SignalKind::SessionEvent, "user signed in")),
        "6" => Some((SignalKind::RiskySignIn, "user failed to sign in")),
        "7" => Some((SignalKind::SessionEvent, "user signed out")),
        "8" => Some((SignalKind::SessionEvent, "user signed in to application")),
        "11" => Some((SignalKind::CredentialChange, "user changed password")),
        "13" => Some((SignalKind::AccountChange, "user created")),
        "14" => Some((SignalKind::AccountChange, "user updated")),
        "15" => Some((SignalKind::AccountChange, "user deactivated")),
        "16" => Some((SignalKind::AccountChange, "user activated")),
        "17" => Some((SignalKind::AccountChange, "user deleted")),
        "24" | "172" => Some((SignalKind::CredentialChange, "second factor removed")),
        "72" | "165" => Some((SignalKind::PrivilegeChange, "administrative privilege granted")),
        "90" => Some((SignalKind::PolicyViolation, "user was refused an application")),
        "240" => Some((SignalKind::CredentialChange, "stored password was read")),
        _ => None,
    };
    if let Some((kind, words)) = known {
        return (kind, words.into());
    }
    let lower = name.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| lower.contains(w));
    let kind = if has(&["password", "otp", "factor", "certificate", "credential", "token"]) {
        SignalKind::CredentialChange
    } else if has(&["privilege", "role", "admin"]) {
        SignalKind::PrivilegeChange
    } else if has(&["failed", "denied", "risk", "rejected"]) {
        SignalKind::RiskySignIn
    } else if has(&["logged", "login", "session", "assumed"]) {
        SignalKind::SessionEvent
    } else if has(&["user", "locked", "suspend", "activat"]) {
        SignalKind::AccountChange
    } else {
        SignalKind::Other
    };
    (kind, if lower.is_empty() { "of a type without a name".into() } else { lower })
}
