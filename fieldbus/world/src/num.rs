//! Numbers: the seeded generator, and the few named conversions between integers and floating
//! point.
//!
//! Everything here gives the same bits on every x86-64: `+ − × ÷ sqrt` only, no fused
//! multiply-add, no libm.

/// 2 π.
pub(crate) const TAU: f64 = core::f64::consts::TAU;

/// Step of the world, ns. The segment calls with steps of this length.
pub const TICK_NS: u64 = 125_000;

/// The same in s.
pub(crate) const TICK_S: f64 = 125e-6;

/// xoshiro256**, seeded through splitmix64. Source: Blackman and Vigna, "Scrambled linear
/// pseudorandom number generators".
#[derive(Clone, Debug)]
pub(crate) struct Rng {
    state: [u64; 4],
}

impl Rng {
    /// `stream` tells apart generators of the same seed.
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut mix = seed ^ stream.wrapping_mul(0xD1B5_4A32_D192_ED03);
        let mut next = || {
            mix = mix.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = mix;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ (z >> 31)
        };
        Self { state: [next(), next(), next(), next()] }
    }

    /// Next 64 bits.
    pub(crate) fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let c = c ^ a;
        let d = d ^ b;
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// Even in 0 .. 1.
    #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Even in −1 .. 1.
    pub(crate) fn symmetric(&mut self) -> f64 {
        self.unit() * 2.0 - 1.0
    }

    /// Bell-shaped with a standard deviation of 1, bounded by ±5.2: the sum of nine even draws.
    pub(crate) fn bell(&mut self) -> f64 {
        let mut sum = 0.0;
        for _ in 0..9 {
            sum += self.symmetric();
        }
        // The variance of one draw is 1/3, of nine 3.
        sum * 0.577_350_269_189_625_8
    }

    /// Even in 0 ..= `most`.
    pub(crate) fn up_to(&mut self, most: u64) -> u64 {
        match most.checked_add(1) {
            Some(n) => self.next_u64() % n,
            None => self.next_u64(),
        }
    }
}

/// Limits to ±`bound`; `bound` ≥ 0. NaN becomes `bound`. Written so that it is two machine
/// instructions.
#[inline]
pub(crate) fn limit(value: f64, bound: f64) -> f64 {
    let upper = if value < bound { value } else { bound };
    if upper > -bound { upper } else { -bound }
}

/// Largest integer not above; saturates; NaN becomes 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the named rounding function: float to int saturates"
)]
pub(crate) fn floor(value: f64) -> i64 {
    let whole = value as i64;
    if whole as f64 > value { whole.saturating_sub(1) } else { whole }
}

/// Nearest integer, ties upwards; saturates.
pub(crate) fn nearest_i32(value: f64) -> i32 {
    let whole = floor(value + 0.5);
    i32::try_from(whole).unwrap_or(if whole < 0 { i32::MIN } else { i32::MAX })
}

/// Nearest integer, ties upwards; saturates.
pub(crate) fn nearest_i16(value: f64) -> i16 {
    let whole = floor(value + 0.5);
    i16::try_from(whole).unwrap_or(if whole < 0 { i16::MIN } else { i16::MAX })
}

/// Counts as floating point; exact below 2⁵³.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 counts")]
pub(crate) fn from_counts(counts: i64) -> f64 {
    counts as f64
}

/// ns as s.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 ns, 104 days")]
pub(crate) fn seconds(ns: u64) -> f64 {
    ns as f64 * 1e-9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_is_the_published_one() {
        // Given the state 1, 2, 3, 4, whose first outputs the authors' C code gives as 11520, 0,
        // 1509978240.
        let mut rng = Rng { state: [1, 2, 3, 4] };
        let drawn = [rng.next_u64(), rng.next_u64(), rng.next_u64()];
        assert_eq!(drawn, [11_520, 0, 1_509_978_240]);
    }

    #[test]
    fn draws_stay_in_their_range_and_spread() {
        let mut rng = Rng::new(7, 0);
        let (mut sum, mut squares) = (0.0, 0.0);
        for _ in 0..20_000 {
            let bell = rng.bell();
            assert!(bell.abs() <= 5.2);
            sum += bell;
            squares += bell * bell;
            assert!((0.0..1.0).contains(&rng.unit()));
            assert!(rng.up_to(5) <= 5);
        }
        assert!((sum / 20_000.0).abs() < 0.03);
        assert!((squares / 20_000.0 - 1.0).abs() < 0.05);
    }

    #[test]
    fn streams_of_one_seed_differ() {
        assert_ne!(Rng::new(7, 0).next_u64(), Rng::new(7, 1).next_u64());
        assert_ne!(Rng::new(7, 0).next_u64(), Rng::new(8, 0).next_u64());
        assert_eq!(Rng::new(7, 3).next_u64(), Rng::new(7, 3).next_u64());
    }

    #[test]
    fn floor_goes_down_and_saturates() {
        assert_eq!(floor(1.9), 1);
        assert_eq!(floor(-1.1), -2);
        assert_eq!(floor(-2.0), -2);
        assert_eq!(floor(1e300), i64::MAX);
        assert_eq!(floor(f64::NAN), 0);
        assert_eq!(nearest_i16(-40_000.0), i16::MIN);
        assert_eq!(nearest_i32(2.5), 3);
    }
}
