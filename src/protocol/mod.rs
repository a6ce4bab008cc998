//! The protocols: one folder each, one line in [`REGISTRY`].
//!
//! A folder holds `wire.rs` (bytes in, borrowed views or a typed error out), `session.rs` (one conversation:
//! framing, pairing, latency), `codes.rs` (names) and `mod.rs` (the [`Protocol`] entry). Flows in: stream pieces
//! and datagrams of one conversation. Flows out: [`Event`](crate::event::Event)s.

use crate::address::{Side, Timestamp, Transport};
use crate::event::{Flow, Sink, Vocabulary};

pub mod dnp3;
pub mod iec104;
pub mod modbus;

/// Every protocol that Wayside decodes, in the order in which content is tried. The place is the vocabulary's id.
pub static REGISTRY: &[Protocol] = &[modbus::PROTOCOL, dnp3::PROTOCOL, iec104::PROTOCOL];

/// The words of every protocol, for rules and outputs.
pub fn vocabularies() -> Vec<&'static Vocabulary> {
    REGISTRY.iter().map(|protocol| protocol.words).collect()
}

/// What a protocol's probe says of the first bytes of a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Probe {
    /// Its own: nothing else looks like this.
    Certain,
    /// It may be the start of one of its messages; show the rest.
    Incomplete,
    /// Whole messages that may be its own, or another's.
    Unsure,
    /// Not this protocol.
    No,
}

/// One protocol, as the sensor needs it.
pub struct Protocol {
    /// Its words.
    pub words: &'static Vocabulary,
    /// TCP ports that are its own by assignment or custom.
    pub tcp_ports: &'static [u16],
    /// UDP ports that are its own by assignment or custom.
    pub udp_ports: &'static [u16],
    /// Looks at the start of a TCP segment or a whole datagram on a port that is not its own. It must be strict:
    /// a false [`Probe::Certain`] is a false decode.
    pub probe: fn(Transport, &[u8]) -> Probe,
    /// Starts the state of one conversation.
    pub open: fn(Transport) -> Box<dyn Session>,
}

impl Protocol {
    /// Whether this port is its own.
    pub fn owns(&self, transport: Transport, port: u16) -> bool {
        match transport {
            Transport::Tcp => self.tcp_ports.contains(&port),
            Transport::Udp => self.udp_ports.contains(&port),
            Transport::Ip(_) | Transport::Ethernet(_) => false,
        }
    }
}

/// Where and when bytes were seen.
#[derive(Clone, Copy)]
pub struct At<'a> {
    /// When the packet that completed these bytes was captured.
    pub ts: Timestamp,
    /// Its 1-based number.
    pub frame: u64,
    /// The conversation in both directions: `flows[Side::A.index()]` is what A sends to B.
    pub flows: &'a [Flow; 2],
    /// Who sent these bytes.
    pub sender: Side,
    /// Who opened the conversation, where the capture shows it (a TCP SYN).
    pub client: Option<Side>,
    /// Who listens on a port that is the protocol's own, where only one of the two does.
    pub server: Option<Side>,
}

impl<'a> At<'a> {
    /// The flow of these bytes.
    pub fn flow(&self) -> &'a Flow {
        self.flow_from(self.sender)
    }

    /// The flow of what this side sends.
    pub fn flow_from(&self, sender: Side) -> &'a Flow {
        match sender {
            Side::A => &self.flows[0],
            Side::B => &self.flows[1],
        }
    }

    /// Whether the sender is the client, by the port first and the handshake second; `None` where neither says.
    pub fn from_client(&self) -> Option<bool> {
        match (self.server, self.client) {
            (Some(server), _) => Some(self.sender != server),
            (None, Some(client)) => Some(self.sender == client),
            (None, None) => None,
        }
    }
}

/// The state of one conversation in one protocol. It never reads a clock and never panics, whatever it is given;
/// its memory is bounded. It emits events in the order in which their messages became complete.
pub trait Session: Send {
    /// Takes the next bytes of a TCP stream from one sender: in order, each byte once. The first call, and the
    /// first after [`Session::gap`], starts where a segment started, which need not be where a message starts.
    fn stream(&mut self, at: &At<'_>, bytes: &[u8], sink: &mut dyn Sink);

    /// Says that bytes from this sender are missing here: `lost` of them, 0 where their number is unknown.
    /// A message that had begun is lost; decoding starts anew at the next bytes.
    fn gap(&mut self, at: &At<'_>, lost: u64, sink: &mut dyn Sink);

    /// Takes one whole datagram.
    fn datagram(&mut self, at: &At<'_>, bytes: &[u8], sink: &mut dyn Sink);

    /// The conversation is over, or its memory is needed: says what remains to be said (a message that never
    /// became complete, requests that were never answered).
    fn close(&mut self, at: &At<'_>, sink: &mut dyn Sink);

    /// Octets on the heap.
    fn memory(&self) -> usize;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vocabulary_knows_its_place_and_keeps_its_functions_sorted() {
        for (at, protocol) in REGISTRY.iter().enumerate() {
            assert_eq!(usize::from(protocol.words.id), at, "{}", protocol.words.name);
            assert!(protocol.words.functions.is_sorted_by_key(|f| f.code), "{}", protocol.words.name);
        }
    }
}
