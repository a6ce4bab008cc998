//! The live sensor on the loopback interface: captures, serves metrics, reloads rules, ends in order. Skipped, saying
//! so, where capture is not allowed.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod common;

use common::{err, wayside};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

/// A sensor on the loopback interface with its folder.
struct Sensor {
    child: Option<Child>,
    folder: tempfile::TempDir,
    web: u16,
    device: TcpListener,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Asks the sensor's page.
fn page(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

/// Waits until something is so.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Sensor {
    /// Starts one with these rules; `None`, saying so, where capture is not allowed.
    fn start(test: &str, rules: &str) -> Option<Sensor> {
        Sensor::start_with(test, rules, "")
    }

    /// The same with more in its configuration.
    fn start_with(test: &str, rules: &str, more: &str) -> Option<Sensor> {
        let device = TcpListener::bind("127.0.0.1:0").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let web = free_port();
        let port = device.local_addr().unwrap().port();
        std::fs::write(folder.path().join("rules.toml"), rules).unwrap();
        let config = format!(
            "[sensor]\nname = \"test\"\n[[interface]]\nname = \"lo\"\nfilter = \"tcp port {port}\"\n\
             [rules]\npaths = [\"rules.toml\"]\n[alerts]\nfile = \"alerts.ndjson\"\n\
             [web]\nlisten = \"127.0.0.1:{web}\"\n{more}"
        );
        std::fs::write(folder.path().join("wayside.toml"), config).unwrap();
        let mut child = wayside()
            .args(["run", "-c"])
            .arg(folder.path().join("wayside.toml"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while page(web, "/readyz").is_none_or(|text| !text.starts_with("HTTP/1.1 200")) {
            if let Ok(Some(_)) = child.try_wait() {
                let said = err(&child.wait_with_output().unwrap());
                assert!(said.contains("CAP_NET_RAW"), "{said}");
                println!("{test}: skipped, no permission to capture");
                return None;
            }
            assert!(began.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(Sensor { child: Some(child), folder, web, device })
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn alerts(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.path("alerts.ndjson")).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Writes a holding register as a client would.
    fn write_register(&self, value: u16) {
        let mut client = TcpStream::connect(self.device.local_addr().unwrap()).unwrap();
        let (mut device, _) = self.device.accept().unwrap();
        let mut message = vec![0, 1, 0, 0, 0, 6, 1, 6, 0, 101];
        message.extend(value.to_be_bytes());
        client.write_all(&message).unwrap();
        let mut got = [0; 12];
        device.read_exact(&mut got).unwrap();
        device.write_all(&got).unwrap();
        client.read_exact(&mut got).unwrap();
    }

    fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let status = std::process::Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap();
        assert!(status.success());
    }

    fn stop(&mut self) -> Output {
        self.signal("TERM");
        self.child.take().unwrap().wait_with_output().unwrap()
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn rules(limit: u16) -> String {
    format!(
        "version = 1\n[hosts]\nplant = \"127.0.0.1\"\n[[allow]]\nname = \"Set points\"\nfrom = \"plant\"\n\
         to = \"plant\"\nprotocol = \"modbus\"\nmay = [\"write\"]\npoints = [\"holding:101\"]\nvalues = \"0..{limit}\"\n"
    )
}

#[test]
fn what_a_live_sensor_saw_is_in_its_store() {
    let more = "[store]\nfile = \"wayside.db\"\n";
    let Some(mut sensor) = Sensor::start_with("the store", &rules(450), more) else { return };
    sensor.write_register(900);
    until("the alert", || sensor.alerts().into_iter().next());
    until("the metric", || {
        page(sensor.web, "/metrics").filter(|text| text.contains("wayside_store_written_total 1\n"))
    });
    std::fs::write(sensor.path("rules.toml"), rules(500)).unwrap();
    until("the new rules", || {
        page(sensor.web, "/metrics").filter(|text| text.contains("rule_reloads_total{result=\"loaded\"} 1"))
    });
    assert!(sensor.stop().status.success());
    let check = wayside::store::check(&sensor.path("wayside.db")).unwrap();
    assert_eq!(check.problems, Vec::<String>::new());
    let count = |name: &str| check.rows.iter().find(|row| row.0 == name).unwrap().1;
    assert_eq!(["alerts", "rule sets", "conversations", "points"].map(count), [1, 2, 1, 1]);
    let known = wayside::store::Store::open(&sensor.path("wayside.db"), Default::default()).unwrap();
    let sets = known.read(|reader| reader.rule_sets(None, 9)).unwrap().items;
    let texts = known.read(|reader| reader.rule_files(&sets[0].hash)).unwrap();
    assert_eq!(texts[0].text, rules(500));
}

#[test]
fn a_live_sensor_alerts_counts_reloads_and_ends_in_order() {
    let Some(mut sensor) = Sensor::start("a_live_sensor", &rules(450)) else { return };
    sensor.write_register(400);
    sensor.write_register(900);
    let alert = until("the alert", || sensor.alerts().into_iter().next());
    assert_eq!(
        alert["summary"],
        "plant wrote 900 to holding register 101 of plant; the rule 'Set points' allows 0 to 450."
    );
    assert_eq!(sensor.alerts().len(), 1, "400 is within the limits");
    let metrics = until("the metrics", || {
        let has =
            |text: &String| text.contains("wayside_rule_hits_total{") && text.contains("wayside_devices 1\n");
        page(sensor.web, "/metrics").filter(has)
    });
    for series in [
        "wayside_messages_total{kind=\"request\",protocol=\"modbus\",verb=\"write\"} 2",
        "wayside_alerts_total{kind=\"not-allowed\",severity=\"high\"} 1",
        "wayside_rule_hits_total{rule=\"Set points\"} 1",
        "wayside_response_seconds_count{protocol=\"modbus\"} 2",
        "wayside_packets_dropped_total{by=\"kernel\",interface=\"lo\"} 0",
        "wayside_build_info{version=\"",
    ] {
        assert!(metrics.contains(series), "{series} is not in\n{metrics}");
    }

    // Rules with an error never replace good ones.
    std::fs::write(sensor.path("rules.toml"), "version = 1\n[hosts\n").unwrap();
    until("the refusal", || {
        page(sensor.web, "/metrics").filter(|text| text.contains("rule_reloads_total{result=\"refused\"} 1"))
    });
    sensor.write_register(901);
    until("the second message", || {
        page(sensor.web, "/metrics").filter(|text| text.contains("verb=\"write\"} 3"))
    });

    // Good ones do, at the signal too.
    std::fs::write(sensor.path("rules.toml"), rules(1000)).unwrap();
    sensor.signal("HUP");
    until("the new rules", || {
        page(sensor.web, "/metrics").filter(|text| text.contains("rule_reloads_total{result=\"loaded\"} 1"))
    });
    sensor.write_register(902);
    until("the third message", || {
        page(sensor.web, "/metrics").filter(|text| text.contains("rule_hits_total{rule=\"Set points\"} 2"))
    });

    let output = sensor.stop();
    let said = err(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("watching lo; 1 rules in force"), "{said}");
    assert!(said.contains("the changed rules have errors; those in force stay"), "{said}");
    assert!(said.contains("stopped after "), "{said}");
    // The one group was open; its end says how often it happened.
    let last = sensor.alerts().pop().unwrap();
    assert_eq!((&last["id"], &last["count"]), (&alert["id"], &serde_json::json!(2)));
}

#[test]
fn what_cannot_be_watched_is_one_clear_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let config = |text: &str| {
        let path = folder.path().join("wayside.toml");
        std::fs::write(&path, text).unwrap();
        path
    };
    let ran = |path: &Path| wayside().args(["run", "-c"]).arg(path).output().unwrap();
    let output = ran(&config("[[interface]]\nname = \"nonesuch0\"\n"));
    let said = err(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("nonesuch0") && said.contains("lo"), "the interfaces there are: {said}");

    let output = ran(&config("[[interface]]\nname = \"lo\"\npromiscous = true\n"));
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("wayside.toml:3: unknown key 'promiscous'; did you mean 'promiscuous'?"));

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let output = ran(&config(&format!("[[interface]]\nname = \"lo\"\n[web]\nlisten = \"{address}\"\n")));
    let said = err(&output);
    if said.contains("CAP_NET_RAW") {
        return println!("what_cannot_be_watched: the rest skipped, no permission to capture");
    }
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("cannot listen on {address}")), "{said}");

    let output = ran(&config("[[interface]]\nname = \"lo\"\nfilter = \"tcp prot 502\"\n"));
    let said = err(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("tcp prot 502"), "{said}");
}

/// One worker or two: the same alerts. A bound that is reached is said once, with its key, and counted.
#[test]
fn a_bound_that_is_reached_is_said_once() {
    let more = "[limits]\nflows = 2\n";
    let Some(mut sensor) = Sensor::start_with("a_bound", &rules(450), more) else { return };
    (0..6).for_each(|_| sensor.write_register(900));
    let evicted = "wayside_evictions_total{what=\"flow\"} ";
    until("the count of what went", || {
        let text = page(sensor.web, "/metrics")?;
        let count = text.lines().find_map(|line| line.strip_prefix(evicted)?.parse::<u64>().ok())?;
        (count >= 3).then_some(())
    });
    let said = err(&sensor.stop());
    assert_eq!(said.matches("a limit was reached (flows = 2)").count(), 1, "{said}");
}

#[test]
fn two_workers_see_what_one_sees() {
    let more = "[limits]\nflows = 1000\n";
    let Some(mut sensor) = Sensor::start_with("two_workers", &rules(450), more) else { return };
    let folder = sensor.folder.path().join("wayside.toml");
    let text = std::fs::read_to_string(&folder).unwrap();
    sensor.stop();
    std::fs::write(&folder, text.replace("[sensor]\n", "[sensor]\nworkers = 2\n")).unwrap();
    let child = wayside()
        .args(["run", "-c"])
        .arg(&folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    sensor.child = Some(child);
    until("readiness", || page(sensor.web, "/readyz").filter(|text| text.starts_with("HTTP/1.1 200")));
    sensor.write_register(400);
    sensor.write_register(900);
    let alert = until("the alert", || sensor.alerts().into_iter().next());
    assert!(alert["summary"].as_str().unwrap().contains("wrote 900"), "{alert}");
    let written = "wayside_messages_total{kind=\"request\",protocol=\"modbus\",verb=\"write\"} 2";
    until("the count", || page(sensor.web, "/metrics").filter(|text| text.contains(written)));
    sensor.stop();
}

#[test]
fn the_packets_of_an_alert_are_kept() {
    let more = "[evidence]\nfolder = \"evidence\"\nafter = 1\n";
    let Some(mut sensor) = Sensor::start_with("the_packets", &rules(450), more) else { return };
    sensor.write_register(900);
    let alert = until("the alert", || sensor.alerts().into_iter().next());
    let path = sensor.path("evidence").join(format!("{}.pcapng", alert["id"].as_str().unwrap()));
    assert_eq!(alert["evidence"].as_str(), path.to_str());
    let bytes = until("the file", || std::fs::read(&path).ok());
    // Name of the interface, the octets of the request, and the comment.
    for part in
        [&b"lo"[..], &[0, 1, 0, 0, 0, 6, 1, 6, 0, 101, 3, 132], alert["summary"].as_str().unwrap().as_bytes()]
    {
        assert!(bytes.windows(part.len()).any(|window| window == part), "{part:?}");
    }
    let written = "wayside_evidence_written_total 1\n";
    until("the count", || page(sensor.web, "/metrics").filter(|text| text.contains(written)));
    sensor.stop();
}
