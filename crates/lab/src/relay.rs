//! Somebody between a client and a server, with a good certificate, who may lie.
//!
//! What pinned TLS cannot see is a server that answers nonsense. The relay takes
//! HTTP over TLS with a certificate of the lab's authority, hands each request on to
//! a clear port and gives back what the `lie` makes of the answer.

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Context, Result};
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

use crate::ca::ServerCert;

/// What becomes of an answer: the request's first line, the whole answer as bytes.
pub type Lie = Box<dyn Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync>;

/// A running relay; dropping it closes the port.
pub struct Relay {
    port: u16,
    lie: Arc<Mutex<Arc<Lie>>>,
    run: JoinHandle<()>,
}

impl Relay {
    /// Listens on 127.0.0.1 with `cert` and hands requests on to `to`, at first
    /// without a lie.
    ///
    /// # Errors
    ///
    /// When the certificate is of no use or no port is free.
    pub async fn start(cert: &ServerCert, to: u16) -> Result<Self> {
        let chain =
            CertificateDer::pem_slice_iter(cert.cert_pem.as_bytes()).collect::<Result<Vec<_>, _>>().context("read the certificate")?;
        let key = PrivateKeyDer::from_pem_slice(cert.key_pem.as_bytes()).context("read the key")?;
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("choose TLS versions")?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .context("take the certificate")?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("find a free port")?;
        let port = listener.local_addr().context("read the free port")?.port();
        let truth: Lie = Box::new(|_, answer| answer);
        let lie = Arc::new(Mutex::new(Arc::new(truth)));
        let told = lie.clone();
        let run = tokio::spawn(async move {
            let mut open = tokio::task::JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let (acceptor, told) = (acceptor.clone(), told.clone());
                open.spawn(async move {
                    let Ok(mut near) = acceptor.accept(near).await else { return };
                    let Some((first, request)) = request(&mut near).await else { return };
                    let Some(answer) = hand_on(&request, to).await else { return };
                    let lie = told.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    let _ = near.write_all(&lie(&first, answer)).await;
                    let _ = near.shutdown().await;
                });
            }
        });
        Ok(Self { port, lie, run })
    }

    /// The port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Lies like this from now on.
    pub fn lie(&self, lie: impl Fn(&str, Vec<u8>) -> Vec<u8> + Send + Sync + 'static) {
        *self.lie.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(Box::new(lie));
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.run.abort();
    }
}

/// A whole answer of HTTP with this status and body.
#[must_use]
pub fn answer(status: u16, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// One request: its first line, and all of it with the connection to be closed.
async fn request(near: &mut (impl AsyncRead + Unpin)) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break end;
        }
        let mut some = [0; 4096];
        match near.read(&mut some).await {
            Ok(read) if read > 0 => bytes.extend_from_slice(&some[..read]),
            _ => return None,
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let length = text.lines().filter_map(|l| l.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0);
    while bytes.len() < head + 4 + length {
        let mut some = [0; 4096];
        match near.read(&mut some).await {
            Ok(read) if read > 0 => bytes.extend_from_slice(&some[..read]),
            _ => return None,
        }
    }
    let first = text.lines().next().unwrap_or_default().to_owned();
    let mut whole = format!("{text}\r\nConnection: close\r\n\r\n").into_bytes();
    whole.extend_from_slice(&bytes[head + 4..]);
    Some((first, whole))
}

async fn hand_on(request: &[u8], to: u16) -> Option<Vec<u8>> {
    let mut far = TcpStream::connect((Ipv4Addr::LOCALHOST, to)).await.ok()?;
    far.write_all(request).await.ok()?;
    let mut answer = Vec::new();
    far.read_to_end(&mut answer).await.ok()?;
    Some(answer)
}
