//! Where packets come from: capture files ([`Files`]) or an interface ([`Live`]).
//!
//! Flows in: pcap and pcapng, plain, gzip or Zstandard, from files, folders and standard input; or what an
//! interface sees. Flows out: [`Frame`]s, which borrow from the source's buffer, so that a packet of a plain
//! capture is neither copied nor allocated for. Nothing here knows what is inside a frame, and nothing here can
//! send one.
//!
//! The file formats are those of the IETF drafts `draft-ietf-opsawg-pcap` and `draft-ietf-opsawg-pcapng`; the
//! numbers of link types those of the tcpdump.org registry.

mod buffer;
mod error;
mod files;
mod input;
mod listing;
mod live;
mod pcap;
mod pcapng;
mod privileges;
mod reader;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

pub use error::{CaptureError, Damage, Start};
pub use files::Files;
pub use live::{Interface, Live, Next, Stats, interfaces};
pub use privileges::drop_privileges;

use crate::address::Timestamp;

/// Frames that were passed over.
#[derive(Clone, Copy, Default, Debug)]
pub struct Passed {
    /// How many.
    pub packets: u64,
    /// Their octets on the wire.
    pub bytes: u64,
    /// The earliest and the latest of their times.
    pub span: Option<(Timestamp, Timestamp)>,
}

/// One captured frame. It borrows from the source's buffer until the next call.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When it was captured. A pcapng Simple Packet Block has no time of its own: it has that of the packet
    /// before it.
    pub ts: Timestamp,
    /// 1-based number in its file, or since the interface was opened.
    pub number: u64,
    /// Which of the source's names it came from: the place in [`Files::names`], or [`Interface::source`].
    pub source: u16,
    /// What its first octets are.
    pub link: Link,
    /// Octets that it had on the wire; more than `data` holds where the capture cut it.
    pub wire_len: u32,
    /// What was captured of it.
    pub data: &'a [u8],
}

/// The link layer of a frame: what its first octets are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Link {
    /// IEEE 802.3 Ethernet, without preamble (LINKTYPE_ETHERNET, 1).
    Ethernet,
    /// Linux cooked capture (LINKTYPE_LINUX_SLL, 113).
    LinuxCooked1,
    /// Linux cooked capture, version 2 (LINKTYPE_LINUX_SLL2, 276).
    LinuxCooked2,
    /// IPv4 or IPv6, told apart by the first four bits (LINKTYPE_RAW, 101; 12 and 14 on some systems).
    RawIp,
    /// IPv4 (LINKTYPE_IPV4, 228).
    RawIpv4,
    /// IPv6 (LINKTYPE_IPV6, 229).
    RawIpv6,
    /// BSD loopback: the address family in four octets, in the byte order of the machine that captured
    /// (LINKTYPE_NULL, 0).
    BsdNull,
    /// OpenBSD loopback: the address family in four octets, big-endian (LINKTYPE_LOOP, 108).
    BsdLoop,
    /// Another, by its number in the tcpdump.org registry.
    Other(u32),
}

impl From<u32> for Link {
    fn from(number: u32) -> Self {
        match number {
            0 => Link::BsdNull,
            1 => Link::Ethernet,
            12 | 14 | 101 => Link::RawIp,
            108 => Link::BsdLoop,
            113 => Link::LinuxCooked1,
            228 => Link::RawIpv4,
            229 => Link::RawIpv6,
            276 => Link::LinuxCooked2,
            other => Link::Other(other),
        }
    }
}

impl Link {
    /// Its number in the tcpdump.org registry.
    pub fn number(self) -> u32 {
        match self {
            Link::BsdNull => 0,
            Link::Ethernet => 1,
            Link::RawIp => 101,
            Link::BsdLoop => 108,
            Link::LinuxCooked1 => 113,
            Link::RawIpv4 => 228,
            Link::RawIpv6 => 229,
            Link::LinuxCooked2 => 276,
            Link::Other(number) => number,
        }
    }
}
