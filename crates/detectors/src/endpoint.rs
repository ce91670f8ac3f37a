//! Detectors of endpoints and of the identities seen on them.

pub mod crowdstrike;
pub mod falco;
pub mod microsoft_defender_xdr;
