//! OpenLDAP: the connector against real servers of the lab.

mod act;
mod bootstrap;
mod company;
mod enumerate;
mod false_death;
mod faults;
mod hostile;
mod identify;
mod probe;
mod secrets;
mod sessions;
mod undo;
