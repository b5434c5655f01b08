//! The machine as the loop is told: plain data, made by `config`, complete before the loop starts.
//!
//! `config` has checked every range and every reference; constructors here still refuse what they cannot hold. All limits are
//! integers in [`Nano`] of the axis unit (mm or deg), all times are ns.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::signal::SignalId;
use crate::vision::StreamId;
use twin_lite::{
    Nano,
    tape::{Tape, Taped},
    taped_enum,
};

pub use twin_lite::AxisModel;

/// An axis' place in [`MachinePlan::axes`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct AxisId(pub u8);

impl AxisId {
    /// All that there can be, in order: to number axes with.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self)
    }
}

/// An axis group's place in [`MachinePlan::groups`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupId(pub u8);

impl GroupId {
    /// All that there can be, in order: to number groups with.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..=u8::MAX).map(Self)
    }
}

/// An interlock's place in [`MachinePlan::interlocks`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct InterlockId(pub u16);

macro_rules! taped_ids {
    ($($id:ty),*) => {$(
        impl Taped for $id {
            fn tape<T: Tape>(&mut self, tape: &mut T) {
                self.0.tape(tape);
            }
        }
    )*};
}

taped_ids!(AxisId, GroupId, InterlockId, SignalId, StreamId);

/// Everything that `step` knows of the machine.
#[derive(Clone, Debug)]
pub struct MachinePlan {
    /// Period of the cycle, ns. Range 62_500 ..= 100_000_000.
    pub period_ns: u64,
    /// First 8 bytes (little endian) of the BLAKE3 hash of the machine file; vision senders carry it.
    pub config_hash: u64,
    /// How many signals there are.
    pub signal_count: u16,
    /// Axes, by `AxisId`; at most [`AXES_MAX`](crate::program::AXES_MAX).
    pub axes: Box<[AxisPlan]>,
    /// Groups, by `GroupId`, at most [`GROUPS_MAX`](crate::program::GROUPS_MAX); every axis is in exactly one.
    pub groups: Box<[GroupPlan]>,
    /// Interlocks, by `InterlockId`.
    pub interlocks: Box<[InterlockPlan]>,
    /// Vision streams, by `StreamId`; at most 8.
    pub streams: Box<[StreamPlan]>,
    /// Every output signal that is not an axis' own, with its safe state.
    pub outputs: Box<[OutputPlan]>,
    /// Reset, start and stop, wired.
    pub control: ControlPlan,
    /// What happens when the loop is late.
    pub overrun: OverrunPlan,
    /// The built-in program; integrators may link another `Program`.
    pub program: ProgramPlan,
}

/// One axis over one CiA 402 drive in CSP.
#[derive(Clone, Debug)]
pub struct AxisPlan {
    /// The group it moves and stops with.
    pub group: GroupId,
    /// Where the drive's objects are.
    pub signals: AxisSignals,
    /// Encoder counts a unit, exactly: counts = units × numerator ÷ denominator.
    pub counts_per_unit: Ratio,
    /// Endless axis: position is kept in `0 .. wrap`. `None`: linear.
    pub wrap: Option<Nano>,
    /// What the gate holds.
    pub limits: AxisLimits,
    /// How it stops.
    pub stop: StopPlan,
    /// Holding brake on an output or in the drive.
    pub brake: Option<BrakePlan>,
    /// Gravity moves it when torque goes. A vertical axis has a brake.
    pub vertical: bool,
    /// How it finds its reference.
    pub homing: HomingPlan,
    /// Its encoder is absolute and its reference outlives a power-down: counts after which the drive shows the same again, at most
    /// 2³². `None`: it is homed after each start.
    pub keeps: Option<u64>,
    /// What the twin believes of it.
    pub model: AxisModel,
}

/// numerator ÷ denominator, both above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio {
    /// Above 0.
    pub numerator: i64,
    /// Above 0.
    pub denominator: i64,
}

/// Where an axis' objects are among the signals.
#[derive(Clone, Copy, Debug)]
pub struct AxisSignals {
    /// 0x6040, output.
    pub controlword: SignalId,
    /// 0x607A, counts, output.
    pub target_position: SignalId,
    /// 0x6060, output, if mapped.
    pub mode: Option<SignalId>,
    /// 0x6041, input.
    pub statusword: SignalId,
    /// 0x6064, counts, input.
    pub actual_position: SignalId,
    /// 0x6061, input, if mapped.
    pub mode_display: Option<SignalId>,
    /// 0x6077, ‰ of rated torque, input, if mapped.
    pub actual_torque: Option<SignalId>,
    /// 0x60F4, counts, input, if mapped.
    pub following_error: Option<SignalId>,
    /// 0x603F, input, if mapped.
    pub error_code: Option<SignalId>,
    /// 0x60FD, input, if mapped: bit 0 negative limit, 1 positive limit, 2 reference switch, 16 index pulse seen since the last cycle.
    pub digital_inputs: Option<SignalId>,
    /// 0x60BA, counts, input, if mapped: position latched at the last index pulse.
    pub touch_probe_position: Option<SignalId>,
}

/// Limits that the gate holds whatever motion asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AxisLimits {
    /// Soft limits; they hold once the axis is referenced. Endless axes have none.
    pub position: Option<(Nano, Nano)>,
    /// per s, above 0.
    pub velocity: Nano,
    /// per s², above 0.
    pub acceleration: Nano,
    /// per s³, above 0.
    pub jerk: Nano,
    /// While not referenced, per s, above 0, at most `velocity`.
    pub velocity_unreferenced: Nano,
    /// Largest |commanded − actual| before it is a demand, above 0.
    pub following_error: Nano,
}

/// The three ways to stop, each with what it can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopPlan {
    /// The gate's ramp, per s², above 0.
    pub ramp_deceleration: Nano,
    /// The drive's quick stop (0x6085), per s², above 0.
    pub quick_stop_deceleration: Nano,
    /// From the loss of communication to the drive's reaction (SyncManager watchdog), ns.
    pub watchdog_ns: u64,
}

/// A holding brake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrakePlan {
    /// Output that releases it with 1; `None`: the drive works it.
    pub release: Option<SignalId>,
    /// From the command until it holds, ns: torque stays for that long.
    pub engage_ns: u64,
    /// From the command until it is free, ns: motion waits for that long.
    pub release_ns: u64,
}

/// How an axis finds its reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HomingPlan {
    /// CiA 402 methods 35/37: here is `position`, at standstill.
    Here {
        /// What the present place is called.
        position: Nano,
    },
    /// On to the reference switch, off it again slowly, then the encoder's index pulse.
    SwitchIndex {
        /// True: towards positive positions.
        positive: bool,
        /// Towards the switch, per s.
        velocity_search: Nano,
        /// Towards the index, per s.
        velocity_latch: Nano,
        /// What the place of the index pulse is called.
        position: Nano,
        /// Give up after, ns.
        timeout_ns: u64,
    },
    /// The machine file says the offset of an earlier homing, and the serial number of the drive for which it is valid (checked at
    /// bring-up by `fieldbus`).
    Kept {
        /// position = counts ÷ counts_per_unit + offset.
        offset: Nano,
    },
}

/// Axes that move and stop together.
#[derive(Clone, Debug)]
pub struct GroupPlan {
    /// 1 to 8 axes, in the order of a point's coordinates.
    pub axes: Box<[AxisId]>,
}

/// One row of the cause-and-effect matrix.
#[derive(Clone, Debug)]
pub struct InterlockPlan {
    /// What it watches.
    pub cause: Cause,
    /// What it does, a group each; groups not listed are not touched.
    pub effects: Box<[Effect]>,
    /// A trip outlives its demand until a person resets.
    pub latch: bool,
}

/// What one interlock does to one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Which group.
    pub group: GroupId,
    /// How.
    pub reaction: Reaction,
}

/// What a demand does to a group, from weakest to strongest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reaction {
    /// Nothing.
    #[default]
    None,
    /// People are told.
    Warn,
    /// Path and axis speed at most this, axis units / s.
    LimitSpeed(Nano),
    /// Controlled stop, power kept.
    Stop2,
    /// Controlled stop, then brakes, then power off.
    Stop1,
    /// Removal of power is requested at once (brakes at once; a vertical axis gets its brake delay).
    Stop0,
}

taped_enum!(Reaction { 0: None, 1: Warn, 2: LimitSpeed(limit), 3: Stop2, 4: Stop1, 5: Stop0 });

/// What an interlock watches. Missing, stale, unrun and unknown are demands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Both channels 1 = permit. Differing for longer than `discrepancy_ns` = fault (a demand that both channels must clear through 0).
    DualChannel {
        /// First channel.
        a: SignalId,
        /// Second channel.
        b: SignalId,
        /// Range 1 ms ..= 10 s.
        discrepancy_ns: u64,
        /// What it is, for people: emergency stop or guard door.
        kind: DualChannelKind,
    },
    /// Zone `zone` of a vision stream; clear only while a fresh, verified result says so.
    Zone {
        /// Which stream.
        stream: StreamId,
        /// Bit in the datagram's zone words, 0..=31.
        zone: u8,
    },
    /// The twin predicts that the axis cannot stop before its soft limit by more than its margin.
    TwinLimit {
        /// Which axis.
        axis: AxisId,
    },
    /// The zone is not clear and the twin predicts that the axis would enter `from ..= to`, or it is inside.
    TwinZone {
        /// Which axis.
        axis: AxisId,
        /// Which stream.
        stream: StreamId,
        /// Bit in the datagram's zone words.
        zone: u8,
        /// First forbidden position.
        from: Nano,
        /// Last forbidden position.
        to: Nano,
    },
    /// |commanded − actual| beyond the limit of any axis of the group.
    FollowingError {
        /// Which axis.
        axis: AxisId,
    },
    /// The drive reports a fault.
    DriveFault {
        /// Which axis.
        axis: AxisId,
    },
    /// Enabled, moving, and the drive says that it ignores the target (statusword bit 12 = 0).
    TargetIgnored {
        /// Which axis.
        axis: AxisId,
    },
    /// The working counter of a sync unit was wrong for this many cycles in a row.
    WorkingCounter {
        /// Which unit, 0..=63.
        unit: u8,
        /// Range 1..=8.
        cycles: u8,
    },
    /// The bus is not operational (a device left Op, the link is lost, or it never came up).
    Bus,
    /// Distributed clocks are used and not locked.
    DcUnlocked,
    /// More overruns than `OverrunPlan` allows.
    Overrun,
    /// The supervisor's heartbeat is older than this, ns.
    Supervisor {
        /// Range 10 ms ..= 10 s.
        age_max_ns: u64,
    },
    /// A digital input that must be 1.
    Input {
        /// Which.
        signal: SignalId,
    },
}

/// What a dual-channel device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DualChannelKind {
    /// Emergency stop.
    EmergencyStop,
    /// Guard door.
    GuardDoor,
}

/// A vision stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamPlan {
    /// The id that datagrams carry.
    pub wire_id: u16,
    /// From image capture to use, ns; older is stale.
    pub age_max_ns: u64,
    /// Below this quality a result does not count, 0..=100.
    pub quality_min: u8,
}

/// An output that is not an axis' own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputPlan {
    /// Which.
    pub signal: SignalId,
    /// Raw value without permit of `group`, at start and at the end.
    pub safe: i64,
    /// Its permit comes from this group; `None`: it follows the machine state (all groups).
    pub group: Option<GroupId>,
    /// What drives it.
    pub source: OutputSource,
}

/// Who says what an output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputSource {
    /// The program.
    Program,
    /// 1 while the machine is in `Run` (lamp, contactor for consumers).
    Running,
    /// 1 while the machine waits for reset or start (lamp).
    Waiting,
    /// The brake release of an axis.
    Brake(AxisId),
}

/// Wired buttons. A reset is accepted as press and release within the window; a button held at boot or stuck is a fault until let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlPlan {
    /// 1 = pressed.
    pub reset: SignalId,
    /// 1 = pressed.
    pub start: SignalId,
    /// 0 = pressed (closed-circuit); `None`: there is no stop button.
    pub stop: Option<SignalId>,
    /// Shortest press, ns.
    pub press_min_ns: u64,
    /// Longest press, ns.
    pub press_max_ns: u64,
}

/// What happens when the loop is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverrunPlan {
    /// `None`: overruns are counted and skipped; `Some`: a demand after more than `count` in `cycles`.
    pub demand: Option<OverrunLimit>,
}

/// More than `count` overruns within the last `cycles` cycles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverrunLimit {
    /// Range 0..=255.
    pub count: u16,
    /// Range 1..=1024.
    pub cycles: u16,
}

/// The built-in program: parallel strands of steps.
#[derive(Clone, Debug, Default)]
pub struct ProgramPlan {
    /// Run side by side; at most [`STRANDS_MAX`](crate::program::STRANDS_MAX).
    pub strands: Vec<StrandPlan>,
}

/// One strand: steps in order; the end goes back to `restart_at` if there is one.
#[derive(Clone, Debug, Default)]
pub struct StrandPlan {
    /// At most 256.
    pub steps: Vec<StepPlan>,
    /// After the last step; `None`: the strand is done.
    pub restart_at: Option<u16>,
}

/// One step of a strand. Step names are numbered over all strands in order.
#[derive(Clone, Copy, Debug)]
pub struct StepPlan {
    /// What it does.
    pub action: Action,
    /// Longer than this is a program fault (`None`: no time-out), ns of running time.
    pub timeout_ns: Option<u64>,
}

/// What a step does; it is over when that is done.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// A request; done when the axis or group reports done. `Output` is done at once.
    Do(crate::program::Request),
    /// Starts a velocity and goes on at once.
    Start(crate::program::Request),
    /// Waits for a time of running, ns.
    Wait(u64),
    /// Waits until a condition holds.
    WaitFor(Condition),
    /// Goes to another step of the same strand if the condition holds.
    Branch {
        /// What is asked.
        condition: Condition,
        /// Step in this strand.
        to: u16,
    },
    /// Goes to another step of the same strand.
    Jump(u16),
    /// Goes on to the next step until it has been here `count` times in all, then past `to`: a counted loop back to `to`.
    Loop {
        /// Back to this step of the strand.
        to: u16,
        /// How often, 1..=65535.
        count: u16,
    },
    /// Waits until a strand has reached this step or a later one of its present pass.
    Join {
        /// Which strand.
        strand: u8,
        /// Which of its steps.
        step: u16,
    },
}

/// A condition on a signal; a signal that is not good makes it false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Which.
    pub signal: SignalId,
    /// How.
    pub compare: Compare,
    /// Raw value.
    pub value: i64,
}

/// How a signal is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// =
    Equal,
    /// ≠
    NotEqual,
    /// <
    Less,
    /// ≥
    AtLeast,
}
