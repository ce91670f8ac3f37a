//! What policy may know of an identity: what was asserted of it; else what was asserted
//! of whom it came from; else of its system. Nothing of a plane, and nothing guessed.

use alloc::string::{String, ToString};

use super::{Identity, System};
use crate::{
    decision::IdentityFacts,
    event::{CaseEnriched, Derivation},
    signal::IdentityKind,
    target::Target,
};

/// The facts of one identity. `issuer` is the subject it belongs to where it came with
/// a lease or keeps a secret: whoever may cut that, may cut what it minted.
pub fn facts(
    identity: &Target,
    known: Option<&Identity>,
    system: Option<&System>,
    issuer: Option<&IdentityFacts>,
    protected: Option<String>,
    has_business_owner: bool,
) -> IdentityFacts {
    let environment = || known.and_then(|i| i.environment.clone()).or_else(|| issuer.and_then(|p| p.environment.clone()));
    let criticality = known.and_then(|i| i.criticality).or_else(|| issuer.and_then(|p| p.criticality));
    IdentityFacts {
        id: identity.id.to_string(),
        plane: identity.plane.clone(),
        kind: known.map(|i| i.kind).or_else(|| issuer.map(|p| p.kind)).unwrap_or(IdentityKind::Unknown),
        environment: environment().or_else(|| system.and_then(|s| s.environment.clone())),
        criticality: criticality.or_else(|| system.and_then(|s| s.criticality)),
        shared: known.and_then(|i| i.shared).or_else(|| issuer.and_then(|p| p.shared)),
        third_party: known.and_then(|i| i.third_party).or_else(|| issuer.and_then(|p| p.third_party)),
        protected,
        has_business_owner,
    }
}

/// How many consumers depend on it; none where nobody knows. Of a leased login nobody
/// but whom it was leased to has the password.
pub fn dependents(is_known: bool, declared: u32, issuer: Option<(&CaseEnriched, &Derivation)>) -> Option<u32> {
    match issuer {
        _ if is_known => Some(declared),
        Some((_, how)) if how.via == Derivation::LEASE => Some(0),
        Some((issuer, _)) => issuer.dependents,
        None => None,
    }
}
