//! The sentence: who did what to which points of whom, and what the rules say of it.
//!
//! Names and limits are put into words once, when a group of messages begins; what they add up to is put in when
//! the sentence is asked for. Names come from rule files and the rest from the wire: whoever prints the sentence
//! must escape it.

use super::gathered::Gathered;
use crate::address::{Address, Transport};
use crate::event::{Event, Flow, Kind, PointRange, Space, Verb, Vocabulary};
use crate::policy::calendar::Lapse;
use crate::policy::{End, Place, Rule, RuleSet, Seen, Silence, Verdict, Who, Why, device_end};
use std::fmt::Write as _;

/// What stays the same while a group of messages grows.
#[derive(Debug)]
pub(super) struct Story {
    subject: String,
    object: String,
    words: &'static Vocabulary,
    verb: Verb,
    /// The names that engineers gave to its first points.
    named: Vec<(Space, u32, String)>,
    /// The value that broke a limit.
    value: Option<String>,
    /// The end of the sentence: what the rules say.
    reason: String,
    /// Only the answer to it was seen.
    answer_only: bool,
    /// A sentence of the rule's own, and the rule's name.
    own: Option<(String, String)>,
    /// Both ends without a word about whether they are known.
    ends: (String, String),
    known: bool,
}

/// How an end of a flow is called where nothing is said of whether it is known.
pub(super) fn bare(rules: &RuleSet, flow: &Flow, sender: bool) -> String {
    let end = if sender { End::sender(flow) } else { End::receiver(flow) };
    match rules.who(end) {
        Who::Host(name) => name.to_owned(),
        Who::Within(name) => format!("{} ({name})", end.address),
        Who::Unknown => end.address.to_string(),
    }
}

/// Whether the files know an end of a flow.
pub(super) fn is_known(rules: &RuleSet, flow: &Flow, sender: bool) -> bool {
    rules.who(if sender { End::sender(flow) } else { End::receiver(flow) }) != Who::Unknown
}

/// A run of points of a message in words, with the name that engineers gave it.
pub(super) fn point_said(run: PointRange, event: &Event<'_>, rules: &RuleSet, answer: bool) -> String {
    let words = event.proto.point_name(run).to_string();
    let end = if answer { End::sender(event.flow) } else { device_end(event) };
    let point = rules.point(end, event.proto.id, event.device, (run.space, run.first));
    match point.filter(|_| run.first == run.last) {
        Some(point) => format!("{} ({words})", point.name),
        None => words,
    }
}

/// Fills the placeholders of a rule's own text: who, whom, value, point, rule. One pass: a name that looks like a
/// placeholder is not filled again.
pub(super) fn fill(text: &str, places: &[&str; 5]) -> String {
    let keys = ["{src}", "{dst}", "{value}", "{point}", "{rule}"];
    let mut out = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let known = keys.iter().zip(places).find_map(|(key, with)| Some((with, from.strip_prefix(*key)?)));
        match known {
            Some((with, after)) => {
                out.push_str(with);
                rest = after;
            }
            None => {
                out.push('{');
                rest = from.get(1..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    out
}

/// How an end of a flow is called. `start` begins a sentence.
fn called(rules: &RuleSet, flow: &Flow, sender: bool, start: bool) -> String {
    let end = if sender { End::sender(flow) } else { End::receiver(flow) };
    match rules.who(end) {
        Who::Host(name) => name.to_owned(),
        Who::Within(name) => format!("{} ({name})", end.address),
        Who::Unknown if start => format!("An unknown device {}", end.address),
        Who::Unknown => format!("the unknown device {}", end.address),
    }
}

impl Story {
    pub(super) fn of_event(event: &Event<'_>, verdict: &Verdict, rules: &RuleSet, asks: bool) -> Story {
        let words = event.proto;
        let (rule, why) = match verdict {
            Verdict::Denied { rule } => (rules.rule(*rule), None),
            Verdict::NotAllowed { nearest, why } => (nearest.and_then(|id| rules.rule(id)), Some(why)),
            Verdict::Allowed { .. } | Verdict::NotJudged => (None, None),
        };
        let (verb, value) = match why {
            Some(Why::Value { range, index, value } | Why::Change { range, index, value, .. }) => {
                (range.verb, Some(measured(*value, rule, event, range.space, *index)))
            }
            Some(Why::ValueUnknown { range, .. } | Why::Outside { range, .. } | Why::Object { range }) => {
                (range.verb, None)
            }
            _ => (event.verb, None),
        };
        let reads_unbidden = why == Some(&Why::NoRule) && event.verb == Verb::Read;
        let device = event.device.filter(|device| (words.names_device)(*device) && !reads_unbidden);
        let object = match device {
            Some(device) => {
                format!("{} {device} of {}", words.device_title, called(rules, event.flow, !asks, false))
            }
            None => called(rules, event.flow, !asks, false),
        };
        let reason = match (why, rule) {
            (None, Some(rule)) => format!("; the rule '{}' forbids it", rule.name),
            (Some(why), rule) => reason(event, verb, why, rule, &object, rules),
            (None, None) => String::new(),
        };
        let own = rule
            .filter(|_| speaks_for(why))
            .and_then(|rule| Some((rule.summary.clone()?, rule.name.clone())));
        Story {
            subject: called(rules, event.flow, asks, true),
            named: named(event, rules, asks),
            object,
            words,
            verb,
            value,
            reason,
            answer_only: event.kind == Kind::Response,
            own,
            ends: (bare(rules, event.flow, asks), bare(rules, event.flow, !asks)),
            known: is_known(rules, event.flow, asks),
        }
    }

    /// The sentence, for what has been gathered so far from this many messages.
    pub(super) fn sentence(&self, gathered: &Gathered, count: u64) -> String {
        if let Some((text, rule)) = &self.own {
            return self.fill(text, rule, gathered);
        }
        let mut text = format!("{} {}", self.subject, self.deed(gathered, count));
        if self.answer_only {
            text.push_str(" (only the answer was seen)");
        }
        text.push_str(&self.reason);
        text.push('.');
        text
    }

    fn fill(&self, text: &str, rule: &str, gathered: &Gathered) -> String {
        let value = match (&self.value, gathered.values.first()) {
            (Some(value), _) => value.clone(),
            (None, Some(kept)) => kept.value().to_string(),
            (None, None) => String::new(),
        };
        let points = self.points(gathered, 1).map_or(String::new(), |(points, _)| points);
        fill(text, &[&self.subject, &self.object, &value, &points, rule])
    }

    /// The points in words, with what follows the name of their device.
    fn points(&self, gathered: &Gathered, count: u64) -> Option<(String, String)> {
        let name = |run: &PointRange| {
            let words = self.words.point_name(*run);
            let same = |(space, index, _): &&(Space, u32, String)| (*space, *index) == (run.space, run.first);
            match self.named.iter().find(same).filter(|_| run.first == run.last) {
                Some((_, _, name)) => format!("{name} ({words})"),
                None => words.to_string(),
            }
        };
        let total = gathered.total_points();
        match gathered.points.as_slice() {
            [] => None,
            [run] if count == 1 || total <= 16 || run.is_all() => Some((name(run), String::new())),
            [run] => Some((format!("{total} points"), format!(" ({})", name(run)))),
            [a, b] => Some((format!("{} and {}", name(a), name(b)), String::new())),
            all if all.iter().any(PointRange::is_all) => {
                let names: Vec<String> = all.iter().filter(|run| run.is_all()).take(3).map(name).collect();
                Some((format!("{} and others", names.join(", ")), String::new()))
            }
            [first, rest @ ..] => {
                let more = (rest.len() as u64).saturating_add(gathered.more_points);
                let least = if gathered.more_points > 0 { "over " } else { "" };
                Some((format!("{least}{total} points"), format!(" ({} and {more} more ranges)", name(first))))
            }
        }
    }

    /// Who did it to whom, as sentences name them.
    pub(super) fn ends(&self) -> (&str, &str) {
        let (who, whom) = &self.ends;
        (who, whom)
    }

    /// Whether the files know who did it.
    pub(super) fn is_known(&self) -> bool {
        self.known
    }

    /// The value that broke a limit.
    pub(super) fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// What was done, in the past tense, with its object.
    fn deed(&self, gathered: &Gathered, count: u64) -> String {
        let whom = &self.object;
        let function = self.functions(gathered);
        let Some((points, behind)) = self.points(gathered, count) else {
            return self.deed_without_points(&function);
        };
        let where_ = format!("{points} of {whom}{behind}");
        match self.verb {
            Verb::Read => format!("read {where_}"),
            Verb::Write => match self.values(gathered, count) {
                Some(state) if state == "on" || state == "off" => format!("switched {where_} {state}"),
                Some(values) => format!("wrote {values} to {where_}"),
                None => format!("wrote to {where_}"),
            },
            Verb::Select | Verb::Operate => {
                let done = if self.verb == Verb::Select { "selected" } else { "operated" };
                let value = self.values(gathered, count);
                let value = value.map_or(String::new(), |value| format!(" with {value}"));
                format!("{done} {where_}{value}")
            }
            Verb::Configure => format!("changed the settings of {where_}{function}"),
            Verb::Report => format!("reported {points} to {whom}{behind}"),
            _ => format!("{} ({points}{behind})", self.deed_without_points(&function)),
        }
    }

    /// The values in words: the one that broke a limit, else the first message's if they are few.
    fn values(&self, gathered: &Gathered, count: u64) -> Option<String> {
        let others = if gathered.values.len() > 1 { " and other values" } else { "" };
        if let Some(value) = &self.value {
            return Some(format!("{value}{others}"));
        }
        let all: Vec<String> = gathered.values.iter().take(5).map(|kept| kept.value().to_string()).collect();
        match all.as_slice() {
            [] | [_, _, _, _, _, ..] => None,
            [one] => Some(one.clone()),
            [first, ..] if count > 1 => Some(format!("{first}{others}")),
            few => Some(few.join(", ")),
        }
    }

    fn deed_without_points(&self, function: &str) -> String {
        let whom = &self.object;
        match self.verb {
            Verb::Read => format!("read from {whom}{function}"),
            Verb::Write => format!("wrote to {whom}{function}"),
            Verb::Select => format!("selected a control of {whom}{function}"),
            Verb::Operate => format!("operated a control of {whom}{function}"),
            Verb::Configure => format!("changed the settings of {whom}{function}"),
            Verb::Program => format!("moved logic or firmware to or from {whom}{function}"),
            Verb::Restart => format!("told {whom} to restart, stop or start{function}"),
            Verb::Time => format!("set or asked the time of {whom}{function}"),
            Verb::File => format!("worked on files of {whom}{function}"),
            Verb::Identify => format!("asked {whom} what it is{function}"),
            Verb::Diagnose => format!("ran diagnostics on {whom}{function}"),
            Verb::Report => format!("sent {whom} a report{function}"),
            Verb::Session => format!("opened or kept a {} session with {whom}", self.words.title),
            Verb::Authenticate => format!("authenticated to {whom} or changed its keys{function}"),
            Verb::Other => format!("sent {whom} a command{function}"),
        }
    }

    /// The functions in brackets: by the standard's name, the first three.
    fn functions(&self, gathered: &Gathered) -> String {
        let name = |code: &u16| match self.words.function_name(*code) {
            Some(name) => name.to_owned(),
            None => format!("function {code}"),
        };
        let names: Vec<String> = gathered.functions.iter().take(3).map(name).collect();
        match gathered.functions.len() {
            0 => String::new(),
            1..=3 => format!(" ({})", names.join(", ")),
            many => format!(" ({} and {} more functions)", names.join(", "), many - 3),
        }
    }
}

/// Whether a rule's own severity, techniques and sentence are about this.
pub(super) fn speaks_for(why: Option<&Why>) -> bool {
    matches!(
        why,
        None | Some(
            Why::Value { .. } | Why::ValueUnknown { .. } | Why::Change { .. } | Why::Rate | Why::When
        )
    )
}

/// Whether the sentence names the nearest rule.
pub(super) fn names_rule(why: &Why) -> bool {
    !matches!(why, Why::NoRule | Why::Verb(_) | Why::Function | Why::Conduit { .. })
}

/// What the rules say, as the end of a sentence.
fn reason(
    event: &Event<'_>,
    verb: Verb,
    why: &Why,
    rule: Option<&Rule>,
    object: &str,
    rules: &RuleSet,
) -> String {
    let none = || ", which no rule allows".to_owned();
    match (why, rule) {
        (Why::NoRule, _) if event.verb == Verb::Report => {
            format!("; no rule lets it send {} to {object}", event.proto.title)
        }
        (Why::NoRule, _) => format!("; no rule lets it speak {} to {object}", event.proto.title),
        (Why::Conduit { .. }, _) => crossing(why, rules, event.proto.title).unwrap_or_default(),
        (Why::Verb(_), _) => format!("; no rule lets it {} there", infinitive(verb)),
        (_, None) | (Why::Function, _) => none(),
        (Why::Device, Some(rule)) => {
            let title = event.proto.device_title;
            let which = |devices: &[u32]| {
                let some: Vec<String> = devices.iter().take(4).map(u32::to_string).collect();
                format!("{}{}", some.join(", "), if devices.len() > 4 { ", …" } else { "" })
            };
            let unsaid = event.device.filter(|device| !(event.proto.names_device)(*device));
            let own = unsaid.map_or(String::new(), |device| format!(" at {title} {device}"));
            let devices = which(rule.devices.as_deref().unwrap_or_default());
            format!("{own}; the rule '{}' is about {title} {devices} only", rule.name)
        }
        (Why::Outside { range, index }, Some(rule)) if rule.names_elsewhere(range.space, *index) => {
            format!("; the rule '{}' means that point of another device", rule.name)
        }
        (Why::Outside { .. } | Why::NoPoints, Some(rule)) => match rule_points(event.proto, rule) {
            Some(points) => format!("; the rule '{}' allows only {points}", rule.name),
            None => none(),
        },
        (Why::Object { .. }, Some(rule)) => {
            let kinds = rule.objects.iter().flatten().take(4);
            let kinds: Vec<String> = kinds
                .map(|(space, variant)| format!("{}v{variant}", event.proto.space_name(*space)))
                .collect();
            format!("; the rule '{}' allows only {}", rule.name, kinds.join(", "))
        }
        (Why::When, Some(rule)) => {
            let local = rules.calendar().local(event.ts).to_string();
            let windows = rule.during.as_ref().map(ToString::to_string).unwrap_or_default();
            format!(" on {local}; the rule '{}' allows it only {windows}", rule.name)
        }
        (Why::Rate, Some(rule)) => {
            let rate = rule.rate.map(|rate| rate.to_string()).unwrap_or_default();
            format!(" more often than the rule '{}' allows, {rate}", rule.name)
        }
        (Why::Change { range, index, before, .. }, Some(rule)) => {
            let measure = &rule.scale(event, range.space, *index).measure;
            let change = rule.change.map(|change| change.said_in(measure)).unwrap_or_default();
            let before = measured(Seen::Float(*before), Some(rule), event, range.space, *index);
            format!(" after {before}; the rule '{}' lets it change by {change} at most", rule.name)
        }
        (Why::Value { range, index, .. }, Some(rule)) => {
            let limits = limits_of(rule, event, range.space, *index);
            format!("; the rule '{}' allows {limits}", rule.name)
        }
        (Why::ValueUnknown { range, index }, Some(rule)) => {
            let limits = limits_of(rule, event, range.space, *index);
            format!("; the rule '{}' allows {limits}, and the message does not say a value", rule.name)
        }
    }
}

fn infinitive(verb: Verb) -> &'static str {
    match verb {
        Verb::Time => "set or ask the time",
        Verb::File => "work on files",
        Verb::Identify => "ask what is",
        Verb::Diagnose => "run diagnostics",
        Verb::Other => "send such commands",
        Verb::Session => "open a session",
        Verb::Configure => "change settings",
        Verb::Program => "move logic or firmware",
        Verb::Restart => "restart, stop or start anything",
        known => known.name(),
    }
}

/// The limits of a point in a rule's words, with the unit of measure.
pub(super) fn limits_of(rule: &Rule, event: &Event<'_>, space: Space, index: u32) -> String {
    let own = rule.limits(event, space, index);
    // A message without values: what the rule's first named point may be stands for them.
    let first = || rule.named.points().iter().find_map(|point| point.limits.as_ref());
    let Some(limits) = own.or_else(first) else { return String::new() };
    match &*rule.scale(event, space, index).measure {
        measure if limits.scale.measure.is_empty() && !measure.is_empty() => format!("{limits} {measure}"),
        _ => limits.to_string(),
    }
}

/// A value in the unit of measure of a rule's author.
fn measured(value: Seen, rule: Option<&Rule>, event: &Event<'_>, space: Space, index: u32) -> String {
    let number = match value {
        Seen::Int(number) => number as f64,
        Seen::Float(number) => number,
        other => return other.to_string(),
    };
    let Some(scale) = rule.map(|rule| rule.scale(event, space, index)) else { return value.to_string() };
    let shown = if scale.is_plain() {
        value.to_string()
    } else {
        // A factor such as 0.1 leaves digits that nobody wrote.
        let rounded = (scale.of(number) * 1e9).round() / 1e9;
        rounded.to_string()
    };
    if scale.measure.is_empty() { shown } else { format!("{shown} {}", scale.measure) }
}

/// The names of a message's first points, where engineers gave them some.
fn named(event: &Event<'_>, rules: &RuleSet, asks: bool) -> Vec<(Space, u32, String)> {
    const LOOKED_AT: usize = 64;
    if rules.points().is_empty() {
        return Vec::new();
    }
    let end = if asks { device_end(event) } else { End::sender(event.flow) };
    let places = event
        .points
        .iter()
        .flat_map(|range| (range.first..=range.last).take(LOOKED_AT).map(move |index| (range.space, index)));
    places
        .take(LOOKED_AT)
        .filter_map(|(space, index)| {
            let point = rules.point(end, event.proto.id, event.device, (space, index))?;
            Some((space, index, point.name.clone()))
        })
        .collect()
}

/// That no conduit joins two zones, as the end of a sentence.
pub(super) fn crossing(why: &Why, rules: &RuleSet, what: &str) -> Option<String> {
    let Why::Conduit { from, to } = why else { return None };
    let zone = |number: &u16| rules.zones().get(usize::from(*number)).map_or("?", |zone| zone.name.as_str());
    Some(format!("; no conduit carries {what} from zone '{}' to zone '{}'", zone(from), zone(to)))
}

/// The one protocol that a rule is about.
pub(super) fn protocol_of(rule: &Rule) -> Option<&'static Vocabulary> {
    rule.protocol
}

/// Who is silent, and who waits for it; and whether nobody in particular is silent.
pub(super) fn silent(silence: &Silence, rule: &Rule, rules: &RuleSet) -> (String, String, bool) {
    let called = |place: &Place| match place {
        Place::Net(net) if place.is_single() => {
            match rules.name_of(End { address: net.addr().into(), mac: None, vlan: None }) {
                Some(name) => name.to_owned(),
                None => place.to_string(),
            }
        }
        Place::Mac(mac) => {
            let end = End { address: Address::Mac(*mac), mac: Some(*mac), vlan: None };
            rules.name_of(end).map_or_else(|| place.to_string(), str::to_owned)
        }
        _ => place.to_string(),
    };
    let some = |places: &[Place], none: &str| match places {
        [] => none.to_owned(),
        [one] => called(one),
        [one, rest @ ..] => format!("{} or {} others", called(one), rest.len()),
    };
    let [from, to] = rules.places_of(rule);
    let nobody = silence.who.is_none() && to.is_empty();
    let who = silence.who.as_ref().map_or_else(|| some(&to, "Nobody"), called);
    let whom = some(&from, "anyone");
    (who, whom, nobody)
}

/// The sentence of silence where something is expected.
pub(super) fn silence(silence: &Silence, rule: &Rule, rules: &RuleSet) -> String {
    let (who, whom, nobody) = silent(silence, rule, rules);
    let title = protocol_of(rule).map_or(String::new(), |words| format!(" in {}", words.title));
    let lasted = said_time(silence.nanos);
    let every = rule.every.map(|nanos| Lapse(nanos).to_string()).unwrap_or_default();
    if silence.over && nobody {
        return format!(
            "Nobody answered {whom}{title} for {lasted}, and somebody does again; the rule '{}' expects it every {every}.",
            rule.name
        );
    }
    if silence.over {
        return format!(
            "{who} did not answer {whom}{title} for {lasted}, and does again; the rule '{}' expects it every {every}.",
            rule.name
        );
    }
    if let Some(text) = &rule.summary {
        return fill(text, &[&whom, &who, &lasted, "", &rule.name]);
    }
    let not = match (nobody, silence.heard) {
        (true, true) => "has answered",
        (true, false) => "has ever answered",
        (false, true) => "has not answered",
        (false, false) => "has never answered",
    };
    format!("{who} {not} {whom}{title} for {lasted}; the rule '{}' expects it every {every}.", rule.name)
}

/// A time as a person says it: "5.2 s", "63 min", "4 h 10 min".
pub(super) fn said_time(nanos: u64) -> String {
    let seconds = nanos / 1_000_000_000;
    match seconds {
        0..=119 => {
            let tenths = nanos / 100_000_000;
            if tenths.is_multiple_of(10) {
                format!("{seconds} s")
            } else {
                format!("{seconds}.{} s", tenths % 10)
            }
        }
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// The points of a rule in words, the first three runs of them.
fn rule_points(words: &'static Vocabulary, rule: &Rule) -> Option<String> {
    let spans = rule.points.as_deref()?;
    let name = |span: &crate::policy::Span| {
        let last = if span.first == 0 { span.last } else { span.last.min(words.max_index) };
        let verb = Verb::Read;
        let run = PointRange { space: span.space, variant: 0, first: span.first, last, verb, valued: false };
        words.point_name(run).to_string()
    };
    let mut names: Vec<String> = spans.iter().take(3).map(name).collect();
    match spans.len() {
        0 => return None,
        1 => {}
        2 | 3 => {
            let last = names.pop()?;
            return Some(format!("{} and {last}", names.join(", ")));
        }
        many => names.push(format!("{} more ranges", many - 3)),
    }
    Some(names.join(", "))
}

/// The sentence of a message that could not be decoded in full.
pub(super) fn malformed(event: &Event<'_>, rules: &RuleSet) -> String {
    let (subject, object) = (called(rules, event.flow, true, true), called(rules, event.flow, false, false));
    let mut text = format!("{subject} sent {object} a malformed {} message", event.proto.title);
    if let Some(fault) = event.fault {
        // Writing to a String cannot fail.
        let _ = write!(text, ": {}", fault.text);
    }
    text.push('.');
    text
}

/// The sentence of a conversation that is no control protocol.
pub(super) fn conversation(
    flow: &Flow,
    rule: Option<&Rule>,
    zones: Option<String>,
    rules: &RuleSet,
) -> String {
    let (subject, object) = (called(rules, flow, true, true), called(rules, flow, false, false));
    if let Some((rule, text)) = rule.and_then(|rule| Some((rule, rule.summary.as_ref()?))) {
        let port = flow.dst.port.to_string();
        return fill(text, &[&subject, &object, "", &port, &rule.name]);
    }
    let deed = match flow.transport {
        Transport::Tcp => format!("opened a TCP connection to port {} of {object}", flow.dst.port),
        Transport::Udp => format!("sent UDP to port {} of {object}", flow.dst.port),
        Transport::Ip(1 | 58) => format!("sent ICMP to {object}"),
        Transport::Ip(number) => format!("sent IP protocol {number} to {object}"),
        Transport::Ethernet(kind) => format!("sent Ethernet frames of type 0x{kind:04x} to {object}"),
    };
    match rule {
        Some(rule) => format!("{subject} {deed}; the rule '{}' forbids it.", rule.name),
        None => match zones {
            Some(zones) => format!("{subject} {deed}{zones}."),
            None => format!("{subject} {deed}, which no rule allows."),
        },
    }
}
