//! Alerts: what the rules object to, said so that an operator understands it and an analyst can follow it up.
//!
//! Flows in: events with their verdicts, and conversations that are no control protocol. Flows out: [`Alert`]s,
//! grouped by the [`Desk`], as JSON lines and as a readable form for a terminal. Nothing here reads a clock.
//!
//! # Severity and technique, where the rule does not say
//! | what was done | severity | ATT&CK for ICS |
//! |---|---|---|
//! | write, select, operate | high | T0855 Unauthorized Command Message; from an unknown device T0848 Rogue Master too |
//! | a value outside its limits | high | T0836 Modify Parameter |
//! | configure | high | T0836 Modify Parameter |
//! | program | critical | T0843 Program Download, or T0845 Program Upload by the function's name |
//! | restart | critical | T0816 Device Restart/Shutdown |
//! | file | high | T0893 Data from Local System where it reads, else T0867 Lateral Tool Transfer |
//! | authenticate | high | T0859 Valid Accounts |
//! | time, other | medium | T0855 Unauthorized Command Message |
//! | report | medium | T0856 Spoof Reporting Message |
//! | identify, diagnose | medium | T0888 Remote System Information Discovery |
//! | read by an unknown device, or by one that no rule lets talk to the other | medium | T0801 Monitor Process State |
//! | read of other points by one that may read some | low | T0861 Point & Tag Identification |
//! | session by an unknown device | medium | T0869 Standard Application Layer Protocol |
//! | session by a known one | low | T0869 Standard Application Layer Protocol |
//! | session that stops the transfer of data (STOPDT) | as other sessions | T0804 Block Reporting Message |
//! | malformed message | low | none |
//! | silence where something is expected | high | T0804 Block Reporting Message |
//! | anything across zones that no conduit joins | at least medium | as for what was done |
//! | other conversation | medium | T0886 Remote Services to a remote service's port, T0846 Remote System Discovery for ICMP, else none |
//!
//! What a deny rule forbids is at least high. A rule's own `severity`, `attack` and `summary` replace these: on a
//! deny rule for what it forbids, on an allow rule for what breaks its limits on values, rate or time.

mod advice;
mod attack;
mod background;
mod desk;
mod gathered;
mod group;
pub mod incident;
mod story;
mod techniques;
mod terminal;

#[cfg(test)]
mod tests;

pub use desk::{Counts, Desk, Grouping, Taker};
pub use techniques::{Tactic, Technique, technique, technique_name};

use crate::address::{Endpoint, Timestamp};
use crate::event::{Json, Object, Value};
pub use crate::policy::Severity;
pub use crate::policy::allow::Allowance;
use std::borrow::Cow;
use std::sync::Arc;
use ulid::Ulid;

/// What kind of thing an alert is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AlertKind {
    /// No rule allows it.
    NotAllowed,
    /// A rule forbids it.
    Denied,
    /// A message that could not be decoded in full.
    Malformed,
    /// A conversation, not of a control protocol, that no rule allows.
    NewConversation,
    /// Something that a rule expects did not happen.
    Missing,
}

impl AlertKind {
    /// All of them, in the order of [`AlertKind::index`].
    pub const ALL: [AlertKind; 5] = [
        AlertKind::NotAllowed,
        AlertKind::Denied,
        AlertKind::Malformed,
        AlertKind::NewConversation,
        AlertKind::Missing,
    ];

    /// The word used in alerts and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            AlertKind::NotAllowed => "not-allowed",
            AlertKind::Denied => "denied",
            AlertKind::Malformed => "malformed",
            AlertKind::NewConversation => "new-conversation",
            AlertKind::Missing => "missing",
        }
    }

    /// Its place in [`AlertKind::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// A run of points, by the name of their space.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlertPoints {
    /// The space in the protocol's own terms: `holding`.
    pub space: String,
    /// The first and last index; `None` is every point of the space.
    pub range: Option<(u32, u32)>,
}

/// A value that was carried, kept.
#[derive(Clone, PartialEq, Debug)]
pub enum Kept {
    /// A state.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A word of the standard.
    Name(&'static str),
    /// Text from the wire, hostile, cut to a bound.
    Text(Box<[u8]>),
    /// Octets, cut to a bound.
    Bytes(Box<[u8]>),
}

/// Octets of a text that are kept.
const KEPT_OCTETS: usize = 64;

impl From<Value<'_>> for Kept {
    fn from(value: Value<'_>) -> Self {
        let cut = |bytes: &[u8]| bytes.get(..KEPT_OCTETS).unwrap_or(bytes).into();
        match value {
            Value::Bool(on) => Kept::Bool(on),
            Value::Int(number) => Kept::Int(number),
            Value::Float(number) => Kept::Float(number),
            Value::Name(word) => Kept::Name(word),
            Value::Text(bytes) => Kept::Text(cut(bytes)),
            Value::Bytes(bytes) => Kept::Bytes(cut(bytes)),
        }
    }
}

impl Kept {
    /// The value, to print or to write as JSON.
    pub fn value(&self) -> Value<'_> {
        match self {
            Kept::Bool(on) => Value::Bool(*on),
            Kept::Int(number) => Value::Int(*number),
            Kept::Float(number) => Value::Float(*number),
            Kept::Name(word) => Value::Name(word),
            Kept::Text(bytes) => Value::Text(bytes),
            Kept::Bytes(bytes) => Value::Bytes(bytes),
        }
    }
}

/// A point of a message that the engineers gave a name.
#[derive(Clone, PartialEq, Debug)]
pub struct NamedValue {
    /// The space in the protocol's own terms: `holding`.
    pub space: String,
    /// The point.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What was written or told, in its unit of measure; `None` where the message carries no value.
    pub value: Option<Kept>,
    /// The same as it is on the wire.
    pub raw: Option<Kept>,
    /// The unit of measure; empty where none is given.
    pub measure: String,
    /// What it may be, in words: "0 to 450 bar".
    pub limits: Option<String>,
}

/// Something that a person should know.
#[derive(Clone, Debug)]
pub struct Alert {
    /// Its identity: the time is that of the first message, so ids sort; the rest counts on from a start that the
    /// sensor's name gives, so a replay of the same capture gives the same ids.
    pub id: Ulid,
    /// When it was raised: at its first message.
    pub ts: Timestamp,
    /// When its first message was seen.
    pub first_seen: Timestamp,
    /// When its last message so far was seen.
    pub last_seen: Timestamp,
    /// How many messages it stands for.
    pub count: u64,
    /// How bad it is.
    pub severity: Severity,
    /// The rule that forbids it, or whose limits it breaks.
    pub rule: Option<String>,
    /// What kind of thing it is about.
    pub kind: AlertKind,
    /// The sentence that a person reads first.
    pub summary: String,
    /// Who did it.
    pub src: Endpoint,
    /// To whom.
    pub dst: Endpoint,
    /// The protocol: `modbus`; `tcp` and its like for other conversations.
    pub proto: &'static str,
    /// The packet of the first message; 0 where no packet carries it.
    pub frame: u64,
    /// The packets of its messages, the first 100 of them.
    pub frames: Vec<u64>,
    /// The capture file of the first message, where there are several.
    pub file: Option<Arc<str>>,
    /// ATT&CK for ICS techniques.
    pub attack: Vec<Cow<'static, str>>,
    /// The points that it is about, the first 64 runs of them.
    pub points: Vec<AlertPoints>,
    /// The values that it is about, the first 64 of them.
    pub values: Vec<Kept>,
    /// Where its packets are kept, or will be in a moment.
    pub evidence: Option<String>,
    /// The sensor that saw it.
    pub sensor: Arc<str>,
    /// The Community ID v1 of the first message's conversation, where it has one.
    pub community_id: Option<String>,
    /// Where the rule stands: `rules/yard.toml:42`.
    pub rule_at: Option<String>,
    /// What the rule says, in a plain sentence or two.
    pub rule_words: Option<String>,
    /// The points of the first message that have a name, at most 64.
    pub named_points: Vec<NamedValue>,
    /// What to do next.
    pub advice: String,
    /// The rule that would have allowed the first message, or why none can.
    pub allow: Allowance,
    /// The incident that it is part of, by the id of that one's first alert.
    pub incident: Ulid,
    /// The last alerts of the incident before this one, at most ten.
    pub related: Vec<Ulid>,
    /// The first message as the log of events has it, at most 16 KiB of JSON; `None` where no message is the reason.
    pub message: Option<Arc<str>>,
}

impl Alert {
    /// Messages a minute while it lasted, over a second at least; `None` of a single message.
    pub fn rate(&self) -> Option<f64> {
        let minutes = self.last_seen.since(self.first_seen).max(1_000_000_000) as f64 / 60e9;
        (self.count > 1).then(|| (self.count as f64 / minutes * 10.0).round() / 10.0)
    }

    /// Appends the alert as one JSON object, without a newline.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        Json::new(out).object(|o| {
            o.key("id").display(&self.id);
            for (name, ts) in
                [("ts", self.ts), ("first_seen", self.first_seen), ("last_seen", self.last_seen)]
            {
                o.word(name, ts.format(&mut [0; 40]));
            }
            o.int("count", Some(self.count));
            o.word("severity", self.severity.name());
            match &self.rule {
                Some(rule) => o.key("rule").str(rule),
                None => o.key("rule").null(),
            }
            o.word("kind", self.kind.name());
            o.key("summary").str(&self.summary);
            o.key("src").display(&self.src);
            o.key("dst").display(&self.dst);
            o.word("proto", self.proto);
            o.int("frame", Some(self.frame).filter(|frame| *frame > 0));
            o.key("frames").array(|a| self.frames.iter().for_each(|frame| a.item().int(*frame)));
            if let Some(file) = &self.file {
                o.key("file").str(file);
            }
            o.key("attack").array(|a| self.attack.iter().for_each(|id| a.item().str(id)));
            o.key("points").array(|a| {
                for points in &self.points {
                    a.item().object(|o| {
                        o.key("space").str(&points.space);
                        o.int("first", points.range.map(|range| range.0));
                        o.int("last", points.range.map(|range| range.1));
                    });
                }
            });
            match self.values.as_slice() {
                [] => o.key("values").null(),
                values => {
                    o.key("values").array(|a| values.iter().for_each(|kept| a.item().value(kept.value())))
                }
            }
            match &self.evidence {
                Some(path) => o.key("evidence").str(path),
                None => o.key("evidence").null(),
            }
            o.key("sensor").str(&self.sensor);
            match &self.community_id {
                Some(id) => o.key("community_id").str(id),
                None => o.key("community_id").null(),
            }
            self.write_background(o);
        });
    }

    fn write_background(&self, o: &mut Object<'_>) {
        let text = |o: &mut Object<'_>, name: &str, text: Option<&str>| match text {
            Some(text) => o.key(name).str(text),
            None => o.key(name).null(),
        };
        match self.rate() {
            Some(rate) => o.key("rate").float(rate),
            None => o.key("rate").null(),
        }
        text(o, "rule_at", self.rule_at.as_deref());
        text(o, "rule_words", self.rule_words.as_deref());
        o.key("named_points").array(|a| self.named_points.iter().for_each(|point| point.write(a.item())));
        text(o, "advice", Some(&self.advice));
        o.key("allow").object(|o| {
            text(o, "rule", self.allow.rule.as_deref());
            text(o, "note", self.allow.note.as_deref());
        });
        o.key("incident").display(&self.incident);
        o.key("related").array(|a| self.related.iter().for_each(|id| a.item().display(id)));
        match &self.message {
            Some(message) => o.key("message").written(message),
            None => o.key("message").null(),
        }
    }
}

impl NamedValue {
    fn write(&self, json: Json<'_>) {
        json.object(|o| {
            o.key("space").str(&self.space);
            o.int("index", Some(self.index));
            o.key("name").str(&self.name);
            for (name, value) in [("value", &self.value), ("raw", &self.raw)] {
                match value {
                    Some(kept) => o.key(name).value(kept.value()),
                    None => o.key(name).null(),
                }
            }
            o.key("measure").str(&self.measure);
            match &self.limits {
                Some(limits) => o.key("limits").str(limits),
                None => o.key("limits").null(),
            }
        });
    }
}
