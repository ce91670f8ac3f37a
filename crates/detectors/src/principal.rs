//! What kind of identity a name betrays, by forms that issuers define.
//!
//! Service accounts of Google and Kubernetes, nodes, SPIFFE ids, machine
//! accounts and addresses of people have forms of their own. Where people and
//! workloads share a form the kind stays unknown; a name such as `svc-x` is a
//! habit and proves nothing.

use quell_core::signal::IdentityKind;

/// The kind that `name`, an id or a name, shows by its form.
pub fn kind_of_name(name: &str) -> IdentityKind {
    let name = name.trim();
    let lower = name.to_ascii_lowercase();
    if lower.starts_with("spiffe://") || lower.starts_with("system:node:") || is_component(&lower) {
        IdentityKind::Workload
    } else if is_google_service_account(&lower) || lower.starts_with("system:serviceaccount:") || lower.starts_with("serviceaccount:") {
        IdentityKind::ServiceAccount
    } else if name.len() > 1 && name.ends_with('$') {
        IdentityKind::Device
    } else if is_address(name) {
        IdentityKind::Human
    } else {
        IdentityKind::Unknown
    }
}

/// A mail address or UPN, as people have them.
pub fn is_address(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else { return false };
    let domain_ok = domain.contains('.') && !domain.starts_with('.') && !domain.ends_with('.');
    !local.is_empty() && domain_ok && !text.contains([' ', '/', '\\', ':', '<', '>']) && !domain.contains('@')
}

/// The address of a service account of Google Cloud.
pub fn is_google_service_account(lower: &str) -> bool {
    lower.ends_with(".gserviceaccount.com") || lower.ends_with("@appspot.gserviceaccount.com")
}

/// A built-in component of Kubernetes, such as `system:kube-scheduler`.
fn is_component(lower: &str) -> bool {
    const COMPONENTS: &[&str] = &[
        "system:kube-controller-manager",
        "system:kube-scheduler",
        "system:kube-proxy",
        "system:apiserver",
        "system:addon-manager",
        "system:volume-scheduler",
        "aks-support",
        "aksservice",
        "eks:",
        "system:gke-",
        "system:gcp-",
        "system:vpa-",
        "system:cluster-autoscaler",
        "system:konnectivity-server",
    ];
    COMPONENTS.iter().any(|c| if c.ends_with([':', '-']) { lower.starts_with(c) } else { lower == *c })
}
