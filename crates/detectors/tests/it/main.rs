//! Detectors through their one door: bytes in, signals out.

mod acceptance;
mod corpus;
mod credential;
mod every_message;
mod golden;
mod hostile;
mod recognition;
mod shown;
mod time;
