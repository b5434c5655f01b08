//! How a drive is ordered and set, and what can be seen of it.

use super::DriveState;

/// What a drive is ordered with. Speeds and decelerations are in encoder counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServoOptions {
    /// Encoder counts a motor revolution (0x608F). Above 0.
    pub counts_per_revolution: u32,
    /// Rated torque, mN m (0x6076).
    pub rated_torque_mnm: u32,
    /// Rated current, mA (0x6075).
    pub rated_current_ma: u32,
    /// Largest torque, ‰ of rated (0x6072).
    pub torque_limit_permille: u16,
    /// Holding brake on the drive's own output.
    pub brake: Option<DriveBrake>,
    /// Quick stop, counts / s² (0x6085). Above 0.
    pub quick_stop_deceleration: u32,
    /// Slow down ramp, counts / s² (0x6084). Above 0.
    pub slow_down_deceleration: u32,
    /// 0x605A: 0 disable, 1 slow down and disable, 2 quick stop and disable, 5 slow down and stay,
    /// 6 quick stop and stay.
    pub quick_stop_option: i16,
    /// 0x605E: 0 disable, 1 slow down, 2 quick stop.
    pub fault_reaction_option: i16,
    /// 0x6007, when the bus is lost: 0 nothing, 1 fault, 2 disable voltage, 3 quick stop.
    pub abort_connection_option: i16,
    /// 0x6065, counts; `u32::MAX` switches the monitoring off.
    pub following_error_window: u32,
    /// 0x6066, ms.
    pub following_error_ms: u16,
    /// Periods without a new target that are bridged at the same speed; then the drive holds.
    pub missed_targets_max: u8,
}

impl Default for ServoOptions {
    /// A 400 W motor with a 20-bit encoder.
    fn default() -> Self {
        Self {
            counts_per_revolution: 1 << 20,
            rated_torque_mnm: 1_270,
            rated_current_ma: 2_600,
            torque_limit_permille: 3_000,
            brake: None,
            quick_stop_deceleration: 500 << 20,
            slow_down_deceleration: 200 << 20,
            quick_stop_option: 2,
            fault_reaction_option: 2,
            abort_connection_option: 3,
            following_error_window: 1 << 20,
            following_error_ms: 100,
            missed_targets_max: 3,
        }
    }
}

/// A brake worked by the drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DriveBrake {
    /// Torque stays this long after the brake is told to hold, ns.
    pub engage_ns: u64,
    /// Targets are followed this long after the brake is told to release, ns.
    pub release_ns: u64,
}

/// What the drive looks like from outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DriveStatus {
    /// State of the power drive state machine.
    pub state: DriveState,
    /// 0x6061.
    pub mode: i8,
    /// 0x6041.
    pub statusword: u16,
    /// 0x603F.
    pub error_code: u16,
    /// Encoder, raw counts, unwrapped.
    pub position_counts: i64,
    /// Encoder, counts / s.
    pub velocity_counts_per_s: f64,
    /// The power stage is on.
    pub power: bool,
}
