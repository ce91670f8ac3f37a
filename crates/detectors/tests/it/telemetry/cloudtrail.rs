//! AWS CloudTrail.

use quell_core::trace::{Deed, Ended, LinkKind, Nature, Outcome};
use serde_json::{Value, json};

use super::*;

const ACCOUNT: &str = "111111111111";
const USER: &str = "arn:aws:iam::111111111111:user/ci-deploy";

/// A call with the user's long-lived key.
fn call(name: &str, request: Value, answer: Value) -> Value {
    json!({
        "eventVersion": "1.09", "eventTime": "2026-10-01T03:02:11Z", "eventSource": "iam.amazonaws.com", "eventName": name, "eventID": "e-1",
        "sourceIPAddress": "192.0.2.10", "userAgent": "aws-cli/2", "recipientAccountId": ACCOUNT,
        "userIdentity": { "type": "IAMUser", "arn": USER, "accountId": ACCOUNT, "accessKeyId": "AKIAEXAMPLEEXAMPLE00", "userName": "ci-deploy" },
        "requestParameters": request, "responseElements": answer,
    })
}

fn read(record: Value) -> Fact {
    one("aws-cloudtrail", record)
}

fn with(mut record: Value, path: &str, value: Value) -> Value {
    let (parent, name) = path.rsplit_once('/').unwrap();
    record.pointer_mut(parent).unwrap()[name] = value;
    record
}

#[test]
fn a_use_says_who_with_what_from_where() {
    let fact = read(call("ListUsers", Value::Null, Value::Null));
    let bearer = by(&fact);
    assert_eq!((bearer.identity.as_deref(), bearer.credential.as_deref()), (Some(USER), Some("AKIAEXAMPLEEXAMPLE00")));
    assert_eq!((bearer.kind, bearer.address.as_deref()), (LinkKind::AccessKey, Some("192.0.2.10")));
    assert_eq!((fact.system.as_str(), fact.event.as_str(), fact.record_id.as_deref()), ("aws:111111111111", "ListUsers", Some("e-1")));
    assert!(fact.deeds.is_empty());
}

#[test]
fn a_role_session_is_minted_with_role_name_and_expiry() {
    let answer = json!({ "credentials": { "accessKeyId": "ASIAEXAMPLEEXAMPLE00", "sessionToken": "secret-token", "expiration": "Oct 1, 2026, 3:17:11 AM" },
        "assumedRoleUser": { "arn": "arn:aws:sts::111111111111:assumed-role/reports/job-1" } });
    let fact = read(call("AssumeRole", json!({ "roleArn": "arn:aws:iam::111111111111:role/team/reports" }), answer.clone()));
    let minted = mint(&fact);
    assert_eq!(minted.role.as_deref(), Some("arn:aws:iam::111111111111:role/reports"));
    assert_eq!((minted.id.as_str(), minted.session.as_deref()), ("ASIAEXAMPLEEXAMPLE00", Some("job-1")));
    assert_eq!(minted.expires_at, Some("2026-10-01T03:17:11Z".parse().unwrap()));
    // A service that asks for a machine hands the session to the machine; for itself, to itself.
    let service = |name: &str, session: &str, answer: Value| {
        let record = call(
            "AssumeRole",
            json!({ "roleArn": "arn:aws:iam::111111111111:role/web", "roleSessionName": session, "durationSeconds": 900 }),
            answer,
        );
        read(with(record, "/userIdentity", json!({ "type": "AWSService", "invokedBy": name })))
    };
    let bare = json!({ "credentials": { "accessKeyId": "ASIAEXAMPLEEXAMPLE01" } });
    let machine = service("ec2.amazonaws.com", "i-0aaaabbbbccccdddd", bare.clone());
    assert!(machine.by.is_none());
    assert_eq!((mint(&machine).workload.as_deref(), mint(&machine).service.as_deref()), (Some("i-0aaaabbbbccccdddd"), None));
    assert_eq!(mint(&machine).expires_at, Some("2026-10-01T03:17:11Z".parse().unwrap()), "from the length that was asked for");
    assert_eq!(mint(&service("lambda.amazonaws.com", "fn", bare)).service.as_deref(), Some("lambda.amazonaws.com"));
}

#[test]
fn a_machine_s_session_is_known_by_its_name_and_its_agent() {
    let record = with(
        with(call("UpdateInstanceInformation", Value::Null, Value::Null), "/userAgent", json!("aws-sdk-go/1 amazon-ssm-agent/")),
        "/userIdentity",
        json!({ "type": "AssumedRole", "arn": "arn:aws:sts::111111111111:assumed-role/web/i-0aaaabbbbccccdddd", "accessKeyId": "ASIAEXAMPLEEXAMPLE01",
            "sessionContext": { "sessionIssuer": { "arn": "arn:aws:iam::111111111111:role/team/web" }, "attributes": { "creationDate": "2026-10-01T03:00:00Z" } } }),
    );
    let by_hand = read(with(record.clone(), "/userAgent", json!("aws-cli/2.15 Python/3.11 Darwin/23.0 exe/x86_64")));
    assert_eq!((by(&by_hand).own_agent, by(&by_hand).desk_tool), (false, true));
    let fact = read(record);
    let bearer = by(&fact);
    assert_eq!((bearer.workload.as_deref(), bearer.own_agent, bearer.desk_tool), (Some("i-0aaaabbbbccccdddd"), true, false));
    assert_eq!(bearer.role.as_deref(), Some("arn:aws:iam::111111111111:role/web"));
    assert_eq!(bearer.began, Some("2026-10-01T03:00:00Z".parse().unwrap()));
}

#[test]
fn a_key_that_a_service_draws_for_a_call_is_the_service_s() {
    let lent = with(
        with(call("Decrypt", Value::Null, Value::Null), "/userIdentity/invokedBy", json!("secretsmanager.amazonaws.com")),
        "/userIdentity/accessKeyId",
        json!("ASIAEXAMPLEEXAMPLE02"),
    );
    let fact = read(with(lent, "/sourceIPAddress", json!("secretsmanager.amazonaws.com")));
    assert_eq!((by(&fact).service.as_deref(), by(&fact).address.as_deref()), (Some("secretsmanager.amazonaws.com"), None));
    // The caller's own long-lived key is the caller's, whoever passed it on.
    let own = with(call("Decrypt", Value::Null, Value::Null), "/userIdentity/invokedBy", json!("cloudformation.amazonaws.com"));
    assert_eq!(by(&read(own)).service, None);
}

#[test]
fn keys_and_passwords_are_minted_for_whom_the_call_names() {
    let other = "arn:aws:iam::111111111111:user/door";
    let key = read(call(
        "CreateAccessKey",
        json!({ "userName": "door" }),
        json!({ "accessKey": { "accessKeyId": "AKIAEXAMPLEEXAMPLE03", "userName": "door" } }),
    ));
    assert_eq!((mint(&key).id.as_str(), mint(&key).identity.as_deref()), ("AKIAEXAMPLEEXAMPLE03", Some(other)));
    let password = read(call("CreateLoginProfile", json!({ "userName": "door" }), json!({})));
    assert_eq!((mint(&password).id.as_str(), mint(&password).kind), (format!("{other}#password").as_str(), LinkKind::Password));
    let own = read(call("CreateAccessKey", Value::Null, json!({ "accessKey": { "accessKeyId": "AKIAEXAMPLEEXAMPLE04" } })));
    assert_eq!(mint(&own).identity.as_deref(), Some(USER), "nobody named is the caller");
    assert_eq!(
        read(call("CreateUser", json!({ "userName": "door" }), json!({ "user": { "arn": other } }))).deeds,
        [Deed::Make(other.into())]
    );
}

#[test]
fn ends_name_what_ended_and_a_refusal_ends_nothing() {
    for (name, request, wanted) in [
        (
            "DeleteAccessKey",
            json!({ "userName": "door", "accessKeyId": "AKIAEXAMPLEEXAMPLE03" }),
            Ended::Credential("AKIAEXAMPLEEXAMPLE03".into()),
        ),
        (
            "UpdateAccessKey",
            json!({ "accessKeyId": "AKIAEXAMPLEEXAMPLE03", "status": "Inactive" }),
            Ended::Credential("AKIAEXAMPLEEXAMPLE03".into()),
        ),
        ("DeleteUser", json!({ "userName": "door" }), Ended::Identity("arn:aws:iam::111111111111:user/door".into())),
        ("DeleteLoginProfile", json!({ "userName": "door" }), Ended::Credential("arn:aws:iam::111111111111:user/door#password".into())),
        (
            "PutRolePolicy",
            json!({ "roleName": "web", "policyName": "AWSRevokeOlderSessions" }),
            Ended::SessionsOf("arn:aws:iam::111111111111:role/web".into()),
        ),
    ] {
        assert_eq!(*end(&read(call(name, request.clone(), Value::Null))), wanted, "{name}");
        let refused = read(with(call(name, request, Value::Null), "/errorCode", json!("AccessDenied")));
        assert_eq!((refused.outcome, refused.deeds), (Outcome::Refused, vec![Deed::Attempt]), "{name}");
    }
    let active = read(call("UpdateAccessKey", json!({ "accessKeyId": "AKIAEXAMPLEEXAMPLE03", "status": "Active" }), Value::Null));
    assert!(active.deeds.is_empty(), "to switch it on again ends nothing");
}

#[test]
fn secrets_are_named_and_what_is_no_secret_is_not() {
    let arn = "arn:aws:secretsmanager:eu-central-1:111111111111:secret:prod/db-AbCdEf";
    assert_eq!(reads(&read(call("GetSecretValue", json!({ "secretId": arn }), Value::Null))), [arn]);
    let names = json!({ "names": ["/prod/a", "/prod/b"], "withDecryption": true });
    assert_eq!(reads(&read(call("GetParameters", names, Value::Null))), ["/prod/a", "/prod/b"]);
    for public in [
        json!({ "name": "/prod/a", "withDecryption": false }),
        json!({ "name": "/prod/a" }),
        json!({ "name": "/aws/service/ami", "withDecryption": true }),
    ] {
        assert!(read(call("GetParameter", public, Value::Null)).deeds.is_empty());
    }
    let refused = read(with(call("GetSecretValue", json!({ "secretId": arn }), Value::Null), "/errorCode", json!("AccessDeniedException")));
    assert_eq!(reads(&refused), [""; 0]);
}

#[test]
fn what_outlives_the_key_is_told_by_its_nature_and_a_fence_is_none() {
    let change = |name: &str, request: Value| {
        let fact = read(call(name, request, Value::Null));
        fact.deeds.iter().find_map(|d| if let Deed::Change { nature, target } = d { Some((*nature, target.clone())) } else { None })
    };
    let role = "arn:aws:iam::111111111111:role/web".to_owned();
    assert_eq!(
        change("AttachRolePolicy", json!({ "roleName": "web", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess" })),
        Some((Nature::Permission, role))
    );
    assert_eq!(change("StopLogging", json!({ "name": "main" })), Some((Nature::Logging, "main".into())));
    assert_eq!(change("AddPermission20150331v2", json!({ "functionName": "billing" })), Some((Nature::Sharing, "billing".into())));
    assert_eq!(change("ModifyInstanceAttribute", json!({ "instanceId": "i-1", "userData": "hidden" })), Some((Nature::Code, "i-1".into())));
    assert_eq!(change("ModifyInstanceAttribute", json!({ "instanceId": "i-1", "instanceType": { "value": "t3.micro" } })), None);
    // The vendor's own quarantine is about the user, who leaked a key, and gives nothing.
    let quarantine = json!({ "userName": "door", "policyArn": "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV2" });
    let fact = read(call("AttachUserPolicy", quarantine, Value::Null));
    assert!(matches!(&fact.deeds[..], [Deed::Accuse { identity, .. }] if identity == "arn:aws:iam::111111111111:user/door"));
    assert_eq!(
        change(
            "AttachUserPolicy",
            json!({ "userName": "ci-deploy", "policyArn": "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV2" })
        ),
        None
    );
}

#[test]
fn only_a_trust_in_strangers_is_a_standing_way_in() {
    let document = |principal: Value| {
        json!({ "Version": "2012-10-17", "Statement": [{ "Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole" }] })
            .to_string()
    };
    let trusts = |principal: Value| {
        let fact = read(call("UpdateAssumeRolePolicy", json!({ "roleName": "web", "policyDocument": document(principal) }), Value::Null));
        fact.deeds
            .iter()
            .any(|d| matches!(d, Deed::Mint(m) if m.kind == LinkKind::Entitlement && m.id == "arn:aws:iam::111111111111:role/web"))
    };
    for (principal, wanted) in [
        (json!({ "AWS": "arn:aws:iam::222222222222:root" }), true),
        (json!({ "AWS": ["arn:aws:iam::111111111111:root", "222222222222"] }), true),
        (json!("*"), true),
        (json!({ "AWS": "*" }), true),
        (json!({ "AWS": "arn:aws:iam::111111111111:root" }), false),
        (json!({ "Service": "ec2.amazonaws.com" }), false),
    ] {
        assert_eq!(trusts(principal.clone()), wanted, "{principal}");
    }
    let bound = json!({ "roleName": "web", "assumeRolePolicyDocument": document(json!("*")), "permissionsBoundary": "arn:aws:iam::aws:policy/AWSDenyAll" });
    let made = read(call("CreateRole", bound, json!({ "role": { "arn": "arn:aws:iam::111111111111:role/web" } })));
    assert!(mint(&made).note.is_some_and(|n| n.contains("opens nothing")));
}

#[test]
fn a_turned_away_credential_was_not_used() {
    for (code, wanted) in [
        ("InvalidClientTokenId", Outcome::Rejected),
        ("ExpiredToken", Outcome::Rejected),
        ("Client.UnauthorizedOperation", Outcome::Refused),
    ] {
        assert_eq!(read(with(call("ListUsers", Value::Null, Value::Null), "/errorCode", json!(code))).outcome, wanted, "{code}");
    }
    let login = |answer: &str| {
        let record = call("ConsoleLogin", Value::Null, json!({ "ConsoleLogin": answer }));
        read(with(record, "/userIdentity", json!({ "type": "IAMUser", "arn": USER, "accountId": ACCOUNT, "userName": "ci-deploy" })))
    };
    assert_eq!(login("Failure").outcome, Outcome::Rejected);
    let success = login("Success");
    assert_eq!(by(&success).credential, Some(format!("{USER}#password")));
    assert!(mint(&success).login);
}

#[test]
fn records_are_found_inside_of_what_pipelines_put_around_them() {
    let record = call("ListUsers", Value::Null, Value::Null);
    let plain = told_of(None, record.to_string().as_bytes()).facts;
    for wrapped in [
        json!({ "Records": [record] }),
        json!({ "Events": [{ "EventId": "e-1", "CloudTrailEvent": record.to_string() }] }),
        json!({ "detail-type": "AWS API Call via CloudTrail", "source": "aws.iam", "detail": record }),
        json!({ "messageType": "DATA_MESSAGE", "logEvents": [{ "id": "1", "message": record.to_string() }] }),
        json!({ "_index": "logs", "_source": record }),
    ] {
        let told = told_of(None, wrapped.to_string().as_bytes());
        assert_eq!((told.facts, told.unreadable.len()), (plain.clone(), 0), "{wrapped}");
    }
}
