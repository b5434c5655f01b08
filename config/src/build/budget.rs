//! Response-time budgets that do not add up, and fixed zones that are too near for theirs.

use rt_core::plan::{Cause, MachinePlan, Reaction};
use rt_core::separation::PartPlan;

use super::axes::time_in;
use crate::budget::{Budget, Distance, STAGES, stream};
use crate::file::File;
use crate::file::safety as file;
use crate::problem::{Problem, Problems, Span};
use crate::quantity::{self, Dimension};

/// ISO 13855: where nobody says how far a person reaches before he is detected, mm.
const INTRUSION_MM: u64 = 850;
/// ISO 13855: where nobody says how well the device measures, mm.
const TOLERANCE_MM: u64 = 100;
const LONGEST_NS: i64 = 60_000_000_000;

/// The section that made a row.
pub(crate) fn section_of<'f>(file: &'f File, span: &Span) -> Option<&'f file::Interlock> {
    file.interlock.iter().find(|section| section.name.span == *span)
}

/// What the file declares of a row.
fn declared(section: &file::Interlock, problems: &mut Problems) -> ([Option<u64>; 6], Option<u64>) {
    let Some(budget) = &section.budget else { return ([None; 6], None) };
    let stages = [
        &budget.sensor,
        &budget.transport,
        &budget.cycle,
        &budget.bus,
        &budget.drive,
        &budget.mechanics,
    ];
    let mut read = |at: &Option<crate::read::Time>| {
        at.as_ref().and_then(|at| time_in(at, 0..=LONGEST_NS, "a stage of the budget", problems))
    };
    (stages.map(&mut read), read(&budget.total))
}

/// Budgets of all rows, in order; `spans` says where the name of each is. `None`: there are errors.
pub(crate) fn budgets(
    file: &File,
    plan: &MachinePlan,
    spans: &[Span],
    problems: &mut Problems,
) -> Option<Vec<Budget>> {
    let mut out = Vec::with_capacity(spans.len());
    let mut before: Option<&Span> = None;
    for (row, span) in spans.iter().enumerate() {
        let Some(section) = section_of(file, span) else { continue };
        // One section may have made several rows: it is told once.
        let mut unheard = Problems::default();
        let told = before == Some(span);
        let heard = if told { &mut unheard } else { &mut *problems };
        let (stages, total) = declared(section, heard);
        let budget = Budget::of(plan, row, stages, total);
        check(plan, row, section, &budget, heard);
        check_zone(file, plan, row, section, &budget, heard);
        before = Some(span);
        out.push(budget);
    }
    (!problems.any_error()).then_some(out)
}

fn time(ns: u64) -> String {
    quantity::show(i64::try_from(ns).unwrap_or(i64::MAX), Dimension::Time)
}

fn check(
    plan: &MachinePlan,
    row: usize,
    section: &file::Interlock,
    budget: &Budget,
    problems: &mut Problems,
) {
    let Some(declared) = &section.budget else { return };
    let name = &section.name.value;
    let wrong = |message: String| Problem::error("budget-does-not-add-up", &declared.span, message);
    for (number, (stage, word)) in budget.stages.iter().zip(STAGES).enumerate() {
        let ns = stage.ns();
        // What a sensor or a camera takes only its maker knows; the rest the loop knows better.
        if number >= 2 && ns < stage.derived_ns {
            problems.push(
                wrong(format!("`{word}` of `{name}` is less than it takes"))
                    .expected(format!("at least {}", time(stage.derived_ns)))
                    .found(time(ns))
                    .remedy(format!("raise it, or leave `{word}` out: it is derived")),
            );
        }
    }
    let camera = plan.interlocks.get(row).and_then(|row| stream(&row.cause));
    let camera = camera.and_then(|stream| plan.streams.get(usize::from(stream.0)));
    if let Some(stream) = camera {
        let [sensor, transport, ..] = budget.stages;
        let sum = sensor.ns().saturating_add(transport.ns());
        if sum != stream.age_max_ns {
            problems.push(
                wrong(format!("sensor and transport of `{name}` are not what the stream allows"))
                    .expected(format!("together {}: `age_max` of the stream", time(stream.age_max_ns)))
                    .found(format!("{} + {} = {}", time(sensor.ns()), time(transport.ns()), time(sum)))
                    .remedy("a picture that is older is a demand: make `age_max` and the budget the same"),
            );
        }
    }
    if let Some(total) = budget.total_ns.filter(|total| budget.sum_ns() > *total) {
        let terms: Vec<_> = budget.stages.iter().map(|stage| time(stage.ns())).collect();
        problems.push(
            wrong(format!("the budget of `{name}` does not add up"))
                .expected(format!("{} at most {}", STAGES.join(" + "), time(total)))
                .found(format!("{} = {}", terms.join(" + "), time(budget.sum_ns())))
                .remedy("raise `total` (it costs distance), or make a stage faster"),
        );
    }
}

/// A plain zone that stops a group: its outermost side must be as far from the group's parts as ISO 13855 says.
// SR-067
fn check_zone(
    file: &File,
    plan: &MachinePlan,
    row: usize,
    section: &file::Interlock,
    budget: &Budget,
    problems: &mut Problems,
) {
    let Some(interlock) = plan.interlocks.get(row) else { return };
    if !matches!(interlock.cause, Cause::Zone { .. }) {
        return;
    }
    let whole = |at: Option<&crate::read::Length>, or: u64| {
        at.map_or(or, |at| u64::try_from(at.nano).unwrap_or(0).div_ceil(1_000_000_000))
    };
    let cause = &section.cause;
    let distance = Distance {
        time_ns: budget.sum_ns(),
        intrusion_mm: whole(cause.intrusion.as_ref(), INTRUSION_MM),
        tolerance_mm: whole(cause.person_uncertainty.as_ref(), TOLERANCE_MM),
    };
    let name = cause.zone.as_ref().map_or("", |name| &name.value);
    let Some(zone) = file.zone.iter().find(|zone| zone.name.value == name) else { return };
    for (part, named) in plan.parts.iter().zip(&file.part) {
        let stops = interlock
            .effects
            .iter()
            .any(|effect| effect.group == part.group && effect.reaction >= Reaction::Stop2);
        let Some(reach) = travel(plan, part).filter(|_| stops) else { continue };
        let there = outermost_mm(zone, reach);
        let (needed, _) = distance.mm();
        if there >= needed {
            continue;
        }
        let terms: Vec<_> = STAGES
            .iter()
            .zip(&budget.stages)
            .map(|(word, stage)| format!("{word} {}", time(stage.ns())))
            .collect();
        let arithmetic = format!(
            "T = {} = {}\n      {}\n      there are {there} mm from `{}` to the outermost side of `{name}`: {} mm too few",
            terms.join(" + "),
            time(distance.time_ns),
            distance.lines().join("\n      "),
            named.name.value,
            needed - there
        );
        problems.push(
            Problem::error(
                "zone-too-close",
                &section.name.span,
                format!("the zone `{name}` is too close for its response time"),
            )
            .expected(format!("{needed} mm from where `{}` can be (ISO 13855)", named.name.value))
            .found(arithmetic)
            .remedy("move its outer side away, or respond faster; `intrusion` and `person_uncertainty` of the cause are D_DS and Z")
            .related(&zone.name.span, "this zone"),
        );
    }
}

/// Where a part can be: what mechanics allow, or its box along the soft limits of its axes; [low x, low y, high x, high y], mm.
fn travel(plan: &MachinePlan, part: &PartPlan) -> Option<[f64; 4]> {
    let [mut low, mut high] = [part.shape.low, part.shape.high].map(|at| at.map(|at| at.units()));
    if let Some(travel) = part.travel {
        [low, high] = [travel.low, travel.high].map(|at| at.map(|at| at.units()));
    } else {
        for (axis, (low, high)) in part.axes.iter().zip(low.iter_mut().zip(&mut high)) {
            let Some(axis) = axis else { continue };
            let (from, to) = plan.axes.get(usize::from(axis.0))?.limits.position?;
            (*low, *high) = (*low + from.units(), *high + to.units());
        }
    }
    Some([low[0], low[1], high[0], high[1]])
}

/// How far the farthest side of the zone is from the box, mm, rounded down: whoever comes over a side is seen there. Sides that are
/// nearer must be closed by other means.
fn outermost_mm(zone: &file::Zone, reach: [f64; 4]) -> u64 {
    let at = |corner: &crate::file::axis::Point| {
        (twin_lite::Nano(corner.0.nano).units(), twin_lite::Nano(corner.1.nano).units())
    };
    let next = zone.polygon.iter().cycle().skip(1);
    let sides = zone.polygon.iter().zip(next).map(|(a, b)| side_mm(at(a), at(b), reach));
    let farthest = sides.fold(0.0_f64, f64::max);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to some km")]
    let whole = farthest.floor() as u64;
    whole
}

/// From a side to the box: its ends, its middle and points between, for the distance to a box is convex along it.
fn side_mm(a: (f64, f64), b: (f64, f64), [x_low, y_low, x_high, y_high]: [f64; 4]) -> f64 {
    let far = |share: f64| {
        let (x, y) = (a.0 + (b.0 - a.0) * share, a.1 + (b.1 - a.1) * share);
        let (dx, dy) = ((x_low - x).max(x - x_high).max(0.0), (y_low - y).max(y - y_high).max(0.0));
        (dx * dx + dy * dy).sqrt()
    };
    // Convex: thirds of what is left, until nothing is.
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..80 {
        let third = (high - low) / 3.0;
        let (one, two) = (low + third, high - third);
        if far(one) <= far(two) { high = two } else { low = one }
    }
    far(low).min(far(high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_of_a_side_is_that_of_its_nearest_point() {
        let reach = [0.0, -100.0, 1000.0, 100.0];
        let far = side_mm((-500.0, -1500.0), (1500.0, -1500.0), reach);
        assert!((far - 1400.0).abs() < 1e-6, "{far}");
        let slanted = side_mm((1300.0, 100.0), (1000.0, 500.0), reach);
        assert!((slanted - 240.0).abs() < 1e-6, "{slanted}");
        assert!(side_mm((-10.0, 0.0), (2000.0, 0.0), reach) < 1e-9, "through the box");
    }
}
