//! Calls whose effect outlives the credential that made them: permissions,
//! trust, logging, sharing, code.

use crate::json::Value;
use quell_core::trace::{Deed, Ended, LinkKind, Minted, Nature};

use super::deeds::Call;
use crate::field::{list, text};

/// The parameters of a call that may name its target, the likeliest first.
const NAMES: &[&str] = &[
    "policyArn",
    "functionName",
    "bucketName",
    "name",
    "trailName",
    "imageId",
    "snapshotId",
    "dBSnapshotIdentifier",
    "groupId",
    "instanceId",
    "keyId",
    "secretId",
    "detectorId",
    "logGroupName",
    "repositoryName",
    "userName",
    "groupName",
    "policyName",
    "resolverQueryLogConfigId",
    "eventDataStore",
    "configurationRecorderName",
    "deliveryChannelName",
];

const PERMISSION: &[&str] = &[
    "AttachUserPolicy",
    "PutUserPolicy",
    "AttachGroupPolicy",
    "PutGroupPolicy",
    "AttachRolePolicy",
    "PutRolePolicy",
    "AddUserToGroup",
    "CreatePolicyVersion",
    "SetDefaultPolicyVersion",
    "DeleteRolePermissionsBoundary",
    "DeleteUserPermissionsBoundary",
    "AssociateIamInstanceProfile",
    "ReplaceIamInstanceProfileAssociation",
    "EnableSerialConsoleAccess",
    "LeaveOrganization",
    "CreateAccessEntry",
    "AssociateAccessPolicy",
];
const TRUST: &[&str] = &[
    "UpdateAssumeRolePolicy",
    "CreateSAMLProvider",
    "UpdateSAMLProvider",
    "CreateOpenIDConnectProvider",
    "AddClientIDToOpenIDConnectProvider",
    "UpdateOpenIDConnectProviderThumbprint",
    "CreateTrustAnchor",
    "CreateProfile",
];
const IDENTITY: &[&str] = &["DeactivateMFADevice", "DeleteVirtualMFADevice", "EnableMFADevice"];
const LOGGING: &[&str] = &[
    "StopLogging",
    "DeleteTrail",
    "UpdateTrail",
    "PutEventSelectors",
    "DeleteEventDataStore",
    "StopEventDataStoreIngestion",
    "DeleteFlowLogs",
    "DeleteResolverQueryLogConfig",
    "DisassociateResolverQueryLogConfig",
    "DeleteDetector",
    "UpdateDetector",
    "DeleteLogGroup",
    "DeleteLogStream",
    "StopConfigurationRecorder",
    "DeleteConfigurationRecorder",
    "DeleteDeliveryChannel",
    "DisableSecurityHub",
    "DeleteAlarms",
];
const SHARING: &[&str] = &[
    "ModifyImageAttribute",
    "ModifySnapshotAttribute",
    "ModifyDBSnapshotAttribute",
    "PutBucketPolicy",
    "PutBucketAcl",
    "DeleteBucketPublicAccessBlock",
    "PutBucketPublicAccessBlock",
    "AuthorizeSecurityGroupIngress",
    "AddPermission",
    "PutKeyPolicy",
    "PutResourcePolicy",
    "CreateFunctionUrlConfig",
    "SetRepositoryPolicy",
];
const CODE: &[&str] = &["UpdateFunctionCode", "UpdateFunctionConfiguration", "ModifyInstanceAttribute", "CreateAssociation"];

/// Is a call of this name read in full?
pub fn concerns(_source: &str, name: &str) -> bool {
    nature(name).is_some()
}

fn nature(name: &str) -> Option<Nature> {
    let all = [
        (PERMISSION, Nature::Permission),
        (TRUST, Nature::Trust),
        (IDENTITY, Nature::Identity),
        (LOGGING, Nature::Logging),
        (SHARING, Nature::Sharing),
        (CODE, Nature::Code),
    ];
    all.into_iter().find(|(names, _)| names.contains(&name)).map(|(_, nature)| nature)
}

/// Adds what this call gave, opened or hid.
pub fn grants(call: &Call<'_>, out: &mut Vec<Deed>) {
    let Some(nature) = nature(call.name) else { return };
    match call.name {
        // The vendor fences a leaked key by itself: that gives nothing, and says whose key leaked.
        "AttachUserPolicy" if call.asked("policyArn").is_some_and(|p| p.contains("AWSCompromisedKeyQuarantine")) => {
            let why = "AWS quarantined this user for a leaked key";
            out.extend(call.user().map(|identity| Deed::Accuse { identity, why }));
            return;
        }
        // What the console writes to end sessions that began before.
        "PutRolePolicy" if call.asked("policyName").is_some_and(|p| p == "AWSRevokeOlderSessions") => {
            out.extend(call.role().map(Ended::SessionsOf).map(Deed::End));
            return;
        }
        // Of a machine's attributes only what it runs counts.
        "ModifyInstanceAttribute"
            if call.request().get("userData").is_none() && call.asked("attribute").is_none_or(|a| a != "userData") =>
        {
            return;
        }
        "UpdateFunctionConfiguration" if call.request().get("layers").is_none() => return,
        "UpdateAssumeRolePolicy" => {
            if let Some(role) = call.role() {
                out.extend(trust(call, "policyDocument", &role));
            }
        }
        "CreateSAMLProvider" | "UpdateSAMLProvider" | "CreateOpenIDConnectProvider" | "CreateTrustAnchor" => {
            let id =
                ["sAMLProviderArn", "openIDConnectProviderArn"].iter().find_map(|n| text(call.answer(), n)).or_else(|| call.asked("name"));
            out.extend(id.map(|id| Deed::Mint(Minted { id, kind: LinkKind::Entitlement, ..Minted::default() })));
        }
        _ => {}
    }
    out.push(Deed::Change { nature, target: target(call) });
}

/// What was changed, by the best name that the request has for it.
fn target(call: &Call<'_>) -> String {
    if let Some(role) = call.role() {
        return role;
    }
    if call.asked("userName").is_some()
        && let Some(user) = call.user()
    {
        return user;
    }
    let named = NAMES.iter().find_map(|name| call.asked(name));
    let listed = || {
        list(call.request(), "flowLogIds").iter().find_map(crate::field::as_text).or_else(|| {
            let ids = call.record.pointer("/requestParameters/DeleteFlowLogsRequest/FlowLogId")?;
            ids.get("content").and_then(crate::field::as_text)
        })
    };
    named.or_else(listed).unwrap_or_else(|| format!("{} of account {}", call.name, call.account))
}

/// A standing trust, where the document admits somebody outside of the account.
pub fn trust(call: &Call<'_>, document: &str, role: &str) -> Option<Deed> {
    let document = crate::json::document(call.asked(document)?.as_bytes()).ok()?;
    let admits =
        list(&document, "Statement").iter().filter(|s| s["Effect"] == "Allow").any(|s| admits_strangers(&s["Principal"], call.account));
    if !admits {
        return None;
    }
    let denied = call.asked("permissionsBoundary").is_some_and(|b| b.ends_with(":policy/AWSDenyAll"));
    let note = denied.then_some("a permissions boundary denies everything: at present it opens nothing");
    Some(Deed::Mint(Minted {
        id: role.to_owned(),
        kind: LinkKind::Entitlement,
        identity: Some(role.to_owned()),
        note,
        ..Minted::default()
    }))
}

fn admits_strangers(principal: &Value, account: &str) -> bool {
    let stranger = |name: &str| {
        let owner = name.strip_prefix("arn:").and_then(|a| a.split(':').nth(3)).unwrap_or(name);
        name == "*" || (owner.len() == 12 && owner.bytes().all(|b| b.is_ascii_digit()) && owner != account)
    };
    match principal {
        Value::String(all) => all == "*",
        Value::Object(_) => list(principal, "AWS").iter().filter_map(Value::as_str).any(stranger),
        _ => false,
    }
}
