//! The cycle: sleep, exchange, decode, step, encode, publish; and what it exchanges with the other side, lock-free.
//!
//! The schedule keeps its phase: a cycle that is late costs whole periods, which are skipped and counted. Nothing is made up for
//! in a burst.

mod histogram;
mod schedule;

pub use histogram::{Histogram, Quantiles};
pub use schedule::Schedule;

use crate::bus::Bus;
use crate::checkpoint::{Checkpoint, Whole};
use crate::clock::Clock;
use crate::flight::{Flight, FlightPlan, Phase, Ring};
use crate::program::Program;
use crate::record::{Body, Event, Record};
use crate::signal::Signals;
use crate::step::{Core, Sink, Snapshot, StepInputs};
use crate::vision::{INSPECTIONS_PER_CYCLE, Inspected, Received, STREAMS_MAX, VisionInputs};
use alloc::boxed::Box;
use twin_lite::tape::NotThisState;
use twin_lite::taped;

const SECOND_NS: u64 = 1_000_000_000;

/// What the other side asks and says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
// SR-012
pub struct Command {
    /// End in a controlled way: stop the axes, engage brakes, take power, then end.
    pub shutdown: bool,
    /// Last heartbeat of the supervisor, ns of CLOCK_MONOTONIC; 0 = never.
    pub supervisor_at: u64,
}

taped!(Command { shutdown, supervisor_at });

/// The loop's ends of the channels. No call allocates, blocks, retries or fails.
pub trait Ports {
    /// The newest result of each vision stream.
    fn vision(&mut self) -> &VisionInputs;

    /// The next inspection result, in the order of arrival.
    fn inspection(&mut self) -> Option<Inspected> {
        None
    }

    /// The newest command.
    fn command(&mut self) -> Command;

    /// Leaves a record; full: it is dropped and counted by the port.
    fn record(&mut self, record: Record);

    /// Shows the newest state. Once a cycle, last.
    fn publish(&mut self, snapshot: &Snapshot) {
        let _ = snapshot;
    }

    /// Takes a frozen ring of the flight recorder and puts an empty one in its place; `false`: there is none, and `ring` is as it was.
    fn freeze(&mut self, ring: &mut Box<Ring>) -> bool {
        let _ = ring;
        false
    }

    /// Takes a checkpoint and puts an empty one in its place; `false`: there is none, and the checkpoint is lost.
    fn checkpoint(&mut self, taken: &mut Box<Checkpoint>) -> bool {
        let _ = taken;
        false
    }
}

/// How the cycles went. Durations are 0 in virtual time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CycleReport {
    /// Cycles that ran.
    pub cycles: u64,
    /// Cycles with latency + execution ≥ period.
    pub overruns: u64,
    /// Whole periods skipped.
    pub missed: u64,
    /// Actual − scheduled wake, ns.
    pub wake_up_latency_ns: Quantiles,
    /// Wake to publish, ns.
    pub execution_time_ns: Quantiles,
}

/// The loop, with everything that it owns. Allocates in its constructor only.
pub struct Cycle<B: Bus, C: Clock, P: Program, O: Ports> {
    bus: B,
    clock: C,
    core: Core<P>,
    ports: O,
    signals: Signals,
    vision: Box<VisionInputs>,
    schedule: Schedule,
    receive_deadline_ns: u64,
    cycle: u64,
    execution_ns: u64,
    latency: Histogram,
    execution: Histogram,
    flight: Flight,
    checkpoints: Option<Checkpoints>,
}

/// When a checkpoint is due, and where it is taken.
struct Checkpoints {
    /// Cycles from one to the next.
    every: u64,
    /// Trips so far: a new one wants a checkpoint too.
    trips: u32,
    empty: Box<Checkpoint>,
}

impl<B: Bus, C: Clock, P: Program, O: Ports> Cycle<B, C, P, O> {
    /// A loop whose first cycle is due one period after now. `receive_deadline_ns`: from wake, how long frames are waited for.
    pub fn new(bus: B, clock: C, core: Core<P>, ports: O, receive_deadline_ns: u64) -> Self {
        let period_ns = core.plan().period_ns;
        let signals = Signals::new(usize::from(core.plan().signal_count));
        let schedule = Schedule::new(clock.now().saturating_add(period_ns), period_ns);
        Self {
            bus,
            clock,
            core,
            ports,
            signals,
            vision: Box::new([Received::default(); STREAMS_MAX]),
            schedule,
            receive_deadline_ns,
            cycle: 0,
            execution_ns: 0,
            latency: Histogram::new(),
            execution: Histogram::new(),
            flight: Flight::new(period_ns, FlightPlan { before_ns: 0, after_ns: 0 }),
            checkpoints: None,
        }
    }

    /// With this flight recorder; without it there is one of a single cycle.
    #[must_use]
    pub fn with_flight(self, flight: Flight) -> Self {
        Self { flight, ..self }
    }

    /// With a checkpoint now, one each second, and one after each trip. Allocates.
    #[must_use]
    pub fn with_checkpoints(mut self) -> Self {
        let (signals, vision) = (&mut self.signals, &mut *self.vision);
        let whole = &mut Whole { core: &mut self.core, signals, vision };
        let empty = Box::new(Checkpoint::for_state(whole));
        let every = (SECOND_NS / self.core.plan().period_ns.max(1)).max(1);
        self.checkpoints = Some(Checkpoints { every, trips: 0, empty });
        self.take_checkpoint(0, 0);
        self
    }

    /// Goes on with the state of a checkpoint: the next cycle is `cycle`. Not for a machine: what its bus and drives are is not in it.
    ///
    /// # Errors
    /// [`NotThisState`]: the words are of another machine, program or version.
    pub fn resumed(mut self, cycle: u64, words: &[u64]) -> Result<Self, NotThisState> {
        let (signals, vision) = (&mut self.signals, &mut *self.vision);
        let whole = &mut Whole { core: &mut self.core, signals, vision };
        Checkpoint::give_back(words, whole)?;
        self.cycle = cycle;
        Ok(self)
    }

    /// The state before the cycle `next`, after one at `now`, if it is due.
    fn take_checkpoint(&mut self, next: u64, now: u64) {
        let Some(checkpoints) = &mut self.checkpoints else { return };
        let trips = self.core.status().trips;
        if !next.is_multiple_of(checkpoints.every) && trips == checkpoints.trips {
            return;
        }
        checkpoints.trips = trips;
        let (signals, vision) = (&mut self.signals, &mut *self.vision);
        let whole = &mut Whole { core: &mut self.core, signals, vision };
        if checkpoints.empty.take(next, now, whole) {
            // None left: the other side is behind, and the replay begins at the one before.
            let _ = self.ports.checkpoint(&mut checkpoints.empty);
        }
    }

    /// Before the first cycle: it is due at `begins`, ns; a bus with distributed clocks has a phase to keep. To be said last, for what a loop is made of takes its time.
    pub fn begin_at(&mut self, begins: u64) {
        self.schedule = Schedule::new(begins, self.core.plan().period_ns);
    }

    /// One pass; `false` when the controlled end is done and the loop may be left.
    pub fn run_one(&mut self) -> bool {
        let wake = self.clock.sleep_until(self.schedule.next());
        let (latency_ns, skipped) = self.schedule.woke(wake);
        self.flight.begin(self.cycle, (self.schedule.next(), wake), skipped);
        let exchange = self.bus.exchange(wake, wake.saturating_add(self.receive_deadline_ns));
        let pace = self.bus.pace();
        self.flight.exchanged(&exchange, &pace);
        self.schedule.trim(pace.trim_ns);
        self.bus.decode(&mut self.signals);
        self.flight.over(Phase::Decode, self.clock.now());
        let command = self.ports.command();
        take_new(&mut self.vision, self.ports.vision());
        // Inputs that have just come in are not from the future.
        let now = wake.max(exchange.received_at);
        let mut results = [Inspected::default(); INSPECTIONS_PER_CYCLE];
        let taken = self.inspections(&mut results);
        let inputs = StepInputs {
            now,
            cycle: self.cycle,
            exchange,
            skipped,
            latency_ns: narrow(latency_ns),
            execution_ns: narrow(self.execution_ns),
            vision: &self.vision,
            inspected: results.get(..taken).unwrap_or_default(),
            command,
        };
        let port =
            &mut Port { ports: &mut self.ports, flight: &mut self.flight, clock: &self.clock };
        self.core.step(&inputs, &mut self.signals, port);
        self.bus.encode(&self.signals);
        // One a cycle: more cannot come.
        if let Some(emergency) = self.bus.take_emergency() {
            let body = Body::Event(Event::Emergency(emergency));
            let record = Record { cycle: self.cycle, now: wake, body };
            self.flight.note(&record);
            self.ports.record(record);
        }
        self.flight.over(Phase::Encode, self.clock.now());
        self.ports.publish(self.core.status());
        self.take_checkpoint(self.cycle.saturating_add(1), now);
        let end = self.clock.now();
        self.execution_ns = end.saturating_sub(wake);
        self.latency.record(latency_ns);
        self.execution.record(self.execution_ns);
        let overruns = self.schedule.overruns();
        self.schedule.ended(end);
        if self.flight.end(end, self.schedule.overruns() > overruns) {
            self.flight.freeze(|ring| self.ports.freeze(ring));
        }
        self.cycle = self.cycle.saturating_add(1);
        !self.core.finished()
    }

    /// Takes the inspection results that have come, in order; returns how many. More wait for the next cycle.
    fn inspections(&mut self, results: &mut [Inspected]) -> usize {
        let mut taken = 0_usize;
        for place in results {
            let Some(result) = self.ports.inspection() else { break };
            *place = result;
            taken = taken.saturating_add(1);
        }
        taken
    }

    /// After the last cycle: a trigger that still waits for what comes after it is frozen with what there is.
    pub fn land(&mut self) {
        self.flight.freeze(|ring| self.ports.freeze(ring));
    }

    /// How it went so far.
    #[must_use]
    pub fn report(&self) -> CycleReport {
        CycleReport {
            cycles: self.cycle,
            overruns: self.schedule.overruns(),
            missed: self.schedule.missed(),
            wake_up_latency_ns: self.latency.quantiles(),
            execution_time_ns: self.execution.quantiles(),
        }
    }

    /// Wake-up latency, bin by bin.
    #[must_use]
    pub fn latency(&self) -> &Histogram {
        &self.latency
    }

    /// Execution time, bin by bin.
    #[must_use]
    pub fn execution(&self) -> &Histogram {
        &self.execution
    }

    /// The machine.
    #[must_use]
    pub fn core(&self) -> &Core<P> {
        &self.core
    }

    /// The bus.
    #[must_use]
    pub fn bus(&self) -> &B {
        &self.bus
    }

    /// The bus, for whoever moves it outside of cycles (virtual time).
    pub fn bus_mut(&mut self) -> &mut B {
        &mut self.bus
    }

    /// The other side.
    pub fn ports_mut(&mut self) -> &mut O {
        &mut self.ports
    }

    /// The clock.
    pub fn clock_mut(&mut self) -> &mut C {
        &mut self.clock
    }

    /// All signals, as of the last cycle.
    #[must_use]
    pub fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Takes it apart: bus and ports are what outlives the loop.
    pub fn into_parts(self) -> (B, C, Core<P>, O) {
        (self.bus, self.clock, self.core, self.ports)
    }
}

/// Copies what has arrived since; most cycles bring nothing.
fn take_new(mine: &mut VisionInputs, newest: &VisionInputs) {
    let judged = |of: &Received| (of.received_at, of.sequence_good, of.refused);
    for (mine, newest) in mine.iter_mut().zip(newest) {
        if judged(mine) != judged(newest) {
            *mine = *newest;
        }
    }
}

/// The ports as a sink; the flight recorder looks on.
struct Port<'a, C: Clock, O: Ports> {
    ports: &'a mut O,
    flight: &'a mut Flight,
    clock: &'a C,
}

impl<C: Clock, O: Ports> Sink for Port<'_, C, O> {
    fn record(&mut self, record: Record) {
        self.flight.note(&record);
        self.ports.record(record);
    }

    fn over(&mut self, phase: Phase) {
        self.flight.over(phase, self.clock.now());
    }
}

fn narrow(ns: u64) -> u32 {
    u32::try_from(ns).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
