//! `wayside demo`: a simulated plant on this machine, watched live where that is allowed, else from the project's own
//! recording of the same plant.

mod plant;
mod story;

use super::terminal::Alerts;
use super::{Failure, Outcome, replay, run};
use crate::address::Timestamp;
use crate::alert::{Alert, Desk, Grouping};
use crate::capture::{self, CaptureError, Files, Frame};
use crate::inventory;
use crate::metrics::Metrics;
use crate::sensor::config::{EvidenceTable, Limits};
use crate::sensor::live::{self, Output, Sensor, SensorError, Setup, Stop};
use crate::sensor::outlets::Outlets;
use crate::sensor::pipeline::{self, Parts, Pipeline};
use crate::sensor::player::Player;
use crate::sensor::report;
use crate::sensor::vitals::Vitals;
use crate::store::Store;
use crate::stream;
use crate::web::access;
use crate::web::health::Interface;
use crate::web::replays::Replays;
use crate::web::site::Site;
use crate::web::{Ready, Server, Shared};
use plant::Plant;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
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

    /// Where to serve the page; loopback only.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8460", value_parser = replay::loopback)]
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
        return replayed(&folder, arguments.pace, arguments.listen);
    }
    match Sensor::open(setup(&folder, arguments.listen)?) {
        Ok(sensor) => watched(sensor, pace, arguments.listen),
        Err(SensorError::Capture(refused @ CaptureError::NotPermitted { .. })) => {
            println!("{refused}.\nYou see the recording of the same plant, in real time.\n");
            replayed(&folder, arguments.pace, arguments.listen)
        }
        Err(error) => Err(Failure::failed(error)),
    }
}

/// A sensor on the loopback interface.
fn setup(folder: &Unpacked, listen: SocketAddr) -> Result<Setup, Failure> {
    let rule_paths = vec![folder.path("rules")];
    Ok(Setup {
        workers: 1,
        interfaces: vec![capture::Interface {
            filter: Some("tcp and (net 127.20.0.0/16 or net 127.30.0.0/16)".into()),
            promiscuous: false,
            ..capture::Interface::new("lo")
        }],
        rules: replay::load_rules(&rule_paths)?,
        rule_paths,
        name: "demo".into(),
        limits: Limits::default(),
        alert_window: 60,
        listen,
        shifts: crate::web::site::SHIFTS.to_vec(),
        access: access::Settings::default(),
        tls: None,
        outputs: Vec::new(),
        outlets: Outlets::default(),
        events: None,
        audit: None,
        inventory: Some(live::inventory()),
        store: None,
        evidence: EvidenceTable { folder: Some(folder.path("evidence")), ..EvidenceTable::default() },
    })
}

/// Watches the plant while the story is played.
fn watched(mut sensor: Sensor, pace: Pace, listen: SocketAddr) -> Outcome {
    let alerts = Alerts::readable(Box::new(std::io::stdout()), std::io::stdout().is_terminal()).once();
    sensor.add_output(shown(&alerts));
    let stop = run::stop_on_signals()?;
    println!("Wayside watches a simulated plant on this machine; the page is http://{listen}/\n");
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
    let narrator = narrate(pace, stop);
    let played = runtime.block_on(async {
        let plant = Plant::start().await.map_err(failed)?;
        let stopped = async {
            while !stop.is_set() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::select! {
            played = story::play(&plant, pace) => played.map_err(failed),
            () = stopped => Ok(()),
        }
    });
    // It has told all there was, or it ends with its process.
    if played.is_ok() && !stop.is_set() {
        let _ = narrator.join();
    }
    played
}

/// Tells the story beside what is seen of it.
fn narrate(pace: Pace, stop: &Stop) -> std::thread::JoinHandle<()> {
    let stop = stop.clone();
    std::thread::spawn(move || {
        story::narrate(pace, |sentence| {
            if !stop.is_set() {
                println!("    {sentence}");
                // The story is for a person; who closed the terminal does not read it.
                let _ = std::io::stdout().flush();
            }
            !stop.is_set()
        });
    })
}

/// Replays the recording in real time, with its story and its metrics.
fn replayed(folder: &Unpacked, times: f64, listen: SocketAddr) -> Outcome {
    let alerts = Alerts::readable(Box::new(std::io::stdout()), std::io::stdout().is_terminal()).once();
    let shown = alerts.clone();
    let metrics = Arc::new(Metrics::new());
    let rule_paths = vec![folder.path("rules")];
    let rules = replay::load_rules(&rule_paths)?;
    let site = Site::live(
        "demo".into(),
        Store::in_memory().map_err(Failure::failed)?,
        live::inventory(),
        rule_paths,
    );
    site.rules.store(rules.clone());
    let site = Arc::new(site);
    let store = site.store.clone();
    let mut pipeline = Pipeline::new(Parts {
        flows: stream::Limits::default(),
        fragments: 1 << 20,
        tally: pipeline::tally(Some(&metrics)),
        rules,
        desk: Desk::new(Grouping::Live, "demo"),
        emit: Box::new(move |alert| {
            store.record(&alert);
            shown.alert(&alert);
        }),
        events: None,
    });
    pipeline.take_stock(inventory::Limits::live().often());
    let limits = Limits::default();
    let mut vitals = Vitals::new(site.health.clone(), site.trends.clone(), site.now());
    let stop = run::stop_on_signals()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(Failure::failed)?;
    let ready = Ready::default();
    let shared = Shared {
        metrics: metrics.clone(),
        ready: ready.clone(),
        live: site.clone(),
        replays: Replays::new(Arc::new(Player)),
        access: Arc::default(),
    };
    let server = runtime.block_on(Server::bind(listen, shared)).map_err(Failure::failed)?;
    runtime.spawn(server.serve(std::future::pending()));
    ready.set(true);
    println!("The page is http://{listen}/\n");
    let mut story = story::TOLD.iter().peekable();
    let mut files = Files::open(&[folder.path("demo-plant.pcap")]).map_err(Failure::failed)?;
    let (began, mut first, mut begun, mut reported) = (Instant::now(), None, None, Instant::now());
    while let Some(frame) = files.next().map_err(Failure::failed)? {
        let first = *first.get_or_insert(frame.ts);
        let due = Duration::from_nanos(frame.ts.since(first)).div_f64(times);
        while began.elapsed() < due && !stop.is_set() {
            std::thread::sleep(Duration::from_millis(20).min(due.saturating_sub(began.elapsed())));
        }
        if stop.is_set() {
            break;
        }
        // The recording begins a moment after the story does.
        let second = frame.ts.since(first) as f64 / 1e9 + 0.1;
        while let Some((_, sentence)) = story.next_if(|told| told.0 <= second) {
            println!("    {sentence}");
        }
        // It happens now, as far as the page is concerned.
        let begun = *begun.get_or_insert_with(|| site.now());
        let ts = Timestamp { nanos: begun.nanos.saturating_add_unsigned(frame.ts.since(first)), digits: 9 };
        pipeline.frame(&Frame { ts, ..frame });
        if reported.elapsed() >= Duration::from_secs(1) {
            reported = Instant::now();
            report::report(&metrics, &mut pipeline);
            let mut inventory = site.inventory.lock().unwrap_or_else(PoisonError::into_inner);
            report::stock(&metrics, &pipeline.harvest(), &mut inventory);
            drop(inventory);
            let heard = Some(ts);
            let interface =
                Interface { name: "recording".into(), packets: frame.number, heard, ..Interface::default() };
            let parts = (&mut pipeline, &*metrics, 0, &limits);
            vitals.note(site.now(), 0.0, vec![interface], (&[], Vec::new()), parts);
        }
    }
    pipeline.finish().map_err(Failure::failed)?;
    super::terminal::summary(&mut pipeline, &alerts, None);
    Ok(ExitCode::SUCCESS)
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
