//! Detectors through their one door: bytes in, signals out.

mod corpus;
mod credential;
mod every_message;
mod golden;
mod hostile;
mod recognition;
mod shown;
mod telemetry;
mod time;
