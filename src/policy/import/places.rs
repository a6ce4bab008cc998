//! Addresses and ports of a rule, and the variables that stand for them.

use super::Reason;
use ipnet::{IpNet, Ipv4Net, Ipv4Subnets, Ipv6Subnets};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Lists inside lists, and variables inside variables, deeper than this are not read.
const DEEPEST: usize = 16;
/// The most addresses of one list.
const MOST: usize = 4096;

/// Who a rule is about.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Places {
    Any,
    /// Addresses, prefixes and names of groups, as the language writes them.
    Of(Vec<String>),
}

/// Which ports a rule is about, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ports {
    Any,
    One(u16),
    Others,
}

/// A variable that stands for addresses.
#[derive(Clone, Debug)]
struct Known {
    group: String,
    places: Places,
}

/// The variables of a rule file. Definitions on the command line go before those of the file, and these before
/// those of a configuration of Suricata.
#[derive(Default)]
pub(super) struct Variables {
    texts: BTreeMap<String, Text>,
    known: BTreeMap<String, Result<Known, Reason>>,
    groups: BTreeMap<String, Vec<String>>,
}

struct Text {
    value: String,
    rank: u8,
    /// Whether it is defined twice, and differently.
    torn: bool,
}

impl Variables {
    pub(super) fn new(set: &[(String, String)], configuration: Option<&str>) -> Variables {
        let mut variables = Variables::default();
        for (name, value) in set {
            let value = if value.contains(',') { format!("[{value}]") } else { value.clone() };
            variables.define(name, &value, 2);
        }
        for (name, value) in configured(configuration.unwrap_or_default()) {
            variables.define(name, value, 0);
        }
        variables
    }

    /// Takes a `var`, `ipvar` or `portvar` line; `false` where the line is none.
    pub(super) fn take_line(&mut self, line: &str) -> bool {
        let Some((word, rest)) = line.split_once(char::is_whitespace) else { return false };
        if !matches!(word, "var" | "ipvar" | "portvar") {
            return false;
        }
        let rest = rest.trim();
        let (name, value) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let value = value.split_once('#').map_or(value, |(value, _)| value).trim();
        self.define(name, value, 1);
        true
    }

    fn define(&mut self, name: &str, value: &str, rank: u8) {
        let new = Text { value: value.to_owned(), rank, torn: false };
        match self.texts.get_mut(name) {
            Some(old) if old.rank > rank => {}
            Some(old) if old.rank == rank => old.torn |= old.value != value,
            _ => drop(self.texts.insert(name.to_owned(), new)),
        }
    }

    fn text(&self, name: &str) -> Result<&str, Reason> {
        match self.texts.get(name) {
            None => Err(Reason::Undefined(name.to_owned())),
            Some(text) if text.torn => {
                Err(Reason::of(format!("the variable ${name} is defined twice, and not as the same")))
            }
            Some(text) => Ok(&text.value),
        }
    }

    /// Who an address of a rule stands for.
    pub(super) fn places(&mut self, text: &str) -> Result<Places, Reason> {
        let mut found = Vec::new();
        let any = self.collect(text, &mut found, &mut Vec::new(), 0)?;
        found.sort();
        found.dedup();
        match any {
            true => Ok(Places::Any),
            false if found.is_empty() => Err(Reason::of(format!("'{text}' stands for no address"))),
            false => Ok(Places::Of(found)),
        }
    }

    /// Appends what a text stands for; says whether it is everyone.
    fn collect(
        &mut self,
        text: &str,
        out: &mut Vec<String>,
        path: &mut Vec<String>,
        depth: usize,
    ) -> Result<bool, Reason> {
        let text = text.trim();
        if depth > DEEPEST || out.len() > MOST {
            return Err(Reason::of("its addresses are nested too deeply, or too many"));
        }
        if text.starts_with('!') {
            return Err(Reason::of(format!(
                "'{text}' excludes addresses, and rules of Wayside name only those that they are about"
            )));
        }
        if text == "any" {
            return Ok(true);
        }
        if let Some(list) = text.strip_prefix('[') {
            let list = list.strip_suffix(']').ok_or_else(|| unreadable(text))?;
            let mut any = false;
            for item in items(list) {
                any |= self.collect(item, out, path, depth + 1)?;
            }
            return Ok(any);
        }
        if let Some(name) = text.strip_prefix('$') {
            let Known { group, places } = self.variable(name, path)?;
            out.push(group);
            return Ok(places == Places::Any);
        }
        out.extend(address(text).ok_or_else(|| unreadable(text))?);
        Ok(false)
    }

    fn variable(&mut self, name: &str, path: &mut Vec<String>) -> Result<Known, Reason> {
        if let Some(known) = self.known.get(name) {
            return known.clone();
        }
        if path.iter().any(|before| before == name) || path.len() > DEEPEST {
            return Err(Reason::of(format!("the variable ${name} contains itself, or too many others")));
        }
        let found = self.define_group(name, path);
        self.known.insert(name.to_owned(), found.clone());
        found
    }

    fn define_group(&mut self, name: &str, path: &mut Vec<String>) -> Result<Known, Reason> {
        let text = self.text(name)?.to_owned();
        let mut members = Vec::new();
        path.push(name.to_owned());
        let any = self.collect(&text, &mut members, path, 0);
        path.pop();
        let any = any?;
        if members.is_empty() && !any {
            return Err(Reason::of(format!("the variable ${name} stands for no address")));
        }
        members.sort();
        members.dedup();
        let group = self.free_name(name);
        self.groups.insert(group.clone(), members.clone());
        Ok(Known { group, places: if any { Places::Any } else { Places::Of(members) } })
    }

    /// A name for the group of a variable that no other has.
    fn free_name(&self, variable: &str) -> String {
        let base = group_name(variable);
        let taken = |name: &str| name == "any" || self.groups.contains_key(name);
        if !taken(&base) {
            return base;
        }
        (2..).map(|n: u32| format!("{base}-{n}")).find(|name| !taken(name)).unwrap_or(base)
    }

    /// The groups that these places name, and those that they name in turn, sorted by name.
    pub(super) fn groups_of<'p>(
        &self,
        places: impl Iterator<Item = &'p Places>,
    ) -> BTreeMap<String, Vec<String>> {
        let mut wanted: Vec<&String> = Vec::new();
        for places in places {
            if let Places::Of(words) = places {
                wanted.extend(words);
            }
        }
        let mut seen = BTreeSet::new();
        let mut found = BTreeMap::new();
        while let Some(word) = wanted.pop() {
            if !seen.insert(word) {
                continue;
            }
            if let Some(members) = self.groups.get(word) {
                wanted.extend(members);
                found.insert(word.clone(), members.clone());
            }
        }
        found
    }

    /// Which ports a text stands for.
    pub(super) fn ports(&self, text: &str) -> Result<Ports, Reason> {
        self.ports_within(text, 0)
    }

    fn ports_within(&self, text: &str, depth: usize) -> Result<Ports, Reason> {
        let text = text.trim();
        if depth > DEEPEST {
            return Err(Reason::of("its ports are nested too deeply"));
        }
        if let Some(name) = text.strip_prefix('$') {
            let value = self.text(name).map_err(|reason| match reason {
                Reason::Undefined(name) => Reason::of(format!(
                    "the variable ${name} stands for ports and is not defined; add --set {name}=PORT"
                )),
                other => other,
            })?;
            return self.ports_within(value, depth + 1);
        }
        if let Some(list) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let list = items(list);
            return match list.as_slice() {
                [one] => self.ports_within(one, depth + 1),
                _ => Ok(Ports::Others),
            };
        }
        Ok(match (text, text.parse()) {
            ("any", _) => Ports::Any,
            (_, Ok(port)) => Ports::One(port),
            _ => Ports::Others,
        })
    }
}

/// The name that the group of a variable has: HOME_NET is home-net.
pub(super) fn group_name(variable: &str) -> String {
    let kebab = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let name: String = variable.chars().take(64).map(kebab).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { "group".to_owned() } else { name.to_owned() }
}

fn unreadable(text: &str) -> Reason {
    Reason::of(format!("'{text}' is not an address"))
}

/// The parts of a list; commas inside square brackets do not divide.
fn items(list: &str) -> Vec<&str> {
    let mut depth = 0usize;
    let divides = |c: char| {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && c == ','
    };
    list.split(divides).filter(|item| !item.trim().is_empty()).collect()
}

/// One address, prefix (by length or mask) or range, as addresses and prefixes.
fn address(text: &str) -> Option<Vec<String>> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(vec![ip.to_string()]);
    }
    if let Ok(net) = text.parse::<IpNet>() {
        return Some(vec![net.trunc().to_string()]);
    }
    if let Some((ip, mask)) = text.split_once('/') {
        let net = Ipv4Net::with_netmask(ip.trim().parse().ok()?, mask.trim().parse().ok()?).ok()?;
        return Some(vec![net.trunc().to_string()]);
    }
    let (first, last) = text.split_once('-')?;
    match (first.trim().parse().ok()?, last.trim().parse().ok()?) {
        (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
            Some(Ipv4Subnets::new(first, last, 0).map(|net| net.to_string()).collect())
        }
        (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
            Some(Ipv6Subnets::new(first, last, 0).map(|net| net.to_string()).collect())
        }
        _ => None,
    }
}

/// The variables of a configuration of Suricata: the lines `NAME: "value"` under `address-groups:` and
/// `port-groups:`. Nothing else of YAML is read.
fn configured(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut section: Option<usize> = None;
    for line in text.lines() {
        let body = line.trim_start();
        let indent = line.len() - body.len();
        if body.is_empty() || body.starts_with('#') {
            continue;
        }
        let Some((key, value)) = body.split_once(':') else { continue };
        if matches!(key, "address-groups" | "port-groups") {
            section = Some(indent);
            continue;
        }
        if section.is_none_or(|outer| indent <= outer) {
            section = None;
            continue;
        }
        let value = value.trim();
        let quoted = value.strip_prefix(['"', '\'']).and_then(|rest| rest.split(['"', '\'']).next());
        let bare = || value.split_once(" #").map_or(value, |(value, _)| value).trim();
        found.push((key.trim(), quoted.unwrap_or_else(bare)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(words: &[&str]) -> Places {
        Places::Of(words.iter().map(|word| (*word).to_owned()).collect())
    }

    fn said(result: Result<Places, Reason>) -> String {
        result.unwrap_err().sentence()
    }

    #[test]
    fn addresses_prefixes_ranges_and_lists() {
        let mut none = Variables::default();
        assert_eq!(none.places("any").unwrap(), Places::Any);
        assert_eq!(none.places("10.0.0.5").unwrap(), of(&["10.0.0.5"]));
        assert_eq!(none.places("10.0.0.5/24").unwrap(), of(&["10.0.0.0/24"]));
        assert_eq!(none.places("10.0.0.5/255.255.255.0").unwrap(), of(&["10.0.0.0/24"]));
        assert_eq!(none.places("10.0.0.4-10.0.0.8").unwrap(), of(&["10.0.0.4/30", "10.0.0.8/32"]));
        assert_eq!(none.places("[10.0.0.2, [fe80::1,10.0.0.2]]").unwrap(), of(&["10.0.0.2", "fe80::1"]));
        assert_eq!(none.places("[10.0.0.2,any]").unwrap(), Places::Any);
        for wrong in
            ["plc", "10.0.0.300", "[10.0.0.1", "10.0.0.1/40", "10.0.0.9-10.0.0.1", "10.0.0.1/0.255.0.0"]
        {
            assert!(said(none.places(wrong)).contains("is not an address"), "{wrong}");
        }
        assert!(said(none.places("[10.0.0.0/8,!10.0.0.5]")).contains("'!10.0.0.5' excludes"));
        assert!(said(none.places(&"[".repeat(100))).contains("is not an address"));
        let deep = format!("{}any{}", "[".repeat(100), "]".repeat(100));
        assert!(said(none.places(&deep)).contains("nested too deeply"));
    }

    #[test]
    fn variables_become_groups() {
        let mut all = Variables::new(&[("PLC".to_owned(), "10.1.0.1,10.1.0.2".to_owned())], None);
        for line in [
            "ipvar HOME_NET [10.0.0.0/8,$PLC]  # ours",
            "var EXTERNAL_NET !$HOME_NET",
            "var ANYWHERE any",
            "var A $B",
            "var B $A",
            "var PLC 9.9.9.9",
            "var TWICE 10.0.0.1",
            "var TWICE 10.0.0.2",
        ] {
            assert!(all.take_line(line));
        }
        assert!(!all.take_line("include other.rules"));
        assert_eq!(all.places("$HOME_NET").unwrap(), of(&["home-net"]));
        assert_eq!(all.places("$ANYWHERE").unwrap(), Places::Any);
        assert!(said(all.places("$EXTERNAL_NET")).contains("'!$HOME_NET' excludes"));
        assert!(said(all.places("$A")).contains("contains itself"));
        assert!(said(all.places("$TWICE")).contains("defined twice"));
        assert!(matches!(all.places("$NOBODY"), Err(Reason::Undefined(name)) if name == "NOBODY"));
        let used = [of(&["home-net"])];
        let groups = all.groups_of(used.iter());
        assert_eq!(groups["home-net"], ["10.0.0.0/8", "plc"]);
        assert_eq!(groups["plc"], ["10.1.0.1", "10.1.0.2"], "the command line goes first");
    }

    #[test]
    fn names_of_groups_do_not_collide() {
        let mut all = Variables::default();
        for line in ["var PLC_A 10.0.0.1", "var plc.a 10.0.0.2", "var ANY 10.0.0.3", "var __ 10.0.0.4"] {
            all.take_line(line);
        }
        assert_eq!(all.places("[$PLC_A,$plc.a]").unwrap(), of(&["plc-a", "plc-a-2"]));
        assert_eq!(all.places("[$ANY,$__]").unwrap(), of(&["any-2", "group"]));
    }

    #[test]
    fn ports_matter_only_as_far_as_they_are_one() {
        let mut all = Variables::default();
        all.take_line("portvar MODBUS [502]");
        all.take_line("portvar ROUND $ROUND");
        for (text, expected) in [
            ("any", Ports::Any),
            ("502", Ports::One(502)),
            ("$MODBUS", Ports::One(502)),
            ("[502,503]", Ports::Others),
            ("!502", Ports::Others),
            ("500:600", Ports::Others),
        ] {
            assert_eq!(all.ports(text).unwrap(), expected, "{text}");
        }
        assert!(all.ports("$ROUND").is_err());
        assert!(all.ports("$NONE").unwrap_err().sentence().contains("--set NONE=PORT"));
    }

    #[test]
    fn a_configuration_of_suricata_gives_its_groups() {
        let text = "vars:\n  # ours\n  address-groups:\n    HOME_NET: \"[10.0.0.0/8]\"\n    PLC: 10.1.0.1 # one\n\n  \
                    port-groups:\n    MODBUS_PORTS: 502\ndefault-log-dir: /var/log\nother:\n  X: y\n";
        let expected = [("HOME_NET", "[10.0.0.0/8]"), ("PLC", "10.1.0.1"), ("MODBUS_PORTS", "502")];
        assert_eq!(configured(text), expected);
    }
}
