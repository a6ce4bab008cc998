//! The way to a host: its name looked up, a connection, TLS where it is asked for. Every step has a time limit, and every failure
//! is a sentence that says what to do.

use super::Failure;
use crate::output::secret;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{self, CertificateError, ClientConfig, RootCertStore};

/// How long a name may be looked up, a connection made, TLS agreed on: each.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A host and a port.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Target {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Target {
    /// Reads `host:port`, `[::1]:port`, or without a port where there is a usual one.
    ///
    /// # Errors
    /// One sentence.
    pub fn parse(text: &str, usual: Option<u16>) -> Result<Target, String> {
        let wrong =
            || format!("'{text}' is no host with a port; write \"siem.example:{}\"", usual.unwrap_or(514));
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(wrong)?;
                (host, rest.strip_prefix(':').or(rest.is_empty().then_some("")))
            }
            None if text.parse::<std::net::Ipv6Addr>().is_ok() => (text, Some("")),
            None => text.split_once(':').map_or((text, Some("")), |(host, port)| (host, Some(port))),
        };
        let port = match (port, usual) {
            (Some(""), Some(usual)) => usual,
            (Some(port), _) => port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?,
            (None, _) => return Err(wrong()),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
        match !host.is_empty() && host.chars().all(plain) {
            true => Ok(Target { host: host.into(), port }),
            false => Err(wrong()),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// How TLS is spoken with a host.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TlsSettings {
    /// Who signs its certificate, PEM; without it those that this machine trusts.
    pub ca: Option<PathBuf>,
    /// The sensor's own certificate, PEM, where the host asks for one.
    pub certificate: Option<PathBuf>,
    /// Its key, PEM, readable by its owner alone.
    pub key: Option<PathBuf>,
    /// The name in the host's certificate, where it is not the one that it is reached by.
    pub server_name: Option<String>,
}

impl TlsSettings {
    /// What to speak TLS with.
    ///
    /// # Errors
    /// One sentence: a file that cannot be read, or is not what it should be.
    pub fn config(&self) -> Result<Arc<ClientConfig>, Failure> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Failure::new(format!("TLS cannot be spoken: {error}")))?
            .with_root_certificates(self.roots()?);
        let config = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                let chain = certificates(certificate)?;
                let text = secret::read_file(key).map_err(Failure::new)?;
                let own = PrivateKeyDer::from_pem_slice(text.as_bytes())
                    .map_err(|error| Failure::new(format!("{}: no key in PEM: {error}", key.display())))?;
                let mixed = |error| {
                    let (certificate, key) = (certificate.display(), key.display());
                    Failure::new(format!("{key} is not the key of {certificate}: {error}"))
                };
                builder.with_client_auth_cert(chain, own).map_err(mixed)?
            }
            _ => builder.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }

    fn roots(&self) -> Result<RootCertStore, Failure> {
        let mut roots = RootCertStore::empty();
        match &self.ca {
            Some(path) => {
                for certificate in certificates(path)? {
                    roots.add(certificate).map_err(|error| {
                        Failure::new(format!(
                            "{}: not a certificate that signs others: {error}",
                            path.display()
                        ))
                    })?;
                }
            }
            None => {
                let found = rustls_native_certs::load_native_certs();
                roots.add_parsable_certificates(found.certs);
                if roots.is_empty() {
                    let what = "this machine trusts no authority (is ca-certificates installed?); add ca = \"ca.pem\"";
                    return Err(Failure::new(what));
                }
            }
        }
        Ok(roots)
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let shown = path.display();
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found =
        found.map_err(|error| Failure::new(format!("cannot read certificates from {shown}: {error}")))?;
    match found.is_empty() {
        true => {
            Err(Failure::new(format!("{shown} has no certificate; it must have BEGIN CERTIFICATE (PEM)")))
        }
        false => Ok(found),
    }
}

/// A runtime for one thread, which waits on it.
///
/// # Errors
/// Where the system gives none.
pub fn runtime() -> Result<Runtime, Failure> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(|error| Failure::new(format!("cannot start: {error}")))
}

/// Waits, but no longer than so long.
///
/// # Errors
/// What fails, or that it takes too long.
pub async fn within<T>(
    time: Duration,
    what: &str,
    act: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(time, act).await {
        Ok(result) => result,
        Err(_) => Err(Failure::new(format!("{what} within {} s", time.as_secs()))),
    }
}

/// The addresses of a host.
///
/// # Errors
/// Where it has none.
pub async fn look_up(target: &Target) -> Result<Vec<SocketAddr>, Failure> {
    let host = &target.host;
    let unknown = |why: &dyn fmt::Display| {
        Failure::new(format!("the host '{host}' is not known ({why}); check the name and the name server"))
    };
    let act = async {
        let found = tokio::net::lookup_host((host.as_str(), target.port)).await;
        let all: Vec<SocketAddr> = found.map_err(|error| unknown(&Plain(&error)))?.collect();
        if all.is_empty() { Err(unknown(&"no address")) } else { Ok(all) }
    };
    within(PATIENCE, &format!("the name server did not answer for '{host}'"), act).await
}

/// What the system says, without its number.
pub struct Plain<'e>(pub &'e io::Error);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
        f.write_str(text.split(" (os error").next().unwrap_or(text))
    }
}

/// A connection, plain or not.
pub enum Stream {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connects to a host, with TLS where `tls` says so.
///
/// # Errors
/// One sentence.
pub async fn connect(
    target: &Target,
    tls: Option<(&TlsSettings, Arc<ClientConfig>)>,
) -> Result<Stream, Failure> {
    let mut last = None;
    for address in look_up(target).await? {
        let act = async {
            TcpStream::connect(address).await.map_err(|error| {
                let why = Plain(&error);
                Failure::new(format!(
                    "{target} does not take connections ({why}); check host, port and firewall"
                ))
            })
        };
        match within(PATIENCE, &format!("{target} did not answer"), act).await {
            Ok(stream) => {
                // What is sent is whole messages: none should wait for the next.
                let _ = stream.set_nodelay(true);
                return match tls {
                    None => Ok(Stream::Plain(stream)),
                    Some((settings, config)) => secure(stream, target, settings, config).await,
                };
            }
            Err(failure) => last = Some(failure),
        }
    }
    Err(last.unwrap_or_default())
}

async fn secure(
    stream: TcpStream,
    target: &Target,
    settings: &TlsSettings,
    config: Arc<ClientConfig>,
) -> Result<Stream, Failure> {
    let name = settings.server_name.as_ref().unwrap_or(&target.host).clone();
    let server = ServerName::try_from(name.clone())
        .map_err(|_| Failure::new(format!("'{name}' is no name that a certificate has; add server-name")))?;
    let act = async {
        let agreed = TlsConnector::from(config).connect(server, stream).await;
        agreed
            .map(|stream| Stream::Tls(Box::new(stream)))
            .map_err(|error| Failure::new(about_tls(target, &name, &error)))
    };
    within(PATIENCE, &format!("{target} did not agree on TLS"), act).await
}

/// Why TLS did not come about, and what to do.
pub fn about_tls(target: &Target, name: &str, error: &io::Error) -> String {
    let cause = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(cause) = cause else {
        return format!("{target} does not speak TLS ({}); check the port", Plain(error));
    };
    match cause {
        rustls::Error::InvalidCertificate(wrong) => match wrong {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!("the certificate of {target} has expired; renew it there")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                format!("the certificate of {target} is not valid yet; check both clocks")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!(
                    "the certificate of {target} is for another name than {name}; correct the address, or add server-name"
                )
            }
            CertificateError::UnknownIssuer => {
                format!(
                    "the certificate of {target} is signed by nobody known here; add ca = \"ca.pem\" with who signs it"
                )
            }
            other => format!("the certificate of {target} is not accepted: {other}"),
        },
        rustls::Error::AlertReceived(alert) => {
            format!(
                "{target} refused the connection ({alert:?}); it may ask for a certificate of the sensor: certificate, key"
            )
        }
        rustls::Error::InvalidMessage(_) => format!("{target} does not speak TLS; check the port"),
        other => format!("TLS with {target} failed: {other}"),
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn hosts_are_read_as_people_write_them() {
        let read = |text: &str| Target::parse(text, Some(514)).map(|target| target.to_string());
        assert_eq!(read("siem").unwrap(), "siem:514");
        assert_eq!(read("siem.plant:6514").unwrap(), "siem.plant:6514");
        assert_eq!(read("10.0.0.7:1").unwrap(), "10.0.0.7:1");
        assert_eq!(read("[fd00::7]:601").unwrap(), "[fd00::7]:601");
        assert_eq!(read("[fd00::7]").unwrap(), "[fd00::7]:514");
        assert_eq!(read("fd00::7").unwrap(), "[fd00::7]:514");
        for wrong in
            ["", ":514", "siem:", "siem:0", "siem:x", "siem:70000", "[fd00::7", "[fd00::7]x", "a b", "si/em"]
        {
            let usual = if wrong == "siem:" { None } else { Some(514) };
            assert!(Target::parse(wrong, usual).is_err(), "{wrong}");
        }
        assert!(Target::parse("siem", None).unwrap_err().contains("siem.example:514"));
    }

    #[test]
    fn a_host_that_nobody_knows_is_said_in_one_sentence() {
        let target = Target::parse("no-such-host.invalid:514", None).unwrap();
        let error = runtime().unwrap().block_on(look_up(&target)).unwrap_err().sentence;
        assert!(error.starts_with("the host 'no-such-host.invalid' is not known ("), "{error}");
        assert!(error.ends_with("; check the name and the name server"), "{error}");
    }

    #[test]
    fn a_port_where_nobody_listens_is_said_in_one_sentence() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let target = Target { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
        drop(listener);
        let error = runtime().unwrap().block_on(connect(&target, None)).err().unwrap().sentence;
        let end = "does not take connections (Connection refused); check host, port and firewall";
        assert_eq!(error, format!("{target} {end}"));
    }
}
