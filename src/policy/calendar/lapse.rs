//! How long, and how often: `2 min`, `1.5h`, `12/min`, `3 per hour`.

use super::misread::{Misread, Part};
use crate::policy::problem::nearest;
use std::fmt;

/// Units and their nanoseconds; of each length, the first is the one that is written back.
const UNITS: [(&str, u64); 27] = [
    ("ns", 1),
    ("nanosecond", 1),
    ("nanoseconds", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("microsecond", 1_000),
    ("microseconds", 1_000),
    ("ms", 1_000_000),
    ("millisecond", 1_000_000),
    ("milliseconds", 1_000_000),
    ("s", SECOND),
    ("sec", SECOND),
    ("second", SECOND),
    ("seconds", SECOND),
    ("min", MINUTE),
    ("minute", MINUTE),
    ("minutes", MINUTE),
    ("h", HOUR),
    ("hr", HOUR),
    ("hour", HOUR),
    ("hours", HOUR),
    ("d", DAY),
    ("day", DAY),
    ("days", DAY),
    ("week", 7 * DAY),
    ("weeks", 7 * DAY),
    ("w", 7 * DAY),
];
const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// No longer than a timestamp can go: 292 years.
const LONGEST: u64 = i64::MAX as u64;

const DURATION_HELP: &str = "write a number and ms, s, min, h or d, for example 2 min";
const RATE_HELP: &str = "for example 12/min, 3 per hour or 12/30s";

/// A number of nanoseconds that displays as people write it: `250ms`, `90min`, `14d`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lapse(pub u64);

impl fmt::Display for Lapse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, nanos) = unit_of(self.0);
        write!(f, "{}{unit}", self.0 / nanos)
    }
}

/// The longest unit, up to days, of which a number of nanoseconds is a multiple.
fn unit_of(nanos: u64) -> (&'static str, u64) {
    let short = [("d", DAY), ("h", HOUR), ("min", MINUTE), ("s", SECOND), ("ms", 1_000_000), ("us", 1_000)];
    short.into_iter().find(|(_, unit)| nanos != 0 && nanos.is_multiple_of(*unit)).unwrap_or(match nanos {
        0 => ("s", SECOND),
        _ => ("ns", 1),
    })
}

/// So many in so long.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Rate {
    /// How many; at least 1.
    pub count: u32,
    /// In how long, in nanoseconds; at least 1.
    pub nanos: u64,
}

/// `12/min`, `12/30s`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match unit_of(self.nanos) {
            (unit, nanos) if nanos == self.nanos => write!(f, "{}/{unit}", self.count),
            _ => write!(f, "{}/{}", self.count, Lapse(self.nanos)),
        }
    }
}

/// Reads "5s", "2 min", "1.5h", "14d", "250ms" into nanoseconds; never 0.
///
/// # Errors
/// The word that is wrong, by octets of `text`.
pub fn parse_duration(text: &str) -> Result<u64, Misread> {
    duration(Part::whole(text))
}

fn duration(part: Part<'_>) -> Result<u64, Misread> {
    let digits = part.text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(part.text.len());
    let (number, unit) = part.cut(digits);
    let unit = unit.trim();
    if number.is_empty() {
        let message = format!("'{}' is not a duration", part.text);
        return Err(part.wrong(message).help(DURATION_HELP));
    }
    if unit.is_empty() {
        let message = format!("'{}' has no unit of time", number.text);
        return Err(number.wrong(message).meant(Some(format!("{}s", number.text))).help(DURATION_HELP));
    }
    let unit = unit_named(unit).ok_or_else(|| not_a_unit(unit).help(DURATION_HELP))?;
    let Some(nanos) = times(number.text, unit) else {
        return Err(number.wrong(format!("'{}' is not a number", number.text)).help(DURATION_HELP));
    };
    match u64::try_from(nanos) {
        Ok(0) => Err(part.wrong("a duration of 0 is no time at all").help(DURATION_HELP)),
        Ok(nanos) if nanos <= LONGEST => Ok(nanos),
        _ => Err(part.wrong("the duration is longer than 292 years")),
    }
}

/// A decimal number of a unit, in whole nanoseconds.
fn times(number: &str, unit: u64) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || whole.len() > 20 || fraction.len() > 15 {
        return None;
    }
    let scale = 10u128.pow(fraction.len() as u32);
    let (whole, fraction): (u128, u128) = (whole.parse().ok()?, fraction.parse().ok()?);
    Some(whole * u128::from(unit) + fraction * u128::from(unit) / scale)
}

fn unit_named(part: Part<'_>) -> Option<u64> {
    UNITS.iter().find(|(name, _)| part.is(name)).map(|(_, nanos)| *nanos)
}

fn not_a_unit(part: Part<'_>) -> Misread {
    part.wrong(format!("'{}' is not a unit of time", part.text)).meant(likely_unit(part.text))
}

/// The unit that was meant; short ones are near to everything, so "m" and the like go by a list.
fn likely_unit(text: &str) -> Option<&'static str> {
    match text.to_lowercase().as_str() {
        "m" | "mn" | "mins" => Some("min"),
        "secs" => Some("s"),
        "hrs" => Some("h"),
        "msec" | "msecs" | "millis" => Some("ms"),
        "usec" | "micros" => Some("us"),
        "wk" | "wks" => Some("week"),
        lower => nearest(lower, UNITS.iter().map(|(name, _)| *name).filter(|name| name.len() > 2)),
    }
}

/// Reads "12/min", "3 per hour", "100/s", "12/30s".
///
/// # Errors
/// The word that is wrong, by octets of `text`.
pub fn parse_rate(text: &str) -> Result<Rate, Misread> {
    let whole = Part::whole(text);
    let (count, time) = match whole.split(&['/']) {
        Some(parts) => parts,
        None => per(whole).ok_or_else(|| {
            let plain = !whole.is_empty() && whole.text.bytes().all(|b| b.is_ascii_digit());
            let message = format!("'{}' does not say in how long", whole.text);
            whole.wrong(message).meant(plain.then(|| format!("{}/min", whole.text))).help(RATE_HELP)
        })?,
    };
    let count = match count.text.parse::<u32>() {
        Ok(0) => return Err(count.wrong("a rate of 0 is none at all").help(RATE_HELP)),
        Ok(number) => number,
        Err(_) => {
            let message = format!("'{}' is not a whole number of 1 or more", count.text);
            return Err(count.wrong(message).help(RATE_HELP));
        }
    };
    if time.is_empty() {
        let message = "the rate does not say in how long";
        return Err(whole.wrong(message).meant(Some(format!("{count}/min"))).help(RATE_HELP));
    }
    if time.starts_with_digit() {
        return duration(time).map(|nanos| Rate { count, nanos });
    }
    match unit_named(time) {
        Some(nanos) => Ok(Rate { count, nanos }),
        None => {
            let meant = likely_unit(time.text).map(|unit| format!("{count}/{unit}"));
            Err(not_a_unit(time).meant(meant).help(RATE_HELP))
        }
    }
}

/// The two sides of "3 per hour".
fn per(whole: Part<'_>) -> Option<(Part<'_>, Part<'_>)> {
    let (count, rest) = whole.word();
    let (word, time) = rest.word();
    (word.is("per") || word.is("a") || word.is("an")).then_some((count, time))
}
