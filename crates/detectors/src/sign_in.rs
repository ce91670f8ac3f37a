//! Systems that people and programs sign in to.
//!
//! Their logs name who acted and whom it was done to, and the second is whom a
//! signal is about. A log level is no severity.

pub mod auth0;
pub mod duo;
pub mod entra;
pub mod keycloak;
pub mod okta;
pub mod onelogin;
pub mod ssf_caep;
