//! The account of the lab: how faithful its two servers are, and that they end.

use quell_lab::{
    aws::{Account, Keys, Kind},
    process::alive,
};
use serde_json::json;

const ALIASES: &[&str] = &["iam:ListAccountAliases", "sts:*"];

async fn code(account: &Account, keys: &Keys) -> Option<String> {
    account.http().call(keys, "sts", "GetCallerIdentity", &[]).await.expect("answered").code()
}

/// What the plane rests on, measured on each server: where the careless one differs is
/// what Quell must not be fooled by.
#[tokio::test]
async fn one_server_goes_by_what_it_was_told_and_the_other_does_not() {
    for kind in [Kind::Faithful, Kind::Careless] {
        let account = Account::start(kind).await.expect("ministack and moto are installed");
        let keys = account.user("ci", ALIASES).await.expect("made");
        let bogus = Keys::known(&keys.id, "no secret of anybody");
        assert!(account.serves(&keys).await.expect("answered"), "{kind:?}");
        assert_eq!(code(&account, &bogus).await.as_deref(), Some("SignatureDoesNotMatch"), "{kind:?}");
        account.role("deploy", "user/ci", ALIASES).await.expect("made");
        let session = account.assume(&keys, "deploy").await.expect("assumed");
        assert!(account.serves(&session).await.expect("answered"), "{kind:?}");

        let inactive = [("UserName", "ci"), ("AccessKeyId", keys.id.as_str()), ("Status", "Inactive")];
        account.admin("UpdateAccessKey", &inactive).await.expect("done");
        let (known, used) = (code(&account, &bogus).await, code(&account, &keys).await);
        match kind {
            Kind::Faithful => assert_eq!([known.as_deref(), used.as_deref()], [Some("InvalidClientTokenId"); 2]),
            Kind::Careless => assert_eq!([known.as_deref(), used.as_deref()], [Some("SignatureDoesNotMatch"), None]),
        }
        assert!(account.serves(&session).await.expect("answered"), "{kind:?}: a session outlives the key");

        // Of sessions that are older than the year 2000 there are none.
        let statement = json!([{ "Effect": "Deny", "Action": "*", "Resource": "*",
            "Condition": { "DateLessThan": { "aws:TokenIssueTime": "2000-01-01T00:00:00Z" } } }]);
        account.policy("role/deploy", "AWSRevokeOlderSessions", &statement).await.expect("written");
        assert_eq!(account.serves(&session).await.expect("answered"), kind == Kind::Faithful, "{kind:?}");
    }
}

#[tokio::test]
async fn the_server_listens_on_loopback_alone_and_ends_with_its_owner() {
    let account = Account::start(Kind::Faithful).await.expect("ministack is installed");
    let (pid, dir) = (account.pid().expect("it runs"), account.dir().to_owned());
    let mut ports = [account.port(), account.clear_port()].map(|port| format!("tcp 0100007F:{port:04X}"));
    ports.sort();
    assert_eq!(crate::listening(&[pid]), ports);
    assert!(quell_lab::process::children(pid).is_empty(), "what it started would outlive it");
    drop(account);
    assert!(!alive(pid) && !dir.exists());
}
