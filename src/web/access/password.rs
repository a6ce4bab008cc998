//! Passwords: what may be one, and their hashes (Argon2id, RFC 9106, with the parameters that OWASP recommends: 19 MiB, two
//! passes).

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};

/// Characters that a password has at least.
pub const SHORTEST: usize = 12;
/// Octets that it has at most.
const LONGEST: usize = 1024;

/// The hash of no password, verified where there is no such user, so that this takes as long.
pub(super) const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$\
     AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Whether a text may be the password of a user.
///
/// # Errors
/// One sentence that says what a password must be.
pub fn may_be(password: &str, user: &str) -> Result<(), String> {
    if password.chars().count() < SHORTEST {
        return Err(format!("a password has at least {SHORTEST} characters; several words are a good one"));
    }
    if password.len() > LONGEST {
        return Err(format!("a password has at most {LONGEST} octets"));
    }
    let plain = password.to_lowercase();
    let mut letters = plain.chars();
    let first = letters.next();
    if letters.all(|letter| Some(letter) == first) || plain.replace(&user.to_lowercase(), "").is_empty() {
        return Err("this password is the first that anybody would try; take another".into());
    }
    Ok(())
}

/// The hash of a password, with a new salt. Takes some hundredths of a second.
///
/// # Errors
/// Where there is no memory for it.
pub fn hash(password: &str) -> Result<String, String> {
    let hashed = Argon2::default().hash_password(password.as_bytes());
    hashed.map(|hash| hash.to_string()).map_err(|error| format!("cannot hash the password: {error}"))
}

/// Whether a password is the one of a hash.
pub fn verify(password: &str, hash: &str) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else { return false };
    password.len() <= LONGEST && Argon2::default().verify_password(password.as_bytes(), &hash).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_argon2id_and_differ() {
        let (one, other) = (hash("correct horse battery").unwrap(), hash("correct horse battery").unwrap());
        assert_ne!(one, other);
        let parameters = |hash: &str| hash.rsplitn(3, '$').nth(2).map(str::to_owned);
        assert_eq!(parameters(&one).as_deref(), Some("$argon2id$v=19$m=19456,t=2,p=1"));
        assert_eq!(parameters(&one), parameters(NOBODYS), "what is verified for nobody costs the same");
        assert!(verify("correct horse battery", &one) && !verify("correct horse batterx", &one));
        assert!(PasswordHash::new(NOBODYS).is_ok() && !verify("", NOBODYS));
    }

    #[test]
    fn what_anybody_would_try_is_no_password() {
        assert!(may_be("correct horse battery", "smith").is_ok());
        for bad in ["", "short", "aaaaaaaaaaaaaaaa", "SmithSmithSmith"] {
            assert!(may_be(bad, "smith").is_err(), "{bad}");
        }
        assert!(may_be(&"xy".repeat(600), "smith").is_err());
    }
}
