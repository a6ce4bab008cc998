//! Segments and datagrams of a few conversations through the flow table, held against a simple model: every octet
//! comes once, in order and as it was sent first; holes are as large as what is missing; memory is bounded.
//!
//! The first octet picks the bounds. Acts follow, of five octets each:
//! - the first: bits 0 and 1 the conversation (the last of datagrams), bit 2 the sender, bits 3 to 5 the kind (0 to 2
//!   data, 3 data without PSH, 4 SYN, 5 FIN or RST, 6 data far away, 7 that old conversations are let go), bits 6 and 7
//!   the contents, so that two segments may disagree;
//! - the second and third, little-endian: the place in the stream;
//! - the fourth: the length;
//! - the fifth: bits 0 to 3 how much time passes before (from none to hours), bit 4 the ACK flag, bit 5 that only half
//!   was captured, bit 6 that the length is eight times as much, bit 7 a SYN's ACK or RST instead of FIN.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use wayside::address::{Endpoint, Side, Timestamp, Transport};
use wayside::packet::{Packet, Tcp};
use wayside::stream::{Conversation, Delivery, FlowTable, Limits};

/// How far from the expected place a segment is still believed, in octets.
const WINDOW: i64 = 4 << 20;
/// Where the streams start: near the end of the sequence numbers.
const START: u32 = u32::MAX - 1_000;
const DATAGRAMS: usize = 3;

thread_local! {
    static ROOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fuzz_target!(|bytes: &[u8]| ROOM.with_borrow_mut(|room| play(bytes, room)));

fn play(bytes: &[u8], room: &mut Vec<u8>) {
    let Some((bounds, mut rest)) = bytes.split_first() else { return };
    let limits = Limits {
        flows: 1 + usize::from(bounds & 3),
        stream: 200 << (bounds >> 2 & 3) * 2,
        streams: 200 << (bounds >> 4 & 3) * 2,
        ..Limits::default()
    };
    let mut table: FlowTable<()> = FlowTable::new(limits);
    let mut model = Model::default();
    let mut now = 1_700_000_000_000_000_000i64;
    while let Some(([what, low, high, length, more], after)) = rest.split_first_chunk::<5>() {
        rest = after;
        now += (1 << ((more & 15) * 3)) - 1;
        let ts = Timestamp::from_nanos(now);
        let talk = usize::from(what & 3);
        let side = usize::from(what >> 2 & 1);
        let kind = what >> 3 & 7;
        if kind == 7 {
            model.act = None;
            table.expire(ts, &mut |conversation, side, delivery| model.take(conversation, side, delivery));
            continue;
        }
        let place = u32::from(u16::from_le_bytes([*low, *high]));
        let seq = START.wrapping_add(if kind == 6 { place << 16 } else { place });
        let length = usize::from(*length) << if more & 64 == 0 { 0 } else { 3 };
        let version = what >> 6;
        room.clear();
        room.extend((0..length).map(|at| content(seq.wrapping_add(at as u32), version)));
        let captured = if more & 32 == 0 { length } else { length / 2 };
        let ends = [end(talk, 0), end(talk, 1)];
        // Of a SYN the place is that of the first octet of data, as of the others.
        let tcp = (talk != DATAGRAMS).then_some(Tcp {
            seq: if kind == 4 { seq.wrapping_sub(1) } else { seq },
            ack: START.wrapping_add(place),
            syn: kind == 4,
            ack_flag: more & 16 != 0,
            fin: kind == 5 && more & 128 == 0,
            rst: kind == 5 && more & 128 != 0,
            psh: kind != 3,
        });
        let packet = Packet {
            src: ends[side],
            dst: ends[1 - side],
            transport: if talk == DATAGRAMS { Transport::Udp } else { Transport::Tcp },
            src_mac: None,
            dst_mac: None,
            vlan: None,
            ip_id: 0,
            tcp,
            payload: room.get(..captured).unwrap_or_default(),
            cut: (length - captured) as u32,
        };
        model.begin(Act { talk, side, seq, length, captured, version, syn: kind == 4, pushed: kind != 3 });
        table.packet(ts, &packet, &mut |conversation, side, delivery| {
            model.take(conversation, side, delivery)
        });
        model.agrees(&table, &limits);
    }
    model.act = None;
    table.finish(&mut |conversation, side, delivery| model.take(conversation, side, delivery));
    model.agrees(&table, &limits);
    assert!(table.is_empty() && table.buffered() == 0);
    assert_eq!(table.counters().opened, model.closed);
}

fn end(talk: usize, side: usize) -> Endpoint {
    Endpoint::new(std::net::IpAddr::from([10, 0, talk as u8, side as u8]), 1_000)
}

/// The octet at a place of a stream, in one of the versions that are sent of it.
fn content(at: u32, version: u8) -> u8 {
    (at as u8) ^ ((at >> 8) as u8).wrapping_mul(29) ^ version.wrapping_mul(0x55)
}

/// One packet on its way.
#[derive(Clone, Copy)]
struct Act {
    talk: usize,
    side: usize,
    /// The place of its first octet.
    seq: u32,
    length: usize,
    captured: usize,
    version: u8,
    syn: bool,
    pushed: bool,
}

/// Octets of a stream that came and were believed.
#[derive(Clone, Copy)]
struct Sent {
    seq: u32,
    length: u32,
    version: u8,
}

/// One direction of a connection.
#[derive(Default)]
struct Stream {
    /// The place that comes next, once it began.
    next: Option<u32>,
    sent: Vec<Sent>,
}

/// What should come.
#[derive(Default)]
struct Model {
    streams: [[Stream; 2]; DATAGRAMS],
    /// The sender of the first packet of each conversation that is open.
    first: [Option<usize>; DATAGRAMS + 1],
    act: Option<Act>,
    /// Whether that one was believed.
    believed: bool,
    gaps: u64,
    lost: u64,
    datagrams: u64,
    delivered: u64,
    closed: u64,
}

/// How far `to` lies ahead of `from`.
fn distance(from: u32, to: u32) -> i64 {
    i64::from(to.wrapping_sub(from) as i32)
}

impl Model {
    /// A packet comes.
    fn begin(&mut self, act: Act) {
        self.act = Some(act);
        self.datagrams += u64::from(act.talk == DATAGRAMS);
        self.apply(act);
    }

    /// What a packet adds to what may be delivered.
    fn apply(&mut self, act: Act) {
        self.believed = false;
        self.first[act.talk].get_or_insert(act.side);
        let Some(streams) = self.streams.get_mut(act.talk) else { return };
        let stream = &mut streams[act.side];
        if act.syn {
            stream.next.get_or_insert(act.seq);
        }
        // A keep-alive before anything else is no data.
        if act.length == 0 || stream.next.is_none() && act.captured == 1 && !act.pushed {
            return;
        }
        let next = *stream.next.get_or_insert(act.seq);
        self.believed = distance(next, act.seq).abs() <= WINDOW;
        if self.believed {
            stream.believe(act);
        }
    }

    fn take(&mut self, conversation: &mut Conversation<()>, side: Side, delivery: Delivery<'_>) {
        let [_, _, talk, sender] = match conversation.ends[side.index()].address {
            wayside::address::Address::V4(address) => address.octets(),
            other => panic!("{other}"),
        };
        let (talk, sender) = (usize::from(talk), usize::from(sender));
        let first = if side == Side::A { sender } else { 1 - sender };
        assert_eq!(self.first[talk], Some(first));
        let Some(streams) = self.streams.get_mut(talk) else {
            match (delivery, self.act) {
                (Delivery::Datagram(bytes), Some(act)) => {
                    assert_eq!((talk, sender, bytes.len()), (act.talk, act.side, act.captured));
                    is(bytes, act.seq, act.version);
                    self.delivered += 1;
                }
                (Delivery::Closed, _) => self.close(talk),
                other => panic!("{:?} of datagrams", other.0),
            }
            return;
        };
        let stream = &mut streams[sender];
        let Some(next) = stream.next else {
            assert_eq!(delivery, Delivery::Closed);
            return self.close(talk);
        };
        match delivery {
            Delivery::Data(bytes) => {
                assert!(!bytes.is_empty());
                stream.holds(next, bytes);
                stream.next = Some(next.wrapping_add(bytes.len() as u32));
            }
            Delivery::Gap(0) => {
                let act = self.act.filter(|act| (act.talk, act.side) == (talk, sender));
                let act = act.unwrap_or_else(|| panic!("a gap of no size out of nothing"));
                assert!(!self.believed, "a gap of no size before a segment of this place");
                self.believed = true;
                stream.sent.clear();
                stream.next = Some(act.seq);
                stream.believe(act);
                self.gaps += 1;
            }
            Delivery::Gap(lost) => {
                assert!(lost <= u64::from(u32::MAX));
                let after = next.wrapping_add(lost as u32);
                let known = |sent: &&Sent| {
                    distance(sent.seq, after) > 0 && distance(next, sent.seq.wrapping_add(sent.length)) > 0
                };
                assert!(stream.sent.iter().find(known).is_none(), "a gap over what came");
                stream.next = Some(after);
                (self.gaps, self.lost) = (self.gaps + 1, self.lost + lost);
            }
            Delivery::Closed => self.close(talk),
            Delivery::Datagram(_) => panic!("a datagram of a stream"),
        }
    }

    /// A conversation is over: all that came was delivered or came too late.
    fn close(&mut self, talk: usize) {
        self.closed += 1;
        self.first[talk] = None;
        let Some(streams) = self.streams.get_mut(talk) else { return };
        let act = self.act.filter(|act| act.talk == talk);
        for (sender, stream) in streams.iter_mut().enumerate() {
            // What the packet brings that ended it belongs to the next.
            if self.believed && act.is_some_and(|act| act.side == sender) {
                stream.sent.pop();
            }
            if let Some(next) = stream.next {
                let late =
                    |sent: &Sent| sent.length == 0 || distance(sent.seq.wrapping_add(sent.length), next) >= 0;
                assert!(stream.sent.iter().all(late), "octets that were never delivered");
            }
            *stream = Stream::default();
        }
        if let Some(act) = act {
            self.apply(act);
        }
    }

    fn agrees(&self, table: &FlowTable<()>, limits: &Limits) {
        let counters = table.counters();
        assert!(table.len() <= limits.flows);
        assert!(table.buffered() <= limits.streams + limits.stream, "{} octets held", table.buffered());
        assert_eq!((counters.gaps, counters.lost), (self.gaps, self.lost));
        assert_eq!(counters.copies + self.delivered, self.datagrams);
        assert_eq!(counters.opened - self.closed, table.len() as u64);
    }
}

impl Stream {
    fn believe(&mut self, act: Act) {
        self.sent.push(Sent { seq: act.seq, length: act.captured as u32, version: act.version });
    }

    /// Checks octets from this place on against what was sent first.
    fn holds(&self, place: u32, bytes: &[u8]) {
        let (mut at, mut rest) = (place, bytes);
        while !rest.is_empty() {
            let mut run = rest.len();
            let mut found = None;
            for sent in &self.sent {
                let (behind, left) =
                    (distance(sent.seq, at), distance(at, sent.seq.wrapping_add(sent.length)));
                if behind >= 0 && left > 0 {
                    run = run.min(left as usize);
                    found = Some(sent.version);
                    break;
                }
                if behind < 0 && sent.length > 0 {
                    run = run.min(-behind as usize);
                }
            }
            let Some(version) = found else { panic!("octets that were not sent") };
            let (same, after) = rest.split_at(run);
            is(same, at, version);
            (at, rest) = (at.wrapping_add(run as u32), after);
        }
    }
}

fn is(bytes: &[u8], place: u32, version: u8) {
    for (at, octet) in bytes.iter().enumerate() {
        assert_eq!(*octet, content(place.wrapping_add(at as u32), version), "at {at} of {}", bytes.len());
    }
}
