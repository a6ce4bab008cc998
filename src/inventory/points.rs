//! What is remembered of the points of devices. They lie in blocks of neighbours, so that a poll of many registers
//! looks up few things.

use super::reading::{Reading, Span, Stamp, keep_later, widen};
use super::room::make_room;
use crate::address::Address;
use crate::event::{Event, Kind, Outcome, Space, Value, Verb, Vocabulary};
use foldhash::quality::RandomState;
use hashbrown::HashMap;
use std::collections::VecDeque;

/// Points of a block, as a power of two.
const BLOCK: u32 = 4;

/// Points of one refused message that are remembered.
const LONGEST: u32 = 2047;

/// Which point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PointKey {
    /// Where the device is.
    pub server: Address,
    /// [`Vocabulary::id`].
    pub proto: u8,
    /// The device behind the address.
    pub device: Option<u32>,
    /// The kind of point.
    pub space: Space,
    /// Its index.
    pub index: u32,
}

impl PointKey {
    /// Its block, and its place in it.
    fn split(self) -> (PointKey, u32) {
        (PointKey { index: self.index >> BLOCK, ..self }, self.index & ((1 << BLOCK) - 1))
    }
}

/// One value with its time, for a chart.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
pub struct Sample {
    /// Nanoseconds since 1970.
    pub nanos: i64,
    /// The value as a number: states are 0 and 1.
    pub value: f64,
}

/// A value, and when it was said.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
pub struct Said {
    /// When.
    pub at: Stamp,
    /// The value.
    pub value: Reading,
    /// Who said it: the device that was read, or who wrote.
    pub by: Address,
}

/// What is remembered of a point.
#[derive(Clone, PartialEq, Debug)]
pub struct Point {
    /// How often its device told its value.
    pub reads: u64,
    /// How often somebody wrote or operated it.
    pub writes: u64,
    /// How often the device refused that.
    pub refused: u64,
    /// The value that its device told last.
    pub read: Option<Said>,
    /// The value that was written last, by whom.
    pub written: Option<Said>,
    /// The lowest and the highest value, read or written, where it was ever a number.
    pub range: Option<(f64, f64)>,
    /// When it was seen.
    pub span: Option<Span>,
    /// The last values in order of time, a bounded number, at most one for each step of time.
    pub recent: VecDeque<Sample>,
}

/// How many recent values a point keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recent {
    /// At most so many.
    pub most: usize,
    /// Of those in the same step of so many nanoseconds, the last.
    pub step: i64,
}

impl Recent {
    fn push(self, recent: &mut VecDeque<Sample>, new: Sample) {
        let step = |sample: &Sample| sample.nanos.div_euclid(self.step.max(1));
        let at = match recent.back() {
            Some(last) if step(last) >= step(&new) => recent.partition_point(|old| step(old) < step(&new)),
            _ => recent.len(),
        };
        if let Some(old) = recent.get_mut(at).filter(|old| step(old) == step(&new)) {
            if *old < new {
                *old = new;
            }
            return;
        }
        if recent.len() < self.most {
            recent.insert(at, new);
        } else if at > 0 {
            recent.pop_front();
            recent.insert(at - 1, new);
        }
    }
}

impl Point {
    fn new(room: usize) -> Point {
        Point {
            reads: 0,
            writes: 0,
            refused: 0,
            read: None,
            written: None,
            range: None,
            span: None,
            recent: VecDeque::with_capacity(room),
        }
    }

    fn see(&mut self, said: Said, written: bool, recent: Recent) {
        let number = said.value.value().number();
        if written {
            self.writes += 1;
            keep_later(&mut self.written, Some(said));
        } else {
            self.reads += 1;
            keep_later(&mut self.read, Some(said));
        }
        let ts = said.at.ts;
        widen(&mut self.span, Some(Span::at(ts)));
        if let Some(value) = number.filter(|value| !value.is_nan()) {
            self.stretch((value, value));
            recent.push(&mut self.recent, Sample { nanos: ts.nanos, value });
        }
    }

    fn stretch(&mut self, (low, high): (f64, f64)) {
        self.range = Some(self.range.map_or((low, high), |(l, h)| (l.min(low), h.max(high))));
    }

    fn take(&mut self) -> Point {
        let taken = self.clone();
        let mut recent = std::mem::take(&mut self.recent);
        recent.clear();
        *self = Point { recent, ..Point::new(0) };
        taken
    }

    fn join(&mut self, other: &Point, recent: Recent) {
        self.reads += other.reads;
        self.writes += other.writes;
        self.refused += other.refused;
        keep_later(&mut self.read, other.read);
        keep_later(&mut self.written, other.written);
        other.range.into_iter().for_each(|range| self.stretch(range));
        widen(&mut self.span, other.span);
        other.recent.iter().for_each(|sample| recent.push(&mut self.recent, *sample));
    }

    /// A copy without the recent values.
    pub fn brief(&self) -> Point {
        let Point { reads, writes, refused, read, written, range, span, .. } = *self;
        Point { reads, writes, refused, read, written, range, span, recent: VecDeque::new() }
    }

    /// The value that was said last, and whether it was written.
    pub fn last(&self) -> Option<(&Said, bool)> {
        match (&self.read, &self.written) {
            (Some(read), Some(written)) if written.at > read.at => Some((written, true)),
            (Some(read), _) => Some((read, false)),
            (None, written) => written.as_ref().map(|written| (written, true)),
        }
    }
}

/// Neighbours.
#[derive(Clone, Debug)]
struct Block {
    words: &'static Vocabulary,
    /// Which of them there are.
    there: u16,
    /// Those, in order.
    points: Vec<Point>,
    /// Whether anything was seen since it was handed over.
    news: bool,
    /// The time of the last, in nanoseconds.
    touched: i64,
}

impl Block {
    fn point(&mut self, place: u32, count: &mut usize, room: usize) -> Option<&mut Point> {
        let bit = 1u16 << place;
        let at = (self.there & (bit - 1)).count_ones() as usize;
        if self.there & bit == 0 {
            self.there |= bit;
            self.points.insert(at, Point::new(room));
            *count += 1;
        }
        self.points.get_mut(at)
    }

    fn places(&self) -> impl Iterator<Item = u32> + use<> {
        let there = self.there;
        (0..1 << BLOCK).filter(move |place| there >> place & 1 == 1)
    }
}

/// The points of all devices.
#[derive(Debug)]
pub(super) struct Points {
    blocks: HashMap<PointKey, Block, RandomState>,
    count: usize,
    most: usize,
    recent: Recent,
    /// Points that were forgotten for lack of room.
    pub(super) forgotten: u64,
}

/// What was seen of points since the last time.
pub(super) type News = Vec<(PointKey, &'static Vocabulary, Point)>;

impl Points {
    pub(super) fn new(most: usize, recent: Recent) -> Points {
        Points { blocks: HashMap::default(), count: 0, most, recent, forgotten: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Takes the values of a message, and its refusal.
    pub(super) fn event(&mut self, event: &Event<'_>) {
        let said = event.kind != Kind::Malformed && !event.points.is_empty();
        if !said {
            return;
        }
        let from_device = matches!(event.kind, Kind::Response | Kind::Unsolicited);
        let reports = |verb| matches!(verb, Verb::Read | Verb::Report);
        let writes = |verb| matches!(verb, Verb::Write | Verb::Operate);
        let refused =
            event.kind == Kind::Response && matches!(event.outcome, Some(Outcome::Exception { .. }));
        let at = Stamp { ts: event.ts, frame: event.frame };
        let mut from = 0usize;
        for range in event.points {
            let first = from;
            from = from.saturating_add(if range.valued { range.count() as usize } else { 0 });
            if refused && writes(range.verb) && !range.is_all() {
                self.refused(event, range.space, (range.first, range.last));
                continue;
            }
            let report = from_device && reports(range.verb)
                || event.kind == Kind::Message && range.verb == Verb::Report;
            let written = event.kind == Kind::Request && writes(range.verb);
            if !range.valued || !(report || written) {
                continue;
            }
            let server = if written { event.flow.dst.address } else { event.flow.src.address };
            let by = event.flow.src.address;
            let key = PointKey {
                server,
                proto: event.proto.id,
                device: event.device,
                space: range.space,
                index: range.first,
            };
            let many = event.values.len().saturating_sub(first).min(range.count() as usize);
            let mut values = (first..first.saturating_add(many)).filter_map(|place| event.values.get(place));
            self.run(key, event, &mut values, |value| Said { at, value: value.into(), by }, written);
        }
    }

    /// Takes the values of a run of points that begins with this one.
    fn run<'v>(
        &mut self,
        key: PointKey,
        event: &Event<'_>,
        values: &mut dyn Iterator<Item = Value<'v>>,
        said: impl Fn(Value<'v>) -> Said,
        written: bool,
    ) {
        let mut values = values.peekable();
        let mut index = key.index;
        while values.peek().is_some() {
            let (block, start) = PointKey { index, ..key }.split();
            let room = self.recent.most;
            let recent = self.recent;
            let (entry, count) = self.block(block, event.proto);
            entry.touched = entry.touched.max(event.ts.nanos);
            entry.news = true;
            for place in start..1 << BLOCK {
                let Some(value) = values.next() else { return };
                if let Some(point) = entry.point(place, count, room) {
                    point.see(said(value), written, recent);
                }
                let Some(next) = index.checked_add(1) else { return };
                index = next;
            }
        }
    }

    /// Counts a refusal.
    fn refused(&mut self, event: &Event<'_>, space: Space, (first, last): (u32, u32)) {
        let (server, proto, device) = (event.flow.src.address, event.proto.id, event.device);
        let room = self.recent.most;
        for index in first..=last.min(first.saturating_add(LONGEST)) {
            let (block, place) = PointKey { server, proto, device, space, index }.split();
            let (entry, count) = self.block(block, event.proto);
            entry.touched = entry.touched.max(event.ts.nanos);
            entry.news = true;
            if let Some(point) = entry.point(place, count, room) {
                point.refused += 1;
                widen(&mut point.span, Some(Span::at(event.ts)));
            }
        }
    }

    fn block(&mut self, key: PointKey, words: &'static Vocabulary) -> (&mut Block, &mut usize) {
        if self.count >= self.most && !self.blocks.contains_key(&key) {
            let gone = make_room(&mut self.blocks, |block| (false, block.touched));
            let points: usize = gone.iter().map(|block| block.points.len()).sum();
            self.count -= points.min(self.count);
            self.forgotten += points as u64;
        }
        let entry = self.blocks.entry(key).or_insert_with(|| Block {
            words,
            there: 0,
            points: Vec::with_capacity(1 << BLOCK),
            news: false,
            touched: i64::MIN,
        });
        (entry, &mut self.count)
    }

    /// Hands over what was seen since the last time; which points there are stays known.
    pub(super) fn take(&mut self) -> News {
        let mut news = Vec::new();
        for (key, block) in self.blocks.iter_mut().filter(|(_, block)| block.news) {
            block.news = false;
            let places = block.places();
            for (place, point) in places.zip(&mut block.points) {
                if point.span.is_some() {
                    let key = PointKey { index: key.index << BLOCK | place, ..*key };
                    news.push((key, block.words, point.take()));
                }
            }
        }
        news
    }

    /// Adds what another saw: to what is known first, so that it is not forgotten to make room for what is new.
    pub(super) fn join(&mut self, news: &News) {
        let is_known = |(key, ..): &&(PointKey, _, _)| self.blocks.contains_key(&key.split().0);
        let (known, new): (Vec<_>, Vec<_>) = news.iter().partition(is_known);
        for (key, words, point) in known.into_iter().chain(new) {
            let (block, place) = key.split();
            let (room, recent) = (self.recent.most, self.recent);
            let (entry, count) = self.block(block, words);
            entry.touched = entry.touched.max(point.span.map_or(i64::MIN, |span| span.last.nanos));
            if let Some(own) = entry.point(place, count, room) {
                own.join(point, recent);
            }
        }
    }

    /// The blocks with a point that was seen at or after this time, in nanoseconds.
    pub(super) fn touched(&self, since: i64) -> Vec<PointKey> {
        let news = self.blocks.iter().filter(|(_, block)| block.touched >= since);
        news.map(|(key, _)| *key).collect()
    }

    /// The points of a block that [`Points::touched`] named.
    pub(super) fn of_block(&self, key: &PointKey) -> News {
        let Some(block) = self.blocks.get(key) else { return News::new() };
        let named = |place| PointKey { index: key.index << BLOCK | place, ..*key };
        let points = block.places().map(named).zip(&block.points);
        points.map(|(key, point)| (key, block.words, point.clone())).collect()
    }

    /// One of them, with the words of its protocol.
    pub(super) fn get(&self, key: &PointKey) -> Option<(&'static Vocabulary, &Point)> {
        let (block, place) = key.split();
        let block = self.blocks.get(&block)?;
        let at = block.places().position(|there| there == place)?;
        Some((block.words, block.points.get(at)?))
    }

    /// All points, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PointKey, &'static Vocabulary, &Point)> {
        self.blocks.iter().flat_map(|(key, block)| {
            let named = |place| PointKey { index: key.index << BLOCK | place, ..*key };
            block.places().map(named).zip(&block.points).map(|(key, point)| (key, block.words, point))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever the order in which samples come, and however they are split, the last ones stay.
        #[test]
        fn recent_values_do_not_depend_on_their_order(
            samples in prop::collection::vec((0i64..200, 0u8..4), 0..80),
            cut in 0usize..80,
            step in 1i64..20,
        ) {
            let recent = Recent { most: 8, step };
            let all: Vec<Sample> =
                samples.iter().map(|(nanos, value)| Sample { nanos: *nanos, value: f64::from(*value) }).collect();
            let kept = |samples: &[Sample]| {
                let mut ring = VecDeque::new();
                samples.iter().for_each(|sample| recent.push(&mut ring, *sample));
                ring
            };
            let (left, right) = all.split_at(cut.min(all.len()));
            let mut joined = kept(right);
            kept(left).iter().for_each(|sample| recent.push(&mut joined, *sample));
            prop_assert_eq!(&joined, &kept(&all));
            prop_assert!(joined.len() <= 8);
            prop_assert!(joined.iter().is_sorted_by(|a, b| a.nanos / step < b.nanos / step));
        }
    }
}
