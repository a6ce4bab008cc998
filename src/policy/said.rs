//! Rules in words again: every condition of a rule as its author could have written it, and why a message does not
//! meet one.

use super::calendar::Lapse;
use super::explain::Failed;
use super::places::{End, Place};
use super::rule::{Carrier, Rule, Scale, Span, Traffic, Verbs};
use super::set::{ANYONE, RuleSet, number};
use super::verdict::Seen;
use crate::address::Timestamp;
use crate::event::{Event, Flow, PointRange, Space, Vocabulary};

/// The names in a list that are shown before it is cut.
const SHOWN: usize = 6;

/// How an end is called: its name, else its address.
pub fn end(rules: &RuleSet, end: End) -> String {
    match rules.name_of(end) {
        Some(name) => name.to_owned(),
        None => end.address.to_string(),
    }
}

/// Who a `from` or `to` is: "any", a name, or a list.
pub(super) fn side(rules: &RuleSet, set: u32, places: &[Place]) -> String {
    if set == ANYONE {
        return "anyone".to_owned();
    }
    if places.is_empty() {
        return "nobody".to_owned();
    }
    let same = |own: &[Place]| {
        let mut own = own.to_vec();
        own.sort_unstable();
        own.dedup();
        own == places
    };
    if let Some(named) = rules.names().iter().find(|named| same(&named.places)) {
        return named.name.clone();
    }
    if let Some(zone) = rules.zones().iter().find(|zone| same(&zone.places)) {
        return zone.name.clone();
    }
    let name = |place: &Place| {
        let alone = |own: &[Place]| own == std::slice::from_ref(place);
        let named = rules.names().iter().find(|named| alone(&named.places));
        named.map_or_else(|| place.to_string(), |named| named.name.clone())
    };
    list(places.iter().map(name))
}

fn list(all: impl IntoIterator<Item = String>) -> String {
    all.into_iter().collect::<Vec<_>>().join(", ")
}

/// A list that is too long for a line, cut.
fn short(text: String) -> String {
    let parts: Vec<&str> = text.split(", ").collect();
    match parts.get(..SHOWN) {
        Some(shown) if parts.len() > SHOWN => {
            format!("{} and {} more", shown.join(", "), parts.len() - SHOWN)
        }
        _ => text,
    }
}

/// What carries a message, in the words of `protocol`.
pub(super) fn traffic(rules: &RuleSet, traffic: &Traffic) -> String {
    match traffic {
        Traffic::Control => "every control protocol".to_owned(),
        Traffic::Any => "any".to_owned(),
        Traffic::Other(Carrier::Tcp) => "tcp".to_owned(),
        Traffic::Other(Carrier::Udp) => "udp".to_owned(),
        Traffic::Other(Carrier::Icmp) => "icmp".to_owned(),
        Traffic::Other(Carrier::Ip) => "ip".to_owned(),
        Traffic::Other(Carrier::Ethernet) => "ethernet".to_owned(),
        Traffic::Protocols(_) => {
            let named = rules.vocabularies().iter().filter(|words| traffic.covers(words));
            list(named.map(|words| words.name.to_owned()))
        }
    }
}

/// A port or a range of them.
pub(super) fn port(range: &std::ops::RangeInclusive<u16>) -> String {
    match (range.start(), range.end()) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("{first}-{last}"),
    }
}

/// The verbs in words.
fn verbs(verbs: Verbs) -> String {
    if verbs == Verbs::ANY { "any".to_owned() } else { list(verbs.iter().map(|verb| verb.name().to_owned())) }
}

fn functions(words: &Vocabulary, codes: &[u16]) -> String {
    let mut codes = codes.to_vec();
    codes.sort_unstable();
    codes.dedup();
    list(codes.iter().map(|code| function(words, *code)))
}

fn function(words: &Vocabulary, code: u16) -> String {
    words.function_name(code).map_or_else(|| code.to_string(), str::to_owned)
}

/// "holding:100-103".
pub(super) fn span(words: &'static Vocabulary, span: &Span) -> String {
    let space = words.space_name(span.space);
    match (span.first, span.last.min(words.max_index)) {
        (0, _) if span.last == u32::MAX => format!("{space}:*"),
        (first, last) if first == last => format!("{space}:{first}"),
        (first, last) => format!("{space}:{first}-{last}"),
    }
}

fn object(words: &'static Vocabulary, space: Space, variant: u8) -> String {
    format!("{}v{variant}", words.space_name(space))
}

/// A factor and what is added.
pub(super) fn scale(scale: &Scale) -> String {
    let mut text = format!("times {}", scale.factor);
    if scale.offset != 0.0 {
        text.push_str(&format!(" plus {}", scale.offset));
    }
    text
}

fn sorted(all: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = all.into_iter().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Every condition of a rule, and what it says of its alerts, by its key in the file.
pub fn conditions(rules: &RuleSet, rule: &Rule) -> Vec<(&'static str, String)> {
    let [from, to] = rules.places_of(rule);
    let mut all = vec![
        ("kind", rule.kind.name().to_owned()),
        ("from", side(rules, rule.from, &from)),
        ("to", side(rules, rule.to, &to)),
        ("protocol", traffic(rules, &rule.traffic)),
        ("may", verbs(rule.verbs)),
    ];
    if let Some(words) = rule.protocol {
        if let Some(devices) = &rule.devices {
            all.push((words.device_key, list(devices.iter().map(u32::to_string))));
        }
        let codes = rule.functions.as_ref().map(|codes| ("functions", functions(words, codes)));
        let points = rule.points.as_ref();
        let points =
            points.map(|spans| ("points", list(Span::joined(spans).iter().map(|own| span(words, own)))));
        let kinds = rule.objects.iter().flatten().map(|(space, variant)| object(words, *space, *variant));
        let objects = rule.objects.as_ref().map(|_| ("objects", list(sorted(kinds))));
        let own: Vec<String> = match rule.named.limited {
            true => rule
                .named
                .points()
                .iter()
                .filter_map(|point| {
                    Some(format!("{} of {}", point.limits.as_ref()?, span(words, &point.span)))
                })
                .collect(),
            false => Vec::new(),
        };
        let own = (!own.is_empty()).then(|| ("values of points", list(own)));
        all.extend([codes, points, objects, own].into_iter().flatten());
    }
    let key = match rule.traffic {
        Traffic::Other(Carrier::Ip) => "ip-protocol",
        Traffic::Other(Carrier::Ethernet) => "ethertype",
        _ => "port",
    };
    let ports = rule.ports.as_ref().map(|ports| (key, list(sorted(ports.iter().map(port)))));
    let relaxed = rule.relaxed.iter().filter_map(|number| rules.maintenance().get(*number as usize));
    let relaxed: Vec<String> = relaxed.map(|window| window.name.clone()).collect();
    all.extend(
        [
            ports,
            rule.values.as_ref().map(|limits| ("values", limits.to_string())),
            (!rule.scale.is_plain()).then(|| ("scale", scale(&rule.scale))),
            rule.change.map(|change| ("change", change.to_string())),
            rule.rate.map(|rate| ("rate", rate.to_string())),
            rule.during.as_ref().map(|windows| ("during", windows.to_string())),
            rule.every.map(|nanos| ("every", Lapse(nanos).to_string())),
            (!relaxed.is_empty()).then(|| ("relaxed by", list(sorted(relaxed)))),
            rule.severity.map(|severity| ("severity", severity.name().to_owned())),
            rule.summary.clone().map(|summary| ("summary", summary)),
            rule.advice.clone().map(|advice| ("advice", advice)),
            (!rule.attack.is_empty()).then(|| ("attack", list(sorted(rule.attack.clone())))),
        ]
        .into_iter()
        .flatten(),
    );
    all
}

/// What a message is, where it fails a condition of a rule.
pub struct Failure {
    /// The condition, by its key in the file.
    pub key: &'static str,
    /// What the message has.
    pub has: String,
    /// What the rule says.
    pub says: String,
}

/// "values: the message has 900 at holding register 101; the rule says 0 to 450".
impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: the message has {}; the rule says {}", self.key, self.has, self.says)
    }
}

fn one(range: PointRange, index: u32) -> PointRange {
    PointRange { first: index, last: index, ..range }
}

fn measured(value: Option<Seen>, scale: &Scale) -> String {
    let number = match value {
        None => return "no value".to_owned(),
        Some(Seen::Int(number)) if !scale.is_plain() => number as f64,
        Some(Seen::Float(number)) => number,
        Some(whole @ Seen::Int(_)) if !scale.measure.is_empty() => {
            return format!("{whole} {}", scale.measure);
        }
        Some(other) => return other.to_string(),
    };
    // A factor such as 0.1 leaves digits that nobody wrote.
    let rounded = (scale.of(number) * 1e9).round() / 1e9;
    if scale.measure.is_empty() { rounded.to_string() } else { format!("{rounded} {}", scale.measure) }
}

/// Why a message of a control protocol does not meet a condition of a rule.
pub fn failure(rules: &RuleSet, rule: &Rule, failed: &Failed, event: &Event<'_>) -> Failure {
    let proto = event.proto;
    let said = |key: &'static str, has: String| {
        let own = conditions(rules, rule).into_iter().find(|(own, _)| *own == key);
        Failure { key, has, says: own.map_or_else(|| "nothing of it".to_owned(), |(_, says)| short(says)) }
    };
    let scale_at = |range: &PointRange, index: u32| rule.scale(event, range.space, index);
    match failed {
        Failed::From(_) | Failed::To(_) | Failed::Port | Failed::Protocol => {
            about(rules, rule, failed, event.flow, proto.name)
        }
        Failed::Device => {
            let has = event.device.map_or_else(|| "none".to_owned(), |device| device.to_string());
            said(proto.device_key, has)
        }
        Failed::Verb(verb) => said("may", verb.name().to_owned()),
        Failed::Function => {
            said("functions", event.function.map_or_else(|| "none".to_owned(), |code| function(proto, code)))
        }
        Failed::Point { range, index } => said("points", proto.point_name(one(*range, *index)).to_string()),
        Failed::NoPoints if rule.points.is_some() => said("points", "none".to_owned()),
        Failed::NoPoints if rule.objects.is_some() => said("objects", "none".to_owned()),
        Failed::NoPoints => said("values", "no point".to_owned()),
        Failed::Object(range) => said("objects", object(proto, range.space, range.variant)),
        Failed::During => said("during", rules.calendar().local(event.ts).to_string()),
        Failed::Value { range, index, value } => {
            let point = proto.point_name(one(*range, *index));
            let limits = rule.limits(event, range.space, *index).map(ToString::to_string);
            let has = format!("{} at {point}", measured(*value, scale_at(range, *index)));
            Failure { key: "values", has, says: limits.unwrap_or_else(|| "nothing of this point".to_owned()) }
        }
        Failed::Change { range, index, before, value } => {
            let (scale, point) = (scale_at(range, *index), proto.point_name(one(*range, *index)));
            let value = measured(*value, scale);
            let has = match before {
                Some(before) => {
                    format!("{value} at {point} after {}", measured(Some(Seen::Float(*before)), scale))
                }
                None => format!("{value} at {point}, which is no such jump"),
            };
            let most = rule.change.map_or_else(String::new, |change| change.to_string());
            let most = if scale.measure.is_empty() { most } else { format!("{most} {}", scale.measure) };
            let says = match rule.kind {
                super::RuleKind::Deny => format!("more than {most}"),
                _ => format!("{most} at most"),
            };
            Failure { key: "change", has, says }
        }
        Failed::Rate => said("rate", rate(rule)),
        Failed::Maintenance(window) => maintained(rules, *window),
    }
}

fn maintained(rules: &RuleSet, window: u32) -> Failure {
    let window = rules.maintenance().get(window as usize);
    let name = window.map_or("?", |window| window.name.as_str());
    Failure { key: "maintenance", has: format!("the window '{name}'"), says: "it is relaxed then".to_owned() }
}

fn rate(rule: &Rule) -> String {
    match rule.kind {
        super::RuleKind::Deny => "fewer like it before it".to_owned(),
        _ => "as many like it before it".to_owned(),
    }
}

/// Why a conversation of no control protocol does not meet a condition of a rule.
pub fn failure_of(rules: &RuleSet, rule: &Rule, failed: &Failed, flow: &Flow, ts: Timestamp) -> Failure {
    match failed {
        Failed::During => {
            let says = rule.during.as_ref().map_or_else(String::new, ToString::to_string);
            Failure { key: "during", has: rules.calendar().local(ts).to_string(), says }
        }
        Failed::Maintenance(window) => maintained(rules, *window),
        _ => about(rules, rule, failed, flow, transport(flow)),
    }
}

/// The word for what carries a conversation.
pub fn transport(flow: &Flow) -> &'static str {
    match flow.transport {
        crate::address::Transport::Tcp => "tcp",
        crate::address::Transport::Udp => "udp",
        crate::address::Transport::Ip(1 | 58) => "icmp",
        crate::address::Transport::Ip(_) => "ip",
        crate::address::Transport::Ethernet(_) => "ethernet",
    }
}

fn about(rules: &RuleSet, rule: &Rule, failed: &Failed, flow: &Flow, protocol: &str) -> Failure {
    let [from, to] = rules.places_of(rule);
    let at = |sender: bool| end(rules, if sender { End::sender(flow) } else { End::receiver(flow) });
    match failed {
        Failed::From(reversed) => {
            Failure { key: "from", has: at(!reversed), says: short(side(rules, rule.from, &from)) }
        }
        Failed::To(reversed) => {
            Failure { key: "to", has: at(*reversed), says: short(side(rules, rule.to, &to)) }
        }
        Failed::Port => {
            let keys = ["port", "ip-protocol", "ethertype"];
            let says = conditions(rules, rule).into_iter().find(|(key, _)| keys.contains(key));
            let (key, says) = says.unwrap_or(("port", String::new()));
            Failure { key, has: number(rule.traffic, flow.transport, flow.dst.port).to_string(), says }
        }
        _ => Failure { key: "protocol", has: protocol.to_owned(), says: traffic(rules, &rule.traffic) },
    }
}
