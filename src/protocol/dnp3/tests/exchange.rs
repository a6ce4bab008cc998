//! Exchanges as the standard describes them.

use super::super::sample::{frame, message, request, response};
use super::super::{PROTOCOL, WORDS};
use super::Talk;
use crate::address::{Side, Transport};
use crate::event::{Kind, Outcome, PointRange, Space, Verb};
use crate::protocol::Probe;

/// A control relay output block: latch on, once, 100 ms on, 200 ms off.
const CROB: [u8; 11] = [3, 1, 100, 0, 0, 0, 200, 0, 0, 0, 0];

fn crob(head: &[u8], status: u8) -> Vec<u8> {
    let mut octets = head.to_vec();
    octets.extend([12, 1, 0x28, 1, 0, 7, 0]);
    octets.extend(CROB);
    *octets.last_mut().unwrap() = status;
    octets
}

#[test]
fn a_poll_is_paired_with_its_answer() {
    let mut talk = Talk::tcp();
    talk.master(&request(&[0xc3, 1, 60, 2, 6, 30, 2, 0, 3, 4]));
    talk.outstation(&response(&[0xe3, 129, 0x02, 0x00, 30, 2, 0, 3, 4, 1, 0x2c, 0x01, 0x21, 0xff, 0xff]));
    talk.master(&request(&[0xc3, 0]));
    let [poll, answer, confirm] = &talk.seen[..] else { panic!("{:?}", talk.seen) };
    assert_eq!(
        (poll.kind, poll.verb, poll.function, poll.device),
        (Kind::Request, Verb::Read, Some(1), Some(10))
    );
    assert_eq!(poll.points, ["g60:all", "g30:3-4"]);
    assert_eq!((answer.kind, answer.verb, answer.device), (Kind::Response, Verb::Read, Some(10)));
    assert_eq!(
        (&answer.points[..], &answer.values[..]),
        (&["g30:3-4".to_owned()][..], &["300", "-1"].map(str::to_owned)[..])
    );
    assert_eq!(
        (answer.request, answer.latency, answer.outcome),
        (Some(1), Some(1_000_000), Some(Outcome::Success))
    );
    assert_eq!((confirm.kind, confirm.verb), (Kind::Message, Verb::Session));
    let dnp3 = &answer.json["dnp3"];
    assert_eq!(
        (dnp3["link_src"].as_u64(), dnp3["link_dst"].as_u64(), dnp3["iin"].as_u64()),
        (Some(10), Some(1), Some(0x0200))
    );
    assert_eq!(dnp3["iin_names"][0], "class-1-events");
    assert_eq!(dnp3["objects"][0]["values"][1]["flags"], serde_json::json!(["online", "over-range"]));
    assert_eq!(dnp3["con"], true);
}

#[test]
fn a_selection_is_found_again_by_its_operation() {
    let mut talk = Talk::tcp();
    talk.master(&request(&crob(&[0xc1, 3], 0)));
    talk.outstation(&response(&crob(&[0xc1, 129, 0, 0], 0)));
    talk.master(&request(&crob(&[0xc2, 4], 0)));
    talk.outstation(&response(&crob(&[0xc2, 129, 0, 0], 4)));
    talk.master(&request(&crob(&[0xc3, 4], 0)));
    let verbs: Vec<Verb> = talk.seen.iter().map(|seen| seen.verb).collect();
    assert_eq!(verbs, [Verb::Select, Verb::Select, Verb::Operate, Verb::Operate, Verb::Operate]);
    assert_eq!((&talk.seen[2].points[0][..], &talk.seen[2].values[0][..]), ("g12:7-7", "latch on"));
    assert_eq!(talk.seen[1].outcome, Some(Outcome::Success));
    assert_eq!(talk.seen[3].outcome, Some(Outcome::Exception { code: 4, name: "not supported" }));
    assert_eq!(talk.seen[2].json["dnp3"]["select_frame"], 1);
    assert!(talk.seen[4].json["dnp3"]["select_frame"].is_null());
}

#[test]
fn an_answer_without_objects_speaks_of_what_was_asked() {
    let mut talk = Talk::tcp();
    talk.master(&request(&[0xc5, 2, 80, 1, 0, 7, 7, 0]));
    talk.outstation(&response(&[0xc5, 129, 0x00, 0x04]));
    let answer = &talk.seen[1];
    assert_eq!((answer.verb, &answer.points[..]), (Verb::Write, &["g80:7-7".to_owned()][..]));
    assert_eq!(answer.outcome, Some(Outcome::Exception { code: 0x82, name: "parameter error" }));
    // The same answer again, or one that nobody asked for.
    talk.outstation(&response(&[0xc5, 129, 0x00, 0x00]));
    assert_eq!((talk.seen[2].request, talk.seen[2].verb), (None, Verb::Other));
}

#[test]
fn a_message_in_several_frames_is_one_event_at_its_last() {
    let mut fragment = vec![0xc4, 129, 0, 0, 30, 1, 1, 0, 0, 99, 0];
    for value in 0..100u32 {
        fragment.push(1);
        fragment.extend(value.to_le_bytes());
    }
    let mut talk = Talk::tcp();
    talk.master(&request(&[0xc4, 1, 30, 0, 6]));
    for frame in message(0x44, 1, 10, &fragment) {
        talk.outstation(&frame);
    }
    let kinds: Vec<_> = talk.seen.iter().map(|seen| (seen.kind, seen.verb, seen.function)).collect();
    let part = (Kind::Message, Verb::Read, None);
    let whole = (Kind::Response, Verb::Read, Some(129));
    assert_eq!(kinds, [(Kind::Request, Verb::Read, Some(1)), part, part, whole]);
    let last = &talk.seen[3];
    assert_eq!((last.frame, last.request, last.values.len()), (4, Some(1), 100));
    assert_eq!(last.values[99], "99");
    assert_eq!(last.json["dnp3"]["link_frames"], 3);
    assert!(talk.seen[1].json["dnp3"]["function"].is_null());
}

#[test]
fn an_answer_in_several_fragments_belongs_to_one_request() {
    let mut talk = Talk::tcp();
    talk.master(&request(&[0xcf, 1, 60, 1, 6]));
    talk.outstation(&response(&[0xaf, 129, 0, 0, 1, 1, 0, 0, 0, 1]));
    talk.outstation(&response(&[0x60, 129, 0, 0, 1, 1, 0, 1, 1, 1]));
    assert_eq!(talk.seen[1].request, Some(1));
    assert_eq!((talk.seen[2].request, talk.seen[2].latency), (Some(1), Some(2_000_000)));
}

#[test]
fn a_lost_segment_is_said_and_the_next_message_is_whole() {
    let fragment = [&[0xc4, 129, 0, 0, 110, 200, 0, 0, 2][..], &[b'x'; 600]].concat();
    let frames = message(0x44, 1, 10, &fragment);
    let mut talk = Talk::tcp();
    talk.outstation(&frames[0]);
    talk.outstation(&frames[2]);
    talk.outstation(&frames.concat());
    talk.outstation(&frames[0]);
    talk.outstation(&response(&[0xc5, 129, 0, 0]));
    let labels: Vec<_> = talk.seen.iter().map(|seen| seen.label).collect();
    let lost = Some("transport-sequence");
    assert_eq!(labels, [None, lost, None, None, None, None, lost, None]);
    assert_eq!(talk.seen[1].function, Some(129));
    assert_eq!(talk.seen[4].values.len(), 3);
    let reason = talk.seen[1].json["reason"].as_str().unwrap();
    assert_eq!(reason, "transport segment 2 where 1 was due; 1 segments with 249 octets dropped");
    let reason = talk.seen[6].json["reason"].as_str().unwrap();
    assert_eq!(reason, "fragment never finished: 1 segments with 249 octets, then a new one began");
}

#[test]
fn joining_in_the_middle_is_no_fault() {
    let fragment = [&[0xc4, 129, 0, 0, 110, 200, 0, 0, 2][..], &[b'x'; 600]].concat();
    let frames = message(0x44, 1, 10, &fragment);
    let mut talk = Talk::tcp();
    talk.whole = false;
    talk.outstation(&frames[1][100..]);
    talk.outstation(&frames[2]);
    talk.outstation(&frames.concat());
    assert!(talk.seen.iter().all(|seen| seen.label.is_none()), "{:?}", talk.seen);
    assert_eq!(talk.seen.len(), 4);
    talk.gap(Side::B);
    talk.outstation(&frames[1][100..]);
    talk.outstation(&frames[2]);
    assert!(talk.seen.iter().all(|seen| seen.label.is_none()), "{:?}", talk.seen);
    talk.outstation(&frames[2]);
    assert_eq!(talk.seen.last().unwrap().label, Some("transport-sequence"));
}

#[test]
fn unsolicited_responses_are_reports_with_absolute_times() {
    let mut talk = Talk::tcp();
    let mut fragment = vec![0xf7, 130, 0x10, 0x00, 51, 1, 7, 1];
    fragment.extend(&1_586_534_431_209u64.to_le_bytes()[..6]);
    fragment.extend([2, 3, 0x17, 2, 4, 0x81, 0x10, 0x00, 5, 0x01, 0x20, 0x00]);
    talk.outstation(&response(&fragment));
    talk.master(&request(&[0xd7, 0]));
    let report = &talk.seen[0];
    assert_eq!((report.kind, report.verb, report.outcome), (Kind::Unsolicited, Verb::Report, None));
    assert_eq!(report.points, ["g51:0-0", "g2:4-4", "g2:5-5"]);
    assert_eq!(report.values[1..], ["on", "off"]);
    let dnp3 = &report.json["dnp3"];
    assert_eq!(dnp3["unsolicited"], true);
    assert_eq!(dnp3["objects"][1]["values"][0]["time"], "2020-04-10T16:00:31.225Z");
    assert_eq!(dnp3["objects"][1]["values"][1]["relative_ms"], 32);
    assert_eq!(talk.seen[1].json["dnp3"]["unsolicited"], true);
}

#[test]
fn link_frames_alone_are_messages_of_the_session() {
    let mut talk = Talk::tcp();
    talk.master(&frame(0xc0, 10, 1, &[]));
    talk.outstation(&frame(0x00, 1, 10, &[]));
    talk.master(&frame(0xc9, 10, 1, &[]));
    talk.outstation(&frame(0x0b, 1, 10, &[]));
    assert!(
        talk.seen
            .iter()
            .all(|seen| (seen.kind, seen.verb, seen.function) == (Kind::Message, Verb::Session, None))
    );
    let names: Vec<_> =
        talk.seen.iter().map(|seen| seen.json["dnp3"]["link_function_name"].as_str().unwrap()).collect();
    assert_eq!(names, ["reset-link-states", "ack", "request-link-status", "link-status"]);
    assert!(talk.seen.iter().all(|seen| seen.device == Some(10)));
}

#[test]
fn functions_say_what_they_do() {
    let verb = |fragment: &[u8]| {
        let mut talk = Talk::tcp();
        talk.master(&request(fragment));
        assert_eq!(talk.seen[0].kind, Kind::Request);
        talk.seen[0].verb
    };
    assert_eq!(verb(&[0xc0, 13]), Verb::Restart);
    assert_eq!(verb(&[0xc0, 23]), Verb::Time);
    assert_eq!(verb(&[0xc0, 2, 50, 1, 7, 1, 1, 2, 3, 4, 5, 6]), Verb::Time);
    assert_eq!(verb(&[0xc0, 2, 34, 1, 0, 0, 0, 5, 0]), Verb::Configure);
    assert_eq!(verb(&[0xc0, 1, 0, 254, 0, 0, 0]), Verb::Identify);
    assert_eq!(verb(&[0xc0, 22, 60, 2, 6, 30, 0, 6]), Verb::Configure);
    assert_eq!(verb(&[0xc0, 77, 1, 2, 3]), Verb::Other);
}

#[test]
fn a_challenge_does_not_settle_the_request() {
    let mut talk = Talk::tcp();
    talk.master(&request(&crob(&[0xc1, 5], 0)));
    let challenge = [1, 0, 0, 0, 1, 0, 4, 1, 0xaa, 0xbb, 0xcc, 0xdd];
    talk.outstation(&response(&[&[0xc1, 131, 0, 0, 120, 1, 0x5b, 1, 12, 0][..], &challenge].concat()));
    let reply = [1, 0, 0, 0, 1, 0, 0x11, 0x22];
    talk.master(&request(&[&[0xc1, 32, 120, 2, 0x5b, 1, 8, 0][..], &reply].concat()));
    talk.outstation(&response(&crob(&[0xc1, 129, 0, 0], 0)));
    let [order, asked, reply, answer] = &talk.seen[..] else { panic!("{:?}", talk.seen) };
    assert_eq!((order.verb, asked.verb, reply.verb), (Verb::Operate, Verb::Authenticate, Verb::Authenticate));
    assert_eq!((asked.kind, asked.request, asked.outcome), (Kind::Response, Some(1), None));
    assert_eq!((answer.verb, answer.request), (Verb::Operate, Some(1)));
    let object = &asked.json["dnp3"]["objects"][0]["values"][0];
    assert_eq!(object["mac_algorithm"], "hmac-sha-256, 16 octets");
    assert_eq!((object["user"].as_u64(), object["challenge"].as_str()), (Some(1), Some("aabbccdd")));
}

#[test]
fn aggressive_mode_keeps_the_verb_of_its_function() {
    let mut fragment = vec![0xc1, 5, 120, 3, 7, 1, 9, 0, 0, 0, 1, 0];
    fragment.extend(crob(&[], 0));
    fragment.extend([120, 9, 0x5b, 1, 4, 0, 1, 2, 3, 4]);
    let mut talk = Talk::tcp();
    talk.master(&request(&fragment));
    let order = &talk.seen[0];
    assert_eq!((order.verb, order.label), (Verb::Operate, None));
    assert_eq!(order.points, ["g120:0-0", "g12:7-7", "g120:0-0"]);
}

#[test]
fn files_are_named() {
    let mut open = vec![0xc1, 25, 70, 3, 0x5b, 1, 31, 0, 26, 0, 5, 0];
    open.extend([0; 6]);
    open.extend([0x20, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 4, 9, 0]);
    open.extend(b"a.cfg");
    let mut talk = Talk::tcp();
    talk.master(&request(&open));
    talk.outstation(&response(&[
        0xc1, 129, 0, 0, 70, 4, 0x5b, 1, 13, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 9, 0, 3,
    ]));
    assert_eq!((talk.seen[0].verb, &talk.seen[0].values[0][..]), (Verb::File, "\"a.cfg\""));
    let file = &talk.seen[0].json["dnp3"]["objects"][0]["values"][0];
    assert_eq!((file["name"].as_str(), file["mode"].as_str()), (Some("a.cfg"), Some("read")));
    assert_eq!(file["permissions"], serde_json::json!(["group-read", "owner-read"]));
    assert_eq!(talk.seen[1].outcome, Some(Outcome::Exception { code: 3, name: "file not found" }));
}

#[test]
fn datagrams_hold_whole_frames() {
    let mut talk = Talk::new(Transport::Udp);
    talk.master(&[request(&[0xc1, 1, 60, 1, 6]), frame(0xc9, 10, 1, &[])].concat());
    talk.master(&request(&[0xc2, 1, 60, 1, 6])[..12]);
    talk.outstation(&response(&[0xc1, 129, 0, 0]));
    let labels: Vec<_> = talk.seen.iter().map(|seen| seen.label).collect();
    assert_eq!(labels, [None, None, Some("incomplete"), None]);
    assert_eq!(talk.seen[3].request, Some(1));
}

#[test]
fn several_outstations_behind_one_address_are_kept_apart() {
    let mut talk = Talk::tcp();
    talk.master(&message(0xc4, 10, 1, &[0xc1, 1, 60, 1, 6]).concat());
    talk.master(&message(0xc4, 11, 1, &[0xc1, 1, 60, 2, 6]).concat());
    talk.outstation(&message(0x44, 1, 11, &[0xc1, 129, 0, 0]).concat());
    talk.outstation(&message(0x44, 1, 10, &[0xc1, 129, 0, 0]).concat());
    let devices: Vec<_> = talk.seen.iter().map(|seen| (seen.device, seen.request)).collect();
    assert_eq!(devices, [(Some(10), None), (Some(11), None), (Some(11), Some(2)), (Some(10), Some(1))]);
}

#[test]
fn the_probe_is_strict() {
    let probe = |octets: &[u8]| (PROTOCOL.probe)(Transport::Tcp, octets);
    let frame = request(&[0xc1, 1, 60, 1, 6]);
    assert_eq!(probe(&frame), Probe::Certain);
    assert_eq!(probe(&frame[..9]), Probe::Incomplete);
    assert_eq!(probe(&[]), Probe::No);
    assert_eq!(probe(b"GET / HTTP/1.1"), Probe::No);
    assert_eq!(probe(&[5, 0x64, 5, 0xc0, 1, 0, 0, 4, 0, 0]), Probe::No);
}

#[test]
fn points_are_said_as_an_operator_says_them() {
    let said = |space, variant, first, last| {
        let range = PointRange { space: Space(space), variant, first, last, verb: Verb::Read, valued: false };
        WORDS.point_name(range).to_string()
    };
    assert_eq!(said(30, 1, 3, 3), "analog input 3 (g30)");
    assert_eq!(said(10, 2, 4, 7), "binary outputs 4 to 7 (g10)");
    assert_eq!(said(60, 2, 0, PointRange::ALL), "class 1 data");
    assert_eq!(said(20, 0, 0, PointRange::ALL), "all counters (g20)");
    assert_eq!(said(0, 252, 0, 0), "device attribute manufacturer-name (g0v252)");
    assert_eq!(said(200, 1, 1, 1), "object 1 (g200)");
    assert_eq!((WORDS.parse_space)("g30"), Some(Space(30)));
    for wrong in ["g", "30", "g300", "g+3", "g03", "g30v1"] {
        assert_eq!((WORDS.parse_space)(wrong), None, "{wrong}");
    }
    assert!(WORDS.spaces.iter().all(|name| (WORDS.parse_space)(name).is_some()));
}

#[test]
fn a_request_without_an_answer_is_an_event_of_its_own() {
    let mut talk = Talk::tcp();
    talk.master(&request(&[0xc1, 1, 60, 1, 6]));
    talk.outstation(&response(&[0xc1, 129, 0, 0]));
    talk.master(&request(&[0xc2, 1, 30, 2, 0, 3, 4]));
    talk.wait(2000);
    talk.master(&request(&[0xc3, 1, 60, 2, 6]));
    talk.outstation(&response(&[0xc3, 129, 0, 0]));
    talk.master(&request(&[0xc4, 2, 80, 1, 0, 7, 7, 0]));
    talk.wait(2000);
    talk.close();
    let missing: Vec<_> = talk.seen.iter().filter(|seen| seen.outcome == Some(Outcome::Unanswered)).collect();
    let [read, write] = &missing[..] else { panic!("{missing:?}") };
    assert_eq!((read.kind, read.verb, read.function), (Kind::Response, Verb::Read, Some(1)));
    assert_eq!((read.frame, read.request, read.device), (0, Some(3), Some(10)));
    assert_eq!(read.points, ["g30:3-4"]);
    assert_eq!(read.json["dnp3"]["link_src"], 10);
    assert!(read.json["frame"].is_null());
    assert_eq!((write.verb, write.request), (Verb::Write, Some(6)));
    // Before the request that shows it.
    let place = talk.seen.iter().position(|seen| seen.outcome == Some(Outcome::Unanswered));
    assert_eq!(place, Some(3));
}

#[test]
fn nothing_is_missing_of_what_is_not_answered_or_not_seen() {
    // One direction only.
    let mut talk = Talk::tcp();
    for sequence in 0..8 {
        talk.master(&request(&[0xc0 | sequence, 1, 60, 1, 6]));
        talk.wait(2000);
    }
    talk.close();
    assert!(talk.seen.iter().all(|seen| seen.outcome.is_none()));
    // A freeze that wants no answer, a confirm, octets that the capture lacks.
    let mut talk = Talk::tcp();
    talk.outstation(&response(&[0xf0, 130, 0, 0]));
    talk.master(&request(&[0xd0, 0]));
    talk.master(&request(&[0xc1, 8, 20, 0, 6]));
    talk.wait(2000);
    talk.master(&request(&[0xc2, 1, 60, 1, 6]));
    talk.gap(Side::B);
    talk.wait(2000);
    talk.close();
    assert!(talk.seen.iter().all(|seen| seen.outcome.is_none()), "{:?}", talk.seen);
}

#[test]
fn a_directory_lists_its_files() {
    let entry = |name: &[u8], kind: u8| {
        let mut octets =
            vec![20, 0, name.len() as u8, 0, kind, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa4, 0x01, 0, 0];
        octets.extend(name);
        octets
    };
    let listing = [entry(b"relay.cfg", 1), entry(b"logs", 0)].concat();
    let answer = |data: &[u8]| {
        let mut octets = vec![0xc1, 129, 0, 0, 70, 5, 0x5b, 1];
        octets.extend((data.len() as u16 + 8).to_le_bytes());
        octets.extend([7, 0, 0, 0, 0, 0, 0, 0x80]);
        octets.extend(data);
        response(&octets)
    };
    let mut talk = Talk::tcp();
    talk.outstation(&answer(&listing));
    talk.outstation(&answer(&listing[..40]));
    let block = |at: usize| &talk.seen[at].json["dnp3"]["objects"][0]["values"][0];
    let listed = block(0)["directory"].as_array().unwrap();
    assert_eq!((&listed[0]["name"], &listed[0]["file_size"]), (&"relay.cfg".into(), &16.into()));
    assert_eq!((&listed[1]["name"], &listed[1]["file_type"]), (&"logs".into(), &"directory".into()));
    assert!(block(1)["directory"].is_null() && block(1)["data"].is_string());
}
