//! Detectors through their one door: bytes in, signals out.

mod corpus;
mod corpus_cloud;
mod credential;
mod demands;
mod envelope;
mod every_message;
mod generic;
mod golden;
mod hostile;
mod mutated;
mod recognition;
mod shown;
mod time;
