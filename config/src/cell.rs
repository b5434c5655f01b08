//! The virtual cell: what stands behind the devices when there is no machine. Plain data; the supervisor hands it to the
//! segment and the world. Lengths are mm, angles degrees, times ns.
//!
//! Much of it looks like the plans of segment and world, on purpose: they are leaves that nothing here imports, so each says
//! for itself what it takes.

use fieldbus::plan::Identity;
use rt_core::plan::AxisId;

/// Everything that is physically there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VirtualCell {
    /// By position on the segment.
    pub devices: Vec<VirtualDevice>,
    /// Belts with parts on them.
    pub conveyors: Vec<VirtualConveyor>,
    /// Areas that cameras look at.
    pub zones: Vec<VirtualZone>,
    /// One for each vision stream that has one.
    pub cameras: Vec<VirtualCamera>,
    /// Who walks about.
    pub persons: Vec<VirtualPerson>,
    /// What happens when.
    pub events: Vec<ScenarioEvent>,
    /// What the operator does by himself.
    pub rules: Vec<OperatorRule>,
    /// The certified chain that takes the torque of the drives.
    pub safety_chain: Option<VirtualSafetyChain>,
    /// Contactors with a feedback contact.
    pub contactors: Vec<VirtualContactor>,
}

/// A contactor whose normally closed contact says whether it is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtualContactor {
    /// What switches it.
    pub output: Channel,
    /// 1 while it is off.
    pub feedback: Channel,
    /// Until it has switched, ns.
    pub delay_ns: u64,
}

/// A safety relay with safe stop 1 (SS1-t).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualSafetyChain {
    /// Inputs that are 1 while all is well.
    pub inputs: Vec<Channel>,
    /// From an open input to safe torque off, ns.
    pub delay_ns: u64,
}

/// What a drive's firmware still obeys when it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obeys {
    /// Everything: it is sound.
    All,
    /// Quick stop and less.
    QuickStop,
    /// Only disable voltage.
    Power,
    /// Nothing.
    Nothing,
}

/// One device of the virtual segment.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualDevice {
    /// Its name in the machine file.
    pub name: String,
    /// What its SII says.
    pub identity: Identity,
    /// What it is.
    pub kind: DeviceKind,
}

/// What a device is.
#[derive(Clone, Debug, PartialEq)]
pub enum DeviceKind {
    /// Coupler: no process data.
    Coupler,
    /// Digital inputs.
    DigitalInput {
        /// How many.
        channels: u8,
        /// Level of each channel while nothing happens, bit 0 = channel 1.
        rest: u64,
    },
    /// Digital outputs.
    DigitalOutput {
        /// How many.
        channels: u8,
    },
    /// Analogue inputs, 16 bits.
    AnalogInput {
        /// Value of each channel while nothing happens, raw.
        rest: Vec<i16>,
        /// 16 bits of status go ahead of each value.
        status_word: bool,
    },
    /// Analogue outputs, 16 bits.
    AnalogOutput {
        /// How many.
        channels: u8,
    },
    /// CiA 402 servo drive with motor and mechanics.
    Servo(Box<VirtualServo>),
    /// Described by its PDOs alone: inputs stay 0.
    Generic,
}

/// A drive, its motor and what hangs on it. Positions are in the unit of its axis, in true machine coordinates.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualServo {
    /// The axis it moves.
    pub axis: AxisId,
    /// Serial number that the drive reports.
    pub serial: u32,
    /// Encoder counts of a motor turn.
    pub counts_per_revolution: u32,
    /// Encoder counts of an axis unit.
    pub counts_per_unit: f64,
    /// Axis units of a motor radian.
    pub units_per_radian: f64,
    /// Endless: position at which it is back where it was.
    pub wrap: Option<f64>,
    /// Rotor with brake and coupling half, kg m².
    pub motor_inertia_kgm2: f64,
    /// Load at the motor shaft, kg m².
    pub load_inertia_kgm2: f64,
    /// N m.
    pub rated_torque_nm: f64,
    /// N m.
    pub peak_torque_nm: f64,
    /// N m at the motor shaft, ≥ 0.
    pub coulomb_nm: f64,
    /// N m s / rad at the motor shaft, ≥ 0.
    pub viscous_nms: f64,
    /// Constant load, N m at the motor shaft; above 0 pulls towards negative positions.
    pub gravity_nm: f64,
    /// Coupling, N m / rad at the motor shaft; `None`: the world derives it.
    pub stiffness_nm_per_rad: Option<f64>,
    /// Free play between motor and load, axis units; `None`: the world derives it.
    pub backlash: Option<f64>,
    /// Each physical parameter is drawn within ± this share of its value, 0..=0.5. Places (switches, index, stops) are not.
    pub spread: f64,
    /// What the encoder says at place 0, counts.
    pub encoder_offset_counts: i64,
    /// Where it stands at power-up.
    pub start_position: f64,
    /// Mechanical ends; `None`: endless.
    pub hard_stops: Option<(f64, f64)>,
    /// Negative limit switch is hit at and below this.
    pub limit_negative: Option<f64>,
    /// Positive limit switch is hit at and above this.
    pub limit_positive: Option<f64>,
    /// Reference switch is hit from .. to.
    pub reference: Option<(f64, f64)>,
    /// Where one index pulse is; there is one each motor turn.
    pub index_at: f64,
    /// Holding brake.
    pub brake: Option<VirtualBrake>,
}

/// A holding brake.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VirtualBrake {
    /// Output that releases it with 1; `None`: the drive's own output.
    pub release: Option<Channel>,
    /// What it holds, N m at the motor shaft, above 0.
    pub holding_nm: f64,
    /// ns.
    pub engage_ns: u64,
    /// ns.
    pub release_ns: u64,
}

/// A channel of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Position on the segment.
    pub device: usize,
    /// From 0.
    pub channel: u8,
}

/// A belt with parts on it.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualConveyor {
    /// Its name.
    pub name: String,
    /// The axis that moves it.
    pub axis: AxisId,
    /// From where parts appear to where they fall off, axis units, above 0.
    pub length: f64,
    /// Length of a part along the belt, axis units, above 0.
    pub part_length: f64,
    /// Belt travel from the start to the first part, axis units, ≥ 0.
    pub first_part: f64,
    /// Belt travel from part to part, axis units, above `part_length`.
    pub spacing: f64,
    /// The spacing is up to this much longer, axis units, ≥ 0.
    pub spacing_jitter: f64,
    /// A light barrier across the belt.
    pub barrier: Option<VirtualBarrier>,
    /// Who takes parts.
    pub gripper: Option<VirtualGripper>,
    /// Camera and ejector of an inspection.
    pub station: Option<VirtualStation>,
}

/// Camera and ejector of an inspection. Shares are of all parts, 0..=1.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualStation {
    /// The id that the camera's datagrams carry.
    pub wire_id: u16,
    /// Output that triggers the camera.
    pub trigger: Channel,
    /// Output of the ejector.
    pub reject: Channel,
    /// Where the camera looks, along the belt, axis units.
    pub camera_at: f64,
    /// Where the ejector is, along the belt, axis units.
    pub reject_at: f64,
    /// From the ejector's output until it acts, ns.
    pub reject_delay_ns: u64,
    /// How far from the ejector the middle of a part may be that it takes, axis units, above 0.
    pub reach: f64,
    /// From the picture until its result is sent, ns.
    pub delay_ns: u64,
    /// The delay is up to this much longer, ns.
    pub delay_jitter_ns: u64,
    /// Late results come so much later, ns.
    pub late_by_ns: u64,
    /// Parts slip by up to this much, either way, between barrier and camera, axis units.
    pub slip: f64,
    /// Bad parts.
    pub bad: f64,
    /// Late results.
    pub late: f64,
    /// Pictures without a result.
    pub silent: f64,
    /// Results that say nothing.
    pub unknown: f64,
    /// Results that are sent twice.
    pub repeated: f64,
    /// Results made for another machine file.
    pub wrong_hash: f64,
    /// Results with the number of the trigger before.
    pub wrong_trigger: f64,
    /// Triggers that the camera does not hear.
    pub deaf: f64,
}

/// A light barrier across a belt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VirtualBarrier {
    /// The input that is 1 while a part covers it.
    pub input: Channel,
    /// Along the belt, axis units.
    pub at: f64,
}

/// A gripper on a horizontal and a vertical axis.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualGripper {
    /// The horizontal axis.
    pub axis_x: AxisId,
    /// The vertical axis.
    pub axis_z: AxisId,
    /// Output that closes it with 1.
    pub output: Channel,
    /// From the output to the grip and from off to the release, ns.
    pub delay_ns: u64,
    /// Where it takes a part that is at `pick_belt` of the belt.
    pub pick: Spot,
    /// Along the belt, axis units of the belt.
    pub pick_belt: f64,
    /// Where it may let go.
    pub place: Spot,
    /// Largest difference of speeds at the grip, mm / s, above 0.
    pub speed_tolerance: f64,
    /// How x goes with the belt: 0 across, 1 along, −1 against it.
    pub along: f64,
    /// Load of the vertical axis while a part is held, factor; 1: nothing.
    pub part_payload: f64,
    /// Input that is 1 while a part is held.
    pub held: Option<Channel>,
}

/// A place of a gripper with its tolerances, axis units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spot {
    /// Of the horizontal axis.
    pub x: f64,
    /// Of the vertical axis.
    pub z: f64,
    /// Either way, above 0.
    pub x_tolerance: f64,
    /// Either way, above 0.
    pub z_tolerance: f64,
}

/// An area that a camera looks at.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualZone {
    /// Its name.
    pub name: String,
    /// Place of its stream.
    pub stream: u8,
    /// Bit in the datagram's zone words.
    pub bit: u8,
    /// Corners in cell coordinates, mm; three or more.
    pub polygon: Vec<(f64, f64)>,
}

/// A camera.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualCamera {
    /// Place of its stream.
    pub stream: u8,
    /// The id that its datagrams carry.
    pub wire_id: u16,
    /// Between pictures, ns, at least 1 ms.
    pub period_ns: u64,
    /// From capture until the datagram is sent, ns.
    pub delay_ns: u64,
    /// The delay is up to this much longer, ns.
    pub delay_jitter_ns: u64,
    /// Exposure, ns.
    pub exposure_ns: u32,
    /// Quality that it reports, 0..=100.
    pub quality: u8,
    /// Standard deviation of positions, mm, ≥ 0.
    pub noise_mm: f64,
    /// What it can see, corners in mm; `None`: everything.
    pub view: Option<Vec<(f64, f64)>>,
}

/// Somebody who walks. Before the first and after the last place the person is not there.
#[derive(Clone, Debug, PartialEq)]
pub struct VirtualPerson {
    /// Name.
    pub name: String,
    /// How far body and arms reach, mm, above 0.
    pub radius_mm: f64,
    /// mm / s, above 0.
    pub speed_mm_s: f64,
    /// In order, at least one.
    pub path: Vec<Waypoint>,
    /// First walk, ns since the start; `None`: only when an event says so.
    pub start_ns: Option<u64>,
    /// From one walk's start to the next, ns; `None`: once.
    pub repeat_ns: Option<u64>,
}

/// A place on a path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Waypoint {
    /// mm, cell coordinates.
    pub x_mm: f64,
    /// mm, cell coordinates.
    pub y_mm: f64,
    /// Stays here before going on, ns.
    pub dwell_ns: u64,
}

/// Something that happens at a time. Repetitions and ends of what lasts are events of their own; sorted by time.
#[derive(Clone, Debug, PartialEq)]
pub struct ScenarioEvent {
    /// Since the start of the run, ns.
    pub at_ns: u64,
    /// What.
    pub action: ScenarioAction,
}

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScenarioAction {
    /// A digital input takes a level.
    SetInput {
        /// Which.
        input: Channel,
        /// Level.
        on: bool,
    },
    /// A digital input leaves its rest level for a while.
    Pulse {
        /// Which.
        input: Channel,
        /// ns.
        duration_ns: u64,
    },
    /// An analogue input takes a value.
    SetAnalog {
        /// Which.
        input: Channel,
        /// Raw.
        value: i16,
    },
    /// A person starts on the path.
    PersonStart {
        /// Place in [`VirtualCell::persons`].
        person: usize,
    },
    /// A camera begins, or with `None` ends, to misbehave.
    CameraFault {
        /// Place in [`VirtualCell::cameras`].
        camera: usize,
        /// How.
        fault: CameraFault,
    },
    /// The safety chain takes the torque of an axis, or gives it free.
    SafeTorqueOff {
        /// Which.
        axis: AxisId,
        /// Taken.
        active: bool,
    },
    /// The brake of an axis holds nothing, or holds again.
    BrakeFails {
        /// Which.
        axis: AxisId,
        /// It does not hold.
        failed: bool,
    },
    /// The firmware of a drive runs on.
    Obeys {
        /// Which.
        axis: AxisId,
        /// What it still obeys.
        obeys: Obeys,
    },
    /// A drive reports a fault; code 0: no more.
    DriveFault {
        /// Which axis.
        axis: AxisId,
        /// CiA 402 error code (0x603F).
        code: u16,
    },
    /// Friction of an axis against its description, 0..=50.
    FrictionScale {
        /// Which axis.
        axis: AxisId,
        /// Factor.
        factor: f64,
    },
    /// Load of an axis against its description, 0.2..=5.
    PayloadScale {
        /// Which axis.
        axis: AxisId,
        /// Factor.
        factor: f64,
    },
    /// Something on the bus.
    Bus(BusAction),
}

/// How a camera misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameraFault {
    /// It does not.
    None,
    /// New sequence and capture time, old content, liveness 0.
    Freeze,
    /// Nothing comes.
    Silence,
    /// The CRC does not fit.
    WrongCrc,
    /// Made for another machine file.
    WrongHash,
    /// The last datagram again, byte for byte.
    Repeat,
    /// The picture is poor: this quality.
    Quality(u8),
    /// Datagrams come later by this, ns.
    Lag(u64),
}

/// What happens on the bus; positions are those on the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusAction {
    /// The cable in front of this device comes loose: it and all behind it do not answer.
    LinkDown {
        /// Device position.
        position: usize,
    },
    /// It is back.
    LinkUp {
        /// Device position.
        position: usize,
    },
    /// A device loses its supply.
    PowerOff {
        /// Device position.
        position: usize,
    },
    /// It has it again.
    PowerOn {
        /// Device position.
        position: usize,
    },
    /// A device refuses Op.
    RefuseOp {
        /// Device position.
        position: usize,
        /// AL status code (0x0134).
        al_status_code: u16,
    },
    /// It no longer does.
    AllowOp {
        /// Device position.
        position: usize,
    },
    /// The next frames are lost.
    LoseFrames {
        /// How many.
        count: u32,
    },
    /// The next frames come back with a flipped bit.
    CorruptFrames {
        /// How many.
        count: u32,
    },
    /// The next frames come back twice.
    DuplicateFrames {
        /// How many.
        count: u32,
    },
    /// The next frames come back late.
    DelayFrames {
        /// How many.
        count: u32,
        /// By how much, ns.
        delay_ns: u64,
    },
    /// A frame that nobody sent arrives.
    ForeignFrames {
        /// How many.
        count: u32,
    },
}

/// What the operator does when he sees something.
#[derive(Clone, Debug, PartialEq)]
pub struct OperatorRule {
    /// Name.
    pub name: String,
    /// All must hold.
    pub when: Vec<RuleCondition>,
    /// What he does, in this order.
    pub then: Vec<RuleStep>,
    /// From the last step until he may act again, ns.
    pub cooldown_ns: u64,
}

/// What the operator looks at: it has been so for at least `for_ns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleCondition {
    /// What.
    pub what: Seen,
    /// ns.
    pub for_ns: u64,
}

/// What can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// An output is on.
    OutputOn(Channel),
    /// An output is off.
    OutputOff(Channel),
    /// An input is on.
    InputOn(Channel),
    /// An input is off.
    InputOff(Channel),
    /// Nobody is in the zone: place in [`VirtualCell::zones`].
    ZoneFree(usize),
    /// Somebody is in the zone.
    ZoneOccupied(usize),
}

/// One step of what the operator does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RuleStep {
    /// After the step before (the first: after he has seen it), ns.
    pub after_ns: u64,
    /// What.
    pub action: ScenarioAction,
}
