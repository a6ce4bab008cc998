//! `wayside replay`: captures through the same pipeline as a live interface.

use super::terminal::{self, Alerts};
use super::{FAIL_ON, Failure, Outcome};
use crate::alert::{Alert, Desk, Grouping, Severity};
use crate::capture::Files;
use crate::metrics::Metrics;
use crate::output::events::{EventLog, Form};
use crate::output::evidence::{Behind, Shelf};
use crate::policy::RuleSet;
use crate::sensor::config::EvidenceTable;
use crate::sensor::live;
use crate::sensor::pipeline::{self, Parts, Pipeline};
use crate::sensor::player::Player;
use crate::store::Store;
use crate::stream::Limits;
use crate::web::replays::{self, Player as _, Progress, Replays};
use crate::web::site::Site;
use crate::web::{Ready, Server, Shared};
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Arguments of `wayside replay`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Captures (pcap or pcapng, plain, .gz or .zst), folders of them, or - for standard input. Several are read in
    /// time order.
    #[arg(required = true, value_name = "FILE|FOLDER")]
    files: Vec<PathBuf>,

    /// Rule file or folder of rule files; may be given several times. Without rules nothing is judged.
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,

    /// Write every message to FILE, one JSON object a line; - is standard output.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,

    /// Write steady polls as one line for many messages; everything else stays whole.
    #[arg(long, requires = "events", conflicts_with = "pretty")]
    fold: bool,

    /// Write events as readable lines instead of JSON, to standard output where --events names no file.
    #[arg(long)]
    pretty: bool,

    /// Write alerts to FILE, one JSON object a line; - is standard output. Without it they are shown readably.
    #[arg(long, value_name = "FILE")]
    alerts: Option<PathBuf>,

    /// Keep the packets around each alert in FOLDER, a small pcapng file for each, named by the alert's id.
    #[arg(long, value_name = "FOLDER")]
    evidence: Option<PathBuf>,

    /// Put alerts of the same rule, pair and verb together (window), or give each message a line of its own (none).
    #[arg(long, value_enum, default_value = "window")]
    group: Group,

    /// Exit with 3 where an alert is of this severity or above.
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    fail_on: Option<Severity>,

    /// As fast as possible (max), or N times as fast as it happened.
    #[arg(long, value_name = "max|N", default_value = "max", value_parser = speed)]
    speed: Speed,

    /// Threads that decode and judge, each for its share of the hosts; events and alerts are the same, in the same
    /// order.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: u16,

    /// Serve the pages of the operator over these captures instead of writing alerts, until Ctrl-C.
    #[arg(long, conflicts_with_all = ["events", "fold", "pretty", "alerts", "fail_on", "group", "speed", "workers", "evidence"])]
    serve: bool,

    /// Where to serve them; loopback only.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8460", requires = "serve", value_parser = loopback)]
    listen: SocketAddr,

    /// The sensor's name in alerts.
    #[arg(long, value_name = "NAME", default_value = "replay")]
    sensor: String,

    /// No progress bar and no summary.
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Group {
    /// One alert with a count.
    Window,
    /// One alert per message.
    None,
}

/// An address that only this machine can reach: what has no users must not be open to others.
pub(super) fn loopback(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        Ok(_) => Err("an address of this machine only, 127.0.0.1:PORT".into()),
        Err(_) => Err("an address and port, 127.0.0.1:8460".into()),
    }
}

/// How fast a capture is replayed.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Speed {
    Max,
    Times(f64),
}

fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    match text.parse::<f64>() {
        Ok(times) if times > 0.0 && times.is_finite() => Ok(Speed::Times(times)),
        _ => Err("a number above 0 (1 is real time), or max".into()),
    }
}

fn severity(text: &str) -> Result<Severity, String> {
    Severity::parse(text).ok_or_else(|| "one of low, medium, high, critical".into())
}

/// Replays captures.
///
/// # Errors
/// One sentence: a file that cannot be read, rules that are wrong.
pub fn run(arguments: &Arguments) -> Outcome {
    let rules = load_rules(&arguments.rules)?;
    if arguments.serve {
        return serve(arguments, rules);
    }
    let worst = Arc::new(AtomicUsize::new(0));
    let to_stdout = |path: &Option<PathBuf>| path.as_deref() == Some(Path::new("-"));
    let events = events(arguments)?;
    let events_on_stdout = arguments.pretty && arguments.events.is_none() || to_stdout(&arguments.events);
    let alerts = alerts(arguments, events_on_stdout)?;
    let files = Files::open(&arguments.files).map_err(Failure::failed)?;
    let grouping = match (arguments.group, arguments.speed) {
        (Group::None, _) => Grouping::None,
        (Group::Window, Speed::Max) => Grouping::Final,
        // Somebody watches.
        (Group::Window, Speed::Times(_)) => Grouping::Live,
    };
    let parts = Parts {
        flows: Limits::default(),
        fragments: 16 << 20,
        tally: pipeline::tally(None),
        rules,
        desk: Desk::new(grouping, arguments.sensor.clone()),
        emit: emit(alerts.clone(), worst.clone()),
        events,
    };
    let mut pipeline = Pipeline::with_workers(parts, usize::from(arguments.workers))
        .map_err(|error| Failure::failed(format!("cannot start {} workers: {error}", arguments.workers)))?;
    keep_evidence(arguments, &files, &mut pipeline)?;
    let show = !arguments.quiet;
    let began = Instant::now();
    let count = files.names().len();
    let notices = play(files, &mut pipeline, arguments, show)?;
    pipeline.finish().map_err(|error| Failure::failed(format!("cannot write the events: {error}")))?;
    alerts.finish().map_err(|error| Failure::failed(format!("cannot write the alerts: {error}")))?;
    for notice in notices {
        eprintln!("wayside: {notice}");
    }
    if show {
        terminal::summary(&mut pipeline, &alerts, Some((count, began.elapsed())));
    }
    let reached = worst.load(Ordering::Relaxed);
    let fails = arguments.fail_on.is_some_and(|severity| reached > severity.index());
    Ok(if fails { ExitCode::from(FAIL_ON) } else { ExitCode::SUCCESS })
}

/// Plays the captures into the operator's pages.
fn serve(arguments: &Arguments, rules: Option<Arc<RuleSet>>) -> Outcome {
    let store = Store::in_memory().map_err(Failure::failed)?;
    let packets = Scratch::new().map_err(Failure::failed)?;
    let names: Vec<String> = arguments.files.iter().map(|path| path.display().to_string()).collect();
    let like =
        Site::live(arguments.sensor.clone(), store.clone(), live::inventory(), arguments.rules.clone());
    let mut site = replays::of_captures(String::new(), &like, names.join(", "), store, rules);
    site.evidence = Some(packets.0.clone());
    let site = Arc::new(site);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(Failure::failed)?;
    let ready = Ready::default();
    let shared = Shared {
        metrics: Arc::new(Metrics::new()),
        ready: ready.clone(),
        live: site.clone(),
        replays: Replays::new(Arc::new(Player)),
        access: Arc::default(),
    };
    let server = runtime.block_on(Server::bind(arguments.listen, shared)).map_err(Failure::failed)?;
    let stop = super::run::stop_on_signals()?;
    let until = stop.clone();
    let serving = runtime.spawn(server.serve(async move {
        while !until.is_set() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }));
    eprintln!("wayside: the page is http://{}/; Ctrl-C ends it", arguments.listen);
    let progress = Progress::default();
    let notices = Player.play(&arguments.files, &site, &progress).map_err(Failure::failed)?;
    for notice in notices {
        eprintln!("wayside: {notice}");
    }
    eprintln!("wayside: all is read");
    ready.set(true);
    // It serves until it is told to stop.
    let _ = runtime.block_on(serving);
    Ok(ExitCode::SUCCESS)
}

/// A folder for the packets of alerts that is gone with the replay.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> std::io::Result<Scratch> {
        let path = std::env::temp_dir().join(format!("wayside-replay-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Scratch(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder left behind in the temporary folder does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Keeps the packets of alerts, where that is asked for.
fn keep_evidence(arguments: &Arguments, files: &Files, pipeline: &mut Pipeline) -> Result<(), Failure> {
    let table = EvidenceTable { folder: arguments.evidence.clone(), ..EvidenceTable::default() };
    let Some(folder) = table.open().map_err(Failure::failed)? else { return Ok(()) };
    let name = |path: &String| match Path::new(path).file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => path.clone(),
    };
    let names = files.names().iter().map(name).collect();
    let shelf = Shelf::start(folder, names, Behind::Wait).map_err(Failure::failed)?;
    pipeline.keep_evidence(table.keeping(), shelf);
    Ok(())
}

/// Loads rules and shows what is odd about them; `None` where no path is given.
///
/// # Errors
/// Where a rule file has an error: all of them are shown.
pub fn load_rules(paths: &[PathBuf]) -> Result<Option<Arc<RuleSet>>, Failure> {
    if paths.is_empty() {
        return Ok(None);
    }
    match crate::policy::load(paths, &crate::protocol::vocabularies()) {
        Ok(loaded) => {
            super::rules::show(&loaded.warnings);
            Ok(Some(Arc::new(loaded.rules)))
        }
        Err(problems) => {
            super::rules::show(&problems);
            let errors = problems.iter().filter(|problem| problem.is_error()).count();
            let s = if errors == 1 { "" } else { "s" };
            Err(Failure::usage(format!("{errors} error{s} in the rules; nothing was started")))
        }
    }
}

/// Hands alerts on and remembers the worst: 1 + its place, 0 for none.
fn emit(alerts: Alerts, worst: Arc<AtomicUsize>) -> Box<dyn FnMut(Alert) + Send> {
    Box::new(move |alert: Alert| {
        worst.fetch_max(alert.severity.index() + 1, Ordering::Relaxed);
        alerts.alert(&alert);
    })
}

/// Opens a file to write to; `-` is standard output.
///
/// # Errors
/// One sentence where it cannot be made.
pub fn create(path: &Path) -> Result<Box<dyn Write + Send>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(std::io::stdout()));
    }
    match File::create(path) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => Err(Failure::failed(format!("cannot write {}: {error}", path.display()))),
    }
}

fn events(arguments: &Arguments) -> Result<Option<EventLog>, Failure> {
    let form = match (arguments.pretty, arguments.fold) {
        (true, _) => Form::Line,
        (false, true) => Form::Folded,
        (false, false) => Form::Json,
    };
    let path = match &arguments.events {
        Some(path) => path.as_path(),
        None if arguments.pretty => Path::new("-"),
        None => return Ok(None),
    };
    Ok(Some(EventLog::new(create(path)?, form)))
}

fn alerts(arguments: &Arguments, stdout_taken: bool) -> Result<Alerts, Failure> {
    match &arguments.alerts {
        Some(path) => Ok(Alerts::json(create(path)?)),
        None if stdout_taken => {
            Ok(Alerts::readable(Box::new(std::io::stderr()), std::io::stderr().is_terminal()).once())
        }
        None => Ok(Alerts::readable(Box::new(std::io::stdout()), std::io::stdout().is_terminal()).once()),
    }
}

/// Reads all frames; returns what there is to say about the files.
fn play(
    files: Files,
    pipeline: &mut Pipeline,
    arguments: &Arguments,
    show: bool,
) -> Result<Vec<String>, Failure> {
    let bar = terminal::progress(files.progress().1, show);
    let mut look = |octets| {
        if let Some(bar) = &bar {
            bar.set_position(octets);
        }
    };
    let notices = match arguments.speed {
        Speed::Max => pipeline.read(files, &arguments.files, &mut look).map_err(Failure::failed)?,
        Speed::Times(times) => play_slowly(files, pipeline, times, &mut look)?,
    };
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(notices)
}

/// Reads all frames, each at its time, `times` as fast as they happened.
fn play_slowly(
    mut files: Files,
    pipeline: &mut Pipeline,
    times: f64,
    look: &mut dyn FnMut(u64),
) -> Result<Vec<String>, Failure> {
    let names: Vec<Arc<str>> = files.names().iter().map(|name| name.as_str().into()).collect();
    let mut clock: Option<(Instant, i64)> = None;
    let (mut source, mut waited) = (None, 0);
    while let Some(frame) = files.next().map_err(Failure::failed)? {
        if names.len() > 1 && source != Some(frame.source) {
            source = Some(frame.source);
            pipeline.set_file(names.get(usize::from(frame.source)).cloned());
        }
        let (began, first) = clock.get_or_insert((Instant::now(), frame.ts.nanos));
        let due = (frame.ts.nanos.saturating_sub(*first)).max(0) as f64 / 1e9 / times;
        let wait = Duration::try_from_secs_f64(due).unwrap_or(Duration::MAX).saturating_sub(began.elapsed());
        if wait > Duration::from_millis(1) {
            pipeline.flush_events();
            std::thread::sleep(wait);
            waited += 1;
        }
        pipeline.frame(&frame);
        if waited > 16 {
            waited = 0;
            look(files.progress().0);
            if pipeline.is_unheard() {
                break;
            }
        }
    }
    Ok(files.notices())
}
