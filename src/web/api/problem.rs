//! Errors of the API: `application/problem+json` (RFC 9457).

use crate::web::failure::Failure;
use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What an error is.
pub const KIND: &str = "application/problem+json";

/// Why a request is refused or failed (RFC 9457, section 3.1).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// The kind of problem: always `about:blank`, the status says it.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status of HTTP.
    status: u16,
    /// One sentence: what is wrong, and what would be right.
    detail: String,
}

/// Makes every error below `/api/` a problem, wherever it comes from.
pub async fn problems(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let answer = next.run(request).await;
    let status = answer.status();
    if !is_api || !(status.is_client_error() || status.is_server_error()) {
        return answer;
    }
    let title = status.canonical_reason().unwrap_or("Error");
    let detail = match answer.extensions().get::<Failure>() {
        Some(failure) => failure.sentence.clone(),
        None => title.to_lowercase(),
    };
    let mut problem = (status, Json(Problem { kind: "about:blank", title, status: status.as_u16(), detail }))
        .into_response();
    let of_body = [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    for (name, value) in answer.headers() {
        if !of_body.contains(name) {
            problem.headers_mut().append(name, value.clone());
        }
    }
    problem.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(KIND));
    problem
}
