//! Secrets: what proves to a destination that this sensor may send. They come from a file that only its owner can read, or from the
//! environment, and are never printed.

use serde::Deserialize;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Octets of a secret at most.
const LONGEST: u64 = 64 << 10;

/// Where a secret is: `{ file = "token.txt" }` or `{ env = "WAYSIDE_TOKEN" }`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SecretPlace {
    /// In a file; blanks around it do not count.
    File(PathBuf),
    /// In a variable of the environment.
    Env(String),
}

/// A secret. It prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Secret {
    /// The secret itself, to be sent and nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for SecretPlace {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<SecretPlace, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Plain(#[allow(dead_code)] String),
            Place(Place),
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Place {
            file: Option<PathBuf>,
            env: Option<String>,
        }
        let how = "write { file = \"token.txt\" } or { env = \"WAYSIDE_TOKEN\" }";
        match Written::deserialize(from) {
            Ok(Written::Place(Place { file: Some(file), env: None })) => Ok(SecretPlace::File(file)),
            Ok(Written::Place(Place { file: None, env: Some(name) })) => Ok(SecretPlace::Env(name)),
            Ok(Written::Plain(_)) => {
                Err(serde::de::Error::custom(format!("a secret does not stand in the configuration; {how}")))
            }
            _ => Err(serde::de::Error::custom(format!("it is not said where the secret is; {how}"))),
        }
    }
}

impl SecretPlace {
    /// Makes a relative path one of this folder.
    pub fn within(&mut self, folder: &Path) {
        if let SecretPlace::File(path) = self {
            *path = folder.join(&*path);
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// One sentence: there is none, or others can read it.
    pub fn read(&self) -> Result<Secret, String> {
        let text = match self {
            SecretPlace::Env(name) => std::env::var(name)
                .map_err(|_| format!("the secret is not there: the environment has no {name}; set it"))?,
            SecretPlace::File(path) => read_file(path)?,
        };
        let text = text.trim();
        let usable = !text.is_empty() && text.chars().all(|c| !c.is_control());
        match usable {
            true => Ok(Secret(text.to_owned())),
            false => Err(format!("the secret in {} is empty or more than a line", self.shown())),
        }
    }

    fn shown(&self) -> String {
        match self {
            SecretPlace::File(path) => path.display().to_string(),
            SecretPlace::Env(name) => name.clone(),
        }
    }
}

/// Reads a file that only its owner may read.
///
/// # Errors
/// One sentence.
pub fn read_file(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let fails = |error: std::io::Error| format!("cannot read {shown}: {error}");
    let file = std::fs::File::open(path).map_err(fails)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = file.metadata().map_err(fails)?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(format!("others can read {shown}, which is a secret; chmod 600 {shown}"));
        }
    }
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).map_err(fails)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    #[derive(Deserialize, Debug)]
    struct Table {
        token: SecretPlace,
    }

    #[test]
    fn a_secret_is_not_written_into_the_configuration_nor_printed() {
        let refused = |text: &str| toml::from_str::<Table>(text).unwrap_err().message().to_owned();
        assert!(
            refused("token = \"abc\"").starts_with("a secret does not stand in the configuration; write {")
        );
        assert!(refused("token = { file = \"a\", env = \"B\" }").starts_with("it is not said where"));
        assert!(refused("token = { fiel = \"a\" }").starts_with("it is not said where"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.txt");
        std::fs::write(&path, "s3cret\n").unwrap();
        let place = SecretPlace::File(path.clone());
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(place.read().unwrap_err().starts_with("others can read "));
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let secret = place.read().unwrap();
        assert_eq!((secret.reveal(), format!("{secret:?}").as_str()), ("s3cret", "***"));
        std::fs::write(&path, " \n").unwrap();
        assert!(place.read().unwrap_err().ends_with("is empty or more than a line"));
        let place = toml::from_str::<Table>("token = { env = \"WAYSIDE_NO_SUCH_TOKEN\" }").unwrap().token;
        assert!(place.read().unwrap_err().contains("the environment has no WAYSIDE_NO_SUCH_TOKEN"));
    }
}
