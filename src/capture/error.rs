//! What can go wrong with a source of packets, each in one sentence that says what to do where it is known.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why packets cannot be had from a source.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// There is no such file.
    #[error("{} does not exist; give a capture file, a folder of them, or - for standard input", .path.display())]
    Missing {
        /// The file as it was named.
        path: PathBuf,
    },
    /// The user may not read the file.
    #[error("{} cannot be read: permission denied; run as a user who may read it", .path.display())]
    Forbidden {
        /// The file as it was named.
        path: PathBuf,
    },
    /// The system could not read the file.
    #[error("{name} cannot be read: {cause}")]
    Unreadable {
        /// The file as it was named.
        name: String,
        /// What the system said.
        cause: io::Error,
    },
    /// Not one octet.
    #[error("{name} is empty: a capture has at least a file header")]
    Empty {
        /// The file as it was named.
        name: String,
    },
    /// Something else than a capture.
    #[error("{name} is not a pcap or pcapng capture: it starts with {start}")]
    NotACapture {
        /// The file as it was named.
        name: String,
        /// Its first octets (after decompression).
        start: Start,
    },
    /// The file ends before its header does.
    #[error("{name} ends inside its file header, after {octets} octets: there is no packet in it")]
    NoHeader {
        /// The file as it was named.
        name: String,
        /// How long it is (after decompression).
        octets: u64,
    },
    /// The capture is damaged before its first packet.
    #[error("{name} is damaged and has no packet that can be read: {damage}")]
    Damaged {
        /// The file as it was named.
        name: String,
        /// What is wrong.
        damage: Damage,
    },
    /// A folder without captures.
    #[error("{} holds no capture: files ending in .pcap, .pcapng or .cap are looked for, also with .gz or .zst", .path.display())]
    NoCaptures {
        /// The folder as it was named.
        path: PathBuf,
    },
    /// More files than a frame can name.
    #[error(
        "{count} captures are more than the {} that can be read at once; replay them folder by folder",
        u16::MAX
    )]
    TooMany {
        /// How many were found.
        count: usize,
    },
    /// There is no such interface.
    #[error("there is no interface {name}; {}", Known(.known))]
    UnknownInterface {
        /// The interface as it was named.
        name: String,
        /// Those there are.
        known: Vec<String>,
    },
    /// The process may not capture.
    #[error(
        "capturing on {name} needs the capability CAP_NET_RAW; grant it with `sudo setcap cap_net_raw+ep {program}`, \
         or with AmbientCapabilities=CAP_NET_RAW in the systemd unit"
    )]
    NotPermitted {
        /// The interface.
        name: String,
        /// The path of this program.
        program: String,
    },
    /// The capture filter does not compile.
    #[error("the capture filter '{filter}' for {name} is not valid: {message}")]
    Filter {
        /// The interface.
        name: String,
        /// The filter as it was written.
        filter: String,
        /// What libpcap said.
        message: String,
    },
    /// The interface cannot be captured on, or no longer.
    #[error("cannot capture on {name}: {message}")]
    Interface {
        /// The interface.
        name: String,
        /// What libpcap said.
        message: String,
    },
}

impl CaptureError {
    /// The error for a file that the system did not open.
    pub(super) fn from_open(path: PathBuf, cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::NotFound => CaptureError::Missing { path },
            io::ErrorKind::PermissionDenied => CaptureError::Forbidden { path },
            _ => CaptureError::Unreadable { name: path.display().to_string(), cause },
        }
    }
}

/// What is wrong inside a capture file, and where. Octets are counted after decompression.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Damage {
    /// A packet claims a length that no packet has.
    #[error("packet {packet} at octet {offset} claims {claimed} octets, where at most {limit} are possible")]
    PacketLength {
        /// 1-based number of the packet.
        packet: u64,
        /// Where its header starts.
        offset: u64,
        /// The length that it claims.
        claimed: u32,
        /// The most that this file allows.
        limit: u32,
    },
    /// A pcapng block whose length cannot be.
    #[error(
        "the block at octet {offset} (after packet {before}) claims {claimed} octets, which no such block has"
    )]
    BlockLength {
        /// Packets before it.
        before: u64,
        /// Where the block starts.
        offset: u64,
        /// The length that it claims.
        claimed: u32,
    },
    /// A pcapng block whose length at its end is not that at its start.
    #[error(
        "the block at octet {offset} (after packet {before}) says {first} octets at its start but {last} at its end"
    )]
    BlockTrailer {
        /// Packets before it.
        before: u64,
        /// Where the block starts.
        offset: u64,
        /// The length at its start.
        first: u32,
        /// The length at its end.
        last: u32,
    },
    /// A pcapng section header without the byte-order magic.
    #[error("the section at octet {offset} (after packet {before}) has no byte-order magic")]
    ByteOrder {
        /// Packets before it.
        before: u64,
        /// Where the block starts.
        offset: u64,
    },
    /// A pcapng packet of an interface that the section did not describe.
    #[error(
        "packet {packet} at octet {offset} is of interface {interface}, but the section describes {described}"
    )]
    UnknownInterface {
        /// 1-based number of the packet.
        packet: u64,
        /// Where its block starts.
        offset: u64,
        /// The interface that it names, from 0.
        interface: u32,
        /// How many interfaces there are.
        described: u32,
    },
    /// A pcapng section with more interfaces than a capture can have.
    #[error("the section describes more than {limit} interfaces (at octet {offset})")]
    TooManyInterfaces {
        /// Where the block starts.
        offset: u64,
        /// The most that are taken.
        limit: u32,
    },
}

/// The first octets of a file that is not a capture.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Start {
    octets: [u8; Start::LENGTH],
    length: usize,
}

impl Start {
    const LENGTH: usize = 12;

    /// Of a file that begins so.
    pub(super) fn of(bytes: &[u8]) -> Start {
        let mut octets = [0; Start::LENGTH];
        let length = bytes.len().min(Start::LENGTH);
        for (to, from) in octets.iter_mut().zip(bytes) {
            *to = *from;
        }
        Start { octets, length }
    }
}

impl fmt::Display for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let octets = self.octets.get(..self.length).unwrap_or_default();
        let text = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n');
        if octets.iter().all(text) {
            write!(f, "\"{}\"", octets.escape_ascii())?;
        } else {
            for (at, byte) in octets.iter().enumerate() {
                write!(f, "{}{byte:02x}", if at == 0 { "" } else { " " })?;
            }
        }
        let known = match octets {
            [0xfd, b'7', b'z', b'X', b'Z', ..] => ", an xz archive; unpack it with `xz -dk`",
            [b'B', b'Z', b'h', ..] => ", a bzip2 archive; unpack it with `bzip2 -dk`",
            [0x04, 0x22, 0x4d, 0x18, ..] => ", an lz4 archive; unpack it with `lz4 -dk`",
            [b'P', b'K', 3, 4, ..] => ", a zip archive; unpack it with `unzip`",
            [0x1f, 0x8b, ..] => ", a gzip archive inside another; unpack it once",
            [0x28, 0xb5, 0x2f, 0xfd, ..] => ", a Zstandard archive inside another; unpack it once",
            [b's', b'n', b'o', b'o', b'p', 0, ..] => ", a snoop capture; convert it with `editcap -F pcap`",
            _ => "",
        };
        f.write_str(known)
    }
}

/// The interfaces there are, as the end of a sentence.
struct Known<'a>(&'a [String]);

impl fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("this machine shows none to this user"),
            [only] => write!(f, "there is {only}"),
            [first @ .., last] => write!(f, "there are {} and {last}", first.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_say_what_to_do() {
        let unknown = CaptureError::UnknownInterface {
            name: "eth9".into(),
            known: vec!["eth0".into(), "eth1".into(), "lo".into()],
        };
        assert_eq!(unknown.to_string(), "there is no interface eth9; there are eth0, eth1 and lo");
        let not = |bytes: &[u8]| {
            CaptureError::NotACapture { name: "x.pcap".into(), start: Start::of(bytes) }.to_string()
        };
        assert_eq!(
            not(b"GET / HTTP/1.1\r\n"),
            "x.pcap is not a pcap or pcapng capture: it starts with \"GET / HTTP/1\""
        );
        assert_eq!(
            not(&[0x7f, b'E', b'L']),
            "x.pcap is not a pcap or pcapng capture: it starts with 7f 45 4c"
        );
        assert!(not(&[0xfd, b'7', b'z', b'X', b'Z', 0]).ends_with("an xz archive; unpack it with `xz -dk`"));
    }
}
