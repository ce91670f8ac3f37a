//! Who is calling.
//!
//! Passwords are argon2id hashes that lie sealed beside the ledger; tokens are
//! 256 bits of chance of which only the SHA-256 is stored; senders may sign
//! their messages instead. Nothing here says what a caller may do: that is
//! policy's question, asked by the engine.

pub mod account;
pub mod caller;
pub mod cookie;
pub mod password;
pub mod setup;
pub mod signature;
pub mod token;
pub mod tries;

use quell_engine::Failure;

/// Why somebody is not who they say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("no token came with the request; send `Authorization: Bearer TOKEN`, which `quell login` gives")]
    NoToken,
    #[error("the token is not known or is over; `quell login` gives a new one")]
    BadToken,
    #[error("the request changes something and does not carry the session's CSRF value; load the page again")]
    NotFromOurPage,
    #[error("{0}")]
    BadSignature(&'static str),
    #[error("name or password is wrong")]
    WrongLogin,
    #[error("too many wrong tries; wait {0} s")]
    TooManyTries(i64),
    #[error("{0}")]
    NotHere(String),
    #[error("{0}")]
    Invalid(String),
    #[error(transparent)]
    Failure(#[from] Failure),
}
