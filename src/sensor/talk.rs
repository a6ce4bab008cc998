//! What the sensor knows of one conversation: which protocol is spoken, its session, and the rules that concern
//! its two ends.

use crate::address::{Address, Endpoint, Side, Timestamp, Transport};
use crate::event::{Flow, Sink};
use crate::output::fold::Polls;
use crate::policy::Pair;
use crate::protocol::{At, Probe, Protocol, REGISTRY, Session};
use crate::stream::{Conversation, State};

/// Segments with data that no protocol takes for its own before the conversation is let alone.
const TRIES: u8 = 8;
/// Segments in a row that one protocol takes for possibly its own before it is believed.
const LIKELY: u8 = 3;
/// Octets that a segment must have to count towards that.
const TELLING: usize = 8;

/// One conversation.
pub enum Talk {
    /// Nobody knows yet what it speaks.
    New {
        /// What the segments and datagrams so far say.
        signs: Signs,
        /// Its last packet.
        frame: u64,
    },
    /// It speaks a protocol that Wayside decodes.
    Spoken(Box<Spoken>),
    /// It speaks something else, and has been judged as such.
    Other,
}

impl State for Talk {
    fn held(&self) -> usize {
        match self {
            Talk::New { signs, .. } => signs.held.as_ref().map_or(0, |held| held.iter().map(Vec::len).sum()),
            Talk::Spoken(spoken) => size_of::<Spoken>() + spoken.session.memory(),
            Talk::Other => 0,
        }
    }
}

impl Default for Talk {
    fn default() -> Self {
        Talk::New { signs: Signs::default(), frame: 0 }
    }
}

/// Octets of a message's start that are kept until the rest comes.
const HELD: usize = 300;

/// What is known of a conversation whose protocol is not.
#[derive(Default)]
pub struct Signs {
    /// Segments and datagrams that no protocol takes for its own.
    foreign: u8,
    /// Those in a row that one protocol takes for possibly its own, and which: its place in the registry.
    likely: (u8, u8),
    /// What may be the start of a message, from A and from B.
    held: Option<Box<[Vec<u8>; 2]>>,
}

impl Signs {
    /// What was held of this sender; it is no longer.
    pub fn take_held(&mut self, sender: Side) -> Vec<u8> {
        self.held.as_mut().map(|held| std::mem::take(&mut held[sender.index()])).unwrap_or_default()
    }

    /// Keeps the start of a message until the rest comes.
    pub fn hold(&mut self, sender: Side, bytes: &[u8]) {
        if bytes.len() <= HELD {
            self.held.get_or_insert_default()[sender.index()] = bytes.to_vec();
        } else {
            self.foreign = self.foreign.saturating_add(1);
        }
    }
}

/// What is remembered of a conversation beside what its session does.
#[derive(Default)]
pub struct Memo {
    /// The rules about what A sends and about what B sends, where they have been looked up.
    pub pairs: Option<[Pair; 2]>,
    /// Its polls, where the log folds them.
    pub polls: Option<Box<Polls>>,
}

/// A conversation in a known protocol.
pub struct Spoken {
    /// Both directions, as sent by A and by B.
    pub flows: [Flow; 2],
    /// The state of what is spoken.
    pub session: Box<dyn Session>,
    /// What is remembered of it beside what its session does.
    pub memo: Memo,
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
        Box::new(Spoken { flows, session, memo: Memo::default(), server, last: Default::default() })
    }

    /// Hands bytes, a gap or the end to the session. The sink is made from the rules that are cached here.
    pub fn tell<S: Sink>(
        &mut self,
        sender: Side,
        client: Option<Side>,
        sink: impl FnOnce(Memo) -> S,
        act: impl FnOnce(&mut dyn Session, &At<'_>, &mut dyn Sink),
        keep: impl FnOnce(S) -> Memo,
    ) {
        let (ts, frame) = self.last;
        let mut sink = sink(std::mem::take(&mut self.memo));
        let at = At { ts, frame, flows: &self.flows, sender, client, server: self.server };
        act(self.session.as_mut(), &at, &mut sink);
        self.memo = keep(sink);
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

/// Whether this is the network keeping itself in order rather than two parties talking: address resolution (ARP,
/// RARP, IPv6 neighbour discovery), link layer control (LLDP, LACP, loop detection, port authentication), group
/// membership (IGMP, MLD). It is not judged.
pub fn is_housekeeping(flow: &Flow) -> bool {
    match flow.transport {
        Transport::Ethernet(kind) => matches!(kind, 0x0806 | 0x8035 | 0x8809 | 0x888e | 0x88cc | 0x9000),
        Transport::Ip(2) => true,
        Transport::Ip(58) => matches!(flow.dst.address, Address::V6(a) if a.is_multicast()),
        _ => false,
    }
}

/// What the first bytes of a conversation say of its protocol.
pub enum Found {
    /// This protocol.
    Protocol(&'static Protocol),
    /// It may be the start of a message: the rest will tell.
    Incomplete,
    /// Not yet known.
    Unsure,
    /// None of ours, by all that was seen.
    None,
}

/// Looks at a segment or datagram of an unknown conversation: what it says first, then its ports. A protocol that
/// is certain by content wins over one that merely owns the port.
pub fn find<T>(conversation: &Conversation<T>, signs: &mut Signs, bytes: &[u8]) -> Found {
    let Conversation { ends, transport, client, .. } = conversation;
    if matches!(transport, Transport::Ip(_) | Transport::Ethernet(_)) {
        return Found::None;
    }
    let mut owner = None;
    let mut unsure = None;
    let mut incomplete = false;
    for (place, protocol) in (0u8..).zip(REGISTRY) {
        match (protocol.probe)(*transport, bytes) {
            Probe::Certain => return Found::Protocol(protocol),
            Probe::Unsure => unsure = unsure.or(Some((place, protocol))),
            Probe::Incomplete => incomplete = true,
            Probe::No => {}
        }
        if owner.is_none() && owned(protocol, ends, *transport, *client) {
            owner = Some(protocol);
        }
    }
    if let Some(protocol) = owner {
        return Found::Protocol(protocol);
    }
    match unsure {
        Some((place, protocol)) if bytes.len() >= TELLING => {
            let (before, count) = signs.likely;
            signs.likely = (place, if before == place { count + 1 } else { 1 });
            if signs.likely.1 >= LIKELY {
                return Found::Protocol(protocol);
            }
        }
        Some(_) => {}
        None if incomplete && *transport == Transport::Tcp => return Found::Incomplete,
        None => {
            signs.likely = (0, 0);
            signs.foreign = signs.foreign.saturating_add(1);
        }
    }
    if signs.foreign < TRIES { Found::Unsure } else { Found::None }
}

/// Whether a conversation is on a port of a protocol's own. A client's own port is chance, unless it is one of those
/// that only a service may have.
fn owned(protocol: &Protocol, ends: &[Endpoint; 2], transport: Transport, client: Option<Side>) -> bool {
    let owns = |end: &Endpoint| protocol.owns(transport, end.port);
    match client {
        Some(client) => {
            let own = &ends[client.index()];
            owns(&ends[client.other().index()]) || own.port < 1024 && owns(own)
        }
        None => ends.iter().any(owns),
    }
}
