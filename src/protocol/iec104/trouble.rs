//! What can be wrong with a message, as the word that is counted and the sentence that a person reads.

use super::framer::Piece;
use super::wire::{apci, asdu};
use std::fmt;

/// What is wrong.
#[derive(Clone, Copy, Debug)]
pub enum Trouble<'a> {
    /// The control information.
    Apci(apci::Fault),
    /// The ASDU.
    Asdu(asdu::Fault),
    /// A unit that has to carry an ASDU has none.
    Empty,
    /// Octets outside of units: how many, the first of them, whether more follow.
    Garbage(u64, &'a [u8], bool),
    /// Octets, and not one unit: how many, the first of them.
    Foreign(u64, &'a [u8]),
    /// A unit cut short: octets there, octets needed.
    Incomplete(usize, usize),
}

impl<'a> Trouble<'a> {
    /// What a piece that is no unit is about.
    pub fn of(piece: Piece<'a>) -> Option<Trouble<'a>> {
        Some(match piece {
            Piece::Unit(_) => return None,
            Piece::BadLength(length) => Trouble::Apci(apci::Fault::Length(length)),
            Piece::Garbage(octets, head, more) => Trouble::Garbage(octets, head, more),
            Piece::Foreign(octets, head) => Trouble::Foreign(octets, head),
            Piece::Incomplete(have, need) => Trouble::Incomplete(have, need),
        })
    }

    /// The fixed word for counting.
    pub fn label(&self) -> &'static str {
        match self {
            Trouble::Apci(apci::Fault::Control(_)) => "control-field",
            Trouble::Apci(_) => "apci-length",
            Trouble::Asdu(asdu::Fault::Header(..)) | Trouble::Empty => "asdu-header",
            Trouble::Asdu(_) => "object-length",
            Trouble::Garbage(..) => "non-protocol-bytes",
            Trouble::Foreign(..) => "not-iec104",
            Trouble::Incomplete(..) => "incomplete",
        }
    }
}

impl fmt::Display for Trouble<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Apci(fault) => fault.fmt(f),
            Trouble::Asdu(fault) => fault.fmt(f),
            Trouble::Empty => f.write_str("an I frame without an ASDU"),
            Trouble::Garbage(octets, head, more) => {
                let least = if *more { "at least " } else { "" };
                write!(f, "{least}{octets} octets that belong to no unit: ")?;
                hex(head, *octets, f)
            }
            Trouble::Foreign(octets, head) => {
                write!(f, "no unit of IEC 104 in the first {octets} octets: ")?;
                hex(head, *octets, f)
            }
            Trouble::Incomplete(have, need) => write!(f, "unit of {need} octets ends after {have}"),
        }
    }
}

fn hex(head: &[u8], of: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (at, octet) in head.iter().enumerate() {
        write!(f, "{}{octet:02x}", if at == 0 { "" } else { " " })?;
    }
    f.write_str(if of > head.len() as u64 { " …" } else { "" })
}
