//! Open alerts by the addresses that they are about: what lists and the map of devices show beside each.

use super::site::Site;
use crate::address::Address;
use crate::alert::Severity;
use crate::store::{PairCount, StoreError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Open alerts of a device, or between two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Open {
    /// The worst of them.
    pub worst: Severity,
    /// How many.
    pub count: u64,
}

impl Open {
    /// Both together.
    pub fn with(self, other: Open) -> Open {
        Open { worst: self.worst.max(other.worst), count: self.count.saturating_add(other.count) }
    }
}

/// What is open, by address and by pair of addresses.
#[derive(Clone, Debug, Default)]
pub struct OpenAlerts {
    by_host: HashMap<Address, Open>,
    by_pair: HashMap<(Address, Address), Open>,
}

/// What was open when somebody last asked.
#[derive(Debug, Default)]
pub(super) struct Asked(Mutex<Option<(u64, Arc<OpenAlerts>)>>);

/// The same whoever of the two comes first.
fn pair(a: Address, b: Address) -> (Address, Address) {
    if a <= b { (a, b) } else { (b, a) }
}

impl OpenAlerts {
    /// What is open in the store of a site; read again where something has changed there. It blocks.
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub fn of_site(site: &Site) -> Result<Arc<OpenAlerts>, StoreError> {
        let news = *site.store.news().borrow();
        let known = site.open_alerts.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, open)) = known.filter(|(number, _)| *number == news) {
            return Ok(open);
        }
        let open = Arc::new(OpenAlerts::new(&site.store.read(|reader| reader.open_by_pair())?));
        *site.open_alerts.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((news, open.clone()));
        Ok(open)
    }

    /// From what the store counts. What is no address is left out.
    pub fn new(counts: &[PairCount]) -> OpenAlerts {
        let mut all = OpenAlerts::default();
        for PairCount { src, dst, open, worst } in counts {
            let (Ok(src), Ok(dst)) = (src.parse::<Address>(), dst.parse::<Address>()) else { continue };
            let more = Open { worst: *worst, count: *open };
            let add = |known: &mut Open| *known = known.with(more);
            all.by_host.entry(src).and_modify(add).or_insert(more);
            if src != dst {
                all.by_host.entry(dst).and_modify(add).or_insert(more);
                all.by_pair.entry(pair(src, dst)).and_modify(add).or_insert(more);
            }
        }
        all
    }

    /// Those of a device.
    pub fn of(&self, address: Address) -> Option<Open> {
        self.by_host.get(&address).copied()
    }

    /// Those between two, in either direction.
    pub fn between(&self, a: Address, b: Address) -> Option<Open> {
        self.by_pair.get(&pair(a, b)).copied()
    }

    /// All pairs with open alerts.
    pub fn pairs(&self) -> impl Iterator<Item = ((Address, Address), Open)> {
        self.by_pair.iter().map(|(pair, open)| (*pair, *open))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_count_for_a_pair_and_each_end_once() {
        let count =
            |src: &str, dst: &str, open, worst| PairCount { src: src.into(), dst: dst.into(), open, worst };
        let all = OpenAlerts::new(&[
            count("10.0.0.1", "10.0.0.2", 2, Severity::Low),
            count("10.0.0.2", "10.0.0.1", 1, Severity::High),
            count("10.0.0.2", "10.0.0.2", 4, Severity::Medium),
            count("<script>", "10.0.0.2", 4, Severity::Critical),
        ]);
        let [a, b] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse::<Address>().unwrap());
        assert_eq!(all.between(b, a), Some(Open { worst: Severity::High, count: 3 }));
        assert_eq!(all.of(a), Some(Open { worst: Severity::High, count: 3 }));
        assert_eq!(all.of(b), Some(Open { worst: Severity::High, count: 7 }));
    }
}
