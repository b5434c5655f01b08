//! Manual motion: an axis moves for as long as a wired input is held, and no longer.
//!
//! A press counts only if it began after the machine began to wait for a start: what was held before, or across a stop, moves nothing.
//! Both directions at once are neither. A referenced axis stops short of its soft limit by twice the twin's margin; one without a reference is slow.

use super::Motion;
use crate::axis::Axis;
use crate::machine::Button;
use crate::plan::{AxisId, Directions, JogPlan, MachinePlan};
use crate::program::Request;
use crate::signal::SignalId;
use alloc::boxed::Box;
use twin_lite::{Nano, taped, taped_enum};

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Way {
    #[default]
    Positive,
    Negative,
}

taped_enum!(Way { 0: Positive, 1: Negative });

/// The inputs of one axis.
#[derive(Clone, Debug)]
struct Jog {
    plan: JogPlan,
    positive: Button,
    negative: Button,
    /// What motion was asked.
    asked: Option<Way>,
}

taped!(Jog { positive, negative, asked; plan });

/// All inputs that move axes by hand.
#[derive(Clone, Debug)]
pub struct Jogs {
    jogs: Box<[Jog]>,
}

taped!(Jogs { jogs });

impl Jogs {
    /// Those of `plan`; none of them seen yet.
    #[must_use]
    pub fn new(plan: &MachinePlan) -> Self {
        let jog = |plan: &JogPlan| Jog {
            plan: *plan,
            positive: Button::default(),
            negative: Button::default(),
            asked: None,
        };
        let all = plan.mode.iter().flat_map(|mode| &mode.jogs);
        Self { jogs: all.map(jog).collect() }
    }

    /// Reads the inputs. Once a cycle, in every mode. `read` gives a signal that is good, or young enough.
    pub fn update(&mut self, read: impl Fn(SignalId) -> Option<i64>, now: u64) {
        let pressed = |signal| read(signal).map(|value| value != 0);
        for jog in &mut self.jogs {
            jog.positive.update(pressed(jog.plan.positive), now, 0, u64::MAX);
            jog.negative.update(pressed(jog.plan.negative), now, 0, u64::MAX);
        }
    }

    /// The latest press that is still held and says a direction.
    #[must_use]
    pub fn pressed_since(&self) -> Option<u64> {
        let held = |jog: &Jog| {
            jog.way(0).and(jog.positive.pressed_since().max(jog.negative.pressed_since()))
        };
        self.jogs.iter().filter_map(held).max()
    }

    /// Asks motion for what is held; presses count that began after `since` (`None`: none does), and only where the
    /// way is `free`. Gives whether an axis was told to move.
    pub fn ask(
        &mut self,
        motion: &mut Motion,
        axes: &[Axis],
        free: impl Fn(AxisId) -> Directions,
        since: Option<u64>,
    ) -> bool {
        let mut moved = false;
        for jog in &mut self.jogs {
            let open = free(jog.plan.axis);
            let is_open = |way: &Way| match way {
                Way::Positive => open.positive,
                Way::Negative => open.negative,
            };
            let way = since.and_then(|since| jog.way(since)).filter(is_open);
            if way == jog.asked {
                continue;
            }
            let request = match way {
                Some(way) => jog.request(way, motion, axes),
                None => Some(Request::MoveVelocity { axis: jog.plan.axis, velocity: Nano::ZERO }),
            };
            let taken = request.is_none_or(|request| motion.request(request, axes).is_ok());
            // Without permit there is nothing to bring to rest: the gate does.
            if taken || way.is_none() {
                jog.asked = way;
            }
            moved |= taken && way.is_some();
        }
        moved
    }

    /// A group has lost its permit: what it was asked is forgotten, and must be pressed anew.
    pub fn forget(&mut self) {
        for jog in &mut self.jogs {
            jog.asked = None;
        }
    }
}

impl Jog {
    /// The one direction that is held since later than `since`.
    fn way(&self, since: u64) -> Option<Way> {
        let (positive, negative) = (self.positive.pressed_since(), self.negative.pressed_since());
        match (positive, negative) {
            (Some(at), None) if at > since && self.negative == Button::Released => {
                Some(Way::Positive)
            }
            (None, Some(at)) if at > since && self.positive == Button::Released => {
                Some(Way::Negative)
            }
            (_, _) => None,
        }
    }

    /// Almost to the soft limit if there is one, on and on otherwise; `None`: the axis is there.
    fn request(&self, way: Way, motion: &Motion, axes: &[Axis]) -> Option<Request> {
        let JogPlan { axis, velocity, .. } = self.plan;
        let known = axes.get(usize::from(axis.0))?;
        let limits = known.plan().limits.position.filter(|_| known.is_referenced());
        let Some((low, high)) = limits else {
            let velocity = match way {
                Way::Positive => velocity,
                Way::Negative => Nano(velocity.0.saturating_neg()),
            };
            return Some(Request::MoveVelocity { axis, velocity });
        };
        let place = motion.set_point(axis).position.0;
        // Nearer than its margin the twin could not promise to stop before the limit, and would stop it.
        let margin = Nano::from_units(known.plan().model.margin).unwrap_or(Nano::MAX);
        let inner = margin.0.saturating_mul(2);
        let distance = match way {
            Way::Positive => high.0.saturating_sub(inner).saturating_sub(place).max(0),
            Way::Negative => low.0.saturating_add(inner).saturating_sub(place).min(0),
        };
        let distance = Nano(distance);
        (distance != Nano::ZERO).then_some(Request::MoveRelative { axis, distance, velocity })
    }
}
