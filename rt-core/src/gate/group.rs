//! One group at the gate: all of its axes pass, or all of them stop.

use super::axis::AxisGate;
use super::{
    Allowed, GroupGate, Holding, Power, PowerNeeds, Ramp, STANDSTILL_WAIT_NS, SpeedLimit, Track,
    UNHEARD_MAX_NS, Violation,
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

/// Does `act` with each axis of a group, in order. All of them exist: [`GroupGate::new`].
fn each(ids: &[AxisId], axes: &mut [AxisGate], mut act: impl FnMut(&mut AxisGate)) {
    for id in ids {
        axes.get_mut(usize::from(id.0)).into_iter().for_each(&mut act);
    }
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
            unheard: None,
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
        each(&self.axes, axes, |axis| {
            let known = known(&axis.id);
            let wrong = axis.pulls_too_hard(known).or(axis.falls(powered, known));
            if let Some(violation) = wrong {
                found.violation(axis.id, violation, log);
            }
        });
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
        each(&self.axes, axes, |axis| {
            let Some(violation) = axis.runs_on() else { return };
            // Of one that nobody hears it is not known that it ignored anything: what hangs may still be held by it.
            axis.ran_on |= next == StopWay::PowerRemoval && axis.is_seen();
            // The first says why; all of them are judged in every cycle.
            if self.escalated < Some(next) {
                self.escalated = Some(next);
                found.violation(axis.id, violation, log);
                log.event(Event::Escalated { group: self.id, axis: axis.id, to: next });
            }
        });
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
        let unheard = self.hangs_unheard(axes, allowed.facts);
        self.unheard = unheard.then(|| self.unheard.unwrap_or(now));
        let waits = |since: u64| now.saturating_sub(since) < UNHEARD_MAX_NS;
        self.power = was.next(&PowerNeeds {
            now,
            run,
            stop,
            quick_1: self.stop.category_1 == StopWay::QuickStop,
            escalated: self.escalated,
            drive_brakes: self.times.of_drive,
            all_enabled,
            brake_waits: self.brake_waits(axes, allowed.facts),
            unheard: self.unheard.is_some_and(waits),
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
            each(&self.axes, axes, |axis| axis.ran_on = false);
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

    /// What hangs has a brake, and its drive is not heard.
    fn hangs_unheard(&self, axes: &[AxisGate], facts: &[AxisFacts]) -> bool {
        members(&self.axes, axes).any(|axis| {
            let facts = facts.get(usize::from(axis.id.0));
            let heard = facts.is_some_and(|facts| facts.view.inputs_good);
            axis.vertical && axis.holding != Holding::Nothing && !heard
        })
    }

    /// From now on the group is watched coming to rest.
    fn watch(&mut self, axes: &mut [AxisGate], way: StopWay) {
        self.stopping = true;
        let cycles = self.ramp_cycles(axes, |axis| axis.track.velocity);
        each(&self.axes, axes, |axis| axis.begin_stop(way, cycles));
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
            each(core::slice::from_ref(id), axes, |axis| axis.track = *track);
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
            each(&self.axes, axes, |axis| axis.start = axis.track);
        }
        if let Some(ramp) = &mut self.ramp {
            ramp.advance();
        }
        let ramp = self.ramp;
        each(&self.axes, axes, |axis| {
            axis.track = match ramp {
                Some(ramp) if !ramp.is_over() => axis.track.to(ramp.place(&axis.start)),
                Some(ramp) => Track::resting(Nano(ramp.place(&axis.start))),
                None => Track::resting(Nano(axis.track.position)),
            };
        });
        self.ramp = self.ramp.filter(|ramp| !ramp.is_over());
    }

    /// A drive that is not enabled is told to be where it is; then: does anything move as commanded?
    pub(super) fn settle(&mut self, axes: &mut [AxisGate], facts: &[AxisFacts], now: u64) {
        let mut rested = self.ramp.is_none();
        each(&self.axes, axes, |axis| {
            let known = facts.get(usize::from(axis.id.0));
            if let Some(facts) = known.filter(|facts| !facts.view.enabled) {
                axis.track = Track::resting(facts.position);
                axis.start = axis.track;
            }
            rested &= axis.track.velocity == 0;
        });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SignalId;
    use crate::plan::BrakePlan;
    use crate::step::log_testing::Kept;
    use crate::step::testing::machine_plan;
    use alloc::vec::Vec;

    const MS: u64 = 1_000_000;

    /// Brakes of the two axes of group 0: on an output of ours or not, ms to engage, ms to release; whether the axis hangs.
    fn times(brakes: [Option<(bool, u64, u64, bool)>; 2]) -> (u64, u64, u64, bool) {
        let mut plan = machine_plan();
        for (axis, brake) in plan.axes.iter_mut().zip(brakes) {
            let Some((output, engage, release, vertical)) = brake else { continue };
            axis.vertical = vertical;
            axis.brake = Some(BrakePlan {
                release: output.then_some(SignalId(9)),
                engage_ns: engage * MS,
                release_ns: release * MS,
            });
        }
        let times = GroupGate::new(&plan, GroupId(0)).unwrap().times;
        (times.release_ns / MS, times.engage_ns / MS, times.cut_ns / MS, times.of_drive)
    }

    #[test]
    // SR-023
    fn the_times_of_a_group_are_those_of_its_slowest_brake() {
        assert_eq!(times([None, None]), (0, 0, 0, false));
        assert_eq!(times([Some((true, 40, 10, false)), None]), (10, 40, 40, false));
        let ours = Some((true, 40, 30, true));
        assert_eq!(times([ours, Some((true, 50, 20, false))]), (30, 50, 50, false));
        // A drive answers within 20 ms; what hangs is stopped by it first: 1000 ÷ 20 000 s.
        assert_eq!(times([Some((false, 40, 10, false)), None]), (10, 60, 60, true));
        assert_eq!(times([Some((false, 40, 10, true)), None]), (10, 60, 110, true));
        // One of two is enough, whichever it is.
        assert_eq!(times([ours, Some((false, 5, 1, false))]), (30, 40, 40, true));
        assert_eq!(times([Some((false, 5, 1, false)), ours]), (30, 40, 40, true));
    }

    #[test]
    fn a_group_that_does_not_exist_or_has_too_many_axes_is_refused() {
        let mut plan = machine_plan();
        let refused = |plan: &MachinePlan, id| {
            assert_eq!(GroupGate::new(plan, id).err(), Some(PlanError::Group { group: id }));
        };
        refused(&plan, GroupId(2));
        let axis = plan.axes[2].clone();
        plan.axes = (0..=GROUP_AXES_MAX).map(|_| axis.clone()).collect();
        let ids = AxisId::all().take(GROUP_AXES_MAX + 1);
        plan.groups[1].axes = ids.collect();
        refused(&plan, GroupId(1));
        plan.groups[1].axes = AxisId::all().take(GROUP_AXES_MAX).collect();
        assert!(GroupGate::new(&plan, GroupId(1)).is_ok());
    }

    #[test]
    fn of_axes_that_run_on_together_the_first_is_told_and_all_are_judged() {
        let plan = machine_plan();
        let gate = |(axis, id)| AxisGate::new(axis, id, plan.period_ns).unwrap();
        let mut axes: Vec<AxisGate> = plan.axes.iter().zip(AxisId::all()).map(gate).collect();
        let mut group = GroupGate::new(&plan, GroupId(0)).unwrap();
        let mut facts = AxisFacts::default();
        facts.view.enabled = true;
        let (mut kept, mut told) = (Kept::default(), Vec::new());
        let powers = [Power::On, Power::Quick { since: 0 }];
        // Driven, and not heard: no better than one that runs on, but not known to have ignored anything.
        for heard in [false, true] {
            facts.view.inputs_good = heard;
            group.escalated = None;
            for (power, to) in powers.into_iter().zip([StopWay::QuickStop, StopWay::PowerRemoval]) {
                group.power = power;
                // They stand, and run away.
                for cycle in 0..100 {
                    if cycle == 10 {
                        group.watch(&mut axes, StopWay::Ramp);
                    }
                    facts.position.0 += if cycle < 10 { 0 } else { 1_000_000_000 };
                    axes.iter_mut().for_each(|axis| axis.look(Some(&facts)));
                    group.escalate(&mut axes, &mut Found::default(), &mut kept.log(1));
                }
                assert_eq!(group.escalated, Some(to));
                let ran_on = axes.iter().map(|axis| axis.ran_on);
                let ignored = heard && to == StopWay::PowerRemoval;
                assert_eq!(ran_on.collect::<Vec<_>>(), [ignored, ignored, false]);
                told.push(Event::Escalated { group: GroupId(0), axis: AxisId(0), to });
            }
        }
        let mut events = kept.events();
        events.retain(|event| matches!(event, Event::Escalated { .. }));
        assert_eq!(events, told);
    }

    #[test]
    fn the_norm_is_the_length_of_the_velocity_rounded_down() {
        let norm_of = |velocities: &[i64]| {
            let tracks: Vec<Track> =
                velocities.iter().map(|v| Track { velocity: *v, ..Track::default() }).collect();
            norm(tracks.iter())
        };
        assert_eq!(norm_of(&[]), 0);
        assert_eq!(norm_of(&[-7]), 7);
        assert_eq!(norm_of(&[3_000, -4_000]), 5_000);
        assert_eq!(norm_of(&[1, 1]), 1);
        assert_eq!(norm_of(&[i64::MIN; 8]), i64::MAX);
    }
}
