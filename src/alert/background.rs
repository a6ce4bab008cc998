//! What an alert says beyond its sentence, made once when its group begins: the message itself, the rule in words and
//! where it stands, the names of points, what to do next, and the rule that would have allowed it.

use super::advice::{self, Case};
use super::story::{self, Story};
use super::{Alert, Kept, NamedValue};
use crate::event::{Event, Flow, PointRange, Space, Value};
use crate::policy::allow;
use crate::policy::{End, NamedPoint, Rule, RuleSet, Silence, Verdict, Why, device_end, words};

/// Octets of a message that are kept.
const MESSAGE: usize = 16 << 10;
/// Named points that are kept, and points that are looked at for a name.
const NAMED: usize = 64;
const LOOKED_AT: usize = 1024;

/// Names the rule that an alert is about.
pub(super) fn set_rule(alert: &mut Alert, rule: &Rule, rules: &RuleSet) {
    alert.rule = Some(rule.name.clone());
    alert.rule_at = Some(format!("{}:{}", rule.file, rule.line));
    alert.rule_words = Some(words(rule, rules));
}

/// Keeps a message, as the log of events has it.
pub(super) fn keep(alert: &mut Alert, event: &Event<'_>) {
    let mut out = Vec::with_capacity(1024);
    event.write_json_within(MESSAGE, &mut out);
    alert.message = String::from_utf8(out).ok().map(Into::into);
}

/// Of a message that the rules object to. `speaks` is the rule whose own words count.
pub(super) fn of_message(
    alert: &mut Alert,
    event: &Event<'_>,
    verdict: &Verdict,
    speaks: Option<&Rule>,
    story: &Story,
    rules: &RuleSet,
) {
    keep(alert, event);
    alert.named_points = named_points(event, rules, alert.dst == event.flow.src);
    alert.allow = allow::allow(rules, event, verdict);
    let (nearest, why) = match verdict {
        Verdict::NotAllowed { nearest, why } => (nearest.and_then(|id| rules.rule(id)), Some(why)),
        _ => (None, None),
    };
    let one = |range: &PointRange, index: u32| PointRange { first: index, last: index, ..*range };
    let run = match why {
        Some(
            Why::Value { range, index, .. }
            | Why::ValueUnknown { range, index }
            | Why::Change { range, index, .. },
        ) => Some(one(range, *index)),
        Some(Why::Outside { range, .. } | Why::Object { range }) => Some(*range),
        _ => event.points.first().copied(),
    };
    let point = run.map(|run| story::point_said(run, event, rules, alert.dst == event.flow.src));
    let (who, whom) = story.ends();
    alert.advice = match speaks.and_then(|rule| Some((rule, rule.advice.as_deref()?))) {
        Some((rule, text)) => {
            let value = story.value().map(str::to_owned);
            let value = value.or_else(|| event.values.get(0).map(|value| value.to_string()));
            let (value, point) = (value.unwrap_or_default(), point.unwrap_or_default());
            story::fill(text, &[who, whom, &value, &point, &rule.name])
        }
        None => {
            let limits = match why {
                Some(Why::Value { range, index, .. } | Why::ValueUnknown { range, index }) => {
                    nearest.map(|rule| story::limits_of(rule, event, range.space, *index))
                }
                _ => None,
            };
            let limits = limits.filter(|limits| !limits.is_empty());
            // Without a reason that is about a point, it is what the message as a whole does.
            let verb = match why {
                Some(
                    Why::Value { .. }
                    | Why::ValueUnknown { .. }
                    | Why::Change { .. }
                    | Why::Outside { .. }
                    | Why::Object { .. },
                ) => run.map_or(event.verb, |run| run.verb),
                _ => event.verb,
            };
            advice::message(&Case { who, whom, known: story.is_known(), point, limits, verb, why })
        }
    };
}

/// Of a conversation that is no control protocol.
pub(super) fn of_conversation(
    alert: &mut Alert,
    flow: &Flow,
    verdict: &Verdict,
    rule: Option<&Rule>,
    rules: &RuleSet,
) {
    alert.allow = allow::allow_conversation(rules, flow, verdict);
    let ends = [true, false].map(|sender| story::bare(rules, flow, sender));
    let [who, whom] = &ends;
    alert.advice = match rule.and_then(|rule| Some((rule, rule.advice.as_deref()?))) {
        Some((rule, text)) => story::fill(text, &[who, whom, "", &flow.dst.port.to_string(), &rule.name]),
        None => {
            let crosses = matches!(verdict, Verdict::NotAllowed { why: Why::Conduit { .. }, .. });
            advice::conversation((who, story::is_known(rules, flow, true)), whom, flow, crosses)
        }
    };
}

/// Of a message that could not be decoded in full.
pub(super) fn of_malformed(alert: &mut Alert, event: &Event<'_>, rules: &RuleSet) {
    keep(alert, event);
    alert.allow = allow::allow(rules, event, &Verdict::NotJudged);
    let ends = [true, false].map(|sender| story::bare(rules, event.flow, sender));
    let [who, whom] = &ends;
    alert.advice = advice::malformed((who, story::is_known(rules, event.flow, true)), whom);
}

/// Of silence where a rule expects something.
pub(super) fn of_silence(alert: &mut Alert, silence: &Silence, rule: &Rule, rules: &RuleSet) {
    alert.allow = allow::allow_silence(rule);
    let (who, whom, nobody) = story::silent(silence, rule, rules);
    alert.advice = match &rule.advice {
        Some(text) => story::fill(text, &[&whom, &who, &story::said_time(silence.nanos), "", &rule.name]),
        None if nobody => advice::silence("whoever should answer", &whom),
        None => advice::silence(&who, &whom),
    };
}

/// The points of a message that have a name, with their values as engineers say them.
fn named_points(event: &Event<'_>, rules: &RuleSet, answer: bool) -> Vec<NamedValue> {
    if rules.points().is_empty() {
        return Vec::new();
    }
    let end = if answer { End::sender(event.flow) } else { device_end(event) };
    let name = |space: Space, index: u32| rules.point(end, event.proto.id, event.device, (space, index));
    let valued = event.valued_points().map(|(range, index, value)| (range, index, Some(value)));
    let bare = event.points.iter().filter(|range| !range.valued);
    let bare = bare.flat_map(|range| (range.first..=range.last).map(|index| (*range, index, None)));
    let all = valued.take(LOOKED_AT).chain(bare.take(LOOKED_AT));
    let one = |(range, index, value): (PointRange, u32, Option<Value<'_>>)| {
        let point = name(range.space, index)?;
        Some(named_value(event.proto.space_name(range.space).to_string(), index, point, value))
    };
    all.filter_map(one).take(NAMED).collect()
}

fn named_value(space: String, index: u32, point: &NamedPoint, value: Option<Value<'_>>) -> NamedValue {
    let number = value.filter(|value| !matches!(value, Value::Bool(_))).and_then(Value::number);
    // A factor such as 0.1 leaves digits that nobody wrote.
    let scaled = number.filter(|_| !point.scale.is_plain());
    let scaled = scaled.map(|number| Kept::Float((point.scale.of(number) * 1e9).round() / 1e9));
    NamedValue {
        space,
        index,
        name: point.name.clone(),
        value: scaled.or(value.map(Kept::from)),
        raw: value.map(Kept::from),
        measure: point.scale.measure.clone(),
        limits: point.limits.as_ref().map(ToString::to_string),
    }
}
