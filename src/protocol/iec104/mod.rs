//! IEC 60870-5-104: the ASDUs of IEC 60870-5-101 over TCP.
//!
//! Flows in: stream pieces of one conversation. Flows out: one event for each unit (I, S and U frames). [`wire`] reads
//! octets, [`library`] holds every type's layout in one table, [`codes`] the names; [`session`] is the state of a
//! conversation, on [`framer`] (where units begin), [`sizes`] (how many octets addresses have), [`window`] (sequence
//! numbers), [`exchange`] (orders and their answers) and [`message`] (the protocol's own fields).

pub mod codes;
pub mod exchange;
pub mod framer;
pub mod library;
pub mod meaning;
pub mod message;
pub mod session;
pub mod sizes;
pub mod trouble;
pub mod value;
pub mod window;
pub mod wire;

#[cfg(test)]
mod tests;

use super::{Probe, Protocol};
use crate::address::Transport;
use crate::event::{Space, Vocabulary};
use session::Conversation;
use wire::apci::{self, Apdu, Begin, Control};

/// The registry entry.
pub const PROTOCOL: Protocol = Protocol {
    words: &WORDS,
    tcp_ports: &[2404],
    udp_ports: &[],
    probe,
    open: |_| Box::new(Conversation::default()),
};

/// Information objects, by their address.
pub const OBJECT: Space = Space(0);

/// What IEC 104 calls things.
pub static WORDS: Vocabulary = Vocabulary {
    id: 2,
    name: "iec104",
    title: "IEC 104",
    device_key: "common-address",
    device_title: "common address",
    // 255 and 65535 stand for every station (IEC 60870-5-101, 7.2.4); 1 is what most are given that are alone.
    names_device: |address| !matches!(address, 1 | 0xff | 0xffff),
    functions: &codes::FUNCTIONS,
    spaces: &["ioa"],
    write_space: |_, f| f.write_str("ioa"),
    write_point: message::write_points,
    parse_space: |name| (name == "ioa").then_some(OBJECT),
    max_index: 0xff_ffff,
};

/// Certain where a U frame comes, or an I frame whose ASDU is right in every respect by the sizes of the standard, and
/// whole units follow. Acknowledgements, and ASDUs that are right by other sizes, may be chance.
fn probe(transport: Transport, bytes: &[u8]) -> Probe {
    if transport != Transport::Tcp || bytes.is_empty() {
        return Probe::No;
    }
    let mut found = Probe::Incomplete;
    let mut rest = bytes;
    while let Begin::Unit(whole) = apci::begin(rest) {
        let may_be = |octets: &[u8; 4]| Control::parse(*octets).is_exact(*octets);
        if rest.get(2..apci::HEADER).and_then(|octets| octets.first_chunk()).is_some_and(|o| !may_be(o)) {
            return Probe::No;
        }
        let Some((unit, after)) = rest.split_at_checked(whole) else { return found };
        let Some(apdu) = Apdu::parse(unit) else { return Probe::No };
        match apdu.control {
            _ if !framer::is_convincing(&apdu) => return Probe::No,
            Control::U { .. } => found = Probe::Certain,
            Control::I { .. } if framer::is_standard(apdu.asdu) => found = Probe::Certain,
            _ if found == Probe::Incomplete => found = Probe::Unsure,
            _ => {}
        }
        rest = after;
    }
    match apci::begin(rest) {
        Begin::Short => found,
        _ => Probe::No,
    }
}

#[cfg(test)]
mod probing {
    use super::*;

    fn tcp(bytes: &[u8]) -> Probe {
        probe(Transport::Tcp, bytes)
    }

    const INTERROGATION: &[u8] = &[0x68, 14, 0, 0, 0, 0, 100, 1, 6, 0, 1, 0, 0, 0, 0, 20];

    #[test]
    fn probing_is_strict() {
        assert_eq!(tcp(&[0x68, 4, 7, 0, 0, 0]), Probe::Certain);
        assert_eq!(tcp(INTERROGATION), Probe::Certain);
        assert_eq!(tcp(&[INTERROGATION, &[0x68, 4]].concat()), Probe::Certain);
        assert_eq!(tcp(&[INTERROGATION, &[0x69, 4]].concat()), Probe::No, "something else follows");
        assert_eq!(tcp(&INTERROGATION[..9]), Probe::Incomplete);
        assert_eq!(tcp(&[0x68]), Probe::Incomplete);
        assert_eq!(tcp(&[0x68, 4, 1, 0, 2, 0]), Probe::Unsure, "an acknowledgement alone is little");
        assert_eq!(tcp(&[0x68, 12, 0, 0, 0, 0, 100, 1, 6, 1, 0, 0, 0, 20]), Probe::Unsure, "other sizes");
        assert_eq!(tcp(&[0x68, 4, 7, 0, 0, 1]), Probe::No);
        assert_eq!(tcp(&[0x68, 14, 0, 0, 0, 0, 22, 1, 6, 0, 1, 0, 0, 0, 0, 20]), Probe::No, "no such type");
        assert_eq!(tcp(&[0x68, 14, 0, 0, 0, 0, 100, 5, 6, 0, 1, 0, 0, 0, 0, 20]), Probe::No, "too short");
        assert_eq!(tcp(b"hello, world"), Probe::No);
        assert_eq!(tcp(b""), Probe::No);
        assert_eq!(probe(Transport::Udp, INTERROGATION), Probe::No);
    }

    #[test]
    fn points_are_said_in_an_operators_words() {
        let range = |first, last| crate::event::PointRange {
            space: OBJECT,
            variant: 0,
            first,
            last,
            verb: crate::event::Verb::Operate,
            valued: false,
        };
        assert_eq!(WORDS.point_name(range(4501, 4501)).to_string(), "information object 4501");
        assert_eq!(WORDS.point_name(range(0, u32::MAX)).to_string(), "all information objects");
        assert_eq!((WORDS.parse_space)("ioa"), Some(OBJECT));
        assert_eq!(WORDS.function_code("c-sc-na-1"), Some(45));
    }
}
