//! What an axis is really like: inertia, viscous and Coulomb friction and constant load, learnt while it moves.
//!
//! Recursive least squares over windows of samples ([`crate::window`]), per unit of the rated torque `T`:
//!
//! ```text
//! τ ÷ T = φᵀ·x     φ = (J₀·acceleration ÷ T, speed ÷ ω₀, direction, 1)     x = (J ÷ J₀, b·ω₀ ÷ T, c ÷ T, g ÷ T)
//! e = τ ÷ T − φᵀ·x     s = φᵀ·P·φ     u = w ÷ (1 + w·s)
//! x += P·φ·e·u         P −= P·φ·φᵀ·P·u     P += Q
//! ```
//!
//! Forgetting is additive and selective: `Q` is diagonal (the parameters walk at random), and a parameter walks only in a window that
//! tells something of it, inertia in one that accelerates. So a machine that stands for a week, or moves at one speed only, knows its
//! inertia afterwards as it did before; a variance at its upper bound [`START`] grows no further, and the covariance stays bounded and
//! positive whatever comes. Source: Ljung, Gunnarsson, "Adaptation and tracking in system identification: a survey", Automatica 26 (1990),
//! section 3 (Kalman filter and forgetting).
//!
//! Gated: a window without direction (creeping, reversing), or in which torque is not finite, teaches nothing. Bounded: a window
//! whose error is above [`ERROR_MAX`] weighs less (Huber's weight `w = min(1, e_max ÷ |e|)`: a collision is no friction), every parameter is kept in its range, and a covariance that is not positive any more starts anew.
//! Units are those of the drive's own torque: what a wrong torque constant adds to the inertia, it adds to the prediction too.

use crate::axis::AxisModel;
use crate::window::Averages;
use crate::{math, taped};

/// What a parameter may walk in a window, squared, in squares of the noise: some 50 windows that accelerate count for the inertia, some
/// 200 for the others.
const WALK: [f64; 4] = [1e-2, 2.5e-5, 2.5e-5, 2.5e-5];
/// The covariance at the start: a standard deviation of 1 of each scaled parameter, in noise of [`NOISE`].
const START: f64 = 1e4;
/// Speed that viscous friction is scaled with, rad / s.
const SPEED_RAD_PER_S: f64 = 100.0;
/// A window with a larger error, per rated torque, weighs less.
pub const ERROR_MAX: f64 = 0.5;
/// The scaled parameters stay within ± this on their way. On both sides of 0: a bound that the first windows run into would leave the
/// covariance surer than the parameters are.
const RANGE: [f64; 4] = [20.0, 20.0, 5.0, 5.0];
/// What an axis can be, scaled: what is outside is not told.
const INERTIA: (f64, f64) = (0.05, 10.0);
/// Before so many windows nothing is said.
const WINDOWS_MIN: u32 = 40;
/// Standard deviation of the error of a window that is assumed at the start, per rated torque.
const NOISE: f64 = 0.01;
/// Part of a new squared error in their running mean.
const NOISE_STEP: f64 = 1.0 / 64.0;
/// Windows must accelerate with this part of rated torque to teach inertia.
const ACCELERATES: f64 = 0.05;

type Vector = [f64; 4];

/// What was learnt. All at the motor shaft.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Identified {
    /// kg m².
    pub inertia_kgm2: f64,
    /// N m s / rad, ≥ 0.
    pub viscous_nms: f64,
    /// N m, ≥ 0.
    pub coulomb_nm: f64,
    /// Constant load, N m; positive pulls towards negative positions.
    pub load_nm: f64,
    /// Standard deviation of the inertia, kg m².
    pub inertia_deviation: f64,
    /// Standard deviation of the Coulomb friction, N m.
    pub coulomb_deviation: f64,
    /// Windows that taught something.
    pub windows: u32,
}

/// Learns one axis.
#[derive(Clone, Copy, Debug)]
pub struct Identifier {
    inertia: f64,
    torque: f64,
    per_torque: f64,
    usable: bool,
    x: Vector,
    /// Symmetric; rows.
    p: [Vector; 4],
    noise: f64,
    windows: u32,
    accelerated: u32,
    restarts: u32,
}

taped!(Identifier { x, p, noise, windows, accelerated, restarts; inertia, torque, per_torque, usable });

impl Identifier {
    /// Begins with what `model` says.
    #[must_use]
    pub fn new(model: &AxisModel) -> Self {
        let per_torque = 1.0 / model.rated_torque_nm;
        let x = [
            1.0,
            model.viscous_nms * SPEED_RAD_PER_S * per_torque,
            model.coulomb_nm * per_torque,
            model.gravity_nm * per_torque,
        ];
        let usable = per_torque > 0.0 && x.iter().all(|value| value.is_finite());
        Self {
            inertia: model.inertia_kgm2,
            torque: model.rated_torque_nm,
            per_torque,
            usable: usable && per_torque.is_finite(),
            x: bounded(x),
            p: start(),
            noise: NOISE * NOISE,
            windows: 0,
            accelerated: 0,
            restarts: 0,
        }
    }

    /// What a window looks like to the equations; `None`: it teaches nothing.
    fn regressors(&self, window: &Averages) -> Option<(Vector, f64)> {
        let torque = window.torque_nm * self.per_torque;
        let accelerates = self.inertia * window.acceleration * self.per_torque;
        let phi = [accelerates, window.speed * (1.0 / SPEED_RAD_PER_S), window.direction, 1.0];
        // Beyond any motor: whatever was measured, it was not this axis.
        let plausible = phi.iter().all(|value| value.abs() < 1e3) && torque.abs() < 1e2;
        (self.usable && plausible && window.direction != 0.0).then_some((phi, torque))
    }

    /// What the parameters as they are leave unexplained of a window, and the inertia's part in it, per rated torque; `None`: it has no
    /// direction, or cannot be calculated with.
    #[must_use]
    pub fn residual(&self, window: &Averages) -> Option<(f64, f64)> {
        let (phi, torque) = self.regressors(window)?;
        let [accelerates, ..] = phi;
        Some((torque - dot(&phi, &self.x), accelerates))
    }

    /// A torque as a share of what parameters are scaled by: rated torque.
    #[must_use]
    pub fn share(&self, torque_nm: f64) -> f64 {
        torque_nm / self.torque
    }

    /// Learns from a window; `false`: it taught nothing.
    pub fn learn(&mut self, window: &Averages) -> bool {
        let Some((phi, torque)) = self.regressors(window) else { return false };
        let gain = self.p.map(|row| dot(&row, &phi));
        let told = dot(&gain, &phi);
        if !(told.is_finite() && told >= 0.0) {
            return self.restart();
        }
        if told <= f64::MIN_POSITIVE {
            return false;
        }
        let error = torque - dot(&phi, &self.x);
        let weight = ERROR_MAX / error.abs().max(ERROR_MAX);
        let share = weight / (1.0 + weight * told);
        let step = error * share;
        let mut x = self.x;
        for (value, gain) in x.iter_mut().zip(gain) {
            *value += gain * step;
        }
        let mut p = self.p;
        for (row, left) in p.iter_mut().zip(gain) {
            for (value, right) in row.iter_mut().zip(gain) {
                *value -= left * right * share;
            }
        }
        let [accelerates, ..] = phi;
        let taught = accelerates.abs() >= ACCELERATES;
        walk(&mut p, taught);
        if !(positive(&p) && x.iter().all(|value| value.is_finite())) {
            return self.restart();
        }
        self.x = bounded(x);
        self.p = p;
        let clipped = error.clamp(-ERROR_MAX, ERROR_MAX);
        self.noise += (clipped * clipped - self.noise) * NOISE_STEP;
        self.windows = self.windows.saturating_add(1);
        self.accelerated = self.accelerated.saturating_add(u32::from(taught));
        true
    }

    /// The covariance is none any more: what was learnt stays, how sure it is does not.
    fn restart(&mut self) -> bool {
        self.p = start();
        (self.windows, self.accelerated) = (0, 0);
        self.restarts = self.restarts.saturating_add(1);
        false
    }

    /// What was learnt; `None`: too little, or hardly any acceleration was seen.
    #[must_use]
    pub fn identified(&self) -> Option<Identified> {
        let [inertia, viscous, coulomb, load] = self.x;
        let enough = self.windows >= WINDOWS_MIN && self.accelerated >= WINDOWS_MIN / 4;
        let enough = enough && (INERTIA.0..=INERTIA.1).contains(&inertia);
        let [[p00, ..], _, [_, _, p22, _], _] = self.p;
        let deviation = |variance: f64| math::sqrt((variance * self.noise).max(0.0));
        enough.then(|| Identified {
            inertia_kgm2: inertia * self.inertia,
            viscous_nms: viscous.max(0.0) * self.torque * (1.0 / SPEED_RAD_PER_S),
            coulomb_nm: coulomb.max(0.0) * self.torque,
            load_nm: load * self.torque,
            inertia_deviation: deviation(p00) * self.inertia,
            coulomb_deviation: deviation(p22) * self.torque,
            windows: self.windows,
        })
    }

    /// Times that the covariance had to start anew.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        self.restarts
    }
}

fn start() -> [Vector; 4] {
    let s = START;
    [[s, 0.0, 0.0, 0.0], [0.0, s, 0.0, 0.0], [0.0, 0.0, s, 0.0], [0.0, 0.0, 0.0, s]]
}

fn dot(a: &Vector, b: &Vector) -> f64 {
    let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (a, b);
    (a0 * b0 + a1 * b1) + (a2 * b2 + a3 * b3)
}

fn bounded(x: Vector) -> Vector {
    let mut bounded = x;
    for (value, most) in bounded.iter_mut().zip(RANGE) {
        *value = if value.is_nan() { 0.0 } else { value.clamp(-most, most) };
    }
    bounded
}

/// Lets the parameters walk of which a window told something, up to what they began with.
fn walk(p: &mut [Vector; 4], accelerates: bool) {
    let [[a, ..], [_, b, ..], [_, _, c, _], [_, _, _, d]] = p;
    let [inertia, viscous, coulomb, load] = WALK;
    let steps =
        [(a, if accelerates { inertia } else { 0.0 }), (b, viscous), (c, coulomb), (d, load)];
    for (variance, step) in steps {
        if *variance < START {
            *variance += step;
        }
    }
}

/// Necessary, cheap: diagonal above 0 and no larger than it ever was allowed to be, all of it finite.
fn positive(p: &[Vector; 4]) -> bool {
    let [[a, ..], [_, b, ..], [_, _, c, _], [_, _, _, d]] = p;
    let sound = |value: &f64| *value > 0.0 && *value <= 2.0 * START;
    [a, b, c, d].into_iter().all(sound) && p.iter().flatten().all(|value| value.is_finite())
}

#[cfg(test)]
mod tests;
