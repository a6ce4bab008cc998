//! The conditions of a rule beyond who, which device, what and where: values, kinds of object, time, rate, change.

use super::memory::Memory;
use super::rule::{Maintenance, Rule, RuleKind};
use super::table::{Ask, changes};
use super::verdict::{Seen, Why};
use crate::event::{Event, Space, Value};

/// What a message meets: the rules, and what is remembered of those before it.
#[derive(Clone, Copy)]
pub(super) struct Scene<'s, 'e> {
    pub rules: &'s [Rule],
    pub maintenance: &'s [Maintenance],
    pub memory: &'s Memory,
    pub event: &'s Event<'e>,
}

impl Scene<'_, '_> {
    pub(super) fn rule(&self, id: u32) -> Option<&Rule> {
        self.rules.get(id as usize)
    }

    /// Whether an allow rule lets a point of an ask pass as it stands, and up to which point of the ask that is known.
    /// `last` is the last point of the run that names the rule.
    pub(super) fn lets(&self, id: u32, ask: &Ask<'_>, index: u32, last: u32) -> Option<u32> {
        let rule = self.rule(id)?;
        if self.refuses(id, ask, index).is_some() {
            return None;
        }
        let last = match ask.range.filter(|_| rule.named.placed) {
            Some(range) => last.min(rule.named.reach(self.event, range.space, index)?),
            None => last,
        };
        let by_value = rule.values.is_some() || rule.named.limited || rule.change.is_some();
        if !by_value {
            return Some(last);
        }
        if !ask.valued() {
            // A point with limits of its own does not let a change pass that tells no value.
            let range = ask.range.filter(|_| changes(ask.verb));
            let limited =
                range.and_then(|range| rule.first_limited_after(self.event, range.space, index, last));
            return Some(limited.map_or(last, |next| last.min(next - 1)));
        }
        let more = (index..=last.min(ask.last)).skip(1);
        Some(more.take_while(|at| self.refuses(id, ask, *at).is_none()).last().unwrap_or(index))
    }

    /// Whether a maintenance window lets a point pass that an allow rule would not.
    pub(super) fn relaxes(&self, id: u32, ask: &Ask<'_>, index: u32) -> bool {
        let elsewhere = || matches!(self.refuses(id, ask, index), Some(Why::Outside { .. }));
        self.rule(id).is_some_and(|rule| self.relaxing(rule).is_some()) && !elsewhere()
    }

    /// Notes that an allow rule is what lets a point pass.
    pub(super) fn makes_use_of(&self, id: u32, ask: &Ask<'_>, index: u32) {
        let Some(rule) = self.rule(id).filter(|rule| rule.rate.is_some() || !rule.relaxed.is_empty()) else {
            return;
        };
        if self.refuses(id, ask, index).is_none() {
            self.memory.will_use(id, RuleKind::Allow);
        } else if let Some(window) = self.relaxing(rule) {
            self.memory.will_relax(window, id);
        }
    }

    fn relaxing(&self, rule: &Rule) -> Option<u32> {
        self.memory.relaxing(self.maintenance, rule, self.event.ts)
    }

    /// The condition of an allow rule that a point of an ask does not meet.
    pub(super) fn refuses(&self, id: u32, ask: &Ask<'_>, index: u32) -> Option<Why> {
        let (rule, ts) = (self.rule(id)?, self.event.ts);
        if let Some(objects) = &rule.objects {
            let Some(range) = ask.range else { return Some(Why::NoPoints) };
            if !objects.contains(&(range.space, range.variant)) {
                return Some(Why::Object { range });
            }
        }
        if let Some(range) = ask.range.filter(|_| rule.named.placed)
            && rule.named.reach(self.event, range.space, index).is_none()
        {
            return Some(Why::Outside { range, index });
        }
        if !self.memory.is_during(id, rule, ts) {
            return Some(Why::When);
        }
        self.refuses_value(rule, ask, index)
            .or_else(|| (!self.memory.has_room(id, rule, self.event)).then_some(Why::Rate))
    }

    fn refuses_value(&self, rule: &Rule, ask: &Ask<'_>, index: u32) -> Option<Why> {
        let value = ask.value(index);
        let Some(range) = ask.range else {
            let needs = rule.values.is_some() || rule.named.limited;
            return (needs && changes(ask.verb)).then_some(Why::NoPoints);
        };
        let Some(value) = value else {
            let limited = rule.limits(self.event, range.space, index).is_some();
            let unknown = (ask.valued() || changes(ask.verb)) && limited;
            return unknown.then_some(Why::ValueUnknown { range, index });
        };
        if !self.is_within(rule, range.space, index, value).unwrap_or(true) {
            return Some(Why::Value { range, index, value: Seen::from(value) });
        }
        let before = self.jump(rule, ask, index, value)?;
        Some(Why::Change { range, index, value: Seen::from(value), before })
    }

    /// Whether a value is inside the limits of its point; `None` where it has none.
    fn is_within(&self, rule: &Rule, space: Space, index: u32, value: Value<'_>) -> Option<bool> {
        let limits = rule.limits(self.event, space, index)?;
        Some(limits.holds_in(value, rule.scale(self.event, space, index)))
    }

    /// What was written before, where this value is too far from it.
    fn jump(&self, rule: &Rule, ask: &Ask<'_>, index: u32, value: Value<'_>) -> Option<f64> {
        let (change, space) = (rule.change.as_ref()?, ask.range?.space);
        let factor = rule.scale(self.event, space, index).factor;
        self.memory.jump(change, factor, self.event, (space, index), value.number()?)
    }

    /// Whether a deny rule objects to a part of an ask that its run names, from `first` to `last`.
    pub(super) fn objects(&self, id: u32, ask: &Ask<'_>, first: u32, last: u32) -> bool {
        let Some(rule) = self.rule(id) else { return false };
        let object = |objects: &Vec<_>| ask.range.is_some_and(|at| objects.contains(&(at.space, at.variant)));
        if !rule.objects.as_ref().is_none_or(object) || !self.memory.is_during(id, rule, self.event.ts) {
            return false;
        }
        let meant = |first, last| {
            let placed = ask.range.filter(|_| rule.named.placed);
            placed.is_none_or(|range| rule.named.touches(self.event, range.space, first, last))
        };
        if !meant(first, last) {
            return false;
        }
        let (limited, jumps) = (rule.values.is_some(), rule.change.is_some());
        if limited || jumps {
            let Some(range) = ask.range.filter(|range| range.valued) else { return false };
            let values = (first..=last).map_while(|index| Some((index, ask.value(index)?)));
            let meets = |(index, value): (u32, Value<'_>)| {
                meant(index, index)
                    && (!limited || self.is_within(rule, range.space, index, value).unwrap_or(false))
                    && (!jumps || self.jump(rule, ask, index, value).is_some())
            };
            if !{ values }.any(meets) {
                return false;
            }
        }
        if rule.rate.is_some() && self.memory.has_room(id, rule, self.event) {
            self.memory.will_use(id, RuleKind::Deny);
            return false;
        }
        if let Some(window) = self.relaxing(rule) {
            self.memory.will_relax(window, id);
            return false;
        }
        true
    }
}
