//! Binary time: CP56Time2a with date, CP24Time2a within the hour (IEC 60870-5-101:2003, 7.2.6.18 and 7.2.6.19; IEC
//! 60870-5-4, 6.8). Neither says its time zone.

use std::fmt;

/// A date and time, to the millisecond.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cp56<'a>(pub &'a [u8; 7]);

/// Minutes, seconds and milliseconds of the present hour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cp24<'a>(pub &'a [u8; 3]);

/// IV, in the octet of minutes: the clock was not right.
const INVALID: u8 = 0x80;
/// RES1, in the octet of minutes: the time was put in on the way (IEC 60870-5-101, 7.2.6.18).
const SUBSTITUTED: u8 = 0x40;
/// SU, in the octet of hours: summer time.
const SUMMER: u8 = 0x80;

impl Cp24<'_> {
    fn millis(&self) -> u16 {
        u16::from_le_bytes([self.0[0], self.0[1]])
    }

    /// Whether the clock was not right.
    pub fn is_invalid(&self) -> bool {
        self.0[2] & INVALID != 0
    }

    /// Whether the time was put in on the way.
    pub fn is_substituted(&self) -> bool {
        self.0[2] & SUBSTITUTED != 0
    }

    /// Whether an hour has such a time.
    pub fn is_real(&self) -> bool {
        self.millis() < 60_000 && self.0[2] & 0x3f < 60
    }
}

/// Minutes and seconds: `41:12.345`.
impl fmt::Display for Cp24<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.millis();
        write!(f, "{:02}:{:02}.{:03}", self.0[2] & 0x3f, millis / 1000, millis % 1000)
    }
}

impl Cp56<'_> {
    fn minutes(&self) -> Cp24<'_> {
        Cp24(self.0.first_chunk().unwrap_or(&[0; 3]))
    }

    fn hour(&self) -> u8 {
        self.0[3] & 0x1f
    }

    fn day(&self) -> u8 {
        self.0[4] & 0x1f
    }

    fn month(&self) -> u8 {
        self.0[5] & 0x0f
    }

    /// The standard has two digits; those from 70 on are of the last century.
    fn year(&self) -> u16 {
        match u16::from(self.0[6] & 0x7f) {
            year @ 70.. => 1900 + year,
            year => 2000 + year,
        }
    }

    /// Whether the clock was not right.
    pub fn is_invalid(&self) -> bool {
        self.minutes().is_invalid()
    }

    /// Whether the time was put in on the way.
    pub fn is_substituted(&self) -> bool {
        self.minutes().is_substituted()
    }

    /// Whether it is summer time.
    pub fn is_summer(&self) -> bool {
        self.0[3] & SUMMER != 0
    }

    /// Whether the calendar has such a time.
    pub fn is_real(&self) -> bool {
        let leap = self.year().is_multiple_of(4);
        let days = match self.month() {
            4 | 6 | 9 | 11 => 30,
            2 if leap => 29,
            2 => 28,
            1..=12 => 31,
            _ => return false,
        };
        self.minutes().is_real() && self.hour() < 24 && (1..=days).contains(&self.day())
    }
}

/// As in RFC 3339, without a zone: `2008-07-31T10:41:12.345`.
impl fmt::Display for Cp56<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = (self.year(), self.month(), self.day());
        write!(f, "{year:04}-{month:02}-{day:02}T{:02}:{}", self.hour(), self.minutes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_is_read_from_its_seven_octets() {
        // 12.345 s, minute 41, 10 o'clock, Thursday 31st, July, 2008.
        let time = Cp56(&[0x39, 0x30, 41, 10, 4 << 5 | 31, 7, 8]);
        assert_eq!(time.to_string(), "2008-07-31T10:41:12.345");
        assert!(time.is_real() && !time.is_invalid() && !time.is_summer() && !time.is_substituted());
        let time = Cp56(&[0, 0, 0xc0 | 5, 0x80 | 23, 1, 12, 99]);
        assert_eq!(time.to_string(), "1999-12-01T23:05:00.000");
        assert!(time.is_invalid() && time.is_summer() && time.is_substituted());
    }

    #[test]
    fn a_time_that_no_calendar_has_is_none() {
        for octets in [
            [0; 7],
            [0x60, 0xea, 0, 0, 1, 1, 1],
            [0, 0, 60, 0, 1, 1, 1],
            [0, 0, 0, 24, 1, 1, 1],
            [0, 0, 0, 0, 31, 4, 1],
            [0, 0, 0, 0, 29, 2, 1],
            [0, 0, 0, 0, 1, 13, 1],
        ] {
            assert!(!Cp56(&octets).is_real(), "{octets:?}");
        }
        assert!(Cp56(&[0x5f, 0xea, 59, 23, 29, 2, 4]).is_real());
        assert!(Cp24(&[0x5f, 0xea, 59]).is_real() && !Cp24(&[0, 0, 60]).is_real());
        assert_eq!(Cp24(&[0x5f, 0xea, 0x80 | 7]).to_string(), "07:59.999");
    }
}
