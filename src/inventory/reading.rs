//! The value of a point as it is remembered: no heap, so that a new one takes the place of the old one for nothing.

use crate::address::Timestamp;
use crate::event::Value;

/// Octets of a text or of unknown octets that are kept.
pub const KEPT: usize = 28;

/// A value; of long texts the beginning.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
pub enum Reading {
    /// A state.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A word of the standard.
    Name(&'static str),
    /// Text from the wire, or octets without a known meaning.
    Octets {
        /// Whether it is text.
        text: bool,
        /// Whether there was more.
        cut: bool,
        /// How many octets are kept.
        len: u8,
        /// The octets.
        kept: [u8; KEPT],
    },
}

impl From<Value<'_>> for Reading {
    fn from(value: Value<'_>) -> Reading {
        match value {
            Value::Bool(on) => Reading::Bool(on),
            Value::Int(number) => Reading::Int(number),
            Value::Float(number) => Reading::Float(number),
            Value::Name(word) => Reading::Name(word),
            Value::Text(octets) | Value::Bytes(octets) => {
                let mut kept = [0; KEPT];
                let len = octets.len().min(KEPT);
                kept.iter_mut().zip(octets).for_each(|(to, from)| *to = *from);
                let text = matches!(value, Value::Text(_));
                Reading::Octets { text, cut: octets.len() > KEPT, len: len as u8, kept }
            }
        }
    }
}

impl Reading {
    /// As an event's value.
    pub fn value(&self) -> Value<'_> {
        match self {
            Reading::Bool(on) => Value::Bool(*on),
            Reading::Int(number) => Value::Int(*number),
            Reading::Float(number) => Value::Float(*number),
            Reading::Name(word) => Value::Name(word),
            Reading::Octets { text, len, kept, .. } => {
                let octets = kept.get(..usize::from(*len)).unwrap_or_default();
                if *text { Value::Text(octets) } else { Value::Bytes(octets) }
            }
        }
    }
}

/// When something was seen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Stamp {
    /// The time of its packet.
    pub ts: Timestamp,
    /// The packet's number, in its capture file or since the sensor started; 0 where no packet carries it.
    pub frame: u64,
}

/// The first and the last time that something was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
}

impl Span {
    /// One moment.
    pub fn at(ts: Timestamp) -> Span {
        Span { first: ts, last: ts }
    }

    /// Both spans and what is between them.
    pub fn with(self, other: Span) -> Span {
        Span { first: self.first.min(other.first), last: self.last.max(other.last) }
    }
}

/// Widens what is known of when something was seen.
pub fn widen(span: &mut Option<Span>, other: Option<Span>) {
    *span = match (*span, other) {
        (Some(own), Some(other)) => Some(own.with(other)),
        (own, other) => own.or(other),
    };
}

/// Puts the later in the place of the earlier. Of two at the same moment the greater stays.
pub fn keep_later<T: PartialOrd>(own: &mut Option<T>, other: Option<T>) {
    if let Some(new) = other
        && own.as_ref().is_none_or(|old| *old < new)
    {
        *own = Some(new);
    }
}
