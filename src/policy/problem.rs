//! What is wrong with a rule file, said so that its author can mend it: the file, the line, the offending words
//! underlined, and what to do.

use miette::{Diagnostic, LabeledSpan, NamedSource, Severity as Level, SourceCode};
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The text of one rule file and where its lines begin.
#[derive(Clone)]
pub(super) struct Source {
    named: Arc<NamedSource<String>>,
    lines: Arc<[usize]>,
}

impl Source {
    pub(super) fn new(name: &str, text: &str) -> Self {
        let starts = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Source {
            named: Arc::new(NamedSource::new(name, text.to_owned())),
            lines: std::iter::once(0).chain(starts).collect(),
        }
    }

    pub(super) fn name(&self) -> &str {
        self.named.name()
    }

    /// The 1-based line of an octet offset.
    pub(super) fn line(&self, offset: usize) -> u32 {
        self.lines.partition_point(|start| *start <= offset) as u32
    }

    pub(super) fn words(&self, span: &Range<usize>) -> &str {
        self.named.inner().get(span.clone()).unwrap_or_default()
    }
}

/// One error or warning about a rule file. With [`miette`] it prints as a picture of the place.
#[derive(Clone)]
pub struct Problem(Box<Inside>);

#[derive(Clone)]
struct Inside {
    level: Level,
    message: String,
    place: Option<(Source, Range<usize>)>,
    label: String,
    also: Option<(Range<usize>, &'static str)>,
    help: Option<String>,
}

impl Problem {
    fn new(level: Level, message: String, place: Option<(Source, Range<usize>)>) -> Self {
        Problem(Box::new(Inside { level, message, place, label: "here".to_owned(), also: None, help: None }))
    }

    pub(super) fn error(source: &Source, span: Range<usize>, message: impl Into<String>) -> Self {
        Problem::new(Level::Error, message.into(), Some((source.clone(), span)))
    }

    pub(super) fn warning(source: &Source, span: Range<usize>, message: impl Into<String>) -> Self {
        Problem::new(Level::Warning, message.into(), Some((source.clone(), span)))
    }

    /// An error that belongs to no line: a file that cannot be read.
    pub(super) fn file(message: impl Into<String>, help: impl Into<String>) -> Self {
        Problem::new(Level::Error, message.into(), None).help(help)
    }

    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.0.label = label.into();
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.0.help = Some(help.into());
        self
    }

    /// Points at a second place of the same file.
    pub(super) fn also(mut self, span: Range<usize>, label: &'static str) -> Self {
        self.0.also = Some((span, label));
        self
    }

    /// Whether it keeps the rules from being used.
    pub fn is_error(&self) -> bool {
        self.0.level == Level::Error
    }

    /// What is wrong, in one sentence without place or advice.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What to do about it, where there is something to say.
    pub fn advice(&self) -> Option<&str> {
        self.0.help.as_deref()
    }

    /// The file, as it was named when loading.
    pub fn file_name(&self) -> Option<&str> {
        self.0.place.as_ref().map(|(source, _)| source.name())
    }

    /// The 1-based line.
    pub fn line(&self) -> Option<u32> {
        self.0.place.as_ref().map(|(source, span)| source.line(span.start))
    }

    /// The words that are underlined.
    pub fn underlined(&self) -> Option<&str> {
        self.0.place.as_ref().map(|(source, span)| source.words(span))
    }

    /// All of it in one line, for a log: `pump.toml:12: error: unknown host 'plc3'; did you mean 'plc-3'?`
    pub fn one_line(&self) -> String {
        let level = if self.is_error() { "error" } else { "warning" };
        let place = match (self.file_name(), self.line()) {
            (Some(file), Some(line)) => format!("{file}:{line}: "),
            _ => String::new(),
        };
        let help = self.0.help.iter().map(|help| format!(" ({help})")).collect::<String>();
        format!("{place}{level}: {}{help}", self.0.message)
    }

    /// Orders problems as a reader meets them: file by file, from top to bottom.
    pub(super) fn place_key(&self, files: &[super::layers::Text]) -> (usize, usize) {
        let file = self.file_name().and_then(|name| files.iter().position(|file| file.name == name));
        (file.unwrap_or(files.len()), self.0.place.as_ref().map_or(0, |(_, span)| span.start))
    }
}

/// The sentence alone; [`Problem::one_line`] has the place and the advice.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.one_line())
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn severity(&self) -> Option<Level> {
        Some(self.0.level)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.help.as_deref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0.place.as_ref().map(|(source, _)| &source.named as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let (_, span) = self.0.place.as_ref()?;
        let first = LabeledSpan::new_primary_with_span(Some(self.0.label.clone()), span.clone());
        let also = self.0.also.iter().map(|(span, label)| LabeledSpan::at(span.clone(), *label));
        Some(Box::new(std::iter::once(first).chain(also)))
    }
}

/// The candidate that was most likely meant: the nearest by edit distance, if it is near enough.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= limit * 4)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, candidate)| (*distance, candidate.len()))
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap of neighbours) between two words, letter case aside.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replace = above[j] + usize::from(a[i] != b[j]);
            let mut best = replace.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_words_are_suggested_and_far_ones_are_not() {
        assert_eq!(nearest("plc3", ["scada", "plc-3", "plc-10"]), Some("plc-3"));
        assert_eq!(nearest("raed", ["read", "write"]), Some("read"));
        assert_eq!(nearest("Holding", ["coil", "holding"]), Some("holding"));
        assert_eq!(nearest("turbine", ["read", "write"]), None);
        assert_eq!(nearest("", ["read"]), None);
    }

    #[test]
    fn a_line_is_counted_from_one() {
        let source = Source::new("a.toml", "one\ntwo\n\nfour");
        let at = [0, 3, 4, 8, 9].map(|offset| source.line(offset));
        assert_eq!(at, [1, 1, 2, 3, 4]);
    }
}
