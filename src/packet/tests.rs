use super::*;
use etherparse::PacketBuilder;
use proptest::prelude::*;

fn built(
    with: impl FnOnce(etherparse::PacketBuilderStep<etherparse::Ethernet2Header>) -> Vec<u8>,
) -> Vec<u8> {
    with(PacketBuilder::ethernet2([1; 6], [2; 6]))
}

fn modbus_frame() -> Vec<u8> {
    built(|b| {
        let mut out = Vec::new();
        let b = b.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).tcp(40_000, 502, 7, 1024).ack(9).psh();
        b.write(&mut out, &[1, 2, 3]).unwrap();
        out
    })
}

/// What a test asks of a packet.
fn told(decoded: Decoded<'_>) -> String {
    match decoded {
        Decoded::Packet(p) => {
            let seq = p.tcp.map(|tcp| format!(" seq {}", tcp.seq)).unwrap_or_default();
            let vlan = p.vlan.map(|vlan| format!(" vlan {vlan}")).unwrap_or_default();
            format!("{} > {}{seq}{vlan} {:?} cut {}", p.src, p.dst, p.payload, p.cut)
        }
        other => format!("{other:?}"),
    }
}

fn decode(link: u32, frame: &[u8]) -> String {
    told(Decoder::new(1 << 20).decode(link, Timestamp::default(), frame, frame.len() as u32))
}

const TELLS: &str = "10.0.0.1:40000 > 10.0.0.2:502 seq 7 [1, 2, 3] cut 0";

#[test]
fn every_link_layer_leads_to_the_same_packet() {
    let frame = modbus_frame();
    let ip = &frame[14..];
    let with = |head: &[u8], tail: &[u8]| [head, tail].concat();
    assert_eq!(decode(link::ETHERNET, &frame), TELLS);
    assert_eq!(decode(link::ETHERNET, &with(&frame, &[0; 20])), TELLS, "padding is no payload");
    assert_eq!(decode(link::RAW, ip), TELLS);
    assert_eq!(decode(link::NULL, &with(&[2, 0, 0, 0], ip)), TELLS);
    assert_eq!(decode(link::LOOP, &with(&[0, 0, 0, 2], ip)), TELLS);
    assert_eq!(decode(link::LINUX_SLL, &with(&[0, 0, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0], ip)), TELLS);
    let mut cooked = [0; 20];
    cooked[0] = 8;
    assert_eq!(decode(link::LINUX_SLL2, &with(&cooked, ip)), TELLS);
    assert_eq!(decode(999, ip), "Skipped(LinkType)");
}

#[test]
fn tags_and_tunnels_are_unwrapped() {
    let frame = modbus_frame();
    let tagged = [&frame[..12], &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 7], &frame[12..]].concat();
    assert_eq!(decode(link::ETHERNET, &tagged), TELLS.replace(" [", " vlan 7 ["));
    let carried = |protocol: u8, inner: &[u8]| {
        let mut out = Vec::new();
        let b = PacketBuilder::ethernet2([1; 6], [2; 6]).ipv4([9, 9, 9, 1], [9, 9, 9, 2], 64);
        b.write(&mut out, etherparse::IpNumber(protocol), inner).unwrap();
        decode(link::ETHERNET, &out)
    };
    assert_eq!(carried(4, &frame[14..]), TELLS);
    assert_eq!(carried(47, &[&[0, 0, 0x65, 0x58], &frame[..]].concat()), TELLS);
    assert_eq!(carried(47, &[&[0x20, 0, 8, 0, 1, 2, 3, 4], &frame[14..]].concat()), TELLS, "GRE with a key");
    assert_eq!(carried(47, &[&[0, 0, 0x88, 0xbe], &frame[..]].concat()), TELLS, "ERSPAN I");
    let second = [&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0], &frame[..]].concat();
    assert_eq!(carried(47, &second), TELLS, "ERSPAN II");
    let third = [&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1], &[0x20; 11][..], &[0], &frame[..]].concat();
    assert_eq!(carried(47, &third), TELLS, "ERSPAN III");
    let mut vxlan = Vec::new();
    let b = PacketBuilder::ethernet2([1; 6], [2; 6]).ipv4([9, 9, 9, 1], [9, 9, 9, 2], 64).udp(1, 4789);
    b.write(&mut vxlan, &[&[8, 0, 0, 0, 0, 0, 5, 0], &frame[..]].concat()).unwrap();
    assert_eq!(decode(link::ETHERNET, &vxlan), TELLS);
}

#[test]
fn tunnels_have_an_end() {
    let mut inner = modbus_frame()[14..].to_vec();
    for _ in 0..=DEPTH {
        let mut out = Vec::new();
        let b = PacketBuilder::ipv4([9, 9, 9, 1], [9, 9, 9, 2], 64);
        b.write(&mut out, etherparse::IpNumber(4), &inner).unwrap();
        inner = out;
    }
    assert_eq!(decode(link::RAW, &inner), "Skipped(Depth)");
}

#[test]
fn ipv6_with_extension_headers() {
    let mut out = Vec::new();
    let b = PacketBuilder::ethernet2([1; 6], [2; 6]).ipv6([1; 16], [2; 16], 64).udp(20_000, 20_000);
    b.write(&mut out, &[5]).unwrap();
    let plain = decode(link::ETHERNET, &out);
    assert!(plain.ends_with(" [5] cut 0"), "{plain}");
    let mut extended = [&out[..54], &[17, 0, 1, 4, 0, 0, 0, 0], &out[54..]].concat();
    extended[20] = 0;
    extended[19] += 8;
    assert_eq!(decode(link::ETHERNET, &extended), plain);
}

#[test]
fn fragments_become_a_datagram() {
    let mut whole = Vec::new();
    let payload: Vec<u8> = (0..100).collect();
    PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(1, 2).write(&mut whole, &payload).unwrap();
    let piece = |from: usize, to: usize| {
        let body = &whole[20 + from..20 + to];
        let mut out = whole[..20].to_vec();
        out[2..4].copy_from_slice(&(20 + body.len() as u16).to_be_bytes());
        let place = (from / 8) as u16 | if to < whole.len() - 20 { 0x2000 } else { 0 };
        out[6..8].copy_from_slice(&place.to_be_bytes());
        out[10..12].fill(0);
        let mut sum = checksum::sum(0, &out);
        while sum > 0xffff {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        out[10..12].copy_from_slice(&(!(sum as u16)).to_ne_bytes());
        out.extend(body);
        out
    };
    let mut decoder = Decoder::new(1 << 20);
    let pieces = [piece(64, 108), piece(0, 32), piece(32, 64)];
    let first = decoder.decode(link::RAW, Timestamp::default(), &pieces[0], 0);
    assert!(matches!(first, Decoded::Fragment(_)), "{first:?}");
    let first = decoder.decode(link::RAW, Timestamp::default(), &pieces[1], 0);
    assert!(matches!(first, Decoded::Fragment(_)), "{first:?}");
    let told = told(decoder.decode(link::RAW, Timestamp::default(), &pieces[2], 0));
    assert_eq!(told, format!("10.0.0.1:1 > 10.0.0.2:2 {payload:?} cut 0"));
    assert_eq!(decoder.counters().bad_transport_checksums, 0, "the checksum spans the fragments");
    assert_eq!(decoder.counters().assembled, 1);
}

/// What an IP packet inside claims beyond its datagram was never on the wire, however much of the frame was cut.
#[test]
fn nothing_is_cut_of_a_datagram_that_was_put_together() {
    let mut inner = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(1, 2).write(&mut inner, &[7; 4]).unwrap();
    inner[3] += 100;
    let mut decoder = Decoder::new(1 << 20);
    let mut decoded = String::new();
    for (body, place) in [(&inner[..16], 0x2000u16), (&inner[16..], 2)] {
        let mut header = etherparse::Ipv4Header::new(0, 64, etherparse::IpNumber(4), [1; 4], [2; 4]).unwrap();
        header.total_len = 20 + body.len() as u16;
        header.more_fragments = place & 0x2000 != 0;
        header.fragment_offset = etherparse::IpFragOffset::try_new(place & 0x1fff).unwrap();
        header.header_checksum = header.calc_header_checksum();
        let mut frame = header.to_bytes().to_vec();
        frame.extend(body);
        let wire_len = frame.len() as u32 + 50;
        decoded = told(decoder.decode(link::RAW, Timestamp::default(), &frame, wire_len));
    }
    assert_eq!(decoded, "10.0.0.1:1 > 10.0.0.2:2 [7, 7, 7, 7] cut 0");
}

#[test]
fn a_bad_checksum_is_counted_and_a_cut_packet_says_how_much_is_missing() {
    let mut frame = modbus_frame();
    let mut decoder = Decoder::new(0);
    let cut = frame[..frame.len() - 2].to_vec();
    assert_eq!(
        told(decoder.decode(1, Timestamp::default(), &cut, frame.len() as u32)),
        TELLS.replace(", 2, 3] cut 0", "] cut 2")
    );
    assert_eq!(decoder.counters().bad_transport_checksums, 0);
    assert_eq!(told(decoder.decode(1, Timestamp::default(), &frame, 57)), TELLS);
    assert_eq!(decoder.counters().bad_transport_checksums, 0);
    *frame.last_mut().unwrap() = 9;
    frame[25] ^= 1;
    assert!(told(decoder.decode(1, Timestamp::default(), &frame, 57)).contains("[1, 2, 9]"));
    assert_eq!((decoder.counters().bad_ip_checksums, decoder.counters().bad_transport_checksums), (1, 1));
}

#[test]
fn a_forged_length_is_no_cut() {
    let mut frame = modbus_frame();
    frame[17] = 0xff;
    assert_eq!(decode(link::ETHERNET, &frame), TELLS);
}

proptest! {
    #[test]
    fn no_octets_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0usize..8) {
        let links = [0, 1, 101, 108, 113, 228, 276, 12];
        let _ = decode(links[kind], &bytes);
    }

    #[test]
    fn no_change_or_cut_of_a_real_frame_makes_it_panic(at in 0usize..57, to in any::<u8>(), end in 0usize..58) {
        let mut frame = modbus_frame();
        frame[at] = to;
        frame.truncate(end);
        let _ = decode(link::ETHERNET, &frame);
    }
}
