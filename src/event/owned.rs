//! An event that outlives its packet, for those who must wait their turn.

use super::{Event, Fault, Fields, Flow, Kind, Object, Outcome, PointRange, Value, Values, Verb, Vocabulary};
use crate::address::Timestamp;
use std::fmt;

/// A copy of an [`Event`] that borrows nothing. The protocol's own fields are left behind, as whoever judges by the
/// neutral part does not need them; [`Owned::whole`] takes them along for those who show the message.
#[derive(Clone, Debug)]
pub struct Owned {
    ts: Timestamp,
    frame: u64,
    flow: Flow,
    proto: &'static Vocabulary,
    kind: Kind,
    verb: Verb,
    function: Option<u16>,
    device: Option<u32>,
    points: Box<[PointRange]>,
    values: OwnedValues,
    outcome: Option<Outcome>,
    latency: Option<u64>,
    request: Option<u64>,
    fault: Option<(&'static str, String)>,
    /// The protocol's own fields, as JSON has them.
    fields: Box<[u8]>,
}

#[derive(Clone, Debug)]
enum OwnedValues {
    None,
    Registers(Box<[u8]>),
    Bits { bytes: Box<[u8]>, count: u32 },
    List(Box<[OwnedValue]>),
}

/// A copy of a [`Value`] that borrows nothing.
#[derive(Clone, PartialEq, PartialOrd, Debug)]
pub enum OwnedValue {
    /// A state.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A word of the standard.
    Name(&'static str),
    /// Text from the wire: hostile, possibly not UTF-8.
    Text(Box<[u8]>),
    /// Octets without a known meaning.
    Bytes(Box<[u8]>),
}

impl From<&Event<'_>> for Owned {
    fn from(event: &Event<'_>) -> Owned {
        Owned {
            ts: event.ts,
            frame: event.frame,
            flow: event.flow.clone(),
            proto: event.proto,
            kind: event.kind,
            verb: event.verb,
            function: event.function,
            device: event.device,
            points: event.points.into(),
            values: match event.values {
                Values::None => OwnedValues::None,
                Values::Registers(bytes) => OwnedValues::Registers(bytes.into()),
                Values::Bits { bytes, count } => OwnedValues::Bits { bytes: bytes.into(), count },
                Values::List(list) => OwnedValues::List(list.iter().map(|value| (*value).into()).collect()),
            },
            outcome: event.outcome,
            latency: event.latency,
            request: event.request,
            fault: event.fault.map(|fault| (fault.label, fault.text.to_string())),
            fields: Box::default(),
        }
    }
}

impl From<Value<'_>> for OwnedValue {
    fn from(value: Value<'_>) -> OwnedValue {
        match value {
            Value::Bool(on) => OwnedValue::Bool(on),
            Value::Int(number) => OwnedValue::Int(number),
            Value::Float(number) => OwnedValue::Float(number),
            Value::Name(name) => OwnedValue::Name(name),
            Value::Text(text) => OwnedValue::Text(text.into()),
            Value::Bytes(bytes) => OwnedValue::Bytes(bytes.into()),
        }
    }
}

impl OwnedValue {
    /// The value that it is a copy of.
    pub fn value(&self) -> Value<'_> {
        match self {
            OwnedValue::Bool(on) => Value::Bool(*on),
            OwnedValue::Int(number) => Value::Int(*number),
            OwnedValue::Float(number) => Value::Float(*number),
            OwnedValue::Name(name) => Value::Name(name),
            OwnedValue::Text(text) => Value::Text(text),
            OwnedValue::Bytes(bytes) => Value::Bytes(bytes),
        }
    }
}

impl Owned {
    /// A copy with the protocol's own fields, written out: it costs as much as to write them to the log.
    pub fn whole(event: &Event<'_>) -> Owned {
        Owned { fields: Object::apart(|object| event.fields.write(object)), ..event.into() }
    }

    /// Shows it as the event that it was. Of the protocol's own fields it has what was taken along, to write only.
    pub fn with<T>(&self, look: impl FnOnce(&Event<'_>) -> T) -> T {
        let list: Vec<Value<'_>>;
        let values = match &self.values {
            OwnedValues::None => Values::None,
            OwnedValues::Registers(bytes) => Values::Registers(bytes),
            OwnedValues::Bits { bytes, count } => Values::Bits { bytes, count: *count },
            OwnedValues::List(all) => {
                list = all.iter().map(OwnedValue::value).collect();
                Values::List(&list)
            }
        };
        let fault = self.fault.as_ref().map(|(label, text)| Fault { label, text });
        look(&Event {
            ts: self.ts,
            frame: self.frame,
            flow: &self.flow,
            proto: self.proto,
            kind: self.kind,
            verb: self.verb,
            function: self.function,
            device: self.device,
            points: &self.points,
            values,
            outcome: self.outcome,
            latency: self.latency,
            request: self.request,
            fault,
            fields: &Written(&self.fields),
        })
    }
}

/// The fields that were taken along.
struct Written<'o>(&'o [u8]);

impl Fields for Written<'_> {
    fn write(&self, object: &mut Object<'_>) {
        if !self.0.is_empty() {
            object.members(self.0);
        }
    }

    fn brief(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}
