//! A whole capture file through the same pipeline as a replay, with every output that formats, and rules that
//! object to everything.
#![no_main]

mod written;

use libfuzzer_sys::fuzz_target;
use std::io::{Cursor, Write};
use std::sync::{Arc, LazyLock};
use wayside::alert::{Alert, Desk, Grouping};
use wayside::capture::Files;
use wayside::output::events::{EventLog, Form};
use wayside::policy::{self, RuleSet};
use wayside::protocol::vocabularies;
use wayside::sensor::pipeline::{self, Parts, Pipeline};
use wayside::stream::Limits;

/// Frames played of one input: a compressed one may hold millions.
const FRAMES: usize = 2_000;

static RULES: LazyLock<Arc<RuleSet>> = LazyLock::new(|| {
    let loaded = policy::parse("fuzz.toml", "version = 1\n", &vocabularies());
    Arc::new(loaded.unwrap_or_else(|problems| panic!("{problems:?}")).rules)
});

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut files) = Files::from_reader("fuzz", Cursor::new(bytes.to_vec())) else { return };
    let thorough = written::is_thorough(bytes);
    // The last octet picks the form, so that a capture stays one.
    let form = if bytes.last().is_some_and(|octet| octet & 1 == 1) { Form::Line } else { Form::Json };
    let mut pipeline = Pipeline::new(Parts {
        // Small, so that the bounds are met.
        flows: Limits { flows: 64, ..Limits::default() },
        fragments: 64 << 10,
        tally: pipeline::tally(None),
        rules: Some(RULES.clone()),
        desk: Desk::new(Grouping::Live, "fuzz").with_limit(16),
        emit: Box::new(move |alert: Alert| {
            let mut json = Vec::with_capacity(1024);
            alert.write_json(&mut json);
            written::object(&json, thorough);
            let mut shown = String::new();
            alert.write_terminal(false, &mut shown).expect("writing to a String cannot fail");
        }),
        events: Some(EventLog::new(Box::new(Check { thorough: thorough && form == Form::Json }), form)),
    });
    for _ in 0..FRAMES {
        match files.next() {
            Ok(Some(frame)) => pipeline.frame(&frame),
            Ok(None) | Err(_) => break,
        }
    }
    let _ = (pipeline.finish(), files.notices());
});

/// Where the events go: each is a line.
struct Check {
    thorough: bool,
}

impl Write for Check {
    fn write(&mut self, block: &[u8]) -> std::io::Result<usize> {
        assert!(block.is_empty() || block.ends_with(b"\n"));
        for line in block.split(|octet| *octet == b'\n').filter(|line| !line.is_empty()) {
            match line.first() {
                Some(b'{') => written::object(line, self.thorough),
                _ => written::line(&String::from_utf8_lossy(line)),
            }
        }
        Ok(block.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
