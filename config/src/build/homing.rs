//! `[axis.brake]` and `[axis.homing]`.

use rt_core::plan::{AxisLimits, BrakePlan, HomingPlan};
use twin_lite::units::Nano;

use super::axes::{in_unit, positive, time_in};
use super::bus::Devices;
use crate::file::axis as file;
use crate::file::axis::{Direction, HomingMethod};
use crate::machine::AxisUnit;
use crate::problem::{Problem, Problems, Span};

#[expect(clippy::option_option, reason = "outer: could it be read; inner: is there one")]
pub(crate) fn brake(
    section: &file::Axis,
    devices: &mut Devices<'_>,
    problems: &mut Problems,
) -> Option<Option<BrakePlan>> {
    let Some(brake) = &section.brake else { return Some(None) };
    let times = 1_000_000..=5_000_000_000;
    let engage = time_in(&brake.engage, times.clone(), "the time of the brake", problems);
    let release_ns = time_in(&brake.release, times, "the time of the brake", problems);
    let release = match &brake.output {
        None => Some(None),
        Some(name) => devices.signals.output_bit(name, "the brake output", problems).map(|id| {
            let who = format!("the brake of axis `{}`", section.name.value);
            devices.signals.claim(id, &name.span, &who, problems);
            Some(id)
        }),
    };
    Some(Some(BrakePlan { release: release?, engage_ns: engage?, release_ns: release_ns? }))
}

// SR-024
pub(crate) fn check_vertical(section: &file::Axis, problems: &mut Problems) {
    let Some(vertical) = section.vertical.as_ref().filter(|vertical| vertical.value) else {
        return;
    };
    if section.brake.is_none() {
        problems.push(
            Problem::error(
                "vertical-without-brake",
                &vertical.span,
                format!("the vertical axis `{}` has no brake", section.name.value),
            )
            .expected("a section [axis.brake]")
            .found("none: the load would fall when torque goes")
            .remedy("describe the brake; one that the drive works has no `output`"),
        );
    }
    if section.wrap.is_some() {
        problems.push(
            Problem::error("vertical-endless", &vertical.span, "a vertical axis cannot be endless")
                .expected("either `vertical` or `wrap`")
                .found("both")
                .remedy("remove one of the two"),
        );
    }
}

pub(crate) fn homing(
    section: &file::Axis,
    unit: AxisUnit,
    limits: Option<&AxisLimits>,
    problems: &mut Problems,
) -> Option<HomingPlan> {
    let homing = &section.homing;
    let position = match &homing.position {
        Some(position) => in_unit(position, unit, problems),
        None => Some(Nano::ZERO),
    };
    match homing.method {
        HomingMethod::Here => {
            let position = position?;
            check_here(section, position, limits, problems);
            Some(HomingPlan::Here { position })
        }
        HomingMethod::Kept => {
            let Some(offset) = &homing.offset else {
                problems.push(missing(&homing.span, "offset", "the offset of the earlier homing"));
                return None;
            };
            Some(HomingPlan::Kept { offset: in_unit(offset, unit, problems)? })
        }
        HomingMethod::SwitchIndex => switch_index(section, unit, position, limits, problems),
    }
}

fn check_here(
    section: &file::Axis,
    position: Nano,
    limits: Option<&AxisLimits>,
    problems: &mut Problems,
) {
    let Some((from, to)) = limits.and_then(|limits| limits.position) else { return };
    if position < from || position > to {
        let at = section.homing.position.as_ref().map_or(&section.homing.span, |at| &at.span);
        problems.push(
            Problem::error("homing-outside", at, "homed outside the soft limits")
                .expected("a position inside the soft limits")
                .found("one outside")
                .remedy("correct `position`: the axis could not move from there"),
        );
    }
}

fn missing(span: &Span, key: &str, what: &str) -> Problem {
    Problem::error("missing-key", span, format!("no `{key}`"))
        .expected(what)
        .found("nothing")
        .remedy(format!("add `{key} = …`: this homing method needs it"))
}

/// One turn of the motor, and a quarter to spare.
fn index_counts_max(section: &file::Axis) -> i64 {
    let turn: i64 = section.gear.counts_per_revolution.to();
    turn.saturating_add(turn / 4)
}

fn switch_index(
    section: &file::Axis,
    unit: AxisUnit,
    position: Option<Nano>,
    limits: Option<&AxisLimits>,
    problems: &mut Problems,
) -> Option<HomingPlan> {
    let homing = &section.homing;
    if homing.direction.is_none() {
        problems.push(missing(&homing.span, "direction", "\"positive\" or \"negative\""));
    }
    let mut speed = |given: &Option<crate::read::Speed>, key: &str| {
        let Some(given) = given else {
            problems.push(missing(&homing.span, key, "a speed"));
            return None;
        };
        let value = positive(given, unit, "the homing speed", problems)?;
        let most = limits.map(|limits| limits.velocity_unreferenced);
        if most.is_some_and(|most| value > most) {
            problems.push(
                Problem::error("velocity-above-limit", &given.span, "homing is too fast")
                    .expected("at most `limits.velocity_unreferenced`")
                    .found(given.show())
                    .remedy("home more slowly, or raise the limit"),
            );
        }
        Some(value)
    };
    let search = speed(&homing.velocity_search, "velocity_search");
    let latch = speed(&homing.velocity_latch, "velocity_latch");
    if let (Some(search), Some(latch), Some(given)) = (search, latch, &homing.velocity_latch)
        && latch > search
    {
        problems.push(
            Problem::error("limits-order", &given.span, "faster to the index than to the switch")
                .expected("velocity_latch at most velocity_search")
                .found(given.show())
                .remedy("make it slower: the index is found as exactly as this speed allows"),
        );
    }
    let timeout_ns = match &homing.timeout {
        None => Some(60_000_000_000),
        Some(time) => {
            time_in(time, 1_000_000_000..=600_000_000_000, "the time-out of homing", problems)
        }
    };
    Some(HomingPlan::SwitchIndex {
        positive: homing.direction? == Direction::Positive,
        velocity_search: search?,
        velocity_latch: latch?,
        position: position?,
        index_counts_max: index_counts_max(section),
        timeout_ns: timeout_ns?,
    })
}
