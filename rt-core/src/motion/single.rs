//! What one axis does: rest, be on its group's line, move, turn, or find its reference.

use super::path::Line;
use super::turn::Turn;
use crate::axis::homing::{Ask, Homing};
use crate::axis::{Axis, AxisEvent};
use crate::program::AxisState;
use twin_lite::{Nano, taped, taped_enum};

/// What an axis is doing.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mode {
    /// Holds its set-point.
    Rest,
    /// Goes where the group's line goes.
    OnLine,
    /// Goes to a target of its own.
    Moving(Line),
    /// Turns at a velocity.
    Turning { turn: Turn, target: Nano },
    /// Finds its reference.
    Homing { homing: Homing, turn: Turn },
}

taped_enum!(Mode {
    0: Rest,
    1: OnLine,
    2: Moving(line),
    3: Turning { turn, target },
    4: Homing { homing, turn },
});

/// What an axis shall do once it rests.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Wish {
    /// Go to `target`, in the positions of now.
    Move { target: Nano, velocity: Nano },
    /// Turn.
    Turn { velocity: Nano },
    /// Find the reference.
    #[default]
    Home,
}

taped_enum!(Wish { 0: Home, 1: Turn { velocity }, 2: Move { target, velocity } });

/// What holds for one cycle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cycle {
    pub(super) now: u64,
    pub(super) period_ns: u64,
    pub(super) speed_limit: Nano,
}

/// The motion of one axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Single {
    pub(super) position: Nano,
    pub(super) mode: Mode,
    pub(super) wish: Option<Wish>,
    /// It comes to rest because something else was asked: that rest is not what makes it done.
    ending: bool,
    pub(super) done: bool,
}

taped!(Single { position, mode, wish, ending, done });

impl Single {
    pub(super) const IDLE: Self =
        Self { position: Nano::ZERO, mode: Mode::Rest, wish: None, ending: false, done: false };

    pub(super) fn is_resting(&self) -> bool {
        matches!(self.mode, Mode::Rest)
    }

    /// Positions are counted from elsewhere since the last cycle.
    pub(super) fn shift(&mut self, by: Nano) {
        if by == Nano::ZERO {
            return;
        }
        self.position.0 = self.position.0.saturating_add(by.0);
        if let Some(Wish::Move { target, .. }) = &mut self.wish {
            target.0 = target.0.saturating_add(by.0);
        }
        match &mut self.mode {
            Mode::Rest | Mode::OnLine => {}
            Mode::Moving(line) => line.shift(0, by),
            Mode::Turning { turn, .. } | Mode::Homing { turn, .. } => turn.shift(by),
        }
    }

    /// Forgets what it was asked; the set-point is where the axis was last told to be, or is if nobody tells it.
    pub(super) fn abandon(&mut self, axis: &Axis) {
        self.mode = Mode::Rest;
        self.wish = None;
        self.ending = false;
        self.position = if axis.is_enabled() { axis.commanded_position() } else { axis.position() };
    }

    /// Comes to rest by itself; what is on the line is the group's business.
    pub(super) fn halt(&mut self) {
        self.done = false;
        self.ending = !self.is_resting();
        match &mut self.mode {
            Mode::Rest | Mode::OnLine => {}
            Mode::Moving(line) => line.halt(),
            Mode::Turning { target, .. } => *target = Nano::ZERO,
            Mode::Homing { turn, .. } => {
                self.mode = Mode::Turning { turn: *turn, target: Nano::ZERO };
            }
        }
    }

    /// Turns at another velocity, if it turns.
    pub(super) fn aim(&mut self, velocity: Nano) -> bool {
        let Mode::Turning { target, .. } = &mut self.mode else { return false };
        *target = velocity;
        self.wish = None;
        self.ending = false;
        self.done = false;
        true
    }

    /// Begins what it wishes, once it rests.
    pub(super) fn begin(&mut self, axis: &mut Axis, now: u64) {
        if !self.is_resting() {
            return;
        }
        let Some(wish) = self.wish.take() else { return };
        self.ending = false;
        let limits = axis.plan().limits;
        match wish {
            Wish::Move { target, velocity } => {
                if axis.apply(AxisEvent::MoveDiscrete) {
                    let velocity = limited(velocity, velocity_max(axis));
                    let line = Line::new([(self.position, target, limits)], velocity);
                    self.mode = Mode::Moving(line);
                }
            }
            Wish::Turn { velocity } => {
                if axis.apply(AxisEvent::MoveContinuous) {
                    let turn = Turn::new(self.position, limits);
                    self.mode = Mode::Turning { turn, target: velocity };
                }
            }
            Wish::Home => {
                if axis.apply(AxisEvent::Home) {
                    let homing = Homing::new(axis, now);
                    if homing.loses_reference() {
                        axis.lose_reference();
                    }
                    self.mode = Mode::Homing { homing, turn: Turn::new(self.position, limits) };
                }
            }
        }
    }

    /// One cycle; `on_line` is where the group's line has this axis.
    pub(super) fn advance(&mut self, axis: &mut Axis, on_line: Option<Nano>, cycle: Cycle) {
        if axis.state() == AxisState::ErrorStop {
            self.wish = None;
            self.halt();
        }
        match &mut self.mode {
            Mode::Rest => {}
            Mode::OnLine => self.position = on_line.unwrap_or(self.position),
            Mode::Moving(line) => {
                line.advance(cycle.period_ns, cycle.speed_limit);
                self.position = line.positions().next().unwrap_or(self.position);
                if line.travel().is_over() {
                    let arrived = line.travel().is_at_end();
                    self.rest(axis, arrived);
                }
            }
            Mode::Turning { turn, target } => {
                let allowed = limited(*target, cycle.speed_limit.min(velocity_max(axis)));
                self.position = turn.advance(cycle.period_ns, allowed);
                let steady = turn.is_steady() && allowed == *target;
                let over = turn.is_resting() && *target == Nano::ZERO;
                self.done = steady && !self.ending;
                if over {
                    self.rest(axis, true);
                }
            }
            Mode::Homing { .. } => self.home(axis, cycle),
        }
    }

    fn home(&mut self, axis: &mut Axis, cycle: Cycle) {
        let Mode::Homing { homing, turn } = &mut self.mode else { return };
        match homing.cycle(axis, cycle.now) {
            Ask::Velocity(velocity) => {
                let limits = axis.plan().limits;
                let most = cycle.speed_limit.min(limits.velocity_unreferenced);
                self.position = turn.advance(cycle.period_ns, limited(velocity, most));
            }
            Ask::Found { counts, position } => {
                axis.reference(counts, position);
                self.rest(axis, true);
            }
            Ask::Known => self.rest(axis, true),
            Ask::Failed(failure) => {
                self.position = turn.advance(cycle.period_ns, Nano::ZERO);
                axis.not_found(failure);
                axis.apply(AxisEvent::Fault);
                self.halt();
            }
        }
    }

    /// What was asked is over.
    pub(super) fn rest(&mut self, axis: &mut Axis, done: bool) {
        self.mode = Mode::Rest;
        axis.apply(AxisEvent::Done);
        self.done = done && !self.ending && axis.state() == AxisState::Standstill;
        self.ending = false;
    }
}

/// Velocity that an axis may have for what it knows of its place.
pub(super) fn velocity_max(axis: &Axis) -> Nano {
    let limits = axis.plan().limits;
    if axis.is_referenced() { limits.velocity } else { limits.velocity_unreferenced }
}

/// `velocity` within ± `most`; nothing below 0 is taken as a limit.
fn limited(velocity: Nano, most: Nano) -> Nano {
    let most = most.0.max(0);
    Nano(velocity.0.clamp(-most, most))
}
