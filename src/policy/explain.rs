//! How every rule meets one message: the language said as plainly as possible, one rule after the other, one point
//! after the other, without the tables of `table`. It answers an author's questions, and tests hold the tables to it.
//!
//! Flows in: a rule set, a message, what is remembered of those before it. Flows out: an [`Explained`].

use super::memory::Memory;
use super::places::{End, Place};
use super::rule::{Rule, RuleId, RuleKind, Span, Traffic, Verbs};
use super::set::{ANYONE, RuleSet, carries, number};
use super::table::{POINTLESS, changes};
use super::verdict::{Seen, Verdict};
use crate::address::{Timestamp, Transport};
use crate::event::{Event, Flow, Kind, PointRange, Value, Verb};

#[cfg(test)]
mod tests;

/// What kind of verdict it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Class {
    /// It may pass.
    Allowed,
    /// A deny rule objects.
    Denied,
    /// No rule allows it.
    NotAllowed,
    /// Such messages are not judged.
    NotJudged,
}

impl Class {
    /// All of them.
    pub const ALL: [Class; 4] = [Class::Allowed, Class::Denied, Class::NotAllowed, Class::NotJudged];

    /// The word used in rule files and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Class::Allowed => "allowed",
            Class::Denied => "denied",
            Class::NotAllowed => "not-allowed",
            Class::NotJudged => "not-judged",
        }
    }

    /// The word used in sentences.
    pub const fn said(self) -> &'static str {
        match self {
            Class::NotAllowed => "not allowed",
            Class::NotJudged => "not judged",
            other => other.name(),
        }
    }
}

impl From<&Verdict> for Class {
    fn from(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Allowed { .. } => Class::Allowed,
            Verdict::Denied { .. } => Class::Denied,
            Verdict::NotAllowed { .. } => Class::NotAllowed,
            Verdict::NotJudged => Class::NotJudged,
        }
    }
}

/// A condition of a rule that a message does not meet.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Failed {
    /// Somebody else sends. `true` where the rule is looked at in the opposite direction.
    From(bool),
    /// Somebody else receives.
    To(bool),
    /// It is another protocol.
    Protocol,
    /// It is another port.
    Port,
    /// It is another device.
    Device,
    /// Something else is done.
    Verb(Verb),
    /// It is another function.
    Function,
    /// A point is none of the rule's.
    Point {
        /// Its run, as the message has it.
        range: PointRange,
        /// The point.
        index: u32,
    },
    /// The message names no point.
    NoPoints,
    /// The objects are of another kind.
    Object(PointRange),
    /// The rule does not hold at this time.
    During,
    /// A value is not what the rule says.
    Value {
        /// Its run.
        range: PointRange,
        /// Its point.
        index: u32,
        /// It; `None` where the message does not tell.
        value: Option<Seen>,
    },
    /// A value went further than it may (or, of a deny rule, not as far).
    Change {
        /// Its run.
        range: PointRange,
        /// Its point.
        index: u32,
        /// What was written before; `None` where that is not known.
        before: Option<f64>,
        /// It; `None` where the message does not tell.
        value: Option<Seen>,
    },
    /// The rule was used as often as it may be (or, of a deny rule, not yet).
    Rate,
    /// A maintenance window relaxes the deny rule.
    Maintenance(u32),
}

impl Failed {
    /// How far it keeps a rule from a message: who and what count more than limits.
    fn weight(&self) -> u32 {
        match self {
            Failed::Protocol => 12,
            Failed::From(_) | Failed::To(_) | Failed::Port => 4,
            Failed::Device | Failed::Verb(_) => 3,
            Failed::Function | Failed::Point { .. } | Failed::NoPoints | Failed::Object(_) => 2,
            _ => 1,
        }
    }
}

/// How a rule meets a message.
#[derive(Clone, PartialEq, Debug)]
pub struct Met {
    /// The rule.
    pub rule: RuleId,
    /// Whether it matches: of an allow rule, every point.
    pub matched: bool,
    /// Whether an allow rule matches some of the points, and not others.
    pub partly: bool,
    /// The maintenance window that an allow rule matches by.
    pub relaxed: Option<u32>,
    /// What fails, where it does not match: the fewest that fail for any part of the message.
    pub failed: Vec<Failed>,
}

impl Met {
    /// Without what says nothing to a message of another protocol: its points are others.
    fn of_its_protocol(mut self) -> Met {
        if self.failed.contains(&Failed::Protocol) {
            let tells = |failed: &Failed| {
                matches!(failed, Failed::From(_) | Failed::To(_) | Failed::Protocol | Failed::Verb(_))
            };
            self.failed.retain(tells);
        }
        self
    }
}

/// How all rules meet a message, and what follows.
#[derive(Clone, PartialEq, Debug)]
pub struct Explained {
    /// What follows, by the order of [`RuleSet::judge`].
    pub class: Class,
    /// The zones of the two ends where no conduit joins them.
    pub crossing: Option<(u16, u16)>,
    /// Every allow and deny rule, in order.
    pub rules: Vec<Met>,
}

impl Explained {
    /// The allow rules that do not match, the nearest first: those that match partly, then by how much fails.
    pub fn nearest(&self, rules: &RuleSet) -> Vec<&Met> {
        let allows = |met: &&Met| rules.rule(met.rule).is_some_and(|rule| rule.kind == RuleKind::Allow);
        let mut near: Vec<&Met> = self.rules.iter().filter(|met| !met.matched).filter(allows).collect();
        near.sort_by_key(|met| (!met.partly, met.failed.iter().map(Failed::weight).sum::<u32>()));
        near
    }
}

/// Points of a message that are alike to every rule, or a message without points.
#[derive(Clone, Copy)]
struct Piece<'e> {
    verb: Verb,
    /// Their run and the first of them.
    point: Option<(PointRange, u32)>,
    value: Option<Value<'e>>,
}

/// The message in pieces: each value by itself, and cut wherever a rule begins or ends.
fn pieces<'e>(rules: &[Rule], event: &Event<'e>) -> Vec<Piece<'e>> {
    if event.points.is_empty() {
        return vec![Piece { verb: event.verb, point: None, value: None }];
    }
    let mut all = Vec::new();
    let mut offset = 0usize;
    for range in event.points {
        let (first, last) = (range.first, range.last.max(range.first));
        let mut cuts = vec![first];
        for rule in rules {
            let own = rule.named.points().iter().map(|point| &point.span);
            let spans = rule.points.iter().flatten().chain(own).filter(|span| span.space == range.space);
            cuts.extend(spans.flat_map(|span| [Some(span.first), span.last.checked_add(1)]).flatten());
        }
        let values = if range.valued { event.values.len().saturating_sub(offset) } else { 0 };
        cuts.extend((first..=last).take(values.saturating_add(1)));
        cuts.retain(|cut| (first..=last).contains(cut));
        cuts.sort_unstable();
        cuts.dedup();
        for index in cuts {
            let place = offset.checked_add((index - first) as usize).filter(|_| range.valued);
            let value = place.and_then(|place| event.values.get(place));
            all.push(Piece { verb: range.verb, point: Some((*range, index)), value });
        }
        if range.valued {
            offset = offset.saturating_add(range.count() as usize);
        }
    }
    all
}

/// A message before a rule set.
struct Question<'q, 'e> {
    rules: &'q RuleSet,
    event: &'q Event<'e>,
    memory: &'q Memory,
}

/// Says how every rule meets a message. Ask before the message is judged: `memory` is what was before it.
pub fn explain(rules: &RuleSet, event: &Event<'_>, memory: &mut Memory) -> Explained {
    memory.belong(rules);
    let question = Question { rules, event, memory };
    let pieces = pieces(rules.rules(), event);
    let mut covered = vec![false; pieces.len()];
    let (mut denied, mut allowed) = (false, false);
    let mut all = Vec::new();
    for (id, rule) in (0u32..).zip(rules.rules()) {
        let met = match rule.kind {
            RuleKind::Deny => question.denies(id, rule, &pieces),
            RuleKind::Allow => question.allows(id, rule, &pieces, &mut covered, &mut allowed),
            RuleKind::Expect => continue,
        };
        denied |= met.matched && rule.kind == RuleKind::Deny;
        all.push(met.of_its_protocol());
    }
    let crossing = crossing(rules, event.flow, |conduit| {
        conduit.traffic.iter().any(|traffic| traffic.covers(event.proto))
    });
    let by_points = event.verb != Verb::Session && !event.is_piece() && event.kind != Kind::Response;
    allowed |= by_points && covered.iter().all(|covered| *covered);
    let class = match event.kind {
        Kind::Malformed => Class::NotJudged,
        Kind::Response if event.request.is_some() => Class::NotJudged,
        _ if denied => Class::Denied,
        _ if crossing.is_some() => Class::NotAllowed,
        _ if allowed || rules.defaults().control_traffic => Class::Allowed,
        _ => Class::NotAllowed,
    };
    Explained { class, crossing, rules: all }
}

impl Question<'_, '_> {
    fn denies(&self, id: u32, rule: &Rule, pieces: &[Piece<'_>]) -> Met {
        let reversed = self.event.kind == Kind::Response;
        let about = self.about(rule, reversed);
        let failed = pieces
            .iter()
            .map(|piece| {
                let mut failed = about.clone();
                failed.extend(self.does(rule, piece));
                failed.extend(self.objects(rule, piece));
                if failed.is_empty() {
                    failed.extend(self.relaxing(rule).map(Failed::Maintenance));
                }
                if failed.is_empty() && rule.rate.is_some() && self.memory.has_room(id, rule, self.event) {
                    failed.push(Failed::Rate);
                }
                failed
            })
            .min_by_key(Vec::len)
            .unwrap_or_default();
        Met { rule: RuleId(id), matched: failed.is_empty(), partly: false, relaxed: None, failed }
    }

    fn allows(
        &self,
        id: u32,
        rule: &Rule,
        pieces: &[Piece<'_>],
        covered: &mut [bool],
        allowed: &mut bool,
    ) -> Met {
        let met = |failed: Vec<Failed>| Met {
            rule: RuleId(id),
            matched: failed.is_empty(),
            partly: false,
            relaxed: None,
            failed,
        };
        let whole = match self.event.kind {
            _ if self.event.verb == Verb::Session || self.event.is_piece() => {
                let (there, back) = (self.about(rule, false), self.about(rule, true));
                Some(met(if back.len() < there.len() { back } else { there }))
            }
            Kind::Response => Some(met(self.answers(rule))),
            Kind::Unsolicited => {
                let mut failed = self.about(rule, true);
                failed.extend(self.is_device(rule));
                failed.extend((!rule.granted.has(Verb::Read)).then_some(Failed::Verb(self.event.verb)));
                Some(met(failed))
            }
            _ => None,
        };
        if let Some(whole) = whole {
            *allowed |= whole.matched;
            let session = self.event.verb == Verb::Session || self.event.is_piece();
            if whole.matched || self.event.kind != Kind::Unsolicited || session {
                return whole;
            }
        }
        let about = self.about(rule, false);
        let (mut passed, mut relaxed) = (0usize, None);
        let mut fewest: Option<Vec<Failed>> = None;
        for (piece, covered) in pieces.iter().zip(covered) {
            let mut failed = about.clone();
            failed.extend(self.does(rule, piece));
            let named = failed.is_empty();
            failed.extend(self.refuses(id, rule, piece));
            let window = self.relaxing(rule).filter(|_| named && !failed.is_empty());
            if failed.is_empty() || window.is_some() {
                (*covered, relaxed, passed) = (true, relaxed.or(window), passed + 1);
            } else if fewest.as_ref().is_none_or(|fewest| failed.len() < fewest.len()) {
                fewest = Some(failed);
            }
        }
        let matched = passed == pieces.len();
        Met { partly: passed > 0 && !matched, relaxed, matched, ..met(fewest.unwrap_or_default()) }
    }

    /// The ends and the protocol.
    fn about(&self, rule: &Rule, reversed: bool) -> Vec<Failed> {
        let mut failed = ends(self.rules, rule, self.event.flow, reversed);
        failed.extend((!rule.traffic.covers(self.event.proto)).then_some(Failed::Protocol));
        failed
    }

    fn is_device(&self, rule: &Rule) -> Option<Failed> {
        let own = self.event.device;
        let is = rule.devices.as_ref().is_none_or(|all| own.is_some_and(|own| all.contains(&own)));
        (!is).then_some(Failed::Device)
    }

    fn is_function(&self, rule: &Rule) -> Option<Failed> {
        let own = self.event.function;
        let is = rule.functions.as_ref().is_none_or(|all| own.is_some_and(|own| all.contains(&own)));
        (!is).then_some(Failed::Function)
    }

    /// Device, function, verb and points.
    fn does(&self, rule: &Rule, piece: &Piece<'_>) -> Vec<Failed> {
        let mut failed: Vec<Failed> =
            self.is_device(rule).into_iter().chain(self.is_function(rule)).collect();
        failed.extend((!rule.verbs.has(piece.verb)).then_some(Failed::Verb(piece.verb)));
        let point = match (&rule.points, piece.point) {
            (None, _) => None,
            (Some(spans), Some((range, index))) => {
                let holds =
                    |span: &Span| span.space == range.space && (span.first..=span.last).contains(&index);
                // A named point may be that of some devices only.
                let meant =
                    || !rule.named.placed || rule.named.reach(self.event, range.space, index).is_some();
                (!spans.iter().any(holds) || !meant()).then_some(Failed::Point { range, index })
            }
            (Some(_), None) => {
                let listed = rule.verbs != Verbs::ANY && POINTLESS.contains(&piece.verb);
                (!listed).then_some(Failed::NoPoints)
            }
        };
        failed.extend(point);
        failed
    }

    fn relaxing(&self, rule: &Rule) -> Option<u32> {
        let window = |number: &&u32| {
            let window = self.rules.maintenance().get(**number as usize);
            window.is_some_and(|window| window.when.holds(self.event.ts))
        };
        rule.relaxed.iter().find(window).copied()
    }

    /// Kinds of object and time: the same for allow and deny.
    fn is_object_and_time(&self, rule: &Rule, piece: &Piece<'_>) -> Vec<Failed> {
        let mut failed = Vec::new();
        match (&rule.objects, piece.point) {
            (Some(objects), Some((range, _))) if !objects.contains(&(range.space, range.variant)) => {
                failed.push(Failed::Object(range));
            }
            (Some(_), None) => failed.push(Failed::NoPoints),
            _ => {}
        }
        let open = rule.during.as_ref().is_none_or(|windows| windows.holds(self.event.ts));
        failed.extend((!open).then_some(Failed::During));
        failed
    }

    /// Whether a value is inside the limits of its point; `None` where it has none.
    fn is_within(&self, rule: &Rule, (range, index): (PointRange, u32), value: Value<'_>) -> Option<bool> {
        let limits = rule.limits(self.event, range.space, index)?;
        Some(limits.holds_in(value, rule.scale(self.event, range.space, index)))
    }

    /// What was written to a point before, and whether a value is too far from it.
    fn jump(&self, rule: &Rule, (range, index): (PointRange, u32), value: Value<'_>) -> Option<f64> {
        let change = rule.change.as_ref()?;
        let factor = rule.scale(self.event, range.space, index).factor;
        self.memory.jump(change, factor, self.event, (range.space, index), value.number()?)
    }

    /// The limits of an allow rule that a piece does not keep.
    fn refuses(&self, id: u32, rule: &Rule, piece: &Piece<'_>) -> Vec<Failed> {
        let mut failed = self.is_object_and_time(rule, piece);
        let limited = rule.values.is_some() || rule.named.limited;
        match (piece.point, piece.value) {
            (None, _) => failed.extend((limited && changes(piece.verb)).then_some(Failed::NoPoints)),
            (Some((range, index)), None) => {
                let limits = rule.limits(self.event, range.space, index).is_some();
                let unknown = limits && (range.valued || changes(piece.verb));
                failed.extend(unknown.then_some(Failed::Value { range, index, value: None }));
            }
            (Some((range, index)), Some(value)) => {
                let seen = Some(Seen::from(value));
                let holds = self.is_within(rule, (range, index), value).unwrap_or(true);
                failed.extend((!holds).then_some(Failed::Value { range, index, value: seen }));
                let before = self.jump(rule, (range, index), value);
                failed.extend(before.map(|_| Failed::Change { range, index, before, value: seen }));
            }
        }
        failed.extend((!self.memory.has_room(id, rule, self.event)).then_some(Failed::Rate));
        failed.dedup();
        failed
    }

    /// What a deny rule says of values that a piece does not meet.
    fn objects(&self, rule: &Rule, piece: &Piece<'_>) -> Vec<Failed> {
        let mut failed = self.is_object_and_time(rule, piece);
        // The limits of named points do not count in deny rules.
        let limited = rule.values.is_some();
        if !limited && rule.change.is_none() {
            return failed;
        }
        let Some((range, index)) = piece.point else {
            failed.push(Failed::NoPoints);
            failed.dedup();
            return failed;
        };
        let (seen, value) = (piece.value.map(Seen::from), piece.value);
        let meets = |value| self.is_within(rule, (range, index), value).unwrap_or(false);
        if limited && !value.is_some_and(meets) {
            failed.push(Failed::Value { range, index, value: seen });
        }
        if rule.change.is_some() && value.and_then(|value| self.jump(rule, (range, index), value)).is_none() {
            failed.push(Failed::Change { range, index, before: None, value: seen });
        }
        failed
    }

    /// What an allow rule says of an answer whose request was not seen, as if the receiver had asked.
    fn answers(&self, rule: &Rule) -> Vec<Failed> {
        let mut failed = self.about(rule, true);
        failed.extend(self.is_device(rule));
        let verb = self.event.verb;
        let known = self.event.function.and_then(|code| self.event.proto.function(code));
        let lets = if verb != Verb::Report && known.is_some_and(|code| code.verb == verb) {
            failed.extend(self.is_function(rule));
            rule.verbs.has(verb)
        } else {
            rule.granted.has(verb) || verb == Verb::Report && rule.granted.has(Verb::Read)
        };
        failed.extend((!lets).then_some(Failed::Verb(verb)));
        failed
    }
}

fn ends(rules: &RuleSet, rule: &Rule, flow: &Flow, reversed: bool) -> Vec<Failed> {
    let (mut src, mut dst) = (End::sender(flow), End::receiver(flow));
    if reversed {
        std::mem::swap(&mut src, &mut dst);
    }
    let [from, to] = rules.places_of(rule);
    let holds =
        |set: u32, places: &[Place], end: End| set == ANYONE || places.iter().any(|place| place.holds(end));
    let from = (!holds(rule.from, &from, src)).then_some(Failed::From(reversed));
    let to = (!holds(rule.to, &to, dst)).then_some(Failed::To(reversed));
    from.into_iter().chain(to).collect()
}

/// The zones of two ends, where they differ and no conduit joins them.
fn crossing(
    rules: &RuleSet,
    flow: &Flow,
    covers: impl Fn(&super::set::Conduit) -> bool,
) -> Option<(u16, u16)> {
    let zone = |end: End| {
        let members = (0u16..).zip(rules.zones()).flat_map(|(number, zone)| {
            zone.places.iter().filter(|place| place.holds(end)).map(move |place| (breadth(place), number))
        });
        members.min().map(|(_, number)| number)
    };
    let (from, to) = (zone(End::sender(flow))?, zone(End::receiver(flow))?);
    let joins = |conduit: &super::set::Conduit| {
        conduit.between.contains(&from) && conduit.between.contains(&to) && covers(conduit)
    };
    (from != to && !rules.conduits().is_empty() && !rules.conduits().iter().any(joins)).then_some((from, to))
}

/// How wide a place is: an address, a MAC address, ever wider prefixes, a VLAN.
fn breadth(place: &Place) -> u16 {
    match place {
        Place::Net(_) if place.is_single() => 0,
        Place::Mac(_) => 1,
        Place::Net(net) => 200 - u16::from(net.prefix_len()),
        Place::Vlan(_) => 1000,
    }
}

/// Says how every rule meets a conversation that is no control protocol and began at this time. Where nobody knows who
/// opened it (`client_known`), what either may use of the other will do.
pub fn explain_conversation(rules: &RuleSet, flow: &Flow, ts: Timestamp, client_known: bool) -> Explained {
    let (mut denied, mut allowed) = (false, false);
    let mut all = Vec::new();
    let both = !client_known || flow.src.port < flow.dst.port;
    let carried = |traffic: &Traffic| match traffic {
        Traffic::Any => true,
        Traffic::Other(carrier) => carries(*carrier, flow.transport),
        Traffic::Control | Traffic::Protocols(_) => false,
    };
    for (id, rule) in (0u32..).zip(rules.rules()).filter(|(_, rule)| rule.kind != RuleKind::Expect) {
        let look = |reversed: bool| {
            let port = if reversed { flow.src.port } else { flow.dst.port };
            let mut failed = ends(rules, rule, flow, reversed);
            failed.extend((!carried(&rule.traffic)).then_some(Failed::Protocol));
            let number = number(rule.traffic, flow.transport, port);
            let ported =
                rule.ports.as_ref().is_none_or(|all| all.iter().any(|range| range.contains(&number)));
            failed.extend((!ported).then_some(Failed::Port));
            failed
        };
        let mut failed = look(false);
        if both {
            let back = look(true);
            failed = if back.len() < failed.len() { back } else { failed };
        }
        let about = failed.is_empty();
        let open = rule.during.as_ref().is_none_or(|windows| windows.holds(ts));
        failed.extend((!open).then_some(Failed::During));
        let window = rule.relaxed.iter().find(|number| {
            rules.maintenance().get(**number as usize).is_some_and(|window| window.when.holds(ts))
        });
        let relaxed = window.copied().filter(|_| about);
        let matched = match (relaxed, rule.kind) {
            (Some(window), RuleKind::Deny) => {
                failed.extend(failed.is_empty().then_some(Failed::Maintenance(window)));
                false
            }
            (Some(_), _) => true,
            (None, _) => failed.is_empty(),
        };
        denied |= matched && rule.kind == RuleKind::Deny;
        allowed |= matched && rule.kind == RuleKind::Allow;
        all.push(Met { rule: RuleId(id), matched, partly: false, relaxed, failed });
    }
    let ports = if both { vec![flow.src.port, flow.dst.port] } else { vec![flow.dst.port] };
    let crossing = crossing(rules, flow, |conduit| {
        let ported = |range: &std::ops::RangeInclusive<u16>| ports.iter().any(|port| range.contains(port));
        let has_ports = matches!(flow.transport, Transport::Tcp | Transport::Udp);
        conduit.traffic.iter().any(carried)
            && (conduit.ports.is_empty() || !has_ports || conduit.ports.iter().any(ported))
    });
    let class = match crossing {
        _ if denied => Class::Denied,
        Some(_) => Class::NotAllowed,
        None if allowed || rules.defaults().other_traffic => Class::Allowed,
        None => Class::NotAllowed,
    };
    Explained { class, crossing, rules: all }
}
