//! Calls after which a credential should no longer work.

use quell_core::trace::{Deed, Ended};

use super::deeds::Call;

pub const CALLS: &[&str] = &[
    "DeleteAccessKey",
    "UpdateAccessKey",
    "DeleteLoginProfile",
    "DeleteUser",
    "DeleteRole",
    "DeleteServiceSpecificCredential",
    "DeleteSSHPublicKey",
    "DeleteSigningCertificate",
    "DeleteKeyPair",
    "DeleteSAMLProvider",
    "DeleteOpenIDConnectProvider",
];

/// What this call ended.
pub fn ends(call: &Call<'_>) -> Vec<Deed> {
    let credential = |id: Option<String>| id.map(Ended::Credential);
    let ended = match call.name {
        "DeleteAccessKey" => credential(call.asked("accessKeyId")),
        "UpdateAccessKey" => credential(call.asked("accessKeyId").filter(|_| call.asked("status").is_some_and(|s| s == "Inactive"))),
        "DeleteLoginProfile" => credential(call.user().map(|u| format!("{u}#password"))),
        "DeleteServiceSpecificCredential" => credential(call.asked("serviceSpecificCredentialId")),
        "DeleteSSHPublicKey" => credential(call.asked("sSHPublicKeyId")),
        "DeleteSigningCertificate" => credential(call.asked("certificateId")),
        "DeleteKeyPair" => credential(call.asked("keyPairId")),
        "DeleteSAMLProvider" => credential(call.asked("sAMLProviderArn")),
        "DeleteOpenIDConnectProvider" => credential(call.asked("openIDConnectProviderArn")),
        "DeleteUser" => call.user().map(Ended::Identity),
        // The trust is gone; whoever holds a session of the role still holds it until it expires.
        "DeleteRole" => credential(call.role()),
        _ => None,
    };
    ended.into_iter().map(Deed::End).collect()
}
