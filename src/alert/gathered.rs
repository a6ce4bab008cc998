//! What the messages of one group have in common and what they add up to, in bounded memory.

use super::{AlertPoints, Kept};
use crate::event::{PointRange, Vocabulary};

/// Runs of points that are kept.
const RUNS: usize = 64;
/// Values that are kept.
const VALUES: usize = 64;
/// Frame numbers that are kept.
const FRAMES: usize = 100;
/// Functions that are kept.
const FUNCTIONS: usize = 32;

/// The points, values, functions and frames of a group.
#[derive(Default, Debug)]
pub(super) struct Gathered {
    /// Sorted by space and index, apart from each other.
    pub points: Vec<PointRange>,
    /// Runs that found no room.
    pub more_points: u64,
    pub values: Vec<Kept>,
    pub functions: Vec<u16>,
    pub frames: Vec<u64>,
}

impl Gathered {
    /// Adds a run of points: joined with those that it touches.
    pub(super) fn add_points(&mut self, mut run: PointRange) {
        run.last = run.last.max(run.first);
        let touches = |have: &PointRange| {
            have.space == run.space
                && have.first <= run.last.saturating_add(1)
                && run.first <= have.last.saturating_add(1)
        };
        let start = self
            .points
            .partition_point(|have| (have.space, have.last.saturating_add(1)) < (run.space, run.first));
        let count = self.points.iter().skip(start).take_while(|have| touches(have)).count();
        if count == 0 && self.points.len() >= RUNS {
            self.more_points = self.more_points.saturating_add(1);
            return;
        }
        let joined = self.points.get(start..start + count).unwrap_or_default();
        if let (Some(first), Some(last)) = (joined.first(), joined.last()) {
            let variant = if first.variant == run.variant { run.variant } else { 0 };
            let (low, high) = (run.first.min(first.first), run.last.max(last.last));
            run = PointRange { first: low, last: high, variant, ..*first };
        }
        self.points.splice(start..start + count, [run]);
    }

    pub(super) fn add_values(&mut self, values: impl Iterator<Item = Kept>) {
        let room = VALUES - self.values.len().min(VALUES);
        for value in values.take(room) {
            if !self.values.contains(&value) || self.frames.is_empty() {
                self.values.push(value);
            }
        }
    }

    pub(super) fn add_function(&mut self, code: Option<u16>) {
        let room = self.functions.len() < FUNCTIONS;
        self.functions.extend(code.filter(|code| room && !self.functions.contains(code)));
    }

    pub(super) fn add_frame(&mut self, frame: u64) {
        if frame > 0 && self.frames.len() < FRAMES && self.frames.last() != Some(&frame) {
            self.frames.push(frame);
        }
    }

    /// How many points it names; saturating.
    pub(super) fn total_points(&self) -> u64 {
        self.points.iter().map(|run| u64::from(run.count())).sum()
    }

    pub(super) fn alert_points(&self, words: &'static Vocabulary) -> Vec<AlertPoints> {
        let run = |run: &PointRange| AlertPoints {
            space: words.space_name(run.space).to_string(),
            range: (!run.is_all()).then_some((run.first, run.last)),
        };
        self.points.iter().map(run).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Space, Verb};

    fn run(first: u32, last: u32) -> PointRange {
        PointRange { space: Space(3), variant: 0, first, last, verb: Verb::Read, valued: false }
    }

    fn ends(gathered: &Gathered) -> Vec<(u32, u32)> {
        gathered.points.iter().map(|run| (run.first, run.last)).collect()
    }

    #[test]
    fn runs_that_touch_are_joined() {
        let mut gathered = Gathered::default();
        for run in [run(10, 19), run(40, 49), run(0, 5), run(u32::MAX, u32::MAX)] {
            gathered.add_points(run);
        }
        assert_eq!(ends(&gathered), [(0, 5), (10, 19), (40, 49), (u32::MAX, u32::MAX)]);
        gathered.add_points(run(6, 9));
        assert_eq!(ends(&gathered), [(0, 19), (40, 49), (u32::MAX, u32::MAX)]);
        gathered.add_points(run(15, 60));
        assert_eq!(ends(&gathered), [(0, 60), (u32::MAX, u32::MAX)]);
        gathered.add_points(PointRange { space: Space(1), ..run(0, 0) });
        assert_eq!(ends(&gathered), [(0, 0), (0, 60), (u32::MAX, u32::MAX)]);
        gathered.add_points(run(0, u32::MAX));
        assert_eq!(ends(&gathered), [(0, 0), (0, u32::MAX)]);
    }

    #[test]
    fn memory_is_bounded() {
        let mut gathered = Gathered::default();
        for at in 0..1000u32 {
            gathered.add_points(run(at * 2, at * 2));
            gathered.add_values([Kept::Int(i64::from(at))].into_iter());
            gathered.add_function(Some(at as u16));
            gathered.add_frame(u64::from(at) + 1);
        }
        assert_eq!((gathered.points.len(), gathered.more_points), (64, 936));
        assert_eq!((gathered.values.len(), gathered.functions.len(), gathered.frames.len()), (64, 32, 100));
        gathered.add_points(run(0, 3000));
        assert_eq!(ends(&gathered), [(0, 3000)]);
    }
}
