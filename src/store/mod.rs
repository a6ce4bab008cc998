//! The store: alerts and their life, the inventory, rules in force, the audit trail and who may do what, in one SQLite
//! file.
//!
//! Flows in: every alert ([`Store::record`], which never waits), what people do ([`Store::change`] and its like, which
//! return when it is safely on the disk), the inventory once a minute ([`Store::keep_inventory`]). Flows out: what pages
//! ask for ([`Store::read`], [`Reader`]).
//!
//! ```text
//! alert thread --record--> queue (bounded) --\
//! page, API   --change---> work  ------------> writer thread --one connection--> file (WAL)
//! page, API   <--read---- a few connections that only read <---------------------/
//! ```
//!
//! **Durability.** Alerts are written in batches, at most a quarter of a second after they came: a kill loses no more
//! than that. What a person does is on the disk (`synchronous = FULL`) before the call returns. A file that is locked
//! or full makes the writer try again, with pauses; alerts wait in the queue meanwhile, and what finds no room there is
//! counted ([`Health`]). Nobody who captures ever waits.
//!
//! **The file** says in its header that it is a store and of which version; an older one is brought up to date when it
//! is opened, a newer one is refused. `schema.sql` says what each table is for. Times are nanoseconds since 1970.
//!
//! Calls block: who runs on tokio uses `spawn_blocking`.

mod access;
mod alert_row;
mod alerts;
mod audit;
mod connection;
mod counts;
mod error;
mod filter;
mod health;
mod incidents;
mod inventory;
mod life;
mod number;
mod queue;
mod retention;
mod rules;
mod schema;
mod sessions;
mod suppression;
mod upkeep;
mod writer;

pub use access::{Role, Token, User};
pub use alerts::{AlertRecord, Cursor, LogEntry, Page, Whole};
pub use audit::{AuditEntry, AuditRecord};
pub use counts::{BySeverity, Changes, Histogram, PairCount, RuleCount};
pub use error::StoreError;
pub use filter::Filter;
pub use health::{Health, State};
pub use incidents::Incident;
pub use life::{Actor, Change, Changed, Life, Which};
pub use rules::{RuleFile, RuleSetRecord};
pub use sessions::Session;
pub use suppression::{Suppression, SuppressionKey};
pub use upkeep::{Check, backup, check, is_guarded};

use crate::alert::Alert;
use alert_row::AlertRow;
use connection::{Place, Readers};
use health::Gauge;
use queue::{Care, Job, Queue};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// How long somebody waits for work to begin before the store is said to be busy.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often work tries to have the file.
const TRIES: usize = 5;

/// How a store is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Days after which what is old goes.
    pub days: u32,
    /// MiB that the file may take; what is oldest goes.
    pub size_mib: u64,
    /// Alerts that may wait to be written.
    pub queue: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { days: 400, size_mib: 2048, queue: 20_000 }
    }
}

/// The store. Clones are the same store; the last one that goes writes out what waits.
#[derive(Clone)]
pub struct Store(Arc<Shared>);

struct Shared {
    queue: Arc<Queue>,
    gauge: Arc<Gauge>,
    readers: Readers,
    version: watch::Receiver<u64>,
    /// What the inventory was when it was last kept.
    kept: Mutex<inventory::Kept>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens a store, making the file where there is none.
    ///
    /// # Errors
    /// One sentence: the file cannot be had, is no store, or a newer one.
    pub fn open(path: &Path, options: Options) -> Result<Store, StoreError> {
        Store::at(Place::File(path.to_owned()), options)
    }

    /// A store in memory that ends with its last clone: for pages over a capture. Nothing in it gets too old.
    ///
    /// # Errors
    /// Where there is no memory or no thread.
    pub fn in_memory() -> Result<Store, StoreError> {
        Store::at(Place::memory(), Options { days: u32::MAX, size_mib: u64::MAX, ..Options::default() })
    }

    fn at(place: Place, options: Options) -> Result<Store, StoreError> {
        let db = place.writer()?;
        let path = place.path().to_owned();
        let queue = Arc::new(Queue::new(options.queue.max(1)));
        let gauge = Arc::new(Gauge::new());
        let (version, seen) = watch::channel(0);
        let writer = writer::Writer {
            db,
            queue: queue.clone(),
            gauge: gauge.clone(),
            version,
            options,
            tidy: Instant::now(),
            closed: None,
        };
        let thread = thread::Builder::new()
            .name("store".into())
            .spawn(move || writer.run())
            .map_err(|error| StoreError::Open { path, reason: error.to_string() })?;
        Ok(Store(Arc::new(Shared {
            queue,
            gauge,
            readers: Readers::new(place),
            version: seen,
            kept: Mutex::default(),
            thread: Mutex::new(Some(thread)),
        })))
    }

    /// Takes an alert: a new one, or what is new of one that it has, by its id. Never waits; where too many wait
    /// already the alert is lost, which is counted, and `false`.
    pub fn record(&self, alert: &Alert) -> bool {
        let taken = self.0.queue.put(AlertRow::from(alert));
        if !taken {
            self.0.gauge.lost.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// The same, but waits for room: for a replay, which can.
    pub fn record_patiently(&self, alert: &Alert) -> bool {
        self.0.queue.put_patiently(AlertRow::from(alert))
    }

    /// Waits until what was recorded before is written.
    ///
    /// # Errors
    /// Where it cannot be written for too long.
    pub fn settle(&self) -> Result<(), StoreError> {
        self.write(Care::Quiet, |_| Ok(()))
    }

    /// Reads, at one moment. The closure may ask several things; they fit together.
    ///
    /// # Errors
    /// What the closure says, and where the file cannot be read.
    pub fn read<T>(&self, look: impl FnOnce(&Reader<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.0.readers.read(look)
    }

    /// How the store fares. Costs little.
    pub fn health(&self) -> Health {
        self.0.gauge.read(self.0.queue.len())
    }

    /// A number that grows whenever alerts were written or somebody changed something, to wait for: what pages show may
    /// have changed.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.0.version.clone()
    }

    /// Writes out what waits and ends the thread. Nothing can be written afterwards; what there is can be read.
    pub fn close(&self) {
        self.0.close();
    }

    /// Has the writer do this in one transaction; returns when it is done.
    fn write<T: Send + 'static>(
        &self,
        care: Care,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = sync_channel(1);
        let taken = Arc::new(AtomicBool::new(false));
        let run = Box::new(move |db: &mut Connection, say_news: &dyn Fn()| {
            let result = in_transaction(db, change);
            if result.is_ok() {
                // Before the answer, so that whoever has it sees what he changed.
                say_news();
            }
            // Whoever asked may wait no longer: then nobody takes the answer.
            let _ = reply.send(result);
        });
        let job = Job { care, taken: taken.clone(), run };
        self.0.queue.ask(job).map_err(|_| StoreError::Closed)?;
        match answer.recv_timeout(PATIENCE) {
            Ok(result) => result,
            Err(RecvTimeoutError::Disconnected) => Err(StoreError::Closed),
            // Not begun, and now it never will be.
            Err(RecvTimeoutError::Timeout) if !taken.swap(true, Ordering::AcqRel) => Err(StoreError::Busy),
            Err(RecvTimeoutError::Timeout) => answer.recv().unwrap_or(Err(StoreError::Closed)),
        }
    }
}

fn in_transaction<T>(
    db: &mut Connection,
    change: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    for _ in 1..TRIES {
        match db.execute_batch("BEGIN IMMEDIATE; ROLLBACK").map_err(StoreError::from) {
            Err(StoreError::Busy) => {}
            _ => break,
        }
    }
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let value = change(&tx)?;
    tx.commit()?;
    Ok(value)
}

impl Shared {
    fn close(&self) {
        self.queue.close();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A thread that panicked has said so already.
            let _ = thread.join();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.close();
    }
}

/// Answers questions, at one moment.
pub struct Reader<'c> {
    db: &'c Connection,
}

impl<'c> Reader<'c> {
    fn new(db: &'c Connection) -> Reader<'c> {
        Reader { db }
    }
}

/// The time of this machine's clock, in nanoseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
