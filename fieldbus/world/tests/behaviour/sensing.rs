//! Encoder, index pulse, switches, faults.

use crate::rig::{MS, S, counts, hold, run, world};
use world::{Action, AxisPhysics, Event, Nominal, ServoDrive, TICK_NS, World, WorldPlan};

/// Drives from place to place at a constant velocity, calling `seen` each tick.
fn drive(
    world: &mut World,
    axis: &AxisPhysics,
    from: f64,
    to: f64,
    velocity: f64,
    mut seen: impl FnMut(&World),
) {
    let ticks = ((to - from).abs() / velocity / 125e-6) as u32;
    for tick in 0..=ticks {
        let place = from + (to - from) * f64::from(tick) / f64::from(ticks);
        world.servo_command(0, &hold(axis, place));
        world.advance(world.now() + TICK_NS);
        seen(world);
    }
}

#[test]
fn one_index_pulse_a_revolution_latches_its_exact_place_in_both_directions() {
    let axis = AxisPhysics::from_nominal(&Nominal::default());
    let mut world = world(&[axis]);
    assert_eq!(world.servo_feedback(0).index_counts, None);
    // The pulse of revolution k lies at k turns and `index_rad`.
    let place = |k: i64| {
        let turn = k * i64::from(axis.counts_per_revolution);
        let index = axis.index_rad / std::f64::consts::TAU;
        turn + (index * f64::from(axis.counts_per_revolution)) as i64
    };
    drive(&mut world, &axis, 0.0, 58.0, 100.0, |_| {});
    run(&mut world, 200 * MS);
    let up = world.servo_feedback(0);
    assert_eq!(up.index_pulses, 6, "at 1.6, 11.6, …, 51.6 mm");
    assert!((up.index_counts.unwrap() - place(5)).abs() <= 1);
    drive(&mut world, &axis, 58.0, 35.0, 100.0, |_| {});
    run(&mut world, 200 * MS);
    let down = world.servo_feedback(0);
    assert_eq!(down.index_pulses, 8, "at 51.6 and 41.6 mm again");
    assert!((down.index_counts.unwrap() - place(4)).abs() <= 1, "the same place from above");
}

#[test]
fn the_encoder_counts_on_past_two_to_the_31() {
    let offset = (1_i64 << 31) - 500_000;
    let nominal = Nominal { encoder_offset_counts: offset, travel: None, ..Nominal::default() };
    let axis = AxisPhysics::from_nominal(&nominal);
    let mut world = world(&[axis]);
    let mut before = world.servo_feedback(0).position_counts;
    assert_eq!(before, offset);
    for tick in 0..16_000_u32 {
        let target = offset as f64 + counts(&axis, 20.0 * f64::from(tick) * 125e-6);
        world.servo_command(0, &ServoDrive { target_counts: target, ..hold(&axis, 0.0) });
        world.advance(world.now() + TICK_NS);
        let now = world.servo_feedback(0).position_counts;
        assert!((now - before).abs() < 1_000, "jumps from {before} to {now}");
        before = now;
    }
    assert!(before > 1 << 31);
}

#[test]
fn the_encoder_is_quantised() {
    let nominal = Nominal { counts_per_revolution: 2_000, ..Nominal::default() };
    let axis = AxisPhysics::from_nominal(&nominal);
    let mut world = world(&[axis]);
    // 2000 counts on 10 mm: the encoder says the place within one count of 5 µm and the twist of
    // the coupling.
    let mut places = std::collections::BTreeSet::new();
    drive(&mut world, &axis, 0.0, 1.0, 1.0, |world| {
        let counts = world.servo_feedback(0).position_counts;
        places.insert(counts);
        let load = world.axis(0).unwrap().position;
        assert!((counts as f64 * 0.005 - load).abs() < 0.02);
    });
    assert!((175..=205).contains(&places.len()), "{} places on 1 mm", places.len());
}

#[test]
fn limit_switches_and_reference_switch_close_at_their_places() {
    let nominal =
        Nominal { travel: Some((-5.0, 30.0)), reference: Some((10.0, 14.0)), ..Nominal::default() };
    let axis = AxisPhysics::from_nominal(&nominal);
    let mut world = world(&[axis]);
    drive(&mut world, &axis, 0.0, 32.0, 40.0, |world| {
        let (place, sense) = (world.axis(0).unwrap().position, world.servo_feedback(0));
        let slack = 0.05;
        if (10.0 + slack..14.0 - slack).contains(&place) {
            assert!(sense.reference, "at {place}");
        }
        if place < 10.0 - slack || place > 14.0 + slack {
            assert!(!sense.reference, "at {place}");
        }
        assert!(sense.limit_positive == (place >= 30.0) || (place - 30.0).abs() < slack);
        assert!(!sense.limit_negative);
    });
    assert!(world.servo_feedback(0).limit_positive);
    drive(&mut world, &axis, 32.0, -6.0, 40.0, |_| {});
    run(&mut world, 300 * MS);
    assert!(world.servo_feedback(0).limit_negative && !world.servo_feedback(0).limit_positive);
}

#[test]
fn the_velocity_is_that_of_the_motor() {
    let axis = AxisPhysics::from_nominal(&Nominal::default());
    let mut world = world(&[axis]);
    drive(&mut world, &axis, 0.0, 100.0, 100.0, |_| {});
    let velocity = world.servo_feedback(0).velocity_counts_per_s / counts(&axis, 1.0);
    assert!((velocity - 100.0).abs() < 3.0, "{velocity} mm/s");
}

#[test]
fn a_scripted_drive_fault_shows_until_it_is_taken_away() {
    let axis = AxisPhysics::from_nominal(&Nominal::default());
    let event = |at_ns, code| Event { at_ns, action: Action::DriveFault { axis: 0, code } };
    let plan = WorldPlan {
        axes: vec![axis],
        // In any order.
        events: vec![event(2 * S, 0), event(S, 0x4310)],
        ..WorldPlan::default()
    };
    let mut world = World::new(plan, 0).unwrap();
    run(&mut world, S - TICK_NS);
    assert_eq!(world.servo_feedback(0).fault_code, 0);
    run(&mut world, TICK_NS);
    assert_eq!(world.servo_feedback(0).fault_code, 0x4310);
    run(&mut world, S);
    assert_eq!(world.servo_feedback(0).fault_code, 0);
}

#[test]
fn a_switch_lets_go_a_little_later_than_it_closes() {
    let nominal = Nominal { travel: Some((-5.0, 30.0)), ..Nominal::default() };
    let axis = AxisPhysics { switch_hysteresis: 0.5, ..AxisPhysics::from_nominal(&nominal) };
    let mut world = world(&[axis]);
    let hit = |world: &World| world.servo_feedback(0).limit_positive;
    drive(&mut world, &axis, 0.0, 29.8, 40.0, |_| {});
    run(&mut world, 300 * MS);
    assert!(!hit(&world));
    drive(&mut world, &axis, 29.8, 30.3, 40.0, |_| {});
    drive(&mut world, &axis, 30.3, 29.8, 40.0, |_| {});
    run(&mut world, 300 * MS);
    assert!(hit(&world), "0.2 mm back are not enough");
    drive(&mut world, &axis, 29.8, 29.2, 40.0, |_| {});
    run(&mut world, 300 * MS);
    assert!(!hit(&world));
}

#[test]
fn the_reported_torque_is_what_the_drive_believes_of_its_motor() {
    // Given a motor that makes a fifth less torque of its current than the drive believes,
    let nominal = Nominal { gravity_nm: 0.5, coulomb_nm: 0.0, ..Nominal::default() };
    let axis = AxisPhysics { cogging_nm: 0.0, ..AxisPhysics::from_nominal(&nominal) };
    let weak =
        AxisPhysics { torque_constant_nm_per_a: axis.torque_constant_nm_per_a * 0.8, ..axis };
    let holding = |axis: AxisPhysics| {
        let mut world = world(&[axis]);
        world.servo_command(0, &hold(&axis, 0.0));
        run(&mut world, 2 * S);
        f64::from(world.servo_feedback(0).torque_permille) * 1e-3 * axis.rated_torque_nm
    };
    // then it reports more torque for the same load.
    assert!((holding(axis) - 0.5).abs() < 0.01, "{}", holding(axis));
    assert!((holding(weak) - 0.625).abs() < 0.01, "{}", holding(weak));
}

#[test]
fn the_current_follows_with_its_time_constant() {
    let mut axis = AxisPhysics::from_nominal(&Nominal::default());
    axis.drive.current_s = 2e-3;
    axis.drive.dead_time_ticks = 0;
    let mut world = world(&[axis]);
    // A far target saturates the loops from the first tick on: a step of torque.
    let push = ServoDrive { torque_limit_permille: 1_000, ..hold(&axis, 300.0) };
    world.servo_command(0, &push);
    run(&mut world, 2 * MS);
    let torque = world.servo_feedback(0).torque_permille;
    assert!((600..=660).contains(&torque), "{torque} ‰ after one time constant");
}
