//! Ways into the planes, as somebody with stolen credentials has them: logging in,
//! and using a session that is open.

mod openbao;
mod openldap;
mod postgres;

pub use self::{openbao::Vault, openldap::Directory, postgres::Database};

/// One way into one plane. What went wrong is one word, never a secret.
pub trait Way: Send + Sync + 'static {
    /// Access that was granted.
    type Session: Send;

    /// A fresh login; it counts once the plane has served data through it.
    fn log_in(&self) -> impl Future<Output = Result<Self::Session, String>> + Send;

    /// Uses a session that is open.
    fn use_it(&self, session: &mut Self::Session) -> impl Future<Output = Result<(), String>> + Send;

    /// The session is gone for good, so another one has to be opened.
    fn is_over(&self, session: &Self::Session) -> bool;
}
