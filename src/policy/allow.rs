//! "Allow this": the exact rule that would have let a message pass, as text of the language.
//!
//! Flows in: a message, or a conversation of no control protocol, and the verdict on it. Flows out: an [`Allowance`]: the
//! text of `[[allow]]` rules that let it pass and nothing wider, or the reason why no allow rule can, with what else there
//! is to know. Asked once for each alert, never for a message that passes; it costs a few look-ups for each point that the
//! message names, however many rules there are.
//!
//! A rule names the two ends (by their names where the files give them one), the protocol, the device, what is done, and
//! the points that no rule lets be touched so far. Values are named where something is changed: those of the message. A
//! function is named where points and values do not say enough. Values that are reported, and those of answers, are not
//! limited: they change by themselves.

use super::learn::phrases::{and, listed, phrase, point, points_said, quoted};
use super::memory::Memory;
use super::places::End;
use super::rule::{Rule, RuleId, Span};
use super::set::{Pair, RuleSet, Who};
use super::table::{POINTLESS, changes};
use super::verdict::{Verdict, Why};
use crate::address::Transport;
use crate::event::{Event, Flow, Kind, PointRange, Space, Value, Values, Verb};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Values that a rule lists; more become a range.
const LISTED: usize = 16;
/// Words and values of all kinds that a rule lists at most.
const MOST_WORDS: usize = 64;
/// Parts that a message is looked at in, and runs of points that a rule names.
const MOST_PARTS: usize = 2048;
const MOST_RUNS: usize = 256;
/// From here on ports are handed out by chance, and below this one never.
const BY_CHANCE: u16 = 32_768;
const WELL_KNOWN: u16 = 1_024;

/// What would have let a message pass.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Allowance {
    /// The text of the rules; `None` where no allow rule can.
    pub rule: Option<String>,
    /// What there is to know: why there is none, or which rule is broken. One or two sentences.
    pub note: Option<String>,
}

impl Allowance {
    /// None, with the reason.
    pub fn none(note: impl Into<String>) -> Allowance {
        Allowance { rule: None, note: Some(note.into()) }
    }
}

/// `'Set points, within limits' (rules/pump-station.toml:36)`
fn place(rule: &Rule) -> String {
    format!("'{}' ({}:{})", rule.name, rule.file, rule.line)
}

/// The rule that would have let a message pass, which the rules deny or do not allow.
pub fn allow(rules: &RuleSet, event: &Event<'_>, verdict: &Verdict) -> Allowance {
    if event.kind == Kind::Malformed {
        return Allowance::none(
            "A message that cannot be decoded in full cannot be allowed: rules judge what is understood.",
        );
    }
    let (nearest, why) = match verdict {
        Verdict::Denied { rule } => return denied(rules, *rule),
        Verdict::NotAllowed { why: Why::Conduit { from, to }, .. } => {
            return crossing(rules, event.proto.title, (*from, *to));
        }
        Verdict::NotAllowed { nearest, why } => (nearest.and_then(|id| rules.rule(id)), why),
        Verdict::Allowed { .. } | Verdict::NotJudged => {
            return Allowance::none("It passes as it is.");
        }
    };
    let asked = event.kind == Kind::Response;
    let (mut from, mut to) = (End::sender(event.flow), End::receiver(event.flow));
    if asked {
        std::mem::swap(&mut from, &mut to);
    }
    let mut draft = Draft {
        rules,
        event,
        from: name(rules, from),
        to: name(rules, to),
        objects: matches!(why, Why::Object { .. }),
        limits: limits(rules, event, nearest, why),
        names: BTreeSet::new(),
    };
    let (text, wide) = if event.verb == Verb::Session || event.is_piece() {
        (Some(draft.rule(Verb::Session, &Grant::default())), Some(LINK))
    } else if asked {
        draft.answered()
    } else {
        draft.asked()
    };
    let Some(text) = text else {
        return Allowance::none("It names too many points for a rule that a person could read.");
    };
    let notes: Vec<String> = about(nearest, why, event).into_iter().chain(wide.map(str::to_owned)).collect();
    Allowance { rule: Some(text), note: (!notes.is_empty()).then(|| notes.join(" ")) }
}

/// The same of a conversation that is no control protocol; `flow` is from client to server.
pub fn allow_conversation(rules: &RuleSet, flow: &Flow, verdict: &Verdict) -> Allowance {
    let (carrier, numbered) = match flow.transport {
        Transport::Tcp => ("tcp", None),
        Transport::Udp => ("udp", None),
        Transport::Ip(1 | 58) => ("icmp", None),
        Transport::Ip(number) => ("ip", Some(format!("ip-protocol = {number}"))),
        Transport::Ethernet(kind) => ("ethernet", Some(format!("ethertype = {kind:#06x}"))),
    };
    match verdict {
        Verdict::Denied { rule } => return denied(rules, *rule),
        Verdict::NotAllowed { why: Why::Conduit { from, to }, .. } => {
            return crossing(rules, &carrier.to_uppercase(), (*from, *to));
        }
        Verdict::NotAllowed { .. } => {}
        Verdict::Allowed { .. } | Verdict::NotJudged => return Allowance::none("It passes as it is."),
    }
    let (mut client, mut server, mut port) = (End::sender(flow), End::receiver(flow), flow.dst.port);
    // Who listens has a port that somebody chose. Without ports, all are 0.
    let turned = flow.src.port < WELL_KNOWN && port >= BY_CHANCE;
    if turned {
        (client, server, port) = (server, client, flow.src.port);
    }
    let ported = matches!(flow.transport, Transport::Tcp | Transport::Udp);
    let (from, to) = (name(rules, client), name(rules, server));
    let what = match (&numbered, ported) {
        (_, true) => format!("{carrier} {port}"),
        (Some(number), _) => number.replace(" =", ""),
        (None, _) => carrier.to_owned(),
    };
    let own = unique(rules, format!("{from} uses {what} of {to}"), &BTreeSet::new());
    let mut lines = vec![
        "[[allow]]".to_owned(),
        format!("name = {}", quoted(&own)),
        format!("from = {}", quoted(&from)),
        format!("to = {}", quoted(&to)),
        format!("protocol = \"{carrier}\""),
    ];
    lines.extend(ported.then(|| format!("port = {port}")));
    lines.extend(numbered);
    let note = turned.then(|| {
        format!("Port {} was handed out by chance; the rule is about port {port}, on which the other end listens.", flow.dst.port)
    });
    Allowance { rule: Some(lines.join("\n") + "\n"), note }
}

/// What can be done about silence.
pub fn allow_silence(rule: &Rule) -> Allowance {
    Allowance::none(format!(
        "Silence cannot be allowed by a rule of its own. The rule {} expects an answer; give it a longer 'every', \
         hours with 'during', or a maintenance window.",
        place(rule)
    ))
}

fn denied(rules: &RuleSet, id: RuleId) -> Allowance {
    let rule = rules.rule(id).map_or_else(String::new, |rule| format!(" {}", place(rule)));
    Allowance::none(format!(
        "The deny rule{rule} stands above all allow rules, so no allow rule can let this pass. Make it narrower, \
         relax it in a maintenance window, or take it out."
    ))
}

fn crossing(rules: &RuleSet, what: &str, (from, to): (u16, u16)) -> Allowance {
    let zone = |number: u16| rules.zones().get(usize::from(number)).map_or("?", |zone| zone.name.as_str());
    Allowance::none(format!(
        "No conduit carries {what} between the zones '{}' and '{}', and conduits stand above allow rules. \
         A conduit between them has to carry it first.",
        zone(from),
        zone(to)
    ))
}

/// What an end is called in a rule: by its name where it is a host of its own, else by its address.
fn name(rules: &RuleSet, end: End) -> String {
    match rules.who(end) {
        Who::Host(name) => name.to_owned(),
        Who::Within(_) | Who::Unknown => end.address.to_string(),
    }
}

/// A name that no rule has.
fn unique(rules: &RuleSet, name: String, taken: &BTreeSet<String>) -> String {
    let is_free =
        |name: &String| !taken.contains(name) && rules.rules().iter().all(|rule| rule.name != *name);
    if is_free(&name) {
        return name;
    }
    (2u32..).map(|number| format!("{name} ({number})")).find(is_free).unwrap_or(name)
}

/// What the rule that came closest has to do with it.
fn about(nearest: Option<&Rule>, why: &Why, event: &Event<'_>) -> Option<String> {
    let rule = nearest?;
    let broken = place(rule);
    Some(match why {
        Why::NoRule | Why::Verb(_) | Why::Function | Why::Conduit { .. } => return None,
        Why::Device | Why::Outside { .. } | Why::NoPoints | Why::Object { .. } => {
            format!("The rule {broken} comes closest.")
        }
        Why::Value { range, index, .. } => {
            let limits = rule.limits(event, range.space, *index).map(ToString::to_string).unwrap_or_default();
            format!(
                "The rule {broken} allows {limits}. The rule here allows what this message wrote and no other value; \
                 to move the limits, change them there."
            )
        }
        Why::ValueUnknown { .. } => format!(
            "The rule {broken} limits values, and this message does not say one: the rule here lets this function \
             write any value."
        ),
        Why::Change { .. } => {
            let change = rule.change.map(|change| change.to_string()).unwrap_or_default();
            format!(
                "The rule {broken} lets values change by {change} at most. The rule here allows what this message \
                 wrote, whatever was there before."
            )
        }
        Why::When => {
            let windows = rule.during.as_ref().map(ToString::to_string).unwrap_or_default();
            format!(
                "The rule {broken} allows it only {windows}. The rule here allows it in this hour of this weekday; \
                 for planned work a maintenance window is better."
            )
        }
        Why::Rate => {
            let rate = rule.rate.map(|rate| rate.to_string()).unwrap_or_default();
            format!(
                "The rule {broken} allows {rate}. The rule here allows one more in that time; to allow more, \
                 change the rate there."
            )
        }
    })
}

/// Lines about rate and time, where the rule that came closest has such limits and is broken by them.
fn limits(rules: &RuleSet, event: &Event<'_>, nearest: Option<&Rule>, why: &Why) -> Vec<String> {
    match (why, nearest) {
        (Why::Rate, Some(rule)) => {
            let one = rule.rate.map(|rate| super::calendar::Rate { count: 1, ..rate });
            one.map(|rate| format!("rate = \"{rate}\"")).into_iter().collect()
        }
        (Why::When, Some(_)) => {
            // "Sunday 03:17 Europe/Berlin": the zone is that of the calendar, as for every window that names none.
            let local = rules.calendar().local(event.ts).to_string();
            let mut words = local.split(' ');
            let day = words.next().and_then(|day| day.get(..3));
            let hour = words.next().and_then(|time| time.get(..2)?.parse::<u8>().ok());
            let window = day.zip(hour);
            let line = |(day, hour)| format!("during = \"{day} {hour:02}:00-{:02}:00\"", hour + 1);
            window.map(line).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// What one rule is to let be done.
#[derive(Default)]
struct Grant {
    /// `None` where the message names no point.
    points: Option<Vec<(Space, u32, u32)>>,
    /// Kinds of object.
    objects: BTreeSet<(Space, u8)>,
    /// Entries of `values`, as the file has them.
    values: Option<Vec<String>>,
    /// Whether only the function tells it from what is wider.
    by_function: bool,
}

/// A part of a message that no rule lets pass: points that are alike to every rule, or one with its value.
struct Part<'e> {
    run: PointRange,
    value: Option<Value<'e>>,
}

/// Writes the rules for one message.
struct Draft<'d, 'e> {
    rules: &'d RuleSet,
    event: &'d Event<'e>,
    from: String,
    to: String,
    /// Whether kinds of object are named.
    objects: bool,
    /// Lines about rate and time.
    limits: Vec<String>,
    /// Names that are given already.
    names: BTreeSet<String>,
}

const NO_POINTS: &str = "The message names no point, so the rule is about the function as a whole.";
const LINK: &str = "What only opens or keeps a link, or is a part of a longer message, passes as soon as any rule lets the \
    two talk; this one lets nothing else pass.";
const BOTH_ENDS: &str = "The values go from the lowest to the highest of the message.";
const ANSWER_ONLY: &str =
    "Only the answer was seen: the rule lets what was probably asked be asked, and its answer pass.";

impl Draft<'_, '_> {
    /// The rules for an answer whose request was not seen: as if the receiver had asked.
    fn answered(&mut self) -> (Option<String>, Option<&'static str>) {
        let event = self.event;
        // A reading rule with the points of the answer lets the answer pass too; its function is none of requests.
        let told = event.verb == Verb::Report;
        let verb = if told { Verb::Read } else { event.verb };
        let Some(points) = runs(event.points) else { return (None, None) };
        let points = (!points.is_empty()).then_some(points);
        let by_function = !told && (points.is_none() || POINTLESS.contains(&verb));
        (Some(self.rule(verb, &Grant { points, by_function, ..Grant::default() })), Some(ANSWER_ONLY))
    }

    /// The rules for what is asked, told or reported.
    fn asked(&mut self) -> (Option<String>, Option<&'static str>) {
        let event = self.event;
        if event.points.is_empty() {
            let grant = Grant { by_function: true, ..Grant::default() };
            return (Some(self.rule(event.verb, &grant)), Some(NO_POINTS));
        }
        let pair = self.rules.pair(event.flow, event.proto);
        let parts = uncovered(self.rules, &pair, event);
        let mut verbs: Vec<Verb> = parts.iter().map(|part| part.run.verb).collect();
        verbs.sort_by_key(|verb| verb.index());
        verbs.dedup();
        let mut texts = Vec::new();
        let mut wide = None;
        for verb in verbs {
            // Rules about points whose new value is known, and about those whose is not.
            for valued in [true, false] {
                let mine = |part: &&Part<'_>| part.run.verb == verb && part.value.is_some() == valued;
                let mine: Vec<&Part<'_>> = parts.iter().filter(mine).collect();
                if mine.is_empty() {
                    continue;
                }
                let ranges: Vec<PointRange> = mine.iter().map(|part| part.run).collect();
                let Some(points) = runs(&ranges) else { return (None, None) };
                let said = if valued && changes(verb) { values(&mine) } else { None };
                wide = wide.or(said.as_ref().and_then(|(_, wide)| *wide));
                let grant = Grant {
                    points: Some(points),
                    objects: match self.objects {
                        true => mine.iter().map(|part| (part.run.space, part.run.variant)).collect(),
                        false => BTreeSet::new(),
                    },
                    // A rule about verbs that name no points covers messages without any, whatever its points.
                    by_function: changes(verb) && said.is_none() || POINTLESS.contains(&verb),
                    values: said.map(|(values, _)| values),
                };
                texts.push(self.rule(verb, &grant));
            }
        }
        (Some(texts.join("\n")), wide)
    }

    /// One rule.
    fn rule(&mut self, verb: Verb, grant: &Grant) -> String {
        let words = self.event.proto;
        let mut name = match &grant.points {
            Some(points) => {
                format!("{} {} {} of {}", self.from, phrase(verb), points_said(words, points), self.to)
            }
            None => format!("{} {} {}", self.from, phrase(verb), self.to),
        };
        if let Some(device) = self.event.device.filter(|device| (words.names_device)(*device)) {
            let _ = write!(name, ", {} {device}", words.device_key);
        }
        if let Some([value]) = grant.values.as_deref() {
            let _ = write!(name, ", value {}", value.trim_matches('"'));
        }
        let function = self.event.function.filter(|_| grant.by_function);
        let function = function.map(|code| match words.function_name(code) {
            Some(name) => (name.to_owned(), quoted(name)),
            None => (format!("function {code}"), code.to_string()),
        });
        if let Some((named, _)) = &function {
            let _ = write!(name, " by {}", and(std::slice::from_ref(named)));
        }
        let name = unique(self.rules, name, &self.names);
        let mut lines = vec![
            "[[allow]]".to_owned(),
            format!("name = {}", quoted(&name)),
            format!("from = {}", quoted(&self.from)),
            format!("to = {}", quoted(&self.to)),
            format!("protocol = \"{}\"", words.name),
        ];
        lines.extend(self.event.device.map(|device| format!("{} = {device}", words.device_key)));
        lines.push(format!("may = [\"{}\"]", verb.name()));
        lines.extend(function.map(|(_, code)| format!("functions = [{code}]")));
        if let Some(points) = &grant.points {
            let all = points.iter().map(|run| format!("\"{}\"", point(words, run))).collect();
            lines.push(listed("points", all, true));
        }
        if !grant.objects.is_empty() {
            let kinds = grant.objects.iter();
            let kinds = kinds.map(|(space, kind)| format!("\"{}v{kind}\"", words.space_name(*space)));
            lines.push(listed("objects", kinds.collect(), true));
        }
        lines.extend(grant.values.clone().map(|values| listed("values", values, false)));
        lines.extend(self.limits.iter().cloned());
        self.names.insert(name);
        lines.join("\n") + "\n"
    }
}

/// Runs of points in order, those that touch as one; `None` where there are too many.
fn runs(ranges: &[PointRange]) -> Option<Vec<(Space, u32, u32)>> {
    let span = |run: &PointRange| Span { space: run.space, first: run.first, last: run.last.max(run.first) };
    let mut spans: Vec<Span> = ranges.iter().map(span).collect();
    spans.sort_unstable();
    let joined = Span::joined(&spans);
    (joined.len() <= MOST_RUNS)
        .then(|| joined.iter().map(|span| (span.space, span.first, span.last)).collect())
}

/// The values of a rule, with what makes them wider than the message; `None` where the language has no word for one.
fn values(parts: &[&Part<'_>]) -> Option<(Vec<String>, Option<&'static str>)> {
    let (mut words, mut numbers): (BTreeSet<String>, Vec<f64>) = Default::default();
    for value in parts.iter().filter_map(|part| part.value) {
        match value {
            Value::Bool(on) => {
                words.insert(if on { "\"on\"" } else { "\"off\"" }.to_owned());
            }
            Value::Int(number) => numbers.push(number as f64),
            Value::Float(number) if number.is_finite() => numbers.push(number),
            Value::Name(word) => {
                words.insert(quoted(word));
            }
            Value::Float(_) | Value::Text(_) | Value::Bytes(_) => return None,
        }
        if words.len() > MOST_WORDS {
            return None;
        }
    }
    numbers.sort_by(f64::total_cmp);
    numbers.dedup();
    let number = |number: &f64| match *number {
        whole if whole.fract() == 0.0 && whole.abs() < 1e15 => format!("{whole:.0}"),
        other => format!("{other:?}"),
    };
    let range = match numbers.as_slice() {
        [low, .., high] if numbers.len() > LISTED => Some(format!("\"{}..{}\"", number(low), number(high))),
        _ => None,
    };
    let wide = range.is_some().then_some(BOTH_ENDS);
    let numbers = range.map_or_else(|| numbers.iter().map(number).collect(), |range| vec![range]);
    Some((words.into_iter().chain(numbers).collect(), wide))
}

/// The parts of a message that no rule lets pass, whatever was before it. All of it where that cannot be told apart.
fn uncovered<'e>(rules: &RuleSet, pair: &Pair, event: &Event<'e>) -> Vec<Part<'e>> {
    let parts = parts(rules, pair, event);
    let mut memory = Memory::default();
    let passes = |part: &Part<'_>| {
        let (points, values) = ([part.run], part.value.map(|value| [value]));
        let values = values.as_ref().map_or(Values::None, |values| Values::List(values));
        let verdict = rules.judge(pair, &Event { points: &points, values, ..*event }, &mut memory);
        // Whether a rule that counts or compares lets it pass depends on what was before.
        let remembers = |rule: &Rule| rule.rate.is_some() || rule.change.is_some();
        matches!(verdict, Verdict::Allowed { rule: Some(id) } if !rules.rule(id).is_some_and(remembers))
    };
    let passed: Vec<bool> = { parts.iter().map(passes) }.collect();
    if passed.iter().all(|passed| *passed) {
        return parts;
    }
    parts.into_iter().zip(passed).filter(|(_, passed)| !passed).map(|(part, _)| part).collect()
}

/// A message in parts: each value by itself, and cut wherever a rule of the pair begins or ends.
fn parts<'e>(rules: &RuleSet, pair: &Pair, event: &Event<'e>) -> Vec<Part<'e>> {
    let of_pair: Vec<&Rule> = pair.rules().iter().filter_map(|id| rules.rule(RuleId(*id))).collect();
    let mut all = Vec::new();
    let mut offset = 0usize;
    for range in event.points {
        let (first, last) = (range.first, range.last.max(range.first));
        let values = if range.valued { event.values.len().saturating_sub(offset) } else { 0 };
        let count = usize::try_from(last - first).unwrap_or(usize::MAX).saturating_add(1).min(values);
        let room = MOST_PARTS.saturating_sub(all.len());
        if count <= room {
            for (at, index) in (first..=last).take(count).enumerate() {
                let run = PointRange { first: index, last: index, ..*range };
                all.push(Part { run, value: event.values.get(offset + at) });
            }
        } else {
            all.push(Part { run: PointRange { last, ..*range }, value: None });
        }
        if range.valued {
            offset = offset.saturating_add(range.count() as usize);
        }
        // What has no value of its own.
        let rest = u32::try_from(count).ok().and_then(|count| first.checked_add(count));
        let Some(start) = rest.filter(|start| *start <= last && count <= room) else { continue };
        let mut cuts = BTreeSet::from([start]);
        for rule in &of_pair {
            let own = rule.named.points().iter().map(|point| &point.span);
            let spans = rule.points.iter().flatten().chain(own).filter(|span| span.space == range.space);
            let edges = spans.flat_map(|span| [Some(span.first), span.last.checked_add(1)]).flatten();
            cuts.extend(edges.filter(|cut| start <= *cut && *cut <= last));
            if cuts.len() > MOST_PARTS {
                cuts = BTreeSet::from([start]);
                break;
            }
        }
        let ends = cuts.iter().skip(1).map(|next| next - 1).chain([last]);
        let run = |(first, last): (&u32, u32)| PointRange { first: *first, last, valued: false, ..*range };
        all.extend(cuts.iter().zip(ends).map(run).map(|run| Part { run, value: None }));
    }
    all
}
