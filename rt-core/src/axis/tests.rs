//! The axis over its signals.

use super::*;
use crate::plan::{AxisLimits, AxisModel, AxisSignals, Ratio};
use crate::signal::{SignalId, Signals};
use crate::step::testing::{MM, axis_plan};

const PERIOD: u64 = 1_000_000;
const STATUSWORD: SignalId = SignalId(0);
const POSITION: SignalId = SignalId(1);
const TORQUE: SignalId = SignalId(2);
const ERROR_CODE: SignalId = SignalId(3);
const SWITCHES: SignalId = SignalId(4);

fn plan() -> AxisPlan {
    let base = axis_plan(0);
    AxisPlan {
        signals: AxisSignals {
            controlword: SignalId(8),
            target_position: SignalId(9),
            mode: None,
            statusword: STATUSWORD,
            actual_position: POSITION,
            mode_display: None,
            actual_torque: Some(TORQUE),
            following_error: None,
            error_code: Some(ERROR_CODE),
            digital_inputs: Some(SWITCHES),
            touch_probe_position: None,
        },
        counts_per_unit: Ratio { numerator: 10_000, denominator: 3 },
        limits: AxisLimits { position: None, ..base.limits },
        homing: HomingPlan::Kept { offset: Nano(5 * MM) },
        model: AxisModel { margin: 0.1, ..base.model },
        ..base
    }
}

struct Drive {
    signals: Signals,
    now: u64,
}

impl Drive {
    fn new() -> Self {
        let mut drive = Self { signals: Signals::new(10), now: PERIOD };
        for id in [STATUSWORD, POSITION, TORQUE, ERROR_CODE, SWITCHES] {
            drive.signals.set(id, 0, PERIOD);
        }
        drive.set(STATUSWORD, 0x1237);
        drive
    }

    fn set(&mut self, id: SignalId, value: i64) {
        self.signals.set(id, value, self.now);
    }

    fn cycle(&mut self, axis: &mut Axis) {
        self.now += PERIOD;
        axis.sense(&self.signals, self.now);
    }
}

#[test]
fn inputs_become_position_torque_switches_and_state() {
    let (mut axis, mut drive) = (Axis::new(&plan(), PERIOD), Drive::new());
    drive.set(POSITION, 10_000);
    drive.set(TORQUE, -250);
    drive.set(SWITCHES, 0b1_0000_0000_0000_0101);
    drive.cycle(&mut axis);
    let view = axis.view();
    assert_eq!(axis.position(), Nano(8 * MM), "3 mm and the offset of 5");
    assert_eq!((view.torque_permille, view.state), (-250, AxisState::Standstill));
    assert!(view.enabled && view.referenced && view.follows_target && view.inputs_good);
    assert!(!view.fault);
    let switches = axis.switches();
    assert!(switches.limit_negative && switches.reference && switches.index);
    assert!(!switches.limit_positive);
    assert_eq!(axis.target_counts(Nano(8 * MM)), 10_000);
}

#[test]
fn what_is_stale_keeps_its_last_value_and_is_told() {
    for stale in [STATUSWORD, POSITION, TORQUE, ERROR_CODE, SWITCHES] {
        let (mut axis, mut drive) = (Axis::new(&plan(), PERIOD), Drive::new());
        drive.set(POSITION, 500);
        drive.set(SWITCHES, 1 << 16 | 1);
        drive.cycle(&mut axis);
        let before = axis.view();
        drive.signals.age(stale);
        drive.cycle(&mut axis);
        assert!(!axis.view().inputs_good, "{stale:?}");
        assert_eq!(axis.view().position, before.position);
        assert!(axis.view().enabled);
        assert!(axis.switches().limit_negative);
        assert_eq!(axis.switches().index, stale != SWITCHES, "an old edge is none");
    }
}

#[test]
fn a_drive_that_faults_stops_the_axis_until_reset() {
    let (mut axis, mut drive) = (Axis::new(&plan(), PERIOD), Drive::new());
    drive.cycle(&mut axis);
    drive.set(STATUSWORD, 0x0008);
    drive.set(ERROR_CODE, 0x7305);
    drive.cycle(&mut axis);
    assert_eq!(axis.state(), AxisState::ErrorStop);
    assert_eq!((axis.error_code(), axis.view().fault), (0x7305, true));
    drive.set(STATUSWORD, 0x1237);
    drive.cycle(&mut axis);
    assert_eq!(axis.state(), AxisState::ErrorStop, "a fault that went away by itself is no reset");
    assert!(axis.apply(AxisEvent::Reset { powered: true }));
    drive.cycle(&mut axis);
    assert_eq!(axis.state(), AxisState::Standstill);
    drive.set(STATUSWORD, 0x0250);
    drive.cycle(&mut axis);
    assert_eq!(axis.state(), AxisState::Disabled);
}

#[test]
fn an_endless_axis_stays_within_its_turn_and_says_by_how_much_it_was_rebased() {
    let mut plan = plan();
    plan.wrap = Some(Nano(360 * MM));
    plan.homing = HomingPlan::Kept { offset: Nano(0) };
    let (mut axis, mut drive) = (Axis::new(&plan, PERIOD), Drive::new());
    drive.set(POSITION, 1_199_999);
    drive.cycle(&mut axis);
    assert_eq!(axis.rebased(), Nano::ZERO);
    let before = axis.position();
    axis.commanded(before);
    drive.set(POSITION, 1_200_010);
    drive.cycle(&mut axis);
    assert_eq!(axis.rebased(), Nano(-360 * MM));
    assert_eq!(axis.position(), Nano(3_000_000));
    assert_eq!(axis.commanded_position(), Nano(before.0 - 360 * MM));
    assert_eq!(axis.target_counts(Nano(3_000_000)), 1_200_010);
    assert!((axis.twin().estimate().position - 0.003).abs() < 1.0, "the twin went along");
    assert_eq!(axis.offset(), Nano::ZERO, "whole turns are no part of the offset");
    drive.cycle(&mut axis);
    assert_eq!(axis.rebased(), Nano::ZERO);
    drive.set(POSITION, 1_199_999);
    drive.cycle(&mut axis);
    assert_eq!(axis.rebased(), Nano(360 * MM));
}

#[test]
fn an_endless_axis_is_referenced_within_its_turn() {
    let mut plan = plan();
    plan.wrap = Some(Nano(360 * MM));
    plan.homing = HomingPlan::Here { position: Nano(90 * MM) };
    let (mut axis, mut drive) = (Axis::new(&plan, PERIOD), Drive::new());
    drive.set(POSITION, 12_000_000);
    drive.cycle(&mut axis);
    axis.reference(12_000_000, Nano(90 * MM));
    assert!(axis.is_reference_pending() && !axis.is_referenced());
    drive.cycle(&mut axis);
    assert!(axis.is_referenced());
    assert_eq!(axis.position(), Nano(90 * MM));
    assert_eq!(axis.offset(), Nano(90 * MM), "12 000 000 counts are ten whole turns");
}

#[test]
fn the_stopping_distance_counts_from_the_worse_of_commanded_and_seen() {
    let (mut axis, mut drive) = (Axis::new(&plan(), PERIOD), Drive::new());
    drive.cycle(&mut axis);
    drive.cycle(&mut axis);
    let deceleration = Nano(8000 * MM);
    let at_rest = axis.stopping_distance(deceleration);
    assert_eq!(at_rest, Nano(MM / 10), "the margin");
    // Commanded 400 mm/s, not moving yet.
    axis.commanded(Nano(axis.commanded_position().0 + 400_000_000));
    let commanded = axis.stopping_distance(deceleration);
    // 400 · 6 ms + 400²/16000 + 8000 · (4 ms)² + 0.1 = 12.6
    assert!((commanded.units() - 12.628).abs() < 1e-6, "{commanded:?}");
    // A set-point that is further ahead than the latency explains is still gone to.
    axis.commanded(Nano(axis.commanded_position().0 + 20 * MM));
    axis.commanded(Nano(axis.commanded_position().0 + 400_000_000));
    let ahead = axis.stopping_distance(deceleration);
    assert!((ahead.units() - 12.628 - (20.8 - 2.4)).abs() < 1e-6, "{ahead:?}");
}

#[test]
fn nothing_received_means_nothing_good() {
    let mut axis = Axis::new(&plan(), PERIOD);
    axis.sense(&Signals::new(10), PERIOD);
    let view = axis.view();
    assert!(!view.inputs_good && !view.enabled && !view.follows_target);
    assert_eq!(view.state, AxisState::Disabled);
    assert_eq!(axis.drive_state(), DriveState::Unknown);
}
