//! An OpenID provider: a person, or an application, for each course.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use anyhow::{Context, Result, bail};
use quell_connectors::oidc::{Oidc, OidcConfig, Reach};
use quell_core::{
    action::Action,
    proof::Liveness,
    secret::{Secret, sha256},
    target::{Target, TargetKind},
};
use quell_engine::port::Connector;

use super::{
    attempt::{RealClock, attempt, on},
    course::{Ground, Intruder, Subject},
};
use crate::{
    oidc::{App, Browser, Options, Person, Provider, RESOURCE, Tokens},
    secret::Secret as Held,
};

const PLANE: &str = "oidc-drill";

/// A provider under Quell.
pub struct Logins {
    server: Arc<Provider>,
    connector: Oidc,
    version: String,
    web: App,
    mobile: App,
}

impl Logins {
    /// # Errors
    ///
    /// When no provider is installed or it does not come up.
    pub async fn start() -> Result<Self> {
        let server = Provider::start(Options::default()).await?;
        let reach = Reach::Tls {
            host: "localhost".to_owned(),
            port: server.port(),
            address: Some(Ipv4Addr::LOCALHOST.into()),
            ca_pem: server.ca().pem().to_owned(),
        };
        let known = |secret: &Held| Secret::new(secret.reveal());
        let mut config = OidcConfig::new(PLANE, reach, known(server.own_secret()), known(server.control_secret()));
        config.step_up_acr = Some("urn:lab:otp".to_owned());
        let version = server.version()?;
        let (web, mobile) = (server.web("web").await?, server.mobile("mobile").await?);
        Ok(Self { server: Arc::new(server), connector: Oidc::new(config, Arc::new(RealClock))?, version, web, mobile })
    }

    /// Somebody who is logged in, with a copy of the browser.
    async fn person(&self, name: &str, app: &App, further: &[(&str, &str)]) -> Result<(Person, Browser, Tokens)> {
        let person = self.server.person(name).await?;
        let mut browser = self.server.browser();
        let tokens = browser.log_in(app, name, &person.password, "", further).await?;
        Ok((person, browser, tokens))
    }

    /// What the provider lists of an identity, by a part of its name.
    async fn listed(&self, identity: &str, part: &str) -> Result<Target> {
        let all = self.connector.enumerate(identity).await?;
        let found = all.found.iter().find(|f| f.native.contains(part)).with_context(|| format!("nothing is listed as `{part}`"))?;
        Ok(on(PLANE, found.kind, &found.native, identity))
    }

    fn intruder(&self, way: Way) -> Box<dyn Intruder> {
        Box::new(Thief { server: self.server.clone(), way })
    }

    async fn of_person(&self, action: Action, what: &'static str, name: &str) -> Result<Subject> {
        let app = if what == "a refresh family" { &self.mobile } else { &self.web };
        let further: &[(&str, &str)] = if what == "a JWT" { &[("resource", RESOURCE)] } else { &[] };
        let (person, browser, tokens) = self.person(name, app, further).await?;
        let identity = on(PLANE, TargetKind::Identity, name, name);
        let of = |what: &str| on(PLANE, TargetKind::Credential, &format!("{name}#{what}"), name);
        let known = |held: &Held| Some(Secret::new(held.reveal()));
        let by_password = Way::Password { person: person.clone(), app: app.clone() };
        let whole = Subject {
            what,
            native: name.to_owned(),
            identity: identity.clone(),
            target: identity.clone(),
            old: of("password"),
            secret: known(&person.password),
            new: Some(of("password:q7f3k")),
            made: None,
            parameters: BTreeMap::new(),
            first: Vec::new(),
            before: Liveness::Live,
            residual: false,
            intruder: self.intruder(by_password),
        };
        Ok(match (action, what) {
            (Action::RotateCredential, _) => Subject { target: of("password"), ..whole },
            (Action::TerminateSessions, _) => {
                let session = self.listed(name, "session:").await?;
                let intruder = self.intruder(Way::Session { browser, app: app.clone() });
                Subject { target: session.clone(), old: session, secret: None, intruder, ..whole }
            }
            (Action::RequireStepUp, _) => {
                let session = self.listed(name, "session:").await?;
                let intruder = self.intruder(Way::Session { browser, app: app.clone() });
                Subject { old: session, secret: None, intruder, ..whole }
            }
            (Action::RevokeCredential, "an opaque token") => {
                let old = of(&format!("token:{}", sha256(tokens.access.reveal().as_bytes())));
                let secret = known(&tokens.access);
                let intruder = self.intruder(Way::Token { browser, app: app.clone(), token: tokens.access });
                Subject { target: old.clone(), old, secret, intruder, ..whole }
            }
            (Action::RevokeCredential, _) => {
                let grant = self.listed(name, "#grant:").await?;
                let refresh = tokens.refresh.context("an application that stays in has a refresh token")?;
                let secret = known(&refresh);
                // It asks whether the family is good and uses none of it: to use it twice
                // would end it.
                let intruder = self.intruder(Way::Token { browser, app: app.clone(), token: refresh });
                Subject { target: grant.clone(), old: grant, secret, intruder, ..whole }
            }
            (Action::SuspendIdentity, "a JWT") => {
                let jwt = self.listed(name, "#jwt:").await?;
                let intruder = self.intruder(Way::Jwt);
                Subject { old: jwt, secret: None, before: Liveness::Unknown, residual: true, intruder, ..whole }
            }
            (Action::Reinstate | Action::Restore, _) => Subject { first: vec![attempt(Action::SuspendIdentity, &identity)], ..whole },
            _ => whole,
        })
    }

    async fn of_client(&self, action: Action, what: &'static str, id: &str) -> Result<Subject> {
        let app = self.server.machine(id).await?;
        let secret = app.secret.clone().context("it keeps a secret")?;
        let native = format!("client:{id}");
        let identity = on(PLANE, TargetKind::Identity, &native, &native);
        let of = |what: &str| on(PLANE, TargetKind::Credential, &format!("{native}#{what}"), &native);
        let whole = Subject {
            what,
            native: native.clone(),
            identity: identity.clone(),
            target: identity.clone(),
            old: of("password"),
            secret: Some(Secret::new(secret.reveal())),
            new: Some(of("password:q7f3k")),
            made: None,
            parameters: BTreeMap::new(),
            first: Vec::new(),
            before: Liveness::Live,
            residual: false,
            intruder: self.intruder(Way::Client { app: app.clone() }),
        };
        Ok(match action {
            Action::RotateCredential => Subject { target: of("password"), ..whole },
            Action::RevokeCredential => {
                let browser = self.server.browser();
                let token = browser.client_credentials(&app, &[]).await?.map_err(anyhow::Error::msg)?.access;
                let old = of(&format!("token:{}", sha256(token.reveal().as_bytes())));
                let held = Some(Secret::new(token.reveal()));
                let intruder = self.intruder(Way::Token { browser, app, token });
                Subject { target: old.clone(), old, secret: held, intruder, ..whole }
            }
            Action::Reinstate => Subject { first: vec![attempt(Action::SuspendIdentity, &identity)], ..whole },
            _ => whole,
        })
    }
}

#[async_trait::async_trait]
impl Ground for Logins {
    fn connector(&self) -> &dyn Connector {
        &self.connector
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn subjects(&self, action: Action) -> &'static [&'static str] {
        match action {
            Action::RotateCredential => &["a password", "a client secret"],
            Action::SuspendIdentity => &["an account", "a client", "a JWT"],
            Action::TerminateSessions => &["a session"],
            Action::RevokeCredential => &["a refresh family", "an opaque token", "a client token"],
            Action::RequireStepUp | Action::Restore => &["an account"],
            Action::Reinstate => &["an account", "a client"],
            _ => &[],
        }
    }

    async fn subject(&self, action: Action, what: &'static str) -> Result<Subject> {
        let name = format!("{}-{}", action.name(), what.replace(' ', "-"));
        match what {
            "a client" | "a client secret" | "a client token" => self.of_client(action, what, &name).await,
            _ => self.of_person(action, what, &name).await,
        }
    }
}

/// What the intruder holds.
enum Way {
    Password {
        person: Person,
        app: App,
    },
    Session {
        browser: Browser,
        app: App,
    },
    Token {
        browser: Browser,
        app: App,
        token: Held,
    },
    Client {
        app: App,
    },
    /// Whoever has the provider's keys believes it until its end: nobody is asked.
    Jwt,
}

struct Thief {
    server: Arc<Provider>,
    way: Way,
}

#[async_trait::async_trait]
impl Intruder for Thief {
    async fn is_in(&mut self) -> Result<bool> {
        match &mut self.way {
            Way::Password { person, app } => {
                let tried = self.server.browser().log_in(app, &person.name, &person.password, "", &[]).await;
                match tried {
                    Ok(_) => Ok(true),
                    Err(error) if format!("{error:#}").contains("the login was refused") => Ok(false),
                    Err(error) => bail!("the login was neither taken nor refused: {error:#}"),
                }
            }
            Way::Session { browser, app } => browser.is_in(app).await,
            Way::Token { browser, app, token } => browser.is_active(app, token).await,
            Way::Client { app } => match self.server.browser().client_credentials(app, &[]).await? {
                Ok(_) => Ok(true),
                Err(error) if error == "invalid_client" => Ok(false),
                Err(error) => bail!("the client was refused with `{error}`"),
            },
            Way::Jwt => Ok(true),
        }
    }
}
