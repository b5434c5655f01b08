//! A large segment: 256 devices, 8 KiB of process data; nothing is allocated in the cycle. This binary has one
//! test: the counter is the process'.

mod counting;

use counting::calls;
use fieldbus::bring_up;
use fieldbus::link::{InlineLink, Link, Wire};
use fieldbus::plan::{BusPlan, Direction, PdoEntry, PdoPlan, SignalPlan, SubDevicePlan};
use rt_core::bus::BusState;
use rt_core::signal::Signals;
use rt_core::{Bus, SignalId};
use segment::{Device, Process, Segment, ServoCommand, ServoFeedback};

const DEVICES: usize = 256;
const CHANNELS: usize = 16;
const UNITS: usize = 8;
/// The frames of 8 KiB take most of a millisecond on the wire.
const PERIOD: u64 = 2_000_000;
const DEADLINE: u64 = 1_800_000;

struct Channels {
    outputs: Vec<[i16; CHANNELS]>,
}

fn value(device: usize, channel: usize) -> i16 {
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

struct Large(Segment<Channels>);

impl Wire for Large {
    fn pass(&mut self, frame: &mut [u8], now: u64) -> bool {
        self.0.pass(frame, now)
    }

    fn advance(&mut self, now: u64) {
        self.0.advance(now);
    }

    fn round_trip_ns(&self, len: usize) -> u64 {
        self.0.round_trip_ns(len)
    }
}

/// Terminals by turns for input and output, 32 bytes each.
fn large() -> (Large, BusPlan) {
    let channels = u8::try_from(CHANNELS).unwrap();
    let (mut devices, mut subdevices, mut signals) = (Vec::new(), Vec::new(), Vec::new());
    for position in 0..DEVICES {
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
            sync_unit: Some(position * UNITS / DEVICES),
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
        period_ns: PERIOD,
        receive_deadline_ns: DEADLINE,
        subdevices,
        sync_units: (0..UNITS).map(|unit| format!("unit {unit}")).collect(),
        signals,
        dc: None,
        copies: Vec::new(),
        silent_cycles_max: 3,
    };
    let outputs = vec![[0; CHANNELS]; DEVICES];
    (Large(Segment::new(devices, Channels { outputs })), plan)
}

fn place(device: usize, channel: usize) -> SignalId {
    SignalId(u16::try_from(device * CHANNELS + channel).unwrap())
}

fn a_thousand_cycles() {
    let (segment, plan) = large();
    let layout = fieldbus::layout::Layout::new(&plan, None).unwrap();
    let bytes: usize = layout.regions.iter().flatten().map(|r| usize::from(r.bytes())).sum();
    assert_eq!((layout.regions.len(), bytes), (256, 8192));
    let link = InlineLink::new(segment, 1_000_000_000);
    let mut bus = bring_up(link, &plan, &mut |_| {}).unwrap_or_else(|error| panic!("{error}"));
    let mut signals = Signals::new(plan.signals.len());
    for device in (1..DEVICES).step_by(2) {
        for channel in 0..CHANNELS {
            signals.set(place(device, channel), i64::from(-value(device, channel)), 1);
        }
    }
    let mut next = bus.link_mut().now() + PERIOD;
    let (mut operational, mut before) = (0, 0);
    let mut last = rt_core::bus::Exchange::default();
    for _ in 0..10_000 {
        bus.link_mut().idle(next);
        last = bus.exchange(next, next + DEADLINE);
        bus.decode(&mut signals);
        bus.encode(&signals);
        next += PERIOD;
        if last.state == BusState::Operational {
            if operational == 0 {
                before = calls();
            }
            operational += 1;
        }
        if operational == 1_001 {
            break;
        }
    }
    let calls = calls() - before;
    assert_eq!((operational, calls), (1_001, 0), "{last:?}");
    assert_eq!(last.units_good, 0xFF);
    let counts = last.counts;
    assert_eq!((counts.sent, counts.working_counter_errors), (counts.received, 0), "{counts:?}");
    for device in 0..DEVICES {
        for channel in 0..CHANNELS {
            let expected = value(device, channel);
            if device % 2 == 0 {
                assert_eq!(signals.good(place(device, channel)), Some(i64::from(expected)));
            } else {
                let outputs = &bus.link_mut().wire().0.process_ref().outputs;
                assert_eq!(outputs[device][channel], -expected);
            }
        }
    }
}

#[test]
fn a_large_segment_comes_up_and_cycles_without_an_error_or_an_allocation() {
    // On a stack as large as the loop's.
    let thread = std::thread::Builder::new().stack_size(2 << 20).spawn(a_thousand_cycles);
    thread.unwrap().join().unwrap();
    assert!(counting::counts());
}
