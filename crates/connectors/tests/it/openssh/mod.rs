//! The connector against real sshds.

mod act;
mod bootstrap;
mod enumerate;
mod false_death;
mod faults;
mod hostile;
mod identify;
mod plane;
mod probe;
mod secrets;
mod undo;
