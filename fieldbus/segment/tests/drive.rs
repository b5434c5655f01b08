//! The servo drive, seen over the bus.

mod common;

use common::{Axis, FPRD, MS, STATION};
use segment::{AlState, DriveBrake, DriveState, Emergency, Fault, ServoOptions, al_code};

/// 100 000 counts/s² for the quick stop, half of it for the gentle ramp.
fn options() -> ServoOptions {
    ServoOptions {
        quick_stop_deceleration: 1_000_000,
        slow_down_deceleration: 500_000,
        following_error_window: 1_000,
        following_error_ms: 20,
        ..ServoOptions::default()
    }
}

#[test]
fn the_controlword_takes_it_through_the_states_of_the_profile() {
    let mut axis = Axis::in_op(options());
    assert_eq!(axis.cycles(2).statusword & 0x4F, 0x40);
    for (controlword, mask, state) in [(0x06, 0x6F, 0x21), (0x07, 0x6F, 0x23), (0x0F, 0x6F, 0x27)] {
        axis.controlword = controlword;
        assert_eq!(axis.cycles(3).statusword & mask, state);
    }
    axis.controlword = 0x00;
    assert_eq!(axis.cycles(3).statusword & 0x4F, 0x40);
    assert!(!axis.bus.segment.process().commands[0].power);
}

#[test]
fn targets_are_interpolated_between_the_cycles() {
    let mut axis = Axis::in_op(options());
    axis.enable();
    axis.run(80, 20);
    // Between two cycles the set-point moves in eight steps of 10.
    let before = axis.bus.segment.process().commands[0];
    axis.bus.wait(125_000);
    let after = axis.bus.segment.process().commands[0];
    assert_eq!(after.target_counts - before.target_counts, 10.0);
    assert_eq!(after.velocity_counts_per_s, 80_000.0);
}

#[test]
fn it_follows_the_target_one_cycle_later_and_says_so() {
    let mut axis = Axis::in_op(options());
    axis.enable();
    let inputs = axis.run(80, 50);
    assert_eq!(inputs.statusword & 1 << 12, 1 << 12);
    assert_eq!(axis.cycles(2).position, axis.target);
    axis.run(100, 50);
    axis.controlword = 0x07;
    let inputs = axis.cycles(3);
    assert_eq!(inputs.statusword & 0x6F, 0x27, "still slowing down");
    assert_eq!(inputs.statusword & 1 << 12, 0, "the target is ignored");
    assert_eq!(axis.cycles(300).statusword & 0x6F, 0x23);
}

#[test]
fn positions_go_on_beyond_31_bits() {
    let mut axis = Axis::in_op(options());
    axis.bus.segment.process().axes[0].position_counts = i64::from(i32::MAX) - 100;
    axis.enable();
    axis.run(50, 10);
    let inputs = axis.cycles(2);
    assert!(inputs.position < 0);
    assert_eq!(axis.bus.drive(0).position_counts, i64::from(i32::MAX) - 100 + 500);
}

#[test]
fn a_quick_stop_brakes_at_its_deceleration_and_switches_on_disabled() {
    let mut axis = Axis::in_op(options());
    axis.enable();
    axis.run(100, 50);
    let from = axis.bus.drive(0).position_counts;
    axis.controlword = 0x0B & !0x04 | 0x02;
    let inputs = axis.cycle();
    assert_eq!(inputs.statusword & 0x6F, 0x27, "the inputs are of before");
    assert_eq!(axis.cycle().statusword & 0x6F, 0x07);
    assert_eq!(axis.cycles(120).statusword & 0x4F, 0x40);
    // 100 000 counts/s at 1 000 000 counts/s²: 5000 counts, and up to two cycles until it starts.
    let distance = axis.bus.drive(0).position_counts - from;
    assert!((5_000..=5_200).contains(&distance), "{distance}");
}

#[test]
fn a_quick_stop_with_option_six_stays_and_can_be_left_to_operation() {
    let mut axis = Axis::in_op(ServoOptions { quick_stop_option: 6, ..options() });
    axis.enable();
    axis.controlword = 0x02;
    assert_eq!(axis.cycles(50).statusword & 0x6F, 0x07);
    axis.controlword = 0x0F;
    assert_eq!(axis.cycles(3).statusword & 0x6F, 0x27);
}

#[test]
fn losing_the_bus_stops_the_axis_as_configured_after_the_watchdog() {
    let mut axis = Axis::in_op(options());
    axis.enable();
    axis.run(100, 50);
    axis.connected = false;
    axis.cycles(99);
    assert_eq!(axis.bus.status(0).al_state, AlState::Op, "before the watchdog time");
    axis.cycles(3);
    let status = axis.bus.status(0);
    assert_eq!((status.al_state, status.al_error), (AlState::SafeOp, true));
    assert_eq!(status.al_status_code, al_code::WATCHDOG);
    axis.cycles(200);
    assert_eq!(axis.bus.drive(0).state, DriveState::SwitchOnDisabled);
    assert!(!axis.bus.drive(0).power);
}

#[test]
fn the_abort_connection_option_decides_what_losing_the_bus_does() {
    for (option, state) in [
        (0, DriveState::OperationEnabled),
        (1, DriveState::FaultReactionActive),
        (2, DriveState::SwitchOnDisabled),
        (3, DriveState::QuickStopActive),
    ] {
        let mut axis = Axis::in_op(ServoOptions {
            abort_connection_option: option,
            missed_targets_max: 200,
            ..options()
        });
        axis.enable();
        axis.run(500, 50);
        axis.connected = false;
        axis.cycles(103);
        assert_eq!(axis.bus.drive(0).state, state, "0x6007 = {option}");
    }
}

#[test]
fn a_following_error_beyond_its_window_and_time_is_a_fault() {
    let mut axis = Axis::in_op(options());
    axis.enable();
    axis.bus.segment.process().blocked = true;
    let inputs = axis.run(100, 20);
    assert_eq!(inputs.error_code, 0, "within the time");
    assert!(inputs.following_error > 1_000);
    let inputs = axis.cycles(400);
    assert_eq!(inputs.error_code, 0x8611);
    assert_eq!(inputs.statusword & 0x4F, 0x08);
    assert_eq!(inputs.statusword & 1 << 13, 1 << 13);
}

#[test]
fn a_fault_stops_sends_an_emergency_and_is_left_by_a_reset_edge() {
    let mut axis = Axis::in_op(options());
    axis.enable();
    axis.run(100, 50);
    axis.bus.segment.inject(Fault::Drive { position: 0, code: 0x4310 });
    assert_eq!(axis.cycles(3).statusword & 0x4F, 0x0F);
    let inputs = axis.cycles(200);
    assert_eq!((inputs.statusword & 0x4F, inputs.error_code), (0x08, 0x4310));
    let message: [u8; 128] = axis.bus.read(0, 0x1080);
    assert_eq!(message[6..11], [0, 0x10, 0x10, 0x43, 0x01]);
    // Held low it stays; the edge resets.
    axis.controlword = 0x0F;
    assert_eq!(axis.cycles(5).statusword & 0x4F, 0x08);
    axis.controlword = 0x80;
    assert_eq!(axis.cycles(3).statusword & 0x4F, 0x40);
    assert_eq!(axis.cycle().error_code, 0);
}

#[test]
fn a_fault_whose_cause_stays_is_not_reset() {
    let mut axis = Axis::in_op(options());
    axis.enable();
    axis.bus.segment.process().axes[0].fault_code = 0x7300;
    axis.cycles(50);
    axis.bus.read::<128>(0, 0x1080);
    axis.controlword = 0x80;
    assert_eq!(axis.cycles(5).statusword & 0x4F, 0x08);
    axis.controlword = 0x00;
    axis.cycles(2);
    let another = axis.bus.one(FPRD, STATION, 0x1080, &[0; 128]);
    assert_eq!(another.counter, 0, "no emergency says that it is over");
    axis.bus.segment.process().axes[0].fault_code = 0;
    axis.controlword = 0x80;
    assert_eq!(axis.cycles(3).statusword & 0x4F, 0x40);
}

#[test]
fn homing_here_gives_the_position_its_name_without_motion() {
    let mut axis = Axis::in_op(options());
    axis.bus.segment.process().axes[0].position_counts = 123_456;
    axis.bus.download(0, 0x607C, 0, &1_000_i32.to_le_bytes()).expect("home offset");
    axis.bus.download(0, 0x6098, 0, &[35]).expect("method");
    axis.enable();
    axis.mode = 6;
    assert_eq!(axis.cycles(3).mode, 6);
    axis.controlword = 0x1F;
    let inputs = axis.cycles(3);
    assert_eq!(inputs.statusword & (1 << 12 | 1 << 13), 1 << 12);
    assert_eq!(inputs.position, 1_000);
    // Back in CSP the target is in the new frame; the axis has not moved.
    axis.target = 1_000;
    (axis.controlword, axis.mode) = (0x0F, 8);
    axis.cycles(5);
    assert_eq!(axis.bus.drive(0).position_counts, 123_456);
}

#[test]
fn a_homing_method_that_it_has_not_is_an_error() {
    let mut axis = Axis::in_op(options());
    axis.bus.download(0, 0x6098, 0, &[17]).expect("method");
    axis.enable();
    axis.mode = 6;
    axis.cycles(3);
    axis.controlword = 0x1F;
    assert_eq!(axis.cycles(3).statusword & (1 << 12 | 1 << 13), 1 << 13);
}

#[test]
fn an_index_pulse_is_seen_in_exactly_one_cycle_with_its_position() {
    let mut axis = Axis::in_op(options());
    axis.cycles(3);
    let feedback = &mut axis.bus.segment.process().axes[0];
    (feedback.index_pulses, feedback.index_counts) = (1, Some(4_242));
    (feedback.limit_negative, feedback.reference) = (true, true);
    let seen: Vec<_> = (0..3).map(|_| axis.cycle()).collect();
    let pulses: Vec<_> = seen.iter().map(|inputs| inputs.digital_inputs >> 16 & 1).collect();
    assert_eq!(pulses, [1, 0, 0]);
    assert_eq!((seen[0].index_position, seen[0].digital_inputs & 7), (4_242, 0b101));
}

#[test]
fn a_halt_ramps_down_and_holds_without_following() {
    let mut axis = Axis::in_op(options());
    axis.enable();
    axis.run(100, 50);
    axis.controlword = 0x10F;
    let inputs = axis.run(100, 300);
    assert_eq!(inputs.statusword & (1 << 12 | 1 << 10 | 0x6F), 1 << 10 | 0x27);
    assert_eq!(axis.bus.drive(0).velocity_counts_per_s, 0.0);
}

#[test]
fn the_brake_holds_before_torque_goes_and_targets_wait_until_it_is_free() {
    let brake = DriveBrake { engage_ns: 50 * MS, release_ns: 30 * MS };
    let mut axis = Axis::in_op(ServoOptions { brake: Some(brake), ..options() });
    axis.enable();
    assert_eq!(axis.cycles(10).statusword & 1 << 12, 0, "not free yet");
    assert!(axis.bus.segment.process().commands[0].brake_released);
    assert_eq!(axis.cycles(30).statusword & 1 << 12, 1 << 12);
    axis.controlword = 0x02;
    axis.cycles(10);
    let command = axis.bus.segment.process().commands[0];
    assert_eq!((command.power, command.brake_released), (true, false));
    axis.cycles(60);
    assert!(!axis.bus.segment.process().commands[0].power);
}

#[test]
fn an_injected_emergency_reaches_the_mailbox() {
    let mut axis = Axis::in_op(options());
    let emergency = Emergency { code: 0x8130, register: 0x10, data: [1, 2, 3, 4, 5] };
    axis.bus.segment.inject(Fault::Emergency { position: 0, emergency });
    axis.cycles(2);
    let message: [u8; 128] = axis.bus.read(0, 0x1080);
    assert_eq!(message[..2], [10, 0]);
    assert_eq!(message[6..16], [0, 0x10, 0x30, 0x81, 0x10, 1, 2, 3, 4, 5]);
}

#[test]
fn objects_show_what_the_process_data_show() {
    let mut axis = Axis::in_op(options());
    axis.enable();
    axis.run(80, 20);
    let inputs = axis.cycles(3);
    let position = axis.bus.upload(0, 0x6064, 0);
    assert_eq!(position, inputs.position.cast_unsigned());
    assert_eq!(axis.bus.upload(0, 0x6061, 0), 8);
    assert_eq!(axis.bus.upload(0, 0x6085, 0), 1_000_000);
}
