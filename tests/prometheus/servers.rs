//! A real Prometheus and a real Alertmanager with the configuration that we ship, in seconds instead of minutes.

use super::plant::{Sensor, free_port, get};
use super::{ours, until};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

/// The alert rules.
pub const RULES: &str = include_str!("../../deploy/prometheus/wayside.rules.yml");

/// A program that ends with the test.
pub struct Running(pub Child);

impl Running {
    fn start(command: &mut Command, log: &Path) -> Running {
        let log = std::fs::File::create(log).unwrap();
        Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program by one of its names, installed or as `deploy/prepare.sh test` unpacks it; `None`, saying so, where it is not.
pub fn program(names: &[&str], test: &str) -> Option<PathBuf> {
    let unpacked = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("peers/debian/usr/bin");
    let places = names.iter().flat_map(|name| [PathBuf::from(name), unpacked.join(name)]);
    let found = places.into_iter().find(|place| {
        let version =
            Command::new(place).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    });
    if found.is_none() {
        println!("{test}: skipped, there is no {}", names[0]);
    }
    found
}

/// A file of ours with some parts replaced, each of which must be in it.
fn adapted(file: &str, parts: &[(&str, &str)]) -> String {
    let mut text = std::fs::read_to_string(ours(file)).unwrap();
    for (part, instead) in parts {
        assert!(text.contains(part), "{file} has no {part}");
        text = text.replace(part, instead);
    }
    text
}

/// A Prometheus that scrapes once a second.
pub struct Prometheus {
    _running: Running,
    _folder: tempfile::TempDir,
    port: u16,
}

impl Prometheus {
    pub fn start(program: &Path, sensor: &Sensor, manager: &Alertmanager) -> Prometheus {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let at = |port: u16| format!("127.0.0.1:{port}");
        let config = adapted(
            "deploy/prometheus/prometheus.yml",
            &[("15s", "1s"), ("127.0.0.1:9093", &at(manager.port)), ("127.0.0.1:8460", &at(sensor.port))],
        );
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("prometheus.yml"), config).unwrap();
        // At once, where on duty it has to last.
        let rules: Vec<&str> = RULES.lines().filter(|line| !line.trim().starts_with("for: ")).collect();
        std::fs::write(path("wayside.rules.yml"), rules.join("\n")).unwrap();
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", path("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", path("tsdb").display()))
            .arg(format!("--web.listen-address={}", at(port)))
            .current_dir(folder.path());
        let running = Running::start(&mut command, &path("log"));
        let prometheus = Prometheus { _running: running, _folder: folder, port };
        until("Prometheus", || get(port, "/-/ready").filter(|(status, _)| *status == 200));
        prometheus
    }

    /// What a query gives now. An error in the query is one of the test.
    pub fn ask(&self, query: &str) -> Vec<Value> {
        let form = form_urlencoded::Serializer::new(String::new()).append_pair("query", query).finish();
        let (_, body) = get(self.port, &format!("/api/v1/query?{form}")).unwrap();
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].as_array().unwrap().clone()
    }

    /// Its rules, once each has been evaluated.
    pub fn rules(&self) -> Vec<Value> {
        until("the rules to be evaluated", || {
            let (_, body) = get(self.port, "/api/v1/rules")?;
            let answer: Value = serde_json::from_str(&body).unwrap();
            let groups = answer["data"]["groups"].as_array()?;
            let rules: Vec<Value> =
                groups.iter().filter_map(|group| group["rules"].as_array()).flatten().cloned().collect();
            (!rules.is_empty() && rules.iter().all(|rule| rule["health"] != "unknown")).then_some(rules)
        })
    }
}

/// An Alertmanager that tells at once.
pub struct Alertmanager {
    _running: Running,
    _folder: tempfile::TempDir,
    port: u16,
}

impl Alertmanager {
    pub fn start(program: &Path, receiver: &Receiver) -> Alertmanager {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let config = adapted(
            "deploy/prometheus/alertmanager.yml",
            &[
                ("group_wait: 30s", "group_wait: 0s"),
                ("group_wait: 5s", "group_wait: 0s"),
                // Nothing leaves this machine.
                ("mail.example.org:25", "127.0.0.1:9"),
                ("127.0.0.1:9099", &format!("127.0.0.1:{}", receiver.port)),
            ],
        );
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("alertmanager.yml"), config).unwrap();
        let mut command = Command::new(program);
        command
            .arg(format!("--config.file={}", path("alertmanager.yml").display()))
            .arg(format!("--storage.path={}", path("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg("--cluster.listen-address=");
        let running = Running::start(&mut command, &path("log"));
        until("Alertmanager", || get(port, "/-/ready").filter(|(status, _)| *status == 200));
        Alertmanager { _running: running, _folder: folder, port }
    }

    /// The alerts that it knows.
    pub fn alerts(&self) -> Vec<Value> {
        let (_, body) = get(self.port, "/api/v2/alerts").unwrap();
        serde_json::from_str(&body).unwrap()
    }
}

/// What turns a web request into a call: it keeps the calls.
pub struct Receiver {
    port: u16,
    calls: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    pub fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let calls: Arc<Mutex<Vec<Value>>> = Arc::default();
        let kept = calls.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream);
                let (mut line, mut length) = (String::new(), 0);
                while reader.read_line(&mut line).is_ok_and(|octets| octets > 2) {
                    if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                if reader.read_exact(&mut body).is_ok()
                    && let Ok(call) = serde_json::from_slice(&body)
                {
                    kept.lock().unwrap().push(call);
                }
                // Who hangs up before the answer has been heard all the same.
                let _ = reader
                    .get_mut()
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        Receiver { port, calls }
    }

    /// The first call about an alert.
    pub fn call(&self, alert: &str) -> Option<Value> {
        let calls = self.calls.lock().unwrap();
        calls.iter().find(|call| call["groupLabels"]["alertname"] == alert).cloned()
    }
}
