//! A word about time that cannot be read: where it is, what is wrong, what was probably meant.

use std::fmt;
use std::ops::Range;

/// Why a text about time cannot be read. Displays as one sentence:
/// `unknown time zone 'America/NewYork'; did you mean 'America/New_York'?`
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Misread {
    /// The octets of the text that are wrong.
    pub at: Range<usize>,
    /// What is wrong, without the suggestion.
    pub message: String,
    /// What was probably meant, where that can be guessed.
    pub meant: Option<String>,
    /// How such a text is written.
    pub help: Option<&'static str>,
}

impl fmt::Display for Misread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.meant {
            Some(meant) => write!(f, "; did you mean '{meant}'?"),
            None => Ok(()),
        }
    }
}

impl Misread {
    pub(super) fn meant(mut self, meant: Option<impl Into<String>>) -> Self {
        self.meant = meant.map(Into::into);
        self
    }

    pub(super) fn help(mut self, help: &'static str) -> Self {
        self.help = Some(help);
        self
    }
}

/// A part of a text that knows where it is in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'t> {
    pub text: &'t str,
    pub at: usize,
}

impl<'t> Part<'t> {
    pub(super) fn whole(text: &'t str) -> Self {
        Part { text, at: 0 }.trim()
    }

    pub(super) fn trim(self) -> Self {
        let before = self.text.len() - self.text.trim_start().len();
        Part { text: self.text.trim(), at: self.at + before }
    }

    pub(super) fn is_empty(self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn is(self, word: &str) -> bool {
        self.text.eq_ignore_ascii_case(word)
    }

    pub(super) fn starts_with_digit(self) -> bool {
        self.text.starts_with(|first: char| first.is_ascii_digit())
    }

    /// The octets of the whole text that it covers.
    pub(super) fn range(self) -> Range<usize> {
        self.at..self.at + self.text.len()
    }

    /// What is before an octet and what is from there on; cut nowhere but between characters.
    pub(super) fn cut(self, at: usize) -> (Self, Self) {
        let (a, b) = self.text.split_at_checked(at).unwrap_or((self.text, ""));
        (Part { text: a, at: self.at }, Part { text: b, at: self.at + a.len() })
    }

    /// What is before the first of these characters and what is after it, both trimmed.
    pub(super) fn split(self, marks: &[char]) -> Option<(Self, Self)> {
        let (at, mark) = self.text.char_indices().find(|(_, c)| marks.contains(c))?;
        let (before, rest) = self.cut(at);
        Some((before.trim(), rest.cut(mark.len_utf8()).1.trim()))
    }

    /// The first word and what follows it.
    pub(super) fn word(self) -> (Self, Self) {
        let part = self.trim();
        let (word, rest) = part.cut(part.text.find(char::is_whitespace).unwrap_or(part.text.len()));
        (word, rest.trim())
    }

    /// From the start of this part to the end of another, of the same text.
    pub(super) fn through(self, last: Part<'_>, text: &'t str) -> Self {
        let end = last.range().end;
        Part { text: text.get(self.at..end).unwrap_or(self.text), at: self.at }
    }

    pub(super) fn wrong(self, message: impl Into<String>) -> Misread {
        Misread { at: self.range(), message: message.into(), meant: None, help: None }
    }
}

/// What joins the two ends of a span: a hyphen, or the dash that a word processor makes of it.
pub(super) const HYPHENS: &[char] = &['-', '–'];
