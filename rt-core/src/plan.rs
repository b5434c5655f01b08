//! The machine as the loop is told: plain data, made by `config`, complete before the loop starts.
//!
//! `config` has checked every range and every reference; constructors here still refuse what they cannot hold. All limits are
//! integers in [`Nano`] of the axis unit (mm or deg), all times are ns.

use alloc::boxed::Box;

use crate::inspection::{InspectionId, InspectionPlan};
use crate::interlock::Band;
use crate::separation::{PartPlan, SeparationPlan};
use crate::signal::SignalId;
use crate::vision::StreamId;
use twin_lite::tape::{Tape, Taped};
use twin_lite::{Nano, taped, taped_enum};

pub use twin_lite::AxisModel;
pub use twin_lite::thermal::ThermalModel;

mod program;
mod twin;
pub use program::{Action, Compare, Condition, ProgramPlan, StepPlan, StrandPlan};
pub use twin::{TwinMode, TwinPlan};

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
    /// Moving parts, by `PartId`; at most [`PARTS_MAX`](crate::separation::PARTS_MAX).
    pub parts: Box<[PartPlan]>,
    /// Inspection stations, by `InspectionId`; at most [`INSPECTIONS_MAX`](crate::inspection::INSPECTIONS_MAX).
    pub inspections: Box<[InspectionPlan]>,
    /// Vision streams, by `StreamId`; at most 8.
    pub streams: Box<[StreamPlan]>,
    /// Every output signal that is not an axis' own, with its safe state.
    pub outputs: Box<[OutputPlan]>,
    /// Reset, start and stop, wired.
    pub control: ControlPlan,
    /// Automatic and manual by a wired selector; `None`: automatic only.
    pub mode: Option<ModePlan>,
    /// What happens when the loop is late.
    pub overrun: OverrunPlan,
    /// The built-in program; integrators may link another `Program`.
    pub program: ProgramPlan,
    /// What the twin watches and decides beyond stopping distances; `None`: nothing is watched, limits are predicted and acted upon.
    pub twin: Option<TwinPlan>,
}

impl MachinePlan {
    /// A row asks for category 0 of this group: it can lose its torque in motion, and coast.
    #[must_use]
    pub fn can_coast(&self, group: GroupId) -> bool {
        let asks = |effect: &Effect| effect.group == group && effect.reaction == Reaction::Stop0;
        self.interlocks.iter().any(|row| row.effects.iter().any(asks))
    }
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
    /// Ways that it may go at all.
    pub direction: Directions,
    /// The drive limits its torque to this (0x6072, 0x60E0, 0x60E1), ‰ of rated, above 0: more is a violation. `None`: not watched.
    pub torque_permille: Option<u16>,
}

/// Ways that an axis may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directions {
    /// Towards negative positions.
    pub negative: bool,
    /// Towards positive positions.
    pub positive: bool,
}

taped!(Directions { negative, positive });

impl Directions {
    /// Both.
    pub const BOTH: Self = Self { negative: true, positive: true };

    /// What both allow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            negative: self.negative && other.negative,
            positive: self.positive && other.positive,
        }
    }

    /// A velocity of this sign is allowed; standing always is.
    #[must_use]
    pub fn allow(self, velocity: i64) -> bool {
        match velocity.signum() {
            1 => self.positive,
            -1 => self.negative,
            _ => true,
        }
    }
}

impl Default for Directions {
    fn default() -> Self {
        Self::BOTH
    }
}

/// A way to come to rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum StopWay {
    /// The gate's ramp: the group together, on its path.
    #[default]
    Ramp,
    /// The drive's quick stop (0x6085): each axis for itself.
    QuickStop,
    /// Nobody is heard any more: the drive goes on until its watchdog, then does what it was set to.
    ConnectionLost,
    /// Torque goes: the axis coasts, unless gravity moves it; then its brake engages first.
    PowerRemoval,
}

taped_enum!(StopWay { 0: Ramp, 1: QuickStop, 2: ConnectionLost, 3: PowerRemoval });

/// The three ways to stop, each with what it can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StopPlan {
    /// The gate's ramp, per s², above 0.
    pub ramp_deceleration: Nano,
    /// The drive's quick stop (0x6085), per s², above 0.
    pub quick_stop_deceleration: Nano,
    /// From the loss of communication to the drive's reaction (SyncManager watchdog), ns.
    pub watchdog_ns: u64,
    /// What the drive does then: `QuickStop`, or `PowerRemoval` where its deceleration is not known.
    pub connection_lost: StopWay,
    /// While stopping it may be this much faster than the stop says, per s, above 0.
    pub envelope: Nano,
    /// Faster than that for so long escalates the stop, ns.
    pub escalate_ns: u64,
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
        /// The index pulse comes within so many counts off the switch: one turn of the motor, and a quarter to spare.
        index_counts_max: i64,
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
    /// How it stops, beyond what its axes say.
    pub stop: GroupStop,
}

/// How a group stops, beyond what its axes say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupStop {
    /// Which of two stops that are asked at once is the worse.
    pub order: StopOrder,
    /// How category 1 brings the axes to rest: `Ramp` or `QuickStop`.
    pub category_1: StopWay,
}

/// Which of two stops is the worse. Removing power drops what hangs: that is not always "safer".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StopOrder {
    /// Category 2, then 1, then 0.
    #[default]
    Category0Worst,
    /// Category 2, then 0, then 1: the controlled stop outranks the removal of power.
    Category1Worst,
}

impl StopOrder {
    /// The place of `reaction` in the order; higher is worse.
    #[must_use]
    pub fn rank(self, reaction: Reaction) -> u8 {
        match (reaction, self) {
            (Reaction::None, _) => 0,
            (Reaction::Warn, _) => 1,
            (Reaction::LimitSpeed(_), _) => 2,
            (Reaction::Stop2, _) => 3,
            (Reaction::Stop1, Self::Category0Worst) | (Reaction::Stop0, Self::Category1Worst) => 4,
            (Reaction::Stop0, Self::Category0Worst) | (Reaction::Stop1, Self::Category1Worst) => 5,
        }
    }

    /// The worse of both; of equals the first.
    #[must_use]
    pub fn worst(self, first: Reaction, second: Reaction) -> Reaction {
        if self.rank(second) > self.rank(first) { second } else { first }
    }
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
    /// In which mode it counts.
    pub when: When,
    /// Outputs that are in their safe state while it is active.
    pub outputs: Box<[SignalId]>,
    /// Ways that it closes while it is active.
    pub blocks: Box<[Block]>,
}

/// A way of an axis that is closed: nothing is sent there, back is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Which axis.
    pub axis: AxisId,
    /// Ways that it may still go.
    pub left: Directions,
}

/// In which mode an interlock counts. While the mode is not known, every one does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// In every mode.
    #[default]
    Always,
    /// In automatic only.
    Automatic,
    /// In manual only.
    Manual,
}

/// Two modes, chosen by a wired selector.
#[derive(Clone, Debug)]
pub struct ModePlan {
    /// 1 = automatic.
    pub automatic: SignalId,
    /// 1 = manual. Exactly one of both.
    pub manual: SignalId,
    /// How long neither may be 1 while it is turned, ns.
    pub monitor_ns: u64,
    /// Speed limit in manual by `GroupId`, axis units / s; at most 250 mm/s.
    pub speeds: Box<[Nano]>,
    /// Inputs that move an axis in manual, as long as they are held.
    pub jogs: Box<[JogPlan]>,
    /// Ways that are closed outside automatic.
    pub blocks: Box<[Block]>,
}

/// How a person moves an axis in manual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JogPlan {
    /// Which axis.
    pub axis: AxisId,
    /// 1 = towards positive positions.
    pub positive: SignalId,
    /// 1 = towards negative positions. Both: neither.
    pub negative: SignalId,
    /// Axis units / s, above 0.
    pub velocity: Nano,
}

/// What one interlock does to one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Which group.
    pub group: GroupId,
    /// How.
    pub reaction: Reaction,
}

/// What a demand does to a group, from weakest to strongest; of stops 1 and 0 the group's [`StopOrder`] says which is the worse.
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
    /// A part would not stand before a person can be where it is.
    Separation(SeparationPlan),
    /// The residuals of the twin say that the axis is another than its model: heavier than stopping distances count on, or its encoder
    /// and the model diverge. Its margins are wider meanwhile, with or without this.
    TwinDoubt {
        /// Which axis.
        axis: AxisId,
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
    /// Two contacts of which one says the opposite of the other.
    Antivalent {
        /// Normally closed: 1 = permit.
        closed: SignalId,
        /// Normally open: 0 = permit.
        open: SignalId,
        /// Range 1 ms ..= 10 s.
        discrepancy_ns: u64,
    },
    /// A three-position enabling switch; only its middle permits.
    EnablingSwitch {
        /// 1 in the middle.
        a: SignalId,
        /// 0 when pressed through.
        b: SignalId,
    },
    /// Two hands, pressed together and held.
    TwoHand {
        /// 1 = pressed.
        a: SignalId,
        /// 1 = pressed.
        b: SignalId,
        /// Both are pressed within, ns; at most 500 ms.
        synchronous_ns: u64,
    },
    /// A light curtain that parts may pass.
    Muting(MutingPlan),
    /// A contactor does what its output says.
    Edm {
        /// The output that switches it.
        output: SignalId,
        /// Normally closed contact: 1 while it is off.
        feedback: SignalId,
        /// That of the second contactor.
        second: Option<SignalId>,
        /// Range 1 ms ..= 10 s.
        time_ns: u64,
    },
    /// What is requested of a drive or device is confirmed within a time.
    SafetyRequest {
        /// What says that it is requested.
        request: Bits,
        /// What says that it is confirmed.
        confirmation: Bits,
        /// Range 1 ms ..= 60 s.
        time_ns: u64,
    },
    /// A value leaves its limits.
    Threshold {
        /// Which value.
        of: Watched,
        /// What is allowed.
        band: Band,
    },
    /// The axis has no reference.
    NotReferenced {
        /// Which axis.
        axis: AxisId,
    },
    /// No fresh, verified result of the stream.
    StaleVision {
        /// Which stream.
        stream: StreamId,
    },
    /// The mode selector says nothing, contradicts itself, or has just been turned.
    ModeSelector,
    /// Something that should have been rejected passed the ejector of an inspection.
    Inspection {
        /// Which.
        inspection: InspectionId,
    },
}

/// A light curtain with muting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MutingPlan {
    /// The curtain's first output, 1 = free.
    pub a: SignalId,
    /// Its second.
    pub b: SignalId,
    /// How long they may differ, ns.
    pub discrepancy_ns: u64,
    /// Two sensors with crossed beams, or four in a row; 1 = covered.
    pub sensors: [Option<SignalId>; 4],
    /// From the first sensor to the second, ns.
    pub entry_ns: u64,
    /// From the first sensor until all are free, ns.
    pub muting_ns: u64,
    /// Output of the lamp, 1 while muted.
    pub lamp: Option<SignalId>,
}

/// Some bits of a signal: they say yes when `signal & mask == value`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bits {
    /// Which signal.
    pub signal: SignalId,
    /// Which of its bits.
    pub mask: i64,
    /// What they must be.
    pub value: i64,
}

/// A value that a threshold watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watched {
    /// The raw value of a signal.
    Signal(SignalId),
    /// |velocity| of an axis, nano-units / s.
    Speed(AxisId),
    /// Position of an axis, nano-units; without a reference it is not known.
    Position(AxisId),
    /// |torque| of an axis as its drive reports it, ‰ of rated.
    Torque(AxisId),
}

/// What a dual-channel device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DualChannelKind {
    /// Emergency stop.
    EmergencyStop,
    /// Guard door.
    GuardDoor,
    /// Any two contacts that say the same.
    Equivalent,
    /// The two outputs of a light curtain or scanner.
    LightCurtain,
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
    /// Without permit it stays as the program asked last (a gripper that holds a part); `safe` holds only until it first asks.
    pub hold: bool,
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
    /// 1 while an interlock's light curtain is muted (lamp).
    Muted,
    /// Trigger or ejector of an inspection.
    Inspection,
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
