//! One group at the gate: all of its axes pass, or all of them stop.

use super::axis::AxisGate;
use super::{
    Allowed, GroupGate, Holding, Power, PowerNeeds, Ramp, STANDSTILL_WAIT_NS, SpeedLimit, Track,
    Violation,
};
use crate::interlock::{AxisFacts, GroupDemand};
use crate::machine::SafeCause;
use crate::plan::{AxisId, AxisPlan, GroupId, MachinePlan, Reaction, StopWay};
use crate::program::GROUP_AXES_MAX;
use crate::record::{Event, GateLimit};
use crate::step::{Log, PlanError};
use twin_lite::Nano;

/// The axes of a group, in order.
pub(super) fn members<'a>(
    ids: &'a [AxisId],
    axes: &'a [AxisGate],
) -> impl Iterator<Item = &'a AxisGate> {
    ids.iter().filter_map(|id| axes.get(usize::from(id.0)))
}

/// What is lowered step by step is told in steps: a new limit is an event when it differs from the last one told by this part.
const SPEED_STEP: i64 = 8;

/// A drive that works a brake itself answers within this, ns.
const DRIVE_ANSWER_NS: u64 = 20_000_000;

/// How long brakes take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BrakeTimes {
    /// Until all are free, ns.
    release_ns: u64,
    /// Until all hold, ns.
    engage_ns: u64,
    /// Until what hangs is held when power is cut at full speed, ns.
    cut_ns: u64,
    /// A drive works one of them.
    of_drive: bool,
}

impl BrakeTimes {
    fn add(self, axis: &AxisPlan) -> Self {
        let Some(brake) = axis.brake else { return self };
        let of_drive = brake.release.is_none();
        let engage_ns = brake.engage_ns + if of_drive { DRIVE_ANSWER_NS } else { 0 };
        // A drive with a brake of its own stops first, then engages it.
        let stop = &axis.stop;
        let quick_ns = i128::from(axis.limits.velocity.0) * 1_000_000_000
            / i128::from(stop.quick_stop_deceleration.0.max(1));
        let quick_ns = u64::try_from(quick_ns).unwrap_or(u64::MAX);
        let before = if of_drive && axis.vertical { quick_ns } else { 0 };
        Self {
            release_ns: self.release_ns.max(brake.release_ns),
            engage_ns: self.engage_ns.max(engage_ns),
            cut_ns: self.cut_ns.max(engage_ns.saturating_add(before)),
            of_drive: self.of_drive || of_drive,
        }
    }
}

/// What was found wrong with a group in a cycle.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    /// The machine must stop for it.
    pub(super) cause: Option<SafeCause>,
    /// A limit was violated: motion is not asked any more.
    pub(super) violated: bool,
}

impl Found {
    fn violation(&mut self, axis: AxisId, violation: Violation, log: &mut Log<'_>) {
        let Violation { limit, asked, allowed } = violation;
        log.event(Event::GateViolation { axis, limit, asked, allowed });
        self.cause = self.cause.or(Some(SafeCause::Gate(axis)));
        self.violated = true;
    }
}

impl GroupGate {
    /// Without power, its axes at rest.
    pub(super) fn new(plan: &MachinePlan, id: GroupId) -> Result<Self, PlanError> {
        let group = plan.groups.get(usize::from(id.0)).ok_or(PlanError::Group { group: id })?;
        let plan_of = |axis: &AxisId| plan.axes.get(usize::from(axis.0));
        let exists = |axis: &AxisId| plan_of(axis).is_some_and(|axis| axis.group == id);
        if group.axes.is_empty()
            || group.axes.len() > GROUP_AXES_MAX
            || !group.axes.iter().all(exists)
        {
            return Err(PlanError::Group { group: id });
        }
        let times = group.axes.iter().filter_map(plan_of);
        Ok(Self {
            id,
            axes: group.axes.clone(),
            stop: group.stop,
            power: Power::Off,
            ramp: None,
            speed: SpeedLimit::new(plan, usize::from(id.0)),
            times: times.fold(BrakeTimes::default(), BrakeTimes::add),
            stopping: false,
            escalated: None,
            rested_at: None,
            lost: false,
            held: Nano::MAX,
            told: Nano::MAX,
            released: false,
            passed: false,
        })
    }

    /// The first axis whose drive is not in operation enabled, in another mode, or not heard; whether it is heard.
    pub(super) fn first_lost(&self, facts: &[AxisFacts]) -> Option<AxisId> {
        let known = |axis: &AxisId| facts.get(usize::from(axis.0));
        let lost = self.axes.iter().find(|axis| {
            known(axis).is_none_or(|facts| !facts.view.enabled || !facts.in_position_mode)
        });
        lost.copied()
    }

    /// What must not be, and what follows of it: drives that are lost, stops that do not happen, torque, a load that falls.
    pub(super) fn guard(
        &mut self,
        axes: &mut [AxisGate],
        lost: Option<AxisId>,
        facts: &[AxisFacts],
        log: &mut Log<'_>,
    ) -> Found {
        let known = |axis: &AxisId| facts.get(usize::from(axis.0));
        let mut found = Found::default();
        let unheard = |axis: &&AxisId| known(axis).is_none_or(|facts| !facts.view.inputs_good);
        let blind = self.axes.iter().find(unheard).copied();
        if matches!(self.power, Power::Releasing { .. } | Power::On)
            && let Some(axis) = lost.or(blind)
            && !self.lost
        {
            self.lost = true;
            let mode = known(&axis).is_some_and(|facts| !facts.in_position_mode);
            let limit = if mode { GateLimit::Mode } else { GateLimit::Power };
            let none = Violation { limit, asked: Nano::ZERO, allowed: Nano::ZERO };
            found.violation(axis, none, log);
        }
        if self.power.is_overdue(log.now) && !self.lost {
            self.lost = true;
            found.cause = found.cause.or(Some(SafeCause::PowerUp(self.id)));
        }
        self.escalate(axes, &mut found, log);
        let powered = self.power != Power::Off;
        for id in &self.axes {
            let Some(axis) = axes.get_mut(usize::from(id.0)) else { continue };
            let wrong = axis.pulls_too_hard(known(id)).or(axis.falls(powered, known(id)));
            if let Some(violation) = wrong {
                found.violation(*id, violation, log);
            }
        }
        found
    }

    /// A stop that does not slow an axis as it must is followed by the next stronger one.
    fn escalate(&mut self, axes: &mut [AxisGate], found: &mut Found, log: &mut Log<'_>) {
        let next = match self.power {
            Power::On => StopWay::QuickStop,
            Power::Quick { .. } => StopWay::PowerRemoval,
            _ => return,
        };
        if !self.stopping || self.escalated >= Some(next) {
            return;
        }
        for id in &self.axes {
            let Some(axis) = axes.get_mut(usize::from(id.0)) else { continue };
            let Some(violation) = axis.runs_on() else { continue };
            axis.ran_on |= next == StopWay::PowerRemoval;
            // The first says why; all of them are judged in every cycle.
            if self.escalated < Some(next) {
                self.escalated = Some(next);
                found.violation(*id, violation, log);
                log.event(Event::Escalated { group: self.id, axis: *id, to: next });
            }
        }
    }

    /// The worst stop that is asked, by the group's own order.
    pub(super) fn worst_stop(&self, demand: &GroupDemand, ending: bool) -> Option<Reaction> {
        let asked = demand.stop.map(|stop| stop.reaction);
        let own = (ending || self.lost).then_some(Reaction::Stop1);
        match (asked, own) {
            (Some(asked), Some(own)) => Some(self.stop.order.worst(asked, own)),
            (one, other) => one.or(other),
        }
    }

    /// One step of power and brakes.
    pub(super) fn move_power(
        &mut self,
        axes: &mut [AxisGate],
        allowed: &Allowed<'_>,
        (run, stop, all_enabled): (bool, Option<Reaction>, bool),
        now: u64,
    ) {
        let was = self.power;
        self.power = was.next(&PowerNeeds {
            now,
            run,
            stop,
            quick_1: self.stop.category_1 == StopWay::QuickStop,
            escalated: self.escalated,
            drive_brakes: self.times.of_drive,
            all_enabled,
            brake_waits: self.brake_waits(axes, allowed.facts),
            standing: self.standing(axes, allowed.facts, now),
            release_ns: self.times.release_ns,
            engage_ns: self.times.engage_ns,
            cut_ns: self.times.cut_ns,
        });
        let is_quick = |power: Power| matches!(power, Power::Quick { .. });
        if is_quick(self.power) && !is_quick(was) {
            self.watch(axes, StopWay::QuickStop);
        }
        if self.power == Power::Off {
            self.lost = false;
            self.escalated = None;
            for id in &self.axes {
                if let Some(axis) = axes.get_mut(usize::from(id.0)) {
                    axis.ran_on = false;
                }
            }
        }
    }

    /// What hangs on a drive's own brake, and that drive has not given up its torque.
    fn brake_waits(&self, axes: &[AxisGate], facts: &[AxisFacts]) -> bool {
        members(&self.axes, axes).any(|axis| {
            let facts = facts.get(usize::from(axis.id.0));
            let enabled = facts.is_some_and(|facts| facts.view.enabled && facts.view.inputs_good);
            axis.vertical && axis.holding == Holding::Drive && enabled
        })
    }

    /// From now on the group is watched coming to rest.
    fn watch(&mut self, axes: &mut [AxisGate], way: StopWay) {
        self.stopping = true;
        let cycles = self.ramp_cycles(axes, |axis| axis.track.velocity);
        for id in &self.axes {
            if let Some(axis) = axes.get_mut(usize::from(id.0)) {
                axis.begin_stop(way, cycles);
            }
        }
    }

    /// An axis moves where it may not go any more.
    pub(super) fn is_blocked(&self, axes: &[AxisGate]) -> bool {
        members(&self.axes, axes).any(AxisGate::is_blocked)
    }

    /// Cycles in which the ramp takes the whole group to rest.
    pub(super) fn ramp_cycles(
        &self,
        axes: &[AxisGate],
        velocity: impl Fn(&AxisGate) -> i64,
    ) -> i64 {
        let cycles = members(&self.axes, axes).map(|axis| axis.check.ramp_cycles(velocity(axis)));
        cycles.max().unwrap_or(0)
    }

    /// Takes the set-points over if all of them hold every limit, none of them otherwise.
    pub(super) fn try_pass(
        &mut self,
        axes: &mut [AxisGate],
        asked: impl Fn(AxisId) -> Nano,
        facts: &[AxisFacts],
    ) -> Result<(), (AxisId, Violation)> {
        let mut tracks = [Track::default(); GROUP_AXES_MAX];
        let mut cycles = 0;
        for (track, axis) in tracks.iter_mut().zip(members(&self.axes, axes)) {
            *track = axis.track.to(asked(axis.id).0);
            cycles = cycles.max(axis.check.ramp_cycles(track.velocity));
        }
        for (track, axis) in tracks.iter().zip(members(&self.axes, axes)) {
            let facts = facts.get(usize::from(axis.id.0));
            let referenced = facts.is_some_and(|facts| facts.view.referenced);
            let checked = axis.check.check(&axis.track, track, cycles, referenced);
            checked
                .and_then(|()| axis.check_direction(track))
                .map_err(|violation| (axis.id, violation))?;
        }
        self.hold_speed(axes, &tracks)?;
        for (track, id) in tracks.iter().zip(&self.axes) {
            if let Some(axis) = axes.get_mut(usize::from(id.0)) {
                axis.track = *track;
            }
        }
        Ok(())
    }

    /// The norm of the velocities against the group's speed limit.
    // SR-019
    fn hold_speed(
        &mut self,
        axes: &[AxisGate],
        tracks: &[Track],
    ) -> Result<(), (AxisId, Violation)> {
        if self.held == Nano::MAX && self.speed.effective().is_none() {
            return Ok(());
        }
        self.speed.update(self.held, norm(members(&self.axes, axes).map(|axis| &axis.track)));
        let Some(allowed) = self.speed.effective() else { return Ok(()) };
        let asked = norm(tracks.iter());
        match members(&self.axes, axes).next() {
            Some(axis) if asked > allowed => {
                let limit = GateLimit::Velocity;
                let (asked, allowed) =
                    (axis.check.per_second(asked, 1), axis.check.per_second(allowed, 1));
                Err((axis.id, Violation { limit, asked, allowed }))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// One cycle of the ramp; the first one begins it from what was sent last.
    pub(super) fn stop(&mut self, axes: &mut [AxisGate]) {
        if !self.stopping {
            self.watch(axes, StopWay::Ramp);
        }
        if self.ramp.is_none() {
            self.ramp = Ramp::over(self.ramp_cycles(axes, |axis| axis.track.velocity));
            for id in &self.axes {
                if let Some(axis) = axes.get_mut(usize::from(id.0)) {
                    axis.start = axis.track;
                }
            }
        }
        if let Some(ramp) = &mut self.ramp {
            ramp.advance();
        }
        let ramp = self.ramp;
        for id in &self.axes {
            if let Some(axis) = axes.get_mut(usize::from(id.0)) {
                axis.track = match ramp {
                    Some(ramp) if !ramp.is_over() => axis.track.to(ramp.place(&axis.start)),
                    Some(ramp) => Track::resting(Nano(ramp.place(&axis.start))),
                    None => Track::resting(Nano(axis.track.position)),
                };
            }
        }
        self.ramp = self.ramp.filter(|ramp| !ramp.is_over());
    }

    /// A drive that is not enabled is told to be where it is; then: does anything move as commanded?
    pub(super) fn settle(&mut self, axes: &mut [AxisGate], facts: &[AxisFacts], now: u64) {
        let mut rested = self.ramp.is_none();
        for id in &self.axes {
            let known = facts.get(usize::from(id.0));
            if let Some(axis) = axes.get_mut(usize::from(id.0)) {
                if let Some(facts) = known.filter(|facts| !facts.view.enabled) {
                    axis.track = Track::resting(facts.position);
                    axis.start = axis.track;
                }
                rested &= axis.track.velocity == 0;
            }
        }
        self.rested_at = rested.then(|| self.rested_at.unwrap_or(now));
    }

    /// The ramp is over and the axes stand, or were given time enough to.
    pub(super) fn standing(&self, axes: &[AxisGate], facts: &[AxisFacts], now: u64) -> bool {
        let still = members(&self.axes, axes).all(|axis| {
            let facts = facts.get(usize::from(axis.id.0));
            facts.is_some_and(|facts| facts.velocity.magnitude() <= axis.still)
        });
        self.rested_at.is_some_and(|since| still || now.saturating_sub(since) >= STANDSTILL_WAIT_NS)
    }

    /// Tells people of a speed limit; one that follows an axis down is not told in every cycle.
    pub(super) fn log_speed(&mut self, group: GroupId, limit: Nano, log: &mut Log<'_>) {
        let told = self.told;
        let step = told.0 / SPEED_STEP;
        let small = limit != Nano::MAX && told != Nano::MAX && (limit.0 - told.0).abs() < step;
        if told != limit && !small {
            self.told = limit;
            log.event(Event::SpeedLimit { group, limit });
        }
    }
}

/// Length of the velocity vector, per cycle, rounded down.
fn norm<'a>(tracks: impl Iterator<Item = &'a Track>) -> i64 {
    let square = tracks.fold(0_u128, |sum, track| {
        let speed = u128::from(track.velocity.unsigned_abs());
        sum.saturating_add(speed.saturating_mul(speed))
    });
    i64::try_from(square.isqrt()).unwrap_or(i64::MAX)
}
