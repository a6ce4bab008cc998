//! When something may happen: windows of time, holidays, durations and rates, as people write them in rules.
//!
//! Flows in: texts such as `Mon-Fri 06:00-22:00 America/New_York`, and instants. Flows out: whether a window holds
//! at an instant, or a [`Misread`] that says which word is wrong and what was probably meant.
//!
//! # Windows
//! | text | when |
//! |---|---|
//! | `Mon-Fri 06:00-22:00 America/New_York` | from Monday to Friday, from 06:00 until just before 22:00 |
//! | `Mon,Wed,Fri 08:00-12:00` | three days, in the calendar's time zone |
//! | `06:00-22:00`, `daily 06:00-22:00` | every day |
//! | `Sat-Sun`, `weekends`, `weekdays` | whole days |
//! | `Fri 22:00-06:00` | Friday from 22:00 until Saturday 06:00: the day is the one on which it begins |
//! | `Mon-Fri 06:00-22:00 except holidays` | not where the window begins on a holiday |
//! | `holidays`, `Sat-Sun,holidays 08:00-12:00` | on holidays, whatever the weekday |
//! | `2026-11-25 22:00 - 2026-11-26 04:00 Europe/Berlin` | once |
//! | `2026-12-01 - 2026-12-24` | once, whole days, both included |
//! | `@day-shift` | a window that the calendar has by this name |
//!
//! A window of weekdays holds on holidays too, unless it says `except holidays`. Hours are as the clock on the wall
//! shows them: where the clocks are set back, an hour that comes twice is in the window both times, and one that they
//! skip never comes. A fixed span begins and ends when the clock first shows its ends.

mod clock;
mod holidays;
mod lapse;
mod misread;
mod moment;
mod read;
mod window;
mod zone;

#[cfg(test)]
mod oracle;
#[cfg(test)]
mod tests;

pub use holidays::Holidays;
pub use lapse::{Lapse, Rate, parse_duration, parse_rate};
pub use misread::Misread;
pub use moment::Local;
pub use window::{Span, Windows};
pub use zone::Zone;

use crate::address::Timestamp;
use crate::policy::problem::nearest;
use misread::Part;
use std::sync::Arc;

/// The time zone and the holidays of a plant, and the windows that have a name there.
#[derive(Clone, Debug)]
pub struct Calendar {
    zone: Zone,
    holidays: Arc<Holidays>,
    named: Vec<(String, Windows)>,
}

/// Universal time, no holidays, no names.
impl Default for Calendar {
    fn default() -> Self {
        Calendar::new(Zone::utc(), Holidays::default())
    }
}

impl Calendar {
    /// A calendar without named windows. `zone` is for every text that names none.
    pub fn new(zone: Zone, holidays: Holidays) -> Self {
        Calendar { zone, holidays: Arc::new(holidays), named: Vec::new() }
    }

    /// The time zone of texts that name none.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// The holidays.
    pub fn holidays(&self) -> &Holidays {
        &self.holidays
    }

    /// The windows that have a name.
    pub fn names(&self) -> impl Iterator<Item = (&str, &Windows)> {
        self.named.iter().map(|(name, windows)| (name.as_str(), windows))
    }

    /// Gives windows a name: after `define("day-shift", …)`, a list may say `@day-shift`.
    ///
    /// # Errors
    /// The name is taken, or has other characters than letters, digits, `-`, `_` and `.`.
    pub fn define(&mut self, name: &str, windows: Windows) -> Result<(), Misread> {
        let part = Part { text: name, at: 0 };
        let plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
        if name.is_empty() || !name.chars().all(plain) {
            let message = format!("'{name}' is not a name for a window");
            return Err(part.wrong(message).help("use letters, digits, '-', '_' and '.'"));
        }
        if self.named.iter().any(|(known, _)| known == name) {
            return Err(part.wrong(format!("a window named '{name}' is already there")));
        }
        self.named.push((name.to_owned(), windows));
        Ok(())
    }

    /// Reads one entry of a list of windows: a window, or `@name`.
    ///
    /// # Errors
    /// The word that is wrong, by octets of `text`.
    pub fn window(&self, text: &str) -> Result<Windows, Misread> {
        let part = Part::whole(text);
        if let Some(name) = part.text.strip_prefix('@')
            && !name.contains(char::is_whitespace)
        {
            let known = self.named.iter().find(|(known, _)| known == name);
            return known.map(|(_, windows)| windows.named(name)).ok_or_else(|| {
                let names = self.named.iter().map(|(name, _)| name.as_str());
                let meant = nearest(name, names).map(|name| format!("@{name}"));
                part.wrong(format!("no window is named '{name}'")).meant(meant)
            });
        }
        Ok(Windows::one(read::window(text, &self.zone)?, &self.holidays, part.text))
    }

    /// Reads a list of windows, any of which may hold.
    ///
    /// # Errors
    /// The first entry that cannot be read, by its place in the list, and the word of it that is wrong.
    pub fn windows<S: AsRef<str>>(&self, texts: &[S]) -> Result<Windows, (usize, Misread)> {
        let mut windows = Windows::default();
        for (at, text) in texts.iter().enumerate() {
            windows.add(self.window(text.as_ref()).map_err(|misread| (at, misread))?);
        }
        Ok(windows)
    }

    /// An instant as the clock of the plant shows it, for sentences: `Sunday 03:00 America/New_York`.
    pub fn local(&self, ts: Timestamp) -> Local<'_> {
        Local::new(ts, &self.zone)
    }

    /// Reads a moment that a person asks about: `2026-11-22 03:00` and `Sunday 03:00` on the clock of the plant, with
    /// a time zone after it on the clock there, or `2026-11-22T03:00:00Z` with an offset from UTC.
    ///
    /// A weekday without a date is the next such day after 2026-01-01 that is not a holiday, so that the same question
    /// always has the same answer. A time that the clocks skip is the moment of the change; of one that comes twice
    /// it is the first.
    ///
    /// # Errors
    /// The word that is wrong, by octets of `text`.
    pub fn parse_moment(&self, text: &str) -> Result<Timestamp, Misread> {
        moment::read(Part::whole(text), &self.zone, &self.holidays)
    }
}
