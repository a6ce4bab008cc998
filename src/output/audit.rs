//! The audit trail: what people did that changes what is watched for. One JSON object a line, each with `ts` and `kind`:
//!
//! - `rules`: rules were loaded, or refused (`result`), and how many are in force (`rules`).
//! - `maintenance`: messages passed only because a maintenance window relaxes a rule: `maintenance`, `rule`, `count`,
//!   `first_seen`, `last_seen`, and `who` and `reason` as the rule file has them. The first message is written at once,
//!   those that follow with their count, once a minute.

use crate::address::Timestamp;
use crate::event::Json;
use std::io::{self, Write};

/// How long counts are gathered after they were written, in nanoseconds.
const PAUSE: u64 = 60_000_000_000;

/// What a maintenance window let pass.
#[derive(Clone, Debug)]
pub struct Passed {
    /// The maintenance window.
    pub maintenance: String,
    /// The rule that it relaxes.
    pub rule: String,
    /// Who answers for it.
    pub who: Option<String>,
    /// What for.
    pub reason: Option<String>,
    /// How many messages.
    pub count: u64,
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
}

/// Writes the audit trail to a file.
pub struct AuditLog {
    out: Box<dyn Write + Send>,
    /// Gets the same, whatever becomes of the first.
    copy: Option<Box<dyn Write + Send>>,
    sensor: String,
    /// What is not written yet, with when its like was last written.
    waiting: Vec<(Passed, Timestamp)>,
    failed: Option<io::Error>,
}

impl AuditLog {
    /// Writes to `out`; `sensor` is the name that every line carries.
    pub fn new(out: Box<dyn Write + Send>, sensor: &str) -> Self {
        AuditLog { out, copy: None, sensor: sensor.to_owned(), waiting: Vec::new(), failed: None }
    }

    /// Writes every line to this too, in one call each; it must not wait. What fails there is lost there.
    pub fn copy_to(&mut self, copy: Box<dyn Write + Send>) {
        self.copy = Some(copy);
    }

    /// Says that rules were loaded or refused.
    pub fn rules(&mut self, ts: Timestamp, loaded: bool, rules: usize) {
        let mut line = Vec::new();
        Json::new(&mut line).object(|o| {
            o.word("ts", ts.format(&mut [0; 40]));
            o.word("kind", "rules");
            o.word("result", if loaded { "loaded" } else { "refused" });
            o.int("rules", Some(rules as u64));
            o.key("sensor").str(&self.sensor);
        });
        self.write(line);
    }

    /// Takes what maintenance let pass.
    pub fn passed(&mut self, passed: Passed, now: Timestamp) {
        let same = |(known, _): &&mut (Passed, Timestamp)| {
            known.maintenance == passed.maintenance && known.rule == passed.rule
        };
        match self.waiting.iter_mut().find(same) {
            Some((known, _)) if known.count > 0 => {
                known.count += passed.count;
                known.last = known.last.max(passed.last);
            }
            Some((known, _)) => *known = passed,
            None => self.waiting.push((passed, Timestamp { nanos: i64::MIN, digits: 9 })),
        }
        self.tick(now);
    }

    /// Writes what has waited long enough.
    pub fn tick(&mut self, now: Timestamp) {
        let due = |(passed, last): &&mut (Passed, Timestamp)| passed.count > 0 && now.since(*last) >= PAUSE;
        let mut lines = Vec::new();
        for (passed, last) in self.waiting.iter_mut().filter(due) {
            lines.push(line(passed, &self.sensor));
            (passed.count, *last) = (0, now);
        }
        lines.into_iter().for_each(|line| self.write(line));
    }

    fn write(&mut self, mut line: Vec<u8>) {
        line.push(b'\n');
        if let Some(copy) = &mut self.copy {
            let _ = copy.write_all(&line);
        }
        if self.failed.is_none()
            && let Err(error) = self.out.write_all(&line).and_then(|()| self.out.flush())
        {
            self.failed = Some(error);
        }
    }

    /// Writes the rest.
    ///
    /// # Errors
    /// The first failure.
    pub fn finish(mut self) -> io::Result<()> {
        let rest: Vec<Vec<u8>> = self
            .waiting
            .iter()
            .filter(|(passed, _)| passed.count > 0)
            .map(|(passed, _)| line(passed, &self.sensor))
            .collect();
        rest.into_iter().for_each(|line| self.write(line));
        self.failed.map_or(Ok(()), Err)
    }

    /// Why nothing more is written, where that is so.
    pub fn failure(&self) -> Option<&io::Error> {
        self.failed.as_ref()
    }
}

fn line(passed: &Passed, sensor: &str) -> Vec<u8> {
    let mut line = Vec::new();
    Json::new(&mut line).object(|o| {
        o.word("ts", passed.last.format(&mut [0; 40]));
        o.word("kind", "maintenance");
        o.key("maintenance").str(&passed.maintenance);
        o.key("rule").str(&passed.rule);
        o.int("count", Some(passed.count));
        o.word("first_seen", passed.first.format(&mut [0; 40]));
        o.word("last_seen", passed.last.format(&mut [0; 40]));
        for (key, text) in [("who", &passed.who), ("reason", &passed.reason)] {
            match text {
                Some(text) => o.key(key).str(text),
                None => o.key(key).null(),
            }
        }
        o.key("sensor").str(sensor);
    });
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(octets);
            Ok(octets.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_first_is_written_at_once_and_the_rest_with_its_count() {
        let kept = Kept::default();
        let mut log = AuditLog::new(Box::new(kept.clone()), "yard");
        let at = |second: i64| Timestamp::from_micros(1_700_000_000_000_000 + second * 1_000_000);
        let passed = |second| Passed {
            maintenance: "Firmware".into(),
            rule: "No restarts".into(),
            who: Some("J. Smith".into()),
            reason: None,
            count: 1,
            first: at(second),
            last: at(second),
        };
        for second in 0..100 {
            log.passed(passed(second), at(second));
        }
        log.rules(at(100), false, 7);
        log.finish().unwrap();
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let counts: Vec<_> = lines.iter().map(|line| line["count"].as_u64()).collect();
        assert_eq!(counts, [Some(1), Some(60), None, Some(39)]);
        assert_eq!((&lines[0]["who"], &lines[2]["result"]), (&"J. Smith".into(), &"refused".into()));
        assert_eq!(lines[3]["first_seen"], "2023-11-14T22:14:21.000000Z");
    }
}
