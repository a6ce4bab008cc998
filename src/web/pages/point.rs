//! One point: its last values as a chart with the limits of rules, who wrote it, alerts about it.

use super::device::{address_of, alert_line};
use super::points::{Row, by, described, group, said};
use super::{blocking, overview};
use crate::address::{Address, Timestamp};
use crate::event::{Value, Vocabulary};
use crate::inventory::{Names, Point, PointKey, Sample, range};
use crate::policy::{End, NamedPoint, PointLimit, Scale};
use crate::store::{AlertRecord, Filter, StoreError};
use crate::web::charts::{self, Limit};
use crate::web::failure::Failure;
use crate::web::layout::{Page, Tab};
use crate::web::site::{Here, Site};
use crate::web::visitor::Visitor;
use crate::web::words::{When, counted, grouped};
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value as Json;
use std::collections::HashMap;
use std::sync::PoisonError;

/// Alerts of the device that are searched for the point.
const SEARCHED: usize = 200;
/// Limits that are drawn.
const LIMITS: usize = 4;

/// A point with its recent values, and what is known about it.
struct Found {
    row: Row,
    recent: Vec<Sample>,
    alerts: Vec<AlertRecord>,
}

/// The page.
///
/// # Errors
/// Where there is no such point, or the store cannot be read.
pub async fn page(
    Here(site): Here,
    visitor: Visitor,
    Path(path): Path<HashMap<String, String>>,
) -> Result<Response, Failure> {
    let address = address_of(&path)?;
    let seen = overview(&site).await?;
    let found = blocking(&site, move |site| read(site, address, &path)).await?;
    let found = found.ok_or_else(|| no_such_point(address))?;
    let content = content(&site, seen.now, &found);
    let page = Page { site: &site, visitor: &visitor, title: "Point", tab: Tab::Points, live: None };
    Ok(page.around(&seen.state, &content))
}

/// There is no such point.
pub(crate) fn no_such_point(address: Address) -> Failure {
    let why = format!(
        "no such point of {address} is known here: it was never read or written, or not for so long that it was forgotten"
    );
    Failure::new(StatusCode::NOT_FOUND, why)
}

/// The point that a path names, and its recent values.
pub(crate) fn find(
    site: &Site,
    address: Address,
    path: &HashMap<String, String>,
) -> Option<(Row, Vec<Sample>)> {
    let part = |name: &str| path.get(name).map(String::as_str).unwrap_or_default();
    let (proto, device, space) = (part("proto"), part("device"), part("space"));
    let device = if device == "-" { Some(None) } else { device.parse().ok().map(Some) };
    let (Some(device), Ok(index)) = (device, part("index").parse::<u32>()) else { return None };
    let is_it = |(key, words, _): &&(PointKey, &'static Vocabulary, &Point)| {
        key.index == index
            && key.device == device
            && words.name == proto
            && words.space_name(key.space).to_string() == space
    };
    let inventory = site.inventory.lock().unwrap_or_else(PoisonError::into_inner);
    let points = inventory.points(Some(address));
    points.iter().find(is_it).map(|point| (Row::of(point), point.2.recent.iter().copied().collect()))
}

fn read(site: &Site, address: Address, path: &HashMap<String, String>) -> Result<Option<Found>, StoreError> {
    let Some((row, recent)) = find(site, address, path) else { return Ok(None) };
    let (proto, space, index) =
        (row.words.name, row.words.space_name(row.key.space).to_string(), row.key.index);
    let filter =
        Filter { host: Some(address.to_string()), protocol: Some(proto.to_owned()), ..Filter::default() };
    let alerts = site.store.read(|reader| reader.alerts_with_json(&filter, None, SEARCHED))?;
    let about = |json: &str| {
        let json: Json = serde_json::from_str(json).unwrap_or_default();
        json.get("points")
            .and_then(Json::as_array)
            .is_some_and(|runs| runs.iter().any(|run| touches(run, &space, index)))
    };
    let alerts = alerts.items.into_iter().filter(|(_, json)| about(json)).map(|(alert, _)| alert).collect();
    Ok(Some(Found { row, recent, alerts }))
}

/// Whether a run of points of an alert holds a point.
fn touches(run: &Json, space: &str, index: u32) -> bool {
    let number = |key: &str| run.get(key).and_then(Json::as_u64);
    let (first, last) = (number("first"), number("last").or(number("first")));
    let holds = match (first, last) {
        (Some(first), Some(last)) => (first..=last).contains(&u64::from(index)),
        _ => true,
    };
    run.get("space").and_then(Json::as_str) == Some(space) && holds
}

fn content(site: &Site, now: Timestamp, found: &Found) -> Markup {
    let Row { key, words, point } = &found.row;
    let rules = site.rules.load_full();
    let named = described(rules.as_deref(), key);
    let end = End { address: key.server, mac: None, vlan: None };
    let limits = rules.as_ref().map(|rules| rules.limits_of(end, words, key.device, (key.space, key.index)));
    let shown = Shown {
        site,
        now,
        named,
        limits: limits.unwrap_or_default(),
        title: named.map_or_else(|| words.point_name(range(key)).to_string(), |named| named.name.clone()),
        found,
    };
    let host = site.names().host(key.server, None, None).unwrap_or_else(|| key.server.to_string());
    html! {
        div.title {
            p.crumb {
                a href=(site.link("points")) { "Points" } " / "
                a href=(site.link(&format!("points?device={}", key.server))) { (host) } " / "
                (group(key, words))
            }
            h1 { (shown.title) }
            span.soft { @if named.is_some() { (words.point_name(range(key))) " of " } @else { "of " } (host) }
        }
        div.grid {
            div.stack { (shown.chart()) (shown.alerts()) }
            div.stack { (shown.facts(point)) (shown.limits()) }
        }
    }
}

struct Shown<'a> {
    site: &'a Site,
    now: Timestamp,
    named: Option<&'a NamedPoint>,
    limits: Vec<PointLimit>,
    title: String,
    found: &'a Found,
}

impl Shown<'_> {
    fn scale(&self) -> Option<&Scale> {
        self.named.map(|named| &named.scale)
    }

    fn number(&self, value: f64) -> String {
        said(Value::Float(value), self.scale())
    }

    /// A number of the wire in the unit of measure.
    fn of_wire(&self, value: f64) -> f64 {
        self.scale().map_or(value, |scale| scale.of(value))
    }

    /// Whether a value is outside what every rule that limits it allows.
    fn is_outside(&self, value: f64) -> bool {
        let mut ranges = self.limits.iter().flat_map(|limit| &limit.ranges).peekable();
        ranges.peek().is_some() && !ranges.any(|(low, high)| (*low..=*high).contains(&value))
    }

    fn chart(&self) -> Markup {
        let recent = &self.found.recent;
        let samples: Vec<(i64, f64)> =
            recent.iter().map(|sample| (sample.nanos, self.of_wire(sample.value))).collect();
        let limits =
            self.limits.iter().flat_map(|limit| limit.ranges.iter().map(move |range| (limit, range)));
        let limits: Vec<Limit> = limits
            .take(LIMITS)
            .map(|(limit, (low, high))| {
                let (low, high) = (self.of_wire(*low), self.of_wire(*high));
                Limit { from: low.min(high), to: low.max(high), rule: limit.by.clone() }
            })
            .collect();
        let at = |sample: Option<&Sample>| {
            sample
                .map(|sample| self.site.clock.near(Timestamp::from_nanos(sample.nanos), self.now))
                .unwrap_or_default()
        };
        let values = recent.iter().map(|sample| sample.value).filter(|value| value.is_finite());
        let (low, high) = values
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        let title = match recent.last() {
            Some(last) => format!(
                "{}: {} values, last {}, from {} to {}",
                self.title,
                recent.len(),
                self.number(last.value),
                self.number(low),
                self.number(high)
            ),
            None => self.title.clone(),
        };
        html! {
            section.panel aria-labelledby="recent" {
                h2 #recent { "Recent values" }
                @if recent.is_empty() { p.soft { "No number has been heard yet." } } @else {
                    (charts::history(&samples, &limits, &title, [at(recent.first()), at(recent.last())]))
                    details { summary { "As a table" } (self.values()) }
                }
            }
        }
    }

    fn values(&self) -> Markup {
        html! {
            div.scroll { table {
                thead { tr { th { "When" } th.num { "Value" } th {} } }
                tbody { @for sample in self.found.recent.iter().rev() { tr {
                    td { (When { clock: &self.site.clock, at: Timestamp::from_nanos(sample.nanos), now: self.now }) }
                    td.num { (self.number(sample.value)) }
                    td { @if self.is_outside(sample.value) { span.tag.open { "outside the limits" } } }
                } } }
            } }
        }
    }

    fn facts(&self, point: &Point) -> Markup {
        let when = |at| html! { (When { clock: &self.site.clock, at, now: self.now }) };
        let scaled = self.scale().filter(|scale| !scale.is_plain());
        html! {
            section.panel aria-labelledby="facts" {
                h2 #facts { "The point" }
                dl.facts {
                    @if let Some((last, written)) = point.last() {
                        dt { "Value" }
                        dd {
                            strong { bdi { (said(last.value.value(), self.scale())) } }
                            @if scaled.is_some() { span.soft.small { " (on the wire " (said(last.value.value(), None)) ")" } }
                            @if last.value.value().number().is_some_and(|value| self.is_outside(value)) { " " span.tag.open { "outside the limits" } }
                            br; (by(self.site, self.now, last, written))
                        }
                    }
                    @if let Some(read) = &point.read { dt { "Last read" } dd { bdi { (said(read.value.value(), self.scale())) } ", " (by(self.site, self.now, read, false)) } }
                    @if let Some(written) = &point.written { dt { "Last written" } dd { bdi { (said(written.value.value(), self.scale())) } ", " (by(self.site, self.now, written, true)) } }
                    @if let Some((low, high)) = point.range { dt { "Range" } dd { (self.number(low)) " to " (self.number(high)) } }
                    dt { "Read" } dd { (counted(point.reads, "time")) }
                    dt { "Written" } dd { (counted(point.writes, "time")) @if point.refused > 0 { ", refused " (counted(point.refused, "time")) } }
                    @if let Some(span) = point.span { dt { "First seen" } dd { (when(span.first)) } dt { "Last seen" } dd { (when(span.last)) } }
                }
            }
        }
    }

    fn limits(&self) -> Markup {
        html! {
            section.panel aria-labelledby="limits" {
                h2 #limits { "What it may be" }
                @if self.limits.is_empty() { p.soft { "No rule limits what may be written to it." } }
                dl.facts { @for limit in &self.limits {
                    dt { (limit.said) }
                    dd {
                        (limit.by)
                        @if let Some((file, line)) = limit.place.as_deref().and_then(|place| place.rsplit_once(':')) {
                            br; a.small href=(self.site.link(&format!("rules/file?name={}#L{line}", super::alert::encoded(file)))) { (file) ":" (line) }
                        }
                    }
                } }
            }
        }
    }

    fn alerts(&self) -> Markup {
        html! {
            section.panel aria-labelledby="alerts" {
                h2 #alerts { "Alerts about it" }
                @if self.found.alerts.is_empty() { p.soft { "None among the last " (grouped(SEARCHED as u64)) " alerts of its device." } }
                ul.rows { @for alert in &self.found.alerts { (alert_line(self.site, self.now, alert)) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_alert_is_about_the_points_that_its_runs_hold() {
        let run = json!({ "space": "holding", "first": 100, "last": 103 });
        assert!(
            touches(&run, "holding", 103) && !touches(&run, "holding", 104) && !touches(&run, "input", 103)
        );
        assert!(touches(&json!({ "space": "coil" }), "coil", 7));
    }
}
