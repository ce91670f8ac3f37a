//! What an inventory file adds: names of one identity, derivations that no log
//! shows, whose a leaked secret is, and who breaks when something is cut.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use quell_core::{
    inventory::{Inventory, Object},
    secret::{FingerprintKey, Secret},
    trace::{Investigation, Trace},
};

use crate::{
    cli::{Context, alert, fault::Fault, terminal},
    inventory_file,
};

/// An inventory, read for one question.
#[derive(Default)]
pub struct Known {
    inventory: Inventory,
    key: Option<FingerprintKey>,
}

/// The native part of `SYSTEM/NATIVE_ID`.
fn native(reference: &str) -> &str {
    quell_core::inventory::split(reference).map_or(reference, |(_, native)| native)
}

impl Known {
    /// Reads the file; an error in it ends the command, for half an inventory misleads.
    pub fn read(file: &Path, context: &Context) -> Result<Self, Fault> {
        let bytes = alert::read(Some(file))?;
        let key = context.local.fingerprint_key(None)?;
        let read = inventory_file::read(&bytes, key.as_ref());
        if let Some(error) = read.errors.first() {
            let more = if read.errors.len() > 1 { format!(" and {} more", read.errors.len() - 1) } else { String::new() };
            let place = if error.path.is_empty() { String::new() } else { format!(" {}", error.path) };
            return Err(Fault::refused(format!(
                "`{}` line {}{place}: {}{more}; mend it, or leave `--inventory` out",
                file.display(),
                error.line,
                error.message
            )));
        }
        for warning in &read.warnings {
            terminal::progress(&terminal::safe(&format!("warning: line {} {}: {}", warning.line, warning.path, warning.message)));
        }
        Ok(Self { inventory: Inventory::of(read.objects.into_iter().map(|(_, o)| o)), key })
    }

    /// Tells the trace what it cannot see in records.
    pub fn teach(&self, trace: &mut Trace) {
        for (_, object) in self.inventory.iter() {
            match object {
                Object::Identity(identity) => {
                    for alias in &identity.aliases {
                        trace.alias(native(&identity.id), native(alias));
                    }
                }
                Object::Derivation(d) => trace.derivation(native(&d.from), native(&d.to), &d.via, d.basis),
                _ => {}
            }
        }
    }

    /// The credential that a secret is, and whose: only by its keyed fingerprint.
    pub fn holder(&self, secret: &Secret) -> Option<(String, String)> {
        let print = self.key.as_ref()?.fingerprint(secret).to_string();
        let credential = self.inventory.by_fingerprint(&print)?;
        Some((native(&credential.id).to_owned(), native(&credential.identity).to_owned()))
    }

    /// Adds to each step who needs what it cuts, and what is protected.
    pub fn explain(&self, answer: &mut Investigation) {
        let mut needed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut protected: BTreeSet<&str> = BTreeSet::new();
        for (_, object) in self.inventory.iter() {
            match object {
                Object::Dependency(d) => {
                    needed.entry(native(&d.on)).or_default().insert(&d.consumer);
                }
                Object::Identity(i) if i.protected == Some(true) => {
                    protected.insert(native(&i.id));
                }
                _ => {}
            }
        }
        for case in &mut answer.cases {
            let owner: BTreeMap<&str, &str> = case.chain.iter().filter_map(|l| Some((l.id.as_str(), l.identity.as_deref()?))).collect();
            for step in &mut case.plan {
                let whose = owner.get(step.target.as_str()).copied();
                let names = [Some(step.target.as_str()), whose];
                let consumers: BTreeSet<&str> = names.iter().flatten().filter_map(|n| needed.get(*n)).flatten().copied().collect();
                let guarded = names.iter().flatten().any(|n| protected.contains(*n));
                if !consumers.is_empty() {
                    let list = consumers.iter().map(|c| format!("`{c}`")).collect::<Vec<_>>().join(", ");
                    step.reason.push_str(&format!("; {list} needs it and breaks without it"));
                }
                if guarded {
                    step.reason.push_str("; the inventory says that it is protected: a person decides");
                }
            }
        }
    }
}
