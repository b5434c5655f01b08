//! The world: everything behind the devices, moved on together.

use crate::axis::Axis;
use crate::camera::Camera;
use crate::conveyor::{Conveyor, Gripper, Motion, StationOutputs};
use crate::geometry::Area;
use crate::history::{History, INTERVAL_NS};
use crate::num::{Rng, TICK_NS};
use crate::operator::{Operator, Scene};
use crate::person::{Person, PersonState};
use crate::plan::{BrakeOutput, Echo, PlanError, SafetyChain, WorldPlan};
use crate::script::{Action, BusAction, Event};
use crate::signals::{Source, Timed};
use crate::wear::Wear;

/// At most this many ticks are caught up in one call (1 s); time beyond is skipped and counted.
const CATCH_UP_TICKS: u32 = 8_000;
/// Bus actions waiting to be taken.
const BUS_ACTIONS: usize = 32;

/// The physical world behind the segment.
#[derive(Clone, Debug)]
pub struct World {
    pub(crate) now: u64,
    pub(crate) skipped: u64,
    pub(crate) axes: Vec<Axis>,
    steps: u32,
    pub(crate) histories: Vec<History>,
    pub(crate) brake_outputs: Vec<BrakeOutput>,
    pub(crate) sources: Vec<Source>,
    pub(crate) outputs: Vec<Timed>,
    pub(crate) analog_sources: Vec<i16>,
    pub(crate) analog_outputs: Vec<i16>,
    echoes: Vec<Echo>,
    safety_chain: Option<SafetyChain>,
    chain_open: bool,
    pub(crate) conveyors: Vec<Conveyor>,
    zones: Vec<Area>,
    pub(crate) zone_occupied: Vec<Timed>,
    pub(crate) persons: Vec<Person>,
    pub(crate) cameras: Vec<Camera>,
    pub(crate) operators: Vec<Operator>,
    events: Vec<Event>,
    next_event: usize,
    start: u64,
    /// The next event or end of a pulse.
    next_due: u64,
    next_slow: u64,
    next_capture: u64,
    pub(crate) bus: [Option<BusAction>; BUS_ACTIONS],
    pub(crate) bus_waiting: usize,
    pub(crate) bus_dropped: u64,
}

impl World {
    /// A world at rest at `start_ns`; the only place that allocates.
    ///
    /// # Errors
    /// What of the plan is out of range.
    pub fn new(plan: WorldPlan, start_ns: u64) -> Result<Self, PlanError> {
        plan.check()?;
        let seed = plan.seed;
        let rng = |part: u64, place: usize| {
            Rng::new(seed, (part << 32) | u64::try_from(place).unwrap_or_default())
        };
        let axes: Vec<Axis> = plan.axes.into_iter().map(Axis::new).collect();
        let conveyors = plan.conveyors.into_iter().enumerate().map(|(place, conveyor)| {
            let belt = axes.get(conveyor.axis).map(Axis::position).unwrap_or_default();
            Conveyor::new(conveyor, rng(1, place), belt)
        });
        let cameras = plan
            .cameras
            .into_iter()
            .enumerate()
            .map(|(place, camera)| Camera::new(camera, &plan.zones, rng(2, place), start_ns));
        let mut events = plan.events;
        events.sort_by_key(|event| event.at_ns);
        let source = |rest| Source::at_rest(rest, start_ns);
        let mut world = Self {
            now: start_ns,
            skipped: 0,
            conveyors: conveyors.collect(),
            cameras: cameras.collect(),
            histories: axes.iter().map(|_| History::new(start_ns)).collect(),
            steps: axes.iter().map(Axis::steps).max().unwrap_or_default(),
            axes,
            brake_outputs: plan.brake_outputs,
            sources: plan.sources.into_iter().map(source).collect(),
            outputs: vec![Timed::at_rest(false, start_ns); plan.outputs],
            analog_sources: plan.analog_sources,
            analog_outputs: vec![0; plan.analog_outputs],
            echoes: plan.echoes,
            safety_chain: plan.safety_chain,
            chain_open: false,
            zone_occupied: vec![Timed::at_rest(false, start_ns); plan.zones.len()],
            zones: plan.zones,
            persons: plan.persons.into_iter().map(|plan| Person::new(plan, start_ns)).collect(),
            operators: plan.rules.into_iter().map(Operator::new).collect(),
            events,
            next_event: 0,
            start: start_ns,
            next_due: start_ns,
            next_slow: start_ns,
            next_capture: start_ns,
            bus: [None; BUS_ACTIONS],
            bus_waiting: 0,
            bus_dropped: 0,
        };
        world.sources_follow(start_ns);
        Ok(world)
    }

    /// Moves on to `now`, ns, in ticks of 125 µs counted from the start. What is less than a tick
    /// waits for the next call.
    pub fn advance(&mut self, now: u64) {
        let mut ticks = 0;
        while now.saturating_sub(self.now) >= TICK_NS && ticks < CATCH_UP_TICKS {
            self.now = self.now.saturating_add(TICK_NS);
            self.tick(self.now);
            ticks += 1;
        }
        let left = now.saturating_sub(self.now) / TICK_NS * TICK_NS;
        self.now = self.now.saturating_add(left);
        self.skipped = self.skipped.saturating_add(left);
    }

    /// Does something now that is not in the plan (a person at a test bench). An index that does not
    /// exist does nothing.
    pub fn act(&mut self, action: Action) {
        self.apply(action, self.now);
    }

    /// Wears an axis from now on. An axis that does not exist does nothing.
    pub fn wear(&mut self, axis: usize, wear: Wear) {
        self.on_axis(axis, |axis| axis.set_wear(wear));
    }

    fn tick(&mut self, now: u64) {
        self.move_axes();
        if now >= self.next_due {
            self.scripted(now);
        }
        self.belts(now);
        if now >= self.next_slow {
            self.next_slow = now.saturating_add(INTERVAL_NS);
            self.slow(now);
        }
        if now >= self.next_capture {
            self.look(now);
        }
    }

    /// Step by step over all axes: they do not depend on each other, so the processor calculates
    /// them side by side.
    fn move_axes(&mut self) {
        for axis in &mut self.axes {
            axis.begin();
        }
        for step in 0..self.steps {
            for axis in &mut self.axes {
                if step < axis.steps() {
                    axis.step();
                }
            }
        }
        for axis in &mut self.axes {
            axis.finish();
        }
    }

    /// Events that are due and pulses that are over.
    fn scripted(&mut self, now: u64) {
        self.next_due = u64::MAX;
        while let Some(event) = self.events.get(self.next_event).copied() {
            let at = self.start.saturating_add(event.at_ns);
            if at > now {
                self.next_due = at;
                break;
            }
            self.next_event = self.next_event.saturating_add(1);
            self.apply(event.action, now);
        }
        for source in &mut self.sources {
            if now >= source.pulse_end {
                source.pulse_end = u64::MAX;
                source.value.set(source.rest, now);
            }
            self.next_due = self.next_due.min(source.pulse_end);
        }
    }

    fn apply(&mut self, action: Action, now: u64) {
        match action {
            Action::SetSource { source, on } => self.set_source(source, on, now),
            Action::Pulse { source, duration_ns } => {
                if let Some(source) = self.sources.get_mut(source) {
                    source.value.set(!source.rest, now);
                    source.pulse_end = now.saturating_add(duration_ns);
                    self.next_due = self.next_due.min(source.pulse_end);
                }
            }
            Action::SetAnalog { source, value } => {
                if let Some(place) = self.analog_sources.get_mut(source) {
                    *place = value;
                }
            }
            Action::PersonStart { person } => {
                if let Some(person) = self.persons.get_mut(person) {
                    person.start();
                }
            }
            Action::CameraFault { camera, fault } => {
                if let Some(camera) = self.cameras.get_mut(camera) {
                    camera.set_fault(fault);
                }
            }
            Action::DriveFault { axis, code } => self.on_axis(axis, |axis| axis.set_fault(code)),
            Action::SafeTorqueOff { axis, active } => {
                self.on_axis(axis, |axis| axis.set_safe_torque_off(active));
            }
            Action::BrakeFails { axis, failed } => {
                self.on_axis(axis, |axis| axis.set_brake_failed(failed));
            }
            Action::Obeys { axis, obeys } => self.on_axis(axis, |axis| axis.set_obeys(obeys)),
            Action::FrictionScale { axis, factor } => {
                self.on_axis(axis, |axis| axis.set_friction_scale(factor));
            }
            Action::PayloadScale { axis, factor } => {
                self.on_axis(axis, |axis| axis.set_payload_scale(factor));
            }
            Action::Bus(action) => self.queue(action),
        }
    }

    fn on_axis(&mut self, axis: usize, act: impl FnOnce(&mut Axis)) {
        if let Some(axis) = self.axes.get_mut(axis) {
            act(axis);
        }
    }

    fn set_source(&mut self, source: usize, on: bool, now: u64) {
        if let Some(source) = self.sources.get_mut(source) {
            source.value.set(on, now);
        }
    }

    fn queue(&mut self, action: BusAction) {
        match self.bus.get_mut(self.bus_waiting) {
            Some(place) => {
                *place = Some(action);
                self.bus_waiting += 1;
            }
            None => self.bus_dropped = self.bus_dropped.saturating_add(1),
        }
    }

    fn belts(&mut self, now: u64) {
        for place in 0..self.conveyors.len() {
            let Some(conveyor) = self.conveyors.get(place) else { continue };
            let (axis, plan) = (conveyor.plan().axis, conveyor.plan().gripper);
            let held = conveyor.held();
            let belt = self.motion(axis);
            let gripper = plan.map(|plan| Gripper {
                x: self.motion(plan.axis_x),
                z: self.motion(plan.axis_z),
                closed: self
                    .outputs
                    .get(plan.output)
                    .is_some_and(|output| output.delayed(plan.delay_ns, now)),
            });
            let station = self.station_outputs(place, now);
            let Some(conveyor) = self.conveyors.get_mut(place) else { continue };
            conveyor.advance(belt, gripper.as_ref());
            if let Some(outputs) = station {
                conveyor.inspect(belt, &outputs);
            }
            let holds = conveyor.held();
            if let Some(plan) = plan
                && holds != held
            {
                let scale = if holds { plan.part_payload } else { 1.0 };
                self.on_axis(plan.axis_z, |axis| axis.set_part_scale(scale));
            }
        }
        self.sources_follow(now);
    }

    fn station_outputs(&self, conveyor: usize, now: u64) -> Option<StationOutputs> {
        let plan = self.conveyors.get(conveyor)?.plan().station.as_ref()?;
        let on = |output: usize| self.outputs.get(output).is_some_and(|output| output.on);
        Some(StationOutputs { trigger: on(plan.trigger), reject: on(plan.reject), now })
    }

    fn motion(&self, axis: usize) -> Motion {
        self.axes.get(axis).map_or_else(Motion::default, |axis| Motion {
            position: axis.position(),
            velocity: axis.velocity(),
        })
    }

    /// Sources that the world itself drives.
    fn sources_follow(&mut self, now: u64) {
        let sources = &mut self.sources;
        let mut set = |source: usize, on: bool| {
            if let Some(source) = sources.get_mut(source) {
                source.value.set(on, now);
            }
        };
        for conveyor in &self.conveyors {
            if let Some(barrier) = conveyor.plan().barrier {
                set(barrier.source, conveyor.barrier());
            }
            if let Some(source) = conveyor.plan().gripper.and_then(|plan| plan.held_source) {
                set(source, conveyor.held());
            }
        }
        for echo in &self.echoes {
            if let Some(output) = self.outputs.get(echo.output) {
                set(echo.source, output.delayed(echo.delay_ns, now) != echo.inverted);
            }
        }
    }

    /// What need not be more precise than 1 ms: people and what they do.
    fn slow(&mut self, now: u64) {
        for person in &mut self.persons {
            person.advance(now, INTERVAL_NS);
        }
        for (zone, occupied) in self.zones.iter().zip(&mut self.zone_occupied) {
            let inside = |person: PersonState| zone.touches(person.at, person.radius_mm);
            let anybody = self.persons.iter().filter_map(Person::state).any(inside);
            occupied.set(anybody, now);
        }
        self.safety_chain(now);
        for (axis, history) in self.axes.iter().zip(&mut self.histories) {
            history.push(axis.travel(), now);
        }
        for place in 0..self.operators.len() {
            let scene = Scene {
                now,
                sources: &self.sources,
                outputs: &self.outputs,
                zones: &self.zone_occupied,
            };
            let action = self.operators.get_mut(place).and_then(|operator| operator.act(&scene));
            if let Some(action) = action {
                self.apply(action, now);
            }
        }
    }

    /// The certified chain: any of its inputs off takes the torque of every drive after its delay; all on give it free.
    fn safety_chain(&mut self, now: u64) {
        let Some(chain) = &self.safety_chain else { return };
        let open = chain.sources.iter().any(|source| {
            let source = self.sources.get(*source);
            source.is_none_or(|source| source.value.has_been(false, chain.delay_ns, now))
        });
        if open != self.chain_open {
            self.chain_open = open;
            for axis in &mut self.axes {
                axis.set_safe_torque_off(open);
            }
        }
    }

    fn look(&mut self, now: u64) {
        self.next_capture = u64::MAX;
        for camera in &mut self.cameras {
            if now >= camera.next_capture() {
                camera.capture(now, &self.persons, &self.zones);
            }
            self.next_capture = self.next_capture.min(camera.next_capture());
        }
    }
}
