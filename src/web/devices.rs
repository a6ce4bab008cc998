//! The list of devices: which of them, in which order. The page and the API show the same.
//!
//! Flows in: the inventory, the names that rules give, open alerts of the store. Flows out: [`list`].

use super::asked::Asked;
use super::failure::Failure;
use super::open_alerts::{Open, OpenAlerts};
use super::pages::alerts::moment;
use super::site::Site;
use crate::inventory::{Device, Role};
use crate::policy::{End, RuleSet};
use crate::store::StoreError;
use axum::http::StatusCode;
use std::sync::PoisonError;

/// Which devices.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Wanted {
    /// With all of these words in name, address, vendor or what it says of itself; in small letters.
    words: Vec<String>,
    /// With this role among others.
    role: Option<Role>,
    /// In this protocol.
    protocol: Option<String>,
    /// In this zone of the rules; `-` is none of them.
    zone: Option<String>,
    /// First seen at or after this time, in nanoseconds since 1970.
    new_since: Option<i64>,
}

/// What stands for no zone in an address.
pub const NO_ZONE: &str = "-";

/// Words of a search that are looked for.
const WORDS: usize = 16;

impl Wanted {
    /// What an address asks for: `q`, `role`, `protocol`, `zone` and `new` (`shift`, `hour`, `day`, `week` or a time).
    ///
    /// # Errors
    /// Where a word in it is not one that is known.
    pub fn read(asked: &Asked, site: &Site) -> Result<Wanted, Failure> {
        let wrong = |text: String| Failure::new(StatusCode::BAD_REQUEST, text);
        let role = asked.one("role").map(|word| {
            let known = || Role::ALL.map(Role::name).join(", ");
            Role::parse(word)
                .ok_or_else(|| wrong(format!("role = '{word}' is not known; it may be {}", known())))
        });
        let now = site.now();
        let ago = |hours: i64| now.nanos.saturating_sub(hours * 3_600_000_000_000);
        let new_since = asked.one("new").map(|word| match word {
            "shift" => Ok(site.clock.shift(now, &site.shifts).nanos),
            "hour" => Ok(ago(1)),
            "day" => Ok(ago(24)),
            "week" => Ok(ago(168)),
            other => moment("new", other),
        });
        let words = asked.one("q").unwrap_or_default().split_whitespace().take(WORDS);
        Ok(Wanted {
            words: words.map(str::to_lowercase).collect(),
            role: role.transpose()?,
            protocol: asked.one("protocol").map(str::to_owned),
            zone: asked.one("zone").map(str::to_owned),
            new_since: new_since.transpose()?,
        })
    }

    fn holds(&self, device: &Device, rules: Option<&RuleSet>) -> bool {
        let first = device.span.map(|span| span.first.nanos);
        self.new_since.is_none_or(|since| first.is_some_and(|first| first >= since))
            && self.role.is_none_or(|role| device.roles.iter().any(|reason| reason.role == role))
            && self
                .protocol
                .as_ref()
                .is_none_or(|name| device.protocols.iter().any(|words| words.name == name.as_str()))
            && self.zone.as_ref().is_none_or(|zone| zone_of(device, rules).unwrap_or(NO_ZONE) == *zone)
            && self.says(device)
    }

    /// Whether all words are said of a device.
    fn says(&self, device: &Device) -> bool {
        if self.words.is_empty() {
            return true;
        }
        let mut said = device.address.to_string();
        let mut say = |more: &dyn std::fmt::Display| said.push_str(&format!("\n{more}"));
        device.name.iter().for_each(|name| say(name));
        device.vendor.iter().for_each(|vendor| say(vendor));
        device.macs.iter().for_each(|mac| say(&mac));
        device.roles.iter().for_each(|reason| say(&reason.role.name()));
        for statement in device.identities.iter().flat_map(|identified| &identified.identity.statements) {
            statement.said.iter().for_each(|(_, value, _)| say(&value.value()));
        }
        let said = said.to_lowercase();
        self.words.iter().all(|word| said.contains(word))
    }
}

/// The zone that a device is in, where the rules have zones.
pub fn zone_of<'r>(device: &Device, rules: Option<&'r RuleSet>) -> Option<&'r str> {
    let rules = rules?;
    let end = End { address: device.address, mac: device.macs.first(), vlan: device.vlans.first() };
    rules.zones().get(usize::from(rules.zone_of(end)?)).map(|zone| zone.name.as_str())
}

/// A device of the list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The device.
    pub device: Device,
    /// Its open alerts.
    pub open: Option<Open>,
}

/// What is to be listed, and how many devices are known.
#[derive(Clone, Debug, Default)]
pub struct List {
    /// Those that are wanted: with open alerts first, the worst of them first, then by name, then by address.
    pub devices: Vec<Listed>,
    /// All that are known.
    pub known: usize,
}

/// The devices that are wanted. It blocks.
///
/// # Errors
/// Where the store cannot be read.
pub fn list(site: &Site, wanted: &Wanted) -> Result<List, StoreError> {
    let open = OpenAlerts::of_site(site)?;
    let names = site.names();
    let devices = site.inventory.lock().unwrap_or_else(PoisonError::into_inner).devices(&names);
    let known = devices.len();
    let rules = names.0.as_deref();
    let listed = devices.into_iter().filter(|device| wanted.holds(device, rules));
    let mut devices: Vec<Listed> =
        listed.map(|device| Listed { open: open.of(device.address), device }).collect();
    devices.sort_by_cached_key(|listed| {
        let name = listed.device.name.as_deref();
        (
            std::cmp::Reverse(listed.open),
            name.is_none(),
            natural(name.unwrap_or_default()),
            listed.device.address,
        )
    });
    Ok(List { devices, known })
}

/// A part of a name, to sort by: numbers by their value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    /// Digits.
    Number(u64),
    /// Anything else, in small letters.
    Text(String),
}

/// A name to sort by: "plc-2" before "plc-10".
pub fn natural(name: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let digits = first.is_ascii_digit();
        let end = rest.find(|letter: char| letter.is_ascii_digit() != digits).unwrap_or(rest.len());
        let (part, more) = rest.split_at(end);
        parts.push(match part.parse() {
            Ok(number) if digits => Part::Number(number),
            _ => Part::Text(part.to_lowercase()),
        });
        rest = more;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_as_people_count() {
        let mut names = ["plc-10", "PLC-2", "10", "plc", "9", "plc-2b", "ö-1", ""];
        names.sort_by_cached_key(|name| natural(name));
        assert_eq!(names, ["", "9", "10", "plc", "PLC-2", "plc-2b", "plc-10", "ö-1"]);
        assert_eq!(natural("99999999999999999999").len(), 1);
    }
}
