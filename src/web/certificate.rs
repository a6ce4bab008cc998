//! A certificate that the sensor signs itself, for those who have nobody to sign one.

use super::access::secret::fingerprint;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Days that a certificate may be valid: browsers take no more.
pub const MOST_DAYS: u16 = 825;

/// What was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Made {
    /// The certificate, for everybody.
    pub certificate: PathBuf,
    /// The key, for the sensor alone.
    pub key: PathBuf,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint: String,
}

/// Makes `certificate.pem` and `key.pem` in a folder, for these names and addresses, valid from yesterday on.
///
/// # Errors
/// One sentence: a name that is none, files that are there already or cannot be written.
pub fn make(folder: &Path, names: &[String], days: u16) -> Result<Made, String> {
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    if let Some(there) = [&certificate, &key].into_iter().find(|path| path.exists()) {
        return Err(format!(
            "{} exists already; move it away first, or name another folder",
            there.display()
        ));
    }
    let Some(first) = names.first() else { return Err("name at least one host: --name".into()) };
    let mut params = CertificateParams::new(names).map_err(|error| format!("no host name: {error}"))?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, first.as_str());
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let (from, to) = (day(-1)?, day(i32::from(days.clamp(2, MOST_DAYS)) - 1)?);
    (params.not_before, params.not_after) =
        (rcgen::date_time_ymd(from.0, from.1, from.2), rcgen::date_time_ymd(to.0, to.1, to.2));
    let failed = |error: rcgen::Error| format!("cannot make a certificate: {error}");
    let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).map_err(failed)?;
    let signed = params.self_signed(&pair).map_err(failed)?;
    let folder_made = std::fs::DirBuilder::new().recursive(true).mode(0o755).create(folder);
    folder_made.map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    write(&key, &pair.serialize_pem(), 0o600)?;
    write(&certificate, &signed.pem(), 0o644)?;
    Ok(Made { certificate, key, fingerprint: fingerprint(signed.der()) })
}

/// The day that is so many days from today, UTC.
fn day(days: i32) -> Result<(i32, u8, u8), String> {
    let today = jiff::tz::TimeZone::UTC.to_datetime(jiff::Timestamp::now()).date();
    let then = today.checked_add(jiff::Span::new().days(days)).map_err(|error| error.to_string())?;
    let small = |number: i8| u8::try_from(number).unwrap_or(1);
    Ok((i32::from(then.year()), small(then.month()), small(then.day())))
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), String> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    opened
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_key_is_private_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["sensor.example".to_owned()];
        let made = make(folder.path(), &names, 825).unwrap();
        let mode = std::fs::metadata(&made.key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let before = std::fs::read(&made.key).unwrap();
        assert!(make(folder.path(), &names, 825).unwrap_err().contains("exists already"));
        assert_eq!(std::fs::read(&made.key).unwrap(), before);
        assert!(make(&folder.path().join("x"), &["no name\u{e9}".to_owned()], 1).is_err());
    }
}
