//! Which subjects a plan treats together.

use alloc::{format, string::String, vec::Vec};

use crate::{case::Case, event::CaseEnriched, id::TargetId};

/// Subjects that only make sense in one plan: an identity, the logins that came
/// with its leases, and the store that keeps its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Each with how it was reached, issuers before issued.
    pub subjects: Vec<(TargetId, Option<String>)>,
}

impl Part {
    fn holds(&self, id: &TargetId) -> bool {
        self.subjects.iter().any(|(s, _)| s == id)
    }
}

/// The parts of a containment that starts at `roots`: everything that was seen to
/// come from them on planes of ours, but what `treated` names (other plans have it),
/// what was not looked at yet, and what is out of reach.
pub fn parts(case: &Case, roots: &[TargetId], treated: impl Fn(&CaseEnriched) -> bool) -> Vec<Part> {
    let named: Vec<_> = roots.iter().filter_map(|r| case.subjects.get(r)).map(|s| s.identity.clone()).collect();
    let mut parts: Vec<Part> = Vec::new();
    for (target, via) in case.subjects_of(&named) {
        let Some(subject) = case.subjects.get(&target.id) else { continue };
        let is_root = roots.contains(&target.id);
        if !is_root && (treated(subject) || subject.facts.protected.is_some()) {
            continue;
        }
        let issuer = case.issuer_of(&target.id).filter(|_| !is_root);
        let via = issuer.map(|(_, how)| how.via.clone()).or(via.filter(|_| !is_root));
        let entry = (target.id.clone(), via);
        match parts.iter_mut().find(|p| issuer.is_some_and(|(s, _)| p.holds(&s.identity.id))) {
            Some(part) => part.subjects.push(entry),
            None => parts.push(Part { subjects: alloc::vec![entry] }),
        }
    }
    issuers_first(case, parts)
}

/// A part that leads to another one comes before it; in a ring the order stays.
fn issuers_first(case: &Case, mut left: Vec<Part>) -> Vec<Part> {
    let leads = |from: &Part, to: &Part| {
        let derived = from.subjects.iter().filter_map(|(id, _)| case.subjects.get(id)).flat_map(|s| &s.derivations);
        derived.into_iter().any(|d| to.holds(&d.to.id))
    };
    let mut sorted = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let free = (0..left.len()).find(|&i| (0..left.len()).all(|j| j == i || !leads(&left[j], &left[i])));
        sorted.push(left.remove(free.unwrap_or(0)));
    }
    sorted
}

/// What may run at once does not wait for what people are asked about: two plans then,
/// `is_free` first. One where it is the same for all.
pub fn apart(parts: Vec<Part>, is_free: impl FnMut(&Part) -> bool) -> Vec<Vec<Part>> {
    let (free, asked): (Vec<Part>, Vec<Part>) = parts.into_iter().partition(is_free);
    [free, asked].into_iter().filter(|group| !group.is_empty()).collect()
}

/// What was reached from `roots` and is protected: no plan touches it, so a person
/// has it. Each in our words.
pub fn reached_and_protected(case: &Case, roots: &[TargetId]) -> Vec<String> {
    let named: Vec<_> = roots.iter().filter_map(|r| case.subjects.get(r)).map(|s| s.identity.clone()).collect();
    let reached = case.subjects_of(&named);
    let reached = reached.iter().filter(|(_, via)| via.is_some()).filter_map(|(t, via)| Some((case.subjects.get(&t.id)?, via)));
    reached
        .filter_map(|(s, via)| {
            let why = s.facts.protected.as_ref()?;
            Some(format!(
                "`{}` was reached ({}) and is protected ({why}): decide by hand",
                s.identity.reference(),
                via.as_deref().unwrap_or("?")
            ))
        })
        .collect()
}
