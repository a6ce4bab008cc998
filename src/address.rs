//! Shared address types: the one vocabulary that every module may use.
//!
//! Nothing here knows a protocol or a capture format. Addresses compare, hash and print the way that people
//! write them: `10.20.1.3:502`, `[fe80::1]:20000`, `00:1d:9c:c7:b0:70`.

use std::cmp::Ordering;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An IEEE 802 MAC address, in transmission order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Whether it stands for many: broadcast or multicast.
    pub fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }

    /// Whether no registry knows it: whoever runs the network made it up.
    pub fn is_local(self) -> bool {
        self.0[0] & 2 == 2
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Who speaks: an IP address, or a MAC address for protocols that run directly on Ethernet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Address {
    /// IPv4.
    V4(Ipv4Addr),
    /// IPv6.
    V6(Ipv6Addr),
    /// Ethernet, for protocols without IP.
    Mac(Mac),
}

impl Address {
    /// The IP address, if it is one.
    pub fn ip(self) -> Option<IpAddr> {
        match self {
            Address::V4(a) => Some(IpAddr::V4(a)),
            Address::V6(a) => Some(IpAddr::V6(a)),
            Address::Mac(_) => None,
        }
    }

    /// Whether it stands for many: broadcast or multicast.
    pub fn is_group(self) -> bool {
        match self {
            Address::V4(ip) => ip.is_multicast() || ip.is_broadcast() || ip.octets()[3] == 255,
            Address::V6(ip) => ip.is_multicast(),
            Address::Mac(mac) => mac.is_group(),
        }
    }
}

/// IPv4 before IPv6 before Ethernet, each by number.
impl Ord for Address {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Address::V4(a), Address::V4(b)) => a.to_bits().cmp(&b.to_bits()),
            (Address::V6(a), Address::V6(b)) => a.to_bits().cmp(&b.to_bits()),
            (Address::Mac(a), Address::Mac(b)) => a.cmp(b),
            (Address::V4(_), _) | (_, Address::Mac(_)) => Ordering::Less,
            (_, Address::V4(_)) | (Address::Mac(_), _) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Address {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<IpAddr> for Address {
    fn from(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(a) => Address::V4(a),
            IpAddr::V6(a) => Address::V6(a),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::V4(a) => a.fmt(f),
            Address::V6(a) => a.fmt(f),
            Address::Mac(a) => a.fmt(f),
        }
    }
}

/// An address that is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoAddress;

impl fmt::Display for NoAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an IP or MAC address")
    }
}

impl std::error::Error for NoAddress {}

/// Six pairs of hexadecimal digits, apart by colons or hyphens.
impl FromStr for Mac {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Mac, NoAddress> {
        let mut octets = [0; 6];
        let mut parts = text.split([':', '-']);
        for octet in &mut octets {
            let pair = |part: &&str| part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit());
            let part = parts.next().filter(pair).ok_or(NoAddress)?;
            *octet = u8::from_str_radix(part, 16).map_err(|_| NoAddress)?;
        }
        parts.next().map_or(Ok(Mac(octets)), |_| Err(NoAddress))
    }
}

/// As people write them.
impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Address, NoAddress> {
        match text.parse::<IpAddr>() {
            Ok(ip) => Ok(ip.into()),
            Err(_) => text.parse().map(Address::Mac),
        }
    }
}

/// One end of a conversation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Endpoint {
    /// Its address.
    pub address: Address,
    /// Its TCP or UDP port; 0 where the protocol has none.
    pub port: u16,
}

impl Endpoint {
    /// An end at this address and port.
    pub fn new(address: impl Into<Address>, port: u16) -> Self {
        Endpoint { address: address.into(), port }
    }
}

/// By address, then port.
impl Ord for Endpoint {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.address.cmp(&other.address).then(self.port.cmp(&other.port))
    }
}

impl PartialOrd for Endpoint {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Address::V4(a) => write!(f, "{a}:{}", self.port),
            Address::V6(a) => write!(f, "[{a}]:{}", self.port),
            Address::Mac(a) => a.fmt(f),
        }
    }
}

/// What carries the payload.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Transport {
    /// TCP (IP protocol 6).
    Tcp,
    /// UDP (IP protocol 17).
    Udp,
    /// Another IP protocol, by its IANA number.
    Ip(u8),
    /// Directly on Ethernet, by EtherType.
    Ethernet(u16),
}

impl Transport {
    /// The IP protocol number, where there is one.
    pub fn ip_protocol(self) -> Option<u8> {
        match self {
            Transport::Tcp => Some(6),
            Transport::Udp => Some(17),
            Transport::Ip(number) => Some(number),
            Transport::Ethernet(_) => None,
        }
    }
}

/// One of the two ends of a conversation: [`Side::A`] spoke in the first packet seen of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Side {
    /// The sender of the first packet seen.
    A,
    /// The other.
    B,
}

impl Side {
    /// The other end.
    pub fn other(self) -> Side {
        match self {
            Side::A => Side::B,
            Side::B => Side::A,
        }
    }

    /// 0 for A, 1 for B: the place in a pair of states, one for each sender.
    pub fn index(self) -> usize {
        self as usize
    }
}

/// When a packet was captured.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp {
    /// Nanoseconds since 1970-01-01T00:00:00Z; negative before.
    pub nanos: i64,
    /// Decimal digits of the second that the capture carries (0 to 9): printed as precisely as recorded.
    pub digits: u8,
}

impl Timestamp {
    /// From nanoseconds since the epoch, printed with all nine digits.
    pub fn from_nanos(nanos: i64) -> Self {
        Timestamp { nanos, digits: 9 }
    }

    /// From microseconds since the epoch, printed with six digits.
    pub fn from_micros(micros: i64) -> Self {
        Timestamp { nanos: micros.saturating_mul(1_000), digits: 6 }
    }

    /// Nanoseconds since an earlier time; 0 where `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> u64 {
        u64::try_from(self.nanos.saturating_sub(earlier.nanos)).unwrap_or(0)
    }
}

/// RFC 3339 in UTC: `2012-11-12T11:04:06.593402Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; 40];
        f.write_str(self.format(&mut text))
    }
}

impl Timestamp {
    /// Writes RFC 3339 into `buffer` and returns the text. Years 0 to 9999 by the proleptic Gregorian calendar.
    pub fn format(self, buffer: &mut [u8; 40]) -> &str {
        let seconds = self.nanos.div_euclid(1_000_000_000);
        let fraction = self.nanos.rem_euclid(1_000_000_000) as u32;
        let (days, in_day) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400) as u32);
        let (year, month, day) = civil(days);
        let mut at = 0;
        let mut put = |value: u32, width: usize, end: Option<u8>| {
            let mut rest = value;
            for i in (0..width).rev() {
                buffer[at + i] = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
            at += width;
            if let Some(end) = end {
                buffer[at] = end;
                at += 1;
            }
        };
        put(year.clamp(0, 9999) as u32, 4, Some(b'-'));
        put(month, 2, Some(b'-'));
        put(day, 2, Some(b'T'));
        put(in_day / 3600, 2, Some(b':'));
        put(in_day / 60 % 60, 2, Some(b':'));
        let digits = u32::from(self.digits.min(9));
        if digits == 0 {
            put(in_day % 60, 2, Some(b'Z'));
        } else {
            put(in_day % 60, 2, Some(b'.'));
            put(fraction / 10u32.pow(9 - digits), digits as usize, Some(b'Z'));
        }
        std::str::from_utf8(&buffer[..at]).unwrap_or_default()
    }
}

/// Days since 1970-01-01 to (year, month, day), proleptic Gregorian.
pub(crate) fn civil(days: i64) -> (i64, u32, u32) {
    // Count from 0000-03-01, so that the leap day is the last day of a "year".
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_print_as_precisely_as_recorded() {
        assert_eq!(Timestamp::from_micros(1_352_718_246_593_402).to_string(), "2012-11-12T11:04:06.593402Z");
        assert_eq!(
            Timestamp { nanos: 951_782_400_000_000_000, digits: 0 }.to_string(),
            "2000-02-29T00:00:00Z"
        );
        assert_eq!(Timestamp::from_nanos(-1).to_string(), "1969-12-31T23:59:59.999999999Z");
        assert_eq!(Timestamp { nanos: 1_500_000_000, digits: 1 }.to_string(), "1970-01-01T00:00:01.5Z");
    }

    #[test]
    fn endpoints_print_as_people_write_them() {
        assert_eq!(Endpoint::new(IpAddr::from([10, 20, 1, 3]), 502).to_string(), "10.20.1.3:502");
        assert_eq!(Endpoint::new(IpAddr::from(Ipv6Addr::LOCALHOST), 20000).to_string(), "[::1]:20000");
        let mac = Endpoint { address: Address::Mac(Mac([0, 0x1d, 0x9c, 0xc7, 0xb0, 0x70])), port: 0 };
        assert_eq!(mac.to_string(), "00:1d:9c:c7:b0:70");
        for end in ["10.20.1.3", "fe80::1", "00:1d:9c:c7:b0:70"] {
            assert_eq!(end.parse::<Address>().unwrap().to_string(), end);
        }
        for end in ["", "10.20.1", "00:1d:9c:c7:b0", "00:1d:9c:c7:b0:70:1", "+0:1d:9c:c7:b0:7", "plc-3"] {
            assert_eq!(end.parse::<Address>(), Err(NoAddress), "{end}");
        }
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let address = |text: &str| text.parse::<Address>().ok();
        assert_eq!(address("10.0.0.1"), Some(Address::V4([10, 0, 0, 1].into())));
        assert_eq!(address("00:1d:9c:01:02:03"), Some(Address::Mac(Mac([0, 0x1d, 0x9c, 1, 2, 3]))));
        assert_eq!(address("00-1D-9C-01-02-03"), Some(Address::Mac(Mac([0, 0x1d, 0x9c, 1, 2, 3]))));
        assert_eq!(address("fe80::1"), Some(Address::V6("fe80::1".parse().unwrap())));
        assert_eq!([address("pump"), address("00:1d:9c"), address("0:1:2:3:4:5")], [None; 3]);
    }
}
