//! From the virtual cell of the machine file to the world's plan.

use config::cell::{
    VirtualCamera, VirtualCell, VirtualContactor, VirtualConveyor, VirtualGripper, VirtualServo,
    VirtualStation,
};
use world::{
    Area, AxisPhysics, Barrier, Brake, BrakeOutput, CameraPlan, ConveyorPlan, Echo, GripperPlan,
    Nominal, PersonPlan, Point, SafetyChain, Spot, StationPlan, Waypoint, WorldPlan,
};

use super::places::Places;
use super::scenario;
use crate::exit::Error;

/// Cameras see this far from the origin of the cell, mm.
const VIEW_MM: f64 = 100_000.0;

/// What the world must be told to be this cell.
///
/// # Errors
/// Something that the world cannot be.
pub(super) fn world_plan(
    cell: &VirtualCell,
    places: &Places,
    config_hash: u64,
    seed: u64,
    horizon_ns: u64,
) -> Result<WorldPlan, Error> {
    let servos = cell.devices.iter().filter_map(|device| match &device.kind {
        config::cell::DeviceKind::Servo(servo) => Some(servo.as_ref()),
        _ => None,
    });
    let axes = servos.clone().zip(0..).map(|(servo, place)| axis(servo, seed, place)).collect();
    let brake_outputs = servos.zip(0..).filter_map(|(servo, axis)| {
        let release = servo.brake.and_then(|brake| brake.release)?;
        places.output(release).map(|output| BrakeOutput { axis, output })
    });
    let conveyors = cell.conveyors.iter().map(|belt| conveyor(places, belt, config_hash));
    let mut zones: Vec<Area> = cell.zones.iter().map(|zone| area(&zone.polygon)).collect();
    // What a bit without a zone refers to: out of every camera's sight, so never evaluated.
    let nowhere = zones.len();
    let far = 2.0 * VIEW_MM;
    zones.push(Area::rectangle(Point::new(far, far), Point::new(far + 1.0, far + 1.0)));
    Ok(WorldPlan {
        seed,
        axes,
        brake_outputs: brake_outputs.collect(),
        sources: places.sources.clone(),
        analog_sources: places.analog_sources.clone(),
        outputs: places.outputs,
        analog_outputs: places.analog_outputs,
        echoes: cell.contactors.iter().filter_map(|it| contactor(*it, places)).collect(),
        safety_chain: cell.safety_chain.as_ref().map(|chain| SafetyChain {
            sources: chain.inputs.iter().filter_map(|input| places.source(*input)).collect(),
            delay_ns: chain.delay_ns,
        }),
        conveyors: conveyors.collect::<Result<_, _>>()?,
        zones,
        persons: cell.persons.iter().map(person).collect(),
        cameras: cell.cameras.iter().map(|it| camera(cell, it, config_hash, nowhere)).collect(),
        events: scenario::events(cell, places, horizon_ns),
        rules: scenario::rules(cell, places),
    })
}

/// Its contact is normally closed.
fn contactor(contactor: VirtualContactor, places: &Places) -> Option<Echo> {
    let VirtualContactor { output, feedback, delay_ns } = contactor;
    let (output, source) = (places.output(output)?, places.source(feedback)?);
    Some(Echo { output, source, inverted: true, delay_ns })
}

fn axis(servo: &VirtualServo, seed: u64, place: u64) -> AxisPhysics {
    let mut axis = AxisPhysics::from_nominal(&Nominal {
        units_per_radian: servo.units_per_radian,
        inertia_kgm2: servo.motor_inertia_kgm2 + servo.load_inertia_kgm2,
        rated_torque_nm: servo.rated_torque_nm,
        peak_torque_nm: servo.peak_torque_nm,
        viscous_nms: servo.viscous_nms,
        coulomb_nm: servo.coulomb_nm,
        gravity_nm: servo.gravity_nm,
        counts_per_revolution: servo.counts_per_revolution,
        encoder_offset_counts: servo.encoder_offset_counts,
        travel: servo.limit_negative.zip(servo.limit_positive),
        overtravel: 0.0,
        reference: servo.reference,
        brake: servo.brake.map(|brake| Brake {
            holding_nm: brake.holding_nm,
            engage_ns: brake.engage_ns,
            release_ns: brake.release_ns,
        }),
        start_position: servo.start_position,
    });
    // The coupling keeps its frequency and damping with the load that is really there.
    let share = servo.load_inertia_kgm2 / axis.load_inertia_kgm2;
    axis.motor_inertia_kgm2 = servo.motor_inertia_kgm2;
    axis.load_inertia_kgm2 = servo.load_inertia_kgm2;
    axis.stiffness_nm_per_rad =
        servo.stiffness_nm_per_rad.unwrap_or(axis.stiffness_nm_per_rad * share);
    axis.damping_nms *= share;
    if let Some(backlash) = servo.backlash {
        axis.backlash_rad = backlash / servo.units_per_radian;
    }
    axis.limit_negative = servo.limit_negative;
    axis.limit_positive = servo.limit_positive;
    axis.hard_stops = servo.hard_stops;
    let index_rad = servo.index_at / servo.units_per_radian;
    axis.index_rad = index_rad;
    let built = axis.randomised(seed.wrapping_mul(0x9E37_79B9).wrapping_add(place), servo.spread);
    // Places of switches and index are where the file says; only what is weighed and worn is drawn.
    AxisPhysics { index_rad, ..built }
}

fn conveyor(
    places: &Places,
    belt: &VirtualConveyor,
    config_hash: u64,
) -> Result<ConveyorPlan, Error> {
    let wrong = |what: &str| {
        Error::file(format!("virtual conveyor {}: {what}; change it in [virtual]", belt.name))
    };
    let barrier = match &belt.barrier {
        None => None,
        Some(barrier) => Some(Barrier {
            position: barrier.at,
            source: places
                .source(barrier.input)
                .ok_or_else(|| wrong("its barrier is not on a digital input"))?,
        }),
    };
    let gripper = match &belt.gripper {
        None => None,
        Some(it) => Some(
            gripper(places, it)
                .ok_or_else(|| wrong("its gripper needs two servo axes and a digital output"))?,
        ),
    };
    Ok(ConveyorPlan {
        axis: places.axis(belt.axis).ok_or_else(|| wrong("no servo moves it"))?,
        length: belt.length,
        part_length: belt.part_length,
        first_part: belt.first_part,
        spacing: belt.spacing,
        spacing_jitter: belt.spacing_jitter,
        barrier,
        gripper,
        station: match &belt.station {
            None => None,
            Some(it) => Some(
                station(places, it, config_hash)
                    .ok_or_else(|| wrong("its inspection is not on digital outputs"))?,
            ),
        },
    })
}

fn station(places: &Places, it: &VirtualStation, config_hash: u64) -> Option<StationPlan> {
    Some(StationPlan {
        stream_id: it.wire_id,
        config_hash,
        trigger: places.output(it.trigger)?,
        reject: places.output(it.reject)?,
        camera_at: it.camera_at,
        reject_at: it.reject_at,
        reject_delay_ns: it.reject_delay_ns,
        reach: it.reach,
        delay_ns: it.delay_ns,
        delay_jitter_ns: it.delay_jitter_ns,
        late_by_ns: it.late_by_ns,
        slip: it.slip,
        bad: it.bad,
        late: it.late,
        silent: it.silent,
        unknown: it.unknown,
        repeated: it.repeated,
        wrong_hash: it.wrong_hash,
        wrong_trigger: it.wrong_trigger,
        deaf: it.deaf,
    })
}

fn gripper(places: &Places, gripper: &VirtualGripper) -> Option<GripperPlan> {
    Some(GripperPlan {
        axis_x: places.axis(gripper.axis_x)?,
        axis_z: places.axis(gripper.axis_z)?,
        output: places.output(gripper.output)?,
        delay_ns: gripper.delay_ns,
        pick: spot(&gripper.pick),
        pick_belt: gripper.pick_belt,
        along: gripper.along,
        speed_tolerance: gripper.speed_tolerance,
        place: spot(&gripper.place),
        part_payload: gripper.part_payload,
        held_source: gripper.held.and_then(|held| places.source(held)),
    })
}

fn spot(spot: &config::cell::Spot) -> Spot {
    Spot { x: spot.x, z: spot.z, x_tolerance: spot.x_tolerance, z_tolerance: spot.z_tolerance }
}

fn person(person: &config::cell::VirtualPerson) -> PersonPlan {
    let path = person
        .path
        .iter()
        .map(|place| Waypoint { at: Point::new(place.x_mm, place.y_mm), dwell_ns: place.dwell_ns });
    PersonPlan {
        path: path.collect(),
        speed_mm_per_s: person.speed_mm_s,
        radius_mm: person.radius_mm,
        start_ns: person.start_ns,
        repeat_ns: person.repeat_ns,
    }
}

fn camera(
    cell: &VirtualCell,
    camera: &VirtualCamera,
    config_hash: u64,
    nowhere: usize,
) -> CameraPlan {
    let of_stream = cell.zones.iter().enumerate().filter(|(_, it)| it.stream == camera.stream);
    let mut zones = Vec::new();
    for (place, zone) in of_stream {
        let bit = usize::from(zone.bit);
        if zones.len() <= bit {
            zones.resize(bit + 1, nowhere);
        }
        if let Some(slot) = zones.get_mut(bit) {
            *slot = place;
        }
    }
    CameraPlan {
        stream_id: camera.wire_id,
        config_hash,
        first_sequence: 1,
        start_ns: camera.period_ns / 2,
        period_ns: camera.period_ns,
        jitter_ns: 0,
        delay_ns: camera.delay_ns,
        delay_jitter_ns: camera.delay_jitter_ns,
        exposure_ns: camera.exposure_ns,
        quality: camera.quality,
        view: camera.view.as_deref().map_or_else(everything, area),
        zones,
        noise_mm: camera.noise_mm,
    }
}

fn everything() -> Area {
    Area::rectangle(Point::new(-VIEW_MM, -VIEW_MM), Point::new(VIEW_MM, VIEW_MM))
}

fn area(polygon: &[(f64, f64)]) -> Area {
    Area { corners: polygon.iter().map(|(x, y)| Point::new(*x, *y)).collect() }
}
