//! What a call made of credentials.
//!
//! One arm a sort of call. A call that is in no arm is a use and nothing more.

use crate::json::Value;
use quell_core::{
    time::{Timestamp, after},
    trace::{Deed, LinkKind, Minted, Nature},
};

use super::{
    bearer::{UserIdentity, is_machine, kind_of_key, pathless, role_session},
    ends, grants,
};
use crate::{
    field::{list, text, text_at, truth},
    telemetry::when,
};

/// One call that concerns credentials.
pub struct Call<'a> {
    pub name: &'a str,
    pub account: &'a str,
    pub caller: &'a UserIdentity<'a>,
    pub record: &'a Value,
    pub at: Option<Timestamp>,
}

impl Call<'_> {
    /// A parameter of the request.
    pub fn asked(&self, name: &str) -> Option<String> {
        text_at(self.record, &["requestParameters", name])
    }

    pub fn request(&self) -> &Value {
        &self.record["requestParameters"]
    }

    pub fn answer(&self) -> &Value {
        &self.record["responseElements"]
    }

    /// A user of this account by its name; the caller where none is named.
    pub fn user(&self) -> Option<String> {
        match self.asked("userName") {
            Some(name) => Some(format!("arn:aws:iam::{}:user/{name}", self.account)),
            None => self.caller.arn().map(str::to_owned),
        }
    }

    /// A role of this account by its name.
    pub fn role(&self) -> Option<String> {
        self.asked("roleName").map(|name| format!("arn:aws:iam::{}:role/{name}", self.account))
    }
}

/// Is this call read in full?
pub fn concerns(source: &str, name: &str) -> bool {
    READ.contains(&name) || ends::CALLS.contains(&name) || grants::concerns(source, name)
}

const READ: &[&str] = &[
    "AssumeRole",
    "AssumeRoleWithSAML",
    "AssumeRoleWithWebIdentity",
    "AssumeRoot",
    "GetSessionToken",
    "GetFederationToken",
    "ConsoleLogin",
    "CreateAccessKey",
    "CreateLoginProfile",
    "UpdateLoginProfile",
    "ChangePassword",
    "CreateServiceSpecificCredential",
    "ResetServiceSpecificCredential",
    "UploadSSHPublicKey",
    "UploadSigningCertificate",
    "CreateKeyPair",
    "ImportKeyPair",
    "CreateUser",
    "CreateRole",
    "GetSecretValue",
    "BatchGetSecretValue",
    "GetParameter",
    "GetParameters",
    "GetParametersByPath",
    "GetParameterHistory",
    "GetPasswordData",
    "RunInstances",
    "SendCommand",
    "StartSession",
    "SendSSHPublicKey",
    "SendSerialConsoleSSHPublicKey",
];

/// Everything that this call made of credentials.
pub fn deeds(call: &Call<'_>) -> Vec<Deed> {
    let mut out = Vec::new();
    match call.name {
        "AssumeRole" | "AssumeRoleWithSAML" | "AssumeRoleWithWebIdentity" | "AssumeRoot" => out.extend(role_session_minted(call)),
        "GetSessionToken" | "GetFederationToken" => out.extend(session_minted(call)),
        "ConsoleLogin" => out.extend(signed_in(call)),
        "CreateAccessKey" => {
            let key = &call.answer()["accessKey"];
            let who = text(key, "userName").map(|u| format!("arn:aws:iam::{}:user/{u}", call.account)).or_else(|| call.user());
            out.extend(minted(text(key, "accessKeyId"), LinkKind::AccessKey, who));
        }
        "CreateLoginProfile" | "UpdateLoginProfile" | "ChangePassword" => {
            let who = call.user();
            out.extend(minted(who.as_ref().map(|w| format!("{w}#password")), LinkKind::Password, who));
        }
        "CreateServiceSpecificCredential" | "ResetServiceSpecificCredential" => {
            let id = text_at(call.answer(), &["serviceSpecificCredential", "serviceSpecificCredentialId"]);
            out.extend(minted(id, LinkKind::Password, call.user()));
        }
        "UploadSSHPublicKey" => {
            out.extend(minted(text_at(call.answer(), &["sSHPublicKey", "sSHPublicKeyId"]), LinkKind::SshKey, call.user()))
        }
        "UploadSigningCertificate" => {
            out.extend(minted(text_at(call.answer(), &["certificate", "certificateId"]), LinkKind::Certificate, call.user()))
        }
        "CreateKeyPair" | "ImportKeyPair" => out.extend(minted(text(call.answer(), "keyPairId"), LinkKind::SshKey, None)),
        "CreateUser" => out.extend(text_at(call.answer(), &["user", "arn"]).or_else(|| call.user()).map(Deed::Make)),
        "CreateRole" => {
            let role = text_at(call.answer(), &["role", "arn"]).map(|a| pathless(&a)).or_else(|| call.role());
            if let Some(role) = role {
                out.extend(grants::trust(call, "assumeRolePolicyDocument", &role));
                out.push(Deed::Change { nature: Nature::Identity, target: role });
            }
        }
        "GetSecretValue" | "GetPasswordData" => out.extend(secret_read(call).map(Deed::Read)),
        "BatchGetSecretValue" => out.extend(list(call.request(), "secretIdList").iter().filter_map(crate::field::as_text).map(Deed::Read)),
        "GetParameter" | "GetParameters" | "GetParametersByPath" | "GetParameterHistory" => out.extend(parameters_read(call)),
        "RunInstances" => {
            let machines = list(&call.answer()["instancesSet"], "items");
            out.extend(machines.iter().filter_map(|m| text(m, "instanceId")).map(Deed::Launch));
        }
        "SendCommand" | "StartSession" => {
            let named = list(call.request(), "instanceIds").iter().filter_map(crate::field::as_text).chain(call.asked("target"));
            out.extend(named.map(Deed::Command));
        }
        "SendSSHPublicKey" | "SendSerialConsoleSSHPublicKey" => out.extend(call.asked("instanceId").map(Deed::Command)),
        name if ends::CALLS.contains(&name) => out.extend(ends::ends(call)),
        _ => {}
    }
    grants::grants(call, &mut out);
    out
}

fn minted(id: Option<String>, kind: LinkKind, identity: Option<String>) -> Option<Deed> {
    Some(Deed::Mint(Minted { id: id?, kind, identity, ..Minted::default() }))
}

fn role_session_minted(call: &Call<'_>) -> Option<Deed> {
    let credentials = &call.answer()["credentials"];
    let id = text(credentials, "accessKeyId")?;
    let named = text_at(call.answer(), &["assumedRoleUser", "arn"]).and_then(|a| role_session(&a));
    let (role, session) = match named {
        Some((role, session)) => (Some(role), Some(session)),
        None => (call.asked("roleArn").map(|a| pathless(&a)), call.asked("roleSessionName")),
    };
    let workload = session.clone().filter(|s| is_machine(s));
    let service = call.caller.service().filter(|_| workload.is_none()).map(str::to_owned);
    let identity = role.clone();
    let expires_at = text(credentials, "expiration").and_then(|t| when(&t)).or_else(|| lasting(call));
    let kind = kind_of_key(Some(&id));
    Some(Deed::Mint(Minted { id, kind, identity, role, session, workload, service, expires_at, ..Minted::default() }))
}

fn session_minted(call: &Call<'_>) -> Option<Deed> {
    let credentials = &call.answer()["credentials"];
    let id = text(credentials, "accessKeyId")?;
    let identity = text_at(call.answer(), &["federatedUser", "arn"]).or_else(|| call.caller.arn().map(str::to_owned));
    let expires_at = text(credentials, "expiration").and_then(|t| when(&t)).or_else(|| lasting(call));
    Some(Deed::Mint(Minted { kind: kind_of_key(Some(&id)), id, identity, expires_at, ..Minted::default() }))
}

/// An expiry from the length that was asked for, where the answer has none.
fn lasting(call: &Call<'_>) -> Option<Timestamp> {
    let seconds = crate::field::integer(call.request(), "durationSeconds")?;
    Some(after(call.at?, seconds))
}

/// A console sign-in: the console then draws keys of its own from it.
fn signed_in(call: &Call<'_>) -> Option<Deed> {
    let who = call.caller.arn()?;
    let at = call.at?;
    Some(Deed::Mint(Minted {
        id: format!("{who}#console@{at}"),
        kind: LinkKind::Session,
        identity: Some(who.to_owned()),
        expires_at: Some(after(at, 12 * 3600)),
        login: true,
        ..Minted::default()
    }))
}

/// The ARN where the record names one, else what was asked for.
fn secret_read(call: &Call<'_>) -> Option<String> {
    if call.name == "GetPasswordData" {
        return call.asked("instanceId").map(|i| format!("{i}#administrator-password"));
    }
    let named = list(call.record, "resources").iter().find_map(|r| text(r, "ARN"));
    named.or_else(|| call.asked("secretId"))
}

/// Parameters are secrets only where they were decrypted; AWS's own are public.
fn parameters_read(call: &Call<'_>) -> Vec<Deed> {
    if truth(call.request(), "withDecryption") != Some(true) {
        return Vec::new();
    }
    let public = |name: &String| name.contains("/aws/service/");
    let named: Vec<String> = list(call.record, "resources").iter().filter_map(|r| text(r, "ARN")).filter(|n| !public(n)).collect();
    if !named.is_empty() {
        return named.into_iter().map(Deed::Read).collect();
    }
    let asked = list(call.request(), "names").iter().filter_map(crate::field::as_text);
    let below = call.asked("path").map(|p| format!("{p}/*"));
    asked.chain(call.asked("name")).chain(below).filter(|n| !public(n)).map(Deed::Read).collect()
}
