//! `wayside certificate`: a certificate for the page, signed by itself, and its key.

use super::store::say;
use super::{Failure, Outcome};
use crate::web::certificate::{MOST_DAYS, make};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `wayside certificate`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The folder that gets certificate.pem and key.pem; what is there is never overwritten.
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,

    /// A host name or address that the page is asked by; may be given several times.
    #[arg(long, value_name = "HOST", required = true)]
    name: Vec<String>,

    /// Days that it is valid.
    #[arg(long, value_name = "N", default_value_t = MOST_DAYS, value_parser = clap::value_parser!(u16).range(2..=i64::from(MOST_DAYS)))]
    days: u16,
}

/// Makes both files.
///
/// # Errors
/// One sentence: a name that is none, a file that is there already or cannot be written.
pub fn run(arguments: &Arguments) -> Outcome {
    let made = make(&arguments.folder, &arguments.name, arguments.days).map_err(Failure::failed)?;
    let (certificate, key) = (made.certificate.display(), made.key.display());
    say(&format!("made {certificate} and {key}; the sensor's user must be able to read both"))?;
    say(&format!("SHA-256 {}", made.fingerprint))?;
    say("in wayside.toml, relative to its folder:")?;
    say(&format!("  [web]\n  certificate = \"{certificate}\"\n  key = \"{key}\""))?;
    Ok(ExitCode::SUCCESS)
}
