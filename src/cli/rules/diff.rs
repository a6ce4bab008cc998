//! `wayside rules diff`: what another version of the rules means, in words and on captures.

use super::super::{Failure, Outcome};
use super::traffic::{self, Asked, Words};
use crate::policy::diff::{self, Difference, How};
use crate::policy::explain::Class;
use crate::policy::test_case::deciding;
use crate::policy::{Memory, RuleSet, Verdict};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Groups of messages that are shown.
const SHOWN: usize = 20;
/// Groups of messages that are kept apart; those that come later count together.
const GROUPS: usize = 100_000;

/// Arguments of `wayside rules diff`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Rule file or folder of rule files, as it was.
    #[arg(value_name = "A")]
    before: PathBuf,
    /// Rule file or folder of rule files, as it is.
    #[arg(value_name = "B")]
    after: PathBuf,
    /// Captures, or folders of them: which of their messages would be judged otherwise.
    #[arg(value_name = "CAPTURE")]
    captures: Vec<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Compares.
///
/// # Errors
/// Wrong rules, captures that cannot be read.
pub fn run(arguments: &Arguments) -> Outcome {
    let before = super::load(std::slice::from_ref(&arguments.before))?;
    let after = super::load(std::slice::from_ref(&arguments.after))?;
    let differences = diff::diff(&before, &after);
    let mut text = written(&differences);
    let mut object = json!({ "differences": differences.iter().map(in_json).collect::<Vec<_>>() });
    let mut same = differences.is_empty();
    if !arguments.captures.is_empty() {
        let judged = Judged {
            before: Side { rules: before, memory: Memory::default() },
            after: Side { rules: after, memory: Memory::default() },
            asked: 0,
            otherwise: 0,
            groups: HashMap::new(),
            more: 0,
        };
        let judged = traffic::watch(&arguments.captures, judged, Judged::take)?
            .ok_or_else(|| Failure::failed("the captures could not be read to their end"))?;
        same &= judged.otherwise == 0;
        if let Some(object) = object.as_object_mut() {
            object.insert("captures".to_owned(), judged.json());
        }
        judged.write(&mut text);
    }
    super::print(&if arguments.json { format!("{object:#}\n") } else { text })?;
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// The differences, table by table: `+` is new, `-` is gone, `~` is changed.
fn written(differences: &[Difference]) -> String {
    if differences.is_empty() {
        return "no difference in meaning\n".to_owned();
    }
    let mut out = String::new();
    let mut table = "";
    for Difference { table: own, name, place, how } in differences {
        // Writing to a String cannot fail.
        if table != *own {
            let _ = writeln!(out, "{own}:");
            table = own;
        }
        let name = if *own == "rules" { format!("'{name}'") } else { name.clone() };
        let place = place.as_ref().map_or(String::new(), |place| format!(" ({place})"));
        let none = |text: &Option<String>| text.clone().unwrap_or_else(|| "not given".to_owned());
        match how {
            How::Added => {
                let _ = writeln!(out, "  + {name}{place}");
            }
            How::Removed => {
                let _ = writeln!(out, "  - {name}{place}");
            }
            How::Changed(facts) => match facts.as_slice() {
                [only] if only.key.is_empty() => {
                    let _ = writeln!(out, "  ~ {name}: {} -> {}", none(&only.before), none(&only.after));
                }
                facts => {
                    let _ = writeln!(out, "  ~ {name}{place}");
                    for fact in facts {
                        let _ = writeln!(
                            out,
                            "      {}: {} -> {}",
                            fact.key,
                            none(&fact.before),
                            none(&fact.after)
                        );
                    }
                }
            },
        }
    }
    out
}

fn in_json(difference: &Difference) -> Value {
    let (how, facts) = match &difference.how {
        How::Added => ("added", &[][..]),
        How::Removed => ("removed", &[][..]),
        How::Changed(facts) => ("changed", facts.as_slice()),
    };
    let facts: Vec<Value> = facts
        .iter()
        .map(|fact| json!({ "key": fact.key, "before": fact.before, "after": fact.after }))
        .collect();
    json!({
        "table": difference.table, "name": difference.name, "place": difference.place, "how": how,
        "conditions": facts,
    })
}

/// One of the two rule sets.
struct Side {
    rules: RuleSet,
    memory: Memory,
}

impl Side {
    fn judge(&mut self, asked: Asked<'_>) -> (Class, Option<String>) {
        let verdict = asked.judge(&self.rules, &mut self.memory);
        let rule = match verdict {
            // The nearest rule is no rule that decides.
            Verdict::NotAllowed { .. } => None,
            _ => deciding(&self.rules, &verdict).map(|rule| rule.name.clone()),
        };
        (Class::from(&verdict), rule)
    }
}

/// A verdict by a rule.
type By = (Class, Option<String>);

/// Before, after, and what was judged.
type Key = (By, By, Words);

/// How many, the first packet and its file.
type First = (u64, u64, Option<String>);

/// What captures say of two rule sets.
struct Judged {
    before: Side,
    after: Side,
    asked: u64,
    otherwise: u64,
    groups: HashMap<Key, First>,
    more: u64,
}

impl Judged {
    fn take(&mut self, asked: Asked<'_>, file: Option<&str>) {
        self.asked += 1;
        let (before, after) = (self.before.judge(asked), self.after.judge(asked));
        if before.0 == after.0 {
            return;
        }
        self.otherwise += 1;
        let key = (before, after, asked.words(&self.after.rules));
        if self.groups.len() >= GROUPS && !self.groups.contains_key(&key) {
            self.more += 1;
            return;
        }
        let new = || (0, asked.frame(), file.map(str::to_owned));
        self.groups.entry(key).or_insert_with(new).0 += 1;
    }

    fn sorted(&self) -> Vec<(&Key, &First)> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by(|a, b| b.1.0.cmp(&a.1.0).then_with(|| a.0.cmp(b.0)));
        groups
    }

    fn write(&self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "\n{} of {} messages and conversations would be judged otherwise",
            self.otherwise, self.asked
        );
        if self.groups.is_empty() {
            return;
        }
        let by = |(class, rule): &By| match rule {
            Some(rule) => format!("{} by '{rule}'", class.said()),
            None => class.said().to_owned(),
        };
        let _ = writeln!(out, "    count  first frame");
        let groups = self.sorted();
        for ((before, after, words), (count, frame, file)) in groups.iter().take(SHOWN) {
            let file = file.as_ref().map_or(String::new(), |file| format!(" ({file})"));
            let _ = writeln!(out, "{count:>9} {frame:>12}  {words}{file}");
            let _ = writeln!(out, "{:24}{} -> {}", "", by(before), by(after));
        }
        let rest: u64 = groups.iter().skip(SHOWN).map(|(_, (count, _, _))| count).sum::<u64>() + self.more;
        if rest > 0 {
            let _ = writeln!(out, "{rest:>9}               others");
        }
    }

    fn json(&self) -> Value {
        let groups: Vec<Value> = self
            .sorted()
            .into_iter()
            .take(SHOWN)
            .map(|((before, after, words), (count, frame, file))| {
                json!({
                    "before": { "verdict": before.0.name(), "rule": before.1 },
                    "after": { "verdict": after.0.name(), "rule": after.1 },
                    "src": words.src, "dst": words.dst, "proto": words.protocol, "verb": words.verb,
                    "points": words.points, "count": count, "first_frame": frame, "file": file,
                })
            })
            .collect();
        json!({ "judged": self.asked, "otherwise": self.otherwise, "groups": groups })
    }
}
