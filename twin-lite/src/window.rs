//! Samples of a few milliseconds, weighed so that no derivative has to be taken.
//!
//! For an axis `J·θ″ + b·θ′ + c·sgn θ′ + g = τ`, multiplied by a triangle `w(t)` over two halves of `H` samples and integrated by
//! parts twice, every term needs positions only, never their derivatives:
//!
//! ```text
//! acceleration = (θ₂ − 2·θ₁ + θ₀) ÷ (H·Δt)²      θ₀ θ₁ θ₂: first, middle, last
//! speed        = (S₂ − S₁) ÷ (H²·Δt)             S₁ S₂: trapezoid sums of θ over the halves
//! torque       = Σ w·τ ÷ H
//! ```
//!
//! so `torque = J·acceleration + b·speed + c·direction + g` holds exactly for the sampled window, whatever the speed did in it. What
//! a count of the encoder is uncertain by is divided by `(H·Δt)²`. Source: Shinbrot's modulating functions, "On the analysis of linear
//! and nonlinear systems", Trans. ASME 79 (1957); Preisig, Rippin, Comput. Chem. Eng. 17 (1993).
//!
//! Assumes samples a period apart: one that is not (late, missing, shifted) begins the window anew.

use crate::{math, taped};

/// Samples of a half.
pub const HALF: u8 = 8;
/// Samples of a window, its first and its last belong to its neighbours too.
pub const SAMPLES: u8 = 2 * HALF;
/// Slower than this is creeping: whether it slides or sticks is not known, rad / s.
const CREEP_RAD_PER_S: f64 = 1.0;
/// 1 ÷ H.
const PER_HALF: f64 = 0.125;

/// What a window of samples amounts to, at the motor shaft.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Averages {
    /// N m, as the drive reports it.
    pub torque_nm: f64,
    /// rad / s².
    pub acceleration: f64,
    /// rad / s.
    pub speed: f64,
    /// 1 or −1 when it slid one way in every sample, else 0.
    pub direction: f64,
    /// Mean square of the observer's innovations, in their variance.
    pub roughness: f64,
    /// Variance of the torque within the window, (N m)².
    pub ripple: f64,
}

/// Collects a window.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    radians_per_unit: f64,
    period: f64,
    per_period: f64,
    sample: u8,
    origin: f64,
    last: f64,
    middle: f64,
    sum: f64,
    first_half: f64,
    torque: f64,
    first_torque: f64,
    moved_torque: f64,
    ripple: f64,
    roughness: f64,
    least: f64,
    most: f64,
}

taped!(Window {
    sample, origin, last, middle, sum, first_half, torque, first_torque, moved_torque, ripple, roughness, least, most;
    radians_per_unit, period, per_period,
});

impl Window {
    /// For an axis that moves `units_per_radian` (above 0), sampled every `period_ns`.
    #[must_use]
    pub fn new(units_per_radian: f64, period_ns: u64) -> Self {
        let period = math::seconds(period_ns.max(1));
        Self {
            radians_per_unit: 1.0 / units_per_radian,
            period,
            per_period: 1.0 / period,
            sample: 0,
            origin: 0.0,
            last: 0.0,
            middle: 0.0,
            sum: 0.0,
            first_half: 0.0,
            torque: 0.0,
            first_torque: 0.0,
            moved_torque: 0.0,
            ripple: 0.0,
            roughness: 0.0,
            least: 0.0,
            most: 0.0,
        }
    }

    /// The samples so far do not belong to what comes: positions were shifted, or one was not a period after the last.
    pub fn restart(&mut self) {
        self.sample = 0;
    }

    /// One sample: position in axis units, torque in N m, innovation in standard deviations. `Some` with the last one of a window,
    /// which is the first one of the next.
    #[must_use]
    pub fn add(&mut self, position: f64, torque_nm: f64, surprise: f64) -> Option<Averages> {
        if self.sample == 0 {
            self.begin(position, torque_nm);
            return None;
        }
        let place = (position - self.origin) * self.radians_per_unit;
        let moved = place - self.last;
        self.last = place;
        (self.least, self.most) = (self.least.min(moved), self.most.max(moved));
        self.sum += place;
        let weight = f64::from(self.sample.min(SAMPLES - self.sample));
        self.torque += weight * torque_nm;
        let off = torque_nm - self.first_torque;
        self.moved_torque += off;
        self.ripple += off * off;
        self.roughness += surprise * surprise;
        if self.sample == HALF {
            self.middle = place;
            self.first_half = self.sum - 0.5 * place;
            self.sum = 0.5 * place;
        }
        self.sample += 1;
        if self.sample <= SAMPLES {
            return None;
        }
        let averages = self.close(place);
        self.begin(position, torque_nm);
        averages.torque_nm.is_finite().then_some(averages)
    }

    fn begin(&mut self, position: f64, torque_nm: f64) {
        self.sample = 1;
        self.origin = position;
        (self.last, self.middle, self.sum, self.first_half) = (0.0, 0.0, 0.0, 0.0);
        (self.torque, self.roughness) = (0.0, 0.0);
        (self.first_torque, self.moved_torque, self.ripple) = (torque_nm, 0.0, 0.0);
        (self.least, self.most) = (f64::MAX, f64::MIN);
    }

    fn close(&self, last: f64) -> Averages {
        let per_half = self.per_period * PER_HALF;
        let second_half = self.sum - 0.5 * last;
        let creep = CREEP_RAD_PER_S * self.period;
        let direction = if self.least > creep {
            1.0
        } else if self.most < -creep {
            -1.0
        } else {
            0.0
        };
        let moved = self.moved_torque * (0.5 * PER_HALF);
        Averages {
            torque_nm: self.torque * (PER_HALF * PER_HALF),
            acceleration: (last - 2.0 * self.middle) * (per_half * per_half),
            speed: (second_half - self.first_half) * (per_half * PER_HALF),
            direction,
            roughness: self.roughness * (0.5 * PER_HALF),
            ripple: (self.ripple * (0.5 * PER_HALF) - moved * moved).max(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// θ = 3 + 20 t + ½ · 400 t², sampled each ms; torque of that motion with these parameters.
    fn averages(scale: f64) -> Averages {
        let mut window = Window::new(scale, 1_000_000);
        let mut averages = None;
        for sample in 0..=SAMPLES {
            let t = f64::from(sample) * 1e-3;
            let (angle, speed) = (3.0 + 20.0 * t + 200.0 * t * t, 20.0 + 400.0 * t);
            let torque = 2e-4 * 400.0 + 1e-3 * speed + 0.05 + 0.2;
            averages = window.add(angle * scale, torque, 2.0);
            assert_eq!(averages.is_some(), sample == SAMPLES);
        }
        averages.unwrap()
    }

    #[test]
    fn a_window_has_the_acceleration_the_speed_and_the_torque_of_its_motion() {
        for scale in [1.0, 1.59, 0.05] {
            let found = averages(scale);
            assert!((found.acceleration - 400.0).abs() < 1e-6, "{found:?}");
            assert!((found.speed - 23.2).abs() < 0.01, "mean of the middle: {found:?}");
            let torque = 2e-4 * found.acceleration + 1e-3 * found.speed + 0.25;
            assert!((found.torque_nm - torque).abs() < 1e-5, "{found:?}");
            assert_eq!((found.direction, found.roughness), (1.0, 4.0));
            // The torque rises by b·α·Δt a sample: of 16 such steps, (16² − 1) ÷ 12.
            assert!((found.ripple - 0.4e-3 * 0.4e-3 * 21.25).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn a_window_in_which_the_axis_turns_back_or_creeps_has_no_direction() {
        for angle in [|t: f64| (t - 8.0) * (t - 8.0) * 0.01, |t: f64| t * 1e-5, |_| 0.0] {
            let mut window = Window::new(1.0, 1_000_000);
            let last = (0..=SAMPLES).filter_map(|n| window.add(angle(f64::from(n)), 0.0, 0.0));
            assert_eq!(last.last().unwrap().direction, 0.0);
        }
    }

    #[test]
    fn a_restart_forgets_the_samples_so_far() {
        let mut window = Window::new(1.0, 1_000_000);
        for n in 0..SAMPLES {
            assert_eq!(window.add(f64::from(n), 0.0, 0.0), None);
        }
        window.restart();
        for n in 0..SAMPLES {
            assert_eq!(window.add(f64::from(n), 0.0, 0.0), None);
        }
        assert!(window.add(16.0, 0.0, 0.0).is_some());
    }
}
