//! One alert: the sentence, what to do, the rule, the message field by field, the packets, and what people did.

use super::alerts::{TIMES, state_tag};
use super::{ask, blocking, overview};
use crate::address::Timestamp;
use crate::alert::technique_name;
use crate::store::{AlertRecord, LogEntry, Whole};
use crate::web::acts::actor;
use crate::web::failure::Failure;
use crate::web::layout::{Badge, Page, Tab};
use crate::web::site::{Here, Site};
use crate::web::visitor::{Role, Visitor};
use crate::web::words::{When, counted, grouped, span};
use axum::body::Body;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Alerts before and after that are shown.
pub(crate) const NEIGHBOURS: usize = 5;
/// Values of a list that are shown.
const SHOWN: usize = 64;

/// The id in the path: `/alerts/{id}`, below a replay too.
pub(crate) fn id_of(path: &HashMap<String, String>) -> Result<String, Failure> {
    path.get("id").filter(|id| id.len() == 26).cloned().ok_or_else(|| Failure::not_found("alert"))
}

/// The page.
///
/// # Errors
/// Where there is no such alert, or the store cannot be read.
pub async fn page(
    Here(site): Here,
    visitor: Visitor,
    Path(path): Path<HashMap<String, String>>,
) -> Result<Response, Failure> {
    let id = id_of(&path)?;
    let seen = overview(&site).await?;
    let found = ask(&site, move |reader| {
        let Some(whole) = reader.alert(&id)? else { return Ok(None) };
        let neighbours = reader.neighbours(whole.record.place, NEIGHBOURS)?;
        Ok(Some((whole, neighbours)))
    })
    .await?;
    let (whole, neighbours) = found.ok_or_else(|| Failure::not_found("alert"))?;
    let json: Value = serde_json::from_str(&whole.json).unwrap_or_default();
    let shown = Shown { site: &site, visitor: &visitor, whole: &whole, json: &json, now: seen.now };
    let page = Page { site: &site, visitor: &visitor, title: "Alert", tab: Tab::Alerts, live: None };
    Ok(page.around(&seen.state, &shown.content(&neighbours)))
}

/// What the page shows.
struct Shown<'a> {
    site: &'a Site,
    visitor: &'a Visitor,
    whole: &'a Whole,
    json: &'a Value,
    now: Timestamp,
}

impl Shown<'_> {
    fn text(&self, key: &str) -> Option<&str> {
        self.json.get(key).and_then(Value::as_str)
    }

    fn list(&self, key: &str) -> &[Value] {
        self.json.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    fn when(&self, nanos: i64) -> Markup {
        html! { (When { clock: &self.site.clock, at: Timestamp::from_nanos(nanos), now: self.now }) }
    }

    fn content(&self, neighbours: &[Vec<AlertRecord>; 2]) -> Markup {
        let record = &self.whole.record;
        html! {
            div.title {
                p.crumb { a href=(self.site.link("alerts")) { "Alerts" } " / " span.mono { (record.id) } }
                (Badge(record.severity)) (state_tag(record))
                h1 { (record.summary) }
            }
            div.grid {
                div.stack {
                    (self.advice())
                    (self.story())
                    (self.rule())
                    (self.message())
                    (self.allow())
                }
                div.stack {
                    (self.life())
                    (self.facts())
                    (self.evidence())
                    (self.around(neighbours))
                }
            }
        }
    }

    fn advice(&self) -> Markup {
        let Some(advice) = self.text("advice") else { return html! {} };
        html! { section.panel aria-labelledby="todo" { h2 #todo { "What to do next" } p { (advice) } } }
    }

    fn story(&self) -> Markup {
        let record = &self.whole.record;
        let long = u64::try_from(record.last_seen.saturating_sub(record.first_seen)).unwrap_or(0);
        let rate = (record.count > 1 && long > 0).then(|| record.count as f64 * 60e9 / long as f64);
        html! {
            section.panel aria-labelledby="story" {
                h2 #story { "What happened" }
                dl.facts {
                    dt { "First seen" } dd { (self.when(record.first_seen)) }
                    dt { "Last seen" } dd { (self.when(record.last_seen)) @if long > 0 { ", " (span(Duration::from_nanos(long))) " after the first" } }
                    dt { "Messages" } dd { (grouped(record.count)) @if let Some(rate) = rate { ", " (format!("{rate:.1}")) " a minute" } }
                    dt { "From" } dd { (self.end(&record.src, record.src_port)) }
                    dt { "To" } dd { (self.end(&record.dst, record.dst_port)) }
                    dt { "Protocol" } dd { (record.proto) }
                    dt { "Kind" } dd { (record.kind) }
                    (self.points())
                    @for id in self.list("attack").iter().filter_map(Value::as_str) {
                        dt { "ATT&CK for ICS" }
                        dd { (id) @if let Some(name) = technique_name(id) { " " (name) } }
                    }
                }
            }
        }
    }

    fn end(&self, address: &str, port: u16) -> Markup {
        html! {
            a href=(self.site.link(&format!("devices/{address}"))) { (self.site.name_of(address).unwrap_or_else(|| address.to_owned())) }
            span.soft { " " (address) @if port > 0 { " port " (port) } }
        }
    }

    fn points(&self) -> Markup {
        let named = self.list("named_points");
        let points = self.list("points").iter().filter_map(|run| {
            let space = run.get("space")?.as_str()?;
            let number = |key: &str| run.get(key).and_then(Value::as_u64);
            Some(match (number("first"), number("last")) {
                (Some(first), Some(last)) if first != last => format!("{space} {first} to {last}"),
                (Some(first), _) => format!("{space} {first}"),
                _ => format!("all of {space}"),
            })
        });
        let points: Vec<String> = points.take(SHOWN).collect();
        let values: Vec<String> = self.list("values").iter().take(SHOWN).map(plain).collect();
        html! {
            @if !points.is_empty() { dt { "Points" } dd { (points.join(", ")) } }
            @if !values.is_empty() { dt { "Values" } dd { (values.join(", ")) } }
            @if !named.is_empty() {
                dt { "In the plant" }
                dd { @for point in named.iter().take(SHOWN) { div { (named_point(point)) } } }
            }
        }
    }

    fn rule(&self) -> Markup {
        let record = &self.whole.record;
        html! {
            section.panel aria-labelledby="rule" {
                h2 #rule { "The rule" }
                @match (&record.rule, self.text("rule_words")) {
                    (Some(name), words) => {
                        p { strong { (name) } }
                        @if let Some(words) = words { p { (words) } }
                    }
                    (None, _) => { p { "No rule allows this." } }
                }
                @if let Some(at) = self.text("rule_at") {
                    p.small { a href=(self.site.link(&format!("rules/file?at={}", encoded(at)))) { (at) } }
                }
            }
        }
    }

    fn message(&self) -> Markup {
        let Some(Value::Object(fields)) = self.json.get("message") else { return html! {} };
        html! {
            section.panel aria-labelledby="message" {
                h2 #message { "The first message, field by field" }
                div.scroll { table { tbody {
                    @for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) { (field(name, value)) }
                } } }
            }
        }
    }

    fn allow(&self) -> Markup {
        let part =
            |key: &str| self.json.get("allow").and_then(|allow| allow.get(key)).and_then(Value::as_str);
        let note = part("note");
        let Some(rule) = part("rule") else {
            let Some(note) = note else { return html! {} };
            return html! { section.panel aria-labelledby="allow" { h2 #allow { "Allow this" } p { (note) } } };
        };
        html! {
            section.panel aria-labelledby="allow" {
                h2 #allow { "Allow this" }
                p { "If this is as it should be, this rule allows exactly it, and nothing else:" }
                @if let Some(note) = note { p { (note) } }
                pre #allow-rule tabindex="0" { (rule) }
                div.form {
                    button type="button" data-copy="allow-rule" hidden { "Copy" }
                    @if self.visitor.may(Role::Administer) && self.site.is_live() && !self.site.rule_paths.is_empty() {
                        form method="post" action=(self.site.link(&format!("alerts/{}/allow", self.whole.record.id))) {
                            button { "Add it to the rules" }
                        }
                    }
                }
            }
        }
    }

    fn life(&self) -> Markup {
        let record = &self.whole.record;
        html! {
            section.panel aria-labelledby="life" {
                h2 #life { "What people did" }
                @if self.whole.log.is_empty() { p.soft { "Nobody has acknowledged it." } }
                ul.rows { @for entry in &self.whole.log { (self.entry(entry)) } }
                @if record.since_changed > 0 && !self.whole.log.is_empty() {
                    p { strong { (counted(record.since_changed, "message")) " since then: it goes on." } }
                }
                @if self.visitor.may(Role::Operate) {
                    form.stack method="post" action=(self.site.link("alerts/change")) {
                        input type="hidden" name="id" value=(record.id);
                        input type="hidden" name="back" value=(record.id);
                        label { "Note" textarea name="note" maxlength="2000" {} }
                        div.form {
                            button.main name="action" value="acknowledge" { "Acknowledge" }
                            button name="action" value="close" { "Close" }
                            button name="action" value="reopen" { "Open again" }
                        }
                    }
                    (self.quiet())
                }
            }
        }
    }

    fn entry(&self, entry: &LogEntry) -> Markup {
        html! {
            li {
                span { (entry.after.name()) }
                span.what { (entry.who) @if let Some(note) = &entry.note { ": " (note) } }
                span.when { (self.when(entry.at)) }
            }
        }
    }

    fn quiet(&self) -> Markup {
        let record = &self.whole.record;
        let tick = |name: &str, value: &str, label: String| {
            html! { label.row { input type="checkbox" name=(name) value=(value) checked; (label) } }
        };
        html! {
            details {
                summary { "Keep alerts like this quiet for a while" }
                form.stack method="post" action=(self.site.link("suppressions")) {
                    @if let Some(rule) = &record.rule { (tick("rule", rule, format!("of the rule {rule}"))) }
                    (tick("src", &record.src, format!("from {}", record.src)))
                    (tick("dst", &record.dst, format!("to {}", record.dst)))
                    (tick("kind", &record.kind, format!("of kind {}", record.kind)))
                    label { "For" select name="hours" { @for (hours, said) in TIMES { option value=(hours) { (said) } } } }
                    label { "Why (whoever comes next reads it)" input name="reason" required maxlength="1000"; }
                    div { button { "Keep quiet" } }
                }
            }
        }
    }

    fn facts(&self) -> Markup {
        let record = &self.whole.record;
        html! {
            section.panel aria-labelledby="facts" {
                h2 #facts { "For analysts" }
                dl.facts.small {
                    @if let Some(frame) = self.json.get("frame").and_then(Value::as_u64) { dt { "Packet" } dd { (grouped(frame)) @if let Some(file) = self.text("file") { " of " (file) } } }
                    @if let Some(id) = self.text("community_id") { dt { "Community ID" } dd.mono { (id) } }
                    @if let Some(id) = &record.incident { dt { "Incident" } dd { a.mono href=(self.site.link(&format!("alerts?incident={id}&suppressed=all"))) { (id) } } }
                    dt { "Sensor" } dd { (self.text("sensor").unwrap_or("")) }
                    dt { "As JSON" } dd { a href=(self.site.api(&format!("alerts/{}", record.id))) { "alert" } }
                }
            }
        }
    }

    fn evidence(&self) -> Markup {
        let Some(path) = self.text("evidence") else { return html! {} };
        let there = self.site.evidence_file(&self.whole.record.id).is_some();
        html! {
            section.panel aria-labelledby="evidence" {
                h2 #evidence { "The packets" }
                @if there {
                    p { a.button href=(self.site.link(&format!("alerts/{}/evidence", self.whole.record.id))) download { "Download" } }
                    p.small.soft { "The packets of this conversation before and after, for Wireshark; comments name the alert." }
                } @else { p.soft { "Not there: " (path) " is still being gathered, or was removed to make room." } }
            }
        }
    }

    fn around(&self, [before, after]: &[Vec<AlertRecord>; 2]) -> Markup {
        let line = |alert: &AlertRecord| {
            html! {
                li {
                    (Badge(alert.severity))
                    span.what { a href=(self.site.link(&format!("alerts/{}", alert.id))) { (alert.summary) } }
                    span.when { (self.when(alert.first_seen)) }
                }
            }
        };
        html! {
            section.panel aria-labelledby="around" {
                h2 #around { "Before and after" }
                @if before.is_empty() && after.is_empty() { p.soft { "No other alert." } }
                ul.rows {
                    @for alert in after.iter().rev() { (line(alert)) }
                    li { span {} strong { "this alert" } span.when { (self.when(self.whole.record.first_seen)) } }
                    @for alert in before.iter().rev() { (line(alert)) }
                }
            }
        }
    }
}

/// A value of JSON as a person reads it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "on".into(),
        Value::Bool(false) => "off".into(),
        other => other.to_string(),
    }
}

/// An engineering name with its value: "outlet pressure 900 kPa".
fn named_point(point: &Value) -> String {
    let text = |key: &str| point.get(key).map(plain).filter(|text| text != "null");
    let mut said = text("name").unwrap_or_default();
    for part in [text("value"), text("measure")].into_iter().flatten() {
        said.push(' ');
        said.push_str(&part);
    }
    if let Some(limits) = text("limits") {
        said.push_str(&format!(" (may be {limits})"));
    }
    said
}

/// A field of a message: a row, or a row for each of its own fields.
fn field(name: &str, value: &Value) -> Markup {
    html! {
        @match value {
            Value::Object(fields) => {
                @for (inner, value) in fields.iter().filter(|(_, value)| !value.is_null()) { (field(&format!("{name}.{inner}"), value)) }
            }
            Value::Array(items) if items.iter().any(Value::is_object) => {
                @for (at, item) in items.iter().take(SHOWN).enumerate() { (field(&format!("{name} {}", at + 1), item)) }
                @if items.len() > SHOWN { tr { th scope="row" { (name) } td { (items.len() - SHOWN) " more" } } }
            }
            Value::Array(items) => {
                tr { th scope="row" { (name) } td.mono {
                    (items.iter().take(SHOWN).map(plain).collect::<Vec<_>>().join(", "))
                    @if items.len() > SHOWN { " and " (items.len() - SHOWN) " more" }
                } }
            }
            value => { tr { th scope="row" { (name) } td.mono { (plain(value)) } } }
        }
    }
}

/// Text as it stands in an address.
pub(super) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The packets of an alert.
///
/// # Errors
/// Where there are none.
pub async fn evidence(
    Here(site): Here,
    Path(path): Path<HashMap<String, String>>,
) -> Result<Response, Failure> {
    packets(&site, &id_of(&path)?).await
}

/// The packets of an alert, as a file.
///
/// # Errors
/// Where they are not kept, or cannot be read.
pub(crate) async fn packets(site: &Arc<Site>, id: &str) -> Result<Response, Failure> {
    let missing = || Failure::new(StatusCode::NOT_FOUND, "the packets of this alert are not kept here");
    let name = format!("attachment; filename=\"{id}.pcapng\"");
    let id = id.to_owned();
    let octets = blocking(site, move |site| match site.evidence_file(&id) {
        Some(file) => std::fs::read(file).map(Some),
        None => Ok(None),
    })
    .await?
    .ok_or_else(missing)?;
    let kind = "application/x-pcapng".to_owned();
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], Body::from(octets))
        .into_response())
}

/// Adds the rule that allows it to the rules, which are then loaded again.
///
/// # Errors
/// Where there is no such alert or rule, or the rules would not load with it: then nothing is changed.
pub async fn allow(
    Here(site): Here,
    visitor: Visitor,
    Path(path): Path<HashMap<String, String>>,
) -> Result<Response, Failure> {
    let id = id_of(&path)?;
    let back = site.link(&format!("alerts/{id}"));
    let who = actor(&visitor);
    let added = blocking(&site, move |site| super::rules::allow(site, &id, &who)).await;
    added.map_err(|failure| Failure::new(StatusCode::CONFLICT, failure.sentence))?;
    Ok(Redirect::to(&back).into_response())
}
