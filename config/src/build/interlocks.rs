//! `[[interlock]]` → rows of the cause-and-effect matrix.

use rt_core::plan::{
    AxisId, Block, Directions, Effect, GroupId, InterlockPlan, OutputPlan, OutputSource, Reaction,
    When,
};
use rt_core::signal::SignalId;
use twin_lite::units::Nano;

use super::axes::{Axes, above_zero, in_unit};
use super::causes::{causes, check_companions};
use super::inspection::Inspections;
use super::names::{Table, check_title};
use super::parts::Parts;
use super::signals::SignalTable;
use super::vision::Vision;
use crate::file::axis::Direction;
use crate::file::safety as file;
use crate::file::safety::{CauseKind, ModeWord, ReactionText};
use crate::machine::InterlockName;
use crate::problem::{Problem, Problems, Span};
use crate::read::{At, Map, Name};

/// Everything that an interlock may refer to.
pub(crate) struct Scope<'a, 'f> {
    pub(crate) axes: &'a Axes<'f>,
    pub(crate) signals: &'a SignalTable,
    pub(crate) vision: &'a Vision<'f>,
    pub(crate) parts: &'a Parts,
    pub(crate) inspections: &'a Inspections,
    pub(crate) units: &'a Table,
    pub(crate) dc: bool,
    pub(crate) overrun: bool,
    /// There is a mode selector.
    pub(crate) mode: bool,
    pub(crate) outputs: &'a [OutputPlan],
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
        let when = when(section, scope, problems);
        let outputs = held_outputs(section, scope, problems);
        let blocks = blocks(section.block.as_ref(), scope.axes, problems);
        for (cause, suffix, owner) in causes(section, scope, problems) {
            let effects = effects(section, owner, scope, problems);
            out.plans.push(InterlockPlan {
                cause,
                effects: effects.into_boxed_slice(),
                latch: section.latch,
                when,
                outputs: outputs.clone().into_boxed_slice(),
                blocks: blocks.clone().into_boxed_slice(),
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
    if section.cause.kind.value == CauseKind::Inspection && !section.latch {
        problems.push(
            Problem::error("inspection-unlatched", &section.name.span, "a missed part must latch")
                .expected("latch = true")
                .found("latch = false")
                .remedy("set it: the part stays on the belt until a person has taken it out"),
        );
    }
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
        if reaction.value == ReactionText::Safe {
            continue;
        }
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
                Some(effect) => {
                    let stop = scope.axes.group_plans.get(usize::from(group.0));
                    let order = stop.map(|group| group.stop.order).unwrap_or_default();
                    effect.reaction = order.worst(effect.reaction, reaction);
                }
                None => out.push(Effect { group, reaction }),
            }
        }
    }
    let blocks = section.block.as_ref().is_some_and(|block| !block.0.is_empty());
    if section.effects.0.is_empty() && !blocks {
        problems.push(
            Problem::error(
                "without-effect",
                &section.name.span,
                format!("the interlock `{}` does nothing", section.name.value),
            )
            .expected("`effects`: at least one group and its reaction (or a `block`)")
            .found("none")
            .remedy("for instance: effects = { all = \"stop 1\" }"),
        );
    }
    out.sort_by_key(|effect| effect.group);
    out
}

/// Ways that are closed. A way that the axis may never go is closed already.
pub(crate) fn blocks(
    closed: Option<&Map<At<Direction>>>,
    axes: &Axes<'_>,
    problems: &mut Problems,
) -> Vec<Block> {
    let mut out = Vec::new();
    for (name, way) in closed.into_iter().flat_map(|closed| &closed.0) {
        let Some(axis) = axes.find(name, problems) else { continue };
        let left = match way.value {
            Direction::Positive => Directions { negative: true, positive: false },
            Direction::Negative => Directions { negative: false, positive: true },
        };
        let limits = axes.plan(axis).map_or(Directions::BOTH, |plan| plan.limits.direction);
        if limits.and(left) == limits {
            problems.push(
                Problem::error("without-effect", &way.span, "this way is closed at all times")
                    .expected("a way that the axis may go")
                    .found(format!("`{}` never goes there ([axis.limits] direction)", name.value))
                    .remedy("remove it from `block`"),
            );
        }
        out.push(Block { axis, left });
    }
    out
}

/// Outputs that the row holds in their safe state.
fn held_outputs(
    section: &file::Interlock,
    scope: &Scope<'_, '_>,
    problems: &mut Problems,
) -> Vec<SignalId> {
    let mut out = Vec::new();
    for (name, reaction) in &section.effects.0 {
        if reaction.value != ReactionText::Safe {
            continue;
        }
        let Some(signal) = scope.signals.output(name, "the effect", problems) else { continue };
        let written = |output: &OutputPlan| {
            output.signal == signal
                && matches!(
                    output.source,
                    OutputSource::Program | OutputSource::Running | OutputSource::Inspection
                )
        };
        if scope.outputs.iter().any(written) {
            out.push(signal);
            continue;
        }
        problems.push(
            Problem::error("without-effect", &name.span, "nothing holds this output safe")
                .expected("an [[output]] with source \"program\" or \"running\"")
                .found(format!("`{}`", name.value))
                .remedy("brakes and lamps follow their axis and machine: remove the effect"),
        );
    }
    out
}

fn when(section: &file::Interlock, scope: &Scope<'_, '_>, problems: &mut Problems) -> When {
    let Some(mode) = &section.mode else { return When::Always };
    if !scope.mode {
        problems.push(
            Problem::error("cause-impossible", &mode.span, "there are no modes")
                .expected("[mode] in the file, or no `mode` here")
                .found("no section [mode]")
                .remedy("add the selector, or remove `mode`"),
        );
    }
    match mode.value {
        ModeWord::Automatic => When::Automatic,
        ModeWord::Manual => When::Manual,
    }
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
        ReactionText::Safe => return None,
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
