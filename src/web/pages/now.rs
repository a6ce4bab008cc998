//! "Now": one state for the plant, why, and what to do; beside it what is behind that.

use super::overview;
use crate::alert::Severity;
use crate::web::charts::{self, Shape};
use crate::web::failure::Failure;
use crate::web::health::Weight;
use crate::web::layout::{Badge, Page, Tab, sign};
use crate::web::overview::{Incident, Overview};
use crate::web::site::{Here, Site};
use crate::web::trends::Step;
use crate::web::visitor::Visitor;
use crate::web::words::{When, ago, answer_time, counted, grouped, span};
use axum::response::Response;
use maud::{Markup, html};
use std::time::Duration;

/// The page.
///
/// # Errors
/// Where the store cannot be read.
pub async fn page(Here(site): Here, visitor: Visitor) -> Result<Response, Failure> {
    let seen = overview(&site).await?;
    let page = Page { site: &site, visitor: &visitor, title: "Now", tab: Tab::Now, live: Some("now") };
    Ok(page.around(&seen.state, &content(&site, &seen)))
}

/// The whole content of the page.
pub fn content(site: &Site, seen: &Overview) -> Markup {
    html! {
        h1.hidden { "The plant now" }
        div #part-state { (state(site, seen)) }
        div.grid {
            div.stack {
                section.panel aria-labelledby="open" {
                    h2 #open { "Open incidents" }
                    div #part-incidents { (incidents(site, seen)) }
                }
                section.panel aria-labelledby="traffic" {
                    h2 #traffic { "Traffic and time to answer" }
                    div #part-trends { (trends(site, seen)) }
                }
            }
            div.stack {
                section.panel aria-labelledby="since" {
                    h2 #since { @if site.is_live() { "Since the shift began" } @else { "In this capture" } }
                    div #part-since { (since(site, seen)) }
                }
                @if site.is_live() {
                    section.panel aria-labelledby="sensor" {
                        h2 #sensor { "The sensor" }
                        div #part-sensor { (sensor(site, seen)) }
                    }
                }
            }
        }
    }
}

/// The parts that are kept up to date, by the id of their place.
pub fn parts(site: &Site, seen: &Overview) -> Vec<(&'static str, Markup)> {
    vec![
        ("part-state", state(site, seen)),
        ("part-incidents", incidents(site, seen)),
        ("part-trends", trends(site, seen)),
        ("part-since", since(site, seen)),
        ("part-sensor", sensor(site, seen)),
    ]
}

fn state(site: &Site, seen: &Overview) -> Markup {
    let state = &seen.state;
    let first = seen.incidents.first();
    html! {
        section.panel.state.(state.level.class()) aria-label="State of the plant" {
            (sign(state.level))
            div {
                div.word { (state.level.name()) }
                p.why { (state.why) }
                @if let Some(advice) = &state.advice { p { strong { "Do: " } (advice) } }
            }
            @if let Some(incident) = first {
                div.todo { a.button.main href=(site.link(&format!("alerts/{}", incident.alert))) { "Open the alert" } }
            }
        }
    }
}

fn incidents(site: &Site, seen: &Overview) -> Markup {
    html! {
        @if seen.incidents.is_empty() {
            p.soft { "None." }
        } @else {
            ul.rows {
                @for incident in &seen.incidents { (row(site, seen, incident)) }
            }
            p.small { a href=(site.link("alerts?state=new&state=acknowledged")) { "All open alerts (" (grouped(seen.open.total())) ")" } }
        }
        @if seen.suppressed > 0 {
            p.small.soft {
                a href=(site.link("alerts?suppressed=yes")) { (counted(seen.suppressed, "alert")) } " put aside by a suppression."
            }
        }
    }
}

fn row(site: &Site, seen: &Overview, incident: &Incident) -> Markup {
    let long = Duration::from_nanos(incident.last_seen.since(incident.first_seen));
    html! {
        li.done[!incident.new] {
            (Badge(incident.severity))
            span.what {
                a href=(site.link(&format!("alerts/{}", incident.alert))) { (incident.summary) }
                span.soft.small {
                    @if incident.messages > 1 { " " (counted(incident.messages, "message")) " in " (span(long)) "." }
                    @if incident.alerts > 1 {
                        " "
                        @if let Some(id) = &incident.id {
                            a href=(site.link(&format!("alerts?incident={id}"))) { (counted(incident.alerts, "alert")) " belong together" }
                        } @else { (counted(incident.alerts, "alert")) }
                        "."
                    }
                    @if !incident.new { " Acknowledged." }
                }
            }
            span.when { (When { clock: &site.clock, at: incident.last_seen, now: seen.now }) br; (ago(incident.last_seen, seen.now)) }
        }
    }
}

fn since(site: &Site, seen: &Overview) -> Markup {
    let raised: u64 = seen.since.raised.iter().sum();
    html! {
        @if site.is_live() {
            p.soft.small { (When { clock: &site.clock, at: seen.shift, now: seen.now }) ", " (ago(seen.shift, seen.now)) }
        }
        dl.figures {
            div { dt { "new alerts" } dd { (grouped(raised)) } }
            div { dt { "acknowledged" } dd { (grouped(seen.since.acknowledged)) } }
            div { dt { "closed" } dd { (grouped(seen.since.closed)) } }
            div { dt { "new devices" } dd { (grouped(seen.since.devices)) } }
            div { dt { "devices known" } dd { a href=(site.link("devices")) { (grouped(seen.devices as u64)) } } }
            div { dt { "rules loaded" } dd { (grouped(seen.since.rules)) } }
        }
        @if raised > 0 {
            p.small {
                @for severity in Severity::ALL.into_iter().rev() {
                    @if seen.since.raised[severity.index()] > 0 {
                        (Badge(severity)) " " (grouped(seen.since.raised[severity.index()])) " \u{2003}"
                    }
                }
            }
        }
    }
}

fn trends(site: &Site, seen: &Overview) -> Markup {
    let trends = &seen.trends;
    let minutes = trends.step() as f64 / 60e9;
    let times = trends.span();
    html! {
        @for name in trends.protocols() { (trend(name, &trends.of(name).copied().collect::<Vec<Step>>(), minutes, site.is_live())) }
        @if trends.protocols().next().is_none() { p.soft { "No message of a control protocol has been heard yet." } }
        @if let Some((from, to)) = times.filter(|_| trends.protocols().next().is_some()) {
            p.soft.small {
                (When { clock: &site.clock, at: from, now: seen.now }) " to "
                (When { clock: &site.clock, at: to.min(seen.now), now: seen.now })
            }
        }
    }
}

fn trend(name: &str, steps: &[Step], minutes: f64, live: bool) -> Markup {
    // The last step is not over yet.
    let over = if live { steps.len().saturating_sub(1) } else { steps.len() };
    let steps = steps.get(..over).unwrap_or_default();
    let rate: Vec<Option<f64>> = steps.iter().map(|step| Some(step.messages as f64 / minutes)).collect();
    let times: Vec<Option<f64>> = steps.iter().map(Step::response).collect();
    let last_rate = rate.last().copied().flatten().unwrap_or(0.0);
    let most_rate = rate.iter().flatten().copied().fold(0.0, f64::max);
    let last_time = times.iter().rev().copied().flatten().next();
    let most_time = times.iter().flatten().copied().fold(0.0, f64::max);
    let rate_said = format!("{} messages a minute", grouped(last_rate.round() as u64));
    let time_said = last_time.map_or("no answer timed".to_owned(), answer_time);
    html! {
        div.trend {
            div.proto { (name) }
            figure {
                (charts::spark(&rate, Shape::Area, &format!("{name}: {rate_said}, at most {}", grouped(most_rate.round() as u64))))
                figcaption { span { (rate_said) } span { "most " (grouped(most_rate.round() as u64)) } }
            }
            figure {
                (charts::spark(&times, Shape::Line, &format!("{name}: mean time to answer {time_said}, at most {}", answer_time(most_time))))
                figcaption { span { @if last_time.is_some() { "answers in " } (time_said) } @if last_time.is_some() { span { "most " (answer_time(most_time)) } } }
            }
        }
    }
}

fn sensor(site: &Site, seen: &Overview) -> Markup {
    let health = &seen.health;
    html! {
        ul.checks {
            @for trouble in &seen.troubles {
                li.bad.(match trouble.weight { Weight::Act => "act", Weight::Look => "look" }) {
                    span aria-label="wrong:" { "!" } span { (trouble.sentence) }
                    span.advice { (trouble.advice) }
                }
            }
            @if seen.troubles.is_empty() { li { span aria-label="in order:" { "✓" } span { "Hears, decodes and tells everything; nothing lost." } } }
        }
        dl.facts.small {
            @for interface in &health.interfaces {
                dt { (interface.name) }
                dd {
                    (grouped(interface.packets)) " packets, " (grouped(interface.dropped)) " lost"
                    @if let Some(heard) = interface.heard { ", last " (ago(heard, seen.now)) }
                }
            }
            dt { "conversations" } dd { (grouped(health.flows)) }
            dt { "messages" } dd { (grouped(health.messages)) ", " (grouped(health.malformed)) " malformed" }
            dt { "behind by" } dd { (answer_time(health.lag.max(0.0))) }
            dt { "rules" } dd { @match health.rules { Some(count) => { (grouped(count)) " in force" } None => { "none: nothing is judged" } } }
            @for output in &health.outputs {
                dt { "output " (output.name) }
                dd { (grouped(output.sent)) " sent, " (grouped(output.lost)) " lost, " (grouped(output.waiting)) " waiting" }
            }
            @if let Some((waiting, written, lost)) = site.store_counts() {
                dt { "store" } dd { (grouped(written)) " written, " (grouped(lost)) " lost, " (grouped(waiting)) " waiting" }
            }
            @if let Some(start) = health.started { dt { "started" } dd { (When { clock: &site.clock, at: start, now: seen.now }) } }
        }
    }
}
