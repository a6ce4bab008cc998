//! The folded log: nothing but plain repeated reads and their answers is folded away, and together with the lines about them it says
//! as much as the full log.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod common;

use common::{err, ours, out, run, shared};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn log(file: &Path, more: &[&str]) -> Vec<String> {
    let file = file.to_string_lossy().into_owned();
    let output = run(&[&["replay", "--quiet", "--events", "-", &file], more].concat());
    assert!(output.status.success(), "{}", err(&output));
    out(&output).lines().map(str::to_owned).collect()
}

fn captures(test: &str) -> Vec<PathBuf> {
    let list =
        |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut all: Vec<PathBuf> = list(PathBuf::from(ours("captures"))).collect();
    if let Some(folder) = shared(test) {
        all.extend(["iti", "lemay", "made"].into_iter().flat_map(|name| list(folder.join(name))));
    }
    all.retain(|path| path.extension().is_some_and(|end| end == "pcap" || end == "pcapng"));
    all.sort();
    all
}

/// Who asked for what, so that a line about many can be compared with them.
fn asked(event: &Value) -> String {
    let answer = event["kind"] == "response";
    let ends = if answer { [&event["dst"], &event["src"]] } else { [&event["src"], &event["dst"]] };
    let names = |points: &Value| -> Vec<Value> {
        let point = |point: &Value| serde_json::json!([point["space"], point["first"], point["last"]]);
        points.as_array().unwrap().iter().map(point).collect()
    };
    serde_json::json!([ends, event["proto"], names(&event["points"])]).to_string()
}

fn instant(value: &Value) -> jiff::Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn only_plain_repeated_reads_and_their_answers_are_folded_and_the_sums_are_right() {
    let (mut folded_away, mut lines) = (0, 0);
    let schema = std::fs::read_to_string(ours("docs/schemas/folded.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    for file in captures("folded log") {
        let full = log(&file, &[]);
        let folded = log(&file, &["--fold"]);
        let shown = file.display();
        // What is whole is a part of the full log, in its order.
        let whole: Vec<&String> =
            folded.iter().filter(|line| !line.contains("\"kind\":\"folded\"")).collect();
        let mut next = whole.iter().peekable();
        let mut gone: Vec<Value> = Vec::new();
        for line in &full {
            match next.next_if(|own| **own == line) {
                Some(_) => {}
                None => gone.push(serde_json::from_str(line).unwrap()),
            }
        }
        assert!(next.peek().is_none(), "{shown}: {:?} is not in the full log", next.peek());
        // What is gone is a plain read that was there before, or its answer.
        let mut sums: BTreeMap<String, [u64; 2]> = BTreeMap::new();
        for event in &gone {
            assert_eq!(event["verb"], "read", "{shown}: {event}");
            let is_answer = event["kind"] == "response";
            assert!(is_answer || event["kind"] == "request", "{shown}: {event}");
            assert!(!is_answer || event["outcome"] == "success", "{shown}: {event}");
            assert!(!is_answer || event["request_frame"].is_u64(), "{shown}: {event}");
            assert!(event.get("reason").is_none(), "{shown}: {event}");
            sums.entry(asked(event)).or_default()[usize::from(is_answer)] += 1;
        }
        let mut told: BTreeMap<String, [u64; 2]> = BTreeMap::new();
        for line in folded.iter().filter(|line| line.contains("\"kind\":\"folded\"")) {
            let line: Value = serde_json::from_str(line).unwrap();
            let sum = told.entry(asked(&line)).or_default();
            sum[0] += line["requests"].as_u64().unwrap();
            sum[1] += line["responses"].as_u64().unwrap();
            let wrong: Vec<String> = schema.iter_errors(&line).map(|error| error.to_string()).collect();
            assert!(wrong.is_empty(), "{shown}: {wrong:?} in {line}");
            assert!(instant(&line["ts"]) <= instant(&line["last_ts"]), "{shown}: {line}");
            lines += 1;
        }
        assert_eq!(told, sums, "{shown}");
        folded_away += gone.len();
    }
    println!("{folded_away} messages folded into {lines} lines");
    assert!(folded_away > 100);
}

#[test]
fn the_first_of_each_is_whole_and_values_that_change_are_told() {
    let file = PathBuf::from(ours("captures/demo-plant.pcap"));
    let full = log(&file, &[]);
    let folded = log(&file, &["--fold"]);
    let read = |line: &String| -> Value { serde_json::from_str(line).unwrap() };
    // Every poll of the full log has its first request and its first answer whole.
    let mut first: BTreeMap<(String, String), String> = BTreeMap::new();
    for line in &full {
        let event = read(line);
        let key = (asked(&event), event["kind"].to_string());
        first.entry(key).or_insert_with(|| line.clone());
    }
    for line in first.values() {
        assert!(folded.contains(line), "{line}");
    }
    // What a line says of values is what the answers said: the least and the most of each register.
    let mut compared = 0;
    for line in folded.iter().map(read).filter(|line| line["kind"] == "folded") {
        let (from, to) = (line["frame"].as_u64().unwrap(), line["last_frame"].as_u64().unwrap());
        let answers: Vec<Vec<f64>> = full
            .iter()
            .map(read)
            .filter(|event| event["kind"] == "response" && asked(event) == asked(&line))
            .filter(|event| {
                event["outcome"] == "success" && (from..=to).contains(&event["frame"].as_u64().unwrap())
            })
            .map(|event| {
                let number = |value: &Value| {
                    value.as_f64().unwrap_or_else(|| f64::from(u8::from(value == &Value::Bool(true))))
                };
                event["values"].as_array().unwrap().iter().map(number).collect()
            })
            .collect();
        let Some(last) = answers.last() else { continue };
        let own: Vec<f64> = line["values"]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| value.as_f64().unwrap_or_else(|| f64::from(u8::from(value == &Value::Bool(true)))))
            .collect();
        assert_eq!(own, *last, "{line}");
        let start = line["points"][0]["first"].as_u64().unwrap() as usize;
        for change in line["changed"].as_array().unwrap() {
            let at = change["index"].as_u64().unwrap() as usize - start;
            let of =
                |pick: fn(f64, f64) -> f64| answers.iter().map(|values| values[at]).reduce(pick).unwrap();
            // The answer before the line may lie outside of what its own answers say.
            assert!(change["min"].as_f64().unwrap() <= of(f64::min), "{line}");
            assert!(change["max"].as_f64().unwrap() >= of(f64::max), "{line}");
            compared += 1;
        }
        let changes =
            (0..last.len()).filter(|at| answers.iter().any(|values| values[*at] != last[*at])).count();
        assert!(line["changed"].as_array().unwrap().len() >= changes, "{line}");
    }
    println!("{compared} ranges compared");
    assert!(compared > 0);
}

#[test]
fn several_workers_write_the_same() {
    for file in captures("folded log by several workers").iter().filter(|file| {
        let name = file.to_string_lossy();
        ["demo-plant", "modbus_test_2", "mb2", "bro__modbus__modbusbig"]
            .iter()
            .any(|part| name.contains(part))
    }) {
        let one = log(file, &["--fold"]);
        for workers in ["2", "3"] {
            assert!(log(file, &["--fold", "--workers", workers]) == one, "{} with {workers}", file.display());
        }
    }
}

#[test]
fn a_steady_poll_takes_little_room() {
    let file = PathBuf::from(ours("captures/demo-plant.pcap"));
    let sum = |lines: &[String]| lines.iter().map(|line| line.len() + 1).sum::<usize>();
    let (full, folded) = (log(&file, &[]), log(&file, &["--fold"]));
    println!("{} octets of {}", sum(&folded), sum(&full));
    assert!(sum(&folded) < sum(&full));
}
