//! An account with a user, a role and what was made with the user's key, and a connector
//! to it.

use std::sync::Arc;

use quell_connectors::aws::{Aws, AwsConfig};
use quell_core::{
    action::Action,
    proof::{Liveness, Observation, Proved},
    secret::Secret,
    target::{Target, TargetKind},
    time::SignedDuration,
};
use quell_engine::port::{Clock, Connector, Outcome, ProbeRequest};
use quell_lab::{
    aws::{Account, Keys, Kind},
    drill::aws::made_ready,
};

pub use crate::any_plane::*;

pub const PLANE: &str = "aws-main";
/// What the connector can do.
pub const ACTIONS: [Action; 6] = [
    Action::SuspendIdentity,
    Action::TerminateSessions,
    Action::RevokeCredential,
    Action::RestrictAccess,
    Action::Reinstate,
    Action::Restore,
];
pub const MAY: &[&str] = &["iam:ListAccountAliases", "sts:*"];

/// An account under Quell: `ci` has the leaked key and a rightful one and may assume
/// `deploy`; `backup` has a key of its own.
pub struct Plane {
    pub account: Account,
    pub config: AwsConfig,
    pub connector: Aws,
    /// Of `ci`, and stolen.
    pub leaked: Keys,
    /// Of `backup`: nothing of what happens is about it.
    pub bystander: Keys,
}

impl Plane {
    pub async fn start() -> Self {
        Self::of(Kind::Faithful).await
    }

    pub async fn of(kind: Kind) -> Self {
        let account = Account::start(kind).await.expect("ministack and moto are installed");
        let config = made_ready(&account, PLANE).await.expect("an administrator may");
        let leaked = account.user("ci", MAY).await.expect("made");
        let bystander = account.user("backup", MAY).await.expect("made");
        account.role("deploy", "user/ci", MAY).await.expect("made");
        let connector = Aws::new(config.clone(), Arc::new(RealClock)).expect("the configuration is good");
        Self { account, config, connector, leaked, bystander }
    }

    /// Another connector to the same account, with something changed.
    pub fn connector(&self, change: impl FnOnce(&mut AwsConfig)) -> Aws {
        let mut config = self.config.clone();
        change(&mut config);
        Aws::new(config, Arc::new(RealClock)).expect("the configuration is good")
    }

    pub async fn act(&self, action: Action, target: &Target) -> Outcome {
        act(&self.connector, attempt(action, target)).await
    }

    /// With the before-state that the engine would have recorded.
    pub async fn act_held(&self, action: Action, target: &Target) -> (Outcome, ProbeRequest) {
        let (before, _) = self.connector.read(target).await.expect("read");
        let done = act(&self.connector, quell_engine::port::Attempt { before: Some(before.clone()), ..attempt(action, target) }).await;
        let identity = target.native.shown().trim_end_matches("#sessions").to_owned();
        (done, ProbeRequest { before: Some(before), ..about(target.clone(), &identity) })
    }

    /// Everything that a round may use about the leaked key, without its secret.
    pub fn about_leaked(&self) -> ProbeRequest {
        about(key(&self.leaked, "user/ci"), "user/ci")
    }

    /// The same with it.
    pub fn with_leaked(&self) -> ProbeRequest {
        ProbeRequest { leaked: Some(Secret::new(self.leaked.in_one())), leaked_was_right: true, ..self.about_leaked() }
    }

    /// Past the settle time, by the plane's own probes.
    pub async fn settled(&self, request: ProbeRequest) -> (Proved, Vec<Observation>) {
        let acted_at = now();
        RealClock.sleep(SignedDuration::from_millis(self.connector.manifest().settle_ms + 1)).await;
        judged(&self.connector, request, Some(acted_at)).await
    }

    pub async fn is_dead(&self, request: ProbeRequest) -> Proved {
        let (proved, round) = self.settled(request).await;
        assert_eq!(proved.liveness, Liveness::Dead, "{}: {round:#?}", proved.reason);
        proved
    }

    pub async fn is_live(&self, request: ProbeRequest) {
        let (proved, round) = self.settled(request).await;
        assert_eq!(proved.liveness, Liveness::Live, "{}: {round:#?}", proved.reason);
    }

    pub async fn is_unknown(&self, request: ProbeRequest, word: &str) {
        let (proved, round) = self.settled(request).await;
        assert_eq!(proved.liveness, Liveness::Unknown, "{}: {round:#?}", proved.reason);
        assert!(proved.reason.contains(word), "wanted `{word}` in {}", proved.reason);
    }

    pub async fn serves(&self, keys: &Keys) -> bool {
        self.account.serves(keys).await.expect("answered")
    }

    /// Whether AWS says who holds these keys: no policy keeps anybody from that.
    pub async fn knows(&self, keys: &Keys) -> bool {
        self.account.http().call(keys, "sts", "GetCallerIdentity", &[]).await.expect("answered").status == 200
    }

    pub async fn set_key(&self, user: &str, keys: &Keys, status: &str) {
        let parameters = [("UserName", user), ("AccessKeyId", keys.id.as_str()), ("Status", status)];
        self.account.admin("UpdateAccessKey", &parameters).await.expect("done");
    }
}

pub fn user(name: &str) -> Target {
    let native = format!("user/{name}");
    on(PLANE, TargetKind::Identity, &native, &native)
}

pub fn key(keys: &Keys, identity: &str) -> Target {
    on(PLANE, TargetKind::Credential, &keys.id, identity)
}

pub fn credential(user: &str, what: &str) -> Target {
    on(PLANE, TargetKind::Credential, &format!("user/{user}#{what}"), &format!("user/{user}"))
}

pub fn sessions(identity: &str) -> Target {
    on(PLANE, TargetKind::Session, &format!("{identity}#sessions"), identity)
}
