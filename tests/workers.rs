//! Several workers say what one says: the same events and alerts, in the same order, with the same counts.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod common;

use common::{err, ours, run, shared, wayside};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Rules that look at more than the present message, so that all of it must be judged in order.
const REMEMBERING: &str = r#"
version = 1
[[allow]]
name = "Some reads, not too many"
protocol = ["modbus", "dnp3"]
may = ["read", "identify"]
rate = "20/min"
[[allow]]
name = "Small steps"
protocol = "modbus"
may = ["write"]
change = 10
[[deny]]
name = "No restarts"
may = ["restart"]
[[expect]]
name = "Somebody answers"
protocol = ["modbus", "dnp3"]
every = "2s"
[defaults]
other-traffic = "deny"
"#;

/// Events, alerts and the summary without the time it took.
fn said(files: &[&Path], rules: &str, workers: &str) -> [String; 3] {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (events, alerts) = (path("events"), path("alerts"));
    let mut arguments =
        vec!["replay", "--workers", workers, "--rules", rules, "--events", &events, "--alerts", &alerts];
    let files: Vec<_> = files.iter().map(|file| file.to_string_lossy()).collect();
    arguments.extend(files.iter().map(|file| &**file));
    let output = run(&arguments);
    assert!(output.status.success(), "{files:?}: {}", err(&output));
    let read = |path: &str| std::fs::read_to_string(path).unwrap();
    let summary = err(&output);
    let summary: Vec<&str> =
        summary.lines().map(|line| line.split(", read from").next().unwrap_or(line)).collect();
    [read(&events), read(&alerts), summary.join("\n")]
}

fn same(files: &[&Path], rules: &str) {
    let one = said(files, rules, "1");
    for workers in ["2", "5"] {
        let many = said(files, rules, workers);
        for (one, many) in one.iter().zip(&many) {
            for (at, (one, many)) in one.lines().zip(many.lines()).enumerate() {
                assert_eq!(one, many, "{files:?} with {workers} workers and {rules}, line {}", at + 1);
            }
            assert_eq!(one.lines().count(), many.lines().count(), "{files:?} with {workers} workers");
        }
    }
}

fn remembering(folder: &Path) -> String {
    let path = folder.join("remembering.toml");
    std::fs::write(&path, REMEMBERING).unwrap();
    path.to_string_lossy().into_owned()
}

fn captures(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.extension().and_then(|extension| extension.to_str()) {
            _ if path.is_dir() => captures(&path, into),
            Some("pcap" | "pcapng" | "cap") => into.push(path),
            _ => {}
        }
    }
}

#[test]
fn the_projects_own_recordings() {
    let folder = tempfile::tempdir().unwrap();
    let rules = remembering(folder.path());
    let mut files = Vec::new();
    captures(Path::new(&ours("captures")), &mut files);
    files.sort();
    for file in &files {
        same(&[file], &ours("rules"));
        same(&[file], &rules);
    }
    // Side by side, so that each event names its file.
    let all: Vec<&Path> = files.iter().map(PathBuf::as_path).collect();
    same(&all, &rules);
}

/// All public captures: fragments, tunnels, odd link layers, damaged files.
#[test]
fn the_public_captures() {
    let Some(public) = shared("the_public_captures") else { return };
    let folder = tempfile::tempdir().unwrap();
    let rules = remembering(folder.path());
    let mut files = Vec::new();
    captures(&public, &mut files);
    files.sort();
    for file in &files {
        let readable = run(&["replay", "--quiet", &file.to_string_lossy()]).status.success();
        if readable {
            same(&[file], &rules);
        }
    }
    same(&[&public.join("lemay")], &rules);
}

/// What cannot be opened twice is read once, for all workers.
#[test]
fn standard_input() {
    let file = ours("captures/demo-plant.pcap");
    let replay = |workers: &str| {
        let arguments = ["replay", "--quiet", "--workers", workers, "--events", "-", "-"];
        let input = std::fs::File::open(&file).unwrap();
        let output = wayside().args(arguments).stdin(Stdio::from(input)).output().unwrap();
        assert!(output.status.success());
        output.stdout
    };
    let one = replay("1");
    assert!(one.len() > 100_000);
    assert!(one == replay("2") && one == replay("7"), "several workers say something else");
}

/// A reader that goes away ends the replay, whatever the number of workers.
#[test]
fn a_reader_that_goes_away() {
    let file = ours("captures/demo-plant.pcap");
    let mut child = wayside()
        .args(["replay", "--quiet", "--workers", "2", "--events", "-", &file])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
