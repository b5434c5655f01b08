//! A segment of analogue terminals, by turns for input and output, 32 bytes each. Every channel has its own value.

use crate::wired::Wired;
use fieldbus::plan::{BusPlan, Direction, PdoEntry, PdoPlan, SignalPlan, SubDevicePlan};
use rt_core::SignalId;
use segment::{Device, Process, Segment, ServoCommand, ServoFeedback};

pub(crate) const CHANNELS: usize = 16;

pub(crate) struct Channels {
    pub(crate) outputs: Vec<[i16; CHANNELS]>,
}

/// What a channel shows.
pub(crate) fn value(device: usize, channel: usize) -> i16 {
    i16::try_from(device * 100 + channel).unwrap() - 12_000
}

impl Process for Channels {
    fn advance(&mut self, _now: u64) {}

    fn servo_command(&mut self, _device: usize, _command: &ServoCommand) {}

    fn servo_feedback(&self, _device: usize) -> ServoFeedback {
        ServoFeedback::default()
    }

    fn digital_inputs(&self, _device: usize) -> u64 {
        0
    }

    fn set_digital_outputs(&mut self, _device: usize, _bits: u64) {}

    fn analog_input(&self, device: usize, channel: usize) -> i16 {
        value(device, channel)
    }

    fn set_analog_output(&mut self, device: usize, channel: usize, value: i16) {
        self.outputs[device][channel] = value;
    }
}

/// The signal of a channel.
pub(crate) fn place(device: usize, channel: usize) -> SignalId {
    SignalId(u16::try_from(device * CHANNELS + channel).unwrap())
}

/// `count` of them in sync units: `unit_of` says which. A period and a receive deadline, ns.
pub(crate) fn terminals(
    count: usize,
    (units, unit_of): (usize, impl Fn(usize) -> usize),
    (period_ns, receive_deadline_ns): (u64, u64),
) -> (Wired<Channels>, BusPlan) {
    let channels = u8::try_from(CHANNELS).unwrap();
    let (mut devices, mut subdevices, mut signals) = (Vec::new(), Vec::new(), Vec::new());
    for position in 0..count {
        let is_input = position % 2 == 0;
        let product = if is_input { 1 } else { 2 };
        let identity = segment::Identity { vendor: 1, product, revision: 1, serial: 0 };
        devices.push(if is_input {
            Device::analog_input("AI-16", identity, channels)
        } else {
            Device::analog_output("AO-16", identity, channels)
        });
        let entry = PdoEntry { index: 0x6000, subindex: 1, bits: 16, signed: true, signal: None };
        let pdos = vec![PdoPlan { index: 0x1A00, entries: vec![entry; CHANNELS] }];
        let (inputs, outputs) = if is_input { (pdos, Vec::new()) } else { (Vec::new(), pdos) };
        let planned = fieldbus::plan::Identity { vendor: 1, product, revision: None, serial: None };
        subdevices.push(SubDevicePlan {
            sync_unit: Some(unit_of(position)),
            inputs,
            outputs,
            ..SubDevicePlan::passive(format!("terminal {position}"), planned)
        });
        let direction = if is_input { Direction::Input } else { Direction::Output };
        for bit_offset in (0..16 * u32::from(channels)).step_by(16) {
            let (subdevice, bits, signed) = (position, 16, true);
            signals.push(SignalPlan { subdevice, direction, bit_offset, bits, signed });
        }
    }
    let plan = BusPlan {
        period_ns,
        receive_deadline_ns,
        subdevices,
        sync_units: (0..units).map(|unit| format!("unit {unit}")).collect(),
        signals,
        dc: None,
        copies: Vec::new(),
        silent_cycles_max: 3,
    };
    let outputs = vec![[0; CHANNELS]; count];
    (Wired(Segment::new(devices, Channels { outputs })), plan)
}
