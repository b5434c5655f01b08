//! `[twin]` and `[axis.twin.thermal]`: what the twin watches and decides.

use rt_core::plan::{ThermalModel, TwinMode, TwinPlan};

use super::axes::time_in;
use crate::file::{self, File, axis};
use crate::problem::{Problem, Problems};
use crate::read::{Share, Time};

const S: i64 = 1_000_000_000;

/// `None`: the file has no `[twin]`.
pub(crate) fn twin(file: &File, problems: &mut Problems) -> Option<TwinPlan> {
    let Some(section) = &file.twin.0 else {
        if !file.twin.1 && problems.lost.is_empty() {
            for axis in file.axis.iter().filter(|axis| thermal(axis).is_some()) {
                problems.push(missing(&axis.name.span, "warmth is described and not watched"));
            }
            for interlock in file
                .interlock
                .iter()
                .filter(|section| section.cause.kind.value == file::safety::CauseKind::TwinDoubt)
            {
                problems.push(missing(&interlock.cause.kind.span, "nothing can be doubted"));
            }
        }
        return None;
    };
    let models: Box<[_]> = file
        .axis
        .iter()
        .map(|axis| thermal(axis).and_then(|section| model(section, problems)))
        .collect();
    let asked = section.thermal_derating.as_ref();
    let described = models.iter().any(Option::is_some) || !problems.lost.is_empty();
    if let (Some(asked), false) = (asked, described) {
        problems.push(
            Problem::error("key-does-not-fit", &asked.span, "no axis says how it warms up")
                .expected("`[axis.twin.thermal]` of at least one axis")
                .found("none")
                .remedy("describe motor and drive, or take `thermal_derating` out"),
        );
    }
    let mode = |at: &Option<crate::read::At<file::TwinMode>>, otherwise| {
        at.as_ref().map_or(otherwise, |at| match at.value {
            file::TwinMode::Observe => TwinMode::Observe,
            file::TwinMode::Advise => TwinMode::Advise,
            file::TwinMode::Act => TwinMode::Act,
        })
    };
    Some(TwinPlan {
        slow: mode(&section.slow_before_limit, TwinMode::Act),
        stop: mode(&section.stop_before_limit, TwinMode::Act),
        derate: mode(&section.thermal_derating, TwinMode::Observe),
        thermal: models,
    })
}

fn thermal(axis: &axis::Axis) -> Option<&axis::Thermal> {
    axis.twin.as_ref().and_then(|twin| twin.thermal.as_ref())
}

fn missing(span: &std::ops::Range<usize>, what: &str) -> Problem {
    Problem::error("missing-key", span, format!("there is no section [twin]: {what}"))
        .expected("[twin]")
        .found("none in the whole file")
        .remedy("add it; an empty one will do")
}

fn model(section: &axis::Thermal, problems: &mut Problems) -> Option<ThermalModel> {
    let mut seconds =
        |time: &Time, range, what| time_in(time, range, what, problems).map(|_| time.units());
    let winding = seconds(&section.winding, S..=3600 * S, "the time constant of the winding");
    let housing = seconds(&section.housing, S..=86_400 * S, "the time constant of the housing");
    let drive = seconds(&section.drive, S / 10..=3600 * S, "the time constant of the drive");
    let housing_share = share(section.housing_share.as_ref(), (0.5, 0.0, 0.95), problems);
    let limit = share(section.limit.as_ref(), (1.0, 0.1, 2.0), problems);
    Some(ThermalModel {
        winding_s: winding?,
        housing_s: housing?,
        housing_share: housing_share?,
        drive_s: drive?,
        limit: limit?,
    })
}

/// A share with its default and range.
fn share(
    given: Option<&Share>,
    (otherwise, least, most): (f64, f64, f64),
    problems: &mut Problems,
) -> Option<f64> {
    let Some(given) = given else { return Some(otherwise) };
    let value = given.units();
    if (least..=most).contains(&value) {
        return Some(value);
    }
    problems.push(
        Problem::error("out-of-range", &given.span, "this share is out of range")
            .expected(format!("{} to {} %", least * 100.0, most * 100.0))
            .found(given.show())
            .remedy("choose a share in this range"),
    );
    None
}
