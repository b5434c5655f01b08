//! What an interlock watches.

use rt_core::inspection::InspectionId;
use rt_core::plan::{AxisId, Cause, GroupId};
use rt_core::vision::StreamId;

use super::axes::{in_unit, time_in};
use super::blocks::{device, of_axis};
use super::interlocks::Scope;
use super::separation::separation;
use crate::file::safety as file;
use crate::file::safety::CauseKind;
use crate::problem::{Problem, Problems, Span};
use crate::read::{Name, OneOrMany};

/// Keys that do not go with the kind of cause, and those that it lacks.
pub(crate) fn check_companions(cause: &file::Cause, problems: &mut Problems) {
    for (key, at, fits, needed) in companions(cause) {
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

/// A key: where it is, whether it goes with the kind, whether the kind needs it.
type Companion = (&'static str, Option<Span>, bool, bool);

fn companions(cause: &file::Cause) -> [Companion; 31] {
    use CauseKind as K;
    let kind = cause.kind.value;
    let is = |kinds: &[K]| kinds.contains(&kind);
    let contacts =
        is(&[K::EmergencyStop, K::GuardDoor, K::Equivalent, K::Antivalent, K::LightCurtain]);
    let channels = contacts || is(&[K::EnablingSwitch, K::TwoHand]);
    let limit = is(&[K::SpeedLimit, K::PositionLimit, K::TorqueLimit]);
    let of_axis = limit
        || is(&[
            K::TwinLimit,
            K::TwinDoubt,
            K::TwinZone,
            K::FollowingError,
            K::DriveFault,
            K::TargetIgnored,
        ])
        || kind == K::NotReferenced
        || (kind == K::SafetyRequest && cause.output.is_none());
    let name = |name: &Option<Name>| name.as_ref().map(|name| name.span.clone());
    let time = |time: &Option<crate::read::Time>| time.as_ref().map(|at| at.span.clone());
    let list = |list: &Option<OneOrMany<Name>>| list_span(list.as_ref(), &cause.span);
    let length = |at: &Option<crate::read::Length>| at.as_ref().map(|at| at.span.clone());
    let separation = kind == K::Separation;
    let place = |at: &Option<crate::read::Position>| at.as_ref().map(|at| at.span.clone());
    let (twin_zone, signal_limit) = (kind == K::TwinZone, kind == K::SignalLimit);
    let range = twin_zone || kind == K::PositionLimit;
    let counter = kind == K::WorkingCounter;
    let (edm, request) = (kind == K::Edm, kind == K::SafetyRequest && cause.output.is_some());
    [
        ("a", name(&cause.a), channels, true),
        ("b", name(&cause.b), channels, true),
        ("discrepancy", time(&cause.discrepancy), contacts, false),
        ("synchronous", time(&cause.synchronous), kind == K::TwoHand, false),
        ("muting", cause.muting.as_ref().map(|at| at.span.clone()), kind == K::LightCurtain, false),
        ("output", name(&cause.output), edm || kind == K::SafetyRequest, edm),
        ("feedback", list(&cause.feedback), edm, true),
        ("confirmation", name(&cause.confirmation), request, true),
        ("within", time(&cause.within), edm || kind == K::SafetyRequest, true),
        ("stream", name(&cause.stream), kind == K::StaleVision, true),
        ("speed", cause.speed.as_ref().map(|at| at.span.clone()), kind == K::SpeedLimit, true),
        ("torque", cause.torque.as_ref().map(|at| at.span.clone()), kind == K::TorqueLimit, true),
        ("low", cause.low.as_ref().map(|at| at.span.clone()), signal_limit, false),
        ("high", cause.high.as_ref().map(|at| at.span.clone()), signal_limit, false),
        ("hysteresis", cause.hysteresis.as_ref().map(|at| at.span.clone()), signal_limit, false),
        ("filter", time(&cause.filter), limit || signal_limit, false),
        ("zone", name(&cause.zone), kind == K::Zone || twin_zone || separation, true),
        ("part", name(&cause.part), separation, true),
        ("inspection", name(&cause.inspection), kind == K::Inspection, true),
        ("person_speed", cause.person_speed.as_ref().map(|at| at.span.clone()), separation, false),
        ("intrusion", length(&cause.intrusion), separation || kind == K::Zone, separation),
        (
            "person_uncertainty",
            length(&cause.person_uncertainty),
            separation || kind == K::Zone,
            false,
        ),
        ("part_uncertainty", length(&cause.part_uncertainty), separation, false),
        ("clock_error", time(&cause.clock_error), separation, false),
        ("axes", list(&cause.axes), of_axis, twin_zone || kind == K::PositionLimit),
        ("from", place(&cause.from), range, true),
        ("to", place(&cause.to), range, true),
        ("sync_units", list(&cause.sync_units), counter, false),
        ("cycles", cause.cycles.as_ref().map(|at| at.span.clone()), counter, false),
        ("age_max", time(&cause.age_max), kind == K::Supervisor, false),
        ("signal", name(&cause.signal), kind == K::Input || signal_limit, true),
    ]
}

fn list_span(list: Option<&OneOrMany<Name>>, section: &Span) -> Option<Span> {
    list.map(|list| list.0.first().map_or(section, |name| &name.span).clone())
}

/// A row: its cause, what its name ends with, and the group of the axis that it is about.
pub(crate) type Row = (Cause, String, Option<GroupId>);

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
        K::EmergencyStop
        | K::GuardDoor
        | K::Equivalent
        | K::Antivalent
        | K::LightCurtain
        | K::EnablingSwitch
        | K::TwoHand
        | K::Edm
        | K::SignalLimit
        | K::StaleVision => single(device(cause, scope, problems)),
        K::SafetyRequest if cause.output.is_some() => single(device(cause, scope, problems)),
        K::ModeSelector => {
            check_possible(cause, scope.mode, "[mode]", problems);
            fixed(Cause::ModeSelector)
        }
        K::Zone => {
            let zone = zone(cause.zone.as_ref(), scope, problems);
            single(zone.map(|(stream, zone)| Cause::Zone { stream, zone }))
        }
        K::Separation => separation(section, scope, problems),
        K::TwinLimit
        | K::TwinDoubt
        | K::FollowingError
        | K::DriveFault
        | K::TargetIgnored
        | K::TwinZone
        | K::SpeedLimit
        | K::PositionLimit
        | K::TorqueLimit
        | K::NotReferenced
        | K::SafetyRequest => axis_rows(cause, scope, problems),
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
        K::Inspection => single(inspection(cause, scope, problems)),
        K::Input => {
            let signal = cause.signal.as_ref();
            let id = signal.and_then(|at| scope.signals.input_bit(at, "the cause", problems));
            single(id.map(|signal| Cause::Input { signal }))
        }
    }
}

fn inspection(
    cause: &file::Cause,
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Option<Cause> {
    let place = scope.inspections.names.find(cause.inspection.as_ref()?, problems)?;
    Some(Cause::Inspection { inspection: InspectionId(u8::try_from(place).ok()?) })
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

pub(crate) fn zone(
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
        None if matches!(kind, CauseKind::TwinZone | CauseKind::PositionLimit) => Vec::new(),
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
            CauseKind::TwinDoubt => Some(Cause::TwinDoubt { axis }),
            CauseKind::FollowingError => Some(Cause::FollowingError { axis }),
            CauseKind::DriveFault => Some(Cause::DriveFault { axis }),
            CauseKind::TargetIgnored => Some(Cause::TargetIgnored { axis }),
            _ => of_axis(cause, axis, &span, scope, problems),
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
