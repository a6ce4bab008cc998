//! Outputs against real receivers, and against web servers that misbehave: what was taken by a queue arrives, whoever hangs, dies or
//! is killed.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

#[path = "common/alerts.rs"]
mod alerts;
mod common;
#[path = "outputs/crash.rs"]
mod crash;
#[path = "outputs/receivers.rs"]
mod receivers;
#[path = "outputs/refusals.rs"]
mod refusals;
#[path = "outputs/web.rs"]
mod web;

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use wayside::output::relay::{Health, Relay};
use wayside::output::settings::{Output, OutputTable};

/// How long anything may take here.
const PATIENCE: Duration = Duration::from_secs(60);

/// An output, as the configuration has it.
fn output(text: &str) -> Output {
    let mut table: OutputTable = toml::from_str(text).unwrap();
    table.within(Path::new("/"));
    table.read("sensor-7").unwrap()
}

/// The output with its queue, at work.
fn start(output: &Output, folder: &Path) -> Relay {
    Relay::start(&output.name, folder, output.queue, Box::new(output.clone())).unwrap()
}

/// Waits until something is so.
fn wait(what: &str, is_so: impl FnMut() -> bool) {
    assert!(waits(PATIENCE, is_so), "{what}: not within {} s", PATIENCE.as_secs());
}

fn waits(most: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + most;
    while !is_so() {
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

/// Waits until so many have arrived, and none waits.
fn wait_sent(relay: &Relay, count: u64) -> Health {
    let done = || {
        let health = relay.health();
        health.sent + health.refused >= count && health.queue.waiting == 0
    };
    assert!(waits(PATIENCE, done), "{count} were to arrive: {:?}", relay.health());
    relay.health()
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// A program that ends with the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Running {
        use std::process::Stdio;
        Running(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a program is there; most of them are where only root looks.
fn find(program: &str, test: &str) -> Option<String> {
    let places = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/bin", "/usr/local/bin"];
    let found =
        places.map(|place| format!("{place}/{program}")).into_iter().find(|path| Path::new(path).exists());
    if found.is_none() {
        println!("{test}: skipped, there is no {program}");
    }
    found
}
