//! One worker: frames in, what they mean out, without a lock or an allocation for a message that no rule objects to.

use super::central::{Central, Upstream, carried, count_hit};
use super::pipeline::{Counts, Unspoken};
use super::talk::{self, Found, Memo, Spoken, Talk};
use crate::address::{Side, Timestamp};
use crate::capture::Frame;
use crate::event::{Event, Flow, Sink};
use crate::inventory::Gatherer;
use crate::metrics::Tally;
use crate::packet::{Decoded, Decoder, Packet};
use crate::policy::{Memory, Pair, RuleSet};
use crate::stream::{self, Conversation, Delivery, FlowTable};
use std::sync::Arc;

/// Decodes packets, follows conversations, judges what is said in them.
pub(super) struct Worker<U> {
    decoder: Decoder,
    flows: FlowTable<Talk>,
    rules: Option<Arc<RuleSet>>,
    /// Messages that each rule decided, by its place.
    pub(super) hits: Vec<u64>,
    /// What judging remembers of times; rates, changes and expectations are upstream's.
    pub(super) memory: Memory,
    pub(super) tally: Tally,
    /// Gathers what there is for the inventory, where one is kept.
    pub(super) gatherer: Option<Box<Gatherer>>,
    /// Gets what is found.
    pub(super) up: U,
}

/// The parts of a worker that a message meets.
struct Scope<'w, U> {
    rules: &'w Option<Arc<RuleSet>>,
    hits: &'w mut Vec<u64>,
    memory: &'w mut Memory,
    tally: &'w mut Tally,
    gatherer: &'w mut Option<Box<Gatherer>>,
    up: &'w mut U,
}

impl Worker<Central> {
    /// Puts other rules in force, here and upstream.
    pub(super) fn set_rules(&mut self, rules: Option<Arc<RuleSet>>) {
        self.up.set_rules(rules.clone());
        self.take_rules(rules);
    }
}

impl<U: Upstream> Worker<U> {
    pub(super) fn new(flows: stream::Limits, fragments: usize, tally: Tally, up: U) -> Worker<U> {
        Worker {
            decoder: Decoder::new(fragments),
            flows: FlowTable::new(flows),
            rules: None,
            hits: Vec::new(),
            memory: Memory::default(),
            tally,
            gatherer: None,
            up,
        }
    }

    /// Puts other rules in force here; conversations look theirs up anew.
    pub(super) fn take_rules(&mut self, rules: Option<Arc<RuleSet>>) {
        self.hits = carried(self.rules.as_deref(), &self.hits, rules.as_deref());
        self.rules = rules;
    }

    fn parts(&mut self) -> (&mut FlowTable<Talk>, Scope<'_, U>) {
        let Worker { flows, rules, hits, memory, tally, gatherer, up, .. } = self;
        (flows, Scope { rules, hits, memory, tally, gatherer, up })
    }

    /// Takes one frame; `order` counts all frames, also those of other workers.
    pub(super) fn frame(&mut self, order: u64, frame: &Frame<'_>) {
        let Worker { decoder, flows, rules, hits, memory, tally, gatherer, up } = self;
        let decoded = decoder.decode(frame.link.number(), frame.ts, frame.data, frame.wire_len);
        let packet = match decoded {
            Decoded::Packet(packet) => packet,
            Decoded::Fragment(fragment) => return up.fragment(frame, &fragment),
            Decoded::Skipped(_) => return,
        };
        up.packet(frame, &packet);
        let mut scope = Scope { rules, hits, memory, tally, gatherer, up };
        flows.packet(order, frame.ts, &packet, &mut |conversation, side, delivery| {
            scope.deliver(conversation, side, delivery, frame.ts, frame.number);
        });
    }

    /// Takes a packet of a frame that is decoded already.
    pub(super) fn packet(&mut self, order: u64, frame: &Frame<'_>, packet: &Packet<'_>) {
        let (flows, mut scope) = self.parts();
        scope.up.packet(frame, packet);
        flows.packet(order, frame.ts, packet, &mut |conversation, side, delivery| {
            scope.deliver(conversation, side, delivery, frame.ts, frame.number);
        });
    }

    /// Forgets conversations that are too old by this time.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let (flows, mut scope) = self.parts();
        flows.expire(now, &mut |conversation, side, delivery| scope.end(conversation, side, delivery));
    }

    /// Ends every conversation.
    pub(super) fn finish(&mut self) {
        let (flows, mut scope) = self.parts();
        flows.finish(&mut |conversation, side, delivery| scope.end(conversation, side, delivery));
    }

    /// What was counted, but for what is upstream's.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            packets: self.decoder.counters(),
            flows: self.flows.counters(),
            open: self.flows.len(),
            forgotten: self.memory.evicted(),
            silent: 0,
        }
    }
}

fn last_frame(talk: &Talk) -> u64 {
    match talk {
        Talk::New { frame, .. } => *frame,
        Talk::Spoken(spoken) => spoken.last.1,
        Talk::Other => 0,
    }
}

impl<U: Upstream> Scope<'_, U> {
    /// Takes what a conversation delivers at its end, which is of the time of its own last packet.
    fn end(&mut self, conversation: &mut Conversation<Talk>, side: Side, delivery: Delivery<'_>) {
        self.up.ends(conversation.turn);
        let frame = last_frame(&conversation.state);
        let ts = conversation.last_seen;
        self.deliver(conversation, side, delivery, ts, frame);
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
            |memo| Judge { scope: self, memo },
            |session, at, sink| match delivery {
                Delivery::Data(bytes) => session.stream(at, bytes, sink),
                Delivery::Gap(lost) => session.gap(at, lost, sink),
                Delivery::Datagram(bytes) => session.datagram(at, bytes, sink),
                Delivery::Closed => session.close(at, sink),
            },
            |judge| judge.memo,
        );
        if delivery == Delivery::Closed
            && let Some(mut polls) = spoken.memo.polls.take()
        {
            polls.finish(&mut |folded| self.up.folded(folded));
        }
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
        if let Some(gatherer) = self.gatherer {
            gatherer.conversation(ts, &flow, client_known);
        }
        let memory = &mut *self.memory;
        let verdict = self.rules.as_ref().map(|rules| match client_known {
            true => rules.judge_conversation(&flow, ts, memory),
            false => rules.judge_picked_up(&flow, ts, memory),
        });
        if let Some(verdict) = &verdict {
            count_hit(self.hits, verdict);
        }
        self.up.conversation(&Unspoken { ts, frame, flow: &flow, client_known }, verdict.as_ref());
    }
}

/// Counts, judges and logs the events of one conversation.
struct Judge<'s, 'w, U> {
    scope: &'s mut Scope<'w, U>,
    memo: Memo,
}

impl<U: Upstream> Sink for Judge<'_, '_, U> {
    fn event(&mut self, event: &Event<'_>) {
        let Scope { rules, hits, memory, tally, gatherer, up } = &mut *self.scope;
        tally.count(event);
        if let Some(gatherer) = gatherer {
            gatherer.event(event);
        }
        if up.folds() {
            let polls = self.memo.polls.get_or_insert_default();
            if !polls.take(event, &mut |folded| up.folded(folded)) {
                up.log(event);
            }
        } else {
            up.log(event);
        }
        let Some(rules) = rules.as_deref() else { return up.judged(event, None) };
        let stale = self.memo.pairs.as_ref().is_none_or(|[pair, _]| pair.generation() != rules.generation());
        if stale {
            let pair = rules.pair(event.flow, event.proto);
            self.memo.pairs = Some(sorted(pair, event.flow));
        }
        let Some([low, high]) = &self.memo.pairs else { return };
        let pair = if is_upward(event.flow) { low } else { high };
        if pair.remembers() {
            return up.judge(event, pair);
        }
        let verdict = rules.judge(pair, event, memory);
        count_hit(hits, &verdict);
        up.judged(event, Some(&verdict));
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
