//! Who an address is: from addresses to the sets that rules name and to the names that people gave.
//!
//! A set is what one `from` or `to` says, resolved to addresses, prefixes and MAC addresses. Looking an address up
//! costs one hash probe for each prefix length that occurs, however many rules there are.

use crate::address::{Address, Mac};
use crate::event::Flow;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::fmt;

/// One end of a conversation, as far as rules can tell who it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct End {
    /// Its address.
    pub address: Address,
    /// Its MAC address, where the capture has it.
    pub mac: Option<Mac>,
    /// The VLAN identifier that it speaks on, where there is a tag.
    pub vlan: Option<u16>,
}

impl End {
    /// Who sends.
    pub fn sender(flow: &Flow) -> End {
        End { address: flow.src.address, mac: flow.src_mac, vlan: flow.vlan }
    }

    /// Who receives.
    pub fn receiver(flow: &Flow) -> End {
        End { address: flow.dst.address, mac: flow.dst_mac, vlan: flow.vlan }
    }
}

/// A place that a rule file names: an address or prefix, a MAC address, or a VLAN.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    /// An IP prefix; a single address is the longest.
    Net(IpNet),
    /// A MAC address.
    Mac(Mac),
    /// Whoever speaks on this VLAN.
    Vlan(u16),
}

impl Place {
    /// Whether it is one address.
    pub fn is_single(&self) -> bool {
        match self {
            Place::Net(net) => net.prefix_len() == net.max_prefix_len(),
            Place::Mac(_) => true,
            Place::Vlan(_) => false,
        }
    }

    /// Whether an end of a conversation is there.
    pub fn holds(&self, end: End) -> bool {
        match (self, end.address) {
            (Place::Mac(own), Address::Mac(its)) => *own == its,
            (Place::Mac(own), _) => end.mac == Some(*own),
            (Place::Net(net), address) => address.ip().is_some_and(|ip| net.contains(&ip)),
            (Place::Vlan(own), _) => end.vlan == Some(*own),
        }
    }

    /// Whether everyone who is at the other place is here too.
    pub fn covers(&self, other: &Place) -> bool {
        match (self, other) {
            (Place::Net(wide), Place::Net(narrow)) => wide.contains(narrow),
            _ => self == other,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Net(net) if self.is_single() => net.addr().fmt(f),
            Place::Net(net) => net.fmt(f),
            Place::Mac(mac) => mac.fmt(f),
            Place::Vlan(vlan) => write!(f, "vlan:{vlan}"),
        }
    }
}

/// Something known of places, found by address.
#[derive(Debug)]
pub(super) struct Places<T> {
    map: HashMap<Place, T, FixedState>,
    /// The prefix lengths that occur, longest first.
    v4: Vec<u8>,
    v6: Vec<u8>,
    macs: bool,
    vlans: bool,
}

impl<T> Default for Places<T> {
    fn default() -> Self {
        Places { map: HashMap::default(), v4: Vec::new(), v6: Vec::new(), macs: false, vlans: false }
    }
}

impl<T> Places<T> {
    pub(super) fn entry(&mut self, place: Place, default: impl FnOnce() -> T) -> &mut T {
        let lengths = match place {
            Place::Net(IpNet::V4(_)) => Some(&mut self.v4),
            Place::Net(IpNet::V6(_)) => Some(&mut self.v6),
            Place::Mac(_) | Place::Vlan(_) => None,
        };
        match (lengths, place) {
            (Some(lengths), Place::Net(net)) if !lengths.contains(&net.prefix_len()) => {
                lengths.push(net.prefix_len());
                lengths.sort_unstable_by(|a, b| b.cmp(a));
            }
            (None, Place::Mac(_)) => self.macs = true,
            (None, Place::Vlan(_)) => self.vlans = true,
            _ => {}
        }
        self.map.entry(place).or_insert_with(default)
    }

    /// Everything, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Place, &T)> {
        self.map.iter()
    }

    /// The end without what no place here tells apart: else it would only fragment a cache.
    pub(super) fn telling(&self, end: End) -> End {
        End { mac: end.mac.filter(|_| self.macs), vlan: end.vlan.filter(|_| self.vlans), ..end }
    }

    pub(super) fn get(&self, place: &Place) -> Option<&T> {
        self.map.get(place)
    }

    /// Everything known of an end: its own address first, then its MAC address, then ever wider prefixes, its VLAN
    /// last.
    pub(super) fn of(&self, end: End) -> impl Iterator<Item = (Place, &T)> {
        let End { address, mac, vlan } = end;
        let (mac, lengths) = match address {
            Address::V4(_) => (mac, &self.v4),
            Address::V6(_) => (mac, &self.v6),
            Address::Mac(own) => (Some(own), &self.v4),
        };
        let nets = lengths.iter().filter_map(move |length| net(address, *length)).map(Place::Net);
        let is_own = |place: &Place| place.is_single();
        let mac = mac.filter(|_| self.macs).map(Place::Mac);
        let own = nets.clone().filter(is_own).chain(mac);
        let vlan = vlan.filter(|_| self.vlans).map(Place::Vlan);
        own.chain(nets.filter(move |place| !is_own(place)))
            .chain(vlan)
            .filter_map(|place| Some((place, self.map.get(&place)?)))
    }
}

/// The prefix of this length that holds an address.
fn net(address: Address, length: u8) -> Option<IpNet> {
    match address {
        Address::V4(ip) => Some(IpNet::V4(Ipv4Net::new(ip, length).ok()?.trunc())),
        Address::V6(ip) => Some(IpNet::V6(Ipv6Net::new(ip, length).ok()?.trunc())),
        Address::Mac(_) => None,
    }
}

/// Reads a MAC address: six octets in hexadecimal, between colons or hyphens.
pub(super) fn parse_mac(text: &str) -> Option<Mac> {
    let mut octets = [0u8; 6];
    let mut parts = text.split([':', '-']);
    for octet in &mut octets {
        let part =
            parts.next().filter(|part| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *octet = u8::from_str_radix(part, 16).ok()?;
    }
    parts.next().is_none().then_some(Mac(octets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    #[test]
    fn an_address_is_found_by_its_own_entry_first_and_ever_wider_prefixes_then() {
        let mut places = Places::default();
        for text in ["10.0.0.0/8", "10.20.0.64/28", "10.20.0.70/32", "0.0.0.0/0", "fe80::/10"] {
            let place = Place::Net(text.parse().unwrap());
            *places.entry(place, String::new) = text.to_owned();
        }
        let mac = Mac([0, 0x1d, 0x9c, 0xc7, 0xb0, 0x70]);
        *places.entry(Place::Mac(mac), String::new) = "mac".to_owned();
        *places.entry(Place::Vlan(12), String::new) = "vlan".to_owned();
        let of = |ip: [u8; 4], mac, vlan| {
            let end = End { address: IpAddr::from(ip).into(), mac, vlan };
            places.of(end).map(|(_, text)| text.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(
            of([10, 20, 0, 70], Some(mac), Some(13)),
            ["10.20.0.70/32", "mac", "10.20.0.64/28", "10.0.0.0/8", "0.0.0.0/0"]
        );
        assert_eq!(of([10, 20, 0, 80], None, Some(12)), ["10.0.0.0/8", "0.0.0.0/0", "vlan"]);
        let end = End { address: Address::Mac(mac), mac: None, vlan: None };
        assert_eq!(places.of(end).map(|(_, text)| text.as_str()).collect::<Vec<_>>(), ["mac"]);
    }

    #[test]
    fn mac_addresses_are_read_as_people_write_them() {
        let mac = Some(Mac([0, 0x1d, 0x9c, 0xc7, 0xb0, 0x70]));
        assert_eq!(parse_mac("00:1d:9c:c7:b0:70"), mac);
        assert_eq!(parse_mac("00-1D-9C-C7-B0-70"), mac);
        assert_eq!(parse_mac("00:1d:9c:c7:b0"), None);
        assert_eq!(parse_mac("00:1d:9c:c7:b0:7g"), None);
    }
}
