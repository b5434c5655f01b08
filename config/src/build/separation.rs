//! `cause = { kind = "separation" }`: a part, who sees persons, and what is known of both.

use rt_core::plan::{Cause, InterlockPlan, Reaction, StopWay};
use rt_core::separation::{PartId, PartPlan, Rectangle, SeparationPlan};
use twin_lite::units::Nano;

use super::Built;
use super::axes::time_in;
use super::causes::{Row, zone};
use super::interlocks::{Interlocks, Scope};
use crate::file::axis::Point;
use crate::file::safety as file;
use crate::problem::{Problem, Problems, Span};
use crate::quantity::{self, Dimension};
use crate::read::{Length, Speed};

/// ISO 13855: a person who walks, nano-mm / s. ISO/TS 15066 takes it where nothing is measured.
const WALKING: i64 = 1_600_000_000_000;
const FASTEST: i64 = 10_000_000_000_000;
const METRE: i64 = 1_000_000_000_000;

/// The row.
pub(crate) fn separation(
    section: &file::Interlock,
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Vec<Row> {
    plan(&section.cause, scope, problems)
        .map(|(plan, part)| (Cause::Separation(plan), String::new(), Some(part.group)))
        .into_iter()
        .collect()
}

fn plan(
    cause: &file::Cause,
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Option<(SeparationPlan, PartPlan)> {
    let place = cause.part.as_ref().and_then(|name| scope.parts.names.find(name, problems));
    let at = zone(cause.zone.as_ref(), scope, problems);
    let watched = watched(cause, scope, problems);
    let person_speed = person_speed(cause.person_speed.as_ref(), problems);
    let intrusion = length(cause.intrusion.as_ref(), 3 * METRE, "the intrusion", problems);
    let person = length(cause.person_uncertainty.as_ref(), METRE, "the uncertainty", problems);
    let part_off = length(cause.part_uncertainty.as_ref(), METRE, "the uncertainty", problems);
    let clock = cause.clock_error.as_ref();
    let clock = clock.map_or(Some(0), |at| time_in(at, 0..=1_000_000_000, "the error", problems));
    let part = (*scope.parts.plans.get(place?)?)?;
    let following = part.axes.iter().flatten().filter_map(|axis| scope.axes.plan(*axis));
    let following: i64 = following.map(|axis| axis.limits.following_error.0).sum();
    let (stream, zone) = at?;
    let plan = SeparationPlan {
        part: PartId(u8::try_from(place?).ok()?),
        stream,
        zone,
        watched: watched?,
        person_speed: person_speed?,
        intrusion: intrusion?,
        person_uncertainty: person?,
        part_uncertainty: cause
            .part_uncertainty
            .as_ref()
            .map_or(Nano(following), |_| part_off.unwrap_or(Nano(following))),
        clock_error_ns: clock?,
    };
    Some((plan, part))
}

/// A length from 0 to `most`; 0 where nothing is said.
fn length(at: Option<&Length>, most: i64, what: &str, problems: &mut Problems) -> Option<Nano> {
    let Some(at) = at else { return Some(Nano::ZERO) };
    if (0..=most).contains(&at.nano) {
        return Some(Nano(at.nano));
    }
    problems.push(
        Problem::error("out-of-range", &at.span, format!("{what} is out of range"))
            .expected(format!("0 mm to {}", quantity::show(most, Dimension::Length)))
            .found(at.show())
            .remedy("choose a length in this range"),
    );
    None
}

fn person_speed(at: Option<&Speed>, problems: &mut Problems) -> Option<Nano> {
    let Some(at) = at else { return Some(Nano(WALKING)) };
    if at.dimension == Dimension::LinearSpeed && (WALKING..=FASTEST).contains(&at.nano) {
        return Some(Nano(at.nano));
    }
    problems.push(
        Problem::error("out-of-range", &at.span, "the person's speed is out of range")
            .expected("1.6 m/s (ISO 13855: somebody who walks) to 10 m/s")
            .found(at.show())
            .remedy("leave it out for 1.6 m/s; a person may always be as fast as that"),
    );
    None
}

/// The zone of the cause as the rectangle that it must be.
fn watched(
    cause: &file::Cause,
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Option<Rectangle> {
    let name = cause.zone.as_ref()?;
    let section = scope.vision.sections.iter().find(|zone| zone.name.value == name.value)?;
    let found = rectangle(&section.polygon);
    if found.is_none() {
        problems.push(
            Problem::error(
                "not-a-rectangle",
                &name.span,
                "the area that is watched is no rectangle",
            )
            .expected("a zone of four corners, its sides along x and y")
            .found(format!("{} corners", section.polygon.len()))
            .remedy("watch a rectangle that holds the part and all that is near it")
            .related(&section.name.span, "this zone"),
        );
    }
    found
}

fn rectangle(polygon: &[Point]) -> Option<Rectangle> {
    let [a, b, c, d] = polygon else { return None };
    let corners = [a, b, c, d].map(|corner| (corner.0.nano, corner.1.nano));
    let xs = corners.map(|(x, _)| x);
    let ys = corners.map(|(_, y)| y);
    let low = [xs.into_iter().min()?, ys.into_iter().min()?];
    let high = [xs.into_iter().max()?, ys.into_iter().max()?];
    let around = [(low[0], low[1]), (high[0], low[1]), (high[0], high[1]), (low[0], high[1])];
    let all = around.iter().all(|corner| corners.contains(corner));
    // Neighbours share a side: no bow tie.
    let next = corners.iter().cycle().skip(1);
    let sides = corners.iter().zip(next).all(|(a, b)| (a.0 == b.0) != (a.1 == b.1));
    (all && sides).then_some(Rectangle { low: low.map(Nano), high: high.map(Nano) })
}

/// What rows of this kind must do, and what the axes of their parts must be able to.
pub(crate) fn check(built: &Built<'_>, interlocks: &Interlocks, problems: &mut Problems) {
    if !problems.lost.is_empty() {
        return;
    }
    for (row, span) in interlocks.plans.iter().zip(&interlocks.spans) {
        let Cause::Separation(plan) = row.cause else { continue };
        let part = built.parts.plans.get(usize::from(plan.part.0)).copied().flatten();
        if let Some(part) = part {
            check_stop(row, &part, span, problems);
            check_axes(built, &part, span, problems);
        }
    }
}

fn check_stop(row: &InterlockPlan, part: &PartPlan, span: &Span, problems: &mut Problems) {
    let reaction = row.effects.iter().find(|effect| effect.group == part.group);
    match reaction.map(|effect| effect.reaction) {
        Some(Reaction::Stop2 | Reaction::Stop1) => {}
        found => problems.push(
            Problem::error("separation-without-stop", span, "the part would not be stopped")
                .expected("\"stop 2\" or \"stop 1\" for the group of the part")
                .found(match found {
                    Some(Reaction::Stop0) => "\"stop 0\": nobody knows how far it coasts",
                    Some(_) => "something weaker: the distance counts on a stop",
                    None => "nothing for this group",
                })
                .remedy("slowing down comes before the stop by itself"),
        ),
    }
}

fn check_axes(built: &Built<'_>, part: &PartPlan, span: &Span, problems: &mut Problems) {
    let Some(group) = built.axes.group_plans.get(usize::from(part.group.0)) else { return };
    for axis in &group.axes {
        let Some(plan) = built.axes.plan(*axis) else { continue };
        if plan.stop.connection_lost == StopWay::PowerRemoval {
            problems.push(
                Problem::error(
                    "separation-coasts",
                    span,
                    format!(
                        "nobody knows how far `{}` goes without frames",
                        built.axes.name(*axis)
                    ),
                )
                .expected("a drive that brakes when frames stay away: connection_lost = 3, or 1 with fault = 2")
                .found("one that takes its torque away")
                .remedy("set `reactions.connection_lost` of its drive"),
            );
        }
    }
}
