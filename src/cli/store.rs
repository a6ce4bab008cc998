//! `wayside store`: looks after the file in which a live sensor keeps alerts, the inventory and the audit trail.

use super::{Failure, Outcome};
use crate::sensor::config::Config;
use crate::store;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What is done with the store.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Copy the store to a new file. The sensor may run meanwhile.
    Backup {
        /// The copy; there must be no such file yet.
        #[arg(value_name = "FILE")]
        to: PathBuf,

        /// The configuration that names the store.
        #[arg(short, long, value_name = "FILE", default_value = "wayside.toml")]
        config: PathBuf,
    },
    /// See whether the store, or a copy of it, is sound. The sensor may run meanwhile.
    Check {
        /// The store or a copy; without it the one that the configuration names.
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,

        /// The configuration that names the store.
        #[arg(short, long, value_name = "FILE", default_value = "wayside.toml")]
        config: PathBuf,
    },
}

/// Does it.
///
/// # Errors
/// One sentence: no store is configured, it cannot be read, or it is damaged.
pub fn run(command: &Command) -> Outcome {
    match command {
        Command::Backup { to, config } => backup(&configured(config)?, to),
        Command::Check { file: Some(file), .. } => check(file),
        Command::Check { file: None, config } => check(&configured(config)?),
    }
}

/// The store that a configuration names.
pub(super) fn configured(path: &Path) -> Result<PathBuf, Failure> {
    let config = Config::load(path).map_err(Failure::usage)?;
    config.store.file.ok_or_else(|| {
        let path = path.display();
        Failure::usage(format!("{path} names no store; add [store] with file = \"wayside.db\" or the like"))
    })
}

/// Says something on standard output; that nobody reads it is no failure.
pub(super) fn say(text: &str) -> Result<(), Failure> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::failed(error)),
        _ => Ok(()),
    }
}

fn backup(from: &Path, to: &Path) -> Outcome {
    let octets = store::backup(from, to).map_err(Failure::failed)?;
    say(&format!("copied {} to {}: {}", from.display(), to.display(), mebibytes(octets)))?;
    Ok(ExitCode::SUCCESS)
}

fn check(path: &Path) -> Outcome {
    let found = store::check(path).map_err(Failure::failed)?;
    let version = match found.version == found.known {
        true => format!("store version {}", found.version),
        false => format!("store version {}, made version {} when next used", found.version, found.known),
    };
    say(&format!("{}: {version}, {}", path.display(), mebibytes(found.octets)))?;
    let rows: Vec<String> = found.rows.iter().map(|(name, count)| format!("{count} {name}")).collect();
    say(&rows.join(", "))?;
    if found.problems.is_empty() {
        say("sound")?;
        return Ok(ExitCode::SUCCESS);
    }
    found.problems.iter().try_for_each(|problem| say(problem))?;
    Err(Failure::failed(format!(
        "{} is damaged; stop the sensor, put it aside and put the last backup in its place",
        path.display()
    )))
}

fn mebibytes(octets: u64) -> String {
    format!("{:.1} MiB", octets as f64 / f64::from(1 << 20))
}
