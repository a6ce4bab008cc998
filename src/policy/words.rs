//! A rule said in one or two plain sentences, for people who do not read rule files: "scada may write holding
//! registers 100 to 103 of plc-3 in Modbus, values 0 to 450, at most 12 a minute, Mon-Fri 06:00-22:00."
//!
//! Every condition of a rule is said. Of what it says about its alerts, severity and techniques are; its own summary and
//! advice stand in the alerts themselves.

use super::calendar::{Lapse, Rate};
use super::places::Place;
use super::rule::{Carrier, Rule, RuleKind, Span, Traffic, Verbs};
use super::said;
use super::set::{ANYONE, RuleSet};
use crate::event::{PointRange, Verb, Vocabulary};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Names, points and the like of one rule that are said before the rest is counted.
const SHOWN: usize = 6;

/// What a rule says, as one or two sentences. Names come from rule files: whoever prints it must escape it.
pub fn words(rule: &Rule, rules: &RuleSet) -> String {
    let speaker = Speaker { rule, rules };
    let mut text = match rule.kind {
        RuleKind::Allow => speaker.allows(),
        RuleKind::Deny => speaker.denies(),
        RuleKind::Expect => speaker.expects(),
    };
    text.push('.');
    let windows = rule.relaxed.iter().filter_map(|number| rules.maintenance().get(*number as usize));
    let windows: Vec<String> = windows.map(|window| format!("'{}'", window.name)).collect();
    if !windows.is_empty() {
        let _ = write!(text, " It is relaxed during the maintenance {}.", joined(windows, "and"));
    }
    let severity = rule.severity.map(|severity| format!("are of severity {}", severity.name()));
    let attack = (!rule.attack.is_empty()).then(|| format!("name {}", joined(rule.attack.clone(), "and")));
    let alerts: Vec<String> = severity.into_iter().chain(attack).collect();
    if !alerts.is_empty() {
        let _ = write!(text, " Its alerts {}.", joined(alerts, "and"));
    }
    text
}

/// "a", "a and b", "a, b and c"; cut where it is long.
fn joined(mut all: Vec<String>, word: &str) -> String {
    if all.len() > SHOWN + 1 {
        let more = all.len() - SHOWN;
        all.truncate(SHOWN);
        all.push(format!("{more} more"));
    }
    match all.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {word} {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// A word for several of it.
fn plural(word: &str) -> String {
    if word.ends_with('s') { format!("{word}es") } else { format!("{word}s") }
}

/// "12 a minute", "12 in 30s".
fn often(rate: Rate) -> String {
    let unit = match Lapse(rate.nanos).to_string().as_str() {
        "1s" => "a second",
        "1min" => "a minute",
        "1h" => "an hour",
        "1d" => "a day",
        _ => return format!("{} in {}", rate.count, Lapse(rate.nanos)),
    };
    format!("{} {unit}", rate.count)
}

/// What places, in order, are called: the names that cover them, then what is left as addresses.
fn called(rules: &RuleSet, places: &[Place]) -> Vec<String> {
    let within =
        |own: &[Place]| !own.is_empty() && own.iter().all(|place| places.binary_search(place).is_ok());
    let same = |own: &[Place]| {
        own.len() >= places.len() && within(own) && places.iter().all(|place| own.contains(place))
    };
    if let Some(named) = rules.names().iter().find(|named| same(&named.places)) {
        return vec![named.name.clone()];
    }
    if let Some(zone) = rules.zones().iter().find(|zone| same(&zone.places)) {
        return vec![format!("the zone {}", zone.name)];
    }
    let mut said: BTreeSet<&Place> = BTreeSet::new();
    let mut names = Vec::new();
    let hosts = rules.names().iter().filter(|named| !named.is_group);
    for named in hosts.filter(|named| within(&named.places)) {
        // Two names for the same place are one.
        let before = said.len();
        said.extend(&named.places);
        names.extend((said.len() > before).then(|| named.name.clone()));
    }
    names.extend(places.iter().filter(|place| !said.contains(place)).map(ToString::to_string));
    names
}

struct Speaker<'r> {
    rule: &'r Rule,
    rules: &'r RuleSet,
}

impl Speaker<'_> {
    fn allows(&self) -> String {
        let [from, to] = self.ends("or");
        let from = if self.rule.from == ANYONE { "Anyone".to_owned() } else { from };
        format!("{from} may {}{}", self.deeds(&to), self.conditions())
    }

    fn denies(&self) -> String {
        let [from, to] = self.ends("or");
        let who = if self.rule.from == ANYONE { "Nobody may".to_owned() } else { format!("{from} may not") };
        let deeds = self.deeds(&to);
        format!("{who} {deeds}{}; this alerts even where another rule allows it", self.conditions())
    }

    fn expects(&self) -> String {
        let rule = self.rule;
        let [from, _] = self.ends("or");
        let from = if rule.from == ANYONE { "somebody".to_owned() } else { from };
        let places = self.rules.places_of(rule);
        let to = called(self.rules, places.get(1).map_or(&[], Vec::as_slice));
        let who = match to.as_slice() {
            [] => "Somebody".to_owned(),
            [one] => one.clone(),
            _ if places.get(1).is_some_and(|all| all.iter().all(Place::is_single)) => {
                format!("Each of {}", joined(to, "and"))
            }
            _ => format!("One of {}", joined(to, "and")),
        };
        let every = rule.every.map(|nanos| Lapse(nanos).to_string()).unwrap_or_default();
        let mut text = format!("{who} is to answer {from}{} at least every {every}", self.protocol());
        let of = self.points().map(|points| format!(" of {points}")).unwrap_or_default();
        let device = self.device().map(|device| format!(" of {device}")).unwrap_or_default();
        if rule.verbs != Verbs::ANY {
            let verbs = rule.verbs.iter().map(|verb| verb.name().to_owned()).collect();
            let _ = write!(text, ", when asked to {}{of}{device}", joined(verbs, "or"));
        } else if !of.is_empty() || !device.is_empty() {
            let _ = write!(text, ", when asked for {}", format!("{of}{device}").trim_start_matches(" of "));
        }
        if let Some(functions) = self.functions() {
            let _ = write!(text, ", by {functions}");
        }
        text.push_str(&self.during());
        text
    }

    /// The sender and the receiver.
    fn ends(&self, word: &str) -> [String; 2] {
        let [from, to] = self.rules.places_of(self.rule);
        let called = |set: u32, places: &[Place]| match called(self.rules, places) {
            _ if set == ANYONE => "anyone".to_owned(),
            none if none.is_empty() => "nobody".to_owned(),
            names => joined(names, word),
        };
        [called(self.rule.from, &from), called(self.rule.to, &to)]
    }

    /// " in Modbus", " in Modbus or DNP3".
    fn protocol(&self) -> String {
        match self.rule.traffic {
            Traffic::Control | Traffic::Any | Traffic::Other(_) => String::new(),
            Traffic::Protocols(_) => {
                let named = self.rules.vocabularies().iter().filter(|words| self.rule.traffic.covers(words));
                format!(" in {}", joined(named.map(|words| words.title.to_owned()).collect(), "or"))
            }
        }
    }

    /// The points in words, with the names that engineers gave them.
    fn points(&self) -> Option<String> {
        let (words, spans) = (self.rule.protocol?, self.rule.points.as_deref()?);
        let named = self.rule.named.points();
        let own = |span: &Span| named.iter().find(|point| point.span == *span);
        // A run that is a named point is said by its name; the others are put together.
        let plain: Vec<Span> = spans.iter().filter(|span| own(span).is_none()).copied().collect();
        let mut all: Vec<String> = Span::joined(&plain).iter().map(|span| run(words, span)).collect();
        let mut seen: Vec<&str> = Vec::new();
        for point in named.iter().filter(|point| spans.contains(&point.span)) {
            if !seen.contains(&point.name.as_str()) && seen.len() <= SHOWN * 2 {
                seen.push(&point.name);
            }
        }
        all.extend(seen.into_iter().map(|name| format!("'{name}'")));
        Some(joined(all, "and"))
    }

    /// "unit 1", "units 2 and 3".
    fn device(&self) -> Option<String> {
        let (words, devices) = (self.rule.protocol?, self.rule.devices.as_deref()?);
        let title = match devices {
            [_] => words.device_title.to_owned(),
            _ => plural(words.device_title),
        };
        Some(format!("{title} {}", joined(devices.iter().map(u32::to_string).collect(), "and")))
    }

    fn functions(&self) -> Option<String> {
        let (words, codes) = (self.rule.protocol?, self.rule.functions.as_deref()?);
        let name = |code: &u16| match words.function_name(*code) {
            Some(name) => name.to_owned(),
            None => format!("function {code}"),
        };
        let mut codes = codes.to_vec();
        codes.sort_unstable();
        codes.dedup();
        Some(joined(codes.iter().map(name).collect(), "or"))
    }

    /// What may be done, with its object.
    fn deeds(&self, to: &str) -> String {
        let rule = self.rule;
        match rule.traffic {
            Traffic::Any => return format!("speak anything with {to}"),
            Traffic::Other(carrier) => return self.conversation(carrier, to),
            Traffic::Control | Traffic::Protocols(_) => {}
        }
        let whom = match self.device() {
            Some(device) => format!("{device} of {to}"),
            None => to.to_owned(),
        };
        let points = self.points();
        let place = match &points {
            Some(points) => format!("{points} of {whom}"),
            None => whom.clone(),
        };
        let protocol = match rule.traffic {
            Traffic::Control => " in any control protocol".to_owned(),
            _ => self.protocol(),
        };
        if rule.verbs == Verbs::ANY {
            let on = if points.is_some() { "on" } else { "with" };
            return match self.functions() {
                Some(functions) => format!("use {functions} {on} {place}{protocol}"),
                None => format!("do anything {on} {place}{protocol}"),
            };
        }
        let all: Vec<Verb> = rule.verbs.iter().collect();
        let about_points = |verb: &Verb| {
            matches!(verb, Verb::Read | Verb::Write | Verb::Select | Verb::Operate | Verb::Configure)
        };
        let (touching, other): (Vec<Verb>, Vec<Verb>) = all.into_iter().partition(about_points);
        let word = if rule.kind == RuleKind::Deny { "or" } else { "and" };
        let mut deeds = Vec::new();
        if !touching.is_empty() {
            let names = touching.iter().map(|verb| verb.name().to_owned()).collect();
            let of = if points.is_some() { place } else { format!("any point of {whom}") };
            deeds.push(format!("{} {of}", joined(names, word)));
        }
        for verb in other {
            let object = if deeds.is_empty() { whom.as_str() } else { "it" };
            let points = points.as_deref().filter(|_| verb == Verb::Report);
            deeds.push(deed(verb, object, points));
        }
        let functions = self.functions().map(|functions| format!(" by {functions}")).unwrap_or_default();
        format!("{}{functions}{protocol}", joined(deeds, word))
    }

    fn conversation(&self, carrier: Carrier, to: &str) -> String {
        let numbers = |hex: bool| {
            let one = |range: &std::ops::RangeInclusive<u16>| match (range.start(), range.end()) {
                (a, b) if a == b && hex => format!("{a:#06x}"),
                (a, b) if hex => format!("{a:#06x} to {b:#06x}"),
                (a, b) if a == b => a.to_string(),
                (a, b) => format!("{a} to {b}"),
            };
            let ports = self.rule.ports.as_deref()?;
            let several = ports.len() > 1 || ports.iter().any(|range| range.start() != range.end());
            Some((joined(ports.iter().map(one).collect(), "or"), several))
        };
        let port = match numbers(false) {
            Some((ports, true)) => format!("ports {ports}"),
            Some((ports, false)) => format!("port {ports}"),
            None => "any port".to_owned(),
        };
        match carrier {
            Carrier::Tcp => format!("open TCP connections to {port} of {to}"),
            Carrier::Udp => format!("send UDP to {port} of {to}"),
            Carrier::Icmp => format!("send ICMP to {to}"),
            Carrier::Ip => match numbers(false) {
                Some((numbers, _)) => format!("send IP protocol {numbers} to {to}"),
                None => format!("send any IP protocol to {to}"),
            },
            Carrier::Ethernet => match numbers(true) {
                Some((numbers, _)) => format!("send Ethernet frames of type {numbers} to {to}"),
                None => format!("send Ethernet frames without IP to {to}"),
            },
        }
    }

    /// What follows behind a comma: kinds of object, values, change, rate, time.
    fn conditions(&self) -> String {
        let rule = self.rule;
        let denies = rule.kind == RuleKind::Deny;
        let mut parts = Vec::new();
        if let (Some(objects), Some(words)) = (&rule.objects, rule.protocol) {
            let kinds = objects.iter().map(|(space, kind)| format!("{}v{kind}", words.space_name(*space)));
            parts.push(format!("as {}", joined(kinds.collect(), "or")));
        }
        if let Some(limits) = &rule.values {
            parts.push(format!("values {limits}"));
        }
        parts.extend(self.own_limits());
        if !rule.scale.is_plain() && (rule.values.is_some() || rule.change.is_some()) {
            parts.push(format!("the number on the wire {}", said::scale(&rule.scale)));
        }
        if let Some(change) = rule.change {
            let most = change.said_in(&rule.scale.measure);
            let how = if denies { format!("by more than {most}") } else { format!("by {most} at most") };
            let since = if change.per.is_none() { " from one write to the next" } else { "" };
            parts.push(format!("changing {how}{since}"));
        }
        if let Some(rate) = rule.rate {
            parts.push(format!("{} {}", if denies { "more than" } else { "at most" }, often(rate)));
        }
        let text: String = parts.iter().map(|part| format!(", {part}")).collect();
        text + &self.during()
    }

    /// The limits that named points have of their own.
    fn own_limits(&self) -> Option<String> {
        if !self.rule.named.limited {
            return None;
        }
        let limited = self.rule.named.points().iter();
        let limited =
            limited.filter_map(|point| Some(format!("'{}' {}", point.name, point.limits.as_ref()?)));
        let mut all: Vec<String> = limited.take(SHOWN * 100).collect();
        all.dedup();
        Some(format!("values within the limits of each point ({})", joined(all, "and")))
    }

    fn during(&self) -> String {
        self.rule.during.as_ref().map_or_else(String::new, |windows| format!(", {windows}"))
    }
}

/// What is done with a device as a whole.
fn deed(verb: Verb, to: &str, points: Option<&str>) -> String {
    match verb {
        Verb::Program => format!("move logic or firmware to or from {to}"),
        Verb::Restart => format!("restart, stop or start {to}"),
        Verb::Time => format!("set or ask the time of {to}"),
        Verb::File => format!("work on files of {to}"),
        Verb::Identify => format!("ask {to} what it is"),
        Verb::Diagnose => format!("run diagnostics on {to}"),
        Verb::Report => match points {
            Some(points) => format!("report {points} to {to}"),
            None => format!("report to {to}"),
        },
        Verb::Session => format!("open and keep a session with {to}"),
        Verb::Authenticate => format!("authenticate to {to} or change its keys"),
        Verb::Other => format!("send other commands to {to}"),
        Verb::Read | Verb::Write | Verb::Select | Verb::Operate | Verb::Configure => {
            format!("{} {to}", verb.name())
        }
    }
}

/// A run of points in an operator's words.
fn run(words: &'static Vocabulary, span: &Span) -> String {
    let last = if span.first == 0 { span.last } else { span.last.min(words.max_index) };
    let (verb, valued) = (Verb::Read, false);
    words
        .point_name(PointRange { space: span.space, variant: 0, first: span.first, last, verb, valued })
        .to_string()
}
