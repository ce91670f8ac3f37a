//! The one credential a finding names.
//!
//! OCSF's own places come first, in the order observable 19, programmatic
//! credentials, credential of the user, of the session, token, certificate; then
//! the IAM access key resource, whose id stands behind a type. A text with the
//! form of a secret is a secret, wherever a sender put it.

use quell_core::{secret::Secret, signal::CredentialKind};

use super::subject::{Details, places, users};
use crate::{
    credential::{has_form_of_secret, is_aws_key_id},
    field::{field, integer, is_placeholder, list, said, text, text_at},
    json::Value,
};

/// A credential as a finding names it.
pub struct Named {
    pub kind: CredentialKind,
    pub id: Option<String>,
    pub secret: Option<Secret>,
}

/// `AWS::IAM::AccessKey:AKIA..`, as Security Hub names the resource.
const KEY_RESOURCE: &str = "AWS::IAM::AccessKey:";

/// The first credential in the order above.
pub fn find(finding: &Value, details: &Details, reasons: &mut Vec<String>) -> Option<Named> {
    let mut found: Vec<(CredentialKind, String)> = Vec::new();
    let observed =
        |id: i64| list(finding, "observables").iter().filter(move |o| integer(o, "type_id") == Some(id)).filter_map(|o| text(o, "value"));
    found.extend(observed(19).map(|id| (CredentialKind::Unknown, id)));
    for user in users(finding) {
        for one in list(user, "programmatic_credentials") {
            found.extend(text(one, "uid").map(|id| (kind_of_type(&text(one, "type").unwrap_or_default()), id)));
        }
    }
    found.extend(users(finding).filter_map(|u| text(u, "credential_uid")).map(|id| (CredentialKind::Unknown, id)));
    found.extend(places(finding).filter_map(|p| text_at(p, &["session", "credential_uid"])).map(|id| (CredentialKind::Unknown, id)));
    for token in places(finding).filter_map(|p| field(p, "authentication_token")) {
        let kind = if integer(token, "type_id") == Some(4) { CredentialKind::RefreshToken } else { CredentialKind::Token };
        found.extend(text(token, "uid").map(|id| (kind, id)));
    }
    found.extend(places(finding).filter_map(|p| text_at(p, &["certificate", "serial_number"])).map(|id| (CredentialKind::Certificate, id)));

    let keys = details.parts("AwsIamAccessKey").chain(details.parts("accessKeyDetails")).filter_map(|k| text(k, "AccessKeyId"));
    let resources = list(finding, "resources").iter().filter(|r| {
        said(r, "uid").is_some_and(|u| u.starts_with(KEY_RESOURCE))
            || said(r, "type").is_some_and(|t| t.eq_ignore_ascii_case("AwsIamAccessKey"))
    });
    let uids = resources.filter_map(|r| text(r, "uid")).chain(observed(10).filter(|v| v.starts_with(KEY_RESOURCE)));
    found.extend(keys.chain(uids).map(|id| (CredentialKind::AccessKey, id.strip_prefix(KEY_RESOURCE).unwrap_or(&id).to_owned())));

    let named = found.len();
    found.retain(|(_, id)| !is_placeholder(id));
    if found.len() < named {
        reasons.push("a placeholder stands where a credential's id belongs and names none".into());
    }
    let (kind, id) = found.into_iter().next()?;
    if has_form_of_secret(&id) {
        reasons.push("the value given as the credential's id has the form of the credential itself and is treated as such".into());
        return Some(Named { kind: CredentialKind::Token, id: None, secret: Some(Secret::new(id)) });
    }
    let kind = if is_aws_key_id(&id) { CredentialKind::AccessKey } else { kind };
    Some(Named { kind, id: Some(id), secret: None })
}

fn kind_of_type(kind: &str) -> CredentialKind {
    let lower = kind.to_ascii_lowercase().replace([' ', '_', '-'], "");
    let has = |word| lower.contains(word);
    if has("accesskey") {
        CredentialKind::AccessKey
    } else if has("apikey") {
        CredentialKind::ApiKey
    } else if has("refreshtoken") {
        CredentialKind::RefreshToken
    } else if has("token") {
        CredentialKind::Token
    } else if has("certificate") {
        CredentialKind::Certificate
    } else if has("ssh") {
        CredentialKind::SshKey
    } else {
        CredentialKind::Unknown
    }
}
