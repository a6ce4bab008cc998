//! What waits for the thread that writes. Putting in an alert never waits; what finds no room is counted.

use super::alert_row::AlertRow;
use rusqlite::Connection;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Octets of alerts that may wait.
const OCTETS: usize = 64 << 20;
/// How long an alert waits for its batch to fill.
pub(super) const GATHER: Duration = Duration::from_millis(250);
/// Alerts that are written in one transaction.
pub(super) const BATCH: usize = 500;

/// How work is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Care {
    /// It is on the disk before it is said to be done; what pages show changes.
    Durable,
    /// It outlives the program; what pages show changes.
    News,
    /// It outlives the program; nobody is shown it.
    Quiet,
}

/// Does something in the file and says so to whoever asked for it. The second is to be called in between, where
/// something has changed.
pub(super) type Run = Box<dyn FnOnce(&mut Connection, &dyn Fn()) + Send>;

/// Work that somebody waits for. It is done after the alerts that were put in before it.
pub(super) struct Job {
    /// How it is done.
    pub care: Care,
    /// Set by whoever is first: the writer that begins, or the asker who waits no longer.
    pub taken: Arc<AtomicBool>,
    pub run: Run,
}

impl Job {
    /// Whether it is still wanted, and now nobody else's.
    pub(super) fn take(&self) -> bool {
        !self.taken.swap(true, Ordering::AcqRel)
    }
}

#[derive(Default)]
struct Inside {
    alerts: VecDeque<AlertRow>,
    octets: usize,
    jobs: VecDeque<Job>,
    /// When the first of the alerts came.
    since: Option<Instant>,
    closed: bool,
}

/// The queue.
pub(super) struct Queue {
    most: usize,
    inside: Mutex<Inside>,
    came: Condvar,
    went: Condvar,
}

/// What the writer is to do next.
pub(super) struct Turn {
    pub alerts: Vec<AlertRow>,
    pub jobs: Vec<Job>,
    pub closed: bool,
}

impl Queue {
    /// At most so many alerts.
    pub(super) fn new(most: usize) -> Queue {
        Queue { most, inside: Mutex::default(), came: Condvar::new(), went: Condvar::new() }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in an alert; `false` where there is no room.
    pub(super) fn put(&self, row: AlertRow) -> bool {
        let mut inside = self.inside();
        if !self.has_room(&inside, row.octets()) {
            return false;
        }
        self.push(&mut inside, row);
        true
    }

    /// Puts in an alert and waits for room; `false` where the queue is closed.
    pub(super) fn put_patiently(&self, row: AlertRow) -> bool {
        let mut inside = self.inside();
        while !self.has_room(&inside, row.octets()) {
            if inside.closed {
                return false;
            }
            inside = self.went.wait(inside).unwrap_or_else(PoisonError::into_inner);
        }
        self.push(&mut inside, row);
        true
    }

    fn has_room(&self, inside: &Inside, octets: usize) -> bool {
        !inside.closed && inside.alerts.len() < self.most && inside.octets.saturating_add(octets) <= OCTETS
    }

    fn push(&self, inside: &mut Inside, row: AlertRow) {
        inside.octets += row.octets();
        inside.alerts.push_back(row);
        inside.since.get_or_insert_with(Instant::now);
        // The first one starts the clock, a full batch is taken at once; the others need nobody's attention.
        if matches!(inside.alerts.len(), 1 | BATCH) {
            self.came.notify_one();
        }
    }

    /// Puts in work; gives it back where the queue is closed.
    pub(super) fn ask(&self, job: Job) -> Result<(), Job> {
        let mut inside = self.inside();
        if inside.closed {
            return Err(job);
        }
        inside.jobs.push_back(job);
        self.came.notify_one();
        Ok(())
    }

    /// How many alerts wait.
    pub(super) fn len(&self) -> usize {
        self.inside().alerts.len()
    }

    /// Takes nothing more. What is in it is still to be done.
    pub(super) fn close(&self) {
        self.inside().closed = true;
        self.came.notify_all();
        self.went.notify_all();
    }

    /// Waits for something to do, at most so long.
    pub(super) fn turn(&self, most: Duration) -> Turn {
        let until = Instant::now() + most;
        let mut inside = self.inside();
        loop {
            let now = Instant::now();
            let due = inside.since.map(|since| since + GATHER);
            let full = inside.alerts.len() >= BATCH;
            if inside.closed
                || full
                || !inside.jobs.is_empty()
                || now >= until
                || due.is_some_and(|due| now >= due)
            {
                break;
            }
            let wake = due.map_or(until, |due| due.min(until));
            let left = wake.saturating_duration_since(now);
            inside = self.came.wait_timeout(inside, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        self.hand_over(&mut inside)
    }

    /// Waits for work that somebody waits for, at most so long; alerts stay where they are.
    pub(super) fn jobs(&self, most: Duration) -> Vec<Job> {
        let until = Instant::now() + most;
        let mut inside = self.inside();
        while inside.jobs.is_empty() && !inside.closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            inside = self.came.wait_timeout(inside, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        inside.jobs.drain(..).collect()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.inside().closed
    }

    fn hand_over(&self, inside: &mut Inside) -> Turn {
        let many = inside.alerts.len().min(BATCH);
        let alerts: Vec<AlertRow> = inside.alerts.drain(..many).collect();
        let octets: usize = alerts.iter().map(AlertRow::octets).sum();
        inside.octets = inside.octets.saturating_sub(octets);
        // Work waits for the alerts that came before it.
        let jobs = if inside.alerts.is_empty() { inside.jobs.drain(..).collect() } else { Vec::new() };
        inside.since = (!inside.alerts.is_empty()).then(Instant::now);
        if !alerts.is_empty() {
            self.went.notify_all();
        }
        Turn { alerts, jobs, closed: inside.closed && inside.alerts.is_empty() && inside.jobs.is_empty() }
    }
}
