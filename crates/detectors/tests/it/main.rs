//! Detectors through their one door: bytes in, signals out.

mod acceptance;
mod changed_fixtures;
mod corpus;
mod credential;
mod every_message;
mod fixtures;
mod golden;
mod hostile;
mod log_demands;
mod recognition;
mod shown;
mod time;
