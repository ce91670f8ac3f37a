//! AWS CloudTrail: management, data, sign-in and Insights events, alone, in
//! `Records`, or in an EventBridge envelope.
//!
//! An event is about its caller, with these exceptions. A role that was taken on
//! gives a session, and the event is about the session. What AWS or a responder
//! does to contain (the quarantine policies, the policy that revokes older
//! sessions) is by a role and about its target. Event reference: CloudTrail user
//! guide, `userIdentity` element and IAM, STS and sign-in examples (read 2026-11).

mod caller;

use quell_core::signal::{CredentialKind, Detected, IdentityKind, ObservedFrom, Readout, SignalKind};

pub use self::caller::{identity, kind_of_session};
use crate::{
    arn::{self, Arn},
    claim::{Claim, Who},
    field::{at, field, list, text, text_at, type_name},
    json::Value,
    message, severity,
};

/// The detector's name.
pub const NAME: &str = "aws-cloudtrail";
/// What it reads.
pub const READS: &str = "AWS CloudTrail events: alone, `Records`, EventBridge, Insights";
const LISTS: &[&str] = &["Records"];
const VENDOR_UPDATE: ObservedFrom = ObservedFrom::VendorUpdate;

/// Reads events.
pub fn read(bytes: &[u8]) -> Readout {
    message::read(bytes, LISTS, detected)
}

/// Whether `first` is an event of CloudTrail.
pub fn recognises(first: &Value) -> bool {
    // What OCSF says of an event is OCSF's, whatever else of the event is beside it.
    field(first, "class_uid").is_none() && is_event(message::first(first, LISTS))
}

/// Whether this record, also one inside another sender's alert, is an event.
pub fn is_event(record: &Value) -> bool {
    let insight = text(record, "eventType").is_some_and(|t| t == "AwsCloudTrailInsight");
    let call = text(record, "eventSource").is_some_and(|s| s.ends_with(".amazonaws.com") || s.ends_with(".amazonaws.com.cn"))
        && text(record, "eventName").is_some();
    (insight || call) && ["userIdentity", "eventVersion", "eventTime", "awsRegion"].iter().any(|n| field(record, n).is_some())
}

fn detected(event: &Value, sent: Option<&Value>) -> Result<Detected, String> {
    if !event.is_object() {
        return Err(format!("expected a CloudTrail event as an object, found {}", type_name(event)));
    }
    if !is_event(event) {
        return Err("neither `eventName` with an `eventSource` of AWS nor an Insights event, so this is no CloudTrail event".into());
    }
    let mut claim = Claim::new(NAME);
    read_event(event, &mut claim);
    Ok(claim.detected([(ObservedFrom::Event, field(event, "eventTime")), (VENDOR_UPDATE, sent)]))
}

/// Fills `claim` from one event; also for senders who carry such events inside.
pub fn read_event(event: &Value, claim: &mut Claim) {
    let name = text(event, "eventName").or_else(|| text_at(event, &["insightDetails", "eventName"])).unwrap_or_default();
    let failed = text(event, "errorCode");
    let caller = identity(event, &mut claim.reasons);
    claim.system = system(event);
    claim.ip = text(event, "sourceIPAddress");
    claim.kind = kind(event, &name, failed.is_some());
    claim.event = ["eventID", "eventType", "eventTime", "requestID"].iter().map(|n| text(event, n).unwrap_or_default()).collect();
    claim.event.push(name.clone());
    claim.credential = caller.key.map(|(kind, key)| (kind, Some(key)));

    if let Some(target) = contained(event, &name) {
        claim.subject = target;
        claim.actor = caller.who;
        claim.credential = None;
        claim.containment_evidence = true;
        claim.because("the policy that is attached contains its target, so the event is about the target and not about who attached it");
    } else if let Some((session, key)) = failed.is_none().then(|| minted(event, &name)).flatten() {
        claim.because("a role was taken on, so the event is about the session that this gave");
        claim.subject = session.or_kind(caller.who.kind);
        if let Some(account) =
            text_at(event, &["requestParameters", "roleArn"]).as_deref().and_then(Arn::of).map(|a| arn::system(a.account))
        {
            claim.system = Some(account);
        }
        claim.credential = key.map(|key| (CredentialKind::AccessKey, Some(key)));
        claim.actor = caller.who;
    } else if caller.service {
        claim.because("an AWS service acted by itself, which is no identity of the account");
    } else {
        claim.subject = caller.who;
    }
    if failed.is_some() {
        claim.because("the call failed");
    }
    if text_at(event, &["userIdentity", "invokedBy"]).is_some_and(|by| by.ends_with(".amazonaws.com")) {
        claim.because("an AWS service made the call for this identity");
    }
    claim.severity = severity::unrated();
    claim.title = title(event, &name, failed.as_deref());
}

/// `aws:ACCOUNT` of the identity, else of the log.
fn system(event: &Value) -> Option<String> {
    let arn = text_at(event, &["userIdentity", "arn"]);
    let account = text_at(event, &["userIdentity", "accountId"])
        .or_else(|| arn.as_deref().and_then(Arn::of).map(|a| a.account.to_owned()))
        .or_else(|| text(event, "recipientAccountId"));
    account.filter(|a| !a.is_empty()).map(|a| arn::system(&a))
}

/// The session that a successful call minted, and its key. Calls that mint for
/// the caller itself (`GetSessionToken`) stay about the caller, whose key it is.
fn minted(event: &Value, name: &str) -> Option<(Who, Option<String>)> {
    if !["AssumeRole", "AssumeRoleWithSAML", "AssumeRoleWithWebIdentity", "AssumeRoot"].contains(&name) {
        return None;
    }
    let response = field(event, "responseElements");
    let part = |path: &[&str]| response.and_then(|r| text_at(r, path));
    let key = part(&["credentials", "accessKeyId"]);
    let arn = part(&["assumedRoleUser", "arn"]);
    let role = text_at(event, &["requestParameters", "roleArn"]);
    let id = part(&["assumedRoleUser", "assumedRoleId"]).or_else(|| arn.clone()).or_else(|| role.clone())?;
    let session = text_at(event, &["requestParameters", "roleSessionName"]);
    let shown = arn.as_deref().and_then(Arn::of).map(|a| a.name().to_owned()).or_else(|| {
        let role = role.as_deref().and_then(Arn::of)?.name().to_owned();
        Some(session.map_or(role.clone(), |s| format!("{role}/{s}")))
    });
    let kind = caller::kind_of_session(shown.as_deref().unwrap_or_default());
    response.map(|_| (Who { kind, id: Some(id), name: shown }, key))
}

/// The target of a call that contains it: the policies with which AWS
/// quarantines a user whose key is exposed, and the inline policy that revokes a
/// role's older sessions.
fn contained(event: &Value, name: &str) -> Option<Who> {
    let request = field(event, "requestParameters")?;
    let policy = ["policyArn", "policyName"].iter().filter_map(|n| text(request, n)).collect::<Vec<_>>().join(" ");
    let quarantine = ["AttachUserPolicy", "PutUserPolicy"].contains(&name) && policy.contains("AWSCompromisedKeyQuarantine");
    let revoked = ["PutRolePolicy", "AttachRolePolicy"].contains(&name) && policy.contains("AWSRevokeOlderSessions");
    if !(quarantine || revoked) {
        return None;
    }
    let target = text(request, if quarantine { "userName" } else { "roleName" })?;
    Some(Who { id: None, name: Some(target), kind: IdentityKind::Unknown })
}

fn kind(event: &Value, name: &str, failed: bool) -> SignalKind {
    if contained(event, name).is_some() {
        let exposed = name.ends_with("UserPolicy");
        return if exposed { SignalKind::LeakedSecret } else { SignalKind::Containment };
    }
    if name == "ConsoleLogin" || name == "CheckMfa" || name == "CredentialVerification" {
        let without_mfa = text_at(event, &["additionalEventData", "MFAUsed"]).is_some_and(|m| m.eq_ignore_ascii_case("no"));
        let refused = text_at(event, &["responseElements", "ConsoleLogin"]).is_some_and(|r| r.eq_ignore_ascii_case("failure"));
        return if without_mfa || refused || failed { SignalKind::RiskySignIn } else { SignalKind::SessionEvent };
    }
    if text(event, "eventType").is_some_and(|t| t == "AwsCloudTrailInsight") {
        return SignalKind::AnomalousUse;
    }
    KINDS.iter().find(|(_, names)| names.contains(&name)).map_or(SignalKind::Other, |(kind, _)| *kind)
}

/// Calls of IAM, STS, Organizations and Identity Center by what they change.
const KINDS: &[(SignalKind, &[&str])] = &[
    (
        SignalKind::CredentialChange,
        &[
            "CreateAccessKey",
            "UpdateAccessKey",
            "DeleteAccessKey",
            "CreateLoginProfile",
            "UpdateLoginProfile",
            "DeleteLoginProfile",
            "ChangePassword",
            "PasswordUpdated",
            "PasswordRecoveryRequested",
            "PasswordRecoveryCompleted",
            "CreateVirtualMFADevice",
            "EnableMFADevice",
            "DeactivateMFADevice",
            "DeleteVirtualMFADevice",
            "ResyncMFADevice",
            "UploadSSHPublicKey",
            "UploadSigningCertificate",
            "UploadServerCertificate",
            "CreateServiceSpecificCredential",
            "ResetServiceSpecificCredential",
            "ImportKeyPair",
            "CreateKeyPair",
        ],
    ),
    (
        SignalKind::PrivilegeChange,
        &[
            "AttachUserPolicy",
            "AttachRolePolicy",
            "AttachGroupPolicy",
            "DetachUserPolicy",
            "DetachRolePolicy",
            "DetachGroupPolicy",
            "PutUserPolicy",
            "PutRolePolicy",
            "PutGroupPolicy",
            "DeleteUserPolicy",
            "DeleteRolePolicy",
            "DeleteGroupPolicy",
            "PutUserPermissionsBoundary",
            "DeleteUserPermissionsBoundary",
            "PutRolePermissionsBoundary",
            "DeleteRolePermissionsBoundary",
            "CreatePolicy",
            "CreatePolicyVersion",
            "SetDefaultPolicyVersion",
            "AddUserToGroup",
            "RemoveUserFromGroup",
            "AddRoleToInstanceProfile",
            "AssociateIamInstanceProfile",
            "ReplaceIamInstanceProfileAssociation",
            "CreateAccountAssignment",
            "AttachManagedPolicyToPermissionSet",
            "AddMemberToGroup",
        ],
    ),
    (
        SignalKind::AccountChange,
        &[
            "CreateUser",
            "UpdateUser",
            "DeleteUser",
            "CreateRole",
            "UpdateRole",
            "DeleteRole",
            "CreateGroup",
            "CreateAccount",
            "EmailUpdated",
        ],
    ),
    (
        SignalKind::DelegationChange,
        &[
            "UpdateAssumeRolePolicy",
            "CreateSAMLProvider",
            "UpdateSAMLProvider",
            "CreateOpenIDConnectProvider",
            "UpdateOpenIDConnectProviderThumbprint",
            "AddClientIDToOpenIDConnectProvider",
            "CreateTrustAnchor",
            "CreateProfile",
            "PutKeyPolicy",
            "CreateGrant",
            "PutResourcePolicy",
        ],
    ),
    (
        SignalKind::SessionEvent,
        &[
            "AssumeRole",
            "AssumeRoleWithSAML",
            "AssumeRoleWithWebIdentity",
            "AssumeRoot",
            "GetSessionToken",
            "GetFederationToken",
            "GetSigninToken",
            "SwitchRole",
            "ExitRole",
            "RenewRole",
            "StartSession",
            "CreateSession",
            "GetRoleCredentials",
            "Federate",
            "Authenticate",
        ],
    ),
];

fn title(event: &Value, name: &str, failed: Option<&str>) -> String {
    let service = text(event, "eventSource").or_else(|| text_at(event, &["insightDetails", "eventSource"])).unwrap_or_default();
    let target = ["userName", "roleName", "groupName", "roleArn", "secretId"]
        .iter()
        .find_map(|n| text_at(event, &["requestParameters", n]))
        .or_else(|| list(event, "resources").iter().find_map(|r| text(r, "ARN")));
    let mut title = format!("{name} of {service}");
    if let Some(target) = target {
        title.push_str(&format!(" on {target}"));
    }
    if let Some(code) = failed {
        title.push_str(&format!(" failed with {code}"));
    }
    if at(event, &["insightDetails"]).is_some() {
        title = format!("Unusual rate of {name} of {service}");
    }
    title
}
