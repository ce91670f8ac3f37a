//! SPIFFE ids: `spiffe://TRUST-DOMAIN/PATH`.
//!
//! The id is the native id of a workload, its trust domain the system that
//! issues to it (SPIFFE ID standard, read 2026-11).

use quell_core::signal::IdentityKind;

use crate::claim::Who;

/// The workload and its trust domain, if `text` is a SPIFFE id.
pub fn workload(text: &str) -> Option<(Who, String)> {
    let rest = text.trim().strip_prefix("spiffe://")?;
    let (domain, path) = rest.split_once('/').unwrap_or((rest, ""));
    if domain.is_empty() || !domain.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
        return None;
    }
    let name = if path.is_empty() { domain } else { path.rsplit('/').next().unwrap_or(path) };
    let who = Who { id: Some(text.trim().to_owned()), name: Some(name.to_owned()), kind: IdentityKind::Workload };
    Some((who, format!("spiffe:{domain}")))
}

/// The first SPIFFE id in a text of several, such as a list of names.
pub fn first_in(text: &str) -> Option<(Who, String)> {
    let start = text.find("spiffe://")?;
    let id = text[start..].split([',', ';', '"', ' ']).next()?;
    workload(id)
}
