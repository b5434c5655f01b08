//! From the virtual cell of the machine file to the devices of the segment.

use config::Machine;
use config::cell::{DeviceKind, VirtualDevice, VirtualServo};
use fieldbus::plan::{PdoPlan, SdoValue, StartupSdo, SubDevicePlan};
use segment::{
    Device, DeviceDescription, DriveBrake, EscDescription, Identity, PdoDescription,
    PdoEntryDescription, ServoOptions, SyncManagerDescription, Usage,
};

/// Rated current of a virtual motor, mA: nothing in the cell depends on it.
const RATED_CURRENT_MA: u32 = 2_600;
/// Process data of a device that is described by its PDOs alone. Source: usual layout of an ET1100 without mailbox.
const OUTPUTS_AT: u16 = 0x1100;
const INPUTS_AT: u16 = 0x1400;
/// SyncManager control: buffered, with watchdog for outputs. Source: ETG.1000.4, table 59.
const CONTROL_OUTPUTS: u8 = 0x64;
const CONTROL_INPUTS: u8 = 0x20;

/// Quartzes are off by this much at most, ppb. Source: usual data sheets, over temperature and age.
const DRIFT_MAX_PPB: u64 = 50_000;

/// How fast the quartz of the device at `position` runs, ppb: another one with every seed.
fn drift_ppb(seed: u64, position: u32) -> i32 {
    // SplitMix64: neighbouring seeds give other numbers.
    let mut mixed = seed.wrapping_add(u64::from(position).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    let place = (mixed ^ (mixed >> 31)) % (2 * DRIFT_MAX_PPB + 1);
    i32::try_from(place.cast_signed() - DRIFT_MAX_PPB.cast_signed()).unwrap_or(0)
}

/// The devices, by position.
pub(super) fn devices(machine: &Machine, seed: u64) -> Vec<Device> {
    let cell = &machine.virtual_cell;
    let plans = machine.bus.subdevices.iter().map(Some).chain(std::iter::repeat(None));
    let pairs = cell.devices.iter().zip(plans).zip(1_u32..);
    let made = pairs.map(|((device, plan), number)| {
        let mut description = make(machine, device, plan, number).description().clone();
        description.clock.drift_ppb = drift_ppb(seed, number);
        Device::described(description)
    });
    made.collect()
}

fn make(
    machine: &Machine,
    device: &VirtualDevice,
    plan: Option<&SubDevicePlan>,
    number: u32,
) -> Device {
    let serial = match &device.kind {
        DeviceKind::Servo(servo) => servo.serial,
        _ => device.identity.serial.unwrap_or(number),
    };
    let identity = Identity {
        vendor: device.identity.vendor,
        product: device.identity.product,
        revision: device.identity.revision.unwrap_or(1),
        serial,
    };
    let name = &device.name;
    match &device.kind {
        DeviceKind::Coupler => Device::coupler(name, identity),
        DeviceKind::DigitalInput { channels, .. } => {
            Device::digital_input(name, identity, *channels)
        }
        DeviceKind::DigitalOutput { channels } => Device::digital_output(name, identity, *channels),
        DeviceKind::AnalogInput { rest, status_word } => {
            let channels = u8::try_from(rest.len()).unwrap_or(u8::MAX);
            // A status word is 16 bits ahead of the value: one more channel that always says 0, "all well".
            let words = if *status_word { channels.saturating_mul(2) } else { channels };
            Device::analog_input(name, identity, words)
        }
        DeviceKind::AnalogOutput { channels } => Device::analog_output(name, identity, *channels),
        DeviceKind::Servo(servo) => Device::servo(name, identity, options(machine, servo, plan)),
        DeviceKind::Generic => Device::described(generic(name, identity, plan)),
    }
}

/// The drive as it was commissioned: what the machine file writes or expects to find.
fn options(machine: &Machine, servo: &VirtualServo, plan: Option<&SubDevicePlan>) -> ServoOptions {
    let permille = servo.peak_torque_nm / servo.rated_torque_nm * 1000.0;
    let mut options = ServoOptions {
        counts_per_revolution: servo.counts_per_revolution,
        rated_torque_mnm: rounded(servo.rated_torque_nm * 1000.0),
        rated_current_ma: RATED_CURRENT_MA,
        torque_limit_permille: u16::try_from(rounded(permille)).unwrap_or(u16::MAX),
        brake: servo
            .brake
            .filter(|brake| brake.release.is_none())
            .map(|brake| DriveBrake { engage_ns: brake.engage_ns, release_ns: brake.release_ns }),
        ..ServoOptions::default()
    };
    if let Some(axis) = machine.plan.axes.get(usize::from(servo.axis.0)) {
        let counts = axis.stop.quick_stop_deceleration.units() * servo.counts_per_unit.abs();
        options.quick_stop_deceleration = rounded(counts).max(1);
        options.slow_down_deceleration = rounded(counts).max(1);
    }
    for sdo in plan.iter().flat_map(|plan| &plan.startup) {
        commission(&mut options, sdo);
    }
    options
}

/// What is only compared at start-up must already be in the drive.
fn commission(options: &mut ServoOptions, sdo: &StartupSdo) {
    let value = sdo_number(sdo.value);
    let signed = || i16::try_from(value).unwrap_or_default();
    let word = || u16::try_from(value).unwrap_or_default();
    let long = || u32::try_from(value).unwrap_or_default();
    match sdo.index {
        0x605A => options.quick_stop_option = signed(),
        0x605E => options.fault_reaction_option = signed(),
        0x6007 => options.abort_connection_option = signed(),
        0x6065 => options.following_error_window = long(),
        0x6066 => options.following_error_ms = word(),
        0x6072 => options.torque_limit_permille = word(),
        0x6075 => options.rated_current_ma = long(),
        0x6076 => options.rated_torque_mnm = long(),
        0x6084 => options.slow_down_deceleration = long().max(1),
        0x6085 => options.quick_stop_deceleration = long().max(1),
        _ => {}
    }
}

fn sdo_number(value: SdoValue) -> i64 {
    match value {
        SdoValue::U8(value) => i64::from(value),
        SdoValue::U16(value) => i64::from(value),
        SdoValue::U32(value) => i64::from(value),
        SdoValue::I8(value) => i64::from(value),
        SdoValue::I16(value) => i64::from(value),
        SdoValue::I32(value) => i64::from(value),
    }
}

/// A device of which only the PDOs are known; its inputs stay 0.
fn generic(name: &str, identity: Identity, plan: Option<&SubDevicePlan>) -> DeviceDescription {
    let mut description = DeviceDescription::passive(name, identity, EscDescription::et1100());
    let Some(plan) = plan else { return description };
    for (pdos, start, control, usage) in [
        (&plan.outputs, OUTPUTS_AT, CONTROL_OUTPUTS, Usage::Outputs),
        (&plan.inputs, INPUTS_AT, CONTROL_INPUTS, Usage::Inputs),
    ] {
        if pdos.is_empty() {
            continue;
        }
        let number = u8::try_from(description.sync_managers.len()).unwrap_or_default();
        let described: Vec<PdoDescription> = pdos.iter().map(|it| pdo(it, number)).collect();
        let bits: usize = described.iter().map(PdoDescription::bits).sum();
        let length = u16::try_from(bits.div_ceil(8)).unwrap_or(u16::MAX);
        description.sync_managers.push(SyncManagerDescription { start, length, control, usage });
        match usage {
            Usage::Outputs => description.rx_pdos = described,
            Usage::Inputs | Usage::MailboxIn | Usage::MailboxOut => description.tx_pdos = described,
        }
    }
    description.sync0 = plan.sync0.is_some();
    description
}

fn pdo(plan: &PdoPlan, sync_manager: u8) -> PdoDescription {
    let entries = plan.entries.iter().map(|entry| PdoEntryDescription {
        index: entry.index,
        subindex: entry.subindex,
        bits: entry.bits,
        name: String::new(),
    });
    PdoDescription {
        index: plan.index,
        name: String::new(),
        sync_manager: Some(sync_manager),
        entries: entries.collect(),
    }
}

/// To the nearest whole number, within the range of the object.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float to integer saturates; the value is a magnitude"
)]
fn rounded(value: f64) -> u32 {
    (value.abs() + 0.5) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartzes_are_off_either_way_by_50_ppm_at_most_and_by_their_seed_alone() {
        let drifts: Vec<_> =
            (0..200).flat_map(|seed| (1..20).map(move |device| drift_ppb(seed, device))).collect();
        assert!(drifts.iter().all(|drift| (-50_000..=50_000).contains(drift)));
        assert!(drifts.iter().any(|drift| *drift > 49_000));
        assert!(drifts.iter().any(|drift| *drift < -49_000));
        assert_eq!(drift_ppb(7, 3), drift_ppb(7, 3));
        assert_ne!(drift_ppb(7, 3), drift_ppb(8, 3));
        assert_ne!(drift_ppb(7, 3), drift_ppb(7, 4));
    }
}
