//! How the sensor is, second by second, for the pages: what it hears and loses, and how busy each protocol is.

use super::pipeline::{self, Pipeline};
use super::report::bounds;
use crate::address::Timestamp;
use crate::metrics::Metrics;
use crate::sensor::config::Limits;
use crate::web::health::{Health, Interface, Output, Snapshot};
use crate::web::trends::{Step, Trends};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Writes down how the sensor is.
pub struct Vitals {
    health: Health,
    trends: Arc<Mutex<Trends>>,
    started: Timestamp,
    refused: bool,
    /// Messages and answers of each protocol the last time.
    before: BTreeMap<&'static str, Step>,
}

impl Vitals {
    /// For a sensor that starts now.
    pub fn new(health: Health, trends: Arc<Mutex<Trends>>, now: Timestamp) -> Vitals {
        Vitals { health, trends, started: now, refused: false, before: BTreeMap::new() }
    }

    /// Takes that changed rules were loaded, or refused.
    pub fn rules(&mut self, loaded: bool) {
        self.refused = !loaded;
    }

    /// Writes down how it is now, once the metrics are up to date.
    pub fn note(
        &mut self,
        now: Timestamp,
        lag: f64,
        interfaces: Vec<Interface>,
        (outputs, carried): (&[String], Vec<Output>),
        parts: (&mut Pipeline, &Metrics, usize, &Limits),
    ) {
        let (pipeline, metrics, one_sided, limits) = parts;
        let reached = bounds(pipeline).into_iter().filter(|bound| bound.reached > 0);
        let bounds = reached.map(|bound| bound.sentence(limits)).collect();
        let counts = pipeline.counts();
        let mut snapshot = Snapshot {
            at: Some(now),
            started: Some(self.started),
            interfaces,
            lag,
            flows: counts.open as u64,
            one_sided: one_sided as u64,
            silent: counts.silent as u64,
            undecoded: pipeline::skipped(&counts.packets).map(|(_, count)| count).sum(),
            rules: pipeline.rules().map(|(rules, _)| rules.rules().len() as u64),
            hits: pipeline.rules().map(|(_, hits)| hits).unwrap_or_default(),
            rules_refused: self.refused,
            bounds,
            outputs: outputs.iter().map(|name| output(metrics, name)).chain(carried).collect(),
            ..Snapshot::default()
        };
        let mut trends = self.trends.lock().unwrap_or_else(PoisonError::into_inner);
        trends.tick(now);
        for protocol in pipeline.tally().protocols() {
            snapshot.messages += protocol.total();
            snapshot.malformed += protocol.malformed;
            let name = protocol.words.name;
            let (answers, seconds) = metrics.answers(name);
            let sum = Step { messages: protocol.total(), answers, seconds };
            let before = self.before.insert(name, sum).unwrap_or_default();
            let more = Step {
                messages: sum.messages.saturating_sub(before.messages),
                answers: sum.answers.saturating_sub(before.answers),
                seconds: (sum.seconds - before.seconds).max(0.0),
            };
            trends.add(now, name, more);
        }
        self.health.set(snapshot);
    }
}

fn output(metrics: &Metrics, name: &str) -> Output {
    let waiting = metrics.output_queue.with_label_values(&[name]).get();
    Output {
        name: name.to_owned(),
        waiting: u64::try_from(waiting).unwrap_or(0),
        sent: metrics.output_sent.with_label_values(&[name]).get(),
        lost: metrics.output_lost.with_label_values(&[name]).get(),
        trouble: None,
    }
}
