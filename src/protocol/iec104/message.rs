//! The IEC 104 object of an event: control fields, ASDU header, and every object with its elements.
//!
//! A [`Message`] borrows the octets and takes them apart anew when an output asks for text; until then it costs
//! nothing.

use super::codes::{self, cause};
use super::library::{Element, Type};
use super::value;
use super::window::Seen;
use super::wire::apci::Control;
use super::wire::asdu::{self, Asdu, Sizes};
use super::wire::time::{Cp24, Cp56};
use crate::event::{Fields, Object, PointRange};
use std::fmt;

/// One message as it was on the wire.
#[derive(Clone, Copy, Debug, Default)]
pub struct Message<'a> {
    /// The control fields.
    pub control: Option<Control>,
    /// What is known of the window by it.
    pub seen: Seen,
    /// The ASDU, its header read.
    pub asdu: Option<Asdu<'a>>,
    /// On an execution: the packet number of the selection that it carries out.
    pub select: Option<u64>,
    /// On a termination: nanoseconds since the order.
    pub executed: Option<u64>,
}

impl Fields for Message<'_> {
    fn write(&self, object: &mut Object<'_>) {
        match self.control {
            Some(control) => object.word("apci", control.name()),
            None => object.key("apci").null(),
        }
        match self.control {
            Some(Control::I { send, recv }) => {
                object.int("send", Some(send));
                object.int("recv", Some(recv));
                object.int("unacknowledged", self.seen.unacknowledged);
                object.int("acknowledges", self.seen.acknowledges);
            }
            Some(Control::S { recv }) => {
                object.int("recv", Some(recv));
                object.int("acknowledges", self.seen.acknowledges);
            }
            Some(Control::U { function }) => name(object, "control", codes::control_name(function)),
            None => {}
        }
        micros(object, "acknowledged_after_us", self.seen.acknowledged_after);
        micros(object, "confirmed_after_us", self.seen.confirmed_after);
        micros(object, "idle_us", self.seen.idle);
        self.write_asdu(object);
    }

    fn brief(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.control {
            Some(Control::I { send, recv }) => write!(f, "I {send},{recv}")?,
            Some(Control::S { recv }) => write!(f, "S {recv}")?,
            Some(Control::U { function }) => match codes::control_name(function) {
                Some(name) => write!(f, "U {name}")?,
                None => write!(f, "U {function:02x}")?,
            },
            None => f.write_str("no unit")?,
        }
        let Some(asdu) = self.asdu else { return Ok(()) };
        write!(f, ", station {}", asdu.common)?;
        match codes::cause_name(asdu.cause) {
            Some(name) => write!(f, ", {name}")?,
            None => write!(f, ", cause {}", asdu.cause)?,
        }
        if asdu.negative {
            f.write_str(", negative")?;
        }
        if asdu.test {
            f.write_str(", test")?;
        }
        Ok(())
    }
}

fn micros(object: &mut Object<'_>, key: &str, nanos: Option<u64>) {
    if let Some(nanos) = nanos {
        object.int(key, Some(nanos / 1000));
    }
}

fn name(object: &mut Object<'_>, key: &str, name: Option<&str>) {
    match name {
        Some(name) => object.word(key, name),
        None => object.key(key).null(),
    }
}

impl Message<'_> {
    fn write_asdu(&self, o: &mut Object<'_>) {
        let Some(asdu) = self.asdu else {
            ["type", "cause", "common_address"].into_iter().for_each(|key| o.key(key).null());
            return o.key("ioa").array(|_| {});
        };
        let row = asdu.row();
        o.int("type", Some(asdu.type_id));
        name(o, "type_name", row.map(|row| row.label));
        name(o, "type_title", row.map(|row| row.title));
        o.int("cause", Some(asdu.cause));
        name(o, "cause_name", codes::cause_name(asdu.cause));
        o.bool("negative", asdu.negative);
        o.bool("test", asdu.test);
        o.int("originator", asdu.originator);
        o.int("common_address", Some(asdu.common));
        o.bool("sq", asdu.sequence);
        o.int("number", Some(asdu.number));
        o.key("ioa").array(|all| asdu.objects().for_each(|object| all.item().int(object.address)));
        if asdu.sizes != Sizes::STANDARD {
            o.key("sizes").object(|o| {
                o.int("cause", Some(asdu.sizes.cause));
                o.int("common_address", Some(asdu.sizes.common));
                o.int("ioa", Some(asdu.sizes.object));
            });
        }
        if asdu.cause == cause::ACTIVATION && row.is_some_and(|row| row.verb == crate::event::Verb::Operate) {
            o.int("select_frame", self.select);
        }
        micros(o, "executed_after_us", self.executed);
        match row {
            Some(row) if row.has_objects() => o.key("objects").array(|all| {
                asdu.objects().for_each(|object| all.item().object(|o| write_object(row, object, o)));
            }),
            Some(_) => o.key("data").hex(asdu.body),
            None => {
                let mut objects = asdu.objects();
                o.key("data").hex(objects.next().map_or(asdu.body, |object| object.octets));
            }
        }
    }
}

fn write_object(row: &'static Type, object: asdu::Object<'_>, o: &mut Object<'_>) {
    o.int("ioa", Some(object.address));
    let mut times = 0;
    for (element, part) in value::parts(row, object.octets) {
        match element {
            Element::Cp56 => {
                // A query has the time from which and that until which.
                write_date(if times == 0 { "time" } else { "until" }, part, o);
                times += 1;
            }
            _ => write_element(element, part, o),
        }
    }
}

fn write_element(element: Element, part: &[u8], o: &mut Object<'_>) {
    let Some(first) = part.first().copied() else { return };
    if let Some(value) = value::read(element, part) {
        o.key("value").value(value);
    }
    let lower = first & 0x7f;
    match element {
        Element::Siq | Element::Diq => flags(o, "quality", first & 0xf0, &QUALITY),
        Element::Qds => flags(o, "quality", first & 0xf1, &QUALITY),
        Element::Sep | Element::Qdp => flags(o, "quality", first & 0xf8, &PROTECTION),
        Element::Vti => o.bool("transient", first & 0x80 != 0),
        Element::Bcr => {
            let last = part.get(4).copied().unwrap_or(0);
            o.int("sequence", Some(last & 0x1f));
            flags(o, "quality", last & 0xe0, &COUNTER);
        }
        Element::Scd => {
            let half = |at: usize| value::unsigned(part.get(at..at + 2).unwrap_or_default());
            o.int("changed", Some(half(2)));
        }
        Element::Spe => flags(o, "started", first & 0x3f, &STARTED),
        Element::Oci => flags(o, "outputs", first & 0x0f, &OUTPUTS),
        Element::Sco | Element::Dco | Element::Rco => {
            o.bool("select", first & 0x80 != 0);
            o.int("qualifier", Some(first >> 2 & 0x1f));
            name(o, "qualifier_name", codes::command_qualifier(first >> 2 & 0x1f));
        }
        Element::Qos => {
            o.bool("select", first & 0x80 != 0);
            o.int("qualifier", Some(lower));
        }
        Element::Coi => {
            o.int("initialization", Some(lower));
            name(o, "initialization_name", codes::initialization(lower));
            o.bool("parameters_changed", first & 0x80 != 0);
        }
        Element::Qoi => {
            o.int("interrogation", Some(first));
            name(o, "interrogation_name", codes::interrogation(first));
        }
        Element::Qcc => {
            o.int("request", Some(first & 0x3f));
            name(o, "request_name", codes::counter_request(first & 0x3f));
            o.int("freeze", Some(first >> 6));
            o.word("freeze_name", codes::freeze(first >> 6));
        }
        Element::Qrp => {
            o.int("reset", Some(first));
            name(o, "reset_name", codes::reset(first));
        }
        Element::Qpm => {
            o.int("parameter", Some(first & 0x3f));
            name(o, "parameter_name", codes::parameter(first & 0x3f));
            o.bool("changed_locally", first & 0x40 != 0);
            o.bool("out_of_operation", first & 0x80 != 0);
        }
        Element::Qpa => {
            o.int("activation", Some(first));
            name(o, "activation_name", codes::parameter_activation(first));
        }
        Element::Cp16 => o.int("interval_ms", Some(value::unsigned(part))),
        Element::Cp24 => write_minutes(part, o),
        Element::Fbp => o.bool("pattern_right", part == [0xaa, 0x55]),
        Element::Tsc => o.int("counter", Some(value::unsigned(part))),
        Element::Aid => o.int("association", Some(value::unsigned(part))),
        _ => write_file(element, part, first, o),
    }
}

/// The elements of a file transfer (IEC 60870-5-101, 7.2.6.28 to 7.2.6.38).
fn write_file(element: Element, part: &[u8], first: u8, o: &mut Object<'_>) {
    match element {
        Element::Nof => {
            let file = value::unsigned(part) as u16;
            o.int("file", Some(file));
            name(o, "file_name", codes::file_name(file));
        }
        Element::Nos => o.int("section", Some(first)),
        Element::Lof => o.int("octets", Some(value::unsigned(part))),
        Element::Frq | Element::Srq => o.bool("ready", first & 0x80 == 0),
        Element::Scq => {
            o.int("call", Some(first & 15));
            name(o, "call_name", codes::call(first));
            error(first, o);
        }
        Element::Lsq => {
            o.int("last", Some(first));
            name(o, "last_name", codes::last(first));
        }
        Element::Chs => o.int("checksum", Some(first)),
        Element::Afq => {
            o.int("acknowledgement", Some(first & 15));
            name(o, "acknowledgement_name", codes::acknowledgement(first));
            error(first, o);
        }
        Element::Sof => {
            o.int("status", Some(first & 0x1f));
            o.bool("last_file", first & 0x20 != 0);
            o.bool("directory", first & 0x40 != 0);
            o.bool("transfer_active", first & 0x80 != 0);
        }
        Element::Segment => {
            o.int("octets", Some(first));
            o.key("data").hex(part.get(1..).unwrap_or_default());
        }
        _ => {}
    }
}

fn error(octet: u8, o: &mut Object<'_>) {
    if let Some(error) = codes::file_error(octet) {
        o.word("error", error);
    }
}

/// What the bits of a quality descriptor say, bit 0 first (7.2.6.1 to 7.2.6.3).
const QUALITY: [&str; 8] = ["overflow", "", "", "", "blocked", "substituted", "not-topical", "invalid"];
/// The same of protection events, where bit 3 is about the interval (7.2.6.4 and 7.2.6.10).
const PROTECTION: [&str; 8] =
    ["", "", "", "interval-invalid", "blocked", "substituted", "not-topical", "invalid"];
/// The same of a counter reading (7.2.6.9).
const COUNTER: [&str; 8] = ["", "", "", "", "", "carry", "adjusted", "invalid"];
/// What protection equipment has started (7.2.6.11).
const STARTED: [&str; 8] = ["general", "l1", "l2", "l3", "earth-current", "reverse", "", ""];
/// Where protection equipment orders to trip (7.2.6.12).
const OUTPUTS: [&str; 8] = ["general", "l1", "l2", "l3", "", "", "", ""];

fn flags(o: &mut Object<'_>, key: &str, octet: u8, names: &[&str; 8]) {
    o.key(key).array(|all| {
        for (bit, name) in names.iter().enumerate() {
            if octet >> bit & 1 == 1 && !name.is_empty() {
                all.item().word(name);
            }
        }
    });
}

fn write_date(key: &str, part: &[u8], o: &mut Object<'_>) {
    let Some(time) = part.first_chunk().map(Cp56) else { return };
    match time.is_real() {
        true => o.key(key).display(&time),
        false => o.key(key).null(),
    }
    time_flags(time.is_invalid(), time.is_substituted(), time.is_summer(), o);
}

fn write_minutes(part: &[u8], o: &mut Object<'_>) {
    let Some(time) = part.first_chunk().map(Cp24) else { return };
    match time.is_real() {
        true => o.key("time").display(&time),
        false => o.key("time").null(),
    }
    time_flags(time.is_invalid(), time.is_substituted(), false, o);
}

fn time_flags(invalid: bool, substituted: bool, summer: bool, o: &mut Object<'_>) {
    for (key, on) in [("time_invalid", invalid), ("time_substituted", substituted), ("summer_time", summer)] {
        if on {
            o.bool(key, true);
        }
    }
}

/// Points in a sentence: "information object 4501", "information objects 12 to 15".
pub fn write_points(range: PointRange, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if range.is_all() {
        f.write_str("all information objects")
    } else if range.first == range.last {
        write!(f, "information object {}", range.first)
    } else {
        write!(f, "information objects {} to {}", range.first, range.last)
    }
}
