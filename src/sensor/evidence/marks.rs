//! Which packets belong together: to one conversation, or as fragments to one datagram.

use crate::address::{Address, Endpoint, Mac, Transport};
use crate::packet::Packet;
use foldhash::fast::RandomState;
use std::hash::{BuildHasher, Hasher};

/// What tells whose a packet is.
#[derive(Clone, Copy, Debug)]
pub(in crate::sensor) struct Marks {
    /// Of its conversation; of its datagram where it is a fragment.
    pub(super) own: u64,
    /// Of the fragments that may have come before it; 0 where there were none.
    pub(super) fragments: u64,
}

/// Tells conversations apart by a number: the same for both directions, and nobody outside can know it.
#[derive(Clone, Debug, Default)]
pub(in crate::sensor) struct Marker {
    seed: RandomState,
    /// Whether there was a fragment; without any, nobody asks which ones belong to a packet.
    fragments: bool,
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

    /// The mark of the datagram that fragments become.
    #[cold]
    fn datagram(&self, packet: &Packet<'_>) -> u64 {
        self.seed.hash_one((packet.src.address, packet.dst.address, packet.ip_id)).max(1)
    }

    /// The mark of the conversation between two ends.
    #[inline]
    pub(super) fn conversation(&self, a: &Endpoint, b: &Endpoint, transport: Transport) -> u64 {
        let [low, high] = if a <= b { [a, b] } else { [b, a] };
        let mut hasher = self.seed.build_hasher();
        for end in [low, high] {
            match end.address {
                Address::V4(ip) => hasher.write_u64(u64::from(ip.to_bits()) << 16 | u64::from(end.port)),
                Address::V6(ip) => {
                    hasher.write_u128(ip.to_bits());
                    hasher.write_u16(end.port);
                }
                Address::Mac(Mac([a, b, c, d, e, f])) => {
                    hasher.write_u64(u64::from_be_bytes([0, 1, a, b, c, d, e, f]));
                }
            }
        }
        hasher.write_u32(match transport {
            Transport::Tcp => 6,
            Transport::Udp => 17,
            Transport::Ip(protocol) => protocol.into(),
            Transport::Ethernet(kind) => 0x1_0000 | u32::from(kind),
        });
        hasher.finish()
    }
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
