//! IP fragments: tiny, shuffled, overlapping, contradicting, impossible.

use super::wire::*;

fn tiny(packet: &[u8]) -> Vec<Vec<u8>> {
    let length = packet.len() - 20;
    (0..length).step_by(8).map(|from| fragment(packet, from, (from + 8).min(length))).collect()
}

#[test]
fn tiny_fragments_in_any_order_and_twice_are_a_packet() {
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let mut t = Sensor::connected();
        let pieces = tiny(&scada(0, &write(1)).ip());
        assert_eq!(pieces.len(), 4, "the TCP header alone takes two and a half");
        for place in order {
            t.ip(&pieces[place]);
            if place == order[0] {
                t.ip(&pieces[place]);
            }
        }
        assert_eq!((t.said(), t.writes()), (vec!["write 9".to_owned()], 1), "{order:?}");
        assert_eq!((t.packets().overlaps, t.packets().fragment_conflicts), (1, 0));
    }
}

#[test]
fn fragments_that_contradict_are_counted_and_the_first_octets_stay() {
    let mut t = Sensor::connected();
    let (real, other) = (scada(0, &write(1)).ip(), scada(0, &read(1)).ip());
    t.ip(&fragment(&real, 16, 32));
    t.ip(&fragment(&other, 16, 32));
    t.ip(&fragment(&real, 0, 16));
    assert_eq!((t.said(), t.writes()), (vec!["write 9".to_owned()], 1));
    assert_eq!(t.packets().fragment_conflicts, 1);
}

#[test]
fn fragments_with_two_ends_are_counted() {
    let mut t = Sensor::connected();
    let real = scada(0, &write(1)).ip();
    t.ip(&forged(&real, 16, false, &real[36..44]));
    t.ip(&fragment(&real, 16, 32));
    t.ip(&fragment(&real, 0, 16));
    assert!(t.packets().fragment_conflicts > 0);
}

#[test]
fn a_fragment_beyond_any_datagram_is_counted_and_does_not_stop_the_others() {
    let mut t = Sensor::connected();
    let real = scada(0, &write(1)).ip();
    t.ip(&forged(&real, 65_528, false, &[0; 16]));
    assert_eq!(t.skipped("bad-fragment"), 1);
    tiny(&real).iter().for_each(|piece| t.ip(piece));
    assert_eq!(t.writes(), 1);
}

#[test]
fn a_fragment_of_uneven_length_ends_at_its_last_whole_eight_octets() {
    let mut t = Sensor::connected();
    let real = scada(0, &write(1)).ip();
    // Twelve octets with more to come: receivers take eight.
    t.ip(&forged(&real, 0, true, &[&real[20..28], &[0xee; 4]].concat()));
    t.ip(&fragment(&real, 8, 32));
    assert_eq!((t.writes(), t.packets().fragment_conflicts), (1, 0));
}

#[test]
fn a_fragment_whose_header_does_not_add_up_spoils_no_datagram() {
    let mut t = Sensor::connected();
    let (real, other) = (scada(0, &write(1)).ip(), scada(0, &read(1)).ip());
    let mut bad = fragment(&other, 16, 32);
    bad[10] ^= 1;
    t.ip(&bad);
    tiny(&real).iter().for_each(|piece| t.ip(piece));
    assert_eq!((t.writes(), t.skipped("bad-fragment")), (1, 1));
}
