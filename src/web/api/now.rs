//! How the plant and the sensor are, and the replays.

use super::forms::{BySeverity, time};
use super::list::{Part, only};
use super::problem::Problem;
use crate::web::Shared;
use crate::web::asked::Asked;
use crate::web::failure::Failure;
use crate::web::health::Weight;
use crate::web::overview::{Incident, Overview};
use crate::web::pages::overview;
use crate::web::replays::Ended;
use crate::web::site::{Here, Site};
use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

/// The plant and the sensor.
#[derive(Debug, Serialize, ToSchema)]
pub struct Now {
    /// The time of all this: now for the live plant, the end for a replay.
    #[schema(format = DateTime)]
    at: String,
    /// One state for the plant.
    state: PlantState,
    /// Open alerts that nobody has acknowledged.
    new: BySeverity,
    /// Open alerts that somebody has acknowledged.
    acknowledged: BySeverity,
    /// New alerts that a suppression keeps quiet.
    suppressed: u64,
    /// Open incidents, those that nobody has acknowledged first, the worst of them first; at most 50.
    incidents: Vec<IncidentItem>,
    /// What happened since the shift began; in a replay, in all of it.
    shift: Shift,
    /// Devices known.
    devices: u64,
    /// How the sensor is.
    sensor: Sensor,
    /// Traffic and time to answer by protocol, in steps.
    traffic: Vec<Traffic>,
}

/// One state for the plant.
#[derive(Debug, Serialize, ToSchema)]
struct PlantState {
    /// `well`, `look` or `act`.
    level: &'static str,
    /// The reason, as a sentence.
    why: String,
    /// What to do first.
    advice: Option<String>,
    /// Open alerts.
    open: u64,
}

/// An open incident.
#[derive(Debug, Serialize, ToSchema)]
struct IncidentItem {
    /// Its identity.
    id: Option<String>,
    /// The id of its worst alert.
    alert: String,
    /// How bad that is.
    severity: &'static str,
    /// The sentence of its worst alert.
    summary: String,
    /// What to do.
    advice: Option<String>,
    /// Its open alerts.
    alerts: u64,
    /// Messages that they stand for.
    messages: u64,
    /// Whether nobody has acknowledged it.
    new: bool,
    /// When it began.
    #[schema(format = DateTime)]
    first_seen: String,
    /// When it was last seen.
    #[schema(format = DateTime)]
    last_seen: String,
}

/// What happened since a shift began.
#[derive(Debug, Serialize, ToSchema)]
struct Shift {
    /// When it began.
    #[schema(format = DateTime)]
    begin: String,
    /// Alerts raised.
    raised: BySeverity,
    /// Alerts acknowledged.
    acknowledged: u64,
    /// Alerts closed.
    closed: u64,
    /// Devices seen for the first time.
    devices: u64,
    /// How often rules were loaded.
    rules: u64,
}

/// How the sensor is.
#[derive(Debug, Serialize, ToSchema)]
struct Sensor {
    /// When it started.
    #[schema(format = DateTime)]
    started: Option<String>,
    /// Seconds between the capture of the last packet and its decoding.
    lag: f64,
    /// Its interfaces.
    interfaces: Vec<Interface>,
    /// Conversations followed at present.
    flows: u64,
    /// Conversations of which one direction is never heard.
    one_sided: u64,
    /// Hosts that are silent where a rule expects to hear them.
    silent: u64,
    /// Messages decoded.
    messages: u64,
    /// Messages that could not be decoded in full.
    malformed: u64,
    /// Packets whose headers could not be decoded.
    undecoded: u64,
    /// Rules in force; null where nothing is judged.
    rules: Option<u64>,
    /// Whether changed rules were refused, and those before them are still in force.
    rules_refused: bool,
    /// The outputs.
    outputs: Vec<Output>,
    /// What is wrong, the worst first.
    troubles: Vec<Trouble>,
}

/// An interface.
#[derive(Debug, Serialize, ToSchema)]
struct Interface {
    /// Its name.
    name: String,
    /// Packets taken.
    packets: u64,
    /// Octets taken.
    octets: u64,
    /// Packets that the kernel or the network card lost.
    dropped: u64,
    /// When the last packet came.
    #[schema(format = DateTime)]
    heard: Option<String>,
    /// Why it is no longer listened to.
    failed: Option<String>,
}

/// An output.
#[derive(Debug, Serialize, ToSchema)]
struct Output {
    /// Its name.
    name: String,
    /// Alerts that wait for it.
    waiting: u64,
    /// Alerts that it took.
    sent: u64,
    /// Alerts that it lost.
    lost: u64,
    /// What is wrong with it.
    trouble: Option<String>,
}

/// Something wrong with the sensor.
#[derive(Debug, Serialize, ToSchema)]
struct Trouble {
    /// `look` or `act`.
    weight: &'static str,
    /// What is wrong.
    sentence: String,
    /// What to do.
    advice: &'static str,
}

/// Traffic of a protocol.
#[derive(Debug, Serialize, ToSchema)]
struct Traffic {
    /// The protocol.
    protocol: &'static str,
    /// When the first step begins.
    #[schema(format = DateTime)]
    begin: Option<String>,
    /// Seconds of a step.
    step: f64,
    /// Messages in each step.
    messages: Vec<u64>,
    /// Mean time to answer in each step, in seconds; null where nothing was answered.
    response: Vec<Option<f64>>,
}

impl Now {
    fn new(site: &Site, seen: &Overview) -> Now {
        let (state, since) = (&seen.state, &seen.since);
        let begin = seen.trends.span().map(|(begin, _)| time(begin.nanos));
        Now {
            at: time(seen.now.nanos),
            state: PlantState {
                level: state.level.class(),
                why: state.why.clone(),
                advice: state.advice.clone(),
                open: state.open,
            },
            new: BySeverity::new(&seen.open.new),
            acknowledged: BySeverity::new(&seen.open.acknowledged),
            suppressed: seen.suppressed,
            incidents: seen.incidents.iter().map(IncidentItem::from).collect(),
            shift: Shift {
                begin: if site.is_live() {
                    time(seen.shift.nanos)
                } else {
                    begin.clone().unwrap_or_else(|| time(seen.now.nanos))
                },
                raised: BySeverity::new(&since.raised),
                acknowledged: since.acknowledged,
                closed: since.closed,
                devices: since.devices,
                rules: since.rules,
            },
            devices: seen.devices as u64,
            sensor: Sensor::new(seen),
            traffic: seen
                .trends
                .protocols()
                .map(|protocol| Traffic {
                    protocol,
                    begin: begin.clone(),
                    step: seen.trends.step() as f64 / 1e9,
                    messages: seen.trends.of(protocol).map(|step| step.messages).collect(),
                    response: seen.trends.of(protocol).map(|step| step.response()).collect(),
                })
                .collect(),
        }
    }
}

impl From<&Incident> for IncidentItem {
    fn from(incident: &Incident) -> IncidentItem {
        IncidentItem {
            id: incident.id.clone(),
            alert: incident.alert.clone(),
            severity: incident.severity.name(),
            summary: incident.summary.clone(),
            advice: incident.advice.clone(),
            alerts: incident.alerts,
            messages: incident.messages,
            new: incident.new,
            first_seen: time(incident.first_seen.nanos),
            last_seen: time(incident.last_seen.nanos),
        }
    }
}

impl Sensor {
    fn new(seen: &Overview) -> Sensor {
        let health = &seen.health;
        let interfaces = health.interfaces.iter().map(|interface| Interface {
            name: interface.name.clone(),
            packets: interface.packets,
            octets: interface.octets,
            dropped: interface.dropped,
            heard: interface.heard.map(|at| time(at.nanos)),
            failed: interface.failed.clone(),
        });
        let outputs = health.outputs.iter().map(|output| Output {
            name: output.name.clone(),
            waiting: output.waiting,
            sent: output.sent,
            lost: output.lost,
            trouble: output.trouble.clone(),
        });
        let troubles = seen.troubles.iter().map(|trouble| Trouble {
            weight: match trouble.weight {
                Weight::Look => "look",
                Weight::Act => "act",
            },
            sentence: trouble.sentence.clone(),
            advice: trouble.advice,
        });
        Sensor {
            started: health.started.map(|at| time(at.nanos)),
            lag: health.lag,
            interfaces: interfaces.collect(),
            flows: health.flows,
            one_sided: health.one_sided,
            silent: health.silent,
            messages: health.messages,
            malformed: health.malformed,
            undecoded: health.undecoded,
            rules: health.rules,
            rules_refused: health.rules_refused,
            outputs: outputs.collect(),
            troubles: troubles.collect(),
        }
    }
}

/// How the plant and the sensor are: what the page "Now" shows.
///
/// # Errors
/// Where the store cannot be read.
#[utoipa::path(get, path = "/api/v1/now", tag = "now", operation_id = "now",
    responses((status = 200, body = Now), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn now(Here(site): Here, asked: Asked) -> Result<Json<Now>, Failure> {
    only(&asked, &[])?;
    let seen = overview(&site).await?;
    Ok(Json(Now::new(&site, &seen)))
}

/// A replay.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReplayItem {
    /// What it is called in addresses.
    id: String,
    /// The file's name, as whoever sent it calls it.
    name: String,
    /// Who sent it.
    who: String,
    /// `waiting`, `running`, `done` or `failed`.
    state: &'static str,
    /// What part of the file has been read.
    percent: u64,
    /// What there is to say about the file, or why it cannot be read.
    notes: Vec<String>,
}

/// The replays that were started on the page, the newest first.
///
/// # Errors
/// Where something is asked for that is not known, or the cursor is wrong.
#[utoipa::path(get, path = "/api/v1/replays", tag = "replays", operation_id = "replays",
    params(
        ("limit" = Option<String>, Query, description = "Entries in a part, from 1 to 1000; 100 where it is not given"),
        ("cursor" = Option<String>, Query, description = "Where the part begins: `next` of the part before"),
    ),
    responses((status = 200, body = Part<ReplayItem>), (status = "default", body = Problem, content_type = "application/problem+json")))]
pub async fn replays(State(shared): State<Shared>, asked: Asked) -> Result<Json<Part<ReplayItem>>, Failure> {
    only(&asked, &["limit", "cursor"])?;
    let item = |replay: crate::web::replays::Replay| {
        let (state, notes) = match replay.progress.ended() {
            Ended::Waits => ("waiting", Vec::new()),
            Ended::Runs => ("running", Vec::new()),
            Ended::Done(notes) => ("done", notes),
            Ended::Failed(why) => ("failed", vec![why]),
        };
        let percent = if state == "done" { 100 } else { replay.progress.percent() };
        ReplayItem { id: replay.id, name: replay.name, who: replay.who, state, percent, notes }
    };
    let items = shared.replays.list().into_iter().map(item);
    Ok(Json(Part::of(items, &asked, |item| item.id.clone())?))
}
