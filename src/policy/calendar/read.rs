//! Reads one window: `Mon-Fri 06:00-22:00 except holidays`, `2026-11-25 22:00 - 2026-11-26 04:00 Europe/Berlin`.

use super::clock::{DAY, DAYS, clock, date, day_named};
use super::misread::{HYPHENS, Misread, Part};
use super::window::{Days, When, Window};
use super::zone::Zone;
use crate::policy::problem::nearest;

const HELP: &str = "for example \"Mon-Fri 06:00-22:00 America/New_York\"";
const TWO_HELP: &str = "write two windows in a list";
const DAYS_HELP: &str = "write days as Mon-Fri, Mon,Wed, weekdays, weekends, daily or holidays";
const DATES_HELP: &str = "write \"2026-12-01 - 2026-12-24\" or \"2026-11-25 22:00 - 2026-11-26 04:00\"";
/// Days that have a name together.
const SETS: [(&str, Days); 4] = [
    ("daily", Days::ALL),
    ("weekdays", Days { weekdays: 0x1f, ..NO_DAY }),
    ("weekends", Days { weekdays: 0x60, ..NO_DAY }),
    ("holidays", Days { holidays: true, ..NO_DAY }),
];
const NO_DAY: Days = Days { weekdays: 0, holidays: false, except_holidays: false };

/// Reads a window; `zone` is for one that names none.
pub(super) fn window(text: &str, zone: &Zone) -> Result<Window, Misread> {
    let whole = Part::whole(text);
    if whole.is_empty() {
        return Err(whole.wrong("the window is empty").help(HELP));
    }
    if looks_like_date(whole.word().0.text) { dates(whole, zone) } else { hours(text, whole, zone) }
}

/// Digits and hyphens, as in "2026-11-25", or a wrong date such as "25.11.2026".
fn looks_like_date(word: &str) -> bool {
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    let marks = word.matches(['-', '.', '/']).count();
    let year_first = digits >= 4 && marks >= 2 && (digits == 4 || !word.contains(':'));
    let year_last = digits > 0 && marks == 2 && !word.contains(':');
    year_first || year_last
}

/// A window of weekdays and hours, whose parts may come in any order.
fn hours<'t>(text: &'t str, whole: Part<'t>, default: &Zone) -> Result<Window, Misread> {
    let (mut days, mut times, mut zone, mut except): (Option<Days>, Option<(i64, i64)>, Option<Zone>, _) =
        (None, None, None, None);
    let words = joined(text, whole);
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        if word.is("except") {
            except = Some(word.through(exception(word, words.next())?, text));
        } else if word.starts_with_digit() {
            let read = span_of_day(word)?;
            if times.replace(read).is_some() {
                return Err(word.wrong("the window has two spans of hours").help(TWO_HELP));
            }
        } else if word.text.starts_with('@') {
            let message = format!("'{}' names a whole window and stands alone", word.text);
            return Err(word.wrong(message).help("write it as an entry of its own in the list"));
        } else if is_day_word(word, days.is_none() && times.is_none()) {
            let read = days_of(word)?;
            if days.replace(read).is_some() {
                let message = format!("the days before '{}' end without a comma", word.text);
                return Err(word.wrong(message).help("write \"Mon,Wed,Fri\""));
            }
        } else {
            let read = zone_of(word, days.is_none())?;
            if zone.replace(read).is_some() {
                return Err(word.wrong("the window has two time zones"));
            }
        }
    }
    if days.is_none() && times.is_none() {
        return Err(whole.wrong("the window has neither days nor hours").help(HELP));
    }
    let mut days = days.unwrap_or(Days::ALL);
    if let Some(except) = except {
        if days.holidays {
            return Err(except.wrong("the window holds on holidays and excepts them"));
        }
        days.except_holidays = true;
    }
    let (from, until) = times.unwrap_or((0, DAY));
    Ok(Window { when: When::Every { days, from, until }, zone: zone.unwrap_or_else(|| default.clone()) })
}

/// The words, where one that ends or begins with a comma or a hyphen goes on over the space.
fn joined<'t>(text: &'t str, whole: Part<'t>) -> Vec<Part<'t>> {
    let joins = |c: char| c == ',' || HYPHENS.contains(&c);
    let mut words: Vec<Part<'t>> = Vec::new();
    let mut rest = whole;
    while !rest.is_empty() {
        let (word, after) = rest.word();
        match words.last_mut() {
            // "Mon-Fri, 06:00-22:00": the list of days ends all the same.
            Some(last)
                if last.text.ends_with(',') && word.starts_with_digit() && !last.starts_with_digit() =>
            {
                *last = last.cut(last.text.len() - 1).0.trim();
                words.push(word);
            }
            Some(last) if last.text.ends_with(joins) || word.text.starts_with(joins) => {
                *last = last.through(word, text);
            }
            _ => words.push(word),
        }
        rest = after;
    }
    words
}

fn exception<'t>(except: Part<'t>, what: Option<Part<'t>>) -> Result<Part<'t>, Misread> {
    let help = "write \"except holidays\"";
    match what {
        Some(what) if what.is("holidays") => Ok(what),
        Some(what) => {
            let message = format!("'{}' cannot be excepted, only holidays", what.text);
            Err(what.wrong(message).meant(nearest(what.text, ["holidays"])).help(help))
        }
        None => Err(except.wrong("'except' does not say what").meant(Some("except holidays")).help(help)),
    }
}

/// Whether a word is about days: it is one, or, where days are expected, it is not a time zone.
fn is_day_word(word: Part<'_>, expected: bool) -> bool {
    let first = word.text.split(|c: char| c == ',' || HYPHENS.contains(&c)).next().unwrap_or_default().trim();
    let known = day_named(first).is_some() || SETS.iter().any(|(name, _)| name.eq_ignore_ascii_case(first));
    known
        || expected && !word.text.contains('/') && !word.is("UTC") && nearest(word.text, ["except"]).is_none()
}

fn zone_of(word: Part<'_>, no_days_yet: bool) -> Result<Zone, Misread> {
    Zone::read_part(word).map_err(|misread| {
        let meant = nearest(word.text, ["except"]);
        if meant.is_some() {
            return word.wrong(format!("'{}' is not a word of a window", word.text)).meant(meant).help(HELP);
        }
        match likely_day(word.text).filter(|_| no_days_yet) {
            Some(day) => not_a_day(word, Some(day)),
            None => misread,
        }
    })
}

/// "Mon-Fri", "Mon,Wed,Fri", "weekends", "Sat-Sun,holidays".
fn days_of(part: Part<'_>) -> Result<Days, Misread> {
    let mut days = NO_DAY;
    let mut rest = Some(part);
    while let Some(part) = rest {
        let (item, after) = part.split(&[',']).map_or((part, None), |(item, after)| (item, Some(after)));
        rest = after;
        if let Some((_, set)) = SETS.iter().find(|(name, _)| item.is(name)) {
            days.weekdays |= set.weekdays;
            days.holidays |= set.holidays;
            continue;
        }
        let (first, last) = match item.split(HYPHENS) {
            Some((first, last)) => (day_of(first)?, day_of(last)?),
            None => day_of(item).map(|day| (day, day))?,
        };
        let count = (last + 7 - first) % 7;
        days.weekdays |= (0..=count).fold(0, |set, step| set | 1 << ((first + step) % 7));
    }
    Ok(days)
}

fn day_of(part: Part<'_>) -> Result<usize, Misread> {
    if part.is_empty() {
        return Err(part.wrong("a day is missing").help(DAYS_HELP));
    }
    day_named(part.text).ok_or_else(|| not_a_day(part, likely_day(part.text)))
}

fn not_a_day(part: Part<'_>, meant: Option<&str>) -> Misread {
    part.wrong(format!("'{}' is not a day", part.text)).meant(meant).help(DAYS_HELP)
}

pub(super) fn likely_day(text: &str) -> Option<&'static str> {
    let short = DAYS.iter().filter_map(|day| day.get(..3));
    let names = short.chain(DAYS).chain(SETS.map(|(name, _)| name));
    // "Sonday" is as near to Monday as to Sunday; the first letter is seldom wrong.
    let initial = |name: &&str| text.get(..1).is_some_and(|first| name[..1].eq_ignore_ascii_case(first));
    nearest(text, names.clone().filter(initial)).or_else(|| nearest(text, names))
}

/// "06:00-22:00" in seconds since midnight; an end before the beginning is on the next day.
fn span_of_day(part: Part<'_>) -> Result<(i64, i64), Misread> {
    if part.text.contains(',') {
        return Err(part.wrong("a window has one span of hours").help(TWO_HELP));
    }
    let Some((from, until)) = part.split(HYPHENS) else {
        clock(part)?;
        let message = format!("{} is one time of day, not a span", part.text);
        let help = "write a span as 06:00-22:00";
        return Err(part.wrong(message).help(help));
    };
    if until.is_empty() {
        return Err(part.wrong("the span of hours has no end").help("write a span as 06:00-22:00"));
    }
    let (begin, end) = (clock(from)?, clock(until)?);
    if begin == DAY {
        return Err(from.wrong("24:00 is the end of a day; a window begins at 00:00").meant(None::<&str>));
    }
    if begin == end {
        let meant = (begin == 0).then_some("00:00-24:00");
        return Err(part.wrong("the window ends when it begins").meant(meant));
    }
    Ok((begin, if end == 0 { DAY } else { end }))
}

/// One fixed span: of whole days, or from one moment until another.
fn dates(whole: Part<'_>, default: &Zone) -> Result<Window, Misread> {
    let fail = |message: &str| Err(whole.wrong(message).help(DATES_HELP));
    let first = moment(whole)?;
    let (last, rest) = match first.rest.text.chars().next().filter(|c| HYPHENS.contains(c)) {
        Some(hyphen) => {
            let after = first.rest.cut(hyphen.len_utf8()).1.trim();
            if after.is_empty() {
                return fail("the window has no end");
            }
            let last = end(&first, after)?;
            (Some((last.day, last.time)), last.rest)
        }
        None => (None, first.rest),
    };
    let zone = zone_after_dates(rest, default)?;
    let (begin, end) = match (first.time, last) {
        (None, None) => (first.day * DAY, (first.day + 1) * DAY),
        (None, Some((day, None))) => (first.day * DAY, (day + 1) * DAY),
        (Some(begin), Some((day, Some(end)))) => (first.day * DAY + begin, day * DAY + end),
        (Some(_), None) => return fail("the window has no end"),
        (_, Some(_)) => return fail("one end of the window has a time of day and the other has none"),
    };
    if end <= begin {
        let when = if end == begin { "when" } else { "before" };
        return fail(&format!("the window ends {when} it begins"));
    }
    let (from, until) = (zone.first(begin), zone.first(end));
    if from >= until {
        return fail(&format!("the clocks of {zone} skip the whole window"));
    }
    Ok(Window { when: When::Once { from, until }, zone })
}

/// A day since 1970-01-01, the second of it if a time of day follows, and the rest of the text.
struct Moment<'t> {
    day: i64,
    time: Option<i64>,
    rest: Part<'t>,
}

/// The end of a fixed span. Without a date it is on the day of the beginning, or on the next.
fn end<'t>(first: &Moment<'_>, part: Part<'t>) -> Result<Moment<'t>, Misread> {
    let (word, rest) = part.word();
    if !word.text.contains(':') || looks_like_date(word.text) {
        return moment(part);
    }
    let time = clock(word)?;
    let next_day = first.time.is_some_and(|begin| time < begin);
    Ok(Moment { day: first.day + i64::from(next_day), time: Some(time), rest })
}

fn zone_after_dates(rest: Part<'_>, default: &Zone) -> Result<Zone, Misread> {
    let (word, after) = rest.word();
    let message = match word {
        word if word.is_empty() => return Ok(default.clone()),
        word if word.starts_with_digit() => format!("there is no hyphen before {}", word.text),
        word if word.is("except") => "a window of dates has no exceptions".to_owned(),
        _ => {
            let zone = Zone::read_part(word)?;
            if after.is_empty() {
                return Ok(zone);
            }
            let message = format!("'{}' follows the time zone", after.text);
            return Err(after.wrong(message).help(DATES_HELP));
        }
    };
    Err(word.wrong(message).help(DATES_HELP))
}

/// A date with or without a time of day.
fn moment(part: Part<'_>) -> Result<Moment<'_>, Misread> {
    let (word, _) = part.word();
    // A date has ten octets; a hyphen or a 'T' may follow without a space.
    let ends = |c: char| HYPHENS.contains(&c) || c == 'T';
    let length = match word.text.get(10..) {
        Some(more) if more.starts_with(ends) => 10,
        _ => word.text.len(),
    };
    let (date_part, rest) = part.trim().cut(length);
    let day = date(date_part)?;
    let rest = if rest.text.starts_with('T') { rest.cut(1).1 } else { rest.trim() };
    let (word, _) = rest.word();
    if !word.starts_with_digit() || looks_like_date(word.text) {
        return Ok(Moment { day, time: None, rest });
    }
    let (time, rest) = rest.cut(word.text.find(HYPHENS).unwrap_or(word.text.len()));
    Ok(Moment { day, time: Some(clock(time)?), rest: rest.trim() })
}
