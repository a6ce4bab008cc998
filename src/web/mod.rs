//! What the sensor serves on loopback: `/metrics`, `/healthz`, `/readyz`.

use crate::metrics::Metrics;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use thiserror::Error;

/// Whether the sensor captures, shared between it and `/readyz`.
#[derive(Clone, Default)]
pub struct Ready(Arc<AtomicBool>);

impl Ready {
    /// Says that capture has started or stopped.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

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

#[derive(Clone)]
struct Shared {
    metrics: Arc<Metrics>,
    ready: Ready,
}

/// A bound address, ready to serve.
pub struct Server {
    listener: tokio::net::TcpListener,
    router: Router,
}

impl Server {
    /// Takes the address.
    ///
    /// # Errors
    /// Where the address cannot be taken, with the reason and what to do.
    pub async fn bind(address: SocketAddr, metrics: Arc<Metrics>, ready: Ready) -> Result<Server, WebError> {
        let listener = tokio::net::TcpListener::bind(address).await.map_err(|source| {
            let hint = match source.kind() {
                std::io::ErrorKind::AddrInUse => {
                    "another program has this port (another wayside?); stop it or set another [web] listen"
                }
                _ => "set another [web] listen",
            };
            WebError::Listen { address, source, hint }
        })?;
        let router = Router::new()
            .route("/", get(|| async { "Wayside\n\n/metrics  for Prometheus\n/healthz  200 while it runs\n/readyz   200 while it captures\n" }))
            .route("/metrics", get(metrics_page))
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(ready_page))
            .with_state(Shared { metrics, ready });
        Ok(Server { listener, router })
    }

    /// The address that was taken.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Serves until `stop` completes.
    pub async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) {
        if let Err(error) = axum::serve(self.listener, self.router).with_graceful_shutdown(stop).await {
            tracing::error!("the web server stopped: {error}");
        }
    }
}

async fn metrics_page(State(shared): State<Shared>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], shared.metrics.text())
}

async fn ready_page(State(shared): State<Shared>) -> impl IntoResponse {
    if shared.ready.get() {
        (StatusCode::OK, "capturing\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not capturing yet\n")
    }
}
