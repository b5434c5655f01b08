//! `[axis.limits]`, `[axis.stop]` and `wrap`: what the gate holds, and how the axis stops.

use rt_core::plan::{AxisLimits, AxisPlan, Directions, Ratio, StopPlan};
use twin_lite::units::Nano;

use super::axes::{in_unit, positive, time_in};
use super::bus::Devices;
use super::reactions;
use crate::file::axis as file;
use crate::machine::AxisUnit;
use crate::problem::{Problem, Problems};

/// Beyond its envelope for so long escalates a stop if the file does not say, ns.
const ESCALATE_DEFAULT_NS: u64 = 20_000_000;

pub(crate) fn limits(
    section: &file::Axis,
    unit: AxisUnit,
    problems: &mut Problems,
) -> Option<AxisLimits> {
    let limits = &section.limits;
    let position = soft_limits(section, unit, problems);
    let velocity = positive(&limits.velocity, unit, "the velocity", problems);
    let acceleration = positive(&limits.acceleration, unit, "the acceleration", problems);
    let jerk = positive(&limits.jerk, unit, "the jerk", problems);
    let error = positive(&limits.following_error, unit, "the following error", problems);
    if let Some(drive) = &limits.following_error_drive
        && let (Some(drive_error), Some(error)) =
            (positive(drive, unit, "the following error", problems), error)
        && drive_error < error
    {
        problems.push(
            Problem::error("limits-order", &drive.span, "the drive would fault first")
                .expected(format!("at least {}", limits.following_error.show()))
                .found(drive.show())
                .remedy("make it larger: then the loop stops in a controlled way before the drive"),
        );
    }
    let unreferenced = match &limits.velocity_unreferenced {
        None => velocity.map(|velocity| Nano((velocity.0 / 10).max(1))),
        Some(given) => positive(given, unit, "the velocity", problems).inspect(|value| {
            if velocity.is_some_and(|velocity| *value > velocity) {
                problems.push(
                    Problem::error(
                        "limits-order",
                        &given.span,
                        "faster unreferenced than referenced",
                    )
                    .expected(format!("at most {}", limits.velocity.show()))
                    .found(given.show())
                    .remedy("make it smaller: without a reference soft limits do not hold"),
                );
            }
        }),
    };
    Some(AxisLimits {
        position: position?,
        velocity: velocity?,
        acceleration: acceleration?,
        jerk: jerk?,
        velocity_unreferenced: unreferenced?,
        following_error: error?,
        direction: directions(section, problems),
        torque_permille: torque_permille(section, problems),
    })
}

/// The ways that it may go; homing must be one of them.
fn directions(section: &file::Axis, problems: &mut Problems) -> Directions {
    let Some(only) = section.limits.direction else { return Directions::BOTH };
    if let Some(search) = section.homing.direction.filter(|search| *search != only) {
        problems.push(
            Problem::error(
                "homing-against-direction",
                &section.homing.span,
                "homing goes where the axis may not go",
            )
            .expected(format!("direction = {only:?}, as [axis.limits] says"))
            .found(format!("{search:?}"))
            .remedy("home the other way, or allow both directions"),
        );
    }
    match only {
        file::Direction::Positive => Directions { negative: false, positive: true },
        file::Direction::Negative => Directions { negative: true, positive: false },
    }
}

/// The torque limit as the drive counts it, ‰ of rated.
fn torque_permille(section: &file::Axis, problems: &mut Problems) -> Option<u16> {
    let limit = section.limits.torque.as_ref()?;
    let mechanics = &section.mechanics;
    if limit.nano <= 0 || limit.nano > mechanics.peak_torque.nano {
        problems.push(
            Problem::error("limits-order", &limit.span, "no motor has this torque limit")
                .expected(format!("above 0, at most {}", mechanics.peak_torque.show()))
                .found(limit.show())
                .remedy("correct it, or `peak_torque` in [axis.mechanics]"),
        );
        return None;
    }
    let permille = i128::from(limit.nano) * 1000 / i128::from(mechanics.rated_torque.nano.max(1));
    u16::try_from(permille).ok().filter(|permille| *permille > 0)
}

/// Soft limits; `Some(None)`: an endless axis.
#[expect(clippy::option_option, reason = "outer: could it be read; inner: is there one")]
fn soft_limits(
    section: &file::Axis,
    unit: AxisUnit,
    problems: &mut Problems,
) -> Option<Option<(Nano, Nano)>> {
    match (&section.limits.position, &section.wrap) {
        (Some(pair), None) => {
            let (from, to) = (in_unit(&pair.0, unit, problems), in_unit(&pair.1, unit, problems));
            let (from, to) = (from?, to?);
            if from < to {
                return Some(Some((from, to)));
            }
            problems.push(
                Problem::error("limits-order", &pair.0.span, "the soft limits are in wrong order")
                    .expected("[smaller, larger]")
                    .found(format!("[{}, {}]", pair.0.show(), pair.1.show()))
                    .remedy("swap them"),
            );
            None
        }
        (None, Some(_)) => Some(None),
        (Some(pair), Some(wrap)) => {
            problems.push(
                Problem::error("wrap-and-limits", &wrap.span, "an endless axis has no soft limits")
                    .expected("either `wrap` or `limits.position`")
                    .found("both")
                    .remedy("remove one of the two")
                    .related(&pair.0.span, "soft limits"),
            );
            None
        }
        (None, None) => {
            problems.push(
                Problem::error("no-soft-limits", &section.limits.span, "no soft limits")
                    .expected("`position = [\"from\", \"to\"]`, or `wrap` for an endless axis")
                    .found("neither")
                    .remedy("say how far the axis may go"),
            );
            None
        }
    }
}

/// The wrap of an endless axis; a whole number of counts, else the axis would creep by a part of a count each turn.
#[expect(clippy::option_option, reason = "outer: could it be read; inner: is there one")]
pub(crate) fn wrap(
    section: &file::Axis,
    unit: AxisUnit,
    ratio: Option<Ratio>,
    problems: &mut Problems,
) -> Option<Option<Nano>> {
    let Some(wrap) = &section.wrap else { return Some(None) };
    let value = positive(wrap, unit, "the wrap", problems)?;
    let ratio = ratio?;
    let scaled = i128::from(value.0) * i128::from(ratio.numerator);
    let divisor = i128::from(ratio.denominator) * 1_000_000_000;
    if scaled % divisor != 0 {
        problems.push(
            Problem::error("wrap-counts", &wrap.span, "the wrap is not a whole number of counts")
                .expected("a multiple of what one encoder count moves")
                .found(format!("{} and a part of a count", scaled / divisor))
                .remedy("choose a wrap of whole turns, else the axis would creep turn by turn"),
        );
        return None;
    }
    Some(Some(value))
}

pub(crate) fn stop(
    section: &file::Axis,
    unit: AxisUnit,
    drive: usize,
    devices: &Devices<'_>,
    problems: &mut Problems,
) -> Option<StopPlan> {
    let file::Stop { ramp, quick_stop, .. } = &section.stop;
    let ramp_value = positive(ramp, unit, "the ramp", problems);
    let quick_value = positive(quick_stop, unit, "the quick stop", problems);
    let acceleration = &section.limits.acceleration;
    if ramp.nano > 0 && ramp.nano < acceleration.nano {
        problems.push(
            Problem::error("weak-stop", &ramp.span, "the stop is weaker than normal braking")
                .expected(format!("at least the acceleration limit, {}", acceleration.show()))
                .found(ramp.show())
                .remedy("make the ramp steeper, or the acceleration smaller")
                .related(&acceleration.span, "acceleration limit"),
        );
    }
    if quick_stop.nano > 0 && quick_stop.nano < ramp.nano {
        problems.push(
            Problem::error("weak-stop", &quick_stop.span, "the quick stop is weaker than the ramp")
                .expected(format!("at least {}", ramp.show()))
                .found(quick_stop.show())
                .remedy("make it steeper: it is what is left when the loop is gone")
                .related(&ramp.span, "ramp"),
        );
    }
    let envelope = match &section.stop.envelope {
        Some(envelope) => positive(envelope, unit, "the envelope", problems),
        None => Some(Nano((section.limits.velocity.nano / 20).max(1))),
    };
    let escalate_ns = match &section.stop.escalate_after {
        Some(time) => time_in(time, 3_000_000..=1_000_000_000, "the patience", problems),
        None => Some(ESCALATE_DEFAULT_NS),
    };
    Some(StopPlan {
        ramp_deceleration: ramp_value?,
        quick_stop_deceleration: quick_value?,
        watchdog_ns: devices.plans.get(drive)?.watchdog_ns?,
        connection_lost: reactions::connection_lost(section, drive, devices, problems),
        envelope: envelope?,
        escalate_ns: escalate_ns?,
    })
}

/// Positions fit the drive's 32 bits, and one cycle moves less than half of them.
pub(crate) fn check_counts(section: &file::Axis, plan: &AxisPlan, problems: &mut Problems) {
    let Ratio { numerator, denominator } = plan.counts_per_unit;
    let counts = |value: Nano| {
        i128::from(value.0) * i128::from(numerator) / (i128::from(denominator) * 1_000_000_000)
    };
    if let Some((from, to)) = plan.limits.position
        && counts(to) - counts(from) >= 1 << 31
    {
        problems.push(
            Problem::error(
                "counts-range",
                &section.limits.span,
                "the travel exceeds 32 bits of counts",
            )
            .expected("less than 2147483648 counts from end to end")
            .found(format!("{} counts", counts(to) - counts(from)))
            .remedy("let the drive scale to fewer counts a turn"),
        );
    }
    if counts(plan.limits.velocity) >= 1 << 31 {
        problems.push(
            Problem::error(
                "counts-range",
                &section.limits.velocity.span,
                "too many counts a second",
            )
            .expected("less than 2147483648 counts / s")
            .found(format!("{} counts / s", counts(plan.limits.velocity)))
            .remedy("let the drive scale to fewer counts a turn"),
        );
    }
}
