//! The pcap format (`draft-ietf-opsawg-pcap`): a file header, then records of a header and a packet.
//!
//! Bytes in, where the next packet is out; no state and no input. Both byte orders, stamps in micro- and
//! nanoseconds, and the "modified" records of old Linux kernels.

use super::Link;
use super::reader::{Fault, Record, Step};
use crate::address::Timestamp;

/// Octets of the file header.
pub(super) const FILE_HEADER: usize = 24;

/// The largest packet that a file may hold whatever its snapshot length says: libpcap's MAXIMUM_SNAPLEN.
const LIMIT: u32 = 262_144;
/// A snapshot length beyond this is not believed.
pub(super) const HARD_LIMIT: u32 = 16 << 20;

mod magic {
    pub(super) const MICRO: u32 = 0xa1b2_c3d4;
    pub(super) const NANO: u32 = 0xa1b2_3c4d;
    pub(super) const MODIFIED: u32 = 0xa1b2_cd34;
}

/// What the file header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    big_endian: bool,
    /// Nanoseconds of one unit of the stamps' fraction.
    unit: u32,
    digits: u8,
    /// Octets of a record header: 16, or 24 in the modified format.
    record_header: usize,
    /// The largest packet.
    limit: u32,
    link: Link,
}

impl Header {
    /// Whether a file that begins so is of this format.
    pub(super) fn recognises(start: &[u8]) -> bool {
        start.first_chunk().is_some_and(|first| Header::kind(*first).is_some())
    }

    /// (big endian, unit, digits, record header) by the magic number.
    fn kind(first: [u8; 4]) -> Option<(bool, u32, u8, usize)> {
        let kind = |value| match value {
            magic::MICRO => Some((1_000, 6, 16)),
            magic::NANO => Some((1, 9, 16)),
            magic::MODIFIED => Some((1_000, 6, 24)),
            _ => None,
        };
        let with = |big| move |(unit, digits, header)| (big, unit, digits, header);
        kind(u32::from_le_bytes(first))
            .map(with(false))
            .or_else(|| kind(u32::from_be_bytes(first)).map(with(true)))
    }

    /// Reads the file header.
    pub(super) fn parse(header: &[u8; FILE_HEADER]) -> Option<Header> {
        let (big_endian, unit, digits, record_header) = Header::kind(*header.first_chunk()?)?;
        let at = |offset| {
            let value = header.get(offset..).and_then(|rest| rest.first_chunk()).copied();
            let value = value.unwrap_or_default();
            if big_endian { u32::from_be_bytes(value) } else { u32::from_le_bytes(value) }
        };
        let limit = at(16).clamp(LIMIT, HARD_LIMIT);
        // The upper half tells of frame check sequences, which no decoder here needs.
        let link = Link::from(at(20) & 0xffff);
        Some(Header { big_endian, unit, digits, record_header, limit, link })
    }

    /// The link type of all its packets.
    pub(super) fn link(&self) -> Link {
        self.link
    }

    /// Finds the record at the start of `bytes`.
    #[inline(always)]
    pub(super) fn step(&self, bytes: &[u8]) -> Step {
        let Some((head, rest)) = bytes.split_first_chunk::<16>() else {
            return Step::Need { octets: 16, in_packet: true };
        };
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *head;
        let word =
            |octets| if self.big_endian { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) };
        let (seconds, fraction) = (word([a, b, c, d]), word([e, f, g, h]));
        let (captured, wire_len) = (word([i, j, k, l]), word([m, n, o, p]));
        if captured > self.limit {
            return Step::Bad(Fault::PacketLength { claimed: captured, limit: self.limit });
        }
        let total = self.record_header + captured as usize;
        if rest.len() + 16 < total {
            return Step::Need { octets: total, in_packet: true };
        }
        let nanos = i64::from(seconds) * 1_000_000_000 + i64::from(fraction) * i64::from(self.unit);
        Step::Packet(Record {
            ts: Timestamp { nanos, digits: self.digits },
            link: self.link,
            wire_len,
            header: self.record_header,
            length: captured as usize,
            total,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{self, Order};
    use super::*;

    fn packet(magic: u32, order: Order, record: &[u8]) -> Record {
        let header = Header::parse(&sample::pcap_header(magic, order, 65_535, 1)).unwrap();
        match header.step(record) {
            Step::Packet(record) => record,
            other => panic!("no packet: {other:?}"),
        }
    }

    #[test]
    fn every_magic_in_both_orders() {
        for order in [Order::Little, Order::Big] {
            let plain = sample::pcap_record(order, 7, 123_456, 60, b"abcd");
            let micro = packet(0xa1b2_c3d4, order, &plain);
            assert_eq!(micro.ts, Timestamp::from_micros(7_123_456));
            assert_eq!((micro.header, micro.length, micro.total, micro.wire_len), (16, 4, 20, 60));
            let nano = packet(0xa1b2_3c4d, order, &plain);
            assert_eq!(nano.ts, Timestamp::from_nanos(7_000_123_456));
            let mut modified = plain.clone();
            modified.splice(16..16, [0; 8]);
            let modified = packet(0xa1b2_cd34, order, &modified);
            assert_eq!((modified.header, modified.length, modified.total), (24, 4, 28));
        }
    }

    #[test]
    fn the_link_type_is_the_lower_half() {
        let header = sample::pcap_header(0xa1b2_c3d4, Order::Little, 0, 0x2400_0001);
        assert_eq!(Header::parse(&header).unwrap().link, Link::Ethernet);
    }

    #[test]
    fn lengths_are_held_against_the_limit() {
        let length = |snaplen, captured: u32| {
            let header = sample::pcap_header(0xa1b2_c3d4, Order::Little, snaplen, 1);
            let header = Header::parse(&header).unwrap();
            let mut record = sample::pcap_record(Order::Little, 0, 0, 0, b"");
            record.splice(8..12, captured.to_le_bytes());
            header.step(&record)
        };
        assert!(matches!(length(96, 262_144), Step::Need { octets: 262_160, .. }));
        assert!(matches!(length(96, 262_145), Step::Bad(Fault::PacketLength { limit: 262_144, .. })));
        assert!(matches!(length(1 << 20, 262_145), Step::Need { .. }));
        assert!(matches!(
            length(u32::MAX, u32::MAX),
            Step::Bad(Fault::PacketLength { limit: 0x0100_0000, .. })
        ));
    }

    /// The "modified" records have headers of 24 octets, but the length stands in the first 16.
    #[test]
    fn a_length_is_held_against_the_limit_as_soon_as_it_is_there() {
        let header = Header::parse(&sample::pcap_header(0xa1b2_cd34, Order::Little, 0, 1)).unwrap();
        assert_eq!(header.step(&[0xff; 15]), Step::Need { octets: 16, in_packet: true });
        assert!(matches!(header.step(&[0xff; 16]), Step::Bad(Fault::PacketLength { .. })));
    }

    #[test]
    fn others_are_not_recognised() {
        assert!(!Header::recognises(b""));
        assert!(!Header::recognises(b"\xd4\xc3\xb2"));
        assert!(!Header::recognises(b"\x0a\x0d\x0d\x0a"));
        assert!(Header::recognises(b"\xd4\xc3\xb2\xa1"));
    }
}
