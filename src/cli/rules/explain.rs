//! `wayside rules explain`: what the rules say of one message, and why each rule matches or not.

use super::super::{Failure, Outcome};
use super::traffic::{self, Asked};
use crate::policy::explain::{Class, Explained, Met};
use crate::policy::sentence::Message;
use crate::policy::{Memory, Rule, RuleSet, Verdict, said};
use crate::sensor::pipeline::Unspoken;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Rules that are shown where not all are asked for.
const NEAREST: usize = 5;

/// Arguments of `wayside rules explain`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Rule files or folders, then a message in quotes: 'laptop-7 modbus write holding 101=900 -> plc-3 @ Sunday
    /// 03:00'. With --frame, a capture stands in its place.
    #[arg(required = true, value_name = "RULES... SENTENCE")]
    words: Vec<String>,
    /// Explain the messages of this packet of a capture instead of a sentence.
    #[arg(long, value_name = "N")]
    frame: Option<u64>,
    /// Say of every rule why it does not match, not only of the five that came closest.
    #[arg(long)]
    all: bool,
}

/// Explains.
///
/// # Errors
/// Wrong rules, a sentence that cannot be understood, a packet that has no message.
pub fn run(arguments: &Arguments) -> Outcome {
    let Some((question, paths)) = arguments.words.split_last().filter(|(_, paths)| !paths.is_empty()) else {
        let message = "give rule files, then a sentence in quotes: wayside rules explain plant.toml 'scada modbus read holding 101 -> plc-3'";
        return Err(Failure::usage(message));
    };
    let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
    let rules = super::load(&paths)?;
    let text = match arguments.frame {
        Some(frame) => frames(rules, question, frame, arguments.all)?,
        None => sentence(&rules, question, arguments.all)?,
    };
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn sentence(rules: &RuleSet, sentence: &str, all: bool) -> Result<String, Failure> {
    let message = Message::read(sentence, &rules.lexicon())
        .map_err(|wrong| Failure::usage(format!("{wrong}\n{}", wrong.picture(sentence))))?;
    let mut text = String::new();
    of_message(rules, &message, &mut Memory::default(), all, &mut text);
    Ok(text)
}

/// Explains a message of a sentence, and returns what the rules say of it.
pub fn of_message(
    rules: &RuleSet,
    message: &Message,
    memory: &mut Memory,
    all: bool,
    out: &mut String,
) -> Verdict {
    let flow = message.flow();
    let event = message.event(&flow);
    let asked = match &event {
        Some(event) => Asked::Message(event),
        None => Asked::Conversation(Unspoken { ts: message.ts(), frame: 0, flow: &flow, client_known: true }),
    };
    let explained = asked.explain(rules, memory);
    let verdict = asked.judge(rules, memory);
    let mut taken = message.taken.clone();
    let timed = rules.rules().iter().any(|rule| rule.during.is_some()) || !rules.maintenance().is_empty();
    if timed && event.is_some() && !message.is_timed() {
        taken.push(rules.calendar().local(message.ts()).to_string());
    }
    write(rules, asked, &explained, &verdict, &taken, all, out);
    verdict
}

/// What is asked of a capture.
struct Looked {
    rules: RuleSet,
    memory: Memory,
    frame: u64,
    all: bool,
    text: String,
    last: u64,
}

fn frames(rules: RuleSet, capture: &str, frame: u64, all: bool) -> Result<String, Failure> {
    let looked = Looked { rules, memory: Memory::default(), frame, all, text: String::new(), last: 0 };
    let looked = traffic::watch(&[PathBuf::from(capture)], looked, |looked, asked, _| {
        looked.last = looked.last.max(asked.frame());
        if asked.frame() != looked.frame {
            asked.judge(&looked.rules, &mut looked.memory);
            return;
        }
        let explained = asked.explain(&looked.rules, &mut looked.memory);
        let verdict = asked.judge(&looked.rules, &mut looked.memory);
        if !looked.text.is_empty() {
            looked.text.push('\n');
        }
        // Writing to a String cannot fail.
        let _ = writeln!(looked.text, "Frame {}: {}", looked.frame, asked.words(&looked.rules));
        let Looked { rules, all, text, .. } = looked;
        write(rules, asked, &explained, &verdict, &[], *all, text);
    })?;
    match looked {
        Some(looked) if !looked.text.is_empty() => Ok(looked.text),
        Some(looked) => Err(Failure::failed(format!(
            "frame {frame} of {capture} completes no message and begins no conversation; the last that does is frame {}",
            looked.last
        ))),
        None => Err(Failure::failed("the capture could not be read to its end")),
    }
}

/// `rules/pump-station.toml:44 allow 'Set points, within limits'`
pub fn place(rule: &Rule) -> String {
    format!("{}:{} {} '{}'", rule.file, rule.line, rule.kind.name(), rule.name)
}

fn write(
    rules: &RuleSet,
    asked: Asked<'_>,
    explained: &Explained,
    verdict: &Verdict,
    taken: &[String],
    all: bool,
    out: &mut String,
) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}", said_of(rules, asked, verdict));
    if !taken.is_empty() {
        let _ = writeln!(out, "The sentence does not say, so taken: {}.", taken.join(", "));
    }
    let matched: Vec<&Met> = explained.rules.iter().filter(|met| met.matched).collect();
    let _ = writeln!(out, "\nMatched:{}", if matched.is_empty() { " no rule" } else { "" });
    for met in matched {
        let Some(rule) = rules.rule(met.rule) else { continue };
        let window = met.relaxed.and_then(|window| rules.maintenance().get(window as usize));
        let why =
            window.map_or(String::new(), |window| format!(", by the maintenance window '{}'", window.name));
        let _ = writeln!(out, "  {}{why}", place(rule));
    }
    let (title, unmatched): (&str, Vec<&Met>) = if all {
        ("Did not match:", explained.rules.iter().filter(|met| !met.matched).collect())
    } else if Class::from(verdict) == Class::NotAllowed {
        ("Came closest:", explained.nearest(rules).into_iter().take(NEAREST).collect())
    } else {
        return;
    };
    if unmatched.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{title}");
    for met in unmatched {
        let Some(rule) = rules.rule(met.rule) else { continue };
        let partly = if met.partly { ", which covers a part of it" } else { "" };
        let _ = writeln!(out, "  {}{partly}", place(rule));
        for failed in &met.failed {
            let failure = match asked {
                Asked::Message(event) => said::failure(rules, rule, failed, event),
                Asked::Conversation(seen) => said::failure_of(rules, rule, failed, seen.flow, seen.ts),
            };
            let _ = writeln!(out, "    {failure}");
        }
    }
}

/// The verdict as one sentence.
fn said_of(rules: &RuleSet, asked: Asked<'_>, verdict: &Verdict) -> String {
    let title = match Class::from(verdict) {
        Class::Allowed => "Allowed",
        Class::Denied => "Denied",
        Class::NotAllowed => "Not allowed",
        Class::NotJudged => "Not judged",
    };
    let what = match verdict {
        Verdict::Allowed { rule: Some(rule) } => {
            let name = rules.rule(*rule).map_or("?", |rule| rule.name.as_str());
            format!("the rule '{name}' lets it pass.")
        }
        Verdict::Allowed { rule: None } => {
            let default = match asked {
                Asked::Message(_) => "control-traffic",
                Asked::Conversation(..) => "other-traffic",
            };
            format!("no rule speaks of it, and {default} is \"allow\" by default.")
        }
        Verdict::NotJudged => "it answers a request that was seen, or is malformed.".to_owned(),
        Verdict::Denied { .. } | Verdict::NotAllowed { .. } => {
            asked.summary(rules, verdict).unwrap_or_else(|| "no rule allows it.".to_owned())
        }
    };
    format!("{title}: {what}")
}
