//! Rules that another one makes pointless: the same rule twice, an allow rule that adds nothing to a wider one, a rule
//! that a deny rule always comes before.
//!
//! Only what is certain is said: rules are compared condition by condition, and a rule that holds at times, up to a rate or
//! within a change takes nothing from another.

use super::places::{End, Place};
use super::rule::{Carrier, Limits, Rule, RuleKind, Span, Traffic, Verbs};
use super::set::{ANYONE, Parts};
use std::collections::HashMap;
use std::rc::Rc;

/// Pairs of rules that are compared; a set with more is looked through only so far.
const COMPARED: usize = 4_000_000;

/// What is said of one rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shadow {
    /// It is the same as another.
    Same,
    /// The other lets everything pass that it does.
    Covered,
    /// The other, a deny rule, objects to everything that it is about.
    Denied,
}

/// The rules that another makes pointless: their places, and that of the other.
pub(super) fn find(parts: &Parts) -> Vec<(usize, usize, Shadow)> {
    let rules = &parts.rules;
    let mut sides = Sides::new(parts);
    // Only rules of ends that hold the ends of another can shadow it.
    let mut by_sides: HashMap<(u32, u32), Vec<usize>> = HashMap::new();
    for (at, rule) in rules.iter().enumerate().filter(|(_, rule)| can_shadow(rule)) {
        by_sides.entry((rule.from, rule.to)).or_default().push(at);
    }
    let mut found = Vec::new();
    let mut budget = COMPARED;
    for (at, rule) in rules.iter().enumerate() {
        let (from, to) = (sides.wider(rule.from), sides.wider(rule.to));
        let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to)));
        let mut best: Option<(usize, Shadow)> = None;
        for other in
            pairs.filter_map(|pair| by_sides.get(&pair)).flatten().copied().filter(|other| *other != at)
        {
            if budget == 0 {
                return found;
            }
            budget -= 1;
            let Some(wide) = rules.get(other) else { continue };
            let Some(shadow) = shadow(wide, rule, other < at) else { continue };
            if best.is_none_or(|(before, _)| other < before) {
                best = Some((other, shadow));
            }
        }
        found.extend(best.map(|(other, shadow)| (at, other, shadow)));
    }
    found
}

/// Whether a rule always decides what it is about. What is said of a rule about everything is said of it alone.
fn can_shadow(rule: &Rule) -> bool {
    !rule.is_unlimited()
        && rule.rate.is_none()
        && rule.during.is_none()
        && rule.change.is_none()
        && rule.relaxed.is_empty()
        && !rule.named.limited
        && !rule.named.placed
        && rule.kind != RuleKind::Expect
}

/// What `wide` makes of `narrow`, if anything; `earlier` says which comes first in the files.
fn shadow(wide: &Rule, narrow: &Rule, earlier: bool) -> Option<Shadow> {
    if !covers(wide, narrow) {
        return None;
    }
    match (wide.kind, narrow.kind) {
        (a, b) if a == b => {
            let same = (narrow.from, narrow.to) == (wide.from, wide.to)
                && can_shadow(narrow)
                && covers(narrow, wide);
            match same {
                // Of two that are the same, the later one is said to be.
                true if earlier => Some(Shadow::Same),
                true => None,
                false => Some(Shadow::Covered),
            }
        }
        // A deny rule that looks at values says nothing of messages without them.
        (RuleKind::Deny, RuleKind::Allow) if wide.values.is_none() => Some(Shadow::Denied),
        _ => None,
    }
}

/// Whether everything that `narrow` is about but for its ends, `wide` is about too.
fn covers(wide: &Rule, narrow: &Rule) -> bool {
    traffic(wide.traffic, narrow.traffic)
        && list(wide.devices.as_deref(), narrow.devices.as_deref())
        && verbs(wide.verbs, narrow.verbs)
        && list(wide.functions.as_deref(), narrow.functions.as_deref())
        && list(wide.objects.as_deref(), narrow.objects.as_deref())
        && points(wide, narrow)
        && values(wide.values.as_ref(), narrow.values.as_ref())
        && ports(wide, narrow)
}

fn traffic(wide: Traffic, narrow: Traffic) -> bool {
    match (wide, narrow) {
        (Traffic::Any, _) => true,
        (Traffic::Control, Traffic::Control | Traffic::Protocols(_)) => true,
        (Traffic::Protocols(a), Traffic::Protocols(b)) => a & b == b,
        (Traffic::Other(a), Traffic::Other(b)) => a == b || a == Carrier::Ip && b != Carrier::Ethernet,
        _ => false,
    }
}

fn list<T: PartialEq>(wide: Option<&[T]>, narrow: Option<&[T]>) -> bool {
    match (wide, narrow) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => narrow.iter().all(|item| wide.contains(item)),
    }
}

fn verbs(wide: Verbs, narrow: Verbs) -> bool {
    wide == Verbs::ANY || narrow != Verbs::ANY && narrow.iter().all(|verb| wide.has(verb))
}

fn points(wide: &Rule, narrow: &Rule) -> bool {
    let Some(wide_spans) = &wide.points else { return true };
    let Some(spans) = &narrow.points else { return false };
    // A rule that names all verbs covers messages without points only where it names no points.
    let joined = Span::joined(wide_spans);
    (wide.verbs != Verbs::ANY || narrow.verbs == Verbs::ANY)
        && spans.iter().all(|span| {
            joined
                .iter()
                .any(|wide| wide.space == span.space && wide.first <= span.first && span.last <= wide.last)
        })
}

fn values(wide: Option<&Limits>, narrow: Option<&Limits>) -> bool {
    match (wide, narrow) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => {
            let raw = |limits: &Limits| (limits.scale.factor, limits.scale.offset);
            let inside = |range: &std::ops::RangeInclusive<f64>| {
                wide.ranges.iter().any(|wide| wide.start() <= range.start() && range.end() <= wide.end())
            };
            raw(wide) == raw(narrow)
                && narrow.ranges.iter().all(inside)
                && narrow.names.iter().all(|name| wide.names.contains(name))
        }
    }
}

fn ports(wide: &Rule, narrow: &Rule) -> bool {
    match (&wide.ports, &narrow.ports) {
        (None, _) => true,
        // The numbers of one carrier are not those of another.
        (Some(_), _) if wide.traffic != narrow.traffic => false,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => narrow
            .iter()
            .all(|range| wide.iter().any(|wide| wide.start() <= range.start() && range.end() <= wide.end())),
    }
}

/// The places of each set that rules name, and which sets hold others.
struct Sides<'p> {
    parts: &'p Parts,
    places: HashMap<u32, Vec<Place>>,
    wider: HashMap<u32, Rc<[u32]>>,
}

/// Sets with more places than this are not looked into: only the same set covers them.
const LOOKED_INTO: usize = 256;

impl<'p> Sides<'p> {
    fn new(parts: &'p Parts) -> Sides<'p> {
        let mut places: HashMap<u32, Vec<Place>> = HashMap::new();
        for (place, sets) in parts.sets.iter() {
            for set in sets {
                places.entry(*set).or_default().push(*place);
            }
        }
        Sides { parts, places, wider: HashMap::new() }
    }

    /// The sets that hold everyone of this one, itself among them, sorted.
    fn wider(&mut self, narrow: u32) -> Rc<[u32]> {
        if let Some(known) = self.wider.get(&narrow) {
            return known.clone();
        }
        let mut wider = vec![ANYONE, narrow];
        if let Some(first) = self.places.get(&narrow).and_then(|places| places.first()) {
            // Whoever holds all of them holds the first.
            let holding: Vec<u32> = match first {
                Place::Net(net) => {
                    let end = End { address: net.addr().into(), mac: None, vlan: None };
                    self.parts.sets.of(end).flat_map(|(_, sets)| sets.iter().copied()).collect()
                }
                other => self.parts.sets.get(other).into_iter().flatten().copied().collect(),
            };
            wider.extend(holding.into_iter().filter(|set| self.covers(*set, narrow)));
        }
        wider.sort_unstable();
        wider.dedup();
        let wider: Rc<[u32]> = wider.into();
        self.wider.insert(narrow, wider.clone());
        wider
    }

    /// Whether everyone of `narrow` is in `wide`.
    fn covers(&self, wide: u32, narrow: u32) -> bool {
        let (Some(wide), Some(narrow)) = (self.places.get(&wide), self.places.get(&narrow)) else {
            return false;
        };
        if wide.len() > LOOKED_INTO || narrow.len() > LOOKED_INTO {
            return false;
        }
        narrow.iter().all(|place| wide.iter().any(|wide| wide.covers(place)))
    }
}
