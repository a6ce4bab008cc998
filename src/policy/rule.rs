//! One rule, checked: what it is about and what it says.

use super::calendar::{Lapse, Rate, Windows};
use super::places::Place;
use crate::event::{Space, Value, Verb, Vocabulary};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// How bad an alert is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Severity {
    /// Worth a look at the end of the week.
    Low,
    /// Worth a look today.
    Medium,
    /// Worth a look now.
    High,
    /// The plant may be in danger.
    Critical,
}

impl Severity {
    /// All of them, mildest first, in the order of [`Severity::index`].
    pub const ALL: [Severity; 4] = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    /// The word used in rules, alerts and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// The severity of that name.
    pub fn parse(name: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|severity| severity.name() == name)
    }

    /// Its place in [`Severity::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// What a rule does when it matches.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum RuleKind {
    /// Lets a message pass.
    Allow,
    /// Alerts, even where an allow matches.
    Deny,
    /// Alerts when something does not happen in time.
    Expect,
}

impl RuleKind {
    /// The name of its table in a rule file.
    pub const fn name(self) -> &'static str {
        match self {
            RuleKind::Allow => "allow",
            RuleKind::Deny => "deny",
            RuleKind::Expect => "expect",
        }
    }
}

/// A rule by its place in [`RuleSet::rules`](super::RuleSet::rules).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RuleId(pub u32);

/// Which traffic a rule is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Traffic {
    /// Every control protocol: the rule names none.
    Control,
    /// The control protocols with these bits, by [`Vocabulary::id`].
    Protocols(u128),
    /// Conversations that are no control protocol (`tcp`, `udp`, `icmp`, `ip`).
    Other(Carrier),
    /// Everything: `protocol = "any"`.
    Any,
}

impl Traffic {
    /// The bit of a control protocol.
    pub(super) fn bit(id: u8) -> u128 {
        1u128.checked_shl(u32::from(id)).unwrap_or(0)
    }

    /// Whether the rule is about messages of this protocol.
    pub fn covers(self, protocol: &Vocabulary) -> bool {
        match self {
            Traffic::Control | Traffic::Any => true,
            Traffic::Protocols(bits) => bits & Traffic::bit(protocol.id) != 0,
            Traffic::Other(_) => false,
        }
    }
}

/// What carries other traffic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carrier {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP, and ICMP for IPv6.
    Icmp,
    /// Any IP protocol, TCP and UDP among them.
    Ip,
}

impl Carrier {
    pub(super) fn parse(name: &str) -> Option<Carrier> {
        match name {
            "tcp" => Some(Carrier::Tcp),
            "udp" => Some(Carrier::Udp),
            "icmp" => Some(Carrier::Icmp),
            "ip" => Some(Carrier::Ip),
            _ => None,
        }
    }
}

/// Some of the verbs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verbs(u16);

impl Verbs {
    /// All of them.
    pub const ANY: Verbs = Verbs(u16::MAX);
    /// None of them.
    pub const NONE: Verbs = Verbs(0);

    /// With one more.
    pub fn with(self, verb: Verb) -> Verbs {
        Verbs(self.0 | 1 << verb.index())
    }

    /// Whether this one is among them.
    pub fn has(self, verb: Verb) -> bool {
        self.0 >> verb.index() & 1 == 1
    }

    /// Those that are among them, unless it is all.
    pub fn iter(self) -> impl Iterator<Item = Verb> {
        Verb::ALL.into_iter().filter(move |verb| self.has(*verb))
    }
}

/// A run of points that a rule names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Span {
    /// The kind of point.
    pub space: Space,
    /// The first index.
    pub first: u32,
    /// The last index, included; the largest number where the rule names the protocol's last point or all.
    pub last: u32,
}

/// The values that a rule lets pass (or, on a deny, objects to).
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Limits {
    /// Sorted, apart from each other; a state counts as 0 or 1.
    pub(super) ranges: Vec<RangeInclusive<f64>>,
    /// Words of the standard, in lower case.
    pub(super) names: Vec<String>,
    /// As the author wrote it, in the words of a sentence: "0 to 450".
    pub(super) text: String,
    /// What makes a number on the wire one in the author's unit of measure.
    pub scale: Scale,
}

/// From the number on the wire to the author's unit of measure: times a factor, plus an offset.
#[derive(Clone, PartialEq, Debug)]
pub struct Scale {
    /// What a number is multiplied with; not 0.
    pub factor: f64,
    /// What is added then.
    pub offset: f64,
    /// The unit of measure: `bar`; empty where none is given.
    pub measure: String,
}

impl Default for Scale {
    fn default() -> Self {
        Scale { factor: 1.0, offset: 0.0, measure: String::new() }
    }
}

impl Scale {
    /// A number of the wire in the author's unit.
    pub fn of(&self, raw: f64) -> f64 {
        raw * self.factor + self.offset
    }

    /// Whether it leaves numbers as they are.
    pub fn is_plain(&self) -> bool {
        self.factor == 1.0 && self.offset == 0.0
    }
}

/// How far a value may go in one write, or in some time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Change {
    /// The greatest difference to what was written before, in the rule's unit of measure.
    pub most: f64,
    /// In so many nanoseconds; `None`: from one write to the next.
    pub per: Option<u64>,
}

/// "50", "10/min".
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.most)?;
        match self.per {
            Some(nanos) => write!(f, " in {}", Lapse(nanos)),
            None => Ok(()),
        }
    }
}

impl Limits {
    /// Whether a value is inside.
    pub fn holds(&self, value: Value<'_>) -> bool {
        match value {
            Value::Name(word) => self.names.iter().any(|name| name.eq_ignore_ascii_case(word)),
            other => other.number().is_some_and(|number| {
                let number = self.scale.of(number);
                let at = self.ranges.partition_point(|range| *range.end() < number);
                self.ranges.get(at).is_some_and(|range| range.contains(&number))
            }),
        }
    }
}

/// "0 to 450", "1, 3 or latch on".
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if self.scale.measure.is_empty() { Ok(()) } else { write!(f, " {}", self.scale.measure) }
    }
}

/// One rule of a file.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name, for alerts and metrics.
    pub name: String,
    /// The file that holds it.
    pub file: Arc<str>,
    /// The 1-based line where it starts.
    pub line: u32,
    /// Allow or deny.
    pub kind: RuleKind,
    /// What its alerts weigh, where the rule says so.
    pub severity: Option<Severity>,
    /// The sentence of its alerts, where the rule has its own; with placeholders.
    pub summary: Option<String>,
    /// The ATT&CK for ICS techniques of its alerts, where the rule names them.
    pub attack: Vec<String>,
    /// Which traffic it is about.
    pub traffic: Traffic,
    /// The protocol, where it is about exactly one.
    pub protocol: Option<&'static Vocabulary>,
    /// The devices behind the address; `None` is all, and messages without one.
    pub devices: Option<Vec<u32>>,
    /// What may be done (or, on a deny, must not).
    pub verbs: Verbs,
    /// The functions; `None` is all.
    pub functions: Option<Vec<u16>>,
    /// The points, sorted; `None` is all, and messages without points.
    pub points: Option<Vec<Span>>,
    /// The kinds of object, by space and variant; `None` is all.
    pub objects: Option<Vec<(Space, u8)>>,
    /// The values; `None` is all, but for named points, which have their own.
    pub values: Option<Limits>,
    /// What the named points among them let be, sorted.
    pub own_values: Vec<(Span, Limits)>,
    /// From the wire to the rule's unit of measure.
    pub scale: Scale,
    /// How far a value may go.
    pub change: Option<Change>,
    /// How often the rule may be used by one pair on one device.
    pub rate: Option<Rate>,
    /// When it holds; `None` is always.
    pub during: Option<Windows>,
    /// On an expect rule: how long silence may last, in nanoseconds.
    pub every: Option<u64>,
    /// The maintenance windows that relax it, by their place in [`RuleSet::maintenance`](super::RuleSet::maintenance).
    pub relaxed: Vec<u32>,
    /// The ports of the server, of other traffic; `None` is all.
    pub ports: Option<Vec<RangeInclusive<u16>>>,
    /// What it lets be done, where its functions alone say so: what the receiver answers is judged by it.
    pub(super) granted: Verbs,
    /// Which set of addresses may send, and which receive, by number; 0 is anyone.
    pub(super) from: u32,
    pub(super) to: u32,
}

impl Rule {
    /// The limits on the value of a point.
    pub fn limits(&self, space: Space, index: u32) -> Option<&Limits> {
        self.values.as_ref().or_else(|| {
            let end = self.own_values.partition_point(|(span, _)| (span.space, span.first) <= (space, index));
            let own = self.own_values.get(..end)?.iter().rev().find(|(span, _)| index <= span.last)?;
            (own.0.space == space).then_some(&own.1)
        })
    }

    /// The first point after this one that has limits of its own.
    pub(super) fn first_limited_after(&self, space: Space, index: u32) -> Option<u32> {
        let at = self.own_values.partition_point(|(span, _)| (span.space, span.first) <= (space, index));
        self.own_values.get(at).filter(|(span, _)| span.space == space).map(|(span, _)| span.first)
    }

    /// Whether more than its pair, device, verb, function and points decides.
    pub(super) fn is_conditional(&self) -> bool {
        self.values.is_some()
            || !self.own_values.is_empty()
            || self.objects.is_some()
            || self.change.is_some()
            || self.rate.is_some()
            || self.during.is_some()
            || !self.relaxed.is_empty()
    }
}

/// A time in which some rules are relaxed: what they deny passes, and their limits do not count.
#[derive(Clone, Debug)]
pub struct Maintenance {
    /// Its name, for the audit trail.
    pub name: String,
    /// When.
    pub when: Windows,
    /// Who answers for it, where the file says so.
    pub who: Option<String>,
    /// What for, where the file says so.
    pub reason: Option<String>,
}

/// A point that the engineers gave a name.
#[derive(Clone, PartialEq, Debug)]
pub struct NamedPoint {
    /// Its name: "Inlet level".
    pub name: String,
    /// Where the device is; empty where the file does not say.
    pub at: Vec<Place>,
    /// The protocol, by [`Vocabulary::id`].
    pub protocol: u8,
    /// The device behind the address, where the file says so.
    pub device: Option<u32>,
    /// The point, or several that make up one value.
    pub span: Span,
    /// What it may be, where the file says so; its unit of measure in any case.
    pub limits: Option<Limits>,
    /// From the wire to its unit of measure.
    pub scale: Scale,
}
