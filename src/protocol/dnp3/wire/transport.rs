//! The transport function: one octet before each piece of an application fragment (IEEE 1815-2012, 8.2).

/// The transport header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment(pub u8);

impl Segment {
    /// FIN: the last segment of its fragment.
    pub fn last(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// FIR: the first segment of its fragment.
    pub fn first(self) -> bool {
        self.0 & 0x40 != 0
    }

    /// The sequence number, 0 to 63; it counts on within a fragment.
    pub fn sequence(self) -> u8 {
        self.0 & 0x3f
    }

    /// The sequence number that must follow within a fragment.
    pub fn following(self) -> u8 {
        self.sequence().wrapping_add(1) & 0x3f
    }
}

/// Takes the header off a link frame's user data; `None` where there is not even that.
pub fn split(user_data: &[u8]) -> Option<(Segment, &[u8])> {
    user_data.split_first().map(|(header, payload)| (Segment(*header), payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_holds_two_flags_and_a_sequence_that_wraps() {
        let (segment, payload) = split(&[0x7f, 1, 2]).unwrap();
        assert!(segment.first() && !segment.last());
        assert_eq!((segment.sequence(), segment.following(), payload), (63, 0, &[1u8, 2][..]));
        assert!(split(&[]).is_none());
    }
}
