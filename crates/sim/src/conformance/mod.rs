//! Suites that everything behind one door must pass.
//!
//! A suite is called by the tests of whoever stands behind the door, so it
//! panics where a promise is broken, as a test does.

pub mod store;
