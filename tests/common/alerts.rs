//! Alerts for tests and benches of the store: by number, so that any of them can be made again.
#![allow(dead_code)] // each user takes a part

use std::net::{IpAddr, Ipv4Addr};
use ulid::Ulid;
use wayside::address::{Endpoint, Timestamp};
use wayside::alert::{Alert, AlertKind, Allowance, Severity};

/// The time of alert 0, in nanoseconds since 1970.
pub const BEGIN: i64 = 1_790_000_000_000_000_000;
/// From one to the next, in nanoseconds.
pub const STEP: i64 = 1_000_000_000;

/// The address of a device by its number.
pub fn host(number: u64) -> IpAddr {
    Ipv4Addr::new(10, 20, (number / 250 % 250) as u8, (number % 250 + 1) as u8).into()
}

/// The alert of that number.
pub fn alert(number: u64) -> Alert {
    alert_at(number, BEGIN + number as i64 * STEP)
}

/// The alert of that number, at this time.
pub fn alert_at(number: u64, nanos: i64) -> Alert {
    let ts = Timestamp::from_nanos(nanos);
    let millis = (nanos / 1_000_000) as u64;
    let severity = Severity::ALL[(number % 4) as usize];
    let (src, dst) = (host(number % 37 + 5000), host(number % 5000));
    Alert {
        id: Ulid::from_parts(millis, u128::from(number)),
        ts,
        first_seen: ts,
        last_seen: ts,
        count: 1,
        severity,
        rule: number.is_multiple_of(3).then(|| format!("Set points of pump station {}", number % 50)),
        kind: AlertKind::ALL[(number % 5) as usize],
        summary: format!(
            "engineering laptop-{} wrote {} to holding register {} of plc-{}, which no rule allows",
            number % 37,
            number % 1000,
            number % 100,
            number % 5000
        ),
        src: Endpoint::new(src, 49_152),
        dst: Endpoint::new(dst, 502),
        proto: if number.is_multiple_of(7) { "dnp3" } else { "modbus" },
        frame: number + 1,
        frames: vec![number + 1],
        file: None,
        attack: vec!["T0855".into()],
        points: Vec::new(),
        values: Vec::new(),
        evidence: None,
        sensor: "test".into(),
        community_id: Some("1:LQU9qZlK+B5F3KDmev6m5PMibrg=".into()),
        rule_at: None,
        rule_words: None,
        named_points: Vec::new(),
        advice: String::new(),
        allow: Allowance::default(),
        incident: Ulid::from_parts(1, u128::from(number / 10)),
        related: Vec::new(),
        message: None,
    }
}
