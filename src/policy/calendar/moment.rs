//! Moments for people: how a sentence says one, and how a question gives one.

use super::clock::{DAY, DAYS, SECOND, clock, date, day_named, day_number, weekday};
use super::holidays::Holidays;
use super::misread::{Misread, Part};
use super::read::likely_day;
use super::zone::Zone;
use crate::address::Timestamp;
use std::fmt;

const HELP: &str = "write \"Sunday 03:00\", \"2026-11-22 03:00\" or \"2026-11-22T03:00:00Z\"";

/// An instant on the clock of a time zone. Displays as `Sunday 03:00 America/New_York`.
#[derive(Clone, Copy, Debug)]
pub struct Local<'z> {
    nanos: i64,
    zone: &'z Zone,
}

impl<'z> Local<'z> {
    pub(super) fn new(ts: Timestamp, zone: &'z Zone) -> Self {
        Local { nanos: ts.nanos, zone }
    }
}

impl fmt::Display for Local<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let local = self.nanos.div_euclid(SECOND) + self.zone.stretch(self.nanos).offset;
        let day = DAYS.get(weekday(local.div_euclid(DAY))).copied().unwrap_or_default();
        let minute = local.rem_euclid(DAY) / 60;
        write!(f, "{day} {:02}:{:02} {}", minute / 60, minute % 60, self.zone)
    }
}

/// Reads a moment; see [`super::Calendar::parse_moment`].
pub(super) fn read(part: Part<'_>, zone: &Zone, holidays: &Holidays) -> Result<Timestamp, Misread> {
    if part.is_empty() {
        return Err(part.wrong("the moment is empty").help(HELP));
    }
    let (first, rest) = part.word();
    if first.starts_with_digit() && first.text.contains(['T', 't']) {
        return universal(part);
    }
    let on_day = if first.starts_with_digit() {
        // A time of day where a date or a day should be is the likelier mistake.
        if first.text.contains(':') {
            return Err(first.wrong(format!("{} does not say on which day", first.text)).help(HELP));
        }
        date(first)?
    } else {
        let day = day_named(first.text).ok_or_else(|| {
            let meant = likely_day(first.text).filter(|day| day_named(day).is_some());
            first.wrong(format!("'{}' is not a day", first.text)).meant(meant).help(HELP)
        })?;
        next(day, holidays)
    };
    let (time, rest) = rest.word();
    if time.is_empty() {
        let message = format!("{} has no time of day", first.text);
        return Err(first.wrong(message).meant(Some(format!("{} 12:00", first.text))).help(HELP));
    }
    let second = clock(time)?;
    let zone = if rest.is_empty() { zone.clone() } else { Zone::read_part(rest)? };
    Ok(Timestamp { nanos: zone.first(on_day * DAY + second), digits: 0 })
}

/// "2026-11-22T03:00:00Z" (RFC 3339).
fn universal(part: Part<'_>) -> Result<Timestamp, Misread> {
    let nanos = part.text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_nanosecond);
    match nanos.and_then(|nanos| i64::try_from(nanos).ok()) {
        Some(nanos) => Ok(Timestamp { nanos, digits: if nanos % SECOND == 0 { 0 } else { 9 } }),
        None => {
            let with_offset = format!("{}Z", part.text);
            let meant = with_offset.parse::<jiff::Timestamp>().is_ok().then_some(with_offset);
            let message = match meant {
                Some(_) => format!("{} does not say in which time zone", part.text),
                None => format!("{} is not a moment", part.text),
            };
            Err(part.wrong(message).meant(meant).help(HELP))
        }
    }
}

/// The next such weekday after 2026-01-01 that is not a holiday; the next one where holidays take all for ten years.
fn next(day: usize, holidays: &Holidays) -> i64 {
    let new_year = day_number(2026, 1, 1).unwrap_or_default();
    let coming = (new_year + 1..new_year + 3_660).filter(|at| weekday(*at) == day);
    let mut free = coming.clone().filter(|at| !holidays.has(*at));
    free.next().or_else(|| coming.clone().next()).unwrap_or(new_year)
}
