//! The style sheet, the script and the icon, built into the binary.

use super::failure::Failure;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

/// The files, by name, with their type.
const ALL: [(&str, &str, &str); 3] = [
    ("app.css", "text/css; charset=utf-8", include_str!("assets/app.css")),
    ("app.js", "text/javascript; charset=utf-8", include_str!("assets/app.js")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

/// One of the files.
///
/// # Errors
/// Where there is none of this name.
pub async fn asset(Path(name): Path<String>) -> Result<Response, Failure> {
    let (_, kind, text) =
        ALL.iter().find(|(known, ..)| *known == name).ok_or_else(|| Failure::not_found("file"))?;
    // A new version of the sensor is asked for once an hour.
    Ok(([(header::CONTENT_TYPE, *kind), (header::CACHE_CONTROL, "max-age=3600")], *text).into_response())
}
