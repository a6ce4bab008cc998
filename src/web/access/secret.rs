//! Secrets: long random texts that are shown once and kept as a hash.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use std::fmt;

/// What tokens begin with, so that people and programs that look for lost secrets see what they are.
const PREFIX: &str = "wayside_";

/// A text that must not be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("secret")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Secret {
        Secret(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Secret {
        Secret(text.to_owned())
    }
}

impl Secret {
    /// A new one: 256 random bits.
    ///
    /// # Errors
    /// Where the system has no randomness to give.
    pub fn new() -> Result<Secret, String> {
        let mut octets = [0; 32];
        SystemRandom::new().fill(&mut octets).map_err(|_| "the system gives no random numbers".to_owned())?;
        Ok(Secret(URL_SAFE_NO_PAD.encode(octets)))
    }

    /// A new token.
    ///
    /// # Errors
    /// Where the system has no randomness to give.
    pub fn token() -> Result<Secret, String> {
        Secret::new().map(|secret| Secret(format!("{PREFIX}{}", secret.0)))
    }

    /// The text itself.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// SHA-256, hexadecimal: enough for what is random.
    pub fn hash(&self) -> String {
        fingerprint(self.0.as_bytes())
    }
}

/// SHA-256, hexadecimal.
pub fn fingerprint(octets: &[u8]) -> String {
    digest(&SHA256, octets).as_ref().iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_long_different_and_not_printed() {
        let (one, other) = (Secret::token().unwrap(), Secret::token().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.text().len(), PREFIX.len() + 43);
        assert_eq!(format!("{one:?}"), "secret");
        assert_eq!(
            Secret::from("abc").hash(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
