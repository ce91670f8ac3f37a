//! What a server or a driver said, as it stands in a reason: short, and without
//! anything that moves a cursor.

use std::error::Error;

/// At most this much of what was said.
pub(crate) const CHARACTERS_MAX: usize = 300;

/// At most 300 characters, without anything that moves a cursor.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(CHARACTERS_MAX).collect()
}

/// The chain of causes, which the driver's own message leaves out.
pub(crate) fn cause(e: &dyn Error) -> String {
    one_line(&with_causes(e.to_string(), e.source()))
}

/// `text` and every cause from `next` on that it does not say already.
pub(crate) fn with_causes(mut text: String, mut next: Option<&dyn Error>) -> String {
    while let Some(inner) = next {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&inner_text);
        }
        next = inner.source();
    }
    text
}
