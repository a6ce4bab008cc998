//! Guards against getting slower: instructions a packet and a start, counted by callgrind and compared with those
//! kept in `benches/instructions.toml`. Time varies with what else the machine does; these counts hardly do.
//!
//!     make bench-guard                      fails where something costs more than it did
//!     WAYSIDE_BLESS=1 make bench-guard      keeps the counts of now
//!
//! A cost a packet is the difference between a longer and a shorter capture of the same kind, so that it holds no
//! start. Hash seeds differ from run to run, which moves the counts by less than one part in a thousand.

mod made;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What a count may grow by, in percent.
const TOLERANCE: f64 = 3.0;

/// Packets of the shorter and the longer capture.
const PACKETS: [u64; 2] = [20_000, 60_000];

const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.toml");

fn main() {
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("skipped: no valgrind here");
        return;
    }
    let now = counts();
    let compiler = compiler();
    for (what, count) in &now {
        println!("{what:<40} {count:>12}");
    }
    if std::env::var_os("WAYSIDE_BLESS").is_some() {
        std::fs::write(KEPT, written(&now, &compiler)).expect("the counts can be written");
        println!("kept in {KEPT}");
        return;
    }
    let kept: toml::Table = std::fs::read_to_string(KEPT)
        .expect("the kept counts are there")
        .parse()
        .expect("the kept counts are TOML");
    let counted_with = kept.get("compiler").and_then(toml::Value::as_str).unwrap_or("another compiler");
    let mut worse = 0;
    for (what, count) in &now {
        let Some(before) = kept.get("instructions").and_then(|table| table.get(what)?.as_integer()) else {
            println!("{what}: not counted before; keep it with WAYSIDE_BLESS=1");
            continue;
        };
        let percent = (*count as f64 / before as f64 - 1.0) * 100.0;
        if percent > TOLERANCE {
            worse += 1;
            println!("{what} costs {percent:.1} % more than it did: {count} instructions, {before} before.");
        } else if percent < -TOLERANCE {
            println!("{what} costs {:.1} % less than it did; keep that with WAYSIDE_BLESS=1.", -percent);
        }
    }
    if counted_with != compiler {
        println!(
            "counted with {compiler}, kept with {counted_with}: part of a difference may be the compiler's"
        );
    }
    if worse > 0 {
        std::process::exit(1);
    }
    println!("nothing costs {TOLERANCE} % more than it did");
}

/// All counts, by what they are of.
fn counts() -> BTreeMap<String, u64> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
    std::fs::create_dir_all(&folder).expect("a folder can be made in target");
    let rules = made::rules(&folder, 1_000).display().to_string();
    let one = made::one(&folder).display().to_string();
    let judged = ["--rules", &rules, "--alerts", "/dev/null"];
    let uses: [(&str, &[&str]); 3] = [
        ("decoded", &[]),
        ("judged by 1,000 rules", &judged),
        ("written as JSON", &["--events", "/dev/null"]),
    ];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let mut counts = BTreeMap::new();
    for (kind, recording) in
        [("a Modbus message", "modbus-functions.pcap"), ("a DNP3 message", "dnp3-substation.pcap")]
    {
        let recording = root.join(recording);
        let captures = PACKETS.map(|packets| {
            let folder = folder.join(recording.file_stem().unwrap_or_default());
            made::dense(&folder, std::slice::from_ref(&recording), packets)
        });
        for (used, arguments) in uses {
            counts.insert(format!("{kind}, {used}"), each(&captures, arguments));
        }
    }
    // For the picture that benches/profile.py draws.
    let mix = ["modbus-functions", "dnp3-substation", "demo-plant"];
    let mix = mix.map(|name| root.join(name).with_extension("pcap"));
    made::dense(&folder.join("mix"), &mix, PACKETS[1]);
    let captures = PACKETS.map(|packets| made::polls(&folder.join(format!("{packets}")), 2, packets as u32));
    counts.insert("a poll of two conversations, decoded".into(), each(&captures, &[]));
    let captures = PACKETS
        .map(|packets| made::polls(&folder.join(format!("{packets}")), packets as u32 / 2, packets as u32));
    counts.insert("a conversation of one poll, decoded".into(), each(&captures, &[]));
    counts.insert("start, one packet".into(), instructions(&[&one]));
    counts.insert(
        "start, one packet, 1,000 rules".into(),
        instructions(&[&judged[..], &[one.as_str()]].concat()),
    );
    counts
}

/// Instructions that each packet more takes.
fn each(captures: &[(PathBuf, u64); 2], arguments: &[&str]) -> u64 {
    let [short, long] = captures.each_ref().map(|(path, _)| {
        let path = path.display().to_string();
        instructions(&[arguments, &[path.as_str()]].concat())
    });
    let [(_, fewer), (_, more)] = captures;
    long.saturating_sub(short) / (more - fewer).max(1)
}

/// Instructions of a whole replay.
fn instructions(arguments: &[&str]) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env!("CARGO_BIN_EXE_wayside"))
        .args(["replay", "--quiet"])
        .args(arguments)
        .output()
        .expect("valgrind runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let count = text.lines().find_map(|line| line.split_once("Collected : "));
    count.and_then(|(_, count)| count.trim().parse().ok()).unwrap_or_else(|| panic!("no count in: {text}"))
}

fn compiler() -> String {
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("-V").output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

fn written(counts: &BTreeMap<String, u64>, compiler: &str) -> String {
    let mut text = String::from(
        "# Instructions of the release build, counted by callgrind: a packet, or a whole start.\n\
         # Written by WAYSIDE_BLESS=1 make bench-guard.\n",
    );
    // Writing to a String cannot fail.
    let _ = writeln!(text, "compiler = \"{compiler}\"\n\n[instructions]");
    for (what, count) in counts {
        let _ = writeln!(text, "\"{what}\" = {count}");
    }
    text
}
