//! IEC 104 against tshark, field by field: every type of ASDU with made content, and the public captures. Skipped, saying
//! so, without tshark or the captures.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod common;

use common::{events, has, ours, shared};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use wayside::protocol::iec104::library::{Class, Element, TYPES, Type};

/// Types of which tshark 4.0 tells the header and the first address only, or not the time.
const EXCEPTIONS: [u8; 11] = [17, 18, 19, 20, 38, 39, 40, 41, 107, 126, 127];

/// tshark's fields that are compared.
const FIELDS: [&str; 60] = [
    "iec60870_104.tx",
    "iec60870_104.rx",
    "iec60870_104.utype",
    "iec60870_asdu.typeid",
    "iec60870_asdu.causetx",
    "iec60870_asdu.nega",
    "iec60870_asdu.test",
    "iec60870_asdu.oa",
    "iec60870_asdu.addr",
    "iec60870_asdu.sq",
    "iec60870_asdu.numix",
    "iec60870_asdu.ioa",
    "iec60870_asdu.siq.spi",
    "iec60870_asdu.siq.bl",
    "iec60870_asdu.siq.sb",
    "iec60870_asdu.siq.nt",
    "iec60870_asdu.siq.iv",
    "iec60870_asdu.diq.dpi",
    "iec60870_asdu.diq.bl",
    "iec60870_asdu.diq.sb",
    "iec60870_asdu.diq.nt",
    "iec60870_asdu.diq.iv",
    "iec60870_asdu.qds.ov",
    "iec60870_asdu.qds.bl",
    "iec60870_asdu.qds.sb",
    "iec60870_asdu.qds.nt",
    "iec60870_asdu.qds.iv",
    "iec60870_asdu.vti.v",
    "iec60870_asdu.vti.t",
    "iec60870_asdu.bitstring",
    "iec60870_asdu.normval",
    "iec60870_asdu.scalval",
    "iec60870_asdu.float",
    "iec60870_asdu.bcr.count",
    "iec60870_asdu.bcr.sq",
    "iec60870_asdu.bcr.cy",
    "iec60870_asdu.bcr.ca",
    "iec60870_asdu.bcr.iv",
    "iec60870_asdu.sco.on",
    "iec60870_asdu.sco.qu",
    "iec60870_asdu.sco.se",
    "iec60870_asdu.dco.on",
    "iec60870_asdu.dco.se",
    "iec60870_asdu.rco.up",
    "iec60870_asdu.rco.se",
    "iec60870_asdu.qos.ql",
    "iec60870_asdu.qos.se",
    "iec60870_asdu.qpm.kpa",
    "iec60870_asdu.coi_r",
    "iec60870_asdu.qoi",
    "iec60870_asdu.rqt",
    "iec60870_asdu.frz",
    "iec60870_asdu.qrp",
    "iec60870_asdu.cp24time.ms",
    "iec60870_asdu.cp24time.min",
    "iec60870_asdu.cp56time.ms",
    "iec60870_asdu.cp56time.min",
    "iec60870_asdu.cp56time.hour",
    "iec60870_asdu.cp56time.day",
    "iec60870_asdu.cp56time.year",
];

/// Whether a field stands before the objects.
fn is_header(field: &str) -> bool {
    FIELDS.iter().position(|known| *known == field).is_some_and(|place| place < 11)
}

/// The values of a frame: for each field, in the order of the message.
type Frame = BTreeMap<&'static str, Vec<f64>>;

fn number_of(text: &str) -> f64 {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).unwrap() as f64,
        None => text.parse().unwrap_or_else(|_| panic!("'{text}' is no number")),
    }
}

fn tshark(file: &Path) -> BTreeMap<u64, Frame> {
    let mut command = Command::new("tshark");
    command.args([
        "-n",
        "-o",
        "tcp.desegment_tcp_streams:TRUE",
        "-o",
        "tcp.reassemble_out_of_order:TRUE",
        "-r",
    ]);
    command.arg(file).args([
        "-Y",
        "iec60870_104",
        "-T",
        "fields",
        "-E",
        "occurrence=a",
        "-e",
        "frame.number",
    ]);
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", common::err(&output));
    let row = |line: &str| {
        let mut cells = line.split('\t');
        let number = cells.next()?.parse().ok()?;
        let filled = FIELDS.into_iter().zip(cells).filter(|(_, cell)| !cell.is_empty());
        // Some stations count years from 1900, so that the two digits of the standard are those of 109.
        let value = |field: &str, text: &str| match (field, number_of(text)) {
            ("iec60870_asdu.cp56time.year", year) => year % 100.0,
            // Two codes of a command are not permitted.
            ("iec60870_asdu.dco.on" | "iec60870_asdu.rco.up", 3.0) => 0.0,
            (_, number) => number,
        };
        let values = |(field, cell): (&'static str, &str)| {
            (field, cell.split(',').map(|text| value(field, text)).collect())
        };
        Some((number, filled.map(values).collect()))
    };
    common::out(&output).lines().filter_map(row).collect()
}

fn wayside(file: &Path) -> BTreeMap<u64, Frame> {
    let mut frames: BTreeMap<u64, Frame> = BTreeMap::new();
    for event in events(file).iter().filter(|event| event["proto"] == "iec104") {
        let Some(number) = event["frame"].as_u64() else { continue };
        unit(&event["iec104"], frames.entry(number).or_default());
    }
    frames
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Bool(bit) => f64::from(u8::from(*bit)),
        Value::String(word) => match word.as_str() {
            "intermediate" | "not permitted" => 0.0,
            "determined off" | "lower" => 1.0,
            "determined on" | "higher" => 2.0,
            "indeterminate" => 3.0,
            other => panic!("{other} is no state"),
        },
        other => other.as_f64().unwrap_or_else(|| panic!("{other} is no number")),
    }
}

fn unit(fields: &Value, frame: &mut Frame) {
    let mut put = |field: &'static str, value: f64| frame.entry(field).or_default().push(value);
    for (name, field) in [("send", "iec60870_104.tx"), ("recv", "iec60870_104.rx")] {
        fields[name].as_f64().into_iter().for_each(|number| put(field, number));
    }
    if let Some(name) = fields["control"].as_str() {
        let all = ["startdt-act", "startdt-con", "stopdt-act", "stopdt-con", "testfr-act", "testfr-con"];
        let bit = all.iter().position(|known| *known == name).unwrap();
        put("iec60870_104.utype", f64::from(1u8 << bit));
    }
    let Some(code) = fields["type"].as_u64() else { return };
    put("iec60870_asdu.typeid", code as f64);
    for (name, field) in [
        ("cause", "iec60870_asdu.causetx"),
        ("negative", "iec60870_asdu.nega"),
        ("test", "iec60870_asdu.test"),
        ("originator", "iec60870_asdu.oa"),
        ("common_address", "iec60870_asdu.addr"),
        ("sq", "iec60870_asdu.sq"),
        ("number", "iec60870_asdu.numix"),
    ] {
        put(field, number(&fields[name]));
    }
    for object in fields["objects"].as_array().into_iter().flatten() {
        put("iec60870_asdu.ioa", number(&object["ioa"]));
        elements(code as u8, object, &mut put);
    }
}

fn elements(code: u8, object: &Value, put: &mut dyn FnMut(&'static str, f64)) {
    let Some(row) = TYPES.iter().find(|row| row.code == code) else { return };
    let flag = |name: &str| {
        let set = object["quality"].as_array().is_some_and(|all| all.iter().any(|flag| flag == name));
        f64::from(u8::from(set))
    };
    for element in row.elements {
        match element {
            Element::Siq => {
                put("iec60870_asdu.siq.spi", number(&object["value"]));
                put("iec60870_asdu.siq.bl", flag("blocked"));
                put("iec60870_asdu.siq.sb", flag("substituted"));
                put("iec60870_asdu.siq.nt", flag("not-topical"));
                put("iec60870_asdu.siq.iv", flag("invalid"));
            }
            Element::Diq => {
                put("iec60870_asdu.diq.dpi", number(&object["value"]));
                put("iec60870_asdu.diq.bl", flag("blocked"));
                put("iec60870_asdu.diq.sb", flag("substituted"));
                put("iec60870_asdu.diq.nt", flag("not-topical"));
                put("iec60870_asdu.diq.iv", flag("invalid"));
            }
            Element::Qds => {
                put("iec60870_asdu.qds.ov", flag("overflow"));
                put("iec60870_asdu.qds.bl", flag("blocked"));
                put("iec60870_asdu.qds.sb", flag("substituted"));
                put("iec60870_asdu.qds.nt", flag("not-topical"));
                put("iec60870_asdu.qds.iv", flag("invalid"));
            }
            Element::Vti => {
                put("iec60870_asdu.vti.v", number(&object["value"]));
                put("iec60870_asdu.vti.t", number(&object["transient"]));
            }
            // tshark shows the octets in their order, of which the first has the lowest bits (7.2.6.8), as lib60870 has it.
            Element::Bsi => {
                let bits = number(&object["value"]) as u32;
                put("iec60870_asdu.bitstring", f64::from(bits.swap_bytes()));
            }
            Element::Nva => put("iec60870_asdu.normval", number(&object["value"])),
            Element::Sva => put("iec60870_asdu.scalval", number(&object["value"])),
            Element::R32 => put("iec60870_asdu.float", number(&object["value"])),
            Element::Bcr => {
                put("iec60870_asdu.bcr.count", number(&object["value"]));
                put("iec60870_asdu.bcr.sq", number(&object["sequence"]));
                put("iec60870_asdu.bcr.cy", flag("carry"));
                put("iec60870_asdu.bcr.ca", flag("adjusted"));
                put("iec60870_asdu.bcr.iv", flag("invalid"));
            }
            Element::Sco => {
                put("iec60870_asdu.sco.on", number(&object["value"]));
                put("iec60870_asdu.sco.qu", number(&object["qualifier"]));
                put("iec60870_asdu.sco.se", number(&object["select"]));
            }
            Element::Dco => {
                // Off is 1, on is 2.
                let state = object["value"].as_bool().map_or(0.0, |on| f64::from(u8::from(on)) + 1.0);
                put("iec60870_asdu.dco.on", state);
                put("iec60870_asdu.dco.se", number(&object["select"]));
            }
            Element::Rco => {
                put("iec60870_asdu.rco.up", number(&object["value"]));
                put("iec60870_asdu.rco.se", number(&object["select"]));
            }
            Element::Qos => {
                put("iec60870_asdu.qos.ql", number(&object["qualifier"]));
                put("iec60870_asdu.qos.se", number(&object["select"]));
            }
            Element::Qpm => put("iec60870_asdu.qpm.kpa", number(&object["parameter"])),
            Element::Coi => put("iec60870_asdu.coi_r", number(&object["initialization"])),
            Element::Qoi => put("iec60870_asdu.qoi", number(&object["interrogation"])),
            Element::Qcc => {
                put("iec60870_asdu.rqt", number(&object["request"]));
                put("iec60870_asdu.frz", number(&object["freeze"]));
            }
            Element::Qrp => put("iec60870_asdu.qrp", number(&object["reset"])),
            Element::Cp24 => {
                let time = digits(&object["time"]);
                put("iec60870_asdu.cp24time.ms", time[1] * 1000.0 + time[2]);
                put("iec60870_asdu.cp24time.min", time[0]);
            }
            Element::Cp56 => {
                let time = digits(&object["time"]);
                put("iec60870_asdu.cp56time.ms", time[5] * 1000.0 + time[6]);
                put("iec60870_asdu.cp56time.min", time[4]);
                put("iec60870_asdu.cp56time.hour", time[3]);
                put("iec60870_asdu.cp56time.day", time[2]);
                put("iec60870_asdu.cp56time.year", time[0] % 100.0);
            }
            _ => {}
        }
    }
}

/// The numbers of a time.
fn digits(time: &Value) -> Vec<f64> {
    let text = time.as_str().unwrap_or_else(|| panic!("{time} is no time"));
    text.split(['-', 'T', ':', '.']).map(|part| part.parse().unwrap()).collect()
}

/// How many fields agree; which do not.
fn compare(file: &Path, differing: &mut Vec<String>) -> usize {
    let (theirs, ours) = (tshark(file), wayside(file));
    let mut agreeing = 0;
    let frames: std::collections::BTreeSet<u64> = theirs.keys().chain(ours.keys()).copied().collect();
    for at in frames {
        let (nothing, none) = (Frame::new(), Vec::new());
        let (theirs, ours) = (theirs.get(&at).unwrap_or(&nothing), ours.get(&at).unwrap_or(&nothing));
        let code = ours.get("iec60870_asdu.typeid").map_or(0, |all| all[0] as u8);
        for field in FIELDS {
            let (theirs, ours) = (theirs.get(field).unwrap_or(&none), ours.get(field).unwrap_or(&none));
            // tshark prints six digits of a number with a fraction.
            let fraction = field.ends_with("float") || field.ends_with("normval");
            let room = |ours: f64| if fraction { ours.abs() * 1e-5 + 1e-6 } else { 0.0 };
            let same = theirs.len() == ours.len()
                && theirs.iter().zip(ours).all(|(theirs, ours)| (theirs - ours).abs() <= room(*ours));
            if same {
                agreeing += ours.len();
            } else if !EXCEPTIONS.contains(&code) || is_header(field) {
                let name = file.file_name().unwrap().to_string_lossy();
                differing.push(format!(
                    "{name} frame {at} type {code} {field}: tshark {theirs:?}, Wayside {ours:?}"
                ));
            }
        }
    }
    agreeing
}

/// Numbers that look like chance and are the same each time.
struct Dice(u64);

impl Dice {
    fn octet(&mut self) -> u8 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 56) as u8
    }

    fn below(&mut self, limit: u8) -> u8 {
        self.octet() % limit
    }
}

/// The octets of an object. Times are real ones, floating-point numbers finite.
fn object(row: &Type, dice: &mut Dice) -> Vec<u8> {
    let mut octets = Vec::new();
    for element in row.elements {
        match element {
            Element::R32 => {
                let number = f32::from(dice.octet()) * 37.25 - 4000.0;
                octets.extend(number.to_le_bytes());
            }
            Element::Cp24 => octets.extend([dice.octet(), dice.below(0xea), dice.below(60)]),
            Element::Cp56 => octets.extend([
                dice.octet(),
                dice.below(0xea),
                dice.below(60),
                dice.below(24),
                1 + dice.below(28),
                1 + dice.below(12),
                dice.below(100),
            ]),
            Element::Fbp => octets.extend([0xaa, 0x55]),
            Element::Segment => octets.extend([3, 1, 2, 3]),
            element => octets.extend((0..element.octets()).map(|_| dice.octet())),
        }
    }
    octets
}

/// An I frame with so many objects of a type.
fn made(row: &Type, number: u8, sequence: bool, dice: &mut Dice) -> Vec<u8> {
    let cause = match (row.class, row.code) {
        (Class::File, _) => 13,
        (_, 70) => 4,
        (Class::Monitor, _) => 3,
        (_, 102) => 5,
        _ => 6,
    };
    let flags = dice.octet() & 0x80;
    let mut asdu =
        vec![row.code, number | u8::from(sequence) << 7, cause | flags, dice.octet(), 1 + dice.below(9), 1];
    for at in 0..number {
        if at == 0 || !sequence {
            let address = if row.is_about_station() { [0; 3] } else { [dice.octet(), at, dice.below(3)] };
            asdu.extend(address);
        }
        asdu.extend(object(row, dice));
    }
    let mut unit = vec![0x68, 4 + asdu.len() as u8];
    unit.extend((u16::from(dice.octet()) << 1).to_le_bytes());
    unit.extend((u16::from(dice.octet()) << 1).to_le_bytes());
    unit.extend(asdu);
    unit
}

#[test]
fn every_type_agrees_with_tshark() {
    let test = "every_type_agrees_with_tshark";
    if !has("tshark", test) {
        return;
    }
    let mut dice = Dice(104);
    let mut file =
        vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0];
    let mut port = 10_000;
    for row in TYPES.iter().filter(|row| row.has_objects()) {
        let several = row.class == Class::Monitor && row.code != 70;
        for (number, sequence) in [(1, false), (3, false), (4, true)] {
            if number > 1 && !several {
                continue;
            }
            port += 1;
            let packet = etherparse::PacketBuilder::ethernet2([2; 6], [4; 6])
                .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
                .tcp(port, 2404, 1, 1024)
                .ack(1);
            let mut frame = Vec::new();
            packet.write(&mut frame, &made(row, number, sequence, &mut dice)).unwrap();
            let len = (frame.len() as u32).to_le_bytes();
            file.extend([(1_700_000_000 + u32::from(port)).to_le_bytes(), [0; 4], len, len].concat());
            file.extend(frame);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("types.pcap");
    std::fs::write(&path, file).unwrap();
    let mut differing = Vec::new();
    let agreeing = compare(&path, &mut differing);
    println!("{agreeing} fields agree; of {} types the objects are not compared", EXCEPTIONS.len());
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(agreeing > 2000, "only {agreeing} compared");
}

#[test]
fn every_field_of_the_captures_agrees_with_tshark() {
    let test = "every_field_of_the_captures_agrees_with_tshark";
    if !has("tshark", test) {
        return;
    }
    let mut files = vec![PathBuf::from(ours("captures/iec104-substation.pcap"))];
    let Some(folder) = shared(test) else { return };
    files.extend(
        [
            "iti/iec60870-5-104__090813_diverse.pcap",
            "iti/iec60870-5-104__javarmi_and_iec_misc.pcap",
            "trips/iec_60870__iec104_sq__iec104_sq.pcapng",
            "made/iec104_poll_and_command.pcap",
        ]
        .map(|name| folder.join(name)),
    );
    let mut differing = Vec::new();
    let agreeing: usize = files.iter().map(|file| compare(file, &mut differing)).sum();
    println!("{agreeing} fields agree");
    assert!(differing.is_empty(), "{}", differing.join("\n"));
    assert!(agreeing > 5000, "only {agreeing} compared");
}
