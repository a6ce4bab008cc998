//! One capture file cut into frames.
//!
//! - pcap: draft-ietf-opsawg-pcap; either byte order, microseconds or nanoseconds, and the variant with longer
//!   record headers that some old kernels wrote.
//! - pcapng: draft-ietf-opsawg-pcapng; section header, interface description, enhanced, simple and obsolete packet
//!   blocks; other blocks are passed over.
//!
//! The file is read in large blocks; a frame is a slice of the block. No length field is believed before it has been
//! compared with what is there and with a bound.

use super::{CaptureError, Frame};
use crate::address::Timestamp;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Octets read at once.
const BLOCK: usize = 1 << 20;
/// The largest record that is believed; libpcap's own bound is 256 KiB for nearly all link types.
const RECORD_MAX: usize = 1 << 20;
/// The largest pcapng block that is believed.
const NG_BLOCK_MAX: usize = 16 << 20;
/// Interfaces of one pcapng section that are remembered.
const INTERFACES_MAX: usize = 4096;

/// Reads octets of a file and counts those that came from the disk.
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// A capture file being read.
pub struct Reader {
    name: String,
    input: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    at_end: bool,
    format: Format,
    number: u64,
    /// What was odd about the file, once it has been read.
    notice: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Order {
    Little,
    Big,
}

enum Format {
    Pcap { order: Order, nanos: bool, header: usize, link: u32 },
    PcapNg { order: Order, interfaces: Vec<NgInterface> },
}

#[derive(Clone, Copy)]
struct NgInterface {
    link: u32,
    snaplen: u32,
    /// Ticks per second.
    ticks: u64,
    digits: u8,
    /// Seconds to add.
    offset: i64,
}

/// Where a frame lies in the buffer, and what its record says.
struct Record {
    ts: Timestamp,
    link: u32,
    wire_len: u32,
    data: (usize, usize),
    /// Octets of the whole record.
    len: usize,
}

/// What the front of the buffer holds.
enum Front {
    Frame(Record),
    /// Something without a frame, of this many octets.
    Pass(usize),
    /// This many octets are needed.
    Need(usize),
    /// It makes no sense.
    Corrupt(String),
}

impl Reader {
    /// Opens a file; `-` is standard input. `read` is told how many octets were read from it, compressed or not.
    ///
    /// # Errors
    /// Where it cannot be opened or is not a capture.
    pub fn open(path: &Path, read: Arc<AtomicU64>) -> Result<Reader, CaptureError> {
        if path.as_os_str() == "-" {
            return Reader::new("standard input".into(), Counted { inner: io::stdin(), read });
        }
        let name = path.display().to_string();
        match File::open(path) {
            Ok(file) => Reader::new(name, Counted { inner: file, read }),
            Err(source) => Err(CaptureError::Open { name, source }),
        }
    }

    /// Reads a capture from anywhere.
    ///
    /// # Errors
    /// Where it is not a capture.
    pub fn new(name: String, mut input: impl Read + Send + 'static) -> Result<Reader, CaptureError> {
        let head = peek(&mut input).map_err(|source| CaptureError::Read { name: name.clone(), source })?;
        let whole = io::Cursor::new(head.clone()).chain(input);
        let input: Box<dyn Read + Send> = match head.as_slice() {
            [0x1f, 0x8b, ..] => Box::new(flate2::read::MultiGzDecoder::new(whole)),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => match zstd::Decoder::new(whole) {
                Ok(decoder) => Box::new(decoder),
                Err(source) => return Err(CaptureError::Read { name, source }),
            },
            _ => Box::new(whole),
        };
        let format = Format::PcapNg { order: Order::Little, interfaces: Vec::new() };
        let mut reader = Reader {
            name,
            input,
            buffer: Vec::new(),
            start: 0,
            end: 0,
            at_end: false,
            format,
            number: 0,
            notice: None,
        };
        reader.begin()?;
        Ok(reader)
    }

    /// The name of the file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was odd about the file: known once [`Reader::next`] has returned `None`.
    pub fn notice(&self) -> Option<&str> {
        self.notice.as_deref()
    }

    /// Finds out which format it is.
    fn begin(&mut self) -> Result<(), CaptureError> {
        self.fill(24)?;
        let head = self.there();
        let not = |found: String| CaptureError::NotACapture { name: self.name.clone(), found };
        if head.is_empty() {
            return Err(not("it is empty".into()));
        }
        let magic = head.first_chunk::<4>().copied().ok_or_else(|| not(begins_with(head)))?;
        if magic == [0x0a, 0x0d, 0x0d, 0x0a] {
            return Ok(());
        }
        let (order, nanos, header) = match magic {
            [0xd4, 0xc3, 0xb2, 0xa1] => (Order::Little, false, 16),
            [0xa1, 0xb2, 0xc3, 0xd4] => (Order::Big, false, 16),
            [0x4d, 0x3c, 0xb2, 0xa1] => (Order::Little, true, 16),
            [0xa1, 0xb2, 0x3c, 0x4d] => (Order::Big, true, 16),
            [0x34, 0xcd, 0xb2, 0xa1] => (Order::Little, false, 24),
            [0xa1, 0xb2, 0xcd, 0x34] => (Order::Big, false, 24),
            _ => return Err(not(begins_with(head))),
        };
        let link = head.get(20..).and_then(|rest| u32_at(rest, 0, order));
        let link = link.ok_or_else(|| not("its header is cut short".into()))?;
        // The upper bits say how long frame check sequences are.
        self.format = Format::Pcap { order, nanos, header, link: link & 0x0fff_ffff };
        self.start += 24;
        Ok(())
    }

    fn there(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Makes sure that `need` octets are in the buffer, or all there are.
    fn fill(&mut self, need: usize) -> Result<(), CaptureError> {
        if self.end - self.start >= need || self.at_end {
            return Ok(());
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        let size = need.max(BLOCK) + BLOCK / 4;
        if self.buffer.len() < size {
            self.buffer.resize(size, 0);
        }
        while self.end < need && !self.at_end {
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.input.read(free) {
                Ok(0) => self.at_end = true,
                Ok(n) => self.end += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A compressed file that was cut short ends like a plain one.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    self.at_end = true;
                    self.note("the compressed data is cut short");
                }
                Err(source) if self.number == 0 => {
                    return Err(CaptureError::Read { name: self.name.clone(), source });
                }
                Err(error) => {
                    self.at_end = true;
                    self.note(&error.to_string());
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, what: &str) {
        let (name, before) = (&self.name, self.number);
        self.notice.get_or_insert_with(|| match before {
            0 => format!("{name}: {what}; no packet was read"),
            _ => format!("{name}: {what} after packet {before}; those up to it were read"),
        });
    }

    /// The next frame, or `None` at the end of what can be read.
    ///
    /// # Errors
    /// Where nothing of the file can be read.
    #[allow(clippy::should_implement_trait)] // it lends from itself
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        loop {
            match self.front() {
                Front::Frame(record) => {
                    self.number += 1;
                    let at = self.start;
                    self.start += record.len;
                    let data = self.buffer.get(at + record.data.0..at + record.data.1).unwrap_or_default();
                    return Ok(Some(Frame {
                        ts: record.ts,
                        number: self.number,
                        source: 0,
                        link: record.link,
                        wire_len: record.wire_len,
                        data,
                    }));
                }
                Front::Pass(len) => self.start += len,
                Front::Need(need) if self.at_end => {
                    let left = self.end - self.start;
                    if left > 0 {
                        let what = format!("it ends inside a record ({left} of at least {need} octets)");
                        self.note(&what);
                    }
                    return Ok(None);
                }
                Front::Need(need) => self.fill(need)?,
                Front::Corrupt(what) => {
                    self.note(&what);
                    (self.start, self.at_end) = (self.end, true);
                    return Ok(None);
                }
            }
        }
    }

    #[inline]
    fn front(&mut self) -> Front {
        let there = self.buffer.get(self.start..self.end).unwrap_or_default();
        match &mut self.format {
            Format::Pcap { order, nanos, header, link } => pcap_front(there, *order, *nanos, *header, *link),
            Format::PcapNg { order, interfaces } => ng_front(there, order, interfaces),
        }
    }
}

/// The first octets, enough to tell what it is.
fn peek(input: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    input.take(4).read_to_end(&mut head)?;
    Ok(head)
}

fn begins_with(head: &[u8]) -> String {
    format!("it begins with \"{}\"", head.get(..head.len().min(8)).unwrap_or_default().escape_ascii())
}

fn u16_at(bytes: &[u8], at: usize, order: Order) -> Option<u16> {
    let pair = *bytes.get(at..)?.first_chunk::<2>()?;
    Some(match order {
        Order::Little => u16::from_le_bytes(pair),
        Order::Big => u16::from_be_bytes(pair),
    })
}

fn u32_at(bytes: &[u8], at: usize, order: Order) -> Option<u32> {
    let four = *bytes.get(at..)?.first_chunk::<4>()?;
    Some(match order {
        Order::Little => u32::from_le_bytes(four),
        Order::Big => u32::from_be_bytes(four),
    })
}

#[inline]
fn pcap_front(there: &[u8], order: Order, nanos: bool, header: usize, link: u32) -> Front {
    let Some(head) = there.first_chunk::<16>() else {
        return Front::Need(header);
    };
    let field = |at| u32_at(head, at, order).unwrap_or(0);
    let (seconds, fraction, captured, wire_len) = (field(0), field(4), field(8) as usize, field(12));
    if captured > RECORD_MAX {
        return Front::Corrupt(format!("a record claims {captured} octets, which no packet has"));
    }
    let len = header + captured;
    if there.len() < len {
        return Front::Need(len);
    }
    let (scale, digits) = if nanos { (1, 9) } else { (1_000, 6) };
    let ts = Timestamp { nanos: i64::from(seconds) * 1_000_000_000 + i64::from(fraction) * scale, digits };
    Front::Frame(Record { ts, link, wire_len, data: (header, len), len })
}

fn ng_front(there: &[u8], order: &mut Order, interfaces: &mut Vec<NgInterface>) -> Front {
    let Some(head) = there.first_chunk::<12>() else {
        return Front::Need(12);
    };
    const SECTION: u32 = 0x0a0d_0d0a;
    let section = u32_at(head, 0, Order::Big) == Some(SECTION);
    if section {
        *order = match head.last_chunk::<4>() {
            Some([0x4d, 0x3c, 0x2b, 0x1a]) => Order::Little,
            Some([0x1a, 0x2b, 0x3c, 0x4d]) => Order::Big,
            _ => return Front::Corrupt("a section header has no valid byte order mark".into()),
        };
        interfaces.clear();
    }
    let kind = u32_at(head, 0, *order).unwrap_or(0);
    let len = u32_at(head, 4, *order).unwrap_or(0) as usize;
    if !(12..=NG_BLOCK_MAX).contains(&len) || !len.is_multiple_of(4) {
        return Front::Corrupt(format!("a block claims {len} octets"));
    }
    let Some(block) = there.get(..len) else {
        return Front::Need(len);
    };
    let body = block.get(8..len - 4).unwrap_or_default();
    match kind {
        1 => {
            if interfaces.len() < INTERFACES_MAX
                && let Some(interface) = ng_interface(body, *order)
            {
                interfaces.push(interface);
            }
            Front::Pass(len)
        }
        2 | 3 | 6 => match ng_packet(kind, body, *order, interfaces) {
            Some((ts, link, wire_len, (from, to))) => {
                Front::Frame(Record { ts, link, wire_len, data: (8 + from, 8 + to), len })
            }
            None => Front::Corrupt("a packet block contradicts itself".into()),
        },
        _ => Front::Pass(len),
    }
}

fn ng_interface(body: &[u8], order: Order) -> Option<NgInterface> {
    let link = u32::from(u16_at(body, 0, order)?);
    let mut interface =
        NgInterface { link, snaplen: u32_at(body, 4, order)?, ticks: 1_000_000, digits: 6, offset: 0 };
    let mut options = body.get(8..)?;
    while let (Some(code), Some(length)) = (u16_at(options, 0, order), u16_at(options, 2, order)) {
        let value = options.get(4..4 + usize::from(length))?;
        match (code, value) {
            (0, _) => break,
            // if_tsresol: a power of 10, or of 2 with the upper bit.
            (9, [resolution]) => {
                let power = u32::from(resolution & 0x7f);
                let base: u64 = if resolution & 0x80 == 0 { 10 } else { 2 };
                interface.ticks = base.checked_pow(power)?;
                interface.digits = if base == 10 { power.min(9) as u8 } else { 9 };
            }
            // if_tsoffset, in seconds.
            (14, _) => {
                let eight = *value.first_chunk::<8>()?;
                interface.offset = match order {
                    Order::Little => i64::from_le_bytes(eight),
                    Order::Big => i64::from_be_bytes(eight),
                };
            }
            _ => {}
        }
        options = options.get(4 + usize::from(length).next_multiple_of(4)..).unwrap_or_default();
    }
    Some(interface)
}

type NgPacket = (Timestamp, u32, u32, (usize, usize));

fn ng_packet(kind: u32, body: &[u8], order: Order, interfaces: &[NgInterface]) -> Option<NgPacket> {
    let field = |at| u32_at(body, at, order);
    let (place, ticks, captured, wire_len, from) = match kind {
        // Simple: no interface, no time.
        3 => {
            let wire_len = field(0)?;
            let snaplen = interfaces.first()?.snaplen;
            let most = if snaplen == 0 { wire_len } else { wire_len.min(snaplen) };
            (0, None, most, wire_len, 4)
        }
        // Obsolete: 16 bits of interface and of drops.
        2 => {
            let place = usize::from(u16_at(body, 0, order)?);
            (place, Some((field(4)?, field(8)?)), field(12)?, field(16)?, 20)
        }
        _ => (field(0)? as usize, Some((field(4)?, field(8)?)), field(12)?, field(16)?, 20),
    };
    let interface = interfaces.get(place)?;
    let to = from + captured as usize;
    if to > body.len() {
        return None;
    }
    let ticks = ticks.map_or(0, |(high, low)| u64::from(high) << 32 | u64::from(low));
    let (seconds, rest) = (ticks / interface.ticks, ticks % interface.ticks);
    let fraction = u128::from(rest) * 1_000_000_000 / u128::from(interface.ticks);
    let seconds = i64::try_from(seconds).ok()?.checked_add(interface.offset)?;
    let nanos = seconds.checked_mul(1_000_000_000)?.checked_add(i64::try_from(fraction).ok()?)?;
    let ts = Timestamp { nanos, digits: interface.digits };
    Some((ts, interface.link, wire_len, (from, to)))
}

#[cfg(test)]
mod tests;
