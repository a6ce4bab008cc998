//! The rule language as its manual shows it: every example of `docs/rules.md` is checked, judged and compared with what
//! the manual says Wayside says; and the JSON Schema for editors accepts and refuses what `wayside rules check` does.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod common;

use common::{err, ours, out, run};
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use wayside::address::{Endpoint, Mac, Timestamp, Transport};
use wayside::alert::{Alert, Desk, Grouping};
use wayside::event::{
    Event, Fields, Flow, Kind, Object, Outcome, PointRange, Value, Values, Verb, Vocabulary,
};
use wayside::policy::{self, Memory, RuleSet, Watch};
use wayside::protocol::vocabularies;

/// One block of code of the manual: what stands behind the fence, and the lines.
struct Block {
    kind: String,
    file: Option<String>,
    text: String,
}

/// The sections of the manual with their blocks of code.
fn sections() -> Vec<(String, Vec<Block>)> {
    let manual = std::fs::read_to_string(ours("docs/rules.md")).unwrap();
    let mut sections: Vec<(String, Vec<Block>)> = Vec::new();
    let mut open: Option<Block> = None;
    for line in manual.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (Some(_), Some(_)) => {
                let block = open.take().unwrap();
                sections.last_mut().unwrap().1.push(block);
            }
            (Some(block), None) => block.text += &format!("{line}\n"),
            (None, Some(fence)) => {
                let mut words = fence.split_whitespace().map(str::to_owned);
                let (kind, file) = (words.next().unwrap_or_default(), words.next());
                open = Some(Block { kind, file, text: String::new() });
            }
            (None, None) => {
                sections.extend(line.strip_prefix("## ").map(|title| (title.to_owned(), Vec::new())))
            }
        }
    }
    sections
}

/// One of the ten examples, its files in a folder.
struct Example {
    number: usize,
    folder: tempfile::TempDir,
    main: PathBuf,
    said: Vec<String>,
}

fn examples() -> Vec<Example> {
    let numbered = sections().into_iter().filter_map(|(title, blocks)| {
        let number = title.split_once(". ")?.0.parse().ok()?;
        let folder = tempfile::tempdir().unwrap();
        let mut main = None;
        let mut said = Vec::new();
        for block in blocks {
            match block.kind.as_str() {
                "toml" | "csv" => {
                    let path = folder.path().join(block.file.as_deref().unwrap_or("rules.toml"));
                    std::fs::write(&path, block.text).unwrap();
                    main.get_or_insert(path);
                }
                "text" => said.extend(block.text.lines().map(str::to_owned)),
                other => panic!("example {number} has a block of '{other}'"),
            }
        }
        Some(Example { number, folder, main: main.unwrap(), said })
    });
    numbered.collect()
}

struct NoFields;

impl Fields for NoFields {
    fn write(&self, _: &mut Object<'_>) {}

    fn brief(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// A message in short: who, what, where.
#[derive(Clone, Copy)]
struct Said<'a> {
    proto: &'a str,
    verb: Verb,
    function: u16,
    device: u32,
    /// "holding:101", and the variation of DNP3.
    point: Option<(&'a str, u32, u8)>,
    value: Option<Value<'a>>,
    mac: Option<Mac>,
    kind: Kind,
}

fn modbus<'a>(verb: Verb, function: u16, space: &'a str, index: u32) -> Said<'a> {
    let point = (!space.is_empty()).then_some((space, index, 0));
    Said { proto: "modbus", verb, function, device: 1, point, value: None, mac: None, kind: Kind::Request }
}

fn dnp3<'a>(verb: Verb, function: u16, space: &'a str, index: u32, variation: u8) -> Said<'a> {
    let point = (!space.is_empty()).then_some((space, index, variation));
    Said { proto: "dnp3", device: 4, point, ..modbus(verb, function, "", 0) }
}

/// A register that is written.
fn set(index: u32, value: i64) -> Said<'static> {
    Said { value: Some(Value::Int(value)), ..modbus(Verb::Write, 16, "holding", index) }
}

/// A breaker that is operated.
fn breaker(index: u32, word: &'static str) -> Said<'static> {
    Said { value: Some(Value::Name(word)), ..dnp3(Verb::Operate, 5, "g12", index, 1) }
}

/// A plant that is watched with some rules.
struct Plant {
    rules: RuleSet,
    memory: Memory,
    desk: Desk,
    watch: Watch,
    said: Vec<String>,
    now: Timestamp,
}

fn address(text: &str, port: u16) -> Endpoint {
    Endpoint::new(text.parse::<IpAddr>().unwrap(), port)
}

impl Plant {
    fn new(rules: RuleSet) -> Plant {
        let now = rules.calendar().parse_moment("2026-11-24 12:00").unwrap();
        let desk = Desk::new(Grouping::None, "manual");
        Plant { rules, memory: Memory::default(), desk, watch: Watch::default(), said: Vec::new(), now }
    }

    fn at(&mut self, moment: &str) -> &mut Plant {
        self.now = self.rules.calendar().parse_moment(moment).unwrap();
        self
    }

    fn after(&mut self, seconds: i64) -> &mut Plant {
        self.now.nanos += seconds * 1_000_000_000;
        let Plant { rules, desk, watch, said, now, .. } = self;
        let mut emit = |alert: Alert| said.push(alert.summary);
        rules.overdue(watch, *now, &mut |rules, silence| desk.silence(*now, &silence, rules, &mut emit));
        self
    }

    fn tell(&mut self, src: &str, dst: &str, what: Said<'_>) -> &mut Plant {
        let words: &'static Vocabulary =
            vocabularies().into_iter().find(|words| words.name == what.proto).unwrap();
        let mut flow = Flow::new(address(src, 50000), address(dst, 502), Transport::Tcp);
        flow.src_mac = what.mac;
        let range = what.point.map(|(space, index, variant)| PointRange {
            space: (words.parse_space)(space).unwrap(),
            variant,
            first: index,
            last: index,
            verb: what.verb,
            valued: what.value.is_some(),
        });
        let (points, values): (Vec<PointRange>, Vec<Value<'_>>) =
            (range.into_iter().collect(), what.value.into_iter().collect());
        let event = Event {
            ts: self.now,
            frame: 1,
            flow: &flow,
            proto: words,
            kind: what.kind,
            verb: what.verb,
            function: Some(what.function),
            device: Some(what.device),
            points: &points,
            values: Values::List(&values),
            outcome: (what.kind == Kind::Response).then_some(Outcome::Success),
            latency: None,
            request: (what.kind == Kind::Response).then_some(1),
            fault: None,
            fields: &NoFields,
        };
        let Plant { rules, memory, desk, watch, said, now } = self;
        let mut emit = |alert: Alert| said.push(alert.summary);
        let pair = rules.pair(&flow, words);
        let verdict = rules.judge(&pair, &event, memory);
        rules.observe(
            &pair,
            &event,
            watch,
            &mut |rules, silence| desk.silence(*now, &silence, rules, &mut emit),
            &mut |_| {},
        );
        desk.event(&event, &verdict, rules, &mut emit);
        self
    }

    fn opens(&mut self, src: &str, dst: &str, port: u16) -> &mut Plant {
        let flow = Flow::new(address(src, 50000), address(dst, port), Transport::Tcp);
        let verdict = self.rules.judge_conversation(&flow, self.now, &mut self.memory);
        let Plant { rules, desk, said, now, .. } = self;
        desk.conversation(*now, 1, &flow, &verdict, rules, &mut |alert: Alert| said.push(alert.summary));
        self
    }
}

const CENTRE: &str = "10.30.0.10";
const SUBSTATION: &str = "10.30.4.1";
const OFFICE: &str = "10.40.0.10";

/// What happens in each example: what is allowed, and what is not.
fn happen(number: usize, plant: &mut Plant) {
    let read_dnp3 = dnp3(Verb::Read, 1, "g30", 3, 0);
    let read = modbus(Verb::Read, 3, "holding", 5);
    match number {
        1 => plant.tell(CENTRE, SUBSTATION, read_dnp3).tell("10.30.0.66", SUBSTATION, read_dnp3).tell(
            CENTRE,
            SUBSTATION,
            breaker(2, "pulse on, trip"),
        ),
        2 => {
            let laptop = |what| Said { mac: Some(Mac([0, 0x1d, 0x9c, 0xc7, 0xb0, 0x70])), ..what };
            plant
                .tell(OFFICE, "10.40.1.7", read)
                .tell("10.40.0.201", "10.40.1.7", laptop(read))
                .tell("10.40.0.201", "10.40.1.7", laptop(set(5, 1)))
                .tell(OFFICE, "10.40.1.7", modbus(Verb::Restart, 8, "", 0))
        }
        3 => plant
            .tell(
                OFFICE,
                "10.40.1.1",
                Said { value: Some(Value::Bool(true)), ..modbus(Verb::Write, 5, "coil", 7) },
            )
            .tell(OFFICE, "10.40.1.2", set(3, 2))
            .tell(OFFICE, "10.40.1.2", set(103, 60))
            .tell(OFFICE, "10.40.1.2", set(3, 3))
            .tell(OFFICE, "10.40.1.2", set(103, 200))
            .tell(OFFICE, "10.40.1.1", modbus(Verb::Read, 1, "coil", 8)),
        4 => plant
            .tell(OFFICE, "10.40.1.20", Said { device: 3, ..set(1, 1) })
            .tell(CENTRE, SUBSTATION, read_dnp3)
            .tell(OFFICE, "10.40.1.20", Said { device: 5, ..set(1, 1) })
            .tell(OFFICE, "10.40.1.20", Said { device: 3, function: 6, ..set(1, 1) })
            .tell(CENTRE, SUBSTATION, Said { device: 5, ..read_dnp3 }),
        5 => plant
            .tell(CENTRE, SUBSTATION, breaker(2, "pulse on, trip"))
            .tell(
                SUBSTATION,
                CENTRE,
                Said { kind: Kind::Unsolicited, ..dnp3(Verb::Report, 130, "g30", 1, 1) },
            )
            .tell(CENTRE, SUBSTATION, breaker(2, "latch on"))
            .tell(CENTRE, SUBSTATION, breaker(9, "pulse on, trip"))
            .tell(CENTRE, SUBSTATION, Said { point: Some(("g12", 1, 3)), ..breaker(1, "pulse on, trip") }),
        6 => plant
            .tell(OFFICE, "10.40.1.31", set(10, 400))
            .tell(OFFICE, "10.40.1.32", set(10, 150))
            .tell(OFFICE, "10.40.1.32", set(51, 7))
            .tell(OFFICE, "10.40.1.31", set(10, 450))
            .tell(OFFICE, "10.40.1.32", set(10, 200))
            .tell(OFFICE, "10.40.1.31", set(11, 3)),
        7 => {
            let start = Said { value: Some(Value::Bool(true)), ..modbus(Verb::Write, 5, "coil", 0) };
            plant.tell(CENTRE, "10.30.4.9", set(1, 100)).tell(CENTRE, "10.30.4.9", set(2, 100));
            plant.tell(CENTRE, "10.30.4.9", set(1, 150)).tell(CENTRE, "10.30.4.9", start).after(10);
            plant.tell(CENTRE, "10.30.4.9", set(1, 90)).tell(CENTRE, "10.30.4.9", set(1, 100));
            plant.said.clear();
            plant.tell(CENTRE, "10.30.4.9", set(1, 160)).tell(CENTRE, "10.30.4.9", set(2, 110));
            plant.tell(CENTRE, "10.30.4.9", start).tell(CENTRE, "10.30.4.9", start).after(40);
            plant.tell(CENTRE, "10.30.4.9", start)
        }
        8 => {
            let restart = dnp3(Verb::Restart, 13, "", 0, 0);
            plant.at("2026-11-24 12:00").tell(CENTRE, SUBSTATION, breaker(2, "pulse on, trip"));
            plant.at("2026-11-21 09:00").tell(CENTRE, SUBSTATION, breaker(2, "pulse on, trip"));
            plant.at("2026-11-22 03:00").tell(CENTRE, SUBSTATION, breaker(2, "pulse on, trip"));
            plant.at("2026-11-26 12:00").tell(CENTRE, SUBSTATION, breaker(2, "pulse on, trip"));
            plant.at("2026-11-25 21:59").tell(CENTRE, SUBSTATION, restart);
            plant.at("2026-11-25 22:00").tell(CENTRE, SUBSTATION, restart);
            plant.at("2026-11-26 03:59").tell(CENTRE, SUBSTATION, breaker(2, "pulse on, trip"))
        }
        9 => plant
            .tell(OFFICE, "10.40.1.7", read)
            .opens("10.40.0.66", "10.40.1.7", 22)
            .tell("10.50.0.5", "10.40.1.7", read)
            .opens("10.40.0.66", "10.40.1.7", 8000)
            .opens("10.40.0.66", "10.40.1.7", 80)
            .opens(OFFICE, "10.40.1.7", 22),
        10 => {
            let answer = Said { kind: Kind::Response, ..read_dnp3 };
            plant.after(0).tell(CENTRE, SUBSTATION, read_dnp3).tell(SUBSTATION, CENTRE, answer);
            plant.tell("10.30.5.1", CENTRE, answer).tell(
                CENTRE,
                SUBSTATION,
                dnp3(Verb::Configure, 20, "", 0, 0),
            );
            plant.after(8).tell(SUBSTATION, CENTRE, answer).after(5).tell(SUBSTATION, CENTRE, answer);
            plant.after(7).tell("10.30.5.1", CENTRE, answer)
        }
        other => panic!("nothing happens in example {other}"),
    };
}

#[test]
fn every_example_of_the_manual_says_what_it_says() {
    let examples = examples();
    assert_eq!(
        examples.iter().map(|example| example.number).collect::<Vec<_>>(),
        (1..=10).collect::<Vec<_>>()
    );
    let mut wrong = Vec::new();
    for example in &examples {
        let loaded = policy::load(std::slice::from_ref(&example.main), &vocabularies())
            .unwrap_or_else(|problems| panic!("example {}: {problems:#?}", example.number));
        assert!(loaded.warnings.is_empty(), "example {}: {:#?}", example.number, loaded.warnings);
        let mut plant = Plant::new(loaded.rules);
        happen(example.number, &mut plant);
        if plant.said != example.said {
            wrong.push(format!("example {} says:\n{}\n", example.number, plant.said.join("\n")));
        }
        if example.number == 8 {
            let relaxed: Vec<(u32, u64)> =
                plant.memory.take_relaxed().iter().map(|relaxed| (relaxed.rule, relaxed.count)).collect();
            assert_eq!(relaxed, [(2, 1), (0, 1)]);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_binary_checks_every_example_and_every_shipped_rule_set() {
    let kept = examples();
    let paths: Vec<String> = kept.iter().map(|example| example.main.to_string_lossy().into_owned()).collect();
    for path in paths.iter().chain([&ours("rules")]) {
        let output = run(&["rules", "check", path]);
        assert!(output.status.success(), "{path}: {}", err(&output));
        assert!(out(&output).contains(", 0 warnings"), "{path}: {}", err(&output));
    }
}

fn schema() -> Json {
    let output = run(&["rules", "schema"]);
    assert!(output.status.success(), "{}", err(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What the schema says of a file of TOML.
fn objections(schema: &jsonschema::Validator, text: &str) -> Vec<String> {
    let file: toml::Table = toml::from_str(text).unwrap();
    let file = serde_json::to_value(file).unwrap();
    schema.iter_errors(&file).map(|error| format!("{} at {}", error, error.instance_path())).collect()
}

fn validator() -> jsonschema::Validator {
    jsonschema::draft202012::new(&schema()).unwrap()
}

#[test]
fn the_schema_accepts_every_example_and_every_shipped_rule_set() {
    let schema = validator();
    let kept = examples();
    let folders = kept
        .iter()
        .map(|example| example.folder.path())
        .chain([Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/rules"))]);
    let mut files = 0;
    for folder in folders {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|end| end == "toml") {
                let said = objections(&schema, &std::fs::read_to_string(&path).unwrap());
                assert!(said.is_empty(), "{}: {said:#?}", path.display());
                files += 1;
            }
        }
    }
    assert!(files >= 14, "{files}");
    for text in [
        "version = 1\n[[test]]\nmessage = 'scada modbus read holding 1 -> plc-3'\nexpect = 'allowed'\n",
        "version = 1\n[[test]]\nname = 't'\nmessages = ['a', 'b']\nexpect = 'not-allowed'\nrule = 'r'\n",
        "version = 1\n[hosts]\na = ['fe80::1', '2001:db8::/32', '00-1d-9c-c7-b0-70', 'vlan:7', '10.0.0.0/8']\nnone = []\n",
        "version = 1\n[[allow]]\nname = 'r'\nprotocol = ['modbus']\npoints = ['holding:0 - 9', '@x y', 'file:*']\nrate = '3 per hour'\nchange = '1.5/30s'\nvalues = ['..5', '-3..-1', 'latch on', true, 1.5]\n",
    ] {
        let said = objections(&schema, text);
        assert!(said.is_empty(), "{text}: {said:#?}");
    }
}

/// The messages of everything wrong with a text.
fn problems(text: &str) -> Vec<policy::Problem> {
    match policy::parse("keys.toml", text, &vocabularies()) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    }
}

#[test]
fn the_schema_has_every_key_that_the_rules_have_and_no_other() {
    let schema = schema();
    let keys = |pointer: &str| -> BTreeSet<String> {
        let object = schema.pointer(pointer).and_then(Json::as_object);
        object.unwrap_or_else(|| panic!("no {pointer}")).keys().cloned().collect()
    };
    let tables = [
        ("", "/properties"),
        ("[defaults]\n", "/properties/defaults/properties"),
        ("[calendar]\n", "/properties/calendar/properties"),
        ("[zones.z]\n", "/properties/zones/additionalProperties/properties"),
        ("[points.p]\n", "/properties/points/additionalProperties/anyOf/2/properties"),
        ("[[conduit]]\n", "/properties/conduit/items/properties"),
        ("[[maintenance]]\n", "/properties/maintenance/items/properties"),
        ("[[allow]]\n", "/$defs/allow/properties"),
        ("[[deny]]\n", "/$defs/deny/properties"),
        ("[[expect]]\n", "/$defs/expect/properties"),
        ("[[test]]\n", "/properties/test/items/properties"),
    ];
    let refused = |table: &str, key: &str| {
        problems(&format!("{table}{key} = 1\n")).iter().any(|problem| {
            let said = problem.message();
            problem.underlined() == Some(key)
                && (said.starts_with("unknown key")
                    || said.contains("goes with [[expect]] only")
                    || said.contains("an expect rule has nothing for"))
        })
    };
    let reads_tests = !refused("", "test");
    for (table, pointer) in tables {
        let in_schema: BTreeSet<String> = keys(pointer);
        if table == "[[test]]\n" && !reads_tests {
            continue;
        }
        let unknown = problems(&format!("{table}no-such-key = 1\n"));
        let advice = unknown.iter().find_map(|problem| problem.advice()?.strip_prefix("the keys are: "));
        let listed = advice.unwrap_or_else(|| panic!("{table}: {unknown:?}")).split(", ").map(str::to_owned);
        let mut accepted: BTreeSet<String> = listed.filter(|key| !refused(table, key)).collect();
        // Two shapes of a point have their own place in the schema.
        accepted.remove("csv");
        if table.is_empty() && !reads_tests {
            accepted.insert("test".to_owned());
        }
        assert_eq!(accepted, in_schema, "{table}");
        for key in &in_schema {
            let described = schema.pointer(&format!("{pointer}/{key}")).unwrap();
            let followed = described["$ref"].as_str().and_then(|path| schema.pointer(&path[1..]));
            let says = |value: &Json| value["description"].as_str().is_some_and(|text| text.len() > 3);
            assert!(says(described) || followed.is_some_and(says), "{table}{key} has no description");
        }
    }
    let csv = keys("/properties/points/additionalProperties/anyOf/1/properties");
    assert_eq!(csv.into_iter().collect::<Vec<_>>(), ["csv"]);
    let words = |pointer: &str| schema.pointer(pointer).unwrap().clone();
    let verbs: Vec<&str> = ["any"].into_iter().chain(Verb::ALL.map(Verb::name)).collect();
    assert_eq!(words("/$defs/verb/enum"), json!(verbs));
    let names: Vec<&str> = vocabularies().iter().map(|words| words.name).collect();
    assert_eq!(words("/$defs/control-protocol/enum"), json!(names));
    assert_eq!(
        words("/$defs/allow/properties/severity/enum"),
        json!(policy::Severity::ALL.map(policy::Severity::name))
    );
}

#[test]
fn what_is_wrong_is_wrong_for_both() {
    let schema = validator();
    let rule = |line: &str| format!("version = 1\n[[allow]]\nname = 'r'\nprotocol = 'modbus'\n{line}\n");
    for text in [
        "[hosts]\na = '10.0.0.1'\n".to_owned(),
        "version = 2\n".to_owned(),
        "version = 1\nhost = {}\n".to_owned(),
        "version = 1\n[hosts]\na = 'plc'\n".to_owned(),
        "version = 1\n[hosts]\nany = '10.0.0.1'\n".to_owned(),
        "version = 1\n[zones]\nz = { level = 9 }\n".to_owned(),
        "version = 1\n[[allow]]\nmay = 'read'\nfrom = '10.0.0.1'\n".to_owned(),
        "version = 1\n[[deny]]\nname = 'r'\nprotocol = 'tcp'\nmay = 'read'\n".to_owned(),
        "version = 1\n[[deny]]\nname = 'r'\nprotocol = 'any'\nrate = '1/min'\n".to_owned(),
        "version = 1\n[[deny]]\nname = 'r'\npoints = 'coil:1'\n".to_owned(),
        "version = 1\n[[deny]]\nname = 'r'\nport = 22\n".to_owned(),
        "version = 1\n[[deny]]\nname = 'r'\nprotocol = 'dnp3'\nunit = 1\n".to_owned(),
        "version = 1\n[[expect]]\nname = 'r'\nto = '10.0.0.1'\n".to_owned(),
        "version = 1\n[[expect]]\nname = 'r'\nto = '10.0.0.1'\nevery = '5'\n".to_owned(),
        "version = 1\n[[conduit]]\nname = 'c'\nbetween = ['z']\n".to_owned(),
        "version = 1\n[[maintenance]]\nname = 'm'\nduring = 'Mon'\n".to_owned(),
        "version = 1\n[calendar]\nholidays = '26.12.2026'\n".to_owned(),
        "version = 1\n[defaults]\ncontrol-traffic = 'drop'\n".to_owned(),
        "version = 1\n[points]\np = { low = 1 }\n".to_owned(),
        "version = 1\n[points]\np = { csv = 'x.csv', low = 1 }\n".to_owned(),
        rule("may = 'raed'"),
        rule("may = []"),
        rule("protokol = 'modbus'"),
        rule("points = 'holdin:1'"),
        rule("points = 'holding:1..3'"),
        rule("values = '0-450'"),
        rule("values = '0...450'"),
        rule("severity = 'hi'"),
        rule("attack = 'T99'"),
        rule("rate = '0/min'"),
        rule("scale = 0"),
        rule("change = -1"),
        rule("every = '5s'"),
        rule("enabled = 'no'"),
        rule("functions = 70000"),
    ] {
        let by_schema = !objections(&schema, &text).is_empty();
        let by_rules = problems(&text).iter().any(policy::Problem::is_error);
        assert!(by_schema, "the schema lets pass\n{text}");
        assert!(by_rules, "the rules let pass\n{text}");
    }
}

const PLANT: &str = "version = 1\n[hosts]\nscada = \"10.0.0.1\"\nplc-3 = \"10.0.1.3\"\nplc-4 = [\"10.0.1.4\", \"10.0.2.4\"]\nfield = \"10.0.1.0/24\"\n[groups]\nplcs = [\"plc-3\", \"plc-4\"]\n[zones]\nhall = { members = [\"plc-4\", \"scada\"] }\n";

/// The first rule of a text, in words.
fn in_words(rule: &str) -> String {
    let loaded = policy::parse("a.toml", &format!("{PLANT}{rule}"), &vocabularies());
    let rules = loaded.unwrap_or_else(|problems| panic!("{problems:?}")).rules;
    policy::words(&rules.rules()[0], &rules)
}

#[test]
fn every_key_of_a_rule_is_said_in_words() {
    for (rule, want) in [
        (
            "[[allow]]\nname = 'a'\nfrom = 'scada'\nto = 'plc-3'\nprotocol = 'modbus'\nmay = 'write'\npoints = 'holding:100-103'\nvalues = '0..450'\nrate = '12/min'\nduring = 'Mon-Fri 06:00-22:00'",
            "scada may write holding registers 100 to 103 of plc-3 in Modbus, values 0 to 450, at most 12 a minute, Mon-Fri 06:00-22:00.",
        ),
        (
            "[[allow]]\nname = 'a'\nfrom = ['scada', '10.9.9.9']\nto = 'plcs'\nprotocol = 'modbus'\nunit = [2, 3]\nmay = ['read', 'write', 'restart']\npoints = ['holding:1-2', 'holding:3', 'coil:*']",
            "scada or 10.9.9.9 may read and write all coils and holding registers 1 to 3 of units 2 and 3 of plcs and restart, stop or start it in Modbus.",
        ),
        (
            "[[allow]]\nname = 'a'\nto = 'hall'\nprotocol = 'modbus'\nfunctions = [3, 'write-multiple-registers', 99]",
            "Anyone may use read-holding-registers, write-multiple-registers or function 99 with the zone hall in Modbus.",
        ),
        (
            "[[allow]]\nname = 'a'\nfrom = 'scada'\nto = ['plc-4', 'field']\nprotocol = 'dnp3'\noutstation = [4, 5]\nmay = ['select', 'operate']\npoints = 'g12:0-5'\nobjects = 'g12v1'\nvalues = ['pulse on, trip', 'pulse on, close']",
            "scada may select and operate binary outputs 0 to 5 (g12) of outstation addresses 4 and 5 of plc-4 or field in DNP3, as g12v1, values pulse on, trip or pulse on, close.",
        ),
        (
            "[[allow]]\nname = 'a'\nfrom = 'plc-3'\nto = 'scada'\nprotocol = ['modbus', 'dnp3']\nmay = ['report', 'identify', 'time']",
            "plc-3 may set or ask the time of scada, ask it what it is and report to it in Modbus or DNP3.",
        ),
        (
            "[[allow]]\nname = 'a'\nfrom = 'scada'\nto = 'plc-3'\nprotocol = 'modbus'\nmay = 'write'\npoints = 'holding:1'\nvalues = '0..100'\nscale = 0.1\noffset = 5\nmeasure = 'bar'\nchange = '2/min'",
            "scada may write holding register 1 of plc-3 in Modbus, values 0 to 100 bar, the number on the wire times 0.1 plus 5, changing by 2 bar in 1min at most.",
        ),
        (
            "[[allow]]\nname = 'a'\nfrom = 'scada'\nto = 'plc-3'\nprotocol = 'modbus'\nmay = 'write'\npoints = ['@heat', 'holding:50-52']\n[points]\nheat = { at = 'holding:10', of = 'plc-3', low = 5, high = 40, measure = '°C' }",
            "scada may write holding registers 50 to 52 and 'heat' of plc-3 in Modbus, values within the limits of each point ('heat' 5 to 40 °C).",
        ),
        (
            "[[deny]]\nname = 'a'\nto = 'plcs'\nmay = ['restart', 'program']\nseverity = 'critical'\nattack = ['T0816', 'T0843']\n[[maintenance]]\nname = 'works'\nrelaxes = 'a'\nduring = 'Sun 01:00-02:00'",
            "Nobody may move logic or firmware to or from plcs or restart, stop or start it in any control protocol; this alerts even where another rule allows it. It is relaxed during the maintenance 'works'. Its alerts are of severity critical and name T0816 and T0843.",
        ),
        (
            "[[deny]]\nname = 'a'\nfrom = 'scada'\nprotocol = 'modbus'\nmay = 'write'\npoints = 'holding:7'\nvalues = [1, 2]\nchange = 5\nrate = '3/30s'",
            "scada may not write holding register 7 of anyone in Modbus, values 1 or 2, changing by more than 5 from one write to the next, more than 3 in 30s; this alerts even where another rule allows it.",
        ),
        (
            "[[expect]]\nname = 'a'\nfrom = 'scada'\nto = 'plcs'\nprotocol = 'dnp3'\nmay = 'read'\nevery = '10s'\nduring = 'daily 06:00-22:00'",
            "plcs is to answer scada in DNP3 at least every 10s, when asked to read, daily 06:00-22:00.",
        ),
        (
            "[[expect]]\nname = 'a'\nto = ['plc-3', 'scada']\nprotocol = 'modbus'\nunit = 1\npoints = 'holding:1'\nfunctions = 3\nevery = '2 min'",
            "Each of scada and plc-3 is to answer somebody in Modbus at least every 2min, when asked for holding register 1 of unit 1, by read-holding-registers.",
        ),
        (
            "[[allow]]\nname = 'a'\nfrom = 'scada'\nto = 'field'\nprotocol = 'tcp'\nport = [22, '8000-8010']",
            "scada may open TCP connections to ports 22 or 8000 to 8010 of field.",
        ),
        (
            "[[allow]]\nname = 'a'\nto = 'plc-3'\nprotocol = 'udp'",
            "Anyone may send UDP to any port of plc-3.",
        ),
        (
            "[[deny]]\nname = 'a'\nfrom = 'scada'\nprotocol = 'icmp'",
            "scada may not send ICMP to anyone; this alerts even where another rule allows it.",
        ),
        (
            "[[allow]]\nname = 'a'\nprotocol = 'ip'\nip-protocol = 47",
            "Anyone may send IP protocol 47 to anyone.",
        ),
        (
            "[[allow]]\nname = 'a'\nprotocol = 'ethernet'\nethertype = [0x8892, 0x88b8]",
            "Anyone may send Ethernet frames of type 0x8892 or 0x88b8 to anyone.",
        ),
        ("[[allow]]\nname = 'a'\nfrom = 'scada'\nprotocol = 'any'", "scada may speak anything with anyone."),
        (
            "[[allow]]\nname = 'a'\nfrom = '10.0.0.0/8'\nmay = 'read'",
            "10.0.0.0/8 may read any point of anyone in any control protocol.",
        ),
    ] {
        assert_eq!(in_words(rule), want, "{rule}");
    }
}

#[test]
fn the_shipped_rules_read_as_sentences() {
    let loaded = policy::load(&[ours("rules").into()], &vocabularies()).unwrap();
    let all: Vec<String> =
        loaded.rules.rules().iter().map(|rule| policy::words(rule, &loaded.rules)).collect();
    assert_eq!(
        all,
        [
            "scada may read coils 0 to 7, discrete inputs 0 to 7, input registers 0 to 7 and holding registers 100 to 103 of unit 1 of pump-controllers in Modbus.",
            "scada may write holding registers 100 to 103 of unit 1 of pump-controllers in Modbus, values 0 to 450.",
            "scada may write coils 0 to 1 of unit 1 of pump-controllers in Modbus.",
            "Nobody may move logic or firmware to or from pump-controllers or restart, stop or start it in any control protocol; this alerts even where another rule allows it. Its alerts are of severity critical.",
            "yard-office may read coils 0 to 7, discrete inputs 0 to 7, input registers 0 to 7 and holding registers 100 to 103 of unit 1 of yard-controllers in Modbus.",
            "yard-office may write coils 0 to 7 of unit 1 of points-controller in Modbus.",
            "yard-office may write holding registers 0 to 7 of unit 1 of signal-controller in Modbus, values 0 to 2.",
            "control-centre may read any point of common addresses 47 and 65535 of bay-rtu in IEC 104.",
            "control-centre may select and operate information objects 4500 to 4509 of common address 47 of bay-rtu by c-dc-na-1 or c-dc-ta-1 in IEC 104.",
            "control-centre may operate information object 4510 of common address 47 of bay-rtu by c-rc-na-1 or c-rc-ta-1 in IEC 104, at most 6 a minute.",
            "control-centre may select and operate information object 5020 of common address 47 of bay-rtu by c-se-nc-1 or c-se-tc-1 in IEC 104, values 104 to 116.",
            "control-centre may set or ask the time of common addresses 47 and 65535 of bay-rtu and run diagnostics on it in IEC 104.",
            "Nobody may configure any point of bay-rtu or restart, stop or start it in IEC 104; this alerts even where another rule allows it. Its alerts are of severity critical.",
            "Nobody may use stopdt-act with bay-rtu in IEC 104; this alerts even where another rule allows it.",
        ]
    );
}
