//! Finds link frames in what one side sends: split and merged at any octet, with garbage around and between them.
//!
//! Flows in: octets in order. Flows out: [`Piece`]s. A frame that lies whole in the octets given is read where it
//! is; the rest of one is carried over, at most one frame. What the pieces are does not depend on how the octets
//! were cut.

use super::wire::link::{self, Begin, BlockError, Header, HeaderError, MAX_FRAME, MAX_USER_DATA};

/// Before a first header is found in the middle of a conversation, this much may be the end of a frame.
const TAIL: u64 = MAX_FRAME as u64 - 1;
/// After this many octets without a single header, a side is said not to speak DNP3.
pub const FOREIGN: u64 = MAX_FRAME as u64;
/// A run of garbage is reported when it ends, or when it reaches this many octets.
pub const LONGEST_RUN: u64 = 4096;
/// How many octets of garbage are kept to show.
const SHOWN: usize = 8;

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece<'a> {
    /// A frame, all its CRCs good.
    Frame {
        /// Its header.
        header: Header,
        /// Its user data, out of its blocks.
        user_data: &'a [u8],
    },
    /// A frame with a block whose CRC is wrong.
    BadBlock {
        /// Its header, which is good.
        header: Header,
        /// The block.
        error: BlockError,
    },
    /// Start octets where a frame had to start, with a header that is wrong.
    BadHeader(HeaderError),
    /// Octets that belong to no frame.
    Garbage {
        /// How many.
        octets: u64,
        /// Where the first is, in octets from the start of what this side was seen to send.
        offset: u64,
        /// The first of them.
        head: &'a [u8],
        /// Whether there are more: the run reached [`LONGEST_RUN`] and goes on.
        more: bool,
    },
    /// Nothing that this side sent so far is DNP3.
    Foreign {
        /// How many octets it was.
        octets: u64,
        /// The first of them.
        head: &'a [u8],
    },
    /// A frame that ends early.
    Incomplete {
        /// Its header, where that is whole.
        header: Option<Header>,
        /// Octets that are there.
        have: usize,
        /// Octets that it takes.
        need: usize,
    },
}

/// The framing of one side of a conversation.
pub struct Framer {
    scanner: Scanner,
    /// The beginning of a frame whose end has not come; only then is there room for it.
    carry: Option<Box<Carry>>,
}

struct Carry {
    octets: [u8; MAX_FRAME],
    held: usize,
}

impl Framer {
    /// Starts where a stream starts (`whole`), or somewhere in its middle.
    pub fn new(whole: bool) -> Self {
        Framer { scanner: Scanner::new(if whole { 0 } else { TAIL }), carry: None }
    }

    /// Takes the next octets of a stream.
    pub fn push(&mut self, mut octets: &[u8], out: &mut impl FnMut(Piece<'_>)) {
        while let Some(carry) = &mut self.carry {
            // Fill up what is carried; a whole frame always fits.
            let old = carry.held;
            let taken = octets.len().min(MAX_FRAME - old);
            if let (Some(room), Some(next)) = (carry.octets.get_mut(old..old + taken), octets.get(..taken)) {
                room.copy_from_slice(next);
            }
            let window = carry.octets.get(..old + taken).unwrap_or_default();
            let used = self.scanner.step(window, out);
            if used == 0 {
                carry.held = old + taken;
                return;
            }
            if used >= old {
                octets = octets.get(used - old..).unwrap_or_default();
                self.carry = None;
            } else {
                carry.octets.copy_within(used..old, 0);
                carry.held = old - used;
            }
        }
        while !octets.is_empty() {
            let used = self.scanner.step(octets, out);
            if used == 0 {
                break;
            }
            octets = octets.get(used..).unwrap_or_default();
        }
        // No more than a frame: a longer rest would have been one.
        let rest = octets.get(..MAX_FRAME).unwrap_or(octets);
        if rest.is_empty() {
            return;
        }
        let mut carry = Box::new(Carry { octets: [0; MAX_FRAME], held: rest.len() });
        if let Some(room) = carry.octets.get_mut(..rest.len()) {
            room.copy_from_slice(rest);
        }
        self.carry = Some(carry);
    }

    /// Octets on the heap.
    pub fn memory(&self) -> usize {
        self.carry.as_ref().map_or(0, |_| size_of::<Carry>())
    }

    /// Octets are missing here: what had begun is lost, and the next may be the middle of a frame.
    pub fn gap(&mut self, out: &mut impl FnMut(Piece<'_>)) {
        self.carry = None;
        if self.scanner.seen {
            self.scanner.end_run(out);
        }
        self.scanner.excused = TAIL;
    }

    /// Takes one whole datagram, which holds whole frames.
    pub fn datagram(&mut self, mut octets: &[u8], out: &mut impl FnMut(Piece<'_>)) {
        self.scanner.excused = 0;
        while !octets.is_empty() {
            match self.scanner.step(octets, out) {
                0 => {
                    self.scanner.incomplete(octets, out);
                    break;
                }
                used => octets = octets.get(used..).unwrap_or_default(),
            }
        }
        self.scanner.end(out);
    }

    /// Nothing more comes.
    pub fn close(&mut self, out: &mut impl FnMut(Piece<'_>)) {
        if let Some(carry) = self.carry.take() {
            let rest = carry.octets.get(..carry.held).unwrap_or_default();
            self.scanner.incomplete(rest, out);
        }
        self.scanner.end(out);
    }
}

/// Where a side stands: within frames, or within octets that are none.
struct Scanner {
    /// Octets of garbage in the present run, those excused not counted.
    run: u32,
    /// The first of them.
    head: [u8; SHOWN],
    /// Garbage that needs no saying: the tail of a frame whose start was not seen, or what follows a bad frame.
    excused: u64,
    /// Octets passed so far.
    position: u64,
    /// Where the present run starts.
    start: u64,
    /// Whether a good header was ever seen.
    seen: bool,
    /// Whether the present run was reported.
    said: bool,
}

impl Scanner {
    fn new(excused: u64) -> Self {
        Scanner { run: 0, head: [0; SHOWN], excused, position: 0, start: 0, seen: false, said: false }
    }

    /// Looks at what comes next and returns how many octets that settles; 0 where it takes more to tell.
    fn step(&mut self, octets: &[u8], out: &mut impl FnMut(Piece<'_>)) -> usize {
        let used = match link::begin(octets) {
            Begin::Short => 0,
            Begin::Header(header) => match octets.get(..header.frame()) {
                Some(frame) => self.frame(header, frame, out),
                None => 0,
            },
            Begin::Wrong(error) => {
                let used = link::skip(octets);
                if self.run == 0 && self.excused == 0 {
                    // What follows up to the next good header belongs to this frame.
                    self.excused = u64::MAX;
                    out(Piece::BadHeader(error));
                }
                self.pass(octets.get(..used).unwrap_or_default(), out);
                used
            }
            Begin::Other => {
                let used = link::skip(octets);
                self.pass(octets.get(..used).unwrap_or_default(), out);
                used
            }
        };
        self.position = self.position.saturating_add(used as u64);
        used
    }

    /// A whole frame with a good header. Where a block of it is bad, a frame may start within.
    fn frame(&mut self, header: Header, frame: &[u8], out: &mut impl FnMut(Piece<'_>)) -> usize {
        self.end_run(out);
        self.seen = true;
        self.excused = 0;
        let body = frame.get(link::HEADER..).unwrap_or_default();
        let mut room = [0; MAX_USER_DATA];
        let error = match link::unblock(body, &mut room) {
            Ok(user_data) => {
                out(Piece::Frame { header, user_data });
                return frame.len();
            }
            Err(error) => error,
        };
        out(Piece::BadBlock { header, error });
        let mut at = 0;
        while let Some(rest) = frame.get(at..).filter(|rest| !rest.is_empty()) {
            at += link::skip(rest);
            match link::begin(frame.get(at..).unwrap_or_default()) {
                Begin::Header(_) => return at,
                Begin::Short if at < frame.len() => {
                    self.excused = (frame.len() - at) as u64;
                    return at;
                }
                _ => {}
            }
        }
        frame.len()
    }

    /// Counts octets that belong to no frame.
    fn pass(&mut self, octets: &[u8], out: &mut impl FnMut(Piece<'_>)) {
        let count = octets.len() as u64;
        let excused = self.excused.min(count);
        if self.excused != u64::MAX {
            self.excused -= excused;
        }
        if excused == count {
            return;
        }
        if self.run == 0 {
            self.start = self.position.saturating_add(excused);
        }
        let kept = (self.run as usize).min(SHOWN);
        let new = octets.get(excused as usize..).unwrap_or_default();
        for (room, octet) in self.head.iter_mut().skip(kept).zip(new) {
            *room = *octet;
        }
        let more = u32::try_from(count - excused).unwrap_or(u32::MAX);
        self.run = self.run.saturating_add(more);
        if self.said {
            return;
        }
        if !self.seen && u64::from(self.run) >= FOREIGN {
            self.said = true;
            out(Piece::Foreign { octets: FOREIGN, head: &self.head });
        } else if self.seen && u64::from(self.run) >= LONGEST_RUN {
            self.said = true;
            out(Piece::Garbage { octets: LONGEST_RUN, offset: self.start, head: &self.head, more: true });
        }
    }

    fn shown(&self) -> &[u8] {
        let kept = (self.run as usize).min(SHOWN);
        self.head.get(..kept).unwrap_or_default()
    }

    /// The run of garbage ends, if there is one.
    fn end_run(&mut self, out: &mut impl FnMut(Piece<'_>)) {
        if self.run > 0 && !self.said {
            out(Piece::Garbage {
                octets: u64::from(self.run),
                offset: self.start,
                head: self.shown(),
                more: false,
            });
        }
        self.run = 0;
        self.said = false;
    }

    /// The octets end; without a header in them, that is said once.
    fn end(&mut self, out: &mut impl FnMut(Piece<'_>)) {
        if self.seen {
            self.end_run(out);
        } else if self.run > 0 && !self.said {
            self.said = true;
            out(Piece::Foreign { octets: u64::from(self.run), head: self.shown() });
        }
    }

    /// The octets end within what may be a frame.
    fn incomplete(&mut self, rest: &[u8], out: &mut impl FnMut(Piece<'_>)) {
        let header = match link::begin(rest) {
            Begin::Header(header) => Some(header),
            _ => None,
        };
        if header.is_none() && (self.run > 0 || self.excused > 0 || rest.len() < 2) {
            self.pass(rest, out);
            return;
        }
        self.end_run(out);
        self.seen = true;
        let need = header.map_or(link::HEADER, |header| header.frame());
        out(Piece::Incomplete { header, have: rest.len(), need });
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use proptest::prelude::*;

    /// Pieces as text, so that they outlive the buffer.
    fn pieces(whole: bool, chunks: &[&[u8]]) -> Vec<String> {
        let mut said = Vec::new();
        let mut framer = Framer::new(whole);
        let mut out = |piece: Piece<'_>| said.push(format!("{piece:?}"));
        for chunk in chunks {
            framer.push(chunk, &mut out);
        }
        framer.close(&mut out);
        said
    }

    fn kinds(whole: bool, octets: &[u8]) -> Vec<String> {
        pieces(whole, &[octets])
            .into_iter()
            .map(|piece| piece.split([' ', '(']).next().unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn frames_in_a_row_are_found() {
        let frame = sample::frame(0xc4, 10, 1, &[0xc0, 0xc1, 1, 60, 2, 6]);
        let twice = [frame.clone(), frame].concat();
        assert_eq!(kinds(true, &twice), ["Frame", "Frame"]);
    }

    #[test]
    fn garbage_is_said_once_with_its_length_and_place() {
        let frame = sample::frame(0xc9, 10, 1, &[]);
        let octets = [&frame[..], b"garbage!!", &frame[..], b"\x05\x05"].concat();
        let said = pieces(true, &[&octets]);
        assert_eq!(said.len(), 4, "{said:?}");
        assert!(said[1].starts_with("Garbage { octets: 9, offset: 10, head: [103, 97,"), "{}", said[1]);
        assert!(said[3].starts_with("Garbage { octets: 2, offset: 29"), "{}", said[3]);
    }

    #[test]
    fn the_middle_of_a_frame_at_the_start_is_no_garbage() {
        let frame = sample::frame(0x44, 1, 10, &[0x11; 100]);
        let octets = [&frame[50..], &frame[..]].concat();
        assert_eq!(kinds(false, &octets), ["Frame"]);
        assert_eq!(kinds(true, &octets), ["Garbage", "Frame"]);
    }

    #[test]
    fn a_bad_block_loses_its_frame_only() {
        let good = sample::frame(0x44, 1, 10, &[0x22; 40]);
        let mut bad = good.clone();
        bad[15] ^= 1;
        assert_eq!(kinds(true, &[bad, good].concat()), ["BadBlock", "Frame"]);
    }

    #[test]
    fn a_lying_length_does_not_hide_what_follows() {
        // Says 200 octets, brings none: the frames behind it are inside what it claims.
        let header = &sample::frame(0x44, 1, 10, &[0x22; 200])[..10];
        let good = sample::frame(0x44, 1, 10, &[0x33; 30]);
        let octets = [header, &good, &good, &good, &good, &good, &good, &good].concat();
        let said = kinds(true, &octets);
        assert_eq!(said[0], "BadBlock");
        assert_eq!(said[1..], ["Frame"; 7]);
    }

    #[test]
    fn a_bad_header_is_said_and_what_follows_is_its_own() {
        let good = sample::frame(0x44, 1, 10, &[0x22; 40]);
        let mut bad = good.clone();
        bad[4] ^= 1;
        assert_eq!(kinds(true, &[good.clone(), bad, good].concat()), ["Frame", "BadHeader", "Frame"]);
    }

    #[test]
    fn another_protocol_is_said_once() {
        assert_eq!(kinds(true, b"GET / HTTP/1.1\r\n\r\n"), ["Foreign"]);
        assert_eq!(kinds(false, &[b'x'; 10_000]), ["Foreign"]);
        let mut framer = Framer::new(true);
        let mut said = 0;
        for _ in 0..3 {
            framer.datagram(b"not dnp3", &mut |_| said += 1);
        }
        assert_eq!(said, 1);
    }

    #[test]
    fn a_frame_that_ends_early_is_said() {
        let frame = sample::frame(0x44, 1, 10, &[0x22; 40]);
        for end in 2..frame.len() {
            assert_eq!(kinds(true, &frame[..end]), ["Incomplete"], "{end}");
        }
    }

    fn anything() -> impl Strategy<Value = Vec<u8>> {
        let frame = (any::<u8>(), any::<u16>(), proptest::collection::vec(any::<u8>(), 0..60))
            .prop_map(|(control, to, data)| sample::frame(control, to, 1, &data));
        let broken =
            (any::<usize>(), proptest::collection::vec(any::<u8>(), 0..60)).prop_map(|(at, data)| {
                let mut frame = sample::frame(0x44, 1, 2, &data);
                let at = at % frame.len();
                frame[at] ^= 0x10;
                frame
            });
        let garbage = proptest::collection::vec(prop_oneof![Just(5u8), Just(0x64), any::<u8>()], 0..40);
        let part = prop_oneof![4 => frame, 1 => broken, 2 => garbage];
        proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn where_octets_are_cut_makes_no_difference(
            octets in anything(),
            cuts in proptest::collection::vec(any::<usize>(), 0..20),
            whole: bool,
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (octets.len() + 1)).collect();
            cuts.extend([0, octets.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &octets[pair[0]..pair[1]]).collect();
            prop_assert_eq!(pieces(whole, &chunks), pieces(whole, &[&octets]));
        }
    }
}
