//! A histogram of durations with fixed memory: 32 steps to each power of two (about 3 %), exact extremes.

/// Steps between two powers of two, as a power of two.
const STEP_BITS: u32 = 5;
/// Steps between two powers of two.
const STEPS: usize = 1 << STEP_BITS;
/// One row of steps below 2^5, then one for each further power of two of a `u64`.
const BUCKETS: usize = STEPS * 60;

/// Durations in ns, counted.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Box<[u64]>,
    total: u64,
    max: u64,
    min: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS].into_boxed_slice(), total: 0, max: 0, min: u64::MAX }
    }
}

impl Histogram {
    /// Counts one duration.
    pub fn add(&mut self, value: u64) {
        if let Some(count) = self.counts.get_mut(bucket(value)) {
            *count = count.saturating_add(1);
        }
        self.total = self.total.saturating_add(1);
        self.max = self.max.max(value);
        self.min = self.min.min(value);
    }

    /// How many durations were counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The longest, exactly; `None` when nothing was counted.
    #[must_use]
    pub fn max(&self) -> Option<u64> {
        (self.total > 0).then_some(self.max)
    }

    /// The smallest duration that at least `permille` ‰ of all do not exceed, to about 3 %; never above the maximum.
    #[must_use]
    pub fn quantile(&self, permille: u64) -> Option<u64> {
        if self.total == 0 {
            return None;
        }
        let rank = self.total.saturating_mul(permille).div_ceil(1000).max(1);
        let mut seen = 0_u64;
        for (index, count) in self.counts.iter().enumerate() {
            seen = seen.saturating_add(*count);
            if seen >= rank {
                return Some(upper_end(index).clamp(self.min, self.max));
            }
        }
        Some(self.max)
    }

    /// Counts between powers of two, from the first that is not empty to the last: `(lower end, count)`.
    #[must_use]
    pub fn octaves(&self) -> Vec<(u64, u64)> {
        let rows: Vec<(u64, u64)> = self
            .counts
            .chunks(STEPS)
            .enumerate()
            .map(|(row, counts)| (lower_end(row * STEPS), counts.iter().sum()))
            .collect();
        let first = rows.iter().position(|(_, count)| *count > 0);
        let last = rows.iter().rposition(|(_, count)| *count > 0);
        match (first, last) {
            (Some(first), Some(last)) => rows.get(first..=last).unwrap_or_default().to_vec(),
            (None, _) | (_, None) => Vec::new(),
        }
    }
}

/// Where a value is counted.
fn bucket(value: u64) -> usize {
    let highest = 63_u32.saturating_sub(value.leading_zeros());
    if highest < STEP_BITS {
        return usize::try_from(value).unwrap_or(0);
    }
    let shift = highest - STEP_BITS;
    let step = usize::try_from(value >> shift).unwrap_or(0) & (STEPS - 1);
    usize::try_from(shift + 1).unwrap_or(0) * STEPS + step
}

/// Smallest value of a bucket.
fn lower_end(index: usize) -> u64 {
    let (row, step) = (index / STEPS, index % STEPS);
    let step = u64::try_from(step).unwrap_or(0);
    match row {
        0 => step,
        _ => (step + (1 << STEP_BITS)) << (row - 1),
    }
}

/// Largest value of a bucket.
fn upper_end(index: usize) -> u64 {
    match index + 1 {
        BUCKETS => u64::MAX,
        next => lower_end(next) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_between_the_ends_of_its_bucket() {
        for value in (0..5000).chain([1 << 20, (1 << 40) + 12345, u64::MAX - 1, u64::MAX]) {
            let index = bucket(value);
            assert!(index < BUCKETS, "{value}");
            assert!(lower_end(index) <= value && value <= upper_end(index), "{value}");
        }
    }

    #[test]
    fn quantiles_of_a_known_distribution_are_right_to_three_percent() {
        let mut histogram = Histogram::default();
        (1..=10_000).for_each(|value| histogram.add(value * 100));
        for (permille, exact) in [(500, 500_000), (990, 990_000), (999, 999_000)] {
            let found = histogram.quantile(permille).unwrap();
            assert!(found >= exact && found <= exact + exact / 31, "{permille}: {found}");
        }
        assert_eq!(histogram.quantile(1000), Some(1_000_000));
        assert_eq!(histogram.max(), Some(1_000_000));
    }

    #[test]
    fn an_empty_histogram_has_no_quantile() {
        assert_eq!(Histogram::default().quantile(500), None);
        assert_eq!(Histogram::default().max(), None);
        assert!(Histogram::default().octaves().is_empty());
    }

    #[test]
    fn octaves_hold_every_count() {
        let mut histogram = Histogram::default();
        [3, 40, 70, 1_000_000].into_iter().for_each(|value| histogram.add(value));
        let octaves = histogram.octaves();
        assert_eq!(octaves.iter().map(|(_, count)| count).sum::<u64>(), 4);
        assert_eq!(octaves.first().map(|(_, count)| *count), Some(1));
        assert_eq!(octaves.last().map(|(_, count)| *count), Some(1));
    }
}
