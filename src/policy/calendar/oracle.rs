//! The calendar against a second reading of the clock, and against nonsense.

use super::tests::{NEW_YORK, calendar};
use super::*;
use proptest::prelude::*;

/// What a window means, written down a second time from the civil time of `jiff`.
#[derive(Clone, Debug)]
struct Oracle {
    days: [bool; 7],
    /// Minutes since midnight.
    from: i64,
    until: i64,
    except: bool,
    zone: &'static str,
}

impl Oracle {
    fn text(&self) -> String {
        let days: Vec<&str> =
            clock::DAYS.iter().zip(self.days).filter(|(_, on)| *on).map(|(day, _)| &day[..3]).collect();
        let time = |minute: i64| format!("{:02}:{:02}", minute / 60, minute % 60);
        let except = if self.except { " except holidays" } else { "" };
        format!("{} {}-{}{except} {}", days.join(","), time(self.from), time(self.until), self.zone)
    }

    fn holds(&self, nanos: i64) -> bool {
        let zone = jiff::tz::TimeZoneDatabase::bundled().get(self.zone).unwrap();
        let now = zone.to_datetime(jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap());
        let minute = i64::from(now.hour()) * 60 + i64::from(now.minute());
        let begins = |date: jiff::civil::Date| {
            let of_year = (date.month(), date.day());
            let thanksgiving = (date.year(), of_year) == (2026, (11, 26));
            let holiday = thanksgiving || of_year == (12, 25) || of_year == (2, 29);
            self.days[date.weekday().to_monday_zero_offset() as usize] && !(self.except && holiday)
        };
        let today = begins(now.date());
        if self.from < self.until {
            today && self.from <= minute && minute < self.until
        } else {
            (today && self.from <= minute) || (begins(now.date().yesterday().unwrap()) && minute < self.until)
        }
    }
}

fn oracle() -> impl Strategy<Value = Oracle> {
    let zones =
        [NEW_YORK, "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC", "America/St_Johns"];
    let edges = prop_oneof![0i64..1440, (0i64..48).prop_map(|half| half * 30)];
    let ends = prop_oneof![1i64..=1440, (1i64..=48).prop_map(|half| half * 30)];
    (1u8..128, edges, ends, any::<bool>(), proptest::sample::select(zones.to_vec()))
        .prop_filter("a window that ends when it begins", |(_, from, until, ..)| from != until)
        .prop_map(|(days, from, until, except, zone)| {
            let days = std::array::from_fn(|day| days & (1 << day) != 0);
            Oracle { days, from, until, except, zone }
        })
}

/// Instants that matter, in seconds: changes of the clocks, holidays, a leap day, the ends of what is promised.
fn instant() -> impl Strategy<Value = i64> {
    let near = [
        "2026-03-08T07:00:00Z",
        "2026-11-01T06:00:00Z",
        "2026-03-29T01:00:00Z",
        "2026-10-25T01:00:00Z",
        "2026-04-04T15:00:00Z",
        "2026-10-03T15:30:00Z",
        "2026-11-26T12:00:00Z",
        "2028-02-29T12:00:00Z",
        "2099-12-25T00:00:00Z",
        "1970-01-01T12:00:00Z",
        "1987-10-25T02:31:00Z",
    ];
    let near = near.map(|text| text.parse::<jiff::Timestamp>().unwrap().as_second());
    let around = (proptest::sample::select(near.to_vec()), -100_000i64..100_000).prop_map(|(at, by)| at + by);
    prop_oneof![3 => around, 1 => 0i64..4_102_444_800]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn spans_agree_with_the_clock_minute_by_minute(
        oracles in proptest::collection::vec(oracle(), 1..3),
        at in instant(),
    ) {
        let texts: Vec<String> = oracles.iter().map(Oracle::text).collect();
        let windows = calendar().windows(&texts).unwrap();
        let holds = |nanos: i64| oracles.iter().any(|oracle| oracle.holds(nanos));
        let mut cache = Span::NONE;
        let start = at - at.rem_euclid(60);
        for minute in -120..120 {
            let nanos = (start + minute * 60) * 1_000_000_000;
            let ts = Timestamp::from_nanos(nanos);
            if !cache.covers(ts) {
                cache = windows.span(ts);
                prop_assert!(cache.covers(ts));
                // Its ends, to the nanosecond.
                prop_assert_eq!(holds(cache.from), cache.holds);
                prop_assert_eq!(holds(cache.until - 1), cache.holds);
            }
            prop_assert_eq!(cache.holds, holds(nanos), "{} at {}", texts.join(" or "), ts);
            prop_assert_eq!(cache.holds, windows.holds(ts));
        }
    }

    #[test]
    fn a_fixed_span_is_between_two_instants(
        (day, length) in (0i64..50_000, 0i64..5),
        (from, until) in (0i64..1440, 0i64..1440),
        at in -3_000i64..10_000,
    ) {
        let date = |day: i64| jiff::civil::date(1970, 1, 1) + jiff::Span::new().days(day);
        let end = |day: i64, minute: i64| date(day).at((minute / 60) as i8, (minute % 60) as i8, 0, 0);
        let (first, last) = (end(day, from), end(day + length, until));
        prop_assume!(first < last);
        let say = |at: jiff::civil::DateTime| at.strftime("%Y-%m-%d %H:%M").to_string();
        let windows = calendar().window(&format!("{} - {} UTC", say(first), say(last))).unwrap();
        let minute = day * 1440 + from + at;
        let inside = day * 1440 + from <= minute && minute < (day + length) * 1440 + until;
        let ts = Timestamp::from_nanos(minute * 60_000_000_000);
        prop_assert_eq!(windows.holds(ts), inside);
        prop_assert!(windows.span(ts).covers(ts));
    }

    #[test]
    fn no_instant_is_too_strange(oracle in oracle(), nanos in prop_oneof![
        any::<i64>(), i64::MIN..i64::MIN + 1_000_000, i64::MAX - 1_000_000..=i64::MAX,
    ]) {
        let calendar = calendar();
        let mut windows = calendar.window(&oracle.text()).unwrap();
        windows.add(calendar.window("2026-12-01 - 2026-12-24").unwrap());
        let ts = Timestamp::from_nanos(nanos);
        let span = windows.span(ts);
        prop_assert!(span.covers(ts) || nanos == i64::MAX);
        prop_assert_eq!(span.holds, windows.holds(ts));
        windows.next_change(ts);
        calendar.local(ts).to_string();
    }

    #[test]
    fn no_text_is_too_strange(text in prop_oneof![
        "\\PC*",
        "(Mon|Fri|Mo|holidays|except|@day-shift|2026-1[12]-2[0-9]|[0-9]{1,2}:[0-9]{2}|UTC|[A-Z]|-|–|,|/|per|min|T|µ| ){0,9}",
    ]) {
        let calendar = calendar();
        let errors = [
            calendar.window(&text).err(),
            calendar.parse_moment(&text).err(),
            Holidays::default().add(&text).err(),
            Zone::read(&text).err(),
            parse_duration(&text).err(),
            parse_rate(&text).err(),
        ];
        for misread in errors.into_iter().flatten() {
            prop_assert!(text.get(misread.at.clone()).is_some(), "{:?}", misread);
            misread.to_string();
        }
    }
}
