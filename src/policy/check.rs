//! From files to rules: reads every table, says everything that is wrong with it, and hands over what is right.

use super::calendar::Calendar;
use super::document::{Document, Node, Word, entries, integer, items, meant};
use super::named::PointNames;
use super::names::{Found, Names};
use super::problem::Problem;
use super::rule::{Carrier, Rule, RuleKind, Traffic};
use super::rule_reader::{RuleReader, port_range};
use super::sentence::Lexicon;
use super::set::{Conduit, Defaults, Parts};
use super::shadows::{self, Shadow};
use super::test_case;
use super::times;
use crate::event::Vocabulary;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use toml::de::DeTable;

/// The version of the language.
const VERSION: i64 = 1;
const TABLES: [&str; 15] = [
    "version",
    "include",
    "over",
    "hosts",
    "groups",
    "zones",
    "conduit",
    "points",
    "calendar",
    "allow",
    "deny",
    "expect",
    "maintenance",
    "defaults",
    "test",
];

/// Checks all files together.
pub(super) fn check(
    documents: &[Document<'_>],
    words: &[&'static Vocabulary],
    problems: &mut Vec<Problem>,
) -> Parts {
    let calendar = times::calendar(documents, problems);
    let mut names = Names::read(documents, problems);
    let mut named = PointNames::read(documents, words, &mut names, problems);
    let mut checker = Checker {
        words,
        documents,
        calendar: &calendar,
        named: &named,
        problems,
        rule_names: HashMap::new(),
        replaced: false,
        other_names: HashMap::new(),
        defaults: HashMap::new(),
    };
    let mut rules = Vec::new();
    let mut defaults = Defaults::default();
    let mut maintenance: Vec<(&Document<'_>, times::Read<'_>)> = Vec::new();
    let mut conduits = Vec::new();
    let mut tests: Vec<(&Document<'_>, &DeTable<'_>, Range<usize>)> = Vec::new();
    for (file, document) in documents.iter().enumerate() {
        let name: Arc<str> = document.source.name().into();
        checker.version(document);
        for (key, node) in entries(&document.table) {
            let table_name = key.get_ref().as_ref();
            match table_name {
                "version" | "hosts" | "groups" | "zones" | "points" | "calendar" | "include" | "over" => {}
                "defaults" => checker.defaults(document, node, &mut defaults),
                "allow" | "deny" | "expect" | "maintenance" | "conduit" | "test" => {
                    for item in items(node) {
                        let Some(table) = item.get_ref().as_table() else {
                            let what = match table_name {
                                "maintenance" => "maintenance windows",
                                "conduit" => "conduits",
                                "test" => "tests",
                                _ => "rules",
                            };
                            let wanted = format!("{what}, each under [[{table_name}]]");
                            checker.problems.push(document.wrong_type(table_name, item, &wanted));
                            continue;
                        };
                        let span = item.span();
                        let start = span.start;
                        let kind = match table_name {
                            "allow" => RuleKind::Allow,
                            "deny" => RuleKind::Deny,
                            "expect" => RuleKind::Expect,
                            "maintenance" => {
                                let read = times::maintenance(document, table, span, &calendar, &mut checker);
                                maintenance.extend(read.map(|read| (document, read)));
                                continue;
                            }
                            "test" => {
                                tests.push((document, table, span));
                                continue;
                            }
                            _ => {
                                conduits.extend(checker.conduit(document, table, span, &names));
                                continue;
                            }
                        };
                        let reader = RuleReader { file, document, table, span, kind };
                        let rule = reader.read(&name, &mut names, &mut checker);
                        rules.extend(rule.map(|rule| (file, start, rule)));
                    }
                }
                _ => checker.problems.push(document.unknown_key(key, &TABLES)),
            }
        }
    }
    rules.sort_by_key(|(file, start, _)| (*file, *start));
    let starts: Vec<(usize, usize)> = rules.iter().map(|(file, start, _)| (*file, *start)).collect();
    let mut rules: Vec<Rule> = rules.into_iter().map(|(_, _, rule)| rule).collect();
    for (number, (document, read)) in (0u32..).zip(&maintenance) {
        checker.relax(document, number, &read.relaxes, &mut rules);
    }
    let maintenance = maintenance.into_iter().map(|(_, read)| read.maintenance).collect();
    let points = std::mem::take(&mut named.points);
    let Found { sets, hosts, members, names, zones } = names.finish(problems);
    let lexicon = Lexicon { vocabularies: words, names: &names, calendar: &calendar };
    let test = |(document, table, span)| test_case::read(document, table, span, &lexicon, &rules, problems);
    let tests = tests.into_iter().filter_map(test).collect();
    let parts = Parts {
        rules,
        sets,
        hosts,
        members,
        names,
        zones,
        conduits,
        points,
        maintenance,
        calendar,
        defaults,
        tests,
        vocabularies: words.to_vec(),
    };
    for (at, other, shadow) in shadows::find(&parts) {
        let (Some((file, start)), Some(rule), Some(other)) =
            (starts.get(at), parts.rules.get(at), parts.rules.get(other))
        else {
            continue;
        };
        let Some(document) = documents.get(*file) else { continue };
        let place = format!("{}:{}", other.file, other.line);
        let message = match shadow {
            Shadow::Same => format!("rule '{}' says the same as rule '{}' ({place})", rule.name, other.name),
            Shadow::Covered if rule.kind == RuleKind::Allow => {
                format!("rule '{}' adds nothing: rule '{}' ({place}) allows all of it", rule.name, other.name)
            }
            Shadow::Covered => {
                format!(
                    "rule '{}' adds nothing: rule '{}' ({place}) objects to all of it",
                    rule.name, other.name
                )
            }
            Shadow::Denied => format!(
                "rule '{}' can never let anything pass: the deny rule '{}' ({place}) objects to all of it",
                rule.name, other.name
            ),
        };
        let span = document.first_line(&(*start..document.text.len()));
        let help = "take it out, or make the other one narrower";
        problems.push(document.warning(span, message).label("this rule").help(help));
    }
    parts
}

pub(super) struct Checker<'c> {
    pub words: &'c [&'static Vocabulary],
    pub documents: &'c [Document<'c>],
    pub calendar: &'c Calendar,
    pub named: &'c PointNames<'c>,
    pub problems: &'c mut Vec<Problem>,
    /// Where each rule name was first given.
    pub rule_names: HashMap<String, (usize, Range<usize>, String)>,
    /// Whether a layer above has a rule with the name of the present one, which then counts instead.
    pub replaced: bool,
    /// Where each conduit and each maintenance window was first named, and in which layer.
    other_names: HashMap<(&'static str, String), (String, usize)>,
    /// Where each default was set, and in which layer.
    defaults: HashMap<String, (String, usize)>,
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
                "control-traffic" | "other-traffic" if self.set_above(name, document) => continue,
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
            if let Some((first, _)) = self.defaults.insert(name.to_owned(), (here, document.layer)) {
                self.problems.push(document.error(key.span(), format!("'{name}' is already set in {first}")));
            }
        }
    }
}

impl Checker<'_> {
    fn set_above(&self, default: &str, document: &Document<'_>) -> bool {
        self.defaults.get(default).is_some_and(|(_, layer)| *layer < document.layer)
    }

    /// Whether the name of a conduit or maintenance window counts: `false` where a layer above has one of that name.
    /// Given twice in one layer, it is wrong.
    pub(super) fn is_own_name(
        &mut self,
        what: &'static str,
        document: &Document<'_>,
        word: &Word<'_>,
    ) -> bool {
        let key = (what, word.text.to_owned());
        if let Some((first, layer)) = self.other_names.get(&key) {
            if *layer == document.layer {
                let message = format!("a {what} named '{}' is already there ({first})", word.text);
                let problem = document.error(word.span.clone(), message);
                self.problems.push(problem.help("give each a name of its own"));
            }
            return false;
        }
        let here = format!("{}:{}", document.source.name(), document.source.line(word.span.start));
        self.other_names.insert(key, (here, document.layer));
        true
    }

    /// How many files lie over this one.
    pub(super) fn layer_of(&self, file: usize) -> usize {
        self.documents.get(file).map_or(0, |document| document.layer)
    }

    /// Reads one `[[conduit]]`.
    fn conduit(
        &mut self,
        document: &Document<'_>,
        table: &DeTable<'_>,
        span: Range<usize>,
        names: &Names<'_, '_>,
    ) -> Option<Conduit> {
        const KEYS: [&str; 4] = ["name", "between", "protocol", "port"];
        let before = self.problems.len();
        for (key, _) in entries(table).into_iter().filter(|(key, _)| !KEYS.contains(&key.get_ref().as_ref()))
        {
            self.problems.push(document.unknown_key(key, &KEYS));
        }
        for key in ["name", "between"].into_iter().filter(|key| table.get(*key).is_none()) {
            let line = document.first_line(&span);
            let help = "write name = \"…\" and between = [\"zone\", \"other zone\"]";
            self.problems.push(document.error(line, format!("the conduit has no '{key}'")).help(help));
        }
        let mut conduit =
            Conduit { name: String::new(), between: Vec::new(), traffic: Vec::new(), ports: Vec::new() };
        let mut counts = true;
        if let Some(word) = table.get("name").and_then(|node| self.keep_one(document.string("name", node))) {
            counts = self.is_own_name("conduit", document, &word);
            word.text.clone_into(&mut conduit.name);
        }
        let zones = table.get("between").and_then(|node| self.keep(document.strings("between", node)));
        for word in zones.iter().flatten() {
            match names.zone(word.text) {
                Some(zone) => conduit.between.push(zone),
                None => {
                    let near = meant(word.text, &names.zone_names());
                    let problem =
                        document.error(word.span.clone(), format!("unknown zone '{}'{near}", word.text));
                    self.problems.push(problem.help("a conduit joins zones; name them under [zones]"));
                }
            }
        }
        let apart = |words: &Vec<Word<'_>>| {
            words.first().is_some_and(|first| words.iter().any(|word| word.text != first.text))
        };
        if zones.as_ref().is_some_and(|zones| !apart(zones)) {
            let at = table.get("between").map_or(span, |node| node.span());
            let problem = document.error(at, "a conduit joins at least two zones");
            self.problems.push(problem.help("between = [\"zone\", \"other zone\"]"));
        }
        match table.get("protocol") {
            None => conduit.traffic.push(Traffic::Any),
            Some(node) => {
                if items(node).is_empty() {
                    let problem = document.error(node.span(), "'protocol' lists nothing");
                    self.problems.push(problem.help("leave it out where the conduit carries everything"));
                }
                for word in self.keep(document.strings("protocol", node)).unwrap_or_default() {
                    let control = self.words.iter().find(|words| words.name == word.text);
                    let traffic = control
                        .map(|words| Traffic::Protocols(Traffic::bit(words.id)))
                        .or_else(|| Carrier::parse(word.text).map(Traffic::Other))
                        .or_else(|| (word.text == "any").then_some(Traffic::Any));
                    match traffic {
                        Some(traffic) => conduit.traffic.push(traffic),
                        None => {
                            let mut known: Vec<&str> = self.words.iter().map(|words| words.name).collect();
                            known.extend(["tcp", "udp", "icmp", "ip", "any"]);
                            let near = meant(word.text, &known);
                            let message = format!("unknown protocol '{}'{near}", word.text);
                            let problem = document.error(word.span.clone(), message);
                            self.problems.push(problem.help(format!("known are: {}", known.join(", "))));
                        }
                    }
                }
            }
        }
        if let Some(node) = table.get("port") {
            let has_ports =
                |traffic: &Traffic| matches!(traffic, Traffic::Other(Carrier::Tcp | Carrier::Udp));
            if !conduit.traffic.iter().any(has_ports) {
                let problem =
                    document.error(node.span(), "'port' goes with protocol = \"tcp\" or \"udp\" only");
                self.problems
                    .push(problem.help("control protocols are known by their content, whatever the port"));
            }
            if items(node).is_empty() {
                let problem = document.error(node.span(), "'port' lists nothing");
                self.problems.push(problem.help("leave it out where the conduit is for all ports"));
            }
            for item in items(node) {
                conduit.ports.extend(self.keep_one(port_range(document, item)));
            }
        }
        (counts && self.problems.len() == before).then_some(conduit)
    }

    /// Has a maintenance window relax rules by their names.
    fn relax(&mut self, document: &Document<'_>, window: u32, names: &[Word<'_>], rules: &mut [Rule]) {
        for word in names {
            match rules.iter_mut().find(|rule| rule.name == word.text) {
                Some(rule) => rule.relaxed.push(window),
                None if self.rule_names.contains_key(word.text) => {}
                None => {
                    let known: Vec<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
                    let near = meant(word.text, &known);
                    let message = format!("no rule is named '{}'{near}", word.text);
                    self.problems.push(document.error(word.span.clone(), message));
                }
            }
        }
    }

    pub(super) fn keep<T>(&mut self, result: Result<T, Vec<Problem>>) -> Option<T> {
        result.map_err(|problems| self.problems.extend(problems)).ok()
    }

    pub(super) fn keep_one<T>(&mut self, result: Result<T, Problem>) -> Option<T> {
        result.map_err(|problem| self.problems.push(problem)).ok()
    }
}
