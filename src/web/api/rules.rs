//! The rules in force, and the audit trail.

use super::forms::time;
use super::list::{Part, limit, only, wrong_cursor};
use super::problem::Problem;
use crate::policy;
use crate::store::AuditRecord;
use crate::web::asked::Asked;
use crate::web::failure::Failure;
use crate::web::pages::ask;
use crate::web::site::Here;
use axum::Json;
use serde::Serialize;
use std::collections::HashMap;
use utoipa::ToSchema;

/// Rule sets that are listed.
const SETS: usize = 100;

/// The rules in force.
#[derive(Debug, Serialize, ToSchema)]
pub struct Rules {
    /// Whether anything is judged.
    judged: bool,
    /// The rules, in order.
    rules: Vec<RuleItem>,
    /// When rules were loaded, the last time first; at most 100.
    loaded: Vec<Loaded>,
}

/// A rule.
#[derive(Debug, Serialize, ToSchema)]
struct RuleItem {
    /// Its name.
    name: String,
    /// `allow`, `deny`, `expect`.
    kind: &'static str,
    /// What it says, in words.
    words: String,
    /// Its file.
    file: String,
    /// Its line there.
    line: u32,
    /// Messages that it decided; null where that is not counted.
    messages: Option<u64>,
    /// Alerts that it raised.
    alerts: u64,
    /// Those of them that are open.
    open: u64,
}

/// When rules were loaded.
#[derive(Debug, Serialize, ToSchema)]
struct Loaded {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// A digest of all files: the same for the same rules.
    hash: String,
    /// How many rules.
    rules: u64,
}

/// The rules in force, what each has matched, and when they were loaded.
///
/// # Errors
/// Where the store cannot be read.
#[utoipa::path(get, path = "/api/v1/rules", tag = "rules", operation_id = "rules",
    responses((status = 200, body = Rules), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn in_force(Here(site): Here, asked: Asked) -> Result<Json<Rules>, Failure> {
    only(&asked, &[])?;
    let read = ask(&site, |reader| Ok((reader.rule_counts(i64::MIN)?, reader.rule_sets(None, SETS)?.items)));
    let (counts, sets) = read.await?;
    let counts: HashMap<Option<String>, (u64, u64)> =
        counts.into_iter().map(|count| (count.rule, (count.alerts, count.open))).collect();
    let health = site.health.get();
    let rules = site.rules.load_full();
    let items = rules.iter().flat_map(|set| {
        set.rules().iter().enumerate().map(|(at, rule)| {
            let (alerts, open) = counts.get(&Some(rule.name.clone())).copied().unwrap_or_default();
            RuleItem {
                name: rule.name.clone(),
                kind: rule.kind.name(),
                words: policy::words(rule, set),
                file: rule.file.to_string(),
                line: rule.line,
                messages: health.hits.get(at).copied(),
                alerts,
                open,
            }
        })
    });
    Ok(Json(Rules {
        judged: rules.is_some(),
        rules: items.collect(),
        loaded: sets
            .into_iter()
            .map(|set| Loaded { at: time(set.at), hash: set.hash, rules: set.rules })
            .collect(),
    }))
}

/// An entry of the audit trail.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditItem {
    /// Its number; they go up.
    number: i64,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// Who.
    who: String,
    /// In which role; null for the sensor itself.
    role: Option<&'static str>,
    /// The deed in a word.
    what: String,
    /// What it was done to.
    subject: String,
    /// What it was before, as JSON.
    before: Option<String>,
    /// What it is now, as JSON.
    after: Option<String>,
    /// Why.
    note: Option<String>,
}

impl From<AuditRecord> for AuditItem {
    fn from(record: AuditRecord) -> AuditItem {
        let entry = record.entry;
        AuditItem {
            number: record.number,
            at: time(record.at),
            who: record.who,
            role: record.role.map(|role| role.name()),
            what: entry.what,
            subject: entry.subject,
            before: entry.before,
            after: entry.after,
            note: entry.note,
        }
    }
}

/// Who changed what, the last change first.
///
/// # Errors
/// Where the cursor or the store is wrong.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", operation_id = "audit",
    params(
        ("limit" = Option<String>, Query, description = "Entries in a part, from 1 to 1000; 100 where it is not given"),
        ("cursor" = Option<String>, Query, description = "Where the part begins: `next` of the part before"),
    ),
    responses((status = 200, body = Part<AuditItem>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn audit(Here(site): Here, asked: Asked) -> Result<Json<Part<AuditItem>>, Failure> {
    only(&asked, &["limit", "cursor"])?;
    let limit = limit(&asked)?;
    let after = asked.one("cursor").map(|text| text.parse().map_err(|_| wrong_cursor(text))).transpose()?;
    let found = ask(&site, move |reader| reader.audit(after, limit)).await?;
    let items = found.items.into_iter().map(AuditItem::from).collect();
    Ok(Json(Part { items, next: found.next.map(|next| next.to_string()) }))
}
