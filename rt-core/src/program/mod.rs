//! The machine's logic. Interlocks and gate never trust it.

mod sequence;

pub use sequence::Sequence;

use crate::interlock::Mode;
use crate::plan::{AxisId, GroupId};
use crate::signal::{SignalId, Signals};
use twin_lite::tape::Taped;
use twin_lite::{Nano, taped_enum};

/// Most axes of a machine.
pub const AXES_MAX: usize = 256;
/// Most groups of a machine: every axis may be one of its own.
pub const GROUPS_MAX: usize = AXES_MAX;
/// Most axes in one group.
pub const GROUP_AXES_MAX: usize = 8;
/// Most strands of the built-in program: full groups can all be moved at the same time.
pub const STRANDS_MAX: usize = AXES_MAX / GROUP_AXES_MAX;

// `AxisId` and `GroupId` are one byte, and so is the number of a strand.
const _: () = assert!(AXES_MAX <= 1 << u8::BITS && GROUPS_MAX <= 1 << u8::BITS);
const _: () = assert!(STRANDS_MAX < 1 << u8::BITS);

/// PLCopen axis states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum AxisState {
    /// No power.
    #[default]
    Disabled = 0,
    /// Powered, at rest, ready for a request.
    Standstill,
    /// Finding its reference.
    Homing,
    /// Moving to a target.
    DiscreteMotion,
    /// Moving at a velocity.
    ContinuousMotion,
    /// Moving as its group's path says.
    SynchronizedMotion,
    /// Coming to rest; takes no request until it has.
    Stopping,
    /// Stopped by a fault; leaves only through reset.
    ErrorStop,
}

taped_enum!(AxisState {
    0: Disabled,
    1: Standstill,
    2: Homing,
    3: DiscreteMotion,
    4: ContinuousMotion,
    5: SynchronizedMotion,
    6: Stopping,
    7: ErrorStop,
});

/// What everyone may know of an axis this cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AxisView {
    /// PLCopen state.
    pub state: AxisState,
    /// Actual position, axis units. Endless axes: in `0 .. wrap`.
    pub position: f64,
    /// Actual velocity as the twin estimates it, axis units / s.
    pub velocity: f64,
    /// Position last sent to the drive, axis units.
    pub commanded: f64,
    /// Commanded − actual, axis units.
    pub following_error: f64,
    /// Torque as the drive reports it, ‰ of rated; 0 when it does not.
    pub torque_permille: i16,
    /// Homed: soft limits and separation hold.
    pub referenced: bool,
    /// The drive is in operation enabled.
    pub enabled: bool,
    /// The drive reports a fault.
    pub fault: bool,
    /// The drive says it follows the target (statusword bit 12 in CSP).
    pub follows_target: bool,
    /// The last request is done.
    pub done: bool,
    /// All inputs of this axis were good in this cycle.
    pub inputs_good: bool,
}

/// What the program may ask of an axis or a group. A new request replaces the old one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Request {
    /// Find the reference.
    Home {
        /// Which axis.
        axis: AxisId,
    },
    /// Move all axes of a group to a point on a straight line, jerk-limited, synchronous.
    MoveLinear {
        /// Which group.
        group: GroupId,
        /// Target, in the order of the group's axes; `None` keeps the axis where it is.
        target: [Option<Nano>; GROUP_AXES_MAX],
        /// Path speed limit, axis units / s.
        velocity: Nano,
    },
    /// Turn at a velocity, jerk-limited (0 = come to rest).
    MoveVelocity {
        /// Which axis.
        axis: AxisId,
        /// Signed, axis units / s.
        velocity: Nano,
    },
    /// Move by a distance (endless axes too).
    MoveRelative {
        /// Which axis.
        axis: AxisId,
        /// Signed, axis units.
        distance: Nano,
        /// Limit, axis units / s.
        velocity: Nano,
    },
    /// Come to rest; may be replaced by another request.
    Halt {
        /// Which group.
        group: GroupId,
    },
    /// Set an output. The gate passes it only with permit; otherwise the output is in its safe state.
    Output {
        /// Which.
        signal: SignalId,
        /// Raw value.
        value: i64,
    },
}

/// Where requests go: bounded, in order; what does not fit is refused and counted as a program fault by the caller.
pub trait Requests {
    /// Takes `request`; `false` when there is no room.
    fn put(&mut self, request: Request) -> bool;
}

/// What the program sees.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// ns of CLOCK_MONOTONIC, read once for this cycle.
    pub now: u64,
    /// All signals.
    pub signals: &'a Signals,
    /// All axes, by [`AxisId`].
    pub axes: &'a [AxisView],
    /// The machine runs: requests are carried out. While it does not, the program's clock should stand still.
    pub running: bool,
    /// First cycle of running after a start: the interrupted action must be asked for again.
    pub started: bool,
    /// With `started`: axes were moved by hand since the program ran last. What it was doing may no longer make sense: it begins anew.
    pub moved_by_hand: bool,
    /// How the machine is worked; the program runs in automatic only.
    pub mode: Mode,
}

/// The machine's logic: plain-data state, reads a [`View`], writes requests. Integrators link their own; their state goes into
/// checkpoints ([`taped!`](twin_lite::taped) writes that for a struct).
pub trait Program: Taped {
    /// One cycle. Bounded time, no allocation, no panic.
    fn cycle(&mut self, view: View<'_>, requests: &mut dyn Requests);

    /// The step it is in, for people: an index into the names that came with it.
    fn position(&self) -> u16;

    /// It failed at this step and asks for the machine to be stopped; gone with the next start.
    fn fault(&self) -> Option<u16> {
        None
    }

    /// The step that a strand is in, a number over all strands; `None`: there is no such strand, or it is done.
    fn strand(&self, number: u8) -> Option<u16> {
        let _ = number;
        None
    }
}
