//! Whom a Teleport event is about.

use crate::json::Value;
use quell_core::signal::IdentityKind;

use crate::{
    field::{at, field, integer, text, text_at},
    statement::{Party, Statement},
};

/// Fills in subject and actor.
pub fn fill(event: &Value, name: &str, said: &mut Statement) {
    let actor = user(event);
    let about = match name {
        "lock.created" => locked(event),
        _ if name.starts_with("cert.") => certified(event),
        _ if name.starts_with("bot.") => bot(event),
        _ if name.contains("svid") || name.starts_with("workload_identity") => workload(event),
        _ if name == "instance.join" => instance(event),
        // Resource events: `user` made the change, `name` is the user changed.
        "user.create" | "user.update" | "user.delete" | "reset_password_token.create" => {
            let named = Party::of(event, IdentityKind::Human, &["name"], &["name"]);
            let kind = kind_of_user(event, named.id.as_deref(), false);
            Some(named.of_kind(kind))
        }
        _ if name.starts_with("access_list.member") => {
            let member = at(event, &["members"]).and_then(Value::as_array).and_then(|m| m.first());
            member.map(|m| Party::of(m, IdentityKind::Human, &["member_name", "name"], &["member_name"]))
        }
        "access_request.review" if !actor.is_named() => Some(Party::of(event, IdentityKind::Human, &["reviewer"], &["reviewer"])),
        _ if name.starts_with("device") => {
            let device = field(event, "device").unwrap_or(&Value::Null);
            Some(Party::of(device, IdentityKind::Device, &["device_id", "asset_tag"], &["asset_tag"])).filter(|_| !actor.is_named())
        }
        _ => None,
    };
    let by = Party::of(event, IdentityKind::Human, &["updated_by"], &["updated_by"]);
    match about.filter(Party::is_named) {
        Some(about) => {
            let who = actor.or_else(|| by);
            said.actor = Some(who).filter(|w| w.is_other_than(&about)).unwrap_or_default();
            said.subject = about;
        }
        // What was cut is no identity; who cut it is not whom this is about.
        None if name == "lock.created" || name.ends_with(".delete") => said.actor = actor.or_else(|| by),
        None => {
            said.subject = actor.or_else(|| by);
            if let Some(impersonator) = text(event, "impersonator").filter(|i| said.subject.id.as_ref() != Some(i)) {
                said.actor = Party::new(IdentityKind::Unknown, [Some(impersonator.clone())], [Some(impersonator)]);
                said.because("somebody else acted in this user's name");
            }
        }
    }
}

/// `user` of an event.
fn user(event: &Value) -> Party {
    let party = Party::of(event, IdentityKind::Human, &["user", "user_name"], &["user", "user_name"]);
    // Teleport's own services act under a host's name.
    if text(event, "user").is_some_and(|u| u == "system" || u.ends_with(".teleport.cluster")) {
        return Party::default();
    }
    let kind = kind_of_user(event, party.id.as_deref(), true);
    party.of_kind(kind)
}

/// `user_kind` 1 is a person, 2 a bot; before it, a bot is known by its name.
fn kind_of_user(event: &Value, name: Option<&str>, acting: bool) -> IdentityKind {
    let kind = integer(event, "user_kind").or_else(|| integer(event, "kind")).filter(|_| acting);
    let named = name.is_some_and(|n| n.starts_with("bot-"));
    match kind {
        Some(1) => IdentityKind::Human,
        Some(2) => IdentityKind::ServiceAccount,
        _ if named || acting && field(event, "bot_name").is_some() => IdentityKind::ServiceAccount,
        _ => IdentityKind::Human,
    }
}

/// What a lock is on. A role is no identity.
fn locked(event: &Value) -> Option<Party> {
    let target = field(event, "target")?;
    let of = |kind, name: &str| Party::of(target, kind, &[name], &[name]);
    let user = of(IdentityKind::Human, "user");
    let kind = kind_of_user(target, user.id.as_deref(), false);
    let user = user.of_kind(kind);
    let rest = [
        of(IdentityKind::ServiceAccount, "bot_instance_id"),
        of(IdentityKind::Human, "login"),
        of(IdentityKind::Device, "device"),
        of(IdentityKind::Device, "mfa_device"),
        of(IdentityKind::Device, "server_id"),
        of(IdentityKind::Device, "node"),
        of(IdentityKind::Device, "windows_desktop"),
    ];
    std::iter::once(user).chain(rest).find(Party::is_named)
}

/// The identity that a certificate was made for.
fn certified(event: &Value) -> Option<Party> {
    let identity = field(event, "identity")?;
    let party = Party::of(identity, IdentityKind::Human, &["user"], &["user"]);
    let host = text(event, "cert_type").is_some_and(|t| t.eq_ignore_ascii_case("host"));
    // A bot renews its own certificate in its own name.
    let itself = text(identity, "impersonator").is_some_and(|i| Some(&i) == party.id.as_ref());
    let bot = itself || field(identity, "bot_name").is_some() || party.id.as_deref().is_some_and(|n| n.starts_with("bot-"));
    let kind = match (host, bot, integer(identity, "user_kind").or_else(|| integer(event, "user_kind"))) {
        (true, ..) => IdentityKind::Device,
        (_, _, Some(1)) => IdentityKind::Human,
        (_, true, _) | (_, _, Some(2)) => IdentityKind::ServiceAccount,
        _ => IdentityKind::Human,
    };
    Some(party.of_kind(kind))
}

fn bot(event: &Value) -> Option<Party> {
    let party = Party::of(event, IdentityKind::ServiceAccount, &["user_name", "bot_name", "name"], &["bot_name", "name"]);
    Some(party)
}

fn workload(event: &Value) -> Option<Party> {
    Some(Party::new(
        IdentityKind::Workload,
        [text(event, "spiffe_id"), text_at(event, &["svid", "spiffe_id"]), text(event, "name")],
        [text(event, "workload_identity"), text(event, "name")],
    ))
}

fn instance(event: &Value) -> Option<Party> {
    Some(Party::of(event, IdentityKind::Device, &["host_id"], &["node_name", "nodename"]))
}
