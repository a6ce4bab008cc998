//! Frames of all link types, one after the other through one decoder: payloads lie within their frame, nothing is cut
//! that was not on the wire, and datagrams put together of fragments hold the octets that came first.
//!
//! Each frame has a head of four octets: bits 0 to 3 of the first the link type, or that the frame is built here, bits
//! 4 to 7 how much time passes before (from none to hours); then how many octets more it had on the wire; then how many
//! octets of the input it takes, little-endian. A built frame is an IP fragment within tunnels, all of whose headers
//! are good, which no mutation would find; its octets begin with three more: bits 0 and 1 of the first the
//! identification, bit 2 that more follow, bit 3 IPv6, bits 4 and 5 the protocol, bits 6 and 7 how many tunnels; then
//! the tunnels, two bits each; then its place, in units of 8 octets.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;
use wayside::address::{Timestamp, Transport};
use wayside::packet::{Decoded, Decoder, Packet, Skip, link, route, route_of};

const LINKS: [u32; 12] = [
    link::ETHERNET,
    link::LINUX_SLL,
    link::LINUX_SLL2,
    link::RAW,
    link::IPV4,
    link::IPV6,
    link::NULL,
    link::LOOP,
    link::RAW_12,
    link::RAW_14,
    link::ETHERNET,
    147,
];
/// The protocols of built fragments. The last is one whose octets nobody looks into.
const PROTOCOLS: [u8; 4] = [17, 6, 4, OPAQUE];
const OPAQUE: u8 = 253;
/// Octets of fragments kept: small, so that the bound is met.
const LIMIT: usize = 16 << 10;

thread_local! {
    static ROOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

fuzz_target!(|bytes: &[u8]| ROOM.with_borrow_mut(|room| play(bytes, room)));

fn play(bytes: &[u8], room: &mut Vec<u8>) {
    let mut decoder = Decoder::new(LIMIT);
    let mut waiting = Waiting::default();
    let mut skipped = [0; Skip::ALL.len()];
    let mut ts = Timestamp::from_nanos(1_700_000_000_000_000_000);
    let mut rest = bytes;
    while let Some(([what, more, low, high], after)) = rest.split_first_chunk::<4>() {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let (octets, after) = after.split_at(length);
        rest = after;
        ts.nanos += (1 << ((what >> 4) * 3)) - 1;
        let mut piece = None;
        let (link, frame) = match (LINKS.get(usize::from(what & 15)), octets) {
            (Some(link), _) => (*link, octets),
            (None, [first, tunnels, place, data @ ..]) => {
                piece = Some(Piece { first: first & 0x3f, place: usize::from(units(*place)) * 8, data });
                (link::ETHERNET, build(*first, *tunnels, *place, data, room))
            }
            (None, _) => continue,
        };
        let wire_len = frame.len() as u32 + u32::from(*more);
        let before = decoder.counters();
        let places = frame.as_ptr_range();
        let mut whole = None;
        let mut within = false;
        match decoder.decode(link, ts, frame, wire_len) {
            Decoded::Packet(packet) => {
                check(&packet);
                // Workers share the frames out by what they look like from the outside.
                let routed = route(link, frame);
                assert!(
                    routed.is_none_or(|routed| routed == route_of(&packet)),
                    "another worker's: {packet:?}"
                );
                assert!(packet.cut <= u32::from(*more), "{} cut of {more}", packet.cut);
                let payload = packet.payload.as_ptr_range();
                within = places.start <= payload.start && payload.end <= places.end;
                whole = Some((packet.payload.to_vec(), packet.cut, packet.transport));
            }
            Decoded::Fragment(_) => {}
            Decoded::Skipped(skip) => skipped[skip as usize] += 1,
        }
        let now = decoder.counters();
        let completed = now.assembled > before.assembled;
        assert!(now.assembled - before.assembled <= 1);
        if let Some((payload, cut, _)) = &whole {
            assert!(payload.is_empty() || within != completed, "a payload from elsewhere");
            assert!(within || payload.len() <= 65_535 && *cut == 0);
            assert!(!within || payload.len() + *cut as usize <= wire_len as usize);
        }
        assert!(now.fragments - before.fragments <= 2);
        assert_eq!(now.skipped, skipped);
        // What waits may have gone, or frames that were not built here may have the same ends: then nobody knows.
        waiting.sure &=
            now.abandoned == before.abandoned && (piece.is_some() || now.fragments == before.fragments);
        if let Some(piece) = piece
            && now.fragments > before.fragments
        {
            waiting.add(piece, completed, whole);
        }
    }
}

fn check(packet: &Packet<'_>) {
    match packet.transport {
        Transport::Tcp => assert!(packet.tcp.is_some()),
        _ => assert!(packet.tcp.is_none()),
    }
    if !matches!(packet.transport, Transport::Tcp | Transport::Udp) {
        assert_eq!((packet.src.port, packet.dst.port), (0, 0));
    }
    assert!(packet.vlan.is_none_or(|vlan| vlan < 4096));
    assert!(packet.ip_id <= 0xffff || packet.src.address.ip().is_some_and(|ip| ip.is_ipv6()));
}

/// A fragment that was built here.
struct Piece<'a> {
    /// Identification, whether more follow, the version, the protocol.
    first: u8,
    place: usize,
    data: &'a [u8],
}

/// Fragments of opaque octets that came and have not become whole.
struct Waiting<'a> {
    pieces: Vec<Piece<'a>>,
    sure: bool,
}

impl Default for Waiting<'_> {
    fn default() -> Self {
        Waiting { pieces: Vec::new(), sure: true }
    }
}

impl<'a> Waiting<'a> {
    /// Takes a piece and, where it made the datagram whole, checks its octets.
    fn add(&mut self, piece: Piece<'a>, completed: bool, whole: Option<(Vec<u8>, u32, Transport)>) {
        let same = |one: &Piece<'_>| (one.first ^ piece.first) & !4 == 0;
        // Beyond a multiple of eight, IPv4 leaves octets out where more follows; IPv6 leaves out the fragment.
        let uneven = if piece.first & 4 == 0 { 0 } else { piece.data.len() % 8 };
        let data = piece.data.get(..piece.data.len() - uneven).unwrap_or_default();
        let refused = piece.first & 8 != 0 && uneven > 0;
        if !data.is_empty() && piece.place + data.len() <= 65_535 && !refused {
            self.pieces.push(Piece { data, ..piece });
        }
        if !completed {
            return;
        }
        if let Some((payload, _, Transport::Ip(OPAQUE))) = whole
            && self.sure
            && PROTOCOLS[usize::from(piece.first >> 4 & 3)] == OPAQUE
        {
            for (at, octet) in payload.iter().enumerate() {
                let first = self
                    .pieces
                    .iter()
                    .filter(|one| same(one))
                    .find_map(|one| one.data.get(at.checked_sub(one.place)?));
                assert_eq!(first, Some(octet), "at {at}");
            }
        }
        self.pieces.retain(|one| !same(one));
    }
}

/// An Ethernet frame with an IP fragment, or a whole packet where it is the only one, within tunnels.
fn build<'r>(first: u8, tunnels: u8, place: u8, data: &[u8], room: &'r mut Vec<u8>) -> &'r [u8] {
    let protocol = PROTOCOLS[usize::from(first >> 4 & 3)];
    room.clear();
    // Written from the inside out, each header in reverse, and turned round at the end.
    room.extend(data.iter().rev());
    let mut type_of_all = ip(first & 8 != 0, protocol, units(place), first & 4 != 0, first & 3, room);
    for tunnel in 0..first >> 6 {
        let v6 = type_of_all == 0x86dd;
        type_of_all = match tunnels >> (tunnel * 2) & 3 {
            0 => ip(false, if v6 { 41 } else { 4 }, 0, false, 0, room),
            1 => {
                put(room, &type_of_all.to_be_bytes());
                put(room, &[0, 0]);
                ip(false, 47, 0, false, 0, room)
            }
            2 => {
                ethernet(type_of_all, room);
                let length = (room.len() + 16) as u16;
                put(room, &[8, 0, 0, 0, 0, 0, 1, 0]);
                put(room, &[&[0x30, 0x39, 0x12, 0xb5][..], &length.to_be_bytes(), &[0, 0]].concat());
                ip(true, 17, 0, false, 0, room)
            }
            _ => {
                ethernet(type_of_all, room);
                put(room, &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0]);
                ip(false, 47, 0, false, 0, room)
            }
        };
    }
    ethernet(type_of_all, room);
    room.reverse();
    room
}

/// The place of a fragment: the largest stands for the end of the largest datagram.
fn units(place: u8) -> u16 {
    if place == u8::MAX { 0x1fff } else { place.into() }
}

/// Puts a header in front.
fn put(room: &mut Vec<u8>, header: &[u8]) {
    room.extend(header.iter().rev());
}

fn ethernet(ether_type: u16, room: &mut Vec<u8>) {
    put(room, &ether_type.to_be_bytes());
    put(room, &[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
}

/// Puts an IP header in front and returns its EtherType.
fn ip(v6: bool, protocol: u8, place: u16, more: bool, id: u8, room: &mut Vec<u8>) -> u16 {
    let fragment = place > 0 || more;
    if v6 {
        if fragment {
            put(room, &[0, 0, 0, id]);
            put(room, &(place << 3 | u16::from(more)).to_be_bytes());
            put(room, &[protocol, 0]);
        }
        let length = (room.len() as u16).to_be_bytes();
        put(room, &[[1; 16], [2; 16]].concat());
        put(room, &[if fragment { 44 } else { protocol }, 64]);
        put(room, &length);
        put(room, &[0x60, 0, 0, 0]);
        0x86dd
    } else {
        let length = (room.len() as u16 + 20).to_be_bytes();
        let place = (place | u16::from(more) << 13).to_be_bytes();
        let mut header = [
            0x45, 0, length[0], length[1], 0, id, place[0], place[1], 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0,
            0, 2,
        ];
        let sum: u32 = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
        [header[10], header[11]] = sum.to_be_bytes();
        put(room, &header);
        0x0800
    }
}
