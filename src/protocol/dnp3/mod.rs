//! DNP3, IEEE 1815-2012, over TCP and UDP.
//!
//! Flows in: stream pieces and datagrams of one conversation. Flows out: one event for each link frame, or for
//! each application fragment where several frames bring one. [`wire`] reads octets by the layers of the standard,
//! [`library`] holds every object's layout in one table, [`codes`] the names; [`session`] is the state of a
//! conversation, on [`framer`] (frames), [`association`] (fragments and pairing), [`digest`] (points and values)
//! and [`message`] (the protocol's own fields).

pub mod association;
pub mod codes;
pub mod digest;
pub mod framer;
pub mod library;
pub mod message;
pub mod session;
pub mod trouble;
pub mod value;
pub mod wire;

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

use super::{Probe, Protocol};
use crate::address::Transport;
use crate::event::{Space, Vocabulary};
use session::Conversation;
use wire::link::{self, Begin};

/// The registry entry.
pub const PROTOCOL: Protocol = Protocol {
    words: &WORDS,
    tcp_ports: &[20_000],
    udp_ports: &[20_000],
    probe,
    open: |_| Box::new(Conversation::new()),
};

/// What DNP3 calls things.
pub static WORDS: Vocabulary = Vocabulary {
    id: 1,
    name: "dnp3",
    title: "DNP3",
    device_key: "outstation",
    device_title: "outstation address",
    names_device: |_| false,
    functions: codes::FUNCTIONS,
    spaces: &["g1", "g10", "g12", "g20", "g30", "g40", "g41", "g60", "g110"],
    write_space: |space, f| write!(f, "g{}", space.0),
    write_point: message::write_points,
    parse_space,
    max_index: u32::MAX - 1,
};

/// Reads the name of a group: "g30".
fn parse_space(name: &str) -> Option<Space> {
    let digits = name.strip_prefix('g')?;
    let plain = !digits.is_empty()
        && digits.bytes().all(|b| b.is_ascii_digit())
        && (digits == "0" || !digits.starts_with('0'));
    plain.then(|| digits.parse::<u8>().ok())?.map(|group| Space(u16::from(group)))
}

/// Certain where a link header with a good CRC comes first; less than a header with the start octets may be one.
fn probe(_: Transport, bytes: &[u8]) -> Probe {
    match link::begin(bytes) {
        Begin::Header(_) => Probe::Certain,
        Begin::Short if !bytes.is_empty() => Probe::Incomplete,
        Begin::Short | Begin::Wrong(_) | Begin::Other => Probe::No,
    }
}
