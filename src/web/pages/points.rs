//! Points: the last value of each, who wrote it and when, and a chart of its recent values with the limits of the rules.

use super::devices::{link, named};
use super::{blocking, overview};
use crate::address::{Address, Timestamp};
use crate::event::Vocabulary;
use crate::inventory::{Names, Point, PointKey, Said};
use crate::policy::End;
use crate::web::asked::Asked;
use crate::web::charts::{self, Limit};
use crate::web::failure::Failure;
use crate::web::layout::{Page, Tab};
use crate::web::names::FromRules;
use crate::web::site::{Here, Site};
use crate::web::visitor::Visitor;
use crate::web::words::{When, counted, grouped};
use axum::response::Response;
use maud::{Markup, html};
use std::convert::Infallible;
use std::sync::PoisonError;

/// Points on one page.
const PAGE: usize = 500;

type Known = (PointKey, &'static Vocabulary, Point);

/// The page: devices that have points, the points of one, or one point.
///
/// # Errors
/// Where there is no such device or point.
pub async fn page(Here(site): Here, visitor: Visitor, asked: Asked) -> Result<Response, Failure> {
    let seen = overview(&site).await?;
    let content = match asked.one("device") {
        None => devices(&site).await?,
        Some(text) => {
            let address: Address = text.parse().map_err(|_| Failure::not_found("device"))?;
            let points = of_device(&site, address).await?;
            match asked.one("point") {
                None => list(&site, address, &points, &asked, seen.now),
                Some(wanted) => {
                    let is_it = |(key, words, _): &&Known| path(key, words) == wanted;
                    let point = points.iter().find(is_it).ok_or_else(|| Failure::not_found("point"))?;
                    one(&site, point, seen.now)
                }
            }
        }
    };
    let page = Page { site: &site, visitor: &visitor, title: "Points", tab: Tab::Points, live: None };
    Ok(page.around(&seen.state, &content))
}

/// A point within its device, as it stands in an address: `modbus.1.holding.101`.
fn path(key: &PointKey, words: &'static Vocabulary) -> String {
    let device = key.device.map_or("-".to_owned(), |device| device.to_string());
    format!("{}.{device}.{}.{}", words.name, words.space_name(key.space), key.index)
}

async fn of_device(site: &std::sync::Arc<Site>, address: Address) -> Result<Vec<Known>, Failure> {
    blocking(site, move |site| {
        let stock = site.inventory.lock().unwrap_or_else(PoisonError::into_inner);
        let points = stock.points(Some(address)).into_iter();
        Ok::<_, Infallible>(points.map(|(key, words, point)| (key, words, point.clone())).collect())
    })
    .await
}

async fn devices(site: &std::sync::Arc<Site>) -> Result<Markup, Failure> {
    let counts = blocking(site, |site| {
        Ok::<_, Infallible>(site.inventory.lock().unwrap_or_else(PoisonError::into_inner).points_by_device())
    })
    .await?;
    let names = site.names();
    Ok(html! {
        div.title { h1 { "Points" } span.soft { "Registers, coils and points, by the device that has them." } }
        section.panel aria-label="Devices with points" {
            @if counts.is_empty() { p { "No point has been read or written yet." } }
            @else { div.scroll { table {
                thead { tr { th { "Device" } th.num { "Points" } th.num { "Written" } } }
                tbody { @for (address, count) in &counts { tr {
                    th scope="row" {
                        a href=(site.link(&format!("points?device={address}"))) { (names.host(*address, None, None).unwrap_or_else(|| address.to_string())) }
                        " " span.soft.small { (address) }
                    }
                    td.num { (grouped(count.points)) }
                    td.num { (grouped(count.written)) }
                } } }
            } } }
        }
    })
}

fn list(site: &Site, address: Address, points: &[Known], asked: &Asked, now: Timestamp) -> Markup {
    let names = site.names();
    let begin: usize = asked.one("after").and_then(|text| text.parse().ok()).unwrap_or(0);
    let shown = points.iter().skip(begin).take(PAGE);
    html! {
        div.title {
            p.crumb { a href=(site.link("points")) { "Points" } " / " (named(site, address)) }
            h1 { "Points of " (names.host(address, None, None).unwrap_or_else(|| address.to_string())) }
            span.soft { (counted(points.len() as u64, "point")) }
        }
        section.panel aria-label="Points" {
            @if points.is_empty() { p { "No point of this device has been read or written." } }
            @else { div.scroll { table {
                thead { tr { th { "Point" } th { "Name" } th { "Told last" } th { "When" } th { "Written last" } th { "By" } th { "When" } th.num { "Reads" } th.num { "Writes" } th.num { "Refused" } } }
                tbody { @for known in shown { (row(site, &names, known, now)) } }
            } } }
            @if points.len() > begin.saturating_add(PAGE) { div.pager { a.button href=(site.link(&format!("points?{}", asked.with("after", Some(&(begin + PAGE).to_string())).text()))) { "More" } } }
        }
    }
}

fn row(site: &Site, names: &FromRules, (key, words, point): &Known, now: Timestamp) -> Markup {
    let address = format!("points?device={}&point={}", key.server, super::alert::encoded(&path(key, words)));
    let when = |said: &Said| html! { (When { clock: &site.clock, at: said.at.ts, now }) };
    html! {
        tr {
            th scope="row" {
                a href=(site.link(&address)) { (words.space_name(key.space)) " " (key.index) }
                span.soft.small { " " (words.name) @if let Some(device) = key.device { " " (device) } }
            }
            td { (names.point(key).unwrap_or_default()) }
            td.mono { @if let Some(said) = &point.read { (said.value.value()) } }
            td { @if let Some(said) = &point.read { (when(said)) } }
            td.mono { @if let Some(said) = &point.written { (said.value.value()) } }
            td { @if let Some(said) = &point.written { (named(site, said.by)) } }
            td { @if let Some(said) = &point.written { (when(said)) } }
            td.num { (grouped(point.reads)) }
            td.num { (grouped(point.writes)) }
            td.num { (grouped(point.refused)) }
        }
    }
}

fn one(site: &Site, (key, words, point): &Known, now: Timestamp) -> Markup {
    let names = site.names();
    let rules = site.rules.load_full();
    let end = End { address: key.server, mac: None, vlan: None };
    let limits = rules
        .map(|rules| rules.limits_of(end, words, key.device, (key.space, key.index)))
        .unwrap_or_default();
    let drawn: Vec<Limit> = limits
        .iter()
        .flat_map(|limit| {
            limit.ranges.iter().map(|(from, to)| Limit { from: *from, to: *to, rule: limit.by.clone() })
        })
        .collect();
    let samples: Vec<(i64, f64)> = point.recent.iter().map(|sample| (sample.nanos, sample.value)).collect();
    let at = |nanos: Option<i64>| {
        nanos.map_or(String::new(), |nanos| site.clock.near(Timestamp::from_nanos(nanos), now))
    };
    let ends = [at(samples.first().map(|sample| sample.0)), at(samples.last().map(|sample| sample.0))];
    let title = format!("{} {}", words.space_name(key.space), key.index);
    let last = point.last().map_or("never said".to_owned(), |(said, _)| said.value.value().to_string());
    html! {
        div.title {
            p.crumb {
                a href=(site.link("points")) { "Points" } " / "
                a href=(site.link(&format!("points?device={}", key.server))) { (names.host(key.server, None, None).unwrap_or_else(|| key.server.to_string())) }
            }
            h1 { (title) @if let Some(name) = names.point(key) { ": " (name) } }
        }
        div.grid {
            div.stack {
                section.panel aria-labelledby="recent" {
                    h2 #recent { "Recent values" }
                    @if samples.is_empty() { p.soft { "None that is a number." } }
                    @else {
                        (charts::history(&samples, &drawn, &format!("Recent values of {title}; the last is {last}"), ends))
                        details { summary { "As a table" }
                            table { thead { tr { th { "When" } th.num { "Value" } } }
                                tbody { @for (nanos, value) in samples.iter().rev() { tr {
                                    td { (When { clock: &site.clock, at: Timestamp::from_nanos(*nanos), now }) }
                                    td.num { (charts::short(*value)) }
                                } } }
                            }
                        }
                    }
                }
            }
            section.panel aria-labelledby="facts" {
                h2 #facts { "What is known" }
                dl.facts {
                    dt { "Device" } dd { (link(site, key.server, names.host(key.server, None, None).as_deref())) @if let Some(device) = key.device { ", " (words.name) " " (device) } }
                    @if let Some(said) = &point.read { dt { "Told last" } dd { (said.value.value()) ", " (When { clock: &site.clock, at: said.at.ts, now }) } }
                    @if let Some(said) = &point.written { dt { "Written last" } dd { (said.value.value()) " by " (named(site, said.by)) ", " (When { clock: &site.clock, at: said.at.ts, now }) } }
                    dt { "Reads" } dd { (grouped(point.reads)) }
                    dt { "Writes" } dd { (grouped(point.writes)) @if point.refused > 0 { ", " (grouped(point.refused)) " refused" } }
                    @if let Some((low, high)) = point.range { dt { "Seen from" } dd { (charts::short(low)) " to " (charts::short(high)) } }
                    @for limit in &limits { dt { "May be" } dd { (limit.said) span.soft.small { " by " (limit.by) @if let Some(place) = &limit.place { ", " a href=(site.link(&format!("rules/file?at={}", super::alert::encoded(place)))) { (place) } } } } }
                    @if limits.is_empty() { dt { "May be" } dd { "anything: no rule limits it" } }
                }
            }
        }
    }
}
