//! Every alert and event in every format: valid by the published schema or grammar, one line, the same each time.
//!
//! The alerts are those of captures, and some made by hand or at random whose text is as hostile as the wire can make
//! it. Where the published schemas are not there (`../shared/schemas`), what needs them is skipped, saying so.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

#[path = "formats/cef.rs"]
mod cef;
mod common;
#[path = "formats/documentation.rs"]
mod documentation;
#[path = "formats/ecs.rs"]
mod ecs;
#[path = "formats/eve.rs"]
mod eve;
#[path = "common/alerts.rs"]
mod made;
#[path = "formats/ocsf.rs"]
mod ocsf;
#[path = "formats/stix.rs"]
mod stix;
#[path = "formats/syslog.rs"]
mod syslog;
#[path = "formats/wayside.rs"]
mod wayside_json;

use common::{ours, shared};
use proptest::prelude::*;
use serde_json::Value;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use wayside::address::{Address, Endpoint, Mac, Timestamp};
use wayside::alert::{Alert, AlertPoints, Desk, Grouping, Kept};
use wayside::capture::Files;
use wayside::event::Event;
use wayside::output::format::{Context, Format, eve as eve_records};
use wayside::policy::{self, Verdict};
use wayside::protocol::vocabularies;
use wayside::sensor::pipeline::{self, Observer, Parts, Pipeline, Unspoken};

/// What came out of a capture.
#[derive(Default)]
pub struct Played {
    /// What the rules objected to.
    pub alerts: Vec<Alert>,
    /// Each event as the log has it, and as EVE has it where it does.
    pub events: Vec<(Value, Option<Value>)>,
}

struct Log(Arc<Mutex<Played>>);

impl Observer for Log {
    fn event(&mut self, event: &Event<'_>, _: Option<&Verdict>) {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        event.write_json(None, &mut ours);
        let record = eve_records::event(event, "sensor-7", &mut theirs);
        assert_eq!(record, !theirs.is_empty());
        let theirs = record.then(|| {
            one_line(&theirs);
            serde_json::from_slice(&theirs).unwrap()
        });
        self.0.lock().unwrap().events.push((serde_json::from_slice(&ours).unwrap(), theirs));
    }

    fn conversation(&mut self, _: &Unspoken<'_>, _: Option<&Verdict>) {}
}

/// Plays a capture, judged by these rules.
pub fn play(capture: &Path, rules: &str) -> Played {
    let loaded = policy::parse("rules/pump-station.toml", rules, &vocabularies()).unwrap();
    let played = Arc::new(Mutex::new(Played::default()));
    let alerts = played.clone();
    let mut pipeline = Pipeline::new(Parts {
        flows: Default::default(),
        fragments: 1 << 20,
        tally: pipeline::tally(None),
        rules: Some(Arc::new(loaded.rules)),
        desk: Desk::new(Grouping::Final, "sensor-7"),
        emit: Box::new(move |alert| alerts.lock().unwrap().alerts.push(alert)),
        events: None,
    });
    pipeline.observe(Box::new(Log(played.clone())));
    let mut files = Files::open(&[capture.to_path_buf()]).unwrap();
    while let Ok(Some(frame)) = files.next() {
        pipeline.frame(&frame);
    }
    drop(pipeline.finish());
    std::mem::take(&mut *played.lock().unwrap())
}

/// Rules that allow nothing.
pub const NOTHING: &str = "version = 1\n";

/// The project's own captures, and some public ones with other addresses, protocols and faults.
pub fn captures(test: &str) -> Vec<PathBuf> {
    const PUBLIC: [&str; 5] = [
        "iti/modbustcp__mb2.pcap",
        "iti/bro__modbus__modbusbig.pcap",
        "iti/dnp3__dnp3_test_data_part2.pcap",
        "iti/bro__dnp3__dnp3.pcap",
        "lemay/cnc_uploading_exe_modbus_6rtu_with_operate.pcap",
    ];
    let own = ["demo-plant", "dnp3-substation", "modbus-functions"];
    let own = own.map(|name| PathBuf::from(ours(&format!("captures/{name}.pcap"))));
    let public = shared(test).into_iter().flat_map(|folder| PUBLIC.map(|name| folder.join(name)));
    own.into_iter().chain(public.filter(|file| file.exists())).collect()
}

/// A published schema; `None`, saying so, where it is not there.
pub fn published(name: &str, test: &str) -> Option<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/schemas").join(name);
    match std::fs::read_to_string(path) {
        Ok(text) => Some(text),
        Err(_) => {
            println!("{test}: skipped, there is no ../shared/schemas/{name}");
            None
        }
    }
}

/// Alerts of captures, with the rules of the pump station and with none, and the hostile ones.
pub fn alerts(test: &str) -> Vec<Alert> {
    let rules = std::fs::read_to_string(ours("rules/pump-station.toml")).unwrap();
    let mut all = play(Path::new(&ours("captures/demo-plant.pcap")), &rules).alerts;
    assert!(all.len() > 5, "{} alerts of the demo", all.len());
    for capture in captures(test) {
        all.extend(play(&capture, NOTHING).alerts.into_iter().take(300));
    }
    all.extend(hostile());
    all
}

/// Text that breaks what does not escape.
pub const HOSTILE: [&str; 12] = [
    "quote \" and ' and `",
    "back\\slash \\n \\u0041 \\",
    "pipe | equals = ] [ } { ; , #",
    "two\nlines\r\nand\ttab",
    "\u{0}\u{1b}[31mred\u{7f}\u{85}",
    "\u{202e}reversed\u{2066} \u{200f}\u{61c}",
    "line\u{2028}paragraph\u{2029}bom\u{feff}",
    "Grüße 電力 🚆",
    "CEF:0|a|b|c|d|e|9|src=10.0.0.1 msg=forged",
    "<134>1 2026-01-01T00:00:00Z host app - - -",
    "x\" id=\"forged\"] [evil@1 a=\"",
    "  spaces  at = both  ends ",
];

fn hostile() -> Vec<Alert> {
    let mut all: Vec<Alert> = (0..10).map(made::alert).collect();
    for (number, text) in (10u64..).zip(HOSTILE) {
        all.push(with_text(made::alert(number), text));
    }
    let long = "ab=|\\\n\u{202e}é".repeat(2000);
    all.push(with_text(made::alert(30), &long));
    let ends = |src: Address, dst: Address, port| {
        (Endpoint { address: src, port }, Endpoint { address: dst, port: if port > 0 { 502 } else { 0 } })
    };
    let v6 = |text: &str| Address::from(text.parse::<IpAddr>().unwrap());
    let mac = |last| Address::Mac(Mac([0, 0x1d, 0x9c, 0, 0, last]));
    for (number, (src, dst), proto) in [
        (31, ends(v6("2001:db8::1"), v6("fe80::2"), 40_000), "modbus"),
        (32, ends(mac(1), mac(2), 0), "ethernet"),
        (33, ends(v6("10.0.0.1"), v6("10.0.0.1"), 0), "icmp"),
        (34, ends(v6("fe80::1"), v6("ff02::1"), 0), "icmp"),
        (35, ends(v6("10.0.0.1"), v6("10.0.0.2"), 0), "ip"),
        (36, ends(v6("10.0.0.1"), v6("10.0.0.2"), 5000), "udp"),
    ] {
        let mut alert = made::alert(number);
        (alert.src, alert.dst, alert.proto) = (src, dst, proto);
        alert.community_id = None;
        all.push(alert);
    }
    let mut odd = made::alert(37);
    (odd.count, odd.frame) = (u64::MAX, 0);
    odd.attack = vec!["T0855".into(), "T9999".into(), "T0836.001".into(), "../\"x".to_owned().into()];
    odd.first_seen = Timestamp { nanos: -1, digits: 0 };
    odd.last_seen = Timestamp { nanos: i64::MAX, digits: 9 };
    odd.sensor = "".into();
    all.push(odd);
    all
}

/// The alert with this text wherever an alert has text that may be somebody else's.
pub fn with_text(mut alert: Alert, text: &str) -> Alert {
    alert.summary = text.to_owned();
    alert.rule = Some(text.to_owned());
    alert.rule_at = Some(format!("{text}:7"));
    alert.rule_words = Some(text.to_owned());
    alert.advice = text.to_owned();
    alert.allow.rule = Some(text.to_owned());
    alert.allow.note = Some(text.to_owned());
    alert.evidence = Some(text.to_owned());
    alert.file = Some(text.into());
    alert.sensor = text.into();
    alert.attack.push(text.to_owned().into());
    alert.points = vec![
        AlertPoints { space: text.to_owned(), range: Some((1, 2)) },
        AlertPoints { space: text.to_owned(), range: None },
    ];
    let mut wire = text.as_bytes().to_vec();
    wire.extend(b"\xff\xfe\xc3\x28\xed\xa0\x80");
    alert.values = vec![
        Kept::Text(wire.as_slice().into()),
        Kept::Bytes(wire.as_slice().into()),
        Kept::Float(f64::NAN),
        Kept::Float(-0.5),
        Kept::Int(i64::MIN),
        Kept::Bool(true),
        Kept::Name("trip"),
    ];
    alert
}

/// The alert in a format; twice, as it must be the same each time.
pub fn written(alert: &Alert, format: Format) -> Vec<u8> {
    let (mut once, mut again) = (Vec::new(), b"before".to_vec());
    format.write(alert, &Context::default(), &mut once);
    format.write(alert, &Context::default(), &mut again);
    assert_eq!(again.strip_prefix(b"before"), Some(once.as_slice()), "{format} is not the same each time");
    one_line(&once);
    once
}

/// One line of UTF-8 that no viewer takes for another: no control character, nothing that reorders.
pub fn one_line(line: &[u8]) {
    let text = std::str::from_utf8(line).unwrap();
    let acts = |character: &char| {
        character.is_control()
            || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    assert_eq!(text.chars().find(acts), None, "{text:?}");
    assert!(!text.is_empty());
}

/// The alert in a format that is JSON.
pub fn json(alert: &Alert, format: Format) -> Value {
    serde_json::from_slice(&written(alert, format)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Whatever text an alert has, each format is one line; the JSON ones are one object, the others what their grammar
    /// says.
    #[test]
    fn any_text_gives_one_line_in_every_format(
        text in "[\\x00-\\x7f\\u{80}-\\u{a0}\\u{200b}-\\u{2070}\\u{feff}|=\\\\\"\\]\\n🚆é]{0,60}",
        number in 0u64..1000,
    ) {
        let alert = with_text(made::alert(number), &text);
        for format in Format::ALL {
            let line = written(&alert, format);
            match format {
                Format::Cef => cef::check(&alert, &cef::parse(&line)),
                _ => prop_assert!(serde_json::from_slice::<Value>(&line).unwrap().is_object()),
            }
            syslog::check(&alert, &line);
        }
    }
}
