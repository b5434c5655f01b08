//! `[virtual]`, `[scenario]` and what sections of devices and axes say of the physical side → [`VirtualCell`].

use rt_core::plan::{AxisId, AxisPlan};

use super::Built;
use super::axes::{above_zero, in_unit, time_in};
use super::bus::identity;
use super::model;
use super::names::{Table, check_count, check_identifier};
use crate::cell::{
    Channel, DeviceKind, Spot, VirtualBarrier, VirtualBrake, VirtualCamera, VirtualContactor,
    VirtualConveyor, VirtualDevice, VirtualGripper, VirtualPerson, VirtualSafetyChain,
    VirtualServo, VirtualStation, VirtualZone, Waypoint,
};
use crate::file::axis::Axis;
use crate::file::bus::{DeviceWord, SubDevice};
use crate::file::cell as file;
use crate::machine::AxisUnit;
use crate::machine::{StreamSocket, StreamSource};
use crate::problem::{Problem, Problems};
use crate::read::{Length, Name, Pair, Position};

const MS: i64 = 1_000_000;

/// Rest values of inputs: (channel, value).
pub(crate) type Rest = Vec<(Channel, i64)>;

pub(crate) fn rest(
    section: Option<&file::Virtual>,
    built: &Built<'_>,
    problems: &mut Problems,
) -> Rest {
    let mut out = Vec::new();
    let Some(rest) = section.and_then(|section| section.rest.as_ref()) else { return out };
    for (name, value) in &rest.0 {
        let Some(id) = built.devices.signals.find(name, problems) else { continue };
        let Some(plan) = built.devices.signals.plan(id) else { continue };
        if plan.direction != fieldbus::plan::Direction::Input {
            problems.push(
                Problem::error("not-an-input", &name.span, "only inputs have a rest value")
                    .expected("the signal of an input terminal")
                    .found("an output")
                    .remedy("remove it"),
            );
            continue;
        }
        let number: i64 = value.to();
        if !super::safety::fits(number, plan.bits, plan.signed) {
            problems.push(
                Problem::error("value-range", &value.span, "the input never has this value")
                    .expected(format!("a value of {} bits", plan.bits))
                    .found(number.to_string())
                    .remedy("correct it"),
            );
            continue;
        }
        if let Some(channel) = built.devices.signals.terminal(name, id, problems) {
            out.push((channel, number));
        }
    }
    out
}

/// The certified chain, if the cell has one.
pub(crate) fn safety_chain(
    section: Option<&file::Virtual>,
    built: &Built<'_>,
    problems: &mut Problems,
) -> Option<VirtualSafetyChain> {
    let chain = section?.safety_chain.as_ref()?;
    let inputs = chain.inputs.iter().filter_map(|name| input(name, built, problems)).collect();
    let delay_ns = match &chain.delay {
        Some(delay) => time_in(delay, 0..=60_000 * MS, "the delay of the chain", problems)?,
        None => 500_000_000,
    };
    Some(VirtualSafetyChain { inputs, delay_ns })
}

/// Contactors, as they are wired.
pub(crate) fn contactors(
    section: Option<&file::Virtual>,
    built: &Built<'_>,
    problems: &mut Problems,
) -> Vec<VirtualContactor> {
    let all = section.into_iter().flat_map(|section| &section.contactor);
    let contactor = |it: &file::Contactor| {
        let switched = output(&it.output, built, problems);
        let feedback = input(&it.feedback, built, problems);
        let delay_ns = match &it.delay {
            Some(delay) => time_in(delay, 0..=10_000 * MS, "the delay of the contactor", problems)?,
            None => 20_000_000,
        };
        Some(VirtualContactor { output: switched?, feedback: feedback?, delay_ns })
    };
    all.filter_map(contactor).collect()
}

pub(crate) fn devices(
    built: &Built<'_>,
    rest: &Rest,
    problems: &mut Problems,
) -> Vec<VirtualDevice> {
    let mut out = Vec::new();
    for (position, section) in built.devices.sections.iter().enumerate() {
        let kind = kind(section, position, built, rest, problems);
        out.push(VirtualDevice {
            name: section.name.value.clone(),
            identity: identity(&section.identity),
            kind: kind.unwrap_or(DeviceKind::Generic),
        });
    }
    out
}

fn kind(
    section: &SubDevice,
    position: usize,
    built: &Built<'_>,
    rest: &Rest,
    problems: &mut Problems,
) -> Option<DeviceKind> {
    let count = section.channels.len().min(64);
    let channels = u8::try_from(count).unwrap_or(64);
    let of_device = rest.iter().filter(|(channel, _)| channel.device == position);
    Some(match section.kind {
        DeviceWord::Coupler => DeviceKind::Coupler,
        DeviceWord::DigitalInput => DeviceKind::DigitalInput {
            channels,
            rest: of_device
                .filter(|(_, value)| *value != 0)
                .map(|(channel, _)| 1_u64 << channel.channel.min(63))
                .fold(0, |bits, bit| bits | bit),
        },
        DeviceWord::DigitalOutput => DeviceKind::DigitalOutput { channels },
        DeviceWord::AnalogInput => {
            let mut values = vec![0; count];
            for (channel, value) in of_device {
                if let Some(slot) = values.get_mut(usize::from(channel.channel)) {
                    *slot = i16::try_from(*value).unwrap_or(i16::MAX);
                }
            }
            let status_word = section.status_word.as_ref().is_none_or(|status| status.value);
            DeviceKind::AnalogInput { rest: values, status_word }
        }
        DeviceWord::AnalogOutput => DeviceKind::AnalogOutput { channels },
        DeviceWord::Generic => DeviceKind::Generic,
        DeviceWord::Servo => {
            let place = built.axes.drives.iter().position(|drive| *drive == Some(position))?;
            let axis = AxisId(u8::try_from(place).ok()?);
            let serial = section.identity.serial.as_ref().map_or(0, |serial| serial.to());
            DeviceKind::Servo(Box::new(servo(axis, serial, position, built, problems)?))
        }
    })
}

fn servo(
    axis: AxisId,
    serial: u32,
    position: usize,
    built: &Built<'_>,
    problems: &mut Problems,
) -> Option<VirtualServo> {
    let plan = built.axes.plan(axis)?;
    let section: &Axis = built.axes.sections.get(usize::from(axis.0))?;
    let unit = built.axes.unit(axis);
    // What is wrong with it, `axes` has reported.
    let mechanics = model::mechanics(section, unit, &mut Problems::default())?;
    let place = |at: Option<&Position>, problems: &mut Problems| {
        at.and_then(|at| in_unit(at, unit, problems)).map(twin_lite::units::Nano::units)
    };
    let given = section.r#virtual.as_ref();
    let start = place(given.and_then(|given| given.start.as_ref()), problems);
    let homed_at = place(section.homing.position.as_ref(), problems).unwrap_or(0.0);
    let index_at = place(given.and_then(|given| given.index_at.as_ref()), problems);
    let backlash = place(given.and_then(|given| given.backlash.as_ref()), problems);
    let pair = |pair: Option<&Pair<Position>>, problems: &mut Problems| ends(pair, unit, problems);
    let soft = plan.limits.position.map(|(from, to)| (from.units(), to.units()));
    let outside = |by: f64| soft.map(|(from, to)| (from - by, to + by));
    let stops = pair(given.and_then(|given| given.hard_stops.as_ref()), problems);
    let switches = pair(given.and_then(|given| given.limit_switches.as_ref()), problems);
    let switches = switches.or_else(|| outside(10.0));
    let spread = given.and_then(|given| given.spread.as_ref());
    if let Some(spread) = spread.filter(|spread| !(0..=500_000_000).contains(&spread.nano)) {
        problems.push(
            Problem::error("out-of-range", &spread.span, "the spread is out of range")
                .expected("0 % to 50 %")
                .found(spread.show())
                .remedy("choose a share in this range"),
        );
    }
    check_switch(section, plan, problems);
    let ratio = plan.counts_per_unit;
    Some(VirtualServo {
        axis,
        serial: if serial == 0 { virtual_serial(position) } else { serial },
        counts_per_revolution: section.gear.counts_per_revolution.to(),
        counts_per_unit: float(ratio.numerator) / float(ratio.denominator),
        units_per_radian: mechanics.units_per_radian,
        wrap: plan.wrap.map(twin_lite::units::Nano::units),
        motor_inertia_kgm2: mechanics.motor_inertia,
        load_inertia_kgm2: mechanics.load_inertia,
        rated_torque_nm: plan.model.rated_torque_nm,
        peak_torque_nm: plan.model.peak_torque_nm,
        coulomb_nm: mechanics.coulomb,
        viscous_nms: mechanics.viscous,
        gravity_nm: mechanics.gravity,
        stiffness_nm_per_rad: given
            .and_then(|given| given.stiffness.as_ref())
            .filter(|stiffness| above_zero(stiffness, "the stiffness", problems))
            .map(crate::read::Quantity::units),
        backlash,
        spread: spread.map_or(0.05, crate::read::Quantity::units),
        encoder_offset_counts: given
            .and_then(|given| given.encoder_offset.as_ref())
            .map_or(0, |offset| offset.to()),
        start_position: start.unwrap_or(0.0),
        hard_stops: stops.or_else(|| outside(20.0)),
        limit_negative: switches.map(|(from, _)| from),
        limit_positive: switches.map(|(_, to)| to),
        reference: pair(given.and_then(|given| given.reference.as_ref()), problems),
        index_at: index_at.unwrap_or(homed_at),
        brake: brake(section, plan, built),
    })
}

/// A serial number for a virtual drive whose file names none.
fn virtual_serial(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(0).saturating_add(1_000)
}

#[expect(clippy::cast_precision_loss, reason = "counts for the virtual drive: 2⁻⁵³ is enough")]
fn float(value: i64) -> f64 {
    value as f64
}

fn ends(
    pair: Option<&Pair<Position>>,
    unit: AxisUnit,
    problems: &mut Problems,
) -> Option<(f64, f64)> {
    let pair = pair?;
    let (from, to) = (in_unit(&pair.0, unit, problems)?, in_unit(&pair.1, unit, problems)?);
    if from >= to {
        problems.push(
            Problem::error("limits-order", &pair.0.span, "the two places are in wrong order")
                .expected("[smaller, larger]")
                .found(format!("[{}, {}]", pair.0.show(), pair.1.show()))
                .remedy("swap them"),
        );
    }
    Some((from.units(), to.units()))
}

/// Homing on to a switch needs a switch.
fn check_switch(section: &Axis, plan: &AxisPlan, problems: &mut Problems) {
    let reference = section.r#virtual.as_ref().and_then(|given| given.reference.as_ref());
    if matches!(plan.homing, rt_core::plan::HomingPlan::SwitchIndex { .. }) && reference.is_none() {
        problems.push(
            Problem::error(
                "no-reference-switch",
                &section.homing.span,
                "the virtual axis has no reference switch to home on",
            )
            .expected("`reference = [\"from\", \"to\"]` in [axis.virtual]")
            .found("none")
            .remedy("say where the switch is hit"),
        );
    }
}

fn brake(section: &Axis, plan: &AxisPlan, built: &Built<'_>) -> Option<VirtualBrake> {
    let brake = plan.brake?;
    let torque = section.r#virtual.as_ref().and_then(|given| given.brake_torque.as_ref());
    Some(VirtualBrake {
        release: brake.release.and_then(|id| built.devices.signals.channel(id)),
        holding_nm: torque.map_or(2.0 * plan.model.rated_torque_nm, crate::read::Quantity::units),
        engage_ns: brake.engage_ns,
        release_ns: brake.release_ns,
    })
}

fn millimetres(length: &Length) -> f64 {
    length.units()
}

fn corners(points: &[crate::file::axis::Point]) -> Vec<(f64, f64)> {
    points.iter().map(|point| (millimetres(&point.0), millimetres(&point.1))).collect()
}

pub(crate) fn zones(built: &Built<'_>) -> Vec<VirtualZone> {
    built
        .vision
        .sections
        .iter()
        .zip(&built.vision.zone_at)
        .filter_map(|(section, at)| {
            let (stream, bit) = (*at)?;
            Some(VirtualZone {
                name: section.name.value.clone(),
                stream: stream.0,
                bit,
                polygon: corners(&section.polygon),
            })
        })
        .collect()
}

/// A virtual camera sends through the Unix socket of the run, with the clock of this host.
fn check_source(camera: &file::Camera, source: Option<&StreamSource>, problems: &mut Problems) {
    if source.is_none_or(|source| source.socket == StreamSocket::Unix && !source.own_clock) {
        return;
    }
    problems.push(
        Problem::error(
            "camera-elsewhere",
            &camera.stream.span,
            "its datagrams come from elsewhere",
        )
        .expected("a stream with `socket = \"unix\"` and `clock = \"host\"`")
        .found("another")
        .remedy("remove the virtual camera: `python -m tactus_vision send` can stand in"),
    );
}

pub(crate) fn cameras(
    section: Option<&file::Virtual>,
    built: &Built<'_>,
    problems: &mut Problems,
) -> Vec<VirtualCamera> {
    let mut out: Vec<VirtualCamera> = Vec::new();
    for camera in section.map_or(&[][..], |section| &section.camera) {
        let Some(place) = built.vision.streams.find(&camera.stream, problems) else { continue };
        let Some(stream) = built.vision.plans.get(place) else { continue };
        let place = u8::try_from(place).unwrap_or(u8::MAX);
        if out.iter().any(|other| other.stream == place) {
            problems.push(
                Problem::error("duplicate-id", &camera.stream.span, "a stream has one camera")
                    .expected("one [[virtual.camera]] for each stream")
                    .found("the second")
                    .remedy("remove one"),
            );
        }
        check_source(camera, built.vision.sources.get(usize::from(place)), problems);
        let period = time_in(&camera.period, MS..=10_000 * MS, "the period", problems);
        let delay = time_in(&camera.delay, 0..=10_000 * MS, "the delay", problems);
        let jitter = camera.delay_jitter.as_ref();
        let jitter = jitter.map_or(Some(0), |at| time_in(at, 0..=10_000 * MS, "jitter", problems));
        let exposure = camera.exposure.as_ref();
        let exposure = exposure
            .map_or(Some(2_000_000), |at| time_in(at, 0..=1_000 * MS, "exposure", problems));
        let (Some(period_ns), Some(delay_ns), Some(delay_jitter_ns), Some(exposure)) =
            (period, delay, jitter, exposure)
        else {
            continue;
        };
        let late = period_ns + delay_ns + delay_jitter_ns;
        if late > stream.age_max_ns {
            problems.push(
                Problem::error("always-stale", &camera.delay.span, "its pictures are always stale")
                    .expected("period + delay + jitter at most `age_max` of the stream")
                    .found(format!(
                        "{} ms against {} ms",
                        late / 1_000_000,
                        stream.age_max_ns / 1_000_000
                    ))
                    .remedy("raise `age_max`, or make the camera faster"),
            );
        }
        out.push(VirtualCamera {
            stream: place,
            wire_id: stream.wire_id,
            period_ns,
            delay_ns,
            delay_jitter_ns,
            exposure_ns: u32::try_from(exposure).unwrap_or(u32::MAX),
            quality: camera.quality.as_ref().map_or(90, |quality| quality.to()),
            noise_mm: model::not_negative(camera.noise.as_ref(), "noise", problems)
                .filter(|_| camera.noise.is_some())
                .unwrap_or(10.0),
            view: Some(corners(&camera.view)).filter(|view| !view.is_empty()),
        });
    }
    out
}

pub(crate) fn persons(
    section: Option<&file::Virtual>,
    names: &mut Table,
    problems: &mut Problems,
) -> Vec<VirtualPerson> {
    let mut out = Vec::new();
    for person in section.map_or(&[][..], |section| &section.person) {
        check_identifier(&person.name, problems);
        names.add(&person.name, problems);
        check_count(person.path.len(), 64, "places on a path", &person.name.span, problems);
        if person.path.is_empty() {
            problems.push(
                Problem::error("empty-path", &person.name.span, "this person walks nowhere")
                    .expected("`path` with at least one place")
                    .found("none")
                    .remedy("for instance: path = [{ at = [\"0 mm\", \"0 mm\"] }]"),
            );
        }
        let speed = person.speed.as_ref();
        if let Some(speed) = speed.filter(|at| !(1..=5_000_000_000_000).contains(&at.nano)) {
            problems.push(
                Problem::error("out-of-range", &speed.span, "nobody walks like this")
                    .expected("above 0, at most 5 m/s")
                    .found(speed.show())
                    .remedy("1.4 m/s is a brisk walk, 1.6 m/s what ISO 13855 assumes"),
            );
        }
        if let Some(radius) = &person.radius {
            above_zero(radius, "the reach of a person", problems);
        }
        let hours = 24 * 3_600_000 * MS;
        let mut time = |at: &Option<crate::read::Time>, what: &str, least: i64| {
            at.as_ref().and_then(|at| time_in(at, least..=hours, what, problems))
        };
        let start_ns = time(&person.start, "the first walk", 0);
        let repeat_ns = time(&person.every, "the repetition", 100 * MS);
        let path = person.path.iter().map(|place| Waypoint {
            x_mm: millimetres(&place.at.0),
            y_mm: millimetres(&place.at.1),
            dwell_ns: time(&place.stay, "the stay", 0).unwrap_or(0),
        });
        out.push(VirtualPerson {
            name: person.name.value.clone(),
            path: path.collect(),
            radius_mm: person.radius.as_ref().map_or(300.0, millimetres),
            speed_mm_s: speed.map_or(1_400.0, crate::read::Quantity::units),
            start_ns,
            repeat_ns,
        });
    }
    out
}

pub(crate) fn conveyors(
    section: Option<&file::Virtual>,
    built: &Built<'_>,
    problems: &mut Problems,
) -> Vec<VirtualConveyor> {
    let mut names = Table::new("a conveyor");
    let mut out = Vec::new();
    for belt in section.map_or(&[][..], |section| &section.conveyor) {
        check_identifier(&belt.name, problems);
        names.add(&belt.name, problems);
        out.extend(conveyor(belt, built, problems));
    }
    out
}

fn conveyor(
    belt: &file::Conveyor,
    built: &Built<'_>,
    problems: &mut Problems,
) -> Option<VirtualConveyor> {
    let axis = built.axes.find(&belt.axis, problems)?;
    let unit = built.axes.unit(axis);
    let place = |at: &Position, problems: &mut Problems| {
        in_unit(at, unit, problems).map(twin_lite::units::Nano::units)
    };
    for (at, what) in [(&belt.length, "the length"), (&belt.part_length, "the length of a part")] {
        above_zero(at, what, problems);
    }
    if belt.spacing.nano <= belt.part_length.nano {
        problems.push(
            Problem::error("limits-order", &belt.spacing.span, "parts would lie on each other")
                .expected(format!("more than `part_length`, {}", belt.part_length.show()))
                .found(belt.spacing.show())
                .remedy("make it longer"),
        );
    }
    let first = belt.first_part.as_ref().map(|at| place(at, problems));
    let jitter = belt.spacing_jitter.as_ref().map(|at| place(at, problems));
    let barrier = belt.barrier.as_ref().and_then(|barrier| {
        let input = input(&barrier.signal, built, problems)?;
        Some(VirtualBarrier { input, at: place(&barrier.at, problems)? })
    });
    let gripper = belt.gripper.as_ref().and_then(|at| gripper(at, unit, built, problems));
    Some(VirtualConveyor {
        name: belt.name.value.clone(),
        axis,
        length: place(&belt.length, problems)?,
        part_length: place(&belt.part_length, problems)?,
        first_part: first.flatten().unwrap_or(0.0),
        spacing: place(&belt.spacing, problems)?,
        spacing_jitter: jitter.flatten().unwrap_or(0.0),
        barrier,
        gripper,
        station: belt.inspection.as_ref().and_then(|at| station(at, belt, built, problems)),
    })
}

/// Places of an inspection are counted from its sensor: here that is the barrier.
fn station(
    section: &file::Station,
    belt: &file::Conveyor,
    built: &Built<'_>,
    problems: &mut Problems,
) -> Option<VirtualStation> {
    let place = built.inspections.names.find(&section.name, problems)?;
    let plan = built.inspections.plans.get(place).copied().flatten()?;
    let Some(barrier) = &belt.barrier else {
        problems.push(
            Problem::error("missing-key", &section.name.span, "its belt has no light barrier")
                .expected("`barrier`: the sensor of the inspection")
                .found("none")
                .remedy("add barrier = { signal = …, at = … } to the conveyor"),
        );
        return None;
    };
    let unit = built.axes.unit(built.axes.find(&belt.axis, problems)?);
    let start = in_unit(&barrier.at, unit, problems)?.units();
    let mut time = |at: Option<&crate::read::Time>, or: i64, what: &str| match at {
        Some(at) => time_in(at, 0..=10_000 * MS, what, problems),
        None => u64::try_from(or).ok(),
    };
    let delay_ns = time(Some(&section.delay), 0, "the delay")?;
    let delay_jitter_ns = time(section.delay_jitter.as_ref(), 0, "jitter")?;
    let late_by_ns = time(section.late_by.as_ref(), 1_000 * MS, "`late_by`")?;
    let mut share = |at: &Option<crate::read::Share>, or: f64| match at {
        Some(at) if (0.0..=1.0).contains(&at.units()) => at.units(),
        Some(at) => {
            problems.push(
                Problem::error("out-of-range", &at.span, "this is no share of all parts")
                    .expected("0 % to 100 %")
                    .found(at.show())
                    .remedy("choose a share in this range"),
            );
            or
        }
        None => or,
    };
    let (bad, late) = (share(&section.bad, 0.05), share(&section.late, 0.0));
    let (silent, unknown) = (share(&section.silent, 0.0), share(&section.unknown, 0.0));
    let (repeated, wrong_hash) = (share(&section.repeated, 0.0), share(&section.wrong_hash, 0.0));
    let (wrong_trigger, deaf) = (share(&section.wrong_trigger, 0.0), share(&section.deaf, 0.0));
    let mut length = |at: &Option<Position>, or: f64| {
        at.as_ref().map_or(Some(or), |at| in_unit(at, unit, problems).map(|at| at.units()))
    };
    let (slip, reach) = (length(&section.slip, 0.0)?, length(&section.reach, 2.0)?);
    Some(VirtualStation {
        wire_id: built.vision.plans.get(usize::from(plan.stream.0))?.wire_id,
        trigger: built.devices.signals.channel(plan.trigger)?,
        reject: built.devices.signals.channel(plan.reject)?,
        camera_at: start + plan.track.camera_at.units(),
        reject_at: start + plan.track.reject_at.units(),
        reject_delay_ns: plan.track.delay_ns,
        reach: reach.abs().max(1e-3),
        delay_ns,
        delay_jitter_ns,
        late_by_ns,
        slip: slip.abs(),
        bad,
        late,
        silent,
        unknown,
        repeated,
        wrong_hash,
        wrong_trigger,
        deaf,
    })
}

/// A digital input that the virtual cell works.
pub(crate) fn input(name: &Name, built: &Built<'_>, problems: &mut Problems) -> Option<Channel> {
    let id = built.devices.signals.input_bit(name, "the input", problems)?;
    built.devices.signals.terminal(name, id, problems)
}

/// A digital output that the virtual cell sees.
pub(crate) fn output(name: &Name, built: &Built<'_>, problems: &mut Problems) -> Option<Channel> {
    let id = built.devices.signals.output_bit(name, "the output", problems)?;
    built.devices.signals.terminal(name, id, problems)
}

fn gripper(
    section: &file::Gripper,
    belt: AxisUnit,
    built: &Built<'_>,
    problems: &mut Problems,
) -> Option<VirtualGripper> {
    let axis_x = built.axes.find(&section.x, problems);
    let axis_z = built.axes.find(&section.z, problems);
    let output = output(&section.signal, built, problems);
    let held = section.held.as_ref().map(|held| input(held, built, problems));
    let (axis_x, axis_z) = (axis_x?, axis_z?);
    let mut spot = |spot: &file::Spot| {
        let tolerance = spot.tolerance.as_ref().map_or(5.0, millimetres);
        let x = in_unit(&spot.x, built.axes.unit(axis_x), problems)?.units();
        let z = in_unit(&spot.z, built.axes.unit(axis_z), problems)?.units();
        Some(Spot { x, z, x_tolerance: tolerance, z_tolerance: tolerance })
    };
    let (pick, place) = (spot(&section.pick), spot(&section.place));
    let payload = section.part_payload.as_ref().map_or(1.0, crate::read::Quantity::units);
    if let Some(at) = section.part_payload.as_ref().filter(|_| !(0.2..=5.0).contains(&payload)) {
        problems.push(
            Problem::error("out-of-range", &at.span, "the payload is out of range")
                .expected("20 % to 500 % of the empty load")
                .found(at.show())
                .remedy("choose a share in this range"),
        );
    }
    let delay = section.delay.as_ref();
    let delay =
        delay.map_or(Some(50_000_000), |at| time_in(at, 0..=10_000 * MS, "delay", problems));
    let pick_belt = in_unit(&section.belt_at, belt, problems);
    Some(VirtualGripper {
        axis_x,
        axis_z,
        output: output?,
        delay_ns: delay?,
        pick: pick?,
        pick_belt: pick_belt?.units(),
        place: place?,
        speed_tolerance: section
            .speed_tolerance
            .as_ref()
            .map_or(50.0, crate::read::Quantity::units),
        along: section.along.as_ref().map_or(0.0, |along| f64::from(along.to::<i32>())),
        part_payload: payload,
        held: held.flatten(),
    })
}
