//! One direction of a TCP connection put in order.
//!
//! RFC 9293 section 3.4 for sequence arithmetic. The rules, where a capture leaves a choice:
//! - the first segment seen starts the stream, whether its SYN was captured or not;
//! - of octets sent twice, the first ones seen stay; where the others say something else, that is counted;
//! - what a receiver probably drops (a bad checksum from a sender whose checksums fit, a time to live that is far below
//!   the usual, data on a SYN) is set aside: it counts when the receiver acknowledges it and nothing else came for its
//!   place; without a visible receiver after 2 s;
//! - a hole is given up when the receiver has acknowledged what lies beyond it and 200 ms have passed, when 2 s have
//!   passed and no acknowledgment is visible at all, after 60 s, or when the buffer is full;
//! - a segment far outside the window is ignored and counted, until three in a row agree on the new place, and the
//!   receiver, where it is seen, acknowledges near it;
//! - who goes on exactly where the stream stood before such a jump or a hole is believed at once, unless the receiver
//!   has acknowledged what lies beyond.

use super::history::{History, Mark};
use crate::packet::Checksum;

/// How far ahead of the expected place a segment may lie, in octets.
const WINDOW: u32 = 4 << 20;
/// How long a hole stays open after the receiver acknowledged beyond it, in nanoseconds.
const ACKNOWLEDGED: u64 = 200_000_000;
/// The same where the receiver is not seen at all.
const ONE_SIDED: u64 = 2_000_000_000;
/// The longest that a hole stays open.
const FOREVER: u64 = 60_000_000_000;
/// Segments in a row that agree on a place outside the window before it is believed.
const AGREE: u8 = 3;
/// What a buffered segment costs beyond its octets.
const OVERHEAD: usize = 48;
/// Segments set aside at once in one direction.
const ASIDE: usize = 32;

/// Segments that wait for a hole to close.
#[derive(Default)]
struct Waiting {
    /// By distance, none overlapping another.
    segments: Vec<(u32, Vec<u8>)>,
    bytes: usize,
    /// When the hole was seen first, nanoseconds since the epoch.
    since: i64,
}

/// A segment set aside until it is clear whether the receiver took it.
struct Aside {
    seq: u32,
    octets: Vec<u8>,
    /// When it came, nanoseconds since the epoch.
    since: i64,
}

/// One direction of a connection.
#[derive(Default)]
pub struct Half {
    /// The sequence number that comes next.
    next: u32,
    /// The highest acknowledgment that the receiver sent.
    acked: u32,
    /// The last one.
    last_ack: u32,
    /// Where a segment outside the window would go on.
    stray_next: u32,
    /// The initial sequence number, where a SYN was seen.
    pub isn: Option<u32>,
    started: bool,
    acks_seen: bool,
    /// A checksum of the sender has fit: it is not the capture that makes them bad.
    vouched: bool,
    stray: u8,
    /// The highest time to live of the sender's segments.
    ttl: u8,
    /// Where the stream stood before it went on elsewhere.
    former: Option<u32>,
    /// The number of a SYN that asks for another connection between the same ports.
    asked: Option<u32>,
    /// What was delivered last.
    newest: Mark,
    waiting: Option<Box<Waiting>>,
    #[expect(clippy::box_collection, reason = "almost never there: a pointer in each connection is enough")]
    aside: Option<Box<Vec<Aside>>>,
}

/// What comes out, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece<'a> {
    /// The next octets.
    Data(&'a [u8]),
    /// This many octets are missing here; 0 where nobody knows how many.
    Gap(u64),
}

/// What the streams have in common.
#[derive(Default)]
pub struct Common {
    /// Segments that held nothing new.
    pub retransmitted: u64,
    /// Segments that came too early.
    pub out_of_order: u64,
    /// Segments and resets out of place.
    pub stray: u64,
    /// Segments that say other octets than those that came before for the same place.
    pub conflicting: u64,
    /// Segments set aside because a receiver probably drops them.
    pub doubtful: u64,
    /// Holes given up.
    pub gaps: u64,
    /// Octets that were never captured.
    pub lost: u64,
    /// Holes given up because the buffer was full.
    pub buffer_full: u64,
    /// Octets held in buffers at present, over all streams.
    pub buffered: usize,
    /// What was delivered last.
    pub history: History,
}

/// A segment as the stream needs it.
#[derive(Clone, Copy)]
pub struct Segment<'a> {
    /// Sequence number of the first octet.
    pub seq: u32,
    /// The octets that were captured.
    pub bytes: &'a [u8],
    /// Octets that were on the wire after them but not captured.
    pub cut: u32,
    /// PSH: a sender's keep-alive never has it.
    pub pushed: bool,
    /// It came with a SYN: many receivers leave such data out.
    pub early: bool,
    /// What its checksums say.
    pub checksum: Checksum,
    /// Its time to live.
    pub ttl: u8,
}

/// How far `to` lies ahead of `from`; negative where it lies behind.
pub fn distance(from: u32, to: u32) -> i64 {
    i64::from(to.wrapping_sub(from) as i32)
}

impl Half {
    /// Notes a SYN: the stream starts after it, unless it has started elsewhere. True where it belongs to the stream.
    pub fn syn(&mut self, seq: u32) -> bool {
        if !self.started {
            (self.started, self.next) = (true, seq.wrapping_add(1));
        } else if !self.fits_syn(seq) {
            self.asked = Some(seq);
            return false;
        }
        self.isn = Some(seq);
        true
    }

    /// Whether the receiver has to agree before a SYN with another number starts another connection: it is seen, and
    /// data came on this one. Hosts answer such a SYN without giving up what they have (RFC 5961 section 4).
    pub fn stands(&self) -> bool {
        self.acks_seen && self.newest != 0
    }

    /// Whether this acknowledgment answers a SYN that asked for another connection.
    pub fn is_granted(&self, ack: u32) -> bool {
        self.asked.is_some_and(|asked| asked.wrapping_add(1) == ack)
    }

    /// Where the stream goes on, if anything is known of it.
    pub fn place(&self) -> Option<u32> {
        self.started.then_some(self.next)
    }

    /// Where a stream stood that was another connection between the same ports.
    pub fn stood_at(&mut self, place: Option<u32>) {
        self.former = place;
    }

    /// Whether a reset with this number is in its place (RFC 5961 section 3): others change nothing.
    pub fn fits_reset(&self, seq: u32) -> bool {
        !self.started || seq == self.next || self.acks_seen && seq == self.acked
    }

    /// Whether a SYN with this number belongs to the connection as it is known.
    pub fn fits_syn(&self, seq: u32) -> bool {
        match self.isn {
            Some(isn) => isn == seq,
            None => !self.started || (0..=65_536).contains(&distance(seq, self.next)),
        }
    }

    /// Octets held.
    pub fn buffered(&self) -> usize {
        let aside = self.aside.iter().flat_map(|aside| aside.iter());
        self.waiting.as_ref().map_or(0, |waiting| waiting.bytes)
            + aside.map(|segment| segment.octets.len() + OVERHEAD).sum::<usize>()
    }

    /// Whether something waits to be looked at again.
    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some() || self.aside.is_some()
    }

    /// Whether a receiver probably drops this segment.
    fn doubts(&self, segment: &Segment<'_>) -> bool {
        let doubtful = segment.early
            || segment.checksum == Checksum::Bad && self.vouched
            || segment.ttl < self.ttl / 2 && segment.ttl > 0;
        doubtful && !segment.bytes.is_empty() && segment.cut == 0
    }

    /// Notes what the sender's packets are like: whether their checksums fit, and how far they may go.
    pub fn vouch(&mut self, checksum: Checksum, ttl: u8) {
        self.vouched |= checksum == Checksum::Good;
        self.ttl = self.ttl.max(ttl);
    }

    /// Takes a segment; `out` gets what is in order now.
    pub fn segment(
        &mut self,
        segment: Segment<'_>,
        now: i64,
        limit: usize,
        counters: &mut Common,
        out: &mut dyn FnMut(Piece<'_>),
    ) {
        if segment.bytes.is_empty() && segment.cut == 0 {
            return;
        }
        if self.doubts(&segment) {
            self.set_aside(segment, now, limit, counters);
        } else {
            self.sound(segment, now, limit, counters, out);
        }
    }

    /// Keeps a segment that a receiver probably drops.
    fn set_aside(&mut self, segment: Segment<'_>, now: i64, limit: usize, counters: &mut Common) {
        counters.doubtful += 1;
        let cost = segment.bytes.len() + OVERHEAD;
        if self.buffered() + cost > limit {
            counters.buffer_full += 1;
            return;
        }
        let aside = self.aside.get_or_insert_default();
        if aside.len() < ASIDE {
            counters.buffered += cost;
            aside.push(Aside { seq: segment.seq, octets: segment.bytes.to_vec(), since: now });
        }
    }

    /// Looks at what was set aside: the receiver took it, or something else came in its place, or nobody will know.
    fn settle(&mut self, now: i64, over: bool, counters: &mut Common, out: &mut dyn FnMut(Piece<'_>)) {
        let Some(aside) = self.aside.take() else { return };
        let mut rest = Vec::new();
        for segment in *aside {
            let end = segment.seq.wrapping_add(segment.octets.len() as u32);
            let waited = u64::try_from(now.saturating_sub(segment.since)).unwrap_or(0);
            let replaced = self.started && distance(self.next, end) <= 0;
            let taken = match self.acks_seen {
                true => distance(end, self.acked) >= 0,
                false => over || waited >= ONE_SIDED,
            };
            if !replaced && !taken && !over && waited <= FOREVER {
                rest.push(segment);
                continue;
            }
            counters.buffered -= segment.octets.len() + OVERHEAD;
            if replaced || taken {
                // A receiver that takes such segments shows that they are sound, for now.
                if !replaced {
                    (self.vouched, self.ttl) = (false, 0);
                }
                let Aside { seq, octets, .. } = &segment;
                let (early, checksum) = (false, Checksum::Unknown);
                let sound =
                    Segment { seq: *seq, bytes: octets, cut: 0, pushed: true, early, checksum, ttl: 0 };
                self.sound(sound, now, usize::MAX, counters, out);
            }
        }
        self.aside = (!rest.is_empty()).then(|| Box::new(rest));
    }

    /// Takes a segment that a receiver takes.
    fn sound(
        &mut self,
        segment: Segment<'_>,
        now: i64,
        limit: usize,
        counters: &mut Common,
        out: &mut dyn FnMut(Piece<'_>),
    ) {
        let Segment { seq, bytes, cut, pushed, .. } = segment;
        if !self.started {
            // A keep-alive repeats one octet that was acknowledged long ago.
            if bytes.len() == 1 && !pushed {
                return;
            }
            (self.started, self.next) = (true, seq);
        }
        let ahead = distance(self.next, seq);
        if ahead == 0 && self.waiting.is_none() {
            self.stray = 0;
            self.take(bytes, cut, counters, out);
        } else if ahead != 0 && self.former == Some(seq) && !self.is_past(seq) {
            self.resume(segment, counters, out);
        } else if ahead <= 0 {
            let behind = (-ahead) as u64;
            if behind > u64::from(WINDOW) {
                return self.strayed(segment, counters, out);
            }
            // A keep-alive is one octet before the place, of any value.
            let keep_alive = behind == 1 && bytes.len() == 1 && !pushed;
            if behind > 0 && !keep_alive && counters.history.contradicts(self.newest, seq, bytes) {
                counters.conflicting += 1;
            }
            match bytes.get(behind as usize..).filter(|new| !new.is_empty()) {
                Some(new) if self.waiting.is_none() => self.take(new, cut, counters, out),
                Some(new) => {
                    self.keep(self.next, new, now, counters);
                    self.drain(counters, out);
                }
                None => counters.retransmitted += 1,
            }
        } else if ahead > i64::from(WINDOW) {
            self.strayed(segment, counters, out);
        } else {
            self.stray = 0;
            self.keep(seq, bytes, now, counters);
            // One hole may free less than this segment brought.
            while self.waiting.is_some() && self.buffered() > limit {
                counters.buffer_full += 1;
                self.give_up(counters, out);
            }
        }
    }

    /// Octets at the expected place, with nothing waiting behind them.
    fn take(&mut self, bytes: &[u8], cut: u32, counters: &mut Common, out: &mut dyn FnMut(Piece<'_>)) {
        if !bytes.is_empty() {
            self.newest = counters.history.keep(self.newest, self.next, bytes);
            self.next = self.next.wrapping_add(u32::try_from(bytes.len()).unwrap_or(0));
            out(Piece::Data(bytes));
        }
        if cut > 0 {
            self.next = self.next.wrapping_add(cut);
            (counters.gaps, counters.lost) = (counters.gaps + 1, counters.lost + u64::from(cut));
            out(Piece::Gap(cut.into()));
        }
    }

    /// Keeps a segment that came too early: only the octets that nobody has brought yet.
    fn keep(&mut self, seq: u32, bytes: &[u8], now: i64, counters: &mut Common) {
        if bytes.is_empty() {
            // Nothing of it was captured; the hole says so when it is given up.
            return;
        }
        counters.out_of_order += u64::from(seq != self.next);
        let next = self.next;
        let waiting = self.waiting.get_or_insert_default();
        if waiting.segments.is_empty() {
            waiting.since = now;
        }
        let before = waiting.bytes;
        // `seq` is never behind `next`.
        let (mut at, mut rest) = (seq, bytes);
        let mut place = 0;
        let mut conflict = false;
        while !rest.is_empty() {
            // The first kept segment that ends after `at`.
            while let Some((start, kept)) = waiting.segments.get(place) {
                let end = start.wrapping_add(kept.len() as u32);
                if distance(next, end) > distance(next, at) {
                    break;
                }
                place += 1;
            }
            let (free, skip) = match waiting.segments.get(place) {
                None => (rest.len(), 0),
                Some((start, kept)) => {
                    let free = distance(at, *start).clamp(0, rest.len() as i64) as usize;
                    let same = kept.get(distance(*start, at).max(0) as usize..).unwrap_or_default();
                    conflict |= free == 0 && same.iter().zip(rest).any(|(old, new)| old != new);
                    (free, same.len())
                }
            };
            if free > 0 {
                let (new, after) = rest.split_at(free);
                waiting.segments.insert(place, (at, new.to_vec()));
                waiting.bytes += new.len() + OVERHEAD;
                (at, rest) = (at.wrapping_add(free as u32), after);
            } else {
                let skip = skip.clamp(1, rest.len());
                rest = rest.get(skip..).unwrap_or_default();
                at = at.wrapping_add(skip as u32);
            }
        }
        counters.buffered += waiting.bytes - before;
        counters.conflicting += u64::from(conflict);
    }

    /// Hands out what waited and is in order now.
    fn drain(&mut self, counters: &mut Common, out: &mut dyn FnMut(Piece<'_>)) {
        let Some(mut waiting) = self.waiting.take() else { return };
        let mut done = 0;
        for (start, kept) in &waiting.segments {
            let behind = distance(*start, self.next);
            if behind < 0 {
                break;
            }
            done += 1;
            waiting.bytes -= kept.len() + OVERHEAD;
            counters.buffered -= kept.len() + OVERHEAD;
            if let Some(new) = kept.get(behind as usize..).filter(|new| !new.is_empty()) {
                self.newest = counters.history.keep(self.newest, self.next, new);
                self.next = self.next.wrapping_add(new.len() as u32);
                out(Piece::Data(new));
            }
        }
        waiting.segments.drain(..done);
        if !waiting.segments.is_empty() {
            self.waiting = Some(waiting);
        }
    }

    /// Gives up the first hole.
    fn give_up(&mut self, counters: &mut Common, out: &mut dyn FnMut(Piece<'_>)) {
        let Some((start, _)) = self.waiting.as_ref().and_then(|waiting| waiting.segments.first()) else {
            self.waiting = None;
            return;
        };
        let lost = distance(self.next, *start).max(0) as u64;
        self.former = Some(self.next);
        self.next = *start;
        (counters.gaps, counters.lost) = (counters.gaps + 1, counters.lost + lost);
        out(Piece::Gap(lost));
        self.drain(counters, out);
    }

    /// Gives up every hole: the stream ends.
    pub fn finish(&mut self, counters: &mut Common, out: &mut dyn FnMut(Piece<'_>)) {
        self.settle(0, true, counters, out);
        self.give_up_all(counters, out);
    }

    fn give_up_all(&mut self, counters: &mut Common, out: &mut dyn FnMut(Piece<'_>)) {
        while self.waiting.is_some() {
            self.give_up(counters, out);
        }
    }

    /// Whether the receiver has acknowledged what lies beyond this place.
    fn is_past(&self, seq: u32) -> bool {
        self.acks_seen && distance(self.acked, seq) < 0
    }

    /// Goes on where the stream stood before it went on elsewhere.
    fn resume(&mut self, segment: Segment<'_>, counters: &mut Common, out: &mut dyn FnMut(Piece<'_>)) {
        self.give_up_all(counters, out);
        self.former = Some(self.next);
        self.next = segment.seq;
        counters.gaps += 1;
        out(Piece::Gap(0));
        self.take(segment.bytes, segment.cut, counters, out);
    }

    /// Notes an acknowledgment of this direction by its receiver.
    pub fn acknowledged(&mut self, ack: u32) {
        self.last_ack = ack;
        if !self.acks_seen || distance(self.acked, ack) > 0 {
            (self.acks_seen, self.acked) = (true, ack);
        }
    }

    /// Gives up holes whose time has come.
    pub fn check(&mut self, now: i64, counters: &mut Common, out: &mut dyn FnMut(Piece<'_>)) {
        if self.aside.is_some() {
            self.settle(now, false, counters, out);
        }
        while let Some(waiting) = &mut self.waiting {
            let waited = u64::try_from(now.saturating_sub(waiting.since)).unwrap_or(0);
            let beyond = self.acks_seen && distance(self.next, self.acked) > 0;
            let over = waited > FOREVER
                || beyond && waited >= ACKNOWLEDGED
                || !self.acks_seen && waited >= ONE_SIDED;
            if !over {
                return;
            }
            waiting.since = now;
            self.give_up(counters, out);
        }
    }

    /// A segment far outside the window: believed when others agree.
    fn strayed(&mut self, segment: Segment<'_>, counters: &mut Common, out: &mut dyn FnMut(Piece<'_>)) {
        counters.stray += 1;
        let end = segment.seq.wrapping_add(segment.bytes.len() as u32).wrapping_add(segment.cut);
        self.stray = if segment.seq == self.stray_next { self.stray.saturating_add(1) } else { 1 };
        self.stray_next = end;
        let agreed =
            !self.acks_seen || distance(segment.seq, self.last_ack).unsigned_abs() <= u64::from(WINDOW);
        if self.stray >= AGREE && agreed {
            self.give_up_all(counters, out);
            self.stray = 0;
            self.former = (!self.acks_seen).then_some(self.next);
            self.acked = self.last_ack;
            self.next = segment.seq;
            counters.gaps += 1;
            out(Piece::Gap(0));
            self.take(segment.bytes, segment.cut, counters, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MILLI: i64 = 1_000_000;
    const PLAIN: Segment<'_> =
        Segment { seq: 0, bytes: &[], cut: 0, pushed: true, early: false, checksum: Checksum::Good, ttl: 64 };

    #[derive(Default)]
    struct Stream {
        half: Half,
        counters: Common,
        now: i64,
        got: Vec<u8>,
        gaps: Vec<u64>,
    }

    impl Stream {
        fn with(&mut self, act: impl FnOnce(&mut Half, &mut Common, i64, &mut dyn FnMut(Piece<'_>))) {
            let (got, gaps) = (&mut self.got, &mut self.gaps);
            let mut out = |piece: Piece<'_>| match piece {
                Piece::Data(bytes) => got.extend_from_slice(bytes),
                Piece::Gap(lost) => gaps.push(lost),
            };
            act(&mut self.half, &mut self.counters, self.now, &mut out);
        }

        fn send(&mut self, seq: u32, bytes: &[u8]) {
            let segment = Segment { seq, bytes, ..PLAIN };
            self.with(|half, counters, now, out| half.segment(segment, now, 10_000, counters, out));
        }

        fn check(&mut self) {
            self.with(|half, counters, now, out| half.check(now, counters, out));
        }
    }

    #[test]
    fn the_first_segment_starts_the_stream_and_the_first_octets_stay() {
        let mut s = Stream::default();
        s.send(100, b"abc");
        s.send(100, b"abc");
        s.send(102, b"Xde");
        s.send(108, b"ij");
        s.send(104, b"YYfgh?");
        assert_eq!(s.got, b"abcdeYfgij");
        assert_eq!(s.counters.retransmitted, 1);
        assert_eq!(s.counters.buffered, 0);
    }

    #[test]
    fn a_hole_is_given_up_when_the_receiver_has_moved_on() {
        let mut s = Stream::default();
        s.send(0, b"ab");
        s.send(5, b"fg");
        s.half.acknowledged(7);
        s.check();
        assert_eq!(s.gaps, [0; 0]);
        s.now += 200 * MILLI;
        s.check();
        assert_eq!((s.got.as_slice(), s.gaps.as_slice()), (b"abfg".as_slice(), [3].as_slice()));
    }

    #[test]
    fn a_one_sided_hole_is_given_up_after_two_seconds_and_a_full_buffer_at_once() {
        let mut s = Stream::default();
        s.send(0, b"ab");
        s.send(5, b"fg");
        s.now += 1_999 * MILLI;
        s.check();
        assert_eq!(s.gaps, [0; 0]);
        s.now += MILLI;
        s.check();
        assert_eq!(s.gaps, [3]);
        s.send(100, &[7; 11_000]);
        assert_eq!(s.gaps, [3, 93]);
        assert_eq!((s.counters.buffer_full, s.counters.lost), (1, 96));
    }

    #[test]
    fn many_small_holes_before_large_segments_stay_within_the_bound() {
        let mut s = Stream::default();
        s.send(0, b"ab");
        for place in 1..200 {
            s.send(place * 10, b"x");
        }
        for place in 1..100u32 {
            s.send(10_000 + place * 2_000, &[7; 1_500]);
            assert!(s.counters.buffered <= 10_000, "{} octets held", s.counters.buffered);
        }
    }

    #[test]
    fn a_bogus_sequence_number_does_not_blind_the_stream() {
        let mut s = Stream::default();
        s.send(0, b"ab");
        s.send(1 << 30, b"evil");
        s.send(2, b"cd");
        assert_eq!(s.got, b"abcd");
        for place in 0..3u32 {
            s.send((1 << 31) + place * 2, b"xy");
        }
        assert_eq!((s.got.as_slice(), s.gaps.as_slice()), (b"abcdxy".as_slice(), [0].as_slice()));
    }

    /// A snapshot length that cuts all payload away leaves early segments without an octet.
    #[test]
    fn an_early_segment_of_which_nothing_was_captured_is_no_hole_without_end() {
        let mut s = Stream::default();
        s.send(0, b"ab");
        let segment = Segment { seq: 50, bytes: &[], cut: 10, ..PLAIN };
        s.with(|half, counters, now, out| half.segment(segment, now, 10_000, counters, out));
        s.with(|half, counters, _, out| half.finish(counters, out));
        assert_eq!((s.got.as_slice(), s.counters.buffered), (b"ab".as_slice(), 0));
    }

    #[test]
    fn a_keep_alive_before_any_data_is_no_data() {
        let mut s = Stream::default();
        let segment = Segment { seq: 9, bytes: &[0], pushed: false, ..PLAIN };
        s.with(|half, counters, now, out| half.segment(segment, now, 10_000, counters, out));
        s.send(10, b"ab");
        assert_eq!(s.got, b"ab");
    }

    proptest! {
        /// Any cutting, repeating, overlapping and reordering within the buffer gives the same octets once.
        #[test]
        fn every_octet_comes_once_and_in_order(
            isn in any::<u32>(),
            sizes in proptest::collection::vec(1usize..50, 1..40),
            swaps in proptest::collection::vec((0usize..40, 0usize..40), 0..20),
            again in proptest::collection::vec(0usize..40, 0..20),
            early in 0usize..10,
        ) {
            let total: usize = sizes.iter().sum();
            let data: Vec<u8> = (0..total).map(|i| (i * 7 % 251) as u8).collect();
            let mut segments = Vec::new();
            let mut at = 0;
            for size in &sizes {
                // Each may begin a little before the end of the one before.
                let from = at - early.min(at);
                segments.push((from, at + size));
                at += size;
            }
            for place in again {
                let copy = segments[place % segments.len()];
                segments.push(copy);
            }
            for (a, b) in swaps {
                let (a, b) = (a % segments.len(), b % segments.len());
                segments.swap(a, b);
            }
            let mut s = Stream::default();
            s.half.syn(isn.wrapping_sub(1));
            for (from, to) in segments {
                s.send(isn.wrapping_add(from as u32), &data[from..to]);
            }
            prop_assert_eq!(&s.got, &data);
            prop_assert_eq!(s.gaps.len(), 0);
            prop_assert_eq!(s.counters.buffered, 0);
        }

        /// What is lost is lost, everything else comes, and the gaps say how much.
        #[test]
        fn losses_are_gaps_of_their_size(
            sizes in proptest::collection::vec(1usize..50, 2..40),
            lost in proptest::collection::vec(1usize..40, 0..10),
        ) {
            let total: usize = sizes.iter().sum();
            let data: Vec<u8> = (0..total).map(|i| (i * 7 % 251) as u8).collect();
            let mut s = Stream::default();
            let (mut at, mut want, mut missing) = (0, Vec::new(), 0);
            for (place, size) in sizes.iter().enumerate() {
                if lost.contains(&place) && place + 1 < sizes.len() {
                    missing += size;
                } else {
                    s.send(at as u32, &data[at..at + size]);
                    want.extend_from_slice(&data[at..at + size]);
                }
                at += size;
            }
            s.with(|half, counters, _, out| half.finish(counters, out));
            prop_assert_eq!(&s.got, &want);
            prop_assert_eq!(s.gaps.iter().sum::<u64>(), missing as u64);
        }
    }
}
