//! What can be wrong with a message, as the word that is counted and the sentence that a person reads.

use super::framer::Piece;
use super::wire::application::TooShort;
use super::wire::link::{BlockError, Header, HeaderError};
use super::wire::objects;
use std::fmt;

/// What is wrong.
#[derive(Clone, Copy, Debug)]
pub enum Trouble<'a> {
    /// A link header.
    Header(HeaderError),
    /// A block of user data.
    Block(BlockError),
    /// Octets outside of frames: how many, where, the first of them, whether more follow.
    Garbage(u64, u64, &'a [u8], bool),
    /// Octets, and not one frame: how many, the first of them.
    Foreign(u64, &'a [u8]),
    /// A frame cut short: octets there, octets needed.
    Incomplete(usize, usize),
    /// A link function that carries no user data came with some: its code, octets.
    Unexpected(u8, usize),
    /// A frame for user data has none, not even a transport header.
    Empty,
    /// A segment out of sequence: the one expected, the one that came, segments and octets dropped.
    Sequence(u8, u8, u32, usize),
    /// A segment that continues nothing: its sequence number.
    Stray(u8),
    /// A new fragment began before the last segment of this one: segments, octets.
    Abandoned(u32, usize),
    /// A fragment longer than is kept: octets.
    Oversize(usize),
    /// The application header.
    Application(TooShort),
    /// An object header or its objects.
    Object(objects::Error),
    /// More points than are taken from one message.
    Points(usize),
}

impl<'a> Trouble<'a> {
    /// What a piece that is no good frame is about, with the link header where there is one.
    pub fn of(piece: Piece<'a>) -> Option<(Option<Header>, Trouble<'a>)> {
        Some(match piece {
            Piece::Frame { .. } => return None,
            Piece::BadBlock { header, error } => (Some(header), Trouble::Block(error)),
            Piece::BadHeader(error) => (None, Trouble::Header(error)),
            Piece::Garbage { octets, offset, head, more } => {
                (None, Trouble::Garbage(octets, offset, head, more))
            }
            Piece::Foreign { octets, head } => (None, Trouble::Foreign(octets, head)),
            Piece::Incomplete { header, have, need } => (header, Trouble::Incomplete(have, need)),
        })
    }

    /// The fixed word for counting.
    pub fn label(&self) -> &'static str {
        match self {
            Trouble::Header(HeaderError::Crc { .. }) | Trouble::Block(_) => "bad-crc",
            Trouble::Header(HeaderError::Length(_)) | Trouble::Unexpected(..) | Trouble::Empty => {
                "link-length"
            }
            Trouble::Garbage(..) => "non-protocol-bytes",
            Trouble::Foreign(..) => "not-dnp3",
            Trouble::Incomplete(..) => "incomplete",
            Trouble::Sequence(..) | Trouble::Stray(_) | Trouble::Abandoned(..) => "transport-sequence",
            Trouble::Oversize(_) => "fragment-length",
            Trouble::Application(_) => "application-header",
            Trouble::Object(error) => error.label(),
            Trouble::Points(_) => "too-many-points",
        }
    }
}

impl fmt::Display for Trouble<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Trouble::Header(error) => error.fmt(f),
            Trouble::Block(error) => error.fmt(f),
            Trouble::Garbage(octets, offset, head, more) => {
                let more = if more { " and more" } else { "" };
                write!(f, "{octets}{more} octets that belong to no link frame, from offset {offset}: ")?;
                hex(head, octets, f)
            }
            Trouble::Foreign(octets, head) => {
                write!(f, "no link frame in the first {octets} octets: ")?;
                hex(head, octets, f)
            }
            Trouble::Incomplete(have, need) => write!(f, "link frame of {need} octets ends after {have}"),
            Trouble::Unexpected(function, octets) => {
                write!(f, "link function {function} carries no user data, but {octets} octets came")
            }
            Trouble::Empty => f.write_str("user data frame without a transport header"),
            Trouble::Sequence(expected, came, segments, octets) => write!(
                f,
                "transport segment {came} where {expected} was due; {segments} segments with {octets} octets dropped"
            ),
            Trouble::Stray(sequence) => write!(f, "transport segment {sequence} continues no fragment"),
            Trouble::Abandoned(segments, octets) => {
                write!(
                    f,
                    "fragment never finished: {segments} segments with {octets} octets, then a new one began"
                )
            }
            Trouble::Oversize(octets) => write!(f, "application fragment longer than {octets} octets"),
            Trouble::Application(error) => error.fmt(f),
            Trouble::Object(error) => error.fmt(f),
            Trouble::Points(points) => write!(f, "more than {points} points or values in one message"),
        }
    }
}

fn hex(head: &[u8], of: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (at, octet) in head.iter().enumerate() {
        write!(f, "{}{octet:02x}", if at == 0 { "" } else { " " })?;
    }
    f.write_str(if of > head.len() as u64 { " …" } else { "" })
}
