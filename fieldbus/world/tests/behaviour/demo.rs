//! A whole cell: a belt, a two-axis gripper, a person, a camera, an operator.

use world::{
    Action, Area, AxisPhysics, Barrier, Brake, CameraPlan, Condition, ConveyorPlan, Event,
    GripperPlan, Nominal, PersonPlan, Point, Rule, Spot, Step, Waypoint, WorldPlan,
};

use crate::rig::{MS, S};

pub(crate) const BELT: usize = 0;
pub(crate) const X: usize = 1;
pub(crate) const Z: usize = 2;

pub(crate) const RESET: usize = 0;
pub(crate) const START: usize = 1;
pub(crate) const BARRIER: usize = 2;
pub(crate) const HELD: usize = 3;
pub(crate) const SOURCES: usize = 4;

pub(crate) const LAMP: usize = 0;
pub(crate) const VACUUM: usize = 1;
pub(crate) const OUTPUTS: usize = 2;

/// Where the gripper takes parts and puts them.
pub(crate) const PICK: (f64, f64) = (100.0, 20.0);
pub(crate) const PLACE: (f64, f64) = (400.0, 30.0);
pub(crate) const CONFIG_HASH: u64 = 0x0123_4567_89AB_CDEF;

pub(crate) fn camera() -> CameraPlan {
    CameraPlan {
        stream_id: 7,
        config_hash: CONFIG_HASH,
        first_sequence: 40,
        start_ns: 10 * MS,
        period_ns: 33 * MS,
        jitter_ns: 2 * MS,
        delay_ns: 20 * MS,
        delay_jitter_ns: 4 * MS,
        exposure_ns: 5_000_000,
        quality: 93,
        view: Area::rectangle(Point::new(-1_000.0, -1_000.0), Point::new(3_000.0, 3_000.0)),
        zones: vec![0, 1],
        noise_mm: 10.0,
    }
}

fn gripper() -> GripperPlan {
    let spot = |(x, z)| Spot { x, z, x_tolerance: 8.0, z_tolerance: 3.0 };
    GripperPlan {
        axis_x: X,
        axis_z: Z,
        output: VACUUM,
        delay_ns: 20 * MS,
        pick: spot(PICK),
        pick_belt: 500.0,
        along: 0.0,
        speed_tolerance: 50.0,
        place: spot(PLACE),
        part_payload: 1.2,
        held_source: Some(HELD),
    }
}

fn axes() -> Vec<AxisPhysics> {
    let base = Nominal::default();
    let brake = Brake { holding_nm: 2.5, engage_ns: 40 * MS, release_ns: 25 * MS };
    let nominals = [
        Nominal { travel: None, ..base },
        base,
        Nominal { gravity_nm: 0.3, brake: Some(brake), start_position: 100.0, ..base },
    ];
    nominals.iter().map(AxisPhysics::from_nominal).collect()
}

/// Person from outside into zone 0 (0 ..= 1000 square) and out again, every 12 s. Zone 1 is only
/// half in view.
pub(crate) fn plan(seed: u64) -> WorldPlan {
    let waypoint = |x, dwell_ns| Waypoint { at: Point::new(x, 500.0), dwell_ns };
    let square = |x: f64| Area::rectangle(Point::new(x, 0.0), Point::new(x + 1_000.0, 1_000.0));
    WorldPlan {
        seed,
        axes: axes(),
        sources: vec![false; SOURCES],
        analog_sources: vec![0],
        outputs: OUTPUTS,
        conveyors: vec![ConveyorPlan {
            axis: BELT,
            length: 1_000.0,
            part_length: 60.0,
            first_part: 50.0,
            spacing: 300.0,
            spacing_jitter: 40.0,
            station: None,
            barrier: Some(Barrier { position: 530.0, source: BARRIER }),
            gripper: Some(gripper()),
        }],
        zones: vec![square(0.0), square(2_500.0)],
        persons: vec![PersonPlan {
            path: vec![waypoint(-2_000.0, 0), waypoint(500.0, S), waypoint(-2_000.0, 0)],
            speed_mm_per_s: 1_200.0,
            radius_mm: 300.0,
            start_ns: Some(S),
            repeat_ns: Some(12 * S),
        }],
        cameras: vec![camera()],
        events: vec![Event { at_ns: 3 * S, action: Action::SetAnalog { source: 0, value: -77 } }],
        rules: vec![Rule {
            when: vec![
                Condition::OutputOn { output: LAMP, for_ns: S },
                Condition::ZoneFree { zone: 0, for_ns: 500 * MS },
            ],
            then: vec![
                Step {
                    after_ns: 0,
                    action: Action::Pulse { source: RESET, duration_ns: 200 * MS },
                },
                Step {
                    after_ns: 800 * MS,
                    action: Action::Pulse { source: START, duration_ns: 150 * MS },
                },
            ],
            cooldown_ns: 2 * S,
        }],
        ..WorldPlan::default()
    }
}
