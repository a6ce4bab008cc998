//! Where packets come from: capture files of every common kind, folders, standard input, live interfaces.
//!
//! Flows in: octets on disk or on an interface. Flows out: [`Frame`]s that borrow from the source's buffer. Files are
//! read in large blocks and cut by hand ([`reader`]); several files come in time order ([`Files`]); live capture is
//! libpcap's ([`Live`]).

mod error;
mod files;
pub mod live;
pub mod reader;

pub use error::CaptureError;
pub use files::Files;
pub use live::{Interface, Live};

use crate::address::Timestamp;

/// One captured frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When it was captured.
    pub ts: Timestamp,
    /// Its place in its file, from 1; live, since the start.
    pub number: u64,
    /// Which file or interface it came from: a place in the source's names.
    pub source: usize,
    /// The link type, as libpcap numbers it (LINKTYPE_ values).
    pub link: u32,
    /// Octets that were on the wire.
    pub wire_len: u32,
    /// The octets that were captured.
    pub data: &'a [u8],
}
