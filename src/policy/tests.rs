//! The language as its author meets it: what each feature allows, and what is said of each mistake.

use super::testing::*;
use super::*;
use crate::address::{Endpoint, Mac, Timestamp, Transport};
use crate::event::{Event, Flow, Kind, PointRange, Space, Value, Values, Verb};
use std::net::IpAddr;

const HEAD: &str = r#"version = 1
[hosts]
scada = "10.20.0.10"
plc-3 = "10.20.1.3"
field = "10.20.1.0/24"
cart = ["00:1d:9c:c7:b0:70", "10.20.9.9"]
[groups]
engineering = ["10.20.0.64/28", "scada"]
everyone = ["engineering", "plc-3"]
"#;

fn rules(body: &str) -> RuleSet {
    match parse("pump.toml", &format!("{HEAD}{body}"), ALL_WORDS) {
        Ok(loaded) => loaded.rules,
        Err(problems) => panic!("{problems:#?}"),
    }
}

fn judge(rules: &RuleSet, event: &Event<'_>) -> Verdict {
    rules.judge(&rules.pair(event.flow, event.proto), event, &mut Memory::default())
}

fn at(ip: [u8; 4]) -> End {
    End { address: IpAddr::from(ip).into(), mac: None, vlan: None }
}

fn passes(rules: &RuleSet, event: &Event<'_>) -> bool {
    matches!(judge(rules, event), Verdict::Allowed { .. })
}

fn why(rules: &RuleSet, event: &Event<'_>) -> (Option<u32>, Why) {
    match judge(rules, event) {
        Verdict::NotAllowed { nearest, why } => (nearest.map(|rule| rule.0), why),
        other => panic!("{other:?}"),
    }
}

const PUMP: &str = r#"
[[allow]]
name = "SCADA polls pump station 3"
from = "scada"
to = "plc-3"
protocol = "modbus"
unit = 1
may = ["read"]
points = ["holding:0-99", "coil:*"]
[[allow]]
name = "Set points, within limits"
from = "scada"
to = "plc-3"
protocol = "modbus"
may = ["write"]
points = ["holding:100-103"]
values = "0..450"
[[deny]]
name = "Nobody restarts anything"
may = "restart"
severity = "critical"
"#;

#[test]
fn a_message_passes_when_every_point_of_it_is_allowed() {
    let rules = rules(PUMP);
    let flow = flow("10.20.0.10", "10.20.1.3");
    let read = |points: &[PointRange]| judge(&rules, &request(&flow, Verb::Read, 3, points));
    let run = |first, last| range(HOLDING, first, last, Verb::Read, false);
    assert_eq!(read(&[run(0, 99)]), Verdict::Allowed { rule: Some(RuleId(0)) });
    let outside = Why::Outside { range: run(90, 101), index: 100 };
    assert_eq!(read(&[run(90, 101)]), Verdict::NotAllowed { nearest: Some(RuleId(0)), why: outside });
    assert!(matches!(read(&[run(5, 6), run(100, 100)]), Verdict::NotAllowed { .. }));
    let all_coils = range(COIL, 0, PointRange::ALL, Verb::Read, false);
    assert!(matches!(read(&[all_coils]), Verdict::Allowed { .. }));
    let all_registers = range(HOLDING, 0, PointRange::ALL, Verb::Read, false);
    assert!(matches!(read(&[all_registers]), Verdict::NotAllowed { .. }));
    // A rule with points does not cover a read that names none.
    assert_eq!(why(&rules, &request(&flow, Verb::Read, 3, &[])), (Some(0), Why::NoPoints));
}

#[test]
fn every_value_must_be_within_the_limits_of_its_rule() {
    let rules = rules(PUMP);
    let flow = flow("10.20.0.10", "10.20.1.3");
    let points = [range(HOLDING, 100, 101, Verb::Write, true)];
    assert!(passes(&rules, &write(&flow, &points, &[Value::Int(0), Value::Int(450)])));
    let event = write(&flow, &points, &[Value::Int(450), Value::Int(900)]);
    let value = Why::Value { range: points[0], index: 101, value: Seen::Int(900) };
    assert_eq!(why(&rules, &event), (Some(1), value));
    // A change whose value is not told is not within any limit, nor is text.
    let event = write(&flow, &points, &[Value::Int(450)]);
    assert_eq!(why(&rules, &event), (Some(1), Why::ValueUnknown { range: points[0], index: 101 }));
    let unvalued = [range(HOLDING, 100, 100, Verb::Write, false)];
    assert!(matches!(why(&rules, &request(&flow, Verb::Write, 22, &unvalued)).1, Why::ValueUnknown { .. }));
    assert!(!passes(&rules, &write(&flow, &points, &[Value::Int(1), Value::Text(b"1")])));
}

#[test]
fn verb_unit_host_and_protocol_count() {
    let rules = rules(PUMP);
    let own = flow("10.20.0.10", "10.20.1.3");
    let points = [range(HOLDING, 0, 9, Verb::Read, false)];
    let read = request(&own, Verb::Read, 3, &points);
    assert!(passes(&rules, &read));
    assert_eq!(why(&rules, &Event { device: Some(2), ..read }), (Some(0), Why::Device));
    assert_eq!(why(&rules, &Event { device: None, ..read }), (Some(0), Why::Device));
    let operate = request(&own, Verb::Operate, 5, &[]);
    assert_eq!(why(&rules, &operate), (Some(0), Why::Verb(Verb::Operate)));
    assert_eq!(why(&rules, &Event { proto: &OTHER_WORDS, ..read }), (None, Why::NoRule));
    let stranger = flow("10.20.0.11", "10.20.1.3");
    assert_eq!(why(&rules, &Event { flow: &stranger, ..read }), (None, Why::NoRule));
    let backwards = flow("10.20.1.3", "10.20.0.10");
    assert_eq!(why(&rules, &Event { flow: &backwards, ..read }), (None, Why::NoRule));
    let restart = request(&own, Verb::Restart, 8, &[]);
    assert_eq!(judge(&rules, &restart), Verdict::Denied { rule: RuleId(2) });
}

#[test]
fn one_message_that_does_two_things_needs_both() {
    let rules = rules(PUMP);
    let flow = flow("10.20.0.10", "10.20.1.3");
    let both = |value: &'static [Value<'static>]| {
        let points = [range(HOLDING, 0, 9, Verb::Read, false), range(HOLDING, 103, 103, Verb::Write, true)];
        passes(&rules, &Event { values: Values::List(value), ..request(&flow, Verb::Write, 23, &points) })
    };
    assert!(both(&[Value::Int(7)]));
    assert!(!both(&[Value::Int(451)]));
}

#[test]
fn answers_are_judged_only_when_their_request_was_not_seen() {
    let rules = rules(PUMP);
    let answer_flow = flow("10.20.1.3", "10.20.0.10");
    let answer = Event { kind: Kind::Response, ..request(&answer_flow, Verb::Read, 3, &[]) };
    assert_eq!(judge(&rules, &Event { request: Some(7), ..answer }), Verdict::NotJudged);
    assert!(passes(&rules, &answer));
    let operated = Event { verb: Verb::Operate, function: Some(5), ..answer };
    assert_eq!(why(&rules, &operated), (Some(0), Why::Verb(Verb::Operate)));
    assert_eq!(judge(&rules, &Event { kind: Kind::Malformed, ..answer }), Verdict::NotJudged);
    let wrong_way = flow("10.20.0.10", "10.20.1.3");
    assert!(!passes(&rules, &Event { flow: &wrong_way, ..answer }));
}

#[test]
fn what_was_asked_for_may_come_unasked_and_sessions_follow_the_pair() {
    let rules = rules(
        "[[allow]]\nname = 'a'\nfrom = 'scada'\nto = 'plc-3'\nprotocol = 'dnp3'\nfunctions = ['read']\noutstation = 4\n\
         [[allow]]\nname = 'b'\nfrom = 'field'\nto = 'scada'\nprotocol = 'dnp3'\nmay = 'report'\npoints = 'g30:0-3'\n",
    );
    let up = flow("10.20.1.3", "10.20.0.10");
    let points = [range(Space(30), 0, 9, Verb::Report, false)];
    let report = Event {
        kind: Kind::Unsolicited,
        proto: &OTHER_WORDS,
        device: Some(4),
        ..request(&up, Verb::Report, 130, &points)
    };
    assert_eq!(judge(&rules, &report), Verdict::Allowed { rule: Some(RuleId(0)) });
    assert!(!passes(&rules, &Event { device: Some(5), ..report }));
    let few = [range(Space(30), 0, 3, Verb::Report, false)];
    let event = Event { device: Some(5), points: &few, ..report };
    assert_eq!(judge(&rules, &event), Verdict::Allowed { rule: Some(RuleId(1)) });
    let answer = Event { kind: Kind::Response, function: Some(129), ..report };
    assert!(passes(&rules, &answer));
    let session = Event { kind: Kind::Message, verb: Verb::Session, function: None, points: &[], ..report };
    assert!(passes(&rules, &session));
    let strange = flow("10.20.1.3", "10.20.0.99");
    assert!(!passes(&rules, &Event { flow: &strange, ..session }));
}

#[test]
fn several_rules_together_cover_one_message() {
    let rules = rules(
        "[[allow]]\nname = 'low'\nfrom = 'engineering'\nprotocol = 'modbus'\nmay = 'write'\npoints = 'holding:0-9'\nvalues = ['0..10', 90, 'latch on', 'on']\n\
         [[allow]]\nname = 'high'\nfrom = 'everyone'\nprotocol = 'modbus'\nmay = 'any'\npoints = ['holding:8-20', 'coil:5']\nvalues = '80..100'\n",
    );
    let flow = flow("10.20.0.70", "10.20.1.3");
    let fits = |first, values: &[Value<'_>]| {
        let points = [range(HOLDING, first, first + values.len() as u32 - 1, Verb::Write, true)];
        passes(&rules, &write(&flow, &points, values))
    };
    assert!(fits(8, &[Value::Int(5), Value::Int(85), Value::Int(85)]));
    assert!(fits(8, &[Value::Int(90), Value::Name("latch on"), Value::Float(80.0)]));
    assert!(!fits(8, &[Value::Int(5), Value::Int(85), Value::Int(5)]));
    assert!(fits(0, &[Value::Bool(true)]));
    assert!(!fits(0, &[Value::Name("latch off")]));
    assert!(!fits(0, &[Value::Float(f64::NAN)]));
}

#[test]
fn a_rule_with_points_covers_a_listed_verb_that_never_has_any() {
    let rules = rules(
        "[[allow]]\nname = 'a'\nprotocol = 'modbus'\nfrom = 'scada'\nmay = ['read', 'identify']\npoints = 'coil:1'\n\
         [[allow]]\nname = 'b'\nprotocol = 'modbus'\nfrom = 'plc-3'\npoints = 'coil:1'\n",
    );
    let (listed, any) = (flow("10.20.0.10", "10.20.1.9"), flow("10.20.1.3", "10.20.1.9"));
    assert!(passes(&rules, &request(&listed, Verb::Identify, 43, &[])));
    assert!(!passes(&rules, &request(&any, Verb::Identify, 43, &[])));
}

#[test]
fn deny_wins_at_one_point_or_one_value() {
    let rules = rules(
        "[[allow]]\nname = 'all'\nfrom = 'scada'\nto = 'any'\n[[deny]]\nname = 'not 7'\nprotocol = 'modbus'\nmay = 'write'\npoints = 'holding:7'\n\
         [[deny]]\nname = 'not hot'\nprotocol = 'modbus'\nmay = 'write'\nvalues = '100..'\n",
    );
    let flow = flow("10.20.0.10", "10.20.1.3");
    let verdict = |first, values: &[Value<'_>]| {
        let points = [range(HOLDING, first, first + values.len() as u32 - 1, Verb::Write, true)];
        judge(&rules, &write(&flow, &points, values))
    };
    assert_eq!(verdict(0, &[Value::Int(99); 7]), Verdict::Allowed { rule: Some(RuleId(0)) });
    assert_eq!(verdict(0, &[Value::Int(99); 8]), Verdict::Denied { rule: RuleId(1) });
    assert_eq!(verdict(8, &[Value::Int(1), Value::Int(100)]), Verdict::Denied { rule: RuleId(2) });
}

#[test]
fn other_conversations_go_by_port_and_defaults() {
    let rules = rules(
        "[[allow]]\nname = 'shell'\nfrom = 'engineering'\nto = 'plc-3'\nprotocol = 'tcp'\nport = [22, '8000-8010']\n\
         [[allow]]\nname = 'ping'\nprotocol = 'icmp'\nfrom = 'scada'\n[[deny]]\nname = 'nothing to the cart'\nto = 'cart'\nprotocol = 'any'\n\
         [defaults]\nother-traffic = 'deny'\n",
    );
    let conversation = |src: [u8; 4], dst: [u8; 4], ports: (u16, u16), transport| {
        let end = |ip: [u8; 4], port| Endpoint::new(IpAddr::from(ip), port);
        rules.judge_conversation(
            &Flow::new(end(src, ports.0), end(dst, ports.1), transport),
            Timestamp::default(),
            &mut Memory::default(),
        )
    };
    let (laptop, plc) = ([10, 20, 0, 70], [10, 20, 1, 3]);
    let shell = Verdict::Allowed { rule: Some(RuleId(0)) };
    let nothing = Verdict::NotAllowed { nearest: None, why: Why::NoRule };
    assert_eq!(conversation(laptop, plc, (50000, 22), Transport::Tcp), shell);
    assert_eq!(conversation(laptop, plc, (50000, 8010), Transport::Tcp), shell);
    // Picked up in the middle, the server's packet may be the first.
    assert_eq!(conversation(plc, laptop, (22, 50000), Transport::Tcp), shell);
    assert_eq!(conversation(plc, laptop, (50000, 22), Transport::Tcp), nothing);
    assert_eq!(conversation(laptop, plc, (50000, 22), Transport::Udp), nothing);
    assert_eq!(conversation(laptop, plc, (50000, 445), Transport::Tcp), nothing);
    let ping = conversation([10, 20, 0, 10], plc, (0, 0), Transport::Ip(1));
    assert_eq!(ping, Verdict::Allowed { rule: Some(RuleId(1)) });
    let cart = conversation(laptop, [10, 20, 9, 9], (50000, 22), Transport::Tcp);
    assert_eq!(cart, Verdict::Denied { rule: RuleId(2) });
}

#[test]
fn hosts_are_known_by_mac_address_too() {
    let rules = rules("[[allow]]\nname = 'a'\nfrom = 'cart'\nto = 'field'\nmay = 'read'\n");
    let mut flow = flow("192.0.2.1", "10.20.1.77");
    assert!(!passes(&rules, &request(&flow, Verb::Read, 3, &[])));
    flow.src_mac = Some(Mac([0, 0x1d, 0x9c, 0xc7, 0xb0, 0x70]));
    assert!(passes(&rules, &request(&flow, Verb::Read, 3, &[])));
    assert_eq!(rules.name_of(End::sender(&flow)), Some("cart"));
    assert_eq!(rules.name_of(End::receiver(&flow)), Some("field"));
    assert_eq!(rules.name_of(at([10, 20, 1, 3])), Some("plc-3"));
    assert_eq!(rules.name_of(at([8, 8, 8, 8])), None);
    assert_eq!(rules.who(End::sender(&flow)), Who::Host("cart"));
    assert_eq!(rules.who(End::receiver(&flow)), Who::Within("field"));
    assert_eq!(rules.who(at([10, 20, 0, 70])), Who::Within("engineering"));
    assert_eq!(rules.who(End { mac: None, ..End::sender(&flow) }), Who::Unknown);
}

#[test]
fn the_defaults_let_pass_what_they_say() {
    let flow = flow("192.0.2.1", "192.0.2.2");
    let event = request(&flow, Verb::Write, 6, &[]);
    assert!(!passes(&rules(""), &event));
    assert_eq!(
        rules("").judge_conversation(&flow, Timestamp::default(), &mut Memory::default()),
        Verdict::Allowed { rule: None }
    );
    let open = rules("[defaults]\ncontrol-traffic = 'allow'\n");
    assert_eq!(judge(&open, &event), Verdict::Allowed { rule: None });
    assert_eq!(judge(&RuleSet::permissive(), &event), Verdict::Allowed { rule: None });
}

/// Everything said of a file: line, level, sentence, underlined words.
fn said(text: &str) -> Vec<String> {
    let problems = match parse("pump.toml", text, ALL_WORDS) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    };
    let say = |p: &Problem| {
        let level = if p.is_error() { "error" } else { "warning" };
        format!("{} {level}: {} [{}]", p.line().unwrap_or(0), p.message(), p.underlined().unwrap_or(""))
    };
    problems.iter().map(say).collect()
}

/// What is said of a rule with these lines; the first of them is line 12.
fn said_of(body: &str) -> Vec<String> {
    said(&format!("{HEAD}[[allow]]\nname = \"r\"\n{body}"))
}

#[test]
fn a_wrong_name_is_shown_with_the_right_one() {
    assert_eq!(
        said_of(
            "from = \"plc3\"\nto = [\"scada\", \"engeneering\", \"10.20.0.65/28\", \"10.20.1.300\", \"turbine\"]\n"
        ),
        [
            "12 error: unknown host 'plc3'; did you mean 'plc-3'? [plc3]",
            "13 error: unknown host 'engeneering'; did you mean 'engineering'? [engeneering]",
            "13 error: '10.20.0.65/28' has bits set behind its prefix; did you mean '10.20.0.64/28'? [10.20.0.65/28]",
            "13 error: '10.20.1.300' is not an address [10.20.1.300]",
            "13 error: unknown host 'turbine' [turbine]",
        ]
    );
    assert_eq!(
        said_of(
            "protocol = \"modbuss\"\nmay = [\"raed\"]\nseverity = \"hi\"\nfrm = \"scada\"\nrate = \"12/mins\"\nattack = \"T99\"\n"
        ),
        [
            "12 error: unknown protocol 'modbuss'; did you mean 'modbus'? [modbuss]",
            "13 error: unknown verb 'raed'; did you mean 'read'? [raed]",
            "14 error: unknown severity 'hi' [hi]",
            "15 error: unknown key 'frm'; did you mean 'from'? [frm]",
            "16 error: 'mins' is not a unit of time; did you mean '12/min'? [mins]",
            "17 error: 'T99' is not an ATT&CK technique [T99]",
        ]
    );
}

#[test]
fn points_values_and_functions_are_checked_against_the_protocol() {
    assert_eq!(
        said_of(
            "protocol = \"modbus\"\npoints = [\"holdin:1\", \"holding:100-99\", \"holding:65536\", \"holding\", \"coil:1..3\", \"coil:x\"]\n\
             functions = [\"write-single-registr\", 70000, 6]\nvalues = [\"450..0\", \"0-450\", \"1x\", \"latch on\"]\noutstation = 3\n"
        ),
        [
            "13 error: modbus has no points called 'holdin'; did you mean 'holding'? [holdin:1]",
            "13 error: the range 100-99 ends before it begins; did you mean 'holding:99-100'? [holding:100-99]",
            "13 error: points of modbus go from 0 to 65535 [holding:65536]",
            "13 error: 'holding' does not say which points [holding]",
            "13 error: '1..3' is not a range of points; did you mean 'coil:1-3'? [coil:1..3]",
            "13 error: 'x' is not a point number [coil:x]",
            "14 error: modbus has no function 'write-single-registr'; did you mean 'write-single-register'? [write-single-registr]",
            "14 error: 'functions' goes from 0 to 65535 [70000]",
            "15 error: the range 450..0 ends before it begins; did you mean '0..450'? [450..0]",
            "15 error: '0-450' is not a range of values; did you mean '0..450'? [0-450]",
            "15 error: '1x' is not a value [1x]",
            "16 error: 'outstation' is not a word of modbus; did you mean 'unit'? [outstation]",
        ]
    );
    assert_eq!(
        said_of("from = \"scada\"\npoints = \"coil:1\"\nport = 22\nmay = 3\n"),
        [
            "13 error: 'points' needs exactly one protocol [points]",
            "14 error: 'port' goes with protocol = \"tcp\" or \"udp\" only [port]",
            "15 error: 'may' takes a text in quotes or a list of them, not a number [3]",
        ]
    );
    assert_eq!(
        said_of("protocol = \"tcp\"\nmay = \"read\"\nport = [\"9-1\", 70000]\n"),
        [
            "13 error: 'may' needs a control protocol [may]",
            "14 error: the range 9-1 ends before it begins; did you mean '1-9'? [9-1]",
            "14 error: 'port' goes from 0 to 65535 [70000]",
        ]
    );
}

#[test]
fn doubles_circles_and_tables_that_are_not_there() {
    assert_eq!(
        said(
            "[hosts]\na = \"10.0.0.1\"\nb = \"10.0.0\"\nany = \"10.0.0.2\"\n[groups]\na = [\"b\"]\nx = [\"y\"]\ny = [\"x\", \"q\"]\n\
             [zones]\nz = { level = 9, members = [\"qq\"] }\n[[expect]]\nname = 1\n[[alow]]\n[[deny]]\nmay = \"restart\"\n\
             [[deny]]\nname = \"d\"\nmay = \"restart\"\n[[deny]]\nname = \"d\"\nmay = \"time\"\n[defaults]\ncontrol-traffic = \"denny\"\n"
        ),
        [
            "1 error: the file does not say which version of the language it is in [[hosts]]",
            "3 error: '10.0.0' is not an address [10.0.0]",
            "4 error: 'any' means anyone and cannot name a host or group [any]",
            "6 error: 'a' already names a host (pump.toml:2) [a]",
            "8 error: group 'x' contains itself: 'x' holds 'y' holds 'x' [x]",
            "8 error: unknown host 'q'; did you mean 'a'? [q]",
            "10 error: 'level' takes a level from 0 to 5, not a number [9]",
            "10 error: unknown host 'qq' [qq]",
            "11 error: the rule does not say how often something is expected [[[expect]]]",
            "12 error: 'name' takes a text in quotes, not a number [1]",
            "13 error: unknown key 'alow'; did you mean 'allow'? [alow]",
            "14 error: the rule has no name [[[deny]]]",
            "20 error: a rule named 'd' is already there (pump.toml:17) [d]",
            "23 error: 'denny' is neither \"allow\" nor \"deny\"; did you mean 'deny'? [denny]",
        ]
    );
}

#[test]
fn what_can_hardly_be_meant_is_a_warning() {
    assert_eq!(
        said(
            "version = 1\n[hosts]\na = \"10.0.0.1\"\nb = \"10.0.0.1\"\n[groups]\nnone = []\n[[allow]]\nname = \"all\"\nmay = \"any\"\n\
             [[deny]]\nname = \"x\"\n[[allow]]\nname = \"e\"\nfrom = \"none\"\nmay = \"read\"\nprotocol = \"modbus\"\nvalues = 3\nfunctions = [6]\n\
             [[allow]]\nname = \"p\"\nprotocol = \"modbus\"\nfrom = \"a\"\nmay = \"restart\"\npoints = \"coil:1\"\nsummary = \"{srk} {dst} {\"\n"
        ),
        [
            "4 warning: hosts 'a' and 'b' are both 10.0.0.1: alerts will say 'a' [b]",
            "6 warning: group 'none' is empty: rules that name it never match [none]",
            "7 warning: rule 'all' allows everything to everyone [[[allow]]]",
            "10 warning: rule 'x' objects to every message [[[deny]]]",
            "14 warning: rule 'e' can never match: 'from' holds no address [from]",
            "17 warning: 'values' has no effect in rule 'e': what it names carries no values [values]",
            "18 warning: function 'write-single-register' is of the verb 'write', which 'may' does not list: both must hold [functions]",
            "24 warning: 'points' has no effect in rule 'p': what it names has no points [points]",
            "25 warning: nothing is filled in for '{srk}' in the summary of rule 'p'; did you mean '{src}'? [summary]",
        ]
    );
}

#[test]
fn a_rule_set_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<RuleSet>();
    shared::<Pair>();
    shared::<Problem>();
}

#[test]
fn a_syntax_error_is_shown_like_any_other() {
    let said = said("version = 1\n[hosts]\nscada = \"10.20.0.10\nplc = \"1\"\n");
    assert!(said[0].starts_with("3 error: not TOML: "), "{said:?}");
    let twice = self::said("version = 1\n[hosts]\na = \"10.0.0.1\"\na = \"10.0.0.2\"\n");
    assert!(twice[0].starts_with("4 error: not TOML: "), "{twice:?}");
}

#[test]
fn a_problem_is_a_picture() {
    let problems = parse(
        "pump.toml",
        "version = 1\n[hosts]\nplc-3 = \"10.20.1.3\"\n[[allow]]\nname = \"r\"\nfrom = \"plc3\"\n",
        ALL_WORDS,
    );
    let problem = &problems.unwrap_err()[0];
    let mut picture = String::new();
    let theme = miette::GraphicalTheme::unicode_nocolor();
    miette::GraphicalReportHandler::new_themed(theme).render_report(&mut picture, problem).unwrap();
    assert!(picture.contains("× unknown host 'plc3'; did you mean 'plc-3'?"), "{picture}");
    assert!(picture.contains("[pump.toml:6:9]"), "{picture}");
    assert!(picture.contains("from = \"plc3\""), "{picture}");
    assert!(picture.contains("help: give it an address under [hosts]"), "{picture}");
    assert_eq!(
        problem.one_line(),
        "pump.toml:6: error: unknown host 'plc3'; did you mean 'plc-3'? (give it an address under [hosts])"
    );
}

#[test]
fn files_and_folders_are_one_set() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    file("b.toml", "version = 1\n[[allow]]\nname = 'poll'\nfrom = 'scada'\n");
    file("a.toml", "version = 1\n[hosts]\nscada = '10.0.0.1'\n[[allow]]\nname = 'first'\nto = 'scada'\n");
    file("notes.txt", "not a rule");
    let loaded = load(&[folder.path().to_path_buf()], ALL_WORDS).unwrap();
    let names: Vec<&str> = loaded.rules.rules().iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["first", "poll"]);
    assert_eq!(loaded.rules.rules()[1].line, 2);
    assert!(loaded.rules.rules()[1].file.ends_with("b.toml"));
    let missing = load(&["no/such.toml".into()], ALL_WORDS).unwrap_err();
    assert_eq!(
        missing[0].message(),
        "cannot read rules from 'no/such.toml': there is no such file or folder"
    );
    file("c.toml", "version = 1\n[[allow]]\nname = 'poll'\nmay = 'read'\nfrom = 'scada'\n");
    let twice = load(&[folder.path().to_path_buf()], ALL_WORDS).unwrap_err();
    assert!(twice[0].message().starts_with("a rule named 'poll' is already there ("), "{twice:?}");
}

#[test]
fn rules_that_another_makes_pointless_are_said() {
    let rule = |kind: &str, name: &str, rest: &str| {
        format!("[[{kind}]]\nname = '{name}'\nprotocol = 'modbus'\n{rest}\n")
    };
    let said = |rules: &[String]| {
        let text = format!("{HEAD}{}", rules.concat());
        let loaded = parse("pump.toml", &text, ALL_WORDS).unwrap();
        loaded.warnings.iter().map(|problem| problem.message().to_owned()).collect::<Vec<_>>()
    };
    let wide = rule(
        "allow",
        "wide",
        "from = 'engineering'\nto = 'field'\nmay = ['read', 'write']\npoints = 'holding:0-99'",
    );
    let narrow = rule(
        "allow",
        "narrow",
        "from = 'scada'\nto = 'plc-3'\nmay = 'read'\npoints = 'holding:5-9'\nunit = 1",
    );
    assert_eq!(
        said(&[wide.clone(), narrow.clone()]),
        ["rule 'narrow' adds nothing: rule 'wide' (pump.toml:10) allows all of it"]
    );
    let other =
        rule("allow", "other", "from = 'scada'\nto = 'plc-3'\nmay = 'read'\npoints = 'holding:95-100'");
    assert!(said(&[wide.clone(), other]).is_empty());
    let again = wide.replace("'wide'", "'again'");
    assert_eq!(said(&[wide.clone(), again]), ["rule 'again' says the same as rule 'wide' (pump.toml:10)"]);
    let rated = wide.replace("'wide'", "'wide'\nrate = '9/min'");
    assert!(said(&[rated, narrow.clone()]).is_empty());
    let deny = rule("deny", "nobody", "to = 'field'");
    assert_eq!(
        said(&[narrow.clone(), deny.clone()]),
        [
            "rule 'narrow' can never let anything pass: the deny rule 'nobody' (pump.toml:18) objects to all of it"
        ]
    );
    let limited = deny.replace("'nobody'", "'nobody'\nvalues = '0..9'");
    assert!(said(&[narrow, limited]).is_empty());
}
