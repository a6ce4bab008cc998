//! Reads one `[[allow]]` or `[[deny]]`: every key of it, with everything that is wrong.

use super::check::Checker;
use super::document::{Document, Node, Word, entries, items, meant};
use super::limits::{read_point, read_values};
use super::names::{Names, Side, whole};
use super::problem::Problem;
use super::rule::{Carrier, Rule, RuleKind, Severity, Span, Traffic, Verbs};
use super::set::ANYONE;
use crate::event::{Verb, Vocabulary};
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use toml::de::DeTable;

const KEYS: [&str; 13] = [
    "name",
    "from",
    "to",
    "protocol",
    "may",
    "functions",
    "points",
    "values",
    "port",
    "severity",
    "summary",
    "attack",
    "technique",
];
const LATER_KEYS: [&str; 14] = [
    "rate", "during", "every", "within", "change", "scale", "objects", "types", "stations", "comids", "vlan",
    "except", "expires", "enabled",
];
/// Words for `protocol` that are no control protocol.
const CARRIERS: [&str; 5] = ["tcp", "udp", "icmp", "ip", "any"];

/// One `[[allow]]` or `[[deny]]`.
pub(super) struct RuleReader<'n, 't> {
    pub file: usize,
    pub document: &'n Document<'t>,
    pub table: &'n DeTable<'t>,
    pub span: Range<usize>,
    pub kind: RuleKind,
}

/// The protocols that a rule names.
pub(super) struct Protocols {
    pub traffic: Traffic,
    /// Where it is exactly one: its words.
    pub one: Option<&'static Vocabulary>,
}

impl<'n, 't> RuleReader<'n, 't> {
    /// Reads the rule; says what is wrong with it, or what can hardly be meant.
    pub(super) fn read(
        &self,
        file: &Arc<str>,
        names: &mut Names<'n, 't>,
        checker: &mut Checker<'_>,
    ) -> Option<Rule> {
        let before = checker.problems.len();
        let name = self.name(checker);
        let protocols = self.protocols(checker);
        self.check_keys(&protocols, checker);
        let from = self.side("from", names, checker);
        let to = self.side("to", names, checker);
        let verbs = self.verbs(checker);
        let functions = self.functions(&protocols, checker);
        let points = self.points(&protocols, checker);
        let values = self.get("values").and_then(|node| checker.keep(read_values(self.document, node)));
        let granted = match (&functions, protocols.one) {
            (Some(codes), Some(words)) if verbs == Verbs::ANY => {
                codes.iter().filter_map(|code| words.function(*code)).fold(Verbs::NONE, |v, f| v.with(f.verb))
            }
            _ => verbs,
        };
        let rule = Rule {
            name,
            file: file.clone(),
            line: self.document.source.line(self.span.start),
            kind: self.kind,
            severity: self.severity(checker),
            summary: self.text("summary", checker).map(|word| word.text.to_owned()),
            attack: self.attack(checker),
            traffic: protocols.traffic,
            devices: self.devices(&protocols, checker),
            verbs,
            functions,
            points,
            values,
            ports: self.ports(checker),
            granted,
            from: from.set,
            to: to.set,
        };
        if checker.problems.iter().skip(before).any(Problem::is_error) {
            return None;
        }
        self.warn(&rule, [("from", from), ("to", to)], &protocols, checker);
        Some(rule)
    }

    pub(super) fn get(&self, key: &str) -> Option<&'n Node<'t>> {
        self.table.get(key)
    }

    /// The place of a key, or of the rule where it has none.
    pub(super) fn key_span(&self, key: &str) -> Range<usize> {
        self.table.get_key_value(key).map_or(self.span.clone(), |(key, _)| key.span())
    }

    fn text(&self, key: &str, checker: &mut Checker<'_>) -> Option<Word<'n>> {
        checker.keep_one(self.document.string(key, self.get(key)?))
    }

    fn name(&self, checker: &mut Checker<'_>) -> String {
        let document = self.document;
        if self.get("name").is_none() {
            let problem = document.error(self.header(), "the rule has no name");
            checker.problems.push(
                problem.label("this rule").help("add name = \"…\": alerts and metrics call it by its name"),
            );
            return String::new();
        }
        let Some(word) = self.text("name", checker) else { return String::new() };
        if word.text.trim().is_empty() {
            checker.problems.push(document.error(self.key_span("name"), "the rule's name is empty"));
        }
        let here = format!("{}:{}", document.source.name(), document.source.line(word.span.start));
        if let Some((file, first, place)) = checker.rule_names.get(word.text) {
            let message = format!("a rule named '{}' is already there ({place})", word.text);
            let problem = document.error(word.span.clone(), message).help("give each rule a name of its own");
            let same_file = *file == self.file;
            let problem = if same_file { problem.also(first.clone(), "first here") } else { problem };
            checker.problems.push(problem);
        } else {
            checker.rule_names.insert(word.text.to_owned(), (self.file, word.span, here));
        }
        word.text.to_owned()
    }

    /// The first line of the rule.
    pub(super) fn header(&self) -> Range<usize> {
        let rest = self.document.text.get(self.span.start..).unwrap_or_default();
        self.span.start..self.span.start + rest.find('\n').unwrap_or(rest.len())
    }

    /// Every key must be one of the language, and fit the protocol.
    fn check_keys(&self, protocols: &Protocols, checker: &mut Checker<'_>) {
        let document = self.document;
        let mut known: Vec<&str> = KEYS.to_vec();
        known.extend(checker.words.iter().map(|words| words.device_key));
        known.dedup();
        for (key, _) in entries(self.table) {
            let name: &str = key.get_ref();
            let control_only = ["may", "functions", "points", "values"].contains(&name);
            let is_device = checker.words.iter().any(|words| words.device_key == name);
            let problem = if LATER_KEYS.contains(&name) {
                document.later_key(key)
            } else if !known.contains(&name) {
                document.unknown_key(key, &known)
            } else if (control_only || is_device) && matches!(protocols.traffic, Traffic::Other(_)) {
                document
                    .error(key.span(), format!("'{name}' needs a control protocol"))
                    .help("tcp, udp, icmp and ip take only from, to and port")
            } else if name == "port"
                && !matches!(protocols.traffic, Traffic::Other(Carrier::Tcp | Carrier::Udp))
            {
                document
                    .error(key.span(), "'port' goes with protocol = \"tcp\" or \"udp\" only")
                    .help("control protocols are known by their content, whatever the port")
            } else if ["functions", "points"].contains(&name) && protocols.one.is_none() {
                document
                    .error(key.span(), format!("'{name}' needs exactly one protocol"))
                    .help("add protocol = \"…\"")
            } else if is_device && protocols.one.is_none_or(|words| words.device_key != name) {
                let message = match protocols.one {
                    Some(words) => format!(
                        "'{name}' is not a word of {}; did you mean '{}'?",
                        words.name, words.device_key
                    ),
                    None => format!("'{name}' needs exactly one protocol"),
                };
                document.error(key.span(), message)
            } else {
                continue;
            };
            checker.problems.push(problem);
        }
    }

    fn side(&self, key: &str, names: &mut Names<'n, 't>, checker: &mut Checker<'_>) -> Side {
        let anyone = Side { set: ANYONE, empty: false };
        let Some(node) = self.get(key) else { return anyone };
        match checker.keep(self.document.strings(key, node)) {
            Some(words) => names.side(self.file, &words, checker.problems),
            None => anyone,
        }
    }

    fn protocols(&self, checker: &mut Checker<'_>) -> Protocols {
        let mut found = Protocols { traffic: Traffic::Control, one: None };
        let Some(node) = self.get("protocol") else { return found };
        let Some(words) = checker.keep(self.document.strings("protocol", node)) else { return found };
        let mut bits = 0;
        for word in &words {
            if let Some(vocabulary) = checker.words.iter().find(|known| known.name == word.text) {
                bits |= Traffic::bit(vocabulary.id);
                found.one = Some(vocabulary).filter(|_| words.len() == 1).copied();
                continue;
            }
            let other = Carrier::parse(word.text).map(Traffic::Other);
            let other = other.or((word.text == "any").then_some(Traffic::Any));
            match other {
                Some(other) if words.len() == 1 => found.traffic = other,
                Some(_) => {
                    let message = format!("'{}' cannot stand in a list of protocols", word.text);
                    let problem = self.document.error(word.span.clone(), message);
                    checker.problems.push(problem.help("write a rule of its own for it"));
                }
                None => {
                    let mut known: Vec<&str> = checker.words.iter().map(|words| words.name).collect();
                    known.extend(CARRIERS);
                    let message = format!("unknown protocol '{}'{}", word.text, meant(word.text, &known));
                    let problem = self.document.error(word.span.clone(), message);
                    checker.problems.push(problem.help(format!("known are: {}", known.join(", "))));
                }
            }
        }
        if bits != 0 {
            found.traffic = Traffic::Protocols(bits);
        }
        found
    }

    fn verbs(&self, checker: &mut Checker<'_>) -> Verbs {
        let Some(node) = self.get("may") else { return Verbs::ANY };
        let Some(words) = checker.keep(self.document.strings("may", node)) else { return Verbs::ANY };
        if words.is_empty() {
            let problem = self.document.error(self.key_span("may"), "'may' lists nothing");
            checker.problems.push(problem.help("name at least one verb, or \"any\""));
        }
        let mut verbs = Verbs::NONE;
        for word in words {
            match Verb::parse(word.text) {
                _ if word.text == "any" => verbs = Verbs::ANY,
                Some(verb) => verbs = verbs.with(verb),
                None => {
                    let known = Verb::ALL.map(Verb::name);
                    let message = format!("unknown verb '{}'{}", word.text, meant(word.text, &known));
                    let problem = self.document.error(word.span, message);
                    checker.problems.push(problem.help(format!("the verbs are: any, {}", known.join(", "))));
                }
            }
        }
        verbs
    }

    fn functions(&self, protocols: &Protocols, checker: &mut Checker<'_>) -> Option<Vec<u16>> {
        let node = self.get("functions")?;
        let words = protocols.one?;
        let mut codes = Vec::new();
        for item in items(node) {
            let result = match item.get_ref().as_str() {
                Some(name) => words.function_code(name).ok_or_else(|| {
                    let known: Vec<&str> = words.functions.iter().map(|code| code.name).collect();
                    let message = format!("{} has no function '{name}'{}", words.name, meant(name, &known));
                    let span = self.document.inside(item.span(), name);
                    self.document
                        .error(span, message)
                        .help("write its number, or its name in the standard with hyphens")
                }),
                None => whole(self.document, "functions", item, u32::from(u16::MAX)).map(|code| code as u16),
            };
            codes.extend(checker.keep_one(result));
        }
        self.refuse_empty("functions", node, checker);
        Some(codes)
    }

    fn points(&self, protocols: &Protocols, checker: &mut Checker<'_>) -> Option<Vec<Span>> {
        let node = self.get("points")?;
        let vocabulary = protocols.one?;
        let words = checker.keep(self.document.strings("points", node))?;
        let mut spans = Vec::new();
        for word in &words {
            spans.extend(checker.keep_one(read_point(self.document, word, vocabulary)));
        }
        spans.sort_unstable();
        self.refuse_empty("points", node, checker);
        Some(spans)
    }

    fn devices(&self, protocols: &Protocols, checker: &mut Checker<'_>) -> Option<Vec<u32>> {
        let key = protocols.one?.device_key;
        let node = self.get(key)?;
        let mut devices = Vec::new();
        for item in items(node) {
            devices.extend(checker.keep_one(whole(self.document, key, item, u32::MAX)));
        }
        self.refuse_empty(key, node, checker);
        devices.sort_unstable();
        devices.dedup();
        Some(devices)
    }

    fn ports(&self, checker: &mut Checker<'_>) -> Option<Vec<RangeInclusive<u16>>> {
        let node = self.get("port")?;
        let mut ports = Vec::new();
        for item in items(node) {
            let result = match item.get_ref().as_str() {
                Some(text) => self.port_range(text, item),
                None => whole(self.document, "port", item, u32::from(u16::MAX))
                    .map(|port| port as u16..=port as u16),
            };
            ports.extend(checker.keep_one(result));
        }
        self.refuse_empty("port", node, checker);
        Some(ports)
    }

    fn port_range(&self, text: &str, item: &Node<'_>) -> Result<RangeInclusive<u16>, Problem> {
        let span = self.document.inside(item.span(), text);
        let (a, b) = text.split_once('-').unwrap_or((text, text));
        let (Ok(first), Ok(last)) = (a.trim().parse::<u16>(), b.trim().parse::<u16>()) else {
            let problem = self.document.error(span, format!("'{text}' is not a port or a range of ports"));
            return Err(problem.help("write 22, [80, 443] or \"1024-2048\""));
        };
        if first > last {
            let message =
                format!("the range {first}-{last} ends before it begins; did you mean '{last}-{first}'?");
            return Err(self.document.error(span, message));
        }
        Ok(first..=last)
    }

    fn refuse_empty(&self, key: &str, node: &Node<'_>, checker: &mut Checker<'_>) {
        if items(node).is_empty() {
            let problem = self.document.error(self.key_span(key), format!("'{key}' lists nothing"));
            checker.problems.push(problem.help("leave it out where the rule is about all of them"));
        }
    }

    fn severity(&self, checker: &mut Checker<'_>) -> Option<Severity> {
        let word = self.text("severity", checker)?;
        let severity = Severity::parse(word.text);
        if severity.is_none() {
            let known = Severity::ALL.map(Severity::name);
            let message = format!("unknown severity '{}'{}", word.text, meant(word.text, &known));
            let problem = self.document.error(word.span, message);
            checker.problems.push(problem.help(format!("the severities are: {}", known.join(", "))));
        }
        severity
    }

    fn attack(&self, checker: &mut Checker<'_>) -> Vec<String> {
        let mut all = Vec::new();
        for key in ["attack", "technique"] {
            let Some(node) = self.get(key) else { continue };
            for word in checker.keep(self.document.strings(key, node)).unwrap_or_default() {
                let digits =
                    |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
                let (id, sub) =
                    word.text.split_once('.').map_or((word.text, None), |(id, sub)| (id, Some(sub)));
                let good = id.strip_prefix('T').is_some_and(|number| digits(number, 4));
                if good && sub.is_none_or(|sub| digits(sub, 3)) {
                    all.push(word.text.to_owned());
                } else {
                    let message = format!("'{}' is not an ATT&CK technique", word.text);
                    let problem = self.document.error(word.span, message);
                    checker.problems.push(problem.help("write its id, such as \"T0855\""));
                }
            }
        }
        all
    }
}
