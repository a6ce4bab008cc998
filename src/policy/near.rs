//! What the rules say of one place in the plant: the zone of an address, and what the value of a point may be. For
//! pages, which ask now and then; it looks at every rule.

use super::places::End;
use super::rule::{Limits, Rule, RuleKind, Scale};
use super::set::RuleSet;
use crate::event::{Space, Verb, Vocabulary};

/// What a point may be, by one rule or by its own description.
#[derive(Clone, PartialEq, Debug)]
pub struct PointLimit {
    /// The ranges that hold it, both ends included, as numbers on the wire.
    pub ranges: Vec<(f64, f64)>,
    /// The same in words, in the author's unit of measure: "0 to 450 kPa".
    pub said: String,
    /// Who says so: the rule's name, or that of the point.
    pub by: String,
    /// Where a rule stands: its file and line.
    pub place: Option<String>,
}

impl PointLimit {
    fn new(limits: &Limits, scale: &Scale, by: &str, place: Option<String>) -> PointLimit {
        let raw = |value: f64| (value - scale.offset) / scale.factor;
        let ranges = limits.ranges.iter().map(|range| {
            let (a, b) = (raw(*range.start()), raw(*range.end()));
            (a.min(b), a.max(b))
        });
        PointLimit { ranges: ranges.collect(), said: limits.to_string(), by: by.to_owned(), place }
    }
}

impl RuleSet {
    /// The zone of an end, by its place in [`RuleSet::zones`].
    pub fn zone_of(&self, end: End) -> Option<u16> {
        self.zone_number(end)
    }

    /// What the value of a point may be when somebody changes it: by each allow rule with limits that lets it be
    /// changed, in the order of the files, then by the point's own description where no rule has it.
    pub fn limits_of(
        &self,
        end: End,
        protocol: &'static Vocabulary,
        device: Option<u32>,
        at: (Space, u32),
    ) -> Vec<PointLimit> {
        let own = self.point(end, protocol.id, device, at);
        let plain = Scale::default();
        let scale = |rule: &Rule| {
            let named = own.map_or(plain.clone(), |point| point.scale.clone());
            if rule.scale == plain { named } else { rule.scale.clone() }
        };
        let rules = self.rules_to(end).filter(|rule| rule.may_change(protocol, end, device, at));
        let mut all = Vec::new();
        for rule in rules {
            let place = Some(format!("{}:{}", rule.file, rule.line));
            let named = || own.filter(|_| rule.named.limited).and_then(|point| point.limits.as_ref());
            if let Some(limits) = rule.values.as_ref().or_else(named) {
                all.push(PointLimit::new(limits, &scale(rule), &rule.name, place));
            }
        }
        if let Some((point, limits)) = own.and_then(|point| Some((point, point.limits.as_ref()?)))
            && all.is_empty()
        {
            all.push(PointLimit::new(limits, &point.scale, &point.name, None));
        }
        all
    }
}

impl Rule {
    /// Whether it lets somebody change this point of a device.
    fn may_change(
        &self,
        protocol: &Vocabulary,
        end: End,
        device: Option<u32>,
        (space, index): (Space, u32),
    ) -> bool {
        let holds = |span: &super::Span| span.space == space && span.first <= index && index <= span.last;
        self.kind == RuleKind::Allow
            && self.traffic.covers(protocol)
            && [Verb::Write, Verb::Select, Verb::Operate].iter().any(|verb| self.verbs.has(*verb))
            && self.devices.as_ref().is_none_or(|devices| device.is_some_and(|own| devices.contains(&own)))
            && self.points.as_ref().is_none_or(|points| points.iter().any(holds))
            && (!self.named.placed || self.named.is_meant(end, device, space, index))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{ALL_WORDS, COIL, HOLDING, WORDS};
    use super::*;

    fn end(text: &str) -> End {
        End { address: text.parse().unwrap(), mac: None, vlan: None }
    }

    fn rules(text: &str) -> RuleSet {
        super::super::parse("r.toml", text, ALL_WORDS).unwrap().rules
    }

    const TEXT: &str = r#"version = 1
[hosts]
scada = "10.0.0.1"
plc = "10.0.1.1"
[zones]
office = { level = 3, members = ["scada"] }
hall = { level = 1, members = ["10.0.1.0/24"] }
[points]
pressure = { at = "holding:101", of = "plc", unit = 1, low = 0.0, high = 45.0, scale = 0.1, measure = "bar" }
[[allow]]
name = "reads"
to = "plc"
protocol = "modbus"
may = ["read"]
[[allow]]
name = "set points"
from = "scada"
to = "plc"
protocol = "modbus"
may = ["write"]
unit = 1
points = ["holding:100-103"]
values = "0..30"
[[allow]]
name = "pressure too"
to = "plc"
protocol = "modbus"
may = ["write"]
points = ["@pressure"]
"#;

    #[test]
    fn limits_are_those_of_the_rules_that_let_a_point_be_changed() {
        let rules = rules(TEXT);
        let of = |host: &str, unit, at| {
            let limits = rules.limits_of(end(host), &WORDS, Some(unit), at);
            limits.into_iter().map(|limit| (limit.by, limit.said, limit.ranges)).collect::<Vec<_>>()
        };
        let plain = of("10.0.1.1", 1, (HOLDING, 100));
        assert_eq!(plain, [("set points".into(), "0 to 30".into(), vec![(0.0, 30.0)])]);
        let pressure = of("10.0.1.1", 1, (HOLDING, 101));
        assert_eq!(pressure.len(), 2, "{pressure:?}");
        // On the wire it counts tenths of a bar.
        assert_eq!((pressure[0].0.as_str(), &pressure[0].2), ("set points", &vec![(0.0, 300.0)]));
        assert_eq!((pressure[1].0.as_str(), &pressure[1].2), ("pressure too", &vec![(0.0, 450.0)]));
        assert!(of("10.0.1.1", 2, (HOLDING, 100)).is_empty() && of("10.0.1.2", 1, (HOLDING, 100)).is_empty());
        assert!(of("10.0.1.1", 1, (COIL, 100)).is_empty());
    }

    #[test]
    fn an_address_is_in_the_narrowest_zone_that_holds_it() {
        let rules = rules(TEXT);
        let zone =
            |text: &str| rules.zone_of(end(text)).map(|zone| rules.zones()[usize::from(zone)].name.clone());
        assert_eq!(zone("10.0.0.1").as_deref(), Some("office"));
        assert_eq!(zone("10.0.1.77").as_deref(), Some("hall"));
        assert_eq!(zone("10.9.9.9"), None);
    }
}
