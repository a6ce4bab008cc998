//! How the store fares, for the page and the metrics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Whether the store keeps up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// What comes is written.
    Healthy,
    /// Alerts wait for long: the sentence says why.
    Behind(String),
    /// Nothing can be written at present: the sentence says why and what to do.
    Failing(String),
}

impl State {
    /// `healthy`, `behind` or `failing`.
    pub fn name(&self) -> &'static str {
        match self {
            State::Healthy => "healthy",
            State::Behind(_) => "behind",
            State::Failing(_) => "failing",
        }
    }

    /// What to tell a person, where there is something.
    pub fn sentence(&self) -> Option<&str> {
        match self {
            State::Healthy => None,
            State::Behind(sentence) | State::Failing(sentence) => Some(sentence),
        }
    }
}

/// How the store fares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Health {
    /// Whether it keeps up.
    pub state: State,
    /// Alerts that wait to be written.
    pub queue: u64,
    /// Alerts written since the start, updates too.
    pub written: u64,
    /// Alerts lost since the start because too many waited.
    pub lost: u64,
    /// Alerts removed since the start because they were too old or took too much room.
    pub retired: u64,
    /// Octets that the store takes on the disk.
    pub octets: u64,
}

/// What the writer counts.
pub(super) struct Gauge {
    state: Mutex<State>,
    pub written: AtomicU64,
    pub lost: AtomicU64,
    pub retired: AtomicU64,
    pub octets: AtomicU64,
}

impl Gauge {
    pub(super) fn new() -> Gauge {
        Gauge {
            state: Mutex::new(State::Healthy),
            written: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            retired: AtomicU64::new(0),
            octets: AtomicU64::new(0),
        }
    }

    /// Says how it is now; `true` where that is news.
    pub(super) fn set(&self, state: State) -> bool {
        let mut own = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let news = own.name() != state.name();
        *own = state;
        news
    }

    pub(super) fn read(&self, queue: usize) -> Health {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Health {
            state: self.state.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            queue: queue as u64,
            written: load(&self.written),
            lost: load(&self.lost),
            retired: load(&self.retired),
            octets: load(&self.octets),
        }
    }
}
