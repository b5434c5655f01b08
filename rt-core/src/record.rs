//! What the loop leaves behind: `Copy` records into a ring, never text. Names and units are added outside.

use crate::axis::homing::Failure;
use crate::bus::{Emergency, Exchange};
use crate::cycle::Command;
use crate::inspection::InspectionId;
use crate::interlock::Mode;
use crate::machine::SafeCause;
use crate::plan::{AxisId, GroupId, InterlockId, Reaction, StopWay, TwinMode};
use crate::program::{AxisState, AxisView};
use crate::separation::SeparationRecord;
use crate::signal::{Sample, SignalId};
use crate::vision::{Refusal, StreamId, Verdict};
use twin_lite::track::{Fate, Trouble};
use twin_lite::{Nano, taped, taped_enum};

/// One record. Sequence numbers are given by the stream it goes through.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Cycle it belongs to, from 0.
    pub cycle: u64,
    /// Time of that cycle, ns of CLOCK_MONOTONIC.
    pub now: u64,
    /// What it says.
    pub body: Body,
}

/// What a record says.
#[derive(Clone, Copy, Debug)]
pub enum Body {
    /// Every cycle.
    Cycle(CycleRecord),
    /// Every cycle, each axis.
    Axis(AxisRecord),
    /// A signal whose sample changed, and every signal once a second.
    Signal {
        /// Which.
        signal: SignalId,
        /// What it is now.
        sample: Sample,
    },
    /// `signal` keeps its value and quality and was sampled `at`; so was every signal behind it that was sampled when this one had been
    /// sampled before and of which nothing else is said in this cycle. See [`Stamps`](crate::step::Stamps).
    Stamp {
        /// The first of them.
        signal: SignalId,
        /// ns of CLOCK_MONOTONIC.
        at: u64,
    },
    /// What the other side asks is not as before.
    Command(Command),
    /// A camera's datagram was taken, or is judged otherwise than before.
    Picture(Picture),
    /// An inspection result was taken; `refused` is 0.
    Result(Picture),
    /// What separation found, every cycle, each of its interlocks.
    Separation(SeparationRecord),
    /// Something happened.
    Event(Event),
}

/// Which datagram of a camera the loop looks at. Its bytes are recorded where it is received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Which stream.
    pub stream: StreamId,
    /// When it arrived, ns of CLOCK_MONOTONIC.
    pub received_at: u64,
    /// The receiver found its sequence to go forward.
    pub sequence_good: bool,
    /// Results that the receiver has refused since start.
    pub refused: u64,
    /// Its last four bytes: its own CRC.
    pub crc: u32,
    /// This host's clock less the camera's at the least, ns, of a camera with a clock of its own.
    pub offset_ns: Option<i64>,
}

taped!(Picture { stream, received_at, sequence_good, refused, crc, offset_ns });

/// How one cycle went. Durations are 0 in virtual time.
#[derive(Clone, Copy, Debug, Default)]
pub struct CycleRecord {
    /// Actual − scheduled wake, ns.
    pub latency_ns: u32,
    /// Wake to publish of the *previous* cycle, ns (this one's is not over yet).
    pub execution_ns: u32,
    /// Whole periods skipped before this cycle.
    pub skipped: u32,
    /// What the bus did.
    pub exchange: Exchange,
    /// Machine state.
    pub machine: MachineState,
}

/// How one axis went.
#[derive(Clone, Copy, Debug)]
pub struct AxisRecord {
    /// Which.
    pub axis: AxisId,
    /// As everyone saw it in this cycle.
    pub view: AxisView,
    /// Stopping distance the twin predicts from here, axis units.
    pub stopping_distance: f64,
    /// Disturbance torque the twin sees, N m.
    pub disturbance_nm: f64,
}

/// The machine's state, without its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum MachineState {
    /// Nothing has been checked yet.
    #[default]
    Boot = 0,
    /// No permit; a reset is needed.
    Safe,
    /// Reset; a fresh start is needed.
    AwaitStart,
    /// Running.
    Run,
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// The machine's state changed.
    Machine {
        /// Before.
        from: MachineState,
        /// Now.
        to: MachineState,
    },
    /// An interlock began to demand.
    Demand {
        /// Which.
        interlock: InterlockId,
    },
    /// An interlock stopped demanding (its latch may hold on).
    Clear {
        /// Which.
        interlock: InterlockId,
    },
    /// What an interlock that demands says of its device, see [`crate::interlock::block`].
    Diagnostic {
        /// Which.
        interlock: InterlockId,
        /// Its diagnostic code.
        code: u16,
    },
    /// The mode selector was turned, or its word is not known any more.
    Mode {
        /// Before.
        from: Mode,
        /// Now.
        to: Mode,
    },
    /// Permit → safe for a group.
    Trip {
        /// What caused it: an interlock, or a fault of program, gate, axis or power-up.
        cause: SafeCause,
        /// Which group.
        group: GroupId,
        /// How it reacts.
        reaction: Reaction,
        /// How its axes come to rest; what is predicted is the distance of this way.
        way: StopWay,
        /// When the input that caused it came back from the bus or the camera captured it, ns.
        input_at: u64,
        /// Stopping distance along the group's path that the twin predicted at that moment.
        predicted: Nano,
    },
    /// A stop did not slow an axis as it must: the next stronger one follows.
    Escalated {
        /// Which group.
        group: GroupId,
        /// The axis that ran on.
        axis: AxisId,
        /// What follows.
        to: StopWay,
    },
    /// A group that tripped has come to rest.
    Stopped {
        /// Which group.
        group: GroupId,
        /// The trip's cause.
        cause: SafeCause,
        /// Cycle of the trip.
        tripped_at_cycle: u64,
        /// Travelled along its path since the trip.
        distance: Nano,
        /// What the twin had predicted.
        predicted: Nano,
    },
    /// A speed limit of a group changed (`Nano::MAX`: none).
    SpeedLimit {
        /// Which group.
        group: GroupId,
        /// Axis units / s.
        limit: Nano,
    },
    /// The gate did not pass what motion asked.
    GateViolation {
        /// Which axis.
        axis: AxisId,
        /// What was violated.
        limit: GateLimit,
        /// What was asked.
        asked: Nano,
        /// What was allowed.
        allowed: Nano,
    },
    /// An axis' PLCopen state changed.
    Axis {
        /// Which.
        axis: AxisId,
        /// Before.
        from: AxisState,
        /// Now.
        to: AxisState,
    },
    /// An axis has a reference; if its encoder is absolute, keep the offset with the identity of its drive.
    Referenced {
        /// Which.
        axis: AxisId,
        /// position = counts ÷ counts_per_unit + offset.
        offset: Nano,
        /// It comes from an earlier homing; otherwise the axis was homed now.
        kept: bool,
    },
    /// The kept offset of an axis puts it where it cannot be: it is not referenced.
    ReferenceRefused {
        /// Which.
        axis: AxisId,
        /// Where the axis would be.
        position: Nano,
    },
    /// Homing did not find the reference: the axis is in ErrorStop.
    HomingFailed {
        /// Which.
        axis: AxisId,
        /// Why.
        failure: Failure,
    },
    /// A drive reported a fault (0x603F).
    DriveFault {
        /// Which.
        axis: AxisId,
        /// Error code, 0 when it is not mapped.
        code: u16,
    },
    /// A device sent an emergency message.
    Emergency(Emergency),
    /// A reset was accepted.
    Reset,
    /// A reset was refused.
    ResetRefused {
        /// Why.
        reason: ButtonFault,
    },
    /// A start was accepted.
    Start,
    /// The program is in another step (over all strands).
    Step {
        /// Which strand.
        strand: u8,
        /// Number over all strands.
        step: u16,
    },
    /// The program failed: a step timed out, or more requests than there is room for.
    ProgramFault {
        /// Number over all strands.
        step: u16,
    },
    /// A vision stream's zones changed, or it became (not) usable.
    Vision {
        /// Which.
        stream: StreamId,
        /// Zones not clear, bit by bit; all ones when the stream does not count.
        not_clear: u32,
        /// The newest result counts.
        valid: bool,
    },
    /// An inspection result was taken.
    Inspection {
        /// The stream that it came in.
        stream: StreamId,
        /// The trigger that it answers; 0 when it does not count.
        trigger: u64,
        /// What was found; unknown when it does not count.
        verdict: Verdict,
        /// Why it does not count; `None`: it does.
        refusal: Option<Refusal>,
    },
    /// A part passed the ejector of an inspection.
    Part {
        /// Which.
        inspection: InspectionId,
        /// From 1, in the order of its sensor.
        part: u64,
        /// What became of it.
        fate: Fate,
        /// Middle of the ejector's pulse after the part's middle passed it, by the encoder, ns; `None`: no pulse of its own, or it was held
        /// on.
        error_ns: Option<i64>,
        /// The same on the belt.
        error: Nano,
    },
    /// Something is not as it should be on the track of an inspection.
    Track {
        /// Which.
        inspection: InspectionId,
        /// Which part, or which trigger where no part is known; 0: neither. `Lost`: how many.
        part: u64,
        /// What.
        trouble: Trouble,
    },
    /// The loop was late by whole periods: they were skipped, before this cycle.
    Overrun {
        /// How many.
        missed: u32,
    },
    /// The twin decided something, or would have.
    Foresight {
        /// Which axis.
        axis: AxisId,
        /// What.
        decision: Decision,
        /// What becomes of it.
        mode: TwinMode,
        /// What it predicts, see [`Decision`].
        predicted: Nano,
        /// From now until what it prevents, as predicted, ns; `u64::MAX`: it cannot be said.
        lead_ns: u64,
    },
    /// What became of a decision of the twin.
    Foreseen {
        /// Which axis.
        axis: AxisId,
        /// What.
        decision: Decision,
        /// What became of it.
        mode: TwinMode,
        /// What it had predicted.
        predicted: Nano,
        /// What happened.
        actual: Nano,
        /// From the decision until it was seen, ns.
        after_ns: u64,
    },
    /// The twin doubts its model of an axis, more or less than before.
    Doubt {
        /// Which axis.
        axis: AxisId,
        /// So many times worse is the axis taken to be; 1: no doubt.
        factor: Nano,
    },
    /// What is known of the health of an axis changed.
    Health {
        /// Which axis.
        axis: AxisId,
        /// Channels that alarm, bit by bit: load, friction, inertia, roughness, ripple.
        channels: u8,
        /// What is wrong with its sensors, bit by bit: flat line, range, rate, age, jump, disagreement.
        sensors: u8,
    },
    /// What was learnt of an axis, now and then. At the motor shaft.
    Learnt {
        /// Which axis.
        axis: AxisId,
        /// kg m².
        inertia_kgm2: f64,
        /// N m.
        coulomb_nm: f64,
        /// N m s / rad.
        viscous_nms: f64,
        /// Warmth in shares of the limit; not a number: not watched.
        warmth: f64,
    },
    /// The controlled end was asked for (Ctrl-C, end of `--for`).
    ShutdownRequested,
    /// Every axis stands and is without power; the loop may end.
    ShutdownDone,
}

/// What the twin decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Decision {
    /// Slow before a soft limit. Predicted: the room to the limit that slowing keeps; then the least room that was left.
    #[default]
    Slow,
    /// Stop before a soft limit. Predicted: the room to the limit that is left when it stops now; then the least room that was left.
    Stop,
    /// Slow before it is too warm. Predicted: the share of the limit after a minute at the present load; then that share.
    Derate,
}

taped_enum!(Decision { 0: Slow, 1: Stop, 2: Derate });

/// A limit of the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateLimit {
    /// Soft limit.
    Position,
    /// Velocity.
    Velocity,
    /// Acceleration.
    Acceleration,
    /// Jerk.
    Jerk,
    /// The drive's mode is not CSP.
    Mode,
    /// The drive is not in operation enabled though it should be, or does not say.
    Power,
    /// A way that the axis may not go (its own, or a limit switch is hit).
    Direction,
    /// The drive's torque is above the limit that it was given, as a share of rated.
    Torque,
    /// While stopping it is faster than the stop says.
    Envelope,
    /// It hangs, is without torque, and moved: its brake does not hold.
    Fall,
}

/// What was wrong with a button.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ButtonFault {
    /// Pressed for too short a time.
    TooShort,
    /// Pressed for too long, or stuck.
    TooLong,
    /// Pressed when the machine started.
    HeldAtBoot,
    /// A cause is still demanding.
    CauseNotClear,
}
