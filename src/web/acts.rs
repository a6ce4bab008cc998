//! What people do to alerts, from a page or over the API alike.

use super::failure::Failure;
use super::pages::blocking;
use super::site::Site;
use super::visitor::Visitor;
use crate::store::{Actor, Change, Changed, Life, StoreError, SuppressionKey, Which};
use axum::http::StatusCode;
use std::sync::Arc;

/// Hours that a suppression may last.
pub const HOURS: std::ops::RangeInclusive<u32> = 1..=8760;

fn wrong(sentence: &str) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, sentence)
}

/// Who does it, for the store.
pub fn actor(visitor: &Visitor) -> Actor {
    Actor::new(visitor.name.clone(), visitor.role)
}

/// Acknowledges alerts, closes them or opens them again.
///
/// # Errors
/// Where the store does not take it.
pub async fn set_state(
    site: &Arc<Site>,
    visitor: &Visitor,
    which: Which,
    state: Life,
    note: Option<String>,
) -> Result<Changed, Failure> {
    let change = match state {
        Life::Acknowledged => Change::Acknowledge { which, note },
        Life::Closed => Change::Close { which, note },
        Life::New => Change::Reopen { which, note },
    };
    make(site, visitor, change).await
}

/// Keeps alerts quiet for some hours.
///
/// # Errors
/// Where it is not said which, for how long or why, or the store does not take it.
pub async fn suppress(
    site: &Arc<Site>,
    visitor: &Visitor,
    what: SuppressionKey,
    hours: u32,
    reason: &str,
) -> Result<Changed, Failure> {
    if !HOURS.contains(&hours) {
        return Err(wrong("say for how long: from 1 hour to a year (8760 hours)"));
    }
    if reason.trim().is_empty() {
        return Err(wrong("a suppression needs a reason: who comes next must know why it is quiet"));
    }
    if what == SuppressionKey::default() {
        return Err(wrong("say what is to be quiet: at least one of rule, source, destination and kind"));
    }
    let until = site.now().nanos.saturating_add(i64::from(hours) * 3_600_000_000_000);
    let change = Change::Suppress { what, until, reason: reason.to_owned() };
    make(site, visitor, change).await
}

/// Ends a suppression before its time.
///
/// # Errors
/// Where the store does not take it.
pub async fn unsuppress(site: &Arc<Site>, visitor: &Visitor, id: i64) -> Result<Changed, Failure> {
    make(site, visitor, Change::Unsuppress { id }).await
}

/// Makes a change; what the store thinks wrong is the sender's fault.
async fn make(site: &Arc<Site>, visitor: &Visitor, change: Change) -> Result<Changed, Failure> {
    let who = actor(visitor);
    blocking(site, move |site| match site.store.change(&who, change) {
        Err(StoreError::Wrong(why)) => Ok(Err(Failure::new(StatusCode::BAD_REQUEST, why))),
        Err(StoreError::Unknown(what)) => {
            Ok(Err(Failure::new(StatusCode::NOT_FOUND, format!("there is no {what}"))))
        }
        Err(error) => Err(error),
        Ok(changed) => Ok(Ok(changed)),
    })
    .await?
}
