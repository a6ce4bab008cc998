//! One alert in the making: what its messages have in common, and what they add up to.

use super::gathered::Gathered;
use super::story::Story;
use super::{Alert, AlertKind, Allowance, Grouping, Severity, Taker};
use crate::address::{Address, Endpoint, Timestamp, Transport};
use crate::event::{Flow, Space, Verb, Vocabulary};
use crate::policy::{Rule, Why};
use std::borrow::Cow;
use std::sync::Arc;
use ulid::Ulid;

/// What the messages of a group have in common.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Key {
    pub kind: AlertKind,
    /// The rule by its number, with the generation of its rule set; 0 and 0 where there is none.
    pub rule: (u64, Option<u32>),
    /// Which condition failed.
    pub why: u8,
    pub src: Address,
    pub dst: Address,
    pub proto: &'static str,
    pub device: Option<u32>,
    pub verb: Verb,
    pub space: Option<Space>,
    /// The label of a malformed message.
    pub label: &'static str,
    /// The port of other conversations.
    pub port: u16,
}

/// What the sentence is made from.
#[derive(Debug)]
pub(super) enum Text {
    Story(Box<Story>, &'static Vocabulary),
    Fixed(String),
}

/// One alert in the making.
#[derive(Debug)]
pub(super) struct Group {
    pub key: Key,
    pub alert: Alert,
    pub text: Text,
    pub gathered: Gathered,
    /// When the alert was last sent, and with which count.
    pub sent: (Timestamp, u64),
    pub closed: bool,
    /// Until when its incident knows that it goes on.
    pub told: Timestamp,
    /// It goes on until it is said to be over, however quiet it is.
    pub lasts: bool,
}

/// One more message of a group.
pub(super) fn grow(
    group: &mut Group,
    ts: Timestamp,
    gather: impl FnOnce(&mut Gathered),
    grouping: Grouping,
    window: u64,
    taker: &mut dyn Taker,
) {
    group.alert.count += 1;
    group.alert.last_seen = group.alert.last_seen.max(ts);
    gather(&mut group.gathered);
    if grouping == Grouping::Live && ts.since(group.sent.0) >= window {
        group.sent = (ts, group.alert.count);
        taker.alert(group.finished());
    }
}

impl Group {
    /// The alert as it stands.
    pub(super) fn finished(&self) -> Alert {
        let mut alert = self.alert.clone();
        match &self.text {
            Text::Story(story, words) => {
                alert.summary = story.sentence(&self.gathered, alert.count);
                alert.points = self.gathered.alert_points(words);
            }
            Text::Fixed(text) => alert.summary.clone_from(text),
        }
        alert.values.clone_from(&self.gathered.values);
        alert.frames.clone_from(&self.gathered.frames);
        alert
    }
}

/// A rule's own severity and techniques, or the table's.
pub(super) fn weigh(
    rule: Option<&Rule>,
    usual: Severity,
    attack: impl FnOnce() -> Vec<Cow<'static, str>>,
) -> (Severity, Vec<Cow<'static, str>>) {
    let own = rule.filter(|rule| !rule.attack.is_empty());
    let attack = own.map_or_else(attack, |rule| rule.attack.iter().cloned().map(Cow::Owned).collect());
    (rule.and_then(|rule| rule.severity).unwrap_or(usual), attack)
}

/// Who says so, and of which capture file.
#[derive(Clone)]
pub(super) struct Origin {
    /// The sensor's name.
    pub sensor: Arc<str>,
    /// The file, where there are several.
    pub file: Option<Arc<str>>,
}

#[expect(clippy::too_many_arguments, reason = "the parts of an alert that every kind of it has")]
pub(super) fn blank(
    id: Ulid,
    ts: Timestamp,
    frame: u64,
    severity: Severity,
    kind: AlertKind,
    proto: &'static str,
    src: Endpoint,
    dst: Endpoint,
    flow: &Flow,
    origin: Origin,
) -> Alert {
    Alert {
        id,
        ts,
        first_seen: ts,
        last_seen: ts,
        count: 1,
        severity,
        rule: None,
        kind,
        summary: String::new(),
        src,
        dst,
        proto,
        frame,
        frames: Vec::new(),
        attack: Vec::new(),
        points: Vec::new(),
        values: Vec::new(),
        file: origin.file,
        evidence: None,
        sensor: origin.sensor,
        community_id: flow.community_id().map(str::to_owned),
        rule_at: None,
        rule_words: None,
        named_points: Vec::new(),
        advice: String::new(),
        allow: Allowance::default(),
        incident: id,
        related: Vec::new(),
        message: None,
    }
}

/// A number for each reason, for grouping.
pub(super) fn number(why: &Why) -> u8 {
    match why {
        Why::NoRule => 1,
        Why::Device => 2,
        Why::Verb(_) => 3,
        Why::Function => 4,
        Why::Outside { .. } => 5,
        Why::NoPoints => 6,
        Why::Value { .. } => 7,
        Why::ValueUnknown { .. } => 8,
        Why::Object { .. } => 9,
        Why::When => 10,
        Why::Rate => 11,
        Why::Change { .. } => 12,
        Why::Conduit { .. } => 13,
    }
}

pub(super) fn transport_name(transport: Transport) -> &'static str {
    match transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
        Transport::Ip(1 | 58) => "icmp",
        Transport::Ip(_) => "ip",
        Transport::Ethernet(_) => "ethernet",
    }
}
