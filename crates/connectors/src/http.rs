//! Calls to planes that speak HTTP: to the pinned authority alone, straight and within a
//! deadline.

use std::{error::Error, net::SocketAddr, time::Duration};

use reqwest::{Client, redirect::Policy};

use crate::{
    pinned,
    said::{one_line, with_causes},
};

/// A client for one host. `ca_pem` is who may have signed its certificate; without it only
/// a clear channel can be spoken to. `at` is where the host is, whatever the resolver says.
///
/// # Errors
///
/// What of it cannot be used, as the end of a sentence about the plane.
pub(crate) fn client(
    ca_pem: Option<&str>,
    host: &str,
    at: Option<SocketAddr>,
    call_timeout: Duration,
    calls_max: usize,
) -> Result<Client, String> {
    let tls = ca_pem.map_or_else(pinned::nothing, pinned::trusting)?;
    let mut builder = Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(Policy::none())
        .referer(false)
        // A proxy of the environment is not the plane.
        .no_proxy()
        .http1_only()
        .connect_timeout(call_timeout)
        .timeout(call_timeout)
        .pool_max_idle_per_host(calls_max);
    if let Some(at) = at {
        builder = builder.resolve(host, at);
    }
    builder.build().map_err(|e| format!("cannot be spoken to: {}", cause(&e)))
}

/// Why a call failed. The library's own message quotes the URL, whose path may hold a name,
/// so it is left out.
pub(crate) fn cause(e: &reqwest::Error) -> String {
    let own = if e.is_timeout() { "no answer in time".to_owned() } else { String::new() };
    let text = with_causes(own, e.source());
    one_line(if text.is_empty() { "the call failed" } else { &text })
}
