//! Wake-ups that come late must not look like motion: the drives latch their positions at SYNC0, whenever the frame comes.
//!
//! The whole demo cell in virtual time: machine file, MainDevice, segment, world, program; only the clock wakes the loop up to 0.6 ms
//! late, as a shared machine does.

use config::Machine;
use fieldbus::link::InlineLink;
use fieldbus::{EtherCat, bring_up, time};
use rt_core::bus::{Exchange, Pace};
use rt_core::cycle::{Command, Cycle, Ports};
use rt_core::program::Sequence;
use rt_core::signal::Signals;
use rt_core::step::Core;
use rt_core::vision::VisionInputs;
use rt_core::{Bus, Record, SignalId};
use supervisor::cell::{Cell, HORIZON_NS};
use supervisor::vision::Judge;
use tactus_tests::machine;

const START_NS: u64 = 1_000_000_000;
/// Virtual time of a run: homing, work, a person.
const CYCLES: u32 = 15_000;
/// Latest wake-up, ns.
const LATE_MAX_NS: u64 = 600_000;

/// Wakes late, the same way in every run.
struct LateClock {
    late_max_ns: u64,
    random: u64,
}

impl rt_core::Clock for LateClock {
    fn now(&self) -> u64 {
        time::now()
    }

    fn sleep_until(&mut self, wake: u64) -> u64 {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let late = (self.random >> 33) % (self.late_max_ns + 1);
        time::advance_virtual(wake + late);
        time::now()
    }
}

/// The bus; or the same bus with the inputs as old as the frame that brought them, as if there were no SYNC0.
struct Stamped {
    inner: EtherCat<InlineLink<Cell>>,
    by_frame: Vec<SignalId>,
    received_at: u64,
}

impl Bus for Stamped {
    fn exchange(&mut self, now: u64, deadline: u64) -> Exchange {
        let exchange = self.inner.exchange(now, deadline);
        self.received_at = exchange.received_at;
        exchange
    }

    fn pace(&self) -> Pace {
        self.inner.pace()
    }

    fn decode(&mut self, signals: &mut Signals) {
        self.inner.decode(signals);
        for id in &self.by_frame {
            if let Some(value) = signals.good(*id) {
                signals.set(*id, value, self.received_at);
            }
        }
    }

    fn encode(&mut self, signals: &Signals) {
        self.inner.encode(signals);
    }
}

struct Outside {
    vision: VisionInputs,
}

impl Ports for Outside {
    fn vision(&mut self) -> &VisionInputs {
        &self.vision
    }

    fn command(&mut self) -> Command {
        Command { shutdown: false, supervisor_at: time::now() }
    }

    fn record(&mut self, _record: Record) {}
}

#[derive(Debug)]
struct Outcome {
    /// Largest torque that the twin could not explain, part of peak torque, of any axis.
    disturbance: f64,
    trips: u32,
    missed_sync0: u64,
    /// Farthest that an axis travelled, axis units: something moved.
    travelled: f64,
}

fn run(machine: &Machine, late_max_ns: u64, by_frame: bool) -> Outcome {
    let cell = Cell::new(machine, 1, START_NS, HORIZON_NS, None).expect("the demo cell");
    let inner = bring_up(InlineLink::new(cell, START_NS), &machine.bus, &mut |_| {})
        .unwrap_or_else(|error| panic!("{error}"));
    let begins = inner.aligned_start(time::now());
    time::advance_virtual(begins);
    let positions = machine.plan.axes.iter().map(|axis| axis.signals.actual_position);
    let by_frame = if by_frame { positions.collect() } else { Vec::new() };
    let bus = Stamped { inner, by_frame, received_at: 0 };
    let core = Core::new(machine.plan.clone(), Sequence::new(&machine.plan)).expect("a right plan");
    let mut judge = Judge::new(&machine.plan.streams, machine.hash64);
    let outside = Outside { vision: *judge.inputs() };
    let clock = LateClock { late_max_ns, random: 7 };
    let deadline_ns = machine.cycle.receive_deadline_ns;
    let mut cycle = Cycle::new(bus, clock, core, outside, deadline_ns);
    let mut outcome = Outcome { disturbance: 0.0, trips: 0, missed_sync0: 0, travelled: 0.0 };
    for _ in 0..CYCLES {
        cycle.run_one();
        while let Some(bytes) = cycle.bus_mut().inner.link_mut().wire_mut().take_datagram() {
            judge.take(&bytes, time::now());
        }
        cycle.ports_mut().vision = *judge.inputs();
        for (axis, plan) in cycle.core().axes().iter().zip(&machine.plan.axes) {
            let seen = axis.twin().estimate().disturbance_nm.abs() / plan.model.peak_torque_nm;
            outcome.disturbance = outcome.disturbance.max(seen);
            outcome.travelled = outcome.travelled.max(axis.view().position.abs());
        }
    }
    outcome.trips = cycle.core().status().trips;
    outcome.missed_sync0 = cycle.bus().inner.dc().expect("with clocks").missed;
    time::set_monotonic();
    outcome
}

#[test]
fn late_wake_ups_are_no_disturbance_and_trip_nothing() {
    let path = machine("demo-cell.toml");
    let text = std::fs::read_to_string(&path).expect("the demo cell");
    let machine = config::load(&text, &path.display().to_string()).expect("a right file");
    let punctual = run(&machine, 0, false);
    let late = run(&machine, LATE_MAX_NS, false);
    println!("punctual {punctual:?}\nlate {late:?}");
    assert!(punctual.travelled > 100.0, "it moved");
    assert!(punctual.disturbance < 0.06, "{punctual:?}");
    assert!(late.disturbance < 1.1 * punctual.disturbance, "{late:?} {punctual:?}");
    assert_eq!(late.trips, punctual.trips);
    assert_eq!(late.missed_sync0, 0, "{late:?}");
    // The test of the test: with the frame's stamp the same wake-ups are torque out of nowhere.
    let naive = run(&machine, LATE_MAX_NS, true);
    println!("naive {naive:?}");
    assert!(naive.disturbance > 5.0 * late.disturbance, "{naive:?} {late:?}");
}
