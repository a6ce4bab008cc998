//! Overlaps, tiny segments, insertion with a time to live or a checksum that does not reach the receiver.

use super::wire::*;

#[test]
fn octets_sent_again_with_other_contents_change_nothing_and_are_counted() {
    let mut t = Sensor::connected();
    t.segment(&scada(0, &read(1)));
    t.segment(&plc(0, 12, &answer(1)));
    // The same octets; the same place; a part of it at other borders; more than it.
    t.segment(&scada(0, &read(1)));
    assert_eq!((t.counts().conflicting, t.counts().retransmitted), (0, 1));
    t.segment(&scada(0, &write(1)));
    t.segment(&scada(7, &write(1)[7..]));
    t.segment(&scada(8, &[&write(1)[8..], &read(2)[..]].concat()));
    assert_eq!(t.said(), ["read 10", "answer to read 10", "read 10"]);
    assert_eq!((t.writes(), t.counts().conflicting), (0, 3));
}

#[test]
fn octets_that_wait_for_others_stay_as_they_came_first() {
    let mut t = Sensor::connected();
    t.segment(&scada(6, &write(1)[6..]));
    t.segment(&scada(6, &read(1)[6..]));
    assert_eq!(t.counts().conflicting, 1);
    t.segment(&scada(0, &write(1)[..6]));
    assert_eq!((t.said(), t.writes()), (vec!["write 9".to_owned()], 1));
}

#[test]
fn a_message_octet_by_octet_is_a_message() {
    for backwards in [false, true] {
        let mut t = Sensor::connected();
        let mut octets: Vec<Segment> = (0..12).map(|n| scada(n, &write(1)[n as usize..][..1])).collect();
        if backwards {
            octets.reverse();
        }
        t.segments(&octets);
        assert_eq!((t.said(), t.writes()), (vec!["write 9".to_owned()], 1));
        // Memory of the pieces is enough to see that the whole, sent again, is another.
        t.segment(&scada(0, &read(1)));
        assert_eq!((t.said().len(), t.counts().conflicting), (0, 1));
    }
}

#[test]
fn a_segment_with_too_short_a_life_gives_way_to_the_one_that_arrives() {
    let mut t = Sensor::connected();
    t.segment(&scada(0, &read(1)).ttl(2));
    assert_eq!(t.said().len(), 0);
    t.segment(&scada(0, &write(1)));
    t.segment(&plc(0, 12, &[]));
    assert_eq!((t.said(), t.writes()), (vec!["write 9".to_owned()], 1));
    assert_eq!((t.counts().doubtful, t.counts().conflicting), (1, 1));
}

#[test]
fn a_segment_with_a_short_life_that_the_receiver_took_is_judged() {
    let mut t = Sensor::connected();
    t.segment(&scada(0, &write(1)).ttl(2));
    t.segment(&plc(0, 12, &[0, 1, 0, 0, 0, 6, 1, 6, 0, 9, 3, 0x84]));
    assert_eq!((t.said(), t.writes()), (vec!["write 9".to_owned(), "answer to write 9".to_owned()], 1));
}

#[test]
fn a_life_that_is_not_far_from_the_usual_tells_nothing_and_the_first_octets_stay() {
    let mut t = Sensor::connected();
    t.segment(&scada(0, &read(1)).ttl(60));
    t.segment(&scada(0, &write(1)));
    assert_eq!((t.said(), t.writes(), t.counts().conflicting), (vec!["read 10".to_owned()], 0, 1));
}

#[test]
fn a_bad_checksum_gives_way_to_a_good_one() {
    let mut t = Sensor::connected();
    t.ip(&scada(0, &read(1)).bad());
    assert_eq!(t.said().len(), 0);
    t.segment(&scada(0, &write(1)));
    t.segment(&plc(0, 12, &[]));
    assert_eq!((t.said(), t.writes()), (vec!["write 9".to_owned()], 1));
    assert_eq!((t.counts().doubtful, t.counts().conflicting), (1, 1));
    assert_eq!(t.packets().bad_transport_checksums, 1);
}

#[test]
fn a_bad_ip_checksum_gives_way_too() {
    let mut t = Sensor::connected();
    let mut bad = scada(0, &read(1)).ip();
    bad[10] ^= 1;
    t.ip(&bad);
    t.segment(&scada(0, &write(1)));
    assert_eq!((t.said(), t.writes(), t.counts().doubtful), (vec!["write 9".to_owned()], 1, 1));
}

#[test]
fn a_bad_checksum_that_the_receiver_does_not_mind_is_judged() {
    let mut t = Sensor::connected();
    t.ip(&scada(0, &write(1)).bad());
    assert_eq!(t.said().len(), 0);
    t.segment(&plc(0, 12, &[0, 1, 0, 0, 0, 6, 1, 6, 0, 9, 3, 0x84]));
    assert_eq!((t.said(), t.writes()), (vec!["write 9".to_owned(), "answer to write 9".to_owned()], 1));
    // From now on this receiver is known to take such segments.
    t.ip(&scada(12, &write(2)).bad());
    assert_eq!((t.writes(), t.counts().gaps), (1, 0));
}

#[test]
fn without_a_visible_receiver_a_bad_checksum_waits_two_seconds() {
    let mut t = Sensor::new();
    t.segment(&scada(0, &read(1)));
    t.ip(&scada(12, &write(2)).bad());
    assert_eq!((t.said(), t.writes()), (vec!["read 10".to_owned()], 0));
    t.wait(2_000);
    t.segment(&scada(12, &[]).flags(""));
    assert_eq!(t.writes(), 1);
}

#[test]
fn a_capture_in_which_no_checksum_of_the_sender_fits_is_believed_at_once() {
    let mut t = Sensor::new();
    t.ip(&Segment { seq: SCADA, ack: None, ..scada(0, &[]) }.flags("S").bad());
    t.segment(&Segment { seq: PLC, ..plc(0, 0, &[]) }.flags("S"));
    t.ip(&scada(0, &[]).flags("").bad());
    t.ip(&scada(0, &write(1)).bad());
    assert_eq!((t.writes(), t.counts().doubtful), (1, 0));
}

#[test]
fn a_datagram_with_a_bad_checksum_is_judged_with_the_others() {
    let mut t = Sensor::new();
    for (octets, bad) in [(read(1), false), (write(2), true), (write(3), false)] {
        let mut out = Vec::new();
        let builder = etherparse::PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(40_000, 502);
        builder.write(&mut out, &octets).unwrap();
        out[26] ^= u8::from(bad);
        t.ip(&out);
    }
    assert_eq!((t.said(), t.writes()), (vec!["read 10".into(), "write 9".into(), "write 9".into()], 2));
    assert_eq!(t.packets().bad_transport_checksums, 1);
}

#[test]
fn a_stream_across_the_end_of_the_numbers_in_any_order_is_a_stream() {
    let message = [&read(1)[..], &write(2), &read(3)].concat();
    // The write lies across 2^32.
    let at = |place: usize, end: usize| Segment {
        seq: 0u32.wrapping_sub(18).wrapping_add(place as u32),
        ..scada(0, &message[place..end])
    };
    for order in [[0, 1, 2, 3], [0, 2, 3, 1], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let mut t = Sensor::new();
        t.segment(&Segment { seq: 0u32.wrapping_sub(19), ack: None, ..scada(0, &[]) }.flags("S"));
        let pieces = [at(0, 15), at(15, 18), at(18, 20), at(20, 36)];
        order.iter().for_each(|place| t.segment(&pieces[*place]));
        assert_eq!(t.said(), ["read 10", "write 9", "read 10"], "{order:?}");
        assert_eq!((t.writes(), t.counts().gaps, t.counts().stray), (1, 0, 0));
    }
}

#[test]
fn a_keep_alive_of_any_value_is_no_data_and_no_contradiction() {
    let mut t = Sensor::connected();
    t.segment(&scada(0, &read(1)));
    t.segment(&scada(11, &[0xee]).flags(""));
    t.segment(&scada(12, &write(2)));
    assert_eq!((t.said(), t.writes()), (vec!["read 10".into(), "write 9".into()], 1));
    assert_eq!(t.counts().conflicting, 0);
    // With PSH, which no keep-alive has, it is one.
    t.segment(&scada(23, &[0xee]));
    assert_eq!(t.counts().conflicting, 1);
}

#[test]
fn urgent_data_is_counted_and_a_message_around_it_is_malformed_not_silent() {
    let mut t = Sensor::connected();
    // Receivers that take the urgent octet out see a write.
    t.segment(&scada(0, &[&write(1)[..4], &[0xee]].concat()).flags("PU"));
    t.segment(&scada(5, &write(1)[4..]));
    t.segment(&scada(13, &write(2)));
    let said = t.said();
    assert!(said[0].starts_with("malformed"), "{said:?}");
    assert_eq!(said[1..], ["write 9"]);
    assert_eq!(t.packets().urgent, 1);
}

#[test]
fn a_header_that_contradicts_its_segment_is_counted_and_nothing_more() {
    let mut t = Sensor::connected();
    for words in [4u8, 15] {
        let mut packet = scada(0, &read(1)).ip();
        packet[32] = words << 4;
        t.ip(&packet);
    }
    t.segment(&scada(0, &write(1)));
    assert_eq!((t.said(), t.writes()), (vec!["write 9".to_owned()], 1));
    assert_eq!(t.skipped("bad-header"), 2);
}
