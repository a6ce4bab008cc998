//! Lists in parts, and what may be asked of them.

use crate::web::asked::Asked;
use crate::web::failure::Failure;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

/// Entries in a part, where nothing is said.
const USUAL: usize = 100;
/// The most entries in a part.
const MOST: usize = 1000;

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Part<T> {
    /// The entries.
    pub items: Vec<T>,
    /// What to ask for as `cursor` to get the next part; null at the end.
    pub next: Option<String>,
}

impl<T> Part<T> {
    /// The part of a whole list behind the entry that the cursor names.
    ///
    /// # Errors
    /// Where there is no such entry.
    pub fn of(
        all: impl IntoIterator<Item = T>,
        asked: &Asked,
        name: impl Fn(&T) -> String,
    ) -> Result<Part<T>, Failure> {
        let limit = limit(asked)?;
        let mut all = all.into_iter();
        if let Some(cursor) = asked.one("cursor")
            && !all.by_ref().any(|item| name(&item) == cursor)
        {
            return Err(wrong_cursor(cursor));
        }
        let items: Vec<T> = all.by_ref().take(limit).collect();
        let next = items.last().filter(|_| all.next().is_some()).map(name);
        Ok(Part { items, next })
    }
}

/// A cursor that is none.
pub fn wrong_cursor(cursor: &str) -> Failure {
    bad(format!("cursor = '{cursor}' is no place in this list; take it from 'next' of the part before"))
}

/// A request that cannot be meant so.
pub fn bad(sentence: impl Into<String>) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, sentence)
}

/// How many entries are asked for.
///
/// # Errors
/// Where it is not a number from 1 to 1000.
pub fn limit(asked: &Asked) -> Result<usize, Failure> {
    match asked.one("limit") {
        None => Ok(USUAL),
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=MOST).contains(limit))
            .ok_or_else(|| bad(format!("limit = '{text}' is not a number from 1 to {MOST}"))),
    }
}

/// Refuses what nobody answers to: a filter with a slip of the pen would find everything.
///
/// # Errors
/// Where something else is asked for.
pub fn only(asked: &Asked, known: &[&str]) -> Result<(), Failure> {
    match asked.names().find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(name) => Err(bad(match known {
            [] => format!("'{name}' is not known here; nothing can be asked for"),
            _ => format!("'{name}' is not known here; what can be asked for is {}", known.join(", ")),
        })),
    }
}

/// A body of JSON.
pub struct Said<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Said<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Said<T>, Failure> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_json = kind.is_some_and(|kind| {
            kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
        });
        if !is_json {
            let why = "the body has to be JSON, and Content-Type to say application/json";
            return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        let octets = Bytes::from_request(request, state).await;
        let octets =
            octets.map_err(|error| Failure::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()))?;
        serde_json::from_slice(&octets).map(Said).map_err(|error| bad(format!("the body is wrong: {error}")))
    }
}
