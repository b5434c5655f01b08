//! What the twin's prediction tightens: slow before stop.
//!
//! Two curves over the room that is left to a boundary. The *stop* curve is the twin's stopping distance with the gate's ramp: beyond
//! it, a demand. The *speed* curve lies inside it: the speed from which motion, with its own acceleration and jerk, still comes to rest
//! in the room; motion is told of it, the gate does not hold it to it: who is too fast runs into the stop. A prediction never gives more than the checks without it.

use super::AxisFacts;
use super::ledger::Foresight;
use crate::plan::{AxisId, AxisPlan, TwinMode};
use twin_lite::Nano;

/// A part of the axis that must not be entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// Nothing below the first, nothing above the second.
    Limits(Nano, Nano),
    /// Nothing from the first to the second.
    Zone(Nano, Nano),
}

/// What is asked of the twin about one axis, prepared once.
#[derive(Clone, Copy, Debug)]
pub struct TwinCheck {
    boundary: Boundary,
    /// Endless axis: where it wraps.
    wrap: Option<Nano>,
    /// What motion can slow down with, per s².
    deceleration: u128,
    /// What the speed falls by while motion has not begun to slow down: deceleration × reaction, per s.
    lead: u128,
    /// With this room the axis may be as fast as its velocity limit.
    ample: i64,
    /// Below this an estimated velocity is noise, per s.
    still: Nano,
    /// Whether its decisions (slow, stop) are done; they are recorded then. `None`: done, and not recorded.
    modes: Option<(TwinMode, TwinMode)>,
}

/// What the twin says of one axis this cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prediction {
    /// The axis cannot keep out, or is inside: stop.
    pub stop: bool,
    /// It may be at most this fast, per s; `None`: no more than the limits without the twin.
    pub speed: Option<Nano>,
    /// It cannot be predicted: inputs are not good, or there is no reference.
    pub unknown: bool,
    /// Room to the boundary ahead; `Nano::MAX`: none is ahead.
    pub room: Nano,
    /// How far it goes when it is told now to stop.
    pub reach: Nano,
}

impl Prediction {
    const FREE: Self =
        Self { stop: false, speed: None, unknown: false, room: Nano::MAX, reach: Nano::ZERO };
    const STOP: Self = Self { stop: true, ..Self::FREE };
    const UNKNOWN: Self = Self { unknown: true, ..Self::STOP };
}

impl TwinCheck {
    /// For `axis` and what it must keep out of, in a loop of `period_ns`. `can_coast`: a row may take its torque in motion.
    #[must_use]
    pub fn new(axis: &AxisPlan, boundary: Boundary, period_ns: u64, can_coast: bool) -> Self {
        let limits = &axis.limits;
        let deceleration = whole(limits.acceleration.min(axis.stop.ramp_deceleration)).max(1);
        let jerk_ns = whole(limits.acceleration) * 1_000_000_000 / whole(limits.jerk).max(1);
        let reaction_ns = u128::from(axis.model.response_ns) + 2 * u128::from(period_ns) + jerk_ns;
        // Separation counts on nobody: the loop may be gone in the next moment.
        let (deceleration, reaction_ns) = match boundary {
            Boundary::Limits(..) => (deceleration, reaction_ns),
            Boundary::Zone(..) => (
                deceleration
                    .min(whole(axis.stop.quick_stop_deceleration).max(1))
                    .min(if can_coast { coasting(axis) } else { u128::MAX }),
                reaction_ns + u128::from(axis.stop.watchdog_ns),
            ),
        };
        let lead = deceleration.saturating_mul(reaction_ns) / 1_000_000_000;
        let fastest = whole(limits.velocity);
        // v·lead ÷ d before slowing and v² ÷ 2d while slowing; one nano-unit for each division that was rounded down.
        let travel = fastest.saturating_mul(lead.saturating_mul(2).saturating_add(fastest));
        let ample = (travel / (2 * deceleration)).saturating_add(2);
        Self {
            boundary,
            wrap: axis.wrap,
            deceleration,
            lead,
            ample: i64::try_from(ample).unwrap_or(i64::MAX),
            still: still(limits.velocity),
            modes: None,
        }
    }

    /// Its decisions (slow, stop) are recorded, and done as these modes say; `None`: done, and not recorded.
    #[must_use]
    pub fn recorded(self, modes: Option<(TwinMode, TwinMode)>) -> Self {
        Self { modes, ..self }
    }

    /// What is done of a prediction. Inputs that are not good are no prediction: they are a demand in every mode.
    #[must_use]
    pub(super) fn in_mode(&self, prediction: Prediction) -> Prediction {
        let Some((slow, stop)) = self.modes else { return prediction };
        Prediction {
            stop: prediction.stop && (stop == TwinMode::Act || prediction.unknown),
            speed: prediction.speed.filter(|_| slow == TwinMode::Act),
            ..prediction
        }
    }

    /// What is recorded of a prediction.
    pub(super) fn foresight(
        &self,
        id: AxisId,
        axis: &AxisFacts,
        prediction: &Prediction,
    ) -> Option<Foresight> {
        let (slow, stop) = self.modes?;
        let speed = axis.velocity.magnitude().max(axis.commanded_velocity.magnitude());
        Some(Foresight {
            axis: id,
            moves: speed > self.still && !prediction.unknown,
            speed,
            slow: prediction.speed.is_some_and(|cap| cap < speed).then_some(slow),
            stop: prediction.stop.then_some(stop),
            room: prediction.room,
            left: Nano(prediction.room.0.saturating_sub(prediction.reach.0)),
            kept: axis.margin,
        })
    }

    /// What must happen, judged from where the axis is, how it moves, and what has been commanded already.
    #[must_use]
    // SR-030
    pub fn predict(&self, axis: &AxisFacts) -> Prediction {
        if !axis.view.inputs_good {
            return Prediction::UNKNOWN;
        }
        match self.boundary {
            // Without a reference there are no soft limits; the gate holds the velocity down instead.
            Boundary::Limits(..) if !axis.view.referenced => Prediction::FREE,
            Boundary::Limits(low, high) => self
                .towards(axis, axis.position.0.saturating_sub(low.0), -1)
                .worst(self.towards(axis, high.0.saturating_sub(axis.position.0), 1)),
            Boundary::Zone(..) if !axis.view.referenced => Prediction::UNKNOWN,
            Boundary::Zone(from, to) if (from..=to).contains(&axis.position) => Prediction::STOP,
            Boundary::Zone(from, to) => {
                let up = self.room(from.0.saturating_sub(axis.position.0));
                let down = self.room(axis.position.0.saturating_sub(to.0));
                self.towards(axis, up, 1).worst(self.towards(axis, down, -1))
            }
        }
    }

    /// Room to a zone in one direction: what is behind a linear axis is never reached, an endless one comes round.
    fn room(&self, distance: i64) -> i64 {
        match (distance < 0, self.wrap) {
            (false, _) => distance,
            (true, Some(wrap)) => distance.saturating_add(wrap.0),
            (true, None) => i64::MAX,
        }
    }

    /// With `room` left in the direction of `sign`.
    fn towards(&self, axis: &AxisFacts, room: i64, sign: i64) -> Prediction {
        let velocity = axis.velocity.0.saturating_mul(sign);
        let commanded = axis.commanded_velocity.0.saturating_mul(sign);
        if room == i64::MAX || (velocity <= self.still.0 && commanded <= 0) {
            return Prediction::FREE;
        }
        let commanded_reach = axis.commanded_stop.0.saturating_sub(axis.position.0);
        let stopping = match self.boundary {
            Boundary::Limits(..) => axis.stopping,
            Boundary::Zone(..) => axis.stopping.max(axis.stopping_worst),
        };
        let reach = stopping.0.max(commanded_reach.saturating_mul(sign));
        let usable = room.saturating_sub(axis.margin.0);
        Prediction {
            stop: reach > room,
            speed: self.speed(usable),
            unknown: false,
            room: Nano(room),
            reach: Nano(reach),
        }
    }

    /// The speed from which `room` is enough: lead² + 2·d·room under the root, minus lead. `None`: any that the axis has.
    fn speed(&self, room: i64) -> Option<Nano> {
        if room >= self.ample {
            return None;
        }
        let room = u128::try_from(room).unwrap_or(0);
        let square = self
            .lead
            .saturating_mul(self.lead)
            .saturating_add(self.deceleration.saturating_mul(room).saturating_mul(2));
        let speed = square.isqrt().saturating_sub(self.lead);
        Some(Nano(i64::try_from(speed).unwrap_or(i64::MAX)))
    }
}

impl Prediction {
    /// The tighter of both.
    fn worst(self, other: Self) -> Self {
        let speed = match (self.speed, other.speed) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, None) | (None, one) => one,
        };
        let left = |one: &Self| one.room.0.saturating_sub(one.reach.0);
        let nearer = if left(&other) < left(&self) { other } else { self };
        let unknown = self.unknown || other.unknown;
        Self { stop: self.stop || other.stop, speed, unknown, ..nearer }
    }
}

/// Below this an axis counts as standing: 1/500 of its velocity limit, per s.
#[must_use]
pub fn still(velocity_limit: Nano) -> Nano {
    Nano((velocity_limit.0 / 500).max(1))
}

/// What slows an axis without torque for sure: half of its declared friction, and no load helps it. What hangs does not coast: its
/// torque stays until its brake holds.
// SR-081
fn coasting(axis: &AxisPlan) -> u128 {
    if axis.vertical {
        return u128::MAX;
    }
    let model = &axis.model;
    let sure = model.coulomb_nm / 2.0 - model.gravity_nm.abs();
    let slowing = sure / model.inertia_kgm2 * model.units_per_radian.abs();
    Nano::from_units(slowing).map_or(1, |slowing| whole(slowing).max(1))
}

/// A limit is above 0; what is not counts as 0.
fn whole(value: Nano) -> u128 {
    u128::try_from(value.0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::testing::axis_plan;

    const MM: i64 = 1_000_000_000;

    fn facts(position: i64, velocity: i64, stopping: i64) -> AxisFacts {
        let mut facts = AxisFacts {
            position: Nano(position * MM),
            velocity: Nano(velocity * MM),
            commanded_velocity: Nano(velocity * MM),
            commanded_stop: Nano(position * MM),
            stopping: Nano(stopping * MM),
            ..AxisFacts::default()
        };
        facts.view.inputs_good = true;
        facts.view.referenced = true;
        facts
    }

    fn limits() -> TwinCheck {
        TwinCheck::new(&axis_plan(0), Boundary::Limits(Nano(0), Nano(500 * MM)), 1_000_000, false)
    }

    #[test]
    // SR-030
    fn a_predicted_stop_beyond_the_boundary_is_a_demand_and_one_short_of_it_is_not() {
        assert!(!limits().predict(&facts(400, 300, 100)).stop);
        assert!(limits().predict(&facts(400, 300, 101)).stop);
        assert!(limits().predict(&facts(100, -300, 101)).stop, "downwards too");
    }

    #[test]
    fn moving_away_from_a_boundary_is_free() {
        assert_eq!(
            limits().predict(&facts(499, -300, 100)).speed,
            limits().predict(&facts(499, -300, 1)).speed
        );
        assert!(!limits().predict(&facts(499, -300, 100)).stop);
    }

    #[test]
    fn what_has_been_commanded_counts_as_much_as_what_is_measured() {
        let mut axis = facts(400, 300, 10);
        axis.commanded_stop = Nano(501 * MM);
        assert!(limits().predict(&axis).stop);
        axis.velocity = Nano(0);
        assert!(limits().predict(&axis).stop, "it will move in a moment");
    }

    #[test]
    fn unknown_is_a_demand_for_a_zone_and_bad_inputs_are_for_both() {
        let zone =
            TwinCheck::new(&axis_plan(0), Boundary::Zone(Nano(200 * MM), Nano(300 * MM)), 1, false);
        let mut axis = facts(0, 0, 0);
        axis.view.referenced = false;
        assert_eq!(zone.predict(&axis), Prediction::UNKNOWN);
        assert_eq!(limits().predict(&axis), Prediction::FREE);
        axis.view.inputs_good = false;
        assert_eq!(limits().predict(&axis), Prediction::UNKNOWN);
    }

    #[test]
    fn inside_the_zone_is_a_demand_even_at_rest() {
        let zone =
            TwinCheck::new(&axis_plan(0), Boundary::Zone(Nano(200 * MM), Nano(300 * MM)), 1, false);
        assert!(zone.predict(&facts(200, 0, 0)).stop);
        assert!(zone.predict(&facts(300, 0, 0)).stop);
        assert!(!zone.predict(&facts(301, 0, 0)).stop);
    }

    #[test]
    fn an_endless_axis_reaches_the_zone_the_other_way_round() {
        let mut plan = axis_plan(0);
        plan.wrap = Some(Nano(360 * MM));
        let zone = TwinCheck::new(&plan, Boundary::Zone(Nano(10 * MM), Nano(20 * MM)), 1, false);
        assert!(zone.predict(&facts(350, 100, 21)).stop);
        assert!(!zone.predict(&facts(350, 100, 20)).stop);
    }

    #[test]
    fn what_lies_above_a_zone_reaches_it_downwards_and_not_upwards() {
        let zone =
            TwinCheck::new(&axis_plan(0), Boundary::Zone(Nano(200 * MM), Nano(300 * MM)), 1, false);
        assert!(zone.predict(&facts(320, -300, 21)).stop);
        assert!(!zone.predict(&facts(320, -300, 20)).stop);
        assert_eq!(zone.predict(&facts(320, 300, 400)), Prediction::FREE);
        assert!(zone.predict(&facts(180, 300, 21)).stop);
        assert_eq!(zone.predict(&facts(180, -300, 400)), Prediction::FREE);
    }

    #[test]
    // SR-081
    fn what_may_coast_is_slowed_as_friction_slows_it() {
        let zone = Boundary::Zone(Nano(400 * MM), Nano(500 * MM));
        let speed = |change: fn(&mut AxisPlan), can_coast| {
            let mut plan = axis_plan(0);
            change(&mut plan);
            let check = TwinCheck::new(&plan, zone, 1_000_000, can_coast);
            check.predict(&facts(100, 300, 0)).speed.map(|speed| speed.0 / MM)
        };
        // 0.05 N m of friction, half of it for sure, at 10⁻³ kg m² and 3 mm a radian: 75 mm/s². 156 ms go by first.
        assert_eq!(speed(|_| {}, true), Some(200));
        assert_eq!(speed(|_| {}, false), None, "its ramp has room for any speed");
        assert_eq!(speed(|plan| plan.vertical = true, true), None, "what hangs keeps its torque");
        assert_eq!(speed(|plan| plan.model.units_per_radian = -3.0, true), Some(200));
        // A load of 0.015 N m leaves two fifths of it, either way; one of 0.03 leaves nothing.
        assert_eq!(speed(|plan| plan.model.gravity_nm = 0.015, true), Some(129));
        assert_eq!(speed(|plan| plan.model.gravity_nm = -0.015, true), Some(129));
        assert_eq!(speed(|plan| plan.model.gravity_nm = 0.03, true), Some(0));
        let limits = Boundary::Limits(Nano(0), Nano(500 * MM));
        let check = |can_coast| TwinCheck::new(&axis_plan(0), limits, 1_000_000, can_coast);
        let room = facts(450, 300, 0);
        assert_eq!(check(true).predict(&room).speed, check(false).predict(&room).speed);
    }

    #[test]
    // SR-018
    fn without_a_reference_no_soft_limit_stops_an_axis_that_moves() {
        let mut axis = facts(490, 300, 400);
        assert!(limits().predict(&axis).stop);
        axis.view.referenced = false;
        assert_eq!(limits().predict(&axis), Prediction::FREE);
    }

    #[test]
    // SR-029
    fn of_two_predictions_the_tighter_holds() {
        let of = |stop, speed: Option<i64>| Prediction {
            stop,
            speed: speed.map(Nano),
            ..Prediction::FREE
        };
        for (a, b, worst) in [
            (of(false, None), of(false, None), of(false, None)),
            (of(true, None), of(false, Some(5)), of(true, Some(5))),
            (of(false, Some(5)), of(true, None), of(true, Some(5))),
            (of(false, Some(5)), of(false, Some(7)), of(false, Some(5))),
            (of(true, Some(7)), of(true, Some(5)), of(true, Some(5))),
        ] {
            assert_eq!(a.worst(b), worst);
            assert_eq!(b.worst(a), worst);
        }
    }

    #[test]
    fn an_axis_counts_as_standing_below_a_five_hundredth_of_its_limit() {
        assert_eq!(still(Nano(1000 * MM)), Nano(2 * MM));
        assert_eq!([0, 499, 1500].map(|limit| still(Nano(limit)).0), [1, 1, 3]);
        let mut axis = facts(499, 0, 400);
        axis.velocity = Nano(2 * MM);
        assert_eq!(limits().predict(&axis), Prediction::FREE, "noise");
        axis.velocity = Nano(2 * MM + 1);
        assert!(limits().predict(&axis).stop);
    }

    proptest::proptest! {
        #[test]
        fn from_the_speed_it_gives_the_room_is_enough_and_it_is_none_if_any_is(
            room in 0_i64..1_000_000_000_000,
        ) {
            let check = limits();
            let speed = check.speed(room).unwrap_or(axis_plan(0).limits.velocity);
            proptest::prop_assert!(speed <= axis_plan(0).limits.velocity);
            let speed = u128::try_from(speed.0).unwrap();
            let travel = speed * check.lead / check.deceleration
                + speed * speed / (2 * check.deceleration);
            proptest::prop_assert!(travel <= u128::try_from(room).unwrap());
        }
    }
}
