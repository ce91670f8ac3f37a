//! Incoming webhooks of chats: Slack, and what is compatible with it, by `text` in mrkdwn;
//! Teams workflows by an Adaptive Card 1.4 (both forms read 2026-11).
//!
//! A channel of a chat is read by many, so it says whom it is for and never more than the
//! case's first line.

use quell_core::secret::Secret;
use serde_json::{Value, json};

use super::{Channel, Letter, Lost, webhook::Address};

/// Which chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    Slack,
    Teams,
}

/// A channel of a chat.
pub struct Chat {
    name: String,
    pages_only: bool,
    flavour: Flavour,
    address: Address,
}

impl Chat {
    /// `url` is kept secret: whoever has it can write there.
    ///
    /// # Errors
    ///
    /// What of it cannot be called, without the address.
    pub fn new(name: &str, pages_only: bool, flavour: Flavour, url: &Secret) -> Result<Self, String> {
        Ok(Self { name: name.to_owned(), pages_only, flavour, address: Address::new(url)? })
    }
}

#[async_trait::async_trait]
impl Channel for Chat {
    fn name(&self) -> &str {
        &self.name
    }

    fn kind(&self) -> &'static str {
        match self.flavour {
            Flavour::Slack => "slack",
            Flavour::Teams => "teams",
        }
    }

    fn pages_only(&self) -> bool {
        self.pages_only
    }

    async fn hand(&self, letter: &Letter<'_>) -> Result<(), Lost> {
        let body = match self.flavour {
            Flavour::Slack => slack(letter),
            Flavour::Teams => teams(letter),
        };
        self.address.call(body.to_string(), &[]).await
    }
}

fn names(letter: &Letter<'_>) -> String {
    let names: Vec<&str> = letter.message.to.iter().map(|a| a.name.as_str()).collect();
    if names.is_empty() { "nobody who can be named".to_owned() } else { names.join(", ") }
}

/// In mrkdwn three characters have a meaning of their own, and a mention is written with
/// two of them.
fn slack(letter: &Letter<'_>) -> Value {
    let plain = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut text = format!("*{}*\nFor {}: {}.", plain(&letter.subject()), plain(&names(letter)), letter.message.why);
    if let Some(url) = &letter.url {
        text.push_str(&format!("\n<{}|Read and answer it, signed in>", plain(url)));
    }
    json!({ "text": text })
}

/// A `TextBlock` of a card reads some Markdown, so names are put into a `RichTextBlock`,
/// which reads none.
fn teams(letter: &Letter<'_>) -> Value {
    let run = |text: String, strong: bool| {
        let weight = if strong { "Bolder" } else { "Default" };
        json!({ "type": "RichTextBlock", "inlines": [{ "type": "TextRun", "text": text, "weight": weight }] })
    };
    let body = vec![run(letter.subject(), true), run(format!("For {}: {}.", names(letter), letter.message.why), false)];
    let mut card =
        json!({ "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": body });
    if let Some(url) = &letter.url {
        card["actions"] = json!([{ "type": "Action.OpenUrl", "title": "Read and answer it, signed in", "url": url }]);
    }
    json!({ "type": "message", "attachments": [{ "contentType": "application/vnd.microsoft.card.adaptive", "content": card }] })
}

#[cfg(test)]
mod tests {
    use quell_core::id::{CaseId, PersonId};
    use quell_engine::port::{Addressee, Message};

    use super::*;

    fn message(name: &str, headline: &str) -> Message {
        let to = Addressee { person: Some(PersonId::new("u-1")), role: None, name: name.to_owned(), email: None, interrupts: true };
        Message {
            id: "ask/p/0/u-1".to_owned(),
            case: CaseId::new("C-1"),
            headline: headline.to_owned(),
            why: "a plan of this case waits for your yes or no",
            hand_on: "x",
            to: vec![to],
            taken: Default::default(),
        }
    }

    #[test]
    fn no_name_becomes_a_mention_or_a_link() {
        let message = message("<!channel> & [x](https://evil.example)", "billing: LIVE <https://evil.example|click>");
        let letter = Letter {
            message: &message,
            url: Some("https://quell.corp/cases/C-1".to_owned()),
            at: "2026-11-24T03:00:00Z".parse().expect("a time"),
        };
        let text = slack(&letter)["text"].as_str().expect("text").to_owned();
        assert!(!text.contains("<!channel>") && !text.contains("<https://evil"), "{text}");
        assert_eq!(text.matches('<').count(), 1, "the one link is ours: {text}");
        let card = teams(&letter);
        let blocks = card["attachments"][0]["content"]["body"].as_array().expect("blocks");
        assert!(blocks.iter().all(|b| b["type"] == "RichTextBlock"), "no block reads Markdown: {card}");
        assert_eq!(card["attachments"][0]["content"]["actions"][0]["url"], "https://quell.corp/cases/C-1");
    }
}
