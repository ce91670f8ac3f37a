//! Threat context: feeds are brought in, and a case shows what they say of what its
//! signals name. Nothing here is asked by what decides, drafts or routes.

use std::sync::Arc;

use quell_core::{
    case::Case,
    context::{Context, Feed},
    decision::Verb,
    event::ContextImported,
    finding::FiledSignal,
    id::StreamId,
    secret::sha256,
};
use serde_json::{Value, json};

use crate::{
    Engine, Failure, lookup,
    order::Caller,
    port::Blob,
    record::{Seen, Writing},
};

/// The most feeds, each replaced by the next of its name.
const FEEDS_MAX: usize = 64;
/// Alerts of a case whose signals are looked at, and signals of them.
const ALERTS_MAX: usize = 200;
const SIGNALS_MAX: usize = 1_000;

impl Engine {
    /// Brings in a feed that was read: it takes the place of the one of its name.
    /// `digest` is the SHA-256 of its file.
    ///
    /// # Errors
    ///
    /// [`Failure::Refused`] where the caller may not, or there are too many feeds.
    pub async fn import_context(self: &Arc<Self>, caller: &Caller, feed: Feed, digest: &str, dry_run: bool) -> Result<(), Failure> {
        self.may(caller, Verb::ImportInventory, None, &[]).await?;
        let known = self.ports.store.lookup_range(lookup::CONTEXT, "", None, u32::MAX).await?;
        if known.len() >= FEEDS_MAX && known.iter().all(|(name, _)| *name != feed.name) {
            return Err(Failure::Refused(format!("there are {FEEDS_MAX} feeds already; bring it in under the name of one of them")));
        }
        if dry_run {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&feed).map_err(|e| Failure::Damaged(e.to_string()))?;
        let blob = Blob { id: sha256(&bytes), bytes, sealed: false };
        let imported = ContextImported {
            name: feed.name.clone(),
            form: feed.form,
            entries: feed.entries.len() as u64,
            digest: digest.to_owned(),
            blob: blob.id.clone(),
        };
        let mut writing = Writing::because("context");
        writing.event(stream(&feed.name), &caller.by(), imported).blob(blob).relaxed();
        self.append_on(writing, self.ports.clock.now(), Seen::new()).await?;
        self.load_context().await
    }

    /// Which feeds there are: name, form, number of entries, when and by whom.
    pub async fn feeds(&self) -> Result<Vec<Value>, Failure> {
        let rows = self.ports.store.lookup_range(lookup::CONTEXT, "", None, u32::MAX).await?;
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// Reads every feed into memory.
    pub(crate) async fn load_context(&self) -> Result<(), Failure> {
        let mut feeds: Vec<Feed> = Vec::new();
        for row in self.feeds().await? {
            let id = row["blob"].as_str().unwrap_or_default();
            let bytes = self.ports.store.blob(id).await?;
            let bytes = bytes.ok_or_else(|| Failure::Damaged(format!("the feed `{}` is not in the store", row["name"])))?;
            feeds.push(serde_json::from_slice(&bytes).map_err(|e| Failure::Damaged(e.to_string()))?);
        }
        *self.context.write().expect("no holder of this lock can panic") = Arc::new(Context::of(feeds));
        Ok(())
    }

    /// What feeds say of what the signals of a case name; texts of theirs under `untrusted`.
    pub async fn threat_context(&self, case: &Case) -> Result<Vec<Value>, Failure> {
        let context = self.context.read().expect("no holder of this lock can panic").clone();
        if context.is_empty() {
            return Ok(Vec::new());
        }
        let mut texts: Vec<String> = Vec::new();
        for signal in self.signals_of(case).await? {
            texts.extend(said(&signal));
        }
        let now = self.ports.clock.now();
        let named = context.named_in(texts.iter().map(String::as_str), now);
        let row = |m: &quell_core::context::Match<'_>| {
            json!({ "feed": m.feed, "form": m.form, "kind": m.entry.kind, "named": m.entry.value, "since": m.entry.since, "until": m.entry.until,
                "untrusted": { "title": m.entry.title, "says": m.entry.says } })
        };
        Ok(named.iter().map(row).collect())
    }

    /// The signals that the findings of a case were made of.
    async fn signals_of(&self, case: &Case) -> Result<Vec<FiledSignal>, Failure> {
        let mut signals = Vec::new();
        for finding in &case.findings {
            for alert in finding.alerts.iter().take(ALERTS_MAX) {
                let Some(filed) = self.alert(alert).await?.and_then(|state| state.filed) else { continue };
                signals.extend(filed.signals.into_iter().filter(|s| finding.seen.contains(&s.dedupe)));
                if filed.parts.is_some() {
                    signals.extend(self.signals_in_parts(case, alert, finding).await?);
                }
                if signals.len() >= SIGNALS_MAX {
                    signals.truncate(SIGNALS_MAX);
                    return Ok(signals);
                }
            }
        }
        Ok(signals)
    }

    async fn signals_in_parts(
        &self,
        case: &Case,
        alert: &quell_core::id::AlertId,
        finding: &quell_core::finding::Finding,
    ) -> Result<Vec<FiledSignal>, Failure> {
        let rows = self.ports.store.lookup_range(lookup::CASE_PART, &format!("{}/{alert}/", case.id), None, 16).await?;
        let mut signals = Vec::new();
        for (_, stream) in rows {
            let Ok(stream) = serde_json::from_value::<StreamId>(stream) else { continue };
            let stored = self.ports.store.read(&stream, 1).await?;
            for recorded in crate::streams::decode_all(&*self.ports.store, &stored).await? {
                if let quell_core::event::Event::AlertPartFiled(part) = recorded.event {
                    signals.extend(part.signals.into_iter().filter(|s| finding.seen.contains(&s.dedupe)));
                }
            }
        }
        Ok(signals)
    }
}

/// The texts of a signal that may name something; what was erased names nothing.
fn said(signal: &FiledSignal) -> Vec<String> {
    let own = [Some(&signal.title), signal.actor_ip.as_ref(), signal.actor_name.as_ref(), signal.actor_id.as_ref(), signal.name.as_ref()];
    let own = own.into_iter().flatten().filter_map(|text| text.value()).map(str::to_owned);
    own.chain(signal.reasons.iter().cloned()).collect()
}

fn stream(name: &str) -> StreamId {
    StreamId::source(&format!("context/{name}"))
}
