//! The whole core on simulated drives.

use super::*;
use crate::bus::{BusState, Exchange};
use crate::cycle::Command;
use crate::plan::{
    Action, AxisId, Cause, Condition, DualChannelKind, Effect, InterlockId, InterlockPlan,
    OutputPlan, OutputSource, Reaction, StepPlan, StrandPlan, When,
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

/// A CiA 402 drive that follows its target with a lag of four cycles.
#[derive(Clone, Debug, Default)]
struct Drive {
    state: u8,
    counts: i64,
    fault: bool,
    reset_before: bool,
    /// It takes no controlword any more.
    stuck: bool,
    /// Without torque it goes on, at first as fast as it was.
    coasts: bool,
    /// Counts of the last cycle.
    speed: i64,
}

impl Drive {
    fn cycle(&mut self, controlword: i64, target: i64) {
        let controlword = if self.stuck { 0xF } else { controlword };
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
            let left = target - self.counts;
            self.speed = if left.abs() < 4 { left } else { left / 4 };
        } else if self.coasts {
            self.speed -= self.speed.signum() * self.speed.abs().min(4);
        } else {
            self.speed = 0;
        }
        self.counts += self.speed;
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

#[derive(Clone)]
struct Bench {
    core: Core<Sequence>,
    signals: Signals,
    drives: [Drive; 3],
    kept: Kept,
    now: u64,
    cycle: u64,
    shutdown: bool,
    /// Nothing comes back from the bus any more.
    link_down: bool,
    /// Periods skipped before the next cycle.
    skipped: u32,
    vision: VisionInputs,
}

fn interlock(cause: Cause, groups: &[u8], reaction: Reaction, latch: bool) -> InterlockPlan {
    let effects = groups.iter().map(|group| Effect { group: GroupId(*group), reaction }).collect();
    let blocks = Box::default();
    InterlockPlan { cause, effects, latch, when: When::Always, outputs: Box::default(), blocks }
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
    let (safe, hold) = (0, false);
    let group = Some(GroupId(0));
    plan.outputs = Box::new([
        OutputPlan { signal: PUMP, safe, hold, group, source: OutputSource::Program },
        OutputPlan { signal: LAMP, safe, hold, group: None, source: OutputSource::Running },
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
            link_down: false,
            skipped: 0,
            vision: [Received::default(); STREAMS_MAX],
        }
    }

    fn cycle(&mut self) {
        let skipped = core::mem::take(&mut self.skipped);
        self.now += 1_000_000 * (1 + u64::from(skipped));
        for (drive, base) in self.drives.iter_mut().zip([10_u16, 20, 30]) {
            let at = |n: u16| SignalId(base + n);
            if self.link_down {
                (3..7).for_each(|n| self.signals.age(at(n)));
                continue;
            }
            drive.cycle(self.signals.get(at(0)).value, self.signals.get(at(1)).value);
            self.signals.set(at(3), drive.statusword(), self.now);
            self.signals.set(at(4), drive.counts, self.now);
            self.signals.set(at(5), 8, self.now);
            self.signals.set(at(6), i64::from(drive.fault) * 0x7305, self.now);
        }
        let state = if self.link_down { BusState::Faulted } else { BusState::Operational };
        let exchange = Exchange { state, ..Exchange::default() };
        let inputs = StepInputs {
            now: self.now,
            cycle: self.cycle,
            exchange,
            skipped,
            latency_ns: 0,
            execution_ns: 0,
            vision: &self.vision,
            inspected: &[],
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

mod anything;
mod brakes;
mod late;
mod manual;
mod stories;
mod taped;

#[test]
// SR-050
fn an_axis_that_its_twin_cannot_calculate_with_has_no_good_inputs() {
    let mut plan = plan();
    plan.axes[1].model.inertia_kgm2 = f64::NAN;
    let mut bench = Bench::new(plan);
    bench.cycles(5);
    let shown = bench.core.status().axes;
    assert!(shown[0].inputs_good && !shown[1].inputs_good);
    assert!(bench.core.axes()[1].twin().refused() >= 5, "and each is counted");
}
