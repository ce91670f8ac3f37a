//! Who answers for what: how the subjects of cases were routed, and identities that
//! nobody answers for, told once to whoever says who does.
//!
//! A case about an identity shows that nobody owns it; the task to change that has a
//! case of posture of its own, so that neither waits for the other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use quell_core::{
    case::Case,
    event::CaseEnriched,
    finding::Resolved,
    id::{CaseId, TargetId},
    posture::Posture,
    route::{Ownership, Route},
};

use crate::{Engine, Failure, health::Said, lookup, record::Writing};

/// Rows that are read at once.
const BATCH: u32 = 1_000;
/// Identities whose owner is asked for in one look; the next look asks for others.
const ASKED_MAX: usize = 100;

impl Engine {
    /// How many subjects of cases were routed by each rule.
    pub async fn routed(&self) -> Result<BTreeMap<String, u64>, Failure> {
        let (mut routed, mut after) = (BTreeMap::new(), None::<String>);
        loop {
            let rows = self.ports.store.lookup_range(lookup::ROUTE, "", after.as_deref(), BATCH).await?;
            let Some((last, _)) = rows.last() else { return Ok(routed) };
            after = Some(last.clone());
            for (_, row) in &rows {
                *routed.entry(row["rule"].as_str().unwrap_or_default().to_owned()).or_insert(0) += 1;
            }
        }
    }

    /// Asks who answers for identities of cases that nobody does, or did not say so for
    /// too long: once for each, while its task is open.
    pub async fn look_after_owners(self: &Arc<Self>) -> Result<Vec<CaseId>, Failure> {
        let (mut told, mut after, mut seen) = (Vec::new(), None::<String>, BTreeSet::new());
        while told.len() < ASKED_MAX {
            let rows = self.ports.store.lookup_range(lookup::ROUTE, "", after.as_deref(), BATCH).await?;
            let Some((last, _)) = rows.last() else { break };
            after = Some(last.clone());
            for (key, _) in rows.iter().filter(|(_, row)| row["in_doubt"] == true) {
                let Some((identity, case)) = key.split_once('/') else { continue };
                let Some(case) = self.case(&CaseId::new(case)).await?.filter(|c| c.is_open() && !c.is_posture()) else { continue };
                if seen.insert(identity.to_owned()) {
                    told.extend(self.ask_for_an_owner(&case, &TargetId::new(identity)).await?);
                }
            }
        }
        Ok(told)
    }

    async fn ask_for_an_owner(self: &Arc<Self>, case: &Case, identity: &TargetId) -> Result<Option<CaseId>, Failure> {
        let Some((subject, route)) = case.subjects.get(identity).and_then(|s| s.route.as_ref().map(|r| (s, r))) else { return Ok(None) };
        let what = if route.ownership == Ownership::Missing { Posture::NoOwner } else { Posture::StaleOwner };
        let now = self.ports.clock.now();
        let said = Said {
            what,
            about: identity.to_string(),
            title: title(subject, route),
            since: now,
            senders: BTreeSet::new(),
            resolved: Some(Resolved {
                identity: subject.identity.clone(),
                credential: None,
                credential_kind: None,
                mark: None,
                possession: false,
                is_right_now: false,
                because: format!("it is a subject of case {}", case.id),
                otherwise: None,
                said: None,
            }),
            because: format!("Quell looked for who answers for a subject of case {}", case.id),
        };
        let mut writing = Writing::because("ownership");
        let Some((opened, seen)) = self.say(&mut writing, said).await? else { return Ok(None) };
        match self.append_on(writing, now, seen).await {
            // Somebody else said it.
            Err(Failure::Stale) => Ok(None),
            other => other.map(|_| Some(opened)),
        }
    }
}

/// What is missing, with what the tags propose: a person decides by it, and nothing else does.
fn title(subject: &CaseEnriched, route: &Route) -> String {
    let what = match route.ownership {
        Ownership::Missing => "nobody answers for",
        Ownership::Stale => "the owner was confirmed too long ago of",
        Ownership::NeverConfirmed | Ownership::Confirmed => "the owner was never confirmed of",
    };
    let proposed: Vec<&str> = route.proposed.iter().map(|tag| tag.shown()).collect();
    let tags = if proposed.is_empty() { String::new() } else { format!("; its tags propose {}", proposed.join(", ")) };
    format!("{what} `{}`{tags}", subject.identity.reference())
}
