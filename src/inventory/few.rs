//! A small set without a heap: the smallest few of all that were put in, and whether there were more.

/// At most `N` different things, sorted. Which ones are kept does not depend on the order in which they came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Few<T, const N: usize> {
    kept: [Option<T>; N],
    more: bool,
}

impl<T: Copy + Ord, const N: usize> Default for Few<T, N> {
    fn default() -> Self {
        Few { kept: [None; N], more: false }
    }
}

impl<T: Copy + Ord, const N: usize> Few<T, N> {
    /// Puts one in.
    pub fn insert(&mut self, mut new: T) {
        for place in &mut self.kept {
            match place {
                Some(old) if *old == new => return,
                Some(old) if *old > new => std::mem::swap(old, &mut new),
                Some(_) => {}
                None => return *place = Some(new),
            }
        }
        self.more = true;
    }

    /// Puts in all of another.
    pub fn join<const M: usize>(&mut self, other: &Few<T, M>) {
        other.iter().for_each(|new| self.insert(new));
        self.more |= other.more;
    }

    /// What is kept, in order.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.kept.iter().flatten().copied()
    }

    /// The smallest.
    pub fn first(&self) -> Option<T> {
        self.iter().next()
    }

    /// Whether there were more than can be kept.
    pub fn has_more(&self) -> bool {
        self.more
    }

    /// The same of what was kept elsewhere, with whether there were more.
    pub(super) fn restored(kept: impl IntoIterator<Item = T>, more: bool) -> Few<T, N> {
        let mut few = Few::default();
        kept.into_iter().for_each(|new| few.insert(new));
        few.more |= more;
        few
    }

    /// The only one.
    pub fn only(&self) -> Option<T> {
        let mut all = self.iter();
        all.next().filter(|_| all.next().is_none() && !self.more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn order_does_not_matter(all in prop::collection::vec(0u8..9, 0..12), cut in 0usize..12) {
            let mut whole = Few::<u8, 3>::default();
            all.iter().for_each(|new| whole.insert(*new));
            let (left, right) = all.split_at(cut.min(all.len()));
            let [mut a, mut b] = [Few::<u8, 3>::default(); 2];
            left.iter().for_each(|new| a.insert(*new));
            right.iter().for_each(|new| b.insert(*new));
            b.join(&a);
            prop_assert_eq!(b, whole);
            let sorted: std::collections::BTreeSet<u8> = all.iter().copied().collect();
            prop_assert_eq!(whole.iter().collect::<Vec<_>>(), sorted.iter().copied().take(3).collect::<Vec<_>>());
            prop_assert_eq!(whole.has_more(), sorted.len() > 3);
        }
    }
}
