//! Syslog: RFC 5424 messages over UDP (RFC 5426), over TCP with their lengths before them (RFC 6587, 3.4.1), over TLS (RFC 5425).
//!
//! What is queued is the message; here it only gets its frame. Syslog says nothing back: over UDP what is lost on the way is
//! lost, over TCP and TLS what was on its way when the receiver went is sent again only where the end of the connection is seen
//! before the next messages, for which each batch waits a moment.

use super::net::{self, Stream, Target, TlsSettings};
use super::{Destination, Failure, Sent};
use crate::output::queue::Record;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UdpSocket;
use tokio::runtime::Runtime;
use tokio_rustls::rustls::ClientConfig;

/// How long a receiver may take nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the end of a connection is waited for after a batch.
const LISTEN: Duration = Duration::from_millis(20);
/// Octets of a datagram: what any receiver of RFC 5426 should take is less, but most take this.
const DATAGRAM: usize = 65_000;

/// How messages are carried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Transport {
    /// A datagram for each.
    Udp,
    /// A stream.
    Tcp,
    /// A stream in TLS.
    Tls(TlsSettings),
}

enum Way {
    Udp(UdpSocket),
    Stream(Stream),
}

/// A receiver of syslog.
pub struct Syslog {
    target: Target,
    runtime: Runtime,
    way: Way,
}

impl Syslog {
    /// Looks up the receiver and connects, where there is something to connect to.
    ///
    /// # Errors
    /// One sentence.
    pub fn open(target: Target, transport: &Transport) -> Result<Syslog, Failure> {
        let runtime = net::runtime()?;
        let way = runtime.block_on(async {
            match transport {
                Transport::Udp => Ok(Way::Udp(datagrams(&target).await?)),
                Transport::Tcp => Ok(Way::Stream(net::connect(&target, None).await?)),
                Transport::Tls(settings) => {
                    let config: Arc<ClientConfig> = settings.config()?;
                    Ok(Way::Stream(net::connect(&target, Some((settings, config))).await?))
                }
            }
        })?;
        Ok(Syslog { target, runtime, way })
    }
}

async fn datagrams(target: &Target) -> Result<UdpSocket, Failure> {
    let addresses = net::look_up(target).await?;
    let first = addresses.first().copied().unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], target.port)));
    let own: SocketAddr = match first {
        SocketAddr::V4(_) => SocketAddr::from(([0, 0, 0, 0], 0)),
        SocketAddr::V6(_) => SocketAddr::from(([0u16; 8], 0)),
    };
    let open = async {
        let socket = UdpSocket::bind(own).await?;
        socket.connect(first).await?;
        Ok(socket)
    };
    open.await.map_err(|error: std::io::Error| {
        Failure::new(format!("{target} cannot be reached ({}); check address and route", net::Plain(&error)))
    })
}

impl Destination for Syslog {
    fn send(&mut self, records: &[Record]) -> Result<Sent, Failure> {
        let Syslog { target, runtime, way } = self;
        match way {
            Way::Udp(socket) => runtime.block_on(send_datagrams(socket, target, records)),
            Way::Stream(stream) => runtime.block_on(send_stream(stream, target, records)),
        }
    }

    fn idle(&mut self) -> Result<(), Failure> {
        match &mut self.way {
            Way::Udp(_) => Ok(()),
            Way::Stream(stream) => self.runtime.block_on(still_there(stream, &self.target, Duration::ZERO)),
        }
    }

    fn answer(&self) -> String {
        match &self.way {
            Way::Udp(_) => format!("sent to {} by UDP, which says nothing back", self.target),
            Way::Stream(Stream::Plain(_)) => {
                format!("sent to {} by TCP; syslog says nothing back", self.target)
            }
            Way::Stream(Stream::Tls(_)) => {
                format!("sent to {} by TLS; syslog says nothing back", self.target)
            }
        }
    }
}

async fn send_datagrams(socket: &UdpSocket, target: &Target, records: &[Record]) -> Result<Sent, Failure> {
    let mut sent = Sent::default();
    for (arrived, record) in records.iter().enumerate() {
        let message = record.body.get(..DATAGRAM).unwrap_or(&record.body);
        let act = async {
            socket.send(message).await.map_err(|error| {
                let why = net::Plain(&error);
                Failure::new(format!("{target} takes no datagrams ({why}); check host, port and firewall"))
            })
        };
        match net::within(PATIENCE, &format!("{target} took no datagram"), act).await {
            Ok(_) if message.len() < record.body.len() => {
                sent.refused.push(format!(
                    "{} octets are more than a datagram holds; the end was cut off",
                    record.body.len()
                ));
            }
            Ok(_) => {}
            Err(failure) => return Err(Failure { arrived, refused: sent.refused, ..failure }),
        }
    }
    Ok(sent)
}

async fn send_stream(stream: &mut Stream, target: &Target, records: &[Record]) -> Result<Sent, Failure> {
    still_there(stream, target, Duration::ZERO).await?;
    let mut bytes = Vec::with_capacity(records.iter().map(|record| record.body.len() + 8).sum());
    for record in records {
        bytes.extend_from_slice(itoa::Buffer::new().format(record.body.len()).as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(&record.body);
    }
    let act = async {
        let written = async {
            stream.write_all(&bytes).await?;
            stream.flush().await
        };
        written.await.map_err(|error: std::io::Error| broken(target, &error))
    };
    net::within(PATIENCE, &format!("{target} took nothing"), act).await?;
    still_there(stream, target, LISTEN).await?;
    Ok(Sent::default())
}

/// Whether the receiver has not closed the connection; what it says is of no meaning.
async fn still_there(stream: &mut Stream, target: &Target, wait: Duration) -> Result<(), Failure> {
    let mut some = [0; 256];
    match tokio::time::timeout(wait, stream.read(&mut some)).await {
        Err(_) | Ok(Ok(1..)) => Ok(()),
        Ok(Ok(0)) => Err(Failure::new(format!("{target} closed the connection; it is opened again"))),
        Ok(Err(error)) => Err(broken(target, &error)),
    }
}

fn broken(target: &Target, error: &std::io::Error) -> Failure {
    Failure::new(format!("the connection to {target} broke ({}); it is opened again", net::Plain(error)))
}
