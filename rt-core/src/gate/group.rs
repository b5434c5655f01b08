//! One group at the gate: all of its axes pass, or all of them stop.

use super::{AxisGate, GroupGate, Ramp, STANDSTILL_WAIT_NS, Track, Violation};
use crate::interlock::AxisFacts;
use crate::plan::{AxisId, GroupId};
use crate::program::GROUP_AXES_MAX;
use crate::record::{Event, GateLimit};
use crate::step::Log;
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

impl GroupGate {
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
            checked.map_err(|violation| (axis.id, violation))?;
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
