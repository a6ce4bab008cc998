//! From a Modbus message to what it means: points, values, outcome, and the protocol's own fields.

use super::codes::{self, *};
use super::wire::{Body, FileReferences, Header, Objects, Pdu, Role};
use super::{COIL, DISCRETE, FIFO, FILE, HOLDING, INPUT};
use crate::event::{About, Attribute, Fields, Object, Outcome, PointRange, Space, Value, Values, Verb};
use std::fmt;

/// What a response needs to know of its request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Asked {
    /// The first address (the written one of function 23).
    pub address: Option<u16>,
    /// How many.
    pub quantity: Option<u16>,
    /// The read range of function 23.
    pub read: Option<(u16, u16)>,
    /// Sub-function, MEI type or UMAS code.
    pub second: Option<u16>,
}

impl Asked {
    /// What this request asks.
    pub fn of(pdu: &Pdu<'_>) -> Asked {
        let mut asked = Asked { second: pdu.second(), ..Asked::default() };
        match pdu.body {
            Body::Range { address, quantity } | Body::WriteMany { address, quantity, .. } => {
                (asked.address, asked.quantity) = (Some(address), Some(quantity));
            }
            Body::ReadWrite { read_address, read_quantity, write_address, write_quantity, .. } => {
                (asked.address, asked.quantity) = (Some(write_address), Some(write_quantity));
                asked.read = Some((read_address, read_quantity));
            }
            Body::WriteOne { address, .. } | Body::Mask { address, .. } | Body::Fifo { address } => {
                asked.address = Some(address);
            }
            _ => {}
        }
        asked
    }

    /// The octets that an answer of this function must carry after its byte count, where the request says.
    pub fn answer_octets(&self, function: u8) -> Option<(u16, u16)> {
        let bits = |quantity: u16| (quantity, quantity.div_ceil(8));
        let registers = |quantity: u16| (quantity, quantity.saturating_mul(2));
        match function {
            READ_COILS | READ_DISCRETE_INPUTS => self.quantity.map(bits),
            READ_HOLDING_REGISTERS | READ_INPUT_REGISTERS => self.quantity.map(registers),
            READ_WRITE_MULTIPLE_REGISTERS => self.read.map(|(_, quantity)| registers(quantity)),
            _ => None,
        }
    }
}

/// The space that a function works on.
fn space(function: u8) -> Option<Space> {
    Some(match function {
        READ_COILS | WRITE_SINGLE_COIL | WRITE_MULTIPLE_COILS => COIL,
        READ_DISCRETE_INPUTS => DISCRETE,
        READ_INPUT_REGISTERS => INPUT,
        READ_HOLDING_REGISTERS
        | WRITE_SINGLE_REGISTER
        | WRITE_MULTIPLE_REGISTERS
        | MASK_WRITE_REGISTER
        | READ_WRITE_MULTIPLE_REGISTERS => HOLDING,
        READ_FIFO_QUEUE => FIFO,
        _ => return None,
    })
}

/// Appends the points that a message touches: those of the request for both ways. `valued` says whether the
/// message carries a value for each.
pub fn points(pdu: &Pdu<'_>, asked: &Asked, role: Role, verb: Verb, out: &mut Vec<PointRange>) {
    let mut push = |space, address: u16, quantity: u16, verb, valued| {
        let first = u32::from(address);
        let Some(more) = u32::from(quantity).checked_sub(1) else {
            return;
        };
        out.push(PointRange { space, variant: 0, first, last: (first + more).min(0xffff), verb, valued });
    };
    match pdu.body {
        Body::FileRead(bytes) | Body::FileWrite(bytes) => {
            let with_data = matches!(pdu.body, Body::FileWrite(_));
            for reference in FileReferences::new(bytes, with_data) {
                let first = u32::from(reference.file) << 16 | u32::from(reference.record);
                let last = first.saturating_add(u32::from(reference.length.saturating_sub(1)));
                out.push(PointRange { space: FILE, variant: 0, first, last, verb, valued: false });
            }
        }
        _ => {
            let Some(space) = space(pdu.function) else { return };
            if let Some((address, quantity)) = asked.read {
                push(space, address, quantity, Verb::Read, role == Role::Response);
            }
            let valued = match pdu.body {
                Body::WriteOne { .. } | Body::WriteMany { .. } | Body::ReadWrite { .. } => true,
                Body::Bits(_) | Body::Registers(_) => asked.read.is_none() && pdu.function != READ_FIFO_QUEUE,
                _ => false,
            };
            if let Some(address) = asked.address {
                push(space, address, asked.quantity.unwrap_or(1), verb, valued);
            }
        }
    }
}

/// The values that a message carries.
pub fn values<'a>(pdu: &Pdu<'a>, asked: &Asked) -> Values<'a> {
    match pdu.body {
        Body::Bits(bytes) => {
            let there = u32::try_from(bytes.len()).unwrap_or(0).saturating_mul(8);
            Values::Bits { bytes, count: asked.quantity.map_or(there, u32::from) }
        }
        Body::Registers(bytes) => Values::Registers(bytes),
        Body::WriteOne { value, .. } if pdu.function == WRITE_SINGLE_COIL => {
            let bytes: &[u8] = if value == [0, 0] { &[0] } else { &[1] };
            Values::Bits { bytes, count: 1 }
        }
        Body::WriteOne { value, .. } => Values::Registers(value),
        Body::WriteMany { values, quantity, .. } if pdu.function == WRITE_MULTIPLE_COILS => {
            Values::Bits { bytes: values, count: quantity.into() }
        }
        Body::WriteMany { values, .. } | Body::ReadWrite { values, .. } => Values::Registers(values),
        Body::ExceptionStatus(bytes) => Values::Bits { bytes, count: 8 },
        _ => Values::None,
    }
}

/// How a response turned out.
pub fn outcome(pdu: &Pdu<'_>) -> Outcome {
    match pdu.body {
        Body::Exception(code) => Outcome::Exception { code, name: codes::exception_name(code) },
        Body::Umas { code: 0xfd, .. } => Outcome::Exception { code: 0xfd, name: "umas error" },
        _ => Outcome::Success,
    }
}

/// The number that the answer to Report Server ID has among what a device says of itself; those of 43/14 are below 256.
const SERVER_ID: u32 = 0x100;

/// The protocol's own fields of one message.
pub struct ModbusFields<'a> {
    /// The MBAP header; `None` in the framings that have none.
    pub header: Option<Header>,
    /// The framing, where it is not the usual one: `rtu`, `ascii`.
    pub framing: Option<&'static str>,
    /// The unit.
    pub unit: u8,
    /// The message, where there is a function code.
    pub pdu: Option<Pdu<'a>>,
    /// Its request's fields, or its own.
    pub asked: Asked,
    /// Its values, as in the event.
    pub values: Values<'a>,
}

impl Fields for ModbusFields<'_> {
    fn write(&self, o: &mut Object<'_>) {
        o.int("transaction", self.header.map(|h| h.transaction));
        if let Some(framing) = self.framing {
            o.word("framing", framing);
        }
        o.int("unit", Some(self.unit));
        o.int("function", self.pdu.map(|pdu| pdu.function));
        let exception = match self.pdu.map(|pdu| pdu.body) {
            Some(Body::Exception(code)) => Some(code),
            _ => None,
        };
        o.int("exception", exception);
        o.int("address", self.asked.address);
        o.int("quantity", self.asked.quantity);
        if let Some((address, quantity)) = self.asked.read {
            o.int("read_address", Some(address));
            o.int("read_quantity", Some(quantity));
        }
        let Some(pdu) = self.pdu else { return };
        if let Some(second) = pdu.second().or(self.asked.second) {
            let key = match pdu.function {
                DIAGNOSTICS => "subfunction",
                ENCAPSULATED_INTERFACE_TRANSPORT => "mei",
                _ => "umas_function",
            };
            o.int(key, Some(second));
            if let Some(name) = codes::second_name(pdu.function, second) {
                o.word("subfunction_name", name);
            }
        }
        self.write_body(pdu.body, o);
        if !self.values.is_empty() {
            o.key("values").values(self.values);
        }
    }

    fn brief(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unit {}", self.unit)?;
        if let Some(header) = self.header {
            write!(f, " transaction {}", header.transaction)?;
        }
        if let Some(framing) = self.framing {
            write!(f, " {framing}")?;
        }
        let Some(pdu) = self.pdu else { return Ok(()) };
        if let Some(second) = pdu.second().or(self.asked.second) {
            match codes::second_name(pdu.function, second) {
                Some(name) => write!(f, " {name}")?,
                None => write!(f, " sub-function {second}")?,
            }
        }
        if let Some((address, quantity)) = self.asked.read {
            write!(f, " read {address}+{quantity}")?;
        }
        match pdu.body {
            Body::Mask { and, or, .. } => write!(f, " and {and:04x} or {or:04x}"),
            Body::Identity { objects, .. } => {
                for (object, text) in Objects(objects) {
                    match codes::object_name(object) {
                        Some(name) => write!(f, " {name}={}", Value::Text(text))?,
                        None => write!(f, " object-{object}={}", Value::Text(text))?,
                    }
                }
                Ok(())
            }
            Body::ServerId(data) => write!(f, " id {}", Value::Text(data)),
            Body::Raw(data) | Body::Diagnostic { data, .. } | Body::Mei { data, .. } if !data.is_empty() => {
                write!(f, " data {}", Value::Bytes(data))
            }
            _ => Ok(()),
        }
    }

    /// A read of coils, inputs or registers (functions 1 to 4) differs from the next only in its transaction.
    fn steady(&self) -> Option<u64> {
        let pdu = self.pdu?;
        let is_plain = matches!(pdu.function, 1..=4) && !matches!(pdu.body, Body::Exception(_));
        is_plain.then_some(self.unit.into())
    }

    fn identify(&self, each: &mut dyn FnMut(Attribute<'_>)) {
        match self.pdu.map(|pdu| pdu.body) {
            Some(Body::Identity { objects, .. }) => {
                for (object, text) in Objects(objects) {
                    let name = codes::object_name(object);
                    let about = codes::object_about(object);
                    each(Attribute { id: object.into(), name, about, value: Value::Text(text) });
                }
            }
            Some(Body::ServerId(data)) => {
                // What is in it is up to the device; a run indicator, 0 or 255, often ends it.
                let text = match data.split_last() {
                    Some((0 | 0xff, text)) => text,
                    _ => data,
                };
                let plain = text.iter().all(|octet| matches!(octet, b' '..=b'~'));
                let value = if plain { Value::Text(text) } else { Value::Bytes(data) };
                each(Attribute { id: SERVER_ID, name: Some("server-id"), about: About::Other, value });
            }
            _ => {}
        }
    }
}

impl ModbusFields<'_> {
    fn write_body(&self, body: Body<'_>, o: &mut Object<'_>) {
        match body {
            Body::Mask { and, or, .. } => {
                o.int("and_mask", Some(and));
                o.int("or_mask", Some(or));
            }
            Body::Diagnostic { data, .. } | Body::Mei { data, .. } | Body::Raw(data) => {
                o.key("data").hex(data);
            }
            Body::Umas { session, code, data } => {
                o.int("umas_session", Some(session));
                if matches!(code, 0xfd | 0xfe) {
                    o.word("umas_status", if code == 0xfe { "ok" } else { "error" });
                }
                o.key("data").hex(data);
            }
            Body::EventCounter { status, events } => {
                o.int("status", Some(status));
                o.int("event_count", Some(events));
            }
            Body::EventLog { status, events, messages, log } => {
                o.int("status", Some(status));
                o.int("event_count", Some(events));
                o.int("message_count", Some(messages));
                o.key("events").hex(log);
            }
            Body::ServerId(data) => o.key("server_id").hex(data),
            Body::Identify { code, object } => {
                o.int("read_device_id", Some(code));
                o.int("object_id", Some(object));
            }
            Body::Identity { code, conformity, more, next, objects } => {
                o.int("read_device_id", Some(code));
                o.int("conformity_level", Some(conformity));
                o.bool("more_follows", more != 0);
                o.int("next_object_id", Some(next));
                o.key("objects").array(|a| {
                    for (object, text) in Objects(objects) {
                        a.item().object(|o| {
                            o.int("id", Some(object));
                            if let Some(name) = codes::object_name(object) {
                                o.word("name", name);
                            }
                            o.key("value").text(text);
                        });
                    }
                });
            }
            Body::FileRead(bytes) | Body::FileWrite(bytes) => {
                let with_data = matches!(body, Body::FileWrite(_));
                o.key("references").array(|a| {
                    for reference in FileReferences::new(bytes, with_data) {
                        a.item().object(|o| {
                            o.int("file", Some(reference.file));
                            o.int("record", Some(reference.record));
                            o.int("length", Some(reference.length));
                            if with_data {
                                o.key("data").hex(reference.data);
                            }
                        });
                    }
                });
            }
            Body::FileData(data) => o.key("records").array(|a| {
                let mut rest = data;
                // Each: the octets that follow, the reference type, the registers.
                while let Some((&length, tail)) = rest.split_first() {
                    let (record, tail) = tail.split_at_checked(length.into()).unwrap_or((tail, &[]));
                    a.item().hex(record.get(1..).unwrap_or_default());
                    rest = tail;
                }
            }),
            _ => {}
        }
    }
}
