//! What is expected to happen, and is missed when it does not: the expect rules of a set, watched.

use super::places::{End, Place};
use super::rule::{Rule, RuleId, RuleKind};
use super::set::{Pair, RuleSet};
use crate::address::Timestamp;
use crate::event::{Event, Kind, Outcome, Verb};

/// One thing that is waited for: an expect rule, and which of those in its `to` is to answer.
#[derive(Clone, Debug)]
struct Awaited {
    rule: u32,
    /// Where the host is; empty where the rule names no single hosts: then any of them will do.
    who: Vec<Place>,
    /// When it was last heard, or watching began; in nanoseconds since 1970.
    last: i64,
    /// Whether it was ever heard.
    heard: bool,
    silent: bool,
}

/// Watches the expect rules of one set. Bounded by them; it never reads a clock.
#[derive(Default, Debug)]
pub struct Watch {
    generation: u64,
    awaited: Vec<Awaited>,
    /// Before this time nothing can be overdue; in nanoseconds since 1970.
    next: Option<i64>,
}

/// Silence where a rule expects something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Silence {
    /// The expect rule.
    pub rule: RuleId,
    /// Who is silent; `None` where the rule names no single hosts.
    pub who: Option<Place>,
    /// How long, in nanoseconds.
    pub nanos: u64,
    /// Whether anything was heard before.
    pub heard: bool,
    /// Whether it is over.
    pub over: bool,
}

impl Watch {
    /// How many are silent that should not be.
    pub fn silent(&self) -> usize {
        self.awaited.iter().filter(|awaited| awaited.silent).count()
    }

    /// Watches nothing until other rules come.
    pub fn rest(&mut self) {
        *self = Watch { next: Some(i64::MAX), ..Watch::default() };
    }

    /// Whether it is time to ask [`RuleSet::overdue`].
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.next.is_none_or(|next| now.nanos > next)
    }
}

impl RuleSet {
    /// Starts watching; what is watched already goes on where the rules are the same.
    fn begin(&self, watch: &mut Watch, now: Timestamp) {
        if watch.generation == self.generation() {
            return;
        }
        *watch = Watch { generation: self.generation(), ..Watch::default() };
        for (id, rule) in (0u32..).zip(self.rules()).filter(|(_, rule)| rule.kind == RuleKind::Expect) {
            let mut hosts = self.hosts_of(rule.to);
            if hosts.is_empty() {
                hosts.push(Vec::new());
            }
            watch.awaited.extend(hosts.into_iter().map(|who| Awaited {
                rule: id,
                who,
                last: now.nanos,
                heard: false,
                silent: false,
            }));
        }
        watch.next = Some(if watch.awaited.is_empty() { i64::MAX } else { i64::MIN });
    }

    /// Takes a message: what it shows to be alive is. Says which silences it ends.
    pub fn observe(
        &self,
        pair: &Pair,
        event: &Event<'_>,
        watch: &mut Watch,
        said: &mut dyn FnMut(&RuleSet, Silence),
        hit: &mut dyn FnMut(u32),
    ) {
        let (there, back) = pair.expects();
        if there.is_empty() && back.is_empty() || event.outcome == Some(Outcome::Unanswered) {
            return;
        }
        self.begin(watch, event.ts);
        // An answer shows that its sender is alive to the one who asked; what is sent unasked, that both are. Of other
        // messages only reports do: a link that is kept open, or a command without an answer, shows nothing.
        let (asked, sent) = match event.kind {
            Kind::Response => (true, false),
            Kind::Unsolicited => (true, true),
            Kind::Message if event.verb == Verb::Report => (false, true),
            Kind::Message | Kind::Request | Kind::Malformed => return,
        };
        for (ids, who) in [
            (if asked { back } else { &[] }, End::sender(event.flow)),
            (if sent { there } else { &[] }, End::receiver(event.flow)),
        ] {
            for id in ids {
                let Some(rule) = self.rules().get(*id as usize).filter(|rule| concerns(rule, event)) else {
                    continue;
                };
                hit(*id);
                let alive = |awaited: &&mut Awaited| {
                    let own = awaited.who.is_empty() || awaited.who.iter().any(|place| place.holds(who));
                    awaited.rule == *id && own
                };
                for awaited in watch.awaited.iter_mut().filter(alive) {
                    if awaited.silent {
                        let silence = silence(awaited, event.ts.nanos);
                        said(self, Silence { over: true, ..silence });
                        watch.next = watch.next.map(|next| next.min(due(rule, event.ts.nanos)));
                    }
                    awaited.last = awaited.last.max(event.ts.nanos);
                    (awaited.heard, awaited.silent) = (true, false);
                }
            }
        }
    }

    /// Says what has been silent for too long by now.
    pub fn overdue(&self, watch: &mut Watch, now: Timestamp, said: &mut dyn FnMut(&RuleSet, Silence)) {
        self.begin(watch, now);
        let mut next = i64::MAX;
        for awaited in watch.awaited.iter_mut().filter(|awaited| !awaited.silent) {
            let Some(rule) = self.rules().get(awaited.rule as usize) else { continue };
            if due(rule, awaited.last) < now.nanos {
                // Outside of its hours nothing is expected: the time begins when they do.
                awaited.last = awaited.last.max(self.expected_since(rule, awaited.last, now));
                if due(rule, awaited.last) < now.nanos {
                    awaited.silent = true;
                    said(self, silence(awaited, now.nanos));
                    continue;
                }
            }
            next = next.min(due(rule, awaited.last));
        }
        watch.next = Some(next);
    }
}

impl RuleSet {
    /// Since when a rule expects something, looking back no further than `last`; where it does not now, when to ask
    /// again. In nanoseconds since 1970.
    fn expected_since(&self, rule: &Rule, last: i64, now: Timestamp) -> i64 {
        let windows = |window: &u32| self.maintenance().get(*window as usize).map(|window| &window.when);
        let open = rule.during.iter().map(|windows| (windows, true));
        let closed = rule.relaxed.iter().filter_map(windows).map(|windows| (windows, false));
        let mut since = last;
        for (windows, expected) in open.chain(closed) {
            let span = windows.span(now);
            if span.holds != expected {
                since = since.max(span.until);
                continue;
            }
            let mut from = span.from;
            while from > since {
                let before = windows.span(Timestamp::from_nanos(from - 1));
                if before.holds != expected {
                    since = from;
                    break;
                }
                from = before.from;
            }
        }
        since
    }
}

fn silence(awaited: &Awaited, now: i64) -> Silence {
    let nanos = u64::try_from(now.saturating_sub(awaited.last)).unwrap_or(0);
    Silence {
        rule: RuleId(awaited.rule),
        who: awaited.who.first().copied(),
        nanos,
        heard: awaited.heard,
        over: false,
    }
}

/// When what was last heard at this time is missed.
fn due(rule: &Rule, last: i64) -> i64 {
    last.saturating_add_unsigned(rule.every.unwrap_or(u64::MAX))
}

/// Whether a message is one that a rule expects, but for who speaks.
fn concerns(rule: &Rule, event: &Event<'_>) -> bool {
    let device = rule.devices.as_ref().is_none_or(|all| event.device.is_some_and(|own| all.contains(&own)));
    let verb = rule.verbs.has(event.verb) || event.verb == Verb::Report && rule.verbs.has(Verb::Read);
    // An answer may have a function of its own, which says nothing of what was asked.
    let own = event.function.and_then(|code| event.proto.function(code)).is_none_or(|f| f.verb == event.verb);
    let function = rule.functions.as_ref().is_none_or(|all| {
        event.kind == Kind::Response && !own || event.function.is_some_and(|code| all.contains(&code))
    });
    let points = rule.points.as_ref().is_none_or(|spans| {
        event.points.iter().any(|range| {
            spans.iter().any(|s| s.space == range.space && s.first <= range.last && range.first <= s.last)
        })
    });
    device && verb && function && points
}
