//! The demo cell, whole: its machine file, its devices with the world behind them, its program, its cameras.

use config::Machine;
use rt_core::Record;
use rt_core::bus::Exchange;
use rt_core::cycle::Command;
use rt_core::program::Sequence;
use rt_core::record::MachineState;
use rt_core::step::{Core, Sink, StepInputs};
use supervisor::cell::{Cell, HORIZON_NS};
use supervisor::vision::Judge;

use crate::rig::{Drive, Rig};

/// Seed of the world.
const SEED: u64 = 1;
const START_NS: u64 = 1_000_000_000;
/// The cell is homed and at work within this, cycles.
const CYCLES_MAX: u32 = 60_000;

/// The machine file.
///
/// # Panics
/// It is not there, or wrong.
#[must_use]
pub fn machine() -> Machine {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/machines/demo-cell.toml");
    let text = std::fs::read_to_string(path).expect("the demo cell");
    config::load(&text, path).expect("a right file")
}

/// Its bus in Op, without a program.
///
/// # Panics
/// It does not come up: then nothing would be measured.
#[must_use]
pub fn bus(machine: &Machine) -> Rig<Cell> {
    let cell = Cell::new(machine, SEED, START_NS, HORIZON_NS, None);
    Rig::new(cell.unwrap_or_else(|error| panic!("{}", error.message)), &machine.bus)
}

/// Its bus with all drives switched on and holding.
///
/// # Panics
/// As [`bus`].
#[must_use]
pub fn holding(machine: &Machine) -> Rig<Cell> {
    let mut rig = bus(machine);
    let drives = machine.plan.axes.iter().map(|axis| Drive {
        controlword: axis.signals.controlword,
        target: axis.signals.target_position,
        mode: axis.signals.mode,
        statusword: axis.signals.statusword,
        actual: axis.signals.actual_position,
    });
    rig.hold(&drives.collect::<Vec<_>>());
    rig
}

/// Counts records, and keeps them when it is asked to.
#[derive(Default)]
struct Kept {
    count: u64,
    records: Option<Vec<Record>>,
}

impl Sink for Kept {
    fn record(&mut self, record: Record) {
        self.count += 1;
        if let Some(records) = &mut self.records {
            records.push(record);
        }
    }
}

/// The machine at work.
pub struct Demo {
    rig: Rig<Cell>,
    core: Core<Sequence>,
    judge: Judge,
    exchange: Exchange,
    sink: Kept,
    now: u64,
    cycle: u64,
}

impl Demo {
    /// Started by the operator of its own scenario, homed, in `Run`.
    ///
    /// # Panics
    /// It does not get there: then nothing would be measured.
    #[must_use]
    pub fn running() -> Self {
        let machine = machine();
        let program = Sequence::new(&machine.plan);
        let core = Core::new(machine.plan.clone(), program).expect("the plan holds");
        let judge = Judge::new(&machine.plan.streams, machine.hash64);
        let (rig, exchange) = (bus(&machine), Exchange::default());
        let mut demo = Self { rig, core, judge, exchange, sink: Kept::default(), now: 0, cycle: 0 };
        let is_at_work = (0..CYCLES_MAX).any(|_| {
            demo.before_step();
            demo.step();
            demo.after_step();
            let homed = demo.core.axes().iter().all(|axis| axis.view().referenced);
            homed && demo.core.status().machine == MachineState::Run
        });
        assert!(is_at_work, "the demo cell is at work: {:?}", demo.core.status().machine);
        demo
    }

    /// Everything of a cycle before [`step`](Self::step): frames, inputs, pictures.
    pub fn before_step(&mut self) {
        self.now = self.rig.next;
        self.exchange = self.rig.exchange();
        while let Some(bytes) = self.rig.wire_mut().take_datagram() {
            self.judge.take(&bytes, self.now);
        }
    }

    /// What decides.
    pub fn step(&mut self) {
        let now = self.now.max(self.exchange.received_at);
        let inputs = StepInputs {
            now,
            cycle: self.cycle,
            exchange: self.exchange,
            skipped: 0,
            latency_ns: 0,
            execution_ns: 0,
            vision: self.judge.inputs(),
            inspected: &[],
            command: Command { shutdown: false, supervisor_at: now },
        };
        self.core.step(&inputs, &mut self.rig.signals, &mut self.sink);
        self.cycle += 1;
    }

    /// From now on records are kept.
    pub fn keep_records(&mut self) {
        self.sink.records = Some(Vec::new());
    }

    /// What was kept.
    pub fn take_records(&mut self) -> Vec<Record> {
        self.sink.records.take().unwrap_or_default()
    }

    /// Outputs go into the next frames.
    pub fn after_step(&mut self) {
        rt_core::Bus::encode(&mut self.rig.bus, &self.rig.signals);
    }
}
