//! The tables of the engine say what the rules say, one after the other.

use super::*;
use crate::address::Timestamp;
use crate::alert::{Desk, Grouping};
use crate::capture::Files;
use crate::event::{Outcome, Values};
use crate::policy::testing::*;
use crate::sensor::pipeline::{self, Observer, Pipeline, Unspoken};
use proptest::prelude::*;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

const HEAD: &str = r#"version = 1
[hosts]
scada = "10.20.0.10"
plc-3 = "10.20.1.3"
field = "10.20.1.0/24"
[groups]
engineering = ["10.20.0.64/28", "scada"]
[points]
level = { at = "holding:5", protocol = "modbus", low = 0, high = 6 }
flow = { at = "holding:9", protocol = "modbus", scale = 0.5, low = 1, high = 4 }
"#;

/// One random rule as an author would write it.
fn any_rule() -> impl Strategy<Value = String> {
    let from = prop_oneof![Just("scada"), Just("engineering"), Just("field"), Just("any")];
    let to = prop_oneof![Just("plc-3"), Just("field"), Just("any"), Just("10.20.1.3")];
    let unit = proptest::option::weighted(0.3, 0u32..3);
    let may = proptest::option::of(prop_oneof![
        Just("'read'"),
        Just("'write'"),
        Just("['write', 'diagnose']"),
        Just("['report', 'read']")
    ]);
    let functions = proptest::option::weighted(0.2, prop_oneof![Just(3u16), Just(16)]);
    let points = proptest::option::of(prop_oneof![
        4 => (prop_oneof![Just("coil"), Just("holding")], 0u32..20, 0u32..10)
            .prop_map(|(space, first, more)| format!("['{space}:{first}-{}']", first + more)),
        1 => Just("['@level', 'holding:0-20']".to_owned()),
        1 => Just("['@flow', '@level']".to_owned()),
    ]);
    let values = proptest::option::weighted(0.3, (0u32..10, 0u32..10));
    let kind = prop_oneof![4 => Just("allow"), 1 => Just("deny")];
    let more = (
        proptest::option::weighted(0.2, prop_oneof![Just("Mon-Fri"), Just("06:00-18:00")]),
        proptest::option::weighted(0.2, prop_oneof![Just("1/min"), Just("2/h")]),
        proptest::option::weighted(0.2, prop_oneof![Just("3"), Just("'4/min'")]),
        proptest::option::weighted(0.15, Just("['coilv1', 'holdingv0']")),
        proptest::option::weighted(0.15, 0u32..2),
    );
    (kind, from, to, unit, may, functions, points, values, more).prop_map(
        |(kind, from, to, unit, may, functions, points, values, (during, rate, change, objects, _))| {
            let mut text = format!("from = '{from}'\nto = '{to}'\nprotocol = 'modbus'\n");
            let mut add = |line: Option<String>| text.extend(line.map(|line| line + "\n"));
            add(unit.map(|unit| format!("unit = {unit}")));
            add(may.map(|may| format!("may = {may}")));
            add(functions.map(|code| format!("functions = {code}")));
            add(points.map(|points| format!("points = {points}")));
            add(values.map(|(low, more)| format!("values = '{low}..{}'", low + more)));
            add(during.map(|during| format!("during = '{during}'")));
            add(rate.map(|rate| format!("rate = '{rate}'")));
            add(change.map(|change| format!("change = {change}")));
            add(objects.map(|objects| format!("objects = {objects}")));
            format!("[[{kind}]]\n{text}")
        },
    )
}

/// One random message: its points, and what it is.
#[derive(Clone, Debug)]
struct Any {
    runs: Vec<(u16, u32, u32, bool, bool, u8)>,
    src: usize,
    kind: Kind,
    verb: Verb,
    device: Option<u32>,
    code: u16,
    numbers: Vec<i64>,
    later: u32,
}

fn any_message() -> impl Strategy<Value = Any> {
    let runs = (0u16..4, 0u32..25, 0u32..12, any::<bool>(), any::<bool>(), 0u8..2);
    let kind = prop_oneof![
        6 => Just(Kind::Request),
        1 => Just(Kind::Response),
        1 => Just(Kind::Unsolicited),
        1 => Just(Kind::Message),
        1 => Just(Kind::Malformed)
    ];
    let verb = prop_oneof![
        4 => Just(Verb::Write),
        2 => Just(Verb::Read),
        1 => Just(Verb::Diagnose),
        1 => Just(Verb::Session),
        1 => Just(Verb::Report)
    ];
    (
        proptest::collection::vec(runs, 0..4),
        0usize..3,
        kind,
        verb,
        proptest::option::weighted(0.9, 0u32..3),
        prop_oneof![Just(3u16), Just(16), Just(8)],
        proptest::collection::vec(0i64..14, 0..40),
        prop_oneof![Just(1u32), Just(20), Just(4000), Just(50_000)],
    )
        .prop_map(|(runs, src, kind, verb, device, code, numbers, later)| Any {
            runs,
            src,
            kind,
            verb,
            device,
            code,
            numbers,
            later,
        })
}

fn parsed(text: &str) -> RuleSet {
    match crate::policy::parse("pump.toml", text, ALL_WORDS) {
        Ok(loaded) => loaded.rules,
        Err(problems) => panic!("{problems:#?}\n{text}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn the_tables_say_what_the_rules_say(
        bodies in proptest::collection::vec(any_rule(), 0..12),
        messages in proptest::collection::vec(any_message(), 1..6),
        (relaxed, zoned, lenient) in (any::<bool>(), proptest::bool::weighted(0.2), proptest::bool::weighted(0.1)),
    ) {
        let mut text = HEAD.to_owned();
        if zoned {
            text.push_str("[zones]\na = { members = ['scada'] }\nb = { members = ['field'] }\nc = { members = ['plc-3'] }\n");
            text.push_str("[[conduit]]\nname = 'ab'\nbetween = ['a', 'b']\n");
        }
        if lenient {
            text.push_str("[defaults]\ncontrol-traffic = 'allow'\n");
        }
        for (at, body) in bodies.iter().enumerate() {
            writeln!(text, "{body}name = 'r{at}'").unwrap();
        }
        if relaxed && !bodies.is_empty() {
            text.push_str("[[maintenance]]\nname = 'service'\nduring = 'Wed 00:00-23:00'\nrelaxes = ['r0']\n");
        }
        let rules = parsed(&text);
        let mut memory = Memory::default();
        let mut ts = rules.calendar().parse_moment("2026-11-25 05:00").unwrap();
        for any in &messages {
            ts = Timestamp { nanos: ts.nanos + i64::from(any.later) * 1_000_000_000, ..ts };
            let src = ["10.20.0.10", "10.20.0.66", "10.20.1.9"][any.src];
            let flow = if any.kind == Kind::Response { flow("10.20.1.3", src) } else { flow(src, "10.20.1.3") };
            let points: Vec<PointRange> = any
                .runs
                .iter()
                .map(|(space, first, more, other, valued, variant)| PointRange {
                    variant: *variant,
                    ..range(
                        if *space < 3 { HOLDING } else { COIL },
                        *first,
                        first + more,
                        if *other { Verb::Read } else { any.verb },
                        *valued,
                    )
                })
                .collect();
            let values: Vec<Value<'_>> = any.numbers.iter().copied().map(Value::Int).collect();
            let event = Event {
                ts,
                kind: any.kind,
                device: any.device,
                values: Values::List(&values),
                outcome: (any.kind == Kind::Response).then_some(Outcome::Success),
                ..request(&flow, any.verb, any.code, &points)
            };
            let explained = explain(&rules, &event, &mut memory);
            let verdict = rules.judge(&rules.pair(&flow, event.proto), &event, &mut memory);
            prop_assert_eq!(explained.class, Class::from(&verdict), "{}\n{:?}\n{:?}", text, any, explained);
            decides(&rules, &explained, &verdict)?;
        }
    }
}

/// The rule that the engine names is one that matches (or, where none does, one that does not).
fn decides(rules: &RuleSet, explained: &Explained, verdict: &Verdict) -> Result<(), TestCaseError> {
    let met = |id: RuleId| explained.rules.iter().find(|met| met.rule == id);
    match *verdict {
        Verdict::Denied { rule } => {
            let first = explained.rules.iter().find(|met| {
                met.matched && rules.rule(met.rule).is_some_and(|rule| rule.kind == RuleKind::Deny)
            });
            prop_assert_eq!(first.map(|met| met.rule), Some(rule));
        }
        Verdict::Allowed { rule: Some(rule) } => {
            prop_assert!(met(rule).is_some_and(|met| met.matched || met.partly));
        }
        Verdict::NotAllowed { nearest: Some(rule), .. } => {
            prop_assert!(met(rule).is_some_and(|met| !met.matched));
        }
        _ => {}
    }
    Ok(())
}

#[test]
fn a_point_with_limits_of_its_own_stops_only_itself() {
    let rules = parsed(&format!(
        "{HEAD}[[allow]]\nname = 'most'\nprotocol = 'modbus'\npoints = ['@level', 'holding:0-10']\n\
         [[allow]]\nname = 'level too'\nprotocol = 'modbus'\npoints = 'holding:5'\n"
    ));
    let (flow, points) = (flow("10.20.0.10", "10.20.1.3"), [range(HOLDING, 0, 10, Verb::Write, false)]);
    let event = request(&flow, Verb::Write, 16, &points);
    let mut memory = Memory::default();
    let explained = explain(&rules, &event, &mut memory);
    assert!(explained.rules.iter().all(|met| met.partly && !met.matched), "{explained:?}");
    let verdict = rules.judge(&rules.pair(&flow, event.proto), &event, &mut memory);
    assert_eq!(verdict, Verdict::Allowed { rule: Some(RuleId(0)) });
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// A rule that has something to do with a message.
fn rule_about(event: &Event<'_>, number: usize, dice: &mut Dice) -> String {
    let words = event.proto;
    let mut text =
        format!("[[{}]]\nname = \"r{number}\"\n", if dice.roll(15) == 0 { "deny" } else { "allow" });
    let mut line = |line: String| text.push_str(&(line + "\n"));
    let (mut src, mut dst) = (event.flow.src.address, event.flow.dst.address);
    if event.kind == Kind::Response {
        std::mem::swap(&mut src, &mut dst);
    }
    if dice.roll(4) > 0 {
        line(format!("from = \"{src}\""));
    }
    if dice.roll(4) > 0 {
        line(format!("to = \"{dst}\""));
    }
    line(format!("protocol = \"{}\"", words.name));
    if let Some(device) = event.device.filter(|_| dice.roll(3) == 0) {
        line(format!("{} = {}", words.device_key, u64::from(device) + dice.roll(2)));
    }
    match dice.roll(4) {
        0 => line(format!("may = [\"{}\"]", event.verb.name())),
        1 => line(format!("may = [\"{}\", \"read\"]", event.verb.name())),
        _ => {}
    }
    if let Some(code) = event.function.filter(|_| dice.roll(5) == 0) {
        line(format!("functions = [{code}, 3]"));
    }
    let range = event.points.get(dice.roll(event.points.len().max(1) as u64) as usize);
    if let Some(range) = range.filter(|range| range.last < 60_000 && dice.roll(2) == 0) {
        let (first, last) = (range.first + dice.roll(2) as u32, range.last + dice.roll(8) as u32);
        let space = words.space_name(range.space);
        line(format!("points = [\"{space}:{}-{}\"]", first.min(last), last));
        if words.name == "dnp3" && dice.roll(4) == 0 {
            line(format!("objects = [\"{space}v{}\"]", range.variant));
        }
    }
    let value = event.values.iter().next().and_then(Value::number).filter(|value| value.is_finite());
    if let Some(value) = value.filter(|_| dice.roll(3) == 0) {
        line(format!("values = \"{}..{}\"", value - dice.roll(3) as f64, value + dice.roll(50) as f64));
    }
    for (key, said) in [("rate", "\"3/min\""), ("change", "5"), ("during", "\"Mon-Thu 06:00-18:00\"")] {
        if dice.roll(8) == 0 {
            line(format!("{key} = {said}"));
        }
    }
    text
}

/// A message, or a conversation of no control protocol.
enum Observed<'a> {
    Message(&'a Event<'a>),
    Conversation(Unspoken<'a>),
}

struct Shown<F>(F);

impl<F: FnMut(Observed<'_>) + Send> Observer for Shown<F> {
    fn event(&mut self, event: &Event<'_>, _: Option<&Verdict>) {
        (self.0)(Observed::Message(event));
    }

    fn conversation(&mut self, seen: &Unspoken<'_>, _: Option<&Verdict>) {
        (self.0)(Observed::Conversation(*seen));
    }
}

/// Shows every message of a capture.
fn each_event(file: &Path, observer: impl FnMut(Observed<'_>) + Send + 'static) {
    let mut pipeline = Pipeline::new(pipeline::Parts {
        flows: crate::stream::Limits::default(),
        fragments: 1 << 20,
        tally: pipeline::tally(None),
        rules: None,
        desk: Desk::new(Grouping::None, "test"),
        emit: Box::new(|_| {}),
        events: None,
    });
    pipeline.observe(Box::new(Shown(observer)));
    let Ok(mut files) = Files::open(&[file]) else { return };
    while let Ok(Some(frame)) = files.next() {
        pipeline.frame(&frame);
    }
    pipeline.finish().unwrap();
}

/// Generated rule sets for each capture.
const SETS: u64 = 4;

#[derive(Default)]
struct Counts {
    messages: u64,
    conversations: u64,
    by_class: [u64; 4],
    wrong: Vec<String>,
}

fn compare(rules: RuleSet, file: &Path, counts: &Arc<Mutex<Counts>>) {
    let (counts, name) = (counts.clone(), file.display().to_string());
    let mut memory = Memory::default();
    each_event(file, move |observed| {
        let (explained, verdict, what) = match observed {
            Observed::Message(event) => {
                let explained = explain(&rules, event, &mut memory);
                let verdict = rules.judge(&rules.pair(event.flow, event.proto), event, &mut memory);
                (explained, verdict, format!("{} frame {}", event.proto.name, event.frame))
            }
            Observed::Conversation(Unspoken { ts, frame, flow, client_known }) => {
                let explained = explain_conversation(&rules, flow, ts, client_known);
                let verdict = if client_known {
                    rules.judge_conversation(flow, ts, &mut memory)
                } else {
                    rules.judge_picked_up(flow, ts, &mut memory)
                };
                (explained, verdict, format!("conversation {frame}"))
            }
        };
        let mut counts = counts.lock().unwrap();
        if what.starts_with('c') {
            counts.conversations += 1
        } else {
            counts.messages += 1
        }
        let class = Class::from(&verdict);
        counts.by_class[class as usize] += 1;
        if explained.class != class || decides(&rules, &explained, &verdict).is_err() {
            counts.wrong.push(format!("{name} {what}: {verdict:?}, not {explained:?}"));
        }
    });
}

fn captures(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            captures(&path, found);
        } else if path.extension().is_some_and(|end| end == "pcap" || end == "pcapng") {
            found.push(path);
        }
    }
    found.sort();
}

#[test]
fn on_captures_the_tables_say_what_the_rules_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    captures(&root.join("captures"), &mut files);
    if root.join("../shared/captures").is_dir() {
        captures(&root.join("../shared/captures"), &mut files);
    } else {
        println!("the corpus is left out, there is no ../shared/captures");
    }
    let words = crate::protocol::vocabularies();
    let shipped = || crate::policy::load(&[root.join("rules")], &words).unwrap().rules;
    let (own, generated) = (Arc::<Mutex<Counts>>::default(), Arc::<Mutex<Counts>>::default());
    for (at, file) in files.iter().enumerate() {
        compare(shipped(), file, &own);
        for set in 0..SETS {
            let made = Arc::new(Mutex::new((Vec::new(), Dice(at as u64 * SETS + set), 0u64)));
            let make = made.clone();
            each_event(file, move |observed| {
                let Observed::Message(event) = observed else { return };
                let (rules, dice, seen) = &mut *make.lock().unwrap();
                *seen += 1;
                if rules.len() < 30 && event.kind != Kind::Malformed && dice.roll(1 + *seen / 10) == 0 {
                    rules.push(rule_about(event, rules.len(), dice));
                }
            });
            let body = made.lock().unwrap().0.concat();
            let text = format!(
                "version = 1\n{body}[[allow]]\nname = 'web'\nprotocol = 'tcp'\nport = '1-1024'\n[defaults]\nother-traffic = 'deny'\n"
            );
            match crate::policy::parse("made.toml", &text, &words) {
                Ok(loaded) => compare(loaded.rules, file, &generated),
                Err(problems) => panic!("{problems:?}\n{text}"),
            }
        }
    }
    for (what, counts) in [("shipped rules", own), ("generated rules", generated)] {
        let counts = counts.lock().unwrap();
        println!(
            "{what}: {} messages and {} conversations in {} captures; allowed, denied, not allowed, not judged: {:?}",
            counts.messages,
            counts.conversations,
            files.len(),
            counts.by_class
        );
        assert!(counts.messages > 500);
        assert!(counts.wrong.is_empty(), "{} differ: {:#?}", counts.wrong.len(), counts.wrong.first());
    }
}
