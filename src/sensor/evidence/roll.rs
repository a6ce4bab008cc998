//! The packets that one worker of several has seen in a round, and those of all of them in the order of the capture.

use super::Marks;
use crate::address::Timestamp;
use crate::capture::{Frame, Link};

/// Octets of memory that are kept from one round to the next.
const KEPT: usize = 4 << 20;

/// The packets of one worker in one round.
#[derive(Default)]
pub(in crate::sensor) struct Roll {
    heads: Vec<Head>,
    octets: Vec<u8>,
}

struct Head {
    order: u64,
    marks: Marks,
    ts: Timestamp,
    number: u64,
    link: Link,
    source: u16,
    wire_len: u32,
    /// Where its octets end.
    end: usize,
}

impl Roll {
    /// Adds a packet with its marks; `order` counts the frames of all workers.
    pub(in crate::sensor) fn push(&mut self, order: u64, marks: Marks, frame: &Frame<'_>) {
        if frame.data.len() > super::ring::LARGEST {
            return;
        }
        let Frame { ts, number, source, link, wire_len, data } = *frame;
        self.octets.extend_from_slice(data);
        self.heads.push(Head { order, marks, ts, number, link, source, wire_len, end: self.octets.len() });
    }

    /// Forgets them; what memory is usual stays.
    pub(in crate::sensor) fn clear(&mut self) {
        self.heads.clear();
        self.octets.clear();
        self.octets.shrink_to(KEPT);
    }
}

/// The packets of all workers in one round.
pub(in crate::sensor) struct Rolls<'a>(Vec<Reader<'a>>);

/// How far one roll is read.
struct Reader<'a> {
    roll: &'a Roll,
    at: usize,
    start: usize,
}

impl Reader<'_> {
    /// The order of its next packet; later than all others where there is none.
    fn next(&self) -> u64 {
        self.roll.heads.get(self.at).map_or(u64::MAX, |head| head.order)
    }
}

impl<'a> Rolls<'a> {
    /// Those that hold anything.
    pub(in crate::sensor) fn new(rolls: impl Iterator<Item = &'a Roll>) -> Rolls<'a> {
        let all = rolls.filter(|roll| !roll.heads.is_empty());
        Rolls(all.map(|roll| Reader { roll, at: 0, start: 0 }).collect())
    }

    /// Hands on the packets up to and with this one, in order.
    pub(in crate::sensor) fn up_to(&mut self, order: u64, mut take: impl FnMut(Marks, &Frame<'_>)) {
        loop {
            // That with the earliest packet, and how far it may go before another has its turn.
            let mut first: Option<(u64, usize)> = None;
            let mut until = order;
            for (place, reader) in self.0.iter().enumerate() {
                let next = reader.next();
                match first {
                    Some((earliest, _)) if next >= earliest => until = until.min(next),
                    _ => {
                        until = first.map_or(until, |(earliest, _)| until.min(earliest));
                        first = Some((next, place));
                    }
                }
            }
            let Some((_, reader)) = first.and_then(|(next, place)| Some((next, self.0.get_mut(place)?)))
            else {
                return;
            };
            let began = reader.at;
            while let Some(head) = reader.roll.heads.get(reader.at).filter(|head| head.order <= until) {
                let Head { marks, ts, number, link, source, wire_len, end, .. } = *head;
                let data = reader.roll.octets.get(reader.start..end).unwrap_or_default();
                take(marks, &Frame { ts, number, source, link, wire_len, data });
                (reader.at, reader.start) = (reader.at + 1, end);
            }
            if reader.at == began {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_several_workers_come_in_the_order_of_the_capture() {
        let mut rolls = [Roll::default(), Roll::default(), Roll::default(), Roll::default()];
        for order in 1..=100u64 {
            let data = [order as u8; 3];
            let place = [0, 0, 2, 0, 1, 2, 2][(order * order % 7) as usize];
            let ts = Timestamp::from_nanos(0);
            let frame =
                Frame { ts, number: order, source: 0, link: Link::Ethernet, wire_len: 3, data: &data };
            rolls[place].push(order, Marks { own: order + 1, fragments: 0 }, &frame);
        }
        let mut all = Rolls::new(rolls.iter());
        let mut seen = Vec::new();
        for order in [0, 1, 7, 7, 60, u64::MAX] {
            all.up_to(order, |marks, frame| {
                assert_eq!((marks.own, frame.data), (frame.number + 1, &[frame.number as u8; 3][..]));
                seen.push(frame.number);
            });
            assert_eq!(seen, (1..=order.min(100)).collect::<Vec<u64>>());
        }
    }
}
