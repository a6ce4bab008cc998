//! What a conversation that is quiet costs in memory.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use etherparse::PacketBuilder;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::sync::Arc;
use wayside::address::Timestamp;
use wayside::alert::{Desk, Grouping};
use wayside::capture::{Frame, Link};
use wayside::sensor::pipeline::{self, Parts, Pipeline};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Conversations of a kind: as many as fill the flow table's memory to the power of two that it grows to.
const CONVERSATIONS: u32 = 57_000;

/// A reply to read 10 registers, and the request.
const MODBUS: [&[u8]; 2] = [
    &[0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 10],
    &[0, 1, 0, 0, 0, 23, 1, 3, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
];

/// Requests class 0 (IEEE 1815-2012, 11.2.1: the frame of a real master) and an empty answer.
const DNP3: [&[u8]; 2] = [
    &[
        0x05, 0x64, 0x0b, 0xc4, 0x0a, 0x00, 0x01, 0x00, 0xfc, 0x42, 0xc0, 0xc0, 0x01, 0x3c, 0x01, 0x06, 0xff,
        0x50,
    ],
    &[0x05, 0x64, 0x05, 0x44, 0x01, 0x00, 0x0a, 0x00, 0x44, 0xb7],
];

struct Talk {
    pipeline: Pipeline,
    number: u64,
}

impl Talk {
    fn new() -> Talk {
        let text = "version = 1\n[[allow]]\nname = \"all\"\n[defaults]\nother-traffic = \"allow\"\n";
        let rules =
            wayside::policy::parse("rules.toml", text, &wayside::protocol::vocabularies()).unwrap().rules;
        let parts = Parts {
            flows: Default::default(),
            fragments: 1 << 20,
            tally: pipeline::tally(None),
            rules: Some(Arc::new(rules)),
            // Alerts have a bound of their own, which is not what is measured here.
            desk: Desk::new(Grouping::Live, "test").with_limit(16),
            emit: Box::new(|_| {}),
            events: None,
        };
        Talk { pipeline: Pipeline::new(parts), number: 0 }
    }

    fn say(&mut self, conversation: u32, back: bool, port: u16, seq: u32, syn: bool, data: &[u8]) {
        let client = ([10, 1, (conversation >> 8) as u8, conversation as u8], 1024 + conversation as u16);
        let device = ([10, 2, 0, 1], port);
        let (src, dst) = if back { (device, client) } else { (client, device) };
        let tcp =
            PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(src.0, dst.0, 64).tcp(src.1, dst.1, seq, 1024);
        let tcp = if syn { tcp.syn() } else { tcp.ack(1) };
        let mut octets = Vec::new();
        tcp.write(&mut octets, data).unwrap();
        self.number += 1;
        let ts = Timestamp::from_micros(1_700_000_000_000_000 + self.number as i64);
        let (number, wire_len) = (self.number, octets.len() as u32);
        self.pipeline.frame(&Frame { ts, number, source: 0, link: Link::Ethernet, wire_len, data: &octets });
    }
}

fn octets_of_each(port: u16, said: [&[u8]; 2]) -> usize {
    let mut talk = Talk::new();
    let begin = |talk: &mut Talk, conversation: u32| {
        talk.say(conversation, false, port, 0, true, &[]);
        let mut next = 1;
        for _ in 0..3 {
            talk.say(conversation, false, port, next, false, said[0]);
            next += said[0].len() as u32;
        }
        let mut next = 1;
        for _ in 0..3 {
            talk.say(conversation, true, port, next, false, said[1]);
            next += said[1].len() as u32;
        }
    };
    begin(&mut talk, 0);
    let region = Region::new(ALLOCATOR);
    (1..CONVERSATIONS).for_each(|conversation| begin(&mut talk, conversation));
    let change = region.change();
    let heap = change.bytes_allocated - change.bytes_deallocated;
    let counts = talk.pipeline.counts();
    assert_eq!((counts.open, counts.flows.evicted), (CONVERSATIONS as usize, 0));
    heap / (CONVERSATIONS as usize - 1)
}

/// One test, since the allocator counts for the whole process.
#[test]
fn what_a_quiet_conversation_takes_does_not_grow() {
    for (name, port, said, most) in [
        ("nothing", 4711, [&[][..], &[][..]], 400),
        ("Modbus", 502, MODBUS, 960),
        ("DNP3", 20_000, DNP3, 1_196),
    ] {
        // A conversation is two flows, one each way, with what is remembered of both.
        let octets = octets_of_each(port, said);
        println!("{name}: {octets} octets a conversation, {} a flow", octets / 2);
        assert!(octets <= most && octets / 2 < 600, "{name}: {octets} octets a conversation");
    }
}
