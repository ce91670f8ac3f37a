//! OpenSSH on one host: accounts, the keys and certificates that log in as them, and
//! open connections.
//!
//! sshd has no protocol to be administered by: it reads files at every login. So Quell
//! logs in as an account of its own that runs one command and nothing else, and that
//! command only looks, takes away, and puts back what it took. What a key is worth is
//! asked of sshd itself, without the private half: it says whether it would take a key
//! before anybody signs. A refusal counts where the files explain it, a control key was
//! accepted and another one, which is always in the list, was refused in the same round.
//! Facts are of OpenSSH 9.2, measured November 2026.
//!
//! | file | what |
//! | --- | --- |
//! | `config` `wire` | where it is, who answers, one command or one question with a deadline |
//! | `native` `keys` | names; keys, certificates and their lines |
//! | `bootstrap` `bootstrap.sh` `plane.sh` `check` | what the host must have, and whether it has it |
//! | `look` `list` `rules` `enumerate` `identify` `read` | what is there, without a change |
//! | `act` `undo` | the cleared attempt, and the way back |
//! | `probe` | what was met, with its control |

mod act;
mod bootstrap;
mod check;
mod config;
mod enumerate;
mod identify;
mod keys;
mod list;
mod look;
mod manifest;
mod native;
mod probe;
mod read;
mod rules;
mod undo;
mod wire;

use std::{collections::BTreeMap, fmt, sync::Arc};

use quell_core::{
    clear::Clearance,
    proof::Observation,
    secret::Secret,
    target::{Enumeration, Reading, Target},
};
use quell_engine::port::{Attempt, Card, Check, Clock, Connector, Identified, Outcome, PlaneError, ProbeRequest};

use self::wire::Wire;
pub use self::{
    bootstrap::bootstrap_script,
    config::{OpenSshConfig, SETTLE_MS},
};
pub use crate::config::ControlIdentity;

/// One sshd.
pub struct OpenSsh {
    config: OpenSshConfig,
    card: Card,
    wire: Wire,
    clock: Arc<dyn Clock>,
}

impl OpenSsh {
    /// Takes a configuration; nothing is dialled yet.
    ///
    /// # Errors
    ///
    /// When the configuration contradicts itself, or a key in it is none.
    pub fn new(config: OpenSshConfig, clock: Arc<dyn Clock>) -> Result<Self, PlaneError> {
        let keys = config.keys().map_err(|why| PlaneError::NotPermitted { plane: config.name.clone(), why })?;
        Ok(Self { card: config.card(), wire: Wire::new(config.clone(), keys), config, clock })
    }

    fn not_permitted(&self, why: impl Into<String>) -> PlaneError {
        PlaneError::NotPermitted { plane: self.config.name.clone(), why: why.into() }
    }

    /// Why a key is out of reach: without it Quell sees and proves nothing any more.
    fn is_ours(&self, print: &str) -> Option<&'static str> {
        let keys = self.wire.keys();
        let is = |key| keys::print_of_key(key).is_some_and(|p| p == print);
        if is(keys.own.public_key()) {
            return Some("it is Quell's own key");
        }
        is(&keys.control).then_some("it is the key of Quell's control")
    }
}

impl fmt::Debug for OpenSsh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenSsh").field("config", &self.config).finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl Connector for OpenSsh {
    fn card(&self) -> &Card {
        &self.card
    }

    fn protected(&self, identity: &str) -> Option<String> {
        let why = if identity == self.config.username {
            "it is Quell's own account"
        } else if identity == self.config.control.identity {
            "it is Quell's control identity"
        } else if identity == "root" {
            "it is the administrator of the host"
        } else if self.config.protected.iter().any(|p| p == identity) {
            "the configuration protects it"
        } else {
            return None;
        };
        Some(why.to_owned())
    }

    async fn check(&self) -> Check {
        self.examine().await
    }

    async fn enumerate(&self, identity: &str) -> Result<Enumeration, PlaneError> {
        self.enumerate_account(identity).await
    }

    async fn inventory(&self) -> Result<Enumeration, PlaneError> {
        self.enumerate_scope().await
    }

    async fn identify(&self, secret: &Secret) -> Result<Identified, PlaneError> {
        self.identify_secret(secret).await
    }

    fn shaped(&self, drawn: Secret) -> Secret {
        keys::private_of(&drawn)
    }

    async fn read(&self, target: &Target) -> Result<(Reading, BTreeMap<String, Secret>), PlaneError> {
        self.read_target(target).await
    }

    async fn act(&self, clearance: Clearance, attempt: &Attempt) -> Outcome {
        self.act_on(clearance, attempt).await
    }

    async fn read_outcome(&self, attempt: &Attempt) -> Outcome {
        self.outcome_of(attempt).await
    }

    async fn probe(&self, request: &ProbeRequest) -> Vec<Observation> {
        self.observe(request).await
    }
}
