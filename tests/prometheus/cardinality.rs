//! A million addresses, every function, every exception and damaged messages: the number of series stays within the
//! bound that docs/prometheus.md states.

use super::ours;
use std::collections::BTreeSet;
use std::sync::Arc;
use wayside::address::Timestamp;
use wayside::alert::{Desk, Grouping};
use wayside::capture::{Frame, Link};
use wayside::inventory::{Inventory, Limits as Stock};
use wayside::metrics::Metrics;
use wayside::sensor::pipeline::{self, Parts, Pipeline};
use wayside::sensor::report;
use wayside::stream::Limits;

/// Two of them speak in each packet, and never again.
const ADDRESSES: u32 = 1_000_000;
/// Series that there are whatever the rules are and however many protocols.
const SENSOR: usize = 100;
/// Series of each protocol: 75 of messages, 16 of response times, 256 codes, and reasons.
const PROTOCOL: usize = 380;
/// Series of each rule: hits, and what maintenance let pass.
const RULE: usize = 2;

const RULES: &str = r#"version = 1
[hosts]
clients = "10.0.0.0/8"
devices = "11.0.0.0/8"

[[allow]]
name = "Everybody reads"
from = "clients"
to = "devices"
protocol = "modbus"
may = ["read"]

[[deny]]
name = "No restart"
may = ["restart"]
severity = "critical"
"#;

/// A datagram between two hosts by number, port 502 on the side of the device.
fn datagram(out: &mut Vec<u8>, number: u32, answer: bool, pdu: &[u8]) {
    let host = |net: u8, number: u32| {
        let [_, a, b, c] = number.to_be_bytes();
        [net, a, b, c]
    };
    let (client, device) = (host(10, number), host(11, number));
    let (from, to) = if answer { (device, client) } else { (client, device) };
    let (port, other) = if answer { (502u16, 40_000u16) } else { (40_000, 502) };
    let mut body = vec![0, 1, 0, 0, 0, pdu.len() as u8 + 1, 1];
    body.extend(pdu);
    out.clear();
    let length = body.len() as u16;
    out.extend([0x45, 0]);
    out.extend((length + 28).to_be_bytes());
    out.extend([0, 1, 0x40, 0, 64, 17, 0, 0]);
    out.extend(from);
    out.extend(to);
    let sum: u32 = out.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let check = !((sum & 0xffff) + (sum >> 16)) as u16;
    out[10..12].copy_from_slice(&check.to_be_bytes());
    // A checksum of 0: none was made.
    for field in [port, other, length + 8, 0] {
        out.extend(field.to_be_bytes());
    }
    out.extend(body);
}

/// Series in what Prometheus scrapes.
fn series(metrics: &Metrics) -> BTreeSet<String> {
    let text = metrics.text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit_once(' ')).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn a_million_addresses_make_no_series() {
    let metrics = Metrics::new();
    let words = wayside::protocol::vocabularies();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.toml");
    std::fs::write(&path, RULES).unwrap();
    let rules = wayside::policy::load(&[path], &words).unwrap().rules;
    let count = rules.rules().len();
    let mut pipeline = Pipeline::new(Parts {
        flows: Limits { flows: 10_000, ..Limits::default() },
        fragments: 1 << 20,
        tally: pipeline::tally(Some(&metrics)),
        rules: Some(Arc::new(rules)),
        desk: Desk::new(Grouping::Live, "cardinality"),
        emit: Box::new(|_| {}),
        events: None,
    });
    let stock = Stock { devices: 1_000, ..Stock::live() };
    pipeline.take_stock(stock);
    let mut inventory = Inventory::new(stock);
    let (mut out, mut number) = (Vec::new(), 0);
    let mut half = BTreeSet::new();
    let pairs = ADDRESSES / 2;
    for pair in 0..pairs {
        let mut feed = |answer: bool, pdu: &[u8]| {
            datagram(&mut out, pair, answer, pdu);
            number += 1;
            let ts = Timestamp { nanos: 1_700_000_000_000_000_000 + number as i64 * 10_000, digits: 9 };
            let (wire_len, data) = (out.len() as u32, out.as_slice());
            pipeline.frame(&Frame { ts, number, source: 0, link: Link::RawIp, wire_len, data });
        };
        // Most of them do what a rule allows: an alert for each would take the time of the test.
        let round = pair / 64;
        let [function, code] = [round as u8, (round >> 8) as u8];
        match pair % 64 {
            // Every function code with whatever follows it, every exception code, and too little.
            0 => feed(false, &[function, code, 1, 0, 1]),
            1 => {
                feed(false, &[3, 0, 0, 0, 1]);
                feed(true, &[0x83, round as u8]);
            }
            2 => feed(false, &[function]),
            3 => feed(false, &[3, 0, 0, 0, 0]),
            _ => feed(false, &[3, 0, 0, 0, 1]),
        }
        if pair % 50_000 == 0 || pair + 1 == pairs {
            report::report(&metrics, &mut pipeline);
            report::stock(&metrics, &pipeline.harvest(), &mut inventory);
        }
        if pair == pairs / 2 {
            half = series(&metrics);
        }
    }
    let all = series(&metrics);
    println!("{} series after {ADDRESSES} addresses", all.len());
    assert!(all.contains("wayside_exceptions_total{code=\"255\",protocol=\"modbus\"}"), "{all:#?}");
    assert_eq!(all.difference(&half).collect::<Vec<_>>(), Vec::<&String>::new(), "came with more addresses");
    let bound = SENSOR + PROTOCOL * words.len() + RULE * count;
    assert!(all.len() <= bound, "{} series, {bound} at most", all.len());
    // The million was seen.
    let lines = metrics.text();
    let evicted = "wayside_evictions_total{what=\"flow\"} ";
    let evicted = lines.lines().find_map(|line| line.strip_prefix(evicted)?.parse::<u32>().ok()).unwrap();
    assert!(evicted > ADDRESSES / 2 - 20_000, "{evicted}");
    // And so says the page for who reads it.
    let guide = std::fs::read_to_string(ours("docs/prometheus.md")).unwrap();
    let said = format!("{SENSOR} for the sensor, {PROTOCOL} for each protocol, {RULE} for each rule");
    assert!(guide.replace('\n', " ").contains(&said), "docs/prometheus.md does not say: {said}");
}
