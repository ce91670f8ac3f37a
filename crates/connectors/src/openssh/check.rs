//! How the host and Quell's way into it are: reachable, as the bootstrap left it, control
//! alive. Changes nothing.

use quell_engine::port::Check;

use super::{OpenSsh, look::Look, manifest::needed};

impl OpenSsh {
    pub(super) async fn examine(&self) -> Check {
        let mut check = Check::unasked(needed(&self.config));
        let look = match self.look(None).await {
            Ok(look) => look,
            Err(failure) => {
                check.why_not = Some(failure.for_plane(&self.config.name).to_string());
                return check;
            }
        };
        check.reachable = true;
        let (own, control) = (self.config.username.as_str(), self.config.control.identity.as_str());
        let controls = self.controls(&look).await;
        check.control_alive = controls.is_alive();
        let others: Vec<String> = look.scope.iter().filter_map(|account| look.other_settings(account)).collect();
        let other = |names: &[&str]| others.iter().any(|o| names.iter().any(|n| o.contains(n)));

        // In the order of `needed`.
        let held = [
            true,
            look.setting(own, "revokedkeys") == "/dev/null",
            look.list.is_whole(),
            !look.scope.is_empty() && !other(&["RevokedKeys", "does not tell"]),
            !look.scope.is_empty() && !other(&["Authorized", "does not tell"]),
            look.other_settings(control).is_none() && controls.go_by_the_list(),
            look.mine_is_listed(),
            look.used.is_some(),
        ];
        check.privileges.missing =
            check.privileges.needed.iter().zip(held).filter(|(_, held)| !held).map(|(privilege, _)| privilege.clone()).collect();
        if matches!(look.setting(own, "forcecommand"), "" | "none") {
            check.privileges.excess.push(format!("`{own}` may run any command: it has no `ForceCommand`"));
        }
        check.warnings = warnings(&look, &others);
        if !check.control_alive {
            check.warnings.push(format!("the control is not alive: {}; nothing can be proved until it is", controls.in_words()));
        }
        check
    }
}

fn warnings(look: &Look, others: &[String]) -> Vec<String> {
    let mut warnings = others.to_vec();
    if !look.list.is_whole() {
        let state = &look.list.state;
        warnings.push(format!(
            "the list of refused keys is {state}: sshd lets nobody in with a key. `store/krl.last` beside it is the last that Quell wrote; put it back as root, by `cp` to another name and `mv`"
        ));
    }
    let ways = [
        ("passwordauthentication", "a password"),
        ("kbdinteractiveauthentication", "keyboard-interactive"),
        ("hostbasedauthentication", "the name of a host"),
        ("gssapiauthentication", "Kerberos"),
    ];
    for (setting, way) in ways {
        if let Some(account) = look.scope.iter().find(|account| look.setting(account, setting) == "yes") {
            warnings.push(format!(
                "sshd lets `{account}` in with {way}, which a suspended account may go on to use; Quell treats keys and certificates"
            ));
        }
    }
    warnings
}
