//! Detectors of clouds, clusters and meshes.

pub mod aws_cloudtrail;
pub mod aws_guardduty;
pub mod aws_securityhub_asff;
pub mod envoy_access;
pub mod gcp_audit;
pub mod gcp_scc;
pub mod kubernetes_audit;
pub mod spire_audit;
