//! What is kept quiet.

use super::forms::{NewSuppression, Outcome, SuppressionItem};
use super::list::{Part, Said, only};
use super::problem::Problem;
use crate::web::acts;
use crate::web::asked::Asked;
use crate::web::failure::Failure;
use crate::web::pages::ask;
use crate::web::site::Here;
use crate::web::visitor::Visitor;
use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use std::collections::HashMap;

/// Suppressions, those that have ended too, the newest first; at most 1000 of them are known.
///
/// # Errors
/// Where the cursor or the store is wrong.
#[utoipa::path(get, path = "/api/v1/suppressions", tag = "suppressions", operation_id = "suppressions",
    params(
        ("limit" = Option<String>, Query, description = "Entries in a part, from 1 to 1000; 100 where it is not given"),
        ("cursor" = Option<String>, Query, description = "Where the part begins: `next` of the part before"),
    ),
    responses((status = 200, body = Part<SuppressionItem>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn list(Here(site): Here, asked: Asked) -> Result<Json<Part<SuppressionItem>>, Failure> {
    only(&asked, &["limit", "cursor"])?;
    let now = site.now().nanos;
    let all = ask(&site, |reader| reader.suppressions(None)).await?;
    let items = all.iter().map(|one| SuppressionItem::new(one, now));
    Ok(Json(Part::of(items, &asked, |item| item.number.to_string())?))
}

/// Keeps new alerts of a kind quiet for some hours.
///
/// # Errors
/// Where the body is wrong or the store does not take it.
#[utoipa::path(post, path = "/api/v1/suppressions", tag = "suppressions", operation_id = "suppress",
    request_body = NewSuppression,
    responses((status = 201, body = Outcome), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn add(
    Here(site): Here,
    visitor: Visitor,
    asked: Asked,
    Said(new): Said<NewSuppression>,
) -> Result<(StatusCode, Json<Outcome>), Failure> {
    only(&asked, &[])?;
    let changed = acts::suppress(&site, &visitor, new.what.into(), new.hours, &new.reason).await?;
    Ok((StatusCode::CREATED, Json(changed.into())))
}

/// Ends a suppression before its time.
///
/// # Errors
/// Where there is none of this number.
#[utoipa::path(delete, path = "/api/v1/suppressions/{number}", tag = "suppressions", operation_id = "unsuppress",
    params(("number" = i64, Path, description = "The number of the suppression")),
    responses((status = 200, body = Outcome), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn end(
    Here(site): Here,
    visitor: Visitor,
    Path(path): Path<HashMap<String, String>>,
    asked: Asked,
) -> Result<Json<Outcome>, Failure> {
    only(&asked, &[])?;
    let number = path.get("number").and_then(|text| text.parse().ok());
    let number = number.ok_or_else(|| Failure::not_found("suppression"))?;
    Ok(Json(acts::unsuppress(&site, &visitor, number).await?.into()))
}
