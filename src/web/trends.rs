//! Traffic and response times of the recent past, a bounded number of steps per protocol: what the small charts show.

use crate::address::Timestamp;
use std::collections::BTreeMap;
use std::collections::VecDeque;

/// Steps that are kept.
const STEPS: usize = 360;

/// What happened in one step of time.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Step {
    /// Messages.
    pub messages: u64,
    /// Answers whose time is known.
    pub answers: u64,
    /// The sum of their times, in seconds.
    pub seconds: f64,
}

impl Step {
    /// Mean time from request to response, in seconds.
    pub fn response(&self) -> Option<f64> {
        (self.answers > 0).then(|| self.seconds / self.answers as f64)
    }

    fn add(&mut self, more: &Step) {
        self.messages += more.messages;
        self.answers += more.answers;
        self.seconds += more.seconds;
    }
}

/// The steps of one protocol; the key of the first is `first`.
#[derive(Clone, Debug, Default)]
struct Series {
    steps: VecDeque<Step>,
}

/// Recent steps by protocol. All series begin and end at the same time.
#[derive(Clone, Debug)]
pub struct Trends {
    /// Nanoseconds of one step.
    step: i64,
    /// Whether steps get longer so that all of the time fits, rather than the oldest being forgotten.
    whole: bool,
    /// Number of the first step kept, since 1970.
    first: i64,
    /// Steps kept.
    len: usize,
    series: BTreeMap<&'static str, Series>,
}

impl Trends {
    /// The last hour, in steps of ten seconds.
    pub fn recent() -> Trends {
        Trends { step: 10_000_000_000, whole: false, first: 0, len: 0, series: BTreeMap::new() }
    }

    /// All there is, in steps that grow as it gets longer, of one second at first.
    pub fn whole() -> Trends {
        Trends { step: 1_000_000_000, whole: true, ..Trends::recent() }
    }

    /// Nanoseconds of one step.
    pub fn step(&self) -> i64 {
        self.step
    }

    /// From when to when it goes; `None` where there is nothing.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let at = |number: i64| Timestamp::from_nanos(number.saturating_mul(self.step));
        (self.len > 0).then(|| (at(self.first), at(self.first + self.len as i64)))
    }

    /// The protocols, by name.
    pub fn protocols(&self) -> impl Iterator<Item = &'static str> {
        self.series.keys().copied()
    }

    /// The steps of one protocol, the oldest first.
    pub fn of(&self, protocol: &str) -> impl Iterator<Item = &Step> {
        self.series.get(protocol).into_iter().flat_map(|series| &series.steps)
    }

    /// Adds what happened at a time. What is older than all that is kept is left out.
    pub fn add(&mut self, at: Timestamp, protocol: &'static str, more: Step) {
        let Some(place) = self.place(at) else { return };
        let len = self.len;
        let series = self.series.entry(protocol).or_default();
        series.steps.resize(len, Step::default());
        if let Some(step) = series.steps.get_mut(place) {
            step.add(&more);
        }
    }

    /// Lets time pass without anything: the charts move on.
    pub fn tick(&mut self, now: Timestamp) {
        self.place(now);
    }

    /// The place of a time among the steps, which move on or grow to hold it.
    fn place(&mut self, at: Timestamp) -> Option<usize> {
        let mut number = at.nanos.div_euclid(self.step);
        if self.len == 0 {
            (self.first, self.len) = (number, 1);
            self.even();
        }
        let most = STEPS as i64;
        while self.whole && (number - self.first >= most || self.first + self.len as i64 - number > most) {
            self.coarsen();
            number = at.nanos.div_euclid(self.step);
        }
        if number < self.first {
            if !self.whole {
                return None;
            }
            let more = usize::try_from(self.first - number).ok()?;
            for series in self.series.values_mut() {
                (0..more).for_each(|_| series.steps.push_front(Step::default()));
            }
            (self.first, self.len) = (number, self.len + more);
        }
        let ahead = number - self.first - (self.len as i64 - 1);
        if ahead >= most {
            // Nothing of what is kept is recent any more.
            (self.first, self.len) = (number - most + 1, STEPS);
            self.series.values_mut().for_each(|series| series.steps.clear());
            self.even();
        } else if ahead > 0 {
            self.len += usize::try_from(ahead).ok()?;
            self.even();
            while self.len > STEPS {
                self.series.values_mut().for_each(|series| _ = series.steps.pop_front());
                (self.first, self.len) = (self.first + 1, self.len - 1);
            }
        }
        usize::try_from(number - self.first).ok()
    }

    /// Makes all series as long as they should be.
    fn even(&mut self) {
        let len = self.len;
        self.series.values_mut().for_each(|series| series.steps.resize(len, Step::default()));
    }

    /// Puts two steps together.
    fn coarsen(&mut self) {
        let odd = self.first.rem_euclid(2);
        let begin = self.first.div_euclid(2);
        let len = (self.len + usize::from(odd == 1)).div_ceil(2);
        for series in self.series.values_mut() {
            let mut steps = VecDeque::with_capacity(len);
            steps.resize(len, Step::default());
            for (at, step) in series.steps.iter().enumerate() {
                if let Some(into) = steps.get_mut((at + odd as usize) / 2) {
                    into.add(step);
                }
            }
            series.steps = steps;
        }
        (self.step, self.first, self.len) = (self.step.saturating_mul(2), begin, len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    fn one() -> Step {
        Step { messages: 1, ..Step::default() }
    }

    #[test]
    fn the_last_hour_is_kept() {
        let mut trends = Trends::recent();
        (0..10_000).for_each(|second| trends.add(at(second), "modbus", one()));
        let counts: Vec<u64> = trends.of("modbus").map(|step| step.messages).collect();
        assert_eq!(counts, vec![10; 360]);
        trends.add(at(1), "modbus", one());
        trends.tick(at(10_000_000));
        assert_eq!(trends.of("modbus").map(|step| step.messages).sum::<u64>(), 0);
        assert_eq!(trends.of("modbus").count(), 360);
    }

    #[test]
    fn a_whole_capture_fits_whatever_its_length_and_order() {
        let mut trends = Trends::whole();
        let times = [5_000, 1, 100_000, 7, 99, 250_000, 250_001, 3];
        times.iter().for_each(|second| trends.add(at(*second), "dnp3", one()));
        trends.add(at(40), "modbus", one());
        assert_eq!(trends.of("dnp3").map(|step| step.messages).sum::<u64>(), 8);
        assert!(trends.of("dnp3").count() <= STEPS);
        assert_eq!(trends.of("dnp3").count(), trends.of("modbus").count());
        let (from, to) = trends.span().unwrap();
        assert!(from <= at(1) && to > at(250_001), "{from:?} {to:?}");
    }
}
