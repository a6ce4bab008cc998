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
    let mut at: HashMap<Address, End> = HashMap::new();
    for (number, group) in plan.groups.iter().enumerate() {
        for device in by_group.get(&(group.kind.clone(), group.name.clone())).into_iter().flatten() {
            at.insert(device.address, End::Group(number));
        }
        for (place, member) in group.members.iter().enumerate() {
            at.insert(member.address, End::Member(number, place));
        }
    }
    let mut pairs: BTreeMap<[Address; 2], Line> = BTreeMap::new();
    let blank = |[a, b]: [Address; 2]| {
        let ends = [*at.get(&a)?, *at.get(&b)?];
        (a != b).then(|| Line {
            ends,
            protocols: BTreeSet::new(),
            messages: 0,
            commands: 0,
            open: open.between(a, b),
        })
    };
    let sorted = |a: Address, b: Address| if a <= b { [a, b] } else { [b, a] };
    for talk in &facts.talks {
        let pair = sorted(talk.ends[0], talk.ends[1]);
        let Some(line) = pairs.get(&pair).cloned().or_else(|| blank(pair)) else { continue };
        let line = pairs.entry(pair).or_insert(line);
        line.protocols.extend(talk.protocol);
        line.messages += talk.messages;
        line.commands += talk.commands;
    }
    // What alerts are about may be forgotten by the inventory while its devices are still known.
    for ((a, b), _) in open.pairs() {
        let pair = sorted(a, b);
        if let Some(line) = blank(pair) {
            pairs.entry(pair).or_insert(line);
        }
    }
    plan.bundled = !plan.large || pairs.len() > PAIRS;
    if !plan.bundled {
        plan.lines = pairs.into_values().collect();
        plan.lines.sort_by_key(by_state);
        return;
    }
    plan.alerting = pairs.values().filter(|line| line.open.is_some()).cloned().collect();
    plan.alerting.sort_by_key(|line| Reverse(by_state(line)));
    plan.alerting.truncate(PAIRS);
    let mut all: BTreeMap<[End; 2], Line> = BTreeMap::new();
    for (_, mut line) in pairs {
        let group_of = |end: End| match end {
            End::Group(group) | End::Member(group, _) => End::Group(group),
        };
        line.ends = line.ends.map(group_of);
        line.ends.sort_unstable();
        match all.get_mut(&line.ends) {
            None => {
                all.insert(line.ends, line);
            }
            Some(known) => {
                known.protocols.extend(line.protocols);
                known.messages += line.messages;
                known.commands += line.commands;
                known.open = known.open.into_iter().chain(line.open).reduce(Open::with);
            }
        }
    }
    plan.lines = all.into_values().filter(|line| line.ends[0] != line.ends[1]).collect();
    plan.lines.sort_by_key(by_state);
}

/// What makes a line stand above others: open alerts, the worst, the most.
fn by_state(line: &Line) -> (Option<(Severity, u64)>, u64) {
    (line.open.map(|open| (open.worst, open.count)), line.messages)
}
