//! Alerts: the list, one with all that is known, its packets, and a new state for some.

use super::forms::{AlertItem, NewState, OneState, Outcome, Step, WholeAlert};
use super::list::{Part, Said, bad, limit, only, wrong_cursor};
use super::problem::Problem;
use crate::store::Which;
use crate::web::acts;
use crate::web::asked::Asked;
use crate::web::failure::Failure;
use crate::web::pages::alert::{NEIGHBOURS, id_of, packets};
use crate::web::pages::alerts::filter;
use crate::web::pages::ask;
use crate::web::site::Here;
use crate::web::visitor::Visitor;
use axum::Json;
use axum::extract::Path;
use axum::response::Response;
use std::collections::HashMap;

/// What alerts can be filtered by.
pub const FILTERS: [&str; 12] = [
    "severity",
    "state",
    "kind",
    "rule",
    "protocol",
    "host",
    "peer",
    "incident",
    "q",
    "from",
    "to",
    "suppressed",
];
/// Alerts that one request may change.
const AT_ONCE: usize = 1000;

/// Alerts, the newest first.
///
/// # Errors
/// Where the filter or the store is wrong.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts", operation_id = "alerts",
    params(
        ("severity" = Option<Vec<String>>, Query, description = "`low`, `medium`, `high` or `critical`; several may be given"),
        ("state" = Option<Vec<String>>, Query, description = "`new`, `acknowledged` or `closed`; several may be given"),
        ("kind" = Option<Vec<String>>, Query, description = "The kind of alert; several may be given"),
        ("rule" = Option<String>, Query, description = "The name of a rule"),
        ("protocol" = Option<String>, Query, description = "A protocol"),
        ("host" = Option<String>, Query, description = "An address on either side"),
        ("peer" = Option<String>, Query, description = "The address on the other side of `host`"),
        ("incident" = Option<String>, Query, description = "An incident"),
        ("q" = Option<String>, Query, description = "Words in the sentence, the rule or an address"),
        ("from" = Option<String>, Query, description = "Seen at or after this time, RFC 3339"),
        ("to" = Option<String>, Query, description = "Seen before this time, RFC 3339"),
        ("suppressed" = Option<String>, Query, description = "`no` (the default), `yes` or `all`"),
        ("limit" = Option<String>, Query, description = "Entries in a part, from 1 to 1000; 100 where it is not given"),
        ("cursor" = Option<String>, Query, description = "Where the part begins: `next` of the part before"),
    ),
    responses((status = 200, body = Part<AlertItem>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn list(Here(site): Here, asked: Asked) -> Result<Json<Part<AlertItem>>, Failure> {
    only(&asked, &[&FILTERS[..], &["limit", "cursor"]].concat())?;
    let (wanted, limit) = (filter(&asked)?, limit(&asked)?);
    let after = asked.one("cursor").map(|text| text.parse().map_err(|_| wrong_cursor(text))).transpose()?;
    let found = ask(&site, move |reader| reader.alerts(&wanted, after, limit)).await?;
    let items = found.items.iter().map(AlertItem::from).collect();
    Ok(Json(Part { items, next: found.next.map(|next| next.to_string()) }))
}

/// One alert with all that is known of it.
///
/// # Errors
/// Where there is none of this id.
#[utoipa::path(get, path = "/api/v1/alerts/{id}", tag = "alerts", operation_id = "alert",
    params(("id" = String, Path, description = "The identity of the alert, a ULID")),
    responses((status = 200, body = WholeAlert), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn one(
    Here(site): Here,
    Path(path): Path<HashMap<String, String>>,
    asked: Asked,
) -> Result<Json<WholeAlert>, Failure> {
    only(&asked, &[])?;
    let id = id_of(&path)?;
    let found = ask(&site, move |reader| {
        let Some(whole) = reader.alert(&id)? else { return Ok(None) };
        let neighbours = reader.neighbours(whole.record.place, NEIGHBOURS)?;
        Ok(Some((whole, neighbours)))
    });
    let (whole, [before, after]) = found.await?.ok_or_else(|| Failure::not_found("alert"))?;
    Ok(Json(WholeAlert {
        item: (&whole.record).into(),
        alert: serde_json::from_str(&whole.json).map_err(Failure::internal)?,
        log: whole.log.iter().map(Step::from).collect(),
        evidence: site.evidence_file(&whole.record.id).is_some(),
        before: before.iter().map(AlertItem::from).collect(),
        after: after.iter().map(AlertItem::from).collect(),
    }))
}

/// The packets of an alert, as pcapng.
///
/// # Errors
/// Where there are none.
#[utoipa::path(get, path = "/api/v1/alerts/{id}/evidence", tag = "alerts", operation_id = "evidence",
    params(("id" = String, Path, description = "The identity of the alert, a ULID")),
    responses((status = 200, body = Vec<u8>, content_type = "application/x-pcapng"), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn evidence(
    Here(site): Here,
    Path(path): Path<HashMap<String, String>>,
    asked: Asked,
) -> Result<Response, Failure> {
    only(&asked, &[])?;
    packets(&site, &id_of(&path)?).await
}

/// Acknowledges alerts, closes them, or opens them again.
///
/// # Errors
/// Where the body is wrong or the store does not take it.
#[utoipa::path(post, path = "/api/v1/alerts/state", tag = "alerts", operation_id = "set_state",
    request_body = NewState,
    responses((status = 200, body = Outcome), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn set_state(
    Here(site): Here,
    visitor: Visitor,
    asked: Asked,
    Said(new): Said<NewState>,
) -> Result<Json<Outcome>, Failure> {
    only(&asked, &[])?;
    if !(1..=AT_ONCE).contains(&new.ids.len()) {
        return Err(bad(format!("ids has {} entries; from 1 to {AT_ONCE} may be given", new.ids.len())));
    }
    let changed = acts::set_state(&site, &visitor, Which::Ids(new.ids), new.state.into(), new.note).await?;
    Ok(Json(changed.into()))
}

/// Acknowledges one alert, closes it, or opens it again.
///
/// # Errors
/// Where there is none of this id, the body is wrong or the store does not take it.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/state", tag = "alerts", operation_id = "set_state_of_one",
    params(("id" = String, Path, description = "The identity of the alert, a ULID")),
    request_body = OneState,
    responses((status = 200, body = Outcome), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn set_state_of_one(
    Here(site): Here,
    visitor: Visitor,
    Path(path): Path<HashMap<String, String>>,
    asked: Asked,
    Said(new): Said<OneState>,
) -> Result<Json<Outcome>, Failure> {
    only(&asked, &[])?;
    let which = Which::one(id_of(&path)?);
    let changed = acts::set_state(&site, &visitor, which, new.state.into(), new.note).await?;
    if !changed.missing.is_empty() {
        return Err(Failure::not_found("alert"));
    }
    Ok(Json(changed.into()))
}
