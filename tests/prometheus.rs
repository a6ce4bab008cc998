//! What Prometheus, Alertmanager and Grafana get: the metrics of a real sensor by promtool's standards, the alert rules
//! with their unit tests, every query of every dashboard against a real Prometheus, an alert through a real
//! Alertmanager, and how many series a hostile network can make.
//!
//! What needs a program that is not there is skipped, saying so; `deploy/prepare.sh test` installs them.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

#[path = "prometheus/boards.rs"]
mod boards;
#[path = "prometheus/cardinality.rs"]
mod cardinality;
mod common;
#[path = "prometheus/documentation.rs"]
mod documentation;
#[path = "prometheus/plant.rs"]
mod plant;
#[path = "prometheus/servers.rs"]
mod servers;

use common::ours;
use plant::Sensor;
use serde_json::Value;
use servers::{Alertmanager, Prometheus, Receiver, Running, program};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Queries that give nothing while all is well, by a word that is in them, and why the test does not bring them about.
const ONLY_IN_TROUBLE: [(&str, &str); 3] = [
    ("changes(wayside_start_time_seconds", "the sensor starts again at the end of the test, which asks then"),
    ("wayside_undecoded_packets_total", "broken headers cannot be sent from an ordinary socket"),
    ("wayside_connections_refused_total", "takes hundreds of connections, or TLS"),
];

/// Waits until something is so.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", common::out(output), common::err(output))
}

/// Runs a program on files of ours; it must find nothing wrong.
fn check(program: &Path, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(ours("deploy/prometheus"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = said(&output);
    assert!(output.status.success(), "{} {arguments:?}: {text}", program.display());
    text
}

#[test]
fn the_alert_rules_and_the_configuration_are_right() {
    let test = "the_alert_rules_and_the_configuration_are_right";
    if let Some(promtool) = program(&["promtool"], test) {
        check(&promtool, &["check", "rules", "--lint=all", "--lint-fatal", "wayside.rules.yml"]);
        check(&promtool, &["test", "rules", "wayside.rules.test.yml"]);
        check(&promtool, &["check", "config", "prometheus.yml"]);
    }
    if let Some(amtool) = program(&["amtool"], test) {
        check(&amtool, &["check-config", "alertmanager.yml"]);
        for (severity, to) in [("critical", "on-call"), ("warning", "engineers"), ("info", "engineers")] {
            let labels = format!("severity={severity}");
            let file = "--config.file=alertmanager.yml";
            let found = check(&amtool, &["config", "routes", "test", file, "alertname=WaysideDown", &labels]);
            assert_eq!(found.lines().next(), Some(to), "{severity}");
        }
    }
}

/// Each alert has a unit test, says what happened and what to do, and has a severity that the routes know.
#[test]
fn every_alert_rule_is_tested_and_says_what_to_do() {
    let text = std::fs::read_to_string(ours("deploy/prometheus/wayside.rules.yml")).unwrap();
    let tests = std::fs::read_to_string(ours("deploy/prometheus/wayside.rules.test.yml")).unwrap();
    let guide = std::fs::read_to_string(ours("docs/prometheus.md")).unwrap();
    let alerts: Vec<&str> = text.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 18);
    for alert in alerts {
        let name = alert.lines().next().unwrap();
        for part in ["labels: { severity: ", "summary: ", "description: "] {
            assert!(alert.contains(part), "{name} has no {part}");
        }
        assert!(tests.contains(name), "{name} has no test");
        assert!(guide.contains(&format!("`{name}`")), "docs/prometheus.md does not explain {name}");
    }
}

#[test]
fn what_a_sensor_serves_is_as_prometheus_wants_it() {
    let test = "what_a_sensor_serves_is_as_prometheus_wants_it";
    let Some(promtool) = program(&["promtool"], test) else { return };
    let Some(sensor) = Sensor::start(test) else { return };
    let _plant = sensor.plant();
    // With every series that a plant brings about, its labels too are looked at.
    let scraped = until("the last series", || {
        let text = sensor.metrics();
        [
            "exceptions_total{",
            "malformed_total{",
            "unanswered_total{",
            "relaxed_total{",
            "response_seconds_count{",
        ]
        .iter()
        .all(|part| text.contains(part))
        .then_some(text)
    });
    let mut promtool = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    promtool.stdin.take().unwrap().write_all(scraped.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success() && said(&output).is_empty(), "{}", said(&output));
    // An address is never a label.
    let labelled = scraped.lines().filter(|line| line.contains('{'));
    assert_eq!(labelled.filter(|line| line.contains("127.")).collect::<Vec<_>>(), Vec::<&str>::new());
}

/// A sensor, a Prometheus that scrapes it, an Alertmanager that is told, a receiver that is called.
#[test]
fn dashboards_and_alerts_work_with_the_real_servers() {
    let test = "dashboards_and_alerts_work_with_the_real_servers";
    // Debian's name, and its own.
    let Some(manager) = program(&["prometheus-alertmanager", "alertmanager"], test) else { return };
    let Some(prometheus) = program(&["prometheus"], test) else { return };
    let Some(mut sensor) = Sensor::start(test) else { return };
    let receiver = Receiver::start();
    let manager = Alertmanager::start(&manager, &receiver);
    let prometheus = Prometheus::start(&prometheus, &sensor, &manager);
    let has_data = |query: &str| !prometheus.ask(query).is_empty();
    until("the first scrape", || {
        has_data("up{job=\"wayside\"} == 1 and on () wayside_alerts_total").then_some(())
    });
    let _plant = sensor.plant();

    // Every query of every dashboard.
    let boards = boards::read();
    let mut waiting: BTreeSet<String> =
        boards.iter().flat_map(|board| board.queries.iter().cloned()).collect();
    assert!(waiting.len() > 40, "{waiting:?}");
    let excused = |query: &String| ONLY_IN_TROUBLE.iter().any(|(word, _)| query.contains(word));
    for query in waiting.iter().filter(|query| excused(query)) {
        // Valid all the same: `ask` fails where Prometheus finds an error.
        prometheus.ask(query);
    }
    waiting.retain(|query| !excused(query));
    let began = Instant::now();
    while !waiting.is_empty() && began.elapsed() < Duration::from_secs(25) {
        waiting.retain(|query| !has_data(query));
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(waiting.is_empty(), "no data came for {waiting:#?}\n{}", sensor.metrics());
    // What the variables offer.
    for (metric, label) in boards.iter().flat_map(|board| &board.variables) {
        let found = prometheus.ask(metric);
        assert!(found.iter().any(|one| one["metric"][label].is_string()), "{metric} has no {label}");
    }

    // Every rule is evaluated without an error.
    let rules = prometheus.rules();
    assert_eq!(rules.len(), servers::RULES.matches("- alert: ").count());
    for rule in &rules {
        assert_eq!((&rule["health"], &rule["lastError"]), (&"ok".into(), &Value::Null), "{rule}");
    }

    // The restart that somebody sent is a critical alert, and whoever is on call is called.
    let call = until("the call for the critical alert", || receiver.call("WaysideCriticalAlert"));
    assert_eq!(call["status"], "firing", "{call}");
    assert_eq!(call["receiver"], "on-call", "{call}");
    let told = call["alerts"][0]["annotations"]["summary"].as_str().unwrap();
    assert_eq!(told, "substation-7 has raised an alert of critical severity (denied)");

    // Then the sensor dies.
    sensor.kill();
    let call = until("the call for the dead sensor", || receiver.call("WaysideDown"));
    assert_eq!(call["alerts"][0]["labels"]["instance"], "substation-7", "{call}");
    // And is the only trouble of that sensor that is told from now on.
    until("the others to be kept back", || {
        let alerts = manager.alerts();
        let critical = alerts.iter().find(|alert| alert["labels"]["alertname"] == "WaysideCriticalAlert")?;
        (critical["status"]["state"] == "suppressed").then_some(())
    });

    // It starts again: charts show it, and it is told.
    sensor.start_again();
    for query in boards.iter().flat_map(|board| &board.queries).filter(|query| query.starts_with("changes("))
    {
        until("the start in the charts", || has_data(query).then_some(()));
    }
    until("the alert about it", || has_data("ALERTS{alertname=\"WaysideRestarted\"}").then_some(()));
}
