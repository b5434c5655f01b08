//! The world as it is told: plain data, and what is checked of it before it starts.

use crate::camera::{Camera, CameraPlan};
use crate::conveyor::{Conveyor, ConveyorPlan};
use crate::geometry::Area;
use crate::person::{Person, PersonPlan};
use crate::physics::AxisPhysics;
use crate::script::{Action, Condition, Event, Rule};

/// Everything behind the devices. Other parts refer to axes, sources, outputs, zones and persons
/// by their place in these lists.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WorldPlan {
    /// Same seed, same world, to the bit.
    pub seed: u64,
    /// Axes, one behind each drive.
    pub axes: Vec<AxisPhysics>,
    /// Holding brakes that an output of a terminal releases and not the drive.
    pub brake_outputs: Vec<BrakeOutput>,
    /// Digital sources (buttons, emergency stop and door channels, barriers) with their rest
    /// values.
    pub sources: Vec<bool>,
    /// Analogue sources with their values at the start, raw.
    pub analog_sources: Vec<i16>,
    /// How many digital outputs of terminals there are (lamps, gripper, brakes).
    pub outputs: usize,
    /// How many analogue outputs there are.
    pub analog_outputs: usize,
    /// Sources that follow an output (contactor feedback).
    pub echoes: Vec<Echo>,
    /// The certified chain that takes the torque of the drives; `None`: there is none.
    pub safety_chain: Option<SafetyChain>,
    /// Belts.
    pub conveyors: Vec<ConveyorPlan>,
    /// Areas of the cell.
    pub zones: Vec<Area>,
    /// People who walk.
    pub persons: Vec<PersonPlan>,
    /// Cameras.
    pub cameras: Vec<CameraPlan>,
    /// What happens at fixed times, in any order.
    pub events: Vec<Event>,
    /// What people do in answer to the machine.
    pub rules: Vec<Rule>,
}

/// An output that releases a brake while it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrakeOutput {
    /// Whose brake.
    pub axis: usize,
    /// Which output.
    pub output: usize,
}

/// A safety relay with safe stop 1 (SS1-t): so long after an input opens, the torque of all drives goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SafetyChain {
    /// Digital sources that are on while all is well.
    pub sources: Vec<usize>,
    /// From an open input to safe torque off, ns.
    pub delay_ns: u64,
}

/// A source that follows an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// Which output.
    pub output: usize,
    /// Which source.
    pub source: usize,
    /// The source is on while the output is off.
    pub inverted: bool,
    /// How much later, ns.
    pub delay_ns: u64,
}

/// What is wrong with a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// In which list.
    pub list: &'static str,
    /// At which place of it.
    pub place: usize,
    /// What.
    pub field: &'static str,
}

impl core::fmt::Display for PlanError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}[{}]: {} is out of range", self.list, self.place, self.field)
    }
}

impl core::error::Error for PlanError {}

impl WorldPlan {
    /// Checks ranges and references.
    ///
    /// # Errors
    /// The first that does not hold.
    pub fn check(&self) -> Result<(), PlanError> {
        each("axes", &self.axes, AxisPhysics::check)?;
        each("brake_outputs", &self.brake_outputs, |brake| {
            let known = brake.axis < self.axes.len() && brake.output < self.outputs;
            if known { Ok(()) } else { Err("axis, output") }
        })?;
        each("echoes", &self.echoes, |echo| {
            let known = echo.output < self.outputs && echo.source < self.sources.len();
            if known { Ok(()) } else { Err("output, source") }
        })?;
        if let Some(chain) = &self.safety_chain {
            each("safety_chain.sources", &chain.sources, |source| {
                if *source < self.sources.len() { Ok(()) } else { Err("source") }
            })?;
        }
        each("zones", &self.zones, |zone| if zone.is_valid() { Ok(()) } else { Err("corners") })?;
        each("conveyors", &self.conveyors, |conveyor| self.check_conveyor(conveyor))?;
        each("persons", &self.persons, Person::check)?;
        each("cameras", &self.cameras, |camera| Camera::check(camera, self.zones.len()))?;
        each("events", &self.events, |event| self.check_action(&event.action))?;
        each("rules", &self.rules, |rule| {
            rule.when.iter().try_for_each(|condition| self.check_condition(condition))?;
            if rule.when.is_empty() || rule.then.is_empty() {
                return Err("when, then");
            }
            rule.then.iter().try_for_each(|step| self.check_action(&step.action))
        })
    }

    fn check_conveyor(&self, conveyor: &ConveyorPlan) -> Result<(), &'static str> {
        Conveyor::check(conveyor)?;
        let axes = self.axes.len();
        if conveyor.axis >= axes {
            return Err("axis");
        }
        if conveyor.barrier.is_some_and(|barrier| barrier.source >= self.sources.len()) {
            return Err("barrier.source");
        }
        if let Some(station) = &conveyor.station
            && (station.trigger >= self.outputs || station.reject >= self.outputs)
        {
            return Err("station.trigger, station.reject");
        }
        let Some(gripper) = &conveyor.gripper else { return Ok(()) };
        if gripper.axis_x >= axes || gripper.axis_z >= axes {
            return Err("gripper.axis");
        }
        if gripper.output >= self.outputs {
            return Err("gripper.output");
        }
        if gripper.held_source.is_some_and(|source| source >= self.sources.len()) {
            return Err("gripper.held_source");
        }
        Ok(())
    }

    fn check_action(&self, action: &Action) -> Result<(), &'static str> {
        let known = match *action {
            Action::SetSource { source, .. } | Action::Pulse { source, .. } => {
                source < self.sources.len()
            }
            Action::SetAnalog { source, .. } => source < self.analog_sources.len(),
            Action::PersonStart { person } => person < self.persons.len(),
            Action::CameraFault { camera, .. } => camera < self.cameras.len(),
            Action::DriveFault { axis, .. }
            | Action::SafeTorqueOff { axis, .. }
            | Action::BrakeFails { axis, .. }
            | Action::Obeys { axis, .. } => axis < self.axes.len(),
            Action::FrictionScale { axis, factor } | Action::PayloadScale { axis, factor } => {
                axis < self.axes.len() && factor.is_finite()
            }
            Action::Bus(_) => true,
        };
        if known { Ok(()) } else { Err("action") }
    }

    fn check_condition(&self, condition: &Condition) -> Result<(), &'static str> {
        let known = match *condition {
            Condition::OutputOn { output, .. } | Condition::OutputOff { output, .. } => {
                output < self.outputs
            }
            Condition::SourceOn { source, .. } | Condition::SourceOff { source, .. } => {
                source < self.sources.len()
            }
            Condition::ZoneFree { zone, .. } | Condition::ZoneOccupied { zone, .. } => {
                zone < self.zones.len()
            }
        };
        if known { Ok(()) } else { Err("condition") }
    }
}

fn each<T>(
    list: &'static str,
    items: &[T],
    check: impl Fn(&T) -> Result<(), &'static str>,
) -> Result<(), PlanError> {
    for (place, item) in items.iter().enumerate() {
        check(item).map_err(|field| PlanError { list, place, field })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Point;

    fn error(plan: &WorldPlan) -> (&'static str, usize) {
        let error = plan.check().unwrap_err();
        (error.list, error.place)
    }

    #[test]
    fn a_reference_to_nothing_is_refused() {
        assert_eq!(WorldPlan::default().check(), Ok(()));
        let event = |action| Event { at_ns: 0, action };
        let plan = WorldPlan {
            sources: vec![false],
            events: vec![
                event(Action::SetSource { source: 0, on: true }),
                event(Action::SetSource { source: 1, on: true }),
            ],
            ..WorldPlan::default()
        };
        assert_eq!(error(&plan), ("events", 1));
        let plan = WorldPlan {
            brake_outputs: vec![BrakeOutput { axis: 0, output: 0 }],
            outputs: 1,
            ..WorldPlan::default()
        };
        assert_eq!(error(&plan), ("brake_outputs", 0));
    }

    #[test]
    fn an_area_of_two_corners_is_refused() {
        let zone = Area { corners: vec![Point::new(0.0, 0.0), Point::new(1.0, 0.0)] };
        let plan = WorldPlan { zones: vec![zone], ..WorldPlan::default() };
        assert_eq!(error(&plan), ("zones", 0));
    }

    #[test]
    fn a_rule_without_conditions_or_steps_is_refused() {
        let step = crate::script::Step {
            after_ns: 0,
            action: Action::Pulse { source: 0, duration_ns: 1 },
        };
        let condition = Condition::SourceOn { source: 0, for_ns: 0 };
        let plan = |when: &[Condition], then: &[crate::script::Step]| WorldPlan {
            sources: vec![false],
            rules: vec![Rule { when: when.to_vec(), then: then.to_vec(), cooldown_ns: 0 }],
            ..WorldPlan::default()
        };
        assert_eq!(plan(&[condition], &[step]).check(), Ok(()));
        assert_eq!(error(&plan(&[], &[step])), ("rules", 0));
        assert_eq!(error(&plan(&[condition], &[])), ("rules", 0));
    }
}
