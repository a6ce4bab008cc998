//! kill -9 and a full disk.

use super::{alerts, output, start, wait, wait_sent};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

fn to_file(path: &Path) -> wayside::output::settings::Output {
    output(&format!("name = \"file\"\nto = \"file\"\nqueue-mib = 256\npath = \"{}\"", path.display()))
}

/// Not a test by itself: what [`what_a_queue_has_taken_arrives_though_the_sensor_is_killed`] kills.
#[test]
fn child_queues() {
    let Ok(folder) = std::env::var("WAYSIDE_QUEUE_CHILD") else { return };
    let folder = Path::new(&folder);
    let begin = std::env::var("WAYSIDE_QUEUE_BEGIN").unwrap().parse::<u64>().unwrap();
    // Half of the time the destination takes nothing, so that queues fill.
    let open = begin.is_multiple_of(2_000_000);
    let target = if open { folder.join("alerts.json") } else { folder.join("nowhere/alerts.json") };
    let output = to_file(&target);
    let relay = start(&output, &folder.join("queue"));
    let mut out = std::io::stdout();
    for number in begin.. {
        let alert = alerts::alert(number);
        relay.put(&output.record(&alert));
        writeln!(out, "taken {number}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn what_a_queue_has_taken_arrives_though_the_sensor_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut taken = BTreeSet::new();
    for round in 0..20u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child_queues", "--nocapture"])
            .env("WAYSIDE_QUEUE_CHILD", folder.path())
            .env("WAYSIDE_QUEUE_BEGIN", (round * 1_000_000).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said =
            |line: String| line.split_once("taken ").and_then(|(_, number)| number.parse::<u64>().ok());
        // It is killed at all moments of its life: while it opens the queue, too.
        let first = if round % 5 == 0 { None } else { lines.by_ref().map(Result::unwrap).find_map(said) };
        taken.extend(first);
        std::thread::sleep(Duration::from_millis(round * 29 % 130));
        child.kill().unwrap();
        child.wait().unwrap();
        taken.extend(lines.map_while(Result::ok).filter_map(said));
    }
    let file = folder.path().join("alerts.json");
    let output = to_file(&file);
    let relay = start(&output, &folder.path().join("queue"));
    wait("the queue", || relay.health().queue.waiting == 0);
    let counts = relay.health().queue;
    assert_eq!((counts.lost, counts.damaged), (0, 0), "{counts:?}");
    relay.finish();
    let text = fs::read_to_string(&file).unwrap();
    // A line that was cut short when the writer was killed is followed by the same one, whole.
    let ids: Vec<String> = text
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .map(|alert| alert["id"].as_str().unwrap().to_owned())
        .collect();
    let arrived: BTreeSet<&str> = ids.iter().map(String::as_str).collect();
    let lost: Vec<&u64> = taken
        .iter()
        .filter(|number| !arrived.contains(alerts::alert(**number).id.to_string().as_str()))
        .collect();
    assert!(lost.is_empty(), "{} of {} did not arrive: {lost:?}", lost.len(), taken.len());
    println!(
        "{} taken in 20 rounds, {} arrived, {} of them again",
        taken.len(),
        arrived.len(),
        ids.len() - arrived.len()
    );
    assert!(taken.len() > 1000, "{}", taken.len());
    // In order, but for what was sent again.
    let numbers: Vec<&String> = {
        let mut seen = BTreeSet::new();
        ids.iter().filter(|id| seen.insert(id.as_str())).collect()
    };
    assert!(numbers.is_sorted(), "out of order");
}

/// A small disk of its own, where that is allowed.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount(size: &str) -> Option<Disk> {
        let disk = Disk(tempfile::tempdir().unwrap());
        if disk.call(&format!("size={size}")) {
            return Some(disk);
        }
        println!("full disk: skipped, no permission to mount a small disk");
        None
    }

    fn call(&self, options: &str) -> bool {
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(self.0.path()).status();
        mount.is_ok_and(|status| status.success())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_of_the_queue_is_counted_and_said_and_what_was_taken_arrives() {
    let Some(disk) = Disk::mount("400k") else { return };
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("later/alerts.json");
    let output = to_file(&target);
    let relay = start(&output, &disk.0.path().join("queue"));
    for number in 0..2000 {
        relay.put(&output.record(&alerts::alert(number)));
    }
    let health = relay.health();
    let (lost, waiting) = (health.queue.lost, health.queue.waiting);
    assert!(lost > 0 && waiting > 100 && lost + waiting == 2000, "{health:?}");
    assert_eq!(health.queue.refused, lost);
    assert_eq!(
        health.trouble.as_deref(),
        Some("the disk of its queue is full; alerts for it are lost, make room")
    );
    assert!(std::fs::read_dir(disk.0.path().join("queue")).unwrap().count() < 4);
    // There is room again, and somebody to take them.
    assert!(disk.call("remount,size=8m"));
    fs::create_dir(elsewhere.path().join("later")).unwrap();
    relay.put(&output.record(&alerts::alert(5000)));
    wait_sent(&relay, waiting + 1);
    assert_eq!(relay.health().trouble, None);
    relay.finish();
    let text = fs::read_to_string(&target).unwrap();
    assert_eq!(text.lines().count() as u64, waiting + 1);
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(last["id"], alerts::alert(5000).id.to_string());
}
