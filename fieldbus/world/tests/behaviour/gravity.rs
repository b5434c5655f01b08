//! A vertical axis: gravity, drive and brake.

use crate::rig::{MS, S, hold, run, world};
use world::{AxisPhysics, Brake, BrakeOutput, Nominal, ServoDrive, World, WorldPlan};

pub(crate) const BRAKE: Brake = Brake { holding_nm: 1.6, engage_ns: 40 * MS, release_ns: 25 * MS };
/// Of the load, at the motor shaft.
const GRAVITY_NM: f64 = 0.5;

pub(crate) fn vertical() -> AxisPhysics {
    AxisPhysics::from_nominal(&Nominal {
        gravity_nm: GRAVITY_NM,
        brake: Some(BRAKE),
        start_position: 300.0,
        ..Nominal::default()
    })
}

pub(crate) fn position(world: &World) -> f64 {
    world.axis(0).unwrap().position
}

#[test]
fn a_vertical_load_is_held_by_the_drive_against_gravity() {
    let axis = vertical();
    let mut world = world(&[axis]);
    world.servo_command(0, &hold(&axis, 300.0));
    run(&mut world, 2 * S);
    assert!((position(&world) - 300.0).abs() < 0.1);
    assert!(!world.axis(0).unwrap().brake_holds);
    // The torque is gravity's, but for what friction takes over.
    let torque = f64::from(world.servo_feedback(0).torque_permille) * 1e-3 * axis.rated_torque_nm;
    assert!((torque - GRAVITY_NM).abs() < 0.11, "{torque} N m");
}

#[test]
fn a_closed_brake_holds_without_power() {
    let axis = vertical();
    let mut world = world(&[axis]);
    run(&mut world, S);
    let settled = position(&world);
    run(&mut world, 60 * S);
    assert!((settled - 300.0).abs() < 0.2);
    assert!((position(&world) - settled).abs() < 1e-6, "creeps from {settled}");
    assert!(world.axis(0).unwrap().brake_holds);
}

#[test]
fn an_overloaded_brake_slips_as_the_excess_says() {
    // Given a brake of 0.3 N m under 0.5 N m, and friction of 0.08 N m,
    let weak = Brake { holding_nm: 0.3, ..BRAKE };
    let axis = AxisPhysics { brake: Some(weak), ..vertical() };
    let mut world = world(&[axis]);
    run(&mut world, 200 * MS);
    // then it falls with what is left: 0.12 N m over the inertia (less viscous friction).
    let expected = 0.5 * (0.12 / 1.2e-4) * 0.2 * 0.2 * axis.units_per_radian;
    let fallen = 300.0 - position(&world);
    assert!((fallen / expected - 1.0).abs() < 0.15, "{fallen} mm, {expected} expected");
}

/// From power off to standstill, mm, with the brake commanded `early_ns` before.
fn sag(early_ns: u64) -> f64 {
    let axis = vertical();
    let mut world = world(&[axis]);
    world.servo_command(0, &hold(&axis, 300.0));
    run(&mut world, 2 * S);
    let before = position(&world);
    world.servo_command(0, &ServoDrive { brake_released: false, ..hold(&axis, 300.0) });
    run(&mut world, early_ns);
    world.servo_command(0, &ServoDrive::default());
    run(&mut world, S);
    before - position(&world)
}

#[test]
fn a_vertical_axis_sags_by_free_fall_during_the_brake_delay() {
    // Torque and brake go at once: it falls for 40 ms under gravity less friction, then the brake
    // stops it.
    let acceleration = (GRAVITY_NM - 0.08) / 1.2e-4;
    let falling = 0.5 * acceleration * 0.04 * 0.04;
    let velocity = acceleration * 0.04;
    let braking = 0.5 * velocity * velocity / ((BRAKE.holding_nm - GRAVITY_NM + 0.08) / 1.2e-4);
    let expected = (falling + braking) * 10.0 / std::f64::consts::TAU;
    let measured = sag(0);
    assert!((measured / expected - 1.0).abs() < 0.1, "{measured} mm, {expected} expected");
}

#[test]
fn a_brake_that_closes_before_power_goes_keeps_the_load() {
    let kept = sag(50 * MS);
    assert!(kept.abs() < 0.1, "{kept} mm");
    assert!(sag(20 * MS) > 0.5, "20 ms are not enough for this brake");
}

#[test]
fn a_brake_on_a_terminal_output_follows_that_output_late() {
    let axis = vertical();
    let plan = WorldPlan {
        axes: vec![axis],
        outputs: 1,
        brake_outputs: vec![BrakeOutput { axis: 0, output: 0 }],
        ..WorldPlan::default()
    };
    let mut world = World::new(plan, 0).unwrap();
    world.set_output(0, true);
    run(&mut world, 24 * MS);
    assert!(world.axis(0).unwrap().brake_holds);
    run(&mut world, 3 * MS);
    assert!(!world.axis(0).unwrap().brake_holds, "released 25 ms after the output");
    // The drive's own brake output has no say.
    world.servo_command(0, &hold(&axis, 300.0));
    world.set_output(0, false);
    run(&mut world, 38 * MS);
    assert!(!world.axis(0).unwrap().brake_holds);
    run(&mut world, 4 * MS);
    assert!(world.axis(0).unwrap().brake_holds, "engaged 40 ms after the output");
}
