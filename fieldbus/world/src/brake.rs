//! A holding brake that follows its command late, gives a little, and slips above its holding
//! torque.

use crate::num::{TICK_NS, limit};
use crate::physics::Brake;

/// How fast the motor would swing on its closed brake, rad / s.
const BRAKE_RAD_PER_S: f64 = 900.0;

/// One brake.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BrakeState {
    brake: Brake,
    /// What was last commanded.
    released: bool,
    /// What it does.
    holding: bool,
    /// Until the brake does as commanded, ns.
    remaining: u64,
    /// Elastic give of the closed brake, rad.
    give: f64,
    stiffness: f64,
    damping: f64,
    step: f64,
    /// Its lining is oiled: it closes and holds nothing.
    failed: bool,
}

impl BrakeState {
    /// Closed. `inertia` of the motor, kg m²; `step` s.
    pub(crate) fn new(brake: Brake, inertia: f64, step: f64) -> Self {
        Self {
            brake,
            released: false,
            holding: true,
            remaining: 0,
            give: 0.0,
            stiffness: inertia * BRAKE_RAD_PER_S * BRAKE_RAD_PER_S,
            damping: inertia * BRAKE_RAD_PER_S,
            step,
            failed: false,
        }
    }

    /// It holds nothing from now on, or holds again.
    pub(crate) fn set_failed(&mut self, failed: bool) {
        self.failed = failed;
    }

    /// It is closed.
    pub(crate) fn holds(&self) -> bool {
        self.holding
    }

    /// What its give stores, J.
    pub(crate) fn energy(&self) -> f64 {
        0.5 * self.stiffness * self.give * self.give
    }

    /// One tick under this command. A command that is taken back in time has no effect.
    pub(crate) fn tick(&mut self, released: bool) {
        if released != self.released {
            self.released = released;
            self.remaining = if released { self.brake.release_ns } else { self.brake.engage_ns };
        }
        if self.holding == self.released {
            if self.remaining == 0 {
                self.holding = !self.released;
                self.give = 0.0;
            }
            self.remaining = self.remaining.saturating_sub(TICK_NS);
        }
    }

    /// Against `velocity`, at most the holding torque: above it the lining slips.
    #[inline]
    pub(crate) fn torque(&mut self, velocity: f64) -> f64 {
        if !self.holding || self.failed {
            return 0.0;
        }
        let most = self.brake.holding_nm;
        let spring = limit((self.give + velocity * self.step) * self.stiffness, most);
        self.give = spring / self.stiffness;
        limit(spring + velocity * self.damping, most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brake() -> BrakeState {
        let brake = Brake { holding_nm: 2.0, engage_ns: 3 * TICK_NS, release_ns: 2 * TICK_NS };
        BrakeState::new(brake, 1e-4, 62.5e-6)
    }

    #[test]
    fn it_follows_its_command_after_its_delays() {
        let mut brake = brake();
        let released: Vec<bool> = (0..4)
            .map(|_| {
                brake.tick(true);
                brake.holds()
            })
            .collect();
        assert_eq!(released, [true, true, false, false]);
        let engaged: Vec<bool> = (0..5)
            .map(|_| {
                brake.tick(false);
                brake.holds()
            })
            .collect();
        assert_eq!(engaged, [false, false, false, true, true]);
    }

    #[test]
    fn a_command_taken_back_in_time_has_no_effect() {
        let mut brake = brake();
        for _ in 0..20 {
            brake.tick(true);
            assert!(brake.holds());
            brake.tick(false);
            assert!(brake.holds());
        }
    }

    #[test]
    fn one_that_has_failed_closes_and_holds_nothing() {
        let mut brake = brake();
        brake.set_failed(true);
        assert_eq!((brake.holds(), brake.torque(10.0)), (true, 0.0));
        brake.set_failed(false);
        assert!(brake.torque(10.0) > 0.0);
    }

    #[test]
    fn it_never_holds_more_than_its_torque() {
        let mut brake = brake();
        for velocity in [0.1, 10.0, 1e4, -1e4] {
            assert!(brake.torque(velocity).abs() <= 2.0);
        }
        assert_eq!(brake.torque(-1e4), -2.0);
        assert!((brake.energy() - 0.5 * 4.0 / 81.0).abs() < 1e-9, "wound up to 2 N m and no more");
    }

    #[test]
    fn it_closes_without_a_jerk_whatever_it_held_before() {
        let mut brake = brake();
        brake.torque(1e4);
        for released in [true, false] {
            for _ in 0..5 {
                brake.tick(released);
            }
        }
        assert!(brake.holds());
        assert_eq!(brake.torque(0.0), 0.0);
    }
}
