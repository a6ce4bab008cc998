//! Modbus over TCP and UDP.
//!
//! MODBUS Application Protocol V1.1b3, MODBUS Messaging on TCP/IP V1.0b, and MODBUS over Serial Line V1.02 as gateways
//! carry it. [`wire`] reads headers and PDUs,
//! [`session`] frames a conversation and pairs its requests and responses, [`codes`] has the names, and
//! `meaning` turns a message into an [`Event`](crate::event::Event).

pub mod codes;
mod meaning;
pub mod serial;
pub mod session;
pub mod wire;

use super::{Probe, Protocol};
use crate::address::Transport;
use crate::event::{PointRange, Space, Vocabulary};
use std::fmt;
use wire::{Header, Pdu, Role};

/// The registry entry.
pub const PROTOCOL: Protocol = Protocol {
    words: &WORDS,
    tcp_ports: &[502],
    udp_ports: &[502],
    probe,
    open: |_| Box::new(session::ModbusSession::default()),
};

/// Coils: single bits, read and write.
pub const COIL: Space = Space(0);
/// Discrete inputs: single bits, read only.
pub const DISCRETE: Space = Space(1);
/// Input registers: 16 bits, read only.
pub const INPUT: Space = Space(2);
/// Holding registers: 16 bits, read and write.
pub const HOLDING: Space = Space(3);
/// File records: the file number in the upper 16 bits of the index, the record number in the lower.
pub const FILE: Space = Space(4);
/// FIFO queues, by the address of their pointer.
pub const FIFO: Space = Space(5);

/// Names of the spaces, in the order of their numbers.
const SPACES: &[&str] = &["coil", "discrete", "input", "holding", "file", "fifo"];
/// The same for one and for several, in an operator's words.
const SPACES_SAID: &[(&str, &str)] = &[
    ("coil", "coils"),
    ("discrete input", "discrete inputs"),
    ("input register", "input registers"),
    ("holding register", "holding registers"),
    ("file record", "file records"),
    ("FIFO queue", "FIFO queues"),
];

/// What Modbus calls things.
pub static WORDS: Vocabulary = Vocabulary {
    id: 0,
    name: "modbus",
    title: "Modbus",
    device_key: "unit",
    device_title: "unit",
    // 0 and 255 stand for the server itself (Messaging on TCP/IP V1.0b, 4.4.2), 1 is what most are given.
    names_device: |unit| !matches!(unit, 0 | 1 | 255),
    functions: codes::FUNCTIONS,
    spaces: SPACES,
    write_space: |space, f| f.write_str(SPACES.get(usize::from(space.0)).unwrap_or(&"?")),
    write_point,
    parse_space: |name| {
        let at = SPACES.iter().position(|space| *space == name)?;
        u16::try_from(at).ok().map(Space)
    },
    max_index: u32::MAX - 1,
};

fn write_point(range: PointRange, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (one, several) = SPACES_SAID.get(usize::from(range.space.0)).unwrap_or(&("point", "points"));
    let index = |index: u32, f: &mut fmt::Formatter<'_>| match range.space {
        FILE => write!(f, "{} of file {}", index & 0xffff, index >> 16),
        _ => write!(f, "{index}"),
    };
    if range.is_all() {
        write!(f, "all {several}")
    } else if range.first == range.last {
        write!(f, "{one} ")?;
        index(range.first, f)
    } else {
        write!(f, "{several} ")?;
        index(range.first, f)?;
        f.write_str(" to ")?;
        index(range.last, f)
    }
}

/// Certain where whole messages fill the segment and their fields fit a function of the standard exactly.
fn probe(_: Transport, bytes: &[u8]) -> Probe {
    // A checksum that fits and fields that do: nothing else looks like this.
    if serial::is_rtu(bytes) || matches!(serial::ascii(bytes, None, &mut Vec::new()), serial::Ascii::Frame(_))
    {
        return Probe::Certain;
    }
    // A serial line frame does not say that it is one before it is whole.
    let partial =
        serial::may_be_rtu(bytes) || serial::ascii(bytes, None, &mut Vec::new()) == serial::Ascii::Partial;
    let beginning = |may: bool| if may { Probe::Incomplete } else { Probe::No };
    let Some(header) = Header::parse(bytes) else {
        // The protocol identifier is 0, and so is the upper half of a short length.
        let zeros = bytes.iter().take(5).skip(2).all(|octet| *octet == 0);
        return beginning(zeros || partial);
    };
    if header.fault().is_some() || header.length > wire::LENGTH_MAX {
        return beginning(partial);
    }
    let known = |function: &u8| codes::FUNCTIONS.iter().any(|f| f.code == u16::from(function & 0x7f));
    let Some(pdu) = bytes.get(wire::HEADER..header.message_len()) else {
        return match bytes.get(wire::HEADER) {
            Some(function) if !known(function) => Probe::No,
            _ => Probe::Incomplete,
        };
    };
    let rest = bytes.get(header.message_len()..).unwrap_or_default();
    let follows = Header::parse(rest).is_some_and(|next| next.fault().is_none());
    if !rest.is_empty() && !follows {
        return Probe::No;
    }
    let fits = |role| Pdu::parse(role, pdu).filter(|pdu| pdu.fault.is_none());
    let strong = |pdu: &Pdu<'_>| match pdu.body {
        wire::Body::Raw(_) | wire::Body::Empty | wire::Body::Umas { .. } | wire::Body::Mei { .. } => false,
        wire::Body::Exception(_) | wire::Body::ExceptionStatus(_) | wire::Body::Diagnostic { .. } => false,
        _ => codes::FUNCTIONS.iter().any(|f| f.code == u16::from(pdu.function)),
    };
    match (fits(Role::Request), fits(Role::Response)) {
        (Some(pdu), _) | (_, Some(pdu)) if strong(&pdu) => Probe::Certain,
        (None, None) => Probe::No,
        _ => Probe::Unsure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Verb;

    #[test]
    fn probing_is_strict() {
        let tcp = Transport::Tcp;
        assert_eq!(probe(tcp, &[0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 10]), Probe::Certain);
        assert_eq!(probe(tcp, &[0, 1, 0, 0, 0, 5, 1, 3, 2, 0, 10]), Probe::Certain);
        assert_eq!(
            probe(tcp, &[0, 1, 0, 0, 0, 3, 1, 0x83, 2]),
            Probe::Unsure,
            "an exception alone is little"
        );
        assert_eq!(probe(tcp, &[0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 200]), Probe::No, "quantity");
        assert_eq!(probe(tcp, &[0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0]), Probe::Incomplete);
        assert_eq!(probe(tcp, &[0, 1, 0, 0, 0, 6, 1, 99, 0, 0, 0]), Probe::No);
        assert_eq!(probe(tcp, b"GET / HTTP/1.1\r\n"), Probe::No);
        assert_eq!(probe(tcp, &[3, 0, 0, 31, 2, 0xf0, 0x80, 0x32]), Probe::No, "TPKT");
    }

    #[test]
    fn points_are_said_in_an_operators_words() {
        let range = |space, first, last| PointRange {
            space,
            variant: 0,
            first,
            last,
            verb: Verb::Read,
            valued: false,
        };
        assert_eq!(WORDS.point_name(range(HOLDING, 101, 101)).to_string(), "holding register 101");
        assert_eq!(WORDS.point_name(range(COIL, 0, 9)).to_string(), "coils 0 to 9");
        assert_eq!(WORDS.point_name(range(FILE, 0x4_0001, 0x4_0001)).to_string(), "file record 1 of file 4");
        assert_eq!(WORDS.space_name(INPUT).to_string(), "input");
        assert_eq!((WORDS.parse_space)("discrete"), Some(DISCRETE));
    }
}
