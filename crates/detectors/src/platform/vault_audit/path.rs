//! What a path of Vault's API does, and whom it names.
//!
//! The first segments are Vault's own (`sys`, `auth`, `identity`); a mount may
//! stand anywhere, so of a secrets engine only the verb in its path is known.

use quell_core::signal::IdentityKind;

use crate::statement::Party;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Login,
    RevokeSelf,
    RevokeOther,
    /// A token, secret id, certificate or lease comes into being.
    Mint,
    Account,
    Privilege,
    Delegation,
    Posture,
    Other,
}

/// What `operation` on `path` does.
pub fn action(path: &str, operation: &str) -> Action {
    let path = path.trim_matches('/');
    let has = |words: &[&str]| words.iter().any(|w| path.contains(w));
    let starts = |words: &[&str]| words.iter().any(|w| path.starts_with(w));
    let ends = |words: &[&str]| words.iter().any(|w| path.ends_with(w));
    let writes = matches!(operation, "create" | "update" | "patch" | "delete");
    if path.starts_with("auth/token/revoke-self") {
        Action::RevokeSelf
    } else if starts(&["auth/token/revoke", "sys/leases/revoke", "sys/revoke", "sys/tools/revoke"])
        || ends(&["/secret-id/destroy", "/secret-id-accessor/destroy"])
    {
        Action::RevokeOther
    } else if path.starts_with("auth/") && (has(&["/login", "/callback", "/oidc/auth_url"])) {
        Action::Login
    } else if starts(&["auth/token/create", "sys/wrapping", "sys/generate-root", "sys/rekey"])
        || has(&["/creds/", "/issue/", "/sign/", "/static-creds/", "/sts/", "/secret-id", "/token/", "/key/"])
            && !path.starts_with("sys/")
            && !path.starts_with("auth/token/lookup")
        || path.contains("/rotate-role")
    {
        Action::Mint
    } else if !writes {
        Action::Other
    } else if starts(&["sys/policy", "sys/policies", "identity/group"])
        || path.starts_with("auth/") && has(&["/role/", "/roles/", "/groups/", "/map/"])
    {
        Action::Privilege
    } else if starts(&["identity/entity", "identity/lookup"]) || path.starts_with("auth/") && has(&["/users/", "/certs/"]) {
        Action::Account
    } else if starts(&["sys/auth", "identity/oidc", "identity/mfa"]) || path.starts_with("auth/") && ends(&["/config"]) {
        Action::Delegation
    } else if starts(&["sys/audit", "sys/mounts", "sys/seal", "sys/config", "sys/quotas", "sys/plugins"]) {
        Action::Posture
    } else {
        Action::Other
    }
}

/// The user, role or entity that a path names.
pub fn affected(path: &str) -> Option<Party> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let after = |word: &str| parts.iter().position(|p| *p == word).and_then(|at| parts.get(at + 1)).map(|s| (*s).to_owned());
    let login = |kind, name: Option<String>| Some(Party::new(kind, [name.clone()], [name])).filter(Party::is_named);
    match parts[..] {
        ["identity", "entity", "id", id] => Some(Party::new(IdentityKind::Unknown, [Some(id.to_owned())], [])).filter(Party::is_named),
        ["identity", "entity", "name", name] => login(IdentityKind::Unknown, Some(name.to_owned())),
        ["auth", _, "users", ..] => login(IdentityKind::Human, after("users")),
        ["auth", _, "role", _, "secret-id" | "secret-id-accessor" | "custom-secret-id", ..] => login(IdentityKind::Workload, after("role")),
        _ => None,
    }
}

/// The login in `auth/userpass/login/alice`, before anybody knows whose it is.
pub fn login(path: &str, mount_type: &str) -> Option<Party> {
    let (method, name) = path.trim_matches('/').strip_prefix("auth/")?.split_once("/login/")?;
    let name = Some(name.to_owned());
    Some(Party::new(kind_of_method(method, mount_type), [name.clone()], [name])).filter(Party::is_named)
}

/// Whether a display name is only the name of an auth method.
pub fn is_method(display: &str) -> bool {
    let bare = display.trim_end_matches('-').to_ascii_lowercase();
    matches!(
        bare.as_str(),
        "token"
            | "approle"
            | "jwt"
            | "oidc"
            | "kubernetes"
            | "aws"
            | "gcp"
            | "azure"
            | "cert"
            | "ldap"
            | "userpass"
            | "github"
            | "okta"
            | "alicloud"
            | "kerberos"
    )
}

/// People and programs come in by different methods; a display name begins with
/// the method's.
pub fn kind_of_method(display: &str, mount_type: &str) -> IdentityKind {
    let method = display.split('-').next().unwrap_or_default().to_ascii_lowercase();
    let of = |name: &str| match name {
        "userpass" | "ldap" | "oidc" | "okta" | "github" | "radius" | "kerberos" | "saml" => Some(IdentityKind::Human),
        "jwt" | "kubernetes" | "approle" | "aws" | "gcp" | "azure" | "cert" | "alicloud" | "cf" | "oci" | "spiffe" => {
            Some(IdentityKind::Workload)
        }
        _ => None,
    };
    of(&method).or_else(|| of(&mount_type.to_ascii_lowercase())).unwrap_or(IdentityKind::Unknown)
}
