//! How the server and Quell's way into it are: reachable, enough privilege and no
//! more, control alive. Changes nothing: what may be written is tried by taking
//! away values that nobody holds.

use ldap3::Scope;
use quell_core::proof::Channel;
use quell_engine::port::Check;

use super::{
    OpenLdap,
    bootstrap::needed,
    dn::Dn,
    look::{EntryNow, Look},
    wire::{Failure, Question},
};

/// A lock that nobody has.
const NO_LOCK: &str = "19700101000000Z";
const NO_PASSWORD: &str = "{SSHA}bm8gcGFzc3dvcmQgb2YgYW55Ym9keQ==";

impl OpenLdap {
    pub(super) async fn examine(&self) -> Check {
        let mut check = Check::unasked(needed(&self.config));
        if self.wire.channel() == Channel::Unauthenticated {
            check.warnings.push(
                "clear TCP does not prove who answers, so no probe over it proves anything; use `ldaps://`, StartTLS with `ca_file`, or the Unix socket"
                    .to_owned(),
            );
        }
        if let Err(failure) = self.examine_privileges(&mut check).await {
            check.why_not = Some(failure.plane_error(&self.config.name).to_string());
            return check;
        }
        check.reachable = true;
        let identity = &self.config.control.identity;
        let bound = self.wire.login(identity, &self.config.control.secret).await;
        check.control_alive &= bound.is_ok_and(|b| b.code == 0);
        if !check.control_alive {
            check
                .warnings
                .push(format!("the control identity `{identity}` is not alive: nothing can be proved until it binds and is found"));
        }
        check
    }

    async fn examine_privileges(&self, check: &mut Check) -> Result<(), Failure> {
        let base = self.config.base.as_str();
        let question = |filter| Question { base, scope: Scope::Subtree, filter, attributes: &["userPassword"], most: 1, usability: false };
        let scope = self.wire.ask(&question("(userPassword=*)")).await?;
        let sample = scope.entries.first();
        let dn = sample.map(|entry| entry.dn.clone()).unwrap_or_default();
        let in_scope = sample.is_some();
        let reads_password = sample.is_some_and(|entry| !entry.values("userPassword").is_empty());
        if !in_scope {
            check.warnings.push("no entry with a password is in the scope of Quell; run the bootstrap with `--scope`".to_owned());
        }

        // In the order of `needed`.
        let seen_below = self.may_search(base, "entryUUID").await?;
        let look = self.look_or_less(&dn).await?;
        let control = self.control_group();
        let held = [
            in_scope && reads_password && self.may_delete(&dn, "userPassword", NO_PASSWORD).await?,
            in_scope && self.may_delete(&dn, "pwdAccountLockedTime", NO_LOCK).await? && self.may_search(&dn, "pwdReset").await?,
            in_scope && self.may_search(&dn, "pwdFailureTime").await? && self.may_search(&dn, "pwdChangedTime").await?,
            in_scope && self.may_delete(&control, "member", &dn).await?,
            seen_below,
            look.as_ref().is_some_and(|l| l.control_alive) && self.may_search(&control, "member").await?,
            look.as_ref().is_none_or(|l| l.entry.is_none() || l.policy.is_some()),
            self.may_cut().await?,
            look.is_some()
                && self.may_search(&self.config.database, "olcSyncrepl").await?
                && self.may_search("cn=config", "olcAuthzRegexp").await?,
            look.as_ref().is_some_and(|l| l.own_listed),
        ];
        check.privileges.missing =
            check.privileges.needed.iter().zip(held).filter(|(_, held)| !held).map(|(privilege, _)| privilege.clone()).collect();
        if look.as_ref().is_some_and(|l| l.authoritative) {
            check.privileges.excess = self.excess(&control).await?;
        }
        check.control_alive = look.as_ref().is_some_and(|l| l.control_alive);
        if let Some(look) = &look {
            warn(&mut check.warnings, look);
        }
        Ok(())
    }

    /// A look at an entry in scope, else at the control; none where the rules may not
    /// be read, which is a missing privilege and not a missing server.
    async fn look_or_less(&self, dn: &str) -> Result<Option<Look>, Failure> {
        let entry = Dn::parse(dn).unwrap_or_else(|_| self.names.control.clone());
        match self.look(&entry).await {
            Ok(look) => Ok(Some(look)),
            Err(Failure::Answered { code: 50, .. }) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn excess(&self, control_group: &str) -> Result<Vec<String>, Failure> {
        let mut excess = Vec::new();
        let (own, control, database) = (self.names.own.text(), self.names.control.text(), self.config.database.as_str());
        for (dn, attribute, value, what) in [
            (
                database,
                "olcAccess",
                "to * by dn.base=\"cn=nobody\" write by * break",
                "`write` on every access rule: it could grant itself anything",
            ),
            (database, "olcRootPW", NO_PASSWORD, "`write` on the root's password: it could become root"),
            (control, "userPassword", NO_PASSWORD, "`write` on the control's password: it could make its own proofs"),
            (own, "userPassword", NO_PASSWORD, "`write` on its own password"),
            (control_group, "member", own, "`write` on members that are not in scope: it could join any group"),
        ] {
            if self.may_delete(dn, attribute, value).await? {
                excess.push(what.to_owned());
            }
        }
        Ok(excess)
    }
}

fn warn(warnings: &mut Vec<String>, look: &Look) {
    if !look.authoritative {
        warnings.push("this server is a consumer: nothing can be changed or proved here; name the provider".to_owned());
    }
    if !look.mechanisms.is_empty() {
        let all = look.mechanisms.join(", ");
        warnings.push(format!("the server takes passwords by {all}, which a lock does not bind; only a replaced password does"));
    }
    let Some(policy) = look.policy else {
        warnings.push("no password policy was found, so no lock would keep anybody out".to_owned());
        return;
    };
    if !policy.lockout {
        warnings.push("the password policy has no `pwdLockout: TRUE`, so no lock keeps anybody out".to_owned());
    }
    if look.entry.as_ref().map(|e: &EntryNow| e.usability).is_some_and(|u| u.is_none()) {
        warnings.push(
            "the server does not tell whether an entry could log in (account usability), so locks are proved by binds alone".to_owned(),
        );
    }
}
