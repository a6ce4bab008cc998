//! A small protocol and ready-made events for tests of rules and alerts.

use crate::address::{Endpoint, Timestamp, Transport};
use crate::event::{
    Code, Event, Fields, Flow, Kind, Object, PointRange, Space, Value, Values, Verb, Vocabulary,
};
use std::fmt;
use std::net::IpAddr;

const SPACES: [(&str, &str, &str); 4] = [
    ("coil", "coil", "coils"),
    ("discrete", "discrete input", "discrete inputs"),
    ("input", "input register", "input registers"),
    ("holding", "holding register", "holding registers"),
];

pub(crate) const COIL: Space = Space(0);
pub(crate) const HOLDING: Space = Space(3);

/// A protocol of registers and coils.
pub(crate) static WORDS: Vocabulary = Vocabulary {
    id: 0,
    name: "modbus",
    title: "Modbus",
    device_key: "unit",
    device_title: "unit",
    names_device: |_| false,
    functions: &[
        Code { code: 1, name: "read-coils", verb: Verb::Read },
        Code { code: 3, name: "read-holding-registers", verb: Verb::Read },
        Code { code: 5, name: "write-single-coil", verb: Verb::Write },
        Code { code: 6, name: "write-single-register", verb: Verb::Write },
        Code { code: 8, name: "diagnostics", verb: Verb::Diagnose },
        Code { code: 15, name: "write-multiple-coils", verb: Verb::Write },
        Code { code: 16, name: "write-multiple-registers", verb: Verb::Write },
    ],
    spaces: &["coil", "discrete", "input", "holding"],
    write_space: |space, f| f.write_str(SPACES.get(usize::from(space.0)).map_or("?", |names| names.0)),
    write_point: |range, f| {
        let (_, one, many) = SPACES.get(usize::from(range.space.0)).copied().unwrap_or(("?", "?", "?"));
        if range.is_all() {
            write!(f, "all {many}")
        } else if range.first == range.last {
            write!(f, "{one} {}", range.first)
        } else {
            write!(f, "{many} {} to {}", range.first, range.last)
        }
    },
    parse_space: |name| SPACES.iter().position(|names| names.0 == name).map(|at| Space(at as u16)),
    max_index: 65535,
};

/// Another one, so that rules can be about the wrong protocol.
pub(crate) static OTHER_WORDS: Vocabulary = Vocabulary {
    id: 1,
    name: "dnp3",
    title: "DNP3",
    device_key: "outstation",
    device_title: "outstation address",
    names_device: |_| false,
    functions: &[
        Code { code: 1, name: "read", verb: Verb::Read },
        Code { code: 4, name: "operate", verb: Verb::Operate },
        Code { code: 13, name: "cold-restart", verb: Verb::Restart },
        Code { code: 129, name: "response", verb: Verb::Report },
        Code { code: 130, name: "unsolicited-response", verb: Verb::Report },
    ],
    spaces: &["g12", "g30"],
    write_space: |space, f| write!(f, "g{}", space.0),
    write_point: |range, f| write!(f, "group {} index {} to {}", range.space.0, range.first, range.last),
    parse_space: |name| name.strip_prefix('g')?.parse().ok().map(Space),
    max_index: u32::MAX,
};

pub(crate) const ALL_WORDS: &[&Vocabulary] = &[&WORDS, &OTHER_WORDS];

struct NoFields;

impl Fields for NoFields {
    fn write(&self, _: &mut Object<'_>) {}

    fn brief(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// A TCP flow between two addresses.
pub(crate) fn flow(src: &str, dst: &str) -> Flow {
    let end = |text: &str, port| match text.parse::<IpAddr>() {
        Ok(ip) => Endpoint::new(ip, port),
        Err(_) => panic!("{text} is not an address"),
    };
    Flow::new(end(src, 49152), end(dst, 502), Transport::Tcp)
}

/// A run of points of a message.
pub(crate) fn range(space: Space, first: u32, last: u32, verb: Verb, valued: bool) -> PointRange {
    PointRange { space, variant: 0, first, last, verb, valued }
}

/// A request with nothing in it but these.
pub(crate) fn request<'a>(flow: &'a Flow, verb: Verb, function: u16, points: &'a [PointRange]) -> Event<'a> {
    Event {
        ts: Timestamp::from_micros(1_352_718_246_593_402),
        frame: 1,
        flow,
        proto: &WORDS,
        kind: Kind::Request,
        verb,
        function: Some(function),
        device: Some(1),
        points,
        values: Values::None,
        outcome: None,
        latency: None,
        request: None,
        fault: None,
        fields: &NoFields,
    }
}

/// A request that writes these values.
pub(crate) fn write<'a>(flow: &'a Flow, points: &'a [PointRange], values: &'a [Value<'a>]) -> Event<'a> {
    Event { values: Values::List(values), ..request(flow, Verb::Write, 16, points) }
}
