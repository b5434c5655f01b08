//! What happened, beside the cycles: 32 bytes, in the same dump.

use super::record::next;
use crate::bus::Emergency;
use crate::machine::SafeCause;
use crate::plan::{Reaction, StopWay};
use crate::program::AxisState;
use crate::record::Event;

/// What a mark says. Its numbers stand in files and are never given a new meaning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum MarkKind {
    /// Written by a newer version.
    #[default]
    Unknown = 0,
    /// A group tripped: `subject` is the cause (`cause_number`), `value` the predicted stopping distance, 10⁻⁹ axis units.
    Trip = 1,
    /// The group stands: `value` is the distance travelled, 10⁻⁹ axis units.
    Stopped = 2,
    /// Interlock `subject` began to demand.
    Demand = 3,
    /// Interlock `subject` stopped demanding.
    Clear = 4,
    /// The machine's state changed from `value` to `subject`.
    Machine = 5,
    /// The drive of axis `subject` reports fault `value`.
    DriveFault = 6,
    /// Axis `subject` went to ErrorStop.
    ErrorStop = 7,
    /// The gate held axis `subject` back.
    GateViolation = 8,
    /// The program failed in step `subject`.
    ProgramFault = 9,
    /// A reset was accepted.
    Reset = 10,
    /// A start was accepted.
    Start = 11,
    /// The controlled end was asked for.
    Shutdown = 12,
    /// A stop of `group` did not slow axis `subject`: `value` is what follows, 2 the drives' quick stop, 4 the removal of power.
    Escalated = 13,
    /// The device at position `subject` sent an emergency: `value` is, from its lowest byte, code (2), error register (1), data (5).
    Emergency = 14,
    /// The reference clock of the devices was lost: `subject` is 1; or it is followed again: 0.
    Reference = 15,
    /// Homing of axis `subject` failed: `value` is why, see [`crate::axis::homing::Failure::number`].
    HomingFailed = 16,
}

impl MarkKind {
    fn of(number: u8) -> Self {
        match number {
            1 => Self::Trip,
            2 => Self::Stopped,
            3 => Self::Demand,
            4 => Self::Clear,
            5 => Self::Machine,
            6 => Self::DriveFault,
            7 => Self::ErrorStop,
            8 => Self::GateViolation,
            9 => Self::ProgramFault,
            10 => Self::Reset,
            11 => Self::Start,
            12 => Self::Shutdown,
            13 => Self::Escalated,
            14 => Self::Emergency,
            15 => Self::Reference,
            16 => Self::HomingFailed,
            _ => Self::Unknown,
        }
    }

    /// Its number in files.
    #[must_use]
    #[expect(clippy::as_conversions, reason = "the numbers of a repr(u8) enum without data")]
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// `reaction` of a mark: nothing, warn, limit the speed, stop 2, 1, 0.
fn severity(reaction: Reaction) -> u8 {
    match reaction {
        Reaction::None => 0,
        Reaction::Warn => 1,
        Reaction::LimitSpeed(_) => 2,
        Reaction::Stop2 => 3,
        Reaction::Stop1 => 4,
        Reaction::Stop0 => 5,
    }
}

/// Causes of our own, beside the interlocks, which have their own numbers: a fault of the program.
pub const CAUSE_PROGRAM: u16 = 0xFF00;
/// Of the gate: plus the axis.
pub const CAUSE_GATE: u16 = 0xFE00;
/// An axis in ErrorStop: plus the axis.
pub const CAUSE_AXIS: u16 = 0xFD00;
/// Drives that did not come up: plus the group.
pub const CAUSE_POWER_UP: u16 = 0xFC00;
/// Boot, or the controlled end: neither trips a group.
pub const CAUSE_NONE: u16 = 0xFFFF;

/// The number of a trip's cause: of an interlock its own.
#[must_use]
pub fn cause_number(cause: SafeCause) -> u16 {
    match cause {
        SafeCause::Interlock(interlock) => interlock.0,
        SafeCause::Program => CAUSE_PROGRAM,
        SafeCause::Gate(axis) => CAUSE_GATE | u16::from(axis.0),
        SafeCause::Axis(axis) => CAUSE_AXIS | u16::from(axis.0),
        SafeCause::PowerUp(group) => CAUSE_POWER_UP | u16::from(group.0),
        SafeCause::Boot | SafeCause::Shutdown => CAUSE_NONE,
    }
}

fn way_number(way: StopWay) -> u8 {
    match way {
        StopWay::Ramp => 1,
        StopWay::QuickStop => 2,
        StopWay::ConnectionLost => 3,
        StopWay::PowerRemoval => 4,
    }
}

/// From here on `reaction` is a stop.
pub(super) const STOP: u8 = 3;

/// Something that happened.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Cycle it belongs to.
    pub cycle: u64,
    /// Time of that cycle's inputs, ns.
    pub at: u64,
    /// See [`MarkKind`].
    pub value: i64,
    /// Interlock, axis, step or state: see [`MarkKind`].
    pub subject: u16,
    /// What it says.
    pub kind: MarkKind,
    /// Group of a trip.
    pub group: u8,
    /// How a trip reacts: 0 not at all, 1 warns, 2 limits the speed, 3 to 5 stop category 2, 1, 0.
    pub reaction: u8,
    /// Zero.
    pub reserved: [u8; 3],
}

/// Bytes of a mark.
pub const MARK_BYTES: usize = 32;
const _: () = assert!(size_of::<Mark>() == MARK_BYTES);

impl Mark {
    /// The mark of an event; `None`: it is nothing that explains a cycle.
    pub(super) fn of(cycle: u64, at: u64, event: &Event) -> Option<Self> {
        let mark =
            |kind, subject: u16, value| Self { cycle, at, value, subject, kind, ..Self::default() };
        let state = |state: crate::record::MachineState| super::machine_number(state);
        Some(match *event {
            Event::Trip { cause, group, reaction, predicted, .. } => Self {
                group: group.0,
                reaction: severity(reaction),
                ..mark(MarkKind::Trip, cause_number(cause), predicted.0)
            },
            Event::Stopped { group, cause, distance, .. } => {
                Self { group: group.0, ..mark(MarkKind::Stopped, cause_number(cause), distance.0) }
            }
            Event::Escalated { group, axis, to } => Self {
                group: group.0,
                ..mark(MarkKind::Escalated, axis.0.into(), i64::from(way_number(to)))
            },
            Event::Demand { interlock } => mark(MarkKind::Demand, interlock.0, 0),
            Event::Clear { interlock } => mark(MarkKind::Clear, interlock.0, 0),
            Event::Machine { from, to } => {
                mark(MarkKind::Machine, state(to), i64::from(state(from)))
            }
            Event::DriveFault { axis, code } => {
                mark(MarkKind::DriveFault, axis.0.into(), code.into())
            }
            Event::Axis { axis, to: AxisState::ErrorStop, .. } => {
                mark(MarkKind::ErrorStop, axis.0.into(), 0)
            }
            Event::HomingFailed { axis, failure } => {
                mark(MarkKind::HomingFailed, axis.0.into(), i64::from(failure.number()))
            }
            Event::GateViolation { axis, .. } => mark(MarkKind::GateViolation, axis.0.into(), 0),
            Event::ProgramFault { step } => mark(MarkKind::ProgramFault, step, 0),
            Event::Reset => mark(MarkKind::Reset, 0, 0),
            Event::Start => mark(MarkKind::Start, 0, 0),
            Event::ShutdownRequested => mark(MarkKind::Shutdown, 0, 0),
            Event::Emergency(Emergency { device, code, register, data }) => {
                let [low, high] = code.to_le_bytes();
                let [a, b, c, d, e] = data;
                let value = i64::from_le_bytes([low, high, register, a, b, c, d, e]);
                mark(MarkKind::Emergency, device, value)
            }
            Event::Axis { .. }
            | Event::SpeedLimit { .. }
            | Event::Diagnostic { .. }
            | Event::Mode { .. }
            | Event::Referenced { .. }
            | Event::ReferenceRefused { .. }
            | Event::Foresight { .. }
            | Event::Foreseen { .. }
            | Event::Doubt { .. }
            | Event::Health { .. }
            | Event::Learnt { .. }
            | Event::Overrun { .. }
            | Event::ResetRefused { .. }
            | Event::Step { .. }
            | Event::Vision { .. }
            | Event::Inspection { .. }
            | Event::Part { .. }
            | Event::Track { .. }
            | Event::ShutdownDone => return None,
        })
    }

    /// As it stands in files.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; MARK_BYTES] {
        let mut bytes = [0; MARK_BYTES];
        let all = self
            .cycle
            .to_le_bytes()
            .into_iter()
            .chain(self.at.to_le_bytes())
            .chain(self.value.to_le_bytes())
            .chain(self.subject.to_le_bytes())
            .chain([self.kind.number(), self.group, self.reaction]);
        for (place, byte) in bytes.iter_mut().zip(all) {
            *place = byte;
        }
        bytes
    }

    /// From a file.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; MARK_BYTES]) -> Self {
        let mut rest = bytes.iter().copied();
        let cycle = u64::from_le_bytes(next(&mut rest));
        let at = u64::from_le_bytes(next(&mut rest));
        let value = i64::from_le_bytes(next(&mut rest));
        let subject = u16::from_le_bytes(next(&mut rest));
        let [kind, group, reaction] = next(&mut rest);
        let kind = MarkKind::of(kind);
        Self { cycle, at, value, subject, kind, group, reaction, reserved: [0; 3] }
    }
}
