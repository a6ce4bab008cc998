//! Points: the devices that have some, and the points of one device with their last values.

use super::device::address_of;
use super::devices::open_alerts;
use super::{blocking, overview};
use crate::address::{Address, Timestamp};
use crate::event::{Value, Vocabulary};
use crate::inventory::{Names, Point, PointCount, PointKey, Said, range};
use crate::policy::{End, NamedPoint, RuleSet, Scale};
use crate::store::StoreError;
use crate::web::asked::Asked;
use crate::web::charts::short;
use crate::web::devices::natural;
use crate::web::failure::Failure;
use crate::web::layout::{Page, Tab};
use crate::web::open_alerts::OpenAlerts;
use crate::web::site::{Here, Site};
use crate::web::visitor::Visitor;
use crate::web::words::{When, counted, grouped};
use axum::response::Response;
use maud::{Markup, html};
use std::collections::HashMap;
use std::sync::PoisonError;

/// Points on one page.
const PAGE: usize = 300;
/// Letters of a value that are shown.
const LONGEST: usize = 64;

/// A point of a table, without its recent values.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub key: PointKey,
    pub words: &'static Vocabulary,
    pub point: Point,
}

impl Row {
    pub(super) fn of((key, words, point): &(PointKey, &'static Vocabulary, &Point)) -> Row {
        Row { key: *key, words, point: point.brief() }
    }
}

/// The page: of all devices, or of one.
///
/// # Errors
/// Where the address is wrong, there is no such device, or the store cannot be read.
pub async fn page(Here(site): Here, visitor: Visitor, asked: Asked) -> Result<Response, Failure> {
    let seen = overview(&site).await?;
    let content = match asked.one("device") {
        None => all(&site, seen.now).await?,
        Some(text) => {
            let path = HashMap::from([("address".to_owned(), text.to_owned())]);
            let address = address_of(&path)?;
            let rows = {
                let asked = asked.clone();
                blocking(&site, move |site| Ok::<_, StoreError>(find(site, address, &asked))).await?
            };
            of_device(&site, seen.now, address, &asked, &rows)
        }
    };
    let page = Page { site: &site, visitor: &visitor, title: "Points", tab: Tab::Points, live: None };
    Ok(page.around(&seen.state, &content))
}

/// The devices that have points.
async fn all(site: &std::sync::Arc<Site>, now: Timestamp) -> Result<Markup, Failure> {
    let (counts, open) = blocking(site, |site| {
        let counts = site.inventory.lock().unwrap_or_else(PoisonError::into_inner).points_by_device();
        Ok::<_, StoreError>((counts, OpenAlerts::of_site(site)?))
    })
    .await?;
    let names = site.names();
    let mut devices: Vec<(Address, Option<String>, PointCount)> = counts
        .into_iter()
        .map(|(address, count)| (address, names.host(address, None, None), count))
        .collect();
    devices.sort_by_cached_key(|(address, name, _)| {
        (name.is_none(), natural(name.as_deref().unwrap_or_default()), *address)
    });
    let total: u64 = devices.iter().map(|(.., count)| count.points).sum();
    Ok(html! {
        div.title { h1 { "Points" } span.soft { (counted(total, "point")) " of " (counted(devices.len() as u64, "device")) } }
        section.panel aria-label="Devices with points" {
            @if devices.is_empty() { p { "No value of a register or point has been heard yet." } } @else {
                div.scroll { table {
                    thead { tr { th { "Device" } th.num { "Points" } th.num { "Written" } th { "Last seen" } th { "Open alerts" } } }
                    tbody { @for (address, name, count) in devices.iter().take(PAGE * 10) { tr {
                        th scope="row" {
                            a href=(site.link(&format!("points?device={address}"))) { (name.clone().unwrap_or_else(|| address.to_string())) }
                            @if name.is_some() { " " span.soft.small { (address) } }
                        }
                        td.num { (grouped(count.points)) }
                        td.num { @if count.written > 0 { (grouped(count.written)) } }
                        td { @if let Some(span) = count.span { (When { clock: &site.clock, at: span.last, now }) } }
                        td { (open_alerts(site, &format!("host={address}"), open.of(*address))) }
                    } } }
                } }
                @if devices.len() > PAGE * 10 { p.small { (grouped((devices.len() - PAGE * 10) as u64)) " more devices are not shown here." } }
            }
        }
    })
}

/// A part of the points of a device.
struct Part {
    rows: Vec<Row>,
    /// How many are before them.
    begin: usize,
    /// How many are like what is asked for.
    found: usize,
    /// How many there are.
    known: usize,
}

fn find(site: &Site, address: Address, asked: &Asked) -> Part {
    let words: Vec<String> =
        asked.one("q").unwrap_or_default().split_whitespace().take(16).map(str::to_lowercase).collect();
    let written = asked.has("only", "written");
    let begin: usize = asked.one("after").and_then(|text| text.parse().ok()).unwrap_or(0);
    let names = site.names();
    let inventory = site.inventory.lock().unwrap_or_else(PoisonError::into_inner);
    let points = inventory.points(Some(address));
    let says = |key: &PointKey, own: &'static Vocabulary| {
        let name = names.point(key).unwrap_or_default();
        let said =
            format!("{name}\n{}\n{}:{}", own.point_name(range(key)), own.space_name(key.space), key.index);
        let said = said.to_lowercase();
        words.iter().all(|word| said.contains(word))
    };
    let wanted = |(key, own, point): &&(PointKey, &'static Vocabulary, &Point)| {
        (!written || point.writes > 0 || point.refused > 0) && (words.is_empty() || says(key, own))
    };
    let found: Vec<_> = points.iter().filter(wanted).collect();
    let rows = found.iter().skip(begin).take(PAGE).map(|point| Row::of(point)).collect();
    Part { rows, begin: begin.min(found.len()), found: found.len(), known: points.len() }
}

fn of_device(site: &Site, now: Timestamp, address: Address, asked: &Asked, part: &Part) -> Markup {
    let name = site.names().host(address, None, None);
    let link = |after: Option<usize>| {
        let query = asked.with("after", after.map(|after| after.to_string()).as_deref());
        site.link(&format!("points?{}", query.text()))
    };
    let next = part.begin + part.rows.len();
    html! {
        div.title {
            p.crumb { a href=(site.link("points")) { "Points" } " / " a.mono href=(site.link(&format!("devices/{address}"))) { (address) } }
            h1 { "Points of " (name.unwrap_or_else(|| address.to_string())) }
            span.soft { (counted(part.found as u64, "point")) @if part.found != part.known { " of " (grouped(part.known as u64)) } }
        }
        div.stack {
            section.panel aria-label="Filter" {
                form.filters method="get" action=(site.link("points")) data-apply {
                    input type="hidden" name="device" value=(address);
                    label { "Search" input type="search" name="q" value=[asked.one("q")] placeholder="name, holding:100"; }
                    label.row { input type="checkbox" name="only" value="written" checked[asked.has("only", "written")]; "only what somebody wrote" }
                    button { "Show" }
                }
            }
            section.panel aria-label="Points" {
                @if part.rows.is_empty() { p { @if part.known == 0 { "No value of a register or point of this device has been heard." } @else { "No point is like this." } } }
                @else { (table(site, now, &part.rows)) }
                @if next < part.found || part.begin > 0 {
                    div.pager {
                        @if next < part.found { a.button href=(link(Some(next))) { "Next" } }
                        @if part.begin > 0 { a.button href=(link(None)) { "From the start" } }
                    }
                }
            }
        }
    }
}

/// A point that the rules describe.
pub(super) fn described<'r>(rules: Option<&'r RuleSet>, key: &PointKey) -> Option<&'r NamedPoint> {
    let end = End { address: key.server, mac: None, vlan: None };
    rules?.point(end, key.proto, key.device, (key.space, key.index))
}

/// The device behind the address and the kind of point: "Modbus unit 1, holding".
pub(super) fn group(key: &PointKey, words: &'static Vocabulary) -> String {
    let space = words.space_name(key.space);
    match key.device {
        Some(device) => format!("{} {} {device}, {space}", words.title, words.device_title),
        None => format!("{}, {space}", words.title),
    }
}

/// Where a point's page is, below the site.
pub(super) fn path(key: &PointKey, words: &'static Vocabulary) -> String {
    let device = key.device.map_or("-".to_owned(), |device| device.to_string());
    format!("points/{}/{}/{device}/{}/{}", key.server, words.name, words.space_name(key.space), key.index)
}

/// The points of one device as a table, by what is behind its address and kind.
pub(super) fn table(site: &Site, now: Timestamp, rows: &[Row]) -> Markup {
    let rules = site.rules.load_full();
    let groups = rows.chunk_by(|a, b| {
        (a.key.proto, a.key.device, a.key.space) == (b.key.proto, b.key.device, b.key.space)
    });
    html! {
        div.scroll { table.points {
            thead { tr {
                th { "Point" } th.num { "Value" } th { "When, by whom" } th { "Last written" }
                th.num { "Reads" } th.num { "Writes" } th.num { "Refused" } th.num { "Lowest" } th.num { "Highest" }
            } }
            @for group_rows in groups {
                tbody {
                    @if let Some(first) = group_rows.first() { tr { th.group colspan="9" scope="rowgroup" { (group(&first.key, first.words)) } } }
                    @for row in group_rows { (one(site, now, rules.as_deref(), row)) }
                }
            }
        } }
    }
}

fn one(site: &Site, now: Timestamp, rules: Option<&RuleSet>, row: &Row) -> Markup {
    let Row { key, words, point } = row;
    let named = described(rules, key);
    let scale = named.map(|named| &named.scale);
    let number = |value: f64| said(Value::Float(value), scale);
    html! {
        tr {
            th scope="row" {
                a href=(site.link(&path(key, words))) { @match named { Some(named) => { (named.name) } None => { (words.point_name(range(key))) } } }
                @if named.is_some() { br; span.soft.small { (words.point_name(range(key))) } }
            }
            td.num { @if let Some((last, _)) = point.last() { bdi { (said(last.value.value(), scale)) } } }
            td { @if let Some((last, written)) = point.last() { (by(site, now, last, written)) } }
            td { @if let Some(last) = &point.written { strong { bdi { (said(last.value.value(), scale)) } } " " (by(site, now, last, true)) } }
            td.num { (grouped(point.reads)) }
            td.num { @if point.writes > 0 { (grouped(point.writes)) } }
            td.num { @if point.refused > 0 { (grouped(point.refused)) } }
            td.num { @if let Some((low, _)) = point.range { (number(low)) } }
            td.num { @if let Some((_, high)) = point.range { (number(high)) } }
        }
    }
}

/// When something was said, and who said it.
pub(super) fn by(site: &Site, now: Timestamp, said: &Said, written: bool) -> Markup {
    let name = || site.names().host(said.by, None, None).unwrap_or_else(|| said.by.to_string());
    html! {
        (When { clock: &site.clock, at: said.at.ts, now })
        span.small {
            @if written { " by " a href=(site.link(&format!("devices/{}", said.by))) { (name()) } } @else { " read from it" }
        }
    }
}

/// A value in the unit of measure that the rules give: "39.0 bar"; as it is on the wire where they give none.
pub(super) fn said(value: Value<'_>, scale: Option<&Scale>) -> String {
    let number = match value {
        Value::Bool(_) => None,
        other => other.number(),
    };
    match (number, scale) {
        (Some(number), Some(scale)) if scale.measure.is_empty() => short(scale.of(number)),
        (Some(number), Some(scale)) => format!("{} {}", short(scale.of(number)), scale.measure),
        (Some(number), None) => short(number),
        (None, _) => plain(value),
    }
}

/// A value as a person reads it: text without what does not print, not too long.
pub(super) fn plain(value: Value<'_>) -> String {
    let text = match value {
        Value::Text(octets) => {
            let text = String::from_utf8_lossy(octets);
            text.chars().map(|letter| if letter.is_control() { '\u{b7}' } else { letter }).collect()
        }
        other => other.to_string(),
    };
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_said_in_the_unit_of_measure() {
        let bar = Scale { factor: 0.1, offset: 0.0, measure: "bar".into() };
        assert_eq!(said(Value::Int(390), Some(&bar)), "39 bar");
        assert_eq!(said(Value::Int(395), Some(&bar)), "39.5 bar");
        assert_eq!(said(Value::Bool(true), Some(&bar)), "on");
        assert_eq!(said(Value::Float(0.25), None), "0.25");
    }

    #[test]
    fn text_from_the_wire_is_made_harmless() {
        assert_eq!(plain(Value::Text(b"ACME\x1b[31m\n\xff")), "ACME·[31m·\u{fffd}");
        assert_eq!(plain(Value::Text(&[b'x'; 500])).chars().count(), LONGEST + 1);
    }
}
