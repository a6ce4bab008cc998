//! The data link layer: frames of FT3 format, a header of ten octets and up to sixteen blocks of user data, each
//! with its own CRC (IEEE 1815-2012, 9.2). Multi-octet fields are little-endian.

use std::fmt;
use thiserror::Error;

/// The two octets that start every frame (9.2.4.1.1).
pub const START: [u8; 2] = [0x05, 0x64];
/// Octets of a header, its CRC included.
pub const HEADER: usize = 10;
/// Octets of the longest frame: length field 255.
pub const MAX_FRAME: usize = 292;
/// Octets of user data in the longest frame.
pub const MAX_USER_DATA: usize = 250;
/// The least that the length field may say: control, destination and source.
const MIN_LENGTH: u8 = 5;
/// Octets of user data in a full block.
const BLOCK: usize = 16;
/// Octets of a CRC.
const CRC: usize = 2;

/// Where the fields of a header are.
mod field {
    pub const LENGTH: usize = 2;
    pub const CONTROL: usize = 3;
    pub const DESTINATION: usize = 4;
    pub const SOURCE: usize = 6;
    pub const CRC: usize = 8;
}

/// The control octet (9.2.4.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Control(pub u8);

impl Control {
    /// DIR: the frame comes from a master.
    pub fn from_master(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// PRM: the sender begins a link transaction; its function is one of the primary functions.
    pub fn primary(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// FCB, the frame count bit of a primary frame.
    pub fn frame_count(self) -> bool {
        self.0 & 0x20 != 0
    }

    /// FCV of a primary frame (the frame count bit is valid); DFC of a secondary one (buffers are full).
    pub fn count_valid(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// The function code, 0 to 15; its meaning depends on [`Control::primary`].
    pub fn function(self) -> u8 {
        self.0 & 0x0f
    }

    /// Whether the function is one that carries user data, confirmed or not (primary functions 3 and 4).
    pub fn user_data(self) -> bool {
        self.primary() && matches!(self.function(), 3 | 4)
    }
}

/// The header of a frame, its CRC checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The length field: octets of control, addresses and user data, CRCs not counted; 5 to 255.
    pub length: u8,
    /// The control octet.
    pub control: Control,
    /// Who is to receive it.
    pub destination: u16,
    /// Who sent it.
    pub source: u16,
}

impl Header {
    /// Octets of user data.
    pub fn user_data(&self) -> usize {
        usize::from(self.length.saturating_sub(MIN_LENGTH))
    }

    /// Octets of the whole frame, CRCs included.
    pub fn frame(&self) -> usize {
        let data = self.user_data();
        HEADER + data + data.div_ceil(BLOCK) * CRC
    }

    /// The link address of the outstation, by the direction bit.
    pub fn outstation(&self) -> u16 {
        if self.control.from_master() { self.destination } else { self.source }
    }
}

/// A header that is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum HeaderError {
    /// Its CRC does not hold.
    #[error("link header: CRC {wire:04x} on the wire, {computed:04x} computed")]
    Crc {
        /// The CRC that the frame carries.
        wire: u16,
        /// The CRC of the octets.
        computed: u16,
    },
    /// Its length field is less than 5.
    #[error("link header: length field {0}, at least 5 needed")]
    Length(u8),
}

/// What octets begin with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Begin {
    /// A header.
    Header(Header),
    /// The start octets and a header that is wrong.
    Wrong(HeaderError),
    /// So far it may be a header; fewer than ten octets are there.
    Short,
    /// Not a header.
    Other,
}

/// Looks at what these octets begin with.
pub fn begin(bytes: &[u8]) -> Begin {
    match bytes {
        [] | [0x05] => return Begin::Short,
        [0x05, 0x64, ..] => {}
        _ => return Begin::Other,
    }
    let Some(header) = bytes.first_chunk::<HEADER>() else { return Begin::Short };
    let wire = u16::from_le_bytes([header[field::CRC], header[field::CRC + 1]]);
    let computed = header.first_chunk::<8>().map_or(0, |covered| crc(covered));
    if wire != computed {
        return Begin::Wrong(HeaderError::Crc { wire, computed });
    }
    let length = header[field::LENGTH];
    if length < MIN_LENGTH {
        return Begin::Wrong(HeaderError::Length(length));
    }
    Begin::Header(Header {
        length,
        control: Control(header[field::CONTROL]),
        destination: u16::from_le_bytes([header[field::DESTINATION], header[field::DESTINATION + 1]]),
        source: u16::from_le_bytes([header[field::SOURCE], header[field::SOURCE + 1]]),
    })
}

/// How many octets to pass over until the start octets come next, at least one where there is any; a lone 0x05 at the end may be
/// the first of them.
pub fn skip(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(rest) = bytes.get(at..) {
        // `contains` looks at many octets at once; most blocks of foreign traffic hold no 0x05.
        let window = rest.get(..64).unwrap_or(rest);
        if !window.contains(&START[0]) {
            if window.len() == rest.len() {
                break;
            }
            at += window.len();
            continue;
        }
        let found = window.iter().position(|octet| *octet == START[0]).unwrap_or(0);
        match rest.get(found + 1) {
            None | Some(0x64) => return at + found,
            Some(_) => at += found + 1,
        }
    }
    bytes.len()
}

/// A block of user data whose CRC does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("block {block}: CRC {wire:04x} on the wire, {computed:04x} computed")]
pub struct BlockError {
    /// Which block, from 1.
    pub block: usize,
    /// The CRC that the frame carries.
    pub wire: u16,
    /// The CRC of the octets.
    pub computed: u16,
}

/// Takes the user data out of its blocks. `body` is what follows the header in a whole frame.
pub fn unblock<'b>(body: &[u8], out: &'b mut [u8; MAX_USER_DATA]) -> Result<&'b [u8], BlockError> {
    let mut filled = 0;
    for (at, block) in body.chunks(BLOCK + CRC).enumerate() {
        let Some((data, check)) = block.split_last_chunk::<CRC>() else { break };
        let (wire, computed) = (u16::from_le_bytes(*check), crc(data));
        if wire != computed {
            return Err(BlockError { block: at + 1, wire, computed });
        }
        let Some(room) = out.get_mut(filled..filled + data.len()) else { break };
        room.copy_from_slice(data);
        filled += data.len();
    }
    Ok(out.get(..filled).unwrap_or_default())
}

/// The CRC of DNP3: polynomial 0x3d65, reflected, complemented (9.2.4.3 and annex E). Eight octets at a time.
pub fn crc(bytes: &[u8]) -> u16 {
    let mut crc = 0u16;
    let (eights, rest) = bytes.as_chunks::<8>();
    for [a, b, c, d, e, f, g, h] in eights {
        let [low, high] = crc.to_le_bytes();
        crc = TABLES[7][usize::from(a ^ low)]
            ^ TABLES[6][usize::from(b ^ high)]
            ^ TABLES[5][usize::from(*c)]
            ^ TABLES[4][usize::from(*d)]
            ^ TABLES[3][usize::from(*e)]
            ^ TABLES[2][usize::from(*f)]
            ^ TABLES[1][usize::from(*g)]
            ^ TABLES[0][usize::from(*h)];
    }
    for octet in rest {
        crc = (crc >> 8) ^ TABLES[0][usize::from(crc as u8 ^ octet)];
    }
    !crc
}

/// `TABLES[n][x]`: the remainder of octet x followed by n zero octets.
static TABLES: [[u16; 256]; 8] = {
    let mut tables = [[0u16; 256]; 8];
    let mut octet = 0;
    while octet < 256 {
        let mut crc = octet as u16;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xa6bc } else { crc >> 1 };
            bit += 1;
        }
        tables[0][octet] = crc;
        octet += 1;
    }
    let mut n = 1;
    while n < 8 {
        let mut octet = 0;
        while octet < 256 {
            let before = tables[n - 1][octet];
            tables[n][octet] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            octet += 1;
        }
        n += 1;
    }
    tables
};

/// A link address as people write it: reserved ones with their meaning (9.2.4.1.4 and 9.2.5.2.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address(pub u16);

impl Address {
    /// What a reserved address means.
    pub fn meaning(self) -> Option<&'static str> {
        match self.0 {
            0xffff => Some("broadcast, optional application confirmation"),
            0xfffe => Some("broadcast, mandatory application confirmation"),
            0xfffd => Some("broadcast, no application confirmation"),
            0xfffc => Some("self-address"),
            0xfff0..=0xfffb => Some("reserved"),
            _ => None,
        }
    }

    /// Whether it stands for every outstation.
    pub fn is_broadcast(self) -> bool {
        self.0 >= 0xfffd
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.meaning() {
            None => write!(f, "{}", self.0),
            Some(meaning) => write!(f, "{} ({meaning})", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reset-link frame as every master sends it first.
    const RESET: [u8; 10] = [0x05, 0x64, 0x05, 0xc0, 0x01, 0x00, 0x00, 0x04, 0xe9, 0x21];

    #[test]
    fn a_header_is_read_field_by_field() {
        let header = match begin(&RESET) {
            Begin::Header(header) => header,
            other => panic!("{other:?}"),
        };
        assert_eq!((header.destination, header.source, header.user_data()), (1, 1024, 0));
        assert!(header.control.from_master() && header.control.primary());
        assert!(!header.control.frame_count() && !header.control.count_valid());
        assert_eq!((header.control.function(), header.frame(), header.outstation()), (0, 10, 1));
    }

    #[test]
    fn the_crc_is_the_same_by_eights_and_by_ones() {
        // The check value of CRC-16/DNP over "123456789".
        assert_eq!(crc(b"123456789"), 0xea82);
        let bytes: Vec<u8> = (0..=255).collect();
        for end in 0..bytes.len() {
            let slow = !bytes[..end].iter().fold(0u16, |crc, octet| {
                (0..8).fold(crc ^ u16::from(*octet), |c, _| if c & 1 == 1 { c >> 1 ^ 0xa6bc } else { c >> 1 })
            });
            assert_eq!(crc(&bytes[..end]), slow, "{end}");
        }
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_noticed() {
        for bit in 0..80 {
            let mut frame = RESET;
            frame[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(begin(&frame), Begin::Header(_)), "bit {bit}");
        }
        for end in 0..10 {
            assert_eq!(begin(&RESET[..end]), Begin::Short);
        }
        assert_eq!(begin(b"GET / HTTP/1.1"), Begin::Other);
    }

    #[test]
    fn a_length_below_five_is_wrong_even_with_a_good_crc() {
        let mut frame = RESET;
        frame[2] = 4;
        let check = crc(&frame[..8]).to_le_bytes();
        frame[8..].copy_from_slice(&check);
        assert_eq!(begin(&frame), Begin::Wrong(HeaderError::Length(4)));
    }

    #[test]
    fn skipping_stops_at_the_next_start() {
        assert_eq!(skip(b"ab\x05\x64"), 2);
        assert_eq!(skip(b"\x05\x64\x05\x05\x64"), 3);
        assert_eq!(skip(b"abc\x05"), 3);
        assert_eq!(skip(b"\x05ab\x05x"), 5);
        let mut far = vec![0u8; 300];
        far[200] = 0x05;
        far[201] = 0x64;
        assert_eq!(skip(&far), 200);
    }

    #[test]
    fn frames_are_as_long_as_the_standard_says() {
        let of = |length| Header { length, control: Control(0x44), destination: 0, source: 0 }.frame();
        assert_eq!((of(5), of(6), of(21), of(22), of(255)), (10, 13, 28, 31, MAX_FRAME));
    }

    #[test]
    fn reserved_addresses_are_named() {
        assert_eq!(Address(10).to_string(), "10");
        assert_eq!(Address(0xfffc).to_string(), "65532 (self-address)");
        assert!(Address(0xfffd).is_broadcast() && !Address(0xfffc).is_broadcast());
    }
}
