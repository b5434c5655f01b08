//! What only the whole cause-and-effect matrix shows: effects that never apply, latches that nobody can clear, modes that nobody watches.

use rt_core::plan::{
    Action, Cause, ControlPlan, GroupId, InterlockPlan, ModePlan, ProgramPlan, Reaction, Watched,
    When,
};
use rt_core::signal::SignalId;

use super::Built;
use super::interlocks::Interlocks;
use crate::file::File;
use crate::file::axis::HomingMethod;
use crate::file::safety::{CauseKind, ModeWord, ReactionText};
use crate::problem::{Problem, Problems, Span};

pub(crate) fn check(
    file: &File,
    built: &Built<'_>,
    interlocks: &Interlocks,
    problems: &mut Problems,
) {
    if !problems.lost.is_empty() {
        return;
    }
    for (place, (row, span)) in interlocks.plans.iter().zip(&interlocks.spans).enumerate() {
        check_reachable(place, interlocks, built, problems);
        check_leave(row, span, file.mode.1, built, problems);
    }
    check_sections(file, problems);
    check_here(file, problems);
    check_modes(file, built, interlocks, problems);
}

/// Another row with the same cause that does more (or came first and does as much), as long, in as many modes: this one's effect
/// never shows.
fn check_reachable(
    place: usize,
    interlocks: &Interlocks,
    built: &Built<'_>,
    problems: &mut Problems,
) {
    let rows = || interlocks.plans.iter().zip(&interlocks.spans).enumerate();
    let Some((row, span)) = interlocks.plans.get(place).zip(interlocks.spans.get(place)) else {
        return;
    };
    let hidden = |(at, (other, _)): &(usize, (&InterlockPlan, &Span))| {
        let as_often = other.when == When::Always || other.when == row.when;
        let as_long = other.latch || !row.latch;
        let candidate = *at != place && other.cause == row.cause && as_often && as_long;
        let hides = |group: GroupId, reaction: Reaction| {
            other.effects.iter().filter(|effect| effect.group == group).any(|effect| {
                let mutual = stronger(reaction, effect.reaction);
                stronger(effect.reaction, reaction) && (*at < place || !mutual)
            })
        };
        row.effects.iter().find(|e| candidate && hides(e.group, e.reaction)).map(|e| e.group)
    };
    let Some((group, first)) = rows().find_map(|it| Some((hidden(&it)?, it.1.1))) else {
        return;
    };
    let name = interlocks.names.get(place).map_or("", |name| &name.name);
    let group = built.axes.groups.get(usize::from(group.0)).map_or("", |name| &name.value);
    problems.push(
        Problem::error(
            "effect-unreachable",
            span,
            format!("`{name}` never does anything to the group `{group}`"),
        )
        .expected("an effect that something else does not always hide")
        .found("the same cause does as much to it, or more, already")
        .remedy("remove one of the two")
        .related(first, "this one does"),
    );
}

/// `first` shows whatever `second` asks.
fn stronger(first: Reaction, second: Reaction) -> bool {
    match (first, second) {
        (Reaction::LimitSpeed(first), Reaction::LimitSpeed(second)) => first <= second,
        // A warning and a limit are both told; a limit is not hidden by a stop that ends.
        (_, Reaction::LimitSpeed(_)) => first >= Reaction::Stop2,
        (first, second) => first >= second,
    }
}

/// A stop that keeps the axis where its cause demands can never be left.
fn check_leave(
    row: &InterlockPlan,
    span: &Span,
    modes: bool,
    built: &Built<'_>,
    problems: &mut Problems,
) {
    let (axis, needs) = match row.cause {
        Cause::NotReferenced { axis } => (axis, "homing it"),
        Cause::Threshold { of: Watched::Position(axis), .. } => (axis, "moving it back"),
        _ => return,
    };
    let Some(plan) = built.axes.plan(axis) else { return };
    let stops = |group: GroupId| {
        row.effects.iter().any(|e| e.group == group && e.reaction >= Reaction::Stop2)
    };
    let left_free = modes && row.when == When::Automatic;
    if !stops(plan.group) || left_free {
        return;
    }
    let name = built.axes.name(axis);
    problems.push(
        Problem::error("cannot-clear", span, "no reset clears this: it needs motion that it stops")
            .expected(format!("{needs} stays possible: mode = \"automatic\", a limit or a warning"))
            .found(format!("a stop of the group of `{name}` in every mode"))
            .remedy("add `mode = \"automatic\"` (with [mode]), or stop other groups only"),
    );
}

/// What each section says of itself.
fn check_sections(file: &File, problems: &mut Problems) {
    for section in &file.interlock {
        let kind = section.cause.kind.value;
        if kind == CauseKind::EmergencyStop {
            for (_, reaction) in &section.effects.0 {
                let category = matches!(
                    reaction.value,
                    ReactionText::Stop0 | ReactionText::Stop1 | ReactionText::Safe
                );
                if !category {
                    problems.push(
                        Problem::error(
                            "emergency-stop-category",
                            &reaction.span,
                            "an emergency stop is of category 0 or 1",
                        )
                        .expected("\"stop 1\" or \"stop 0\"")
                        .found("something weaker")
                        .remedy("IEC 60204-1: power goes, at once or when everything stands"),
                    );
                }
            }
        }
        let manual = matches!(&section.mode, Some(mode) if mode.value == ModeWord::Manual);
        if matches!(kind, CauseKind::TwoHand | CauseKind::EnablingSwitch) && !manual {
            problems.push(
                Problem::error(
                    "held-in-automatic",
                    &section.cause.kind.span,
                    "a device that a person holds belongs to manual",
                )
                .expected("mode = \"manual\" in this interlock")
                .found("an interlock that counts in automatic, too")
                .remedy("add it: otherwise every letting go stops the program"),
            );
        }
        if manual && must_always_count(kind) {
            problems.push(always(&section.cause.kind.span));
        }
        if let Some(mode) = &section.mode
            && mode.value == ModeWord::Automatic
            && must_always_count(kind)
        {
            problems.push(always(&section.cause.kind.span));
        }
    }
}

/// Causes that no mode switches off.
fn must_always_count(kind: CauseKind) -> bool {
    use CauseKind as K;
    matches!(
        kind,
        K::EmergencyStop
            | K::DriveFault
            | K::FollowingError
            | K::TargetIgnored
            | K::WorkingCounter
            | K::Bus
            | K::DcUnlocked
            | K::Supervisor
            | K::ModeSelector
            | K::Edm
            | K::SafetyRequest
    )
}

fn always(span: &Span) -> Problem {
    Problem::error("must-always-count", span, "this cause counts in every mode")
        .expected("no `mode` in this interlock")
        .found("one")
        .remedy("remove `mode`: a selector must not switch this off")
}

/// With a selector: something watches it, and something is held in manual, for every group.
fn check_modes(file: &File, built: &Built<'_>, interlocks: &Interlocks, problems: &mut Problems) {
    let Some(section) = &file.mode.0 else { return };
    let groups = built.axes.group_plans.len();
    let covered = |is: &dyn Fn(&InterlockPlan) -> bool| {
        (0_u8..=u8::MAX).map(GroupId).take(groups).all(|group| {
            interlocks.plans.iter().filter(|row| is(row)).any(|row| {
                row.effects.iter().any(|e| e.group == group && e.reaction >= Reaction::Stop2)
            })
        })
    };
    let wanted: [(&str, bool); 2] = [
        ("mode_selector", covered(&|row| row.cause == Cause::ModeSelector)),
        (
            "enabling_switch",
            covered(&|row| {
                matches!(row.cause, Cause::EnablingSwitch { .. } | Cause::TwoHand { .. })
            }),
        ),
    ];
    for (kind, covered) in wanted {
        if !covered {
            problems.push(
                Problem::error(
                    "mode-unwatched",
                    &section.span,
                    format!("not every group stops on `{kind}`"),
                )
                .expected(format!("an interlock with cause {{ kind = \"{kind}\" }} that stops `all`"))
                .found("none, or only for some groups")
                .remedy(match kind {
                    "mode_selector" => "add it: a selector that says nothing must stop the machine",
                    _ => "add it with mode = \"manual\" (or `two_hand`): in manual a person permits motion",
                }),
            );
        }
    }
}

/// An axis that is homed where it stands, and that people may move before: its soft limits are wherever they left it.
fn check_here(file: &File, problems: &mut Problems) {
    let jogs = file.mode.0.iter().flat_map(|mode| &mode.jog);
    for jog in jogs {
        let named = |axis: &&crate::file::axis::Axis| axis.name.value == jog.axis.value;
        let Some(axis) = file.axis.iter().find(named) else { continue };
        let homing = &axis.homing;
        let told = homing.mark.as_ref().is_some_and(|mark| !mark.trim().is_empty());
        let here = homing.method == HomingMethod::Here;
        if !here || told || axis.limits.position.is_none() {
            continue;
        }
        problems.push(
            Problem::warning(
                "here-without-mark",
                &homing.span,
                format!("`{}` is homed wherever somebody jogged it to", axis.name.value),
            )
            .expected("a `mark` that the axis is put to before it is homed, or \"switch_index\"")
            .found("method \"here\" with soft limits, and a [[mode.jog]] that moves it before")
            .remedy("say the mark (mark = \"the arrow on the rail\"), or home to a switch")
            .related(&jog.axis.span, "this moves it"),
        );
    }
}

/// Digital inputs with a name that nothing reads: a contact that somebody wired, and that protects nobody.
pub(crate) fn check_inputs(
    built: &Built<'_>,
    interlocks: &Interlocks,
    control: Option<&ControlPlan>,
    mode: Option<&ModePlan>,
    program: &ProgramPlan,
    problems: &mut Problems,
) {
    if !problems.lost.is_empty() {
        return;
    }
    let Some(control) = control else { return };
    let mut read = vec![control.reset, control.start];
    read.extend(control.stop);
    if let Some(mode) = mode {
        read.extend([mode.automatic, mode.manual]);
        read.extend(mode.jogs.iter().flat_map(|jog| [jog.positive, jog.negative]));
    }
    read.extend(interlocks.plans.iter().flat_map(|row| reads(&row.cause)));
    read.extend(built.inspections.plans.iter().flatten().map(|station| station.sensor));
    for step in program.strands.iter().flat_map(|strand| &strand.steps) {
        if let Action::WaitFor(condition) | Action::Branch { condition, .. } = step.action {
            read.push(condition.signal);
        }
    }
    let signals = &built.devices.signals;
    for id in (0..signals.plans.len()).filter_map(|at| u16::try_from(at).ok()).map(SignalId) {
        let contact = signals.plan(id).is_some_and(|plan| {
            plan.direction == fieldbus::plan::Direction::Input && plan.bits == 1
        });
        if !contact || signals.channel(id).is_none() || read.contains(&id) {
            continue;
        }
        let Some(span) = signals.span(id) else { continue };
        problems.push(
            Problem::warning(
                "unread-input",
                span,
                format!("nobody reads the input `{}`", signals.name(id)),
            )
            .expected("an interlock, a button, a jog or a step that reads it")
            .found("none")
            .remedy("use it, or write \"\" where the channel is unused"),
        );
    }
}

/// Inputs that a cause reads.
fn reads(cause: &Cause) -> Vec<SignalId> {
    match *cause {
        Cause::DualChannel { a, b, .. }
        | Cause::EnablingSwitch { a, b }
        | Cause::TwoHand { a, b, .. } => vec![a, b],
        Cause::Antivalent { closed, open, .. } => vec![closed, open],
        Cause::Muting(plan) => {
            plan.sensors.iter().copied().flatten().chain([plan.a, plan.b]).collect()
        }
        Cause::Edm { feedback, second, .. } => [feedback].into_iter().chain(second).collect(),
        Cause::SafetyRequest { confirmation, .. } => vec![confirmation.signal],
        Cause::Input { signal } | Cause::Threshold { of: Watched::Signal(signal), .. } => {
            vec![signal]
        }
        _ => Vec::new(),
    }
}
