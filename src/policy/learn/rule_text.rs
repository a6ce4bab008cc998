//! One rule as text, with what a person should know about it.

use super::Learner;
use super::conversations::Service;
use super::doubts::Doubt;
use super::draft::{Draft, Key};
use super::phrases::{
    and, consequence, ethernet_name, grouped, listed, moment, phrase, point, points_said, ports_said, quoted,
    said, wrapped,
};
use super::polls::Poll;
use super::seen::{PairKey, Seen};
use crate::address::{Address, Transport};
use crate::event::{Verb, Vocabulary};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;

/// One rule, line by line: what the language reads, and what a person reads beside it.
pub(super) struct Block {
    /// Sentences above it.
    pub notes: Vec<String>,
    pub lines: Vec<(String, Option<String>)>,
}

impl Block {
    pub(super) fn body(&self) -> String {
        self.lines.iter().map(|(line, _)| line.as_str()).collect::<Vec<_>>().join("\n")
    }

    pub(super) fn write(&self, prefix: &str, out: &mut String) {
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
pub(super) struct Writer<'l> {
    pub learner: &'l Learner,
    pub names: BTreeMap<Address, String>,
    pub devices: Devices,
    /// Names of rules that are taken.
    pub rule_names: BTreeSet<String>,
    /// How often a name was wanted that was taken.
    pub again: BTreeMap<String, u32>,
    /// The comments of the file that is there, as the rules that they were.
    pub put_aside: String,
}

impl Writer<'_> {
    /// What is doubtful about these, as a sentence.
    pub(super) fn doubt(&self, drafts: &[&Draft]) -> String {
        let Some(one) = drafts.first() else { return String::new() };
        let from = self.list(&one.key.from);
        let to = drafts.iter().flat_map(|draft| draft.key.to.iter().copied()).collect();
        let to = self.list(&to);
        match &one.key.doubt {
            Some(Doubt::Scan(what)) => format!("{from} {what}: it looks like a scan or a test."),
            Some(Doubt::Malformed { share }) => {
                format!("{share} % of the messages between {from} and {to} make no sense.")
            }
            Some(Doubt::Verb(refusal)) => {
                let used: Vec<String> = one.used.iter().cloned().collect();
                let does: Vec<&str> = one.verbs().map(consequence).collect();
                let refused =
                    refusal.map_or(String::new(), |reason| format!(" It was refused every time: {reason}."));
                format!("{from} sent {} to {to}, which {}.{refused}", and(&used), does.join(" and "))
            }
            Some(Doubt::Refused(reason)) => format!("{to} refused {from} every time: {reason}."),
            Some(Doubt::Shared(others)) => {
                format!("{from} changes points of {to} that {} changes too: who should?", self.list(others))
            }
            None => String::new(),
        }
    }

    pub(super) fn name_of(&self, address: &Address) -> String {
        self.names.get(address).cloned().unwrap_or_else(|| address.to_string())
    }

    /// Hosts in a sentence: "plc-1", "plc-1 and plc-2", "plc-1 and 5 more".
    pub(super) fn list(&self, addresses: &BTreeSet<Address>) -> String {
        let names: Vec<String> = addresses.iter().map(|address| self.name_of(address)).collect();
        match names.as_slice() {
            [one, rest @ ..] if rest.len() > 2 => format!("{one} and {} more", rest.len()),
            names => and(names),
        }
    }

    /// Hosts in a rule: one, or a list.
    pub(super) fn side(&self, key: &str, addresses: &BTreeSet<Address>) -> String {
        let names = addresses.iter().map(|address| quoted(&self.name_of(address))).collect();
        listed(key, names, false)
    }

    /// A rule's name that no other has; where another has it, with `more` behind it.
    pub(super) fn own_name(&mut self, name: String, more: Option<String>) -> String {
        let longer = more.map(|more| format!("{name}: {more}"));
        let name = match longer {
            Some(longer) if self.rule_names.contains(&name) => longer,
            _ => name,
        };
        let mut own = name.clone();
        while self.rule_names.contains(&own) {
            let again = self.again.entry(name.clone()).or_insert(1);
            *again += 1;
            own = format!("{name} ({again})");
        }
        self.rule_names.insert(own.clone());
        own
    }

    /// A rule about a control protocol.
    pub(super) fn control(&mut self, draft: &Draft) -> Block {
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
            key.devices.as_ref().filter(|devices| has_many_devices(&self.devices, key, devices))
        {
            let numbers: Vec<String> = devices.iter().map(u32::to_string).collect();
            let numbers = match numbers.as_slice() {
                [one, rest @ ..] if rest.len() > 3 => format!("{one} and {} more", rest.len()),
                numbers => and(numbers),
            };
            let _ = write!(name, ", {} {numbers}", draft.words.device_key);
        }
        if let Some(functions) = key.functions.as_ref().filter(|functions| functions.len() <= 2) {
            let names: Vec<String> = functions.iter().map(|code| function(draft.words, *code)).collect();
            let _ = write!(name, " by {}", and(&names));
        }
        let more = key.points.as_ref().filter(|_| !changes).map(|points| points_said(draft.words, points));
        let name = self.own_name(name, more);
        let often = &draft.often;
        let count = match often.messages.max(1) {
            1 => format!("seen once, {}", moment(often.first.ts)),
            many => format!("{} messages", grouped(many)),
        };
        let mut lines = vec![
            ("[[allow]]".to_owned(), None),
            (format!("name = {}", quoted(&name)), Some(count)),
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
    pub(super) fn poll(&mut self, poll: &Poll, words: &'static Vocabulary) -> Block {
        let (client, server) = (self.name_of(&poll.client), self.name_of(&poll.server));
        let device = poll.device.map_or(String::new(), |device| format!(" {} {device}", words.device_key));
        let name = self.own_name(format!("{client} keeps reading {server}{device}"), None);
        let usual = f64::from(poll.median) / 1000.0;
        let mut lines = vec![
            ("[[expect]]".to_owned(), None),
            (format!("name = {}", quoted(&name)), None),
            (format!("from = {}", quoted(&client)), None),
            (format!("to = {}", quoted(&server)), None),
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
    pub(super) fn service(&mut self, service: &Service) -> Block {
        let (from, to) = (self.list(&service.clients), self.list(&service.servers));
        let (carrier, ports) = match service.transport {
            Transport::Tcp => ("tcp", Some(&service.ports)),
            Transport::Udp => ("udp", Some(&service.ports)),
            Transport::Ip(1 | 58) => ("icmp", None),
            Transport::Ip(_) => ("ip", None),
            Transport::Ethernet(_) => ("ethernet", None),
        };
        let uses = if service.clients.len() == 1 { "uses" } else { "use" };
        let what = match (service.transport, ports) {
            (Transport::Ip(1 | 58), _) => "ICMP (ping and its like)".to_owned(),
            (Transport::Ip(number), _) => format!("IP protocol {number}"),
            (Transport::Ethernet(kind), _) => ethernet_name(kind),
            (_, Some(ports)) => ports_said(carrier, ports),
            (_, None) => carrier.to_owned(),
        };
        let name = self.own_name(format!("{from} {uses} {what} of {to}"), None);
        let count = match service.often.count {
            1 => format!("seen once, {}", moment(service.often.first.ts)),
            many => format!("{} conversations", grouped(many)),
        };
        let mut lines = vec![
            ("[[allow]]".to_owned(), None),
            (format!("name = {}", quoted(&name)), Some(count)),
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
        match service.transport {
            Transport::Ip(number) if number != 1 && number != 58 => {
                lines.push((format!("ip-protocol = {number}"), None));
            }
            Transport::Ethernet(kind) => lines.push((format!("ethertype = {kind:#06x}"), None)),
            _ => {}
        }
        let mut notes = Vec::new();
        if let Some(count) = service.widened {
            notes.push(format!(
                "{count} different ports were seen, handed out by chance; the rule allows all between."
            ));
        }
        Block { notes, lines }
    }
}

/// A function by its name, or its number.
fn function(words: &'static Vocabulary, code: u16) -> String {
    words.function_name(code).map_or_else(|| format!("function {code}"), str::to_owned)
}

/// The devices that were asked for between two hosts in a protocol.
pub(super) type Devices = HashMap<PairKey, BTreeSet<u32>>;

/// Every device that each pair asked for.
pub(super) fn devices(learner: &Learner) -> Devices {
    let of = |seen: &Seen| seen.asks.keys().filter_map(|ask| ask.device).collect();
    learner.pairs.iter().map(|(pair, seen)| (*pair, of(seen))).collect()
}

/// Whether more than these devices were seen behind the addresses: only then does a name tell them apart.
fn has_many_devices(all: &Devices, key: &Key, devices: &BTreeSet<u32>) -> bool {
    let pair = |client: Address, server: Address| PairKey { client, server, proto: key.proto };
    let pairs = key.from.iter().flat_map(|from| key.to.iter().map(move |to| pair(*from, *to)));
    pairs.filter_map(|pair| all.get(&pair)).flatten().any(|device| !devices.contains(device))
}
