//! One output: its queue, and the thread that carries what is in it to the destination.
//!
//! Flows in: alerts, already written in the destination's format. Flows out: what [`Destination::send`] is given, in order,
//! at least once. A destination that fails is tried again, after a pause that grows and is never quite the same, so
//! that many sensors do not come back all at once.

use super::destination::{Destination, Failure};
use super::queue::{Counts, Queue, Record};
use crate::courtesy;
use std::io;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The first pause after a failure, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(60)];
/// How long it waits for something to send before it looks around.
const IDLE: Duration = Duration::from_secs(1);
/// How long a sensor that ends waits for what is still to be sent.
const LAST: Duration = Duration::from_secs(3);

/// The way to a destination.
pub trait Way: Send {
    /// Looks whether there is one, and sends nothing.
    ///
    /// # Errors
    /// One sentence.
    fn reach(&mut self) -> Result<(), Failure>;

    /// Opens it.
    ///
    /// # Errors
    /// One sentence.
    fn open(&mut self) -> Result<Box<dyn Destination>, Failure>;
}

/// How an output is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Health {
    /// What its queue holds and lost.
    pub queue: Counts,
    /// Alerts that arrived.
    pub sent: u64,
    /// Alerts that the destination will never take, which were passed over.
    pub refused: u64,
    /// What is wrong, as one sentence.
    pub trouble: Option<String>,
}

#[derive(Default)]
struct Gauge {
    sent: AtomicU64,
    refused: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl Gauge {
    /// Puts down what is wrong now; whether that is another thing than before.
    fn set(&self, trouble: Option<String>) -> bool {
        let mut own = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = own.is_some() != trouble.is_some();
        *own = trouble;
        is_new
    }
}

/// One output.
pub struct Relay {
    name: String,
    queue: Arc<Queue>,
    gauge: Arc<Gauge>,
    /// Where a full disk was said.
    disk: Mutex<Option<String>>,
    /// Dropped to end the pauses.
    stop: Mutex<Option<Sender<()>>>,
    /// Closed where the thread has ended.
    ended: Mutex<Receiver<()>>,
}

impl Relay {
    /// Opens the queue of an output in a folder of its own, at most so many octets, and starts to carry.
    ///
    /// # Errors
    /// Where there is no queue or no thread to be had.
    pub fn start(name: &str, folder: &Path, most: u64, way: Box<dyn Way>) -> io::Result<Relay> {
        let queue = Arc::new(Queue::open(folder, most)?);
        let gauge = Arc::new(Gauge::default());
        let (stop, stopped) = channel::<()>();
        let (end, ended) = channel::<()>();
        let carrier = Carrier {
            name: name.to_owned(),
            queue: queue.clone(),
            gauge: gauge.clone(),
            way,
            reached: false,
            destination: None,
            pause: PAUSES[0],
            dice: Dice::new(name),
        };
        let run = move || {
            courtesy::give_way();
            // Moved in, so that it goes when this ends.
            let _end = end;
            carrier.run(&stopped);
        };
        thread::Builder::new().name(format!("output {name}")).spawn(run)?;
        Ok(Relay {
            name: name.to_owned(),
            queue,
            gauge,
            disk: Mutex::default(),
            stop: Mutex::new(Some(stop)),
            ended: Mutex::new(ended),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Puts an alert into the queue. Where the disk does not take it, it is lost, counted and said.
    pub fn put(&self, record: &Record) {
        let trouble = self.queue.put(record).err().map(|error| {
            let full = error.kind() == io::ErrorKind::StorageFull;
            let what =
                if full { "the disk of its queue is full".into() } else { format!("its queue: {error}") };
            format!("{what}; alerts for it are lost, make room")
        });
        let mut disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner);
        if let (None, Some(trouble)) = (&*disk, &trouble) {
            tracing::error!("the output '{}': {trouble}", self.name);
        }
        *disk = trouble;
    }

    /// Makes what was put in outlive a power failure.
    pub fn settle(&self) {
        if let Err(error) = self.queue.settle() {
            tracing::warn!("the output '{}': its queue is not safe on the disk: {error}", self.name);
        }
    }

    /// How it is.
    pub fn health(&self) -> Health {
        let disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let own = self.gauge.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Health {
            queue: self.queue.counts(),
            sent: self.gauge.sent.load(Ordering::Relaxed),
            refused: self.gauge.refused.load(Ordering::Relaxed),
            trouble: disk.or(own),
        }
    }

    /// Sends what can be sent in a few seconds; the rest is sent after the next start.
    pub fn finish(&self) {
        self.queue.close();
        self.settle();
        let until = Instant::now() + LAST;
        let has_trouble = || self.health().trouble.is_some();
        while self.queue.counts().waiting > 0 && Instant::now() < until && !has_trouble() {
            thread::sleep(Duration::from_millis(5));
        }
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = None;
        // It may hang in a destination that does: what it did not send is on the disk.
        let _ = self.ended.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(LAST);
    }
}

/// The thread's own.
struct Carrier {
    name: String,
    queue: Arc<Queue>,
    gauge: Arc<Gauge>,
    way: Box<dyn Way>,
    /// Whether it was looked whether there is a way, before anything was to be sent.
    reached: bool,
    destination: Option<Box<dyn Destination>>,
    pause: Duration,
    dice: Dice,
}

impl Carrier {
    fn run(mut self, stop: &Receiver<()>) {
        loop {
            // A fault in there must not end the output for good.
            let turn = std::panic::catch_unwind(AssertUnwindSafe(|| self.turn())).unwrap_or_else(|_| {
                self.destination = None;
                let what =
                    "a fault in Wayside itself; it is tried again, please report what the log says of it";
                Err(Failure::new(what))
            });
            match turn {
                Ok(true) => self.pause = PAUSES[0],
                Ok(false) if self.queue.is_closed() => return,
                Ok(false) => {}
                Err(failure) => {
                    let pause = self.dice.about(failure.after.unwrap_or(self.pause).min(PAUSES[1]));
                    if failure.after.is_none() {
                        self.pause = (self.pause * 2).min(PAUSES[1]);
                    }
                    if self.gauge.set(Some(failure.sentence.clone())) {
                        tracing::error!("the output '{}': {}", self.name, failure.sentence);
                    }
                    if matches!(stop.recv_timeout(pause), Err(RecvTimeoutError::Disconnected)) {
                        return;
                    }
                }
            }
            if matches!(stop.try_recv(), Err(TryRecvError::Disconnected)) && self.queue.is_closed() {
                return;
            }
        }
    }

    /// Sends a batch; whether there was one.
    fn turn(&mut self) -> Result<bool, Failure> {
        let destination = match &mut self.destination {
            Some(destination) => destination,
            // Opened when it is first needed. Until then it is known whether it could be.
            None => {
                if !self.reached {
                    self.way.reach()?;
                    self.reached = true;
                    self.works();
                }
                if self.queue.take(1, 1, IDLE).map_err(disk)?.records.is_empty() {
                    return Ok(false);
                }
                self.destination.insert(self.way.open()?)
            }
        };
        let (most, octets) = destination.room();
        let batch = self.queue.take(most, octets, IDLE).map_err(disk)?;
        if batch.records.is_empty() {
            destination.idle().inspect_err(|_| self.destination = None)?;
            return Ok(false);
        }
        let result = destination.send(&batch.records);
        let (done, refused) = match &result {
            Ok(sent) => (batch.records.len(), sent.refused.len()),
            Err(failure) => (failure.arrived.min(batch.records.len()), failure.refused.len()),
        };
        self.queue.done(&batch, done).map_err(disk)?;
        self.gauge.sent.fetch_add(done.saturating_sub(refused) as u64, Ordering::Relaxed);
        self.gauge.refused.fetch_add(refused as u64, Ordering::Relaxed);
        match result {
            Ok(sent) => {
                if let Some(why) = sent.refused.first() {
                    tracing::error!(
                        "the output '{}' refused {} alerts: {why}",
                        self.name,
                        sent.refused.len()
                    );
                }
                self.works();
                Ok(true)
            }
            Err(failure) => {
                if !failure.stays {
                    self.destination = None;
                }
                Err(failure)
            }
        }
    }
}

impl Carrier {
    fn works(&self) {
        if self.gauge.set(None) {
            tracing::warn!("the output '{}' works again", self.name);
        }
    }
}

fn disk(error: io::Error) -> Failure {
    Failure::new(format!("its queue cannot be read: {error}"))
}

/// Numbers that nobody foresees, for pauses.
struct Dice(u64);

impl Dice {
    fn new(name: &str) -> Dice {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() as u64;
        let seed = name.bytes().fold(time, |sum, octet| sum.rotate_left(7) ^ u64::from(octet));
        Dice(seed | 1)
    }

    /// A time between half of this and all of it.
    fn about(&mut self, time: Duration) -> Duration {
        // Marsaglia's xorshift: no secret hangs on it.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        time.mul_f64(0.5 + (self.0 >> 12) as f64 / (1u64 << 52) as f64 / 2.0)
    }
}
