//! What the wiring, reports and pictures ask of the world.

use crate::axis::Axis;
use crate::camera::Camera;
use crate::conveyor::{Conveyor, PartCounts};
use crate::datagram::{DATAGRAM_LENGTH, RESULT_LENGTH};
use crate::drive::{ServoDrive, ServoSense};
use crate::operator::Operator;
use crate::person::{Person, PersonState};
use crate::script::BusAction;
use crate::station::{Ejection, StationCounts};
use crate::world::World;

/// An axis as it truly is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AxisView {
    /// Load, axis units.
    pub position: f64,
    /// Load, axis units / s.
    pub velocity: f64,
    /// Way of the load since the start, both directions added, axis units.
    pub travel: f64,
    /// The brake is closed.
    pub brake_holds: bool,
    /// Kinetic, elastic and potential energy, J.
    pub energy: f64,
    /// What the motor has put in since the start, J.
    pub work: f64,
}

/// The devices' side. An index that does not exist answers with rest values and takes nothing.
impl World {
    /// A drive commands.
    pub fn servo_command(&mut self, axis: usize, command: &ServoDrive) {
        if let Some(axis) = self.axes.get_mut(axis) {
            axis.command(command);
        }
    }

    /// A drive senses.
    #[must_use]
    pub fn servo_feedback(&self, axis: usize) -> ServoSense {
        self.axes.get(axis).map(Axis::sense).unwrap_or_default()
    }

    /// An axis moves at `velocity`, axis units / s, with `torque_permille` of rated torque, as if it had for a while: for a world
    /// that begins in the middle.
    pub fn set_moving(&mut self, axis: usize, velocity: f64, torque_permille: i16) {
        if let Some(axis) = self.axes.get_mut(axis) {
            axis.set_moving(velocity, torque_permille);
        }
    }

    /// A digital source.
    #[must_use]
    pub fn input(&self, source: usize) -> bool {
        self.sources.get(source).is_some_and(|source| source.value.on)
    }

    /// A digital output of a terminal was set.
    pub fn set_output(&mut self, output: usize, on: bool) {
        let now = self.now;
        let Some(place) = self.outputs.get_mut(output) else { return };
        place.set(on, now);
        for brake in &self.brake_outputs {
            if brake.output == output
                && let Some(axis) = self.axes.get_mut(brake.axis)
            {
                axis.brake_output(on);
            }
        }
    }

    /// What a digital output is.
    #[must_use]
    pub fn output(&self, output: usize) -> bool {
        self.outputs.get(output).is_some_and(|output| output.on)
    }

    /// An analogue source, raw.
    #[must_use]
    pub fn analog_input(&self, source: usize) -> i16 {
        self.analog_sources.get(source).copied().unwrap_or_default()
    }

    /// An analogue output of a terminal was set, raw.
    pub fn set_analog_output(&mut self, output: usize, value: i16) {
        if let Some(place) = self.analog_outputs.get_mut(output) {
            *place = value;
        }
    }

    /// What an analogue output is, raw.
    #[must_use]
    pub fn analog_output(&self, output: usize) -> i16 {
        self.analog_outputs.get(output).copied().unwrap_or_default()
    }

    /// Hands over the oldest datagram of a camera that has arrived by now; false: there is none.
    pub fn take_datagram(&mut self, camera: usize, into: &mut [u8; DATAGRAM_LENGTH]) -> bool {
        let now = self.now;
        self.cameras.get_mut(camera).is_some_and(|camera| camera.take(now, into))
    }

    /// Hands over the result of an inspection over a conveyor that has left its camera; false: there is none.
    pub fn take_result(&mut self, conveyor: usize, into: &mut [u8; RESULT_LENGTH]) -> bool {
        let now = self.now;
        let conveyor = self.conveyors.get_mut(conveyor);
        conveyor.and_then(Conveyor::station).is_some_and(|station| station.take(now, into))
    }

    /// Hands over the next fault of the bus that is due, in order. Call until `None`.
    pub fn take_bus_action(&mut self) -> Option<BusAction> {
        let [first, rest @ ..] = &mut self.bus;
        let action = first.take()?;
        let mut hole = first;
        for place in rest {
            std::mem::swap(hole, place);
            hole = place;
        }
        self.bus_waiting = self.bus_waiting.saturating_sub(1);
        Some(action)
    }
}

/// The observer's side.
impl World {
    /// Where the world is in time, ns.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Time that was skipped because a call came more than 1 s late, ns; 0 in virtual time.
    #[must_use]
    pub fn skipped_ns(&self) -> u64 {
        self.skipped
    }

    /// How many axes there are.
    #[must_use]
    pub fn axis_count(&self) -> usize {
        self.axes.len()
    }

    /// An axis as it truly is.
    #[must_use]
    pub fn axis(&self, axis: usize) -> Option<AxisView> {
        self.axes.get(axis).map(|axis| AxisView {
            position: axis.position(),
            velocity: axis.velocity(),
            travel: axis.travel(),
            brake_holds: axis.brake_holds(),
            energy: axis.energy(),
            work: axis.work(),
        })
    }

    /// How far an axis has travelled since `since_ns` (to the ms); `None`: no such axis, or longer
    /// ago than 4 s.
    #[must_use]
    pub fn travel_since(&self, axis: usize, since_ns: u64) -> Option<f64> {
        let then = self.histories.get(axis)?.at(since_ns)?;
        Some(self.axes.get(axis)?.travel() - then)
    }

    /// What became of the parts of a conveyor.
    #[must_use]
    pub fn parts(&self, conveyor: usize) -> Option<PartCounts> {
        self.conveyors.get(conveyor).map(Conveyor::counts)
    }

    /// What became of the parts that an inspection over a conveyor saw, and the last that its ejector took; `None`: it has none.
    #[must_use]
    pub fn inspected(&self, conveyor: usize) -> Option<(StationCounts, Option<Ejection>)> {
        self.conveyors.get(conveyor).and_then(Conveyor::inspected)
    }

    /// Where the parts on a belt are, mm from where they appear, furthest first.
    pub fn part_positions(&self, conveyor: usize) -> impl Iterator<Item = f64> {
        self.conveyors.get(conveyor).into_iter().flat_map(Conveyor::parts)
    }

    /// Where a person is; `None`: not in the cell.
    #[must_use]
    pub fn person(&self, person: usize) -> Option<PersonState> {
        self.persons.get(person).and_then(Person::state)
    }

    /// How many walks a person has begun.
    #[must_use]
    pub fn walks(&self, person: usize) -> u64 {
        self.persons.get(person).map(Person::walks).unwrap_or_default()
    }

    /// Somebody is in a zone, in truth.
    #[must_use]
    pub fn zone_occupied(&self, zone: usize) -> bool {
        self.zone_occupied.get(zone).is_some_and(|zone| zone.on)
    }

    /// How often a rule has fired.
    #[must_use]
    pub fn rule_fired(&self, rule: usize) -> u64 {
        self.operators.get(rule).map(Operator::fired).unwrap_or_default()
    }

    /// Datagrams and bus actions that nobody took in time and that found no place.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        let datagrams = self.cameras.iter().map(Camera::dropped);
        datagrams.fold(self.bus_dropped, u64::saturating_add)
    }
}
