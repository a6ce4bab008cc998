//! The forms of answers. Times are RFC 3339 in UTC with nanoseconds.

use crate::address::Timestamp;
use crate::alert::Severity;
use crate::store::{AlertRecord, Life, LogEntry, Suppression, SuppressionKey};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A time as text.
pub fn time(nanos: i64) -> String {
    Timestamp::from_nanos(nanos).to_string()
}

/// Counts by severity.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct BySeverity {
    pub low: u64,
    pub medium: u64,
    pub high: u64,
    pub critical: u64,
}

impl BySeverity {
    /// From counts by [`Severity::index`].
    pub fn new(counts: &[u64; Severity::ALL.len()]) -> BySeverity {
        let of = |severity: Severity| counts.get(severity.index()).copied().unwrap_or(0);
        BySeverity {
            low: of(Severity::Low),
            medium: of(Severity::Medium),
            high: of(Severity::High),
            critical: of(Severity::Critical),
        }
    }
}

/// Open alerts of a device.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct OpenAlerts {
    /// How many.
    pub count: u64,
    /// The worst of them: `low`, `medium`, `high` or `critical`.
    pub worst: &'static str,
}

/// An alert of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AlertItem {
    /// Its identity, a ULID.
    pub id: String,
    /// When its first message was seen.
    #[schema(format = DateTime)]
    pub first_seen: String,
    /// When its last message so far was seen.
    #[schema(format = DateTime)]
    pub last_seen: String,
    /// Messages.
    pub count: u64,
    /// `low`, `medium`, `high` or `critical`.
    pub severity: &'static str,
    /// What kind of thing it is about.
    pub kind: String,
    /// The rule; null where no rule allows it.
    pub rule: Option<String>,
    /// The sentence that a person reads first.
    pub summary: String,
    /// The address of who did it.
    pub src: String,
    /// Its port; 0 where there is none.
    pub src_port: u16,
    /// The address of to whom.
    pub dst: String,
    /// Its port; 0 where there is none.
    pub dst_port: u16,
    /// The protocol.
    pub proto: String,
    /// The incident that it is part of.
    pub incident: Option<String>,
    /// `new`, `acknowledged` or `closed`.
    pub state: &'static str,
    /// When a person last changed the state.
    #[schema(format = DateTime)]
    pub changed: Option<String>,
    /// Who.
    pub changed_by: Option<String>,
    /// Messages that came after that.
    pub since_changed: u64,
    /// The number of the suppression that keeps it quiet.
    pub suppressed_by: Option<i64>,
}

impl From<&AlertRecord> for AlertItem {
    fn from(alert: &AlertRecord) -> AlertItem {
        AlertItem {
            id: alert.id.clone(),
            first_seen: time(alert.first_seen),
            last_seen: time(alert.last_seen),
            count: alert.count,
            severity: alert.severity.name(),
            kind: alert.kind.clone(),
            rule: alert.rule.clone(),
            summary: alert.summary.clone(),
            src: alert.src.clone(),
            src_port: alert.src_port,
            dst: alert.dst.clone(),
            dst_port: alert.dst_port,
            proto: alert.proto.clone(),
            incident: alert.incident.clone(),
            state: alert.state.name(),
            changed: alert.changed.map(time),
            changed_by: alert.changed_by.clone(),
            since_changed: alert.since_changed,
            suppressed_by: alert.suppressed_by,
        }
    }
}

/// A step in the life of an alert.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Step {
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// Who.
    pub who: String,
    /// The state before.
    pub before: &'static str,
    /// The state after.
    pub after: &'static str,
    /// Why.
    pub note: Option<String>,
}

impl From<&LogEntry> for Step {
    fn from(entry: &LogEntry) -> Step {
        Step {
            at: time(entry.at),
            who: entry.who.clone(),
            before: entry.before.name(),
            after: entry.after.name(),
            note: entry.note.clone(),
        }
    }
}

/// One alert with all that is known of it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WholeAlert {
    /// As lists show it.
    #[serde(flatten)]
    pub item: AlertItem,
    /// As outputs write it: the alert of the contract, with the message decoded field by field.
    #[schema(value_type = Object)]
    pub alert: serde_json::Value,
    /// Its life, the oldest step first.
    pub log: Vec<Step>,
    /// Whether its packets can be had.
    pub evidence: bool,
    /// The alerts before it, the newest first.
    pub before: Vec<AlertItem>,
    /// The alerts after it, the oldest first.
    pub after: Vec<AlertItem>,
}

/// A new state for alerts.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewState {
    /// The identities of the alerts.
    #[schema(min_items = 1, max_items = 1000)]
    pub ids: Vec<String>,
    /// `acknowledged`, `closed`, or `new` to open them again.
    pub state: NewLife,
    /// Why, or what was found.
    #[schema(max_length = 2000)]
    pub note: Option<String>,
}

/// A new state for one alert.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OneState {
    /// `acknowledged`, `closed`, or `new` to open it again.
    pub state: NewLife,
    /// Why, or what was found.
    #[schema(max_length = 2000)]
    pub note: Option<String>,
}

/// A state of alerts.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum NewLife {
    New,
    Acknowledged,
    Closed,
}

impl From<NewLife> for Life {
    fn from(state: NewLife) -> Life {
        match state {
            NewLife::New => Life::New,
            NewLife::Acknowledged => Life::Acknowledged,
            NewLife::Closed => Life::Closed,
        }
    }
}

/// What came of a change.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Outcome {
    /// Alerts that are in another state now.
    pub alerts: u64,
    /// Alerts that were so already.
    pub unchanged: u64,
    /// Ids that there is no alert of.
    pub missing: Vec<String>,
    /// The number of the suppression that was made or ended.
    pub suppression: Option<i64>,
}

impl From<crate::store::Changed> for Outcome {
    fn from(changed: crate::store::Changed) -> Outcome {
        Outcome {
            alerts: changed.alerts,
            unchanged: changed.unchanged,
            missing: changed.missing,
            suppression: changed.suppression,
        }
    }
}

/// Which alerts are suppressed: at least one of these is given, all of them have to fit.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct What {
    /// Those of this rule.
    pub rule: Option<String>,
    /// Those from this address.
    pub src: Option<String>,
    /// Those to this address.
    pub dst: Option<String>,
    /// Those of this kind.
    pub kind: Option<String>,
}

impl From<What> for SuppressionKey {
    fn from(what: What) -> SuppressionKey {
        SuppressionKey { rule: what.rule, src: what.src, dst: what.dst, kind: what.kind }
    }
}

/// A suppression that is asked for.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewSuppression {
    /// Which alerts.
    pub what: What,
    /// For how many hours.
    #[schema(minimum = 1, maximum = 8760)]
    pub hours: u32,
    /// Why: who comes next reads it.
    #[schema(min_length = 1, max_length = 1000)]
    pub reason: String,
}

/// What is kept quiet, and what it has swallowed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SuppressionItem {
    /// Its number.
    pub number: i64,
    /// Which alerts.
    pub what: What,
    /// Until when.
    #[schema(format = DateTime)]
    pub until: String,
    /// Whether it keeps anything quiet now.
    pub active: bool,
    /// Why.
    pub reason: String,
    /// Who wanted it.
    pub who: String,
    /// Since when.
    #[schema(format = DateTime)]
    pub created: String,
    /// Alerts that it kept quiet.
    pub alerts: u64,
}

impl SuppressionItem {
    /// As it is at a time.
    pub fn new(one: &Suppression, now: i64) -> SuppressionItem {
        let SuppressionKey { rule, src, dst, kind } = one.what.clone();
        SuppressionItem {
            number: one.id,
            what: What { rule, src, dst, kind },
            until: time(one.until),
            active: one.is_active(now),
            reason: one.reason.clone(),
            who: one.who.clone(),
            created: time(one.created),
            alerts: one.alerts,
        }
    }
}
