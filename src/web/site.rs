//! A site: what the pages are about. There is one for the live plant and one for each replayed capture; all pages are
//! the same for both.

use super::Shared;
use super::failure::Failure;
use super::health::{Health, Snapshot, Trouble, Weight};
use super::live::Live;
use super::names::FromRules;
use super::open_alerts;
use super::overview::{Incident, Since};
use super::state::Open;
use super::trends::Trends;
use super::words::{Clock, counted};
use crate::address::{Address, Timestamp};
use crate::inventory::{Inventory, Names};
use crate::policy::RuleSet;
use crate::store::{Filter, Life, Reader, Store, StoreError};
use arc_swap::ArcSwapOption;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

/// Incidents that the first page shows.
const INCIDENTS: usize = 12;
/// Alerts of one incident that are looked at for its line on the first page.
const LOOKED_AT: usize = 50;

/// Where a site's traffic comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// Interfaces, now.
    Live,
    /// Captures: their names, as a person reads them.
    Replay(String),
}

/// What the pages are about.
pub struct Site {
    /// Where it is on the server: empty for the live plant, `/replay/ID` for a replay.
    pub base: String,
    /// The sensor's name.
    pub name: String,
    /// Where its traffic comes from.
    pub source: Source,
    /// Alerts and what people did about them.
    pub store: Store,
    /// Devices, conversations, points.
    pub inventory: Arc<Mutex<Inventory>>,
    /// The rules in force.
    pub rules: ArcSwapOption<RuleSet>,
    /// Where the rules come from.
    pub rule_paths: Vec<PathBuf>,
    /// How the sensor is.
    pub health: Health,
    /// Traffic and response times.
    pub trends: Arc<Mutex<Trends>>,
    /// The time zone of its pages.
    pub clock: Clock,
    /// When shifts begin: hours and minutes.
    pub shifts: Vec<(u8, u8)>,
    /// The folder with the packets of alerts, where they are kept.
    pub evidence: Option<PathBuf>,
    /// Who listens for live parts.
    pub live: Live,
    /// What the store said when somebody last asked, and for which change in it and which shift.
    seen: Mutex<Option<(u64, Timestamp, Arc<Seen>)>>,
    /// What was open when somebody last asked.
    pub(super) open_alerts: open_alerts::Asked,
}

/// When shifts begin where nobody says otherwise: hours and minutes.
pub const SHIFTS: [(u8, u8); 3] = [(6, 0), (14, 0), (22, 0)];

/// What the store says about alerts, for an overview.
pub(super) struct Seen {
    pub(super) open: Open,
    pub(super) suppressed: u64,
    pub(super) incidents: Vec<Incident>,
    pub(super) since: Since,
}

impl Site {
    /// The site of the live plant.
    pub fn live(
        name: String,
        store: Store,
        inventory: Arc<Mutex<Inventory>>,
        rule_paths: Vec<PathBuf>,
    ) -> Site {
        Site {
            base: String::new(),
            name,
            source: Source::Live,
            store,
            inventory,
            rules: ArcSwapOption::empty(),
            rule_paths,
            health: Health::default(),
            trends: Arc::new(Mutex::new(Trends::recent())),
            clock: Clock::of_this_machine(),
            shifts: SHIFTS.to_vec(),
            evidence: None,
            live: Live::default(),
            seen: Mutex::default(),
            open_alerts: open_alerts::Asked::default(),
        }
    }

    /// Whether it is the live plant.
    pub fn is_live(&self) -> bool {
        self.source == Source::Live
    }

    /// The captures that it replays.
    pub fn replayed(&self) -> Option<&str> {
        match &self.source {
            Source::Live => None,
            Source::Replay(files) => Some(files),
        }
    }

    /// The address of one of its pages: `alerts/01J…`.
    pub fn link(&self, path: &str) -> String {
        match (self.base.as_str(), path) {
            ("", "") => "/".into(),
            (base, "") => base.into(),
            (base, path) => format!("{base}/{path}"),
        }
    }

    /// The address of something in the API: `alerts/01J…`.
    pub fn api(&self, path: &str) -> String {
        match self.base.strip_prefix("/replay/") {
            None => format!("/api/v1/{path}"),
            Some(id) => format!("/api/v1/replays/{id}/{path}"),
        }
    }

    /// What the rules call things.
    pub fn names(&self) -> FromRules {
        FromRules(self.rules.load_full())
    }

    /// What the rules call an address.
    pub fn name_of(&self, address: &str) -> Option<String> {
        self.names().host(address.parse::<Address>().ok()?, None, None)
    }

    /// The protocols that alerts may be in.
    pub fn protocols(&self) -> Vec<&'static str> {
        let rules = self.rules.load();
        rules.iter().flat_map(|rules| rules.vocabularies()).map(|words| words.name).collect()
    }

    /// The packets of an alert, where they are kept and there.
    pub fn evidence_file(&self, id: &str) -> Option<PathBuf> {
        let plain = !id.is_empty() && id.bytes().all(|octet| octet.is_ascii_alphanumeric());
        let file = self.evidence.as_ref().filter(|_| plain)?.join(format!("{id}.pcapng"));
        file.is_file().then_some(file)
    }

    /// The time that its pages count from: this machine's clock, or the end of the capture.
    pub fn now(&self) -> Timestamp {
        if let Source::Replay(_) = self.source {
            let end = self.health.get().at;
            return end.unwrap_or(Timestamp::from_nanos(0));
        }
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    /// What is wrong with the sensor and its store, the worst first.
    pub fn troubles(&self, health: &Snapshot, now: Timestamp) -> Vec<Trouble> {
        let mut troubles = health.troubles(now);
        let store = self.store.health();
        if let Some(sentence) = store.state.sentence() {
            troubles.push(Trouble {
                weight: Weight::Look,
                sentence: sentence.to_owned(),
                advice: "Check the disk that the store is on.",
            });
        }
        if store.lost > 0 {
            troubles.push(Trouble {
                weight: Weight::Look,
                sentence: format!("{} could not be kept in the store.", counted(store.lost, "alert")),
                advice: "Check the disk that the store is on; the outputs have them.",
            });
        }
        troubles.sort_by_key(|trouble| std::cmp::Reverse(trouble.weight));
        troubles
    }

    /// Alerts that wait for the store, that it has written, and that it has lost.
    pub fn store_counts(&self) -> Option<(u64, u64, u64)> {
        let health = self.store.health();
        self.is_live().then_some((health.queue, health.written, health.lost))
    }

    /// What the store says about alerts; read again where something has changed there. It blocks.
    pub(super) fn seen(&self, shift: Timestamp) -> Result<Arc<Seen>, StoreError> {
        let news = *self.store.news().borrow();
        let known = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((.., seen)) = known.filter(|(number, begin, _)| (*number, *begin) == (news, shift)) {
            return Ok(seen);
        }
        let seen = Arc::new(self.look(shift)?);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((news, shift, seen.clone()));
        Ok(seen)
    }

    fn look(&self, shift: Timestamp) -> Result<Seen, StoreError> {
        self.store.read(|reader| {
            let [new, acknowledged] = reader.open_by_severity()?;
            let open = Open { new, acknowledged };
            let quiet = Filter { states: vec![Life::New], suppressed: Some(true), ..Filter::default() };
            let suppressed = reader.count(&quiet)?;
            let begin = if self.is_live() { shift.nanos } else { i64::MIN };
            let changes = reader.changes_since(begin)?;
            let rules = reader.rule_sets(None, 1000)?.items;
            Ok(Seen {
                open,
                suppressed,
                incidents: incidents(reader)?,
                since: Since {
                    raised: changes.raised,
                    acknowledged: changes.acknowledged,
                    closed: changes.closed,
                    devices: changes.devices,
                    rules: rules.iter().filter(|set| set.at >= begin).count() as u64,
                },
            })
        })
    }
}

/// The open incidents, those that nobody has acknowledged first, the worst of them first.
fn incidents(reader: &Reader<'_>) -> Result<Vec<Incident>, StoreError> {
    let mut all = Vec::new();
    for incident in reader.open_incidents(INCIDENTS)? {
        let filter = Filter { incident: Some(incident.id.clone()), ..Filter::open() };
        let page = reader.alerts(&filter, None, LOOKED_AT)?;
        let is_new = |state: Life| state == Life::New;
        let worst =
            page.items.iter().max_by_key(|alert| (is_new(alert.state), alert.severity, -alert.first_seen));
        let Some(worst) = worst else { continue };
        let whole = reader.alert(&worst.id)?;
        let advice = whole.and_then(|whole| {
            let json: serde_json::Value = serde_json::from_str(&whole.json).ok()?;
            Some(json.get("advice")?.as_str()?.to_owned())
        });
        all.push(Incident {
            id: Some(incident.id),
            alert: worst.id.clone(),
            severity: worst.severity,
            summary: worst.summary.clone(),
            advice,
            alerts: incident.open,
            messages: page.items.iter().map(|alert| alert.count).sum(),
            new: is_new(worst.state),
            first_seen: Timestamp::from_nanos(
                page.items.iter().map(|alert| alert.first_seen).min().unwrap_or(0),
            ),
            last_seen: Timestamp::from_nanos(
                page.items.iter().map(|alert| alert.last_seen).max().unwrap_or(0),
            ),
        });
    }
    all.sort_by_key(|incident| {
        std::cmp::Reverse((incident.new, incident.severity, incident.last_seen.nanos))
    });
    Ok(all)
}

/// The site that a request is about: that of the replay in its path, else the live plant.
pub struct Here(pub Arc<Site>);

impl FromRequestParts<Shared> for Here {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Here, Failure> {
        let parameters = RawPathParams::from_request_parts(parts, shared).await.map_err(Failure::internal)?;
        match parameters.iter().find(|(name, _)| *name == "replay") {
            None => Ok(Here(shared.live.clone())),
            Some((_, id)) => shared.replays.site(id).map(Here).ok_or_else(|| Failure::not_found("replay")),
        }
    }
}
