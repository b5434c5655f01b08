//! What a drive does by itself, and whether that keeps what hangs from falling.

use rt_core::plan::StopWay;

use super::bus::Devices;
use crate::file::axis as file;
use crate::file::bus::Reactions;
use crate::problem::{Problem, Problems, Span};
use crate::read::Int;

/// Defaults that Tactus writes. Sources: 0x605A, 0x605E, 0x6007 of CiA 402-2.
const QUICK_STOP: i16 = 2;
const FAULT: i16 = 2;
const CONNECTION_LOST: i16 = 3;

fn option(given: Option<&Int<-32_768, 32_767>>, default: i16) -> i16 {
    given.map_or(default, Int::to)
}

/// The reactions of a drive: quick stop, fault, connection lost.
fn of(reactions: Option<&Reactions>) -> (i16, i16, i16) {
    (
        option(reactions.and_then(|given| given.quick_stop.as_ref()), QUICK_STOP),
        option(reactions.and_then(|given| given.fault.as_ref()), FAULT),
        option(reactions.and_then(|given| given.connection_lost.as_ref()), CONNECTION_LOST),
    )
}

/// How an axis comes to rest when its drive hears nobody any more: by the quick stop whose deceleration Tactus sets, or without a
/// deceleration that is known. A vertical axis must be held in every one of them.
pub(crate) fn connection_lost(
    section: &file::Axis,
    drive: usize,
    devices: &Devices<'_>,
    problems: &mut Problems,
) -> StopWay {
    let device = devices.sections.get(drive).copied();
    let given = device.and_then(|device| device.reactions.as_ref());
    let at = given.map_or(&section.stop.span, |given| &given.span);
    let (quick, fault, lost) = of(given);
    check_vertical(section, (quick, fault), at, problems);
    match (lost, quick, fault) {
        (3, 2 | 6, _) | (1, _, 2) => StopWay::QuickStop,
        (0, _, _) => {
            problems.push(
                Problem::error("connection-lost-nothing", at, "the drive does nothing without us")
                    .expected("`connection_lost`: 3 quick stop, 1 fault, or 2 power off")
                    .found("0: no action")
                    .remedy("3 stops it by its own ramp when the loop is gone"),
            );
            StopWay::PowerRemoval
        }
        (_, _, _) => StopWay::PowerRemoval,
    }
}

/// Torque never goes before the brake holds: whose brake it is decides what the drive may do by itself.
fn check_vertical(
    section: &file::Axis,
    (quick, fault): (i16, i16),
    at: &Span,
    problems: &mut Problems,
) {
    let vertical = section.vertical.as_ref().is_some_and(|vertical| vertical.value);
    let Some(brake) = section.brake.as_ref().filter(|_| vertical) else { return };
    let name = &section.name.value;
    if fault == 0 {
        problems.push(
            Problem::error("fault-drops-load", at, format!("a fault would drop the axis `{name}`"))
                .expected("`fault` = 2: quick stop, brake, then power off")
                .found("0: power off at once")
                .remedy("set it to 2"),
        );
    }
    let (fits, expected, why) = match &brake.output {
        Some(_) => (
            matches!(quick, 5 | 6),
            "`quick_stop` = 6: the drive holds after its quick stop until our output has closed the brake",
            "power goes as soon as it stands, and the brake on an output comes later",
        ),
        None => (
            matches!(quick, 1 | 2),
            "`quick_stop` = 2: the drive closes its brake, then takes power off",
            "the drive does not close its brake after the quick stop",
        ),
    };
    if !fits {
        problems.push(
            Problem::error(
                "quick-stop-drops-load",
                at,
                format!("a quick stop would drop the axis `{name}`: {why}"),
            )
            .expected(expected)
            .found(quick.to_string())
            .remedy("set [subdevice.reactions] of its drive; best let the drive work the brake"),
        );
    }
    if let Some(output) = &brake.output {
        problems.push(
            Problem::warning(
                "brake-not-of-drive",
                &output.span,
                format!("the brake of the vertical axis `{name}` is not its drive's"),
            )
            .expected("a brake that the drive works: [axis.brake] without `output`")
            .found(format!("the output `{}`", output.value))
            .remedy("a drive that fails takes its torque before an output can close the brake"),
        );
    }
}
