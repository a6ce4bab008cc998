//! CSV (RFC 4180) for a spreadsheet. No cell is taken for a formula.

use super::devices::{FILTERS, device_of};
use super::forms::time;
use super::list::only;
use super::problem::Problem;
use crate::address::Address;
use crate::inventory::{Part, Sheet};
use crate::store::{AlertRecord, Cursor, Filter, StoreError};
use crate::web::asked::Asked;
use crate::web::devices::{self, Wanted};
use crate::web::failure::Failure;
use crate::web::pages::alerts::filter;
use crate::web::pages::blocking;
use crate::web::site::{Here, Site};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::collections::HashSet;
use std::sync::PoisonError;

/// Alerts of one table; a narrower filter gets the others.
const MOST: usize = 100_000;
/// Alerts that are read at a time.
const STEP: usize = 1000;

fn answer(name: &str, octets: Vec<u8>) -> Response {
    let kind = "text/csv; charset=utf-8; header=present".to_owned();
    let file = format!("attachment; filename=\"{name}.csv\"");
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, file)], octets).into_response()
}

/// Alerts as CSV, the newest first, at most 100,000.
///
/// # Errors
/// Where the filter or the store is wrong.
#[utoipa::path(get, path = "/api/v1/alerts.csv", tag = "alerts", operation_id = "alerts_csv",
    params(
        ("severity" = Option<Vec<String>>, Query, description = "As for `/api/v1/alerts`"),
        ("state" = Option<Vec<String>>, Query, description = "As for `/api/v1/alerts`"),
        ("kind" = Option<Vec<String>>, Query, description = "As for `/api/v1/alerts`"),
        ("rule" = Option<String>, Query, description = "As for `/api/v1/alerts`"),
        ("protocol" = Option<String>, Query, description = "As for `/api/v1/alerts`"),
        ("host" = Option<String>, Query, description = "As for `/api/v1/alerts`"),
        ("peer" = Option<String>, Query, description = "As for `/api/v1/alerts`"),
        ("incident" = Option<String>, Query, description = "As for `/api/v1/alerts`"),
        ("q" = Option<String>, Query, description = "As for `/api/v1/alerts`"),
        ("from" = Option<String>, Query, description = "As for `/api/v1/alerts`"),
        ("to" = Option<String>, Query, description = "As for `/api/v1/alerts`"),
        ("suppressed" = Option<String>, Query, description = "As for `/api/v1/alerts`"),
    ),
    responses((status = 200, body = String, content_type = "text/csv"), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn alerts(Here(site): Here, asked: Asked) -> Result<Response, Failure> {
    only(&asked, &super::alerts::FILTERS)?;
    let wanted = filter(&asked)?;
    let table = blocking(&site, move |site| alert_table(site, &wanted)).await?;
    Ok(answer("alerts", table.map_err(Failure::internal)?))
}

fn alert_table(site: &Site, wanted: &Filter) -> Result<Result<Vec<u8>, csv::Error>, StoreError> {
    let mut out = Vec::new();
    let mut sheet = Sheet::new(&mut out);
    let titles = [
        "id",
        "first_seen",
        "last_seen",
        "count",
        "severity",
        "kind",
        "rule",
        "summary",
        "src",
        "src_port",
        "dst",
        "dst_port",
        "proto",
        "incident",
        "state",
        "changed",
        "changed_by",
        "suppressed_by",
    ];
    if let Err(error) = sheet.titles(&titles) {
        return Ok(Err(error));
    }
    let mut after: Option<Cursor> = None;
    for _ in 0..MOST / STEP {
        let page = site.store.read(|reader| reader.alerts(wanted, after, STEP))?;
        for alert in &page.items {
            if let Err(error) = sheet.row(cells(alert)) {
                return Ok(Err(error));
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(sheet.end().map(|()| out))
}

fn cells(alert: &AlertRecord) -> [String; 18] {
    let or_blank = |text: &Option<String>| text.clone().unwrap_or_default();
    let port = |port: u16| if port > 0 { port.to_string() } else { String::new() };
    [
        alert.id.clone(),
        time(alert.first_seen),
        time(alert.last_seen),
        alert.count.to_string(),
        alert.severity.name().to_owned(),
        alert.kind.clone(),
        or_blank(&alert.rule),
        alert.summary.clone(),
        alert.src.clone(),
        port(alert.src_port),
        alert.dst.clone(),
        port(alert.dst_port),
        alert.proto.clone(),
        or_blank(&alert.incident),
        alert.state.name().to_owned(),
        alert.changed.map(time).unwrap_or_default(),
        or_blank(&alert.changed_by),
        alert.suppressed_by.map(|number| number.to_string()).unwrap_or_default(),
    ]
}

/// Devices as CSV.
///
/// # Errors
/// Where the filter or the store is wrong.
#[utoipa::path(get, path = "/api/v1/devices.csv", tag = "devices", operation_id = "devices_csv",
    params(
        ("q" = Option<String>, Query, description = "As for `/api/v1/devices`"),
        ("role" = Option<String>, Query, description = "As for `/api/v1/devices`"),
        ("protocol" = Option<String>, Query, description = "As for `/api/v1/devices`"),
        ("zone" = Option<String>, Query, description = "As for `/api/v1/devices`"),
        ("new" = Option<String>, Query, description = "As for `/api/v1/devices`"),
    ),
    responses((status = 200, body = String, content_type = "text/csv"), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn devices(Here(site): Here, asked: Asked) -> Result<Response, Failure> {
    only(&asked, &FILTERS)?;
    let wanted = Wanted::read(&asked, &site)?;
    let found = blocking(&site, move |site| devices::list(site, &wanted)).await?;
    let wanted: HashSet<Address> = found.devices.iter().map(|listed| listed.device.address).collect();
    let of = move |address: Address| wanted.contains(&address);
    Ok(answer("devices", table(&site, Part::Devices, of).await?))
}

/// Conversations as CSV.
///
/// # Errors
/// Where the address is none.
#[utoipa::path(get, path = "/api/v1/conversations.csv", tag = "devices", operation_id = "conversations_csv",
    params(("device" = Option<String>, Query, description = "Only those of this address")),
    responses((status = 200, body = String, content_type = "text/csv"), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn conversations(Here(site): Here, asked: Asked) -> Result<Response, Failure> {
    only(&asked, &["device"])?;
    let of = device_of(&asked)?;
    let wanted = move |address| of.is_none_or(|of| of == address);
    Ok(answer("conversations", table(&site, Part::Conversations, wanted).await?))
}

/// Points as CSV.
///
/// # Errors
/// Where the address is none.
#[utoipa::path(get, path = "/api/v1/points.csv", tag = "points", operation_id = "points_csv",
    params(("device" = Option<String>, Query, description = "Only those of this address")),
    responses((status = 200, body = String, content_type = "text/csv"), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn points(Here(site): Here, asked: Asked) -> Result<Response, Failure> {
    only(&asked, &["device"])?;
    let of = device_of(&asked)?;
    let wanted = move |address| of.is_none_or(|of| of == address);
    Ok(answer("points", table(&site, Part::Points, wanted).await?))
}

async fn table(
    site: &std::sync::Arc<Site>,
    what: Part,
    wanted: impl Fn(Address) -> bool + Send + 'static,
) -> Result<Vec<u8>, Failure> {
    blocking(site, move |site| {
        let names = site.names();
        let inventory = site.inventory.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = Vec::new();
        inventory.write_csv(what, &wanted, &names, &mut out).map(|()| out)
    })
    .await
}
