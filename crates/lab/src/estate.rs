//! What a company would have in its planes: databases, roles, their rights.
//!
//! The estate makes what an owner would have made before any incident. What
//! Quell needs for itself (its own role, functions, control role) is made by its
//! connector's bootstrap and not here.

use anyhow::{Context, Result};

use crate::{postgres::Postgres, secret::Secret};

/// A role that logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub password: Secret,
}

/// The billing database and the roles around it.
#[derive(Clone, Debug)]
pub struct Estate {
    /// `billing`, with the table `payments(id, amount, note, at)`.
    pub database: String,
    /// The group role that may read and write payments; it cannot log in.
    pub group: String,
    /// The application's role, a member of the group: the one that leaks.
    pub app: Login,
    /// Another role that logs in and only reads: the one that must not notice.
    pub reporting: Login,
}

impl Estate {
    /// Makes the billing estate on a fresh server.
    ///
    /// # Errors
    ///
    /// When the server refuses a statement.
    pub async fn billing(server: &Postgres) -> Result<Self> {
        let estate = Self {
            database: "billing".to_owned(),
            group: "app_rw".to_owned(),
            app: Login { user: "billing_app".to_owned(), password: Secret::generate()? },
            reporting: Login { user: "reporting".to_owned(), password: Secret::generate()? },
        };
        let postgres = server.connect_unix_superuser("postgres").await?;
        postgres.batch_execute("CREATE DATABASE billing").await.context("make the database `billing`")?;
        let billing = server.connect_unix_superuser(&estate.database).await?;
        billing
            .batch_execute(&format!(
                "CREATE ROLE app_rw NOLOGIN;
                 CREATE TABLE payments (
                     id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                     amount numeric(12, 2) NOT NULL,
                     note text NOT NULL,
                     at timestamptz NOT NULL DEFAULT clock_timestamp()
                 );
                 GRANT SELECT, INSERT, UPDATE ON payments TO app_rw;
                 CREATE ROLE billing_app LOGIN PASSWORD '{}' IN ROLE app_rw;
                 CREATE ROLE reporting LOGIN PASSWORD '{}';
                 GRANT SELECT ON payments TO reporting;
                 INSERT INTO payments (amount, note) VALUES (12.50, 'opening entry');",
                estate.app.password.verifier(),
                estate.reporting.password.verifier(),
            ))
            .await
            .context("make the roles and tables of `billing`")?;
        Ok(estate)
    }
}
