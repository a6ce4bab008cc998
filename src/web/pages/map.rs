//! The map: zones and devices as a picture, conduits as lines coloured by state, and the same as a table.

use super::{blocking, overview};
use crate::store::StoreError;
use crate::web::asked::Asked;
use crate::web::failure::Failure;
use crate::web::layout::{Badge, Page, Tab};
use crate::web::map::draw::{self, picture};
use crate::web::map::places::places;
use crate::web::map::plan::{End, Facts, Kind, Line, Plan, plan};
use crate::web::open_alerts::OpenAlerts;
use crate::web::site::{Here, Site};
use crate::web::visitor::Visitor;
use crate::web::words::{counted, grouped};
use axum::response::Response;
use maud::{Markup, html};
use std::sync::PoisonError;

/// Lines of the table.
const LISTED: usize = 200;

/// The page: of the whole plant, or of one zone.
///
/// # Errors
/// Where the store cannot be read.
pub async fn page(Here(site): Here, visitor: Visitor, asked: Asked) -> Result<Response, Failure> {
    let seen = overview(&site).await?;
    let only = asked.one("zone").map(str::to_owned);
    let zone = only.clone();
    let plan = blocking(&site, move |site| read(site, zone.as_deref())).await?;
    if let Some(only) = &only
        && !plan.groups.iter().any(|group| group.name == *only)
    {
        return Err(Failure::not_found("zone with devices"));
    }
    let content = html! {
        div.title {
            @if let Some(only) = &only {
                p.crumb { a href=(site.link("map")) { "Map" } " / " (only) }
                h1 { (only) }
                span.soft { "its devices, and the zones that they speak with" }
            } @else {
                h1 { "Map" }
                span.soft { (counted(plan.devices as u64, "device")) }
            }
        }
        div #part-map { (content(&site, &plan)) }
    };
    let live = only.is_none().then_some("map");
    let page = Page { site: &site, visitor: &visitor, title: "Map", tab: Tab::Map, live };
    Ok(page.around(&seen.state, &content))
}

/// What is on the map. It blocks.
///
/// # Errors
/// Where the store cannot be read.
pub fn read(site: &Site, only: Option<&str>) -> Result<Plan, StoreError> {
    let open = OpenAlerts::of_site(site)?;
    let names = site.names();
    let facts = Facts::read(&site.inventory.lock().unwrap_or_else(PoisonError::into_inner), &names);
    Ok(plan(&facts, names.0.as_deref(), &open, only))
}

/// The picture with its legend and its table.
pub fn content(site: &Site, plan: &Plan) -> Markup {
    html! {
        div.stack {
            section.panel aria-label="Picture" {
                @if plan.groups.is_empty() { p { "No device has been heard." } } @else {
                    div.scroll.map { (picture(site, plan, &places(plan))) }
                    (legend(plan))
                }
            }
            @if !plan.alerting.is_empty() { (table(site, plan, "alerting", "Pairs with open alerts", &plan.alerting)) }
            @let lines: Vec<&Line> = plan.lines.iter().rev().collect();
            @if !lines.is_empty() { (table(site, plan, "lines", "Who speaks with whom", lines)) }
        }
    }
}

fn legend(plan: &Plan) -> Markup {
    let zoned = plan.groups.iter().any(|group| group.kind == Kind::Zone);
    let counted_only = plan.groups.iter().any(|group| group.counted > 0);
    html! {
        p.small.soft {
            "A box is " @if zoned { "a zone of the rules" } @else { "a network: the rules name no zones" }
            ", the higher ones command the lower. A line is who speaks with whom, thicker for more messages; grey is well, "
            "a colour with a sign and a number has open alerts."
            @if plan.bundled { " Lines stand for whole zones, because there are many; what is said within a zone is not drawn." }
            @if counted_only { " Some devices are only counted: choose their zone to see them." }
            @if plan.group_addresses > 0 { " Not drawn: " (counted(plan.group_addresses as u64, "address")) " of many, for broadcast and multicast." }
        }
    }
}

fn table<'l>(
    site: &Site,
    plan: &Plan,
    id: &str,
    title: &str,
    lines: impl IntoIterator<Item = &'l Line>,
) -> Markup {
    let mut lines = lines.into_iter();
    html! {
        section.panel aria-labelledby=(id) {
            h2 id=(id) { (title) }
            div.scroll { table {
                thead { tr { th { "One" } th { "Other" } th { "Protocols" } th.num { "Messages" } th.num { "Commands" } th { "Open alerts" } } }
                tbody { @for line in lines.by_ref().take(LISTED) { (row(site, plan, line)) } }
            } }
            @let more = lines.count();
            @if more > 0 { p.small.soft { "And " (grouped(more as u64)) " more." } }
        }
    }
}

fn row(site: &Site, plan: &Plan, line: &Line) -> Markup {
    html! {
        tr {
            th scope="row" { (end(site, plan, line.ends[0])) }
            td { (end(site, plan, line.ends[1])) }
            td { (line.protocols.iter().copied().collect::<Vec<_>>().join(", ")) }
            td.num { (grouped(line.messages)) }
            td.num { (grouped(line.commands)) }
            td { @if let Some(open) = line.open { (Badge(open.worst)) " " (counted(open.count, "alert")) } }
        }
    }
}

fn end(site: &Site, plan: &Plan, end: End) -> Markup {
    let link = match end {
        End::Group(group) => plan.groups.get(group).map(draw::only),
        End::Member(group, member) => plan
            .groups
            .get(group)
            .and_then(|group| group.members.get(member))
            .map(|member| format!("devices/{}", member.address)),
    };
    html! { @if let Some(link) = link { a href=(site.link(&link)) { (draw::name(plan, end)) } } }
}
