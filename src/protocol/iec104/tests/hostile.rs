//! What nobody should send, and what may be cut anywhere.

use super::{Seen, Talk, unit};
use crate::address::Side;
use crate::event::Kind;
use crate::protocol::Session;
use crate::protocol::iec104::library::TYPES;
use proptest::prelude::*;

fn label(octets: &[u8]) -> Option<&'static str> {
    let mut talk = Talk::new();
    talk.send(Side::A, octets);
    talk.close();
    talk.seen[0].label
}

#[test]
fn what_is_wrong_is_said() {
    assert_eq!(label(&[0x68, 3, 1, 0, 2]), Some("apci-length"));
    assert_eq!(label(&[0x68, 4, 0x47, 0, 0, 0]), Some("control-field"));
    assert_eq!(label(&[0x68, 5, 1, 0, 2, 0, 9]), Some("apci-length"));
    assert_eq!(label(&[0x68, 4, 0, 0, 0, 0]), Some("asdu-header"));
    assert_eq!(label(&unit(0, 0, &[45, 1, 6])), Some("asdu-header"));
    assert_eq!(label(&unit(0, 0, &[45, 2, 6, 0, 1, 0, 7, 0, 0, 1])), Some("object-length"));
    assert_eq!(label(&[0x68, 14, 0, 0, 0, 0, 45]), Some("incomplete"));
    assert_eq!(label(b"GET /index.html HTTP/1.1"), Some("not-iec104"));
}

#[test]
fn broken_objects_keep_what_comes_before_them() {
    let mut talk = Talk::new();
    let seen = talk.controlled(&[13, 2, 3, 0, 1, 0, 7, 0, 0, 0, 0, 0x80, 0x3f, 0, 8, 0, 0, 1]);
    assert_eq!((seen.kind, seen.function, seen.label), (Kind::Malformed, Some(13), Some("object-length")));
    assert_eq!(seen.json["reason"], "2 objects announced, 12 octets follow, 16 needed");
    assert_eq!((&seen.points[..], &seen.values[..]), (&["7-7".to_owned()][..], &["1".to_owned()][..]));
}

#[test]
fn another_protocol_on_the_port_is_said_once_a_side() {
    let mut talk = Talk::new();
    for _ in 0..10 {
        talk.send(Side::A, b"GET /index.html HTTP/1.1\r\nHost: plant\r\n\r\n");
        talk.send(Side::B, &[b'x'; 1460]);
    }
    talk.close();
    let labels: Vec<_> = talk.seen.iter().map(|seen| seen.label).collect();
    assert_eq!(labels, [Some("not-iec104"); 2]);
}

#[test]
fn memory_stays_within_bounds() {
    let mut talk = Talk::new();
    for address in 0..3000u32 {
        let [a, b, c, _] = address.to_le_bytes();
        talk.controlling(&[45, 1, 6, 0, 1, 0, a, b, c, 1]);
        talk.send(Side::B, &[0x68, 253, 0, 0, 0, 0, 1, 127]);
        talk.send(Side::B, &[7; 240]);
        talk.seen.clear();
        assert!(talk.session.memory() < 16_000, "{}", talk.session.memory());
    }
}

/// Everything but the packet number and what hangs on it.
fn timeless(seen: &[Seen]) -> Vec<String> {
    let said = |seen: &Seen| {
        let mut json = seen.json.clone();
        for member in ["ts", "frame", "latency_us", "request_frame"] {
            json.as_object_mut().unwrap().remove(member);
        }
        let fields = json["iec104"].as_object_mut().unwrap();
        for member in
            ["select_frame", "acknowledged_after_us", "confirmed_after_us", "executed_after_us", "idle_us"]
        {
            fields.remove(member);
        }
        json.to_string()
    };
    seen.iter().map(said).collect()
}

/// A talk as octets: units of every type, whole and broken, with others between them.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    let cause = prop_oneof![1u8..14, 20u8..48, any::<u8>()];
    let asdu = (0..TYPES.len(), 0u8..4, any::<bool>(), cause, proptest::collection::vec(any::<u8>(), 100));
    let fitting = asdu.prop_map(|(row, number, sequence, cause, octets)| {
        let row = &TYPES[row];
        let sequence = sequence && row.is_fixed();
        let mut asdu = vec![row.code, number | if sequence { 0x80 } else { 0 }, cause, 0, 1, 0];
        let mut octets = octets.into_iter();
        for at in 0..number {
            if at == 0 || !sequence {
                asdu.extend([at, 1, 0]);
            }
            asdu.extend(octets.by_ref().take(row.octets()));
            if !row.is_fixed() {
                *asdu.last_mut().unwrap() = 2;
                asdu.extend([8, 9]);
            }
        }
        asdu
    });
    let odd = proptest::collection::vec(any::<u8>(), 0..40);
    let numbered = (any::<u16>(), any::<u16>(), prop_oneof![4 => fitting, 1 => odd])
        .prop_map(|(send, recv, asdu)| unit(send & 0x7fff, recv & 0x7fff, &asdu));
    let control =
        prop_oneof![Just(0x07u8), Just(0x0b), Just(0x13), Just(0x43), Just(0x83), Just(1), any::<u8>()];
    let bare = control.prop_map(|control| vec![0x68, 4, control, 0, 0, 0]);
    let garbage = proptest::collection::vec(any::<u8>(), 0..30);
    let part = prop_oneof![6 => numbered, 2 => bare, 1 => garbage];
    proptest::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn cut_anywhere_the_events_are_the_same(
        octets in octets(),
        cuts in proptest::collection::vec(any::<usize>(), 0..12),
        whole: bool,
    ) {
        let mut once = Talk::new();
        once.whole = whole;
        once.send(Side::A, &octets);
        once.close();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (octets.len() + 1)).collect();
        cuts.extend([0, octets.len()]);
        cuts.sort_unstable();
        let mut often = Talk::new();
        often.whole = whole;
        for pair in cuts.windows(2) {
            often.send(Side::A, &octets[pair[0]..pair[1]]);
        }
        often.close();
        prop_assert_eq!(timeless(&once.seen), timeless(&often.seen));
    }

    #[test]
    fn nothing_panics(
        parts in proptest::collection::vec((any::<bool>(), 0u8..20, octets()), 0..6),
        whole: bool,
    ) {
        let mut talk = Talk::new();
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
            let mut talk = Talk::new();
            talk.send(Side::A, &octets[..end]);
            talk.close();
        }
    }

    #[test]
    fn what_begins_a_conversation_is_never_taken_for_it_by_chance(octets in proptest::collection::vec(any::<u8>(), 6..80)) {
        use crate::address::Transport;
        use crate::protocol::Probe;
        let probe = super::super::PROTOCOL.probe;
        prop_assert_ne!(probe(Transport::Tcp, &octets), Probe::Certain);
    }
}
