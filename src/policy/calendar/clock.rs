//! Times of day and dates, as people write them.

use super::misread::{Misread, Part};
use crate::address::civil;
use jiff::civil::Date;

/// Seconds in a day of 24 hours.
pub(super) const DAY: i64 = 86_400;
/// Nanoseconds in a second.
pub(super) const SECOND: i64 = 1_000_000_000;

/// The day names, Monday first.
pub(super) const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// The weekday of a day since 1970-01-01: 0 for Monday to 6 for Sunday.
pub(super) fn weekday(day: i64) -> usize {
    // 1970-01-01 was a Thursday.
    (day + 3).rem_euclid(7) as usize
}

/// The weekday with this English name, in three letters or in full.
pub(super) fn day_named(name: &str) -> Option<usize> {
    let is = |day: &str| {
        let short = day.get(..3).is_some_and(|short| short.eq_ignore_ascii_case(name));
        short || day.eq_ignore_ascii_case(name)
    };
    DAYS.iter().position(|day| is(day))
}

/// Reads "06:00" or "06:00:30" into seconds since midnight; "24:00" is the end of the day.
pub(super) fn clock(part: Part<'_>) -> Result<i64, Misread> {
    seconds(part.text).ok_or_else(|| {
        let text = part.text;
        let message = match part.starts_with_digit() {
            true => format!("{text} is not a time of day"),
            false => format!("'{text}' is not a time of day"),
        };
        part.wrong(message).meant(likely_clock(text)).help("times of day go from 00:00 to 24:00")
    })
}

fn seconds(text: &str) -> Option<i64> {
    let mut fields = text.split(':');
    let mut field = |limit: i64, lengths: std::ops::RangeInclusive<usize>| {
        let digits = fields.next()?;
        let plain = lengths.contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        digits.parse::<i64>().ok().filter(|value| plain && *value <= limit)
    };
    let (hour, minute) = (field(24, 1..=2)?, field(59, 2..=2)?);
    let second = if text.matches(':').count() > 1 { field(59, 2..=2)? } else { 0 };
    let sum = hour * 3600 + minute * 60 + second;
    (fields.next().is_none() && sum <= DAY).then_some(sum)
}

/// "6", "0600", "6.30", "6am" and "10:30 pm" as times of day.
fn likely_clock(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let (digits, half) = match (lower.strip_suffix("am"), lower.strip_suffix("pm")) {
        (Some(digits), _) => (digits.trim(), Some(0)),
        (_, Some(digits)) => (digits.trim(), Some(12)),
        _ => (lower.as_str(), None),
    };
    let (hour, minute) = match digits.split_once([':', '.', 'h']) {
        Some((hour, minute)) => (hour, minute),
        None => digits
            .split_at_checked(digits.len().saturating_sub(2))
            .filter(|_| digits.len() > 2)
            .unwrap_or((digits, "")),
    };
    let whole = |text: &str| text.parse::<u32>().ok().filter(|_| text.len() <= 2);
    let hour = whole(hour)?;
    let hour = match half {
        Some(half) if (1..=12).contains(&hour) => hour % 12 + half,
        Some(_) => return None,
        None => hour,
    };
    let text = format!("{hour:02}:{:02}", if minute.is_empty() { 0 } else { whole(minute)? });
    seconds(&text).map(|_| text)
}

/// The day since 1970-01-01 of a date; none where the calendar has no such date.
pub(super) fn day_number(year: i64, month: i64, day: i64) -> Option<i64> {
    let date = Date::new(i16::try_from(year).ok()?, month.try_into().ok()?, day.try_into().ok()?).ok()?;
    Some(date.duration_since(Date::constant(1970, 1, 1)).as_secs() / DAY)
}

/// The first and the last year in which a date may lie: times are counted in nanoseconds, which end in 2262.
const YEARS: std::ops::RangeInclusive<i64> = 1970..=2199;

/// Reads "2026-11-26" into days since 1970-01-01.
pub(super) fn date(part: Part<'_>) -> Result<i64, Misread> {
    let fields = fields(part.text, [4, 2, 2]);
    let day = fields.and_then(|[year, month, day]| day_number(year, month, day));
    match (day, fields) {
        (Some(_), Some([year, ..])) if !YEARS.contains(&year) => {
            Err(part.wrong(format!("{} is not a year from 1970 to 2199", year)))
        }
        (Some(day), _) => Ok(day),
        _ => Err(not_a_date(part)),
    }
}

/// Reads "12-25" into month and day; "02-29" is a day of leap years.
pub(super) fn yearly_date(part: Part<'_>) -> Result<(i64, i64), Misread> {
    let known = fields(part.text, [2, 2]).filter(|[month, day]| day_number(2024, *month, *day).is_some());
    known.map(|[month, day]| (month, day)).ok_or_else(|| not_a_date(part))
}

/// The number of days between 1970-01-01 and a day, as month (1 to 12) and day (1 to 31).
pub(super) fn month_and_day(day: i64) -> (usize, u32) {
    let (_, month, day) = civil(day);
    (month as usize, day)
}

fn fields<const N: usize>(text: &str, widths: [usize; N]) -> Option<[i64; N]> {
    let mut values = [0; N];
    let mut fields = text.split('-');
    for (value, width) in values.iter_mut().zip(widths) {
        let field = fields.next()?;
        if field.len() != width || !field.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *value = field.parse().ok()?;
    }
    fields.next().is_none().then_some(values)
}

fn not_a_date(part: Part<'_>) -> Misread {
    let text = part.text;
    let message = match part.starts_with_digit() {
        true => format!("{text} is not a date"),
        false => format!("'{text}' is not a date"),
    };
    part.wrong(message).meant(likely_date(text)).help("write a date as 2026-11-26")
}

/// "2026-1-5", "2026/01/05", "5.1.2026", "25.12." and "12/25" as dates.
fn likely_date(text: &str) -> Option<String> {
    let dots = text.contains('.');
    let numbers: Option<Vec<i64>> =
        text.trim_end_matches('.').split(['-', '/', '.']).map(|field| field.parse().ok()).collect();
    match *numbers? {
        [year, month, day] if year >= 1970 => Some((year, month, day)),
        [day, month, year] if dots && year >= 1970 => Some((year, month, day)),
        [a, b] => {
            let (month, day) = if dots { (b, a) } else { (a, b) };
            return day_number(2024, month, day).map(|_| format!("{month:02}-{day:02}"));
        }
        _ => None,
    }
    .filter(|(year, month, day)| YEARS.contains(year) && day_number(*year, *month, *day).is_some())
    .map(|(year, month, day)| format!("{year:04}-{month:02}-{day:02}"))
}
