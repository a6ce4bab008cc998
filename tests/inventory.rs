//! The inventory: the same however the traffic is shared, bounded, safe to show, and what others say too.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod common;
#[path = "common/messages.rs"]
mod messages;

use common::{err, has, hostile, ours, out, run, shared};
use messages::Message;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::process::Command;
use wayside::event::{Kind, Verb, Vocabulary};
use wayside::inventory::{Gatherer, Harvest, Inventory, Limits, Part, Recent};

static WORDS: &[&Vocabulary] = &[&wayside::protocol::modbus::WORDS, &wayside::protocol::dnp3::WORDS];

fn json(inventory: &Inventory) -> String {
    let mut out = Vec::new();
    inventory.write_json(&Part::ALL, None, &(), &mut out);
    String::from_utf8(out).unwrap()
}

fn added(harvests: &[Harvest]) -> String {
    let mut inventory = Inventory::new(Limits::default());
    harvests.iter().for_each(|harvest| inventory.merge(harvest));
    json(&inventory)
}

fn message() -> impl Strategy<Value = (Message, usize)> {
    let who = (0u32..4, 0u32..3, 0u32..3, 0usize..2);
    let what = (0usize..Kind::ALL.len(), 0usize..Verb::ALL.len(), 0u32..40);
    let carried = (prop::collection::vec(any::<u8>(), 0..40), any::<bool>());
    let says = prop::option::of((0u32..3, prop::collection::vec(any::<u8>(), 0..9)));
    (who, what, carried, says).prop_map(|(who, what, carried, says)| {
        let ((client, server, unit, words), (kind, verb, first), (values, refused)) = (who, what, carried);
        let (kind, verb) = (Kind::ALL[kind], Verb::ALL[verb]);
        (Message { ts: 0, client, server, kind, verb, unit, first, values, refused, says }, words)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whoever sees which message, whenever it is handed over, in whatever order it is added up.
    #[test]
    fn gatherers_of_a_split_stream_give_what_one_of_the_whole_gives(
        said in prop::collection::vec((message(), 0usize..3, any::<bool>(), 0i64..5), 1..60),
        turn in 0usize..7,
    ) {
        let mut whole = Gatherer::new(Limits::default());
        let mut parts: Vec<Gatherer> = (0..3).map(|_| Gatherer::new(Limits::default())).collect();
        let mut harvests = Vec::new();
        let mut ts = 0;
        for ((mut message, words), part, harvest, gap) in said {
            ts += 1 + gap * 1_000;
            message.ts = ts;
            let flow = message.flow();
            for gatherer in [&mut whole, &mut parts[part]] {
                if words == 1 && message.verb == Verb::Other {
                    gatherer.conversation(wayside::address::Timestamp::from_nanos(ts), &flow, message.refused);
                } else {
                    message.show(WORDS[words], &flow, |event| gatherer.event(event));
                }
            }
            if harvest {
                harvests.push(parts[part].take());
            }
        }
        harvests.extend(parts.iter_mut().map(Gatherer::take));
        let count = harvests.len();
        harvests.rotate_left(turn % count);
        let want = added(&[whole.take()]);
        prop_assert_eq!(&added(&harvests), &want);
        harvests.reverse();
        prop_assert_eq!(&added(&harvests), &want);
    }
}

#[test]
fn a_million_made_up_addresses_meet_the_bounds_and_leave_the_plant_alone() {
    let limits = Limits {
        devices: 1_000,
        conversations: 1_000,
        units: 16,
        points: 4_096,
        identities: 64,
        recent: Recent { most: 4, step: 1 },
        shapes: 1_024,
    };
    let mut gatherer = Gatherer::new(limits);
    let mut inventory = Inventory::new(limits);
    let show = |gatherer: &mut Gatherer, message: Message| {
        message.show(WORDS[0], &message.flow(), |event| gatherer.event(event));
    };
    for number in 0..1_000_000u32 {
        let ts = i64::from(number) * 10;
        // A master and its outstation, once in a while.
        if number % 500 == 0 {
            show(&mut gatherer, Message::poll(ts, 1, 1, Kind::Request, 20));
            show(&mut gatherer, Message::poll(ts + 1, 1, 1, Kind::Response, 20));
        }
        // Everything else is made up: who asks, who answers, units, points, names.
        let kind = if number % 3 == 0 { Kind::Response } else { Kind::Request };
        let mut forged = Message::poll(ts + 2, 100 + number, 100 + number / 2, kind, 2);
        (forged.unit, forged.first) = (number, number * 16);
        (forged.verb, forged.says) = (Verb::Identify, Some((number, vec![7; 100])));
        if number % 3 == 0 {
            forged.verb = if number % 2 == 0 { Verb::Identify } else { Verb::Read };
        }
        // One asks the plant for units that it has not.
        if number % 7 == 0 {
            (forged.client, forged.server) = (2, 1);
        }
        show(&mut gatherer, forged);
        if number % 1_000 == 0 {
            let (conversations, points) = gatherer.known();
            assert!(conversations <= limits.conversations && points <= limits.points + 16, "{points}");
        }
        if number % 50_000 == 0 {
            inventory.merge(&gatherer.take());
            assert!(inventory.len() <= limits.devices && inventory.point_count() <= limits.points + 16);
        }
    }
    inventory.merge(&gatherer.take());
    let forgotten = inventory.forgotten();
    for count in [forgotten.devices, forgotten.conversations, forgotten.points, forgotten.identities] {
        assert!(count > 1_000, "{forgotten:?}");
    }
    assert!(forgotten.units > 10_000, "{forgotten:?}");
    assert!(inventory.shapes(0).count() <= limits.shapes && inventory.shapes_left_out() > 100_000);
    let polls: Vec<u64> = inventory
        .shapes(0)
        .filter(|shape| shape.show(|event| event.flow.src.address.to_string() == "10.0.0.1"))
        .map(|shape| shape.count)
        .collect();
    assert_eq!(polls, [2_000], "the answers are not judged, the polls are of one kind");
    // The plant is all there.
    let conversations = inventory.conversations();
    let (_, record) = conversations
        .iter()
        .find(|(key, _)| key.client.to_string() == "10.0.0.1" && key.server.to_string() == "10.16.0.1")
        .unwrap();
    assert_eq!(record.sent, [2_000, 2_000]);
    let points = inventory
        .points(Some(conversations.keys().find(|key| key.server.to_string() == "10.16.0.1").unwrap().server));
    let polled = points.iter().filter(|(key, _, point)| key.index < 20 && point.reads == 2_000).count();
    assert_eq!(polled, 20);
}

/// Run with WAYSIDE_BLESS=1 to write the golden files anew; then read the difference.
#[test]
fn the_projects_own_recordings_give_their_golden_inventories() {
    for name in ["demo-plant", "dnp3-substation", "iec104-substation", "modbus-functions"] {
        let capture = ours(&format!("captures/{name}.pcap"));
        let rules = ours("rules");
        for (ending, arguments) in [
            ("txt", &["--format", "table"][..]),
            ("json", &["--format", "json"]),
            ("csv", &["--format", "csv"]),
            ("conversations.txt", &["--what", "conversations"]),
        ] {
            let golden = ours(&format!("tests/golden/inventory-{name}.{ending}"));
            let all = [&["inventory", "--quiet", "--rules", &rules, &capture], arguments].concat();
            let output = run(&all);
            assert!(output.status.success(), "{}", err(&output));
            // A JSON document is one line; for a person who reads the difference it is one for each object.
            let got = out(&output).replace("},{", "},\n{");
            if std::env::var_os("WAYSIDE_BLESS").is_some() {
                std::fs::write(&golden, &got).unwrap();
            }
            let want = std::fs::read_to_string(&golden).unwrap();
            for (at, (want, got)) in want.lines().zip(got.lines()).enumerate() {
                assert_eq!(want, got, "{golden}, line {}", at + 1);
            }
            assert_eq!(want, got, "{golden}");
            if ending.ends_with("txt") {
                assert!(want.lines().all(|line| line.chars().count() <= 100), "{golden}: a line is too long");
            }
        }
    }
}

#[test]
fn the_inventory_is_the_same_whatever_the_number_of_workers() {
    let said = |file: &str, workers: &str| {
        let output = run(&["inventory", "--quiet", "--format", "json", "--workers", workers, file]);
        assert!(output.status.success(), "{file}: {}", err(&output));
        out(&output)
    };
    let mut files = vec![ours("captures")];
    if let Some(public) = shared("whatever_the_number_of_workers") {
        for name in ["lemay", "iti/modbustcp__modbus_test_data_part1.pcap", "iti/dnp3__dataset_exchange.pcap"]
        {
            files.push(public.join(name).to_string_lossy().into_owned());
        }
    }
    for file in files {
        let one = said(&file, "1");
        assert!(one.contains("\"role\""), "{file}");
        assert!(
            one == said(&file, "2") && one == said(&file, "5"),
            "{file}: several workers say something else"
        );
    }
}

#[test]
fn hostile_names_come_out_escaped_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.pcap");
    hostile(
        &path,
        &[
            (0, b"=cmd|' /C calc'!A0"),
            (1, b"@SUM(1,2)\r\n10.9.9.9,\"forged\""),
            (2, b"\x1b[31m\x9b1m\x00\x7f\xff"),
            (4, "\u{202e}gpj.exe\u{2028}".as_bytes()),
            (5, b"</script><b>&\"'\\"),
        ],
    );
    let path = path.to_string_lossy();
    for format in ["table", "json", "csv"] {
        let output = run(&["inventory", "--quiet", "--format", format, &path]);
        assert!(output.status.success(), "{}", err(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        let bad = |c: &char| {
            c.is_control() && !matches!(c, '\n' | '\r') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2028}')
        };
        assert_eq!(text.chars().find(bad), None, "{format}: {text}");
        match format {
            "table" => {
                assert!(text.contains(r#"vendor-name "=cmd|\' /C calc\'!A0""#), "{text}");
                assert!(text.contains(r"\x1b[31m\x9b1m\x00\x7f\xff"), "{text}");
                assert!(text.lines().all(|line| !line.starts_with("10.9.9.9")), "{text}");
            }
            "json" => {
                let document: serde_json::Value = serde_json::from_str(&text).unwrap();
                let device = &document["devices"][1]["identification"][0];
                assert_eq!(device["vendor"], "=cmd|' /C calc'!A0");
                assert_eq!(device["objects"][1]["value"], "@SUM(1,2)\r\n10.9.9.9,\"forged\"");
                assert_eq!(device["objects"][3]["value"], "\u{202e}gpj.exe\u{2028}");
            }
            _ => {
                let mut rows = csv::Reader::from_reader(text.as_bytes());
                let records: Vec<csv::StringRecord> = rows.records().map(|record| record.unwrap()).collect();
                assert_eq!(records.len(), 2);
                let cells: Vec<&str> = records.iter().flat_map(|record| record.iter()).collect();
                assert!(
                    cells.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r'])),
                    "{cells:?}"
                );
                assert!(cells.contains(&r"'=cmd|\' /C calc\'!A0"), "{cells:?}");
                assert!(cells.iter().any(|cell| cell.starts_with("'@SUM(1,2)")), "{cells:?}");
            }
        }
    }
}

/// Address, object and text of every identification, as tshark reads it.
fn by_tshark(capture: &str, port: &str) -> BTreeSet<(String, String)> {
    let output = Command::new("tshark")
        .args(["-r", capture, "-o", &format!("mbtcp.tcp.port:{port}"), "-Y", "modbus.mei==14"])
        .args(["-T", "fields", "-E", "separator=/t", "-E", "aggregator=|", "-e", "ip.src"])
        .args(["-e", "modbus.object_str_value"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    lines
        .flat_map(|(source, texts)| {
            let texts: Vec<String> =
                texts.split('|').filter(|text| !text.is_empty()).map(str::to_owned).collect();
            texts.into_iter().map(move |text| (source.to_owned(), text))
        })
        .collect()
}

#[test]
fn devices_are_who_tshark_says_they_are() {
    if !has("tshark", "who_tshark_says") {
        return;
    }
    let own = ["demo-plant", "modbus-functions"];
    let mut captures: Vec<(String, &str)> = vec![
        (ours(&format!("captures/{}.pcap", own[0])), "5020"),
        (ours(&format!("captures/{}.pcap", own[1])), "5502"),
    ];
    if let Some(public) = shared("who_tshark_says") {
        for entry in std::fs::read_dir(public.join("iti")).unwrap() {
            let path = entry.unwrap().path().to_string_lossy().into_owned();
            if path.contains("modbus") {
                captures.push((path, "502"));
            }
        }
    }
    let mut compared = 0;
    for (capture, port) in captures {
        let want = by_tshark(&capture, port);
        let output = run(&["inventory", "--quiet", "--format", "json", "--what", "devices", &capture]);
        let document: serde_json::Value = match serde_json::from_slice(&output.stdout) {
            Ok(document) => document,
            Err(_) => continue,
        };
        let mut got = BTreeSet::new();
        for device in document["devices"].as_array().unwrap() {
            for said in device["identification"].as_array().unwrap() {
                let objects = said["objects"].as_array().unwrap().iter();
                for object in
                    objects.filter(|object| object["id"].as_u64() < Some(256) && said["proto"] == "modbus")
                {
                    let text = object["value"].as_str().unwrap().to_owned();
                    got.insert((device["address"].as_str().unwrap().to_owned(), text));
                }
            }
        }
        assert_eq!(got, want, "{capture}");
        compared += want.len();
    }
    assert!(compared >= 15, "only {compared} texts were compared");
}

/// The attributes of group 0 (IEEE 1815-2012, A.1): data type, length, value.
#[test]
fn an_outstation_says_who_it_is_in_group_0() {
    use wayside::event::{About, Fields};
    use wayside::protocol::dnp3::{message::Message, wire::application};
    let objects = [
        &[0, 252, 0, 0, 0, 1, 4][..],
        b"Acme",
        &[0, 242, 0, 0, 0, 1, 3],
        b"1.2",
        &[0, 238, 0, 0, 0, 2, 1, 9],
    ]
    .concat();
    let told = |function: u8| {
        let header = application::Header { control: application::Control(0xc0), function, iin: Some(0) };
        let message = Message { application: Some(header), objects: &objects, ..Message::default() };
        let mut told = Vec::new();
        message.identify(&mut |said| told.push((said.id, said.name, said.about, said.value.to_string())));
        told
    };
    let vendor = (252, Some("manufacturer-name"), About::Vendor, "\"Acme\"".to_owned());
    let revision = (242, Some("software-version"), About::Revision, "\"1.2\"".to_owned());
    let index = (238, Some("max-binary-input-index"), About::Other, "9".to_owned());
    assert_eq!(told(129), [vendor, revision, index]);
    assert_eq!(told(1), [], "a request says nothing of who sends it");
}

#[test]
fn roles_come_with_reasons_and_a_router_is_no_vendor() {
    let mut gatherer = Gatherer::new(Limits::default());
    let mut show = |message: Message| message.show(WORDS[0], &message.flow(), |event| gatherer.event(event));
    // A master reads two devices, one of which answers as three units and one never.
    for ts in 0..9 {
        let mut poll =
            |server, kind, unit| show(Message { unit, ..Message::poll(ts * 1_000, 1, server, kind, 4) });
        poll(1, Kind::Request, 10 + (ts % 3) as u32);
        poll(1, Kind::Response, 10 + (ts % 3) as u32);
        poll(2, Kind::Request, 1);
    }
    // The MAC address of this one is the same as that of the first.
    show(Message { client: 257, ..Message::poll(99_000, 257, 1, Kind::Request, 4) });
    let mut inventory = Inventory::new(Limits::default());
    inventory.merge(&gatherer.take());
    let devices = inventory.devices(&());
    let because = |address: &str| {
        let device = devices.iter().find(|device| device.address.to_string() == address).unwrap();
        device.roles.iter().map(|why| format!("{}: {}", why.role.name(), why.because)).collect::<Vec<_>>()
    };
    assert_eq!(
        because("10.0.0.1"),
        ["master: sent 18 requests to 2 devices in Modbus; 1 of them never answered"]
    );
    assert_eq!(
        because("10.16.0.1"),
        ["gateway: answers as 3 Modbus units: 10, 11, 12", "PLC: answered 9 times in Modbus"]
    );
    assert_eq!(because("10.16.0.2"), ["silent: got 9 requests in Modbus and was never heard"]);
    assert!(devices.iter().filter(|device| device.shares_mac).count() == 2);
    assert!(devices.iter().all(|device| device.vendor.is_none()), "a router's vendor is not theirs");
}

#[test]
fn the_command_says_what_is_wrong() {
    let capture = ours("captures/demo-plant.pcap");
    let code = |arguments: &[&str]| {
        let output = run(&[&["inventory", "--quiet"], arguments].concat());
        (output.status.code(), err(&output))
    };
    assert_eq!(code(&["/nonexistent.pcap"]).0, Some(1));
    assert_eq!(code(&[]).0, Some(2));
    assert_eq!(code(&[&capture, "--format", "xml"]).0, Some(2));
    let (status, said) = code(&[&capture, "--device", "scada"]);
    assert_eq!(status, Some(1));
    assert!(said.contains("there is no device 'scada' in these captures; it is no address"), "{said}");
    let rules = ours("rules");
    let output = run(&[
        "inventory",
        "-q",
        &capture,
        "--rules",
        &rules,
        "--device",
        "scada",
        "--what",
        "conversations",
    ]);
    assert!(output.status.success(), "{}", err(&output));
    assert_eq!(out(&output).lines().count(), 3, "{}", out(&output));
    let input = std::fs::File::open(&capture).unwrap();
    let piped = common::wayside().args(["inventory", "-q", "-"]).stdin(input).output().unwrap();
    assert_eq!(out(&piped), out(&run(&["inventory", "-q", &capture])));
}
