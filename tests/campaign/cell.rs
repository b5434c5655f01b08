//! The demo cell in virtual time behind a bad line, with the oracle between bus and loop.

use config::Machine;
use fieldbus::coe::CoeClient;
use fieldbus::link::{Fault, InlineLink};
use fieldbus::{bring_up, time};
use rt_core::Record;
use rt_core::bus::BusState;
use rt_core::cycle::{Command, Cycle, Ports};
use rt_core::plan::Cause;
use rt_core::program::Sequence;
use rt_core::record::MachineState;
use rt_core::step::Core;
use rt_core::vision::VisionInputs;
use supervisor::cell::{Cell, HORIZON_NS};
use supervisor::vision::Judge;
use tactus_tests::machine;
use tactus_tests::virtual_time::Clock;

use super::line::{Line, Witness};
use super::oracle::{Watchable, Watched};

const START_NS: u64 = 1_000_000_000;
/// Worlds with parameters of their own.
const WORLDS: u64 = 16;
/// Homing is done by then, or never.
const HOMED_MAX: u32 = 25_000;
/// Without permit the world stands after so many cycles: the longest ramp, the watchdog and the drives' quick stop are shorter.
const REST_CYCLES: u32 = 1_500;
/// Slower than this is standing, axis units / s.
const STANDS: f64 = 1.0;

type Wired = Fault<InlineLink<Witness<Cell>>>;

impl Watchable for Wired {
    type Behind = Cell;

    fn witness(&mut self) -> &mut Witness<Cell> {
        self.inner_mut().wire_mut()
    }
}

pub(crate) struct Outside {
    vision: VisionInputs,
    /// Cycles and interlocks of the demands.
    pub(crate) demands: Vec<(u64, u16)>,
}

impl Ports for Outside {
    fn vision(&mut self) -> &VisionInputs {
        &self.vision
    }

    fn command(&mut self) -> Command {
        Command { shutdown: false, supervisor_at: time::now() }
    }

    fn record(&mut self, record: Record) {
        if let rt_core::record::Body::Event(rt_core::record::Event::Demand { interlock }) =
            record.body
        {
            self.demands.push((record.cycle, interlock.0));
        }
    }
}

/// The demo cell without its visitors: nothing stops it but what a campaign does.
pub(crate) fn alone() -> Machine {
    let path = machine("demo-cell.toml");
    let text = std::fs::read_to_string(&path).expect("the demo cell");
    let mut kept = String::new();
    let mut skips = false;
    for line in text.lines() {
        if line.starts_with("[[") || line.starts_with('[') {
            skips = line.starts_with("[[virtual.person");
        }
        if !skips {
            kept += line;
            kept.push('\n');
        }
    }
    assert_ne!(kept.len(), text.len(), "nobody was there to be sent away");
    config::load(&kept, "demo cell, alone").unwrap_or_else(|wrong| panic!("{wrong}"))
}

/// A machine that runs.
pub(crate) struct Rig {
    pub(crate) cycle: Cycle<Watched<Wired>, Clock, Sequence, Outside>,
    pub(crate) client: CoeClient,
    judge: Judge,
    /// By sync unit: after so many cycles without its data in a row it is a demand.
    allowed: Vec<Option<u32>>,
    /// Cycles without permit of any group in a row.
    unpermitted: u32,
    /// What must never be, in words.
    pub(crate) violations: Vec<String>,
}

impl Rig {
    /// Brings the cell up and homes it.
    pub(crate) fn new(machine: &Machine, seed: u64) -> Self {
        let cell = Cell::new(machine, 1 + seed % WORLDS, START_NS, HORIZON_NS, None)
            .expect("the demo cell");
        let witness = Witness { wire: cell, returned: Vec::new() };
        let fault =
            Fault::new(InlineLink::new(witness, START_NS), fieldbus::link::Faults::default());
        let line = Line::new(fault, seed);
        let mut bus = bring_up(line, &machine.bus, &mut |_| {}).unwrap_or_else(|e| panic!("{e}"));
        let client = bus.take_coe_client().expect("nobody has it yet");
        time::advance_virtual(bus.aligned_start(time::now()));
        let bus = Watched::new(bus, &machine.bus);
        let core =
            Core::new(machine.plan.clone(), Sequence::new(&machine.plan)).expect("a right plan");
        let judge = Judge::new(&machine.plan.streams, machine.hash64);
        let outside = Outside { vision: *judge.inputs(), demands: Vec::new() };
        let deadline_ns = machine.cycle.receive_deadline_ns;
        let units = 0..machine.bus.sync_units.len();
        let allowed = units.map(|unit| {
            let of_unit =
                machine.plan.interlocks.iter().filter_map(|interlock| match interlock.cause {
                    Cause::WorkingCounter { unit: of, cycles } if usize::from(of) == unit => {
                        Some(u32::from(cycles))
                    }
                    _ => None,
                });
            of_unit.min()
        });
        let allowed = allowed.collect();
        let cycle = Cycle::new(bus, Clock::default(), core, outside, deadline_ns);
        let mut rig =
            Self { cycle, client, judge, allowed, unpermitted: 0, violations: Vec::new() };
        let is_home = (0..HOMED_MAX).any(|_| {
            rig.one();
            rig.is_normal() && rig.cycle.core().axes().iter().all(|axis| axis.view().referenced)
        });
        let status = *rig.cycle.core().status();
        assert!(is_home, "it never came to work: {status:#?} {:?}", rig.cycle.ports_mut().demands);
        rig
    }

    pub(crate) fn line(&mut self) -> &mut Line<Wired> {
        self.cycle.bus_mut().bus.link_mut()
    }

    pub(crate) fn fault(&mut self) -> &mut Wired {
        self.line().inner_mut()
    }

    pub(crate) fn cell(&mut self) -> &mut Cell {
        &mut self.fault().witness().wire
    }

    /// The machine works: permits, all data, everyone in Op.
    pub(crate) fn is_normal(&self) -> bool {
        let status = self.cycle.core().status();
        let exchange = &status.exchange;
        status.machine == MachineState::Run
            && exchange.state == BusState::Operational
            && exchange.units_good == exchange.units_all
            && self.is_permitted()
            && status.demanding == 0
    }

    fn is_permitted(&self) -> bool {
        let status = self.cycle.core().status();
        status.groups[..usize::from(status.group_count)].iter().all(|group| group.permit)
    }

    /// One cycle, and what must hold after each.
    pub(crate) fn one(&mut self) {
        self.cycle.run_one();
        while let Some(bytes) = self.cell().take_datagram() {
            self.judge.take(&bytes, time::now());
        }
        self.cycle.ports_mut().vision = *self.judge.inputs();
        self.demanded_in_time();
        self.stands_without_permit();
        let found = core::mem::take(&mut self.cycle.bus_mut().violations);
        let at = self.at();
        self.violations.extend(found.into_iter().map(|what| format!("{what} ({at})")));
    }

    fn at(&self) -> String {
        format!("cycle {}", self.cycle.core().status().cycle)
    }

    /// Data that stay away for as many cycles as the file allows take every permit in that very cycle.
    fn demanded_in_time(&mut self) {
        let missing = self.cycle.bus().missing.iter();
        let overdue = missing
            .zip(&self.allowed)
            .position(|(missing, allowed)| allowed.is_some_and(|allowed| *missing >= allowed));
        if let Some(unit) = overdue
            && self.cycle.core().status().groups.iter().any(|group| group.permit)
        {
            let what = format!("unit {unit} is overdue and something may move ({})", self.at());
            self.violations.push(what);
        }
    }

    fn stands_without_permit(&mut self) {
        let is_any = self.cycle.core().status().groups.iter().any(|group| group.permit);
        self.unpermitted = if is_any { 0 } else { self.unpermitted + 1 };
        if self.unpermitted < REST_CYCLES {
            return;
        }
        let world = self.cell().world();
        let axes = (0..world.axis_count()).filter_map(|axis| world.axis(axis));
        let fastest = axes.map(|axis| axis.velocity.abs()).fold(0.0, f64::max);
        if fastest > STANDS {
            let at = self.at();
            self.violations.push(format!("nothing may move, and {fastest} does ({at})"));
        }
    }
}
