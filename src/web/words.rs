//! Times, numbers and durations as a person in the control room says them.

use crate::address::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, Render, html};
use std::time::Duration;

/// The time zone of the people who look: that of this machine.
#[derive(Clone, Debug)]
pub struct Clock(TimeZone);

impl Clock {
    /// That of this machine; UTC where it has none.
    pub fn of_this_machine() -> Clock {
        Clock(TimeZone::try_system().unwrap_or(TimeZone::UTC))
    }

    /// UTC.
    pub fn utc() -> Clock {
        Clock(TimeZone::UTC)
    }

    fn zoned(&self, at: Timestamp) -> jiff::ZonedDateTime {
        let nanos =
            jiff::Timestamp::from_nanosecond(i128::from(at.nanos)).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        nanos.to_zoned_datetime(self.0.clone())
    }

    /// The time of day: `14:03:07`.
    pub fn time(&self, at: Timestamp) -> String {
        self.zoned(at).strftime("%H:%M:%S").to_string()
    }

    /// Day and time: `Tue 24 Nov 2026, 14:03:07`.
    pub fn moment(&self, at: Timestamp) -> String {
        self.zoned(at).strftime("%a %-d %b %Y, %H:%M:%S").to_string()
    }

    /// The shortest that is clear beside `now`: the time of day on the same day, else with the date.
    pub fn near(&self, at: Timestamp, now: Timestamp) -> String {
        let (at, now) = (self.zoned(at), self.zoned(now));
        let form = match (at.date() == now.date(), at.year() == now.year()) {
            (true, _) => "%H:%M:%S",
            (false, true) => "%-d %b %H:%M",
            (false, false) => "%-d %b %Y %H:%M",
        };
        at.strftime(form).to_string()
    }

    /// The start of the shift that `now` is in, from the hours and minutes at which shifts begin.
    pub fn shift(&self, now: Timestamp, starts: &[(u8, u8)]) -> Timestamp {
        let here = self.zoned(now);
        let today = here.date();
        let yesterday = today.yesterday().unwrap_or(today);
        let starts = [yesterday, today].into_iter().flat_map(|day| {
            starts.iter().map(move |(hour, minute)| day.at(*hour as i8, *minute as i8, 0, 0))
        });
        let began = starts
            .filter_map(|start| self.0.to_zoned_datetime(start).ok())
            .filter(|start| *start <= here)
            .max_by(|a, b| a.timestamp().cmp(&b.timestamp()));
        match began {
            Some(start) => {
                Timestamp::from_nanos(i64::try_from(start.timestamp().as_nanosecond()).unwrap_or(0))
            }
            None => now,
        }
    }
}

/// A moment on a page: short to read, whole to hover over and for machines.
pub struct When<'a> {
    /// The time zone to say it in.
    pub clock: &'a Clock,
    /// The moment.
    pub at: Timestamp,
    /// The time of the page.
    pub now: Timestamp,
}

impl Render for When<'_> {
    fn render(&self) -> Markup {
        let iso = self.at.format(&mut [0; 40]).to_owned();
        html! {
            time datetime=(iso) title=(format!("{} (UTC {iso})", self.clock.moment(self.at))) {
                (self.clock.near(self.at, self.now))
            }
        }
    }
}

/// How long ago: `12 s ago`, `3 min ago`, `2 days ago`.
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    match now.since(at) / 1_000_000_000 {
        0 => "just now".into(),
        seconds => format!("{} ago", span(Duration::from_secs(seconds))),
    }
}

/// A span of time in its two leading units: `48 s`, `3 min`, `2 h 05 min`, `3 days`.
pub fn span(long: Duration) -> String {
    let seconds = long.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => match (seconds / 3600, seconds % 3600 / 60) {
            (hours, 0) => format!("{hours} h"),
            (hours, minutes) => format!("{hours} h {minutes:02} min"),
        },
        86_400..172_800 => "1 day".into(),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A number with its thousands apart: `12,345`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with its noun: `1 alert`, `3 alerts`.
pub fn counted(number: u64, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {noun}{s}", grouped(number))
}

/// A time to answer, in seconds, as short as it may be: `45 µs`, `0.8 ms`, `34 ms`, `1.2 s`.
pub fn answer_time(seconds: f64) -> String {
    match seconds {
        _ if seconds < 0.0001 => format!("{:.0} µs", seconds * 1e6),
        _ if seconds < 0.01 => format!("{:.1} ms", seconds * 1e3),
        _ if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        _ => format!("{seconds:.1} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_as_people_say_them() {
        let said = |seconds| span(Duration::from_secs(seconds));
        assert_eq!(
            [said(5), said(185), said(7500), said(7200), said(90_000), said(400_000)],
            ["5 s", "3 min", "2 h 05 min", "2 h", "1 day", "4 days"]
        );
        assert_eq!([grouped(7), grouped(1234), grouped(1_234_567)], ["7", "1,234", "1,234,567"]);
        assert_eq!(
            [answer_time(0.0008), answer_time(0.034), answer_time(1.25)],
            ["0.8 ms", "34 ms", "1.2 s"]
        );
    }

    #[test]
    fn a_shift_began_at_the_last_of_its_hours() {
        let clock = Clock::utc();
        let at = |text: &str| {
            let nanos = text.parse::<jiff::Timestamp>().unwrap().as_nanosecond();
            Timestamp::from_nanos(i64::try_from(nanos).unwrap())
        };
        let shifts = [(6, 0), (14, 0), (22, 0)];
        assert_eq!(clock.shift(at("2026-11-24T15:00:00Z"), &shifts), at("2026-11-24T14:00:00Z"));
        assert_eq!(clock.shift(at("2026-11-24T03:00:00Z"), &shifts), at("2026-11-23T22:00:00Z"));
        assert_eq!(clock.near(at("2026-11-23T22:00:00Z"), at("2026-11-24T03:00:00Z")), "23 Nov 22:00");
    }
}
