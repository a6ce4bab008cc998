//! Traffic Light Protocol 2.0 (FIRST, August 2022), and the markings of STIX that OASIS published for it.

use super::visible;
use crate::event::Array;
use std::str::FromStr;
use thiserror::Error;

/// The extension that OASIS published for TLP 2.0.
const TLP_EXTENSION: &str = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d";

/// With whom a recipient may share: Traffic Light Protocol 2.0 (FIRST, August 2022).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Tlp {
    /// With anybody.
    Clear,
    /// Within the community.
    Green,
    /// Within the organization and with its clients, who need to know.
    #[default]
    Amber,
    /// Within the organization only.
    AmberStrict,
    /// Nobody.
    Red,
}

impl Tlp {
    /// All of them, the most open first.
    pub const ALL: [Tlp; 5] = [Tlp::Clear, Tlp::Green, Tlp::Amber, Tlp::AmberStrict, Tlp::Red];

    /// Its name in lower case, as an administrator writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Tlp::Clear => "clear",
            Tlp::Green => "green",
            Tlp::Amber => "amber",
            Tlp::AmberStrict => "amber+strict",
            Tlp::Red => "red",
        }
    }

    /// The label as FIRST writes it.
    const fn label(self) -> &'static str {
        match self {
            Tlp::Clear => "TLP:CLEAR",
            Tlp::Green => "TLP:GREEN",
            Tlp::Amber => "TLP:AMBER",
            Tlp::AmberStrict => "TLP:AMBER+STRICT",
            Tlp::Red => "TLP:RED",
        }
    }

    /// The marking definition that OASIS published for it.
    pub const fn marking(self) -> &'static str {
        match self {
            Tlp::Clear => "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
            Tlp::Green => "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
            Tlp::Amber => "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
            Tlp::AmberStrict => "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
            Tlp::Red => "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
        }
    }

    /// Writes that marking definition.
    pub(super) fn write_marking(self, a: &mut Array<'_>) {
        a.item().object(|o| {
            o.word("type", "marking-definition");
            o.word("spec_version", "2.1");
            o.word("id", self.marking());
            o.word("created", "2022-10-01T00:00:00.000Z");
            o.word("name", self.label());
            o.key("extensions").object(|o| {
                o.key(TLP_EXTENSION).object(|o| {
                    o.word("extension_type", "property-extension");
                    o.word("tlp_2_0", self.name());
                });
            });
        });
    }
}

/// A word that is none of these.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("there is no TLP label '{0}'; there are clear, green, amber, amber+strict and red")]
pub struct UnknownTlp(String);

/// Its name, letter case aside, with or without `TLP:`; `white` is what TLP 1.0 called `clear`.
impl FromStr for Tlp {
    type Err = UnknownTlp;

    fn from_str(word: &str) -> Result<Tlp, UnknownTlp> {
        let lower = word.to_lowercase();
        let name = lower.strip_prefix("tlp:").unwrap_or(&lower);
        if name == "white" {
            return Ok(Tlp::Clear);
        }
        Tlp::ALL.into_iter().find(|tlp| tlp.name() == name).ok_or_else(|| {
            let mut shown = String::new();
            visible::push(word, 64, &mut shown);
            UnknownTlp(shown)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_known_by_their_names() {
        for tlp in Tlp::ALL {
            assert_eq!([tlp.name().parse(), tlp.label().parse()], [Ok(tlp), Ok(tlp)]);
        }
        assert_eq!(["white".parse(), Ok(Tlp::default())], [Ok(Tlp::Clear), Ok(Tlp::Amber)]);
        assert!("ambr".parse::<Tlp>().is_err());
    }
}
