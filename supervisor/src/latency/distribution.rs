//! Wake-up latencies in bins of 1 µs, as our loop and cyclictest both count them.

use rt_core::cycle::Histogram;
use serde::Serialize;

/// Bins that are kept, 1 µs each; cyclictest is asked for as many.
pub const BINS: usize = 8192;
/// Width of a bin, ns.
const BIN_NS: u64 = 1_000;

/// How often each latency came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    bins: Vec<u64>,
    /// Longer than the bins reach.
    above: u64,
    max_ns: u64,
}

/// What people read of a distribution, ns. Quantiles are interpolated within their bin of 1 µs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    /// Median.
    pub p50: u64,
    /// 99 %.
    pub p99: u64,
    /// 99.9 %.
    pub p999: u64,
    /// The longest; of cyclictest to 1 µs.
    pub max: u64,
    /// How many wake-ups.
    pub count: u64,
}

impl From<&Histogram> for Distribution {
    fn from(of: &Histogram) -> Self {
        Self { bins: of.bins().to_vec(), above: of.above(), max_ns: of.quantiles().max }
    }
}

impl Distribution {
    /// From counts of whole microseconds, of what lies above, and the longest, ns.
    #[must_use]
    pub fn new(bins: Vec<u64>, above: u64, max_ns: u64) -> Self {
        Self { bins, above, max_ns }
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        if self.bins.len() < other.bins.len() {
            self.bins.resize(other.bins.len(), 0);
        }
        for (mine, theirs) in self.bins.iter_mut().zip(&other.bins) {
            *mine = mine.saturating_add(*theirs);
        }
        self.above = self.above.saturating_add(other.above);
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// How many wake-ups.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.bins.iter().fold(self.above, |sum, bin| sum.saturating_add(*bin))
    }

    /// Counts by whole microsecond.
    #[must_use]
    pub fn bins(&self) -> &[u64] {
        &self.bins
    }

    /// Longer than the bins reach.
    #[must_use]
    pub fn above(&self) -> u64 {
        self.above
    }

    /// The latency that `permille` ‰ did not exceed, ns: interpolated within its bin, never above the maximum. 0 when empty.
    #[must_use]
    pub fn quantile(&self, permille: u32) -> u64 {
        let rank = u128::from(self.count()) * u128::from(permille);
        let mut seen = 0_u128;
        for (bin, start) in self.bins.iter().zip((0_u64..).step_by(1_000)) {
            let here = u128::from(*bin) * 1_000;
            if here > 0 && seen + here >= rank {
                let within = (rank - seen) * u128::from(BIN_NS) / here;
                let found = start.saturating_add(u64::try_from(within).unwrap_or(BIN_NS));
                return found.min(self.max_ns.max(start));
            }
            seen += here;
        }
        self.max_ns
    }

    /// What people read.
    #[must_use]
    pub fn quantiles(&self) -> Quantiles {
        Quantiles {
            p50: self.quantile(500),
            p99: self.quantile(990),
            p999: self.quantile(999),
            max: self.max_ns,
            count: self.count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uniform(from_us: usize, to_us: usize) -> Distribution {
        let mut bins = vec![0; BINS];
        bins[from_us..to_us].fill(10);
        Distribution::new(bins, 0, u64::try_from(to_us).unwrap() * 1_000 - 1)
    }

    #[test]
    fn quantiles_are_interpolated_within_a_bin() {
        // given wake-ups spread evenly over 10 to 20 µs
        let even = uniform(10, 20);
        // then the median is 15 µs, and not an edge of a bin off
        assert_eq!(even.quantile(500), 15_000);
        assert_eq!(even.quantile(990), 19_900);
        assert_eq!(even.quantiles().count, 100);
        let one_bin = uniform(10, 11);
        assert_eq!(one_bin.quantile(500), 10_500);
    }

    #[test]
    fn a_quantile_never_exceeds_the_longest_and_an_empty_one_is_zero() {
        let mut bins = vec![0; BINS];
        bins[30] = 1;
        assert_eq!(Distribution::new(bins, 0, 30_200).quantile(999), 30_200);
        assert_eq!(Distribution::default().quantile(500), 0);
        assert_eq!(Distribution::new(vec![0; BINS], 3, 12_000_000).quantile(500), 12_000_000);
    }

    #[test]
    fn what_is_added_is_all_there() {
        let mut sum = Distribution::default();
        sum.add(&uniform(0, 5));
        sum.add(&Distribution::new(vec![7], 2, 99_000_000));
        assert_eq!(sum.count(), 59);
        assert_eq!((sum.bins()[0], sum.above(), sum.quantiles().max), (17, 2, 99_000_000));
    }

    #[test]
    fn a_histogram_of_the_loop_keeps_every_wake_up() {
        let mut loops = Histogram::new();
        [1, 1_500, 2_000_000, 40_000_000].into_iter().for_each(|ns| loops.record(ns));
        let found = Distribution::from(&loops);
        assert_eq!((found.count(), found.above(), found.bins()[1]), (4, 1, 1));
        assert_eq!(found.quantiles().max, 40_000_000);
    }
}
