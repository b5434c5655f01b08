//! Friction, coupling, energy, hard stops: what the twin does not know.

use crate::gravity::{BRAKE, position, vertical};
use crate::rig::{MS, S, counts, hold, run, world};
use world::{Action, AxisPhysics, Event, Friction, Nominal, ServoDrive, TICK_NS, World, WorldPlan};

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
    // Given an axis that goes at one revolution a second, slow enough for the loops to fight the
    // ripple,
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
    // Given an axis that is driven about, let go and comes to rest, then never is there more
    // energy in it than the motor put in.
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
    // From 251 rad/s with 0.08 N m and some viscous friction on 1.2e-4 kg m²: half a second, some
    // 70 mm.
    assert!((40.0..90.0).contains(&coasted), "{coasted} mm");
    assert_eq!(world.travel_since(0, world.now()), Some(0.0));
}

#[test]
fn a_hard_stop_stops_even_at_full_torque() {
    for (target, place, sign) in [(-200.0, -10.0, -1.0), (900.0, 610.0, 1.0)] {
        let axis = AxisPhysics::from_nominal(&Nominal {
            start_position: if sign > 0.0 { 600.0 } else { 0.0 },
            ..Nominal::default()
        });
        let mut world = world(&[axis]);
        world.servo_command(0, &hold(&axis, target));
        let mut deepest = f64::NEG_INFINITY;
        for _ in 0..16_000 {
            world.advance(world.now() + TICK_NS);
            deepest = deepest.max((position(&world) - place) * sign);
        }
        assert!((0.0..5.0).contains(&deepest), "{deepest} mm deep");
        let rest = (position(&world) - place) * sign;
        assert!((0.0..0.5).contains(&rest), "rests {rest} mm deep");
    }
}

/// A load that hangs on a closed brake, without play and friction, suddenly weighs half as much
/// again: how far it sinks, and then each tick how far it is from where it comes to rest, mm.
fn swinging(damping: f64) -> (AxisPhysics, f64, Vec<f64>) {
    let nominal = Nominal {
        gravity_nm: 0.5,
        coulomb_nm: 0.0,
        viscous_nms: 0.0,
        brake: Some(BRAKE),
        start_position: 300.0,
        ..Nominal::default()
    };
    let base = AxisPhysics::from_nominal(&nominal);
    let damping_nms = base.damping_nms * damping;
    let axis = AxisPhysics { backlash_rad: 0.0, damping_nms, ..base };
    let plan = WorldPlan {
        axes: vec![axis],
        events: vec![Event { at_ns: S, action: Action::PayloadScale { axis: 0, factor: 1.5 } }],
        ..WorldPlan::default()
    };
    let mut world = World::new(plan, 0).unwrap();
    run(&mut world, S);
    let before = position(&world);
    let mut places: Vec<f64> = (0..8_000)
        .map(|_| {
            world.advance(world.now() + TICK_NS);
            position(&world)
        })
        .collect();
    let rest = places[7_999];
    places.iter_mut().for_each(|place| *place -= rest);
    (axis, before - rest, places)
}

#[test]
fn the_load_swings_on_its_coupling_and_calms_down() {
    let (axis, sunk, places) = swinging(1.0);
    // It sinks by what coupling and brake give,
    let brake_stiffness = axis.motor_inertia_kgm2 * 900.0 * 900.0;
    let give = 0.25 / axis.stiffness_nm_per_rad + 0.25 / brake_stiffness;
    assert!((sunk / (give * axis.units_per_radian) - 1.0).abs() < 0.02, "{sunk} mm");
    // swings below the 98 Hz that the coupling alone would have with this load,
    let most = |from: usize, to: usize| {
        places[from..to].iter().fold(0.0_f64, |most, place| most.max(place.abs()))
    };
    let down = places.iter().position(|&place| place < 0.0).unwrap();
    let up = down + places[down..].iter().position(|&place| place > 0.0).unwrap();
    let hertz = 0.5 / (125e-6 * (up - down) as f64);
    assert!((70.0..98.0).contains(&hertz), "{hertz} Hz");
    assert!(most(down, up) > 0.3 * sunk, "it overshoots");
    // and has calmed down after 100 ms; without the damping of the coupling it takes longer.
    assert!(most(800, 880) < 0.02 * sunk, "{} of {sunk} mm", most(800, 880));
    let (_, _, loose) = swinging(0.0);
    let later = loose[240..320].iter().fold(0.0_f64, |most, place| most.max(place.abs()));
    assert!(later > 1.2 * most(240, 320), "{later} mm against {}", most(240, 320));
}

#[test]
fn play_is_lost_at_a_reversal() {
    let lost = |backlash_rad: f64| {
        let nominal = Nominal { coulomb_nm: 0.02, ..Nominal::default() };
        let axis = AxisPhysics { backlash_rad, ..AxisPhysics::from_nominal(&nominal) };
        let mut world = world(&[axis]);
        let mut ends = [0.0; 2];
        for (end, to) in ends.iter_mut().zip([2.0, 1.0]) {
            let from = if to > 1.5 { 0.0 } else { 2.0 };
            for tick in 0..8_000_u32 {
                let place = from + (to - from) * f64::from(tick) / 8_000.0;
                world.servo_command(0, &hold(&axis, place));
                world.advance(world.now() + TICK_NS);
            }
            let encoder = world.servo_feedback(0).position_counts as f64 / counts(&axis, 1.0);
            *end = encoder - position(&world);
        }
        (ends[0] - ends[1]) / axis.units_per_radian
    };
    let more = lost(0.05) - lost(0.0);
    assert!((more - 0.05).abs() < 0.002, "{more} rad");
}

#[test]
fn payload_makes_the_load_heavier_to_accelerate() {
    let speed = |factor: f64| {
        let axis = AxisPhysics::from_nominal(&Nominal { coulomb_nm: 0.0, ..Nominal::default() });
        let plan = WorldPlan {
            axes: vec![axis],
            events: vec![Event { at_ns: 0, action: Action::PayloadScale { axis: 0, factor } }],
            ..WorldPlan::default()
        };
        let mut world = World::new(plan, 0).unwrap();
        let push = ServoDrive { torque_limit_permille: 300, ..hold(&axis, 500.0) };
        world.servo_command(0, &push);
        run(&mut world, 50 * MS);
        world.axis(0).unwrap().velocity
    };
    // Twice the load is 1.45 times the inertia.
    let ratio = speed(1.0) / speed(2.0);
    assert!((ratio - 1.45).abs() < 0.03, "{ratio}");
}

#[test]
fn the_position_loop_never_asks_for_more_than_the_largest_velocity() {
    let mut axis = AxisPhysics::from_nominal(&Nominal::default());
    axis.drive.velocity_max_rad_per_s = 100.0;
    let mut world = world(&[axis]);
    world.servo_command(0, &hold(&axis, 500.0));
    run(&mut world, 400 * MS);
    let velocity = world.axis(0).unwrap().velocity / axis.units_per_radian;
    assert!((velocity - 100.0).abs() < 2.0, "{velocity} rad/s");
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
