//! A sensor on the loopback interface, and a plant that gives it something of everything.

use super::Running;
use crate::common::{err, wayside};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const RULES: &str = r#"version = 1
[hosts]
plant = "127.0.0.1"

[[allow]]
name = "Reading"
from = "plant"
to = "plant"
protocol = "modbus"
may = ["read", "identify"]

[[allow]]
name = "Set points"
from = "plant"
to = "plant"
protocol = "modbus"
may = ["write"]
points = ["holding:101"]
values = "0..450"

[[deny]]
name = "No restart"
may = ["restart"]
severity = "critical"

[[deny]]
name = "Nobody asks who they are"
may = ["identify"]

[[maintenance]]
name = "Taking stock"
relaxes = "Nobody asks who they are"
during = "2020-01-01 00:00 - 2099-01-01 00:00"
who = "J. Doe"
"#;

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Asks a web server on this machine: its status and what it says.
pub fn get(port: u16, path: &str) -> Option<(u16, String)> {
    ask(port, path, "")
}

fn ask(port: u16, path: &str, head: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    // In HTTP/1.0 no answer comes in pieces.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n{head}\r\n").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// The sensor.
pub struct Sensor {
    running: Running,
    folder: tempfile::TempDir,
    pub port: u16,
    device: u16,
}

impl Sensor {
    /// Starts one; `None`, saying so, where capture is not allowed.
    pub fn start(test: &str) -> Option<Sensor> {
        let (folder, port, device, nobody) =
            (tempfile::tempdir().unwrap(), free_port(), free_port(), free_port());
        let config = format!(
            "[sensor]\nname = \"substation-7\"\n[[interface]]\nname = \"lo\"\nfilter = \"tcp port {device}\"\n\
             [rules]\npaths = [\"rules.toml\"]\n[alerts]\nfile = \"alerts.ndjson\"\n\
             [store]\nfile = \"wayside.db\"\n[evidence]\nfolder = \"evidence\"\nafter = 1\n\
             [queues]\nfolder = \"queues\"\n[web]\nlisten = \"127.0.0.1:{port}\"\n\
             [[output]]\nname = \"historian\"\nto = \"file\"\npath = \"historian.ndjson\"\n\
             [[output]]\nname = \"siem\"\nto = \"http\"\nurl = \"http://127.0.0.1:{nobody}/\"\n"
        );
        let path = folder.path().join("wayside.toml");
        std::fs::write(folder.path().join("rules.toml"), RULES).unwrap();
        std::fs::write(&path, config).unwrap();
        // Where there is a token, a wrong one is turned away.
        let token = wayside().args(["token", "add", "historian", "--role", "view", "-c"]).arg(&path).output();
        let token = token.unwrap();
        assert!(token.status.success(), "{}", err(&token));
        let mut sensor = Sensor { running: run(&path), folder, port, device };
        let began = Instant::now();
        while get(port, "/readyz").is_none_or(|(status, _)| status != 200) {
            if let Ok(Some(_)) = sensor.running.0.try_wait() {
                let mut said = String::new();
                sensor.running.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                assert!(said.contains("CAP_NET_RAW"), "{said}");
                println!("{test}: skipped, no permission to capture");
                return None;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "the sensor does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(sensor)
    }

    /// What it serves to Prometheus.
    pub fn metrics(&self) -> String {
        let (status, text) = get(self.port, "/metrics").unwrap();
        assert_eq!(status, 200, "{text}");
        text
    }

    /// Ends it without a word.
    pub fn kill(&mut self) {
        self.running.0.kill().unwrap();
    }

    /// Starts it again as it was.
    pub fn start_again(&mut self) {
        self.running = run(&self.folder.path().join("wayside.toml"));
    }

    /// A plant that works until it is dropped, and somebody who tries tokens.
    pub fn plant(&self) -> Plant {
        let (stop, device, page) = (Arc::new(AtomicBool::new(false)), self.device, self.port);
        let ended = stop.clone();
        let work = std::thread::spawn(move || {
            let listener = TcpListener::bind(("127.0.0.1", device)).unwrap();
            let mut client = TcpStream::connect(("127.0.0.1", device)).unwrap();
            let (mut server, _) = listener.accept().unwrap();
            let mut number = 0;
            while !ended.load(Ordering::Relaxed) {
                for (request, answer) in TALK {
                    number += 1;
                    say(&mut client, &mut server, number, request);
                    if answer.is_empty() {
                        // Once more, as a client does that has waited in vain.
                        say(&mut client, &mut server, number, request);
                    } else {
                        say(&mut server, &mut client, number, answer);
                    }
                }
                // The sensor may be gone: the plant works on without it.
                let _ = ask(page, "/api/v1/now", "Authorization: Bearer wayside_none\r\n");
                std::thread::sleep(Duration::from_millis(200));
            }
        });
        Plant { stop, work: Some(work) }
    }
}

fn run(config: &Path) -> Running {
    let mut command = wayside();
    command.args(["run", "-c"]).arg(config).stdout(Stdio::null()).stderr(Stdio::piped());
    Running(command.spawn().unwrap())
}

/// Requests and answers of Modbus, each a PDU.
const TALK: [(&[u8], &[u8]); 8] = [
    // A set point, and one that is too high.
    (&[6, 0, 101, 1, 0x90], &[6, 0, 101, 1, 0x90]),
    (&[6, 0, 101, 3, 0x84], &[6, 0, 101, 3, 0x84]),
    // Registers, and registers that are not there.
    (&[3, 0, 100, 0, 1], &[3, 2, 1, 0x90]),
    (&[3, 0xff, 0, 0, 1], &[0x83, 2]),
    // A quantity of 0.
    (&[3, 0, 100, 0, 0], &[0x83, 3]),
    // A restart: critical.
    (&[8, 0, 1, 0, 0], &[8, 0, 1, 0, 0]),
    // Who are you: passes because of maintenance.
    (&[43, 14, 1, 0], &[43, 14, 1, 1, 0, 0, 0]),
    // What is never answered.
    (&[4, 0, 0, 0, 1], &[]),
];

fn say(from: &mut TcpStream, to: &mut TcpStream, number: u16, pdu: &[u8]) {
    let mut message = number.to_be_bytes().to_vec();
    message.extend([0, 0, 0, pdu.len() as u8 + 1, 1]);
    message.extend(pdu);
    from.write_all(&message).unwrap();
    to.read_exact(&mut message).unwrap();
}

/// Work in progress.
pub struct Plant {
    stop: Arc<AtomicBool>,
    work: Option<JoinHandle<()>>,
}

impl Drop for Plant {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(work) = self.work.take()
            && work.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the plant stopped working");
        }
    }
}
