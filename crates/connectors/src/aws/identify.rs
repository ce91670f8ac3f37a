//! Whose is a leaked value? The name of an access key tells; a secret tells nothing by
//! itself, and whether it is right nobody knows who does not use it. So a match here is
//! never possession.

use quell_core::{secret::Secret, signal::CredentialKind};
use quell_engine::port::{Identified, PlaneError};

use super::{
    Aws,
    native::{self, Who},
};

impl Aws {
    pub(super) async fn identify_secret(&self, secret: &Secret) -> Result<Identified, PlaneError> {
        let text = secret.expose();
        let Some(id) = native::key_in(text) else {
            return Ok(match native::secret_in(text).is_some() || text.contains("ASIA") {
                true => Identified::NotCompared {
                    why: "a secret, or a temporary credential, names nobody by itself; bring its fingerprint into the inventory".to_owned(),
                },
                false => Identified::NoMatch { compared: 0 },
            });
        };
        match self.owner_of(id).await.map_err(|f| f.for_plane(&self.config.name))? {
            Some(user) => {
                Ok(Identified::Named { credential: id.to_owned(), kind: CredentialKind::AccessKey, identity: Who::User(user).native() })
            }
            None => Ok(Identified::NoMatch { compared: 1 }),
        }
    }
}
