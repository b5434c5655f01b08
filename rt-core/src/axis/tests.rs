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
        keeps: None,
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
    // The margin, and three standard deviations of what the observer does not know.
    let unsure = axis.twin().deviation();
    let (still, moving) = (3.0 * unsure.position, 3.0 * unsure.velocity * axis.twin().latency());
    let unsure = still + moving;
    assert!((at_rest.units() - 0.1 - unsure).abs() < 1e-6 && unsure < 0.1, "{at_rest:?}");
    // Commanded 400 mm/s, not moving yet.
    axis.commanded(Nano(axis.commanded_position().0 + 400_000_000));
    let commanded = axis.stopping_distance(deceleration);
    // 400 · 6 ms + 400²/16000 + 8000 · (4 ms)² + 0.1 = 12.6
    assert!((commanded.units() - 12.628 - unsure).abs() < 1e-6, "{commanded:?}");
    // A set-point that is further ahead than the latency explains is still gone to.
    axis.commanded(Nano(axis.commanded_position().0 + 20 * MM));
    axis.commanded(Nano(axis.commanded_position().0 + 400_000_000));
    let ahead = axis.stopping_distance(deceleration);
    assert!((ahead.units() - 12.628 - unsure - (20.8 - 2.4)).abs() < 1e-6, "{ahead:?}");
}

#[test]
// SR-027
fn what_a_drive_sends_while_it_initialises_is_no_position() {
    let (mut axis, mut drive) = (Axis::new(&plan(), PERIOD), Drive::new());
    drive.set(STATUSWORD, 0);
    drive.cycle(&mut axis);
    assert!(!axis.view().inputs_good);
    assert_eq!(axis.drive_state(), DriveState::NotReadyToSwitchOn);
    // Its first position is where it stands; nothing has moved.
    drive.set(STATUSWORD, 0x1237);
    drive.set(POSITION, 10_000);
    drive.cycle(&mut axis);
    assert!(axis.view().inputs_good);
    assert_eq!(axis.position(), Nano(8 * MM));
    // One that initialises in between counts from anywhere: its axis has lost its reference.
    drive.set(STATUSWORD, 0);
    drive.set(POSITION, 0);
    drive.cycle(&mut axis);
    let view = axis.view();
    assert!(!view.inputs_good && !view.referenced && !view.enabled);
    assert_eq!(axis.position(), Nano(8 * MM), "the last that was known");
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

/// 10 000 counts are 3 mm; the encoder shows the same again after 2²⁰ counts = 314.5728 mm; the travel is 0 to 100 mm.
fn keeping() -> AxisPlan {
    let mut plan = plan();
    plan.homing = HomingPlan::Here { position: Nano::ZERO };
    plan.keeps = Some(1 << 20);
    plan.limits.position = Some((Nano(0), Nano(100 * MM)));
    plan
}

/// The axis over a drive that shows `shown` at power-up, with an offset of an earlier homing.
fn kept_at(plan: &AxisPlan, offset: Nano, shown: i64) -> Axis {
    let (mut axis, mut drive) = (Axis::new(plan, PERIOD), Drive::new());
    axis.keep(offset);
    assert!(!axis.is_referenced(), "nothing is known before the first position");
    drive.set(POSITION, shown);
    drive.cycle(&mut axis);
    axis
}

#[test]
fn a_kept_offset_counts_from_the_first_position_on() {
    // Count 200 000 is 10 mm.
    let axis = kept_at(&keeping(), Nano(-50 * MM), 200_000);
    assert!(axis.is_referenced() && axis.keeps_reference());
    assert_eq!(axis.position(), Nano(10 * MM));
    assert_eq!(axis.commanded_position(), Nano(10 * MM));
    assert_eq!((axis.rebased(), axis.offset()), (Nano::ZERO, Nano(-50 * MM)));
    assert_eq!(axis.reference_news(), Some(ReferenceNews::Kept));
    assert_eq!(axis.target_counts(Nano(10 * MM)), 200_000);
}

#[test]
fn an_axis_that_went_through_the_range_of_its_encoder_while_off_is_where_it_is() {
    const RANGE: i64 = 1 << 20;
    // The reference is such that the encoder goes through its range at 40 mm.
    for place in [0, 1, 39, 41, 99, 100] {
        let truth = place * 10_000 / 3;
        let offset = Nano(40 * MM - 3 * MM * RANGE / 10_000);
        let at_homing = truth + RANGE - 400_000 / 3;
        for ranges in -2..=2 {
            let shown = at_homing + ranges * RANGE;
            let axis = kept_at(&keeping(), offset, shown);
            assert!(axis.is_referenced(), "{place} mm, {ranges}");
            let error = axis.position().0 - place * MM;
            assert!(error.abs() <= 600_000, "{place} mm, {ranges}: {error}");
            assert_eq!(axis.target_counts(axis.position()), scale::raw(shown), "the drive stays");
        }
    }
}

#[test]
fn the_drives_32_bits_going_through_their_range_lose_nothing() {
    let mut plan = keeping();
    plan.keeps = Some(1 << 32);
    // Homed beyond 2³¹ counts: in the next run the drive shows the low 32 bits alone.
    let counts = (1_i64 << 31) + 50_000;
    let (mut axis, mut drive) = (Axis::new(&plan, PERIOD), Drive::new());
    drive.set(POSITION, (1 << 31) - 100_000);
    drive.cycle(&mut axis);
    drive.set(POSITION, counts);
    drive.cycle(&mut axis);
    assert_eq!(axis.counts(), Some(counts));
    axis.reference(counts, Nano(20 * MM));
    drive.cycle(&mut axis);
    assert_eq!(axis.position(), Nano(20 * MM));
    assert_eq!(axis.reference_news(), Some(ReferenceNews::Found));
    drive.cycle(&mut axis);
    assert_eq!(axis.reference_news(), None, "told once");
    let again = kept_at(&plan, axis.offset(), counts);
    assert!(again.is_referenced());
    assert_eq!(again.position(), Nano(20 * MM));
}

#[test]
fn a_kept_offset_that_puts_the_axis_outside_its_limits_does_not_count() {
    // Just outside is where a hand may have pushed it: known; further out nothing is.
    let pushed = kept_at(&keeping(), Nano(-10 * MM), 33_000);
    assert!(pushed.is_referenced());
    let lost = kept_at(&keeping(), Nano(150 * MM), 33_000);
    assert!(!lost.is_referenced() && !lost.keeps_reference());
    assert_eq!(lost.reference_news(), Some(ReferenceNews::Refused(Nano(159_900_000_000))));
    assert_eq!(lost.offset(), Nano::ZERO, "as if there had been none");
    assert_eq!(lost.position(), Nano(9_900_000_000));
}

#[test]
fn an_endless_axis_finds_its_place_within_the_turn_whatever_the_encoder_counts() {
    let mut plan = keeping();
    plan.limits.position = None;
    plan.wrap = Some(Nano(300 * MM));
    // A turn is a million counts, the range of the encoder four of them.
    plan.keeps = Some(4_000_000);
    for turns in -3..=3 {
        let axis = kept_at(&plan, Nano(90 * MM), 100_000 + turns * 4_000_000);
        assert!(axis.is_referenced());
        assert_eq!(axis.position(), Nano(120 * MM));
    }
}

#[test]
fn an_offset_that_comes_too_late_is_not_taken() {
    let mut axis = kept_at(&keeping(), Nano(-50 * MM), 200_000);
    axis.keep(Nano(0));
    let mut drive = Drive::new();
    drive.set(POSITION, 200_000);
    drive.cycle(&mut axis);
    assert_eq!(axis.position(), Nano(10 * MM));
}

#[test]
fn homing_again_is_told_even_if_the_axis_had_a_reference() {
    let mut plan = keeping();
    plan.keeps = None;
    let (mut axis, mut drive) = (Axis::new(&plan, PERIOD), Drive::new());
    drive.cycle(&mut axis);
    for position in [Nano(0), Nano(7 * MM)] {
        axis.reference(0, position);
        drive.cycle(&mut axis);
        assert_eq!(axis.reference_news(), Some(ReferenceNews::Found));
        assert_eq!(axis.offset(), position);
    }
}

#[test]
fn a_drive_that_was_switched_on_anew_has_no_reference_until_it_is_homed_again() {
    // Given an axis that was homed here, at 7 mm.
    let mut plan = plan();
    plan.homing = HomingPlan::Here { position: Nano(7 * MM) };
    let (mut axis, mut drive) = (Axis::new(&plan, PERIOD), Drive::new());
    drive.set(POSITION, 20_000);
    drive.cycle(&mut axis);
    axis.reference(20_000, Nano(7 * MM));
    drive.cycle(&mut axis);
    assert!(axis.is_referenced());
    let before = axis.twin().estimate().velocity;
    // When its drive loses its supply, that is no reason yet: the cable may have been pulled.
    for id in [STATUSWORD, POSITION] {
        drive.signals.age(id);
    }
    drive.cycle(&mut axis);
    assert!(axis.is_referenced());
    // Switched on anew it counts from 0.
    for id in [STATUSWORD, POSITION] {
        drive.signals.forget(id);
    }
    drive.cycle(&mut axis);
    assert!(!axis.is_referenced() && !axis.is_enabled());
    drive.set(STATUSWORD, 0x1250);
    drive.set(POSITION, 0);
    drive.cycle(&mut axis);
    drive.cycle(&mut axis);
    // Then it has none, stands where it stands, and did not move there.
    assert!(!axis.is_referenced());
    assert_eq!(axis.commanded_position(), axis.position());
    let velocity = axis.twin().estimate().velocity;
    assert!((velocity - before).abs() < 1e-3, "{velocity}");
}

#[test]
fn an_absolute_encoder_is_looked_at_again_when_its_drive_was_switched_on_anew() {
    let plan = keeping();
    let (mut axis, mut drive) = (Axis::new(&plan, PERIOD), Drive::new());
    axis.keep(Nano(5 * MM));
    drive.set(POSITION, 10_000);
    drive.cycle(&mut axis);
    assert!(axis.is_referenced());
    let at = axis.position();
    drive.signals.forget(POSITION);
    drive.cycle(&mut axis);
    assert!(!axis.is_referenced(), "nothing is known meanwhile");
    // Its 32 bits went through their range; the encoder shows the same place.
    drive.set(POSITION, 10_000 + (1 << 20));
    drive.cycle(&mut axis);
    assert!(axis.is_referenced());
    assert_eq!(axis.reference_news(), Some(ReferenceNews::Kept));
    assert!((axis.position().0 - at.0).abs() < 1_000, "{:?} {at:?}", axis.position());
}
