//! A live sensor under load: does the kernel drop packets, and how long is it from a packet to its alert?
//!
//!     make bench-live [RATE=100000] [DURATION=10] [WORKERS=1] [BROWSERS=10]
//!
//! Two network namespaces and a veth pair between them: tcpreplay sends made Modbus polls on one core, the sensor
//! listens on the other. Every 200th packet is a write that no rule allows, each from another host, so that each is an
//! alert of its own. The time is that from the kernel's stamp on the packet to the moment when the alert has been read
//! from the sensor's standard output. It is done twice: at RATE packets a second, and as fast as tcpreplay can. With
//! BROWSERS each is done again with so many clients that keep the live page open and load it anew every second.
//! Needs root, ip (iproute2) and tcpreplay; says so where something is missing.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The two namespaces.
const SENDER: &str = "wayside-sender";
const SENSOR: &str = "wayside-sensor";
/// One packet of so many is a write that no rule allows.
const EVERY: u32 = 200;

fn setting(name: &str, otherwise: u32) -> u32 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn main() {
    let (rate, seconds) = (setting("RATE", 100_000), setting("DURATION", 10).clamp(1, 120));
    let workers = setting("WORKERS", 1).max(1);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let Some(_network) = Network::new() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    println!("{cores} cores, {workers} worker{}", if workers == 1 { "" } else { "s" });
    println!(
        "| asked for | packets | packets a second | dropped by the kernel | alerts | median | 99 of 100 | longest |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    let browsers = setting("BROWSERS", 0).min(100);
    for speed in [Some(rate), None] {
        let packets = speed.unwrap_or(200_000).saturating_mul(seconds).min(4_000_000);
        let file = folder.path().join("live.pcap");
        made(&file, packets);
        run(folder.path(), &file, packets, speed, workers, 0);
        if browsers > 0 {
            run(folder.path(), &file, packets, speed, workers, browsers);
        }
    }
}

/// Two namespaces joined by a veth pair; gone when this is dropped.
struct Network;

impl Network {
    fn new() -> Option<Network> {
        for program in ["ip", "tcpreplay"] {
            let there = Command::new(program).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
            if there.is_err() {
                println!("bench-live: skipped, there is no {program}");
                return None;
            }
        }
        let network = Network;
        let made = ip(&["netns", "add", SENDER])
            && ip(&["netns", "add", SENSOR])
            && ip(&[
                "link", "add", "tap0", "netns", SENDER, "type", "veth", "peer", "name", "tap1", "netns",
                SENSOR,
            ])
            && ip(&["-n", SENDER, "link", "set", "tap0", "up"])
            && ip(&["-n", SENSOR, "link", "set", "tap1", "up"])
            && ip(&["-n", SENSOR, "link", "set", "lo", "up"]);
        if !made {
            println!("bench-live: skipped, network namespaces cannot be made here (root?)");
            return None;
        }
        Some(network)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        ip(&["netns", "del", SENDER]);
        ip(&["netns", "del", SENSOR]);
    }
}

fn ip(arguments: &[&str]) -> bool {
    Command::new("ip").args(arguments).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Ends with its child.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A command in a namespace, on a core of its own where there are two.
fn inside(namespace: &str, core: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]);
    let two = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    let taskset = Command::new("taskset").arg("-V").stdout(Stdio::null()).status().is_ok();
    if two && taskset && !core.is_empty() {
        command.args(["taskset", "-c", core]);
    }
    command.arg(program);
    command
}

fn run(folder: &Path, file: &Path, packets: u32, speed: Option<u32>, workers: u32, browsers: u32) {
    let config = folder.join("wayside.toml");
    let rules = "version = 1\n[[allow]]\nname = \"polls\"\nprotocol = \"modbus\"\nmay = [\"read\"]\n";
    std::fs::write(folder.join("rules.toml"), rules).expect("room on the disk");
    let text = format!(
        "[sensor]\nname = \"bench\"\nworkers = {workers}\n[[interface]]\nname = \"tap1\"\nbuffer-mib = 64\n\
         [rules]\npaths = [\"rules.toml\"]\n[alerts]\nfile = \"-\"\n[limits]\nalert-groups = 100000\n\
         [web]\nlisten = \"127.0.0.1:8460\"\n"
    );
    std::fs::write(&config, text).expect("room on the disk");
    let core = if workers > 1 { "" } else { "0" };
    let sensor = inside(SENSOR, core, env!("CARGO_BIN_EXE_wayside"))
        .args(["run", "-c"])
        .arg(&config)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut sensor = Running(sensor.expect("ip starts the sensor"));
    let (heard, times) = mpsc::channel();
    let alerts = sensor.0.stdout.take().expect("standard output is a pipe");
    std::thread::spawn(move || {
        for line in BufReader::new(alerts).lines().map_while(Result::ok) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            if heard.send((line, now)).is_err() {
                break;
            }
        }
    });
    let began = Instant::now();
    while metrics().is_none() {
        assert!(began.elapsed() < Duration::from_secs(20), "the sensor does not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    let _watching: Vec<Running> = (0..browsers).flat_map(|_| browser()).collect();
    std::thread::sleep(Duration::from_millis(300));
    let speed_argument = speed.map_or("--topspeed".into(), |pps| format!("--pps={pps}"));
    let sent = inside(SENDER, "1", "tcpreplay")
        .args(["--intf1", "tap0", "--preload-pcap", &speed_argument])
        .arg(file)
        .stdin(Stdio::null())
        .output()
        .expect("tcpreplay runs");
    assert!(sent.status.success(), "{}", String::from_utf8_lossy(&sent.stderr));
    let text = String::from_utf8_lossy(&sent.stdout).into_owned();
    let rated = text.lines().find_map(|line| line.strip_prefix("Rated: ")).unwrap_or("");
    let reached = rated.split(", ").find_map(|part| part.strip_suffix(" pps")).unwrap_or("?").to_owned();
    std::thread::sleep(Duration::from_millis(2500));
    let text = metrics().unwrap_or_default();
    let sum = |name: &str, label: &str| -> u64 {
        let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    let seen = sum("wayside_packets_total", "tap1");
    let dropped = sum("wayside_packets_dropped_total", "by=\"kernel\"");
    let mut waits: BTreeMap<String, Duration> = BTreeMap::new();
    for (line, now) in times.try_iter() {
        let Ok(alert) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
        let text = |key: &str| alert.get(key).and_then(|value| value.as_str()).unwrap_or("").to_owned();
        let stamp = text("ts").parse::<jiff::Timestamp>().map_or(0, |stamp| stamp.as_nanosecond());
        let then = Duration::from_nanos(u64::try_from(stamp).unwrap_or(0));
        // A later word on the same alert does not count.
        waits.entry(text("id")).or_insert(now.saturating_sub(then));
    }
    let mut all: Vec<Duration> = waits.into_values().collect();
    all.sort();
    let at = |part: f64| {
        let place = ((all.len() as f64 * part) as usize).min(all.len().saturating_sub(1));
        all.get(place).map_or("?".into(), |wait| format!("{:.2} ms", wait.as_secs_f64() * 1e3))
    };
    println!(
        "| {} | {seen} of {packets} | {reached} | {dropped} | {} of {} | {} | {} | {} |",
        speed.map_or("top speed".into(), |pps| format!("{pps} a second"))
            + &match browsers {
                0 => String::new(),
                some => format!(", {some} browsers"),
            },
        all.len(),
        packets / EVERY,
        at(0.5),
        at(0.99),
        at(1.0),
    );
}

/// What a browser asks for: the live page once a second, and what changes on it all the time.
fn browser() -> [Running; 2] {
    const PAGE: &str = "while curl -s -o /dev/null http://127.0.0.1:8460/; do sleep 1; done";
    const LIVE: &str = "exec curl -sN -o /dev/null 'http://127.0.0.1:8460/live?parts=now'";
    [PAGE, LIVE]
        .map(|act| Running(inside(SENSOR, "1", "bash").args(["-c", act]).spawn().expect("ip starts bash")))
}

/// What the sensor says of itself; its page is in its own namespace.
fn metrics() -> Option<String> {
    const ASK: &str = "exec 3<>/dev/tcp/127.0.0.1/8460; \
                       printf 'GET /metrics HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3; cat <&3";
    let output = inside(SENSOR, "", "bash").args(["-c", ASK]).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.starts_with("HTTP/1.1 200").then_some(text)
}

/// Polls of 200 conversations, request and response in turn, and now and then a write from a host of its own.
fn made(path: &Path, packets: u32) {
    let mut out = std::io::BufWriter::new(std::fs::File::create(path).expect("a file"));
    let mut write = |bytes: &[u8]| out.write_all(bytes).expect("room on the disk");
    write(&0xa1b2_c3d4u32.to_le_bytes());
    write(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0]);
    for number in 0..packets {
        let (pair, round) = (number / 2 % 200, number / 400);
        let transaction = (round as u16).to_be_bytes();
        let client = (Ipv4Addr::new(10, 0, 0, 1), 40_000 + pair as u16);
        let device = (Ipv4Addr::new(10, 1, 0, pair as u8), 502);
        let (asked, told) = (1 + round.wrapping_mul(12), 1 + round.wrapping_mul(29));
        let (src, dst, seq, ack, payload) = if number % EVERY == EVERY - 1 {
            let host = number / EVERY;
            let client = (Ipv4Addr::new(172, 16 + (host >> 16) as u8, (host >> 8) as u8, host as u8), 50_000);
            (client, device, 1, 1, vec![0, 1, 0, 0, 0, 6, 1, 6, 0, 9, 3, 0x84])
        } else if number % 2 == 0 {
            let ask = [&transaction[..], &[0, 0, 0, 6, 1, 3, 0, 100, 0, 10]].concat();
            (client, device, asked, told, ask)
        } else {
            let tell = [&transaction[..], &[0, 0, 0, 23, 1, 3, 20], &[7; 20]].concat();
            (device, client, told, asked.wrapping_add(12), tell)
        };
        let builder = etherparse::PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv4(src.0.octets(), dst.0.octets(), 64)
            .tcp(src.1, dst.1, seq, 1024)
            .ack(ack)
            .psh();
        let mut frame = Vec::with_capacity(builder.size(payload.len()));
        builder.write(&mut frame, &payload).expect("a frame");
        let micros = u64::from(number) * 10;
        for field in
            [(micros / 1_000_000) as u32, (micros % 1_000_000) as u32, frame.len() as u32, frame.len() as u32]
        {
            write(&field.to_le_bytes());
        }
        write(&frame);
    }
}
