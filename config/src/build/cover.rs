//! What only the whole file shows: causes that nobody watches, streams that nobody reads, trips that nobody can clear.

use rt_core::plan::{
    Action, AxisId, Cause, ControlPlan, DualChannelKind, GroupId, HomingPlan, InterlockPlan,
    ProgramPlan, Reaction,
};
use rt_core::program::Request;
use rt_core::signal::SignalId;
use rt_core::vision::StreamId;

use super::Built;
use super::cell::Rest;
use super::interlocks::Interlocks;
use crate::cell::{Channel, ScenarioAction, ScenarioEvent};
use crate::file::File;
use crate::problem::{Problem, Problems, Span};

/// All of it but what concerns the virtual cell.
pub(crate) fn check(
    file: &File,
    built: &Built<'_>,
    control: Option<&ControlPlan>,
    interlocks: &Interlocks,
    program: &ProgramPlan,
    problems: &mut Problems,
) {
    // What could not be read may be what is missing.
    if problems.lost.is_empty() {
        let dc = file.bus.0.as_ref().is_some_and(|bus| bus.dc.is_some());
        check_causes(file, built, interlocks, dc, problems);
        check_vision(file, built, interlocks, problems);
        check_referenced(built, interlocks, program, problems);
    }
    check_buttons(built, control, interlocks, problems);
}

/// Every fault that the loop can see stops what it concerns.
// SR-043
fn check_causes(
    file: &File,
    built: &Built<'_>,
    interlocks: &Interlocks,
    dc: bool,
    problems: &mut Problems,
) {
    let groups = groups(built);
    for (axis, section) in (0_u8..=u8::MAX).map(AxisId).zip(built.axes.sections) {
        let Some(plan) = built.axes.plan(axis) else { continue };
        let own = [plan.group];
        let wanted = [
            (Cause::DriveFault { axis }, "drive_fault"),
            (Cause::FollowingError { axis }, "following_error"),
            (Cause::TargetIgnored { axis }, "target_ignored"),
        ];
        for (cause, kind) in wanted {
            let same = |row: &InterlockPlan| row.cause == cause;
            if !covered(interlocks, same, &own) {
                let what = format!("nothing stops the axis `{}`", section.name.value);
                problems.push(uncovered(&section.name.span, &what, kind));
            }
        }
    }
    if built.axes.sections.is_empty() || groups.is_empty() {
        return;
    }
    let at = file.machine.0.as_ref().map_or(0..1, |machine| machine.name.span.clone());
    for unit in 0..built.devices.units.len() {
        let same = |row: &InterlockPlan| match row.cause {
            Cause::WorkingCounter { unit: watched, .. } => usize::from(watched) == unit,
            _ => false,
        };
        if let Some(name) = built.devices.units.get(unit)
            && !covered(interlocks, same, &groups)
        {
            let what = format!("nothing stops the machine when `{}` is silent", name.value);
            problems.push(uncovered(&name.span, &what, "working_counter"));
        }
    }
    let is_bus = |row: &InterlockPlan| row.cause == Cause::Bus;
    let is_supervisor = |row: &InterlockPlan| matches!(row.cause, Cause::Supervisor { .. });
    let is_dc = |row: &InterlockPlan| row.cause == Cause::DcUnlocked;
    let machine = [
        ("bus", covered(interlocks, is_bus, &groups)),
        ("supervisor", covered(interlocks, is_supervisor, &groups)),
        ("dc_unlocked", !dc || covered(interlocks, is_dc, &groups)),
    ];
    for (kind, covered) in machine {
        if !covered {
            problems.push(uncovered(&at, "nothing stops the machine", kind));
        }
    }
    check_emergency_stop(&at, &groups, interlocks, problems);
}

fn groups(built: &Built<'_>) -> Vec<GroupId> {
    (0_u8..=u8::MAX).map(GroupId).take(built.axes.group_plans.len()).collect()
}

/// Rows with this cause stop every one of `groups`.
fn covered(
    interlocks: &Interlocks,
    is: impl Fn(&InterlockPlan) -> bool,
    groups: &[GroupId],
) -> bool {
    groups.iter().all(|group| {
        interlocks.plans.iter().filter(|row| is(row)).any(|row| {
            row.effects
                .iter()
                .any(|effect| effect.group == *group && effect.reaction >= Reaction::Stop2)
        })
    })
}

fn uncovered(span: &Span, what: &str, kind: &str) -> Problem {
    Problem::error("uncovered-cause", span, format!("{what} on `{kind}`"))
        .expected(format!("an interlock with cause {{ kind = \"{kind}\" }} that stops"))
        .found("none, or only a warning or speed limit")
        .remedy("add the [[interlock]]; without `axes` or `sync_units` it covers all of them")
}

fn check_emergency_stop(
    at: &Span,
    groups: &[GroupId],
    interlocks: &Interlocks,
    problems: &mut Problems,
) {
    let is = |row: &InterlockPlan| {
        matches!(row.cause, Cause::DualChannel { kind: DualChannelKind::EmergencyStop, .. })
    };
    if !covered(interlocks, is, groups) {
        problems.push(
            Problem::warning("no-emergency-stop", at, "no emergency stop stops every group")
                .expected("an interlock with kind = \"emergency_stop\" and effects on `all`")
                .found("none")
                .remedy("if the certified chain does it alone, this may be right"),
        );
    }
}

/// Streams that no interlock reads and zones that none watches.
fn check_vision(file: &File, built: &Built<'_>, interlocks: &Interlocks, problems: &mut Problems) {
    let inspects = |wanted: StreamId| {
        built.inspections.plans.iter().flatten().any(|station| station.stream == wanted)
    };
    let read = |wanted: StreamId, bit: Option<u8>| {
        (bit.is_none() && inspects(wanted))
            || interlocks.plans.iter().any(|row| match row.cause {
                Cause::Zone { stream, zone } | Cause::TwinZone { stream, zone, .. } => {
                    stream == wanted && bit.is_none_or(|bit| bit == zone)
                }
                Cause::Separation(plan) => {
                    plan.stream == wanted && bit.is_none_or(|bit| bit == plan.zone)
                }
                Cause::StaleVision { stream } => stream == wanted && bit.is_none(),
                _ => false,
            })
    };
    for (stream, section) in (0_u8..=u8::MAX).map(StreamId).zip(&file.stream) {
        if !read(stream, None) {
            problems.push(
                Problem::error(
                    "unread-stream",
                    &section.name.span,
                    format!("nobody reads the stream `{}`", section.name.value),
                )
                .expected("an interlock of kind `zone` or `twin_zone` on one of its zones, or an [[inspection]]")
                .found("none")
                .remedy("add it, or remove the stream: a camera must not look unused"),
            );
        }
    }
    for (section, at) in file.zone.iter().zip(&built.vision.zone_at) {
        let Some((stream, bit)) = *at else { continue };
        if read(stream, None) && !read(stream, Some(bit)) {
            problems.push(
                Problem::warning(
                    "unwatched-zone",
                    &section.name.span,
                    format!("no interlock watches the zone `{}`", section.name.value),
                )
                .expected("an interlock of kind `zone` or `twin_zone`")
                .found("none")
                .remedy("add it, or remove the zone"),
            );
        }
    }
}

/// Predictions about a place need a reference: an axis that the program never homes has none.
fn check_referenced(
    built: &Built<'_>,
    interlocks: &Interlocks,
    program: &ProgramPlan,
    problems: &mut Problems,
) {
    let steps = || program.strands.iter().flat_map(|strand| &strand.steps);
    if steps().next().is_none() {
        return;
    }
    for (row, span) in interlocks.plans.iter().zip(&interlocks.spans) {
        let (Cause::TwinZone { axis, .. } | Cause::TwinLimit { axis }) = row.cause else {
            continue;
        };
        let Some(plan) = built.axes.plan(axis) else { continue };
        let homed = steps().any(|step| match step.action {
            Action::Do(Request::Home { axis: homed }) => homed == axis,
            _ => false,
        });
        if homed || matches!(plan.homing, HomingPlan::Kept { .. }) {
            continue;
        }
        let name = built.axes.name(axis);
        problems.push(
            Problem::error("never-referenced", span, format!("the axis `{name}` is never homed"))
                .expected("a step that homes it: without a reference its place means nothing")
                .found("none in the program")
                .remedy(format!("add the step {{ home = \"{name}\" }}")),
        );
    }
}

/// Signals that the loop itself asks for: a cause on a button can never be clear for long.
fn check_buttons(
    built: &Built<'_>,
    control: Option<&ControlPlan>,
    interlocks: &Interlocks,
    problems: &mut Problems,
) {
    let Some(control) = control else { return };
    for (row, span) in interlocks.plans.iter().zip(&interlocks.spans) {
        for signal in watched(&row.cause) {
            if signal != control.reset && signal != control.start {
                continue;
            }
            let name = built.devices.signals.name(signal);
            problems.push(
                Problem::error("cannot-clear", span, "nobody can clear this cause")
                    .expected("an input that is 1 while all is well")
                    .found(format!("`{name}`, a button that is 1 only while it is pressed"))
                    .remedy("watch another input"),
            );
        }
    }
}

/// Inputs that must be 1 for the cause to be clear.
fn watched(cause: &Cause) -> Vec<SignalId> {
    match *cause {
        Cause::DualChannel { a, b, .. } => vec![a, b],
        Cause::Muting(plan) => vec![plan.a, plan.b],
        Cause::Antivalent { closed, .. } => vec![closed],
        Cause::Input { signal } => vec![signal],
        _ => Vec::new(),
    }
}

/// In the virtual cell: an input that is never 1 keeps its cause for ever; a button at rest must be let go.
pub(crate) fn check_rest(
    built: &Built<'_>,
    control: Option<&ControlPlan>,
    interlocks: &Interlocks,
    (rest, events): (&Rest, &[ScenarioEvent]),
    problems: &mut Problems,
) {
    let high = |channel: Channel| rest.iter().any(|(at, value)| *at == channel && *value != 0);
    let raised = |channel: Channel| {
        events
            .iter()
            .any(|event| event.action == ScenarioAction::SetInput { input: channel, on: true })
    };
    let never = |signal: SignalId| {
        built.devices.signals.channel(signal).filter(|at| !high(*at) && !raised(*at)).is_some()
    };
    let mut stuck: Vec<(SignalId, Span)> = Vec::new();
    for (row, span) in interlocks.plans.iter().zip(&interlocks.spans) {
        for signal in watched(&row.cause).into_iter().filter(|signal| never(*signal)) {
            stuck.push((signal, span.clone()));
        }
    }
    let Some(control) = control else { return };
    if let Some(stop) = control.stop.filter(|stop| never(*stop))
        && let Some(span) = built.devices.signals.span(stop)
    {
        stuck.push((stop, span.clone()));
    }
    for (signal, span) in stuck {
        let name = built.devices.signals.name(signal);
        problems.push(
            Problem::error(
                "cannot-clear",
                &span,
                format!("`{name}` is never 1 in the virtual cell"),
            )
            .expected("an input that is 1 while all is well")
            .found("0 at rest, and no event that changes it")
            .remedy(format!("add `{name} = 1` to [virtual.rest]")),
        );
    }
    for button in [control.reset, control.start] {
        let Some(channel) = built.devices.signals.channel(button).filter(|at| high(*at)) else {
            continue;
        };
        let name = built.devices.signals.name(button);
        if let Some(span) = built.devices.signals.span(button) {
            problems.push(
                Problem::error(
                    "cannot-clear",
                    span,
                    format!("the button `{name}` is held for ever"),
                )
                .expected("0 at rest: reset and start are 1 only while they are pressed")
                .found(format!("1 at rest on channel {}", u16::from(channel.channel) + 1))
                .remedy(format!("remove `{name}` from [virtual.rest]")),
            );
        }
    }
}
