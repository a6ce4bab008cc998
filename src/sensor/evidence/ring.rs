//! The packets seen last, in memory of a fixed size: the oldest make room.

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
    ts: Timestamp,
    number: u64,
    /// Where its octets begin, counted over all that were ever written.
    start: u64,
    length: u32,
    wire_len: u32,
    link: Link,
    source: u16,
}

/// The packets seen last.
pub(super) struct Ring {
    octets: Vec<u8>,
    /// Where the next frame's octets go: in the memory, and counted over all.
    place: usize,
    written: u64,
    entries: VecDeque<Entry>,
    /// The mark of each entry, by themselves: they are looked through.
    marks: VecDeque<u64>,
    /// Entries kept at most.
    most: usize,
    /// Entries that have made room.
    gone: u64,
}

impl Ring {
    /// In so many octets of memory, all in all.
    pub(super) fn new(memory: usize) -> Ring {
        let heads = memory / HEADS;
        let most = (heads / (size_of::<Entry>() + size_of::<u64>())).max(1);
        Ring {
            octets: vec![0; (memory - heads).max(LARGEST)],
            place: 0,
            written: 0,
            entries: VecDeque::with_capacity(most),
            marks: VecDeque::with_capacity(most),
            most,
            gone: 0,
        }
    }

    /// Adds a frame of at most [`LARGEST`] octets.
    #[inline]
    pub(super) fn push(&mut self, mark: u64, frame: &Frame<'_>) {
        let length = frame.data.len();
        let size = self.octets.len();
        if length > size - self.place {
            // A frame lies in one piece: what is left at the end stays empty.
            self.written += (size - self.place) as u64;
            self.place = 0;
        }
        let end = self.written + length as u64;
        while self.entries.len() >= self.most
            || self.entries.front().is_some_and(|first| first.start + (size as u64) < end)
        {
            self.entries.pop_front();
            self.marks.pop_front();
            self.gone += 1;
        }
        if let Some(octets) = self.octets.get_mut(self.place..self.place + length) {
            octets.copy_from_slice(frame.data);
        }
        self.entries.push_back(Entry {
            ts: frame.ts,
            number: frame.number,
            start: self.written,
            length: length as u32,
            wire_len: frame.wire_len,
            link: frame.link,
            source: frame.source,
        });
        self.marks.push_back(mark);
        self.place += length;
        self.written = end;
    }

    /// Gives another mark to the last `count` packets that have this one; returns where they are, the earliest first.
    pub(super) fn mark_anew(&mut self, mark: u64, count: usize, anew: u64) -> Vec<usize> {
        let own = self.marks.iter_mut().enumerate().rev().filter(|(_, other)| **other == mark).take(count);
        let mut places: Vec<usize> = own.map(|(at, own)| (*own = anew, at).1).collect();
        places.reverse();
        places
    }

    /// How many frames were added before the one at a place.
    pub(super) fn order(&self, at: usize) -> u64 {
        self.gone + at as u64
    }

    /// The same of the frame added last.
    pub(super) fn last(&self) -> u64 {
        self.order(self.entries.len()).saturating_sub(1)
    }

    /// Where the packets of a conversation are around the latest one with this number: at most `before` up to and with
    /// it, and the first `after` that follow it. The second is the place of it among them. `None` where it is not there.
    pub(super) fn around(
        &self,
        mark: u64,
        number: u64,
        before: usize,
        after: usize,
    ) -> Option<(Vec<usize>, usize)> {
        let mut places = VecDeque::new();
        let mut earlier = 0;
        let own = self.marks.iter().enumerate().rev().filter(|(_, other)| **other == mark);
        for (at, _) in own {
            if earlier == 0 && self.entries.get(at)?.number != number {
                places.push_front(at);
                places.truncate(after);
                continue;
            }
            places.push_front(at);
            earlier += 1;
            if earlier >= before {
                break;
            }
        }
        Some((places.into(), earlier.checked_sub(1)?))
    }

    /// The frame at a place.
    pub(super) fn frame(&self, at: usize) -> Option<Frame<'_>> {
        let Entry { ts, number, start, length, wire_len, link, source } = *self.entries.get(at)?;
        let start = (start % self.octets.len() as u64) as usize;
        let data = self.octets.get(start..start + length as usize)?;
        Some(Frame { ts, number, source, link, wire_len, data })
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

    /// Whatever the lengths, what is there has its own octets, nothing is there twice, and only the oldest go.
    #[test]
    fn frames_keep_their_octets_until_the_oldest_go() {
        let mut ring = Ring::new(1 << 20);
        let mut number = 0;
        for round in 0..400u64 {
            for length in [0, 1, 60, 1514, 9000, 200_000][..=(round % 6) as usize].iter() {
                number += 1;
                push(&mut ring, number % 3, number, &vec![number as u8; *length]);
            }
            let kept = ring.entries.len() as u64;
            assert!(kept >= number.min(3), "{kept}");
            for (at, entry) in ring.entries.iter().enumerate() {
                assert_eq!(entry.number, number - kept + 1 + at as u64);
                let frame = ring.frame(at).unwrap();
                assert_eq!(frame.data.len(), entry.length as usize);
                assert!(frame.data.iter().all(|octet| *octet == frame.number as u8), "{}", frame.number);
            }
        }
    }

    #[test]
    fn memory_is_bounded_for_the_smallest_frames_too() {
        let mut ring = Ring::new(1 << 20);
        let (entries, marks) = (ring.entries.capacity(), ring.marks.capacity());
        (0..100_000).for_each(|number| push(&mut ring, 1, number, &[]));
        assert!(ring.entries.len() == ring.most && ring.marks.len() == ring.most);
        assert_eq!((ring.entries.capacity(), ring.marks.capacity()), (entries, marks));
    }

    #[test]
    fn a_conversation_is_found_around_a_packet() {
        let mut ring = Ring::new(1 << 20);
        (1..=30).for_each(|number| push(&mut ring, number % 3, number, &[1]));
        let numbers = |number, before, after| {
            let (places, raised) = ring.around(1, number, before, after)?;
            let numbers: Vec<u64> = places.iter().map(|at| ring.frame(*at).unwrap().number).collect();
            Some((numbers, raised))
        };
        assert_eq!(numbers(16, 3, 2), Some((vec![10, 13, 16, 19, 22], 2)));
        assert_eq!(numbers(28, 2, 9), Some((vec![25, 28], 1)));
        assert_eq!(numbers(4, 9, 0), Some((vec![1, 4], 1)));
        assert_eq!(numbers(5, 9, 9), None, "it is another conversation's");
    }
}
