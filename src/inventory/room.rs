//! Making room in a full table.

use hashbrown::HashMap;
use std::hash::{BuildHasher, Hash};

/// Lets the least important eighth of a table go and returns it. `rank` says what matters: first whether an entry is
/// worth more than others, then when it was last seen. An eighth at a time, so that a flood of new ones costs little
/// for each.
pub(super) fn make_room<K, V, S>(table: &mut HashMap<K, V, S>, rank: impl Fn(&V) -> (bool, i64)) -> Vec<V>
where
    K: Copy + Ord + Hash,
    S: BuildHasher,
{
    let mut ranks: Vec<((bool, i64), K)> = table.iter().map(|(key, value)| (rank(value), *key)).collect();
    let go = (ranks.len() / 8).max(1).min(ranks.len());
    let Some(last) = go.checked_sub(1) else { return Vec::new() };
    ranks.select_nth_unstable(last);
    ranks.truncate(go);
    ranks.into_iter().filter_map(|(_, key)| table.remove(&key)).collect()
}
