//! Counts of the drive ↔ [`Nano`] of the axis, exactly, in integers.
//!
//! The drive counts in 32 bits and wraps. Here counts are 64 bits, unwrapped, and never rebased: however far an endless axis
//! runs, nothing is lost by adding up. Positions are `counts ÷ counts_per_unit + origin`.

use crate::plan::Ratio;
use twin_lite::{Nano, taped};

const NANO: i64 = 1_000_000_000;

/// Counts a unit, as a fraction, and where zero is.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    numerator: i64,
    /// denominator × 10⁹.
    denominator: i64,
    /// Position of count 0, nano-units: it goes beyond `Nano` on an endless axis that runs for months.
    origin: i128,
}

taped!(Scale { origin; numerator, denominator });

impl Scale {
    /// `ratio` as checked by `config`; what is not above 0 is taken as 1, what is too large for a fraction is cut.
    #[must_use]
    pub fn new(ratio: Ratio) -> Self {
        Self {
            numerator: ratio.numerator.max(1),
            denominator: ratio.denominator.max(1).saturating_mul(NANO),
            origin: 0,
        }
    }

    /// Where count 0 is.
    #[must_use]
    pub fn origin(&self) -> i128 {
        self.origin
    }

    /// Count 0 is at `origin` from now on.
    pub fn set_origin(&mut self, origin: i128) {
        self.origin = origin;
    }

    /// Position of `counts`, nano-units, rounded to nearest, ties away from zero.
    #[must_use]
    pub fn position(&self, counts: i64) -> i128 {
        self.length(counts) + self.origin
    }

    /// Length of `counts`, nano-units, rounded to nearest, ties away from zero.
    #[must_use]
    pub fn length(&self, counts: i64) -> i128 {
        divide(i128::from(counts), self.denominator, self.numerator)
    }

    /// The counts nearest to `position`.
    #[must_use]
    pub fn counts(&self, position: Nano) -> i128 {
        divide(i128::from(position.0) - self.origin, self.numerator, self.denominator)
    }
}

/// value × factor ÷ divisor, rounded to nearest, ties away from zero. In 64 bits where that is enough: i128 division is slow.
fn divide(value: i128, factor: i64, divisor: i64) -> i128 {
    let half = divisor / 2;
    if let Ok(short) = i64::try_from(value)
        && let Some(product) = short.checked_mul(factor)
        && let Some(rounded) = product.checked_add(if product < 0 { -half } else { half })
    {
        return i128::from(rounded / divisor);
    }
    let product = value.saturating_mul(i128::from(factor));
    let half = i128::from(half);
    product.saturating_add(if product < 0 { -half } else { half }) / i128::from(divisor)
}

/// The low 32 bits: what the drive's own counter shows.
#[must_use]
pub fn wire(counts: i128) -> i32 {
    let [a, b, c, d, ..] = counts.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// A signal's value as the drive's 32-bit count.
#[must_use]
pub fn raw(value: i64) -> i32 {
    wire(i128::from(value))
}

/// A signal's value as the 16-bit word it came from, signed or not.
#[must_use]
pub fn low_word(value: i64) -> u16 {
    let [a, b, ..] = value.to_le_bytes();
    u16::from_le_bytes([a, b])
}

/// Follows a 32-bit counter over its wraps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwrapped {
    last: i32,
    total: i64,
}

taped!(Unwrapped { last, total });

impl Unwrapped {
    /// The first value seen.
    #[must_use]
    pub fn new(first: i32) -> Self {
        Self { last: first, total: i64::from(first) }
    }

    /// Takes the next value: at most 2³¹ − 1 counts from the last.
    pub fn update(&mut self, next: i32) -> i64 {
        self.total = self.near(next);
        self.last = next;
        self.total
    }

    /// `other`, a value of the same counter not far from now (a latched position), unwrapped.
    #[must_use]
    pub fn near(&self, other: i32) -> i64 {
        self.total.saturating_add(i64::from(other.wrapping_sub(self.last)))
    }

    /// Counts since the counter was 0, over all wraps.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scale(numerator: i64, denominator: i64) -> Scale {
        Scale::new(Ratio { numerator, denominator })
    }

    #[test]
    fn a_counter_that_wraps_goes_on() {
        let mut counter = Unwrapped::new(i32::MAX - 1);
        assert_eq!(counter.update(i32::MIN + 2), i64::from(i32::MAX) + 3);
        assert_eq!(counter.update(i32::MAX), i64::from(i32::MAX));
        let mut endless = Unwrapped::new(0);
        let mut expected = 0_i64;
        for _ in 0..10_000 {
            expected += 1_000_000_007;
            assert_eq!(endless.update(raw(expected)), expected);
        }
        assert_eq!(wire(i128::from(endless.total())), raw(expected));
    }

    #[test]
    fn thirds_do_not_drift() {
        // 10 000 counts are 3 mm: a turn is no whole number of nano-units, a million turns are.
        let scale = scale(10_000, 3);
        assert_eq!(scale.length(1), 300_000);
        assert_eq!(scale.length(10_000_000_000), 3_000_000_i128 * 1_000_000_000);
    }

    #[test]
    fn months_of_conveyor_do_not_overflow() {
        // 1 count a µm; 2⁶² counts are 4.6 million km.
        let scale = scale(1000, 1);
        assert_eq!(scale.length(1 << 62), (1_i128 << 62) * 1_000_000);
    }

    proptest! {
        #[test]
        fn a_count_survives_the_way_to_nano_and_back(
            counts in -(1_i64 << 52)..(1_i64 << 52),
            numerator in 1_i64..100_000_000,
            denominator in 1_i64..1000,
            offset in -1_000_000_000_000_i64..1_000_000_000_000,
        ) {
            // A nano-unit is finer than a count.
            prop_assume!(numerator / denominator < NANO / 2);
            let mut scale = scale(numerator, denominator);
            scale.set_origin(i128::from(offset) - scale.length(counts));
            let position = Nano(i64::try_from(scale.position(counts)).expect("near the offset"));
            prop_assert_eq!(position, Nano(offset));
            prop_assert_eq!(scale.counts(position), i128::from(counts));
        }

        #[test]
        fn both_ways_of_dividing_agree(value in any::<i64>(), factor in 1_i64.., divisor in 1_i64..) {
            let short = divide(i128::from(value), factor, divisor);
            let product = i128::from(value) * i128::from(factor);
            let doubled = 2 * product;
            let divisor = i128::from(divisor);
            // |2·product − 2·short·divisor| ≤ divisor: nearest.
            prop_assert!((doubled - 2 * short * divisor).abs() <= divisor);
        }
    }
}
