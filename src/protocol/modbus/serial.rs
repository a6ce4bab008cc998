//! The serial line framings, as gateways carry them inside TCP and UDP.
//!
//! MODBUS over Serial Line V1.02: RTU (section 2.5.1: unit, PDU, CRC-16 with its low octet first) and ASCII (section
//! 2.5.2: a colon, pairs of hexadecimal digits for unit, PDU and LRC, CR LF). An RTU frame does not say how long it is:
//! on a line silence ends it, in a stream the place where its CRC fits and its fields do.

use super::codes;
use super::wire::{Pdu, Role};

/// The longest RTU frame: unit, 253 octets of PDU, CRC.
pub const RTU_MAX: usize = 256;
/// The shortest: unit, function, CRC.
const RTU_MIN: usize = 4;
/// The longest ASCII frame: colon, 255 pairs, CR LF.
pub const ASCII_MAX: usize = 513;

/// CRC-16 of the serial line specification, section 6.2.2: polynomial A001, reflected, starting at FFFF.
const TABLE: [u16; 256] = {
    let mut table = [0u16; 256];
    let mut octet = 0;
    while octet < 256 {
        let mut crc = octet as u16;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xa001 } else { crc >> 1 };
            bit += 1;
        }
        table[octet] = crc;
        octet += 1;
    }
    table
};

fn step(crc: u16, octet: u8) -> u16 {
    crc >> 8 ^ TABLE[usize::from(crc as u8 ^ octet)]
}

/// The CRC-16 of these octets.
pub fn crc(octets: &[u8]) -> u16 {
    octets.iter().fold(0xffff, |crc, octet| step(crc, *octet))
}

/// The length of the RTU frame at the front: the first place where the CRC fits and the fields are those of a public
/// function, one way or the other.
pub fn rtu_len(bytes: &[u8]) -> Option<usize> {
    let function = *bytes.get(1)?;
    if !codes::FUNCTIONS.iter().any(|f| f.code == u16::from(function & 0x7f)) {
        return None;
    }
    let mut running = 0xffff;
    // A CRC that is appended to its own octets leaves 0.
    for (at, octet) in bytes.iter().take(RTU_MAX).enumerate() {
        running = step(running, *octet);
        let len = at + 1;
        if running == 0 && len >= RTU_MIN && fits(bytes.get(1..len - 2)?) {
            return Some(len);
        }
    }
    None
}

/// Whether the octets are a PDU without a fault, one way or the other.
fn fits(pdu: &[u8]) -> bool {
    [Role::Request, Role::Response]
        .into_iter()
        .any(|role| Pdu::parse(role, pdu).is_some_and(|pdu| pdu.fault.is_none()))
}

/// Whether the octets may be the beginning of an RTU frame: a public function, and no longer than a frame.
pub fn may_be_rtu(bytes: &[u8]) -> bool {
    let known = |function: &u8| codes::FUNCTIONS.iter().any(|f| f.code == u16::from(function & 0x7f));
    bytes.len() < RTU_MAX && bytes.get(1).is_none_or(known)
}

/// Whether whole RTU frames fill these octets.
pub fn is_rtu(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some((_, after)) = rtu_len(rest).and_then(|len| rest.split_at_checked(len)) {
        rest = after;
    }
    rest.is_empty() && !bytes.is_empty()
}

/// The next RTU frame in a stream: how many octets to pass over, and how long it is.
pub fn find_rtu(bytes: &[u8]) -> Option<(usize, usize)> {
    let places = bytes.len().min(RTU_MAX);
    (0..places).find_map(|place| Some((place, rtu_len(bytes.get(place..)?)?)))
}

/// An ASCII frame at the front.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ascii {
    /// A whole frame of this many characters; its unit and PDU were decoded.
    Frame(usize),
    /// It may become one.
    Partial,
    /// A frame of this many characters whose LRC does not fit.
    BadLrc(usize),
    /// Something else.
    No,
}

/// Reads the ASCII frame at the front; `out` gets unit and PDU. A frame ends with CR LF, or with CR and the
/// delimiter that took the place of LF (MODBUS Application Protocol V1.1b3, 6.8.1, sub-function 3).
pub fn ascii(bytes: &[u8], delimiter: Option<u8>, out: &mut Vec<u8>) -> Ascii {
    out.clear();
    match bytes.split_first() {
        None => return Ascii::Partial,
        Some((b':', _)) => {}
        Some(_) => return Ascii::No,
    }
    let mut at = 1;
    loop {
        match bytes.get(at..at + 2) {
            Some([b'\r', b'\n']) => break,
            Some([b'\r', end]) if delimiter == Some(*end) => break,
            Some([high, low]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) if at < ASCII_MAX => out.push(high << 4 | low),
                _ => return Ascii::No,
            },
            _ => return Ascii::Partial,
        }
        at += 2;
    }
    let len = at + 2;
    // The LRC makes the sum of all octets 0.
    let sum = out.iter().fold(0u8, |sum, octet| sum.wrapping_add(*octet));
    out.pop();
    match out.len() {
        0 | 1 => Ascii::No,
        _ if sum != 0 => Ascii::BadLrc(len),
        _ => Ascii::Frame(len),
    }
}

fn digit(character: u8) -> Option<u8> {
    char::from(character).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framed(octets: &[u8]) -> Vec<u8> {
        [octets, &crc(octets).to_le_bytes()].concat()
    }

    /// The worked example of the serial line specification, section 6.2.2: 02 07 has the CRC 1241.
    #[test]
    fn the_crc_of_the_specification() {
        assert_eq!(crc(&[0x02, 0x07]), 0x1241);
        assert_eq!(framed(&[1, 3, 0, 0, 0, 2]), [1, 3, 0, 0, 0, 2, 0xc4, 0x0b]);
    }

    #[test]
    fn frames_end_where_crc_and_fields_fit() {
        let two = [framed(&[1, 3, 0, 0, 0, 2]), framed(&[1, 3, 4, 0, 1, 0, 2])].concat();
        assert_eq!(rtu_len(&two), Some(8));
        assert!(is_rtu(&two));
        assert_eq!(find_rtu(&[&[9, 9, 9], &two[..]].concat()), Some((3, 8)));
        assert_eq!(rtu_len(&two[..7]), None);
        let mut wrong = two.clone();
        wrong[4] ^= 1;
        assert!(!is_rtu(&wrong));
    }

    #[test]
    fn ascii_frames_have_pairs_and_an_lrc() {
        let mut out = Vec::new();
        // 01 03 00 00 00 02 has the LRC FA.
        assert_eq!(ascii(b":010300000002FA\r\n:", None, &mut out), Ascii::Frame(17));
        assert_eq!(out, [1, 3, 0, 0, 0, 2]);
        assert_eq!(ascii(b":010300000002FB\r\n", None, &mut out), Ascii::BadLrc(17));
        assert_eq!(ascii(b":010300000002FA\r;", Some(b';'), &mut out), Ascii::Frame(17));
        assert_eq!(ascii(b":010300000002FA\r\n", Some(b';'), &mut out), Ascii::Frame(17));
        assert_eq!(ascii(b":010300000002FA\r;", None, &mut out), Ascii::No);
        assert_eq!(ascii(b":0103000", None, &mut out), Ascii::Partial);
        assert_eq!(ascii(b":01x3", None, &mut out), Ascii::No);
        assert_eq!(ascii(b"GET", None, &mut out), Ascii::No);
    }

    proptest::proptest! {
        #[test]
        fn no_octets_make_it_panic(bytes in proptest::collection::vec(0u8.., 0..600)) {
            let _ = (find_rtu(&bytes), is_rtu(&bytes), ascii(&bytes, None, &mut Vec::new()));
        }
    }
}
