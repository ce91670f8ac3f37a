//! AWS, as two servers of the lab speak for it.

mod act;
mod bootstrap;
mod careless;
mod enumerate;
mod false_death;
mod faults;
mod plane;
mod secrets;
mod undo;
