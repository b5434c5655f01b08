//! The ways to stop, for people: how far each axis goes on each of them from its full speed.

use std::fmt::Write as _;

use config::Machine;
use rt_core::axis::Axis;
use rt_core::gate::EnvelopePlan;
use rt_core::plan::{AxisId, AxisPlan, Reaction, StopOrder, StopWay};
use serde::Serialize;

use crate::events;
use crate::report::duration;

/// An axis whose torque goes without a brake may go on for longer than anybody wants to read.
const FAR: f64 = 1e5;

/// How one axis stops, from its full speed and at worst.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AxisStops {
    /// Its name.
    pub axis: String,
    /// `mm` or `deg`.
    pub unit: &'static str,
    /// From this speed, units / s.
    pub speed: f64,
    /// On the gate's ramp.
    pub ramp: f64,
    /// On the drive's quick stop.
    pub quick_stop: f64,
    /// When nobody is heard any more: the watchdog's time, and what the drive does then.
    pub connection_lost: f64,
    /// When its torque is taken by category 0; `null`: nothing but friction stops it, and that is not enough.
    pub power_removal: Option<f64>,
    /// A stop that does nothing is found, and escalated, within this, ns.
    pub found_after_ns: u64,
    /// How far it falls while its brake closes, when its torque goes without warning (supply, safety chain); `null`: it does not hang.
    pub fall: Option<f64>,
}

/// Of every axis, in the order of the machine file.
#[must_use]
pub fn of(machine: &Machine) -> Vec<AxisStops> {
    let period_ns = machine.plan.period_ns;
    let axis = |(id, axis): (AxisId, &AxisPlan)| {
        let far = |way| Axis::stopping_from(axis, period_ns, way, axis.limits.velocity).units();
        let coasting = far(StopWay::PowerRemoval);
        let number = usize::from(id.0);
        let names = &machine.names;
        AxisStops {
            axis: names.axes.get(number).cloned().unwrap_or_default(),
            unit: names.axis_units.get(number).map_or("", |unit| unit.symbol()),
            speed: axis.limits.velocity.units(),
            ramp: far(StopWay::Ramp),
            quick_stop: far(StopWay::QuickStop),
            connection_lost: far(StopWay::ConnectionLost),
            power_removal: (coasting < FAR).then_some(coasting),
            found_after_ns: found_after_ns(axis, period_ns),
            fall: fall(axis),
        }
    };
    AxisId::all().zip(&machine.plan.axes).map(axis).collect()
}

fn found_after_ns(axis: &AxisPlan, period_ns: u64) -> u64 {
    let per_cycle2 =
        i128::from(axis.stop.ramp_deceleration.0) * i128::from(period_ns) * i128::from(period_ns)
            / 1_000_000_000_000_000_000;
    let fall = i64::try_from(per_cycle2).unwrap_or(i64::MAX);
    let cycles = EnvelopePlan::new(axis, period_ns).found_after(fall).saturating_add(2);
    u64::try_from(cycles).unwrap_or(u64::MAX).saturating_mul(period_ns)
}

/// ½·g·t² with what friction does not hold, at the motor's and the load's inertia.
fn fall(axis: &AxisPlan) -> Option<f64> {
    let brake = axis.brake.filter(|_| axis.vertical)?;
    let model = &axis.model;
    let pull = (model.gravity_nm.abs() - 0.5 * model.coulomb_nm).max(0.0);
    let acceleration = pull / model.inertia_kgm2 * model.units_per_radian.abs();
    #[expect(clippy::cast_precision_loss, reason = "a time of milliseconds")]
    let seconds = brake.engage_ns as f64 / 1e9;
    Some(acceleration * seconds * seconds / 2.0)
}

/// For `tactus check`.
#[must_use]
pub fn table(machine: &Machine) -> String {
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write(machine, &mut out);
    out
}

fn write(machine: &Machine, out: &mut String) -> std::fmt::Result {
    writeln!(out, "  Stops: how far from full speed, at worst (docs/guide/stops.md)")?;
    writeln!(
        out,
        "    {:<10} {:>12} {:>9} {:>11} {:>9} {:>9}  a stop that fails is found within",
        "axis", "from", "ramp", "quick stop", "no loop", "no power"
    )?;
    let stops = of(machine);
    for stop in &stops {
        let removal = stop.power_removal.map_or("never".into(), |way| format!("{way:.1}"));
        writeln!(
            out,
            "    {:<10} {:>7.0} {:<4} {:>9.1} {:>11.1} {:>9.1} {removal:>9}  {}",
            stop.axis,
            stop.speed,
            format!("{}/s", stop.unit),
            stop.ramp,
            stop.quick_stop,
            stop.connection_lost,
            duration(stop.found_after_ns)
        )?;
    }
    for stop in &stops {
        if let Some(fall) = stop.fall {
            writeln!(
                out,
                "    {} hangs: it falls {fall:.1} {} until its brake holds if torque goes without warning",
                stop.axis, stop.unit
            )?;
        }
    }
    for (name, group) in machine.names.groups.iter().zip(&machine.plan.groups) {
        let [mild, worse] = match group.stop.order {
            StopOrder::Category0Worst => [Reaction::Stop1, Reaction::Stop0],
            StopOrder::Category1Worst => [Reaction::Stop0, Reaction::Stop1],
        };
        writeln!(
            out,
            "    {name}: stop2 < {} < {}, category 1 by {}",
            events::reaction(mild, ""),
            events::reaction(worse, ""),
            events::stop_way(group.stop.category_1)
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo() -> Machine {
        config::load(include_str!("../../config/machines/demo-cell.toml"), "demo").unwrap()
    }

    #[test]
    fn no_loop_is_the_longest_way_that_keeps_torque_and_each_is_what_its_formula_says() {
        let stops = of(&demo());
        let x = &stops[0];
        // 1000 mm/s: at least v² ÷ 2d on each way, and 100 ms more of it without the loop.
        assert!(x.ramp > 83.3 && x.ramp < 110.0, "{x:?}");
        assert!(x.quick_stop > 62.5 && x.quick_stop < x.ramp, "{x:?}");
        assert!((x.connection_lost - x.quick_stop - 100.0).abs() < 1e-3, "{x:?}");
        assert!(x.power_removal > Some(x.connection_lost), "friction alone: {x:?}");
        assert_eq!(x.fall, None);
        let z = &stops[1];
        assert_eq!(z.power_removal, Some(z.quick_stop), "its drive stops it before the brake");
        assert!(z.fall > Some(1.0) && z.fall < Some(5.0), "{z:?}");
        assert!(stops.iter().all(|stop| stop.found_after_ns < 100_000_000));
    }

    #[test]
    fn the_table_names_every_axis_and_the_order_of_every_group() {
        let text = table(&demo());
        for words in ["x ", "z ", "belt ", "z hangs", "gantry: stop2 < stop0 < stop1"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(text.lines().all(|line| line.chars().count() <= 110), "{text}");
    }
}
