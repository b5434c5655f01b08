//! What an interlock watches.

use rt_core::plan::{AxisId, Cause, DualChannelKind, GroupId};
use rt_core::vision::StreamId;

use super::axes::{in_unit, time_in};
use super::interlocks::Scope;
use crate::file::safety as file;
use crate::file::safety::CauseKind;
use crate::problem::{Problem, Problems, Span};
use crate::read::{Name, OneOrMany};

/// Keys that do not go with the kind of cause, and those that it lacks.
pub(crate) fn check_companions(cause: &file::Cause, problems: &mut Problems) {
    use CauseKind as K;
    let kind = cause.kind.value;
    let dual = matches!(kind, K::EmergencyStop | K::GuardDoor);
    let of_axis = matches!(
        kind,
        K::TwinLimit | K::TwinZone | K::FollowingError | K::DriveFault | K::TargetIgnored
    );
    let span = |name: &Option<Name>| name.as_ref().map(|name| name.span.clone());
    let twin_zone = kind == K::TwinZone;
    let counter = kind == K::WorkingCounter;
    // (key, where it is, whether it goes with the kind, whether the kind needs it)
    let keys: [(&str, Option<Span>, bool, bool); 11] = [
        ("a", span(&cause.a), dual, true),
        ("b", span(&cause.b), dual, true),
        ("discrepancy", cause.discrepancy.as_ref().map(|at| at.span.clone()), dual, false),
        ("zone", span(&cause.zone), kind == K::Zone || twin_zone, true),
        ("axes", list_span(cause.axes.as_ref(), &cause.span), of_axis, twin_zone),
        ("from", cause.from.as_ref().map(|at| at.span.clone()), twin_zone, true),
        ("to", cause.to.as_ref().map(|at| at.span.clone()), twin_zone, true),
        ("sync_units", list_span(cause.sync_units.as_ref(), &cause.span), counter, false),
        ("cycles", cause.cycles.as_ref().map(|at| at.span.clone()), counter, false),
        ("age_max", cause.age_max.as_ref().map(|at| at.span.clone()), kind == K::Supervisor, false),
        ("signal", span(&cause.signal), kind == K::Input, true),
    ];
    for (key, at, fits, needed) in keys {
        match at {
            Some(at) if !fits => problems.push(
                Problem::error("key-does-not-fit", &at, format!("`{key}` means nothing here"))
                    .expected("only keys of this kind of cause")
                    .found(format!("`{key}`"))
                    .remedy("remove it, or correct `kind`"),
            ),
            None if fits && needed => problems.push(
                Problem::error("missing-key", &cause.span, format!("this cause needs `{key}`"))
                    .expected(format!("the key `{key}`"))
                    .found("nothing")
                    .remedy(format!("add `{key} = …`")),
            ),
            _ => {}
        }
    }
}

fn list_span(list: Option<&OneOrMany<Name>>, section: &Span) -> Option<Span> {
    list.map(|list| list.0.first().map_or(section, |name| &name.span).clone())
}

/// A row: its cause, what its name ends with, and the group of the axis that it is about.
type Row = (Cause, String, Option<GroupId>);

pub(crate) fn causes(
    section: &file::Interlock,
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Vec<Row> {
    use CauseKind as K;
    let cause = &section.cause;
    let single = |cause: Option<Cause>| -> Vec<Row> {
        cause.into_iter().map(|cause| (cause, String::new(), None)).collect()
    };
    let fixed = |cause: Cause| single(Some(cause));
    match cause.kind.value {
        K::EmergencyStop => single(dual(cause, DualChannelKind::EmergencyStop, scope, problems)),
        K::GuardDoor => single(dual(cause, DualChannelKind::GuardDoor, scope, problems)),
        K::Zone => {
            let zone = zone(cause.zone.as_ref(), scope, problems);
            single(zone.map(|(stream, zone)| Cause::Zone { stream, zone }))
        }
        K::TwinLimit | K::FollowingError | K::DriveFault | K::TargetIgnored | K::TwinZone => {
            axis_rows(cause, scope, problems)
        }
        K::WorkingCounter => unit_rows(cause, scope, problems),
        K::Bus => fixed(Cause::Bus),
        K::DcUnlocked => {
            check_possible(cause, scope.dc, "[bus.dc]", problems);
            fixed(Cause::DcUnlocked)
        }
        K::Overrun => {
            check_possible(cause, scope.overrun, "`overrun` in [cycle]", problems);
            fixed(Cause::Overrun)
        }
        K::Supervisor => {
            let range = 10_000_000..=10_000_000_000;
            let age = cause.age_max.as_ref().map_or(Some(500_000_000), |age| {
                time_in(age, range, "the age of the heartbeat", problems)
            });
            single(age.map(|age_max_ns| Cause::Supervisor { age_max_ns }))
        }
        K::Input => {
            let signal = cause.signal.as_ref();
            let id = signal.and_then(|at| scope.signals.input_bit(at, "the cause", problems));
            single(id.map(|signal| Cause::Input { signal }))
        }
    }
}

fn check_possible(cause: &file::Cause, possible: bool, what: &str, problems: &mut Problems) {
    if !possible {
        problems.push(
            Problem::error("cause-impossible", &cause.kind.span, "this can never happen")
                .expected(format!("{what} in the file"))
                .found("none")
                .remedy(format!("add {what}, or remove the interlock")),
        );
    }
}

fn dual(
    cause: &file::Cause,
    kind: DualChannelKind,
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Option<Cause> {
    let channel = |name: &Option<Name>, role: &str, problems: &mut Problems| {
        name.as_ref().and_then(|name| scope.signals.input_bit(name, role, problems))
    };
    let a = channel(&cause.a, "channel a", problems);
    let b = channel(&cause.b, "channel b", problems);
    let discrepancy_ns = cause.discrepancy.as_ref().map_or(Some(500_000_000), |time| {
        time_in(time, 1_000_000..=10_000_000_000, "the discrepancy time", problems)
    });
    if let (Some(first), Some(second)) = (&cause.a, &cause.b)
        && first.value == second.value
    {
        problems.push(
            Problem::error("same-channel", &second.span, "both channels are the same signal")
                .expected("two inputs: two contacts, two wires")
                .found(format!("`{}` twice", second.value))
                .remedy("wire and name the second contact")
                .related(&first.span, "channel a"),
        );
        return None;
    }
    Some(Cause::DualChannel { a: a?, b: b?, discrepancy_ns: discrepancy_ns?, kind })
}

fn zone(
    name: Option<&Name>,
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Option<(StreamId, u8)> {
    let place = scope.vision.zones.find(name?, problems)?;
    scope.vision.zone_at.get(place).copied().flatten()
}

/// One row for each axis that the cause names, or for all.
fn axis_rows(cause: &file::Cause, scope: &Scope<'_, '_>, problems: &mut Problems) -> Vec<Row> {
    let kind = cause.kind.value;
    let named: Vec<(AxisId, Span)> = match &cause.axes {
        Some(list) => list
            .0
            .iter()
            .filter_map(|name| Some((scope.axes.find(name, problems)?, name.span.clone())))
            .collect(),
        None if kind == CauseKind::TwinZone => Vec::new(),
        None => (0_u8..=u8::MAX)
            .map(AxisId)
            .take(scope.axes.plans.len())
            .filter(|axis| {
                kind != CauseKind::TwinLimit
                    || scope.axes.plan(*axis).is_some_and(|plan| plan.limits.position.is_some())
            })
            .map(|axis| (axis, cause.kind.span.clone()))
            .collect(),
    };
    let mut rows = Vec::new();
    for (axis, span) in named {
        let Some(plan) = scope.axes.plan(axis) else { continue };
        let row = match kind {
            CauseKind::TwinZone => twin_zone(cause, axis, &span, scope, problems),
            CauseKind::TwinLimit => {
                check_linear(axis, &span, scope, problems).then_some(Cause::TwinLimit { axis })
            }
            CauseKind::FollowingError => Some(Cause::FollowingError { axis }),
            CauseKind::DriveFault => Some(Cause::DriveFault { axis }),
            _ => Some(Cause::TargetIgnored { axis }),
        };
        let suffix = format!(" {}", scope.axes.name(axis));
        rows.extend(row.map(|row| (row, suffix, Some(plan.group))));
    }
    rows
}

/// The axis has soft limits and so a place on which predictions can be compared with one.
fn check_linear(axis: AxisId, span: &Span, scope: &Scope<'_, '_>, problems: &mut Problems) -> bool {
    let linear = scope.axes.plan(axis).is_some_and(|plan| plan.limits.position.is_some());
    if !linear {
        problems.push(
            Problem::error(
                "endless-axis",
                span,
                format!("the axis `{}` is endless", scope.axes.name(axis)),
            )
            .expected("an axis with soft limits")
            .found("an axis with `wrap`: every position comes again")
            .remedy("use a plain `zone` interlock for this axis"),
        );
    }
    linear
}

fn twin_zone(
    cause: &file::Cause,
    axis: AxisId,
    span: &Span,
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Option<Cause> {
    let zone = zone(cause.zone.as_ref(), scope, problems);
    let unit = scope.axes.unit(axis);
    let (from_at, to_at) = (cause.from.as_ref()?, cause.to.as_ref()?);
    let from = in_unit(from_at, unit, problems);
    let to = in_unit(to_at, unit, problems);
    let linear = check_linear(axis, span, scope, problems);
    let (from, to) = (from?, to?);
    if from >= to {
        problems.push(
            Problem::error("limits-order", &from_at.span, "`from` is not below `to`")
                .expected("from < to")
                .found(format!("{} and {}", from_at.show(), to_at.show()))
                .remedy("swap them"),
        );
        return None;
    }
    let limits = scope.axes.plan(axis)?.limits.position;
    if linear && limits.is_some_and(|(low, high)| to < low || from > high) {
        problems.push(
            Problem::error("without-effect", &from_at.span, "the axis never gets there")
                .expected("a range within the soft limits of the axis")
                .found(format!("{} to {}", from_at.show(), to_at.show()))
                .remedy("correct the range"),
        );
    }
    let (stream, zone) = zone?;
    linear.then_some(Cause::TwinZone { axis, stream, zone, from, to })
}

fn unit_rows(cause: &file::Cause, scope: &Scope<'_, '_>, problems: &mut Problems) -> Vec<Row> {
    let units: Vec<usize> = match &cause.sync_units {
        Some(list) => list.0.iter().filter_map(|name| scope.units.find(name, problems)).collect(),
        None => (0..scope.units.len()).collect(),
    };
    let cycles = cause.cycles.as_ref().map_or(3, |cycles| cycles.to());
    units
        .into_iter()
        .filter_map(|unit| {
            let name = scope.units.get(unit)?;
            let unit = u8::try_from(unit).ok()?;
            Some((Cause::WorkingCounter { unit, cycles }, format!(" {}", name.value), None))
        })
        .collect()
}
