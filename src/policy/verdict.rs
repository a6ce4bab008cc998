//! What the rules say of one message. Plain numbers: a verdict becomes a sentence only in an alert.

use super::RuleId;
use crate::event::{PointRange, Value, Verb};

/// What the rules say of a message or a conversation.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Verdict {
    /// It may pass.
    Allowed {
        /// The rule that lets it (the first of them where several do); `None` where only the defaults do.
        rule: Option<RuleId>,
    },
    /// A deny rule objects.
    Denied {
        /// The first deny rule that matches.
        rule: RuleId,
    },
    /// No rule allows it, and the defaults do not either.
    NotAllowed {
        /// The allow rule that came closest, where any is about these two at all.
        nearest: Option<RuleId>,
        /// What kept it from matching.
        why: Why,
    },
    /// The rules do not judge such messages: answers to requests that were seen, and malformed ones.
    NotJudged,
}

/// The condition that failed in the nearest rule.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Why {
    /// No allow rule is about these two in this protocol.
    NoRule,
    /// The rule is about another device behind the address, or the message names none.
    Device,
    /// The rule does not let this be done.
    Verb(Verb),
    /// The rule does not list this function.
    Function,
    /// A point is outside those of the rule.
    Outside {
        /// The run of points, as the message has it.
        range: PointRange,
        /// The first point of it that no rule allows.
        index: u32,
    },
    /// The rule is limited to points (or values), and the message names none.
    NoPoints,
    /// A value is outside the limits of the rule.
    Value {
        /// The run of points that the value belongs to.
        range: PointRange,
        /// Its point.
        index: u32,
        /// The value.
        value: Seen,
    },
    /// The objects are of another kind than those of the rule.
    Object {
        /// The run of points, as the message has it.
        range: PointRange,
    },
    /// The rule holds at other times.
    When,
    /// The rule was used as often as it may be.
    Rate,
    /// The value is further from the one before than the rule lets it go.
    Change {
        /// The run of points that the value belongs to.
        range: PointRange,
        /// Its point.
        index: u32,
        /// The value.
        value: Seen,
        /// What was written before.
        before: f64,
    },
    /// The two are in different zones, and no conduit between them carries this.
    Conduit {
        /// The sender's zone, by its place in [`RuleSet::zones`](super::RuleSet::zones).
        from: u16,
        /// The receiver's.
        to: u16,
    },
    /// The rule limits values, and the message changes a point without saying to what.
    ValueUnknown {
        /// The run of points, as the message has it.
        range: PointRange,
        /// The first point of it whose value is not known.
        index: u32,
    },
}

/// A value that outlives its message.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Seen {
    /// A state.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A word of the standard.
    Name(&'static str),
    /// Text or octets from the wire, not kept.
    Opaque,
}

impl From<Value<'_>> for Seen {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Bool(on) => Seen::Bool(on),
            Value::Int(number) => Seen::Int(number),
            Value::Float(number) => Seen::Float(number),
            Value::Name(word) => Seen::Name(word),
            Value::Text(_) | Value::Bytes(_) => Seen::Opaque,
        }
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Seen::Bool(on) => f.write_str(if *on { "on" } else { "off" }),
            Seen::Int(number) => write!(f, "{number}"),
            Seen::Float(number) => write!(f, "{number}"),
            Seen::Name(word) => f.write_str(word),
            Seen::Opaque => f.write_str("text"),
        }
    }
}
