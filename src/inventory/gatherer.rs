//! What one worker sees, until it hands it over.

use super::conversation::{Key, Record};
use super::identity::{Identity, IdentityKey};
use super::points::{News, Points};
use super::reading::Stamp;
use super::room::make_room;
use super::shapes::{Shape, Shapes};
use super::{Forgotten, Limits};
use crate::address::Timestamp;
use crate::event::{Event, Flow, Kind, Outcome, Verb};
use foldhash::quality::RandomState;
use hashbrown::HashMap;

/// Gathers what one worker sees.
#[derive(Debug)]
pub struct Gatherer {
    limits: Limits,
    conversations: HashMap<Key, Record, RandomState>,
    points: Points,
    identities: HashMap<IdentityKey, Identity, RandomState>,
    shapes: Shapes,
    forgotten: Forgotten,
}

/// What one worker has seen since it last handed over.
#[derive(Debug, Default)]
pub struct Harvest {
    pub(super) conversations: Vec<(Key, Record)>,
    pub(super) points: News,
    pub(super) identities: Vec<(IdentityKey, Identity)>,
    pub(super) shapes: (Vec<(u64, Shape)>, u64),
    pub(super) forgotten: Forgotten,
}

impl Gatherer {
    /// Nothing seen yet.
    pub fn new(limits: Limits) -> Gatherer {
        Gatherer {
            limits,
            conversations: HashMap::default(),
            points: Points::new(limits.points, limits.recent),
            identities: HashMap::default(),
            shapes: Shapes::new(limits.shapes),
            forgotten: Forgotten::default(),
        }
    }

    /// Takes a message.
    pub fn event(&mut self, event: &Event<'_>) {
        let (key, from_client) = Key::of(event);
        let units = self.limits.units;
        self.record(key, event.ts).event(event, from_client, units);
        self.points.event(event);
        self.shapes.event(event);
        if event.kind == Kind::Response && event.outcome != Some(Outcome::Unanswered) {
            let identifies = |verb| verb == Verb::Identify;
            if identifies(event.verb) || event.points.iter().any(|range| identifies(range.verb)) {
                self.identify(event);
            }
        }
    }

    /// Takes a conversation in none of our protocols: from client to server where that is `known`.
    pub fn conversation(&mut self, ts: Timestamp, flow: &Flow, known: bool) {
        let (key, from_client) = Key::of_flow(flow, known);
        self.record(key, ts).flow(flow, ts, from_client);
    }

    fn record(&mut self, key: Key, ts: Timestamp) -> &mut Record {
        if self.conversations.len() >= self.limits.conversations && !self.conversations.contains_key(&key) {
            self.forgotten.conversations += forget(&mut self.conversations);
        }
        let record = self.conversations.entry(key).or_default();
        record.touched = record.touched.max(ts.nanos);
        record
    }

    fn identify(&mut self, event: &Event<'_>) {
        let at = Stamp { ts: event.ts, frame: event.frame };
        let key = IdentityKey { server: event.flow.src.address, proto: event.proto.id, device: event.device };
        event.fields.identify(&mut |attribute| {
            if self.identities.len() >= self.limits.identities && !self.identities.contains_key(&key) {
                let gone = make_room(&mut self.identities, |identity| (false, identity.touched()));
                self.forgotten.identities += gone.len() as u64;
            }
            let identity = self.identities.entry(key).or_insert_with(|| Identity::new(event.proto));
            identity.see(&attribute, at, event.flow.dst.address);
        });
    }

    /// Hands over what was seen since the last time. What there is stays known, so that what goes on allocates nothing.
    pub fn take(&mut self) -> Harvest {
        let news = self.conversations.iter_mut().filter(|(_, record)| record.is_news());
        let conversations: Vec<(Key, Record)> = news.map(|(key, record)| (*key, record.take())).collect();
        let mut forgotten = std::mem::take(&mut self.forgotten);
        forgotten.points = std::mem::take(&mut self.points.forgotten);
        Harvest {
            conversations,
            points: self.points.take(),
            identities: self.identities.drain().collect(),
            shapes: self.shapes.take(),
            forgotten,
        }
    }

    /// Conversations and points that are known.
    pub fn known(&self) -> (usize, usize) {
        (self.conversations.len(), self.points.len())
    }
}

/// Lets the least important conversations go; returns how many.
pub(super) fn forget(conversations: &mut HashMap<Key, Record, RandomState>) -> u64 {
    let matters = |record: &Record| record.words.is_some() && record.heard;
    make_room(conversations, |record| (matters(record), record.touched)).len() as u64
}
