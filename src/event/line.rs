//! Events as one readable line, for an analyst who scans and greps.

use super::{Event, Outcome, Value};
use std::fmt;

/// At most this many values are printed on a line; the rest is counted.
const VALUES_ON_A_LINE: usize = 16;

impl Event<'_> {
    /// Writes the event as one line, without a newline: time, frame, protocol, kind, who to whom, function,
    /// points and values, outcome, the protocol's own particulars.
    pub fn write_line(&self, f: &mut impl fmt::Write) -> fmt::Result {
        write!(f, "{} {:>6} {:<7} {:<11} ", self.ts, self.frame, self.proto.name, self.kind.name())?;
        write!(f, "{} -> {}  {}", self.flow.src, self.flow.dst, self.verb.name())?;
        if let Some(code) = self.function {
            match self.proto.function_name(code) {
                Some(name) => write!(f, " {name}")?,
                None => write!(f, " function-{code}")?,
            }
        }
        for range in self.points {
            write!(f, " {}", self.proto.space_name(range.space))?;
            if range.is_all() {
                f.write_str(":all")?;
            } else if range.first == range.last {
                write!(f, ":{}", range.first)?;
            } else {
                write!(f, ":{}-{}", range.first, range.last)?;
            }
        }
        if !self.values.is_empty() {
            f.write_str(" = ")?;
            for (at, value) in self.values.iter().take(VALUES_ON_A_LINE).enumerate() {
                write!(f, "{}{}", if at == 0 { "" } else { "," }, value)?;
            }
            if self.values.len() > VALUES_ON_A_LINE {
                write!(f, ",… ({} values)", self.values.len())?;
            }
        }
        match self.outcome {
            Some(Outcome::Exception { code, name }) => write!(f, " EXCEPTION {code} {name}")?,
            Some(Outcome::Unanswered) => f.write_str(" UNANSWERED")?,
            Some(Outcome::Success) | None => {}
        }
        if let Some(fault) = self.fault {
            write!(f, " MALFORMED {}", fault.text)?;
        }
        write!(f, "  [{}", Brief(self))?;
        if let Some(latency) = self.latency {
            write!(f, " after {} us", latency / 1_000)?;
        }
        f.write_char(']')
    }
}

struct Brief<'a, 'b>(&'a Event<'b>);

impl fmt::Display for Brief<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fields.brief(f)
    }
}

/// As an analyst reads it: on and off, numbers, words; text escaped; octets in hexadecimal.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(on) => f.write_str(if *on { "on" } else { "off" }),
            Value::Int(number) => write!(f, "{number}"),
            Value::Float(number) => write!(f, "{number}"),
            Value::Name(word) => f.write_str(word),
            Value::Text(bytes) => write!(f, "\"{}\"", bytes.escape_ascii()),
            Value::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}
