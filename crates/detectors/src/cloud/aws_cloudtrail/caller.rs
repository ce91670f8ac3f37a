//! Who called, from `userIdentity`.
//!
//! Types as documented: Root, IAMUser, AssumedRole, Role, FederatedUser,
//! Directory, SAMLUser, WebIdentityUser, IdentityCenterUser, AWSAccount,
//! AWSService, Unknown. The principal id is the native id, because names are
//! used again after a deletion and ids are not.

use quell_core::signal::{CredentialKind, IdentityKind};

use crate::{
    arn::Arn,
    claim::Who,
    field::{at, field, is_placeholder, list, text, text_at},
    json::Value,
    principal,
};

/// The caller, and the id of the key or token with which the call was made.
pub struct Caller {
    pub who: Who,
    pub key: Option<(CredentialKind, String)>,
    /// A service of AWS, acting for nobody.
    pub service: bool,
}

/// Reads `userIdentity`; for Insights, the identity that the rate is attributed to.
pub fn identity(event: &Value, reasons: &mut Vec<String>) -> Caller {
    let Some(given) = field(event, "userIdentity").filter(|u| u.as_object().is_some_and(|m| !m.is_empty())) else {
        let attributed = attributed(event);
        if attributed.is_some() {
            reasons.push("Insights attributes most of the unusual calls to this identity".into());
        }
        let name = attributed.as_deref().and_then(Arn::of).map(|a| a.name().to_owned());
        let kind = kind_of_session(name.as_deref().unwrap_or_default());
        return Caller { who: Who { name: name.or_else(|| attributed.clone()), id: attributed, kind }, key: None, service: false };
    };
    let kind_word = text(given, "type").unwrap_or_default();
    let arn = text(given, "arn");
    let id = text(given, "principalId")
        .filter(|id| !is_placeholder(id))
        .or_else(|| arn.clone())
        .or_else(|| text_at(given, &["onBehalfOf", "userId"]))
        .or_else(|| text_at(given, &["sessionContext", "sessionIssuer", "principalId"]));
    let name = name(given, &kind_word, arn.as_deref());
    let key = text(given, "accessKeyId").map(|id| (CredentialKind::AccessKey, id));
    // Bearer tokens of Identity Center have an id of their own.
    let key = key.or_else(|| text(given, "credentialId").map(|id| (CredentialKind::Token, id)));
    let kind = kind(event, given, &kind_word, name.as_deref());
    let service = id.is_none() && kind_word == "AWSService";
    let who = if service { Who { id: None, name: text(given, "invokedBy"), kind: IdentityKind::Workload } } else { Who { id, name, kind } };
    if who.kind == IdentityKind::Unknown && who.is_somebody() {
        reasons.push("people and workloads both use this type of principal, so its kind stays unknown".into());
    }
    Caller { who, key, service }
}

fn name(given: &Value, kind_word: &str, arn: Option<&str>) -> Option<String> {
    let from_arn = arn.and_then(Arn::of).filter(Arn::is_identity).map(|a| a.name().to_owned());
    let user_name = text(given, "userName").filter(|n| !is_placeholder(n));
    match kind_word {
        "AssumedRole" => from_arn.or(user_name).or_else(|| {
            let role = text_at(given, &["sessionContext", "sessionIssuer", "userName"])?;
            let session = text(given, "principalId").and_then(|p| p.split_once(':').map(|(_, s)| s.to_owned()));
            Some(session.map_or(role.clone(), |s| format!("{role}/{s}")))
        }),
        "Root" => Some(user_name.unwrap_or_else(|| "root".into())),
        _ => user_name.or(from_arn).or_else(|| text(given, "invokedBy").filter(|_| kind_word == "AWSService")),
    }
}

/// What the call shows of the caller's nature.
fn kind(event: &Value, given: &Value, kind_word: &str, name: Option<&str>) -> IdentityKind {
    let attribute = |name: &str| text_at(given, &["sessionContext", "attributes", name]).is_some_and(|v| v == "true");
    let console = text(event, "eventType").is_some_and(|t| t == "AwsConsoleSignIn" || t == "AwsConsoleAction")
        || text(event, "sessionCredentialFromConsole").is_some_and(|v| v == "true");
    let session = match kind_word {
        "AssumedRole" => kind_of_session(name.unwrap_or_default()),
        "Root" | "SAMLUser" | "IdentityCenterUser" | "Directory" => IdentityKind::Human,
        "AWSService" => IdentityKind::Workload,
        "WebIdentityUser" if federated_workload(given) => IdentityKind::Workload,
        _ => IdentityKind::Unknown,
    };
    if session != IdentityKind::Unknown {
        session
    } else if console || attribute("mfaAuthenticated") {
        IdentityKind::Human
    } else if at(given, &["sessionContext", "ec2RoleDelivery"]).is_some() || text(given, "inScopeOf").is_some() {
        IdentityKind::Workload
    } else {
        IdentityKind::Unknown
    }
}

/// `ROLE/SESSION`: sessions of instances are named after the instance, those of
/// Identity Center and of federated people after the person.
pub fn kind_of_session(name: &str) -> IdentityKind {
    let (role, session) = name.split_once('/').unwrap_or((name, ""));
    let instance = session.strip_prefix("i-").is_some_and(|rest| rest.len() >= 8 && rest.bytes().all(|b| b.is_ascii_hexdigit()));
    if instance || role.starts_with("AWSServiceRoleFor") || session.starts_with("eks-") || session.starts_with("botocore-session-") {
        IdentityKind::Workload
    } else if role.starts_with("AWSReservedSSO_") || principal::is_address(session) {
        IdentityKind::Human
    } else {
        IdentityKind::Unknown
    }
}

/// Tokens that pods and pipelines present, by their issuer.
fn federated_workload(given: &Value) -> bool {
    let provider = text(given, "identityProvider")
        .or_else(|| text_at(given, &["sessionContext", "webIdFederationData", "federatedProvider"]))
        .unwrap_or_default();
    ["oidc.eks.", "token.actions.githubusercontent.com", "container.googleapis.com", "gitlab", "app.terraform.io"]
        .iter()
        .any(|w| provider.contains(w))
}

/// The ARN that an Insights event attributes the calls to during the insight.
fn attributed(event: &Value) -> Option<String> {
    let context = at(event, &["insightDetails", "insightContext"])?;
    list(context, "attributions")
        .iter()
        .filter(|a| text(a, "attribute").is_some_and(|n| n == "userIdentityArn"))
        .flat_map(|a| list(a, "insight"))
        .find_map(|v| text(v, "value"))
        .filter(|v| Arn::of(v).is_some())
}
