//! The entrance: what `[web]` asks for is looked at before anything is opened, so that a sensor that may not serve what it
//! is told to says so in one sentence and changes nothing.

use super::config::{Config, ConfigError};
use crate::store;
use crate::web::access;
use crate::web::tls::Tls;
use std::path::Path;

/// How the page is entered.
pub struct Entrance {
    /// Who may come in.
    pub access: access::Settings,
    /// Certificate and key, where TLS is to be spoken.
    pub tls: Option<Tls>,
    /// What is not wrong yet, a sentence each.
    pub doubts: Vec<String>,
}

impl Entrance {
    /// Looks at certificate, key and whether anybody can come in. `path`: where the configuration was read.
    ///
    /// # Errors
    /// One sentence with file and line.
    pub fn of(path: &Path, config: &Config) -> Result<Entrance, ConfigError> {
        let web = &config.web;
        let wrong = |key: &str, message: String| {
            // It was read a moment ago: where it cannot be read now, the line is the first.
            let text = std::fs::read_to_string(path).unwrap_or_default();
            Config::wrong(path, &text, "web", key, message)
        };
        let mut doubts = Vec::new();
        let tls = match (&web.certificate, &web.key) {
            (Some(certificate), Some(key)) => {
                let tls = Tls::load(certificate, key).map_err(|error| wrong(error.key, error.to_string()))?;
                doubts = tls.doubts(&web.names, web.listen.ip());
                Some(tls)
            }
            _ => None,
        };
        if let (false, Some(file)) = (web.listen.ip().is_loopback(), &config.store.file) {
            let guarded = store::is_guarded(file).map_err(|error| wrong("listen", error.to_string()))?;
            if !guarded {
                let message = format!(
                    "listen = \"{}\" is not a loopback address, and {} has no users and no tokens; add one (`wayside user \
                     add NAME --role administer -c {}`), or use 127.0.0.1",
                    web.listen,
                    file.display(),
                    path.display()
                );
                return Err(wrong("listen", message));
            }
        }
        Ok(Entrance { access: web.settings(), tls, doubts })
    }
}
