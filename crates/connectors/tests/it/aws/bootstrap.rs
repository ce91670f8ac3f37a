//! What the bootstrap makes, and that it is enough and no more.

use quell_connectors::aws::{AwsConfig, bootstrap_calls, bootstrap_script};
use quell_core::{action::Action, secret::Secret};
use quell_engine::port::Connector;

use super::plane::*;

#[tokio::test]
async fn an_account_that_was_made_ready_lacks_nothing() {
    let plane = Plane::start().await;
    let check = plane.connector.check().await;
    assert!(check.reachable && check.control_alive, "{check:#?}");
    assert!(check.privileges.missing.is_empty(), "{check:#?}");
    // What the control may do is nothing that anybody would want.
    let control = plane.config.control.secret.expose().split_once(':').expect("a pair");
    let control = quell_lab::aws::Keys::known(control.0, control.1);
    assert!(!plane.serves(&control).await);
    // What each action needs, Quell's user may; what no action needs, it may not.
    let own = plane.config.secret.expose().split_once(':').expect("a pair");
    let own = quell_lab::aws::Keys::known(own.0, own.1);
    for action in ["CreateUser", "DeleteUser", "AttachUserPolicy", "CreateLoginProfile", "DeleteRolePolicy"] {
        let answer = plane.account.http().call(&own, "iam", action, &[("UserName", "ci"), ("RoleName", "deploy")]).await.expect("answered");
        assert_eq!(answer.code().as_deref(), Some("AccessDenied"), "{action}");
    }
    done(plane.act(Action::SuspendIdentity, &user("ci")).await);
}

#[test]
fn the_script_makes_the_same_calls_and_holds_no_secret() {
    let reach = quell_connectors::aws::Reach::Clear { host: "localhost".to_owned(), port: 1, address: None };
    let config = AwsConfig::new("aws-main", reach, Secret::new("AKIAIOSFODNN7EXAMPLE:hidden"), Secret::new("to be made"));
    let script = bootstrap_script(&config).expect("the names are good");
    let calls = bootstrap_calls(&config, "123456789012");
    // Beside the calls: two files of keys, and the key that is made inactive.
    let lines = |start: &str| script.lines().filter(|l| l.starts_with(start)).count();
    assert_eq!((lines("aws iam "), lines("OFF=$(aws iam create-access-key")), (calls.len() + 3, 1), "{script}");
    assert!(!script.contains("hidden") && !script.contains("@ACCOUNT@"), "{script}");
    for word in ["put-user-policy --user-name 'quell'", "create-role --role-name 'quell-control-shut'", "umask 077", "--status Inactive"] {
        assert!(script.contains(word), "{word} in {script}");
    }
    assert!(calls.iter().flat_map(|c| &c.parameters).any(|(_, v)| v.contains("arn:aws:iam::123456789012:role/quell-control-open")));
    let bad = AwsConfig { username: "quell' ; rm -rf /".to_owned(), ..config };
    assert!(bootstrap_script(&bad).is_err());
}
