//! Captures beside the live plant: send one, follow it, open its pages.

use super::{blocking, overview};
use crate::store::AuditEntry;
use crate::web::Shared;
use crate::web::acts::actor;
use crate::web::asked::Form;
use crate::web::failure::Failure;
use crate::web::layout::{Page, Tab};
use crate::web::replays::{Ended, LARGEST, Replay, Sent};
use crate::web::visitor::{Role, Visitor};
use crate::web::words::{counted, grouped};
use axum::extract::{Multipart, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use std::io::Write as _;

/// Characters of a file's name that are kept.
const NAME: usize = 120;

/// The page.
///
/// # Errors
/// Where the store cannot be read.
pub async fn page(State(shared): State<Shared>, visitor: Visitor) -> Result<Response, Failure> {
    let seen = overview(&shared.live).await?;
    let all = shared.replays.list();
    let goes_on = all.iter().any(|replay| matches!(replay.progress.ended(), Ended::Waits | Ended::Runs));
    let content = html! {
        div.title { h1 { "Replay" } span.soft { "A capture, judged by the rules in force, apart from the live plant." } }
        div.stack data-refresh[goes_on] {
            @if visitor.may(Role::Operate) {
                section.panel aria-labelledby="send" {
                    h2 #send { "A new one" }
                    form.drop method="post" action="/replay" enctype="multipart/form-data" data-upload {
                        p { "Drop a capture here, or choose one: pcap or pcapng, plain, .gz or .zst. It stays on this sensor and is gone with it." }
                        div.form {
                            label { "Capture" input type="file" name="capture" required; }
                            button.main { "Replay" }
                        }
                        progress hidden aria-label="Sent so far" {}
                    }
                }
            }
            section.panel aria-labelledby="all" {
                h2 #all { "Replays" }
                @if all.is_empty() { p.soft { "None." } }
                ul.rows { @for replay in &all { (row(replay, &visitor)) } }
            }
        }
    };
    let page = Page { site: &shared.live, visitor: &visitor, title: "Replay", tab: Tab::Replay, live: None };
    Ok(page.around(&seen.state, &content))
}

fn row(replay: &Replay, visitor: &Visitor) -> Markup {
    let ended = replay.progress.ended();
    let health = replay.site.health.get();
    html! {
        li {
            span { @match &ended {
                Ended::Waits => { "waits" }
                Ended::Runs => { (replay.progress.percent()) " %" }
                Ended::Done(_) => { "done" }
                Ended::Failed(_) => { "failed" }
            } }
            span.what {
                a href=(replay.site.base) { (replay.name) }
                span.soft.small { " sent by " (replay.who) ", " (counted(health.messages, "message")) }
                @if ended == Ended::Runs { progress max="100" value=(replay.progress.percent()) aria-label=(format!("{} read", replay.name)) {} }
                @match &ended {
                    Ended::Failed(why) => { p { (why) } }
                    Ended::Done(said) => { @for notice in said { p.small { (notice) } } }
                    _ => {}
                }
            }
            @if visitor.may(Role::Operate) {
                form method="post" action="/replay/remove" {
                    input type="hidden" name="id" value=(replay.id);
                    button { "Remove" }
                }
            }
        }
    }
}

/// Takes a capture and starts its replay.
///
/// # Errors
/// Where nothing was sent, it is too long, or cannot be kept.
pub async fn start(
    State(shared): State<Shared>,
    visitor: Visitor,
    mut form: Multipart,
) -> Result<Response, Failure> {
    let wrong = |sentence: String| Failure::new(StatusCode::BAD_REQUEST, sentence);
    while let Some(mut field) = form.next_field().await.map_err(|error| wrong(error.body_text()))? {
        let name: String =
            field.file_name().unwrap_or_default().chars().filter(|c| !c.is_control()).take(NAME).collect();
        if field.name() != Some("capture") || name.is_empty() {
            continue;
        }
        let (sent, mut file) = Sent::new().map_err(Failure::internal)?;
        let mut length = 0;
        while let Some(octets) = field.chunk().await.map_err(|error| wrong(error.body_text()))? {
            length += octets.len() as u64;
            if length > LARGEST {
                let sentence = format!(
                    "a capture may have {} octets at most here; use `wayside replay`",
                    grouped(LARGEST)
                );
                return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, sentence));
            }
            file.write_all(&octets).map_err(Failure::internal)?;
        }
        drop(file);
        let who = visitor.name.clone();
        let started = shared.replays.start(name.clone(), sent, who, &shared.live);
        started.map_err(|sentence| Failure::new(StatusCode::TOO_MANY_REQUESTS, sentence))?;
        audit(&shared, &visitor, "start replay", name).await?;
        return Ok(Redirect::to("/replay").into_response());
    }
    Err(wrong("no capture was chosen".into()))
}

/// Forgets a replay.
///
/// # Errors
/// Where there is none of this id.
pub async fn remove(
    State(shared): State<Shared>,
    visitor: Visitor,
    Form(form): Form,
) -> Result<Response, Failure> {
    let id = form.one("id").unwrap_or_default();
    let name = shared.replays.list().into_iter().find(|replay| replay.id == id).map(|replay| replay.name);
    let Some(name) = name.filter(|_| shared.replays.remove(id)) else {
        return Err(Failure::not_found("replay"));
    };
    audit(&shared, &visitor, "remove replay", name).await?;
    Ok(Redirect::to("/replay").into_response())
}

/// Puts into the audit trail what somebody did with a replay.
async fn audit(shared: &Shared, visitor: &Visitor, what: &str, subject: String) -> Result<(), Failure> {
    let entry = AuditEntry { what: what.into(), subject, ..AuditEntry::default() };
    let who = actor(visitor);
    blocking(&shared.live, move |site| site.store.audit(&who, entry)).await
}
