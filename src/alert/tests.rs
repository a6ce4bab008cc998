//! What people read, word for word, and what is one alert.

use super::*;
use crate::event::{Event, Fault, Flow, Kind, PointRange, Space, Value, Values, Verb};
use crate::policy::testing::*;
use crate::policy::{Memory, RuleSet, parse};
use proptest::prelude::*;

const RULES: &str = r#"version = 1
[hosts]
scada = "10.20.0.10"
laptop-7 = "10.20.0.70"
plc-3 = "10.20.1.3"
field = "10.20.1.0/24"
[groups]
engineering = ["10.20.0.64/28"]
[[allow]]
name = "Poll"
from = "scada"
to = "plc-3"
protocol = "modbus"
unit = 1
may = ["read"]
points = ["holding:0-99", "coil:5"]
[[allow]]
name = "Set points, within limits"
from = ["scada", "laptop-7"]
to = "plc-3"
protocol = "modbus"
may = ["write"]
points = "holding:100-103"
values = "0..450"
[[deny]]
name = "Nobody restarts an outstation"
may = ["restart"]
severity = "critical"
[[deny]]
name = "Hands off"
protocol = "modbus"
may = "write"
points = "coil:*"
severity = "medium"
attack = ["T0831"]
summary = "{src} set {point} of {dst} to {value}, against '{rule}' {nothing}"
[[deny]]
name = "No shells"
to = "field"
protocol = "tcp"
port = 22
[defaults]
other-traffic = "deny"
"#;

fn rules() -> RuleSet {
    parse("plant.toml", RULES, ALL_WORDS).unwrap().rules
}

/// The alerts of these events, finished.
fn alerts(grouping: Grouping, rules: &RuleSet, events: &[Event<'_>]) -> Vec<Alert> {
    let mut desk = Desk::new(grouping, "yard");
    let mut alerts = Vec::new();
    let mut emit = |alert| alerts.push(alert);
    for event in events {
        let verdict = rules.judge(&rules.pair(event.flow, event.proto), event, &mut Memory::default());
        desk.event(event, &verdict, rules, &mut emit);
    }
    desk.finish(&mut emit);
    alerts
}

fn sentence(event: Event<'_>) -> String {
    let alerts = alerts(Grouping::Final, &rules(), &[event]);
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    alerts[0].summary.clone()
}

fn later<'a>(event: Event<'a>, seconds: i64, frame: u64) -> Event<'a> {
    let mut ts = event.ts;
    ts.nanos += seconds * 1_000_000_000;
    Event { ts, frame, ..event }
}

#[test]
fn sentences_say_who_did_what_and_what_is_allowed() {
    let (laptop, scada) = (flow("10.20.0.70", "10.20.1.3"), flow("10.20.0.10", "10.20.1.3"));
    let stranger = flow("10.0.0.66", "10.20.1.9");
    let set = [range(HOLDING, 100, 101, Verb::Write, true)];
    assert_eq!(
        sentence(write(&laptop, &set, &[Value::Int(5), Value::Int(900)])),
        "laptop-7 wrote 900 to holding register 101 of plc-3; the rule 'Set points, within limits' allows 0 to 450."
    );
    let read = [range(HOLDING, 90, 101, Verb::Read, false)];
    let event = request(&scada, Verb::Read, 3, &read);
    assert_eq!(
        sentence(event),
        "scada read holding registers 90 to 101 of plc-3; the rule 'Poll' allows only holding registers 0 to 99 and coil 5."
            .replace("holding registers 0 to 99 and coil 5", "coil 5 and holding registers 0 to 99")
    );
    let inside = [range(HOLDING, 0, 9, Verb::Read, false)];
    assert_eq!(
        sentence(Event { device: Some(2), points: &inside, ..event }),
        "scada read holding registers 0 to 9 of plc-3 at unit 2; the rule 'Poll' is about unit 1 only."
    );
    assert_eq!(
        sentence(Event { flow: &stranger, ..event }),
        "An unknown device 10.0.0.66 read holding registers 90 to 101 of 10.20.1.9 (field); \
         no rule lets it speak Modbus to 10.20.1.9 (field)."
    );
    assert_eq!(
        sentence(Event { flow: &laptop, ..event }),
        "laptop-7 read holding registers 90 to 101 of plc-3; no rule lets it read there."
    );
    let in_group = flow("10.20.0.71", "192.0.2.9");
    assert_eq!(
        sentence(request(&in_group, Verb::Identify, 43, &[])),
        "10.20.0.71 (engineering) asked the unknown device 192.0.2.9 what it is (function 43); \
         no rule lets it speak Modbus to the unknown device 192.0.2.9."
    );
    assert_eq!(
        sentence(request(&scada, Verb::Restart, 8, &[])),
        "scada told plc-3 to restart, stop or start (diagnostics); the rule 'Nobody restarts an outstation' forbids it."
    );
    assert_eq!(
        sentence(request(&scada, Verb::Read, 3, &[])),
        "scada read from plc-3 (read-holding-registers); the rule 'Poll' allows only coil 5 and holding registers 0 to 99."
    );
    let blind = [range(HOLDING, 100, 100, Verb::Write, false)];
    assert_eq!(
        sentence(request(&scada, Verb::Write, 22, &blind)),
        "scada wrote to holding register 100 of plc-3; the rule 'Set points, within limits' allows 0 to 450, \
         and the message does not say a value."
    );
    let answer_flow = flow("10.20.1.3", "10.0.0.66");
    let answer = Event { kind: Kind::Response, flow: &answer_flow, points: &inside, ..event };
    assert_eq!(
        sentence(answer),
        "An unknown device 10.0.0.66 read holding registers 0 to 9 of plc-3 (only the answer was seen); \
         no rule lets it speak Modbus to plc-3."
    );
}

#[test]
fn a_rule_may_say_it_in_its_own_words() {
    let scada = flow("10.20.0.10", "10.20.1.3");
    let coil = [range(COIL, 3, 3, Verb::Write, true)];
    let event = write(&scada, &coil, &[Value::Bool(true)]);
    let alert = &alerts(Grouping::None, &rules(), &[event])[0];
    assert_eq!(alert.summary, "scada set coil 3 of plc-3 to on, against 'Hands off' {nothing}");
    assert_eq!((alert.severity, alert.kind), (Severity::Medium, AlertKind::Denied));
    assert_eq!(alert.attack, ["T0831"]);
    assert_eq!(alert.rule.as_deref(), Some("Hands off"));
}

#[test]
fn severity_and_technique_follow_the_table() {
    let (scada, stranger) = (flow("10.20.0.10", "10.20.1.3"), flow("10.0.0.66", "10.20.1.3"));
    let points = [range(HOLDING, 200, 200, Verb::Write, true)];
    let weighed = |event: Event<'_>| {
        let alert = alerts(Grouping::Final, &rules(), &[event]).remove(0);
        (alert.severity, alert.attack.iter().map(|id| id.to_string()).collect::<Vec<_>>().join(" "))
    };
    let one = [Value::Int(1)];
    assert_eq!(weighed(write(&scada, &points, &one)), (Severity::High, "T0855".into()));
    assert_eq!(weighed(write(&stranger, &points, &one)), (Severity::High, "T0855 T0848".into()));
    let set = [range(HOLDING, 100, 100, Verb::Write, true)];
    assert_eq!(weighed(write(&scada, &set, &[Value::Int(451)])), (Severity::High, "T0836".into()));
    let read = [range(HOLDING, 200, 200, Verb::Read, false)];
    assert_eq!(weighed(request(&scada, Verb::Read, 3, &read)), (Severity::Low, "T0861".into()));
    assert_eq!(weighed(request(&stranger, Verb::Read, 3, &read)), (Severity::Medium, "T0801".into()));
    assert_eq!(weighed(request(&stranger, Verb::Restart, 8, &[])), (Severity::Critical, "T0816".into()));
}

#[test]
fn a_scan_is_one_alert() {
    let stranger = flow("10.0.0.66", "10.20.1.3");
    let points: Vec<[PointRange; 1]> =
        (0..1000).map(|at| [range(HOLDING, at, at, Verb::Read, false)]).collect();
    let events: Vec<Event<'_>> = (0i64..)
        .zip(&points)
        .map(|(at, points)| later(request(&stranger, Verb::Read, 3, points), at / 100, at as u64 + 1))
        .collect();
    let alerts = alerts(Grouping::Final, &rules(), &events);
    assert_eq!(alerts.len(), 1);
    let alert = &alerts[0];
    assert_eq!(
        alert.summary,
        "An unknown device 10.0.0.66 read 1000 points of plc-3 (holding registers 0 to 999); \
         no rule lets it speak Modbus to plc-3."
    );
    assert_eq!((alert.count, alert.frame, alert.frames.len()), (1000, 1, 100));
    assert_eq!(alert.points, [AlertPoints { space: "holding".into(), range: Some((0, 999)) }]);
    assert_eq!(alert.last_seen.since(alert.first_seen), 9_000_000_000);
}

#[test]
fn groups_end_after_the_window_and_come_in_order() {
    let (a, b) = (flow("10.0.0.66", "10.20.1.3"), flow("10.0.0.67", "10.20.1.3"));
    let ask = |flow, at, frame| later(request(flow, Verb::Read, 3, &[]), at, frame);
    let events = [ask(&a, 0, 1), ask(&b, 1, 2), ask(&a, 50, 3), ask(&a, 100, 4), ask(&b, 120, 5)];
    let seen = |grouping| {
        let alerts = alerts(grouping, &rules(), &events);
        alerts.iter().map(|a| (a.src.address.to_string(), a.frame, a.count)).collect::<Vec<_>>()
    };
    let (a, b) = ("10.0.0.66".to_owned(), "10.0.0.67".to_owned());
    assert_eq!(seen(Grouping::Final), [(a.clone(), 1, 3), (b.clone(), 2, 1), (b.clone(), 5, 1)]);
    assert_eq!(seen(Grouping::None).len(), 5);
    // At once, then what it came to: after a window while it goes on, and at its end.
    let live = [(a.clone(), 1, 1), (b.clone(), 2, 1), (a.clone(), 1, 3), (b.clone(), 5, 1)];
    assert_eq!(seen(Grouping::Live), live);
}

#[test]
fn ids_sort_and_are_the_same_in_every_replay() {
    let a = flow("10.0.0.66", "10.20.1.3");
    let events = [
        later(request(&a, Verb::Read, 3, &[]), 0, 1),
        later(request(&a, Verb::Write, 6, &[]), 0, 2),
        later(request(&a, Verb::Identify, 43, &[]), 5, 3),
    ];
    let ids = || alerts(Grouping::Final, &rules(), &events).iter().map(|alert| alert.id).collect::<Vec<_>>();
    assert_eq!(ids(), ids());
    assert!(ids().is_sorted() && ids()[0] != ids()[1]);
    assert_eq!(ids()[0].timestamp_ms(), 1_352_718_246_593);
}

#[test]
fn too_many_groups_push_out_the_oldest_and_are_counted() {
    let flows: Vec<Flow> = (1..=10).map(|at| flow(&format!("10.0.0.{at}"), "10.20.1.3")).collect();
    let mut desk = Desk::new(Grouping::Final, "yard").with_limit(4);
    let rules = rules();
    let mut sources = Vec::new();
    let mut emit = |alert: Alert| sources.push(alert.src.address.to_string());
    for flow in &flows {
        let event = request(flow, Verb::Read, 3, &[]);
        let verdict = rules.judge(&rules.pair(flow, event.proto), &event, &mut Memory::default());
        desk.event(&event, &verdict, &rules, &mut emit);
    }
    assert_eq!(desk.counts().evicted, 6);
    desk.finish(&mut emit);
    assert_eq!(desk.counts().of(Severity::Medium, AlertKind::NotAllowed), 10);
    let want: Vec<String> = (1..=10).map(|at| format!("10.0.0.{at}")).collect();
    assert_eq!(sources, want);
}

#[test]
fn malformed_messages_are_grouped_by_what_is_wrong() {
    let scada = flow("10.20.0.10", "10.20.1.3");
    let fault = |label, text| Event {
        kind: Kind::Malformed,
        fault: Some(Fault { label, text }),
        ..request(&scada, Verb::Other, 3, &[])
    };
    let (short, crc) = (&"length field 6 but 4 bytes follow", &"checksum is wrong");
    let events = [fault("length-mismatch", short), fault("bad-crc", crc), fault("length-mismatch", short)];
    let alerts = alerts(Grouping::Final, &rules(), &events);
    let seen: Vec<(&str, u64)> = alerts.iter().map(|alert| (&*alert.summary, alert.count)).collect();
    let first = "scada sent plc-3 a malformed Modbus message: length field 6 but 4 bytes follow.";
    assert_eq!(seen, [(first, 2), ("scada sent plc-3 a malformed Modbus message: checksum is wrong.", 1)]);
    assert_eq!((alerts[0].severity, alerts[0].kind), (Severity::Low, AlertKind::Malformed));
}

#[test]
fn other_conversations_are_alerts_of_their_own_kind() {
    let rules = rules();
    let mut desk = Desk::new(Grouping::None, "yard");
    let mut said = Vec::new();
    for (src, port) in [("10.0.0.66", 445), ("10.20.0.70", 22)] {
        let mut flow = flow(src, "10.20.1.3");
        flow.dst.port = port;
        let verdict = rules.judge_conversation(&flow, Timestamp::default(), &mut Memory::default());
        desk.conversation(Timestamp::default(), 9, &flow, &verdict, &rules, &mut |alert: Alert| {
            said.push((
                alert.kind.name(),
                alert.proto,
                alert.severity,
                alert.summary,
                alert.attack.join(","),
            ));
        });
    }
    let first =
        "An unknown device 10.0.0.66 opened a TCP connection to port 445 of plc-3, which no rule allows.";
    let second = "laptop-7 opened a TCP connection to port 22 of plc-3; the rule 'No shells' forbids it.";
    assert_eq!(
        said,
        [
            ("new-conversation", "tcp", Severity::Medium, first.to_owned(), "T0886".to_owned()),
            ("denied", "tcp", Severity::High, second.to_owned(), "T0886".to_owned()),
        ]
    );
}

#[test]
fn json_has_the_members_of_the_contract_in_their_order() {
    let laptop = flow("10.20.0.70", "10.20.1.3");
    let set = [range(HOLDING, 100, 101, Verb::Write, true)];
    let event = Event { frame: 11944, ..write(&laptop, &set, &[Value::Int(5), Value::Int(900)]) };
    let mut line = Vec::new();
    alerts(Grouping::None, &rules(), &[event])[0].write_json(&mut line);
    let line = String::from_utf8(line).unwrap();
    let id = serde_json::from_str::<serde_json::Value>(&line).unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 26);
    let community = laptop.community_id().unwrap();
    let ts = "2012-11-12T11:04:06.593402Z";
    assert_eq!(
        line,
        format!(
            r#"{{"id":"{id}","ts":"{ts}","first_seen":"{ts}","last_seen":"{ts}","count":1,"severity":"high","rule":"Set points, within limits","kind":"not-allowed","summary":"laptop-7 wrote 900 to holding register 101 of plc-3; the rule 'Set points, within limits' allows 0 to 450.","src":"10.20.0.70:49152","dst":"10.20.1.3:502","proto":"modbus","frame":11944,"frames":[11944],"attack":["T0836"],"points":[{{"space":"holding","first":101,"last":101}}],"values":[900],"evidence":null,"sensor":"yard","community_id":"{community}","rate":null,"rule_at":"plant.toml:17","rule_words":"scada or laptop-7 may write holding registers 100 to 103 of plc-3 in Modbus, values 0 to 450.","named_points":[],"advice":"Look at the value of holding register 101 on plc-3 now and bring it back within its limits (0 to 450) if the process needs it. Ask who works at laptop-7 why it was changed.","allow":{{"rule":"[[allow]]\nname = \"laptop-7 writes holding:101 of plc-3, value 900\"\nfrom = \"laptop-7\"\nto = \"plc-3\"\nprotocol = \"modbus\"\nunit = 1\nmay = [\"write\"]\npoints = [\"holding:101\"]\nvalues = 900\n","note":"The rule 'Set points, within limits' (plant.toml:17) allows 0 to 450. The rule here allows what this message wrote and no other value; to move the limits, change them there."}},"incident":"{id}","related":[],"message":{{"ts":"{ts}","frame":11944,"proto":"modbus","kind":"request","verb":"write","src":"10.20.0.70:49152","dst":"10.20.1.3:502","community_id":"{community}","points":[{{"space":"holding","first":100,"last":101}}],"values":[5,900],"outcome":null,"latency_us":null,"modbus":{{}}}}}}"#
        )
    );
}

#[test]
fn the_terminal_shows_the_sentence_first() {
    let laptop = flow("10.20.0.70", "10.20.1.3");
    let set = [range(HOLDING, 101, 101, Verb::Write, true)];
    let event = Event { frame: 11944, ..write(&laptop, &set, &[Value::Int(900)]) };
    let alerts = alerts(Grouping::Final, &rules(), &[event, later(event, 12, 11950)]);
    let mut text = String::new();
    alerts[0].write_terminal(false, &mut text).unwrap();
    assert_eq!(
        text,
        "11:04:06 HIGH     laptop-7 wrote 900 to holding register 101 of plc-3; the rule 'Set points, within limits' allows 0 to 450.\n         \
         10.20.0.70:49152 -> 10.20.1.3:502  modbus  frame 11944  T0836 Modify Parameter  2 times in 12 s  plant.toml:17\n         \
         -> Look at the value of holding register 101 on plc-3 now and bring it back within its limits (0 to 450) if the process needs it. Ask who works at laptop-7 why it was changed."
    );
    let mut coloured = String::new();
    alerts[0].write_terminal(true, &mut coloured).unwrap();
    assert!(coloured.starts_with("11:04:06 \u{1b}[1;31mHIGH    \u{1b}[0m laptop-7"));
}

#[test]
fn hostile_names_and_values_stay_where_they_are() {
    let text = "version = 1\n[hosts]\n\"evil\\u001b[2J\\n\\u202ename\" = \"10.0.0.1\"\n";
    let rules = parse("x.toml", text, ALL_WORDS).unwrap().rules;
    let evil = flow("10.0.0.1", "10.20.1.3");
    let set = [range(HOLDING, 1, 1, Verb::Write, true)];
    let event = write(&evil, &set, &[Value::Text(b"\x1b[31m\n\"\xff")]);
    let alert = alerts(Grouping::None, &rules, &[event]).remove(0);
    let mut terminal = String::new();
    alert.write_terminal(false, &mut terminal).unwrap();
    assert_eq!(terminal.lines().count(), 3);
    assert!(!terminal.contains(['\u{1b}', '\u{202e}']), "{terminal:?}");
    let mut json = Vec::new();
    alert.write_json(&mut json);
    let json = String::from_utf8(json).unwrap();
    assert!(!json.contains(['\u{1b}', '\u{202e}', '\n']), "{json}");
    assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok());
}

/// A rule with its own advice, a named point, and one that expects something.
const BACKGROUND: &str = r#"version = 1
[hosts]
scada = "10.20.0.10"
plc-3 = "10.20.1.3"
[points]
pressure = { at = "holding:101", of = "plc-3", low = 0, high = 45, scale = 0.1, measure = "bar" }
[[allow]]
name = "Pressure"
from = "scada"
to = "plc-3"
protocol = "modbus"
may = "write"
points = "@pressure"
advice = "Call 4711: {src} set {point} of {dst} to {value}, see '{rule}' {nothing}"
[[expect]]
name = "Alive"
from = "scada"
to = "plc-3"
protocol = "modbus"
every = "5s"
advice = "Go and look at {dst}"
[[deny]]
name = "No shells"
protocol = "tcp"
port = 22
advice = "Pull the plug of {src} at {point}"
"#;

#[test]
fn a_rule_may_say_what_to_do() {
    let rules = parse("plant.toml", BACKGROUND, ALL_WORDS).unwrap().rules;
    let scada = flow("10.20.0.10", "10.20.1.3");
    let set = [range(HOLDING, 101, 101, Verb::Write, true)];
    let alert = &alerts(Grouping::None, &rules, &[write(&scada, &set, &[Value::Int(900)])])[0];
    let advice =
        "Call 4711: scada set pressure (holding register 101) of plc-3 to 90 bar, see 'Pressure' {nothing}";
    assert_eq!(alert.advice, advice);
    let point = NamedValue {
        space: "holding".into(),
        index: 101,
        name: "pressure".into(),
        value: Some(Kept::Float(90.0)),
        raw: Some(Kept::Int(900)),
        measure: "bar".into(),
        limits: Some("0 to 45 bar".into()),
    };
    assert_eq!(alert.named_points, [point]);
    let mut json = Vec::new();
    alert.write_json(&mut json);
    let json = String::from_utf8(json).unwrap();
    let want = r#""named_points":[{"space":"holding","index":101,"name":"pressure","value":90.0,"raw":900,"measure":"bar","limits":"0 to 45 bar"}]"#;
    assert!(json.contains(want), "{json}");
    // What is not about its limits has the usual advice.
    let other = [range(HOLDING, 7, 7, Verb::Write, true)];
    let alert = &alerts(Grouping::None, &rules, &[write(&scada, &other, &[Value::Int(1)])])[0];
    assert!(alert.advice.starts_with("Ask who works at scada whether this was planned."), "{}", alert.advice);
    let mut desk = Desk::new(Grouping::None, "yard");
    let mut said = Vec::new();
    let mut emit = |alert: Alert| said.push((alert.advice, alert.allow.rule, alert.message));
    let silence = crate::policy::Silence {
        rule: crate::policy::RuleId(1),
        who: None,
        nanos: 7_000_000_000,
        heard: true,
        over: false,
    };
    desk.silence(Timestamp::from_nanos(9_000_000_000), &silence, &rules, &mut emit);
    let mut shell = flow("10.0.0.66", "10.20.1.3");
    shell.dst.port = 22;
    let verdict = rules.judge_conversation(&shell, Timestamp::default(), &mut Memory::default());
    desk.conversation(Timestamp::default(), 9, &shell, &verdict, &rules, &mut emit);
    let want = ["Go and look at plc-3", "Pull the plug of 10.0.0.66 at 22"];
    assert_eq!(said, want.map(|advice| (advice.to_owned(), None, None)));
}

#[test]
fn advice_is_an_operators_sentence() {
    let (scada, stranger) = (flow("10.20.0.10", "10.20.1.3"), flow("10.0.0.66", "10.20.1.3"));
    let advice = |event: Event<'_>| alerts(Grouping::Final, &rules(), &[event]).remove(0).advice;
    let points = [range(HOLDING, 101, 101, Verb::Write, true)];
    assert_eq!(
        advice(write(&stranger, &points, &[Value::Int(1)])),
        "Find out who is at 10.0.0.66 now. If nobody planned this, take it off the network at the switch and check the value of holding register 101 on plc-3."
    );
    assert_eq!(
        advice(request(&stranger, Verb::Read, 3, &[])),
        "Nothing was changed so far. Find out who is at 10.0.0.66 now; if nobody planned this, take it off the network at the switch before it does more."
    );
    assert_eq!(
        advice(request(&scada, Verb::Restart, 8, &[])),
        "Look whether plc-3 runs and the process is under control. Ask who works at scada whether this was planned. If it was not, have it stopped there."
    );
    for verb in Verb::ALL {
        for flow in [&scada, &stranger] {
            let points = [range(HOLDING, 7, 9, verb, false)];
            for points in [&points[..], &[]] {
                let alerts = alerts(Grouping::Final, &rules(), &[request(flow, verb, 99, points)]);
                for alert in alerts {
                    assert!(alert.advice.len() > 40 && alert.advice.ends_with('.'), "{}", alert.advice);
                }
            }
        }
    }
}

#[test]
fn a_storm_is_one_alert_with_a_rate_and_alerts_of_one_doer_are_an_incident() {
    let (a, b) = (flow("10.0.0.66", "10.20.1.3"), flow("10.0.0.66", "10.20.1.9"));
    let storm: Vec<Event<'_>> =
        (0..600).map(|at| later(request(&a, Verb::Write, 6, &[]), at / 10, at as u64 + 1)).collect();
    let mut events = storm;
    // The storm lasts: what comes half an hour after its last message is still the same incident.
    events.extend((60..3600).step_by(30).map(|at| later(request(&a, Verb::Write, 6, &[]), at, 700)));
    events.push(later(request(&b, Verb::Read, 3, &[]), 3600 + 25 * 60, 900));
    events.push(later(request(&b, Verb::Read, 3, &[]), 3600 + 65 * 60, 901));
    let alerts = alerts(Grouping::Final, &rules(), &events);
    assert_eq!(alerts.len(), 3);
    assert_eq!(alerts[0].count, 600 + 118);
    assert_eq!(alerts[0].rate(), Some(12.1));
    assert_eq!(alerts[2].rate(), None);
    let (first, second, third) = (alerts[0].id, alerts[1].id, alerts[2].id);
    let incidents: Vec<_> = alerts.iter().map(|alert| (alert.incident, alert.related.clone())).collect();
    assert_eq!(incidents, [(first, vec![]), (first, vec![first]), (third, vec![])]);
    assert!(second != first);
}

proptest! {
    #[test]
    fn any_group_gives_a_sentence_and_valid_json(
        runs in proptest::collection::vec((0u16..5, any::<u32>(), any::<u32>(), any::<bool>(), 0usize..15), 0..8),
        verb in 0usize..15,
        code in any::<u16>(),
        kind in 0usize..5,
        numbers in proptest::collection::vec(any::<i64>(), 0..6),
    ) {
        let flow = flow("10.20.0.70", "10.20.1.3");
        let points: Vec<PointRange> = runs
            .into_iter()
            .map(|(space, first, last, valued, verb)| range(Space(space), first, last, Verb::ALL[verb], valued))
            .collect();
        let values: Vec<Value<'_>> = numbers.into_iter().map(Value::Int).collect();
        let event = Event {
            kind: Kind::ALL[kind],
            values: Values::List(&values),
            ..request(&flow, Verb::ALL[verb], code, &points)
        };
        for alert in alerts(Grouping::Live, &rules(), &[event, event, later(event, 70, 9)]) {
            prop_assert!(alert.summary.ends_with('.') || alert.rule.as_deref() == Some("Hands off"));
            let mut json = Vec::new();
            alert.write_json(&mut json);
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&json).is_ok());
        }
    }
}
