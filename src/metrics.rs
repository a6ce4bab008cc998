//! Every Prometheus series in one place.
//!
//! A worker counts in a [`Tally`] of plain integers, without locks or atomics. Once a second the sensor folds the
//! tallies into [`Metrics`], which `/metrics` prints. Label sets are bounded: protocols, verbs, kinds, reasons and
//! rules are known in advance; an address is never a label.

mod tally;

use crate::event::{Kind, Verb};
use prometheus::core::{AtomicU64, Collector, Desc, GenericCounter};
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};
use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};
pub use tally::{ProtocolCounts, Tally};

/// Upper bounds of the response time buckets, in seconds.
const RESPONSE_BUCKETS: &[f64] = &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

/// The series that Prometheus scrapes.
pub struct Metrics {
    registry: Registry,
    descriptions: Vec<Desc>,
    /// Packets captured, by interface.
    pub packets: IntCounterVec,
    /// Octets captured, by interface.
    pub bytes: IntCounterVec,
    /// Packets lost before they could be read, by interface and by whom.
    pub packets_dropped: IntCounterVec,
    messages: IntCounterVec,
    malformed: IntCounterVec,
    exceptions: IntCounterVec,
    unanswered: IntCounterVec,
    /// Alerts, by severity and kind.
    pub alerts: IntCounterVec,
    /// Messages that a rule decided, by rule.
    pub rule_hits: IntCounterVec,
    /// Messages that passed only because maintenance relaxes a rule, by rule.
    pub relaxed: IntCounterVec,
    /// Hosts that are silent where a rule expects to hear them.
    pub silent_expectations: IntGauge,
    response: HistogramVec,
    /// Conversations followed at present.
    pub flows: IntGauge,
    /// Devices in the inventory.
    pub devices: IntGauge,
    /// Holes in TCP streams.
    pub stream_gaps: IntCounter,
    /// What was thrown away at a limit, by what it was.
    pub evictions: IntCounterVec,
    /// Checksums that do not fit, by layer.
    pub checksum_errors: IntCounterVec,
    /// Packets as hosts seldom send them and attackers do, by what is odd.
    pub odd: IntCounterVec,
    /// Packets that could not be decoded, by reason.
    pub undecoded: IntCounterVec,
    /// Alerts waiting for an output.
    pub output_queue: IntGaugeVec,
    /// Alerts that an output took.
    pub output_sent: IntCounterVec,
    /// Alerts that an output lost.
    pub output_lost: IntCounterVec,
    /// Logins by a password or a token, by what came of them; tokens that are right are not counted.
    pub logins: IntCounterVec,
    /// Connections to the page that were not served, by reason.
    pub connections_refused: IntCounterVec,
    /// Alerts whose packets were written to a file.
    pub evidence_written: IntCounter,
    /// Alerts whose packets were not kept, by reason.
    pub evidence_lost: IntCounterVec,
    /// Files of evidence removed to stay within bounds.
    pub evidence_removed: IntCounter,
    /// Seconds between the capture of a packet and its decoding, the last one seen.
    pub capture_lag: Gauge,
    /// Alerts waiting for the store.
    pub store_queue: IntGauge,
    /// Alerts that the store took.
    pub store_written: IntCounter,
    /// Alerts that the store lost.
    pub store_lost: IntCounter,
    /// Rules in force.
    pub rules: IntGauge,
    /// Attempts to load changed rules, by result: `loaded`, `refused`.
    pub rule_reloads: IntCounterVec,
}

impl Metrics {
    /// All series at zero.
    ///
    /// # Panics
    /// Never: the names below are fixed and a test registers them.
    pub fn new() -> Metrics {
        let registry = Registry::new();
        let descriptions = RefCell::new(Vec::new());
        let register = |series: Box<dyn Collector>| {
            descriptions.borrow_mut().extend(series.desc().into_iter().cloned());
            registry.register(series).expect("registered once");
        };
        let counters = |name: &str, help: &str, labels: &[&str]| {
            let vec = IntCounterVec::new(Opts::new(name, help), labels).expect("a fixed valid name");
            register(Box::new(vec.clone()));
            vec
        };
        let response = HistogramVec::new(
            HistogramOpts::new(
                "wayside_response_seconds",
                "Seconds from a request to its answer, as seen on the wire.",
            )
            .buckets(RESPONSE_BUCKETS.to_vec()),
            &["protocol"],
        )
        .expect("a fixed valid name");
        register(Box::new(response.clone()));
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help).expect("a fixed valid name");
            register(Box::new(gauge.clone()));
            gauge
        };
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help).expect("a fixed valid name");
            register(Box::new(counter.clone()));
            counter
        };
        let build = IntGaugeVec::new(
            Opts::new("wayside_build_info", "Always 1; the label says which version runs."),
            &["version"],
        )
        .expect("a fixed valid name");
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        register(Box::new(build));
        let started = Gauge::new(
            "wayside_start_time_seconds",
            "When the sensor started, in seconds since 1970-01-01 00:00 UTC. A change is a restart.",
        )
        .expect("a fixed valid name");
        started.set(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
        register(Box::new(started));
        let capture_lag = Gauge::new(
            "wayside_capture_lag_seconds",
            "How far the sensor is behind: seconds from the capture of the last packet to its decoding. Near 0 when all is well.",
        )
        .expect("a fixed valid name");
        register(Box::new(capture_lag.clone()));
        let output_queue = IntGaugeVec::new(
            Opts::new(
                "wayside_output_queue",
                "Alerts that wait for an output. Near 0 unless the receiver is slow or away.",
            ),
            &["output"],
        )
        .expect("a fixed valid name");
        register(Box::new(output_queue.clone()));
        let rule_reloads = counters(
            "wayside_rule_reloads_total",
            "Attempts to load changed rules: loaded, or refused because of an error in them; then the old rules stay.",
            &["result"],
        );
        // There from the beginning, so that the first one is seen as an increase.
        ["loaded", "refused"].iter().for_each(|result| rule_reloads.with_label_values(&[*result]).reset());
        Metrics {
            packets: counters(
                "wayside_packets_total",
                "Packets captured. One that stands still: the sensor hears nothing there.",
                &["interface"],
            ),
            bytes: counters(
                "wayside_bytes_total",
                "Octets captured, as long as they were on the wire.",
                &["interface"],
            ),
            packets_dropped: counters(
                "wayside_packets_dropped_total",
                "Packets the sensor did not see, lost by the kernel (its buffer was full) or by the interface. What was in them was not judged.",
                &["interface", "by"],
            ),
            messages: counters(
                "wayside_messages_total",
                "Messages of control protocols, by what they do (verb) and their role in the exchange (kind).",
                &["protocol", "verb", "kind"],
            ),
            malformed: counters(
                "wayside_malformed_total",
                "Messages that break their protocol and could not be decoded in full, by what is wrong. A faulty device, or somebody probing.",
                &["protocol", "reason"],
            ),
            exceptions: counters(
                "wayside_exceptions_total",
                "Requests that a device refused, by the code it gave. The codes are those of the protocol.",
                &["protocol", "code"],
            ),
            unanswered: counters(
                "wayside_unanswered_total",
                "Requests that a device never answered although it was heard otherwise.",
                &["protocol"],
            ),
            alerts: counters(
                "wayside_alerts_total",
                "Alerts raised. One that repeats counts once until it has been quiet for a while.",
                &["severity", "kind"],
            ),
            rule_hits: counters(
                "wayside_rule_hits_total",
                "Messages that a rule decided on, by the name of the rule.",
                &["rule"],
            ),
            relaxed: counters(
                "wayside_relaxed_total",
                "Messages that passed only because a maintenance window relaxes the rule, by the name of the rule.",
                &["rule"],
            ),
            silent_expectations: gauge(
                "wayside_silent_expectations",
                "Devices that are silent now although a rule expects to hear from them. 0 when all is well.",
            ),
            response,
            flows: gauge("wayside_flows", "Conversations between two ends that the sensor follows now."),
            devices: gauge(
                "wayside_devices",
                "Devices known, by address. A rise is something new in the network.",
            ),
            stream_gaps: counter(
                "wayside_stream_gaps_total",
                "Holes in TCP connections: stretches that were never captured. Many: the tap or mirror port loses packets.",
            ),
            evictions: counters(
                "wayside_evictions_total",
                "What was forgotten at a limit to make room, by what it was. A flood, or a plant larger than the limit.",
                &["what"],
            ),
            checksum_errors: counters(
                "wayside_checksum_errors_total",
                "Packets with a wrong checksum. Many are harmless where the sensor runs on a machine that it watches (checksum offload).",
                &["layer"],
            ),
            odd: counters(
                "wayside_odd_packets_total",
                "Packets as devices seldom send them and attackers do to hide, by what is odd.",
                &["what"],
            ),
            undecoded: counters(
                "wayside_undecoded_packets_total",
                "Packets that could not be looked into since their headers make no sense or are of another kind, by reason.",
                &["reason"],
            ),
            output_queue,
            output_sent: counters("wayside_output_sent_total", "Alerts that reached an output.", &["output"]),
            output_lost: counters(
                "wayside_output_lost_total",
                "Alerts that will never reach an output: it refused them, or too many waited.",
                &["output"],
            ),
            logins: counters(
                "wayside_logins_total",
                "Logins to the page by a password or a token, by what came of them. Tokens that are right are not counted.",
                &["by", "result"],
            ),
            connections_refused: counters(
                "wayside_connections_refused_total",
                "Connections to the page that were turned away, by reason.",
                &["reason"],
            ),
            evidence_written: counter(
                "wayside_evidence_written_total",
                "Alerts whose packets were kept in a file.",
            ),
            evidence_lost: counters(
                "wayside_evidence_lost_total",
                "Alerts whose packets were not kept although they should be, by reason.",
                &["reason"],
            ),
            evidence_removed: counter(
                "wayside_evidence_removed_total",
                "Old files of evidence removed to make room for new ones.",
            ),
            capture_lag,
            store_queue: gauge(
                "wayside_store_queue",
                "Alerts that wait to be written to the store. It is near 0 unless the file is locked, full or slow.",
            ),
            store_written: counter(
                "wayside_store_written_total",
                "Alerts and updates of alerts that were written to the store.",
            ),
            store_lost: counter(
                "wayside_store_lost_total",
                "Alerts and updates that are not in the store since too many waited. They went to the other outputs.",
            ),
            rules: gauge("wayside_rules", "Rules in force. 0: nothing is judged."),
            rule_reloads,
            descriptions: descriptions.take(),
            registry,
        }
    }

    /// Every series with its labels and its help, those too that have not begun.
    pub fn described(&self) -> impl Iterator<Item = Described<'_>> {
        self.descriptions.iter().map(|desc| Described {
            name: &desc.fq_name,
            labels: &desc.variable_labels,
            help: &desc.help,
        })
    }

    fn response_histogram(&self, protocol: &str) -> Histogram {
        self.response.with_label_values(&[protocol])
    }

    /// How many answers of a protocol had a known time, and the sum of those times in seconds.
    pub fn answers(&self, protocol: &str) -> (u64, f64) {
        let histogram = self.response_histogram(protocol);
        (histogram.get_sample_count(), histogram.get_sample_sum())
    }

    /// Takes over the counts of a worker. Call it with the same worker's tally each time.
    pub fn fold(&self, tally: &mut Tally) {
        for protocol in &mut tally.protocols {
            let name = protocol.words.name;
            for verb in Verb::ALL {
                for kind in Kind::ALL {
                    let count = protocol.messages[verb.index()][kind.index()];
                    if count > 0 {
                        let labels = [name, verb.name(), kind.name()];
                        raise(&self.messages.with_label_values(&labels), count);
                    }
                }
            }
            for (label, count) in &protocol.malformed {
                raise(&self.malformed.with_label_values(&[name, label]), *count);
            }
            for (code, count) in &protocol.exceptions {
                raise(&self.exceptions.with_label_values(&[name, &code.to_string()]), *count);
            }
            if protocol.unanswered > 0 {
                raise(&self.unanswered.with_label_values(&[name]), protocol.unanswered);
            }
            if let Some(response) = &mut protocol.response {
                response.flush();
            }
        }
    }

    /// The text that Prometheus scrapes, exposition format 0.0.4.
    pub fn text(&self) -> String {
        let mut out = Vec::new();
        match TextEncoder::new().encode(&self.registry.gather(), &mut out) {
            Ok(()) => String::from_utf8_lossy(&out).into_owned(),
            Err(error) => format!("# {error}\n"),
        }
    }
}

/// What a series is.
pub struct Described<'a> {
    /// Its name.
    pub name: &'a str,
    /// The names of its labels.
    pub labels: &'a [String],
    /// What it means, for a person.
    pub help: &'a str,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

/// Brings a counter up to a total that only grows.
pub fn raise(counter: &GenericCounter<AtomicU64>, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_registers_and_prints() {
        let metrics = Metrics::new();
        raise(&metrics.packets.with_label_values(&["eth0"]), 7);
        raise(&metrics.packets.with_label_values(&["eth0"]), 9);
        let text = metrics.text();
        assert!(text.contains("wayside_packets_total{interface=\"eth0\"} 9\n"), "{text}");
        assert!(text.contains("wayside_build_info{version="), "{text}");
        assert!(text.contains("# HELP wayside_flows"), "{text}");
    }
}
