//! `wayside run`: the live sensor.

use super::terminal::Alerts;
use super::{Failure, Outcome, replay};
use crate::alert::Alert;
use crate::capture::Interface;
use crate::inventory::Inventory;
use crate::output::audit::AuditLog;
use crate::output::events::EventLog;
use crate::protocol::vocabularies;
use crate::sensor::config::{Config, ConfigError, InterfaceTable, StoreTable};
use crate::sensor::entrance::Entrance;
use crate::sensor::live::{self, Output, Sensor, Setup, Stop};
use crate::sensor::outlets::{self, Outlets};
use crate::store::Store;
use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

/// Arguments of `wayside run`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The configuration.
    #[arg(short, long, value_name = "FILE", default_value = "wayside.toml")]
    config: PathBuf,

    /// Threads that decode and judge, each for its share of the hosts; without it what the configuration says.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: Option<u16>,
}

/// Watches until a signal ends it.
///
/// # Errors
/// One sentence: a configuration or rules that are wrong, an interface that cannot be had.
pub fn run(arguments: &Arguments) -> Outcome {
    let config = Config::load(&arguments.config).map_err(|error| match error {
        ConfigError::Unreadable { .. } | ConfigError::Wrong { .. } => Failure::usage(error),
    })?;
    // Before anything is opened or made.
    let entrance = Entrance::of(&arguments.config, &config).map_err(Failure::usage)?;
    for doubt in &entrance.doubts {
        eprintln!("wayside: {doubt}");
    }
    let stop = stop_on_signals()?;
    let events = match &config.events.file {
        Some(path) => Some(EventLog::new(append(path)?, config.events.mode.form())),
        None => None,
    };
    let name = config.sensor.name.clone().unwrap_or_else(host_name);
    let audit = match &config.audit.file {
        Some(path) => Some(AuditLog::new(append(path)?, &name)),
        None => None,
    };
    let inventory = config.sensor.inventory.then(live::inventory);
    let store = open_store(&config.store, inventory.as_deref())?;
    let rules = replay::load_rules(&config.rules.paths)?;
    let to = config.outputs(&name);
    for doubt in outlets::doubts(&to, rules.as_deref()) {
        eprintln!("wayside: {doubt}");
    }
    let outlets = Outlets::start(to, &config.queues.folder).map_err(Failure::failed)?;
    let setup = Setup {
        interfaces: (0u16..).zip(&config.interface).map(|(place, table)| interface(place, table)).collect(),
        rules,
        rule_paths: config.rules.paths.clone(),
        name,
        workers: arguments.workers.map_or(config.sensor.workers, usize::from),
        limits: config.limits.clone(),
        alert_window: config.alerts.window.unwrap_or(60),
        listen: config.web.listen,
        shifts: config.web.shifts.clone(),
        access: entrance.access,
        tls: entrance.tls,
        outputs: outputs(config.alerts.file.as_deref())?,
        outlets,
        events,
        audit,
        inventory,
        store,
        evidence: config.evidence.clone(),
    };
    let ruled = setup.rules.as_ref().map(|rules| rules.rules().len());
    let names: Vec<&str> = config.interface.iter().map(|i| i.name.as_str()).collect();
    let scheme = if setup.tls.is_some() { "https" } else { "http" };
    let sensor = Sensor::open(setup).map_err(Failure::failed)?;
    let rules = match ruled {
        Some(count) => format!("{count} rules in force"),
        None => "no rules: nothing is judged".into(),
    };
    eprintln!(
        "wayside: watching {}; {rules}; the page is {scheme}://{}/",
        names.join(", "),
        config.web.listen
    );
    let pipeline = sensor.watch(&stop).map_err(Failure::failed)?;
    let (packets, ..) = pipeline.totals();
    eprintln!("wayside: stopped after {} packets", super::terminal::grouped(packets));
    Ok(ExitCode::SUCCESS)
}

/// Opens the store, where one is configured, and puts what it knows of the plant into the inventory.
fn open_store(table: &StoreTable, inventory: Option<&Mutex<Inventory>>) -> Result<Option<Store>, Failure> {
    let Some(path) = &table.file else { return Ok(None) };
    let store = Store::open(path, table.options()).map_err(Failure::failed)?;
    if let Some(inventory) = inventory {
        let mut inventory = inventory.lock().unwrap_or_else(PoisonError::into_inner);
        store.restore_inventory(&mut inventory, &vocabularies()).map_err(Failure::failed)?;
    }
    Ok(Some(store))
}

fn interface(place: u16, table: &InterfaceTable) -> Interface {
    Interface {
        name: table.name.clone(),
        source: place,
        filter: table.filter.clone(),
        snaplen: table.snaplen,
        buffer_bytes: table.buffer_mib.saturating_mul(1 << 20),
        promiscuous: table.promiscuous,
    }
}

/// SIGINT and SIGTERM end the sensor in order; a second one ends it at once.
///
/// # Errors
/// Where the signals cannot be had.
pub fn stop_on_signals() -> Result<Stop, Failure> {
    use signal_hook::consts::{SIGINT, SIGTERM};
    let stop = Stop::default();
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, stop.flag())
            .and_then(|_| signal_hook::flag::register(signal, stop.flag()))
            .map_err(|error| Failure::failed(format!("cannot listen for signals: {error}")))?;
    }
    Ok(stop)
}

/// The terminal, and the file where one is configured.
fn outputs(file: Option<&Path>) -> Result<Vec<Output>, Failure> {
    let mut outputs: Vec<Output> = Vec::new();
    if file != Some(Path::new("-")) {
        outputs.push(terminal());
    }
    if let Some(path) = file {
        let mut out = append(path)?;
        let write = move |alert: &Alert| {
            let mut line = Vec::new();
            alert.write_json(&mut line);
            line.push(b'\n');
            out.write_all(&line)?;
            out.flush()
        };
        outputs.push(("file", Box::new(write)));
    }
    Ok(outputs)
}

/// Readable alerts on standard output.
pub fn terminal() -> Output {
    let alerts = Alerts::readable(Box::new(std::io::stdout()), std::io::stdout().is_terminal());
    let write = move |alert: &Alert| {
        alerts.alert(alert);
        alerts.finish()
    };
    ("terminal", Box::new(write))
}

/// Opens a file to append to; `-` is standard output.
fn append(path: &Path) -> Result<Box<dyn Write + Send>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(std::io::stdout()));
    }
    match OpenOptions::new().append(true).create(true).open(path) {
        Ok(file) => Ok(Box::new(file)),
        Err(error) => Err(Failure::failed(format!("cannot write {}: {error}", path.display()))),
    }
}

/// The name of this machine.
pub fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "wayside".into(),
        name => name.into(),
    }
}
