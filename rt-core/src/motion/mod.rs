//! Requests become set-points: jerk-limited, synchronous within a group, one position a cycle for each axis.
//!
//! A new request replaces the old one: what moves comes to rest within its limits (on its line, if it is on one), then the new
//! begins; only the velocity of a turning axis changes on the fly. Without permit, or when the gate overrode, a group's requests
//! are forgotten: the gate brings it to rest, motion follows, and it must be asked again.

pub mod jog;
pub mod path;
pub mod profile;
mod request;
mod single;
pub mod turn;

use crate::axis::{Axis, AxisEvent};
use crate::plan::{AxisId, GroupId, MachinePlan};
use crate::program::{AxisState, GROUP_AXES_MAX};
use alloc::boxed::Box;
use path::Line;
pub use request::Refused;
use single::{Cycle, Mode, Single};
use twin_lite::{Nano, taped};

/// What the interlocks allow a group in this cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupPermit {
    /// Motion is allowed. Without it requests are abandoned.
    pub motion: bool,
    /// Path and axis speed, axis units / s; `Nano::MAX`: none.
    pub speed_limit: Nano,
}

impl GroupPermit {
    /// Nothing is allowed.
    pub const NONE: Self = Self { motion: false, speed_limit: Nano::ZERO };
}

/// Where an axis shall be at the end of this cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetPoint {
    /// Axis units × 10⁹.
    pub position: Nano,
}

/// A line that a group shall go once it rests.
#[derive(Clone, Copy, Debug, Default)]
struct LineWish {
    target: [Option<Nano>; GROUP_AXES_MAX],
    velocity: Nano,
}

/// The motion of a group.
#[derive(Clone, Debug)]
struct Group {
    axes: Box<[AxisId]>,
    line: Option<Line>,
    wish: Option<LineWish>,
    halting: bool,
    /// The gate overrode; until the group stands.
    following: bool,
    permit: bool,
    done: bool,
}

/// All set-points of a machine.
#[derive(Clone, Debug)]
pub struct Motion {
    period_ns: u64,
    groups: Box<[Group]>,
    singles: Box<[Single]>,
}

taped!(LineWish { target, velocity });
taped!(Group { line, wish, halting, following, permit, done; axes });
taped!(Motion { groups, singles; period_ns });

impl Motion {
    /// Nothing moves, and nothing is permitted before the first [`Motion::advance`].
    #[must_use]
    pub fn new(plan: &MachinePlan) -> Self {
        let group = |axes: &[AxisId]| Group {
            axes: axes.iter().copied().take(GROUP_AXES_MAX).collect(),
            line: None,
            wish: None,
            halting: false,
            following: false,
            permit: false,
            done: false,
        };
        Self {
            period_ns: plan.period_ns,
            groups: plan.groups.iter().map(|plan| group(&plan.axes)).collect(),
            singles: plan.axes.iter().map(|_| Single::IDLE).collect(),
        }
    }

    /// Computes this cycle's set-points and moves the PLCopen states. Once a cycle, after all requests.
    /// `permits` by [`GroupId`]; a missing one is none.
    pub fn advance(&mut self, axes: &mut [Axis], permits: &[GroupPermit], now: u64) {
        for (index, group) in self.groups.iter_mut().enumerate() {
            let permit = permits.get(index).copied().unwrap_or(GroupPermit::NONE);
            let cycle = Cycle { now, period_ns: self.period_ns, speed_limit: permit.speed_limit };
            group.permit = permit.motion;
            group.shift(&mut self.singles, axes);
            if permit.motion && !group.following && !group.is_stopping(axes) {
                group.advance(&mut self.singles, axes, cycle);
            } else {
                group.give_way(&mut self.singles, axes);
            }
            group.settle(&mut self.singles, axes);
        }
    }

    /// This cycle's set-point; that of an unknown axis is 0.
    #[must_use]
    pub fn set_point(&self, axis: AxisId) -> SetPoint {
        let single = self.singles.get(usize::from(axis.0));
        single.map(|single| SetPoint { position: single.position }).unwrap_or_default()
    }

    /// The gate overrode: what the axis' group was asked is abandoned; it can be asked again when it stands.
    pub fn follow(&mut self, axis: AxisId, position: Nano) {
        if let Some(single) = self.singles.get_mut(usize::from(axis.0)) {
            single.position = position;
        }
        for group in self.groups.iter_mut().filter(|group| group.axes.contains(&axis)) {
            group.following = true;
        }
    }

    /// What was asked of an axis last is done.
    #[must_use]
    pub fn done(&self, axis: AxisId) -> bool {
        self.singles.get(usize::from(axis.0)).is_some_and(|single| single.done)
    }

    /// What was asked of a group last is done.
    #[must_use]
    pub fn group_done(&self, group: GroupId) -> bool {
        self.groups.get(usize::from(group.0)).is_some_and(|group| group.done)
    }

    /// What was asked of any group is abandoned: each comes to rest as the gate says.
    pub fn abandon_all(&mut self) {
        for group in &mut self.groups {
            group.following = true;
        }
    }
}

/// An axis and its motion.
fn pair<'a>(
    singles: &'a mut [Single],
    axes: &'a mut [Axis],
    id: AxisId,
) -> Option<(&'a mut Single, &'a mut Axis)> {
    let index = usize::from(id.0);
    singles.get_mut(index).zip(axes.get_mut(index))
}

impl Group {
    /// Positions that are counted from elsewhere since the last cycle move along.
    fn shift(&mut self, singles: &mut [Single], axes: &mut [Axis]) {
        for (leg, id) in self.axes.iter().enumerate() {
            let Some((single, axis)) = pair(singles, axes, *id) else { continue };
            let by = axis.rebased();
            if by == Nano::ZERO {
                continue;
            }
            single.shift(by);
            if let Some(line) = &mut self.line {
                line.shift(leg, by);
            }
        }
    }

    /// While it follows the gate it forgets what it is asked: a request taken then would never be carried out.
    fn takes_requests(&self) -> bool {
        self.permit && !self.following
    }

    /// An axis is still being brought to rest.
    fn is_stopping(&self, axes: &[Axis]) -> bool {
        let stopping = |axis: &Axis| axis.state() == AxisState::Stopping;
        self.axes.iter().any(|id| axes.get(usize::from(id.0)).is_some_and(stopping))
    }

    /// No permit, or the gate overrode: all is forgotten, the set-points stay where the gate has them.
    fn give_way(&mut self, singles: &mut [Single], axes: &mut [Axis]) {
        self.line = None;
        self.wish = None;
        self.halting = false;
        self.done = false;
        let mut standing = true;
        for id in &self.axes {
            let Some((single, axis)) = pair(singles, axes, *id) else { continue };
            let asked = !single.is_resting() || single.wish.is_some();
            single.done &= !asked;
            single.abandon(axis);
            if asked || !axis.is_standing() {
                axis.apply(AxisEvent::Stop);
            }
            standing &= axis.is_standing();
        }
        self.following &= !standing;
    }

    fn advance(&mut self, singles: &mut [Single], axes: &mut [Axis], cycle: Cycle) {
        self.leave_the_unable(singles, axes);
        self.begin(singles, axes, cycle.now);
        if let Some(line) = &mut self.line {
            line.advance(cycle.period_ns, cycle.speed_limit);
        }
        // Positions first: the borrow of the line ends before it may end itself.
        let mut on_line = self.line.as_ref().map(Line::positions);
        for id in &self.axes {
            let position = on_line.as_mut().and_then(Iterator::next);
            let Some((single, axis)) = pair(singles, axes, *id) else { continue };
            single.advance(axis, position, cycle);
        }
        drop(on_line);
        self.end(singles, axes);
    }

    /// An axis without power is nowhere but where it is; the others of its line come to rest.
    fn leave_the_unable(&mut self, singles: &mut [Single], axes: &mut [Axis]) {
        for id in &self.axes {
            let Some((single, axis)) = pair(singles, axes, *id) else { continue };
            let failed = axis.state() == AxisState::ErrorStop;
            if (failed || !axis.is_enabled())
                && let Some(line) = &mut self.line
            {
                line.halt();
                self.wish = None;
            }
            if !axis.is_enabled() {
                single.done &= single.is_resting() && single.wish.is_none();
                single.abandon(axis);
            }
        }
    }

    /// Begins what was asked, as far as what is moving has come to rest.
    fn begin(&mut self, singles: &mut [Single], axes: &mut [Axis], now: u64) {
        for id in &self.axes {
            let Some((single, axis)) = pair(singles, axes, *id) else { continue };
            single.begin(axis, now);
        }
        let resting = |id: &AxisId| singles.get(usize::from(id.0)).is_some_and(Single::is_resting);
        if self.wish.is_none() || self.line.is_some() || !self.axes.iter().all(resting) {
            return;
        }
        let Some(wish) = self.wish.take() else { return };
        // It may have failed or lost power since it was asked.
        let ready = |id: &AxisId| {
            axes.get(usize::from(id.0)).is_some_and(|axis| request::is_ready(*id, axis).is_ok())
        };
        if !self.axes.iter().all(ready) {
            return;
        }
        let (of_single, of_axis) = (&*singles, &*axes);
        let legs = self.axes.iter().zip(wish.target).filter_map(|(id, target)| {
            let index = usize::from(id.0);
            let (single, axis) = of_single.get(index).zip(of_axis.get(index))?;
            let target = request::target(single.position, target, axis);
            Some((single.position, target, axis.plan().limits))
        });
        self.line = Some(Line::new(legs, wish.velocity));
        for id in &self.axes {
            let Some((single, axis)) = pair(singles, axes, *id) else { continue };
            axis.apply(AxisEvent::MoveSynchronized);
            single.mode = Mode::OnLine;
        }
    }

    /// Ends the line when it is over, and a halt when all rest.
    fn end(&mut self, singles: &mut [Single], axes: &mut [Axis]) {
        if let Some(line) = &self.line
            && line.travel().is_over()
        {
            let arrived = line.travel().is_at_end() && !line.travel().is_halted();
            self.line = None;
            self.done = arrived;
            for id in &self.axes {
                let Some((single, axis)) = pair(singles, axes, *id) else { continue };
                if matches!(single.mode, Mode::OnLine) {
                    single.rest(axis, arrived);
                }
            }
        }
        let mut members = self.axes.iter().filter_map(|id| singles.get(usize::from(id.0)));
        if self.halting && members.all(Single::is_resting) {
            self.halting = false;
            self.done = true;
            for id in &self.axes {
                let Some((single, _)) = pair(singles, axes, *id) else { continue };
                single.done = true;
            }
        }
    }

    /// An axis that was stopping and stands is at standstill; everyone may see what is done.
    fn settle(&mut self, singles: &mut [Single], axes: &mut [Axis]) {
        for id in &self.axes {
            let Some((single, axis)) = pair(singles, axes, *id) else { continue };
            if axis.state() == AxisState::Stopping && axis.is_standing() {
                axis.apply(AxisEvent::Stopped);
            }
            axis.set_done(single.done);
        }
    }
}

#[cfg(test)]
mod tests;
