//! Plays captures into the pages: the same pipeline as a replay on the command line.

use super::config::EvidenceTable;
use super::pipeline::{self, Observer, Parts, Pipeline, Unspoken};
use super::report;
use crate::address::Timestamp;
use crate::alert::{Desk, Grouping};
use crate::capture::Files;
use crate::event::Event;
use crate::inventory;
use crate::output::evidence::{Behind, Shelf};
use crate::policy::Verdict;
use crate::stream;
use crate::web::health::{Health, Snapshot};
use crate::web::replays::{self, Progress};
use crate::web::site::Site;
use crate::web::trends::{Step, Trends};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

/// Events between two looks at the charts.
const OFTEN: u64 = 20_000;

/// Plays captures.
pub struct Player;

impl replays::Player for Player {
    fn play(&self, files: &[PathBuf], site: &Site, progress: &Progress) -> Result<Vec<String>, String> {
        let opened = Files::open(files).map_err(|error| error.to_string())?;
        progress.all.store(opened.progress().1.unwrap_or(0), Ordering::Relaxed);
        let rules = site.rules.load_full();
        let count = rules.as_ref().map(|rules| rules.rules().len() as u64);
        let store = site.store.clone();
        let mut pipeline = Pipeline::new(Parts {
            flows: stream::Limits::default(),
            fragments: 16 << 20,
            tally: pipeline::tally(None),
            rules,
            desk: Desk::new(Grouping::Final, site.name.clone()),
            emit: Box::new(move |alert| _ = store.record_patiently(&alert)),
            events: None,
        });
        if let Some(folder) = &site.evidence {
            let table = EvidenceTable { folder: Some(folder.clone()), ..EvidenceTable::default() };
            let kept = table.open().map_err(|error| error.to_string())?;
            let names = opened.names().to_vec();
            if let Some(folder) = kept {
                let shelf =
                    Shelf::start(folder, names.clone(), Behind::Wait).map_err(|error| error.to_string())?;
                pipeline.keep_evidence(table.keeping(), shelf);
            }
        }
        pipeline.take_stock(inventory::Limits::shown());
        pipeline.observe(Box::new(Charts::new(site.trends.clone(), site.health.clone())));
        let mut look = |octets: u64| progress.done.store(octets, Ordering::Relaxed);
        let notices = pipeline.read(opened, files, &mut look).map_err(|error| error.to_string())?;
        pipeline.finish().map_err(|error| error.to_string())?;
        pipeline.gather();
        {
            let mut stock = site.inventory.lock().unwrap_or_else(PoisonError::into_inner);
            pipeline.harvest().iter().for_each(|harvest| stock.merge(harvest));
        }
        site.store.settle().map_err(|error| error.to_string())?;
        let (.., span) = pipeline.totals();
        let counts = pipeline.counts();
        let (messages, malformed) = pipeline
            .tally()
            .protocols()
            .fold((0, 0), |(all, bad), protocol| (all + protocol.total(), bad + protocol.malformed));
        let limits = super::config::Limits::default();
        let reached = report::bounds(&pipeline).into_iter().filter(|bound| bound.reached > 0);
        let snapshot = Snapshot {
            at: span.map(|(_, last)| last),
            started: span.map(|(first, _)| first),
            flows: counts.open as u64,
            messages,
            malformed,
            undecoded: pipeline::skipped(&counts.packets).map(|(_, count)| count).sum(),
            rules: count,
            hits: pipeline.rules().map(|(_, hits)| hits).unwrap_or_default(),
            bounds: reached.map(|bound| bound.sentence(&limits)).collect(),
            ..Snapshot::default()
        };
        // The charts say their last word before.
        drop(pipeline);
        site.health.set(snapshot);
        Ok(notices)
    }
}

/// Fills the charts from what is seen.
struct Charts {
    trends: Arc<Mutex<Trends>>,
    health: Health,
    seen: u64,
    /// By protocol and second.
    waiting: BTreeMap<(&'static str, i64), Step>,
    last: i64,
}

impl Charts {
    fn new(trends: Arc<Mutex<Trends>>, health: Health) -> Charts {
        Charts { trends, health, seen: 0, waiting: BTreeMap::new(), last: i64::MIN }
    }

    fn flush(&mut self) {
        let mut trends = self.trends.lock().unwrap_or_else(PoisonError::into_inner);
        for ((protocol, second), step) in std::mem::take(&mut self.waiting) {
            trends.add(Timestamp::from_nanos(second.saturating_mul(1_000_000_000)), protocol, step);
        }
        if self.last > i64::MIN {
            let at = Some(Timestamp::from_nanos(self.last));
            self.health.set(Snapshot { at, messages: self.seen, ..Snapshot::default() });
        }
    }
}

impl Observer for Charts {
    fn event(&mut self, event: &Event<'_>, _: Option<&Verdict>) {
        let second = event.ts.nanos.div_euclid(1_000_000_000);
        let step = self.waiting.entry((event.proto.name, second)).or_default();
        step.messages += 1;
        if let Some(latency) = event.latency {
            step.answers += 1;
            step.seconds += latency as f64 / 1e9;
        }
        self.last = self.last.max(event.ts.nanos);
        self.seen += 1;
        if self.seen.is_multiple_of(OFTEN) || self.waiting.len() > OFTEN as usize {
            self.flush();
        }
    }

    fn conversation(&mut self, _: &Unspoken<'_>, _: Option<&Verdict>) {}
}

impl Drop for Charts {
    fn drop(&mut self) {
        self.flush();
    }
}
