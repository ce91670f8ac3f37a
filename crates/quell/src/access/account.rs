//! Local accounts, sign-in sessions and machine tokens: what is made, by whom,
//! with which end. Used by the server and, on a stopped one, by `--data-dir`.

use std::sync::Arc;

use quell_core::{
    decision::Role,
    event::{By, PersonCreated, SignedIn, SourceCreated, TokenCreated, TokenRevoked},
    id::{PersonId, SourceId, TokenId},
    personal::Salter,
    plan::Tier,
    secret::Secret,
    time::{SignedDuration, Timestamp, after},
};
use quell_engine::{Engine, Failure};
use tokio::sync::Mutex;

use super::{
    Denied,
    caller::{Callers, Who},
    password, token,
    tries::Tries,
};

/// How long a sign-in session lasts.
pub const SESSION_SECONDS: i64 = 12 * 3600;
/// How long a machine token lasts where nothing else is said, and at most.
pub const TOKEN_DAYS: i64 = 30;
const TOKEN_DAYS_MAX: i64 = 366;

/// What a token of an account, and of a source, may be for.
pub const USER_SCOPES: [&str; 2] = ["cases:read", "cases:write"];
pub const SOURCE_SCOPES: [&str; 2] = ["alerts:write", "cases:read"];

/// An account to be made.
pub struct NewUser {
    pub name: String,
    pub email: Option<String>,
    pub roles: Vec<Role>,
    pub human: bool,
    pub password: Option<Secret>,
}

/// A token that was made: shown once.
pub struct Made {
    pub id: TokenId,
    pub token: Secret,
    pub expires_at: Timestamp,
}

/// A source to be made.
pub struct NewSource {
    pub name: String,
    pub detector: String,
    pub systems: Vec<String>,
    pub tier_max: Tier,
    pub signs: bool,
}

/// Makes and signs in accounts, one at a time where names must stay unique.
pub struct Accounts {
    engine: Arc<Engine>,
    callers: Callers,
    making: Mutex<()>,
    tries: Tries,
}

impl Accounts {
    /// Accounts of this installation.
    pub fn new(engine: Arc<Engine>) -> Self {
        // Ten wrong passwords of one account in five minutes.
        Self { engine, callers: Callers::default(), making: Mutex::default(), tries: Tries::new(10, 300) }
    }

    /// Makes an account. Whether `by` may was policy's question.
    pub async fn create(&self, by: Option<&By>, new: NewUser) -> Result<PersonId, Denied> {
        let engine = &self.engine;
        let name = new.name.trim();
        if name.is_empty() || name.chars().count() > 200 || name.chars().any(char::is_control) {
            return Err(Denied::Invalid("a name has 1 to 200 visible characters".to_owned()));
        }
        if new.email.as_ref().is_some_and(|e| !e.contains('@') || e.chars().count() > 320 || e.chars().any(|c| c.is_control() || c == ' '))
        {
            return Err(Denied::Invalid("an e-mail address looks like `ann@corp.example`".to_owned()));
        }
        if let Some(why) = new.password.as_ref().and_then(|p| password::complaint(p.expose())) {
            return Err(Denied::Invalid(why));
        }
        let hash = match &new.password {
            Some(password) => Some(password::hash(password, &*engine.ports.chance).await?),
            None => None,
        };

        let _alone = self.making.lock().await;
        if engine.person_by_name(name).await?.is_some() {
            return Err(Failure::Refused(format!("there is an account `{name}` already")).into());
        }
        if let Some(email) = &new.email
            && engine.person_by_email(email).await?.is_some()
        {
            return Err(Failure::Refused(format!("there is an account with the address `{email}` already")).into());
        }
        let salter = Salter::new(engine.ports.chance.seed());
        let person = PersonId::from_chance(engine.ports.chance.id());
        let created = PersonCreated {
            person: person.clone(),
            name: salter.commit(name),
            email: new.email.as_ref().map(|e| salter.commit(e.clone())),
            roles: new.roles,
            human: new.human,
            name_key: engine.name_key(name),
            email_key: new.email.as_ref().map(|e| engine.email_key(e)),
            password: None,
        };
        // The first account has no author but itself.
        let by = by.cloned().unwrap_or_else(|| By::Person(person.clone()));
        engine.create_person(&by, created, hash.as_ref().map(Secret::expose)).await?;
        Ok(person)
    }

    /// Signs a person in. An unknown name takes as long as a wrong password.
    pub async fn login(&self, user: &str, password: &Secret) -> Result<(PersonId, Made), Denied> {
        let engine = &self.engine;
        let key = engine.name_key(user.trim());
        self.tries.ask(&key, engine.ports.clock.now()).map_err(Denied::TooManyTries)?;
        let id = match engine.person_by_name(user.trim()).await? {
            Some(id) => Some(id),
            // By id or address, too: that is what other answers show.
            None => match engine.person(&PersonId::new(user.trim())).await? {
                Some(person) => Some(person.id),
                None => engine.person_by_email(user.trim()).await?,
            },
        };
        let person = match id {
            Some(id) => engine.person(&id).await?.filter(|p| p.human && !p.disabled),
            None => None,
        };
        let hash = match &person {
            Some(person) => engine.password_of(person).await?,
            None => None,
        };
        let right = password::verify(password, hash).await?;
        let Some(person) = person.filter(|_| right) else {
            self.tries.wrong(&key, engine.ports.clock.now());
            return Err(Denied::WrongLogin);
        };
        self.tries.right(&key);
        let made = self.sign_in(&person.id).await?;
        Ok((person.id, made))
    }

    /// Begins a sign-in session of somebody who has shown who they are.
    pub async fn sign_in(&self, person: &PersonId) -> Result<Made, Failure> {
        let made = self.draw(after(self.engine.ports.clock.now(), SESSION_SECONDS));
        let event = SignedIn { token: made.id.clone(), hash: token::hash(made.token.expose()), expires_at: made.expires_at };
        self.engine.on_person(&By::Person(person.clone()), person, event).await?;
        Ok(made)
    }

    /// Whom a bearer token stands for.
    pub async fn authenticate(&self, bearer: &str) -> Result<Who, Denied> {
        self.callers.authenticate(&self.engine, bearer).await
    }

    /// Ends a session or machine token.
    pub async fn log_out(&self, by: &By, person: &PersonId, token: TokenId, hash: String) -> Result<(), Failure> {
        self.engine.revoke_token(by, person, TokenRevoked { token, hash: hash.clone() }).await?;
        // After the record says so: whoever looked it up in between is forgotten with it.
        self.callers.forget(&hash);
        Ok(())
    }

    /// Makes a machine token of an account.
    pub async fn user_token(
        &self,
        by: &By,
        user: &PersonId,
        name: &str,
        scopes: Vec<String>,
        length: SignedDuration,
    ) -> Result<Made, Denied> {
        let scopes = checked(scopes, &USER_SCOPES, "cases:read")?;
        if self.engine.person(user).await?.is_none() {
            return Err(Failure::Unknown(format!("account `{user}`")).into());
        }
        let (made, event) = self.machine(name, scopes, length)?;
        self.engine.on_person(by, user, event).await?;
        Ok(made)
    }

    /// Makes a further token of a source.
    pub async fn source_token(
        &self,
        by: &By,
        source: &str,
        name: &str,
        scopes: Vec<String>,
        length: SignedDuration,
    ) -> Result<Made, Denied> {
        let scopes = checked(scopes, &SOURCE_SCOPES, "alerts:write")?;
        let (made, event) = self.machine(name, scopes, length)?;
        self.engine.on_source(by, source, event).await?;
        Ok(made)
    }

    /// Makes a source; answers its token and, where it signs, its key.
    pub async fn create_source(&self, by: &By, new: NewSource) -> Result<(SourceId, Secret, Option<Secret>), Denied> {
        let engine = &self.engine;
        let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        // Names of sources stand in paths and in stream names beside `alert/` and `inventory/`.
        if new.name.is_empty() || new.name.len() > 64 || !new.name.chars().all(sound) {
            return Err(Denied::Invalid(format!(
                "a source's name has 1 to 64 of `a-z A-Z 0-9 - _ .`, found `{}`",
                new.name.escape_default()
            )));
        }
        let known = engine.ports.detectors.names();
        if new.detector != "auto" && !known.contains(&new.detector.as_str()) {
            return Err(Denied::Invalid(format!("unknown detector `{}`; there are {}", new.detector.escape_default(), known.join(", "))));
        }
        let token = token::make(&*engine.ports.chance);
        let id = SourceId::from_chance(engine.ports.chance.id());
        let created = SourceCreated {
            source: id.clone(),
            name: new.name,
            detector: new.detector,
            token: TokenId::from_chance(engine.ports.chance.id()),
            hash: token::hash(token.expose()),
            hmac_key: None,
            systems: new.systems,
            tier_max: new.tier_max,
            expires_at: None,
        };
        let _alone = self.making.lock().await;
        if !new.signs {
            engine.create_source(by, created).await?;
            return Ok((id, token, None));
        }
        // 64 hex digits, used as the text they are: every language can do that.
        let key = Secret::new(quell_core::secret::hex(&engine.ports.chance.seed()));
        engine.create_signed_source(by, created, key.expose().as_bytes()).await?;
        Ok((id, token, Some(key)))
    }

    fn machine(&self, name: &str, scopes: Vec<String>, length: SignedDuration) -> Result<(Made, TokenCreated), Denied> {
        let days = length.as_hours() / 24;
        if length <= SignedDuration::ZERO || days > TOKEN_DAYS_MAX {
            return Err(Denied::Invalid(format!("a token lasts at most {TOKEN_DAYS_MAX} days and ends in the future")));
        }
        if name.trim().is_empty() || name.chars().count() > 200 {
            return Err(Denied::Invalid("a token's name has 1 to 200 characters".to_owned()));
        }
        let made = self.draw(after(self.engine.ports.clock.now(), length.as_secs()));
        let event = TokenCreated {
            token: made.id.clone(),
            hash: token::hash(made.token.expose()),
            name: Salter::new(self.engine.ports.chance.seed()).commit(name.trim()),
            scopes,
            expires_at: made.expires_at,
        };
        Ok((made, event))
    }

    fn draw(&self, expires_at: Timestamp) -> Made {
        let chance = &*self.engine.ports.chance;
        Made { id: TokenId::from_chance(chance.id()), token: token::make(chance), expires_at }
    }
}

/// The scopes, each known and once; the usual one where none is named.
fn checked(mut scopes: Vec<String>, known: &[&str], usual: &str) -> Result<Vec<String>, Denied> {
    if let Some(unknown) = scopes.iter().find(|s| !known.contains(&s.as_str())) {
        return Err(Denied::Invalid(format!("unknown scope `{}`; there are {}", unknown.escape_default(), known.join(", "))));
    }
    if scopes.is_empty() {
        scopes.push(usual.to_owned());
    }
    scopes.sort();
    scopes.dedup();
    Ok(scopes)
}
