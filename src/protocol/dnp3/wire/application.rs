//! The header of an application fragment (IEEE 1815-2012, 4.2.2): control, function code and, from an outstation,
//! internal indications.

use thiserror::Error;

/// The application control octet (4.2.2.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Control(pub u8);

impl Control {
    /// FIR: the first fragment of a message.
    pub fn first(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// FIN: the last fragment of a message.
    pub fn last(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// CON: the receiver is to confirm.
    pub fn confirm(self) -> bool {
        self.0 & 0x20 != 0
    }

    /// UNS: it belongs to an unsolicited response.
    pub fn unsolicited(self) -> bool {
        self.0 & 0x10 != 0
    }

    /// The sequence number, 0 to 15.
    pub fn sequence(self) -> u8 {
        self.0 & 0x0f
    }

    /// The sequence number after this one.
    pub fn following(self) -> u8 {
        self.sequence().wrapping_add(1) & 0x0f
    }
}

/// The header of a fragment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The control octet.
    pub control: Control,
    /// The function code (4.2.2.5).
    pub function: u8,
    /// Internal indications of a response, IIN1 in the high octet (4.2.2.6).
    pub iin: Option<u16>,
}

/// A fragment that ends within its header.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("application header: {have} octets, {need} needed")]
pub struct TooShort {
    /// Octets that are there.
    pub have: usize,
    /// Octets that the header takes.
    pub need: usize,
}

/// Whether a function code is one that outstations send, with internal indications behind it.
pub fn is_response(function: u8) -> bool {
    matches!(function, 129..=131)
}

/// Takes the header off a fragment; what remains are object headers and objects.
pub fn split(fragment: &[u8]) -> Result<(Header, &[u8]), TooShort> {
    let have = fragment.len();
    let Some(([control, function], rest)) = fragment.split_first_chunk::<2>() else {
        return Err(TooShort { have, need: 2 });
    };
    let (control, function) = (Control(*control), *function);
    if !is_response(function) {
        return Ok((Header { control, function, iin: None }, rest));
    }
    match rest.split_first_chunk::<2>() {
        Some((iin, rest)) => Ok((Header { control, function, iin: Some(u16::from_be_bytes(*iin)) }, rest)),
        None => Err(TooShort { have, need: 4 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_has_indications_and_a_request_has_none() {
        let (header, rest) = split(&[0xe5, 0x81, 0x90, 0x02, 0x1e]).unwrap();
        assert_eq!((header.function, header.iin, rest), (129, Some(0x9002), &[0x1e][..]));
        let control = header.control;
        assert!(control.first() && control.last() && control.confirm() && !control.unsolicited());
        assert_eq!((control.sequence(), Control(0xdf).following()), (5, 0));
        let (header, rest) = split(&[0xc0, 0x01, 0x3c, 0x02, 0x06]).unwrap();
        assert_eq!((header.function, header.iin, rest.len()), (1, None, 3));
        assert_eq!(split(&[0xc0, 0x81, 0x00]), Err(TooShort { have: 3, need: 4 }));
        assert_eq!(split(&[0xc0]), Err(TooShort { have: 1, need: 2 }));
    }
}
