//! Which packets belong together: to one conversation, or as fragments to one datagram.

use crate::address::{Address, Endpoint, Mac, Transport};
use crate::packet::Packet;
use foldhash::fast::RandomState;
use std::hash::BuildHasher;

/// What tells whose a packet is.
#[derive(Clone, Copy, Debug)]
pub(in crate::sensor) struct Marks {
    /// Of its conversation; of its datagram where it is a fragment.
    pub(super) own: u64,
    /// Of the fragments that may have come before it; 0 where there were none.
    pub(super) fragments: u64,
}

/// Tells conversations apart by a number: the same for both directions, and nobody outside can know it.
#[derive(Clone, Debug)]
pub(in crate::sensor) struct Marker {
    /// Keys that differ from run to run.
    keys: [u64; 4],
    /// Whether there was a fragment; without any, nobody asks which ones belong to a packet.
    fragments: bool,
}

impl Default for Marker {
    fn default() -> Self {
        let seed = RandomState::default();
        Marker { keys: [0, 1, 2, 3].map(|place| seed.hash_one(place)), fragments: false }
    }
}

impl Marker {
    /// The marks of a packet.
    #[inline]
    pub(in crate::sensor) fn packet(&self, packet: &Packet<'_>) -> Marks {
        let own = self.conversation(&packet.src, &packet.dst, packet.transport);
        Marks { own, fragments: if self.fragments { self.datagram(packet) } else { 0 } }
    }

    /// The marks of a fragment.
    pub(in crate::sensor) fn fragment(&mut self, fragment: &Packet<'_>) -> Marks {
        self.fragments = true;
        let own = self.datagram(fragment);
        Marks { own, fragments: own }
    }

    /// The mark of the datagram that fragments become: that of its sender, its receiver and its identification.
    #[cold]
    fn datagram(&self, packet: &Packet<'_>) -> u64 {
        let [a, b, c, _] = self.keys;
        let end = |end: Endpoint| self.end(&Endpoint { port: 0, ..end });
        let ends = folded(end(packet.src) ^ b, end(packet.dst) ^ c);
        folded(ends ^ u64::from(packet.ip_id), !a).max(1)
    }

    /// The mark of the conversation between two ends.
    #[inline]
    pub(super) fn conversation(&self, a: &Endpoint, b: &Endpoint, transport: Transport) -> u64 {
        let kind = match transport {
            Transport::Tcp => 6,
            Transport::Udp => 17,
            Transport::Ip(protocol) => protocol.into(),
            Transport::Ethernet(kind) => 0x1_0000 | u64::from(kind),
        };
        let (a, b) = (self.end(a), self.end(b));
        let [low, high, last, _] = self.keys;
        folded(folded(a.min(b) ^ low, a.max(b) ^ high) ^ kind, last)
    }

    /// One end as a number.
    #[inline]
    fn end(&self, end: &Endpoint) -> u64 {
        match end.address {
            Address::V4(ip) => u64::from(ip.to_bits()) << 16 | u64::from(end.port),
            Address::V6(ip) => {
                let [.., high, low] = self.keys;
                let bits = ip.to_bits();
                folded((bits >> 64) as u64 ^ high, bits as u64 ^ low).wrapping_add(u64::from(end.port))
            }
            Address::Mac(Mac([a, b, c, d, e, f])) => u64::from_be_bytes([0, 1, a, b, c, d, e, f]),
        }
    }
}

/// Both halves of a product, so that every bit of either factor matters.
#[inline]
fn folded(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn both_directions_have_one_mark_and_other_ports_another() {
        let end = |last, port| Endpoint { address: Address::V4(Ipv4Addr::new(10, 0, 0, last)), port };
        let marker = Marker::default();
        let mark = marker.conversation(&end(1, 40_000), &end(2, 502), Transport::Tcp);
        assert_eq!(mark, marker.clone().conversation(&end(2, 502), &end(1, 40_000), Transport::Tcp));
        for (a, b, transport) in [
            (end(1, 502), end(2, 40_000), Transport::Tcp),
            (end(1, 40_001), end(2, 502), Transport::Tcp),
            (end(1, 40_000), end(2, 502), Transport::Udp),
        ] {
            assert_ne!(mark, marker.conversation(&a, &b, transport));
        }
    }
}
