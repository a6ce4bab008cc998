//! The days that are not like others.

use super::clock::{date, month_and_day, yearly_date};
use super::misread::{Misread, Part};
use crate::address::civil;
use std::fmt;

/// The holidays of a plant: single dates and dates of every year.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Holidays {
    /// A set of days for each month; bit 1 for the first.
    yearly: [u32; 12],
    /// Days since 1970-01-01, in order.
    dates: Vec<i64>,
}

impl Holidays {
    /// Adds "2026-11-26" (one date) or "12-25" (every year).
    ///
    /// # Errors
    /// The text is no date.
    pub fn add(&mut self, text: &str) -> Result<(), Misread> {
        let part = Part::whole(text);
        if part.text.len() == "12-25".len() {
            let (month, day) = yearly_date(part)?;
            if let Some(days) = self.yearly.get_mut(month as usize - 1) {
                *days |= 1 << day;
            }
            return Ok(());
        }
        let day = date(part)
            .map_err(|misread| misread.help("write a holiday as 2026-11-26 or, for every year, as 12-25"))?;
        if let Err(at) = self.dates.binary_search(&day) {
            self.dates.insert(at, day);
        }
        Ok(())
    }

    /// Whether a day is one; in days since 1970-01-01.
    pub(super) fn has(&self, day: i64) -> bool {
        let (month, of_month) = month_and_day(day);
        let yearly = self.yearly.get(month.wrapping_sub(1)).is_some_and(|days| days & (1 << of_month) != 0);
        yearly || self.dates.binary_search(&day).is_ok()
    }
}

/// "12-25, 2026-11-26", or "none".
impl fmt::Display for Holidays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let yearly = (1..).zip(&self.yearly).flat_map(|(month, days)| {
            (1..32).filter(move |day| days & (1 << day) != 0).map(move |day| format!("{month:02}-{day:02}"))
        });
        let dates = self.dates.iter().map(|day| {
            let (year, month, day) = civil(*day);
            format!("{year:04}-{month:02}-{day:02}")
        });
        let all: Vec<String> = yearly.chain(dates).collect();
        f.write_str(if all.is_empty() { "none" } else { "" })?;
        f.write_str(&all.join(", "))
    }
}
