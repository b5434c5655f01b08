//! Gravity, brake, friction, energy, hard stops: what the twin does not know.

use crate::rig::{MS, S, counts, hold, run, world};
use world::{
    Action, AxisPhysics, Brake, BrakeOutput, Event, Friction, Nominal, ServoDrive, TICK_NS, World,
    WorldPlan,
};

const BRAKE: Brake = Brake { holding_nm: 1.6, engage_ns: 40 * MS, release_ns: 25 * MS };
/// g at the motor shaft, 0.5 N m on 1.2e-4 kg m²: rad / s².
const GRAVITY_NM: f64 = 0.5;

fn vertical() -> AxisPhysics {
    AxisPhysics::from_nominal(&Nominal {
        gravity_nm: GRAVITY_NM,
        brake: Some(BRAKE),
        start_position: 300.0,
        ..Nominal::default()
    })
}

fn position(world: &World) -> f64 {
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
    // Torque and brake go at once: it falls for 40 ms under gravity less friction, then the brake stops it.
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

/// Standstills and stretches of motion of the load while the motor creeps at 0.5 mm/s for 2 s.
fn stutter(friction: Friction) -> (u32, u32) {
    let base = AxisPhysics::from_nominal(&Nominal::default());
    // A soft coupling and a loose drive, as on a worn guide.
    let axis = AxisPhysics {
        load_friction: friction,
        stiffness_nm_per_rad: base.stiffness_nm_per_rad * 0.05,
        backlash_rad: 0.0,
        ..base
    };
    let mut world = world(&[axis]);
    let (mut still, mut moving) = (0, 0);
    for tick in 0..32_000_u32 {
        let place = 0.5 * f64::from(tick) * 125e-6;
        world.servo_command(
            0,
            &ServoDrive { velocity_counts_per_s: counts(&axis, 0.5), ..hold(&axis, place) },
        );
        world.advance(world.now() + TICK_NS);
        if tick >= 16_000 {
            let speed = world.axis(0).unwrap().velocity.abs();
            still += u32::from(speed < 0.05);
            moving += u32::from(speed > 1.5);
        }
    }
    (still, moving)
}

#[test]
fn a_slow_axis_with_breakaway_sticks_and_slips() {
    let sticky =
        Friction { coulomb_nm: 0.08, static_nm: 0.16, stribeck_rad_per_s: 0.5, viscous_nms: 1e-4 };
    let (still, moving) = stutter(sticky);
    assert!(still > 4_000 && moving > 200, "{still} still, {moving} moving of 16000");
    // Without the excess of breakaway over sliding friction it creeps evenly.
    let (still, moving) = stutter(Friction { static_nm: 0.08, ..sticky });
    assert!(still < 200 && moving < 50, "{still} still, {moving} moving of 16000");
}

#[test]
fn friction_and_payload_change_when_the_scenario_says() {
    let torque = |action: Option<Action>| {
        let axis = vertical();
        let plan = WorldPlan {
            axes: vec![axis],
            events: action.map(|action| Event { at_ns: 0, action }).into_iter().collect(),
            ..WorldPlan::default()
        };
        let mut world = World::new(plan, 0).unwrap();
        // Upwards at 100 mm/s: gravity and sliding friction.
        let mut sum = 0.0;
        for tick in 0..8_000_u32 {
            let place = 300.0 + 100.0 * f64::from(tick) * 125e-6;
            let velocity_counts_per_s = counts(&axis, 100.0);
            world.servo_command(0, &ServoDrive { velocity_counts_per_s, ..hold(&axis, place) });
            world.advance(world.now() + TICK_NS);
            if tick >= 4_000 {
                sum += f64::from(world.servo_feedback(0).torque_permille) / 4_000.0;
            }
        }
        sum * 1e-3 * axis.rated_torque_nm
    };
    let plain = torque(None);
    assert!((plain - 0.5 - 0.08 - 2e-4 * 62.8).abs() < 0.01, "{plain}");
    let rough = torque(Some(Action::FrictionScale { axis: 0, factor: 2.0 }));
    assert!((rough - plain - 0.08 - 2e-4 * 62.8).abs() < 0.01, "{rough}");
    let loaded = torque(Some(Action::PayloadScale { axis: 0, factor: 1.5 }));
    assert!((loaded - plain - 0.25).abs() < 0.01, "{loaded}");
}

#[test]
fn cogging_makes_the_torque_ripple_as_often_as_the_motor_has_teeth() {
    // Given an axis that goes at one revolution a second, slow enough for the loops to fight the ripple,
    let crossings = |cogging_nm: f64| {
        let base = AxisPhysics::from_nominal(&Nominal::default());
        let axis = AxisPhysics { cogging_nm, cogging_per_revolution: 12, ..base };
        let mut world = world(&[axis]);
        let torques: Vec<i16> = (0..24_000_u32)
            .map(|tick| {
                let place = 10.0 * f64::from(tick) * 125e-6;
                let velocity_counts_per_s = counts(&axis, 10.0);
                let command = ServoDrive { velocity_counts_per_s, ..hold(&axis, place) };
                world.servo_command(0, &command);
                world.advance(world.now() + TICK_NS);
                world.servo_feedback(0).torque_permille
            })
            .collect();
        // then the torque rises through a band around its mean twelve times a revolution.
        let second = &torques[16_000..];
        let mean = second.iter().map(|&torque| f64::from(torque)).sum::<f64>() / 8_000.0;
        let (mut below, mut rises) = (false, 0);
        for torque in second.iter().map(|&torque| f64::from(torque) - mean) {
            rises += u32::from(below && torque > 10.0);
            below = if torque > 10.0 { false } else { below || torque < -10.0 };
        }
        rises
    };
    assert!((11..=13).contains(&crossings(0.04)), "{} rises", crossings(0.04));
    assert_eq!(crossings(0.0), 0);
}

#[test]
fn energy_comes_from_the_motor_alone() {
    // Given an axis that is driven about, let go and comes to rest, then never is there more energy in it than the motor put in.
    for seed in 0..8 {
        let axis = AxisPhysics::from_nominal(&Nominal {
            gravity_nm: 0.1,
            start_position: 300.0,
            ..Nominal::default()
        })
        .randomised(seed, 0.3);
        let mut world = world(&[axis]);
        let start = world.axis(0).unwrap().energy;
        let mut most_lost = 0.0_f64;
        for tick in 0..16_000_u32 {
            let powered = tick < 8_000;
            let place = if tick % 2_000 < 1_000 { 300.0 } else { 330.0 };
            world.servo_command(0, &ServoDrive { power: powered, ..hold(&axis, place) });
            world.advance(world.now() + TICK_NS);
            let view = world.axis(0).unwrap();
            let gained = view.energy - start - view.work;
            assert!(gained < 0.01 * view.work.abs() + 1e-4, "seed {seed}: {gained} J of nothing");
            most_lost = most_lost.max(-gained);
        }
        assert!(most_lost > 0.1, "friction takes some");
    }
}

#[test]
fn an_unpowered_axis_loses_its_energy_and_stands() {
    let axis = AxisPhysics::from_nominal(&Nominal::default());
    let mut world = world(&[axis]);
    for tick in 0..2_000_u32 {
        let place = 400.0 * f64::from(tick) * 125e-6;
        world.servo_command(0, &hold(&axis, place));
        world.advance(world.now() + TICK_NS);
    }
    world.servo_command(0, &ServoDrive::default());
    let moving = world.axis(0).unwrap().energy;
    let cut = world.now();
    run(&mut world, 3 * S);
    let rest = world.axis(0).unwrap();
    assert!(rest.energy < 1e-3 * moving && rest.velocity.abs() < 1e-3);
    let coasted = world.travel_since(0, cut).unwrap();
    // From 251 rad/s with 0.08 N m and some viscous friction on 1.2e-4 kg m²: half a second, some 70 mm.
    assert!((40.0..90.0).contains(&coasted), "{coasted} mm");
    assert_eq!(world.travel_since(0, world.now()), Some(0.0));
}

#[test]
fn a_hard_stop_stops_even_at_full_torque() {
    let axis = AxisPhysics::from_nominal(&Nominal::default());
    let mut world = world(&[axis]);
    world.servo_command(0, &hold(&axis, -200.0));
    let mut furthest = 0.0_f64;
    for _ in 0..16_000 {
        world.advance(world.now() + TICK_NS);
        furthest = furthest.min(position(&world));
    }
    assert!((-15.0..-10.0).contains(&furthest), "{furthest}");
    assert!((position(&world) + 10.0).abs() < 0.5, "rests on the stop at {}", position(&world));
}

#[test]
fn the_world_stays_finite_under_nonsense() {
    let axis = vertical().randomised(3, 0.5);
    let mut world = world(&[axis]);
    let nonsense = [f64::NAN, f64::INFINITY, -1e300, 1e300, 0.0];
    for tick in 0..40_000_u32 {
        let pick = nonsense[usize::try_from(tick % 5).unwrap()];
        world.servo_command(
            0,
            &ServoDrive {
                power: tick % 7 != 0,
                brake_released: tick % 11 != 0,
                target_counts: pick,
                velocity_counts_per_s: -pick,
                torque_limit_permille: u16::MAX,
            },
        );
        world.advance(world.now() + TICK_NS);
        let view = world.axis(0).unwrap();
        assert!(view.position.is_finite() && view.velocity.is_finite() && view.energy.is_finite());
    }
    assert!((-20.0..620.0).contains(&position(&world)));
}
