//! Events in words: what happened, how serious it is, and to what.

use fieldbus::coe::drive_error_text;
use rt_core::axis::homing::Failure;
use rt_core::bus::Emergency;
use rt_core::interlock::Mode;
use rt_core::plan::{Reaction, StopWay};
use rt_core::program::AxisState;
use rt_core::record::{ButtonFault, Event, GateLimit, MachineState};
use rt_core::vision::Verdict;
use twin_lite::Nano;

use crate::labels::Labels;

mod part;
mod twin;

pub(crate) use twin::{channels, decision, sensors, twin_mode};

/// How serious an event is. Its numbers are those of `foxglove.Log`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The course of things.
    Info,
    /// Look at it.
    Warning,
    /// Something stopped.
    Error,
}

impl Severity {
    /// Its number in recordings.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::Info => 2,
            Self::Warning => 3,
            Self::Error => 4,
        }
    }
}

/// An event in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Stable word for machines: `trip`, `stopped`, …
    pub kind: &'static str,
    /// How serious.
    pub severity: Severity,
    /// Name of what it is about: interlock, axis, stream, step; empty when it is the machine.
    pub subject: String,
    /// One sentence.
    pub text: String,
}

fn described(kind: &'static str, severity: Severity, subject: &str, text: String) -> Described {
    Described { kind, severity, subject: subject.to_owned(), text }
}

/// Says an event in words.
#[must_use]
pub fn describe(event: &Event, labels: &Labels) -> Described {
    use Severity::{Error, Info, Warning};
    match *event {
        Event::Machine { from, to } => {
            let text = format!("machine: {} → {}", machine(from), machine(to));
            described("machine", Info, "", text)
        }
        Event::Demand { interlock } => {
            let name = labels.interlock(interlock);
            described("demand", Warning, name, format!("{name} demands"))
        }
        Event::Clear { interlock } => {
            let name = labels.interlock(interlock);
            described("clear", Info, name, format!("{name} is clear"))
        }
        Event::Trip { .. }
        | Event::Stopped { .. }
        | Event::Escalated { .. }
        | Event::SpeedLimit { .. }
        | Event::Diagnostic { .. }
        | Event::Mode { .. } => describe_protection(event, labels),
        Event::Foresight { .. }
        | Event::Foreseen { .. }
        | Event::Doubt { .. }
        | Event::Health { .. }
        | Event::Learnt { .. } => twin::describe(event, labels),
        Event::GateViolation { .. }
        | Event::Axis { .. }
        | Event::Referenced { .. }
        | Event::ReferenceRefused { .. }
        | Event::HomingFailed { .. }
        | Event::DriveFault { .. } => describe_axis(event, labels),
        Event::Emergency(emergency) => {
            describe_emergency(&emergency, &labels.device(emergency.device))
        }
        Event::Reset => described("reset", Info, "", "reset accepted".into()),
        Event::ResetRefused { reason } => {
            let text = format!("reset refused: {}", button(reason));
            described("reset_refused", Warning, "", text)
        }
        Event::Start => described("start", Info, "", "start accepted".into()),
        Event::Step { strand, step } => {
            let name = labels.step(step);
            described("step", Info, name, format!("program strand {strand}: {name}"))
        }
        Event::ProgramFault { step } => {
            let name = labels.step(step);
            let text = format!("program fault in step {name}: timed out, or too many requests");
            described("program_fault", Error, name, text)
        }
        Event::Vision { .. } | Event::Inspection { .. } => describe_camera(event, labels),
        Event::Part { .. } | Event::Track { .. } => part::describe(event, labels),
        Event::Overrun { missed } => {
            let text = format!("overrun: {missed} cycles missed, the phase is kept");
            described("overrun", Warning, "", text)
        }
        Event::ShutdownRequested => {
            described("shutdown_requested", Info, "", "controlled end requested".into())
        }
        Event::ShutdownDone => {
            described("shutdown_done", Info, "", "all axes stand and are without power".into())
        }
    }
}

fn describe_protection(event: &Event, labels: &Labels) -> Described {
    match *event {
        Event::Diagnostic { interlock, code } => {
            let name = labels.interlock(interlock);
            let what = diagnosis(code);
            let text = format!("{name}: {what} (code {code:04X})");
            described("diagnostic", Severity::Warning, name, text)
        }
        Event::Mode { from, to } => {
            let text = format!("mode: {} → {}", mode(from), mode(to));
            described("mode", Severity::Info, "", text)
        }
        Event::Trip { cause, group, reaction: how, way, predicted, .. } => {
            let (name, unit) = (labels.cause(cause), labels.group_unit(group));
            let severity = if how >= Reaction::Stop2 { Severity::Error } else { Severity::Warning };
            let text = format!(
                "trip of {} by {name}: {}, predicted stopping distance {:.2} {unit} ({})",
                labels.group(group),
                reaction(how, unit),
                predicted.units(),
                stop_way(way)
            );
            described("trip", severity, &name, text)
        }
        Event::Escalated { group, axis, to } => {
            let (name, group) = (labels.axis(axis), labels.group(group));
            let text = format!(
                "{name} does not slow down as the stop of {group} says: {} follows",
                stop_way(to)
            );
            described("escalated", Severity::Error, name, text)
        }
        Event::Stopped { group, cause, distance, predicted, .. } => {
            let (name, unit) = (labels.cause(cause), labels.group_unit(group));
            let text = format!(
                "{} stands after the trip by {name}: {:.2} {unit} travelled, {:.2} {unit} predicted",
                labels.group(group),
                distance.units(),
                predicted.units()
            );
            described("stopped", Severity::Info, &name, text)
        }
        Event::SpeedLimit { group, limit } => {
            let name = labels.group(group);
            let text = if limit == Nano::MAX {
                format!("{name}: speed limit lifted")
            } else {
                format!(
                    "{name}: speed limited to {:.1} {}/s",
                    limit.units(),
                    labels.group_unit(group)
                )
            };
            described("speed_limit", Severity::Warning, name, text)
        }
        _ => described("event", Severity::Info, "", format!("{event:?}")),
    }
}

/// Why homing failed, and what to do.
pub(crate) fn homing_failure(failure: Failure) -> &'static str {
    match failure {
        Failure::Timeout => {
            "it took longer than `timeout`, or the axis did not come to rest: see that it moves freely, or home faster"
        }
        Failure::NoSwitch => {
            "no reference switch between the limits: see its wiring and its bit in 0x60FD, and `direction`"
        }
        Failure::NotMapped => {
            "the drive maps no switches: map 0x60FD, and name it in `digital_inputs`"
        }
        Failure::NotKept => "the kept offset does not fit the axis: home it another way",
        Failure::NoIndex => {
            "off the switch, and no index pulse within 1.25 turns of the motor: see the encoder's index wire, its bit 16 in \
             0x60FD, and `counts_per_revolution`"
        }
    }
}

fn describe_axis(event: &Event, labels: &Labels) -> Described {
    match *event {
        Event::GateViolation { axis, limit, asked, allowed } => {
            let (name, unit) = (labels.axis(axis), labels.axis_unit(axis));
            let text = format!(
                "gate: {name} asked for {} {:.3}, allowed is {:.3} ({unit})",
                gate_limit(limit),
                asked.units(),
                allowed.units()
            );
            described("gate_violation", Severity::Error, name, text)
        }
        Event::Axis { axis, from, to } => {
            let name = labels.axis(axis);
            let severity =
                if to == AxisState::ErrorStop { Severity::Error } else { Severity::Info };
            let text = format!("{name}: {} → {}", axis_state(from), axis_state(to));
            described("axis", severity, name, text)
        }
        Event::ReferenceRefused { axis, position } => {
            let (name, unit) = (labels.axis(axis), labels.axis_unit(axis));
            let text = format!(
                "{name} is not referenced: its kept offset puts it at {:.3} {unit}, outside its soft limits; it was moved \
                 beyond them, or its encoder lost its place: home it again (--home-again)",
                position.units()
            );
            described("reference_refused", Severity::Warning, name, text)
        }
        Event::HomingFailed { axis, failure } => {
            let name = labels.axis(axis);
            let text = format!("homing of {name} failed: {}", homing_failure(failure));
            described("homing_failed", Severity::Error, name, text)
        }
        Event::Referenced { axis, offset, kept } => {
            let (name, unit) = (labels.axis(axis), labels.axis_unit(axis));
            let how = if kept { "kept from an earlier homing" } else { "homed now" };
            let text = format!("{name} is referenced, offset {:.4} {unit}, {how}", offset.units());
            described("referenced", Severity::Info, name, text)
        }
        Event::DriveFault { axis, code } => {
            let name = labels.axis(axis);
            let text = format!(
                "{name}: the drive reports fault 0x{code:04X} ({})",
                drive_error_text(code)
            );
            described("drive_fault", Severity::Error, name, text)
        }
        _ => described("event", Severity::Info, "", format!("{event:?}")),
    }
}

fn describe_emergency(emergency: &Emergency, name: &str) -> Described {
    let Emergency { code, register, data, .. } = *emergency;
    if code == 0 {
        let text = format!("{name} says that its error is gone (emergency 0x0000)");
        return described("emergency", Severity::Info, name, text);
    }
    let [a, b, c, d, e] = data;
    let text = format!(
        "{name} sends emergency 0x{code:04X} ({}), error register 0x{register:02X}, data \
         {a:02X} {b:02X} {c:02X} {d:02X} {e:02X}",
        drive_error_text(code)
    );
    described("emergency", Severity::Warning, name, text)
}

/// Machine state in a word.
#[must_use]
pub fn machine(state: MachineState) -> &'static str {
    match state {
        MachineState::Boot => "boot",
        MachineState::Safe => "safe",
        MachineState::AwaitStart => "await_start",
        MachineState::Run => "run",
    }
}

/// Mode in a word.
#[must_use]
pub fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Unknown => "unknown",
        Mode::Automatic => "automatic",
        Mode::Manual => "manual",
    }
}

/// What a diagnostic code says, by its class.
fn diagnosis(code: u16) -> &'static str {
    match (code, code >> 8) {
        (0xC0F0, _) => "an input is missing, stale, or no level",
        (0x0000, _) => "nothing seen yet",
        (_, 0x80) => "in order",
        (_, 0x84) => "clear, a reset is needed",
        (_, 0x88) => "not in its permitting state",
        (_, _) => "its contacts contradict each other, or a time passed",
    }
}

/// PLCopen axis state in a word.
#[must_use]
pub fn axis_state(state: AxisState) -> &'static str {
    match state {
        AxisState::Disabled => "disabled",
        AxisState::Standstill => "standstill",
        AxisState::Homing => "homing",
        AxisState::DiscreteMotion => "discrete_motion",
        AxisState::ContinuousMotion => "continuous_motion",
        AxisState::SynchronizedMotion => "synchronized_motion",
        AxisState::Stopping => "stopping",
        AxisState::ErrorStop => "error_stop",
    }
}

/// A reaction in a few words.
#[must_use]
pub fn reaction(reaction: Reaction, unit: &str) -> String {
    match reaction {
        Reaction::None => "none".into(),
        Reaction::Warn => "warn".into(),
        Reaction::LimitSpeed(limit) => format!("limit_speed {:.1} {unit}/s", limit.units()),
        Reaction::Stop2 => "stop2".into(),
        Reaction::Stop1 => "stop1".into(),
        Reaction::Stop0 => "stop0".into(),
    }
}

/// A way to come to rest, a stable word.
#[must_use]
pub fn stop_way(way: StopWay) -> &'static str {
    match way {
        StopWay::Ramp => "ramp",
        StopWay::QuickStop => "quick_stop",
        StopWay::ConnectionLost => "connection_lost",
        StopWay::PowerRemoval => "power_removal",
    }
}

fn gate_limit(limit: GateLimit) -> &'static str {
    match limit {
        GateLimit::Position => "position",
        GateLimit::Velocity => "velocity",
        GateLimit::Acceleration => "acceleration",
        GateLimit::Jerk => "jerk",
        GateLimit::Mode => "motion while the drive is not in CSP, position",
        GateLimit::Power => "motion while the drive is not in operation enabled, position",
        GateLimit::Direction => "a way that it may not go, velocity",
        GateLimit::Torque => "more torque than its drive was to allow, share of rated",
        GateLimit::Envelope => "time: while stopping its velocity is",
        GateLimit::Fall => "power: its brake does not hold it, moved by",
    }
}

fn button(fault: ButtonFault) -> &'static str {
    match fault {
        ButtonFault::TooShort => "the button was pressed too briefly",
        ButtonFault::TooLong => "the button was pressed too long, or is stuck",
        ButtonFault::HeldAtBoot => "the button was held when the machine started",
        ButtonFault::CauseNotClear => "a cause still demands",
    }
}

/// What a camera says.
fn describe_camera(event: &Event, labels: &Labels) -> Described {
    use Severity::{Info, Warning};
    match *event {
        Event::Vision { stream, not_clear, valid } => {
            let name = labels.stream(stream);
            if !valid {
                let text = format!("vision {name}: no valid result, no zone counts as clear");
                return described("vision", Warning, name, text);
            }
            let zones = labels.zones(stream, not_clear);
            let text = if zones.is_empty() {
                format!("vision {name}: all zones clear")
            } else {
                format!("vision {name}: not clear: {zones}")
            };
            described("vision", Info, name, text)
        }
        Event::Inspection { stream, trigger, verdict, refusal } => {
            let name = labels.stream(stream);
            let Some(refusal) = refusal else {
                let text = format!("inspection {name}: part {trigger} is {}", found(verdict));
                return described("inspection", Info, name, text);
            };
            let why = crate::vision::refusal_word(refusal);
            let text = format!("inspection {name}: a result does not count: {why}");
            described("inspection", Warning, name, text)
        }
        _ => described("vision", Info, "", String::new()),
    }
}

fn found(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Unknown => "not known to be good",
        Verdict::Good => "good",
        Verdict::Bad => "bad",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::example;
    use rt_core::machine::SafeCause;
    use rt_core::plan::{GroupId, InterlockId};

    #[test]
    fn a_trip_names_its_cause_its_group_and_its_reaction() {
        let event = Event::Trip {
            cause: SafeCause::Interlock(InterlockId(1)),
            way: StopWay::Ramp,
            group: GroupId(0),
            reaction: Reaction::Stop1,
            input_at: 5,
            predicted: Nano(12_340_000_000),
        };
        let described = describe(&event, &example());
        assert_eq!(described.kind, "trip");
        assert_eq!(described.severity, Severity::Error);
        assert_eq!(described.subject, "zone_inner");
        assert!(described.text.contains("gantry"), "{}", described.text);
        assert!(described.text.contains("stop1"), "{}", described.text);
        assert!(described.text.contains("12.34 mm"), "{}", described.text);
    }

    #[test]
    fn a_speed_limit_is_a_warning_and_not_an_error() {
        let event = Event::Trip {
            cause: SafeCause::Interlock(InterlockId(1)),
            way: StopWay::Ramp,
            group: GroupId(0),
            reaction: Reaction::LimitSpeed(Nano(1)),
            input_at: 5,
            predicted: Nano(0),
        };
        assert_eq!(describe(&event, &example()).severity, Severity::Warning);
    }
}
