//! Object headers and the objects behind them (IEEE 1815-2012, 4.2.2.7): group, variation, qualifier, range, then
//! as many objects as the range says, each with an index or a size before it where the qualifier says so.
//!
//! [`Headers`] walks a fragment. It checks that all of a header's objects are there before it hands out the
//! [`Block`], so that whoever reads a block's [`Points`] meets no surprise.

use crate::protocol::dnp3::codes;
use crate::protocol::dnp3::library::{self, Layout, Variation};
use std::fmt;

/// The qualifier octet (4.2.2.7.3): what stands before each object, and the form of the range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Qualifier(pub u8);

/// What stands before each object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Prefix {
    /// Nothing.
    None,
    /// Its index, in this many octets.
    Index(usize),
    /// Its size, in this many octets.
    Size(usize),
}

impl Prefix {
    fn octets(self) -> usize {
        match self {
            Prefix::None => 0,
            Prefix::Index(octets) | Prefix::Size(octets) => octets,
        }
    }
}

impl Qualifier {
    /// What stands before each object; `None` for a reserved code.
    pub fn prefix(self) -> Option<Prefix> {
        Some(match self.0 >> 4 {
            0 => Prefix::None,
            1 => Prefix::Index(1),
            2 => Prefix::Index(2),
            3 => Prefix::Index(4),
            4 => Prefix::Size(1),
            5 => Prefix::Size(2),
            6 => Prefix::Size(4),
            _ => return None,
        })
    }
}

/// Which points a header speaks of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Range {
    /// All of them: no range field.
    All,
    /// From a first to a last index, both included.
    Span {
        /// The first.
        first: u32,
        /// The last.
        last: u32,
    },
    /// This many.
    Count(u32),
}

impl Range {
    /// How many objects follow where objects follow at all.
    pub fn count(self) -> u64 {
        match self {
            Range::All => 0,
            Range::Span { first, last } => u64::from(last).saturating_sub(u64::from(first)) + 1,
            Range::Count(count) => u64::from(count),
        }
    }
}

/// Group, variation and qualifier as they stand in a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name {
    /// The group.
    pub group: u8,
    /// The variation.
    pub variation: u8,
    /// The qualifier.
    pub qualifier: Qualifier,
}

/// Why a header or its objects could not be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    /// Which header of the fragment, from 1.
    pub number: u32,
    /// Where it starts: octets after the application header.
    pub offset: usize,
    /// What it is, where that much was there.
    pub name: Option<Name>,
    /// Its range, where that much was there.
    pub range: Option<Range>,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a header or its objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Problem {
    /// The header ends early.
    Header {
        /// Octets that are there.
        have: usize,
        /// Octets that it takes.
        need: usize,
    },
    /// The qualifier is reserved, or says what cannot be.
    Qualifier,
    /// The range ends before it starts.
    Backwards,
    /// The library does not know the size of these objects.
    Unknown {
        /// Octets that follow.
        left: usize,
    },
    /// Fewer octets follow than the objects take.
    Objects {
        /// How many were announced.
        count: u64,
        /// Octets that follow.
        have: usize,
        /// Octets that they take.
        need: u64,
    },
    /// One object is shorter than its fields.
    Object {
        /// Which of the header's objects, from 1.
        place: u32,
        /// Octets that it has.
        have: usize,
        /// Octets that its fields take.
        need: usize,
    },
}

impl Error {
    /// The fixed word for counting.
    pub fn label(&self) -> &'static str {
        match self.problem {
            Problem::Header { .. } => "object-header",
            Problem::Qualifier => "object-qualifier",
            Problem::Backwards => "object-range",
            Problem::Unknown { .. } => "object-unknown",
            Problem::Objects { .. } | Problem::Object { .. } => "object-length",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "object header {}", self.number)?;
        if let Some(name) = self.name {
            write!(f, " (g{}v{})", name.group, name.variation)?;
        }
        write!(f, " at octet {}: ", self.offset)?;
        match self.problem {
            Problem::Header { have, need } => write!(f, "{have} octets follow, {need} needed"),
            Problem::Qualifier => {
                let qualifier = self.name.map_or(0, |name| name.qualifier.0);
                write!(f, "qualifier {qualifier:02x} is reserved or does not fit the object")
            }
            Problem::Backwards => match self.range {
                Some(Range::Span { first, last }) => write!(f, "range from {first} to {last}"),
                _ => f.write_str("range ends before it starts"),
            },
            Problem::Unknown { left } => write!(f, "object of unknown size, {left} octets not decoded"),
            Problem::Objects { count, have, need } => {
                write!(f, "{count} points announced, {have} octets follow, {need} needed")
            }
            Problem::Object { place, have, need } => {
                write!(f, "object {place} has {have} octets, its fields take {need}")
            }
        }
    }
}

impl std::error::Error for Error {}

/// One header with its objects.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    /// What it is.
    pub name: Name,
    /// Which points.
    pub range: Range,
    /// Whether objects follow, rather than names of points alone.
    pub carries: bool,
    /// The library's row, where it has one.
    pub form: Option<&'static Variation>,
    prefix: Prefix,
    unit: Unit,
    octets: &'a [u8],
}

/// How much one object takes, its prefix not counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    /// This many octets, maybe 0.
    Octets(usize),
    /// One bit.
    Bit,
    /// Two bits.
    Two,
    /// As its size prefix says.
    Prefixed,
    /// As its own length octet says (device attributes).
    Counted,
}

/// One point of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Point<'a> {
    /// Its index; where the header has none, its place from 0.
    pub index: u32,
    /// Its object.
    pub content: Content<'a>,
}

/// What an object is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content<'a> {
    /// Whole octets; none where a header only names points.
    Octets(&'a [u8]),
    /// One packed bit.
    Bit(bool),
    /// Two packed bits.
    Two(u8),
}

impl<'a> Block<'a> {
    /// Its points one by one: objects where the block carries them, else the indexes that it lists. A block that
    /// takes no octet per point (a range that is only named, objects without content) yields none: its points are
    /// in its range.
    pub fn points(&self) -> Points<'a> {
        let per_point = self.prefix.octets() > 0 || !matches!(self.unit, Unit::Octets(0));
        let count = if per_point { u32::try_from(self.range.count()).unwrap_or(u32::MAX) } else { 0 };
        let first = match self.range {
            Range::Span { first, .. } => first,
            Range::All | Range::Count(_) => 0,
        };
        Points { prefix: self.prefix, unit: self.unit, octets: self.octets, first, count, place: 0 }
    }

    /// Whether each point states its index.
    pub fn is_indexed(&self) -> bool {
        matches!(self.prefix, Prefix::Index(_))
    }
}

/// The points of a block.
#[derive(Clone, Debug)]
pub struct Points<'a> {
    prefix: Prefix,
    unit: Unit,
    octets: &'a [u8],
    first: u32,
    count: u32,
    place: u32,
}

impl<'a> Iterator for Points<'a> {
    type Item = Point<'a>;

    fn next(&mut self) -> Option<Point<'a>> {
        if self.place >= self.count {
            return None;
        }
        let place = self.place;
        self.place += 1;
        let mut index = self.first.wrapping_add(place);
        if let Unit::Bit | Unit::Two = self.unit {
            let width = if self.unit == Unit::Bit { 1 } else { 2 };
            let bit = place as usize * width;
            let octet = self.octets.get(bit / 8)? >> (bit % 8);
            let content = if width == 1 { Content::Bit(octet & 1 == 1) } else { Content::Two(octet & 3) };
            return Some(Point { index, content });
        }
        let mut size = 0;
        match self.prefix {
            Prefix::None => {}
            Prefix::Index(octets) => (index, self.octets) = number(self.octets, octets)?,
            Prefix::Size(octets) => (size, self.octets) = number(self.octets, octets)?,
        }
        let octets = match self.unit {
            Unit::Octets(octets) => octets,
            Unit::Prefixed => size as usize,
            Unit::Counted => attribute_octets(self.octets)?,
            Unit::Bit | Unit::Two => 0,
        };
        let (object, rest) = self.octets.split_at_checked(octets)?;
        self.octets = rest;
        Some(Point { index, content: Content::Octets(object) })
    }
}

/// A little-endian number of 1, 2 or 4 octets, and what follows it.
fn number(octets: &[u8], width: usize) -> Option<(u32, &[u8])> {
    Some(match width {
        1 => {
            let (octet, rest) = octets.split_first()?;
            (u32::from(*octet), rest)
        }
        2 => {
            let (two, rest) = octets.split_first_chunk::<2>()?;
            (u32::from(u16::from_le_bytes(*two)), rest)
        }
        _ => {
            let (four, rest) = octets.split_first_chunk::<4>()?;
            (u32::from_le_bytes(*four), rest)
        }
    })
}

/// The octets of a device attribute that begins here: data type, length, value (A.1). The extended list counts
/// its value from 256 on.
fn attribute_octets(octets: &[u8]) -> Option<usize> {
    let [kind, length] = octets.first_chunk::<2>()?;
    let more = if *kind == 255 { 256 } else { 0 };
    Some(2 + usize::from(*length) + more)
}

/// Walks the object headers of a fragment. After an error it ends.
#[derive(Clone, Debug)]
pub struct Headers<'a> {
    octets: &'a [u8],
    function: u8,
    offset: usize,
    number: u32,
}

impl<'a> Headers<'a> {
    /// Walks what follows the application header of a message of this function.
    pub fn new(function: u8, octets: &'a [u8]) -> Self {
        Headers { octets, function, offset: 0, number: 0 }
    }

    fn block(&self) -> Result<(Block<'a>, &'a [u8]), Error> {
        let mut error = Error {
            number: self.number,
            offset: self.offset,
            name: None,
            range: None,
            problem: Problem::Header { have: self.octets.len(), need: 3 },
        };
        let Some(([group, variation, qualifier], rest)) = self.octets.split_first_chunk::<3>() else {
            return Err(error);
        };
        let name = Name { group: *group, variation: *variation, qualifier: Qualifier(*qualifier) };
        error.name = Some(name);
        let (range, rest) = range(name.qualifier, rest).map_err(|problem| Error { problem, ..error })?;
        error.range = Some(range);
        let prefix = name.qualifier.prefix().ok_or(Error { problem: Problem::Qualifier, ..error })?;
        if let Range::Span { first, last } = range
            && last < first
        {
            return Err(Error { problem: Problem::Backwards, ..error });
        }
        let form = library::find(name.group, name.variation);
        let sized = matches!(prefix, Prefix::Size(_));
        let carries = sized || (range != Range::All && codes::carries_objects(self.function, name.group));
        let unit =
            unit(name, form, prefix, carries, rest.len()).map_err(|problem| Error { problem, ..error })?;
        let (octets, rest) =
            extent(prefix, unit, form, range.count(), rest).map_err(|problem| Error { problem, ..error })?;
        Ok((Block { name, range, carries, form, prefix, unit, octets }, rest))
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = Result<Block<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.octets.is_empty() {
            return None;
        }
        self.number += 1;
        match self.block() {
            Ok((block, rest)) => {
                self.offset += self.octets.len() - rest.len();
                self.octets = rest;
                Some(Ok(block))
            }
            Err(error) => {
                self.octets = &[];
                Some(Err(error))
            }
        }
    }
}

/// Reads the range field that the qualifier calls for.
fn range(qualifier: Qualifier, octets: &[u8]) -> Result<(Range, &[u8]), Problem> {
    let (width, span) = match qualifier.0 & 0x0f {
        // Virtual addresses (3 to 5) have the form of indexes.
        0 | 3 => (1, true),
        1 | 4 => (2, true),
        2 | 5 => (4, true),
        6 => return Ok((Range::All, octets)),
        7 | 11 => (1, false),
        8 => (2, false),
        9 => (4, false),
        _ => return Err(Problem::Qualifier),
    };
    let short = Problem::Header { have: 3 + octets.len(), need: 3 + width * (1 + usize::from(span)) };
    let (first, rest) = number(octets, width).ok_or(short)?;
    if !span {
        return Ok((Range::Count(first), rest));
    }
    let (last, rest) = number(rest, width).ok_or(short)?;
    Ok((Range::Span { first, last }, rest))
}

/// What one object of this header takes.
fn unit(
    name: Name,
    form: Option<&'static Variation>,
    prefix: Prefix,
    carries: bool,
    left: usize,
) -> Result<Unit, Problem> {
    if matches!(prefix, Prefix::Size(_)) {
        return Ok(Unit::Prefixed);
    }
    if !carries {
        return Ok(Unit::Octets(0));
    }
    let packed = |unit| if prefix == Prefix::None { Ok(unit) } else { Err(Problem::Qualifier) };
    match form.map(|form| (form.layout, form.octets)) {
        Some((Layout::Bit, _)) => packed(Unit::Bit),
        Some((Layout::DoubleBit, _)) => packed(Unit::Two),
        Some((Layout::Fixed, octets)) => Ok(Unit::Octets(octets)),
        Some((Layout::ByVariation(_), _)) => Ok(Unit::Octets(usize::from(name.variation))),
        Some((Layout::Attribute, _)) => Ok(Unit::Counted),
        Some((Layout::Nothing, _)) => Ok(Unit::Octets(0)),
        // Its size has to be said, and the qualifier does not say it.
        Some((Layout::Free, _)) => Err(Problem::Qualifier),
        None => Err(Problem::Unknown { left }),
    }
}

/// Cuts off the octets of all objects of a header, after checking that they are there.
fn extent<'a>(
    prefix: Prefix,
    unit: Unit,
    form: Option<&'static Variation>,
    count: u64,
    octets: &'a [u8],
) -> Result<(&'a [u8], &'a [u8]), Problem> {
    let have = octets.len();
    let need = match unit {
        Unit::Bit => count.div_ceil(8),
        Unit::Two => count.div_ceil(4),
        Unit::Octets(size) => count.saturating_mul((prefix.octets() + size) as u64),
        Unit::Prefixed | Unit::Counted => return walked(prefix, unit, form, count, octets),
    };
    usize::try_from(need).ok().and_then(|need| octets.split_at_checked(need)).ok_or(Problem::Objects {
        count,
        have,
        need,
    })
}

/// The same for objects that have to be walked to know their size.
fn walked<'a>(
    prefix: Prefix,
    unit: Unit,
    form: Option<&'static Variation>,
    count: u64,
    octets: &'a [u8],
) -> Result<(&'a [u8], &'a [u8]), Problem> {
    let least =
        form.filter(|form| matches!(form.layout, Layout::Fixed | Layout::Free)).map_or(0, |form| form.octets);
    let count_32 = u32::try_from(count).unwrap_or(u32::MAX);
    let mut points = Points { prefix, unit, octets, first: 0, count: count_32, place: 0 };
    for place in 1..=count_32 {
        let left = points.octets;
        let Some(point) = points.next() else {
            let (size, head) = match prefix {
                Prefix::Size(width) => {
                    number(left, width).map_or((0, width), |(size, _)| (size as usize, width))
                }
                _ => (attribute_octets(left).unwrap_or(2), prefix.octets()),
            };
            return Err(Problem::Object { place, have: left.len(), need: size.saturating_add(head) });
        };
        if let Content::Octets(object) = point.content
            && object.len() < least
        {
            return Err(Problem::Object { place, have: object.len(), need: least });
        }
    }
    let used = octets.len() - points.octets.len();
    octets.split_at_checked(used).ok_or(Problem::Unknown { left: octets.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn blocks(function: u8, octets: &[u8]) -> Vec<Result<Block<'_>, Error>> {
        Headers::new(function, octets).collect()
    }

    fn points<'a>(block: &Block<'a>) -> Vec<(u32, Content<'a>)> {
        block.points().map(|point| (point.index, point.content)).collect()
    }

    #[test]
    fn a_read_names_points_and_carries_none() {
        let read = [60, 2, 0x06, 30, 1, 0x00, 3, 7, 1, 0, 0x17, 2, 5, 9, 20, 0, 0x08, 0x10, 0x00];
        let blocks: Vec<_> = blocks(1, &read).into_iter().map(Result::unwrap).collect();
        assert_eq!(blocks.len(), 4);
        assert_eq!(blocks[0].range, Range::All);
        assert_eq!(blocks[1].range, Range::Span { first: 3, last: 7 });
        assert_eq!(points(&blocks[1]), []);
        assert_eq!(points(&blocks[2]), [(5, Content::Octets(&[])), (9, Content::Octets(&[]))]);
        assert_eq!((blocks[3].range, blocks[3].carries), (Range::Count(16), false));
    }

    #[test]
    fn objects_are_cut_at_their_size() {
        let response = [30, 4, 0x00, 1, 2, 0x0a, 0x00, 0x0b, 0x00, 2, 1, 0x28, 1, 0, 7, 0, 0x81];
        let blocks: Vec<_> = blocks(129, &response).into_iter().map(Result::unwrap).collect();
        assert_eq!(
            points(&blocks[0]),
            [(1, Content::Octets(&[0x0a, 0x00])), (2, Content::Octets(&[0x0b, 0x00]))]
        );
        assert_eq!(points(&blocks[1]), [(7, Content::Octets(&[0x81]))]);
        assert!(blocks[1].is_indexed());
    }

    #[test]
    fn packed_objects_start_at_the_lowest_bit() {
        let response = [1, 1, 0x00, 8, 17, 0b0000_0101, 0b10, 3, 1, 0x00, 0, 4, 0b1110_0100, 0b01];
        let blocks: Vec<_> = blocks(129, &response).into_iter().map(Result::unwrap).collect();
        let on: Vec<u32> =
            blocks[0].points().filter(|p| p.content == Content::Bit(true)).map(|p| p.index).collect();
        assert_eq!(on, [8, 10, 17]);
        assert_eq!(
            points(&blocks[1]).iter().map(|(_, content)| *content).collect::<Vec<_>>(),
            [0, 1, 2, 3, 1].map(Content::Two)
        );
    }

    #[test]
    fn sizes_before_objects_are_followed_even_where_the_group_is_unknown() {
        let response = [200, 1, 0x5b, 2, 2, 0, 0xaa, 0xbb, 1, 0, 0xcc, 60, 1, 0x06];
        let blocks: Vec<_> = blocks(129, &response).into_iter().map(Result::unwrap).collect();
        assert_eq!(points(&blocks[0]), [(0, Content::Octets(&[0xaa, 0xbb])), (1, Content::Octets(&[0xcc]))]);
        assert_eq!(blocks[1].name.group, 60);
    }

    #[test]
    fn device_attributes_say_their_own_length() {
        let response = [0, 252, 0x00, 0, 0, 1, 4, b'A', b'c', b'm', b'e', 0, 250, 0x00, 0, 0, 1, 0];
        let blocks: Vec<_> = blocks(129, &response).into_iter().map(Result::unwrap).collect();
        assert_eq!(points(&blocks[0]), [(0, Content::Octets(b"\x01\x04Acme"))]);
        assert_eq!(points(&blocks[1]), [(0, Content::Octets(&[1, 0]))]);
    }

    #[test]
    fn the_errors_say_what_and_where() {
        let said = |function, octets: &[u8]| {
            let error = blocks(function, octets).pop().unwrap().unwrap_err();
            format!("{}: {error}", error.label())
        };
        assert_eq!(
            said(129, &[60, 1, 6, 30, 1, 0, 0, 4, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
            "object-length: object header 2 (g30v1) at octet 3: 5 points announced, 12 octets follow, 25 needed"
        );
        assert_eq!(said(1, &[30, 1]), "object-header: object header 1 at octet 0: 2 octets follow, 3 needed");
        assert_eq!(
            said(1, &[30, 1, 1, 0, 0]),
            "object-header: object header 1 (g30v1) at octet 0: 5 octets follow, 7 needed"
        );
        assert_eq!(
            said(1, &[30, 1, 0, 9, 3]),
            "object-range: object header 1 (g30v1) at octet 0: range from 9 to 3"
        );
        assert_eq!(
            said(129, &[30, 99, 0, 0, 0, 1]),
            "object-unknown: object header 1 (g30v99) at octet 0: object of unknown size, 1 octets not decoded"
        );
        assert_eq!(
            said(25, &[70, 3, 0x5b, 1, 4, 0, 1, 2, 3, 4]),
            "object-length: object header 1 (g70v3) at octet 0: object 1 has 4 octets, its fields take 26"
        );
        assert_eq!(
            said(1, &[30, 1, 0x7f]),
            "object-qualifier: object header 1 (g30v1) at octet 0: \
             qualifier 7f is reserved or does not fit the object"
        );
    }

    #[test]
    fn a_huge_range_of_nothing_costs_nothing() {
        let write = [112, 0, 0x02, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];
        let blocks: Vec<_> = blocks(2, &write).into_iter().map(Result::unwrap).collect();
        assert_eq!(points(&blocks[0]), []);
        assert_eq!(blocks[0].range.count(), 1 << 32);
    }

    proptest! {
        #[test]
        fn any_octets_are_walked_to_an_end(function: u8, octets in proptest::collection::vec(any::<u8>(), 0..300)) {
            for block in Headers::new(function, &octets).flatten() {
                let points = block.points().count() as u64;
                prop_assert!(points == 0 || points == block.range.count());
            }
        }
    }
}
