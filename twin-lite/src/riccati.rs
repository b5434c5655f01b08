//! Constant gains of the axis observer, from the Riccati recursion.

use crate::axis::AxisModel;
use crate::math;

/// Gains of the observer: what one unit of innovation corrects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gains {
    /// 1.
    pub(crate) position: f64,
    /// 1 / s.
    pub(crate) velocity: f64,
    /// 1 / s².
    pub(crate) drift: f64,
    /// They are finite, and the observer built with them is stable.
    pub(crate) usable: bool,
    /// What the estimates are uncertain by once the recursion has settled: standard deviations of position, velocity and drift.
    pub(crate) deviation: [f64; 3],
    /// Standard deviation of an innovation, a period after the last sample.
    pub(crate) innovation: f64,
}

impl Gains {
    /// Not usable unless `sound`.
    pub(crate) fn only_if(self, sound: bool) -> Self {
        Self { usable: self.usable && sound, ..self }
    }
}

/// What the observer may expect to be wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noise {
    /// Variance of a measured position.
    pub(crate) measured: f64,
    /// Spectral density of the acceleration that the model does not explain.
    pub(crate) acceleration: f64,
    /// Spectral density of the change of the disturbance.
    pub(crate) drift: f64,
}

/// Resolution that a motor encoder has at least, counts a turn: what a measured position is uncertain by.
const COUNTS_PER_TURN: f64 = 8192.0;
/// Part of the peak acceleration that flexible couplings and the torque loop hide from the model.
const UNEXPLAINED: f64 = 0.02;
/// Time in which a disturbance may change by rated torque, s.
const DISTURBANCE_TIME: f64 = 0.05;
/// Enough for any period from 62.5 µs: the slowest mode of the recursion settles within some hundred steps.
const ITERATIONS_MAX: u32 = 20_000;

/// Noise that fits `model`.
pub(crate) fn noise(model: &AxisModel) -> Noise {
    let turn = core::f64::consts::TAU * model.units_per_radian;
    let measured = turn / COUNTS_PER_TURN;
    let per_nm = model.units_per_radian / model.inertia_kgm2;
    let unexplained = UNEXPLAINED * model.peak_torque_nm * per_nm;
    let rated = model.rated_torque_nm * per_nm;
    Noise {
        measured: measured * measured,
        acceleration: unexplained * unexplained * 1e-3,
        drift: rated * rated / DISTURBANCE_TIME,
    }
}

type Matrix = [[f64; 3]; 3];

fn multiply(a: &Matrix, b: &Matrix) -> Matrix {
    let [r0, r1, r2] = *b;
    a.map(|[x, y, z]| {
        let mut row = [0.0; 3];
        for (((out, p), q), r) in row.iter_mut().zip(r0).zip(r1).zip(r2) {
            *out = x * p + y * q + z * r;
        }
        row
    })
}

fn transpose(a: &Matrix) -> Matrix {
    let [[a00, a01, a02], [a10, a11, a12], [a20, a21, a22]] = *a;
    [[a00, a10, a20], [a01, a11, a21], [a02, a12, a22]]
}

/// Gains for a period (s) and a damping (1 / s).
pub(crate) fn gains(period: f64, damping: f64, noise: Noise) -> Gains {
    let keep = 1.0 / (1.0 + damping * period);
    let transition: Matrix =
        [[1.0, period, 0.5 * period * period], [0.0, keep, period], [0.0, 0.0, 1.0]];
    let transposed = transpose(&transition);
    let half = 0.5 * period;
    let process: Matrix = [
        [noise.acceleration * period * half * half, noise.acceleration * period * half, 0.0],
        [noise.acceleration * period * half, noise.acceleration * period, 0.0],
        [0.0, 0.0, noise.drift * period],
    ];
    let start = noise.measured;
    let mut covariance: Matrix = [
        [start, 0.0, 0.0],
        [0.0, start / (period * period), 0.0],
        [0.0, 0.0, start / (period * period * period * period)],
    ];
    let (mut gain, mut surprise) = ([0.0; 3], noise.measured);
    for _ in 0..ITERATIONS_MAX {
        let predicted = add(&multiply(&multiply(&transition, &covariance), &transposed), &process);
        let [[p00, p01, p02], [_, p11, p12], [_, _, p22]] = predicted;
        let innovation = p00 + noise.measured;
        surprise = innovation;
        let next = [p00 / innovation, p01 / innovation, p02 / innovation];
        let [k0, k1, k2] = next;
        // Symmetric by construction: (I − K H) P, upper half mirrored.
        let u01 = p01 - k0 * p01;
        let u02 = p02 - k0 * p02;
        let u12 = p12 - k1 * p02;
        covariance =
            [[p00 - k0 * p00, u01, u02], [u01, p11 - k1 * p01, u12], [u02, u12, p22 - k2 * p02]];
        let settled =
            next.iter().zip(gain).all(|(now, before)| (now - before).abs() <= 1e-12 * now.abs());
        gain = next;
        if settled {
            break;
        }
    }
    let [position, velocity, drift] = gain;
    let [[p00, _, _], [_, p11, _], [_, _, p22]] = covariance;
    let deviation = [p00, p11, p22].map(|variance| math::sqrt(variance.max(0.0)));
    let innovation = math::sqrt(surprise.max(0.0));
    let known = deviation.iter().all(|value| value.is_finite()) && innovation > 0.0;
    let usable = is_stable(period, keep, gain) && period.is_finite() && known;
    Gains { position, velocity, drift, usable, deviation, innovation }
}

fn add(a: &Matrix, b: &Matrix) -> Matrix {
    let mut sum = *a;
    for (row, other) in sum.iter_mut().zip(b) {
        for (value, more) in row.iter_mut().zip(other) {
            *value += more;
        }
    }
    sum
}

/// Jury's criterion on the characteristic polynomial of the error, z³ + a z² + b z + c, of (I − K H) F.
fn is_stable(period: f64, keep: f64, gain: [f64; 3]) -> bool {
    let [k0, k1, k2] = gain;
    let [f01, f02] = [period, 0.5 * period * period];
    // Error after prediction e⁻ = F (I − K H) e⁻: the polynomial of F − F K H.
    let g0 = k0 + f01 * k1 + f02 * k2;
    let g1 = keep * k1 + period * k2;
    let g2 = k2;
    let m: Matrix = [[1.0 - g0, f01, f02], [-g1, keep, period], [-g2, 0.0, 1.0]];
    let [[m00, m01, m02], [m10, m11, m12], [m20, m21, m22]] = m;
    let a = -(m00 + m11 + m22);
    let b = m00 * m11 - m01 * m10 + m00 * m22 - m02 * m20 + m11 * m22 - m12 * m21;
    let c = -(m00 * (m11 * m22 - m12 * m21) - m01 * (m10 * m22 - m12 * m20)
        + m02 * (m10 * m21 - m11 * m20));
    let finite = a.is_finite() && b.is_finite() && c.is_finite();
    finite
        && 1.0 + a + b + c > 0.0
        && 1.0 - a + b - c > 0.0
        && c.abs() < 1.0
        && (b - a * c).abs() < 1.0 - c * c
}
