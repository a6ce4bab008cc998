//! What machines ask of the sensor: `/metrics` for Prometheus, `/readyz` for whoever supervises it.

use super::Shared;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the sensor captures, shared between it and `/readyz`.
#[derive(Clone, Default)]
pub struct Ready(Arc<AtomicBool>);

impl Ready {
    /// Says that capture has started or stopped.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    /// Whether it captures.
    pub fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// `/metrics`.
pub async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], shared.metrics.text())
}

/// `/readyz`.
pub async fn ready(State(shared): State<Shared>) -> impl IntoResponse {
    if shared.ready.get() {
        (StatusCode::OK, "capturing\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not capturing yet\n")
    }
}
