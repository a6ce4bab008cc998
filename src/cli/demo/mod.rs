//! `wayside demo`: a simulated plant on this machine, watched live where that is allowed, else from the project's own
//! recording of the same plant.

mod plant;
mod story;

use super::terminal::Alerts;
use super::{Failure, Outcome, replay, run};
use crate::alert::Alert;
use crate::capture::{CaptureError, Interface};
use crate::sensor::live::{Output, Sensor, SensorError, Setup, Stop};
use crate::stream;
use plant::Plant;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use story::Pace;

/// The rules of the simulated plant, in the order in which they are read.
const RULES: [(&str, &str); 2] = [
    ("pump-station.toml", include_str!("../../../rules/pump-station.toml")),
    ("rail-yard.toml", include_str!("../../../rules/rail-yard.toml")),
];
/// The recording of the simulated plant.
const RECORDING: &[u8] = include_bytes!("../../../captures/demo-plant.pcap");

/// Arguments of `wayside demo`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Replay the recording even where live capture is allowed.
    #[arg(long)]
    recorded: bool,

    /// How many times faster than real the story goes.
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = pace)]
    pace: f64,

    /// Where to serve the metrics.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8460")]
    listen: SocketAddr,

    /// Only run the plant and its story, watching nothing: for recording it with another program.
    #[arg(long)]
    plant_only: bool,
}

fn pace(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(times) if (0.1..=100.0).contains(&times) => Ok(times),
        _ => Err("a number from 0.1 to 100".into()),
    }
}

/// Runs the plant and watches it.
///
/// # Errors
/// One sentence: the plant or the sensor cannot be started.
pub fn run(arguments: &Arguments) -> Outcome {
    let pace = Pace { second: Duration::from_secs_f64(1.0 / arguments.pace) };
    if arguments.plant_only {
        play(pace)?;
        return Ok(ExitCode::SUCCESS);
    }
    let folder = Unpacked::new()?;
    if arguments.recorded {
        return replayed(&folder, arguments.pace);
    }
    match Sensor::open(setup(&folder, arguments.listen)?) {
        Ok(sensor) => watched(sensor, pace, arguments.listen),
        Err(SensorError::Capture(refused @ CaptureError::NotPermitted { .. })) => {
            println!("{refused}.\nYou see the recording of the same plant, in real time.\n");
            replayed(&folder, arguments.pace)
        }
        Err(error) => Err(Failure::failed(error)),
    }
}

/// A sensor on the loopback interface.
fn setup(folder: &Unpacked, listen: SocketAddr) -> Result<Setup, Failure> {
    let rule_paths = vec![folder.path("rules")];
    Ok(Setup {
        interfaces: vec![Interface {
            filter: Some("tcp and (net 127.20.0.0/16 or net 127.30.0.0/16)".into()),
            promiscuous: false,
            ..Interface::new("lo")
        }],
        rules: replay::load_rules(&rule_paths)?,
        rule_paths,
        name: "demo".into(),
        flows: stream::Limits::default(),
        fragments: 1 << 20,
        alert_groups: 1_000,
        alert_window: 60,
        listen,
        outputs: Vec::new(),
        events: None,
    })
}

/// Watches the plant while the story is played.
fn watched(mut sensor: Sensor, pace: Pace, listen: SocketAddr) -> Outcome {
    let alerts = Alerts::readable(Box::new(std::io::stdout()), std::io::stdout().is_terminal()).once();
    sensor.add_output(shown(&alerts));
    let stop = run::stop_on_signals()?;
    println!("Wayside watches a simulated plant on this machine; metrics are on http://{listen}/metrics\n");
    let ended = stop.clone();
    let told = std::thread::spawn(move || {
        let told = play_until(pace, &ended);
        // What was said last is still on its way through the sensor.
        std::thread::sleep(Duration::from_millis(500));
        ended.now();
        told
    });
    let mut pipeline = sensor.watch(&stop).map_err(Failure::failed)?;
    told.join().map_err(|_| Failure::failed("the plant stopped working"))??;
    super::terminal::summary(&mut pipeline, &alerts, None);
    Ok(ExitCode::SUCCESS)
}

/// Alerts as they are raised, for a person.
fn shown(alerts: &Alerts) -> Output {
    let alerts = alerts.clone();
    let show = move |alert: &Alert| {
        alerts.alert(alert);
        alerts.finish()
    };
    ("terminal", Box::new(show))
}

/// Plays the story without watching it.
fn play(pace: Pace) -> Result<(), Failure> {
    play_until(pace, &Stop::default())
}

/// Plays the story until its end or until told to stop.
fn play_until(pace: Pace, stop: &Stop) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::failed(format!("the simulated plant: {error}"));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().map_err(failed)?;
    runtime.block_on(async {
        let plant = Plant::start().await.map_err(failed)?;
        let mut tell = |sentence: &str| {
            println!("    {sentence}");
            // The story is for a person; who closed the terminal does not read it.
            let _ = std::io::stdout().flush();
        };
        let stopped = async {
            while !stop.is_set() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            played = story::play(&plant, pace, &mut tell) => played.map_err(failed),
            () = stopped => Ok(()),
        }
    })
}

/// Replays the recording in real time.
fn replayed(folder: &Unpacked, times: f64) -> Outcome {
    replay::run(&replay::Arguments::demo(folder.path("demo-plant.pcap"), folder.path("rules"), times))
}

/// Rules and recording in a temporary folder, gone with the demo.
struct Unpacked(PathBuf);

impl Unpacked {
    fn new() -> Result<Unpacked, Failure> {
        let folder = std::env::temp_dir().join(format!("wayside-demo-{}", std::process::id()));
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes);
        let unpack = || {
            std::fs::create_dir_all(folder.join("rules"))?;
            for (name, text) in RULES {
                write(&format!("rules/{name}"), text.as_bytes())?;
            }
            write("demo-plant.pcap", RECORDING)
        };
        unpack()
            .map_err(|error| Failure::failed(format!("cannot write to {}: {error}", folder.display())))?;
        Ok(Unpacked(folder))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(Path::new(name))
    }
}

impl Drop for Unpacked {
    fn drop(&mut self) {
        // A folder left behind in the temporary folder does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
