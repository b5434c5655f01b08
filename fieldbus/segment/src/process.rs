//! What is behind the devices: the segment asks, whoever wires it in answers (the physical world).

/// What a servo drive's firmware commands its power stage and control loops to do.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServoCommand {
    /// The power stage is on: the control loops work. Off: no torque.
    pub power: bool,
    /// The drive's own brake output: released.
    pub brake_released: bool,
    /// Set-point of the position loop, encoder counts (interpolated between bus cycles), unwrapped.
    pub target_counts: f64,
    /// Feed-forward of the velocity loop, counts / s.
    pub velocity_counts_per_s: f64,
    /// ‰ of rated torque, above 0.
    pub torque_limit_permille: u16,
}

/// What its encoder, current sensors and switch inputs say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ServoFeedback {
    /// Encoder, counts, unwrapped; the drive sends its lower 32 bits.
    pub position_counts: i64,
    /// counts / s.
    pub velocity_counts_per_s: f64,
    /// ‰ of rated torque.
    pub torque_permille: i16,
    /// Position at the last index pulse, if one has passed since power-up.
    pub index_counts: Option<i64>,
    /// How many index pulses have passed.
    pub index_pulses: u32,
    /// Negative limit switch is hit.
    pub limit_negative: bool,
    /// Positive limit switch is hit.
    pub limit_positive: bool,
    /// Reference switch is hit.
    pub reference: bool,
    /// Something in the drive or motor failed (scenario): CiA 402 error code, 0 = none.
    pub fault_code: u16,
    /// Safe torque off: the safety chain has taken the torque, whatever the firmware wants.
    pub safe_torque_off: bool,
    /// What the firmware still obeys (scenario).
    pub obeys: Obeys,
}

/// What a drive's firmware obeys when it fails: less from line to line. Its set-point goes on at the speed it had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obeys {
    /// Everything: it is sound.
    #[default]
    All,
    /// Targets are ignored, quick stop is not.
    QuickStop,
    /// Only disable voltage.
    Power,
    /// Nothing.
    Nothing,
}

/// The world behind the terminals and drives. `device` is the position on the segment.
pub trait Process {
    /// Moves the world on to `now`, ns; called with steps of [`TICK_NS`].
    fn advance(&mut self, now: u64);
    /// A drive commands.
    fn servo_command(&mut self, device: usize, command: &ServoCommand);
    /// A drive senses.
    fn servo_feedback(&self, device: usize) -> ServoFeedback;
    /// Digital inputs of a terminal, bit 0 = channel 1.
    fn digital_inputs(&self, device: usize) -> u64;
    /// Digital outputs of a terminal were set.
    fn set_digital_outputs(&mut self, device: usize, bits: u64);
    /// An analogue input of a terminal, raw.
    fn analog_input(&self, device: usize, channel: usize) -> i16;
    /// An analogue output of a terminal was set, raw.
    fn set_analog_output(&mut self, device: usize, channel: usize, value: i16);
}

/// Step in which drives and world move on, ns.
pub const TICK_NS: u64 = 125_000;
