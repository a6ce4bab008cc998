//! The tables of the engine say what the rules say, one after the other.

use super::*;
use crate::address::Timestamp;
use crate::event::{Outcome, Values};
use crate::policy::testing::*;
use proptest::prelude::*;
use std::fmt::Write as _;

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
