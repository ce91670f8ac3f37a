//! Detectors through their one door: bytes in, signals out.

mod acceptance;
mod corpus;
mod corpus_cloud;
mod credential;
mod demands;
mod envelope;
mod feed;
mod fixtures;
mod generic;
mod golden;
mod hostile;
mod log_demands;
mod mapping;
mod recognition;
mod shown;
mod telemetry;
mod time;
