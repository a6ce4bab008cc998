//! Pages that keep themselves up to date: once a second their parts are drawn, once for everybody who looks at the same
//! site, and sent to each as a server-sent event.

use super::failure::Failure;
use super::layout;
use super::map::plan::Plan;
use super::overview::Overview;
use super::pages;
use super::site::{Here, Site};
use crate::store::StoreError;
use axum::extract::Query;
use axum::response::sse::{Event, Sse};
use serde::Deserialize;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;
use tokio_stream::{Stream, StreamExt};

/// How often the parts are drawn.
const EVERY: Duration = Duration::from_secs(1);

/// After how long a browser opens a stream again that has ended.
const AGAIN: Duration = Duration::from_millis(500);
/// How often the map is drawn: every so many times.
const MAP_EVERY: u32 = 5;

/// What everybody who looks at a page gets: one JSON object with its parts.
type Drawn = Arc<str>;

/// The last drawing of each set of parts of a site.
pub struct Live {
    now: watch::Sender<Drawn>,
    head: watch::Sender<Drawn>,
    map: watch::Sender<Drawn>,
}

impl Default for Live {
    fn default() -> Live {
        let [now, head, map] = [(); 3].map(|()| watch::channel("".into()).0);
        Live { now, head, map }
    }
}

impl Live {
    fn of(&self, parts: Parts) -> &watch::Sender<Drawn> {
        match parts {
            Parts::Now => &self.now,
            Parts::Head => &self.head,
            Parts::Map => &self.map,
        }
    }

    /// Browsers that listen.
    pub fn listeners(&self) -> usize {
        [&self.now, &self.head, &self.map].map(watch::Sender::receiver_count).iter().sum()
    }
}

/// A set of parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parts {
    /// Those of the page "Now".
    Now,
    /// Those in the head of every page.
    Head,
    /// The map, and the head.
    Map,
}

/// What a browser asks for.
#[derive(Debug, Deserialize)]
pub struct Asked {
    parts: Parts,
}

/// The stream of one browser.
pub async fn stream(
    Here(site): Here,
    Query(asked): Query<Asked>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Failure> {
    let receiver = site.live.of(asked.parts).subscribe();
    let drawn = WatchStream::new(receiver).filter(|drawn| !drawn.is_empty());
    Ok(Sse::new(drawn.map(|drawn| Ok(Event::default().event("parts").retry(AGAIN).data(&*drawn)))))
}

/// Draws, as long as the server runs; while nobody looks it does nothing.
pub async fn draw(site: Arc<Site>) {
    let mut pause = tokio::time::interval(EVERY);
    pause.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut count: u32 = 0;
    loop {
        pause.tick().await;
        if site.live.listeners() == 0 {
            continue;
        }
        count = count.wrapping_add(1);
        let with_map = count.is_multiple_of(MAP_EVERY) && site.live.map.receiver_count() > 0;
        let here = site.clone();
        let drawn = tokio::task::spawn_blocking(move || {
            let seen = Overview::read(&here)?;
            let map = with_map.then(|| pages::map::read(&here, None)).transpose()?;
            Ok::<_, StoreError>(draw_parts(&here, &seen, map.as_ref()))
        });
        match drawn.await {
            Ok(Ok([now, head, map])) => {
                site.live.now.send_replace(now.into());
                site.live.head.send_replace(head.into());
                site.live.map.send_replace(map.into());
            }
            Ok(Err(error)) => tracing::warn!("the pages are not up to date: {error}"),
            Err(error) => tracing::error!("the pages are not up to date: {error}"),
        }
    }
}

fn draw_parts(site: &Site, seen: &Overview, plan: Option<&Plan>) -> [String; 3] {
    let pill = || ("part-pill", layout::pill(site, &seen.state));
    let mut now = pages::now::parts(site, seen);
    now.push(pill());
    let mut map = vec![pill()];
    map.extend(plan.map(|plan| ("part-map", pages::map::content(site, plan))));
    [now, vec![pill()], map].map(|parts| {
        let parts: serde_json::Map<String, serde_json::Value> =
            parts.into_iter().map(|(id, html)| (id.to_owned(), html.into_string().into())).collect();
        let title = match seen.state.level {
            super::state::Level::Well => "",
            super::state::Level::Look => "Look · ",
            super::state::Level::Act => "Act · ",
        };
        serde_json::json!({ "parts": parts, "title": title, "at": seen.now.nanos.to_string() }).to_string()
    })
}
