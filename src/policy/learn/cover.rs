//! What the rules that are not under review let pass of what is.

use super::draft::{Item, merged, widen, widen_limit};
use super::is_bounded;
use super::seen::{Limit, PairKey, Way};
use super::{Slack, draft};
use crate::event::{Space, Verb};
use std::collections::{BTreeMap, HashMap};

/// Points with the limits that a rule puts on their values; `None` for none.
type Limited = (Option<Limit>, Vec<(u32, u32)>);

/// What is asked without doubt.
struct Cover {
    /// Whether some rule for it is not under review.
    verbs: HashMap<(PairKey, Option<u32>, Verb), bool>,
    points: HashMap<(PairKey, Option<u32>, Verb, Space), Vec<Limited>>,
}

/// Forgets answers and reports that what was asked covers, and doubtful asks that the other rules let pass. Returns how
/// many messages then pass only by rules under review.
pub(super) fn drop_what_passes_anyway(items: &mut Vec<Item<'_>>, slack: Slack) -> u64 {
    let cover = Cover::new(items, slack);
    let mut waiting = 0;
    let mut known = |item: &Item<'_>, pair: PairKey, verb: Verb| {
        let fine = cover.verbs.get(&(pair, item.key.device, verb));
        waiting += if fine == Some(&false) { item.ask.alone } else { 0 };
        fine.is_some()
    };
    items.retain(|item| match item.key.way {
        Way::Answered => {
            let verb = if item.key.verb() == Verb::Report { Verb::Read } else { item.key.verb() };
            !known(item, item.pair, verb)
        }
        Way::Unasked => {
            let back = PairKey { client: item.pair.server, server: item.pair.client, ..item.pair };
            !known(item, back, Verb::Read)
        }
        Way::Asked => item.doubt.is_none() || !cover.lets_pass(item),
    });
    waiting
}

impl Cover {
    fn new(items: &[Item<'_>], slack: Slack) -> Cover {
        let mut verbs: HashMap<(PairKey, Option<u32>, Verb), bool> = HashMap::new();
        let mut sure: BTreeMap<(PairKey, Option<u32>, u8, Space), Vec<&Item<'_>>> = BTreeMap::new();
        for item in items.iter().filter(|item| item.key.way == Way::Asked) {
            let verb = item.key.verb();
            *verbs.entry((item.pair, item.key.device, verb)).or_default() |= item.doubt.is_none();
            if let (None, Some((space, ..))) = (&item.doubt, item.key.range) {
                sure.entry((item.pair, item.key.device, item.key.verb, space)).or_default().push(item);
            }
        }
        let mut points = HashMap::new();
        for ((pair, device, _, space), items) in sure {
            let Some(one) = items.first() else { continue };
            let verb = one.key.verb();
            let all = |items: &[&Item<'_>]| {
                items.iter().filter_map(|item| item.key.range).map(|(_, first, last)| (first, last)).collect()
            };
            let limited: Vec<Limited> = if is_bounded(verb) {
                let limits = draft::limits(&items).into_iter();
                limits.map(|(limit, runs, _)| (Some(limit).filter(|limit| !limit.is_open()), runs)).collect()
            } else {
                vec![(None, all(&items))]
            };
            let max = one.words.max_index;
            let wide = |(mut limit, runs): Limited| {
                limit.iter_mut().for_each(|limit| widen_limit(limit, slack));
                (limit, merged(merged(runs).into_iter().map(|run| widen(run, slack, max)).collect()))
            };
            points.insert((pair, device, verb, space), limited.into_iter().map(wide).collect());
        }
        Cover { verbs, points }
    }

    /// Whether a doubtful ask passes by rules that are not under review.
    fn lets_pass(&self, item: &Item<'_>) -> bool {
        let verb = item.key.verb();
        if draft::POINTLESS.contains(&verb) {
            return self.verbs.get(&(item.pair, item.key.device, verb)) == Some(&true);
        }
        let Some((space, first, last)) = item.key.range else { return false };
        let Some(limited) = self.points.get(&(item.pair, item.key.device, verb, space)) else { return false };
        let values = &item.ask.values;
        if values.len() > 1 {
            return (first..=last)
                .zip(values)
                .all(|(index, limit)| passes(limited, (index, index), Some(limit)));
        }
        passes(limited, (first, last), values.first())
    }
}

/// Whether some limits let these values pass at all of these points.
fn passes(limited: &[Limited], (first, last): (u32, u32), values: Option<&Limit>) -> bool {
    limited.iter().any(|(limit, runs)| {
        let at = runs.partition_point(|(_, end)| *end < first);
        let inside = runs.get(at).is_some_and(|(start, end)| *start <= first && last <= *end);
        inside && limit.as_ref().is_none_or(|limit| values.is_some_and(|values| limit.holds(values)))
    })
}
