//! `[[group]]`, and which drive belongs to which axis.

use rt_core::plan::{AxisId, GroupId, GroupPlan, GroupStop, StopOrder, StopWay};
use rt_core::program::{GROUP_AXES_MAX, GROUPS_MAX};

use super::axes::Axes;
use super::bus::Devices;
use super::names::{check_count, check_identifier};
use crate::file::axis as file;
use crate::problem::{Problem, Problems, Span};
use crate::read::Name;

/// The group of each axis.
pub(crate) fn groups(
    axes: &mut Axes<'_>,
    sections: &[file::Group],
    problems: &mut Problems,
) -> Vec<Option<GroupId>> {
    let mut of: Vec<Option<(GroupId, Span)>> = vec![None; axes.names.len()];
    if let Some(section) = sections.get(GROUPS_MAX) {
        check_count(sections.len(), GROUPS_MAX, "groups", &section.name.span, problems);
    }
    for (id, section) in (0_u8..=u8::MAX).map(GroupId).zip(sections) {
        check_identifier(&section.name, problems);
        if matches!(section.name.value.as_str(), "all" | "own") {
            problems.push(
                Problem::error(
                    "bad-name",
                    &section.name.span,
                    "this name has a meaning of its own",
                )
                .expected("a group that is not called `all` or `own`")
                .found(format!("`{}`", section.name.value))
                .remedy("rename it"),
            );
        }
        axes.groups.add(&section.name, problems);
        check_group_size(section, problems);
        let mut members = Vec::new();
        for name in &section.axes {
            let Some(axis) = axes.find(name, problems) else { continue };
            members.push(axis);
            match of.get_mut(usize::from(axis.0)) {
                Some(Some((_, first))) => problems.push(
                    Problem::error(
                        "axis-in-two-groups",
                        &name.span,
                        format!("the axis `{}` is in two groups", name.value),
                    )
                    .expected("each axis in exactly one group")
                    .found("the second")
                    .remedy("remove it from one of them")
                    .related(first, "the first"),
                ),
                Some(place) => *place = Some((id, name.span.clone())),
                None => {}
            }
        }
        let unit = members.first().map(|first| axes.unit(*first));
        let same = members.iter().all(|axis| Some(axes.unit(*axis)) == unit);
        axes.group_units.push(unit.filter(|_| same));
        let stop = group_stop(axes, section, &members, problems);
        axes.group_plans.push(GroupPlan { axes: members.into_boxed_slice(), stop });
    }
    for (place, section) in axes.sections.iter().enumerate() {
        let none = of.get(place).is_some_and(Option::is_none);
        if none && !problems.lost.contains(&section.name.value) {
            problems.push(
                Problem::error(
                    "axis-in-no-group",
                    &section.name.span,
                    format!("the axis `{}` is in no group", section.name.value),
                )
                .expected("each axis in exactly one [[group]]")
                .found("none")
                .remedy("add it to a group, if need be to one of its own: groups stop together"),
            );
        }
    }
    of.into_iter().map(|place| place.map(|(id, _)| id)).collect()
}

/// Which of its stops is the worse, and how category 1 stops it.
fn group_stop(
    axes: &Axes<'_>,
    section: &file::Group,
    members: &[AxisId],
    problems: &mut Problems,
) -> GroupStop {
    use file::StopWord::{Stop0, Stop1, Stop2};
    let order = match section.order[..] {
        [] | [Stop2, Stop1, Stop0] => StopOrder::Category0Worst,
        [Stop2, Stop0, Stop1] => StopOrder::Category1Worst,
        _ => {
            problems.push(
                Problem::error("bad-order", &section.name.span, "this is no order of severity")
                    .expected(
                        "[\"stop 2\", \"stop 1\", \"stop 0\"] or [\"stop 2\", \"stop 0\", \"stop 1\"]",
                    )
                    .found(format!("{:?}", section.order))
                    .remedy("each category once, the one that keeps power first"),
            );
            StopOrder::default()
        }
    };
    let hangs = |axis: &&AxisId| {
        let section = axes.sections.get(usize::from(axis.0));
        section.and_then(|axis| axis.vertical.as_ref()).is_some_and(|vertical| vertical.value)
    };
    if let Some(axis) = members.iter().find(hangs).filter(|_| section.order.is_empty()) {
        problems.push(
            Problem::error(
                "vertical-without-order",
                &section.name.span,
                format!("the axis `{}` hangs: which stop is the worse?", axes.name(*axis)),
            )
            .expected("`order` of the group, the mildest stop first")
            .found("none")
            .remedy(
                "order = [\"stop 2\", \"stop 0\", \"stop 1\"] lets the controlled stop win over the removal of \
                 power, which leaves the load to its brake; [\"stop 2\", \"stop 1\", \"stop 0\"] does not",
            ),
        );
    }
    let category_1 = match section.category_1 {
        None | Some(file::Category1::Ramp) => StopWay::Ramp,
        Some(file::Category1::QuickStop) => StopWay::QuickStop,
    };
    GroupStop { order, category_1 }
}

fn check_group_size(section: &file::Group, problems: &mut Problems) {
    check_count(section.axes.len(), GROUP_AXES_MAX, "axes in a group", &section.span, problems);
    if section.axes.is_empty() {
        problems.push(
            Problem::error(
                "empty-group",
                &section.name.span,
                format!("the group `{}` has no axes", section.name.value),
            )
            .expected("1 to 8 axes")
            .found("none")
            .remedy("name its axes: `axes = [\"…\"]`"),
        );
    }
}

/// Position of the servo that moves the axis.
pub(crate) fn drive<'f>(
    section: &'f file::Axis,
    devices: &Devices<'_>,
    owners: &mut [Option<&'f Name>],
    problems: &mut Problems,
) -> Option<usize> {
    let position = devices.names.find(&section.drive, problems)?;
    if devices.drives.get(position).is_none_or(Option::is_none) {
        problems.push(
            Problem::error(
                "not-a-servo",
                &section.drive.span,
                format!("`{}` cannot move an axis", section.drive.value),
            )
            .expected("a SubDevice of kind \"servo\"")
            .found("another kind")
            .remedy("name the drive of this axis"),
        );
        return None;
    }
    let owner = owners.get_mut(position)?;
    if let Some(first) = owner {
        problems.push(
            Problem::error(
                "drive-used-twice",
                &section.drive.span,
                format!("two axes use the drive `{}`", section.drive.value),
            )
            .expected("one axis for each drive")
            .found("the second")
            .remedy("name another drive")
            .related(&first.span, "the first"),
        );
        return None;
    }
    *owner = Some(&section.drive);
    Some(position)
}

pub(crate) fn check_idle_drives(
    devices: &Devices<'_>,
    owners: &[Option<&Name>],
    problems: &mut Problems,
) {
    for (position, section) in devices.sections.iter().enumerate() {
        let servo = devices.drives.get(position).is_some_and(Option::is_some);
        let idle = owners.get(position).is_some_and(Option::is_none);
        if servo && idle && !problems.lost.contains(&section.name.value) {
            problems.push(
                Problem::error(
                    "drive-without-axis",
                    &section.name.span,
                    format!("no axis uses the drive `{}`", section.name.value),
                )
                .expected("an [[axis]] with this `drive`")
                .found("none")
                .remedy("add the axis: a drive without one has no limits and no stop"),
            );
        }
    }
}
