//! What can go wrong with a capture, each in one sentence.

use std::io;
use thiserror::Error;

/// Why packets cannot be had.
#[derive(Debug, Error)]
pub enum CaptureError {
    /// The file cannot be opened.
    #[error("cannot open {name}: {source}")]
    Open {
        /// The file.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// The file cannot be read on.
    #[error("cannot read {name}: {source}")]
    Read {
        /// The file.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// It is something else.
    #[error("{name} is not a capture: {found}; wayside reads pcap and pcapng, plain, .gz or .zst")]
    NotACapture {
        /// The file.
        name: String,
        /// What it looks like.
        found: String,
    },
    /// A folder without captures.
    #[error("no capture in {name}: no file there ends in .pcap, .pcapng or .cap (or these with .gz or .zst)")]
    EmptyFolder {
        /// The folder.
        name: String,
    },
    /// No such interface.
    #[error("no interface {name} here; there are: {there}")]
    UnknownInterface {
        /// The one asked for.
        name: String,
        /// Those that there are.
        there: String,
    },
    /// The process may not capture.
    #[error(
        "no permission to capture on {name}: it takes CAP_NET_RAW; grant it with \
         `sudo setcap cap_net_raw+ep {program}`, or run as root"
    )]
    Permission {
        /// The interface.
        name: String,
        /// This program.
        program: String,
    },
    /// The filter is not a filter.
    #[error("the filter '{filter}' for {name} is not valid: {reason}; see pcap-filter(7)")]
    Filter {
        /// The interface.
        name: String,
        /// The filter.
        filter: String,
        /// What libpcap says.
        reason: String,
    },
    /// Anything else that libpcap says.
    #[error("cannot capture on {name}: {reason}")]
    Live {
        /// The interface.
        name: String,
        /// What libpcap says.
        reason: String,
    },
}
