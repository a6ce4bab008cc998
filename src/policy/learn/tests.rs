//! What is learned from made-up traffic, event by event.

use super::*;
use crate::address::{Endpoint, Transport};
use crate::policy::parse;
use crate::policy::testing::{ALL_WORDS, COIL, HOLDING, flow, range, request, write};
use proptest::prelude::*;
use std::net::IpAddr;

const SCADA: &str = "10.20.0.10";
const PLC: &str = "10.20.1.3";

fn learner(options: Options) -> Learner {
    let mut learner = Learner::new(options, None);
    learner.set_source("week.pcap");
    learner
}

fn learned(learner: &Learner) -> Learned {
    let learned = learner.write(&Base::default()).unwrap();
    rules(&learned.text);
    learned
}

/// The rules of a text, which must have neither an error nor a warning.
fn rules(text: &str) -> RuleSet {
    let loaded = parse("rules.toml", text, ALL_WORDS).unwrap_or_else(|problems| {
        panic!("{:#?}\n{text}", problems.iter().map(|problem| problem.one_line()).collect::<Vec<_>>())
    });
    // A made message may name no device: what it asks of all of them covers what others ask of one. And what is under
    // review for two reasons is the same rule twice once both are allowed.
    let known = ["adds nothing", "says the same"];
    let warns =
        |problem: &&crate::policy::Problem| !known.iter().any(|part| problem.message().contains(part));
    let warnings: Vec<_> = loaded.warnings.iter().filter(warns).collect();
    assert!(warnings.is_empty(), "{warnings:#?}\n{text}");
    loaded.rules
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros((1_352_718_246 + seconds) * 1_000_000)
}

fn holds(text: &str, lines: &[&str]) {
    let text = text.replace("\n##   ", " ");
    lines.iter().for_each(|line| assert!(text.contains(line), "no '{line}' in\n{text}"));
}

#[test]
fn points_that_touch_are_one_run_and_values_are_bounded_by_what_was_seen() {
    let mut learner = learner(Options::default());
    let flow = flow(SCADA, PLC);
    for (first, last) in [(0, 9), (10, 12), (40, 40), (5, 11)] {
        let points = [range(HOLDING, first, last, Verb::Read, false)];
        learner.event(&request(&flow, Verb::Read, 3, &points), None);
    }
    let points = [range(HOLDING, 100, 101, Verb::Write, true)];
    for values in [[10, 7], [450, 7]] {
        let values = values.map(Value::Int);
        learner.event(&write(&flow, &points, &values), None);
    }
    let Learned { text, rules, hosts, reviews, .. } = learned(&learner);
    assert_eq!((rules, hosts, reviews), (3, 2, 0), "{text}");
    holds(
        &text,
        &[
            "points = [\"holding:0-12\", \"holding:40\"]",
            "name = \"client-10 writes holding:100 of plc-3\"    # 2 messages",
            "values = \"10..450\"",
            "values = 7",
            "# Learned from:  week.pcap",
        ],
    );
}

#[test]
fn slack_widens_points_and_values_and_says_so() {
    for (slack, points, values) in [
        (Slack::Points(5), "\"holding:5-24\"", "\"5..25\""),
        (Slack::Percent(10), "\"holding:9-20\"", "\"9..21\""),
        (Slack::None, "\"holding:10-19\"", "\"10..20\""),
    ] {
        let mut learner = learner(Options { slack, ..Options::default() });
        let flow = flow(SCADA, PLC);
        let read = [range(HOLDING, 10, 19, Verb::Read, false)];
        learner.event(&request(&flow, Verb::Read, 3, &read), None);
        let written = [range(HOLDING, 100, 100, Verb::Write, true)];
        learner.event(&write(&flow, &written, &[Value::Int(20)]), None);
        learner.event(&write(&flow, &written, &[Value::Int(10)]), None);
        let text = learned(&learner).text;
        holds(&text, &[points, values]);
        let said = text.contains("# With slack; seen were holding:10-19.");
        assert_eq!(said, slack != Slack::None, "{text}");
    }
}

#[test]
fn what_is_always_refused_is_put_aside_and_what_once_worked_is_not() {
    let mut learner = learner(Options::default());
    let (there, back) = (flow(SCADA, PLC), flow(PLC, SCADA));
    for (frame, first, refused) in [(1, 0, true), (2, 0, true), (3, 50, true), (4, 50, false)] {
        let points = [range(HOLDING, first, first, Verb::Read, false)];
        let asked = request(&there, Verb::Read, 3, &points);
        learner.event(&Event { frame, ..asked }, None);
        let outcome = if refused {
            Outcome::Exception { code: 2, name: "illegal data address" }
        } else {
            Outcome::Success
        };
        let answer = Event {
            kind: Kind::Response,
            flow: &back,
            frame: frame + 100,
            request: Some(frame),
            outcome: Some(outcome),
            ..asked
        };
        learner.event(&answer, Some(&Verdict::NotJudged));
    }
    let learned = learned(&learner);
    holds(
        &learned.text,
        &[
            "\npoints = [\"holding:50\"]",
            "# points = [\"holding:0\"]",
            "## review: plc-3 refused client-10 every time: illegal data address. 2 messages, 2012-11-12",
            "; the first in frame 1 of week.pcap.",
        ],
    );
    assert_eq!((learned.rules, learned.reviews, learned.under_review), (1, 1, 2), "{}", learned.text);
}

#[test]
fn two_masters_for_one_point_and_verbs_that_stop_a_device_are_put_aside() {
    let mut learner = learner(Options::default());
    let flows = [flow(SCADA, PLC), flow("10.20.0.11", PLC)];
    let both = [range(HOLDING, 100, 103, Verb::Write, true)];
    let part = [range(HOLDING, 103, 103, Verb::Write, true)];
    let alone = [range(HOLDING, 200, 200, Verb::Write, true)];
    learner.event(&write(&flows[0], &both, &[1, 2, 3, 4].map(Value::Int)), None);
    learner.event(&write(&flows[1], &part, &[Value::Int(9)]), None);
    learner.event(&write(&flows[1], &alone, &[Value::Int(9)]), None);
    learner.event(&request(&flows[0], Verb::Restart, 8, &[]), None);
    let learned = learned(&learner);
    holds(
        &learned.text,
        &[
            "client-10 changes points of plc-3 that client-11 changes too",
            "client-11 changes points of plc-3 that client-10 changes too",
            "client-10 sent diagnostics to plc-3, which stops or restarts the device.",
            "\npoints = [\"holding:200\"]",
            "# may = [\"restart\"]",
        ],
    );
    assert_eq!(learned.rules, 1, "{}", learned.text);
}

#[test]
fn one_that_walks_through_all_points_is_put_aside_and_the_one_that_polls_is_not() {
    let mut learner = learner(Options::default());
    let (poll, walk) = (flow(SCADA, PLC), flow("10.20.0.99", PLC));
    for index in 0..40 {
        let points = [range(HOLDING, 0, 9, Verb::Read, false)];
        learner.event(&request(&poll, Verb::Read, 3, &points), None);
        let points = [range(HOLDING, index * 10, index * 10 + 9, Verb::Read, false)];
        learner.event(&request(&walk, Verb::Read, 3, &points), None);
    }
    let learned = learned(&learner);
    holds(
        &learned.text,
        &[
            "name = \"scada reads plc-3\"    # 40 messages",
            "## review: client-99 read 40 different runs of points of one device",
            "# points = [\"holding:0-399\"]",
        ],
    );
    assert_eq!((learned.rules, learned.reviews), (1, 1), "{}", learned.text);
}

#[test]
fn of_a_message_that_is_allowed_in_part_only_the_rest_is_learned() {
    let before = "version = 1\n[[allow]]\nname = \"a\"\nprotocol = \"modbus\"\npoints = [\"holding:0-9\"]\n";
    let before = Arc::new(rules(before));
    let mut learner = Learner::new(Options::default(), Some(before.clone()));
    let flow = flow(SCADA, PLC);
    let points = [20, 5, 30].map(|first| range(HOLDING, first, first, Verb::Write, true));
    let values = [1, 2, 3].map(Value::Int);
    let event = write(&flow, &points, &values);
    let verdict = before.judge(&before.pair(&flow, event.proto), &event, &mut Memory::default());
    learner.event(&event, Some(&verdict));
    let text = learned(&learner).text;
    assert!(
        text.contains("holding:20") && text.contains("holding:30") && !text.contains("holding:5"),
        "{text}"
    );
}

#[test]
fn a_part_of_a_longer_message_passes_where_the_two_may_talk() {
    let (there, back) = (flow(SCADA, PLC), flow(PLC, SCADA));
    let points = [range(HOLDING, 0, 9, Verb::Read, false)];
    let mut learner = learner(Options::default());
    learner.event(&request(&there, Verb::Read, 3, &points), None);
    let part = Event { kind: Kind::Message, function: None, ..request(&back, Verb::Read, 3, &[]) };
    learner.event(&part, None);
    let learned = learned(&learner);
    assert_eq!(learned.rules, 1, "{}", learned.text);
    let rules = rules(&learned.text);
    let verdict = rules.judge(&rules.pair(&back, part.proto), &part, &mut Memory::default());
    assert!(matches!(verdict, Verdict::Allowed { .. }), "{verdict:?}");
}

#[test]
fn a_refused_restart_says_so_and_a_capture_cannot_write_rules_by_its_name() {
    let mut learner = Learner::new(Options::default(), None);
    learner.set_source("x\n[[allow]]\nname = \"all\"\n.pcap");
    let (there, back) = (flow(SCADA, PLC), flow(PLC, SCADA));
    let asked = request(&there, Verb::Restart, 8, &[]);
    learner.event(&asked, None);
    let outcome = Some(Outcome::Exception { code: 1, name: "illegal function" });
    let answer = Event { kind: Kind::Response, flow: &back, request: Some(1), outcome, ..asked };
    learner.event(&answer, Some(&Verdict::NotJudged));
    let learned = learned(&learner);
    holds(&learned.text, &["stops or restarts the device. It was refused every time: illegal function."]);
    assert!(rules(&learned.text).rules().is_empty(), "{}", learned.text);
}

#[test]
fn a_steady_poll_is_expected_where_the_language_can_say_so() {
    let mut learner = learner(Options { expect: true, ..Options::default() });
    let flow = flow(SCADA, PLC);
    let points = [range(HOLDING, 0, 9, Verb::Read, false)];
    for second in 0..20 {
        learner.event(&Event { ts: at(second * 2), ..request(&flow, Verb::Read, 3, &points) }, None);
    }
    let text = learner.write(&Base::default()).unwrap().text;
    holds(
        &text,
        &["[[expect]]\nname = \"scada keeps reading plc-3 unit 1\"\nfrom = \"scada\"\nto = \"plc-3\"\n\
             protocol = \"modbus\"\nunit = 1\nmay = [\"read\"]\nevery = \"10s\"    # as a rule every 2 s\n"],
    );
}

#[test]
fn where_only_answers_were_seen_they_pass() {
    let mut learner = learner(Options::default());
    let back = flow(PLC, SCADA);
    let answer = Event { kind: Kind::Response, ..request(&back, Verb::Read, 3, &[]) };
    learner.event(&answer, None);
    let text = learned(&learner).text;
    holds(&text, &["from = \"client-10\"\nto = \"plc-3\"", "# Only answers were seen"]);
    let rules = rules(&text);
    let verdict = rules.judge(&rules.pair(&back, answer.proto), &answer, &mut Memory::default());
    assert!(matches!(verdict, Verdict::Allowed { .. }), "{verdict:?}\n{text}");
}

#[test]
fn memory_is_bounded_and_what_is_left_out_is_said() {
    let bounds = Bounds { pairs: 2, asks: 10, values: 4, services: 3 };
    let mut learner = learner(Options { bounds, ..Options::default() });
    for host in 0..5u8 {
        let flow = flow(&format!("10.0.0.{host}"), PLC);
        for index in 0..10 {
            let points = [range(HOLDING, index * 2, index * 2, Verb::Write, true)];
            learner.event(&write(&flow, &points, &[Value::Int(i64::from(index))]), None);
        }
        for port in 0..10 {
            let end = |ip: [u8; 4], port| Endpoint::new(IpAddr::from(ip), port);
            let flow = Flow::new(end([10, 0, 0, host], 50_000), end([10, 0, 1, 1], port), Transport::Tcp);
            learner.conversation(at(0), 1, &flow, true, None);
        }
    }
    let learned = learned(&learner);
    assert_eq!(learned.left_out, LeftOut { messages: 40, conversations: 47 });
    holds(
        &learned.text,
        &["# Not learned:   40 messages (no room", "# Not learned:   47 other conversations (no"],
    );
}

#[test]
fn thousands_of_hosts_are_named_and_written() {
    let mut learner = learner(Options::default());
    for host in 0..5_000u32 {
        let [_, _, high, low] = host.to_be_bytes();
        let flow = flow(&format!("10.1.{high}.{low}"), &format!("10.2.{high}.{low}"));
        let points = [range(HOLDING, host, host, Verb::Read, false)];
        learner.event(&request(&flow, Verb::Read, 3, &points), None);
    }
    let learned = learned(&learner);
    assert_eq!((learned.rules, learned.hosts), (5_000, 10_000));
}

#[test]
fn who_serves_is_guessed_by_how_many_use_it_where_no_handshake_was_seen() {
    let mut learner = learner(Options::default());
    let end = |host: u8, port| Endpoint::new(IpAddr::from([10, 0, 0, host]), port);
    for host in 1..5 {
        // The server's packet came first, and its port is the higher one.
        let flow = Flow::new(end(9, 5413), end(host, 1050 + u16::from(host)), Transport::Tcp);
        learner.conversation(at(0), 1, &flow, false, None);
    }
    let text = learned(&learner).text;
    holds(&text, &["to = \"host-10-0-0-9\"\nprotocol = \"tcp\"\nport = 5413"]);
    let rules = rules(&text);
    let flow = Flow::new(end(9, 5413), end(2, 2000), Transport::Tcp);
    assert!(matches!(
        rules.judge_picked_up(&flow, Timestamp::default(), &mut Memory::default()),
        Verdict::Allowed { .. }
    ));
    assert!(matches!(
        rules.judge_conversation(&flow, Timestamp::default(), &mut Memory::default()),
        Verdict::NotAllowed { .. }
    ));
}

/// Client, server, whether it writes, first point, how many more, values.
type Asked = (u8, u8, bool, u32, u32, Vec<i64>);

/// One made-up request.
fn asked() -> impl Strategy<Value = Asked> {
    (0u8..3, 0u8..3, any::<bool>(), 0u32..30, 0u32..6, proptest::collection::vec(-5i64..5, 6))
}

/// Shows a learner, or rules, everything that was asked.
fn each(all: &[Asked], mut visit: impl FnMut(&Event<'_>)) {
    for (second, (client, server, writes, first, more, values)) in (0i64..).zip(all) {
        let flow = flow(&format!("10.0.0.{client}"), &format!("10.0.1.{server}"));
        let space = if first % 2 == 0 { HOLDING } else { COIL };
        let verb = if *writes { Verb::Write } else { Verb::Read };
        let points = [range(space, *first, first + more, verb, *writes)];
        let of = |value: &i64| if space == COIL { Value::Bool(*value > 0) } else { Value::Int(*value) };
        let values: Vec<Value<'_>> = values.iter().map(of).collect();
        let asked = if *writes { write(&flow, &points, &values) } else { request(&flow, verb, 3, &points) };
        visit(&Event { ts: at(second), frame: second as u64 + 1, ..asked });
    }
}

proptest! {
    #[test]
    fn whatever_was_asked_passes_once_what_is_under_review_is_allowed(
        all in proptest::collection::vec(asked(), 1..60)
    ) {
        let mut learner = learner(Options::default());
        each(&all, |event| learner.event(event, None));
        let learned = learned(&learner);
        let (sure, review) = learned.text.split_once("# ---- For review").unwrap_or((&learned.text, ""));
        let review = review.lines().skip(1).map(|line| line.strip_prefix("# ").unwrap_or(line));
        let allowed: Vec<&str> = sure.lines().chain(review).collect();
        let (strict, all_rules) = (rules(&learned.text), rules(&allowed.join("\n")));
        let mut wrong = Vec::new();
        let mut alerts = 0;
        each(&all, |event| {
            if !matches!(all_rules.judge(&all_rules.pair(event.flow, event.proto), event, &mut Memory::default()), Verdict::Allowed { .. }) {
                wrong.push(event.frame);
            }
            if !matches!(strict.judge(&strict.pair(event.flow, event.proto), event, &mut Memory::default()), Verdict::Allowed { .. }) {
                alerts += 1;
            }
        });
        prop_assert!(wrong.is_empty(), "{:?}\n{}", wrong, learned.text);
        prop_assert!(alerts <= learned.under_review, "{} {}\n{}", alerts, learned.under_review, learned.text);
    }

    #[test]
    fn the_order_of_the_same_messages_does_not_matter(all in proptest::collection::vec(asked(), 1..40)) {
        let mut texts = Vec::new();
        for backwards in [false, true] {
            let mut learner = learner(Options::default());
            if backwards {
                for place in (0..all.len()).rev() {
                    let mut at = 0;
                    each(&all, |event| {
                        if at == place {
                            learner.event(event, None);
                        }
                        at += 1;
                    });
                }
            } else {
                each(&all, |event| learner.event(event, None));
            }
            texts.push(learned(&learner).text);
        }
        prop_assert_eq!(&texts[0], &texts[1]);
    }
}
