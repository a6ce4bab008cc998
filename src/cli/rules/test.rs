//! `wayside rules test`: the test cases of rule files, and what the rules say of captures.

use super::super::{Failure, Outcome};
use super::explain::{of_message, place};
use super::said;
use super::traffic::{self, Asked, Points, Words};
use crate::policy::explain::Class;
use crate::policy::test_case::{TestCase, deciding};
use crate::policy::{Memory, RuleKind, RuleSet, Verdict};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Groups of messages that are shown.
const SHOWN: usize = 20;
/// Groups of messages that are kept apart; those that come later count together.
const GROUPS: usize = 100_000;

/// Arguments of `wayside rules test`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Rule file or folder of rule files.
    #[arg(required = true, value_name = "RULES")]
    path: PathBuf,
    /// Captures, or folders of them, to judge by the rules.
    #[arg(value_name = "CAPTURE")]
    captures: Vec<PathBuf>,
    /// A further rule file or folder; may be given several times.
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Tests.
///
/// # Errors
/// Wrong rules, captures that cannot be read.
pub fn run(arguments: &Arguments) -> Outcome {
    let mut paths = vec![arguments.path.clone()];
    paths.extend(arguments.rules.iter().cloned());
    let rules = super::load(&paths)?;
    let results: Vec<Tested<'_>> =
        rules.tests().iter().filter_map(|case| Tested::run(case, &rules)).collect();
    let failed = results.iter().filter(|result| !result.met).count();
    let mut text = cases(&results, failed, arguments.captures.is_empty());
    let mut object = json!({
        "tests": results.len(),
        "failed": results.iter().filter(|result| !result.met).map(Tested::json).collect::<Vec<_>>(),
    });
    let code = if failed > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS };
    if !arguments.captures.is_empty() {
        drop(results);
        let seen = traffic::watch(&arguments.captures, Seen::new(rules), Seen::take)?
            .ok_or_else(|| Failure::failed("the captures could not be read to their end"))?;
        if let Some(object) = object.as_object_mut() {
            object.insert("captures".to_owned(), seen.json());
        }
        seen.write(&mut text);
    }
    super::print(&if arguments.json { format!("{object:#}\n") } else { text })?;
    Ok(code)
}

/// A test case and how it went.
struct Tested<'r> {
    case: &'r TestCase,
    actual: Class,
    decided: Option<String>,
    met: bool,
    explained: String,
}

impl<'r> Tested<'r> {
    fn run(case: &'r TestCase, rules: &RuleSet) -> Option<Tested<'r>> {
        let (message, mut memory) = case.last(rules)?;
        let mut explained = String::new();
        let verdict = of_message(rules, message, &mut memory, false, &mut explained);
        Some(Tested {
            case,
            actual: Class::from(&verdict),
            decided: deciding(rules, &verdict).map(|rule| rule.name.clone()),
            met: case.is_met(rules, &verdict),
            explained,
        })
    }

    fn json(&self) -> Value {
        let sentences: Vec<&str> = self.case.messages.iter().map(|(sentence, _)| sentence.as_str()).collect();
        json!({
            "name": self.case.name,
            "file": &*self.case.file,
            "line": self.case.line,
            "messages": sentences,
            "expected": self.case.expect.name(),
            "expected_rule": self.case.rule,
            "actual": self.actual.name(),
            "actual_rule": self.decided,
            "explanation": self.explained,
        })
    }
}

fn cases(results: &[Tested<'_>], failed: usize, alone: bool) -> String {
    let mut out = String::new();
    for result in results.iter().filter(|result| !result.met) {
        let case = result.case;
        let by = |class: Class, rule: &Option<String>| match (class, rule) {
            (Class::NotAllowed, Some(rule)) => format!("not allowed, '{rule}' nearest"),
            (class, Some(rule)) => format!("{} by '{rule}'", class.said()),
            (class, None) => class.said().to_owned(),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "FAILED {}:{} {}", case.file, case.line, case.title());
        if case.name.is_some() || case.messages.len() > 1 {
            for (sentence, _) in &case.messages {
                let _ = writeln!(out, "  {sentence}");
            }
        }
        let decided = result.decided.clone().filter(|_| case.rule.is_some());
        let _ = writeln!(out, "  expected: {}", by(case.expect, &case.rule));
        let _ = writeln!(out, "  actual:   {}", by(result.actual, &decided));
        for line in result.explained.lines() {
            let _ = writeln!(out, "{}", format!("    {line}").trim_end());
        }
        out.push('\n');
    }
    match (results.len(), failed) {
        (0, _) if alone => out.push_str("the rules have no test cases: write some as [[test]]\n"),
        (0, _) => {}
        (all, 0) => {
            let _ = writeln!(out, "{} passed", said(all, "test case"));
        }
        (all, failed) => {
            let _ = writeln!(out, "{failed} of {} failed", said(all, "test case"));
        }
    }
    out
}

/// What the rules say of captures.
struct Seen {
    rules: RuleSet,
    memory: Memory,
    /// By [`Class`].
    totals: [u64; 4],
    /// Messages that each rule decided.
    decided: Vec<u64>,
    by_default: u64,
    /// Messages that no rule allows, by who, what and the kinds of point.
    groups: HashMap<Words, Group>,
    more: u64,
}

/// Messages that are alike.
struct Group {
    count: u64,
    /// The first packet, and its file where there are several.
    frame: u64,
    file: Option<String>,
    points: Points,
}

impl Group {
    /// What they are, with all their points.
    fn words(&self, key: &Words) -> Words {
        let points = self.points.to_string();
        if points.is_empty() { key.clone() } else { Words { points, ..key.clone() } }
    }
}

impl Seen {
    fn new(rules: RuleSet) -> Seen {
        Seen {
            memory: Memory::default(),
            totals: [0; 4],
            decided: vec![0; rules.rules().len()],
            by_default: 0,
            groups: HashMap::new(),
            more: 0,
            rules,
        }
    }

    fn take(&mut self, asked: Asked<'_>, file: Option<&str>) {
        let verdict = asked.judge(&self.rules, &mut self.memory);
        if let Some(total) = self.totals.get_mut(Class::from(&verdict) as usize) {
            *total += 1;
        }
        match verdict {
            Verdict::Allowed { rule: Some(rule) } | Verdict::Denied { rule } => {
                if let Some(count) = self.decided.get_mut(rule.0 as usize) {
                    *count += 1;
                }
            }
            Verdict::Allowed { rule: None } => self.by_default += 1,
            Verdict::NotAllowed { .. } => {
                let mut words = asked.words(&self.rules);
                if let Asked::Message(_) = asked {
                    let mut points = Points::default();
                    points.gather(asked);
                    words.points = points.spaces();
                }
                if self.groups.len() >= GROUPS && !self.groups.contains_key(&words) {
                    self.more += 1;
                    return;
                }
                let group = self.groups.entry(words).or_insert_with(|| Group {
                    count: 0,
                    frame: asked.frame(),
                    file: file.map(str::to_owned),
                    points: Points::default(),
                });
                group.count += 1;
                group.points.gather(asked);
            }
            Verdict::NotJudged => {}
        }
    }

    /// Most first.
    fn sorted(&self) -> Vec<(&Words, &Group)> {
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.0.cmp(b.0)));
        groups
    }

    /// The rules that judge, with how many messages each decided.
    fn counted(&self) -> impl Iterator<Item = (&crate::policy::Rule, u64)> {
        let all = self.rules.rules().iter().zip(self.decided.iter().copied());
        all.filter(|(rule, _)| rule.kind != RuleKind::Expect)
    }

    fn write(&self, out: &mut String) {
        if !out.is_empty() {
            out.push('\n');
        }
        let [allowed, denied, not_allowed, not_judged] = self.totals;
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "{allowed} allowed, {denied} denied, {not_allowed} not allowed, {not_judged} not judged (answers, malformed)"
        );
        let _ = writeln!(out, "\n  allowed    denied  rule");
        for (rule, count) in self.counted().filter(|(_, count)| *count > 0) {
            let (allowed, denied) = if rule.kind == RuleKind::Deny { (0, count) } else { (count, 0) };
            let _ = writeln!(out, "{allowed:>9} {denied:>9}  {}", place(rule));
        }
        if self.by_default > 0 {
            let _ = writeln!(out, "{:>9} {:>9}  (by default)", self.by_default, 0);
        }
        let unused: Vec<String> =
            self.counted().filter(|(_, count)| *count == 0).map(|(rule, _)| place(rule)).collect();
        if !unused.is_empty() {
            let _ = writeln!(out, "\nRules that decided nothing:");
            for rule in unused {
                let _ = writeln!(out, "  {rule}");
            }
        }
        let groups = self.sorted();
        if groups.is_empty() {
            return;
        }
        let _ = writeln!(out, "\nNot allowed:\n    count  first frame");
        for (words, group) in groups.iter().take(SHOWN) {
            let Group { count, frame, file, .. } = group;
            let words = group.words(words);
            let file = file.as_ref().map_or(String::new(), |file| format!(" ({file})"));
            let _ = writeln!(out, "{count:>9} {frame:>12}  {words}{file}");
        }
        let rest: u64 = groups.iter().skip(SHOWN).map(|(_, group)| group.count).sum::<u64>() + self.more;
        if rest > 0 {
            let _ = writeln!(out, "{rest:>9}               others");
        }
    }

    fn json(&self) -> Value {
        let totals: HashMap<&str, u64> = Class::ALL.into_iter().map(Class::name).zip(self.totals).collect();
        let rules: Vec<Value> = self
            .counted()
            .map(|(rule, count)| {
                json!({
                    "rule": rule.name, "kind": rule.kind.name(), "file": &*rule.file, "line": rule.line,
                    "count": count,
                })
            })
            .collect();
        let groups: Vec<Value> = self
            .sorted()
            .into_iter()
            .take(SHOWN)
            .map(|(words, group)| {
                let Group { count, frame, file, .. } = group;
                let words = group.words(words);
                json!({
                    "src": words.src, "dst": words.dst, "proto": words.protocol, "verb": words.verb,
                    "points": words.points, "count": count, "first_frame": frame, "file": file,
                })
            })
            .collect();
        json!({ "verdicts": totals, "by_default": self.by_default, "rules": rules, "not_allowed": groups })
    }
}
