//! One axis: where it is, how fast it moves, what pushes it, and how far it still goes when told to stop.
//!
//! A Kalman filter with constant gains over position, velocity and a disturbance that acts like a torque. The gains come from
//! iterating the Riccati recursion when the model is built; a cycle costs some twenty multiplications. The model is simpler than
//! any machine (one stiff mass, viscous and Coulomb friction, a constant load): what it does not know ends in the disturbance,
//! and the stopping distance takes the worse of what it believes and what it sees.

use crate::math;
use crate::riccati::{self, Gains};

/// What the twin believes of an axis. All finite; what must be above 0 says so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AxisModel {
    /// Axis units a motor radian moves, above 0.
    pub units_per_radian: f64,
    /// Motor and load at the motor shaft, kg m², above 0.
    pub inertia_kgm2: f64,
    /// Rated torque, N m, above 0: 0x6077 is in ‰ of it.
    pub rated_torque_nm: f64,
    /// Largest torque, N m, above 0.
    pub peak_torque_nm: f64,
    /// N m s / rad, ≥ 0.
    pub viscous_nms: f64,
    /// N m, ≥ 0.
    pub coulomb_nm: f64,
    /// Constant load (gravity) at the motor shaft, N m, signed.
    pub gravity_nm: f64,
    /// From a set-point on the wire until the axis follows it: dead time and loop delay, ns.
    pub response_ns: u64,
    /// Added to every stopping distance, axis units, ≥ 0.
    pub margin: f64,
}

/// What the twin makes of the inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Estimate {
    /// Axis units.
    pub position: f64,
    /// Axis units / s.
    pub velocity: f64,
    /// Torque at the motor shaft that the model does not explain, N m; positive works against positive motion.
    pub disturbance_nm: f64,
    /// Measured − predicted position in the last update, axis units.
    pub innovation: f64,
}

/// How far and how long an axis still moves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stopping {
    /// From the actual position now until rest, axis units, ≥ 0, finite.
    pub distance: f64,
    /// Until rest, ns.
    pub time_ns: u64,
}

/// The model of one axis. Holds finite numbers only, whatever it is given.
#[derive(Clone, Copy, Debug)]
pub struct AxisTwin {
    model: AxisModel,
    period: f64,
    /// Axis units / s² a N m gives.
    acceleration_per_nm: f64,
    /// Below this speed Coulomb friction is taken as proportional, axis units / s.
    creep: f64,
    gains: Gains,
    jerk: Option<f64>,
    torque_known: bool,
    position: f64,
    velocity: f64,
    /// The disturbance as the acceleration it causes, axis units / s².
    drift: f64,
    acceleration: f64,
    innovation: f64,
    started: bool,
    refused: u64,
}

/// Positions beyond this are refused, axis units: more than a `Nano` can hold.
const POSITION_MAX: f64 = 1e10;
/// What is left to brake with, as part of peak torque, however hard the axis is pushed: keeps distances finite.
const BRAKING_MIN: f64 = 0.01;

impl AxisTwin {
    /// A twin at position 0, at rest, that takes the first good position as its own. `model` has been checked by `config`; a
    /// model that is not finite or not above 0 where it must be leaves a twin that refuses every update.
    #[must_use]
    pub fn new(model: &AxisModel, period_ns: u64) -> Self {
        let period = math::seconds(period_ns.max(1));
        let acceleration_per_nm = model.units_per_radian / model.inertia_kgm2;
        let damping = model.viscous_nms / model.inertia_kgm2;
        Self {
            model: *model,
            period,
            acceleration_per_nm,
            creep: 0.5 * model.units_per_radian,
            gains: riccati::gains(period, damping, riccati::noise(model)),
            jerk: None,
            torque_known: true,
            position: 0.0,
            velocity: 0.0,
            drift: 0.0,
            acceleration: 0.0,
            innovation: 0.0,
            started: false,
            refused: 0,
        }
    }

    /// The stop's deceleration is built up with this jerk, axis units / s³; without it, at once.
    #[must_use]
    pub fn with_jerk(mut self, jerk: f64) -> Self {
        self.jerk = if jerk.is_finite() && jerk > 0.0 { Some(jerk) } else { None };
        self
    }

    /// The drive does not report its torque: all acceleration is a surprise, and the disturbance says nothing about the load.
    #[must_use]
    pub fn without_torque(mut self) -> Self {
        self.torque_known = false;
        self
    }

    /// One cycle: `position` in axis units and `torque_permille` of rated torque as measured; `position_good` false: the
    /// position is not used, the twin goes on at the velocity it had. What is not finite or out of range is refused and counted.
    pub fn update(&mut self, position: f64, torque_permille: i16, position_good: bool) {
        let in_range = (-POSITION_MAX..=POSITION_MAX).contains(&position);
        if !self.gains.usable || (position_good && !in_range) {
            self.refused = self.refused.saturating_add(1);
            return;
        }
        if !self.started {
            if position_good {
                self.position = position;
                self.started = true;
            }
            return;
        }
        if position_good {
            self.observe(position, torque_permille);
        } else {
            let next = self.position + self.velocity * self.period;
            self.position = next.clamp(-POSITION_MAX, POSITION_MAX);
            self.acceleration = 0.0;
            self.innovation = 0.0;
        }
    }

    fn observe(&mut self, position: f64, torque_permille: i16) {
        let known = if self.torque_known { self.known_acceleration(torque_permille) } else { 0.0 };
        let acceleration = known + self.drift;
        let moved = self.velocity + 0.5 * acceleration * self.period;
        let predicted = self.position + moved * self.period;
        let innovation = position - predicted;
        let next = [
            predicted + self.gains.position * innovation,
            self.velocity + acceleration * self.period + self.gains.velocity * innovation,
            self.drift + self.gains.drift * innovation,
        ];
        let [next_position, next_velocity, next_drift] = next;
        if !next.iter().all(|value| value.is_finite()) {
            self.refused = self.refused.saturating_add(1);
            return;
        }
        self.position = next_position;
        self.velocity = next_velocity;
        self.drift = next_drift;
        self.acceleration = known + next_drift;
        self.innovation = innovation;
    }

    /// Acceleration that torque, friction and load explain, axis units / s².
    fn known_acceleration(&self, torque_permille: i16) -> f64 {
        let torque = f64::from(torque_permille) * 1e-3 * self.model.rated_torque_nm;
        let speed = self.velocity / self.model.units_per_radian;
        let slide = (self.velocity / self.creep).clamp(-1.0, 1.0);
        let friction = self.model.viscous_nms * speed + self.model.coulomb_nm * slide;
        (torque - friction - self.model.gravity_nm) * self.acceleration_per_nm
    }

    /// What it believes now.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        let disturbance_nm =
            if self.gains.usable { -self.drift / self.acceleration_per_nm } else { 0.0 };
        Estimate {
            position: self.position,
            velocity: self.velocity,
            disturbance_nm: if self.torque_known { disturbance_nm } else { 0.0 },
            innovation: self.innovation,
        }
    }

    /// Positions are counted from elsewhere from now on: everything moves by `delta`, axis units.
    pub fn shift(&mut self, delta: f64) {
        let shifted = self.position + delta;
        if shifted.abs() <= POSITION_MAX {
            self.position = shifted;
        } else {
            self.refused = self.refused.saturating_add(1);
        }
    }

    /// From the input that shows a cause until the axis begins to brake, s: two periods (an event that just misses a frame is
    /// sampled by the next and answered by the one after) and the response of drive and axis.
    #[must_use]
    pub fn latency(&self) -> f64 {
        math::seconds(self.model.response_ns) + 2.0 * self.period
    }

    /// How many updates or shifts were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Distance and time to rest when told now to stop with `deceleration` (axis units / s², above 0) from `velocity_now`
    /// (axis units / s, signed; pass the worse of estimated and commanded).
    ///
    /// Latency travel, with the velocity that a running acceleration still adds; `v²/2a` with what torque, load and
    /// disturbance leave of the deceleration; the onset `v·a/2j`; the margin of the model.
    #[must_use]
    pub fn stopping(&self, deceleration: f64, velocity_now: f64) -> Stopping {
        let latency = self.latency();
        let given = if velocity_now.is_finite() { velocity_now } else { self.velocity };
        let direction = if given < 0.0 { -1.0 } else { 1.0 };
        let still_gained = (self.acceleration * direction).max(0.0) * latency;
        let speed = given.abs() + still_gained;
        let possible = self.braking(direction);
        let ramp = if deceleration.is_finite() && deceleration > 0.0 {
            deceleration.min(possible)
        } else {
            possible
        };
        let (onset_time, onset_distance) = match self.jerk {
            // Below v = a²/j the deceleration never reaches a: v·√(v/j), with √ bounded by a/j.
            Some(jerk) => onset(speed, ramp, jerk),
            None => (0.0, 0.0),
        };
        let distance = speed * latency + speed * speed / (2.0 * ramp) + onset_distance;
        Stopping {
            distance: (distance + self.model.margin).min(POSITION_MAX),
            time_ns: math::nanoseconds_up(latency + speed / ramp + onset_time),
        }
    }

    /// Deceleration that the axis can certainly give against motion in `direction`, axis units / s².
    fn braking(&self, direction: f64) -> f64 {
        let seen = if self.torque_known { self.estimate().disturbance_nm } else { 0.0 };
        // A disturbance that helps may be gone in the next moment; one that pushes on stays.
        let pushing = (seen * direction).min(0.0);
        let load = self.model.gravity_nm * direction;
        let torque = self.model.peak_torque_nm + load.min(0.0) + pushing;
        torque.max(BRAKING_MIN * self.model.peak_torque_nm) * self.acceleration_per_nm
    }
}

/// Time and distance that a jerk-limited ramp needs more than a ramp of constant deceleration.
fn onset(speed: f64, deceleration: f64, jerk: f64) -> (f64, f64) {
    if speed * jerk >= deceleration * deceleration {
        let time = deceleration / jerk;
        return (time, 0.5 * speed * time);
    }
    // The triangle of jerk: 2·√(v/j) long, v·√(v/j) far.
    let half = math::sqrt(speed / jerk);
    let short = speed / deceleration;
    (2.0 * half - short, speed * (half - 0.5 * short))
}
