//! Whole rule files: what becomes of them, and what the rules then say of messages.

use super::*;
use crate::event::{Event, Flow, PointRange, Space, Value, Verb};
use crate::policy::testing::*;
use crate::policy::{Memory, RuleSet, Verdict, parse};
use proptest::prelude::*;

const DISCRETE: Space = Space(1);

fn of(rules: &str) -> Imported {
    let set = [("PLC".to_owned(), "10.1.0.1,10.1.0.2".to_owned())];
    let files = [Source { name: "test.rules", text: rules }];
    import(&files, &Settings { set: &set, configuration: None }, ALL_WORDS)
}

fn loaded(imported: &Imported) -> RuleSet {
    match parse("imported.toml", &imported.toml, ALL_WORDS) {
        Ok(loaded) => loaded.rules,
        Err(problems) => panic!("{problems:#?}\n{}", imported.toml),
    }
}

/// The rules of a file of which every rule is carried over.
fn rules(text: &str) -> RuleSet {
    let imported = of(text);
    assert!(imported.left.is_empty(), "{:#?}", imported.left);
    loaded(&imported)
}

fn alert(options: &str) -> RuleSet {
    rules(&format!("alert modbus any any -> any any (msg:\"m\"; {options}; sid:1;)"))
}

fn denied(rules: &RuleSet, event: &Event<'_>) -> bool {
    matches!(
        rules.judge(&rules.pair(event.flow, event.proto), event, &mut Memory::default()),
        Verdict::Denied { .. }
    )
}

fn reason(text: &str) -> String {
    let imported = of(text);
    loaded(&imported);
    assert!(imported.carried.is_empty(), "{}", imported.toml);
    imported.left[0].reason.clone()
}

fn any_flow() -> Flow {
    flow("10.0.0.9", "10.1.0.1")
}

fn reads(rules: &RuleSet, space: Space, first: u32, last: u32) -> bool {
    let flow = any_flow();
    denied(rules, &request(&flow, Verb::Read, 3, &[range(space, first, last, Verb::Read, false)]))
}

fn writes(rules: &RuleSet, first: u32, values: &[i64]) -> bool {
    let values: Vec<Value<'_>> = values.iter().map(|value| Value::Int(*value)).collect();
    let points = [range(HOLDING, first, first + values.len() as u32 - 1, Verb::Write, true)];
    let flow = any_flow();
    denied(rules, &write(&flow, &points, &values))
}

fn asks(rules: &RuleSet, verb: Verb, function: u16) -> bool {
    let flow = any_flow();
    denied(rules, &request(&flow, verb, function, &[]))
}

#[test]
fn an_address_is_one_more_than_its_point() {
    let exact = alert("modbus: access read holding, address 100");
    assert!(reads(&exact, HOLDING, 99, 99) && reads(&exact, HOLDING, 0, 120));
    assert!(!reads(&exact, HOLDING, 98, 98) && !reads(&exact, HOLDING, 100, 100));
    assert!(!reads(&exact, COIL, 99, 99));
    let below = alert("modbus: access read holding, address <100");
    assert!(reads(&below, HOLDING, 0, 0) && reads(&below, HOLDING, 98, 98));
    assert!(!reads(&below, HOLDING, 99, 99));
    let above = alert("modbus: access read discretes, address >100");
    assert!(reads(&above, DISCRETE, 100, 100) && reads(&above, DISCRETE, 65535, 65535));
    assert!(!reads(&above, DISCRETE, 99, 99));
    let between = alert("modbus: access read coils, address 100<>103");
    assert!(!reads(&between, COIL, 99, 99) && reads(&between, COIL, 100, 100));
    assert!(reads(&between, COIL, 101, 101) && !reads(&between, COIL, 102, 102));
    assert!(reads(&between, COIL, 90, 100) && !reads(&between, COIL, 102, 300));
}

#[test]
fn reads_and_writes_are_told_apart() {
    let writing = alert("modbus: access write");
    assert!(writes(&writing, 7, &[1]) && !reads(&writing, HOLDING, 7, 7));
    let reading = alert("modbus: access read");
    assert!(!writes(&reading, 7, &[1]) && reads(&reading, DISCRETE, 7, 7));
    // A read without a point of the four tables (a FIFO queue, a vendor's own function) is no access.
    assert!(!asks(&reading, Verb::Read, 24));
    // Function 23 does both.
    let flow = any_flow();
    let both: [PointRange; 2] =
        [range(HOLDING, 0, 1, Verb::Read, false), range(HOLDING, 50, 50, Verb::Write, true)];
    let event = write(&flow, &both, &[Value::Int(3)]);
    assert!(denied(&writing, &event) && denied(&reading, &event));
}

#[test]
fn values_are_judged_at_their_address() {
    let above = alert("modbus: access write holding, address 500, value >200");
    assert!(writes(&above, 499, &[201]) && writes(&above, 498, &[0, 65535]));
    assert!(!writes(&above, 499, &[200]) && !writes(&above, 500, &[201]) && !writes(&above, 498, &[201, 0]));
    let between = alert("modbus: access write holding, address 500, value 200<>203");
    let said: Vec<bool> = (199..=204).map(|value| writes(&between, 499, &[value])).collect();
    assert_eq!(said, [false, false, true, true, false, false]);
    let below = alert("modbus: access write holding, address 500, value <2");
    assert!(writes(&below, 499, &[0]) && writes(&below, 499, &[1]) && !writes(&below, 499, &[2]));
}

#[test]
fn states_of_coils_are_one_and_zero() {
    let on = alert("modbus: access write coils, address 5, value >0");
    let flow = any_flow();
    let switches = |rules: &RuleSet, state: bool| {
        denied(rules, &write(&flow, &[range(COIL, 4, 4, Verb::Write, true)], &[Value::Bool(state)]))
    };
    assert!(switches(&on, true) && !switches(&on, false));
    assert!(switches(&alert("modbus: access write coils, address 5, value 0"), false));
}

#[test]
fn variables_of_one_file_serve_the_others() {
    let files = [
        Source { name: "a.rules", text: "\nalert modbus any any -> $TANKS any (modbus: function 5; sid:1;)" },
        Source { name: "snort.conf", text: "ipvar TANKS 10.1.0.7\nalert x" },
    ];
    let imported = import(&files, &Settings::default(), ALL_WORDS);
    assert_eq!(imported.carried[0].place, Place { file: 0, line: 2 });
    assert_eq!(imported.left[0].place, Place { file: 1, line: 2 });
    assert!(imported.toml.contains("# Imported from a.rules, snort.conf.\n"), "{}", imported.toml);
    assert!(imported.toml.contains("tanks = [\"10.1.0.7\"]"), "{}", imported.toml);
}

#[test]
fn there_are_bounds_on_what_becomes_of_a_file() {
    let rule = "alert modbus any any -> any any (modbus: function 5;)\n";
    let imported = of(&rule.repeat(MOST_RULES + 1));
    assert_eq!((imported.carried.len(), imported.left.len()), (MOST_RULES, 1));
    assert_eq!(reason(&format!("alert modbus ({})", "x;".repeat(text::LONGEST))), "it is longer than 64 KiB");
}

#[test]
fn functions_and_their_categories() {
    let one = alert("modbus: function 16");
    assert!(writes(&one, 0, &[1]) && !asks(&one, Verb::Write, 6));
    let user = alert("modbus: function user");
    let codes: Vec<u16> = (1..=127).filter(|code| asks(&user, Verb::Other, *code)).collect();
    assert_eq!(codes, (65..=72).chain(100..=110).collect::<Vec<_>>());
    let other = alert("modbus: function !user");
    assert!((1..=127).all(|code| asks(&other, Verb::Other, code) != asks(&user, Verb::Other, code)));
    let delimiter = alert("modbus: function 8, subfunction 3");
    assert!(asks(&delimiter, Verb::Configure, 8) && !asks(&delimiter, Verb::Restart, 8));
    let reserved = alert("modbus: function reserved");
    assert!(asks(&reserved, Verb::Other, 90) && !asks(&reserved, Verb::Read, 3));
}

#[test]
fn units_limit_what_is_said_of_them() {
    let some = alert("modbus: unit >1, function 3");
    assert!(!asks(&some, Verb::Read, 3), "the requests of these tests go to unit 1");
    assert!(asks(&alert("modbus: unit <2, function 3"), Verb::Read, 3));
    assert!(asks(&alert("modbus: unit 1"), Verb::Other, 99));
}

#[test]
fn the_two_restarts_of_diagnostics_go_together_or_not_at_all() {
    let one = "alert modbus any any -> $PLC any (msg:\"Restart\"; modbus: function 8, subfunction 1; sid:1; priority:2;)\n";
    let four = "alert tcp any any -> $PLC 502 (msg:\"Listen\"; content:\"|08 00 04|\"; offset:7; depth:3; sid:2; priority:1;)\n";
    assert!(reason(one).contains("subfunctions 1 and 4"));
    assert!(reason(four).contains("subfunctions 1 and 4"));
    let imported = of(&format!("{one}{four}"));
    assert_eq!((imported.carried.len(), imported.left.len()), (2, 0));
    let rules = loaded(&imported);
    assert_eq!(rules.rules().len(), 1);
    assert_eq!(rules.rules()[0].name, "Restart; Listen");
    assert!(imported.toml.contains("severity = \"high\""), "{}", imported.toml);
    assert!(asks(&rules, Verb::Restart, 8) && !asks(&rules, Verb::Diagnose, 8));
    // Between other ends they are no pair.
    let elsewhere = four.replace("$PLC", "10.9.9.9");
    assert_eq!(of(&format!("{one}{elsewhere}")).left.len(), 2);
}

#[test]
fn ends_are_kept() {
    let rules = rules("reject modbus 10.0.0.0/24 any -> $PLC 502 (msg:\"m\"; modbus: function 3; sid:1;)");
    let asks = |src: &str, dst: &str| {
        let flow = flow(src, dst);
        denied(&rules, &request(&flow, Verb::Read, 3, &[]))
    };
    assert!(asks("10.0.0.9", "10.1.0.1") && asks("10.0.0.9", "10.1.0.2"));
    assert!(!asks("10.0.1.9", "10.1.0.1") && !asks("10.0.0.9", "10.1.0.3") && !asks("10.1.0.1", "10.0.0.9"));
}

#[test]
fn both_directions_are_two_rules_unless_ports_say_which() {
    let both = "alert modbus 10.0.0.9 any <> 10.1.0.1 any (msg:\"m\"; modbus: function 3; sid:1;)";
    assert_eq!(rules(both).rules().len(), 2);
    assert_eq!(rules(&both.replace("10.1.0.1 any", "10.1.0.1 502")).rules().len(), 1);
    assert_eq!(rules(&both.replace("10.1.0.1 any", "10.0.0.9 any")).rules().len(), 1);
    let back = rules(&both.replace("10.0.0.9 any", "10.0.0.9 502"));
    let flow = flow("10.1.0.1", "10.0.0.9");
    assert!(denied(&back, &request(&flow, Verb::Read, 3, &[])));
}

#[test]
fn dnp3_requests_and_unsolicited_reports() {
    let rules = rules(
        "alert tcp any any -> any 20000 (msg:\"cold\"; flow:established,to_server; dnp3_func:cold_restart; sid:1;)\n\
         alert dnp3 10.1.0.1 20000 -> any any (msg:\"told\"; flow:from_server; dnp3.func:130; sid:2;)\n\
         alert udp any any -> any 20000 (msg:\"octets\"; content:\"|05 64|\"; depth:2; content:\"|0E|\"; offset:12; \
         depth:1; sid:3;)",
    );
    let functions: Vec<_> = rules.rules().iter().map(|rule| rule.functions.clone().unwrap()).collect();
    assert_eq!(functions, [[13], [130], [14]]);
}

#[test]
fn severities_techniques_and_comments() {
    let imported =
        of("drop modbus any any -> any any (msg:\"Say \\\"no\\\" \\\\ \\; now\"; modbus: function 6; \
        classtype:attempted-admin; priority:2; metadata:created_at 2024_01_01, mitre_technique_id T0855, \
        mitre_technique_id T0855; metadata: mitre_technique_id nonsense; sid:7; rev:3;)\n\
        pass modbus any any -> $PLC any (msg:\"ok\"; modbus: function 6; priority:1; sid:8;)");
    let rules = loaded(&imported);
    let rule = &rules.rules()[0];
    assert_eq!(rule.name, r#"Say "no" \ ; now"#);
    assert_eq!(
        (rule.severity, rule.attack.as_slice()),
        (Some(crate::policy::Severity::Medium), &["T0855".to_owned()][..])
    );
    assert!(imported.toml.contains(
        "test.rules:1\n# action: drop; Wayside alerts and never blocks\n# classtype: attempted-admin\n"
    ));
    assert_eq!((rules.rules()[1].kind, rules.rules()[1].severity), (RuleKind::Allow, None));
    assert!(imported.carried[1].note.as_deref().unwrap().contains("pass rule"));
    assert!(rules.defaults().control_traffic);
}

#[test]
fn equal_messages_get_names_of_their_own() {
    let rule =
        |sid: &str| format!("alert modbus any any -> any any (msg:\"m\"; modbus: function 6; {sid})\n");
    let text = [rule("sid:1;"), rule("sid:1;"), rule("sid:1;"), rule(""), rule("")].concat();
    let rules = rules(&text);
    let names: Vec<&str> = rules.rules().iter().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["m", "m (sid 1)", "m (line 3)", "m (line 4)", "m (line 5)"]);
}

#[test]
fn what_is_left_says_why() {
    let modbus = |options: &str| format!("alert modbus any any -> any any (msg:\"m\"; {options} sid:1;)");
    for (rule, part) in [
        ("alert http any any -> any any (msg:\"m\"; sid:1;)".to_owned(), "neither Modbus nor DNP3"),
        (
            "alert tcp any any -> any $MODBUS_PORTS (content:\"x\"; sid:1;)".to_owned(),
            "--set MODBUS_PORTS=PORT",
        ),
        ("alert modbus any any -> $NOBODY any (modbus: function 3;)".to_owned(), "--set NOBODY=ADDRESS"),
        ("alert modbus any any -> !$PLC any (modbus: function 3;)".to_owned(), "excludes"),
        ("alert modbus any any -> any 1502 (modbus: function 3;)".to_owned(), "on every port"),
        ("alert tcp any 502 -> any any (content:\"|06|\"; offset:7; depth:1;)".to_owned(), "answers"),
        ("alert tcp $PLC any -> 10.0.0.9 any (modbus_func:3;)".to_owned(), "answers too"),
        ("log modbus any any -> any any (modbus: function 3;)".to_owned(), "does not alert"),
        ("alert modbus $PLC any -> any any (msg:\"all\";)".to_owned(), "answers too"),
        ("alert dnp3 any any -> any any (dnp3_func:response;)".to_owned(), "answers"),
        ("alert dnp3 any any -> any any (dnp3_ind:device_restart;)".to_owned(), "internal indications"),
        ("alert dnp3 any any -> any any (dnp3_obj:12,1;)".to_owned(), "objects in answers"),
        ("alert dnp3 any any -> any any (dnp3_func:read; dnp3_obj:12;)".to_owned(), "group and a variation"),
        ("alert dnp3 any any -> any any (dnp3_data; content:\"|c3 06|\";)".to_owned(), "looks at octets"),
        (modbus("modbus: function 3; flow:from_server;"), "answers"),
        (modbus("modbus: function 3; flow:not_established;"), "not_established"),
        (modbus("modbus: function 3; content:\"x\";"), "looks at octets"),
        (modbus("modbus: function 3; pcre:\"/x/\";"), "looks at octets"),
        (modbus("modbus: function 3; flowbits:isset,x;"), "other rules"),
        (
            modbus("modbus: function 3; threshold:type threshold, track by_src, count 5, seconds 1;"),
            "no rates",
        ),
        (modbus("modbus: function 3; detection_filter:track by_src, count 5, seconds 1;"), "no rates"),
        (modbus("modbus: function 3; geoip:src,XX;"), "'geoip'"),
        (modbus("modbus: function 3; modbus: unit 4;"), "two conditions"),
        (modbus("modbus: function 3; dnp3_func:3;"), "at once"),
        (modbus("app-layer-event:modbus.invalid_length;"), "malformed messages"),
        (modbus("modbus: unit 0<>2, function 3;"), "unit 0"),
        ("alert modbus any any any any (sid:1;)".to_owned(), "before its options"),
        ("alert modbus any any -> any any (sid:1;".to_owned(), "not closed"),
        ("include local.rules".to_owned(), "no rule"),
        ("output alert_fast: stdout".to_owned(), "no rule"),
    ] {
        let said = reason(&rule);
        assert!(said.contains(part), "{rule}: {said}");
    }
    // A limit on how often an alert is given is what grouping does anyway.
    alert("modbus: function 3; threshold: type limit, track by_src, count 1, seconds 60");
}

#[test]
fn too_many_combinations_are_left() {
    let rule = "alert modbus any any -> any any (modbus: unit >0, function !user; sid:1;)";
    assert!(reason(rule).contains("too many combinations"));
}

#[test]
fn an_undefined_variable_is_a_todo_and_comments_are_counted() {
    let imported = of("# alert modbus any any -> any any (modbus: function 1; sid:1;)\n# prose\n\
        alert modbus any any -> $PUMPS any (modbus: function 3; sid:2;)\n\
        alert modbus any any -> $PLC any (modbus: function 3; sid:3;)\n");
    assert_eq!((imported.commented_out, imported.left.len(), imported.carried.len()), (1, 1, 1));
    assert!(imported.toml.contains("# TODO pumps = []"), "{}", imported.toml);
    assert!(imported.toml.contains("plc = [\"10.1.0.1\", \"10.1.0.2\"]"), "{}", imported.toml);
    loaded(&imported);
}

#[test]
fn nothing_is_a_valid_file_too() {
    for text in ["", "\n", "# only prose", "\\", "(", "alert", "alert modbus (", "var", "var X"] {
        loaded(&of(text));
    }
}

/// Pieces of rules in any order: far likelier to reach deep than any text.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "alert ",
        "pass ",
        "modbus ",
        "dnp3 ",
        "tcp ",
        "any ",
        "-> ",
        "<> ",
        "$PLC ",
        "!$PLC ",
        "[10.0.0.1,$X] ",
        "502 ",
        "20000 ",
        "(",
        ")",
        ";",
        "\n",
        "\\\n",
        "msg:\"a b\";",
        "msg:\"\\\"\u{7f}\";",
        "sid:5;",
        "modbus: function 8, subfunction 1;",
        "modbus: function 8, subfunction 4;",
        "modbus: function !public;",
        "modbus: access write holding, address 5, value <9;",
        "modbus: unit 3<>9, access read;",
        "dnp3_func:write;",
        "content:\"|06|\"; offset:7; depth:1;",
        "content:\"|08 00 01|\",offset 7,depth 3;",
        "alert modbus any any -> any any (",
        "alert tcp $PLC any <> any 502 (",
        "var X $X\n",
        "var Y [10.0.0.0/8,$PLC]\n",
        "priority:1;",
        "metadata:mitre_technique_id T0800;",
        "threshold:type limit;",
        "#",
        "\"",
        "é",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_gives_a_valid_file(text in prop_oneof![".{0,200}", "\\PC{0,300}", pieces()]) {
        let imported = of(&text);
        prop_assert!(parse("x.toml", &imported.toml, ALL_WORDS).is_ok(), "{}", imported.toml);
        prop_assert_eq!(of(&text).toml, imported.toml);
    }

    #[test]
    fn any_option_gives_a_valid_file(options in "[a-z:!<>|\"0-9, ;]{0,80}") {
        let imported = of(&format!("alert modbus any any -> any any (msg:\"m\"; modbus:{options};)"));
        prop_assert!(parse("x.toml", &imported.toml, ALL_WORDS).is_ok(), "{}", imported.toml);
    }
}
