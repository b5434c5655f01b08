//! Frames, working counters, states and faults, seen by a MainDevice.

mod common;

use common::{
    APRD, APRW, APWR, Ask, BRD, BWR, Bus, FPRD, FPRW, FPWR, FRMW, LRD, LRW, LWR, MS, STATION,
    frame, identity,
};
use segment::{
    AlState, Device, DeviceDescription, EscDescription, Fault, ServoOptions, Usage, al_code,
};

const COUPLER: u16 = 0;
const INPUTS: u16 = 1;
const OUTPUTS: u16 = 2;
const ANALOG_IN: u16 = 3;
const DRIVE: u16 = 4;

/// Coupler, 8 inputs, 4 outputs, 2 analogue inputs, drive; addressed, in Init.
fn cell() -> Bus {
    let mut bus = Bus::new(vec![
        Device::coupler("Coupler", identity(1)),
        Device::digital_input("DI8", identity(2), 8),
        Device::digital_output("DO4", identity(3), 4),
        Device::analog_input("AI2", identity(4), 2),
        Device::servo("Servo", identity(5), ServoOptions::default()),
    ]);
    bus.give_addresses();
    bus
}

/// All in SafeOp. Logical: 0 outputs of the drive (8), 8 outputs of the terminal (4 bits), 16 its
/// inputs (24), 40 DI, 41 AI.
fn cell_in_safe_op() -> Bus {
    let mut bus = cell();
    bus.drive_to_pre_op(DRIVE);
    for device in [COUPLER, INPUTS, OUTPUTS, ANALOG_IN] {
        bus.request_state(device, 2);
    }
    bus.set_sync_manager(INPUTS, 0, 0x1000, 1, 0x20);
    bus.set_fmmu(INPUTS, 0, 40, 1, 0x1000, 1);
    bus.set_sync_manager(OUTPUTS, 0, 0x0F00, 1, 0x64);
    bus.set_fmmu(OUTPUTS, 0, 8, 1, 0x0F00, 2);
    bus.set_sync_manager(ANALOG_IN, 0, 0x1000, 4, 0x20);
    bus.set_fmmu(ANALOG_IN, 0, 41, 4, 0x1000, 1);
    bus.set_sync_manager(DRIVE, 2, 0x1100, 8, 0x64);
    bus.set_sync_manager(DRIVE, 3, 0x1400, 24, 0x20);
    bus.set_fmmu(DRIVE, 0, 0, 8, 0x1100, 2);
    bus.set_fmmu(DRIVE, 1, 16, 24, 0x1400, 1);
    for device in 0..5 {
        bus.request_state(device, 4);
        assert_eq!(bus.al(device), (0x04, 0), "device {device}");
    }
    bus
}

fn cell_in_op() -> Bus {
    let mut bus = cell_in_safe_op();
    for device in 0..5 {
        bus.request_state(device, 8);
        assert_eq!(bus.al(device), (0x08, 0), "device {device}");
    }
    bus
}

#[test]
fn every_command_counts_as_the_specification_says() {
    let mut bus = cell_in_op();
    let image = [0; 45];
    let asks = [
        Ask(BRD, 0, 0x0130, &[0; 2]),
        Ask(BWR, 0, 0x0200, &[0; 2]),
        Ask(9, 0, 0x0200, &[0; 2]),
        Ask(APRD, 0xFFFE, 0x0130, &[0; 2]),
        Ask(APWR, 0xFFFE, 0x0200, &[0; 2]),
        Ask(APRW, 0xFFFE, 0x0200, &[0; 2]),
        Ask(FPRD, STATION + 1, 0x0130, &[0; 2]),
        Ask(FPWR, STATION + 1, 0x0200, &[0; 2]),
        Ask(FPRW, STATION + 1, 0x0200, &[0; 2]),
        Ask(FPRD, 0x7777, 0x0130, &[0; 2]),
        Ask(LRD, 0, 0, &image),
        Ask(LWR, 0, 0, &image),
        Ask(LRW, 0, 0, &image),
        Ask(0, 0, 0x0130, &[0; 2]),
    ];
    let counters: Vec<_> = bus.send(&asks).iter().map(|answer| answer.counter).collect();
    // Three devices are read, two are written; one of the latter is read as well.
    assert_eq!(counters, [5, 5, 15, 1, 1, 3, 1, 1, 3, 0, 3, 2, 3 + 2 * 2, 0]);
}

#[test]
fn positions_count_up_through_the_devices_and_broadcast_reads_are_ored() {
    let mut bus = cell();
    bus.request_state(INPUTS, 2);
    let answer = bus.one(BRD, 0, 0x0130, &[0; 1]);
    assert_eq!((answer.position, &answer.data[..]), (5, &[0x03][..]));
    let answer = bus.one(APRD, 0, 0x0010, &[0; 2]);
    assert_eq!((answer.position, answer.data), (5, STATION.to_le_bytes().to_vec()));
}

#[test]
fn the_station_alias_addresses_a_device_once_it_is_stored_loaded_and_enabled() {
    let mut bus = cell();
    // Word 4 of the EEPROM: data first, then the write command with its enable bit, then reload.
    bus.write(INPUTS, 0x0508, &[0x34, 0x12]);
    bus.write(INPUTS, 0x0502, &[0x01, 0x02, 4, 0, 0, 0]);
    bus.wait(MS);
    bus.write(INPUTS, 0x0502, &[0x00, 0x04, 4, 0, 0, 0]);
    bus.wait(MS);
    assert_eq!(bus.read::<2>(INPUTS, 0x0012), [0x34, 0x12]);
    assert_eq!(bus.one(FPRD, 0x1234, 0x0130, &[0; 2]).counter, 0, "not enabled");
    bus.write(INPUTS, 0x0103, &[1]);
    assert_eq!(bus.one(FPRD, 0x1234, 0x0130, &[0; 2]).counter, 1);
}

#[test]
fn registers_that_a_device_has_not_are_not_counted() {
    let mut bus = cell();
    // FMMU 7 and the system time: drive and coupler have a clock, the drive alone eight FMMUs.
    assert_eq!(bus.one(BWR, 0, 0x0670, &[0; 16]).counter, 1);
    assert_eq!(bus.one(BRD, 0, 0x0910, &[0; 8]).counter, 2);
    assert_eq!(bus.one(BWR, 0, 0x0900, &[0; 4]).counter, 5);
    // Read-only: not counted for a write, not changed.
    assert_eq!(bus.one(BWR, 0, 0x0130, &[0xFF; 2]).counter, 0);
    assert_eq!(bus.al(DRIVE), (0x01, 0));
}

#[test]
fn what_is_not_ethercat_does_not_come_back_and_what_is_comes_back_marked() {
    let mut bus = cell();
    let mut other = frame(&[Ask(BRD, 0, 0, &[0])]);
    other[13] = 0x00;
    let now = bus.now;
    assert!(!bus.segment.pass(&mut other, now));
    assert!(!bus.segment.pass(&mut [], now));
    let mut ours = frame(&[Ask(BRD, 0, 0, &[0])]);
    assert!(bus.segment.pass(&mut ours, now));
    assert_eq!(ours[6], 0x12);
}

#[test]
fn inputs_and_outputs_go_where_the_wires_go() {
    let mut bus = cell_in_op();
    bus.segment.process().inputs = 0xA5;
    bus.segment.process().analog[usize::from(ANALOG_IN)] = -300;
    bus.wait(MS);
    let mut image = [0; 45];
    image[8] = 0xF9;
    let answer = bus.one(LRW, 0, 0, &image);
    assert_eq!(answer.data[40], 0xA5);
    assert_eq!(answer.data[41..45], [0xD4, 0xFE, 0xD5, 0xFE]);
    assert_eq!(
        bus.segment.process().outputs[usize::from(OUTPUTS)],
        0x9,
        "four channels, four bits"
    );
}

#[test]
fn inputs_are_fresh_from_safe_op_on() {
    let mut bus = cell_in_safe_op();
    bus.segment.process().inputs = 0x01;
    bus.wait(MS);
    assert_eq!(bus.one(LRD, 0, 0, &[0; 45]).data[40], 0x01);
    bus.request_state(INPUTS, 2);
    bus.segment.process().inputs = 0x02;
    bus.wait(MS);
    assert_eq!(bus.one(LRD, 0, 0, &[0; 45]).data[40], 0x01, "frozen below");
}

#[test]
fn outputs_are_taken_in_op_only_and_fall_when_op_is_left() {
    let mut bus = cell_in_safe_op();
    let mut image = [0; 45];
    image[8] = 0x0F;
    bus.one(LRW, 0, 0, &image);
    assert_eq!(bus.segment.process().outputs[2], 0);
    bus.request_state(OUTPUTS, 8);
    bus.one(LRW, 0, 0, &image);
    assert_eq!(bus.segment.process().outputs[2], 0x0F);
    bus.request_state(OUTPUTS, 4);
    assert_eq!(bus.segment.process().outputs[2], 0);
}

#[test]
fn terminals_share_a_byte_bit_by_bit() {
    let mut bus = Bus::new(vec![
        Device::digital_output("DO4", identity(3), 4),
        Device::digital_output("DO4", identity(3), 4),
    ]);
    bus.give_addresses();
    for (device, start, end) in [(0, 0, 3), (1, 4, 7)] {
        bus.request_state(device, 2);
        bus.set_sync_manager(device, 0, 0x0F00, 1, 0x64);
        let fmmu = [0, 0, 0, 0, 1, 0, start, end, 0x00, 0x0F, 0, 2, 1, 0, 0, 0];
        bus.write(device, 0x0600, &fmmu);
        bus.request_state(device, 4);
        bus.request_state(device, 8);
    }
    assert_eq!(bus.one(LWR, 0, 0, &[0xA3]).counter, 2);
    assert_eq!(bus.segment.process().outputs[..2], [0x3, 0xA]);
}

#[test]
fn the_watchdog_takes_outputs_to_safe_op_and_off_within_its_time() {
    let mut bus = cell_in_op();
    let mut image = [0; 45];
    image[8] = 0x0F;
    bus.one(LRW, 0, 0, &image);
    bus.wait(100 * MS - 125_000);
    assert_eq!(bus.status(2).al_state, AlState::Op);
    bus.wait(250_000);
    let status = bus.status(2);
    assert_eq!((status.al_state, status.al_error), (AlState::SafeOp, true));
    assert_eq!(status.al_status_code, al_code::WATCHDOG);
    assert_eq!(bus.segment.process().outputs[2], 0);
    assert_eq!(bus.read::<1>(OUTPUTS, 0x0440), [0]);
    assert_eq!(bus.read::<1>(OUTPUTS, 0x0442), [1]);
    // Devices without outputs have no watchdog.
    assert_eq!(bus.status(1).al_state, AlState::Op);
    // The way back: acknowledge, then Op.
    bus.request_state(OUTPUTS, 8);
    assert_eq!(bus.al(OUTPUTS), (0x14, al_code::WATCHDOG), "not without acknowledge");
    bus.request_state(OUTPUTS, 0x14);
    bus.request_state(OUTPUTS, 8);
    assert_eq!(bus.al(OUTPUTS), (0x08, 0));
}

#[test]
fn the_watchdog_time_is_divider_times_time() {
    let mut bus = cell_in_op();
    // (998 + 2) × 40 ns × 500 = 20 ms.
    bus.write(OUTPUTS, 0x0400, &998_u16.to_le_bytes());
    bus.write(OUTPUTS, 0x0420, &500_u16.to_le_bytes());
    bus.one(LRW, 0, 0, &[0; 45]);
    bus.wait(19 * MS + 800_000);
    assert_eq!(bus.status(2).al_state, AlState::Op);
    bus.wait(MS / 2);
    assert_eq!(bus.status(2).al_state, AlState::SafeOp);
}

#[test]
fn a_sync_manager_that_does_not_fit_is_refused_with_its_code() {
    let mut bus = cell();
    bus.request_state(OUTPUTS, 2);
    bus.set_sync_manager(OUTPUTS, 0, 0x0F00, 2, 0x64);
    bus.request_state(OUTPUTS, 4);
    assert_eq!(bus.al(OUTPUTS), (0x12, al_code::INVALID_OUTPUTS));
    bus.set_sync_manager(OUTPUTS, 0, 0x0F00, 1, 0x60);
    bus.request_state(OUTPUTS, 0x14);
    assert_eq!(bus.al(OUTPUTS), (0x12, al_code::INVALID_OUTPUTS), "the wrong direction");
    bus.request_state(INPUTS, 2);
    bus.request_state(INPUTS, 4);
    assert_eq!(bus.al(INPUTS), (0x12, al_code::INVALID_INPUTS));
    bus.request_state(DRIVE, 2);
    assert_eq!(bus.al(DRIVE), (0x11, al_code::INVALID_MAILBOX));
    bus.request_state(COUPLER, 8);
    assert_eq!(bus.al(COUPLER), (0x11, al_code::INVALID_STATE_CHANGE));
}

#[test]
fn an_enabled_sync_manager_keeps_its_settings_and_its_status_is_not_written() {
    let mut bus = cell();
    bus.drive_to_pre_op(DRIVE);
    bus.write(DRIVE, 0x0800, &[0x55; 6]);
    let [settings @ .., activate, device_side] = bus.read::<8>(DRIVE, 0x0800);
    assert_eq!(settings, [0x00, 0x10, 0x80, 0x00, 0x26, 0x00]);
    bus.write(DRIVE, 0x0806, &[0x01, 0xFF]);
    assert_eq!(bus.read::<2>(DRIVE, 0x0806), [activate, device_side]);
    // Disabled first, it takes others.
    bus.write(DRIVE, 0x0806, &[0]);
    bus.write(DRIVE, 0x0800, &[0x00, 0x11]);
    assert_eq!(bus.read::<2>(DRIVE, 0x0800), [0x00, 0x11]);
}

#[test]
fn a_full_mailbox_takes_no_second_request() {
    let mut bus = cell();
    bus.drive_to_pre_op(DRIVE);
    assert_eq!(bus.one(FPWR, STATION + DRIVE, 0x1000, &[0; 128]).counter, 1);
    assert_eq!(bus.one(FPWR, STATION + DRIVE, 0x1000, &[0; 128]).counter, 0);
    assert_eq!(bus.read::<1>(DRIVE, 0x0805), [0x08]);
    assert_eq!(bus.one(FPRD, STATION + DRIVE, 0x1080, &[0; 128]).counter, 0, "nothing to read yet");
    bus.wait(MS);
    assert_eq!(bus.read::<1>(DRIVE, 0x080D), [0x08]);
    assert_eq!(bus.one(FPRD, STATION + DRIVE, 0x1080, &[0; 128]).counter, 1);
    assert_eq!(bus.one(FPRD, STATION + DRIVE, 0x1080, &[0; 128]).counter, 0);
}

#[test]
fn a_lost_answer_is_presented_again_on_a_repeat_request() {
    let mut bus = cell();
    bus.drive_to_pre_op(DRIVE);
    bus.one(FPWR, STATION + DRIVE, 0x1000, &[10, 0, 0, 0, 0, 0x13, 0, 0x20, 0x40, 0, 0x10, 0]);
    bus.one(FPWR, STATION + DRIVE, 0x1000, &[0; 128]);
    bus.wait(MS);
    let first = bus.one(FPRD, STATION + DRIVE, 0x1080, &[0; 128]);
    bus.write(DRIVE, 0x080E, &[0x03]);
    assert_eq!(bus.read::<1>(DRIVE, 0x080F), [0x02], "acknowledged");
    let again = bus.one(FPRD, STATION + DRIVE, 0x1080, &[0; 128]);
    assert_eq!((again.counter, again.data), (1, first.data));
}

#[test]
fn a_remapped_drive_wants_the_new_length() {
    let mut bus = cell();
    bus.drive_to_pre_op(DRIVE);
    let entries = [0x6040_0010_u32, 0x607A_0020];
    bus.download(DRIVE, 0x1C12, 0, &[0]).expect("clear");
    bus.download(DRIVE, 0x1601, 0, &[0]).expect("clear");
    for (place, entry) in (1..).zip(entries) {
        bus.download(DRIVE, 0x1601, place, &entry.to_le_bytes()).expect("entry");
    }
    bus.download(DRIVE, 0x1601, 0, &[2]).expect("count");
    bus.download(DRIVE, 0x1C12, 1, &0x1601_u16.to_le_bytes()).expect("assign");
    bus.download(DRIVE, 0x1C12, 0, &[1]).expect("count");
    bus.set_sync_manager(DRIVE, 3, 0x1400, 24, 0x20);
    bus.set_sync_manager(DRIVE, 2, 0x1100, 8, 0x64);
    bus.request_state(DRIVE, 4);
    assert_eq!(bus.al(DRIVE), (0x12, al_code::INVALID_OUTPUTS), "the old length");
    bus.set_sync_manager(DRIVE, 2, 0x1100, 6, 0x64);
    bus.request_state(DRIVE, 0x14);
    assert_eq!(bus.al(DRIVE), (0x04, 0));
    // Six bytes: controlword and target go where the new mapping says.
    bus.set_fmmu(DRIVE, 0, 0, 6, 0x1100, 2);
    bus.request_state(DRIVE, 8);
    bus.one(LWR, 0, 0, &[0x06, 0, 0x78, 0x56, 0x34, 0x12]);
    bus.wait(MS);
    assert_eq!(bus.upload(DRIVE, 0x607A, 0), 0x1234_5678);
    assert_eq!(bus.upload(DRIVE, 0x6041, 0) & 0x6F, 0x21);
}

#[test]
fn a_drive_with_sync0_refuses_op_without_process_data() {
    let mut bus = cell_in_safe_op();
    bus.request_state(DRIVE, 2);
    let [now] = [u64::from_le_bytes(bus.read(DRIVE, 0x0910))];
    bus.write(DRIVE, 0x0990, &(now + 10 * MS).to_le_bytes());
    bus.write(DRIVE, 0x09A0, &1_000_000_u32.to_le_bytes());
    bus.write(DRIVE, 0x0981, &[3]);
    bus.request_state(DRIVE, 4);
    bus.request_state(DRIVE, 8);
    assert_eq!(bus.al(DRIVE), (0x04, 0), "waits");
    bus.wait(210 * MS);
    assert_eq!(bus.al(DRIVE), (0x14, al_code::SYNC_ERROR));
    // With process data it comes.
    bus.request_state(DRIVE, 0x14);
    bus.one(LRW, 0, 0, &[0; 45]);
    bus.request_state(DRIVE, 8);
    bus.wait(MS);
    assert_eq!(bus.al(DRIVE), (0x08, 0));
}

#[test]
fn a_drive_with_sync0_samples_its_inputs_then_and_only_then() {
    let mut bus = cell_in_safe_op();
    bus.request_state(DRIVE, 2);
    let now = u64::from_le_bytes(bus.read(DRIVE, 0x0910));
    bus.write(DRIVE, 0x0990, &(now + MS).to_le_bytes());
    bus.write(DRIVE, 0x09A0, &1_000_000_u32.to_le_bytes());
    bus.write(DRIVE, 0x0981, &[3]);
    bus.request_state(DRIVE, 4);
    assert_eq!(bus.al(DRIVE), (0x04, 0));
    bus.wait(3 * MS);
    let mut samples = std::collections::BTreeSet::new();
    for _ in 0..32 {
        bus.segment.process().axes[usize::from(DRIVE)].position_counts += 1_000;
        bus.wait(125_000);
        samples.insert(bus.read::<24>(DRIVE, 0x1400));
    }
    // 4 ms of a drive that moves in each of 32 ticks, and 1 ms from SYNC0 to SYNC0.
    assert!((4..=5).contains(&samples.len()), "{}", samples.len());
}

#[test]
fn a_synchronous_drive_takes_its_target_at_sync0_not_when_the_frame_comes() {
    let mut bus = cell_in_safe_op();
    bus.download(DRIVE, 0x6060, 0, &[8]).expect("mode");
    bus.request_state(DRIVE, 2);
    let now = u64::from_le_bytes(bus.read(DRIVE, 0x0910));
    bus.write(DRIVE, 0x0990, &(now + 10 * MS + MS / 2).to_le_bytes());
    bus.write(DRIVE, 0x09A0, &1_000_000_u32.to_le_bytes());
    bus.write(DRIVE, 0x0981, &[3]);
    bus.request_state(DRIVE, 4);
    let mut image = [0; 45];
    image[6] = 8;
    let mut cycle = |bus: &mut Bus, controlword: u8, target: i32| {
        image[0] = controlword;
        image[2..6].copy_from_slice(&target.to_le_bytes());
        bus.one(LRW, 0, 0, &image);
    };
    for controlword in [0, 0, 0x06, 0x07, 0x0F].into_iter().flat_map(|word| [word; 6]) {
        cycle(&mut bus, controlword, 0);
        bus.wait(MS);
        if bus.status(4).al_state == AlState::SafeOp && !bus.status(4).al_error {
            bus.request_state(DRIVE, 8);
        }
    }
    assert_eq!(bus.drive(4).statusword & 0x6F, 0x27);
    // When a target comes right after SYNC0, nothing moves until the next one, half a cycle on.
    cycle(&mut bus, 0x0F, 800);
    bus.wait(MS / 4);
    assert_eq!(bus.segment.process().commands[4].target_counts, 0.0);
    bus.wait(3 * MS / 8);
    assert!(bus.segment.process().commands[4].target_counts > 0.0);
}

#[test]
fn sync0_without_a_cycle_time_is_refused() {
    let mut bus = cell_in_safe_op();
    bus.request_state(DRIVE, 2);
    bus.write(DRIVE, 0x0981, &[3]);
    bus.request_state(DRIVE, 4);
    assert_eq!(bus.al(DRIVE), (0x12, al_code::INVALID_DC));
}

#[test]
fn a_broken_cable_cuts_off_what_is_behind_it_and_is_counted() {
    let mut bus = cell_in_op();
    assert_eq!(u16::from_le_bytes(bus.read(1, 0x0110)), 0x5A31);
    bus.segment.inject(Fault::LinkLost { after: Some(1) });
    let answers = bus.send(&[Ask(BRD, 0, 0, &[0]), Ask(LRW, 0, 0, &[0; 45])]);
    assert_eq!((answers[0].counter, answers[1].counter), (2, 1));
    assert_eq!(u16::from_le_bytes(bus.read(1, 0x0110)), 0x5611);
    assert_eq!(bus.read::<4>(1, 0x0310), [0, 1, 0, 0]);
    assert!(!bus.status(2).reachable);
    // What is cut off runs on by itself, into its watchdog.
    bus.wait(150 * MS);
    assert_eq!(bus.status(2).al_state, AlState::SafeOp);
    bus.segment.inject(Fault::LinkRestored { after: Some(1) });
    assert_eq!(bus.one(BRD, 0, 0, &[0]).counter, 5);
    bus.segment.inject(Fault::LinkLost { after: None });
    assert_eq!(bus.try_send(&[Ask(BRD, 0, 0, &[0])]), None);
}

#[test]
fn a_device_that_loses_its_supply_comes_back_in_init_without_address() {
    let mut bus = cell_in_op();
    bus.segment.inject(Fault::PowerOff { position: 2 });
    bus.segment.inject(Fault::PowerOn { position: 2 });
    assert_eq!(bus.read::<2>(ANALOG_IN, 0x0310), [1, 0], "its neighbours count the lost link");
    assert_eq!(bus.read::<2>(INPUTS, 0x0310), [0, 1]);
    bus.download(DRIVE, 0x6098, 0, &[35]).expect("homing method");
    bus.segment.inject(Fault::PowerOff { position: 4 });
    assert_eq!(bus.one(BRD, 0, 0, &[0]).counter, 4);
    bus.wait(10 * MS);
    bus.segment.inject(Fault::PowerOn { position: 4 });
    assert_eq!(bus.one(BRD, 0, 0, &[0]).counter, 5);
    assert_eq!(bus.one(FPRD, STATION + DRIVE, 0x0130, &[0; 2]).counter, 0);
    assert_eq!(bus.one(APRD, 0xFFFC, 0x0130, &[0; 2]).data, [0x01, 0]);
    assert_eq!(bus.one(LRW, 0, 0, &[0; 45]).counter, 2, "its FMMUs are gone");
    bus.give_addresses();
    bus.drive_to_pre_op(DRIVE);
    assert_eq!(bus.upload(DRIVE, 0x6098, 0), 37, "its settings are those of power-up");
}

#[test]
fn op_is_refused_with_the_code_that_the_scenario_says() {
    let mut bus = cell_in_safe_op();
    bus.segment.inject(Fault::RefuseOp { position: 4, code: Some(0x0020) });
    bus.request_state(DRIVE, 8);
    assert_eq!(bus.al(DRIVE), (0x14, 0x0020));
    bus.segment.inject(Fault::RefuseOp { position: 4, code: None });
    bus.request_state(DRIVE, 0x14);
    bus.request_state(DRIVE, 8);
    assert_eq!(bus.al(DRIVE), (0x08, 0));
}

#[test]
fn a_device_that_ignores_process_data_is_missing_in_the_counter() {
    let mut bus = cell_in_op();
    bus.segment.inject(Fault::IgnoreProcessData { position: 2, active: true });
    assert_eq!(bus.one(LRW, 0, 0, &[0; 45]).counter, 5);
    bus.segment.inject(Fault::IgnoreProcessData { position: 2, active: false });
    assert_eq!(bus.one(LRW, 0, 0, &[0; 45]).counter, 7);
}

#[test]
fn propagation_delays_can_be_measured_from_the_receive_times() {
    let mut bus = cell();
    bus.one(BWR, 0, 0x0900, &[0; 4]);
    let loop_time = |bus: &mut Bus, device| {
        let times: [u8; 8] = bus.read(device, 0x0900);
        let at = |n: usize| u32::from_le_bytes(times[n..n + 4].try_into().expect("4"));
        at(4).wrapping_sub(at(0))
    };
    // Coupler 300 ns, three terminals of 150 ns each: there and back.
    assert_eq!(loop_time(&mut bus, 0), 2 * (300 + 3 * 150));
    assert_eq!(loop_time(&mut bus, 1), 2 * 3 * 150);
}

#[test]
fn clocks_lock_to_the_reference_when_its_time_is_distributed() {
    let mut bus = Bus::new(vec![
        Device::servo("A", identity(5), ServoOptions::default()),
        Device::servo("B", identity(6), ServoOptions::default()),
    ]);
    bus.give_addresses();
    // Offset and delay as a MainDevice sets them.
    bus.one(BWR, 0, 0x0900, &[0; 4]);
    for device in 0..2 {
        let local = u64::from_le_bytes(bus.read(device, 0x0918));
        bus.write(device, 0x0920, &(5_000_000_000_u64.wrapping_sub(local)).to_le_bytes());
    }
    bus.write(1, 0x0928, &500_u32.to_le_bytes());
    for _ in 0..2_000 {
        bus.now += MS;
        assert_eq!(bus.one(FRMW, STATION, 0x0910, &[0; 8]).counter, 2);
    }
    let difference = u32::from_le_bytes(bus.read(1, 0x092C)) & 0x7FFF_FFFF;
    assert!(difference < 20, "{difference} ns");
    // A frame takes 500 ns from the one to the other, and both know it.
    let read = |device| Ask(FPRD, STATION + device, 0x0910, &[0; 8]);
    let times: Vec<_> = bus
        .send(&[read(0), read(1)])
        .iter()
        .map(|answer| i64::from_le_bytes(answer.data[..].try_into().expect("8")))
        .collect();
    assert!((times[1] - times[0] - 500).abs() < 20, "{} ns apart", times[1] - times[0]);
}

#[test]
fn the_round_trip_takes_the_time_of_the_wire_and_of_every_device() {
    let mut bus = cell();
    let forwarding = 2 * (300 + 3 * 150 + 500);
    assert_eq!(bus.segment.round_trip_ns(60), 84 * 80 + forwarding);
    assert_eq!(bus.segment.round_trip_ns(20), 84 * 80 + forwarding, "frames are padded");
    assert_eq!(bus.segment.round_trip_ns(1_514), 1_538 * 80 + forwarding);
    bus.segment.inject(Fault::LinkLost { after: Some(0) });
    assert_eq!(bus.segment.round_trip_ns(60), 84 * 80 + 600);
}

#[test]
fn any_device_can_be_described() {
    let mut description =
        DeviceDescription::passive("Gauge", identity(9), EscDescription::et1200());
    assert!(description.sync_managers.iter().all(|sm| sm.usage != Usage::Inputs));
    description.clock.drift_ppb = 0;
    let mut bus = Bus::new(vec![Device::described(description)]);
    bus.give_addresses();
    for state in [2, 4, 8] {
        bus.request_state(0, state);
        assert_eq!(bus.al(0), (state, 0));
    }
    bus.write(0, 0x0502, &[0, 1, 8, 0, 0, 0]);
    bus.wait(MS);
    assert_eq!(bus.read::<8>(0, 0x0508), [0x0B, 0x0B, 0, 0, 9, 0, 0, 0]);
}
