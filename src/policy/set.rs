//! The rules, compiled: who is asked about (a pair of ends), then what they did.
//!
//! A [`RuleSet`] never changes; a reload makes a new one. [`RuleSet::pair`] is asked once for each direction of a
//! conversation and may take a lock; [`RuleSet::judge`] is asked for each message and takes none, allocates
//! nothing and costs the same whatever the number of rules.

use super::calendar::Calendar;
use super::memory::Memory;
use super::places::{End, Place, Places};
use super::rule::{Carrier, Maintenance, NamedPoint, Rule, RuleId, RuleKind, Traffic};
use super::scene::Scene;
use super::sentence::Lexicon;
use super::table::{Miss, PairTable};
use super::test_case::TestCase;
use super::verdict::{Verdict, Why};
use crate::address::{Timestamp, Transport};
use crate::event::{Event, Flow, Kind, Space, Verb, Vocabulary};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What happens to what no rule speaks of: `true` lets it pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Defaults {
    /// Messages of control protocols. Not allowed where the files do not say.
    pub control_traffic: bool,
    /// Other conversations. Allowed where the files do not say.
    pub other_traffic: bool,
}

impl Default for Defaults {
    fn default() -> Self {
        Defaults { control_traffic: false, other_traffic: true }
    }
}

/// A zone of the plant (ISA/IEC 62443), for the map.
#[derive(Clone, Debug, PartialEq)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Its level in the Purdue model, where given.
    pub level: Option<f64>,
    /// Where its members are.
    pub places: Vec<Place>,
}

/// A host or a group, and where it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// Whether it is a group.
    pub is_group: bool,
    /// Where it is, in the order of the file.
    pub places: Vec<Place>,
}

/// Two zones that may speak, and what.
#[derive(Clone, Debug, PartialEq)]
pub struct Conduit {
    /// Its name.
    pub name: String,
    /// The zones, any of which may speak with any other of them; by their place in [`RuleSet::zones`].
    pub between: Vec<u16>,
    /// What they may speak.
    pub traffic: Vec<Traffic>,
    /// The ports of the server, of other traffic; empty is all.
    pub ports: Vec<std::ops::RangeInclusive<u16>>,
}

/// Who an address is, as far as the files say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who<'r> {
    /// This host: its own address, or its MAC address.
    Host(&'r str),
    /// One of those that a host's prefix, or a member of a group, covers.
    Within(&'r str),
    /// Nobody that the files name.
    Unknown,
}

/// The number of the set that holds everyone.
pub(super) const ANYONE: u32 = 0;

/// What the files say, checked and resolved.
#[derive(Default, Debug)]
pub(super) struct Parts {
    pub rules: Vec<Rule>,
    /// For each place, the sets that it belongs to.
    pub sets: Places<Vec<u32>>,
    /// For each place, the host that it is.
    pub hosts: Places<String>,
    /// For each place that a group names without a host, the group.
    pub members: Places<String>,
    /// Hosts, then groups, in the order of the files.
    pub names: Vec<Named>,
    pub zones: Vec<Zone>,
    pub conduits: Vec<Conduit>,
    pub points: Vec<Arc<NamedPoint>>,
    pub maintenance: Vec<Maintenance>,
    pub calendar: Calendar,
    pub defaults: Defaults,
    pub tests: Vec<TestCase>,
    /// The protocols that the rules may be about.
    pub vocabularies: Vec<&'static Vocabulary>,
}

/// All the rules, ready to judge. Share it as an `Arc`.
pub struct RuleSet {
    parts: Parts,
    generation: u64,
    /// Control rules by the sets of sender and receiver.
    by_sides: HashMap<(u32, u32), Vec<u32>, FixedState>,
    by_sender: HashMap<u32, Vec<u32>, FixedState>,
    /// The zone of each place of one.
    zone_of: Places<u16>,
    /// Named points by protocol, space and first index.
    point_at: HashMap<(u8, u16, u32), Vec<u32>, FixedState>,
    cache: Mutex<Cache>,
}

/// The rules about one flow and its opposite, found once and kept by the caller beside the conversation. It belongs
/// to the rule set that made it: after a reload it must be made anew ([`Pair::generation`]).
#[derive(Clone, Debug)]
pub struct Pair {
    there: Arc<PairTable>,
    back: Arc<PairTable>,
    /// The zones of the two, where no conduit lets them speak the protocol.
    crossing: Option<(u16, u16)>,
    remembers: bool,
    generation: u64,
}

impl Pair {
    /// The [`RuleSet::generation`] that it belongs to.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The expect rules from sender to receiver, and from receiver to sender.
    pub(super) fn expects(&self) -> (&[u32], &[u32]) {
        (self.there.expects(), self.back.expects())
    }

    /// The rules about what the sender does to the receiver, by their places.
    pub(super) fn rules(&self) -> &[u32] {
        self.there.rules()
    }

    /// Whether anything is expected of the two.
    pub fn is_awaited(&self) -> bool {
        !self.there.expects().is_empty() || !self.back.expects().is_empty()
    }

    /// Whether what is said between the two is judged by what was said before, there or elsewhere: by rates, changes
    /// and expectations. Such messages must all be judged with the same [`Memory`], in the order in which they
    /// happened; others may be judged with any.
    pub fn remembers(&self) -> bool {
        self.remembers
    }

    /// The pair of the opposite direction.
    pub fn reversed(&self) -> Pair {
        Pair {
            there: self.back.clone(),
            back: self.there.clone(),
            crossing: self.crossing.map(|(from, to)| (to, from)),
            remembers: self.remembers,
            generation: self.generation,
        }
    }
}

/// What kept a message from being allowed: put into a reason only where somebody asks.
enum Failed<'a> {
    Pair,
    Answer,
    Request(Miss<'a>),
}

/// Tables made so far. The wire decides which, so both maps have a bound and a secret seed; what is in use stays
/// alive with its conversations when they are emptied.
#[derive(Default)]
struct Cache {
    by_ends: HashMap<(End, End, u8), Arc<PairTable>>,
    by_rules: HashMap<Arc<[u32]>, Arc<PairTable>>,
    weight: usize,
}

/// Pairs of ends remembered before the cache starts anew.
const PAIRS: usize = 1 << 16;
/// Rules in all remembered tables before the cache starts anew.
const WEIGHT: usize = 1 << 21;

static GENERATION: AtomicU64 = AtomicU64::new(1);

impl RuleSet {
    pub(super) fn new(parts: Parts) -> Self {
        let mut by_sides: HashMap<(u32, u32), Vec<u32>, FixedState> = HashMap::default();
        let mut by_sender: HashMap<u32, Vec<u32>, FixedState> = HashMap::default();
        for (id, rule) in (0u32..).zip(&parts.rules) {
            by_sides.entry((rule.from, rule.to)).or_default().push(id);
            by_sender.entry(rule.from).or_default().push(id);
        }
        let generation = GENERATION.fetch_add(1, Ordering::Relaxed);
        let mut zone_of = Places::default();
        for (number, zone) in (0u16..).zip(&parts.zones) {
            for place in &zone.places {
                zone_of.entry(*place, || number);
            }
        }
        let mut point_at: HashMap<(u8, u16, u32), Vec<u32>, FixedState> = HashMap::default();
        for (number, point) in (0u32..).zip(&parts.points) {
            let key = (point.protocol, point.span.space.0, point.span.first);
            point_at.entry(key).or_default().push(number);
        }
        RuleSet { parts, generation, by_sides, by_sender, zone_of, point_at, cache: Mutex::default() }
    }

    /// A rule set without rules that lets everything pass: what a sensor without rule files has.
    pub fn permissive() -> Self {
        let defaults = Defaults { control_traffic: true, other_traffic: true };
        RuleSet::new(Parts { defaults, ..Parts::default() })
    }

    /// A number that no other rule set of this process has.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The rules in the order of the files. [`RuleId`] counts them from 0.
    pub fn rules(&self) -> &[Rule] {
        &self.parts.rules
    }

    /// The rule of this id, if it is of this set.
    pub fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.parts.rules.get(id.0 as usize)
    }

    /// What happens to what no rule speaks of.
    pub fn defaults(&self) -> Defaults {
        self.parts.defaults
    }

    /// The hosts, then the groups, in the order of the files.
    pub fn names(&self) -> &[Named] {
        &self.parts.names
    }

    /// The test cases of the files, in their order.
    pub fn tests(&self) -> &[TestCase] {
        &self.parts.tests
    }

    /// The protocols that the rules may be about.
    pub fn vocabularies(&self) -> &[&'static Vocabulary] {
        &self.parts.vocabularies
    }

    /// What the words of a sentence may mean.
    pub fn lexicon(&self) -> Lexicon<'_> {
        let Parts { vocabularies, names, calendar, .. } = &self.parts;
        Lexicon { vocabularies, names, calendar }
    }

    /// The zones of the plant.
    pub fn zones(&self) -> &[Zone] {
        &self.parts.zones
    }

    /// What may be spoken between zones; where there is none, zones are for the map only.
    pub fn conduits(&self) -> &[Conduit] {
        &self.parts.conduits
    }

    /// The maintenance windows.
    pub fn maintenance(&self) -> &[Maintenance] {
        &self.parts.maintenance
    }

    /// The time zone, holidays and named windows.
    pub fn calendar(&self) -> &Calendar {
        &self.parts.calendar
    }

    /// The points that have a name.
    pub fn points(&self) -> &[Arc<NamedPoint>] {
        &self.parts.points
    }

    /// The name of a point: `end` is where its device is.
    pub fn point(
        &self,
        end: End,
        protocol: u8,
        device: Option<u32>,
        at: (Space, u32),
    ) -> Option<&NamedPoint> {
        let known = self.point_at.get(&(protocol, at.0.0, at.1))?;
        let mut points = known.iter().filter_map(|number| self.parts.points.get(*number as usize));
        points.find(|point| point.is_of(end, device)).map(|point| &**point)
    }

    /// Whether any rule expects something to happen.
    pub fn expects(&self) -> bool {
        self.parts.rules.iter().any(|rule| rule.kind == RuleKind::Expect)
    }

    /// The zones of two ends, where they differ and no conduit lets them speak this.
    fn crossing(&self, a: End, b: End, covers: impl Fn(&Conduit) -> bool) -> Option<(u16, u16)> {
        if self.parts.conduits.is_empty() {
            return None;
        }
        let (from, to) = (self.zone_number(a)?, self.zone_number(b)?);
        let joins = |conduit: &&Conduit| conduit.between.contains(&from) && conduit.between.contains(&to);
        let carried = self.parts.conduits.iter().filter(joins).any(covers);
        (from != to && !carried).then_some((from, to))
    }

    /// The zone of an end: the narrowest that holds it.
    pub(super) fn zone_number(&self, end: End) -> Option<u16> {
        self.zone_of.of(end).next().map(|(_, zone)| *zone)
    }

    /// The rules about what somebody sends to an end, in order.
    pub(super) fn rules_to(&self, end: End) -> impl Iterator<Item = &Rule> {
        let to = self.sets_of(end);
        self.parts.rules.iter().filter(move |rule| to.binary_search(&rule.to).is_ok())
    }

    /// The host that an end is: by its own address, then by its MAC address, then by the narrowest prefix.
    pub fn name_of(&self, end: End) -> Option<&str> {
        self.parts.hosts.of(end).next().map(|(_, name)| name.as_str())
    }

    /// Who an end is: as [`RuleSet::name_of`], and by groups that name it without a host.
    pub fn who(&self, end: End) -> Who<'_> {
        let member = || self.parts.members.of(end).next().map(|(_, group)| Who::Within(group));
        match self.parts.hosts.of(end).next() {
            Some((place, host)) if place.is_single() => Who::Host(host),
            Some((_, host)) => Who::Within(host),
            None => member().unwrap_or(Who::Unknown),
        }
    }

    /// Finds the rules about a flow (and its opposite) in a control protocol. Ask once for each direction of a
    /// conversation, and again after a reload.
    pub fn pair(&self, flow: &Flow, protocol: &'static Vocabulary) -> Pair {
        let (sender, receiver) = self.ends(flow);
        let there = self.table(sender, receiver, protocol);
        let back = self.table(receiver, sender, protocol);
        Pair {
            remembers: there.remembers() || back.remembers(),
            there,
            back,
            crossing: self.crossing(End::sender(flow), End::receiver(flow), |conduit| {
                conduit.traffic.iter().any(|traffic| traffic.covers(protocol))
            }),
            generation: self.generation,
        }
    }

    fn ends(&self, flow: &Flow) -> (End, End) {
        let sets = &self.parts.sets;
        (sets.telling(End::sender(flow)), sets.telling(End::receiver(flow)))
    }

    fn table(&self, sender: End, receiver: End, protocol: &'static Vocabulary) -> Arc<PairTable> {
        let key = (sender, receiver, protocol.id);
        // A panic elsewhere cannot leave the cache wrong: it only ever gains whole entries.
        let lock = || self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(table) = lock().by_ends.get(&key) {
            return table.clone();
        }
        let ids = self.matching(sender, receiver, |rule| rule.traffic.covers(protocol));
        let known = lock().by_rules.get(ids.as_slice()).cloned();
        let table = known.unwrap_or_else(|| Arc::new(PairTable::new(&ids, &self.parts.rules)));
        let mut cache = lock();
        if cache.by_ends.len() >= PAIRS || cache.weight >= WEIGHT {
            *cache = Cache::default();
        }
        if cache.by_rules.insert(ids.into(), table.clone()).is_none() {
            cache.weight += table.weight();
        }
        cache.by_ends.insert(key, table.clone());
        table
    }

    /// The rules, in order, whose `from` and `to` hold these ends.
    fn matching(&self, sender: End, receiver: End, wanted: impl Fn(&Rule) -> bool) -> Vec<u32> {
        let (from, to) = (self.sets_of(sender), self.sets_of(receiver));
        let rule_of = |id: &u32| self.parts.rules.get(*id as usize);
        let mut ids: Vec<u32> = if from.len().saturating_mul(to.len()) <= self.parts.rules.len() {
            let sides = from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to)));
            sides.filter_map(|sides| self.by_sides.get(&sides)).flatten().copied().collect()
        } else {
            let sent = from.iter().filter_map(|from| self.by_sender.get(from)).flatten();
            sent.filter(|id| rule_of(id).is_some_and(|rule| to.binary_search(&rule.to).is_ok()))
                .copied()
                .collect()
        };
        ids.retain(|id| rule_of(id).is_some_and(&wanted));
        ids.sort_unstable();
        ids
    }

    /// The single hosts of a set, each with all its places, sorted; none where it holds anything wider.
    pub(super) fn hosts_of(&self, set: u32) -> Vec<Vec<Place>> {
        let all = self.parts.sets.iter().filter(|(_, sets)| sets.contains(&set));
        let mut places: Vec<Place> = all.map(|(place, _)| *place).collect();
        places.sort_unstable();
        if !places.iter().all(Place::is_single) {
            return Vec::new();
        }
        let mut hosts: Vec<Vec<Place>> = Vec::new();
        let mut known: HashMap<&String, usize, FixedState> = HashMap::default();
        for place in places {
            let name = self.parts.hosts.get(&place);
            match name.and_then(|name| hosts.get_mut(*known.get(name)?)) {
                Some(places) => places.push(place),
                None => {
                    known.extend(name.map(|name| (name, hosts.len())));
                    hosts.push(vec![place]);
                }
            }
        }
        hosts
    }

    /// The places that a rule's `from` and `to` name, sorted; none is anyone.
    pub fn places_of(&self, rule: &Rule) -> [Vec<Place>; 2] {
        [rule.from, rule.to].map(|set| {
            let all = self.parts.sets.iter().filter(|(_, sets)| sets.contains(&set));
            let mut places: Vec<Place> = all.map(|(place, _)| *place).collect();
            places.sort_unstable();
            places
        })
    }

    /// The sets that an end belongs to, sorted.
    fn sets_of(&self, end: End) -> Vec<u32> {
        let mut sets = vec![ANYONE];
        self.parts.sets.of(end).for_each(|(_, more)| sets.extend_from_slice(more));
        sets.sort_unstable();
        sets.dedup();
        sets
    }

    /// Judges one message; `pair` is that of its own flow ([`Event::flow`]).
    ///
    /// - Requests, and messages of protocols that do not ask and answer: every run of points must be allowed with
    ///   its own verb, each by some rule, and every value must be inside that rule's limits.
    /// - Answers: only where their request was not seen, then by what the receiver may ask of the sender (device,
    ///   verb and function; points and values are not judged).
    /// - Unsolicited messages: allowed where a rule from sender to receiver allows them, or where one lets the
    ///   receiver read the sender: it asked for the data.
    /// - Session messages (connect, keep-alive, confirm, link layer) and parts of longer messages: allowed where any rule allows anything
    ///   between the two in either direction.
    ///
    /// Deny rules come first in all of them, then conduits. `memory` is what rates, changes and windows of time are
    /// told by: the same one for all messages that a worker sees, in the order in which they happened.
    pub fn judge(&self, pair: &Pair, event: &Event<'_>, memory: &mut Memory) -> Verdict {
        debug_assert_eq!(pair.generation, self.generation, "the pair is of other rules");
        memory.belong(self);
        let verdict = self.verdict(pair, event, memory);
        memory.settle(matches!(verdict, Verdict::Allowed { .. }), &self.parts.rules, event);
        if pair.there.watches_changes() && matches!(event.kind, Kind::Request | Kind::Message) {
            memory.write(event);
        }
        verdict
    }

    fn verdict(&self, pair: &Pair, event: &Event<'_>, memory: &Memory) -> Verdict {
        let rules = &self.parts.rules;
        let scene = Scene { rules, maintenance: &self.parts.maintenance, memory, event };
        let denied_by = match event.kind {
            Kind::Malformed => return Verdict::NotJudged,
            Kind::Response if event.request.is_some() => return Verdict::NotJudged,
            Kind::Response => &pair.back,
            Kind::Request | Kind::Unsolicited | Kind::Message => &pair.there,
        };
        if let Some(rule) = denied_by.objects(scene) {
            return Verdict::Denied { rule: RuleId(rule) };
        }
        if let Some((from, to)) = pair.crossing {
            return Verdict::NotAllowed { nearest: None, why: Why::Conduit { from, to } };
        }
        let allowed = match event.kind {
            _ if event.verb == Verb::Session || event.is_piece() => {
                let first = pair.there.first_allow().into_iter().chain(pair.back.first_allow()).min();
                first.ok_or(Failed::Pair)
            }
            Kind::Response => pair.back.allows_answered(event).ok_or(Failed::Answer),
            Kind::Unsolicited => pair
                .there
                .allows(scene)
                .or_else(|miss| pair.back.grants(event.device, Verb::Read).ok_or(Failed::Request(miss))),
            _ => pair.there.allows(scene).map_err(Failed::Request),
        };
        let (nearest, why) = match allowed {
            Ok(rule) => return Verdict::Allowed { rule: Some(RuleId(rule)) },
            Err(_) if self.parts.defaults.control_traffic => return Verdict::Allowed { rule: None },
            Err(Failed::Pair) => (None, Why::NoRule),
            Err(Failed::Answer) => pair.back.why_not(event, rules),
            Err(Failed::Request(miss)) => pair.there.nearest(&miss, scene),
        };
        Verdict::NotAllowed { nearest: nearest.map(RuleId), why }
    }

    /// Judges a conversation that is no control protocol, once. `flow` is from client to server; where it is not
    /// known who is which, either will do: the end with the lower port is then taken for the server. `ts` is when it
    /// began; `memory` as in [`RuleSet::judge`].
    pub fn judge_conversation(&self, flow: &Flow, ts: Timestamp, memory: &mut Memory) -> Verdict {
        self.judge_either(flow, flow.src.port < flow.dst.port, ts, memory)
    }

    /// As [`RuleSet::judge_conversation`], of one that was picked up in the middle, so that nobody knows who opened
    /// it: what either may use of the other will do.
    pub fn judge_picked_up(&self, flow: &Flow, ts: Timestamp, memory: &mut Memory) -> Verdict {
        self.judge_either(flow, true, ts, memory)
    }

    fn judge_either(&self, flow: &Flow, both: bool, ts: Timestamp, memory: &mut Memory) -> Verdict {
        memory.belong(self);
        let (sender, receiver) = self.ends(flow);
        let crossing = self.crossing(End::sender(flow), End::receiver(flow), |conduit| {
            let carried = conduit.traffic.iter().any(|traffic| match traffic {
                Traffic::Any => true,
                Traffic::Other(carrier) => carries(*carrier, flow.transport),
                Traffic::Control | Traffic::Protocols(_) => false,
            });
            let port = if both { [flow.src.port, flow.dst.port] } else { [flow.dst.port; 2] };
            let has_ports = matches!(flow.transport, Transport::Tcp | Transport::Udp);
            carried
                && (conduit.ports.is_empty()
                    || !has_ports
                    || conduit.ports.iter().any(|ports| port.iter().any(|p| ports.contains(p))))
        });
        let mut ids = self.conversation_rules(sender, receiver, flow.transport, flow.dst.port);
        if both {
            ids.extend(self.conversation_rules(receiver, sender, flow.transport, flow.src.port));
        }
        ids.sort_unstable();
        let rule = |id: &u32| self.parts.rules.get(*id as usize);
        let relaxing = |rule| memory.relaxing(&self.parts.maintenance, rule, ts);
        let holds = |id: u32, rule: &Rule| memory.is_during(id, rule, ts);
        let first = |kind| {
            let mut of_kind =
                ids.iter().filter_map(|id| Some((*id, rule(id).filter(|rule| rule.kind == kind)?)));
            of_kind.find(|(id, rule)| match relaxing(rule) {
                None => holds(*id, rule),
                Some(window) => {
                    let objects = holds(*id, rule) == (kind == RuleKind::Deny);
                    if objects {
                        memory.relax(window, *id, ts);
                    }
                    kind == RuleKind::Allow
                }
            })
        };
        let first = |kind| first(kind).map(|(id, _)| RuleId(id));
        let why = crossing.map(|(from, to)| Why::Conduit { from, to });
        match (first(RuleKind::Deny), first(RuleKind::Allow)) {
            (Some(rule), _) => Verdict::Denied { rule },
            (None, _) if why.is_some() => {
                Verdict::NotAllowed { nearest: None, why: why.unwrap_or(Why::NoRule) }
            }
            (None, Some(rule)) => Verdict::Allowed { rule: Some(rule) },
            (None, None) if self.parts.defaults.other_traffic => Verdict::Allowed { rule: None },
            (None, None) => Verdict::NotAllowed { nearest: None, why: Why::NoRule },
        }
    }

    fn conversation_rules(&self, client: End, server: End, transport: Transport, port: u16) -> Vec<u32> {
        self.matching(client, server, |rule| {
            let carried = match rule.traffic {
                Traffic::Any => true,
                Traffic::Other(carrier) => carries(carrier, transport),
                Traffic::Control | Traffic::Protocols(_) => false,
            };
            let number = number(rule.traffic, transport, port);
            carried && rule.ports.as_ref().is_none_or(|all| all.iter().any(|range| range.contains(&number)))
        })
    }
}

/// What a rule's list of numbers is about: the port of the server, the IP protocol, or the EtherType.
pub(super) fn number(traffic: Traffic, transport: Transport, port: u16) -> u16 {
    match (traffic, transport) {
        (Traffic::Other(Carrier::Ip), _) => transport.ip_protocol().map_or(0, u16::from),
        (_, Transport::Ethernet(kind)) => kind,
        _ => port,
    }
}

pub(super) fn carries(carrier: Carrier, transport: Transport) -> bool {
    match carrier {
        Carrier::Tcp => transport == Transport::Tcp,
        Carrier::Udp => transport == Transport::Udp,
        Carrier::Icmp => matches!(transport, Transport::Ip(1 | 58)),
        Carrier::Ip => !matches!(transport, Transport::Ethernet(_)),
        Carrier::Ethernet => matches!(transport, Transport::Ethernet(_)),
    }
}

impl std::fmt::Debug for RuleSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RuleSet").field("rules", &self.parts.rules.len()).finish_non_exhaustive()
    }
}
