//! From the counts of a worker to the series of the metrics.

use super::pipeline::{self, Counts, Pipeline};
use crate::address::Timestamp;
use crate::alert::AlertKind;
use crate::metrics::{Metrics, raise};
use crate::output::audit::{AuditLog, Passed};
use crate::policy::{Relaxed, Severity};

/// Writes what maintenance windows let pass since the last time, and counts it.
pub fn audit(metrics: &Metrics, pipeline: &mut Pipeline, log: Option<&mut AuditLog>, now: Timestamp) {
    let passed = passed(pipeline);
    for passed in &passed {
        metrics.relaxed.with_label_values(&[passed.rule.as_str()]).inc_by(passed.count);
        tracing::info!(
            "maintenance '{}': {} messages passed that the rule '{}' objects to",
            passed.maintenance,
            passed.count,
            passed.rule
        );
    }
    let Some(log) = log else { return };
    passed.into_iter().for_each(|passed| log.passed(passed, now));
    log.tick(now);
}

/// What maintenance windows let pass since this was last asked, by their names.
pub fn passed(pipeline: &mut Pipeline) -> Vec<Passed> {
    let relaxed = pipeline.take_relaxed();
    let Some((rules, _)) = pipeline.rules() else { return Vec::new() };
    let of = |relaxed: &Relaxed| {
        let window = rules.maintenance().get(relaxed.window as usize)?;
        Some(Passed {
            maintenance: window.name.clone(),
            rule: rules.rules().get(relaxed.rule as usize)?.name.clone(),
            who: window.who.clone(),
            reason: window.reason.clone(),
            count: relaxed.count,
            first: relaxed.first,
            last: relaxed.last,
        })
    };
    relaxed.iter().filter_map(of).collect()
}

/// Brings the metrics up to what a worker has counted. Call it about once a second, for the same worker each time.
pub fn report(metrics: &Metrics, pipeline: &mut Pipeline) {
    pipeline.gather();
    metrics.fold(pipeline.tally());
    let Counts { packets, flows, open, forgotten, silent } = pipeline.counts();
    metrics.flows.set(open as i64);
    raise(&metrics.stream_gaps, flows.gaps);
    let desk = pipeline.desk();
    for (what, count) in [
        ("flow", flows.evicted),
        ("stream-buffer", flows.buffer_full),
        ("fragment", packets.abandoned),
        ("alert-group", desk.counts().evicted),
        ("rule-memory", forgotten),
    ] {
        raise(&metrics.evictions.with_label_values(&[what]), count);
    }
    for severity in Severity::ALL {
        for kind in AlertKind::ALL {
            let count = desk.counts().of(severity, kind);
            if count > 0 {
                raise(&metrics.alerts.with_label_values(&[severity.name(), kind.name()]), count);
            }
        }
    }
    raise(&metrics.checksum_errors.with_label_values(&["ip"]), packets.bad_ip_checksums);
    raise(&metrics.checksum_errors.with_label_values(&["transport"]), packets.bad_transport_checksums);
    for (what, count) in [
        ("conflicting-segment", flows.conflicting),
        ("conflicting-fragment", packets.fragment_conflicts),
        ("set-aside", flows.doubtful),
        ("out-of-place", flows.stray),
        ("urgent", packets.urgent),
    ] {
        raise(&metrics.odd.with_label_values(&[what]), count);
    }
    for (reason, count) in pipeline::skipped(&packets) {
        raise(&metrics.undecoded.with_label_values(&[reason]), count);
    }
    metrics.silent_expectations.set(silent as i64);
    if let Some((rules, hits)) = pipeline.rules() {
        metrics.rules.set(rules.rules().len() as i64);
        for (rule, count) in rules.rules().iter().zip(hits).filter(|(_, count)| *count > 0) {
            raise(&metrics.rule_hits.with_label_values(&[rule.name.as_str()]), count);
        }
    }
}
