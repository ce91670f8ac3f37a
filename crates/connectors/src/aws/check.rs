//! How the account and Quell's way into it are: reachable, keys its own, controls alive,
//! everything readable that is read. Changes nothing.

use quell_engine::port::Check;

use super::{Aws, deny, manifest::needed, native::Who, wire::Failure};

impl Aws {
    pub(super) async fn examine(&self) -> Check {
        let mut check = Check::unasked(needed(&self.config));
        let (own, control) = (&self.config.username, &self.config.control.identity);
        let me = Who::User(own.clone());
        let keys = match self.keys_of(own).await {
            Ok(keys) => keys,
            Err(failure) => {
                check.why_not = Some(failure.for_plane(&self.config.name).to_string());
                return check;
            }
        };
        check.reachable = true;
        let roles = self.config.control_roles().map(Who::Role);
        let of_control = [("UserName", control.as_str())];
        let fence = async {
            let me = self.look(&me).await.ok().flatten();
            let arn = me.and_then(|me| deny::fence_of(&me.arn));
            match arn {
                Some(arn) => self.fence_stands(&arn).await.unwrap_or(false),
                None => false,
            }
        };
        let (users, profile, policy, role, controls, sessions, open, shut, fence) = tokio::join!(
            self.listed("ListUsers", &[], "Users"),
            self.wire.iam("GetLoginProfile", &of_control),
            self.policy(&me, deny::OLDER),
            self.look(&roles[0]),
            self.controls(),
            self.session_controls(),
            self.denials(&roles[0]),
            self.denials(&roles[1]),
            fence,
        );
        let readable = |failed: Option<&Failure>| failed.is_none_or(|f| f.is("NoSuchEntity"));
        let reads = users.is_ok() && readable(profile.as_ref().err()) && readable(policy.as_ref().err()) && role.is_ok();
        let by_age = |d: &Result<super::look::Denials, Failure>| d.as_ref().is_ok_and(|d| d.older.is_some());
        check.control_alive = controls.are_alive();

        // In the order of `needed`.
        let held = [
            keys.iter().any(|k| k.id == self.own_id && k.active),
            reads,
            controls.are_alive(),
            fence,
            by_age(&open) && by_age(&shut) && sessions.are_alive(),
        ];
        check.privileges.missing =
            check.privileges.needed.iter().zip(held).filter(|(_, held)| !held).map(|(privilege, _)| privilege.clone()).collect();
        check.warnings.push("what Quell may change is not tried: a call that is refused for want of a privilege says so".to_owned());
        for (name, seen) in [("the control", &controls), ("the control's sessions", &sessions)] {
            if !seen.are_alive() {
                check.warnings.push(format!("{name}: {}; nothing can be proved until that is so", seen.in_words()));
            }
        }
        check
    }
}
