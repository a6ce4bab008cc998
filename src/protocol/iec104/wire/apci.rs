//! The control information before every unit: start octet, length, four control octets (IEC 60870-5-104:2006, 5).

use super::super::codes;
use std::fmt;

/// The first octet of every unit.
pub const START: u8 = 0x68;
/// Octets of start, length and control fields.
pub const HEADER: usize = 6;
/// What the length octet says at least: the control fields alone.
pub const LENGTH_MIN: u8 = 4;
/// What it says at most.
pub const LENGTH_MAX: u8 = 253;
/// Octets of the longest unit.
pub const MAX_FRAME: usize = LENGTH_MAX as usize + 2;
/// Sequence numbers go from 0 to one less, then start again.
pub const MODULUS: u16 = 0x8000;

/// The control fields (5.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Control {
    /// Numbered information transfer: an ASDU follows.
    I {
        /// N(S): the number of this unit.
        send: u16,
        /// N(R): the number of the next unit that is expected; all before it are acknowledged.
        recv: u16,
    },
    /// Numbered supervisory function: acknowledges.
    S {
        /// N(R), as in I.
        recv: u16,
    },
    /// Unnumbered control function.
    U {
        /// The first control octet.
        function: u8,
    },
}

impl Control {
    /// The word in events.
    pub fn name(self) -> &'static str {
        match self {
            Control::I { .. } => "I",
            Control::S { .. } => "S",
            Control::U { .. } => "U",
        }
    }

    /// Reads the four control octets. Bits that have to be 0 are not looked at.
    pub fn parse(octets: [u8; 4]) -> Control {
        let [first, second, third, fourth] = octets;
        let number = |low, high| u16::from_le_bytes([low, high]) >> 1;
        match first & 3 {
            1 => Control::S { recv: number(third, fourth) },
            3 => Control::U { function: first },
            _ => Control::I { send: number(first, second), recv: number(third, fourth) },
        }
    }

    /// Whether exactly these four octets say this: what has to be 0 is, and the function of a U frame is one of the
    /// standard's.
    pub fn is_exact(self, octets: [u8; 4]) -> bool {
        match self {
            Control::I { .. } => octets[2] & 1 == 0,
            Control::S { .. } => octets[0] == 1 && octets[1] == 0 && octets[2] & 1 == 0,
            Control::U { function } => codes::control_name(function).is_some() && octets[1..] == [0, 0, 0],
        }
    }
}

/// A whole unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Apdu<'a> {
    /// What its control fields say.
    pub control: Control,
    /// The control fields as they are.
    pub octets: [u8; 4],
    /// What follows them.
    pub asdu: &'a [u8],
}

impl<'a> Apdu<'a> {
    /// Reads one whole unit; `None` where it has no six octets.
    pub fn parse(frame: &'a [u8]) -> Option<Apdu<'a>> {
        let ([_, _, octets @ ..], asdu) = frame.split_first_chunk::<HEADER>()?;
        Some(Apdu { control: Control::parse(*octets), octets: *octets, asdu })
    }

    /// What is wrong with the control fields and with how much follows them.
    pub fn fault(&self) -> Option<Fault> {
        match self.control {
            control if !control.is_exact(self.octets) => Some(Fault::Control(self.octets)),
            Control::S { .. } | Control::U { .. } if !self.asdu.is_empty() => {
                Some(Fault::Unexpected(self.asdu.len()))
            }
            _ => None,
        }
    }
}

/// What can be wrong with the control information.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A length octet that no unit has.
    Length(u8),
    /// Control fields with bits that have to be 0, or with a function that is none.
    Control([u8; 4]),
    /// Octets after the control fields of a unit that has none.
    Unexpected(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Length(length) => {
                write!(f, "length {length} in the APCI, which goes from {LENGTH_MIN} to {LENGTH_MAX}")
            }
            Fault::Control([a, b, c, d]) => {
                write!(
                    f,
                    "control fields {a:02x} {b:02x} {c:02x} {d:02x} say nothing that the standard defines"
                )
            }
            Fault::Unexpected(octets) => {
                write!(f, "{octets} octets after the control fields of a unit that carries no ASDU")
            }
        }
    }
}

/// What stands at the start of some octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begin {
    /// Too little to tell.
    Short,
    /// A unit of so many octets, those of start and length included.
    Unit(usize),
    /// A start octet with a length that no unit has.
    Wrong(u8),
    /// No start octet.
    Other,
}

/// Looks for a unit at the very start of some octets.
pub fn begin(octets: &[u8]) -> Begin {
    match octets {
        [] | [START] => Begin::Short,
        [START, length @ LENGTH_MIN..=LENGTH_MAX, ..] => Begin::Unit(usize::from(*length) + 2),
        [START, length, ..] => Begin::Wrong(*length),
        _ => Begin::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(octets: [u8; 4]) -> Control {
        Control::parse(octets)
    }

    #[test]
    fn sequence_numbers_have_fifteen_bits_and_the_low_octet_first() {
        assert_eq!(control([0x04, 0x00, 0x02, 0x00]), Control::I { send: 2, recv: 1 });
        assert_eq!(control([0xfe, 0xff, 0x00, 0x01]), Control::I { send: 0x7fff, recv: 128 });
        assert_eq!(control([0x01, 0x00, 0x9a, 0x00]), Control::S { recv: 77 });
    }

    #[test]
    fn unnumbered_functions_are_told_by_their_octet() {
        for (octet, name) in [
            (0x07, "startdt-act"),
            (0x0b, "startdt-con"),
            (0x13, "stopdt-act"),
            (0x23, "stopdt-con"),
            (0x43, "testfr-act"),
            (0x83, "testfr-con"),
        ] {
            let octets = [octet, 0, 0, 0];
            assert!(control(octets).is_exact(octets));
            assert_eq!(codes::control_name(octet), Some(name));
        }
    }

    #[test]
    fn what_has_to_be_zero_is_looked_at() {
        let fault = |frame: &[u8]| Apdu::parse(frame).unwrap().fault();
        assert_eq!(fault(&[0x68, 4, 0x43, 0, 0, 0]), None);
        assert_eq!(fault(&[0x68, 4, 0x47, 0, 0, 0]), Some(Fault::Control([0x47, 0, 0, 0])));
        assert_eq!(fault(&[0x68, 4, 0x43, 0, 0, 1]), Some(Fault::Control([0x43, 0, 0, 1])));
        assert_eq!(fault(&[0x68, 4, 0x01, 0, 3, 0]), Some(Fault::Control([1, 0, 3, 0])));
        assert_eq!(fault(&[0x68, 5, 0x01, 0, 2, 0, 9]), Some(Fault::Unexpected(1)));
        assert_eq!(fault(&[0x68, 4, 0, 0, 1, 0]), Some(Fault::Control([0, 0, 1, 0])));
    }

    #[test]
    fn a_unit_begins_with_its_start_octet_and_a_length_that_is_one() {
        assert_eq!(begin(&[]), Begin::Short);
        assert_eq!(begin(&[0x68]), Begin::Short);
        assert_eq!(begin(&[0x68, 4]), Begin::Unit(6));
        assert_eq!(begin(&[0x68, 253, 0]), Begin::Unit(255));
        assert_eq!(begin(&[0x68, 3]), Begin::Wrong(3));
        assert_eq!(begin(&[0x68, 254]), Begin::Wrong(254));
        assert_eq!(begin(&[0x67, 4]), Begin::Other);
    }
}
