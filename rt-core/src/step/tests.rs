//! The whole core on simulated drives.

use super::*;
use crate::bus::{BusState, Exchange};
use crate::cycle::Command;
use crate::plan::{
    Action, AxisId, Cause, Condition, DualChannelKind, Effect, InterlockPlan, OutputPlan,
    OutputSource, Reaction, StepPlan, StrandPlan,
};
use crate::program::{GROUP_AXES_MAX, Sequence};
use crate::record::Record;
use crate::step::log::testing::Kept;
use crate::step::testing::{MM, RESET, START, STOP, machine_plan};
use crate::vision::{Received, STREAMS_MAX, StreamId};
use alloc::string::String;
use alloc::vec::Vec;

const ESTOP_A: SignalId = SignalId(3);
const ESTOP_B: SignalId = SignalId(4);
const GUARD: SignalId = SignalId(5);
const PUMP: SignalId = SignalId(6);
const LAMP: SignalId = SignalId(7);
const PART: SignalId = SignalId(8);
const ESTOP: u16 = 0;
const TWIN_ZONE: u16 = 2;
const LIMIT_SPEED: u16 = 3;

/// A CiA 402 drive that follows its target one cycle late.
#[derive(Clone, Debug, Default)]
struct Drive {
    state: u8,
    counts: i64,
    fault: bool,
    reset_before: bool,
}

impl Drive {
    fn cycle(&mut self, controlword: i64, target: i64) {
        let reset = controlword & 0x80 != 0;
        if self.fault {
            if reset && !self.reset_before {
                self.fault = false;
            }
            self.state = 0;
        } else {
            self.state = match (self.state, controlword & 0xF) {
                (0, 0x6) => 1,
                (1, 0x7) => 2,
                (2 | 3, 0xF) => 3,
                (state, 0x6 | 0x7 | 0xF) => state.min(1),
                (_, _) => 0,
            };
        }
        self.reset_before = reset;
        if self.state == 3 {
            self.counts = target;
        }
    }

    fn statusword(&self) -> i64 {
        match (self.fault, self.state) {
            (true, _) => 0x08,
            (false, 0) => 0x40,
            (false, 1) => 0x21,
            (false, 2) => 0x23,
            (false, _) => 0x1027,
        }
    }
}

struct Bench {
    core: Core<Sequence>,
    signals: Signals,
    drives: [Drive; 3],
    kept: Kept,
    now: u64,
    cycle: u64,
    shutdown: bool,
}

fn interlock(cause: Cause, groups: &[u8], reaction: Reaction, latch: bool) -> InterlockPlan {
    let effects = groups.iter().map(|group| Effect { group: GroupId(*group), reaction }).collect();
    InterlockPlan { cause, effects, latch }
}

fn linear(target: [i64; 2], velocity: i64) -> Request {
    let mut point = [None; GROUP_AXES_MAX];
    point[0] = Some(Nano(target[0] * MM));
    point[1] = Some(Nano(target[1] * MM));
    Request::MoveLinear { group: GroupId(0), target: point, velocity: Nano(velocity * MM) }
}

fn step(action: Action) -> StepPlan {
    StepPlan { action, timeout_ns: None }
}

fn plan() -> MachinePlan {
    let mut plan = machine_plan();
    let estop = Cause::DualChannel {
        a: ESTOP_A,
        b: ESTOP_B,
        discrepancy_ns: 100_000_000,
        kind: DualChannelKind::EmergencyStop,
    };
    let zone = Cause::TwinZone {
        axis: AxisId(0),
        stream: StreamId(0),
        zone: 0,
        from: Nano(300 * MM),
        to: Nano(450 * MM),
    };
    let mut rows = alloc::vec![
        interlock(estop, &[0, 1], Reaction::Stop1, true),
        interlock(Cause::Bus, &[0, 1], Reaction::Stop1, true),
        interlock(zone, &[], Reaction::Stop2, false),
        interlock(Cause::Input { signal: GUARD }, &[0], Reaction::LimitSpeed(Nano(50 * MM)), false),
    ];
    for (axis, group) in [(0, 0), (1, 0), (2, 1)] {
        let axis = AxisId(axis);
        rows.push(interlock(Cause::DriveFault { axis }, &[group], Reaction::Stop1, true));
        rows.push(interlock(Cause::FollowingError { axis }, &[group], Reaction::Stop1, true));
        rows.push(interlock(Cause::TargetIgnored { axis }, &[group], Reaction::Stop1, true));
        rows.push(interlock(Cause::TwinLimit { axis }, &[group], Reaction::Stop2, true));
    }
    // The belt has no soft limits: unknown would be a demand.
    rows.pop();
    plan.interlocks = rows.into_boxed_slice();
    plan.outputs = Box::new([
        OutputPlan {
            signal: PUMP,
            safe: 0,
            group: Some(GroupId(0)),
            source: OutputSource::Program,
        },
        OutputPlan { signal: LAMP, safe: 0, group: None, source: OutputSource::Running },
    ]);
    let picks = alloc::vec![
        step(Action::Do(Request::Home { axis: AxisId(0) })),
        step(Action::Do(Request::Home { axis: AxisId(1) })),
        step(Action::Do(Request::Output { signal: PUMP, value: 1 })),
        step(Action::Do(linear([400, 100], 500))),
        step(Action::Do(linear([20, 300], 500))),
    ];
    let belt = Request::MoveVelocity { axis: AxisId(2), velocity: Nano(200 * MM) };
    let feed = alloc::vec![
        step(Action::Do(Request::Home { axis: AxisId(2) })),
        step(Action::Start(belt)),
        StepPlan {
            action: Action::WaitFor(Condition {
                signal: PART,
                compare: crate::plan::Compare::Equal,
                value: 1,
            }),
            timeout_ns: Some(60_000_000_000),
        },
    ];
    plan.program.strands = alloc::vec![
        StrandPlan { steps: picks, restart_at: Some(3) },
        StrandPlan { steps: feed, restart_at: Some(2) },
    ];
    plan
}

impl Bench {
    fn new(plan: MachinePlan) -> Self {
        let mut signals = Signals::new(usize::from(plan.signal_count));
        for (signal, value) in
            [(RESET, 0), (START, 0), (STOP, 1), (ESTOP_A, 1), (ESTOP_B, 1), (GUARD, 1), (PART, 0)]
        {
            signals.set(signal, value, 1);
        }
        let program = Sequence::new(&plan);
        let core = Core::new(plan, program).unwrap();
        Self {
            core,
            signals,
            drives: Default::default(),
            kept: Kept::default(),
            now: 1_000_000_000,
            cycle: 0,
            shutdown: false,
        }
    }

    fn cycle(&mut self) {
        self.now += 1_000_000;
        for (drive, base) in self.drives.iter_mut().zip([10_u16, 20, 30]) {
            let at = |n: u16| SignalId(base + n);
            drive.cycle(self.signals.get(at(0)).value, self.signals.get(at(1)).value);
            self.signals.set(at(3), drive.statusword(), self.now);
            self.signals.set(at(4), drive.counts, self.now);
            self.signals.set(at(5), 8, self.now);
            self.signals.set(at(6), i64::from(drive.fault) * 0x7305, self.now);
        }
        let exchange = Exchange { state: BusState::Operational, ..Exchange::default() };
        let inputs = StepInputs {
            now: self.now,
            cycle: self.cycle,
            exchange,
            skipped: 0,
            latency_ns: 0,
            execution_ns: 0,
            vision: &[Received::default(); STREAMS_MAX],
            command: Command { shutdown: self.shutdown, supervisor_at: self.now },
        };
        self.core.step(&inputs, &mut self.signals, &mut self.kept);
        self.cycle += 1;
    }

    fn cycles(&mut self, count: u32) {
        for _ in 0..count {
            self.cycle();
        }
    }

    fn set(&mut self, signal: SignalId, value: i64) {
        self.signals.set(signal, value, self.now);
    }

    fn press(&mut self, button: SignalId) {
        self.set(button, 1);
        self.cycles(200);
        self.set(button, 0);
        self.cycles(2);
    }

    /// Homed, and on its way.
    fn running(plan: MachinePlan) -> Self {
        let mut bench = Self::new(plan);
        bench.cycles(5);
        bench.press(RESET);
        bench.press(START);
        bench.cycles(600);
        assert_eq!(bench.machine(), MachineState::Run, "{:#?}", bench.kept.events());
        assert!(bench.core.status().axes[..3].iter().all(|axis| axis.referenced));
        bench
    }

    fn machine(&self) -> MachineState {
        self.core.status().machine
    }

    /// Runs on until axis 0 is faster than this, mm/s.
    fn until_fast(&mut self, speed: f64) {
        for _ in 0..3000 {
            self.cycle();
            if self.core.axes()[0].commanded_velocity().abs() > speed {
                return;
            }
        }
        panic!("it does not move: {:?}", self.kept.events());
    }

    fn enabled(&self) -> Vec<bool> {
        self.drives.iter().map(|drive| drive.state == 3).collect()
    }

    fn no_violation(&self) {
        let violated = |event: &Event| matches!(event, Event::GateViolation { .. });
        let events = self.kept.events();
        assert!(!events.iter().any(violated), "{events:?}");
    }
}

#[test]
fn it_homes_runs_is_stopped_and_goes_on_only_after_reset_and_start() {
    let mut bench = Bench::running(plan());
    bench.until_fast(300.0);
    assert_eq!((bench.signals.get(PUMP).value, bench.signals.get(LAMP).value), (1, 1));
    let tripped_at = bench.now;
    bench.set(ESTOP_A, 0);
    bench.set(ESTOP_B, 0);
    bench.cycle();
    assert_eq!((bench.signals.get(PUMP).value, bench.signals.get(LAMP).value), (0, 0));
    bench.cycles(400);
    assert_eq!(bench.enabled(), [false; 3], "stop category 1 ends without power");
    let events = bench.kept.events();
    let trips: Vec<_> = events
        .iter()
        .filter_map(|event| match event {
            Event::Trip { interlock, group, reaction, input_at, .. } => {
                Some((interlock.0, group.0, *reaction, *input_at))
            }
            _ => None,
        })
        .collect();
    let trip = |group| (ESTOP, group, Reaction::Stop1, tripped_at);
    assert_eq!(trips, [trip(0), trip(1)]);
    let mut stops = 0;
    for event in &events {
        if let Event::Stopped { distance, predicted, group, .. } = event {
            assert!(distance <= predicted, "{event:?}");
            assert!(distance.0 > MM, "group {group:?} moved when it tripped");
            stops += 1;
        }
    }
    assert_eq!(stops, 2);

    bench.press(START);
    bench.press(RESET);
    assert_eq!(bench.machine(), MachineState::Safe, "the emergency stop is still pressed");
    bench.set(ESTOP_A, 1);
    bench.set(ESTOP_B, 1);
    bench.press(START);
    assert_eq!(bench.machine(), MachineState::Safe, "no start without reset");
    bench.press(RESET);
    bench.cycles(500);
    assert_eq!(bench.machine(), MachineState::AwaitStart);
    assert_eq!(bench.enabled(), [false; 3], "a reset moves nothing");
    bench.press(START);
    bench.until_fast(300.0);
    bench.cycles(100);
    assert!(bench.core.axes()[2].commanded_velocity() > 199.0, "the belt goes on too");
    bench.no_violation();
}

#[test]
fn the_controlled_end_stops_the_axes_takes_power_and_then_finishes() {
    let mut bench = Bench::running(plan());
    bench.until_fast(300.0);
    bench.shutdown = true;
    let mut before = bench.core.axes()[0].commanded_velocity();
    for _ in 0..1000 {
        bench.cycle();
        let now = bench.core.axes()[0].commanded_velocity();
        assert!(before - now <= 10.1, "never harder than the ramp: {before} {now}");
        before = now;
        if bench.core.finished() {
            break;
        }
    }
    assert!(bench.core.finished());
    assert_eq!(bench.enabled(), [false; 3]);
    assert_eq!((bench.signals.get(PUMP).value, bench.signals.get(LAMP).value), (0, 0));
    assert!(bench.kept.events().contains(&Event::ShutdownDone));
    bench.no_violation();
}

#[test]
fn a_drive_fault_is_cleared_by_a_reset_and_by_nothing_else() {
    let mut bench = Bench::running(plan());
    bench.until_fast(300.0);
    bench.drives[1].fault = true;
    bench.cycles(500);
    assert_eq!(bench.machine(), MachineState::Safe);
    assert_eq!(
        bench.enabled(),
        [false, false, true],
        "the belt is another group: it stands with power"
    );
    assert!(bench.drives[1].fault, "nobody has reset");
    let fault = Event::DriveFault { axis: AxisId(1), code: 0x7305 };
    assert!(bench.kept.events().contains(&fault));
    bench.press(RESET);
    bench.cycles(50);
    assert!(!bench.drives[1].fault);
    assert_eq!(bench.machine(), MachineState::AwaitStart);
    bench.press(START);
    bench.until_fast(300.0);
}

#[test]
fn a_speed_limit_slows_the_group_and_lets_it_go_by_itself() {
    let mut bench = Bench::running(plan());
    bench.until_fast(300.0);
    bench.set(GUARD, 0);
    bench.cycles(500);
    let path_speed = |bench: &Bench| {
        let [x, y] = [0, 1].map(|axis| bench.core.axes()[axis].commanded_velocity());
        x * x + y * y
    };
    for _ in 0..500 {
        bench.cycle();
        assert!(path_speed(&bench) <= 50.01 * 50.01);
    }
    assert!(bench.core.status().groups[0].speed_limit == Nano(50 * MM));
    bench.set(GUARD, 1);
    bench.until_fast(300.0);
    assert_eq!(bench.machine(), MachineState::Run);
    bench.no_violation();
    assert!(
        bench
            .kept
            .events()
            .contains(&Event::Demand { interlock: crate::plan::InterlockId(LIMIT_SPEED) })
    );
}

#[test]
fn the_twin_slows_and_stops_an_axis_before_a_zone_that_is_not_clear() {
    let mut plan = plan();
    plan.interlocks[usize::from(TWIN_ZONE)].effects =
        Box::new([Effect { group: GroupId(0), reaction: Reaction::Stop2 }]);
    // No camera: the zone is never clear. An axis without reference could not even home then.
    plan.axes[0].homing = crate::plan::HomingPlan::Kept { offset: Nano(20 * MM) };
    plan.program.strands[0].steps[0] = step(Action::Wait(0));
    plan.program.strands[0].steps[3] = step(Action::Do(linear([299, 100], 500)));
    let mut bench = Bench::new(plan);
    bench.cycles(5);
    bench.press(RESET);
    bench.press(START);
    let mut furthest = Nano::ZERO;
    let mut fastest = 0.0_f64;
    for _ in 0..4000 {
        bench.cycle();
        let axis = &bench.core.axes()[0];
        if axis.is_referenced() {
            furthest = furthest.max(axis.position());
            let speed = axis.commanded_velocity();
            fastest = if speed > fastest { speed } else { fastest };
        }
    }
    assert!(fastest > 200.0, "it moved: {fastest}");
    assert!(furthest > Nano(250 * MM) && furthest < Nano(300 * MM), "{furthest:?}");
    let slowed = |event: &Event| matches!(event, Event::SpeedLimit { group: GroupId(0), limit } if *limit < Nano::MAX);
    assert!(bench.kept.events().iter().any(slowed));
    bench.no_violation();
}

#[test]
fn the_same_inputs_give_the_same_records_and_outputs() {
    let run = || {
        let mut bench = Bench::running(plan());
        bench.set(ESTOP_A, 0);
        bench.cycles(300);
        (format(&bench.kept.0), format(&bench.signals))
    };
    let (first, second) = (run(), run());
    assert!(first.0.len() > 100_000);
    assert!(first == second);
}

fn format(what: &impl core::fmt::Debug) -> String {
    alloc::format!("{what:?}")
}

#[test]
fn every_signal_is_recorded_when_it_changes_and_once_a_second() {
    let mut bench = Bench::new(plan());
    bench.cycles(2100);
    let told = |records: &[Record], wanted: SignalId| {
        records
            .iter()
            .filter(|record| {
                matches!(record.body, crate::record::Body::Signal { signal, .. } if signal == wanted)
            })
            .count()
    };
    assert_eq!(told(&bench.kept.0, GUARD), 4, "first seen, then each second");
    bench.set(GUARD, 0);
    bench.cycle();
    assert_eq!(told(&bench.kept.0, GUARD), 5);
    let per_cycle = bench.kept.0.iter().filter(|record| record.cycle == 2000).count();
    assert!(per_cycle >= 4, "three axes and the cycle itself: {per_cycle}");
}

/// An axis that hangs: its brake is on output 9.
fn vertical_plan(reaction: Reaction) -> MachinePlan {
    let mut plan = plan();
    plan.axes[1].vertical = true;
    plan.axes[1].brake = Some(crate::plan::BrakePlan {
        release: Some(BRAKE),
        engage_ns: 40_000_000,
        release_ns: 30_000_000,
    });
    for effect in &mut plan.interlocks[usize::from(ESTOP)].effects {
        effect.reaction = reaction;
    }
    plan
}

const BRAKE: SignalId = SignalId(9);

#[test]
fn a_hanging_axis_is_held_by_torque_or_by_its_brake_at_every_moment() {
    for reaction in [Reaction::Stop1, Reaction::Stop0] {
        let mut bench = Bench::running(vertical_plan(reaction));
        bench.until_fast(300.0);
        assert_eq!(bench.signals.get(BRAKE).value, 1);
        bench.set(ESTOP_A, 0);
        bench.set(ESTOP_B, 0);
        let (mut engaged_at, mut off_at, mut others_off_at) = (None, None, None);
        for n in 0..600 {
            bench.cycle();
            if bench.signals.get(BRAKE).value == 0 {
                engaged_at.get_or_insert(n);
            }
            if bench.signals.get(SignalId(20)).value & 0xF != 0xF {
                off_at.get_or_insert(n);
            }
            if bench.signals.get(SignalId(10)).value & 0xF != 0xF {
                others_off_at.get_or_insert(n);
            }
        }
        let (engaged, off, others) = (engaged_at.unwrap(), off_at.unwrap(), others_off_at.unwrap());
        assert_eq!(off - engaged, 40, "{reaction:?}: torque stays until the brake holds");
        match reaction {
            Reaction::Stop0 => assert_eq!((engaged, others), (0, 0), "at once"),
            _ => assert!(engaged > 20 && others == off, "after the ramp: {engaged} {others}"),
        }
    }
}

#[test]
fn motion_waits_until_the_brake_is_free() {
    let mut bench = Bench::new(vertical_plan(Reaction::Stop1));
    bench.cycles(5);
    bench.press(RESET);
    bench.set(START, 1);
    let (mut released_at, mut permit_at) = (None, None);
    for n in 0..300 {
        bench.cycle();
        if bench.signals.get(BRAKE).value == 1 {
            assert_eq!(bench.drives[1].state, 3, "never without torque");
            released_at.get_or_insert(n);
        }
        if bench.core.status().groups[0].permit {
            permit_at.get_or_insert(n);
        }
    }
    assert_eq!(permit_at.unwrap() - released_at.unwrap(), 30);
}

/// What a person, a wire or a drive does in a fuzzed run.
#[derive(Clone, Copy, Debug)]
enum Act {
    Toggle(u16),
    Press(u16),
    Fault(usize),
    Lost,
    Pause(u32),
}

fn acts() -> impl proptest::strategy::Strategy<Value = Vec<Act>> {
    use proptest::prelude::*;
    let act = prop_oneof![
        (2_u16..=5).prop_map(Act::Toggle),
        (0_u16..=1).prop_map(Act::Press),
        (0_u16..=1).prop_map(Act::Press),
        (0_usize..3).prop_map(Act::Fault),
        Just(Act::Lost),
        (1_u32..400).prop_map(Act::Pause),
        (1_u32..400).prop_map(Act::Pause),
    ];
    proptest::collection::vec(act, 1..40)
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(40))]

    /// Whatever happens around the machine: what reaches a drive that follows holds the limits, nothing runs without a cause to,
    /// a brake is never let go without torque, and there is always a way back.
    #[test]
    fn nothing_that_happens_breaks_a_limit_or_starts_the_machine_by_itself(acts in acts()) {
        let mut bench = Bench::running(vertical_plan(Reaction::Stop0));
        let mut watch = Watch::default();
        for act in acts {
            match act {
                Act::Toggle(signal) => {
                    let value = bench.signals.get(SignalId(signal)).value;
                    bench.set(SignalId(signal), 1 - value);
                    watch.cycles(&mut bench, 3);
                }
                Act::Press(button) => {
                    bench.set(SignalId(button), 1);
                    watch.pressed(button);
                    watch.cycles(&mut bench, 120);
                    bench.set(SignalId(button), 0);
                    watch.cycles(&mut bench, 2);
                }
                Act::Fault(drive) => {
                    bench.drives[drive].fault = true;
                    watch.cycles(&mut bench, 5);
                }
                Act::Lost => {
                    bench.signals.age(ESTOP_A);
                    watch.cycles(&mut bench, 1);
                    let value = bench.signals.get(ESTOP_A).value;
                    bench.set(ESTOP_A, value);
                }
                Act::Pause(cycles) => watch.cycles(&mut bench, cycles),
            }
        }
        for signal in [STOP, ESTOP_A, ESTOP_B, GUARD] {
            bench.set(signal, 0);
            bench.cycles(2);
        }
        for signal in [STOP, ESTOP_A, ESTOP_B, GUARD] {
            bench.set(signal, 1);
        }
        bench.cycles(1200);
        bench.press(RESET);
        bench.cycles(50);
        bench.press(START);
        proptest::prop_assert_eq!(bench.machine(), MachineState::Run);
        bench.until_fast(300.0);
    }
}

/// Looks at every cycle of a fuzzed run.
#[derive(Default)]
struct Watch {
    targets: [Vec<i64>; 3],
    machine: MachineState,
    start_pressed: bool,
}

impl Watch {
    fn pressed(&mut self, button: u16) {
        self.start_pressed |= SignalId(button) == START;
    }

    fn cycles(&mut self, bench: &mut Bench, count: u32) {
        for _ in 0..count {
            bench.cycle();
            let machine = bench.machine();
            if machine == MachineState::Run && self.machine == MachineState::AwaitStart {
                assert!(core::mem::take(&mut self.start_pressed), "nobody has pressed start");
            }
            self.machine = machine;
            let released = bench.signals.get(BRAKE).value == 1;
            assert!(!released || bench.core.axes()[1].is_enabled());
            for (axis, targets) in self.targets.iter_mut().enumerate() {
                // 10 000 counts a mm: 1000 mm/s are 10 000 counts a cycle, the ramp takes 100 a cycle².
                if !bench.core.axes()[axis].is_enabled() {
                    targets.clear();
                    continue;
                }
                let base = u16::try_from(10 + 10 * axis).unwrap();
                targets.push(bench.signals.get(SignalId(base + 1)).value);
                if let [.., a, b, c] = targets[..] {
                    assert!((c - b).abs() <= 10_001, "velocity of {axis}: {a} {b} {c}");
                    assert!((c - 2 * b + a).abs() <= 103, "acceleration of {axis}: {a} {b} {c}");
                }
            }
        }
    }
}
