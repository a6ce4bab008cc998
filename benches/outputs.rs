//! The way of an alert from the sensor's decision to its receiver: through the queue on the disk, to a file, to syslog over TCP
//! and to a web server on this machine.
//!
//! `make bench-outputs` prints how long it takes at 10, 1,000 and 10,000 alerts a second, and how many a second there can be.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use wayside::output::relay::Relay;
use wayside::output::settings::{Output, OutputTable};

#[path = "../tests/common/alerts.rs"]
mod alerts;

/// Alerts a second, and for how long.
const RATES: [(u64, Duration); 3] =
    [(10, Duration::from_secs(5)), (1_000, Duration::from_secs(5)), (10_000, Duration::from_secs(3))];
/// Alerts that are put in as fast as may be.
const MANY: u64 = 50_000;

/// Says of every line that arrives when it did, by the id in it.
fn tell(line: &str, heard: &Sender<(String, Instant)>) {
    let now = Instant::now();
    let id = line.split_once("\"id\":\"").and_then(|(_, rest)| rest.get(..26));
    if let Some(id) = id {
        // Where nobody listens any more, the bench is over.
        let _ = heard.send((id.to_owned(), now));
    }
}

/// A receiver of syslog with the length before each message.
fn syslog(listener: TcpListener, heard: Sender<(String, Instant)>) {
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::with_capacity(1 << 20, stream);
            let mut length = Vec::new();
            while reader.read_until(b' ', &mut length).is_ok_and(|octets| octets > 0) {
                let long = String::from_utf8_lossy(&length).trim().parse().unwrap_or(0);
                length.clear();
                let mut message = vec![0; long];
                if reader.read_exact(&mut message).is_err() {
                    break;
                }
                tell(&String::from_utf8_lossy(&message), &heard);
            }
        }
    });
}

/// A web server that takes lines.
fn web(listener: TcpListener, heard: Sender<(String, Instant)>) {
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::with_capacity(1 << 20, stream);
            while let Some(body) = request(&mut reader) {
                String::from_utf8_lossy(&body).lines().for_each(|line| tell(line, &heard));
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                if reader.get_mut().write_all(answer).is_err() {
                    break;
                }
            }
        }
    });
}

fn request(reader: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut long = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|octets| *octets > 0)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            long = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; long];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

/// A file that is read as it grows.
fn file(path: std::path::PathBuf, heard: Sender<(String, Instant)>) {
    std::thread::spawn(move || {
        while !path.exists() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let Ok(file) = std::fs::File::open(&path) else { return };
        let mut reader = BufReader::new(file);
        let mut line = String::new();
        while path.exists() {
            match reader.read_line(&mut line) {
                Ok(1..) if line.ends_with('\n') => {
                    tell(&line, &heard);
                    line.clear();
                }
                _ => std::thread::sleep(Duration::from_micros(200)),
            }
        }
    });
}

fn output(text: &str) -> Output {
    let table: OutputTable = toml::from_str(text).expect("a table");
    table.read("bench").expect("an output")
}

/// The destination of this name in a folder of its own, and who says what arrives there.
fn destination(name: &str, folder: &Path) -> (Output, Receiver<(String, Instant)>) {
    let (heard, arrived) = channel();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("a port").port();
    let text = match name {
        "file" => {
            let path = folder.join("alerts.json");
            file(path.clone(), heard);
            format!("to = \"file\"\npath = \"{}\"\nrotate-mib = 10000", path.display())
        }
        "syslog, TCP" => {
            syslog(listener, heard);
            format!("to = \"syslog\"\ntransport = \"tcp\"\naddress = \"127.0.0.1:{port}\"")
        }
        _ => {
            web(listener, heard);
            format!("to = \"http\"\nshape = \"ndjson\"\nurl = \"http://127.0.0.1:{port}/\"")
        }
    };
    (output(&format!("name = \"bench\"\nqueue-mib = 1024\n{text}")), arrived)
}

fn main() {
    println!("| to | alerts a second | arrived | median | 99 of 100 | longest |");
    println!("|---|--:|--:|--:|--:|--:|");
    for name in ["file", "syslog, TCP", "HTTP, lines"] {
        for (rate, long) in RATES {
            let folder = tempfile::tempdir().expect("a folder");
            let (output, arrived) = destination(name, folder.path());
            let relay =
                Relay::start("bench", &folder.path().join("queue"), output.queue, Box::new(output.clone()));
            let relay = relay.expect("a relay");
            std::thread::sleep(Duration::from_millis(300));
            let count = rate * long.as_secs();
            let began = Instant::now();
            let mut put = HashMap::new();
            for number in 0..count {
                let due = Duration::from_secs_f64(number as f64 / rate as f64);
                if let Some(wait) = due.checked_sub(began.elapsed()) {
                    std::thread::sleep(wait);
                }
                let alert = alerts::alert(number);
                put.insert(alert.id.to_string(), Instant::now());
                relay.put(&output.record(&alert));
            }
            let mut waits: Vec<Duration> = Vec::new();
            while (waits.len() as u64) < count
                && let Ok((id, at)) = arrived.recv_timeout(Duration::from_secs(10))
            {
                waits.extend(put.remove(&id).map(|then| at.saturating_duration_since(then)));
            }
            relay.finish();
            waits.sort_unstable();
            let at = |part: f64| {
                let place = ((waits.len() as f64 * part) as usize).min(waits.len().saturating_sub(1));
                waits.get(place).map_or("?".into(), |wait| format!("{:.2} ms", wait.as_secs_f64() * 1e3))
            };
            println!(
                "| {name} | {rate} | {} of {count} | {} | {} | {} |",
                waits.len(),
                at(0.5),
                at(0.99),
                at(1.0)
            );
        }
        let folder = tempfile::tempdir().expect("a folder");
        let (output, arrived) = destination(name, folder.path());
        let relay =
            Relay::start("bench", &folder.path().join("queue"), output.queue, Box::new(output.clone()));
        let relay = relay.expect("a relay");
        let records: Vec<_> = (0..MANY).map(|number| output.record(&alerts::alert(number))).collect();
        let began = Instant::now();
        records.iter().for_each(|record| relay.put(record));
        let queued = began.elapsed();
        let mut count = 0;
        while count < MANY && arrived.recv_timeout(Duration::from_secs(10)).is_ok() {
            count += 1;
        }
        let sent = began.elapsed();
        relay.finish();
        let each = |time: Duration| MANY as f64 / time.as_secs_f64();
        println!(
            "| {name} | as many as may be | {count} of {MANY} | {:.0} a second into the queue | {:.0} a second to the receiver | |",
            each(queued),
            each(sent)
        );
    }
}
