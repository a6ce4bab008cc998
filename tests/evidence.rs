//! Evidence: the packets of each alert in a small capture file, with comments, bounded, the same for any number of
//! workers.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod common;
#[path = "evasions/wire.rs"]
#[allow(dead_code)] // it is shared
mod wire;

use common::{Pcap, err, has, ours, out, run, shared};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use ulid::Ulid;
use wayside::address::Timestamp;
use wayside::alert::{Alert, Desk, Grouping};
use wayside::capture::{Files, Frame, Link};
use wayside::output::evidence::{Behind, Bundle, Folder, Head, Remark, Shelf};
use wayside::sensor::evidence::{Counts, Keeping};
use wayside::sensor::pipeline::{self, Parts, Pipeline};
use wire::{Segment, answer, ethernet, fragment, plc, read, scada, write};

/// A frame of a capture file, kept.
#[derive(Clone, PartialEq, Debug)]
struct Kept {
    nanos: i64,
    link: Link,
    wire_len: u32,
    data: Vec<u8>,
}

fn frames(path: &Path) -> Vec<Kept> {
    let mut files = Files::open(&[path.to_owned()]).unwrap();
    let mut frames = Vec::new();
    while let Some(Frame { ts, link, wire_len, data, .. }) = files.next().unwrap() {
        frames.push(Kept { nanos: ts.nanos, link, wire_len, data: data.to_vec() });
    }
    assert!(files.notices().is_empty(), "{}", path.display());
    frames
}

/// Replays with evidence in a folder; returns the alerts.
fn replay(files: &[&str], evidence: &Path, more: &[&str]) -> Vec<Value> {
    let evidence = evidence.to_string_lossy();
    let mut arguments = vec!["replay", "-q", "--alerts", "-", "--evidence", &evidence];
    arguments.extend(more);
    arguments.extend(files);
    let output = run(&arguments);
    assert!(output.status.success(), "{}", err(&output));
    out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text<'a>(alert: &'a Value, member: &str) -> &'a str {
    alert[member].as_str().unwrap()
}

/// One field of every packet, as tshark says it.
fn tshark(file: &Path, field: &str) -> Vec<String> {
    let output =
        Command::new("tshark").arg("-r").arg(file).args(["-T", "fields", "-e", field]).output().unwrap();
    assert!(output.status.success(), "{}", err(&output));
    out(&output).lines().map(str::to_owned).collect()
}

/// The two ends of an IPv4 packet with ports, in Ethernet, the lower first.
fn ends(data: &[u8]) -> Option<[[u8; 6]; 2]> {
    let end = |address: usize, port: usize| -> Option<[u8; 6]> {
        [data.get(address..address + 4)?, data.get(port..port + 2)?].concat().try_into().ok()
    };
    let mut ends = [end(26, 34)?, end(30, 36)?];
    ends.sort();
    Some(ends)
}

/// The files of the folder hold what a plain reading of the capture says they should: the 16 packets of the
/// conversation up to the alert's, and 16 more within ten seconds.
#[test]
fn an_alert_keeps_the_packets_of_its_conversation() {
    let folder = tempfile::tempdir().unwrap();
    let demo = ours("captures/demo-plant.pcap");
    assert!(Pcap::read(Path::new(&demo)).is_some());
    let all = frames(Path::new(&demo));
    for (group, at_least) in [("window", 10), ("none", 100)] {
        let at = folder.path().join(group);
        let alerts = replay(&[&demo], &at, &["--rules", &ours("rules"), "--group", group]);
        assert!(alerts.len() > at_least);
        assert_eq!(std::fs::read_dir(&at).unwrap().count(), alerts.len());
        for alert in &alerts {
            let file = PathBuf::from(text(alert, "evidence"));
            assert_eq!(file, at.join(format!("{}.pcapng", text(alert, "id"))));
            let raised = alert["frame"].as_u64().unwrap() as usize - 1;
            let own = |frame: &&Kept| ends(&frame.data) == ends(&all[raised].data);
            let mut expected: Vec<Kept> = all[..=raised].iter().rev().filter(own).take(16).cloned().collect();
            expected.reverse();
            let until = all[raised].nanos + 10_000_000_000;
            let later = all[raised + 1..].iter().filter(own).take(16);
            expected.extend(later.take_while(|frame| frame.nanos <= until).cloned());
            assert_eq!(frames(&file), expected, "{alert}");
        }
    }
}

#[test]
fn comments_name_the_alert_and_the_packets_that_are_part_of_it() {
    if !has("tshark", "comments_name_the_alert_and_the_packets_that_are_part_of_it") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let alerts = replay(
        &[&ours("captures/demo-plant.pcap")],
        folder.path(),
        &["--rules", &ours("rules"), "--group", "none"],
    );
    let first = |alert: &&Value| text(alert, "summary").contains("wrote 900");
    let alert = alerts.iter().find(first).unwrap();
    let file = PathBuf::from(text(alert, "evidence"));
    let comments = tshark(&file, "frame.comment");
    let (id, severity, summary) = (text(alert, "id"), text(alert, "severity"), text(alert, "summary"));
    let comment = format!("alert {id}, {severity}: {summary} (packet {})", alert["frame"]);
    let all = frames(Path::new(&ours("captures/demo-plant.pcap")));
    let raised = &all[alert["frame"].as_u64().unwrap() as usize - 1];
    let place = frames(&file).iter().position(|frame| frame == raised);
    assert_eq!(comments.iter().position(|said| *said == comment), place, "{comments:?}");
    assert_eq!(comments.iter().filter(|said| !said.is_empty()).count(), 1, "{comments:?}");
    assert!(tshark(&file, "frame.interface_name").iter().all(|name| name == "demo-plant.pcap"));

    // Where messages are put together, the later ones say to which alert they belong.
    let grouped = folder.path().join("grouped");
    let alerts = replay(&[&ours("captures/demo-plant.pcap")], &grouped, &["--rules", &ours("rules")]);
    let many = alerts.iter().find(|alert| alert["count"].as_u64() > Some(5)).unwrap();
    let file = PathBuf::from(text(many, "evidence"));
    let (comments, whole) = (tshark(&file, "frame.comment"), frames(&file));
    let part = format!("part of alert {}", text(many, "id"));
    let frames = many["frames"].as_array().unwrap();
    for (place, frame) in whole.iter().enumerate() {
        let number = all.iter().position(|other| other == frame).unwrap() as u64 + 1;
        let listed = frames.iter().any(|frame| frame.as_u64() == Some(number));
        let raised = many["frame"].as_u64() == Some(number);
        assert_eq!(comments[place] == part, listed && !raised, "packet {number}: {comments:?}");
    }
    assert!(comments.iter().filter(|comment| **comment == part).count() > 3);
}

/// Names and octets of all files of a folder.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).unwrap()))
        .collect();
    all.sort();
    all
}

/// Everything alerts.
const NOTHING_ALLOWED: &str =
    "version = 1\n[defaults]\ncontrol-traffic = \"deny\"\nother-traffic = \"deny\"\n";

fn same(files: &[&str], rules: &str) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let mut first = None;
    for group in ["window", "none"] {
        for workers in ["1", "2", "5"] {
            let at = folder.path().join(workers).join(group);
            let mut alerts = replay(files, &at, &["--rules", rules, "--group", group, "--workers", workers]);
            for alert in &mut alerts {
                if let Some(path) = alert["evidence"].as_str() {
                    assert!(Path::new(path).is_file(), "{path}");
                    alert["evidence"] = Path::new(path).file_name().unwrap().to_string_lossy().into();
                }
            }
            let seen = (alerts, contents(&at));
            match first.get_or_insert_with(|| seen.clone()) {
                known if workers == "1" => *known = seen,
                known => assert!(*known == seen, "{files:?}: {workers} workers keep something else"),
            }
        }
    }
    first.map_or(0, |(_, files)| files.len())
}

#[test]
fn any_number_of_workers_keeps_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let strict = folder.path().join("strict.toml").to_string_lossy().into_owned();
    std::fs::write(&strict, NOTHING_ALLOWED).unwrap();
    let own = ["demo-plant.pcap", "modbus-functions.pcap", "dnp3-substation.pcap"];
    let own: Vec<String> = own.iter().map(|name| ours(&format!("captures/{name}"))).collect();
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    assert!(same(&own[..1], &ours("rules")) > 100);
    assert!(same(&own, &strict) > 100);
    let Some(public) = shared("any_number_of_workers_keeps_the_same") else { return };
    for folder in ["iti", "nsync", "made"] {
        let folder = public.join(folder).to_string_lossy().into_owned();
        println!("{folder}: {} files", same(&[&folder], &strict));
    }
}

#[test]
fn packets_of_several_files_say_which() {
    if !has("tshark", "packets_of_several_files_say_which") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let strict = folder.path().join("strict.toml").to_string_lossy().into_owned();
    std::fs::write(&strict, NOTHING_ALLOWED).unwrap();
    let files = [ours("captures/modbus-functions.pcap"), ours("captures/dnp3-substation.pcap")];
    let at = folder.path().join("evidence");
    let alerts = replay(&[&files[0], &files[1]], &at, &["--rules", &strict]);
    for proto in ["modbus", "dnp3"] {
        let alert = alerts.iter().find(|alert| text(alert, "proto") == proto).unwrap();
        let name = Path::new(text(alert, "file")).file_name().unwrap().to_string_lossy();
        let names = tshark(Path::new(text(alert, "evidence")), "frame.interface_name");
        assert!(!names.is_empty() && names.iter().all(|other| *other == name), "{names:?}");
    }
}

#[test]
fn without_a_folder_nothing_is_kept_and_a_bad_one_is_one_sentence() {
    let demo = ours("captures/demo-plant.pcap");
    let output = run(&["replay", "-q", "--alerts", "-", "--rules", &ours("rules"), &demo]);
    assert!(out(&output).lines().all(|line| line.contains("\"evidence\":null")));
    let file = tempfile::NamedTempFile::new().unwrap();
    let output = run(&["replay", "--evidence", &file.path().to_string_lossy(), &demo]);
    assert_eq!(output.status.code(), Some(1));
    let said = err(&output);
    assert!(said.contains("cannot keep evidence in ") && said.lines().count() == 1, "{said}");
}

/// A pipeline that keeps evidence in a folder of its own.
struct Sensor {
    pipe: Pipeline,
    folder: tempfile::TempDir,
    alerts: Arc<Mutex<Vec<Alert>>>,
    number: u64,
    nanos: i64,
    sent: Vec<Kept>,
}

impl Sensor {
    fn new(keeping: Keeping, files: usize, octets: u64) -> Sensor {
        let folder = tempfile::tempdir().unwrap();
        let rules = wayside::policy::parse("r.toml", wire::RULES, &wayside::protocol::vocabularies());
        let alerts = Arc::<Mutex<Vec<Alert>>>::default();
        let kept = alerts.clone();
        let mut pipe = Pipeline::new(Parts {
            flows: Default::default(),
            fragments: 1 << 20,
            tally: pipeline::tally(None),
            rules: Some(Arc::new(rules.unwrap().rules)),
            desk: Desk::new(Grouping::None, "test"),
            emit: Box::new(move |alert: Alert| kept.lock().unwrap().push(alert)),
            events: None,
        });
        let shelf = Folder::open(folder.path(), files, octets).unwrap();
        pipe.keep_evidence(keeping, Shelf::start(shelf, vec!["eth0".into()], Behind::Wait).unwrap());
        Sensor { pipe, folder, alerts, number: 0, nanos: 1_700_000_000_000_000_000, sent: Vec::new() }
    }

    fn frame(&mut self, link: Link, data: &[u8], wire_len: u32) {
        self.number += 1;
        self.nanos += 1_000_000;
        let (ts, number) = (Timestamp::from_nanos(self.nanos), self.number);
        self.pipe.frame(&Frame { ts, number, source: 0, link, wire_len, data });
        self.sent.push(Kept { nanos: self.nanos, link, wire_len, data: data.to_vec() });
    }

    fn ip(&mut self, segment: &Segment) {
        let packet = segment.ip();
        self.frame(Link::RawIp, &packet, packet.len() as u32);
    }

    /// The end; returns the alerts and what became of their packets.
    fn end(&mut self) -> (Vec<Alert>, Counts) {
        self.pipe.finish().unwrap();
        (std::mem::take(&mut self.alerts.lock().unwrap()), self.pipe.evidence().unwrap())
    }
}

fn usual() -> Sensor {
    Sensor::new(Keeping::default(), 1000, 64 << 20)
}

#[test]
fn other_link_layers_and_cut_frames_are_kept_as_they_were() {
    let mut t = usual();
    t.ip(&scada(0, &read(1)));
    let second = plc(0, 12, &answer(1)).ip();
    t.frame(Link::Ethernet, &ethernet(&[(0x8100, 7)], &second), 200);
    let third = scada(12, &write(2)).ip();
    let cooked = [&[0, 0, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0, 8, 0][..], &third].concat();
    t.frame(Link::LinuxCooked1, &cooked, cooked.len() as u32);
    let fourth = plc(11, 24, &[9; 30]).ip();
    // The capture has cut it.
    t.frame(Link::RawIp, &fourth[..45], fourth.len() as u32);
    let (alerts, counts) = t.end();
    let write = alerts.iter().find(|alert| alert.frame == 3).unwrap();
    let path = PathBuf::from(write.evidence.as_ref().unwrap());
    assert_eq!(path.parent(), Some(t.folder.path()));
    assert_eq!(frames(&path), t.sent);
    assert_eq!(counts.lost, [0; 5]);
    if has("tshark", "other_link_layers_and_cut_frames_are_kept_as_they_were") {
        assert_eq!(tshark(&path, "frame.encap_type"), ["7", "1", "25", "7"]);
        assert_eq!(tshark(&path, "frame.cap_len")[3], "45");
        assert_eq!(tshark(&path, "frame.len")[3], fourth.len().to_string());
    }
}

/// Of a datagram in fragments all are kept, in the order in which they came, before and after the alert.
#[test]
fn fragments_belong_to_their_conversation() {
    let mut t = usual();
    let whole = scada(0, &write(1)).ip();
    t.ip(&scada(0, &[]));
    let piece = fragment(&whole, 0, 24);
    t.frame(Link::RawIp, &piece, piece.len() as u32);
    t.ip(&plc(0, 0, &[]));
    let piece = fragment(&whole, 24, 32);
    t.frame(Link::RawIp, &piece, piece.len() as u32);
    let later = scada(12, &read(2)).ip();
    let piece = fragment(&later, 24, 32);
    t.frame(Link::RawIp, &piece, piece.len() as u32);
    t.ip(&plc(0, 12, &[]));
    let piece = fragment(&later, 0, 24);
    t.frame(Link::RawIp, &piece, piece.len() as u32);
    let (alerts, _) = t.end();
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].frame, 4);
    assert_eq!(frames(Path::new(alerts[0].evidence.as_ref().unwrap())), t.sent);
}

#[test]
fn what_follows_is_bounded_in_number_and_time() {
    let keeping = Keeping { before: 2, after: 3, ..Keeping::default() };
    for (pause, kept) in [(0, 5), (6_000_000_000, 3)] {
        let mut t = Sensor::new(keeping, 1000, 64 << 20);
        (0..4).for_each(|place| t.ip(&scada(place * 12, &read(place as u8))));
        t.ip(&scada(48, &write(9)));
        for place in 5..12 {
            t.nanos += pause;
            t.ip(&scada(place * 12, &read(place as u8)));
        }
        let (alerts, _) = t.end();
        let file = frames(Path::new(alerts[0].evidence.as_ref().unwrap()));
        assert_eq!(file, t.sent[3..][..kept]);
    }
}

/// A thousand connections that each write once, within two seconds.
fn storm(keeping: Keeping, files: usize) -> (Sensor, Vec<Alert>, Counts) {
    let mut t = Sensor::new(keeping, files, 64 << 20);
    (0..1000).for_each(|port| t.ip(&Segment { port: 20_000 + port, ..scada(0, &write(1)) }));
    let (alerts, counts) = t.end();
    assert_eq!(alerts.len(), 1000, "no alert is lost");
    let with = alerts.iter().filter(|alert| alert.evidence.is_some()).count() as u64;
    assert_eq!(with, counts.written);
    assert_eq!(counts.written + counts.lost.iter().sum::<u64>(), 1000);
    (t, alerts, counts)
}

#[test]
fn a_storm_of_alerts_is_bounded_and_counted() {
    let (t, _, counts) = storm(Keeping::default(), 10_000);
    assert_eq!((counts.written, counts.lost), (256, [744, 0, 0, 0, 0]));
    assert_eq!(contents(t.folder.path()).len(), 256);
    let (_, _, counts) = storm(Keeping { per_minute: 100, ..Keeping::default() }, 10_000);
    assert_eq!((counts.written, counts.lost), (100, [0, 900, 0, 0, 0]));
    // Each is complete with the packet that raised it: there are never many at once.
    let (t, alerts, counts) = storm(Keeping { after: 0, per_minute: 2000, ..Keeping::default() }, 30);
    assert_eq!((counts.written, counts.removed), (1000, 970));
    let names: Vec<String> = contents(t.folder.path()).into_iter().map(|(name, _)| name).collect();
    let youngest: Vec<String> = alerts[970..].iter().map(|alert| format!("{}.pcapng", alert.id)).collect();
    assert_eq!(names, youngest);
}

#[test]
fn the_folder_is_bounded_in_octets() {
    let mut t = Sensor::new(Keeping { after: 0, before: 1, ..Keeping::default() }, 1000, 20_000);
    for place in 0..100u32 {
        let request = [&write(1)[..], &[0; 500]].concat();
        t.ip(&Segment { port: 20_000 + place as u16, ..scada(0, &request) });
        t.nanos += 1_000_000_000;
    }
    let (_, counts) = t.end();
    let octets: usize = contents(t.folder.path()).iter().map(|(_, bytes)| bytes.len()).sum();
    assert!((15_000..=20_000).contains(&octets), "{octets}");
    assert!(counts.removed > 50, "{counts:?}");
}

/// What is no longer in memory when a conversation raises an alert is not made up.
#[test]
fn packets_out_of_reach_are_counted() {
    let mut t = Sensor::new(Keeping { ring: 1 << 20, ..Keeping::default() }, 1000, 64 << 20);
    // What it speaks shows only when it ends.
    t.ip(&Segment { port: 7, ..scada(0, &[0, 1]) });
    let filler = Segment { port: 40_001, ..scada(0, &[0; 1400]) };
    (0..2000).for_each(|place| t.ip(&Segment { seq: filler.seq + place * 1400, ..filler.clone() }));
    let (alerts, counts) = t.end();
    let early = alerts.iter().find(|alert| alert.frame == 1).unwrap();
    assert_eq!(early.evidence, None);
    assert_eq!(counts.lost[2], 1, "{counts:?}");
}

#[test]
fn text_from_the_wire_is_shown_and_not_obeyed() {
    let hostile = "high: file '\u{1b}[2J\u{7}\r\n\u{202e}gpj.exe\u{0}' \"=cmd|' /C calc'!A0\" \u{9b}31m é";
    let head = Head {
        nanos: 1,
        number: 1,
        source: 0,
        link: 101,
        wire_len: 40,
        order: 0,
        octets: 0..40,
        remark: Remark::Raised,
    };
    let octets = scada(0, &[]).ip();
    let sentence = format!("{hostile}{}", "x".repeat(100_000));
    let bundle = Bundle { id: Ulid::from_parts(1, 2), sentence, heads: vec![head], octets };
    let bytes = bundle.pcapng(&["eth\u{1b}0".to_owned()]);
    assert!(!bytes.contains(&0x1b) && bytes.len() < 20_000);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.pcapng");
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(frames(&path).len(), 1);
    if has("tshark", "text_from_the_wire_is_shown_and_not_obeyed") {
        let comments = tshark(&path, "frame.comment");
        assert_eq!(comments.len(), 1, "{comments:?}");
        assert!(comments[0].contains("gpj.exe") && !comments[0].contains(char::is_control), "{comments:?}");
    }
}
