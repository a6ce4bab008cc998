//! "Allow this": the text that an alert offers lets exactly its message pass, and of the same traffic nothing that is not
//! like it.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod common;

use common::ours;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use wayside::address::{Address, Endpoint, Mac, Timestamp, Transport};
use wayside::alert::{Desk, Grouping};
use wayside::capture::Files;
use wayside::event::{Event, Flow, Kind, Owned, PointRange, Value, Values, Verb};
use wayside::policy::allow::{Allowance, allow, allow_conversation};
use wayside::policy::{self, Memory, RuleSet, Text, Verdict, Why, edit, explain};
use wayside::protocol::vocabularies;
use wayside::sensor::pipeline::{self, Observer, Parts, Pipeline, Unspoken};

/// Something that is judged.
enum Said {
    Message(Box<Owned>),
    Conversation(Box<Flow>, Timestamp, bool),
}

impl Said {
    fn judge(&self, rules: &RuleSet, memory: &mut Memory) -> Verdict {
        match self {
            Said::Message(own) => {
                own.with(|event| rules.judge(&rules.pair(event.flow, event.proto), event, memory))
            }
            Said::Conversation(flow, ts, true) => rules.judge_conversation(flow, *ts, memory),
            Said::Conversation(flow, ts, false) => rules.judge_picked_up(flow, *ts, memory),
        }
    }

    fn allow(&self, rules: &RuleSet, verdict: &Verdict) -> Allowance {
        match self {
            Said::Message(own) => own.with(|event| allow(rules, event, verdict)),
            Said::Conversation(flow, ..) => allow_conversation(rules, flow, verdict),
        }
    }

    fn words(&self) -> String {
        match self {
            Said::Message(own) => own.with(|event| {
                let mut out = Vec::new();
                event.write_json(None, &mut out);
                String::from_utf8(out).unwrap()
            }),
            Said::Conversation(flow, ..) => format!("{:?} {} -> {}", flow.transport, flow.src, flow.dst),
        }
    }
}

#[derive(Clone, Default)]
struct Gathering(Arc<Mutex<Vec<Said>>>);

impl Observer for Gathering {
    fn event(&mut self, event: &Event<'_>, _: Option<&Verdict>) {
        let mut all = self.0.lock().unwrap();
        if all.len() < 20_000 {
            all.push(Said::Message(Box::new(event.into())));
        }
    }

    fn conversation(&mut self, seen: &Unspoken<'_>, _: Option<&Verdict>) {
        let said = Said::Conversation(Box::new(seen.flow.clone()), seen.ts, seen.client_known);
        self.0.lock().unwrap().push(said);
    }
}

/// Everything in a capture that can be judged.
fn gathered(capture: &Path) -> Vec<Said> {
    let gathering = Gathering::default();
    let mut pipeline = Pipeline::new(Parts {
        flows: wayside::stream::Limits::default(),
        fragments: 16 << 20,
        tally: pipeline::tally(None),
        rules: None,
        desk: Desk::new(Grouping::None, "test"),
        emit: Box::new(|_| {}),
        events: None,
    });
    pipeline.observe(Box::new(gathering.clone()));
    let mut files = Files::open(&[capture.to_owned()]).unwrap();
    while let Ok(Some(frame)) = files.next() {
        pipeline.frame(&frame);
    }
    pipeline.finish().unwrap();
    drop(pipeline);
    Arc::into_inner(gathering.0).unwrap().into_inner().unwrap()
}

fn judged(all: &[Said], rules: &RuleSet) -> Vec<Verdict> {
    let mut memory = Memory::default();
    all.iter().map(|said| said.judge(rules, &mut memory)).collect()
}

/// What can be asked of a point by a message.
#[derive(Clone, PartialEq, Debug)]
struct Ask {
    verb: Verb,
    point: Option<(u16, u32, u32)>,
    value: Option<String>,
}

fn asks(event: &Event<'_>) -> Vec<(Ask, PointRange)> {
    let mut all = Vec::new();
    let changes = |verb| matches!(verb, Verb::Write | Verb::Select | Verb::Operate | Verb::Configure);
    for (range, index, value) in event.valued_points() {
        let value = changes(range.verb).then(|| value.to_string());
        let run = PointRange { first: index, last: index, ..range };
        all.push((Ask { verb: range.verb, point: Some((range.space.0, index, index)), value }, run));
    }
    for range in event.points.iter().filter(|range| !range.valued) {
        let point = Some((range.space.0, range.first, range.last));
        all.push((Ask { verb: range.verb, point, value: None }, *range));
    }
    all
}

/// Whether a message that passes now is like the one that was allowed: what the old rules do not let pass of it is within
/// what that one did.
fn alike(before: &RuleSet, allowed: &Said, other: &Said) -> bool {
    match (allowed, other) {
        (Said::Conversation(a, ..), Said::Conversation(b, ..)) => {
            let ends = |flow: &Flow| (flow.src.address, flow.dst.address);
            let same = ends(a) == ends(b) && (a.dst.port == b.dst.port || a.src.port == b.src.port);
            let turned =
                ends(a) == ends(&b.reversed()) && (a.dst.port == b.src.port || a.src.port == b.dst.port);
            a.transport == b.transport && (same || turned)
        }
        (Said::Message(a), Said::Message(b)) => a.with(|a| b.with(|b| alike_messages(before, a, b))),
        _ => false,
    }
}

fn alike_messages(before: &RuleSet, a: &Event<'_>, b: &Event<'_>) -> bool {
    let ends = |event: &Event<'_>| -> (Address, Address) {
        let (src, dst) = (event.flow.src.address, event.flow.dst.address);
        if event.kind == Kind::Response { (dst, src) } else { (src, dst) }
    };
    let same = ends(a) == ends(b);
    let turned = ends(a) == (ends(b).1, ends(b).0);
    if a.proto != b.proto || !(same || turned) {
        return false;
    }
    let quiet = |event: &Event<'_>| event.verb == Verb::Session || event.is_piece();
    if quiet(b) {
        return true;
    }
    let device = a.device.is_none() || a.device == b.device;
    // Who may be read may report, and its answers pass.
    if b.kind == Kind::Unsolicited || b.kind == Kind::Response {
        return device;
    }
    if !same || !device {
        return false;
    }
    let own = asks(a);
    if own.is_empty() || b.points.is_empty() {
        return a.verb == b.verb && a.function == b.function;
    }
    let pair = before.pair(b.flow, b.proto);
    asks(b).into_iter().all(|(ask, run)| {
        let points = [run];
        let found = b.valued_points().find(|(range, at, _)| range.space == run.space && *at == run.first);
        let value = [found.map_or(Value::Int(0), |(_, _, value)| value)];
        let values = if run.valued { Values::List(&value) } else { Values::None };
        let probe = Event { points: &points, values, ..*b };
        let passed = before.judge(&pair, &probe, &mut Memory::default());
        if allowed(&passed) {
            return true;
        }
        let (space, first, last) = ask.point.unwrap();
        let known: Vec<&(Ask, PointRange)> = own.iter().filter(|(mine, _)| mine.verb == ask.verb).collect();
        let covered = (first..=last).take(4096).all(|index| {
            known.iter().any(|(mine, _)| {
                let (own, low, high) = mine.point.unwrap();
                own == space && low <= index && index <= high
            })
        });
        let values: Vec<&String> = known.iter().filter_map(|(mine, _)| mine.value.as_ref()).collect();
        let number = |text: &str| text.parse::<f64>().ok();
        let valued = ask.value.as_ref().is_none_or(|value| {
            let many = values.len() > 16
                && number(value).is_some_and(|value| {
                    let all = || values.iter().filter_map(|value| number(value));
                    all().any(|low| low <= value) && all().any(|high| high >= value)
                });
            values.contains(&value) || many || a.function == b.function && values.is_empty()
        });
        covered && valued
    })
}

fn allowed(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Allowed { .. })
}

/// Allows what the rules do not, each by itself and about so many at most, and looks at what else passes then. Returns
/// the texts.
fn check(name: &str, files: &[Text], all: &[Said], most: usize) -> Vec<String> {
    let rules = policy::parse_all(files, &vocabularies()).unwrap().rules;
    let verdicts = judged(all, &rules);
    let counts = rules.rules().iter().any(|rule| rule.rate.is_some());
    let mut candidates: BTreeMap<String, usize> = BTreeMap::new();
    for (at, (said, verdict)) in all.iter().zip(&verdicts).enumerate() {
        if let Verdict::Denied { .. } | Verdict::NotAllowed { .. } = verdict {
            let allowance = said.allow(&rules, verdict);
            match allowance.rule {
                Some(text) => drop(candidates.entry(text).or_insert(at)),
                None => assert!(allowance.note.is_some_and(|note| note.len() > 20)),
            }
        }
    }
    // Of very many, some of every kind.
    let step = candidates.len() / most + 1;
    let chosen: Vec<(&String, &usize)> = candidates.iter().step_by(step).collect();
    for (text, at) in &chosen {
        let file = edit::place(files, None).unwrap().name.clone();
        let added = edit::add_rule(files, &file, text, &vocabularies());
        let wider = added.unwrap_or_else(|problems| panic!("{name}: {problems:?}\n{text}")).loaded.rules;
        let now = judged(all, &wider);
        let said = &all[**at];
        let (was, is) = (&verdicts[**at], &now[**at]);
        // One more in a time is one: it may have been an earlier message like this one.
        let earlier = || {
            let before = verdicts.iter().zip(&now).take(**at);
            let passes = |(was, is): (&Verdict, &Verdict)| !allowed(was) && allowed(is);
            matches!(was, Verdict::NotAllowed { why: Why::Rate, .. }) && { before }.any(passes)
        };
        assert!(allowed(is) || earlier(), "{name}: {was:?} {is:?}\n{text}\n{}", said.words());
        if let Said::Message(own) = said
            && !matches!(was, Verdict::NotAllowed { why: Why::Rate | Why::Change { .. }, .. })
        {
            let explained = own.with(|event| explain::explain(&wider, event, &mut Memory::default()));
            assert_eq!(explained.class, explain::Class::Allowed, "{name}: {text}");
        }
        for ((other, was), is) in all.iter().zip(&verdicts).zip(&now) {
            let (was, is) = (allowed(was), allowed(is));
            // What passes now may use up the rate of another rule.
            assert!(is || !was || counts, "{name}: no longer allowed\n{text}\n{}", other.words());
            assert!(
                was || !is || alike(&rules, said, other),
                "{name}\n{text}\nfor {}\nlets pass {}",
                said.words(),
                other.words()
            );
        }
    }
    chosen.iter().map(|(text, _)| (*text).clone()).collect()
}

fn texts(paths: &[&str]) -> Vec<Text> {
    policy::read_all(&paths.iter().map(PathBuf::from).collect::<Vec<_>>()).unwrap()
}

/// The same with a third of what is allowed already: then rules cover parts of what others ask.
fn check_twice(capture: &Path) -> usize {
    let all = gathered(capture);
    let name = capture.display().to_string();
    let mut files = texts(&[&ours("rules")]);
    let offered = check(&name, &files, &all, 40);
    for text in offered.iter().step_by(3) {
        let file = files[0].name.clone();
        // Two may have the same name.
        if let Ok(added) = edit::add_rule(&files, &file, text, &vocabularies()) {
            files[0].text = added.text;
        }
    }
    offered.len() + check(&name, &files, &all, 40).len()
}

#[test]
fn what_is_offered_allows_exactly_that_in_our_captures() {
    for capture in ["demo-plant.pcap", "modbus-functions.pcap", "dnp3-substation.pcap"] {
        let count = check_twice(Path::new(&ours(&format!("captures/{capture}"))));
        assert!(count >= 10, "{capture}: only {count}");
    }
}

#[test]
fn what_is_offered_allows_exactly_that_in_public_captures() {
    let folder = Path::new("../shared/captures");
    let Ok(index) = std::fs::read_to_string(folder.join("index.tsv")) else {
        return println!("skipped: the public captures are not there");
    };
    let mut count = 0;
    for line in index.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let speaks = cells.last().is_some_and(|what| what.contains("dnp3") || what.contains("mbtcp"));
        let small =
            cells.get(3).and_then(|bytes| bytes.parse::<u64>().ok()).is_some_and(|bytes| bytes < 300_000);
        let path = folder.join(cells[0]);
        if speaks && small && path.exists() {
            count += check_twice(&path);
        }
    }
    assert!(count > 100, "only {count}");
}

/// A plant whose rules have every kind of condition.
const PLANT: &str = r#"version = 1
[hosts]
scada = "127.20.0.10"
intake = "127.20.1.1"
booster = "127.20.1.3"
[points]
level = { at = "holding:100", of = "booster", low = 0, high = 10, measure = "m" }
[[allow]]
name = "polls"
from = "scada"
to = ["intake", "booster"]
protocol = "modbus"
unit = 1
may = ["read"]
points = ["input:0-7", "holding:100"]
rate = "2/min"
[[allow]]
name = "set points"
from = "scada"
to = "booster"
protocol = "modbus"
may = "write"
points = ["@level", "holding:101-102"]
change = 3
[[allow]]
name = "yard by night"
from = "127.30.0.10"
protocol = "modbus"
may = ["read", "write"]
points = ["coil:*", "holding:*"]
during = "daily 03:00-03:01"
[[allow]]
name = "coils"
from = "scada"
to = ["intake", "booster"]
protocol = "modbus"
unit = 9
may = ["read", "write"]
functions = ["write-multiple-coils"]
[defaults]
other-traffic = "deny"
"#;

#[test]
fn every_condition_that_is_broken_has_its_rule() {
    let all = gathered(Path::new(&ours("captures/demo-plant.pcap")));
    let files = [Text { name: "plant.toml".to_owned(), text: PLANT.to_owned(), layer: 0 }];
    let texts = check("plant", &files, &all, 1000).join("\n");
    for part in ["rate = \"1/min\"", "values = ", "during = \"", "unit = 1\n"] {
        assert!(texts.contains(part), "{part} is not in\n{texts}");
    }
}

/// What is offered for a sentence.
fn offered(plant: &str, sentence: &str) -> (String, String) {
    let rules = policy::parse("plant.toml", plant, &vocabularies()).unwrap().rules;
    let message = policy::sentence::Message::read(sentence, &rules.lexicon()).unwrap();
    let verdict = message.judge(&rules, &mut Memory::default());
    let flow = message.flow();
    let Allowance { rule, note } = match message.event(&flow) {
        Some(event) => allow(&rules, &event, &verdict),
        None => allow_conversation(&rules, &flow, &verdict),
    };
    (rule.unwrap_or_default(), note.unwrap_or_default())
}

#[test]
fn the_text_is_what_a_person_would_have_written() {
    let (rule, note) = offered(PLANT, "scada modbus write holding 100=11 -> booster");
    let want = "[[allow]]\nname = \"scada writes holding:100 of booster, value 11\"\nfrom = \"scada\"\nto = \"booster\"\nprotocol = \"modbus\"\nunit = 1\nmay = [\"write\"]\npoints = [\"holding:100\"]\nvalues = 11\n";
    assert_eq!(rule, want);
    assert!(
        note.starts_with("The rule 'set points' (plant.toml:17) allows 0 to 10 m. The rule here"),
        "{note}"
    );
    let (rule, note) = offered(PLANT, "10.9.9.9 modbus diagnose -> booster");
    assert!(rule.contains("from = \"10.9.9.9\"\n") && rule.contains("functions = [\""), "{rule}");
    assert!(note.contains("names no point"), "{note}");
    let (rule, _) = offered(PLANT, "scada tcp 22 -> booster");
    assert!(rule.contains("protocol = \"tcp\"\nport = 22\n"), "{rule}");
    let deny = format!("{PLANT}[[deny]]\nname = \"never\"\nmay = \"restart\"\n");
    let (rule, note) = offered(&deny, "scada modbus restart -> booster");
    assert_eq!(rule, "");
    assert!(note.starts_with("The deny rule 'never' (plant.toml:42) stands above all allow rules"), "{note}");
    let zones = format!(
        "{PLANT}[zones]\noffice = {{ members = \"scada\" }}\nhall = {{ members = \"booster\" }}\n[[conduit]]\nname = \"c\"\nbetween = [\"office\", \"hall\"]\nprotocol = \"dnp3\"\n"
    );
    let (rule, note) = offered(&zones, "scada modbus read holding 1 -> booster");
    assert_eq!(rule, "");
    assert!(note.starts_with("No conduit carries Modbus between the zones 'office' and 'hall'"), "{note}");
}

#[test]
fn other_traffic_is_allowed_by_the_port_on_which_somebody_listens() {
    let rules = policy::parse("plant.toml", PLANT, &vocabularies()).unwrap().rules;
    let offered = |src: u16, dst: u16, transport: Transport| {
        let end = |last, port| Endpoint::new(IpAddr::from([127, 20, 1, last]), port);
        let flow = Flow::new(end(1, src), end(9, dst), transport);
        let verdict = rules.judge_picked_up(&flow, Timestamp::default(), &mut Memory::default());
        let text = allow_conversation(&rules, &flow, &verdict).rule.unwrap();
        let added = format!("{PLANT}{text}");
        let wider = policy::parse("plant.toml", &added, &vocabularies()).unwrap().rules;
        assert!(
            allowed(&wider.judge_picked_up(&flow, Timestamp::default(), &mut Memory::default())),
            "{text}"
        );
        text.lines().skip(2).collect::<Vec<_>>().join(", ")
    };
    let there = "from = \"intake\", to = \"127.20.1.9\", protocol = ";
    assert_eq!(offered(50_000, 445, Transport::Tcp), format!("{there}\"tcp\", port = 445"));
    assert_eq!(offered(1_050, 48_898, Transport::Udp), format!("{there}\"udp\", port = 48898"));
    assert_eq!(
        offered(22, 50_000, Transport::Tcp),
        "from = \"127.20.1.9\", to = \"intake\", protocol = \"tcp\", port = 22"
    );
    assert_eq!(offered(0, 0, Transport::Ip(1)), format!("{there}\"icmp\""));
    assert_eq!(offered(0, 0, Transport::Ip(47)), format!("{there}\"ip\", ip-protocol = 47"));
    let mac = |last| Endpoint { address: Address::Mac(Mac([2, 0, 0, 0, 0, last])), port: 0 };
    let flow = Flow::new(mac(1), mac(2), Transport::Ethernet(0x88b8));
    let verdict = rules.judge_conversation(&flow, Timestamp::default(), &mut Memory::default());
    let text = allow_conversation(&rules, &flow, &verdict).rule.unwrap();
    assert!(text.ends_with("from = \"02:00:00:00:00:01\"\nto = \"02:00:00:00:00:02\"\nprotocol = \"ethernet\"\nethertype = 0x88b8\n"), "{text}");
    let wider = policy::parse("plant.toml", &format!("{PLANT}{text}"), &vocabularies()).unwrap().rules;
    assert!(allowed(&wider.judge_conversation(&flow, Timestamp::default(), &mut Memory::default())));
}
