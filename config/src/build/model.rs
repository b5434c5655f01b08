//! `[axis.mechanics]` and `[axis.twin]` → [`AxisModel`].

use rt_core::plan::{AxisModel, AxisPlan};

use super::axes::{above_zero, in_unit, time_in, travel_per_turn};
use crate::file::axis as file;
use crate::file::axis::Direction;
use crate::machine::AxisUnit;
use crate::problem::{Problem, Problems};
use crate::read::Quantity;

/// Standard gravity, m / s².
const GRAVITY: f64 = 9.806_65;
/// From a set-point to the axis if the file does not say, ns.
const RESPONSE_DEFAULT_NS: u64 = 4_000_000;

/// Motor and load as the twin and the virtual cell need them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mechanics {
    pub(crate) units_per_radian: f64,
    pub(crate) motor_inertia: f64,
    pub(crate) load_inertia: f64,
    pub(crate) gravity: f64,
    pub(crate) coulomb: f64,
    pub(crate) viscous: f64,
}

pub(crate) fn not_negative<K>(
    quantity: Option<&Quantity<K>>,
    what: &str,
    problems: &mut Problems,
) -> Option<f64> {
    let Some(quantity) = quantity else { return Some(0.0) };
    if quantity.nano < 0 {
        problems.push(
            Problem::error("not-positive", &quantity.span, format!("{what} cannot be below 0"))
                .expected("0 or more")
                .found(quantity.show())
                .remedy("correct the value"),
        );
        return None;
    }
    Some(quantity.units())
}

/// Everything at the motor shaft.
pub(crate) fn mechanics(
    section: &file::Axis,
    unit: AxisUnit,
    problems: &mut Problems,
) -> Option<Mechanics> {
    let given = &section.mechanics;
    // Asked for a second time here; `axes` has reported what is wrong with it.
    let travel = travel_per_turn(section, unit, &mut Problems::default())?;
    let turns = |turns: &Option<crate::read::Int<1, 1_000_000>>| {
        turns.as_ref().map_or(1.0, |turns| f64::from(turns.to::<i32>()))
    };
    // Turns behind the gear for a turn of the motor.
    let gear = turns(&section.gear.load_turns) / turns(&section.gear.motor_turns);
    let units_per_radian = travel.units() * gear / std::f64::consts::TAU;
    let motor = above_zero(&given.motor_inertia, "the inertia of the motor", problems)
        .then(|| given.motor_inertia.units());
    let mass = not_negative(given.load_mass.as_ref(), "a mass", problems);
    let counterweight = not_negative(given.counterweight.as_ref(), "a mass", problems);
    let turning = not_negative(given.load_inertia.as_ref(), "an inertia", problems);
    let coulomb = not_negative(given.coulomb.as_ref(), "friction", problems);
    let viscous = not_negative(given.viscous.as_ref(), "friction", problems);
    check_load(section, unit, problems);
    let (mass, counterweight) = (mass?, counterweight?);
    let metres_per_radian = match unit {
        AxisUnit::Millimetre => units_per_radian / 1e3,
        AxisUnit::Degree => 0.0,
    };
    let moved = (mass + counterweight) * metres_per_radian * metres_per_radian;
    let vertical = section.vertical.as_ref().is_some_and(|vertical| vertical.value);
    let up = match given.up {
        Some(Direction::Negative) => -1.0,
        Some(Direction::Positive) | None => 1.0,
    };
    let gravity = match &given.gravity_torque {
        Some(torque) => torque.units(),
        None if vertical => (mass - counterweight) * GRAVITY * metres_per_radian * up,
        None => 0.0,
    };
    Some(Mechanics {
        units_per_radian,
        motor_inertia: motor?,
        load_inertia: turning? * gear * gear + moved,
        gravity,
        coulomb: coulomb?,
        viscous: viscous?,
    })
}

fn check_load(section: &file::Axis, unit: AxisUnit, problems: &mut Problems) {
    let given = &section.mechanics;
    if let (Some(mass), AxisUnit::Degree) = (&given.load_mass, unit) {
        problems.push(
            Problem::error("key-does-not-fit", &mass.span, "an axis in deg has no `load_mass`")
                .expected("`load_inertia`")
                .found("`load_mass`")
                .remedy("give the moment of inertia of what turns"),
        );
    }
    let loads =
        [given.load_mass.as_ref().map(|at| at.nano), given.load_inertia.as_ref().map(|at| at.nano)];
    if !loads.iter().flatten().any(|nano| *nano != 0) {
        problems.push(
            Problem::error("no-load", &given.span, "what the axis moves is not described")
                .expected("`load_mass` (mm axes) or `load_inertia`")
                .found("neither, or 0")
                .remedy("add it; stopping distances depend on it"),
        );
    }
}

/// The twin's model.
pub(crate) fn model(
    section: &file::Axis,
    unit: AxisUnit,
    problems: &mut Problems,
) -> Option<AxisModel> {
    let given = &section.mechanics;
    let mechanics = mechanics(section, unit, problems);
    let rated = above_zero(&given.rated_torque, "the rated torque", problems);
    let peak = above_zero(&given.peak_torque, "the peak torque", problems);
    if rated && peak && given.peak_torque.nano < given.rated_torque.nano {
        problems.push(
            Problem::error(
                "limits-order",
                &given.peak_torque.span,
                "peak torque below rated torque",
            )
            .expected(format!("at least {}", given.rated_torque.show()))
            .found(given.peak_torque.show())
            .remedy("swap them"),
        );
    }
    let twin = section.twin.as_ref();
    let response = match twin.and_then(|twin| twin.response.as_ref()) {
        None => Some(RESPONSE_DEFAULT_NS),
        Some(time) => time_in(time, 0..=1_000_000_000, "the response time", problems),
    };
    let margin = match twin.and_then(|twin| twin.margin.as_ref()) {
        None => Some(1.0),
        Some(margin) => {
            let value = in_unit(margin, unit, problems);
            not_negative(Some(margin), "the margin", problems).and(value).map(|m| m.units())
        }
    };
    let inertia = twin.and_then(|twin| twin.inertia.as_ref());
    let inertia_good = inertia.is_none_or(|inertia| above_zero(inertia, "the inertia", problems));
    let coulomb = twin.and_then(|twin| twin.coulomb.as_ref());
    let viscous = twin.and_then(|twin| twin.viscous.as_ref());
    let coulomb_nm = not_negative(coulomb, "friction", problems);
    let viscous_nms = not_negative(viscous, "friction", problems);
    let mechanics = mechanics.filter(|_| rated && peak && inertia_good)?;
    Some(AxisModel {
        units_per_radian: mechanics.units_per_radian,
        inertia_kgm2: inertia
            .map_or(mechanics.motor_inertia + mechanics.load_inertia, |inertia| inertia.units()),
        rated_torque_nm: given.rated_torque.units(),
        // What the drive is told to hold back does not brake either.
        peak_torque_nm: section.limits.torque.as_ref().map_or(given.peak_torque.units(), |limit| {
            limit.units().min(given.peak_torque.units())
        }),
        viscous_nms: if viscous.is_some() { viscous_nms? } else { mechanics.viscous },
        coulomb_nm: if coulomb.is_some() { coulomb_nm? } else { mechanics.coulomb },
        gravity_nm: mechanics.gravity,
        response_ns: response?,
        margin: margin?,
    })
}

/// The motor must be able to do what the limits and the stops ask.
pub(crate) fn check_torque(section: &file::Axis, plan: &AxisPlan, problems: &mut Problems) {
    let model = &plan.model;
    let needed = |deceleration: f64| {
        model.inertia_kgm2 * deceleration / model.units_per_radian + model.gravity_nm.abs()
    };
    let asked = [
        ("the acceleration", &section.limits.acceleration, plan.limits.acceleration),
        ("the ramp", &section.stop.ramp, plan.stop.ramp_deceleration),
        ("the quick stop", &section.stop.quick_stop, plan.stop.quick_stop_deceleration),
    ];
    for (what, quantity, value) in asked {
        let torque = needed(value.units());
        if torque > model.peak_torque_nm {
            problems.push(
                Problem::error(
                    "torque-too-small",
                    &quantity.span,
                    format!("{what} asks for more torque than the motor has"),
                )
                .expected(format!("at most {} N m at the motor", model.peak_torque_nm))
                .found(format!("{torque:.3} N m (inertia and gravity, without friction)"))
                .remedy("make it smaller, or correct [axis.mechanics]"),
            );
        }
    }
}
