//! Agreement with tshark, value by value. Skipped, saying so, without tshark or the public captures.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod common;

use common::{events, has, shared};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// The captures richest in values, and those with the rarer objects.
const CAPTURES: [&str; 22] = [
    "iti/modbustcp__mb2.pcap",
    "iti/modbustcp__modbus__modbus_test_2.pcap",
    "iti/modbustcp__modbus_test_data_part1.pcap",
    "iti/bro__modbus__modbusbig.pcap",
    "lemay/characterization_modbus_6rtu_with_operate.pcap",
    "lemay/cnc_uploading_exe_modbus_6rtu_with_operate.pcap",
    "iti/bro__dnp3__dnp3.pcap",
    "iti/bro__dnp3__dnp3_link_only.pcap",
    "iti/bro__dnp3__dnp3_read.pcap",
    "iti/dnp3__dnp3_test_data_part2.pcap",
    "iti/dnp3__read_and_response.pcap",
    "iti/dnp3__write_binary_output.pcap",
    "iti/dnp3__opendnp3-3__conformance__8.3.2__dump.pcap",
    "iti/dnp3__opendnp3-3__conformance__8.4.4.2__dump.pcap",
    "iti/dnp3__opendnp3-3__conformance__8.5.1.2__dump.pcap",
    "iti/dnp3__opendnp3-3__conformance__8.6.3.2__dump.pcap",
    "iti/dnp3__opendnp3-3__conformance__8.6.6.2.4__dump.pcap",
    "iti/dnp3__opendnp3-3__conformance__8.9.2.2__dump.pcap",
    "iti/dnp3__opendnp3-3__conformance__8.14.2.10__dump.pcap",
    "iti/dnp3__opendnp3-3__conformance__8.16.2.2.4__dump.pcap",
    "iti/dnp3__opendnp3-3__conformance__8.22.2.9__dump.pcap",
    "iti/dnp3__opendnp3-3__conformance__8.22.2.15__dump.pcap",
];

/// Messages after whose g51v2 (IEEE 1815-2012, annex A: unsynchronised common time of occurrence) tshark 4.0 stops.
const EXCEPTIONS: [(&str, u64); 1] = [("iti/dnp3__opendnp3-3__conformance__8.22.2.15__dump.pcap", 10)];

/// What is compared: tshark's fields that hold values, and the numbers of the points that have them.
const FIELDS: [&str; 25] = [
    "modbus.func_code",
    "modbus.bit_cnt",
    "modbus.data",
    "modbus.bitval",
    "modbus.bitnum",
    "modbus.regval_uint16",
    "modbus.regnum16",
    "dnp3.al.bit",
    "dnp3.al.2bit",
    "dnp3.al.biq.b7",
    "dnp3.al.boq.b7",
    "dnp3.al.ana.int",
    "dnp3.al.ana.float",
    "dnp3.al.anaout.int",
    "dnp3.al.anaout.float",
    "dnp3.al.cnt",
    "dnp3.ctl.op",
    "dnp3.ctl.clr",
    "dnp3.ctl.trip",
    "dnp3.al.count",
    "dnp3.al.on_time",
    "dnp3.al.off_time",
    "dnp3.al.ctrlstatus",
    "dnp3.al.index",
    "dnp3.al.point_index",
];

/// The values of a frame: for each field, in the order of the message.
type Frame = BTreeMap<&'static str, Vec<f64>>;

fn tshark(file: &Path) -> BTreeMap<u64, Frame> {
    let mut command = Command::new("tshark");
    command.args(["-o", "tcp.desegment_tcp_streams:TRUE", "-o", "tcp.reassemble_out_of_order:TRUE"]);
    command.arg("-r").arg(file).args(["-Y", "modbus || dnp3.al.obj", "-T", "fields", "-E", "occurrence=a"]);
    command.args(["-e", "frame.number"]);
    FIELDS.iter().for_each(|field| {
        command.args(["-e", field]);
    });
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", common::err(&output));
    let mut frames = BTreeMap::new();
    for line in common::out(&output).lines() {
        let mut cells = line.split('\t');
        let number: u64 = cells.next().unwrap().parse().unwrap();
        let mut texts: BTreeMap<&'static str, Vec<&str>> = BTreeMap::new();
        for (field, cell) in FIELDS.into_iter().zip(cells).filter(|(_, cell)| !cell.is_empty()) {
            texts.insert(field, cell.split(',').collect());
        }
        // Written values are octets to tshark; which are meant is clear where the frame has one message.
        let octets: Vec<u8> = texts.remove("modbus.data").map_or_else(Vec::new, |data| {
            let digits = data.concat();
            (0..digits.len() / 2)
                .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
                .collect()
        });
        let bits = texts.remove("modbus.bit_cnt").map_or(0, |all| all[0].parse().unwrap());
        let functions = texts.remove("modbus.func_code").unwrap_or_default();
        let mut frame: Frame =
            texts.into_iter().map(|(field, all)| (field, all.into_iter().map(number_of).collect())).collect();
        let words = octets.chunks_exact(2).map(|pair| f64::from(u16::from_be_bytes([pair[0], pair[1]])));
        match functions[..] {
            ["5"] => drop(frame.insert("written bit", words.map(|word| word / 65280.0).collect())),
            ["6" | "23"] => drop(frame.insert("written register", words.collect())),
            ["15"] if !octets.is_empty() => {
                let written =
                    octets.iter().flat_map(|octet| (0..8).map(move |bit| f64::from(octet >> bit & 1)));
                frame.insert("written bits", written.take(bits).collect());
            }
            _ => {}
        }
        frames.insert(number, frame);
    }
    frames
}

fn number_of(text: &str) -> f64 {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).unwrap() as f64,
        None => text.parse().unwrap(),
    }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Bool(bit) => f64::from(u8::from(*bit)),
        Value::String(state) => match state.as_str() {
            "intermediate" => 0.0,
            "determined off" => 1.0,
            "determined on" => 2.0,
            "indeterminate" => 3.0,
            other => panic!("{other} is no state"),
        },
        other => other.as_f64().unwrap(),
    }
}

fn wayside(file: &Path) -> BTreeMap<u64, Frame> {
    let all = events(file);
    let in_frame = common::counted(
        all.iter().filter(|event| event["proto"] == "modbus").map(|event| event["frame"].as_u64()),
    );
    let mut frames: BTreeMap<u64, Frame> = BTreeMap::new();
    for event in &all {
        let Some(frame) = event["frame"].as_u64() else { continue };
        let alone = in_frame.get(&Some(frame)) == Some(&1);
        let frame = frames.entry(frame).or_default();
        if event["proto"] == "modbus" {
            modbus(event, alone, frame);
        }
        for object in event["dnp3"]["objects"].as_array().into_iter().flatten() {
            dnp3(object, frame);
        }
    }
    frames
}

fn modbus(event: &Value, alone: bool, frame: &mut Frame) {
    let values: Vec<f64> = event["values"].as_array().into_iter().flatten().map(number).collect();
    let (value_field, number_field) = match event["modbus"]["function"].as_u64() {
        Some(1 | 2) => ("modbus.bitval", Some("modbus.bitnum")),
        Some(3 | 4 | 16) => ("modbus.regval_uint16", Some("modbus.regnum16")),
        Some(5) if alone => ("written bit", None),
        Some(6 | 23) if alone => ("written register", None),
        Some(15) if alone => ("written bits", None),
        _ => return,
    };
    if let Some(field) = number_field {
        let first = event["points"][0]["first"].as_u64().unwrap_or(0);
        frame.entry(field).or_default().extend((first..).take(values.len()).map(|number| number as f64));
    }
    frame.entry(value_field).or_default().extend(values);
}

fn dnp3(object: &Value, frame: &mut Frame) {
    let kind = (object["group"].as_u64().unwrap(), object["variation"].as_u64().unwrap());
    let value_field = match kind {
        (1 | 10 | 80, 1) => "dnp3.al.bit",
        (1, 2) | (2, _) => "dnp3.al.biq.b7",
        (3, 1) => "dnp3.al.2bit",
        // tshark 4.0 shows the upper of the two bits only, as if it were a binary's.
        (3 | 4, _) => "dnp3.al.biq.b7",
        (50..=52, _) => {
            let count = object["values"].as_array().map_or(0, Vec::len) as u64;
            let numbers = frame.entry("dnp3.al.point_index").or_default();
            return numbers.extend((0..count).map(|number| number as f64));
        }
        (10, 2) | (11, _) => "dnp3.al.boq.b7",
        (12, 1) => "dnp3.ctl.op",
        (20..=23, _) => "dnp3.al.cnt",
        (30, 1..=4) | (32, 1..=4) => "dnp3.al.ana.int",
        (30, 5) | (32, 5 | 7) => "dnp3.al.ana.float",
        (40 | 41, 1 | 2) | (42, 1..=4) => "dnp3.al.anaout.int",
        (40 | 41, 3) => "dnp3.al.anaout.float",
        _ => return,
    };
    let prefixed = object["qualifier"].as_u64().unwrap() >> 4 != 0;
    let number_field = if prefixed { "dnp3.al.index" } else { "dnp3.al.point_index" };
    let mut put = |field, value| frame.entry(field).or_default().push(value);
    for value in object["values"].as_array().into_iter().flatten() {
        put(number_field, number(&value["index"]));
        if kind == (12, 1) {
            let control = value["control"].as_u64().unwrap();
            put("dnp3.ctl.op", (control & 15) as f64);
            put("dnp3.ctl.clr", (control >> 4 & 3) as f64);
            put("dnp3.ctl.trip", (control >> 6) as f64);
            put("dnp3.al.count", number(&value["operations"]));
            put("dnp3.al.on_time", number(&value["on_ms"]));
            put("dnp3.al.off_time", number(&value["off_ms"]));
        } else {
            let two_bits = matches!(kind, (3, 2) | (4, _));
            let value = number(&value["value"]);
            put(value_field, if two_bits { f64::from(u8::from(value >= 2.0)) } else { value });
        }
        if matches!(kind.0, 12 | 41) {
            put("dnp3.al.ctrlstatus", number(&value["status"]));
        }
    }
}

#[test]
fn every_value_agrees_with_tshark() {
    let test = "every_value_agrees_with_tshark";
    let Some(folder) = shared(test) else { return };
    if !has("tshark", test) {
        return;
    }
    let mut compared: BTreeMap<&str, usize> = BTreeMap::new();
    let mut differing = Vec::new();
    for name in CAPTURES {
        let (theirs, ours) = (tshark(&folder.join(name)), wayside(&folder.join(name)));
        let frames: std::collections::BTreeSet<u64> = theirs.keys().chain(ours.keys()).copied().collect();
        for at in frames {
            let (nothing, none) = (Frame::new(), Vec::new());
            let (theirs, ours) = (theirs.get(&at).unwrap_or(&nothing), ours.get(&at).unwrap_or(&nothing));
            let fields: std::collections::BTreeSet<&str> =
                theirs.keys().chain(ours.keys()).copied().collect();
            for field in fields {
                let (theirs, ours) = (theirs.get(field).unwrap_or(&none), ours.get(field).unwrap_or(&none));
                // tshark prints six digits of a float.
                let same = |(theirs, ours): (&f64, &f64)| {
                    let room = if field.ends_with("float") { ours.abs() * 1e-5 } else { 0.0 };
                    (theirs - ours).abs() <= room
                };
                if theirs.len() == ours.len() && theirs.iter().zip(ours).all(same) {
                    *compared.entry(field).or_default() += ours.len();
                } else if !EXCEPTIONS.contains(&(name, at)) {
                    differing.push(format!("{name} frame {at} {field}: tshark {theirs:?}, Wayside {ours:?}"));
                }
            }
        }
    }
    println!("{compared:?}");
    let total: usize = compared.values().sum();
    println!("{total} values and point numbers agree");
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(total > 100_000, "only {total} compared");
}
