//! The audit trail: who changed what, when, and what it was before.

use super::alerts::cursor;
use super::{ask, overview};
use crate::address::Timestamp;
use crate::web::asked::Asked;
use crate::web::failure::Failure;
use crate::web::layout::{Page, Tab};
use crate::web::site::Here;
use crate::web::visitor::Visitor;
use crate::web::words::When;
use axum::response::Response;
use maud::html;

/// Entries on one page.
const PAGE: usize = 100;
/// Characters of a value that are shown.
const SHOWN: usize = 400;

/// The page.
///
/// # Errors
/// Where the store cannot be read.
pub async fn page(Here(site): Here, visitor: Visitor, asked: Asked) -> Result<Response, Failure> {
    let seen = overview(&site).await?;
    let after = asked.one("before").map(cursor).transpose()?;
    let found = ask(&site, move |reader| reader.audit(after, PAGE)).await?;
    let short = |text: &Option<String>| -> Option<String> {
        let text = text.as_ref()?;
        let cut: String = text.chars().take(SHOWN).collect();
        Some(if cut.len() < text.len() { format!("{cut} …") } else { cut })
    };
    let content = html! {
        div.title { h1 { "Audit trail" } span.soft { "Every change, by whom, and what it was before. Nothing here can be changed or removed." } }
        section.panel aria-label="Changes" {
            @if found.items.is_empty() { p { "Nothing has been changed yet." } }
            @else { div.scroll { table {
                thead { tr { th { "When" } th { "Who" } th { "What" } th { "Before" } th { "After" } th { "Note" } } }
                tbody { @for record in &found.items { tr {
                    td { (When { clock: &site.clock, at: Timestamp::from_nanos(record.at), now: seen.now }) }
                    td { (record.who) @if let Some(role) = record.role { " " span.soft.small { (role.name()) } } }
                    td { (record.entry.what) @if !record.entry.subject.is_empty() { ": " (record.entry.subject) } }
                    td.mono { (short(&record.entry.before).unwrap_or_default()) }
                    td.mono { (short(&record.entry.after).unwrap_or_default()) }
                    td { (record.entry.note.as_deref().unwrap_or("")) }
                } } }
            } } }
            @if let Some(next) = &found.next { div.pager { a.button href=(format!("/audit?before={next}")) { "Older" } } }
        }
    };
    let page = Page { site: &site, visitor: &visitor, title: "Audit trail", tab: Tab::Audit, live: None };
    Ok(page.around(&seen.state, &content))
}
