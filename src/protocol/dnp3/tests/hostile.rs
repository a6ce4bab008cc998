//! What nobody should send, and what may be cut anywhere.

use super::super::sample::{frame, message, request, response};
use super::{Seen, Talk};
use crate::address::{Side, Transport};
use crate::event::Kind;
use crate::protocol::Session;
use proptest::prelude::*;

#[test]
fn bad_checksums_say_which_and_lose_one_frame() {
    let good = request(&[0xc1, 1, 60, 1, 6, 60, 2, 6, 60, 3, 6, 60, 4, 6]);
    let mut bad = good.clone();
    bad[12] ^= 0x40;
    let mut talk = Talk::tcp();
    talk.master(&[&good[..], &bad, &good].concat());
    let labels: Vec<_> = talk.seen.iter().map(|seen| (seen.kind, seen.label)).collect();
    assert_eq!(labels, [(Kind::Request, None), (Kind::Malformed, Some("bad-crc")), (Kind::Request, None)]);
    let malformed = &talk.seen[1];
    let reason = malformed.json["reason"].as_str().unwrap();
    assert!(reason.starts_with("block 1: CRC ") && reason.ends_with(" computed"), "{reason}");
    assert_eq!((malformed.device, malformed.json["dnp3"]["link_src"].as_u64()), (Some(10), Some(1)));
}

#[test]
fn broken_objects_keep_what_comes_before_them() {
    let mut talk = Talk::tcp();
    talk.outstation(&response(&[0xc1, 129, 0, 0, 1, 1, 0, 0, 0, 1, 30, 1, 0, 0, 4, 1, 2, 3]));
    let broken = &talk.seen[0];
    assert_eq!(
        (broken.kind, broken.function, broken.label),
        (Kind::Malformed, Some(129), Some("object-length"))
    );
    assert_eq!(
        broken.json["reason"],
        "object header 2 (g30v1) at octet 6: 5 points announced, 3 octets follow, 25 needed"
    );
    assert_eq!(
        (&broken.points[..], &broken.values[..]),
        (&["g1:0-0", "g30:0-4"].map(String::from)[..], &["on".to_owned()][..])
    );
    assert_eq!(broken.json["dnp3"]["sequence"], 1);
}

#[test]
fn short_and_misplaced_data_is_said() {
    let label = |octets: &[u8]| {
        let mut talk = Talk::tcp();
        talk.master(octets);
        talk.seen[0].label
    };
    assert_eq!(label(&frame(0xc4, 10, 1, &[])), Some("link-length"));
    assert_eq!(label(&frame(0xc0, 10, 1, &[1, 2, 3])), Some("link-length"));
    assert_eq!(label(&frame(0xc4, 10, 1, &[0xc0])), Some("application-header"));
    assert_eq!(label(&frame(0xc4, 10, 1, &[0xc0, 0xc0, 129, 0])), Some("application-header"));
}

#[test]
fn another_protocol_on_the_port_is_said_once_a_side() {
    let mut talk = Talk::tcp();
    for _ in 0..10 {
        talk.master(b"GET /index.html HTTP/1.1\r\nHost: plant\r\n\r\n");
        talk.outstation(&[b'x'; 1460]);
    }
    talk.close();
    let labels: Vec<_> = talk.seen.iter().map(|seen| seen.label).collect();
    assert_eq!(labels, [Some("not-dnp3"); 2]);
    let reason = talk.seen.iter().find(|seen| seen.json["src"] == "10.0.0.2:20000").unwrap();
    assert_eq!(reason.json["reason"], "no link frame in the first 292 octets: 78 78 78 78 78 78 78 78 …");
}

#[test]
fn memory_stays_within_bounds() {
    let mut talk = Talk::tcp();
    for address in 0..2000u16 {
        let start = frame(0x44, 1, address, &[&[0x40, 0xc0, 129, 0, 0][..], &[0; 240]].concat());
        talk.outstation(&start);
        for sequence in 1..30u8 {
            talk.outstation(&frame(0x44, 1, address, &[&[sequence][..], &[0; 249]].concat()));
        }
        talk.seen.clear();
        assert!(talk.session.memory() < 700_000, "{}", talk.session.memory());
    }
    // Sixteen thousand values in one message, and the room for them is given back.
    let bits = [&[0xc0, 129, 0, 0, 1, 1, 1, 0, 0, 0xff, 0x3f][..], &[0xff; 2048]].concat();
    let mut talk = Talk::tcp();
    talk.outstation(&message(0x44, 1, 10, &bits).concat());
    assert_eq!(talk.seen.last().unwrap().values.len(), 16_384);
    assert!(talk.session.memory() < 200_000, "{}", talk.session.memory());
}

/// Everything but the packet number and what hangs on it.
fn timeless(seen: &[Seen]) -> Vec<String> {
    let said = |seen: &Seen| {
        let mut json = seen.json.clone();
        for member in ["ts", "frame", "latency_us", "request_frame"] {
            json.as_object_mut().unwrap().remove(member);
        }
        json["dnp3"].as_object_mut().unwrap().remove("select_frame");
        json.to_string()
    };
    seen.iter().map(said).collect()
}

/// A talk as octets: fragments of every kind, whole and broken, in frames of every size.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let object = prop_oneof![
        Just(vec![60, 2, 6]),
        Just(vec![1, 1, 0, 0, 7, 0xa5]),
        Just(vec![30, 2, 0x17, 1, 9, 1, 0x10, 0x00]),
        Just(vec![12, 1, 0x17, 1, 9, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        Just([&[110, 250, 0, 0, 2][..], &[b'x'; 750]].concat()),
        proptest::collection::vec(any::<u8>(), 0..40),
    ];
    let objects = proptest::collection::vec(object, 0..4).prop_map(|objects| objects.concat());
    let fragment = (any::<u8>(), prop_oneof![0u8..35, 128u8..133], any::<u16>(), objects);
    let framed =
        (fragment, 1u16..4, any::<bool>()).prop_map(|((control, function, iin, objects), address, up)| {
            let mut fragment = vec![control, function];
            if function > 128 {
                fragment.extend(iin.to_be_bytes());
            }
            fragment.extend(objects);
            if up { message(0x44, 9, address, &fragment) } else { message(0xc4, address, 9, &fragment) }
        });
    let lossy = (framed, any::<usize>(), 0u8..8).prop_map(|(mut frames, which, what)| {
        let which = which % frames.len();
        match what {
            0 => drop(frames.remove(which)),
            1 => frames[which][11] ^= 1,
            2 => frames[which].truncate(15),
            _ => {}
        }
        frames.concat()
    });
    let garbage = proptest::collection::vec(any::<u8>(), 0..30);
    proptest::collection::vec(prop_oneof![6 => lossy, 1 => garbage], 0..10).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn cut_anywhere_the_events_are_the_same(
        octets in octets(),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
        whole: bool,
    ) {
        let mut once = Talk::tcp();
        once.whole = whole;
        once.master(&octets);
        once.close();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (octets.len() + 1)).collect();
        cuts.extend([0, octets.len()]);
        cuts.sort_unstable();
        let mut often = Talk::tcp();
        often.whole = whole;
        for pair in cuts.windows(2) {
            often.master(&octets[pair[0]..pair[1]]);
        }
        often.close();
        prop_assert_eq!(timeless(&once.seen), timeless(&often.seen));
    }

    #[test]
    fn nothing_panics(
        parts in proptest::collection::vec((any::<bool>(), 0u8..20, octets()), 0..6),
        udp: bool,
        whole: bool,
    ) {
        let mut talk = Talk::new(if udp { Transport::Udp } else { Transport::Tcp });
        talk.whole = whole;
        for (up, gap, octets) in parts {
            let side = if up { Side::B } else { Side::A };
            talk.send(side, &octets);
            if gap == 0 {
                talk.gap(side);
            }
        }
        talk.close();
    }

    #[test]
    fn cut_short_at_every_octet_nothing_panics(octets in octets()) {
        for end in (0..octets.len()).step_by(7) {
            let mut talk = Talk::tcp();
            talk.master(&octets[..end]);
            talk.close();
        }
    }
}
