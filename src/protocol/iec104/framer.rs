//! Finds units in what one side sends: split and merged at any octet, picked up in the middle, with other octets
//! around and between them.
//!
//! Flows in: octets in order. Flows out: [`Piece`]s. A unit that lies whole in the octets given is read where it is;
//! the rest of one is carried over, at most one unit. What the pieces are does not depend on how the octets were cut.

use super::library::Class;
use super::sizes;
use super::wire::apci::{self, Apdu, Begin, Control, MAX_FRAME};
use super::wire::asdu::{Asdu, Sizes};

/// Before a first unit is found in the middle of a conversation, this much may be the end of one.
const TAIL: u64 = MAX_FRAME as u64 - 1;
/// A run of other octets is reported when it ends, or when it reaches this many.
pub const LONGEST_RUN: u64 = 4096;
/// After so many octets without a single unit, a side is said not to speak IEC 104.
pub const FOREIGN: u64 = MAX_FRAME as u64;
/// How many octets of a run are kept to show.
const SHOWN: usize = 8;

/// What was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Piece<'a> {
    /// A whole unit.
    Unit(Apdu<'a>),
    /// A start octet where a unit had to start, with a length that none has.
    BadLength(u8),
    /// Octets that belong to no unit: how many, the first of them, whether there are more.
    Garbage(u64, &'a [u8], bool),
    /// Nothing that this side sent so far is IEC 104: octets, the first of them.
    Foreign(u64, &'a [u8]),
    /// A unit that ends early: octets there, octets needed.
    Incomplete(usize, usize),
}

/// The framing of one side of a conversation.
pub struct Framer {
    scanner: Scanner,
    /// The beginning of a unit whose end has not come.
    carry: Vec<u8>,
}

impl Framer {
    /// Starts where a stream starts (`whole`), or somewhere in its middle.
    pub fn new(whole: bool) -> Self {
        Framer { scanner: Scanner::new(whole), carry: Vec::new() }
    }

    /// Takes the next octets of a stream.
    pub fn push(&mut self, octets: &[u8], out: &mut impl FnMut(Piece<'_>)) {
        if self.carry.is_empty() {
            let rest = self.scanner.walk(octets, out);
            if !rest.is_empty() {
                self.carry.extend_from_slice(rest);
            }
            return;
        }
        let mut all = std::mem::take(&mut self.carry);
        all.extend_from_slice(octets);
        let left = self.scanner.walk(&all, out).len();
        if left > 0 {
            all.drain(..all.len() - left);
            all.shrink_to(MAX_FRAME);
            self.carry = all;
        }
    }

    /// Octets are missing here: what had begun is lost, and the next may be the middle of a unit.
    pub fn gap(&mut self, out: &mut impl FnMut(Piece<'_>)) {
        self.carry = Vec::new();
        if self.scanner.seen {
            self.scanner.end_run(out);
        }
        (self.scanner.synced, self.scanner.excused) = (false, TAIL);
    }

    /// Nothing more comes.
    pub fn close(&mut self, out: &mut impl FnMut(Piece<'_>)) {
        let rest = std::mem::take(&mut self.carry);
        self.scanner.close(&rest, out);
    }

    /// Octets on the heap.
    pub fn memory(&self) -> usize {
        self.carry.capacity()
    }
}

/// Where a side stands: at the border of a unit, or within octets that are none.
struct Scanner {
    /// Whether a unit has to start here.
    synced: bool,
    /// Octets of the present run, those excused not counted.
    run: u64,
    /// The first of them.
    head: [u8; SHOWN],
    /// Octets that need no saying: the tail of a unit whose start was not seen, or what follows a bad length.
    excused: u64,
    /// Whether a unit was ever seen.
    seen: bool,
    /// Whether the present run was reported.
    said: bool,
}

impl Scanner {
    fn new(whole: bool) -> Self {
        let excused = if whole { 0 } else { TAIL };
        Scanner { synced: whole, run: 0, head: [0; SHOWN], excused, seen: false, said: false }
    }

    /// Takes whole units from the front; returns what it takes more octets to tell.
    fn walk<'a>(&mut self, mut octets: &'a [u8], out: &mut impl FnMut(Piece<'_>)) -> &'a [u8] {
        loop {
            let used = self.step(octets, out);
            if used == 0 {
                return octets;
            }
            octets = octets.get(used..).unwrap_or_default();
        }
    }

    /// Looks at what comes next and returns how many octets that settles; 0 where it takes more to tell.
    fn step(&mut self, octets: &[u8], out: &mut impl FnMut(Piece<'_>)) -> usize {
        match apci::begin(octets) {
            Begin::Short => 0,
            Begin::Unit(whole) => match octets.get(..whole) {
                Some(frame) => self.unit(frame, out),
                // What cannot be one is passed over without waiting for its end.
                None if !self.synced && octets.get(2..apci::HEADER).is_some_and(|o| !may_be(o)) => {
                    self.pass(octets.get(..1).unwrap_or_default(), out);
                    1
                }
                None => 0,
            },
            Begin::Wrong(length) => {
                if self.synced {
                    self.synced = false;
                    self.excused = u64::MAX;
                    self.seen = true;
                    out(Piece::BadLength(length));
                }
                self.pass(octets.get(..1).unwrap_or_default(), out);
                1
            }
            Begin::Other => {
                self.synced = false;
                let used = octets.iter().position(|octet| *octet == apci::START).unwrap_or(octets.len());
                self.pass(octets.get(..used).unwrap_or_default(), out);
                used
            }
        }
    }

    /// A whole unit, or octets that look like one by chance.
    fn unit(&mut self, frame: &[u8], out: &mut impl FnMut(Piece<'_>)) -> usize {
        let Some(apdu) = Apdu::parse(frame) else { return 0 };
        if !self.synced && !is_convincing(&apdu) {
            self.pass(frame.get(..1).unwrap_or_default(), out);
            return 1;
        }
        self.end_run(out);
        (self.synced, self.seen, self.excused) = (true, true, 0);
        out(Piece::Unit(apdu));
        frame.len()
    }

    /// Counts octets that belong to no unit.
    fn pass(&mut self, octets: &[u8], out: &mut impl FnMut(Piece<'_>)) {
        let count = octets.len() as u64;
        let excused = self.excused.min(count);
        if self.excused != u64::MAX {
            self.excused -= excused;
        }
        if excused == count {
            return;
        }
        let kept = self.run.min(SHOWN as u64) as usize;
        let new = octets.get(excused as usize..).unwrap_or_default();
        for (room, octet) in self.head.iter_mut().skip(kept).zip(new) {
            *room = *octet;
        }
        self.run = self.run.saturating_add(count - excused);
        if self.said {
            return;
        }
        if !self.seen && self.run >= FOREIGN {
            self.said = true;
            out(Piece::Foreign(FOREIGN, &self.head));
        } else if self.seen && self.run >= LONGEST_RUN {
            self.said = true;
            out(Piece::Garbage(LONGEST_RUN, &self.head, true));
        }
    }

    fn shown(&self) -> &[u8] {
        let kept = self.run.min(SHOWN as u64) as usize;
        self.head.get(..kept).unwrap_or_default()
    }

    /// The run of other octets ends, if there is one.
    fn end_run(&mut self, out: &mut impl FnMut(Piece<'_>)) {
        if self.run > 0 && !self.said {
            out(Piece::Garbage(self.run, self.shown(), false));
        }
        (self.run, self.said) = (0, false);
    }

    /// The octets end, maybe within a unit.
    fn close(&mut self, rest: &[u8], out: &mut impl FnMut(Piece<'_>)) {
        if self.synced && !rest.is_empty() {
            self.seen = true;
            self.end_run(out);
            let need = match apci::begin(rest) {
                Begin::Unit(whole) => whole,
                _ => apci::HEADER,
            };
            return out(Piece::Incomplete(rest.len(), need));
        }
        self.pass(rest, out);
        if self.seen {
            self.end_run(out);
        } else if self.run > 0 && !self.said {
            self.said = true;
            out(Piece::Foreign(self.run, self.shown()));
        }
    }
}

/// Whether four octets may be control fields.
fn may_be(octets: &[u8]) -> bool {
    octets.first_chunk().is_some_and(|octets| Control::parse(*octets).is_exact(*octets))
}

/// Whether a unit is one beyond doubt, wherever it stands: its control fields are exact, and its ASDU has a type that
/// is known, just as many octets as that takes, and says what a station would say.
pub fn is_convincing(apdu: &Apdu<'_>) -> bool {
    if apdu.fault().is_some() {
        return false;
    }
    match apdu.control {
        Control::I { .. } => sizes::every().any(|sizes| fits(apdu.asdu, sizes)),
        Control::S { .. } | Control::U { .. } => true,
    }
}

/// Whether an ASDU is right in every respect by the sizes of the standard.
pub fn is_standard(asdu: &[u8]) -> bool {
    fits(asdu, Sizes::STANDARD)
}

fn fits(octets: &[u8], sizes: Sizes) -> bool {
    Asdu::parse(octets, sizes).is_ok_and(|asdu| {
        let known = asdu.row().is_some_and(|row| row.class != Class::Security);
        known && asdu.fault().is_none() && sizes::likely(octets, sizes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEST: &[u8] = &[0x68, 4, 0x43, 0, 0, 0];
    const POINT: &[u8] = &[0x68, 14, 2, 0, 4, 0, 1, 1, 3, 0, 1, 0, 7, 0, 0, 1];

    /// Pieces as text, so that they outlive the buffer.
    fn pieces(whole: bool, octets: &[u8]) -> Vec<String> {
        let mut all = Vec::new();
        let mut framer = Framer::new(whole);
        framer.push(octets, &mut |piece| all.push(format!("{piece:?}")));
        framer.close(&mut |piece| all.push(format!("{piece:?}")));
        all
    }

    fn kinds(whole: bool, octets: &[u8]) -> Vec<String> {
        let name = |piece: &String| piece.split(['(', ' ']).next().unwrap_or_default().to_owned();
        pieces(whole, octets).iter().map(name).collect()
    }

    #[test]
    fn units_follow_each_other() {
        assert_eq!(kinds(true, &[TEST, POINT, TEST].concat()), ["Unit"; 3]);
        assert_eq!(kinds(false, &[TEST, POINT].concat()), ["Unit"; 2]);
    }

    #[test]
    fn the_tail_of_a_unit_is_passed_over_in_silence_where_the_start_was_not_seen() {
        assert_eq!(kinds(false, &[&POINT[5..], TEST].concat()), ["Unit"]);
        assert_eq!(kinds(true, &[&POINT[5..], TEST].concat()), ["Garbage", "Unit"]);
    }

    #[test]
    fn a_bad_length_is_said_and_the_next_unit_is_found() {
        assert_eq!(kinds(true, &[TEST, &[0x68, 2, 1, 2], POINT].concat()), ["Unit", "BadLength", "Unit"]);
    }

    #[test]
    fn what_ends_early_is_said() {
        assert_eq!(pieces(true, &POINT[..9]), ["Incomplete(9, 16)"]);
        assert_eq!(pieces(true, &[TEST, &[0x68]].concat())[1], "Incomplete(1, 6)");
    }

    #[test]
    fn another_protocol_is_said_once() {
        assert_eq!(kinds(true, &b"GET /index.html HTTP/1.1\r\n".repeat(40)), ["Foreign"]);
    }
}
