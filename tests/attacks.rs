//! The labelled attacks on a Modbus plant (CSET 2016 data set): with an allowlist for the plant's own traffic, the
//! attacks alert and nothing else does. Skipped, saying so, without the public captures.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod common;

use common::{err, out, run, shared};
use std::collections::BTreeSet;
use std::path::Path;

/// A master that polls six RTUs and operates their first coils; it shares a folder with one of them over NetBIOS.
const RULES: &str = r#"
version = 1
[hosts]
master = "192.168.1.100"
rtu-1 = "192.168.1.101"
rtu-2 = "192.168.1.102"
rtu-3 = "192.168.1.103"
rtu-4 = "192.168.1.104"
rtu-5 = "192.168.1.105"
rtu-6 = "192.168.1.106"
[groups]
rtus = ["rtu-1", "rtu-2", "rtu-3", "rtu-4", "rtu-5", "rtu-6"]
plant = ["master", "rtus"]
[[allow]]
name = "The master polls the RTUs"
from = "master"
to = "rtus"
protocol = "modbus"
unit = 1
may = ["read"]
points = ["coil:0-3", "discrete:4-7", "holding:8-11"]
[[allow]]
name = "The master operates the RTUs"
from = "master"
to = "rtus"
protocol = "modbus"
unit = 1
may = ["write"]
points = ["coil:0-3"]
[[allow]]
name = "Windows browsing"
from = "plant"
protocol = "tcp"
port = 139
[[allow]]
name = "Windows names and discovery"
protocol = "udp"
port = [137, 138, 546, 547, 1900, 5353, 5355]
[defaults]
control-traffic = "deny"
other-traffic = "deny"
"#;

/// The packets that the data set calls part of the attack.
fn attack_packets(labels: &Path) -> BTreeSet<u64> {
    let text = std::fs::read_to_string(labels).unwrap();
    text.lines()
        .filter_map(|line| line.split_once(';'))
        .filter(|(_, label)| label.trim() == "1")
        .map(|(number, _)| number.trim().parse().unwrap())
        .collect()
}

fn alerts(folder: &Path, capture: &str) -> (Vec<serde_json::Value>, BTreeSet<u64>) {
    let rules = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    std::fs::write(rules.path(), RULES).unwrap();
    let file = folder.join(format!("lemay/{capture}.pcap"));
    let output = run(&[
        "replay",
        "-q",
        &file.to_string_lossy(),
        "--rules",
        &rules.path().to_string_lossy(),
        "--alerts",
        "-",
        "--group",
        "none",
    ]);
    assert!(output.status.success(), "{}", err(&output));
    let alerts = out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (alerts, attack_packets(&folder.join(format!("lemay/{capture}_labels.csv"))))
}

#[test]
fn a_scan_over_functions_and_points_alerts_and_the_poll_does_not() {
    let Some(folder) = shared("a_scan_over_functions") else { return };
    let (alerts, attack) = alerts(&folder, "characterization_modbus_6rtu_with_operate");
    assert!(alerts.len() > 1000, "only {} alerts", alerts.len());
    for alert in &alerts {
        let frame = alert["frame"].as_u64().unwrap();
        assert!(attack.contains(&frame), "{alert} is no attack");
        assert!(alert["src"].as_str().unwrap().starts_with("192.168.1.101:"), "{alert}");
    }
    let summaries: Vec<&str> = alerts.iter().filter_map(|alert| alert["summary"].as_str()).collect();
    let told = |words: &str| summaries.iter().any(|summary| summary.contains(words));
    assert!(
        told("rtu-1 read coil 0 of rtu-4; no rule lets it speak Modbus to rtu-4."),
        "{:?}",
        &summaries[..5]
    );
}

#[test]
fn a_command_channel_to_an_rtu_is_a_new_conversation() {
    let Some(folder) = shared("a_command_channel") else { return };
    let (alerts, attack) = alerts(&folder, "cnc_uploading_exe_modbus_6rtu_with_operate");
    let said: Vec<&str> = alerts.iter().filter_map(|alert| alert["summary"].as_str()).collect();
    assert_eq!(alerts.len(), 1, "{said:#?}");
    assert_eq!(alerts[0]["kind"], "new-conversation");
    assert!(said[0].contains("rtu-1") && said[0].contains("rtu-5") && said[0].contains("4444"), "{said:?}");
    assert!(attack.contains(&alerts[0]["frame"].as_u64().unwrap()));
}
