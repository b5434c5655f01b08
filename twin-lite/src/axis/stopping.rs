//! How far and how long an axis still moves, by each way to stop.
//!
//! `d = v·t_latency + v² ÷ 2a + onset + margin + 3(σ_x + σ_v·t_latency)`: see [`AxisTwin::stopping`].

use super::{AxisTwin, BRAKING_MIN, BRAKING_SURE, POSITION_MAX, SIGMAS, Stopping};
use crate::math;

impl AxisTwin {
    /// Distance and time to rest when told now to stop with `deceleration` (axis units / s², above 0) from `velocity_now`
    /// (axis units / s, signed; pass the worse of estimated and commanded).
    ///
    /// Latency travel, with the velocity that a running acceleration still adds; `v²/2a` with what torque, load and
    /// disturbance leave of the deceleration; the onset, `a·response²`: while the deceleration builds up, the axis is faster than
    /// the set-point by at most a·response, for about the response; the margin of the model; three standard deviations of position
    /// and of velocity × latency. Doubt divides the deceleration and multiplies response and margins: it only lengthens.
    #[must_use]
    pub fn stopping(&self, deceleration: f64, velocity_now: f64) -> Stopping {
        if !self.gains.usable {
            return Stopping { distance: POSITION_MAX, time_ns: u64::MAX };
        }
        let latency = self.latency();
        let response = math::seconds(self.model.response_ns) * self.doubt;
        let latency = latency + (response - math::seconds(self.model.response_ns));
        let given = if velocity_now.is_finite() { velocity_now } else { self.velocity };
        let direction = if given < 0.0 { -1.0 } else { 1.0 };
        // What is commanded is ahead of the axis already; what is only estimated still grows until the axis answers.
        let growing = (self.acceleration * direction).max(0.0) * latency;
        let speed = given.abs().max(self.velocity * direction + growing).min(POSITION_MAX);
        let possible = self.braking(direction);
        let asked_for = deceleration.is_finite() && deceleration > 0.0;
        let ramp = if asked_for { deceleration.min(possible) } else { possible };
        // An axis that hardly moves has no deceleration to build up.
        let onset = (ramp * response).min(speed) * response;
        let distance = speed * latency + speed * speed / (2.0 * ramp) + onset;
        Stopping {
            distance: (distance + self.margin(latency)).min(POSITION_MAX),
            time_ns: math::nanoseconds_up(latency + speed / ramp + response),
        }
    }

    /// How far and how long the axis moves on from `velocity_now` when its torque goes now: friction alone slows it, and of that only
    /// the share that is always there. Where gravity outweighs it, it does not stop.
    #[must_use]
    pub fn coasting(&self, velocity_now: f64) -> Stopping {
        if !self.gains.usable {
            return Stopping { distance: POSITION_MAX, time_ns: u64::MAX };
        }
        let given = if velocity_now.is_finite() { velocity_now } else { self.velocity };
        let direction = if given < 0.0 { -1.0 } else { 1.0 };
        let speed = given.abs().max(self.velocity * direction).min(POSITION_MAX);
        let load = (self.model.gravity_nm * direction).min(0.0);
        let slowing = (self.friction.sure() + load) * self.acceleration_per_nm;
        let latency = self.latency();
        if slowing <= 0.0 {
            return Stopping { distance: POSITION_MAX, time_ns: u64::MAX };
        }
        let distance = speed * latency + speed * speed / (2.0 * slowing);
        Stopping {
            distance: (distance + self.margin(latency)).min(POSITION_MAX),
            time_ns: math::nanoseconds_up(latency + speed / slowing),
        }
    }

    /// The margin of the model, and what the observer is uncertain of until the axis answers; wider while in doubt.
    fn margin(&self, latency: f64) -> f64 {
        let [position, velocity, _] = self.gains.deviation;
        (self.model.margin + SIGMAS * (position + velocity * latency)) * self.doubt
    }

    /// Deceleration that the axis can certainly give against motion in `direction`, axis units / s².
    fn braking(&self, direction: f64) -> f64 {
        let seen = if self.torque_known { self.estimate().disturbance_nm } else { 0.0 };
        // A disturbance that helps may be gone in the next moment; one that pushes on stays.
        let pushing = (seen * direction).min(0.0);
        let load = self.model.gravity_nm * direction;
        let peak = self.model.peak_torque_nm;
        let torque = BRAKING_SURE * peak + load.min(0.0) + pushing;
        torque.max(BRAKING_MIN * peak) * self.acceleration_per_nm / self.doubt
    }
}
