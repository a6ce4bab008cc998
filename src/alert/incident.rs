//! Incidents: alerts that belong together, because the same two are at it or the same one is.
//!
//! Flows in: the id, the time and the two ends of each alert as it begins. Flows out: the incident that it joins, or begins,
//! and the alerts of it that were before. Memory is bounded; the same alerts in the same order give the same incidents.

use crate::address::{Address, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use ulid::Ulid;

/// Nanoseconds after an incident's last alert in which another joins it.
const WINDOW: u64 = 30 * 60 * 1_000_000_000;
/// Alerts that each alert names as related.
const RELATED: usize = 10;
/// Incidents, pairs and doers that are remembered at a time.
const LIMIT: usize = 4096;

/// Two ends, whoever of them did it.
type Pair = (Address, Address);

/// Finds the alerts that belong together: those of the same pair in either direction, and those of the same doer, within
/// 30 minutes of the last one. Who is done something to by many joins nothing by that.
#[derive(Debug)]
pub struct Incidents {
    window: u64,
    limit: usize,
    open: HashMap<Ulid, Incident>,
    by_pair: HashMap<Pair, Named>,
    by_doer: HashMap<Address, Named>,
}

#[derive(Debug)]
struct Incident {
    last: Timestamp,
    /// Its last alerts.
    alerts: VecDeque<Ulid>,
}

/// The incident that a pair or a doer is part of, and since when.
#[derive(Clone, Copy, Debug)]
struct Named {
    incident: Ulid,
    at: i64,
}

impl Default for Incidents {
    fn default() -> Self {
        let (open, by_pair, by_doer) = Default::default();
        Incidents { window: WINDOW, limit: LIMIT, open, by_pair, by_doer }
    }
}

impl Incidents {
    /// With another bound on what is remembered at a time.
    pub fn with_limit(mut self, most: usize) -> Self {
        self.limit = most.max(8);
        self
    }

    /// Takes an alert as it begins. Returns the incident that it is part of, by the id of that one's first alert, and the
    /// ids of the last alerts of it before this one, at most ten. An address that says nobody (0.0.0.0) joins nothing.
    pub fn join(&mut self, alert: Ulid, ts: Timestamp, doer: Address, other: Address) -> (Ulid, Vec<Ulid>) {
        let pair = if doer <= other { (doer, other) } else { (other, doer) };
        let somebody = |address: &Address| address.ip().is_none_or(|ip| !ip.is_unspecified());
        let (doer, pair) =
            (Some(doer).filter(somebody), Some(pair).filter(|(a, b)| somebody(a) && somebody(b)));
        let known = pair.and_then(|pair| self.by_pair.get(&pair)).filter(|named| self.is_open(named, ts));
        let known = known.or_else(|| {
            doer.and_then(|doer| self.by_doer.get(&doer)).filter(|named| self.is_open(named, ts))
        });
        let incident = known.map_or(alert, |named| named.incident);
        let named = Named { incident, at: ts.nanos };
        self.by_pair.extend(pair.map(|pair| (pair, named)));
        self.by_doer.extend(doer.map(|doer| (doer, named)));
        let open =
            self.open.entry(incident).or_insert(Incident { last: ts, alerts: VecDeque::with_capacity(2) });
        open.last = open.last.max(ts);
        let related = open.alerts.iter().copied().collect();
        if open.alerts.len() >= RELATED {
            open.alerts.pop_front();
        }
        open.alerts.push_back(alert);
        self.make_room();
        (incident, related)
    }

    /// Says that an alert of an incident still goes on.
    pub fn goes_on(&mut self, incident: Ulid, ts: Timestamp) {
        if let Some(open) = self.open.get_mut(&incident) {
            open.last = open.last.max(ts);
        }
    }

    fn is_open(&self, named: &Named, ts: Timestamp) -> bool {
        self.open.get(&named.incident).is_some_and(|open| ts.since(open.last) <= self.window)
    }

    /// Forgets the eighth that was used longest ago where there is too much.
    fn make_room(&mut self) {
        if self.open.len() > self.limit {
            forget(&mut self.open, self.limit / 8, |id, open| (open.last.nanos, *id));
        }
        if self.by_pair.len() > self.limit {
            forget(&mut self.by_pair, self.limit / 8, |pair, named| (named.at, *pair));
        }
        if self.by_doer.len() > self.limit {
            forget(&mut self.by_doer, self.limit / 8, |doer, named| (named.at, *doer));
        }
    }
}

/// Forgets so many, those of the lowest age first; no two ages are the same.
fn forget<K: Eq + Hash + Copy, V, A: Ord>(all: &mut HashMap<K, V>, count: usize, age: impl Fn(&K, &V) -> A) {
    let mut ages: Vec<A> = all.iter().map(|(key, value)| age(key, value)).collect();
    if count < ages.len() {
        let (_, limit, _) = ages.select_nth_unstable(count);
        let limit = &*limit;
        all.retain(|key, value| age(key, value) > *limit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const MINUTE: i64 = 60_000_000_000;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_nanos(minutes * MINUTE)
    }

    fn end(last: u8) -> Address {
        Address::V4(Ipv4Addr::new(10, 0, 0, last))
    }

    /// Joins alerts of these minutes and ends; gives the number of each one's incident.
    fn incidents(alerts: &[(i64, u8, u8)]) -> Vec<u128> {
        let mut incidents = Incidents::default();
        let ids = (1u128..).map(Ulid::from);
        let join = |((minute, doer, other), id): (&(i64, u8, u8), Ulid)| {
            u128::from(incidents.join(id, at(*minute), end(*doer), end(*other)).0)
        };
        alerts.iter().zip(ids).map(join).collect()
    }

    #[test]
    fn pairs_and_doers_belong_together() {
        // The same pair, in either direction.
        assert_eq!(incidents(&[(0, 1, 2), (1, 2, 1), (2, 1, 2)]), [1, 1, 1]);
        // An intruder at one device after the other.
        assert_eq!(incidents(&[(0, 66, 2), (1, 66, 3), (2, 66, 4)]), [1, 1, 1]);
        // Two at the same device, or a device that answers for itself, are others.
        assert_eq!(incidents(&[(0, 66, 2), (1, 67, 2), (2, 2, 9)]), [1, 2, 3]);
        // The pair goes before the doer.
        assert_eq!(incidents(&[(0, 1, 2), (1, 2, 9), (2, 2, 1), (3, 2, 8)]), [1, 2, 1, 1]);
    }

    #[test]
    fn an_incident_ends_half_an_hour_after_its_last_alert() {
        assert_eq!(incidents(&[(0, 1, 2), (30, 1, 2), (60, 1, 3), (91, 1, 2)]), [1, 1, 1, 4]);
        let mut all = Incidents::default();
        let (first, _) = all.join(Ulid::from(1), at(0), end(1), end(2));
        all.goes_on(first, at(100));
        assert_eq!(all.join(Ulid::from(2), at(120), end(1), end(2)).0, first);
        // Time that goes back ends nothing.
        assert_eq!(all.join(Ulid::from(3), at(-500), end(1), end(2)).0, first);
    }

    #[test]
    fn the_last_ten_are_related() {
        let mut all = Incidents::default();
        for id in 1..=15u128 {
            let (_, related) = all.join(Ulid::from(id), at(0), end(1), end(2));
            let want: Vec<u128> = (1..id).rev().take(10).collect::<Vec<_>>().into_iter().rev().collect();
            assert_eq!(related.into_iter().map(u128::from).collect::<Vec<_>>(), want);
        }
    }

    #[test]
    fn nobody_joins_nothing() {
        let nobody = Address::V4(Ipv4Addr::UNSPECIFIED);
        let mut all = Incidents::default();
        let mut join = |id: u128, doer, other| u128::from(all.join(Ulid::from(id), at(0), doer, other).0);
        assert_eq!(join(1, nobody, end(2)), 1);
        assert_eq!(join(2, nobody, end(2)), 2);
        assert_eq!(join(3, end(1), nobody), 3);
        assert_eq!(join(4, end(1), end(2)), 3);
    }

    #[test]
    fn memory_is_bounded_and_what_is_recent_stays() {
        let run = || {
            let mut all = Incidents::default().with_limit(64);
            let mut said = Vec::new();
            for id in 0..1000u32 {
                let ends = (Address::V4(Ipv4Addr::from_bits(id + 1)), end(2));
                said.push(all.join(Ulid::from(u128::from(id)), at(0), ends.0, ends.1).0);
                assert!(all.open.len() <= 64 && all.by_pair.len() <= 64 && all.by_doer.len() <= 64);
            }
            let last = Address::V4(Ipv4Addr::from_bits(1000));
            assert_eq!(all.join(Ulid::from(5000), at(0), last, end(2)).0, Ulid::from(999));
            said
        };
        assert_eq!(run(), run());
    }
}
