//! What concerns all conversations together: alerts, expectations, what is judged by what was said elsewhere, the log.
//!
//! Workers hand what they find to an [`Upstream`]. That of one worker is [`Central`] itself; several take notes
//! ([`super::notes`]), which reach it in the order in which things happened.

use super::evidence::{self, Keeper, Marks};
use super::pipeline::{Observer, Unspoken};
use crate::address::Timestamp;
use crate::alert::{Alert, Desk, Taker};
use crate::capture::Frame;
use crate::event::{Event, Flow};
use crate::output::events::{EventLog, Form};
use crate::output::fold::Folded;
use crate::packet::Packet;
use crate::policy::{Memory, Pair, Relaxed, Rule, RuleSet, Verdict, Watch};
use std::collections::HashMap;
use std::sync::Arc;

/// Takes what a worker finds.
pub(super) trait Upstream {
    /// What follows is of a conversation that ends, with its place in the order of those that do
    /// ([`crate::stream::Conversation::turn`]).
    fn ends(&mut self, turn: (u8, u64));

    /// A packet, before what is said in it.
    fn packet(&mut self, frame: &Frame<'_>, packet: &Packet<'_>);

    /// A fragment, whose packet comes later.
    fn fragment(&mut self, frame: &Frame<'_>, fragment: &Packet<'_>);

    /// A message, before it is judged.
    fn log(&mut self, event: &Event<'_>);

    /// Whether steady polls are folded in the log.
    fn folds(&self) -> bool;

    /// A line of the log about a steady poll.
    fn folded(&mut self, folded: &Folded<'_>);

    /// A message that a worker has judged, or that nobody judges.
    fn judged(&mut self, event: &Event<'_>, verdict: Option<&Verdict>);

    /// A message that is judged by what was said before, there or elsewhere.
    fn judge(&mut self, event: &Event<'_>, pair: &Pair);

    /// A conversation in none of our protocols.
    fn conversation(&mut self, seen: &Unspoken<'_>, verdict: Option<&Verdict>);
}

/// What concerns all conversations together.
pub(super) struct Central {
    rules: Option<Arc<RuleSet>>,
    /// Messages that each rule decided here, by its place.
    hits: Vec<u64>,
    /// What judging remembers.
    memory: Memory,
    /// What is expected.
    watch: Watch,
    desk: Desk,
    out: Out,
    events: Option<EventLog>,
    observer: Option<Box<dyn Observer>>,
    /// The capture file of what comes next, where there are several.
    file: Option<Arc<str>>,
}

/// Where alerts go, and what keeps their packets.
struct Out {
    emit: Box<dyn FnMut(Alert) + Send>,
    keeper: Option<Box<Keeper>>,
}

impl Taker for Out {
    fn alert(&mut self, alert: Alert) {
        (self.emit)(alert);
    }

    fn begins(&mut self, alert: &Alert, flow: &Flow, sentence: &dyn Fn() -> String) -> Option<String> {
        self.keeper.as_mut()?.begins(alert, flow, sentence)
    }

    fn grows(&mut self, alert: &Alert, frame: u64) {
        if let Some(keeper) = &mut self.keeper {
            keeper.grows(alert.id, frame);
        }
    }
}

impl Upstream for Central {
    fn ends(&mut self, _: (u8, u64)) {}

    #[inline]
    fn packet(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) {
        if let Some(keeper) = &mut self.out.keeper {
            let marks = keeper.marker().packet(packet);
            keeper.packet(marks, frame);
        }
    }

    fn fragment(&mut self, frame: &Frame<'_>, fragment: &Packet<'_>) {
        if let Some(keeper) = &mut self.out.keeper {
            let marks = keeper.marker_mut().fragment(fragment);
            keeper.packet(marks, frame);
        }
    }

    fn log(&mut self, event: &Event<'_>) {
        if let Some(log) = &mut self.events {
            log.event(event, self.file.as_deref());
        }
    }

    fn folds(&self) -> bool {
        self.form() == Some(Form::Folded)
    }

    fn folded(&mut self, folded: &Folded<'_>) {
        if let Some(log) = &mut self.events {
            log.folded(folded, self.file.as_deref());
        }
    }

    fn judged(&mut self, event: &Event<'_>, verdict: Option<&Verdict>) {
        if let (Some(rules), Some(verdict)) = (&self.rules, verdict) {
            self.desk.event(event, verdict, rules, &mut self.out);
        }
        if let Some(observer) = &mut self.observer {
            observer.event(event, verdict);
        }
    }

    fn judge(&mut self, event: &Event<'_>, pair: &Pair) {
        let Central { rules, hits, memory, watch, desk, out, observer, .. } = self;
        let Some(rules) = rules.as_deref().filter(|rules| rules.generation() == pair.generation()) else {
            return;
        };
        let verdict = rules.judge(pair, event, memory);
        count_hit(hits, &verdict);
        if pair.is_awaited() {
            let mut said = |rules: &RuleSet, silence| desk.silence(event.ts, &silence, rules, out);
            rules.observe(pair, event, watch, &mut said, &mut |id| {
                if let Some(count) = hits.get_mut(id as usize) {
                    *count += 1;
                }
            });
        }
        desk.event(event, &verdict, rules, out);
        if let Some(observer) = observer {
            observer.event(event, Some(&verdict));
        }
    }

    fn conversation(&mut self, seen: &Unspoken<'_>, verdict: Option<&Verdict>) {
        if let Some(observer) = &mut self.observer {
            observer.conversation(seen, verdict);
        }
        if let (Some(rules), Some(verdict)) = (&self.rules, verdict) {
            self.desk.conversation(seen.ts, seen.frame, seen.flow, verdict, rules, &mut self.out);
        }
    }
}

impl Central {
    pub(super) fn new(desk: Desk, emit: Box<dyn FnMut(Alert) + Send>, events: Option<EventLog>) -> Central {
        Central {
            rules: None,
            hits: Vec::new(),
            memory: Memory::default(),
            watch: Watch::default(),
            desk,
            out: Out { emit, keeper: None },
            events,
            observer: None,
            file: None,
        }
    }

    pub(super) fn set_file(&mut self, file: Option<Arc<str>>) {
        self.desk.set_file(file.clone());
        self.file = file;
    }

    /// Keeps the packets of alerts from here on.
    pub(super) fn keep_evidence(&mut self, keeper: Keeper) {
        self.out.keeper = Some(Box::new(keeper));
    }

    /// A packet with its marks, where packets are kept.
    pub(super) fn marked(&mut self, marks: Marks, frame: &Frame<'_>) {
        if let Some(keeper) = &mut self.out.keeper {
            keeper.packet(marks, frame);
        }
    }

    /// What became of the packets of alerts, where they are kept.
    pub(super) fn evidence(&self) -> Option<evidence::Counts> {
        self.out.keeper.as_ref().map(|keeper| keeper.counts())
    }

    pub(super) fn observe(&mut self, observer: Box<dyn Observer>) {
        self.observer = Some(observer);
    }

    pub(super) fn set_rules(&mut self, rules: Option<Arc<RuleSet>>) {
        self.hits = carried(self.rules.as_deref(), &self.hits, rules.as_deref());
        self.rules = rules;
        self.desk.end_lasting(&mut self.out);
        self.watch = Watch::default();
    }

    /// A packet of this time has passed.
    pub(super) fn passes(&mut self, now: Timestamp) {
        if self.watch.is_due(now) {
            self.overdue(now);
        }
    }

    /// Says what has been silent for too long.
    fn overdue(&mut self, now: Timestamp) {
        let Central { rules, watch, desk, out, .. } = self;
        let Some(rules) = rules.as_deref() else { return watch.rest() };
        rules.overdue(watch, now, &mut |rules, silence| desk.silence(now, &silence, rules, out));
    }

    /// Lets go of what is too old by this time.
    pub(super) fn tick(&mut self, now: Timestamp) {
        self.passes(now);
        self.desk.tick(now, &mut self.out);
        if let Some(keeper) = &mut self.out.keeper {
            keeper.tick(now);
        }
    }

    /// Closes every alert; `last` is the time of the last packet.
    pub(super) fn finish(&mut self, last: Option<Timestamp>) -> std::io::Result<()> {
        if let Some(last) = last {
            self.overdue(last);
        }
        self.desk.finish(&mut self.out);
        if let Some(keeper) = &mut self.out.keeper {
            keeper.finish();
        }
        self.events.take().map_or(Ok(()), EventLog::finish)
    }

    pub(super) fn close_emit(&mut self) {
        self.out.emit = Box::new(|_| {});
    }

    /// How messages are logged, where they are.
    pub(super) fn form(&self) -> Option<Form> {
        self.events.as_ref().map(EventLog::form)
    }

    /// Lines for the log, in runs.
    pub(super) fn lines(&mut self, runs: &[&[u8]]) {
        if let Some(log) = &mut self.events {
            log.lines(runs);
        }
    }

    pub(super) fn flush_events(&mut self) {
        if let Some(events) = &mut self.events {
            events.flush();
        }
    }

    pub(super) fn is_unheard(&self) -> bool {
        self.events.as_ref().is_some_and(EventLog::is_broken)
    }

    pub(super) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// What judging here had to forget, and how many rules that expect something wait in vain at present.
    pub(super) fn memory(&self) -> (u64, usize) {
        (self.memory.evicted(), self.watch.silent())
    }

    pub(super) fn take_relaxed(&mut self) -> Vec<Relaxed> {
        self.memory.take_relaxed()
    }

    pub(super) fn rules(&self) -> Option<&RuleSet> {
        self.rules.as_deref()
    }

    /// How many messages each rule decided here.
    pub(super) fn hits(&self) -> &[u64] {
        &self.hits
    }
}

/// The counts of new rules: one keeps its count over a reload, by its name.
pub(super) fn carried(before: Option<&RuleSet>, hits: &[u64], after: Option<&RuleSet>) -> Vec<u64> {
    let known: HashMap<&str, u64> = before
        .map(RuleSet::rules)
        .unwrap_or_default()
        .iter()
        .map(|rule| rule.name.as_str())
        .zip(hits.iter().copied())
        .collect();
    let count = |rule: &Rule| known.get(rule.name.as_str()).copied().unwrap_or(0);
    after.map_or(Vec::new(), |rules| rules.rules().iter().map(count).collect())
}

/// Counts a message for the rule that decided it.
pub(super) fn count_hit(hits: &mut [u64], verdict: &Verdict) {
    if let Verdict::Allowed { rule: Some(rule) } | Verdict::Denied { rule } = verdict
        && let Some(count) = hits.get_mut(rule.0 as usize)
    {
        *count += 1;
    }
}
