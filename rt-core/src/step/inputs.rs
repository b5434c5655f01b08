//! What a step is given, what a plan must hold, and how facts are taken from axes and streams.

use crate::axis::cia402::DriveState;
use crate::axis::{Axis, ReferenceNews};
use crate::bus::Exchange;
use crate::cycle::Command;
use crate::gate::MODE_CSP;
use crate::inspection::INSPECTIONS_MAX;
use crate::interlock::AxisFacts;
use crate::plan::{AxisId, AxisPlan, Directions, GroupId, InterlockId, MachinePlan, StopWay};
use crate::program::{AxisState, AxisView, GROUPS_MAX, STRANDS_MAX};
use crate::record::Event;
use crate::signal::Signals;
use crate::step::Log;
use crate::vision::{Inspected, STREAMS_MAX, StreamId, StreamView, VisionInputs};
use twin_lite::Nano;

/// Everything that comes into one cycle besides the signals.
#[derive(Clone, Copy, Debug)]
pub struct StepInputs<'a> {
    /// ns of CLOCK_MONOTONIC, read once.
    pub now: u64,
    /// Number of this cycle, from 0, without those that were skipped.
    pub cycle: u64,
    /// What the bus did.
    pub exchange: Exchange,
    /// Whole periods skipped before this cycle.
    pub skipped: u32,
    /// Actual − scheduled wake, ns; 0 in virtual time.
    pub latency_ns: u32,
    /// Wake to publish of the previous cycle, ns; 0 in virtual time.
    pub execution_ns: u32,
    /// The newest datagram of each stream.
    pub vision: &'a VisionInputs,
    /// Inspection results that were taken for this cycle, in the order of arrival.
    pub inspected: &'a [Inspected],
    /// What the other side asks.
    pub command: Command,
}

/// A plan that cannot be held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// The period is not in 62 500 ..= 100 000 000 ns.
    Period,
    /// More than [`AXES_MAX`](crate::program::AXES_MAX) axes.
    TooManyAxes,
    /// More than [`GROUPS_MAX`] groups.
    TooManyGroups,
    /// More than 8 vision streams.
    TooManyStreams,
    /// More than [`INSPECTIONS_MAX`] inspections.
    TooManyInspections,
    /// More than [`STRANDS_MAX`] strands.
    TooManyStrands,
    /// The group is empty, too large, or names an axis that is not its own.
    Group {
        /// Which.
        group: GroupId,
    },
    /// The axis is in no group that names it.
    Ungrouped {
        /// Which.
        axis: AxisId,
    },
    /// A limit of the axis vanishes within one cycle, or is not above 0.
    Limits {
        /// Which.
        axis: AxisId,
    },
    /// A vertical axis without a brake.
    Brake {
        /// Which.
        axis: AxisId,
    },
    /// The interlock reacts on a group that does not exist.
    Interlock {
        /// Which.
        interlock: InterlockId,
    },
}

/// What constructors cannot hold. Ranges and references of everything else are `config`'s to check.
pub(super) fn check(plan: &MachinePlan) -> Result<(), PlanError> {
    if !(62_500..=100_000_000).contains(&plan.period_ns) {
        return Err(PlanError::Period);
    }
    if plan.groups.len() > GROUPS_MAX {
        return Err(PlanError::TooManyGroups);
    }
    if plan.streams.len() > STREAMS_MAX {
        return Err(PlanError::TooManyStreams);
    }
    if plan.inspections.len() > INSPECTIONS_MAX {
        return Err(PlanError::TooManyInspections);
    }
    if plan.program.strands.len() > STRANDS_MAX {
        return Err(PlanError::TooManyStrands);
    }
    for (axis, id) in plan.axes.iter().zip(AxisId::all()) {
        let group = plan.groups.get(usize::from(axis.group.0));
        let named = |axes: &[AxisId]| axes.iter().filter(|axis| **axis == id).count() == 1;
        if !group.is_some_and(|group| named(&group.axes)) {
            return Err(PlanError::Ungrouped { axis: id });
        }
        if axis.vertical && axis.brake.is_none() {
            return Err(PlanError::Brake { axis: id });
        }
    }
    for (interlock, number) in plan.interlocks.iter().zip(0_u16..) {
        let known = |group: GroupId| usize::from(group.0) < plan.groups.len();
        if !interlock.effects.iter().all(|effect| known(effect.group)) {
            return Err(PlanError::Interlock { interlock: InterlockId(number) });
        }
    }
    Ok(())
}

/// What is known of an axis before the first cycle.
pub(super) fn facts_of(axis: &AxisPlan, plan: &MachinePlan) -> AxisFacts {
    AxisFacts {
        can_coast: plan.can_coast(axis.group),
        following_error_max: axis.limits.following_error,
        margin: Nano::from_units(axis.model.margin).unwrap_or(Nano::MAX),
        brake_release_ns: axis.brake.map_or(0, |brake| brake.release_ns),
        ..AxisFacts::default()
    }
}

/// What is known of it in this cycle.
pub(super) fn take_facts(facts: &mut AxisFacts, axis: &Axis, view: AxisView, signals: &Signals) {
    let mode = axis.plan().signals.mode_display;
    let ramp = axis.plan().stop.ramp_deceleration;
    facts.view = view;
    facts.position = axis.position();
    facts.velocity = Nano::from_units(view.velocity).unwrap_or(Nano::MAX);
    facts.stopping = axis.stopping_distance(ramp);
    let lost = axis.stopping_by(StopWay::ConnectionLost);
    facts.quick_stopping = axis.drive_state() == DriveState::QuickStopActive;
    facts.stopping_worst = facts.stopping.max(lost);
    // SR-081
    if facts.can_coast || !(axis.is_enabled() || facts.quick_stopping) {
        let coasting = axis.stopping_by(StopWay::PowerRemoval);
        facts.stopping_worst = facts.stopping_worst.max(coasting);
    }
    let switches = axis.switches();
    facts.directions =
        Directions { negative: !switches.limit_negative, positive: !switches.limit_positive };
    facts.in_position_mode = mode.is_none_or(|mode| signals.get(mode).value == MODE_CSP);
}

/// An event when what a stream says has changed.
pub(super) fn tell_vision(number: u8, before: &StreamView, now: &StreamView, log: &mut Log<'_>) {
    let valid = now.refusal.is_none();
    if before.clear != now.clear || before.refusal.is_none() != valid {
        log.event(Event::Vision { stream: StreamId(number), not_clear: !now.clear, valid });
    }
}

/// Events when an axis' state changed, its drive failed, or it has a reference.
pub(super) fn tell_axes(
    known: &mut [(AxisState, bool)],
    axes: &[Axis],
    facts: &[AxisFacts],
    log: &mut Log<'_>,
) {
    for ((id, axis), (facts, known)) in AxisId::all().zip(axes).zip(facts.iter().zip(known)) {
        let now = (axis.state(), facts.view.fault);
        let (state, fault) = *known;
        if now.0 != state {
            log.event(Event::Axis { axis: id, from: state, to: now.0 });
        }
        if now.1 && !fault {
            log.event(Event::DriveFault { axis: id, code: axis.error_code() });
        }
        match axis.reference_news() {
            Some(ReferenceNews::Refused(position)) => {
                log.event(Event::ReferenceRefused { axis: id, position });
            }
            Some(ReferenceNews::NotFound(failure)) => {
                log.event(Event::HomingFailed { axis: id, failure });
            }
            Some(news @ (ReferenceNews::Found | ReferenceNews::Kept)) => {
                let kept = news == ReferenceNews::Kept;
                log.event(Event::Referenced { axis: id, offset: axis.offset(), kept });
            }
            None => {}
        }
        *known = now;
    }
}
