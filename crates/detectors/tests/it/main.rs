//! Detectors through their one door: bytes in, signals out.

mod acceptance;
mod corpus;
mod credential;
mod demands;
mod every_message;
mod fixtures;
mod golden;
mod hostile;
mod mutated;
mod recognition;
mod shown;
mod time;
