//! What is remembered of a conversation between two hosts.

use super::few::Few;
use super::latency::Latency;
use super::reading::{Span, Stamp, keep_later, widen};
use crate::address::{Address, Mac, Timestamp, Transport};
use crate::event::{Event, Flow, Kind, Outcome, Verb, Vocabulary};

/// Different refusals that are told apart in one conversation.
const REFUSALS: usize = 16;

/// Which conversation: all that two hosts say to each other in one protocol, over however many connections.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key {
    /// Who asks.
    pub client: Address,
    /// Who answers.
    pub server: Address,
    /// What carries it.
    pub transport: Transport,
    /// [`Vocabulary::id`]; `None` for what is none of our protocols.
    pub proto: Option<u8>,
    /// The server's port, for what is none of our protocols; 0 else.
    pub port: u16,
    /// Whether it is known who asks. Where it is not, who has the lower port is taken for the server.
    pub placed: bool,
}

/// Who of two is the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Client {
    Sender,
    Receiver,
    Unknown,
}

impl Key {
    /// The conversation of a message, and whether the client sent it.
    pub(super) fn of(event: &Event<'_>) -> (Key, bool) {
        let client = match (event.kind, event.verb) {
            (Kind::Request, _) => Client::Sender,
            (Kind::Response | Kind::Unsolicited, _) => Client::Receiver,
            (Kind::Malformed, _) | (Kind::Message, Verb::Session) => Client::Unknown,
            (Kind::Message, _) if event.is_piece() => Client::Unknown,
            // Who publishes is the device.
            (Kind::Message, Verb::Report) => Client::Receiver,
            (Kind::Message, _) => Client::Sender,
        };
        Key::placed(event.flow, client, Some(event.proto.id))
    }

    /// The conversation of a flow in none of our protocols, and whether the client sends in it.
    pub(super) fn of_flow(flow: &Flow, client_known: bool) -> (Key, bool) {
        Key::placed(flow, if client_known { Client::Sender } else { Client::Unknown }, None)
    }

    fn placed(flow: &Flow, client: Client, proto: Option<u8>) -> (Key, bool) {
        let (src, dst) = (flow.src, flow.dst);
        let sender_asks = match client {
            Client::Sender => true,
            Client::Receiver => false,
            // The same whoever speaks: groups only listen, the lower port listens, then the lower address asks.
            Client::Unknown if dst.address.is_group() != src.address.is_group() => dst.address.is_group(),
            Client::Unknown => (dst.port, src.address) < (src.port, dst.address),
        };
        let (from, to) = if sender_asks { (src, dst) } else { (dst, src) };
        let key = Key {
            client: from.address,
            server: to.address,
            transport: flow.transport,
            proto,
            port: if proto.is_none() { to.port } else { 0 },
            placed: client != Client::Unknown,
        };
        (key, sender_asks)
    }

    /// The same with the client known.
    pub(super) fn settled(self, turned: bool) -> Key {
        let (client, server) = if turned { (self.server, self.client) } else { (self.client, self.server) };
        Key { client, server, placed: true, ..self }
    }
}

/// A device behind the server's address: a Modbus unit, a DNP3 outstation address.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Unit {
    /// Its number; the protocol says what it means.
    pub device: u32,
    /// Requests to it.
    pub asked: u64,
    /// Its answers, refusals too.
    pub answered: u64,
    /// Reports that it sent unasked.
    pub reports: u64,
    /// Answers that a gateway gave in its stead: it is not there.
    pub absent: u64,
}

/// How often a device refused for one reason.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Refusal {
    /// The protocol's code.
    pub code: u8,
    /// Its name in the standard.
    pub name: &'static str,
    /// How often.
    pub count: u64,
}

/// What is remembered of a conversation.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Record {
    /// The protocol; `None` where it is none of ours.
    pub words: Option<&'static Vocabulary>,
    /// The ports of client and server: two each, the lowest.
    pub ports: [Few<u16, 2>; 2],
    /// The MAC addresses of client and server: two each.
    pub macs: [Few<Mac, 2>; 2],
    /// The VLANs that it was seen on.
    pub vlans: Few<u16, 2>,
    /// When it was seen.
    pub span: Option<Span>,
    /// Messages that the client and the server sent.
    pub sent: [u64; 2],
    /// Messages by what they do ([`Verb::index`]), without the answers.
    pub verbs: [u64; Verb::ALL.len()],
    /// Messages by their role ([`Kind::index`]).
    pub kinds: [u64; Kind::ALL.len()],
    /// Requests that were never answered.
    pub unanswered: u64,
    /// Answers that refused.
    pub exceptions: u64,
    /// Why, sorted by code.
    pub refusals: Vec<Refusal>,
    /// Times from request to response.
    pub latency: Latency,
    /// The client's last command.
    pub command: Option<Stamp>,
    /// The devices behind the server's address, sorted.
    pub units: Vec<Unit>,
    /// Messages about devices that there was no room for.
    pub units_left_out: u64,
    /// The time of its last message, in nanoseconds: it stays where the counts are handed over.
    pub(super) touched: i64,
    /// Whether the server has ever been heard; it stays too.
    pub(super) heard: bool,
}

/// Whether a message of this verb changes something in the device.
pub fn is_command(verb: Verb) -> bool {
    matches!(
        verb,
        Verb::Write | Verb::Select | Verb::Operate | Verb::Configure | Verb::Program | Verb::Restart
    )
}

impl Record {
    /// Takes a message that the client sent, or the server.
    pub(super) fn event(&mut self, event: &Event<'_>, from_client: bool, most_units: usize) {
        self.words = Some(event.proto);
        if event.outcome == Some(Outcome::Unanswered) {
            self.unanswered += 1;
            self.touched = self.touched.max(event.ts.nanos);
            // Nobody said it: it says nothing of when, or from where.
            return;
        }
        self.flow(event.flow, event.ts, from_client);
        self.sent[usize::from(!from_client)] += 1;
        self.heard |= !from_client;
        self.kinds[event.kind.index()] += 1;
        let answer = event.kind == Kind::Response;
        if !answer {
            self.verbs[event.verb.index()] += 1;
            if from_client && event.kind != Kind::Malformed && is_command(event.verb) {
                keep_later(&mut self.command, Some(Stamp { ts: event.ts, frame: event.frame }));
            }
        }
        if let Some(nanos) = event.latency {
            self.latency.see(nanos);
        }
        let mut absent = false;
        if let Some(Outcome::Exception { code, name }) = event.outcome {
            self.exceptions += 1;
            self.refused(Refusal { code, name, count: 1 });
            absent = name.starts_with("gateway") || name == "unknown common address";
        }
        let Some(device) = event.device.filter(|_| event.kind != Kind::Malformed && !event.is_piece()) else {
            return;
        };
        let Some(unit) = self.unit(device, most_units) else { return };
        match (event.kind, absent) {
            (_, true) => unit.absent += 1,
            (Kind::Response, _) => unit.answered += 1,
            _ if from_client => unit.asked += 1,
            _ => unit.reports += 1,
        }
    }

    /// Takes who speaks to whom, and when.
    pub(super) fn flow(&mut self, flow: &Flow, ts: Timestamp, from_client: bool) {
        let (client, server) =
            if from_client { (flow.src.port, flow.dst.port) } else { (flow.dst.port, flow.src.port) };
        self.ports[0].insert(client);
        self.ports[1].insert(server);
        let macs = if from_client { [flow.src_mac, flow.dst_mac] } else { [flow.dst_mac, flow.src_mac] };
        for (known, mac) in self.macs.iter_mut().zip(macs) {
            // A loopback interface has none.
            mac.filter(|mac| mac.0 != [0; 6]).into_iter().for_each(|mac| known.insert(mac));
        }
        flow.vlan.into_iter().for_each(|vlan| self.vlans.insert(vlan));
        widen(&mut self.span, Some(Span::at(ts)));
        self.touched = self.touched.max(ts.nanos);
    }

    fn refused(&mut self, new: Refusal) {
        match self.refusals.binary_search_by_key(&new.code, |refusal| refusal.code) {
            Ok(at) => {
                if let Some(known) = self.refusals.get_mut(at) {
                    known.count += new.count;
                }
            }
            // The total counts those that there is no room for.
            Err(at) if self.refusals.len() < REFUSALS => self.refusals.insert(at, new),
            Err(_) => {}
        }
    }

    fn unit(&mut self, device: u32, most: usize) -> Option<&mut Unit> {
        let at = match self.units.binary_search_by_key(&device, |unit| unit.device) {
            Ok(at) => at,
            Err(at) if self.units.len() < most => {
                self.units.insert(at, Unit { device, asked: 0, answered: 0, reports: 0, absent: 0 });
                at
            }
            Err(_) => {
                self.units_left_out += 1;
                return None;
            }
        };
        self.units.get_mut(at)
    }

    /// Hands over what was counted since the last time; what is known of the conversation stays.
    pub(super) fn take(&mut self) -> Record {
        let taken = self.clone();
        let Record { units, refusals, words, ports, macs, vlans, touched, heard, .. } = std::mem::take(self);
        *self = Record { units, refusals, words, ports, macs, vlans, touched, heard, ..Record::default() };
        for unit in &mut self.units {
            *unit = Unit { device: unit.device, asked: 0, answered: 0, reports: 0, absent: 0 };
        }
        self.refusals.iter_mut().for_each(|refusal| refusal.count = 0);
        taken
    }

    /// Whether anything was counted since it was handed over.
    pub(super) fn is_news(&self) -> bool {
        self.span.is_some() || self.unanswered > 0
    }

    /// Adds what another counted.
    pub(super) fn join(&mut self, other: &Record, most_units: usize) {
        self.words = self.words.or(other.words);
        for side in 0..2 {
            self.ports[side].join(&other.ports[side]);
            self.macs[side].join(&other.macs[side]);
            self.sent[side] += other.sent[side];
        }
        self.vlans.join(&other.vlans);
        widen(&mut self.span, other.span);
        self.verbs.iter_mut().zip(other.verbs).for_each(|(own, other)| *own += other);
        self.kinds.iter_mut().zip(other.kinds).for_each(|(own, other)| *own += other);
        self.unanswered += other.unanswered;
        self.exceptions += other.exceptions;
        other.refusals.iter().for_each(|refusal| self.refused(*refusal));
        self.latency.join(&other.latency);
        keep_later(&mut self.command, other.command);
        for new in &other.units {
            if let Some(unit) = self.unit(new.device, most_units) {
                unit.asked += new.asked;
                unit.answered += new.answered;
                unit.reports += new.reports;
                unit.absent += new.absent;
            }
        }
        self.units_left_out += other.units_left_out;
        self.touched = self.touched.max(other.touched);
        self.heard |= other.heard;
    }

    /// The same with client and server changed.
    pub(super) fn turned(mut self) -> Record {
        self.ports.reverse();
        self.macs.reverse();
        self.sent.reverse();
        self
    }

    /// All messages.
    pub fn messages(&self) -> u64 {
        self.sent.iter().sum()
    }

    /// Commands: messages of the client that change something in the device.
    pub fn commands(&self) -> u64 {
        Verb::ALL.into_iter().filter(|verb| is_command(*verb)).map(|verb| self.count(verb)).sum()
    }

    /// Messages of one verb, without the answers.
    pub fn count(&self, verb: Verb) -> u64 {
        self.verbs[verb.index()]
    }

    /// Messages of one kind.
    pub fn of_kind(&self, kind: Kind) -> u64 {
        self.kinds[kind.index()]
    }

    /// The port that somebody listens on, and whether it is the server: the one of the two that did not change.
    pub fn service(&self) -> Option<(u16, bool)> {
        let [client, server] = &self.ports;
        match (client.only(), server.only()) {
            // Where both stayed, what is usually given to clients is not it.
            (Some(client), Some(server)) if server >= 0x8000 && client < server => Some((client, false)),
            (_, Some(server)) => Some((server, true)),
            (Some(client), None) => Some((client, false)),
            (None, None) => server.first().map(|server| (server, true)),
        }
        .filter(|(port, _)| *port > 0)
    }
}
