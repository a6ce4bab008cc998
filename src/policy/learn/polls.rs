//! Polls that come so steadily that their absence would tell.

use super::draft::Draft;
use super::seen::{Ask, PairKey, Seen, Way};
use crate::address::{Address, Timestamp};
use crate::event::Verb;
use std::collections::{BTreeMap, HashSet};

/// Gaps that must have been seen before a poll counts as steady.
const GAPS: u64 = 10;

/// A steady poll.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Poll {
    pub client: Address,
    pub server: Address,
    pub proto: u8,
    pub device: Option<u32>,
    /// Seconds in which one must come.
    pub every: u64,
    /// Milliseconds between two of them, as a rule.
    pub median: u32,
}

/// Steady polls among what is allowed, that went on from the beginning to the end of the traffic.
pub(super) fn polls(
    pairs: &[(&PairKey, &Seen)],
    rules: &[Draft],
    span: Option<(Timestamp, Timestamp)>,
) -> Vec<Poll> {
    let Some((begin, end)) = span else { return Vec::new() };
    let reads: HashSet<(Address, Address, u8)> = rules
        .iter()
        .filter(|rule| rule.key.doubt.is_none() && rule.verbs().any(|verb| verb == Verb::Read))
        .flat_map(|rule| rule.key.from.iter().map(move |from| (*from, rule)))
        .flat_map(|(from, rule)| rule.key.to.iter().map(move |to| (from, *to, rule.key.proto)))
        .collect();
    let mut found: BTreeMap<(PairKey, Option<u32>), Poll> = BTreeMap::new();
    for (pair, seen) in
        pairs.iter().filter(|(pair, _)| reads.contains(&(pair.client, pair.server, pair.proto)))
    {
        for (key, ask) in &seen.asks {
            if key.way != Way::Asked || key.verb() != Verb::Read || ask.never_worked() {
                continue;
            }
            let Some((every, median)) = steady(ask) else { continue };
            let outside = ask.often.first.ts.since(begin).max(end.since(ask.often.last));
            if outside > every * 1_000_000_000 {
                continue;
            }
            let poll = Poll {
                client: pair.client,
                server: pair.server,
                proto: pair.proto,
                device: key.device,
                every,
                median,
            };
            let entry = found.entry((**pair, key.device)).or_insert_with(|| poll.clone());
            if (every, median) < (entry.every, entry.median) {
                *entry = poll;
            }
        }
    }
    found.into_values().collect()
}

/// Seconds in which a steady poll must come, generously, and its usual gap in milliseconds.
fn steady(ask: &Ask) -> Option<(u64, u32)> {
    const NICE: [u64; 16] = [1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 14_400, 86_400];
    let (median, p95) = ask.gaps.median_and_p95()?;
    let often = ask.gaps.count() >= GAPS && median > 0 && p95 <= median.saturating_add(median / 2);
    let longest = ask.gaps.longest;
    // A longer pause than that is no poll that can be expected.
    if !often || longest > median.saturating_mul(5) {
        return None;
    }
    // An answer may be lost now and then.
    let need = u64::from(median).saturating_mul(3).max(u64::from(longest) + u64::from(longest) / 2);
    let seconds = need.div_ceil(1_000);
    Some((NICE.into_iter().find(|nice| *nice >= seconds)?, median))
}
