//! A drive follows, stops and holds.

use crate::rig::{MS, Move, follow, hold, largest, run, world};
use world::{AxisPhysics, Nominal, TICK_NS};

const FAST: Move =
    Move { from: 0.0, distance: 500.0, velocity: 500.0, acceleration: 2_000.0, jerk: 40_000.0 };

fn variants() -> Vec<(String, AxisPhysics)> {
    let base = Nominal::default();
    let nominals = [
        ("ball screw", base),
        ("vertical", Nominal { gravity_nm: 0.4, ..base }),
        ("coarse encoder", Nominal { counts_per_revolution: 10_000, ..base }),
        ("heavy", Nominal { inertia_kgm2: 6e-4, ..base }),
    ];
    let mut variants = Vec::new();
    for (name, nominal) in nominals {
        let axis = AxisPhysics::from_nominal(&nominal);
        variants.push((name.to_owned(), axis));
        for seed in 0..6 {
            variants.push((format!("{name}, seed {seed}"), axis.randomised(seed, 0.2)));
        }
    }
    variants
}

/// How far the load hangs below the encoder: half the play and the give of the coupling.
fn sag(axis: &AxisPhysics) -> f64 {
    let play = if axis.gravity_nm > 0.0 { axis.backlash_rad * 0.5 } else { 0.0 };
    (axis.gravity_nm / axis.stiffness_nm_per_rad + play) * axis.units_per_radian
}

#[test]
fn a_csp_move_is_followed_within_a_millimetre_and_settles() {
    for (name, axis) in variants() {
        let mut world = world(&[axis]);
        world.servo_command(0, &hold(&axis, 0.0));
        run(&mut world, 500 * MS);
        let trace = follow(&mut world, &axis, &FAST, 0.4);
        let most = largest(&trace.error);
        assert!(most < 1.0, "{name}: following error {most} mm");
        assert!(most > 0.02, "{name}: a following error of {most} mm is not physical");
        // Settled: within 20 µm for the last 200 ms, and it does not swing.
        let rest = &trace.load[trace.load.len() - 1_600..];
        let end = rest.iter().sum::<f64>() / rest.len() as f64;
        let swing = rest.iter().fold(0.0_f64, |most, load| most.max((load - end).abs()));
        assert!((end - 500.0 + sag(&axis)).abs() < 0.03, "{name}: stands at {end}");
        assert!(swing < 0.02, "{name}: swings by {swing} mm");
        let overshoot = trace.load.iter().fold(0.0_f64, |most, load| most.max(load - 500.0));
        assert!(overshoot < 0.3, "{name}: overshoots by {overshoot} mm");
    }
}

#[test]
fn a_step_of_the_target_settles_without_ringing() {
    for (name, axis) in variants() {
        let mut world = world(&[axis]);
        world.servo_command(0, &hold(&axis, 0.0));
        run(&mut world, 500 * MS);
        // When the target steps by 0.2 mm (the loops stay below their torque limit),
        world.servo_command(0, &hold(&axis, 0.2));
        let mut reversals = 0;
        let (mut before, mut direction) = (world.axis(0).unwrap().position, 0.0);
        let mut most = 0.0_f64;
        for _ in 0..4_000 {
            world.advance(world.now() + TICK_NS);
            let place = world.axis(0).unwrap().position;
            let moved = place - before;
            if moved.abs() > 2e-4 {
                if moved * direction < 0.0 {
                    reversals += 1;
                }
                direction = moved;
            }
            before = place;
            most = most.max(place);
        }
        // then it is there after half a second, without ringing.
        assert!((before - 0.2 + sag(&axis)).abs() < 0.03, "{name}: at {before}");
        assert!(most < 0.3, "{name}: goes up to {most}");
        assert!(reversals <= 4, "{name}: turns round {reversals} times");
    }
}

#[test]
fn the_torque_limit_holds() {
    let axis = AxisPhysics::from_nominal(&Nominal::default());
    let mut world = world(&[axis]);
    let mut command = hold(&axis, 300.0);
    command.torque_limit_permille = 400;
    world.servo_command(0, &command);
    let mut most = 0;
    for _ in 0..4_000 {
        world.advance(world.now() + TICK_NS);
        most = most.max(world.servo_feedback(0).torque_permille.abs());
    }
    assert!((390..=401).contains(&most), "{most}");
}

#[test]
fn dead_time_shows_in_the_following_error() {
    let axis = AxisPhysics::from_nominal(&Nominal::default());
    let mut late = axis;
    late.drive.dead_time_ticks = 10;
    let steady = |axis: &AxisPhysics| {
        let mut world = world(&[*axis]);
        let trace = follow(&mut world, axis, &FAST, 0.0);
        trace.error[trace.error.len() / 2]
    };
    // Eight ticks more at 500 mm/s are 0.5 mm.
    let more = steady(&late) - steady(&axis);
    assert!((more - 0.5).abs() < 0.02, "{more}");
}

#[test]
fn the_derived_loops_are_stable_for_any_sensible_data_sheet() {
    // Given motors from 50 W to 5 kW with encoders from 12 to 24 bits on screws, belts and rotary
    // tables,
    let mut draw = {
        let mut state = 12_345_u64;
        move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as f64 / f64::from(1_u32 << 31)
        }
    };
    for case in 0..60 {
        let inertia_kgm2 = 1e-5 * 10_f64.powf(3.0 * draw());
        // Rated torque accelerates at 2 000 to 20 000 rad/s².
        let rated = inertia_kgm2 * (2_000.0 + 18_000.0 * draw());
        let units_per_radian = 0.5 + 20.0 * draw();
        let nominal = Nominal {
            units_per_radian,
            inertia_kgm2,
            rated_torque_nm: rated,
            peak_torque_nm: 3.0 * rated,
            viscous_nms: 2e-4 * rated * draw(),
            coulomb_nm: 0.1 * rated * draw(),
            gravity_nm: 0.3 * rated * (draw() - 0.5),
            counts_per_revolution: 1 << (12.0 + 12.5 * draw()) as u32,
            travel: None,
            ..Nominal::default()
        };
        let axis = AxisPhysics::from_nominal(&nominal).randomised(case, 0.15);
        let mut world = world(&[axis]);
        world.servo_command(0, &hold(&axis, 0.0));
        run(&mut world, 500 * MS);
        // when they move at 100 rad/s with 1000 rad/s² (20 ms of jerk) and stop,
        let unit = axis.units_per_radian;
        let path = Move {
            from: 0.0,
            distance: 60.0 * unit,
            velocity: 100.0 * unit,
            acceleration: 1_000.0 * unit,
            jerk: 50_000.0 * unit,
        };
        let trace = follow(&mut world, &axis, &path, 0.6);
        // then the error stays below a third of a radian, and they stand still at the end.
        let most = largest(&trace.error) / unit;
        assert!(most < 0.35, "case {case}: following error {most} rad of {nominal:?}");
        let rest = &trace.load[trace.load.len() - 1_600..];
        let low = rest.iter().fold(f64::INFINITY, |least, &load| least.min(load));
        let high = rest.iter().fold(f64::NEG_INFINITY, |most, &load| most.max(load));
        let swing = (high - low) / unit;
        assert!(swing < 4e-3, "case {case}: swings by {swing} rad, {nominal:?}");
    }
}
