//! One device: what it is and why, what it says of itself, who commands it, what is said on its conversations, its
//! points and alerts.

use super::devices::open_alerts;
use super::{blocking, overview, points};
use crate::address::{Address, Timestamp};
use crate::event::{About, Verb};
use crate::inventory::{Commander, Device, Identified, Key, Names, Record, Served, Stamp, transport};
use crate::store::{AlertRecord, Filter, StoreError};
use crate::web::devices::zone_of;
use crate::web::failure::Failure;
use crate::web::layout::{Badge, Page, Tab};
use crate::web::names::FromRules;
use crate::web::open_alerts::OpenAlerts;
use crate::web::site::{Here, Site};
use crate::web::visitor::Visitor;
use crate::web::words::{When, answer_time, counted, grouped};
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

/// Conversations that are shown.
const CONVERSATIONS: usize = 200;
/// Points that are shown.
const POINTS: usize = 20;
/// Alerts that are shown.
const ALERTS: usize = 20;

/// The address in the path: `/devices/{address}`, below a replay too.
///
/// # Errors
/// Where it is none.
pub(crate) fn address_of(path: &HashMap<String, String>) -> Result<Address, Failure> {
    path.get("address").and_then(|text| text.parse().ok()).ok_or_else(|| {
        Failure::new(
            StatusCode::NOT_FOUND,
            "a device is called by its IP or MAC address here, and this is none",
        )
    })
}

/// There is no such device.
pub(crate) fn not_known(address: Address) -> Failure {
    let why = format!(
        "no device with the address {address} is known here: it was never seen, or not for so long that it was forgotten"
    );
    Failure::new(StatusCode::NOT_FOUND, why)
}

/// What the page shows.
struct Shown<'a> {
    site: &'a Site,
    now: Timestamp,
    names: &'a FromRules,
    found: &'a Found,
}

/// What is known of the device.
struct Found {
    device: Device,
    conversations: Vec<(Key, Record)>,
    points: Vec<points::Row>,
    point_count: usize,
    open: Arc<OpenAlerts>,
    alerts: Vec<AlertRecord>,
}

fn find(site: &Site, address: Address, names: &FromRules) -> Result<Option<Found>, StoreError> {
    let (device, conversations, points, point_count) = {
        let inventory = site.inventory.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((device, conversations)) = inventory.device(address, names) else { return Ok(None) };
        let points = inventory.points(Some(address));
        let rows = points.iter().take(POINTS).map(points::Row::of).collect();
        (device, conversations, rows, points.len())
    };
    let mut conversations: Vec<(Key, Record)> = conversations.into_iter().collect();
    // What is said in control protocols comes first, then what is said most.
    conversations.sort_by_key(|(key, record)| {
        (key.proto.is_none(), std::cmp::Reverse(record.messages()), key.client, key.server, key.port)
    });
    let filter = Filter { host: Some(address.to_string()), ..Filter::default() };
    let open = OpenAlerts::of_site(site)?;
    let alerts = site.store.read(|reader| Ok(reader.alerts(&filter, None, ALERTS)?.items))?;
    Ok(Some(Found { device, conversations, points, point_count, open, alerts }))
}

/// The page.
///
/// # Errors
/// Where there is no such device, or the store cannot be read.
pub async fn page(
    Here(site): Here,
    visitor: Visitor,
    Path(path): Path<HashMap<String, String>>,
) -> Result<Response, Failure> {
    let address = address_of(&path)?;
    let seen = overview(&site).await?;
    let found = blocking(&site, move |site| find(site, address, &site.names())).await?;
    let found = found.ok_or_else(|| not_known(address))?;
    let names = site.names();
    let shown = Shown { site: &site, now: seen.now, names: &names, found: &found };
    let text = address.to_string();
    let title = found.device.name.as_deref().unwrap_or(&text);
    let page = Page { site: &site, visitor: &visitor, title, tab: Tab::Devices, live: None };
    Ok(page.around(&seen.state, &shown.content()))
}

impl Shown<'_> {
    fn when(&self, at: Timestamp) -> Markup {
        html! { (When { clock: &self.site.clock, at, now: self.now }) }
    }

    /// A time, with the number of its packet where it is in a capture.
    fn stamp(&self, at: Stamp) -> Markup {
        html! {
            (self.when(at.ts))
            @if !self.site.is_live() && at.frame > 0 { span.soft.small { " packet " (grouped(at.frame)) } }
        }
    }

    /// Another device, by its name, linked.
    fn peer(&self, address: Address) -> Markup {
        html! {
            a href=(self.site.link(&format!("devices/{address}"))) {
                (self.names.host(address, None, None).unwrap_or_else(|| address.to_string()))
            }
        }
    }

    fn content(&self) -> Markup {
        let device = &self.found.device;
        let address = device.address.to_string();
        html! {
            div.title {
                p.crumb { a href=(self.site.link("devices")) { "Devices" } " / " span.mono { (address) } }
                h1 { (device.name.as_deref().unwrap_or(&address)) }
                @for reason in &device.roles { span.tag { (reason.role.name()) } }
                (open_alerts(self.site, &format!("host={address}"), self.found.open.of(device.address)))
                a href=(self.site.link(&format!("map?device={address}"))) { "On the map" }
            }
            div.grid {
                div.stack { (self.roles()) (self.commanders()) (self.alerts()) }
                div.stack { (self.facts()) @for said in &device.identities { (self.identity(said)) } (self.behind()) }
                div.wide { (self.conversations()) }
                div.wide { (self.points()) }
            }
        }
    }

    fn roles(&self) -> Markup {
        html! {
            section.panel aria-labelledby="what" {
                h2 #what { "What it is, and why" }
                dl.facts { @for reason in &self.found.device.roles { dt { (reason.role.name()) } dd { (reason.because) } } }
            }
        }
    }

    fn facts(&self) -> Markup {
        let device = &self.found.device;
        let (first, last) = device.seen();
        let rules = self.site.rules.load_full();
        let vlans: Vec<String> = device.vlans.iter().map(|vlan| vlan.to_string()).collect();
        html! {
            section.panel aria-labelledby="facts" {
                h2 #facts { "The device" }
                dl.facts {
                    dt { "Address" } dd.mono { (device.address) }
                    @if let Some(zone) = zone_of(device, rules.as_deref()) {
                        dt { "Zone" } dd { a href=(self.site.link(&format!("map?zone={}", super::alert::encoded(zone)))) { (zone) } }
                    }
                    @for (at, mac) in device.macs.iter().enumerate() {
                        dt { @if at == 0 { "MAC address" } }
                        dd { span.mono { (mac) } @if let Some(vendor) = crate::inventory::vendor(mac) { " " (vendor) } }
                    }
                    @if device.shares_mac { dt {} dd.soft.small { "Other addresses have it too: a router stands between, or one machine has several addresses." } }
                    @if !vlans.is_empty() { dt { "VLAN" } dd { (vlans.join(", ")) @if device.vlans.has_more() { " and more" } } }
                    dt { "Protocols" } dd {
                        @if device.protocols.is_empty() { "no control protocol" }
                        @else { (device.protocols.iter().map(|words| words.title).collect::<Vec<_>>().join(", ")) }
                    }
                    dt { "Messages" } dd { (grouped(device.sent)) " sent, " (grouped(device.received)) " received" }
                    @if let Some(first) = first { dt { "First seen" } dd { (self.when(first)) } }
                    @if let Some(last) = last { dt { "Last seen" } dd { (self.when(last)) } }
                }
            }
        }
    }

    /// What the device, or one behind its address, says of itself.
    fn identity(&self, said: &Identified) -> Markup {
        let identity = &said.identity;
        let words = identity.words;
        let source = match words.name {
            "modbus" => "Modbus, read device identification (43/14)",
            "dnp3" => "DNP3, device attributes (group 0)",
            _ => words.title,
        };
        html! {
            section.panel.identity {
                h2 { "What it says of itself" }
                p.soft.small {
                    (source)
                    @if let Some(device) = said.device { ", " (words.device_title) " " (device) }
                    @if let Some((at, by)) = said.read() { "; read by " (self.peer(by)) ", last " (self.stamp(at)) }
                }
                dl.facts {
                    @for statement in &identity.statements {
                        @if let Some((_, value, _)) = &statement.said {
                            dt { @match (statement.name, statement.about) {
                                (Some(name), _) => { (name) }
                                (None, About::Other) => { "object " (statement.id) }
                                (None, about) => { (about_name(about)) }
                            } }
                            dd { bdi { (points::plain(value.value())) } }
                        }
                    }
                }
            }
        }
    }

    fn commanders(&self) -> Markup {
        let all = &self.found.device.commanders;
        let line = |commander: &Commander| {
            html! {
                li {
                    span.num { (counted(commander.count, "command")) }
                    span.what { (self.peer(commander.address)) " in " (commander.words.title) }
                    span.when { "last " (self.stamp(commander.last)) }
                }
            }
        };
        html! {
            section.panel aria-labelledby="commanders" {
                h2 #commanders { "Who commands it" }
                @if all.is_empty() { p.soft { "Nobody was seen to write, operate, set up or restart anything in it." } }
                ul.rows { @for commander in all.iter().take(CONVERSATIONS) { (line(commander)) } }
                @if all.len() > CONVERSATIONS { p.small { (grouped((all.len() - CONVERSATIONS) as u64)) " more." } }
            }
        }
    }

    fn behind(&self) -> Markup {
        let serves = &self.found.device.serves;
        let state = |served: &Served| match (served.answered + served.reports, served.absent) {
            (0, 0) => "was never heard",
            (0, _) => "the gateway says that it does not answer",
            (_, 0) => "answers",
            _ => "answers, not always",
        };
        html! {
            @if !serves.is_empty() {
                section.panel aria-labelledby="behind" {
                    h2 #behind { "Devices behind its address" }
                    div.scroll tabindex="0" role="group" aria-labelledby="behind" { table {
                        thead { tr { th { "Device" } th.num { "Asked" } th.num { "Answered" } th.num { "Reported" } th { "Remarks" } } }
                        tbody { @for served in serves.iter().take(CONVERSATIONS) { tr {
                            th scope="row" { (served.words.title) " " (served.words.device_title) " " (served.device) }
                            td.num { (grouped(served.asked)) }
                            td.num { (grouped(served.answered)) }
                            td.num { (grouped(served.reports)) }
                            td { (state(served)) }
                        } } }
                    } }
                    @if serves.len() > CONVERSATIONS { p.small { (grouped((serves.len() - CONVERSATIONS) as u64)) " more." } }
                }
            }
        }
    }

    fn conversations(&self) -> Markup {
        let all = &self.found.conversations;
        html! {
            section.panel aria-labelledby="talks" {
                h2 #talks { "Its conversations" }
                @if all.is_empty() { p.soft { "None is known any more." } } @else {
                    div.scroll { table {
                        thead { tr {
                            th { "With" } th { "Who asks" } th { "Protocol" } th.num { "Messages" } th { "What is done" }
                            th { "Refused" } th.num { "Unanswered" } th { "Time to answer" } th { "First and last seen" } th { "Open alerts" }
                        } }
                        tbody { @for (key, record) in all.iter().take(CONVERSATIONS) { (self.conversation(key, record)) } }
                    } }
                    @if all.len() > CONVERSATIONS { p.small { (grouped((all.len() - CONVERSATIONS) as u64)) " more, in which less is said." } }
                }
            }
        }
    }

    fn conversation(&self, key: &Key, record: &Record) -> Markup {
        let own = self.found.device.address;
        let asks = key.client == own;
        let peer = if asks { key.server } else { key.client };
        let verbs = Verb::ALL.into_iter().filter(|verb| record.count(*verb) > 0);
        let verbs: Vec<String> =
            verbs.map(|verb| format!("{} {}", verb.name(), grouped(record.count(verb)))).collect();
        let open = self.found.open.between(own, peer);
        html! {
            tr {
                th scope="row" {
                    (self.peer(peer))
                    @if self.names.host(peer, None, None).is_some() { br; span.soft.small { (peer) } }
                }
                td { @match (key.placed, asks) { (false, _) => "not seen", (true, true) => "this one", (true, false) => "the other" } }
                td { (protocol(key, record)) }
                td.num { (grouped(record.messages())) }
                td { (verbs.join(", ")) }
                td { @if record.exceptions > 0 {
                    (grouped(record.exceptions))
                    @for refusal in record.refusals.iter().filter(|refusal| refusal.count > 0) {
                        br; span.small { (refusal.name) " " (grouped(refusal.count)) }
                    }
                } }
                td.num { @if record.unanswered > 0 { (grouped(record.unanswered)) } }
                td { (response(record)) }
                td { @if let Some(span) = record.span { (self.when(span.first)) br; (self.when(span.last)) } }
                td { (open_alerts(self.site, &format!("host={own}&peer={peer}"), open)) }
            }
        }
    }

    fn points(&self) -> Markup {
        let address = self.found.device.address;
        let all = self.site.link(&format!("points?device={address}"));
        html! {
            @if self.found.point_count > 0 {
                section.panel aria-labelledby="points" {
                    h2 #points { "Its points" }
                    (points::table(self.site, self.now, &self.found.points))
                    @if self.found.point_count > POINTS { p.small { a href=(all) { "All " (grouped(self.found.point_count as u64)) " points" } } }
                }
            }
        }
    }

    fn alerts(&self) -> Markup {
        let address = self.found.device.address;
        html! {
            section.panel aria-labelledby="alerts" {
                h2 #alerts { "Its alerts" }
                @if self.found.alerts.is_empty() { p.soft { "None." } }
                ul.rows { @for alert in &self.found.alerts { (alert_line(self.site, self.now, alert)) } }
                @if self.found.alerts.len() == ALERTS {
                    p.small { a href=(self.site.link(&format!("alerts?host={address}&suppressed=all"))) { "All of its alerts" } }
                }
            }
        }
    }
}

/// An alert as a line of a list.
pub(super) fn alert_line(site: &Site, now: Timestamp, alert: &AlertRecord) -> Markup {
    let at = Timestamp::from_nanos(alert.last_seen);
    html! {
        li.done[alert.state != crate::store::Life::New || alert.suppressed_by.is_some()] {
            (Badge(alert.severity))
            span.what { a href=(site.link(&format!("alerts/{}", alert.id))) { (alert.summary) } " " (super::alerts::state_tag(alert)) }
            span.when { (When { clock: &site.clock, at, now }) }
        }
    }
}

fn about_name(about: About) -> &'static str {
    match about {
        About::Vendor => "vendor",
        About::Product => "product",
        About::Revision => "revision",
        About::Serial => "serial number",
        About::Other => "other",
    }
}

/// What a conversation is in: "Modbus, port 502", "tcp 443".
fn protocol(key: &Key, record: &Record) -> String {
    let carrier = transport(key.transport);
    match (record.words, record.service()) {
        (Some(words), Some((port, _))) => format!("{}, {carrier} {port}", words.title),
        (Some(words), None) => format!("{}, {carrier}", words.title),
        (None, Some((port, _))) => format!("{carrier} {port}"),
        (None, None) => carrier,
    }
}

fn response(record: &Record) -> Markup {
    let seconds = |nanos: u64| answer_time(nanos as f64 / 1e9);
    let latency = &record.latency;
    html! {
        @if let (Some(mean), Some(most)) = (latency.mean(), latency.longest()) {
            "mean " (seconds(mean))
            @if let Some(high) = latency.percentile(95) { br; span.small { "95 of 100 within " (seconds(high)) } }
            br; span.small { "longest " (seconds(most)) }
        }
    }
}
