//! The live sensor: interfaces in, alerts and metrics out, until it is told to stop.
//!
//! ```text
//! interface threads --batches--> worker --alerts--> alert thread
//!                                  ^ rules from the reload thread
//!                                  | counters, once a second, to the metrics
//! ```
//!
//! Where there is a store, the alert thread hands it each alert, and a keeper ([`super::keeper`]) the rest.
//!
//! A full batch queue makes an interface thread wait, and the kernel counts what it then has to drop. A full alert
//! queue loses the alert, which is counted: the worker never waits for an output.

use super::config::{EvidenceTable, Limits};
use super::keeper::{Keeper, Note};
use super::outlets::Outlets;
use super::pipeline::{self, Parts, Pipeline};
use super::player::Player;
use super::reload::{self, Change};
use super::report::bounds;
use super::stock::Stock;
use super::vitals::Vitals;
use crate::address::Timestamp;
use crate::alert::{Alert, Desk, Grouping};
use crate::capture::{CaptureError, Frame, Interface, Link, Live, Next, drop_privileges};
use crate::courtesy;
use crate::inventory::{self, Inventory};
use crate::metrics::{Metrics, raise};
use crate::output::audit::AuditLog;
use crate::output::events::EventLog;
use crate::output::evidence::{Behind, EvidenceError, Folder, Shelf};
use crate::policy::{self, RuleSet};
use crate::store::{Store, StoreError};
use crate::web::access::{self, Access};
use crate::web::replays::Replays;
use crate::web::site::Site;
use crate::web::tls::Tls;
use crate::web::{Ready, Server, Shared, WebError, health};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use thiserror::Error;

/// Batches that are taken together, where more than one waits.
const TOGETHER: usize = 64;
/// Octets of frames in one batch.
const BATCH: usize = 256 << 10;
/// How long a frame waits for its batch to fill.
const BATCH_TIME: Duration = Duration::from_millis(2);

/// What a live sensor is made of.
pub struct Setup {
    /// The interfaces to listen on.
    pub interfaces: Vec<Interface>,
    /// Where the rules come from, to load them again.
    pub rule_paths: Vec<PathBuf>,
    /// The rules to start with.
    pub rules: Option<Arc<RuleSet>>,
    /// The sensor's name in alerts.
    pub name: String,
    /// Bounds on memory.
    pub limits: Limits,
    /// Threads that decode and judge.
    pub workers: usize,
    /// Seconds without another message after which a grouped alert is closed.
    pub alert_window: u32,
    /// Where to serve the page.
    pub listen: SocketAddr,
    /// When shifts begin: hours and minutes.
    pub shifts: Vec<(u8, u8)>,
    /// Who may come in.
    pub access: access::Settings,
    /// Certificate and key, where TLS is to be spoken.
    pub tls: Option<Tls>,
    /// The outputs that get every alert, by name.
    pub outputs: Vec<Output>,
    /// The outputs with a queue on the disk.
    pub outlets: Outlets,
    /// Gets every message, where asked for.
    pub events: Option<EventLog>,
    /// Gets what people did that changes what is watched for.
    pub audit: Option<AuditLog>,
    /// Gets what there is in the plant, once a second, where an inventory is kept.
    pub inventory: Option<Arc<Mutex<Inventory>>>,
    /// Keeps alerts, the inventory, rules in force and the audit trail; without it they are kept as long as the sensor
    /// runs.
    pub store: Option<Store>,
    /// Whether the packets of alerts are kept, and where.
    pub evidence: EvidenceTable,
}

/// Why a live sensor cannot start or go on.
#[derive(Debug, Error)]
pub enum SensorError {
    /// An interface cannot be listened to.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The page cannot be served.
    #[error(transparent)]
    Web(#[from] WebError),
    /// There is no store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The packets of alerts cannot be kept.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// A thread or the runtime cannot be started.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}

/// Whether a running sensor should end. Clones speak of the same sensor.
#[derive(Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Asks it to end.
    pub fn now(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// The flag itself, for a signal handler.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }
}

/// Frames of one interface on their way to the worker.
struct Batch {
    source: u16,
    octets: Vec<u8>,
    heads: Vec<Head>,
}

/// A frame in a batch.
struct Head {
    ts: Timestamp,
    link: Link,
    wire_len: u32,
    end: usize,
}

/// What an interface thread shares.
struct Tap {
    name: String,
    packets: AtomicU64,
    bytes: AtomicU64,
    dropped_by_kernel: AtomicU64,
    dropped_by_interface: AtomicU64,
    /// When the last packet came, in nanoseconds since 1970; 0 for never.
    heard: AtomicI64,
    failed: Mutex<Option<CaptureError>>,
}

/// A sensor that has everything it needs and listens.
pub struct Sensor {
    setup: Setup,
    captures: Vec<Live>,
    evidence: Option<Folder>,
    runtime: tokio::runtime::Runtime,
    server: Server,
    metrics: Arc<Metrics>,
    ready: Ready,
    site: Arc<Site>,
}

impl Sensor {
    /// Opens interfaces and the page, then gives up all privileges.
    ///
    /// # Errors
    /// One sentence: what cannot be had, and what to do.
    pub fn open(setup: Setup) -> Result<Sensor, SensorError> {
        let captures: Result<Vec<Live>, CaptureError> = setup.interfaces.iter().map(Live::open).collect();
        let captures = captures?;
        if let Some(warning) = drop_privileges() {
            tracing::warn!("{warning}");
        }
        // With the rights that it will be written with.
        let evidence = setup.evidence.open()?;
        let metrics = Arc::new(Metrics::new());
        let ready = Ready::default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .on_thread_start(courtesy::give_way)
            .enable_all()
            .build()?;
        let store = match &setup.store {
            Some(store) => store.clone(),
            None => Store::in_memory()?,
        };
        let stock = setup.inventory.clone().unwrap_or_else(inventory);
        let mut site = Site::live(setup.name.clone(), store, stock, setup.rule_paths.clone());
        site.evidence = setup.evidence.folder.clone();
        site.shifts = setup.shifts.clone();
        site.rules.store(setup.rules.clone());
        let site = Arc::new(site);
        let shared = Shared {
            metrics: metrics.clone(),
            ready: ready.clone(),
            live: site.clone(),
            replays: Replays::new(Arc::new(Player)),
            access: Arc::new(Access::new(setup.access.clone())),
        };
        let server = runtime.block_on(Server::bind(setup.listen, shared))?.with_tls(setup.tls.clone());
        Ok(Sensor { setup, captures, evidence, runtime, server, metrics, ready, site })
    }

    /// Adds an output that gets every alert.
    pub fn add_output(&mut self, output: Output) {
        self.setup.outputs.push(output);
    }

    /// Watches until told to stop, or until no interface is left. Returns what can be said of it all at the end.
    ///
    /// # Errors
    /// Where the last interface fails.
    pub fn watch(self, stop: &Stop) -> Result<Pipeline, SensorError> {
        let Sensor { setup, captures, evidence, runtime, server, metrics, ready, site } = self;
        let until = stop.clone();
        runtime.spawn(server.serve(async move {
            while !until.is_set() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }));
        let outputs = setup.outputs.iter().map(|(name, _)| (*name).to_owned()).collect();
        let store = site.store.clone();
        let mut audit = setup.audit;
        let keeper = Keeper::start(store.clone(), setup.inventory.clone())?;
        let log = audit.get_or_insert_with(|| AuditLog::new(Box::new(std::io::sink()), &setup.name));
        log.copy_to(Box::new(keeper.trail()));
        if let Some(rules) = &setup.rules {
            // They were read a moment ago: what cannot be read now is said when it is loaded again.
            let files = policy::read_all(&setup.rule_paths).unwrap_or_default();
            keeper.tell(Note::rules(rules.rules().len(), files));
        }
        let (alerts, alert_thread) =
            hand_out(setup.outputs, setup.outlets.clone(), site.clone(), &metrics, setup.limits.alert_queue)?;
        let (changes, changed) = std::sync::mpsc::channel();
        let reloading = reload::start(setup.rule_paths, changes, stop.clone());
        let parts = Parts {
            flows: setup.limits.streams(),
            fragments: setup.limits.fragments_mib << 20,
            tally: pipeline::tally(Some(&metrics)),
            rules: setup.rules,
            desk: Desk::new(Grouping::Live, setup.name)
                .with_limit(setup.limits.alert_groups)
                .with_window(u64::from(setup.alert_window) * 1_000_000_000),
            emit: alerts,
            events: setup.events,
        };
        let waiting = (setup.limits.packet_queue_mib << 20).div_ceil(BATCH).max(2) * captures.len();
        let (batches, taken) = sync_channel(waiting);
        let taps: Vec<Arc<Tap>> = captures.iter().map(|live| Arc::new(Tap::new(live.name()))).collect();
        let mut listeners = Vec::new();
        for (place, (live, tap)) in (0u16..).zip(captures.into_iter().zip(&taps)) {
            listeners.push(listen(live, place, tap.clone(), batches.clone(), stop.clone())?);
        }
        drop(batches);
        ready.set(true);
        if let Some(audit) = &mut audit {
            audit.rules(now(), true, parts.rules.as_ref().map_or(0, |rules| rules.rules().len()));
        }
        let mut pipeline = Pipeline::with_workers(parts, setup.workers)?;
        let stock = setup.inventory.map(|inventory| Stock::start(inventory, metrics.clone())).transpose()?;
        if stock.is_some() {
            pipeline.take_stock(inventory::Limits::live().often());
        }
        if let Some(folder) = evidence {
            let names = taps.iter().map(|tap| tap.name.clone()).collect();
            pipeline.keep_evidence(setup.evidence.keeping(), Shelf::start(folder, names, Behind::Lose)?);
        }
        let mut worker = Worker {
            pipeline,
            taps,
            metrics,
            number: 0,
            lag: 0.0,
            audit,
            stock,
            store,
            keeper,
            limits: setup.limits,
            said: Vec::new(),
            vitals: Vitals::new(site.health.clone(), site.trends.clone(), now()),
            site,
            outputs,
            outlets: setup.outlets.clone(),
        };
        worker.run(&taken, &changed);
        ready.set(false);
        let failed = worker
            .taps
            .iter()
            .find_map(|tap| tap.failed.lock().unwrap_or_else(PoisonError::into_inner).take());
        let ended_itself = !stop.is_set();
        stop.now();
        drop(taken);
        for listener in listeners.into_iter().chain(reloading) {
            // A thread that panicked has said so already.
            let _ = listener.join();
        }
        if let Err(error) = worker.pipeline.finish() {
            tracing::error!("cannot write the events: {error}");
        }
        worker.report();
        if let Some(stock) = worker.stock.take() {
            stock.finish(now(), &mut worker.pipeline);
        }
        if let Some(Err(error)) = worker.audit.map(AuditLog::finish) {
            tracing::error!("cannot write the audit trail: {error}");
        }
        let mut pipeline = worker.pipeline;
        pipeline.close_emit();
        let _ = alert_thread.join();
        setup.outlets.finish();
        worker.keeper.finish();
        worker.store.close();
        runtime.shutdown_timeout(Duration::from_secs(1));
        match failed {
            Some(error) if ended_itself => Err(error.into()),
            _ => Ok(pipeline),
        }
    }
}

impl Tap {
    fn new(name: &str) -> Tap {
        Tap {
            name: name.to_owned(),
            packets: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            dropped_by_kernel: AtomicU64::new(0),
            dropped_by_interface: AtomicU64::new(0),
            heard: AtomicI64::new(0),
            failed: Mutex::new(None),
        }
    }

    /// How the interface is, for the pages.
    fn health(&self) -> health::Interface {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let heard = self.heard.load(Ordering::Relaxed);
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        health::Interface {
            name: self.name.clone(),
            packets: load(&self.packets),
            octets: load(&self.bytes),
            dropped: load(&self.dropped_by_kernel) + load(&self.dropped_by_interface),
            heard: (heard > 0).then(|| Timestamp::from_nanos(heard)),
            failed: failed.as_ref().map(ToString::to_string),
        }
    }
}

impl Batch {
    fn new(source: u16) -> Batch {
        Batch { source, octets: Vec::new(), heads: Vec::new() }
    }

    fn push(&mut self, frame: &Frame<'_>) {
        self.octets.extend_from_slice(frame.data);
        let end = self.octets.len();
        self.heads.push(Head { ts: frame.ts, link: frame.link, wire_len: frame.wire_len, end });
    }
}

/// Starts the thread of one interface.
fn listen(
    mut live: Live,
    source: u16,
    tap: Arc<Tap>,
    batches: SyncSender<Batch>,
    stop: Stop,
) -> Result<JoinHandle<()>, std::io::Error> {
    let run = move || {
        let mut batch = Batch::new(source);
        let mut began = Instant::now();
        let mut looked = Instant::now();
        while !stop.is_set() {
            let idle = match live.next() {
                Ok(Next::Frame(frame)) => {
                    if batch.heads.is_empty() {
                        began = Instant::now();
                    }
                    batch.push(&frame);
                    false
                }
                Ok(Next::Idle) => true,
                Ok(Next::End) => break,
                Err(error) => {
                    tracing::error!("{error}");
                    *tap.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                    break;
                }
            };
            let due = idle || batch.octets.len() >= BATCH || began.elapsed() >= BATCH_TIME;
            if due && !batch.heads.is_empty() {
                let full = std::mem::replace(&mut batch, Batch::new(source));
                if batches.send(full).is_err() {
                    break;
                }
            }
            if looked.elapsed() >= Duration::from_millis(500) {
                looked = Instant::now();
                if let Ok(stats) = live.stats() {
                    tap.dropped_by_kernel.store(stats.dropped_by_kernel, Ordering::Relaxed);
                    tap.dropped_by_interface.store(stats.dropped_by_interface, Ordering::Relaxed);
                }
            }
        }
        if !batch.heads.is_empty() {
            // The worker may have ended first.
            let _ = batches.send(batch);
        }
    };
    thread::Builder::new().name("interface".into()).spawn(run)
}

/// Takes alerts on their way to the outputs.
type Entrance = Box<dyn FnMut(Alert) + Send>;

/// Takes every alert; an error is one alert lost.
pub type Output = (&'static str, Box<dyn FnMut(&Alert) -> std::io::Result<()> + Send>);

/// Starts the thread that hands alerts to the outputs; returns its entrance.
fn hand_out(
    mut outputs: Vec<Output>,
    outlets: Outlets,
    site: Arc<Site>,
    metrics: &Arc<Metrics>,
    queue: usize,
) -> Result<(Entrance, JoinHandle<()>), std::io::Error> {
    let (entrance, exit) = sync_channel::<Alert>(queue);
    let waiting = Arc::new(AtomicU64::new(0));
    let names: Vec<&'static str> = outputs.iter().map(|(name, _)| *name).collect();
    let thread = {
        let (metrics, waiting, outlets) = (metrics.clone(), waiting.clone(), outlets.clone());
        thread::Builder::new().name("alerts".into()).spawn(move || {
            for alert in exit {
                // First, since it never waits and what it loses it counts itself.
                site.store.record(&alert);
                outlets.put(&alert, site.rules.load().as_deref());
                for (name, output) in &mut outputs {
                    match output(&alert) {
                        Ok(()) => metrics.output_sent.with_label_values(&[*name]).inc(),
                        Err(error) => {
                            metrics.output_lost.with_label_values(&[*name]).inc();
                            tracing::error!("the alert output '{name}' failed: {error}");
                        }
                    }
                }
                let left = waiting.fetch_sub(1, Ordering::Relaxed).saturating_sub(1);
                for (name, _) in &outputs {
                    metrics.output_queue.with_label_values(&[*name]).set(left as i64);
                }
            }
        })?
    };
    let metrics = metrics.clone();
    let mut said = false;
    let emit = move |alert: Alert| {
        waiting.fetch_add(1, Ordering::Relaxed);
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = entrance.try_send(alert) {
            waiting.fetch_sub(1, Ordering::Relaxed);
            for name in &names {
                metrics.output_lost.with_label_values(&[*name]).inc();
            }
            outlets.miss();
            if !said {
                said = true;
                tracing::warn!(
                    "the queue of alerts is full ([limits] alert-queue = {queue}): an output is slower than alerts come. \
                     What is lost is counted in wayside_output_lost_total"
                );
            }
        }
    };
    Ok((Box::new(emit), thread))
}

/// The thread that decodes and judges.
struct Worker {
    pipeline: Pipeline,
    taps: Vec<Arc<Tap>>,
    metrics: Arc<Metrics>,
    number: u64,
    lag: f64,
    audit: Option<AuditLog>,
    stock: Option<Stock>,
    store: Store,
    keeper: Keeper,
    limits: Limits,
    /// What of the bounds and losses has been said already.
    said: Vec<String>,
    vitals: Vitals,
    site: Arc<Site>,
    outputs: Vec<String>,
    outlets: Outlets,
}

impl Worker {
    /// Works until all interface threads have ended.
    fn run(&mut self, batches: &Receiver<Batch>, changes: &Receiver<Change>) {
        let mut reported = Instant::now();
        loop {
            match batches.recv_timeout(Duration::from_millis(100)) {
                Ok(batch) => {
                    let mut last = self.batch(&batch);
                    // With what waits behind it, so that several workers have enough to share.
                    for batch in batches.try_iter().take(TOGETHER) {
                        last = self.batch(&batch);
                    }
                    self.pipeline.settle();
                    if let Some(last) = last {
                        self.lag = now().since(last) as f64 / 1e9;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            for change in changes.try_iter() {
                let result = match change {
                    Change::Rules(rules, files) => {
                        self.keeper.tell(Note::rules(rules.rules().len(), files));
                        self.site.rules.store(Some(rules.clone()));
                        self.pipeline.set_rules(Some(rules));
                        "loaded"
                    }
                    Change::Refused => "refused",
                };
                let rules = self.pipeline.rules().map_or(0, |(rules, _)| rules.rules().len());
                if let Some(audit) = &mut self.audit {
                    audit.rules(now(), result == "loaded", rules);
                }
                self.vitals.rules(result == "loaded");
                self.metrics.rule_reloads.with_label_values(&[result]).inc();
            }
            if reported.elapsed() >= Duration::from_secs(1) {
                reported = Instant::now();
                self.pipeline.tick(now());
                self.pipeline.flush_events();
                self.report();
            }
        }
    }

    /// Takes the frames of one interface; returns the time of the last one.
    fn batch(&mut self, batch: &Batch) -> Option<Timestamp> {
        let tap = self.taps.get(usize::from(batch.source))?;
        let (mut start, mut wire) = (0, 0);
        for head in &batch.heads {
            self.number += 1;
            wire += u64::from(head.wire_len);
            self.pipeline.frame(&Frame {
                ts: head.ts,
                number: self.number,
                source: batch.source,
                link: head.link,
                wire_len: head.wire_len,
                data: batch.octets.get(start..head.end).unwrap_or_default(),
            });
            start = head.end;
        }
        tap.packets.fetch_add(batch.heads.len() as u64, Ordering::Relaxed);
        tap.bytes.fetch_add(wire, Ordering::Relaxed);
        if let Some(last) = batch.heads.last() {
            tap.heard.store(last.ts.nanos, Ordering::Relaxed);
        }
        batch.heads.last().map(|head| head.ts)
    }

    /// Brings the metrics up to date.
    fn report(&mut self) {
        let metrics = &self.metrics;
        metrics.capture_lag.set(self.lag);
        for tap in &self.taps {
            let name = tap.name.as_str();
            let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            raise(&metrics.packets.with_label_values(&[name]), load(&tap.packets));
            raise(&metrics.bytes.with_label_values(&[name]), load(&tap.bytes));
            let dropped = |by| metrics.packets_dropped.with_label_values(&[name, by]);
            raise(&dropped("kernel"), load(&tap.dropped_by_kernel));
            raise(&dropped("interface"), load(&tap.dropped_by_interface));
        }
        super::report::report(metrics, &mut self.pipeline);
        if let Some(stock) = &mut self.stock {
            stock.take(now(), &mut self.pipeline);
        }
        super::report::store(metrics, &self.store);
        super::report::audit(metrics, &mut self.pipeline, self.audit.as_mut(), now());
        self.say_bounds();
        let interfaces = self.taps.iter().map(|tap| tap.health()).collect();
        let one_sided = self.stock.as_ref().map_or(0, Stock::one_sided);
        let parts = (&mut self.pipeline, &*self.metrics, one_sided, &self.limits);
        let carried = self.outlets.report(&self.metrics);
        self.vitals.note(now(), self.lag, interfaces, (&self.outputs, carried), parts);
    }
}

impl Worker {
    /// Says, once each, which bounds have been reached and which interfaces have lost packets.
    fn say_bounds(&mut self) {
        let mut once = |what: String, sentence: String| {
            if !self.said.contains(&what) {
                tracing::warn!("{sentence}");
                self.said.push(what);
            }
        };
        for bound in bounds(&self.pipeline).iter().filter(|bound| bound.reached > 0) {
            once(bound.what.into(), bound.sentence(&self.limits));
        }
        let losses = self.pipeline.evidence().unwrap_or_default();
        for (reason, words, count) in losses.losses() {
            once(
                format!("evidence {reason}"),
                format!(
                    "alerts went out without evidence ({count} so far): {words}. They are counted in \
                     wayside_evidence_lost_total{{reason=\"{reason}\"}}"
                ),
            );
        }
        for tap in &self.taps {
            let name = &tap.name;
            let kernel = tap.dropped_by_kernel.load(Ordering::Relaxed);
            if kernel > 0 {
                once(
                    format!("kernel {name}"),
                    format!(
                        "{name}: the kernel dropped packets ({kernel} so far) since they were not taken in time; a \
                         larger buffer-mib, more workers or a filter may help. They are counted in \
                         wayside_packets_dropped_total"
                    ),
                );
            }
            let interface = tap.dropped_by_interface.load(Ordering::Relaxed);
            if interface > 0 {
                once(
                    format!("interface {name}"),
                    format!(
                        "{name}: the network card or its driver dropped packets ({interface} so far). They are \
                         counted in wayside_packets_dropped_total"
                    ),
                );
            }
        }
    }
}

/// An inventory for a live sensor, with nothing in it.
pub fn inventory() -> Arc<Mutex<Inventory>> {
    Arc::new(Mutex::new(Inventory::new(inventory::Limits::live())))
}

/// The time of this machine's clock.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}
