//! One axis: where it is, how fast it moves, what pushes it, and how far it still goes when told to stop.
//!
//! A Kalman filter with constant gains over position, velocity and a disturbance that acts like a torque. The gains come from
//! iterating the Riccati recursion when the model is built; a cycle costs some twenty multiplications. The model is simpler than
//! any machine (one stiff mass, viscous and Coulomb friction, a constant load): what it does not know ends in the disturbance,
//! and the stopping distance takes the worse of what it believes and what it sees.

mod stopping;

use crate::friction::Friction;
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

/// What the estimates are uncertain by: standard deviations of the observer's settled covariance. All finite, ≥ 0.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Deviation {
    /// Axis units.
    pub position: f64,
    /// Axis units / s.
    pub velocity: f64,
    /// N m.
    pub disturbance_nm: f64,
    /// Of measured − predicted position, a period after the last sample, axis units; above 0.
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
    friction: Friction,
    gains: Gains,
    torque_known: bool,
    position: f64,
    velocity: f64,
    /// The disturbance as the acceleration it causes, axis units / s².
    drift: f64,
    acceleration: f64,
    innovation: f64,
    /// The last innovation in standard deviations; `None`: the last update says nothing (no sample, or not a period after the last).
    surprise: Option<f64>,
    /// How much worse than its model the axis is taken to be, 1 ..= [`DOUBT_MAX`].
    doubt: f64,
    /// Periods gone on at the last velocity since the last good position.
    coasted: u32,
    started: bool,
    refused: u64,
}

crate::taped!(AxisTwin {
    position, velocity, drift, acceleration, innovation, surprise, doubt, coasted, started, refused;
    model, period, acceleration_per_nm, friction, gains, torque_known,
});

/// Whether every number is one that the equations can bear.
fn sound(model: &AxisModel) -> bool {
    let above = [model.units_per_radian, model.inertia_kgm2, model.peak_torque_nm];
    let not_below = [model.viscous_nms, model.coulomb_nm, model.margin];
    let finite = [model.rated_torque_nm, model.gravity_nm];
    let rate = model.units_per_radian / model.inertia_kgm2;
    above.iter().all(|value| value.is_finite() && *value > 0.0)
        && not_below.iter().all(|value| value.is_finite() && *value >= 0.0)
        && finite.iter().all(|value| value.is_finite())
        && rate.is_finite()
        && rate > 0.0
}

/// Positions beyond this are refused, axis units: more than a `Nano` can hold.
const POSITION_MAX: f64 = 1e10;
/// Part of peak torque that is counted on: inertia, torque constant and payload are never quite those of the model.
const BRAKING_SURE: f64 = 0.75;
/// What is left to brake with, as part of peak torque, however hard the axis is pushed: keeps distances finite.
const BRAKING_MIN: f64 = 0.01;
/// Standard deviations that a prediction allows for what the observer is uncertain of.
const SIGMAS: f64 = 3.0;
/// Largest doubt: beyond it a model is not worse, it is of another axis.
pub const DOUBT_MAX: f64 = 10.0;
/// What the frame's own time may explain of an innovation that is still evidence, standard deviations.
const REGULAR: f64 = 0.25;

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
            friction: Friction::of(model),
            gains: riccati::gains(period, damping, riccati::noise(model)).only_if(sound(model)),
            torque_known: true,
            position: 0.0,
            velocity: 0.0,
            drift: 0.0,
            acceleration: 0.0,
            innovation: 0.0,
            surprise: None,
            doubt: 1.0,
            coasted: 0,
            started: false,
            refused: 0,
        }
    }

    /// The drive does not report its torque: all acceleration is a surprise, and the disturbance says nothing about the load.
    #[must_use]
    pub fn without_torque(mut self) -> Self {
        self.torque_known = false;
        self
    }

    /// One cycle: `position` in axis units and `torque_permille` of rated torque as measured; `elapsed_ns` from the last good
    /// position until this one was sampled, 0: it is the same sample once more, which says nothing; `None`: this position is not
    /// good and not used, the twin goes on at the velocity it had. What is not finite or out of range is refused and counted.
    pub fn update(&mut self, position: f64, torque_permille: i16, elapsed_ns: Option<u64>) {
        let in_range = (-POSITION_MAX..=POSITION_MAX).contains(&position);
        self.surprise = None;
        if !self.gains.usable || (elapsed_ns.is_some() && !in_range) {
            self.refused = self.refused.saturating_add(1);
            return;
        }
        match elapsed_ns {
            Some(0) if self.started => {}
            Some(elapsed) if self.started => self.observe(position, torque_permille, elapsed),
            Some(_) => {
                self.position = position;
                self.started = true;
            }
            None if self.started => self.coast(),
            None => {}
        }
    }

    fn coast(&mut self) {
        let next = self.position + self.velocity * self.period;
        self.position = next.clamp(-POSITION_MAX, POSITION_MAX);
        self.coasted = self.coasted.saturating_add(1);
        self.acceleration = 0.0;
        self.innovation = 0.0;
    }

    /// A sample need not come a period after the last one: whole periods may be missing, and within one nobody knows when the
    /// drive looked. What the frame's own time explains at the present speed is no evidence against the model, and neither is
    /// what no torque could have done since the last sample.
    fn observe(&mut self, position: f64, torque_permille: i16, elapsed_ns: u64) {
        let elapsed = math::seconds(elapsed_ns) / self.period;
        let periods = f64::from(math::nearest(elapsed).max(1));
        let ahead = (periods - f64::from(self.coasted)).max(0.0) * self.period;
        let uncertain = (elapsed - periods).abs() * self.period * self.velocity.abs();
        let possible = self.model.peak_torque_nm * self.acceleration_per_nm * ahead * ahead;
        let known = if self.torque_known { self.known_acceleration(torque_permille) } else { 0.0 };
        let acceleration = known + self.drift;
        let predicted = self.position + (self.velocity + 0.5 * acceleration * ahead) * ahead;
        let innovation = position - predicted;
        let explained = innovation.clamp(-uncertain, uncertain);
        let evidence = (innovation - explained).clamp(-possible, possible);
        let next = [
            position + (self.gains.position - 1.0) * evidence,
            self.velocity + acceleration * ahead + self.gains.velocity / periods * evidence,
            self.drift + self.gains.drift / (periods * periods) * evidence,
        ];
        let [next_position, next_velocity, next_drift] = next;
        if !next.iter().all(|value| value.is_finite()) {
            self.refused = self.refused.saturating_add(1);
            return;
        }
        self.coasted = 0;
        self.position = next_position;
        self.velocity = next_velocity;
        self.drift = next_drift;
        self.acceleration = known + next_drift;
        self.innovation = innovation;
        let regular = ahead == self.period && uncertain <= REGULAR * self.gains.innovation;
        self.surprise = regular.then_some(innovation / self.gains.innovation);
    }

    /// Acceleration that torque, friction and load explain, axis units / s².
    fn known_acceleration(&self, torque_permille: i16) -> f64 {
        let torque = f64::from(torque_permille) * 1e-3 * self.model.rated_torque_nm;
        let friction = self.friction.torque(self.velocity / self.model.units_per_radian);
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

    /// What it is uncertain by; zeros (and 1 for the innovation) for a model that cannot be calculated with.
    #[must_use]
    pub fn deviation(&self) -> Deviation {
        if !self.gains.usable {
            return Deviation { innovation: 1.0, ..Deviation::default() };
        }
        let [position, velocity, drift] = self.gains.deviation;
        Deviation {
            position,
            velocity,
            disturbance_nm: drift / self.acceleration_per_nm,
            innovation: self.gains.innovation,
        }
    }

    /// The last innovation in standard deviations; `None`: the last update brought no sample that came a period after the one before.
    #[must_use]
    pub fn surprise(&self) -> Option<f64> {
        self.surprise
    }

    /// Its residuals say that the axis is so many times worse than the model (heavier, slower to answer): every stopping
    /// distance grows by it. What is below 1 or no number is 1: doubt only widens.
    pub fn set_doubt(&mut self, factor: f64) {
        self.doubt = if factor >= 1.0 { factor.min(DOUBT_MAX) } else { 1.0 };
    }

    /// As set, 1 ..= [`DOUBT_MAX`].
    #[must_use]
    pub fn doubt(&self) -> f64 {
        self.doubt
    }

    /// Its model.
    #[must_use]
    pub fn model(&self) -> &AxisModel {
        &self.model
    }

    /// Acceleration as torque, friction and disturbance explain it, axis units / s².
    #[must_use]
    pub fn acceleration(&self) -> f64 {
        self.acceleration
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
}

#[cfg(test)]
mod tests;
