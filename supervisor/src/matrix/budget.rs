//! The response-time budget of each row, and the stops of each group: bounds that follow from the plan, each with its parts.
//!
//! An input that just misses a frame is sampled by the next one and answered by the frame after: two periods. Before that comes what the
//! cause itself may take until it demands. Filters of terminals, cameras and drives are not in the plan and not in here.

use config::Machine;
use rt_core::plan::{AxisPlan, Cause, GroupId, MutingPlan};
use rt_core::separation::SeparationPlan;
use serde::Serialize;

use super::Matrix;

/// Cycles from an input that just missed a frame until the frame that carries the answer.
const CYCLES: u64 = 2;
/// The loop lets a drive ignore its target for so long while it is being enabled, ns.
const TARGET_IGNORED_NS: u64 = 20_000_000;

/// How long a row takes until the frame with its reaction leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// The row's name.
    pub row: String,
    /// Until the cause demands, beyond the next sample, ns.
    pub detection_ns: u64,
    /// Where that comes from.
    pub detection: &'static str,
    /// From the sample until the frame with the reaction leaves, at most, ns.
    pub loop_ns: u64,
    /// Both, ns.
    pub total_ns: u64,
}

/// The three ways in which an axis stops, each from its highest velocity.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stopping {
    /// The group's name.
    pub group: String,
    /// The axis' name.
    pub axis: String,
    /// Its unit.
    pub unit: String,
    /// Highest velocity, units / s.
    pub velocity: f64,
    /// The gate's ramp: way and time.
    pub ramp: (f64, f64),
    /// The drive's quick stop: way and time.
    pub quick_stop: (f64, f64),
    /// Loss of communication: way until the watchdog and the quick stop after it, and its time.
    pub lost: (f64, f64),
    /// Brake until it holds, s.
    pub brake: Option<f64>,
}

/// Rows in order.
#[must_use]
pub fn rows(machine: &Machine, matrix: &Matrix) -> Vec<Budget> {
    let plan = &machine.plan;
    let causes = plan.interlocks.iter().zip(&matrix.rows);
    causes
        .map(|(interlock, row)| {
            let (detection_ns, detection) = detection(machine, &interlock.cause);
            let loop_ns = CYCLES * plan.period_ns;
            Budget {
                row: row.name.clone(),
                detection_ns,
                detection,
                loop_ns,
                total_ns: detection_ns.saturating_add(loop_ns),
            }
        })
        .collect()
}

fn detection(machine: &Machine, cause: &Cause) -> (u64, &'static str) {
    let plan = &machine.plan;
    match *cause {
        Cause::DualChannel { discrepancy_ns, .. } | Cause::Antivalent { discrepancy_ns, .. } => (
            discrepancy_ns,
            "one channel alone is answered at once; this is until their difference is a fault",
        ),
        Cause::Zone { stream, .. } | Cause::TwinZone { stream, .. } => {
            let age = plan.streams.get(usize::from(stream.0)).map_or(0, |stream| stream.age_max_ns);
            (age, "the oldest picture that counts")
        }
        Cause::WorkingCounter { cycles, .. } => {
            (u64::from(cycles) * plan.period_ns, "cycles without valid data that are allowed")
        }
        Cause::Bus => (
            u64::from(machine.bus.silent_cycles_max) * plan.period_ns,
            "cycles without a reply that are allowed",
        ),
        Cause::TargetIgnored { .. } => (TARGET_IGNORED_NS, "while a drive is being enabled"),
        Cause::Supervisor { age_max_ns } => (age_max_ns, "the oldest heartbeat that counts"),
        Cause::Overrun => {
            let count = plan.overrun.demand.map_or(0, |limit| u64::from(limit.count) + 1);
            (count * plan.period_ns, "late cycles that are allowed, at least a period each")
        }
        Cause::Muting(MutingPlan { muting_ns, .. }) => (
            muting_ns,
            "the longest that the curtain may be muted; not muted it is answered at once",
        ),
        Cause::Edm { time_ns, .. } | Cause::SafetyRequest { time_ns, .. } => {
            (time_ns, "the time in which it must be confirmed")
        }
        Cause::Threshold { band, .. } => {
            (band.filter_ns, "the value is beyond its limit for so long")
        }
        Cause::StaleVision { stream } | Cause::Separation(SeparationPlan { stream, .. }) => {
            let age = plan.streams.get(usize::from(stream.0)).map_or(0, |stream| stream.age_max_ns);
            (age, "the oldest picture that counts")
        }
        Cause::EnablingSwitch { .. }
        | Cause::TwoHand { .. }
        | Cause::NotReferenced { .. }
        | Cause::ModeSelector
        | Cause::Inspection { .. }
        | Cause::TwinLimit { .. }
        | Cause::TwinDoubt { .. }
        | Cause::FollowingError { .. }
        | Cause::DriveFault { .. }
        | Cause::DcUnlocked
        | Cause::Input { .. } => (0, "at the next sample"),
    }
}

/// Axes in order.
#[must_use]
pub fn stops(machine: &Machine) -> Vec<Stopping> {
    let names = &machine.names;
    let plan = &machine.plan;
    let axes = plan.axes.iter().zip(&names.axes).zip(&names.axis_units);
    axes.map(|((axis, name), unit)| stop(machine, axis, name, unit.symbol())).collect()
}

#[expect(clippy::cast_precision_loss, reason = "for people, to a tenth of a millimetre")]
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

fn stop(machine: &Machine, axis: &AxisPlan, name: &str, unit: &str) -> Stopping {
    let velocity = axis.limits.velocity.units();
    let brake_from =
        |deceleration: f64| (velocity * velocity / (2.0 * deceleration), velocity / deceleration);
    let quick = brake_from(axis.stop.quick_stop_deceleration.units());
    let watchdog = seconds(axis.stop.watchdog_ns);
    let GroupId(group) = axis.group;
    Stopping {
        group: machine.names.groups.get(usize::from(group)).cloned().unwrap_or_default(),
        axis: name.to_owned(),
        unit: unit.to_owned(),
        velocity,
        ramp: brake_from(axis.stop.ramp_deceleration.units()),
        quick_stop: quick,
        lost: (velocity * watchdog + quick.0, watchdog + quick.1),
        brake: axis.brake.map(|brake| seconds(brake.engage_ns)),
    }
}
