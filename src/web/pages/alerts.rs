//! The list of alerts: filters that live in the address, and what is done to several at once.

use super::{ask, overview};
use crate::address::Timestamp;
use crate::alert::{AlertKind, Severity};
use crate::store::{
    AlertRecord, Changed, Cursor, Filter, Life, Page as Found, Suppression, SuppressionKey, Which,
};
use crate::web::acts;
use crate::web::asked::{Asked, Form};
use crate::web::failure::Failure;
use crate::web::layout::{Badge, Page, Tab};
use crate::web::site::{Here, Site};
use crate::web::visitor::{Role, Visitor};
use crate::web::words::{When, counted, grouped};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

/// Alerts on one page.
const PAGE: usize = 100;
/// What a search finds is counted up to here.
const COUNTED: u64 = 10_000;

/// How long a suppression may last: hours, and how that is said.
pub(super) const TIMES: [(u32, &str); 6] =
    [(1, "1 hour"), (8, "8 hours"), (24, "1 day"), (168, "7 days"), (720, "30 days"), (8760, "1 year")];

/// The filter that an address says.
///
/// # Errors
/// Where a word in it is not one that is known.
pub fn filter(asked: &Asked) -> Result<Filter, Failure> {
    let wrong = |name: &str, value: &str, known: &str| {
        Failure::new(StatusCode::BAD_REQUEST, format!("{name} = '{value}' is not known; it may be {known}"))
    };
    let severities = asked.all("severity").map(|word| {
        Severity::parse(word).ok_or_else(|| wrong("severity", word, "low, medium, high or critical"))
    });
    let states = asked
        .all("state")
        .map(|word| Life::parse(word).ok_or_else(|| wrong("state", word, "new, acknowledged or closed")));
    let time = |name| asked.one(name).map(|text| moment(name, text)).transpose();
    let words = |name| asked.one(name).map(str::to_owned);
    Ok(Filter {
        severities: severities.collect::<Result<_, _>>()?,
        states: states.collect::<Result<_, _>>()?,
        kinds: asked.all("kind").map(str::to_owned).collect(),
        rule: words("rule"),
        protocol: words("protocol"),
        host: words("host"),
        peer: words("peer"),
        incident: words("incident"),
        text: words("q"),
        from: time("from")?,
        to: time("to")?,
        suppressed: match asked.one("suppressed") {
            None | Some("no") => Some(false),
            Some("yes") => Some(true),
            Some("all") => None,
            Some(other) => return Err(wrong("suppressed", other, "yes, no or all")),
        },
    })
}

/// A time of an address, as `2026-11-24T14:00:00Z`, in nanoseconds since 1970.
pub(crate) fn moment(name: &str, text: &str) -> Result<i64, Failure> {
    // A browser's own field has no zone and no seconds: it means UTC here.
    let zoned = if text.ends_with('Z') || text.contains('+') { text.to_owned() } else { format!("{text}Z") };
    let parsed: Option<jiff::Timestamp> = zoned.parse().ok();
    parsed.and_then(|time| i64::try_from(time.as_nanosecond()).ok()).ok_or_else(|| {
        Failure::new(
            StatusCode::BAD_REQUEST,
            format!("{name} = '{text}' is no time; write 2026-11-24T14:00:00Z"),
        )
    })
}

/// The page.
///
/// # Errors
/// Where the address or the store is wrong.
pub async fn page(Here(site): Here, visitor: Visitor, asked: Asked) -> Result<Response, Failure> {
    let seen = overview(&site).await?;
    let wanted = filter(&asked)?;
    let before = asked.one("before").map(cursor).transpose()?;
    let now = site.now().nanos;
    let (found, total, suppressions) = ask(&site, move |reader| {
        let found = reader.alerts(&wanted, before, PAGE)?;
        // Every find of a search has to be looked at: more than so many are not counted to the end.
        let most = if wanted.text.is_some() { COUNTED } else { u64::MAX };
        let total = reader.count_up_to(&wanted, most)?;
        Ok((found, Total { count: total, more: total == most }, reader.suppressions(Some(now))?))
    })
    .await?;
    let in_force = site.rules.load_full();
    let names = in_force.iter().flat_map(|rules| rules.rules()).map(|rule| rule.name.clone());
    // One of earlier rules may be asked for.
    let mut rules: Vec<String> = names.chain(asked.one("rule").map(str::to_owned)).collect();
    rules.sort();
    rules.dedup();
    let content = html! {
        div.title { h1 { "Alerts" } span.soft { (total.said()) @if !asked.is_empty() { " of this filter" } } }
        @if let Some(said) = asked.one("said") { p.said role="status" { (said) } }
        div.stack {
            section.panel aria-label="Filter" { (filters(&site, &asked, &rules)) }
            section.panel aria-label="Alerts" {
                (table(&site, &visitor, &asked, &found, total, seen.now))
            }
            (suppressed(&site, &visitor, &suppressions, seen.now))
        }
    };
    let page = Page { site: &site, visitor: &visitor, title: "Alerts", tab: Tab::Alerts, live: None };
    Ok(page.around(&seen.state, &content))
}

pub(crate) fn cursor(text: &str) -> Result<Cursor, Failure> {
    text.parse().map_err(|_| {
        Failure::new(StatusCode::BAD_REQUEST, format!("before = '{text}' is no place in the list"))
    })
}

fn filters(site: &Site, asked: &Asked, rules: &[String]) -> Markup {
    let boxes = |name: &str, value: &str, label: Markup| {
        html! { label.row { input type="checkbox" name=(name) value=(value) checked[asked.has(name, value)]; (label) } }
    };
    let choice = |name: &str, label: &str, all: &[&str]| {
        html! {
            label { (label)
                select name=(name) {
                    option value="" { "any" }
                    @for value in all { option value=(value) selected[asked.one(name) == Some(value)] { (value) } }
                }
            }
        }
    };
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    let protocols = site.protocols();
    html! {
        form.filters method="get" action=(site.link("alerts")) data-apply {
            label { "Search" input type="search" name="q" value=[asked.one("q")] placeholder="sentence, rule or address"; }
            fieldset { legend { "Severity" }
                @for severity in Severity::ALL.into_iter().rev() { (boxes("severity", severity.name(), html! { (Badge(severity)) })) " " }
            }
            fieldset { legend { "State" }
                @for state in Life::ALL { (boxes("state", state.name(), html! { (state.name()) })) " " }
            }
            (choice("kind", "Kind", &AlertKind::ALL.map(AlertKind::name)))
            (choice("protocol", "Protocol", &protocols))
            (choice("rule", "Rule", &rules))
            label { "Device" input name="host" value=[asked.one("host")] placeholder="address" size="14"; }
            label { "From (UTC)" input type="datetime-local" name="from" value=[asked.one("from")]; }
            label { "To (UTC)" input type="datetime-local" name="to" value=[asked.one("to")]; }
            (choice("suppressed", "Suppressed", &["no", "yes", "all"]))
            @for name in ["incident", "peer"] {
                @if let Some(value) = asked.one(name) { label { (name) input name=(name) value=(value) size="14"; } }
            }
            button { "Show" }
            @if !asked.is_empty() { a.button href=(site.link("alerts")) { "All alerts" } }
        }
    }
}

fn table(
    site: &Site,
    visitor: &Visitor,
    asked: &Asked,
    found: &Found<AlertRecord>,
    total: Total,
    now: Timestamp,
) -> Markup {
    let may = visitor.may(Role::Operate);
    let here = asked.with("said", None);
    html! {
        @if found.items.is_empty() {
            p { @if asked.is_empty() { "No alert has been raised." } @else { "No alert is like this." } }
        } @else {
            form method="post" action=(site.link("alerts/change")) {
                input type="hidden" name="filter" value=(here.with("before", None).text());
                div.scroll { table {
                    thead { tr {
                        @if may { th { input type="checkbox" data-all="id" hidden aria-label="All on this page"; } }
                        th { "Severity" } th { "Last seen" } th { "What" } th.num { "Messages" } th { "State" }
                    } }
                    tbody { @for alert in &found.items { (row(site, alert, may, now)) } }
                } }
                @if may { (actions(total, found.items.len())) }
            }
            div.pager {
                @if let Some(next) = &found.next {
                    a.button href=(site.link(&format!("alerts?{}", here.with("before", Some(&next.to_string())).text()))) { "Older" }
                }
                @if asked.one("before").is_some() { a.button href=(site.link(&format!("alerts?{}", here.with("before", None).text()))) { "Newest" } }
                a href=(site.api(&format!("alerts.csv?{}", here.with("before", None).text()))) { "As CSV" }
            }
        }
    }
}

fn row(site: &Site, alert: &AlertRecord, may: bool, now: Timestamp) -> Markup {
    let seen = Timestamp::from_nanos(alert.last_seen);
    html! {
        tr.done[alert.state != Life::New || alert.suppressed_by.is_some()] {
            @if may { td { input type="checkbox" name="id" value=(alert.id) aria-label=(alert.summary); } }
            td { (Badge(alert.severity)) }
            td { (When { clock: &site.clock, at: seen, now }) }
            td { a href=(site.link(&format!("alerts/{}", alert.id))) { (alert.summary) } }
            td.num { (grouped(alert.count)) }
            td { (state_tag(alert)) }
        }
    }
}

/// The state of an alert, as a word in a box.
pub(super) fn state_tag(alert: &AlertRecord) -> Markup {
    html! {
        span.tag.open[alert.state == Life::New && alert.suppressed_by.is_none()] { (alert.state.name()) }
        @if alert.suppressed_by.is_some() { " " span.tag { "suppressed" } }
        @if alert.since_changed > 0 && alert.state != Life::New { " " span.tag.open { "goes on" } }
    }
}

/// How many alerts there are of a filter.
#[derive(Clone, Copy)]
struct Total {
    count: u64,
    /// Whether there may be more.
    more: bool,
}

impl Total {
    /// As words.
    fn said(self) -> String {
        let count = counted(self.count, "alert");
        if self.more { format!("{count} or more") } else { count }
    }
}

fn actions(total: Total, here: usize) -> Markup {
    html! {
        fieldset.actions {
            legend { "What to do with those ticked" }
            div.form {
                label { "Note" input name="note" size="40" maxlength="2000"; }
                @if total.count > here as u64 { label.row { input type="checkbox" name="all" value="yes"; "all " @if !total.more { (grouped(total.count)) " " } "of this filter" } }
                button.main name="action" value="acknowledge" { "Acknowledge" }
                button name="action" value="close" { "Close" }
                button name="action" value="reopen" { "Open again" }
            }
        }
    }
}

fn suppressed(site: &Site, visitor: &Visitor, all: &[Suppression], now: Timestamp) -> Markup {
    let active: Vec<&Suppression> = all.iter().filter(|one| one.is_active(now.nanos)).collect();
    html! {
        @if !active.is_empty() {
            section.panel aria-labelledby="quiet" {
                h2 #quiet { "Kept quiet at present" }
                ul.rows { @for one in active {
                    li {
                        span.num { (counted(one.alerts, "alert")) }
                        span.what {
                            (said(&one.what)) ": " (one.reason) " "
                            span.soft.small { "by " (one.who) ", until " (When { clock: &site.clock, at: Timestamp::from_nanos(one.until), now }) }
                        }
                        @if visitor.may(Role::Operate) {
                            form method="post" action=(site.link("suppressions/end")) {
                                input type="hidden" name="id" value=(one.id);
                                button { "End it" }
                            }
                        }
                    }
                } }
            }
        }
    }
}

/// What a suppression is about, in words.
pub(super) fn said(what: &SuppressionKey) -> String {
    let mut said = match &what.kind {
        Some(kind) => format!("alerts of kind {kind}"),
        None => "alerts".into(),
    };
    for (word, value) in [("of the rule", &what.rule), ("from", &what.src), ("to", &what.dst)] {
        if let Some(value) = value {
            said.push_str(&format!(" {word} {value}"));
        }
    }
    said
}

/// Does something to several alerts.
///
/// # Errors
/// Where the form or the store is wrong.
pub async fn change(Here(site): Here, visitor: Visitor, Form(form): Form) -> Result<Response, Failure> {
    let which = if form.has("all", "yes") {
        Which::Matching(Box::new(filter(&Asked::parse(form.one("filter").unwrap_or_default()))?))
    } else {
        Which::Ids(form.all("id").map(str::to_owned).collect())
    };
    if matches!(&which, Which::Ids(ids) if ids.is_empty()) {
        return Err(Failure::new(StatusCode::BAD_REQUEST, "no alert was ticked; go back and tick some"));
    }
    let note = form.one("note").map(str::to_owned);
    let (state, done) = match form.one("action") {
        Some("acknowledge") => (Life::Acknowledged, "acknowledged"),
        Some("close") => (Life::Closed, "closed"),
        Some("reopen") => (Life::New, "opened again"),
        _ => return Err(Failure::new(StatusCode::BAD_REQUEST, "it is not clear what is to be done")),
    };
    let changed = acts::set_state(&site, &visitor, which, state, note).await?;
    let back = match form.one("back") {
        Some(id) if id.bytes().all(|octet| octet.is_ascii_alphanumeric()) => {
            site.link(&format!("alerts/{id}"))
        }
        _ => {
            let filter = Asked::parse(form.one("filter").unwrap_or_default());
            site.link(&format!("alerts?{}", filter.with("said", Some(&outcome(&changed, done))).text()))
        }
    };
    Ok(Redirect::to(&back).into_response())
}

fn outcome(changed: &Changed, done: &str) -> String {
    let mut said = format!("{} {done}.", counted(changed.alerts, "alert"));
    if changed.unchanged > 0 {
        said.push_str(&format!(" {} so already.", counted(changed.unchanged, "alert")));
    }
    said
}

/// Keeps alerts quiet for a while.
///
/// # Errors
/// Where the form or the store is wrong.
pub async fn suppress(Here(site): Here, visitor: Visitor, Form(form): Form) -> Result<Response, Failure> {
    let hours = form.one("hours").and_then(|text| text.parse().ok()).unwrap_or(0);
    let part = |name: &str| form.one(name).map(str::to_owned);
    let what = SuppressionKey { rule: part("rule"), src: part("src"), dst: part("dst"), kind: part("kind") };
    acts::suppress(&site, &visitor, what, hours, form.one("reason").unwrap_or_default()).await?;
    Ok(Redirect::to(&site.link("alerts?said=New+alerts+like+this+are+kept+quiet.")).into_response())
}

/// Ends a suppression before its time.
///
/// # Errors
/// Where there is none of this number, or the store is wrong.
pub async fn unsuppress(Here(site): Here, visitor: Visitor, Form(form): Form) -> Result<Response, Failure> {
    let id =
        form.one("id").and_then(|text| text.parse().ok()).ok_or_else(|| Failure::not_found("suppression"))?;
    acts::unsuppress(&site, &visitor, id).await?;
    Ok(Redirect::to(&site.link("alerts?said=It+is+no+longer+kept+quiet.")).into_response())
}
