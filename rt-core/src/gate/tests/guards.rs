//! What the gate watches by itself: stops that do not happen, torque, loads that fall, ways that are closed.

use super::*;
use crate::axis::cia402;
use crate::plan::{BrakePlan, Directions, StopOrder};

/// Group 0 with axes that answer three cycles late, as far as `obeys(axis, cycle)` says; otherwise they go on as they did.
struct Driven {
    bench: Bench,
    /// Positions that were sent, newest last.
    sent: [[i64; 4]; 2],
    speed: [i64; 2],
    cycle: u64,
}

impl Driven {
    fn moving(plan: &MachinePlan) -> Self {
        let mut bench = Bench::with(plan);
        for _ in 0..3 {
            bench.cycle(|_, track| Nano(track.position));
        }
        let at = [bench.track(0).position, bench.track(1).position];
        let mut driven = Self { bench, sent: at.map(|at| [at; 4]), speed: [0; 2], cycle: 0 };
        for _ in 0..60 {
            driven.cycle(
                |_| true,
                |axis, track| {
                    let step = [90_000, 30_000, 0][usize::from(axis.0)];
                    let acceleration = (track.acceleration + step).min(step * 50);
                    Nano(track.position + track.velocity + acceleration)
                },
            );
        }
        assert!(driven.bench.gate.groups[0].passed, "{:?}", driven.bench.kept.events());
        driven
    }

    fn cycle(&mut self, obeys: impl Fn(usize) -> bool, asked: impl Fn(AxisId, Track) -> Nano) {
        for axis in 0..2 {
            let facts = &mut self.bench.facts[axis];
            if obeys(axis) {
                self.speed[axis] = self.sent[axis][1] - self.sent[axis][0];
                facts.position = Nano(self.sent[axis][1]);
            } else {
                facts.position = Nano(facts.position.0 + self.speed[axis]);
            }
            facts.velocity = Nano(self.speed[axis] * 1000);
        }
        self.bench.cycle(asked);
        for axis in 0..2 {
            self.sent[axis].rotate_left(1);
            self.sent[axis][3] = self.bench.track(axis).position;
        }
        self.cycle += 1;
    }

    /// Stops the group; axis 0 runs on. Cycles until its power is as asked, at most 300.
    fn until(&mut self, power: impl Fn(Power) -> bool) -> Option<u64> {
        let begun = self.cycle;
        while self.cycle < begun + 300 {
            if power(self.bench.gate.power(GroupId(0))) {
                return Some(self.cycle - begun);
            }
            self.cycle(|axis| axis != 0, elsewhere);
        }
        None
    }

    fn escalations(&mut self) -> Vec<(AxisId, StopWay)> {
        let of = |event: &Event| match event {
            Event::Escalated { axis, to, .. } => Some((*axis, *to)),
            _ => None,
        };
        self.bench.kept.events().iter().filter_map(of).collect()
    }
}

/// What motion of group 0 wants while it may not; group 1 stays.
fn elsewhere(axis: AxisId, track: Track) -> Nano {
    Nano(if axis.0 == 2 { track.position } else { 7 })
}

#[test]
fn a_stop_that_happens_does_not_escalate() {
    for reaction in [Reaction::Stop2, Reaction::Stop1] {
        let mut driven = Driven::moving(&machine_plan());
        driven.bench.stop(0, reaction);
        for _ in 0..800 {
            driven.cycle(|_| true, elsewhere);
        }
        assert_eq!(driven.escalations(), []);
        assert_eq!(driven.bench.gate.take_fault(), None);
    }
}

#[test]
fn an_axis_that_runs_on_is_quick_stopped_then_loses_its_power_within_the_time_that_is_said() {
    let mut driven = Driven::moving(&machine_plan());
    driven.bench.stop(0, Reaction::Stop2);
    // 4 ms response, 3 cycles round trip, 8 of the window, 50 mm/s ÷ 10 + 1, 20 of patience: 41; and one each to begin and to act.
    let quick = driven.until(|power| matches!(power, Power::Quick { .. })).unwrap();
    assert!((25..=43).contains(&quick), "{quick}");
    assert_eq!(driven.bench.gate.escalated(GroupId(0)), Some(StopWay::QuickStop));
    assert_eq!(driven.bench.gate.take_fault(), Some(SafeCause::Gate(AxisId(0))));
    let cut = driven.until(|power| matches!(power, Power::Cutting { .. })).unwrap();
    assert!((25..=43).contains(&cut), "{cut}");
    let ways = [(AxisId(0), StopWay::QuickStop), (AxisId(0), StopWay::PowerRemoval)];
    assert_eq!(driven.escalations(), ways);
    assert!(driven.until(|power| power == Power::Off).is_some());
    assert_eq!(driven.bench.gate.escalated(GroupId(0)), None, "over with power off");
    let envelope =
        |event: &&Event| matches!(event, Event::GateViolation { limit: GateLimit::Envelope, .. });
    assert_eq!(driven.bench.kept.events().iter().filter(envelope).count(), 2);
}

#[test]
fn category_1_as_a_quick_stop_is_one_and_escalates_to_the_removal_of_power() {
    let mut plan = machine_plan();
    plan.groups[0].stop.category_1 = StopWay::QuickStop;
    let mut driven = Driven::moving(&plan);
    driven.bench.stop(0, Reaction::Stop1);
    assert_eq!(driven.until(|power| matches!(power, Power::Quick { .. })), Some(1));
    assert_eq!(driven.escalations(), []);
    assert!(driven.until(|power| matches!(power, Power::Cutting { .. })).unwrap() <= 43);
    assert_eq!(driven.escalations(), [(AxisId(0), StopWay::PowerRemoval)]);
}

#[test]
fn what_hangs_keeps_its_drives_torque_when_another_axis_loses_it() {
    for output in [true, false] {
        let mut plan = machine_plan();
        plan.axes[1].vertical = true;
        plan.axes[1].brake = Some(BrakePlan {
            release: output.then_some(crate::SignalId(9)),
            engage_ns: 40_000_000,
            release_ns: 1_000_000,
        });
        let mut driven = Driven::moving(&plan);
        driven.bench.stop(0, Reaction::Stop2);
        assert!(driven.until(|power| matches!(power, Power::Cutting { .. })).is_some());
        let power = driven.bench.gate.power(GroupId(0));
        let told = [0, 1].map(|axis| driven.bench.gate.axes[axis].drive(power));
        let held = if output { cia402::Power::Hold } else { cia402::Power::QuickStop };
        assert_eq!(told, [cia402::Power::Off, held]);
        let cycles = driven.until(|power| power == Power::Off).unwrap();
        // A drive with a brake of its own: 1000 ÷ 20 000 s of quick stop and 20 ms of answer before it.
        let expected = if output { 40 } else { 40 + 20 + 50 };
        assert_eq!(cycles, expected, "output {output}");
    }
}

#[test]
fn a_drive_that_ignored_its_quick_stop_is_not_asked_again() {
    let mut plan = machine_plan();
    plan.axes[0].vertical = true;
    let brake = BrakePlan { release: None, engage_ns: 40_000_000, release_ns: 1_000_000 };
    plan.axes[0].brake = Some(brake);
    let mut driven = Driven::moving(&plan);
    driven.bench.stop(0, Reaction::Stop2);
    assert!(driven.until(|power| matches!(power, Power::Quick { .. })).is_some());
    assert!(!driven.bench.gate.axes[0].ran_on, "it ignored the ramp, not its quick stop");
    assert!(driven.until(|power| matches!(power, Power::Cutting { .. })).is_some());
    let power = driven.bench.gate.power(GroupId(0));
    assert!(driven.bench.gate.axes[0].ran_on && !driven.bench.gate.axes[1].ran_on);
    assert_eq!(driven.bench.gate.axes[0].drive(power), cia402::Power::Off);
    assert!(driven.until(|power| power == Power::Off).is_some());
    assert!(!driven.bench.gate.axes[0].ran_on, "forgotten with power off");
}

#[test]
fn an_escalated_group_has_no_permit_until_its_power_was_off() {
    let mut driven = Driven::moving(&machine_plan());
    driven.bench.stop(0, Reaction::Stop2);
    assert!(driven.until(|power| matches!(power, Power::Quick { .. })).is_some());
    driven.bench.demands[0].stop = None;
    driven.speed = [0; 2];
    let mut cycles = 0;
    while driven.bench.gate.power(GroupId(0)) != Power::Off {
        assert!(!driven.bench.gate.permits()[0].motion);
        assert!(driven.bench.gate.permits()[1].motion, "the other group goes on");
        driven.cycle(|_| true, |_, track| Nano(track.position));
        cycles += 1;
    }
    assert!((1..600).contains(&cycles), "{cycles}");
}

#[test]
fn the_worst_stop_is_that_of_the_groups_own_order() {
    let mut plan = machine_plan();
    plan.groups[1].stop.order = StopOrder::Category1Worst;
    let mut bench = Bench::with(&plan);
    let mut demand = GroupDemand::NONE;
    demand.stop = Some(Stop { reaction: Reaction::Stop0, interlock: InterlockId(0), input_at: 1 });
    for (group, worst) in [(0, Reaction::Stop0), (1, Reaction::Stop1)] {
        let group = &mut bench.gate.groups[group];
        assert_eq!(group.worst_stop(&demand, false), Some(Reaction::Stop0));
        assert_eq!(group.worst_stop(&demand, true), Some(worst), "the end asks for category 1");
        group.lost = true;
        assert_eq!(group.worst_stop(&demand, false), Some(worst), "so does a lost drive");
        assert_eq!(group.worst_stop(&GroupDemand::NONE, false), Some(Reaction::Stop1));
    }
}

#[test]
fn an_order_ranks_every_reaction_once() {
    let all = [
        Reaction::None,
        Reaction::Warn,
        Reaction::LimitSpeed(Nano(1)),
        Reaction::Stop2,
        Reaction::Stop1,
        Reaction::Stop0,
    ];
    let ranks = |order: StopOrder| all.map(|reaction| order.rank(reaction));
    assert_eq!(ranks(StopOrder::Category0Worst), [0, 1, 2, 3, 4, 5]);
    assert_eq!(ranks(StopOrder::Category1Worst), [0, 1, 2, 3, 5, 4]);
    let order = StopOrder::Category1Worst;
    assert_eq!(order.worst(Reaction::Stop0, Reaction::Stop1), Reaction::Stop1);
    assert_eq!(order.worst(Reaction::Stop1, Reaction::Stop0), Reaction::Stop1);
    let limit = Reaction::LimitSpeed(Nano(5));
    assert_eq!(order.worst(limit, Reaction::LimitSpeed(Nano(1))), limit, "of equals the first");
}

#[test]
fn torque_above_the_limit_of_the_drive_for_longer_than_it_overshoots_stops_the_machine() {
    let mut plan = machine_plan();
    plan.axes[0].limits.torque_permille = Some(1000);
    let torque = |permille: i16, cycles: u32| {
        let mut bench = Bench::with(&plan);
        for _ in 0..3 {
            bench.cycle(|_, track| Nano(track.position));
        }
        bench.facts[0].view.torque_permille = permille;
        for _ in 0..cycles {
            bench.cycle(|_, track| Nano(track.position));
        }
        // In a part of the rated torque: 1 is rated.
        let limit = Nano(1_000_000_000);
        let told = |event: &&Event| {
            let pulled = i64::from(permille).abs() * 1_000_000;
            let (axis, asked) = (AxisId(0), Nano(pulled));
            let violation =
                Event::GateViolation { axis, limit: GateLimit::Torque, asked, allowed: limit };
            **event == violation
        };
        (bench.gate.take_fault(), bench.kept.events().iter().filter(told).count())
    };
    assert_eq!(torque(1050, 500), (None, 0), "a twentieth is tolerated");
    assert_eq!(torque(-1051, 20), (None, 0), "20 ms are");
    assert_eq!(torque(1051, 21), (Some(SafeCause::Gate(AxisId(0))), 1));
    assert_eq!(torque(-1051, 500), (Some(SafeCause::Gate(AxisId(0))), 1), "told once");
    assert_eq!(torque(i16::MIN, 21).1, 1);
}

#[test]
fn a_load_that_moves_without_torque_is_told_once() {
    let mut plan = machine_plan();
    plan.axes[1].vertical = true;
    plan.axes[1].brake =
        Some(BrakePlan { release: None, engage_ns: 1_000_000, release_ns: 1_000_000 });
    let fallen = |axis: usize, by: i64| {
        let mut bench = Bench::with(&plan);
        bench.machine = MachineState::Safe;
        bench.cycle(|_, _| Nano(0));
        while bench.gate.power(GroupId(0)) != Power::Off {
            bench.cycle(|_, _| Nano(0));
        }
        bench.cycle(|_, _| Nano(0));
        bench.facts[axis].position = Nano(250 * MM - by);
        for _ in 0..5 {
            bench.cycle(|_, _| Nano(0));
        }
        let told =
            |event: &&Event| matches!(event, Event::GateViolation { limit: GateLimit::Fall, .. });
        (bench.gate.take_fault(), bench.kept.events().iter().filter(told).count())
    };
    // Its following error limit: 5 mm.
    assert_eq!(fallen(1, 5 * MM), (None, 0));
    assert_eq!(fallen(1, 5 * MM + 1), (Some(SafeCause::Gate(AxisId(1))), 1));
    assert_eq!(fallen(1, -6 * MM).1, 1, "upwards too: something moves it");
    assert_eq!(fallen(0, 50 * MM), (None, 0), "what does not hang may be pushed");
}

#[test]
fn a_way_that_is_closed_stops_what_goes_there_and_refuses_what_asks_for_it() {
    let closed = Directions { negative: true, positive: false };
    // A limit switch is hit on the way: the ramp, and nobody is to blame.
    let mut bench = Bench::permitted();
    bench.speed_up(60);
    bench.facts[0].directions = closed;
    bench.cycle(coast);
    assert!(bench.gate.is_ramping(GroupId(0)));
    assert_eq!(bench.gate.take_fault(), None);
    while bench.gate.is_ramping(GroupId(0)) {
        bench.cycle(elsewhere);
    }
    // Back is free.
    bench.cycle(|_, track| Nano(track.position));
    bench.cycle(|_, track| Nano(track.position - 50_000));
    assert_eq!(bench.gate.take_fault(), None);
    // On is not.
    let mut bench = Bench::permitted();
    bench.facts[0].directions = closed;
    bench.cycle(|_, track| Nano(track.position + 1));
    assert_eq!(bench.gate.take_fault(), None, "rounding has no direction");
    bench.cycle(|_, track| Nano(track.position + 2));
    assert_eq!(bench.gate.take_fault(), Some(SafeCause::Gate(AxisId(0))));
    let told = |event: &Event| {
        let limit = GateLimit::Direction;
        matches!(event, Event::GateViolation { axis: AxisId(0), limit: l, .. } if *l == limit)
    };
    assert!(bench.kept.events().iter().any(told));
}

#[test]
fn an_axis_of_one_way_is_never_sent_the_other() {
    let mut plan = machine_plan();
    plan.axes[2].limits.direction = Directions { negative: false, positive: true };
    for (by, fault) in [(50_000, None), (-50_000, Some(SafeCause::Gate(AxisId(2))))] {
        let mut bench = Bench::with(&plan);
        for _ in 0..3 {
            bench.cycle(|_, track| Nano(track.position));
        }
        bench.cycle(|axis, track| Nano(track.position + if axis.0 == 2 { by } else { 0 }));
        assert_eq!(bench.gate.take_fault(), fault);
    }
}

/// Axis 1 hangs on a brake that its drive works, and the machine is safe for 60 cycles; `obeys`: the drive gives its torque up.
fn hanging(obeys: bool) -> Bench {
    let mut plan = machine_plan();
    plan.axes[1].vertical = true;
    plan.axes[1].brake =
        Some(BrakePlan { release: None, engage_ns: 1_000_000, release_ns: 1_000_000 });
    let mut bench = Bench::with(&plan);
    bench.machine = MachineState::Safe;
    for _ in 0..60 {
        bench.cycle(|_, _| Nano(0));
        if obeys && matches!(bench.gate.power(GroupId(0)), Power::Braking { .. }) {
            bench.facts[1].view.enabled = false;
        }
    }
    bench
}

#[test]
// SR-023
fn a_drive_that_ignores_its_disabling_is_not_without_voltage_at_once() {
    let bench = hanging(false);
    assert!(matches!(bench.gate.power(GroupId(0)), Power::Cutting { .. }));
}

#[test]
fn a_new_origin_is_no_motion_of_what_hangs_and_none_of_what_stops() {
    let mut bench = hanging(true);
    assert_eq!(bench.gate.power(GroupId(0)), Power::Off);
    bench.gate.axes[1].shift(77 * MM);
    bench.facts[1].position = Nano(327 * MM);
    bench.cycle(|_, _| Nano(0));
    assert_eq!(bench.gate.take_fault(), None);
}

/// Cycles from the brakes' command until torque goes, if nobody hears axis `unheard` for the first `cycles` of them. Axis 1 hangs.
fn torque_stays(unheard: usize, cycles: u32, brake: bool) -> u32 {
    let mut plan = machine_plan();
    plan.axes[1].vertical = brake;
    for axis in &mut plan.axes[..2] {
        let ms = 1_000_000;
        let release = Some(crate::SignalId(9));
        axis.brake = brake.then_some(BrakePlan { release, engage_ns: 20 * ms, release_ns: 5 * ms });
    }
    let mut bench = Bench::with(&plan);
    for _ in 0..10 {
        bench.cycle(|_, track| Nano(track.position));
    }
    assert!(bench.gate.all_permitted());
    bench.stop(0, Reaction::Stop1);
    let braking = |bench: &Bench| matches!(bench.gate.power(GroupId(0)), Power::Braking { .. });
    for _ in 0..10 {
        if !braking(&bench) {
            bench.cycle(|_, _| Nano(0));
        }
    }
    assert!(braking(&bench));
    let mut lasted = 0;
    while braking(&bench) && lasted < 1_000 {
        bench.facts[unheard].view.inputs_good = lasted >= cycles;
        bench.cycle(|_, _| Nano(0));
        lasted += 1;
    }
    assert_eq!(bench.gate.power(GroupId(0)), Power::Off);
    lasted
}

#[test]
// SR-023
fn what_hangs_and_is_not_heard_keeps_its_torque_until_the_brake_has_had_its_time() {
    assert_eq!(torque_stays(1, 0, true), 20);
    assert_eq!(torque_stays(1, 77, true), 77 + 20);
    assert_eq!(torque_stays(1, 250, true), 250 + 20);
    assert_eq!(torque_stays(1, 10_000, true), 250 + 20, "a drive that is gone is not waited for");
    assert_eq!(torque_stays(0, 77, true), 20, "what does not hang does not fall");
    assert_eq!(torque_stays(1, 77, false), 1, "without a brake nothing is waited for");
}
