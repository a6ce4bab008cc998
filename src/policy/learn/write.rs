//! Rules as text: a new file, or what is added to one that is there.

use super::conversations::{Service, services};
use super::doubts::Doubt;
use super::draft::{Draft, Note, Poll, Run, drafts};
use super::roles::{self, Host};
use super::seen::Often;
use super::{Learner, LeftOut, Slack};
use crate::address::{Address, Timestamp, Transport};
use crate::event::{Verb, Vocabulary};
use crate::policy::{RuleSet, Who};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use thiserror::Error;
use toml_edit::{DocumentMut, Item, value};

/// Columns after which a list goes over several lines.
const WIDTH: usize = 100;

/// What there is before learning.
#[derive(Clone, Copy, Default)]
pub struct Base<'a> {
    /// The text of the file that is added to, where it is there.
    pub text: Option<&'a str>,
    /// The texts of other files of the same rule set: what they name is not named again.
    pub others: &'a [String],
    /// All of them as rules: those that the messages were judged by.
    pub rules: Option<&'a RuleSet>,
}

/// A rule file that was learned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Learned {
    /// The whole file.
    pub text: String,
    /// Rules that were added.
    pub rules: usize,
    /// Hosts that were named.
    pub hosts: usize,
    /// Rules that were put aside for a person, as comments.
    pub reviews: usize,
    /// Messages and conversations that go on to raise alerts until somebody allows them.
    pub under_review: u64,
    /// Messages and conversations that a deny rule forbids, so that they were not learned.
    pub denied: u64,
    /// What was not remembered because a bound was reached.
    pub left_out: LeftOut,
}

/// Why a file cannot be added to.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum Unusable {
    /// It is not TOML.
    #[error("it is not TOML: {0}")]
    NotToml(String),
    /// It has hosts, but not as a table.
    #[error("its 'hosts' is not a table")]
    Hosts,
}

/// "2015-02-24 17:27:45", in UTC.
pub(super) fn moment(ts: Timestamp) -> String {
    let text = Timestamp { digits: 0, ..ts }.to_string();
    text.trim_end_matches('Z').replace('T', " ")
}

/// "2015-02-24 17:27:45 to 17:33:24": the day is said once.
fn span(first: Timestamp, last: Timestamp) -> String {
    let (first, last) = (moment(first), moment(last));
    match (first.split_once(' '), last.split_once(' ')) {
        _ if first == last => first,
        (Some((day, _)), Some((same, time))) if day == same => format!("{first} to {time}"),
        _ => format!("{first} to {last}"),
    }
}

/// 1234567 as "1,234,567".
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn counted(number: u64, word: &str) -> String {
    format!("{} {word}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// One rule, line by line: what the language reads, and what a person reads beside it.
struct Block {
    /// Sentences above it.
    notes: Vec<String>,
    lines: Vec<(String, Option<String>)>,
}

impl Block {
    fn body(&self) -> String {
        self.lines.iter().map(|(line, _)| line.as_str()).collect::<Vec<_>>().join("\n")
    }

    fn write(&self, prefix: &str, out: &mut String) {
        let sentence = if prefix.is_empty() { "# " } else { "## " };
        self.notes.iter().for_each(|note| wrapped(note, sentence, out));
        for (line, comment) in &self.lines {
            for (at, piece) in line.split('\n').enumerate() {
                let comment = comment.as_ref().filter(|_| at == 0);
                let comment = comment.map_or(String::new(), |comment| format!("    # {comment}"));
                let _ = writeln!(out, "{prefix}{piece}{comment}");
            }
        }
        out.push('\n');
    }
}

/// What is needed to write a rule.
struct Writer<'l> {
    learner: &'l Learner,
    names: BTreeMap<Address, String>,
    /// Names of rules that are taken.
    rule_names: BTreeSet<String>,
    /// The comments of the file that is there, as the rules that they were.
    put_aside: String,
}

pub(super) fn write(learner: &Learner, base: &Base<'_>) -> Result<Learned, Unusable> {
    let parse = |text: &str| {
        text.parse::<DocumentMut>().map_err(|error| Unusable::NotToml(error.message().to_owned()))
    };
    let mut document = base.text.map(parse).transpose()?;
    let others: Vec<DocumentMut> = base.others.iter().map(|text| parse(text)).collect::<Result<_, _>>()?;
    let drafts = drafts(learner);
    let services = services(&learner.services);
    let wanted = wanted(&drafts.rules, &services);
    let taken: BTreeSet<String> = document.iter().chain(&others).flat_map(names_in).collect();
    let mut names = BTreeMap::new();
    let mut unnamed = BTreeSet::new();
    for address in wanted {
        match base.rules.map(|rules| rules.who(address, None)) {
            Some(Who::Host(name)) => drop(names.insert(address, name.to_owned())),
            _ => drop(unnamed.insert(address)),
        }
    }
    let hosts = roles::hosts(&unnamed, &learner.pairs, &drafts.rules, &drafts.words, &taken);
    names.extend(hosts.iter().map(|host| (host.address, host.name.clone())));
    let rule_names =
        base.rules.iter().flat_map(|rules| rules.rules()).map(|rule| rule.name.clone()).collect();
    let put_aside = base.text.map_or(String::new(), put_aside);
    let mut writer = Writer { learner, names, rule_names, put_aside };
    let rules = writer.rules(&drafts.rules, &drafts.polls, &drafts.words, &services);
    let learned = Learned {
        text: String::new(),
        rules: rules.count,
        hosts: hosts.len(),
        reviews: rules.reviews,
        under_review: rules.conversations + drafts.waiting,
        denied: learner.totals.denied,
        left_out: learner.left_out,
    };
    let fresh = base.text.is_none() && base.rules.is_none();
    let text = match document.as_mut() {
        Some(document) if rules.text.is_empty() => document.to_string(),
        Some(document) => added(document, &hosts, &writer.heading(&learned, false), &rules.text)?,
        None => {
            let mut out = writer.heading(&learned, true);
            out.push_str("version = 1\n\n");
            out.push_str(&host_table(&hosts));
            out.push_str(&rules.text);
            if fresh {
                out.push_str(DEFAULTS);
            }
            out
        }
    };
    Ok(Learned { text, ..learned })
}

const DEFAULTS: &str = "\
[defaults]
control-traffic = \"deny\"    # a control message that no rule allows: alert
other-traffic = \"deny\"      # any other conversation that no rule allows: alert once
";

/// The addresses that rules speak of.
fn wanted(rules: &[Draft], services: &[Service]) -> BTreeSet<Address> {
    let rules = rules.iter().flat_map(|rule| rule.key.from.iter().chain(&rule.key.to));
    let services = services.iter().flat_map(|service| service.clients.iter().chain(&service.servers));
    rules.chain(services).copied().collect()
}

/// The hosts and groups that a file names.
fn names_in(document: &DocumentMut) -> Vec<String> {
    let tables = ["hosts", "groups"].into_iter().filter_map(|key| document.get(key)?.as_table_like());
    tables.flat_map(|table| table.iter().map(|(key, _)| key.to_owned()).collect::<Vec<_>>()).collect()
}

/// The comments of a file as the rules that they would be.
fn put_aside(text: &str) -> String {
    let lines = text.lines().filter_map(|line| line.strip_prefix("# "));
    lines.map(|line| line.split("    # ").next().unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

/// Adds hosts and rules to a file without touching what is there.
fn added(document: &mut DocumentMut, hosts: &[Host], heading: &str, rules: &str) -> Result<String, Unusable> {
    let mut table_text = String::new();
    if !hosts.is_empty() {
        match document.get_mut("hosts") {
            Some(item) => {
                // On one line there is no room for comments.
                let inline = item.is_inline_table();
                let table = item.as_table_like_mut().ok_or(Unusable::Hosts)?;
                for host in hosts {
                    let mut address = value(host.address.to_string());
                    if let (Item::Value(address), false) = (&mut address, inline) {
                        address.decor_mut().set_suffix(format!("    # {}", host.role));
                    }
                    table.insert(&host.name, address);
                }
            }
            None => table_text = host_table(hosts),
        }
    }
    let mut text = document.to_string();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push('\n');
    text.push_str(heading);
    text.push_str(&table_text);
    text.push_str(rules.trim_end_matches('\n'));
    text.push('\n');
    Ok(text)
}

fn host_table(hosts: &[Host]) -> String {
    if hosts.is_empty() {
        return String::new();
    }
    let mut out =
        "# Names for the hosts, by what they were seen doing. Give them the names that you use.\n[hosts]\n"
            .to_owned();
    let line = |host: &Host| format!("{} = \"{}\"", host.name, host.address);
    let width = hosts.iter().map(|host| line(host).len()).max().unwrap_or(0);
    for host in hosts {
        let _ = writeln!(out, "{:width$}    # {}", line(host), host.role);
    }
    out.push('\n');
    out
}

/// Everything below the hosts.
struct Rules {
    text: String,
    count: usize,
    reviews: usize,
    /// Conversations under review.
    conversations: u64,
}

impl Writer<'_> {
    fn heading(&self, learned: &Learned, whole: bool) -> String {
        let totals = &self.learner.totals;
        let mut out = String::new();
        let from = match self.learner.sources.as_slice() {
            [] => "traffic".to_owned(),
            [one] => one.clone(),
            [one, rest @ ..] if rest.len() < 4 => {
                rest.iter().fold(one.clone(), |all, name| format!("{all}, {name}"))
            }
            [one, rest @ ..] => format!("{one} and {} more captures", rest.len()),
        };
        let when =
            totals.span.map_or("no traffic".to_owned(), |(first, last)| format!("{} UTC", span(first, last)));
        if whole {
            out.push_str(
                "# Who may do what on this network, learned by Wayside from what it saw there. Everything else\n\
                 # raises an alert. Read it before you use it: what was wrong while it watched is allowed here too.\n#\n",
            );
        } else {
            out.push_str("# ---- Learned and added ----\n");
        }
        let _ = writeln!(out, "# Learned from:  {from}");
        let _ = writeln!(out, "# Traffic:       {when}");
        let _ = writeln!(
            out,
            "#                {}, {}",
            counted(totals.messages, "message"),
            counted(totals.conversations, "other conversation")
        );
        let _ = writeln!(
            out,
            "# Allowed:       {}, {} named",
            counted(learned.rules as u64, "rule"),
            counted(learned.hosts as u64, "host")
        );
        let review = match learned.reviews {
            0 => "nothing".to_owned(),
            many => format!("{}, commented out; look for \"## review\"", counted(many as u64, "rule")),
        };
        let _ = writeln!(out, "# For review:    {review}");
        if let Slack::Points(_) | Slack::Percent(_) = self.learner.options.slack {
            let by = match self.learner.options.slack {
                Slack::Percent(percent) => format!("{percent} %"),
                Slack::Points(points) => points.to_string(),
                Slack::None => String::new(),
            };
            let _ = writeln!(
                out,
                "# Slack:         points and values go beyond what was seen by {by} at each end"
            );
        }
        for (number, words) in [
            (learned.denied, "(a deny rule forbids them)"),
            (learned.left_out.messages, "messages (no room: more hosts or points than can be remembered)"),
            (learned.left_out.conversations, "other conversations (no room)"),
        ] {
            if number > 0 {
                let _ = writeln!(out, "# Not learned:   {} {words}", grouped(number));
            }
        }
        out.push('\n');
        out
    }

    fn rules(
        &mut self,
        drafts: &[Draft],
        polls: &[Poll],
        words: &BTreeMap<u8, &'static Vocabulary>,
        services: &[Service],
    ) -> Rules {
        let mut rules = Rules { text: String::new(), count: 0, reviews: 0, conversations: 0 };
        let mut allowed = String::new();
        for draft in drafts.iter().filter(|draft| draft.key.doubt.is_none()) {
            let block = self.control(draft);
            block.write("", &mut allowed);
            rules.count += 1;
        }
        for poll in polls {
            if let Some(words) = words.get(&poll.proto) {
                self.poll(poll, words).write("", &mut allowed);
                rules.count += 1;
            }
        }
        section(&mut rules.text, "Control protocols", &allowed);
        let mut other = String::new();
        for service in services.iter().filter(|service| service.doubt.is_none()) {
            let block = self.service(service);
            block.write("", &mut other);
            rules.count += 1;
        }
        section(&mut rules.text, "Other traffic", &other);
        let review = self.reviews(drafts, services, &mut rules);
        let title =
            "For review: delete the \"# \" in front of a rule to allow it; until then it raises alerts";
        section(&mut rules.text, title, &review);
        rules
    }

    /// What is put aside, as comments.
    fn reviews(&mut self, drafts: &[Draft], services: &[Service], rules: &mut Rules) -> String {
        let mut out = String::new();
        let doubtful = |draft: &&Draft| draft.key.doubt.is_some();
        let doubtful: Vec<&Draft> = drafts.iter().filter(doubtful).collect();
        let same = |a: &&Draft, b: &&Draft| (&a.key.doubt, &a.key.from) == (&b.key.doubt, &b.key.from);
        for together in doubtful.chunk_by(same) {
            // One that stops a device is a sentence of its own.
            let apart = matches!(together.first().and_then(|d| d.key.doubt.as_ref()), Some(Doubt::Verb));
            for drafts in together.chunks(if apart { 1 } else { together.len().max(1) }) {
                let blocks: Vec<Block> = drafts.iter().map(|draft| self.control(draft)).collect();
                let Some(often) = sum(drafts.iter().map(|draft| draft.often)) else { continue };
                let sentence = self.doubt(drafts);
                self.review(&sentence, &often, "message", blocks, rules, &mut out);
            }
        }
        for service in services {
            let Some(doubt) = &service.doubt else { continue };
            rules.conversations += service.often.open;
            let block = self.service(service);
            let sentence = format!("{} {doubt}.", self.list(&service.clients));
            self.review(&sentence, &service.often, "conversation", vec![block], rules, &mut out);
        }
        out
    }

    fn review(
        &self,
        sentence: &str,
        often: &Often,
        word: &str,
        blocks: Vec<Block>,
        rules: &mut Rules,
        out: &mut String,
    ) {
        let new: Vec<Block> =
            blocks.into_iter().filter(|block| !self.put_aside.contains(&block.body())).collect();
        if new.is_empty() {
            return;
        }
        let evidence = self.evidence(often, word);
        wrapped(&format!("review: {sentence} {evidence}"), "## ", out);
        for block in new {
            block.write("# ", out);
            rules.reviews += 1;
        }
    }

    /// How often, when, and where to look.
    fn evidence(&self, often: &Often, word: &str) -> String {
        let mut out = counted(often.messages.max(1), word);
        let _ = write!(out, ", {}", span(often.first.ts, often.last));
        let source = self.learner.sources.get(usize::from(often.first.source));
        if often.first.frame > 0 {
            let _ = write!(out, "; the first in frame {}", often.first.frame);
            if let Some(source) = source {
                let _ = write!(out, " of {source}");
            }
        }
        out.push('.');
        out
    }

    /// What is doubtful about these, as a sentence.
    fn doubt(&self, drafts: &[&Draft]) -> String {
        let Some(one) = drafts.first() else { return String::new() };
        let from = self.list(&one.key.from);
        let to = drafts.iter().flat_map(|draft| draft.key.to.iter().copied()).collect();
        let to = self.list(&to);
        match &one.key.doubt {
            Some(Doubt::Scan(what)) => format!("{from} {what}: it looks like a scan or a test."),
            Some(Doubt::Malformed { share }) => {
                format!("{share} % of the messages between {from} and {to} make no sense.")
            }
            Some(Doubt::Verb) => {
                let used: Vec<String> = one.used.iter().cloned().collect();
                let does: Vec<&str> = one.verbs().map(consequence).collect();
                format!("{from} sent {} to {to}, which {}.", and(&used), does.join(" and "))
            }
            Some(Doubt::Refused(reason)) => format!("{to} refused {from} every time: {reason}."),
            Some(Doubt::Shared(others)) => {
                format!("{from} changes points of {to} that {} changes too: who should?", self.list(others))
            }
            None => String::new(),
        }
    }

    fn name_of(&self, address: &Address) -> String {
        self.names.get(address).cloned().unwrap_or_else(|| address.to_string())
    }

    /// Hosts in a sentence: "plc-1", "plc-1 and plc-2", "plc-1 and 5 more".
    fn list(&self, addresses: &BTreeSet<Address>) -> String {
        let names: Vec<String> = addresses.iter().map(|address| self.name_of(address)).collect();
        match names.as_slice() {
            [one, rest @ ..] if rest.len() > 2 => format!("{one} and {} more", rest.len()),
            names => and(names),
        }
    }

    /// Hosts in a rule: one, or a list.
    fn side(&self, key: &str, addresses: &BTreeSet<Address>) -> String {
        let names = addresses.iter().map(|address| format!("\"{}\"", self.name_of(address))).collect();
        listed(key, names, false)
    }

    /// A rule's name that no other has.
    fn own_name(&mut self, name: String) -> String {
        let again = |n: u32| if n == 1 { name.clone() } else { format!("{name} ({n})") };
        let own = (1..).map(again).find(|name| !self.rule_names.contains(name)).unwrap_or(name.clone());
        self.rule_names.insert(own.clone());
        own
    }

    /// A rule about a control protocol.
    fn control(&mut self, draft: &Draft) -> Block {
        let key = &draft.key;
        let (from, to) = (self.list(&key.from), self.list(&key.to));
        let changes = draft.verbs().any(|verb| matches!(verb, Verb::Write | Verb::Select | Verb::Operate));
        let doing: Vec<&str> = draft.verbs().map(phrase).collect();
        let mut name = match (&key.points, changes) {
            (Some(points), true) => {
                format!("{from} {} {} of {to}", doing.join(" and "), points_said(draft.words, points))
            }
            _ => format!("{from} {} {to}", doing.join(" and ")),
        };
        if let Some(devices) =
            key.devices.as_ref().filter(|devices| has_many_devices(self.learner, key, devices))
        {
            let numbers: Vec<String> = devices.iter().map(u32::to_string).collect();
            let numbers = match numbers.as_slice() {
                [one, rest @ ..] if rest.len() > 3 => format!("{one} and {} more", rest.len()),
                numbers => and(numbers),
            };
            let _ = write!(name, ", {} {numbers}", draft.words.device_key);
        }
        let name = self.own_name(name);
        let often = &draft.often;
        let count = match often.messages.max(1) {
            1 => format!("seen once, {}", moment(often.first.ts)),
            many => format!("{} messages", grouped(many)),
        };
        let mut lines = vec![
            ("[[allow]]".to_owned(), None),
            (format!("name = \"{name}\""), Some(count)),
            (self.side("from", &key.from), None),
            (self.side("to", &key.to), None),
            (format!("protocol = \"{}\"", draft.words.name), None),
        ];
        if let Some(devices) = &key.devices {
            let devices = devices.iter().map(u32::to_string).collect();
            lines.push((listed(draft.words.device_key, devices, false), None));
        }
        let verbs = draft.verbs().map(|verb| format!("\"{}\"", verb.name())).collect();
        lines.push((listed("may", verbs, true), None));
        if let Some(functions) = &key.functions {
            let name = |code: &u16| match draft.words.function_name(*code) {
                Some(name) => format!("\"{name}\""),
                None => code.to_string(),
            };
            lines.push((listed("functions", functions.iter().map(name).collect(), true), None));
        }
        if let Some(points) = &key.points {
            let points = points.iter().map(|run| format!("\"{}\"", point(draft.words, run))).collect();
            lines.push((listed("points", points, true), None));
        }
        if let Some(values) = &key.values {
            lines.push((listed("values", values.clone(), false), None));
        }
        let notes = key.notes.iter().map(|note| said(note, draft.words)).collect();
        Block { notes, lines }
    }

    /// What must happen again and again.
    fn poll(&mut self, poll: &Poll, words: &'static Vocabulary) -> Block {
        let (client, server) = (self.name_of(&poll.client), self.name_of(&poll.server));
        let device = poll.device.map_or(String::new(), |device| format!(" {} {device}", words.device_key));
        let name = self.own_name(format!("{client} keeps reading {server}{device}"));
        let usual = f64::from(poll.median) / 1000.0;
        let mut lines = vec![
            ("[[expect]]".to_owned(), None),
            (format!("name = \"{name}\""), None),
            (format!("from = \"{client}\""), None),
            (format!("to = \"{server}\""), None),
            (format!("protocol = \"{}\"", words.name), None),
        ];
        if let Some(device) = poll.device {
            lines.push((format!("{} = {device}", words.device_key), None));
        }
        lines.push(("may = [\"read\"]".to_owned(), None));
        lines.push((format!("every = \"{}s\"", poll.every), Some(format!("as a rule every {usual} s"))));
        Block { notes: Vec::new(), lines }
    }

    /// A rule about other traffic.
    fn service(&mut self, service: &Service) -> Block {
        let (from, to) = (self.list(&service.clients), self.list(&service.servers));
        let (carrier, ports) = match service.transport {
            Transport::Tcp => ("tcp", Some(&service.ports)),
            Transport::Udp => ("udp", Some(&service.ports)),
            Transport::Ip(1 | 58) => ("icmp", None),
            Transport::Ip(_) => ("ip", None),
            Transport::Ethernet(_) => ("any", None),
        };
        let uses = if service.clients.len() == 1 { "uses" } else { "use" };
        let what = match (service.transport, ports) {
            (Transport::Ip(1 | 58), _) => "ICMP (ping and its like)".to_owned(),
            (Transport::Ip(number), _) => format!("IP protocol {number}"),
            (Transport::Ethernet(kind), _) => ethernet_name(kind),
            (_, Some(ports)) => ports_said(carrier, ports),
            (_, None) => carrier.to_owned(),
        };
        let name = self.own_name(format!("{from} {uses} {what} of {to}"));
        let count = match service.often.count {
            1 => format!("seen once, {}", moment(service.often.first.ts)),
            many => format!("{} conversations", grouped(many)),
        };
        let mut lines = vec![
            ("[[allow]]".to_owned(), None),
            (format!("name = \"{name}\""), Some(count)),
            (self.side("from", &service.clients), None),
            (self.side("to", &service.servers), None),
            (format!("protocol = \"{carrier}\""), None),
        ];
        if let Some(ports) = ports {
            let run = |(first, last): &(u16, u16)| {
                if first == last { first.to_string() } else { format!("\"{first}-{last}\"") }
            };
            lines.push((listed("port", ports.iter().map(run).collect(), false), None));
        }
        let mut notes = Vec::new();
        if let Some(count) = service.widened {
            notes.push(format!(
                "{count} different ports were seen, handed out by chance; the rule allows all between."
            ));
        }
        if matches!(service.transport, Transport::Ip(number) if number != 1 && number != 58)
            || matches!(service.transport, Transport::Ethernet(_))
        {
            notes.push(
                "The language cannot name this protocol: whatever else goes there is allowed too.".to_owned(),
            );
        }
        Block { notes, lines }
    }
}

/// Whether more than these devices were seen behind the addresses: only then does a name tell them apart.
fn has_many_devices(learner: &Learner, key: &super::draft::Key, devices: &BTreeSet<u32>) -> bool {
    let mut seen = BTreeSet::new();
    for (pair, traffic) in &learner.pairs {
        if key.from.contains(&pair.client) && key.to.contains(&pair.server) && pair.proto == key.proto {
            seen.extend(traffic.asks.keys().filter_map(|ask| ask.device));
        }
    }
    seen.len() > devices.len()
}

fn sum(all: impl Iterator<Item = Often>) -> Option<Often> {
    all.reduce(|sum, next| sum.with(&next))
}

fn section(out: &mut String, title: &str, text: &str) {
    if !text.is_empty() {
        let _ = write!(out, "# ---- {title} ----\n\n{text}");
    }
}

/// A sentence over as many lines as it needs.
fn wrapped(sentence: &str, prefix: &str, out: &mut String) {
    let mut line = prefix.to_owned();
    for word in sentence.split(' ') {
        if line.len() + word.len() > WIDTH && line.len() > prefix.len() {
            let _ = writeln!(out, "{}", line.trim_end());
            line = format!("{prefix}  ");
        }
        line.push_str(word);
        line.push(' ');
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

/// `key = "one"`, or `key = ["one", "two"]`, over several lines where it is long.
fn listed(key: &str, entries: Vec<String>, always: bool) -> String {
    match entries.as_slice() {
        [one] if !always => format!("{key} = {one}"),
        entries => {
            let line = format!("{key} = [{}]", entries.join(", "));
            if line.len() <= WIDTH {
                return line;
            }
            let mut out = format!("{key} = [");
            let mut column = WIDTH;
            for entry in entries {
                if column + entry.len() + 2 > WIDTH {
                    out.push_str("\n   ");
                    column = 3;
                }
                column += entry.len() + 2;
                let _ = write!(out, " {entry},");
            }
            out.push_str("\n]");
            out
        }
    }
}

fn and(names: &[String]) -> String {
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        None => String::new(),
    }
}

/// A run of points as rules say it.
fn point(words: &'static Vocabulary, (space, first, last): &Run) -> String {
    let space = words.space_name(*space);
    let (first, end) = ((*first).min(words.max_index), (*last).min(words.max_index));
    if first == 0 && *last >= words.max_index {
        format!("{space}:*")
    } else if first == end {
        format!("{space}:{first}")
    } else {
        format!("{space}:{first}-{end}")
    }
}

/// Points in a rule's name.
fn points_said(words: &'static Vocabulary, points: &[Run]) -> String {
    let said: Vec<String> = points.iter().map(|run| point(words, run)).collect();
    match said.as_slice() {
        [one, rest @ ..] if rest.len() > 1 => format!("{one} and {} more runs", rest.len()),
        said => and(said),
    }
}

/// What a verb does, between two names.
fn phrase(verb: Verb) -> &'static str {
    match verb {
        Verb::Read => "reads",
        Verb::Write => "writes",
        Verb::Select => "selects",
        Verb::Operate => "operates",
        Verb::Configure => "configures",
        Verb::Program => "programs",
        Verb::Restart => "restarts",
        Verb::Time => "sets the time of",
        Verb::File => "uses files of",
        Verb::Identify => "identifies",
        Verb::Diagnose => "diagnoses",
        Verb::Report => "reports to",
        Verb::Session => "keeps a link to",
        Verb::Authenticate => "authenticates to",
        Verb::Other => "uses other functions of",
    }
}

/// What a doubtful verb brings about.
fn consequence(verb: Verb) -> &'static str {
    match verb {
        Verb::Restart => "stops or restarts the device",
        Verb::Program => "reads or changes its program",
        Verb::Configure => "changes how it is set up or what it reports",
        Verb::File => "reads or changes its files",
        _ => "proves who somebody is, or changes keys",
    }
}

/// A note as a sentence.
fn said(note: &Note, words: &'static Vocabulary) -> String {
    match note {
        Note::AnswersOnly => "Only answers were seen: what was asked is not known in full.".to_owned(),
        Note::NoPoints => "These messages name no points, so all points are allowed.".to_owned(),
        Note::SharedLimits => {
            "Lowest to highest value over all these points; give points with other limits a rule of their own.".to_owned()
        }
        Note::NeverWritten(on) => {
            let word = if *on { "on" } else { "off" };
            format!("Never switched {word} while learning; add \"{word}\" where it may be.")
        }
        Note::Slack(points, values) => {
            let points: Vec<String> = points.iter().map(|run| point(words, run)).collect();
            let mut parts = Vec::new();
            if !points.is_empty() {
                parts.push(points.join(", "));
            }
            parts.extend(values.iter().map(|values| format!("values {}", values.replace('"', ""))));
            format!("With slack; seen were {}.", parts.join(" and "))
        }
    }
}

/// Ports in a rule's name, with what they are commonly for.
fn ports_said(carrier: &str, ports: &[(u16, u16)]) -> String {
    let one = |(first, last): &(u16, u16)| {
        let number = if first == last { first.to_string() } else { format!("{first}-{last}") };
        match SERVICES.iter().find(|(port, _)| port == first && first == last) {
            Some((_, name)) => format!("{carrier} {number} ({name})"),
            None => format!("{carrier} {number}"),
        }
    };
    let said: Vec<String> = ports.iter().map(one).collect();
    match said.as_slice() {
        [one, rest @ ..] if rest.len() > 2 => format!("{one} and {} more ports", rest.len()),
        said => and(said),
    }
}

/// What ports that are met in plants are commonly for.
const SERVICES: [(u16, &str); 44] = [
    (20, "FTP data"),
    (21, "FTP"),
    (22, "SSH"),
    (23, "Telnet"),
    (25, "mail"),
    (53, "DNS"),
    (67, "DHCP"),
    (68, "DHCP"),
    (69, "TFTP"),
    (80, "HTTP"),
    (102, "S7 or MMS"),
    (123, "NTP"),
    (135, "Windows RPC"),
    (137, "NetBIOS names"),
    (138, "NetBIOS datagrams"),
    (139, "NetBIOS sessions"),
    (161, "SNMP"),
    (162, "SNMP traps"),
    (319, "PTP"),
    (320, "PTP"),
    (389, "LDAP"),
    (443, "HTTPS"),
    (445, "Windows file sharing"),
    (502, "Modbus"),
    (514, "syslog"),
    (546, "DHCPv6"),
    (547, "DHCPv6"),
    (1433, "SQL Server"),
    (1434, "SQL Server"),
    (1900, "SSDP"),
    (2222, "EtherNet/IP I/O"),
    (2404, "IEC 60870-5-104"),
    (3389, "Remote Desktop"),
    (3702, "WS-Discovery"),
    (4712, "C37.118"),
    (4713, "C37.118"),
    (4840, "OPC UA"),
    (5353, "mDNS"),
    (5355, "LLMNR"),
    (5900, "VNC"),
    (20000, "DNP3"),
    (34964, "PROFINET"),
    (44818, "EtherNet/IP"),
    (47808, "BACnet"),
];

fn ethernet_name(kind: u16) -> String {
    match kind {
        0x8892 => "PROFINET (EtherType 0x8892)".to_owned(),
        0x88a4 => "EtherCAT (EtherType 0x88a4)".to_owned(),
        0x88b8 => "GOOSE (EtherType 0x88b8)".to_owned(),
        0x88ba => "sampled values (EtherType 0x88ba)".to_owned(),
        0x88f7 => "PTP (EtherType 0x88f7)".to_owned(),
        other => format!("EtherType {other:#06x}"),
    }
}
