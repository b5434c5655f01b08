//! What the benches share: machines of any number of axes ([`machine`]) with ideal drives, so that only `step` is measured
//! ([`Bench`]); a bus in virtual time ([`rig`]); the demo cell ([`demo`]); and what is counted in instructions ([`counted`]).

pub mod counted;
pub mod demo;
pub mod flight;
pub mod machine;
pub mod rig;

use rt_core::bus::{BusState, Exchange};
use rt_core::cycle::Command;
use rt_core::plan::AxisSignals;
use rt_core::program::{AxisState, Sequence};
use rt_core::record::MachineState;
use rt_core::signal::{SignalId, Signals};
use rt_core::step::{Core, Sink, StepInputs};
use rt_core::vision::{DATAGRAM_LENGTH, Received, STREAMS_MAX, VisionInputs, crc32};
use rt_core::{MachinePlan, Record};

/// Cycles within which the machine is at work.
const CYCLES_MAX: u64 = 5_000;
/// A camera's period, cycles.
const PICTURE_CYCLES: u64 = 40;
/// Reset and start are pressed from these cycles on, for [`PRESS_CYCLES`].
const RESET_AT: u64 = 100;
const START_AT: u64 = 300;
const PRESS_CYCLES: u64 = 100;
/// Ids of the generated file's only stream, and of its only zone.
const STREAM: u16 = 1;
const ZONE: u32 = 1;

struct Count(u64);

impl Sink for Count {
    fn record(&mut self, _: Record) {
        self.0 += 1;
    }
}

/// A machine of [`machine::file`] in `Run`: its own program, interlocks, motion, twin and gate; drives that obey at once.
pub struct Bench {
    core: Core<Sequence>,
    signals: Signals,
    vision: VisionInputs,
    estop: [SignalId; 2],
    sink: Count,
    now: u64,
    cycle: u64,
}

impl Bench {
    /// `axes` axes, brought to `Run`, homed and on their way.
    ///
    /// # Panics
    /// When the machine does not get there: then nothing would be measured.
    #[must_use]
    pub fn running(axes: usize) -> Self {
        let machine = config::load(&machine::file(axes), "generated").expect("a right file");
        let program = Sequence::new(&machine.plan);
        let estop = ["estop_a", "estop_b"].map(|name| machine.names.signal(name).expect("there"));
        let mut bench = Self {
            core: Core::new(machine.plan, program).expect("the plan holds"),
            signals: Signals::new(machine.bus.signals.len()),
            vision: [Received::default(); STREAMS_MAX],
            estop,
            sink: Count(0),
            now: 1_000_000_000,
            cycle: 0,
        };
        let moves = |bench: &Self| bench.moving() == axes;
        let is_at_work = (0..CYCLES_MAX).any(|_| {
            bench.step();
            moves(&bench)
        });
        let states: Vec<_> = bench.core.axes().iter().map(|axis| axis.state()).collect();
        assert!(is_at_work, "{} of {axes} axes move: {states:?}", bench.moving());
        bench
    }

    /// Axes that are homed and follow a set-point that moves.
    #[must_use]
    pub fn moving(&self) -> usize {
        let moving = [AxisState::ContinuousMotion, AxisState::SynchronizedMotion];
        let views = self.core.axes().iter().map(rt_core::Axis::view);
        views.filter(|axis| axis.referenced && moving.contains(&axis.state)).count()
    }

    /// The machine runs; nothing has stopped it.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.core.status().machine == MachineState::Run
    }

    /// Records that it has left so far.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.sink.0
    }

    /// One cycle: ideal drives, then `step`.
    pub fn step(&mut self) {
        self.surroundings();
        self.decide();
    }

    /// What the machine sees: drives that obey at once, an operator, a camera.
    pub fn surroundings(&mut self) {
        let plan = self.core.plan();
        let (now, cycle) = (self.now + plan.period_ns, self.cycle);
        let pressed = |from: u64| i64::from((from..from + PRESS_CYCLES).contains(&cycle));
        self.signals.set(plan.control.reset, pressed(RESET_AT), now);
        self.signals.set(plan.control.start, pressed(START_AT), now);
        for signal in self.estop {
            self.signals.set(signal, 1, now);
        }
        for axis in &plan.axes {
            obey(&axis.signals, &mut self.signals, now);
        }
        if cycle.is_multiple_of(PICTURE_CYCLES) {
            self.vision[0] = Received {
                bytes: picture(plan.config_hash, 1 + cycle / PICTURE_CYCLES, now),
                received_at: now,
                sequence_good: true,
                ..Received::default()
            };
        }
        self.now = now;
    }

    /// `step` alone.
    pub fn decide(&mut self) {
        let (now, cycle) = (self.now, self.cycle);
        let inputs = StepInputs {
            now,
            cycle,
            exchange: Exchange {
                state: BusState::Operational,
                units_good: u64::MAX,
                units_all: u64::MAX,
                received_at: now,
                ..Exchange::default()
            },
            skipped: 0,
            latency_ns: 0,
            execution_ns: 0,
            vision: &self.vision,
            inspected: &[],
            command: Command { shutdown: false, supervisor_at: now },
        };
        self.core.step(&inputs, &mut self.signals, &mut self.sink);
        self.cycle += 1;
    }

    /// What people may know of it.
    #[must_use]
    pub fn status(&self) -> &rt_core::step::Snapshot {
        self.core.status()
    }

    /// The machine as it was told.
    #[must_use]
    pub fn plan(&self) -> &MachinePlan {
        self.core.plan()
    }
}

/// A drive that obeys at once: statusword by controlword, actual = target.
fn obey(drive: &AxisSignals, signals: &mut Signals, now: u64) {
    let statusword = match signals.get(drive.controlword).value & 0x0F {
        0x0F => 0x1227,
        0x07 => 0x0223,
        0x06 => 0x0221,
        _ => 0x0240,
    };
    signals.set(drive.statusword, statusword, now);
    signals.set(drive.actual_position, signals.get(drive.target_position).value, now);
    let others = [
        (drive.mode_display, 8),
        (drive.actual_torque, 0),
        (drive.following_error, 0),
        (drive.error_code, 0),
        (drive.digital_inputs, 0),
        (drive.touch_probe_position, 0),
    ];
    for (signal, value) in others {
        if let Some(signal) = signal {
            signals.set(signal, value, now);
        }
    }
}

/// A datagram in which the zone is clear (docs/vision-channel.md).
fn picture(config_hash: u64, sequence: u64, captured_at: u64) -> [u8; DATAGRAM_LENGTH] {
    let mut bytes = [0; DATAGRAM_LENGTH];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0, b"TVIS");
    put(4, &[2, 1]);
    put(6, &STREAM.to_le_bytes());
    put(8, &config_hash.to_le_bytes());
    put(16, &sequence.to_le_bytes());
    put(24, &captured_at.to_le_bytes());
    put(36, &[100, 1, 0, 0]);
    put(40, &ZONE.to_le_bytes());
    let crc = crc32(&bytes[..DATAGRAM_LENGTH - 4]);
    bytes[DATAGRAM_LENGTH - 4..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use rt_core::plan::{AxisId, GroupId, GroupPlan};
    use rt_core::program::AXES_MAX;

    #[test]
    fn every_axis_moves_and_goes_on_moving() {
        for axes in [1, 4, AXES_MAX] {
            let mut bench = Bench::running(axes);
            let before: Vec<_> = bench.core.axes().iter().map(|a| a.view().position).collect();
            for _ in 0..1000 {
                bench.step();
            }
            assert!(bench.is_running(), "{axes} axes: {:?}", bench.core.status());
            assert_eq!(bench.moving(), axes);
            let still = bench.core.axes().iter().zip(&before);
            let still = still.filter(|(axis, before)| axis.view().position == **before).count();
            assert_eq!(still, 0, "axes of {axes} that stand");
            assert_eq!(bench.core.status().gate_violations, 0);
        }
    }

    #[test]
    fn each_of_the_most_axes_may_be_a_group_of_its_own() {
        let machine = config::load(&machine::file(AXES_MAX), "generated").expect("a right file");
        let mut plan = machine.plan;
        plan.interlocks = Box::new([]);
        plan.program = rt_core::plan::ProgramPlan::default();
        let stop = rt_core::plan::GroupStop::default();
        plan.groups = AxisId::all()
            .map(|axis| GroupPlan { axes: Box::new([axis]), stop })
            .take(AXES_MAX)
            .collect();
        for (axis, group) in plan.axes.iter_mut().zip(GroupId::all()) {
            axis.group = group;
        }
        let program = Sequence::new(&plan);
        let core = Core::new(plan, program).expect("the plan holds");
        assert_eq!(core.status().group_count, 256);
        let mut bench = Bench { core, ..Bench::running(1) };
        bench.signals = Signals::new(machine.bus.signals.len());
        bench.step();
        assert_eq!(bench.core.axes().len(), AXES_MAX);
        assert!(bench.core.axes().iter().all(|axis| axis.view().inputs_good), "all are heard");
    }
}
