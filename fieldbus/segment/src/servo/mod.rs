//! Firmware of a CiA 402 servo drive: state machine, cyclic synchronous position, homing, stops and
//! faults.
//!
//! Position, velocity and current loops are not here: they are part of the physical world behind
//! [`Process`](crate::process::Process).

mod motion;
pub(crate) mod objects;
mod options;
mod publish;
mod state;

use crate::coe::Emergency;
use crate::dictionary::Dictionary;
use crate::num::{float, low8, low16, round};
use crate::process::{Obeys, ServoCommand, ServoFeedback, TICK_NS};
use motion::Motion;
use objects::Slots;
pub use options::{DriveBrake, DriveStatus, ServoOptions};
pub use state::DriveState;
use state::{Command, command, next};

const MODE_HOMING: i8 = 6;
const MODE_CYCLIC_POSITION: i8 = 8;
const HALT: u16 = 1 << 8;
const FAULT_RESET: u16 = 1 << 7;
const HOMING_START: u16 = 1 << 4;
const ERROR_FOLLOWING: u16 = 0x8611;
const ERROR_COMMUNICATION: u16 = 0x8130;

/// The firmware's state.
pub(crate) struct Servo {
    options: ServoOptions,
    slots: Slots,
    state: DriveState,
    mode: i8,
    control_before: u16,
    motion: Motion,
    feedback: ServoFeedback,
    position_offset: i64,
    error_code: u16,
    error_pending: u16,
    following_error_ns: u64,
    following_error: bool,
    homing: (bool, bool),
    disabling: Option<DriveState>,
    power_until: u64,
    follow_from: u64,
    index_known: u32,
    index_seen: bool,
    /// The inputs as they are latched show it.
    index_shown: bool,
    emergency: Option<Emergency>,
    started: bool,
}

impl Servo {
    /// As after power-up.
    pub(crate) fn new(options: ServoOptions, dictionary: &Dictionary) -> Self {
        Self {
            options,
            slots: Slots::new(dictionary),
            state: DriveState::SwitchOnDisabled,
            mode: 0,
            control_before: 0,
            motion: Motion::default(),
            feedback: ServoFeedback::default(),
            position_offset: 0,
            error_code: 0,
            error_pending: 0,
            following_error_ns: 0,
            following_error: false,
            homing: (false, false),
            disabling: None,
            power_until: 0,
            follow_from: 0,
            index_known: 0,
            index_seen: false,
            index_shown: false,
            emergency: None,
            started: false,
        }
    }

    /// Everything but the encoder is forgotten.
    pub(crate) fn power_up(&mut self, dictionary: &Dictionary) {
        *self = Self::new(self.options, dictionary);
    }

    /// A fault that the drive finds at its next tick.
    pub(crate) fn inject_fault(&mut self, code: u16) {
        self.error_pending = code;
    }

    /// An emergency that the firmware wants to send.
    pub(crate) fn take_emergency(&mut self) -> Option<Emergency> {
        self.emergency.take()
    }

    /// What is published now is what the MainDevice reads next.
    pub(crate) fn inputs_latched(&mut self) {
        self.index_shown = self.index_seen;
    }

    /// The MainDevice has read the inputs: "since the last PDO cycle" starts again. A pulse that came after the inputs were latched is
    /// not among what was read; it is for the next cycle.
    pub(crate) fn inputs_read(&mut self) {
        if core::mem::take(&mut self.index_shown) {
            self.index_seen = false;
        }
    }

    /// One tick. `operational`: outputs of the bus are valid. `cycle`: a new target is to be taken
    /// now.
    pub(crate) fn tick(
        &mut self,
        dictionary: &Dictionary,
        operational: bool,
        cycle: bool,
        now: u64,
        feedback: ServoFeedback,
    ) -> ServoCommand {
        self.sense(feedback);
        let control = if operational { self.read16(dictionary, self.slots.controlword) } else { 0 };
        self.switch_mode(dictionary);
        self.watch(dictionary, now);
        if operational {
            self.obey(dictionary, control, now);
        }
        self.home(dictionary, control);
        self.move_on(dictionary, control, cycle, now);
        self.control_before = control;
        self.output(dictionary, now)
    }

    fn sense(&mut self, feedback: ServoFeedback) {
        if !self.started {
            self.started = true;
            self.index_known = feedback.index_pulses;
            self.motion = Motion::hold(feedback.position_counts);
        }
        if feedback.index_pulses != self.index_known {
            self.index_known = feedback.index_pulses;
            self.index_seen = true;
        }
        self.feedback = feedback;
    }

    fn switch_mode(&mut self, dictionary: &Dictionary) {
        let [wanted, ..] = dictionary.value(self.slots.mode).to_le_bytes();
        let wanted = i8::from_ne_bytes([wanted]);
        if wanted != self.mode && matches!(wanted, 0 | MODE_HOMING | MODE_CYCLIC_POSITION) {
            self.mode = wanted;
            self.homing = (false, false);
            self.motion = Motion::hold(round(self.motion.demand));
        }
    }

    /// Faults of the hardware, injected ones, and the following error.
    fn watch(&mut self, dictionary: &Dictionary, now: u64) {
        if self.feedback.safe_torque_off && !self.state.is_faulted() {
            // No ramp and no wait for the brake: the torque is gone already.
            self.enter(DriveState::SwitchOnDisabled, false, now);
        }
        let found =
            if self.error_pending != 0 { self.error_pending } else { self.feedback.fault_code };
        self.error_pending = 0;
        if found != 0 && !self.state.is_faulted() {
            self.fault(dictionary, found, now);
        }
        if !self.state.has_power() {
            self.following_error_ns = 0;
            return;
        }
        let window = dictionary.value(self.slots.error_window);
        let error = (self.motion.demand - float(self.feedback.position_counts)).abs();
        let beyond = window != u32::MAX && error > f64::from(window);
        if !beyond {
            self.following_error_ns = 0;
            return;
        }
        self.following_error_ns += TICK_NS;
        let limit = u64::from(self.read16(dictionary, self.slots.error_time)) * 1_000_000;
        if self.following_error_ns > limit && !self.state.is_faulted() {
            self.following_error = true;
            self.fault(dictionary, ERROR_FOLLOWING, now);
        }
    }

    fn fault(&mut self, dictionary: &Dictionary, code: u16, now: u64) {
        self.error_code = code;
        self.emergency = Some(Emergency { code, register: 0x01, data: [0; 5] });
        self.disabling = None;
        let coasts = self.read16(dictionary, self.slots.fault_reaction_option) == 0;
        let state = if self.state.has_power() && !coasts {
            DriveState::FaultReactionActive
        } else {
            DriveState::Fault
        };
        self.enter(state, false, now);
    }

    /// Commands of the controlword.
    fn obey(&mut self, dictionary: &Dictionary, control: u16, now: u64) {
        let reset = control & !self.control_before & FAULT_RESET != 0;
        if self.state == DriveState::Fault {
            if reset && self.feedback.fault_code == 0 {
                self.error_code = 0;
                self.following_error = false;
                self.emergency = Some(Emergency::default());
                self.enter(DriveState::SwitchOnDisabled, false, now);
            }
            return;
        }
        let stays = self.read16(dictionary, self.slots.quick_stop_option) >= 5;
        let to = if self.obeys(command(control)) {
            next(self.state, command(control), stays)
        } else {
            self.state
        };
        if to == self.state {
            self.disabling = None;
            return;
        }
        let option = match (self.state, to) {
            (DriveState::OperationEnabled, DriveState::SwitchedOn) => self.slots.disable_option,
            (DriveState::OperationEnabled, DriveState::ReadyToSwitchOn) => {
                self.slots.shutdown_option
            }
            (_, DriveState::QuickStopActive) => return self.quick_stop(dictionary, now),
            _ => return self.enter(to, false, now),
        };
        if self.read16(dictionary, option) == 1 {
            self.disabling = Some(to);
        } else {
            self.enter(to, false, now);
        }
    }

    /// A firmware that fails takes only some commands while it moves; without torque none brings it any.
    fn obeys(&self, command: Command) -> bool {
        if !self.state.has_power() {
            return !self.feedback.safe_torque_off;
        }
        match self.feedback.obeys {
            Obeys::All => true,
            Obeys::QuickStop => matches!(command, Command::QuickStop | Command::DisableVoltage),
            Obeys::Power => command == Command::DisableVoltage,
            Obeys::Nothing => false,
        }
    }

    fn quick_stop(&mut self, dictionary: &Dictionary, now: u64) {
        self.disabling = None;
        if self.read16(dictionary, self.slots.quick_stop_option) == 0 {
            self.enter(DriveState::SwitchOnDisabled, false, now);
        } else {
            self.enter(DriveState::QuickStopActive, false, now);
        }
    }

    /// The bus is lost, or left Op: 0x6007.
    pub(crate) fn connection_lost(&mut self, dictionary: &Dictionary, now: u64) {
        if !self.state.has_power() {
            if !self.state.is_faulted() {
                self.enter(DriveState::SwitchOnDisabled, false, now);
            }
            return;
        }
        match (self.state, self.read16(dictionary, self.slots.abort_connection_option)) {
            (DriveState::OperationEnabled, 1) => self.fault(dictionary, ERROR_COMMUNICATION, now),
            (DriveState::OperationEnabled, 2) => {
                self.enter(DriveState::SwitchOnDisabled, false, now)
            }
            (DriveState::OperationEnabled, 3) => self.quick_stop(dictionary, now),
            _ => {}
        }
    }

    /// `braked`: the axis stands, so that torque may wait for the brake; else torque goes at once.
    fn enter(&mut self, state: DriveState, braked: bool, now: u64) {
        let (had, has) = (self.state.has_power(), state.has_power());
        if !had && has {
            self.motion = Motion::hold(self.feedback.position_counts);
            let release = self.options.brake.map_or(0, |brake| brake.release_ns);
            self.follow_from = now.saturating_add(release);
        }
        if self.state == DriveState::OperationEnabled && has {
            // Its ramp begins where it really is and as fast, not with a step of the interpolation nor far from itself.
            let feedback = &self.feedback;
            self.motion.moves_at(feedback.position_counts, feedback.velocity_counts_per_s);
        }
        if had && !has && braked {
            let engage = self.options.brake.map_or(0, |brake| brake.engage_ns);
            self.power_until = now.saturating_add(engage);
        }
        self.disabling = None;
        self.homing = (self.homing.0 && has, self.homing.1 && has);
        self.state = state;
    }

    /// Methods 35 and 37: here is the home offset (CiA 402-3 §8.4.6).
    fn home(&mut self, dictionary: &Dictionary, control: u16) {
        let started = control & !self.control_before & HOMING_START != 0;
        if self.mode != MODE_HOMING || self.state != DriveState::OperationEnabled || !started {
            return;
        }
        let method = low8(u64::from(dictionary.value(self.slots.homing_method)));
        if !matches!(method, 35 | 37) {
            self.homing = (false, true);
            return;
        }
        let offset = i32::from_ne_bytes(dictionary.value(self.slots.home_offset).to_ne_bytes());
        self.position_offset = self.feedback.position_counts - i64::from(offset);
        self.motion = Motion::hold(round(self.motion.demand));
        self.homing = (true, false);
    }

    fn move_on(&mut self, dictionary: &Dictionary, control: u16, cycle: bool, now: u64) {
        let slow = |dictionary: &Dictionary| dictionary.value(self.slots.deceleration);
        match self.state {
            DriveState::OperationEnabled if self.disabling.is_some() => {
                if self.motion.ramp_down(slow(dictionary))
                    && let Some(state) = self.disabling
                {
                    self.enter(state, true, now);
                }
            }
            DriveState::OperationEnabled if control & HALT != 0 => {
                self.motion.ramp_down(slow(dictionary));
            }
            DriveState::OperationEnabled if self.feedback.obeys != Obeys::All => {
                self.motion.run_on();
            }
            DriveState::OperationEnabled => self.follow(dictionary, cycle, now),
            DriveState::QuickStopActive => {
                let option = self.read16(dictionary, self.slots.quick_stop_option);
                let gentle = matches!(option, 1 | 5);
                let stands = self.ramp_down(dictionary, gentle);
                // Without the bus nobody could leave it: it is left as with the options that
                // disable.
                if stands && (option < 5 || control == 0) {
                    self.enter(DriveState::SwitchOnDisabled, true, now);
                }
            }
            DriveState::FaultReactionActive => {
                let gentle = self.read16(dictionary, self.slots.fault_reaction_option) == 1;
                if self.ramp_down(dictionary, gentle) {
                    self.enter(DriveState::Fault, true, now);
                }
            }
            DriveState::NotReadyToSwitchOn
            | DriveState::SwitchOnDisabled
            | DriveState::ReadyToSwitchOn
            | DriveState::SwitchedOn
            | DriveState::Fault => {
                if now >= self.power_until {
                    self.motion = Motion::hold(self.feedback.position_counts);
                }
            }
        }
    }

    fn ramp_down(&mut self, dictionary: &Dictionary, gentle: bool) -> bool {
        let slot =
            if gentle { self.slots.deceleration } else { self.slots.quick_stop_deceleration };
        self.motion.ramp_down(dictionary.value(slot))
    }

    fn follow(&mut self, dictionary: &Dictionary, cycle: bool, now: u64) {
        if !self.follows(now, 0) {
            return;
        }
        if cycle {
            let wire =
                i32::from_ne_bytes(dictionary.value(self.slots.target_position).to_ne_bytes());
            let ticks = self.period_ticks(dictionary);
            let bridge = ticks.saturating_mul(u32::from(self.options.missed_targets_max));
            self.motion.approach(wire, self.position_offset, ticks, bridge);
        }
        self.motion.follow();
    }

    /// The drive does what the target says (statusword bit 12 in CSP).
    fn follows(&self, now: u64, control: u16) -> bool {
        self.mode == MODE_CYCLIC_POSITION
            && self.state == DriveState::OperationEnabled
            && self.disabling.is_none()
            && control & HALT == 0
            && now >= self.follow_from
    }

    /// 0x60C2: value × 10^exponent s.
    fn period_ticks(&self, dictionary: &Dictionary) -> u32 {
        let value = u64::from(dictionary.value(self.slots.period_value));
        let [exponent, ..] = dictionary.value(self.slots.period_exponent).to_le_bytes();
        let power = (9 + i32::from(i8::from_ne_bytes([exponent]))).clamp(0, 9).unsigned_abs();
        let ns = value * 10_u64.pow(power);
        u32::try_from(ns.div_ceil(TICK_NS)).unwrap_or(u32::MAX).max(1)
    }

    fn has_torque(&self, now: u64) -> bool {
        !self.feedback.safe_torque_off && (self.state.has_power() || now < self.power_until)
    }

    fn output(&self, dictionary: &Dictionary, now: u64) -> ServoCommand {
        ServoCommand {
            power: self.has_torque(now),
            brake_released: self.state.has_power(),
            target_counts: self.motion.demand,
            velocity_counts_per_s: self.motion.velocity(),
            torque_limit_permille: self.torque_limit(dictionary).max(1),
        }
    }

    /// The lowest of 0x6072, 0x60E0 and 0x60E1: the loops behind know one limit for both ways.
    fn torque_limit(&self, dictionary: &Dictionary) -> u16 {
        let slots = &self.slots;
        let limits = [slots.torque_max, slots.torque_positive, slots.torque_negative];
        limits.into_iter().map(|slot| self.read16(dictionary, slot)).min().unwrap_or(0)
    }

    fn read16(&self, dictionary: &Dictionary, slot: crate::dictionary::Slot) -> u16 {
        low16(u64::from(dictionary.value(slot)))
    }
}
