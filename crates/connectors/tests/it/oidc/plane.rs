//! A real provider with people, applications and tokens, and a connector to it.

use std::{net::Ipv4Addr, sync::Arc};

use quell_connectors::oidc::{Oidc, OidcConfig, Reach};
use quell_core::{
    action::Action,
    proof::{Liveness, Observation, Proved},
    secret::{Secret, sha256},
    target::{Target, TargetKind},
    time::SignedDuration,
};
use quell_engine::port::{Clock, Connector, Outcome, ProbeRequest};
use quell_lab::oidc::{App, Browser, Options, Person, Provider, RESOURCE, Tokens};

pub use crate::any_plane::*;

pub const PLANE: &str = "oidc-main";
/// What is asked for by `require_step_up`.
pub const OTP: &str = "urn:lab:otp";
/// What the connector can do.
pub const ACTIONS: [Action; 7] = [
    Action::RotateCredential,
    Action::SuspendIdentity,
    Action::TerminateSessions,
    Action::RevokeCredential,
    Action::Reinstate,
    Action::Restore,
    Action::RequireStepUp,
];

/// A provider under Quell: Alice's session and refresh token are stolen, Bob's are not.
pub struct Plane {
    pub server: Provider,
    pub config: OidcConfig,
    pub connector: Oidc,
    pub alice: Person,
    /// Keeps a secret.
    pub web: App,
    /// Keeps none, and stays in without a session.
    pub mobile: App,
    /// Acts for nobody.
    pub ci: App,
    /// The thief's copy of Alice's browser, and what her applications hold.
    pub thief: Browser,
    pub tokens: Tokens,
    /// Bob's: nothing of what happens is about him.
    pub bobs: Browser,
    pub bobs_tokens: Tokens,
}

impl Plane {
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let server = Provider::start(options).await.expect("the real provider is installed");
        let (alice, bob) = (server.person("alice").await.expect("made"), server.person("bob").await.expect("made"));
        let (web, mobile) = (server.web("web").await.expect("made"), server.mobile("mobile").await.expect("made"));
        let ci = server.machine("ci").await.expect("made");
        let (mut thief, mut bobs) = (server.browser(), server.browser());
        let tokens = thief.log_in(&web, "alice", &alice.password, "", &[]).await.expect("logged in");
        let bobs_tokens = bobs.log_in(&web, "bob", &bob.password, "", &[]).await.expect("logged in");
        let config = config(&server);
        let connector = Oidc::new(config.clone(), Arc::new(RealClock)).expect("the configuration is good");
        Self { server, config, connector, alice, web, mobile, ci, thief, tokens, bobs, bobs_tokens }
    }

    /// Another connector to the same provider, with something changed.
    pub fn connector(&self, change: impl FnOnce(&mut OidcConfig)) -> Oidc {
        let mut config = self.config.clone();
        change(&mut config);
        Oidc::new(config, Arc::new(RealClock)).expect("the configuration is good")
    }

    pub async fn act(&self, action: Action, target: &Target) -> Outcome {
        act(&self.connector, attempt(action, target)).await
    }

    /// The one session of an account.
    pub async fn session(&self, account: &str) -> Target {
        let all = self.connector.enumerate(account).await.expect("it is there");
        let found: Vec<_> = all.of(TargetKind::Session).collect();
        let [one] = found.as_slice() else { panic!("{found:#?}") };
        on(PLANE, TargetKind::Session, &one.native, account)
    }

    /// The grants of an account for a client.
    pub async fn grants(&self, account: &str, client: &str) -> Vec<Target> {
        let all = self.connector.enumerate(account).await.expect("it is there");
        let is = |f: &&quell_core::target::Found| f.native.contains("#grant:") && f.facts.get("client").is_some_and(|c| c == client);
        all.of(TargetKind::Credential).filter(is).map(|f| on(PLANE, TargetKind::Credential, &f.native, account)).collect()
    }

    pub async fn grant(&self, account: &str, client: &str) -> Target {
        let all = self.grants(account, client).await;
        let [one] = all.as_slice() else { panic!("{all:#?}") };
        one.clone()
    }

    /// A JWT access token of Alice's, and what it is called.
    pub async fn jwt(&mut self) -> (Secret, Target) {
        let tokens = self.thief.log_in(&self.web, "alice", &self.alice.password, "", &[("resource", RESOURCE)]).await.expect("a JWT");
        let all = self.connector.enumerate("alice").await.expect("it is there");
        let found = all.of(TargetKind::Credential).find(|f| f.native.contains("#jwt:")).expect("it is written down").clone();
        (Secret::new(tokens.access.reveal()), on(PLANE, TargetKind::Credential, &found.native, "alice"))
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

    /// Everything that a containment of Alice does, in its order.
    pub async fn contain_alice(&self) {
        done(self.act(Action::SuspendIdentity, &account("alice")).await);
        done(self.act(Action::TerminateSessions, &account("alice")).await);
        for client in ["web", "mobile"] {
            for grant in self.grants("alice", client).await {
                done(self.act(Action::RevokeCredential, &grant).await);
            }
        }
    }

    pub fn refresh(&self) -> Secret {
        Secret::new(self.tokens.refresh.as_ref().expect("one").reveal())
    }

    /// What the provider keeps, as its owner reads it.
    pub async fn state(&self) -> serde_json::Value {
        self.server.lab("state", serde_json::json!({})).await.expect("read")
    }
}

pub fn config(server: &Provider) -> OidcConfig {
    let reach = Reach::Tls {
        host: "localhost".to_owned(),
        port: server.port(),
        address: Some(Ipv4Addr::LOCALHOST.into()),
        ca_pem: server.ca().pem().to_owned(),
    };
    let known = |secret: &quell_lab::secret::Secret| Secret::new(secret.reveal());
    let mut config = OidcConfig::new(PLANE, reach, known(server.own_secret()), known(server.control_secret()));
    config.step_up_acr = Some(OTP.to_owned());
    config
}

pub fn account(name: &str) -> Target {
    on(PLANE, TargetKind::Identity, name, name)
}

pub fn client(id: &str) -> Target {
    let native = format!("client:{id}");
    on(PLANE, TargetKind::Identity, &native, &native)
}

pub fn credential(native: &str, identity: &str) -> Target {
    on(PLANE, TargetKind::Credential, native, identity)
}

pub fn password(identity: &str) -> Target {
    credential(&format!("{identity}#password"), identity)
}

/// An opaque token of somebody.
pub fn token(identity: &str, value: &quell_lab::secret::Secret) -> Target {
    credential(&format!("{identity}#token:{}", sha256(value.reveal().as_bytes())), identity)
}

/// Everything that a round may use about a leaked value that was right.
pub fn leaked(target: Target, identity: &str, value: &quell_lab::secret::Secret) -> ProbeRequest {
    ProbeRequest { leaked: Some(Secret::new(value.reveal())), leaked_was_right: true, ..about(target, identity) }
}
