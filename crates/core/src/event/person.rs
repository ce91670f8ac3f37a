//! Family `person`: accounts, roles, sign-in sessions and machine tokens.

use alloc::{string::String, vec::Vec};

use serde::{Deserialize, Serialize};

use crate::{
    decision::Role,
    id::{PersonId, TokenId},
    personal::Personal,
    time::Timestamp,
};

/// A local account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PersonCreated {
    pub person: PersonId,
    pub name: Personal,
    pub email: Option<Personal>,
    pub roles: Vec<Role>,
    /// A person, and not an API client.
    pub human: bool,
    /// Keyed hash of the name: names are unique.
    pub name_key: String,
    /// Keyed hash of the address: owners are matched by it.
    pub email_key: Option<String>,
    /// Id of the sealed argon2id hash of the password.
    pub password: Option<String>,
}

/// Roles or the password changed, or the account was disabled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PersonChanged {
    pub roles: Option<Vec<Role>>,
    pub password: Option<String>,
    pub disabled: Option<bool>,
}

/// A sign-in session began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SignedIn {
    pub token: TokenId,
    /// Hex SHA-256 of the 256-bit token.
    pub hash: String,
    pub expires_at: Timestamp,
}

/// A machine token of a person or of a source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenCreated {
    pub token: TokenId,
    /// Hex SHA-256 of the 256-bit token.
    pub hash: String,
    pub name: Personal,
    pub scopes: Vec<String>,
    pub expires_at: Timestamp,
}

/// A session or token is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TokenRevoked {
    pub token: TokenId,
    pub hash: String,
}
