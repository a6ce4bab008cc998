//! One word for the plant: all well, look, or act; and the reason in a sentence.

use super::health::{Trouble, Weight};
use crate::alert::Severity;

/// How the plant is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Nothing needs a person.
    Well,
    /// Something should be looked at.
    Look,
    /// Somebody has to act.
    Act,
}

impl Level {
    /// As people read it.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Well => "All well",
            Level::Look => "Look",
            Level::Act => "Act",
        }
    }

    /// As style sheets and the API have it.
    pub const fn class(self) -> &'static str {
        match self {
            Level::Well => "well",
            Level::Look => "look",
            Level::Act => "act",
        }
    }
}

/// Open alerts: those that are neither closed nor suppressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Open {
    /// Nobody has acknowledged them, by [`Severity::index`].
    pub new: [u64; Severity::ALL.len()],
    /// Somebody has, by [`Severity::index`].
    pub acknowledged: [u64; Severity::ALL.len()],
}

impl Open {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.new.iter().chain(&self.acknowledged).sum()
    }

    fn new_from(&self, severity: Severity) -> u64 {
        self.new.iter().skip(severity.index()).sum()
    }
}

/// The state of the plant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct State {
    /// The word.
    pub level: Level,
    /// The reason, as a sentence.
    pub why: String,
    /// What to do first, where there is anything.
    pub advice: Option<String>,
    /// Open alerts.
    pub open: u64,
}

/// The worst open alert, for the reason.
#[derive(Clone, Debug)]
pub struct Worst {
    /// Its sentence.
    pub summary: String,
    /// What to do.
    pub advice: Option<String>,
}

/// What the state is: high and critical alerts that nobody has acknowledged, and a sensor that does not see, need
/// somebody to act; other open alerts and troubles need somebody to look.
pub fn state(open: &Open, worst: Option<Worst>, troubles: &[Trouble], quiet: &str) -> State {
    let urgent = open.new_from(Severity::High);
    let blind = troubles.first().filter(|trouble| trouble.weight == Weight::Act);
    let level = match () {
        () if urgent > 0 || blind.is_some() => Level::Act,
        () if open.total() > 0 || !troubles.is_empty() => Level::Look,
        () => Level::Well,
    };
    let by_trouble = |trouble: &Trouble| (trouble.sentence.clone(), Some(trouble.advice.to_owned()));
    let (why, advice) = match (worst, blind.or(troubles.first())) {
        (Some(worst), trouble) if urgent > 0 || blind.is_none() => {
            let mut why = worst.summary;
            match open.total().saturating_sub(1) {
                0 => {}
                1 => why.push_str(" One more alert is open."),
                more => why.push_str(&format!(" {more} more alerts are open.")),
            }
            (why, worst.advice.or(trouble.map(|trouble| trouble.advice.to_owned())))
        }
        (_, Some(trouble)) => by_trouble(trouble),
        (_, None) => (quiet.to_owned(), None),
    };
    State { level, why, advice, open: open.total() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(weight: Weight) -> Trouble {
        Trouble { weight, sentence: "Nothing is heard.".into(), advice: "Check the cable." }
    }

    #[test]
    fn a_person_is_called_when_there_is_something_to_do() {
        let quiet = state(&Open::default(), None, &[], "Nothing needs you.");
        assert_eq!((quiet.level, quiet.why.as_str()), (Level::Well, "Nothing needs you."));
        let worst = Some(Worst { summary: "A wrote B.".into(), advice: None });
        let high = Open { new: [0, 0, 1, 0], acknowledged: [1, 0, 0, 0] };
        let act = state(&high, worst.clone(), &[], "");
        assert_eq!(
            (act.level, act.why.as_str(), act.open),
            (Level::Act, "A wrote B. One more alert is open.", 2)
        );
        let known = Open { new: [0; 4], acknowledged: [0, 0, 1, 0] };
        assert_eq!(state(&known, worst.clone(), &[], "").level, Level::Look);
        let blind = state(&known, worst, &[trouble(Weight::Act)], "");
        assert_eq!((blind.level, blind.why.as_str()), (Level::Act, "Nothing is heard."));
        assert_eq!(state(&Open::default(), None, &[trouble(Weight::Look)], "").level, Level::Look);
    }
}
