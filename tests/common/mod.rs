//! Driving the real binary, and changing captures, for the tests beside it.
#![allow(dead_code)] // each test file uses a part

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// The product.
pub fn wayside() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wayside"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command
}

/// Runs it and returns what it said.
pub fn run(arguments: &[&str]) -> Output {
    wayside().args(arguments).output().unwrap()
}

/// Standard output as text.
pub fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Standard error as text.
pub fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A file of the project.
pub fn ours(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).to_string_lossy().into_owned()
}

/// The public captures beside the project; `None`, saying so, where they are not there.
pub fn shared(test: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("{test}: skipped, there is no ../shared/captures");
    None
}

/// Whether a program is there; says so where it is not.
pub fn has(program: &str, test: &str) -> bool {
    let there = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if there.is_ok_and(|status| status.success()) {
        return true;
    }
    println!("{test}: skipped, there is no {program}");
    false
}

/// The events of a capture, a JSON line each.
pub fn events(file: &Path) -> Vec<serde_json::Value> {
    let output = run(&["replay", "--quiet", "--events", "-", &file.to_string_lossy()]);
    assert!(output.status.success(), "{}", err(&output));
    out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A classic pcap file taken apart: its header and its records.
pub struct Pcap {
    pub header: Vec<u8>,
    pub records: Vec<Vec<u8>>,
}

impl Pcap {
    /// Reads little-endian or big-endian pcap; `None` for any other format.
    pub fn read(path: &Path) -> Option<Pcap> {
        let bytes = std::fs::read(path).unwrap();
        let big = match bytes.get(..4)? {
            [0xd4, 0xc3, 0xb2, 0xa1] | [0x4d, 0x3c, 0xb2, 0xa1] => false,
            [0xa1, 0xb2, 0xc3, 0xd4] => true,
            _ => return None,
        };
        let (header, mut rest) = bytes.split_at(24);
        let mut records = Vec::new();
        while rest.len() >= 16 {
            let field: [u8; 4] = rest[8..12].try_into().unwrap();
            let len = if big { u32::from_be_bytes(field) } else { u32::from_le_bytes(field) } as usize;
            if rest.len() < 16 + len {
                break;
            }
            records.push(rest[..16 + len].to_vec());
            rest = &rest[16 + len..];
        }
        Some(Pcap { header: header.to_vec(), records })
    }

    /// Writes these records to a file of this name in a folder.
    pub fn write<'a>(&self, path: &Path, records: impl IntoIterator<Item = &'a Vec<u8>>) {
        let mut bytes = self.header.clone();
        records.into_iter().for_each(|record| bytes.extend(record));
        std::fs::write(path, bytes).unwrap();
    }
}

/// An event without what tells where in the file it stands.
pub fn without_place(event: &serde_json::Value) -> serde_json::Value {
    let mut event = event.clone();
    if let Some(members) = event.as_object_mut() {
        members.remove("frame");
        members.remove("request_frame");
        for protocol in ["dnp3", "iec104"] {
            if let Some(fields) = members.get_mut(protocol).and_then(|fields| fields.as_object_mut()) {
                fields.remove("select_frame");
            }
        }
    }
    event
}

/// How often each thing occurs.
pub fn counted<T: std::hash::Hash + Eq>(things: impl IntoIterator<Item = T>) -> HashMap<T, usize> {
    let mut counts = HashMap::new();
    for thing in things {
        *counts.entry(thing).or_default() += 1;
    }
    counts
}

/// A capture in which a device answers 43/14 with these objects.
pub fn hostile(path: &Path, objects: &[(u8, &[u8])]) {
    let mut body = vec![43, 14, 1, 1, 0, 0, objects.len() as u8];
    for (id, text) in objects {
        body.extend([*id, text.len() as u8]);
        body.extend(*text);
    }
    let message = |pdu: &[u8]| [&[0, 1, 0, 0], &(pdu.len() as u16 + 1).to_be_bytes()[..], &[1], pdu].concat();
    let (client, server) = (([10, 0, 0, 1], 40_000u16), ([10, 0, 0, 2], 502u16));
    let mut file =
        vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0];
    for (number, (from, to, seq, data)) in
        [(client, server, 1, message(&[43, 14, 1, 0])), (server, client, 9, message(&body))]
            .into_iter()
            .enumerate()
    {
        let packet = etherparse::PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv4(from.0, to.0, 64)
            .tcp(from.1, to.1, seq, 1024)
            .ack(1);
        let mut frame = Vec::new();
        packet.write(&mut frame, &data).unwrap();
        let len = (frame.len() as u32).to_le_bytes();
        file.extend([(1_700_000_000 + number as u32).to_le_bytes(), [0; 4], len, len].concat());
        file.extend(frame);
    }
    std::fs::write(path, file).unwrap();
}

/// A replay whose pages are served.
pub struct Served {
    child: Child,
    pub port: u16,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Served {
    pub fn start(arguments: &[&str]) -> Served {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut replay = wayside();
        replay
            .args(["replay", "--quiet", "--serve", "--listen", &format!("127.0.0.1:{port}")])
            .args(arguments);
        let child = replay.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let served = Served { child, port };
        let began = Instant::now();
        while served.ask("GET", "/readyz", "", "").is_none_or(|answer| answer.status != 200) {
            assert!(began.elapsed() < Duration::from_secs(30), "the page does not come");
            std::thread::sleep(Duration::from_millis(20));
        }
        served
    }

    pub fn ask(&self, method: &str, path: &str, head: &str, body: impl AsRef<[u8]>) -> Option<Answer> {
        let body = body.as_ref();
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        let length = body.len();
        let host =
            if head.contains("Host:") { String::new() } else { format!("Host: 127.0.0.1:{}\r\n", self.port) };
        let request = format!(
            "{method} {path} HTTP/1.1\r\n{host}{head}Content-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(&[request.as_bytes(), body].concat()).ok()?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text).ok()?;
        let text = String::from_utf8_lossy(&text);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Answer { status, head: head.to_lowercase(), body: body.to_owned() })
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", "").unwrap()
    }

    /// The address of the first alert.
    pub fn alert(&self) -> String {
        let list = self.get("/alerts").body;
        let at = list.find("href=\"/alerts/01").unwrap() + "href=\"/alerts/".len();
        list[at..at + 26].to_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
