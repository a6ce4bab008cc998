//! What goes wrong with a request, as a page with one sentence.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, html};

/// Why a request is refused or failed.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The status of HTTP.
    pub status: StatusCode,
    /// One sentence for who asked.
    pub sentence: String,
}

impl Failure {
    /// With a status and a sentence.
    pub fn new(status: StatusCode, sentence: impl Into<String>) -> Failure {
        Failure { status, sentence: sentence.into() }
    }

    /// There is no such thing.
    pub fn not_found(what: &str) -> Failure {
        Failure::new(StatusCode::NOT_FOUND, format!("there is no {what} of this name here"))
    }

    /// Something failed that should not.
    pub fn internal(error: impl std::fmt::Display) -> Failure {
        tracing::error!("a page failed: {error}");
        Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.status.as_u16()) " · Wayside" }
                    link rel="stylesheet" href="/assets/app.css";
                }
                body {
                    main #main {
                        div.panel {
                            h1 { (self.status.canonical_reason().unwrap_or("It failed")) }
                            p { (first_letter(&self.sentence)) "." }
                            p { a href="/" { "To the plant as it is now" } }
                        }
                    }
                }
            }
        };
        let mut answer = (self.status, page).into_response();
        answer.extensions_mut().insert(self);
        answer
    }
}

fn first_letter(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}
