//! The normal distribution and the first passage of a drifting Wiener process, for results outside of the loop.

/// ln of the complementary error function of `z` ≥ 0, without overflow. Relative error below 1.2·10⁻⁷. Source: Press et al., "Numerical
/// Recipes", 2nd ed., ch. 6.2 (Chebyshev fit of `erfc`).
fn ln_erfc(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.5 * z);
    let terms = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let sum = terms.iter().rev().fold(0.0, |sum, term| sum * t + term);
    t.ln() - z * z + sum
}

/// Standard normal distribution function.
pub(super) fn normal(x: f64) -> f64 {
    let tail = 0.5 * ln_erfc(x.abs() / std::f64::consts::SQRT_2).exp();
    if x < 0.0 { tail } else { 1.0 - tail }
}

/// ln of the standard normal distribution function at `-x`, `x` ≥ 0.
fn ln_tail(x: f64) -> f64 {
    ln_erfc(x / std::f64::consts::SQRT_2) - std::f64::consts::LN_2
}

/// Probability that a Wiener process with this drift (above 0) and variance (above 0), per time, has gone the `distance` by `time`: the
/// inverse Gaussian distribution. Source: Schrödinger 1915; Chhikara, Folks, "The Inverse Gaussian Distribution", 1989.
pub(super) fn passed(time: f64, distance: f64, drift: f64, variance: f64) -> f64 {
    if distance <= 0.0 {
        return 1.0;
    }
    if time <= 0.0 {
        return 0.0;
    }
    let spread = (variance * time).sqrt();
    let back = 2.0 * drift * distance / variance + ln_tail((drift * time + distance) / spread);
    (normal((drift * time - distance) / spread) + back.exp()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_normal_distribution_is_that_of_the_tables() {
        for (x, p) in [(0.0, 0.5), (1.0, 0.841_344_75), (-1.281_551_57, 0.1), (3.0, 0.998_650_1)] {
            assert!((normal(x) - p).abs() < 2e-7, "{x}: {}", normal(x));
        }
    }

    #[test]
    fn first_passage_has_the_mean_of_distance_by_drift_and_does_not_overflow() {
        // Mean of a distribution on [0, ∞): the integral of 1 − F.
        let mean = |variance: f64| {
            (0..40_000).map(|n| 1.0 - passed(f64::from(n) * 1e-3, 2.0, 1.0, variance)).sum::<f64>()
                * 1e-3
        };
        assert!((mean(0.5) - 2.0).abs() < 2e-3 && (mean(0.01) - 2.0).abs() < 2e-3);
        assert!(passed(1.999, 2.0, 1.0, 1e-9) < 1e-6 && passed(2.001, 2.0, 1.0, 1e-9) > 1.0 - 1e-6);
        assert_eq!((passed(1.0, 0.0, 1.0, 1.0), passed(0.0, 1.0, 1.0, 1.0)), (1.0, 0.0));
    }
}
