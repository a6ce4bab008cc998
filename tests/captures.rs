//! What captures say, and what changing them must not change.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod common;

use common::{Pcap, counted, err, events, ours, run, shared, without_place};
use std::path::{Path, PathBuf};

/// The project's own recordings, each with the golden file of its events.
const OWN: [&str; 4] = ["demo-plant", "dnp3-substation", "iec104-substation", "modbus-functions"];

/// Captures of the public folder that are rich in messages and odd in nothing that the test changes.
const PUBLIC: [&str; 8] = [
    "iti/modbustcp__mb2.pcap",
    "iti/modbustcp__modbus__modbus_test_2.pcap",
    "iti/bro__modbus__modbusbig.pcap",
    "lemay/cnc_uploading_exe_modbus_6rtu_with_operate.pcap",
    "iti/bro__dnp3__dnp3_link_only.pcap",
    "iti/dnp3__dnp3_test_data_part2.pcap",
    "iti/iec60870-5-104__javarmi_and_iec_misc.pcap",
    "made/iec104_poll_and_command.pcap",
];

fn corpus(test: &str) -> Vec<PathBuf> {
    let own = OWN.iter().map(|name| PathBuf::from(ours(&format!("captures/{name}.pcap"))));
    let public = shared(test).into_iter().flat_map(|folder| PUBLIC.map(|name| folder.join(name)));
    own.chain(public).collect()
}

/// Run with WAYSIDE_BLESS=1 to write the golden files anew; then read the difference.
#[test]
fn the_projects_own_recordings_give_their_golden_events() {
    for name in OWN {
        let golden = ours(&format!("tests/golden/{name}.ndjson"));
        let output = run(&["replay", "--quiet", "--events", "-", &ours(&format!("captures/{name}.pcap"))]);
        assert!(output.status.success(), "{}", err(&output));
        if std::env::var_os("WAYSIDE_BLESS").is_some() {
            std::fs::write(&golden, &output.stdout).unwrap();
        }
        let want = std::fs::read(&golden).unwrap();
        let lines =
            |bytes: &[u8]| String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect::<Vec<_>>();
        let (want, got) = (lines(&want), lines(&output.stdout));
        for (at, (want, got)) in want.iter().zip(&got).enumerate() {
            assert_eq!(want, got, "{golden}, line {}", at + 1);
        }
        assert_eq!(want.len(), got.len(), "{golden}");
    }
}

#[test]
fn every_packet_twice_gives_no_event_twice() {
    let folder = tempfile::tempdir().unwrap();
    for file in corpus("every_packet_twice") {
        let pcap = Pcap::read(&file).unwrap();
        let doubled = folder.path().join("doubled.pcap");
        pcap.write(&doubled, pcap.records.iter().flat_map(|record| [record, record]));
        let once: Vec<_> = events(&file).iter().map(without_place).collect();
        let twice: Vec<_> = events(&doubled).iter().map(without_place).collect();
        assert_eq!(once.len(), twice.len(), "{}", file.display());
        for (at, (once, twice)) in once.iter().zip(&twice).enumerate() {
            assert_eq!(once, twice, "{}, event {}", file.display(), at + 1);
        }
    }
}

/// How much of the window of IEC 104 is open is known from the acknowledgements before.
fn without_window(event: &mut serde_json::Value) {
    if let Some(fields) = event.get_mut("iec104").and_then(|fields| fields.as_object_mut()) {
        ["unacknowledged", "acknowledges", "acknowledged_after_us", "confirmed_after_us", "idle_us"]
            .into_iter()
            .for_each(|name| drop(fields.remove(name)));
    }
}

/// A sensor that starts late sees the same from then on: only what needs the lost packets differs (an answer to a
/// request that was cut away).
#[test]
fn the_same_capture_without_its_first_third_gives_the_same_events_for_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    for file in corpus("without_its_first_third") {
        let pcap = Pcap::read(&file).unwrap();
        let cut = pcap.records.len() / 3;
        let rest = folder.path().join("rest.pcap");
        pcap.write(&rest, &pcap.records[cut..]);
        let after =
            |event: &serde_json::Value| event["frame"].as_u64().is_some_and(|frame| frame > cut as u64);
        let knows_its_request = |event: &serde_json::Value| {
            event["request_frame"].as_u64().is_none_or(|frame| frame > cut as u64)
        };
        let whole = events(&file);
        let late = events(&rest);
        let messages = |all: &[serde_json::Value]| {
            counted(all.iter().map(|event| {
                let mut event = without_place(event);
                without_window(&mut event);
                // What a part of a message does is known from its request or not at all.
                if event["dnp3"]["function"].is_null() {
                    event["verb"].take();
                }
                event.to_string()
            }))
        };
        let want: Vec<_> = whole.iter().filter(|e| after(e) && knows_its_request(e)).cloned().collect();
        let got = messages(&late);
        let mut missing = 0;
        for (event, count) in messages(&want) {
            missing += count.saturating_sub(got.get(&event).copied().unwrap_or(0));
        }
        // What began before the cut and ended after it is cut too: at most one message for each conversation
        // direction, besides answers.
        let begun = counted(whole.iter().map(|event| event["community_id"].to_string())).len() * 2;
        let all = whole.iter().filter(|event| after(event)).count();
        assert!(missing <= begun.min(want.len() / 10), "{}: {missing} of {all} are gone", file.display());
        let frames = late.iter().filter(|event| event["frame"].is_u64()).count();
        let same = whole.iter().filter(|event| after(event)).count();
        assert!(frames.abs_diff(same) <= begun, "{}: {frames} instead of {same}", file.display());
    }
}

/// Sets a checksum of two octets at this place, over the octets of a packet from `from` on and a sum before them.
fn seal(packet: &mut [u8], from: usize, place: usize, before: u64) {
    packet[place..place + 2].fill(0);
    let mut sum = wayside::packet::checksum::sum(before, &packet[from..]);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    packet[place..place + 2].copy_from_slice(&(!(sum as u16)).to_ne_bytes());
}

/// A record cut into two segments of the same TCP stream, where it carries enough.
fn halves(record: &[u8], big: bool, at: usize) -> Option<[Vec<u8>; 2]> {
    let frame = record.get(16..)?;
    if frame.get(12..14)? != [8, 0] || frame.get(23) != Some(&6) || frame.get(14)? >> 4 != 4 {
        return None;
    }
    let ip = usize::from(frame[14] & 15) * 4;
    let tcp = usize::from(frame.get(14 + ip + 12)? >> 4) * 4;
    let start = 14 + ip + tcp;
    let end = 14 + usize::from(u16::from_be_bytes(frame.get(16..18)?.try_into().ok()?));
    let payload = frame.get(start..end)?;
    // SYN, FIN and RST stay whole.
    if payload.len() < 2 || frame.get(14 + ip + 13)? & 7 != 0 {
        return None;
    }
    let cut = 1 + at % (payload.len() - 1);
    let piece = |from: usize, to: usize| {
        let mut frame = [&frame[..start], &payload[from..to]].concat();
        let total = (frame.len() - 14) as u16;
        frame[16..18].copy_from_slice(&total.to_be_bytes());
        let seq: [u8; 4] = frame[14 + ip + 4..14 + ip + 8].try_into().unwrap();
        let seq = u32::from_be_bytes(seq).wrapping_add(from as u32);
        frame[14 + ip + 4..14 + ip + 8].copy_from_slice(&seq.to_be_bytes());
        seal(&mut frame[..14 + ip], 14, 24, 0);
        let pseudo = [&[0, 6][..], &((total as usize - ip) as u16).to_be_bytes(), &frame[26..34]].concat();
        let before = wayside::packet::checksum::sum(0, &pseudo);
        seal(&mut frame, 14 + ip, 14 + ip + 16, before);
        let len = frame.len() as u32;
        let len = if big { len.to_be_bytes() } else { len.to_le_bytes() };
        [&record[..8], &len, &len, &frame].concat()
    };
    Some([piece(0, cut), piece(cut, payload.len())])
}

/// Every segment cut in two, in order and then the second half first: the same events.
#[test]
fn cutting_and_reordering_segments_changes_no_event() {
    let folder = tempfile::tempdir().unwrap();
    for file in corpus("cutting_and_reordering") {
        let pcap = Pcap::read(&file).unwrap();
        let big = pcap.header[0] == 0xa1;
        let whole: Vec<_> = events(&file).iter().map(without_place).collect();
        for swapped in [false, true] {
            let mut begun = std::collections::HashSet::new();
            let mut records = Vec::new();
            let mut cuts = 0;
            for (number, record) in pcap.records.iter().enumerate() {
                let ports = record.get(16 + 26..16 + 38).map(<[u8]>::to_vec);
                match halves(record, big, number * 7 + 3) {
                    // The first segment of a connection that is picked up in the middle starts the stream.
                    Some([first, second]) if swapped && begun.contains(&ports) => {
                        records.extend([second, first]);
                        cuts += 1;
                    }
                    Some([first, second]) => {
                        begun.insert(ports);
                        records.extend([first, second]);
                        cuts += 1;
                    }
                    None => records.push(record.clone()),
                }
            }
            let changed = folder.path().join("changed.pcap");
            pcap.write(&changed, &records);
            let told: Vec<_> = events(&changed).iter().map(without_place).collect();
            assert!(cuts > 5, "{}: {cuts}", file.display());
            // Several messages of one segment may complete in another order of packets, not of a stream.
            let (want, got) =
                (counted(whole.iter().map(|e| e.to_string())), counted(told.iter().map(|e| e.to_string())));
            let missing: Vec<_> =
                want.iter().filter(|(event, n)| got.get(*event).copied().unwrap_or(0) < **n).collect();
            let extra: Vec<_> =
                got.iter().filter(|(event, n)| want.get(*event).copied().unwrap_or(0) < **n).collect();
            assert!(
                missing.is_empty() && extra.is_empty(),
                "{}, swapped {swapped}: missing {missing:#?}, extra {extra:#?}",
                file.display()
            );
        }
    }
}

#[test]
fn every_public_capture_is_read_without_trouble() {
    let Some(folder) = shared("every_public_capture") else { return };
    let output = run(&["replay", "--events", "/dev/null", &folder.to_string_lossy()]);
    let said = err(&output);
    assert!(output.status.success(), "{said}");
    assert!(["Modbus", "DNP3", "IEC 104"].iter().all(|name| said.contains(name)), "{said}");
}

#[test]
fn frames_are_told_per_file_where_there_are_several() {
    let files = OWN.map(|name| ours(&format!("captures/{name}.pcap")));
    let mut arguments = vec!["replay", "-q", "--events", "-"];
    arguments.extend(files.iter().map(String::as_str));
    let output = run(&arguments);
    let all: Vec<serde_json::Value> =
        common::out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for file in &files {
        let alone = events(Path::new(file)).len();
        let mixed = all.iter().filter(|event| event["file"] == file.as_str()).count();
        assert_eq!(alone, mixed, "{file}");
    }
}
