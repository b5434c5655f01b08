//! Motion over ideal drives: what is commanded is where the axis is one cycle later.

extern crate std;
mod any;
mod homing;

use super::*;
use crate::plan::*;
use crate::program::Request;
use crate::signal::{SignalId, Signals};
use std::vec;
use std::vec::Vec;

const PERIOD: u64 = 1_000_000;
const ENABLED: i64 = 0x1237;
const FREE: GroupPermit = GroupPermit { motion: true, speed_limit: Nano::MAX };

fn mm(value: f64) -> Nano {
    Nano::from_units(value).expect("finite")
}

fn limits() -> AxisLimits {
    AxisLimits {
        position: Some((mm(-10.0), mm(1000.0))),
        velocity: mm(500.0),
        acceleration: mm(5000.0),
        jerk: mm(100_000.0),
        velocity_unreferenced: mm(50.0),
        following_error: mm(5.0),
        direction: Directions::BOTH,
        torque_permille: None,
    }
}

fn axis_plan(index: u16, group: u8) -> AxisPlan {
    let signal = |n: u16| SignalId(index * 8 + n);
    let base = crate::step::testing::axis_plan(0);
    AxisPlan {
        group: GroupId(group),
        signals: AxisSignals {
            controlword: signal(0),
            target_position: signal(1),
            mode: None,
            statusword: signal(2),
            actual_position: signal(3),
            mode_display: None,
            actual_torque: None,
            following_error: None,
            error_code: None,
            digital_inputs: Some(signal(4)),
            touch_probe_position: Some(signal(5)),
        },
        // A nano-unit is 1 count, so that the ideal drive hides nothing; 2³¹ of them are 2147 mm.
        counts_per_unit: Ratio { numerator: 1_000_000, denominator: 1 },
        limits: limits(),
        homing: HomingPlan::Kept { offset: Nano::ZERO },
        keeps: None,
        ..base
    }
}

fn machine(axes: Vec<AxisPlan>) -> MachinePlan {
    let groups = axes.iter().map(|axis| axis.group.0).max().map_or(0, |last| last + 1);
    let members = |group: u8| {
        let ids = axes.iter().enumerate().filter(|(_, axis)| axis.group.0 == group);
        let ids = ids.map(|(index, _)| AxisId(u8::try_from(index).expect("few")));
        GroupPlan { axes: ids.collect(), stop: GroupStop::default() }
    };
    MachinePlan {
        period_ns: PERIOD,
        config_hash: 0,
        signal_count: 64,
        groups: (0..groups).map(members).collect(),
        axes: axes.into_boxed_slice(),
        interlocks: Box::new([]),
        parts: Box::new([]),
        inspections: Box::new([]),
        streams: Box::new([]),
        outputs: Box::new([]),
        control: ControlPlan {
            reset: SignalId(60),
            start: SignalId(61),
            stop: None,
            press_min_ns: 1,
            press_max_ns: 2,
        },
        mode: None,
        overrun: OverrunPlan { demand: None },
        program: ProgramPlan::default(),
        twin: None,
    }
}

/// What the drive's inputs see, all in counts of the drive.
#[derive(Clone, Copy)]
struct Hardware {
    reference: (i32, i32),
    limits: (i32, i32),
    /// Counts from one index pulse to the next, and where one is.
    index: (i32, i32),
}

impl Hardware {
    fn turn(&self, counts: i32) -> i32 {
        (counts - self.index.1).div_euclid(self.index.0)
    }

    /// 0x60FD, and 0x60BA if a pulse was passed on the way.
    fn sense(&self, before: i32, now: i32) -> (i64, Option<i64>) {
        let between = |range: (i32, i32)| (range.0..=range.1).contains(&now);
        let pulse = self.turn(before).max(self.turn(now)) * self.index.0 + self.index.1;
        let passed = self.turn(before) != self.turn(now);
        let bits = i64::from(now <= self.limits.0)
            | i64::from(now >= self.limits.1) << 1
            | i64::from(between(self.reference)) << 2
            | i64::from(passed) << 16;
        (bits, passed.then_some(i64::from(pulse)))
    }
}

/// A machine of ideal drives: `trace` has each axis' commanded positions, unwrapped.
struct Cell {
    axes: Vec<Axis>,
    motion: Motion,
    signals: Signals,
    permit: GroupPermit,
    enabled: Vec<bool>,
    counts: Vec<i32>,
    sensed: Vec<i32>,
    hardware: Option<Hardware>,
    trace: Vec<Vec<f64>>,
    turned: Vec<i64>,
    now: u64,
}

impl Cell {
    fn new(plans: Vec<AxisPlan>) -> Self {
        let plan = machine(plans);
        let count = plan.axes.len();
        let mut cell = Self {
            axes: plan.axes.iter().map(|axis| Axis::new(axis, PERIOD)).collect(),
            motion: Motion::new(&plan),
            signals: Signals::new(64),
            permit: FREE,
            enabled: vec![true; count],
            counts: vec![0; count],
            sensed: vec![0; count],
            hardware: None,
            trace: vec![Vec::new(); count],
            turned: vec![0; count],
            now: PERIOD,
        };
        cell.run(3);
        cell
    }

    fn cycle(&mut self) {
        self.now += PERIOD;
        for (index, axis) in self.axes.iter_mut().enumerate() {
            let ids = axis.plan().signals;
            let statusword = if self.enabled[index] { ENABLED } else { 0x1240 };
            self.signals.set(ids.statusword, statusword, self.now);
            self.signals.set(ids.actual_position, i64::from(self.counts[index]), self.now);
            let counts = self.counts[index];
            let hardware = self.hardware.map(|all| all.sense(self.sensed[index], counts));
            self.sensed[index] = counts;
            let (switches, probe) = hardware.unwrap_or((0, Some(0)));
            if let Some(id) = ids.digital_inputs {
                self.signals.set(id, switches, self.now);
            }
            if let (Some(id), Some(probe)) = (ids.touch_probe_position, probe) {
                self.signals.set(id, probe, self.now);
            }
            axis.sense(&self.signals, self.now);
            self.turned[index] -= axis.rebased().0;
        }
        let permits = vec![self.permit; 4];
        self.motion.advance(&mut self.axes, &permits, self.now);
        for (index, axis) in self.axes.iter_mut().enumerate() {
            let id = AxisId(u8::try_from(index).expect("few"));
            let position = self.motion.set_point(id).position;
            axis.commanded(position);
            self.counts[index] = axis.target_counts(position);
            self.trace[index].push(Nano(position.0 + self.turned[index]).units());
        }
    }

    fn run(&mut self, cycles: usize) {
        for _ in 0..cycles {
            self.cycle();
        }
    }

    fn ask(&mut self, request: Request) {
        self.motion.request(request, &self.axes).expect("a good request");
    }

    fn until_done(&mut self, axis: u8) -> usize {
        for cycles in 1..100_000 {
            self.cycle();
            if self.motion.done(AxisId(axis)) {
                return cycles;
            }
        }
        panic!("never done: {:?}", self.axes[usize::from(axis)].view());
    }

    /// Every limit of every axis holds in what was commanded, by differences of positions alone.
    fn check_trace(&self) {
        let period = 1e-3;
        for (axis, trace) in self.axes.iter().zip(&self.trace) {
            let limits = axis.plan().limits;
            let difference = |values: &[f64]| -> Vec<f64> {
                values.windows(2).map(|pair| (pair[1] - pair[0]) / period).collect()
            };
            let velocity = difference(trace);
            let acceleration = difference(&velocity);
            let jerk = difference(&acceleration);
            let within = |values: &[f64], limit: Nano, rounding: f64| {
                let worst = values.iter().fold(0.0_f64, |worst, value| worst.max(value.abs()));
                assert!(worst <= limit.units() + rounding, "{worst} > {limit:?}");
            };
            within(&velocity, limits.velocity, 1e-5);
            within(&acceleration, limits.acceleration, 1e-2);
            within(&jerk, limits.jerk, 20.0);
        }
    }
}

fn linear(target: &[f64], velocity: f64) -> Request {
    let mut points = [None; GROUP_AXES_MAX];
    for (point, value) in points.iter_mut().zip(target) {
        *point = Some(mm(*value));
    }
    Request::MoveLinear { group: GroupId(0), target: points, velocity: mm(velocity) }
}

fn two_axes() -> Cell {
    Cell::new(vec![axis_plan(0, 0), axis_plan(1, 0)])
}

#[test]
fn a_group_moves_on_a_straight_line_and_ends_exactly_where_asked() {
    let mut cell = two_axes();
    cell.ask(linear(&[300.0, 100.0], 1000.0));
    cell.until_done(0);
    assert!(cell.motion.done(AxisId(1)) && cell.motion.group_done(GroupId(0)));
    assert_eq!(cell.motion.set_point(AxisId(0)).position, mm(300.0));
    assert_eq!(cell.motion.set_point(AxisId(1)).position, mm(100.0));
    for (x, y) in cell.trace[0].iter().zip(&cell.trace[1]) {
        assert!((x - 3.0 * y).abs() < 1e-7, "off the line: {x} {y}");
    }
    cell.check_trace();
    assert_eq!(cell.axes[0].state(), AxisState::Standstill);
}

#[test]
fn a_speed_limit_is_come_down_to_on_the_line_and_left_again() {
    let mut cell = two_axes();
    cell.ask(linear(&[400.0, 300.0], 400.0));
    cell.run(300);
    cell.permit.speed_limit = mm(50.0);
    cell.run(300);
    let last = cell.trace[0].len() - 1;
    let velocity = (cell.trace[0][last] - cell.trace[0][last - 1]) * 1000.0;
    assert!((velocity - 40.0).abs() < 1e-3, "{velocity}");
    cell.permit.speed_limit = Nano::ZERO;
    cell.run(300);
    assert_eq!(cell.axes[0].commanded_velocity(), 0.0);
    assert!(!cell.motion.done(AxisId(0)));
    cell.permit.speed_limit = Nano::MAX;
    cell.until_done(0);
    assert_eq!(cell.motion.set_point(AxisId(0)).position, mm(400.0));
    for (x, y) in cell.trace[0].iter().zip(&cell.trace[1]) {
        assert!((3.0 * x - 4.0 * y).abs() < 1e-6, "off the line: {x} {y}");
    }
    cell.check_trace();
}

#[test]
fn a_limit_that_changes_in_every_cycle_never_breaks_the_others() {
    let mut cell = two_axes();
    cell.ask(linear(&[900.0, -5.0], 500.0));
    let mut seed = 1_u64;
    for _ in 0..40_000 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let limit = i64::try_from(seed >> 55).expect("small");
        cell.permit.speed_limit =
            if limit < 128 { Nano::ZERO } else { Nano(limit * 1_000_000_000) };
        cell.cycle();
        if cell.motion.done(AxisId(0)) {
            break;
        }
    }
    assert_eq!(cell.motion.set_point(AxisId(0)).position, mm(900.0));
    assert_eq!(cell.motion.set_point(AxisId(1)).position, mm(-5.0));
    cell.check_trace();
}

#[test]
fn without_permit_everything_is_forgotten_and_must_be_asked_again() {
    let mut cell = two_axes();
    cell.ask(linear(&[300.0, 100.0], 100.0));
    cell.run(300);
    cell.permit.motion = false;
    cell.cycle();
    let held = cell.motion.set_point(AxisId(0)).position;
    assert_eq!(cell.axes[0].state(), AxisState::Stopping);
    assert_eq!(cell.motion.request(linear(&[0.0], 1.0), &cell.axes), Err(Refused::NoPermit));
    cell.run(200);
    assert_eq!(cell.axes[0].state(), AxisState::Standstill);
    cell.permit.motion = true;
    cell.run(100);
    assert_eq!(cell.motion.set_point(AxisId(0)).position, held);
    assert!(!cell.motion.done(AxisId(0)));
    cell.ask(linear(&[0.0, 0.0], 100.0));
    cell.until_done(0);
    assert_eq!(cell.motion.set_point(AxisId(0)).position, Nano::ZERO);
}

#[test]
fn when_the_gate_overrides_motion_follows_until_the_group_stands() {
    let mut cell = two_axes();
    cell.ask(linear(&[300.0, 100.0], 100.0));
    cell.run(300);
    cell.motion.follow(AxisId(1), mm(7.5));
    assert_eq!(cell.motion.set_point(AxisId(1)).position, mm(7.5));
    cell.axes[1].commanded(mm(7.5));
    cell.cycle();
    assert_eq!(cell.motion.set_point(AxisId(1)).position, mm(7.5));
    assert_eq!(cell.axes[0].state(), AxisState::Stopping);
    let refused = cell.motion.request(linear(&[0.0], 1.0), &cell.axes);
    assert_eq!(refused, Err(Refused::NoPermit));
    cell.run(300);
    cell.ask(linear(&[0.0, 0.0], 100.0));
    cell.until_done(0);
}

/// An axis that sags as its brake lets go is in `Standstill` and does not stand: what it is asked then must not be forgotten.
#[test]
fn what_would_be_forgotten_is_refused() {
    let mut cell = two_axes();
    cell.cycle();
    for sag in [-40_000, -80_000] {
        let held = cell.motion.set_point(AxisId(1)).position;
        cell.motion.follow(AxisId(1), held);
        cell.counts[1] = sag;
        cell.cycle();
        assert_eq!(cell.axes[1].state(), AxisState::Standstill);
    }
    assert!(!cell.axes[1].is_standing());
    let asked = linear(&[100.0, 50.0], 100.0);
    assert_eq!(cell.motion.request(asked, &cell.axes), Err(Refused::NoPermit));
    cell.run(100);
    cell.ask(asked);
    cell.until_done(0);
}

#[test]
fn without_power_the_set_point_is_where_the_axis_is() {
    let mut cell = two_axes();
    cell.ask(linear(&[300.0, 100.0], 100.0));
    cell.run(300);
    cell.enabled[0] = false;
    cell.cycle();
    for place in [123_000_000, 456_000_000] {
        cell.counts[0] = place;
        cell.cycle();
        assert_eq!(cell.motion.set_point(AxisId(0)).position, Nano(i64::from(place) * 1000));
    }
    cell.run(300);
    assert_eq!(cell.axes[0].state(), AxisState::Disabled);
    assert_eq!(cell.axes[1].state(), AxisState::Standstill, "its group came to rest");
    cell.enabled[0] = true;
    cell.run(2);
    assert_eq!(cell.axes[0].state(), AxisState::Standstill);
    assert_eq!(cell.motion.set_point(AxisId(0)).position, mm(456.0));
}

#[test]
fn a_new_line_replaces_the_old_one_within_all_limits() {
    let mut cell = two_axes();
    cell.ask(linear(&[900.0, 0.0], 500.0));
    cell.run(200);
    cell.ask(linear(&[0.0, 300.0], 500.0));
    assert!(!cell.motion.group_done(GroupId(0)));
    cell.until_done(0);
    assert_eq!(cell.motion.set_point(AxisId(0)).position, mm(0.0));
    assert_eq!(cell.motion.set_point(AxisId(1)).position, mm(300.0));
    cell.check_trace();
}

#[test]
fn a_halt_comes_to_rest_where_it_can_and_is_done_then() {
    let mut cell = two_axes();
    cell.ask(linear(&[900.0, 0.0], 500.0));
    cell.run(300);
    cell.ask(Request::Halt { group: GroupId(0) });
    let cycles = cell.until_done(0);
    assert!((100..200).contains(&cycles), "500 mm/s at 5000 mm/s²: {cycles}");
    let held = cell.motion.set_point(AxisId(0)).position;
    assert!(held < mm(500.0));
    cell.run(100);
    assert_eq!(cell.motion.set_point(AxisId(0)).position, held);
    cell.check_trace();
}

fn conveyor() -> Cell {
    let mut plan = axis_plan(0, 0);
    plan.wrap = Some(mm(100.0));
    plan.limits.position = None;
    Cell::new(vec![plan])
}

#[test]
fn a_conveyor_turns_over_its_wrap_and_past_the_drives_counter_without_drifting() {
    let mut cell = conveyor();
    // A third of a mm/s is no whole number of nano-units a cycle.
    let velocity = Nano(333_333_333_333);
    cell.ask(Request::MoveVelocity { axis: AxisId(0), velocity });
    cell.until_done(0);
    let start = cell.trace[0].len();
    let cycles = 20_000;
    cell.run(cycles);
    let moved = cell.trace[0][start + cycles - 1] - cell.trace[0][start - 1];
    assert!((moved - 333.333_333_333 * 20.0).abs() < 1e-6, "{moved}");
    assert!(moved > 2.0 * 2147.5, "past 2³¹ counts and back");
    let position = cell.axes[0].view().position;
    assert!((0.0..100.0).contains(&position), "{position}");
    cell.check_trace();
    cell.ask(Request::MoveVelocity { axis: AxisId(0), velocity: Nano::ZERO });
    cell.until_done(0);
    assert_eq!(cell.axes[0].state(), AxisState::Standstill);
    cell.check_trace();
}

#[test]
fn a_velocity_changes_on_the_fly_and_bows_to_the_speed_limit() {
    let mut cell = conveyor();
    cell.ask(Request::MoveVelocity { axis: AxisId(0), velocity: mm(400.0) });
    cell.run(57);
    cell.ask(Request::MoveVelocity { axis: AxisId(0), velocity: mm(-200.0) });
    cell.until_done(0);
    cell.cycle();
    assert!((cell.axes[0].commanded_velocity() + 200.0).abs() < 1e-5);
    cell.permit.speed_limit = mm(20.0);
    cell.run(300);
    assert!((cell.axes[0].commanded_velocity() + 20.0).abs() < 1e-5);
    assert!(!cell.motion.done(AxisId(0)), "not at the velocity that was asked");
    cell.check_trace();
}

#[test]
fn an_endless_axis_moves_by_more_than_a_turn_and_takes_the_short_way_to_a_place() {
    let mut cell = conveyor();
    let distance = mm(250.0);
    cell.ask(Request::MoveRelative { axis: AxisId(0), distance, velocity: mm(500.0) });
    cell.until_done(0);
    cell.run(2);
    assert!((cell.trace[0].last().expect("some") - 250.0).abs() < 1e-9);
    assert_eq!(cell.axes[0].position(), mm(50.0));
    cell.ask(linear(&[95.0], 500.0));
    cell.until_done(0);
    assert!((cell.trace[0].last().expect("some") - 295.0).abs() < 1e-9);
    cell.ask(linear(&[5.0], 500.0));
    cell.until_done(0);
    assert!((cell.trace[0].last().expect("some") - 305.0).abs() < 1e-9);
    cell.check_trace();
}

#[test]
fn what_cannot_be_done_is_refused_and_changes_nothing() {
    let mut cell = two_axes();
    let axis = AxisId(0);
    let refused = |cell: &mut Cell, request| cell.motion.request(request, &cell.axes).unwrap_err();
    let too_far = linear(&[1000.1, 0.0], 10.0);
    assert_eq!(refused(&mut cell, too_far), Refused::OutOfLimits { axis });
    let still = linear(&[1.0, 0.0], 0.0);
    assert_eq!(refused(&mut cell, still), Refused::Velocity);
    assert_eq!(refused(&mut cell, linear(&[1.0, 1.0, 1.0], 1.0)), Refused::Unknown);
    let unknown = Request::MoveVelocity { axis: AxisId(9), velocity: mm(1.0) };
    assert_eq!(refused(&mut cell, unknown), Refused::Unknown);
    let beyond = Request::MoveRelative { axis, distance: mm(-11.0), velocity: mm(1.0) };
    assert_eq!(refused(&mut cell, beyond), Refused::OutOfLimits { axis });
    let output = Request::Output { signal: SignalId(0), value: 1 };
    assert_eq!(refused(&mut cell, output), Refused::Unknown);
    cell.enabled[0] = false;
    cell.cycle();
    let state = AxisState::Disabled;
    assert_eq!(refused(&mut cell, linear(&[1.0], 1.0)), Refused::State { axis, state });
    assert_eq!(refused(&mut cell, Request::Home { axis }), Refused::State { axis, state });
    cell.run(10);
    assert_eq!(cell.motion.set_point(AxisId(1)).position, Nano::ZERO);
}

#[test]
fn an_axis_without_reference_goes_to_no_place_but_creeps() {
    let mut plan = axis_plan(0, 0);
    plan.homing = HomingPlan::Here { position: mm(20.0) };
    let mut cell = Cell::new(vec![plan]);
    let axis = AxisId(0);
    let refused = cell.motion.request(linear(&[1.0], 1.0), &cell.axes);
    assert_eq!(refused, Err(Refused::NotReferenced { axis }));
    cell.ask(Request::MoveVelocity { axis, velocity: mm(400.0) });
    cell.run(500);
    assert!((cell.axes[0].commanded_velocity() - 50.0).abs() < 1e-5);
    cell.ask(Request::MoveVelocity { axis, velocity: Nano::ZERO });
    cell.until_done(0);
    cell.ask(Request::Home { axis });
    cell.until_done(0);
    cell.cycle();
    assert!(cell.axes[0].is_referenced());
    assert_eq!(cell.axes[0].position(), mm(20.0));
    assert_eq!(cell.motion.set_point(axis).position, mm(20.0));
    cell.check_trace();
}
