//! Kubernetes audit events (`audit.k8s.io`), alone, in an `EventList`, and as
//! Azure sends them (`properties.log` as JSON in a string, in `records`) and
//! CloudWatch (`logEvents[].message`).
//!
//! An event is about the user who asked, with two exceptions: a token made for a
//! service account is about that account, and reading a pod's mounted token is
//! about the account of that pod, which only the pod can tell. The anonymous
//! user is nobody. Audit API `audit.k8s.io/v1` (read 2026-11).

use quell_core::signal::{CredentialKind, Detected, IdentityKind, ObservedFrom, Readout, SignalKind};

use crate::{
    claim::{Claim, Who},
    field::{at, field, integer, list, text, text_at, type_name},
    json::{self, Value},
    message,
};

/// The detector's name.
pub const NAME: &str = "kubernetes-audit";
/// What it reads.
pub const READS: &str = "Kubernetes audit events: alone, `EventList`, AKS `properties.log`, CloudWatch";
const LISTS: &[&str] = &["items", "records", "logEvents"];

/// Reads events.
pub fn read(bytes: &[u8]) -> Readout {
    message::read(bytes, LISTS, detected)
}

/// Whether `first` is an audit event, or a log record that carries one.
pub fn recognises(first: &Value) -> bool {
    let record = message::first(first, LISTS);
    is_event(record) || carried(record).is_some_and(|e| is_event(&e))
}

fn is_event(record: &Value) -> bool {
    let api = text(record, "apiVersion").is_some_and(|a| a.starts_with("audit.k8s.io/"));
    let shape = ["auditID", "stage", "verb", "user"].iter().all(|n| field(record, n).is_some());
    api && field(record, "verb").is_some() || shape
}

/// The event inside a record of Azure or CloudWatch, which is text there.
fn carried(record: &Value) -> Option<Value> {
    if let Some(log) = at(record, &["properties", "log"]).filter(|l| l.is_object()) {
        return Some(log.clone());
    }
    let text = text_at(record, &["properties", "log"]).or_else(|| text(record, "log")).or_else(|| text(record, "message"))?;
    text.starts_with('{').then(|| json::document(text.as_bytes()).ok()).flatten()
}

/// An audit log entry of Google's clusters, in the words of Kubernetes. `auto`
/// gives such entries to `gcp-audit`; a source may still be declared as this one.
fn google(entry: &Value) -> Option<Value> {
    let payload = field(entry, "protoPayload").filter(|p| text(p, "serviceName").is_some_and(|s| s == "k8s.io"))?;
    let method = text(payload, "methodName")?;
    // `core/v1/namespaces/NS/pods/NAME/exec`
    let name = text(payload, "resourceName").unwrap_or_default();
    let parts: Vec<&str> = name.split('/').skip(2).collect();
    let (namespace, rest) = match parts.as_slice() {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
        rest => (None, rest),
    };
    let part = |at: usize| rest.get(at).map_or(Value::Null, |p| Value::from(*p));
    let object =
        [("resource", part(0)), ("name", part(1)), ("subresource", part(2)), ("namespace", namespace.map_or(Value::Null, Value::from))];
    let user = [("username", at(payload, &["authenticationInfo", "principalEmail"]).cloned().unwrap_or_default())];
    let map = |pairs: &[(&str, Value)]| Value::Object(pairs.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect());
    let whole = [
        ("apiVersion", Value::from("audit.k8s.io/v1")),
        ("auditID", field(entry, "insertId").cloned().unwrap_or_default()),
        ("verb", Value::from(method.rsplit('.').next().unwrap_or_default())),
        ("user", map(&user)),
        ("objectRef", map(&object)),
        ("requestObject", field(payload, "request").cloned().unwrap_or_default()),
        ("sourceIPs", at(payload, &["requestMetadata", "callerIp"]).cloned().unwrap_or_default()),
        ("requestReceivedTimestamp", field(entry, "timestamp").cloned().unwrap_or_default()),
    ];
    Some(map(&whole))
}

fn detected(record: &Value, sent: Option<&Value>) -> Result<Detected, String> {
    if !record.is_object() {
        return Err(format!("expected an audit event as an object, found {}", type_name(record)));
    }
    if is_event(record) {
        return Ok(claim(record).detected(times(record, record, sent)));
    }
    let Some(event) = carried(record).or_else(|| google(record)).filter(is_event) else {
        return Err("neither an event of `audit.k8s.io` nor a log record that carries one".into());
    };
    let mut claim = claim(&event);
    claim.because("the event stood inside a log record of the cloud");
    let cluster = text(record, "resourceId").or_else(|| text_at(record, &["properties", "ccpNamespace"]));
    claim.system = cluster.or_else(|| text_at(record, &["resource", "labels", "cluster_name"])).map(|c| format!("k8s:{c}"));
    let detected = claim.detected(times(&event, record, sent));
    Ok(detected)
}

fn times<'a>(event: &'a Value, record: &'a Value, sent: Option<&'a Value>) -> [(ObservedFrom, Option<&'a Value>); 6] {
    [
        (ObservedFrom::Event, field(event, "requestReceivedTimestamp")),
        (ObservedFrom::Event, field(event, "stageTimestamp")),
        (ObservedFrom::Event, field(event, "timestamp")),
        (ObservedFrom::Event, at(event, &["metadata", "creationTimestamp"])),
        (ObservedFrom::VendorUpdate, field(record, "time")),
        (ObservedFrom::VendorUpdate, sent),
    ]
}

fn claim(event: &Value) -> Claim {
    let mut claim = Claim::new(NAME);
    let verb = text(event, "verb").unwrap_or_default();
    let object = field(event, "objectRef").unwrap_or(&Value::Null);
    let resource = text(object, "resource").unwrap_or_default();
    let sub = text(object, "subresource").unwrap_or_default();
    let user = user(event);
    claim.ip = list(event, "sourceIPs").first().and_then(crate::field::as_text);
    claim.kind = kind(&verb, &resource, &sub, event);
    claim.title = title(&verb, object, &resource, &sub);
    claim.event = ["auditID", "stage", "requestReceivedTimestamp"].iter().map(|n| text(event, n).unwrap_or_default()).collect();
    claim.event.push(claim.title.clone());
    if at(event, &["responseStatus"]).and_then(|s| integer(s, "code")).is_some_and(|c| c >= 400) {
        claim.because("the request was refused or failed");
    }
    if let Some(other) = text_at(event, &["impersonatedUser", "username"]) {
        claim.because("the user acted as somebody else; who really signed in is the subject");
        claim.title.push_str(&format!(", impersonating {other}"));
    }
    if let Some(account) = minted_for(event, &verb, object, &resource, &sub) {
        claim.because("a token was made for this service account");
        claim.subject = account;
        claim.credential = Some((CredentialKind::Token, None));
        claim.actor = user;
    } else if let Some(pod) = mounted_token(event, object, &sub) {
        claim.because("the token that is mounted in the pod was read; its service account is found by looking the pod up");
        claim.kind = SignalKind::LeakedSecret;
        claim.partial = true;
        claim.subject = pod;
        claim.credential = Some((CredentialKind::Token, None));
        claim.actor = user;
    } else {
        claim.credential = credential(event);
        claim.subject = user;
    }
    claim
}

/// Who asked. `username` is what the API server knows a user by.
fn user(event: &Value) -> Who {
    let given = field(event, "user").unwrap_or(&Value::Null);
    let who = Who::named(text(given, "username"));
    let groups: Vec<String> = list(given, "groups").iter().filter_map(crate::field::as_text).collect();
    let kind = if groups.iter().any(|g| g.starts_with("system:serviceaccounts")) {
        IdentityKind::ServiceAccount
    } else if groups.iter().any(|g| g == "system:nodes") {
        IdentityKind::Workload
    } else {
        IdentityKind::Unknown
    };
    who.or_kind(kind)
}

/// The credential the user presented, where the API server or the cloud's
/// authenticator names it.
fn credential(event: &Value) -> Option<(CredentialKind, Option<String>)> {
    let extra = at(event, &["user", "extra"])?;
    let first = |name: &str| list(extra, name).first().and_then(crate::field::as_text);
    if let Some(id) = first("authentication.kubernetes.io/credential-id") {
        let kind = if id.starts_with("X509") { CredentialKind::Certificate } else { CredentialKind::Token };
        return Some((kind, Some(id)));
    }
    first("accessKeyId").map(|id| (CredentialKind::AccessKey, Some(id)))
}

/// The service account for which a token was made: by request, or as a secret
/// that names the account in an annotation.
fn minted_for(event: &Value, verb: &str, object: &Value, resource: &str, sub: &str) -> Option<Who> {
    if verb != "create" {
        return None;
    }
    let namespace = text(object, "namespace").unwrap_or_else(|| "default".into());
    let name = if resource == "serviceaccounts" && sub == "token" {
        text(object, "name")?
    } else if resource == "secrets"
        && text_at(event, &["requestObject", "type"]).is_some_and(|t| t == "kubernetes.io/service-account-token")
    {
        text_at(event, &["requestObject", "metadata", "annotations", "kubernetes.io/service-account.name"])?
    } else {
        return None;
    };
    Some(Who { id: Some(format!("{namespace}/{name}")), name: Some(name), kind: IdentityKind::ServiceAccount })
}

/// The pod whose mounted token a command read.
fn mounted_token(event: &Value, object: &Value, sub: &str) -> Option<Who> {
    const PLACES: &[&str] = &[
        "/run/secrets/kubernetes.io/serviceaccount",
        "/run/secrets/eks.amazonaws.com/serviceaccount",
        "/run/secrets/tokens/",
        "/run/secrets/azure/tokens",
    ];
    if !["exec", "attach", "proxy"].contains(&sub) {
        return None;
    }
    let command: String = at(event, &["requestObject"])
        .map_or_else(String::new, |o| list(o, "command").iter().filter_map(crate::field::as_text).map(|c| c + " ").collect());
    let uri = text(event, "requestURI").unwrap_or_default().replace("%2F", "/").replace("%2f", "/");
    if !PLACES.iter().any(|p| command.contains(p) || uri.contains(p)) {
        return None;
    }
    let (namespace, pod) = (text(object, "namespace")?, text(object, "name")?);
    // Not `NAMESPACE/POD`, which would be the id of a service account of that name.
    Some(Who {
        id: Some(format!("pod {namespace}/{pod}")),
        name: Some(format!("service account of {pod}")),
        kind: IdentityKind::ServiceAccount,
    })
}

fn kind(verb: &str, resource: &str, sub: &str, event: &Value) -> SignalKind {
    let writes = ["create", "update", "patch", "delete", "deletecollection"].contains(&verb);
    let token_secret = text_at(event, &["requestObject", "type"]).is_some_and(|t| t == "kubernetes.io/service-account-token");
    match (resource, sub) {
        ("serviceaccounts", "token") => SignalKind::CredentialChange,
        ("certificatesigningrequests", _) if writes => SignalKind::CredentialChange,
        ("secrets", _) if writes && token_secret => SignalKind::CredentialChange,
        ("roles" | "clusterroles" | "rolebindings" | "clusterrolebindings", _) if writes => SignalKind::PrivilegeChange,
        ("serviceaccounts", _) if writes => SignalKind::AccountChange,
        ("pods", "exec" | "attach" | "portforward") => SignalKind::AnomalousUse,
        ("secrets", _) => SignalKind::AnomalousUse,
        _ if verb == "impersonate" || field(event, "impersonatedUser").is_some() => SignalKind::DelegationChange,
        _ => SignalKind::Other,
    }
}

fn title(verb: &str, object: &Value, resource: &str, sub: &str) -> String {
    let what = if sub.is_empty() { resource.to_owned() } else { format!("{resource}/{sub}") };
    let place = match (text(object, "namespace"), text(object, "name")) {
        (Some(namespace), Some(name)) => format!(" {namespace}/{name}"),
        (None, Some(name)) => format!(" {name}"),
        (Some(namespace), None) => format!(" in {namespace}"),
        (None, None) => String::new(),
    };
    format!("Kubernetes: {verb} {what}{place}")
}
