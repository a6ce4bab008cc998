//! What a worker counts, in plain integers.

use super::Metrics;
use crate::event::{Event, Kind, Outcome, Verb, Vocabulary};
use prometheus::local::LocalHistogram;

/// The counts of one worker.
pub struct Tally {
    pub(super) protocols: Vec<ProtocolTally>,
    /// Events written or judged, of every protocol.
    pub events: u64,
}

/// The counts of one protocol.
pub(super) struct ProtocolTally {
    pub(super) words: &'static Vocabulary,
    pub(super) messages: [[u64; Kind::ALL.len()]; Verb::ALL.len()],
    pub(super) malformed: Vec<(&'static str, u64)>,
    pub(super) exceptions: Vec<(u8, u64)>,
    pub(super) unanswered: u64,
    pub(super) response: Option<LocalHistogram>,
}

impl Tally {
    /// All at zero. With `metrics`, response times are recorded for its histogram too.
    pub fn new(words: &[&'static Vocabulary], metrics: Option<&Metrics>) -> Tally {
        let protocols = words
            .iter()
            .map(|words| ProtocolTally {
                words,
                messages: Default::default(),
                malformed: Vec::new(),
                exceptions: Vec::new(),
                unanswered: 0,
                response: metrics.map(|m| m.response_histogram(words.name).local()),
            })
            .collect();
        Tally { protocols, events: 0 }
    }

    /// Counts one event.
    pub fn count(&mut self, event: &Event<'_>) {
        self.events += 1;
        let Some(protocol) = self.protocols.get_mut(usize::from(event.proto.id)) else {
            return;
        };
        if event.outcome == Some(Outcome::Unanswered) {
            protocol.unanswered += 1;
            return;
        }
        protocol.messages[event.verb.index()][event.kind.index()] += 1;
        if let Some(fault) = event.fault {
            add(&mut protocol.malformed, fault.label, 1);
        }
        if let Some(Outcome::Exception { code, .. }) = event.outcome {
            add(&mut protocol.exceptions, code, 1);
        }
        if let (Some(latency), Some(response)) = (event.latency, &mut protocol.response) {
            response.observe(latency as f64 / 1e9);
        }
    }

    /// Adds the counts of another; response times stay where they are.
    pub fn add(&mut self, other: &Tally) {
        self.events += other.events;
        for (own, other) in self.protocols.iter_mut().zip(&other.protocols) {
            for (own, other) in own.messages.as_flattened_mut().iter_mut().zip(other.messages.as_flattened())
            {
                *own += other;
            }
            other.malformed.iter().for_each(|(label, count)| add(&mut own.malformed, *label, *count));
            other.exceptions.iter().for_each(|(code, count)| add(&mut own.exceptions, *code, *count));
            own.unanswered += other.unanswered;
        }
    }

    /// A copy of the counts, without the response times, which go to their histogram.
    pub fn hand_over(&mut self) -> Tally {
        let words: Vec<&'static Vocabulary> = self.protocols.iter().map(|protocol| protocol.words).collect();
        let mut copy = Tally::new(&words, None);
        copy.add(self);
        for response in self.protocols.iter_mut().filter_map(|protocol| protocol.response.as_mut()) {
            response.flush();
        }
        copy
    }

    /// A tally of the same kind, at zero.
    pub fn another(&self) -> Tally {
        let protocols = self.protocols.iter().map(|protocol| ProtocolTally {
            words: protocol.words,
            messages: Default::default(),
            malformed: Vec::new(),
            exceptions: Vec::new(),
            unanswered: 0,
            // Local histograms cloned begin at zero.
            response: protocol.response.clone(),
        });
        Tally { protocols: protocols.collect(), events: 0 }
    }

    /// Messages per protocol, for those that had any: name in sentences, requests, responses, others, malformed.
    pub fn protocols(&self) -> impl Iterator<Item = ProtocolCounts<'_>> {
        self.protocols
            .iter()
            .map(|p| {
                let of = |kind: Kind| p.messages.iter().map(|verb| verb[kind.index()]).sum::<u64>();
                ProtocolCounts {
                    words: p.words,
                    requests: of(Kind::Request),
                    responses: of(Kind::Response),
                    others: of(Kind::Unsolicited) + of(Kind::Message),
                    malformed: of(Kind::Malformed),
                    reasons: &p.malformed,
                    exceptions: p.exceptions.iter().map(|(_, count)| count).sum(),
                    unanswered: p.unanswered,
                }
            })
            .filter(|p| p.total() + p.unanswered > 0)
    }
}

/// What a summary says of one protocol.
pub struct ProtocolCounts<'a> {
    /// The protocol.
    pub words: &'static Vocabulary,
    /// Requests.
    pub requests: u64,
    /// Responses.
    pub responses: u64,
    /// Unsolicited and one-way messages.
    pub others: u64,
    /// Messages that could not be decoded in full.
    pub malformed: u64,
    /// Why, with counts.
    pub reasons: &'a [(&'static str, u64)],
    /// Answers that refused.
    pub exceptions: u64,
    /// Requests whose answer never came.
    pub unanswered: u64,
}

impl ProtocolCounts<'_> {
    /// All messages on the wire.
    pub fn total(&self) -> u64 {
        self.requests + self.responses + self.others + self.malformed
    }
}

fn add<K: PartialEq>(counts: &mut Vec<(K, u64)>, key: K, more: u64) {
    match counts.iter_mut().find(|(k, _)| *k == key) {
        Some((_, count)) => *count += more,
        None => counts.push((key, more)),
    }
}
