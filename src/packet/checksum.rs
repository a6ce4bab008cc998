//! The Internet checksum (RFC 1071).

/// The one's complement sum of these octets and `start`, in the machine's byte order and not yet folded. An odd
/// octet at the end counts as the high one of a pair.
#[inline]
pub fn sum(start: u64, bytes: &[u8]) -> u64 {
    let mut total = start;
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        total = add(total, u64::from_ne_bytes(*chunk));
    }
    let (quads, rest) = rest.as_chunks::<4>();
    for quad in quads {
        total = add(total, u64::from(u32::from_ne_bytes(*quad)));
    }
    let (pairs, odd) = rest.as_chunks::<2>();
    for pair in pairs {
        total = add(total, u64::from(u16::from_ne_bytes(*pair)));
    }
    if let [last] = odd {
        total = add(total, u64::from(u16::from_ne_bytes([*last, 0])));
    }
    total
}

/// One's complement addition: what is carried out of the top comes in at the bottom. 64 bits at once do, since 2^64
/// is 1 modulo 2^16 - 1.
#[inline]
pub fn add(a: u64, b: u64) -> u64 {
    let (sum, carry) = a.overflowing_add(b);
    sum + u64::from(carry)
}

/// Whether data that includes its checksum sums up to what it should.
#[inline]
pub fn is_good(sum: u64) -> bool {
    // Folding keeps the remainder by 2^16 - 1; all ones is the one that is not zero.
    sum != 0 && sum.is_multiple_of(0xffff)
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

    /// The sum taken as RFC 1071 writes it, sixteen bits at a time.
    #[test]
    fn carries_wrap_around_at_every_length() {
        let bytes: Vec<u8> =
            (0..200u32).map(|n| if n % 3 == 0 { 0xff } else { (n * 7) as u8 | 0xf0 }).collect();
        for length in 0..bytes.len() {
            let part = bytes.get(..length).unwrap_or_default();
            let mut plain: u64 = part
                .chunks(2)
                .map(|pair| u64::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])))
                .sum();
            while plain > 0xffff {
                plain = (plain & 0xffff) + (plain >> 16);
            }
            let checksum = (!(plain as u16)).to_be_bytes();
            assert!(is_good(sum(sum(u64::MAX, part), &checksum)), "{length}");
            assert!(!is_good(sum(sum(1, part), &checksum)), "{length}");
        }
    }
}
