//! Incoming webhooks of chats: Slack, and what is compatible with it, by blocks;
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

/// What others named stands in `plain_text`, which has no marks and no mentions; the one
/// link is in a block of its own. The line for lists and watches escapes what mrkdwn knows.
fn slack(letter: &Letter<'_>) -> Value {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let plain = |text: String| json!({ "type": "section", "text": { "type": "plain_text", "text": text, "emoji": false } });
    let subject = letter.subject(letter.pages());
    let mut blocks = vec![plain(subject.clone()), plain(format!("For {}: {}.", names(letter), letter.message.why))];
    if let Some(url) = &letter.url {
        let link = format!("<{}|Read and answer it, signed in>", escaped(url));
        blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": link } }));
    }
    json!({ "text": escaped(&subject), "blocks": blocks })
}

/// A `TextBlock` of a card reads some Markdown, so names are put into a `RichTextBlock`,
/// which reads none.
fn teams(letter: &Letter<'_>) -> Value {
    let run = |text: String, strong: bool| {
        let weight = if strong { "Bolder" } else { "Default" };
        json!({ "type": "RichTextBlock", "inlines": [{ "type": "TextRun", "text": text, "weight": weight }] })
    };
    let body = vec![run(letter.subject(letter.pages()), true), run(format!("For {}: {}.", names(letter), letter.message.why), false)];
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
            settled: Default::default(),
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
        let said = slack(&letter);
        assert!(!said["text"].as_str().expect("text").contains('<'), "{said}");
        let marked: Vec<&str> = said["blocks"]
            .as_array()
            .expect("blocks")
            .iter()
            .filter(|b| b["text"]["type"] != "plain_text")
            .filter_map(|b| b["text"]["text"].as_str())
            .collect();
        assert_eq!(marked, ["<https://quell.corp/cases/C-1|Read and answer it, signed in>"], "what others named is nowhere marked: {said}");
        let card = teams(&letter);
        let blocks = card["attachments"][0]["content"]["body"].as_array().expect("blocks");
        assert!(blocks.iter().all(|b| b["type"] == "RichTextBlock"), "no block reads Markdown: {card}");
        assert_eq!(card["attachments"][0]["content"]["actions"][0]["url"], "https://quell.corp/cases/C-1");
    }
}
