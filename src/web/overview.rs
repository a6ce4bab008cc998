//! Everything that says how the plant is, read at once: the page "Now", the head of every page and the API show it.

use super::health::{Snapshot, Trouble};
use super::site::Site;
use super::state::{Open, State, Worst, state};
use super::trends::Trends;
use super::words::{counted, span};
use crate::address::Timestamp;
use crate::alert::Severity;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// An open incident, as a line of a list.
#[derive(Clone, Debug)]
pub struct Incident {
    /// Its id, where its alerts have one in common.
    pub id: Option<String>,
    /// The id of its worst alert.
    pub alert: String,
    /// How bad its worst alert is.
    pub severity: Severity,
    /// The sentence of its worst alert.
    pub summary: String,
    /// What to do.
    pub advice: Option<String>,
    /// Its open alerts.
    pub alerts: u64,
    /// Messages that they stand for.
    pub messages: u64,
    /// Whether nobody has acknowledged it.
    pub new: bool,
    /// When it began.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
}

/// What happened since a shift began.
#[derive(Clone, Copy, Debug, Default)]
pub struct Since {
    /// Alerts raised, by [`Severity::index`].
    pub raised: [u64; Severity::ALL.len()],
    /// Alerts acknowledged.
    pub acknowledged: u64,
    /// Alerts closed.
    pub closed: u64,
    /// Devices seen for the first time.
    pub devices: u64,
    /// How often rules were loaded.
    pub rules: u64,
}

/// How the plant is.
#[derive(Clone, Debug)]
pub struct Overview {
    /// The time of all this: now for the live plant, the end for a replay.
    pub now: Timestamp,
    /// The word and the reason.
    pub state: State,
    /// Open alerts.
    pub open: Open,
    /// Alerts that are suppressed at present.
    pub suppressed: u64,
    /// Open incidents, the worst first, the first of them.
    pub incidents: Vec<Incident>,
    /// When the shift began.
    pub shift: Timestamp,
    /// What happened since.
    pub since: Since,
    /// How the sensor is.
    pub health: Arc<Snapshot>,
    /// What is wrong with it.
    pub troubles: Vec<Trouble>,
    /// Traffic and response times.
    pub trends: Trends,
    /// Devices known.
    pub devices: usize,
}

/// What nobody needs to do anything about, as a sentence.
pub(super) fn quiet(site: &Site, health: &Snapshot, trends: &Trends, now: Timestamp) -> String {
    let minute = usize::try_from(60_000_000_000 / trends.step().max(1)).unwrap_or(1).max(1);
    let recent = |protocol: &str| {
        let all: Vec<u64> = trends.of(protocol).map(|step| step.messages).collect();
        all.iter().rev().take(minute).sum::<u64>()
    };
    let messages: u64 = trends.protocols().map(recent).sum();
    if !site.is_live() {
        return "Nothing in this capture needs you.".into();
    }
    let watched = health.started.map(|start| span(Duration::from_nanos(now.since(start))));
    let watched = watched.map_or(String::new(), |long| format!(" Watching for {long}."));
    match health.rules {
        None => format!(
            "{} in the last minute, but no rules: nothing is judged.{watched}",
            counted(messages, "message")
        ),
        Some(_) => format!(
            "Nothing needs you. {} in the last minute, all as the rules say.{watched}",
            counted(messages, "message")
        ),
    }
}

impl Overview {
    /// Reads it. It blocks: call it where that is allowed.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn read(site: &Site) -> Result<Overview, crate::store::StoreError> {
        let now = site.now();
        let health = site.health.get();
        let trends = site.trends.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let troubles = if site.is_live() { site.troubles(&health, now) } else { Vec::new() };
        let shift = site.clock.shift(now, &site.shifts);
        let seen = site.seen(shift)?;
        let worst = seen
            .incidents
            .first()
            .map(|incident| Worst { summary: incident.summary.clone(), advice: incident.advice.clone() });
        let quiet = quiet(site, &health, &trends, now);
        Ok(Overview {
            now,
            state: state(&seen.open, worst, &troubles, &quiet),
            open: seen.open,
            suppressed: seen.suppressed,
            incidents: seen.incidents.clone(),
            shift,
            since: seen.since,
            health,
            troubles,
            trends,
            devices: site.inventory.lock().unwrap_or_else(PoisonError::into_inner).len(),
        })
    }
}
