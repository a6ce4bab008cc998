//! What a person sees on a terminal: alerts, a progress bar, the summary at the end.

use crate::alert::{Alert, AlertKind};
use crate::sensor::pipeline::{self, Counts, Pipeline};
use crate::sensor::report;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Alerts remembered to tell a later word from a new one.
const SEEN_MAX: usize = 100_000;

/// Where alerts go, and how they look there. Clones write to the same place.
#[derive(Clone)]
pub struct Alerts(Arc<Mutex<Target>>);

struct Target {
    out: Box<dyn Write + Send>,
    /// Readable with or without colour, or JSON lines.
    colour: Option<bool>,
    failed: Option<io::Error>,
    by_rule: BTreeMap<String, u64>,
    /// The alerts shown so far.
    seen: HashSet<ulid::Ulid>,
    /// Whether a later word on an alert that was shown already is left out.
    once: bool,
}

impl Target {
    fn shared(out: Box<dyn Write + Send>, colour: Option<bool>) -> Alerts {
        let target =
            Target { out, colour, failed: None, by_rule: BTreeMap::new(), seen: HashSet::new(), once: false };
        Alerts(Arc::new(Mutex::new(target)))
    }
}

/// What an alert is counted under: its rule, or what is wrong.
fn label(alert: &Alert) -> String {
    match (&alert.rule, alert.kind) {
        (Some(rule), _) => rule.clone(),
        (None, AlertKind::NotAllowed) => "(no rule is about these two)".into(),
        (None, kind) => format!("({})", kind.name()),
    }
}

impl Alerts {
    /// One JSON object a line.
    pub fn json(out: Box<dyn Write + Send>) -> Alerts {
        Target::shared(out, None)
    }

    /// Sentences for a person.
    pub fn readable(out: Box<dyn Write + Send>, colour: bool) -> Alerts {
        let colour = colour && std::env::var_os("NO_COLOR").is_none();
        Target::shared(out, Some(colour))
    }

    /// Leaves out the later word on how often a grouped alert happened.
    pub fn once(self) -> Alerts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).once = true;
        self
    }

    /// Writes one alert at once. The first failure is kept for [`Alerts::finish`].
    pub fn alert(&self, alert: &Alert) {
        let mut target = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if target.seen.len() >= SEEN_MAX {
            target.seen.clear();
        }
        if target.seen.insert(alert.id) {
            *target.by_rule.entry(label(alert)).or_default() += 1;
        } else if target.once {
            return;
        }
        let mut text = Vec::new();
        match target.colour {
            Some(colour) => {
                let mut readable = String::new();
                // Writing to a String cannot fail.
                let _ = alert.write_terminal(colour, &mut readable);
                text.extend_from_slice(readable.as_bytes());
            }
            None => alert.write_json(&mut text),
        }
        text.push(b'\n');
        if let Err(error) = target.out.write_all(&text).and_then(|()| target.out.flush()) {
            target.failed.get_or_insert(error);
        }
    }

    /// Alerts by rule, most first.
    pub fn by_rule(&self) -> Vec<(String, u64)> {
        let target = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut counts: Vec<(String, u64)> = target.by_rule.iter().map(|(r, n)| (r.clone(), *n)).collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts
    }

    /// The end of it.
    ///
    /// # Errors
    /// The first failure, unless the reader had only gone away.
    pub fn finish(&self) -> io::Result<()> {
        let mut target = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match target.failed.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    }
}

/// A progress bar on standard error, where that is a terminal.
pub fn progress(total: Option<u64>, show: bool) -> Option<ProgressBar> {
    if !show || !io::stderr().is_terminal() {
        return None;
    }
    let bar = ProgressBar::new(total.unwrap_or(0));
    let style = ProgressStyle::with_template("{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    Some(bar)
}

/// 1234567 as "1,234,567".
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Says on standard error what was seen. `read`: in how many files, and how long reading them took.
pub fn summary(pipeline: &mut Pipeline, alerts: &Alerts, read: Option<(usize, Duration)>) {
    eprint!("{}", summary_text(pipeline, &alerts.by_rule(), read));
}

fn summary_text(
    pipeline: &mut Pipeline,
    by_rule: &[(String, u64)],
    read: Option<(usize, Duration)>,
) -> String {
    let mut out = String::new();
    let (packets, bytes, span) = pipeline.totals();
    let seconds = span.map_or(0.0, |(first, last)| last.since(first) as f64 / 1e9);
    // Writing to a String cannot fail.
    let _ =
        write!(out, "\n{} packets, {} octets, {seconds:.1} s of traffic", grouped(packets), grouped(bytes));
    if let Some((files, took)) = read {
        let s = if files == 1 { "" } else { "s" };
        let _ = write!(out, ", read from {files} file{s} in {:.2} s", took.as_secs_f64());
    }
    out.push('\n');
    let mut any = false;
    for counts in pipeline.tally().protocols() {
        any = true;
        let _ = write!(
            out,
            "  {:<8} {} messages: {} requests, {} responses",
            counts.words.title,
            grouped(counts.total()),
            grouped(counts.requests),
            grouped(counts.responses)
        );
        for (number, word) in [
            (counts.others, "other"),
            (counts.exceptions, "exceptions"),
            (counts.unanswered, "unanswered"),
            (counts.malformed, "malformed"),
        ] {
            if number > 0 {
                let _ = write!(out, ", {} {word}", grouped(number));
            }
        }
        if !counts.reasons.is_empty() {
            let mut reasons = counts.reasons.to_vec();
            reasons.sort_unstable_by_key(|(label, n)| (std::cmp::Reverse(*n), *label));
            let reasons: Vec<String> =
                reasons.iter().map(|(label, n)| format!("{label} {}", grouped(*n))).collect();
            let _ = write!(out, " ({})", reasons.join(", "));
        }
        out.push('\n');
    }
    if !any {
        let _ = writeln!(out, "  no message of a protocol that Wayside decodes");
    }
    trouble(pipeline, &mut out);
    for passed in report::passed(pipeline) {
        let s = if passed.count == 1 { " that passed" } else { "s that passed" };
        let _ = writeln!(
            out,
            "  maintenance '{}': {} message{s}, against the rule '{}'",
            passed.maintenance,
            grouped(passed.count),
            passed.rule
        );
    }
    verdicts(pipeline, by_rule, &mut out);
    evidence(pipeline, &mut out);
    out
}

/// Conversations, and what stood in the way of seeing everything.
fn trouble(pipeline: &Pipeline, out: &mut String) {
    let Counts { packets: counters, flows, .. } = pipeline.counts();
    let _ = write!(out, "  {} conversations", grouped(flows.opened));
    for (number, words) in [
        (flows.gaps, "gaps in streams"),
        (flows.retransmitted, "segments seen before"),
        (flows.copies, "copied datagrams"),
        (flows.stray, "segments out of place"),
        (flows.conflicting, "segments that contradict earlier ones"),
        (flows.doubtful, "doubtful segments set aside"),
        (counters.urgent, "segments with urgent data"),
        (counters.assembled, "fragmented datagrams put together"),
        (counters.overlaps, "overlapping fragments"),
        (counters.fragment_conflicts, "fragments that contradict earlier ones"),
        (counters.bad_ip_checksums, "bad IP checksums"),
        (counters.bad_transport_checksums, "bad TCP or UDP checksums"),
    ] {
        if number > 0 {
            let _ = write!(out, ", {} {words}", grouped(number));
        }
    }
    for (reason, number) in pipeline::skipped(&counters) {
        let _ = write!(out, ", {} packets not decoded ({reason})", grouped(number));
    }
    out.push('\n');
    for bound in report::bounds(pipeline).iter().filter(|bound| bound.reached > 0) {
        let _ = writeln!(out, "  {} {}", grouped(bound.reached), bound.goes);
    }
}

/// Files of evidence, and alerts that have none.
fn evidence(pipeline: &Pipeline, out: &mut String) {
    let Some(counts) = pipeline.evidence() else { return };
    let _ = write!(out, "  {} files of evidence", grouped(counts.written));
    if counts.removed > 0 {
        let _ = write!(out, ", {} older ones removed to make room", grouped(counts.removed));
    }
    for (_, words, count) in counts.losses() {
        let _ = write!(out, ", {} alerts without: {words}", grouped(count));
    }
    out.push('\n');
}

/// Alerts by rule.
fn verdicts(pipeline: &Pipeline, by_rule: &[(String, u64)], out: &mut String) {
    if pipeline.rules().is_none() {
        let _ = writeln!(out, "  no rules given: nothing was judged");
        return;
    }
    let alerts: u64 = by_rule.iter().map(|(_, n)| n).sum();
    let messages = pipeline.desk().counts().messages;
    let _ =
        writeln!(out, "  {} alerts for {} messages and conversations", grouped(alerts), grouped(messages));
    for (rule, number) in by_rule {
        let _ = writeln!(out, "    {:>6}  {rule}", grouped(*number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_as_people_read_them() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }
}
