//! OpenBao, on a real server.

mod across;
mod act;
mod audit;
mod bootstrap;
mod cert;
mod enumerate;
mod false_death;
mod hostile;
mod identify;
mod kv;
mod plane;
mod policy;
mod probe;
mod secrets;
mod slow;
mod traps;
mod undo;
