//! OpenLDAP: a login binds and reads its own entry, a session is a connection that
//! was bound before.

use std::{
    net::{Ipv4Addr, TcpStream},
    sync::Arc,
};

use ldap3::{Ldap, LdapConnAsync, LdapConnSettings, Scope, StdStream};
use rustls::ClientConfig;

use super::Way;
use crate::{actor::PATIENCE, secret::Secret};

/// A directory, and an entry that binds to it.
pub struct Directory {
    pub tls: Arc<ClientConfig>,
    pub port: u16,
    pub dn: String,
    pub password: Secret,
}

/// A bound connection; the number is what the last answer said.
pub struct Bound {
    ldap: Ldap,
    over: bool,
}

impl Directory {
    async fn served(&self, ldap: &mut Ldap) -> Result<(), String> {
        let asked = ldap.with_timeout(PATIENCE).search(&self.dn, Scope::Base, "(objectClass=*)", ["cn"]).await;
        let answer = asked.map_err(|_| "closed".to_owned())?;
        match (answer.1.rc, answer.0.is_empty()) {
            (0, false) => Ok(()),
            (0, true) => Err("nothing".to_owned()),
            (code, _) => Err(code.to_string()),
        }
    }
}

impl Way for Directory {
    type Session = Bound;

    async fn log_in(&self) -> Result<Bound, String> {
        let gone = |_| "unreachable".to_owned();
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).map_err(|_| "unreachable".to_owned())?;
        let settings =
            LdapConnSettings::new().set_config(self.tls.clone()).set_conn_timeout(PATIENCE).set_std_stream(StdStream::Tcp(stream));
        let opened = LdapConnAsync::with_settings(settings, &format!("ldaps://localhost:{}", self.port)).await;
        let (connection, mut ldap) = opened.map_err(gone)?;
        tokio::spawn(async move {
            // A broken connection is seen by the next question.
            let _ = connection.drive().await;
        });
        let bound = ldap.with_timeout(PATIENCE).simple_bind(&self.dn, self.password.reveal()).await.map_err(|_| "closed".to_owned())?;
        if bound.rc != 0 {
            return Err(bound.rc.to_string());
        }
        self.served(&mut ldap).await?;
        Ok(Bound { ldap, over: false })
    }

    async fn use_it(&self, session: &mut Bound) -> Result<(), String> {
        let used = self.served(&mut session.ldap).await;
        session.over = used.as_ref().is_err_and(|why| why == "closed");
        used
    }

    fn is_over(&self, session: &Bound) -> bool {
        session.over
    }
}
