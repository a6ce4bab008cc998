//! The sum of what all workers saw.

use super::conversation::{Key, Record};
use super::device::{self, Device, Host};
use super::few::Few;
use super::gatherer::{Harvest, forget};
use super::identity::{Identity, IdentityKey};
use super::points::{Point, PointKey, Points};
use super::reading::{Span, widen};
use super::room::make_room;
use super::shapes::{Shape, Shapes};
use super::{Forgotten, Limits};
use crate::address::{Address, Mac, Timestamp};
use crate::event::Vocabulary;
use foldhash::quality::RandomState;
use hashbrown::HashMap;
use std::collections::BTreeMap;

/// What people call hosts and points.
pub trait Names {
    /// The name of a host.
    fn host(&self, address: Address, mac: Option<Mac>, vlan: Option<u16>) -> Option<String>;

    /// The name of a point.
    fn point(&self, key: &PointKey) -> Option<String>;
}

/// Nothing has a name.
impl Names for () {
    fn host(&self, _: Address, _: Option<Mac>, _: Option<u16>) -> Option<String> {
        None
    }

    fn point(&self, _: &PointKey) -> Option<String> {
        None
    }
}

/// The points of one device, in numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PointCount {
    /// Points.
    pub points: u64,
    /// Those that somebody wrote.
    pub written: u64,
    /// When they were seen.
    pub span: Option<Span>,
}

/// Devices, conversations and points.
#[derive(Debug)]
pub struct Inventory {
    pub(super) limits: Limits,
    pub(super) hosts: HashMap<Address, Host, RandomState>,
    pub(super) conversations: HashMap<Key, Record, RandomState>,
    pub(super) points: Points,
    pub(super) identities: HashMap<IdentityKey, Identity, RandomState>,
    shapes: Shapes,
    forgotten: Forgotten,
    pub(super) span: Option<Span>,
}

impl Inventory {
    /// Nothing known yet.
    pub fn new(limits: Limits) -> Inventory {
        Inventory {
            limits,
            hosts: HashMap::default(),
            conversations: HashMap::default(),
            points: Points::new(limits.points, limits.recent),
            identities: HashMap::default(),
            shapes: Shapes::new(limits.shapes),
            forgotten: Forgotten::default(),
            span: None,
        }
    }

    /// Adds what a worker saw: to what is known first, so that it is not forgotten to make room for what is new.
    pub fn merge(&mut self, harvest: &Harvest) {
        let is_known = |(key, _): &&(Key, Record)| self.conversations.contains_key(key);
        let (known, new): (Vec<_>, Vec<_>) = harvest.conversations.iter().partition(is_known);
        for (key, record) in known.into_iter().chain(new) {
            self.host(key, record, 0);
            self.host(key, record, 1);
            widen(&mut self.span, record.span);
            if self.conversations.len() >= self.limits.conversations && !self.conversations.contains_key(key)
            {
                self.forgotten.conversations += forget(&mut self.conversations);
            }
            self.conversations.entry(*key).or_default().join(record, self.limits.units);
        }
        self.points.join(&harvest.points);
        for (key, identity) in &harvest.identities {
            if self.identities.len() >= self.limits.identities && !self.identities.contains_key(key) {
                let gone = make_room(&mut self.identities, |identity| (false, identity.touched()));
                self.forgotten.identities += gone.len() as u64;
            }
            self.identities.entry(*key).or_insert_with(|| Identity::new(identity.words)).join(identity);
        }
        self.shapes.join(&harvest.shapes);
        self.forgotten.add(harvest.forgotten);
    }

    /// Adds what a conversation says of its client (0) or its server (1).
    fn host(&mut self, key: &Key, record: &Record, side: usize) {
        let address = [key.client, key.server][side];
        if self.hosts.len() >= self.limits.devices && !self.hosts.contains_key(&address) {
            let gone = make_room(&mut self.hosts, |host| (host.sent > 0, host.touched));
            self.forgotten.devices += gone.len() as u64;
        }
        let host = self.hosts.entry(address).or_default();
        widen(&mut host.span, record.span);
        host.sent += record.sent[side];
        host.received += record.sent[1 - side];
        host.touched = host.touched.max(record.touched);
    }

    /// How many devices are known.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// From when to when something was seen.
    pub fn span(&self) -> Option<Span> {
        self.span
    }

    /// What was not remembered for lack of room, here and where it was gathered.
    pub fn forgotten(&self) -> Forgotten {
        let points = self.forgotten.points + self.points.forgotten;
        let units = self.conversations.values().map(|record| record.units_left_out).sum();
        Forgotten { points, units, ..self.forgotten }
    }

    /// Conversations in our protocols since a time in which one side says much and the other was never heard.
    pub fn one_sided(&self, since: Timestamp) -> usize {
        /// Messages before it is odd that nobody answers.
        const MANY: u64 = 10;
        let recent = |record: &Record| record.span.is_some_and(|span| span.last >= since);
        let alone = |record: &Record| !record.heard && record.sent[1] == 0 && record.sent[0] >= MANY;
        let all = self.conversations.iter().filter(|(key, _)| key.proto.is_some());
        all.filter(|(_, record)| recent(record) && alone(record)).count()
    }

    /// All conversations, sorted by client and server. Messages that do not say who of two asks are counted where the
    /// two are known to speak.
    pub fn conversations(&self) -> BTreeMap<Key, Record> {
        self.conversations_where(|_| true)
    }

    /// The conversations that an address takes part in, as [`Inventory::conversations`].
    pub fn conversations_of(&self, address: Address) -> BTreeMap<Key, Record> {
        self.conversations_where(|key| key.client == address || key.server == address)
    }

    /// Some of the conversations; what is wanted must not depend on who of the two is the client.
    fn conversations_where(&self, wanted: impl Fn(&Key) -> bool) -> BTreeMap<Key, Record> {
        let all = || self.conversations.iter().filter(|(key, _)| wanted(key));
        let placed = || all().filter(|(key, _)| key.placed);
        let weights: HashMap<Key, (u64, u64), RandomState> =
            placed().map(|(key, record)| (*key, (record.messages(), record.unanswered))).collect();
        let mut known: BTreeMap<Key, Record> = placed().map(|(key, record)| (*key, record.clone())).collect();
        for (key, record) in all().filter(|(key, _)| !key.placed) {
            let [straight, turned] = [key.settled(false), key.settled(true)];
            let (key, record) = match (weights.get(&straight), weights.get(&turned)) {
                (None, None) => (*key, record.clone()),
                (own, other) if other > own => (turned, record.clone().turned()),
                _ => (straight, record.clone()),
            };
            known.entry(key).or_default().join(&record, self.limits.units);
        }
        known
    }

    /// The kinds of messages seen at or after a time, in nanoseconds since 1970; none where [`Limits::shapes`] is 0.
    pub fn shapes(&self, since: i64) -> impl Iterator<Item = &Shape> {
        self.shapes.all().filter(move |shape| shape.last.ts.nanos >= since)
    }

    /// Messages whose kind there was no room for.
    pub fn shapes_left_out(&self) -> u64 {
        self.shapes.left_out()
    }

    /// All devices, sorted by address, with what people call them.
    pub fn devices(&self, names: &dyn Names) -> Vec<Device> {
        device::devices(&self.hosts, &self.conversations(), &self.identities, names)
    }

    /// One device with its conversations, without the work of putting all others together; `None` where it is not
    /// known.
    pub fn device(&self, address: Address, names: &dyn Names) -> Option<(Device, BTreeMap<Key, Record>)> {
        let host = self.hosts.get(&address)?;
        let conversations = self.conversations_of(address);
        let others = |macs: &Few<Mac, 4>| {
            let ends =
                |(key, record): (&Key, &Record)| [(key.client, record.macs[0]), (key.server, record.macs[1])];
            let shared = |(other, own): (Address, Few<Mac, 2>)| {
                other != address && own.iter().any(|mac| macs.iter().any(|known| known == mac))
            };
            self.conversations.iter().flat_map(ends).any(shared)
        };
        let said = self.identities.iter().filter(|(key, _)| key.server == address);
        let device = device::device(address, host, &conversations, said, others, names);
        Some((device, conversations))
    }

    /// How many points each device has, how many of those were ever written, and when they were last seen.
    pub fn points_by_device(&self) -> BTreeMap<Address, PointCount> {
        let mut all: BTreeMap<Address, PointCount> = BTreeMap::new();
        for (key, _, point) in self.points.iter() {
            let count = all.entry(key.server).or_default();
            count.points += 1;
            count.written += u64::from(point.writes > 0);
            widen(&mut count.span, point.span);
        }
        all
    }

    /// The points of one device, or of all, sorted.
    pub fn points(&self, of: Option<Address>) -> Vec<(PointKey, &'static Vocabulary, &Point)> {
        let mut points: Vec<_> =
            self.points.iter().filter(|(key, ..)| of.is_none_or(|of| key.server == of)).collect();
        points.sort_unstable_by_key(|(key, ..)| *key);
        points
    }

    /// One point, with the words of its protocol.
    pub fn point(&self, key: &PointKey) -> Option<(&'static Vocabulary, &Point)> {
        self.points.get(key)
    }

    /// How many points are known.
    pub fn point_count(&self) -> usize {
        self.points.len()
    }
}

impl Default for Host {
    fn default() -> Host {
        Host { span: None, sent: 0, received: 0, touched: i64::MIN }
    }
}
