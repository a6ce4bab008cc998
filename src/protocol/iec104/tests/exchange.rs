//! What stations say to each other.

use super::{Seen, Talk};
use crate::address::Side;
use crate::event::{Kind, Outcome, Verb};

fn told(seen: &Seen) -> (Kind, Verb, Option<u64>) {
    (seen.kind, seen.verb, seen.request)
}

#[test]
fn an_interrogation_is_confirmed_answered_and_terminated() {
    let mut talk = Talk::new();
    let ask = talk.controlling(&[100, 1, 6, 0, 47, 0, 0, 0, 0, 20]).clone();
    assert_eq!(told(&ask), (Kind::Request, Verb::Read, None));
    assert_eq!((&ask.points[..], ask.device), (&["all".to_owned()][..], Some(47)));
    assert_eq!(ask.json["iec104"]["ioa"], serde_json::json!([0]));
    assert_eq!(ask.json["iec104"]["objects"][0]["interrogation_name"], "station");
    let con = talk.controlled(&[100, 1, 7, 0, 47, 0, 0, 0, 0, 20]).clone();
    assert_eq!(told(&con), (Kind::Response, Verb::Read, Some(1)));
    assert_eq!((con.outcome, con.latency), (Some(Outcome::Success), Some(1_000_000)));
    let data = talk.controlled(&[1, 0x83, 20, 0, 47, 0, 10, 0, 0, 1, 0x80, 0]).clone();
    assert_eq!(told(&data), (Kind::Response, Verb::Read, Some(1)));
    assert_eq!(
        (&data.points[..], &data.values[..]),
        (&["10-12".to_owned()][..], &["on", "off", "off"].map(String::from)[..])
    );
    assert_eq!(data.latency, None, "the station was as fast as its confirmation");
    assert_eq!(data.json["iec104"]["objects"][1]["quality"], serde_json::json!(["invalid"]));
    let end = talk.controlled(&[100, 1, 10, 0, 47, 0, 0, 0, 0, 20]).clone();
    assert_eq!(told(&end), (Kind::Response, Verb::Read, Some(1)));
    assert_eq!(end.json["iec104"]["executed_after_us"], 3000);
    let late = talk.controlled(&[1, 1, 20, 0, 47, 0, 10, 0, 0, 1]);
    assert_eq!(told(late), (Kind::Response, Verb::Read, None), "nobody asked any more");
}

#[test]
fn a_breaker_is_selected_and_executed() {
    let mut talk = Talk::new();
    let select = talk.controlling(&[46, 1, 6, 5, 1, 0, 0x95, 0x11, 0, 0x82]).clone();
    assert_eq!(told(&select), (Kind::Request, Verb::Select, None));
    assert_eq!(
        (&select.points[..], &select.values[..]),
        (&["4501-4501".to_owned()][..], &["on".to_owned()][..])
    );
    assert_eq!(select.json["iec104"]["originator"], 5);
    assert_eq!(
        told(talk.controlled(&[46, 1, 7, 5, 1, 0, 0x95, 0x11, 0, 0x82])),
        (Kind::Response, Verb::Select, Some(1))
    );
    let operate = talk.controlling(&[46, 1, 6, 5, 1, 0, 0x95, 0x11, 0, 0x02]).clone();
    assert_eq!(
        (told(&operate), &operate.json["iec104"]["select_frame"]),
        ((Kind::Request, Verb::Operate, None), &serde_json::json!(1))
    );
    assert_eq!(
        told(talk.controlled(&[46, 1, 7, 5, 1, 0, 0x95, 0x11, 0, 0x02])),
        (Kind::Response, Verb::Operate, Some(3))
    );
    talk.wait(250);
    let moved = talk.controlled(&[31, 1, 11, 5, 1, 0, 0x10, 0, 0, 2, 0x39, 0x30, 41, 10, 0x9f, 7, 8]).clone();
    assert_eq!(told(&moved), (Kind::Unsolicited, Verb::Report, None));
    assert_eq!(moved.json["iec104"]["objects"][0]["time"], "2008-07-31T10:41:12.345");
    assert_eq!(moved.json["iec104"]["cause_name"], "return information, remote command");
    let end = talk.controlled(&[46, 1, 10, 5, 1, 0, 0x95, 0x11, 0, 0x02]).clone();
    assert_eq!((told(&end), end.latency), ((Kind::Response, Verb::Operate, Some(3)), None));
    assert_eq!(end.json["iec104"]["executed_after_us"], 253_000);
}

#[test]
fn refusals_say_why() {
    let mut talk = Talk::new();
    let mut refused = |order: &[u8], answer: &[u8]| {
        talk.controlling(order);
        let seen = talk.controlled(answer).clone();
        assert_eq!(seen.kind, Kind::Response);
        (seen.outcome.unwrap(), seen.request.is_some())
    };
    let exception = |code, name| (Outcome::Exception { code, name }, true);
    let order = [45, 1, 6, 0, 1, 0, 7, 0, 0, 1];
    assert_eq!(refused(&order, &[45, 1, 0x47, 0, 1, 0, 7, 0, 0, 1]), exception(7, "negative confirmation"));
    assert_eq!(
        refused(&order, &[45, 1, 0x6f, 0, 1, 0, 7, 0, 0, 1]),
        exception(47, "unknown information object address")
    );
    let read = [102, 1, 5, 0, 1, 0, 9, 0, 0];
    assert_eq!(
        refused(&read, &[102, 1, 0x6c, 0, 1, 0, 9, 0, 0]),
        exception(44, "unknown type identification")
    );
}

#[test]
fn every_order_does_what_an_engineer_expects() {
    let time = [0x39, 0x30, 41, 10, 0x9f, 7, 8];
    let clock = [&[103, 1, 6, 0, 1, 0, 0, 0, 0][..], &time].concat();
    let test = [&[107, 1, 6, 0, 1, 0, 0, 0, 0, 7, 0][..], &time].concat();
    for (asdu, verb, points, values) in [
        (&[45, 1, 6, 0, 1, 0, 7, 0, 0, 0x81][..], Verb::Select, vec!["7-7"], vec!["on"]),
        (&[47, 1, 6, 0, 1, 0, 7, 0, 0, 0x02], Verb::Operate, vec!["7-7"], vec!["higher"]),
        (&[48, 1, 6, 0, 1, 0, 7, 0, 0, 0, 0x40, 0], Verb::Operate, vec!["7-7"], vec!["0.5"]),
        (&[49, 1, 6, 0, 1, 0, 7, 0, 0, 0xf6, 0xff, 0x80], Verb::Select, vec!["7-7"], vec!["-10"]),
        (&[50, 1, 6, 0, 1, 0, 7, 0, 0, 0, 0, 0x48, 0x42, 0], Verb::Operate, vec!["7-7"], vec!["50"]),
        (&[51, 1, 6, 0, 1, 0, 7, 0, 0, 1, 0, 0, 0x80], Verb::Operate, vec!["7-7"], vec!["2147483649"]),
        (&[101, 1, 6, 0, 1, 0, 0, 0, 0, 0x05], Verb::Read, vec!["all"], vec![]),
        (&[101, 1, 6, 0, 1, 0, 0, 0, 0, 0x45], Verb::Write, vec!["all"], vec![]),
        (&[102, 1, 5, 0, 1, 0, 7, 0, 0], Verb::Read, vec!["7-7"], vec![]),
        (&clock, Verb::Time, vec![], vec![]),
        (&[104, 1, 6, 0, 1, 0, 0, 0, 0, 0xaa, 0x55], Verb::Diagnose, vec![], vec![]),
        (&test, Verb::Diagnose, vec![], vec![]),
        (&[105, 1, 6, 0, 1, 0, 0, 0, 0, 1], Verb::Restart, vec![], vec![]),
        (&[111, 1, 6, 0, 1, 0, 7, 0, 0, 10, 0, 1], Verb::Configure, vec!["7-7"], vec!["10"]),
        (&[113, 1, 6, 0, 1, 0, 7, 0, 0, 3], Verb::Configure, vec!["7-7"], vec![]),
        (&[122, 1, 13, 0, 1, 0, 7, 0, 0, 1, 0, 0, 2], Verb::File, vec!["7-7"], vec![]),
        (&[200, 1, 6, 0, 1, 0, 7, 0, 0, 1], Verb::Other, vec!["7-7"], vec![]),
    ] {
        let seen = Talk::new().controlling(asdu).clone();
        assert_eq!((seen.kind, seen.verb, seen.label), (Kind::Request, verb, None), "{asdu:?}");
        assert_eq!(
            (&seen.points[..], &seen.values[..]),
            (
                &points.iter().map(|p| p.to_string()).collect::<Vec<_>>()[..],
                &values.iter().map(|v| v.to_string()).collect::<Vec<_>>()[..]
            ),
            "{asdu:?}"
        );
    }
}

#[test]
fn what_is_not_asked_for_is_told_from_what_is() {
    let mut talk = Talk::new();
    let spontaneous = talk
        .controlled(&[13, 2, 3, 0, 1, 0, 7, 0, 0, 0, 0, 0x80, 0x3f, 0, 9, 0, 0, 0, 0, 0, 0x40, 0x10])
        .clone();
    assert_eq!(told(&spontaneous), (Kind::Unsolicited, Verb::Report, None));
    assert_eq!(
        (spontaneous.points, spontaneous.values),
        (vec!["7-7".into(), "9-9".into()], vec!["1".into(), "2".into()])
    );
    talk.controlling(&[102, 1, 5, 0, 1, 0, 9, 0, 0]);
    let read = talk.controlled(&[13, 1, 5, 0, 1, 0, 9, 0, 0, 0, 0, 0x80, 0x3f, 0]).clone();
    assert_eq!((told(&read), read.latency), ((Kind::Response, Verb::Read, Some(2)), Some(1_000_000)));
    let started = talk.controlled(&[70, 1, 4, 0, 1, 0, 0, 0, 0, 2]).clone();
    assert_eq!(told(&started), (Kind::Unsolicited, Verb::Report, None));
    assert_eq!(started.json["iec104"]["objects"][0]["initialization_name"], "remote reset");
}

#[test]
fn files_belong_to_whoever_called_them() {
    let mut talk = Talk::new();
    talk.controlling(&[122, 1, 13, 0, 1, 0, 9, 0, 0, 2, 0, 0, 1]);
    let ready = talk.controlled(&[120, 1, 13, 0, 1, 0, 9, 0, 0, 2, 0, 5, 0, 0, 0]).clone();
    assert_eq!(told(&ready), (Kind::Response, Verb::File, Some(1)));
    let segment = talk.controlled(&[125, 1, 13, 0, 1, 0, 9, 0, 0, 2, 0, 1, 3, 1, 2, 3]).clone();
    assert_eq!((told(&segment), segment.label), ((Kind::Response, Verb::File, Some(1)), None));
    assert_eq!(segment.json["iec104"]["objects"][0]["data"], "010203");
    assert_eq!(
        told(talk.controlling(&[124, 1, 13, 0, 1, 0, 9, 0, 0, 2, 0, 0, 1])),
        (Kind::Request, Verb::File, None)
    );
}

#[test]
fn a_command_that_nobody_answers_is_said() {
    let mut talk = Talk::new();
    talk.controlled(&[1, 1, 3, 0, 1, 0, 7, 0, 0, 1]);
    talk.controlling(&[45, 1, 6, 0, 1, 0, 7, 0, 0, 1]);
    talk.wait(20_000);
    talk.controlling(&[45, 1, 6, 0, 1, 0, 8, 0, 0, 1]);
    let missing = talk.seen[2].clone();
    assert_eq!(
        (told(&missing), missing.outcome, missing.frame),
        ((Kind::Response, Verb::Operate, Some(2)), Some(Outcome::Unanswered), 0)
    );
    assert_eq!((missing.points, missing.json["src"].as_str()), (vec!["7-7".into()], Some("10.0.0.2:2404")));
    talk.gap(Side::B);
    talk.wait(20_000);
    talk.close();
    assert_eq!(talk.seen.len(), 4, "its answer may have been lost");
}

#[test]
fn the_window_and_the_times_are_seen() {
    let mut talk = Talk::new();
    talk.send(Side::A, &[0x68, 4, 7, 0, 0, 0]);
    talk.send(Side::B, &[0x68, 4, 0x0b, 0, 0, 0]);
    talk.send(Side::A, &[0x68, 4, 1, 0, 0, 0]);
    for _ in 0..3 {
        talk.controlled(&[1, 1, 3, 0, 1, 0, 7, 0, 0, 1]);
    }
    talk.send(Side::A, &[0x68, 4, 1, 0, 6, 0]);
    let names: Vec<_> = talk.seen.iter().map(|seen| (seen.kind, seen.verb, seen.function)).collect();
    assert_eq!(names[0], (Kind::Message, Verb::Session, Some(0x107)));
    assert_eq!(names[2], (Kind::Message, Verb::Session, None));
    let fields: Vec<_> = talk.seen.iter().map(|seen| &seen.json["iec104"]).collect();
    assert_eq!((&fields[0]["apci"], &fields[0]["control"]), (&"U".into(), &"startdt-act".into()));
    assert_eq!(fields[1]["confirmed_after_us"], 1000);
    assert_eq!((&fields[5]["send"], &fields[5]["unacknowledged"]), (&2.into(), &3.into()));
    assert_eq!((&fields[6]["acknowledges"], &fields[6]["acknowledged_after_us"]), (&3.into(), &3000.into()));
}

#[test]
fn who_controls_is_told_by_what_is_said_where_the_handshake_was_not_seen() {
    let mut talk = Talk::new();
    talk.whole = false;
    talk.controlled(&[1, 1, 3, 0, 1, 0, 7, 0, 0, 1]);
    assert_eq!(talk.controlling(&[120, 1, 13, 0, 1, 0, 9, 0, 0, 2, 0, 5, 0, 0, 0]).kind, Kind::Request);
    assert_eq!(talk.controlled(&[122, 1, 13, 0, 1, 0, 9, 0, 0, 2, 0, 1, 2]).kind, Kind::Response);
}

#[test]
fn a_plant_with_other_sizes_is_read_by_them() {
    let mut talk = Talk::new();
    talk.controlling(&[100, 1, 6, 9, 0, 0, 20]);
    talk.controlled(&[1, 2, 20, 9, 0x34, 0x12, 1, 0x40, 0x12, 0]);
    let seen = talk.seen.last().unwrap();
    assert_eq!(
        (seen.device, &seen.points[..], seen.label),
        (Some(9), &["4660-4660".to_owned(), "4672-4672".to_owned()][..], None)
    );
    assert_eq!((seen.request, &seen.json["iec104"]["sizes"]["ioa"]), (Some(1), &2.into()));
    assert_eq!(seen.json["iec104"]["originator"], serde_json::Value::Null);
}
