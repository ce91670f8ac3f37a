//! PostgreSQL: a login reads a payment, a session writes one.

use tokio_postgres::{Client, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::Way;
use crate::{actor::trouble, dial};

/// A database, and a login of it.
pub struct Database {
    pub config: Config,
    pub tls: MakeRustlsConnect,
    /// The login may only read: a session reads, too.
    pub reads: bool,
}

const READ: &str = "SELECT id, amount, note FROM payments ORDER BY id DESC LIMIT 1";
const WRITE: &str = "INSERT INTO payments (amount, note) VALUES (0.01, 'intruder')";

impl Way for Database {
    type Session = Client;

    async fn log_in(&self) -> Result<Client, String> {
        let client = dial::dial(&self.config, &self.tls).await.map_err(|e| trouble(&e))?;
        client.query(READ, &[]).await.map_err(|e| trouble(&e))?;
        Ok(client)
    }

    async fn use_it(&self, session: &mut Client) -> Result<(), String> {
        let used = if self.reads { session.query(READ, &[]).await.map(drop) } else { session.execute(WRITE, &[]).await.map(drop) };
        used.map_err(|e| trouble(&e))
    }

    fn is_over(&self, session: &Client) -> bool {
        session.is_closed()
    }
}
