//! Homing over an ideal drive with switches and an index pulse.

use super::*;
use crate::axis::ReferenceNews;
use crate::axis::homing::Failure;

const AXIS: AxisId = AxisId(0);

/// The switch from 200 to 210 mm, limits at −50 and 400, an index pulse each 10 mm, at 3 mm: counts are µm.
const HARDWARE: Hardware = Hardware {
    reference: (200_000_000, 210_000_000),
    limits: (-50_000_000, 400_000_000),
    index: (10_000_000, 3_000_000),
};

fn homing(positive: bool) -> HomingPlan {
    HomingPlan::SwitchIndex {
        positive,
        velocity_search: mm(40.0),
        velocity_latch: mm(4.0),
        position: mm(7.0),
        index_counts_max: 12_500_000,
        timeout_ns: 60_000_000_000,
    }
}

fn axis_at(plan: HomingPlan, start: i32, probe: bool) -> Cell {
    let mut axis = axis_plan(0, 0);
    axis.homing = plan;
    if !probe {
        axis.signals.touch_probe_position = None;
    }
    let mut cell = Cell::new(vec![axis]);
    cell.hardware = Some(HARDWARE);
    cell.enabled[0] = false;
    cell.counts[0] = start;
    cell.run(500);
    cell.enabled[0] = true;
    cell.run(3);
    cell.trace[0].clear();
    cell
}

/// Homes and says at which count of the drive the reference was found to be `position`.
fn home(cell: &mut Cell) -> i64 {
    cell.ask(Request::Home { axis: AXIS });
    cell.cycle();
    assert_eq!(cell.axes[0].state(), AxisState::Homing);
    assert!(!cell.axes[0].is_referenced());
    cell.until_done(0);
    cell.check_trace();
    cell.cycle();
    assert!(cell.axes[0].is_referenced());
    assert_eq!(cell.axes[0].state(), AxisState::Standstill);
    (mm(7.0).0 - cell.axes[0].offset().0) / 1000
}

#[test]
fn from_before_the_switch_the_index_before_it_is_found_exactly() {
    // Towards positive, back off towards negative: the first pulse below 200 mm is at 193.
    let mut cell = axis_at(homing(true), 100_000_000, true);
    assert_eq!(home(&mut cell), 193_000_000);
}

#[test]
fn from_on_the_switch_it_backs_off_at_once() {
    let mut cell = axis_at(homing(true), 205_000_000, true);
    assert_eq!(home(&mut cell), 193_000_000);
}

#[test]
fn from_beyond_the_switch_it_turns_round_at_the_limit_and_comes_from_the_same_side() {
    let mut cell = axis_at(homing(true), 390_000_000, true);
    assert_eq!(home(&mut cell), 193_000_000);
}

#[test]
fn towards_negative_the_other_side_of_the_switch_counts() {
    let mut cell = axis_at(homing(false), 300_000_000, true);
    assert_eq!(home(&mut cell), 213_000_000);
}

#[test]
fn a_switch_that_is_run_over_is_found_again() {
    // Given a switch of 0.05 mm, passed in a little more than one cycle at 40 mm/s,
    let mut cell = axis_at(homing(true), 100_000_000, true);
    let narrow = Hardware { reference: (200_000_000, 200_050_000), ..HARDWARE };
    cell.hardware = Some(narrow);
    // then the pulse below it is found all the same.
    assert_eq!(home(&mut cell), 193_000_000);
}

#[test]
fn without_a_latch_the_place_is_where_the_pulse_was_seen() {
    let mut cell = axis_at(homing(true), 100_000_000, false);
    let found = home(&mut cell);
    // One cycle at 4 mm/s is 4 µm.
    assert!((192_996_000..=193_000_000).contains(&found), "{found}");
}

#[test]
fn positions_move_to_the_new_frame_without_a_jump_of_the_drive() {
    let mut cell = axis_at(homing(true), 100_000_000, true);
    home(&mut cell);
    let counts = cell.counts[0];
    let place = cell.axes[0].position();
    assert_eq!(place.0, mm(7.0).0 + (i64::from(counts) - 193_000_000) * 1000);
    cell.run(10);
    assert_eq!(cell.counts[0], counts);
    cell.ask(linear(&[7.0], 40.0));
    cell.until_done(0);
    assert_eq!(cell.counts[0], 193_000_000);
}

#[test]
fn a_switch_that_is_not_there_fails_at_the_second_limit_and_needs_a_reset() {
    let mut cell = axis_at(homing(true), 100_000_000, true);
    cell.hardware = Some(Hardware { reference: (1_000_000_000, 1_000_000_000), ..HARDWARE });
    cell.ask(Request::Home { axis: AXIS });
    cell.run(30_000);
    assert_eq!(cell.axes[0].state(), AxisState::ErrorStop);
    assert!(!cell.motion.done(AXIS) && !cell.axes[0].is_referenced());
    assert_eq!(cell.axes[0].commanded_velocity(), 0.0);
    cell.check_trace();
    let refused = cell.motion.request(Request::Home { axis: AXIS }, &cell.axes);
    assert!(matches!(refused, Err(Refused::State { .. })));
    assert!(cell.axes[0].apply(AxisEvent::Reset { powered: true }));
    cell.hardware = Some(HARDWARE);
    assert_eq!(home(&mut cell), 193_000_000);
}

#[test]
fn an_index_that_does_not_come_within_a_turn_fails_there_and_says_so() {
    // Given an encoder whose index wire is off: the pulse would come each metre,
    let mut cell = axis_at(homing(true), 100_000_000, true);
    cell.hardware = Some(Hardware { index: (1_000_000_000, 50_000_000), ..HARDWARE });
    // when the axis is homed,
    cell.ask(Request::Home { axis: AXIS });
    let mut news = None;
    for _ in 0..30_000 {
        cell.cycle();
        news = news.or(cell.axes[0].reference_news());
    }
    // then it fails, and neither at the limit nor after a minute:
    assert_eq!(news, Some(ReferenceNews::NotFound(Failure::NoIndex)));
    assert_eq!(cell.axes[0].state(), AxisState::ErrorStop);
    assert!(!cell.axes[0].is_referenced());
    // one turn and a quarter off the switch, and what it takes to stop.
    let gone = 200_000_000 - cell.counts[0];
    assert!((12_500_000..13_000_000).contains(&gone), "{gone}");
    cell.check_trace();
    // And an index at the end of the turn is found.
    assert!(cell.axes[0].apply(AxisEvent::Reset { powered: true }));
    cell.hardware = Some(Hardware { index: (100_000_000, 88_000_000), ..HARDWARE });
    assert_eq!(home(&mut cell), 188_000_000);
}

#[test]
fn it_gives_up_after_its_time() {
    let mut plan = homing(true);
    if let HomingPlan::SwitchIndex { timeout_ns, .. } = &mut plan {
        *timeout_ns = 500_000_000;
    }
    let mut cell = axis_at(plan, 100_000_000, true);
    cell.ask(Request::Home { axis: AXIS });
    cell.run(490);
    assert_eq!(cell.axes[0].state(), AxisState::Homing);
    cell.run(20);
    assert_eq!(cell.axes[0].state(), AxisState::ErrorStop);
    cell.check_trace();
}

#[test]
fn no_permit_ends_homing_where_it_is() {
    let mut cell = axis_at(homing(true), 100_000_000, true);
    cell.ask(Request::Home { axis: AXIS });
    cell.run(500);
    cell.permit.motion = false;
    cell.run(300);
    assert_eq!(cell.axes[0].state(), AxisState::Standstill);
    cell.permit.motion = true;
    cell.run(300);
    assert!(!cell.axes[0].is_referenced() && !cell.motion.done(AXIS));
    // It was the gate's to bring it to rest: here nobody did.
    cell.trace[0].clear();
    assert_eq!(home(&mut cell), 193_000_000);
}

#[test]
fn a_speed_limit_holds_while_homing_too() {
    let mut cell = axis_at(homing(true), 100_000_000, true);
    cell.permit.speed_limit = mm(10.0);
    cell.ask(Request::Home { axis: AXIS });
    cell.run(1000);
    assert!((cell.axes[0].commanded_velocity() - 10.0).abs() < 1e-5);
}

#[test]
fn here_waits_for_nothing_but_standstill_and_a_kept_offset_is_good_from_the_start() {
    let mut cell = axis_at(HomingPlan::Here { position: mm(7.0) }, 100_000_000, true);
    assert!(!cell.axes[0].is_referenced());
    cell.ask(Request::Home { axis: AXIS });
    cell.until_done(0);
    cell.cycle();
    assert!(cell.axes[0].is_referenced());
    assert_eq!(cell.axes[0].position(), mm(7.0));
    assert_eq!(cell.counts[0], 100_000_000, "nothing moved");
    let kept = HomingPlan::Kept { offset: mm(60.0) };
    let kept = axis_at(kept, 100_000_000, true);
    assert!(kept.axes[0].is_referenced());
    assert_eq!(kept.axes[0].position(), mm(160.0));
}

#[test]
fn an_axis_that_keeps_its_reference_is_homed_only_when_it_has_none() {
    let mut plan = axis_plan(0, 0);
    plan.homing = homing(true);
    plan.keeps = Some(1 << 32);
    let started = |kept: Option<Nano>| {
        let mut cell = Cell::new(vec![plan.clone()]);
        cell.hardware = Some(HARDWARE);
        cell.axes[0] = Axis::new(&plan, PERIOD);
        if let Some(offset) = kept {
            cell.axes[0].keep(offset);
        }
        cell.enabled[0] = false;
        cell.counts[0] = 100_000_000;
        cell.run(3);
        cell.enabled[0] = true;
        cell.run(3);
        cell.trace[0].clear();
        cell
    };
    let mut cell = started(Some(mm(-60.0)));
    assert!(cell.axes[0].is_referenced());
    cell.ask(Request::Home { axis: AXIS });
    cell.until_done(0);
    cell.run(3);
    assert!(cell.axes[0].is_referenced());
    assert_eq!(cell.axes[0].position(), mm(40.0), "as it was kept");
    assert_eq!(cell.counts[0], 100_000_000, "nothing moved");

    let mut cell = started(None);
    assert!(!cell.axes[0].is_referenced());
    assert_eq!(home(&mut cell), 193_000_000, "without one it is found");
}

#[test]
fn an_offset_of_the_machine_file_that_does_not_fit_fails_homing() {
    let mut plan = axis_plan(0, 0);
    plan.homing = HomingPlan::Kept { offset: mm(-6000.0) };
    let mut cell = Cell::new(vec![plan]);
    cell.run(3);
    assert!(!cell.axes[0].is_referenced(), "outside the soft limits");
    cell.ask(Request::Home { axis: AXIS });
    cell.run(3);
    assert_eq!(cell.axes[0].state(), AxisState::ErrorStop);
    assert!(!cell.axes[0].is_referenced());
}
