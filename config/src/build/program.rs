//! `[program]` → [`ProgramPlan`].

use rt_core::plan::{
    Action, AxisId, Compare, Condition, GroupId, OutputPlan, OutputSource, ProgramPlan, StepPlan,
    StrandPlan,
};
use rt_core::program::{GROUP_AXES_MAX, Request, STRANDS_MAX};
use twin_lite::units::Nano;

use super::axes::{Axes, above_zero, in_unit, positive, time_in};
use super::names::{Table, check_count, check_title};
use super::safety::fits;
use super::signals::SignalTable;
use crate::file::program as file;
use crate::machine::StepName;
use crate::problem::{Problem, Problems, Span};
use crate::read::{Int, Map, Name, Position, Speed, need};

/// Raw values of signals as the file may write them.
type Raw = Int<-2_147_483_648, 4_294_967_295>;

/// Most steps of a strand.
const STEPS_MAX: usize = 256;
const DAY_NS: i64 = 86_400_000_000_000;

/// Everything that a step may refer to.
pub(crate) struct Scope<'a, 'f> {
    pub(crate) axes: &'a Axes<'f>,
    pub(crate) signals: &'a SignalTable,
    pub(crate) outputs: &'a [OutputPlan],
    strands: Table,
    /// Of each strand: names of its steps; a step without one has an empty name.
    steps: Vec<Vec<Option<Name>>>,
}

pub(crate) fn program(
    section: Option<&file::Program>,
    axes: &Axes<'_>,
    signals: &SignalTable,
    outputs: &[OutputPlan],
    problems: &mut Problems,
) -> (ProgramPlan, Vec<StepName>) {
    let strands = section.map_or(&[][..], |program| &program.strand);
    let mut scope =
        Scope { axes, signals, outputs, strands: Table::new("a strand"), steps: Vec::new() };
    if let Some(strand) = strands.get(STRANDS_MAX) {
        check_count(strands.len(), STRANDS_MAX, "strands", &strand.name.span, problems);
    }
    for strand in strands {
        check_title(&strand.name, problems);
        scope.strands.add(&strand.name, problems);
        let mut table = Table::new("a step of this strand");
        for name in strand.steps.iter().filter_map(|step| step.name.as_ref()) {
            check_title(name, problems);
            table.add(name, problems);
        }
        scope.steps.push(strand.steps.iter().map(|step| step.name.clone()).collect());
    }
    let mut plan = ProgramPlan::default();
    let mut names = Vec::new();
    for (at, strand) in strands.iter().enumerate() {
        check_length(strand, problems);
        let mut steps = Vec::new();
        for step in &strand.steps {
            names.push(StepName {
                strand: at,
                strand_name: strand.name.value.clone(),
                name: step.name.as_ref().map_or_else(|| title(step), |name| name.value.clone()),
            });
            steps.extend(scope.step(step, at, problems));
        }
        let restart_at =
            strand.restart_at.as_ref().and_then(|name| scope.find_step(at, name, problems));
        plan.strands.push(StrandPlan { steps, restart_at });
    }
    (plan, names)
}

fn check_length(strand: &file::Strand, problems: &mut Problems) {
    check_count(strand.steps.len(), STEPS_MAX, "steps in a strand", &strand.name.span, problems);
    if strand.steps.is_empty() {
        problems.push(
            Problem::error(
                "empty-strand",
                &strand.name.span,
                format!("the strand `{}` has no steps", strand.name.value),
            )
            .expected("1 to 256 steps")
            .found("none")
            .remedy("add steps, or remove the strand"),
        );
    }
}

/// The keys of a step that say what it does, those that are there, each with what it refers to.
fn verbs(step: &file::Step) -> Vec<(&'static str, &str, Span)> {
    let wait = step.wait.as_ref().map(|wait| ("wait", "", wait.span.clone()));
    let named = [
        ("home", &step.home),
        ("move", &step.r#move),
        ("move_by", &step.move_by),
        ("velocity", &step.velocity),
        ("halt", &step.halt),
        ("output", &step.output),
        ("wait_for", &step.wait_for),
        ("branch", &step.branch),
        ("jump", &step.jump),
        ("loop", &step.r#loop),
        ("join", &step.join),
    ];
    named
        .into_iter()
        .filter_map(|(verb, name)| name.as_ref().map(|n| (verb, n.value.as_str(), n.span.clone())))
        .chain(wait)
        .collect()
}

fn title(step: &file::Step) -> String {
    match verbs(step).first() {
        Some(("wait", _, _)) => {
            format!("wait {}", step.wait.as_ref().map(|wait| wait.show()).unwrap_or_default())
        }
        Some((verb, object, _)) => format!("{} {object}", verb.replace('_', " ")),
        None => String::new(),
    }
}

/// Verbs whose step takes time, so that a time-out means something.
const TAKE_TIME: [&str; 6] = ["home", "move", "move_by", "halt", "wait_for", "join"];

/// Which verbs a key goes with.
const COMPANIONS: [(&str, &[&str]); 11] = [
    ("to", &["move"]),
    ("speed", &["move", "move_by", "velocity"]),
    ("distance", &["move_by"]),
    ("value", &["output"]),
    ("is", &["wait_for", "branch"]),
    ("is_not", &["wait_for", "branch"]),
    ("below", &["wait_for", "branch"]),
    ("at_least", &["wait_for", "branch"]),
    ("go_to", &["branch"]),
    ("count", &["loop"]),
    ("step", &["join"]),
];

fn companions(step: &file::Step) -> Vec<(&'static str, Span)> {
    let raw = |value: &Option<Raw>| value.as_ref().map(|value| value.span.clone());
    let name = |name: &Option<Name>| name.as_ref().map(|name| name.span.clone());
    let to =
        step.to.as_ref().map(|to| to.0.first().map_or(&step.span, |(name, _)| &name.span).clone());
    let present = [
        ("to", to),
        ("speed", step.speed.as_ref().map(|speed| speed.span.clone())),
        ("distance", step.distance.as_ref().map(|distance| distance.span.clone())),
        ("value", raw(&step.value)),
        ("is", raw(&step.is)),
        ("is_not", raw(&step.is_not)),
        ("below", raw(&step.below)),
        ("at_least", raw(&step.at_least)),
        ("go_to", name(&step.go_to)),
        ("count", step.count.as_ref().map(|count| count.span.clone())),
        ("step", name(&step.step)),
    ];
    present.into_iter().filter_map(|(key, span)| span.map(|span| (key, span))).collect()
}

/// The one verb of a step; keys that do not go with it are reported.
fn verb(step: &file::Step, problems: &mut Problems) -> Option<&'static str> {
    let verbs = verbs(step);
    let [(verb, _, _)] = verbs[..] else {
        let listed: Vec<&str> = verbs.iter().map(|(verb, ..)| *verb).collect();
        problems.push(
            Problem::error("step-verb", &step.span, "a step does exactly one thing")
                .expected(
                    "one of home, move, move_by, velocity, halt, output, wait, wait_for, branch, \
                     jump, loop, join",
                )
                .found(if listed.is_empty() { "none".to_owned() } else { listed.join(" and ") })
                .remedy("make a step of each"),
        );
        return None;
    };
    for (key, span) in companions(step) {
        let fits = COMPANIONS.iter().any(|(name, verbs)| *name == key && verbs.contains(&verb));
        if !fits {
            problems.push(
                Problem::error("key-does-not-fit", &span, format!("`{key}` means nothing here"))
                    .expected(format!("only keys that go with `{verb}`"))
                    .found(format!("`{key}`"))
                    .remedy("remove it"),
            );
        }
    }
    if let Some(timeout) = step.timeout.as_ref().filter(|_| !TAKE_TIME.contains(&verb)) {
        problems.push(
            Problem::error("key-does-not-fit", &timeout.span, "this step takes no time of its own")
                .expected(format!("a time-out only on {}", TAKE_TIME.join(", ")))
                .found(format!("a time-out on `{verb}`"))
                .remedy("remove it"),
        );
    }
    Some(verb)
}

impl Scope<'_, '_> {
    fn step(&self, step: &file::Step, strand: usize, problems: &mut Problems) -> Option<StepPlan> {
        let timeout_ns = match &step.timeout {
            Some(time) => Some(time_in(time, 1_000_000..=DAY_NS, "the time-out", problems)?),
            None => None,
        };
        let action = match verb(step, problems)? {
            "home" => {
                let axis = self.axes.find(step.home.as_ref()?, problems)?;
                Action::Do(Request::Home { axis })
            }
            "move" => Action::Do(self.move_linear(step, problems)?),
            "move_by" => Action::Do(self.move_by(step, problems)?),
            "velocity" => Action::Start(self.velocity(step, problems)?),
            "halt" => {
                let group = self.axes.find_group(step.halt.as_ref()?, problems)?;
                Action::Do(Request::Halt { group })
            }
            "output" => Action::Do(self.output(step, problems)?),
            "wait" => {
                let time = step.wait.as_ref()?;
                Action::Wait(time_in(time, 1_000_000..=DAY_NS, "the wait", problems)?)
            }
            "wait_for" => {
                Action::WaitFor(self.condition(step.wait_for.as_ref()?, step, problems)?)
            }
            "branch" => {
                let condition = self.condition(step.branch.as_ref()?, step, problems);
                let target = need(step.go_to.as_ref(), "go_to", step, problems);
                let to = target.and_then(|name| self.find_step(strand, name, problems));
                Action::Branch { condition: condition?, to: to? }
            }
            "jump" => Action::Jump(self.find_step(strand, step.jump.as_ref()?, problems)?),
            "loop" => {
                let to = self.find_step(strand, step.r#loop.as_ref()?, problems);
                let count = need(step.count.as_ref(), "count", step, problems);
                Action::Loop { to: to?, count: count?.to() }
            }
            _ => self.join(step, strand, problems)?,
        };
        Some(StepPlan { action, timeout_ns })
    }

    /// The place of a step within its strand.
    fn find_step(&self, strand: usize, name: &Name, problems: &mut Problems) -> Option<u16> {
        let mut table = Table::new("a named step of the strand");
        let steps = self.steps.get(strand)?;
        let mut places = Vec::new();
        for (place, step) in steps.iter().enumerate() {
            if let Some(step) = step {
                // Doubles have been reported.
                table.add(step, &mut Problems::default());
                places.push(place);
            }
        }
        let at = table.find(name, problems)?;
        places.get(at).and_then(|place| u16::try_from(*place).ok())
    }

    fn move_linear(&self, step: &file::Step, problems: &mut Problems) -> Option<Request> {
        let group_name = step.r#move.as_ref()?;
        let group = self.axes.find_group(group_name, problems)?;
        let to = need(step.to.as_ref(), "to", step, problems);
        let speed = need(step.speed.as_ref(), "speed", step, problems);
        let (to, speed) = (to?, speed?);
        let place = usize::from(group.0);
        let Some(unit) = self.axes.group_units.get(place).copied().flatten() else {
            problems.push(
                Problem::error("mixed-units", &group_name.span, "this group has no common path")
                    .expected("a group whose axes have one unit")
                    .found("axes in mm and in deg")
                    .remedy("move its axes one by one, or put them in different groups"),
            );
            return None;
        };
        let target = self.target(group, to, problems);
        let velocity = positive(speed, unit, "the speed", problems);
        let (target, velocity) = (target?, velocity?);
        self.check_path_speed(group, &target, velocity, speed, problems);
        Some(Request::MoveLinear { group, target, velocity })
    }

    fn target(
        &self,
        group: GroupId,
        to: &Map<Position>,
        problems: &mut Problems,
    ) -> Option<[Option<Nano>; GROUP_AXES_MAX]> {
        let mut target = [None; GROUP_AXES_MAX];
        let mut good = true;
        let members = &self.axes.group_plans.get(usize::from(group.0))?.axes;
        for (name, position) in &to.0 {
            let Some(axis) = self.axes.find(name, problems) else {
                good = false;
                continue;
            };
            let Some(place) = members.iter().position(|member| *member == axis) else {
                problems.push(
                    Problem::error(
                        "axis-not-in-group",
                        &name.span,
                        format!("the axis `{}` is not in this group", name.value),
                    )
                    .expected("an axis of the group that moves")
                    .found(format!("`{}`", name.value))
                    .remedy("move its own group in a step of its own"),
                );
                good = false;
                continue;
            };
            let value = in_unit(position, self.axes.unit(axis), problems);
            good &= value.is_some_and(|value| self.check_target(axis, value, position, problems));
            if let Some(slot) = target.get_mut(place) {
                *slot = value;
            }
        }
        if to.0.is_empty() {
            problems.push(
                Problem::error("empty-move", &to_span(to), "a move to nowhere")
                    .expected("at least one axis and its target")
                    .found("none")
                    .remedy("for instance: to = { x = \"100 mm\" }"),
            );
        }
        good.then_some(target)
    }

    fn check_target(
        &self,
        axis: AxisId,
        value: Nano,
        position: &Position,
        problems: &mut Problems,
    ) -> bool {
        let Some(plan) = self.axes.plan(axis) else { return false };
        let (from, to) = match (plan.limits.position, plan.wrap) {
            (Some(limits), _) => limits,
            (None, Some(wrap)) => (Nano::ZERO, Nano(wrap.0 - 1)),
            (None, None) => return true,
        };
        if value < from || value > to {
            let symbol = self.axes.unit(axis).symbol();
            problems.push(
                Problem::error(
                    "target-outside",
                    &position.span,
                    format!("the axis `{}` cannot go there", self.axes.name(axis)),
                )
                .expected(format!("{} to {} {symbol}", from.units(), to.units()))
                .found(position.show())
                .remedy("correct the target, or the soft limits if the machine really can"),
            );
            return false;
        }
        true
    }

    /// The path cannot be faster than its axes together: √Σv².
    fn check_path_speed(
        &self,
        group: GroupId,
        target: &[Option<Nano>; GROUP_AXES_MAX],
        velocity: Nano,
        speed: &Speed,
        problems: &mut Problems,
    ) {
        let Some(plan) = self.axes.group_plans.get(usize::from(group.0)) else { return };
        let moved = plan.axes.iter().zip(target).filter(|(_, target)| target.is_some());
        let squares: i128 = moved
            .filter_map(|(axis, _)| Some(i128::from(self.axes.plan(*axis)?.limits.velocity.0)))
            .map(|velocity| velocity * velocity)
            .fold(0, i128::saturating_add);
        let asked = i128::from(velocity.0) * i128::from(velocity.0);
        if squares > 0 && asked > squares {
            problems.push(too_fast(speed, "the velocity limits of the axes that move"));
        }
    }

    fn axis_speed(&self, axis: AxisId, speed: &Speed, problems: &mut Problems) -> Option<Nano> {
        let velocity = in_unit(speed, self.axes.unit(axis), problems)?;
        let limit = self.axes.plan(axis)?.limits.velocity;
        if velocity.magnitude() > limit {
            problems.push(too_fast(speed, &format!("the velocity limit, {}", limit.units())));
        }
        Some(velocity)
    }

    fn move_by(&self, step: &file::Step, problems: &mut Problems) -> Option<Request> {
        let axis = self.axes.find(step.move_by.as_ref()?, problems);
        let distance = need(step.distance.as_ref(), "distance", step, problems);
        let speed = need(step.speed.as_ref(), "speed", step, problems);
        let (axis, distance, speed) = (axis?, distance?, speed?);
        let velocity = self.axis_speed(axis, speed, problems);
        let good = above_zero(speed, "the speed", problems);
        let distance = in_unit(distance, self.axes.unit(axis), problems);
        good.then_some(Request::MoveRelative { axis, distance: distance?, velocity: velocity? })
    }

    fn velocity(&self, step: &file::Step, problems: &mut Problems) -> Option<Request> {
        let name = step.velocity.as_ref()?;
        let axis = self.axes.find(name, problems);
        let speed = need(step.speed.as_ref(), "speed", step, problems);
        let (axis, speed) = (axis?, speed?);
        if self.axes.plan(axis)?.wrap.is_none() && speed.nano != 0 {
            problems.push(
                Problem::error(
                    "velocity-on-linear-axis",
                    &name.span,
                    format!("the axis `{}` would run into its soft limit", name.value),
                )
                .expected("an endless axis (with `wrap`)")
                .found("a linear one")
                .remedy("use `move` or `move_by`"),
            );
        }
        let velocity = self.axis_speed(axis, speed, problems)?;
        Some(Request::MoveVelocity { axis, velocity })
    }

    fn output(&self, step: &file::Step, problems: &mut Problems) -> Option<Request> {
        let name = step.output.as_ref()?;
        let signal = self.signals.output(name, "the output", problems);
        let value = need(step.value.as_ref(), "value", step, problems);
        let (signal, value_at) = (signal?, value?);
        let ours = self
            .outputs
            .iter()
            .any(|output| output.signal == signal && output.source == OutputSource::Program);
        if !ours && !problems.lost.contains(&name.value) {
            problems.push(
                Problem::error(
                    "output-not-of-program",
                    &name.span,
                    format!("the program may not write `{}`", name.value),
                )
                .expected("an [[output]] with source = \"program\"")
                .found("an output that something else writes, or that has no [[output]]")
                .remedy("add [[output]] for it, or use another"),
            );
        }
        let value: i64 = value_at.to();
        self.check_value(signal, value, &value_at.span, problems);
        Some(Request::Output { signal, value })
    }

    fn check_value(
        &self,
        signal: rt_core::signal::SignalId,
        value: i64,
        span: &Span,
        problems: &mut Problems,
    ) {
        let Some(plan) = self.signals.plan(signal) else { return };
        if !fits(value, plan.bits, plan.signed) {
            problems.push(
                Problem::error("value-range", span, "the signal never has this value")
                    .expected(format!(
                        "a value of {} bits, {}",
                        plan.bits,
                        if plan.signed { "signed" } else { "unsigned" }
                    ))
                    .found(value.to_string())
                    .remedy("correct it"),
            );
        }
    }

    fn condition(
        &self,
        name: &Name,
        step: &file::Step,
        problems: &mut Problems,
    ) -> Option<Condition> {
        let given: Vec<(Compare, &Raw)> = [
            (Compare::Equal, &step.is),
            (Compare::NotEqual, &step.is_not),
            (Compare::Less, &step.below),
            (Compare::AtLeast, &step.at_least),
        ]
        .into_iter()
        .filter_map(|(compare, value)| value.as_ref().map(|value| (compare, value)))
        .collect();
        if let Some((_, second)) = given.get(1) {
            problems.push(
                Problem::error("two-conditions", &second.span, "a step compares once")
                    .expected("one of is, is_not, below, at_least")
                    .found(format!("{}", given.len()))
                    .remedy("make two steps"),
            );
        }
        let signal = self.signals.find(name, problems)?;
        let (compare, value) = match given.first() {
            Some((compare, value)) => {
                self.check_value(signal, value.to(), &value.span, problems);
                (*compare, value.to())
            }
            None => (Compare::Equal, 1),
        };
        Some(Condition { signal, compare, value })
    }

    fn join(&self, step: &file::Step, own: usize, problems: &mut Problems) -> Option<Action> {
        let name = step.join.as_ref()?;
        let strand = self.strands.find(name, problems);
        let target = need(step.step.as_ref(), "step", step, problems);
        let strand = strand?;
        if strand == own {
            problems.push(
                Problem::error("join-itself", &name.span, "a strand cannot wait for itself")
                    .expected("another strand")
                    .found(format!("`{}`", name.value))
                    .remedy("name the other strand"),
            );
            return None;
        }
        let step = self.find_step(strand, target?, problems)?;
        Some(Action::Join { strand: u8::try_from(strand).ok()?, step })
    }
}

fn to_span(to: &Map<Position>) -> Span {
    to.0.first().map_or(0..0, |(name, _)| name.span.clone())
}

fn too_fast(speed: &Speed, limit: &str) -> Problem {
    Problem::error("velocity-above-limit", &speed.span, "faster than the limits allow")
        .expected(format!("at most {limit}"))
        .found(speed.show())
        .remedy("choose a lower speed: the gate would hold it back and the path would be late")
}
