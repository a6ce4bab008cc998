//! What devices say of themselves when they are asked who they are.

use super::reading::{Stamp, keep_later};
use crate::address::Address;
use crate::event::{About, Attribute, OwnedValue, Value, Vocabulary};

/// Different things that one device may say of itself.
const STATEMENTS: usize = 64;
/// Octets of a text that are kept.
const LONGEST: usize = 512;

/// Who says it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct IdentityKey {
    /// Where the device is.
    pub server: Address,
    /// [`Vocabulary::id`].
    pub proto: u8,
    /// The device behind the address.
    pub device: Option<u32>,
}

/// One thing that a device says of itself.
#[derive(Clone, PartialEq, Debug)]
pub struct Statement {
    /// Its number in the protocol.
    pub id: u32,
    /// The standard's name, where it has one.
    pub name: Option<&'static str>,
    /// What it is about.
    pub about: About,
    /// When it was said last, what it was, and who asked.
    pub said: Option<(Stamp, OwnedValue, Address)>,
}

/// What a device says of itself.
#[derive(Clone, PartialEq, Debug)]
pub struct Identity {
    /// The protocol that it was read in.
    pub words: &'static Vocabulary,
    /// What it says, sorted by number.
    pub statements: Vec<Statement>,
}

impl Identity {
    pub(super) fn new(words: &'static Vocabulary) -> Identity {
        Identity { words, statements: Vec::new() }
    }

    fn statement(&mut self, id: u32, name: Option<&'static str>, about: About) -> Option<&mut Statement> {
        let at = match self.statements.binary_search_by_key(&id, |statement| statement.id) {
            Ok(at) => at,
            Err(at) if self.statements.len() < STATEMENTS => {
                self.statements.insert(at, Statement { id, name, about, said: None });
                at
            }
            Err(_) => return None,
        };
        self.statements.get_mut(at)
    }

    /// Takes one thing that it says; `to` asked.
    pub(super) fn see(&mut self, attribute: &Attribute<'_>, at: Stamp, to: Address) {
        let Attribute { id, name, about, value } = *attribute;
        let Some(statement) = self.statement(id, name, about) else { return };
        let value = match value {
            Value::Text(octets) => Value::Text(octets.get(..LONGEST).unwrap_or(octets)),
            Value::Bytes(octets) => Value::Bytes(octets.get(..LONGEST).unwrap_or(octets)),
            value => value,
        };
        // What is said again needs no new copy.
        match &mut statement.said {
            Some((last, known, by)) if known.value() == value => (*last, *by) = (*last, *by).max((at, to)),
            said => keep_later(said, Some((at, value.into(), to))),
        }
    }

    pub(super) fn join(&mut self, other: &Identity) {
        for new in &other.statements {
            if let Some(own) = self.statement(new.id, new.name, new.about) {
                keep_later(&mut own.said, new.said.clone());
            }
        }
    }

    /// The time of the last thing said, in nanoseconds.
    pub(super) fn touched(&self) -> i64 {
        self.last().map_or(i64::MIN, |(at, _)| at.ts.nanos)
    }

    /// When it was read last, and by whom.
    pub fn last(&self) -> Option<(Stamp, Address)> {
        self.statements.iter().filter_map(|said| said.said.as_ref().map(|(at, _, by)| (*at, *by))).max()
    }

    /// What it says about this.
    pub fn about(&self, about: About) -> impl Iterator<Item = &OwnedValue> {
        let of = move |statement: &&Statement| statement.about == about;
        self.statements.iter().filter(of).filter_map(|statement| Some(&statement.said.as_ref()?.1))
    }
}
