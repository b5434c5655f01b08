//! From the scenario of the machine file to the world's script.

use config::cell::{self as file, OperatorRule, RuleCondition, ScenarioAction, Seen, VirtualCell};
use world::{Action, BusAction, CameraFault, Condition, Event, Obeys, Rule, Step};

use super::places::Places;

/// All that happens at fixed times, up to `horizon_ns` after the start. What refers to something that is not there is left out; a
/// checked machine file has no such thing.
pub(super) fn events(cell: &VirtualCell, places: &Places, horizon_ns: u64) -> Vec<Event> {
    let events = cell.events.iter().take_while(|event| event.at_ns <= horizon_ns);
    events
        .filter_map(|event| {
            Some(Event { at_ns: event.at_ns, action: action(&event.action, places)? })
        })
        .collect()
}

fn action(action: &ScenarioAction, places: &Places) -> Option<Action> {
    Some(match *action {
        ScenarioAction::SetInput { input, on } => {
            Action::SetSource { source: places.source(input)?, on }
        }
        ScenarioAction::Pulse { input, duration_ns } => {
            Action::Pulse { source: places.source(input)?, duration_ns }
        }
        ScenarioAction::SetAnalog { input, value } => {
            Action::SetAnalog { source: places.analog_source(input)?, value }
        }
        ScenarioAction::PersonStart { person } => Action::PersonStart { person },
        ScenarioAction::CameraFault { camera, fault } => {
            Action::CameraFault { camera, fault: camera_fault(fault) }
        }
        ScenarioAction::DriveFault { axis, code } => {
            Action::DriveFault { axis: places.axis(axis)?, code }
        }
        ScenarioAction::SafeTorqueOff { axis, active } => {
            Action::SafeTorqueOff { axis: places.axis(axis)?, active }
        }
        ScenarioAction::BrakeFails { axis, failed } => {
            Action::BrakeFails { axis: places.axis(axis)?, failed }
        }
        ScenarioAction::Obeys { axis, obeys } => {
            Action::Obeys { axis: places.axis(axis)?, obeys: what_it_obeys(obeys) }
        }
        ScenarioAction::FrictionScale { axis, factor } => {
            Action::FrictionScale { axis: places.axis(axis)?, factor }
        }
        ScenarioAction::PayloadScale { axis, factor } => {
            Action::PayloadScale { axis: places.axis(axis)?, factor }
        }
        ScenarioAction::Bus(action) => Action::Bus(bus(action)),
    })
}

fn what_it_obeys(obeys: file::Obeys) -> Obeys {
    match obeys {
        file::Obeys::All => Obeys::All,
        file::Obeys::QuickStop => Obeys::QuickStop,
        file::Obeys::Power => Obeys::Power,
        file::Obeys::Nothing => Obeys::Nothing,
    }
}

fn camera_fault(fault: file::CameraFault) -> CameraFault {
    match fault {
        file::CameraFault::None => CameraFault::None,
        file::CameraFault::Freeze => CameraFault::Freeze,
        file::CameraFault::Silence => CameraFault::Silence,
        file::CameraFault::WrongCrc => CameraFault::WrongCrc,
        file::CameraFault::WrongHash => CameraFault::WrongHash,
        file::CameraFault::Repeat => CameraFault::Repeat,
        file::CameraFault::Quality(quality) => CameraFault::Quality(quality),
        file::CameraFault::Lag(lag_ns) => CameraFault::Lag(lag_ns),
    }
}

/// The file names the device that no longer answers, the world the last one that does.
fn before(position: usize) -> Option<usize> {
    position.checked_sub(1)
}

fn bus(action: file::BusAction) -> BusAction {
    match action {
        file::BusAction::LinkDown { position } => BusAction::LinkDown { after: before(position) },
        file::BusAction::LinkUp { position } => BusAction::LinkUp { after: before(position) },
        file::BusAction::PowerOff { position } => BusAction::PowerOff { position },
        file::BusAction::PowerOn { position } => BusAction::PowerOn { position },
        file::BusAction::RefuseOp { position, al_status_code } => {
            BusAction::RefuseOp { position, al_status_code }
        }
        file::BusAction::AllowOp { position } => BusAction::AllowOp { position },
        file::BusAction::LoseFrames { count } => BusAction::LoseFrames { count },
        file::BusAction::CorruptFrames { count } => BusAction::CorruptFrames { count },
        file::BusAction::DuplicateFrames { count } => BusAction::DuplicateFrames { count },
        file::BusAction::DelayFrames { count, delay_ns } => {
            BusAction::DelayFrames { count, delay_ns }
        }
        file::BusAction::ForeignFrames { count } => BusAction::ForeignFrames { count },
    }
}

/// What the operator does.
pub(super) fn rules(cell: &VirtualCell, places: &Places) -> Vec<Rule> {
    cell.rules.iter().map(|entry| rule(entry, places)).collect()
}

fn rule(rule: &OperatorRule, places: &Places) -> Rule {
    let steps = rule.then.iter().filter_map(|step| {
        Some(Step { after_ns: step.after_ns, action: action(&step.action, places)? })
    });
    Rule {
        when: rule.when.iter().filter_map(|seen| condition(seen, places)).collect(),
        then: steps.collect(),
        cooldown_ns: rule.cooldown_ns,
    }
}

fn condition(condition: &RuleCondition, places: &Places) -> Option<Condition> {
    let for_ns = condition.for_ns;
    Some(match condition.what {
        Seen::OutputOn(output) => Condition::OutputOn { output: places.output(output)?, for_ns },
        Seen::OutputOff(output) => Condition::OutputOff { output: places.output(output)?, for_ns },
        Seen::InputOn(input) => Condition::SourceOn { source: places.source(input)?, for_ns },
        Seen::InputOff(input) => Condition::SourceOff { source: places.source(input)?, for_ns },
        Seen::ZoneFree(zone) => Condition::ZoneFree { zone, for_ns },
        Seen::ZoneOccupied(zone) => Condition::ZoneOccupied { zone, for_ns },
    })
}
