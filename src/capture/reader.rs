//! One capture file, from its first octet to its last.
//!
//! Flows in: a stream of octets, already decompressed. Flows out: where in the buffer each packet lies, and at last
//! how the file ended: whole, cut short, or damaged.

use super::buffer::Buffer;
use super::error::Start;
use super::pcapng::{INTERFACE_LIMIT, Section};
use super::{CaptureError, Damage, Link, Passed, pcap, pcapng};
use crate::address::Timestamp;
use std::fmt;
use std::io::{self, Read};

/// What a format finds at the start of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// A packet.
    Packet(Record),
    /// Something else that was read, of so many octets.
    Pass { octets: usize },
    /// Something that is not looked into, of so many octets, which need not be there yet.
    Skip { octets: u32 },
    /// Nothing before so many octets are there.
    Need { octets: usize, in_packet: bool },
    /// Nothing that can be read.
    Bad(Fault),
}

/// A packet at the start of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Record {
    pub(super) ts: Timestamp,
    pub(super) link: Link,
    pub(super) wire_len: u32,
    /// Octets before the packet's first.
    pub(super) header: usize,
    /// Octets of the packet.
    pub(super) length: usize,
    /// Octets to the next record.
    pub(super) total: usize,
}

/// A [`Damage`] whose place only the reader knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    PacketLength { claimed: u32, limit: u32 },
    BlockLength { claimed: u32 },
    BlockTrailer { first: u32, last: u32 },
    ByteOrder,
    UnknownInterface { interface: u32 },
    TooManyInterfaces,
}

/// A packet that was cut, by its place in the buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub(super) ts: Timestamp,
    pub(super) link: Link,
    pub(super) wire_len: u32,
    pub(super) number: u64,
    position: usize,
    length: usize,
}

/// How a file ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// After its last packet.
    Whole,
    /// Inside of something.
    Short { in_packet: bool },
    /// The stream failed (a damaged or cut archive, a read error), maybe inside of something.
    Failed(io::Error),
    /// Where nothing more can be made of it.
    Damaged(Damage),
}

enum Format {
    Pcap(pcap::Header),
    Pcapng(Section),
}

/// The reader of one file.
pub(super) struct Reader {
    buffer: Buffer,
    format: Format,
    packets: u64,
    ending: Option<Ending>,
}

impl Reader {
    /// Reads the file header. `name` is for errors, `size` the octets to read at once.
    pub(super) fn open(
        name: &str,
        stream: Box<dyn Read + Send>,
        size: usize,
    ) -> Result<Reader, CaptureError> {
        let mut buffer = Buffer::new(stream, size);
        let enough = buffer.fill(pcap::FILE_HEADER);
        if let Some(cause) = buffer.failure() {
            return Err(CaptureError::Unreadable { name: name.into(), cause });
        }
        let start = buffer.available();
        if start.is_empty() {
            return Err(CaptureError::Empty { name: name.into() });
        }
        let is_pcap = pcap::Header::recognises(start);
        if !is_pcap && !pcapng::recognises(start) {
            return Err(CaptureError::NotACapture { name: name.into(), start: Start::of(start) });
        }
        if !enough {
            return Err(CaptureError::NoHeader { name: name.into(), octets: start.len() as u64 });
        }
        let format = match start.first_chunk().and_then(pcap::Header::parse) {
            Some(header) => {
                buffer.consume(pcap::FILE_HEADER);
                Format::Pcap(header)
            }
            None => Format::Pcapng(Section::new()),
        };
        Ok(Reader { buffer, format, packets: 0, ending: None })
    }

    /// Cuts the next packet, `None` at the end of the file.
    // Inlined with care: what it returns is too large for registers, and to hand it over in memory costs more than to
    // cut it.
    #[inline(always)]
    pub(super) fn cut(&mut self) -> Option<Cut> {
        if let Format::Pcap(header) = &self.format
            && let Step::Packet(record) = header.step(self.buffer.available())
        {
            return Some(self.take(record));
        }
        self.cut_otherwise()
    }

    /// Passes over packets up to a time (nanoseconds since 1970), at most `most` of them, while `is_passed` says so of
    /// their octets. It stops at whatever is not an Ethernet packet of a plain pcap file.
    #[inline(always)]
    pub(super) fn pass(&mut self, most: u64, until: i64, is_passed: impl Fn(&[u8]) -> bool) -> Passed {
        let mut passed = Passed::default();
        let Format::Pcap(header) = &self.format else { return passed };
        if header.link() != Link::Ethernet {
            return passed;
        }
        let mut bytes = self.buffer.available();
        let all = bytes.len();
        let (mut low, mut high, mut digits) = (i64::MAX, i64::MIN, 0);
        while passed.packets < most
            && let Step::Packet(record) = header.step(bytes)
            && record.ts.nanos <= until
            && let Some((data, rest)) =
                bytes.get(record.header..).and_then(|b| b.split_at_checked(record.length))
            && is_passed(data)
        {
            bytes = rest;
            passed.packets += 1;
            passed.bytes += u64::from(record.wire_len);
            (low, high, digits) = (low.min(record.ts.nanos), high.max(record.ts.nanos), record.ts.digits);
        }
        if passed.packets > 0 {
            let stamp = |nanos| Timestamp { nanos, digits };
            passed.span = Some((stamp(low), stamp(high)));
        }
        self.packets += passed.packets;
        let octets = all - bytes.len();
        self.buffer.consume(octets);
        passed
    }

    #[inline(never)]
    fn cut_otherwise(&mut self) -> Option<Cut> {
        loop {
            let bytes = self.buffer.available();
            let step = match &mut self.format {
                Format::Pcap(header) => header.step(bytes),
                Format::Pcapng(section) => section.step(bytes),
            };
            match step {
                Step::Packet(record) => return Some(self.take(record)),
                other => {
                    if !self.advance(other) {
                        return None;
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn take(&mut self, record: Record) -> Cut {
        let Record { ts, link, wire_len, header, length, total } = record;
        let position = self.buffer.position() + header;
        self.buffer.consume(total);
        self.packets += 1;
        Cut { ts, link, wire_len, number: self.packets, position, length }
    }

    /// Does what a step asks for that found no packet; false at the end.
    #[cold]
    fn advance(&mut self, step: Step) -> bool {
        if self.ending.is_some() {
            return false;
        }
        let (goes_on, in_packet) = match step {
            Step::Packet(_) => (true, false),
            Step::Pass { octets } => {
                self.buffer.consume(octets);
                (true, false)
            }
            Step::Need { octets, in_packet } => (self.buffer.fill(octets), in_packet),
            Step::Skip { octets } => (self.buffer.skip(u64::from(octets)), false),
            Step::Bad(fault) => {
                self.ending = Some(Ending::Damaged(self.place(fault)));
                return false;
            }
        };
        if !goes_on {
            let skipping = matches!(step, Step::Skip { .. });
            self.ending = Some(match self.buffer.failure() {
                Some(cause) => Ending::Failed(cause),
                None if self.buffer.available().is_empty() && !skipping => Ending::Whole,
                None => Ending::Short { in_packet },
            });
        }
        goes_on
    }

    /// Says where in the file a fault is.
    fn place(&self, fault: Fault) -> Damage {
        let (before, packet, offset) = (self.packets, self.packets + 1, self.buffer.offset());
        match fault {
            Fault::PacketLength { claimed, limit } => Damage::PacketLength { packet, offset, claimed, limit },
            Fault::BlockLength { claimed } => Damage::BlockLength { before, offset, claimed },
            Fault::BlockTrailer { first, last } => Damage::BlockTrailer { before, offset, first, last },
            Fault::ByteOrder => Damage::ByteOrder { before, offset },
            Fault::UnknownInterface { interface } => {
                let described = match &self.format {
                    Format::Pcap(_) => 0,
                    Format::Pcapng(section) => section.described() as u32,
                };
                Damage::UnknownInterface { packet, offset, interface, described }
            }
            Fault::TooManyInterfaces => Damage::TooManyInterfaces { offset, limit: INTERFACE_LIMIT as u32 },
        }
    }

    /// The octets of the packet that was cut last.
    #[inline]
    pub(super) fn octets(&self, cut: &Cut) -> &[u8] {
        self.buffer.slice(cut.position, cut.length)
    }

    /// The name of the interface that the last packet came over, where the capture has it.
    pub(super) fn interface_name(&self) -> Option<&str> {
        match &self.format {
            Format::Pcap(_) => None,
            Format::Pcapng(section) => section.interface_name(),
        }
    }

    /// Packets cut so far.
    pub(super) fn packets(&self) -> u64 {
        self.packets
    }

    /// How the file ended, once [`Reader::cut`] has said `None`.
    pub(super) fn ending(self) -> Ending {
        self.ending.unwrap_or(Ending::Whole)
    }
}

impl Ending {
    /// What to tell of a file that did not end well, after so many packets.
    pub(super) fn notice(&self, packets: u64) -> Option<String> {
        let read = Before(packets);
        match self {
            Ending::Whole => None,
            Ending::Short { in_packet: true } => {
                Some(format!("the capture ends inside packet {}; {read}", packets + 1))
            }
            Ending::Short { in_packet: false } => {
                Some(format!("the capture ends inside a block after packet {packets}; {read}"))
            }
            Ending::Failed(cause) if cause.kind() == io::ErrorKind::UnexpectedEof => {
                Some(format!("the compressed data ends too early, after packet {packets}; {read}"))
            }
            Ending::Failed(cause) => Some(format!("reading failed after packet {packets} ({cause}); {read}")),
            Ending::Damaged(damage) => Some(format!("{damage}; {read}, the rest of the file was not")),
        }
    }
}

/// The packets before the end, as the end of a sentence.
struct Before(u64);

impl fmt::Display for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("no packet was read"),
            1 => f.write_str("the one before it was read"),
            count => write!(f, "the {count} before it were read"),
        }
    }
}
