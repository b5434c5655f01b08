//! The world as the devices of the segment see it.

use config::cell::{DeviceKind, VirtualCell};
use segment::process::{Obeys, Process, ServoCommand, ServoFeedback};
use world::{ServoDrive, World};

use super::places::{Place, Places};

/// Connects the channels of the devices with the world.
#[derive(Clone, Debug)]
pub struct WorldProcess {
    world: World,
    devices: Vec<Place>,
    /// By device: analogue inputs have a status word ahead of each value.
    status_words: Vec<bool>,
}

impl WorldProcess {
    pub(super) fn new(world: World, cell: &VirtualCell, places: &Places) -> Self {
        let status_words = cell
            .devices
            .iter()
            .map(|device| matches!(device.kind, DeviceKind::AnalogInput { status_word: true, .. }));
        Self { world, devices: places.devices.clone(), status_words: status_words.collect() }
    }

    /// The world itself.
    #[must_use]
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The world itself.
    #[must_use]
    pub fn world_mut(&mut self) -> &mut World {
        &mut self.world
    }

    fn place(&self, device: usize) -> Place {
        self.devices.get(device).copied().unwrap_or_default()
    }
}

impl Process for WorldProcess {
    fn advance(&mut self, now: u64) {
        self.world.advance(now);
    }

    fn servo_command(&mut self, device: usize, command: &ServoCommand) {
        let Place::Axis(axis) = self.place(device) else { return };
        self.world.servo_command(
            axis,
            &ServoDrive {
                power: command.power,
                brake_released: command.brake_released,
                target_counts: command.target_counts,
                velocity_counts_per_s: command.velocity_counts_per_s,
                torque_limit_permille: command.torque_limit_permille,
            },
        );
    }

    fn servo_feedback(&self, device: usize) -> ServoFeedback {
        let Place::Axis(axis) = self.place(device) else { return ServoFeedback::default() };
        let sense = self.world.servo_feedback(axis);
        ServoFeedback {
            position_counts: sense.position_counts,
            velocity_counts_per_s: sense.velocity_counts_per_s,
            torque_permille: sense.torque_permille,
            index_counts: sense.index_counts,
            index_pulses: sense.index_pulses,
            limit_negative: sense.limit_negative,
            limit_positive: sense.limit_positive,
            reference: sense.reference,
            fault_code: sense.fault_code,
            safe_torque_off: sense.safe_torque_off,
            obeys: match sense.obeys {
                world::Obeys::All => Obeys::All,
                world::Obeys::QuickStop => Obeys::QuickStop,
                world::Obeys::Power => Obeys::Power,
                world::Obeys::Nothing => Obeys::Nothing,
            },
        }
    }

    fn digital_inputs(&self, device: usize) -> u64 {
        let Place::Sources(first, count) = self.place(device) else { return 0 };
        (0..count.min(64)).fold(0, |bits, channel| {
            bits | (u64::from(self.world.input(first + channel)) << channel)
        })
    }

    fn set_digital_outputs(&mut self, device: usize, bits: u64) {
        let Place::Outputs(first, count) = self.place(device) else { return };
        for channel in 0..count.min(64) {
            self.world.set_output(first + channel, (bits >> channel) & 1 == 1);
        }
    }

    fn analog_input(&self, device: usize, channel: usize) -> i16 {
        let channel = match self.status_words.get(device) {
            Some(true) if channel.is_multiple_of(2) => return 0,
            Some(true) => channel / 2,
            Some(false) | None => channel,
        };
        match self.place(device) {
            Place::AnalogSources(first, count) if channel < count => {
                self.world.analog_input(first + channel)
            }
            _ => 0,
        }
    }

    fn set_analog_output(&mut self, device: usize, channel: usize, value: i16) {
        match self.place(device) {
            Place::AnalogOutputs(first, count) if channel < count => {
                self.world.set_analog_output(first + channel, value);
            }
            _ => {}
        }
    }
}
