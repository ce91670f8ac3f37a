//! OpenBao: a login with a secret-id gets a token, a session is a token; both read a
//! secret.

use reqwest::Client;
use serde_json::{Value, json};

use super::Way;
use crate::secret::Secret;

/// A vault, and an AppRole of it.
pub struct Vault {
    pub http: Client,
    /// `https://localhost:8200`
    pub url: String,
    pub role_id: String,
    pub secret_id: Secret,
    /// The path that is read: `secret/data/billing`.
    pub reads: String,
}

impl Vault {
    async fn served(&self, token: &Secret) -> Result<(), String> {
        let asked = self.http.get(format!("{}/v1/{}", self.url, self.reads)).header("X-Vault-Token", token.reveal());
        let answer = asked.send().await.map_err(|_| "unreachable".to_owned())?;
        if answer.status().is_success() { Ok(()) } else { Err(answer.status().as_u16().to_string()) }
    }
}

impl Way for Vault {
    type Session = Secret;

    async fn log_in(&self) -> Result<Secret, String> {
        let body = json!({"role_id": self.role_id, "secret_id": self.secret_id.reveal()});
        let asked = self.http.post(format!("{}/v1/auth/approle/login", self.url)).json(&body);
        let answer = asked.send().await.map_err(|_| "unreachable".to_owned())?;
        if !answer.status().is_success() {
            return Err(answer.status().as_u16().to_string());
        }
        let answer: Value = answer.json().await.map_err(|_| "garbled".to_owned())?;
        let token = answer["auth"]["client_token"].as_str().ok_or_else(|| "no token".to_owned())?;
        let token = Secret::known(token);
        self.served(&token).await?;
        Ok(token)
    }

    async fn use_it(&self, session: &mut Secret) -> Result<(), String> {
        self.served(session).await
    }

    /// A token that is refused is kept: enabled again, it would live again.
    fn is_over(&self, _session: &Secret) -> bool {
        false
    }
}
