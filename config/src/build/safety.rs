//! `[control]`, `[[output]]`, `[[stream]]`, `[[zone]]` and `[[interlock]]` → the plans of the safe side.

use rt_core::plan::{
    AxisId, Cause, ControlPlan, DualChannelKind, Effect, GroupId, InterlockPlan, OutputPlan,
    OutputSource, Reaction, StreamPlan,
};
use rt_core::vision::{STREAMS_MAX, StreamId};
use twin_lite::units::Nano;

use super::axes::{Axes, above_zero, in_unit, time_in};
use super::names::{Table, check_count, check_identifier, check_title};
use super::signals::SignalTable;
use crate::file::safety as file;
use crate::file::safety::{CauseKind, ReactionText, SourceWord};
use crate::machine::InterlockName;
use crate::problem::{Problem, Problems, Span};
use crate::read::{At, Name, OneOrMany};

pub(crate) fn control(
    section: &file::Control,
    signals: &SignalTable,
    problems: &mut Problems,
) -> Option<ControlPlan> {
    let reset = signals.input_bit(&section.reset, "the reset button", problems);
    let start = signals.input_bit(&section.start, "the start button", problems);
    let stop =
        section.stop.as_ref().map(|stop| signals.input_bit(stop, "the stop button", problems));
    let buttons = [Some(&section.reset), Some(&section.start), section.stop.as_ref()];
    for (at, name) in buttons.iter().enumerate() {
        let Some(name) = name else { continue };
        let earlier = buttons.iter().take(at).flatten().find(|other| other.value == name.value);
        if let Some(first) = earlier {
            problems.push(
                Problem::error("same-channel", &name.span, "two buttons on one input")
                    .expected("an input for each button")
                    .found(format!("`{}` twice", name.value))
                    .remedy("a reset must not be a start at the same time: wire them apart")
                    .related(&first.span, "the first"),
            );
        }
    }
    let ms = 1_000_000;
    let press_min = section.press_min.as_ref().map_or(Some(50_000_000), |time| {
        time_in(time, 10 * ms..=1_000 * ms, "the shortest press", problems)
    });
    let press_max = section.press_max.as_ref().map_or(Some(3_000_000_000), |time| {
        time_in(time, 100 * ms..=30_000 * ms, "the longest press", problems)
    });
    if let (Some(min), Some(max), Some(at)) =
        (press_min, press_max, section.press_max.as_ref().or(section.press_min.as_ref()))
        && min >= max
    {
        problems.push(
            Problem::error("limits-order", &at.span, "no press is long and short enough")
                .expected("press_min below press_max")
                .found(at.show())
                .remedy("correct one of the two"),
        );
    }
    Some(ControlPlan {
        reset: reset?,
        start: start?,
        stop: match stop {
            Some(stop) => Some(stop?),
            None => None,
        },
        press_min_ns: press_min?,
        press_max_ns: press_max?,
    })
}

pub(crate) fn outputs(
    sections: &[file::Output],
    axes: &Axes<'_>,
    signals: &mut SignalTable,
    problems: &mut Problems,
) -> Vec<OutputPlan> {
    let mut out = Vec::new();
    for section in sections {
        let Some(signal) = signals.output(&section.signal, "the output", problems) else {
            continue;
        };
        let (source, who) = match section.source {
            None | Some(SourceWord::Program) => (OutputSource::Program, "the program"),
            Some(SourceWord::Running) => (OutputSource::Running, "the running lamp"),
            Some(SourceWord::Waiting) => (OutputSource::Waiting, "the waiting lamp"),
        };
        signals.claim(signal, &section.signal.span, who, problems);
        let safe = section.safe.as_ref().map_or(0, |safe| safe.to::<i64>());
        if let (Some(at), Some(plan)) = (&section.safe, signals.plan(signal))
            && !fits(safe, plan.bits, plan.signed)
        {
            problems.push(
                Problem::error("value-range", &at.span, "the safe value does not fit the output")
                    .expected(format!("a value of {} bits", plan.bits))
                    .found(safe.to_string())
                    .remedy("correct it"),
            );
        }
        let group = match &section.group {
            Some(name) => match axes.find_group(name, problems) {
                Some(group) => Some(group),
                None => continue,
            },
            None => None,
        };
        out.push(OutputPlan { signal, safe, group, source });
    }
    out.extend(brake_outputs(axes));
    for id in signals.unclaimed_outputs() {
        if let Some(span) = signals.span(id) {
            problems.push(
                Problem::error(
                    "output-without-writer",
                    span,
                    format!("nobody writes the output `{}`", signals.name(id)),
                )
                .expected("an [[output]] with its safe state, or a brake that uses it")
                .found("neither")
                .remedy("add [[output]] for it, or \"\" where the channel is unused"),
            );
        }
    }
    out
}

/// Brakes engage in the safe state: 0.
fn brake_outputs<'a>(axes: &'a Axes<'_>) -> impl Iterator<Item = OutputPlan> + 'a {
    (0_u8..=u8::MAX).map(AxisId).zip(&axes.plans).filter_map(|(id, plan)| {
        let plan = plan.as_ref()?;
        let signal = plan.brake?.release?;
        let source = OutputSource::Brake(id);
        Some(OutputPlan { signal, safe: 0, group: Some(plan.group), source })
    })
}

pub(crate) fn fits(value: i64, bits: u8, signed: bool) -> bool {
    let bits = u32::from(bits.min(63));
    let span = 1_i64 << (bits - u32::from(signed && bits > 0));
    if signed { (-span..span).contains(&value) } else { (0..span).contains(&value) }
}

/// What the vision sections became.
#[derive(Debug)]
pub(crate) struct Vision<'f> {
    pub(crate) streams: Table,
    pub(crate) plans: Vec<StreamPlan>,
    pub(crate) zones: Table,
    /// (stream, bit, section); `None`: it could not be made.
    pub(crate) zone_at: Vec<Option<(StreamId, u8)>>,
    pub(crate) sections: &'f [file::Zone],
}

pub(crate) fn vision<'f>(
    streams: &[file::Stream],
    zones: &'f [file::Zone],
    period_ns: u64,
    problems: &mut Problems,
) -> Vision<'f> {
    let mut out = Vision {
        streams: Table::new("a stream"),
        plans: Vec::new(),
        zones: Table::new("a zone"),
        zone_at: Vec::new(),
        sections: zones,
    };
    if let Some(section) = streams.get(STREAMS_MAX) {
        check_count(streams.len(), STREAMS_MAX, "streams", &section.name.span, problems);
    }
    for section in streams {
        check_identifier(&section.name, problems);
        out.streams.add(&section.name, problems);
        let wire_id: u16 = section.id.to();
        if out.plans.iter().any(|plan| plan.wire_id == wire_id) {
            problems.push(
                Problem::error("duplicate-id", &section.id.span, "two streams with this id")
                    .expected("an id that no other stream has")
                    .found(wire_id.to_string())
                    .remedy("give the camera process another id"),
            );
        }
        let shortest = i64::try_from(period_ns).unwrap_or(i64::MAX).min(10_000_000_000);
        let age = time_in(&section.age_max, shortest..=10_000_000_000, "the age limit", problems);
        out.plans.push(StreamPlan {
            wire_id,
            age_max_ns: age.unwrap_or(1),
            quality_min: section.quality_min.as_ref().map_or(50, |quality| quality.to()),
        });
    }
    for section in zones {
        check_identifier(&section.name, problems);
        out.zones.add(&section.name, problems);
        check_polygon(section, problems);
        let stream = out.streams.find(&section.stream, problems);
        let bit = section.bit.to();
        let at = stream.and_then(|at| u8::try_from(at).ok()).map(|at| (StreamId(at), bit));
        if at.is_some() && out.zone_at.contains(&at) {
            problems.push(
                Problem::error("duplicate-id", &section.bit.span, "two zones on one bit")
                    .expected("a bit of its stream that no other zone has")
                    .found(bit.to_string())
                    .remedy("choose another bit, 0 to 31"),
            );
        }
        out.zone_at.push(at);
    }
    out
}

fn check_polygon(section: &file::Zone, problems: &mut Problems) {
    let corners = section.polygon.len();
    let place = |at: &crate::read::Length| i128::from(at.nano);
    let mut area = 0_i128;
    for (at, corner) in section.polygon.iter().enumerate() {
        let next = section.polygon.get((at + 1) % corners.max(1)).unwrap_or(corner);
        area += place(&corner.0) * place(&next.1) - place(&next.0) * place(&corner.1);
    }
    if (3..=32).contains(&corners) && area != 0 {
        return;
    }
    problems.push(
        Problem::error(
            "bad-polygon",
            &section.name.span,
            format!("the zone `{}` has no area", section.name.value),
        )
        .expected("3 to 32 corners [x, y] around an area")
        .found(format!("{corners} corners"))
        .remedy("list the corners in order, each once"),
    );
}

/// Everything that an interlock may refer to.
pub(crate) struct Scope<'a, 'f> {
    pub(crate) axes: &'a Axes<'f>,
    pub(crate) signals: &'a SignalTable,
    pub(crate) vision: &'a Vision<'f>,
    pub(crate) units: &'a Table,
    pub(crate) dc: bool,
    pub(crate) overrun: bool,
}

/// Rows and what they are called.
#[derive(Debug, Default)]
pub(crate) struct Interlocks {
    pub(crate) plans: Vec<InterlockPlan>,
    pub(crate) names: Vec<InterlockName>,
    /// Where the name of each row is.
    pub(crate) spans: Vec<Span>,
}

pub(crate) fn interlocks(
    sections: &[file::Interlock],
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Interlocks {
    let mut out = Interlocks::default();
    let mut names = Table::new("an interlock");
    for section in sections {
        check_title(&section.name, problems);
        names.add(&section.name, problems);
        check_companions(&section.cause, problems);
        check_latch(section, problems);
        for (cause, suffix, owner) in causes(section, scope, problems) {
            let effects = effects(section, owner, scope, problems);
            out.plans.push(InterlockPlan {
                cause,
                effects: effects.into_boxed_slice(),
                latch: section.latch,
            });
            let name = format!("{}{suffix}", section.name.value);
            out.names.push(InterlockName {
                text: section.text.clone().map_or_else(|| name.clone(), |t| format!("{t}{suffix}")),
                remedy: section.remedy.clone().unwrap_or_default(),
                name,
            });
            out.spans.push(section.name.span.clone());
        }
    }
    out
}

fn check_latch(section: &file::Interlock, problems: &mut Problems) {
    if section.cause.kind.value == CauseKind::EmergencyStop && !section.latch {
        problems.push(
            Problem::error(
                "emergency-stop-unlatched",
                &section.name.span,
                "an emergency stop must latch",
            )
            .expected("latch = true")
            .found("latch = false")
            .remedy("set it: unlocking the button must not let anything move"),
        );
    }
}

/// Keys that do not go with the kind of cause, and those that it lacks.
fn check_companions(cause: &file::Cause, problems: &mut Problems) {
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

fn causes(section: &file::Interlock, scope: &Scope<'_, '_>, problems: &mut Problems) -> Vec<Row> {
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

fn effects(
    section: &file::Interlock,
    owner: Option<GroupId>,
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Vec<Effect> {
    let mut out: Vec<Effect> = Vec::new();
    let groups = scope.axes.group_plans.len();
    for (name, reaction) in &section.effects.0 {
        let targets: Vec<GroupId> = match name.value.as_str() {
            "all" => (0_u8..=u8::MAX).map(GroupId).take(groups).collect(),
            "own" => {
                if owner.is_none() {
                    problems.push(own_without_axis(name));
                }
                owner.into_iter().collect()
            }
            _ => scope.axes.find_group(name, problems).into_iter().collect(),
        };
        for group in targets {
            let Some(reaction) = reaction_of(reaction, group, scope, problems) else { continue };
            match out.iter_mut().find(|effect| effect.group == group) {
                Some(effect) => effect.reaction = effect.reaction.max(reaction),
                None => out.push(Effect { group, reaction }),
            }
        }
    }
    if section.effects.0.is_empty() {
        problems.push(
            Problem::error(
                "without-effect",
                &section.name.span,
                format!("the interlock `{}` does nothing", section.name.value),
            )
            .expected("`effects`: at least one group and its reaction")
            .found("none")
            .remedy("for instance: effects = { all = \"stop 1\" }"),
        );
    }
    out.sort_by_key(|effect| effect.group);
    out
}

fn own_without_axis(name: &Name) -> Problem {
    Problem::error("own-without-axis", &name.span, "`own` needs a cause that is about an axis")
        .expected("a group, or `all`")
        .found("`own`")
        .remedy("name the groups that this cause is to stop")
}

fn reaction_of(
    text: &At<ReactionText>,
    group: GroupId,
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Option<Reaction> {
    let value = match text.value {
        ReactionText::Warn => return Some(Reaction::Warn),
        ReactionText::Stop2 => return Some(Reaction::Stop2),
        ReactionText::Stop1 => return Some(Reaction::Stop1),
        ReactionText::Stop0 => return Some(Reaction::Stop0),
        ReactionText::Limit(value) => value,
    };
    let quantity: crate::read::Speed = crate::read::Quantity::from_value(value, &text.span);
    let unit = scope.axes.group_units.get(usize::from(group.0)).copied().flatten();
    let speed = in_unit(&quantity, unit.unwrap_or(scope.axes.unit(AxisId(0))), problems)?;
    if !above_zero(&quantity, "a speed limit", problems) {
        return None;
    }
    check_limit_matters(speed, group, &text.span, scope, problems);
    Some(Reaction::LimitSpeed(speed))
}

/// A speed limit above what the axes of the group can do changes nothing.
fn check_limit_matters(
    speed: Nano,
    group: GroupId,
    span: &Span,
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) {
    let Some(plan) = scope.axes.group_plans.get(usize::from(group.0)) else { return };
    let fastest =
        plan.axes.iter().filter_map(|axis| Some(scope.axes.plan(*axis)?.limits.velocity)).max();
    if let Some(fastest) = fastest.filter(|fastest| speed >= *fastest) {
        problems.push(
            Problem::error("without-effect", span, "this speed limit limits nothing")
                .expected(format!(
                    "below {} units/s, the fastest axis of the group",
                    fastest.units()
                ))
                .found(format!("{} units/s", speed.units()))
                .remedy("choose a lower speed, or \"warn\" if people shall only be told"),
        );
    }
}
