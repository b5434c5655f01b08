//! Which requests are taken, and what they ask.

use super::single::Wish;
use super::{Group, LineWish, Motion};
use crate::axis::Axis;
use crate::plan::{AxisId, GroupId};
use crate::program::{AxisState, Request};
use twin_lite::Nano;

/// Why a request was refused. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// No such axis or group, or a request that is not for motion.
    Unknown,
    /// The group has no permit.
    NoPermit,
    /// The axis is in a state that takes no such request.
    State {
        /// Which axis.
        axis: AxisId,
        /// The state it is in.
        state: AxisState,
    },
    /// The axis has no reference.
    NotReferenced {
        /// Which axis.
        axis: AxisId,
    },
    /// The target is out of the soft limits.
    OutOfLimits {
        /// Which axis.
        axis: AxisId,
    },
    /// A velocity that must be above 0 is not.
    Velocity,
}

/// Where an axis that is at `start` goes for `target`; an endless one takes the shorter way.
pub(super) fn target(start: Nano, target: Option<Nano>, axis: &Axis) -> Nano {
    let Some(target) = target else { return start };
    let Some(wrap) = axis.plan().wrap.filter(|wrap| *wrap > Nano::ZERO) else { return target };
    let ahead = target.0.saturating_sub(start.0).rem_euclid(wrap.0); // integer
    let way = if ahead > wrap.0 / 2 { ahead - wrap.0 } else { ahead };
    Nano(start.0.saturating_add(way))
}

impl Motion {
    /// Takes a request, or says why not. It begins with the next [`Motion::advance`]; what moves comes to rest first.
    ///
    /// # Errors
    /// [`Refused`]: the request has no effect.
    pub fn request(&mut self, request: Request, axes: &[Axis]) -> Result<(), Refused> {
        match request {
            Request::Home { axis } => self.home(axis, axes),
            Request::MoveLinear { group, target, velocity } => {
                self.move_linear(group, LineWish { target, velocity }, axes)
            }
            Request::MoveVelocity { axis, velocity } => self.move_velocity(axis, velocity, axes),
            Request::MoveRelative { axis, distance, velocity } => {
                self.move_relative(axis, distance, velocity, axes)
            }
            Request::Halt { group } => self.halt(group, axes),
            Request::Output { .. } => Err(Refused::Unknown),
        }
    }

    fn group_of(&mut self, axis: AxisId) -> Result<&mut Group, Refused> {
        let group = self.groups.iter_mut().find(|group| group.axes.contains(&axis));
        let group = group.ok_or(Refused::Unknown)?;
        if group.takes_requests() { Ok(group) } else { Err(Refused::NoPermit) }
    }

    fn home(&mut self, id: AxisId, axes: &[Axis]) -> Result<(), Refused> {
        let axis = find(axes, id)?;
        self.group_of(id)?;
        match axis.state() {
            AxisState::Standstill => self.wish(id, Wish::Home),
            state => Err(Refused::State { axis: id, state }),
        }
    }

    fn move_velocity(&mut self, id: AxisId, velocity: Nano, axes: &[Axis]) -> Result<(), Refused> {
        let axis = find(axes, id)?;
        self.group_of(id)?;
        is_ready(id, axis)?;
        let most = axis.plan().limits.velocity;
        let velocity = Nano(velocity.0.clamp(-most.0, most.0));
        let single = self.singles.get_mut(usize::from(id.0)).ok_or(Refused::Unknown)?;
        if single.aim(velocity) {
            return self.leave_group(id);
        }
        self.wish(id, Wish::Turn { velocity })
    }

    fn move_relative(
        &mut self,
        id: AxisId,
        distance: Nano,
        velocity: Nano,
        axes: &[Axis],
    ) -> Result<(), Refused> {
        let axis = find(axes, id)?;
        self.group_of(id)?;
        is_ready(id, axis)?;
        is_above_zero(velocity)?;
        let from = self.set_point(id).position;
        let target = from.0.checked_add(distance.0).map(Nano);
        let target = target.ok_or(Refused::OutOfLimits { axis: id })?;
        if axis.is_referenced() {
            is_within(id, axis, target)?;
        }
        self.wish(id, Wish::Move { target, velocity })
    }

    fn move_linear(&mut self, id: GroupId, wish: LineWish, axes: &[Axis]) -> Result<(), Refused> {
        let group = self.groups.get(usize::from(id.0)).ok_or(Refused::Unknown)?;
        if !group.takes_requests() {
            return Err(Refused::NoPermit);
        }
        is_above_zero(wish.velocity)?;
        for (axis_id, target) in group.axes.iter().zip(wish.target) {
            let axis = find(axes, *axis_id)?;
            is_ready(*axis_id, axis)?;
            let Some(target) = target else { continue };
            if !axis.is_referenced() {
                return Err(Refused::NotReferenced { axis: *axis_id });
            }
            is_within(*axis_id, axis, target)?;
        }
        let beyond = wish.target.get(group.axes.len()..).unwrap_or_default();
        if beyond.iter().any(Option::is_some) {
            return Err(Refused::Unknown);
        }
        self.come_to_rest(id);
        if let Some(group) = self.groups.get_mut(usize::from(id.0)) {
            group.wish = Some(wish);
        }
        Ok(())
    }

    fn halt(&mut self, id: GroupId, axes: &[Axis]) -> Result<(), Refused> {
        let group = self.groups.get(usize::from(id.0)).ok_or(Refused::Unknown)?;
        if !group.takes_requests() {
            return Err(Refused::NoPermit);
        }
        for axis_id in &group.axes {
            is_ready(*axis_id, find(axes, *axis_id)?)?;
        }
        self.come_to_rest(id);
        if let Some(group) = self.groups.get_mut(usize::from(id.0)) {
            group.halting = true;
        }
        Ok(())
    }

    /// What a group and its axes were asked is replaced: they come to rest.
    fn come_to_rest(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(usize::from(id.0)) else { return };
        group.wish = None;
        group.done = false;
        group.halting = false;
        if let Some(line) = &mut group.line {
            line.halt();
        }
        for axis in &group.axes {
            if let Some(single) = self.singles.get_mut(usize::from(axis.0)) {
                single.wish = None;
                single.halt();
            }
        }
    }

    /// What an axis was asked is replaced: it comes to rest, with its group if it is on the line, then does as it is asked.
    fn wish(&mut self, id: AxisId, wish: Wish) -> Result<(), Refused> {
        let single = self.singles.get_mut(usize::from(id.0)).ok_or(Refused::Unknown)?;
        single.halt();
        single.wish = Some(wish);
        self.leave_group(id)
    }

    /// What the group of an axis was asked is replaced by what the axis was.
    fn leave_group(&mut self, id: AxisId) -> Result<(), Refused> {
        let group = self.group_of(id)?;
        group.wish = None;
        group.halting = false;
        group.done = false;
        if let Some(line) = &mut group.line {
            line.halt();
        }
        Ok(())
    }
}

fn find(axes: &[Axis], id: AxisId) -> Result<&Axis, Refused> {
    axes.get(usize::from(id.0)).ok_or(Refused::Unknown)
}

/// At standstill, or in motion that may be replaced.
pub(super) fn is_ready(id: AxisId, axis: &Axis) -> Result<(), Refused> {
    match axis.state() {
        AxisState::Standstill
        | AxisState::DiscreteMotion
        | AxisState::ContinuousMotion
        | AxisState::SynchronizedMotion => Ok(()),
        AxisState::Disabled | AxisState::Homing | AxisState::Stopping | AxisState::ErrorStop => {
            Err(Refused::State { axis: id, state: axis.state() })
        }
    }
}

fn is_above_zero(velocity: Nano) -> Result<(), Refused> {
    if velocity > Nano::ZERO { Ok(()) } else { Err(Refused::Velocity) }
}

/// Within the soft limits, if the axis has any.
fn is_within(id: AxisId, axis: &Axis, target: Nano) -> Result<(), Refused> {
    let within = match axis.plan().limits.position {
        Some((low, high)) => (low..=high).contains(&target),
        None => true,
    };
    if within { Ok(()) } else { Err(Refused::OutOfLimits { axis: id }) }
}
