//! What Quell needs in one account, as calls of IAM: a user with the least privileges, a
//! control with two keys, and two roles by which it is seen whether policies count.
//!
//! The script is written from the calls, so what is tested is what people run.

use quell_engine::port::PlaneError;
use serde_json::{Value, json};

use super::{config::AwsConfig, manifest::PRIVILEGES};

/// The account's number, in a call that needs it.
const ACCOUNT: &str = "@ACCOUNT@";

/// One call of IAM: its action and parameters, as the query protocol names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootstrapCall {
    pub action: &'static str,
    pub parameters: Vec<(&'static str, String)>,
}

/// The calls for the account of this number, in their order. Keys are made apart.
pub fn bootstrap_calls(config: &AwsConfig, account: &str) -> Vec<BootstrapCall> {
    let (own, control) = (&config.username, &config.control.identity);
    let call = |action, parameters: &[(&'static str, &str)]| BootstrapCall {
        action,
        parameters: parameters.iter().map(|(name, value)| (*name, (*value).replace(ACCOUNT, account))).collect(),
    };
    let roles = config.control_roles();
    let may_assume: Vec<String> = roles.iter().map(|role| format!("arn:aws:iam::{ACCOUNT}:role/{role}")).collect();
    let plane = policy(json!({ "Effect": "Allow", "Action": PRIVILEGES, "Resource": "*" }));
    let assume = policy(json!({ "Effect": "Allow", "Action": "sts:AssumeRole", "Resource": may_assume }));
    let trust = policy(json!({ "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": { "AWS": format!("arn:aws:iam::{ACCOUNT}:user/{control}") } }));
    let see = policy(json!({ "Effect": "Allow", "Action": "iam:ListAccountAliases", "Resource": "*" }));
    let mut calls = vec![
        call("CreateUser", &[("UserName", own)]),
        call("PutUserPolicy", &[("UserName", own), ("PolicyName", "QuellPlane"), ("PolicyDocument", &plane)]),
        call("CreateUser", &[("UserName", control)]),
        call("PutUserPolicy", &[("UserName", control), ("PolicyName", "QuellControl"), ("PolicyDocument", &assume)]),
    ];
    calls.push(call("CreatePolicy", &[("PolicyName", super::deny::FENCE), ("PolicyDocument", &super::deny::everything())]));
    for (role, year) in roles.iter().zip(["2000", "2999"]) {
        let moment = format!("{year}-01-01T00:00:00Z").parse().expect("a time");
        let older = super::deny::older(moment);
        calls.push(call("CreateRole", &[("RoleName", role), ("AssumeRolePolicyDocument", &trust)]));
        calls.push(call("PutRolePolicy", &[("RoleName", role), ("PolicyName", "QuellControl"), ("PolicyDocument", &see)]));
        calls.push(call("PutRolePolicy", &[("RoleName", role), ("PolicyName", super::deny::OLDER), ("PolicyDocument", &older)]));
    }
    calls
}

/// A script for the command line of AWS that makes it all, with the keys, which it writes
/// to the files of the configuration and shows nobody.
///
/// # Errors
///
/// When a name of the configuration cannot be used.
pub fn bootstrap_script(config: &AwsConfig) -> Result<String, PlaneError> {
    let bad = |why: String| PlaneError::NotPermitted { plane: config.name.clone(), why };
    for name in [&config.username, &config.control.identity] {
        super::native::name(name).map_err(bad)?;
    }
    let mut script = format!(
        "#!/bin/sh\n\
         # Makes what Quell needs in the AWS account of `{}`. Run it as an administrator of\n\
         # the account, with the command line of AWS. Keys go into two files in this\n\
         # directory, `ID:SECRET` each: quell.key is `secret_file`, quell-control.key is\n\
         # `control.secret_file`. Take it back by deleting the users `{}` and `{}`, the\n\
         # roles `{}` and the policy `QuellFence`.\n\
         set -eu\numask 077\nACCOUNT=$(aws sts get-caller-identity --query Account --output text)\n",
        config.name,
        config.username,
        config.control.identity,
        config.control_roles().join("` and `"),
    );
    for call in bootstrap_calls(config, ACCOUNT) {
        script.push_str(&format!("aws iam {}", kebab(call.action)));
        for (name, value) in &call.parameters {
            // The one thing that the shell fills in stands between two quotes.
            let value = value.replace(ACCOUNT, "'\"$ACCOUNT\"'");
            script.push_str(&format!(" --{} '{value}'", kebab(name)));
        }
        script.push_str(" >/dev/null\n");
    }
    let key = |user: &str| {
        format!(
            "aws iam create-access-key --user-name '{user}' --query '[AccessKey.AccessKeyId,AccessKey.SecretAccessKey]' --output text | tr '\\t' ':'"
        )
    };
    let control = &config.control.identity;
    script.push_str(&format!("{} >quell.key\n{} >quell-control.key\n", key(&config.username), key(control)));
    script.push_str(&format!(
        "OFF=$(aws iam create-access-key --user-name '{control}' --query AccessKey.AccessKeyId --output text)\n\
         aws iam update-access-key --user-name '{control}' --access-key-id \"$OFF\" --status Inactive\n\
         echo 'quell.key and quell-control.key are written; IAM may need a minute to go by all of it.'\n"
    ));
    Ok(script)
}

fn policy(statement: Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

/// `PutUserPolicy` -> `put-user-policy`
fn kebab(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn calls_are_named_as_the_command_line_names_them() {
        assert_eq!(super::kebab("AssumeRolePolicyDocument"), "assume-role-policy-document");
    }
}
