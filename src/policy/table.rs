//! The rules about one pair of ends in one direction, compiled: from what a message asks to the rules that may
//! answer in a few hash look-ups and a bisection, however many rules there are.
//!
//! A rule either fixes a dimension (device, function, verb, space) or leaves it open. Rules that fix the same
//! dimensions share a *shape*; there are at most 16, and a table knows which of them occur. A look-up probes one
//! bucket for each shape that occurs: in a usual rule set one or two.

use super::rule::{Rule, RuleKind, Verbs};
use super::scene::Scene;
use super::spans::{Bucket, Run};
use super::verdict::Why;
use crate::event::{Event, PointRange, Space, Value, Values, Verb};
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// Keys come from rules, never from the wire: a fixed seed is safe.
type Map<V> = HashMap<u128, V, FixedState>;

const DEVICE: u8 = 1;
const FUNCTION: u8 = 2;
const VERB: u8 = 4;
const SPACE: u8 = 8;

/// Verbs whose messages need not name a point: a rule that names them and also points still covers them.
pub(super) const POINTLESS: [Verb; 9] = [
    Verb::Restart,
    Verb::Program,
    Verb::Time,
    Verb::File,
    Verb::Identify,
    Verb::Diagnose,
    Verb::Session,
    Verb::Authenticate,
    Verb::Other,
];

/// Whether a message with this verb changes something: limits on values then need a value to look at.
pub(super) fn changes(verb: Verb) -> bool {
    matches!(verb, Verb::Write | Verb::Select | Verb::Operate | Verb::Configure)
}

/// What a message asks: one run of points, or no point at all.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub device: Option<u32>,
    pub function: Option<u16>,
    pub verb: Verb,
    pub range: Option<PointRange>,
    pub first: u32,
    pub last: u32,
    values: Values<'a>,
    /// Place of this run's first value among the values.
    offset: usize,
}

impl<'a> Ask<'a> {
    /// What a message asks without regard to its points.
    pub(super) fn bare(event: &Event<'a>) -> Self {
        let Event { device, function, verb, .. } = *event;
        Ask { device, function, verb, range: None, first: 0, last: 0, values: Values::None, offset: 0 }
    }

    /// Everything that a message asks, run by run.
    pub(super) fn each(event: &Event<'a>) -> impl Iterator<Item = Ask<'a>> + use<'a> {
        let bare = Ask::bare(event);
        let (values, points) = (event.values, event.points);
        let mut offset = 0usize;
        let runs = points.iter().map(move |range| {
            let at = offset;
            if range.valued {
                offset = offset.saturating_add(range.count() as usize);
            }
            let (verb, first, last) = (range.verb, range.first, range.last.max(range.first));
            Ask { verb, range: Some(*range), first, last, values, offset: at, ..bare }
        });
        points.is_empty().then_some(bare).into_iter().chain(runs)
    }

    /// The value of a point.
    pub(super) fn value(&self, index: u32) -> Option<Value<'a>> {
        self.range.filter(|range| range.valued)?;
        self.values.get(self.offset.checked_add((index - self.first) as usize)?)
    }

    /// Whether its points have values.
    pub(super) fn valued(&self) -> bool {
        self.range.is_some_and(|range| range.valued)
    }

    /// The key of this ask in one shape; `None` where the shape fixes something that the message lacks.
    fn key(&self, shape: u8) -> Option<u128> {
        let device = if shape & DEVICE != 0 { Some(self.device?) } else { None };
        let function = if shape & FUNCTION != 0 { Some(self.function?) } else { None };
        let verb = (shape & VERB != 0).then_some(self.verb);
        let space = (shape & SPACE != 0).then_some(self.range.map(|range| range.space));
        Some(key(device, function, verb, space))
    }
}

/// Packs what a bucket fixes; `space` is nothing, or no point at all, or a space.
fn key(device: Option<u32>, function: Option<u16>, verb: Option<Verb>, space: Option<Option<Space>>) -> u128 {
    let shape = shape(device, function, verb, space);
    let space = space.map_or(0, |space| space.map_or(1, |space| u128::from(space.0) + 2));
    u128::from(device.unwrap_or(0))
        | u128::from(function.unwrap_or(0)) << 32
        | space << 48
        | (verb.map_or(0, Verb::index) as u128) << 72
        | u128::from(shape) << 80
}

fn shape(d: Option<u32>, f: Option<u16>, v: Option<Verb>, s: Option<Option<Space>>) -> u8 {
    let bit = |on, bit| if on { bit } else { 0 };
    bit(d.is_some(), DEVICE) | bit(f.is_some(), FUNCTION) | bit(v.is_some(), VERB) | bit(s.is_some(), SPACE)
}

/// The allow rules, or the deny rules, of one pair.
#[derive(Default, Debug)]
struct Half {
    shapes: Vec<u8>,
    buckets: Map<Bucket>,
    /// Shapes and first rules without regard to points.
    coarse_shapes: Vec<u8>,
    coarse: Map<u32>,
}

impl Half {
    fn new(ids: &[u32], rules: &[Rule], kind: RuleKind) -> Self {
        let mut half = Half::default();
        let mut runs: Map<Vec<Run>> = Map::default();
        let chosen = ids.iter().filter_map(|id| Some((*id, rules.get(*id as usize)?)));
        for (id, rule) in chosen.filter(|(_, rule)| rule.kind == kind) {
            for (device, function, verb) in fixed(&rule.devices, &rule.functions, rule.verbs) {
                let at = key(device, function, verb, None);
                half.coarse.entry(at).and_modify(|first| *first = id.min(*first)).or_insert(id);
                note(&mut half.coarse_shapes, shape(device, function, verb, None));
                let mut add = |space, first, last| {
                    let run = Run { first, last, rule: id };
                    runs.entry(key(device, function, verb, space)).or_default().push(run);
                    note(&mut half.shapes, shape(device, function, verb, space));
                };
                match &rule.points {
                    None => add(None, 0, u32::MAX),
                    Some(points) => {
                        points.iter().for_each(|span| add(Some(Some(span.space)), span.first, span.last));
                        if verb.is_some_and(|verb| POINTLESS.contains(&verb)) {
                            add(Some(None), 0, u32::MAX);
                        }
                    }
                }
            }
        }
        half.buckets = runs.into_iter().map(|(key, runs)| (key, Bucket::new(runs, rules))).collect();
        half
    }

    /// The buckets that may speak of an ask: one look-up for each shape that occurs.
    fn buckets(&self, ask: &Ask<'_>) -> Buckets<'_> {
        let mut found = Buckets { buckets: [None; SHAPES], count: 0 };
        let present = self.shapes.iter().filter_map(|shape| self.buckets.get(&ask.key(*shape)?));
        for (place, bucket) in found.buckets.iter_mut().zip(present) {
            *place = Some(bucket);
            found.count += 1;
        }
        found
    }

    /// The first rule that fits but for the points.
    fn coarse(&self, ask: &Ask<'_>) -> Option<u32> {
        self.coarse_shapes.iter().filter_map(|shape| self.coarse.get(&ask.key(*shape)?)).min().copied()
    }
}

/// How many shapes there can be.
const SHAPES: usize = 16;

/// The buckets found for one ask.
struct Buckets<'h> {
    buckets: [Option<&'h Bucket>; SHAPES],
    count: usize,
}

impl<'h> Buckets<'h> {
    fn iter(&self) -> impl Iterator<Item = &'h Bucket> {
        self.buckets.iter().take(self.count).copied().flatten()
    }
}

fn note(shapes: &mut Vec<u8>, shape: u8) {
    if !shapes.contains(&shape) {
        shapes.push(shape);
    }
}

/// What a rule fixes in three dimensions; `None` leaves one open.
type Fixed = (Option<u32>, Option<u16>, Option<Verb>);

/// Every combination of device, function and verb that a rule fixes.
fn fixed(devices: &Option<Vec<u32>>, functions: &Option<Vec<u16>>, verbs: Verbs) -> Vec<Fixed> {
    let devices = devices.as_ref().map_or(vec![None], |d| d.iter().copied().map(Some).collect());
    let functions = functions.as_ref().map_or(vec![None], |f| f.iter().copied().map(Some).collect());
    let verbs: Vec<Option<Verb>> =
        if verbs == Verbs::ANY { vec![None] } else { verbs.iter().map(Some).collect() };
    let mut all = Vec::with_capacity(devices.len() * functions.len() * verbs.len());
    for device in &devices {
        for function in &functions {
            all.extend(verbs.iter().map(|verb| (*device, *function, *verb)));
        }
    }
    all
}

/// The first thing in a message that no rule allows.
#[derive(Clone, Copy)]
pub(super) struct Miss<'a> {
    ask: Ask<'a>,
    /// The point.
    index: u32,
}

/// The rules about one pair of ends in one direction.
#[derive(Default, Debug)]
pub(super) struct PairTable {
    /// The rules, in order.
    ids: Box<[u32]>,
    allow: Half,
    deny: Half,
    /// The first rule that lets something be done to a device, whatever the function and the points.
    granted: Map<u32>,
    first_allow: Option<u32>,
    expects: Box<[u32]>,
    /// Whether a rule remembers what was written.
    changes: bool,
    /// Whether a rule counts its uses.
    rates: bool,
}

/// How many rules of a pair are looked at for the one that came closest.
const NEAREST_LOOKS_AT: usize = 64;

impl PairTable {
    pub(super) fn new(ids: &[u32], rules: &[Rule]) -> Self {
        let kind = |id: &u32| rules.get(*id as usize).map(|rule| rule.kind);
        let mut granted = Map::default();
        let mut first_allow = None;
        for id in ids {
            let Some(rule) = rules.get(*id as usize).filter(|rule| rule.kind == RuleKind::Allow) else {
                continue;
            };
            first_allow = first_allow.or(Some(*id));
            for (device, _, verb) in fixed(&rule.devices, &None, rule.granted) {
                granted.entry(key(device, None, verb, None)).or_insert(*id);
            }
        }
        PairTable {
            ids: ids.into(),
            allow: Half::new(ids, rules, RuleKind::Allow),
            deny: Half::new(ids, rules, RuleKind::Deny),
            granted,
            first_allow,
            expects: ids.iter().copied().filter(|id| kind(id) == Some(RuleKind::Expect)).collect(),
            changes: ids.iter().any(|id| rules.get(*id as usize).is_some_and(|rule| rule.change.is_some())),
            rates: ids.iter().any(|id| rules.get(*id as usize).is_some_and(|rule| rule.rate.is_some())),
        }
    }

    /// The rules, in order.
    pub(super) fn rules(&self) -> &[u32] {
        &self.ids
    }

    /// How much it holds, for a bound on memory.
    pub(super) fn weight(&self) -> usize {
        self.ids.len() + 1
    }

    /// The first allow rule of the pair, whatever it is about.
    pub(super) fn first_allow(&self) -> Option<u32> {
        self.first_allow
    }

    /// The first rule that lets a verb be done to a device, whatever the function and the points.
    pub(super) fn grants(&self, device: Option<u32>, verb: Verb) -> Option<u32> {
        let device = device.map(Some).into_iter().chain([None]);
        let keys = device.flat_map(|device| [Some(verb), None].map(|verb| key(device, None, verb, None)));
        keys.filter_map(|key| self.granted.get(&key)).min().copied()
    }

    /// The first rule that allows what an answer answers, its request unseen: by device, verb and function. The
    /// function counts only where it is one of requests (a DNP3 response has a code of its own).
    pub(super) fn allows_answered(&self, event: &Event<'_>) -> Option<u32> {
        let known = event.function.and_then(|code| event.proto.function(code));
        let asked = event.verb != Verb::Report && known.is_some_and(|code| code.verb == event.verb);
        if asked {
            return self.allow.coarse(&Ask::bare(event));
        }
        let read = (event.verb == Verb::Report).then_some(Verb::Read);
        [Some(event.verb), read]
            .into_iter()
            .flatten()
            .filter_map(|verb| self.grants(event.device, verb))
            .min()
    }

    /// Whether a rule of the pair remembers what was written.
    pub(super) fn watches_changes(&self) -> bool {
        self.changes
    }

    /// Whether a rule of the pair looks at more than the present message: at how often it was used, at what was
    /// written before, or at what is expected.
    pub(super) fn remembers(&self) -> bool {
        self.rates || self.changes || !self.expects.is_empty()
    }

    /// The expect rules of the pair.
    pub(super) fn expects(&self) -> &[u32] {
        &self.expects
    }

    /// The first deny rule that objects to any part of a message.
    pub(super) fn objects(&self, scene: Scene<'_, '_>) -> Option<u32> {
        if self.deny.shapes.is_empty() {
            return None;
        }
        Ask::each(scene.event).filter_map(|ask| self.objects_to(&ask, scene)).min()
    }

    fn objects_to(&self, ask: &Ask<'_>, scene: Scene<'_, '_>) -> Option<u32> {
        let mut found: Option<u32> = None;
        let mut note = |rule: u32| found = Some(found.map_or(rule, |before| before.min(rule)));
        for bucket in self.deny.buckets(ask).iter() {
            bucket.free.overlapping(ask.first, ask.last).for_each(|run| note(run.rule));
            bucket.bounded.overlapping(ask.first, ask.last, &mut |run| {
                if scene.objects(run.rule, ask, run.first.max(ask.first), run.last.min(ask.last)) {
                    note(run.rule);
                }
            });
        }
        found
    }

    /// The first rule that allows a message, or the first thing in it that none allows.
    pub(super) fn allows<'a>(&self, scene: Scene<'_, 'a>) -> Result<u32, Miss<'a>> {
        let event = scene.event;
        let mut first = None;
        for ask in Ask::each(event) {
            match self.allows_ask(&ask, scene) {
                Ok(rule) => first = first.or(Some(rule)),
                Err(index) => return Err(Miss { ask, index }),
            }
        }
        // There is always at least one ask.
        first.ok_or(Miss { ask: Ask::bare(event), index: 0 })
    }

    /// Walks the points of an ask as far as rules reach; fails with the first point that none allows.
    fn allows_ask(&self, ask: &Ask<'_>, scene: Scene<'_, '_>) -> Result<u32, u32> {
        let buckets = self.allow.buckets(ask);
        let mut first = None;
        let mut index = ask.first;
        loop {
            let free = buckets.iter().filter_map(|b| b.free.at(index)).min_by_key(|run| run.rule);
            let (rule, reach) = match free {
                Some(run) => (run.rule, run.last),
                None => {
                    let (rule, reach) = allows_conditionally(&buckets, ask, index, scene).ok_or(index)?;
                    scene.makes_use_of(rule, ask, index);
                    (rule, reach)
                }
            };
            let first = *first.get_or_insert(rule);
            if reach >= ask.last {
                return Ok(first);
            }
            index = reach + 1;
        }
    }

    /// The rule that came closest to allowing an ask, and what kept it from it. Not on the path of what is allowed.
    pub(super) fn nearest(&self, miss: &Miss<'_>, scene: Scene<'_, '_>) -> (Option<u32>, Why) {
        let rules = scene.rules;
        let Miss { ask, index } = miss;
        let index = *index;
        let mut limited: Option<u32> = None;
        let mut closest: Option<(u32, u32)> = None;
        for bucket in self.allow.buckets(ask).iter() {
            bucket.bounded.overlapping(index, index, &mut |run| {
                limited = Some(limited.map_or(run.rule, |before| before.min(run.rule)));
            });
            let beside = bucket.free.neighbours(index).chain(bucket.bounded.neighbours(index));
            closest = beside.map(|run| (run.distance(index), run.rule)).chain(closest).min();
        }
        if let Some((rule, why)) = limited.and_then(|rule| Some((rule, scene.refuses(rule, ask, index)?))) {
            return (Some(rule), why);
        }
        let Some(range) = ask.range else {
            return match self.allow.coarse(ask) {
                Some(rule) => (Some(rule), Why::NoPoints),
                None => self.nearest_other(ask, rules),
            };
        };
        match closest.map(|(_, rule)| rule).or(self.allow.coarse(ask)) {
            Some(rule) => (Some(rule), Why::Outside { range, index }),
            None => self.nearest_other(ask, rules),
        }
    }

    /// What keeps an answer, its request unseen, from being allowed.
    pub(super) fn why_not(&self, event: &Event<'_>, rules: &[Rule]) -> (Option<u32>, Why) {
        self.nearest_other(&Ask::bare(event), rules)
    }

    /// Among the first rules of the pair, the one that fails by the least.
    fn nearest_other(&self, ask: &Ask<'_>, rules: &[Rule]) -> (Option<u32>, Why) {
        let rule_of = |id: &u32| Some((*id, rules.get(*id as usize)?));
        let allows = self.ids.iter().filter_map(rule_of).filter(|(_, rule)| rule.kind == RuleKind::Allow);
        let best = allows
            .take(NEAREST_LOOKS_AT)
            .map(|(id, rule)| {
                let device =
                    rule.devices.as_ref().is_none_or(|d| ask.device.is_some_and(|at| d.contains(&at)));
                let verb = rule.verbs.has(ask.verb);
                let function =
                    rule.functions.as_ref().is_none_or(|f| ask.function.is_some_and(|at| f.contains(&at)));
                let why = match (verb, device) {
                    (false, _) => Why::Verb(ask.verb),
                    (true, false) => Why::Device,
                    (true, true) => Why::Function,
                };
                (u8::from(verb) * 4 + u8::from(device) * 2 + u8::from(function), id, why)
            })
            .reduce(|best, next| if next.0 > best.0 { next } else { best });
        best.map_or((None, Why::NoRule), |(_, id, why)| (Some(id), why))
    }
}

/// The first rule about one point that a maintenance window relaxes: asked for where none allows it as it stands.
fn relaxed(buckets: &Buckets<'_>, ask: &Ask<'_>, index: u32, scene: Scene<'_, '_>) -> Option<(u32, u32)> {
    let mut found: Option<u32> = None;
    for bucket in buckets.iter() {
        bucket.bounded.overlapping(index, index, &mut |run| {
            if found.is_none_or(|rule| run.rule < rule) && scene.relaxes(run.rule, ask, index) {
                found = Some(run.rule);
            }
        });
    }
    found.map(|rule| (rule, index))
}

/// The first rule with further conditions that allows one point, and how far it is known to.
fn allows_conditionally(
    buckets: &Buckets<'_>,
    ask: &Ask<'_>,
    index: u32,
    scene: Scene<'_, '_>,
) -> Option<(u32, u32)> {
    let mut found: Option<(u32, u32)> = None;
    for bucket in buckets.iter() {
        bucket.bounded.overlapping(index, index, &mut |run| {
            if found.is_none_or(|(rule, _)| run.rule < rule) {
                found = scene.lets(run.rule, ask, index, run.last).map(|reach| (run.rule, reach)).or(found);
            }
        });
    }
    found.or_else(|| relaxed(buckets, ask, index, scene))
}
