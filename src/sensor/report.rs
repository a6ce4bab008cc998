//! From the counts of a worker to the series of the metrics.

use super::config::Limits;
use super::evidence;
use super::pipeline::{self, Counts, Pipeline};
use crate::address::Timestamp;
use crate::alert::AlertKind;
use crate::inventory::{Harvest, Inventory};
use crate::metrics::{Metrics, raise};
use crate::output::audit::{AuditLog, Passed};
use crate::policy::{Relaxed, Severity};
use crate::store::Store;

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
    let Counts { packets, flows, open, silent, .. } = pipeline.counts();
    metrics.flows.set(open as i64);
    raise(&metrics.stream_gaps, flows.gaps);
    for Bound { what, reached, .. } in bounds(pipeline) {
        raise(&metrics.evictions.with_label_values(&[what]), reached);
    }
    let desk = pipeline.desk();
    for severity in Severity::ALL {
        for kind in AlertKind::ALL {
            // At 0 too: Prometheus sees an increase only of a series that it has met before.
            let count = desk.counts().of(severity, kind);
            raise(&metrics.alerts.with_label_values(&[severity.name(), kind.name()]), count);
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
    if let Some(evidence) = pipeline.evidence() {
        raise(&metrics.evidence_written, evidence.written);
        raise(&metrics.evidence_removed, evidence.removed);
        for ((reason, _), count) in evidence::Counts::REASONS.into_iter().zip(evidence.lost) {
            raise(&metrics.evidence_lost.with_label_values(&[reason]), count);
        }
    }
    if let Some((rules, hits)) = pipeline.rules() {
        metrics.rules.set(rules.rules().len() as i64);
        for (rule, count) in rules.rules().iter().zip(hits).filter(|(_, count)| *count > 0) {
            raise(&metrics.rule_hits.with_label_values(&[rule.name.as_str()]), count);
        }
    }
}

/// Adds what the workers gathered to the inventory.
pub fn stock(metrics: &Metrics, harvest: &[Harvest], inventory: &mut Inventory) {
    harvest.iter().for_each(|harvest| inventory.merge(harvest));
    metrics.devices.set(i64::try_from(inventory.len()).unwrap_or(i64::MAX));
    let forgotten = inventory.forgotten();
    for (what, count) in [
        ("device", forgotten.devices),
        ("inventory-conversation", forgotten.conversations),
        ("inventory-point", forgotten.points),
    ] {
        raise(&metrics.evictions.with_label_values(&[what]), count);
    }
}

/// Brings the metrics of the store up to date.
pub fn store(metrics: &Metrics, store: &Store) {
    let health = store.health();
    metrics.store_queue.set(i64::try_from(health.queue).unwrap_or(i64::MAX));
    raise(&metrics.store_written, health.written);
    raise(&metrics.store_lost, health.lost);
}

/// A bound on memory.
pub struct Bound {
    /// The word for metrics.
    pub what: &'static str,
    /// What goes where it is reached, in words.
    pub goes: &'static str,
    /// Its key in `[limits]`, where it has one.
    pub key: Option<&'static str>,
    /// How often it was reached.
    pub reached: u64,
}

impl Bound {
    /// What to tell a person once it was reached.
    pub fn sentence(&self, limits: &Limits) -> String {
        let Bound { what, goes, key, reached } = self;
        let value = match *key {
            Some("flows") => format!("flows = {}", limits.flows),
            Some("sessions-mib") => format!("sessions-mib = {}", limits.sessions_mib),
            Some("fragments-mib") => format!("fragments-mib = {}", limits.fragments_mib),
            Some("alert-groups") => format!("alert-groups = {}", limits.alert_groups),
            Some(_) => format!("stream-kib = {}, streams-mib = {}", limits.stream_kib, limits.streams_mib),
            None => "a fixed bound".into(),
        };
        format!(
            "a limit was reached ({value}): {reached} {goes}. The oldest go first; they are counted in \
             wayside_evictions_total{{what=\"{what}\"}}. A flood, or a plant larger than the limit"
        )
    }
}

/// The bounds on memory of a pipeline and how often each was reached, as of [`Pipeline::gather`].
pub fn bounds(pipeline: &Pipeline) -> [Bound; 6] {
    let Counts { packets, flows, forgotten, .. } = pipeline.counts();
    let groups = pipeline.desk().counts().evicted;
    let bound = |what, goes, key, reached| Bound { what, goes, key, reached };
    [
        bound("flow", "conversations forgotten for lack of room", Some("flows"), flows.evicted),
        bound(
            "stream-buffer",
            "holes in streams given up for lack of room",
            Some("streams-mib"),
            flows.buffer_full,
        ),
        bound(
            "session",
            "conversations forgotten since unfinished messages took too much room",
            Some("sessions-mib"),
            flows.states_full,
        ),
        bound(
            "fragment",
            "fragmented datagrams never whole, or given up for lack of room",
            Some("fragments-mib"),
            packets.abandoned,
        ),
        bound("alert-group", "groups of alerts closed early for lack of room", Some("alert-groups"), groups),
        bound("rule-memory", "uses and values of rules forgotten for lack of room", None, forgotten),
    ]
}
