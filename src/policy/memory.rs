//! What judging remembers from message to message: how often a rule was used, what was last written to a point,
//! which windows of time are open. One for each worker, bounded; it never reads a clock.

use super::RuleSet;
use super::calendar::Span;
use super::rule::{Change, Rule, RuleKind, device_end};
use crate::address::{Address, Timestamp};
use crate::event::{Event, Space};
use foldhash::quality::RandomState;
use hashbrown::HashMap;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

/// Pairs and rules whose rate is followed at a time; the one unused longest goes.
const RATES: usize = 16_384;
/// Uses that are remembered at a time over all of them, eight octets each; those of the pair unused longest go.
const STAMPS: usize = 1 << 20;
/// Points whose last written value is remembered; the one written longest ago goes.
const VALUES: usize = 65_536;

/// Whom a count of a rule's uses is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Use {
    rule: u32,
    src: Address,
    dst: Address,
    device: Option<u32>,
}

/// A point of a plant.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Place {
    at: Address,
    protocol: u8,
    device: Option<u32>,
    space: Space,
    index: u32,
}

/// What is to be noted of the present message once its verdict is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pending {
    /// A rule with a rate was used; of an allow rule only where the message passes.
    Use(u32, RuleKind),
    /// A maintenance window relaxed a rule.
    Relax(u32, u32),
}

/// What a maintenance window let pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Relaxed {
    /// The window, by its place in [`RuleSet::maintenance`].
    pub window: u32,
    /// The rule that was relaxed.
    pub rule: u32,
    /// How many messages passed because of it.
    pub count: u64,
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
}

impl Relaxed {
    /// Adds what others let pass.
    pub fn join(all: &mut Vec<Relaxed>, more: Vec<Relaxed>) {
        for one in more {
            match all.iter_mut().find(|known| (known.window, known.rule) == (one.window, one.rule)) {
                Some(known) => {
                    known.count += one.count;
                    known.first = known.first.min(one.first);
                    known.last = known.last.max(one.last);
                }
                None => all.push(one),
            }
        }
    }
}

/// What judging remembers. It belongs to one rule set; with another one it starts anew.
pub struct Memory {
    generation: u64,
    /// For each rule, whether its window of time is open, and until when that holds.
    during: RefCell<Vec<Span>>,
    /// The same for each maintenance window.
    maintenance: RefCell<Vec<Span>>,
    uses: RefCell<HashMap<Use, VecDeque<i64>, RandomState>>,
    /// How many uses these are.
    stamps: Cell<usize>,
    written: RefCell<HashMap<Place, (f64, i64), RandomState>>,
    /// What the present message made use of.
    pending: RefCell<Vec<Pending>>,
    relaxed: RefCell<Vec<Relaxed>>,
    evicted: Cell<u64>,
    rates: usize,
    values: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Memory {
            generation: 0,
            during: RefCell::default(),
            maintenance: RefCell::default(),
            uses: RefCell::default(),
            stamps: Cell::new(0),
            written: RefCell::default(),
            pending: RefCell::default(),
            relaxed: RefCell::default(),
            evicted: Cell::new(0),
            rates: RATES,
            values: VALUES,
        }
    }
}

impl Memory {
    /// With other bounds: pairs whose rate is followed, points whose value is remembered.
    pub fn with_limits(rates: usize, values: usize) -> Memory {
        Memory { rates: rates.max(1), values: values.max(1), ..Memory::default() }
    }

    /// Makes it that of a rule set.
    pub(super) fn belong(&mut self, rules: &RuleSet) {
        if self.generation != rules.generation() {
            let limits = (self.rates, self.values, self.evicted.get());
            *self = Memory::with_limits(limits.0, limits.1);
            self.evicted.set(limits.2);
            self.generation = rules.generation();
            self.during.get_mut().resize(rules.rules().len(), Span::NONE);
            self.maintenance.get_mut().resize(rules.maintenance().len(), Span::NONE);
        }
    }

    /// What was forgotten because there was too much.
    pub fn evicted(&self) -> u64 {
        self.evicted.get()
    }

    /// What maintenance windows let pass since this was last asked.
    pub fn take_relaxed(&mut self) -> Vec<Relaxed> {
        std::mem::take(self.relaxed.get_mut())
    }

    /// Whether a rule's window of time is open.
    pub(super) fn is_during(&self, id: u32, rule: &Rule, ts: Timestamp) -> bool {
        let Some(windows) = &rule.during else { return true };
        known(&self.during, id, ts, || windows.span(ts))
    }

    /// The maintenance window that relaxes a rule now.
    pub(super) fn relaxing(&self, rules: &[super::Maintenance], rule: &Rule, ts: Timestamp) -> Option<u32> {
        let open = |window: &&u32| {
            let Some(maintenance) = rules.get(**window as usize) else { return false };
            known(&self.maintenance, **window, ts, || maintenance.when.span(ts))
        };
        rule.relaxed.iter().find(open).copied()
    }

    /// Notes that the present message passes a rule only because of maintenance.
    pub(super) fn will_relax(&self, window: u32, rule: u32) {
        self.note(Pending::Relax(window, rule));
    }

    fn note(&self, what: Pending) {
        let mut pending = self.pending.borrow_mut();
        if !pending.contains(&what) {
            pending.push(what);
        }
    }

    /// Notes that a message or conversation passed a rule only because of maintenance.
    pub(super) fn relax(&self, window: u32, rule: u32, ts: Timestamp) {
        let mut all = self.relaxed.borrow_mut();
        match all.iter_mut().find(|relaxed| relaxed.window == window && relaxed.rule == rule) {
            Some(relaxed) => {
                relaxed.count += 1;
                relaxed.last = relaxed.last.max(ts);
            }
            None => all.push(Relaxed { window, rule, count: 1, first: ts, last: ts }),
        }
    }

    /// Whether a rule may be used once more by these two: fewer uses than its rate within the time before.
    pub(super) fn has_room(&self, id: u32, rule: &Rule, event: &Event<'_>) -> bool {
        let Some(rate) = rule.rate else { return true };
        let since = event.ts.nanos.saturating_sub_unsigned(rate.nanos);
        let uses = self.uses.borrow();
        let recent = uses.get(&use_of(id, event)).map_or(0, |all| {
            let old = all.iter().take_while(|ts| **ts <= since).count();
            all.len() - old
        });
        recent < rate.count as usize
    }

    /// Notes that the present message makes use of a rule with a rate.
    pub(super) fn will_use(&self, id: u32, kind: RuleKind) {
        self.note(Pending::Use(id, kind));
    }

    /// Counts the uses of the present message, or forgets them where it did not pass.
    pub(super) fn settle(&self, passed: bool, rules: &[Rule], event: &Event<'_>) {
        let mut pending = self.pending.borrow_mut();
        for what in pending.drain(..) {
            let id = match what {
                Pending::Use(id, kind) if passed || kind == RuleKind::Deny => id,
                Pending::Relax(window, rule) if passed => {
                    self.relax(window, rule, event.ts);
                    continue;
                }
                _ => continue,
            };
            let Some(rate) = rules.get(id as usize).and_then(|rule| rule.rate) else { continue };
            let mut uses = self.uses.borrow_mut();
            let key = use_of(id, event);
            if uses.len() >= self.rates && !uses.contains_key(&key) || self.stamps.get() >= STAMPS {
                self.make_room(&mut uses, |all| all.back().copied().unwrap_or(i64::MIN));
                self.stamps.set(uses.values().map(VecDeque::len).sum());
            }
            let all = uses.entry(key).or_default();
            let before = all.len();
            let since = event.ts.nanos.saturating_sub_unsigned(rate.nanos);
            while all.front().is_some_and(|ts| *ts <= since) || all.len() >= rate.count as usize {
                all.pop_front();
            }
            all.push_back(event.ts.nanos);
            self.stamps.set((self.stamps.get() + all.len()).saturating_sub(before));
        }
    }

    /// The value before, where a change to this one is more than a rule lets be. `factor` makes of a difference on
    /// the wire one in the rule's unit of measure.
    pub(super) fn jump(
        &self,
        change: &Change,
        factor: f64,
        event: &Event<'_>,
        (space, index): (Space, u32),
        value: f64,
    ) -> Option<f64> {
        let (before, at) = *self.written.borrow().get(&place_of(event, space, index))?;
        let most = match change.per {
            None => change.most,
            // A value that stood for longer may go further.
            Some(nanos) => change.most * (event.ts.nanos.saturating_sub(at).max(0) as f64 / nanos as f64),
        };
        (((value - before) * factor).abs() > most).then_some(before)
    }

    /// Remembers what was written to points.
    pub(super) fn write(&self, event: &Event<'_>) {
        let mut written = self.written.borrow_mut();
        for (range, index, value) in event.valued_points() {
            let Some(number) = value.number() else { continue };
            let key = place_of(event, range.space, index);
            if written.len() >= self.values && !written.contains_key(&key) {
                self.make_room(&mut written, |(_, at)| *at);
            }
            written.insert(key, (number, event.ts.nanos));
        }
    }
}

impl Memory {
    /// Forgets the eighth that was used longest ago.
    fn make_room<K: Copy + Eq + std::hash::Hash, V>(
        &self,
        all: &mut HashMap<K, V, RandomState>,
        last: impl Fn(&V) -> i64,
    ) {
        let mut ages: Vec<i64> = all.values().map(&last).collect();
        let at = ages.len() / 8;
        let (_, limit, _) = ages.select_nth_unstable(at);
        let (limit, before) = (*limit, all.len());
        all.retain(|_, value| last(value) > limit);
        self.evicted.set(self.evicted.get() + (before - all.len()) as u64);
    }
}

fn use_of(rule: u32, event: &Event<'_>) -> Use {
    Use { rule, src: event.flow.src.address, dst: event.flow.dst.address, device: event.device }
}

fn place_of(event: &Event<'_>, space: Space, index: u32) -> Place {
    let (at, protocol) = (device_end(event).address, event.proto.id);
    Place { at, protocol, device: event.device, space, index }
}

/// An answer about a time, asked for only where the last one does not reach.
fn known(spans: &RefCell<Vec<Span>>, at: u32, ts: Timestamp, ask: impl FnOnce() -> Span) -> bool {
    let mut spans = spans.borrow_mut();
    match spans.get_mut(at as usize) {
        Some(span) if span.covers(ts) => span.holds,
        Some(span) => {
            *span = ask();
            span.holds
        }
        None => ask().holds,
    }
}
