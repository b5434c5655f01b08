//! `[[part]]`: what moves among people.

use rt_core::plan::AxisId;
use rt_core::separation::{PARTS_MAX, PartPlan, Rectangle};
use twin_lite::units::Nano;

use super::axes::Axes;
use super::names::{Table, check_count, check_identifier};
use crate::file::axis::Point;
use crate::file::safety as file;
use crate::machine::AxisUnit;
use crate::problem::{Problem, Problems, Span};
use crate::read::Name;

/// What the sections became.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) names: Table,
    /// `None`: it could not be made.
    pub(crate) plans: Vec<Option<PartPlan>>,
}

pub(crate) fn parts(sections: &[file::Part], axes: &Axes<'_>, problems: &mut Problems) -> Parts {
    let mut out = Parts { names: Table::new("a part"), plans: Vec::new() };
    if let Some(section) = sections.get(PARTS_MAX) {
        check_count(sections.len(), PARTS_MAX, "parts", &section.name.span, problems);
    }
    for section in sections {
        check_identifier(&section.name, problems);
        out.names.add(&section.name, problems);
        out.plans.push(part(section, axes, problems));
    }
    out
}

fn part(section: &file::Part, axes: &Axes<'_>, problems: &mut Problems) -> Option<PartPlan> {
    let group = axes.find_group(&section.group, problems);
    let mut carrier = |name: &Option<Name>| match name {
        None => Some(None),
        Some(name) => axis(name, &section.group, axes, problems).map(Some),
    };
    let (x, y) = (carrier(&section.x), carrier(&section.y));
    let shape = rectangle(&section.shape, &section.name.span, "shape", problems);
    let travel = match &section.travel[..] {
        [] => Some(None),
        corners => rectangle(corners, &section.name.span, "travel", problems).map(Some),
    };
    if section.x.is_none() && section.y.is_none() {
        problems.push(
            Problem::error("part-without-axis", &section.name.span, "nothing moves this part")
                .expected("`x`, `y` or both: the axes that carry it")
                .found("neither")
                .remedy("name them, or remove the part"),
        );
    }
    Some(PartPlan { group: group?, axes: [x?, y?], shape: shape?, travel: travel? })
}

/// A linear axis of the part's group, in mm.
fn axis(name: &Name, group: &Name, axes: &Axes<'_>, problems: &mut Problems) -> Option<AxisId> {
    let axis = axes.find(name, problems)?;
    let plan = axes.plan(axis)?;
    let own = axes.groups.get(usize::from(plan.group.0));
    let what = if plan.wrap.is_some() {
        "it is endless"
    } else if axes.unit(axis) != AxisUnit::Millimetre {
        "it turns"
    } else if own.is_some_and(|own| own.value != group.value) {
        "it is in another group"
    } else {
        return Some(axis);
    };
    problems.push(
        Problem::error("part-axis", &name.span, format!("`{}` cannot carry a part", name.value))
            .expected("a linear axis in mm, of the group of the part")
            .found(what)
            .remedy("name another axis; what turns is a part whose box holds all of it"),
    );
    None
}

/// Two opposite corners of a box that has an area.
fn rectangle(
    corners: &[Point],
    span: &Span,
    key: &str,
    problems: &mut Problems,
) -> Option<Rectangle> {
    if let [a, b] = corners {
        let low = [a.0.nano.min(b.0.nano), a.1.nano.min(b.1.nano)].map(Nano);
        let high = [a.0.nano.max(b.0.nano), a.1.nano.max(b.1.nano)].map(Nano);
        if low.iter().zip(&high).all(|(low, high)| low < high) {
            return Some(Rectangle { low, high });
        }
    }
    problems.push(
        Problem::error("bad-box", span, format!("`{key}` is no box"))
            .expected("two opposite corners: [[\"-100 mm\", \"-50 mm\"], [\"100 mm\", \"50 mm\"]]")
            .found(format!("{} corners, or a box without an area", corners.len()))
            .remedy("give the corner with the lowest x and y, and the one with the highest"),
    );
    None
}
