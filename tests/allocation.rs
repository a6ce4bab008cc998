//! A message that no rule objects to allocates nothing on its way from the frame to the verdict.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

#[path = "common/messages.rs"]
#[allow(dead_code)] // a part is used here
mod messages;

use messages::Message;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::path::Path;
use std::sync::Arc;
use wayside::address::Timestamp;
use wayside::alert::{Desk, Grouping};
use wayside::capture::{Files, Frame, Link};
use wayside::event::Kind;
use wayside::inventory::{Gatherer, Limits};
use wayside::sensor::pipeline::{self, Parts, Pipeline};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// A frame, kept.
struct Kept {
    ts: Timestamp,
    link: Link,
    wire_len: u32,
    data: Vec<u8>,
}

fn frames(file: &str) -> Vec<Kept> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures").join(file);
    let mut files = Files::open(&[path]).unwrap();
    let mut kept = Vec::new();
    while let Some(frame) = files.next().unwrap() {
        let Frame { ts, link, wire_len, data, .. } = frame;
        kept.push(Kept { ts, link, wire_len, data: data.to_vec() });
    }
    kept
}

/// Allocations over the frames of a capture, after the same frames have gone through once to warm up.
fn allocations(file: &str) -> (usize, u64) {
    let text = "version = 1\n[[allow]]\nname = \"all\"\n[defaults]\nother-traffic = \"allow\"\n";
    let rules = wayside::policy::parse("rules.toml", text, &wayside::protocol::vocabularies()).unwrap().rules;
    let mut pipeline = Pipeline::new(Parts {
        flows: Default::default(),
        fragments: 1 << 20,
        tally: pipeline::tally(None),
        rules: Some(Arc::new(rules)),
        desk: Desk::new(Grouping::Live, "test"),
        emit: Box::new(|_| {}),
        events: None,
    });
    let frames = frames(file);
    // The second half is the same conversations going on: no handshake, no first message of a kind.
    let (warm, rest) = frames.split_at(frames.len() * 3 / 4);
    let mut number = 0;
    let mut feed = |pipeline: &mut Pipeline, frame: &Kept| {
        number += 1;
        let Kept { ts, link, wire_len, ref data } = *frame;
        pipeline.frame(&Frame { ts, number, source: 0, link, wire_len, data });
    };
    warm.iter().for_each(|frame| feed(&mut pipeline, frame));
    let before = pipeline.tally().events;
    let region = Region::new(ALLOCATOR);
    rest.iter().for_each(|frame| feed(&mut pipeline, frame));
    let change = region.change();
    (change.allocations + change.reallocations, pipeline.tally().events - before)
}

/// Allocations of a gatherer over polls and their answers that it knows, from one harvest to the next.
fn gathering() -> usize {
    let mut gatherer = Gatherer::new(Limits::default());
    let mut counts = Vec::new();
    for round in 0..3 {
        let mut count = 0;
        for step in 0..100 {
            for kind in [Kind::Request, Kind::Response] {
                let message = Message::poll(round * 10_000 + step * 10, (step % 5) as u32, 1, kind, 100);
                let flow = message.flow();
                let region = Region::new(ALLOCATOR);
                message.show(&wayside::protocol::modbus::WORDS, &flow, |event| gatherer.event(event));
                let change = region.change();
                count += change.allocations + change.reallocations;
            }
        }
        gatherer.take();
        counts.push(count);
    }
    assert!(counts[0] > 0, "the first round meets everything for the first time");
    counts[1] + counts[2]
}

/// One test, since the allocator counts for the whole process.
#[test]
fn the_path_of_a_message_that_no_rule_objects_to_allocates_nothing() {
    for (file, flows) in [("modbus-functions.pcap", 0), ("dnp3-substation.pcap", 0), ("demo-plant.pcap", 4)] {
        let (allocations, events) = allocations(file);
        println!("{file}: {allocations} allocations for {events} messages");
        assert!(events >= 10, "{file}: {events}");
        // A new conversation allocates its state; the story of the plant opens this many in its last quarter.
        assert!(allocations <= flows * 12, "{file}: {allocations} allocations for {events} messages");
    }
    assert_eq!(gathering(), 0, "a gatherer allocates for what it knows");
}
