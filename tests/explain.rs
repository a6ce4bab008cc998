//! On captures, the tables of the engine say what the rules say, looked at one after the other. The public captures are
//! left out, saying so, where they are not there.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use wayside::alert::{Desk, Grouping};
use wayside::capture::Files;
use wayside::event::{Event, Kind, Value};
use wayside::policy::explain::{Class, Explained, explain, explain_conversation};
use wayside::policy::{Memory, RuleId, RuleKind, RuleSet, Verdict};
use wayside::sensor::pipeline::{self, Observer, Pipeline, Unspoken};

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

/// Whether the rule that the engine names is one that matches (or, where none does, one that does not).
fn decides(rules: &RuleSet, explained: &Explained, verdict: &Verdict) -> bool {
    let met = |id: RuleId| explained.rules.iter().find(|met| met.rule == id);
    match *verdict {
        Verdict::Denied { rule } => {
            let denies = |met: &RuleId| rules.rule(*met).is_some_and(|rule| rule.kind == RuleKind::Deny);
            let mut matched = explained.rules.iter().filter(|met| met.matched).map(|met| met.rule);
            matched.find(denies) == Some(rule)
        }
        Verdict::Allowed { rule: Some(rule) } => met(rule).is_some_and(|met| met.matched || met.partly),
        Verdict::NotAllowed { nearest: Some(rule), .. } => met(rule).is_some_and(|met| !met.matched),
        _ => true,
    }
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
        flows: wayside::stream::Limits::default(),
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
        if explained.class != class || !decides(&rules, &explained, &verdict) {
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
    let words = wayside::protocol::vocabularies();
    let shipped = || wayside::policy::load(&[root.join("rules")], &words).unwrap().rules;
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
            match wayside::policy::parse("made.toml", &text, &words) {
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
