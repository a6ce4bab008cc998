//! Reads `points` and `values`: "holding:0-99", "0..450".

use super::document::{Document, Node, Word, integer, items, meant, number};
use super::problem::Problem;
use super::rule::{Limits, Span};
use crate::event::Vocabulary;
use toml::de::DeValue;

/// Reads one entry of `points` in a protocol's own terms.
pub(super) fn read_point(
    document: &Document<'_>,
    word: &Word<'_>,
    words: &Vocabulary,
) -> Result<Span, Problem> {
    read_points_text(word.text, words).map_err(|(message, help)| {
        let problem = document.error(word.span.clone(), message);
        if help.is_empty() { problem } else { problem.help(help) }
    })
}

/// Reads "holding:0-99", "holding:5" or "holding:*".
///
/// # Errors
/// What is wrong, and what to do; the latter may be empty.
pub(super) fn read_points_text(text: &str, words: &Vocabulary) -> Result<Span, (String, String)> {
    let fail = |message: String, help: String| Err((message, help));
    let example = words.spaces.first().copied().unwrap_or("space");
    let usual = || format!("write \"{example}:0-99\", \"{example}:5\" or \"{example}:*\"");
    let Some((space_name, which)) = text.rsplit_once(':') else {
        return fail(format!("'{text}' does not say which points"), usual());
    };
    let Some(space) = (words.parse_space)(space_name) else {
        let near = meant(space_name, words.spaces);
        let message = format!("{} has no points called '{space_name}'{near}", words.name);
        return fail(message, format!("for example: {}", words.spaces.join(", ")));
    };
    if which == "*" {
        return Ok(Span { space, first: 0, last: u32::MAX });
    }
    if let Some((a, b)) = which.split_once("..") {
        let message = format!("'{which}' is not a range of points; did you mean '{space_name}:{a}-{b}'?");
        return fail(message, String::new());
    }
    let number = |text: &str| {
        let number = text.trim().parse::<u32>();
        number.map_err(|_| (format!("'{text}' is not a point number"), usual()))
    };
    let (first, last) = match which.split_once('-') {
        Some((a, b)) => (number(a)?, number(b)?),
        None => (number(which)?, number(which)?),
    };
    if first > last {
        let meant = format!("did you mean '{space_name}:{last}-{first}'?");
        return fail(format!("the range {first}-{last} ends before it begins; {meant}"), String::new());
    }
    if last > words.max_index {
        let message = format!("points of {} go from 0 to {}", words.name, words.max_index);
        return fail(message, String::new());
    }
    // A rule about the last point is about all that follow: a message that means every point says so without end.
    let last = if last == words.max_index { u32::MAX } else { last };
    Ok(Span { space, first, last })
}

/// Reads `values`: ranges, numbers, states and words.
pub(super) fn read_values(document: &Document<'_>, node: &Node<'_>) -> Result<Limits, Vec<Problem>> {
    let mut limits = Limits::default();
    let mut said: Vec<String> = Vec::new();
    let mut problems = Vec::new();
    for item in items(node) {
        match read_value(document, item) {
            Ok(Allowed::Range(low, high, text)) => {
                limits.ranges.push(low..=high);
                said.push(text);
            }
            Ok(Allowed::Name(name)) => {
                said.push(name.clone());
                limits.names.push(name.to_ascii_lowercase());
            }
            Err(problem) => problems.push(problem),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    limits.ranges.sort_by(|a, b| a.start().total_cmp(b.start()));
    let mut merged: Vec<std::ops::RangeInclusive<f64>> = Vec::new();
    for range in limits.ranges {
        match merged.last_mut() {
            Some(last) if range.start() <= last.end() => *last = *last.start()..=last.end().max(*range.end()),
            _ => merged.push(range),
        }
    }
    limits.ranges = merged;
    limits.text = match said.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    };
    Ok(limits)
}

enum Allowed {
    Range(f64, f64, String),
    Name(String),
}

fn read_value(document: &Document<'_>, node: &Node<'_>) -> Result<Allowed, Problem> {
    let one = |number: f64, text: String| Ok(Allowed::Range(number, number, text));
    match node.get_ref() {
        DeValue::Boolean(on) => one(f64::from(u8::from(*on)), if *on { "on" } else { "off" }.to_owned()),
        DeValue::String(text) => {
            read_value_text(document, &Word { text, span: document.inside(node.span(), text) })
        }
        _ => match (integer(node), number(node)) {
            (Some(whole), Some(number)) => one(number, whole.to_string()),
            (None, Some(number)) => one(number, number.to_string()),
            _ => Err(document.wrong_type(
                "values",
                node,
                "numbers, ranges such as \"0..450\", \"on\" or \"off\"",
            )),
        },
    }
}

fn read_value_text(document: &Document<'_>, word: &Word<'_>) -> Result<Allowed, Problem> {
    let text = word.text.trim();
    let fail = |message: String| document.error(word.span.clone(), message);
    let parse = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    match text {
        _ if text.eq_ignore_ascii_case("on") => return Ok(Allowed::Range(1.0, 1.0, "on".to_owned())),
        _ if text.eq_ignore_ascii_case("off") => return Ok(Allowed::Range(0.0, 0.0, "off".to_owned())),
        "" => return Err(fail("a value cannot be empty".to_owned())),
        _ => {}
    }
    if let Some((a, b)) = text.split_once("..") {
        let (a, b) = (a.trim(), b.trim().trim_start_matches('='));
        let not = || {
            fail(format!("'{text}' is not a range of values")).help("write \"0..450\", both ends included")
        };
        if b.starts_with('.') && !a.is_empty() {
            return Err(not());
        }
        let low = if a.is_empty() { f64::NEG_INFINITY } else { parse(a).ok_or_else(not)? };
        let high = if b.is_empty() { f64::INFINITY } else { parse(b).ok_or_else(not)? };
        if low > high {
            return Err(fail(format!("the range {a}..{b} ends before it begins; did you mean '{b}..{a}'?")));
        }
        let said = match (a.is_empty(), b.is_empty()) {
            (false, false) => format!("{a} to {b}"),
            (true, false) => format!("at most {b}"),
            (false, true) => format!("at least {a}"),
            (true, true) => "any value".to_owned(),
        };
        return Ok(Allowed::Range(low, high, said));
    }
    if let Some(number) = parse(text) {
        return Ok(Allowed::Range(number, number, text.to_owned()));
    }
    let numeric = text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | '+' | '.'));
    match text.split_once('-').filter(|(a, b)| parse(a).is_some() && parse(b).is_some()) {
        Some((a, b)) => {
            let (a, b) = (a.trim(), b.trim());
            Err(fail(format!("'{text}' is not a range of values; did you mean '{a}..{b}'?")))
        }
        None if numeric => Err(fail(format!("'{text}' is not a value"))
            .help("write a number, \"0..450\", \"on\", \"off\" or a word")),
        None => Ok(Allowed::Name(text.to_owned())),
    }
}
