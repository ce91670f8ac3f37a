//! The script that makes what Quell needs on one host: two accounts, the files of keys
//! where the accounts in scope cannot write, the one command, and sshd's settings.

use std::collections::BTreeSet;

use quell_engine::port::PlaneError;

use super::{config::OpenSshConfig, native};

const SCRIPT: &str = include_str!("bootstrap.sh");
const PLANE: &str = include_str!("plane.sh");

/// The script for one host, to be run as root; `scope` are the accounts that Quell may
/// treat. It holds public keys alone.
///
/// # Errors
///
/// When a name of the configuration or of the scope cannot be used, or a key is none.
pub fn bootstrap_script(config: &OpenSshConfig, scope: &[String]) -> Result<String, PlaneError> {
    let bad = |why: String| PlaneError::NotPermitted { plane: config.name.clone(), why };
    let keys = config.keys().map_err(bad)?;
    if scope.is_empty() {
        return Err(bad("needs accounts to treat; give `--scope ACCOUNT` for each".to_owned()));
    }
    for account in scope {
        native::account(account).map_err(|why| bad(format!("`--scope {account}`: {why}")))?;
        if *account == config.username || *account == config.control.identity || account == "root" {
            return Err(bad(format!("`--scope {account}`: it is protected, so it is in no scope")));
        }
    }
    let scope: BTreeSet<&str> = scope.iter().map(String::as_str).collect();
    let words = |all: &mut dyn Iterator<Item = &str>| all.collect::<Vec<_>>().join(" ");
    let line = |key: &russh::keys::PublicKey, comment: &str| {
        let mut key = key.clone();
        key.set_comment(comment);
        key.to_openssh().map_err(|_| bad("has a key that cannot be written".to_owned()))
    };
    Ok(SCRIPT
        .replace("@OWN@", &config.username)
        .replace("@CONTROL@", &config.control.identity)
        .replace("@SCOPE@", &words(&mut scope.into_iter()))
        .replace("@PROTECTED@", &words(&mut config.protected.iter().map(String::as_str)))
        .replace("@OWN_KEY@", &line(keys.own.public_key(), &config.username)?)
        .replace("@CONTROL_KEY@", &line(&keys.control, &config.control.identity)?)
        .replace("@PLANE@", PLANE.trim_end()))
}
