//! IP fragments put together (RFC 791 section 3.2, RFC 8200 section 4.5).
//!
//! Where fragments overlap, the octets that came first stay, and disagreement is counted. Datagrams that never become whole go after 30 s, or
//! earlier when memory is needed: the oldest first, counted.

use crate::address::{Address, Timestamp};
use std::collections::{HashMap, VecDeque};

/// How long fragments wait for the rest, in nanoseconds (RFC 1122 asks for at least 60 s of a host; a sensor
/// that waits less is flooded less).
const WAIT: u64 = 30_000_000_000;
/// The largest datagram, in octets of payload.
pub const LARGEST: usize = 65_535;
/// What a waiting datagram costs beyond its octets.
const OVERHEAD: usize = 256;

/// Which datagram a fragment belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    /// The sender.
    pub src: Address,
    /// The receiver.
    pub dst: Address,
    /// The IP protocol of the payload.
    pub protocol: u8,
    /// The identification field.
    pub id: u32,
}

/// One fragment.
#[derive(Clone, Copy, Debug)]
pub struct Fragment<'a> {
    /// Where its octets belong, from the start of the datagram's payload.
    pub offset: usize,
    /// Whether more follow.
    pub more: bool,
    /// Its octets.
    pub bytes: &'a [u8],
}

struct Datagram {
    first_seen: Timestamp,
    octets: Vec<u8>,
    /// What has come, as sorted runs that do not touch.
    have: Vec<(usize, usize)>,
    /// The length, once the last fragment has come.
    length: Option<usize>,
}

/// Datagrams that wait for their rest.
pub struct Fragments {
    waiting: HashMap<Key, Datagram>,
    order: VecDeque<Key>,
    bytes: usize,
    limit: usize,
    /// Datagrams given up: too old, or room was needed.
    pub evicted: u64,
    /// Fragments that overlap others.
    pub overlaps: u64,
    /// Those of them that say something else.
    pub conflicting: u64,
    /// Datagrams put together.
    pub completed: u64,
}

impl Fragments {
    /// Keeps at most this many octets.
    pub fn new(limit: usize) -> Self {
        Fragments {
            waiting: HashMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            limit,
            evicted: 0,
            overlaps: 0,
            conflicting: 0,
            completed: 0,
        }
    }

    /// Takes a fragment; returns the datagram's payload when it is whole.
    pub fn add(&mut self, key: Key, ts: Timestamp, fragment: Fragment<'_>) -> Option<Vec<u8>> {
        let end = fragment.offset.checked_add(fragment.bytes.len()).filter(|end| *end <= LARGEST)?;
        self.make_room(ts);
        if !self.waiting.contains_key(&key) {
            self.order.push_back(key);
            self.bytes += OVERHEAD;
        }
        let datagram = self.waiting.entry(key).or_insert_with(|| Datagram {
            first_seen: ts,
            octets: Vec::new(),
            have: Vec::new(),
            length: None,
        });
        let mut conflict = false;
        if !fragment.more {
            // Two ends that differ, or octets beyond the end, are a disagreement too.
            conflict = *datagram.length.get_or_insert(end) != end || datagram.octets.len() > end;
        }
        conflict |= datagram.length.is_some_and(|length| end > length);
        if datagram.octets.len() < end {
            self.bytes += end - datagram.octets.len();
            datagram.octets.resize(end, 0);
        }
        let (overlaps, differs) = datagram.fill(fragment.offset, end, fragment.bytes);
        conflict |= differs;
        self.overlaps += u64::from(overlaps);
        self.conflicting += u64::from(conflict);
        let whole = datagram
            .length
            .filter(|length| datagram.have.first().is_some_and(|run| run.0 == 0 && run.1 >= *length))?;
        let mut done = self.waiting.remove(&key)?;
        self.bytes = self.bytes.saturating_sub(OVERHEAD + done.octets.len());
        self.order.retain(|waiting| *waiting != key);
        done.octets.truncate(whole);
        self.completed += 1;
        Some(done.octets)
    }

    /// Lets the oldest go while they are too old or too many.
    fn make_room(&mut self, now: Timestamp) {
        while let Some(oldest) = self.order.front() {
            let old = self.waiting.get(oldest).is_none_or(|d| now.since(d.first_seen) > WAIT);
            if !old && self.bytes <= self.limit {
                return;
            }
            if let Some(gone) = self.waiting.remove(oldest) {
                self.bytes = self.bytes.saturating_sub(OVERHEAD + gone.octets.len());
                self.evicted += 1;
            }
            self.order.pop_front();
        }
    }
}

impl Datagram {
    /// Copies what has not come yet and notes it. Returns whether some had, and whether that was something else.
    fn fill(&mut self, start: usize, end: usize, bytes: &[u8]) -> (bool, bool) {
        let mut at = start;
        let (mut overlap, mut conflict) = (false, false);
        for &(from, to) in &self.have {
            if to <= at || from >= end {
                continue;
            }
            overlap = true;
            let (low, high) = (from.max(start), to.min(end));
            conflict |= self.octets.get(low..high) != bytes.get(low - start..high - start);
            if from > at {
                copy(&mut self.octets, at, from, start, bytes);
            }
            at = at.max(to);
        }
        if at < end {
            copy(&mut self.octets, at, end, start, bytes);
        }
        self.have.push((start, end));
        self.have.sort_unstable();
        let mut merged: Vec<(usize, usize)> = Vec::with_capacity(self.have.len());
        for &(from, to) in &self.have {
            match merged.last_mut() {
                Some(last) if from <= last.1 => last.1 = last.1.max(to),
                _ => merged.push((from, to)),
            }
        }
        self.have = merged;
        (overlap, conflict)
    }
}

/// Copies the part `from..to` of the datagram out of a fragment that starts at `start`.
fn copy(octets: &mut [u8], from: usize, to: usize, start: usize, bytes: &[u8]) {
    if let (Some(target), Some(source)) = (octets.get_mut(from..to), bytes.get(from - start..to - start)) {
        target.copy_from_slice(source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn key(id: u32) -> Key {
        let address = Address::V4(Ipv4Addr::LOCALHOST);
        Key { src: address, dst: address, protocol: 17, id }
    }

    #[test]
    fn any_order_gives_the_datagram_and_the_first_octets_stay() {
        let mut fragments = Fragments::new(1 << 20);
        let ts = Timestamp::from_nanos(0);
        let last = Fragment { offset: 16, more: false, bytes: &[3; 4] };
        let evil = Fragment { offset: 8, more: true, bytes: &[9; 16] };
        let middle = Fragment { offset: 8, more: true, bytes: &[2; 8] };
        let first = Fragment { offset: 0, more: true, bytes: &[1; 8] };
        assert!(fragments.add(key(1), ts, last).is_none());
        assert!(fragments.add(key(1), ts, middle).is_none());
        assert!(fragments.add(key(1), ts, evil).is_none());
        let whole = fragments.add(key(1), ts, first).unwrap();
        assert_eq!(whole, [&[1; 8][..], &[2; 8], &[3; 4]].concat());
        assert_eq!((fragments.overlaps, fragments.conflicting), (1, 1));
        assert_eq!((fragments.bytes, fragments.order.len()), (0, 0));
    }

    #[test]
    fn a_flood_of_first_fragments_stays_within_the_limit() {
        let mut fragments = Fragments::new(100_000);
        for id in 0..10_000 {
            let piece = Fragment { offset: 0, more: true, bytes: &[0; 1000] };
            fragments.add(key(id), Timestamp::from_nanos(0), piece);
        }
        assert!(fragments.bytes <= 102_000, "{}", fragments.bytes);
        assert!(fragments.evicted > 9_000);
    }
}
