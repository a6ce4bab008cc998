//! What is not wrong in a rule but can hardly be meant.

use super::check::Checker;
use super::document::meant;
use super::names::Side;
use super::rule::{Rule, RuleKind, Verbs};
use super::rule_reader::{Protocols, RuleReader};
use crate::event::Verb;

/// What a rule's own sentence can have filled in.
const PLACEHOLDERS: [&str; 5] = ["{src}", "{dst}", "{value}", "{point}", "{rule}"];

impl RuleReader<'_, '_> {
    /// What is not wrong but can hardly be meant.
    pub(super) fn warn(
        &self,
        rule: &Rule,
        sides: [(&str, Side); 2],
        protocols: &Protocols,
        checker: &mut Checker<'_>,
    ) {
        let document = self.document;
        let name = &rule.name;
        for (key, side) in sides {
            if side.empty {
                let message = format!("rule '{name}' can never match: '{key}' holds no address");
                checker.problems.push(document.warning(self.key_span(key), message).label("nobody"));
            }
        }
        if rule.is_unlimited() {
            let message = match rule.kind {
                RuleKind::Allow => format!("rule '{name}' allows everything to everyone"),
                RuleKind::Deny => format!("rule '{name}' objects to every message"),
                RuleKind::Expect => format!("rule '{name}' expects any message of anyone"),
            };
            let problem = document.warning(self.header(), message).label("no condition at all");
            checker.problems.push(problem.help("say who may do what with 'from', 'to' and 'may'"));
        }
        let any_of = |verbs: &[Verb]| verbs.iter().any(|verb| rule.verbs.has(*verb));
        let names_points = [
            Verb::Read,
            Verb::Write,
            Verb::Select,
            Verb::Operate,
            Verb::Configure,
            Verb::Report,
            Verb::Other,
        ];
        if rule.points.is_some() && !any_of(&names_points) {
            let message = format!("'points' has no effect in rule '{name}': what it names has no points");
            checker.problems.push(document.warning(self.key_span("points"), message));
        }
        let carries_values = [
            Verb::Write,
            Verb::Select,
            Verb::Operate,
            Verb::Configure,
            Verb::Report,
            Verb::Other,
            Verb::Time,
        ];
        if rule.values.is_some() && !any_of(&carries_values) {
            let message = format!("'values' has no effect in rule '{name}': what it names carries no values");
            checker.problems.push(document.warning(self.key_span("values"), message));
        }
        self.warn_of_placeholders(rule, checker);
        let Some(words) = protocols.one.filter(|_| rule.verbs != Verbs::ANY) else { return };
        let codes = rule.functions.iter().flatten().filter_map(|code| words.function(*code));
        for code in codes.filter(|code| !rule.verbs.has(code.verb)) {
            let message = format!(
                "function '{}' is of the verb '{}', which 'may' does not list: both must hold",
                code.name,
                code.verb.name()
            );
            checker.problems.push(document.warning(self.key_span("functions"), message));
        }
    }

    /// A placeholder that is none would stand in every alert as it is.
    fn warn_of_placeholders(&self, rule: &Rule, checker: &mut Checker<'_>) {
        for (key, text) in [("summary", &rule.summary), ("advice", &rule.advice)] {
            let parts = text.iter().flat_map(|text| text.split('{').skip(1));
            let words = parts.filter_map(|part| part.split_once('}')).map(|(word, _)| format!("{{{word}}}"));
            for word in words.filter(|word| !PLACEHOLDERS.contains(&word.as_str())) {
                let near = meant(&word, &PLACEHOLDERS);
                let message =
                    format!("nothing is filled in for '{word}' in the {key} of rule '{}'{near}", rule.name);
                let problem = self.document.warning(self.key_span(key), message);
                checker.problems.push(problem.help(format!("filled in are: {}", PLACEHOLDERS.join(", "))));
            }
        }
    }
}
