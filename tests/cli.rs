//! The binary as a user drives it: what it says, and how it ends.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod common;

use common::{err, ours, out, run, wayside};
use std::io::Write;
use std::process::Stdio;

fn demo() -> String {
    ours("captures/demo-plant.pcap")
}

#[test]
fn a_replay_with_rules_tells_the_story_in_sentences() {
    let output = run(&["replay", &demo(), "--rules", &ours("rules")]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let said = out(&output);
    for sentence in [
        "scada wrote 900 to holding register 101 of booster; the rule 'Set points, within limits' allows 0 to 450.",
        "An unknown device 127.66.6.6 asked intake what it is",
        "An unknown device 127.66.6.6 switched ",
        "T0836 Modify Parameter",
        "T0855 Unauthorized Command Message",
    ] {
        assert!(said.contains(sentence), "{sentence:?} is not in\n{said}");
    }
    assert!(!said.contains("yard-office"), "the office does nothing wrong:\n{said}");
    let summary = err(&output);
    assert!(summary.contains("Modbus") && summary.contains(" alerts for "), "{summary}");
}

#[test]
fn alerts_are_json_lines_with_the_contracts_members() {
    let output = run(&["replay", "-q", &demo(), "--rules", &ours("rules"), "--alerts", "-"]);
    let alerts: Vec<serde_json::Value> =
        out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(alerts.len() > 5);
    for alert in &alerts {
        for member in [
            "id",
            "ts",
            "first_seen",
            "last_seen",
            "count",
            "severity",
            "rule",
            "kind",
            "summary",
            "src",
            "dst",
            "proto",
            "frame",
            "frames",
            "attack",
            "points",
            "values",
            "evidence",
            "sensor",
        ] {
            assert!(alert.get(member).is_some(), "{member} is missing in {alert}");
        }
    }
    let again = run(&["replay", "-q", &demo(), "--rules", &ours("rules"), "--alerts", "-"]);
    assert_eq!(out(&output), out(&again), "the same capture gives the same alerts, ids included");
    let single =
        run(&["replay", "-q", &demo(), "--rules", &ours("rules"), "--alerts", "-", "--group", "none"]);
    let grouped: u64 = alerts.iter().map(|alert| alert["count"].as_u64().unwrap()).sum();
    assert_eq!(out(&single).lines().count() as u64, grouped, "one line for each message");
}

#[test]
fn fail_on_tells_a_script() {
    let rules = ours("rules");
    let with = |severity: &str| run(&["replay", "-q", &demo(), "--rules", &rules, "--fail-on", severity]);
    assert_eq!(with("high").status.code(), Some(3));
    assert_eq!(with("critical").status.code(), Some(0));
    assert_eq!(with("dreadful").status.code(), Some(2));
    assert_eq!(
        run(&["replay", "-q", &demo(), "--fail-on", "low"]).status.code(),
        Some(0),
        "no rules, no alerts"
    );
}

#[test]
fn captures_come_compressed_and_through_a_pipe() {
    let bytes = std::fs::read(demo()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let gz = folder.path().join("a.pcap.gz");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(&bytes).unwrap();
    std::fs::write(&gz, encoder.finish().unwrap()).unwrap();
    let zst = folder.path().join("a.pcap.zst");
    std::fs::write(&zst, zstd::encode_all(bytes.as_slice(), 1).unwrap()).unwrap();
    let plain = out(&run(&["replay", "-q", "--events", "-", &demo()]));
    assert!(plain.lines().count() > 500);
    for file in [&gz, &zst] {
        assert_eq!(out(&run(&["replay", "-q", "--events", "-", &file.to_string_lossy()])), plain);
    }
    let mut child = wayside()
        .args(["replay", "-q", "--events", "-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || stdin.write_all(&bytes).unwrap());
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    assert_eq!(out(&output), plain);
}

#[test]
fn events_can_be_read_by_people() {
    let said = out(&run(&["replay", "-q", "--pretty", &demo()]));
    let line = said.lines().find(|line| line.contains("holding:101 = 900")).unwrap();
    assert!(line.contains("request") && line.contains("write write-single-register"), "{line}");
}

#[test]
fn bad_input_is_one_clear_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_string_lossy().into_owned()
    };
    let cut = std::fs::read(demo()).unwrap();
    let empty = folder.path().join("nothing");
    std::fs::create_dir(&empty).unwrap();
    for (arguments, code, sentence) in [
        (vec!["replay", "no-such.pcap"], 1, "no-such.pcap"),
        (vec!["replay", &file("text.pcap", b"this is no capture, only text")], 1, "text.pcap is not a"),
        (vec!["replay", &file("empty.pcap", b"")], 1, "empty.pcap"),
        (vec!["replay", &empty.to_string_lossy()], 1, "nothing"),
        (vec!["replay", &file("cut.pcap", &cut[..cut.len() - 5])], 0, "cut.pcap"),
        (vec!["replay", &demo(), "--rules", "no-such.toml"], 2, "no-such.toml"),
        (vec!["run", "-c", "no-such.toml"], 2, "cannot read the configuration no-such.toml"),
        (vec!["replay"], 2, "required"),
        (vec!["replay", &demo(), "--speed", "0"], 2, "a number above 0"),
        (vec!["replay", &demo(), "--events", "/no/such/folder/x"], 1, "cannot write /no/such/folder/x"),
    ] {
        let output = run(&arguments);
        let said = err(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(sentence), "{arguments:?}: {sentence:?} is not in {said}");
        assert!(!said.contains("panicked"), "{said}");
    }
}

#[test]
fn a_rule_file_with_an_error_is_shown_with_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.toml");
    let text = "version = 1\n[hosts]\nplc-3 = \"10.20.1.3\"\n\n[[allow]]\nname = \"x\"\nto = \"plc3\"\n";
    std::fs::write(&path, text).unwrap();
    let output = run(&["rules", "check", &path.to_string_lossy()]);
    let said = err(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("unknown host 'plc3'") && said.contains("did you mean 'plc-3'?"), "{said}");
    assert!(said.contains("rules.toml:7"), "{said}");
    let good = run(&["rules", "check", &ours("rules")]);
    assert_eq!(good.status.code(), Some(0), "{}", err(&good));
    assert!(out(&good).contains("rules, 0 warnings"), "{} {}", out(&good), err(&good));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let mut child = wayside()
        .args(["replay", "-q", "--events", "-", &demo()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
}

#[test]
fn the_recorded_demo_tells_its_story_and_serves_its_metrics() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let child = wayside()
        .args(["demo", "--recorded", "--pace", "20", "--listen", &listen])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut metrics = String::new();
    for _ in 0..200 {
        std::thread::sleep(std::time::Duration::from_millis(25));
        let Ok(mut stream) = std::net::TcpStream::connect(&listen) else { continue };
        let mut page = String::new();
        let asked = write!(stream, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        if asked.is_ok() && std::io::Read::read_to_string(&mut stream, &mut page).is_ok() {
            metrics = page;
        }
        if metrics.contains("wayside_messages_total{") {
            break;
        }
    }
    let output = child.wait_with_output().unwrap();
    let said = out(&output);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(metrics.contains("wayside_messages_total{"), "{metrics}");
    let mistake = said.find("types 900").unwrap();
    let alert = said.find("scada wrote 900 to holding register 101 of booster").unwrap();
    let intruder = said.find("Somebody has plugged in a laptop").unwrap();
    assert!(mistake < alert && alert < intruder, "in the order of the story:\n{said}");
}

#[test]
fn the_simulated_plant_can_be_played_by_itself() {
    let output = run(&["demo", "--plant-only", "--pace", "25"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).contains("switches off both booster pumps"), "{}", out(&output));
}

/// Run with WAYSIDE_BLESS=1 to write the golden files anew; then read the difference.
#[test]
fn an_import_gives_the_golden_rules_and_reasons() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("imported.toml");
    let path = path.to_string_lossy();
    let output = run(&["rules", "import", "tests/suricata/plant.rules"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    for (said, golden) in [(out(&output), "imported-rules.toml"), (err(&output), "imported-rules.txt")] {
        let golden = ours(&format!("tests/golden/{golden}"));
        if std::env::var_os("WAYSIDE_BLESS").is_some() {
            std::fs::write(&golden, &said).unwrap();
        }
        assert_eq!(said, std::fs::read_to_string(&golden).unwrap(), "{golden}");
    }
    let write = |more: &[&str]| {
        run(&[&["rules", "import", "tests/suricata/plant.rules", "-o", &path][..], more].concat())
    };
    assert_eq!(write(&[]).status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(&*path).unwrap(), out(&output));
    let check = run(&["rules", "check", &path]);
    assert_eq!(check.status.code(), Some(0), "{}", err(&check));
    let again = write(&["--set", "PUMPS=10.20.1.9"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(err(&again).contains("is there already; --force overwrites it"), "{}", err(&again));
    let forced = write(&["--set", "PUMPS=10.20.1.9,10.20.1.10", "--force"]);
    assert_eq!(forced.status.code(), Some(0), "{}", err(&forced));
    assert!(err(&forced).ends_with("18 rules carried over, 17 not\n"), "{}", err(&forced));
    let text = std::fs::read_to_string(&*path).unwrap();
    assert!(text.contains("pumps = [\"10.20.1.10\", \"10.20.1.9\"]"), "{text}");
}

#[test]
fn imported_rules_judge_a_capture() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    };
    // The operator's mistake is 900 in register 101, which is address 102.
    let rule = |address: u32| {
        format!(
            "alert modbus $HOME_NET any -> any any (msg:\"Above {address}\"; modbus: access write holding, \
             address {address}, value >899; priority:1; sid:1;)\n"
        )
    };
    let rules = file("mark.rules", &[rule(101), rule(102), rule(103)].concat());
    let vars = file("suricata.yaml", "vars:\n  address-groups:\n    HOME_NET: \"[127.20.0.0/16]\"\n");
    let imported = run(&["rules", "import", &rules, "--vars", &vars]);
    let toml = file("mark.toml", &out(&imported));
    let replayed = run(&["replay", "-q", "--alerts", "-", &demo(), "--rules", &toml]);
    let said = out(&replayed);
    assert!(said.contains("\"Above 102\""), "{} {said}", err(&replayed));
    assert!(!said.contains("\"Above 101\"") && !said.contains("\"Above 103\""), "{said}");
}

#[test]
fn an_import_that_cannot_be_done_says_so() {
    for (arguments, code, sentence) in [
        (vec!["rules", "import"], 2, "required"),
        (vec!["rules", "import", "no-such.rules"], 1, "cannot read no-such.rules"),
        (vec!["rules", "import", "tests/suricata/plant.rules", "--set", "PUMPS"], 2, "write NAME=ADDRESS"),
        (vec!["rules", "import", "tests/suricata/plant.rules", "--vars", "no-such.yaml"], 1, "no-such.yaml"),
        (vec!["rules", "import", "tests/suricata/plant.rules", "-o", "/no/such/folder/x"], 1, "cannot write"),
    ] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", err(&output));
        assert!(err(&output).contains(sentence), "{arguments:?}: {}", err(&output));
    }
}
