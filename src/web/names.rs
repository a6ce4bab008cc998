//! What people call hosts and points: from the rules to the inventory, which knows no rules.

use crate::address::{Address, Mac};
use crate::inventory::{Names, PointKey};
use crate::policy::{End, RuleSet, Who};
use std::sync::Arc;

/// The names that rules give.
pub struct FromRules(pub Option<Arc<RuleSet>>);

impl Names for FromRules {
    fn host(&self, address: Address, mac: Option<Mac>, vlan: Option<u16>) -> Option<String> {
        match self.0.as_ref()?.who(End { address, mac, vlan }) {
            Who::Host(name) => Some(name.to_owned()),
            Who::Within(_) | Who::Unknown => None,
        }
    }

    fn point(&self, key: &PointKey) -> Option<String> {
        let end = End { address: key.server, mac: None, vlan: None };
        let point = self.0.as_ref()?.point(end, key.proto, key.device, (key.space, key.index))?;
        Some(point.name.clone())
    }
}
