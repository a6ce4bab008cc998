//! An alert in the words of those who receive it: one line each, made without input or output.
//!
//! Flows in: an [`Alert`]. Flows out: octets, appended to a buffer, without a line break inside or at the end. The same
//! alert gives the same octets. Text in an alert may have come from the wire: every format escapes it as its
//! specification says, and control characters and marks that reorder a line never get out as they are.
//!
//! | format | what | follows |
//! |---|---|---|
//! | [`Format::Wayside`] | our own JSON | `docs/schemas/alert.schema.json` |
//! | [`Format::Ecs`] | Elastic Common Schema | its field reference, 8.11 |
//! | [`Format::Eve`] | Suricata EVE, `alert` | its JSON Schema |
//! | [`Format::Cef`] | Common Event Format, version 0 | ArcSight, "Implementing CEF", revision 25 |
//! | [`Format::Ocsf`] | OCSF Detection Finding (2004) | the Open Cybersecurity Schema Framework, 1.3 |
//! | [`Format::Stix`] | a STIX bundle | STIX 2.1, TLP 2.0 |
//!
//! [`eve`] also has events of Modbus and DNP3; [`syslog`] puts any of these lines into a syslog message.

mod cef;
mod ecs;
pub mod eve;
mod facts;
mod ocsf;
mod stix;
pub mod syslog;
mod tlp;
mod visible;

pub use tlp::{Tlp, UnknownTlp};

use crate::alert::Alert;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// The vendor and the product, where a format asks for them.
const PRODUCT: &str = "Wayside";
/// The version of the product.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How alerts are written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Format {
    /// Our own JSON.
    #[default]
    Wayside,
    /// Elastic Common Schema.
    Ecs,
    /// Suricata EVE.
    Eve,
    /// Common Event Format.
    Cef,
    /// OCSF Detection Finding.
    Ocsf,
    /// STIX 2.1 bundle.
    Stix,
}

/// A word that names no format.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("there is no format '{word}'; {suggestion}")]
pub struct UnknownFormat {
    word: String,
    suggestion: String,
}

/// What a format needs to know beside the alert.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Context {
    /// With whom a STIX bundle may be shared.
    pub tlp: Tlp,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 6] =
        [Format::Wayside, Format::Ecs, Format::Eve, Format::Cef, Format::Ocsf, Format::Stix];

    /// Its name, as an administrator writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Wayside => "wayside",
            Format::Ecs => "ecs",
            Format::Eve => "eve",
            Format::Cef => "cef",
            Format::Ocsf => "ocsf",
            Format::Stix => "stix",
        }
    }

    /// The media type of a body that holds one alert: RFC 8259, and OASIS for STIX.
    pub const fn media_type(self) -> &'static str {
        match self {
            Format::Cef => "text/plain; charset=utf-8",
            Format::Stix => "application/stix+json;version=2.1",
            Format::Wayside | Format::Ecs | Format::Eve | Format::Ocsf => "application/json",
        }
    }

    /// Appends the alert as one line, without a line break.
    pub fn write(self, alert: &Alert, context: &Context, out: &mut Vec<u8>) {
        match self {
            Format::Wayside => alert.write_json(out),
            Format::Ecs => ecs::write(alert, out),
            Format::Eve => eve::alert(alert, out),
            Format::Cef => cef::write(alert, out),
            Format::Ocsf => ocsf::write(alert, out),
            Format::Stix => stix::write(alert, context.tlp, out),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Its name, letter case aside.
impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(word: &str) -> Result<Format, UnknownFormat> {
        let lower = word.to_lowercase();
        if let Some(format) = Format::ALL.into_iter().find(|format| format.name() == lower) {
            return Ok(format);
        }
        let suggestion = match meant(&lower) {
            Some(format) => format!("did you mean '{format}'?"),
            None => format!("there are {}", Format::ALL.map(Format::name).join(", ")),
        };
        let mut shown = String::new();
        visible::push(word, 64, &mut shown);
        Err(UnknownFormat { word: shown, suggestion })
    }
}

/// What somebody may have meant: another name of the same thing, or one with a letter too many, too few or wrong.
fn meant(word: &str) -> Option<Format> {
    let also = match word {
        "json" | "ndjson" | "default" => Format::Wayside,
        "elastic" | "elasticsearch" | "elk" => Format::Ecs,
        "suricata" | "eve-json" | "eve.json" => Format::Eve,
        "arcsight" | "leef" => Format::Cef,
        "stix2" | "stix2.1" | "stix-2.1" | "taxii" => Format::Stix,
        _ => return Format::ALL.into_iter().find(|format| nearly(word, format.name())),
    };
    Some(also)
}

/// Whether one letter more, less or other makes one word the other.
fn nearly(word: &str, name: &str) -> bool {
    let (word, name): (Vec<char>, Vec<char>) = (word.chars().collect(), name.chars().collect());
    let start = word.iter().zip(&name).take_while(|(a, b)| a == b).count();
    [(1, 1), (1, 0), (0, 1)].into_iter().any(|(of_word, of_name)| {
        let rest = (word.get(start + of_word..), name.get(start + of_name..));
        matches!(rest, (Some(a), Some(b)) if a == b)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_their_names() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(format));
            assert_eq!(format.name().to_uppercase().parse(), Ok(format));
        }
        assert_eq!(Format::default(), Format::Wayside);
    }

    #[test]
    fn a_word_that_is_none_gets_one_sentence_with_a_suggestion() {
        let said = |word: &str| word.parse::<Format>().unwrap_err().to_string();
        assert_eq!(
            said("splunk"),
            "there is no format 'splunk'; there are wayside, ecs, eve, cef, ocsf, stix"
        );
        assert_eq!(said("ces"), "there is no format 'ces'; did you mean 'cef'?");
        assert_eq!(said("suricata"), "there is no format 'suricata'; did you mean 'eve'?");
        assert_eq!(said("cfe"), "there is no format 'cfe'; there are wayside, ecs, eve, cef, ocsf, stix");
        assert_eq!(said("osf"), "there is no format 'osf'; did you mean 'ocsf'?");
        assert_eq!(said("waysid"), "there is no format 'waysid'; did you mean 'wayside'?");
        assert_eq!(said("stixx"), "there is no format 'stixx'; did you mean 'stix'?");
        assert_eq!(
            said("a\nb\u{202e}"),
            "there is no format 'a\\u000ab\\u202e'; there are wayside, ecs, eve, cef, ocsf, stix"
        );
    }
}
