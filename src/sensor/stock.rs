//! Puts what the workers gathered into the inventory, on a thread of its own: the inventory may be large, and somebody may be
//! reading it.

use super::pipeline::Pipeline;
use super::report;
use crate::address::Timestamp;
use crate::courtesy;
use crate::inventory::{Harvest, Inventory};
use crate::metrics::Metrics;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// Nanoseconds back within which a conversation counts as going on.
const RECENT: i64 = 300_000_000_000;

/// What the workers gathered until some time.
type Load = (Timestamp, Vec<Harvest>);

/// The thread and the way to it.
pub(super) struct Stock {
    way: SyncSender<Load>,
    /// What found no room: the workers keep the rest until it has.
    waiting: Option<Load>,
    one_sided: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Stock {
    /// Starts it.
    ///
    /// # Errors
    /// Where there is no thread to be had.
    pub(super) fn start(inventory: Arc<Mutex<Inventory>>, metrics: Arc<Metrics>) -> io::Result<Stock> {
        let (way, loads) = sync_channel::<Load>(1);
        let one_sided = Arc::new(AtomicUsize::new(0));
        let said = one_sided.clone();
        let run = move || {
            courtesy::give_way();
            for (now, load) in loads {
                let mut inventory = inventory.lock().unwrap_or_else(PoisonError::into_inner);
                report::stock(&metrics, &load, &mut inventory);
                let recent = Timestamp::from_nanos(now.nanos.saturating_sub(RECENT));
                said.store(inventory.one_sided(recent), Ordering::Relaxed);
            }
        };
        let thread = thread::Builder::new().name("inventory".into()).spawn(run)?;
        Ok(Stock { way, waiting: None, one_sided, thread })
    }

    /// Hands on what was gathered; never waits.
    pub(super) fn take(&mut self, now: Timestamp, pipeline: &mut Pipeline) {
        let load = self.waiting.take().unwrap_or_else(|| (now, pipeline.harvest()));
        if let Err(TrySendError::Full(load) | TrySendError::Disconnected(load)) = self.way.try_send(load) {
            self.waiting = Some(load);
        }
    }

    /// Conversations of which one direction is never heard, as of a moment ago.
    pub(super) fn one_sided(&self) -> usize {
        self.one_sided.load(Ordering::Relaxed)
    }

    /// Hands on the last of it, and ends the thread.
    pub(super) fn finish(self, now: Timestamp, pipeline: &mut Pipeline) {
        let loads = self.waiting.into_iter().chain([(now, pipeline.harvest())]);
        // Where the thread is gone it has panicked, and said so already.
        loads.for_each(|load| drop(self.way.send(load)));
        drop(self.way);
        let _ = self.thread.join();
    }
}
