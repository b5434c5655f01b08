//! Motion lies in every way it can; nothing that leaves the gate breaks a limit.

use super::*;
use crate::interlock::Stop;
use crate::plan::{InterlockId, Reaction};
use crate::record::GateLimit;
use crate::step::log_testing::Kept;
use crate::step::testing::{MM, machine_plan};
use alloc::vec::Vec;

mod adversary;
mod answers;
mod guards;

/// Limits of `axis_plan` at 1 ms, in nano-units a cycle, with what quantisation may add.
const VELOCITY: i64 = 1_000_000_000 + 1;
const ACCELERATION: i64 = 5_000_000 + 2;
const RAMP: i64 = 10_000_000 + 2;

struct Bench {
    gate: Gate,
    facts: Vec<AxisFacts>,
    demands: Vec<GroupDemand>,
    machine: MachineState,
    now: u64,
    kept: Kept,
}

impl Bench {
    /// Power is on, everything is at rest at 250 mm, homed.
    fn new() -> Self {
        Self::with(&machine_plan())
    }

    fn with(plan: &MachinePlan) -> Self {
        let mut facts =
            AxisFacts { position: Nano(250 * MM), in_position_mode: true, ..AxisFacts::default() };
        facts.view.inputs_good = true;
        facts.view.referenced = true;
        let mut bench = Self {
            gate: Gate::new(plan).unwrap(),
            facts: alloc::vec![facts; plan.axes.len()],
            demands: alloc::vec![GroupDemand::NONE; plan.groups.len()],
            machine: MachineState::Run,
            now: 1,
            kept: Kept::default(),
        };
        bench.cycle(|_, _| Nano(0));
        for facts in &mut bench.facts {
            facts.view.enabled = true;
        }
        bench
    }

    /// Until motion is permitted.
    fn permitted() -> Self {
        let mut bench = Self::new();
        for _ in 0..3 {
            bench.cycle(|_, track| Nano(track.position));
        }
        assert!(bench.gate.all_permitted());
        bench
    }

    /// One cycle in which motion asks `asked(axis, what was sent last)`.
    fn cycle(&mut self, asked: impl Fn(AxisId, Track) -> Nano) {
        self.now += 1_000_000;
        let allowed = Allowed {
            machine: self.machine,
            ending: false,
            demands: &self.demands,
            facts: &self.facts,
        };
        let tracks: Vec<Track> = self.gate.axes.iter().map(|axis| axis.track).collect();
        let mut log = self.kept.log(self.now);
        self.gate.permit(&allowed, &mut log);
        self.gate.decide(|axis| asked(axis, tracks[usize::from(axis.0)]), &allowed, &mut log);
    }

    fn track(&self, axis: usize) -> Track {
        self.gate.axes[axis].track
    }

    fn stop(&mut self, group: usize, reaction: Reaction) {
        let interlock = InterlockId(0);
        self.demands[group].stop = Some(Stop { reaction, interlock, input_at: 1 });
    }

    /// Speeds group 0 up along (3, 1) as fast as jerk and acceleration allow, for `cycles`.
    fn speed_up(&mut self, cycles: i64) {
        for n in 0..cycles {
            self.cycle(|axis, track| {
                let step = match axis.0 {
                    0 => 90_000,
                    1 => 30_000,
                    _ => 0,
                };
                let acceleration = (track.acceleration + step).min(step * 50);
                Nano(track.position + track.velocity + acceleration)
            });
            assert!(self.gate.groups[0].passed, "cycle {n}: {:?}", self.kept.events());
        }
    }
}

/// What a lie is made of: how long motion is honest, what it asks then.
#[derive(Clone, Copy, Debug)]
enum Lie {
    Jump(i64),
    Stand,
    Reverse,
    Extreme(bool),
    Zero,
}

fn lies() -> impl proptest::strategy::Strategy<Value = Lie> {
    use proptest::prelude::*;
    prop_oneof![
        (-600 * MM..600 * MM).prop_map(Lie::Jump),
        Just(Lie::Stand),
        Just(Lie::Reverse),
        any::<bool>().prop_map(Lie::Extreme),
        Just(Lie::Zero),
    ]
}

fn told(lie: Lie, track: Track) -> Nano {
    Nano(match lie {
        Lie::Jump(by) => track.position + by,
        Lie::Stand => track.position,
        Lie::Reverse => track.position - track.velocity,
        Lie::Extreme(up) => {
            if up {
                i64::MAX
            } else {
                i64::MIN
            }
        }
        Lie::Zero => 0,
    })
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(60))]

    /// Jerks at random within its limit, heedless of soft limits and speed; now and then a plain lie; now and then no permit.
    #[test]
    // SR-015
    fn whatever_motion_asks_every_limit_holds_in_every_cycle(
        jerks in proptest::collection::vec((-100_000_i64..=100_000, -100_000_i64..=100_000), 100),
        lie in lies(), lie_every in 50_usize..400, permit_lost_every in 100_usize..900,
    ) {
        let mut bench = Bench::permitted();
        let mut lied_or_stopped = 0;
        for n in 0..3000 {
            let before: Vec<Track> = (0..3).map(|axis| bench.track(axis)).collect();
            // The same jerk for 30 cycles, so that it really gets fast.
            let (a, b) = jerks[(n / 30) % jerks.len()];
            bench.machine = if n % permit_lost_every > 40 { MachineState::Run } else { MachineState::Safe };
            bench.cycle(|axis, track| {
                if n % lie_every == lie_every - 1 {
                    return told(lie, track);
                }
                let jerk = if axis.0 == 1 { b } else { a };
                let acceleration = (track.acceleration + jerk).clamp(-5_000_000, 5_000_000);
                Nano(track.position + track.velocity + acceleration)
            });
            lied_or_stopped += u32::from(!bench.gate.groups[0].passed);
            for (axis, before) in before.iter().enumerate() {
                let now = bench.track(axis);
                proptest::prop_assert!(now.velocity.abs() <= VELOCITY, "{now:?}");
                let change = now.position - before.position - before.velocity;
                let limit = if bench.gate.groups[usize::from(axis == 2)].passed { ACCELERATION } else { RAMP };
                proptest::prop_assert!(change.abs() <= limit, "{before:?} → {now:?}");
                if axis < 2 {
                    proptest::prop_assert!((0..=500 * MM).contains(&now.position), "{now:?}");
                }
            }
        }
        proptest::prop_assert!(lied_or_stopped > 0);
    }

    /// From any moment of a diagonal move, the stop takes the shortest way that the weakest axis can, on the line, all at once.
    #[test]
    // SR-020
    fn a_lost_permit_stops_the_group_on_its_line_within_the_distance_it_said(cycles in 20_i64..200) {
        let mut bench = Bench::permitted();
        bench.speed_up(cycles);
        bench.gate.commanded(&mut bench.facts);
        let starts: Vec<Track> = (0..2).map(|axis| bench.track(axis)).collect();
        let ends: Vec<i64> = bench.facts[..2].iter().map(|facts| facts.commanded_stop.0).collect();
        bench.stop(0, Reaction::Stop2);
        let expected = starts[0].velocity / 10_000_000 + i64::from(starts[0].velocity % 10_000_000 != 0);
        for n in 1..=expected {
            bench.cycle(|_, _| Nano(7));
            let (x, y) = (bench.track(0), bench.track(1));
            proptest::prop_assert_eq!(x.velocity == 0, n == expected, "at rest exactly then");
            let off = i128::from(x.position - starts[0].position) - 3 * i128::from(y.position - starts[1].position);
            proptest::prop_assert!(off.abs() <= 3, "on the line");
        }
        for (axis, end) in ends.iter().enumerate() {
            proptest::prop_assert_eq!(bench.track(axis).position, *end);
        }
    }
}

#[test]
fn a_violation_is_told_stops_the_group_and_must_be_answered_for() {
    let mut bench = Bench::permitted();
    bench.speed_up(60);
    assert_eq!(bench.gate.take_fault(), None);
    bench.cycle(|_, track| Nano(track.position + 2 * VELOCITY));
    let violated = |event: &Event| {
        let limit = GateLimit::Velocity;
        matches!(event, Event::GateViolation { axis: AxisId(0), limit: l, .. } if *l == limit)
    };
    assert!(bench.kept.events().iter().any(violated));
    assert!(bench.gate.is_ramping(GroupId(0)));
    assert_eq!(bench.gate.take_fault(), Some(SafeCause::Gate(AxisId(0))));
    assert_eq!(bench.gate.take_fault(), None, "asked once");
    assert_eq!(bench.gate.violations(), 2, "both groups");
}

#[test]
// SR-021
fn a_ramp_that_has_begun_ends_at_rest_even_if_the_permit_comes_back() {
    let mut bench = Bench::permitted();
    bench.speed_up(60);
    bench.stop(0, Reaction::Stop2);
    bench.cycle(|_, _| Nano(0));
    bench.demands[0].stop = None;
    let mut before = bench.track(0).velocity;
    while bench.gate.is_ramping(GroupId(0)) {
        bench.cycle(|_, track| Nano(track.position + track.velocity));
        assert!(bench.track(0).velocity < before);
        before = bench.track(0).velocity;
    }
    assert_eq!(before, 0);
}

/// Goes on at the speed it has, level within the jerk limit.
fn coast(axis: AxisId, track: Track) -> Nano {
    let step = if axis.0 == 0 { 90_000 } else { 30_000 };
    let acceleration = (track.acceleration - step).max(0);
    Nano(track.position + track.velocity + acceleration)
}

#[test]
// SR-019
fn a_speed_limit_that_motion_ignores_stops_it() {
    let mut bench = Bench::permitted();
    bench.speed_up(60);
    bench.demands[0].speed_limit = Nano(10 * MM);
    let mut cycles = 0;
    while bench.gate.groups[0].passed {
        bench.cycle(coast);
        cycles += 1;
        assert!(cycles < 500, "it is never held to the limit");
    }
    assert!(cycles > 150, "it had the time to slow down: {cycles}");
    let velocity =
        |event: &Event| matches!(event, Event::GateViolation { limit: GateLimit::Velocity, .. });
    assert!(bench.kept.events().iter().any(velocity));
}

#[test]
fn advice_of_the_twin_is_passed_on_but_not_enforced() {
    let mut bench = Bench::permitted();
    bench.speed_up(60);
    bench.demands[0].speed_advised = Nano(10 * MM);
    for _ in 0..400 {
        bench.cycle(coast);
        assert_eq!(bench.gate.permits()[0].speed_limit, Nano(10 * MM));
        assert!(bench.gate.groups[0].passed, "{:?}", bench.kept.events());
    }
    let limit = Nano(10 * MM);
    assert_eq!(bench.kept.events(), [Event::SpeedLimit { group: GroupId(0), limit }]);
}

#[test]
fn a_drive_that_is_not_enabled_is_told_to_be_where_it_is() {
    let mut bench = Bench::permitted();
    bench.speed_up(60);
    bench.facts[1].view.enabled = false;
    bench.facts[1].position = Nano(123 * MM);
    bench.cycle(|_, track| Nano(track.position + track.velocity));
    assert_eq!(bench.track(1), Track::resting(Nano(123 * MM)));
    assert!(bench.gate.is_ramping(GroupId(0)), "the other axis of the group comes to rest");
    assert_eq!(bench.gate.take_fault(), Some(SafeCause::Gate(AxisId(1))));
}

#[test]
// SR-027
fn a_drive_in_another_mode_and_one_that_is_not_heard_lose_the_permit() {
    type Edit = fn(&mut AxisFacts);
    let edits: [(Edit, GateLimit); 3] = [
        (|facts| facts.in_position_mode = false, GateLimit::Mode),
        (|facts| facts.view.inputs_good = false, GateLimit::Power),
        (|facts| facts.view.enabled = false, GateLimit::Power),
    ];
    for (edit, limit) in edits {
        let mut bench = Bench::permitted();
        edit(&mut bench.facts[2]);
        bench.cycle(|_, track| Nano(track.position));
        assert!(!bench.gate.permits()[1].motion);
        assert!(bench.gate.permits()[0].motion, "the other group is not touched");
        assert_eq!(bench.gate.take_fault(), Some(SafeCause::Gate(AxisId(2))));
        let (axis, asked, allowed) = (AxisId(2), Nano::ZERO, Nano::ZERO);
        let told = Event::GateViolation { axis, limit, asked, allowed };
        assert_eq!(bench.kept.events(), [told]);
    }
}

#[test]
// SR-019
fn the_speed_limit_itself_may_be_asked_and_a_nano_unit_above_it_may_not() {
    // 50 µm/s are 50 000 nano-units a cycle, and 4 for the rounding of a norm.
    for (step, fault) in [(50_004, None), (50_005, Some(SafeCause::Gate(AxisId(0))))] {
        let mut bench = Bench::permitted();
        bench.demands[0].speed_limit = Nano(50_000_000);
        bench.cycle(|_, track| Nano(track.position));
        bench.cycle(|axis, track| Nano(track.position + if axis.0 == 0 { step } else { 0 }));
        assert_eq!(bench.gate.take_fault(), fault, "{step}");
    }
}

#[test]
fn drives_that_do_not_come_up_in_time_are_a_fault() {
    let mut bench = Bench::new();
    bench.facts[0].view.enabled = false;
    for _ in 0..POWER_UP_MAX_NS / 1_000_000 {
        bench.cycle(|_, track| Nano(track.position));
        assert_eq!(bench.gate.take_fault(), None);
    }
    bench.cycle(|_, track| Nano(track.position));
    assert_eq!(bench.gate.take_fault(), Some(SafeCause::PowerUp(GroupId(0))));
    assert_eq!(bench.gate.power(GroupId(0)), Power::Off);
}

#[test]
fn a_stop_1_brakes_only_when_the_axes_stand_or_were_given_time_enough() {
    let mut bench = Bench::permitted();
    bench.speed_up(60);
    for facts in &mut bench.facts[..2] {
        facts.velocity = Nano(100 * MM);
    }
    bench.stop(0, Reaction::Stop1);
    let mut rested = 0;
    while bench.gate.power(GroupId(0)) == Power::On {
        bench.cycle(|_, _| Nano(0));
        rested += u32::from(!bench.gate.is_ramping(GroupId(0)));
        assert!(rested < 1000);
    }
    assert_eq!(rested, 501, "half a second after the ramp, for they never stand");
}

#[test]
fn a_plan_whose_groups_do_not_fit_is_refused() {
    let mut plan = machine_plan();
    plan.groups[0].axes = Box::new([AxisId(0), AxisId(2)]);
    assert_eq!(Gate::new(&plan).err(), Some(PlanError::Group { group: GroupId(0) }));
    let mut plan = machine_plan();
    plan.groups[1].axes = Box::new([]);
    assert_eq!(Gate::new(&plan).err(), Some(PlanError::Group { group: GroupId(1) }));
}

#[test]
fn a_plan_with_an_axis_that_cannot_be_held_or_with_too_many_is_refused() {
    let mut plan = machine_plan();
    plan.axes[1].limits.jerk = Nano(0);
    assert_eq!(Gate::new(&plan).err(), Some(PlanError::Limits { axis: AxisId(1) }));
    let mut plan = machine_plan();
    let axis = plan.axes[2].clone();
    let axes = |plan: &MachinePlan, count| {
        plan.axes.iter().cloned().chain((3..count).map(|_| axis.clone())).collect()
    };
    plan.axes = axes(&plan, AXES_MAX);
    assert!(Gate::new(&plan).is_ok());
    plan.axes = axes(&machine_plan(), AXES_MAX + 1);
    assert_eq!(Gate::new(&plan).err(), Some(PlanError::TooManyAxes));
}
