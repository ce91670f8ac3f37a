//! The script that makes Quell's policy, its AppRole and the control identity, and
//! the list of what the connector's token may do.
//!
//! What only takes access away reaches every identity; what gives access (a new
//! secret-id, a password, a policy's text, a secret) reaches what the scope names and
//! nothing else. An entity can be disabled and enabled, and no other attribute of
//! it can be sent.

use quell_engine::port::PlaneError;

use super::{
    config::{Login, OpenBaoConfig},
    native::{self, Who},
};

/// What the connector's token may do, whatever the scope.
pub(super) const NEEDED: [(&str, &str); 30] = [
    ("read", "auth/token/lookup-self"),
    ("update", "auth/token/renew-self"),
    ("update", "sys/capabilities-self"),
    ("list,sudo", "auth/token/accessors"),
    ("update", "auth/token/lookup-accessor"),
    ("update", "auth/token/lookup"),
    ("update", "auth/token/revoke-accessor"),
    ("list", "auth/approle/role"),
    ("read", "auth/approle/role/+"),
    ("read", "auth/approle/role/+/role-id"),
    ("list", "auth/approle/role/+/secret-id"),
    ("update", "auth/approle/role/+/secret-id/lookup"),
    ("update", "auth/approle/role/+/secret-id-accessor/lookup"),
    ("update", "auth/approle/role/+/secret-id-accessor/destroy"),
    ("list", "auth/userpass/users"),
    ("read", "auth/userpass/users/+"),
    ("update", "identity/lookup/entity"),
    ("read,update", "identity/entity/id/+"),
    ("update", "sys/leases/lookup"),
    ("list,sudo", "sys/leases/lookup/*"),
    ("update", "sys/leases/revoke"),
    ("update,sudo", "sys/leases/revoke-prefix/*"),
    ("read", "sys/auth"),
    ("read", "sys/mounts"),
    ("read", "sys/mounts/+/tune"),
    ("read", "sys/mounts/auth/+/tune"),
    ("read", "sys/policies/acl/*"),
    ("update", "sys/capabilities-accessor"),
    ("update", "sys/audit-hash/+"),
    ("read", "+/roles/+"),
];

/// The script for `config`: a shell script for somebody who may write policies.
/// `scope` names what may be given access again: `approle:ci`, `userpass:alice`,
/// `kv:secret/billing`, `pki:pki`, `policy:ci`.
///
/// It holds no secret: it reads them from the files that it is told.
///
/// # Errors
///
/// When a name of the scope cannot be one of OpenBao.
pub fn bootstrap_script(config: &OpenBaoConfig, scope: &[String]) -> Result<String, PlaneError> {
    let rules = policy_text(config, scope)?;
    let own = match &config.login {
        Login::AppRole { role, .. } => approle(role, "quell", "1h", "QUELL_SECRET_FILE"),
        Login::Token(_) => "# Put this token into the `secret_file` of the connector.\n\
             bao token create -orphan -no-default-policy -policy=quell -period=72h -display-name=quell -field=token\n"
            .to_owned(),
    };
    let control = approle(&config.control.role, "quell-control", "15m", "QUELL_CONTROL_SECRET_FILE");
    Ok(format!(
        "#!/bin/sh\n\
         # Quell's least privilege on `{name}`. Run it where `bao` is logged in as somebody who may write policies, with\n\
         #   QUELL_SECRET_FILE, QUELL_CONTROL_SECRET_FILE   the files that quell.toml names\n\
         set -eu\n\
         bao auth list -format=json | grep -q '\"approle/\"' || bao auth enable approle\n\
         bao policy write quell - <<'POLICY'\n{rules}POLICY\n\
         # The control may do nothing but be alive.\n\
         bao policy write quell-control - <<'POLICY'\n{CONTROL_POLICY}POLICY\n\
         {own}{control}",
        name = super::answer::one_line(&config.name),
    ))
}

/// The policy of Quell's own token, as the script writes it.
///
/// # Errors
///
/// As [`bootstrap_script`].
pub fn policy_text(config: &OpenBaoConfig, scope: &[String]) -> Result<String, PlaneError> {
    let bad = |why: String| PlaneError::NotPermitted { plane: config.name.clone(), why };
    if let Some(complaint) = config.complaint() {
        return Err(bad(complaint));
    }
    let mut rules: Vec<String> = NEEDED.iter().map(|(may, path)| rule(path, may)).collect();
    for name in scope {
        rules.extend(scoped(name).map_err(|why| bad(format!("cannot be bootstrapped: {why}")))?);
    }
    Ok(rules.concat())
}

/// The policy of the control: it may do nothing but be alive.
pub const CONTROL_POLICY: &str = "path \"auth/token/lookup-self\" {\n  capabilities = [\"read\"]\n}\n\
    path \"auth/token/revoke-self\" {\n  capabilities = [\"update\"]\n}\n";

fn rule(path: &str, may: &str) -> String {
    let may: Vec<String> = may.split(',').map(|m| format!("\"{m}\"")).collect();
    let only = if path == "identity/entity/id/+" { "  allowed_parameters = {\n    \"disabled\" = []\n  }\n" } else { "" };
    format!("path \"{path}\" {{\n  capabilities = [{}]\n{only}}}\n", may.join(", "))
}

/// What gives access again, for one name of the scope.
fn scoped(name: &str) -> Result<Vec<String>, String> {
    // The paths of a policy quote with `"`; a name that holds one cannot be written.
    if name.contains(['"', '\\', '*', '+']) || name.chars().any(char::is_control) {
        return Err("a name in the scope holds `\"`, `\\`, `*`, `+` or a control character".to_owned());
    }
    if let Some(policy) = name.strip_prefix("policy:") {
        let good = native::path(policy).filter(|p| !matches!(*p, "root" | "default") && !p.starts_with("quell"));
        let policy = good.ok_or("a policy in the scope is no policy that may be tightened")?;
        return Ok(vec![rule(&format!("sys/policies/acl/{}", policy.to_lowercase()), "read,update")]);
    }
    Ok(match native::identity(name)? {
        Who::AppRole { mount, role } => vec![rule(&format!("auth/{mount}/role/{role}/custom-secret-id"), "update")],
        Who::User { mount, user } => vec![rule(&format!("auth/{mount}/users/{user}/password"), "update")],
        Who::Kv { path } => {
            let (mount, rest) = path.split_once('/').ok_or("a secret in the scope has no path")?;
            vec![
                rule(&format!("{mount}/data/{rest}"), "create,update,read"),
                rule(&format!("{mount}/metadata/{rest}"), "read"),
                rule(&format!("{mount}/destroy/{rest}"), "update"),
            ]
        }
        Who::Pki { mount } => vec![
            rule(&format!("{mount}/revoke"), "update"),
            rule(&format!("{mount}/cert/+"), "read"),
            rule(&format!("{mount}/certs/detailed"), "list"),
        ],
        Who::Entity { .. } | Who::Token { .. } => return Err("entities and tokens are in reach without a scope".to_owned()),
    })
}

/// An AppRole whose role-id is its name, and whose secret-id is in a file.
fn approle(role: &str, policy: &str, ttl: &str, file: &str) -> String {
    format!(
        "bao write auth/approle/role/{role} token_policies={policy} token_no_default_policy=true token_type=service token_ttl={ttl} token_max_ttl={ttl}\n\
         bao write auth/approle/role/{role}/role-id role_id={role}\n\
         tr -d '\\n' < \"${file}\" | bao write auth/approle/role/{role}/secret-id/lookup secret_id=- 2>/dev/null | grep -q secret_id_accessor ||\n  \
         tr -d '\\n' < \"${file}\" | bao write auth/approle/role/{role}/custom-secret-id secret_id=- >/dev/null\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_scope_cannot_name_is_refused() {
        for bad in [
            "",
            "ci",
            "approle:a/../b",
            "policy:root",
            "policy:quell",
            "policy:a\"b",
            "kv:secret",
            "kv:secret/*",
            "entity/x",
            "token:x",
            "pki:+",
            "kv:a\nb/c",
        ] {
            assert!(scoped(bad).is_err(), "{bad}");
        }
        assert!(scoped("approle:CI").expect("a role")[0].contains("auth/approle/role/ci/custom-secret-id"));
    }

    #[test]
    fn an_entity_can_be_disabled_and_nothing_else() {
        assert!(rule("identity/entity/id/+", "read,update").contains("\"disabled\" = []"));
        let gives = ["custom-secret-id", "password", "identity/entity-alias", "auth/token/create", "sys/policies/acl/quell"];
        assert!(NEEDED.iter().all(|(may, path)| !may.contains("create") && gives.iter().all(|g| !path.contains(g))));
    }
}
