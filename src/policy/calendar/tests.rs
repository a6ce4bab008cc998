//! The calendar against its documentation: every form, and the sentence for every error.

use super::*;

pub(super) const NEW_YORK: &str = "America/New_York";

pub(super) fn calendar() -> Calendar {
    let mut holidays = Holidays::default();
    for text in ["2026-11-26", "12-25", "02-29"] {
        holidays.add(text).unwrap();
    }
    let mut calendar = Calendar::new(Zone::read(NEW_YORK).unwrap(), holidays);
    let shift = calendar.windows(&["Mon-Fri 06:00-22:00", "Sat 08:00-12:00"]).unwrap();
    calendar.define("day-shift", shift).unwrap();
    calendar
}

/// Whether a window holds at moments of the calendar, as a string of '#' and '.'.
fn at(window: &str, moments: &[&str]) -> String {
    let calendar = calendar();
    let windows = calendar.window(window).unwrap_or_else(|misread| panic!("{window}: {misread}"));
    let holds = |moment: &&str| windows.holds(calendar.parse_moment(moment).unwrap());
    moments.iter().map(|moment| if holds(moment) { '#' } else { '.' }).collect()
}

/// The words that an error underlines and its sentence.
fn wrong<T: std::fmt::Debug>(text: &str, read: impl Fn(&str) -> Result<T, Misread>) -> String {
    let misread = read(text).expect_err(text);
    format!("{} | {misread}", &text[misread.at.clone()])
}

fn wrong_window(text: &str) -> String {
    wrong(text, |text| calendar().window(text))
}

#[test]
fn hours_of_weekdays_leave_out_their_end() {
    // 2026-11-23 is a Monday.
    let moments = ["2026-11-23 05:59:59", "2026-11-23 06:00", "2026-11-23 21:59:59", "2026-11-23 22:00"];
    for window in
        ["Mon-Fri 06:00-22:00", "06:00-22:00", "daily 6:00 - 22:00", "monday 06:00–22:00", "Mon, 06:00-22:00"]
    {
        assert_eq!(at(window, &moments), ".##.", "{window}");
    }
    assert_eq!(at("Tue,Wed 06:00-22:00", &moments), "....");
    assert_eq!(at("Mon-Fri 06:00-22:00 UTC", &["2026-11-23 01:00", "2026-11-23 17:00"]), "#.");
    assert_eq!(at("UTC Mon-Fri 06:00-22:00", &["2026-11-23 01:00", "2026-11-23 17:00"]), "#.");
}

#[test]
fn days_have_names() {
    let week = [22, 23, 24, 25, 26, 27, 28].map(|day| format!("2026-11-{day} 12:00"));
    let week = week.each_ref().map(String::as_str);
    for (window, holds) in [
        ("Sat-Sun", "#.....#"),
        ("weekends", "#.....#"),
        ("WEEKDAYS", ".#####."),
        ("weekdays except holidays", ".###.#."),
        ("Mon,Wed,Fri 08:00-13:00", ".#.#.#."),
        ("Mon, Wed , Friday", ".#.#.#."),
        ("Fri - Mon", "##...##"),
        ("Fri-Mon,Wed", "##.#.##"),
        ("daily", "#######"),
        ("daily except holidays", "####.##"),
        ("holidays", "....#.."),
        ("holidays 00:00-24:00", "....#.."),
        ("holidays 00:00-12:00", "......."),
        ("sat-sun,holidays 08:00-13:00", "#...#.#"),
        ("@day-shift", ".#####."),
    ] {
        assert_eq!(at(window, &week), holds, "{window}");
    }
    assert_eq!(at("holidays", &["2031-12-25 00:00", "2031-12-26 00:00", "2032-02-29 09:00"]), "#.#");
}

#[test]
fn a_night_belongs_to_the_day_on_which_it_begins() {
    let nights =
        ["2026-11-27 05:00", "2026-11-27 22:00", "2026-11-28 05:59", "2026-11-28 06:00", "2026-11-28 23:00"];
    assert_eq!(at("Fri 22:00-06:00", &nights), ".##..");
    assert_eq!(at("daily 22:00-06:00", &nights), "###.#");
    // Thursday 26 is a holiday: its night is left out, until Friday morning.
    assert_eq!(at("daily 22:00-06:00 except holidays", &nights), ".##.#");
    assert_eq!(at("holidays 22:00-06:00", &nights), "#....");
    assert_eq!(at("Fri 22:00-00:00", &nights), ".#...");
}

#[test]
fn fixed_spans_hold_once() {
    let moments = ["2026-11-25 15:59", "2026-11-25 16:00", "2026-11-25 21:59", "2026-11-25 22:00"];
    assert_eq!(at("2026-11-25 22:00 - 2026-11-26 04:00 Europe/Berlin", &moments), ".##.");
    assert_eq!(at("2026-11-25T16:00-2026-11-25T22:00", &moments), ".##.");
    assert_eq!(at("2026-11-25 16:00-22:00", &moments), ".##.");
    assert_eq!(at("2026-11-25 16:00 - 02:00", &["2026-11-26 01:59", "2026-11-26 02:00"]), "#.");
    let days = ["2026-11-30 23:59", "2026-12-01 00:00", "2026-12-24 23:59", "2026-12-25 00:00"];
    assert_eq!(at("2026-12-01 - 2026-12-24", &days), ".##.");
    assert_eq!(at("2026-12-01-2026-12-24 America/New_York", &days), ".##.");
    assert_eq!(at("2026-12-24", &days), "..#.");
}

#[test]
fn clocks_that_change_are_read_as_they_stand() {
    let windows = |text: &str| calendar().window(text).unwrap();
    let holds = |text: &str, instant: &str| windows(text).holds(calendar().parse_moment(instant).unwrap());
    // On 2026-11-01 New York has 01:30 twice.
    for (instant, inside) in [
        ("05:15", true),
        ("05:29", true),
        ("05:30", false),
        ("06:00", true),
        ("06:29", true),
        ("06:30", false),
    ] {
        assert_eq!(holds("01:00-01:30", &format!("2026-11-01T{instant}:00Z")), inside, "{instant}");
    }
    // On 2026-03-08 it goes from 02:00 to 03:00.
    let gap = calendar().parse_moment("2026-03-08T06:59:59Z").unwrap();
    let span = windows("Sun 02:00-02:30").span(gap);
    assert!(!span.holds);
    assert_eq!(Timestamp { nanos: span.until, digits: 0 }.to_string(), "2026-03-08T07:00:00Z");
    assert!(!holds("Sun 02:00-02:30", "2026-03-08T07:00:00Z"));
    assert!(holds("Sun 02:30-04:00", "2026-03-08T07:00:00Z"));
    let moment = |text: &str| calendar().parse_moment(text).unwrap().to_string();
    assert_eq!(moment("2026-03-08 02:30"), "2026-03-08T07:00:00Z");
    assert_eq!(moment("2026-11-01 01:30"), "2026-11-01T05:30:00Z");
    assert_eq!(
        wrong_window("2026-03-08 02:10-02:50"),
        "2026-03-08 02:10-02:50 | the clocks of America/New_York skip the whole window"
    );
    // Samoa had no 30 December 2011.
    assert_eq!(
        wrong_window("2011-12-30 Pacific/Apia"),
        "2011-12-30 Pacific/Apia | the clocks of Pacific/Apia skip the whole window"
    );
}

#[test]
fn windows_that_cannot_be_read_say_why() {
    for (text, sentence) in [
        ("", " | the window is empty"),
        ("UTC", "UTC | the window has neither days nor hours"),
        ("Mo 06:00-22:00", "Mo | 'Mo' is not a day; did you mean 'Mon'?"),
        ("Mon-Fr 06:00-22:00", "Fr | 'Fr' is not a day; did you mean 'Fri'?"),
        ("Mon-,Tue", " | a day is missing"),
        ("06:00-22:00 Mo", "Mo | 'Mo' is not a day; did you mean 'Mon'?"),
        ("weekday 06:00-22:00", "weekday | 'weekday' is not a day; did you mean 'weekdays'?"),
        ("Mon Wed 06:00-22:00", "Wed | the days before 'Wed' end without a comma"),
        ("Mon 25:00-26:00", "25:00 | 25:00 is not a time of day"),
        ("Mon 06:00-22:60", "22:60 | 22:60 is not a time of day"),
        ("Mon 6-22:00", "6 | 6 is not a time of day; did you mean '06:00'?"),
        ("Mon 6am-10pm", "6am | 6am is not a time of day; did you mean '06:00'?"),
        ("Mon 06:00-10pm", "10pm | 10pm is not a time of day; did you mean '22:00'?"),
        ("Mon 0600-2200", "0600 | 0600 is not a time of day; did you mean '06:00'?"),
        ("0600-2200", "0600 | 0600 is not a time of day; did you mean '06:00'?"),
        ("Mon 06.30-22.00", "06.30 | 06.30 is not a time of day; did you mean '06:30'?"),
        ("Mon 06:00-noon", "noon | 'noon' is not a time of day"),
        ("Mon 06:00", "06:00 | 06:00 is one time of day, not a span"),
        ("Mon 06:00-", "06:00- | the span of hours has no end"),
        ("Mon 24:00-06:00", "24:00 | 24:00 is the end of a day; a window begins at 00:00"),
        ("Mon 06:00-06:00", "06:00-06:00 | the window ends when it begins"),
        ("00:00-00:00", "00:00-00:00 | the window ends when it begins; did you mean '00:00-24:00'?"),
        ("Mon 06:00-08:00 09:00-10:00", "09:00-10:00 | the window has two spans of hours"),
        ("Mon 06:00-08:00, Tue 09:00-10:00", "06:00-08:00, Tue | a window has one span of hours"),
        ("daily UTC Asia/Tokyo", "Asia/Tokyo | the window has two time zones"),
        (
            "Mon-Fri 06:00-22:00 America/NewYork",
            "America/NewYork | unknown time zone 'America/NewYork'; did you mean 'America/New_York'?",
        ),
        ("Mon 06:00-22:00 Berlin", "Berlin | unknown time zone 'Berlin'; did you mean 'Europe/Berlin'?"),
        ("Mon 06:00-22:00 Mars/Base", "Mars/Base | unknown time zone 'Mars/Base'"),
        (
            "Mon 06:00-22:00 EST",
            "EST | 'EST' is an abbreviation, not a time zone; did you mean 'America/New_York'?",
        ),
        ("daily except", "except | 'except' does not say what; did you mean 'except holidays'?"),
        (
            "daily except holiday",
            "holiday | 'holiday' cannot be excepted, only holidays; did you mean 'holidays'?",
        ),
        ("daily except Sun", "Sun | 'Sun' cannot be excepted, only holidays"),
        ("daily expect holidays", "expect | 'expect' is not a word of a window; did you mean 'except'?"),
        ("holidays except holidays", "except holidays | the window holds on holidays and excepts them"),
        ("@day-shfit", "@day-shfit | no window is named 'day-shfit'; did you mean '@day-shift'?"),
        ("@night", "@night | no window is named 'night'"),
        ("@day-shift UTC", "@day-shift | '@day-shift' names a whole window and stands alone"),
        ("2026-11-31", "2026-11-31 | 2026-11-31 is not a date"),
        ("2026-1-5 - 2026-01-06", "2026-1-5 | 2026-1-5 is not a date; did you mean '2026-01-05'?"),
        ("24.12.2026", "24.12.2026 | 24.12.2026 is not a date; did you mean '2026-12-24'?"),
        ("3026-12-24", "3026-12-24 | 3026 is not a year from 1970 to 2199"),
        ("2026-12-01 -", "2026-12-01 - | the window has no end"),
        ("2026-12-01 08:00", "2026-12-01 08:00 | the window has no end"),
        ("2026-12-01 2026-12-24", "2026-12-24 | there is no hyphen before 2026-12-24"),
        ("2026-12-01 0800-1200", "0800 | 0800 is not a time of day; did you mean '08:00'?"),
        ("2026-12-24 - 2026-12-01", "2026-12-24 - 2026-12-01 | the window ends before it begins"),
        ("2026-12-24 08:00-08:00", "2026-12-24 08:00-08:00 | the window ends when it begins"),
        (
            "2026-12-01 08:00 - 2026-12-02",
            "2026-12-01 08:00 - 2026-12-02 | one end of the window has a time of day and the other has none",
        ),
        ("2026-12-01 except holidays", "except | a window of dates has no exceptions"),
        ("2026-12-01 UTC now", "now | 'now' follows the time zone"),
        ("2026-12-01 Berlin", "Berlin | unknown time zone 'Berlin'; did you mean 'Europe/Berlin'?"),
    ] {
        assert_eq!(wrong_window(text), sentence, "{text}");
    }
}

#[test]
fn lists_give_the_authors_words_back() {
    let calendar = calendar();
    let read = |texts: &[&str]| calendar.windows(texts).unwrap().to_string();
    assert_eq!(read(&[]), "at no time");
    assert_eq!(read(&[" Mon-Fri 06:00-22:00 America/New_York "]), "Mon-Fri 06:00-22:00 America/New_York");
    assert_eq!(read(&["Mon", "Tue", "holidays"]), "Mon, Tue or holidays");
    assert_eq!(read(&["@day-shift"]), "@day-shift (Mon-Fri 06:00-22:00 or Sat 08:00-12:00)");
    let (at, misread) = calendar.windows(&["Mon", "Tu"]).unwrap_err();
    assert_eq!((at, misread.at), (1, 0..2));
}

#[test]
fn names_of_windows_are_plain_and_their_own() {
    let mut calendar = calendar();
    let mut define = |name: &str| calendar.define(name, Windows::default()).map_err(|m| m.to_string());
    assert_eq!(define("night shift"), Err("'night shift' is not a name for a window".to_owned()));
    assert_eq!(define(""), Err("'' is not a name for a window".to_owned()));
    assert_eq!(define("day-shift"), Err("a window named 'day-shift' is already there".to_owned()));
    assert_eq!(define("night"), Ok(()));
}

#[test]
fn holidays_are_dates() {
    let read = |text: &str| Holidays::default().add(text);
    for (text, sentence) in [
        ("02-30", "02-30 | 02-30 is not a date"),
        ("25.12", "25.12 | 25.12 is not a date; did you mean '12-25'?"),
        ("12/25", "12/25 | 12/25 is not a date; did you mean '12-25'?"),
        ("2026-02-29", "2026-02-29 | 2026-02-29 is not a date"),
        ("Christmas", "Christmas | 'Christmas' is not a date"),
        ("", " | '' is not a date"),
    ] {
        assert_eq!(wrong(text, read), sentence);
    }
}

#[test]
fn the_next_change_is_the_next_edge() {
    let calendar = calendar();
    let next = |window: &str, from: &str| {
        let windows = calendar.window(window).unwrap();
        let next = windows.next_change(calendar.parse_moment(from).unwrap());
        next.map(|nanos| Timestamp { nanos, digits: 0 }.to_string())
    };
    let at = |text: &str| Some(text.to_owned());
    assert_eq!(next("Mon-Fri 06:00-22:00", "2026-11-27 23:00"), at("2026-11-30T11:00:00Z"));
    assert_eq!(next("weekends", "2026-11-28 12:00"), at("2026-11-30T05:00:00Z"));
    assert_eq!(next("daily", "2026-11-28 12:00"), None);
    assert_eq!(next("2026-12-01", "2026-12-02 00:00"), None);
    assert_eq!(Windows::default().next_change(Timestamp::from_nanos(0)), None);
}

#[test]
fn an_empty_list_never_holds() {
    let span = Windows::default().span(Timestamp::from_nanos(0));
    assert_eq!(span, Span { from: i64::MIN, until: i64::MAX, holds: false });
    assert!(!Span::NONE.covers(Timestamp::from_nanos(0)));
}

#[test]
fn moments_are_read_and_said() {
    let calendar = calendar();
    let moment = |text: &str| calendar.parse_moment(text).unwrap().to_string();
    assert_eq!(moment("2026-11-22 03:00"), "2026-11-22T08:00:00Z");
    assert_eq!(moment("2026-11-22 03:00 Europe/Berlin"), "2026-11-22T02:00:00Z");
    assert_eq!(moment("2026-11-22T03:00:00Z"), "2026-11-22T03:00:00Z");
    assert_eq!(moment("2026-11-22T03:00:00+01:00"), "2026-11-22T02:00:00Z");
    assert_eq!(moment("Sunday 03:00"), "2026-01-04T08:00:00Z");
    assert_eq!(moment("thu 03:00"), "2026-01-08T08:00:00Z");
    let mut holidays = Holidays::default();
    holidays.add("2026-01-02").unwrap();
    let other = Calendar::new(Zone::utc(), holidays);
    assert_eq!(other.parse_moment("Fri 24:00").unwrap().to_string(), "2026-01-10T00:00:00Z");
    for text in ["Sunday 03:00", "Sunday 03:00 America/New_York"] {
        let local = calendar.local(calendar.parse_moment(text).unwrap()).to_string();
        assert_eq!(local, "Sunday 03:00 America/New_York");
    }
    for (text, sentence) in [
        ("", " | the moment is empty"),
        ("Sonday 03:00", "Sonday | 'Sonday' is not a day; did you mean 'Sunday'?"),
        ("Sunday", "Sunday | Sunday has no time of day; did you mean 'Sunday 12:00'?"),
        ("Sunday 3am", "3am | 3am is not a time of day; did you mean '03:00'?"),
        ("03:00", "03:00 | 03:00 does not say on which day"),
        ("2026-11-22", "2026-11-22 | 2026-11-22 has no time of day; did you mean '2026-11-22 12:00'?"),
        (
            "2026-11-22T03:00:00",
            "2026-11-22T03:00:00 | 2026-11-22T03:00:00 does not say in which time zone; did you mean '2026-11-22T03:00:00Z'?",
        ),
        ("2026-11-22Tea", "2026-11-22Tea | 2026-11-22Tea is not a moment"),
        ("9000-01-01T00:00:00Z", "9000-01-01T00:00:00Z | 9000-01-01T00:00:00Z is not a moment"),
        ("Sunday 03:00 Berlin", "Berlin | unknown time zone 'Berlin'; did you mean 'Europe/Berlin'?"),
    ] {
        assert_eq!(wrong(text, |text| calendar.parse_moment(text)), sentence);
    }
}

#[test]
fn durations_have_units() {
    for (text, nanos) in [
        ("5s", 5_000_000_000),
        ("2 min", 120_000_000_000),
        ("1.5h", 5_400_000_000_000),
        ("14d", 1_209_600_000_000_000),
        ("250ms", 250_000_000),
        ("0.5 µs", 500),
        ("2 weeks", 1_209_600_000_000_000),
    ] {
        assert_eq!(parse_duration(text), Ok(nanos), "{text}");
    }
    for (text, sentence) in [
        ("", " | '' is not a duration"),
        ("soon", "soon | 'soon' is not a duration"),
        ("5", "5 | '5' has no unit of time; did you mean '5s'?"),
        ("5 m", "m | 'm' is not a unit of time; did you mean 'min'?"),
        ("5 mins", "mins | 'mins' is not a unit of time; did you mean 'min'?"),
        ("5 hurs", "hurs | 'hurs' is not a unit of time; did you mean 'hours'?"),
        ("5 parsec", "parsec | 'parsec' is not a unit of time"),
        ("1.2.3s", "1.2.3 | '1.2.3' is not a number"),
        ("0s", "0s | a duration of 0 is no time at all"),
        ("0.1ns", "0.1ns | a duration of 0 is no time at all"),
        ("300 weeks", ""),
        ("99999999999 d", "99999999999 d | the duration is longer than 292 years"),
    ] {
        match sentence {
            "" => assert!(parse_duration(text).is_ok()),
            _ => assert_eq!(wrong(text, parse_duration), sentence),
        }
    }
    let said = [0, 1, 250_000_000, 90 * 60_000_000_000, 1_209_600_000_000_000].map(|n| Lapse(n).to_string());
    assert_eq!(said, ["0s", "1ns", "250ms", "90min", "14d"]);
}

#[test]
fn rates_say_in_how_long() {
    for (text, said) in [
        ("12/min", "12/min"),
        ("12 / minute", "12/min"),
        ("3 per hour", "3/h"),
        ("3 per 2 hours", "3/2h"),
        ("100/s", "100/s"),
        ("12/30s", "12/30s"),
        ("1/day", "1/d"),
    ] {
        let rate = parse_rate(text).unwrap();
        assert_eq!(rate.to_string(), said);
        assert_eq!(parse_rate(said), Ok(rate));
    }
    assert_eq!(parse_rate("12/30s"), Ok(Rate { count: 12, nanos: 30_000_000_000 }));
    for (text, sentence) in [
        ("", " | '' does not say in how long"),
        ("12", "12 | '12' does not say in how long; did you mean '12/min'?"),
        ("12/", "12/ | the rate does not say in how long; did you mean '12/min'?"),
        ("12/mins", "mins | 'mins' is not a unit of time; did you mean '12/min'?"),
        ("12/fortnight", "fortnight | 'fortnight' is not a unit of time"),
        ("12/0s", "0s | a duration of 0 is no time at all"),
        ("0/min", "0 | a rate of 0 is none at all"),
        ("-1/min", "-1 | '-1' is not a whole number of 1 or more"),
        ("1.5/min", "1.5 | '1.5' is not a whole number of 1 or more"),
        ("few per min", "few | 'few' is not a whole number of 1 or more"),
    ] {
        assert_eq!(wrong(text, parse_rate), sentence);
    }
}
