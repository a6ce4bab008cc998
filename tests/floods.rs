//! Floods of made packets: memory stays where it is, and what matters is still judged to the letter.
//!
//! In the middle of each flood the recorded plant of captures/demo-plant.pcap plays, a hundred packets of the flood
//! between two of its own. `WAYSIDE_FLOOD=20000000 cargo test --release --test floods -- --nocapture` plays longer ones
//! and prints how memory goes.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use wayside::address::Timestamp;
use wayside::alert::{Alert, Desk, Grouping};
use wayside::capture::{Files, Frame, Link};
use wayside::sensor::pipeline::{self, Parts, Pipeline};
use wayside::stream::Limits;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// One flood at a time: the allocator counts for all threads.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Packets of a flood beside those between the packets of the plant.
fn packets() -> u64 {
    std::env::var("WAYSIDE_FLOOD").ok().and_then(|text| text.parse().ok()).unwrap_or(150_000)
}

/// Packets of the flood between two of the plant.
const BETWEEN: u64 = 100;

/// Octets on the heap.
fn heap() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated.saturating_sub(stats.bytes_deallocated)
}

struct Kept {
    ts: Timestamp,
    link: Link,
    data: Vec<u8>,
}

fn plant() -> Vec<Kept> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures/demo-plant.pcap");
    let mut files = Files::open(&[path]).unwrap();
    let mut kept = Vec::new();
    while let Some(Frame { ts, link, data, .. }) = files.next().unwrap() {
        kept.push(Kept { ts, link, data: data.to_vec() });
    }
    kept
}

/// The sentences about the plant, in order.
type Said = Arc<Mutex<Vec<String>>>;

fn pipeline(said: &Said) -> Pipeline {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
    let rules = wayside::policy::load(&[rules], &wayside::protocol::vocabularies()).unwrap().rules;
    let said = said.clone();
    Pipeline::new(Parts {
        // Small, so that every bound is met.
        flows: Limits { flows: 20_000, streams: 4 << 20, ..Limits::default() },
        fragments: 1 << 20,
        tally: pipeline::tally(None),
        rules: Some(Arc::new(rules)),
        // A sentence for each message: groups would end early where others push them out.
        desk: Desk::new(Grouping::None, "flood"),
        emit: Box::new(move |alert: Alert| {
            if alert.src.to_string().starts_with("127.") {
                said.lock().unwrap().push(format!(
                    "{} {} {}",
                    alert.ts,
                    alert.severity.name(),
                    alert.summary
                ));
            }
        }),
        events: None,
    })
}

fn feed(pipeline: &mut Pipeline, number: &mut u64, ts: Timestamp, link: Link, data: &[u8]) {
    *number += 1;
    pipeline.frame(&Frame { ts, number: *number, source: 0, link, wire_len: data.len() as u32, data });
}

fn checksum(octets: impl Iterator<Item = u16>) -> u16 {
    let mut sum: u32 = octets.map(u32::from).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn words(octets: &[u8]) -> impl Iterator<Item = u16> {
    octets.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))
}

/// An IPv4 packet from a host of 10.0.0.0/8, by number, to 10.255.255.1.
fn ip(host: u32, protocol: u8, id: u16, fragment: u16, body: &[u8]) -> Vec<u8> {
    let src = [10, (host >> 16) as u8 & 0x7f, (host >> 8) as u8, host as u8];
    let mut header = vec![0x45, 0];
    header.extend((body.len() as u16 + 20).to_be_bytes());
    header.extend(id.to_be_bytes());
    header.extend(fragment.to_be_bytes());
    header.extend([64, protocol, 0, 0]);
    header.extend(src);
    header.extend([10, 255, 255, 1]);
    let sum = checksum(words(&header));
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header.extend(body);
    header
}

fn tcp(host: u32, port: u16, sequence: u32, flags: u8, data: &[u8]) -> Vec<u8> {
    let mut segment = Vec::with_capacity(20 + data.len());
    segment.extend(port.to_be_bytes());
    segment.extend(502u16.to_be_bytes());
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(data);
    let src = [10, (host >> 16) as u8 & 0x7f, (host >> 8) as u8, host as u8];
    let pseudo = [src, [10, 255, 255, 1], [0, 6, 0, 0]].concat();
    let length = segment.len() as u16;
    let sum = checksum(words(&pseudo).chain([length]).chain(words(&segment)));
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    ip(host, 6, 1, 0x4000, &segment)
}

const ACK: u8 = 0x10;
const SYN: u8 = 0x02;

/// Plays a flood around and within the plant, and holds what was said and what memory did to what is right.
fn flood(name: &str, make: impl Fn(u64) -> Vec<u8>) {
    let _turn = turn();
    let plant = plant();
    let alone = Said::default();
    let mut pipe = pipeline(&alone);
    let mut number = 0;
    plant.iter().for_each(|frame| feed(&mut pipe, &mut number, frame.ts, frame.link, &frame.data));
    pipe.finish().unwrap();
    drop(pipe);

    let said = Said::default();
    let mut pipe = pipeline(&said);
    let (mut number, mut made) = (0, 0u64);
    let (first, last) = (plant[0].ts, plant[plant.len() - 1].ts);
    let total = packets();
    let (before, begin) = (heap(), Instant::now());
    let (mut settled, mut most) = (0, 0);
    let all = total + plant.len() as u64 * BETWEEN;
    let mut one = |pipe: &mut Pipeline, number: &mut u64, ts: Timestamp| {
        feed(pipe, number, ts, Link::RawIp, &make(made));
        made += 1;
        let now = heap().saturating_sub(before);
        if made == all / 3 {
            settled = now;
        } else if made > all / 3 {
            most = most.max(now);
        }
        if all > 2_000_000 && made.is_multiple_of(all / 20) {
            println!("{name}: {made} packets, {} KiB on the heap", now >> 10);
        }
    };
    // A packet each hundred microseconds, before and after.
    let near = |end: Timestamp, steps: i64| Timestamp { nanos: end.nanos + steps * 100_000, ..end };
    for step in 0..total / 2 {
        one(&mut pipe, &mut number, near(first, step as i64 - (total / 2) as i64));
    }
    for frame in &plant {
        (0..BETWEEN).for_each(|_| one(&mut pipe, &mut number, frame.ts));
        feed(&mut pipe, &mut number, frame.ts, frame.link, &frame.data);
    }
    for step in 0..total - total / 2 {
        one(&mut pipe, &mut number, near(last, step as i64 + 1));
    }
    let rate = number as f64 / begin.elapsed().as_secs_f64();
    let counts = pipe.counts();
    let (flows, open) = (counts.flows, counts.open);
    println!(
        "{name}: {number} packets, {rate:.0} a second; heap {} KiB after a third, {} KiB at most after that; \
         {open} conversations, {} evicted, {} buffers full, {} fragmented datagrams given up",
        settled >> 10,
        most >> 10,
        flows.evicted,
        flows.buffer_full,
        counts.packets.abandoned,
    );
    pipe.finish().unwrap();
    let (alone, said) = (alone.lock().unwrap(), said.lock().unwrap());
    assert!(alone.len() > 50);
    let odd =
        |a: &[String], b: &[String]| a.iter().filter(|line| !b.contains(line)).cloned().collect::<Vec<_>>();
    let (missing, more) = (odd(&alone, &said), odd(&said, &alone));
    assert!(missing.is_empty() && more.is_empty(), "{name}: missing {missing:#?}, not there alone {more:#?}");
    assert_eq!(*said, *alone, "{name}: another order");
    assert!(most < settled + (settled / 4) + (2 << 20), "{name}: {settled} octets grew to {most}");
    assert!(most < 64 << 20, "{name}: {most} octets");
}

/// A read of one register, in a message with its header.
const READ: [u8; 12] = [0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1];
/// A write of one register.
const WRITE: [u8; 12] = [0, 1, 0, 0, 0, 6, 1, 6, 0, 9, 3, 0x84];

#[test]
fn new_conversations() {
    flood("new conversations", |n| tcp(n as u32, 1024 + (n % 60_000) as u16, 1, ACK, &READ));
}

#[test]
fn half_open_connections() {
    flood("half-open connections", |n| tcp(n as u32, 1024 + (n % 60_000) as u16, 1, SYN, &[]));
}

#[test]
fn fragments_that_are_never_whole() {
    let body = [0x55; 600];
    flood("fragments", |n| ip(n as u32, 17, n as u16, 0x2000 | ((n % 3) as u16 * 75), &body));
}

#[test]
fn segments_behind_a_hole() {
    let body = [0x55; 1000];
    // A connection begins, then lacks its first octets for ever; each of 5,000 hosts in turn, on new ports.
    flood("segments behind a hole", |n| {
        let (host, round) = ((n % 5_000) as u32, n / 5_000);
        let port = 1024 + (round / 40 % 60_000) as u16;
        match round % 40 {
            0 => tcp(host, port, 1, SYN, &[]),
            more => tcp(host, port, 100 + 2_000 * more as u32, ACK, &body),
        }
    });
}

#[test]
fn lengths_that_nothing_follows() {
    // UMAS may be long: 65,000 octets are announced and 200 come, on ever new connections.
    let mut claims = vec![0, 1, 0, 0, 0xfd, 0xe8, 1, 90];
    claims.extend([0; 200]);
    flood("claimed lengths", |n| tcp(n as u32, 1024 + (n % 60_000) as u16, 1, ACK, &claims));
}

#[test]
fn messages_that_no_rule_allows() {
    flood("alerts", |n| tcp(n as u32, 1024 + (n % 60_000) as u16, 1, ACK, &WRITE));
}
