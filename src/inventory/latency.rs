//! Response times, counted in steps of a fixed width on a logarithmic scale.

/// Steps: two for each doubling from [`LOWEST`] on.
const STEPS: usize = 40;
/// The upper end of the first step as a power of two, in nanoseconds: 16.384 us.
const LOWEST: u32 = 14;

/// Response times of one conversation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Latency {
    steps: [u32; STEPS],
    count: u64,
    sum: u128,
    least: u64,
    most: u64,
}

impl Default for Latency {
    fn default() -> Latency {
        Latency { steps: [0; STEPS], count: 0, sum: 0, least: u64::MAX, most: 0 }
    }
}

/// The step of a time; each has an upper end of 1 or 1.5 times a power of two.
fn step(nanos: u64) -> usize {
    if nanos >> LOWEST == 0 {
        return 0;
    }
    let log = nanos.ilog2();
    let half = nanos >> (log - 1) & 1;
    ((log - LOWEST) as usize * 2 + half as usize + 1).min(STEPS - 1)
}

/// The upper end of a step, in nanoseconds.
fn end(step: usize) -> u64 {
    let base = 1u64 << (LOWEST as usize + step / 2);
    if step % 2 == 1 { base + base / 2 } else { base }
}

impl Latency {
    /// Counts one, in nanoseconds.
    pub fn see(&mut self, nanos: u64) {
        if let Some(count) = self.steps.get_mut(step(nanos)) {
            *count = count.saturating_add(1);
        }
        self.count += 1;
        self.sum += u128::from(nanos);
        self.least = self.least.min(nanos);
        self.most = self.most.max(nanos);
    }

    /// Adds another's.
    pub fn join(&mut self, other: &Latency) {
        self.steps.iter_mut().zip(other.steps).for_each(|(own, other)| *own = own.saturating_add(other));
        self.count += other.count;
        self.sum += other.sum;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }

    /// All that is known, to keep it elsewhere: the steps up to the last that is not 0, the sum, the least and the most.
    pub(super) fn parts(&self) -> (&[u32], u64, u64, u64) {
        let used = self.steps.iter().rposition(|count| *count > 0).map_or(0, |last| last + 1);
        let sum = u64::try_from(self.sum).unwrap_or(u64::MAX);
        (self.steps.get(..used).unwrap_or_default(), sum, self.least, self.most)
    }

    /// What [`Latency::parts`] said. Steps that there is no room for are left out.
    pub(super) fn restored(steps: &[u32], sum: u64, least: u64, most: u64) -> Latency {
        let mut own = Latency { sum: sum.into(), least, most, ..Latency::default() };
        own.steps.iter_mut().zip(steps).for_each(|(own, count)| *own = *count);
        own.count = own.steps.iter().map(|count| u64::from(*count)).sum();
        own
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their mean, in nanoseconds.
    pub fn mean(&self) -> Option<u64> {
        self.sum.checked_div(u128::from(self.count)).and_then(|mean| u64::try_from(mean).ok())
    }

    /// The longest, in nanoseconds.
    pub fn longest(&self) -> Option<u64> {
        (self.count > 0).then_some(self.most)
    }

    /// A time that so many in a hundred do not exceed, in nanoseconds: at most half again as long as the true one.
    pub fn percentile(&self, percent: u64) -> Option<u64> {
        let all: u64 = self.steps.iter().map(|count| u64::from(*count)).sum();
        let rank = (all * percent).div_ceil(100).max(1);
        let mut below = 0;
        let at = self.steps.iter().position(|count| {
            below += u64::from(*count);
            below >= rank
        })?;
        let last = at == STEPS - 1;
        Some(if last { self.most } else { end(at).clamp(self.least, self.most) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn none_says_nothing() {
        let none = Latency::default();
        assert_eq!((none.mean(), none.percentile(50), none.longest()), (None, None, None));
    }

    proptest! {
        #[test]
        fn percentiles_are_close_and_joining_is_counting(
            mut all in prop::collection::vec(20_000u64..8_000_000_000, 1..60),
            cut in 0usize..60,
        ) {
            let mut whole = Latency::default();
            all.iter().for_each(|nanos| whole.see(*nanos));
            let (left, right) = all.split_at(cut.min(all.len()));
            let [mut a, mut b] = [Latency::default(), Latency::default()];
            left.iter().for_each(|nanos| a.see(*nanos));
            right.iter().for_each(|nanos| b.see(*nanos));
            b.join(&a);
            prop_assert_eq!(&b, &whole);
            prop_assert_eq!(whole.count(), all.len() as u64);
            all.sort_unstable();
            for percent in [50, 95] {
                let rank = (all.len() * percent).div_ceil(100).max(1);
                let told = whole.percentile(percent as u64).unwrap();
                let real = all[rank - 1];
                prop_assert!(told >= real && told <= real * 3 / 2 + 1, "{percent}: {told} for {real}");
            }
        }
    }
}
