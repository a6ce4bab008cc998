//! The application service data unit: a header, then information objects, each with its address or one after the
//! other from a first address on (IEC 60870-5-101:2003, 7.1 and 7.2).

use super::super::library::{self, Type};
use std::fmt;

/// How many octets a plant has for what the standard leaves open (IEC 60870-5-101, 7.2.3 to 7.2.5; IEC 60870-5-104
/// fixes them to 2, 2 and 3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    /// Cause of transmission: 2 with an originator address, 1 without.
    pub cause: u8,
    /// Common address: 1 or 2.
    pub common: u8,
    /// Information object address: 1, 2 or 3.
    pub object: u8,
}

impl Sizes {
    /// Those of IEC 60870-5-104.
    pub const STANDARD: Sizes = Sizes { cause: 2, common: 2, object: 3 };

    /// Octets before the first object address.
    pub const fn header(self) -> usize {
        2 + self.cause as usize + self.common as usize
    }
}

/// An ASDU, its header read.
#[derive(Clone, Copy, Debug)]
pub struct Asdu<'a> {
    /// Type identification.
    pub type_id: u8,
    /// SQ: one address, and elements that count on from it.
    pub sequence: bool,
    /// How many objects or elements it says to have.
    pub number: u8,
    /// Cause of transmission.
    pub cause: u8,
    /// P/N: refused.
    pub negative: bool,
    /// T: only a test.
    pub test: bool,
    /// Originator address; `None` where the cause has one octet.
    pub originator: Option<u8>,
    /// Common address: the station.
    pub common: u16,
    /// The objects.
    pub body: &'a [u8],
    /// The sizes that it was read by.
    pub sizes: Sizes,
}

/// One object of an ASDU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Object<'a> {
    /// Its address.
    pub address: u32,
    /// Its elements.
    pub octets: &'a [u8],
}

/// What can be wrong with an ASDU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Too short for its header: octets there, octets needed.
    Header(usize, usize),
    /// It says to have no object.
    Empty,
    /// Too short for its objects: how many it says, octets there, octets needed.
    Objects(u8, usize, usize),
    /// Octets after its last object.
    Surplus(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Header(have, need) => {
                write!(f, "{have} octets of ASDU, where its header and an object address take {need}")
            }
            Fault::Empty => write!(f, "the number of objects is 0"),
            Fault::Objects(number, have, need) => {
                write!(f, "{number} objects announced, {have} octets follow, {need} needed")
            }
            Fault::Surplus(octets) => write!(f, "{octets} octets after the last object"),
        }
    }
}

impl<'a> Asdu<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// [`Fault::Header`] where the octets are too few for it.
    pub fn parse(octets: &'a [u8], sizes: Sizes) -> Result<Asdu<'a>, Fault> {
        let short = Fault::Header(octets.len(), sizes.header() + usize::from(sizes.object));
        let (&[type_id, qualifier, cause], rest) = octets.split_first_chunk::<3>().ok_or(short)?;
        let (originator, rest) = match sizes.cause {
            1 => (None, rest),
            _ => rest.split_first().map(|(octet, rest)| (Some(*octet), rest)).ok_or(short)?,
        };
        let (common, body) = match (sizes.common, rest) {
            (1, [common, body @ ..]) => (u16::from(*common), body),
            (2, [low, high, body @ ..]) => (u16::from_le_bytes([*low, *high]), body),
            _ => return Err(short),
        };
        Ok(Asdu {
            type_id,
            sequence: qualifier & 0x80 != 0,
            number: qualifier & 0x7f,
            cause: cause & 0x3f,
            negative: cause & 0x40 != 0,
            test: cause & 0x80 != 0,
            originator,
            common,
            body,
            sizes,
        })
    }

    /// Its type, where the standards define it.
    pub fn row(&self) -> Option<&'static Type> {
        library::find(self.type_id)
    }

    /// Whether the common address means every station behind the connection (7.2.4).
    pub fn is_global(&self) -> bool {
        self.common == if self.sizes.common == 1 { 0xff } else { 0xffff }
    }

    /// The objects as far as there are octets for them; of an unknown type the address of the first alone.
    pub fn objects(&self) -> Objects<'a> {
        let row = self.row();
        let left = match row {
            Some(row) if row.has_objects() => self.number,
            Some(_) => 0,
            None => self.number.min(1),
        };
        Objects { row, sequence: self.sequence, size: self.sizes.object, left, next: None, rest: self.body }
    }

    /// What is wrong with how long it is. What an unknown type needs is not known.
    pub fn fault(&self) -> Option<Fault> {
        let address = usize::from(self.sizes.object);
        let header = Fault::Header(self.sizes.header() + self.body.len(), self.sizes.header() + address);
        let Some(row) = self.row() else {
            return (self.body.len() < address).then_some(header);
        };
        if !row.has_objects() {
            return None;
        }
        if self.number == 0 {
            return Some(Fault::Empty);
        }
        let (number, have) = (usize::from(self.number), self.body.len());
        if !row.is_fixed() {
            let mut objects = self.objects();
            let found = objects.by_ref().count();
            let need = address + row.octets();
            return match found < number {
                true => Some(Fault::Objects(self.number, have, have - objects.rest.len() + need)),
                false => (!objects.rest.is_empty()).then_some(Fault::Surplus(objects.rest.len())),
            };
        }
        let addresses = if self.sequence { address } else { address * number };
        let need = addresses + number * row.octets();
        match have {
            _ if have < need => Some(Fault::Objects(self.number, have, need)),
            _ if have > need => Some(Fault::Surplus(have - need)),
            _ => None,
        }
    }
}

/// Walks the objects of an ASDU; it ends early where the octets do.
#[derive(Clone, Debug)]
pub struct Objects<'a> {
    row: Option<&'static Type>,
    sequence: bool,
    size: u8,
    left: u8,
    /// The address of the next element of a sequence.
    next: Option<u32>,
    rest: &'a [u8],
}

impl<'a> Iterator for Objects<'a> {
    type Item = Object<'a>;

    #[inline]
    fn next(&mut self) -> Option<Object<'a>> {
        self.left = self.left.checked_sub(1)?;
        let address = match self.next {
            Some(address) => address,
            None => self.address()?,
        };
        if self.sequence {
            // The addresses of a sequence count on within the octets that an address has.
            self.next = Some((address + 1) & (u32::MAX >> (32 - 8 * u32::from(self.size.clamp(1, 3)))));
        }
        let octets = match self.row {
            Some(row) => {
                let least = row.octets();
                let segment =
                    || self.rest.get(least.wrapping_sub(1)).map_or(0, |length| usize::from(*length));
                let whole = if row.is_fixed() { least } else { least + segment() };
                let (octets, rest) = self.rest.split_at_checked(whole)?;
                self.rest = rest;
                octets
            }
            None => std::mem::take(&mut self.rest),
        };
        Some(Object { address, octets })
    }
}

impl Objects<'_> {
    #[inline]
    fn address(&mut self) -> Option<u32> {
        let (address, rest) = match (self.size, self.rest) {
            (1, [a, rest @ ..]) => (u32::from(*a), rest),
            (2, [a, b, rest @ ..]) => (u32::from_le_bytes([*a, *b, 0, 0]), rest),
            (3, [a, b, c, rest @ ..]) => (u32::from_le_bytes([*a, *b, *c, 0]), rest),
            _ => return None,
        };
        self.rest = rest;
        Some(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asdu(octets: &[u8]) -> Asdu<'_> {
        Asdu::parse(octets, Sizes::STANDARD).unwrap()
    }

    fn addresses(asdu: &Asdu<'_>) -> Vec<u32> {
        asdu.objects().map(|object| object.address).collect()
    }

    #[test]
    fn objects_with_an_address_each() {
        // Two short floating point numbers, periodic, station 3.
        let octets = [13, 2, 1, 0, 3, 0, 0x14, 5, 0, 0, 0, 0x80, 0x3f, 0, 0x15, 5, 1, 0, 0, 0, 0xc0, 0x80];
        let unit = asdu(&octets);
        assert_eq!((unit.type_id, unit.sequence, unit.number), (13, false, 2));
        assert_eq!((unit.cause, unit.negative, unit.test), (1, false, false));
        assert_eq!((unit.originator, unit.common, unit.fault()), (Some(0), 3, None));
        let objects: Vec<Object<'_>> = unit.objects().collect();
        assert_eq!(objects[0], Object { address: 1300, octets: &[0, 0, 0x80, 0x3f, 0] });
        assert_eq!(objects[1], Object { address: 0x1_0515, octets: &[0, 0, 0, 0xc0, 0x80] });
    }

    #[test]
    fn a_sequence_has_one_address_and_counts_on() {
        let octets = [1, 0x83, 20, 1, 0x1e, 4, 0xff, 0xff, 0xff, 1, 0, 0x81];
        let unit = asdu(&octets);
        assert_eq!((unit.sequence, unit.number, unit.fault()), (true, 3, None));
        assert_eq!(addresses(&unit), [0xff_ffff, 0, 1]);
        assert_eq!((unit.originator, unit.common), (Some(1), 1054));
    }

    #[test]
    fn the_bits_of_the_cause_are_apart() {
        let octets = [45, 1, 0xc7, 9, 0xff, 0xff, 1, 0, 0, 0x81];
        let unit = asdu(&octets);
        assert_eq!((unit.cause, unit.negative, unit.test), (7, true, true));
        assert!(unit.is_global());
    }

    #[test]
    fn smaller_sizes_are_read_by_what_they_are() {
        let sizes = Sizes { cause: 1, common: 1, object: 2 };
        let unit = Asdu::parse(&[1, 1, 3, 0xff, 0x34, 0x12, 1], sizes).unwrap();
        assert_eq!((unit.originator, unit.common, unit.is_global()), (None, 255, true));
        assert_eq!((addresses(&unit), unit.fault()), (vec![0x1234], None));
    }

    #[test]
    fn lengths_are_compared_with_what_is_there() {
        assert_eq!(Asdu::parse(&[1, 1, 3], Sizes::STANDARD).unwrap_err(), Fault::Header(3, 9));
        assert_eq!(Asdu::parse(&[1, 1, 3, 0, 1], Sizes::STANDARD).unwrap_err(), Fault::Header(5, 9));
        assert_eq!(asdu(&[1, 0, 3, 0, 1, 0]).fault(), Some(Fault::Empty));
        assert_eq!(asdu(&[1, 2, 3, 0, 1, 0, 7, 0, 0, 1, 8, 0]).fault(), Some(Fault::Objects(2, 6, 8)));
        assert_eq!(addresses(&asdu(&[1, 2, 3, 0, 1, 0, 7, 0, 0, 1, 8, 0])), [7]);
        assert_eq!(asdu(&[1, 1, 3, 0, 1, 0, 7, 0, 0, 1, 8]).fault(), Some(Fault::Surplus(1)));
        assert_eq!(asdu(&[1, 0xff, 3, 0, 1, 0, 7, 0, 0, 1]).fault(), Some(Fault::Objects(127, 4, 130)));
    }

    #[test]
    fn a_segment_is_as_long_as_it_says() {
        let segment =
            |length: u8, octets: &[u8]| [&[125, 1, 13, 0, 1, 0, 9, 0, 0, 2, 0, 1, length], octets].concat();
        let octets = segment(3, b"abc");
        assert_eq!(asdu(&octets).fault(), None);
        assert_eq!(asdu(&octets).objects().next().map(|object| object.octets.len()), Some(7));
        assert_eq!(asdu(&segment(2, b"abc")).fault(), Some(Fault::Surplus(1)));
        assert!(matches!(asdu(&segment(4, b"abc")).fault(), Some(Fault::Objects(1, 10, _))));
    }

    #[test]
    fn what_nobody_defined_is_kept() {
        let unit = [200, 5, 3, 0, 1, 0, 7, 0, 0, 1, 2, 3];
        assert_eq!(asdu(&unit).fault(), None);
        assert_eq!(asdu(&unit).objects().collect::<Vec<_>>(), [Object { address: 7, octets: &[1, 2, 3] }]);
        assert_eq!(asdu(&[200, 5, 3, 0, 1, 0, 7]).fault(), Some(Fault::Header(7, 9)));
        let security = [81, 1, 14, 0, 1, 0, 0xc0, 1, 2, 3];
        assert_eq!((asdu(&security).fault(), asdu(&security).objects().count()), (None, 0));
    }
}
