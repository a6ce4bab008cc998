//! Rules as text: a new file, or what is added to one that is there.

use super::conversations::{Service, services};
use super::doubts::Doubt;
use super::draft::{Draft, drafts};
use super::phrases::{counted, grouped, span, wrapped};
use super::polls::Poll;
use super::roles::{self, Host};
use super::rule_text::{self, Block, Writer};
use super::seen::Often;
use super::{Learner, LeftOut, Slack};
use crate::address::Address;
use crate::event::Vocabulary;
use crate::policy::{End, Who};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use thiserror::Error;
use toml_edit::{DocumentMut, Item, value};

/// What there is before learning.
#[derive(Clone, Copy, Default)]
pub struct Base<'a> {
    /// The text of the file that is added to, where it is there.
    pub text: Option<&'a str>,
    /// The texts of other files of the same rule set: what they name is not named again.
    pub others: &'a [String],
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

pub(super) fn write(learner: &Learner, base: &Base<'_>) -> Result<Learned, Unusable> {
    let rules_before = learner.rules.as_deref();
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
        match rules_before.map(|rules| rules.who(End { address, mac: None, vlan: None })) {
            Some(Who::Host(name)) => drop(names.insert(address, name.to_owned())),
            _ => drop(unnamed.insert(address)),
        }
    }
    let hosts = roles::hosts(&unnamed, &learner.pairs, &drafts.rules, &drafts.words, &taken);
    names.extend(hosts.iter().map(|host| (host.address, host.name.clone())));
    let rule_names =
        rules_before.iter().flat_map(|rules| rules.rules()).map(|rule| rule.name.clone()).collect();
    let put_aside = base.text.map_or(String::new(), put_aside);
    let mut writer = Writer {
        learner,
        names,
        devices: rule_text::devices(learner),
        rule_names,
        again: BTreeMap::new(),
        put_aside,
    };
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
    let fresh = base.text.is_none() && rules_before.is_none();
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
            let apart = matches!(together.first().and_then(|d| d.key.doubt.as_ref()), Some(Doubt::Verb(_)));
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
}

fn sum(all: impl Iterator<Item = Often>) -> Option<Often> {
    all.reduce(|sum, next| sum.with(&next))
}

fn section(out: &mut String, title: &str, text: &str) {
    if !text.is_empty() {
        let _ = write!(out, "# ---- {title} ----\n\n{text}");
    }
}
