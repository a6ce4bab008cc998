//! Test cases in rule files: `[[test]]`, a message as a sentence and what the rules are to say of it.

use super::document::{Document, Word, entries, meant};
use super::explain::Class;
use super::memory::Memory;
use super::problem::Problem;
use super::rule::Rule;
use super::sentence::{Lexicon, Message, Misspoken};
use super::set::RuleSet;
use super::verdict::Verdict;
use crate::address::Timestamp;
use std::ops::Range;
use std::sync::Arc;
use toml::de::DeTable;

const KEYS: [&str; 5] = ["name", "message", "messages", "expect", "rule"];
const CLASSES: [Class; 3] = [Class::Allowed, Class::Denied, Class::NotAllowed];
/// Between messages that do not say when they happen, in nanoseconds.
const STEP: i64 = 1_000_000_000;

/// One `[[test]]` of a rule file.
#[derive(Clone, Debug)]
pub struct TestCase {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// The file that holds it.
    pub file: Arc<str>,
    /// The 1-based line where it starts.
    pub line: u32,
    /// Its messages, in order, each with its sentence. What is expected is said of the last.
    pub messages: Vec<(String, Message)>,
    /// What is expected.
    pub expect: Class,
    /// The rule that is to decide, where the author says so; of a message that is not allowed, the nearest.
    pub rule: Option<String>,
}

impl TestCase {
    /// How it is called: by its name, else by its last sentence.
    pub fn title(&self) -> &str {
        let sentence = || self.messages.last().map_or("", |(sentence, _)| sentence.as_str());
        self.name.as_deref().unwrap_or_else(sentence)
    }

    /// Judges all but the last message, and lends the last with what is remembered before it.
    pub fn last(&self, rules: &RuleSet) -> Option<(&Message, Memory)> {
        let mut memory = Memory::default();
        let ((_, last), before) = self.messages.split_last()?;
        for (_, message) in before {
            message.judge(rules, &mut memory);
        }
        Some((last, memory))
    }

    /// Whether a verdict is what is expected.
    pub fn is_met(&self, rules: &RuleSet, verdict: &Verdict) -> bool {
        let decided = deciding(rules, verdict);
        Class::from(verdict) == self.expect
            && self.rule.as_ref().is_none_or(|name| decided.is_some_and(|rule| rule.name == *name))
    }
}

/// The rule that decides; of a message that is not allowed, the nearest.
pub fn deciding<'r>(rules: &'r RuleSet, verdict: &Verdict) -> Option<&'r Rule> {
    let id = match verdict {
        Verdict::Allowed { rule } => *rule,
        Verdict::Denied { rule } => Some(*rule),
        Verdict::NotAllowed { nearest, .. } => *nearest,
        Verdict::NotJudged => None,
    };
    id.and_then(|id| rules.rule(id))
}

/// Reads one `[[test]]`.
pub(super) fn read(
    document: &Document<'_>,
    table: &DeTable<'_>,
    span: Range<usize>,
    lexicon: &Lexicon<'_>,
    rules: &[Rule],
    problems: &mut Vec<Problem>,
) -> Option<TestCase> {
    let before = problems.len();
    for (key, _) in entries(table).into_iter().filter(|(key, _)| !KEYS.contains(&key.get_ref().as_ref())) {
        problems.push(document.unknown_key(key, &KEYS));
    }
    let header = || document.first_line(&span);
    let text = |key: &str, problems: &mut Vec<Problem>| {
        let word = document.string(key, table.get(key)?);
        word.map_err(|problem| problems.push(problem)).ok()
    };
    let sentences: Vec<Word<'_>> = match (table.get("message"), table.get("messages")) {
        (Some(_), None) => text("message", problems).into_iter().collect(),
        (None, Some(node)) => document.strings("messages", node).unwrap_or_else(|more| {
            problems.extend(more);
            Vec::new()
        }),
        (Some(_), Some(_)) => {
            let problem = document.error(header(), "the test has both 'message' and 'messages'");
            problems.push(problem.help("'messages' takes the whole sequence"));
            Vec::new()
        }
        (None, None) => {
            let problem = document.error(header(), "the test has no 'message'").label("this test");
            problems.push(problem.help("add message = \"scada modbus read holding 101 -> plc-3\""));
            Vec::new()
        }
    };
    let mut messages: Vec<(String, Message)> = Vec::new();
    for word in &sentences {
        match Message::read(word.text, lexicon) {
            Ok(message) => {
                let after = |(_, last): &(String, Message)| {
                    let nanos = last.ts().nanos.saturating_add(STEP);
                    Timestamp { nanos, ..last.ts() }
                };
                let ts = messages.last().filter(|_| !message.is_timed()).map(after);
                let message = ts.map_or(message.clone(), |ts| message.at(ts));
                messages.push((word.text.to_owned(), message));
            }
            Err(wrong) => problems.push(misspoken(document, word, &wrong)),
        }
    }
    let expect = match text("expect", problems) {
        None if table.get("expect").is_none() => {
            let problem = document.error(header(), "the test does not say what to expect").label("this test");
            problems.push(problem.help("add expect = \"allowed\", \"denied\" or \"not-allowed\""));
            None
        }
        None => None,
        Some(word) => {
            let class = CLASSES.into_iter().find(|class| class.name() == word.text);
            if class.is_none() {
                let near = meant(word.text, &CLASSES.map(Class::name));
                let message = format!("'{}' is no verdict{near}", word.text);
                let problem = document.error(word.span, message);
                problems.push(problem.help("the verdicts are: allowed, denied, not-allowed"));
            }
            class
        }
    };
    let rule = text("rule", problems);
    if let Some(word) = &rule
        && !rules.iter().any(|rule| rule.name == word.text)
    {
        let known: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
        let message = format!("no rule is named '{}'{}", word.text, meant(word.text, &known));
        problems.push(document.error(word.span.clone(), message));
    }
    let name = text("name", problems).map(|word| word.text.to_owned());
    if problems.len() > before || messages.is_empty() {
        return None;
    }
    Some(TestCase {
        name,
        file: document.source.name().into(),
        line: document.source.line(span.start),
        messages,
        expect: expect?,
        rule: rule.map(|word| word.text.to_owned()),
    })
}

/// A word of a sentence, as a problem of its file.
fn misspoken(document: &Document<'_>, word: &Word<'_>, wrong: &Misspoken) -> Problem {
    let plain = document.text.get(word.span.clone()) == Some(word.text);
    let start = word.span.start;
    let at = start + wrong.at.start..start + wrong.at.end;
    let span = if plain && !at.is_empty() { at } else { word.span.clone() };
    let problem = document.error(span, wrong.message.clone());
    match &wrong.help {
        Some(help) => problem.help(help.clone()),
        None => problem,
    }
}
