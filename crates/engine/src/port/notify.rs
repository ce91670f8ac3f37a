//! Telling people. Messages go at least once, with a stable id.

/// What one person or team is told. Our words only: text from outside stays in the case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Stable over repeats, so that a receiver can drop the second.
    pub id: String,
    /// Whom: a person's or a role's name.
    pub to: String,
    /// One line, at most 100 characters.
    pub headline: String,
    /// It interrupts a night.
    pub pages: bool,
}

/// A way to tell people.
#[async_trait::async_trait]
pub trait Notify: Send + Sync {
    /// Hands the message over; an error is told to the log and retried by the caller.
    async fn tell(&self, message: &Message) -> Result<(), String>;

    /// Forgets what is kept of earlier messages: a headline may quote what was erased.
    async fn forget(&self) {}
}
