//! Real peers talk on loopback, on their own ports and on others; the events must be what the peers say they
//! did.
//!
//! The peers are pymodbus, dnp3py and c104 (`deploy/prepare.sh test` installs them) and tokio-modbus. Each keeps a
//! ledger: the fields of its own requests and responses, before encoding and after decoding. tcpdump records,
//! `wayside replay` tells, and both are compared message by message, with nothing left over on either side.
//! Skipped, saying so, where a stack, tcpdump or the permission to capture or to listen is missing.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

mod common;
#[path = "peers/dnp3.rs"]
mod dnp3;
#[path = "peers/iec104.rs"]
mod iec104;
#[path = "peers/modbus.rs"]
mod modbus;
#[path = "peers/tokio_modbus.rs"]
mod tokio_modbus_peers;

use common::{err, has, ours};
use serde_json::Value;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};

/// The Python that has the stacks; `None`, saying so, where there is none.
fn python(test: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("peers");
    let python = folder.join("bin/python");
    let works =
        Command::new(&python).args(["-c", "import c104, dnp3, pymodbus"]).stderr(Stdio::null()).status();
    if works.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    println!("{test}: skipped, there is no pymodbus, dnp3py and c104 (deploy/prepare.sh test installs them)");
    None
}

/// A loopback address that nobody else uses: other runs of these tests have another process number.
fn address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [.., high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 128 | high & 0x7f, low, NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What was recorded of an exchange, and what the peers say of it.
struct Exchange {
    events: Vec<Value>,
    ledger: Vec<Value>,
}

/// Has a script of `captures/` record an exchange; `None`, saying so, where something for it is missing.
fn exchange(test: &str, script: &str, arguments: &[&str]) -> Option<Exchange> {
    let python = python(test)?;
    if !has("tcpdump", test) {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let (capture, ledger) = (folder.path().join("capture.pcap"), folder.path().join("ledger.ndjson"));
    let output = Command::new(python)
        .args(["-B", &ours(script)])
        .arg(&capture)
        .arg("--steps")
        .arg(&ledger)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = err(&output);
    if let Some(line) =
        said.lines().find(|line| line.contains("cannot record") || line.contains("cannot listen"))
    {
        println!("{test}: skipped, {line}");
        return None;
    }
    assert!(output.status.success(), "{test} {arguments:?}: {said}");
    let ledger = std::fs::read_to_string(&ledger).unwrap();
    let ledger = ledger.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    Some(Exchange { events: common::events(&capture), ledger })
}

/// A member of an object; null where it is not there.
fn member(object: &Value, name: &str) -> Value {
    object.get(name).cloned().unwrap_or_default()
}

/// Asserts that two objects are the same, naming the members that are not.
fn same(what: &str, told: &Value, expected: &Value) {
    if told != expected {
        let (told, expected) = (told.as_object().unwrap(), expected.as_object().unwrap());
        let names = told.keys().chain(expected.keys());
        let differing: std::collections::BTreeSet<_> =
            names.filter(|name| told.get(*name) != expected.get(*name)).collect();
        for name in &differing {
            println!("{name}\n  told     {:?}\n  expected {:?}", told.get(*name), expected.get(*name));
        }
        panic!("{what}: {differing:?}");
    }
}
