//! `[[axis]]` and `[[group]]` → [`AxisPlan`]s and [`GroupPlan`]s.

use rt_core::plan::{
    AxisId, AxisLimits, AxisPlan, BrakePlan, GroupId, GroupPlan, HomingPlan, Ratio, StopPlan,
};
use rt_core::program::{AXES_MAX, GROUP_AXES_MAX};
use twin_lite::units::Nano;

use super::bus::Devices;
use super::model;
use super::names::{Table, check_count, check_identifier};
use crate::file::axis as file;
use crate::file::axis::{Direction, HomingMethod, UnitWord};
use crate::machine::AxisUnit;
use crate::problem::{Problem, Problems, Span};
use crate::quantity::{self, Dimension};
use crate::read::{Name, Quantity};

/// What the axes became.
#[derive(Debug)]
pub(crate) struct Axes<'f> {
    pub(crate) sections: &'f [file::Axis],
    pub(crate) names: Table,
    /// By `AxisId`; `None`: it could not be made.
    pub(crate) plans: Vec<Option<AxisPlan>>,
    pub(crate) units: Vec<AxisUnit>,
    /// Position of the drive on the segment.
    pub(crate) drives: Vec<Option<usize>>,
    pub(crate) groups: Table,
    pub(crate) group_plans: Vec<GroupPlan>,
    /// Of each group; `None`: its axes have different units.
    pub(crate) group_units: Vec<Option<AxisUnit>>,
}

impl Axes<'_> {
    pub(crate) fn plan(&self, axis: AxisId) -> Option<&AxisPlan> {
        self.plans.get(usize::from(axis.0)).and_then(Option::as_ref)
    }

    pub(crate) fn unit(&self, axis: AxisId) -> AxisUnit {
        self.units.get(usize::from(axis.0)).copied().unwrap_or(AxisUnit::Millimetre)
    }

    pub(crate) fn find(&self, name: &Name, problems: &mut Problems) -> Option<AxisId> {
        self.names.find(name, problems).and_then(|at| u8::try_from(at).ok()).map(AxisId)
    }

    pub(crate) fn find_group(&self, name: &Name, problems: &mut Problems) -> Option<GroupId> {
        self.groups.find(name, problems).and_then(|at| u8::try_from(at).ok()).map(GroupId)
    }

    /// The name of an axis, for messages.
    pub(crate) fn name(&self, axis: AxisId) -> &str {
        self.names.get(usize::from(axis.0)).map_or("", |name| name.value.as_str())
    }
}

/// The value in the unit of its axis.
pub(crate) fn in_unit<K>(
    quantity: &Quantity<K>,
    unit: AxisUnit,
    problems: &mut Problems,
) -> Option<Nano> {
    if quantity.dimension.axis_unit() == Some(unit) {
        return Some(Nano(quantity.nano));
    }
    let symbol = unit.symbol();
    problems.push(
        Problem::error("wrong-unit", &quantity.span, format!("the unit here is {symbol}"))
            .expected(format!("a value in {symbol}, or a unit that converts to it"))
            .found(quantity.show())
            .remedy("correct the unit, or the `unit` of the axis"),
    );
    None
}

/// The value, above 0.
pub(crate) fn positive<K>(
    quantity: &Quantity<K>,
    unit: AxisUnit,
    what: &str,
    problems: &mut Problems,
) -> Option<Nano> {
    let value = in_unit(quantity, unit, problems)?;
    above_zero(quantity, what, problems).then_some(value)
}

pub(crate) fn above_zero<K>(quantity: &Quantity<K>, what: &str, problems: &mut Problems) -> bool {
    if quantity.nano <= 0 {
        problems.push(
            Problem::error("not-positive", &quantity.span, format!("{what} must be above 0"))
                .expected("a value above 0")
                .found(quantity.show())
                .remedy("correct the value"),
        );
    }
    quantity.nano > 0
}

/// A time within a range, ns.
pub(crate) fn time_in(
    time: &crate::read::Time,
    range: std::ops::RangeInclusive<i64>,
    what: &str,
    problems: &mut Problems,
) -> Option<u64> {
    if range.contains(&time.nano) {
        return u64::try_from(time.nano).ok();
    }
    let show = |ns: &i64| quantity::show(*ns, Dimension::Time);
    problems.push(
        Problem::error("out-of-range", &time.span, format!("{what} is out of range"))
            .expected(format!("{} to {}", show(range.start()), show(range.end())))
            .found(time.show())
            .remedy("choose a time in this range"),
    );
    None
}

pub(crate) fn axes<'f>(
    sections: &'f [file::Axis],
    group_sections: &'f [file::Group],
    devices: &mut Devices<'_>,
    problems: &mut Problems,
) -> Axes<'f> {
    let mut axes = Axes {
        sections,
        names: Table::new("an axis"),
        plans: Vec::new(),
        units: Vec::new(),
        drives: Vec::new(),
        groups: Table::new("a group"),
        group_plans: Vec::new(),
        group_units: Vec::new(),
    };
    for section in sections {
        check_identifier(&section.name, problems);
        axes.names.add(&section.name, problems);
        axes.units.push(match section.unit {
            UnitWord::Millimetre => AxisUnit::Millimetre,
            UnitWord::Degree => AxisUnit::Degree,
        });
    }
    if let Some(section) = sections.get(AXES_MAX) {
        check_count(sections.len(), AXES_MAX, "axes", &section.name.span, problems);
    }
    let of = groups(&mut axes, group_sections, problems);
    let mut owners: Vec<Option<&Name>> = vec![None; devices.plans.len()];
    for (place, section) in sections.iter().enumerate() {
        let drive = drive(section, devices, &mut owners, problems);
        let group = of.get(place).copied().flatten();
        let plan = drive.and_then(|drive| axis(section, drive, group, devices, problems));
        axes.drives.push(drive);
        axes.plans.push(plan);
    }
    check_idle_drives(devices, &owners, problems);
    axes
}

/// The group of each axis.
fn groups(
    axes: &mut Axes<'_>,
    sections: &[file::Group],
    problems: &mut Problems,
) -> Vec<Option<GroupId>> {
    let mut of: Vec<Option<(GroupId, Span)>> = vec![None; axes.names.len()];
    if let Some(section) = sections.get(16) {
        check_count(sections.len(), 16, "groups", &section.name.span, problems);
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
        axes.group_plans.push(GroupPlan { axes: members.into_boxed_slice() });
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
fn drive<'f>(
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

fn check_idle_drives(devices: &Devices<'_>, owners: &[Option<&Name>], problems: &mut Problems) {
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

fn axis(
    section: &file::Axis,
    drive: usize,
    group: Option<GroupId>,
    devices: &mut Devices<'_>,
    problems: &mut Problems,
) -> Option<AxisPlan> {
    let unit = match section.unit {
        UnitWord::Millimetre => AxisUnit::Millimetre,
        UnitWord::Degree => AxisUnit::Degree,
    };
    match section.mode {
        None | Some(file::Mode::Csp) => {}
    }
    let ratio = ratio(section, unit, problems);
    let limits = limits(section, unit, problems);
    let stop = stop(section, unit, drive, devices, problems);
    let wrap = wrap(section, unit, ratio, problems);
    let brake = brake(section, devices, problems);
    let homing = homing(section, unit, limits.as_ref(), problems);
    let model = model::model(section, unit, problems);
    let vertical = section.vertical.as_ref().is_some_and(|vertical| vertical.value);
    check_vertical(section, problems);
    let plan = AxisPlan {
        group: group?,
        signals: (*devices.drives.get(drive)?)?,
        counts_per_unit: ratio?,
        wrap: wrap?,
        limits: limits?,
        stop: stop?,
        brake: brake?,
        vertical,
        homing: homing?,
        model: model?,
    };
    check_counts(section, &plan, problems);
    model::check_torque(section, &plan, problems);
    Some(plan)
}

/// Counts of a unit: counts × motor_turns × 10⁹ ÷ (load_turns × travel in nano-units), in lowest terms.
fn ratio(section: &file::Axis, unit: AxisUnit, problems: &mut Problems) -> Option<Ratio> {
    let travel = travel_per_turn(section, unit, problems)?;
    let turns = |turns: &Option<crate::read::Int<1, 1_000_000>>| {
        turns.as_ref().map_or(1, |turns| turns.to::<i64>())
    };
    let counts: i64 = section.gear.counts_per_revolution.to();
    let numerator =
        i128::from(counts) * i128::from(turns(&section.gear.motor_turns)) * 1_000_000_000;
    let denominator = i128::from(turns(&section.gear.load_turns)) * i128::from(travel.0);
    let divisor = gcd(numerator, denominator);
    let (numerator, denominator) = (numerator / divisor, denominator / divisor);
    match (i64::try_from(numerator), i64::try_from(denominator)) {
        (Ok(numerator), Ok(denominator)) => Some(Ratio { numerator, denominator }),
        _ => {
            problems.push(
                Problem::error("gear-range", &section.gear.span, "the gear cannot be kept exactly")
                    .expected("counts and travel whose ratio fits 64 bits")
                    .found(format!("{numerator} / {denominator}"))
                    .remedy("round the travel"),
            );
            None
        }
    }
}

/// What one turn behind the gear moves.
pub(crate) fn travel_per_turn(
    section: &file::Axis,
    unit: AxisUnit,
    problems: &mut Problems,
) -> Option<Nano> {
    match (&section.gear.travel_per_turn, unit) {
        (Some(travel), _) => positive(travel, unit, "the travel of a turn", problems),
        (None, AxisUnit::Degree) => Some(Nano(360_000_000_000)),
        (None, AxisUnit::Millimetre) => {
            problems.push(
                Problem::error("missing-key", &section.gear.span, "no `travel_per_turn`")
                    .expected("what one turn behind the gear moves, for instance \"20 mm\"")
                    .found("nothing")
                    .remedy("add it: the pitch of the screw, or the circumference of the pulley"),
            );
            None
        }
    }
}

fn gcd(mut a: i128, mut b: i128) -> i128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

fn limits(section: &file::Axis, unit: AxisUnit, problems: &mut Problems) -> Option<AxisLimits> {
    let limits = &section.limits;
    let position = soft_limits(section, unit, problems);
    let velocity = positive(&limits.velocity, unit, "the velocity", problems);
    let acceleration = positive(&limits.acceleration, unit, "the acceleration", problems);
    let jerk = positive(&limits.jerk, unit, "the jerk", problems);
    let error = positive(&limits.following_error, unit, "the following error", problems);
    if let Some(drive) = &limits.following_error_drive
        && let (Some(drive_error), Some(error)) =
            (positive(drive, unit, "the following error", problems), error)
        && drive_error < error
    {
        problems.push(
            Problem::error("limits-order", &drive.span, "the drive would fault first")
                .expected(format!("at least {}", limits.following_error.show()))
                .found(drive.show())
                .remedy("make it larger: then the loop stops in a controlled way before the drive"),
        );
    }
    let unreferenced = match &limits.velocity_unreferenced {
        None => velocity.map(|velocity| Nano((velocity.0 / 10).max(1))),
        Some(given) => positive(given, unit, "the velocity", problems).inspect(|value| {
            if velocity.is_some_and(|velocity| *value > velocity) {
                problems.push(
                    Problem::error(
                        "limits-order",
                        &given.span,
                        "faster unreferenced than referenced",
                    )
                    .expected(format!("at most {}", limits.velocity.show()))
                    .found(given.show())
                    .remedy("make it smaller: without a reference soft limits do not hold"),
                );
            }
        }),
    };
    Some(AxisLimits {
        position: position?,
        velocity: velocity?,
        acceleration: acceleration?,
        jerk: jerk?,
        velocity_unreferenced: unreferenced?,
        following_error: error?,
    })
}

/// Soft limits; `Some(None)`: an endless axis.
#[expect(clippy::option_option, reason = "outer: could it be read; inner: is there one")]
fn soft_limits(
    section: &file::Axis,
    unit: AxisUnit,
    problems: &mut Problems,
) -> Option<Option<(Nano, Nano)>> {
    match (&section.limits.position, &section.wrap) {
        (Some(pair), None) => {
            let (from, to) = (in_unit(&pair.0, unit, problems), in_unit(&pair.1, unit, problems));
            let (from, to) = (from?, to?);
            if from < to {
                return Some(Some((from, to)));
            }
            problems.push(
                Problem::error("limits-order", &pair.0.span, "the soft limits are in wrong order")
                    .expected("[smaller, larger]")
                    .found(format!("[{}, {}]", pair.0.show(), pair.1.show()))
                    .remedy("swap them"),
            );
            None
        }
        (None, Some(_)) => Some(None),
        (Some(pair), Some(wrap)) => {
            problems.push(
                Problem::error("wrap-and-limits", &wrap.span, "an endless axis has no soft limits")
                    .expected("either `wrap` or `limits.position`")
                    .found("both")
                    .remedy("remove one of the two")
                    .related(&pair.0.span, "soft limits"),
            );
            None
        }
        (None, None) => {
            problems.push(
                Problem::error("no-soft-limits", &section.limits.span, "no soft limits")
                    .expected("`position = [\"from\", \"to\"]`, or `wrap` for an endless axis")
                    .found("neither")
                    .remedy("say how far the axis may go"),
            );
            None
        }
    }
}

/// The wrap of an endless axis; a whole number of counts, else the axis would creep by a part of a count each turn.
#[expect(clippy::option_option, reason = "outer: could it be read; inner: is there one")]
fn wrap(
    section: &file::Axis,
    unit: AxisUnit,
    ratio: Option<Ratio>,
    problems: &mut Problems,
) -> Option<Option<Nano>> {
    let Some(wrap) = &section.wrap else { return Some(None) };
    let value = positive(wrap, unit, "the wrap", problems)?;
    let ratio = ratio?;
    let scaled = i128::from(value.0) * i128::from(ratio.numerator);
    let divisor = i128::from(ratio.denominator) * 1_000_000_000;
    if scaled % divisor != 0 {
        problems.push(
            Problem::error("wrap-counts", &wrap.span, "the wrap is not a whole number of counts")
                .expected("a multiple of what one encoder count moves")
                .found(format!("{} and a part of a count", scaled / divisor))
                .remedy("choose a wrap of whole turns, else the axis would creep turn by turn"),
        );
        return None;
    }
    Some(Some(value))
}

fn stop(
    section: &file::Axis,
    unit: AxisUnit,
    drive: usize,
    devices: &Devices<'_>,
    problems: &mut Problems,
) -> Option<StopPlan> {
    let file::Stop { ramp, quick_stop, .. } = &section.stop;
    let ramp_value = positive(ramp, unit, "the ramp", problems);
    let quick_value = positive(quick_stop, unit, "the quick stop", problems);
    let acceleration = &section.limits.acceleration;
    if ramp.nano > 0 && ramp.nano < acceleration.nano {
        problems.push(
            Problem::error("weak-stop", &ramp.span, "the stop is weaker than normal braking")
                .expected(format!("at least the acceleration limit, {}", acceleration.show()))
                .found(ramp.show())
                .remedy("make the ramp steeper, or the acceleration smaller")
                .related(&acceleration.span, "acceleration limit"),
        );
    }
    if quick_stop.nano > 0 && quick_stop.nano < ramp.nano {
        problems.push(
            Problem::error("weak-stop", &quick_stop.span, "the quick stop is weaker than the ramp")
                .expected(format!("at least {}", ramp.show()))
                .found(quick_stop.show())
                .remedy("make it steeper: it is what is left when the loop is gone")
                .related(&ramp.span, "ramp"),
        );
    }
    Some(StopPlan {
        ramp_deceleration: ramp_value?,
        quick_stop_deceleration: quick_value?,
        watchdog_ns: devices.plans.get(drive)?.watchdog_ns?,
    })
}

#[expect(clippy::option_option, reason = "outer: could it be read; inner: is there one")]
fn brake(
    section: &file::Axis,
    devices: &mut Devices<'_>,
    problems: &mut Problems,
) -> Option<Option<BrakePlan>> {
    let Some(brake) = &section.brake else { return Some(None) };
    let times = 1_000_000..=5_000_000_000;
    let engage = time_in(&brake.engage, times.clone(), "the time of the brake", problems);
    let release_ns = time_in(&brake.release, times, "the time of the brake", problems);
    let release = match &brake.output {
        None => Some(None),
        Some(name) => devices.signals.output_bit(name, "the brake output", problems).map(|id| {
            let who = format!("the brake of axis `{}`", section.name.value);
            devices.signals.claim(id, &name.span, &who, problems);
            Some(id)
        }),
    };
    Some(Some(BrakePlan { release: release?, engage_ns: engage?, release_ns: release_ns? }))
}

fn check_vertical(section: &file::Axis, problems: &mut Problems) {
    let Some(vertical) = section.vertical.as_ref().filter(|vertical| vertical.value) else {
        return;
    };
    if section.brake.is_none() {
        problems.push(
            Problem::error(
                "vertical-without-brake",
                &vertical.span,
                format!("the vertical axis `{}` has no brake", section.name.value),
            )
            .expected("a section [axis.brake]")
            .found("none: the load would fall when torque goes")
            .remedy("describe the brake; one that the drive works has no `output`"),
        );
    }
    if section.wrap.is_some() {
        problems.push(
            Problem::error("vertical-endless", &vertical.span, "a vertical axis cannot be endless")
                .expected("either `vertical` or `wrap`")
                .found("both")
                .remedy("remove one of the two"),
        );
    }
}

fn homing(
    section: &file::Axis,
    unit: AxisUnit,
    limits: Option<&AxisLimits>,
    problems: &mut Problems,
) -> Option<HomingPlan> {
    let homing = &section.homing;
    let position = match &homing.position {
        Some(position) => in_unit(position, unit, problems),
        None => Some(Nano::ZERO),
    };
    match homing.method {
        HomingMethod::Here => {
            let position = position?;
            check_here(section, position, limits, problems);
            Some(HomingPlan::Here { position })
        }
        HomingMethod::Kept => {
            let Some(offset) = &homing.offset else {
                problems.push(missing(&homing.span, "offset", "the offset of the earlier homing"));
                return None;
            };
            Some(HomingPlan::Kept { offset: in_unit(offset, unit, problems)? })
        }
        HomingMethod::SwitchIndex => switch_index(section, unit, position, limits, problems),
    }
}

fn check_here(
    section: &file::Axis,
    position: Nano,
    limits: Option<&AxisLimits>,
    problems: &mut Problems,
) {
    let Some((from, to)) = limits.and_then(|limits| limits.position) else { return };
    if position < from || position > to {
        let at = section.homing.position.as_ref().map_or(&section.homing.span, |at| &at.span);
        problems.push(
            Problem::error("homing-outside", at, "homed outside the soft limits")
                .expected("a position inside the soft limits")
                .found("one outside")
                .remedy("correct `position`: the axis could not move from there"),
        );
    }
}

fn missing(span: &Span, key: &str, what: &str) -> Problem {
    Problem::error("missing-key", span, format!("no `{key}`"))
        .expected(what)
        .found("nothing")
        .remedy(format!("add `{key} = …`: this homing method needs it"))
}

fn switch_index(
    section: &file::Axis,
    unit: AxisUnit,
    position: Option<Nano>,
    limits: Option<&AxisLimits>,
    problems: &mut Problems,
) -> Option<HomingPlan> {
    let homing = &section.homing;
    if homing.direction.is_none() {
        problems.push(missing(&homing.span, "direction", "\"positive\" or \"negative\""));
    }
    let mut speed = |given: &Option<crate::read::Speed>, key: &str| {
        let Some(given) = given else {
            problems.push(missing(&homing.span, key, "a speed"));
            return None;
        };
        let value = positive(given, unit, "the homing speed", problems)?;
        let most = limits.map(|limits| limits.velocity_unreferenced);
        if most.is_some_and(|most| value > most) {
            problems.push(
                Problem::error("velocity-above-limit", &given.span, "homing is too fast")
                    .expected("at most `limits.velocity_unreferenced`")
                    .found(given.show())
                    .remedy("home more slowly, or raise the limit"),
            );
        }
        Some(value)
    };
    let search = speed(&homing.velocity_search, "velocity_search");
    let latch = speed(&homing.velocity_latch, "velocity_latch");
    if let (Some(search), Some(latch), Some(given)) = (search, latch, &homing.velocity_latch)
        && latch > search
    {
        problems.push(
            Problem::error("limits-order", &given.span, "faster to the index than to the switch")
                .expected("velocity_latch at most velocity_search")
                .found(given.show())
                .remedy("make it slower: the index is found as exactly as this speed allows"),
        );
    }
    let timeout_ns = match &homing.timeout {
        None => Some(60_000_000_000),
        Some(time) => {
            time_in(time, 1_000_000_000..=600_000_000_000, "the time-out of homing", problems)
        }
    };
    Some(HomingPlan::SwitchIndex {
        positive: homing.direction? == Direction::Positive,
        velocity_search: search?,
        velocity_latch: latch?,
        position: position?,
        timeout_ns: timeout_ns?,
    })
}

/// Positions fit the drive's 32 bits, and one cycle moves less than half of them.
fn check_counts(section: &file::Axis, plan: &AxisPlan, problems: &mut Problems) {
    let Ratio { numerator, denominator } = plan.counts_per_unit;
    let counts = |value: Nano| {
        i128::from(value.0) * i128::from(numerator) / (i128::from(denominator) * 1_000_000_000)
    };
    if let Some((from, to)) = plan.limits.position
        && counts(to) - counts(from) >= 1 << 31
    {
        problems.push(
            Problem::error(
                "counts-range",
                &section.limits.span,
                "the travel exceeds 32 bits of counts",
            )
            .expected("less than 2147483648 counts from end to end")
            .found(format!("{} counts", counts(to) - counts(from)))
            .remedy("let the drive scale to fewer counts a turn"),
        );
    }
    if counts(plan.limits.velocity) >= 1 << 31 {
        problems.push(
            Problem::error(
                "counts-range",
                &section.limits.velocity.span,
                "too many counts a second",
            )
            .expected("less than 2147483648 counts / s")
            .found(format!("{} counts / s", counts(plan.limits.velocity)))
            .remedy("let the drive scale to fewer counts a turn"),
        );
    }
}
