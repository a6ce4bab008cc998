//! One direction of a conversation: who speaks to whom, over what.

use super::Object;
use crate::address::{Endpoint, Mac, Transport};
use base64::Engine as _;
use sha1::{Digest, Sha1};
use std::cell::OnceCell;

/// A Community ID v1 string, "1:" and 28 base64 characters.
pub type CommunityId = [u8; 30];

/// Who speaks to whom.
#[derive(Clone, Debug)]
pub struct Flow {
    /// The sender.
    pub src: Endpoint,
    /// The receiver.
    pub dst: Endpoint,
    /// What carries it.
    pub transport: Transport,
    /// The sender's MAC address, where the capture has it.
    pub src_mac: Option<Mac>,
    /// The receiver's MAC address, where the capture has it.
    pub dst_mac: Option<Mac>,
    /// The innermost VLAN identifier (IEEE 802.1Q, 12 bits), where there is a tag.
    pub vlan: Option<u16>,
    /// What outputs say of it: most flows are quiet, and a pointer is enough for those.
    said: OnceCell<Box<Said>>,
}

/// What outputs say of a flow, worked out once.
#[derive(Clone, Debug)]
struct Said {
    community_id: Option<CommunityId>,
    /// The members `src`, `dst` and `community_id` of every event.
    members: Box<[u8]>,
}

impl Flow {
    /// A flow between two ends.
    pub fn new(src: Endpoint, dst: Endpoint, transport: Transport) -> Self {
        Flow { src, dst, transport, src_mac: None, dst_mac: None, vlan: None, said: OnceCell::new() }
    }

    /// The same conversation seen from the other end.
    pub fn reversed(&self) -> Flow {
        Flow {
            src: self.dst,
            dst: self.src,
            transport: self.transport,
            src_mac: self.dst_mac,
            dst_mac: self.src_mac,
            vlan: self.vlan,
            said: OnceCell::new(),
        }
    }

    /// The Community ID v1 with seed 0, the same for both directions; `None` where there is no IP.
    /// Worked out once per flow, at the first output that asks.
    pub fn community_id(&self) -> Option<&str> {
        text(self.said().community_id.as_ref())
    }

    /// The members `src`, `dst` and `community_id` of every event of this flow, written once.
    pub fn members(&self) -> &[u8] {
        &self.said().members
    }

    fn said(&self) -> &Said {
        self.said.get_or_init(|| {
            let community_id = self.hashed();
            let members = Object::apart(|o| {
                o.key("src").display(&self.src);
                o.key("dst").display(&self.dst);
                match text(community_id.as_ref()) {
                    Some(id) => o.word("community_id", id),
                    None => o.key("community_id").null(),
                }
            });
            Box::new(Said { community_id, members })
        })
    }

    fn hashed(&self) -> Option<CommunityId> {
        let (src, dst, protocol) =
            (self.src.address.ip()?, self.dst.address.ip()?, self.transport.ip_protocol()?);
        let ports = matches!(self.transport, Transport::Tcp | Transport::Udp | Transport::Ip(132));
        let mut ends = [(src, self.src.port), (dst, self.dst.port)];
        ends.sort();
        let mut hash = Sha1::new();
        hash.update([0, 0]);
        for (ip, _) in ends {
            match ip {
                std::net::IpAddr::V4(ip) => hash.update(ip.octets()),
                std::net::IpAddr::V6(ip) => hash.update(ip.octets()),
            }
        }
        hash.update([protocol, 0]);
        if ports {
            for (_, port) in ends {
                hash.update(port.to_be_bytes());
            }
        }
        let mut text = *b"1:0000000000000000000000000000";
        let encoded = base64::engine::general_purpose::STANDARD.encode(hash.finalize());
        for (to, from) in text.iter_mut().skip(2).zip(encoded.bytes()) {
            *to = from;
        }
        Some(text)
    }
}

fn text(id: Option<&CommunityId>) -> Option<&str> {
    std::str::from_utf8(id?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    /// The worked example of the Community ID specification's own test data.
    #[test]
    fn community_id_is_the_published_one_in_both_directions() {
        let client = Endpoint::new(IpAddr::from([128, 232, 110, 120]), 34855);
        let server = Endpoint::new(IpAddr::from([66, 35, 250, 204]), 80);
        let flow = Flow::new(client, server, Transport::Tcp);
        assert_eq!(flow.community_id(), Some("1:LQU9qZlK+B5F3KDmev6m5PMibrg="));
        assert_eq!(flow.reversed().community_id(), flow.community_id());
    }
}
