//! Every DNP3 object of a fixed size, with made content, against tshark: values, flags, times, indexes. Skipped, saying
//! so, without tshark.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod common;

use common::{events, has};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use wayside::protocol::dnp3::library::{Kind, Layout, TABLE, Variation};
use wayside::protocol::dnp3::wire::link;

/// Objects in each message.
const OBJECTS: usize = 3;

/// Objects that tshark 4.0 does not know, or decodes otherwise than annex A of IEEE 1815-2012 says.
const EXCEPTIONS: [(u8, u8, &str); 19] = [
    (4, 3, "A.5.3: not decoded"),
    (31, 1, "A.15.1: not decoded"),
    (31, 2, "A.15.2: not decoded"),
    (31, 3, "A.15.3: not decoded"),
    (31, 4, "A.15.4: not decoded"),
    (31, 5, "A.15.5: not decoded"),
    (31, 6, "A.15.6: not decoded"),
    (33, 1, "A.17.1: not decoded"),
    (33, 2, "A.17.2: not decoded"),
    (33, 3, "A.17.3: not decoded"),
    (33, 4, "A.17.4: not decoded"),
    (34, 1, "A.18.1: the deadband is unsigned"),
    (34, 2, "A.18.2: the deadband is unsigned"),
    (43, 1, "A.22.1: the value has four octets"),
    (43, 3, "A.22.3: the value has four octets"),
    (50, 2, "A.23.2: not decoded"),
    (50, 4, "A.23.4: not decoded"),
    (51, 2, "A.24.2: not decoded"),
    (52, 1, "A.25.1: not decoded"),
];

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn octet(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 56) as u8
    }

    fn below(&mut self, limit: u64) -> u64 {
        let eight: [u8; 8] = std::array::from_fn(|_| self.octet());
        u64::from_le_bytes(eight) % limit
    }
}

/// The octets of an object of this variation. Times are before 2100, floating-point numbers finite.
fn object(row: &Variation, dice: &mut Dice) -> Vec<u8> {
    let mut octets = Vec::new();
    for field in row.fields {
        match field.kind {
            Kind::Float(4) => {
                let number = dice.below(2_000_000) as f32 / 16.0 - 50_000.0;
                octets.extend(number.to_le_bytes());
            }
            Kind::Float(_) => {
                let number = dice.below(2_000_000) as f64 / 16.0 - 50_000.0;
                octets.extend(number.to_le_bytes());
            }
            Kind::Time => octets.extend(&dice.below(4_000_000_000_000).to_le_bytes()[..6]),
            kind => octets.extend((0..kind.octets()).map(|_| dice.octet())),
        }
    }
    octets
}

/// A response with these objects, each with its index, in a link frame in a UDP datagram.
fn packet(row: &Variation, dice: &mut Dice) -> Vec<u8> {
    let mut data = vec![0xc0, 0xc0, 129, 0, 0, row.group, row.variation, 0x28, OBJECTS as u8, 0];
    for _ in 0..OBJECTS {
        data.extend([dice.octet(), dice.octet()]);
        data.extend(object(row, dice));
    }
    let mut frame = vec![5, 0x64, data.len() as u8 + 5, 0x44, 1, 0, 10, 0];
    frame.extend(link::crc(&frame).to_le_bytes());
    for block in data.chunks(16) {
        frame.extend(block);
        frame.extend(link::crc(block).to_le_bytes());
    }
    let udp = frame.len() as u16 + 8;
    let mut ip = vec![0x45, 0];
    ip.extend((udp + 20).to_be_bytes());
    ip.extend([0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1]);
    ip.extend([20_000u16, 20_000, udp, 0].iter().flat_map(|word| word.to_be_bytes()));
    ip.extend(frame);
    ip
}

/// Writes packets as a capture file of raw IP.
fn write(path: &Path, packets: &[Vec<u8>]) {
    let mut bytes: Vec<u8> = Vec::new();
    bytes.extend(0xa1b2_c3d4_u32.to_le_bytes());
    bytes.extend([2, 0, 4, 0]);
    [0u32, 0, 65_535, 101].iter().for_each(|word| bytes.extend(word.to_le_bytes()));
    for (second, packet) in (1u32..).zip(packets) {
        let length = packet.len() as u32;
        [second, 0, length, length].iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        bytes.extend(packet);
    }
    std::fs::write(path, bytes).unwrap();
}

/// tshark's fields with values, by what Wayside calls the same.
const FIELDS: [(&str, &str); 19] = [
    ("dnp3.al.index", "index"),
    ("dnp3.al.biq.b7", "value"),
    ("dnp3.al.boq.b7", "value"),
    ("dnp3.al.bocs", "value"),
    ("dnp3.al.cnt", "value"),
    ("dnp3.al.ana.int", "value"),
    ("dnp3.al.ana.float", "value"),
    ("dnp3.al.ana.double", "value"),
    ("dnp3.al.anaout.int", "value"),
    ("dnp3.al.anaout.float", "value"),
    ("dnp3.al.anaout.double", "value"),
    ("dnp3.al.ctrlstatus", "status"),
    ("dnp3.al.timestamp", "time"),
    ("dnp3.al.reltimestamp", "relative"),
    ("dnp3.al.time_delay", "value"),
    ("dnp3.ctl.op", "operation"),
    ("dnp3.al.count", "operations"),
    ("dnp3.al.on_time", "on_ms"),
    ("dnp3.al.off_time", "off_ms"),
];

/// Quality flags: tshark's field of bit 0 to 6 by kind of point, and their names here.
const FLAGS: [(&str, [&str; 7]); 5] = [
    ("biq", ["online", "restart", "comm-lost", "remote-forced", "local-forced", "chatter-filter", ""]),
    ("boq", ["online", "restart", "comm-lost", "remote-forced", "local-forced", "", ""]),
    (
        "ctrq",
        ["online", "restart", "comm-lost", "remote-forced", "local-forced", "rollover", "discontinuity"],
    ),
    (
        "aiq",
        ["online", "restart", "comm-lost", "remote-forced", "local-forced", "over-range", "reference-err"],
    ),
    ("aoq", ["online", "restart", "comm-lost", "remote-forced", "local-forced", "", ""]),
];

type Said = BTreeMap<String, Vec<f64>>;

fn tshark(file: &Path) -> Vec<Said> {
    let flags: Vec<(String, &str)> = FLAGS
        .iter()
        .flat_map(|(kind, names)| (0..7).map(move |bit| (format!("dnp3.al.{kind}.b{bit}"), names[bit])))
        .filter(|(_, name)| !name.is_empty())
        .collect();
    let fields: Vec<(&str, &str)> =
        FIELDS.iter().copied().chain(flags.iter().map(|(field, name)| (field.as_str(), *name))).collect();
    let mut command = Command::new("tshark");
    command.env("TZ", "UTC").arg("-r").arg(file).args([
        "-T",
        "fields",
        "-E",
        "occurrence=a",
        "-E",
        "aggregator=;",
    ]);
    fields.iter().for_each(|(field, _)| {
        command.args(["-e", field]);
    });
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", common::err(&output));
    let line = |line: &str| {
        let mut said = Said::new();
        for ((_, name), cell) in fields.iter().zip(line.split('\t')).filter(|(_, cell)| !cell.is_empty()) {
            said.entry((*name).to_owned()).or_default().extend(cell.split(';').map(number_of));
        }
        said
    };
    common::out(&output).lines().map(line).collect()
}

/// A number, or a time in milliseconds since 1970.
fn number_of(text: &str) -> f64 {
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).unwrap() as f64;
    }
    if let Ok(number) = text.parse() {
        return number;
    }
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let time = jiff::civil::DateTime::strptime("%b %d, %Y %H:%M:%S%.f UTC", &text).unwrap();
    jiff::tz::TimeZone::UTC.to_timestamp(time).unwrap().as_millisecond() as f64
}

fn ours(event: &Value, row: &Variation) -> Said {
    let mut said = Said::new();
    let mut put = |name: &str, number: f64| said.entry(name.to_owned()).or_default().push(number);
    let time =
        |text: &Value| text.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_millisecond() as f64;
    for value in event["dnp3"]["objects"][0]["values"].as_array().unwrap() {
        put("index", value["index"].as_f64().unwrap());
        match (&value["value"], row.group) {
            (Value::Bool(on), _) => put("value", f64::from(u8::from(*on))),
            // tshark shows the upper of the two bits, as if it were a binary's.
            (Value::String(state), 4 | 3) => {
                put(
                    "value",
                    f64::from(u8::from(["determined on", "indeterminate"].contains(&state.as_str()))),
                );
            }
            (moment @ Value::String(_), 50 | 51) => put("time", time(moment)),
            (Value::Number(number), _) => put("value", number.as_f64().unwrap()),
            _ => {}
        }
        if value["time"].is_string() {
            put("time", time(&value["time"]));
        }
        if let Some(after) = value["relative_ms"].as_f64() {
            put("relative", after / 1000.0);
        }
        if let Some(control) = value["control"].as_u64() {
            put("operation", (control & 15) as f64);
        }
        for name in ["operations", "on_ms", "off_ms", "status"] {
            if let Some(number) = value[name].as_f64() {
                put(name, number);
            }
        }
        if let Some(flags) = value["flags"].as_array() {
            let known = match row.group {
                1..=4 => FLAGS[0].1,
                10..=11 => FLAGS[1].1,
                20..=23 => FLAGS[2].1,
                30..=33 => FLAGS[3].1,
                40..=43 => FLAGS[4].1,
                _ => [""; 7],
            };
            for name in known.into_iter().filter(|name| !name.is_empty()) {
                put(name, f64::from(u8::from(flags.iter().any(|flag| flag == name))));
            }
        }
    }
    said
}

#[test]
fn every_fixed_object_agrees_with_tshark() {
    let test = "every_fixed_object_agrees_with_tshark";
    if !has("tshark", test) {
        return;
    }
    let rows: Vec<&Variation> =
        TABLE.iter().filter(|row| matches!(row.layout, Layout::Fixed) && row.group < 60).collect();
    let mut dice = Dice(1815);
    let packets: Vec<Vec<u8>> = rows.iter().map(|row| packet(row, &mut dice)).collect();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("objects.pcap");
    write(&file, &packets);
    let (theirs, events) = (tshark(&file), events(&file));
    assert_eq!((theirs.len(), events.len()), (rows.len(), rows.len()));
    let (mut compared, mut differing, mut excepted) = (0, Vec::new(), std::collections::BTreeSet::new());
    for ((row, theirs), event) in rows.iter().zip(&theirs).zip(&events) {
        assert_eq!(event["kind"], "response", "{event}");
        let ours = ours(event, row);
        let exception = EXCEPTIONS.iter().any(|(g, v, _)| (*g, *v) == (row.group, row.variation));
        let names: std::collections::BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
        for name in names {
            let (nothing, none) = (Vec::new(), &Vec::new());
            let (theirs, ours) = (theirs.get(name).unwrap_or(none), ours.get(name).unwrap_or(&nothing));
            // tshark prints six digits of a float.
            let same = |(a, b): (&f64, &f64)| (a - b).abs() <= b.abs() * 1e-5;
            if theirs.len() == ours.len() && theirs.iter().zip(ours).all(same) {
                compared += ours.len();
            } else if exception {
                excepted.insert((row.group, row.variation));
            } else {
                differing.push(format!(
                    "g{}v{} {name}: tshark {theirs:?}, Wayside {ours:?}",
                    row.group, row.variation
                ));
            }
        }
    }
    println!("{} kinds of object, {compared} fields agree", rows.len());
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    for (group, variation, why) in EXCEPTIONS.iter().filter(|(g, v, _)| !excepted.contains(&(*g, *v))) {
        println!("g{group}v{variation} agrees with this tshark ({why})");
    }
    assert!(compared > 1500, "only {compared} compared");
}
