//! The words of one protocol, so that rules, alerts and outputs speak of it without importing it.

use super::{Space, Verb};
use std::fmt;

/// A function, command or type with the standard's name and what it does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Code {
    /// The number on the wire.
    pub code: u16,
    /// The standard's name in lower case with hyphens, as rules write it: `write-single-register`.
    pub name: &'static str,
    /// What it does, in the neutral vocabulary.
    pub verb: Verb,
}

/// What a protocol calls things. One constant per protocol, in its folder.
pub struct Vocabulary {
    /// Its place in the registry; a test holds it to that.
    pub id: u8,
    /// The name in events, rules and metrics: `modbus`.
    pub name: &'static str,
    /// The name in sentences: "Modbus".
    pub title: &'static str,
    /// The rule key for the device behind the address: `unit`, `outstation`, `common-address`, `station`.
    pub device_key: &'static str,
    /// The same in sentences: "unit", "outstation address".
    pub device_title: &'static str,
    /// Whether a sentence names this device beside its address: where one address commonly has several, and this is
    /// not the usual one.
    pub names_device: fn(u32) -> bool,
    /// The functions, sorted by code.
    pub functions: &'static [Code],
    /// Examples of spaces for help and suggestions: `coil`, `holding`.
    pub spaces: &'static [&'static str],
    /// Writes the name of a space: `holding`, `g30`.
    pub write_space: fn(Space, &mut fmt::Formatter<'_>) -> fmt::Result,
    /// Writes one point as an operator would say it: "holding register 101", "analog input 3".
    /// `count` is how many points follow on from it, 1 for one: "holding registers 100 to 103".
    pub write_point: fn(super::PointRange, &mut fmt::Formatter<'_>) -> fmt::Result,
    /// Reads the name of a space.
    pub parse_space: fn(&str) -> Option<Space>,
    /// The largest index that a point of this protocol can have.
    pub max_index: u32,
}

impl Vocabulary {
    /// The function with this code.
    pub fn function(&self, code: u16) -> Option<&'static Code> {
        let at = self.functions.binary_search_by_key(&code, |f| f.code).ok()?;
        self.functions.get(at)
    }

    /// The standard's name of a function.
    pub fn function_name(&self, code: u16) -> Option<&'static str> {
        self.function(code).map(|f| f.name)
    }

    /// The code of a function by its name.
    pub fn function_code(&self, name: &str) -> Option<u16> {
        self.functions.iter().find(|f| f.name == name).map(|f| f.code)
    }

    /// A space, printable.
    pub fn space_name(&'static self, space: Space) -> impl fmt::Display {
        Written(move |f: &mut fmt::Formatter<'_>| (self.write_space)(space, f))
    }

    /// A run of points in an operator's words, printable.
    pub fn point_name(&'static self, range: super::PointRange) -> impl fmt::Display {
        Written(move |f: &mut fmt::Formatter<'_>| (self.write_point)(range, f))
    }
}

impl PartialEq for Vocabulary {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

struct Written<F>(F);

impl<F: Fn(&mut fmt::Formatter<'_>) -> fmt::Result> fmt::Display for Written<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}
