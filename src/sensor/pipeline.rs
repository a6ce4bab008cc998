//! One worker: frames in, verdicts and alerts out, without a lock or an allocation for a message that no rule
//! objects to.

use super::talk::{self, Found, Spoken, Talk};
use crate::address::{Side, Timestamp};
use crate::alert::{Alert, Desk};
use crate::capture::Frame;
use crate::event::{Event, Flow, Sink};
use crate::metrics::Tally;
use crate::output::events::EventLog;
use crate::packet::{self, Decoded, Decoder};
use crate::policy::{Memory, Pair, Relaxed, Rule, RuleSet, Verdict, Watch};
use crate::protocol;
use crate::stream::{self, Conversation, Delivery, FlowTable};
use std::collections::HashMap;
use std::sync::Arc;

/// Sees everything that is judged, with what the rules say of it: for what learns from the traffic.
pub trait Observer: Send {
    /// Takes a message; the verdict is `None` where there are no rules.
    fn event(&mut self, event: &Event<'_>, verdict: Option<&Verdict>);

    /// Takes a conversation in none of our protocols that is no housekeeping, once.
    fn conversation(&mut self, seen: &Unspoken<'_>, verdict: Option<&Verdict>);
}

/// A conversation in none of our protocols.
#[derive(Clone, Copy, Debug)]
pub struct Unspoken<'a> {
    /// When it was clear that it is none of ours.
    pub ts: Timestamp,
    /// The packet that made it clear.
    pub frame: u64,
    /// From client to server where that is known, else from the one who spoke first.
    pub flow: &'a Flow,
    /// Whether the handshake said who the client is.
    pub client_known: bool,
}

/// What events meet on their way: counters, rules, alerts, the event log.
struct Scope {
    tally: Tally,
    rules: Option<Arc<RuleSet>>,
    /// Messages that each rule decided, by its place.
    rule_hits: Vec<u64>,
    /// What judging remembers.
    memory: Memory,
    /// What is expected.
    watch: Watch,
    desk: Desk,
    emit: Box<dyn FnMut(Alert) + Send>,
    events: Option<EventLog>,
    observer: Option<Box<dyn Observer>>,
    /// The capture file of the present frame, where there are several.
    file: Option<Arc<str>>,
}

/// One worker.
pub struct Pipeline {
    decoder: Decoder,
    flows: FlowTable<Talk>,
    scope: Scope,
    packets: u64,
    bytes: u64,
    span: Option<(Timestamp, Timestamp)>,
}

/// What a pipeline is made of.
pub struct Parts {
    /// Bounds of the flow table.
    pub flows: stream::Limits,
    /// Octets of fragments kept.
    pub fragments: usize,
    /// Counters, tied to the metrics where there are any.
    pub tally: Tally,
    /// The rules, if there are any.
    pub rules: Option<Arc<RuleSet>>,
    /// Groups alerts.
    pub desk: Desk,
    /// Gets the alerts.
    pub emit: Box<dyn FnMut(Alert) + Send>,
    /// Gets every message, where asked for.
    pub events: Option<EventLog>,
}

impl Pipeline {
    /// A worker of these parts.
    pub fn new(parts: Parts) -> Pipeline {
        let mut scope = Scope {
            tally: parts.tally,
            rules: None,
            rule_hits: Vec::new(),
            memory: Memory::default(),
            watch: Watch::default(),
            desk: parts.desk,
            emit: parts.emit,
            events: parts.events,
            observer: None,
            file: None,
        };
        scope.set_rules(parts.rules);
        Pipeline {
            decoder: Decoder::new(parts.fragments),
            flows: FlowTable::new(parts.flows),
            scope,
            packets: 0,
            bytes: 0,
            span: None,
        }
    }

    /// Names the capture file of the frames that follow, for outputs that mix several.
    pub fn set_file(&mut self, file: Option<Arc<str>>) {
        self.scope.desk.set_file(file.clone());
        self.scope.file = file;
    }

    /// Shows everything that is judged to an observer.
    pub fn observe(&mut self, observer: Box<dyn Observer>) {
        self.scope.observer = Some(observer);
    }

    /// Puts other rules in force; conversations look theirs up anew.
    pub fn set_rules(&mut self, rules: Option<Arc<RuleSet>>) {
        self.scope.set_rules(rules);
    }

    /// Takes one frame.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        self.packets += 1;
        self.bytes += u64::from(frame.wire_len);
        self.span = Some(match self.span {
            Some((first, last)) => (first.min(frame.ts), last.max(frame.ts)),
            None => (frame.ts, frame.ts),
        });
        let Pipeline { decoder, flows, scope, .. } = self;
        let Decoded::Packet(packet) =
            decoder.decode(frame.link.number(), frame.ts, frame.data, frame.wire_len)
        else {
            return;
        };
        flows.packet(frame.ts, &packet, &mut |conversation, side, delivery| {
            scope.deliver(conversation, side, delivery, frame.ts, frame.number);
        });
        if scope.watch.is_due(frame.ts) {
            scope.overdue(frame.ts);
        }
        // A quiet moment for old conversations comes with every 4096th packet.
        if self.packets.is_multiple_of(4096) {
            self.tick(frame.ts);
        }
    }

    /// Lets go of what is too old by this time.
    pub fn tick(&mut self, now: Timestamp) {
        let Pipeline { flows, scope, .. } = self;
        flows.expire(now, &mut |conversation, side, delivery| {
            let frame = last_frame(&conversation.state);
            let ts = conversation.last_seen;
            scope.deliver(conversation, side, delivery, ts, frame);
        });
        if scope.watch.is_due(now) {
            scope.overdue(now);
        }
        scope.desk.tick(now, &mut scope.emit);
    }

    /// Ends every conversation and closes every alert.
    ///
    /// # Errors
    /// Where the event log could not be written.
    pub fn finish(&mut self) -> std::io::Result<()> {
        let Pipeline { flows, scope, .. } = self;
        flows.finish(&mut |conversation, side, delivery| {
            let frame = last_frame(&conversation.state);
            let ts = conversation.last_seen;
            scope.deliver(conversation, side, delivery, ts, frame);
        });
        if let Some((_, last)) = self.span {
            scope.overdue(last);
        }
        scope.desk.finish(&mut scope.emit);
        scope.events.take().map_or(Ok(()), EventLog::finish)
    }

    /// Lets go of what takes the alerts: after [`Pipeline::finish`] there are no more.
    pub fn close_emit(&mut self) {
        self.scope.emit = Box::new(|_| {});
    }

    /// Writes out what the event log has gathered.
    pub fn flush_events(&mut self) {
        if let Some(events) = &mut self.scope.events {
            events.flush();
        }
    }

    /// Whether the reader of the event log has gone away.
    pub fn is_unheard(&self) -> bool {
        self.scope.events.as_ref().is_some_and(EventLog::is_broken)
    }

    /// Packets, octets on the wire, first and last time stamp.
    pub fn totals(&self) -> (u64, u64, Option<(Timestamp, Timestamp)>) {
        (self.packets, self.bytes, self.span)
    }

    /// Counts of messages.
    pub fn tally(&mut self) -> &mut Tally {
        &mut self.scope.tally
    }

    /// Counts of the packet decoder.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Counts of the flow table, and conversations followed at present.
    pub fn flows(&self) -> (stream::Counters, usize) {
        (self.flows.counters(), self.flows.len())
    }

    /// Counts of alerts.
    pub fn desk(&self) -> &Desk {
        &self.scope.desk
    }

    /// What judging had to forget, and how many rules that expect something wait in vain at present.
    pub fn memory(&self) -> (u64, usize) {
        (self.scope.memory.evicted(), self.scope.watch.silent())
    }

    /// What maintenance windows let pass since this was last asked.
    pub fn take_relaxed(&mut self) -> Vec<Relaxed> {
        self.scope.memory.take_relaxed()
    }

    /// The rules in force and how many messages each decided.
    pub fn rules(&self) -> Option<(&RuleSet, &[u64])> {
        self.scope.rules.as_deref().map(|rules| (rules, self.scope.rule_hits.as_slice()))
    }
}

fn last_frame(talk: &Talk) -> u64 {
    match talk {
        Talk::New { frame, .. } => *frame,
        Talk::Spoken(spoken) => spoken.last.1,
        Talk::Other => 0,
    }
}

impl Scope {
    /// Says what has been silent for too long.
    fn overdue(&mut self, now: Timestamp) {
        let Scope { rules, watch, desk, emit, .. } = self;
        let Some(rules) = rules.as_deref() else { return watch.rest() };
        rules.overdue(watch, now, &mut |rules, silence| desk.silence(now, &silence, rules, emit));
    }

    fn set_rules(&mut self, rules: Option<Arc<RuleSet>>) {
        // A rule keeps its count over a reload, by its name.
        let before: HashMap<&str, u64> = match &self.rules {
            Some(old) => old
                .rules()
                .iter()
                .map(|rule| rule.name.as_str())
                .zip(self.rule_hits.iter().copied())
                .collect(),
            None => HashMap::new(),
        };
        let count = |rule: &Rule| before.get(rule.name.as_str()).copied().unwrap_or(0);
        self.rule_hits = rules.as_ref().map_or(Vec::new(), |rules| rules.rules().iter().map(count).collect());
        self.rules = rules;
        self.desk.end_lasting(&mut self.emit);
        self.watch = Watch::default();
    }

    /// Takes what a conversation delivers.
    fn deliver(
        &mut self,
        conversation: &mut Conversation<Talk>,
        side: Side,
        delivery: Delivery<'_>,
        ts: Timestamp,
        number: u64,
    ) {
        let client = conversation.client;
        let mut joined;
        let mut delivery = delivery;
        if let Talk::New { signs, frame } = &mut conversation.state {
            let (mut signs, seen) = (std::mem::take(signs), number.max(*frame));
            let bytes = match delivery {
                Delivery::Data(bytes) => {
                    joined = signs.take_held(side);
                    if joined.is_empty() {
                        bytes
                    } else {
                        joined.extend_from_slice(bytes);
                        delivery = Delivery::Data(&joined);
                        joined.as_slice()
                    }
                }
                Delivery::Datagram(bytes) => bytes,
                // Bare acknowledgements of what was before say nothing of what is spoken, nor that anything began.
                Delivery::Closed if *frame == 0 && client.is_none() => return,
                // Another packet may have pushed it out: what is said is of its own time and its own last packet.
                Delivery::Closed => {
                    let (ts, own) = (conversation.last_seen, *frame);
                    return self.other(conversation, ts, own);
                }
                Delivery::Gap(_) => {
                    drop(signs.take_held(side));
                    conversation.state = Talk::New { signs, frame: seen };
                    return;
                }
            };
            match talk::find(conversation, &mut signs, bytes) {
                Found::Protocol(protocol) => {
                    let flow = talk::flow(conversation);
                    conversation.state = Talk::Spoken(Spoken::new(flow, protocol));
                }
                Found::None => return self.other(conversation, ts, seen),
                found @ (Found::Incomplete | Found::Unsure) => {
                    if matches!(found, Found::Incomplete) {
                        signs.hold(side, bytes);
                    }
                    conversation.state = Talk::New { signs, frame: seen };
                    return;
                }
            }
        }
        let Talk::Spoken(spoken) = &mut conversation.state else { return };
        if delivery != Delivery::Closed {
            spoken.last = (ts, number);
        }
        spoken.tell(
            side,
            client,
            |pairs| Judge { scope: self, pairs },
            |session, at, sink| match delivery {
                Delivery::Data(bytes) => session.stream(at, bytes, sink),
                Delivery::Gap(lost) => session.gap(at, lost, sink),
                Delivery::Datagram(bytes) => session.datagram(at, bytes, sink),
                Delivery::Closed => session.close(at, sink),
            },
            |judge| judge.pairs,
        );
    }

    /// A conversation in none of our protocols: judged once.
    fn other(&mut self, conversation: &mut Conversation<Talk>, ts: Timestamp, frame: u64) {
        let flow = talk::flow(conversation);
        let flow = if conversation.client == Some(Side::B) { flow.reversed() } else { flow };
        conversation.state = Talk::Other;
        if talk::is_housekeeping(&flow) {
            return;
        }
        let client_known = conversation.client.is_some();
        let memory = &mut self.memory;
        let verdict = self.rules.as_ref().map(|rules| match client_known {
            true => rules.judge_conversation(&flow, ts, memory),
            false => rules.judge_picked_up(&flow, ts, memory),
        });
        if let Some(observer) = &mut self.observer {
            observer.conversation(&Unspoken { ts, frame, flow: &flow, client_known }, verdict.as_ref());
        }
        if let (Some(rules), Some(verdict)) = (&self.rules, verdict) {
            count_hit(&mut self.rule_hits, &verdict);
            self.desk.conversation(ts, frame, &flow, &verdict, rules, &mut self.emit);
        }
    }
}

fn count_hit(hits: &mut [u64], verdict: &Verdict) {
    if let Verdict::Allowed { rule: Some(rule) } | Verdict::Denied { rule } = verdict
        && let Some(count) = hits.get_mut(rule.0 as usize)
    {
        *count += 1;
    }
}

/// Counts, judges and logs the events of one conversation.
struct Judge<'a> {
    scope: &'a mut Scope,
    pairs: Option<[Pair; 2]>,
}

impl Sink for Judge<'_> {
    fn event(&mut self, event: &Event<'_>) {
        self.scope.tally.count(event);
        if let Some(log) = &mut self.scope.events {
            log.event(event, self.scope.file.as_deref());
        }
        let verdict = if self.scope.rules.is_some() { self.judge(event) } else { None };
        if let Some(observer) = &mut self.scope.observer {
            observer.event(event, verdict.as_ref());
        }
    }
}

impl Judge<'_> {
    fn judge(&mut self, event: &Event<'_>) -> Option<Verdict> {
        let Scope { rules, rule_hits, memory, watch, desk, emit, .. } = &mut *self.scope;
        let rules = rules.as_ref()?;
        let stale = self.pairs.as_ref().is_none_or(|[pair, _]| pair.generation() != rules.generation());
        if stale {
            let pair = rules.pair(event.flow, event.proto);
            self.pairs = Some(sorted(pair, event.flow));
        }
        let [low, high] = self.pairs.as_ref()?;
        let pair = if is_upward(event.flow) { low } else { high };
        let verdict = rules.judge(pair, event, memory);
        count_hit(rule_hits, &verdict);
        if pair.is_awaited() {
            let mut said = |rules: &RuleSet, silence| desk.silence(event.ts, &silence, rules, emit);
            rules.observe(pair, event, watch, &mut said, &mut |id| {
                if let Some(count) = rule_hits.get_mut(id as usize) {
                    *count += 1;
                }
            });
        }
        desk.event(event, &verdict, rules, emit);
        Some(verdict)
    }
}

/// Whether a flow goes from the lower to the higher end: tells its two directions apart.
fn is_upward(flow: &Flow) -> bool {
    flow.src <= flow.dst
}

/// A pair and its opposite, that of the upward direction first.
fn sorted(pair: Pair, flow: &Flow) -> [Pair; 2] {
    let back = pair.reversed();
    if is_upward(flow) { [pair, back] } else { [back, pair] }
}

/// A tally for every protocol.
pub fn tally(metrics: Option<&crate::metrics::Metrics>) -> Tally {
    Tally::new(&protocol::vocabularies(), metrics)
}

/// Frames skipped by the decoder, by reason, for those that had any.
pub fn skipped(counters: &packet::Counters) -> impl Iterator<Item = (&'static str, u64)> {
    packet::Skip::ALL.into_iter().zip(counters.skipped).filter(|(_, n)| *n > 0).map(|(s, n)| (s.name(), n))
}
