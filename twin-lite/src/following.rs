//! How far an axis lags behind its set-points, and when it has come to rest.
//!
//! `e = T_v·v + T_a·a`, e: commanded − actual, v and a of the set-points. For a position loop with velocity feed-forward `T_v` is the dead
//! time (without it, 1 ÷ k_v), `T_a` is what the velocity loop lacks. Both are learnt by normalised least mean squares,
//! `x += μ·φ·(e − φᵀx) ÷ (ε + φᵀφ)`, which cannot diverge for 0 < μ < 2 (Widrow, Stearns, "Adaptive Signal Processing", 1985).
//! Acceleration is scaled by a time so that both parts weigh alike. After the set-point rests the error decays with the loop's own
//! time `T`: by halving, at most [`HALVINGS`] times, `t = n·ln 2·T` with the smallest `n` for which `e ÷ 2ⁿ` is in the window.

use crate::taped;

const STEP: f64 = 0.02;
/// Acceleration counts as so much velocity, s.
const SCALE_S: f64 = 0.02;
const LN_2: f64 = core::f64::consts::LN_2;
/// Longest lag that is believed, s.
const LAG_MAX_S: f64 = 1.0;
/// More halvings than this: it does not settle.
pub const HALVINGS: u32 = 40;

/// The lag of one axis.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Following {
    lag_s: f64,
    lag_acceleration_s: f64,
    samples: u32,
    /// Running mean square of what is not explained.
    unexplained: f64,
}

taped!(Following { lag_s, lag_acceleration_s, samples, unexplained });

impl Following {
    /// One sample: set-point velocity (units / s) and acceleration (units / s²), error (units). What is not finite teaches nothing, nor
    /// does standing.
    pub fn update(&mut self, velocity: f64, acceleration: f64, error: f64) {
        let scaled = acceleration * SCALE_S;
        let square = velocity * velocity + scaled * scaled;
        if !(square.is_finite() && error.is_finite() && square > 1e-6) {
            return;
        }
        let missing = error - self.expected(velocity, acceleration);
        let step = STEP * missing / (1e-6 + square);
        let bounded = |value: f64| value.clamp(-LAG_MAX_S, LAG_MAX_S);
        self.lag_s = bounded(self.lag_s + step * velocity);
        self.lag_acceleration_s = bounded(self.lag_acceleration_s + step * scaled);
        if missing.abs() < 1e6 {
            self.unexplained += (missing * missing - self.unexplained) * STEP;
        }
        self.samples = self.samples.saturating_add(1);
    }

    /// Error to be expected at this velocity and acceleration of the set-points, axis units.
    #[must_use]
    pub fn expected(&self, velocity: f64, acceleration: f64) -> f64 {
        self.lag_s * velocity + self.lag_acceleration_s * acceleration * SCALE_S
    }

    /// The largest that motion within these limits will show, with twice the deviation of what is not explained; `None`: not learnt yet.
    #[must_use]
    pub fn largest(&self, velocity: f64, acceleration: f64) -> Option<f64> {
        let lag = self.lag_s.abs() * velocity.abs();
        let more = self.lag_acceleration_s.abs() * SCALE_S * acceleration.abs();
        let unsure = 2.0 * crate::math::sqrt(self.unexplained.max(0.0));
        (self.samples >= 500).then_some(lag + more + unsure)
    }

    /// From a set-point that rests now until |error| is within `window`, s, never too short for a decay with time constant `loop_s`.
    /// `None`: never, or it cannot be calculated.
    #[must_use]
    pub fn settling(error: f64, window: f64, loop_s: f64) -> Option<f64> {
        if !(error.is_finite() && loop_s.is_finite() && loop_s >= 0.0 && window > 0.0) {
            return None;
        }
        let (mut left, mut time) = (error.abs(), 0.0);
        for _ in 0..HALVINGS {
            if left <= window {
                return Some(time);
            }
            left *= 0.5;
            time += LN_2 * loop_s;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn it_learns_the_lag_and_predicts_the_largest_error() {
        let mut following = Following::default();
        for n in 0..4000_u32 {
            let acceleration = if n / 100 % 2 == 0 { 2000.0 } else { -2000.0 };
            let velocity = 100.0 + f64::from(n % 100) * acceleration * 1e-3;
            following.update(velocity, acceleration, 3e-3 * velocity + 2e-5 * acceleration);
        }
        assert!((following.expected(500.0, 0.0) - 1.5).abs() < 0.03);
        let largest = following.largest(500.0, 2000.0).unwrap();
        assert!((largest - 1.54).abs() < 0.05, "{largest}");
    }

    #[test]
    fn whatever_comes_it_stays_finite_and_bounded() {
        let any = [0.0, 1e-320, 1.0, -1e5, 1e300, f64::NAN, f64::INFINITY, -1e-9];
        let mut following = Following::default();
        for v in any {
            for a in any {
                for e in any {
                    following.update(v, a, e);
                    assert!(
                        following.lag_s.abs() <= LAG_MAX_S && following.unexplained.is_finite()
                    );
                }
            }
        }
    }

    #[test]
    fn settling_is_never_shorter_than_the_decay() {
        for error in [0.001, 0.02, 1.0, 50.0] {
            let time = Following::settling(error, 0.01, 0.02).unwrap();
            let exact = (error / 0.01_f64).ln().max(0.0) * 0.02;
            assert!(time >= exact - 1e-12 && time <= exact + 0.02, "{time} {exact}");
        }
        assert_eq!(Following::settling(1.0, 0.0, 0.02), None);
        assert_eq!(Following::settling(f64::NAN, 0.1, 0.02), None);
    }
}
