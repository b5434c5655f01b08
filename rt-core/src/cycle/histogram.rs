//! Durations in bins of 1 µs; recording is an increment.

use alloc::boxed::Box;

/// Bins of 1 µs; what is longer counts in the last place.
const BINS: usize = 8192;

/// Durations of many cycles.
#[derive(Clone, Debug)]
pub struct Histogram {
    bins: Box<[u64]>,
    above: u64,
    count: u64,
    max_ns: u64,
}

/// Upper edges of the bins in which quantiles lie, ns; `max` is exact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// Half were no longer.
    pub p50: u64,
    /// 99 % were no longer.
    pub p99: u64,
    /// 99.9 % were no longer.
    pub p999: u64,
    /// The longest.
    pub max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// Empty. Allocates.
    #[must_use]
    pub fn new() -> Self {
        Self { bins: alloc::vec![0; BINS].into_boxed_slice(), above: 0, count: 0, max_ns: 0 }
    }

    /// One more duration.
    pub fn record(&mut self, ns: u64) {
        let bin = usize::try_from(ns / 1000).ok().and_then(|bin| self.bins.get_mut(bin));
        let slot = bin.unwrap_or(&mut self.above);
        *slot = slot.saturating_add(1);
        self.count = self.count.saturating_add(1);
        self.max_ns = self.max_ns.max(ns);
    }

    /// How many were recorded.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Bins of 1 µs from 0.
    #[must_use]
    pub fn bins(&self) -> &[u64] {
        &self.bins
    }

    /// How many were longer than the bins reach.
    #[must_use]
    pub fn above(&self) -> u64 {
        self.above
    }

    /// The quantiles that reports show.
    #[must_use]
    pub fn quantiles(&self) -> Quantiles {
        Quantiles {
            p50: self.at_most(500),
            p99: self.at_most(990),
            p999: self.at_most(999),
            max: self.max_ns,
        }
    }

    /// The duration that `permille` ‰ did not exceed: the upper edge of its bin, or the maximum if that is less.
    #[must_use]
    pub fn at_most(&self, permille: u16) -> u64 {
        let rank = (u128::from(self.count) * u128::from(permille)).div_ceil(1000).max(1);
        let mut seen = 0_u128;
        for (bin, edge) in self.bins.iter().zip(1_u64..) {
            seen += u128::from(*bin);
            if seen >= rank {
                return edge.saturating_mul(1000).saturating_sub(1).min(self.max_ns);
            }
        }
        self.max_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_recorded_is_nothing_reported() {
        assert_eq!(Histogram::new().quantiles(), Quantiles::default());
    }

    proptest::proptest! {
        #[test]
        fn quantiles_are_those_of_the_sorted_list_to_one_bin(
            mut list in proptest::collection::vec(0_u64..12_000_000, 1..400),
        ) {
            let mut histogram = Histogram::new();
            for ns in &list {
                histogram.record(*ns);
            }
            list.sort_unstable();
            let last = list[list.len() - 1];
            proptest::prop_assert_eq!(histogram.quantiles().max, last);
            for permille in [500_u16, 990, 999] {
                let rank = (list.len() * usize::from(permille)).div_ceil(1000).max(1);
                let (exact, found) = (list[rank - 1], histogram.at_most(permille));
                if exact < 8_192_000 {
                    proptest::prop_assert!(found >= exact && found < exact + 1000);
                } else {
                    proptest::prop_assert_eq!(found, last, "beyond the bins only the maximum is known");
                }
            }
        }
    }
}
