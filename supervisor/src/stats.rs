//! What a run amounts to, from its records alone: counts, extremes, histograms, trips and what became of them.

use rt_core::bus::{BusFault, BusState, Exchange};
use rt_core::interlock::Mode;
use rt_core::machine::SafeCause;
use rt_core::plan::{AxisId, GroupId, Reaction, StopWay};
use rt_core::program::{AXES_MAX, AxisState, AxisView, STRANDS_MAX};
use rt_core::record::{AxisRecord, Body, CycleRecord, Event, MachineState, Record};
use rt_core::vision::{STREAMS_MAX, StreamId};

use crate::foresight::TwinTotals;
use crate::histogram::Histogram;
use crate::inspection;
use crate::separation;

/// Trips kept one by one; later ones are only counted.
pub const TRIPS_MAX: usize = 1024;

/// A trip, and what became of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trip {
    /// What caused it.
    pub cause: SafeCause,
    /// Which group.
    pub group: GroupId,
    /// How it reacted.
    pub reaction: Reaction,
    /// How its axes came to rest.
    pub way: StopWay,
    /// A stronger stop had to follow, because an axis did not slow down.
    pub escalated: Option<StopWay>,
    /// Cycle in which it tripped.
    pub at_cycle: u64,
    /// Time of that cycle, ns.
    pub at: u64,
    /// When the input that caused it came back from the bus, or was captured, ns.
    pub input_at: u64,
    /// From that input until the frame with the reaction was due to leave, ns; `None`: the run ended before.
    pub reaction_ns: Option<u64>,
    /// Travelled from the trip to rest, axis units; `None`: it had not come to rest.
    pub stop_distance: Option<f64>,
    /// What the twin predicted at the trip, axis units.
    pub stop_distance_predicted: f64,
}

/// An axis over the whole run.
#[derive(Clone, Copy, Debug, Default)]
pub struct AxisTotals {
    /// As it was last seen.
    pub last: AxisView,
    /// It has been seen.
    pub seen: bool,
    /// Its reference comes from an earlier homing; `None`: it had none in this run.
    pub reference_kept: Option<bool>,
    /// Its drive was in operation enabled at some time.
    pub powered: bool,
    /// Sum of |changes of position|, axis units; an endless axis' turn is no jump.
    pub travel: f64,
    /// Largest |commanded − actual|, axis units.
    pub following_error_max: f64,
    /// Largest stopping distance the twin saw, axis units.
    pub stopping_distance: f64,
}

/// What a vision stream last said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StreamTotals {
    /// Zones not clear, bit by bit.
    pub not_clear: u32,
    /// The newest result counts.
    pub valid: bool,
}

/// Everything that is kept of a run besides its recording.
#[derive(Clone, Debug)]
pub struct Statistics {
    wraps: Vec<Option<f64>>,
    /// Cycles seen.
    pub cycles: u64,
    /// Cycles that came late by at least a period.
    pub overruns: u64,
    /// Whole periods that were skipped.
    pub periods_skipped: u64,
    /// Actual − scheduled wake.
    pub latency: Histogram,
    /// Wake to publish.
    pub execution: Histogram,
    /// The bus as it was last seen.
    pub exchange: Exchange,
    /// Evidence of the last bus fault, if there was one.
    pub bus_fault: Option<BusFault>,
    /// Why the link cannot work, as the interface says; `None`: it can, or nobody asked.
    pub cable: Option<String>,
    /// Since when the bus has been faulted without a break, ns; `None`: it is not.
    pub bus_faulted_since: Option<u64>,
    /// The bus has been operational.
    pub was_operational: bool,
    /// Time of the first cycle, ns.
    pub first_at: Option<u64>,
    /// Time of the first cycle in which every device was in Op, ns.
    pub operational_at: Option<u64>,
    /// Machine state.
    pub machine: MachineState,
    /// How it is worked: as the mode selector says; without one nothing is told, and it is automatic.
    pub mode: Mode,
    /// Times that the mode selector was turned from one known mode to another.
    pub mode_changes: u64,
    /// The last mode that was known.
    mode_known: Mode,
    /// The machine has run.
    pub has_run: bool,
    /// A stop happened that no start has followed.
    pub stop_unresolved: Option<SafeCause>,
    /// The controlled end was asked for.
    pub shutting_down: bool,
    /// The controlled end is over: everything stands.
    pub shutdown_done: bool,
    /// Axes, by id.
    pub axes: Vec<AxisTotals>,
    /// Vision streams, by id.
    pub streams: [StreamTotals; STREAMS_MAX],
    /// The first [`TRIPS_MAX`] trips.
    pub trips: Vec<Trip>,
    /// All trips.
    pub trips_total: u64,
    /// The last event, for the console.
    pub last_trip: Option<Trip>,
    /// Step of each strand.
    pub steps: [u16; STRANDS_MAX],
    /// Steps begun over all strands.
    pub steps_begun: u64,
    /// Interlocks of kind `separation`, as they were first heard of.
    pub separation: Vec<separation::Totals>,
    /// Inspections, as they were first heard of.
    pub inspections: Vec<inspection::Totals>,
    /// Times the gate held back what motion asked.
    pub gate_violations: u64,
    /// Failures of the program.
    pub program_faults: u64,
    /// What the twin decided and learnt.
    pub twin: TwinTotals,
    /// Time of the last cycle, ns.
    pub now: u64,
    awaiting_reaction: usize,
}

impl Statistics {
    /// For a machine whose axes have these turns (`None`: linear), in order.
    #[must_use]
    pub fn new(wraps: Vec<Option<f64>>) -> Self {
        let axes = vec![AxisTotals::default(); wraps.len().min(AXES_MAX)];
        Self {
            wraps,
            cycles: 0,
            overruns: 0,
            periods_skipped: 0,
            latency: Histogram::default(),
            execution: Histogram::default(),
            exchange: Exchange::default(),
            bus_fault: None,
            cable: None,
            bus_faulted_since: None,
            was_operational: false,
            first_at: None,
            operational_at: None,
            machine: MachineState::Boot,
            mode: Mode::Automatic,
            mode_changes: 0,
            mode_known: Mode::Unknown,
            has_run: false,
            stop_unresolved: None,
            shutting_down: false,
            shutdown_done: false,
            axes,
            streams: [StreamTotals::default(); STREAMS_MAX],
            trips: Vec::with_capacity(16),
            trips_total: 0,
            last_trip: None,
            steps: [0; STRANDS_MAX],
            steps_begun: 0,
            separation: Vec::with_capacity(4),
            inspections: Vec::new(),
            gate_violations: 0,
            program_faults: 0,
            twin: TwinTotals::default(),
            now: 0,
            awaiting_reaction: 0,
        }
    }

    /// Takes one record.
    pub fn take(&mut self, record: &Record) {
        self.now = record.now;
        match &record.body {
            Body::Cycle(cycle) => self.take_cycle(record, cycle),
            Body::Axis(axis) => self.take_axis(axis),
            Body::Signal { .. }
            | Body::Stamp { .. }
            | Body::Command(_)
            | Body::Picture(_)
            | Body::Result(_) => {}
            Body::Separation(found) => separation::take(&mut self.separation, found),
            Body::Event(event) => self.take_event(record, event),
        }
    }

    fn take_cycle(&mut self, record: &Record, cycle: &CycleRecord) {
        self.cycles = self.cycles.saturating_add(1);
        self.latency.add(u64::from(cycle.latency_ns));
        if record.cycle > 0 {
            self.execution.add(u64::from(cycle.execution_ns));
        }
        if cycle.skipped > 0 {
            self.overruns = self.overruns.saturating_add(1);
            self.periods_skipped = self.periods_skipped.saturating_add(u64::from(cycle.skipped));
        }
        self.exchange = cycle.exchange;
        self.first_at.get_or_insert(record.now);
        self.set_machine(cycle.machine);
        match cycle.exchange.state {
            BusState::Starting => self.bus_faulted_since = None,
            BusState::Operational => {
                self.was_operational = true;
                self.operational_at.get_or_insert(record.now);
                self.bus_faulted_since = None;
            }
            BusState::Faulted => {
                self.bus_fault = Some(cycle.exchange.fault);
                self.bus_faulted_since.get_or_insert(record.now);
            }
        }
        self.settle_reactions(record);
    }

    /// The reaction of a trip leaves with the frames of the next cycle.
    fn settle_reactions(&mut self, record: &Record) {
        for trip in self.trips.iter_mut().skip(self.awaiting_reaction) {
            if record.cycle > trip.at_cycle {
                trip.reaction_ns = Some(record.now.saturating_sub(trip.input_at));
                self.awaiting_reaction += 1;
            }
        }
    }

    fn take_axis(&mut self, record: &AxisRecord) {
        let index = usize::from(record.axis.0);
        let Some(axis) = self.axes.get_mut(index) else { return };
        if axis.seen && axis.last.inputs_good && record.view.inputs_good {
            let wrap = self.wraps.get(index).copied().flatten();
            axis.travel += shortest(record.view.position - axis.last.position, wrap).abs();
        }
        if record.view.enabled {
            axis.powered = true;
            axis.following_error_max =
                axis.following_error_max.max(record.view.following_error.abs());
        }
        axis.last = record.view;
        axis.seen = true;
        axis.stopping_distance = record.stopping_distance;
    }

    fn take_event(&mut self, record: &Record, event: &Event) {
        match *event {
            Event::Machine { to, .. } => self.set_machine(to),
            Event::Mode { to, .. } => self.set_mode(to),
            Event::Trip { cause, group, reaction, way, input_at, predicted } => {
                self.take_trip(Trip {
                    cause,
                    group,
                    reaction,
                    way,
                    escalated: None,
                    at_cycle: record.cycle,
                    at: record.now,
                    input_at,
                    reaction_ns: None,
                    stop_distance: None,
                    stop_distance_predicted: predicted.units(),
                });
            }
            Event::Escalated { group, to, .. } => self.escalate(group, to),
            Event::Stopped { group, cause, tripped_at_cycle, distance, .. } => {
                let same = |trip: &&mut Trip| {
                    trip.group == group && trip.cause == cause && trip.at_cycle == tripped_at_cycle
                };
                if let Some(trip) = self.trips.iter_mut().rev().find(same) {
                    trip.stop_distance = Some(distance.units());
                }
                if let Some(trip) = self.last_trip.as_mut().filter(|trip| same(trip)) {
                    trip.stop_distance = Some(distance.units());
                }
            }
            Event::Vision { stream: StreamId(id), not_clear, valid } => {
                if let Some(stream) = self.streams.get_mut(usize::from(id)) {
                    *stream = StreamTotals { not_clear, valid };
                }
            }
            Event::Step { strand, step } => self.take_step(strand, step),
            Event::Referenced { axis, kept, .. } => self.take_reference(axis, kept),
            Event::Foresight { .. }
            | Event::Foreseen { .. }
            | Event::Doubt { .. }
            | Event::Health { .. }
            | Event::Learnt { .. } => self.twin.take(record.now, event),
            Event::Part { .. } | Event::Track { .. } => {
                inspection::take(&mut self.inspections, event)
            }
            Event::GateViolation { .. } => self.gate_violations += 1,
            Event::ProgramFault { .. } => self.program_faults += 1,
            Event::ShutdownRequested => self.shutting_down = true,
            Event::ShutdownDone => self.shutdown_done = true,
            // Counted by the record of the cycle.
            Event::Overrun { .. }
            | Event::Inspection { .. }
            | Event::Demand { .. }
            | Event::Clear { .. }
            | Event::Diagnostic { .. }
            | Event::SpeedLimit { .. }
            | Event::Axis { .. }
            | Event::ReferenceRefused { .. }
            | Event::HomingFailed { .. }
            | Event::DriveFault { .. }
            | Event::Emergency(_)
            | Event::Reset
            | Event::ResetRefused { .. }
            | Event::Start => {}
        }
    }

    fn take_reference(&mut self, axis: AxisId, kept: bool) {
        if let Some(axis) = self.axes.get_mut(usize::from(axis.0)) {
            axis.reference_kept = Some(kept);
        }
    }

    fn take_step(&mut self, strand: u8, step: u16) {
        self.steps_begun = self.steps_begun.saturating_add(1);
        if let Some(place) = self.steps.get_mut(usize::from(strand)) {
            *place = step;
        }
    }

    fn escalate(&mut self, group: GroupId, to: StopWay) {
        let of_group = |trip: &&mut Trip| trip.group == group;
        let last = self.last_trip.as_mut().filter(of_group);
        for trip in self.trips.iter_mut().rev().find(of_group).into_iter().chain(last) {
            trip.escalated = Some(to);
        }
    }

    fn take_trip(&mut self, trip: Trip) {
        self.trips_total = self.trips_total.saturating_add(1);
        self.last_trip = Some(trip);
        if self.trips.len() < TRIPS_MAX {
            self.trips.push(trip);
        }
        if trip.reaction >= Reaction::Stop2 && !self.shutting_down {
            self.stop_unresolved.get_or_insert(trip.cause);
        }
    }

    fn set_mode(&mut self, mode: Mode) {
        self.mode = mode;
        if mode == Mode::Unknown {
            return;
        }
        let changed = self.mode_known != Mode::Unknown && self.mode_known != mode;
        self.mode_changes += u64::from(changed);
        self.mode_known = mode;
    }

    fn set_machine(&mut self, state: MachineState) {
        self.machine = state;
        if state == MachineState::Run {
            self.has_run = true;
            self.stop_unresolved = None;
        }
    }

    /// Whether every axis that was seen stands without motion.
    #[must_use]
    pub fn at_rest(&self) -> bool {
        self.axes.iter().all(|axis| match axis.last.state {
            AxisState::Disabled | AxisState::Standstill | AxisState::ErrorStop => true,
            AxisState::Homing
            | AxisState::DiscreteMotion
            | AxisState::ContinuousMotion
            | AxisState::SynchronizedMotion
            | AxisState::Stopping => false,
        })
    }
}

/// A difference of positions; on an endless axis the short way round.
fn shortest(difference: f64, wrap: Option<f64>) -> f64 {
    match wrap {
        Some(turn) if difference > turn / 2.0 => difference - turn,
        Some(turn) if difference < -turn / 2.0 => difference + turn,
        Some(_) | None => difference,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rt_core::plan::{AxisId, InterlockId};
    use twin_lite::Nano;

    fn cycle(number: u64, now: u64, machine: MachineState) -> Record {
        let body = Body::Cycle(CycleRecord { machine, ..CycleRecord::default() });
        Record { cycle: number, now, body }
    }

    fn event(number: u64, now: u64, event: Event) -> Record {
        Record { cycle: number, now, body: Body::Event(event) }
    }

    fn trip(reaction: Reaction) -> Event {
        Event::Trip {
            cause: SafeCause::Interlock(InterlockId(1)),
            group: GroupId(0),
            reaction,
            way: StopWay::Ramp,
            input_at: 9_000_000,
            predicted: Nano(5_000_000_000),
        }
    }

    fn axis(position: f64) -> Record {
        let view = AxisView { position, inputs_good: true, ..AxisView::default() };
        let body = Body::Axis(AxisRecord {
            axis: AxisId(0),
            view,
            stopping_distance: 0.0,
            disturbance_nm: 0.0,
        });
        Record { cycle: 1, now: 1, body }
    }

    #[test]
    fn the_reaction_time_runs_from_the_input_to_the_frames_of_the_next_cycle() {
        let mut statistics = Statistics::new(vec![]);
        statistics.take(&event(10, 10_000_000, trip(Reaction::Stop1)));
        statistics.take(&cycle(10, 10_000_000, MachineState::Safe));
        assert_eq!(statistics.trips[0].reaction_ns, None);
        statistics.take(&cycle(11, 11_000_000, MachineState::Safe));
        statistics.take(&cycle(12, 12_000_000, MachineState::Safe));
        assert_eq!(statistics.trips[0].reaction_ns, Some(2_000_000));
    }

    #[test]
    fn a_stop_that_no_start_follows_is_unresolved() {
        let mut statistics = Statistics::new(vec![]);
        statistics.take(&cycle(1, 1, MachineState::Run));
        statistics.take(&event(2, 2, trip(Reaction::Stop2)));
        statistics.take(&cycle(2, 2, MachineState::AwaitStart));
        assert_eq!(statistics.stop_unresolved, Some(SafeCause::Interlock(InterlockId(1))));
        statistics.take(&cycle(3, 3, MachineState::Run));
        assert_eq!(statistics.stop_unresolved, None);
    }

    #[test]
    fn slowing_down_and_the_end_itself_leave_nothing_unresolved() {
        let mut statistics = Statistics::new(vec![]);
        statistics.take(&cycle(1, 1, MachineState::Run));
        statistics.take(&event(2, 2, trip(Reaction::LimitSpeed(Nano(1)))));
        statistics.take(&event(3, 3, Event::ShutdownRequested));
        statistics.take(&event(4, 4, trip(Reaction::Stop1)));
        assert_eq!(statistics.stop_unresolved, None);
        assert_eq!(statistics.trips_total, 2);
    }

    #[test]
    fn a_stop_distance_belongs_to_its_trip() {
        let mut statistics = Statistics::new(vec![]);
        statistics.take(&event(10, 10, trip(Reaction::Stop1)));
        statistics.take(&event(20, 20, trip(Reaction::Stop1)));
        let stopped = Event::Stopped {
            group: GroupId(0),
            cause: SafeCause::Interlock(InterlockId(1)),
            tripped_at_cycle: 10,
            distance: Nano(4_500_000_000),
            predicted: Nano(5_000_000_000),
        };
        statistics.take(&event(30, 30, stopped));
        assert_eq!(statistics.trips[0].stop_distance, Some(4.5));
        assert_eq!(statistics.trips[1].stop_distance, None);
    }

    #[test]
    fn the_turn_of_an_endless_axis_is_no_travel() {
        let mut statistics = Statistics::new(vec![Some(1000.0)]);
        [990.0, 998.0, 6.0, 1.0].into_iter().for_each(|p| statistics.take(&axis(p)));
        assert!((statistics.axes[0].travel - 21.0).abs() < 1e-9);
    }

    #[test]
    fn trips_beyond_the_bound_are_counted_and_not_kept() {
        let mut statistics = Statistics::new(vec![]);
        for number in 0..1030 {
            statistics.take(&event(number, number, trip(Reaction::Warn)));
        }
        assert_eq!(statistics.trips.len(), TRIPS_MAX);
        assert_eq!(statistics.trips_total, 1030);
    }
}
