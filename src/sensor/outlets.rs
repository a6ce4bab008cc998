//! The outputs of the configuration: each alert goes to those that want it, by way of a queue on the disk.

use crate::address::Address;
use crate::alert::Alert;
use crate::courtesy;
use crate::metrics::{Metrics, raise};
use crate::output::relay::Relay;
use crate::output::settings::{Output, Which};
use crate::policy::{End, RuleSet, nearest};
use crate::protocol::vocabularies;
use crate::web::health;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

/// How often what was put into queues is made to outlive a power failure.
const SETTLE: Duration = Duration::from_secs(1);

/// One output.
struct Outlet {
    output: Output,
    relay: Arc<Relay>,
}

/// All of them. Clones speak of the same.
#[derive(Clone, Default)]
pub struct Outlets(Arc<All>);

#[derive(Default)]
struct All {
    outlets: Vec<Outlet>,
    /// Alerts that were lost before they came here.
    missed: AtomicU64,
}

impl Outlets {
    /// Opens the queues, each in a folder of its own below `folder`, and starts to carry.
    ///
    /// # Errors
    /// Where a queue cannot be had: which, and why.
    pub fn start(outputs: Vec<Output>, folder: &Path) -> io::Result<Outlets> {
        let start = |output: Output| {
            let (path, way) = (folder.join(&output.name), Box::new(output.clone()));
            let relay = Relay::start(&output.name, &path, output.queue, way).map_err(|error| {
                io::Error::new(error.kind(), format!("cannot keep the queue {}: {error}", path.display()))
            })?;
            Ok(Outlet { output, relay: Arc::new(relay) })
        };
        let all: io::Result<Vec<Outlet>> = outputs.into_iter().map(start).collect();
        let all = Arc::new(All { outlets: all?, missed: AtomicU64::new(0) });
        if !all.outlets.is_empty() {
            let known = Arc::downgrade(&all);
            thread::Builder::new().name("queues".into()).spawn(move || settle(&known))?;
        }
        Ok(Outlets(all))
    }

    /// Gives an alert to those that want it. It waits for no destination.
    pub fn put(&self, alert: &Alert, rules: Option<&RuleSet>) {
        for outlet in self.0.outlets.iter().filter(|outlet| wants(&outlet.output.which, alert, rules)) {
            outlet.relay.put(&outlet.output.record(alert));
        }
    }

    /// An alert was lost before it came here.
    pub fn miss(&self) {
        self.0.missed.fetch_add(1, Ordering::Relaxed);
    }

    /// Sends what can be sent in a few seconds; the rest stays on the disk.
    pub fn finish(&self) {
        let end = |outlet: &Outlet| outlet.relay.finish();
        std::thread::scope(|scope| {
            self.0.outlets.iter().for_each(|outlet| {
                scope.spawn(move || end(outlet));
            });
        });
    }

    /// How each is, and the same in the metrics.
    pub fn report(&self, metrics: &Metrics) -> Vec<health::Output> {
        let missed = self.0.missed.load(Ordering::Relaxed);
        let one = |outlet: &Outlet| {
            let name = outlet.relay.name();
            let health = outlet.relay.health();
            let lost = health.queue.lost + health.refused + missed;
            metrics
                .output_queue
                .with_label_values(&[name])
                .set(i64::try_from(health.queue.waiting).unwrap_or(i64::MAX));
            raise(&metrics.output_sent.with_label_values(&[name]), health.sent);
            raise(&metrics.output_lost.with_label_values(&[name]), lost);
            health::Output {
                name: name.to_owned(),
                waiting: health.queue.waiting,
                sent: health.sent,
                lost,
                trouble: health.trouble,
            }
        };
        self.0.outlets.iter().map(one).collect()
    }
}

/// Makes what was put in outlive a power failure, once a second.
fn settle(all: &Weak<All>) {
    courtesy::give_way();
    while let Some(all) = all.upgrade() {
        all.outlets.iter().for_each(|outlet| outlet.relay.settle());
        drop(all);
        thread::sleep(SETTLE);
    }
}

/// What is odd about outputs, a sentence each: protocols, zones and rules that nothing has, so that nothing would ever come.
pub fn doubts(outputs: &[Output], rules: Option<&RuleSet>) -> Vec<String> {
    let mut doubts = Vec::new();
    let protocols: Vec<&str> = vocabularies().iter().map(|words| words.name).collect();
    let zones: Vec<&str> =
        rules.map(RuleSet::zones).unwrap_or_default().iter().map(|zone| zone.name.as_str()).collect();
    let names: Vec<&str> =
        rules.map(RuleSet::rules).unwrap_or_default().iter().map(|rule| rule.name.as_str()).collect();
    for output in outputs {
        let Which { protocols: in_these, zones: near, rules: of, .. } = &output.which;
        let other = ["tcp", "udp", "ip", "ethernet"];
        let known: Vec<&str> = protocols.iter().copied().chain(other).collect();
        for (what, asked, known) in
            [("protocol", in_these, &known), ("zone", near, &zones), ("rule", of, &names)]
        {
            for word in asked.iter().filter(|word| !known.contains(&word.as_str())) {
                let better = nearest(word, known.iter().copied());
                let better = better.map_or(String::new(), |better| format!("; did you mean '{better}'?"));
                doubts.push(format!(
                    "the output '{}' asks for the {what} '{word}', which is not known{better}",
                    output.name
                ));
            }
        }
    }
    doubts
}

/// Whether an output wants an alert.
fn wants(which: &Which, alert: &Alert, rules: Option<&RuleSet>) -> bool {
    let Which { severity, protocols, zones, rules: names } = which;
    let is_one_of = |all: &[String], word: &str| all.is_empty() || all.iter().any(|one| one == word);
    severity.is_none_or(|least| alert.severity >= least)
        && is_one_of(protocols, alert.proto)
        && (names.is_empty() || alert.rule.as_ref().is_some_and(|rule| names.contains(rule)))
        && (zones.is_empty()
            || [alert.src.address, alert.dst.address]
                .into_iter()
                .any(|address| zone(address, rules).is_some_and(|zone| zones.iter().any(|one| one == zone))))
}

fn zone(address: Address, rules: Option<&RuleSet>) -> Option<&str> {
    let rules = rules?;
    let place = rules.zone_of(End { address, mac: None, vlan: None })?;
    rules.zones().get(usize::from(place)).map(|zone| zone.name.as_str())
}
