//! Where alerts go: one file each. A destination blocks as long as its own time limits say and never longer; it has a
//! thread to itself.

pub mod file;
pub mod http;
pub mod mqtt;
pub mod nats;
pub mod net;
pub mod stdout;
pub mod syslog;

use super::queue::Record;
use std::time::Duration;

/// Takes alerts.
pub trait Destination: Send {
    /// How many records, of how many octets, it takes at once.
    fn room(&self) -> (usize, usize) {
        (500, 1 << 20)
    }

    /// Sends records in order. `Ok` says that all of them have arrived, or never will.
    ///
    /// # Errors
    /// What went wrong, with how many of the first have arrived. The others are sent again later; whoever gets some of them
    /// twice knows them by their ids.
    fn send(&mut self, records: &[Record]) -> Result<Sent, Failure>;

    /// There is nothing to send at present.
    ///
    /// # Errors
    /// Where the way to it is broken.
    fn idle(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    /// What it said to the last records, in a few words, for whoever tries it out.
    fn answer(&self) -> String;
}

/// What became of records that were taken.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sent {
    /// Why some of them will never be taken, one for each.
    pub refused: Vec<String>,
}

/// Why records did not arrive.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Failure {
    /// One sentence: what is wrong, and what to do.
    pub sentence: String,
    /// How many of the first records have arrived, or never will.
    pub arrived: usize,
    /// Why some of those will never.
    pub refused: Vec<String>,
    /// When the destination wants to be asked again.
    pub after: Option<Duration>,
    /// Whether the way to it is in order and need not be opened anew.
    pub stays: bool,
}

impl Failure {
    /// Nothing arrived.
    pub fn new(sentence: impl Into<String>) -> Failure {
        Failure { sentence: sentence.into(), ..Failure::default() }
    }

    /// So many of the first have arrived.
    pub fn after(self, arrived: usize) -> Failure {
        Failure { arrived, ..self }
    }
}
