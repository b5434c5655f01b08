//! The speed limit of a group, ramped: motion is told at once, the gate holds it to it when it has had the time it needs.

use crate::plan::{AxisPlan, MachinePlan};
use alloc::vec::Vec;
use twin_lite::Nano;
use twin_lite::taped;

/// A norm over 8 axes, each rounded to 1, is off by no more than this.
const QUANTISATION: i64 = 4;

/// A group's speed limit on the norm of its axes' velocities, all per cycle.
#[derive(Clone, Copy, Debug)]
pub struct SpeedLimit {
    period_ns: i128,
    /// What the limit falls by a cycle: the weakest acceleration of the group.
    fall: i64,
    /// What motion may gain while it turns from speeding up to slowing down.
    overshoot: i64,
    /// Cycles that motion has to turn from speeding up to slowing down.
    grace: u32,
    left: u32,
    /// What the gate holds now; `None`: nothing.
    effective: Option<i64>,
}

taped!(SpeedLimit { left, effective; period_ns, fall, overshoot, grace });

impl SpeedLimit {
    /// No limit, for the group number `group` of `plan`.
    #[must_use]
    pub fn new(plan: &MachinePlan, group: usize) -> Self {
        let period_ns = i128::from(plan.period_ns.max(1));
        let axes: Vec<&AxisPlan> = plan
            .groups
            .get(group)
            .into_iter()
            .flat_map(|group| group.axes.iter())
            .filter_map(|axis| plan.axes.get(usize::from(axis.0)))
            .collect();
        let weakest = axes.iter().map(|axis| axis.limits.acceleration.0).min().unwrap_or(1);
        let fall = i128::from(weakest) * period_ns * period_ns / 1_000_000_000_000_000_000;
        // 2½ times acceleration ÷ jerk: to level, to full deceleration, and out of it again; one half in reserve.
        let turn_ns = axes
            .iter()
            .map(|axis| {
                let limits = &axis.limits;
                i128::from(limits.acceleration.0) * 3_000_000_000 / i128::from(limits.jerk.0.max(1))
            })
            .max()
            .unwrap_or(0);
        let grace = turn_ns / period_ns + 4;
        let fall = i64::try_from(fall).unwrap_or(i64::MAX).max(1);
        let grace = u32::try_from(grace).unwrap_or(u32::MAX);
        let overshoot = fall.saturating_mul(i64::from(grace)) / 3;
        Self { period_ns, fall, overshoot, grace, left: grace, effective: None }
    }

    /// One cycle: `limit` is asked (`Nano::MAX`: none), the group moves at `speed` (norm, per cycle).
    pub fn update(&mut self, limit: Nano, speed: i64) {
        if limit == Nano::MAX {
            self.effective = None;
            self.left = self.grace;
            return;
        }
        let target = i128::from(limit.0.max(0)).saturating_mul(self.period_ns) / 1_000_000_000;
        let target = i64::try_from(target).unwrap_or(i64::MAX).saturating_add(QUANTISATION);
        // What is not needed of the old limit is gone at once: it holds no more than motion may still gain.
        let needed = speed.saturating_add(self.overshoot).max(target);
        let before = self.effective.unwrap_or(i64::MAX).min(needed);
        // From rest motion needs no time to obey.
        let next = if target >= before || speed == 0 {
            self.left = self.grace;
            target
        } else if self.left > 0 {
            self.left -= 1;
            before
        } else {
            before.saturating_sub(self.fall).max(target)
        };
        self.effective = Some(next);
    }

    /// The norm that the gate holds now, per cycle; `None`: no limit.
    #[must_use]
    pub fn effective(&self) -> Option<i64> {
        self.effective
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::testing::machine_plan;

    const MM_S: i64 = 1_000_000_000;

    #[test]
    fn a_lower_limit_is_held_after_the_time_motion_needs_and_falls_no_faster_than_motion_can() {
        // 5000 mm/s² and 100 000 mm/s³ at 1 ms: 150 ms and 4 cycles of grace, then 5 mm/s a cycle.
        let mut limit = SpeedLimit::new(&machine_plan(), 0);
        let speed = 500_000_000;
        limit.update(Nano(100 * MM_S), speed);
        let first = limit.effective().unwrap();
        assert!(first > speed);
        let mut before = first;
        let mut cycles = 0;
        while limit.effective() != Some(100_000_000 + QUANTISATION) {
            limit.update(Nano(100 * MM_S), speed);
            let now = limit.effective().unwrap();
            assert!(before - now <= 5_000_000);
            assert!(cycles >= 153 || now == first, "still in its grace");
            before = now;
            cycles += 1;
            assert!(cycles < 1000, "it never comes down");
        }
    }

    #[test]
    fn a_higher_limit_and_none_hold_at_once() {
        let mut limit = SpeedLimit::new(&machine_plan(), 0);
        for _ in 0..400 {
            limit.update(Nano(MM_S), 1);
        }
        assert_eq!(limit.effective(), Some(1_000_000 + QUANTISATION));
        limit.update(Nano(2 * MM_S), 0);
        assert_eq!(limit.effective(), Some(2_000_000 + QUANTISATION));
        limit.update(Nano::MAX, 0);
        assert_eq!(limit.effective(), None);
    }

    #[test]
    fn at_rest_a_lower_limit_holds_at_once() {
        let mut limit = SpeedLimit::new(&machine_plan(), 0);
        limit.update(Nano(500 * MM_S), 0);
        limit.update(Nano(MM_S), 0);
        assert_eq!(limit.effective(), Some(1_000_000 + QUANTISATION));
    }
}
