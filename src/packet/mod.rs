//! One frame -> addresses, ports, payload.
//!
//! Flows in: the octets of a captured frame and its link type. Flows out: a [`Packet`] that borrows its payload.
//! Link layers: Ethernet with VLAN tags (IEEE 802.1Q, 802.1ad), Linux cooked v1 and v2, raw IP, BSD loopback.
//! IPv4 (RFC 791) and IPv6 (RFC 8200) with extension headers; fragments are put together; IP in IP, GRE (RFC 2784,
//! 2890), ERSPAN I to III and VXLAN (RFC 7348) are unwrapped. A bad checksum is counted and said in
//! [`Packet::checksum`], never a reason to look away: senders with checksum offload make captures look so. Only a
//! fragment whose IP header does not add up is left out: it would spoil the octets of those that do.

pub mod checksum;
mod fragments;
mod route;

pub use route::{route, route_of};

use crate::address::{Address, Endpoint, Mac, Timestamp, Transport};
use etherparse::{Ipv4HeaderSlice, Ipv6HeaderSlice, TcpHeaderSlice, UdpHeaderSlice};
use fragments::{Fragment, Fragments, Key};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Tunnels within tunnels that are unwrapped.
const DEPTH: u8 = 4;
/// VLAN tags and labels that are passed over.
const HEADERS: usize = 8;

/// Link types, as libpcap numbers them (LINKTYPE_ values).
pub mod link {
    /// BSD loopback, address family in the byte order of the capturing machine.
    pub const NULL: u32 = 0;
    /// Ethernet.
    pub const ETHERNET: u32 = 1;
    /// Raw IP, as some systems number it.
    pub const RAW_12: u32 = 12;
    /// Raw IP, as OpenBSD numbers it.
    pub const RAW_14: u32 = 14;
    /// Raw IP.
    pub const RAW: u32 = 101;
    /// OpenBSD loopback, address family big-endian.
    pub const LOOP: u32 = 108;
    /// Linux cooked capture v1.
    pub const LINUX_SLL: u32 = 113;
    /// Raw IPv4.
    pub const IPV4: u32 = 228;
    /// Raw IPv6.
    pub const IPV6: u32 = 229;
    /// Linux cooked capture v2.
    pub const LINUX_SLL2: u32 = 276;
}

const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const PROTOCOL_IPV4: u8 = 4;
const PROTOCOL_TCP: u8 = 6;
const PROTOCOL_UDP: u8 = 17;
const PROTOCOL_IPV6: u8 = 41;
const PROTOCOL_GRE: u8 = 47;
const PROTOCOL_AH: u8 = 51;
const VXLAN_PORT: u16 = 4789;

/// The TCP fields that a stream needs (RFC 9293 section 3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tcp {
    /// Sequence number of the first octet (of the SYN, where there is one).
    pub seq: u32,
    /// Acknowledgment number; meaningful with `ack_flag`.
    pub ack: u32,
    /// SYN.
    pub syn: bool,
    /// ACK.
    pub ack_flag: bool,
    /// FIN.
    pub fin: bool,
    /// RST.
    pub rst: bool,
    /// PSH.
    pub psh: bool,
    /// URG: one octet is marked, which many receivers take out of the stream.
    pub urgent: bool,
}

/// What the checksums of a packet say, those of its IP headers and that of its transport.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checksum {
    /// They fit.
    Good,
    /// One does not: a receiver drops the packet, unless the sender's hardware set it right after the capture.
    Bad,
    /// Nobody can tell: there is none, or not everything was captured.
    Unknown,
}

/// A decoded packet.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The sender.
    pub src: Endpoint,
    /// The receiver.
    pub dst: Endpoint,
    /// What carries the payload.
    pub transport: Transport,
    /// The sender's MAC address, where the link layer has it.
    pub src_mac: Option<Mac>,
    /// The receiver's MAC address, where the link layer has it.
    pub dst_mac: Option<Mac>,
    /// The innermost VLAN identifier; a priority tag (VLAN 0) is none.
    pub vlan: Option<u16>,
    /// The IP identification field; 0 where there is none.
    pub ip_id: u32,
    /// The innermost time to live, or hop limit; 0 where there is none.
    pub ttl: u8,
    /// What the checksums say.
    pub checksum: Checksum,
    /// TCP's own fields.
    pub tcp: Option<Tcp>,
    /// The payload of the transport.
    pub payload: &'a [u8],
    /// Octets of the payload that were on the wire but not captured (snaplen).
    pub cut: u32,
}

impl Packet<'_> {
    const EMPTY: Self = {
        let nobody = Endpoint { address: Address::V4(Ipv4Addr::UNSPECIFIED), port: 0 };
        Packet {
            src: nobody,
            dst: nobody,
            transport: Transport::Ip(0),
            src_mac: None,
            dst_mac: None,
            vlan: None,
            ip_id: 0,
            ttl: 0,
            checksum: Checksum::Unknown,
            tcp: None,
            payload: &[],
            cut: 0,
        }
    };
}

/// What became of a frame.
#[derive(Debug)]
pub enum Decoded<'a> {
    /// A packet.
    Packet(Packet<'a>),
    /// A fragment, kept until the rest comes. Known are its two addresses, its protocol and its identification.
    Fragment(Packet<'a>),
    /// Nothing that Wayside reads, and why.
    Skipped(Skip),
}

/// Why a frame was skipped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Skip {
    /// It ends inside a header.
    Truncated,
    /// A header contradicts itself.
    BadHeader,
    /// A link type that Wayside does not know.
    LinkType,
    /// An IEEE 802.3 frame with LLC instead of an EtherType.
    Llc,
    /// Tunnels nested too deep.
    Depth,
    /// A fragment that cannot belong to any datagram.
    BadFragment,
}

impl Skip {
    /// All reasons, in the order of their numbers.
    pub const ALL: [Skip; 6] =
        [Skip::Truncated, Skip::BadHeader, Skip::LinkType, Skip::Llc, Skip::Depth, Skip::BadFragment];

    /// The word for metrics and summaries.
    pub fn name(self) -> &'static str {
        match self {
            Skip::Truncated => "truncated",
            Skip::BadHeader => "bad-header",
            Skip::LinkType => "link-type",
            Skip::Llc => "llc",
            Skip::Depth => "tunnel-depth",
            Skip::BadFragment => "bad-fragment",
        }
    }
}

/// What the decoder counted.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counters {
    /// IPv4 headers whose checksum does not fit.
    pub bad_ip_checksums: u64,
    /// TCP and UDP checksums that do not fit.
    pub bad_transport_checksums: u64,
    /// Fragments seen.
    pub fragments: u64,
    /// TCP segments with an urgent pointer.
    pub urgent: u64,
    /// Fragmented datagrams put together.
    pub assembled: u64,
    /// Fragmented datagrams given up: never whole, or room was needed.
    pub abandoned: u64,
    /// Fragments that overlap others.
    pub overlaps: u64,
    /// Fragments that say other octets than those that came before for the same place.
    pub fragment_conflicts: u64,
    /// Frames skipped, by [`Skip`].
    pub skipped: [u64; Skip::ALL.len()],
}

impl Counters {
    /// Adds those of another decoder.
    pub fn add(&mut self, other: &Counters) {
        self.bad_ip_checksums += other.bad_ip_checksums;
        self.bad_transport_checksums += other.bad_transport_checksums;
        self.fragments += other.fragments;
        self.assembled += other.assembled;
        self.abandoned += other.abandoned;
        self.overlaps += other.overlaps;
        self.fragment_conflicts += other.fragment_conflicts;
        self.urgent += other.urgent;
        self.skipped.iter_mut().zip(other.skipped).for_each(|(own, other)| *own += other);
    }
}

/// Decodes frames. Holds the fragments that wait for their rest.
pub struct Decoder {
    counters: Counters,
    fragments: Fragments,
    assembled: Vec<u8>,
}

/// The parts of a decoder, taken apart so that a packet may borrow the reassembled datagram.
struct Parts<'a> {
    counters: &'a mut Counters,
    fragments: &'a mut Fragments,
    /// Taken once a datagram has been put together; fragments inside it are not.
    assembled: Option<&'a mut Vec<u8>>,
    ts: Timestamp,
    /// Octets of the frame that were on the wire but not captured.
    uncaptured: usize,
    /// Tunnels that were unwrapped.
    depth: u8,
    /// The checksum of an IP header does not fit.
    bad: bool,
    /// The packet, filled in on the way down the layers: it is too large to be handed from each to the next.
    packet: Packet<'a>,
}

/// Whether there is a packet; else a fragment waits for its rest.
type Step = Result<bool, Skip>;

impl Decoder {
    /// Keeps at most this many octets of fragments.
    pub fn new(fragment_limit: usize) -> Self {
        Decoder {
            counters: Counters::default(),
            fragments: Fragments::new(fragment_limit),
            assembled: Vec::new(),
        }
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        let Fragments { completed, evicted, overlaps, conflicting, .. } = self.fragments;
        Counters {
            assembled: completed,
            abandoned: evicted,
            overlaps,
            fragment_conflicts: conflicting,
            ..self.counters
        }
    }

    /// Decodes one frame of this link type. `wire_len` is how many octets it had on the wire: no length field in it
    /// is believed beyond that.
    pub fn decode<'a>(&'a mut self, link: u32, ts: Timestamp, frame: &'a [u8], wire_len: u32) -> Decoded<'a> {
        let Decoder { counters, fragments, assembled } = self;
        let uncaptured = (wire_len as usize).saturating_sub(frame.len());
        let packet = Packet::EMPTY;
        let mut parts = Parts {
            counters,
            fragments,
            assembled: Some(assembled),
            ts,
            uncaptured,
            depth: 0,
            bad: false,
            packet,
        };
        match parts.link(link, frame) {
            Ok(true) => Decoded::Packet(parts.packet),
            Ok(false) => Decoded::Fragment(parts.packet),
            Err(skip) => {
                parts.counters.skipped[skip as usize] += 1;
                Decoded::Skipped(skip)
            }
        }
    }
}

fn be16(bytes: &[u8], at: usize) -> Result<u16, Skip> {
    let pair = bytes.get(at..).and_then(|rest| rest.first_chunk::<2>()).ok_or(Skip::Truncated)?;
    Ok(u16::from_be_bytes(*pair))
}

fn after(bytes: &[u8], at: usize) -> Result<&[u8], Skip> {
    bytes.get(at..).ok_or(Skip::Truncated)
}

impl<'a> Parts<'a> {
    fn link(&mut self, link: u32, frame: &'a [u8]) -> Step {
        match link {
            link::ETHERNET => self.ethernet(frame),
            link::LINUX_SLL => {
                let mac = frame.get(6..12).and_then(|m| m.first_chunk::<6>()).map(|m| Mac(*m));
                self.packet.src_mac = mac.filter(|_| be16(frame, 4) == Ok(6));
                self.ether_type(be16(frame, 14)?, after(frame, 16)?)
            }
            link::LINUX_SLL2 => {
                let mac = frame.get(12..18).and_then(|m| m.first_chunk::<6>()).map(|m| Mac(*m));
                self.packet.src_mac = mac.filter(|_| frame.get(11) == Some(&6));
                self.ether_type(be16(frame, 0)?, after(frame, 20)?)
            }
            link::RAW_12 | link::RAW_14 | link::RAW | link::IPV4 | link::IPV6 => self.raw_ip(frame),
            link::NULL | link::LOOP => self.raw_ip(after(frame, 4)?),
            _ => Err(Skip::LinkType),
        }
    }

    /// IP without a link layer: the version nibble says which.
    fn raw_ip(&mut self, bytes: &'a [u8]) -> Step {
        match bytes.first().ok_or(Skip::Truncated)? >> 4 {
            4 => self.ipv4(bytes),
            6 => self.ipv6(bytes),
            _ => Err(Skip::BadHeader),
        }
    }

    fn ethernet(&mut self, frame: &'a [u8]) -> Step {
        let (head, rest) = frame.split_first_chunk::<14>().ok_or(Skip::Truncated)?;
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1] = *head;
        self.packet.dst_mac = Some(Mac([d0, d1, d2, d3, d4, d5]));
        self.packet.src_mac = Some(Mac([s0, s1, s2, s3, s4, s5]));
        self.ether_type(u16::from_be_bytes([t0, t1]), rest)
    }

    fn ether_type(&mut self, ether_type: u16, bytes: &'a [u8]) -> Step {
        let (mut ether_type, mut bytes) = (ether_type, bytes);
        for _ in 0..HEADERS {
            match ether_type {
                ETHERTYPE_IPV4 => return self.ipv4(bytes),
                ETHERTYPE_IPV6 => return self.ipv6(bytes),
                0x8100 | 0x88a8 | 0x9100 | 0x9200 => {
                    // VLAN 0 is a tag for the priority only (IEEE 802.1Q, 9.6): it hides no other.
                    let vlan = Some(be16(bytes, 0)? & 0x0fff).filter(|vlan| *vlan != 0);
                    self.packet.vlan = vlan.or(self.packet.vlan);
                    ether_type = be16(bytes, 2)?;
                    bytes = after(bytes, 4)?;
                }
                // MPLS: labels until the bottom of the stack, then IP by its version.
                0x8847 | 0x8848 => {
                    let bottom = bytes.get(2).ok_or(Skip::Truncated)? & 1 == 1;
                    bytes = after(bytes, 4)?;
                    if bottom {
                        return self.raw_ip(bytes);
                    }
                }
                // PPPoE session: six octets of header, two of PPP protocol.
                0x8864 => {
                    ether_type = match be16(bytes, 6)? {
                        0x0021 => ETHERTYPE_IPV4,
                        0x0057 => ETHERTYPE_IPV6,
                        _ => return Err(Skip::LinkType),
                    };
                    bytes = after(bytes, 8)?;
                }
                0..=0x05ff => return Err(Skip::Llc),
                other => {
                    let end = |mac: Option<Mac>| Endpoint {
                        address: Address::Mac(mac.unwrap_or_default()),
                        port: 0,
                    };
                    let Packet { src_mac, dst_mac, vlan, .. } = self.packet;
                    self.packet = Packet {
                        src: end(src_mac),
                        dst: end(dst_mac),
                        transport: Transport::Ethernet(other),
                        src_mac,
                        dst_mac,
                        vlan,
                        payload: bytes,
                        ..Packet::EMPTY
                    };
                    return Ok(true);
                }
            }
        }
        Err(Skip::Depth)
    }

    fn ipv4(&mut self, bytes: &'a [u8]) -> Step {
        let header = Ipv4HeaderSlice::from_slice(bytes).map_err(|_| match bytes.len() {
            0..20 => Skip::Truncated,
            _ => Skip::BadHeader,
        })?;
        let length = header.slice().len();
        self.packet.ttl = header.ttl();
        let fits = checksum::is_good(checksum::sum(0, header.slice()));
        if !fits {
            self.counters.bad_ip_checksums += 1;
            self.bad = true;
        }
        // A total length of 0 comes from segmentation offload: the packet fills the frame.
        let total = match usize::from(header.total_len()) {
            0 => bytes.len(),
            total if total < length => return Err(Skip::BadHeader),
            total => total,
        };
        let payload = bytes.get(length..total.min(bytes.len())).unwrap_or_default();
        let cut = total.saturating_sub(bytes.len().max(length)).min(self.uncaptured);
        let (src, dst) = (Address::V4(header.source().into()), Address::V4(header.destination().into()));
        let protocol = header.protocol().0;
        let id = u32::from(header.identification());
        let (offset, more) = (usize::from(header.fragments_offset().value()) * 8, header.more_fragments());
        let sum = checksum::sum(0, header.slice().get(12..20).unwrap_or_default());
        let ends = Ends { src, dst, id, sum };
        if offset > 0 || more {
            if !fits {
                return Err(Skip::BadFragment);
            }
            // Receivers leave out what is beyond a multiple of eight, where more follows.
            let whole = if more { payload.len() & !7 } else { payload.len() };
            let bytes = payload.get(..whole).unwrap_or_default();
            return self.fragment(ends, protocol, Fragment { offset, more, bytes }, cut);
        }
        self.transport(ends, protocol, payload, cut)
    }

    fn ipv6(&mut self, bytes: &'a [u8]) -> Step {
        let header = Ipv6HeaderSlice::from_slice(bytes).map_err(|_| match bytes.len() {
            0..40 => Skip::Truncated,
            _ => Skip::BadHeader,
        })?;
        self.packet.ttl = header.hop_limit();
        let claimed = usize::from(header.payload_length());
        let all = after(bytes, 40)?;
        // A payload length of 0 comes from jumbograms and offload: the packet fills the frame.
        let length = if claimed == 0 { all.len() } else { claimed };
        let cut = length.saturating_sub(all.len()).min(self.uncaptured);
        let rest = all.get(..length.min(all.len())).unwrap_or_default();
        let src = Address::V6(Ipv6Addr::from(header.source()));
        let dst = Address::V6(Ipv6Addr::from(header.destination()));
        let sum = checksum::sum(0, header.slice().get(8..40).unwrap_or_default());
        self.extensions(Ends { src, dst, id: 0, sum }, header.next_header().0, rest, cut)
    }

    /// Passes over the extension headers of IPv6, as many as there are: each has eight octets or more.
    fn extensions(&mut self, ends: Ends, protocol: u8, bytes: &'a [u8], cut: usize) -> Step {
        let (mut next, mut rest, mut ends) = (protocol, bytes, ends);
        loop {
            let size = match next {
                // Hop-by-hop, routing, destination options, mobility, HIP, shim6: 8-octet units after the first.
                0 | 43 | 60 | 135 | 139 | 140 => 8 + usize::from(*rest.get(1).ok_or(Skip::Truncated)?) * 8,
                PROTOCOL_AH => authenticated(rest)?,
                44 => {
                    let (head, bytes) = rest.split_first_chunk::<8>().ok_or(Skip::Truncated)?;
                    let [inner, _, o0, o1, i0, i1, i2, i3] = *head;
                    let place = u16::from_be_bytes([o0, o1]);
                    let (offset, more) = (usize::from(place & 0xfff8), place & 1 == 1);
                    ends.id = u32::from_be_bytes([i0, i1, i2, i3]);
                    if offset > 0 || more {
                        return self.fragment(ends, inner, Fragment { offset, more, bytes }, cut);
                    }
                    8
                }
                _ => return self.transport(ends, next, rest, cut),
            };
            next = *rest.first().ok_or(Skip::Truncated)?;
            rest = after(rest, size)?;
        }
    }

    fn fragment(&mut self, ends: Ends, protocol: u8, fragment: Fragment<'a>, cut: usize) -> Step {
        self.counters.fragments += 1;
        let beyond = fragment.offset + fragment.bytes.len() > fragments::LARGEST;
        let uneven = fragment.more && !fragment.bytes.len().is_multiple_of(8);
        if cut > 0 || fragment.bytes.is_empty() || beyond || uneven {
            return Err(Skip::BadFragment);
        }
        let Some(assembled) = self.assembled.take() else {
            return Err(Skip::Depth);
        };
        let key = Key { src: ends.src, dst: ends.dst, protocol, id: ends.id };
        let Some(whole) = self.fragments.add(key, self.ts, fragment) else {
            let packet = &mut self.packet;
            packet.src = Endpoint { address: ends.src, port: 0 };
            packet.dst = Endpoint { address: ends.dst, port: 0 };
            packet.transport = Transport::Ip(protocol);
            packet.ip_id = ends.id;
            return Ok(false);
        };
        *assembled = whole;
        // A datagram that was put together is all there.
        self.uncaptured = 0;
        match ends.src {
            Address::V6(_) => self.extensions(ends, protocol, assembled, 0),
            _ => self.transport(ends, protocol, assembled, 0),
        }
    }

    fn transport(&mut self, ends: Ends, protocol: u8, bytes: &'a [u8], cut: usize) -> Step {
        let packet = &mut self.packet;
        packet.src = Endpoint { address: ends.src, port: 0 };
        packet.dst = Endpoint { address: ends.dst, port: 0 };
        packet.transport = Transport::Ip(protocol);
        packet.ip_id = ends.id;
        packet.checksum = if self.bad { Checksum::Bad } else { Checksum::Unknown };
        packet.tcp = None;
        packet.payload = bytes;
        packet.cut = u32::try_from(cut).unwrap_or(u32::MAX);
        match protocol {
            PROTOCOL_TCP => {
                let header = TcpHeaderSlice::from_slice(bytes).map_err(|_| match bytes.len() {
                    0..20 => Skip::Truncated,
                    _ => Skip::BadHeader,
                })?;
                if cut == 0 {
                    let fits = checksum::is_good(ends.pseudo(protocol, bytes));
                    checked(packet, self.counters, fits);
                }
                self.counters.urgent += u64::from(header.urg());
                packet.transport = Transport::Tcp;
                packet.src.port = header.source_port();
                packet.dst.port = header.destination_port();
                packet.tcp = Some(Tcp {
                    seq: header.sequence_number(),
                    ack: header.acknowledgment_number(),
                    syn: header.syn(),
                    ack_flag: header.ack(),
                    fin: header.fin(),
                    rst: header.rst(),
                    psh: header.psh(),
                    urgent: header.urg(),
                });
                packet.payload = after(bytes, header.slice().len())?;
            }
            PROTOCOL_UDP => {
                let header = UdpHeaderSlice::from_slice(bytes).map_err(|_| Skip::Truncated)?;
                let length = match usize::from(header.length()) {
                    0 => bytes.len(),
                    length if length < 8 => return Err(Skip::BadHeader),
                    length => length.min(bytes.len()),
                };
                let datagram = bytes.get(..length).unwrap_or_default();
                let unchecked = header.checksum() == 0 || cut > 0;
                if !unchecked {
                    let fits = checksum::is_good(ends.pseudo(protocol, datagram));
                    checked(packet, self.counters, fits);
                }
                packet.transport = Transport::Udp;
                packet.src.port = header.source_port();
                packet.dst.port = header.destination_port();
                packet.payload = after(datagram, 8)?;
                let payload = packet.payload;
                if packet.dst.port == VXLAN_PORT && payload.first().is_some_and(|flags| flags & 8 != 0) {
                    return self.inside(|parts| parts.ethernet(after(payload, 8)?));
                }
            }
            PROTOCOL_IPV4 => return self.inside(|parts| parts.ipv4(bytes)),
            PROTOCOL_IPV6 => return self.inside(|parts| parts.ipv6(bytes)),
            PROTOCOL_AH => {
                let next = *bytes.first().ok_or(Skip::Truncated)?;
                let inner = after(bytes, authenticated(bytes)?)?;
                return if self.depth < DEPTH {
                    self.depth += 1;
                    self.transport(ends, next, inner, cut)
                } else {
                    Err(Skip::Depth)
                };
            }
            PROTOCOL_GRE => return self.inside(|parts| parts.gre(bytes)),
            _ => {}
        }
        Ok(true)
    }

    /// One tunnel further in.
    fn inside(&mut self, decode: impl FnOnce(&mut Self) -> Step) -> Step {
        if self.depth >= DEPTH {
            return Err(Skip::Depth);
        }
        self.depth += 1;
        self.packet.vlan = None;
        decode(self)
    }

    /// RFC 2784 and 2890; ERSPAN as Cisco and draft-foschiano-erspan describe it.
    fn gre(&mut self, bytes: &'a [u8]) -> Step {
        let (flags, inner) = (be16(bytes, 0)?, be16(bytes, 2)?);
        if flags & 0x4007 != 0 {
            return Err(Skip::BadHeader);
        }
        let options = [0x8000u16, 0x2000, 0x1000].iter().filter(|bit| flags & **bit != 0).count();
        let payload = after(bytes, 4 + 4 * options)?;
        match inner {
            0x6558 => self.ethernet(payload),
            // Type I has no header of its own and no sequence number; type II has both.
            0x88be if flags & 0x1000 == 0 => self.ethernet(payload),
            0x88be => self.ethernet(after(payload, 8)?),
            0x22eb => {
                let optional = payload.get(11).ok_or(Skip::Truncated)? & 1 == 1;
                self.ethernet(after(payload, if optional { 20 } else { 12 })?)
            }
            other => self.ether_type(other, payload),
        }
    }
}

/// Notes whether the transport's checksum fits.
fn checked(packet: &mut Packet<'_>, counters: &mut Counters, fits: bool) {
    counters.bad_transport_checksums += u64::from(!fits);
    packet.checksum = match (fits, packet.checksum) {
        (true, Checksum::Unknown) => Checksum::Good,
        _ => Checksum::Bad,
    };
}

/// The length of an authentication header (RFC 4302 section 2.2): 4-octet units, less two.
fn authenticated(bytes: &[u8]) -> Result<usize, Skip> {
    Ok(8 + usize::from(*bytes.get(1).ok_or(Skip::Truncated)?) * 4)
}

/// Both addresses and the identification of an IP packet.
#[derive(Clone, Copy)]
struct Ends {
    src: Address,
    dst: Address,
    id: u32,
    /// The checksum over both addresses.
    sum: u64,
}

impl Ends {
    /// The checksum over the pseudo header and these octets (RFC 9293 section 3.1, RFC 8200 section 8.1).
    #[inline]
    fn pseudo(&self, protocol: u8, bytes: &[u8]) -> u64 {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let rest = u64::from(u16::from_ne_bytes([0, protocol])) + u64::from(length.to_be());
        checksum::sum(checksum::add(self.sum, rest), bytes)
    }
}

#[cfg(test)]
mod tests;
