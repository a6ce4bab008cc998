//! What changed in meaning between two rule sets. Order, comments and files do not count.

use super::calendar::Windows;
use super::places::Place;
use super::rule::{Limits, NamedPoint, Rule};
use super::said::{self, conditions};
use super::set::{Conduit, RuleSet};
use std::collections::HashMap;

/// How one thing changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum How {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// Other words are behind it.
    Changed(Vec<Fact>),
}

/// One condition that changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fact {
    /// Its key; empty where the thing has only one.
    pub key: String,
    /// What it was; `None` where it was not given.
    pub before: Option<String>,
    /// What it is.
    pub after: Option<String>,
}

/// One thing that is not the same in both.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The table of the rule files: "rules", "hosts".
    pub table: &'static str,
    /// Its name.
    pub name: String,
    /// The file and line of a rule, in the set that has it; in both, the later one.
    pub place: Option<String>,
    /// How it changed.
    pub how: How,
}

/// A thing with a name, and what is said of it.
struct Item {
    name: String,
    place: Option<String>,
    facts: Vec<(String, String)>,
}

/// Reads one table of a rule set.
type Items = fn(&RuleSet) -> Vec<Item>;

/// Everything that is not the same, table by table.
pub fn diff(before: &RuleSet, after: &RuleSet) -> Vec<Difference> {
    let tables: [(&'static str, Items); 9] = [
        ("rules", rules),
        ("hosts", hosts),
        ("groups", groups),
        ("zones", zones),
        ("conduits", conduits),
        ("points", points),
        ("calendar", calendar),
        ("maintenance", maintenance),
        ("defaults", defaults),
    ];
    let mut all = Vec::new();
    for (table, items) in tables {
        compare(table, items(before), items(after), &mut all);
    }
    all
}

fn compare(table: &'static str, before: Vec<Item>, after: Vec<Item>, all: &mut Vec<Difference>) {
    let mut known: HashMap<&str, &Item> = before.iter().map(|item| (item.name.as_str(), item)).collect();
    let mut note = |item: &Item, how: How| {
        all.push(Difference { table, name: item.name.clone(), place: item.place.clone(), how });
    };
    for item in &after {
        let Some(old) = known.remove(item.name.as_str()) else {
            note(item, How::Added);
            continue;
        };
        let of = |item: &Item, key: &str| {
            item.facts.iter().find(|(own, _)| own == key).map(|(_, text)| text.clone())
        };
        let mut keys: Vec<&str> = old.facts.iter().map(|(key, _)| key.as_str()).collect();
        for (key, _) in &item.facts {
            if !keys.contains(&key.as_str()) {
                keys.push(key);
            }
        }
        let facts: Vec<Fact> = keys
            .into_iter()
            .map(|key| Fact { key: key.to_owned(), before: of(old, key), after: of(item, key) })
            .filter(|fact| fact.before != fact.after)
            .collect();
        if !facts.is_empty() {
            note(item, How::Changed(facts));
        }
    }
    before
        .iter()
        .filter(|item| known.contains_key(item.name.as_str()))
        .for_each(|item| note(item, How::Removed));
}

fn fact(key: &str, text: impl Into<String>) -> (String, String) {
    (key.to_owned(), text.into())
}

/// Places in order, without doubles.
fn listed(places: &[Place]) -> String {
    let mut places = places.to_vec();
    places.sort_unstable();
    places.dedup();
    places.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn rules(set: &RuleSet) -> Vec<Item> {
    let item = |rule: &Rule| {
        let facts = conditions(set, rule).into_iter().map(|(key, text)| match key {
            "values" => fact(key, rule.values.as_ref().map_or(text, limits)),
            "during" => fact(key, rule.during.as_ref().map_or(text, in_order)),
            _ => fact(key, text),
        });
        Item {
            name: rule.name.clone(),
            place: Some(format!("{}:{}", rule.file, rule.line)),
            facts: facts.collect(),
        }
    };
    set.rules().iter().map(item).collect()
}

/// Windows of time in order, without doubles.
fn in_order(windows: &Windows) -> String {
    let mut texts: Vec<&str> = windows.texts().iter().map(String::as_str).collect();
    texts.sort_unstable();
    texts.dedup();
    texts.join(" or ")
}

/// Limits, however the author wrote them.
fn limits(limits: &Limits) -> String {
    let mut parts: Vec<String> = limits
        .ranges
        .iter()
        .map(|range| match (*range.start(), *range.end()) {
            (low, high) if low == high => low.to_string(),
            (low, high) if low == f64::NEG_INFINITY && high == f64::INFINITY => "any number".to_owned(),
            (low, high) if low == f64::NEG_INFINITY => format!("at most {high}"),
            (low, high) if high == f64::INFINITY => format!("at least {low}"),
            (low, high) => format!("{low} to {high}"),
        })
        .collect();
    let mut names = limits.names.clone();
    names.sort_unstable();
    names.dedup();
    parts.extend(names);
    let measure = &limits.scale.measure;
    let text = parts.join(", ");
    if measure.is_empty() { text } else { format!("{text} {measure}") }
}

fn named(set: &RuleSet, groups: bool) -> Vec<Item> {
    let own = set.names().iter().filter(|named| named.is_group == groups);
    own.map(|named| Item {
        name: named.name.clone(),
        place: None,
        facts: vec![fact("", listed(&named.places))],
    })
    .collect()
}

fn hosts(set: &RuleSet) -> Vec<Item> {
    named(set, false)
}

fn groups(set: &RuleSet) -> Vec<Item> {
    named(set, true)
}

fn zones(set: &RuleSet) -> Vec<Item> {
    let item = |zone: &super::Zone| {
        let mut facts = vec![fact("members", listed(&zone.places))];
        facts.extend(zone.level.map(|level| fact("level", level.to_string())));
        Item { name: zone.name.clone(), place: None, facts }
    };
    set.zones().iter().map(item).collect()
}

fn conduits(set: &RuleSet) -> Vec<Item> {
    let item = |conduit: &Conduit| {
        let zone = |number: &u16| set.zones().get(usize::from(*number)).map(|zone| zone.name.clone());
        let mut between: Vec<String> = conduit.between.iter().filter_map(zone).collect();
        let mut traffic: Vec<String> =
            conduit.traffic.iter().map(|traffic| said::traffic(set, traffic)).collect();
        let mut ports: Vec<String> = conduit.ports.iter().map(said::port).collect();
        for list in [&mut between, &mut traffic, &mut ports] {
            list.sort_unstable();
            list.dedup();
        }
        let mut facts = vec![fact("between", between.join(", ")), fact("protocol", traffic.join(", "))];
        facts.extend((!ports.is_empty()).then(|| fact("port", ports.join(", "))));
        Item { name: conduit.name.clone(), place: None, facts }
    };
    set.conduits().iter().map(item).collect()
}

fn points(set: &RuleSet) -> Vec<Item> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut items = Vec::new();
    for point in set.points() {
        let NamedPoint { name, at, protocol, device, span, limits: own, scale } = &**point;
        let count = seen.entry(name).or_default();
        *count += 1;
        let words = set.vocabularies().iter().find(|words| words.id == *protocol).copied();
        let mut facts = Vec::new();
        if let Some(words) = words {
            facts.push(fact("at", said::span(words, span)));
            facts.push(fact("protocol", words.name));
            facts.extend(device.map(|device| fact(words.device_key, device.to_string())));
        }
        facts.extend((!at.is_empty()).then(|| fact("of", listed(at))));
        facts.extend(own.as_ref().map(|own| fact("values", limits(own))));
        facts.extend((!scale.is_plain()).then(|| fact("scale", said::scale(scale))));
        facts.extend((!scale.measure.is_empty()).then(|| fact("measure", scale.measure.clone())));
        let name = if *count > 1 { format!("{name} ({count})") } else { name.clone() };
        items.push(Item { name, place: None, facts });
    }
    items
}

fn calendar(set: &RuleSet) -> Vec<Item> {
    let calendar = set.calendar();
    let item =
        |name: &str, text: String| Item { name: name.to_owned(), place: None, facts: vec![fact("", text)] };
    let mut items = vec![
        item("zone", calendar.zone().name().to_owned()),
        item("holidays", calendar.holidays().to_string()),
    ];
    items.extend(calendar.names().map(|(name, windows)| item(&format!("@{name}"), in_order(windows))));
    items
}

fn maintenance(set: &RuleSet) -> Vec<Item> {
    let relaxes = |number: usize| {
        let rules = set.rules().iter().filter(|rule| rule.relaxed.contains(&(number as u32)));
        let mut names: Vec<&str> = rules.map(|rule| rule.name.as_str()).collect();
        names.sort_unstable();
        names.join(", ")
    };
    let item = |(number, window): (usize, &super::Maintenance)| {
        let mut facts = vec![fact("during", in_order(&window.when)), fact("relaxes", relaxes(number))];
        facts.extend(window.who.clone().map(|who| fact("who", who)));
        facts.extend(window.reason.clone().map(|reason| fact("reason", reason)));
        Item { name: window.name.clone(), place: None, facts }
    };
    set.maintenance().iter().enumerate().map(item).collect()
}

fn defaults(set: &RuleSet) -> Vec<Item> {
    let defaults = set.defaults();
    let item = |name: &str, lets: bool| {
        let text = if lets { "allow" } else { "deny" };
        Item { name: name.to_owned(), place: None, facts: vec![fact("", text)] }
    };
    vec![item("control-traffic", defaults.control_traffic), item("other-traffic", defaults.other_traffic)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::testing::ALL_WORDS;

    fn parsed(text: &str) -> RuleSet {
        let loaded = crate::policy::parse("a.toml", &format!("version = 1\n{text}"), ALL_WORDS);
        loaded.unwrap_or_else(|problems| panic!("{problems:?}")).rules
    }

    const A: &str = r#"
[hosts]
scada = "10.0.0.1"
plc = ["10.0.1.1", "10.0.1.2"]
[[allow]]
name = "polls"
from = "scada"
to = "plc"
protocol = "modbus"
may = ["read", "write"]
points = ["holding:0-9", "coil:3"]
values = "0..450"
[[deny]]
name = "no restart"
may = "restart"
"#;

    #[test]
    fn order_and_spelling_are_no_difference() {
        let b = r#"
# The same, the other way round.
[[deny]]
name = "no restart"
may = ["restart"]
[[allow]]
name = "polls"
to = ["10.0.1.2", "10.0.1.1"]
from = "10.0.0.1"
protocol = ["modbus"]
may = ["write", "read"]
points = ["coil:3", "holding:0-4", "holding:5-9"]
values = ["0..300", "200..450"]
[hosts]
plc = ["10.0.1.2", "10.0.1.1"]
scada = "10.0.0.1"
[calendar]
zone = "UTC"
"#;
        assert_eq!(diff(&parsed(A), &parsed(b)), []);
    }

    #[test]
    fn each_condition_that_changed_is_named() {
        let b =
            A.replace("0..450", "0..500").replace("10.0.0.1\"", "10.0.0.2\"").replace("no restart", "calm");
        let differences = diff(&parsed(A), &parsed(&(b + "[defaults]\nother-traffic = \"deny\"\n")));
        let said: Vec<String> =
            differences.iter().map(|one| format!("{} {} {:?}", one.table, one.name, one.how)).collect();
        let changed = |key: &str, before: &str, after: &str| {
            let (before, after) = (Some(before.to_owned()), Some(after.to_owned()));
            format!("{:?}", How::Changed(vec![Fact { key: key.to_owned(), before, after }]))
        };
        assert_eq!(
            said,
            [
                format!("rules polls {}", changed("values", "0 to 450", "0 to 500")),
                "rules calm Added".to_owned(),
                "rules no restart Removed".to_owned(),
                format!("hosts scada {}", changed("", "10.0.0.1", "10.0.0.2")),
                format!("defaults other-traffic {}", changed("", "allow", "deny")),
            ]
        );
    }
}
