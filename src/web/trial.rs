//! Rules that are not in force, held against what was said in the last hour: what they would have said of it.

use super::site::Site;
use crate::alert::{Alert, Desk, Grouping};
use crate::event::Event;
use crate::inventory::Shape;
use crate::policy::{Memory, RuleSet, Verdict};
use std::sync::PoisonError;

/// How long ago counts, in nanoseconds.
const HOUR: i64 = 3_600_000_000_000;
/// Sentences of each list.
const MOST: usize = 200;

/// What other rules would have said of the last hour.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// Kinds of messages that were heard.
    pub kinds: u64,
    /// Messages of them, as far as they are remembered.
    pub messages: u64,
    /// Messages whose kind there was no room for, in all the time.
    pub left_out: u64,
    /// What is let pass now and would raise an alert, as sentences with the number of messages; the most first.
    pub would: Vec<(String, u64)>,
    /// What raises an alert now and would be let pass.
    pub would_not: Vec<(String, u64)>,
}

/// Holds rules against the last hour. It blocks.
pub fn trial(site: &Site, now: &RuleSet, then: &RuleSet) -> Trial {
    let since = site.now().nanos.saturating_sub(HOUR);
    let (shapes, left_out): (Vec<Shape>, u64) = {
        let inventory = site.inventory.lock().unwrap_or_else(PoisonError::into_inner);
        (inventory.shapes(since).cloned().collect(), inventory.shapes_left_out())
    };
    let mut trial = Trial { kinds: shapes.len() as u64, left_out, ..Trial::default() };
    for shape in &shapes {
        trial.messages += shape.count;
        shape.show(|event| {
            let [before, after] = [now, then].map(|rules| judged(rules, event));
            match (before, after) {
                (None, Some(sentence)) => trial.would.push((sentence, shape.count)),
                (Some(sentence), None) => trial.would_not.push((sentence, shape.count)),
                _ => {}
            }
        });
    }
    for list in [&mut trial.would, &mut trial.would_not] {
        list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        list.truncate(MOST);
    }
    trial
}

/// The sentence of the alert that a message would raise, where it would raise one. Each message is judged by itself:
/// rates and changes that a rule limits are not known of the past.
fn judged(rules: &RuleSet, event: &Event<'_>) -> Option<String> {
    let pair = rules.pair(event.flow, event.proto);
    let verdict = rules.judge(&pair, event, &mut Memory::default());
    if !matches!(verdict, Verdict::Denied { .. } | Verdict::NotAllowed { .. }) {
        return None;
    }
    let mut sentence = None;
    let mut desk = Desk::new(Grouping::None, "trial");
    desk.event(event, &verdict, rules, &mut |alert: Alert| sentence = Some(alert.summary));
    sentence
}
