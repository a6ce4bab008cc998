//! `wayside config`: looks at a configuration without starting anything.

use super::store::say;
use super::{Failure, Outcome, replay};
use crate::sensor::config::Config;
use crate::sensor::entrance::Entrance;
use crate::sensor::outlets;
use std::path::PathBuf;
use std::process::ExitCode;

/// What is done with a configuration.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// See whether a sensor would start with it: keys, rules, certificate and key, whether anybody may come in, whether
    /// outputs can be reached.
    Check {
        /// The configuration.
        #[arg(short, long, value_name = "FILE", default_value = "wayside.toml")]
        config: PathBuf,
    },
}

/// Does it. Nothing is opened for writing, nothing is made, nothing is sent to an output.
///
/// # Errors
/// One sentence with file and line.
pub fn run(command: &Command) -> Outcome {
    let Command::Check { config: path } = command;
    let config = Config::load(path).map_err(Failure::usage)?;
    let entrance = Entrance::of(path, &config).map_err(Failure::usage)?;
    let rules = replay::load_rules(&config.rules.paths)?;
    for doubt in &entrance.doubts {
        eprintln!("wayside: {doubt}");
    }
    let outputs = config.outputs(config.sensor.name.as_deref().unwrap_or_default());
    for doubt in outlets::doubts(&outputs, rules.as_deref()) {
        eprintln!("wayside: {doubt}");
    }
    for output in &outputs {
        if let Err(failure) = output.reach() {
            eprintln!("wayside: the output '{}': {}", output.name, failure.sentence);
        }
    }
    let rules = rules.map_or(0, |rules| rules.rules().len());
    let scheme = if entrance.tls.is_some() { "https" } else { "http" };
    say(&format!(
        "{}: sound; {} interfaces, {rules} rules, the page is {scheme}://{}/",
        path.display(),
        config.interface.len(),
        config.web.listen
    ))?;
    if let Some(tls) = &entrance.tls {
        say(&format!("certificate SHA-256 {}", tls.fingerprint()))?;
    }
    Ok(ExitCode::SUCCESS)
}
