//! Devices, and one device: what it is and why, who commands it, what is said on its conversations, its alerts.

use super::{ask, blocking, overview};
use crate::address::{Address, Timestamp};
use crate::event::{Kind, Verb};
use crate::inventory::{Device, Key, Names, Record, transport};
use crate::store::{AlertRecord, Filter};
use crate::web::asked::Asked;
use crate::web::failure::Failure;
use crate::web::layout::{Badge, Page, Tab};
use crate::web::site::{Here, Site};
use crate::web::visitor::Visitor;
use crate::web::words::{When, answer_time, counted, grouped};
use axum::extract::Path;
use axum::response::Response;
use maud::{Markup, html};
use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::PoisonError;

/// Devices on one page.
const PAGE: usize = 200;
/// Alerts of a device that are shown.
const ALERTS: usize = 20;
/// Peers that are named before the rest is counted.
const NAMED: usize = 3;

/// Open alerts of each address.
type OpenBy = HashMap<String, u64>;

/// The list.
///
/// # Errors
/// Where the store cannot be read.
pub async fn page(Here(site): Here, visitor: Visitor, asked: Asked) -> Result<Response, Failure> {
    let seen = overview(&site).await?;
    let pairs = ask(&site, |reader| reader.open_by_pair()).await?;
    let mut open = OpenBy::new();
    for pair in pairs {
        *open.entry(pair.src.clone()).or_default() += pair.open;
        if pair.dst != pair.src {
            *open.entry(pair.dst).or_default() += pair.open;
        }
    }
    let devices = blocking(&site, |site| {
        let names = site.names();
        Ok::<_, Infallible>(site.inventory.lock().unwrap_or_else(PoisonError::into_inner).devices(&names))
    })
    .await?;
    let count_of = |device: &Device| open.get(&device.address.to_string()).copied().unwrap_or(0);
    let mut found: Vec<Device> = devices.into_iter().filter(|device| is_asked(device, &asked)).collect();
    found.sort_by_cached_key(|device| {
        (std::cmp::Reverse(count_of(device)), device.name.is_none(), device.name.clone(), device.address)
    });
    let begin: usize = asked.one("after").and_then(|text| text.parse().ok()).unwrap_or(0);
    let shown: Vec<&Device> = found.iter().skip(begin).take(PAGE).collect();
    let more = found.len() > begin.saturating_add(shown.len());
    let content = html! {
        div.title { h1 { "Devices" } span.soft { (counted(found.len() as u64, "device")) @if !asked.is_empty() { " of this filter" } } }
        div.stack {
            section.panel aria-label="Filter" {
                form.filters method="get" action=(site.link("devices")) data-apply {
                    label { "Search" input type="search" name="q" value=[asked.one("q")] placeholder="name, address or vendor"; }
                    label { "Protocol" select name="protocol" {
                        option value="" { "any" }
                        @for name in site.protocols() { option value=(name) selected[asked.one("protocol") == Some(name)] { (name) } }
                    } }
                    button { "Show" }
                    @if !asked.is_empty() { a.button href=(site.link("devices")) { "All devices" } }
                }
            }
            section.panel aria-label="Devices" {
                @if found.is_empty() { p { @if asked.is_empty() { "No device has been heard." } @else { "No device is like this." } } }
                @else { div.scroll { table {
                    thead { tr { th { "Device" } th { "What it is" } th { "Vendor" } th { "Protocols" } th { "Commanded by" } th.num { "Messages" } th.num { "Open alerts" } th { "First seen" } th { "Last seen" } } }
                    tbody { @for device in &shown { (row(&site, device, count_of(device), seen.now)) } }
                } } }
                @if more { div.pager { a.button href=(site.link(&format!("devices?{}", asked.with("after", Some(&(begin + PAGE).to_string())).text()))) { "More" } } }
            }
        }
    };
    let page = Page { site: &site, visitor: &visitor, title: "Devices", tab: Tab::Devices, live: None };
    Ok(page.around(&seen.state, &content))
}

fn is_asked(device: &Device, asked: &Asked) -> bool {
    let text = |wanted: &str| {
        let wanted = wanted.to_lowercase();
        let own = [device.name.clone(), Some(device.address.to_string()), device.vendor.map(str::to_owned)];
        own.into_iter().flatten().any(|text| text.to_lowercase().contains(&wanted))
    };
    asked.one("q").is_none_or(text)
        && asked.one("protocol").is_none_or(|name| device.protocols.iter().any(|words| words.name == name))
}

fn row(site: &Site, device: &Device, open: u64, now: Timestamp) -> Markup {
    let (first, last) = device.seen();
    html! {
        tr {
            th scope="row" { (link(site, device.address, device.name.as_deref())) @if device.name.is_some() { " " span.soft.small { (device.address) } } }
            td { @for (at, reason) in device.roles.iter().enumerate() { @if at > 0 { ", " } span title=(reason.because) { (reason.role.name()) } } }
            td { (device.vendor.unwrap_or("")) }
            td { (device.protocols.iter().map(|words| words.name).collect::<Vec<_>>().join(", ")) }
            td {
                @for (at, by) in device.commanders.iter().take(NAMED).enumerate() { @if at > 0 { ", " } (named(site, by.address)) }
                @if device.commanders.len() > NAMED { " and " (device.commanders.len() - NAMED) " more" }
            }
            td.num { (grouped(device.sent + device.received)) }
            td.num { @if open > 0 { a href=(site.link(&format!("alerts?host={}&state=new&state=acknowledged", device.address))) { (grouped(open)) } } @else { "0" } }
            td { (moment(site, first, now)) }
            td { (moment(site, last, now)) }
        }
    }
}

fn moment(site: &Site, at: Option<Timestamp>, now: Timestamp) -> Markup {
    html! { @if let Some(at) = at { (When { clock: &site.clock, at, now }) } }
}

/// A device's name, or its address, with a link to its page.
pub(super) fn link(site: &Site, address: Address, name: Option<&str>) -> Markup {
    html! { a href=(site.link(&format!("devices/{address}"))) { @match name { Some(name) => { (name) } None => { (address) } } } }
}

/// The same, with its name looked up.
pub(super) fn named(site: &Site, address: Address) -> Markup {
    link(site, address, site.names().host(address, None, None).as_deref())
}

/// One device.
///
/// # Errors
/// Where there is none of this address, or the store cannot be read.
pub async fn device(
    Here(site): Here,
    visitor: Visitor,
    Path(path): Path<HashMap<String, String>>,
) -> Result<Response, Failure> {
    let missing = || Failure::not_found("device");
    let address: Address = path.get("address").and_then(|text| text.parse().ok()).ok_or_else(missing)?;
    let seen = overview(&site).await?;
    let found = blocking(&site, move |site| {
        let names = site.names();
        let stock = site.inventory.lock().unwrap_or_else(PoisonError::into_inner);
        Ok::<_, Infallible>((stock.device(address, &names), stock.points(Some(address)).len()))
    });
    let (found, points) = found.await?;
    let (device, conversations) = found.ok_or_else(missing)?;
    let filter = Filter { host: Some(address.to_string()), ..Filter::default() };
    let alerts = ask(&site, move |reader| Ok(reader.alerts(&filter, None, ALERTS)?.items)).await?;
    let shown = Shown { site: &site, device: &device, now: seen.now };
    let content = shown.content(&conversations, points, &alerts);
    let title = device.name.clone().unwrap_or_else(|| address.to_string());
    let page = Page { site: &site, visitor: &visitor, title: &title, tab: Tab::Devices, live: None };
    Ok(page.around(&seen.state, &content))
}

struct Shown<'a> {
    site: &'a Site,
    device: &'a Device,
    now: Timestamp,
}

impl Shown<'_> {
    fn content(
        &self,
        conversations: &BTreeMap<Key, Record>,
        points: usize,
        alerts: &[AlertRecord],
    ) -> Markup {
        let device = self.device;
        html! {
            div.title {
                p.crumb { a href=(self.site.link("devices")) { "Devices" } " / " (device.address) }
                h1 { @match &device.name { Some(name) => { (name) } None => { (device.address) } } }
                @if let Some(reason) = device.roles.first() { span.tag { (reason.role.name()) } }
            }
            div.grid {
                div.stack {
                    section.panel aria-labelledby="says" { h2 #says { "Conversations" } (self.talks(conversations)) }
                    section.panel aria-labelledby="alerts" { h2 #alerts { "Alerts" } (self.alerts(alerts)) }
                }
                div.stack {
                    section.panel aria-labelledby="facts" { h2 #facts { "What it is" } (self.facts(points)) }
                    section.panel aria-labelledby="by" { h2 #by { "Who commands it" } (self.commanders()) }
                    @if !device.identities.is_empty() { section.panel aria-labelledby="itself" { h2 #itself { "What it says of itself" } (self.identity()) } }
                }
            }
        }
    }

    fn when(&self, at: Timestamp) -> Markup {
        html! { (When { clock: &self.site.clock, at, now: self.now }) }
    }

    fn facts(&self, points: usize) -> Markup {
        let device = self.device;
        let (first, last) = device.seen();
        html! {
            dl.facts {
                @for reason in &device.roles { dt { (reason.role.name()) } dd { (reason.because) } }
                dt { "Address" } dd.mono { (device.address) }
                @for mac in device.macs.iter() { dt { "MAC" } dd.mono { (mac) @if device.shares_mac { " (others have it too: a router, or one machine with several addresses)" } } }
                @if let Some(vendor) = device.vendor { dt { "Vendor" } dd { (vendor) } }
                @for vlan in device.vlans.iter() { dt { "VLAN" } dd { (vlan) } }
                dt { "Messages" } dd { (grouped(device.sent)) " sent, " (grouped(device.received)) " received" }
                @for served in &device.serves {
                    dt { (served.words.title) " " (served.device) }
                    dd { (counted(served.asked, "request")) ", " (counted(served.answered, "answer")) @if served.absent > 0 { ", said to be absent " (grouped(served.absent)) " times" } }
                }
                @if points > 0 { dt { "Points" } dd { a href=(self.site.link(&format!("points?device={}", device.address))) { (counted(points as u64, "point")) } } }
                @if let Some(first) = first { dt { "First seen" } dd { (self.when(first)) } }
                @if let Some(last) = last { dt { "Last seen" } dd { (self.when(last)) } }
            }
        }
    }

    fn commanders(&self) -> Markup {
        html! {
            @if self.device.commanders.is_empty() { p.soft { "Nobody, as far as was heard." } }
            ul.rows { @for by in &self.device.commanders { li {
                span { (by.words.name) }
                span.what { (named(self.site, by.address)) ", " (counted(by.count, "command")) }
                span.when { (self.when(by.last.ts)) }
            } } }
        }
    }

    fn identity(&self) -> Markup {
        html! {
            dl.facts { @for identified in &self.device.identities {
                @for statement in &identified.identity.statements {
                    @if let Some((at, value, by)) = &statement.said {
                        dt { @match statement.name { Some(name) => { (name) } None => { "object " (statement.id) } } }
                        dd { (value.value()) span.soft.small { " read by " (named(self.site, *by)) ", " (self.when(at.ts)) } }
                    }
                }
            } }
        }
    }

    fn talks(&self, conversations: &BTreeMap<Key, Record>) -> Markup {
        html! {
            div.scroll { table {
                thead { tr { th { "With" } th { "Protocol" } th { "It" } th.num { "Messages" } th { "What is done" } th.num { "Refused" } th.num { "Unanswered" } th.num { "Answers in" } th { "Last seen" } } }
                tbody { @for (key, record) in conversations { (self.talk(key, record)) } }
            } }
        }
    }

    fn talk(&self, key: &Key, record: &Record) -> Markup {
        let asks = key.client == self.device.address;
        let peer = if asks { key.server } else { key.client };
        let verbs = Verb::ALL.into_iter().filter(|verb| record.count(*verb) > 0);
        let verbs: Vec<String> =
            verbs.map(|verb| format!("{} {}", verb.name(), grouped(record.count(verb)))).collect();
        let refusals: Vec<String> = record
            .refusals
            .iter()
            .map(|refusal| format!("{} {}", grouped(refusal.count), refusal.name))
            .collect();
        let malformed = record.of_kind(Kind::Malformed);
        let spoken = match record.words {
            Some(words) => words.name.to_owned(),
            None => format!("{} {}", transport(key.transport), key.port),
        };
        html! {
            tr {
                th scope="row" { (named(self.site, peer)) }
                td { (spoken) }
                td { @if !key.placed { "speaks" } @else if asks { "asks" } @else { "answers" } }
                td.num { (grouped(record.messages())) @if malformed > 0 { " (" (grouped(malformed)) " malformed)" } }
                td { (verbs.join(", ")) }
                td.num title=(refusals.join(", ")) { (grouped(record.exceptions)) }
                td.num { (grouped(record.unanswered)) }
                td.num { @if let Some(mean) = record.latency.mean() { (answer_time(mean as f64 / 1e9)) @if let Some(longest) = record.latency.longest() { ", at most " (answer_time(longest as f64 / 1e9)) } } }
                td { @if let Some(span) = record.span { (self.when(span.last)) } }
            }
        }
    }

    fn alerts(&self, alerts: &[AlertRecord]) -> Markup {
        html! {
            @if alerts.is_empty() { p.soft { "None." } }
            ul.rows { @for alert in alerts { li.done[alert.state != crate::store::Life::New] {
                (Badge(alert.severity))
                span.what { a href=(self.site.link(&format!("alerts/{}", alert.id))) { (alert.summary) } }
                span.when { (self.when(Timestamp::from_nanos(alert.last_seen))) }
            } } }
            @if alerts.len() == ALERTS { p.small { a href=(self.site.link(&format!("alerts?host={}&suppressed=all", self.device.address))) { "All its alerts" } } }
        }
    }
}
