//! The desk where verdicts become alerts: same rule, same pair, same device, same verb and same kind of points
//! within a window are one alert with a count.

use super::attack::{self, Deed};
use super::background;
use super::gathered::Gathered;
use super::group::{Group, Key, Origin, Text, blank, grow, number, transport_name, weigh};
use super::incident::Incidents;
use super::story::{self, Story, names_rule, speaks_for};
use super::{Alert, AlertKind, Kept, Severity};
use crate::address::{Address, Endpoint, Timestamp, Transport};
use crate::event::{Event, Flow, Kind, PointRange, Verb};
use crate::policy::{End, Place, RuleSet, Silence, Verdict, Who, Why};
use sha1::{Digest, Sha1};
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use ulid::Ulid;

/// How messages become alerts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Grouping {
    /// One alert for each message.
    None,
    /// One alert for each group, when it is over, in the order in which the groups began: for replays.
    Final,
    /// An alert at the first message of a group, and the same alert (same id) with a higher count when the group
    /// is over, or after each window while it goes on: for people who watch.
    Live,
}

/// How many alerts there were. An alert counts once, whatever its count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// By [`Severity::index`] and [`AlertKind::index`].
    pub alerts: [[u64; AlertKind::ALL.len()]; Severity::ALL.len()],
    /// Messages (and conversations) that became part of one.
    pub messages: u64,
    /// Groups closed before their time because there were too many.
    pub evicted: u64,
}

impl Counts {
    /// Alerts of this severity and kind.
    pub fn of(&self, severity: Severity, kind: AlertKind) -> u64 {
        self.alerts[severity.index()][kind.index()]
    }
}

/// Makes alerts of verdicts. Keep one for each sensor; it is bounded, and time is what the events say.
pub struct Desk {
    grouping: Grouping,
    window: u64,
    limit: usize,
    origin: Origin,
    /// Groups in the order in which they began.
    groups: BTreeMap<u64, Group>,
    open: HashMap<Key, u64>,
    begun: u64,
    seed: u128,
    next_sweep: Timestamp,
    counts: Counts,
    incidents: Incidents,
}

/// Takes what the desk makes. A closure that takes alerts is one.
pub trait Taker {
    /// An alert, a new one or one that has grown.
    fn alert(&mut self, alert: Alert);

    /// An alert begins with a message of this conversation, in the packet that the alert names. `sentence` makes its
    /// summary as it is now. Returns where its packets will be, where they are kept.
    fn begins(&mut self, _alert: &Alert, _flow: &Flow, _sentence: &dyn Fn() -> String) -> Option<String> {
        None
    }

    /// A message in this packet became part of an alert whose packets are kept.
    fn grows(&mut self, _alert: &Alert, _frame: u64) {}
}

impl<F: FnMut(Alert)> Taker for F {
    fn alert(&mut self, alert: Alert) {
        self(alert);
    }
}

/// Nanoseconds that a group stays open after its last message.
const WINDOW: u64 = 60_000_000_000;
/// Groups kept at a time.
const LIMIT: usize = 4096;

impl Desk {
    /// A desk with a window of 60 seconds and at most 4,096 groups at a time. The sensor's name is part of each
    /// alert and of its id.
    pub fn new(grouping: Grouping, sensor: impl Into<Arc<str>>) -> Self {
        let sensor: Arc<str> = sensor.into();
        let hash = Sha1::digest(sensor.as_bytes());
        let seed = hash.iter().take(6).fold(0u128, |seed, octet| seed << 8 | u128::from(*octet));
        Desk {
            grouping,
            window: WINDOW,
            limit: LIMIT,
            origin: Origin { sensor, file: None },
            groups: BTreeMap::new(),
            open: HashMap::new(),
            begun: 0,
            seed: seed << 32,
            next_sweep: Timestamp { nanos: i64::MIN, digits: 9 },
            counts: Counts::default(),
            incidents: Incidents::default(),
        }
    }

    /// With another window, in nanoseconds after the last message of a group.
    pub fn with_window(mut self, nanos: u64) -> Self {
        self.window = nanos.max(1);
        self
    }

    /// With another bound on the groups kept at a time, and on the incidents.
    pub fn with_limit(mut self, groups: usize) -> Self {
        self.limit = groups.max(1);
        self.incidents = Incidents::default().with_limit(groups);
        self
    }

    /// Names the capture file of the messages that follow, where there are several.
    pub fn set_file(&mut self, file: Option<Arc<str>>) {
        self.origin.file = file;
    }

    /// How many alerts there were so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Whether a message with this verdict is anything to the desk.
    pub fn concerns(event: &Event<'_>, verdict: &Verdict) -> bool {
        match verdict {
            Verdict::Denied { .. } | Verdict::NotAllowed { .. } => true,
            Verdict::Allowed { .. } | Verdict::NotJudged => event.kind == Kind::Malformed,
        }
    }

    /// Takes a message with its verdict. One that is allowed, or not judged and well formed, costs nothing.
    pub fn event(&mut self, event: &Event<'_>, verdict: &Verdict, rules: &RuleSet, taker: &mut dyn Taker) {
        match verdict {
            Verdict::Denied { .. } | Verdict::NotAllowed { .. } => self.judged(event, verdict, rules, taker),
            Verdict::Allowed { .. } | Verdict::NotJudged if event.kind == Kind::Malformed => {
                self.malformed(event, rules, taker);
            }
            Verdict::Allowed { .. } | Verdict::NotJudged => {}
        }
    }

    fn judged(&mut self, event: &Event<'_>, verdict: &Verdict, rules: &RuleSet, taker: &mut dyn Taker) {
        let (rule_id, why, kind) = match verdict {
            Verdict::Denied { rule } => (Some(*rule), None, AlertKind::Denied),
            Verdict::NotAllowed { nearest, why } => (*nearest, Some(why), AlertKind::NotAllowed),
            Verdict::Allowed { .. } | Verdict::NotJudged => return,
        };
        // An answer stands for the request that was not seen: the receiver asked.
        let asks = event.kind != Kind::Response;
        let (src, dst) =
            if asks { (event.flow.src, event.flow.dst) } else { (event.flow.dst, event.flow.src) };
        let (range, index) = match why {
            Some(
                Why::Value { range, index, .. }
                | Why::ValueUnknown { range, index }
                | Why::Change { range, index, .. },
            ) => (Some(*range), Some(*index)),
            Some(Why::Outside { range, .. } | Why::Object { range }) => (Some(*range), None),
            _ => (None, None),
        };
        // Whoever looks around where no rule lets it look at all is one alert, whatever it looks at.
        let looks = matches!(event.verb, Verb::Read | Verb::Identify | Verb::Diagnose | Verb::Session);
        let around = why == Some(&Why::NoRule) && looks;
        let space = range.or(event.points.first().copied()).map(|range| range.space);
        let key = Key {
            kind,
            rule: (rules.generation(), rule_id.map(|id| id.0).filter(|_| why.is_none_or(names_rule))),
            why: why.map_or(0, number),
            src: src.address,
            dst: dst.address,
            proto: event.proto.name,
            device: event.device.filter(|_| !around),
            verb: range.map_or(event.verb, |range| range.verb),
            space: space.filter(|_| !around),
            label: "",
            port: 0,
        };
        let origin = self.origin.clone();
        let begin = |id| {
            let rule = rule_id.and_then(|id| rules.rule(id));
            let who = if asks { End::sender(event.flow) } else { End::receiver(event.flow) };
            let deed = Deed {
                verb: key.verb,
                function_name: event.function_name(),
                known: rules.who(who) != Who::Unknown,
                why,
            };
            let (severity, attack) =
                weigh(rule.filter(|_| speaks_for(why)), deed.severity(), || deed.attack());
            let mut alert = Alert {
                attack,
                ..blank(
                    id,
                    event.ts,
                    event.frame,
                    severity,
                    kind,
                    event.proto.name,
                    src,
                    dst,
                    event.flow,
                    origin,
                )
            };
            let story = Story::of_event(event, verdict, rules, asks);
            if let Some(rule) = rule.filter(|_| why.is_none_or(names_rule)) {
                background::set_rule(&mut alert, rule, rules);
            }
            let speaks = rule.filter(|_| speaks_for(why));
            background::of_message(&mut alert, event, verdict, speaks, &story, rules);
            (alert, Text::Story(Box::new(story), event.proto))
        };
        let gather = |gathered: &mut Gathered| {
            match (range, index) {
                (Some(range), Some(index)) => {
                    gathered.add_points(PointRange { first: index, last: index, ..range });
                    let value = event.valued_points().find(|(run, at, _)| *run == range && *at == index);
                    gathered.add_values(value.into_iter().map(|(_, _, value)| Kept::from(value)));
                }
                (Some(range), None) => {
                    gathered.add_points(range);
                    let own = event.valued_points().filter(|(run, ..)| *run == range);
                    gathered.add_values(own.map(|(_, _, value)| Kept::from(value)));
                }
                _ => {
                    event.points.iter().for_each(|run| gathered.add_points(*run));
                    gathered.add_values(event.values.iter().map(Kept::from));
                }
            }
            gathered.add_function(event.function);
            gathered.add_frame(event.frame);
        };
        self.take(event.ts, &key, Some((event.flow, event.frame)), begin, gather, taker);
    }

    fn malformed(&mut self, event: &Event<'_>, rules: &RuleSet, taker: &mut dyn Taker) {
        let flow = event.flow;
        let kind = AlertKind::Malformed;
        let key = Key {
            kind,
            rule: (0, None),
            why: 0,
            src: flow.src.address,
            dst: flow.dst.address,
            proto: event.proto.name,
            device: None,
            verb: Verb::Other,
            space: None,
            label: event.fault.map_or("", |fault| fault.label),
            port: 0,
        };
        let origin = self.origin.clone();
        let begin = |id| {
            let (severity, proto) = (Severity::Low, event.proto.name);
            let mut alert =
                blank(id, event.ts, event.frame, severity, kind, proto, flow.src, flow.dst, flow, origin);
            background::of_malformed(&mut alert, event, rules);
            (alert, Text::Fixed(story::malformed(event, rules)))
        };
        let at = Some((flow, event.frame));
        self.take(event.ts, &key, at, begin, |gathered| gathered.add_frame(event.frame), taker);
    }

    /// Takes the verdict on a conversation that is no control protocol; `flow` is from client to server. Call it
    /// once for each conversation.
    pub fn conversation(
        &mut self,
        ts: Timestamp,
        frame: u64,
        flow: &Flow,
        verdict: &Verdict,
        rules: &RuleSet,
        taker: &mut dyn Taker,
    ) {
        let mut zones = None;
        let (rule_id, kind) = match verdict {
            Verdict::Denied { rule } => (Some(*rule), AlertKind::Denied),
            Verdict::NotAllowed { why, .. } => {
                zones = story::crossing(why, rules, &transport_name(flow.transport).to_uppercase());
                (None, AlertKind::NewConversation)
            }
            Verdict::Allowed { .. } | Verdict::NotJudged => return,
        };
        let proto = transport_name(flow.transport);
        let key = Key {
            kind,
            rule: (rules.generation(), rule_id.map(|id| id.0)),
            why: 0,
            src: flow.src.address,
            dst: flow.dst.address,
            proto,
            device: None,
            verb: Verb::Session,
            space: None,
            label: "",
            port: flow.dst.port,
        };
        let origin = self.origin.clone();
        let begin = |id| {
            let rule = rule_id.and_then(|id| rules.rule(id));
            let usual = if rule.is_some() { Severity::High } else { Severity::Medium };
            let (severity, attack) =
                weigh(rule, usual, || attack::conversation(flow.transport, flow.dst.port));
            let mut alert = Alert {
                attack,
                ..blank(id, ts, frame, severity, kind, proto, flow.src, flow.dst, flow, origin)
            };
            if let Some(rule) = rule {
                background::set_rule(&mut alert, rule, rules);
            }
            background::of_conversation(&mut alert, flow, verdict, rule, rules);
            (alert, Text::Fixed(story::conversation(flow, rule, zones, rules)))
        };
        self.take(ts, &key, Some((flow, frame)), begin, |gathered| gathered.add_frame(frame), taker);
    }

    /// Takes silence where a rule expects something, when it begins and when it is over.
    pub fn silence(&mut self, now: Timestamp, silence: &Silence, rules: &RuleSet, taker: &mut dyn Taker) {
        let Some(rule) = rules.rule(silence.rule) else { return };
        let [from, to] = rules.places_of(rule);
        let end = |place: Option<&Place>| match place {
            Some(Place::Net(net)) if place.is_some_and(Place::is_single) => Address::from(net.addr()),
            Some(Place::Mac(mac)) => Address::Mac(*mac),
            _ => Address::from(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        };
        let src = Endpoint { address: end(from.first()), port: 0 };
        let dst = Endpoint { address: end(silence.who.as_ref().or(to.first())), port: 0 };
        let proto = story::protocol_of(rule).map_or("any", |words| words.name);
        let key = Key {
            kind: AlertKind::Missing,
            rule: (rules.generation(), Some(silence.rule.0)),
            why: 0,
            src: src.address,
            dst: dst.address,
            proto,
            device: None,
            verb: Verb::Report,
            space: None,
            label: "",
            port: 0,
        };
        let text = story::silence(silence, rule, rules);
        if silence.over {
            let Some(number) = self.open.get(&key).copied() else { return };
            if let Some(group) = self.groups.get_mut(&number) {
                group.alert.last_seen = now;
                group.text = Text::Fixed(text);
                // It is sent once more: its sentence is another one.
                group.sent.1 = 0;
            }
            return self.close(number, taker);
        }
        let origin = self.origin.clone();
        let since = Timestamp { nanos: now.nanos.saturating_sub_unsigned(silence.nanos), ..now };
        let begin = |id| {
            let (severity, attack) = weigh(Some(rule), Severity::High, || vec!["T0804".into()]);
            let flow = Flow::new(src, dst, Transport::Ip(0));
            let kind = AlertKind::Missing;
            let mut alert = Alert {
                attack,
                first_seen: since,
                community_id: None,
                ..blank(id, now, 0, severity, kind, proto, src, dst, &flow, origin)
            };
            background::set_rule(&mut alert, rule, rules);
            background::of_silence(&mut alert, silence, rule, rules);
            (alert, Text::Fixed(text))
        };
        self.take(now, &key, None, begin, |_| {}, taker);
    }

    /// Adds to the group of this key, or begins one. `at` says which packet of which conversation it is in, if any.
    fn take(
        &mut self,
        ts: Timestamp,
        key: &Key,
        at: Option<(&Flow, u64)>,
        begin: impl FnOnce(Ulid) -> (Alert, Text),
        gather: impl FnOnce(&mut Gathered),
        taker: &mut dyn Taker,
    ) {
        self.counts.messages += 1;
        self.tick(ts, taker);
        if let Some(number) = self.open.get(key).copied() {
            if let Some(group) = self.groups.get_mut(&number)
                && ts.since(group.alert.last_seen) <= self.window
            {
                // Once a minute is enough for what is half an hour.
                if group.told < ts {
                    group.told = later(ts, WINDOW);
                    self.incidents.goes_on(group.alert.incident, ts);
                }
                if let Some((_, frame)) = at.filter(|_| group.alert.evidence.is_some()) {
                    taker.grows(&group.alert, frame);
                }
                return grow(group, ts, gather, self.grouping, self.window, taker);
            }
            self.close(number, taker);
        }
        self.begun += 1;
        let millis = u64::try_from(ts.nanos / 1_000_000).unwrap_or(0);
        let id = Ulid::from_parts(millis, self.seed | u128::from(self.begun as u32));
        let (mut alert, text) = begin(id);
        let (doer, other) = (alert.src.address, alert.dst.address);
        (alert.incident, alert.related) = self.incidents.join(id, ts, doer, other);
        self.counts.alerts[alert.severity.index()][alert.kind.index()] += 1;
        let mut group = Group {
            key: key.clone(),
            alert,
            text,
            gathered: Gathered::default(),
            sent: (ts, 0),
            closed: false,
            told: later(ts, WINDOW),
            lasts: key.kind == AlertKind::Missing,
        };
        gather(&mut group.gathered);
        if let Some((flow, _)) = at {
            group.alert.evidence = taker.begins(&group.alert, flow, &|| group.finished().summary);
        }
        if self.grouping != Grouping::Final {
            group.sent = (ts, 1);
            taker.alert(group.finished());
        }
        if self.grouping == Grouping::None {
            return;
        }
        self.open.insert(group.key.clone(), self.begun);
        self.groups.insert(self.begun, group);
        while self.groups.len() > self.limit {
            let Some((number, closed)) = self.groups.first_key_value().map(|(at, group)| (*at, group.closed))
            else {
                break;
            };
            self.counts.evicted += u64::from(!closed);
            self.close(number, taker);
        }
    }

    /// Closes what has been quiet for the window. Call it as time passes; it is cheap when nothing is due.
    pub fn tick(&mut self, now: Timestamp, taker: &mut dyn Taker) {
        if now < self.next_sweep {
            return;
        }
        self.next_sweep = later(now, self.window / 4);
        let quiet =
            |group: &Group| !group.closed && !group.lasts && now.since(group.alert.last_seen) > self.window;
        let due: Vec<u64> = self.groups.iter().filter(|(_, group)| quiet(group)).map(|(at, _)| *at).collect();
        due.into_iter().for_each(|number| self.close(number, taker));
    }

    /// Closes what goes on until it is said to be over: other rules are in force.
    pub fn end_lasting(&mut self, taker: &mut dyn Taker) {
        let lasting = self.groups.iter().filter(|(_, group)| group.lasts && !group.closed);
        let lasting: Vec<u64> = lasting.map(|(at, _)| *at).collect();
        lasting.into_iter().for_each(|number| self.close(number, taker));
    }

    /// Closes everything: the traffic is over.
    pub fn finish(&mut self, taker: &mut dyn Taker) {
        let all: Vec<u64> = self.groups.keys().copied().collect();
        all.into_iter().for_each(|number| self.close(number, taker));
    }

    /// Closes a group. Where only finished groups are sent, it waits for those that began before it.
    fn close(&mut self, number: u64, taker: &mut dyn Taker) {
        let Some(group) = self.groups.get_mut(&number) else { return };
        group.closed = true;
        if self.open.get(&group.key) == Some(&number) {
            self.open.remove(&group.key);
        }
        if self.grouping == Grouping::Final {
            while let Some(first) = self.groups.first_entry().filter(|entry| entry.get().closed) {
                taker.alert(first.remove().finished());
            }
        } else if let Some(group) = self.groups.remove(&number)
            && group.alert.count > group.sent.1
        {
            taker.alert(group.finished());
        }
    }
}

/// So many nanoseconds after a time.
fn later(ts: Timestamp, nanos: u64) -> Timestamp {
    Timestamp { nanos: ts.nanos.saturating_add_unsigned(nanos), ..ts }
}
