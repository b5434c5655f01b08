//! The coupling between motor and load: a spring with damping, and play between its flanks.

use crate::num::limit;
use crate::physics::AxisPhysics;

/// A coupling; it has no state of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coupling {
    half_play: f64,
    stiffness: f64,
    damping: f64,
}

impl Coupling {
    pub(crate) fn new(axis: &AxisPhysics) -> Self {
        Self {
            half_play: axis.backlash_rad * 0.5,
            stiffness: axis.stiffness_nm_per_rad,
            damping: axis.damping_nms,
        }
    }

    /// On the load (and against the motor), N m, for the motor ahead by `twist` rad and faster by
    /// `rate` rad / s.
    #[inline]
    pub(crate) fn torque(&self, twist: f64, rate: f64) -> f64 {
        let pressed = self.pressed(twist);
        let torque = pressed * self.stiffness + rate * self.damping;
        // Flanks push, they do not pull; between them there is nothing.
        if pressed > 0.0 {
            torque.max(0.0)
        } else if pressed < 0.0 {
            torque.min(0.0)
        } else {
            0.0
        }
    }

    /// What it stores, J.
    pub(crate) fn energy(&self, twist: f64) -> f64 {
        let pressed = self.pressed(twist);
        0.5 * self.stiffness * pressed * pressed
    }

    #[inline]
    fn pressed(&self, twist: f64) -> f64 {
        twist - limit(twist, self.half_play)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUPLING: Coupling = Coupling { half_play: 0.01, stiffness: 100.0, damping: 0.5 };

    #[test]
    fn a_spring_with_damping_beyond_the_play_and_nothing_within() {
        assert!((COUPLING.torque(0.03, 0.0) - 2.0).abs() < 1e-12);
        assert!((COUPLING.torque(-0.03, -1.0) + 2.5).abs() < 1e-12);
        assert_eq!(COUPLING.torque(0.009, 50.0), 0.0);
        assert!((COUPLING.energy(-0.03) - 0.02).abs() < 1e-12);
        assert_eq!(COUPLING.energy(0.01), 0.0);
    }

    #[test]
    fn flanks_do_not_pull_when_they_part_fast() {
        assert_eq!(COUPLING.torque(0.011, -100.0), 0.0);
        assert_eq!(COUPLING.torque(-0.011, 100.0), 0.0);
    }
}
