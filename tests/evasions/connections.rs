//! Ports used again, resets and ends that nobody sent, synchronisation lost on purpose.

use super::wire::*;

fn strings(said: &[&str]) -> Vec<String> {
    said.iter().map(|text| (*text).to_owned()).collect()
}

/// A connection between the same ports with numbers far away.
const FAR: u32 = 1_500_000_000;

fn syn(seq: u32) -> Segment {
    Segment { seq, ack: None, ..scada(0, &[]) }.flags("S")
}

fn syn_ack(seq: u32, to: u32) -> Segment {
    Segment { seq, ack: Some(to.wrapping_add(1)), ..plc(0, 0, &[]) }.flags("S")
}

/// A connection on the same ports: SYN, SYN-ACK, a write.
fn again(t: &mut Sensor) {
    t.segments(&[syn(FAR), syn_ack(FAR + 7, FAR)]);
    t.segment(&Segment { seq: FAR + 1, ack: Some(FAR + 8), ..scada(0, &write(9)) });
    t.segment(&Segment {
        seq: FAR + 8,
        ack: Some(FAR + 13),
        ..plc(0, 0, &[0, 9, 0, 0, 0, 6, 1, 6, 0, 9, 3, 0x84])
    });
}

#[test]
fn a_port_used_again_is_a_connection_of_its_own() {
    let ends: [&[Segment]; 4] = [
        &[scada(12, &[]).flags("F"), plc(11, 13, &[]).flags("F")],
        &[scada(12, &[]).flags("R")],
        &[plc(11, 12, &[]).flags("R")],
        &[],
    ];
    for end in ends {
        let mut t = Sensor::connected();
        // The start of a message stays behind: it must not be put before what the new connection says.
        t.segments(&[scada(0, &read(1)), plc(0, 12, &answer(1))]);
        t.segments(end);
        again(&mut t);
        let said = strings(&["read 10", "answer to read 10", "write 9", "answer to write 9"]);
        assert_eq!((t.said(), t.writes()), (said, 1), "{} packets end it", end.len());
        assert_eq!((t.counts().opened, t.counts().conflicting), (2, 0));
    }
}

#[test]
fn half_a_message_of_the_connection_before_is_said_to_be_cut() {
    let mut t = Sensor::connected();
    t.segments(&[scada(0, &read(1)), scada(12, &read(2)[..10]), plc(0, 22, &[])]);
    again(&mut t);
    assert_eq!(t.said(), ["read 10", "malformed cut", "write 9", "answer to write 9"]);
}

#[test]
fn a_syn_with_another_number_changes_nothing_where_the_receiver_does_not_agree() {
    let mut t = Sensor::connected();
    t.segments(&[scada(0, &read(1)), plc(0, 12, &answer(1))]);
    for round in 0..5u32 {
        // RFC 5961: the receiver answers with what it expects, and goes on.
        t.segment(&syn(FAR + round * 1_000_000));
        t.segment(&plc(11, 12 + round * 12, &[]).flags(""));
        // Half of the message before the next one, half of it after.
        t.segment(&scada(12 + round * 12, &write(2)[..6]));
        t.segment(&syn(FAR / 2 + round));
        t.segment(&scada(18 + round * 12, &write(2)[6..]));
    }
    assert_eq!((t.writes(), t.counts().opened, t.counts().gaps), (5, 1, 0));
    assert_eq!(t.counts().stray, 10, "each is counted");
}

#[test]
fn a_reset_and_then_a_syn_with_another_number_blind_nobody() {
    let mut t = Sensor::connected();
    t.segments(&[scada(0, &read(1)), plc(0, 12, &answer(1))]);
    // Both with a life too short to arrive.
    t.segment(&scada(12, &[]).flags("R").ttl(2));
    t.segment(&syn(FAR).ttl(2));
    t.segment(&scada(12, &write(2)));
    assert_eq!((t.writes(), t.counts().opened), (1, 1));
}

#[test]
fn resets_and_ends_that_nobody_sent_hide_nothing_that_follows() {
    let forged = [
        scada(900_000, &[]).flags("R"),
        scada(12, &[]).flags("R"),
        plc(11, 12, &[]).flags("R"),
        scada(12, &[]).flags("F"),
        plc(11, 12, &[]).flags("F"),
        scada(5_000, &[]).flags("F"),
    ];
    for (place, segment) in forged.iter().enumerate() {
        let mut t = Sensor::connected();
        t.segments(&[scada(0, &read(1)), plc(0, 12, &answer(1))]);
        t.segment(segment);
        t.segments(&[scada(12, &write(2)), plc(11, 24, &answer(3)[..0])]);
        t.segments(&[scada(24, &write(3)[..5]), scada(29, &write(3)[5..])]);
        assert_eq!((t.writes(), t.counts().opened), (2, 1), "{place}");
        assert_eq!(t.counts().stray, u64::from(place == 0), "a reset out of place is counted");
    }
    // Both ends, and it goes on all the same.
    let mut t = Sensor::connected();
    t.segments(&[scada(0, &[]).flags("F"), plc(0, 0, &[]).flags("F"), scada(0, &write(1))]);
    assert_eq!(t.writes(), 1);
}

#[test]
fn data_far_ahead_does_not_lead_the_stream_away_from_a_receiver_that_is_seen() {
    let mut t = Sensor::connected();
    t.segments(&[scada(0, &read(1)), plc(0, 12, &answer(1))]);
    // Three that agree, far outside every window, between the halves of a message.
    t.segment(&scada(12, &write(2)[..6]));
    for n in 0..6 {
        t.segment(&scada(900_000_000 + n * 12, &read(7)));
    }
    t.segment(&scada(18, &write(2)[6..]));
    assert_eq!((t.writes(), t.counts().gaps, t.counts().stray), (1, 0, 6));
}

#[test]
fn without_a_visible_receiver_the_stream_comes_back_from_data_far_ahead() {
    let mut t = Sensor::new();
    t.segment(&scada(0, &read(1)));
    for n in 0..6 {
        t.segment(&scada(900_000_000 + n * 12, &read(7)));
    }
    t.segments(&[scada(12, &write(2)), scada(24, &write(3))]);
    assert_eq!(t.writes(), 2);
    assert!(t.counts().stray >= 3 && t.counts().gaps >= 2);
}

#[test]
fn without_a_visible_receiver_a_syn_with_another_number_does_not_end_what_goes_on() {
    let mut t = Sensor::new();
    t.segments(&[scada(0, &read(1)), syn(FAR), scada(12, &write(2)), syn(FAR / 2), scada(24, &write(3))]);
    assert_eq!(t.writes(), 2);
}

#[test]
fn data_ahead_within_the_window_does_not_hold_up_or_lead_away_what_is_real() {
    for both_sides in [true, false] {
        let mut t = if both_sides { Sensor::connected() } else { Sensor::new() };
        t.segment(&scada(0, &read(1)));
        t.segment(&scada(1_000_000, &read(7)));
        for round in 1..4u32 {
            t.segment(&scada(12 * round, &write(2)));
            if both_sides {
                t.segment(&plc(0, 12 * (round + 1), &[]));
            }
            t.wait(61_000);
            t.segment(&scada(12 * (round + 1), &[]).flags(""));
        }
        assert_eq!(t.writes(), 3, "both sides: {both_sides}");
    }
}

#[test]
fn data_behind_what_the_receiver_has_acknowledged_is_old() {
    let mut t = Sensor::connected();
    t.segment(&scada(0, &read(1)));
    // The second message is missing from the capture; the receiver has it.
    t.segments(&[scada(24, &read(3)), plc(0, 36, &[])]);
    t.wait(300);
    t.segment(&plc(0, 36, &[]));
    assert_eq!((t.said(), t.counts().gaps), (strings(&["read 10", "read 10"]), 1));
    t.segment(&scada(12, &write(2)));
    assert_eq!((t.said().len(), t.writes()), (0, 0), "the receiver does not take it again");
}

#[test]
fn data_on_the_syn_counts_where_the_receiver_takes_it() {
    // Most receivers do not, and have it sent again: then that is what counts.
    let mut t = Sensor::new();
    t.segment(&Segment { data: read(1).to_vec(), ..syn(SCADA) });
    t.segments(&[syn_ack(PLC, SCADA), scada(0, &write(1)), plc(0, 12, &[])]);
    assert_eq!((t.said(), t.writes()), (strings(&["write 9"]), 1));
    assert_eq!((t.counts().doubtful, t.counts().conflicting), (1, 1));
    // TCP Fast Open: the SYN-ACK acknowledges it.
    let mut t = Sensor::new();
    t.segment(&Segment { data: write(1).to_vec(), ..syn(SCADA) });
    t.segment(&syn_ack(PLC, SCADA + 12));
    assert_eq!((t.said(), t.writes()), (strings(&["write 9"]), 1));
}

#[test]
fn data_before_the_handshake_is_judged() {
    let mut t = Sensor::new();
    t.segment(&scada(0, &write(1)));
    t.connect();
    t.segment(&scada(12, &write(2)));
    assert_eq!(t.writes(), 2);
}

/// A known limit: what is forged where the receiver would take it, and does not arrive, is taken for what was said.
#[test]
fn a_forged_segment_in_the_very_place_wins_and_the_contradiction_is_counted() {
    let mut t = Sensor::connected();
    t.segments(&[scada(0, &read(1)), scada(0, &write(1)), plc(0, 12, &[])]);
    assert_eq!((t.said(), t.writes(), t.counts().conflicting), (strings(&["read 10"]), 0, 1));
}
