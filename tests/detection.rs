//! Which protocols are found in which captures, on ports that are nobody's own: only what is said may tell. Skipped, saying
//! so, without the public captures.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod common;

use common::{Pcap, counted, ours, run, shared};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Ports of protocols, and where their traffic goes instead.
const MOVED: [(u16, u16); 12] = [
    (502, 40_502),
    (802, 40_802),
    (2404, 42_404),
    (20_000, 40_200),
    (102, 40_102),
    (44_818, 40_818),
    (2222, 42_222),
    (47_808, 40_808),
    (4712, 44_712),
    (4713, 44_713),
    (9600, 49_600),
    (34_964, 43_964),
];

/// Every capture below a folder.
fn captures(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut inside: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inside.sort();
    for path in inside {
        match path.extension().and_then(|ending| ending.to_str()) {
            _ if path.is_dir() => captures(&path, found),
            Some("pcap") => found.push(path),
            _ => {}
        }
    }
}

/// Puts the ports of a TCP or UDP packet over Ethernet and IPv4 elsewhere. Checksums are then wrong by as much: tests of
/// the capture itself see to those, so the sum is told by its difference.
fn move_ports(record: &mut [u8]) {
    let Some(frame) = record.get_mut(16..) else { return };
    if frame.get(12..14) != Some(&[8, 0])
        || frame.len() < 38
        || !matches!(frame[23], 6 | 17)
        || frame[20] & 0x1f != 0
    {
        return;
    }
    let start = 14 + usize::from(frame[14] & 15) * 4;
    let sum = start + if frame[23] == 6 { 16 } else { 6 };
    for at in [start, start + 2] {
        let Some(pair) = frame.get(at..at + 2) else { return };
        let old = u16::from_be_bytes([pair[0], pair[1]]);
        let Some((_, new)) = MOVED.iter().find(|(port, _)| *port == old) else { continue };
        let (old, new) = (u32::from(old), u32::from(*new));
        frame[at..at + 2].copy_from_slice(&(new as u16).to_be_bytes());
        // RFC 1624: HC' = ~(~HC + ~m + m').
        if let Some(pair) = frame.get(sum..sum + 2).filter(|pair| *pair != [0, 0]) {
            let held = u32::from(u16::from_be_bytes([pair[0], pair[1]]));
            let mut all = (!held & 0xffff) + (!old & 0xffff) + new;
            while all > 0xffff {
                all = (all & 0xffff) + (all >> 16);
            }
            frame[sum..sum + 2].copy_from_slice(&(!all as u16).to_be_bytes());
        }
    }
}

/// What tshark finds in a capture on its own ports, by the list beside the captures; for those of the project, by name.
fn spoken(list: &str, name: &str) -> Vec<&'static str> {
    let row = list.lines().find(|row| row.split('\t').next() == Some(name));
    let of = [
        ("modbus", ["mbtcp=", "modbus=", "demo-plant", "modbus-functions"]),
        ("dnp3", ["dnp3=", "dnp3.", "dnp3-substation", "dnp3-substation"]),
        ("iec104", ["iec60870_104", "iec60870_104", "iec104-substation", "iec104-substation"]),
    ];
    let said = |words: &[&str; 4]| match row {
        Some(row) => row.split('\t').skip(3).any(|cell| words[..2].iter().any(|word| cell.contains(word))),
        None => words[2..].iter().any(|word| name.contains(word)),
    };
    of.into_iter().filter(|(_, words)| said(words)).map(|(proto, _)| proto).collect()
}

#[test]
fn every_capture_is_found_to_be_its_own_protocol_and_no_other() {
    let Some(folder) = shared("every_capture_is_found") else { return };
    let mut files = Vec::new();
    captures(Path::new(&ours("captures")), &mut files);
    captures(&folder, &mut files);
    let list = std::fs::read_to_string(folder.join("index.tsv")).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let moved = scratch.path().join("moved.pcap");
    let mut matrix: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for file in files {
        let inside = file.strip_prefix(&folder).or(file.strip_prefix(ours("captures"))).unwrap();
        let name = inside.to_string_lossy().into_owned();
        let Some(mut pcap) = Pcap::read(&file) else { continue };
        pcap.records.iter_mut().for_each(|record| move_ports(record));
        pcap.write(&moved, &pcap.records);
        let output = run(&["replay", "--quiet", "--events", "-", &moved.to_string_lossy()]);
        let told = common::out(&output);
        let protos = told.lines().map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["proto"].as_str().unwrap().to_owned()
        });
        let found = counted(protos);
        let own = spoken(&list, &name);
        for (proto, count) in &found {
            if !own.contains(&proto.as_str()) {
                wrong.push(format!("{name}: {count} messages of {proto}"));
            }
        }
        let row = if own.is_empty() { "others".to_owned() } else { own.join("+") };
        for (proto, count) in found {
            *matrix.entry(row.clone()).or_default().entry(proto).or_default() += count;
        }
    }
    println!("{matrix:#?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for proto in ["modbus", "dnp3", "iec104"] {
        assert!(
            matrix.get(proto).is_some_and(|found| found.contains_key(proto)),
            "{proto} is not found: {matrix:#?}"
        );
    }
}
