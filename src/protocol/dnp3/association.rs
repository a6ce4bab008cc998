//! What is remembered of a master and an outstation that talk: fragments that are being put together, requests
//! that wait for their answer, the controls that are armed. All of it is bounded.

use super::wire::application;
use super::wire::link::Header;
use super::wire::transport::Segment;
use crate::address::{Side, Timestamp};
use crate::event::{PointRange, Verb};

/// At most this many pairs of link addresses are remembered in one conversation; the one unused longest goes.
const PAIRS: usize = 64;
/// The longest fragment that is put together. The standard's default maximum is 2048 octets.
pub const LONGEST_FRAGMENT: usize = 65_536;
/// Octets of unfinished fragments kept in one conversation over all pairs.
const UNFINISHED: usize = 4 * LONGEST_FRAGMENT;
/// Requests that wait at the same time. A master has one under way by the standard.
pub const WAITING: usize = 4;
/// Points of a waiting request that are kept for a response without points.
const KEPT_POINTS: usize = 64;
/// A buffer larger than this is given back after use.
pub const KEEP_OCTETS: usize = 4096;
/// How soon after a request another one may follow while the first still waits, in nanoseconds. Later, the first has
/// been given up: a master has one request under way.
const PIPELINE_TIME: u64 = 200_000_000;
/// How old a request must be at the end of a conversation to count as never answered, in nanoseconds.
const PATIENCE: u64 = 1_000_000_000;

/// A fragment that is being put together, in one direction.
#[derive(Default)]
pub struct Assembly {
    progress: Progress,
    /// What came so far.
    pub octets: Vec<u8>,
    /// In how many segments.
    pub segments: u32,
    /// What the message does, as far as its first segment shows.
    pub verb: Option<Verb>,
    due: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Progress {
    /// No start of a fragment was seen yet; segments may continue one that began before.
    #[default]
    Unseen,
    /// Between fragments.
    Idle,
    /// Within one.
    Open,
}

/// What a segment does to an assembly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// It goes on; more segments follow.
    More,
    /// It is complete.
    Complete,
    /// The segment was there before.
    Repeated,
    /// Another segment was due: this one. The fragment is lost.
    Broken(u8),
    /// It continues a fragment whose start is unknown: before the capture, or lost with a gap.
    Unknown,
    /// It continues nothing.
    Stray,
    /// The fragment grew too long and is lost.
    TooLong,
}

impl Assembly {
    /// Whether a fragment is under way.
    pub fn is_open(&self) -> bool {
        self.progress == Progress::Open
    }

    /// Notes that a whole fragment came in one segment.
    pub fn whole(&mut self) {
        self.progress = Progress::Idle;
    }

    /// Drops what came so far.
    pub fn drop_open(&mut self) {
        self.progress = Progress::Idle;
        self.octets.clear();
        if self.octets.capacity() > KEEP_OCTETS {
            self.octets.shrink_to(KEEP_OCTETS);
        }
    }

    /// Octets were lost: what comes next may be the middle of a fragment.
    fn gap(&mut self) {
        if self.progress == Progress::Idle {
            self.progress = Progress::Unseen;
        }
    }

    /// Starts a fragment with its first segment of several.
    pub fn start(&mut self, segment: Segment, payload: &[u8], verb: Option<Verb>) {
        self.octets.clear();
        self.octets.extend_from_slice(payload);
        self.progress = Progress::Open;
        self.segments = 1;
        self.verb = verb;
        self.due = segment.following();
    }

    /// Takes a segment that is not a first one.
    pub fn step(&mut self, segment: Segment, payload: &[u8]) -> Step {
        match self.progress {
            Progress::Unseen => {
                if segment.last() {
                    self.progress = Progress::Idle;
                }
                Step::Unknown
            }
            Progress::Idle => Step::Stray,
            Progress::Open if segment.sequence() != self.due => {
                if segment.following() == self.due && self.octets.ends_with(payload) {
                    return Step::Repeated;
                }
                Step::Broken(self.due)
            }
            Progress::Open if self.octets.len() + payload.len() > LONGEST_FRAGMENT => Step::TooLong,
            Progress::Open => {
                self.octets.extend_from_slice(payload);
                self.segments += 1;
                self.due = segment.following();
                if segment.last() { Step::Complete } else { Step::More }
            }
        }
    }
}

/// The headers of a request.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Its link header.
    pub link: Header,
    /// Its application header.
    pub application: application::Header,
    /// Who sent it.
    pub from: Side,
}

/// A request that waits for its answer.
#[derive(Default)]
pub struct Waiting {
    open: bool,
    sequence: u8,
    /// Requests of these two before it.
    number: u32,
    /// Its headers.
    pub asked: Option<Asked>,
    /// Whether its answer, or a part of it, may have come: a fragment of it did, or octets were lost since.
    doubtful: bool,
    /// When it was seen.
    pub ts: Timestamp,
    /// In which packet.
    pub frame: u64,
    /// What it does.
    pub verb: Option<Verb>,
    /// What it touches, up to a bound.
    pub points: Vec<PointRange>,
}

/// A selection that waits to be operated.
#[derive(Default)]
struct Selected {
    frame: u64,
    sequence: u8,
    objects: Vec<u8>,
}

/// What is remembered of two link addresses.
pub struct Association {
    low: u16,
    high: u16,
    used: u64,
    assemblies: [Assembly; 4],
    /// Grows to as many as have waited at the same time.
    waiting: Vec<Waiting>,
    /// Requests so far.
    requests: u32,
    selected: Option<Box<Selected>>,
    /// Whether the lower and the higher address have sent anything.
    heard: [bool; 2],
}

impl Association {
    fn new(low: u16, high: u16) -> Self {
        Association {
            low,
            high,
            used: 0,
            assemblies: Default::default(),
            waiting: Vec::new(),
            requests: 0,
            selected: None,
            heard: [false; 2],
        }
    }

    fn end(&self, address: u16) -> usize {
        usize::from(address != self.low)
    }

    /// Notes that the sender of a frame is there.
    pub fn hear(&mut self, header: &Header) {
        let end = self.end(header.source);
        if let Some(heard) = self.heard.get_mut(end) {
            *heard = true;
        }
    }

    /// A request that a new one with this sequence number, or at the end of the conversation none, shows to have been
    /// given up without an answer. Nothing of one whose answer may have been missed.
    pub fn given_up(&mut self, now: Timestamp, new: Option<(u8, u16)>) -> Option<Waiting> {
        let (requests, heard, low) = (self.requests, self.heard, self.low);
        let place = self.waiting.iter().position(|waiting| {
            let age = now.since(waiting.ts);
            let Some(asked) = waiting.asked.filter(|_| waiting.open) else { return false };
            match new {
                Some((sequence, master)) => {
                    asked.link.source == master
                        && (waiting.sequence == sequence
                            || age > PIPELINE_TIME
                            || waiting.makes_room(requests))
                }
                None => age > PATIENCE,
            }
        })?;
        let old = std::mem::take(self.waiting.get_mut(place)?);
        let outstation = usize::from(old.asked?.link.destination != low);
        (!old.doubtful && heard.get(outstation) == Some(&true)).then_some(old)
    }

    /// The assembly for what comes from this side of the conversation in the direction of this header.
    pub fn assembly(&mut self, side: Side, header: &Header) -> &mut Assembly {
        let at = side.index() * 2 + usize::from(header.source != self.low);
        let [a, b, c, d] = &mut self.assemblies;
        match at {
            0 => a,
            1 => b,
            2 => c,
            _ => d,
        }
    }

    /// Notes a request. One with the same sequence number that still waits was repeated: the later one counts.
    pub fn request(&mut self, asked: Asked, ts: Timestamp, frame: u64, verb: Verb, points: &[PointRange]) {
        let sequence = asked.application.control.sequence();
        let repeated = self.waiting.iter().position(|waiting| waiting.open && waiting.sequence == sequence);
        let at = repeated.unwrap_or_else(|| self.place());
        let Some(waiting) = self.waiting.get_mut(at) else { return };
        waiting.open = true;
        waiting.sequence = sequence;
        waiting.asked = Some(asked);
        waiting.doubtful = false;
        waiting.ts = ts;
        waiting.frame = frame;
        waiting.verb = Some(verb);
        waiting.points.clear();
        waiting.points.reserve_exact(points.len().min(KEPT_POINTS));
        waiting
            .points
            .extend(points.iter().take(KEPT_POINTS).map(|range| PointRange { valued: false, ..*range }));
    }

    /// A place for one more request: that of one that waits no more, that of the fourth before it, or a new one.
    fn place(&mut self) -> usize {
        let number = self.requests;
        self.requests = number.wrapping_add(1);
        for waiting in &mut self.waiting {
            waiting.open &= !waiting.makes_room(number);
        }
        let at = self.waiting.iter().position(|waiting| !waiting.open).unwrap_or_else(|| {
            self.waiting.reserve_exact(1);
            self.waiting.push(Waiting::default());
            self.waiting.len() - 1
        });
        if let Some(waiting) = self.waiting.get_mut(at) {
            (waiting.open, waiting.number) = (true, number);
        }
        // Those that wait stand in one order, wherever there was room.
        self.waiting.sort_unstable_by_key(|waiting| waiting.number as usize % WAITING);
        self.waiting.iter().position(|waiting| waiting.open && waiting.number == number).unwrap_or(at)
    }

    /// The request that a response with this sequence number answers.
    pub fn waiting(&mut self, sequence: u8) -> Option<&mut Waiting> {
        self.waiting.iter_mut().find(|waiting| waiting.open && waiting.sequence == sequence)
    }

    /// Notes a selection.
    pub fn select(&mut self, sequence: u8, frame: u64, objects: &[u8]) {
        let selected = self.selected.get_or_insert_default();
        selected.frame = frame;
        selected.sequence = sequence;
        selected.objects.clear();
        selected.objects.extend_from_slice(objects.get(..KEEP_OCTETS).unwrap_or(objects));
    }

    /// The frame number of the selection that this operation carries out: the same objects, the next sequence
    /// number (IEEE 1815-2012, 4.4.3).
    pub fn operate(&mut self, sequence: u8, objects: &[u8]) -> Option<u64> {
        let selected = self.selected.as_mut()?;
        let matches = selected.frame != 0
            && selected.sequence.wrapping_add(1) & 0x0f == sequence
            && selected.objects == objects;
        let frame = matches.then_some(selected.frame);
        selected.frame = 0;
        frame
    }

    fn memory(&self) -> usize {
        let assemblies: usize = self.assemblies.iter().map(|assembly| assembly.octets.capacity()).sum();
        let points: usize = self.waiting.iter().map(|waiting| waiting.points.capacity()).sum();
        let waiting = self.waiting.capacity() * size_of::<Waiting>();
        let selected =
            self.selected.as_ref().map_or(0, |selected| size_of::<Selected>() + selected.objects.capacity());
        assemblies + waiting + points * size_of::<PointRange>() + selected
    }
}

impl Waiting {
    /// Whether it goes for a request of this number.
    fn makes_room(&self, number: u32) -> bool {
        number.wrapping_sub(self.number) as usize >= WAITING
    }

    /// Notes the answer's fragment: the last one settles the request, another one is followed by the next
    /// sequence number.
    pub fn answered(&mut self, last: bool) {
        self.doubtful = true;
        if last {
            self.open = false;
        } else {
            self.sequence = self.sequence.wrapping_add(1) & 0x0f;
        }
    }
}

/// All pairs of link addresses of one conversation.
#[derive(Default)]
pub struct Associations {
    all: Vec<Association>,
    clock: u64,
}

impl Associations {
    /// The association of the two addresses of a header.
    pub fn of(&mut self, header: &Header) -> Option<&mut Association> {
        let low = header.source.min(header.destination);
        let high = header.source.max(header.destination);
        self.clock += 1;
        let known = self.all.iter().position(|pair| pair.low == low && pair.high == high);
        let at = known.unwrap_or_else(|| self.add(low, high));
        let pair = self.all.get_mut(at)?;
        pair.used = self.clock;
        Some(pair)
    }

    fn add(&mut self, low: u16, high: u16) -> usize {
        if self.all.len() < PAIRS {
            // Most conversations have one pair.
            if self.all.is_empty() {
                self.all.reserve_exact(1);
            }
            self.all.push(Association::new(low, high));
            return self.all.len() - 1;
        }
        let oldest = self.all.iter().enumerate().min_by_key(|(_, pair)| pair.used).map_or(0, |(at, _)| at);
        if let Some(pair) = self.all.get_mut(oldest) {
            *pair = Association::new(low, high);
        }
        oldest
    }

    /// Octets from this side were lost.
    pub fn gap(&mut self, side: Side) {
        for pair in &mut self.all {
            for assembly in pair.assemblies.iter_mut().skip(side.index() * 2).take(2) {
                assembly.gap();
            }
            for waiting in pair.waiting.iter_mut() {
                waiting.doubtful |= waiting.asked.is_some_and(|asked| asked.from != side);
            }
        }
    }

    /// At the end of the conversation: the next request that was never answered.
    pub fn given_up(&mut self, now: Timestamp) -> Option<Waiting> {
        // One that is taken without being returned leaves another to look at.
        self.all.iter_mut().find_map(|pair| (0..WAITING).find_map(|_| pair.given_up(now, None)))
    }

    /// Keeps the unfinished fragments within their bound: the ones of the pair unused longest go.
    pub fn bound(&mut self) {
        let open = |pair: &Association| pair.assemblies.iter().map(|a| a.octets.capacity()).sum::<usize>();
        while self.all.iter().map(open).sum::<usize>() > UNFINISHED {
            let holding = self.all.iter_mut().filter(|pair| open(pair) > 0);
            let Some(oldest) = holding.min_by_key(|pair| pair.used) else { break };
            oldest.assemblies = Default::default();
        }
    }

    /// Octets on the heap.
    pub fn memory(&self) -> usize {
        self.all.capacity() * size_of::<Association>()
            + self.all.iter().map(Association::memory).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::dnp3::wire::link::Control;

    fn asked(sequence: u8) -> Asked {
        let control = application::Control(0xc0 | sequence);
        let application = application::Header { control, function: 1, iin: None };
        Asked { link: header(1, 10), application, from: Side::A }
    }

    fn header(source: u16, destination: u16) -> Header {
        Header { length: 5, control: Control(0xc4), destination, source }
    }

    #[test]
    fn segments_join_in_sequence_across_the_wrap() {
        let mut assembly = Assembly::default();
        assembly.start(Segment(0x40 | 63), b"ab", None);
        assert_eq!(assembly.step(Segment(0), b"cd"), Step::More);
        assert_eq!(assembly.step(Segment(0), b"cd"), Step::Repeated);
        assert_eq!(assembly.step(Segment(0x80 | 1), b"e"), Step::Complete);
        assert_eq!((&assembly.octets[..], assembly.segments), (&b"abcde"[..], 3));
    }

    #[test]
    fn a_missing_segment_and_a_stray_one_are_told_from_a_late_start() {
        let mut assembly = Assembly::default();
        assert_eq!(assembly.step(Segment(5), b"x"), Step::Unknown);
        assert_eq!(assembly.step(Segment(0x80 | 6), b"x"), Step::Unknown);
        assert_eq!(assembly.step(Segment(7), b"x"), Step::Stray);
        assembly.start(Segment(0x40), b"ab", None);
        assert_eq!(assembly.step(Segment(2), b"cd"), Step::Broken(1));
        assembly.drop_open();
        assembly.gap();
        assert_eq!(assembly.step(Segment(3), b"cd"), Step::Unknown);
    }

    #[test]
    fn a_fragment_has_a_longest_length() {
        let mut assembly = Assembly::default();
        assembly.start(Segment(0x40), &[0; 200], None);
        let mut sequence = 0;
        let step = loop {
            sequence = (sequence + 1) & 0x3f;
            match assembly.step(Segment(sequence), &[0; 249]) {
                Step::More => {}
                other => break other,
            }
        };
        assert_eq!(step, Step::TooLong);
        assert!(assembly.octets.len() <= LONGEST_FRAGMENT);
    }

    #[test]
    fn answers_find_their_request_over_several_fragments() {
        let mut pair = Association::new(1, 10);
        pair.request(asked(15), Timestamp::default(), 7, Verb::Read, &[]);
        let waiting = pair.waiting(15).unwrap();
        assert_eq!(waiting.frame, 7);
        waiting.answered(false);
        pair.waiting(0).unwrap().answered(true);
        assert!(pair.waiting(0).is_none() && pair.waiting(15).is_none());
    }

    #[test]
    fn requests_that_are_never_answered_make_room() {
        let mut pair = Association::new(1, 10);
        for sequence in 0..16 {
            pair.request(asked(sequence), Timestamp::default(), u64::from(sequence), Verb::Read, &[]);
        }
        assert!(pair.waiting(11).is_none());
        assert!((12..16).all(|sequence| pair.waiting(sequence).is_some()));
    }

    #[test]
    fn an_operate_carries_out_the_same_selection_only() {
        let mut pair = Association::new(1, 10);
        pair.select(15, 3, b"crob");
        assert_eq!(pair.operate(0, b"crob"), Some(3));
        assert_eq!(pair.operate(0, b"crob"), None);
        pair.select(1, 4, b"crob");
        assert_eq!(pair.operate(2, b"other"), None);
        pair.select(1, 5, b"crob");
        assert_eq!(pair.operate(3, b"crob"), None);
    }

    #[test]
    fn pairs_and_unfinished_fragments_are_bounded() {
        let mut all = Associations::default();
        for address in 0..1000 {
            let header = header(1, 10 + address);
            let assembly = all.of(&header).unwrap().assembly(Side::A, &header);
            assembly.start(Segment(0x40), &[0; 60_000], None);
            all.bound();
        }
        assert_eq!(all.all.len(), PAIRS);
        assert!(all.memory() < UNFINISHED + 200_000, "{}", all.memory());
    }
}
