//! The language beyond who and what: time, rates, changes, named points, zones, layers, maintenance and expectations.

use super::testing::*;
use super::*;
use crate::address::{Mac, Timestamp};
use crate::event::{Event, Flow, Kind, Outcome, PointRange, Space, Value, Values, Verb};
use std::path::Path;

const HEAD: &str = "version = 1\n[hosts]\nscada = '10.0.0.1'\nhmi = '10.0.0.2'\nplc-3 = '10.0.1.3'\nplc-4 = '10.0.1.4'\n\
    [groups]\nplcs = ['plc-3', 'plc-4']\n[zones]\ncontrol = { level = 3, members = ['scada', 'hmi'] }\nfield = { level = 1, members = ['plcs'] }\n";
const WRITE: &str =
    "[[allow]]\nname = 'write'\nfrom = 'control'\nto = 'plcs'\nprotocol = 'modbus'\nmay = 'write'\n";
const SECOND: i64 = 1_000_000_000;

fn loaded(body: &str) -> Loaded {
    parse("pump.toml", &format!("{HEAD}{body}"), ALL_WORDS).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn rules(body: &str) -> RuleSet {
    loaded(body).rules
}

fn named(rule: &RuleSet) -> Vec<&str> {
    rule.rules().iter().map(|rule| rule.name.as_str()).collect()
}

/// Everything said of a text: level, sentence, underlined words.
fn said(text: &str) -> Vec<String> {
    let problems = match parse("pump.toml", text, ALL_WORDS) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    };
    problems.iter().map(one).collect()
}

fn one(problem: &Problem) -> String {
    format!("{} [{}]", problem.message(), problem.underlined().unwrap_or(""))
}

/// What is said of one file after the usual head.
fn said_of(body: &str) -> Vec<String> {
    said(&format!("{HEAD}{body}"))
}

/// A plant in time: what it remembers, and messages at seconds after a Monday's noon.
struct Plant {
    rules: RuleSet,
    memory: Memory,
}

fn at(rules: &RuleSet, moment: &str) -> i64 {
    rules.calendar().parse_moment(moment).unwrap().nanos
}

fn when<'a>(event: Event<'a>, nanos: i64) -> Event<'a> {
    Event { ts: Timestamp::from_nanos(nanos), ..event }
}

impl Plant {
    fn new(body: &str) -> Plant {
        Plant { rules: rules(body), memory: Memory::default() }
    }

    fn judge(&mut self, event: &Event<'_>) -> Verdict {
        self.rules.judge(&self.rules.pair(event.flow, event.proto), event, &mut self.memory)
    }

    fn passes(&mut self, event: &Event<'_>) -> bool {
        matches!(self.judge(event), Verdict::Allowed { .. })
    }

    /// Writes a value at a moment, in nanoseconds.
    fn write(&mut self, flow: &Flow, index: u32, value: i64, nanos: i64) -> Verdict {
        let points = [range(HOLDING, index, index, Verb::Write, true)];
        let values = [Value::Int(value)];
        self.judge(&when(write(flow, &points, &values), nanos))
    }

    fn writes(&mut self, flow: &Flow, index: u32, value: i64, nanos: i64) -> bool {
        matches!(self.write(flow, index, value, nanos), Verdict::Allowed { .. })
    }

    fn why(&mut self, flow: &Flow, index: u32, value: i64, nanos: i64) -> Why {
        match self.write(flow, index, value, nanos) {
            Verdict::NotAllowed { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_rate_is_an_exact_sliding_window_of_what_passed() {
    let mut plant = Plant::new(&format!("{WRITE}points = 'holding:0-9'\nvalues = '0..10'\nrate = '3/min'\n"));
    let flow = flow("10.0.0.1", "10.0.1.3");
    for second in [0, 10, 20] {
        assert!(plant.writes(&flow, 1, 5, second * SECOND), "{second}");
    }
    assert_eq!(plant.why(&flow, 1, 5, 30 * SECOND), Why::Rate);
    // What did not pass, for its value or its number, does not count.
    assert!(matches!(plant.why(&flow, 1, 11, 40 * SECOND), Why::Value { .. }));
    assert_eq!(plant.why(&flow, 1, 5, 60 * SECOND - 1), Why::Rate);
    assert!(plant.writes(&flow, 1, 5, 60 * SECOND));
    assert_eq!(plant.why(&flow, 1, 5, 60 * SECOND + 1), Why::Rate);
    assert!(plant.writes(&flow, 1, 5, 70 * SECOND));
}

#[test]
fn a_rate_is_for_each_pair_and_device_and_counts_a_message_once() {
    let mut plant = Plant::new(&format!("{WRITE}rate = '1/min'\n"));
    let pairs = [flow("10.0.0.1", "10.0.1.3"), flow("10.0.0.2", "10.0.1.3"), flow("10.0.0.1", "10.0.1.4")];
    for pair in &pairs {
        let points = [range(HOLDING, 1, 4, Verb::Write, true), range(HOLDING, 8, 8, Verb::Write, true)];
        let values = [Value::Int(1); 5];
        let event = when(write(pair, &points, &values), 0);
        assert!(plant.passes(&event));
        assert!(plant.passes(&Event { device: Some(2), ..event }));
        assert!(!plant.passes(&event));
    }
}

#[test]
fn a_deny_rule_with_a_rate_forbids_what_is_more_often() {
    let mut plant =
        Plant::new(&format!("{WRITE}[[deny]]\nname = 'too often'\nmay = 'write'\nrate = '2/min'\n"));
    let flow = flow("10.0.0.1", "10.0.1.3");
    assert!(plant.writes(&flow, 1, 5, 0));
    assert!(plant.writes(&flow, 1, 5, SECOND));
    assert_eq!(plant.write(&flow, 1, 5, 2 * SECOND), Verdict::Denied { rule: RuleId(1) });
    assert!(plant.writes(&flow, 1, 5, 60 * SECOND));
}

#[test]
fn a_value_may_go_a_step_from_the_one_before_in_its_unit() {
    let mut plant = Plant::new(&format!("{WRITE}change = 5\nscale = 0.1\n"));
    let flow = flow("10.0.0.1", "10.0.1.3");
    assert!(plant.writes(&flow, 1, 900, 0), "the first value is compared with nothing");
    assert!(plant.writes(&flow, 1, 950, 1));
    assert!(matches!(plant.why(&flow, 1, 899, 2), Why::Change { before, .. } if before == 950.0));
    // It was written all the same: the next one is compared with it.
    assert!(plant.writes(&flow, 1, 849, 3));
    assert!(plant.writes(&flow, 2, 0, 4), "another point");
    let other = super::testing::flow("10.0.0.1", "10.0.1.4");
    assert!(plant.writes(&other, 1, 0, 5), "another device");
}

#[test]
fn a_value_may_go_so_far_in_so_long() {
    let mut plant = Plant::new(&format!("{WRITE}change = '10/min'\n"));
    let flow = flow("10.0.0.1", "10.0.1.3");
    assert!(plant.writes(&flow, 1, 100, 0));
    assert!(plant.writes(&flow, 1, 105, 30 * SECOND));
    assert!(matches!(plant.why(&flow, 1, 111, 60 * SECOND), Why::Change { .. }));
    assert!(plant.writes(&flow, 1, 131, 180 * SECOND));
    let mut deny = Plant::new(&format!(
        "{WRITE}[[deny]]\nname = 'jump'\nprotocol = 'modbus'\nmay = 'write'\nchange = 50\n"
    ));
    assert!(deny.writes(&flow, 1, 100, 0));
    assert!(deny.writes(&flow, 1, 150, 1));
    assert_eq!(deny.write(&flow, 1, 201, 2), Verdict::Denied { rule: RuleId(1) });
}

#[test]
fn a_rule_holds_from_the_first_to_the_last_instant_of_its_window() {
    let head = "[calendar]\nzone = 'America/New_York'\nholidays = ['2026-11-26']\nwindows.shift = 'Mon-Fri 06:00-22:00 except holidays'\n";
    let mut plant = Plant::new(&format!("{head}{WRITE}during = '@shift'\n"));
    let flow = flow("10.0.0.1", "10.0.1.3");
    let start = at(&plant.rules, "2026-11-23 06:00");
    assert_eq!(plant.why(&flow, 1, 1, start - 1), Why::When);
    assert!(plant.writes(&flow, 1, 1, start));
    let end = at(&plant.rules, "2026-11-23 22:00");
    assert!(plant.writes(&flow, 1, 1, end - 1));
    assert_eq!(plant.why(&flow, 1, 1, end), Why::When);
    let holiday = at(&plant.rules, "2026-11-26 12:00");
    assert_eq!(plant.why(&flow, 1, 1, holiday), Why::When);
    // Earlier times are told as well as later ones.
    assert!(plant.writes(&flow, 1, 1, start));
}

const WORKS: &str = "[[maintenance]]\nname = 'works'\nrelaxes = ['write', 'no restart']\nduring = '2026-11-25 22:00 - 2026-11-26 04:00'\nwho = 'J. Doe'\n";

#[test]
fn maintenance_relaxes_limits_and_denials_and_says_what_it_let_pass() {
    let body = format!(
        "{WRITE}points = 'holding:0-9'\nvalues = '0..10'\n[[allow]]\nname = 'all'\nfrom = 'scada'\nmay = ['restart', 'read']\n\
         [[deny]]\nname = 'no restart'\nmay = 'restart'\n{WORKS}"
    );
    let mut plant = Plant::new(&body);
    let flow = flow("10.0.0.1", "10.0.1.3");
    let start = at(&plant.rules, "2026-11-25 22:00");
    let restart = request(&flow, Verb::Restart, 8, &[]);
    assert!(!plant.writes(&flow, 1, 11, start - 1));
    assert!(matches!(plant.judge(&when(restart, start - 1)), Verdict::Denied { .. }));
    assert!(plant.memory.take_relaxed().is_empty());
    assert!(plant.writes(&flow, 1, 11, start));
    assert!(plant.writes(&flow, 1, 12, start + 5));
    assert!(plant.writes(&flow, 1, 5, start + 6), "within the limits: nothing to report");
    assert!(!plant.writes(&flow, 10, 5, start + 6), "other points stay forbidden");
    assert!(plant.passes(&when(restart, start + 7)));
    let relaxed = plant.memory.take_relaxed();
    let of = |rule, count, first, last| Relaxed {
        window: 0,
        rule,
        count,
        first: Timestamp::from_nanos(first),
        last: Timestamp::from_nanos(last),
    };
    assert_eq!(relaxed, [of(0, 2, start, start + 5), of(2, 1, start + 7, start + 7)]);
    assert!(plant.memory.take_relaxed().is_empty());
    let end = at(&plant.rules, "2026-11-26 04:00");
    assert!(!plant.writes(&flow, 1, 11, end));
    assert_eq!(plant.rules.maintenance()[0].who.as_deref(), Some("J. Doe"));
}

#[test]
fn maintenance_is_reported_only_where_no_rule_allows_it_anyway() {
    let body = format!(
        "{WRITE}values = '0..10'\n[[allow]]\nname = 'wider'\nfrom = 'scada'\nprotocol = 'modbus'\nmay = 'write'\nvalues = '0..100'\n\
         [[deny]]\nname = 'no restart'\nmay = 'write'\nrate = '5/min'\n{WORKS}"
    );
    let mut plant = Plant::new(&body);
    let flow = flow("10.0.0.1", "10.0.1.3");
    let start = at(&plant.rules, "2026-11-25 22:00");
    assert_eq!(plant.write(&flow, 1, 50, start), Verdict::Allowed { rule: Some(RuleId(1)) });
    assert!(plant.memory.take_relaxed().is_empty(), "another rule allows it, and it is not too often");
    assert_eq!(plant.write(&flow, 1, 101, start), Verdict::Allowed { rule: Some(RuleId(0)) });
    assert_eq!(plant.memory.take_relaxed().len(), 1);
}

#[test]
fn kinds_of_object_are_a_condition() {
    let mut plant = Plant::new(
        "[[allow]]\nname = 'control'\nfrom = 'scada'\nprotocol = 'dnp3'\nmay = 'operate'\nobjects = 'g12v1'\n",
    );
    let flow = flow("10.0.0.1", "10.0.1.3");
    let operate = |space, variant| {
        let points = [PointRange { variant, ..range(Space(space), 3, 3, Verb::Operate, false) }];
        plant_judge(&mut plant, &flow, &points)
    };
    fn plant_judge(plant: &mut Plant, flow: &Flow, points: &[PointRange]) -> Verdict {
        plant.judge(&Event { proto: &OTHER_WORDS, ..request(flow, Verb::Operate, 5, points) })
    }
    let verdicts: Vec<Verdict> = [(12, 1), (12, 2), (30, 1)]
        .into_iter()
        .map({
            let mut operate = operate;
            move |(space, variant)| operate(space, variant)
        })
        .collect();
    assert!(matches!(verdicts[0], Verdict::Allowed { .. }));
    for verdict in &verdicts[1..] {
        assert!(matches!(verdict, Verdict::NotAllowed { why: Why::Object { .. }, .. }), "{verdict:?}");
    }
}

#[test]
fn named_points_bring_their_own_limits_in_their_unit() {
    let body = format!(
        "[points]\npressure = {{ at = 'holding:101', low = 2, high = 4.5, scale = 0.1, measure = 'bar' }}\nboth = ['@pressure', 'holding:7']\n\
         {WRITE}points = '@both'\n"
    );
    let mut plant = Plant::new(&body);
    let flow = flow("10.0.0.1", "10.0.1.3");
    assert!(plant.writes(&flow, 101, 20, 0));
    assert!(plant.writes(&flow, 101, 45, 0));
    assert!(matches!(plant.why(&flow, 101, 46, 0), Why::Value { .. }));
    assert!(plant.writes(&flow, 7, 60000, 0), "what has no limits has none");
    assert!(matches!(plant.why(&flow, 102, 20, 0), Why::Outside { .. }));
    let unvalued = [range(HOLDING, 101, 101, Verb::Write, false)];
    assert!(!plant.passes(&request(&flow, Verb::Write, 22, &unvalued)));
    // A rule's own values count instead, in the point's unit.
    let mut plant = Plant::new(&format!("{body}values = '0..3'\n"));
    assert!(plant.writes(&flow, 101, 30, 0));
    assert!(!plant.writes(&flow, 101, 31, 0));
}

#[test]
fn a_named_point_is_that_of_its_device_only() {
    let body = format!(
        "[points]\nlevel-3 = {{ at = 'holding:100', of = 'plc-3', high = 450 }}\nlevel-4 = {{ at = 'holding:100', of = 'plc-4', high = 10 }}\n\
         valve = {{ at = 'holding:5', of = 'plc-3', unit = 2 }}\n\
         {WRITE}points = ['@level-3', '@level-4', '@valve']\n"
    );
    let mut plant = Plant::new(&body);
    let (third, fourth) = (flow("10.0.0.1", "10.0.1.3"), flow("10.0.0.1", "10.0.1.4"));
    assert!(plant.writes(&third, 100, 450, 0));
    assert!(!plant.writes(&fourth, 100, 450, 0));
    assert!(plant.writes(&fourth, 100, 10, 0));
    // The valve is behind unit 2 of plc-3.
    assert!(matches!(plant.why(&third, 5, 1, 0), Why::Outside { .. }));
    let points = [range(HOLDING, 5, 5, Verb::Write, true)];
    let values = [Value::Int(1)];
    let behind = |flow| Event { device: Some(2), ..write(flow, &points, &values) };
    assert!(plant.passes(&behind(&third)));
    assert!(!plant.passes(&behind(&fourth)));
    // A deny rule means the points, not their limits.
    let deny = body.replace("[[allow]]", "[[deny]]") + "[defaults]\ncontrol-traffic = 'allow'\n";
    let mut plant = Plant::new(&deny);
    assert!(matches!(plant.write(&third, 100, 9999, 0), Verdict::Denied { .. }));
    assert!(plant.passes(&behind(&fourth)));
    assert!(matches!(plant.judge(&behind(&third)), Verdict::Denied { .. }));
}

/// A folder with files, and what is said of the first of them.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        Folder(folder)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn load(&self, name: &str) -> Result<Loaded, Vec<Problem>> {
        load(&[self.path(name)], ALL_WORDS)
    }

    fn rules(&self, name: &str) -> RuleSet {
        self.load(name).unwrap_or_else(|problems| panic!("{problems:#?}")).rules
    }

    fn said(&self, name: &str) -> Vec<String> {
        let folder = format!("{}/", self.0.path().display());
        let clean = |problem: &Problem| one(problem).replace(&folder, "");
        self.load(name).err().unwrap_or_default().iter().map(clean).collect()
    }
}

#[test]
fn points_come_from_a_csv_file_with_their_limits() {
    let rule = format!(
        "{HEAD}[points]\ntags = {{ csv = 'tags.csv' }}\n{WRITE}points = '@tags'\n[[allow]]\nname = 'one'\nfrom = 'hmi'\nprotocol = 'modbus'\npoints = '@Level'\nmay = 'write'\n"
    );
    let csv = "\u{feff}# exported; on a Monday\nName;Device;Type;Address;Min;Max;Factor;Unit of Measure\n\
               Level;plc-3;holding;100;0;4,5;0,01;m\n\n# the other one\n\"Level\";plc-4;holding;100;0;2;0,01;m\nPump;;coil;3;;;;\n";
    let folder = Folder::new(&[("a.toml", &rule), ("tags.csv", csv)]);
    let mut plant = Plant { rules: folder.rules("a.toml"), memory: Memory::default() };
    let (third, fourth) = (flow("10.0.0.1", "10.0.1.3"), flow("10.0.0.1", "10.0.1.4"));
    assert_eq!(plant.rules.points().len(), 3);
    assert!(plant.writes(&third, 100, 450, 0));
    assert!(!plant.writes(&third, 100, 451, 0));
    assert!(!plant.writes(&fourth, 100, 201, 0));
    let hmi = flow("10.0.0.2", "10.0.1.4");
    assert!(plant.writes(&hmi, 100, 200, 0), "both points of one name are meant");
    let coil = [range(COIL, 3, 3, Verb::Write, true)];
    assert!(plant.passes(&write(&fourth, &coil, &[Value::Bool(true)])));
    let point = plant.rules.point(End::receiver(&fourth), 0, Some(1), (HOLDING, 100)).unwrap();
    assert_eq!((point.name.as_str(), point.scale.measure.as_str()), ("Level", "m"));
}

#[test]
fn what_is_wrong_in_a_csv_file_is_shown_in_it() {
    let rule = format!("{HEAD}[points]\ntags = {{ csv = 'tags.csv' }}\n");
    let said = |csv: &str| Folder::new(&[("a.toml", &rule), ("tags.csv", csv)]).said("a.toml");
    let head = "name,device,space,address,low,high,scale,unit\n";
    assert_eq!(
        said(&format!(
            "{head}# note\nplc-1,plc-5,holding,1,,,,\nx2,,holding,x,,,,\nx,,holdin,1,,,,\ny,,holding,1,a,,,\nz,,holding,1,9,3,,\n,,holding,1,,,,\nu,,holding,1,,,,bar\ns,,holding,1,,,0,\nn,,,1,,,,\n"
        )),
        [
            "unknown host 'plc-5'; did you mean 'plc-3'? [plc-5]",
            "'x' is not a point number [x]",
            "no protocol has points called 'holdin' [holdin]",
            "'a' is not a number [a]",
            "the lowest value 9 is above the highest 3 [z,,holding,1,9,3,,]",
            "this line has no name [,,holding,1,,,,]",
            "'bar' is not a unit [bar]",
            "the scale is a factor other than 0 [s,,holding,1,,,0,]",
            "this line has no space [n,,,1,,,,]",
        ]
    );
    assert_eq!(said("# note\nname,space\n"), ["the file has no column 'address' [name,space]"]);
    assert_eq!(said(&format!("{head}# note\na,b\n")), ["this line has 2 cells, the first one 8 [a,b]"]);
    assert_eq!(said(""), ["the file has no column 'name' []"]);
    let many = format!("{head}{}", "x,,holding,y,,,,\n".repeat(30));
    assert_eq!(
        said(&many).last().map(String::as_str),
        Some("there are more errors in this file [x,,holding,y,,,,]")
    );
    let missing = Folder::new(&[("a.toml", &rule)]).said("a.toml");
    assert_eq!(missing, ["cannot read points from 'tags.csv': there is no such file or folder [tags.csv]"]);
}

#[test]
fn zones_speak_over_conduits_only() {
    let read = "[[allow]]\nname = 'read'\nmay = 'read'\nfrom = 'any'\n";
    let shell = "[[allow]]\nname = 'shell'\nprotocol = 'tcp'\nport = 22\n[[allow]]\nname = 'ping'\nprotocol = 'icmp'\n";
    let flow = flow("10.0.0.1", "10.0.1.3");
    let inside = super::testing::flow("10.0.0.1", "10.0.0.2");
    let outside = super::testing::flow("10.9.9.9", "10.0.1.3");
    let event = request(&flow, Verb::Read, 3, &[]);
    let mut none = Plant::new(read);
    assert!(none.passes(&event), "without conduits zones are for the map");
    let with = |conduit: &str| {
        Plant::new(&format!(
            "{read}{shell}[[conduit]]\nname = 'c'\nbetween = ['control', 'field']\n{conduit}"
        ))
    };
    let mut modbus = with("protocol = 'modbus'\n");
    assert!(modbus.passes(&event));
    let dnp3 = Event { proto: &OTHER_WORDS, ..event };
    let crossing = Verdict::NotAllowed { nearest: None, why: Why::Conduit { from: 0, to: 1 } };
    assert_eq!(modbus.judge(&dnp3), crossing);
    assert!(modbus.passes(&Event { flow: &inside, ..dnp3 }), "inside of a zone");
    assert!(modbus.passes(&Event { flow: &outside, ..dnp3 }), "of no zone");
    let other = |port, transport| {
        let mut other = flow.clone();
        other.dst.port = port;
        other.transport = transport;
        other
    };
    use crate::address::Transport::{Ip, Tcp};
    assert_eq!(
        modbus.rules.judge_conversation(&other(22, Tcp), Timestamp::default(), &mut Memory::default()),
        crossing
    );
    let shell = with("protocol = ['tcp', 'icmp']\nport = [22, '8000-8010']\n").rules;
    assert!(matches!(
        shell.judge_conversation(&other(22, Tcp), Timestamp::default(), &mut Memory::default()),
        Verdict::Allowed { .. }
    ));
    assert_eq!(
        shell.judge_conversation(&other(23, Tcp), Timestamp::default(), &mut Memory::default()),
        crossing
    );
    assert!(
        matches!(
            shell.judge_conversation(&other(0, Ip(1)), Timestamp::default(), &mut Memory::default()),
            Verdict::Allowed { .. }
        ),
        "ICMP has no ports"
    );
    assert!(with("").passes(&event), "without a protocol it carries everything");
}

#[test]
fn a_place_can_be_a_vlan() {
    let mut plant =
        Plant::new("[[allow]]\nname = 'process bus'\nfrom = 'vlan:12'\nto = 'plc-3'\nmay = 'read'\n");
    let mut flow = flow("192.0.2.1", "10.0.1.3");
    assert!(!plant.passes(&request(&flow, Verb::Read, 3, &[])));
    flow.vlan = Some(12);
    assert!(plant.passes(&request(&flow, Verb::Read, 3, &[])));
    flow.vlan = Some(13);
    assert!(!plant.passes(&request(&flow, Verb::Read, 3, &[])));
    assert_eq!(
        said_of("[[deny]]\nname = 'd'\nfrom = 'vlan:4095'\n"),
        ["'vlan:4095' is not a VLAN [vlan:4095]"]
    );
}

const BASE: &str = "version = 1\n[hosts]\na = '10.0.0.1'\nb = '10.0.0.2'\n[groups]\ng = 'a'\n[zones]\nz = { members = 'a' }\ny = { members = 'b' }\n\
    [points]\np = 'holding:1'\n[calendar]\nzone = 'UTC'\nholidays = '12-25'\nwindows.w = 'Mon'\n[defaults]\ncontrol-traffic = 'allow'\n\
    [[conduit]]\nname = 'c'\nbetween = ['z', 'y']\n[[maintenance]]\nname = 'm'\nrelaxes = 'r'\nduring = 'Mon'\n\
    [[allow]]\nname = 'r'\nfrom = 'a'\nprotocol = 'modbus'\npoints = '@p'\n[[deny]]\nname = 's'\nfrom = 'b'\nmay = 'restart'\n";

#[test]
fn what_has_the_same_name_above_replaces_what_lies_under() {
    let site = "version = 1\nover = 'base.toml'\n[hosts]\na = '10.9.9.9'\n[groups]\ng = 'b'\n[zones]\nz = { level = 2, members = 'b' }\ny = { members = 'a' }\n\
        [points]\np = 'holding:2'\n[calendar]\nzone = 'Europe/Berlin'\nholidays = '12-26'\nwindows.w = 'Tue'\nwindows.both = ['@w', '@base']\n[defaults]\ncontrol-traffic = 'deny'\n\
        [[conduit]]\nname = 'c'\nbetween = ['y', 'z']\nprotocol = 'modbus'\n[[maintenance]]\nname = 'm'\nrelaxes = 's'\nduring = 'Tue'\n\
        [[deny]]\nname = 'r'\nfrom = 'a'\nmay = 'write'\n[[deny]]\nname = 's'\nenabled = false\nmay = 'restart'\nfrom = 'b'\n";
    let base = BASE.replace("windows.w = 'Mon'", "windows.w = 'Mon'\nwindows.base = '@w'");
    let folder = Folder::new(&[("site.toml", site), ("base.toml", &base)]);
    let rules = folder.rules("site.toml");
    assert_eq!(named(&rules), ["r"]);
    assert_eq!(rules.rules()[0].kind, RuleKind::Deny);
    assert_eq!(rules.zones()[0].level, Some(2.0));
    assert_eq!(rules.zones().len(), 2);
    assert_eq!(rules.conduits().len(), 1);
    assert!(!rules.conduits()[0].traffic.contains(&Traffic::Any));
    assert_eq!(rules.maintenance().len(), 1);
    assert_eq!(rules.maintenance()[0].when.to_string(), "Tue");
    assert!(!rules.defaults().control_traffic);
    assert_eq!(rules.calendar().zone().to_string(), "Europe/Berlin");
    let windows = rules.calendar().window("@base").unwrap().to_string();
    assert!(windows.contains("Tue"), "the windows under it name the one above: {windows}");
    assert!(
        rules
            .calendar()
            .window("holidays")
            .unwrap()
            .holds(Timestamp::from_nanos(at(&rules, "2026-12-25 12:00")))
    );
    let end = |ip: [u8; 4]| End { address: std::net::IpAddr::from(ip).into(), mac: None, vlan: None };
    assert_eq!(rules.name_of(end([10, 9, 9, 9])), Some("a"));
    assert_eq!(rules.name_of(end([10, 0, 0, 1])), None);
}

#[test]
fn files_include_each_other_once_and_never_in_a_circle() {
    let rule =
        |name: &str, ask: &str| format!("version = 1\n{ask}\n[[deny]]\nname = '{name}'\nmay = 'restart'\n");
    let (top, quoted) = (
        rule("top", "include = ['b.toml', 'c.toml']"),
        "\u{feff}\"include\" = 'c.toml'\n".to_owned() + &rule("b", ""),
    );
    let folder = Folder::new(&[("top.toml", &top), ("b.toml", &quoted), ("c.toml", &rule("c", ""))]);
    assert_eq!(named(&folder.rules("top.toml")), ["top", "b", "c"]);
    // A file that is named itself lies on top, and so does what it includes.
    let (site, base) = (rule("site", "over = 'base.toml'"), rule("base", "include = 'c.toml'"));
    let folder = Folder::new(&[
        ("1.toml", &site),
        ("base.toml", &base),
        ("c.toml", &rule("c", "")),
        ("d.toml", &rule("c", "")),
    ]);
    let load =
        |names: &[&str]| load(&names.iter().map(|name| folder.path(name)).collect::<Vec<_>>(), ALL_WORDS);
    assert_eq!(named(&load(&["1.toml", "d.toml"]).unwrap().rules).len(), 3);
    let twice = load(&["1.toml", "d.toml", "base.toml"]).unwrap_err();
    let twice: Vec<_> = twice.iter().filter(|problem| problem.is_error()).collect();
    assert!(twice[0].message().starts_with("a rule named 'c' is already there ("), "{twice:?}");
    let circle = |ask: &str, back: &str| {
        Folder::new(&[("a.toml", &rule("a", ask)), ("b.toml", &rule("b", back))]).said("a.toml")
    };
    for (ask, back) in
        [("include = 'b.toml'", "include = 'a.toml'"), ("over = 'b.toml'", "over = './a.toml'")]
    {
        let word = if ask.contains("include") { "a.toml" } else { "./a.toml" };
        assert_eq!(circle(ask, back), [format!("the files include each other in a circle [{word}]")]);
    }
    assert_eq!(circle("include = 'a.toml'", ""), ["the files include each other in a circle [a.toml]"]);
    assert_eq!(
        circle("include = 'no.toml'", ""),
        ["cannot read rules from 'no.toml': there is no such file or folder [no.toml]"]
    );
    assert_eq!(
        circle("include = 3", ""),
        ["'include' takes a text in quotes or a list of them, not a number [3]"]
    );
    let deep: Vec<(String, String)> = (0..20)
        .map(|at| (format!("{at}.toml"), rule(&format!("r{at}"), &format!("include = '{}.toml'", at + 1))))
        .collect();
    let deep: Vec<(&str, &str)> = deep.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    assert_eq!(
        Folder::new(&deep).said("0.toml"),
        ["the files include each other more than 16 deep [17.toml]"]
    );
    assert!(load_from(Path::new("/dev/null")).is_err());
}

fn load_from(path: &Path) -> Result<Loaded, Vec<Problem>> {
    load(&[path.to_owned()], ALL_WORDS)
}

/// Watches one expect rule; what is said comes as words.
struct Watched {
    rules: RuleSet,
    watch: Watch,
}

const EXPECT: &str = "[[expect]]\nname = 'scan'\nfrom = 'scada'\nto = ['plc-3', 'plc-4']\nprotocol = 'modbus'\nmay = 'read'\nevery = '10s'\n";

impl Watched {
    fn new(body: &str) -> Watched {
        Watched { rules: rules(body), watch: Watch::default() }
    }

    fn words(silence: Silence) -> String {
        let who = silence.who.map_or("anyone".to_owned(), |who| who.to_string());
        let heard = if silence.heard { "" } else { " never heard" };
        format!("{who} {}s{heard}{}", silence.nanos / 1_000_000_000, if silence.over { " over" } else { "" })
    }

    fn overdue(&mut self, nanos: i64) -> Vec<String> {
        let mut all = Vec::new();
        let ts = Timestamp::from_nanos(nanos);
        if self.watch.is_due(ts) {
            self.rules.overdue(&mut self.watch, ts, &mut |_, silence| all.push(Self::words(silence)));
        }
        all
    }

    fn hear(&mut self, event: &Event<'_>) -> Vec<String> {
        let mut all = Vec::new();
        let pair = self.rules.pair(event.flow, event.proto);
        self.rules.observe(
            &pair,
            event,
            &mut self.watch,
            &mut |_, silence| all.push(Self::words(silence)),
            &mut |_| {},
        );
        all
    }

    fn answer(&mut self, from: &str, nanos: i64) -> Vec<String> {
        let flow = flow(from, "10.0.0.1");
        let event = Event { kind: Kind::Response, request: Some(1), ..request(&flow, Verb::Read, 3, &[]) };
        self.hear(&when(event, nanos))
    }
}

#[test]
fn each_host_is_missed_for_itself() {
    let mut watched = Watched::new(EXPECT);
    assert!(watched.overdue(0).is_empty());
    assert!(watched.answer("10.0.1.3", 5 * SECOND).is_empty());
    assert!(watched.overdue(10 * SECOND).is_empty(), "silence may last as long as it says");
    assert_eq!(watched.overdue(10 * SECOND + 1), ["10.0.1.4 10s never heard"]);
    assert!(watched.overdue(12 * SECOND).is_empty(), "said once");
    assert_eq!(watched.watch.silent(), 1);
    assert_eq!(watched.overdue(16 * SECOND), ["10.0.1.3 11s"]);
    assert_eq!(watched.answer("10.0.1.4", 20 * SECOND), ["10.0.1.4 20s never heard over"]);
    assert_eq!(watched.watch.silent(), 1);
    assert_eq!(watched.overdue(31 * SECOND), ["10.0.1.4 11s"]);
}

#[test]
fn only_what_shows_life_counts() {
    let body =
        EXPECT.replace("['plc-3', 'plc-4']", "'plc-3'").replace("protocol = 'modbus'\nmay = 'read'\n", "");
    let mut watched = Watched::new(&body);
    let (up, down) = (flow("10.0.1.3", "10.0.0.1"), flow("10.0.0.1", "10.0.1.3"));
    watched.overdue(0);
    let answer = Event { kind: Kind::Response, request: Some(1), ..request(&up, Verb::Read, 3, &[]) };
    for event in [
        request(&down, Verb::Read, 3, &[]),
        Event { outcome: Some(Outcome::Unanswered), ..answer },
        Event { kind: Kind::Malformed, ..answer },
        // The master keeps a link open, or commands without an answer.
        Event { kind: Kind::Message, ..request(&down, Verb::Session, 0, &[]) },
        Event { kind: Kind::Message, ..request(&down, Verb::Operate, 6, &[]) },
    ] {
        watched.hear(&when(event, 9 * SECOND));
    }
    assert_eq!(watched.overdue(11 * SECOND), ["10.0.1.3 11s never heard"]);
    let unsolicited = Event { kind: Kind::Unsolicited, ..request(&up, Verb::Report, 130, &[]) };
    assert_eq!(watched.hear(&when(unsolicited, 12 * SECOND)).len(), 1);
    let refused =
        Event { outcome: Some(Outcome::Exception { code: 2, name: "illegal data address" }), ..answer };
    watched.hear(&when(refused, 20 * SECOND));
    assert!(watched.overdue(29 * SECOND).is_empty());
}

#[test]
fn nothing_is_missed_outside_of_its_hours_or_in_maintenance() {
    let body = EXPECT.replace("['plc-3', 'plc-4']", "'plc-3'").replace("10s", "10 min");
    let mut watched = Watched::new(&format!("{body}during = '06:00-22:00'\n"));
    let (minute, six) = (60 * SECOND, at(&watched.rules, "2026-11-25 06:00"));
    watched.overdue(six - 120 * minute);
    watched.answer("10.0.1.3", six - 60 * minute);
    // Time goes on in jumps: nobody asked between five and five past six.
    assert!(watched.overdue(six + 5 * minute).is_empty());
    assert!(watched.overdue(six + 10 * minute).is_empty());
    assert_eq!(watched.overdue(six + 11 * minute), ["10.0.1.3 660s"]);
    // Asked at night, it waits for the morning.
    let mut watched = Watched::new(&format!("{body}during = '06:00-22:00'\n"));
    watched.overdue(six - 120 * minute);
    assert!(watched.overdue(six - 60 * minute).is_empty());
    assert_eq!(watched.overdue(six + 11 * minute), ["10.0.1.3 660s never heard"]);
    // A window over midnight is one window.
    let mut watched = Watched::new(&format!("{body}during = '20:00-08:00'\n"));
    watched.overdue(six);
    watched.answer("10.0.1.3", six + 1080 * minute - 5 * minute);
    assert_eq!(watched.overdue(six + 1080 * minute + 6 * minute), ["10.0.1.3 660s"]);
    let works = "[[maintenance]]\nname = 'm'\nrelaxes = 'scan'\nduring = '2026-11-25 05:00 - 06:00'\n";
    let mut watched = Watched::new(&format!("{body}{works}"));
    watched.overdue(six - 70 * minute);
    assert!(watched.overdue(six - 30 * minute).is_empty());
    assert!(watched.overdue(six + 5 * minute).is_empty());
    assert_eq!(watched.overdue(six + 11 * minute), ["10.0.1.3 660s never heard"]);
}

#[test]
fn a_host_with_two_addresses_is_one() {
    let body = "[[expect]]\nname = 'scan'\nto = 'cart'\nevery = '10s'\n[[expect]]\nname = 'field'\nto = '10.0.1.0/24'\nevery = '20s'\n";
    let text = format!("{HEAD}{body}")
        .replace("hmi =", "cart = ['00:1d:9c:c7:b0:70', '10.0.9.9', '10.0.9.8']\nhmi =");
    let rules = parse("a.toml", &text, ALL_WORDS).unwrap().rules;
    let mut watched = Watched { rules, watch: Watch::default() };
    watched.overdue(0);
    watched.answer("10.0.9.8", 5 * SECOND);
    assert!(watched.overdue(14 * SECOND).is_empty());
    assert_eq!(watched.overdue(21 * SECOND).len(), 2);
    assert_eq!(watched.answer("10.0.1.77", 22 * SECOND), ["anyone 22s never heard over"]);
    let mut flow = flow("192.0.2.9", "10.0.0.1");
    flow.src_mac = Some(Mac([0, 0x1d, 0x9c, 0xc7, 0xb0, 0x70]));
    let event = Event { kind: Kind::Response, ..request(&flow, Verb::Read, 3, &[]) };
    assert_eq!(watched.hear(&when(event, 23 * SECOND)).len(), 1);
}

#[test]
fn new_rules_are_watched_at_once() {
    let mut watched = Watched::new(&EXPECT.replace("10s", "1h"));
    watched.overdue(0);
    watched.answer("10.0.1.3", SECOND);
    assert!(watched.overdue(2 * SECOND).is_empty());
    watched.rules = rules(EXPECT);
    watched.answer("10.0.1.3", 3 * SECOND);
    assert_eq!(watched.overdue(14 * SECOND).len(), 2);
    let mut none = Watched::new("");
    assert!(none.overdue(0).is_empty());
    assert!(!none.watch.is_due(Timestamp::from_nanos(i64::MAX)));
}

#[test]
fn a_rule_that_is_switched_off_is_checked_but_does_not_count() {
    let mut plant = Plant::new(&format!("{WRITE}enabled = false\n"));
    assert!(!plant.writes(&flow("10.0.0.1", "10.0.1.3"), 1, 1, 0));
    assert!(plant.rules.rules().is_empty());
    assert_eq!(
        said_of(&format!("{WRITE}enabled = 'no'\nrate = '0/min'\n")),
        ["'enabled' takes true or false, not a text ['no']", "a rate of 0 is none at all [0]"]
    );
    // Maintenance may name it.
    let works = "[[maintenance]]\nname = 'm'\nrelaxes = 'write'\nduring = 'Mon'\n";
    assert!(rules(&format!("{WRITE}enabled = false\n{works}")).rules().is_empty());
}

#[test]
fn on_and_off_are_states_however_they_are_written() {
    let mut plant = Plant::new(&format!("{WRITE}values = ['ON', 5]\n"));
    let flow = flow("10.0.0.1", "10.0.1.3");
    let coil = [range(COIL, 3, 3, Verb::Write, true)];
    assert!(plant.passes(&write(&flow, &coil, &[Value::Bool(true)])));
    assert!(!plant.passes(&write(&flow, &coil, &[Value::Bool(false)])));
    assert!(plant.writes(&flow, 1, 5, 0));
}

/// Each of these lines in a rule, and what is said of it.
#[test]
fn every_wrong_word_is_underlined() {
    let mut differ = Vec::new();
    let mut wrong = |body: &str, wanted: &[&str]| {
        let said = said_of(body);
        if said != wanted {
            differ.push(format!("{body}\n  said   {said:?}\n  wanted {wanted:?}"));
        }
    };
    let mut rule = |line: &str, wanted: &[&str]| wrong(&format!("{WRITE}{line}\n"), wanted);
    rule("values = []", &["'values' lists nothing [values]"]);
    rule("values = '0...450'", &["'0...450' is not a range of values [0...450]"]);
    rule("values = ''", &["a value cannot be empty ['']"]);
    rule(
        "values = [[1]]",
        &["'values' takes numbers, ranges such as \"0..450\", \"on\" or \"off\", not a list [[1]]"],
    );
    rule("points = []", &["'points' lists nothing [points]"]);
    rule("functions = []", &["'functions' lists nothing [functions]"]);
    rule("unit = []", &["'unit' lists nothing [unit]"]);
    rule("unit = -1", &["'unit' goes from 0 to 4294967295 [-1]"]);
    rule("unit = 1.5", &["'unit' takes a whole number, not a number [1.5]"]);
    rule("scale = 0", &["'scale' is a factor other than 0 [scale]"]);
    rule("scale = 'x'", &["'scale' takes a number, not a text ['x']"]);
    rule("offset = true", &["'offset' takes a number, not true or false [true]"]);
    rule("measure = 1", &["'measure' takes a text in quotes, not a number [1]"]);
    rule("change = 0", &["'change' is how far a value may go, above 0 [0]"]);
    rule("change = 'far'", &["'far' does not say how far a value may go [far]"]);
    rule("change = '5/moon'", &["'moon' is not a time: 'moon' is not a unit of time [5/moon]"]);
    rule("change = []", &["'change' takes a text in quotes, not a list [[]]"]);
    rule("rate = '12'", &["'12' does not say in how long; did you mean '12/min'? [12]"]);
    rule("rate = '20000/h'", &["a rate counts at most 10000 uses [20000/h]"]);
    rule("during = []", &["'during' lists nothing [[]]"]);
    rule("during = 'Mon-Fri 22'", &["22 is not a time of day; did you mean '22:00'? [22]"]);
    rule("during = '@night'", &["no window is named 'night' [@night]"]);
    rule("every = '5s'", &["'every' goes with [[expect]] only [every]"]);
    rule("objects = 'g12v1'", &["'g12v1' is not a kind of object of modbus [g12v1]"]);
    rule("points = '@no'", &["no points are named 'no' [@no]"]);
    wrong("[[allow]]\nname = ' '\nfrom = 'scada'\n", &["the rule's name is empty [name]"]);
    wrong("[[deny]]\nname = 'd'\nfrom = 'scada'\nmay = []\n", &["'may' lists nothing [may]"]);
    wrong("[[deny]]\nname = 'd'\nfrom = 'scada'\nprotocol = []\n", &["'protocol' lists nothing [protocol]"]);
    wrong(
        "[[deny]]\nname = 'd'\nprotocol = ['tcp', 'modbus']\n",
        &["'tcp' cannot stand in a list of protocols [tcp]"],
    );
    wrong("[[deny]]\nname = 'd'\nprotocol = 'tcp'\nport = []\n", &["'port' lists nothing [port]"]);
    wrong(
        "[[deny]]\nname = 'd'\nprotocol = 'tcp'\nport = 'ssh'\n",
        &["'ssh' is not a port or a range of ports [ssh]"],
    );
    wrong(
        "[[deny]]\nname = 'd'\nprotocol = 'any'\nmay = 'restart'\nduring = 'Mon'\n",
        &["'may' needs a control protocol [may]"],
    );
    wrong("[[deny]]\nname = 'd'\nunit = 1\n", &["'unit' needs exactly one protocol [unit]"]);
    wrong(
        "[[expect]]\nname = 'e'\nto = 'plc-3'\nvalues = 1\nevery = '5'\n",
        &[
            "an expect rule has nothing for 'values' [values]",
            "'5' has no unit of time; did you mean '5s'? [5]",
        ],
    );
    wrong(
        "[[expect]]\nname = 'e'\nprotocol = 'tcp'\nevery = '5s'\n",
        &["'every' needs a control protocol [every]"],
    );
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

#[test]
fn every_wrong_table_is_underlined() {
    let mut differ = Vec::new();
    let mut wrong = |body: &str, wanted: &[&str]| {
        let said = said_of(body);
        if said != wanted {
            differ.push(format!("{body}\n  said   {said:?}\n  wanted {wanted:?}"));
        }
    };
    wrong(
        "[calendar]\nzone = 'Moon/Sea'\nholidays = ['2026-02-30', 3]\nwindows.a = ['@b']\nwindows.b = '@a'\nhours = 1\n",
        &[
            "unknown time zone 'Moon/Sea' [Moon/Sea]",
            "'holidays' takes a text in quotes or a list of them, not a number [3]",
            "the windows 'a' contain themselves [a]",
            "the windows 'b' contain themselves [b]",
            "unknown key 'hours' [hours]",
        ],
    );
    wrong("[calendar]\nholidays = '2026-02-30'\n", &["2026-02-30 is not a date [2026-02-30]"]);
    wrong("[calendar.windows]\n'a b' = 'Mon'\n", &["'a b' is not a name for a window ['a b']"]);
    assert!(rules("[calendar.windows]\na = ['@b', 'Sat']\nb = 'Mon'\n").calendar().window("@a").is_ok());
    let works = "[[maintenance]]\nname = 'm'\nrelaxes = ['writ', 'write']\nduring = 'Mon'\n";
    wrong(&format!("{WRITE}{works}"), &["no rule is named 'writ'; did you mean 'write'? [writ]"]);
    wrong(
        "[[maintenance]]\nwhy = 1\n",
        &[
            "the maintenance window has no 'name' [[[maintenance]]]",
            "the maintenance window has no 'during' [[[maintenance]]]",
            "the maintenance window has no 'relaxes' [[[maintenance]]]",
            "unknown key 'why'; did you mean 'who'? [why]",
        ],
    );
    let twice = format!("{WRITE}{works}{works}").replace("'writ', ", "");
    wrong(&twice, &["a maintenance window named 'm' is already there (pump.toml:19) [m]"]);
    wrong(
        "[[conduit]]\ncarries = 1\n",
        &[
            "the conduit has no 'name' [[[conduit]]]",
            "the conduit has no 'between' [[[conduit]]]",
            "unknown key 'carries' [carries]",
        ],
    );
    let conduit = "[[conduit]]\nname = 'c'\nbetween = ['control', 'field']\n";
    wrong(&format!("{conduit}{conduit}"), &["a conduit named 'c' is already there (pump.toml:13) [c]"]);
    wrong(&format!("{conduit}protocol = []\n"), &["'protocol' lists nothing [[]]"]);
    wrong(
        &format!("{conduit}protocol = 'modbuss'\n"),
        &["unknown protocol 'modbuss'; did you mean 'modbus'? [modbuss]"],
    );
    wrong(&format!("{conduit}port = 22\n"), &["'port' goes with protocol = \"tcp\" or \"udp\" only [22]"]);
    wrong(&format!("{conduit}protocol = 'tcp'\nport = []\n"), &["'port' lists nothing [[]]"]);
    wrong(
        "[[conduit]]\nname = 'c'\nbetween = ['control', 'contrl']\n",
        &["unknown zone 'contrl'; did you mean 'control'? [contrl]"],
    );
    wrong(
        "[[conduit]]\nname = 'c'\nbetween = ['control', 'control']\n",
        &["a conduit joins at least two zones [['control', 'control']]"],
    );
    wrong(
        "[points]\na = { low = 1 }\nb = { at = 'holding:1', low = 2, high = 1 }\nc = { at = 'holding:1', hi = 2 }\nd = { at = 'holding:1', outstation = 2 }\n\
         e = { at = 'nothing:1' }\nf = { at = 'holding:1', protocol = 'x' }\ng = 3\nh = { at = 'holding:1', scale = 0, low = 1 }\ni = { csv = 'no.csv', low = 1 }\nj = { at = 'holding:1', of = 'plc3' }\n",
        &[
            "point 'a' does not say where it is [{ low = 1 }]",
            "the lowest value 2 is above the highest 1 [{ at = 'holding:1', low = 2, high = 1 }]",
            "unknown key 'hi' [hi]",
            "'outstation' is not a word of modbus; did you mean 'unit'? [outstation]",
            "no protocol has points called 'nothing' [nothing:1]",
            "unknown protocol 'x' [x]",
            "'g' takes a text in quotes or a list of them, not a number [3]",
            "the scale is a factor other than 0 [{ at = 'holding:1', scale = 0, low = 1 }]",
            "cannot read points from 'no.csv': there is no such file or folder [no.csv]",
            "'low' has no place beside 'csv' [low]",
            "unknown host 'plc3'; did you mean 'plcs'? [plc3]",
        ],
    );
    let list = "[points]\na = ['@b']\nb = ['@a']\n";
    wrong(&format!("{list}{WRITE}points = '@a'\n"), &["the points 'a' contain themselves [@a]"]);
    let other = "[points]\nx = { at = 'g12:1' }\n";
    wrong(&format!("{other}{WRITE}points = '@x'\n"), &["point 'x' is not one of modbus [@x]"]);
    wrong(
        "[defaults]\ntraffic = 'deny'\nother-traffic = 1\n",
        &["unknown key 'traffic' [traffic]", "'other-traffic' takes \"allow\" or \"deny\", not a number [1]"],
    );
    assert_eq!(
        said("version = 1\ndeny = 3\nconduit = [1]\nmaintenance = 'x'\npoints = 1\ncalendar = []\n"),
        [
            "'deny' takes rules, each under [[deny]], not a number [3]",
            "'conduit' takes conduits, each under [[conduit]], not a number [1]",
            "'maintenance' takes maintenance windows, each under [[maintenance]], not a text ['x']",
            "'points' takes a table, not a number [1]",
            "'calendar' takes a table, not a list [[]]",
        ]
    );
    assert_eq!(
        said(
            "version = 2\n[hosts]\n'10.0.0.1' = '10.0.0.2'\nx = 'y'\n[groups]\n'vlan:3' = 'x'\n[zones]\nz = { leve = 1 }\n"
        ),
        [
            "only version 1 of the rule language is known [2]",
            "'10.0.0.1' is an address and cannot name a host or group ['10.0.0.1']",
            "'y' is not an address [y]",
            "'vlan:3' is an address and cannot name a host or group ['vlan:3']",
            "unknown key 'leve'; did you mean 'level'? [leve]",
        ]
    );
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    let files = Folder::new(&[
        (
            "a.toml",
            "version = 1\ninclude = 'b.toml'\n[calendar]\nzone = 'UTC'\n[defaults]\nother-traffic = 'deny'\n[points]\np = 'coil:1'\n[calendar.windows]\nw = 'Mon'\n[zones]\nz = {}\n",
        ),
        (
            "b.toml",
            "version = 1\n[calendar]\nzone = 'UTC'\n[defaults]\nother-traffic = 'deny'\n[points]\np = 'coil:1'\n[calendar.windows]\nw = 'Mon'\n[zones]\nz = {}\n",
        ),
    ]);
    assert_eq!(
        files.said("a.toml"),
        [
            "'zone' is already set in a.toml:4 [zone]",
            "'other-traffic' is already set in a.toml:6 [other-traffic]",
            "points named 'p' are already there [p]",
            "a window named 'w' is already there [w]",
            "'z' already names a zone (a.toml:12) [z]",
        ]
    );
}

#[test]
fn hostile_files_are_refused_in_time() {
    let chain =
        |count: usize| -> String { (0..count).map(|at| format!("g{at} = 'g{}'\n", at + 1)).collect() };
    let deep = said(&format!("version = 1\n[groups]\n{}g20000 = '10.0.0.1'\n", chain(20_000)));
    assert!(deep[0].contains("is nested too deeply: at most 64 levels"), "{:?}", deep.first());
    let wide = |prefix: &str, end: &str| -> String {
        let list = |at: usize| vec![format!("'{prefix}l{}'", at + 1); 50].join(", ");
        (0..14).map(|at| format!("l{at} = [{}]\n", list(at))).collect::<String>() + end
    };
    let points = format!("{HEAD}[points]\n{}{WRITE}points = '@l0'\n", wide("@", "l14 = []\n"));
    assert_eq!(said(&points).len(), 1);
    assert!(said(&points)[0].starts_with("these are more than 1000000 points"));
    let zones: String = (0..14)
        .map(|at| format!("z{at} = {{ members = [{}] }}\n", vec![format!("'z{}'", at + 1); 50].join(", ")))
        .collect();
    let zones = format!("version = 1\n[zones]\n{zones}z14 = {{ members = '10.0.0.1' }}\n");
    assert!(parse("z.toml", &zones, ALL_WORDS).is_ok());
    let many: String = (0..70_000).map(|at| format!("z{at} = {{}}\n")).collect();
    assert_eq!(said(&format!("version = 1\n[zones]\n{many}")), ["there are more than 4096 zones [z4096]"]);
    for text in [
        "",
        "\0",
        "\u{feff}",
        "[[",
        "version = 1\n[[allow]]\nname = '''\nx'''\n",
        "allow = [[[[]]]]",
        "version = 1e400",
    ] {
        drop(parse("x.toml", text, ALL_WORDS));
    }
}

#[test]
fn values_of_none_cost_nothing() {
    let mut plant = Plant::new(&format!("{WRITE}points = 'holding:*'\nrate = '3/min'\n"));
    let flow = flow("10.0.0.1", "10.0.1.3");
    let all = [range(HOLDING, 0, PointRange::ALL, Verb::Write, false)];
    assert!(plant.passes(&Event { values: Values::None, ..request(&flow, Verb::Write, 16, &all) }));
}

#[test]
fn other_protocols_of_ethernet_and_ip_are_named_by_their_numbers() {
    use crate::address::{Address, Endpoint, Transport};
    let rules = rules(
        "[[allow]]\nname = 'profinet'\nprotocol = 'ethernet'\nethertype = [0x8892, 0x88b8]\n\
         [[allow]]\nname = 'tunnel'\nprotocol = 'ip'\nip-protocol = 47\n[defaults]\nother-traffic = 'deny'\n",
    );
    let mac = |last| Endpoint { address: Address::Mac(Mac([0, 0, 0, 0, 0, last])), port: 0 };
    let ip = |last| Endpoint::new(std::net::IpAddr::from([10, 0, 0, last]), 47);
    let judge = |a, b, transport| {
        let verdict = rules.judge_conversation(
            &Flow::new(a, b, transport),
            Timestamp::default(),
            &mut Memory::default(),
        );
        matches!(verdict, Verdict::Allowed { .. })
    };
    assert!(judge(mac(1), mac(2), Transport::Ethernet(0x8892)));
    assert!(!judge(mac(1), mac(2), Transport::Ethernet(0x88a4)));
    assert!(judge(ip(1), ip(2), Transport::Ip(47)));
    assert!(!judge(ip(1), ip(2), Transport::Ip(50)));
    // A port is no protocol number.
    assert!(!judge(ip(1), ip(2), Transport::Tcp));
    assert_eq!(
        said("version = 1\n[[allow]]\nname = 'x'\nprotocol = 'ip'\nethertype = 5\nport = 3\n"),
        [
            "'ethertype' goes with protocol = \"ethernet\" only [ethertype]",
            "'port' goes with protocol = \"tcp\" or \"udp\" only [port]",
        ]
    );
}

#[test]
fn uses_of_rates_are_bounded_over_all_pairs() {
    let rules = rules(
        "[[allow]]\nname = 'poll'\nfrom = '10.9.0.0/16'\nto = 'plc-3'\nprotocol = 'modbus'\nmay = 'read'\nrate = '10000/h'\n",
    );
    let mut memory = Memory::default();
    for host in 0..128u32 {
        let flow = flow(&format!("10.9.0.{host}"), "10.0.1.3");
        let pair = rules.pair(&flow, &WORDS);
        for number in 0..9_000 {
            let ts = Timestamp::from_nanos(i64::from(host) * 1_000_000 + number);
            let event = Event { ts, ..request(&flow, Verb::Read, 3, &[]) };
            assert!(matches!(rules.judge(&pair, &event, &mut memory), Verdict::Allowed { .. }));
        }
    }
    assert!(memory.evicted() > 0, "more than a million uses were remembered");
}
