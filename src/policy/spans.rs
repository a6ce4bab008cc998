//! Runs of points, searched by bisection: the rules without further conditions folded into one line of disjoint runs,
//! those with them in a balanced tree.

use super::rule::Rule;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A run of points and the rule that it comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Run {
    pub first: u32,
    pub last: u32,
    pub rule: u32,
}

impl Run {
    /// How far away a point is; 0 inside.
    pub(super) fn distance(&self, index: u32) -> u32 {
        if index < self.first { self.first - index } else { index.saturating_sub(self.last) }
    }
}

/// Runs that do not overlap, in order: where the given ones do, the first rule has the points.
#[derive(Default, Debug)]
pub(super) struct Line(Vec<Run>);

impl Line {
    pub(super) fn new(mut runs: Vec<Run>) -> Self {
        runs.sort_unstable_by_key(|run| run.first);
        let mut line: Vec<Run> = Vec::with_capacity(runs.len());
        let mut open: BinaryHeap<Reverse<(u32, u32)>> = BinaryHeap::new();
        let mut coming = runs.into_iter().peekable();
        let mut at = 0u32;
        loop {
            while open.peek().is_some_and(|Reverse((_, last))| *last < at) {
                open.pop();
            }
            if open.is_empty() {
                match coming.peek() {
                    Some(run) => at = at.max(run.first),
                    None => break,
                }
            }
            while let Some(run) = coming.next_if(|run| run.first <= at) {
                open.push(Reverse((run.rule, run.last)));
            }
            while open.peek().is_some_and(|Reverse((_, last))| *last < at) {
                open.pop();
            }
            let Some(&Reverse((rule, last))) = open.peek() else { continue };
            let next = coming.peek().map_or(u32::MAX, |run| run.first - 1);
            let end = last.min(next);
            match line.last_mut() {
                Some(before) if before.rule == rule && before.last.checked_add(1) == Some(at) => {
                    before.last = end;
                }
                _ => line.push(Run { first: at, last: end, rule }),
            }
            match end.checked_add(1) {
                Some(next) => at = next,
                None => break,
            }
        }
        Line(line)
    }

    /// The run that holds a point.
    pub(super) fn at(&self, index: u32) -> Option<&Run> {
        let at = self.0.partition_point(|run| run.last < index);
        self.0.get(at).filter(|run| run.first <= index)
    }

    /// Every run that shares a point with these.
    pub(super) fn overlapping(&self, first: u32, last: u32) -> impl Iterator<Item = &Run> {
        let at = self.0.partition_point(|run| run.last < first);
        self.0.get(at..).unwrap_or_default().iter().take_while(move |run| run.first <= last)
    }

    /// The runs before and after a point.
    pub(super) fn neighbours(&self, index: u32) -> impl Iterator<Item = &Run> {
        let at = self.0.partition_point(|run| run.last < index);
        at.checked_sub(1).into_iter().chain([at]).filter_map(|at| self.0.get(at))
    }
}

/// Runs that may overlap: a balanced search tree laid out in a sorted vector.
#[derive(Default, Debug)]
pub(super) struct Tree {
    runs: Vec<Run>,
    /// For the run in the middle of each subtree, the greatest `last` of the subtree.
    reach: Vec<u32>,
}

impl Tree {
    pub(super) fn new(mut runs: Vec<Run>) -> Self {
        runs.sort_unstable_by_key(|run| (run.first, run.rule));
        let mut tree = Tree { reach: vec![0; runs.len()], runs };
        tree.measure(0, tree.runs.len());
        tree
    }

    fn measure(&mut self, from: usize, to: usize) -> u32 {
        if from >= to {
            return 0;
        }
        let middle = from.midpoint(to);
        let reach = self.runs[middle].last.max(self.measure(from, middle)).max(self.measure(middle + 1, to));
        self.reach[middle] = reach;
        reach
    }

    /// Shows every run that shares a point with these, in order.
    pub(super) fn overlapping(&self, first: u32, last: u32, visit: &mut impl FnMut(&Run)) {
        self.walk(0, self.runs.len(), first, last, visit);
    }

    fn walk(&self, from: usize, to: usize, first: u32, last: u32, visit: &mut impl FnMut(&Run)) {
        let middle = from.midpoint(to);
        let (Some(run), Some(reach)) = (self.runs.get(middle), self.reach.get(middle)) else { return };
        if from >= to || *reach < first {
            return;
        }
        self.walk(from, middle, first, last, visit);
        if run.first <= last {
            if run.last >= first {
                visit(run);
            }
            self.walk(middle + 1, to, first, last, visit);
        }
    }

    /// The runs that start just before and after a point.
    pub(super) fn neighbours(&self, index: u32) -> impl Iterator<Item = &Run> {
        let at = self.runs.partition_point(|run| run.first <= index);
        at.checked_sub(1).into_iter().chain([at]).filter_map(|at| self.runs.get(at))
    }
}

/// The runs of one space, of the rules that agree on everything else.
#[derive(Default, Debug)]
pub(super) struct Bucket {
    /// Of rules without further conditions.
    pub free: Line,
    /// Of rules with them.
    pub bounded: Tree,
}

impl Bucket {
    pub(super) fn new(runs: Vec<Run>, rules: &[Rule]) -> Self {
        let conditional = |run: &Run| rules.get(run.rule as usize).is_some_and(Rule::is_conditional);
        let (bounded, free) = runs.into_iter().partition(conditional);
        Bucket { free: Line::new(free), bounded: Tree::new(bounded) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn runs() -> impl Strategy<Value = Vec<Run>> {
        let index = prop_oneof![0u32..60, Just(u32::MAX)];
        proptest::collection::vec((0u32..60, index), 0..20).prop_map(|ends| {
            let run = |(rule, (a, b)): (usize, (u32, u32))| Run {
                first: a.min(b),
                last: a.max(b),
                rule: rule as u32,
            };
            ends.into_iter().enumerate().map(run).collect()
        })
    }

    proptest! {
        #[test]
        fn a_line_gives_every_point_to_its_first_rule(runs in runs(), index in 0u32..64) {
            let want = runs.iter().filter(|r| r.distance(index) == 0).map(|r| r.rule).min();
            let line = Line::new(runs);
            prop_assert_eq!(line.at(index).map(|run| run.rule), want);
            prop_assert!(line.0.windows(2).all(|two| two[0].last < two[1].first));
        }

        #[test]
        fn a_tree_finds_what_overlaps(runs in runs(), a in 0u32..64, b in 0u32..64) {
            let (first, last) = (a.min(b), a.max(b));
            let mut want: Vec<u32> =
                runs.iter().filter(|r| r.first <= last && r.last >= first).map(|r| r.rule).collect();
            let mut found = Vec::new();
            Tree::new(runs).overlapping(first, last, &mut |run| found.push(run.rule));
            found.sort_unstable();
            want.sort_unstable();
            prop_assert_eq!(found, want);
        }
    }
}
