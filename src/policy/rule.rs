//! One rule, checked: what it is about and what it says.

use super::calendar::{Lapse, Rate, Windows};
use super::places::{End, Place};
use super::set::ANYONE;
use crate::event::{Event, Kind, Space, Value, Verb, Vocabulary};
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
    /// Ethernet frames that carry no IP.
    Ethernet,
}

impl Carrier {
    pub(super) fn parse(name: &str) -> Option<Carrier> {
        match name {
            "tcp" => Some(Carrier::Tcp),
            "udp" => Some(Carrier::Udp),
            "icmp" => Some(Carrier::Icmp),
            "ip" => Some(Carrier::Ip),
            "ethernet" => Some(Carrier::Ethernet),
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

impl Span {
    /// Sorted runs, those that touch as one.
    pub(super) fn joined(spans: &[Span]) -> Vec<Span> {
        let mut all: Vec<Span> = Vec::with_capacity(spans.len());
        for span in spans {
            match all.last_mut() {
                Some(last) if last.space == span.space && span.first <= last.last.saturating_add(1) => {
                    last.last = last.last.max(span.last);
                }
                _ => all.push(*span),
            }
        }
        all
    }
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

impl Change {
    /// In a unit of measure, if there is one: "50 bar", "10 bar in 1min".
    pub fn said_in(&self, measure: &str) -> String {
        let most =
            if measure.is_empty() { self.most.to_string() } else { format!("{} {measure}", self.most) };
        match self.per {
            Some(nanos) => format!("{most} in {}", Lapse(nanos)),
            None => most,
        }
    }
}

/// "50", "10 in 1min".
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said_in(""))
    }
}

impl Limits {
    /// Whether a value is inside.
    pub fn holds(&self, value: Value<'_>) -> bool {
        self.holds_in(value, &self.scale)
    }

    /// Whether a value is inside, by another scale than the limits' own.
    pub(super) fn holds_in(&self, value: Value<'_>, scale: &Scale) -> bool {
        match value {
            Value::Name(word) => self.names.iter().any(|name| name.eq_ignore_ascii_case(word)),
            other => other.number().is_some_and(|number| {
                let number = scale.of(number);
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
    /// What to do about its alerts, where the rule says so; with placeholders.
    pub advice: Option<String>,
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
    /// The named points among them, with their own limits.
    pub named: NamedPoints,
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
    /// Of other traffic, `None` being all: the ports of the server, IP protocol numbers, or EtherTypes.
    pub ports: Option<Vec<RangeInclusive<u16>>>,
    /// What it lets be done, where its functions alone say so: what the receiver answers is judged by it.
    pub(super) granted: Verbs,
    /// Which set of addresses may send, and which receive, by number; 0 is anyone.
    pub(super) from: u32,
    pub(super) to: u32,
}

impl Rule {
    /// The limits on the value of a point of a message: the rule's, else those of the point that it names.
    pub fn limits(&self, event: &Event<'_>, space: Space, index: u32) -> Option<&Limits> {
        self.values.as_ref().or_else(|| {
            let limited = self.named.limited.then(|| self.named.at(event, space, index));
            limited?.find_map(|point| point.limits.as_ref())
        })
    }

    /// Whether a point is among those that the rule names, if only of another device.
    pub fn names_elsewhere(&self, space: Space, index: u32) -> bool {
        let holds = |span: &Span| span.space == space && span.first <= index && index <= span.last;
        self.named.placed && self.points.as_deref().unwrap_or_default().iter().any(holds)
    }

    /// What makes a number on the wire one in the author's unit: the rule's own scale, else that of the point.
    pub fn scale(&self, event: &Event<'_>, space: Space, index: u32) -> &Scale {
        if !self.scale.is_plain() || !self.scale.measure.is_empty() {
            return &self.scale;
        }
        self.named.at(event, space, index).next().map_or(&self.scale, |point| &point.scale)
    }

    /// Whether it is about every message of anyone.
    pub(super) fn is_unlimited(&self) -> bool {
        self.devices.is_none()
            && self.functions.is_none()
            && self.points.is_none()
            && !self.is_conditional()
            && self.ports.is_none()
            && self.verbs == Verbs::ANY
            && self.from == ANYONE
            && self.to == ANYONE
    }

    /// The first point after this one, up to `last`, that has limits of its own.
    pub(super) fn first_limited_after(
        &self,
        event: &Event<'_>,
        space: Space,
        index: u32,
        last: u32,
    ) -> Option<u32> {
        let after = index.checked_add(1).filter(|after| self.named.limited && *after <= last)?;
        let limited = self.named.among(event, space, after, last).filter(|point| point.limits.is_some());
        limited.map(|point| point.span.first.max(after)).min()
    }

    /// Whether more than its pair, device, verb, function and points decides.
    pub(super) fn is_conditional(&self) -> bool {
        self.values.is_some()
            || self.named.limited
            || self.named.placed
            || self.objects.is_some()
            || self.change.is_some()
            || self.rate.is_some()
            || self.during.is_some()
            || !self.relaxed.is_empty()
    }
}

/// The named points of a rule.
#[derive(Clone, Default, Debug)]
pub struct NamedPoints {
    /// The points, sorted by their place.
    points: Vec<Arc<NamedPoint>>,
    /// What the rule names besides, in the protocol's own terms.
    plain: Vec<Span>,
    /// The width of the widest of the named points: how far to look back for one.
    widest: u32,
    /// Whether one of them belongs to certain devices only.
    pub(super) placed: bool,
    /// Whether limits of theirs count.
    pub(super) limited: bool,
}

impl NamedPoints {
    pub(super) fn new(mut points: Vec<Arc<NamedPoint>>, plain: Vec<Span>, limits_count: bool) -> Self {
        points.sort_by_key(|point| point.span);
        let width = |point: &Arc<NamedPoint>| point.span.last - point.span.first;
        NamedPoints {
            widest: points.iter().map(width).max().unwrap_or(0),
            placed: points.iter().any(|point| !point.at.is_empty() || point.device.is_some()),
            limited: limits_count && points.iter().any(|point| point.limits.is_some()),
            points,
            plain,
        }
    }

    /// The points, sorted by their place.
    pub fn points(&self) -> &[Arc<NamedPoint>] {
        &self.points
    }

    /// The named points at an index that are of the device that a message is about.
    fn at<'n>(
        &'n self,
        event: &Event<'_>,
        space: Space,
        index: u32,
    ) -> impl Iterator<Item = &'n NamedPoint> + use<'n> {
        self.of_device(device_end(event), event.device, space, index)
    }

    /// The named points at an index that are of a device.
    fn of_device<'n>(
        &'n self,
        end: End,
        device: Option<u32>,
        space: Space,
        index: u32,
    ) -> impl Iterator<Item = &'n NamedPoint> + use<'n> {
        let before = self.points.partition_point(|p| (p.span.space, p.span.first) <= (space, index));
        let near = move |point: &&Arc<NamedPoint>| {
            point.span.space == space && index - point.span.first <= self.widest
        };
        let back = self.points.get(..before).unwrap_or_default().iter().rev().take_while(near);
        back.filter(move |point| index <= point.span.last && point.is_of(end, device)).map(|point| &**point)
    }

    /// Whether the point at an index is meant of a device.
    pub(super) fn is_meant(&self, end: End, device: Option<u32>, space: Space, index: u32) -> bool {
        let covers = |span: &Span| span.space == space && span.first <= index && index <= span.last;
        self.plain.iter().any(covers) || self.of_device(end, device, space, index).next().is_some()
    }

    /// Up to where the points from this index on are meant of the device that a message is about; `None` where this
    /// one is not.
    pub(super) fn reach(&self, event: &Event<'_>, space: Space, index: u32) -> Option<u32> {
        let covers = |span: &&Span| span.space == space && span.first <= index && index <= span.last;
        let plain = self.plain.iter().filter(covers).map(|span| span.last);
        plain.chain(self.at(event, space, index).map(|point| point.span.last)).max()
    }

    /// The named points from `first` to `last` that are of the device that a message is about.
    fn among<'n>(
        &'n self,
        event: &Event<'_>,
        space: Space,
        first: u32,
        last: u32,
    ) -> impl Iterator<Item = &'n NamedPoint> + use<'n> {
        let (end, device) = (device_end(event), event.device);
        let begin = first.saturating_sub(self.widest);
        let from = self.points.partition_point(|p| (p.span.space, p.span.first) < (space, begin));
        let near = move |p: &&Arc<NamedPoint>| p.span.space == space && p.span.first <= last;
        let inside = self.points.get(from..).unwrap_or_default().iter().take_while(near);
        inside.filter(move |p| first <= p.span.last && p.is_of(end, device)).map(|point| &**point)
    }

    /// Whether any of these points is meant of the device that a message is about.
    pub(super) fn touches(&self, event: &Event<'_>, space: Space, first: u32, last: u32) -> bool {
        let inside = |span: &Span| span.space == space && span.first <= last && first <= span.last;
        self.plain.iter().any(inside) || self.among(event, space, first, last).next().is_some()
    }
}

/// The end of a message whose points it is about: who is asked, or who reports.
pub fn device_end(event: &Event<'_>) -> End {
    match (event.kind, event.verb) {
        (Kind::Response | Kind::Unsolicited, _) | (Kind::Message, Verb::Report) => End::sender(event.flow),
        _ => End::receiver(event.flow),
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

impl NamedPoint {
    /// Whether it is of the device at this end.
    pub(super) fn is_of(&self, end: End, device: Option<u32>) -> bool {
        let there = self.at.is_empty() || self.at.iter().any(|place| place.holds(end));
        there && (self.device.is_none() || self.device == device)
    }
}
