//! Arithmetic that gives the same bits on every machine.
//!
//! `core` has no `f64::sqrt`, and libm calls choose their variant by CPU; the square root here is correctly rounded by
//! construction: an estimate, then an exact correction in integers.

const FRACTION_BITS: u32 = 52;
const FRACTION: u64 = (1 << FRACTION_BITS) - 1;
const HIDDEN: u64 = 1 << FRACTION_BITS;
const BIAS: u64 = 1023;
/// 2¹⁰⁸ and 2⁻⁵⁴: bring a subnormal into the normal range and its root back, both exact.
const SUBNORMAL_UP: f64 = 324_518_553_658_426_726_783_156_020_576_256.0;
const SUBNORMAL_DOWN: f64 = 1.0 / 18_014_398_509_481_984.0;

/// Square root, correctly rounded as IEEE 754 asks. NaN for NaN and for anything below 0; −0 and +∞ come back as they are.
#[must_use]
pub fn sqrt(value: f64) -> f64 {
    if value == 0.0 || value == f64::INFINITY {
        return value;
    }
    if value.is_nan() || value < 0.0 {
        return f64::NAN;
    }
    if value < f64::MIN_POSITIVE {
        return normal(value * SUBNORMAL_UP) * SUBNORMAL_DOWN;
    }
    normal(value)
}

/// Root of a positive, normal number.
fn normal(value: f64) -> f64 {
    let bits = value.to_bits();
    let biased = bits >> FRACTION_BITS;
    let odd = (biased + 1) & 1;
    // value = mantissa · 2⁻⁵² · 2^(even exponent), mantissa in 2⁵² .. 2⁵⁴.
    let mantissa = ((bits & FRACTION) | HIDDEN) << odd;
    let half_exponent = (biased + BIAS - odd) / 2;
    let reduced = f64::from_bits((bits & FRACTION) | ((BIAS + odd) << FRACTION_BITS));
    let square = u128::from(mantissa) << FRACTION_BITS;
    let mut root = u128::from(estimate(reduced));
    // The estimate is within a few units of the last place; the bound is a named maximum, not a hope.
    for _ in 0..8 {
        if root * root > square {
            root -= 1;
        } else if (root + 1) * (root + 1) <= square {
            root += 1;
        } else {
            break;
        }
    }
    if square - root * root > root {
        root += 1;
    }
    // root is in 2⁵² .. 2⁵³: it always fits.
    let fraction = u64::try_from(root).unwrap_or(HIDDEN) & FRACTION;
    f64::from_bits(fraction | (half_exponent << FRACTION_BITS))
}

/// ⌊√reduced · 2⁵²⌋ within a few units, for `reduced` in 1 .. 4.
fn estimate(reduced: f64) -> u64 {
    // First guess of 1/√x by its bits, then Newton's iteration: each step doubles the digits (3 %, 0.2 %, 5e-6, 4e-11, 2e-16).
    let mut inverse = f64::from_bits(0x5FE6_EB50_C7B5_37A9 - (reduced.to_bits() >> 1));
    for _ in 0..4 {
        inverse *= 1.5 - 0.5 * reduced * inverse * inverse;
    }
    let bits = (reduced * inverse).to_bits();
    if bits >> FRACTION_BITS < BIAS {
        HIDDEN
    } else if bits >> FRACTION_BITS > BIAS {
        2 * HIDDEN - 1
    } else {
        (bits & FRACTION) | HIDDEN
    }
}

/// An integer as `f64`, rounded to nearest: exact up to 2⁵³.
#[must_use]
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "the one named conversion of integers: rounded to nearest"
)]
pub const fn from_i64(value: i64) -> f64 {
    value as f64
}

/// Nanoseconds as seconds.
#[must_use]
#[expect(
    clippy::as_conversions,
    clippy::cast_precision_loss,
    reason = "the one named conversion of times: rounded to nearest"
)]
pub const fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 * 1e-9
}

/// Seconds as nanoseconds, rounded up; negative and NaN become 0, too large saturates.
#[must_use]
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the one named conversion back to times: float to int saturates, NaN is 0"
)]
pub const fn nanoseconds_up(seconds: f64) -> u64 {
    (seconds * 1e9 + 1.0) as u64
}

/// The nearest whole number of `value`, ties up; below 0 and NaN are 0, above the end is the end.
#[must_use]
#[expect(
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float to integer saturates"
)]
pub fn nearest(value: f64) -> u32 {
    (value + 0.5) as u32
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    /// A small generator of our own: the test is the same everywhere.
    fn next(state: &mut u64) -> u64 {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    }

    #[test]
    fn the_root_has_the_bits_that_ieee_754_asks_for() {
        let mut state = 0x9E37_79B9_7F4A_7C15;
        for _ in 0..2_000_000 {
            let value = f64::from_bits(next(&mut state) & 0x7FFF_FFFF_FFFF_FFFF);
            if value.is_nan() {
                continue;
            }
            assert_eq!(sqrt(value).to_bits(), value.sqrt().to_bits(), "{value:e}");
        }
    }

    #[test]
    fn squares_neighbours_and_subnormals_are_exact_too() {
        for n in 0_u32..100_000 {
            let square = f64::from(n) * f64::from(n);
            assert_eq!(sqrt(square), f64::from(n));
            for value in [
                f64::from_bits(square.to_bits() + 1),
                f64::from_bits(square.to_bits().saturating_sub(1)),
                f64::from_bits(u64::from(n)),
                1.0 / (f64::from(n) + 1.0),
            ] {
                assert_eq!(sqrt(value).to_bits(), value.sqrt().to_bits(), "{value:e}");
            }
        }
        for value in [f64::MAX, f64::MIN_POSITIVE, 1.0, 4.0, 3.999_999_999_999_999_6] {
            assert_eq!(sqrt(value).to_bits(), value.sqrt().to_bits(), "{value:e}");
        }
    }

    #[test]
    fn what_has_no_root_is_not_a_number() {
        assert!(sqrt(-1.0).is_nan());
        assert!(sqrt(f64::NAN).is_nan());
        assert!(sqrt(f64::NEG_INFINITY).is_nan());
        assert_eq!(sqrt(f64::INFINITY), f64::INFINITY);
        assert_eq!(sqrt(-0.0).to_bits(), (-0.0_f64).to_bits());
    }

    #[test]
    fn times_round_up_and_never_wrap() {
        assert_eq!(nanoseconds_up(1e-9), 2);
        assert_eq!(nanoseconds_up(-5.0), 0);
        assert_eq!(nanoseconds_up(f64::NAN), 0);
        assert_eq!(nanoseconds_up(1e300), u64::MAX);
        assert_eq!(seconds(1_500_000_000), 1.5);
    }

    #[test]
    fn nearest_saturates() {
        for (value, whole) in [(0.49, 0), (0.5, 1), (2.4, 2), (-3.0, 0), (f64::NAN, 0)] {
            assert_eq!(nearest(value), whole);
        }
        assert_eq!(nearest(1e20), u32::MAX);
    }
}
