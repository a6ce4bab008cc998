//! The `dnp3` object of EVE.

use super::{flag, list, number};
use crate::event::Object;
use jiff::Timestamp;
use serde_json::Value;

/// Names of the internal indications, from the highest bit of the first octet to the lowest of the second.
const INDICATIONS: [&str; 16] = [
    "device_restart",
    "device_trouble",
    "local_control",
    "need_time",
    "class_3_events",
    "class_2_events",
    "class_1_events",
    "all_stations",
    "reserved_1",
    "reserved_2",
    "config_corrupt",
    "already_executing",
    "event_buffer_overflow",
    "parameter_error",
    "object_unknown",
    "no_func_code_support",
];

/// Names of quality flags, as events have them and as EVE has them.
const FLAGS: [(&str, &str); 10] = [
    ("online", "online"),
    ("restart", "restart"),
    ("comm-lost", "comm_lost"),
    ("remote-forced", "remote_forced"),
    ("local-forced", "local_forced"),
    ("chatter-filter", "chatter_filter"),
    ("rollover", "rollover"),
    ("discontinuity", "discontinuity"),
    ("over-range", "over_range"),
    ("reference-err", "reference_err"),
];

/// One message of the application layer.
pub(super) struct Record<'v> {
    fields: &'v Value,
    function: u64,
    complete: bool,
}

impl<'v> Record<'v> {
    /// Of an event as the log has it; `None` for the link layer alone, or where it is cut.
    pub(super) fn of(event: &'v Value) -> Option<Record<'v>> {
        let fields = event.get("dnp3")?;
        let complete = event.get("kind")?.as_str()? != "malformed";
        Some(Record { fields, function: number(fields, "function")?, complete })
    }

    pub(super) fn write(&self, o: &mut Object<'_>) {
        let kind = match self.function {
            0..=128 => "request",
            130 => "unsolicited_response",
            _ => "response",
        };
        o.word("type", kind);
        let link = self.fields;
        o.key("control").object(|o| {
            o.bool("dir", flag(link, "dir"));
            o.bool("pri", flag(link, "prm"));
            o.bool("fcb", flag(link, "fcb"));
            // The same bit has two names.
            o.bool("fcv", flag(link, "fcv") || flag(link, "dfc"));
            o.int("function_code", Some(number(link, "link_function").unwrap_or(0)));
        });
        o.int("src", Some(number(link, "link_src").unwrap_or(0)));
        o.int("dst", Some(number(link, "link_dst").unwrap_or(0)));
        o.key("application").object(|o| self.application(o));
        if kind != "request" {
            let iin = number(self.fields, "iin").unwrap_or(0);
            o.key("iin").object(|o| {
                if iin & 0xffff != 0 {
                    let set = INDICATIONS.iter().enumerate().filter(|(at, _)| iin & (0x8000 >> at) != 0);
                    o.key("indicators").array(|a| set.for_each(|(_, name)| a.item().word(name)));
                }
            });
        }
    }

    fn application(&self, o: &mut Object<'_>) {
        o.key("control").object(|o| {
            o.bool("fir", flag(self.fields, "fir"));
            o.bool("fin", flag(self.fields, "fin"));
            o.bool("con", flag(self.fields, "con"));
            o.bool("uns", flag(self.fields, "unsolicited"));
            o.int("sequence", Some(number(self.fields, "sequence").unwrap_or(0)));
        });
        o.int("function_code", Some(self.function));
        let objects = list(self.fields, "objects");
        if !objects.is_empty() {
            o.key("objects")
                .array(|a| objects.iter().for_each(|block| a.item().object(|o| object(block, o))));
        }
        o.bool("complete", self.complete);
    }
}

fn object(block: &Value, o: &mut Object<'_>) {
    let qualifier = number(block, "qualifier").unwrap_or(0);
    let (prefix, range) = (qualifier >> 4 & 7, qualifier & 15);
    let mut put = |key: &str, value: u64| o.int(key, Some(value));
    let group = number(block, "group").unwrap_or(0);
    put("group", group);
    put("variation", number(block, "variation").unwrap_or(0));
    put("qualifier", qualifier);
    put("prefix_code", prefix);
    put("range_code", range);
    put("start", number(block, "first").unwrap_or(0));
    put("stop", number(block, "last").unwrap_or(0));
    put("count", number(block, "count").unwrap_or(0));
    let values = list(block, "values");
    let indexes = list(block, "indexes");
    if !values.is_empty() {
        o.key("points").array(|a| {
            for (at, value) in values.iter().enumerate() {
                let index = number(value, "index").unwrap_or(at as u64);
                a.item().object(|o| {
                    place(index, prefix, o);
                    point(group, value, o);
                });
            }
        });
    } else if prefix > 0 && !indexes.is_empty() {
        let indexes = indexes.iter().filter_map(Value::as_u64);
        o.key("points").array(|a| indexes.for_each(|index| a.item().object(|o| place(index, prefix, o))));
    }
}

fn place(index: u64, prefix: u64, o: &mut Object<'_>) {
    // Prefix codes 1 to 3 are indexes.
    o.int("prefix", Some(if (1..=3).contains(&prefix) { index } else { 0 }));
    o.int("index", Some(index));
}

/// What a point of these groups says, under the names that EVE has for it.
fn point(group: u64, value: &Value, o: &mut Object<'_>) {
    if value.get("flags").is_some() {
        let set = list(value, "flags");
        for (ours, theirs) in FLAGS.iter().filter(|(ours, _)| has(group, ours)) {
            o.int(theirs, Some(u8::from(set.iter().any(|flag| flag == ours))));
        }
    }
    let name = match group {
        1..=4 | 10 | 11 | 80 => "state",
        20..=23 => "count",
        30..=34 | 40..=43 => "value",
        _ => "",
    };
    match value.get("value") {
        Some(Value::Bool(on)) if name == "state" => o.int(name, Some(u8::from(*on))),
        // The two bits of a double-bit input.
        Some(Value::String(state)) if name == "state" => o.int(name, double(state)),
        Some(number @ Value::Number(_)) if !name.is_empty() => o.key(name).written(&number.to_string()),
        Some(Value::String(time)) if matches!(group, 50 | 51) => put_time(time, o),
        _ => {}
    }
    if let Some(time) = value.get("time").and_then(Value::as_str) {
        put_time(time, o);
    }
    if group == 12 {
        control(value, o);
    }
}

/// Whether points of a group have a flag.
fn has(group: u64, flag: &str) -> bool {
    match flag {
        "chatter-filter" => (1..=4).contains(&group),
        "rollover" | "discontinuity" => (20..=23).contains(&group),
        "over-range" | "reference-err" => (30..=33).contains(&group) || matches!(group, 40 | 42),
        _ => true,
    }
}

fn double(state: &str) -> Option<u8> {
    ["intermediate", "determined off", "determined on", "indeterminate"]
        .iter()
        .position(|name| *name == state)
        .map(|at| at as u8)
}

/// A time in milliseconds since 1970.
fn put_time(time: &str, o: &mut Object<'_>) {
    if let Ok(time) = time.parse::<Timestamp>() {
        o.int("timestamp", Some(time.as_millisecond()));
    }
}

/// A control relay output block (A.8.1 of IEEE 1815-2012).
fn control(value: &Value, o: &mut Object<'_>) {
    let Some(code) = number(value, "control") else { return };
    o.int("op_type", Some(code & 15));
    o.int("qu", Some(code >> 4 & 1));
    o.int("cr", Some(code >> 5 & 1));
    o.int("tcc", Some(code >> 6));
    for (theirs, ours) in
        [("count", "operations"), ("ontime", "on_ms"), ("offtime", "off_ms"), ("status_code", "status")]
    {
        if let Some(number) = number(value, ours) {
            o.int(theirs, Some(number));
        }
    }
}
