//! The drive's set-point generator: interpolation between bus cycles, and ramps.

use crate::num::{float, low_i32, round, signed64};
use crate::process::TICK_NS;

/// Set-point of the position loop in raw encoder counts (without the offset of a homing).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Motion {
    /// Position demanded, raw counts.
    pub(super) demand: f64,
    /// Counts moved in the last tick.
    pub(super) step: f64,
    target: i64,
    ticks_left: u32,
    bridge_left: u32,
}

impl Motion {
    /// Stands at `position`.
    pub(super) fn hold(position: i64) -> Self {
        Self { demand: float(position), target: position, ..Self::default() }
    }

    /// Velocity of the set-point, counts / s.
    pub(super) fn velocity(&self) -> f64 {
        self.step * float(1_000_000_000) / float(signed64(TICK_NS))
    }

    /// A cyclic target, as it stands on the wire in the drive's frame (raw − `offset`): the way to
    /// it takes `ticks`. Should no other target come, it goes on at the same speed for `bridge`
    /// ticks more.
    pub(super) fn approach(&mut self, wire: i32, offset: i64, ticks: u32, bridge: u32) {
        let known = low_i32(self.target.wrapping_sub(offset));
        self.target = self.target.wrapping_add(i64::from(wire.wrapping_sub(known)));
        self.ticks_left = ticks.max(1);
        self.bridge_left = bridge;
    }

    /// Moves on one tick towards the target, then past it as long as it may, then holds.
    pub(super) fn follow(&mut self) {
        if self.ticks_left > 0 {
            self.step = (float(self.target) - self.demand) / float(i64::from(self.ticks_left));
            self.ticks_left -= 1;
        } else if self.bridge_left > 0 {
            self.bridge_left -= 1;
        } else {
            self.step = 0.0;
        }
        self.demand += self.step;
    }

    /// Goes on as it did, whatever is wanted: a firmware that fails.
    pub(super) fn run_on(&mut self) {
        self.demand += self.step;
    }

    /// Is here now and moves like this, counts / s: a ramp may begin.
    pub(super) fn moves_at(&mut self, position: i64, velocity: f64) {
        self.demand = float(position);
        self.step = velocity * float(signed64(TICK_NS)) / float(1_000_000_000);
    }

    /// Slows down by `deceleration` counts / s²; true once it stands.
    pub(super) fn ramp_down(&mut self, deceleration: u32) -> bool {
        let tick = float(signed64(TICK_NS)) / float(1_000_000_000);
        let change = float(i64::from(deceleration.max(1))) * tick * tick;
        let stands = self.step.abs() <= change;
        self.step = if stands { 0.0 } else { self.step - change * self.step.signum() };
        self.demand += self.step;
        if stands {
            *self = Self::hold(round(self.demand));
        }
        stands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_reached_in_equal_steps_over_the_period() {
        let mut motion = Motion::hold(1_000);
        motion.approach(1_080, 0, 8, 0);
        let steps: Vec<_> = (0..8)
            .map(|_| {
                motion.follow();
                motion.demand
            })
            .collect();
        assert_eq!(steps, [1_010.0, 1_020.0, 1_030.0, 1_040.0, 1_050.0, 1_060.0, 1_070.0, 1_080.0]);
        motion.follow();
        assert_eq!((motion.demand, motion.step), (1_080.0, 0.0));
    }

    #[test]
    fn a_missing_target_is_bridged_for_the_time_allowed_only() {
        let mut motion = Motion::hold(0);
        motion.approach(8, 0, 8, 8);
        (0..8).for_each(|_| motion.follow());
        (0..20).for_each(|_| motion.follow());
        assert_eq!(motion.demand, 16.0);
    }

    #[test]
    fn targets_go_on_beyond_31_bits() {
        let start = i64::from(i32::MAX) - 2;
        let mut motion = Motion::hold(start);
        motion.approach(i32::MIN + 2, 0, 1, 0);
        motion.follow();
        assert_eq!(motion.demand, float(start + 5));
    }

    #[test]
    fn the_offset_of_a_homing_moves_the_frame_not_the_axis() {
        let mut motion = Motion::hold(5_000);
        motion.approach(10, 5_000, 1, 0);
        motion.follow();
        assert_eq!(motion.demand, 5_010.0);
    }

    #[test]
    fn a_ramp_takes_the_distance_that_physics_says() {
        // 100 000 counts/s at 1 000 000 counts/s²: v²/2a = 5000 counts.
        let mut motion = Motion::hold(0);
        motion.step = 100_000.0 * 125e-6;
        let mut ticks = 0;
        while !motion.ramp_down(1_000_000) {
            ticks += 1;
        }
        assert!((motion.demand - 5_000.0).abs() < 15.0, "{}", motion.demand);
        assert!((790..=801).contains(&ticks), "{ticks}");
    }
}
