//! Process data between the controller's memory and the application behind it.

use super::Device;
use crate::al::AlState;
use crate::describe::Function;
use crate::num::{mask, u8_at, u16_at};
use crate::process::Process;

impl Device {
    /// Puts fresh inputs where the bus reads them; cheap when nothing has changed since the last
    /// tick.
    pub(crate) fn refresh_inputs<P: Process>(&mut self, position: usize, now: u64, process: &P) {
        if !self.inputs_stale || self.state < AlState::SafeOp {
            return;
        }
        self.inputs_stale = false;
        match &self.description.function {
            Function::Passive | Function::Servo(_) => self.publish_objects(now, 0),
            Function::DigitalInput { .. } => {
                let bits = process.digital_inputs(position);
                self.set_input_bits(bits);
            }
            Function::AnalogInput { channels } => {
                for channel in 0..usize::from(*channels) {
                    let value = process.analog_input(position, channel);
                    self.set_analog(channel, value);
                }
            }
            Function::DigitalOutput { .. } | Function::AnalogOutput { .. } => {}
        }
    }

    /// `ahead_ns`: from the last tick to the instant that is shown; negative: it was before.
    pub(super) fn publish_objects(&mut self, now: u64, ahead_ns: i64) {
        let operational = self.state == AlState::Op;
        let number = usize::try_from(self.input_mask.trailing_zeros()).unwrap_or(usize::MAX);
        let sm = self.esc.sync_manager(number);
        let Some(coe) = &mut self.coe else { return };
        if let Some(servo) = &mut self.servo {
            servo.publish(&mut coe.dictionary, operational, now, ahead_ns);
            servo.inputs_latched();
        }
        let first = usize::from(sm.start);
        let range = first..first + usize::from(sm.length);
        if let (true, Some(image)) = (sm.enabled, self.esc.memory_mut().get_mut(range)) {
            coe.dictionary.gather(&self.tx_layout, image);
        }
    }

    fn set_input_bits(&mut self, mut bits: u64) {
        for number in 0..self.description.sync_managers.len() {
            if self.input_mask >> number & 1 == 0 {
                continue;
            }
            let sm = self.esc.sync_manager(number);
            for offset in 0..usize::from(sm.length.min(8)) {
                self.esc.set(usize::from(sm.start) + offset, &[u8_at(&bits.to_le_bytes(), 0)]);
                bits >>= 8;
            }
        }
    }

    fn set_analog(&mut self, channel: usize, value: i16) {
        let number = usize::try_from(self.input_mask.trailing_zeros()).unwrap_or(usize::MAX);
        let sm = self.esc.sync_manager(number);
        if channel * 2 + 2 <= usize::from(sm.length) {
            self.esc.set(usize::from(sm.start) + channel * 2, &value.to_le_bytes());
        }
    }

    pub(super) fn take_outputs<P: Process>(&mut self, position: usize, process: &mut P) {
        let number = usize::try_from(self.output_mask.trailing_zeros()).unwrap_or(usize::MAX);
        let sm = self.esc.sync_manager(number);
        let first = usize::from(sm.start);
        match &self.description.function {
            Function::DigitalOutput { channels } => {
                let bits = self.output_bits() & mask(u32::from(*channels));
                process.set_digital_outputs(position, bits);
            }
            Function::AnalogOutput { channels } => {
                for channel in 0..usize::from(*channels) {
                    let raw = u16_at(self.esc.memory(), first + channel * 2).to_ne_bytes();
                    process.set_analog_output(position, channel, i16::from_ne_bytes(raw));
                }
            }
            Function::Passive | Function::Servo(_) => {
                let image = self.esc.memory().get(first..first + usize::from(sm.length));
                if let (Some(coe), Some(image)) = (&mut self.coe, image) {
                    coe.dictionary.scatter(&self.rx_layout, image);
                }
            }
            Function::DigitalInput { .. } | Function::AnalogInput { .. } => {}
        }
    }

    fn output_bits(&self) -> u64 {
        let (mut bits, mut shift) = (0, 0);
        for number in 0..self.description.sync_managers.len() {
            if self.output_mask >> number & 1 == 0 {
                continue;
            }
            let sm = self.esc.sync_manager(number);
            for offset in 0..usize::from(sm.length.min(8)) {
                let byte = u64::from(u8_at(self.esc.memory(), usize::from(sm.start) + offset));
                bits |= byte.checked_shl(shift).unwrap_or(0);
                shift += 8;
            }
        }
        bits
    }

    pub(super) fn safe_outputs<P: Process>(&mut self, position: usize, process: &mut P) {
        match &self.description.function {
            Function::DigitalOutput { .. } => process.set_digital_outputs(position, 0),
            Function::AnalogOutput { channels } => {
                for channel in 0..usize::from(*channels) {
                    process.set_analog_output(position, channel, 0);
                }
            }
            Function::Passive
            | Function::DigitalInput { .. }
            | Function::AnalogInput { .. }
            | Function::Servo(_) => {}
        }
    }
}
