//! `[[axis]]` and `[[group]]` → [`AxisPlan`]s and [`GroupPlan`]s.

use rt_core::plan::{AxisId, AxisPlan, GroupId, GroupPlan, Ratio};
use rt_core::program::AXES_MAX;
use twin_lite::units::Nano;

use super::bus::Devices;
use super::groups::{check_idle_drives, drive, groups};
use super::homing::{brake, check_vertical, homing};
use super::kept::{Keeping, keeps};
use super::limits::{check_counts, limits, stop, wrap};
use super::model;
use super::names::{Table, check_count, check_identifier};
use crate::file::axis as file;
use crate::file::axis::UnitWord;
use crate::machine::AxisUnit;
use crate::problem::{Problem, Problems};
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
    let serial = devices.plans.get(drive).and_then(|plan| plan.identity.serial);
    let scaling = ratio.zip(wrap).zip(limits);
    let keeps = keeps(&Keeping { section, homing, serial, scaling }, problems);
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
        keeps: keeps?,
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
