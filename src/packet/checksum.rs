//! The Internet checksum (RFC 1071).

/// The one's complement sum of these octets and `start`, folded to 16 bits, in the machine's byte order. An odd
/// octet at the end counts as the high one of a pair.
pub fn sum(start: u64, bytes: &[u8]) -> u64 {
    let mut total = start;
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        let word = u64::from_ne_bytes(*chunk);
        total += (word & 0xffff_ffff) + (word >> 32);
    }
    let (pairs, odd) = rest.as_chunks::<2>();
    for pair in pairs {
        total += u64::from(u16::from_ne_bytes(*pair));
    }
    if let [last] = odd {
        total += u64::from(u16::from_ne_bytes([*last, 0]));
    }
    total
}

/// Whether data that includes its checksum sums up to what it should.
pub fn is_good(sum: u64) -> bool {
    let mut total = sum;
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total == 0xffff
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The IPv4 header that textbooks sum up.
    #[test]
    fn a_known_header() {
        let mut header =
            [0x45, 0, 0, 0x73, 0, 0, 0x40, 0, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7];
        assert!(is_good(sum(0, &header)));
        header[1] = 1;
        assert!(!is_good(sum(0, &header)));
    }
}
