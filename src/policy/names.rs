//! Hosts, groups and zones of all files, and what a name in a rule means.

use super::document::{Document, Node, Word, entries, integer, items, number};
use super::places::{Place, Places, parse_mac};
use super::problem::{Problem, nearest};
use super::set::{ANYONE, Named, Zone};
use ipnet::IpNet;
use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Range;
use std::rc::Rc;

/// How deep groups and zones may hold each other.
const DEEPEST: usize = 64;
/// Most zones of a rule set.
const MOST_ZONES: usize = 4096;

struct Host {
    places: Rc<[Place]>,
    file: usize,
    span: Range<usize>,
}

struct Group<'n> {
    members: Vec<Word<'n>>,
    file: usize,
    span: Range<usize>,
}

struct Zoned<'n> {
    name: Word<'n>,
    file: usize,
    level: Option<f64>,
    members: Vec<Word<'n>>,
}

/// Every name that the files give.
pub(super) struct Names<'n, 't> {
    documents: &'n [Document<'t>],
    hosts: HashMap<&'n str, Host>,
    groups: HashMap<&'n str, Group<'n>>,
    zones: Vec<Zoned<'n>>,
    resolved: HashMap<&'n str, Rc<[Place]>>,
    host_order: Vec<&'n str>,
    set_ids: HashMap<String, (u32, bool)>,
    sets: Places<Vec<u32>>,
}

/// What is known of places.
pub(super) struct Found {
    pub sets: Places<Vec<u32>>,
    pub hosts: Places<String>,
    pub members: Places<String>,
    pub names: Vec<Named>,
    pub zones: Vec<Zone>,
}

/// What one `from` or `to` resolves to.
#[derive(Clone, Copy)]
pub(super) struct Side {
    pub set: u32,
    pub empty: bool,
}

impl<'n, 't> Names<'n, 't> {
    /// Reads `[hosts]`, `[groups]` and `[zones]` of all files.
    pub(super) fn read(documents: &'n [Document<'t>], problems: &mut Vec<Problem>) -> Self {
        let mut names = Names {
            documents,
            hosts: HashMap::new(),
            groups: HashMap::new(),
            zones: Vec::new(),
            resolved: HashMap::new(),
            host_order: Vec::new(),
            set_ids: HashMap::new(),
            sets: Places::default(),
        };
        for (file, document) in documents.iter().enumerate() {
            for (key, node) in entries(&document.table) {
                let result = match key.get_ref().as_ref() {
                    "hosts" => names.read_hosts(file, node, problems),
                    "groups" => names.read_groups(file, node, problems),
                    "zones" => names.read_zones(file, node, problems),
                    _ => Ok(()),
                };
                problems.extend(result.err());
            }
        }
        names.check_groups(problems);
        names
    }

    fn read_hosts(
        &mut self,
        file: usize,
        node: &'n Node<'t>,
        problems: &mut Vec<Problem>,
    ) -> Result<(), Problem> {
        let document = &self.documents[file];
        for (key, value) in entries(document.table_of("hosts", node)?) {
            let name: &str = key.get_ref();
            match self.check_new(file, name, key.span()) {
                Ok(true) => {}
                // The layer above has one of that name.
                Ok(false) => continue,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            }
            let mut places = Vec::new();
            match document.strings(name, value) {
                Ok(words) => words.iter().for_each(|word| match self.place(file, word) {
                    Some(Ok(place)) => places.push(place),
                    Some(Err(problem)) => problems.push(problem),
                    None => problems.push(
                        document
                            .error(word.span.clone(), format!("'{}' is not an address", word.text))
                            .label("not an address, a prefix, a MAC address or a VLAN")
                            .help(
                                "write it as 10.20.1.3, 10.20.1.0/24, fe80::1, 00:1d:9c:c7:b0:70 or vlan:12",
                            ),
                    ),
                }),
                Err(more) => problems.extend(more),
            }
            if items(value).is_empty() {
                let message = format!("host '{name}' has no address: rules that name it never match");
                problems.push(document.warning(key.span(), message));
            }
            self.hosts.insert(name, Host { places: places.into(), file, span: key.span() });
            self.host_order.push(name);
        }
        Ok(())
    }

    fn read_groups(
        &mut self,
        file: usize,
        node: &'n Node<'t>,
        problems: &mut Vec<Problem>,
    ) -> Result<(), Problem> {
        let document = &self.documents[file];
        for (key, value) in entries(document.table_of("groups", node)?) {
            let name: &str = key.get_ref();
            match self.check_new(file, name, key.span()) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            }
            let members = document.strings(name, value).unwrap_or_else(|more| {
                problems.extend(more);
                Vec::new()
            });
            if items(value).is_empty() {
                let message = format!("group '{name}' is empty: rules that name it never match");
                problems.push(document.warning(key.span(), message));
            }
            self.groups.insert(name, Group { members, file, span: key.span() });
        }
        Ok(())
    }

    fn read_zones(
        &mut self,
        file: usize,
        node: &'n Node<'t>,
        problems: &mut Vec<Problem>,
    ) -> Result<(), Problem> {
        let document = &self.documents[file];
        for (key, value) in entries(document.table_of("zones", node)?) {
            let name: &str = key.get_ref();
            let mut level = None;
            let mut members = Vec::new();
            for (field, value) in entries(document.table_of(name, value)?) {
                match field.get_ref().as_ref() {
                    "level" => match number(value).filter(|level| (0.0..=5.0).contains(level)) {
                        Some(number) => level = Some(number),
                        None => problems.push(document.wrong_type("level", value, "a level from 0 to 5")),
                    },
                    "members" => match document.strings("members", value) {
                        Ok(words) => members = words,
                        Err(more) => problems.extend(more),
                    },
                    _ => problems.push(document.unknown_key(field, &["level", "members"])),
                }
            }
            match self.zones.iter().find(|zone| zone.name.text == name) {
                Some(zone) if self.documents[zone.file].layer < document.layer => {}
                Some(zone) => {
                    let source = &self.documents[zone.file].source;
                    let place = format!("{}:{}", source.name(), source.line(zone.name.span.start));
                    let message = format!("'{name}' already names a zone ({place})");
                    problems.push(document.error(key.span(), message));
                }
                None if self.zones.len() >= MOST_ZONES => {
                    let message = format!("there are more than {MOST_ZONES} zones");
                    return Err(document.error(key.span(), message));
                }
                None => {
                    if self.hosts.contains_key(name) || self.groups.contains_key(name) {
                        let message = format!("'{name}' names a zone here and a host or group elsewhere");
                        problems.push(
                            document.warning(key.span(), message).help("in rules it is the host or group"),
                        );
                    }
                    let name = Word { text: name, span: key.span() };
                    self.zones.push(Zoned { name, file, level, members });
                }
            }
        }
        Ok(())
    }

    /// A name must be given once in a layer, and not be a word of the language. `false` where a layer above gave it.
    fn check_new(&self, file: usize, name: &str, span: Range<usize>) -> Result<bool, Problem> {
        let document = &self.documents[file];
        if name == "any" {
            return Err(document.error(span, "'any' means anyone and cannot name a host or group"));
        }
        if self.place(file, &Word { text: name, span: span.clone() }).is_some() {
            let message = format!("'{name}' is an address and cannot name a host or group");
            return Err(document.error(span, message).help("write the name first: plc-3 = \"10.20.1.3\""));
        }
        let host = self.hosts.get(name).map(|host| ("host", host.file, host.span.clone()));
        let group = self.groups.get(name).map(|group| ("group", group.file, group.span.clone()));
        let Some((what, first_file, first)) = host.or(group) else { return Ok(true) };
        if self.documents[first_file].layer < document.layer {
            return Ok(false);
        }
        let source = &self.documents[first_file].source;
        let place = format!("{}:{}", source.name(), source.line(first.start));
        let problem = document.error(span, format!("'{name}' already names a {what} ({place})"));
        Err(if first_file == file { problem.also(first, "first here") } else { problem })
    }

    /// A literal address, prefix or MAC address; `None` where it is none.
    fn place(&self, file: usize, word: &Word<'_>) -> Option<Result<Place, Problem>> {
        let text = word.text;
        if let Some(mac) = parse_mac(text) {
            return Some(Ok(Place::Mac(mac)));
        }
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Some(Ok(Place::Net(IpNet::from(ip))));
        }
        if let Some(number) = text.strip_prefix("vlan:") {
            let vlan = number.parse::<u16>().ok().filter(|vlan| (1..=4094).contains(vlan));
            return Some(vlan.map(Place::Vlan).ok_or_else(|| {
                let message = format!("'{text}' is not a VLAN");
                self.documents[file]
                    .error(word.span.clone(), message)
                    .help("write it as vlan:12; from 1 to 4094")
            }));
        }
        let document = &self.documents[file];
        if let Ok(net) = text.parse::<IpNet>() {
            if net.trunc() == net {
                return Some(Ok(Place::Net(net)));
            }
            let meant = net.trunc();
            let message = format!("'{text}' has bits set behind its prefix; did you mean '{meant}'?");
            return Some(Err(document
                .error(word.span.clone(), message)
                .label("not the start of a network")
                .help(format!("'{meant}' is the network, '{}' the one address", net.addr()))));
        }
        let (before, length) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let like_v4 = before.contains('.') && before.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let like_v6 = before.contains(':') && before.bytes().all(|b| b.is_ascii_hexdigit() || b == b':');
        (like_v4 || like_v6).then(|| {
            let what = if length.is_some() { "a prefix" } else { "an address" };
            Err(document
                .error(word.span.clone(), format!("'{text}' is not {what}"))
                .help("write it as 10.20.1.3, 10.20.1.0/24, fe80::1 or 00:1d:9c:c7:b0:70"))
        })
    }

    /// What one name, address or prefix stands for.
    fn resolve(
        &mut self,
        file: usize,
        word: &Word<'n>,
        path: &mut Vec<&'n str>,
    ) -> Result<Rc<[Place]>, Problem> {
        if let Some(host) = self.hosts.get(word.text) {
            return Ok(host.places.clone());
        }
        if let Some(places) = self.resolved.get(word.text) {
            return Ok(places.clone());
        }
        if let Some(group) = self.groups.get(word.text) {
            if path.contains(&word.text) {
                let chain =
                    path.iter().chain([&word.text]).map(|name| format!("'{name}'")).collect::<Vec<_>>();
                let message = format!("group '{}' contains itself: {}", word.text, chain.join(" holds "));
                return Err(self.documents[file].error(word.span.clone(), message).label("leads back here"));
            }
            if path.len() >= DEEPEST {
                let message = format!("group '{}' is nested too deeply: at most {DEEPEST} levels", word.text);
                return Err(self.documents[file].error(word.span.clone(), message));
            }
            path.push(word.text);
            let (members, group_file) = (group.members.clone(), group.file);
            let mut places = Vec::new();
            for member in &members {
                // Members that cannot be resolved are reported once, where the group is checked.
                places.extend(self.resolve(group_file, member, path)?.iter().copied());
            }
            path.pop();
            places.sort_unstable();
            places.dedup();
            let places: Rc<[Place]> = places.into();
            self.resolved.insert(word.text, places.clone());
            return Ok(places);
        }
        if let Some(zone) = self.zones.iter().find(|zone| zone.name.text == word.text) {
            if path.contains(&word.text) {
                let message = format!("zone '{}' contains itself", word.text);
                return Err(self.documents[file].error(word.span.clone(), message).label("leads back here"));
            }
            if path.len() >= DEEPEST {
                let message = format!("zone '{}' is nested too deeply: at most {DEEPEST} levels", word.text);
                return Err(self.documents[file].error(word.span.clone(), message));
            }
            path.push(word.text);
            let (members, zone_file) = (zone.members.clone(), zone.file);
            let mut places = Vec::new();
            for member in &members {
                places.extend(self.resolve(zone_file, member, path)?.iter().copied());
            }
            path.pop();
            places.sort_unstable();
            places.dedup();
            let places: Rc<[Place]> = places.into();
            self.resolved.insert(word.text, places.clone());
            return Ok(places);
        }
        match self.place(file, word) {
            Some(place) => place.map(|place| Rc::from([place])),
            None => Err(self.unknown(file, word)),
        }
    }

    /// What names, addresses and prefixes stand for together.
    pub(super) fn places(&mut self, file: usize, words: &[Word<'n>]) -> Result<Vec<Place>, Problem> {
        let mut places = Vec::new();
        for word in words {
            places.extend(self.resolve(file, word, &mut Vec::new())?.iter().copied());
        }
        Ok(places)
    }

    /// The places of a host by its name.
    pub(super) fn host_places(&self, name: &str) -> Option<Vec<Place>> {
        self.hosts.get(name).map(|host| host.places.to_vec())
    }

    /// The names of all hosts and groups, sorted: of two that are equally near, the same is suggested every time.
    pub(super) fn known(&self) -> Vec<&'n str> {
        let mut known: Vec<&str> = self.hosts.keys().chain(self.groups.keys()).copied().collect();
        known.sort_unstable();
        known
    }

    /// The zone of this name, by its place.
    pub(super) fn zone(&self, name: &str) -> Option<u16> {
        let at = self.zones.iter().position(|zone| zone.name.text == name)?;
        u16::try_from(at).ok()
    }

    /// The names of all zones.
    pub(super) fn zone_names(&self) -> Vec<&'n str> {
        self.zones.iter().map(|zone| zone.name.text).collect()
    }

    fn unknown(&self, file: usize, word: &Word<'_>) -> Problem {
        let document = &self.documents[file];
        if word.text == "any" {
            return document
                .error(word.span.clone(), "'any' is not a member of a group or zone")
                .help("leave 'from' or 'to' out of a rule, or write from = \"any\", for anyone");
        }
        let near = nearest(word.text, self.known().into_iter().chain(self.zone_names()));
        let near = near.map_or(String::new(), |near| format!("; did you mean '{near}'?"));
        let problem = document.error(word.span.clone(), format!("unknown host '{}'{near}", word.text));
        problem.label("no host or group of that name").help("give it an address under [hosts]")
    }

    /// Every group is resolved once, so that what is wrong in it is said where it stands.
    fn check_groups(&mut self, problems: &mut Vec<Problem>) {
        let mut groups: Vec<(usize, usize, &'n str)> =
            self.groups.iter().map(|(name, group)| (group.file, group.span.start, *name)).collect();
        groups.sort_unstable();
        let mut cycle_seen = false;
        for (file, _, name) in groups {
            let members = self.groups[name].members.clone();
            let mut good: Vec<Place> = Vec::new();
            for member in &members {
                let nested = self.groups.contains_key(member.text);
                match self.resolve(file, member, &mut vec![name]) {
                    Ok(places) => good.extend(places.iter().copied()),
                    // What is wrong inside a nested group is said there; a circle is said once.
                    Err(problem) if nested => {
                        let said = problem.message();
                        let circle = said.contains("contains itself") || said.contains("nested too deeply");
                        if circle && !cycle_seen {
                            problems.push(problem);
                        }
                        cycle_seen |= circle;
                    }
                    Err(problem) => problems.push(problem),
                }
            }
            good.sort_unstable();
            good.dedup();
            self.resolved.insert(name, good.into());
        }
    }

    /// The set that a `from` or `to` stands for.
    pub(super) fn side(&mut self, file: usize, words: &[Word<'n>], problems: &mut Vec<Problem>) -> Side {
        if words.iter().any(|word| word.text == "any") {
            return Side { set: ANYONE, empty: false };
        }
        let mut key: Vec<&str> = words.iter().map(|word| word.text).collect();
        key.sort_unstable();
        let key = key.join("\n");
        if let Some((set, empty)) = self.set_ids.get(&key) {
            return Side { set: *set, empty: *empty };
        }
        let mut places = Vec::new();
        let mut failed = false;
        for word in words {
            match self.resolve(file, word, &mut Vec::new()) {
                Ok(more) => places.extend(more.iter().copied()),
                Err(problem) => {
                    problems.push(problem);
                    failed = true;
                }
            }
        }
        let set = self.set_ids.len() as u32 + 1;
        let empty = places.is_empty() && !failed;
        if !failed {
            self.set_ids.insert(key, (set, empty));
        }
        places.sort_unstable();
        places.dedup();
        places.into_iter().for_each(|place| self.sets.entry(place, Vec::new).push(set));
        Side { set, empty }
    }

    /// Takes what is known of places: the sets that rules name, the hosts, the zones.
    pub(super) fn finish(mut self, problems: &mut Vec<Problem>) -> Found {
        let mut hosts: Places<String> = Places::default();
        for name in &self.host_order {
            let host = &self.hosts[name];
            for place in host.places.iter() {
                if let Some(first) = hosts.get(place).filter(|first| first != name) {
                    let message =
                        format!("hosts '{first}' and '{name}' are both {place}: alerts will say '{first}'");
                    problems.push(self.documents[host.file].warning(host.span.clone(), message));
                }
                hosts.entry(*place, || (*name).to_owned());
            }
        }
        let zones: Vec<_> = self
            .zones
            .iter()
            .map(|zone| (zone.name.clone(), zone.file, zone.level, zone.members.clone()))
            .collect();
        let mut done = Vec::new();
        for (word, file, level, members) in zones {
            let mut places = Vec::new();
            for member in &members {
                match self.resolve(file, member, &mut Vec::new()) {
                    Ok(more) => places.extend(more.iter().copied()),
                    Err(problem) => problems.push(problem),
                }
            }
            done.push(Zone { name: word.text.to_owned(), level, places });
        }
        let host = |name: &&'n str| Named {
            name: (*name).to_owned(),
            is_group: false,
            places: self.hosts[*name].places.to_vec(),
        };
        let mut named: Vec<Named> = self.host_order.iter().map(host).collect();
        let mut order: Vec<(usize, usize, &'n str)> =
            self.groups.iter().map(|(name, group)| (group.file, group.span.start, *name)).collect();
        order.sort_unstable();
        for (file, _, name) in order {
            let mut places = Vec::new();
            for member in &self.groups[name].members.clone() {
                // What is wrong in a group is said already.
                places.extend(
                    self.resolve(file, member, &mut vec![name]).iter().flat_map(|own| own.iter().copied()),
                );
            }
            named.push(Named { name: name.to_owned(), is_group: true, places });
        }
        let mut members: Places<String> = Places::default();
        let mut groups: Vec<(&'n str, &Group<'n>)> =
            self.groups.iter().map(|(name, group)| (*name, group)).collect();
        groups.sort_unstable_by_key(|(_, group)| (group.file, group.span.start));
        for (name, group) in groups {
            let literal = group.members.iter().filter(|word| !self.hosts.contains_key(word.text));
            for place in literal.filter_map(|word| self.place(group.file, word)?.ok()) {
                members.entry(place, || name.to_owned());
            }
        }
        Found { sets: self.sets, hosts, members, names: named, zones: done }
    }
}

/// A whole number within bounds, or what is wrong.
pub(super) fn whole(document: &Document<'_>, key: &str, node: &Node<'_>, most: u32) -> Result<u32, Problem> {
    let number = integer(node).ok_or_else(|| document.wrong_type(key, node, "a whole number"))?;
    u32::try_from(number).ok().filter(|number| *number <= most).ok_or_else(|| {
        document.error(node.span(), format!("'{key}' goes from 0 to {most}")).label("out of range")
    })
}
