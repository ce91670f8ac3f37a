//! Inventory that a person brings in.

use std::sync::Arc;

use quell_core::{
    decision::Verb,
    event::{FactsAsserted, InventoryImported},
    id::StreamId,
    inventory::{Change, Inventory, Object},
    personal::Salter,
};

use super::Caller;
use crate::{Engine, Failure, record::Writing};
impl Engine {
    /// Brings in an inventory file that was read into objects: all or nothing.
    pub async fn import(
        self: &Arc<Self>,
        caller: &Caller,
        source: &str,
        objects: Vec<(u64, Object)>,
        replace: bool,
        dry_run: bool,
        digest: &str,
    ) -> Result<Change, Failure> {
        self.may(caller, Verb::ImportInventory, None, &[]).await?;
        let inventory = self.inventory();
        let stored = self.ports.store.inventory().await?;
        let present = stored.iter().filter(|(_, v)| v["source"].as_str() == Some(source)).map(|(k, _)| k.clone()).collect();
        let change = inventory.compare(&objects, &present, replace);
        if dry_run || !change.errors.is_empty() {
            return Ok(change);
        }
        let salter = Salter::new(self.ports.chance.seed());
        let new: std::collections::BTreeSet<String> = objects.iter().map(|(_, o)| o.key()).collect();
        let gone: Vec<String> = if replace { present.difference(&new).cloned().collect() } else { Vec::new() };
        let mut rows = Vec::new();
        let mut next: Inventory = (*inventory).clone();
        let mut facts = Vec::new();
        for (_, object) in objects {
            if inventory.get(&object.key()) == Some(&object) {
                continue;
            }
            let value = serde_json::to_value(&object).map_err(|e| Failure::Damaged(e.to_string()))?;
            if object.asserts() {
                facts.push(salter.commit(value.to_string()));
            }
            rows.push((object.key(), Some(serde_json::json!({ "source": source, "object": value }))));
            next.put(object);
        }
        for key in &gone {
            rows.push((key.clone(), None));
            next.remove(key);
        }
        let stream = StreamId::source(&format!("inventory/{source}"));
        let mut writing = Writing::because("import");
        // At most 64 KiB an event: two hundred commitments fit with room to spare.
        for chunk in facts.chunks(200) {
            writing.event(stream.clone(), &caller.by(), FactsAsserted { facts: chunk.to_vec(), gone: Vec::new() });
        }
        for chunk in gone.chunks(200) {
            let gone = chunk.iter().map(|k| salter.commit(k.clone())).collect();
            writing.event(stream.clone(), &caller.by(), FactsAsserted { facts: Vec::new(), gone });
        }
        let imported = InventoryImported {
            source: source.to_owned(),
            read: change.read,
            added: change.added,
            changed: change.changed,
            unchanged: change.unchanged,
            gone: change.gone,
            digest: digest.to_owned(),
        };
        writing.event(stream, &caller.by(), imported);
        self.append(writing, self.ports.clock.now()).await?;
        self.ports.store.put_inventory(rows).await?;
        self.set_inventory(next);
        Ok(change)
    }
}
