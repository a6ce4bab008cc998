//! The frame around every page: who watches, where one is, how the plant is, whether the page is live.

use super::site::Site;
use super::state::{Level, State};
use super::visitor::Visitor;
use crate::alert::Severity;
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, Render, html};

/// A page, before it is framed.
pub struct Page<'a> {
    /// The site that it belongs to.
    pub site: &'a Site,
    /// Who looks at it.
    pub visitor: &'a Visitor,
    /// Its name, for the title of the window.
    pub title: &'a str,
    /// The part of the site that it is in.
    pub tab: Tab,
    /// Whether parts of it are kept up to date, and by what name the server knows them.
    pub live: Option<&'static str>,
}

/// A part of the site.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the labels say it")]
pub enum Tab {
    Now,
    Alerts,
    Devices,
    Map,
    Points,
    Rules,
    Replay,
    Audit,
    Users,
}

impl Tab {
    /// The tabs of a site, in order, with their paths and labels.
    const ALL: [(Tab, &'static str, &'static str); 7] = [
        (Tab::Now, "", "Now"),
        (Tab::Alerts, "alerts", "Alerts"),
        (Tab::Devices, "devices", "Devices"),
        (Tab::Map, "map", "Map"),
        (Tab::Points, "points", "Points"),
        (Tab::Rules, "rules", "Rules"),
        (Tab::Replay, "replay", "Replay"),
    ];
}

impl Page<'_> {
    /// The page with its frame. `state` is that of the plant.
    pub fn around(&self, state: &State, content: &Markup) -> Response {
        let site = self.site;
        let live = self.live.or(Some("head")).filter(|_| site.is_live());
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) " · " (site.name) " · Wayside" }
                    link rel="stylesheet" href="/assets/app.css";
                    link rel="icon" href="/assets/icon.svg" type="image/svg+xml";
                    script src="/assets/app.js" defer {}
                }
                body data-live=[live.map(|parts| format!("{}/live?parts={parts}", site.base))] {
                    a.skip href="#main" { "Skip to the content" }
                    header.head {
                        a.name href=(site.link("")) { "Wayside " span { (site.name) } }
                        nav aria-label="Parts of Wayside" {
                            @for (tab, path, label) in Tab::ALL {
                                a href=(self.tab_link(tab, path)) aria-current=[(tab == self.tab).then_some("page")] { (label) }
                            }
                            @if self.visitor.may(super::visitor::Role::Administer) {
                                a href="/audit" aria-current=[(self.tab == Tab::Audit).then_some("page")] { "Audit" }
                                a href="/users" aria-current=[(self.tab == Tab::Users).then_some("page")] { "Users" }
                            }
                        }
                        div.right {
                            span #part-pill { (pill(site, state)) }
                            @if site.is_live() { span.lamp #lamp role="status" { "Live" } }
                            @if self.visitor.session {
                                form method="post" action="/logout" {
                                    button { "Log out " (self.visitor.name) }
                                }
                            }
                        }
                    }
                    @if let Some(said) = site.replayed() {
                        div.banner role="note" {
                            "Replay of " strong { (said) } ": not the live plant. "
                            @if !site.base.is_empty() { a href="/" { "Back to the live plant" } }
                        }
                    }
                    div.banner.bad.stale-only role="alert" {
                        "This page is not live: the sensor cannot be reached. What you see is old."
                    }
                    main #main tabindex="-1" { (content) }
                }
            }
        }
        .into_response()
    }

    fn tab_link(&self, tab: Tab, path: &str) -> String {
        // There is one list of replays, whatever one looks at.
        if tab == Tab::Replay { "/replay".into() } else { self.site.link(path) }
    }
}

/// The state in the head: a link to the page that explains it.
pub fn pill(site: &Site, state: &State) -> Markup {
    html! {
        a.pill.(state.level.class()) href=(site.link("")) {
            (sign(state.level)) (state.level.name())
            @if state.open > 0 { " · " (super::words::counted(state.open, "open alert")) }
        }
    }
}

/// The sign of a state: a shape of its own for each, so that colour is not needed.
pub fn sign(level: Level) -> Markup {
    html! {
        svg.sign viewBox="0 0 20 20" width="18" height="18" aria-hidden="true" {
            @match level {
                Level::Well => {
                    circle cx="10" cy="10" r="8" fill="none" stroke="currentColor" stroke-width="2" {}
                    path d="M6 10.5l3 3 5.5-6.5" fill="none" stroke="currentColor" stroke-width="2" {}
                }
                Level::Look => {
                    path d="M10 1.5L18.5 10 10 18.5 1.5 10z" fill="none" stroke="currentColor" stroke-width="2" {}
                    path d="M10 5.5v6M10 13v2" stroke="currentColor" stroke-width="2" {}
                }
                Level::Act => {
                    path d="M10 1l9.5 17.5H.5z" fill="currentColor" {}
                    path d="M10 7v6M10 14.5v2" stroke="var(--panel)" stroke-width="2" {}
                }
            }
        }
    }
}

/// A severity: a shape, a word and a colour.
pub struct Badge(pub Severity);

impl Render for Badge {
    fn render(&self) -> Markup {
        let name = self.0.name();
        html! {
            span.sev.(name) {
                svg viewBox="0 0 16 16" aria-hidden="true" { (shape(self.0)) }
                (name)
            }
        }
    }
}

/// The shape of a severity, in a square of 16 by 16.
pub fn shape(severity: Severity) -> Markup {
    html! {
        @match severity {
            Severity::Critical => { rect x="1" y="1" width="14" height="14" fill="currentColor" {} }
            Severity::High => { path d="M8 1l7.5 14H.5z" fill="currentColor" {} }
            Severity::Medium => { path d="M8 .5L15.5 8 8 15.5.5 8z" fill="currentColor" {} }
            Severity::Low => { circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2.5" {} }
        }
    }
}
