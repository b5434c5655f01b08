//! A small cell for the tests: coupler, 8 digital inputs, 4 digital outputs, two servo drives.

use fieldbus::plan::{
    BusPlan, DcPlan, Direction, Follow, Identity, PdoEntry, PdoPlan, SdoValue, SignalPlan,
    StartupSdo, SubDevicePlan, Sync0Plan,
};
use segment::{
    Access, ClockDescription, DataType, Device, DeviceDescription, ObjectDescription, Process,
    Segment, ServoCommand, ServoFeedback, ServoOptions,
};

pub(crate) use crate::wired::Wired;

pub(crate) const PERIOD: u64 = 1_000_000;
const DRIVE_PRODUCT: u32 = 0x5044;

/// The world: inputs that are set from outside, drives that follow at once.
#[derive(Default)]
pub(crate) struct World {
    pub(crate) inputs: u64,
    pub(crate) outputs: u64,
    pub(crate) counts: [i64; 8],
}

impl Process for World {
    fn advance(&mut self, _now: u64) {}

    fn servo_command(&mut self, device: usize, command: &ServoCommand) {
        if command.power {
            #[expect(clippy::cast_possible_truncation, reason = "targets are small here")]
            let counts = command.target_counts as i64;
            self.counts[device] = counts;
        }
    }

    fn servo_feedback(&self, device: usize) -> ServoFeedback {
        ServoFeedback { position_counts: self.counts[device], ..ServoFeedback::default() }
    }

    fn digital_inputs(&self, _device: usize) -> u64 {
        self.inputs
    }

    fn set_digital_outputs(&mut self, _device: usize, bits: u64) {
        self.outputs = bits;
    }

    fn analog_input(&self, _device: usize, _channel: usize) -> i16 {
        0
    }

    fn set_analog_output(&mut self, _device: usize, _channel: usize, _value: i16) {}
}

pub(crate) type Cell = Wired<World>;

fn identity(product: u32, serial: u32) -> segment::Identity {
    segment::Identity { vendor: 0x0A5C, product, revision: 0x0001_0000, serial }
}

pub(crate) fn cell() -> Cell {
    with_drift(0)
}

/// The reference clock (the coupler) runs `drift_ppb` fast, the drives as much slow.
pub(crate) fn with_drift(drift_ppb: i32) -> Cell {
    made_of(drift_ppb, terminal())
}

/// The output terminal.
pub(crate) fn terminal() -> Device {
    Device::digital_output("DO-4", identity(0x2004, 0), 4)
}

/// A drive of the cell.
pub(crate) fn servo(serial: u32, drift_ppb: i32) -> Device {
    let identity = identity(DRIVE_PRODUCT, serial);
    let mut drive = DeviceDescription::servo("SD-400", identity, ServoOptions::default());
    // Longer than a mailbox: 100 parameters, and a text.
    let parameter = (DataType::U32, Access::Parameter, 7);
    drive.objects.push(ObjectDescription::list(0x2000, "Table", 8, &[parameter; 100]));
    drive.objects.push(ObjectDescription::text(0x2001, "Text", &"tactus ".repeat(400)));
    drive.clock = ClockDescription { start_ns: u64::from(serial), drift_ppb };
    Device::described(drive)
}

/// As [`with_drift`], with this output terminal.
pub(crate) fn made_of(drift_ppb: i32, outputs: Device) -> Cell {
    let servo = |serial| servo(serial, -drift_ppb);
    let coupler = Device::coupler("BK-1", identity(0x1000, 0));
    let mut coupler = coupler.description().clone();
    coupler.clock.drift_ppb = drift_ppb;
    let devices = vec![
        Device::described(coupler),
        Device::digital_input("DI-8", identity(0x1008, 0), 8),
        outputs,
        servo(4711),
        servo(4712),
    ];
    Wired(Segment::new(devices, World::default()))
}

fn planned(name: &str, product: u32) -> SubDevicePlan {
    let identity = Identity { vendor: 0x0A5C, product, revision: None, serial: None };
    SubDevicePlan::passive(name, identity)
}

fn entry(index: u16, bits: u8) -> PdoEntry {
    PdoEntry { index, subindex: 0, bits, signed: false, signal: None }
}

fn bits(count: u8) -> Vec<PdoPlan> {
    let entries = (0..count).map(|n| PdoEntry { subindex: n + 1, ..entry(0x6000, 1) }).collect();
    vec![PdoPlan { index: 0x1A00, entries }]
}

fn drive(name: &str) -> SubDevicePlan {
    let mut drive = planned(name, DRIVE_PRODUCT);
    drive.sync_unit = Some(1);
    // Another assignment than the device's own: it must really be written.
    drive.inputs = vec![PdoPlan {
        index: 0x1A00,
        entries: vec![entry(0x6041, 16), entry(0x6064, 32), entry(0x6061, 8)],
    }];
    drive.outputs = vec![PdoPlan {
        index: 0x1600,
        entries: vec![entry(0x6040, 16), entry(0x607A, 32), entry(0x6060, 8)],
    }];
    drive.configurable_pdos = true;
    drive.watchdog_ns = Some(50_000_000);
    let sdo =
        |index, subindex, value, verify_only| StartupSdo { index, subindex, value, verify_only };
    drive.startup = vec![
        sdo(0x60C2, 1, SdoValue::U8(1), false),
        sdo(0x60C2, 2, SdoValue::I8(-3), false),
        sdo(0x605E, 0, SdoValue::I16(2), true),
        sdo(0x6065, 0, SdoValue::U32(123_456), false),
    ];
    drive
}

fn signal(subdevice: usize, direction: Direction, bit_offset: u32, bits: u8) -> SignalPlan {
    SignalPlan { subdevice, direction, bit_offset, bits, signed: bits == 32 }
}

pub(crate) fn plan() -> BusPlan {
    let mut inputs = planned("inputs", 0x1008);
    inputs.sync_unit = Some(0);
    inputs.inputs = bits(8);
    let mut outputs = planned("outputs", 0x2004);
    outputs.sync_unit = Some(0);
    outputs.outputs = bits(4);
    outputs.watchdog_ns = Some(100_000_000);
    let mut signals = vec![signal(1, Direction::Input, 3, 1), signal(2, Direction::Output, 1, 1)];
    for device in [3, 4] {
        for direction in [Direction::Input, Direction::Output] {
            for (offset, bits) in [(0, 16), (16, 32), (48, 8)] {
                signals.push(signal(device, direction, offset, bits));
            }
        }
    }
    BusPlan {
        period_ns: PERIOD,
        receive_deadline_ns: 500_000,
        subdevices: vec![planned("coupler", 0x1000), inputs, outputs, drive("x"), drive("y")],
        sync_units: vec!["terminals".to_owned(), "drives".to_owned()],
        signals,
        dc: None,
        copies: Vec::new(),
        silent_cycles_max: 3,
    }
}

pub(crate) fn with_dc(mut plan: BusPlan) -> BusPlan {
    plan.dc = Some(DcPlan {
        follow: Follow::Reference,
        frame_before_sync0_ns: 300_000,
        lock_window_ns: 1_000,
        lock_timeout_ns: 10_000_000_000,
    });
    for drive in &mut plan.subdevices[3..] {
        drive.sync0 = Some(Sync0Plan { cycle_ns: 1_000_000, shift_ns: 0 });
    }
    plan
}
