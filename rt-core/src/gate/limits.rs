//! The limits of an axis as differences from cycle to cycle, and the check of one set-point.
//!
//! Everything is an integer in nano-units. A set-point is rounded to half a nano-unit, so that a difference of the first order may be
//! off by 1, of the second by 2, of the third by 4: that, and nothing more, is tolerated.

use crate::plan::AxisPlan;
use crate::record::GateLimit;
use twin_lite::Nano;
use twin_lite::taped;

const NS_PER_S: i128 = 1_000_000_000;

/// Where an axis is on its way, as commanded: position, and its first two differences a cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Track {
    /// nano-units.
    pub position: i64,
    /// nano-units a cycle.
    pub velocity: i64,
    /// nano-units a cycle².
    pub acceleration: i64,
}

taped!(Track { position, velocity, acceleration });

impl Track {
    /// At rest at `position`.
    #[must_use]
    pub fn resting(position: Nano) -> Self {
        Self { position: position.0, velocity: 0, acceleration: 0 }
    }

    /// After one more cycle, at `position`.
    #[must_use]
    pub fn to(&self, position: i64) -> Self {
        let velocity = position.saturating_sub(self.position);
        Self { position, velocity, acceleration: velocity.saturating_sub(self.velocity) }
    }
}

/// What was not passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which limit.
    pub limit: GateLimit,
    /// What was asked, per s, s² or s³ as the limit is.
    pub asked: Nano,
    /// What is allowed.
    pub allowed: Nano,
}

/// Limits of one axis, per cycle.
#[derive(Clone, Copy, Debug)]
pub struct AxisCheck {
    position: Option<(i64, i64)>,
    velocity: i64,
    velocity_unreferenced: i64,
    acceleration: i64,
    jerk: i64,
    /// The gate's ramp takes at most this a cycle², ≥ 1.
    ramp: i64,
    period_ns: i128,
}

impl AxisCheck {
    /// For `axis` in a loop of `period_ns`; `None` if a limit vanishes in one cycle, or does not fit.
    #[must_use]
    pub fn new(axis: &AxisPlan, period_ns: u64) -> Option<Self> {
        let period_ns = i128::from(period_ns);
        let up = |value: Nano, order: u32, tolerance: i64| {
            // What saturates does not fit below either.
            let scaled = (0..order).fold(i128::from(value.0), |value, _| {
                value.saturating_mul(period_ns).saturating_add(NS_PER_S - 1) / NS_PER_S
            });
            let allowed = i64::try_from(scaled).ok().filter(|scaled| *scaled > 0);
            allowed.and_then(|allowed| allowed.checked_add(tolerance))
        };
        let ramp = i128::from(axis.stop.ramp_deceleration.0)
            .saturating_mul(period_ns.saturating_mul(period_ns))
            / (NS_PER_S * NS_PER_S);
        Some(Self {
            position: axis.limits.position.map(|(low, high)| (low.0, high.0)),
            velocity: up(axis.limits.velocity, 1, 1)?,
            velocity_unreferenced: up(axis.limits.velocity_unreferenced, 1, 1)?,
            acceleration: up(axis.limits.acceleration, 2, 2)?,
            jerk: up(axis.limits.jerk, 3, 4)?,
            ramp: i64::try_from(ramp).ok().filter(|ramp| *ramp >= 1)?,
            period_ns,
        })
    }

    /// Cycles in which the gate's ramp takes `velocity` (per cycle) to rest.
    #[must_use]
    pub fn ramp_cycles(&self, velocity: i64) -> i64 {
        // ramp ≥ 1: the quotient, rounded up.
        let speed = velocity.saturating_abs();
        speed / self.ramp + i64::from(speed % self.ramp != 0)
    }

    /// Whether `asked` may follow `before`. `ramp_cycles`: how long the ramp of the whole group would take from what is asked.
    ///
    /// # Errors
    /// The first limit that is violated, and what was asked.
    // SR-016
    pub fn check(
        &self,
        before: &Track,
        asked: &Track,
        ramp_cycles: i64,
        referenced: bool,
    ) -> Result<(), Violation> {
        let velocity = if referenced { self.velocity } else { self.velocity_unreferenced };
        self.within(GateLimit::Velocity, asked.velocity, velocity, 1)?;
        self.within(GateLimit::Acceleration, asked.acceleration, self.acceleration, 2)?;
        let jerk = asked.acceleration.saturating_sub(before.acceleration);
        self.within(GateLimit::Jerk, jerk, self.jerk, 3)?;
        match self.position {
            Some(limits) if referenced => self.stops_within(limits, before, asked, ramp_cycles),
            Some(_) | None => Ok(()),
        }
    }

    // SR-018
    fn within(
        &self,
        limit: GateLimit,
        asked: i64,
        allowed: i64,
        order: u32,
    ) -> Result<(), Violation> {
        if asked.saturating_abs() <= allowed {
            return Ok(());
        }
        let (asked, allowed) = (self.per_second(asked, order), self.per_second(allowed, order));
        Err(Violation { limit, asked, allowed })
    }

    /// What is asked, and where the ramp would end from there, must be within the soft limits; an axis that is outside may come back.
    // SR-017
    fn stops_within(
        &self,
        (low, high): (i64, i64),
        before: &Track,
        asked: &Track,
        ramp_cycles: i64,
    ) -> Result<(), Violation> {
        let end = asked.position.saturating_add(ramp_distance(asked.velocity, ramp_cycles));
        let (lowest, highest) = (low.min(before.position), high.max(before.position));
        let allowed = if end.min(asked.position) < lowest {
            low
        } else if end.max(asked.position) > highest {
            high
        } else {
            return Ok(());
        };
        Err(Violation { limit: GateLimit::Position, asked: Nano(end), allowed: Nano(allowed) })
    }

    /// A difference of this order, per s, s² or s³.
    #[must_use]
    pub fn per_second(&self, difference: i64, order: u32) -> Nano {
        let value = (0..order).fold(i128::from(difference), |value, _| {
            value.saturating_mul(NS_PER_S) / self.period_ns.max(1)
        });
        Nano(i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX }))
    }
}

/// How far a ramp over `cycles` goes from `velocity`: the sum of v·(1 − n ÷ cycles) for n in 1 ..= cycles.
#[must_use]
pub fn ramp_distance(velocity: i64, cycles: i64) -> i64 {
    velocity.saturating_mul(cycles.saturating_sub(1).max(0)) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::testing::axis_plan;

    fn check() -> AxisCheck {
        AxisCheck::new(&axis_plan(0), 1_000_000).unwrap()
    }

    fn limit_of(before: Track, asked: Track) -> Option<GateLimit> {
        let cycles = check().ramp_cycles(asked.velocity);
        check().check(&before, &asked, cycles, true).err().map(|violation| violation.limit)
    }

    #[test]
    // SR-016
    fn each_limit_passes_at_its_value_and_not_above_it() {
        // axis_plan: 1000 mm/s, 5000 mm/s², 100 000 mm/s³ at 1 ms: 10⁹, 5·10⁶, 10⁵ nano-units a cycle.
        let steady = |velocity| Track { position: 100_000_000_000, velocity, acceleration: 0 };
        let next = |before: Track, step: i64| before.to(before.position + step);
        let at = steady(1_000_000_000);
        assert_eq!(limit_of(at, next(at, 1_000_000_001)), None, "quantisation is tolerated");
        assert_eq!(limit_of(at, next(at, 1_000_000_002)), Some(GateLimit::Velocity));
        let slow = Track { acceleration: 5_000_000, ..steady(0) };
        assert_eq!(limit_of(slow, next(slow, 5_000_002)), None);
        assert_eq!(limit_of(slow, next(slow, 5_000_003)), Some(GateLimit::Acceleration));
        assert_eq!(limit_of(steady(0), next(steady(0), 100_004)), None);
        assert_eq!(limit_of(steady(0), next(steady(0), 100_005)), Some(GateLimit::Jerk));
    }

    #[test]
    // SR-017
    fn a_set_point_from_which_the_ramp_would_pass_the_soft_limit_is_not_passed() {
        // 500 mm/s at 10 000 mm/s² take 50 cycles and 50·(50 − 1) ÷ 2 ramp steps of 0.01 mm: 12.25 mm.
        let before = Track { position: 487_200_000_000, velocity: 500_000_000, acceleration: 0 };
        assert_eq!(limit_of(before, before.to(487_700_000_000)), None);
        let before = Track { position: 487_300_000_000, ..before };
        assert_eq!(limit_of(before, before.to(487_800_000_000)), Some(GateLimit::Position));
    }

    #[test]
    fn an_axis_outside_its_soft_limits_may_come_back_but_not_go_further() {
        let outside = Track::resting(Nano(510_000_000_000));
        assert_eq!(limit_of(outside, outside.to(outside.position - 50)), None);
        assert_eq!(limit_of(outside, outside.to(outside.position + 50)), Some(GateLimit::Position));
    }

    #[test]
    // SR-018
    fn without_reference_the_lower_velocity_holds_and_the_soft_limits_do_not() {
        let before = Track { position: 900_000_000_000, velocity: 100_000_000, acceleration: 0 };
        let asked = before.to(before.position + 100_000_002);
        assert!(check().check(&before, &asked, 0, true).is_err());
        let violation = check().check(&before, &asked, 0, false).unwrap_err();
        assert_eq!(violation.limit, GateLimit::Velocity);
        assert!(
            check().check(&before, &before.to(before.position + 100_000_001), 0, false).is_ok()
        );
    }

    #[test]
    // SR-017
    fn a_soft_limit_itself_may_be_reached_and_one_nano_unit_beyond_it_may_not() {
        for (limit, beyond) in [(0, -1), (500_000_000_000, 1)] {
            let before = Track::resting(Nano(limit - beyond));
            assert_eq!(limit_of(before, before.to(limit)), None);
            assert_eq!(limit_of(before, before.to(limit + beyond)), Some(GateLimit::Position));
        }
    }

    #[test]
    // SR-016
    fn a_violation_says_what_was_asked_and_what_is_allowed_per_second() {
        let from = |velocity| Track { position: 100_000_000_000, velocity, acceleration: 0 };
        let violation = |before: Track, asked: Track| {
            let Violation { limit, asked, allowed } =
                check().check(&before, &asked, 0, true).unwrap_err();
            (limit, asked.0, allowed.0)
        };
        let fast = from(-1_000_000_000);
        let asked = fast.to(fast.position - 1_000_000_002);
        let said = (GateLimit::Velocity, -1_000_000_002_000, 1_000_000_001_000);
        assert_eq!(violation(fast, asked), said);
        let asked = from(0).to(from(0).position + 5_000_003);
        let said = (GateLimit::Acceleration, 5_000_003_000_000, 5_000_002_000_000);
        assert_eq!(violation(from(0), asked), said);
        let asked = from(0).to(from(0).position - 100_005);
        let said = (GateLimit::Jerk, -100_005_000_000_000, 100_004_000_000_000);
        assert_eq!(violation(from(0), asked), said);
        for (limit, at) in [(0, -7), (500_000_000_000, 500_000_000_007)] {
            let before = Track::resting(Nano(limit));
            let said = (GateLimit::Position, at, limit);
            assert_eq!(violation(before, before.to(at)), said);
        }
    }

    #[test]
    fn what_does_not_fit_is_the_most_that_does() {
        let per_second = |difference| check().per_second(difference, 1).0;
        assert_eq!(per_second(3), 3_000);
        assert_eq!(per_second(0), 0);
        assert_eq!((per_second(i64::MIN), per_second(i64::MAX)), (i64::MIN, i64::MAX));
    }

    #[test]
    // SR-016
    fn a_limit_that_does_not_fit_into_a_cycle_is_refused() {
        type Edit = fn(&mut AxisPlan, Nano);
        let edits: [Edit; 5] = [
            |plan, value| plan.limits.velocity = value,
            |plan, value| plan.limits.velocity_unreferenced = value,
            |plan, value| plan.limits.acceleration = value,
            |plan, value| plan.limits.jerk = value,
            |plan, value| plan.stop.ramp_deceleration = value,
        ];
        for (number, edit) in edits.into_iter().enumerate() {
            // At 2^62 ns a cycle one order already leaves 64 bits, and three leave 128.
            for (value, period_ns) in
                [(0, 1_000_000), (-5, 1_000_000), (i64::MAX, 1 << 62), (i64::MAX, 2_000_000_000)]
            {
                let mut plan = axis_plan(0);
                edit(&mut plan, Nano(value));
                assert!(AxisCheck::new(&plan, period_ns).is_none(), "{number} {value} {period_ns}");
            }
        }
    }

    #[test]
    // SR-016
    fn a_limit_is_rounded_up_to_the_next_nano_unit_a_cycle_and_the_ramp_down() {
        let mut plan = axis_plan(0);
        let nano = |value| Nano(value);
        plan.limits.velocity = nano(1_000_001);
        plan.limits.velocity_unreferenced = nano(1);
        plan.limits.acceleration = nano(1);
        plan.limits.jerk = nano(1);
        plan.stop.ramp_deceleration = nano(1_999_999);
        let check = AxisCheck::new(&plan, 1_000_000).unwrap();
        assert_eq!((check.velocity, check.velocity_unreferenced), (1_002, 2));
        assert_eq!((check.acceleration, check.jerk, check.ramp), (3, 5, 1));
        plan.stop.ramp_deceleration = nano(999_999);
        assert!(AxisCheck::new(&plan, 1_000_000).is_none(), "it would vanish");
    }

    #[test]
    // SR-021
    fn the_ramp_takes_as_many_cycles_as_its_deceleration_needs() {
        let cycles = |velocity| check().ramp_cycles(velocity);
        assert_eq!([0, 1, -1, 10_000_000, 10_000_001, -20_000_001].map(cycles), [0, 1, 1, 1, 2, 3]);
        assert_eq!([0, 1, 2, 50].map(|cycles| ramp_distance(1_000, cycles)), [0, 0, 500, 24_500]);
        assert_eq!(ramp_distance(-1_000, 50), -24_500);
    }

    #[test]
    fn a_ramp_that_vanishes_in_a_cycle_is_refused() {
        let mut plan = axis_plan(0);
        plan.stop.ramp_deceleration = Nano(1_000);
        assert!(AxisCheck::new(&plan, 1_000_000).is_none());
    }
}
