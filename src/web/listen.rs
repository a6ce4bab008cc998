//! Connections: taken within bounds, spoken to in TLS where there is a certificate, each with a time to say what it wants.

use super::gate::Peer;
use super::tls::Tls;
use crate::metrics::Metrics;
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Connections at a time.
const CONNECTIONS: usize = 1024;
/// Connections at a time from one address, beside this machine.
const OF_ONE: usize = 128;
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the head of a request may take, and how long a connection may be idle.
const HEAD: Duration = Duration::from_secs(20);
/// Octets of the head of a request.
const LARGEST_HEAD: usize = 64 << 10;
/// The first octet of whoever begins with TLS.
const TLS_HANDSHAKE: u8 = 0x16;

/// What all connections share.
pub(super) struct Door {
    pub router: Router,
    pub tls: Option<Tls>,
    pub metrics: Arc<Metrics>,
}

/// Takes connections for ever.
pub(super) async fn accept(listener: TcpListener, door: Door) {
    let door = Arc::new(door);
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let crowd = Crowd::default();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // No more files, or the peer has gone again: others may be luckier in a moment.
                tracing::warn!("a connection to the page failed: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let address = peer.ip().to_canonical();
        let places = free.clone().try_acquire_owned().ok().zip(crowd.enter(address));
        let Some(places) = places else {
            door.refused("too-many");
            continue;
        };
        tokio::spawn(one(stream, address, door.clone(), places));
    }
}

impl Door {
    fn refused(&self, reason: &str) {
        self.metrics.connections_refused.with_label_values(&[reason]).inc();
    }
}

/// One connection, as long as it lasts.
async fn one(stream: TcpStream, address: IpAddr, door: Arc<Door>, _places: (OwnedSemaphorePermit, Place)) {
    // Answers are whole: they need not wait for more.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &door.tls else { return serve(stream, address, &door).await };
    match timeout(HANDSHAKE, begins_with_tls(&stream)).await {
        Ok(Some(true)) => {}
        Ok(Some(false)) => {
            door.refused("not-tls");
            let _ = timeout(HANDSHAKE, say_tls(stream)).await;
            return;
        }
        Ok(None) => return,
        Err(_) => return door.refused("handshake"),
    }
    match timeout(HANDSHAKE, tls.acceptor().accept(stream)).await {
        Ok(Ok(stream)) => serve(stream, address, &door).await,
        Ok(Err(error)) => {
            tracing::debug!("no TLS with {address}: {error}");
            door.refused("handshake");
        }
        Err(_) => door.refused("handshake"),
    }
}

async fn begins_with_tls(stream: &TcpStream) -> Option<bool> {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(1) => Some(first == [TLS_HANDSHAKE]),
        _ => None,
    }
}

/// Tells whoever speaks without TLS, in their language.
async fn say_tls(mut stream: TcpStream) -> std::io::Result<()> {
    let text = "This is an HTTPS address: begin it with https://\n";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // What was sent is read, within bounds: else the peer is told that the connection broke, and not this.
    let mut octets = [0; 4096];
    for _ in 0..16 {
        stream.readable().await?;
        match stream.try_read(&mut octets) {
            Ok(0) => break,
            Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, address: IpAddr, door: &Door) {
    let router = TowerToHyperService::new(door.router.clone());
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(Peer(address));
        router.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(LARGEST_HEAD);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!("a connection with {address} ended: {error}");
    }
}

/// How many connections each address has.
#[derive(Clone, Default)]
struct Crowd(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// The place of one connection, free again when it is gone.
struct Place(Crowd, IpAddr);

impl Crowd {
    fn enter(&self, address: IpAddr) -> Option<Place> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(address).or_default();
        if *count >= OF_ONE && !address.is_loopback() {
            return None;
        }
        *count += 1;
        Some(Place(self.clone(), address))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(count) = all.get_mut(&self.1) else { return };
        *count -= 1;
        if *count == 0 {
            all.remove(&self.1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_cannot_take_all_places() {
        let crowd = Crowd::default();
        let (one, other) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let mut places: Vec<Place> = (0..OF_ONE).filter_map(|_| crowd.enter(one)).collect();
        assert!(places.len() == OF_ONE && crowd.enter(one).is_none() && crowd.enter(other).is_some());
        places.pop();
        assert!(crowd.enter(one).is_some());
        drop(places);
        assert!(crowd.0.lock().unwrap().is_empty());
    }
}
