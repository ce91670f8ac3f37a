//! Okta, Entra, Windows, Defender, Office, decoded tokens.

use quell_core::trace::{Deed, Ended, LinkKind, Nature, Outcome};
use serde_json::{Value, json};

use super::*;

fn okta(event: &str, target: Value) -> Value {
    json!({ "uuid": "u-1", "published": "2026-10-01T03:02:11.000Z", "eventType": event, "outcome": { "result": "SUCCESS" },
        "actor": { "id": "00u1", "type": "User", "alternateId": "ada@corp.example" }, "client": { "ipAddress": "192.0.2.10" },
        "authenticationContext": { "externalSessionId": "s-1" }, "target": target })
}

#[test]
fn okta_tells_session_token_and_whose_sessions_end() {
    let login = one("okta-system-log", okta("user.session.start", Value::Null));
    assert_eq!((mint(&login).id.as_str(), mint(&login).login, by(&login).kind), ("s-1", true, LinkKind::Password));
    assert_eq!(login.aliases, [("00u1".to_owned(), "ada@corp.example".to_owned())]);
    let token =
        one("okta-system-log", okta("system.api_token.create", json!([{ "id": "00T1", "type": "Token", "alternateId": "unknown" }])));
    assert_eq!((mint(&token).id.as_str(), by(&token).credential.as_deref()), ("00T1", Some("s-1")));
    // The target lost its sessions; the administrator only asked for it.
    let cleared =
        one("okta-system-log", okta("user.session.clear", json!([{ "id": "00u2", "type": "User", "alternateId": "bob@corp.example" }])));
    assert_eq!(*end(&cleared), Ended::SessionsOf("bob@corp.example".into()));
    let mut failed = okta("user.session.start", Value::Null);
    failed["outcome"]["result"] = json!("FAILURE");
    assert_eq!(one("okta-system-log", failed).outcome, Outcome::Rejected);
}

#[test]
fn okta_s_tokens_hang_below_the_sign_in() {
    let cases = cases(told(
        "okta-system-log",
        &[okta("user.session.start", Value::Null), okta("system.api_token.create", json!([{ "id": "00T1", "type": "Token" }]))],
    ));
    assert_eq!(
        chain(&cases[0]),
        ["ada@corp.example#password password <- -", "s-1 session <- ada@corp.example#password", "00T1 API key <- s-1"]
    );
}

fn audit(activity: &str, targets: Value) -> Value {
    json!({ "TimeGenerated": "2026-10-01T03:02:11Z", "OperationName": activity, "Id": "d-1", "AADTenantId": "t-1", "Result": "success",
        "InitiatedBy": json!({ "user": { "id": "o-1", "userPrincipalName": "Ada@corp.example" } }).to_string(), "TargetResources": targets.to_string() })
}

#[test]
fn entra_tells_which_keys_of_an_application_are_new_and_which_went() {
    let list = |keys: &[&str]| json!(keys.iter().map(|k| format!("[KeyIdentifier={k},KeyType=Password]")).collect::<Vec<_>>()).to_string();
    let change = |old: &[&str], new: &[&str]| {
        one(
            "microsoft-entra",
            audit(
                "Update application – Certificates and secrets management ",
                json!([{ "id": "app-1", "displayName": "Billing", "type": "Application",
            "modifiedProperties": [{ "displayName": "KeyDescription", "oldValue": list(old), "newValue": list(new) }] }]),
            ),
        )
    };
    let added = change(&["k1"], &["k1", "k2"]);
    assert_eq!(
        (mint(&added).id.as_str(), mint(&added).identity.as_deref(), mint(&added).kind),
        ("k2", Some("app-1"), LinkKind::OauthClient)
    );
    assert_eq!(added.deeds.len(), 1);
    assert_eq!(*end(&change(&["k1", "k2"], &["k1"])), Ended::Credential("k2".into()));
    assert_eq!(by(&added).credential.as_deref(), Some("ada@corp.example#session"));
    assert!(added.aliases.contains(&("o-1".into(), "ada@corp.example".into())));
}

#[test]
fn entra_s_grant_is_named_by_what_it_opens_and_for_whom_and_its_removal_by_the_same() {
    let targets =
        json!([{ "id": "graph", "type": "ServicePrincipal", "displayName": "Graph" }, { "id": "client", "type": "ServicePrincipal" }]);
    let given = one("microsoft-entra", audit("Add delegated permission grant", targets.clone()));
    assert_eq!((mint(&given).kind, mint(&given).identity.as_deref()), (LinkKind::Entitlement, Some("client")));
    assert_eq!(
        *end(&one("microsoft-entra", audit("Remove delegated permission grant", targets))),
        Ended::Credential(mint(&given).id.clone())
    );
}

#[test]
fn entra_s_sign_ins_open_sessions_and_an_application_s_come_from_its_key() {
    let user = json!({ "category": "SignInLogs", "time": "2026-10-01T03:00:00Z", "tenantId": "t-1", "resultType": "0",
        "properties": { "id": "s-1", "userPrincipalName": "ada@corp.example", "userId": "o-1", "appId": "a", "ipAddress": "192.0.2.10", "status": { "errorCode": 0 } } });
    let login = one("microsoft-entra", user.clone());
    assert_eq!((mint(&login).id.as_str(), by(&login).credential.as_deref()), ("s-1", Some("ada@corp.example#password")));
    let mut failed = user;
    failed["properties"]["status"]["errorCode"] = json!(50126);
    assert_eq!(one("microsoft-entra", failed).outcome, Outcome::Rejected);
    let application = json!({ "category": "ServicePrincipalSignInLogs", "time": "2026-10-01T03:10:00Z", "tenantId": "t-1", "resultType": "0",
        "properties": { "appId": "app-1", "servicePrincipalId": "sp-1", "uniqueTokenIdentifier": "tok-1", "servicePrincipalCredentialKeyId": "k2" } });
    let token = one("microsoft-entra", application);
    assert_eq!((by(&token).credential.as_deref(), mint(&token).id.as_str(), mint(&token).kind), (Some("k2"), "tok-1", LinkKind::Token));
}

fn windows(number: u32, fields: Value) -> Value {
    let mut record = json!({ "EventID": number, "Computer": "DC01.corp.example", "TimeGenerated": "2026-10-01T03:02:11Z" });
    record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    record
}

#[test]
fn windows_logons_are_sessions_of_people_and_machine_accounts_are_nobody() {
    let fields = |user: &str| json!({ "TargetUserName": user, "TargetDomainName": "CORP", "TargetLogonId": "0x1A2B", "IpAddress": "192.0.2.10", "WorkstationName": "FED01" });
    let logon = one("windows-security", windows(4624, fields("Ada")));
    assert_eq!((mint(&logon).id.as_str(), mint(&logon).identity.as_deref()), ("dc01:0x1a2b", Some("CORP\\ada")));
    assert_eq!((by(&logon).device.as_deref(), by(&logon).address.as_deref()), (Some("fed01"), Some("192.0.2.10")));
    for nobody in ["FED01$", "SYSTEM", "ANONYMOUS LOGON", "-"] {
        assert!(told("windows-security", &[windows(4624, fields(nobody))]).is_empty(), "{nobody}");
    }
    let off = windows(4634, json!({ "TargetLogonId": "0x1a2b", "SubjectUserName": "ada", "SubjectDomainName": "CORP" }));
    assert!(told("windows-security", &[off]).is_empty(), "a logoff that names nobody is nobody's act");
}

#[test]
fn windows_tells_reads_of_what_a_federation_signs_with_and_replication() {
    let read = |properties: &str, kind: &str, user: &str| {
        windows(
            4662,
            json!({ "SubjectUserName": user, "SubjectDomainName": "CORP", "SubjectLogonId": "0x1a2b", "ObjectType": kind, "Properties": properties }),
        )
    };
    let key = one(
        "windows-security",
        read(
            "%%7684 {8d3bca50-1d7e-11d0-a081-00aa006c33ed} {5cb41ed0-0e4c-11d0-a286-00aa003049e2}",
            "%{5cb41ed0-0e4c-11d0-a286-00aa003049e2}",
            "op",
        ),
    );
    assert!(key.deeds.iter().any(|d| matches!(d, Deed::Take { credential, kind: LinkKind::Certificate, .. } if credential == "corp.example#token-signing-certificate")));
    assert_eq!(by(&key).credential.as_deref(), Some("dc01:0x1a2b"));
    let all =
        one("windows-security", read("%%7688 {1131F6AD-9C07-11D1-F79F-00C04FC2DCD2}", "%{19195a5b-6da0-11d0-afd3-00c04fd930c9}", "op"));
    assert_eq!(reads(&all), ["password hashes of corp.example, by directory replication"]);
    let other =
        one("windows-security", read("%%7684 {bf967a0e-0de6-11d0-a285-00aa003049e2}", "%{bf967aba-0de6-11d0-a285-00aa003049e2}", "op"));
    assert!(other.deeds.is_empty());
    // Whoever replicates by trade is the synchronisation itself.
    let trade = one("windows-security", read("{1131f6aa-9c07-11d1-f79f-00c04fc2dcd2}", "", "MSOL_0a1b2c"));
    assert!(by(&trade).service.is_some());
}

#[test]
fn windows_tells_the_reading_of_a_federation_s_settings() {
    let statement = "audit_schema_version:1 succeeded:true server_principal_name:CORP\\op database_name:AdfsConfigurationV4 object_name:ServiceSettings statement:SELECT ServiceSettingsData";
    let fact = one("windows-security", windows(33205, json!({ "RenderedDescription": statement })));
    assert!(fact.deeds.iter().any(|d| matches!(d, Deed::Take { .. })));
    assert_eq!(by(&fact).identity.as_deref(), Some("CORP\\op"));
    let other = windows(33205, json!({ "RenderedDescription": statement.replace("AdfsConfigurationV4", "sales") }));
    assert!(told("windows-security", &[other]).is_empty());
}

#[test]
fn defender_gives_one_person_all_their_names() {
    let fact = one(
        "microsoft-defender-xdr",
        json!({ "Timestamp": "2026-10-01T03:02:11Z", "ActionType": "Directory Services replication", "ReportId": "r-1",
        "AccountName": "grace", "AccountDomain": "corp.example", "AccountUpn": "Grace@corp.example", "AccountSid": "S-1-5-21-1", "AccountObjectId": "o-7",
        "DeviceName": "fed01.corp.example", "IPAddress": "192.0.2.20" }),
    );
    let names: Vec<&str> = fact.aliases.iter().map(|(_, b)| b.as_str()).collect();
    assert_eq!(names, ["grace@corp.example", "S-1-5-21-1", "o-7"]);
    assert_eq!((by(&fact).identity.as_deref(), by(&fact).device.as_deref()), (Some("CORP\\grace"), Some("fed01")));
}

#[test]
fn a_mail_that_two_logs_tell_of_was_read_once_and_by_the_application() {
    let mail = json!({ "Operation": "MailItemsAccessed", "UserId": "grace@corp.example", "Workload": "Exchange", "Id": "m-1", "CreationTime": "2026-10-01T03:02:11",
        "ClientAppId": "client-1", "ClientIPAddress": "192.0.2.30", "ResultStatus": "Succeeded" });
    let office = one("office-activity", mail.clone());
    let defender = one(
        "microsoft-defender-xdr",
        json!({ "Timestamp": "2026-10-01T03:02:11Z", "ActionType": "MailItemsAccessed", "AccountObjectId": "client-1",
        "AccountDisplayName": "Billing", "RawEventData": mail }),
    );
    assert_eq!((&office.record_id, &office.system, &office.event), (&defender.record_id, &defender.system, &defender.event));
    assert_eq!(by(&office).credential, by(&defender).credential);
    assert_eq!(by(&office).act, ["client-1"]);
    assert_eq!(defender.aliases, [("client-1".to_owned(), "Billing (application)".to_owned())]);
    let rule = one(
        "office-activity",
        json!({ "Operation": "New-InboxRule", "UserId": "grace@corp.example", "Workload": "Exchange", "CreationTime": "2026-10-01T03:02:11" }),
    );
    assert!(matches!(rule.deeds[..], [Deed::Change { nature: Nature::Sharing, .. }]));
}

#[test]
fn actors_in_a_token_are_read_from_the_nearest_on() {
    let claims = json!({ "iss": "https://idp.corp.example", "sub": "ada@corp.example", "jti": "t-3", "iat": 1790823600, "exp": 1790827200,
        "act": { "sub": "agent-tools", "act": { "sub": "agent-chat" } } });
    let issued = one("token-claims", claims.clone());
    assert_eq!(mint(&issued).act, ["agent-tools", "agent-chat"]);
    assert_eq!((mint(&issued).expires_at.is_some(), mint(&issued).login, issued.by.is_none()), (true, false, true));
    let mut exchanged = claims.clone();
    exchanged["subject_jti"] = json!("t-2");
    assert_eq!(by(&one("token-claims", exchanged)).credential.as_deref(), Some("t-2"));
    let mut used = claims;
    used["event"] = json!("token introspected");
    assert_eq!(by(&one("token-claims", used)).credential.as_deref(), Some("t-3"));
}
