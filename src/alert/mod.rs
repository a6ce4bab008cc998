//! stub
#![allow(missing_docs)]
use crate::address::Timestamp;
use crate::event::{Event, Flow};
use crate::policy::{RuleSet, Verdict};
pub use crate::policy::Severity;
pub struct Alert { pub severity: Severity }
impl Alert { pub fn readable(&self, _: bool) -> String { String::new() } pub fn json(&self) -> String { String::new() } }
pub enum Grouping { None, Final, Live }
pub struct Desk;
type Emit = Box<dyn FnMut(Alert) + Send>;
impl Desk {
    pub fn new(_: Grouping, _: String) -> Desk { Desk }
    pub fn tick(&mut self, _: Timestamp, _: Option<&RuleSet>, _: &mut Emit) {}
    pub fn finish(&mut self, _: Option<&RuleSet>, _: &mut Emit) {}
    pub fn verdict(&mut self, _: &Event<'_>, _: Verdict, _: &RuleSet, _: &mut Emit) {}
    pub fn malformed(&mut self, _: &Event<'_>, _: &RuleSet, _: &mut Emit) {}
    pub fn conversation(&mut self, _: &Flow, _: Timestamp, _: u64, _: Verdict, _: &RuleSet, _: &mut Emit) {}
    pub fn with_limits(self, _: usize, _: u64) -> Desk { self }
    pub fn evicted(&self) -> u64 { 0 }
    pub fn counts(&self, _: Severity) -> Vec<(&'static str, u64)> { Vec::new() }
    pub fn by_rule(&self) -> Vec<(String, u64)> { Vec::new() }
}
