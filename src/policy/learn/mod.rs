//! Learning: from the messages and conversations of a network to the rules that allow them, as a careful engineer
//! would write them.
//!
//! Flows in: events with what the rules so far say of them, conversations in none of our protocols ([`Learner`]).
//! Flows out: the text of a rule file ([`Learned`]). What the rules allow already is not learned again, what they
//! deny never; what looks dangerous is put aside as a comment for a person to judge.
//!
//! The way: `seen` and `conversations` (what is remembered, within bounds) → `doubts` (what a person should look at) →
//! `draft` (as few rules as say exactly the same; `cover` leaves out what passes anyway, `polls` finds what must go
//! on) → `roles` (names for addresses) → `rule_text` (one rule, in the words of `phrases`) → `write` (the file, merged
//! into what is there).
//!
//! The same traffic gives the same text, whatever the order of hash maps.

mod conversations;
mod cover;
mod doubts;
mod draft;
pub(super) mod phrases;
mod polls;
mod roles;
mod rule_text;
mod seen;
#[cfg(test)]
mod tests;
mod write;

pub use write::{Base, Learned, Unusable};

use super::memory::Memory;
use super::set::RuleSet;
use super::verdict::Verdict;
use crate::address::Timestamp;
use crate::event::{Event, Flow, Kind, Outcome, PointRange, Value, Values, Verb};
use conversations::Services;
use seen::{Ask, AskKey, Limit, Often, PairKey, Seen, Stamp, Way};
use std::collections::HashMap;
use std::sync::Arc;

/// Ranges longer than this have one limit for all their points.
const VALUED_RANGE: u32 = 2048;

/// How much may be remembered, so that hostile traffic cannot fill the memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Pairs of hosts that speak a control protocol, each direction for itself.
    pub pairs: usize,
    /// Different things that are asked, over all pairs.
    pub asks: usize,
    /// Points whose values are remembered, over all pairs.
    pub values: usize,
    /// Services that hosts use of each other.
    pub services: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { pairs: 1 << 14, asks: 1 << 17, values: 1 << 19, services: 1 << 16 }
    }
}

/// How far beyond what was seen a rule may go.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub enum Slack {
    /// Not at all.
    #[default]
    None,
    /// By so many points at each end of a run, and by that much on each side of a range of values.
    Points(u32),
    /// By so much of the length of a run, or of a range of values, at each end.
    Percent(u32),
}

/// How rules are written.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Options {
    /// How far beyond what was seen a rule may go.
    pub slack: Slack,
    /// Whether steady polls become `[[expect]]` tables.
    pub expect: bool,
    /// How much may be remembered.
    pub bounds: Bounds,
}

impl Default for Options {
    fn default() -> Options {
        Options { slack: Slack::None, expect: true, bounds: Bounds::default() }
    }
}

/// What was not remembered because a bound was reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LeftOut {
    /// Messages of control protocols.
    pub messages: u64,
    /// Other conversations.
    pub conversations: u64,
}

/// Remembers traffic, to write rules that allow it.
pub struct Learner {
    options: Options,
    /// The rules so far.
    rules: Option<Arc<RuleSet>>,
    memory: Memory,
    pairs: HashMap<PairKey, Seen>,
    services: Services,
    asks: usize,
    values: usize,
    left_out: LeftOut,
    sources: Vec<String>,
    source: u16,
    totals: Totals,
    traffic: Option<(Timestamp, Timestamp)>,
}

/// Counts of everything that was seen.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    messages: u64,
    conversations: u64,
    /// Messages and conversations that a rule forbids.
    denied: u64,
    span: Option<(Timestamp, Timestamp)>,
}

impl Totals {
    fn at(&mut self, ts: Timestamp) {
        self.span = Some(self.span.map_or((ts, ts), |(first, last)| (first.min(ts), last.max(ts))));
    }
}

impl Learner {
    /// Nothing seen yet. `rules` are those that there are: by them the messages are judged.
    pub fn new(options: Options, rules: Option<Arc<RuleSet>>) -> Learner {
        Learner {
            options,
            rules,
            memory: Memory::default(),
            pairs: HashMap::new(),
            services: Services::default(),
            asks: 0,
            values: 0,
            left_out: LeftOut::default(),
            sources: Vec::new(),
            source: 0,
            totals: Totals::default(),
            traffic: None,
        }
    }

    /// Names the capture that what follows is in; evidence refers to it.
    pub fn set_source(&mut self, name: &str) {
        // It goes into comments, which end with the line.
        let name: String = name.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        let at = self.sources.iter().position(|known| *known == name).unwrap_or_else(|| {
            self.sources.push(name);
            self.sources.len() - 1
        });
        self.source = u16::try_from(at).unwrap_or(u16::MAX);
    }

    /// What was not remembered because a bound was reached.
    pub fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// Takes a message, with what the rules so far say of it; `None` where there are none.
    pub fn event(&mut self, event: &Event<'_>, verdict: Option<&Verdict>) {
        self.totals.messages += 1;
        self.totals.at(event.ts);
        if let Some(Verdict::Denied { .. }) = verdict {
            self.totals.denied += 1;
            return;
        }
        let open = !matches!(verdict, Some(Verdict::Allowed { .. }));
        let (src, dst) = (event.flow.src.address, event.flow.dst.address);
        let (client, server) = if event.kind == Kind::Response { (dst, src) } else { (src, dst) };
        let key = PairKey { client, server, proto: event.proto.id };
        let Some(seen) = pair(&mut self.pairs, &self.options.bounds, key, event) else {
            self.left_out.messages += 1;
            return;
        };
        seen.messages += 1;
        let stamp = Stamp { ts: event.ts, source: self.source, frame: event.frame };
        match event.kind {
            Kind::Malformed => seen.malformed += 1,
            Kind::Response if event.request.is_some() => answered(seen, event),
            _ if event.verb == Verb::Session || event.is_piece() => {
                seen.session.get_or_insert_with(|| Often::new(stamp)).see(stamp, open, true);
            }
            Kind::Response => self.ask(key, Way::Answered, event, stamp, open),
            Kind::Unsolicited => self.ask(key, Way::Unasked, event, stamp, open),
            Kind::Request | Kind::Message => self.ask(key, Way::Asked, event, stamp, open),
        }
    }

    /// Takes a conversation in none of our protocols: from client to server where that is `known`.
    pub fn conversation(
        &mut self,
        ts: Timestamp,
        frame: u64,
        flow: &Flow,
        known: bool,
        verdict: Option<&Verdict>,
    ) {
        self.totals.conversations += 1;
        self.totals.at(ts);
        if let Some(Verdict::Denied { .. }) = verdict {
            self.totals.denied += 1;
            return;
        }
        let open = !matches!(verdict, Some(Verdict::Allowed { .. }));
        let stamp = Stamp { ts, source: self.source, frame };
        let bound = self.options.bounds.services;
        if !self.services.see(flow, known, stamp, open, bound) {
            self.left_out.conversations += 1;
        }
    }

    /// Says from when to when there was traffic at all, where that is longer than what was learned from.
    pub fn traffic(&mut self, first: Timestamp, last: Timestamp) {
        self.traffic = Some((first, last));
    }

    /// The time in which there was traffic.
    fn span(&self) -> Option<(Timestamp, Timestamp)> {
        self.traffic.or(self.totals.span)
    }

    /// Writes the rules: a new file, or what `base` lacks.
    ///
    /// # Errors
    /// Where the text that is there already cannot be added to.
    pub fn write(&self, base: &Base<'_>) -> Result<Learned, Unusable> {
        write::write(self, base)
    }

    /// Remembers what a message asks, run by run.
    fn ask(&mut self, key: PairKey, way: Way, event: &Event<'_>, stamp: Stamp, open: bool) {
        let Some(seen) = self.pairs.get_mut(&key) else { return };
        let memory = &mut self.memory;
        let bounds = self.options.bounds;
        // What a device reports is not limited to points.
        let points = if way == Way::Unasked { &[] } else { event.points };
        let whole = points.is_empty().then_some(None);
        let several = points.len() > 1;
        let rules = self.rules.as_deref().filter(|_| open && several);
        let pair = rules.map(|rules| (rules, rules.pair(event.flow, event.proto)));
        let mut offset = 0usize;
        let mut lost = false;
        let mut together = Vec::new();
        for (place, range) in whole.into_iter().chain(points.iter().map(Some)).enumerate() {
            let ask = AskKey {
                way,
                device: event.device,
                verb: range.map_or(event.verb, |range| range.verb).index() as u8,
                function: event.function,
                range: range.map(|range| (range.space, range.first, range.last.max(range.first))),
            };
            let at = offset;
            offset += range.filter(|range| range.valued).map_or(0, |range| range.count() as usize);
            // Where one run of a message is not allowed, the others may be.
            let passes = pair.as_ref().zip(range).is_some_and(|((rules, pair), range)| {
                let values: Vec<Value<'_>> = event.values.iter().skip(at).take(offset - at).collect();
                let part =
                    Event { points: std::slice::from_ref(range), values: Values::List(&values), ..*event };
                matches!(rules.judge(pair, &part, memory), Verdict::Allowed { .. })
            });
            if self.asks >= bounds.asks && !seen.asks.contains_key(&ask) {
                lost = true;
                continue;
            }
            let (asks, values) = (&mut self.asks, &mut self.values);
            let entry = seen.asks.entry(ask).or_insert_with(|| {
                *asks += 1;
                Ask::new(stamp)
            });
            if entry.often.count > 0 && way == Way::Asked {
                let millis = stamp.ts.since(entry.often.last) / 1_000_000;
                entry.gaps.see(u32::try_from(millis).unwrap_or(u32::MAX));
            }
            entry.often.see(stamp, open && !passes, place == 0);
            entry.alone += u64::from(open && !several);
            if open && several && !passes {
                together.push(ask);
            }
            if let Some(range) = range.filter(|_| way == Way::Asked && is_bounded(ask.verb())) {
                note_values(entry, range, event, at, values, bounds.values);
            }
            if way == Way::Asked && event.kind == Kind::Request {
                seen.await_answer(event.frame, ask);
            }
        }
        if !together.is_empty() && self.asks < bounds.asks {
            together.sort_unstable();
            let asks = &mut self.asks;
            let count = seen.together.entry(together).or_insert_with(|| {
                *asks += 1;
                0
            });
            *count += 1;
        }
        self.left_out.messages += u64::from(lost);
    }
}

/// What is remembered of a pair; `None` where there is no more room for another.
fn pair<'p>(
    pairs: &'p mut HashMap<PairKey, Seen>,
    bounds: &Bounds,
    key: PairKey,
    event: &Event<'_>,
) -> Option<&'p mut Seen> {
    if pairs.len() >= bounds.pairs && !pairs.contains_key(&key) {
        return None;
    }
    Some(pairs.entry(key).or_insert_with(|| Seen::new(event.proto)))
}

/// Whether the values of a verb are bounded in rules.
fn is_bounded(verb: Verb) -> bool {
    matches!(verb, Verb::Write | Verb::Select | Verb::Operate)
}

/// Remembers how a request turned out.
fn answered(seen: &mut Seen, event: &Event<'_>) {
    let Some(request) = event.request else { return };
    let refusal = match event.outcome {
        Some(Outcome::Unanswered) => None,
        // "Acknowledge" and "server device busy" say: later.
        Some(Outcome::Exception { name, .. }) if name != "acknowledge" && !name.contains("busy") => {
            Some(name)
        }
        _ => {
            seen.answered(request, event.device, event.points);
            return;
        }
    };
    for key in seen.answered(request, event.device, event.points) {
        let Some(ask) = seen.asks.get_mut(&key) else { continue };
        match refusal {
            Some(name) => {
                ask.refused += 1;
                // The first by name, so that the order does not matter.
                ask.refusal = Some(ask.refusal.map_or(name, |before| before.min(name)));
            }
            None => ask.unanswered += 1,
        }
    }
}

/// Remembers the values of one run of points; `at` is the place of its first value.
fn note_values(
    ask: &mut Ask,
    range: &PointRange,
    event: &Event<'_>,
    at: usize,
    used: &mut usize,
    bound: usize,
) {
    let count = range.count();
    if ask.values.is_empty() {
        let own = range.valued && count <= VALUED_RANGE && used.saturating_add(count as usize) <= bound;
        let places = if own { count.max(1) as usize } else { 1 };
        *used = used.saturating_add(places);
        ask.values = vec![Limit::default(); places];
    }
    let shared = ask.values.len() == 1;
    let values = event.values.iter().skip(if range.valued { at } else { usize::MAX });
    let mut seen = 0u32;
    for (place, value) in values.take(count as usize).enumerate() {
        seen += 1;
        if let Some(limit) = ask.values.get_mut(if shared { 0 } else { place }) {
            limit.see(Some(value));
        }
    }
    // A value that the message does not tell cannot be bounded.
    if seen < count {
        let untold = if shared { 0 } else { seen as usize };
        ask.values.iter_mut().skip(untold).for_each(|limit| limit.see(None));
    }
}
