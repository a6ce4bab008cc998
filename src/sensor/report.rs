//! From the counts of a worker to the series of the metrics.

use super::pipeline::{self, Pipeline};
use crate::alert::AlertKind;
use crate::metrics::{Metrics, raise};
use crate::policy::Severity;

/// Brings the metrics up to what a worker has counted. Call it about once a second, for the same worker each time.
pub fn report(metrics: &Metrics, pipeline: &mut Pipeline) {
    metrics.fold(pipeline.tally());
    let (flows, open) = pipeline.flows();
    metrics.flows.set(open as i64);
    raise(&metrics.stream_gaps, flows.gaps);
    let (_, fragments, _) = pipeline.decoder().fragment_counts();
    let desk = pipeline.desk();
    for (what, count) in [
        ("flow", flows.evicted),
        ("stream-buffer", flows.buffer_full),
        ("fragment", fragments),
        ("alert-group", desk.counts().evicted),
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
    let counters = *pipeline.decoder().counters();
    raise(&metrics.checksum_errors.with_label_values(&["ip"]), counters.bad_ip_checksums);
    raise(&metrics.checksum_errors.with_label_values(&["transport"]), counters.bad_transport_checksums);
    for (reason, count) in pipeline::skipped(&counters) {
        raise(&metrics.undecoded.with_label_values(&[reason]), count);
    }
    if let Some((rules, hits)) = pipeline.rules() {
        metrics.rules.set(rules.rules().len() as i64);
        for (rule, count) in rules.rules().iter().zip(hits).filter(|(_, count)| **count > 0) {
            raise(&metrics.rule_hits.with_label_values(&[rule.name.as_str()]), *count);
        }
    }
}
