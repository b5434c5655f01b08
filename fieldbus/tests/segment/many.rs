//! Many devices: process data of several frames, all under way together.

use fieldbus::link::InlineLink;
use fieldbus::plan::{BusPlan, Direction, PdoEntry, PdoPlan, SignalPlan, SubDevicePlan};
use rt_core::SignalId;
use rt_core::bus::BusState;
use segment::{Device, Process, Segment, ServoCommand, ServoFeedback};

use crate::Rig;
use crate::cell::Wired;

const TERMINALS: usize = 80;
const CHANNELS: usize = 16;

/// Every channel has its own value.
struct Channels {
    outputs: Vec<[i16; CHANNELS]>,
}

fn value(device: usize, channel: usize) -> i16 {
    i16::try_from(device * 100 + channel).unwrap() - 4_000
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

/// Terminals by turns for input and output, in three sync units.
fn many() -> (Wired<Channels>, BusPlan) {
    let channels = u8::try_from(CHANNELS).unwrap();
    let mut devices = Vec::new();
    let mut subdevices = Vec::new();
    let mut signals = Vec::new();
    for position in 0..TERMINALS {
        let product = if position % 2 == 0 { 1 } else { 2 };
        let identity = segment::Identity { vendor: 1, product, revision: 1, serial: 0 };
        let entry = PdoEntry { index: 0x6000, subindex: 1, bits: 16, signed: true, signal: None };
        let pdos = vec![PdoPlan { index: 0x1A00, entries: vec![entry; CHANNELS] }];
        let is_input = product == 1;
        devices.push(if is_input {
            Device::analog_input("AI-16", identity, channels)
        } else {
            Device::analog_output("AO-16", identity, channels)
        });
        let planned = fieldbus::plan::Identity { vendor: 1, product, revision: None, serial: None };
        subdevices.push(SubDevicePlan {
            sync_unit: Some(position % 3),
            inputs: if is_input { pdos.clone() } else { Vec::new() },
            outputs: if is_input { Vec::new() } else { pdos },
            ..SubDevicePlan::passive(format!("terminal {position}"), planned)
        });
        let direction = if is_input { Direction::Input } else { Direction::Output };
        for bit_offset in (0..16 * u32::from(channels)).step_by(16) {
            let (subdevice, bits, signed) = (position, 16, true);
            signals.push(SignalPlan { subdevice, direction, bit_offset, bits, signed });
        }
    }
    let plan = BusPlan {
        period_ns: crate::PERIOD,
        receive_deadline_ns: 600_000,
        subdevices,
        sync_units: (0..3).map(|unit| format!("unit {unit}")).collect(),
        signals,
        dc: None,
        copies: Vec::new(),
        silent_cycles_max: 3,
    };
    let outputs = vec![[0; CHANNELS]; TERMINALS];
    (Wired(Segment::new(devices, Channels { outputs })), plan)
}

#[test]
fn process_data_of_several_frames_arrive_at_their_signals() {
    let (segment, plan) = many();
    let layout = fieldbus::layout::Layout::new(&plan, None).unwrap();
    assert!(layout.frames.len() > 1);
    let mut rig = Rig::new(InlineLink::new(segment, 1_000_000_000), &plan);
    rig.until(BusState::Operational);
    let place = |device: usize, channel: usize| {
        SignalId(u16::try_from(device * CHANNELS + channel).unwrap())
    };
    for device in (1..TERMINALS).step_by(2) {
        for channel in 0..CHANNELS {
            rig.signals.set(place(device, channel), i64::from(-value(device, channel)), 1);
        }
    }
    let exchange = rig.cycles(3);
    assert_eq!(exchange.units_good, 0b111);
    for device in 0..TERMINALS {
        for channel in 0..CHANNELS {
            let expected = value(device, channel);
            if device % 2 == 0 {
                assert_eq!(rig.signals.good(place(device, channel)), Some(i64::from(expected)));
            } else {
                let outputs = &rig.bus.link_mut().wire().0.process_ref().outputs;
                assert_eq!(outputs[device][channel], -expected);
            }
        }
    }
    let frames = u64::try_from(layout.frames.len()).unwrap();
    assert!(exchange.counts.sent.is_multiple_of(frames));
    assert_eq!(exchange.counts.sent, exchange.counts.received);
}
