//! Bugs on purpose.
//!
//! The simulator must find each of them, or its guards are worth nothing. This
//! module and every line that asks it exist only with the feature `plant`, which
//! no dependency of the binary enables (a test reads the graph).

use std::{cell::RefCell, string::String};

std::thread_local! {
    static PLANTED: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Plants the bug of this name in this thread; the empty name takes it out.
pub fn set(name: &str) {
    PLANTED.with_borrow_mut(|planted| *planted = String::from(name));
}

/// Is this bug planted in this thread?
pub fn is(name: &str) -> bool {
    PLANTED.with_borrow(|planted| planted == name)
}
