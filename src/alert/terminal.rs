//! Alerts as a person at a terminal reads them: the sentence first, where to look second.

use super::{Alert, Severity, technique_name};
use std::fmt::{self, Write};

/// From so many messages on a terminal shows how many there were a minute.
const STORM: u64 = 10;

impl Alert {
    /// Writes the alert as two lines, and what to do next as a third where it is high or critical; the last without a
    /// newline. Severities are coloured where `colour` says that the terminal can. Text from the wire and from rule files is escaped.
    pub fn write_terminal(&self, colour: bool, f: &mut impl Write) -> fmt::Result {
        let mut buffer = [0; 40];
        let time = self.ts.format(&mut buffer).get(11..19).unwrap_or_default();
        let (on, off) = if colour { (paint(self.severity), "\u{1b}[0m") } else { ("", "") };
        let word = self.severity.name().to_ascii_uppercase();
        write!(f, "{time} {on}{word:<8}{off} ")?;
        Clean(f).write_str(&self.summary)?;
        write!(f, "\n         {} -> {}  {}", self.src, self.dst, self.proto)?;
        if self.frame > 0 {
            write!(f, "  frame {}", self.frame)?;
        }
        if let Some(file) = &self.file {
            f.write_str(" of ")?;
            Clean(f).write_str(file)?;
        }
        for id in &self.attack {
            f.write_str("  ")?;
            Clean(f).write_str(id)?;
            if let Some(name) = technique_name(id) {
                write!(f, " {name}")?;
            }
        }
        if self.count > 1 {
            let seconds = self.last_seen.since(self.first_seen) / 1_000_000_000;
            write!(f, "  {} times in {} s", self.count, seconds.max(1))?;
            if let Some(rate) = self.rate().filter(|_| self.count >= STORM) {
                write!(f, ", {rate:.0} a minute")?;
            }
        }
        if let Some(place) = &self.rule_at {
            f.write_str("  ")?;
            Clean(f).write_str(place)?;
        }
        if self.severity >= Severity::High && !self.advice.is_empty() {
            f.write_str("\n         -> ")?;
            Clean(f).write_str(&self.advice)?;
        }
        Ok(())
    }
}

/// The ANSI colour of a severity.
fn paint(severity: Severity) -> &'static str {
    match severity {
        Severity::Low => "\u{1b}[36m",
        Severity::Medium => "\u{1b}[33m",
        Severity::High => "\u{1b}[1;31m",
        Severity::Critical => "\u{1b}[1;97;41m",
    }
}

/// Escapes what would move the cursor, end the line or turn the direction of writing.
struct Clean<'a, W>(&'a mut W);

impl<W: Write> Write for Clean<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match character {
                '\u{0}'..='\u{1f}'
                | '\u{7f}'..='\u{9f}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}' => write!(self.0, "{}", character.escape_unicode())?,
                other => self.0.write_char(other)?,
            }
        }
        Ok(())
    }
}
