//! Falco alerts, of system calls and of its plugins.
//!
//! Plugins name whoever asked: Kubernetes audit (`ka.`), CloudTrail (`ct.`),
//! Google audit (`gcp.`), Okta, GitHub, Entra and Keycloak. System calls name a
//! user id inside a container, which is nobody; the pod, where it is known,
//! leads to its service account. On a host the user is an account of that host.
//! Fields as documented for Falco 0.41 and its plugins (read 2026-11).

use quell_core::signal::{CredentialKind, Detected, IdentityKind, ObservedFrom, Readout, SignalKind};

use crate::{
    arn::{self, Arn},
    claim::{Claim, Who},
    field::{as_text, field, is_placeholder, list, text, type_name},
    json::Value,
    message, severity,
    windows::Account,
    wording,
};

/// The detector's name.
pub const NAME: &str = "falco";
/// What it reads.
pub const READS: &str = "Falco alerts (JSON output), of system calls and of plugins";
const LISTS: &[&str] = &[];

/// Reads alerts.
pub fn read(bytes: &[u8]) -> Readout {
    message::read(bytes, LISTS, detected)
}

/// Whether `first` is an alert of Falco.
pub fn recognises(first: &Value) -> bool {
    let words = ["rule", "priority"].iter().all(|n| first.get(n).is_some_and(Value::is_string));
    let output = first.get("output").is_some_and(Value::is_string) || first.get("output_fields").is_some();
    words && output && (first.get("output_fields").is_some_and(Value::is_object) || first.get("time").is_some())
}

fn detected(alert: &Value, sent: Option<&Value>) -> Result<Detected, String> {
    if !alert.is_object() {
        return Err(format!("expected a Falco alert as an object, found {}", type_name(alert)));
    }
    if !recognises(alert) {
        return Err("`rule`, `priority` and `output` are not all there as text, so this is no alert of Falco".into());
    }
    let null = Value::Null;
    let fields = field(alert, "output_fields").unwrap_or(&null);
    let get = |name: &str| text(fields, name).filter(|t| !is_placeholder(t));
    let mut claim = Claim::new(NAME);
    let rule = text(alert, "rule").unwrap_or_default();
    let source = text(alert, "source").unwrap_or_default();
    subject(&get, alert, &source, &mut claim);
    claim.ip = claim.ip.take().or_else(|| {
        ["ka.sourceips", "ct.srcip", "gcp.callerIP", "okta.client.ip", "fd.sip", "fd.rip", "keycloak.ipaddress"].iter().find_map(|n| get(n))
    });
    let tags: String = list(alert, "tags").iter().filter_map(as_text).map(|t| t + " ").collect();
    claim.kind = match wording::kind(&rule).or_else(|| wording::kind(&tags)) {
        Some((kind, word)) => {
            claim.because(format!("the kind is read from `{word}` in the rule or its tags"));
            kind
        }
        None => SignalKind::AnomalousUse,
    };
    claim.title = rule.clone();
    claim.severity = rated(&text(alert, "priority").unwrap_or_default());
    claim.event = vec![rule, source, text(alert, "time").or_else(|| get("evt.time")).unwrap_or_default()];
    claim.event.extend(["ka.auditid", "ct.id", "evt.num", "container.id", "proc.pid"].iter().map(|n| get(n).unwrap_or_default()));
    claim.event.push(text(alert, "hostname").unwrap_or_default());
    Ok(claim.detected([
        (ObservedFrom::Event, field(alert, "time")),
        (ObservedFrom::Event, field(fields, "evt.time")),
        (ObservedFrom::Event, field(fields, "evt.rawtime")),
        (ObservedFrom::VendorUpdate, sent),
    ]))
}

fn subject(get: &dyn Fn(&str) -> Option<String>, alert: &Value, source: &str, claim: &mut Claim) {
    if let Some(user) = get("ka.user.name") {
        claim.because("the user of the cluster asked");
        claim.subject = Who::named(Some(user));
        claim.system = get("ka.cluster.name").map(|c| format!("k8s:{c}"));
        return;
    }
    if source == "k8s_audit" {
        claim.because("the request to the cluster names no user");
        return;
    }
    if let Some(user) = get("ct.user.principalid").or_else(|| get("ct.user")).or_else(|| get("ct.user.arn")) {
        claim.because("the caller of the call to AWS is named");
        let name = get("ct.user").or_else(|| get("ct.user.arn").as_deref().and_then(Arn::of).map(|a| a.name().to_owned()));
        claim.subject = Who { id: Some(user), name, kind: IdentityKind::Unknown };
        claim.system = get("ct.user.accountid").or_else(|| get("ct.recipientaccountid")).map(|a| arn::system(&a));
        claim.credential = get("ct.user.accesskeyid").map(|id| (CredentialKind::AccessKey, Some(id)));
        return;
    }
    // Plugin, its field of the id, its field of the name, the system.
    const PLUGINS: &[(&str, &str, &str)] = &[
        ("gcp.user", "gcp.user", "gcp"),
        ("okta.actor.id", "okta.actor.alternateid", "okta"),
        ("okta.actor.alternateid", "okta.actor.name", "okta"),
        ("github.user", "github.user", "github"),
        ("keycloak.userid", "keycloak.username", "keycloak"),
        ("entra.user.id", "entra.user.principalname", "entra"),
        ("azure.identity", "azure.identity", "entra"),
    ];
    for (id, name, system) in PLUGINS {
        if let Some(user) = get(id) {
            let name = get(name).unwrap_or_else(|| user.clone());
            let kind = crate::principal::kind_of_name(&name);
            claim.subject = Who { id: Some(user), name: Some(name), kind };
            claim.system = get("gcp.projectId").filter(|_| *system == "gcp").map(|p| format!("gcp:{p}")).or(Some((*system).to_owned()));
            return;
        }
    }
    system_call(get, alert, claim);
}

/// An alert of system calls: a pod, nobody in a bare container, or an account of the host.
fn system_call(get: &dyn Fn(&str) -> Option<String>, alert: &Value, claim: &mut Claim) {
    let container = get("container.id").filter(|c| c != "host");
    if let (Some(namespace), Some(pod)) = (get("k8s.ns.name"), get("k8s.pod.name")) {
        claim.because("a user inside a container is nobody's identity; the service account is found by looking the pod up");
        claim.partial = true;
        claim.subject = Who { id: Some(format!("{namespace}/{pod}")), name: Some(format!("pod {pod}")), kind: IdentityKind::Workload };
        claim.system = get("k8s.cluster.name").map(|c| format!("k8s:{c}"));
        return;
    }
    if container.is_some() {
        claim.because("a user inside a container is nobody's identity, and no pod is named");
        return;
    }
    // Who signed in counts, not what the process became by `su` or a setuid file.
    let signed_in = get("user.loginname").filter(|_| get("user.loginuid").is_some_and(|uid| uid != "-1" && uid != "4294967295"));
    let became = get("user.name");
    let host = text(alert, "hostname").or_else(|| get("evt.hostname"));
    let (who, system) = Account { name: signed_in.or(became), host, ..Account::default() }.identity();
    claim.subject = who;
    claim.system = system;
}

/// Falco's priorities are those of syslog.
fn rated(priority: &str) -> quell_core::signal::Severity {
    let id = match priority.to_ascii_lowercase().as_str() {
        "emergency" => 6,
        "alert" | "critical" => 5,
        "error" => 4,
        "warning" => 3,
        "notice" => 2,
        "informational" | "info" | "debug" => 1,
        _ => 0,
    };
    quell_core::signal::Severity { id, ..severity::unread(Some(priority.to_owned())) }
}
