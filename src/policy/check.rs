//! From files to rules: reads every table, says everything that is wrong with it, and hands over what is right.

use super::document::{Document, Node, entries, integer, items, meant};
use super::names::{Found, Names};
use super::problem::Problem;
use super::rule::RuleKind;
use super::rule_reader::RuleReader;
use super::set::{Defaults, Parts};
use crate::event::Vocabulary;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// The version of the language.
const VERSION: i64 = 1;
const TABLES: [&str; 7] = ["version", "hosts", "groups", "zones", "allow", "deny", "defaults"];
const LATER_TABLES: [&str; 8] =
    ["expect", "test", "points", "conduits", "include", "holidays", "maintenance", "overlay"];

/// Checks all files together.
pub(super) fn check(
    documents: &[Document<'_>],
    words: &[&'static Vocabulary],
    problems: &mut Vec<Problem>,
) -> Parts {
    let mut names = Names::read(documents, problems);
    let mut checker = Checker { words, problems, rule_names: HashMap::new(), defaults: HashMap::new() };
    let mut rules = Vec::new();
    let mut defaults = Defaults::default();
    for (file, document) in documents.iter().enumerate() {
        let name: Arc<str> = document.source.name().into();
        checker.version(document);
        for (key, node) in entries(&document.table) {
            match key.get_ref().as_ref() {
                "version" | "hosts" | "groups" | "zones" => {}
                "defaults" => checker.defaults(document, node, &mut defaults),
                kind @ ("allow" | "deny") => {
                    let kind_of = if kind == "allow" { RuleKind::Allow } else { RuleKind::Deny };
                    for item in items(node) {
                        let Some(table) = item.get_ref().as_table() else {
                            let wanted = format!("rules, each under [[{kind}]]");
                            checker.problems.push(document.wrong_type(kind, item, &wanted));
                            continue;
                        };
                        let reader = RuleReader { file, document, table, span: item.span(), kind: kind_of };
                        rules.extend(
                            reader
                                .read(&name, &mut names, &mut checker)
                                .map(|rule| (file, item.span().start, rule)),
                        );
                    }
                }
                later if LATER_TABLES.contains(&later) => checker.problems.push(document.later_key(key)),
                _ => checker.problems.push(document.unknown_key(key, &TABLES)),
            }
        }
    }
    rules.sort_by_key(|(file, start, _)| (*file, *start));
    let rules = rules.into_iter().map(|(_, _, rule)| rule).collect();
    let Found { sets, hosts, members, zones } = names.finish(problems);
    Parts { rules, sets, hosts, members, zones, defaults }
}

pub(super) struct Checker<'c> {
    pub words: &'c [&'static Vocabulary],
    pub problems: &'c mut Vec<Problem>,
    /// Where each rule name was first given.
    pub rule_names: HashMap<String, (usize, Range<usize>, String)>,
    defaults: HashMap<String, String>,
}

impl Checker<'_> {
    fn version(&mut self, document: &Document<'_>) {
        let problem = match document.table.get("version") {
            None => {
                let line_end = document.text.find('\n').unwrap_or(document.text.len());
                let problem = document
                    .error(0..line_end, "the file does not say which version of the language it is in");
                problem.label("before this").help("put 'version = 1' on the first line")
            }
            Some(node) if integer(node) == Some(VERSION) => return,
            Some(node) => document
                .error(node.span(), "only version 1 of the rule language is known")
                .label("another version")
                .help("write 'version = 1'"),
        };
        self.problems.push(problem);
    }

    fn defaults(&mut self, document: &Document<'_>, node: &Node<'_>, defaults: &mut Defaults) {
        let table = match document.table_of("defaults", node) {
            Ok(table) => table,
            Err(problem) => return self.problems.push(problem),
        };
        for (key, value) in entries(table) {
            let name: &str = key.get_ref();
            let field = match name {
                "control-traffic" => &mut defaults.control_traffic,
                "other-traffic" => &mut defaults.other_traffic,
                _ => {
                    self.problems.push(document.unknown_key(key, &["control-traffic", "other-traffic"]));
                    continue;
                }
            };
            match value.get_ref().as_str() {
                Some("allow") => *field = true,
                Some("deny") => *field = false,
                Some(other) => {
                    let message = format!(
                        "'{other}' is neither \"allow\" nor \"deny\"{}",
                        meant(other, &["allow", "deny"])
                    );
                    self.problems.push(document.error(document.inside(value.span(), other), message));
                }
                None => self.problems.push(document.wrong_type(name, value, "\"allow\" or \"deny\"")),
            }
            let here = format!("{}:{}", document.source.name(), document.source.line(key.span().start));
            if let Some(first) = self.defaults.insert(name.to_owned(), here) {
                self.problems.push(document.error(key.span(), format!("'{name}' is already set in {first}")));
            }
        }
    }
}

impl Checker<'_> {
    pub(super) fn keep<T>(&mut self, result: Result<T, Vec<Problem>>) -> Option<T> {
        result.map_err(|problems| self.problems.extend(problems)).ok()
    }

    pub(super) fn keep_one<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.problems.push(problem)).ok()
    }
}
