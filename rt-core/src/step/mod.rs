//! `step(state, inputs, now) → outputs`: everything that decides in a cycle, one pure function.
//!
//! The same state, inputs and time give the same outputs and records, bit by bit: on the machine, in the virtual cell, in replay.

mod inputs;
mod log;
mod recorder;
mod snapshot;
mod trips;

pub use inputs::{PlanError, StepInputs};
pub use log::{Log, Sink};
pub use recorder::Stamps;
pub use snapshot::{AXES_SHOWN, GROUPS_SHOWN, GroupStatus, Snapshot};

use crate::axis::{Axis, AxisEvent};
use crate::cycle::Command;
use crate::flight::Phase;
use crate::gate::{Allowed, Gate};
use crate::inspection::{InspectionId, Station, Time};
use crate::interlock::{AxisFacts, Facts, Interlocks, Mode, Overruns, stale_after_ns};
use crate::machine::{Control, Machine, Outcome, SafeCause, Situation};
use crate::motion::Motion;
use crate::motion::jog::Jogs;
use crate::plan::{AxisId, GroupId, MachinePlan};
use crate::program::{AxisState, AxisView, Program, Request, Requests, STRANDS_MAX, View};
use crate::record::{Event, MachineState};
use crate::signal::{SignalId, Signals};
use crate::vision::{Inspected, Refusal, StreamState, StreamView, Verdict, VisionInputs, inspect};
use crate::watch::Watch;
use alloc::boxed::Box;
use recorder::Recorder;
use trips::Trips;
use twin_lite::tape::{Tape, Taped};
use twin_lite::{Nano, taped_enum};

/// Most requests of the program in one cycle, two for each axis; more is a program fault.
pub const REQUESTS_MAX: u32 = 512;
/// The controlled end takes no longer than this, ns; then the loop may end as the drives are.
pub const SHUTDOWN_MAX_NS: u64 = 10_000_000_000;

/// The controlled end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    No,
    Since(u64),
    Done,
}

taped_enum!(Ending { 0: No, 1: Since(since), 2: Done });

/// Everything between decode and encode, with its state.
#[derive(Clone, Debug)]
pub struct Core<P: Program> {
    plan: MachinePlan,
    streams: Box<[StreamState]>,
    stream_views: Box<[StreamView]>,
    axes: Box<[Axis]>,
    stations: Box<[Station]>,
    /// By `InspectionId`: something was missed in this cycle.
    missed_parts: Box<[bool]>,
    /// By `AxisId`; empty: nothing is watched.
    watches: Box<[Watch]>,
    facts: Box<[AxisFacts]>,
    views: Box<[AxisView]>,
    /// When the inputs of each axis were good last, ns.
    good_at: Box<[u64]>,
    interlocks: Interlocks,
    overruns: Overruns,
    stale_after_ns: u64,
    control: Control,
    program: P,
    program_ran: bool,
    program_faulted: bool,
    steps: [Option<u16>; STRANDS_MAX],
    motion: Motion,
    jogs: Jogs,
    /// Since the program ran last.
    moved_by_hand: bool,
    gate: Gate,
    trips: Trips,
    recorder: Recorder,
    ending: Ending,
    missed: u64,
    axis_states: Box<[(AxisState, bool)]>,
    snapshot: Snapshot,
}

impl<P: Program> Taped for Core<P> {
    fn tape<T: Tape>(&mut self, tape: &mut T) {
        let Self {
            streams,
            axes,
            stations,
            watches,
            good_at,
            interlocks,
            overruns,
            control,
            program,
            program_ran,
            program_faulted,
            steps,
            motion,
            jogs,
            moved_by_hand,
            gate,
            trips,
            recorder,
            ending,
            missed,
            axis_states,
            // Made by the constructor.
            plan: _,
            stale_after_ns: _,
            // Written before they are read, in each cycle.
            stream_views: _,
            missed_parts: _,
            facts: _,
            views: _,
            // Shown to people, never read by the loop.
            snapshot: _,
        } = self;
        macro_rules! parts {
            ($($part:ident),*) => {$(
                tape.open(stringify!($part));
                $part.tape(tape);
                tape.close();
            )*};
        }
        parts!(
            streams,
            axes,
            stations,
            watches,
            good_at,
            interlocks,
            overruns,
            control,
            program,
            program_ran,
            program_faulted,
            steps,
            motion,
            jogs,
            moved_by_hand,
            gate,
            trips,
            recorder,
            ending,
            missed,
            axis_states
        );
    }
}

impl<P: Program> Core<P> {
    /// A machine at boot: safe, without power. Allocates; nothing after it does.
    ///
    /// # Errors
    /// [`PlanError`]: a plan that cannot be held.
    pub fn new(plan: MachinePlan, program: P) -> Result<Self, PlanError> {
        inputs::check(&plan)?;
        let gate = Gate::new(&plan)?;
        let streams =
            plan.streams.iter().map(|stream| StreamState::new(*stream, plan.config_hash)).collect();
        Ok(Self {
            streams,
            stream_views: plan.streams.iter().map(|_| StreamView::SILENT).collect(),
            axes: plan.axes.iter().map(|axis| Axis::new(axis, plan.period_ns)).collect(),
            stations: stations(&plan),
            missed_parts: plan.inspections.iter().map(|_| false).collect(),
            watches: watches(&plan),
            facts: plan.axes.iter().map(|axis| inputs::facts_of(axis, &plan)).collect(),
            views: plan.axes.iter().map(|_| AxisView::default()).collect(),
            good_at: plan.axes.iter().map(|_| 0).collect(),
            interlocks: Interlocks::new(&plan),
            overruns: Overruns::new(plan.overrun.demand),
            stale_after_ns: stale_after_ns(&plan),
            control: Control::new(plan.control),
            program,
            program_ran: false,
            program_faulted: false,
            steps: [None; STRANDS_MAX],
            motion: Motion::new(&plan),
            jogs: Jogs::new(&plan),
            moved_by_hand: false,
            gate,
            trips: Trips::new(&plan),
            recorder: Recorder::new(&plan),
            ending: Ending::No,
            missed: 0,
            axis_states: plan.axes.iter().map(|_| (AxisState::Disabled, false)).collect(),
            snapshot: Snapshot::new(&plan),
            plan,
        })
    }

    /// One cycle: inputs are in `signals`, outputs are written into it, what happened goes to `sink`.
    pub fn step(&mut self, inputs: &StepInputs<'_>, signals: &mut Signals, sink: &mut dyn Sink) {
        let log = &mut Log::new(sink, inputs.cycle, inputs.now);
        self.see(inputs.vision, log);
        self.take_results(inputs.inspected, log);
        self.update_twin(signals, log);
        self.follow_parts(signals, log);
        log.over(Phase::Twin);
        self.judge(inputs, signals, log);
        log.over(Phase::Interlock);
        self.ask(signals, log);
        log.over(Phase::Program);
        self.pass(signals, log);
        log.over(Phase::Gate);
        self.leave(inputs, signals, log);
        log.over(Phase::Records);
    }

    /// Inspection results, each of them: verified again, told, and given to its station.
    // SR-071
    fn take_results(&mut self, results: &[Inspected], log: &mut Log<'_>) {
        for result in results {
            let stream = result.stream;
            let plan = self.plan.streams.get(usize::from(stream.0)).ok_or(Refusal::Stream);
            let found = plan.and_then(|plan| inspect(result, plan, self.plan.config_hash, log.now));
            let (trigger, verdict) =
                found.map_or((0, Verdict::Unknown), |at| (at.trigger, at.verdict));
            log.event(Event::Inspection { stream, trigger, verdict, refusal: found.err() });
            for station in &mut self.stations {
                station.answer(stream, found.as_ref().ok(), log);
            }
        }
    }

    /// Parts go on with their belts.
    fn follow_parts(&mut self, signals: &Signals, log: &mut Log<'_>) {
        let (period_ns, stale_after_ns) = (self.plan.period_ns, self.stale_after_ns);
        let time = Time { now: log.now, period_ns, stale_after_ns };
        for (station, missed) in self.stations.iter_mut().zip(&mut self.missed_parts) {
            station.update(&self.axes, &self.facts, signals, &time, log);
            *missed = station.missed();
            for (signal, on) in station.asked() {
                self.gate.drive_output(signal, on);
            }
        }
    }

    /// Phase 3, vision: what the cameras say that counts.
    fn see(&mut self, vision: &VisionInputs, log: &mut Log<'_>) {
        let streams = self.streams.iter_mut().zip(&mut self.stream_views);
        for ((number, received), (stream, view)) in (0_u8..).zip(vision).zip(streams) {
            let next = stream.update(received, log.now);
            inputs::tell_vision(number, view, &next, log);
            *view = next;
        }
    }

    /// Phase 4, twin: where the axes are, where they are going, how far they would still go.
    fn update_twin(&mut self, signals: &Signals, log: &mut Log<'_>) {
        for (axis, (facts, good_at)) in
            self.axes.iter_mut().zip(self.facts.iter_mut().zip(&mut self.good_at))
        {
            axis.sense(signals, log.now);
            let mut view = axis.view();
            // SR-050
            view.inputs_good &= !axis.twin_refused();
            if view.inputs_good {
                *good_at = log.now;
            }
            view.inputs_good =
                *good_at != 0 && log.now.saturating_sub(*good_at) <= self.stale_after_ns;
            inputs::take_facts(facts, axis, view, signals);
        }
        let watched = self.watches.iter_mut().zip(self.axes.iter_mut().zip(&mut self.facts));
        for (watch, (axis, facts)) in watched {
            watch.update(axis, facts, log);
        }
        self.gate.rebase(&self.axes);
        self.gate.commanded(&mut self.facts);
    }

    /// Phase 5, interlock: demands, and what they and the buttons do to the machine.
    fn judge(&mut self, inputs: &StepInputs<'_>, signals: &Signals, log: &mut Log<'_>) {
        let facts = Facts {
            now: log.now,
            signals,
            exchange: &inputs.exchange,
            axes: &self.facts,
            streams: &self.stream_views,
            missed: &self.missed_parts,
            overruns_exceeded: self.overruns.update(inputs.skipped),
            supervisor_at: inputs.command.supervisor_at,
            stale_after_ns: self.stale_after_ns,
        };
        self.missed = self.missed.saturating_add(u64::from(inputs.skipped));
        if inputs.skipped > 0 {
            log.event(Event::Overrun { missed: inputs.skipped });
        }
        let mode = self.interlocks.mode();
        self.interlocks.evaluate(&facts, log);
        self.jogs.update(|signal| facts.value(signal), log.now);
        if inputs.command.shutdown && self.ending == Ending::No {
            self.ending = Ending::Since(log.now);
            // SR-046
            log.event(Event::ShutdownRequested);
        }
        let program = core::mem::take(&mut self.program_faulted).then_some(SafeCause::Program);
        let fault = self.gate.take_fault().or(program);
        let mode_changed = mode != self.interlocks.mode();
        let situation = Situation { mode_changed, ..self.situation(fault) };
        let ran = self.control.machine() == Machine::Run;
        let outcome = self.control.update(|signal| facts.value(signal), &situation, log);
        self.gate.hold_outputs(self.interlocks.outputs());
        let own = match self.control.machine() {
            Machine::Safe { cause, .. } if ran => own_cause(cause),
            Machine::Boot | Machine::Safe { .. } | Machine::AwaitStart | Machine::Run => None,
        };
        let seen = trips::Seen {
            ran,
            own,
            demands: self.interlocks.groups(),
            axes: &self.axes,
            facts: &self.facts,
            gate: &self.gate,
        };
        self.trips.judge(&seen, log);
        for (facts, ways) in self.facts.iter_mut().zip(self.interlocks.directions()) {
            // SR-080
            facts.directions = facts.directions.and(*ways);
        }
        self.apply(&outcome);
    }

    /// What decides about the machine's state.
    fn situation(&self, fault: Option<SafeCause>) -> Situation {
        let stop = self.interlocks.first_stop();
        let failed = |axis: &Axis| axis.state() == AxisState::ErrorStop;
        let failed = match self.control.machine() {
            // Where it is safe already, it must not refuse the reset that leads out.
            Machine::Boot | Machine::Safe { .. } => None,
            Machine::AwaitStart | Machine::Run if stop.is_some() => None,
            Machine::AwaitStart | Machine::Run => self.axes.iter().position(failed),
        };
        let failed =
            failed.and_then(|axis| Some(SafeCause::Axis(AxisId(u8::try_from(axis).ok()?))));
        Situation {
            stop,
            demanded: self.interlocks.any_stop_demanded(),
            refuses_reset: self.interlocks.refuses_reset(),
            drive_fault: self.interlocks.any_drive_fault(),
            fault: fault.or(failed),
            shutdown: self.ending != Ending::No,
            no_mode: self.interlocks.mode() == Mode::Unknown,
            mode_changed: false,
            jog_since: self.manual().then(|| self.jogs.pressed_since()).flatten(),
        }
    }

    fn manual(&self) -> bool {
        self.interlocks.mode() == Mode::Manual
    }

    /// What an accepted button does.
    fn apply(&mut self, outcome: &Outcome) {
        if outcome.fault_reset {
            self.gate.reset_faults();
        }
        if outcome.reset {
            self.interlocks.reset();
            for axis in &mut self.axes {
                let powered = axis.is_enabled();
                axis.apply(AxisEvent::Reset { powered });
            }
        }
    }

    /// Phase 6, program and motion: what the machine's logic asks, as set-points.
    fn ask(&mut self, signals: &Signals, log: &mut Log<'_>) {
        let ending = self.ending != Ending::No;
        let machine = self.control.machine().state();
        let demands = self.interlocks.groups();
        let allowed = Allowed { machine, ending, demands, facts: &self.facts };
        self.gate.permit(&allowed, log);
        for (view, facts) in self.views.iter_mut().zip(&self.facts) {
            *view = facts.view;
        }
        let mode = self.interlocks.mode();
        let permitted = machine == MachineState::Run && self.gate.all_permitted();
        let running = permitted && mode == Mode::Automatic;
        let started = running && !self.program_ran;
        self.program_ran = running;
        let moved_by_hand = self.moved_by_hand;
        self.moved_by_hand &= !running;
        let axes = &self.views;
        let view = View { now: log.now, signals, axes, running, started, moved_by_hand, mode };
        let mut asking = Asking {
            motion: &mut self.motion,
            gate: &mut self.gate,
            axes: &self.axes,
            running,
            count: 0,
        };
        self.program.cycle(view, &mut asking);
        let overflow = asking.count > REQUESTS_MAX;
        self.follow_program(running, overflow, log);
        self.jog(permitted && mode == Mode::Manual);
        self.motion.advance(&mut self.axes, self.gate.permits(), log.now);
    }

    /// What a person holds, in manual.
    fn jog(&mut self, permitted: bool) {
        if !permitted {
            return self.jogs.forget();
        }
        let since = self.control.awaited_since();
        let closed = |axis: AxisId| self.facts.get(usize::from(axis.0)).map(|it| it.directions);
        let free = |axis| closed(axis).unwrap_or_default();
        self.moved_by_hand |= self.jogs.ask(&mut self.motion, &self.axes, free, Some(since));
    }

    /// Steps and faults of the program, for people and for the machine's state.
    fn follow_program(&mut self, running: bool, overflow: bool, log: &mut Log<'_>) {
        for (strand, known) in (0_u8..).zip(&mut self.steps) {
            let step = self.program.strand(strand);
            if let Some(step) = step.filter(|_| *known != step) {
                log.event(Event::Step { strand, step });
            }
            *known = step;
        }
        let fault = self.program.fault().or(overflow.then(|| self.program.position()));
        if let Some(step) = fault.filter(|_| running) {
            self.program_faulted = true;
            log.event(Event::ProgramFault { step });
        }
    }

    /// Phase 7, gate: the single exit.
    fn pass(&mut self, signals: &mut Signals, log: &mut Log<'_>) {
        let machine = self.control.machine().state();
        let demands = self.interlocks.groups();
        let ending = self.ending != Ending::No;
        let allowed = Allowed { machine, ending, demands, facts: &self.facts };
        self.gate.pass(&mut self.motion, &mut self.axes, &allowed, signals, log);
        let gate = &self.gate;
        self.trips.settle(&self.axes, &self.facts, |group| gate.is_ramping(group), log);
        if let Ending::Since(since) = self.ending {
            let overdue = log.now.saturating_sub(since) > SHUTDOWN_MAX_NS;
            // A drive that is not heard cannot be waited for.
            let off = |facts: &AxisFacts| !facts.view.enabled || !facts.view.inputs_good;
            if overdue || (self.gate.is_off() && self.facts.iter().all(off)) {
                self.ending = Ending::Done;
                log.event(Event::ShutdownDone);
            }
        }
    }

    /// What this cycle leaves behind: records of every axis and output, and the snapshot.
    fn leave(&mut self, inputs: &StepInputs<'_>, signals: &Signals, log: &mut Log<'_>) {
        inputs::tell_axes(&mut self.axis_states, &self.axes, &self.facts, log);
        let machine = self.control.machine();
        self.recorder.cycle(inputs, machine.state(), &self.axes, &self.facts, signals, log);
        let (demanding, latched) = self.interlocks.counts();
        let shot = &mut self.snapshot;
        shot.cycle = inputs.cycle;
        shot.now = inputs.now;
        shot.machine = machine.state();
        if let Machine::Safe { cause, since } = machine {
            (shot.cause, shot.safe_since) = (cause, since);
        }
        shot.mode = self.interlocks.mode();
        shot.reset_needed = self.control.reset_needed();
        (shot.demanding, shot.latched) = (demanding, latched);
        shot.exchange = inputs.exchange;
        shot.missed = self.missed;
        shot.trips = self.trips.total();
        shot.gate_violations = self.gate.violations();
        shot.program_step = self.program.position();
        shot.records = shot.records.saturating_add(u64::from(log.written()));
        for (shown, facts) in shot.axes.iter_mut().zip(&self.facts) {
            *shown = facts.view;
        }
        for (group, status) in GroupId::all().zip(&mut shot.groups).take(self.plan.groups.len()) {
            let demand = self.interlocks.groups().get(usize::from(group.0));
            let permit = self.gate.permits().get(usize::from(group.0));
            status.stop = demand.and_then(|demand| demand.stop);
            status.speed_limit = permit.map_or(Nano::MAX, |permit| permit.speed_limit);
            status.permit = permit.is_some_and(|permit| permit.motion);
            status.power = self.gate.power(group);
        }
    }

    /// The controlled end is done: every axis stands without power, or its time is over.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.ending == Ending::Done
    }

    /// What people may know, as of the last cycle.
    #[must_use]
    pub fn status(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The machine as it was told.
    #[must_use]
    pub fn plan(&self) -> &MachinePlan {
        &self.plan
    }

    /// Before the first cycle: `offset` was found by an earlier homing of this axis over the same drive, with the same scaling.
    pub fn keep(&mut self, axis: AxisId, offset: Nano) {
        if let Some(axis) = self.axes.get_mut(usize::from(axis.0)) {
            axis.keep(offset);
        }
    }

    /// What the other side asked last.
    #[must_use]
    pub fn told_command(&self) -> Command {
        self.recorder.command()
    }

    /// What the twin has learnt, by `AxisId`; empty: nothing is watched.
    #[must_use]
    pub fn watches(&self) -> &[Watch] {
        &self.watches
    }

    /// The axes, for those who look from outside (replay, tests).
    #[must_use]
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }
}

/// A station for each inspection.
fn stations(plan: &MachinePlan) -> Box<[Station]> {
    let inspections = (0..=u8::MAX).map(InspectionId).zip(&plan.inspections);
    inspections.map(|(id, inspection)| Station::new(id, inspection)).collect()
}

/// A watch for each axis, if the plan asks for any.
fn watches(plan: &MachinePlan) -> Box<[Watch]> {
    let Some(twin) = &plan.twin else { return Box::new([]) };
    let axes = AxisId::all().zip(&plan.axes);
    axes.map(|(id, axis)| Watch::new(id, axis, twin, plan.period_ns)).collect()
}

/// A fault of ours: no interlock names it. A person's end of the run is none.
fn own_cause(cause: SafeCause) -> Option<SafeCause> {
    match cause {
        SafeCause::Program | SafeCause::Gate(_) | SafeCause::Axis(_) | SafeCause::PowerUp(_) => {
            Some(cause)
        }
        SafeCause::Boot | SafeCause::Interlock(_) | SafeCause::Shutdown => None,
    }
}

/// Hands the program's requests on, as long as the machine runs.
struct Asking<'a> {
    motion: &'a mut Motion,
    gate: &'a mut Gate,
    axes: &'a [Axis],
    running: bool,
    count: u32,
}

impl Requests for Asking<'_> {
    fn put(&mut self, request: Request) -> bool {
        self.count = self.count.saturating_add(1);
        if !self.running || self.count > REQUESTS_MAX {
            return false;
        }
        match request {
            Request::Output { signal, value } => self.output(signal, value),
            motion => self.motion.request(motion, self.axes).is_ok(),
        }
    }
}

impl Asking<'_> {
    fn output(&mut self, signal: SignalId, value: i64) -> bool {
        self.gate.ask_output(signal, value)
    }
}

#[cfg(test)]
pub(crate) use log::testing as log_testing;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
