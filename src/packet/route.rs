//! Which of several workers a frame is for, told from as few octets as will do.
//!
//! What two hosts say to each other belongs together: the two addresses decide, whichever of the two sends, and not
//! the ports, so that rules that count between two hosts find all of it in one place.

use super::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, HEADERS, PROTOCOL_TCP, PROTOCOL_UDP, Packet, VXLAN_PORT, link};
use crate::address::{Address, Mac};

/// A number for the two hosts of a plain frame, the same in both directions. `None` where the frame must be decoded
/// to tell: fragments, tunnels, extension headers, link layers seldom seen, frames that are cut short.
#[inline]
pub fn route(link: u32, frame: &[u8]) -> Option<u64> {
    // The common case first, with one check for all its octets: Ethernet, IPv4 without fragments, TCP.
    if let (link::ETHERNET, Some(head)) = (link, frame.first_chunk::<34>())
        && let [
            ..,
            0x08,
            0x00,
            0x40..=0x4f,
            _,
            _,
            _,
            _,
            _,
            0x00 | 0x40,
            0,
            _,
            PROTOCOL_TCP,
            _,
            _,
            s0,
            s1,
            s2,
            s3,
            d0,
            d1,
            d2,
            d3,
        ] = *head
    {
        let [src, dst] = [[s0, s1, s2, s3], [d0, d1, d2, d3]].map(u32::from_be_bytes);
        return Some(mix(src.into(), dst.into()));
    }
    route_others(link, frame)
}

fn route_others(link: u32, frame: &[u8]) -> Option<u64> {
    if link != link::ETHERNET {
        return None;
    }
    let mut at = 12;
    for _ in 0..HEADERS {
        let ether_type = be16(frame, at)?;
        let rest = frame.get(at + 2..)?;
        match ether_type {
            ETHERTYPE_IPV4 => return ipv4(rest),
            ETHERTYPE_IPV6 => return ipv6(rest),
            0x8100 | 0x88a8 | 0x9100 | 0x9200 => at += 4,
            _ => return None,
        }
    }
    None
}

/// A number for two addresses, as [`route`] gives it.
pub fn route_of(packet: &Packet<'_>) -> u64 {
    let [a, b] = [packet.src.address, packet.dst.address].map(|address| match address {
        Address::V4(a) => u64::from(a.to_bits()),
        Address::V6(a) => fold(a.to_bits()),
        Address::Mac(Mac([a, b, c, d, e, f])) => u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
    });
    mix(a, b)
}

fn ipv4(bytes: &[u8]) -> Option<u64> {
    let head = bytes.first_chunk::<20>()?;
    let [first, _, _, _, _, _, f0, f1, _, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = *head;
    // More fragments, or an offset: the ports may be elsewhere.
    if first >> 4 != 4 || (f0 & 0x3f) != 0 || f1 != 0 {
        return None;
    }
    plain(protocol, bytes, usize::from(first & 0x0f) * 4)?;
    let [src, dst] = [[s0, s1, s2, s3], [d0, d1, d2, d3]].map(u32::from_be_bytes);
    Some(mix(src.into(), dst.into()))
}

fn ipv6(bytes: &[u8]) -> Option<u64> {
    let head = bytes.first_chunk::<40>()?;
    plain(*head.get(6)?, bytes, 40)?;
    let address = |at: usize| Some(u128::from_be_bytes(*head.get(at..)?.first_chunk()?));
    Some(mix(fold(address(8)?), fold(address(24)?)))
}

/// Whether what IP carries is TCP or UDP, and no tunnel.
fn plain(protocol: u8, bytes: &[u8], at: usize) -> Option<()> {
    match protocol {
        PROTOCOL_TCP => Some(()),
        PROTOCOL_UDP => (be16(bytes, at)? != VXLAN_PORT && be16(bytes, at + 2)? != VXLAN_PORT).then_some(()),
        _ => None,
    }
}

fn fold(bits: u128) -> u64 {
    (bits >> 64) as u64 ^ bits as u64
}

fn mix(a: u64, b: u64) -> u64 {
    // The sum and the difference of two are the same either way round.
    let both = a.wrapping_add(b) ^ (a ^ b).rotate_left(32);
    let mixed = both.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93)
}

fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Timestamp;
    use crate::packet::{Decoded, Decoder};
    use etherparse::PacketBuilder;

    fn frame(build: impl FnOnce() -> etherparse::PacketBuilderStep<etherparse::UdpHeader>) -> Vec<u8> {
        let mut out = Vec::new();
        build().write(&mut out, b"abcd").unwrap();
        out
    }

    fn decoded(frame: &[u8]) -> u64 {
        let mut decoder = Decoder::new(1 << 16);
        match decoder.decode(1, Timestamp::default(), frame, frame.len() as u32) {
            Decoded::Packet(packet) => route_of(&packet),
            other => panic!("{other:?}"),
        }
    }

    /// Both ways of telling agree, in both directions, with and without VLAN tags.
    #[test]
    fn a_frame_goes_where_its_packet_goes() {
        let (a, b) = ([10, 0, 0, 1], [192, 168, 7, 9]);
        let there = frame(|| PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(a, b, 64).udp(40_000, 20_000));
        let back = frame(|| {
            let tagged = PacketBuilder::ethernet2([4; 6], [2; 6]).double_vlan(
                etherparse::VlanId::try_new(5).unwrap(),
                etherparse::VlanId::try_new(7).unwrap(),
            );
            tagged.ipv4(b, a, 64).udp(20_000, 41_000)
        });
        let told = route(1, &there);
        assert_eq!(told, Some(decoded(&there)));
        assert_eq!(route(1, &back), told);
        assert_eq!(told, Some(decoded(&back)));
        let (a, b) = ([0x20; 16], [0x31; 16]);
        let there = frame(|| PacketBuilder::ethernet2([2; 6], [4; 6]).ipv6(a, b, 64).udp(1, 2));
        let back = frame(|| PacketBuilder::ethernet2([2; 6], [4; 6]).ipv6(b, a, 64).udp(2, 1));
        assert_eq!(route(1, &there), Some(decoded(&there)));
        assert_eq!(route(1, &back), route(1, &there));
    }

    /// What may hold something else inside is not told from the outside.
    #[test]
    fn fragments_and_tunnels_are_left_to_the_decoder() {
        let tunnel =
            frame(|| PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([1; 4], [2; 4], 9).udp(9, VXLAN_PORT));
        assert_eq!(route(1, &tunnel), None);
        let plain = frame(|| PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([1; 4], [2; 4], 9).udp(9, 9));
        let mut fragment = plain.clone();
        fragment[20] |= 0x20;
        assert_eq!(route(1, &fragment), None);
        let mut gre = plain.clone();
        gre[23] = 47;
        assert_eq!(route(1, &gre), None);
        (0..plain.len()).for_each(|length| {
            let _ = route(1, &plain[..length]);
        });
    }
}
