//! The packets seen last, in memory of a fixed size: what comes takes the place of the oldest.

use crate::address::Timestamp;
use crate::capture::{Frame, Link};
use std::collections::VecDeque;

/// The largest frame that may be added, in octets; interfaces and usual captures bring none that is larger.
pub(super) const LARGEST: usize = 256 << 10;
/// Of the ring's memory, the part that is for what is known of packets beside their octets: one of so many.
const HEADS: usize = 4;

/// What is known of a frame beside its octets and its mark.
#[derive(Clone, Copy)]
struct Entry {
    /// When it was captured, in nanoseconds since the epoch.
    nanos: i64,
    number: u64,
    /// Where its octets begin, counted over all that were ever written.
    start: u64,
    length: u32,
    wire_len: u32,
    link: Link,
    source: u16,
}

/// The packets seen last. Each has an order: how many were added before it.
pub(super) struct Ring {
    octets: Vec<u8>,
    /// Where the next frame's octets go: in the memory, and counted over all.
    place: usize,
    written: u64,
    /// What is known of the frame of an order is at that order by the length of these, which is a power of two.
    entries: Vec<Entry>,
    /// The mark of each entry, by themselves: they are looked through.
    marks: Vec<u64>,
    /// Frames added.
    count: u64,
}

impl Ring {
    /// In so many octets of memory, all in all.
    pub(super) fn new(memory: usize) -> Ring {
        let each = size_of::<Entry>() + size_of::<u64>();
        let most = 1 << (memory / HEADS / each).max(1).ilog2();
        let none =
            Entry { nanos: 0, number: 0, start: 0, length: 0, wire_len: 0, link: Link::Ethernet, source: 0 };
        Ring {
            octets: vec![0; (memory.saturating_sub(most * each)).max(LARGEST)],
            place: 0,
            written: 0,
            entries: vec![none; most],
            marks: vec![0; most],
            count: 0,
        }
    }

    /// Adds a frame of at most [`LARGEST`] octets.
    #[inline]
    pub(super) fn push(&mut self, mark: u64, frame: &Frame<'_>) {
        let length = frame.data.len();
        let left = self.octets.len() - self.place;
        if length > left {
            // A frame lies in one piece: what is left at the end stays empty.
            self.written += left as u64;
            self.place = 0;
        }
        if let Some(octets) = self.octets.get_mut(self.place..self.place + length) {
            octets.copy_from_slice(frame.data);
        }
        let at = self.at(self.count);
        if let (Some(entry), Some(own)) = (self.entries.get_mut(at), self.marks.get_mut(at)) {
            *entry = Entry {
                nanos: frame.ts.nanos,
                number: frame.number,
                start: self.written,
                length: length as u32,
                wire_len: frame.wire_len,
                link: frame.link,
                source: frame.source,
            };
            *own = mark;
        }
        self.count += 1;
        self.place += length;
        self.written += length as u64;
    }

    fn at(&self, order: u64) -> usize {
        order as usize & (self.entries.len() - 1)
    }

    /// The order of the frame added last.
    pub(super) fn last(&self) -> u64 {
        self.count.saturating_sub(1)
    }

    /// What is known of a frame, where its octets are still there.
    fn entry(&self, order: u64) -> Option<&Entry> {
        let there = order < self.count && self.count - order <= self.entries.len() as u64;
        let entry = self.entries.get(self.at(order)).filter(|_| there)?;
        (self.written - entry.start <= self.octets.len() as u64).then_some(entry)
    }

    /// The orders of the frames with this mark that are there, the latest first.
    fn marked(&self, mark: u64) -> impl Iterator<Item = u64> {
        let earliest = self.count.saturating_sub(self.entries.len() as u64);
        let own =
            (earliest..self.count).rev().filter(move |order| self.marks.get(self.at(*order)) == Some(&mark));
        own.take_while(|order| self.entry(*order).is_some())
    }

    /// Gives another mark to the last `count` packets that have this one; returns their orders, the earliest first.
    pub(super) fn mark_anew(&mut self, mark: u64, count: usize, anew: u64) -> Vec<u64> {
        let mut orders: Vec<u64> = self.marked(mark).take(count).collect();
        orders.reverse();
        for order in &orders {
            let at = self.at(*order);
            if let Some(own) = self.marks.get_mut(at) {
                *own = anew;
            }
        }
        orders
    }

    /// The packets of a conversation around the latest one with this number, by their orders: at most `before` up to
    /// and with it, and the first `after` that follow it. The second is the place of it among them. `None` where it is
    /// not there.
    pub(super) fn around(
        &self,
        mark: u64,
        number: u64,
        before: usize,
        after: usize,
    ) -> Option<(Vec<u64>, usize)> {
        let mut orders = VecDeque::new();
        let mut earlier = 0;
        for order in self.marked(mark) {
            orders.push_front(order);
            if earlier > 0 || self.entry(order)?.number == number {
                earlier += 1;
            } else {
                orders.truncate(after);
            }
            if earlier >= before && earlier > 0 {
                break;
            }
        }
        Some((orders.into(), earlier.checked_sub(1)?))
    }

    /// The frame of this order.
    pub(super) fn frame(&self, order: u64) -> Option<Frame<'_>> {
        let Entry { nanos, number, start, length, wire_len, link, source } = *self.entry(order)?;
        let start = (start % self.octets.len() as u64) as usize;
        let data = self.octets.get(start..start + length as usize)?;
        Some(Frame { ts: Timestamp::from_nanos(nanos), number, source, link, wire_len, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(ring: &mut Ring, mark: u64, number: u64, data: &[u8]) {
        let ts = Timestamp::from_nanos(number as i64);
        let wire_len = data.len() as u32;
        ring.push(mark, &Frame { ts, number, source: 0, link: Link::Ethernet, wire_len, data });
    }

    /// Whatever the lengths, what is there has its own octets, and only the oldest are not.
    #[test]
    fn frames_keep_their_octets_until_the_oldest_go() {
        let mut ring = Ring::new(1 << 20);
        let mut number = 0;
        for round in 0..400u64 {
            for length in &[0, 1, 60, 1514, 9000, 200_000][..=(round % 6) as usize] {
                push(&mut ring, number % 3, number, &vec![number as u8; *length]);
                number += 1;
            }
            let kept: Vec<Frame<'_>> = (0..number).filter_map(|order| ring.frame(order)).collect();
            assert!(kept.len() as u64 >= number.min(3), "{}", kept.len());
            for (frame, expected) in kept.iter().zip(number - kept.len() as u64..) {
                assert_eq!((frame.number, frame.data.len()), (expected, frame.wire_len as usize));
                assert!(frame.data.iter().all(|octet| *octet == expected as u8), "{expected}");
            }
        }
    }

    #[test]
    fn memory_is_bounded_for_the_smallest_frames_too() {
        for memory in [1 << 20, 8 << 20] {
            let mut ring = Ring::new(memory);
            (0..100_000).for_each(|number| push(&mut ring, 1, number, &[]));
            let entries = ring.entries.capacity() * size_of::<Entry>();
            let all = ring.octets.capacity() + entries + ring.marks.capacity() * size_of::<u64>();
            assert!(all <= memory && all > memory / 8 * 7, "{all}");
            let kept = ring.marked(1).count();
            assert_eq!(kept, ring.entries.len());
            assert_eq!(ring.frame(100_000 - kept as u64).unwrap().number, 100_000 - kept as u64);
        }
    }

    #[test]
    fn a_conversation_is_found_around_a_packet() {
        let mut ring = Ring::new(1 << 20);
        (1..=30).for_each(|number| push(&mut ring, number % 3, number, &[1]));
        let numbers = |number, before, after| {
            let (orders, raised) = ring.around(1, number, before, after)?;
            let numbers: Vec<u64> = orders.iter().map(|order| ring.frame(*order).unwrap().number).collect();
            Some((numbers, raised))
        };
        assert_eq!(numbers(16, 3, 2), Some((vec![10, 13, 16, 19, 22], 2)));
        assert_eq!(numbers(28, 2, 9), Some((vec![25, 28], 1)));
        assert_eq!(numbers(4, 9, 0), Some((vec![1, 4], 1)));
        assert_eq!(numbers(5, 9, 9), None, "it is another conversation's");
    }
}
