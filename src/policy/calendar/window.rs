//! When a window holds, by arithmetic on the local clock.

use super::clock::{DAY, SECOND, weekday};
use super::holidays::Holidays;
use super::zone::{Stretch, Zone};
use crate::address::Timestamp;
use std::fmt;
use std::sync::Arc;

/// The days on which a window begins.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Days {
    /// Bit 0 for Monday to bit 6 for Sunday.
    pub weekdays: u8,
    /// Holidays too, whatever the weekday.
    pub holidays: bool,
    /// No weekday that is a holiday.
    pub except_holidays: bool,
}

impl Days {
    pub(super) const ALL: Days = Days { weekdays: 0x7f, holidays: false, except_holidays: false };

    fn has(self, day: i64, holidays: &Holidays) -> bool {
        let by_weekday = self.weekdays & (1 << weekday(day)) != 0;
        match (self.holidays, self.except_holidays) {
            (false, false) => by_weekday,
            (true, false) => by_weekday || holidays.has(day),
            (_, true) => by_weekday && !holidays.has(day),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum When {
    /// On some days, from a second of the day until another; one before `from` is on the next day.
    Every { days: Days, from: i64, until: i64 },
    /// Once, in nanoseconds since 1970 UTC; the end excluded.
    Once { from: i64, until: i64 },
}

/// One window: some hours of some days in a time zone, or one fixed span.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Window {
    pub when: When,
    pub zone: Zone,
}

/// A time in which an answer does not change. Hold on to it and ask again only for an instant outside of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    /// The first instant, in nanoseconds since 1970 UTC.
    pub from: i64,
    /// The first instant after it; `i64::MAX` also where it does not end.
    pub until: i64,
    /// The answer.
    pub holds: bool,
}

impl Span {
    /// No time at all: what a cache holds before the first question.
    pub const NONE: Span = Span { from: i64::MAX, until: i64::MIN, holds: false };

    /// Whether the answer is known for an instant.
    pub fn covers(&self, ts: Timestamp) -> bool {
        self.from <= ts.nanos && ts.nanos < self.until
    }

    fn and(self, other: Span) -> Span {
        Span { from: self.from.max(other.from), until: self.until.min(other.until), holds: self.holds }
    }
}

impl Window {
    fn span(&self, nanos: i64, holidays: &Holidays) -> Span {
        match self.when {
            When::Once { from, until } if nanos < from => {
                Span { from: i64::MIN, until: from.min(until), holds: false }
            }
            When::Once { from, until } if nanos < until => Span { from, until, holds: true },
            When::Once { until, .. } => Span { from: until, until: i64::MAX, holds: false },
            When::Every { days, from, until } => {
                let stretch = self.zone.stretch(nanos);
                let local = nanos.div_euclid(SECOND) + stretch.offset;
                let (day, second) = (local.div_euclid(DAY), local.rem_euclid(DAY));
                let today = days.has(day, holidays);
                let over_midnight = until <= from;
                let (ends_today, holds) = if over_midnight {
                    let yesterday = days.has(day - 1, holidays);
                    (yesterday, (today && second >= from) || (yesterday && second < until))
                } else {
                    (today, today && (from..until).contains(&second))
                };
                let edges =
                    [0, DAY].into_iter().chain(today.then_some(from)).chain(ends_today.then_some(until));
                let (mut first, mut last) = (0, DAY);
                for edge in edges {
                    if edge <= second { first = first.max(edge) } else { last = last.min(edge) }
                }
                on_the_day(stretch, day, first, last, holds)
            }
        }
    }
}

/// From one second of a local day to another, as far as the clocks are not changed.
fn on_the_day(stretch: Stretch, day: i64, first: i64, last: i64, holds: bool) -> Span {
    let nanos = |second: i64| (day * DAY + second - stretch.offset).saturating_mul(SECOND);
    Span { from: stretch.from.max(nanos(first)), until: stretch.until.min(nanos(last)), holds }
}

/// A list of windows: it holds when any of them does. An empty list never holds.
///
/// The author's words come back with `Display`: `Mon-Fri 06:00-22:00 or Sat 08:00-12:00`.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Windows {
    windows: Vec<Window>,
    holidays: Arc<Holidays>,
    texts: Vec<String>,
}

impl Windows {
    pub(super) fn one(window: Window, holidays: &Arc<Holidays>, text: &str) -> Self {
        Windows { windows: vec![window], holidays: holidays.clone(), texts: vec![text.to_owned()] }
    }

    /// The same windows under a name.
    pub(super) fn named(&self, name: &str) -> Self {
        Windows { texts: vec![format!("@{name} ({self})")], ..self.clone() }
    }

    /// Adds the windows of another list, of the same calendar.
    pub fn add(&mut self, other: Windows) {
        if self.windows.is_empty() {
            self.holidays = other.holidays;
        }
        self.windows.extend(other.windows);
        self.texts.extend(other.texts);
    }

    /// Whether there is no window.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Whether an instant lies in one of them.
    pub fn holds(&self, ts: Timestamp) -> bool {
        self.span(ts).holds
    }

    /// The answer for an instant and the time around it in which it stays the same: up to the next edge of a
    /// window, a change of the clocks or midnight, whichever comes first. Allocates nothing.
    pub fn span(&self, ts: Timestamp) -> Span {
        let mut outside = Span { from: i64::MIN, until: i64::MAX, holds: false };
        let mut inside: Option<Span> = None;
        for window in &self.windows {
            let span = window.span(ts.nanos, &self.holidays);
            if !span.holds {
                outside = outside.and(span);
            } else if inside.is_none_or(|longest| longest.until < span.until) {
                inside = Some(span);
            }
        }
        inside.unwrap_or(outside)
    }

    /// The first instant after this one at which the answer differs, in nanoseconds since 1970 UTC; none where it
    /// stays the same for ten years. Walks day by day: not for every message.
    pub fn next_change(&self, ts: Timestamp) -> Option<i64> {
        let horizon = ts.nanos.saturating_add(3_653 * DAY * SECOND);
        let now = self.span(ts);
        let mut at = now.until;
        while at < horizon {
            let span = self.span(Timestamp::from_nanos(at));
            if span.holds != now.holds {
                return Some(at);
            }
            at = span.until;
        }
        None
    }
}

impl Windows {
    /// The author's words, one for each window.
    pub fn texts(&self) -> &[String] {
        &self.texts
    }
}

impl fmt::Display for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((last, rest)) = self.texts.split_last() else { return f.write_str("at no time") };
        for (at, text) in rest.iter().enumerate() {
            write!(f, "{}{text}", if at == 0 { "" } else { ", " })?;
        }
        write!(f, "{}{last}", if rest.is_empty() { "" } else { " or " })
    }
}
