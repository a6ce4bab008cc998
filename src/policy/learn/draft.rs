//! From what was seen to as few rules as say exactly the same.

use super::cover::drop_what_passes_anyway;
use super::doubts::{Doubt, Doubts};
use super::polls::{Poll, polls};
use super::seen::{Ask, AskKey, Limit, Often, PairKey, Seen, Way};
use super::{Learner, Slack};
use crate::address::Address;
use crate::event::{Space, Verb, Vocabulary};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Different limits of the points of one space before they share one.
const LIMITS: usize = 4;

/// Verbs whose rules need no points.
pub(super) const POINTLESS: [Verb; 8] = [
    Verb::Restart,
    Verb::Program,
    Verb::Time,
    Verb::File,
    Verb::Identify,
    Verb::Diagnose,
    Verb::Session,
    Verb::Authenticate,
];

/// Something that a reader of the rule should know.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Note {
    /// Only answers were seen.
    AnswersOnly,
    /// The messages name no points, so the rule allows all of them.
    NoPoints,
    /// The values are the range over all the points.
    SharedLimits,
    /// A state was never written: on (true) or off.
    NeverWritten(bool),
    /// The points, and the values, that were seen before slack was added.
    Slack(Vec<Run>, Option<String>),
}

/// A run of points.
pub(in crate::policy) type Run = (Space, u32, u32);

/// One rule to be.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub words: &'static Vocabulary,
    pub key: Key,
    pub often: Often,
    /// Names of the functions that were used.
    pub used: BTreeSet<String>,
}

/// What makes two rules the same, dimension by dimension.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(super) struct Key {
    pub doubt: Option<Doubt>,
    pub from: BTreeSet<Address>,
    pub to: BTreeSet<Address>,
    pub proto: u8,
    pub devices: Option<BTreeSet<u32>>,
    /// [`Verb::index`].
    pub verbs: BTreeSet<u8>,
    pub functions: Option<BTreeSet<u16>>,
    pub points: Option<Vec<Run>>,
    /// The limits as the rule says them.
    pub values: Option<Vec<String>>,
    pub notes: BTreeSet<Note>,
}

impl Draft {
    pub(super) fn verbs(&self) -> impl Iterator<Item = Verb> {
        self.key.verbs.iter().filter_map(|index| Verb::ALL.get(usize::from(*index)).copied())
    }
}

/// Everything that is to be written about control protocols.
pub(super) struct Drafts {
    /// Allowed ones first in order, then those under review.
    pub rules: Vec<Draft>,
    pub polls: Vec<Poll>,
    /// Messages that only rules under review would let pass.
    pub waiting: u64,
    /// The words of each protocol that occurs.
    pub words: BTreeMap<u8, &'static Vocabulary>,
}

/// An ask that is to be learned.
pub(super) struct Item<'s> {
    pub pair: PairKey,
    pub words: &'static Vocabulary,
    pub key: AskKey,
    pub ask: &'s Ask,
    pub doubt: Option<Doubt>,
}

pub(super) fn drafts(learner: &Learner) -> Drafts {
    let doubts = Doubts::new(&learner.pairs);
    let slack = learner.options.slack;
    let mut pairs: Vec<(&PairKey, &Seen)> = learner.pairs.iter().collect();
    pairs.sort_unstable_by_key(|(key, _)| **key);
    let words = pairs.iter().map(|(key, seen)| (key.proto, seen.words)).collect();
    let mut items: Vec<Item<'_>> = Vec::new();
    for (pair, seen) in &pairs {
        let mut asks: Vec<(&AskKey, &Ask)> = seen.asks.iter().filter(|(_, ask)| ask.often.open > 0).collect();
        asks.sort_unstable_by_key(|(key, _)| **key);
        items.extend(asks.into_iter().map(|(key, ask)| Item {
            pair: **pair,
            words: seen.words,
            key: *key,
            ask,
            doubt: doubts.about(pair, key, ask),
        }));
    }
    let mut waiting = drop_what_passes_anyway(&mut items, slack);
    let doubtful: Vec<&Item<'_>> = items.iter().filter(|item| item.doubt.is_some()).collect();
    waiting += doubtful.iter().map(|item| item.ask.alone).sum::<u64>();
    let doubtful: HashSet<(PairKey, AskKey)> = doubtful.iter().map(|item| (item.pair, item.key)).collect();
    let together = pairs.iter().flat_map(|(pair, seen)| seen.together.iter().map(move |all| (**pair, all)));
    let waits = |(pair, (keys, _)): &(PairKey, (&Vec<AskKey>, &u64))| {
        keys.iter().any(|key| doubtful.contains(&(*pair, *key)))
    };
    waiting += together.filter(waits).map(|(_, (_, count))| count).sum::<u64>();
    type Group = (PairKey, Way, Option<u32>, u8, Option<Doubt>);
    let mut groups: BTreeMap<Group, Vec<Item<'_>>> = BTreeMap::new();
    for item in items {
        let group = (item.pair, item.key.way, item.key.device, item.key.verb, item.doubt.clone());
        groups.entry(group).or_default().push(item);
    }
    let mut rules: Vec<Draft> = groups.values().flat_map(|items| group_rules(items, slack)).collect();
    let quiet = sessions(&pairs, &rules, &mut waiting);
    rules.extend(quiet);
    let polls = if learner.options.expect { polls(&pairs, &rules, learner.span()) } else { Vec::new() };
    for blank in [
        |key: &mut Key| key.verbs.clear(),
        |key: &mut Key| key.devices = key.devices.as_ref().map(|_| BTreeSet::new()),
        |key: &mut Key| key.to.clear(),
        |key: &mut Key| {
            if key.doubt.is_none() {
                key.from.clear();
            }
        },
    ] {
        rules = put_together(rules, blank);
    }
    // Who comes first, then what they do: reading before writing.
    let order = |rule: &Draft| {
        let Key { doubt, from, proto, verbs, .. } = rule.key.clone();
        (doubt, from, proto, verbs)
    };
    rules.sort_by(|a, b| order(a).cmp(&order(b)).then_with(|| a.key.cmp(&b.key)));
    Drafts { rules, polls, waiting, words }
}

/// The rules for what was asked of one device with one verb.
fn group_rules(items: &[Item<'_>], slack: Slack) -> Vec<Draft> {
    let Some(one) = items.first() else { return Vec::new() };
    let verb = one.key.verb();
    let doubtful_verb = matches!(one.doubt, Some(Doubt::Verb(_)));
    if POINTLESS.contains(&verb) || doubtful_verb || verb == Verb::Report && one.key.way != Way::Asked {
        let functions = if doubtful_verb { functions(items) } else { None };
        return draft(items, functions, None, None, slack).into_iter().collect();
    }
    let (pointed, bare): (Vec<&Item<'_>>, Vec<&Item<'_>>) =
        items.iter().partition(|item| item.key.range.is_some());
    let mut rules = Vec::new();
    if verb == Verb::Other {
        let runs = (!pointed.is_empty()).then(|| runs_of(pointed.iter().copied()));
        return draft(items, functions(items), runs, None, slack).into_iter().collect();
    }
    if super::is_bounded(verb) && one.key.way == Way::Asked {
        rules.extend(limited_rules(&pointed, slack));
    } else if !pointed.is_empty() {
        let runs = runs_of(pointed.iter().copied());
        rules.extend(draft(pointed, None, Some(runs), None, slack));
    }
    if !bare.is_empty() {
        let functions = functions(bare.iter().copied());
        rules.extend(draft(bare, functions, None, None, slack));
    }
    rules
}

/// The functions of some asks, where they say the same as the verb; `None` where a verb is the finer word.
fn functions<'i, 's: 'i>(items: impl IntoIterator<Item = &'i Item<'s>>) -> Option<BTreeSet<u16>> {
    items
        .into_iter()
        .map(|item| {
            let code = item.key.function?;
            let fits = item.words.function(code).is_none_or(|known| known.verb == item.key.verb());
            fits.then_some(code)
        })
        .collect()
}

fn runs_of<'i, 's: 'i>(items: impl IntoIterator<Item = &'i Item<'s>>) -> Vec<Run> {
    let mut by_space: BTreeMap<Space, Vec<(u32, u32)>> = BTreeMap::new();
    for (space, first, last) in items.into_iter().filter_map(|item| item.key.range) {
        by_space.entry(space).or_default().push((first, last));
    }
    let runs = |(space, runs)| merged(runs).into_iter().map(move |(first, last)| (space, first, last));
    by_space.into_iter().flat_map(runs).collect()
}

/// Sorts runs and joins those that touch.
pub(super) fn merged(mut runs: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    runs.sort_unstable();
    let mut out: Vec<(u32, u32)> = Vec::with_capacity(runs.len());
    for (first, last) in runs {
        match out.last_mut() {
            Some(before) if before.1.checked_add(1).is_none_or(|next| first <= next) => {
                before.1 = before.1.max(last);
            }
            _ => out.push((first, last)),
        }
    }
    out
}

pub(super) fn widen((first, last): (u32, u32), slack: Slack, max: u32) -> (u32, u32) {
    let more = match slack {
        Slack::None => 0,
        Slack::Points(points) => points,
        Slack::Percent(percent) => {
            let length = u64::from(last - first) + 1;
            u32::try_from(length.saturating_mul(u64::from(percent)).div_ceil(100)).unwrap_or(u32::MAX)
        }
    };
    let end = if last > max { last } else { last.saturating_add(more).min(max) };
    (first.saturating_sub(more), end)
}

/// Rules for what changes points, with the limits of each.
fn limited_rules(items: &[&Item<'_>], slack: Slack) -> Vec<Draft> {
    let mut by_space: BTreeMap<Space, Vec<&Item<'_>>> = BTreeMap::new();
    for item in items {
        if let Some((space, ..)) = item.key.range {
            by_space.entry(space).or_default().push(item);
        }
    }
    let mut rules = Vec::new();
    for (space, items) in by_space {
        for (limit, points, shared) in limits(&items) {
            let runs = merged(points);
            let touches = |item: &&&Item<'_>| {
                item.key.range.is_some_and(|(_, first, last)| {
                    let at = runs.partition_point(|(_, end)| *end < first);
                    runs.get(at).is_some_and(|(start, _)| *start <= last)
                })
            };
            let own: Vec<&Item<'_>> = items.iter().filter(touches).copied().collect();
            let runs: Vec<Run> = runs.iter().map(|(first, last)| (space, *first, *last)).collect();
            let mut rule = draft(own, None, Some(runs), Some(limit), slack);
            if let Some(rule) = rule.as_mut().filter(|rule| shared && rule.key.values.is_some()) {
                rule.key.notes.insert(Note::SharedLimits);
            }
            rules.extend(rule);
        }
    }
    rules
}

/// First and last points of runs.
type Points = Vec<(u32, u32)>;

/// Points that share limits, and whether they only share them to keep the rules few.
pub(super) fn limits(items: &[&Item<'_>]) -> Vec<(Limit, Points, bool)> {
    let mut points: BTreeMap<u32, Limit> = BTreeMap::new();
    let mut long = false;
    let mut whole = Limit::default();
    let mut runs = Vec::new();
    for item in items {
        let Some((_, first, last)) = item.key.range else { continue };
        runs.push((first, last));
        item.ask.values.iter().for_each(|limit| whole.join(limit));
        if item.ask.values.len() as u64 == u64::from(last - first) + 1 {
            for (index, limit) in (first..=last).zip(&item.ask.values) {
                points.entry(index).or_default().join(limit);
            }
        } else {
            long = true;
        }
    }
    let mut by_limit: BTreeMap<Option<Vec<String>>, (Limit, Points)> = BTreeMap::new();
    if !long {
        for (index, limit) in points {
            let entry = by_limit.entry(said(&limit)).or_insert_with(|| (limit, Vec::new()));
            entry.1.push((index, index));
        }
    }
    if long || by_limit.len() > LIMITS {
        return vec![(whole, runs, true)];
    }
    by_limit.into_values().map(|(limit, points)| (limit, points, false)).collect()
}

/// Limits as a rule says them, entry by entry; `None` where any value may pass.
pub(super) fn said(limit: &Limit) -> Option<Vec<String>> {
    if limit.is_open() {
        return None;
    }
    let mut entries = Vec::new();
    if limit.has_numbers() {
        let (low, high) = (limit.low, limit.high);
        entries.push(if low == high { format!("{low}") } else { format!("\"{low}..{high}\"") });
    }
    for (on, word) in [(0, "off"), (1, "on")] {
        if limit.states[on] {
            entries.push(format!("\"{word}\""));
        }
    }
    entries.extend(limit.words.iter().map(|word| format!("\"{word}\"")));
    Some(entries)
}

pub(super) fn widen_limit(limit: &mut Limit, slack: Slack) {
    let size = limit.high - limit.low;
    let more = match slack {
        Slack::None => return,
        Slack::Points(points) => f64::from(points),
        Slack::Percent(percent) => {
            (if size > 0.0 { size } else { limit.high.abs() }) * f64::from(percent) / 100.0
        }
    };
    if limit.has_numbers() && more > 0.0 {
        let whole = limit.low.fract() == 0.0 && limit.high.fract() == 0.0;
        let more = if whole { more.ceil() } else { more };
        // Below zero means something else for a number that never was.
        limit.low = if limit.low >= 0.0 { (limit.low - more).max(0.0) } else { limit.low - more };
        limit.high += more;
    }
}

/// One rule for these asks.
fn draft<'i, 's: 'i>(
    items: impl IntoIterator<Item = &'i Item<'s>>,
    functions: Option<BTreeSet<u16>>,
    points: Option<Vec<Run>>,
    limit: Option<Limit>,
    slack: Slack,
) -> Option<Draft> {
    let items: Vec<&Item<'_>> = items.into_iter().collect();
    let one = items.first()?;
    let often = items.iter().map(|item| item.ask.often).reduce(|sum, next| sum.with(&next))?;
    let name = |item: &&Item<'_>| {
        let code = item.key.function?;
        Some(item.words.function_name(code).map_or_else(|| format!("function {code}"), str::to_owned))
    };
    let mut notes = BTreeSet::new();
    if one.key.way == Way::Answered {
        notes.insert(Note::AnswersOnly);
    }
    let verb = one.key.verb();
    let covers_all = points.is_none() && !POINTLESS.contains(&verb) && verb != Verb::Report;
    if covers_all && verb != Verb::Other && !matches!(one.doubt, Some(Doubt::Verb(_))) {
        notes.insert(Note::NoPoints);
    }
    let limit = limit.filter(|limit| !limit.is_open());
    let mut wide = limit.clone();
    wide.iter_mut().for_each(|limit| widen_limit(limit, slack));
    let max = one.words.max_index;
    let widened = points.as_ref().map(|runs| widen_runs(runs, slack, max));
    if widened != points || wide != limit {
        let values = limit.as_ref().and_then(said).map(|entries| entries.join(", "));
        notes.insert(Note::Slack(points.unwrap_or_default(), values));
    }
    if let Some(limit) = &wide
        && limit.states[0] != limit.states[1]
        && !limit.has_numbers()
    {
        notes.insert(Note::NeverWritten(limit.states[0]));
    }
    let values = wide.as_ref().and_then(said);
    let key = Key {
        doubt: one.doubt.clone(),
        from: BTreeSet::from([one.pair.client]),
        to: BTreeSet::from([one.pair.server]),
        proto: one.pair.proto,
        devices: one.key.device.map(|device| BTreeSet::from([device])),
        verbs: BTreeSet::from([one.key.verb]),
        functions,
        points: widened,
        values,
        notes,
    };
    let used = items.iter().filter_map(name).collect();
    Some(Draft { words: one.words, key, often, used })
}

fn widen_runs(runs: &[Run], slack: Slack, max: u32) -> Vec<Run> {
    let mut by_space: BTreeMap<Space, Vec<(u32, u32)>> = BTreeMap::new();
    for (space, first, last) in runs {
        by_space.entry(*space).or_default().push(widen((*first, *last), slack, max));
    }
    let out = |(space, runs)| merged(runs).into_iter().map(move |(first, last)| (space, first, last));
    by_space.into_iter().flat_map(out).collect()
}

/// Rules for pairs that only keep a link alive.
fn sessions(pairs: &[(&PairKey, &Seen)], rules: &[Draft], waiting: &mut u64) -> Vec<Draft> {
    // Whether some rule between the two is not under review.
    let mut talk: HashMap<(Address, Address, u8), bool> = HashMap::new();
    for rule in rules {
        for (from, to) in rule.key.from.iter().flat_map(|from| rule.key.to.iter().map(move |to| (*from, *to)))
        {
            let fine = talk.entry((from.min(to), from.max(to), rule.key.proto)).or_default();
            *fine |= rule.key.doubt.is_none();
        }
    }
    let mut quiet: BTreeMap<(Address, Address, u8), (Often, PairKey, &'static Vocabulary)> = BTreeMap::new();
    for (pair, seen) in pairs {
        let Some(often) = seen.session.filter(|often| often.open > 0) else { continue };
        let ends = (pair.client.min(pair.server), pair.client.max(pair.server), pair.proto);
        if let Some(fine) = talk.get(&ends) {
            *waiting += if *fine { 0 } else { often.open };
            continue;
        }
        quiet
            .entry(ends)
            .and_modify(|(sum, first, _)| {
                if often.first < sum.first {
                    *first = **pair;
                }
                *sum = sum.with(&often);
            })
            .or_insert((often, **pair, seen.words));
    }
    let rule = |(often, pair, words): (Often, PairKey, _)| Draft {
        words,
        key: Key {
            from: BTreeSet::from([pair.client]),
            to: BTreeSet::from([pair.server]),
            proto: pair.proto,
            verbs: BTreeSet::from([Verb::Session.index() as u8]),
            ..Key::default()
        },
        often,
        used: BTreeSet::new(),
    };
    quiet.into_values().map(rule).collect()
}

/// Joins rules that are equal but for one dimension, which `blank` empties.
fn put_together(rules: Vec<Draft>, blank: fn(&mut Key)) -> Vec<Draft> {
    let mut together: BTreeMap<Key, Draft> = BTreeMap::new();
    for rule in rules {
        let mut same = rule.key.clone();
        blank(&mut same);
        match together.get_mut(&same) {
            None => {
                together.insert(same, rule);
            }
            Some(sum) => {
                sum.key.from.extend(rule.key.from);
                sum.key.to.extend(rule.key.to);
                sum.key.verbs.extend(rule.key.verbs);
                if let (Some(devices), Some(more)) = (&mut sum.key.devices, rule.key.devices) {
                    devices.extend(more);
                }
                sum.often = sum.often.with(&rule.often);
                sum.used.extend(rule.used);
            }
        }
    }
    together.into_values().collect()
}
