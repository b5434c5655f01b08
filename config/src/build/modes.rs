//! `[mode]`: the wired selector, and what a person may do in manual.

use rt_core::plan::{GroupId, JogPlan, ModePlan};
use twin_lite::units::Nano;

use super::Built;
use super::axes::{above_zero, in_unit, time_in};
use super::interlocks::blocks;
use crate::file::safety as file;
use crate::machine::AxisUnit;
use crate::problem::{Problem, Problems};
use crate::quantity;
use crate::read::{Name, Speed};

const MS: i64 = 1_000_000;
/// Manual speed of ISO 10218-1 and of machines alike, nano-mm / s.
const SPEED_MAX: Nano = Nano(250_000_000_000);
/// Of rotary axes, where no path speed is known, nano-degrees / s.
const ROTARY_MAX: Nano = Nano(90_000_000_000);
const ROTARY_DEFAULT: Nano = Nano(15_000_000_000);

pub(crate) fn mode(
    section: Option<&file::Modes>,
    built: &Built<'_>,
    problems: &mut Problems,
) -> Option<ModePlan> {
    let section = section?;
    let signals = &built.devices.signals;
    let automatic = signals.input_bit(&section.automatic, "the mode selector", problems);
    let manual = signals.input_bit(&section.manual, "the mode selector", problems);
    if section.automatic.value == section.manual.value {
        problems.push(same(&section.automatic, &section.manual, "both modes on one input"));
    }
    let monitor = section.monitor.as_ref();
    let monitor_ns = monitor.map_or(Some(500_000_000), |at| {
        time_in(at, 10 * MS..=10_000 * MS, "the time of the selector", problems)
    });
    let linear =
        limit(section.speed.as_ref(), AxisUnit::Millimetre, (SPEED_MAX, SPEED_MAX), problems);
    let rotary = limit(
        section.speed_rotary.as_ref(),
        AxisUnit::Degree,
        (ROTARY_DEFAULT, ROTARY_MAX),
        problems,
    );
    let (linear, rotary) = (linear?, rotary?);
    // A group of both kinds has no common unit: each number holds, so the lower one.
    let speed = |group: &rt_core::plan::GroupPlan| {
        let units = group.axes.iter().map(|axis| match built.axes.unit(*axis) {
            AxisUnit::Millimetre => linear,
            AxisUnit::Degree => rotary,
        });
        units.min().unwrap_or(Nano::ZERO)
    };
    let speeds: Box<[Nano]> = built.axes.group_plans.iter().map(speed).collect();
    let jogs = jogs(section, &speeds, built, problems);
    let blocks = blocks(section.block.as_ref(), &built.axes, problems);
    Some(ModePlan {
        automatic: automatic?,
        manual: manual?,
        monitor_ns: monitor_ns?,
        speeds,
        jogs: jogs.into_boxed_slice(),
        blocks: blocks.into_boxed_slice(),
    })
}

fn same(first: &Name, second: &Name, message: &str) -> Problem {
    Problem::error("same-channel", &second.span, message)
        .expected("two inputs: two contacts, two wires")
        .found(format!("`{}` twice", second.value))
        .remedy("wire and name the second contact")
        .related(&first.span, "the first")
}

fn limit(
    at: Option<&Speed>,
    unit: AxisUnit,
    (default, most): (Nano, Nano),
    problems: &mut Problems,
) -> Option<Nano> {
    let Some(at) = at else { return Some(default) };
    let speed = in_unit(at, unit, problems)?;
    if !above_zero(at, "the speed in manual", problems) {
        return None;
    }
    if speed > most {
        problems.push(
            Problem::error("manual-too-fast", &at.span, "this is too fast for manual")
                .expected(format!("at most {}", quantity::show(most.0, at.dimension)))
                .found(at.show())
                .remedy("a person is at the machine: choose a lower speed"),
        );
        return None;
    }
    Some(speed)
}

fn jogs(
    section: &file::Modes,
    speeds: &[Nano],
    built: &Built<'_>,
    problems: &mut Problems,
) -> Vec<JogPlan> {
    let mut out: Vec<JogPlan> = Vec::new();
    for jog in &section.jog {
        let axis = built.axes.find(&jog.axis, problems);
        let signals = &built.devices.signals;
        let positive = signals.input_bit(&jog.positive, "the jog input", problems);
        let negative = signals.input_bit(&jog.negative, "the jog input", problems);
        if jog.positive.value == jog.negative.value {
            problems.push(same(&jog.positive, &jog.negative, "both directions on one input"));
        }
        let (Some(axis), Some(positive), Some(negative)) = (axis, positive, negative) else {
            continue;
        };
        let Some(plan) = built.axes.plan(axis) else { continue };
        let GroupId(group) = plan.group;
        let most = speeds.get(usize::from(group)).copied().unwrap_or(Nano::ZERO);
        let unit = built.axes.unit(axis);
        let Some(velocity) = limit(jog.speed.as_ref(), unit, (most, most), problems) else {
            continue;
        };
        if out.iter().any(|other| other.axis == axis) {
            problems.push(
                Problem::error("duplicate-name", &jog.axis.span, "this axis is jogged twice")
                    .expected("one [[mode.jog]] for each axis")
                    .found("the second")
                    .remedy("remove one"),
            );
        }
        let velocity = velocity.min(plan.limits.velocity);
        out.push(JogPlan { axis, positive, negative, velocity });
    }
    out
}
