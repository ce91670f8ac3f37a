//! From `[[notify]]` to the channels of the post.

use std::{path::Path, sync::Arc};

use anyhow::Result;
use quell_core::secret::Secret;
use quell_engine::port::Clock;

use super::secret;
use crate::{
    config::{BadConfig, Config, NotifyConfig},
    notify::{Channel, Chat, Flavour, Mail, Post, Webhook},
};

/// The inbox and every channel of the configuration. Nothing is dialled.
pub fn post(config: &Config, clock: Arc<dyn Clock>) -> Result<Post> {
    let mut channels = Vec::new();
    for wanted in &config.notify {
        let named = |why: String| BadConfig(format!("notify `{}`: {why}", wanted.name));
        channels.push(channel(wanted)?.map_err(named)?);
    }
    Ok(Post::new(clock, config.public_url.clone(), channels))
}

fn channel(wanted: &NotifyConfig) -> Result<Result<Box<dyn Channel>, String>> {
    let file = |path: &Option<std::path::PathBuf>| -> Result<Secret> { secret(path.as_deref().unwrap_or(Path::new(""))) };
    let (name, pages_only) = (wanted.name.as_str(), wanted.pages_only);
    let of = |text: &Option<String>| text.clone().unwrap_or_default();
    Ok(match wanted.kind.as_str() {
        "smtp" => {
            let login = match &wanted.username {
                Some(user) => Some((user.clone(), file(&wanted.secret_file)?)),
                None => None,
            };
            Mail::new(name, pages_only, &of(&wanted.url), wanted.ca_file.as_deref(), login, &of(&wanted.from)).map(|c| Box::new(c) as _)
        }
        "webhook" => Webhook::new(name, pages_only, &file(&wanted.url_file)?, file(&wanted.secret_file)?).map(|c| Box::new(c) as _),
        kind => {
            let flavour = if kind == "teams" { Flavour::Teams } else { Flavour::Slack };
            Chat::new(name, pages_only, flavour, &file(&wanted.url_file)?).map(|c| Box::new(c) as _)
        }
    })
}
