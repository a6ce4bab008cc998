//! One rule file as TOML with the place of every word, and the small questions that reading it asks.

use super::problem::{Problem, Source, nearest};
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value with its place.
pub(super) type Node<'t> = Spanned<DeValue<'t>>;

/// A word that an author wrote, and where.
#[derive(Clone)]
pub(super) struct Word<'t> {
    pub text: &'t str,
    pub span: Range<usize>,
}

/// One file, parsed.
pub(super) struct Document<'t> {
    pub source: Source,
    pub text: &'t str,
    pub table: DeTable<'t>,
    /// How many files it lies under.
    pub layer: usize,
}

impl<'t> Document<'t> {
    /// Parses a file; syntax errors come back as problems.
    pub(super) fn parse(name: &str, text: &'t str, layer: usize) -> Result<Self, Vec<Problem>> {
        let source = Source::new(name, text);
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(Document { source, text, table: table.into_inner(), layer });
        }
        let problem = |error: toml::de::Error| {
            let span = error.span().unwrap_or(0..0);
            Problem::error(&source, visible(text, span), format!("not TOML: {}", error.message()))
        };
        Err(errors.into_iter().map(problem).collect())
    }

    pub(super) fn error(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem::error(&self.source, span, message)
    }

    pub(super) fn warning(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem::warning(&self.source, span, message)
    }

    /// The place of a string without its quotes.
    pub(super) fn inside(&self, span: Range<usize>, value: &str) -> Range<usize> {
        let inner = span.start + 1..span.end.saturating_sub(1);
        if !value.is_empty() && self.text.get(inner.clone()) == Some(value) { inner } else { span }
    }

    /// A string.
    pub(super) fn string<'n>(&self, key: &str, node: &'n Node<'t>) -> Result<Word<'n>, Problem> {
        match node.get_ref().as_str() {
            Some(text) => Ok(Word { text, span: self.inside(node.span(), text) }),
            None => Err(self.wrong_type(key, node, "a text in quotes")),
        }
    }

    /// A string, or a list of them.
    pub(super) fn strings<'n>(&self, key: &str, node: &'n Node<'t>) -> Result<Vec<Word<'n>>, Vec<Problem>> {
        let wanted = "a text in quotes or a list of them";
        let nodes = items(node);
        let mut words = Vec::with_capacity(nodes.len());
        let mut problems = Vec::new();
        for item in nodes {
            match item.get_ref().as_str() {
                Some(text) => words.push(Word { text, span: self.inside(item.span(), text) }),
                None => problems.push(self.wrong_type(key, item, wanted)),
            }
        }
        if problems.is_empty() { Ok(words) } else { Err(problems) }
    }

    /// A table.
    pub(super) fn table_of<'n>(&self, key: &str, node: &'n Node<'t>) -> Result<&'n DeTable<'t>, Problem> {
        node.get_ref().as_table().ok_or_else(|| self.wrong_type(key, node, "a table"))
    }

    pub(super) fn wrong_type(&self, key: &str, node: &Node<'_>, wanted: &str) -> Problem {
        let found = match node.get_ref() {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.error(visible(self.text, node.span()), format!("'{key}' takes {wanted}, not {found}"))
    }

    /// The first line of a table.
    pub(super) fn first_line(&self, span: &Range<usize>) -> Range<usize> {
        let rest = self.text.get(span.start..).unwrap_or_default();
        span.start..span.start + rest.find('\n').unwrap_or(rest.len())
    }

    /// A key that is not known, with the one that was likely meant.
    pub(super) fn unknown_key(&self, key: &Spanned<toml::de::DeString<'_>>, known: &[&str]) -> Problem {
        let name: &str = key.get_ref();
        let problem = self.error(key.span(), format!("unknown key '{name}'{}", meant(name, known)));
        problem.label("not a key of this table").help(format!("the keys are: {}", known.join(", ")))
    }
}

/// The entries of a table in the order in which the author wrote them.
pub(super) fn entries<'n, 't>(
    table: &'n DeTable<'t>,
) -> Vec<(&'n Spanned<toml::de::DeString<'t>>, &'n Node<'t>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries
}

/// The items of a list, or the one item that stands for a list of one.
pub(super) fn items<'n, 't>(node: &'n Node<'t>) -> Vec<&'n Node<'t>> {
    match node.get_ref().as_array() {
        Some(array) => array.iter().collect(),
        None => vec![node],
    }
}

/// A whole number.
pub(super) fn integer(node: &Node<'_>) -> Option<i64> {
    let number = node.get_ref().as_integer()?;
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A number, whole or not.
pub(super) fn number(node: &Node<'_>) -> Option<f64> {
    match node.get_ref() {
        DeValue::Float(float) => float.as_str().parse().ok().filter(|number: &f64| number.is_finite()),
        _ => integer(node).map(|number| number as f64),
    }
}

/// "; did you mean 'x'?", where a candidate is near.
pub(super) fn meant(word: &str, candidates: &[&str]) -> String {
    nearest(word, candidates.iter().copied())
        .map_or(String::new(), |near| format!("; did you mean '{near}'?"))
}

/// At most the first line of a place, and at least one character where there is one.
fn visible(text: &str, span: Range<usize>) -> Range<usize> {
    let start = span.start.min(text.len());
    let line_end = text.get(start..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| start + at);
    start..span.end.clamp(start, line_end.max(start))
}
