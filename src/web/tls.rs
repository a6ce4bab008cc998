//! TLS: a certificate with its key, looked at before it is used, and read again when asked.

use super::access::secret::fingerprint;
use arc_swap::ArcSwap;
use std::io::Read as _;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{self, CertificateError, RootCertStore, ServerConfig};

/// Octets of a file that are read: certificates and keys are small.
const LARGEST: u64 = 1 << 20;
/// How long before its end a certificate is spoken of.
const SOON: Duration = Duration::from_secs(30 * 24 * 3600);

/// Why TLS cannot be spoken: one sentence about one of the two files.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{key} = \"{}\": {why}", path.display())]
pub struct TlsError {
    /// The key of `[web]` that names the file: `certificate` or `key`.
    pub key: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What is wrong and what to do.
    pub why: String,
}

/// A certificate and its key, ready to be spoken with. Clones are the same.
#[derive(Clone)]
pub struct Tls(Arc<Files>);

struct Files {
    certificate: PathBuf,
    key: PathBuf,
    loaded: ArcSwap<Loaded>,
}

struct Loaded {
    config: Arc<ServerConfig>,
    own: CertificateDer<'static>,
}

impl Tls {
    /// Reads both files.
    ///
    /// # Errors
    /// One sentence: a file that cannot be read, a key that others can read or that is not that of the certificate, a
    /// certificate that is over.
    pub fn load(certificate: &Path, key: &Path) -> Result<Tls, TlsError> {
        let loaded = ArcSwap::from_pointee(load(certificate, key)?);
        Ok(Tls(Arc::new(Files { certificate: certificate.to_owned(), key: key.to_owned(), loaded })))
    }

    /// Reads both files again. Where they are wrong, those before stay. Connections that there are stay as they are.
    ///
    /// # Errors
    /// As [`Tls::load`].
    pub fn reload(&self) -> Result<(), TlsError> {
        self.0.loaded.store(Arc::new(load(&self.0.certificate, &self.0.key)?));
        Ok(())
    }

    /// For new connections.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.0.loaded.load().config.clone())
    }

    /// SHA-256 of the certificate, hexadecimal.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.0.loaded.load().own)
    }

    /// What is not wrong yet: a certificate that will soon be over, names that it does not have.
    pub fn doubts(&self, names: &[String], address: IpAddr) -> Vec<String> {
        let loaded = self.0.loaded.load();
        let file = self.0.certificate.display();
        let mut doubts = Vec::new();
        let then = UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs()) + SOON);
        if let Err(Some(until)) = validity(&loaded.own, then) {
            doubts.push(format!("{file} is valid only until {until}; get another before that"));
        }
        let address = (!address.is_unspecified() && !address.is_loopback()).then(|| address.to_string());
        for name in names.iter().cloned().chain(address) {
            let known = ParsedCertificate::try_from(&loaded.own).and_then(|own| {
                verify_server_name(
                    &own,
                    &ServerName::try_from(name.as_str())
                        .map_err(|_| rustls::Error::General(String::new()))?,
                )
            });
            if known.is_err() {
                doubts.push(format!("{file} is not for {name}: browsers that ask for it will warn"));
            }
        }
        doubts
    }
}

fn load(certificate: &Path, key: &Path) -> Result<Loaded, TlsError> {
    let of_certificate = |why: String| TlsError { key: "certificate", path: certificate.to_owned(), why };
    let of_key = |why: String| TlsError { key: "key", path: key.to_owned(), why };
    let text = read(certificate).map_err(of_certificate)?;
    let chain: Result<Vec<CertificateDer<'static>>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = chain.map_err(|error| of_certificate(format!("no certificate in PEM: {error}")))?;
    let Some(own) = chain.first().cloned() else {
        return Err(of_certificate(
            "there is no certificate in it; it must have BEGIN CERTIFICATE (PEM)".into(),
        ));
    };
    if let Err(until) = validity(&own, UnixTime::now()) {
        let why = match until {
            Some(until) => format!("it is over since {until}; get another, or set this machine's clock"),
            None => {
                "it is not valid yet, or no certificate of a server; get another, or set this machine's clock"
                    .into()
            }
        };
        return Err(of_certificate(why));
    }
    is_private(key).map_err(of_key)?;
    let text = read(key).map_err(of_key)?;
    let secret = PrivateKeyDer::from_pem_slice(&text).map_err(|_| {
        of_key(
            "there is no private key in it; it must have BEGIN PRIVATE KEY (PEM), without a password".into(),
        )
    })?;
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| of_certificate(error.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, secret);
    let mut config = config.map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            of_key(format!("it is not the key of {}; both must be of one pair", certificate.display()))
        }
        error => of_key(format!("it cannot be used: {error}")),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Loaded { config: Arc::new(config), own })
}

/// Whether a certificate is valid at a time; where it is over, since when.
fn validity(own: &CertificateDer<'_>, at: UnixTime) -> Result<(), Option<jiff::Timestamp>> {
    let parsed = ParsedCertificate::try_from(own).map_err(|_| None)?;
    // Who signed it is for whoever connects to judge; its times are looked at before that.
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
    let judged =
        verify_server_cert_signed_by_trust_anchor(&parsed, &RootCertStore::empty(), &[], at, algorithms);
    match judged {
        Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            let seconds = i64::try_from(not_after.as_secs()).unwrap_or(i64::MAX);
            Err(jiff::Timestamp::from_second(seconds).ok())
        }
        Err(rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
            | CertificateError::InvalidPurpose
            | CertificateError::InvalidPurposeContext { .. }
            | CertificateError::BadEncoding,
        )) => Err(None),
        _ => Ok(()),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut octets = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut octets));
    read.map_err(|error| format!("it cannot be read: {error}"))?;
    Ok(octets)
}

/// Refuses a key that anybody on this machine can read.
fn is_private(path: &Path) -> Result<(), String> {
    let meta = std::fs::metadata(path).map_err(|error| format!("it cannot be read: {error}"))?;
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o007 == 0 {
        return Ok(());
    }
    Err(format!("others can read it (mode {mode:04o}); `chmod 600 {}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::super::certificate;
    use super::*;

    fn refused(certificate: &Path, key: &Path) -> TlsError {
        Tls::load(certificate, key).err().unwrap()
    }

    #[test]
    fn what_is_wrong_with_a_pair_is_one_sentence() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["sensor.example".to_owned(), "10.0.0.5".to_owned()];
        let made = certificate::make(&folder.path().join("a"), &names, 825).unwrap();
        let other = certificate::make(&folder.path().join("b"), &names, 9).unwrap();
        let tls = Tls::load(&made.certificate, &made.key).unwrap();
        assert_eq!(tls.fingerprint(), made.fingerprint);
        assert_eq!(tls.doubts(&names, [0, 0, 0, 0].into()), Vec::<String>::new());
        assert!(tls.doubts(&["other.example".into()], [10, 0, 0, 6].into()).len() == 2);
        let soon = Tls::load(&other.certificate, &other.key).unwrap().doubts(&[], [0, 0, 0, 0].into());
        assert!(soon[0].contains("is valid only until 2"), "{soon:?}");

        let wrong = refused(&made.certificate, &other.key);
        assert!(wrong.key == "key" && wrong.why.starts_with("it is not the key of"), "{wrong}");
        std::fs::set_permissions(&other.key, std::fs::Permissions::from_mode(0o644)).unwrap();
        let wrong = refused(&other.certificate, &other.key);
        assert!(wrong.key == "key" && wrong.why.starts_with("others can read it (mode 0644); `chmod 600"));
        let wrong = refused(&made.key, &made.key);
        assert!(wrong.key == "certificate" && wrong.why.starts_with("there is no certificate"), "{wrong}");
        let wrong = refused(&made.certificate, &folder.path().join("none"));
        assert!(wrong.key == "key" && wrong.why.starts_with("it cannot be read"), "{wrong}");
        std::fs::write(&made.key, "nonsense").unwrap();
        assert!(refused(&made.certificate, &made.key).why.starts_with("there is no private key"));
        assert!(tls.reload().is_err());
    }

    #[test]
    fn a_certificate_that_is_over_says_since_when() {
        let folder = tempfile::tempdir().unwrap();
        let made = certificate::make(&folder.path().join("a"), &["x.example".to_owned()], 10).unwrap();
        let text = std::fs::read(&made.certificate).unwrap();
        let own = CertificateDer::from_pem_slice(&text).unwrap();
        let later = |days: u64| {
            let now = Duration::from_secs(UnixTime::now().as_secs());
            UnixTime::since_unix_epoch(now + Duration::from_secs(days * 24 * 3600))
        };
        assert_eq!(validity(&own, later(8)), Ok(()));
        assert!(matches!(validity(&own, later(12)), Err(Some(_))));
        assert_eq!(validity(&own, UnixTime::since_unix_epoch(Duration::from_secs(1))), Err(None));
    }
}
