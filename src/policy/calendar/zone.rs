//! Time zones as tables: when the offset from UTC changes, over all the time that a nanosecond count can say.
//!
//! The data is the IANA time zone database as built into the program, never that of the machine, so that a capture
//! is judged alike everywhere.

use super::clock::SECOND;
use super::misread::{Misread, Part};
use crate::policy::problem::nearest;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

/// A time zone: "Europe/Berlin", "UTC". Cheap to clone.
#[derive(Clone)]
pub struct Zone(Arc<Table>);

struct Table {
    name: String,
    /// In order of time; the first begins with time itself.
    pieces: Vec<Piece>,
}

/// A time in which the offset does not change.
#[derive(Clone, Copy)]
struct Piece {
    /// Nanoseconds since 1970 UTC.
    from: i64,
    /// Seconds east of UTC.
    offset: i64,
}

/// The piece of time around an instant in which the offset does not change.
#[derive(Clone, Copy)]
pub(super) struct Stretch {
    /// Nanoseconds since 1970 UTC, included.
    pub from: i64,
    /// Nanoseconds since 1970 UTC, excluded.
    pub until: i64,
    /// Seconds east of UTC.
    pub offset: i64,
}

/// Abbreviations that people take for time zones. Those that the database has are offsets that never change to
/// summer time, which is hardly what was meant.
const ABBREVIATIONS: [(&str, &str); 18] = [
    ("EST", "America/New_York"),
    ("EDT", "America/New_York"),
    ("CST", "America/Chicago"),
    ("CDT", "America/Chicago"),
    ("MST", "America/Denver"),
    ("MDT", "America/Denver"),
    ("PST", "America/Los_Angeles"),
    ("PDT", "America/Los_Angeles"),
    ("HST", "Pacific/Honolulu"),
    ("BST", "Europe/London"),
    ("WET", "Europe/Lisbon"),
    ("CET", "Europe/Berlin"),
    ("CEST", "Europe/Berlin"),
    ("MEZ", "Europe/Berlin"),
    ("EET", "Europe/Athens"),
    ("IST", "Asia/Kolkata"),
    ("JST", "Asia/Tokyo"),
    ("AEST", "Australia/Sydney"),
];

static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);
/// The zones read so far; there are some 600 names.
static READ: Mutex<Vec<Zone>> = Mutex::new(Vec::new());

impl Zone {
    /// Reads an IANA name ("America/New_York") or "UTC".
    ///
    /// # Errors
    /// The name is not in the database, or is an abbreviation.
    pub fn read(name: &str) -> Result<Zone, Misread> {
        Zone::read_part(Part::whole(name))
    }

    pub(super) fn read_part(part: Part<'_>) -> Result<Zone, Misread> {
        let name = part.text;
        if let Some((_, place)) = ABBREVIATIONS.iter().find(|(short, _)| part.is(short)) {
            let message = format!("'{name}' is an abbreviation, not a time zone");
            return Err(part.wrong(message).meant(Some(*place)).help(HELP));
        }
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(zone) = read.iter().find(|zone| zone.name().eq_ignore_ascii_case(name)) {
            return Ok(zone.clone());
        }
        let zone = DATABASE.get(name).ok().filter(|zone| !zone.is_unknown());
        let Some(zone) = zone else {
            let message = format!("unknown time zone '{name}'");
            return Err(part.wrong(message).meant(likely_zone(name)).help(HELP));
        };
        let zone = Zone(Arc::new(Table::new(zone.iana_name().unwrap_or(name).to_owned(), &zone)));
        read.push(zone.clone());
        Ok(zone)
    }

    /// Universal time.
    pub fn utc() -> Zone {
        Zone(Arc::new(Table::new("UTC".to_owned(), &TimeZone::UTC)))
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub(super) fn stretch(&self, nanos: i64) -> Stretch {
        let pieces = &self.0.pieces;
        let next = pieces.partition_point(|piece| piece.from <= nanos);
        let piece = next.checked_sub(1).and_then(|at| pieces.get(at));
        Stretch {
            from: piece.map_or(i64::MIN, |piece| piece.from),
            until: pieces.get(next).map_or(i64::MAX, |piece| piece.from),
            offset: piece.map_or(0, |piece| piece.offset),
        }
    }

    /// The first instant at which the clocks show this time or a later one: the first of two where they are set
    /// back, the change itself where they skip it. `local` is in seconds since 1970-01-01 00:00 on the clock.
    pub(super) fn first(&self, local: i64) -> i64 {
        let pieces = &self.0.pieces;
        let ends = pieces.iter().skip(1).map(|piece| piece.from).chain([i64::MAX]);
        let shown = |piece: &Piece| (local - piece.offset).saturating_mul(SECOND);
        let starts = pieces.iter().map(|piece| shown(piece).max(piece.from));
        starts.zip(ends).find(|(start, end)| start < end).map_or(i64::MAX, |(start, _)| start)
    }
}

impl Table {
    fn new(name: String, zone: &TimeZone) -> Self {
        let start = jiff::Timestamp::from_nanosecond(i128::from(i64::MIN)).unwrap_or(jiff::Timestamp::MIN);
        let mut pieces = vec![Piece { from: i64::MIN, offset: i64::from(zone.to_offset(start).seconds()) }];
        for change in zone.following(start) {
            let Ok(from) = i64::try_from(change.timestamp().as_nanosecond()) else { break };
            let offset = i64::from(change.offset().seconds());
            if pieces.last().is_some_and(|piece| piece.offset != offset) {
                pieces.push(Piece { from, offset });
            }
        }
        Table { name, pieces }
    }
}

const HELP: &str = "write an IANA name such as Europe/Berlin or America/New_York, or UTC";

/// The name that was meant: a near one, or the one that ends with the city.
fn likely_zone(name: &str) -> Option<String> {
    let plain = |text: &str| text.replace([' ', '-'], "_").to_ascii_lowercase();
    let names: Vec<String> = DATABASE.available().map(|name| name.as_str().to_owned()).collect();
    let wanted = plain(name);
    let same_city = |known: &&String| known.rsplit_once('/').is_some_and(|(_, city)| plain(city) == wanted);
    let city = names.iter().filter(same_city).min_by_key(|name| name.len()).map(String::as_str);
    city.or_else(|| nearest(name, names.iter().map(String::as_str))).map(str::to_owned)
}

/// Zones are the same when their names are.
impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Zone {}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Zone({})", self.name())
    }
}
