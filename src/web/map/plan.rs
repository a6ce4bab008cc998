//! What the map shows: groups of devices, and lines between devices or between groups.
//!
//! A picture has to be readable with ten devices and with five hundred. Few devices are drawn large, with every pair
//! that speaks as a line. Many are drawn small, and what they say is drawn between their groups. More than that are counted,
//! except those with the worst open alerts.

use crate::address::Address;
use crate::alert::Severity;
use crate::inventory::{Device, Inventory, Names, Role};
use crate::policy::RuleSet;
use crate::web::devices::{natural, zone_of};
use crate::web::open_alerts::{Open, OpenAlerts};
use foldhash::quality::RandomState;
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Devices that are drawn large.
const LARGE: usize = 40;
/// Devices that are drawn at all.
const DRAWN: usize = 600;
/// Devices of a group that are drawn where most are only counted: those with the worst alerts.
const WORST: usize = 15;
/// Pairs that are drawn as lines between devices, or listed.
const PAIRS: usize = 80;

/// A device on the map.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its address.
    pub address: Address,
    /// Its name, or its address.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Its open alerts.
    pub open: Option<Open>,
}

/// What a group is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A zone of the rules.
    Zone,
    /// An IP network, where the rules have no zones.
    Network,
    /// Devices that are in no zone.
    Outside,
}

/// A zone or a network with its devices.
#[derive(Clone, Debug)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// How high it stands: the level of the rules, else judged by who commands whom.
    pub level: f64,
    /// The devices that are drawn.
    pub members: Vec<Member>,
    /// Devices that are only counted.
    pub counted: usize,
    /// The open alerts of its devices.
    pub open: Option<Open>,
}

/// An end of a line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum End {
    /// A group, by its place.
    Group(usize),
    /// A device: its group and its place there.
    Member(usize, usize),
}

/// Who speaks with whom.
#[derive(Clone, Debug)]
pub struct Line {
    /// The two.
    pub ends: [End; 2],
    /// The protocols.
    pub protocols: BTreeSet<&'static str>,
    /// All messages.
    pub messages: u64,
    /// Commands among them.
    pub commands: u64,
    /// Open alerts between the two.
    pub open: Option<Open>,
}

impl Line {
    /// Nothing said yet.
    fn between(ends: [End; 2]) -> Line {
        Line { ends, protocols: BTreeSet::new(), messages: 0, commands: 0, open: None }
    }
}

/// What is shown.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The groups, from the top.
    pub groups: Vec<Group>,
    /// The lines: those with open alerts last, so that they are drawn on top.
    pub lines: Vec<Line>,
    /// Where lines are bundled: the pairs of devices with open alerts, the worst first.
    pub alerting: Vec<Line>,
    /// Whether devices are drawn large.
    pub large: bool,
    /// Whether lines are between groups only.
    pub bundled: bool,
    /// Devices on the map, counted ones too.
    pub devices: usize,
    /// Addresses of many, which are no devices.
    pub group_addresses: usize,
}

/// A conversation, whoever asks.
struct Talk {
    ends: [Address; 2],
    protocol: Option<&'static str>,
    messages: u64,
    commands: u64,
}

/// The facts that a plan is made of.
pub struct Facts {
    devices: Vec<Device>,
    talks: Vec<Talk>,
}

impl Facts {
    /// Takes what is needed from the inventory, so that it is not held while the picture is made.
    pub fn read(inventory: &Inventory, names: &dyn Names) -> Facts {
        let talks = inventory.conversations().into_iter().map(|(key, record)| Talk {
            ends: [key.client, key.server],
            protocol: record.words.map(|words| words.name),
            messages: record.messages(),
            commands: record.commands(),
        });
        Facts { devices: inventory.devices(names), talks: talks.collect() }
    }
}

/// Makes the plan. `only` is the name of one group whose devices are shown, with what they speak to.
pub fn plan(facts: &Facts, rules: Option<&RuleSet>, open: &OpenAlerts, only: Option<&str>) -> Plan {
    let zoned = rules.is_some_and(|rules| !rules.zones().is_empty());
    let is_drawn = |device: &&Device| device.role() != Role::Group;
    let mut by_group: BTreeMap<(Kind, String), Vec<&Device>> = BTreeMap::new();
    for device in facts.devices.iter().filter(is_drawn) {
        let group = match zone_of(device, rules) {
            Some(zone) => (Kind::Zone, zone.to_owned()),
            None if zoned => (Kind::Outside, "In no zone".to_owned()),
            None => (Kind::Network, network(device.address)),
        };
        by_group.entry(group).or_default().push(device);
    }
    if let Some(only) = only {
        keep_peers(&mut by_group, facts, only);
    }
    let devices: usize = by_group.values().map(Vec::len).sum();
    let shown = |name: &str| only.is_none_or(|only| only == name);
    let wanted: usize = by_group.iter().filter(|((_, name), _)| shown(name)).map(|(_, all)| all.len()).sum();
    let scores = scores(facts);
    let mut groups: Vec<Group> = by_group
        .iter()
        .map(|((kind, name), devices)| {
            let level = rules.filter(|_| *kind == Kind::Zone).and_then(|rules| {
                rules.zones().iter().find(|zone| zone.name == *name).and_then(|zone| zone.level)
            });
            let judged =
                || devices.iter().filter_map(|device| scores.get(&device.address)).sum::<i64>().signum();
            let all = devices.iter().map(|device| member(device, open));
            let few = wanted <= DRAWN;
            let mut members: Vec<Member> =
                all.filter(|member| shown(name) && (few || member.open.is_some())).collect();
            if !few {
                members.sort_by_key(|member| Reverse(member.open));
                members.truncate(WORST);
            }
            members.sort_by_cached_key(|member| (natural(&member.name), member.address));
            members.truncate(DRAWN);
            Group {
                name: name.clone(),
                kind: kind.clone(),
                level: level.unwrap_or_else(|| 2.0 + judged() as f64),
                counted: devices.len() - members.len(),
                members,
                open: devices.iter().filter_map(|device| open.of(device.address)).reduce(Open::with),
            }
        })
        .collect();
    groups.sort_by(|a, b| {
        let down = b.level.partial_cmp(&a.level).unwrap_or(Ordering::Equal);
        down.then_with(|| natural(&a.name).cmp(&natural(&b.name)))
    });
    let mut plan = Plan {
        large: wanted <= LARGE,
        devices,
        group_addresses: facts.devices.iter().filter(|device| device.role() == Role::Group).count(),
        groups,
        ..Plan::default()
    };
    lines(&mut plan, &by_group, facts, open);
    plan
}

/// Leaves one group, and of the others the devices that it speaks with.
fn keep_peers(by_group: &mut BTreeMap<(Kind, String), Vec<&Device>>, facts: &Facts, only: &str) {
    let of = |name: &str| name == only;
    let own: BTreeSet<Address> = by_group
        .iter()
        .filter(|((_, name), _)| of(name))
        .flat_map(|(_, devices)| devices.iter().map(|device| device.address))
        .collect();
    let mut peers = BTreeSet::new();
    for Talk { ends: [a, b], .. } in &facts.talks {
        if own.contains(a) {
            peers.insert(*b);
        }
        if own.contains(b) {
            peers.insert(*a);
        }
    }
    by_group.retain(|(_, name), devices| {
        devices.retain(|device| of(name) || peers.contains(&device.address));
        !devices.is_empty()
    });
}

fn member(device: &Device, open: &OpenAlerts) -> Member {
    Member {
        address: device.address,
        name: device.name.clone().unwrap_or_else(|| device.address.to_string()),
        role: device.role(),
        open: open.of(device.address),
    }
}

/// The network that an address is taken to be in: /24 of IPv4, /64 of IPv6.
fn network(address: Address) -> String {
    match address {
        Address::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        Address::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            format!("{}/64", std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        Address::Mac(_) => "By MAC address".into(),
    }
}

/// Messages that a device asks with, less those that it is asked with.
fn scores(facts: &Facts) -> HashMap<Address, i64> {
    let mut scores = HashMap::new();
    for Talk { ends: [client, server], protocol, messages, .. } in &facts.talks {
        if protocol.is_some() && client != server {
            let messages = i64::try_from(*messages).unwrap_or(i64::MAX);
            let client: &mut i64 = scores.entry(*client).or_default();
            *client = client.saturating_add(messages);
            let server = scores.entry(*server).or_default();
            *server = server.saturating_sub(messages);
        }
    }
    scores
}

fn lines(
    plan: &mut Plan,
    by_group: &BTreeMap<(Kind, String), Vec<&Device>>,
    facts: &Facts,
    open: &OpenAlerts,
) {
    let mut at: HashMap<Address, End, RandomState> = HashMap::default();
    for (number, group) in plan.groups.iter().enumerate() {
        for device in by_group.get(&(group.kind.clone(), group.name.clone())).into_iter().flatten() {
            at.insert(device.address, End::Group(number));
        }
        for (place, member) in group.members.iter().enumerate() {
            at.insert(member.address, End::Member(number, place));
        }
    }
    let on_map = |[a, b]: [Address; 2]| Some([*at.get(&a)?, *at.get(&b)?]).filter(|_| a != b);
    let mut said: HashMap<[Address; 2], Line, RandomState> = HashMap::default();
    for talk in &facts.talks {
        let pair = sorted(talk.ends);
        let Some(ends) = on_map(pair) else { continue };
        let line = said.entry(pair).or_insert_with(|| Line::between(ends));
        line.protocols.extend(talk.protocol);
        line.messages += talk.messages;
        line.commands += talk.commands;
    }
    // What alerts are about may be forgotten by the inventory while its devices are still known.
    let mut alerting: Vec<Alerting> = Vec::new();
    let mut silent = 0;
    for ((a, b), open) in open.pairs() {
        let pair = sorted([a, b]);
        let Some(ends) = on_map(pair) else { continue };
        let known = said.get_mut(&pair);
        silent += usize::from(known.is_none());
        let messages = known.map_or(0, |line| {
            line.open = Some(open);
            line.messages
        });
        alerting.push(Alerting { pair, ends, open, messages });
    }
    plan.bundled = !plan.large || said.len() + silent > PAIRS;
    let line = |one: &Alerting| {
        said.get(&one.pair)
            .cloned()
            .unwrap_or_else(|| Line { open: Some(one.open), ..Line::between(one.ends) })
    };
    if plan.bundled {
        let worst_first = |one: &Alerting| (Reverse((one.open, one.messages)), one.pair);
        if alerting.len() > PAIRS {
            alerting.select_nth_unstable_by_key(PAIRS, worst_first);
        }
        let mut worst: Vec<&Alerting> = alerting.iter().take(PAIRS).collect();
        worst.sort_by_key(|one| worst_first(one));
        plan.alerting = worst.into_iter().map(line).collect();
        plan.lines = bundle(said.values(), &alerting);
    } else {
        let alone = alerting.iter().filter(|one| !said.contains_key(&one.pair));
        let alone: Vec<([Address; 2], Line)> = alone.map(|one| (one.pair, line(one))).collect();
        let mut all: Vec<([Address; 2], Line)> = said.into_iter().chain(alone).collect();
        all.sort_by_key(|(pair, line)| (by_state(line), *pair));
        plan.lines = all.into_iter().map(|(_, line)| line).collect();
    }
}

/// Two with open alerts between them.
struct Alerting {
    pair: [Address; 2],
    ends: [End; 2],
    open: Open,
    messages: u64,
}

fn sorted([a, b]: [Address; 2]) -> [Address; 2] {
    if a <= b { [a, b] } else { [b, a] }
}

/// Lines between groups instead of devices; what is said within a group is left out.
fn bundle<'l>(said: impl Iterator<Item = &'l Line>, alerting: &[Alerting]) -> Vec<Line> {
    let group_of = |end: End| match end {
        End::Group(group) | End::Member(group, _) => End::Group(group),
    };
    let mut all: BTreeMap<[End; 2], Line> = BTreeMap::new();
    let mut between = |ends: [End; 2], add: &mut dyn FnMut(&mut Line)| {
        let mut ends = ends.map(group_of);
        ends.sort_unstable();
        if ends[0] != ends[1] {
            add(all.entry(ends).or_insert_with(|| Line::between(ends)));
        }
    };
    for line in said {
        between(line.ends, &mut |known| {
            known.protocols.extend(&line.protocols);
            known.messages += line.messages;
            known.commands += line.commands;
        });
    }
    for one in alerting {
        between(one.ends, &mut |known| {
            known.open = known.open.into_iter().chain([one.open]).reduce(Open::with);
        });
    }
    let mut lines: Vec<Line> = all.into_values().collect();
    lines.sort_by_key(by_state);
    lines
}

/// What makes a line stand above others: open alerts, the worst, the most.
fn by_state(line: &Line) -> (Option<(Severity, u64)>, u64) {
    (line.open.map(|open| (open.worst, open.count)), line.messages)
}
