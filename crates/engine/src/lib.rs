//! The ports, and the one loop that acts. No vendor, no SQL, no HTTP.

pub mod port;
