//! Frames in, verdicts and alerts out: by one worker on the caller's thread, or by a team of several.

use super::central::Central;
use super::evidence::{self, Keeper, Keeping};
use super::team::Team;
use super::worker::Worker;
use crate::address::Timestamp;
use crate::alert::{Alert, Desk};
use crate::capture::{CaptureError, Files, Frame, Passed};
use crate::event::{Event, Flow};
use crate::inventory::{self, Gatherer, Harvest};
use crate::metrics::Tally;
use crate::output::events::EventLog;
use crate::output::evidence::Shelf;
use crate::packet;
use crate::policy::{Relaxed, RuleSet, Verdict};
use crate::protocol;
use crate::stream;
use std::path::PathBuf;
use std::sync::Arc;

/// Sees everything that is judged, with what the rules say of it: for what learns from the traffic.
pub trait Observer: Send {
    /// Takes a message; the verdict is `None` where there are no rules.
    fn event(&mut self, event: &Event<'_>, verdict: Option<&Verdict>);

    /// Takes a conversation in none of our protocols that is no housekeeping, once.
    fn conversation(&mut self, seen: &Unspoken<'_>, verdict: Option<&Verdict>);
}

/// A conversation in none of our protocols.
#[derive(Clone, Copy, Debug)]
pub struct Unspoken<'a> {
    /// When it was clear that it is none of ours.
    pub ts: Timestamp,
    /// The packet that made it clear.
    pub frame: u64,
    /// From client to server where that is known, else from the one who spoke first.
    pub flow: &'a Flow,
    /// Whether the handshake said who the client is.
    pub client_known: bool,
}

/// What a pipeline is made of.
pub struct Parts {
    /// Bounds of the flow table.
    pub flows: stream::Limits,
    /// Octets of fragments kept.
    pub fragments: usize,
    /// Counters, tied to the metrics where there are any.
    pub tally: Tally,
    /// The rules, if there are any.
    pub rules: Option<Arc<RuleSet>>,
    /// Groups alerts.
    pub desk: Desk,
    /// Gets the alerts.
    pub emit: Box<dyn FnMut(Alert) + Send>,
    /// Gets every message, where asked for.
    pub events: Option<EventLog>,
}

/// What was counted on the way.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counts {
    /// By the packet decoder.
    pub packets: packet::Counters,
    /// By the flow table.
    pub flows: stream::Counters,
    /// Conversations followed at present.
    pub open: usize,
    /// What judging had to forget.
    pub forgotten: u64,
    /// Rules that expect something and wait in vain at present.
    pub silent: usize,
}

/// Everything from a frame to an alert.
pub struct Pipeline {
    crew: Crew,
    totals: Totals,
}

/// How much was read.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Totals {
    pub(super) packets: u64,
    bytes: u64,
    span: Option<(Timestamp, Timestamp)>,
}

impl Totals {
    #[inline(always)]
    pub(super) fn add(&mut self, ts: Timestamp, wire_len: u32) {
        self.packets += 1;
        self.bytes += u64::from(wire_len);
        match &mut self.span {
            Some((_, last)) if ts.nanos >= last.nanos => *last = ts,
            Some((first, _)) if ts.nanos < first.nanos => *first = ts,
            Some(_) => {}
            None => self.span = Some((ts, ts)),
        }
    }

    pub(super) fn add_passed(&mut self, passed: &Passed) {
        self.packets += passed.packets;
        self.bytes += passed.bytes;
        let Some((from, to)) = passed.span else { return };
        let (first, last) = self.span.get_or_insert((from, to));
        if from.nanos < first.nanos {
            *first = from;
        }
        if to.nanos > last.nanos {
            *last = to;
        }
    }
}

enum Crew {
    One(Box<Worker<Central>>),
    Many(Box<Team>),
}

/// Packets between two quiet moments, in which old conversations and alerts go.
pub(super) const QUIET: u64 = 4096;

impl Pipeline {
    /// One worker, on the thread that brings the frames.
    pub fn new(parts: Parts) -> Pipeline {
        let Parts { flows, fragments, tally, rules, desk, emit, events } = parts;
        let central = Central::new(desk, emit, events);
        let mut worker = Worker::new(flows, fragments, tally, central);
        worker.set_rules(rules);
        Pipeline::of(Crew::One(Box::new(worker)))
    }

    /// Several workers, each on a thread of its own, each for its share of the conversations: what two hosts say to
    /// each other is one worker's. Events and alerts are the same as those of one worker, in the same order; of the
    /// bounds of the flow table each has an equal part.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub fn with_workers(parts: Parts, workers: usize) -> std::io::Result<Pipeline> {
        if workers < 2 {
            return Ok(Pipeline::new(parts));
        }
        Ok(Pipeline::of(Crew::Many(Box::new(Team::new(parts, workers)?))))
    }

    fn of(crew: Crew) -> Pipeline {
        Pipeline { crew, totals: Totals::default() }
    }

    /// Names the capture file of the frames that follow, for outputs that mix several.
    pub fn set_file(&mut self, file: Option<Arc<str>>) {
        match &mut self.crew {
            Crew::One(worker) => worker.up.set_file(file),
            Crew::Many(team) => team.set_file(file),
        }
    }

    /// Shows everything that is judged to an observer. Of several workers it sees nothing: it is for one.
    pub fn observe(&mut self, observer: Box<dyn Observer>) {
        if let Crew::One(worker) = &mut self.crew {
            worker.up.observe(observer);
        }
    }

    /// Gathers what there is for an inventory from here on, within these limits over all workers.
    pub fn take_stock(&mut self, limits: inventory::Limits) {
        match &mut self.crew {
            Crew::One(worker) => worker.gatherer = Some(Box::new(Gatherer::new(limits))),
            Crew::Many(team) => team.take_stock(limits),
        }
    }

    /// Keeps the packets of the alerts that begin from here on, and puts them on this shelf.
    pub fn keep_evidence(&mut self, keeping: Keeping, shelf: Shelf) {
        let keeper = Keeper::new(keeping, shelf);
        match &mut self.crew {
            Crew::One(worker) => worker.up.keep_evidence(keeper),
            Crew::Many(team) => team.keep_evidence(keeper),
        }
    }

    /// What became of the packets of alerts so far, where they are kept.
    pub fn evidence(&self) -> Option<evidence::Counts> {
        self.central().evidence()
    }

    /// What was gathered for the inventory since this was last asked, as of [`Pipeline::gather`].
    pub fn harvest(&mut self) -> Vec<Harvest> {
        match &mut self.crew {
            Crew::One(worker) => worker.gatherer.iter_mut().map(|gatherer| gatherer.take()).collect(),
            Crew::Many(team) => team.harvest(),
        }
    }

    /// Puts other rules in force; conversations look theirs up anew.
    pub fn set_rules(&mut self, rules: Option<Arc<RuleSet>>) {
        match &mut self.crew {
            Crew::One(worker) => worker.set_rules(rules),
            Crew::Many(team) => team.set_rules(rules),
        }
    }

    /// Takes one frame.
    #[inline]
    pub fn frame(&mut self, frame: &Frame<'_>) {
        self.totals.add(frame.ts, frame.wire_len);
        let order = self.totals.packets;
        match &mut self.crew {
            Crew::One(worker) => {
                worker.frame(order, frame);
                worker.up.passes(frame.ts);
                if order.is_multiple_of(QUIET) {
                    worker.expire(frame.ts);
                    worker.up.tick(frame.ts);
                }
            }
            Crew::Many(team) => team.frame(order, frame),
        }
    }

    /// Takes all frames of capture files; the same as to read them and take frame by frame, but that several workers
    /// read for themselves, where the files can be opened more than once. `look` is told now and then how many octets
    /// were read. Returns what there is to say about the files, a sentence each.
    ///
    /// # Errors
    /// A file cannot be read, or not read on.
    pub fn read(
        &mut self,
        mut files: Files,
        paths: &[PathBuf],
        look: &mut dyn FnMut(u64),
    ) -> Result<Vec<String>, CaptureError> {
        let again = files.progress().1.is_some();
        if let Crew::Many(team) = &mut self.crew
            && again
        {
            drop(files);
            let mut heard = |central: &Central, octets| {
                look(octets);
                !central.is_unheard()
            };
            let (totals, notices) = team.read(paths, &mut heard)?;
            self.totals = totals;
            return Ok(notices);
        }
        let names: Vec<Arc<str>> = files.names().iter().map(|name| name.as_str().into()).collect();
        let (mut source, mut count) = (None, 0u64);
        while let Some(frame) = files.next()? {
            if names.len() > 1 && source != Some(frame.source) {
                source = Some(frame.source);
                self.set_file(names.get(usize::from(frame.source)).cloned());
            }
            self.frame(&frame);
            count += 1;
            if count.is_multiple_of(65_536) {
                look(files.progress().0);
                if self.is_unheard() {
                    break;
                }
            }
        }
        Ok(files.notices())
    }

    /// Lets go of what is too old by this time.
    pub fn tick(&mut self, now: Timestamp) {
        match &mut self.crew {
            Crew::One(worker) => {
                worker.expire(now);
                worker.up.tick(now);
            }
            Crew::Many(team) => team.tick(now),
        }
    }

    /// Brings what was taken so far to its end: the workers' queues are empty after it.
    pub fn settle(&mut self) {
        if let Crew::Many(team) = &mut self.crew {
            team.settle();
        }
    }

    /// Ends every conversation and closes every alert.
    ///
    /// # Errors
    /// Where the event log could not be written.
    pub fn finish(&mut self) -> std::io::Result<()> {
        let last = self.totals.span.map(|(_, last)| last);
        match &mut self.crew {
            Crew::One(worker) => {
                worker.finish();
                worker.up.finish(last)
            }
            Crew::Many(team) => team.finish(last),
        }
    }

    fn central(&self) -> &Central {
        match &self.crew {
            Crew::One(worker) => &worker.up,
            Crew::Many(team) => team.central(),
        }
    }

    fn central_mut(&mut self) -> &mut Central {
        match &mut self.crew {
            Crew::One(worker) => &mut worker.up,
            Crew::Many(team) => team.central_mut(),
        }
    }

    /// Lets go of what takes the alerts: after [`Pipeline::finish`] there are no more.
    pub fn close_emit(&mut self) {
        self.central_mut().close_emit();
    }

    /// Writes out what the event log has gathered.
    pub fn flush_events(&mut self) {
        self.settle();
        self.central_mut().flush_events();
    }

    /// Whether the reader of the event log has gone away.
    pub fn is_unheard(&self) -> bool {
        self.central().is_unheard()
    }

    /// Packets, octets on the wire, first and last time stamp.
    pub fn totals(&self) -> (u64, u64, Option<(Timestamp, Timestamp)>) {
        (self.totals.packets, self.totals.bytes, self.totals.span)
    }

    /// Brings the counts of several workers together. What follows says what was counted until then; of one worker
    /// it is always up to date.
    pub fn gather(&mut self) {
        if let Crew::Many(team) = &mut self.crew {
            team.gather();
        }
    }

    /// Counts of messages, as of [`Pipeline::gather`].
    pub fn tally(&mut self) -> &mut Tally {
        match &mut self.crew {
            Crew::One(worker) => &mut worker.tally,
            Crew::Many(team) => team.tally(),
        }
    }

    /// Counts of packets and conversations, as of [`Pipeline::gather`].
    pub fn counts(&self) -> Counts {
        let (counts, central) = match &self.crew {
            Crew::One(worker) => (worker.counts(), &worker.up),
            Crew::Many(team) => (team.counts(), team.central()),
        };
        let (forgotten, silent) = central.memory();
        Counts { forgotten: counts.forgotten + forgotten, silent, ..counts }
    }

    /// Counts of alerts.
    pub fn desk(&self) -> &Desk {
        self.central().desk()
    }

    /// What maintenance windows let pass since this was last asked, as of [`Pipeline::gather`].
    pub fn take_relaxed(&mut self) -> Vec<Relaxed> {
        let mut all = self.central_mut().take_relaxed();
        let more = match &mut self.crew {
            Crew::One(worker) => worker.memory.take_relaxed(),
            Crew::Many(team) => team.take_relaxed(),
        };
        Relaxed::join(&mut all, more);
        all
    }

    /// The rules in force and how many messages each decided, as of [`Pipeline::gather`].
    pub fn rules(&self) -> Option<(&RuleSet, Vec<u64>)> {
        let central = self.central();
        let hits = match &self.crew {
            Crew::One(worker) => &worker.hits,
            Crew::Many(team) => team.hits(),
        };
        let sum = central.hits().iter().zip(hits).map(|(a, b)| a + b).collect();
        central.rules().map(|rules| (rules, sum))
    }
}

/// A tally for every protocol.
pub fn tally(metrics: Option<&crate::metrics::Metrics>) -> Tally {
    Tally::new(&protocol::vocabularies(), metrics)
}

/// Frames skipped by the decoder, by reason, for those that had any.
pub fn skipped(counters: &packet::Counters) -> impl Iterator<Item = (&'static str, u64)> {
    packet::Skip::ALL.into_iter().zip(counters.skipped).filter(|(_, n)| *n > 0).map(|(s, n)| (s.name(), n))
}
