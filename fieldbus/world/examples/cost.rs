//! Measures one tick of a cell: three moving axes, a belt with parts, a person, a camera. `cargo
//! run --release --example cost -p world`
use std::time::Instant;

use world::{
    Area, Barrier, CameraPlan, ConveyorPlan, Nominal, PersonPlan, Point, ServoDrive, TICK_NS,
    Waypoint, World, WorldPlan,
};

fn cell() -> WorldPlan {
    let linear = world::AxisPhysics::from_nominal(&Nominal::default());
    let belt = Nominal { travel: None, ..Nominal::default() };
    let waypoint = |x| Waypoint { at: Point::new(x, 500.0), dwell_ns: 0 };
    WorldPlan {
        seed: 1,
        axes: vec![world::AxisPhysics::from_nominal(&belt), linear, linear],
        sources: vec![false; 8],
        outputs: 8,
        conveyors: vec![ConveyorPlan {
            axis: 0,
            length: 2_000.0,
            part_length: 60.0,
            first_part: 100.0,
            spacing: 300.0,
            spacing_jitter: 50.0,
            station: None,
            barrier: Some(Barrier { position: 1_000.0, source: 0 }),
            gripper: None,
        }],
        zones: vec![Area::rectangle(Point::new(0.0, 0.0), Point::new(1_000.0, 1_000.0))],
        persons: vec![PersonPlan {
            path: vec![waypoint(-3_000.0), waypoint(3_000.0)],
            speed_mm_per_s: 1_200.0,
            radius_mm: 300.0,
            start_ns: Some(0),
            repeat_ns: Some(6_000_000_000),
        }],
        cameras: vec![CameraPlan {
            stream_id: 1,
            config_hash: 2,
            first_sequence: 1,
            start_ns: 0,
            period_ns: 33_000_000,
            jitter_ns: 2_000_000,
            delay_ns: 20_000_000,
            delay_jitter_ns: 5_000_000,
            exposure_ns: 4_000_000,
            quality: 95,
            view: Area::rectangle(Point::new(-4e3, -4e3), Point::new(4e3, 4e3)),
            zones: vec![0],
            noise_mm: 10.0,
        }],
        ..WorldPlan::default()
    }
}

fn main() {
    let Ok(mut world) = World::new(cell(), 0) else { return };
    let (mut bytes, mut datagrams) = ([0; world::DATAGRAM_LENGTH], 0_u32);
    let per_unit = 104_857.6;
    for block in 0..5 {
        let start = Instant::now();
        let ticks = 400_000_u32;
        for tick in 0..ticks {
            let time = f64::from(block * ticks + tick) * 125e-6;
            // A triangle of ±200 mm in 2 s on the linear axes, the belt runs on at 300 mm/s.
            let phase = time % 2.0;
            let place = if phase < 1.0 { 400.0 * phase } else { 400.0 * (2.0 - phase) };
            for (axis, target) in [300.0 * time, place, place].into_iter().enumerate() {
                let command = ServoDrive {
                    power: true,
                    brake_released: true,
                    target_counts: target * per_unit,
                    velocity_counts_per_s: 0.0,
                    torque_limit_permille: 3_000,
                };
                world.servo_command(axis, &command);
            }
            world.advance(world.now() + TICK_NS);
            while world.take_datagram(0, &mut bytes) {
                datagrams += 1;
            }
        }
        let ns = start.elapsed().as_secs_f64() * 1e9 / f64::from(ticks);
        println!("block {block}: {ns:.0} ns a tick");
    }
    println!("{datagrams} datagrams, parts {:?}", world.parts(0));
}
