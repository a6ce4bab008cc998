//! The rule author's workbench, driven as its user does: `wayside rules explain`, `test` and `diff`.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod common;

use common::{err, ours, out, run};
use serde_json::Value;
use std::path::PathBuf;

const PLANT: &str = r#"version = 1
[hosts]
scada = "10.20.0.10"
plc-3 = "10.20.1.3"
laptop-7 = "10.20.0.77"
[groups]
engineers = ["laptop-7"]
[[allow]]
name = "SCADA polls"
from = "scada"
to = "plc-3"
protocol = "modbus"
may = "read"
points = "holding:0-199"
[[allow]]
name = "Set points, within limits"
from = "scada"
to = "plc-3"
protocol = "modbus"
unit = 1
may = "write"
points = "holding:100-103"
values = "0..450"
[[allow]]
name = "Engineers in working hours"
from = "engineers"
to = "plc-3"
protocol = "modbus"
may = ["read", "write"]
during = "Mon-Fri 06:00-18:00"
[[deny]]
name = "No restart"
may = "restart"
"#;

struct Plant(tempfile::TempDir);

impl Plant {
    fn new() -> Plant {
        Plant(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    }

    /// What was said, without the folder.
    fn said(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.path().display()), "")
    }

    fn explain(&self, sentence: &str) -> String {
        let rules = self.file("plant.toml", PLANT);
        let output = run(&["rules", "explain", &rules, sentence]);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        self.said(&out(&output))
    }
}

#[test]
fn a_message_is_explained_with_what_every_near_rule_wants() {
    let said = Plant::new().explain("laptop-7 modbus write holding 101=900 -> plc-3 @ Sunday 03:00");
    assert_eq!(
        said,
        "\
Not allowed: laptop-7 wrote 900 to holding register 101 of plc-3 on Sunday 03:00 UTC; the rule 'Engineers in working hours' allows it only Mon-Fri 06:00-18:00.
The sentence does not say, so taken: function write-single-register (6), unit 1.

Matched: no rule

Came closest:
  plant.toml:24 allow 'Engineers in working hours'
    during: the message has Sunday 03:00 UTC; the rule says Mon-Fri 06:00-18:00
  plant.toml:15 allow 'Set points, within limits'
    from: the message has laptop-7; the rule says scada
    values: the message has 900 at holding register 101; the rule says 0 to 450
  plant.toml:8 allow 'SCADA polls'
    from: the message has laptop-7; the rule says scada
    may: the message has write; the rule says read
"
    );
}

#[test]
fn what_may_pass_and_what_is_denied_is_said_by_which_rule() {
    let plant = Plant::new();
    let said = plant.explain("scada modbus write unit 1 holding 100-103=1,2,3,4 -> plc-3");
    assert!(said.starts_with("Allowed: the rule 'Set points, within limits' lets it pass.\n"), "{said}");
    assert!(said.contains("function write-multiple-registers (16)"), "{said}");
    assert!(said.contains("Matched:\n  plant.toml:15 allow"), "{said}");
    let said = plant.explain("10.9.9.9 modbus restart -> plc-3");
    assert!(said.starts_with("Denied: An unknown device 10.9.9.9 told plc-3 to restart"), "{said}");
    assert!(said.contains("Matched:\n  plant.toml:31 deny 'No restart'"), "{said}");
    let said = plant.explain("laptop-7 tcp 445 -> plc-3");
    assert!(said.contains("other-traffic is \"allow\" by default"), "{said}");
}

#[test]
fn a_wrong_word_of_a_sentence_is_underlined() {
    let plant = Plant::new();
    let rules = plant.file("plant.toml", PLANT);
    for (sentence, want) in [
        (
            "laptop7 modbus read holding 1 -> plc-3",
            "wayside: unknown host 'laptop7'; did you mean 'laptop-7'?\n  laptop7 modbus read holding 1 -> plc-3\n  ^^^^^^^\n",
        ),
        (
            "scada modbus wrte holding 1=5 -> plc-3",
            "'wrte' is neither a verb nor a point of modbus; did you mean 'write'?\n  scada modbus wrte holding 1=5 -> plc-3\n               ^^^^\n",
        ),
        ("scada modbus write holdin:1=5 -> plc-3", "did you mean 'holding'?"),
        ("scada modbus write holding 1-2=5 -> plc-3", "2 points but 1 value\n"),
        ("scada modbus write holding 1=5", "does not say to whom"),
        ("scada modbus holding 1=5 -> plc-3", "does not say what is done"),
        (
            "scada modbus read holding 1 -> plc-3 @ Sonday 03:00",
            "'Sonday' is not a day; did you mean 'Sunday'?",
        ),
        ("scada tcp -> plc-3", "tcp needs the port of the server"),
        ("scada modbus function read-coil -> plc-3", "did you mean 'read-coils'?"),
        ("scada modbuss read -> plc-3", "unknown protocol 'modbuss'; did you mean 'modbus'?"),
    ] {
        let output = run(&["rules", "explain", &rules, sentence]);
        assert_eq!(output.status.code(), Some(2), "{sentence}");
        assert!(err(&output).contains(want), "{sentence}: {}", err(&output));
    }
    let output = run(&["rules", "explain", &rules]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("give rule files, then a sentence"), "{}", err(&output));
}

#[test]
fn a_packet_of_a_capture_is_explained() {
    let demo = ours("captures/demo-plant.pcap");
    let rules = ours("rules");
    let output = run(&["replay", "-q", &demo, "--rules", &rules, "--alerts", "-"]);
    let alerts: Vec<Value> = out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let alert = alerts.iter().find(|alert| alert["summary"].as_str().unwrap().contains("wrote 900")).unwrap();
    let frame = alert["frame"].as_u64().unwrap().to_string();
    let output = run(&["rules", "explain", &rules, &demo, "--frame", &frame]);
    let said = out(&output);
    assert!(said.contains("Not allowed: scada wrote 900 to holding register 101 of booster"), "{said}");
    assert!(
        said.contains("values: the message has 900 at holding register 101; the rule says 0 to 450"),
        "{said}"
    );
    let output = run(&["rules", "explain", &rules, &demo, "--frame", "9999999"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("completes no message"), "{}", err(&output));
}

#[test]
fn the_test_cases_of_the_shipped_rules_pass() {
    let output = run(&["rules", "test", &ours("rules")]);
    assert_eq!(out(&output), "28 test cases passed\n", "{}", err(&output));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_test_case_that_fails_says_what_came_instead() {
    let plant = Plant::new();
    let rules = plant.file(
        "plant.toml",
        &format!(
            "{PLANT}
[[test]]
message = \"scada modbus write holding 101=451 -> plc-3\"
expect = \"allowed\"
[[test]]
name = \"the second is one too many\"
messages = ['scada modbus read holding 1 -> plc-3', 'scada modbus restart -> plc-3']
expect = \"denied\"
rule = \"No restart\"
"
        ),
    );
    let output = run(&["rules", "test", &rules]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let said = plant.said(&out(&output));
    assert!(
        said.starts_with(
            "FAILED plant.toml:35 scada modbus write holding 101=451 -> plc-3\n  expected: allowed\n  actual:   not allowed\n    Not allowed: scada wrote 451"
        ),
        "{said}"
    );
    assert!(said.ends_with("1 of 2 test cases failed\n"), "{said}");
    let json: Value = serde_json::from_str(&out(&run(&["rules", "test", &rules, "--json"]))).unwrap();
    assert_eq!(json["tests"], 2);
    assert_eq!(json["failed"][0]["actual"], "not-allowed");
}

#[test]
fn a_rate_is_tested_with_a_sequence() {
    let plant = Plant::new();
    let rules = plant.file(
        "rate.toml",
        r#"version = 1
[[allow]]
name = "slow"
protocol = "modbus"
may = "write"
rate = "2/min"
change = 10
[[test]]
name = "the third within a minute"
messages = ['10.0.0.1 modbus write holding 1=1 -> 10.0.0.2', '10.0.0.1 modbus write holding 1=2 -> 10.0.0.2', '10.0.0.1 modbus write holding 1=3 -> 10.0.0.2']
expect = "not-allowed"
[[test]]
name = "a jump"
messages = ['10.0.0.1 modbus write holding 1=1 -> 10.0.0.2', '10.0.0.1 modbus write holding 1=20 -> 10.0.0.2']
expect = "not-allowed"
rule = "slow"
[[test]]
name = "each case begins anew"
message = '10.0.0.1 modbus write holding 1=20 -> 10.0.0.2'
expect = "allowed"
"#,
    );
    let output = run(&["rules", "test", &rules]);
    assert_eq!(out(&output), "3 test cases passed\n", "{}", err(&output));
}

#[test]
fn a_test_case_that_cannot_be_read_is_an_error_of_its_file() {
    let plant = Plant::new();
    let rules = plant.file(
        "plant.toml",
        &format!(
            "{PLANT}
[[test]]
mesage = \"x\"
expect = \"alowed\"
rule = \"SCADA pols\"
[[test]]
message = \"scada modbus raed holding 1 -> plc-3\"
expect = \"denied\"
"
        ),
    );
    let output = run(&["rules", "check", &rules]);
    assert_eq!(output.status.code(), Some(2));
    let said = err(&output);
    for want in [
        "unknown key 'mesage'; did you mean 'message'?",
        "the test has no 'message'",
        "'alowed' is no verdict; did you mean 'allowed'?",
        "no rule is named 'SCADA pols'; did you mean 'SCADA polls'?",
        "did you mean 'read'?",
    ] {
        assert!(said.contains(want), "{want:?} is not in {said}");
    }
}

#[test]
fn captures_show_what_each_rule_decides() {
    let (demo, rules) = (ours("captures/demo-plant.pcap"), ours("rules"));
    let output = run(&["rules", "test", &rules, &demo]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let said = out(&output);
    for want in [
        "28 test cases passed",
        "allowed    denied  rule",
        "allow 'SCADA polls the pump controllers'",
        "Rules that decided nothing:",
        "Not allowed:",
        "127.66.6.6 modbus",
    ] {
        assert!(said.contains(want), "{want:?} is not in {said}");
    }
    let json: Value = serde_json::from_str(&out(&run(&["rules", "test", &rules, &demo, "--json"]))).unwrap();
    let captures = &json["captures"];
    let sum: u64 =
        captures["rules"].as_array().unwrap().iter().map(|rule| rule["count"].as_u64().unwrap()).sum();
    let verdicts = &captures["verdicts"];
    let judged = verdicts["allowed"].as_u64().unwrap() + verdicts["denied"].as_u64().unwrap();
    assert_eq!(sum + captures["by_default"].as_u64().unwrap(), judged);
    assert!(captures["not_allowed"].as_array().unwrap().len() > 3);
}

#[test]
fn a_difference_is_said_in_words_and_on_a_capture() {
    let plant = Plant::new();
    let shipped = std::fs::read_to_string(PathBuf::from(ours("rules/pump-station.toml"))).unwrap();
    let before = plant.file("before.toml", &shipped);
    let output = run(&["rules", "diff", &before, &ours("rules/pump-station.toml")]);
    assert_eq!((out(&output).as_str(), output.status.code()), ("no difference in meaning\n", Some(0)));
    let after = plant.file("after.toml", &shipped.replace("values = \"0..450\"", "values = \"0..950\""));
    let demo = ours("captures/demo-plant.pcap");
    let output = run(&["rules", "diff", &before, &after, &demo]);
    assert_eq!(output.status.code(), Some(1), "{}", err(&output));
    let said = plant.said(&out(&output));
    assert!(
        said.starts_with(
            "rules:\n  ~ 'Set points, within limits' (after.toml:37)\n      values: 0 to 450 -> 0 to 950\n\n"
        ),
        "{said}"
    );
    assert!(said.contains("scada modbus write holding:101 -> booster"), "{said}");
    assert!(said.contains("not allowed -> allowed by 'Set points, within limits'"), "{said}");
    let json: Value =
        serde_json::from_str(&out(&run(&["rules", "diff", &before, &after, &demo, "--json"]))).unwrap();
    assert_eq!(json["differences"][0]["conditions"][0]["before"], "0 to 450");
    assert_eq!(json["captures"]["groups"][0]["after"]["verdict"], "allowed");
    assert_eq!(run(&["rules", "diff", &before]).status.code(), Some(2));
    assert_eq!(run(&["rules", "diff", &before, "no-such.toml"]).status.code(), Some(2));
}
