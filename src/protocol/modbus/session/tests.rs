use super::*;
use crate::address::{Endpoint, Transport};
use crate::event::{Flow, Value, Verb};
use proptest::prelude::*;
use std::net::IpAddr;

/// One conversation, fed by hand: what each event says, in a form that a test can read.
struct Conversation {
    session: ModbusSession,
    flows: [Flow; 2],
    server: Option<Side>,
    now: i64,
    frame: u64,
    told: Vec<String>,
}

impl Conversation {
    fn new(server: Option<Side>) -> Self {
        let client = Endpoint::new(IpAddr::from([10, 0, 0, 1]), 40_000);
        let device = Endpoint::new(IpAddr::from([10, 0, 0, 2]), 502);
        let flow = Flow::new(client, device, Transport::Tcp);
        let flows = [flow.clone(), flow.reversed()];
        Conversation { session: ModbusSession::default(), flows, server, now: 0, frame: 0, told: Vec::new() }
    }

    fn with(
        &mut self,
        sender: Side,
        act: impl FnOnce(&mut ModbusSession, &At<'_>, &mut dyn Sink),
    ) -> &mut Self {
        self.frame += 1;
        let at = At {
            ts: Timestamp::from_nanos(self.now),
            frame: self.frame,
            flows: &self.flows,
            sender,
            client: None,
            server: self.server,
        };
        let told = &mut self.told;
        let mut sink = |event: &Event<'_>| told.push(tell(event));
        act(&mut self.session, &at, &mut sink);
        self
    }

    fn client(&mut self, bytes: &[u8]) -> &mut Self {
        self.with(Side::A, |session, at, sink| session.stream(at, bytes, sink))
    }

    fn device(&mut self, bytes: &[u8]) -> &mut Self {
        self.with(Side::B, |session, at, sink| session.stream(at, bytes, sink))
    }

    fn wait(&mut self, millis: i64) -> &mut Self {
        self.now += millis * 1_000_000;
        self
    }

    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }
}

fn tell(event: &Event<'_>) -> String {
    let mut text = format!("{} {}", event.kind.name(), event.verb.name());
    if let Some(name) = event.function_name() {
        text += &format!(" {name}");
    }
    for (range, index, value) in event.valued_points() {
        text += &format!(" {}:{index}={value}", event.proto.space_name(range.space));
    }
    for range in event.points.iter().filter(|range| !range.valued) {
        text += &format!(" {}:{}-{}", event.proto.space_name(range.space), range.first, range.last);
    }
    match event.outcome {
        Some(Outcome::Exception { name, .. }) => text += &format!(" ({name})"),
        Some(Outcome::Unanswered) => text += " (unanswered)",
        _ => {}
    }
    if let Some(request) = event.request {
        text += &format!(" to #{request}");
    }
    if let Some(fault) = event.fault {
        text += &format!(" ! {}: {}", fault.label, fault.text);
    }
    text
}

fn adu(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut out = transaction.to_be_bytes().to_vec();
    out.extend([0, 0]);
    out.extend((pdu.len() as u16 + 1).to_be_bytes());
    out.push(unit);
    out.extend(pdu);
    out
}

#[test]
fn responses_carry_what_their_request_asked() {
    let mut talk = Conversation::new(Some(Side::B));
    talk.client(&adu(1, 1, &[3, 0, 100, 0, 2])).device(&adu(1, 1, &[3, 4, 1, 0xf4, 0, 7]));
    talk.client(&adu(2, 1, &[1, 0, 8, 0, 3])).device(&adu(2, 1, &[1, 1, 0b101]));
    talk.client(&adu(3, 1, &[6, 0, 101, 3, 0x84])).device(&adu(3, 1, &[0x86, 3]));
    talk.client(&adu(4, 1, &[23, 0, 1, 0, 1, 0, 9, 0, 1, 2, 0, 5])).device(&adu(4, 1, &[23, 2, 0, 6]));
    assert_eq!(
        talk.told(),
        [
            "request read read-holding-registers holding:100-101",
            "response read read-holding-registers holding:100=500 holding:101=7 to #1",
            "request read read-coils coil:8-10",
            "response read read-coils coil:8=on coil:9=off coil:10=on to #3",
            "request write write-single-register holding:101=900",
            "response write write-single-register holding:101-101 (illegal data value) to #5",
            "request write read-write-multiple-registers holding:9=5 holding:1-1",
            "response write read-write-multiple-registers holding:1=6 holding:9-9 to #7",
        ]
    );
}

#[test]
fn several_in_flight_are_paired_by_transaction_and_unit() {
    let mut talk = Conversation::new(Some(Side::B));
    talk.client(&adu(1, 1, &[3, 0, 1, 0, 1])).client(&adu(2, 1, &[3, 0, 2, 0, 1]));
    talk.device(&adu(2, 1, &[3, 2, 0, 2])).device(&adu(1, 1, &[3, 2, 0, 1]));
    let told = talk.told();
    assert_eq!(told[2], "response read read-holding-registers holding:2=2 to #2");
    assert_eq!(told[3], "response read read-holding-registers holding:1=1 to #1");
}

#[test]
fn a_constant_transaction_identifier_does_not_shift_the_pairing_after_a_lost_answer() {
    let mut talk = Conversation::new(Some(Side::B));
    talk.client(&adu(0, 1, &[3, 0, 1, 0, 1])).device(&adu(0, 1, &[3, 2, 0, 1]));
    talk.wait(1000).client(&adu(0, 1, &[3, 0, 2, 0, 1]));
    talk.wait(1000).client(&adu(0, 1, &[3, 0, 3, 0, 1])).device(&adu(0, 1, &[3, 2, 0, 3]));
    assert_eq!(
        talk.told()[3..],
        [
            "response read read-holding-registers holding:2-2 (unanswered) to #3",
            "request read read-holding-registers holding:3-3",
            "response read read-holding-registers holding:3=3 to #4",
        ]
    );
}

#[test]
fn an_answer_of_another_size_than_asked_is_malformed() {
    let mut talk = Conversation::new(Some(Side::B));
    talk.client(&adu(1, 1, &[3, 0, 1, 0, 2])).device(&adu(1, 1, &[3, 2, 0, 1]));
    assert_eq!(
        talk.told()[1],
        "malformed read read-holding-registers holding:1=1 to #1 \
         ! byte-count: byte count 2 for a quantity of 2, which takes 4"
    );
}

#[test]
fn roles_come_from_content_where_nothing_else_tells() {
    let mut talk = Conversation::new(None);
    talk.device(&adu(1, 1, &[3, 2, 0, 9])).client(&adu(2, 1, &[6, 0, 1, 0, 1]));
    assert_eq!(
        talk.told(),
        ["response read read-holding-registers", "request write write-single-register holding:1=1"]
    );
}

#[test]
fn garbage_is_said_once_and_decoding_goes_on_after_it() {
    let mut talk = Conversation::new(Some(Side::B));
    let mut bytes = b"\xff\xee\xdd\xcc\xbb".to_vec();
    bytes.extend(adu(1, 1, &[3, 0, 1, 0, 1]));
    talk.client(&bytes);
    talk.client(b"GET /index.html HTTP/1.1\r\nHost: plc\r\n\r\n").client(b"more of the same, and then some");
    talk.client(&adu(2, 1, &[3, 0, 2, 0, 1]));
    let told = talk.told();
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(
        told[0].contains("! not-modbus: octets that are not Modbus: protocol identifier 56780"),
        "{told:?}"
    );
    assert_eq!(told[1], "request read read-holding-registers holding:1-1");
    assert!(told[2].contains("not-modbus"), "{told:?}");
    assert_eq!(told[3], "request read read-holding-registers holding:2-2");
}

#[test]
fn a_message_that_is_never_completed_keeps_what_was_decoded() {
    let mut talk = Conversation::new(Some(Side::B));
    let whole = adu(1, 1, &[16, 0, 1, 0, 2, 4, 0, 10, 1, 2]);
    talk.client(&whole[..whole.len() - 2]);
    talk.with(Side::A, |session, at, sink| session.gap(at, 2, sink));
    assert_eq!(
        talk.told(),
        ["malformed write write-multiple-registers holding:1=10 \
          ! cut: length field 11 but 9 octets follow: the rest is missing from the capture"]
    );
}

#[test]
fn one_sided_traffic_is_never_called_unanswered() {
    let mut talk = Conversation::new(Some(Side::B));
    for transaction in 0..100 {
        talk.wait(1000).client(&adu(transaction, 1, &[3, 0, 1, 0, 1]));
    }
    talk.wait(60_000).with(Side::A, |session, at, sink| session.close(at, sink));
    assert_eq!(talk.told().len(), 100);
    assert!(talk.session.pending.len() <= PENDING_MAX);
}

#[test]
fn datagrams() {
    let mut talk = Conversation::new(Some(Side::B));
    talk.with(Side::A, |session, at, sink| session.datagram(at, &adu(1, 1, &[3, 0, 1, 0, 1]), sink));
    talk.with(Side::A, |session, at, sink| {
        session.datagram(at, &adu(1, 1, &[3, 0, 1, 0, 1])[..10], sink);
    });
    let told = talk.told();
    assert_eq!(told[0], "request read read-holding-registers holding:1-1");
    assert!(
        told[1].ends_with("! cut: length field 6 but 4 octets follow: the datagram ends there"),
        "{told:?}"
    );
}

/// Messages of both directions as one would see them on a wire.
fn exchange() -> Vec<(Side, Vec<u8>)> {
    let mut out = Vec::new();
    for n in 0..6u16 {
        out.push((Side::A, adu(n, 1, &[3, 0, n as u8, 0, 2])));
        out.push((Side::B, adu(n, 1, &[3, 4, 0, n as u8, 1, 2])));
        out.push((Side::A, adu(n + 100, 2, &[15, 0, 0, 0, 9, 2, 0xff, 1])));
        out.push((Side::B, adu(n + 100, 2, &[15, 0, 0, 0, 9])));
    }
    out
}

proptest! {
    #[test]
    fn any_cut_into_segments_tells_the_same(cuts in proptest::collection::vec(1usize..20, 1..40)) {
        let mut whole = Conversation::new(Some(Side::B));
        let mut cut = Conversation::new(Some(Side::B));
        let mut sizes = cuts.iter().cycle();
        for (side, bytes) in exchange() {
            whole.with(side, |session, at, sink| session.stream(at, &bytes, sink));
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (piece, after) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
                cut.with(side, |session, at, sink| session.stream(at, piece, sink));
                rest = after;
            }
        }
        let plain = |told: Vec<String>| -> Vec<String> {
            told.iter().map(|t| t.split(" to #").next().unwrap_or_default().to_owned()).collect()
        };
        prop_assert_eq!(plain(whole.told()), plain(cut.told()));
    }

    #[test]
    fn no_bytes_make_it_panic_or_grow(
        pieces in proptest::collection::vec((any::<bool>(), proptest::collection::vec(any::<u8>(), 0..400)), 0..30)
    ) {
        let mut talk = Conversation::new(None);
        for (from_a, bytes) in pieces {
            let side = if from_a { Side::A } else { Side::B };
            talk.with(side, |session, at, sink| session.stream(at, &bytes, sink));
            talk.with(side, |session, at, sink| session.datagram(at, &bytes, sink));
        }
        talk.with(Side::A, |session, at, sink| session.close(at, sink));
        prop_assert!(talk.session.memory() < 64 * 1024);
    }
}

#[test]
fn verbs_of_subfunctions() {
    let mut talk = Conversation::new(Some(Side::B));
    talk.client(&adu(1, 1, &[8, 0, 1, 0, 0])).client(&adu(2, 1, &[90, 1, 0x41, 1]));
    talk.device(&adu(2, 1, &[90, 1, 0xfe]));
    assert_eq!(
        talk.told(),
        ["request restart diagnostics", "request restart umas", "response restart umas to #2"]
    );
    assert_eq!(codes::verb(43, Some(14)), Verb::Identify);
    assert_eq!(Value::Int(1).number(), Some(1.0));
}

fn rtu(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut out = vec![unit];
    out.extend(pdu);
    let crc = serial::crc(&out);
    out.extend(crc.to_le_bytes());
    out
}

fn ascii(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut octets = vec![unit];
    octets.extend(pdu);
    let sum = octets.iter().fold(0u8, |sum, octet| sum.wrapping_add(*octet));
    octets.push(sum.wrapping_neg());
    let digits: String = octets.iter().map(|octet| format!("{octet:02X}")).collect();
    format!(":{digits}\r\n").into_bytes()
}

#[test]
fn serial_framings_inside_tcp_tell_the_same_story() {
    for frame in [rtu as fn(u8, &[u8]) -> Vec<u8>, ascii] {
        let mut talk = Conversation::new(Some(Side::B));
        talk.client(&frame(17, &[3, 0, 100, 0, 2]));
        let answer = frame(17, &[3, 4, 1, 0xf4, 0, 7]);
        talk.device(&answer[..3]).device(&answer[3..]);
        talk.wait(500).client(&[frame(18, &[6, 0, 101, 3, 0x84]), frame(19, &[1, 0, 0, 0, 8])].concat());
        talk.device(&frame(18, &[0x86, 2])).device(&frame(19, &[1, 1, 5]));
        assert_eq!(
            talk.told(),
            [
                "request read read-holding-registers holding:100-101",
                "response read read-holding-registers holding:100=500 holding:101=7 to #1",
                "request write write-single-register holding:101=900",
                "request read read-coils coil:0-7",
                "response write write-single-register holding:101-101 (illegal data address) to #4",
                "response read read-coils coil:0=on coil:1=off coil:2=on coil:3=off coil:4=off coil:5=off coil:6=off \
                 coil:7=off to #4",
            ]
        );
    }
}

#[test]
fn a_damaged_serial_frame_is_said_and_the_next_one_is_found() {
    let mut talk = Conversation::new(Some(Side::B));
    talk.client(&rtu(1, &[3, 0, 1, 0, 1]));
    let mut damaged = rtu(1, &[3, 0, 2, 0, 1]);
    damaged[3] ^= 0x40;
    talk.client(&damaged).client(&rtu(1, &[3, 0, 3, 0, 1]));
    let told = talk.told();
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[1].contains("! bad-crc: octets of a serial line frame"), "{told:?}");
    assert_eq!(told[2], "request read read-holding-registers holding:3-3");
}

#[test]
fn serial_framings_in_a_datagram() {
    for frame in [rtu as fn(u8, &[u8]) -> Vec<u8>, ascii] {
        let mut talk = Conversation::new(Some(Side::B));
        talk.with(Side::A, |session, at, sink| session.datagram(at, &frame(5, &[3, 0, 1, 0, 1]), sink));
        talk.with(Side::B, |session, at, sink| session.datagram(at, &frame(5, &[3, 2, 0, 9]), sink));
        assert_eq!(
            talk.told(),
            [
                "request read read-holding-registers holding:1-1",
                "response read read-holding-registers holding:1=9 to #1",
            ]
        );
    }
    let mut talk = Conversation::new(Some(Side::B));
    let more = [ascii(5, &[3, 0, 1, 0, 1]), b":05".to_vec()].concat();
    talk.with(Side::A, |session, at, sink| session.datagram(at, &more, sink));
    assert_eq!(
        talk.told(),
        [
            "request read read-holding-registers holding:1-1",
            "malformed other ! not-modbus: octets that are not Modbus"
        ]
    );
}

#[test]
fn an_ascii_delimiter_that_was_changed_ends_frames() {
    let mut talk = Conversation::new(Some(Side::B));
    let ended = |pdu: &[u8], end: u8| {
        let mut frame = ascii(1, pdu);
        frame.pop();
        frame.push(end);
        frame
    };
    talk.client(&ascii(1, &[8, 0, 3, b';', 0])).device(&ascii(1, &[8, 0, 3, b';', 0]));
    talk.client(&ended(&[6, 0, 101, 3, 0x84], b';')).device(&ended(&[6, 0, 101, 3, 0x84], b';'));
    assert_eq!(
        talk.told(),
        [
            "request configure diagnostics",
            "response configure diagnostics to #1",
            "request write write-single-register holding:101=900",
            "response write write-single-register holding:101=900 to #3",
        ]
    );
}

#[test]
fn serial_frames_may_come_in_pieces_from_the_first_on() {
    for frame in [rtu as fn(u8, &[u8]) -> Vec<u8>, ascii] {
        let (ask, answer) = (frame(17, &[3, 0, 100, 0, 2]), frame(17, &[3, 4, 1, 0xf4, 0, 7]));
        for (first, second) in (1..ask.len()).flat_map(|a| (1..answer.len()).map(move |b| (a, b))) {
            let mut talk = Conversation::new(Some(Side::B));
            talk.client(&ask[..first]).client(&ask[first..]);
            talk.device(&answer[..second]).device(&answer[second..]);
            assert_eq!(
                talk.told(),
                [
                    "request read read-holding-registers holding:100-101",
                    "response read read-holding-registers holding:100=500 holding:101=7 to #2",
                ],
                "cut after {first} and {second}"
            );
        }
    }
}

#[test]
fn an_answer_that_the_capture_may_have_lost_is_not_called_missing() {
    let mut talk = Conversation::new(Some(Side::B));
    talk.client(&adu(1, 1, &[3, 0, 1, 0, 1])).device(&adu(1, 1, &[3, 2, 0, 9]));
    talk.client(&adu(2, 1, &[3, 0, 2, 0, 1]));
    talk.with(Side::B, |session, at, sink| session.gap(at, 11, sink));
    talk.wait(20_000).client(&adu(3, 1, &[3, 0, 3, 0, 1]));
    talk.wait(20_000).client(&adu(4, 1, &[3, 0, 4, 0, 1]));
    let told = talk.told();
    let missing: Vec<_> = told.iter().filter(|line| line.contains("unanswered")).collect();
    assert_eq!(missing, ["response read read-holding-registers holding:3-3 (unanswered) to #5"]);
}
