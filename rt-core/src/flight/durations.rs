//! A distribution that one thread writes and others read at any time: fixed memory, no lock.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::cycle::Quantiles;

/// Steps between two powers of two, as a power of two.
const STEP_BITS: u32 = 5;
/// Steps between two powers of two: about 3 %.
const STEPS: u32 = 1 << STEP_BITS;
/// One row of steps below 2^5, then one for each further power of two below 2^32.
const BINS: usize = 32 * 28;

/// Durations in ns, counted in steps of about 3 %. One writer.
#[derive(Debug)]
pub struct Durations {
    bins: Box<[AtomicU64]>,
    max_ns: AtomicU32,
}

impl Default for Durations {
    fn default() -> Self {
        Self { bins: (0..BINS).map(|_| AtomicU64::new(0)).collect(), max_ns: AtomicU32::new(0) }
    }
}

impl Durations {
    /// One more. By the one thread that writes: a load and a store, no locked instruction.
    pub fn record(&self, ns: u32) {
        if let Some(bin) = self.bins.get(bin(ns)) {
            bin.store(bin.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
        }
        if ns > self.max_ns.load(Ordering::Relaxed) {
            self.max_ns.store(ns, Ordering::Relaxed);
        }
    }

    /// How many were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.bins.iter().fold(0, |sum, bin| sum.saturating_add(bin.load(Ordering::Relaxed)))
    }

    /// What reports show; `max` is exact. While the writer goes on it is that of some moment of the call.
    #[must_use]
    pub fn quantiles(&self) -> Quantiles {
        let count = self.count();
        let max = u64::from(self.max_ns.load(Ordering::Relaxed));
        let at = |permille| self.at_most(permille, count).min(max);
        Quantiles { p50: at(500), p99: at(990), p999: at(999), max }
    }

    fn at_most(&self, permille: u64, count: u64) -> u64 {
        let rank = u128::from(count) * u128::from(permille);
        let rank = rank.div_ceil(1000).max(1);
        let mut seen = 0_u128;
        for (number, bin) in (0_u32..).zip(&self.bins) {
            seen += u128::from(bin.load(Ordering::Relaxed));
            if seen >= rank {
                return upper_end(number);
            }
        }
        u64::MAX
    }
}

/// Where a value is counted.
fn bin(ns: u32) -> usize {
    let highest = 31_u32.saturating_sub(ns.leading_zeros());
    let bin = if highest < STEP_BITS {
        ns
    } else {
        let shift = highest - STEP_BITS;
        (shift + 1) * STEPS + ((ns >> shift) & (STEPS - 1))
    };
    usize::try_from(bin).unwrap_or(usize::MAX)
}

/// Largest value of a bin.
fn upper_end(bin: u32) -> u64 {
    let (row, step) = (bin / STEPS, u64::from(bin % STEPS));
    match row {
        0 => step,
        _ => ((step + u64::from(STEPS) + 1) << (row - 1)) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_bin_and_lies_between_its_ends() {
        for ns in (0..70_000).chain([1 << 20, (1 << 30) + 7, u32::MAX - 1, u32::MAX]) {
            let number = u32::try_from(bin(ns)).unwrap();
            assert!(bin(ns) < BINS, "{ns}");
            assert!(u64::from(ns) <= upper_end(number), "{ns}");
            assert!(number == 0 || u64::from(ns) > upper_end(number - 1), "{ns}");
        }
    }

    proptest::proptest! {
        #[test]
        fn quantiles_are_those_of_the_sorted_list_to_three_percent(
            mut list in proptest::collection::vec(0_u32..2_000_000_000, 1..400),
        ) {
            let durations = Durations::default();
            list.iter().for_each(|ns| durations.record(*ns));
            list.sort_unstable();
            let found = durations.quantiles();
            proptest::prop_assert_eq!(durations.count(), u64::try_from(list.len()).unwrap());
            for (permille, found) in [(500, found.p50), (990, found.p99), (999, found.p999)] {
                let rank = (list.len() * permille).div_ceil(1000).max(1);
                let exact = u64::from(list[rank - 1]);
                proptest::prop_assert!(found >= exact && found <= exact + exact / 31 + 1);
            }
            proptest::prop_assert_eq!(found.max, u64::from(list[list.len() - 1]));
        }
    }
}
