//! What the sensor knows of one conversation: which protocol is spoken, its session, and the rules that concern
//! its two ends.

use crate::address::{Endpoint, Side, Timestamp, Transport};
use crate::event::{Flow, Sink};
use crate::policy::Pair;
use crate::protocol::{At, Probe, Protocol, REGISTRY, Session};
use crate::stream::Conversation;

/// Segments with data that may pass without any protocol recognising them before the conversation is let alone.
const TRIES: u8 = 8;

/// One conversation.
pub enum Talk {
    /// Nobody knows yet what it speaks.
    New {
        /// Segments and datagrams that no protocol recognised.
        tries: u8,
        /// Its last packet.
        frame: u64,
    },
    /// It speaks a protocol that Wayside decodes.
    Spoken(Box<Spoken>),
    /// It speaks something else, and has been judged as such.
    Other,
}

impl Default for Talk {
    fn default() -> Self {
        Talk::New { tries: 0, frame: 0 }
    }
}

/// A conversation in a known protocol.
pub struct Spoken {
    /// Both directions, as sent by A and by B.
    pub flows: [Flow; 2],
    /// The state of what is spoken.
    pub session: Box<dyn Session>,
    /// The rules about what A sends and about what B sends, where they have been looked up.
    pub pairs: Option<[Pair; 2]>,
    /// Who listens on a port of the protocol's own.
    server: Option<Side>,
    /// The last packet of the conversation.
    pub last: (Timestamp, u64),
}

impl Spoken {
    /// Starts a session; `flow` is what A sends.
    pub fn new(flow: Flow, protocol: &'static Protocol) -> Box<Spoken> {
        let owns = |end: &Endpoint| protocol.owns(flow.transport, end.port);
        let server = match (owns(&flow.src), owns(&flow.dst)) {
            (true, false) => Some(Side::A),
            (false, true) => Some(Side::B),
            _ => None,
        };
        let session = (protocol.open)(flow.transport);
        let flows = [flow.clone(), flow.reversed()];
        Box::new(Spoken { flows, session, pairs: None, server, last: Default::default() })
    }

    /// Hands bytes, a gap or the end to the session. The sink is made from the rules that are cached here.
    pub fn tell<S: Sink>(
        &mut self,
        sender: Side,
        client: Option<Side>,
        sink: impl FnOnce(Option<[Pair; 2]>) -> S,
        act: impl FnOnce(&mut dyn Session, &At<'_>, &mut dyn Sink),
        keep: impl FnOnce(S) -> Option<[Pair; 2]>,
    ) {
        let (ts, frame) = self.last;
        let mut sink = sink(self.pairs.take());
        let at = At { ts, frame, flows: &self.flows, sender, client, server: self.server };
        act(self.session.as_mut(), &at, &mut sink);
        self.pairs = keep(sink);
    }
}

/// What A sends, as an event's flow.
pub fn flow<T>(conversation: &Conversation<T>) -> Flow {
    let [a, b] = conversation.ends;
    let mut flow = Flow::new(a, b, conversation.transport);
    [flow.src_mac, flow.dst_mac] = conversation.macs;
    flow.vlan = conversation.vlan;
    flow
}

/// What the first bytes of a conversation say of its protocol.
pub enum Found {
    /// This protocol.
    Protocol(&'static Protocol),
    /// Not yet known.
    Unsure,
    /// None of ours, by all that was seen.
    None,
}

/// Looks at a segment or datagram of an unknown conversation: what it says first, then its ports. A protocol that
/// is certain by content wins over one that merely owns the port.
pub fn find<T>(conversation: &Conversation<T>, tries: u8, bytes: &[u8]) -> Found {
    let Conversation { ends, transport, client, .. } = conversation;
    if matches!(transport, Transport::Ip(_) | Transport::Ethernet(_)) {
        return Found::None;
    }
    let mut owner = None;
    for protocol in REGISTRY {
        if (protocol.probe)(*transport, bytes) == Probe::Certain {
            return Found::Protocol(protocol);
        }
        let owns = |end: &Endpoint| protocol.owns(*transport, end.port);
        // A client's own port is chance, unless it is one of those that only a service may have.
        let owned = match client {
            Some(client) => {
                let own = &ends[client.index()];
                owns(&ends[client.other().index()]) || own.port < 1024 && owns(own)
            }
            None => ends.iter().any(owns),
        };
        if owned {
            owner.get_or_insert(protocol);
        }
    }
    match owner {
        Some(protocol) => Found::Protocol(protocol),
        None if tries < TRIES => Found::Unsure,
        None => Found::None,
    }
}
