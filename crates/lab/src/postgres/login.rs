//! The ways into an instance: TLS, clear TCP, the private socket.

use std::{net::Ipv4Addr, time::Duration};

use tokio_postgres::{Client, Config, config::SslMode};

use super::{Postgres, SUPERUSER};
use crate::dial;

/// No login of the lab waits longer for the server's answer.
const LOGIN_WITHIN: Duration = Duration::from_secs(10);

impl Postgres {
    /// How to log in over TLS; the password goes into the value.
    #[must_use]
    pub fn config(&self, user: &str, password: &str, database: &str) -> Config {
        let mut config = Config::new();
        config
            .host(self.host())
            .hostaddr(Ipv4Addr::LOCALHOST.into())
            .port(self.port)
            .user(user)
            .password(password)
            .dbname(database)
            .application_name("quell-lab")
            .connect_timeout(LOGIN_WITHIN)
            .ssl_mode(SslMode::Require);
        config
    }

    /// How the superuser logs in over TLS.
    #[must_use]
    pub fn superuser(&self, database: &str) -> Config {
        self.config(SUPERUSER, self.password.reveal(), database)
    }

    /// Logs in over TLS, checking the server against its authority.
    ///
    /// # Errors
    ///
    /// What the server or TLS answered; the SQLSTATE is in it.
    pub async fn connect(&self, user: &str, password: &str, database: &str) -> Result<Client, tokio_postgres::Error> {
        dial::dial(&self.config(user, password, database), &self.tls).await
    }

    /// Logs in over TCP without TLS.
    ///
    /// # Errors
    ///
    /// What the server answered; the SQLSTATE is in it.
    pub async fn connect_clear(&self, user: &str, password: &str, database: &str) -> Result<Client, tokio_postgres::Error> {
        let mut config = self.config(user, password, database);
        dial::dial_clear(config.ssl_mode(SslMode::Disable)).await
    }

    /// Logs in as superuser over TLS.
    ///
    /// # Errors
    ///
    /// What the server or TLS answered; the SQLSTATE is in it.
    pub async fn connect_superuser(&self, db: &str) -> Result<Client, tokio_postgres::Error> {
        dial::dial(&self.superuser(db), &self.tls).await
    }

    /// Logs in as superuser over the private socket, by peer.
    ///
    /// # Errors
    ///
    /// What the server answered; the SQLSTATE is in it.
    pub async fn connect_unix_superuser(&self, db: &str) -> Result<Client, tokio_postgres::Error> {
        let mut config = Config::new();
        config
            .host_path(self.socket_dir())
            .port(self.port)
            .user(SUPERUSER)
            .dbname(db)
            .application_name("quell-lab")
            .connect_timeout(LOGIN_WITHIN);
        dial::dial_clear(&config).await
    }
}
