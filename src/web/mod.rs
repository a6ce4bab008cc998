//! The operator's pages, the API and what machines ask for, served by the sensor itself.
//!
//! Flows in: the store, the inventory, the rules in force and how the sensor is, together a [`site::Site`]: one for the
//! live plant, one for each replayed capture. Flows out: pages drawn on the server ([`pages`]), the same as JSON
//! ([`api`]), parts of pages once a second ([`live`]). Every address and the role that it needs stands in [`routes`];
//! every request passes the [`gate`].

pub mod acts;
pub mod api;
pub mod asked;
pub mod assets;
pub mod charts;
pub mod devices;
pub mod failure;
pub mod gate;
pub mod health;
pub mod layout;
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
pub mod trends;
pub mod trial;
pub mod visitor;
pub mod words;

pub use probes::Ready;

use crate::metrics::Metrics;
use replays::Replays;
use site::Site;
use std::net::SocketAddr;
use std::sync::Arc;
use thiserror::Error;

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
}

/// A bound address, ready to serve.
pub struct Server {
    listener: tokio::net::TcpListener,
    shared: Shared,
}

impl Server {
    /// Takes the address.
    ///
    /// # Errors
    /// Where the address cannot be taken, with the reason and what to do.
    pub async fn bind(address: SocketAddr, shared: Shared) -> Result<Server, WebError> {
        let listener = tokio::net::TcpListener::bind(address).await.map_err(|source| {
            let hint = match source.kind() {
                std::io::ErrorKind::AddrInUse => {
                    "another program has this port (another wayside?); stop it or set another [web] listen"
                }
                _ => "set another [web] listen",
            };
            WebError::Listen { address, source, hint }
        })?;
        Ok(Server { listener, shared })
    }

    /// The address that was taken.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Serves until `stop` completes.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) {
        let router = routes::router(&self.shared);
        let drawing = tokio::spawn(live::draw(self.shared.live.clone()));
        // Streams of live parts never end by themselves: what is open when told to stop is cut off.
        tokio::select! {
            served = axum::serve(self.listener, router) => {
                if let Err(error) = served {
                    tracing::error!("the web server stopped: {error}");
                }
            }
            () = stop => {}
        }
        drawing.abort();
    }
}
