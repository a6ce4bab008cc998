//! The thread that writes: alerts in batches, work that people wait for one by one, and in between what is too old goes.

use super::alert_row::AlertRow;
use super::health::{Gauge, State};
use super::queue::{BATCH, Care, Job, Queue};
use super::{Options, StoreError, retention};
use crate::courtesy;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// How long it writes alerts before it lets others go first, where there are few.
const PIECE: Duration = Duration::from_micros(500);
/// How often it looks for what is too old.
const TIDY: Duration = Duration::from_secs(60);
/// How long it waits after the first failure, and at most.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(2)];
/// How long it tries to write what is left when it is told to end.
const LAST: Duration = Duration::from_secs(10);
/// How long failures go on before they are more than a delay.
const DELAY: Duration = Duration::from_secs(10);

/// The thread's own.
pub(super) struct Writer {
    pub db: Connection,
    pub queue: Arc<Queue>,
    pub gauge: Arc<Gauge>,
    pub version: watch::Sender<u64>,
    pub options: Options,
    /// When it looks next for what is too old.
    pub tidy: Instant,
    /// Since when it writes what is left, without success.
    pub closed: Option<Instant>,
}

impl Writer {
    /// Works until the queue is closed and empty.
    pub(super) fn run(mut self) {
        courtesy::give_way();
        loop {
            let turn = self.queue.turn(self.tidy.saturating_duration_since(Instant::now()));
            self.alerts(&turn.alerts);
            turn.jobs.into_iter().for_each(|job| self.work(job));
            if turn.closed {
                break;
            }
            if Instant::now() >= self.tidy {
                self.tidy();
            }
        }
        // So that the file alone is the whole store.
        let _ = self.db.pragma_update(None, "wal_checkpoint", "TRUNCATE");
    }

    /// Writes alerts, however long that takes; work that people wait for is done between two attempts.
    fn alerts(&mut self, alerts: &[AlertRow]) {
        if alerts.is_empty() {
            return;
        }
        let [mut pause, longest] = PAUSES;
        let began = Instant::now();
        loop {
            match self.batch(alerts) {
                Ok(()) => return self.wrote(alerts.len(), 0),
                // Something is wrong with one of them, which must not keep up the others.
                Err(StoreError::Database(error)) if is_about_the_row(&error) => {
                    return self.one_by_one(alerts, &error);
                }
                Err(error) => self.fails(&error, began, alerts.len()),
            }
            if self.queue.is_closed() {
                if self.closed.get_or_insert_with(Instant::now).elapsed() > LAST {
                    self.gauge.lost.fetch_add(alerts.len() as u64, Ordering::Relaxed);
                    return;
                }
                thread::sleep(pause);
            }
            let jobs = self.queue.jobs(pause);
            jobs.into_iter().for_each(|job| self.work(job));
            pause = (pause * 2).min(longest);
        }
    }

    fn wrote(&mut self, alerts: usize, lost: usize) {
        self.gauge.written.fetch_add(alerts.saturating_sub(lost) as u64, Ordering::Relaxed);
        self.gauge.lost.fetch_add(lost as u64, Ordering::Relaxed);
        if self.gauge.set(State::Healthy) {
            tracing::warn!("the store is written again");
        }
        say_news(&self.version);
    }

    fn one_by_one(&mut self, alerts: &[AlertRow], error: &rusqlite::Error) {
        tracing::error!("an alert cannot be stored: {error}");
        let lost = alerts.iter().filter(|alert| self.batch(std::slice::from_ref(*alert)).is_err()).count();
        self.wrote(alerts.len(), lost);
    }

    fn batch(&mut self, alerts: &[AlertRow]) -> Result<(), StoreError> {
        let tx = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut begun = Instant::now();
        for alert in alerts {
            alert.write(&tx)?;
            // Where there is time: in short pieces, so that on a machine with one core nobody waits long behind it.
            if alerts.len() < BATCH && begun.elapsed() >= PIECE {
                thread::sleep(begun.elapsed());
                begun = Instant::now();
            }
        }
        Ok(tx.commit()?)
    }

    fn fails(&mut self, error: &StoreError, began: Instant, here: usize) {
        let waiting = self.queue.len() + here;
        let state = match error {
            StoreError::Busy if began.elapsed() < DELAY => State::Behind(format!(
                "Another program holds the store: {waiting} alerts wait to be written."
            )),
            StoreError::Busy => State::Failing(format!(
                "Another program has held the store for {} s: {waiting} alerts wait to be written. End that program \
                 (a backup, sqlite3).",
                began.elapsed().as_secs()
            )),
            StoreError::Full => State::Failing(format!(
                "The disk of the store is full: {waiting} alerts wait to be written. Make room, or set a smaller \
                 [store] size-mib."
            )),
            other => State::Failing(format!("{waiting} alerts wait to be written: {other}.")),
        };
        let sentence = state.sentence().unwrap_or_default().to_owned();
        if self.gauge.set(state) {
            tracing::warn!("{sentence}");
        }
    }

    fn work(&mut self, job: Job) {
        if !job.take() {
            return;
        }
        // What a person was told must outlive a power failure; for the rest it is enough to outlive the program.
        let (durable, shown) = (job.care == Care::Durable, job.care != Care::Quiet);
        if durable {
            let _ = self.db.pragma_update(None, "synchronous", "FULL");
        }
        let Writer { db, version, .. } = self;
        (job.run)(db, &|| {
            if shown {
                say_news(version);
            }
        });
        if durable {
            let _ = self.db.pragma_update(None, "synchronous", "NORMAL");
        }
    }

    fn tidy(&mut self) {
        let pause = match retention::step(&mut self.db, &self.options) {
            Ok(done) => {
                self.gauge.retired.fetch_add(done.alerts, Ordering::Relaxed);
                self.gauge.octets.store(done.octets, Ordering::Relaxed);
                if done.alerts > 0 {
                    say_news(&self.version);
                }
                if done.more { Duration::from_millis(20) } else { TIDY }
            }
            Err(error) => {
                tracing::warn!("cannot remove old alerts from the store: {error}");
                TIDY
            }
        };
        self.tidy = Instant::now() + pause;
    }
}

fn say_news(version: &watch::Sender<u64>) {
    version.send_modify(|version| *version += 1);
}

/// Whether trying again cannot help.
fn is_about_the_row(error: &rusqlite::Error) -> bool {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => matches!(
            failure.code,
            ErrorCode::ConstraintViolation
                | ErrorCode::TooBig
                | ErrorCode::TypeMismatch
                | ErrorCode::ParameterOutOfRange
        ),
        _ => true,
    }
}
