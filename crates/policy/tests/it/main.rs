//! The policy crate from outside: the shipped set, its loading, its properties.

mod explain;
mod load;
mod properties;
mod shipped;
mod verbs;
