//! The pcapng format (`draft-ietf-opsawg-pcapng`): sections of blocks, in either byte order.
//!
//! Bytes in, where the next packet is out. The state is the section: its byte order and its interfaces, each with
//! its own link type and clock. Read are section headers, interface descriptions, and enhanced, simple and obsolete
//! packet blocks; all others are passed over.

use super::Link;
use super::reader::{Fault, Record, Step};
use crate::address::Timestamp;

/// The type of a section header block; the same in both byte orders.
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;

/// Octets of type and length before a block's body, and of the length after it.
const HEAD: usize = 8;
const TAIL: usize = 4;

/// The largest block that is looked into. Others may be of any length: they are passed over as they arrive.
const BLOCK_LIMIT: u32 = 16 << 20;
/// The most interfaces in a section.
pub(super) const INTERFACE_LIMIT: usize = 4096;
/// The longest interface name that is kept, in octets.
const NAME_LIMIT: usize = 256;

/// Option codes of an interface description, and the one that ends a list of options.
mod option {
    pub(super) const END: u16 = 0;
    pub(super) const NAME: u16 = 2;
    pub(super) const RESOLUTION: u16 = 9;
    pub(super) const OFFSET: u16 = 14;
}

/// Whether a file that begins so is of this format.
pub(super) fn recognises(start: &[u8]) -> bool {
    start.first_chunk() == Some(&SECTION.to_be_bytes())
}

/// The section that is being read.
pub(super) struct Section {
    big_endian: bool,
    interfaces: Vec<Interface>,
    /// The time of the packet before, for those without their own.
    last: Timestamp,
    /// The interface of the packet before.
    current: usize,
}

/// One interface of a section.
struct Interface {
    link: Link,
    /// 0 for no limit.
    snaplen: u32,
    clock: Clock,
    name: Option<Box<str>>,
}

impl Section {
    /// Before the first block of a file.
    pub(super) fn new() -> Self {
        Section {
            big_endian: false,
            interfaces: Vec::new(),
            last: Timestamp { nanos: 0, digits: 6 },
            current: 0,
        }
    }

    /// The name of the interface that the last packet came over, where the capture has it.
    pub(super) fn interface_name(&self) -> Option<&str> {
        self.interfaces.get(self.current)?.name.as_deref()
    }

    /// How many interfaces the section has described so far.
    pub(super) fn described(&self) -> usize {
        self.interfaces.len()
    }

    #[inline]
    fn u32(&self, octets: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) }
    }

    #[inline]
    fn u16(&self, octets: [u8; 2]) -> u16 {
        if self.big_endian { u16::from_be_bytes(octets) } else { u16::from_le_bytes(octets) }
    }

    /// Looks at the block at the start of `bytes`.
    #[inline]
    pub(super) fn step(&mut self, bytes: &[u8]) -> Step {
        let Some(&[a, b, c, d, e, f, g, h]) = bytes.first_chunk() else {
            return Step::Need { octets: HEAD, in_packet: false };
        };
        let kind = self.u32([a, b, c, d]);
        if kind == SECTION {
            return self.section(bytes);
        }
        let total = self.u32([e, f, g, h]);
        if total < (HEAD + TAIL) as u32 || !total.is_multiple_of(4) {
            return Step::Bad(Fault::BlockLength { claimed: total });
        }
        let in_packet = matches!(kind, ENHANCED_PACKET | SIMPLE_PACKET | OBSOLETE_PACKET);
        if !in_packet && kind != INTERFACE {
            return Step::Skip { octets: total };
        }
        let body = match self.body(bytes, total, in_packet) {
            Ok(body) => body,
            Err(step) => return step,
        };
        let step = match kind {
            ENHANCED_PACKET => self.enhanced(body, total),
            SIMPLE_PACKET => self.simple(body, total),
            OBSOLETE_PACKET => self.obsolete(body, total),
            _ => self.interface(body, total),
        };
        step.unwrap_or(Step::Bad(Fault::BlockLength { claimed: total }))
    }

    /// The body of a block, once it is all there and its two lengths agree.
    #[inline]
    fn body<'a>(&self, bytes: &'a [u8], total: u32, in_packet: bool) -> Result<&'a [u8], Step> {
        if total > BLOCK_LIMIT {
            return Err(Step::Bad(Fault::BlockLength { claimed: total }));
        }
        let need = Step::Need { octets: total as usize, in_packet };
        let block = bytes.get(..total as usize).ok_or(need)?;
        let (front, tail) = block.split_last_chunk::<TAIL>().ok_or(need)?;
        let last = self.u32(*tail);
        if last != total {
            return Err(Step::Bad(Fault::BlockTrailer { first: total, last }));
        }
        front.get(HEAD..).ok_or(need)
    }

    /// A section header (4.1): the byte order of what follows, which also forgets the interfaces.
    #[cold]
    fn section(&mut self, bytes: &[u8]) -> Step {
        let Some(&[_, _, _, _, e, f, g, h, i, j, k, l]) = bytes.first_chunk() else {
            return Step::Need { octets: HEAD + 4, in_packet: false };
        };
        self.big_endian = match [i, j, k, l] {
            magic if magic == BYTE_ORDER_MAGIC.to_le_bytes() => false,
            magic if magic == BYTE_ORDER_MAGIC.to_be_bytes() => true,
            _ => return Step::Bad(Fault::ByteOrder),
        };
        let total = self.u32([e, f, g, h]);
        if total < 28 || !total.is_multiple_of(4) {
            return Step::Bad(Fault::BlockLength { claimed: total });
        }
        match self.body(bytes, total, false) {
            Ok(_) => {
                self.interfaces.clear();
                self.current = 0;
                Step::Pass { octets: total as usize }
            }
            Err(step) => step,
        }
    }

    /// An interface description (4.2).
    #[cold]
    fn interface(&mut self, body: &[u8], total: u32) -> Option<Step> {
        let (&[a, b, _, _, e, f, g, h], mut options) = body.split_first_chunk()?;
        if self.interfaces.len() >= INTERFACE_LIMIT {
            return Some(Step::Bad(Fault::TooManyInterfaces));
        }
        let (mut resolution, mut offset, mut name) = (6, 0, None);
        while let Some((&[c, d, l, m], rest)) = options.split_first_chunk() {
            let length = usize::from(self.u16([l, m]));
            let (code, Some(value)) = (self.u16([c, d]), rest.get(..length)) else { break };
            match (code, value) {
                (option::END, _) => break,
                (option::NAME, value) => {
                    let kept = value.get(..NAME_LIMIT).unwrap_or(value);
                    name = Some(String::from_utf8_lossy(kept).trim_end_matches('\0').into());
                }
                (option::RESOLUTION, &[exponent]) => resolution = exponent,
                (option::OFFSET, value) => {
                    let octets = value.first_chunk().copied().unwrap_or_default();
                    offset =
                        if self.big_endian { i64::from_be_bytes(octets) } else { i64::from_le_bytes(octets) };
                }
                _ => {}
            }
            options = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        self.interfaces.push(Interface {
            link: Link::from(u32::from(self.u16([a, b]))),
            snaplen: self.u32([e, f, g, h]),
            clock: Clock::new(resolution, offset),
            name,
        });
        Some(Step::Pass { octets: total as usize })
    }

    /// An enhanced packet (4.3).
    #[inline]
    fn enhanced(&mut self, body: &[u8], total: u32) -> Option<Step> {
        let (&[a, b, c, d, rest @ ..], data) = body.split_first_chunk::<20>()?;
        self.stamped(self.u32([a, b, c, d]), &rest, data, total)
    }

    /// An obsolete packet block (appendix A): as an enhanced one, but with a count of drops beside the interface.
    fn obsolete(&mut self, body: &[u8], total: u32) -> Option<Step> {
        let (&[a, b, _, _, rest @ ..], data) = body.split_first_chunk::<20>()?;
        self.stamped(u32::from(self.u16([a, b])), &rest, data, total)
    }

    /// What an enhanced and an obsolete packet have in common after the interface.
    #[inline]
    fn stamped(&mut self, interface: u32, fields: &[u8; 16], data: &[u8], total: u32) -> Option<Step> {
        let &[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = fields;
        let ticks = u64::from(self.u32([a, b, c, d])) << 32 | u64::from(self.u32([e, f, g, h]));
        let (captured, wire_len) = (self.u32([i, j, k, l]), self.u32([m, n, o, p]));
        let length = captured as usize;
        if length > data.len() {
            let limit = data.len() as u32;
            return Some(Step::Bad(Fault::PacketLength { claimed: captured, limit }));
        }
        let Some(described) = self.interfaces.get(interface as usize) else {
            return Some(Step::Bad(Fault::UnknownInterface { interface }));
        };
        let ts = described.clock.timestamp(ticks);
        let link = described.link;
        self.last = ts;
        self.current = interface as usize;
        Some(Step::Packet(Record { ts, link, wire_len, header: HEAD + 20, length, total: total as usize }))
    }

    /// A simple packet (4.4): of the first interface, without a time.
    fn simple(&mut self, body: &[u8], total: u32) -> Option<Step> {
        let (&wire_len, data) = body.split_first_chunk()?;
        let Some(interface) = self.interfaces.first() else {
            return Some(Step::Bad(Fault::UnknownInterface { interface: 0 }));
        };
        let wire_len = self.u32(wire_len);
        let snaplen = if interface.snaplen == 0 { u32::MAX } else { interface.snaplen };
        let length = (wire_len.min(snaplen) as usize).min(data.len());
        let link = interface.link;
        self.current = 0;
        Some(Step::Packet(Record {
            ts: self.last,
            link,
            wire_len,
            header: HEAD + 4,
            length,
            total: total as usize,
        }))
    }
}

/// How the stamps of an interface become nanoseconds since 1970 (if_tsresol and if_tsoffset, 4.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Clock {
    ticks: Ticks,
    /// Nanoseconds to add.
    offset: i64,
    digits: u8,
}

/// What one unit of a stamp is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Ticks {
    /// So many nanoseconds.
    Nanos(u64),
    /// One nanosecond is so many of them.
    PerNano(u64),
    /// One second is two to this power of them.
    Binary(u8),
}

impl Clock {
    /// `resolution` as in if_tsresol: a negative power of ten, or of two where the highest bit is set. `offset` in
    /// seconds.
    fn new(resolution: u8, offset: i64) -> Self {
        let exponent = resolution & 0x7f;
        let (ticks, digits) = match exponent {
            _ if resolution & 0x80 != 0 => {
                // As many digits as tell two neighbouring stamps apart: log10(2) of the bits, rounded up.
                (Ticks::Binary(exponent), (u32::from(exponent) * 30_103).div_ceil(100_000).min(9) as u8)
            }
            0..=9 => (Ticks::Nanos(10u64.pow(9 - u32::from(exponent))), exponent),
            _ => (Ticks::PerNano(10u64.checked_pow(u32::from(exponent) - 9).unwrap_or(u64::MAX)), 9),
        };
        Clock { ticks, offset: offset.saturating_mul(1_000_000_000), digits }
    }

    #[inline]
    fn timestamp(&self, ticks: u64) -> Timestamp {
        let nanos = match self.ticks {
            Ticks::Nanos(nanos) => ticks.saturating_mul(nanos),
            Ticks::PerNano(count) => ticks / count,
            Ticks::Binary(bits) => {
                u64::try_from((u128::from(ticks) * 1_000_000_000) >> bits).unwrap_or(u64::MAX)
            }
        };
        let nanos = i64::try_from(nanos).unwrap_or(i64::MAX).saturating_add(self.offset);
        Timestamp { nanos, digits: self.digits }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{self, Order};
    use super::*;

    /// A record, its packet, and the name of its interface.
    type Packet = (Record, Vec<u8>, Option<String>);

    /// Everything that a file has, block by block.
    fn packets(mut file: &[u8]) -> Result<Vec<Packet>, Fault> {
        let mut section = Section::new();
        let mut packets = Vec::new();
        while !file.is_empty() {
            let octets = match section.step(file) {
                Step::Packet(record) => {
                    let data = file.get(record.header..record.header + record.length).unwrap().to_vec();
                    packets.push((record, data, section.interface_name().map(str::to_owned)));
                    record.total
                }
                Step::Pass { octets } => octets,
                Step::Skip { octets } => octets as usize,
                Step::Need { octets, .. } => panic!("{octets} octets wanted, {} there", file.len()),
                Step::Bad(fault) => return Err(fault),
            };
            file = &file[octets..];
        }
        Ok(packets)
    }

    #[test]
    fn every_packet_block_in_sections_of_both_orders() {
        let packets = packets(&sample::pcapng()).unwrap();
        let brief: Vec<_> = packets
            .iter()
            .map(|(record, data, name)| {
                let data = std::str::from_utf8(data).unwrap();
                (record.ts.to_string(), record.link, record.wire_len, data, name.as_deref())
            })
            .collect();
        assert_eq!(
            brief,
            [
                ("1970-01-01T00:00:01.000001Z".into(), Link::Ethernet, 60, "first", Some("eth0")),
                ("1970-01-01T00:01:42.000000002Z".into(), Link::LinuxCooked1, 61, "second!", None),
                ("1970-01-01T00:00:03.000003Z".into(), Link::Ethernet, 62, "3rd", Some("eth0")),
                ("1970-01-01T00:00:03.000003Z".into(), Link::Ethernet, 4, "four", Some("eth0")),
                ("1970-01-01T00:00:05.5000Z".into(), Link::RawIp, 63, "fifth", None),
                ("1970-01-01T00:00:05.5000Z".into(), Link::RawIp, 100, "sixth,", None),
            ]
        );
    }

    #[test]
    fn clocks_of_every_resolution() {
        let at = |resolution, offset, ticks| Clock::new(resolution, offset).timestamp(ticks);
        let stamp = |nanos, digits| Timestamp { nanos, digits };
        assert_eq!(at(0, 0, 3), stamp(3_000_000_000, 0));
        assert_eq!(at(3, 0, 1_500), stamp(1_500_000_000, 3));
        assert_eq!(at(6, 10, 1), stamp(10_000_001_000, 6));
        assert_eq!(at(9, -1, 1), stamp(-999_999_999, 9));
        assert_eq!(at(12, 0, 7_999), stamp(7, 9));
        assert_eq!(at(127, 0, u64::MAX), stamp(1, 9));
        assert_eq!(at(0x80, 0, 2), stamp(2_000_000_000, 0));
        assert_eq!(at(0x81, 0, 3), stamp(1_500_000_000, 1));
        assert_eq!(at(0xff, 0, u64::MAX), stamp(0, 9));
        assert_eq!(at(0, i64::MAX, u64::MAX), stamp(i64::MAX, 0));
        assert_eq!(at(6, i64::MIN, 0), stamp(i64::MIN, 6));
    }

    #[test]
    fn damage_is_named() {
        let little = Order::Little;
        let start = || [sample::section(little), sample::interface(little, 1, 0, &[])].concat();
        let with = |block: Vec<u8>| packets(&[start(), block].concat()).unwrap_err();
        let damaged = |at: usize, value: u32| {
            let mut block = sample::enhanced(little, 0, 0, 4, b"data");
            block.splice(at..at + 4, value.to_le_bytes());
            with(block)
        };
        assert_eq!(damaged(4, 13), Fault::BlockLength { claimed: 13 });
        assert_eq!(damaged(4, 8), Fault::BlockLength { claimed: 8 });
        assert_eq!(damaged(4, u32::MAX - 3), Fault::BlockLength { claimed: u32::MAX - 3 });
        assert_eq!(damaged(8, 1), Fault::UnknownInterface { interface: 1 });
        assert_eq!(damaged(20, 1_000), Fault::PacketLength { claimed: 1_000, limit: 20 });
        assert_eq!(damaged(48, 99), Fault::BlockTrailer { first: 52, last: 99 });
        let mut bad = sample::section(little);
        bad.splice(8..12, [1, 2, 3, 4]);
        assert_eq!(with(bad), Fault::ByteOrder);
        assert_eq!(with(sample::block(little, 6, b"short")), Fault::BlockLength { claimed: 20 });
        let many = sample::interface(little, 1, 0, &[]).repeat(INTERFACE_LIMIT);
        assert_eq!(with(many), Fault::TooManyInterfaces);
    }

    #[test]
    fn options_that_overrun_end_the_list() {
        let mut body = vec![1, 0, 0, 0, 0, 0, 0, 0];
        body.extend(sample::option(Order::Little, 9, &[9]));
        body.extend([2, 0, 0xff, 0xff, b'x', 0, 0, 0]);
        let little = Order::Little;
        let mut file = sample::section(little);
        file.extend(sample::block(little, 1, &body));
        file.extend(sample::enhanced(little, 0, 1, 0, b""));
        let packets = packets(&file).unwrap();
        assert_eq!(packets[0].0.ts, Timestamp::from_nanos(1));
        assert_eq!(packets[0].2, None);
    }
}
