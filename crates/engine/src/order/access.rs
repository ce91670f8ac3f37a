//! Orders about who may call: sources, accounts, tokens.

use std::sync::Arc;

use quell_core::{
    event::{By, Event, SourceCreated, SourceOwned, TokenRevoked},
    id::{PersonId, SourceId, StreamId},
};

use crate::{Engine, Failure, intake::RETRIES, record::Writing};
impl Engine {
    /// The keyed hash under which a name is unique.
    pub fn name_key(&self, name: &str) -> String {
        self.settings.key.opaque("name", &[&name.to_lowercase()])
    }

    /// The keyed hash under which an address is unique, as owners are matched.
    pub fn email_key(&self, email: &str) -> String {
        self.settings.key.opaque("email", &[&email.to_lowercase()])
    }

    /// Makes a source; the caller keeps the token, the ledger its hash.
    pub async fn create_source(self: &Arc<Self>, by: &By, source: SourceCreated) -> Result<(), Failure> {
        let name = source.name.clone();
        if self.source(&name).await?.is_some() {
            return Err(Failure::Refused(format!("the source `{name}` exists")));
        }
        let mut writing = Writing::because("source");
        writing.event(StreamId::source(&name), by, source);
        self.append(writing, self.ports.clock.now()).await.map(|_| ())
    }

    /// Makes a source that signs its messages; its key lies sealed beside the ledger.
    pub async fn create_signed_source(self: &Arc<Self>, by: &By, mut source: SourceCreated, key: &[u8]) -> Result<(), Failure> {
        if self.source(&source.name).await?.is_some() {
            return Err(Failure::Refused(format!("the source `{}` exists", source.name)));
        }
        let sealed = self.seal(&source_label(&source.source), key)?;
        source.hmac_key = Some(sealed.id.clone());
        let mut writing = Writing::because("source");
        writing.event(StreamId::source(&source.name), by, source).blob(sealed);
        self.append(writing, self.ports.clock.now()).await.map(|_| ())
    }

    /// Names who answers for a source's silence.
    pub async fn own_source(self: &Arc<Self>, by: &By, name: &str, owner: PersonId) -> Result<(), Failure> {
        self.on_source(by, name, SourceOwned { owner }).await
    }

    /// The key with which a source signs, if it does.
    pub async fn source_key(&self, source: &SourceCreated) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, Failure> {
        match &source.hmac_key {
            Some(id) => self.unseal(&source_label(&source.source), id).await.map(Some),
            None => Ok(None),
        }
    }

    /// Something on the stream of a source that exists: a further token, refused messages.
    pub async fn on_source(self: &Arc<Self>, by: &By, name: &str, event: impl Into<Event>) -> Result<(), Failure> {
        let event = event.into();
        for _ in 0..RETRIES {
            if self.source(name).await?.is_none() {
                return Err(Failure::Unknown(format!("source `{name}`")));
            }
            let mut writing = Writing::because("source");
            writing.event(StreamId::source(name), by, event.clone());
            match self.append(writing, self.ports.clock.now()).await {
                Err(Failure::Stale) => {}
                other => return other.map(|_| ()),
            }
        }
        Err(Failure::Stale)
    }

    /// Makes an account; its password hash lies sealed beside the ledger.
    pub async fn create_person(
        self: &Arc<Self>,
        by: &By,
        mut person: quell_core::event::PersonCreated,
        password: Option<&str>,
    ) -> Result<(), Failure> {
        let mut writing = Writing::because("access");
        if let Some(hash) = password {
            let sealed = self.seal(&password_label(&person.person), hash.as_bytes())?;
            person.password = Some(sealed.id.clone());
            writing.blob(sealed);
        }
        writing.event(StreamId::person(&person.person), by, person);
        self.append(writing, self.ports.clock.now()).await.map(|_| ())
    }

    /// The password hash of an account, if it has one.
    pub async fn password_of(&self, person: &quell_core::people::Person) -> Result<Option<quell_core::secret::Secret>, Failure> {
        match &person.password {
            Some(id) => self.unseal_secret(&password_label(&person.id), id).await.map(Some),
            None => Ok(None),
        }
    }

    /// The account of a name.
    pub async fn person_by_name(&self, name: &str) -> Result<Option<PersonId>, Failure> {
        let key = self.name_key(name);
        Ok(self.ports.store.lookup(crate::lookup::PERSON_NAME, &key).await?.and_then(|v| v.as_str().map(PersonId::new)))
    }

    /// Something on a person's stream: created, changed, signed in, token made.
    pub async fn on_person(self: &Arc<Self>, by: &By, person: &PersonId, event: impl Into<Event>) -> Result<(), Failure> {
        let event = event.into();
        for _ in 0..RETRIES {
            let mut writing = Writing::because("access");
            writing.event(StreamId::person(person), by, event.clone());
            match self.append(writing, self.ports.clock.now()).await {
                Err(Failure::Stale) => {}
                other => return other.map(|_| ()),
            }
        }
        Err(Failure::Stale)
    }

    /// Ends a session or token.
    pub async fn revoke_token(self: &Arc<Self>, by: &By, person: &PersonId, token: TokenRevoked) -> Result<(), Failure> {
        self.on_person(by, person, token).await
    }
}

/// Under which a source's key is sealed.
fn source_label(source: &SourceId) -> String {
    format!("source/{source}")
}

/// Under which an account's password hash is sealed.
fn password_label(person: &PersonId) -> String {
    format!("password/{person}")
}
