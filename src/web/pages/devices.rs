//! The list of devices: filters that live in the address, those with open alerts first.

use super::{blocking, overview};
use crate::inventory::{Device, Role};
use crate::web::asked::Asked;
use crate::web::devices::{List, Listed, NO_ZONE, Wanted, list};
use crate::web::failure::Failure;
use crate::web::layout::{Badge, Page, Tab};
use crate::web::open_alerts::Open;
use crate::web::overview::Overview;
use crate::web::site::{Here, Site};
use crate::web::visitor::Visitor;
use crate::web::words::{When, counted, grouped};
use axum::response::Response;
use maud::{Markup, html};

/// Devices on one page.
const PAGE: usize = 200;

/// The page.
///
/// # Errors
/// Where the address or the store is wrong.
pub async fn page(Here(site): Here, visitor: Visitor, asked: Asked) -> Result<Response, Failure> {
    let seen = overview(&site).await?;
    let wanted = Wanted::read(&asked, &site)?;
    let found = blocking(&site, move |site| list(site, &wanted)).await?;
    let filtered = asked.with("after", None);
    let some = !filtered.is_empty();
    let content = html! {
        div.title {
            h1 { "Devices" }
            span.soft {
                (counted(found.devices.len() as u64, "device"))
                @if some { " of " (grouped(found.known as u64)) }
            }
        }
        div.stack {
            section.panel aria-label="Filter" { (filters(&site, &asked)) }
            section.panel aria-label="Devices" { (table(&site, &seen, &asked, &found)) }
        }
    };
    let page = Page { site: &site, visitor: &visitor, title: "Devices", tab: Tab::Devices, live: None };
    Ok(page.around(&seen.state, &content))
}

fn filters(site: &Site, asked: &Asked) -> Markup {
    let choice = |name: &str, label: &str, all: &[(&str, &str)]| {
        html! {
            label { (label)
                select name=(name) {
                    option value="" { "any" }
                    @for (value, said) in all { option value=(value) selected[asked.one(name) == Some(value)] { (said) } }
                    @if let Some(other) = asked.one(name).filter(|other| all.iter().all(|(value, _)| value != other)) {
                        option value=(other) selected { (other) }
                    }
                }
            }
        }
    };
    let roles = Role::ALL.map(|role| (role.name(), role.name()));
    let protocols: Vec<(&str, &str)> = site.protocols().into_iter().map(|name| (name, name)).collect();
    let rules = site.rules.load_full();
    let zones =
        rules.iter().flat_map(|rules| rules.zones()).map(|zone| (zone.name.as_str(), zone.name.as_str()));
    let mut zones: Vec<(&str, &str)> = zones.collect();
    if !zones.is_empty() {
        zones.push((NO_ZONE, "in none"));
    }
    let times =
        [("shift", "the shift began"), ("hour", "an hour ago"), ("day", "a day ago"), ("week", "a week ago")];
    html! {
        form.filters method="get" action=(site.link("devices")) data-apply {
            label { "Search" input type="search" name="q" value=[asked.one("q")] placeholder="name, address, vendor"; }
            (choice("role", "Role", &roles))
            (choice("protocol", "Protocol", &protocols))
            @if !zones.is_empty() { (choice("zone", "Zone", &zones)) }
            (choice("new", "New since", &times))
            button { "Show" }
            @if !asked.is_empty() { a.button href=(site.link("devices")) { "All devices" } }
        }
    }
}

fn table(site: &Site, seen: &Overview, asked: &Asked, found: &List) -> Markup {
    let here = asked.with("after", None);
    let after = asked.one("after");
    let place = |listed: &Listed| after.is_some_and(|after| listed.device.address.to_string() == after);
    let begin = found.devices.iter().position(place).map_or(0, |place| place + 1);
    let shown = found.devices.get(begin..).unwrap_or_default();
    let more = shown.len() > PAGE;
    let shown = shown.get(..PAGE).unwrap_or(shown);
    let link = |path: &str, query: &Asked| {
        if query.is_empty() { path.to_owned() } else { format!("{path}?{}", query.text()) }
    };
    html! {
        @if shown.is_empty() {
            p { @if found.known == 0 { "No device has been seen yet." } @else { "No device is like this." } }
        } @else {
            div.scroll { table.devices {
                thead { tr {
                    th { "Device" } th { "Role, and why" } th { "Vendor" } th { "Protocols" }
                    th.num { "Commanded by" } th.num { "Messages" } th { "Open alerts" } th { "First seen" } th { "Last seen" }
                } }
                tbody { @for listed in shown { (row(site, seen, listed)) } }
            } }
        }
        div.pager {
            @if let Some(last) = shown.last().filter(|_| more) {
                a.button href=(site.link(&link("devices", &here.with("after", Some(&last.device.address.to_string()))))) { "Next " (PAGE.min(found.devices.len() - begin - shown.len())) }
            }
            @if begin > 0 { a.button href=(site.link(&link("devices", &here))) { "From the start" } }
            a href=(site.api(&link("devices.csv", &here))) { "As CSV" }
            a href=(site.link("map")) { "On the map" }
        }
    }
}

fn row(site: &Site, seen: &Overview, listed: &Listed) -> Markup {
    let device = &listed.device;
    let when = |at| html! { (When { clock: &site.clock, at, now: seen.now }) };
    let (first, last) = device.seen();
    html! {
        tr {
            th scope="row" { (device_link(site, device)) }
            td.why { (roles(device)) }
            td { (device.vendor.unwrap_or("")) @if device.shares_mac { span.soft.small { "shared MAC" } } }
            td { (device.protocols.iter().map(|words| words.name).collect::<Vec<_>>().join(", ")) }
            td.num { @if !device.commanders.is_empty() { a href=(site.link(&format!("devices/{}#commanders", device.address))) { (grouped(device.commanders.len() as u64)) } } }
            td.num { (grouped(device.sent.saturating_add(device.received))) }
            td { (open_alerts(site, &format!("host={}", device.address), listed.open)) }
            td { @if let Some(at) = first { (when(at)) } }
            td { @if let Some(at) = last { (when(at)) } }
        }
    }
}

/// A device's name and address, linked to its page.
pub(super) fn device_link(site: &Site, device: &Device) -> Markup {
    let address = device.address.to_string();
    html! {
        a href=(site.link(&format!("devices/{address}"))) { (device.name.as_deref().unwrap_or(&address)) }
        @if device.name.is_some() { br; span.soft.small { (address) } }
    }
}

/// What a device is first of all, with the reason, and what else it is.
fn roles(device: &Device) -> Markup {
    html! {
        @for (at, reason) in device.roles.iter().enumerate() {
            @if at == 0 { strong { (reason.role.name()) } ": " (reason.because) }
            @else { br; span.soft.small { "also " (reason.role.name()) ": " (reason.because) } }
        }
    }
}

/// The worst severity with the number of open alerts, linked to them.
pub(super) fn open_alerts(site: &Site, filter: &str, open: Option<Open>) -> Markup {
    html! {
        @if let Some(open) = open {
            (Badge(open.worst)) " "
            a href=(site.link(&format!("alerts?{filter}&state=new&state=acknowledged"))) { (counted(open.count, "alert")) }
        }
    }
}
