//! VLAN tags, IPv6 extension headers, options and tunnels.

use super::wire::*;
use etherparse::{IpNumber, PacketBuilder};

const VLANS: &str = r#"
version = 1
[hosts]
cell-10 = "vlan:10"
cell-20 = "vlan:20"
[[allow]]
name = "Cell 10 may do what it likes"
from = "cell-10"
to = "cell-10"
protocol = "modbus"
[defaults]
control-traffic = "deny"
other-traffic = "deny"
"#;

const TAG: u16 = 0x8100;
const SERVICE: u16 = 0x88a8;

fn says(t: &mut Sensor, tags: &[(u16, u16)], port: u16) -> usize {
    t.ethernet(&ethernet(tags, &Segment { port, ..scada(0, &write(1)) }.ip()));
    t.alerts().len()
}

#[test]
fn the_inner_vlan_is_judged_and_a_priority_tag_hides_none() {
    let mut t = Sensor::with(VLANS);
    assert_eq!(says(&mut t, &[(TAG, 10)], 1), 0);
    assert_eq!(says(&mut t, &[(TAG, 20)], 2), 1);
    assert_eq!(says(&mut t, &[(TAG, 10), (TAG, 20)], 3), 1, "hopping from the native VLAN 10 to 20");
    assert_eq!(says(&mut t, &[(TAG, 20), (TAG, 10)], 4), 0);
    assert_eq!(says(&mut t, &[(SERVICE, 20), (TAG, 10)], 5), 0, "the customer's tag is the inner one");
    assert_eq!(says(&mut t, &[(TAG, 10), (TAG, 0xe000)], 6), 0, "a priority tag within");
    assert_eq!(says(&mut t, &[(TAG, 20), (TAG, 0xe000)], 7), 1);
    assert_eq!(says(&mut t, &[(TAG, 0xe000)], 8), 1, "a priority tag is no VLAN");
    assert_eq!(says(&mut t, &[(TAG, 10); 7], 9), 0);
    assert_eq!((says(&mut t, &[(TAG, 10); 8], 10), t.skipped("tunnel-depth")), (0, 1));
}

#[test]
fn the_same_addresses_in_two_vlans_are_two_conversations() {
    let mut t = Sensor::with(VLANS);
    let far = |segment: Segment| Segment { seq: segment.seq.wrapping_add(1 << 30), ..segment };
    let mut in_both = |place: u32, octets: &[u8]| {
        t.ethernet(&ethernet(&[(TAG, 10)], &scada(place, octets).ip()));
        t.ethernet(&ethernet(&[(TAG, 10)], &plc(0, place, &[]).ip()));
        t.ethernet(&ethernet(&[(TAG, 20)], &far(scada(place, octets)).ip()));
        t.ethernet(&ethernet(&[(TAG, 20)], &far(plc(0, place, &[])).ip()));
    };
    in_both(0, &write(1));
    in_both(12, &write(2));
    // A copy without its tag belongs to one of them.
    t.ethernet(&ethernet(&[], &scada(12, &write(2)).ip()));
    assert_eq!(t.said().len(), 4);
    assert_eq!(t.alerts().len(), 2, "those in VLAN 20");
    assert_eq!((t.counts().opened, t.counts().stray), (2, 0));
}

/// A write over IPv6 behind these extension headers: their number, and the octets after the next header's number.
fn behind(headers: &[(u8, Vec<u8>)], last: Option<u8>) -> Vec<u8> {
    let mut plain = Vec::new();
    let ends = ([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], {
        [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    });
    let builder = PacketBuilder::ipv6(ends.0, ends.1, 64).tcp(40_000, 502, 7, 8192).ack(9).psh();
    builder.write(&mut plain, &write(1)).unwrap();
    let mut out = plain[..40].to_vec();
    for (place, (number, octets)) in headers.iter().enumerate() {
        if place == 0 {
            out[6] = *number;
        }
        out.push(headers.get(place + 1).map_or(last.unwrap_or(6), |next| next.0));
        out.extend(octets);
    }
    out.extend(&plain[40..]);
    let length = (out.len() - 40) as u16;
    out[4..6].copy_from_slice(&length.to_be_bytes());
    out
}

fn options() -> Vec<u8> {
    vec![0, 1, 4, 0, 0, 0, 0]
}

#[test]
fn tcp_behind_extension_headers_is_judged() {
    let authenticated = [&[4, 0, 0][..], &[0; 20]].concat();
    let long = [&[3u8, 1, 28][..], &[0; 28]].concat();
    let chains = [
        vec![(0, options())],
        vec![(60, options())],
        vec![(0, options()), (60, long), (43, vec![0, 0, 0, 0, 0, 0, 0]), (60, options())],
        // An atomic fragment: first and last at once.
        vec![(44, vec![0, 0, 0, 0, 0, 0, 7])],
        vec![(51, authenticated.clone())],
        vec![(60, options()); 9],
        vec![(60, options()); 170],
    ];
    for chain in chains {
        let mut t = Sensor::new();
        t.ip(&behind(&chain, None));
        assert_eq!((t.said(), t.writes()), (vec!["write 9".to_owned()], 1), "{} headers", chain.len());
    }
}

#[test]
fn a_chain_that_is_cut_or_unknown_is_counted_or_judged_as_what_it_is() {
    let mut t = Sensor::new();
    let whole = behind(&[(60, options()), (60, vec![200, 1, 4, 0, 0, 0, 0])], None);
    t.ip(&whole);
    assert_eq!((t.said().len(), t.skipped("truncated")), (0, 1));
    // A header that nobody knows, and "no next header".
    for number in [253, 59] {
        t.ip(&behind(&[(60, options())], Some(number)));
        assert_eq!(t.said(), [format!("conversation Ip({number})")]);
        assert_eq!(t.alerts().len(), 1);
    }
}

#[test]
fn fragments_with_options_behind_the_fragment_header_are_a_packet() {
    let whole = behind(&[(60, options())], None);
    let mut t = Sensor::new();
    let body = &whole[40..];
    for (from, to) in [(32, body.len()), (0, 8), (8, 32)] {
        let mut out = whole[..40].to_vec();
        out[4..6].copy_from_slice(&((to - from + 8) as u16).to_be_bytes());
        out[6] = 44;
        let more = u16::from(to < body.len());
        out.extend([60, 0]);
        out.extend((from as u16 | more).to_be_bytes());
        out.extend([0, 0, 0, 9]);
        out.extend(&body[from..to]);
        t.ip(&out);
    }
    assert_eq!((t.said(), t.writes()), (vec!["write 9".to_owned()], 1));
}

#[test]
fn ip_options_and_an_authentication_header_hide_nothing() {
    let plain = scada(0, &write(1)).ip();
    let mut t = Sensor::new();
    // Record route, 40 octets: the longest header there is.
    let mut routed = [&plain[..20], &[7, 39, 4][..], &[0; 37], &plain[20..]].concat();
    routed[0] = 0x4f;
    routed[3] += 40;
    reseal(&mut routed);
    t.ip(&routed);
    assert_eq!((t.said(), t.writes()), (vec!["write 9".to_owned()], 1));
    let mut sealed = [&plain[..20], &[6, 4, 0, 0][..], &[0; 20], &plain[20..]].concat();
    sealed[9] = 51;
    sealed[3] += 24;
    reseal(&mut sealed);
    let mut t = Sensor::new();
    t.ip(&sealed);
    assert_eq!((t.said(), t.writes()), (vec!["write 9".to_owned()], 1));
    assert_eq!(t.packets().bad_transport_checksums, 0);
}

#[test]
fn tunnels_hide_nothing_that_is_not_sealed() {
    let plain = scada(0, &write(1)).ip();
    let carried = |protocol: u8, head: &[u8], inner: &[u8]| {
        let mut out = Vec::new();
        let builder = PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64);
        builder.write(&mut out, IpNumber(protocol), &[head, inner].concat()).unwrap();
        out
    };
    let over_udp = |port: u16, head: &[u8], inner: &[u8]| {
        let mut out = Vec::new();
        let builder = PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64).udp(9, port);
        builder.write(&mut out, &[head, inner].concat()).unwrap();
        out
    };
    let frame = ethernet(&[], &plain);
    for packet in [
        carried(4, &[], &plain),
        carried(47, &[0, 0, 8, 0], &plain),
        carried(47, &[0, 0, 0x65, 0x58], &frame),
        carried(4, &[], &carried(47, &[0x20, 0, 8, 0, 0, 0, 0, 1], &plain)),
        over_udp(4789, &[8, 0, 0, 0, 0, 0, 5, 0], &frame),
    ] {
        let mut t = Sensor::new();
        t.ip(&packet);
        assert_eq!((t.said(), t.writes()), (vec!["write 9".to_owned()], 1));
    }
    // Tunnels that Wayside does not open are conversations that a rule has to allow; too deep ones are counted.
    let mut t = Sensor::new();
    t.ip(&carried(50, &[0; 8], &plain));
    assert_eq!((t.said(), t.alerts().len()), (vec!["conversation Ip(50)".to_owned()], 1));
    let deep = (0..5).fold(plain.clone(), |inner, _| carried(4, &[], &inner));
    t.ip(&deep);
    assert_eq!((t.said().len(), t.skipped("tunnel-depth")), (0, 1));
}
