//! Telling people: their inbox, and the channels of the configuration.
//!
//! Every channel gets the same letter and says for itself whether it took it; the engine
//! asks again those that did not. A link in a letter is no authority: it leads to the case,
//! behind sign-in, and an answer by mail or chat is read by nobody here.

mod chat;
mod inbox;
mod mail;
mod webhook;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use quell_core::time::Timestamp;
use quell_engine::port::{Clock, Failed, Handed, Message, Notify};

pub use self::{
    chat::{Chat, Flavour},
    inbox::Inbox,
    mail::Mail,
    webhook::Webhook,
};

/// The name of the channel that is always there.
pub const INBOX: &str = "inbox";

/// How long one channel may take.
const WAIT: Duration = Duration::from_secs(20);

/// What a channel hands over.
pub struct Letter<'a> {
    pub message: &'a Message,
    /// Where the case is read, where the installation says how it is reached.
    pub url: Option<String>,
    pub at: Timestamp,
}

impl Letter<'_> {
    /// It is to interrupt somebody.
    pub fn pages(&self) -> bool {
        self.message.to.iter().any(|a| a.interrupts)
    }

    /// The first line, with what kind of message it is to whoever reads it.
    pub fn subject(&self, pages: bool) -> String {
        let kind = if pages { "PAGE" } else { "note" };
        format!("[Quell {kind}] {}", self.message.headline)
    }

    /// The one id of this message among all.
    pub fn id(&self) -> String {
        format!("{}/{}", self.message.case, self.message.id)
    }

    /// Why, where to read on, and how to hand it on: a line each.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!("You are told because {}.", self.message.why), format!("Case: {}", self.message.case)];
        lines.extend(self.url.iter().map(|url| format!("Read and answer it signed in: {url}")));
        lines.push(self.message.hand_on.to_owned());
        lines.push("Nobody reads an answer to this message.".to_owned());
        lines
    }
}

/// Why a channel did not take a letter, in our words.
#[derive(Debug, PartialEq, Eq)]
pub struct Lost {
    pub why: String,
    /// A later try may get through.
    pub may_pass: bool,
}

impl Lost {
    fn now(why: impl Into<String>) -> Self {
        Self { why: why.into(), may_pass: true }
    }

    fn for_good(why: impl Into<String>) -> Self {
        Self { why: why.into(), may_pass: false }
    }
}

/// A way out of the house.
#[async_trait::async_trait]
pub trait Channel: Send + Sync {
    /// As the configuration calls it.
    fn name(&self) -> &str;
    /// As the configuration writes it.
    fn kind(&self) -> &'static str;
    /// It takes only what is to interrupt somebody.
    fn pages_only(&self) -> bool;
    /// Hands it over, once. Taken is not read.
    async fn hand(&self, letter: &Letter<'_>) -> Result<(), Lost>;
    /// Hands it over to everybody who does not have it, where each gets their own; what
    /// took it and what did not, as [`Handed`] says it.
    async fn hand_each(&self, letter: &Letter<'_>) -> Handed {
        match self.hand(letter).await {
            Ok(()) => Handed { over: vec![self.name().to_owned()], failed: Vec::new() },
            Err(Lost { why, may_pass }) => {
                Handed { over: Vec::new(), failed: vec![Failed { channel: self.name().to_owned(), why, may_pass }] }
            }
        }
    }
}

/// How a channel did lately.
#[derive(Clone, Debug, Default)]
pub struct Health {
    pub last_taken_at: Option<Timestamp>,
    /// Since when it took nothing, and why at last.
    pub failing: Option<(Timestamp, String)>,
}

/// All ways to tell people.
pub struct Post {
    clock: Arc<dyn Clock>,
    public_url: Option<String>,
    pub inbox: Inbox,
    channels: Vec<Box<dyn Channel>>,
    health: Mutex<BTreeMap<String, Health>>,
}

impl Post {
    /// The inbox and `channels`, whose names differ. `public_url` is how people reach this node.
    pub fn new(clock: Arc<dyn Clock>, public_url: Option<String>, channels: Vec<Box<dyn Channel>>) -> Self {
        let public_url = public_url.map(|url| url.trim_end_matches('/').to_owned());
        Self { clock, public_url, inbox: Inbox::default(), channels, health: Mutex::default() }
    }

    /// Every channel with how it did, the inbox left out.
    pub fn channels(&self) -> Vec<(&dyn Channel, Health)> {
        let health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        self.channels.iter().map(|c| (&**c, health.get(c.name()).cloned().unwrap_or_default())).collect()
    }

    /// One channel alone gets a message that is no notice of a case.
    ///
    /// # Errors
    ///
    /// Why it did not take it. `None` where no channel has the name.
    pub async fn test(&self, channel: &str, message: &Message) -> Option<Result<(), Lost>> {
        let channel = self.channels.iter().find(|c| c.name() == channel)?;
        let letter = Letter { message, url: self.public_url.clone(), at: self.clock.now() };
        let handed = self.hand(&**channel, &letter).await;
        Some(match handed.failed.into_iter().next() {
            None => Ok(()),
            Some(Failed { why, may_pass, .. }) => Err(Lost { why, may_pass }),
        })
    }

    async fn hand(&self, channel: &dyn Channel, letter: &Letter<'_>) -> Handed {
        let handed = channel.hand_each(letter).await;
        let (name, at) = (channel.name().to_owned(), self.clock.now());
        let outcome = if handed.failed.is_empty() { "taken" } else { "failed" };
        metrics::counter!("quell_notices_total", "channel" => name.clone(), "outcome" => outcome).increment(1);
        let mut all = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let health = all.entry(name).or_default();
        match handed.failed.first() {
            None => (health.last_taken_at, health.failing) = (Some(at), None),
            Some(failed) => {
                tracing::warn!(channel = channel.name(), why = failed.why, "a message was not handed over");
                let since = health.failing.as_ref().map_or(at, |(since, _)| *since);
                health.failing = Some((since, failed.why.clone()));
            }
        }
        handed
    }
}

#[async_trait::async_trait]
impl Notify for Post {
    async fn tell(&self, message: &Message) -> Handed {
        let mut handed = Handed::default();
        let at = self.clock.now();
        if !message.settled.contains(INBOX) {
            self.inbox.take(at, message);
            handed.over.push(INBOX.to_owned());
        }
        let url = self.public_url.as_ref().map(|url| format!("{url}/cases/{}", message.case));
        let letter = Letter { message, url, at };
        let wanted = self.channels.iter().filter(|c| !message.settled.contains(c.name()) && (letter.pages() || !c.pages_only()));
        for answer in futures::future::join_all(wanted.map(|c| self.hand(&**c, &letter))).await {
            handed.over.extend(answer.over);
            handed.failed.extend(answer.failed);
        }
        handed
    }

    async fn forget(&self) {
        self.inbox.forget();
    }
}
