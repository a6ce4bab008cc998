//! `wayside output`: tries out where alerts go.

use super::store::say;
use super::{Failure, Outcome, run};
use crate::address::{Endpoint, Timestamp};
use crate::alert::{Alert, AlertKind, Allowance, Severity};
use crate::policy::nearest;
use crate::sensor::config::Config;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};
use ulid::Ulid;

/// What is done with an output.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Send one marked test alert and say what came back. It does not pass through the queue.
    Test {
        /// The name of the output in the configuration.
        name: String,
        /// The configuration.
        #[arg(short, long, value_name = "FILE", default_value = "wayside.toml")]
        config: PathBuf,
    },
}

/// Does it.
///
/// # Errors
/// One sentence: what is wrong with the configuration or the output.
pub fn run(command: &Command) -> Outcome {
    let Command::Test { name, config: path } = command;
    let config = Config::load(path).map_err(Failure::usage)?;
    let sensor = config.sensor.name.clone().unwrap_or_else(run::host_name);
    let outputs = config.outputs(&sensor);
    let Some(output) = outputs.iter().find(|output| output.name == *name) else {
        let names = || outputs.iter().map(|output| output.name.as_str());
        let known: Vec<&str> = names().collect();
        let hint = match (nearest(name, names()), known.is_empty()) {
            (Some(better), _) => format!("did you mean '{better}'?"),
            (None, true) => "there is no [[output]] in it".into(),
            (None, false) => format!("there are {}", known.join(", ")),
        };
        return Err(Failure::usage(format!("{} has no output '{name}'; {hint}", path.display())));
    };
    let failed = |sentence: String| Failure::failed(format!("the output '{name}': {sentence}"));
    let mut destination = output.open().map_err(|failure| failed(failure.sentence))?;
    let record = output.record(&test_alert(name, &sensor));
    match destination.send(&[record]) {
        Ok(sent) if sent.refused.is_empty() => {
            say(&format!("the output '{name}': {}", destination.answer()))?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(sent) => Err(failed(format!("the alert was refused: {}", sent.refused.join("; ")))),
        Err(failure) => Err(failed(failure.sentence)),
    }
}

/// An alert that says that it is none.
fn test_alert(output: &str, sensor: &str) -> Alert {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let now = Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX));
    let id = Ulid::from_parts(u64::try_from(nanos / 1_000_000).unwrap_or(0), nanos);
    // RFC 5737: addresses for documentation, which no plant has.
    let [src, dst] = [[192, 0, 2, 1], [192, 0, 2, 2]]
        .map(|octets| Endpoint { address: std::net::IpAddr::from(octets).into(), port: 0 });
    Alert {
        id,
        ts: now,
        first_seen: now,
        last_seen: now,
        count: 1,
        severity: Severity::Low,
        rule: Some("wayside output test".into()),
        kind: AlertKind::NotAllowed,
        summary: format!(
            "TEST of the output '{output}' of the sensor {sensor}: nothing happened in the plant."
        ),
        src,
        dst,
        proto: "tcp",
        frame: 0,
        frames: Vec::new(),
        file: None,
        attack: Vec::new(),
        points: Vec::new(),
        values: Vec::new(),
        evidence: None,
        sensor: sensor.into(),
        community_id: None,
        rule_at: None,
        rule_words: None,
        named_points: Vec::new(),
        advice: "Nothing: somebody tries out where alerts go.".into(),
        allow: Allowance::default(),
        incident: id,
        related: Vec::new(),
        message: None,
    }
}
