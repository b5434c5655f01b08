//! What the firmware shows: statusword, objects, status.

use super::{DriveStatus, HALT, MODE_HOMING, Servo};
use crate::dictionary::Dictionary;
use crate::num::{bits64, float, low32, round};

impl Servo {
    fn statusword(&self, operational: bool, now: u64) -> u16 {
        let bit = |on: bool, number: u32| u16::from(on) << number;
        let in_homing = self.mode == MODE_HOMING;
        let halted = self.control_before & HALT != 0 && self.motion.step == 0.0;
        self.state.bits()
            | bit(!self.feedback.safe_torque_off, 4)
            | bit(operational, 9)
            | bit((in_homing && self.homing.0) || halted, 10)
            | bit(self.feedback.limit_negative || self.feedback.limit_positive, 11)
            | bit(
                if in_homing { self.homing.0 } else { self.follows(now, self.control_before) },
                12,
            )
            | bit(if in_homing { self.homing.1 } else { self.following_error }, 13)
    }

    /// Puts what the firmware knows into the objects. `ahead_ns`: the position is that of so long after the last tick: the encoder
    /// is latched by SYNC0, which does not fall on a tick.
    pub(crate) fn publish(
        &self,
        dictionary: &mut Dictionary,
        operational: bool,
        now: u64,
        ahead_ns: i64,
    ) {
        let wire = |raw: i64| low32(bits64(raw.wrapping_sub(self.position_offset)));
        let clamped = |value: f64| {
            let value = round(value).clamp(i64::from(i32::MIN), i64::from(i32::MAX));
            low32(bits64(value))
        };
        let ahead = self.feedback.velocity_counts_per_s * float(ahead_ns) * 1e-9;
        let position = self.feedback.position_counts.saturating_add(round(ahead));
        let slots = &self.slots;
        let feedback = &self.feedback;
        let error = self.motion.demand - float(feedback.position_counts);
        let error = if self.state.has_power() { error } else { 0.0 };
        let inputs = u32::from(feedback.limit_negative)
            | u32::from(feedback.limit_positive) << 1
            | u32::from(feedback.reference) << 2
            | u32::from(self.index_seen) << 16;
        let index = feedback.index_counts.map_or(0, wire);
        let torque = u32::from(u16::from_ne_bytes(feedback.torque_permille.to_ne_bytes()));
        dictionary.set(slots.statusword, u32::from(self.statusword(operational, now)));
        dictionary.set(slots.position, wire(position));
        dictionary.set(slots.position_demand, wire(round(self.motion.demand)));
        dictionary.set(slots.velocity, clamped(feedback.velocity_counts_per_s));
        dictionary.set(slots.torque, torque);
        dictionary.set(slots.following_error, clamped(error));
        dictionary.set(slots.error_code, u32::from(self.error_code));
        dictionary.set(slots.error_register, u32::from(self.error_code != 0));
        dictionary.set(slots.mode_display, u32::from(u8::from_ne_bytes(self.mode.to_ne_bytes())));
        dictionary.set(slots.digital_inputs, inputs);
        dictionary.set(slots.probe_position, index);
        dictionary.set(slots.probe_status, u32::from(feedback.index_counts.is_some()) << 1 | 1);
    }

    /// For people and tests.
    pub(crate) fn status(&self, operational: bool, now: u64) -> DriveStatus {
        DriveStatus {
            state: self.state,
            mode: self.mode,
            statusword: self.statusword(operational, now),
            error_code: self.error_code,
            position_counts: self.feedback.position_counts,
            velocity_counts_per_s: self.feedback.velocity_counts_per_s,
            power: self.has_torque(now),
        }
    }
}
