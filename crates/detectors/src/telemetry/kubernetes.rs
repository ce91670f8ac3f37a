//! Kubernetes audit events (`audit.k8s.io/v1`).
//!
//! One request is logged at several stages; only its end counts. Credentials go
//! by the id the API server gives them (JTI of a token, hash of a certificate);
//! older servers give none, and a credential is then its user's. Shapes as of
//! Kubernetes 1.34; managed clusters wrap them, which `stream` undoes.

use crate::json::Value;
use quell_core::{
    time::after,
    trace::{Bearer, Deed, Ended, Fact, LinkKind, Minted, Nature, Outcome},
};

use super::{Given, Log, Reader, when};
use crate::field::{integer, is_placeholder, list, text, text_at};

pub const LOG: Log = Log {
    name: "kubernetes-audit",
    reads: "Kubernetes API server audit events, also as EKS, AKS and GKE export them",
    recognises,
    recognises_line: None,
    reader: |_| Box::new(Kubernetes),
    never_shows: "secrets that a pod reads from its own volumes, and what is done with a token outside of the API server",
};

const CREDENTIAL_ID: &str = "authentication.kubernetes.io/credential-id";
const ISSUED_ID: &str = "authentication.kubernetes.io/issued-credential-id";

fn recognises(record: &Value) -> bool {
    let api = record.get("apiVersion").and_then(Value::as_str);
    api.is_some_and(|a| a.starts_with("audit.k8s.io/")) && record.get("verb").is_some()
        || (record.get("auditID").is_some() && record.get("verb").is_some() && record.get("user").is_some())
}

struct Kubernetes;

impl Reader for Kubernetes {
    fn read(&mut self, bytes: &[u8], give: &mut dyn FnMut(Fact)) -> Given {
        let record: Value = match crate::json::document(bytes) {
            Ok(record) => record,
            Err(error) => return Given::broken(&error),
        };
        if !recognises(&record) {
            return Given::NotMine;
        }
        let stage = text(&record, "stage");
        if stage.as_deref().is_none_or(|s| matches!(s, "ResponseComplete" | "Panic")) {
            give(fact(&record));
        }
        Given::Read
    }
}

fn fact(record: &Value) -> Fact {
    let object = &record["objectRef"];
    let verb = text(record, "verb").unwrap_or_default();
    let resource = text(object, "resource").unwrap_or_default();
    let sub = text(object, "subresource").map_or_else(String::new, |s| format!("/{s}"));
    let code = integer(&record["responseStatus"], "code").unwrap_or(200);
    let at = ["requestReceivedTimestamp", "stageTimestamp"].iter().find_map(|n| text(record, n)).and_then(|t| when(&t));
    let outcome = match code {
        401 => Outcome::Rejected,
        400.. => Outcome::Refused,
        _ => Outcome::Done,
    };
    let deeds = deeds(record, &verb, &resource, at);
    let deeds = match outcome {
        Outcome::Done => deeds,
        _ if deeds.is_empty() => deeds,
        _ => vec![Deed::Attempt],
    };
    Fact {
        at,
        record_id: text(record, "auditID").filter(|id| !is_placeholder(id)),
        system: format!(
            "kubernetes:{}",
            text(record, "p_source_label").or_else(|| text_at(record, &["cluster"])).unwrap_or_else(|| "cluster".into())
        ),
        event: format!("{verb} {resource}{sub}"),
        outcome,
        by: bearer(record),
        deeds,
        aliases: Vec::new(),
    }
}

/// The identity that a request ran as. Impersonated, the real user acts in it.
fn bearer(record: &Value) -> Option<Bearer> {
    let user = &record["user"];
    let name = text(user, "username").filter(|n| !is_placeholder(n))?;
    let extra = |key: &str| list(&user["extra"], key).iter().find_map(crate::field::as_text);
    let id = extra(CREDENTIAL_ID);
    let kind = match id.as_deref() {
        Some(id) if id.starts_with("X509") => LinkKind::Certificate,
        _ => LinkKind::Token,
    };
    let credential = id.unwrap_or_else(|| format!("{name}#token"));
    let address = list(record, "sourceIPs").iter().find_map(crate::field::as_text);
    let service = is_control_plane(&name).then(|| name.clone());
    let real = Bearer { identity: Some(name.clone()), credential: Some(credential), kind, address, service, ..Bearer::default() };
    let Some(other) = text_at(record, &["impersonatedUser", "username"]) else { return Some(real) };
    let credential = format!("{other}#as {name}");
    Some(Bearer { identity: Some(other), credential: Some(credential), kind: LinkKind::Token, act: vec![name], ..real })
}

/// Parts of the cluster itself, which read every secret by their nature.
fn is_control_plane(name: &str) -> bool {
    name.starts_with("system:kube-")
        || name.starts_with("system:node:")
        || name.starts_with("system:apiserver")
        || name.starts_with("eks:")
        || name == "aksService"
        || name.starts_with("system:serviceaccount:kube-system:")
}

fn deeds(record: &Value, verb: &str, resource: &str, at: Option<quell_core::time::Timestamp>) -> Vec<Deed> {
    let object = &record["objectRef"];
    let (namespace, name) = (text(object, "namespace").unwrap_or_default(), text(object, "name"));
    let named = || format!("{namespace}/{}", name.clone().unwrap_or_else(|| "*".into()));
    let sub = text(object, "subresource");
    let change = |nature| vec![Deed::Change { nature, target: format!("{resource} {}", named()) }];
    match (verb, resource, sub.as_deref()) {
        ("create", "serviceaccounts", Some("token")) => {
            let identity = format!("system:serviceaccount:{namespace}:{}", name.clone().unwrap_or_default());
            let id = text_at(record, &["annotations", ISSUED_ID])
                .or_else(|| text(record, "auditID").filter(|i| !is_placeholder(i)).map(|i| format!("{identity}#token@{i}")))
                .unwrap_or_else(|| format!("{identity}#token"));
            let lasts = integer(&record["requestObject"]["spec"], "expirationSeconds");
            let expires_at = at.zip(lasts).map(|(at, s)| after(at, s));
            vec![Deed::Mint(Minted { id, kind: LinkKind::Token, identity: Some(identity), expires_at, ..Minted::default() })]
        }
        ("get" | "list" | "watch", "secrets", None) => vec![Deed::Read(named())],
        ("create" | "update" | "patch", "secrets", None) if record["requestObject"]["type"] == "kubernetes.io/service-account-token" => {
            let account = text_at(record, &["requestObject", "metadata", "annotations", "kubernetes.io/service-account.name"]);
            let identity = account.map(|a| format!("system:serviceaccount:{namespace}:{a}"));
            vec![Deed::Mint(Minted { id: named(), kind: LinkKind::ServiceAccountKey, identity, ..Minted::default() })]
        }
        ("delete", "secrets", None) => vec![Deed::End(Ended::Credential(named()))],
        ("delete", "serviceaccounts", None) => {
            vec![Deed::End(Ended::Identity(format!("system:serviceaccount:{namespace}:{}", name.unwrap_or_default())))]
        }
        ("create", "serviceaccounts", None) => {
            let made = name.or_else(|| text_at(record, &["requestObject", "metadata", "name"]));
            made.map(|n| Deed::Make(format!("system:serviceaccount:{namespace}:{n}"))).into_iter().collect()
        }
        ("update" | "patch", "certificatesigningrequests", Some("approval")) => {
            let id = name.map(|n| format!("certificate of {n}"));
            id.map(|id| Deed::Mint(Minted { id, kind: LinkKind::Certificate, ..Minted::default() })).into_iter().collect()
        }
        ("create" | "update" | "patch", "clusterrolebindings" | "rolebindings" | "clusterroles" | "roles", _) => change(Nature::Permission),
        ("create" | "update" | "patch", "mutatingwebhookconfigurations" | "validatingwebhookconfigurations", _) => change(Nature::Code),
        ("create", "pods", Some("exec" | "attach" | "portforward")) => vec![Deed::Command(named())],
        _ => Vec::new(),
    }
}
