//! Reads one `[[allow]]`, `[[deny]]` or `[[expect]]`: every key of it, with everything that is wrong.

use super::check::Checker;
use super::document::{Document, Node, Word, entries, items, meant, number};
use super::limits::read_values;
use super::named::Resolved;
use super::names::{Names, Side, whole};
use super::problem::Problem;
use super::rule::{Carrier, Limits, NamedPoints, Rule, RuleKind, Scale, Severity, Traffic, Verbs};
use super::set::ANYONE;
use super::times;
use crate::event::{Space, Verb, Vocabulary};
use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use toml::de::DeTable;

const KEYS: [&str; 25] = [
    "name",
    "enabled",
    "from",
    "to",
    "protocol",
    "may",
    "functions",
    "points",
    "objects",
    "values",
    "scale",
    "offset",
    "measure",
    "change",
    "rate",
    "during",
    "every",
    "port",
    "ip-protocol",
    "ethertype",
    "severity",
    "summary",
    "advice",
    "attack",
    "technique",
];
/// Keys that only a control protocol has something for.
const CONTROL_KEYS: [&str; 11] = [
    "may",
    "functions",
    "points",
    "objects",
    "values",
    "scale",
    "offset",
    "measure",
    "change",
    "rate",
    "every",
];
/// Keys that an expect rule has nothing for.
const NOT_EXPECTED: [&str; 10] =
    ["objects", "values", "scale", "offset", "measure", "change", "rate", "port", "ip-protocol", "ethertype"];
/// Words for `protocol` that are no control protocol.
const CARRIERS: [&str; 6] = ["tcp", "udp", "icmp", "ip", "ethernet", "any"];
/// The key that a carrier has for its numbers.
const NUMBERS: [(&str, &[Carrier], &str); 3] = [
    ("port", &[Carrier::Tcp, Carrier::Udp], "\"tcp\" or \"udp\""),
    ("ip-protocol", &[Carrier::Ip], "\"ip\""),
    ("ethertype", &[Carrier::Ethernet], "\"ethernet\""),
];

/// One `[[allow]]`, `[[deny]]` or `[[expect]]`.
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
        checker.replaced = false;
        let name = self.name(checker);
        let replaced = checker.replaced;
        let protocols = self.protocols(checker);
        self.check_keys(&protocols, checker);
        let from = self.side("from", names, checker);
        let to = self.side("to", names, checker);
        let verbs = self.verbs(checker);
        let functions = self.functions(&protocols, checker);
        let (points, named) = match self.points(&protocols, checker) {
            Some(points) => {
                let limits_count = self.kind == RuleKind::Allow && self.get("values").is_none();
                (Some(points.spans), NamedPoints::new(points.named, points.plain, limits_count))
            }
            None => (None, NamedPoints::default()),
        };
        let scale = self.scale(checker);
        let values = self.get("values").and_then(|node| {
            self.refuse_empty("values", node, checker);
            checker.keep(read_values(self.document, node))
        });
        let values = values.map(|limits| Limits { scale: scale.clone(), ..limits });
        let document = self.document;
        let change = self.get("change").and_then(|node| checker.keep_one(times::change(document, node)));
        let rate = self.get("rate").and_then(|node| checker.keep_one(times::rate(document, node)));
        let every =
            self.get("every").and_then(|node| checker.keep_one(times::duration(document, "every", node)));
        let during = self
            .get("during")
            .and_then(|node| times::windows(document, "during", node, checker.calendar, checker.problems));
        if self.kind == RuleKind::Expect && self.get("every").is_none() {
            let problem =
                document.error(self.header(), "the rule does not say how often something is expected");
            checker.problems.push(problem.label("this rule").help("add every = \"5s\""));
        }
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
            advice: self.text("advice", checker).map(|word| word.text.to_owned()),
            attack: self.attack(checker),
            traffic: protocols.traffic,
            protocol: protocols.one,
            devices: self.devices(&protocols, checker),
            verbs,
            functions,
            points,
            objects: self.objects(&protocols, checker),
            named,
            values,
            scale,
            change,
            rate,
            during,
            every,
            relaxed: Vec::new(),
            ports: self.ports(checker),
            granted,
            from: from.set,
            to: to.set,
        };
        let enabled = self.enabled(checker);
        if checker.problems.iter().skip(before).any(Problem::is_error) {
            return None;
        }
        let enabled = enabled && !replaced;
        if enabled {
            self.warn(&rule, [("from", from), ("to", to)], &protocols, checker);
        }
        enabled.then_some(rule)
    }

    fn enabled(&self, checker: &mut Checker<'_>) -> bool {
        match self.get("enabled") {
            None => true,
            Some(node) => node.get_ref().as_bool().unwrap_or_else(|| {
                checker.problems.push(self.document.wrong_type("enabled", node, "true or false"));
                true
            }),
        }
    }

    /// What makes numbers of the wire numbers of the author's.
    fn scale(&self, checker: &mut Checker<'_>) -> Scale {
        let float = |key: &str, checker: &mut Checker<'_>| {
            let node = self.get(key)?;
            let number = number(node).ok_or_else(|| self.document.wrong_type(key, node, "a number"));
            checker.keep_one(number)
        };
        let factor = float("scale", checker).unwrap_or(1.0);
        if factor == 0.0 {
            let problem = self.document.error(self.key_span("scale"), "'scale' is a factor other than 0");
            checker.problems.push(problem.help("0.1 where the register holds tenths"));
        }
        let measure = self.text("measure", checker).map_or(String::new(), |word| word.text.to_owned());
        Scale { factor, offset: float("offset", checker).unwrap_or(0.0), measure }
    }

    /// Kinds of object: "g12v1".
    fn objects(&self, protocols: &Protocols, checker: &mut Checker<'_>) -> Option<Vec<(Space, u8)>> {
        let node = self.get("objects")?;
        let vocabulary = protocols.one?;
        let words = checker.keep(self.document.strings("objects", node))?;
        let mut objects = Vec::new();
        for word in &words {
            let read = word.text.rsplit_once('v').and_then(|(space, variant)| {
                Some(((vocabulary.parse_space)(space)?, variant.parse::<u8>().ok()?))
            });
            match read {
                Some(object) => objects.push(object),
                None => {
                    let message = format!("'{}' is not a kind of object of {}", word.text, vocabulary.name);
                    let problem = self.document.error(word.span.clone(), message);
                    checker.problems.push(problem.help("write a group and a variation of DNP3: \"g12v1\""));
                }
            }
        }
        self.refuse_empty("objects", node, checker);
        Some(objects)
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
            if checker.layer_of(*file) < document.layer {
                checker.replaced = true;
                return word.text.to_owned();
            }
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
        self.document.first_line(&self.span)
    }

    /// Every key must be one of the language, and fit the protocol.
    fn check_keys(&self, protocols: &Protocols, checker: &mut Checker<'_>) {
        let document = self.document;
        let mut known: Vec<&str> = KEYS.to_vec();
        known.extend(checker.words.iter().map(|words| words.device_key));
        known.dedup();
        for (key, _) in entries(self.table) {
            let name: &str = key.get_ref();
            let control_only = CONTROL_KEYS.contains(&name);
            let is_device = checker.words.iter().any(|words| words.device_key == name);
            let problem = if !known.contains(&name) {
                document.unknown_key(key, &known)
            } else if name == "every" && self.kind != RuleKind::Expect {
                document
                    .error(key.span(), "'every' goes with [[expect]] only")
                    .help("how often something may happen is said with rate = \"12/min\"")
            } else if self.kind == RuleKind::Expect && NOT_EXPECTED.contains(&name) {
                document.error(key.span(), format!("an expect rule has nothing for '{name}'")).help(
                    "it takes name, from, to, protocol, device, may, functions, points, every and during",
                )
            } else if (control_only || is_device)
                && matches!(protocols.traffic, Traffic::Other(_) | Traffic::Any)
            {
                let help = match protocols.traffic {
                    Traffic::Any => {
                        "\"any\" means other traffic too; without 'protocol' it is every control protocol"
                    }
                    _ => "tcp, udp, icmp, ip and ethernet take only from, to, their numbers and during",
                };
                document.error(key.span(), format!("'{name}' needs a control protocol")).help(help)
            } else if let Some((_, _, with)) = NUMBERS.iter().find(|(own, carriers, _)| {
                *own == name
                    && !matches!(protocols.traffic, Traffic::Other(carrier) if carriers.contains(&carrier))
            }) {
                document
                    .error(key.span(), format!("'{name}' goes with protocol = {with} only"))
                    .help("control protocols are known by their content, whatever carries them")
            } else if ["functions", "points", "objects"].contains(&name) && protocols.one.is_none() {
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
        self.refuse_empty("protocol", node, checker);
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

    fn points(&self, protocols: &Protocols, checker: &mut Checker<'_>) -> Option<Resolved> {
        let node = self.get("points")?;
        let vocabulary = protocols.one?;
        let words = checker.keep(self.document.strings("points", node))?;
        let mut points = Resolved::default();
        for word in &words {
            let (documents, named) = (checker.documents, checker.named);
            checker.keep_one(named.resolve(documents, self.file, word, vocabulary, 0, &mut points));
        }
        points.spans.sort_unstable();
        points.spans.dedup();
        self.refuse_empty("points", node, checker);
        Some(points)
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
        let key = NUMBERS.iter().map(|(key, ..)| *key).find(|key| self.get(key).is_some())?;
        let node = self.get(key)?;
        let mut ports = Vec::new();
        for item in items(node) {
            ports.extend(checker.keep_one(port_range(self.document, item)));
        }
        self.refuse_empty(key, node, checker);
        Some(ports)
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

/// Reads one entry of `port`.
pub(super) fn port_range(document: &Document<'_>, item: &Node<'_>) -> Result<RangeInclusive<u16>, Problem> {
    let Some(text) = item.get_ref().as_str() else {
        return whole(document, "port", item, u32::from(u16::MAX)).map(|port| port as u16..=port as u16);
    };
    let span = document.inside(item.span(), text);
    let (a, b) = text.split_once('-').unwrap_or((text, text));
    let (Ok(first), Ok(last)) = (a.trim().parse::<u16>(), b.trim().parse::<u16>()) else {
        let problem = document.error(span, format!("'{text}' is not a port or a range of ports"));
        return Err(problem.help("write 22, [80, 443] or \"1024-2048\""));
    };
    if first > last {
        let message =
            format!("the range {first}-{last} ends before it begins; did you mean '{last}-{first}'?");
        return Err(document.error(span, message));
    }
    Ok(first..=last)
}
