//! A real sshd with accounts and keys, bootstrapped, and a connector to it.

use std::sync::Arc;

use quell_connectors::openssh::{OpenSsh, OpenSshConfig, bootstrap_script};
use quell_core::{
    action::Action,
    proof::{Liveness, Observation, Proved},
    secret::Secret,
    target::{Target, TargetKind},
    time::SignedDuration,
};
use quell_engine::port::{Clock, Connector, Outcome, ProbeRequest};
use quell_lab::openssh::{Client, KeyPair, Sshd};

pub use crate::any_plane::*;

pub const PLANE: &str = "ssh-main";
/// What the connector can do.
pub const ACTIONS: [Action; 6] = [
    Action::SuspendIdentity,
    Action::TerminateSessions,
    Action::RevokeCredential,
    Action::RemoveEntitlement,
    Action::Reinstate,
    Action::Restore,
];

/// A host under Quell: `deploy` has the leaked key and a rightful one, `backup` has a key
/// of its own, and `alice` comes by certificate.
pub struct Plane {
    pub server: Sshd,
    pub config: OpenSshConfig,
    pub connector: OpenSsh,
    /// Of `deploy`, and stolen.
    pub leaked: KeyPair,
    /// Of `deploy`, and not stolen.
    pub rightful: KeyPair,
    /// Of `backup`: nothing of what happens is about it.
    pub bystander: KeyPair,
    /// Of Alice, who has no line of keys.
    pub alice: KeyPair,
    /// Hers, with the serial 1001, for the principal `alice`; the authority recorded it.
    pub certificate: String,
}

impl Plane {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With something done to the host before the bootstrap.
    pub async fn with(before: impl FnOnce(&Sshd)) -> Self {
        let server = Sshd::start().await.expect("a real sshd is installed");
        let [leaked, rightful, bystander, alice] =
            ["ci@corp", "ops@corp", "nightly", "alice@laptop"].map(|comment| KeyPair::generate(comment).expect("made"));
        for (account, key) in [("deploy", &leaked), ("deploy", &rightful), ("backup", &bystander)] {
            server.authorize(account, key.public()).expect("written");
        }
        before(&server);
        let config = config(&server);
        let script = bootstrap_script(&config, &scope()).expect("the names are good");
        server.bootstrap(&script).expect("the bootstrap runs");
        let certificate = server.certify(&alice, "alice@corp", "alice", 1001, "-1m:+1h").expect("certified");
        server.record(&certificate).expect("recorded");
        let connector = OpenSsh::new(config.clone(), Arc::new(RealClock)).expect("the configuration is good");
        Self { server, config, connector, leaked, rightful, bystander, alice, certificate }
    }

    /// Another connector to the same server, with something changed.
    pub fn connector(&self, change: impl FnOnce(&mut OpenSshConfig)) -> OpenSsh {
        let mut config = self.config.clone();
        change(&mut config);
        OpenSsh::new(config, Arc::new(RealClock)).expect("the configuration is good")
    }

    pub async fn act(&self, action: Action, target: &Target) -> Outcome {
        act(&self.connector, attempt(action, target)).await
    }

    /// Everything that a round may use about the leaked key.
    pub fn about_leaked(&self) -> ProbeRequest {
        about(key("deploy", &self.leaked), "deploy")
    }

    pub fn about_alice(&self) -> ProbeRequest {
        about(self.of_certificate("alice", 1001), "alice")
    }

    /// Alice's key under the authority with a serial, as it is named in an account.
    pub fn of_certificate(&self, account: &str, serial: u64) -> Target {
        certificate(account, serial, &self.alice, self.server.authority())
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

    /// Whether sshd takes a key and serves a channel.
    pub async fn lets_in(&self, account: &str, key: &KeyPair, certificate: Option<&str>) -> bool {
        self.server.log_in(account, key, certificate).await.expect("answered").was_taken()
    }

    /// Somebody who is in with the leaked key.
    pub async fn intruder(&self) -> Client {
        let mut client = self
            .server
            .log_in("deploy", &self.leaked, None)
            .await
            .and_then(quell_lab::openssh::Login::is_in)
            .expect("the leaked key works");
        assert!(client.is_served().await.expect("asked"));
        client
    }

    /// The open connections of an account.
    pub async fn sessions(&self, account: &str) -> Vec<Target> {
        let all = self.connector.enumerate(account).await.expect("it is in scope");
        all.of(TargetKind::Session).map(|f| on(PLANE, TargetKind::Session, &f.native, account)).collect()
    }

    /// A file below the directory of the host, as text.
    pub fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.server.dir().join(name)).unwrap_or_default()
    }

    /// Writes a file of the host as its administrator would: whole.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.server.dir().join(name), text).expect("written");
    }
}

pub fn scope() -> Vec<String> {
    ["deploy", "backup", "alice"].map(str::to_owned).to_vec()
}

pub fn config(server: &Sshd) -> OpenSshConfig {
    let own = KeyPair::generate("quell").expect("made");
    let control = KeyPair::generate("control").expect("made");
    let mut config = OpenSshConfig::new(
        PLANE,
        "localhost",
        server.port(),
        server.host_key(),
        Secret::new(own.private()),
        Secret::new(control.private()),
    );
    config.address = Some(std::net::Ipv4Addr::LOCALHOST.into());
    config
}

pub fn account(name: &str) -> Target {
    on(PLANE, TargetKind::Identity, name, name)
}

pub fn key(account: &str, key: &KeyPair) -> Target {
    let print = key.fingerprint().expect("printed");
    on(PLANE, TargetKind::Credential, &format!("{account}#ssh_key:{print}"), account)
}

pub fn certificate(account: &str, serial: u64, key: &KeyPair, authority: &KeyPair) -> Target {
    let [print, by] = [key, authority].map(|k| k.fingerprint().expect("printed"));
    on(PLANE, TargetKind::Credential, &format!("{account}#certificate:{serial}:{print}:{by}"), account)
}

pub fn principal(name: &str, account: &str) -> Target {
    on(PLANE, TargetKind::Entitlement, &format!("principal:{name}>{account}"), account)
}
