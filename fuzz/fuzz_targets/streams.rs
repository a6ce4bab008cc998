//! Segments and datagrams of a few conversations through the flow table, held against a simple model: every octet
//! comes once, in order and as it was sent first; nothing that came is told as missing; memory is bounded.
//!
//! The model does not know whether a segment that a receiver probably drops counts: the stream may deliver it or not.
//! Where such a segment may have moved the stream, it no longer says anything of this stream.
//!
//! The first octet picks the bounds. Acts follow, of five octets each:
//! - the first: bits 0 and 1 the conversation (the last of datagrams), bit 2 the sender, bits 3 to 5 the kind (0 to 2
//!   data, 3 data without PSH, 4 SYN, 5 FIN or RST, 6 data far away, 7 that old conversations are let go), bits 6 and 7
//!   the contents, so that two segments may disagree;
//! - the second and third, little-endian: the place in the stream;
//! - the fourth: the length;
//! - the fifth: bits 0 to 3 how much time passes before (from none to hours), bit 4 the ACK flag, bit 5 that only half
//!   was captured, bit 6 that the length is eight times as much, bit 7 RST instead of FIN; of other
//!   kinds, that a receiver probably drops it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wayside::address::{Endpoint, Side, Timestamp, Transport};
use wayside::packet::{Checksum, Packet, Tcp};
use wayside::stream::{Conversation, Delivery, FlowTable, Limits, State};

/// How far from the expected place a segment is still believed, in octets.
const WINDOW: i64 = 4 << 20;
/// Where the streams start: near the end of the sequence numbers.
const START: u32 = u32::MAX - 1_000;
const DATAGRAMS: usize = 3;

fuzz_target!(|bytes: &[u8]| {
    let Some((bounds, mut rest)) = bytes.split_first() else { return };
    let limits = Limits {
        flows: 1 + usize::from(bounds & 3),
        stream: 200 << (bounds >> 2 & 3) * 2,
        streams: 200 << (bounds >> 4 & 3) * 2,
        ..Limits::default()
    };
    let mut table: FlowTable<Stateless> = FlowTable::new(limits);
    let mut model = Model::default();
    let mut number = 0;
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
        let captured = if more & 32 == 0 { length } else { length / 2 };
        let ends = [end(talk, 0), end(talk, 1)];
        // Of a SYN the place is that of the first octet of data, as of the others.
        let dubious = kind != 5 && more & 128 != 0;
        let tcp = (talk != DATAGRAMS).then_some(Tcp {
            seq: if kind == 4 { seq.wrapping_sub(1) } else { seq },
            ack: START.wrapping_add(place),
            syn: kind == 4,
            ack_flag: more & 16 != 0,
            fin: kind == 5 && more & 128 == 0,
            rst: kind == 5 && more & 128 != 0,
            psh: kind != 3,
            urgent: false,
        });
        let packet = Packet {
            src: ends[side],
            dst: ends[1 - side],
            transport: if talk == DATAGRAMS { Transport::Udp } else { Transport::Tcp },
            src_mac: None,
            dst_mac: None,
            vlan: None,
            ip_id: 0,
            ttl: if dubious { 9 } else { 64 },
            checksum: if dubious { Checksum::Bad } else { Checksum::Good },
            tcp,
            payload: contents(seq, version, captured),
            cut: (length - captured) as u32,
        };
        let ack = (more & 16 != 0).then_some(START.wrapping_add(place));
        let (syn, pushed) = (kind == 4, kind != 3);
        // What was not captured in full is not doubted.
        let dubious = dubious && captured == length;
        model.begin(Act { talk, side, seq, length, captured, version, syn, ack, pushed, dubious });
        number += 1;
        table.packet(number, ts, &packet, &mut |conversation, side, delivery| {
            model.take(conversation, side, delivery)
        });
        model.agrees(&table, &limits);
    }
    model.act = None;
    table.finish(&mut |conversation, side, delivery| model.take(conversation, side, delivery));
    model.agrees(&table, &limits);
    assert!(table.is_empty() && table.buffered() == 0);
    assert_eq!(table.counters().opened, model.closed);
});

fn end(talk: usize, side: usize) -> Endpoint {
    Endpoint::new(std::net::IpAddr::from([10, 0, talk as u8, side as u8]), 1_000)
}

/// The octets from a place of a stream on, in one of the versions that are sent of it. They are the same again after
/// 64 KiB.
fn contents(place: u32, version: u8, length: usize) -> &'static [u8] {
    static ALL: LazyLock<[Vec<u8>; 4]> = LazyLock::new(|| {
        [0u8, 1, 2, 3].map(|version| {
            let octet =
                |at: u32| (at as u8) ^ ((at >> 8) as u8).wrapping_mul(29) ^ version.wrapping_mul(0x55);
            (0..2 << 16).map(|at| octet(at & 0xffff)).collect()
        })
    });
    let place = place as usize & 0xffff;
    ALL.get(usize::from(version))
        .and_then(|all| all.get(place..place + length))
        .expect("a version, 64 KiB at most")
}

/// What the table keeps for its user: nothing.
#[derive(Default)]
struct Stateless;

impl State for Stateless {
    fn held(&self) -> usize {
        0
    }
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
    ack: Option<u32>,
    pushed: bool,
    dubious: bool,
}

/// Octets of a stream that came.
#[derive(Clone, Copy)]
struct Sent {
    seq: u32,
    length: u32,
    version: u8,
}

impl Sent {
    fn end(&self) -> u32 {
        self.seq.wrapping_add(self.length)
    }
}

/// One direction of a connection.
#[derive(Default)]
struct Stream {
    /// The place that comes next, once it began.
    next: Option<u32>,
    isn: Option<u32>,
    /// What came and counts, in the order in which it came.
    sent: Vec<Sent>,
    /// What came and counts perhaps.
    perhaps: Vec<Sent>,
    /// Nobody knows where the stream is.
    lost: bool,
    /// What the present packet made the stream skip.
    skipped: Vec<(u32, u32)>,
}

/// What should come.
#[derive(Default)]
struct Model {
    streams: [[Stream; 2]; DATAGRAMS],
    /// The sender of the first packet of each conversation that is open.
    first: [Option<usize>; DATAGRAMS + 1],
    act: Option<Act>,
    /// Whether that one counts for sure: it is the last of `sent`.
    counts: bool,
    gaps: u64,
    missing: u64,
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
        self.counts = false;
        self.first[act.talk].get_or_insert(act.side);
        let Some([a, b]) = self.streams.get_mut(act.talk) else { return };
        let (stream, other) = if act.side == 0 { (a, b) } else { (b, a) };
        if act.syn {
            if !stream.syn(act.seq) {
                return;
            }
            // The answer to a SYN says where the other side starts.
            if let (Some(ack), None) = (act.ack, other.next) {
                other.lost |= stream.lost;
                other.syn(ack);
            }
        }
        let sent = Sent { seq: act.seq, length: act.captured as u32, version: act.version };
        if act.length == 0 {
            return;
        }
        if act.dubious || act.syn && act.captured == act.length {
            stream.lost |= stream.next.is_none();
            stream.perhaps.push(sent);
            return;
        }
        // A keep-alive before anything else is no data.
        if stream.next.is_none() && act.captured == 1 && !act.pushed {
            return;
        }
        let next = *stream.next.get_or_insert(act.seq);
        self.counts = distance(next, act.seq).abs() <= WINDOW;
        if self.counts {
            stream.sent.push(sent);
        }
    }

    fn take(&mut self, conversation: &mut Conversation<Stateless>, side: Side, delivery: Delivery<'_>) {
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
        let act = self.act.filter(|act| (act.talk, act.side) == (talk, sender));
        let present = act.is_some() && self.counts;
        match (delivery, stream.next) {
            (Delivery::Closed, _) => self.close(talk),
            (Delivery::Datagram(_), _) => panic!("a datagram of a stream"),
            (Delivery::Gap(octets), next) => {
                (self.gaps, self.missing) = (self.gaps + 1, self.missing + octets);
                match (octets, next) {
                    _ if stream.lost => {}
                    (_, None) => panic!("a gap before the stream"),
                    (0, Some(_)) => {
                        assert!(
                            act.is_some() || !stream.perhaps.is_empty(),
                            "a gap of no size out of nothing"
                        );
                        stream.lost = !stream.perhaps.is_empty();
                        stream.jump(act, present);
                        self.counts |= act.is_some();
                    }
                    (octets, Some(next)) => {
                        let after =
                            next.wrapping_add(u32::try_from(octets).expect("less than the numbers go round"));
                        stream.skip(next, after, present);
                    }
                }
            }
            (Delivery::Data(bytes), next) => {
                assert!(!bytes.is_empty());
                if !stream.lost {
                    let next = next.expect("a stream that began");
                    stream.holds(next, bytes);
                    stream.next = Some(next.wrapping_add(bytes.len() as u32));
                }
            }
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
            if self.counts && act.is_some_and(|act| act.side == sender) {
                stream.sent.pop();
            }
            if let (Some(next), false) = (stream.next, stream.lost) {
                let late = |sent: &Sent| sent.length == 0 || distance(sent.end(), next) >= 0;
                assert!(stream.sent.iter().all(late), "octets that were never delivered");
            }
            *stream = Stream::default();
        }
        if let Some(act) = act {
            self.apply(act);
        }
    }

    fn agrees(&mut self, table: &FlowTable<Stateless>, limits: &Limits) {
        let counters = table.counters();
        assert!(table.len() <= limits.flows);
        let most = limits.streams + 2 * limits.stream;
        assert!(table.buffered() <= most, "{} octets held, {most} at most", table.buffered());
        assert_eq!((counters.gaps, counters.lost), (self.gaps, self.missing));
        assert_eq!(counters.copies + self.delivered, self.datagrams);
        assert_eq!(counters.opened - self.closed, table.len() as u64);
        let Some(act) = self.act else { return };
        for stream in self.streams.get_mut(act.talk).into_iter().flatten() {
            for (from, to) in std::mem::take(&mut stream.skipped) {
                let known = stream.sent.last().is_some_and(|sent| sent.touches(from, to));
                assert!(!known || stream.lost, "a gap over what comes");
            }
        }
    }
}

impl Sent {
    fn touches(&self, from: u32, to: u32) -> bool {
        self.length > 0 && distance(self.seq, to) > 0 && distance(from, self.end()) > 0
    }
}

impl Stream {
    /// A SYN comes, before octets of this place; false where it is another connection's.
    fn syn(&mut self, first: u32) -> bool {
        let belongs = match (self.next, self.isn) {
            (None, _) => true,
            (Some(_), Some(isn)) => isn == first,
            (Some(next), None) => (0..=65_536).contains(&distance(first.wrapping_sub(1), next)),
        };
        if belongs {
            self.next.get_or_insert(first);
            self.isn = Some(first);
        }
        belongs || self.lost
    }

    /// The stream goes on at the place of this packet.
    fn jump(&mut self, act: Option<Act>, present: bool) {
        let act = act.filter(|_| !self.lost);
        self.sent.clear();
        self.skipped.clear();
        self.next = act.map(|act| act.seq).or(self.next);
        if let Some(act) = act {
            debug_assert!(!present || !act.dubious);
            self.sent.push(Sent { seq: act.seq, length: act.captured as u32, version: act.version });
        }
    }

    /// The stream skips octets: none of them has come.
    fn skip(&mut self, next: u32, after: u32, present: bool) {
        let before = self.sent.len() - usize::from(present);
        let known = self.sent.iter().take(before).any(|sent| sent.touches(next, after));
        assert!(!known, "a gap over what came");
        // Of the present packet it is known only when all is done: the stream may go elsewhere because of it.
        self.skipped.push((next, after));
        self.next = Some(after);
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
            if !self.perhaps.is_empty() {
                return self.came(place, bytes);
            }
            let Some(version) = found else { panic!("octets that were not sent") };
            let (same, after) = rest.split_at(run);
            is(same, at, version);
            (at, rest) = (at.wrapping_add(run as u32), after);
        }
    }
}

impl Stream {
    /// Checks that octets from this place on came at all, in whatever order.
    fn came(&self, place: u32, bytes: &[u8]) {
        for (at, octet) in bytes.iter().enumerate() {
            let at = place.wrapping_add(at as u32);
            let mut sent =
                self.sent.iter().chain(&self.perhaps).filter(|sent| sent.touches(at, at.wrapping_add(1)));
            assert!(sent.any(|sent| contents(at, sent.version, 1) == [*octet]), "octets that were not sent");
        }
    }
}

fn is(bytes: &[u8], place: u32, version: u8) {
    assert!(bytes == contents(place, version, bytes.len()), "other octets than came first");
}
