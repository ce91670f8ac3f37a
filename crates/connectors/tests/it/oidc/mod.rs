//! The OpenID provider plane against a real provider of the lab.

mod act;
mod bootstrap;
mod enumerate;
mod false_death;
mod faults;
mod hostile;
mod identify;
mod plane;
mod secrets;
mod traps;
mod undo;
