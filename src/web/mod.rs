//! The operator's pages, the API and what machines ask for, served by the sensor itself.
//!
//! Flows in: the store, the inventory, the rules in force and how the sensor is, together a [`site::Site`]: one for the
//! live plant, one for each replayed capture. Flows out: pages drawn on the server ([`pages`]), the same as JSON
//! ([`api`]), parts of pages once a second ([`live`]). Every address and the role that it needs stands in [`routes`];
//! every request passes the [`gate`].

pub mod access;
pub mod acts;
pub mod api;
pub mod asked;
pub mod assets;
pub mod certificate;
pub mod charts;
pub mod devices;
pub mod failure;
pub mod gate;
pub mod health;
pub mod lasting;
pub mod layout;
mod listen;
pub mod live;
pub mod map;
pub mod names;
pub mod open_alerts;
pub mod overview;
pub mod pages;
pub mod probes;
pub mod replays;
pub mod routes;
pub mod site;
pub mod state;
pub mod tls;
pub mod trends;
pub mod trial;
pub mod visitor;
pub mod words;

pub use probes::Ready;

use crate::metrics::Metrics;
use crate::store::{Actor, AuditEntry};
use access::Access;
use replays::Replays;
use serde_json::json;
use site::Site;
use std::net::SocketAddr;
use std::sync::Arc;
use thiserror::Error;
use tls::Tls;

/// Why the page cannot be served.
#[derive(Debug, Error)]
pub enum WebError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}; {hint}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// Others could come in without being asked who they are.
    #[error("{0} is not a loopback address: it needs TLS and users, see [web]")]
    Open(SocketAddr),
}

/// What every request can see.
#[derive(Clone)]
pub struct Shared {
    /// The series for Prometheus.
    pub metrics: Arc<Metrics>,
    /// Whether the sensor captures.
    pub ready: Ready,
    /// The live plant.
    pub live: Arc<Site>,
    /// Captures that are looked at beside it.
    pub replays: Replays,
    /// Who may come in.
    pub access: Arc<Access>,
}

/// A bound address, ready to serve.
pub struct Server {
    listener: tokio::net::TcpListener,
    shared: Shared,
    tls: Option<Tls>,
}

impl Server {
    /// Takes the address.
    ///
    /// # Errors
    /// Where the address cannot be taken, with the reason and what to do.
    pub async fn bind(address: SocketAddr, shared: Shared) -> Result<Server, WebError> {
        // Whoever configures has said so already, with file and line: this is the last bolt.
        if !address.ip().is_loopback() && shared.access.settings.is_open() {
            return Err(WebError::Open(address));
        }
        let listener = tokio::net::TcpListener::bind(address).await.map_err(|source| {
            let hint = match source.kind() {
                std::io::ErrorKind::AddrInUse => {
                    "another program has this port (another wayside?); stop it or set another [web] listen"
                }
                _ => "set another [web] listen",
            };
            WebError::Listen { address, source, hint }
        })?;
        Ok(Server { listener, shared, tls: None })
    }

    /// Speaks TLS where there is a certificate.
    #[must_use]
    pub fn with_tls(self, tls: Option<Tls>) -> Server {
        Server { tls, ..self }
    }

    /// The address that was taken.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Serves until `stop` completes.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) {
        let router = routes::router(&self.shared);
        let drawing = tokio::spawn(live::draw(self.shared.live.clone()));
        let renewing = self.tls.clone().map(|tls| tokio::spawn(renew(tls, self.shared.clone())));
        let door = listen::Door { router, tls: self.tls, metrics: self.shared.metrics.clone() };
        // Streams of live parts never end by themselves: what is open when told to stop is cut off.
        tokio::select! {
            () = listen::accept(self.listener, door) => {}
            () = stop => {}
        }
        drawing.abort();
        if let Some(renewing) = renewing {
            renewing.abort();
        }
    }
}

/// Reads the certificate again at each SIGHUP. Where it is wrong, the one before stays.
async fn renew(tls: Tls, shared: Shared) {
    let mut asked = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) {
        Ok(asked) => asked,
        Err(error) => return tracing::warn!("cannot listen for SIGHUP: {error}"),
    };
    while asked.recv().await.is_some() {
        let (tls, store) = (tls.clone(), shared.live.store.clone());
        let read = move || {
            let before = tls.fingerprint();
            match tls.reload() {
                Ok(()) if tls.fingerprint() != before => {
                    eprintln!("wayside: the certificate was read again: SHA-256 {}", tls.fingerprint());
                    let entry = AuditEntry {
                        what: "certificate".into(),
                        subject: "of the page".into(),
                        before: Some(json!({ "sha256": before }).to_string()),
                        after: Some(json!({ "sha256": tls.fingerprint() }).to_string()),
                        note: None,
                    };
                    if let Err(error) = store.audit(&Actor::sensor(), entry) {
                        tracing::warn!(
                            "that the certificate was read again is not in the audit trail: {error}"
                        );
                    }
                }
                Ok(()) => {}
                Err(error) => eprintln!("wayside: {error}; the certificate before stays"),
            }
        };
        // A panic there has been said already.
        let _ = tokio::task::spawn_blocking(read).await;
    }
}
