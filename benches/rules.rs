//! What rules cost: reading and compiling 10, 1,000 and 100,000 of them, and judging a message by them.
//!
//!     cargo bench --bench rules
//!
//! The messages are those of a plant with one control server and up to 1,000 controllers; each is allowed by exactly
//! one rule, with limits on its value or without.

#![allow(clippy::unwrap_used)] // a bench that cannot go on fails

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};
use wayside::address::{Endpoint, Timestamp, Transport};
use wayside::event::{Event, Fields, Flow, Kind, Object, PointRange, Value, Values, Verb, Vocabulary};
use wayside::policy::{self, Memory, RuleSet, Verdict};
use wayside::protocol::vocabularies;

/// Messages judged in one run.
const MESSAGES: u32 = 1_000_000;
/// Runs of which the fastest counts: the others measure what else the machine does.
const RUNS: usize = 7;

struct NoFields;

impl Fields for NoFields {
    fn write(&self, _: &mut Object<'_>) {}

    fn brief(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

fn rules(count: u32) -> String {
    let hosts = count.min(1000);
    let mut text = String::from("version = 1\n[hosts]\nscada = \"10.0.0.1\"\n");
    for host in 0..hosts {
        writeln!(text, "plc-{host} = \"10.1.{}.{}\"", host / 250, host % 250).unwrap();
    }
    for rule in 0..count {
        let (host, at) = (rule % hosts, rule / hosts * 10);
        let values = if rule % 2 == 0 { "values = \"0..1000\"\n" } else { "" };
        writeln!(
            text,
            "[[allow]]\nname = \"r{rule}\"\nfrom = \"scada\"\nto = \"plc-{host}\"\nprotocol = \"modbus\"\n\
             may = [\"read\", \"write\"]\npoints = [\"holding:{at}-{}\"]\n{values}",
            at + 8
        )
        .unwrap();
    }
    text
}

fn fastest(mut run: impl FnMut() -> Duration) -> Duration {
    (0..RUNS).map(|_| run()).min().unwrap()
}

/// Nanoseconds to judge a write of one register by the rules of one pair.
fn judge(rules: &RuleSet, words: &'static Vocabulary) -> f64 {
    let end = |address: [u8; 4], port| Endpoint::new(std::net::IpAddr::from(address), port);
    let flow = Flow::new(end([10, 0, 0, 1], 40_000), end([10, 1, 0, 0], 502), Transport::Tcp);
    let pair = rules.pair(&flow, words);
    let space = (words.parse_space)("holding").unwrap();
    let mut memory = Memory::default();
    let took = fastest(|| {
        let start = Instant::now();
        for number in 0..MESSAGES {
            let first = number % 9;
            let points =
                [PointRange { space, variant: 0, first, last: first, verb: Verb::Write, valued: true }];
            let values = [Value::Int(i64::from(number % 1000))];
            let event = Event {
                ts: Timestamp::from_micros(1_700_000_000_000_000 + i64::from(number)),
                frame: 1,
                flow: &flow,
                proto: words,
                kind: Kind::Request,
                verb: Verb::Write,
                function: Some(6),
                device: Some(1),
                points: &points,
                values: Values::List(&values),
                outcome: None,
                latency: None,
                request: None,
                fault: None,
                fields: &NoFields,
            };
            let verdict = rules.judge(&pair, black_box(&event), &mut memory);
            assert!(matches!(verdict, Verdict::Allowed { .. }));
        }
        start.elapsed()
    });
    took.as_nanos() as f64 / f64::from(MESSAGES)
}

fn main() {
    let words = vocabularies();
    let modbus = words.iter().find(|words| words.name == "modbus").copied().unwrap();
    println!("{:>9}  {:>14}  {:>16}", "rules", "read, compile", "judge a message");
    for count in [10, 1_000, 100_000] {
        let text = rules(count);
        let compile = fastest(|| {
            let start = Instant::now();
            black_box(policy::parse("bench.toml", &text, &words).unwrap());
            start.elapsed()
        });
        let loaded = policy::parse("bench.toml", &text, &words).unwrap();
        println!("{count:>9}  {compile:>14.2?}  {:>13.1} ns", judge(&loaded.rules, modbus));
    }
}
