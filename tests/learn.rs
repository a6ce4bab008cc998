//! Learning from captures: what was normal passes, what was not alerts, a second run changes nothing, and what people
//! wrote stays. Parts are skipped, saying so, without the public captures.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod common;

use common::{Pcap, err, events, ours, out, run, shared};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Learns from a capture into a file, with more arguments.
fn learn(capture: &Path, rules: &Path, more: &[&str]) -> String {
    let (capture, rules) = (capture.to_string_lossy(), rules.to_string_lossy());
    let mut arguments = vec!["learn", &capture, "-o", &rules];
    arguments.extend(more);
    let output = run(&arguments);
    assert!(output.status.success(), "{}", err(&output));
    err(&output)
}

/// What the rules say of a capture: an alert for each message.
fn alerts(capture: &Path, rules: &Path) -> Vec<serde_json::Value> {
    let (capture, rules) = (capture.to_string_lossy(), rules.to_string_lossy());
    let output = run(&["replay", "-q", &capture, "--rules", &rules, "--alerts", "-", "--group", "none"]);
    assert!(output.status.success(), "{}", err(&output));
    out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn check(rules: &Path) {
    let output = run(&["rules", "check", &rules.to_string_lossy()]);
    assert!(output.status.success(), "{}", err(&output));
    assert!(out(&output).contains(" 0 warnings"), "{}{}", out(&output), err(&output));
    assert_eq!(err(&output), "");
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn summaries(alerts: &[serde_json::Value]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for alert in alerts {
        *counts.entry(alert["summary"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

fn frame(event: &serde_json::Value) -> u64 {
    event["frame"].as_u64().unwrap()
}

/// The packets that the CSET 2016 data set calls part of the attack.
fn attack_packets(labels: &Path) -> BTreeSet<u64> {
    let rows = text(labels);
    let rows = rows.lines().filter_map(|line| line.split_once(';'));
    rows.filter(|(_, label)| label.trim() == "1").map(|(number, _)| number.trim().parse().unwrap()).collect()
}

/// Learned from the packets of a labelled capture that are no attack: the alerts on all of it, and the attack.
fn labelled(folder: &Path, name: &str) -> (Vec<serde_json::Value>, BTreeSet<u64>, PathBuf) {
    let whole = folder.join(format!("lemay/{name}.pcap"));
    let attack = attack_packets(&folder.join(format!("lemay/{name}_labels.csv")));
    let pcap = Pcap::read(&whole).unwrap();
    let temporary = tempfile::tempdir().unwrap();
    let (normal, rules) = (temporary.path().join("normal.pcap"), temporary.path().join("rules.toml"));
    let is_normal = |(number, _): &(u64, &Vec<u8>)| !attack.contains(number);
    pcap.write(&normal, (1u64..).zip(&pcap.records).filter(is_normal).map(|(_, record)| record));
    learn(&normal, &rules, &[]);
    check(&rules);
    assert!(!text(&rules).contains("## review"), "{}", text(&rules));
    let alerts = alerts(&whole, &rules);
    for alert in &alerts {
        assert!(attack.contains(&frame(alert)), "{alert} is no attack\n{}", text(&rules));
    }
    (alerts, attack, whole)
}

#[test]
fn learned_from_normal_packets_every_request_of_a_scan_alerts_and_no_poll_does() {
    let Some(folder) = shared("learned_from_normal_packets") else { return };
    let (alerts, attack, whole) = labelled(&folder, "characterization_modbus_6rtu_with_operate");
    let alerted: BTreeSet<u64> = alerts.iter().map(frame).collect();
    let requests = events(&whole);
    let requests =
        requests.iter().filter(|event| event["kind"] == "request" && attack.contains(&frame(event)));
    let missed: Vec<_> = requests.filter(|event| !alerted.contains(&frame(event))).collect();
    assert!(missed.is_empty(), "{} of the attack did not alert: {:?}", missed.len(), missed.first());
    assert!(alerts.len() > 3000, "only {} alerts", alerts.len());
}

#[test]
fn learned_from_normal_packets_a_command_channel_alerts() {
    let Some(folder) = shared("learned_from_normal_packets") else { return };
    let (alerts, ..) = labelled(&folder, "cnc_uploading_exe_modbus_6rtu_with_operate");
    let said = summaries(&alerts);
    // The attack looks for names and shares over NetBIOS, then opens its channel.
    assert_eq!(alerts.len(), 4, "{said:#?}");
    assert!(
        said.contains_key("plc-101 opened a TCP connection to port 4444 of plc-105, which no rule allows.")
    );
}

/// Captures with so many messages of our protocols, by the list beside them.
fn long_captures(folder: &Path) -> Vec<PathBuf> {
    let list = text(&folder.join("index.tsv"));
    let is_long = |counts: &str| {
        let ours = counts.split(';').filter_map(|part| part.split_once('='));
        let ours = ours.filter(|(protocol, _)| ["mbtcp", "modbus", "dnp3"].contains(protocol));
        ours.map(|(_, count)| count.parse::<u64>().unwrap()).sum::<u64>() > 500
    };
    let rows = list.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    rows.filter(|row| row.get(6).is_some_and(|counts| is_long(counts)))
        .map(|row| folder.join(row[0]))
        .collect()
}

/// How many messages and conversations of the second half may alert, when the first half was learned: those that are
/// new in it. An attack that goes on comes on top.
const NEW: [(&str, usize); 2] = [
    // 10 s were learned. Then come three hosts that had not spoken to the server, two that announce themselves by
    // PROFINET, one that pings, and three commands to a coil that had not been used.
    ("modbustcp__mb2.pcap", 9),
    // 169 s were learned. Then come two commands to coils that had not been used, and a look for shared files.
    ("characterization_modbus_6rtu_with_operate.pcap", 3),
];

#[test]
fn the_second_half_of_a_long_capture_is_what_the_first_half_taught() {
    let Some(folder) = shared("the_second_half") else { return };
    let temporary = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for capture in long_captures(&folder) {
        let name = capture.file_name().unwrap().to_string_lossy().into_owned();
        let Some(pcap) = Pcap::read(&capture) else {
            println!("{name}: no classic pcap, left out");
            continue;
        };
        let (first, second) = pcap.records.split_at(pcap.records.len() / 2);
        let halves = ["first", "second"].map(|half| temporary.path().join(format!("{half}-{name}")));
        pcap.write(&halves[0], first);
        pcap.write(&halves[1], second);
        let rules = temporary.path().join(format!("{name}.toml"));
        println!("{name}: {}", learn(&halves[0], &rules, &[]).trim());
        check(&rules);
        let mut said = alerts(&halves[1], &rules);
        // The scan goes on through both halves.
        let scan = |alert: &serde_json::Value| {
            let end = |key: &str| alert[key].as_str().unwrap().rsplit_once(':').map(|(ip, _)| ip.to_owned());
            end("src").as_deref() == Some("192.168.1.101") && end("dst").as_deref() == Some("192.168.1.104")
        };
        let before = said.len();
        said.retain(|alert| !scan(alert));
        if before > said.len() {
            assert!(text(&rules).contains("looks like a scan"), "{}", text(&rules));
            println!("    {:>5}  (the scan, which is under review)", before - said.len());
        }
        for (summary, count) in summaries(&said) {
            println!("    {count:>5}  {summary}");
        }
        let new = NEW.iter().find(|(known, _)| *known == name).map_or(0, |(_, new)| *new);
        if said.len() != new {
            wrong.push(format!("{name}: {} alerts where {new} are right", said.len()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The rules with everything that is under review allowed.
fn all_allowed(rules: &str) -> String {
    let Some((before, review)) = rules.split_once("# ---- For review") else { return rules.to_owned() };
    let (title, review) = review.split_once('\n').unwrap();
    let lines: Vec<&str> = review.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).collect();
    format!("{before}# ---- For review{title}\n{}\n", lines.join("\n"))
}

/// How many messages and conversations were put aside, by what was said.
fn put_aside(said: &str) -> usize {
    let line = said.lines().find(|line| line.contains("put aside"));
    line.map_or(0, |line| line.split_whitespace().next().unwrap().replace(',', "").parse().unwrap())
}

/// The alerts but for malformed messages, which alert whatever the rules are.
fn objections(capture: &Path, rules: &Path) -> Vec<serde_json::Value> {
    let mut said = alerts(capture, rules);
    said.retain(|alert| alert["kind"] != "malformed");
    said
}

/// The same traffic again: nothing changes, nothing alerts but what is under review, and that does not once it is
/// allowed.
fn learns_all_of_it(capture: &Path, folder: &Path) {
    let rules = folder.join("rules.toml");
    let _ = std::fs::remove_file(&rules);
    let aside = put_aside(&learn(capture, &rules, &[]));
    check(&rules);
    let first = text(&rules);
    learn(capture, &rules, &[]);
    assert_eq!(text(&rules), first, "{}", capture.display());
    let said = objections(capture, &rules);
    assert_eq!(said.len(), aside, "{}: {:#?}\n{first}", capture.display(), summaries(&said));
    std::fs::write(&rules, all_allowed(&first)).unwrap();
    check(&rules);
    let said = objections(capture, &rules);
    assert!(said.is_empty(), "{}: {:#?}\n{}", capture.display(), summaries(&said), text(&rules));
}

#[test]
fn what_was_learned_passes_and_a_second_run_changes_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    for name in ["demo-plant", "dnp3-substation", "iec104-substation", "modbus-functions"] {
        learns_all_of_it(Path::new(&ours(&format!("captures/{name}.pcap"))), temporary.path());
    }
    let Some(folder) = shared("what_was_learned_passes") else { return };
    let list = text(&folder.join("index.tsv"));
    let ours = |row: &&str| row.contains("mbtcp=") || row.contains("dnp3=") || row.contains("iec60870_104=");
    let captures: Vec<&str> = list.lines().filter(ours).filter_map(|row| row.split('\t').next()).collect();
    assert!(captures.len() > 50, "only {} captures", captures.len());
    captures.iter().for_each(|capture| learns_all_of_it(&folder.join(capture), temporary.path()));
}

/// Run with WAYSIDE_BLESS=1 to write the golden file anew; then read the difference.
#[test]
fn the_recorded_plant_is_learned_as_in_the_golden_file() {
    let temporary = tempfile::tempdir().unwrap();
    let rules = temporary.path().join("rules.toml");
    learn(Path::new(&ours("captures/demo-plant.pcap")), &rules, &[]);
    let golden = ours("tests/golden/demo-plant-learned.toml");
    if std::env::var_os("WAYSIDE_BLESS").is_some() {
        std::fs::write(&golden, text(&rules)).unwrap();
    }
    assert_eq!(text(&rules), text(Path::new(&golden)), "{golden}");
}

/// A file that somebody wrote: odd in its ways, and right about a part of the plant.
const WRITTEN: &str = r#"# The pump station. Ask Maria before changing set points!
version   =   1

[hosts] # from the drawing of 2019
control-room = '127.20.0.10'
booster={}  # the one behind the fence

# pumps
[[allow]]
name = "Polling"
from = "control-room"
to = "booster"
protocol = "modbus"
may = ["read"] # anything

[[deny]]
name = "Nobody writes coils of the booster"
to = "booster"
protocol = "modbus"
may = ["write"]
points = ["coil:*"]

[defaults]
control-traffic = "deny"
other-traffic   = "allow" # for now
# the end
"#;

#[test]
fn what_people_wrote_stays_and_only_what_it_lacks_is_added() {
    let temporary = tempfile::tempdir().unwrap();
    let rules = temporary.path().join("rules.toml");
    let written = WRITTEN.replace("{}", "\"127.20.1.3\"");
    std::fs::write(&rules, &written).unwrap();
    let capture = ours("captures/demo-plant.pcap");
    let capture = Path::new(&capture);
    let said = learn(capture, &rules, &[]);
    assert!(said.contains("1 broke a deny rule"), "{said}");
    check(&rules);
    let after = text(&rules);
    let mut rest = after.lines();
    for line in written.lines() {
        assert!(rest.any(|other| other == line), "'{line}' is gone or moved:\n{after}");
    }
    for (line, times) in [
        // New hosts stand in the table that is there; its names are used.
        ("plc-20-1-1 = \"127.20.1.1\"", 1),
        ("control-room = ", 1),
        ("from = \"control-room\"", 4),
        ("name = \"control-room writes holding:101 of booster\"", 1),
        ("[defaults]", 1),
        ("version", 1),
        // What the rules allow, and what they deny, is not learned.
        ("name = \"control-room reads booster", 0),
        ("\"coil:0-1\"", 0),
    ] {
        assert_eq!(after.matches(line).count(), times, "{line}\n{after}");
    }
    learn(capture, &rules, &[]);
    assert_eq!(text(&rules), after);
    let under_review = |alert: &serde_json::Value| alert["src"].as_str().unwrap().starts_with("127.66.6.6:");
    let said = alerts(capture, &rules);
    assert!(!said.is_empty() && said.iter().all(under_review), "{:#?}", summaries(&said));
}

#[test]
fn the_names_of_other_files_of_the_set_are_used() {
    let temporary = tempfile::tempdir().unwrap();
    let rules = temporary.path().join("learned.toml");
    let capture = ours("captures/demo-plant.pcap");
    learn(Path::new(&capture), &rules, &["--rules", &ours("rules")]);
    let learned = text(&rules);
    assert!(!learned.contains("[defaults]") && !learned.contains("\"127.30.1.1\""), "{learned}");
    assert!(learned.contains("127.66.6.6") && learned.contains("booster"), "{learned}");
    let both = run(&["rules", "check", &ours("rules"), &rules.to_string_lossy()]);
    assert!(both.status.success(), "{}", err(&both));
}

#[test]
fn what_cannot_be_done_is_one_sentence() {
    let temporary = tempfile::tempdir().unwrap();
    let wrong = temporary.path().join("wrong.toml");
    std::fs::write(&wrong, "version = 1\n[[allow]]\nname = \"a\"\nform = \"b\"\n").unwrap();
    let capture = ours("captures/demo-plant.pcap");
    let folder = temporary.path().to_string_lossy().into_owned();
    let there = wrong.to_string_lossy().into_owned();
    for (arguments, code, words) in [
        (vec!["learn", &capture, "-o", &there], 2, "nothing was learned"),
        (vec!["learn", &capture, "-o", &folder], 2, "is a folder"),
        (vec!["learn", &capture, "-o", "/no/such/folder/rules.toml"], 1, "cannot write"),
        (vec!["learn", "-o", "rules.toml"], 2, "required"),
        (vec!["learn", &capture, "-o", "-", "--slack", "ten"], 2, "percent"),
        (vec!["learn", &capture, "-o", "-", "--for", "14d"], 2, "--interface"),
    ] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", err(&output));
        assert!(err(&output).contains(words), "{arguments:?}: {}", err(&output));
    }
    assert!(text(&wrong).contains("form"));
}
