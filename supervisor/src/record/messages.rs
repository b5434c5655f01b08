//! The messages of a recording, as protobuf. `descriptor.rs` describes the same messages to readers; a test compares the two.

/// How one cycle went: topic `/cycle`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Cycle {
    /// Number from 0.
    #[prost(uint64, tag = "1")]
    pub cycle: u64,
    /// `MachineState`.
    #[prost(int32, tag = "2")]
    pub machine: i32,
    /// `BusState`.
    #[prost(int32, tag = "3")]
    pub bus: i32,
    /// Actual − scheduled wake, ns; 0 in virtual time.
    #[prost(uint32, tag = "4")]
    pub latency_ns: u32,
    /// Wake to publish of the previous cycle, ns; 0 in virtual time.
    #[prost(uint32, tag = "5")]
    pub execution_ns: u32,
    /// Whole periods skipped before this cycle.
    #[prost(uint32, tag = "6")]
    pub skipped: u32,
    /// Sync units whose working counter was right.
    #[prost(uint64, tag = "7")]
    pub units_good: u64,
    /// Sync units that exist.
    #[prost(uint64, tag = "8")]
    pub units_all: u64,
    /// DC is used and not locked.
    #[prost(bool, tag = "9")]
    pub dc_unlocked: bool,
    /// Phase of the reference clock to the loop's, ns.
    #[prost(sint32, tag = "10")]
    pub dc_offset_ns: i32,
    /// When the last frame came back, ns.
    #[prost(fixed64, tag = "11")]
    pub received_at: u64,
    /// Totals since start, as are the following.
    #[prost(uint64, tag = "12")]
    pub frames_sent: u64,
    /// Back in time and whole.
    #[prost(uint64, tag = "13")]
    pub frames_received: u64,
    /// Back after the deadline.
    #[prost(uint64, tag = "14")]
    pub frames_late: u64,
    /// Not ours.
    #[prost(uint64, tag = "15")]
    pub frames_foreign: u64,
    /// Damaged.
    #[prost(uint64, tag = "16")]
    pub frames_corrupt: u64,
    /// Never back.
    #[prost(uint64, tag = "17")]
    pub frames_lost: u64,
    /// Datagrams with another working counter than expected.
    #[prost(uint64, tag = "18")]
    pub working_counter_errors: u64,
    /// Frames of ours once more.
    #[prost(uint64, tag = "19")]
    pub frames_duplicate: u64,
    /// Frames of ours, shorter than they were sent.
    #[prost(uint64, tag = "20")]
    pub frames_truncated: u64,
}

/// How one axis went: topic `/axes/<name>`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Axis {
    /// `AxisState`.
    #[prost(int32, tag = "1")]
    pub state: i32,
    /// Actual position, axis units.
    #[prost(double, tag = "2")]
    pub position: f64,
    /// Estimated velocity, axis units / s.
    #[prost(double, tag = "3")]
    pub velocity: f64,
    /// Position last sent, axis units.
    #[prost(double, tag = "4")]
    pub commanded: f64,
    /// Commanded − actual, axis units.
    #[prost(double, tag = "5")]
    pub following_error: f64,
    /// ‰ of rated torque.
    #[prost(sint32, tag = "6")]
    pub torque_permille: i32,
    /// Stopping distance the twin predicts, axis units.
    #[prost(double, tag = "7")]
    pub stopping_distance: f64,
    /// Disturbance torque the twin sees, N m.
    #[prost(double, tag = "8")]
    pub disturbance_nm: f64,
    /// Homed.
    #[prost(bool, tag = "9")]
    pub referenced: bool,
    /// Operation enabled.
    #[prost(bool, tag = "10")]
    pub enabled: bool,
    /// The drive reports a fault.
    #[prost(bool, tag = "11")]
    pub fault: bool,
    /// The drive follows the target.
    #[prost(bool, tag = "12")]
    pub follows_target: bool,
    /// The last request is done.
    #[prost(bool, tag = "13")]
    pub done: bool,
    /// All inputs of the axis were good.
    #[prost(bool, tag = "14")]
    pub inputs_good: bool,
}

/// A signal that changed: topic `/signals/<name>`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Signal {
    /// Raw value.
    #[prost(sint64, tag = "1")]
    pub value: i64,
    /// `Quality`.
    #[prost(int32, tag = "2")]
    pub quality: i32,
    /// When the frame that brought it came back, ns; 0 = never.
    #[prost(fixed64, tag = "3")]
    pub at: u64,
}

/// What goes over the bus for a drive: topic `/drives/<axis>`. Objects that are not mapped are 0.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Drive {
    /// 0x6040.
    #[prost(uint32, tag = "1")]
    pub controlword: u32,
    /// 0x607A, counts.
    #[prost(sint64, tag = "2")]
    pub target_position: i64,
    /// 0x6060.
    #[prost(sint32, tag = "3")]
    pub mode: i32,
    /// 0x6041.
    #[prost(uint32, tag = "4")]
    pub statusword: u32,
    /// 0x6064, counts.
    #[prost(sint64, tag = "5")]
    pub actual_position: i64,
    /// 0x6061.
    #[prost(sint32, tag = "6")]
    pub mode_display: i32,
    /// 0x6077.
    #[prost(sint32, tag = "7")]
    pub actual_torque_permille: i32,
    /// 0x60F4, counts.
    #[prost(sint64, tag = "8")]
    pub following_error: i64,
    /// 0x603F.
    #[prost(uint32, tag = "9")]
    pub error_code: u32,
    /// 0x60FD.
    #[prost(uint32, tag = "10")]
    pub digital_inputs: u32,
    /// 0x60BA, counts.
    #[prost(sint64, tag = "11")]
    pub touch_probe_position: i64,
    /// `Quality`: the worst of the drive's inputs.
    #[prost(int32, tag = "12")]
    pub quality: i32,
    /// When the frame that brought the oldest of the drive's inputs came back, ns.
    #[prost(fixed64, tag = "13")]
    pub at: u64,
}

/// Something that happened: topic `/events`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Event {
    /// Cycle.
    #[prost(uint64, tag = "1")]
    pub cycle: u64,
    /// `Severity`.
    #[prost(int32, tag = "2")]
    pub severity: i32,
    /// Stable word: `trip`, `stopped`, …
    #[prost(string, tag = "3")]
    pub kind: String,
    /// What it is about.
    #[prost(string, tag = "4")]
    pub subject: String,
    /// One sentence.
    #[prost(string, tag = "5")]
    pub text: String,
    /// Interlock, if one is concerned.
    #[prost(uint32, optional, tag = "6")]
    pub interlock: Option<u32>,
    /// Group, if one is concerned.
    #[prost(uint32, optional, tag = "7")]
    pub group: Option<u32>,
    /// Axis, if one is concerned.
    #[prost(uint32, optional, tag = "8")]
    pub axis: Option<u32>,
    /// Stopping distance predicted, axis units.
    #[prost(double, optional, tag = "9")]
    pub distance_predicted: Option<f64>,
    /// Stopping distance travelled, axis units.
    #[prost(double, optional, tag = "10")]
    pub distance: Option<f64>,
    /// When the cause was seen, ns.
    #[prost(fixed64, optional, tag = "11")]
    pub input_at: Option<u64>,
    /// Position of the device on the segment, if one is concerned.
    #[prost(uint32, optional, tag = "12")]
    pub device: Option<u32>,
    /// Of an emergency: its code (0x603F); 0: the error is gone.
    #[prost(uint32, optional, tag = "13")]
    pub emergency_code: Option<u32>,
    /// Of an emergency: error register (0x1001).
    #[prost(uint32, optional, tag = "14")]
    pub error_register: Option<u32>,
    /// Of an emergency: the manufacturer's 5 bytes.
    #[prost(bytes = "vec", optional, tag = "15")]
    pub emergency_data: Option<Vec<u8>>,
}

/// A result of a camera as it arrived: topic `/vision/<name>`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Vision {
    /// As the camera counts.
    #[prost(uint64, tag = "1")]
    pub sequence: u64,
    /// The receiver found it to go forward.
    #[prost(bool, tag = "2")]
    pub sequence_good: bool,
    /// When the picture was taken, ns.
    #[prost(fixed64, tag = "3")]
    pub captured_at: u64,
    /// 0 to 100.
    #[prost(uint32, tag = "4")]
    pub quality: u32,
    /// The picture differs from the last as live pictures do.
    #[prost(bool, tag = "5")]
    pub alive: bool,
    /// Zones looked at, bit by bit.
    #[prost(uint32, tag = "6")]
    pub zones_evaluated: u32,
    /// Zones in which something is, bit by bit.
    #[prost(uint32, tag = "7")]
    pub zones_occupied: u32,
    /// What is where.
    #[prost(message, repeated, tag = "8")]
    pub objects: Vec<Object>,
    /// The datagram itself, for replay.
    #[prost(bytes = "vec", tag = "9")]
    pub datagram: Vec<u8>,
}

/// What an interlock of kind `separation` found: topic `/separation/<interlock>`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Separation {
    /// Distance that is left beyond Sp, mm; below 0: stop. Not there: no picture counts, or the axes are not heard.
    #[prost(double, optional, tag = "1")]
    pub margin: Option<f64>,
    /// The speed from which the part still rests in time, mm/s. Not there: any that it has.
    #[prost(double, optional, tag = "2")]
    pub speed_limit: Option<f64>,
    /// The part moves.
    #[prost(bool, tag = "3")]
    pub moving: bool,
    /// Age of the picture, ns.
    #[prost(uint64, tag = "4")]
    pub picture_age_ns: u64,
    /// Until the part stands, ns.
    #[prost(uint64, tag = "5")]
    pub rest_ns: u64,
}

/// Something that a camera sees, mm and mm/s in cell coordinates.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Object {
    /// mm.
    #[prost(sint32, tag = "1")]
    pub x: i32,
    /// mm.
    #[prost(sint32, tag = "2")]
    pub y: i32,
    /// mm/s.
    #[prost(sint32, tag = "3")]
    pub vx: i32,
    /// mm/s.
    #[prost(sint32, tag = "4")]
    pub vy: i32,
    /// mm.
    #[prost(uint32, tag = "5")]
    pub radius: u32,
    /// mm.
    #[prost(uint32, tag = "6")]
    pub uncertainty: u32,
}

/// What the step of a cycle was given besides what `/cycle` says, as far as it is not as before: topic `/replay/inputs`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Inputs {
    /// Which cycle.
    #[prost(uint64, tag = "1")]
    pub cycle: u64,
    /// Time of the step, ns.
    #[prost(fixed64, tag = "2")]
    pub now: u64,
    /// Signals whose value or quality changed, and some that did not.
    #[prost(message, repeated, tag = "3")]
    pub signals: Vec<InputSignal>,
    /// Signals that keep value and quality and were sampled at another time; see `rt_core::step::Stamps`.
    #[prost(message, repeated, tag = "4")]
    pub stamps: Vec<InputStamp>,
    /// Datagrams of cameras that were taken.
    #[prost(message, repeated, tag = "5")]
    pub pictures: Vec<InputPicture>,
    /// What was asked from outside.
    #[prost(message, optional, tag = "6")]
    pub command: Option<InputCommand>,
    /// Inspection results that were taken, in order.
    #[prost(message, repeated, tag = "7")]
    pub results: Vec<InputPicture>,
}

/// A signal by its number.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct InputSignal {
    /// Which.
    #[prost(uint32, tag = "1")]
    pub signal: u32,
    /// Raw value.
    #[prost(sint64, tag = "2")]
    pub value: i64,
    /// `Quality`.
    #[prost(int32, tag = "3")]
    pub quality: i32,
    /// When it was sampled, ns.
    #[prost(fixed64, tag = "4")]
    pub at: u64,
}

/// From this signal on.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct InputStamp {
    /// The first signal.
    #[prost(uint32, tag = "1")]
    pub signal: u32,
    /// When it was sampled, ns.
    #[prost(fixed64, tag = "2")]
    pub at: u64,
}

/// A datagram that is in `/vision/<stream>`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct InputPicture {
    /// Which stream.
    #[prost(uint32, tag = "1")]
    pub stream: u32,
    /// When it arrived, ns.
    #[prost(fixed64, tag = "2")]
    pub received_at: u64,
    /// Its sequence goes forward.
    #[prost(bool, tag = "3")]
    pub sequence_good: bool,
    /// Results that the receiver has refused.
    #[prost(uint64, tag = "4")]
    pub refused: u64,
    /// Its last four bytes.
    #[prost(fixed32, tag = "5")]
    pub crc: u32,
    /// This host's clock less the camera's at the least, ns, of a camera with a clock of its own.
    #[prost(sfixed64, optional, tag = "6")]
    pub offset_ns: Option<i64>,
}

/// What was asked from outside.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct InputCommand {
    /// End in a controlled way.
    #[prost(bool, tag = "1")]
    pub shutdown: bool,
    /// Last heartbeat of the supervisor, ns.
    #[prost(fixed64, tag = "2")]
    pub supervisor_at: u64,
}

/// All that the loop remembers between two cycles: topic `/replay/checkpoints`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Checkpoint {
    /// The cycle that comes next.
    #[prost(uint64, tag = "1")]
    pub cycle: u64,
    /// The state, word by word, little endian; which words these are, the metadata `state` of the recording says.
    #[prost(bytes = "vec", tag = "2")]
    pub words: Vec<u8>,
}

/// What the recording holds of what the loop left, over all files of the run so far: topic `/ledger`, the last message of each chunk.
/// `next = stored + lost`.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub struct Ledger {
    /// Which run; 0 in virtual time.
    #[prost(fixed64, tag = "1")]
    pub run: u64,
    /// Sequence that follows the last record taken: so many were given one up to here.
    #[prost(uint64, tag = "2")]
    pub next: u64,
    /// Of those, in the recording.
    #[prost(uint64, tag = "3")]
    pub stored: u64,
}

/// `foxglove.Log`: topic `/log`. Source: foxglove-schemas, Log.proto.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Log {
    /// When.
    #[prost(message, optional, tag = "1")]
    pub timestamp: Option<prost_types::Timestamp>,
    /// `Level`.
    #[prost(int32, tag = "2")]
    pub level: i32,
    /// The text.
    #[prost(string, tag = "3")]
    pub message: String,
    /// Who says it.
    #[prost(string, tag = "4")]
    pub name: String,
    /// Source file; empty.
    #[prost(string, tag = "5")]
    pub file: String,
    /// Source line; 0.
    #[prost(fixed32, tag = "6")]
    pub line: u32,
}
