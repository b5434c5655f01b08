//! What the benches share: a machine of any number of axes with ideal drives, so that only `step` is measured
//! ([`Bench`]); a bus in virtual time ([`rig`]); and the demo cell ([`demo`]).

pub mod demo;
pub mod rig;

use rt_core::bus::{BusState, Exchange};
use rt_core::cycle::Command;
use rt_core::plan::{
    AxisId, AxisLimits, AxisModel, AxisPlan, AxisSignals, Cause, ControlPlan, Effect, GroupId,
    GroupPlan, HomingPlan, InterlockPlan, MachinePlan, OverrunPlan, ProgramPlan, Ratio, Reaction,
    StopPlan,
};
use rt_core::program::{AxisState, Program, Request, Requests, View};
use rt_core::signal::Signals;
use rt_core::step::{Core, Sink, StepInputs};
use rt_core::vision::VisionInputs;
use rt_core::{Record, SignalId};
use twin_lite::Nano;

const MM: i64 = 1_000_000_000;
const RESET: SignalId = SignalId(0);
const START: SignalId = SignalId(1);
const SIGNALS_PER_AXIS: u16 = 8;
const AXES_PER_GROUP: u8 = 8;
const PERIOD_NS: u64 = 1_000_000;

fn signal(axis: u8, n: u16) -> SignalId {
    SignalId(2 + SIGNALS_PER_AXIS * u16::from(axis) + n)
}

fn axis_plan(number: u8) -> AxisPlan {
    let at = |n| signal(number, n);
    AxisPlan {
        group: GroupId(number / AXES_PER_GROUP),
        signals: AxisSignals {
            controlword: at(0),
            target_position: at(1),
            mode: Some(at(2)),
            statusword: at(3),
            actual_position: at(4),
            mode_display: Some(at(5)),
            actual_torque: Some(at(6)),
            following_error: None,
            error_code: Some(at(7)),
            digital_inputs: None,
            touch_probe_position: None,
        },
        counts_per_unit: Ratio { numerator: 10_000, denominator: 1 },
        wrap: Some(Nano(1000 * MM)),
        limits: AxisLimits {
            position: None,
            velocity: Nano(1000 * MM),
            acceleration: Nano(5000 * MM),
            jerk: Nano(100_000 * MM),
            velocity_unreferenced: Nano(100 * MM),
            following_error: Nano(5 * MM),
        },
        stop: StopPlan {
            ramp_deceleration: Nano(10_000 * MM),
            quick_stop_deceleration: Nano(20_000 * MM),
            watchdog_ns: 100_000_000,
        },
        brake: None,
        vertical: false,
        homing: HomingPlan::Kept { offset: Nano::ZERO },
        keeps: None,
        model: AxisModel {
            units_per_radian: 3.0,
            inertia_kgm2: 1e-3,
            rated_torque_nm: 2.0,
            peak_torque_nm: 60.0,
            viscous_nms: 1e-3,
            coulomb_nm: 0.05,
            gravity_nm: 0.0,
            response_ns: 4_000_000,
            margin: 1.0,
        },
    }
}

fn plan(axes: u8) -> MachinePlan {
    let groups = axes.div_ceil(AXES_PER_GROUP);
    let members =
        |group: u8| (0..axes).filter(|axis| axis / AXES_PER_GROUP == group).map(AxisId).collect();
    let watch = |axis: u8, cause: Cause| InterlockPlan {
        cause,
        effects: Box::new([Effect {
            group: GroupId(axis / AXES_PER_GROUP),
            reaction: Reaction::Stop1,
        }]),
        latch: true,
    };
    let interlocks = (0..axes).flat_map(|n| {
        let axis = AxisId(n);
        [
            watch(n, Cause::DriveFault { axis }),
            watch(n, Cause::FollowingError { axis }),
            watch(n, Cause::TargetIgnored { axis }),
        ]
    });
    MachinePlan {
        period_ns: PERIOD_NS,
        config_hash: 1,
        signal_count: 2 + SIGNALS_PER_AXIS * u16::from(axes),
        axes: (0..axes).map(axis_plan).collect(),
        groups: (0..groups).map(|group| GroupPlan { axes: members(group) }).collect(),
        interlocks: interlocks.collect(),
        streams: Box::new([]),
        outputs: Box::new([]),
        control: ControlPlan {
            reset: RESET,
            start: START,
            stop: None,
            press_min_ns: 50_000_000,
            press_max_ns: 3_000_000_000,
        },
        overrun: OverrunPlan { demand: None },
        program: ProgramPlan::default(),
    }
}

/// Every axis turns at its own speed.
struct Turn {
    axes: u8,
}

impl Program for Turn {
    fn cycle(&mut self, view: View<'_>, requests: &mut dyn Requests) {
        let standing = view.axes.iter().take(usize::from(self.axes));
        for (axis, _) in (0..).zip(standing).filter(|(_, a)| a.state == AxisState::Standstill) {
            let velocity = Nano((200 + i64::from(axis)) * MM);
            let _ = requests.put(Request::MoveVelocity { axis: AxisId(axis), velocity });
        }
    }

    fn position(&self) -> u16 {
        0
    }
}

struct Count(u64);

impl Sink for Count {
    fn record(&mut self, _: Record) {
        self.0 += 1;
    }
}

/// A machine in `Run` with every axis turning.
pub struct Bench {
    core: Core<Turn>,
    signals: Signals,
    vision: VisionInputs,
    sink: Count,
    now: u64,
    cycle: u64,
    axes: u8,
}

impl Bench {
    /// `axes` axes, brought to `Run` and up to speed.
    ///
    /// # Panics
    /// When the machine does not get there: then nothing would be measured.
    #[must_use]
    pub fn running(axes: u8) -> Self {
        let core = Core::new(plan(axes), Turn { axes }).expect("the plan holds");
        let signals = Signals::new(usize::from(core.plan().signal_count));
        let vision = VisionInputs::default();
        let mut bench =
            Self { core, signals, vision, sink: Count(0), now: 1_000_000_000, cycle: 0, axes };
        for (button, from) in [(RESET, 100), (START, 400)] {
            for ms in 0..from + 300 {
                bench.signals.set(button, i64::from((from..from + 100).contains(&ms)), bench.now);
                let other = if button == RESET { START } else { RESET };
                bench.signals.set(other, 0, bench.now);
                bench.step();
            }
        }
        for _ in 0..2000 {
            bench.step();
        }
        let turning = bench.core.axes().iter().filter(|a| a.view().velocity > 100.0).count();
        assert_eq!(turning, usize::from(axes), "every axis turns");
        bench
    }

    /// One cycle: ideal drives, then `step`.
    pub fn step(&mut self) {
        self.drives();
        self.now += PERIOD_NS;
        let now = self.now;
        self.signals.set(RESET, self.signals.get(RESET).value, now);
        self.signals.set(START, self.signals.get(START).value, now);
        let inputs = StepInputs {
            now,
            cycle: self.cycle,
            exchange: Exchange {
                state: BusState::Operational,
                units_good: 1,
                units_all: 1,
                received_at: now,
                ..Exchange::default()
            },
            skipped: 0,
            latency_ns: 0,
            execution_ns: 0,
            vision: &self.vision,
            command: Command { shutdown: false, supervisor_at: now },
        };
        self.core.step(&inputs, &mut self.signals, &mut self.sink);
        self.cycle += 1;
    }

    /// Drives that obey at once: statusword by controlword, actual = target.
    fn drives(&mut self) {
        for axis in 0..self.axes {
            let controlword = self.signals.get(signal(axis, 0)).value;
            let statusword = match controlword & 0x0F {
                0x0F => 0x1227,
                0x07 => 0x0223,
                0x06 => 0x0221,
                _ => 0x0240,
            };
            let target = self.signals.get(signal(axis, 1)).value;
            for (n, value) in [(3, statusword), (4, target), (5, 8), (6, 100), (7, 0)] {
                self.signals.set(signal(axis, n), value, self.now);
            }
        }
    }
}
