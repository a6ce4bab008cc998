//! One rule, checked: what it is about and what it says.

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
}

impl Limits {
    /// Whether a value is inside.
    pub fn holds(&self, value: Value<'_>) -> bool {
        match value {
            Value::Name(word) => self.names.iter().any(|name| name.eq_ignore_ascii_case(word)),
            other => other.number().is_some_and(|number| {
                let at = self.ranges.partition_point(|range| *range.end() < number);
                self.ranges.get(at).is_some_and(|range| range.contains(&number))
            }),
        }
    }
}

/// "0 to 450", "1, 3 or latch on".
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
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
    /// The devices behind the address; `None` is all, and messages without one.
    pub devices: Option<Vec<u32>>,
    /// What may be done (or, on a deny, must not).
    pub verbs: Verbs,
    /// The functions; `None` is all.
    pub functions: Option<Vec<u16>>,
    /// The points, sorted; `None` is all, and messages without points.
    pub points: Option<Vec<Span>>,
    /// The values; `None` is all.
    pub values: Option<Limits>,
    /// The ports of the server, of other traffic; `None` is all.
    pub ports: Option<Vec<RangeInclusive<u16>>>,
    /// What it lets be done, where its functions alone say so: what the receiver answers is judged by it.
    pub(super) granted: Verbs,
    /// Which set of addresses may send, and which receive, by number; 0 is anyone.
    pub(super) from: u32,
    pub(super) to: u32,
}
