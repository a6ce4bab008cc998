//! What watching costs beside reading: a whole replay and a bare libpcap loop over the same file, in turn.
//!
//! `cargo bench --bench replay [FILE]`. Without a file, a capture of Modbus polls is made: 200 conversations, 200,000
//! requests with their responses and acknowledgments. Prints the median, least and most of the ratios of CPU time.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Rounds that are counted.
const ROUNDS: usize = 7;

fn main() {
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = match given {
        Some(path) => PathBuf::from(path),
        None => made(folder.path()),
    };
    println!("{}: replay / bare libpcap loop, {ROUNDS} rounds in turn", file.display());
    let rules = folder.path().join("rules.toml");
    std::fs::write(&rules, thousand_rules()).expect("room on the disk");
    let rules = rules.to_string_lossy();
    for (name, arguments) in [
        ("decode, no rules", vec!["--quiet"]),
        ("with 1,000 rules", vec!["--quiet", "--rules", &rules, "--alerts", "/dev/null"]),
        ("with every event to /dev/null", vec!["--quiet", "--events", "/dev/null"]),
    ] {
        let mut ratios: Vec<f64> =
            (0..=ROUNDS).map(|_| replay(&file, &arguments) / libpcap(&file)).skip(1).collect();
        ratios.sort_by(f64::total_cmp);
        println!("  {name:<32} {:.2}x  ({:.2} to {:.2})", ratios[ROUNDS / 2], ratios[0], ratios[ROUNDS - 1]);
    }
}

/// A rule for the made polls among 999 that are about others.
fn thousand_rules() -> String {
    let mut text = String::from(
        "version = 1\n[[allow]]\nname = \"polls\"\nfrom = \"10.0.0.0/8\"\nto = \"10.0.0.0/8\"\n\
         protocol = \"modbus\"\n",
    );
    for n in 1..1000 {
        text += &format!(
            "[[allow]]\nname = \"other {n}\"\nfrom = \"172.16.0.1\"\nto = \"172.16.{}.{}\"\n\
             protocol = \"modbus\"\nmay = [\"read\"]\npoints = [\"holding:0-{n}\"]\n",
            n / 250 + 1,
            n % 250 + 1
        );
    }
    text
}

/// Seconds that the product takes, start-up included.
fn replay(file: &Path, arguments: &[&str]) -> f64 {
    let began = Instant::now();
    let status = Command::new(env!("CARGO_BIN_EXE_wayside"))
        .arg("replay")
        .args(arguments)
        .arg(file)
        .stdout(Stdio::null())
        .status()
        .expect("the product runs");
    assert!(status.success());
    began.elapsed().as_secs_f64()
}

/// Seconds that libpcap takes to hand over every packet.
fn libpcap(file: &Path) -> f64 {
    let began = Instant::now();
    let mut capture = pcap::Capture::from_file(file).expect("a capture");
    let mut octets = 0u64;
    while let Ok(packet) = capture.next_packet() {
        octets += u64::from(packet.header.len);
    }
    assert!(octets > 0);
    began.elapsed().as_secs_f64()
}

/// A capture of polls: request, response and two acknowledgments, over and over.
fn made(folder: &Path) -> PathBuf {
    let path = folder.join("polls.pcap");
    let mut out = std::io::BufWriter::new(std::fs::File::create(&path).expect("a file"));
    let mut write = |bytes: &[u8]| out.write_all(bytes).expect("room on the disk");
    write(&0xa1b2_c3d4u32.to_le_bytes());
    write(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0]);
    let mut micros = 0u64;
    for round in 0..1000u32 {
        for flow in 0..200u32 {
            let client = ([10, 0, 0, 1], 40_000 + flow as u16);
            let device = ([10, 1, 0, flow as u8], 502);
            let transaction = (round as u16).to_be_bytes();
            let ask = [&transaction[..], &[0, 0, 0, 6, 1, 3, 0, 100, 0, 10]].concat();
            let tell = [&transaction[..], &[0, 0, 0, 23, 1, 3, 20], &[7; 20]].concat();
            let (asked, told) = (1 + round * 12, 1 + round * 29);
            for (src, dst, seq, ack, payload) in [
                (client, device, asked, told, ask.as_slice()),
                (device, client, told, asked + 12, &[]),
                (device, client, told, asked + 12, tell.as_slice()),
                (client, device, asked + 12, told + 29, &[]),
            ] {
                let builder = etherparse::PacketBuilder::ethernet2([2; 6], [4; 6])
                    .ipv4(src.0, dst.0, 64)
                    .tcp(src.1, dst.1, seq, 1024)
                    .ack(ack);
                let builder = if payload.is_empty() { builder } else { builder.psh() };
                let mut frame = Vec::with_capacity(builder.size(payload.len()));
                builder.write(&mut frame, payload).expect("a frame");
                micros += 20;
                for field in [
                    (micros / 1_000_000) as u32,
                    (micros % 1_000_000) as u32,
                    frame.len() as u32,
                    frame.len() as u32,
                ] {
                    write(&field.to_le_bytes());
                }
                write(&frame);
            }
        }
    }
    path
}
