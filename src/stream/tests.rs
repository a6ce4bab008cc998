use super::*;
use crate::packet::Checksum;
use std::net::Ipv4Addr;

fn end(last: u8, port: u16) -> Endpoint {
    Endpoint { address: Address::V4(Ipv4Addr::new(10, 0, 0, last)), port }
}

fn packet<'a>(src: Endpoint, dst: Endpoint, tcp: Option<Tcp>, payload: &'a [u8]) -> Packet<'a> {
    let transport = if tcp.is_some() { Transport::Tcp } else { Transport::Udp };
    Packet {
        src,
        dst,
        transport,
        src_mac: None,
        dst_mac: None,
        vlan: None,
        ip_id: 0,
        ttl: 64,
        checksum: Checksum::Unknown,
        tcp,
        payload,
        cut: 0,
    }
}

fn tcp(seq: u32, flags: &str) -> Option<Tcp> {
    let has = |flag| flags.contains(flag);
    Some(Tcp {
        seq,
        ack: 0,
        syn: has('S'),
        ack_flag: has('A'),
        fin: has('F'),
        rst: has('R'),
        psh: true,
        urgent: false,
    })
}

/// Counts what is delivered; each delivery holds an octet.
#[derive(Default)]
struct Count(u32);

impl State for Count {
    fn held(&self) -> usize {
        self.0 as usize
    }
}

struct Table {
    flows: FlowTable<Count>,
    told: Vec<String>,
    now: i64,
    number: u64,
}

impl Table {
    fn new(flows: usize) -> Self {
        let limits = Limits { flows, ..Limits::default() };
        Table { flows: FlowTable::new(limits), told: Vec::new(), now: 0, number: 0 }
    }

    fn packet(&mut self, packet: &Packet<'_>) {
        let told = &mut self.told;
        let ts = Timestamp::from_nanos(self.now);
        self.number += 1;
        self.flows.packet(self.number, ts, packet, &mut |conversation, side, delivery| {
            conversation.state.0 += 1;
            told.push(format!("{side:?} {delivery:?}"));
        });
    }

    fn send(&mut self, seq: u32, flags: &str, payload: &[u8]) {
        self.packet(&packet(end(1, 40_000), end(2, 502), tcp(seq, flags), payload));
    }

    fn answer(&mut self, seq: u32, flags: &str, payload: &[u8]) {
        self.packet(&packet(end(2, 502), end(1, 40_000), tcp(seq, flags), payload));
    }

    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }
}

#[test]
fn a_connection_with_every_packet_twice_says_nothing_twice() {
    let mut t = Table::new(10);
    for _ in 0..2 {
        t.send(9, "S", b"");
    }
    for _ in 0..2 {
        t.answer(99, "SA", b"");
    }
    for _ in 0..2 {
        t.send(10, "A", b"ask");
    }
    for _ in 0..2 {
        t.answer(100, "A", b"tell");
    }
    for flags in ["FA", "FA"] {
        t.send(13, flags, b"");
        t.answer(104, flags, b"");
    }
    assert_eq!(t.told(), ["A Data([97, 115, 107])", "B Data([116, 101, 108, 108])"]);
    assert_eq!((t.flows.len(), t.flows.counters().opened, t.flows.counters().retransmitted), (1, 1, 2));
}

#[test]
fn the_handshake_tells_who_opened_it() {
    let mut t = Table::new(10);
    t.answer(99, "SA", b"");
    t.flows.finish(&mut |conversation, _, delivery| {
        assert_eq!(delivery, Delivery::Closed);
        assert_eq!(conversation.client, Some(Side::B), "the one that the SYN-ACK went to");
    });
}

#[test]
fn a_port_used_again_is_a_new_conversation_and_a_late_syn_is_not() {
    let mut t = Table::new(10);
    t.send(500, "A", b"ab");
    t.send(499, "S", b"");
    assert_eq!(t.told(), ["A Data([97, 98])"]);
    t.send(7_000_000, "S", b"");
    t.send(7_000_001, "A", b"cd");
    assert_eq!(t.told(), ["A Closed", "A Data([99, 100])"]);
    assert_eq!(t.flows.counters().opened, 2);
}

#[test]
fn data_after_an_injected_reset_still_counts() {
    let mut t = Table::new(10);
    t.send(10, "A", b"ab");
    t.answer(0, "R", b"");
    t.send(12, "A", b"cd");
    assert_eq!(t.told(), ["A Data([97, 98])", "A Data([99, 100])"]);
}

#[test]
fn a_mirrors_copy_of_a_datagram_is_dropped_and_a_real_repetition_is_not() {
    let mut t = Table::new(10);
    let poll = packet(end(1, 20_000), end(2, 20_000), None, b"poll");
    t.packet(&poll);
    t.now += 100_000;
    t.packet(&poll);
    t.now += 1_000_000_000;
    t.packet(&poll);
    assert_eq!(t.told().len(), 2);
    assert_eq!(t.flows.counters().copies, 1);
}

#[test]
fn the_quietest_goes_first_when_the_table_is_full() {
    let mut t = Table::new(2);
    for (port, at) in [(1, 0), (2, 2), (1, 4), (3, 6)] {
        t.now = at * 1_000_000_000;
        t.packet(&packet(end(1, port), end(2, 502), tcp(1, "A"), b"x"));
    }
    assert_eq!((t.flows.len(), t.flows.counters().evicted), (2, 1));
    let mut left = Vec::new();
    t.flows.finish(&mut |conversation, _, _| left.push(conversation.ends[0].port));
    left.sort();
    assert_eq!(left, [1, 3]);
}

#[test]
fn quiet_and_closed_conversations_are_forgotten_in_time() {
    let mut t = Table::new(10);
    t.send(1, "A", b"x");
    t.packet(&packet(end(3, 1), end(2, 502), tcp(1, "R"), b""));
    let mut closed = 0;
    t.flows.expire(Timestamp::from_nanos(61_000_000_000), &mut |_, _, _| closed += 1);
    assert_eq!((closed, t.flows.len()), (1, 1));
    t.flows.expire(Timestamp::from_nanos(7_201_000_000_000), &mut |_, _, _| closed += 1);
    assert_eq!((closed, t.flows.len()), (2, 0));
}

#[test]
fn a_flood_of_new_flows_stays_within_the_bound() {
    let mut t = Table::new(1_000);
    for n in 0..200_000u32 {
        let src = Endpoint { address: Address::V4(Ipv4Addr::from_bits(n)), port: 1 };
        t.packet(&packet(src, end(2, 502), tcp(1, "S"), b""));
    }
    assert_eq!((t.flows.len(), t.flows.entries.len()), (1_000, 1_000));
    assert_eq!(t.flows.counters().evicted, 199_000);
}

#[test]
fn the_state_of_an_idle_conversation_is_small() {
    assert!(size_of::<Entry<[u64; 2]>>() <= 320, "{}", size_of::<Entry<[u64; 2]>>());
}

#[test]
fn states_that_hold_too_much_make_the_oldest_conversation_go() {
    let mut t = Table::new(100);
    t.flows.limits.states = 10;
    for port in 1..=4 {
        for seq in 1..=3 {
            t.now += 2_000_000_000;
            t.packet(&packet(end(1, port), end(2, 502), tcp(seq, "A"), b"x"));
        }
    }
    // The eleventh octet made the first conversation go.
    assert_eq!((t.flows.counters().states_full, t.flows.len(), t.flows.held), (1, 3, 9));
    t.flows.finish(&mut |_, _, _| {});
    assert_eq!(t.flows.held, 0);
}
