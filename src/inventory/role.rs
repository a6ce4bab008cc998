//! What a device is, judged by what it does, with the reason in words.

use super::conversation::{Key, Record};
use super::device::{Host, Served, distinct};
use crate::address::Address;
use crate::event::{Kind, Verb, Vocabulary};
use std::collections::BTreeMap;

/// Numbers that a reason lists before it only counts.
const LISTED: usize = 8;

/// What a device is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// Programs, sets up or restarts devices.
    Engineering,
    /// Reads and writes: a control centre or an operator's panel.
    Hmi,
    /// Asks devices.
    Master,
    /// Answers for several devices behind it.
    Gateway,
    /// Answers in a protocol of outstations.
    Outstation,
    /// Answers in another protocol.
    Plc,
    /// Was asked but never heard.
    Silent,
    /// An address of many.
    Group,
    /// Speaks none of our protocols.
    Host,
}

impl Role {
    /// All of them, in the order in which they matter.
    pub const ALL: [Role; 9] = [
        Role::Engineering,
        Role::Hmi,
        Role::Master,
        Role::Gateway,
        Role::Outstation,
        Role::Plc,
        Role::Silent,
        Role::Group,
        Role::Host,
    ];

    /// The role of that name, in capitals or not.
    pub fn parse(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name().eq_ignore_ascii_case(name))
    }

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Role::Engineering => "engineering",
            Role::Hmi => "HMI",
            Role::Master => "master",
            Role::Gateway => "gateway",
            Role::Outstation => "outstation",
            Role::Plc => "PLC",
            Role::Silent => "silent",
            Role::Group => "group",
            Role::Host => "host",
        }
    }
}

/// A role and why it is thought of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    /// The role.
    pub role: Role,
    /// What the device was seen doing.
    pub because: String,
}

type Talks<'t, 'c> = &'t [(&'c Key, &'c Record)];

/// The roles of a device, what matters most first.
pub(super) fn roles(
    address: Address,
    host: &Host,
    asks: Talks<'_, '_>,
    answers: Talks<'_, '_>,
    serves: &[Served],
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let mut say = |role, because| reasons.push(Reason { role, because });
    if address.is_group() {
        say(Role::Group, "messages to this address are for everyone who listens there".into());
    }
    for (words, talks) in by_protocol(asks) {
        asking(words, &talks, &mut say);
    }
    for (words, talks) in by_protocol(answers) {
        let of: Vec<&Served> = serves.iter().filter(|served| served.words == words).collect();
        answering(words, &talks, &of, &mut say);
    }
    if reasons.is_empty() {
        reasons.push(other(host, asks, answers));
    }
    reasons.sort_by_key(|reason| reason.role);
    reasons
}

/// The conversations of a host in one protocol.
type Spoken<'c> = (&'static Vocabulary, Vec<(&'c Key, &'c Record)>);

fn by_protocol<'c>(talks: Talks<'_, 'c>) -> Vec<Spoken<'c>> {
    let mut all: BTreeMap<u8, Spoken<'c>> = BTreeMap::new();
    for (key, record) in talks {
        let Some(words) = record.words else { continue };
        all.entry(words.id).or_insert((words, Vec::new())).1.push((key, record));
    }
    all.into_values().collect()
}

fn sum(talks: Talks<'_, '_>, count: impl Fn(&Record) -> u64) -> u64 {
    talks.iter().map(|(_, record)| count(record)).sum()
}

/// What a host does that asks.
fn asking(words: &Vocabulary, talks: Talks<'_, '_>, say: &mut dyn FnMut(Role, String)) {
    let asked: Vec<(&Key, &Record)> = talks
        .iter()
        .filter(|(_, record)| record.of_kind(Kind::Request) > 0 || record.of_kind(Kind::Response) > 0)
        .copied()
        .collect();
    let title = words.title;
    let changes = |verbs: &[Verb]| {
        let count = |record: &Record| verbs.iter().map(|verb| record.count(*verb)).sum::<u64>();
        let devices =
            distinct(asked.iter().filter(|(_, record)| count(record) > 0).map(|(key, _)| &key.server));
        (sum(&asked, count), devices)
    };
    let (works, on) = changes(&[Verb::Program, Verb::Configure, Verb::Restart]);
    if works > 0 {
        let s = plural(works, "time", "times");
        let on = plural(on as u64, "device", "devices");
        say(Role::Engineering, format!("programmed, set up or restarted {on} {s} in {title}"));
    }
    // A master of outstations writes in the course of its duties: it clears their restart flag, it freezes counters.
    let steering: &[Verb] = match words.device_key {
        "outstation" | "common-address" => &[Verb::Select, Verb::Operate],
        _ => &[Verb::Write, Verb::Select, Verb::Operate],
    };
    let (commands, on) = changes(steering);
    let reads = sum(&asked, |record| record.count(Verb::Read));
    if commands > 0 {
        let commands = plural(commands, "command", "commands");
        let on = plural(on as u64, "device", "devices");
        let reads = if reads > 0 { "reads and writes" } else { "writes" };
        say(Role::Hmi, format!("{reads}: {commands} to {on} in {title}"));
    }
    let requests = sum(&asked, |record| record.of_kind(Kind::Request));
    if requests > 0 {
        let servers = distinct(asked.iter().map(|(key, _)| &key.server));
        let heard =
            distinct(asked.iter().filter(|(_, record)| record.sent[1] > 0).map(|(key, _)| &key.server));
        let requests = plural(requests, "request", "requests");
        let mut text =
            format!("sent {requests} to {} in {title}", plural(servers as u64, "device", "devices"));
        match servers - heard {
            0 => {}
            silent if silent == servers => text.push_str("; no answer was heard"),
            silent => text.push_str(&format!("; {silent} of them never answered")),
        }
        say(Role::Master, text);
    } else if !asked.is_empty() {
        let answers = plural(sum(&asked, |record| record.of_kind(Kind::Response)), "answer", "answers");
        say(Role::Master, format!("{answers} to it in {title} were heard"));
    }
}

/// What a host does that answers.
fn answering(
    words: &Vocabulary,
    talks: Talks<'_, '_>,
    serves: &[&Served],
    say: &mut dyn FnMut(Role, String),
) {
    let title = words.title;
    let answers = sum(talks, |record| record.of_kind(Kind::Response));
    let reports = sum(talks, |record| record.of_kind(Kind::Unsolicited))
        + sum(talks, |record| record.count(Verb::Report).min(record.of_kind(Kind::Message)));
    let requests = sum(talks, |record| record.of_kind(Kind::Request));
    if answers + reports == 0 {
        if requests > 0 {
            let requests = plural(requests, "request", "requests");
            let unanswered = sum(talks, |record| record.unanswered) + sum(talks, |record| record.sent[1]);
            let heard = if unanswered == 0 { "was never heard" } else { "answered none" };
            say(Role::Silent, format!("got {requests} in {title} and {heard}"));
        }
        return;
    }
    let there: Vec<u32> = serves
        .iter()
        .filter(|served| served.answered + served.reports > 0)
        .map(|served| served.device)
        .collect();
    let absent: u64 = serves.iter().map(|served| served.absent).sum();
    let outstation = matches!(words.device_key, "outstation" | "common-address");
    let several = if words.device_key == "unit" {
        // Several numbers may stand for the device itself.
        let behind = there.iter().filter(|device| (words.names_device)(**device)).count();
        behind > 1 || behind == 1 && there.len() > 1
    } else {
        there.len() > 1
    };
    let missing = (absent > 0)
        .then(|| format!("said {} that a device behind it does not answer", plural(absent, "time", "times")));
    if several {
        let count = there.len();
        say(Role::Gateway, format!("answers as {count} {}: {}", devices(words, count), listed(&there)));
    }
    // What only passes messages on is no controller itself.
    if there.is_empty()
        && let Some(missing) = missing
    {
        return say(Role::Gateway, format!("{missing}, in {title}"));
    }
    let mut text = match (answers, reports) {
        (0, _) => format!("reported {} in {title}", plural(reports, "time", "times")),
        (_, 0) => format!("answered {} in {title}", plural(answers, "time", "times")),
        _ => format!(
            "answered {} and reported {} in {title}",
            plural(answers, "time", "times"),
            plural(reports, "time", "times")
        ),
    };
    if let [only] = there.as_slice() {
        text.push_str(&format!(" as {} {only}", words.device_title));
    }
    if let Some(missing) = missing {
        text.push_str(&format!("; {missing}"));
    }
    say(if outstation { Role::Outstation } else { Role::Plc }, text);
}

/// What is said of a host in none of our protocols.
fn other(host: &Host, asks: Talks<'_, '_>, answers: Talks<'_, '_>) -> Reason {
    let because = match (asks.len(), answers.len()) {
        _ if host.sent > 0 => "sent messages that do not say what it is".to_owned(),
        (_, 0) => format!(
            "opened {} in no control protocol",
            plural(asks.len() as u64, "conversation", "conversations")
        ),
        (0, _) => format!(
            "listens: {} in no control protocol",
            plural(answers.len() as u64, "conversation", "conversations")
        ),
        (a, b) => {
            format!("{} in no control protocol", plural((a + b) as u64, "conversation", "conversations"))
        }
    };
    Reason { role: Role::Host, because }
}

/// The word for several devices of a protocol.
fn devices(words: &Vocabulary, count: usize) -> String {
    let one = words.device_title;
    let many = match one.strip_suffix("ss") {
        _ if count == 1 => one.to_owned(),
        Some(_) => format!("{one}es"),
        None => format!("{one}s"),
    };
    format!("{} {many}", words.title)
}

fn listed(numbers: &[u32]) -> String {
    let mut text: Vec<String> = numbers.iter().take(LISTED).map(u32::to_string).collect();
    if numbers.len() > LISTED {
        text.push("…".into());
    }
    text.join(", ")
}

fn plural(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
