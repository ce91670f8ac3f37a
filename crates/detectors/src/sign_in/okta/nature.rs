//! What an Okta event says happened, by its type.
//!
//! Types are dotted, the most general word first, so the longest known
//! beginning counts (event types catalogue, read 2026-11).

use quell_core::signal::SignalKind;

/// The kind of an event that came about, or was refused.
pub fn kind(event_type: &str, done: bool) -> SignalKind {
    let lower = event_type.to_ascii_lowercase();
    let found = KINDS.iter().filter(|(start, ..)| lower.starts_with(start)).max_by_key(|(start, ..)| start.len());
    match found {
        Some((_, _, refused)) if !done => *refused,
        Some((_, kind, _)) => *kind,
        None => SignalKind::Other,
    }
}

/// Why an event that came about is evidence of containment.
pub fn containment(event_type: &str) -> Option<&'static str> {
    let lower = event_type.to_ascii_lowercase();
    CONTAINMENT.iter().find(|(start, _)| lower.starts_with(start)).map(|(_, why)| *why)
}

const CONTAINMENT: &[(&str, &str)] = &[
    ("user.session.clear", "the user's sessions were ended"),
    ("user.session.universal_logout", "the user was signed out everywhere"),
    ("user.authentication.universal_logout", "the user was signed out everywhere"),
    ("user.lifecycle.suspend", "the user was suspended"),
    ("user.lifecycle.deactivate", "the user was deactivated"),
    ("user.lifecycle.delete", "the user was deleted"),
    ("system.api_token.revoke", "the token was revoked"),
    ("system.api_token.disable", "the token was disabled"),
    ("app.oauth2.token.revoke", "a token was revoked"),
    ("app.oauth2.as.token.revoke", "a token was revoked"),
    ("app.oauth2.client.lifecycle.deactivate", "the client was deactivated"),
    ("app.oauth2.client.lifecycle.delete", "the client was deleted"),
    ("app.oauth2.client.lifecycle.disable", "the client was disabled"),
    ("user.session.impersonation.end", "the impersonation was ended"),
    ("user.session.impersonation.revoke", "the right to impersonate was revoked"),
];

use SignalKind as K;

/// Beginning of the type, kind when it came about, kind when it was refused.
const KINDS: &[(&str, SignalKind, SignalKind)] = &[
    ("user.session.", K::SessionEvent, K::RiskySignIn),
    ("user.session.context", K::RiskySignIn, K::RiskySignIn),
    ("user.session.impersonation", K::DelegationChange, K::DelegationChange),
    ("user.authentication.", K::SessionEvent, K::RiskySignIn),
    ("user.mfa.", K::CredentialChange, K::CredentialChange),
    ("user.mfa.attempt_bypass", K::RiskySignIn, K::RiskySignIn),
    ("user.mfa.okta_verify", K::SessionEvent, K::RiskySignIn),
    ("user.mfa.okta_verify.deny", K::RiskySignIn, K::RiskySignIn),
    ("user.credential.", K::CredentialChange, K::CredentialChange),
    ("user.account.", K::AccountChange, K::AccountChange),
    ("user.account.update_password", K::CredentialChange, K::RiskySignIn),
    ("user.account.reset_password", K::CredentialChange, K::RiskySignIn),
    ("user.account.expire_password", K::CredentialChange, K::CredentialChange),
    ("user.account.update_secondary_email", K::CredentialChange, K::CredentialChange),
    ("user.account.update_primary_email", K::CredentialChange, K::CredentialChange),
    ("user.account.use_token", K::CredentialChange, K::RiskySignIn),
    ("user.account.privilege", K::PrivilegeChange, K::PrivilegeChange),
    ("user.account.access_super_user_app", K::SessionEvent, K::PolicyViolation),
    ("user.account.lock", K::RiskySignIn, K::RiskySignIn),
    ("user.account.report_suspicious_activity", K::AnomalousUse, K::AnomalousUse),
    ("user.lifecycle.", K::AccountChange, K::AccountChange),
    ("user.risk.", K::RiskySignIn, K::RiskySignIn),
    ("user.behavior", K::RiskySignIn, K::RiskySignIn),
    ("group.user_membership.", K::PrivilegeChange, K::PrivilegeChange),
    ("group.privilege.", K::PrivilegeChange, K::PrivilegeChange),
    ("group.application_assignment", K::PrivilegeChange, K::PrivilegeChange),
    ("group.", K::AccountChange, K::AccountChange),
    ("application.user_membership.", K::PrivilegeChange, K::PrivilegeChange),
    ("application.lifecycle.", K::DelegationChange, K::DelegationChange),
    ("application.policy.sign_on.deny_access", K::PolicyViolation, K::PolicyViolation),
    ("iam.role", K::PrivilegeChange, K::PrivilegeChange),
    ("iam.resourceset", K::PrivilegeChange, K::PrivilegeChange),
    ("app.oauth2.", K::SessionEvent, K::RiskySignIn),
    ("app.oauth2.token.detect_reuse", K::AnomalousUse, K::AnomalousUse),
    ("app.oauth2.as.token.detect_reuse", K::AnomalousUse, K::AnomalousUse),
    ("app.oauth2.client", K::CredentialChange, K::CredentialChange),
    ("app.oauth2.client_id_rate_limit", K::AnomalousUse, K::AnomalousUse),
    ("app.oauth2.consent", K::DelegationChange, K::DelegationChange),
    ("app.oauth2.as.consent", K::DelegationChange, K::DelegationChange),
    ("app.oauth2.trusted_server", K::DelegationChange, K::DelegationChange),
    ("app.oauth2.key", K::CredentialChange, K::CredentialChange),
    ("app.generic.unauth_app_access_attempt", K::PolicyViolation, K::PolicyViolation),
    ("app.access_request.", K::PrivilegeChange, K::PrivilegeChange),
    ("app.keys.", K::CredentialChange, K::CredentialChange),
    ("system.api_token.", K::CredentialChange, K::CredentialChange),
    ("system.idp.", K::DelegationChange, K::DelegationChange),
    ("system.org.rate_limit", K::AnomalousUse, K::AnomalousUse),
    ("system.operation.rate_limit", K::AnomalousUse, K::AnomalousUse),
    ("system.mfa.", K::Posture, K::Posture),
    ("system.log_stream", K::Posture, K::Posture),
    ("security.threat.", K::AnomalousUse, K::AnomalousUse),
    ("security.attack.", K::AnomalousUse, K::AnomalousUse),
    ("security.breached_credential.", K::LeakedSecret, K::LeakedSecret),
    ("security.authenticator.", K::Posture, K::Posture),
    ("security.device.", K::Posture, K::Posture),
    ("security.request.blocked", K::PolicyViolation, K::PolicyViolation),
    ("security.session.", K::RiskySignIn, K::RiskySignIn),
    ("security.", K::Posture, K::Posture),
    ("policy.evaluate_sign_on", K::SessionEvent, K::RiskySignIn),
    ("policy.auth_reevaluate", K::RiskySignIn, K::RiskySignIn),
    ("policy.entity_risk", K::RiskySignIn, K::RiskySignIn),
    ("policy.continuous_access", K::RiskySignIn, K::RiskySignIn),
    ("policy.", K::Posture, K::Posture),
    ("zone.", K::Posture, K::Posture),
    ("device.", K::AccountChange, K::AccountChange),
    ("pam.", K::SessionEvent, K::RiskySignIn),
    ("workload_identity", K::CredentialChange, K::CredentialChange),
    ("oauth2.", K::DelegationChange, K::DelegationChange),
];
