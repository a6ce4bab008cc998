//! The octets that streams delivered last, to tell whether what is sent again is what was sent before.
//!
//! One ring over all connections, so that memory has a bound and a packet allocates nothing. Each record names the one
//! before it of the same stream; a record that was overwritten is no longer found.

use super::half::distance;

/// Octets of the ring; a power of two.
const SIZE: usize = 256 << 10;
/// Octets kept of one delivery, the last ones.
const KEPT: usize = 2048;
/// Octets before those of a record: the record before it, the sequence number, the length.
const HEAD: usize = 16;
/// Records that are looked through for one segment: more than the octets of a message sent one by one.
const STEPS: usize = 320;

/// Where the newest record of a stream is; 0 is nowhere.
pub type Mark = u64;

/// The ring.
pub struct History {
    ring: Box<[u8]>,
    /// Octets written since the beginning, with those left out at the end of the ring.
    written: u64,
}

impl Default for History {
    fn default() -> Self {
        History { ring: vec![0; SIZE].into(), written: 0 }
    }
}

impl History {
    /// Keeps octets that were delivered; `before` is the mark of what the stream delivered before them.
    pub fn keep(&mut self, before: Mark, seq: u32, bytes: &[u8]) -> Mark {
        let skip = bytes.len().saturating_sub(KEPT);
        let seq = seq.wrapping_add(skip as u32);
        let bytes = bytes.get(skip..).unwrap_or_default();
        let mut at = self.written as usize & (SIZE - 1);
        if at + HEAD + bytes.len() > SIZE {
            self.written += (SIZE - at) as u64;
            at = 0;
        }
        let Some((head, rest)) = self.ring.get_mut(at..).and_then(|to| to.split_first_chunk_mut::<HEAD>())
        else {
            return before;
        };
        let (number, length) = (u64::from(seq) << 32, bytes.len() as u64);
        *head = (u128::from(before) << 64 | u128::from(number | length)).to_ne_bytes();
        if let Some(to) = rest.get_mut(..bytes.len()) {
            to.copy_from_slice(bytes);
        }
        let mark = self.written + 1;
        self.written += (HEAD + bytes.len()) as u64;
        mark
    }

    /// What a mark stands for: the mark before it, the sequence number and the octets.
    fn record(&self, mark: Mark) -> Option<(Mark, u32, &[u8])> {
        let place = mark.checked_sub(1)?;
        if self.written - place > SIZE as u64 {
            return None;
        }
        let (head, rest) = self.ring.get(place as usize & (SIZE - 1)..)?.split_first_chunk::<HEAD>()?;
        let head = u128::from_ne_bytes(*head);
        let bytes = rest.get(..head as u32 as usize)?;
        Some(((head >> 64) as u64, (head as u64 >> 32) as u32, bytes))
    }

    /// Whether octets from `seq` on are others than those that the stream delivered for the same places. What is no
    /// longer remembered agrees.
    pub fn contradicts(&self, newest: Mark, seq: u32, bytes: &[u8]) -> bool {
        let length = bytes.len() as i64;
        let mut mark = newest;
        for _ in 0..STEPS {
            let Some((before, start, kept)) = self.record(mark) else { return false };
            let place = distance(seq, start);
            let (from, to) = (place.max(0), length.min(place + kept.len() as i64));
            if from < to {
                let again = bytes.get(from as usize..to as usize);
                if again != kept.get((from - place) as usize..(to - place) as usize) {
                    return true;
                }
            }
            if place <= 0 {
                return false;
            }
            mark = before;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_again_is_compared_octet_by_octet() {
        let mut history = History::default();
        let start = u32::MAX - 3;
        let mut mark = 0;
        for (place, octets) in [(0, b"abc"), (3, b"def"), (6, b"ghi")] {
            mark = history.keep(mark, start.wrapping_add(place), octets);
        }
        for (place, octets, differs) in [
            (0, &b"abcdefghi"[..], false),
            (2, b"cdefg", false),
            (2, b"cdeXg", true),
            (7, b"hi and more", false),
            (7, b"hX and more", true),
            (9, b"what comes next", false),
        ] {
            assert_eq!(history.contradicts(mark, start.wrapping_add(place), octets), differs, "{octets:?}");
        }
    }

    #[test]
    fn what_was_overwritten_is_forgotten() {
        let mut history = History::default();
        let first = history.keep(0, 1, b"abc");
        assert!(history.contradicts(first, 1, b"abX"));
        let mut other = 0;
        for round in 0..=(SIZE / KEPT) as u32 {
            other = history.keep(other, round, &[7; 3 * KEPT]);
            assert!(history.contradicts(other, round + 2 * KEPT as u32, &[8]));
        }
        assert!(!history.contradicts(first, 1, b"abX"));
    }
}
