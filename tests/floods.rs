//! Floods of made packets: memory stays where it is, and what matters is still judged to the letter.
//!
//! In the middle of each flood the recorded plant of captures/demo-plant.pcap plays, a hundred packets of the flood
//! between two of its own. `WAYSIDE_FLOOD=20000000 cargo test --release --test floods -- --nocapture` plays longer ones
//! and prints how memory goes; where `WAYSIDE_FLOOD_OUT` names a file, a hundred lines of each flood go to its end:
//! the flood, packets so far, octets on the heap, resident octets. docs/floods.md has the figures.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use std::alloc::System;
use std::fs::File;
use std::io::Write as _;
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

/// Octets of the process that are in memory; 0 where the system does not say.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse::<usize>().ok());
    kib.unwrap_or(0) << 10
}

/// The sum of 16-bit words, an odd octet at the end as the high one of a word (RFC 1071).
fn sum(octets: &[u8]) -> u32 {
    octets.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0))).sum()
}

fn folded(mut sum: u32) -> [u8; 2] {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// What packets carry, summed up once: a flood must not spend its time on its own checksums.
struct Body {
    octets: Vec<u8>,
    sum: u32,
}

impl Body {
    fn new(octets: &[u8]) -> Body {
        Body { octets: octets.to_vec(), sum: sum(octets) }
    }
}

/// The IPv4 header of a packet from a host of 10.0.0.0/8, by number, to 10.255.255.1.
fn ip(out: &mut Vec<u8>, host: u32, protocol: u8, id: u16, fragment: u16, length: usize) {
    let [id0, id1] = id.to_be_bytes();
    let [f0, f1] = fragment.to_be_bytes();
    let [l0, l1] = (length as u16 + 20).to_be_bytes();
    let [_, h0, h1, h2] = host.to_be_bytes();
    let mut header =
        [0x45, 0, l0, l1, id0, id1, f0, f1, 64, protocol, 0, 0, 10, h0 & 0x7f, h1, h2, 10, 255, 255, 1];
    let check = folded(sum(&header));
    header[10..12].copy_from_slice(&check);
    out.clear();
    out.extend(header);
}

/// A part of a UDP datagram that is never whole.
fn udp_fragment(out: &mut Vec<u8>, host: u32, id: u16, place: u16, body: &Body) {
    ip(out, host, 17, id, 0x2000 | place, body.octets.len());
    out.extend(&body.octets);
}

fn tcp(out: &mut Vec<u8>, host: u32, port: u16, sequence: u32, flags: u8, body: &Body) {
    let length = body.octets.len() + 20;
    ip(out, host, 6, 1, 0x4000, length);
    let addresses = sum(&out[12..20]);
    let [p0, p1] = port.to_be_bytes();
    let [s0, s1, s2, s3] = sequence.to_be_bytes();
    let mut header = [p0, p1, 1, 246, s0, s1, s2, s3, 0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0];
    let check = folded(addresses + 6 + length as u32 + sum(&header) + body.sum);
    header[16..18].copy_from_slice(&check);
    out.extend(header);
    out.extend(&body.octets);
}

const ACK: u8 = 0x10;
const SYN: u8 = 0x02;

/// Plays a flood around and within the plant, and holds what was said and what memory did to what is right.
fn flood(name: &str, make: impl Fn(&mut Vec<u8>, u64)) {
    let _turn = turn();
    let mut out = std::env::var_os("WAYSIDE_FLOOD_OUT")
        .map(|path| File::options().create(true).append(true).open(path).unwrap());
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
    let (mut settled, mut most) = ((0, 0), (0, 0));
    let all = total + plant.len() as u64 * BETWEEN;
    let mut packet = Vec::new();
    let mut one = |pipe: &mut Pipeline, number: &mut u64, ts: Timestamp| {
        make(&mut packet, made);
        feed(pipe, number, ts, Link::RawIp, &packet);
        made += 1;
        let sample = made.is_multiple_of(all / 100);
        if sample || made.is_multiple_of(256) {
            let now = heap().saturating_sub(before);
            let resident = if sample { resident() } else { 0 };
            if made <= all / 3 {
                settled = (now, resident.max(settled.1));
            } else {
                most = (most.0.max(now), most.1.max(resident));
            }
            if sample && let Some(out) = &mut out {
                writeln!(out, "{name},{made},{now},{resident}").unwrap();
            }
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
         resident {} KiB and {} KiB; {open} conversations, {} evicted, {} out of order, {} buffers full, \
         {} fragmented datagrams given up",
        settled.0 >> 10,
        most.0 >> 10,
        settled.1 >> 10,
        most.1 >> 10,
        flows.evicted,
        flows.out_of_order,
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
    let (heap, resident) = (most.0, most.1);
    assert!(heap < settled.0 + settled.0 / 4 + (2 << 20), "{name}: {} octets grew to {heap}", settled.0);
    assert!(heap < 64 << 20, "{name}: {heap} octets");
    // A short flood is over before the allocator has settled.
    if all > 2_000_000 {
        let before = settled.1;
        assert!(resident < before + before / 8 + (8 << 20), "{name}: {before} resident grew to {resident}");
    }
}

/// A read of one register, in a message with its header.
const READ: [u8; 12] = [0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1];
/// A write of one register.
const WRITE: [u8; 12] = [0, 1, 0, 0, 0, 6, 1, 6, 0, 9, 3, 0x84];

#[test]
fn new_conversations() {
    let read = Body::new(&READ);
    flood("new conversations", |out, n| tcp(out, n as u32, 1024 + (n % 60_000) as u16, 1, ACK, &read));
}

#[test]
fn half_open_connections() {
    let none = Body::new(&[]);
    flood("half-open connections", |out, n| tcp(out, n as u32, 1024 + (n % 60_000) as u16, 1, SYN, &none));
}

#[test]
fn fragments_that_are_never_whole() {
    let body = Body::new(&[0x55; 600]);
    flood("fragments", |out, n| udp_fragment(out, n as u32, n as u16, (n % 3) as u16 * 75, &body));
}

#[test]
fn segments_behind_a_hole() {
    let (none, body) = (Body::new(&[]), Body::new(&[0x55; 1000]));
    // A connection begins, then lacks its first octets for ever; each of 5,000 hosts in turn, on new ports.
    flood("segments behind a hole", |out, n| {
        let (host, round) = ((n % 5_000) as u32, n / 5_000);
        let port = 1024 + (round / 6 % 60_000) as u16;
        match round % 6 {
            0 => tcp(out, host, port, 1, SYN, &none),
            more => tcp(out, host, port, 100 + 2_000 * more as u32, ACK, &body),
        }
    });
}

#[test]
fn segments_out_of_order() {
    let (none, read) = (Body::new(&[]), Body::new(&READ));
    // After its SYN a connection brings four messages, the last one first, and all get through.
    flood("segments out of order", |out, n| {
        let (host, round) = ((n % 2_000) as u32, n / 2_000);
        let port = 1024 + (round / 5 % 60_000) as u16;
        match round % 5 {
            0 => tcp(out, host, port, 1, SYN, &none),
            step => tcp(out, host, port, 2 + 12 * (4 - step as u32), ACK, &read),
        }
    });
}

#[test]
fn lengths_that_nothing_follows() {
    // UMAS may be long: 65,000 octets are announced and 200 come, on ever new connections.
    let mut claims = vec![0, 1, 0, 0, 0xfd, 0xe8, 1, 90];
    claims.extend([0; 200]);
    let claims = Body::new(&claims);
    flood("claimed lengths", |out, n| tcp(out, n as u32, 1024 + (n % 60_000) as u16, 1, ACK, &claims));
}

#[test]
fn messages_that_no_rule_allows() {
    let write = Body::new(&WRITE);
    flood("alerts", |out, n| tcp(out, n as u32, 1024 + (n % 60_000) as u16, 1, ACK, &write));
}
