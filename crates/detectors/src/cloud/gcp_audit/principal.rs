//! Principals of Google Cloud: who called, on whose behalf, with which key.

use quell_core::signal::IdentityKind;

use crate::{
    claim::Who,
    field::{at, field, list, text, text_at},
    json::Value,
};

/// A principal known by its address.
pub fn of_email(email: Option<String>) -> Who {
    Who::named(email)
}

/// The caller. Third parties have no address and are known by their subject.
pub fn caller(payload: &Value) -> Who {
    let Some(info) = field(payload, "authenticationInfo") else { return Who::default() };
    let email = of_email(text(info, "principalEmail"));
    email.or(|| of_subject(text(info, "principalSubject")))
}

/// `user:A`, `serviceAccount:A`, `principal://iam.googleapis.com/..`.
pub fn of_subject(subject: Option<String>) -> Who {
    let Some(subject) = subject else { return Who::default() };
    if let Some((_, address)) = subject.split_once(':').filter(|(kind, _)| ["user", "serviceAccount", "group"].contains(kind)) {
        return of_email(Some(address.to_owned()));
    }
    let kind = if subject.contains("/workforcePools/") {
        IdentityKind::Human
    } else if subject.contains("/workloadIdentityPools/") || subject.contains(".svc.id.goog") {
        IdentityKind::Workload
    } else {
        IdentityKind::Unknown
    };
    let name = subject.split_once("/subject/").map(|(_, name)| name).or_else(|| subject.rsplit('/').next()).map(str::to_owned);
    Who { id: Some(subject), name, kind }
}

/// Who stands behind a service account that acted for somebody else.
pub fn delegate(payload: &Value) -> Who {
    let info = field(payload, "authenticationInfo").unwrap_or(&Value::Null);
    let chain = list(info, "serviceAccountDelegationInfo");
    let last =
        chain.iter().rev().find_map(|d| text_at(d, &["firstPartyPrincipal", "principalEmail"]).or_else(|| text(d, "principalSubject")));
    last.map_or_else(Who::default, |name| if name.contains("://") { of_subject(Some(name)) } else { of_email(Some(name)) })
}

/// The service account that a call is about: its unique id, else its address.
pub fn account(entry: &Value, payload: &Value) -> Option<Who> {
    let label = |name: &str| text_at(entry, &["resource", "labels", name]).filter(|l| !l.is_empty() && l != "-");
    let names = [text(payload, "resourceName"), text_at(payload, &["request", "name"]), text_at(payload, &["response", "name"])];
    let named: Vec<String> = names.iter().flatten().filter_map(|n| segment(n, "/serviceAccounts/")).collect();
    let id = label("unique_id").or_else(|| named.iter().find(|n| !n.contains('@')).cloned());
    let address = label("email_id").or_else(|| named.iter().find(|n| n.contains('@')).cloned());
    let id = id.or_else(|| address.clone())?;
    Some(Who { id: Some(id), name: address, kind: IdentityKind::ServiceAccount })
}

/// The id of the key that the caller used.
pub fn key(payload: &Value) -> Option<String> {
    text_at(payload, &["authenticationInfo", "serviceAccountKeyName"]).and_then(|n| key_id(&n))
}

/// The id of the key that was made, ended or changed.
pub fn key_of_resource(payload: &Value) -> Option<String> {
    let response = at(payload, &["response"]).and_then(|r| text(r, "name"));
    [response, text(payload, "resourceName"), text_at(payload, &["request", "name"])]
        .into_iter()
        .flatten()
        .find_map(|n| segment(&n, "/keys/"))
}

/// The last part of a full resource name of a key.
pub fn key_id(name: &str) -> Option<String> {
    segment(name, "/keys/").or_else(|| (!name.contains('/')).then(|| name.to_owned()))
}

fn segment(name: &str, after: &str) -> Option<String> {
    let rest = name.split_once(after)?.1;
    rest.split('/').next().filter(|s| !s.is_empty() && *s != "-").map(str::to_owned)
}
